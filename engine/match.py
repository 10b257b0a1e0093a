"""Which promotions may apply: the index is probed, then conditions run on what it found.

`touch` finds candidates, `eligible` judges one before all groups, `admit` judges conditions and limits just before its
group. All results are rows of a Candidates table, one for each candidate, by name.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from engine.decision import Reason
from engine.image import STACK_MAX, Rules
from engine.instructions import (
    FALSE,
    TRUE,
    UNKNOWN,
    Cmp,
    Counted,
    Kind,
    Mark,
    Op,
    Scope,
    Target,
)
from engine.resolve import Question

Ints = npt.NDArray[np.int64]

# Plain integers for kernels: an enum member is no constant to the compiler.
_FALSE, _TRUE, _UNKNOWN = FALSE, TRUE, UNKNOWN
_EQ, _NE, _LT, _LE, _GT = (int(c) for c in (Cmp.EQ, Cmp.NE, Cmp.LT, Cmp.LE, Cmp.GT))
_COMPARE, _MONEY, _ONE_OF, _KNOWN, _TRUTH = (int(o) for o in (Op.COMPARE, Op.MONEY, Op.ONE_OF, Op.KNOWN, Op.TRUTH))
_SEGMENT, _PLACE, _ALL, _ANY, _NONE = (int(o) for o in (Op.SEGMENT, Op.PLACE, Op.ALL, Op.ANY, Op.NONE))
_WORTH, _COUNT, _MEASURE = int(Op.WORTH), int(Op.COUNT), int(Op.MEASURE)
_SET = int(Target.SET)
_FREE_SERVICE = int(Kind.FREE_SERVICE)
_USES, _BASKETS, _SAVING = int(Counted.USES), int(Counted.BASKETS), int(Counted.SAVING)
_BASKET, _CUSTOMER, _HOUSEHOLD, _STORE, _CODE, _TOTAL = (int(s) for s in Scope)
_MARK_COUNT, _MARK_SHIP = int(Mark.COUNT), int(Mark.SHIP_FREE)

ELIGIBLE = 0
SCHEDULE, CHANNEL, PLACE, AUDIENCE, CONSENT, CODE_MISSING, CODE_USED, CONDITION, LIMIT, BUDGET, UNKNOWN_FACT, CURRENCY = (
    int(r)
    for r in (
        Reason.SCHEDULE,
        Reason.CHANNEL,
        Reason.PLACE,
        Reason.AUDIENCE,
        Reason.CONSENT,
        Reason.CODE_MISSING,
        Reason.CODE_USED,
        Reason.CONDITION,
        Reason.LIMIT,
        Reason.BUDGET,
        Reason.UNKNOWN_FACT,
        Reason.CURRENCY,
    )
)

# Which clause failed: its kind; the number of the line is added to the last two.
CLAUSE_NONE, CLAUSE_RUNS, CLAUSE_ONLY_ON, CLAUSE_SOLD, CLAUSE_PLACES, CLAUSE_AUDIENCE, CLAUSE_CODE = range(7)
CLAUSE_WHEN = 1_000
CLAUSE_LIMIT = 1_000_000

MISSING_NONE, MISSING_PIECES, MISSING_AMOUNT, MISSING_MEASURE = range(4)


class Candidates(NamedTuple):
    """One row for each candidate, ascending by promotion."""

    promotion: Ints
    reason: Ints  # Reason; 0 = still eligible
    clause: Ints
    missing_kind: Ints
    missing: Ints  # pieces, minor units, thousandths of the dimension's smallest unit
    missing_set: Ints
    missing_dimension: Ints
    code: Ints  # the code it uses; -1
    cap: Ints  # of the saving; -1 = none
    applications: Ints  # at most; -1 = without limit. Afterwards: how many there are
    budget: Ints  # the saving may not exceed it; -1 = none
    alone: Ints  # what it would save alone
    saving: Ints
    beaten_by: Ints  # candidate row; -1


def candidates(promotions: Ints) -> Candidates:
    """A fresh table for these promotions."""
    n = promotions.shape[0]
    zero, minus = (lambda: np.zeros(n, np.int64)), (lambda: np.full(n, -1, np.int64))
    return Candidates(
        promotions,
        zero(),
        zero(),
        zero(),
        zero(),
        minus(),
        zero(),
        minus(),
        minus(),
        minus(),
        minus(),
        zero(),
        zero(),
        minus(),
    )


class Truths(NamedTuple):
    """What has been judged of one request; UNJUDGED is not yet."""

    segment: Ints
    place: Ints


UNJUDGED = -1


@njit(cache=True, nogil=True)
def holds_set(q: Question, line: int, wanted: int) -> bool:
    """Whether a line's article is in a product set: binary search in its ascending list."""
    low, high = q.set_begin[line], q.set_begin[line + 1]
    while low < high:
        middle = (low + high) // 2
        if q.sets[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low < q.set_begin[line + 1] and q.sets[low] == wanted


@njit(cache=True, nogil=True)
def enters_code(q: Question, codes: int) -> bool:
    """Whether a code of this set was entered."""
    for i in range(q.code_sets.shape[0]):
        if q.code_sets[i] == codes:
            return True
    return False


@njit(cache=True, nogil=True)
def touch(rules: Rules, q: Question) -> Ints:
    """The promotions that touch the basket, ascending."""
    hit = np.zeros(rules.group.shape[0], np.uint8)
    for i in range(rules.everywhere.shape[0]):
        hit[rules.everywhere[i]] = 1
    for i in range(q.sets.shape[0]):
        for j in range(rules.touch_begin[q.sets[i]], rules.touch_begin[q.sets[i] + 1]):
            hit[rules.touch[j]] = 1
    count = 0
    for p in range(hit.shape[0]):
        if rules.codes[p] >= 0:
            hit[p] = enters_code(q, rules.codes[p])
        count += hit[p]
    found = np.empty(count, np.int64)
    count = 0
    for p in range(hit.shape[0]):
        if hit[p]:
            found[count] = p
            count += 1
    return found


# ---------------------------------------------------------------------------------------------------- conditions


@njit(cache=True, nogil=True)
def negate(truth: int) -> int:
    return _UNKNOWN if truth == _UNKNOWN else 1 - truth


@njit(cache=True, nogil=True)
def compare(value: int, cmp: int, constant: int) -> int:
    if cmp == _EQ:
        return 1 if value == constant else 0
    if cmp == _NE:
        return 1 if value != constant else 0
    if cmp == _LT:
        return 1 if value < constant else 0
    if cmp == _LE:
        return 1 if value <= constant else 0
    if cmp == _GT:
        return 1 if value > constant else 0
    return 1 if value >= constant else 0


@njit(cache=True, nogil=True)
def among(pool: Ints, begin: int, end: int, value: int) -> bool:
    """Whether a value stands in an ascending stretch of the pool."""
    low, high = begin, end
    while low < high:
        middle = (low + high) // 2
        if pool[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low < end and pool[low] == value


@njit(cache=True, nogil=True)
def counts(rules: Rules, q: Question, p: int, line: int, ships: bool) -> bool:
    """Whether the units of a line count toward a promotion's thresholds."""
    marks = q.line_marks[line]
    if marks & _MARK_COUNT or (ships and marks & _MARK_SHIP):
        return False
    for i in range(rules.except_begin[p], rules.except_begin[p + 1]):
        if holds_set(q, line, rules.excepted[i]):
            return False
    return True


@njit(cache=True, nogil=True)
def quantity(rules: Rules, q: Question, left: Ints, p: int, op: int, of: int, last: int) -> int:
    """What a threshold looks at: worth (last: 1 list prices, 2 left), units (last: 1 of one article), or measure
    (last: the dimension)."""
    ships = rules.kind[p] == _FREE_SERVICE
    lines = q.line_marks.shape[0]
    inside = np.zeros(lines, np.uint8)
    for line in range(lines):
        inside[line] = (of < 0 or holds_set(q, line, of)) and counts(rules, q, p, line, ships)
    total = 0
    by_article = np.zeros(lines if op == _COUNT else 0, np.int64)
    for u in range(q.unit_line.shape[0]):
        if not inside[q.unit_line[u]]:
            continue
        if op == _WORTH:
            total += q.unit_list[u] if last == 1 else left[u]
        elif op == _COUNT:
            total += 1
            by_article[q.unit_article[u]] += 1
        elif q.unit_dimension[u] == last:
            total += q.unit_measure[u] * q.unit_factor[u]
    if op == _COUNT and last == 1:
        total = 0
        for a in range(lines):
            total = max(total, by_article[a])
    return total


@njit(cache=True, nogil=True)
def run(rules: Rules, q: Question, line: int, truths: Truths, consents: bool, left: Ints, p: int, original: int) -> int:
    """The truth of one line of conditions, from the segments and places judged so far.

    consents: take every consent as given. left, p and original matter to thresholds only."""
    stack = np.empty(STACK_MAX, np.int64)
    depth = 0
    for i in range(rules.lines[line], rules.lines[line + 1]):
        op, a, b, c, d = rules.code[i, 0], rules.code[i, 1], rules.code[i, 2], rules.code[i, 3], rules.code[i, 4]
        truth = _UNKNOWN
        if op == _COMPARE:
            if q.known[a]:
                truth = compare(q.value[a], b, c)
        elif op == _MONEY:
            if q.known[a] and rules.amounts[c, q.currency] >= 0:
                truth = compare(q.value[a], b, rules.amounts[c, q.currency] * q.micros_per_minor)
        elif op == _ONE_OF:
            if q.known[a]:
                truth = 1 if among(rules.pool, b, c, q.value[a]) != (d == 1) else 0
        elif op == _KNOWN:
            truth = 1 if q.known[a] == b else 0
        elif op == _TRUTH:
            if b == 1 and consents:
                truth = _TRUE
            elif q.known[a]:
                truth = q.value[a]
        elif op == _SEGMENT:
            truth = 1 if (truths.segment[a] == _TRUE) != (b == 1) else 0
        elif op == _PLACE:
            truth = negate(truths.place[a]) if b == 1 else truths.place[a]
        elif op == _ALL or op == _ANY or op == _NONE:
            falses = unknowns = trues = 0
            for j in range(depth - a, depth):
                falses += stack[j] == _FALSE
                unknowns += stack[j] == _UNKNOWN
                trues += stack[j] == _TRUE
            depth -= a
            if op == _ALL:
                truth = _FALSE if falses else (_UNKNOWN if unknowns else _TRUE)
            else:
                truth = _TRUE if trues else (_UNKNOWN if unknowns else _FALSE)
                if op == _NONE:
                    truth = negate(truth)
        else:
            last = d
            if op == _WORTH and d == 0:
                last = 1 if original else 2
            total = quantity(rules, q, left, p, op, a, last)
            low, high = b, c
            if op == _WORTH:
                low = rules.amounts[b, q.currency] if b >= 0 else -1
                high = rules.amounts[c, q.currency] if c >= 0 else -1
            truth = 1 if (b < 0 or total >= low) and (c < 0 or total <= high) else 0
        stack[depth] = truth
        depth += 1
    return stack[0]



@njit(cache=True, nogil=True)
def every(
    rules: Rules, q: Question, begin: int, end: int, truths: Truths, consents: bool, left: Ints, p: int, original: int
) -> tuple[int, int]:
    """The truth of a list of lines, all of which must hold, and its failing line: the first false one, else the first
    unknown one, else -1."""
    unknown = -1
    for line in range(begin, end):
        truth = run(rules, q, line, truths, consents, left, p, original)
        if truth == _FALSE:
            return _FALSE, line
        if truth == _UNKNOWN and unknown < 0:
            unknown = line
    return (_UNKNOWN, unknown) if unknown >= 0 else (_TRUE, -1)


@njit(cache=True, nogil=True)
def judge_places(rules: Rules, q: Question, truths: Truths) -> None:
    """Every place, those first that others ask for."""
    for i in range(rules.place_order.shape[0]):
        place = rules.place_order[i]
        begin, end = rules.place_begin[place], rules.place_begin[place + 1]
        truths.place[place] = every(rules, q, begin, end, truths, False, q.unit_list, 0, 0)[0]


@njit(cache=True, nogil=True)
def judge_segment(rules: Rules, q: Question, segment: int, truths: Truths, consents: bool) -> int:
    """A segment and those it asks for, kept in `truths`."""
    for i in range(rules.needed_begin[segment], rules.needed_begin[segment + 1]):
        s = rules.needed[i]
        if truths.segment[s] == UNJUDGED:
            begin, end = rules.segment_begin[s], rules.segment_begin[s + 1]
            truths.segment[s] = every(rules, q, begin, end, truths, consents, q.unit_list, 0, 0)[0]
    return truths.segment[segment]


# ---------------------------------------------------------------------------------------------------- eligibility


@njit(cache=True, nogil=True)
def local_seconds(rules: Rules, zone: int, second: int) -> int:
    """What a zone's clock shows at a UTC second, in seconds since 1970-01-01T00:00:00."""
    low, high = rules.zone_begin[zone], rules.zone_begin[zone + 1]
    first = low
    while low < high:
        middle = (low + high) // 2
        if rules.transitions[middle, 0] <= second:
            low = middle + 1
        else:
            high = middle
    return second + rules.transitions[max(first, low - 1), 1]


@njit(cache=True, nogil=True)
def in_slots(rules: Rules, q: Question, p: int) -> bool:
    """Whether one of the promotion's days and hours holds; no slots: always."""
    begin, end = rules.slot_begin[p], rules.slot_begin[p + 1]
    if begin == end:
        return True
    zone = rules.zone[p] if rules.zone[p] >= 0 else q.zone
    local = local_seconds(rules, zone, q.at_us // 1_000_000)
    day, second = local // 86_400, local % 86_400
    today, yesterday = (day + 3) % 7, (day + 2) % 7  # 1970-01-01 was a Thursday
    for i in range(begin, end):
        days, start, until = rules.slots[i, 0], rules.slots[i, 1], rules.slots[i, 2]
        if start < until:
            if (days >> today) & 1 and start <= second < until:
                return True
        elif ((days >> today) & 1 and second >= start) or ((days >> yesterday) & 1 and second < until):
            return True
    return False


@njit(cache=True, nogil=True)
def placed(rules: Rules, q: Question, p: int, truths: Truths) -> int:
    """Any of these places and none of those."""
    begin, end = rules.place_any_begin[p], rules.place_any_begin[p + 1]
    truth = _FALSE
    for i in range(begin, end):
        found = truths.place[rules.place_any[i]]
        truth = _TRUE if _TRUE in (truth, found) else max(truth, found)
    for i in range(rules.place_not_begin[p], rules.place_not_begin[p + 1]):
        found = negate(truths.place[rules.place_not[i]])
        truth = _FALSE if _FALSE in (truth, found) else max(truth, found)
    return truth


@njit(cache=True, nogil=True)
def audience(rules: Rules, q: Question, p: int, truths: Truths) -> int:
    """0, or the reason why the customer is not meant."""
    for i in range(rules.audience_not_begin[p], rules.audience_not_begin[p + 1]):
        if judge_segment(rules, q, rules.audience_not[i], truths, False) == _TRUE:
            return AUDIENCE
    begin, end = rules.audience_any_begin[p], rules.audience_any_begin[p + 1]
    if begin == end:
        return ELIGIBLE
    unknown = False
    for i in range(begin, end):
        truth = judge_segment(rules, q, rules.audience_any[i], truths, False)
        if truth == _TRUE:
            return ELIGIBLE
        unknown = unknown or truth == _UNKNOWN
    if unknown:
        return UNKNOWN_FACT
    for i in range(begin, end):
        willing = Truths(np.full(truths.segment.shape[0], UNJUDGED, np.int64), truths.place)
        if judge_segment(rules, q, rules.audience_any[i], willing, True) == _TRUE:
            return CONSENT
    return AUDIENCE


@njit(cache=True, nogil=True)
def used(q: Question, limit: int, code: int) -> int:
    """What the usage facts say of a counter (limit -1: of the code itself); none: nothing."""
    for i in range(q.usage.shape[0]):
        if q.usage[i, 0] == limit and q.usage[i, 1] == code:
            return q.usage[i, 2]
    return 0


@njit(cache=True, nogil=True)
def lower_bound(bound: int, value: int) -> int:
    """The smaller of a bound (-1: none) and a value."""
    return value if bound < 0 else min(bound, value)


@njit(cache=True, nogil=True)
def choose_code(rules: Rules, q: Question, table: Candidates, row: int) -> int:
    """The smallest code that fits; its limits are noted. 0, or the reason why there is none."""
    p = table.promotion[row]
    codes = rules.codes[p]
    if codes < 0:
        return ELIGIBLE
    entered = False
    for code in range(q.code_begin.shape[0] - 1):
        for i in range(q.code_begin[code], q.code_begin[code + 1]):
            if q.code_sets[i] != codes:
                continue
            entered = True
            applications = -1
            cap = -1
            fits = True
            if rules.code_uses[codes] >= 0:
                applications = rules.code_uses[codes] - used(q, -1, code)
                fits = applications > 0
            for limit in range(rules.limit_begin[p], rules.limit_begin[p + 1]):
                if rules.limits[limit, 3] != _CODE:
                    continue
                before = used(q, limit, code)
                if rules.limits[limit, 0] == _SAVING:
                    amount = rules.amounts[rules.limits[limit, 2], q.currency]
                    if amount >= 0:  # else the currency is the reason, in a moment
                        fits = fits and amount > before
                        cap = lower_bound(cap, amount - before)
                else:
                    rest = rules.limits[limit, 1] - before
                    fits = fits and rest > 0
                    if rules.limits[limit, 0] == _USES:
                        applications = lower_bound(applications, rest)
            if fits:
                table.code[row] = code
                table.applications[row] = applications
                table.cap[row] = cap
                return ELIGIBLE
    return CODE_USED if entered else CODE_MISSING


@njit(cache=True, nogil=True)
def eligible(rules: Rules, q: Question, table: Candidates, row: int, truths: Truths) -> None:
    """Judge everything that does not depend on prices; the first failure is noted as the reason."""
    p = table.promotion[row]
    window = rules.window[p] + (q.zone if rules.window_by_zone[p] else 0)
    if not rules.windows[window, 0] <= q.at_us < rules.windows[window, 1]:
        table.reason[row], table.clause[row] = SCHEDULE, CLAUSE_RUNS
        return
    if not in_slots(rules, q, p):
        table.reason[row], table.clause[row] = SCHEDULE, CLAUSE_ONLY_ON
        return
    if not (rules.channels[p] >> q.channel) & 1:
        table.reason[row], table.clause[row] = CHANNEL, CLAUSE_SOLD
        return
    if rules.place_any_begin[p] < rules.place_any_begin[p + 1]:
        truth = placed(rules, q, p, truths) if q.store_named else _FALSE
        if truth != _TRUE:
            table.reason[row] = PLACE if truth == _FALSE else UNKNOWN_FACT
            table.clause[row] = CLAUSE_PLACES
            return
    reason = audience(rules, q, p, truths)
    if reason:
        table.reason[row], table.clause[row] = reason, CLAUSE_AUDIENCE
        return
    reason = choose_code(rules, q, table, row)
    if reason:
        table.reason[row], table.clause[row] = reason, CLAUSE_CODE
        return
    if not (rules.currencies[p] >> q.currency) & 1:
        table.reason[row] = CURRENCY


@njit(cache=True, nogil=True)
def admit(rules: Rules, q: Question, table: Candidates, row: int, truths: Truths, left: Ints, original: int) -> None:
    """Judge conditions and limits, just before the group, at the prices left then."""
    p = table.promotion[row]
    first = rules.line_begin[p]
    for line in range(first, rules.line_begin[p + 1]):  # segments that conditions ask for
        for i in range(rules.lines[line], rules.lines[line + 1]):
            if rules.code[i, 0] == _SEGMENT:
                judge_segment(rules, q, rules.code[i, 1], truths, False)
    truth, line = every(rules, q, first, rules.line_begin[p + 1], truths, False, left, p, original)
    if truth != _TRUE:
        table.reason[row] = CONDITION if truth == _FALSE else UNKNOWN_FACT
        table.clause[row] = CLAUSE_WHEN + line - first
        if truth == _FALSE:
            note_missing(rules, q, table, row, line, left, original)
        return
    for limit in range(rules.limit_begin[p], rules.limit_begin[p + 1]):
        counted, count, amount_row, scope = (
            rules.limits[limit, 0],
            rules.limits[limit, 1],
            rules.limits[limit, 2],
            rules.limits[limit, 3],
        )
        if scope == _CODE:
            continue
        reason = ELIGIBLE
        if (
            (scope == _CUSTOMER and not q.customer_known)
            or (scope == _HOUSEHOLD and not q.household_known)
            or (scope == _STORE and not q.store_named)
        ):
            reason = UNKNOWN_FACT
        else:
            before = 0 if scope == _BASKET else used(q, limit, -1)
            rest = (rules.amounts[amount_row, q.currency] if counted == _SAVING else count) - before
            if rest <= 0:
                reason = BUDGET if scope == _TOTAL or scope == _STORE else LIMIT
            elif counted == _USES:
                table.applications[row] = lower_bound(table.applications[row], rest)
            elif counted == _SAVING and (scope == _TOTAL or scope == _STORE):
                table.budget[row] = lower_bound(table.budget[row], rest)
            elif counted == _SAVING:
                table.cap[row] = lower_bound(table.cap[row], rest)
        if reason:
            table.reason[row] = reason
            table.clause[row] = CLAUSE_LIMIT + limit - rules.limit_begin[p]
            return


@njit(cache=True, nogil=True)
def note_missing(rules: Rules, q: Question, table: Candidates, row: int, line: int, left: Ints, original: int) -> None:
    """Where the failing line is itself a lower bound on worth, units or measure: what is missing to it."""
    first = rules.lines[line]
    op, of, b, d = rules.code[first, 0], rules.code[first, 1], rules.code[first, 2], rules.code[first, 4]
    if rules.lines[line + 1] - first != 1 or op < _WORTH or b < 0:
        return
    last = d
    if op == _WORTH and d == 0:
        last = 1 if original else 2
    low = rules.amounts[b, q.currency] if op == _WORTH else b
    gap = low - quantity(rules, q, left, table.promotion[row], op, of, last)
    if gap > 0:
        table.missing_kind[row] = MISSING_AMOUNT if op == _WORTH else MISSING_PIECES if op == _COUNT else MISSING_MEASURE
        table.missing[row] = gap
        table.missing_set[row] = of
        table.missing_dimension[row] = d if op == _MEASURE else 0
