"""Which price promotions may apply together: `exclusive` and `not with` (docs/semantics.md 7).

Promotions that take part and exclude each other make alternatives: the largest sets without two that do. Each is a row
of flags by candidate; engine/combine.py runs all groups for each and keeps the one that saves most.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.decision import Reason
from engine.discounts import fits, open_units
from engine.instructions import Apply
from engine.kernel import Buffer, Flags, FlagTable, Ints, Table, bare, bare_gate, gate, kernel
from engine.layout import (
    Q_UNIT_LINE,
    Q_UNIT_LIST,
    R_APPLY,
    R_CONFLICT_BEGIN,
    R_CONFLICTS,
    R_EACH,
    R_EXCLUSIVE,
    R_GIVES,
    R_GROUP,
    R_TERM_BEGIN,
    R_TERMS,
    T_BEATEN_BY,
    T_PROMOTION,
    T_REASON,
    T_SAVING,
    at,
    cell,
    has,
    its,
    size,
)

ALTERNATIVES_MAX = 64  # that are tried; the answer is BOUNDED where there are more

_BEST_PER_ITEM, _FIRST_PER_ITEM = int(Apply.BEST_PER_ITEM), int(Apply.FIRST_PER_ITEM)
_APPLIED, _EXCLUSIVE = int(Reason.APPLIED), int(Reason.EXCLUSIVE)


class Alternatives(NamedTuple):
    """The alternatives in the order of their names; no rows: nothing excludes anything. `ceiling`: what no
    alternative saves more than, where there are others than these; else 0."""

    enabled: FlagTable
    ceiling: int


class Pairs(NamedTuple):
    """Who excludes whom: those of i are others[begin[i] : begin[i + 1]], ascending, on both sides of a pair."""

    begin: Ints
    others: Ints


# ---------------------------------------------------------------------------------------------------- who excludes whom


@bare
def gives_price(rules: Buffer, p: int) -> bool:
    """Whether a promotion stands in a group of price rewards."""
    return at(rules, R_GIVES, its(rules, R_GROUP, p)) == 0


@bare
def is_contract(rules: Buffer, p: int) -> bool:
    """Whether a promotion is settled before all groups: exclusive in a group that applies per item."""
    mode = at(rules, R_APPLY, its(rules, R_GROUP, p))
    return its(rules, R_EXCLUSIVE, p) == 1 and (mode == _BEST_PER_ITEM or mode == _FIRST_PER_ITEM)


@bare
def stands_alone(rules: Buffer, p: int) -> bool:
    """Whether a promotion is exclusive among all price promotions of the basket."""
    return its(rules, R_EXCLUSIVE, p) == 1 and not is_contract(rules, p)


@bare
def said_apart(rules: Buffer, p: int, other: int) -> bool:
    """Whether one of two promotions is `not with` the other."""
    low, high = its(rules, R_CONFLICT_BEGIN, p), its(rules, R_CONFLICT_BEGIN, p + 1)
    while low < high:
        middle = (low + high) // 2
        if at(rules, R_CONFLICTS, middle) < other:
            low = middle + 1
        else:
            high = middle
    return low < its(rules, R_CONFLICT_BEGIN, p + 1) and at(rules, R_CONFLICTS, low) == other


@bare_gate
def somebody_asks(rules: Buffer, table: Table) -> bool:
    """Whether a price promotion that is eligible asks to be kept apart from others."""
    for row in range(table.shape[1]):
        if table[T_REASON, row] == 0:
            p = table[T_PROMOTION, row]
            apart = has(rules, R_CONFLICT_BEGIN, p)
            if (apart or its(rules, R_EXCLUSIVE, p)) and gives_price(rules, p) and (apart or stands_alone(rules, p)):
                return True
    return False


@gate
def taking_part(rules: Buffer, q: Buffer, table: Table, notes: Ints) -> tuple[Flags, int]:
    """The price promotions that are eligible and have a unit, and the list amounts of all their units."""
    total = table.shape[1]
    member = np.zeros(total, np.bool_)
    seen = np.zeros(size(q, Q_UNIT_LINE), np.bool_)
    for row in range(total):
        p = table[T_PROMOTION, row]
        if table[T_REASON, row] == 0 and gives_price(rules, p):
            for u in units_of_any(rules, q, p, notes):
                member[row] = True
                seen[u] = True
    worth = 0
    for u in range(seen.shape[0]):
        worth += at(q, Q_UNIT_LIST, u) if seen[u] else 0
    return member, worth


@kernel
def units_of_any(rules: Buffer, q: Buffer, p: int, notes: Ints) -> Ints:
    """The units that are available to a promotion, whichever of its tiers or variants holds; some twice."""
    found, _ = open_units(rules, q, p, notes, False)
    if its(rules, R_EACH, p):
        found = found[fitting(rules, q, p, found)]
    for term in range(its(rules, R_TERM_BEGIN, p), its(rules, R_TERM_BEGIN, p + 1)):
        reward = cell(rules, R_TERMS, 3, term, 0)
        if reward >= 0 and reward != p:
            units, _ = open_units(rules, q, reward, notes, False)
            if its(rules, R_EACH, reward):
                units = units[fitting(rules, q, reward, units)]
            found = np.concatenate((found, units))
    return found


@kernel
def fitting(rules: Buffer, q: Buffer, reward: int, units: Ints) -> Flags:
    """Which units are of the form that a reward prices."""
    fit = np.empty(units.shape[0], np.bool_)
    for i in range(units.shape[0]):
        fit[i] = fits(rules, q, reward, units[i])
    return fit


@gate
def pairs_among(rules: Buffer, table: Table, rows: Ints) -> Pairs:
    """Who excludes whom among these candidates, by `not with` alone; numbered as they come here."""
    count = rows.shape[0]
    place = np.full(table.shape[1], -1, np.int64)
    place[rows] = np.arange(count)
    begin = np.zeros(count + 1, np.int64)
    others = np.empty(0, np.int64)
    for turn in range(2):  # count, then write
        used = 0
        for i in range(count):
            p = table[T_PROMOTION, rows[i]]
            for k in range(its(rules, R_CONFLICT_BEGIN, p), its(rules, R_CONFLICT_BEGIN, p + 1)):
                other = at(rules, R_CONFLICTS, k)
                row = np.searchsorted(table[T_PROMOTION], other)
                if row < table.shape[1] and table[T_PROMOTION, row] == other and place[row] >= 0:
                    if turn == 1:
                        others[used] = place[row]
                    used += 1
            begin[i + 1] = used
        if turn == 0:
            others = np.empty(used, np.int64)
    return Pairs(begin, others)


# ---------------------------------------------------------------------------------------------------- alternatives


@gate
def alternatives(rules: Buffer, q: Buffer, table: Table, notes: Ints) -> Alternatives:
    """The first alternatives, in the order of the first name in which two of them differ: it goes before that has it.

    Each promotion that stands alone is one; the others are the largest sets of the rest in which no two are apart."""
    member, worth = taking_part(rules, q, table, notes)
    total = table.shape[1]
    nothing = Alternatives(np.zeros((0, total), np.bool_), 0)
    lonely = np.zeros(total, np.bool_)
    for row in range(total):
        lonely[row] = member[row] and stands_alone(rules, table[T_PROMOTION, row])
    loners = np.flatnonzero(lonely)
    others = np.flatnonzero(member & ~lonely)
    pairs = pairs_among(rules, table, others)
    tied = np.diff(pairs.begin) > 0
    if loners.shape[0] + (1 if others.shape[0] else 0) < 2 and not tied.any():
        return nothing
    sets = np.zeros((0, others.shape[0]), np.bool_)
    if others.shape[0]:
        sets = largest_sets(pairs, others.shape[0], ALTERNATIVES_MAX + 1)
    count = loners.shape[0] + sets.shape[0]
    enabled = np.ones((min(count, ALTERNATIVES_MAX), total), np.bool_)
    i = k = 0
    for number in range(enabled.shape[0]):
        first = -1  # of the next set the smallest name
        if k < sets.shape[0]:
            first = others[np.flatnonzero(sets[k])[0]]
        enabled[number] = ~member
        if i < loners.shape[0] and (first < 0 or loners[i] < first):
            enabled[number, loners[i]] = True
            i += 1
        else:
            enabled[number, others[sets[k]]] = True
            k += 1
    return Alternatives(enabled, worth if count > ALTERNATIVES_MAX else 0)


@gate
def largest_sets(pairs: Pairs, count: int, most: int) -> FlagTable:
    """The first `most` sets without a pair to which nothing can be added, in the order of their members.

    D. S. Johnson, M. Yannakakis, C. H. Papadimitriou, «On generating all maximal independent sets», 1988: each but the
    first follows from one before it, by one member more that puts some out."""
    found = np.zeros((most, count), np.bool_)
    reach(pairs, found[0], -1)
    known, done = 1, 0
    while done < known:
        for j in range(count):
            if found[done, j] or not follows(pairs, found[done], j):
                continue
            one = found[done].copy()
            one[j:] = False
            one[j] = True
            for k in range(pairs.begin[j], pairs.begin[j + 1]):
                one[pairs.others[k]] = False
            if not reach(pairs, one, j):
                continue
            place = known
            while place > done + 1 and goes_before(one, found[place - 1]):
                place -= 1
            if place == most or (one == found[place - 1]).all():
                continue
            known = min(known + 1, most)
            for k in range(known - 1, place, -1):
                found[k] = found[k - 1]
            found[place] = one
        done += 1
    return found[:known]


@kernel
def follows(pairs: Pairs, one: Flags, j: int) -> bool:
    """Whether j is a pair with an earlier member of a set."""
    for k in range(pairs.begin[j], pairs.begin[j + 1]):
        if pairs.others[k] < j and one[pairs.others[k]]:
            return True
    return False


@kernel
def reach(pairs: Pairs, one: Flags, j: int) -> bool:
    """Fill up a set in order with all that it has no pair with; False where something before j would be added."""
    count = one.shape[0]
    barred = np.zeros(count, np.bool_)
    for i in range(count):
        if one[i]:
            for k in range(pairs.begin[i], pairs.begin[i + 1]):
                barred[pairs.others[k]] = True
    for i in range(count):
        if one[i] or barred[i]:
            continue
        if i < j:
            return False
        one[i] = True
        for k in range(pairs.begin[i], pairs.begin[i + 1]):
            barred[pairs.others[k]] = True
    return True


@kernel
def goes_before(a: Flags, b: Flags) -> bool:
    """Whether the first member in which two sets differ is one of the first set."""
    for i in range(a.shape[0]):
        if a[i] != b[i]:
            return bool(a[i])
    return False


# ---------------------------------------------------------------------------------------------------- which is best


@kernel
def saved_by(rules: Buffer, table: Table) -> int:
    """What the prices save, once all groups ran: fees are no part of it."""
    total = 0
    for row in range(table.shape[1]):
        if table[T_REASON, row] == _APPLIED and gives_price(rules, table[T_PROMOTION, row]):
            total += table[T_SAVING, row]
    return total


@gate
def is_better(rules: Buffer, one: Table, other: Table) -> bool:
    """Whether one outcome saves more than another; then: with fewer promotions; then: with smaller names."""
    a, b = saved_by(rules, one), saved_by(rules, other)
    if a != b:
        return a > b
    balance = first = 0
    for row in range(one.shape[1]):
        if gives_price(rules, one[T_PROMOTION, row]):
            mine, theirs = one[T_REASON, row] == _APPLIED, other[T_REASON, row] == _APPLIED
            balance += (1 if theirs else 0) - (1 if mine else 0)
            if first == 0 and mine != theirs:
                first = 1 if mine else -1
    return balance > 0 or (balance == 0 and first > 0)


@gate
def name_the_excluded(rules: Buffer, table: Table) -> None:
    """Who took the place of those that were left out: of the promotions that applied and exclude them, else of all
    that applied, the one with the largest saving, then the name."""
    for row in range(table.shape[1]):
        p = table[T_PROMOTION, row]
        if table[T_REASON, row] != _EXCLUSIVE or table[T_BEATEN_BY, row] >= 0 or not gives_price(rules, p):
            continue
        by = -1
        for attempt in range(2):
            for other in range(table.shape[1]):
                o = table[T_PROMOTION, other]
                if table[T_REASON, other] != _APPLIED or not gives_price(rules, o):
                    continue
                apart = stands_alone(rules, p) or stands_alone(rules, o) or said_apart(rules, p, o)
                if (attempt == 1 or apart) and (by < 0 or table[T_SAVING, other] > table[T_SAVING, by]):
                    by = other
            if by >= 0:
                break
        table[T_BEATEN_BY, row] = by


@bare
def said_with(rules: Buffer, table: Table, p: int) -> int:
    """The first candidate by name that applied and is `not with` this promotion; -1."""
    for row in range(table.shape[1]):
        if table[T_REASON, row] == _APPLIED and said_apart(rules, p, table[T_PROMOTION, row]):
            return row
    return -1
