"""Promotions apply: prices fall, refund shares are taken, and who did not apply learns who came before it."""

from __future__ import annotations

import numpy as np

from engine.alone import Application, alone, off_together
from engine.discounts import by_measure, gain, roles_of
from engine.instructions import Kind
from engine.kernel import Buffer, Ints, Table, gate, kernel
from engine.layout import (
    Q_FINE,
    Q_LINE_MARKS,
    Q_UNIT_LINE,
    Q_UNIT_LIST,
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
        if at(rules, R_BUY, p):
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


@kernel
def is_plain(rules: Buffer, q: Buffer, table: Table, row: int) -> bool:
    """Whether what a promotion saves on a unit hangs on nothing else: no buy, no tier of its own, no cap, no rounding
    over pieces."""
    p = table[T_TERM, row]
    unit_by_unit = takes_each(rules, p) and not at(rules, R_EACH, p) and at(rules, R_KIND, p) != _CASHIER
    return unit_by_unit and table[T_CAP, row] < 0 and scalar(q, Q_FINE) == 1


@kernel
def takes_each(rules: Buffer, p: int) -> bool:
    """Whether a promotion takes every unit for itself: no buy, nothing off units together, no limit per article."""
    begin, end = roles_of(rules, p)
    return begin == end and not at(rules, R_PER_ARTICLE, p) and not off_together(rules, p)


@gate
def perform_plainly(rules: Buffer, q: Buffer, table: Table, state: State, row: int, units: Ints, original: int) -> bool:
    """Let a plain promotion take some units (ascending). Whether it saves anything."""
    p = table[T_TERM, row]
    by_line = np.zeros(size(q, Q_LINE_MARKS), np.int64)
    savings = np.empty(units.shape[0], np.int64)
    for i in range(units.shape[0]):
        u = units[i]
        savings[i] = gain(rules, q, p, u, 0, at(q, Q_UNIT_LIST, u) if original else state.left[u], state.left[u])
    saving = savings.sum()
    if saving == 0:
        return False
    for i in range(units.shape[0]):
        state.left[units[i]] -= savings[i]
        by_line[at(q, Q_UNIT_LINE, units[i])] += savings[i]
    refund_less(q, state.refund, units, savings)
    note_by_line(state, row, by_line)
    table[T_REASON, row], table[T_SAVING, row], table[T_APPLICATIONS, row] = APPLIED, saving, 1
    return True


@kernel
def note_by_line(state: State, row: int, by_line: Ints) -> None:
    """Note what a promotion saves, line by line."""
    for line in range(by_line.shape[0]):
        if by_line[line] > 0:
            record = state.records[state.tally[0]]
            record[0], record[1], record[2] = line, row, by_line[line]
            state.tally[0] += 1


@gate
def refund_less(q: Buffer, refund: Ints, units: Ints, shares: Ints) -> None:
    """Take shares from the refund values of an application's units; what does not fit, from its other units, then from
    all units, prorated by refund value."""
    rest = 0
    for i in range(units.shape[0]):
        taken = min(shares[i], refund[units[i]])
        refund[units[i]] -= taken
        rest += shares[i] - taken
    if rest == 0:
        return
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


@gate
def name_the_beaten(table: Table, offers: Offers, taken: Ints, per_item: bool) -> None:
    """Who took part and did not apply was beaten: by the largest saving, per item among those that took its units."""
    for i in range(offers.rows.shape[0]):
        row = offers.rows[i]
        if table[T_REASON, row] == APPLIED:
            continue
        table[T_REASON, row] = BEATEN
        by = -1
        rival = np.zeros(table.shape[1], np.bool_)
        if per_item:
            for k in range(offers.begin[i], offers.begin[i + 1]):
                if taken[offers.units[k]] >= 0:
                    rival[taken[offers.units[k]]] = True
        for attempt in range(2):
            for j in range(offers.rows.shape[0]):
                other = offers.rows[j]
                if table[T_REASON, other] != APPLIED:
                    continue
                if per_item and attempt == 0 and not rival[other]:
                    continue
                if (
                    by < 0
                    or table[T_SAVING, other] > table[T_SAVING, by]
                    or (table[T_SAVING, other] == table[T_SAVING, by] and other < by)
                ):
                    by = other
            if by >= 0:
                break
        table[T_BEATEN_BY, row] = by
        if by < 0:  # what each of them got rounds to nothing
            table[T_REASON, row] = NO_SAVING


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
