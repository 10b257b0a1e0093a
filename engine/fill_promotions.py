"""What became of each promotion, as rows: its result, what is missing, who pays, its labels and hints."""

from __future__ import annotations

from engine.answered import (
    IN_CALL,
)
from engine.basket import BASIS_POINTS
from engine.decision import Reason
from engine.instructions import Counted, Scope, Terms
from engine.kernel import Buffer, Ints, Table, bare, bare_gate, fetch
from engine.layout import (
    LINE_CELLS,
    Q_CURRENCY,
    R_LIMIT_BEGIN,
    R_LIMITS,
    R_TARGET,
    R_TERMS_BY,
    R_TERMS_OF,
    T_ALONE,
    T_APPLICATIONS,
    T_BEATEN_BY,
    T_CLAUSE,
    T_FURTHER,
    T_MISSING,
    T_MISSING_KIND,
    T_MISSING_SET,
    T_MISSING_UNIT,
    T_PROMOTION,
    T_REASON,
    T_SAVING,
    T_TIER,
    amount_of,
    cell,
    its,
    scalar,
)
from engine.match import (
    CLAUSE_LIMIT,
    CLAUSE_WHEN,
    MISSING_AMOUNT,
    MISSING_ARTICLES,
    MISSING_MEASURE,
    MISSING_PIECES,
)
from engine.rows import (
    EARNED,
    F_AMOUNT,
    F_NAME,
    F_PARTY,
    FUNDING,
    G_POINTS,
    G_PROMOTION,
    M_AMOUNT,
    M_KIND,
    M_MEASURE,
    M_PIECES,
    M_SET,
    M_TITLE,
    M_UNIT,
    MISSING,
    P_APPLICATIONS,
    P_BEATEN_BY,
    P_CLAUSE,
    P_FUNDING,
    P_HINTS,
    P_LABELS,
    P_MISSING,
    P_NAME,
    P_NEXT_TIER,
    P_REASON,
    P_TIER,
    P_USAGE,
    P_WOULD_SAVE,
    PROMOTIONS,
    TEXTS,
    add,
    count,
    put,
    put_name,
    row_at,
)
from engine.state import CLAUSE_BUDGET
from engine.told import (
    CLAUSES,
    CURRENCY_BITS,
    FUNDED,
    FUNDED_BEGIN,
    FUNDED_CELLS,
    FUNDED_NAME,
    FUNDED_PARTY,
    FUNDED_PLACE,
    FUNDED_POINTS,
    HINTS,
    HINTS_HOLD,
    HOLDS_POINTS,
    HOLDS_SAVED,
    LABELS,
    LABELS_HOLD,
    LIMITS_BEGIN,
    NAME,
    TITLE,
    UNIT_BITS,
    USAGE_GIVEN,
    WANT_CELLS,
    WANT_HINTS,
    WANT_LABELS,
    WANT_PROMOTION,
    WANT_SET,
    WANTED_MAX,
    WHEN_BEGIN,
    Words,
    slot_of,
    what_of,
)

_APPLIED, _BEATEN, _EXCLUSIVE = int(Reason.APPLIED), int(Reason.BEATEN), int(Reason.EXCLUSIVE)
_OF_SAVING, _TOTAL, _STORE = int(Counted.SAVING), int(Scope.TOTAL), int(Scope.STORE)
_BY_WORTH, _BY_MEASURE = int(Terms.WORTH), int(Terms.MEASURE)
_AMOUNT, _PIECES, _MEASURE, _ARTICLES = 1, 2, 3, 4  # of the contract's MissingKind


@bare
def fetch_names(words: Words, table: Table) -> None:
    """Have brought near what is said of candidates."""
    for row in range(table.shape[1]):
        fetch(words.promotions, table[T_PROMOTION, row])
        fetch(words.sets, max(0, table[T_MISSING_SET, row]))
    for row in range(table.shape[1]):
        place = words.promotions[table[T_PROMOTION, row]]
        fetch(words.cells, place)
        fetch(words.cells, place + LINE_CELLS)
    for row in range(table.shape[1]):
        fetch(words.blob, words.cells[words.promotions[table[T_PROMOTION, row]] + NAME])


