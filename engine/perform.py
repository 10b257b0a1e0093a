"""Promotions apply: prices fall, refund shares are taken, and who did not apply learns who came before it."""

from __future__ import annotations

import numpy as np

from engine.alone import Application, alone, off_together
from engine.discounts import by_measure, put_in, roles_of
from engine.instructions import Kind
from engine.kernel import Buffer, Ints, Table, bare, bare_gate, gate
from engine.layout import (
    Q_FINE,
    Q_LINE_MARKS,
    Q_UNIT_LINE,
    R_BUY,
    R_EACH,
    R_KIND,
    R_PER_ARTICLE,
    T_APPLICATIONS,
    T_BEATEN_BY,
    T_CAP,
    T_REASON,
    T_SAVING,
    T_TERM,
    at,
    its,
    scalar,
    size,
)
from engine.order import ascending
from engine.prorate import prorate
from engine.state import APPLIED, BEATEN, NO_SAVING, Offers, State

_CASHIER = int(Kind.CASHIER)


@gate
def perform(rules: Buffer, q: Buffer, table: Table, state: State, row: int, application: Application) -> None:
    """Let a promotion apply: prices fall, refund shares are taken, the saving is noted line by line."""
    p = table[T_TERM, row]
    units, savings, runs = application.units, application.savings, application.runs
    by_line = np.zeros(size(q, Q_LINE_MARKS), np.int64)
    count = units.shape[0]
    begin = 0
    together = by_measure(rules, p)
    begin_role, end_role = roles_of(rules, p)
    if begin_role == end_role:  # each unit for itself
        for i in range(count):
            state.left[units[i]] -= savings[i]
            by_line[at(q, Q_UNIT_LINE, units[i])] += savings[i]
        refund_less(q, state.refund, units, savings)
        begin = count
    while begin < count:
        end = begin + 1
        while end < count and (together or runs[end] == runs[begin]):
            end += 1
        order = begin + ascending(units[begin:end])
        own = units[order]
        shares = savings[order]
        if its(rules, R_BUY, p):
            spread = np.empty(own.shape[0], np.int64)
            prorate(q, shares.sum(), own, state.left[own], spread)
        else:
            spread = shares.copy()
        for i in range(own.shape[0]):
            state.left[own[i]] -= shares[i]
            by_line[at(q, Q_UNIT_LINE, own[i])] += shares[i]
        refund_less(q, state.refund, own, spread)
        begin = end
    note_by_line(state, row, by_line)
    state.tally[1] += application.missed
    table[T_REASON, row] = APPLIED
    table[T_SAVING, row] = application.saving
    limit = table[T_APPLICATIONS, row]  # of what is bought by measure there may be enough for more
    table[T_APPLICATIONS, row] = application.applications if limit < 0 else min(limit, application.applications)


@bare
def is_plain(rules: Buffer, q: Buffer, table: Table, row: int) -> bool:
    """Whether what a promotion saves on a unit hangs on nothing else: no buy, no tier of its own, no cap, no rounding
    over pieces."""
    p = table[T_TERM, row]
    unit_by_unit = takes_each(rules, p) and not its(rules, R_EACH, p) and its(rules, R_KIND, p) != _CASHIER
    return unit_by_unit and table[T_CAP, row] < 0 and scalar(q, Q_FINE) == 1


@bare
def takes_each(rules: Buffer, p: int) -> bool:
    """Whether a promotion takes every unit for itself: no buy, nothing off units together, no limit per article."""
    begin, end = roles_of(rules, p)
    return begin == end and not its(rules, R_PER_ARTICLE, p) and not off_together(rules, p)


@bare
def perform_plainly(q: Buffer, table: Table, state: State, offers: Offers, i: int, taken: Ints, by_line: Ints) -> bool:
    """Let the i-th offer, which is plain, take those of its units that serve it. Whether it saves anything.

    `by_line`: nothing by line, then room for their numbers."""
    row, lines = offers.rows[i], by_line.shape[0] // 2
    saving = rest = count = 0
    for k in range(offers.begin[i], offers.begin[i + 1]):
        u = offers.units[k]
        if taken[u] != row or offers.gains[k] == 0:
            continue
        line = at(q, Q_UNIT_LINE, u)
        if by_line[line] == 0:
            count = put_in(by_line, lines, lines + count, line) - lines
        by_line[line] += offers.gains[k]
        saving += offers.gains[k]
        state.left[u] -= offers.gains[k]
        less = min(offers.gains[k], state.refund[u])
        state.refund[u] -= less
        rest += offers.gains[k] - less
    if saving == 0:
        return False
    for place in range(lines, lines + count):
        line = by_line[place]
        note_saving(state, line, row, by_line[line])
        by_line[line] = 0
    if rest:
        refund_of_others(q, state.refund, offers, i, taken, rest)
    table[T_REASON, row], table[T_SAVING, row], table[T_APPLICATIONS, row] = APPLIED, saving, 1
    return True


