"""Groups in which promotions apply to the whole basket: all of them, the best, the first, or at most so many."""

from __future__ import annotations

import numpy as np

from engine.kernel import Buffer, Flags, Ints, Table, gate, kernel
from engine.layout import Q_UNIT_LINE, T_ALONE, size
from engine.order import ascending
from engine.perform import alone_of, perform
from engine.state import Offers, State

SETS_MAX = 5_000  # sets of promotions that «at most N» tries
SETS_STEPS_MAX = 2_000_000  # sets x promotions in one x units of the basket, likewise


@gate
def apply_set(
    rules: Buffer,
    q: Buffer,
    table: Table,
    state: State,
    original: int,
    offers: Offers,
    chosen: Flags,
) -> None:
    """The chosen promotions, one after the other in declared order, each on what is left."""
    for i in range(offers.rows.shape[0]):
        if chosen[i]:
            row = offers.rows[i]
            result = alone_of(rules, q, table, offers, i, state.left, original)
            if result.saving > 0:
                perform(rules, q, table, state, row, result)


@gate
def worth_of_set(
    rules: Buffer, q: Buffer, table: Table, left: Ints, original: int, offers: Offers, members: Ints
) -> int:
    """What some promotions (ascending positions in declared order) save one after the other."""
    now = left.copy()
    total = 0
    for i in members:
        result = alone_of(rules, q, table, offers, i, now, original)
        total += result.saving
        for k in range(result.units.shape[0]):
            now[result.units[k]] -= result.savings[k]
    return total


@gate
def apply_at_most(
    rules: Buffer, q: Buffer, table: Table, state: State, original: int, offers: Offers, most: int
) -> None:
    """The set of at most so many promotions with the largest total saving."""
    count = offers.rows.shape[0]
    most = min(most, count)
    sets, ways = 1, 1  # the empty one counts
    for k in range(1, most + 1):
        ways = ways * (count - k + 1) // k
        sets += ways
        if sets > SETS_MAX:
            break
    chosen = np.zeros(count, np.bool_)
    if sets > SETS_MAX or sets * most * size(q, Q_UNIT_LINE) > SETS_STEPS_MAX:
        by_name = ascending(offers.rows)
        by_saving = by_name[ascending(-table[T_ALONE, offers.rows[by_name]])]
        hope = 0
        for i in range(most):
            chosen[by_saving[i]] = True
            hope += table[T_ALONE, offers.rows[by_saving[i]]]
        members = np.flatnonzero(chosen)
        state.tally[1] += hope - worth_of_set(rules, q, table, state.left, original, offers, members)
        apply_set(rules, q, table, state, original, offers, chosen)
        return
    top = 0
    winner = np.empty(0, np.int64)
    for length in range(1, most + 1):
        members = np.arange(length)
        while True:
            total = worth_of_set(rules, q, table, state.left, original, offers, members)
            if total > top or (
                total == top
                and winner.shape[0] == length
                and smaller_names(np.sort(offers.rows[members]), np.sort(offers.rows[winner]))
            ):
                top = total
                winner = members.copy()
            turn = length - 1
            while turn >= 0 and members[turn] == count - length + turn:
                turn -= 1
            if turn < 0:
                break
            members[turn] += 1
            for j in range(turn + 1, length):
                members[j] = members[j - 1] + 1
    chosen[winner] = True
    apply_set(rules, q, table, state, original, offers, chosen)


@kernel
def smaller_names(a: Ints, b: Ints) -> bool:
    """Whether one ascending list comes before another of the same length."""
    for i in range(a.shape[0]):
        if a[i] != b[i]:
            return a[i] < b[i]
    return False