@bare_gate
def fill_promotions(words: Words, rules: Buffer, q: Buffer, table: Table, answered: Ints, wanted: Ints) -> bool:
    """A row for each candidate, without what it saves on lines and fees, and without labels and hints."""
    fetch_names(words, table)
    for row in range(table.shape[1]):
        p, reason = table[T_PROMOTION, row], table[T_REASON, row]
        place = words.promotions[p]
        if place == 0:
            want(wanted, WANT_PROMOTION, p, 0, 0)
        to = add(answered, PROMOTIONS)
        put_name(answered, to + P_NAME, words, place + NAME)
        answered[to + P_REASON] = reason
        answered[to + P_USAGE] = words.cells[place + USAGE_GIVEN]
        answered[to + P_TIER] = table[T_TIER, row]
        if reason == _APPLIED:
            answered[to + P_APPLICATIONS] = table[T_APPLICATIONS, row]
            if not fill_funding(words, place, table[T_SAVING, row], to, answered):
                return False
        elif (reason == _BEATEN or reason == _EXCLUSIVE) and table[T_ALONE, row]:
            answered[to + P_WOULD_SAVE] = table[T_ALONE, row] + 1
        by = table[T_BEATEN_BY, row]
        if by >= 0:
            other = add(answered, TEXTS)
            if other < 0:
                return False
            put_name(answered, other, words, words.promotions[table[T_PROMOTION, by]] + NAME)
            answered[to + P_BEATEN_BY], answered[to + P_BEATEN_BY + 1] = (
                count(answered, TEXTS) - 1,
                1,
            )
        if table[T_CLAUSE, row] and place:
            put_name(answered, to + P_CLAUSE, words, clause_of(words, rules, q, table, row, place))
        kind = table[T_MISSING_KIND, row]
        if kind:
            of, much, unit = table[T_MISSING_SET, row], table[T_MISSING, row], table[T_MISSING_UNIT, row]
            if not fill_missing(words, kind, much, unit, of, to + P_MISSING, answered, wanted):
                return False
        further = table[T_FURTHER, row]
        if further:
            by_terms, unit = its(rules, R_TERMS_BY, p), its(rules, R_TERMS_OF, p)
            kind = MISSING_PIECES
            if by_terms == _BY_WORTH:
                kind = MISSING_AMOUNT
            elif by_terms == _BY_MEASURE:
                kind = MISSING_MEASURE
            of = its(rules, R_TARGET, p)
            if not fill_missing(words, kind, further, unit, of, to + P_NEXT_TIER, answered, wanted):
                return False
    return True


@bare
def fill_missing(
    words: Words, kind: int, much: int, unit: int, of: int, columns: int, answered: Ints, wanted: Ints
) -> bool:
    """How much is missing of which product set. Whether there was room."""
    to = add(answered, MISSING)
    if to < 0:
        return False
    answered[columns], answered[columns + 1] = count(answered, MISSING) - 1, 1
    if kind == MISSING_AMOUNT:
        answered[to + M_KIND], answered[to + M_AMOUNT] = _AMOUNT, much
    elif kind == MISSING_MEASURE:
        answered[to + M_KIND], answered[to + M_MEASURE], answered[to + M_UNIT] = _MEASURE, much, unit + 1
    else:
        answered[to + M_KIND] = _ARTICLES if kind == MISSING_ARTICLES else _PIECES
        answered[to + M_PIECES] = much
    if 0 <= of < words.sets.shape[0]:
        place = words.sets[of]
        if place == 0:
            want(wanted, WANT_SET, of, 0, 0)
        put_name(answered, to + M_SET, words, place + NAME)
        put_name(answered, to + M_TITLE, words, place + TITLE)
    return True


@bare
def clause_of(words: Words, rules: Buffer, q: Buffer, table: Table, row: int, place: int) -> int:
    """Where the line that failed stands in the cells."""
    clause = table[T_CLAUSE, row]
    if clause == CLAUSE_BUDGET:
        p = table[T_PROMOTION, row]
        first = its(rules, R_LIMIT_BEGIN, p)
        for limit in range(first, its(rules, R_LIMIT_BEGIN, p + 1)):
            counted, scope = cell(rules, R_LIMITS, 4, limit, 0), cell(rules, R_LIMITS, 4, limit, 3)
            if counted == _OF_SAVING and (scope == _TOTAL or scope == _STORE):
                if amount_of(rules, q, cell(rules, R_LIMITS, 4, limit, 2)) < table[T_ALONE, row]:
                    return words.cells[place + LIMITS_BEGIN] + 2 * (limit - first)
        return CLAUSES  # none is: of the promotion of nothing, whose clauses are empty
    if clause >= CLAUSE_LIMIT:
        return words.cells[place + LIMITS_BEGIN] + 2 * (clause - CLAUSE_LIMIT)
    if clause >= CLAUSE_WHEN:
        return words.cells[place + WHEN_BEGIN] + 2 * (clause - CLAUSE_WHEN)
    return place + CLAUSES + 2 * clause