@gate
def refund_of_others(q: Buffer, refund: Ints, offers: Offers, i: int, taken: Ints, rest: int) -> None:
    """Take what does not fit a plain offer's units from all of them, then from all others."""
    units = offers.units[offers.begin[i] : offers.begin[i + 1]]
    refund_rest(q, refund, units[taken[units] == offers.rows[i]], rest)


@bare
def note_by_line(state: State, row: int, by_line: Ints) -> None:
    """Note what a promotion saves, line by line."""
    for line in range(by_line.shape[0]):
        if by_line[line] > 0:
            note_saving(state, line, row, by_line[line])


@bare
def note_saving(state: State, line: int, row: int, saving: int) -> None:
    """Note what a promotion saves on a line."""
    place = state.tally[0]
    state.records[place, 0], state.records[place, 1], state.records[place, 2] = line, row, saving
    state.tally[0] = place + 1


@gate
def refund_less(q: Buffer, refund: Ints, units: Ints, shares: Ints) -> None:
    """Take shares from the refund values of an application's units; what does not fit, from its other units, then from
    all units, prorated by refund value."""
    rest = 0
    for i in range(units.shape[0]):
        taken = min(shares[i], refund[units[i]])
        refund[units[i]] -= taken
        rest += shares[i] - taken
    if rest:
        refund_rest(q, refund, units, rest)


@gate
def refund_rest(q: Buffer, refund: Ints, units: Ints, rest: int) -> None:
    """Take what does not fit the units of an application from all of them, then from all units of the basket."""
    for attempt in range(2):
        own = units[ascending(units)] if attempt == 0 else np.arange(size(q, Q_UNIT_LINE))
        weights = refund[own]
        amount = min(rest, weights.sum())
        spread = np.empty(own.shape[0], np.int64)
        prorate(q, amount, own, weights, spread)
        for i in range(own.shape[0]):
            refund[own[i]] -= spread[i]
        rest -= amount
        if rest == 0:
            return


@bare_gate
def name_the_beaten(table: Table, offers: Offers, taken: Ints, per_item: bool) -> None:
    """Who took part and did not apply was beaten: by the largest saving, per item among those that took its units."""
    top = -1
    for i in range(offers.rows.shape[0]):
        top = the_larger(table, top, offers.rows[i])
    for i in range(offers.rows.shape[0]):
        row = offers.rows[i]
        if table[T_REASON, row] == APPLIED:
            continue
        by = -1
        for k in range(offers.begin[i], offers.begin[i + 1] if per_item else 0):
            by = the_larger(table, by, taken[offers.units[k]])
        table[T_BEATEN_BY, row] = by if by >= 0 else top
        table[T_REASON, row] = BEATEN if top >= 0 else NO_SAVING  # what each of them got rounds to nothing


@bare
def the_larger(table: Table, by: int, other: int) -> int:
    """Which of two candidates that applied saves more, then comes first by name; -1: none."""
    if other < 0 or table[T_REASON, other] != APPLIED:
        return by
    if by < 0 or table[T_SAVING, other] > table[T_SAVING, by]:
        return other
    return other if table[T_SAVING, other] == table[T_SAVING, by] and other < by else by


@gate
def alone_of(rules: Buffer, q: Buffer, table: Table, offers: Offers, i: int, left: Ints, original: int) -> Application:
    """What the i-th offer does by itself at these prices."""
    row = offers.rows[i]
    units = offers.units[offers.begin[i] : offers.begin[i + 1]]
    masks = offers.masks[offers.begin[i] : offers.begin[i + 1]]
    p, cap, limit = table[T_TERM, row], table[T_CAP, row], table[T_APPLICATIONS, row]
    return alone(rules, q, p, units, masks, left, original, cap, limit)


@gate
def alone_of_free(
    rules: Buffer, q: Buffer, table: Table, offers: Offers, i: int, left: Ints, original: int, taken: Ints
) -> Application:
    """What the i-th offer does with those of its units that serve no promotion yet."""
    row = offers.rows[i]
    units = offers.units[offers.begin[i] : offers.begin[i + 1]]
    free = taken[units] < 0
    masks = offers.masks[offers.begin[i] : offers.begin[i + 1]][free]
    p, cap, limit = table[T_TERM, row], table[T_CAP, row], table[T_APPLICATIONS, row]
    return alone(rules, q, p, units[free], masks, left, original, cap, limit)
