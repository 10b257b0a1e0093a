"""Groups in which each unit serves one promotion at most: the first that comes, or those that save most together."""

from __future__ import annotations

import numpy as np

from engine.alone import settle
from engine.components import settle_component
from engine.discounts import ROW_SHIFT, gain, order_of, row_of
from engine.kernel import Buffer, Ints, Table, bare, gate, kernel
from engine.layout import Q_LINE_MARKS, Q_UNIT_LIST, T_CAP, T_TERM, at, size
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
    members, ends = components_of(offers, taken.shape[0], table.shape[1])
    role_of = np.zeros(taken.shape[0], np.int64)
    begin = 0
    for end in ends:
        one = members[begin] if end - begin == 1 and is_simple(offers, members[begin]) else -1
        if one < 0:
            one = covers_all(rules, table, offers, members[begin:end])
        if one >= 0:
            takes_its_own(offers, one, taken, role_of)
        else:
            settle_component(rules, q, table, state, original, offers, members[begin:end], taken, role_of)
        begin = end
    by_line, lines = np.zeros(size(q, Q_LINE_MARKS), np.int64), np.empty(size(q, Q_LINE_MARKS), np.int64)
    place = by_name(offers, table.shape[1])
    for i in place:
        if offers.begin[i] == offers.begin[i + 1]:
            continue
        if is_simple(offers, i) and is_plain(rules, q, table, offers.rows[i]):
            if not perform_plainly(q, table, state, offers, i, taken, by_line, lines):
                give_back(offers, i, taken)
        else:
            perform_own(rules, q, table, state, original, offers, i, taken, role_of)


@bare
def give_back(offers: Offers, i: int, taken: Ints) -> None:
    """The i-th offer saves nothing with the units that serve it."""
    for k in range(offers.begin[i], offers.begin[i + 1]):
        if taken[offers.units[k]] == offers.rows[i]:
            taken[offers.units[k]] = -1


@gate
def perform_own(
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
    """Let the i-th offer apply with the units that serve it."""
    row = offers.rows[i]
    units = offers.units[offers.begin[i] : offers.begin[i + 1]]
    own = units[taken[units] == row]
    if own.shape[0] == 0:
        return
    own = own[order_of(q, own, state.left, original)]
    p, cap = table[T_TERM, row], table[T_CAP, row]
    result = settle(rules, q, p, own, role_of[own], state.left, original, cap)
    if result.saving > 0:
        perform(rules, q, table, state, row, result)
    else:
        taken[own] = -1


@bare
def is_simple(offers: Offers, i: int) -> bool:
    """Whether what the i-th offer, which has units, saves on each of them hangs on nothing else."""
    return offers.gains[offers.begin[i]] >= 0


@gate
def by_name(offers: Offers, rows: int) -> Ints:
    """The offers, by name."""
    place = np.full(rows, -1, np.int64)
    order = np.empty(offers.rows.shape[0], np.int64)
    for i in range(order.shape[0]):
        place[offers.rows[i]] = i
    count = 0
    for row in range(rows):
        if place[row] >= 0:
            order[count] = place[row]
            count += 1
    return order


@gate
def components_of(offers: Offers, units: int, rows: int) -> tuple[Ints, Ints]:
    """Offers that share units, directly or through others, one component after the other, each by name; and where
    components end. Offers without units are left out."""
    count = offers.rows.shape[0]
    parent = np.arange(count)
    owner = np.full(units, -1, np.int64)
    for i in range(count):
        for k in range(offers.begin[i], offers.begin[i + 1]):
            u = offers.units[k]
            if owner[u] < 0:
                owner[u] = i
            else:
                a, b = root(parent, owner[u]), root(parent, i)
                parent[max(a, b)] = min(a, b)
    ends = np.zeros(count + 1, np.int64)
    for i in range(count):
        if offers.begin[i] < offers.begin[i + 1]:
            ends[root(parent, i)] += 1
    found = used = 0
    place = np.empty(count, np.int64)  # by root: where the next of its members goes
    for i in range(count):
        here = ends[i]
        place[i] = used
        used += here
        if here:
            ends[found] = used
            found += 1
    members = np.empty(used, np.int64)
    for i in by_name(offers, rows):
        if offers.begin[i] < offers.begin[i + 1]:
            top = root(parent, i)
            members[place[top]] = i
            place[top] += 1
    return members, ends[:found]


@bare
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
    gains = offers.gains
    most = np.zeros(left.shape[0], np.int64)
    plain = np.zeros(count, np.bool_)
    for i in range(count):
        row, begin = offers.rows[i], offers.begin[i]
        if begin == offers.begin[i + 1]:
            continue
        plain[i] = is_simple(offers, i) or (takes_each(rules, table[T_TERM, row]) and table[T_CAP, row] < 0)
        if plain[i] and gains[begin] < 0:
            note_gains(rules, q, table, offers, i, left, original)
        for k in range(begin, offers.begin[i + 1] if plain[i] else begin):
            most[offers.units[k]] = max(most[offers.units[k]], gains[k])
    kept = np.zeros(count + 1, np.int64)
    units, masks = np.empty(gains.shape[0], np.int64), np.empty(gains.shape[0], np.int64)
    own = np.empty(gains.shape[0], np.int64)
    used = 0
    for i in range(count):
        for k in range(offers.begin[i], offers.begin[i + 1]):
            if not plain[i] or 0 < gains[k] == most[offers.units[k]]:
                units[used], masks[used], own[used] = offers.units[k], offers.masks[k], gains[k]
                used += 1
        kept[i + 1] = used
    return Offers(offers.rows.copy(), kept, units[:used], masks[:used], own[:used])


@gate
def note_gains(rules: Buffer, q: Buffer, table: Table, offers: Offers, i: int, left: Ints, original: int) -> None:
    """What the i-th offer, which takes each unit for itself, saves on each."""
    for k in range(offers.begin[i], offers.begin[i + 1]):
        u = offers.units[k]
        base = at(q, Q_UNIT_LIST, u) if original else left[u]
        offers.gains[k] = gain(rules, q, row_of(table[T_TERM, offers.rows[i]], offers.masks[k]), u, 0, base, left[u])


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


@bare
def takes_its_own(offers: Offers, i: int, taken: Ints, role_of: Ints) -> None:
    """An offer that takes each unit for itself takes those that it makes cheaper."""
    for k in range(offers.begin[i], offers.begin[i + 1]):
        if offers.gains[k] > 0:
            taken[offers.units[k]] = offers.rows[i]
            role_of[offers.units[k]] = offers.masks[k] >> ROW_SHIFT << ROW_SHIFT