@bare
def fill_funding(words: Words, place: int, saving: int, to: int, answered: Ints) -> bool:
    """Who pays how much of a saving: each its share rounded down, the cents that remain to the largest remainders; of
    equal ones to the one declared first. Whether there was room."""
    parties = words.cells[place + FUNDED]
    if parties == 0:
        return True
    first = count(answered, FUNDING)
    rest = saving
    for _ in range(parties):
        if add(answered, FUNDING) < 0:
            return False
    for i in range(parties):
        paid = words.cells[place + FUNDED_BEGIN] + i * FUNDED_CELLS
        row = row_at(FUNDING, first + words.cells[paid + FUNDED_PLACE])
        answered[row + F_PARTY] = words.cells[paid + FUNDED_PARTY]
        put_name(answered, row + F_NAME, words, paid + FUNDED_NAME)
        answered[row + F_AMOUNT] = saving * words.cells[paid + FUNDED_POINTS] // BASIS_POINTS
        rest -= answered[row + F_AMOUNT]
    for i in range(parties):
        paid = words.cells[place + FUNDED_BEGIN] + i * FUNDED_CELLS
        mine = saving * words.cells[paid + FUNDED_POINTS] % BASIS_POINTS
        before = 0  # how many come before it
        for j in range(parties):
            other = words.cells[place + FUNDED_BEGIN] + j * FUNDED_CELLS
            theirs = saving * words.cells[other + FUNDED_POINTS] % BASIS_POINTS
            before += 1 if theirs > mine or (theirs == mine and j < i) else 0
        if before < rest:
            answered[row_at(FUNDING, first + words.cells[paid + FUNDED_PLACE]) + F_AMOUNT] += 1
    answered[to + P_FUNDING], answered[to + P_FUNDING + 1] = first, parties
    return True


@bare_gate
def fill_texts(words: Words, q: Buffer, table: Table, answered: Ints, wanted: Ints) -> None:
    """Labels of what applied and hints where something is missing."""
    currency = scalar(q, Q_CURRENCY)
    for row in range(table.shape[1]):
        p = table[T_PROMOTION, row]
        place, to = words.promotions[p], row_at(PROMOTIONS, row)
        if place == 0:
            continue
        if table[T_REASON, row] == _APPLIED:
            held = words.cells[place + LABELS_HOLD]
            if held:
                saved = table[T_SAVING, row] if held & HOLDS_SAVED else 0
                points = points_of(words, place, answered) if held & HOLDS_POINTS else 0
                other = currency | points << CURRENCY_BITS
                fill_with_values(words, WANT_LABELS, p, saved, other, to + P_LABELS, answered, wanted)
            else:
                put_name(answered, to + P_LABELS, words, place + LABELS)
        kind = table[T_MISSING_KIND, row]
        if kind and words.cells[place + HINTS_HOLD]:
            unit = table[T_MISSING_UNIT, row] if kind == MISSING_MEASURE else 0
            other = currency | (unit | kind << UNIT_BITS) << CURRENCY_BITS
            fill_with_values(words, WANT_HINTS, p, table[T_MISSING, row], other, to + P_HINTS, answered, wanted)
        elif kind:
            put_name(answered, to + P_HINTS, words, place + HINTS)


@bare
def fill_with_values(
    words: Words, what: int, p: int, value: int, other: int, columns: int, answered: Ints, wanted: Ints
) -> None:
    """A text with values in it, if it is there; else it is wanted."""
    slot = slot_of(words.slots, what_of(what, p), value, other)
    if words.slots[slot]:
        put(answered, columns, IN_CALL, words.slots[slot + 3], words.slots[slot + 4])
    else:
        want(wanted, what, p, value, other)


@bare
def points_of(words: Words, place: int, answered: Ints) -> int:
    """The points that a promotion adds."""
    for i in range(count(answered, EARNED)):
        if answered[row_at(EARNED, i) + G_PROMOTION + 1] == words.cells[place + NAME]:
            return answered[row_at(EARNED, i) + G_POINTS]
    return 0


@bare
def want(wanted: Ints, what: int, of: int, value: int, other: int) -> None:
    """Note a text that is to be told."""
    if wanted[0] < WANTED_MAX:
        begin = 1 + wanted[0] * WANT_CELLS
        wanted[begin], wanted[begin + 1], wanted[begin + 2], wanted[begin + 3] = what, of, value, other
    wanted[0] += 1
