"""Groups of benefits: fees, points, gifts and next codes, each promotion in its turn."""

from __future__ import annotations

import numpy as np

from engine.alternatives import said_with
from engine.discounts import gain_of_fee
from engine.gifts import chosen_gifts, gift_savings
from engine.instructions import Apply, Kind, Mark, Target
from engine.kernel import Buffer, Ints, Table, bare, bare_gate, gate
from engine.layout import (
    Q_FEES,
    Q_LINE_MARKS,
    Q_UNIT_LINE,
    R_APPLY,
    R_AT_MOST,
    R_KIND,
    R_ORIGINAL,
    R_TARGET,
    R_TARGET_KIND,
    T_ALONE,
    T_APPLICATIONS,
    T_BEATEN_BY,
    T_BUDGET,
    T_CAP,
    T_CLAUSE,
    T_PROMOTION,
    T_REASON,
    T_SAVING,
    T_TERM,
    at,
    its,
    size,
)
from engine.match import admit
from engine.notes import N_FEES, noted, weigh
from engine.perform import note_by_line, refund_less
from engine.points import judge_points
from engine.prepare import lacks
from engine.state import APPLIED, BEATEN, BUDGET, CLAUSE_BUDGET, EXCLUSIVE, GUARD, NO_SAVING, QUANTITY, State

_FIRST, _AT_MOST = int(Apply.FIRST), int(Apply.AT_MOST)
_FREE_SERVICE, _NEXT_CODE, _GIFT = int(Kind.FREE_SERVICE), int(Kind.NEXT_CODE), int(Kind.GIFT)
_SERVICE, _MARK_SHIP, _MARK_CHOSEN = int(Target.SERVICE), int(Mark.SHIP_FREE), int(Mark.CHOSEN)


@bare_gate
def grant_benefits(rules: Buffer, q: Buffer, table: Table, state: State, notes: Ints, g: int, rows: Ints) -> None:
    """One group of benefits: every eligible promotion, or the first so many in declared order, each in its turn."""
    mode, original = at(rules, R_APPLY, g), at(rules, R_ORIGINAL, g)
    most = rows.shape[0]
    if mode == _FIRST:
        most = 1
    elif mode == _AT_MOST:
        most = at(rules, R_AT_MOST, g)
    bought = shippable = False
    for line in range(size(q, Q_LINE_MARKS)):
        counts = not at(q, Q_LINE_MARKS, line) & _MARK_CHOSEN
        bought = bought or counts
        shippable = shippable or (counts and not at(q, Q_LINE_MARKS, line) & _MARK_SHIP)
    shippable = shippable or not bought
    first = -1
    applied = 0
    for row in rows:
        admit(rules, q, table, row, notes, state.left, original)
        if table[T_REASON, row]:
            continue
        p = table[T_TERM, row]
        service = its(rules, R_TARGET, p) if its(rules, R_TARGET_KIND, p) == _SERVICE else -1
        saving = alone = 0
        if its(rules, R_KIND, p) == _NEXT_CODE:
            pass  # whoever is eligible gets it
        elif service < 0:
            table[T_REASON, row] = judge_points(rules, q, table, row, state.left)
            if table[T_REASON, row] == QUANTITY:
                lacks(table, row, 1, its(rules, R_TARGET, p))
            if its(rules, R_KIND, p) == _GIFT and table[T_REASON, row] == 0:
                alone = worth_of_gifts(rules, q, table, row, state.left)
                if 0 <= table[T_BUDGET, row] < alone:
                    table[T_REASON, row], table[T_CLAUSE, row] = BUDGET, CLAUSE_BUDGET
                    table[T_ALONE, row] = alone
        else:
            saving = off_fee(rules, q, table, row, original, state.fees[service])
            alone = off_fee(rules, q, table, row, original, noted(notes, N_FEES, service))
            if not shippable:
                table[T_REASON, row] = GUARD
            elif saving == 0 and not grants(rules, q, table, state, row):
                table[T_REASON, row] = NO_SAVING
            elif 0 <= table[T_BUDGET, row] < saving:
                table[T_REASON, row], table[T_CLAUSE, row] = BUDGET, CLAUSE_BUDGET
                table[T_ALONE, row] = saving
        if table[T_REASON, row]:
            continue
        if said_with(rules, table, table[T_PROMOTION, row]) >= 0:
            table[T_REASON, row] = EXCLUSIVE
            table[T_BEATEN_BY, row] = said_with(rules, table, table[T_PROMOTION, row])
            table[T_ALONE, row] = alone
        elif applied >= most:
            table[T_REASON, row] = BEATEN
            table[T_BEATEN_BY, row] = first
            table[T_ALONE, row] = alone
        else:
            if service >= 0:
                charge(table, state, row, service, saving)
            elif its(rules, R_KIND, p) == _GIFT:
                give(rules, q, table, state, row)
                weigh(q, notes, state.left)
            else:
                table[T_REASON, row] = APPLIED
                table[T_APPLICATIONS, row] = 1
            applied += 1
            if first < 0:
                first = row


@gate
def worth_of_gifts(rules: Buffer, q: Buffer, table: Table, row: int, left: Ints) -> int:
    """What the gifts that were chosen of a promotion save."""
    return gift_savings(rules, q, table, row, chosen_gifts(rules, q, table[T_TERM, row]), left).sum()


@gate
def give(rules: Buffer, q: Buffer, table: Table, state: State, row: int) -> None:
    """Let a promotion give gifts; where none is chosen yet, it offers them, which is no application."""
    units = chosen_gifts(rules, q, table[T_TERM, row])
    savings = gift_savings(rules, q, table, row, units, state.left)
    by_line = np.zeros(size(q, Q_LINE_MARKS), np.int64)
    for i in range(units.shape[0]):
        state.left[units[i]] -= savings[i]
        state.given[units[i]] = row
        by_line[at(q, Q_UNIT_LINE, units[i])] += savings[i]
    refund_less(q, state.refund, units, savings)
    note_by_line(state, row, by_line)
    table[T_REASON, row] = APPLIED
    table[T_SAVING, row] = savings.sum()
    table[T_APPLICATIONS, row] = 1 if units.shape[0] else 0


@bare
def off_fee(rules: Buffer, q: Buffer, table: Table, row: int, original: int, left: int) -> int:
    """What a promotion takes off a fee of which so much is left."""
    p = table[T_TERM, row]
    base = max(0, at(q, Q_FEES, its(rules, R_TARGET, p))) if original else left
    saving = gain_of_fee(rules, q, p, base, left)
    return min(saving, table[T_CAP, row]) if table[T_CAP, row] >= 0 else saving


@bare
def grants(rules: Buffer, q: Buffer, table: Table, state: State, row: int) -> bool:
    """Whether a promotion makes a service free for which the request charges nothing, and which none granted yet."""
    p = table[T_TERM, row]
    service = its(rules, R_TARGET, p)
    if its(rules, R_KIND, p) != _FREE_SERVICE or at(q, Q_FEES, service) > 0:
        return False
    for i in range(state.tally[2]):
        if state.granted[i, 0] == service:
            return False
    return True


@bare
def charge(table: Table, state: State, row: int, service: int, saving: int) -> None:
    """Let a promotion apply to a fee."""
    state.fees[service] -= saving
    record = state.granted[state.tally[2]]
    record[0], record[1], record[2] = service, row, saving
    state.tally[2] += 1
    table[T_REASON, row] = APPLIED
    table[T_SAVING, row] = saving
    table[T_APPLICATIONS, row] = 1
