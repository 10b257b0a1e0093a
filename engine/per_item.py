"""Groups in which each unit serves one promotion at most: the first that comes, or those that save most together."""

from __future__ import annotations

import numpy as np

from engine.alone import settle
from engine.components import settle_component
from engine.discounts import ROW_SHIFT, gain, order_of, row_of
from engine.kernel import Buffer, Ints, Table, gate, kernel
from engine.layout import Q_UNIT_LIST, T_CAP, T_TERM, at
from engine.order import ascending
from engine.perform import alone_of_free, is_plain, perform, perform_plainly, takes_each
from engine.search import NAMES_MAX
from engine.state import Offers, State


@gate
def apply_first_per_item(
    rules: Buffer, q: Buffer, table: Table, state: State, original: int, offers: Offers, taken: Ints
) -> None:
    """In declared order each takes from the units not yet taken what it would take alone."""
    for i in range(offers.rows.shape[0]):
        result = alone_of_free(rules, q, table, offers, i, state.left, original, taken)
        if result.saving > 0:
            taken[result.units] = offers.rows[i]
            perform(rules, q, table, state, offers.rows[i], result)


@gate
def apply_best_per_item(
    rules: Buffer, q: Buffer, table: Table, state: State, original: int, offers: Offers, taken: Ints
) -> None:
    """Every unit serves at most one promotion; together they save the most. Components are settled one by one."""
    offers = left_to_the_better(rules, q, table, offers, state.left, original)
    count = offers.rows.shape[0]
    parent = np.arange(count)
    owner = np.full(taken.shape[0], -1, np.int64)
    for i in range(count):
        for k in range(offers.begin[i], offers.begin[i + 1]):
            u = offers.units[k]
            if owner[u] < 0:
                owner[u] = i
            else:
                a, b = root(parent, owner[u]), root(parent, i)
                parent[max(a, b)] = min(a, b)
    role_of = np.full(taken.shape[0], 0, np.int64)
    by_name = ascending(offers.rows)
    roots = np.empty(count, np.int64)
    for i in range(count):
        roots[i] = root(parent, i)
    for top in range(count):
        if offers.begin[top] == offers.begin[top + 1]:
            continue
        if roots[top] == top:
            members = by_name[roots[by_name] == top]
            one = covers_all(rules, table, offers, members)
            if one >= 0:
                takes_its_own(rules, q, table, state, original, offers, one, taken, role_of)
            else:
                settle_component(rules, q, table, state, original, offers, members, taken, role_of)
    for i in by_name:
        row = offers.rows[i]
        units = offers.units[offers.begin[i] : offers.begin[i + 1]]
        own = units[taken[units] == row]
        if own.shape[0] == 0:
            continue
        if is_plain(rules, q, table, row):
            if not perform_plainly(rules, q, table, state, row, own, original):
                taken[own] = -1
            continue
        own = own[order_of(q, own, state.left, original)]
        p, cap = table[T_TERM, row], table[T_CAP, row]
        result = settle(rules, q, p, own, role_of[own], state.left, original, cap)
        if result.saving > 0:
            perform(rules, q, table, state, row, result)
        else:
            taken[own] = -1


@kernel
def root(parent: Ints, i: int) -> int:
    """The component that i belongs to, by its first member."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@gate
def left_to_the_better(rules: Buffer, q: Buffer, table: Table, offers: Offers, left: Ints, original: int) -> Offers:
    """The offers without the units that another saves more on, if both take each unit for itself, without a cap, and
    without those that they make no cheaper.

    Whoever took such a unit would save more with the other: so no best assignment is lost."""
    count = offers.rows.shape[0]
    gains = np.zeros(offers.units.shape[0], np.int64)
    most = np.zeros(left.shape[0], np.int64)
    plain = np.zeros(count, np.bool_)
    for i in range(count):
        row = offers.rows[i]
        plain[i] = takes_each(rules, table[T_TERM, row]) and table[T_CAP, row] < 0
        for k in range(offers.begin[i], offers.begin[i + 1] if plain[i] else 0):
            u = offers.units[k]
            base = at(q, Q_UNIT_LIST, u) if original else left[u]
            gains[k] = gain(rules, q, row_of(table[T_TERM, row], offers.masks[k]), u, 0, base, left[u])
            most[u] = max(most[u], gains[k])
    begin = np.zeros(count + 1, np.int64)
    units, masks = np.empty(gains.shape[0], np.int64), np.empty(gains.shape[0], np.int64)
    used = 0
    for i in range(count):
        for k in range(offers.begin[i], offers.begin[i + 1]):
            if not plain[i] or 0 < gains[k] == most[offers.units[k]]:
                units[used], masks[used] = offers.units[k], offers.masks[k]
                used += 1
        begin[i + 1] = used
    return Offers(offers.rows.copy(), begin, units[:used], masks[:used])


@gate
def covers_all(rules: Buffer, table: Table, offers: Offers, members: Ints) -> int:
    """Where every promotion takes each unit for itself, all save as much on it: so one that has all units is the
    fewest, and the first of these (by name) the answer. -1: there is none, or more to choose."""
    most = 0
    for i in members:
        if not takes_each(rules, table[T_TERM, offers.rows[i]]) or table[T_CAP, offers.rows[i]] >= 0:
            return -1
        most = max(most, offers.begin[i + 1] - offers.begin[i])
    if members.shape[0] == 1:
        return members[0]
    if members.shape[0] > NAMES_MAX:
        return -1
    for i in members:
        if offers.begin[i + 1] - offers.begin[i] < most:
            continue
        for j in members:
            for k in range(offers.begin[j], offers.begin[j + 1]):
                if not has_unit(offers, i, offers.units[k]):
                    return -1
        return i
    return -1


@kernel
def has_unit(offers: Offers, i: int, unit: int) -> bool:
    """Whether a unit is among those of an offer, which ascend."""
    low, high = offers.begin[i], offers.begin[i + 1]
    while low < high:
        middle = (low + high) // 2
        if offers.units[middle] < unit:
            low = middle + 1
        else:
            high = middle
    return low < offers.begin[i + 1] and offers.units[low] == unit


@gate
def takes_its_own(
    rules: Buffer,
    q: Buffer,
    table: Table,
    state: State,
    original: int,
    offers: Offers,
    i: int,
    taken: Ints,
    role_of: Ints,
) -> None:
    """An offer takes each of its units that it makes cheaper."""
    row = offers.rows[i]
    p = table[T_TERM, row]
    for k in range(offers.begin[i], offers.begin[i + 1]):
        u = offers.units[k]
        base = at(q, Q_UNIT_LIST, u) if original else state.left[u]
        if gain(rules, q, row_of(p, offers.masks[k]), u, 0, base, state.left[u]) > 0:
            taken[u] = row
            role_of[u] = offers.masks[k] >> ROW_SHIFT << ROW_SHIFT
