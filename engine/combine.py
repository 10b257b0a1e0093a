"""Which offers together: group by group, in each the mode's answer, exact within stated sizes (docs/semantics.md 7).

`combine` is the door; each mode is one function, per basket (engine/per_basket.py) or per item (engine/per_item.py).
"""

from __future__ import annotations

import numpy as np

from engine.alternatives import alternatives, is_better, is_contract, name_the_excluded, saved_by, somebody_asks
from engine.benefits import grant_benefits
from engine.instructions import Apply
from engine.kernel import Buffer, Flags, Ints, Table, bare, bare_gate, borrowed, gate
from engine.layout import (
    Q_UNIT_LINE,
    Q_UNIT_LIST,
    R_APPLY,
    R_AT_MOST,
    R_GIVES,
    R_GROUP,
    R_ORIGINAL,
    R_RANK,
    T_ALONE,
    T_PROMOTION,
    T_REASON,
    at,
    its,
    size,
)
from engine.match import judged
from engine.notes import N_FEES, note, weigh
from engine.order import sort
from engine.per_basket import apply_at_most, apply_set
from engine.per_item import apply_best_per_item, apply_first_per_item
from engine.perform import name_the_beaten
from engine.prepare import prepare
from engine.state import State, afresh

ROW_BITS, TURN_SHIFT = 24, 48  # of a number that tells turn, rank and row

_ALL, _BEST, _BEST_PER_ITEM, _, _FIRST_PER_ITEM, _AT_MOST = (int(a) for a in Apply)


@gate
def combine(rules: Buffer, q: Buffer, table: Table, state: State) -> None:
    """Settle all candidates: judge them, then run the groups in sequence; for each alternative anew, where some
    exclude others."""
    rules, q, table, state = borrowed(rules), borrowed(q), borrowed(table), borrowed(state)
    notes = judged(rules, q, table)
    total = table.shape[1]
    if not somebody_asks(rules, table):
        run_groups(rules, q, table, state, notes, np.ones(total, np.bool_))
        return
    choices = alternatives(rules, q, table, notes)
    count = choices.enabled.shape[0]
    if count == 0:
        run_groups(rules, q, table, state, notes, np.ones(total, np.bool_))
        return
    best_table, best = table.copy(), afresh(state)
    run_groups(rules, q, best_table, best, notes, choices.enabled[0])
    hope = saved_by(rules, best_table) + best.tally[1]
    for number in range(1, count):
        tried, now = table.copy(), afresh(state)
        run_groups(rules, q, tried, now, notes, choices.enabled[number])
        hope = max(hope, saved_by(rules, tried) + now.tally[1])
        if is_better(rules, tried, best_table):
            best_table, best = tried, now
    name_the_excluded(rules, best_table)
    table[:] = best_table
    state.left[:] = best.left
    state.refund[:] = best.refund
    state.given[:] = best.given
    state.fees[:] = best.fees
    state.granted[:] = best.granted
    state.records[:] = best.records
    state.tally[:] = best.tally
    state.tally[1] = max(hope, choices.ceiling) - saved_by(rules, table)


@gate
def run_groups(rules: Buffer, q: Buffer, table: Table, state: State, notes: Ints, enabled: Flags) -> None:
    """Settle the exclusive promotions of per-item groups, then all groups in sequence."""
    groups, total, every = size(rules, R_GIVES), table.shape[1], size(q, Q_UNIT_LINE)
    room = np.empty(2 * total + every, np.int64)
    live, rows, taken = room[:total], room[total : 2 * total], room[2 * total :]
    count = in_turn(rules, table, live, rows)
    begin = 0
    while begin < count:
        turn = live[begin] >> TURN_SHIFT
        end = begin + 1
        while end < count and live[end] >> TURN_SHIFT == turn:
            end += 1
        before_the_group(q, notes, state)
        g = turn - groups if turn >= groups else turn
        if at(rules, R_GIVES, g) == 1:
            grant_benefits(rules, q, table, state, notes, g, rows[begin:end])
        else:
            give_discounts(rules, q, table, state, notes, g, rows[begin:end], enabled, taken)
            for u in range(every if turn < groups else 0):
                if taken[u] >= 0:
                    state.served[u] = taken[u]
                    if state.left[u] < at(q, Q_UNIT_LIST, u):
                        state.claimed[u] = taken[u]
        begin = end


@bare
def before_the_group(q: Buffer, notes: Ints, state: State) -> None:
    """Thresholds are read before the group."""
    weigh(q, notes, state.left)
    for service in range(state.fees.shape[0]):
        note(notes, N_FEES, service, state.fees[service])


@bare_gate
def in_turn(rules: Buffer, table: Table, live: Ints, rows: Ints) -> int:
    """The candidates that are eligible, by turn: those that are settled first, by group; then all others, by group. In
    declared order, each a number of turn, rank and row; and the rows alone. How many there are."""
    count = 0
    for row in range(table.shape[1]):
        if table[T_REASON, row] == 0:
            p = table[T_PROMOTION, row]
            turn = its(rules, R_GROUP, p) + (0 if is_contract(rules, p) else size(rules, R_GIVES))
            live[count] = turn << TURN_SHIFT | its(rules, R_RANK, p) << ROW_BITS | row
            count += 1
    sort(live[:count])
    for i in range(count):
        rows[i] = live[i] & (1 << ROW_BITS) - 1
    return count


@gate
def give_discounts(
    rules: Buffer,
    q: Buffer,
    table: Table,
    state: State,
    notes: Ints,
    g: int,
    rows: Ints,
    enabled: Flags,
    taken: Ints,
) -> None:
    """One group of price rewards. `taken`: in per-item groups the candidate that each unit serves, or -1."""
    original = at(rules, R_ORIGINAL, g)
    mode = at(rules, R_APPLY, g)
    per_item = mode == _BEST_PER_ITEM or mode == _FIRST_PER_ITEM
    offers = prepare(rules, q, table, state, notes, original, rows, enabled, per_item)
    taken[:] = -1
    if offers.rows.shape[0] == 0:
        return
    if mode == _BEST_PER_ITEM:
        apply_best_per_item(rules, q, table, state, original, offers, taken)
    elif mode == _FIRST_PER_ITEM:
        apply_first_per_item(rules, q, table, state, original, offers, taken)
    elif mode == _AT_MOST:
        apply_at_most(rules, q, table, state, original, offers, at(rules, R_AT_MOST, g))
    elif mode == _ALL:
        apply_set(rules, q, table, state, original, offers, np.ones(offers.rows.shape[0], np.bool_))
    else:
        chosen = np.zeros(offers.rows.shape[0], np.bool_)
        top = 0
        if mode == _BEST:
            for i in range(1, offers.rows.shape[0]):
                a, b = table[T_ALONE, offers.rows[i]], table[T_ALONE, offers.rows[top]]
                if a > b or (a == b and offers.rows[i] < offers.rows[top]):
                    top = i
        chosen[top] = True
        apply_set(rules, q, table, state, original, offers, chosen)
    name_the_beaten(table, offers, taken, per_item)
