"""Which promotions may apply: the index is probed, then conditions run on what it found.

`touch` finds candidates, `eligible` judges one before all groups, `admit` judges conditions and limits just before its
group. Results are noted in the candidates' table
(engine/layout.py), one row for each, by name.
"""

from __future__ import annotations

import numpy as np

from engine.arithmetic import divide
from engine.basket import BASIS_POINTS
from engine.cashier import takes_any_entry
from engine.decision import Reason
from engine.instructions import (
    FALSE,
    TRUE,
    UNITS,
    UNKNOWN,
    Cmp,
    Counted,
    Each,
    Kind,
    Mark,
    Op,
    Scope,
    Target,
    Terms,
)
from engine.kernel import Buffer, Ints, Table, bare, bare_gate, fetch, gate, kernel, lowest
from engine.layout import (
    NO_REWARD,
    Q_ARMS,
    Q_AT_US,
    Q_CHANNEL,
    Q_CODE_BEGIN,
    Q_CODE_SETS,
    Q_CURRENCIES,
    Q_CURRENCY,
    Q_CUSTOMER_KNOWN,
    Q_ENTRIES,
    Q_FEE_RATE,
    Q_FEES,
    Q_HOUSEHOLD_KNOWN,
    Q_KNOWN,
    Q_LINE_MARKS,
    Q_LINE_RATE,
    Q_MICROS_PER_MINOR,
    Q_REGION,
    Q_ROUNDING,
    Q_SET_BEGIN,
    Q_SETS,
    Q_STORE_NAMED,
    Q_TAX_INSIDE,
    Q_UNIT_ARTICLE,
    Q_UNIT_DIMENSION,
    Q_UNIT_FACTOR,
    Q_UNIT_LINE,
    Q_UNIT_LIST,
    Q_UNIT_MEASURE,
    Q_USAGE,
    Q_VALUE,
    Q_ZONE,
    R_AMOUNT,
    R_AMOUNTS,
    R_ARM,
    R_AUDIENCE_ANY,
    R_AUDIENCE_ANY_BEGIN,
    R_AUDIENCE_NOT,
    R_AUDIENCE_NOT_BEGIN,
    R_BY_ENTRY,
    R_CHANNELS,
    R_CODE,
    R_CODE_USES,
    R_CODES,
    R_CURRENCIES,
    R_EACH,
    R_ENTRY_OWNER,
    R_EVERYWHERE,
    R_EXCEPT_BEGIN,
    R_EXCEPTED,
    R_GIVES,
    R_GROUP,
    R_HOLIDAYS,
    R_KIND,
    R_LIMIT_BEGIN,
    R_LIMITS,
    R_LINE_BEGIN,
    R_LINES,
    R_NEEDED,
    R_NEEDED_BEGIN,
    R_PLACE_ANY,
    R_PLACE_ANY_BEGIN,
    R_PLACE_BEGIN,
    R_PLACE_NOT,
    R_PLACE_NOT_BEGIN,
    R_PLACE_ORDER,
    R_POOL,
    R_ROLE_BEGIN,
    R_ROLES,
    R_SEGMENT_BEGIN,
    R_SLOT_BEGIN,
    R_SLOTS,
    R_TARGET,
    R_TARGET_KIND,
    R_TERM_BEGIN,
    R_TERMS,
    R_TERMS_BY,
    R_TERMS_OF,
    R_TOUCH,
    R_TOUCH_BEGIN,
    R_TRANSITIONS,
    R_WINDOW,
    R_WINDOW_BY_ZONE,
    R_WINDOWS,
    R_ZONE,
    R_ZONE_BEGIN,
    REGION_UNKNOWN,
    T_APPLICATIONS,
    T_BEATEN_BY,
    T_BUDGET,
    T_CAP,
    T_CLAUSE,
    T_CODE,
    T_FURTHER,
    T_MISSING,
    T_MISSING_KIND,
    T_MISSING_SET,
    T_MISSING_UNIT,
    T_PROMOTION,
    T_REASON,
    T_TERM,
    T_TIER,
    TABLE,
    amount_of,
    at,
    cell,
    fetch_its,
    has,
    its,
    scalar,
    size,
)
from engine.notes import (
    N_FEES,
    N_PLACE,
    N_SEGMENT,
    N_STACK,
    N_TOTAL,
    N_WILLING,
    N_WORTH,
    UNJUDGED,
    lines_of,
    note,
    noted,
    notes_of,
    units_of,
)

# Plain integers for kernels: an enum member is no constant to the compiler.
_FALSE, _TRUE, _UNKNOWN = FALSE, TRUE, UNKNOWN
_FIELDS = len(TABLE)
_EQ, _NE, _LT, _LE, _GT = (int(c) for c in (Cmp.EQ, Cmp.NE, Cmp.LT, Cmp.LE, Cmp.GT))
_COMPARE, _MONEY, _ONE_OF, _KNOWN, _TRUTH = (int(o) for o in (Op.COMPARE, Op.MONEY, Op.ONE_OF, Op.KNOWN, Op.TRUTH))
_SEGMENT, _PLACE, _ALL, _ANY, _NONE = (int(o) for o in (Op.SEGMENT, Op.PLACE, Op.ALL, Op.ANY, Op.NONE))
_WORTH, _COUNT, _MEASURE = int(Op.WORTH), int(Op.COUNT), int(Op.MEASURE)
_SET = int(Target.SET)
_SERVICE = int(Target.SERVICE)
_TIMES_POINTS, _FIXED_POINTS, _GIFT = int(Kind.TIMES_POINTS), int(Kind.FIXED_POINTS), int(Kind.GIFT)
_CASHIER = int(Kind.CASHIER)
_USES, _BASKETS, _SAVING = int(Counted.USES), int(Counted.BASKETS), int(Counted.SAVING)
_BY_WORTH, _BY_COUNT, _BY_MEASURE = int(Terms.WORTH), int(Terms.COUNT), int(Terms.MEASURE)
_ONE, _DRAWN, _BY_ARTICLE = int(Terms.ONE), int(Terms.DRAWN), int(Each.ARTICLE)
_BASKET, _CUSTOMER, _HOUSEHOLD, _STORE, _CODE, _TOTAL = (int(s) for s in Scope)
_DIMENSION_OF = tuple(dimension for _, dimension, _ in UNITS)
_FACTOR_OF = tuple(factor for _, _, factor in UNITS)
_MARK_COUNT, _MARK_SHIP, _MARK_REWARD = int(Mark.COUNT), int(Mark.SHIP_FREE), int(Mark.REWARD)
_MARK_CHOSEN = int(Mark.CHOSEN)

ELIGIBLE = 0
(
    SCHEDULE,
    CHANNEL,
    PLACE,
    AUDIENCE,
    CONSENT,
    CODE_MISSING,
    CODE_USED,
    QUANTITY,
    CONDITION,
    LIMIT,
    BUDGET,
    CONTROL_GROUP,
    UNKNOWN_FACT,
    CURRENCY,
) = (
    int(r)
    for r in (
        Reason.SCHEDULE,
        Reason.CHANNEL,
        Reason.PLACE,
        Reason.AUDIENCE,
        Reason.CONSENT,
        Reason.CODE_MISSING,
        Reason.CODE_USED,
        Reason.QUANTITY,
        Reason.CONDITION,
        Reason.LIMIT,
        Reason.BUDGET,
        Reason.CONTROL_GROUP,
        Reason.UNKNOWN_FACT,
        Reason.CURRENCY,
    )
)

# Which clause failed: its kind; the number of the line is added to the last two.
CLAUSE_NONE, CLAUSE_RUNS, CLAUSE_ONLY_ON, CLAUSE_SOLD, CLAUSE_PLACES, CLAUSE_AUDIENCE, CLAUSE_CODE = range(7)
CLAUSE_GET = 7  # the first tier, or the variants
CLAUSE_REASONS = 8  # of the cashier
CLAUSE_WHEN = 1_000
CLAUSE_LIMIT = 1_000_000

WORD = 5  # bits of a promotion's number that tell its place in a word of bits

MISSING_NONE, MISSING_PIECES, MISSING_AMOUNT, MISSING_MEASURE, MISSING_ARTICLES = range(5)


@gate
def candidates(promotions: Ints) -> Table:
    """A fresh table (layout.TABLE) for these promotions, which ascend."""
    table = np.zeros((_FIELDS, promotions.shape[0]), np.int64)
    for row in range(promotions.shape[0]):
        table[T_PROMOTION, row] = table[T_TERM, row] = promotions[row]
        table[T_MISSING_SET, row] = table[T_CODE, row] = table[T_CAP, row] = -1
        table[T_APPLICATIONS, row] = table[T_BUDGET, row] = table[T_BEATEN_BY, row] = -1
    return table


@bare
def holds_set(q: Buffer, line: int, wanted: int) -> bool:
    """Whether a line's article is in a product set: binary search in its ascending list."""
    low, high = at(q, Q_SET_BEGIN, line), at(q, Q_SET_BEGIN, line + 1)
    while low < high:
        middle = (low + high) // 2
        if at(q, Q_SETS, middle) < wanted:
            low = middle + 1
        else:
            high = middle
    return low < at(q, Q_SET_BEGIN, line + 1) and at(q, Q_SETS, low) == wanted


@bare
def enters_code(q: Buffer, codes: int) -> bool:
    """Whether a code of this set was entered."""
    for i in range(size(q, Q_CODE_SETS)):
        if at(q, Q_CODE_SETS, i) == codes:
            return True
    return False


@gate
def touch(rules: Buffer, q: Buffer) -> Ints:
    """The promotions that touch the basket, ascending."""
    promotions = size(rules, R_GROUP)
    words = (promotions >> WORD) + 1
    fetch_sets(rules, q)
    hit = np.zeros(words + (size(rules, R_TOUCH_BEGIN) >> WORD) + 1, np.int64)  # a bit for each, then for each set
    found = np.empty(touch_all(rules, q, hit, words), np.int64)
    count = 0
    for i in range(words):
        rest = hit[i]
        while rest:
            found[count] = (i << WORD) + lowest(rest)
            fetch_its(rules, found[count])
            rest &= rest - 1
            count += 1
    return found


@bare
def fetch_sets(rules: Buffer, q: Buffer) -> None:
    """Have brought near what product sets say of promotions: where that begins, then it, then the first of them. Each
    step for all sets, as each needs the one before it."""
    begins, promotions = rules[2 * R_TOUCH_BEGIN], rules[2 * R_TOUCH]
    for i in range(size(q, Q_SETS)):
        fetch(rules, begins + at(q, Q_SETS, i))
    for i in range(size(q, Q_SETS)):
        fetch(rules, promotions + at(rules, R_TOUCH_BEGIN, at(q, Q_SETS, i)))
    for i in range(size(q, Q_SETS)):
        of = at(q, Q_SETS, i)
        if at(rules, R_TOUCH_BEGIN, of) < at(rules, R_TOUCH_BEGIN, of + 1):
            fetch_its(rules, at(rules, R_TOUCH, at(rules, R_TOUCH_BEGIN, of)))


@bare_gate
def touch_all(rules: Buffer, q: Buffer, hit: Ints, words: int) -> int:
    """Note each promotion that touches the basket; how many there are. Sets are noted behind so many words."""
    count = 0
    for i in range(size(rules, R_EVERYWHERE)):
        count += touch_one(rules, hit, at(rules, R_EVERYWHERE, i))
    for i in range(size(rules, R_BY_ENTRY) if size(q, Q_ENTRIES) else 0):
        if takes_any_entry(rules, q, at(rules, R_BY_ENTRY, i)):
            count += touch_one(rules, hit, at(rules, R_ENTRY_OWNER, i))
    for i in range(size(q, Q_SETS)):  # chosen gifts have none
        of = at(q, Q_SETS, i)
        word, bit = words + (of >> WORD), 1 << (of & (1 << WORD) - 1)
        if hit[word] & bit:
            continue
        hit[word] |= bit
        for j in range(at(rules, R_TOUCH_BEGIN, of), at(rules, R_TOUCH_BEGIN, of + 1)):
            count += touch_one(rules, hit, at(rules, R_TOUCH, j))
    for p in range(size(rules, R_GROUP) if size(q, Q_CODE_SETS) else 0):
        if its(rules, R_CODES, p) >= 0 and enters_code(q, its(rules, R_CODES, p)):
            hit[p >> WORD] |= 1 << (p & (1 << WORD) - 1)
            count += 1
    return count


@bare
def touch_one(rules: Buffer, hit: Ints, p: int) -> int:
    """Note a promotion: 1, or 0 if it is noted already. Those with codes are touched where theirs are entered."""
    bit = 1 << (p & (1 << WORD) - 1)
    if hit[p >> WORD] & bit or its(rules, R_CODES, p) >= 0:
        return 0
    hit[p >> WORD] |= bit
    return 1


# ---------------------------------------------------------------------------------------------------- conditions


@bare
def negate(truth: int) -> int:
    """Kleene not."""
    return _UNKNOWN if truth == _UNKNOWN else 1 - truth


@bare
def either(truth: int, other: int) -> int:
    """Kleene or."""
    return _TRUE if _TRUE in (truth, other) else max(truth, other)


@bare
def compare(value: int, cmp: int, constant: int) -> int:
    """The truth of a comparison of known values."""
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


@bare
def among(rules: Buffer, begin: int, end: int, value: int) -> bool:
    """Whether a value stands in an ascending stretch of the pool."""
    low, high = begin, end
    while low < high:
        middle = (low + high) // 2
        if at(rules, R_POOL, middle) < value:
            low = middle + 1
        else:
            high = middle
    return low < end and at(rules, R_POOL, low) == value


@bare
def never_counting(rules: Buffer, p: int) -> int:
    """The marks of lines whose units do not count toward a promotion's thresholds: what guards keep out of what it
    gives, and what is chosen as a gift."""
    kind = its(rules, R_KIND, p)
    if its(rules, R_TARGET_KIND, p) == _SERVICE:
        return _MARK_COUNT | _MARK_CHOSEN | _MARK_SHIP
    if kind == _TIMES_POINTS or kind == _FIXED_POINTS or kind == _GIFT:
        return _MARK_COUNT | _MARK_CHOSEN | _MARK_REWARD
    return _MARK_COUNT | _MARK_CHOSEN


@bare
def left_out(rules: Buffer, q: Buffer, p: int, line: int) -> bool:
    """Whether a line's article is in a set that a promotion leaves out."""
    for i in range(its(rules, R_EXCEPT_BEGIN, p), its(rules, R_EXCEPT_BEGIN, p + 1)):
        if holds_set(q, line, at(rules, R_EXCEPTED, i)):
            return True
    return False


@gate
def quantities(rules: Buffer, q: Buffer, left: Ints, p: int, op: int, of: int, last: int) -> Ints:
    """What the counting units of a set (-1: of the basket) come to, unit by unit: worth (last: 1 list prices, 2 left),
    1 for each, or measure (last: the unit, whose dimension counts)."""
    lines, never = size(q, Q_LINE_MARKS), never_counting(rules, p)
    inside = np.zeros(lines, np.uint8)
    for line in range(lines):
        counts = not at(q, Q_LINE_MARKS, line) & never and not left_out(rules, q, p, line)
        inside[line] = counts and (of < 0 or holds_set(q, line, of))
    found = np.zeros(size(q, Q_UNIT_LINE), np.int64)
    for u in range(found.shape[0]):
        if not inside[at(q, Q_UNIT_LINE, u)]:
            continue
        if op == _WORTH:
            found[u] = at(q, Q_UNIT_LIST, u) if last == 1 else left[u]
        elif op == _COUNT:
            found[u] = 1
        elif at(q, Q_UNIT_DIMENSION, u) == _DIMENSION_OF[last]:
            found[u] = at(q, Q_UNIT_MEASURE, u) * at(q, Q_UNIT_FACTOR, u)
    return found


@kernel
def by_article(q: Buffer, found: Ints) -> Ints:
    """What the units of each article come to together."""
    sums = np.zeros(size(q, Q_LINE_MARKS) + 1, np.int64)
    for u in range(found.shape[0]):
        sums[at(q, Q_UNIT_ARTICLE, u)] += found[u]
    return sums


@bare
def quantity(rules: Buffer, q: Buffer, notes: Ints, left: Ints, p: int, op: int, of: int, last: int) -> int:
    """What a threshold looks at. Of units last: 1 of the article with most of them, 2 how many different articles; of
    worth it may hold bits, see `worth_otherwise`."""
    if (op == _COUNT and last > 0) or (op == _WORTH and last > 3):
        return quantity_otherwise(rules, q, notes, left, p, op, of, last)
    begin, end = (0, size(q, Q_LINE_MARKS)) if of < 0 else lines_of(notes, of)
    total, never = 0, never_counting(rules, p)
    leaves_out = has(rules, R_EXCEPT_BEGIN, p)
    worth = notes[N_WORTH] + (0 if last == 1 else size(q, Q_LINE_MARKS))
    for i in range(begin, end):
        line = i if of < 0 else notes[i]
        if at(q, Q_LINE_MARKS, line) & never or (leaves_out and left_out(rules, q, p, line)):
            continue
        if op == _WORTH:
            total += notes[worth + line]
            continue
        first, beyond = units_of(notes, line)
        if op == _COUNT:
            total += beyond - first
            continue
        for k in range(first, beyond):
            u = notes[k]
            if at(q, Q_UNIT_DIMENSION, u) == _DIMENSION_OF[last]:
                total += at(q, Q_UNIT_MEASURE, u) * at(q, Q_UNIT_FACTOR, u)
    return total


@gate
def quantity_otherwise(rules: Buffer, q: Buffer, notes: Ints, left: Ints, p: int, op: int, of: int, last: int) -> int:
    """The same, where it is more than a sum over units."""
    found = quantities(rules, q, left, p, op, of, last & 3 if op == _WORTH else last)
    if op == _COUNT:
        articles = by_article(q, found)
        return articles.max() if last == 1 else (articles > 0).sum()
    return worth_otherwise(q, notes, found, last)


@kernel
def worth_otherwise(q: Buffer, notes: Ints, found: Ints, how: int) -> int:
    """What units are worth (unit by unit in `found`) with the fees (bit 4), without the tax in prices (bit 8: for each
    rate rounded once)."""
    lines, fees = size(q, Q_LINE_MARKS), size(q, Q_FEES)
    amounts = np.zeros(lines + fees, np.int64)
    rates = np.full(lines + fees, -1, np.int64)
    for u in range(found.shape[0]):
        amounts[at(q, Q_UNIT_LINE, u)] += found[u]
    for line in range(lines):
        rates[line] = at(q, Q_LINE_RATE, line)
    for fee in range(fees if how & 4 else 0):
        amounts[lines + fee] = max(0, at(q, Q_FEES, fee)) if how & 3 == 1 else noted(notes, N_FEES, fee)
        rates[lines + fee] = at(q, Q_FEE_RATE, fee)
    if not (how & 8 and scalar(q, Q_TAX_INSIDE)):
        return amounts.sum()
    total = 0
    for i in range(lines + fees):
        if rates[i] < 0:
            total += amounts[i]
            continue
        for j in range(i + 1, lines + fees):
            if rates[j] == rates[i]:
                amounts[i] += amounts[j]
                amounts[j] = 0
        total += divide(amounts[i] * BASIS_POINTS, BASIS_POINTS + rates[i], scalar(q, Q_ROUNDING))
    return total


@bare
def run(rules: Buffer, q: Buffer, line: int, notes: Ints, consents: bool, left: Ints, p: int, original: int) -> int:
    """The truth of one line of conditions, from the segments and places judged so far.

    consents: take every consent as given. left, p and original matter to thresholds only."""
    stack = notes[N_STACK]
    segments = N_WILLING if consents else N_SEGMENT
    depth = 0
    for i in range(at(rules, R_LINES, line), at(rules, R_LINES, line + 1)):
        op, a, b, c, d = (
            cell(rules, R_CODE, 5, i, 0),
            cell(rules, R_CODE, 5, i, 1),
            cell(rules, R_CODE, 5, i, 2),
            cell(rules, R_CODE, 5, i, 3),
            cell(rules, R_CODE, 5, i, 4),
        )
        truth = _UNKNOWN
        if op == _COMPARE:
            if at(q, Q_KNOWN, a):
                truth = compare(at(q, Q_VALUE, a), b, c)
        elif op == _MONEY:
            if at(q, Q_KNOWN, a) and amount_of(rules, q, c) >= 0:
                truth = compare(at(q, Q_VALUE, a), b, amount_of(rules, q, c) * scalar(q, Q_MICROS_PER_MINOR))
        elif op == _ONE_OF:
            if at(q, Q_KNOWN, a):
                truth = 1 if among(rules, b, c, at(q, Q_VALUE, a)) != (d == 1) else 0
        elif op == _KNOWN:
            truth = 1 if at(q, Q_KNOWN, a) == b else 0
        elif op == _TRUTH:
            if b == 1 and consents:
                truth = _TRUE
            elif at(q, Q_KNOWN, a):
                truth = at(q, Q_VALUE, a)
        elif op == _SEGMENT:
            truth = 1 if (noted(notes, segments, a) == _TRUE) != (b == 1) else 0
        elif op == _PLACE:
            truth = negate(noted(notes, N_PLACE, a)) if b == 1 else noted(notes, N_PLACE, a)
        elif op == _ALL or op == _ANY or op == _NONE:
            falses = unknowns = trues = 0
            for j in range(depth - a, depth):
                falses += notes[stack + j] == _FALSE
                unknowns += notes[stack + j] == _UNKNOWN
                trues += notes[stack + j] == _TRUE
            depth -= a
            if op == _ALL:
                truth = _FALSE if falses else (_UNKNOWN if unknowns else _TRUE)
            else:
                truth = _TRUE if trues else (_UNKNOWN if unknowns else _FALSE)
                if op == _NONE:
                    truth = negate(truth)
        else:
            last = d
            if op == _WORTH and d & 3 == 0:
                last += 1 if original else 2
            total = quantity(rules, q, notes, left, p, op, a, last)
            notes[N_TOTAL] = total
            low, high = b, c
            if op == _WORTH:
                low = amount_of(rules, q, b) if b >= 0 else -1
                high = amount_of(rules, q, c) if c >= 0 else -1
            truth = 1 if (b < 0 or total >= low) and (c < 0 or total <= high) else 0
        notes[stack + depth] = truth
        depth += 1
    return notes[stack]


@bare_gate
def every(
    rules: Buffer, q: Buffer, begin: int, end: int, notes: Ints, consents: bool, left: Ints, p: int, original: int
) -> tuple[int, int]:
    """The truth of a list of lines, all of which must hold, and its failing line: the first false one, else the first
    unknown one, else -1."""
    unknown = -1
    for line in range(begin, end):
        truth = run(rules, q, line, notes, consents, left, p, original)
        if truth == _FALSE:
            return _FALSE, line
        if truth == _UNKNOWN and unknown < 0:
            unknown = line
    return (_UNKNOWN, unknown) if unknown >= 0 else (_TRUE, -1)


@bare_gate
def judge_places(rules: Buffer, q: Buffer, notes: Ints) -> None:
    """Every place, those first that others ask for."""
    for i in range(size(rules, R_PLACE_ORDER)):
        place = at(rules, R_PLACE_ORDER, i)
        begin, end = at(rules, R_PLACE_BEGIN, place), at(rules, R_PLACE_BEGIN, place + 1)
        note(notes, N_PLACE, place, every(rules, q, begin, end, notes, False, notes, 0, 0)[0])


@bare_gate
def judge_segment(rules: Buffer, q: Buffer, segment: int, notes: Ints, consents: bool) -> int:
    """A segment and those it asks for, which is noted."""
    field = N_WILLING if consents else N_SEGMENT
    for i in range(at(rules, R_NEEDED_BEGIN, segment), at(rules, R_NEEDED_BEGIN, segment + 1)):
        s = at(rules, R_NEEDED, i)
        if noted(notes, field, s) == UNJUDGED:
            begin, end = at(rules, R_SEGMENT_BEGIN, s), at(rules, R_SEGMENT_BEGIN, s + 1)
            note(notes, field, s, every(rules, q, begin, end, notes, consents, notes, 0, 0)[0])
    return noted(notes, field, segment)


@bare
def segment_holds(rules: Buffer, q: Buffer, segment: int, notes: Ints) -> int:
    """The truth of a segment; it is judged at most once."""
    truth = noted(notes, N_SEGMENT, segment)
    return truth if truth != UNJUDGED else judge_segment(rules, q, segment, notes, False)


# ---------------------------------------------------------------------------------------------------- eligibility


@bare_gate
def local_seconds(rules: Buffer, zone: int, second: int) -> int:
    """What a zone's clock shows at a UTC second, in seconds since 1970-01-01T00:00:00."""
    low, high = at(rules, R_ZONE_BEGIN, zone), at(rules, R_ZONE_BEGIN, zone + 1)
    first = low
    while low < high:
        middle = (low + high) // 2
        if cell(rules, R_TRANSITIONS, 2, middle, 0) <= second:
            low = middle + 1
        else:
            high = middle
    return second + cell(rules, R_TRANSITIONS, 2, max(first, low - 1), 1)


@bare_gate
def first_holiday(rules: Buffer, day: int, region: int) -> int:
    """The first row of the holidays that is not before this one."""
    low, high = 0, size(rules, R_HOLIDAYS) // 2
    while low < high:
        middle = (low + high) // 2
        other = cell(rules, R_HOLIDAYS, 2, middle, 0)
        if other < day or (other == day and cell(rules, R_HOLIDAYS, 2, middle, 1) < region):
            low = middle + 1
        else:
            high = middle
    return low


@bare_gate
def is_holiday(rules: Buffer, q: Buffer, day: int) -> int:
    """Whether a day is a holiday where the request comes from: one of everywhere, or of the store's region."""
    rows = size(rules, R_HOLIDAYS) // 2
    row = first_holiday(rules, day, -1)
    if row == rows or cell(rules, R_HOLIDAYS, 2, row, 0) != day:
        return _FALSE
    if cell(rules, R_HOLIDAYS, 2, row, 1) == -1:
        return _TRUE
    region = scalar(q, Q_REGION)
    if region == REGION_UNKNOWN:
        return _UNKNOWN
    row = first_holiday(rules, day, region)
    same = row < rows and cell(rules, R_HOLIDAYS, 2, row, 0) == day and cell(rules, R_HOLIDAYS, 2, row, 1) == region
    return _TRUE if same else _FALSE


@bare
def on_day(days: int, on_holidays: int, weekday: int, holiday: int) -> int:
    """Whether a slot holds on a day of the week that is a holiday, is none, or may be one."""
    usual, off = (days >> weekday) & 1, (on_holidays >> weekday) & 1
    if usual == off or holiday == _FALSE:
        return usual
    return off if holiday == _TRUE else _UNKNOWN


@bare_gate
def in_slots(rules: Buffer, q: Buffer, p: int) -> int:
    """Whether one of the promotion's days and hours holds; no slots: always."""
    begin, end = its(rules, R_SLOT_BEGIN, p), its(rules, R_SLOT_BEGIN, p + 1)
    if begin == end:
        return _TRUE
    zone = its(rules, R_ZONE, p) if its(rules, R_ZONE, p) >= 0 else scalar(q, Q_ZONE)
    local = local_seconds(rules, zone, scalar(q, Q_AT_US) // 1_000_000)
    day, second = local // 86_400, local % 86_400
    today, yesterday = (day + 3) % 7, (day + 2) % 7  # 1970-01-01 was a Thursday
    off_today, off_yesterday = is_holiday(rules, q, day), is_holiday(rules, q, day - 1)
    truth = _FALSE
    for i in range(begin, end):
        days, on_holidays, start, until = (
            cell(rules, R_SLOTS, 4, i, 0),
            cell(rules, R_SLOTS, 4, i, 1),
            cell(rules, R_SLOTS, 4, i, 2),
            cell(rules, R_SLOTS, 4, i, 3),
        )
        if second >= start and (start >= until or second < until):
            truth = either(truth, on_day(days, on_holidays, today, off_today))
        if start >= until and second < until:  # it began yesterday
            truth = either(truth, on_day(days, on_holidays, yesterday, off_yesterday))
    return truth


@bare
def placed(rules: Buffer, q: Buffer, p: int, notes: Ints) -> int:
    """Any of these places and none of those."""
    begin, end = its(rules, R_PLACE_ANY_BEGIN, p), its(rules, R_PLACE_ANY_BEGIN, p + 1)
    truth = _TRUE if begin == end else _FALSE
    for i in range(begin, end):
        found = noted(notes, N_PLACE, at(rules, R_PLACE_ANY, i))
        truth = either(truth, found)
    for i in range(its(rules, R_PLACE_NOT_BEGIN, p), its(rules, R_PLACE_NOT_BEGIN, p + 1)):
        found = negate(noted(notes, N_PLACE, at(rules, R_PLACE_NOT, i)))
        truth = _FALSE if _FALSE in (truth, found) else max(truth, found)
    return truth


@bare
def audience(rules: Buffer, q: Buffer, p: int, notes: Ints) -> int:
    """0, or the reason why the customer is not meant."""
    for i in range(its(rules, R_AUDIENCE_NOT_BEGIN, p), its(rules, R_AUDIENCE_NOT_BEGIN, p + 1)):
        if segment_holds(rules, q, at(rules, R_AUDIENCE_NOT, i), notes) == _TRUE:
            return AUDIENCE
    begin, end = its(rules, R_AUDIENCE_ANY_BEGIN, p), its(rules, R_AUDIENCE_ANY_BEGIN, p + 1)
    if begin == end:
        return ELIGIBLE
    unknown = False
    for i in range(begin, end):
        truth = segment_holds(rules, q, at(rules, R_AUDIENCE_ANY, i), notes)
        if truth == _TRUE:
            return ELIGIBLE
        unknown = unknown or truth == _UNKNOWN
    if unknown:
        return UNKNOWN_FACT
    for i in range(begin, end):
        if judge_segment(rules, q, at(rules, R_AUDIENCE_ANY, i), notes, True) == _TRUE:
            return CONSENT
    return AUDIENCE


@bare
def used(q: Buffer, limit: int, code: int) -> int:
    """What the usage facts say of a counter (limit -1: of the code itself); none: nothing."""
    for i in range(size(q, Q_USAGE) // 3):
        if cell(q, Q_USAGE, 3, i, 0) == limit and cell(q, Q_USAGE, 3, i, 1) == code:
            return cell(q, Q_USAGE, 3, i, 2)
    return 0


@bare
def lower_bound(bound: int, value: int) -> int:
    """The smaller of a bound (-1: none) and a value."""
    return value if bound < 0 else min(bound, value)


@bare_gate
def choose_code(rules: Buffer, q: Buffer, table: Table, row: int) -> int:
    """The smallest code that fits; its limits are noted. 0, or the reason why there is none."""
    p = table[T_PROMOTION, row]
    codes = its(rules, R_CODES, p)
    if codes < 0:
        return ELIGIBLE
    entered = False
    for code in range(size(q, Q_CODE_BEGIN) - 1):
        for i in range(at(q, Q_CODE_BEGIN, code), at(q, Q_CODE_BEGIN, code + 1)):
            if at(q, Q_CODE_SETS, i) != codes:
                continue
            entered = True
            applications = -1
            cap = -1
            fits = True
            if at(rules, R_CODE_USES, codes) >= 0:
                applications = at(rules, R_CODE_USES, codes) - used(q, -1, code)
                fits = applications > 0
            for limit in range(its(rules, R_LIMIT_BEGIN, p), its(rules, R_LIMIT_BEGIN, p + 1)):
                if cell(rules, R_LIMITS, 4, limit, 3) != _CODE:
                    continue
                before = used(q, limit, code)
                if cell(rules, R_LIMITS, 4, limit, 0) == _SAVING:
                    amount = amount_of(rules, q, cell(rules, R_LIMITS, 4, limit, 2))
                    if amount >= 0:  # else the currency is the reason, in a moment
                        fits = fits and amount > before
                        cap = lower_bound(cap, amount - before)
                else:
                    rest = cell(rules, R_LIMITS, 4, limit, 1) - before
                    fits = fits and rest > 0
                    if cell(rules, R_LIMITS, 4, limit, 0) == _USES:
                        applications = lower_bound(applications, rest)
            if fits:
                table[T_CODE, row] = code
                table[T_APPLICATIONS, row] = applications
                table[T_CAP, row] = cap
                return ELIGIBLE
    return CODE_USED if entered else CODE_MISSING


@bare
def eligible(rules: Buffer, q: Buffer, table: Table, row: int, notes: Ints) -> None:
    """Judge everything that does not depend on prices; the first failure is noted as the reason."""
    p = table[T_PROMOTION, row]
    window = its(rules, R_WINDOW, p) + (scalar(q, Q_ZONE) if its(rules, R_WINDOW_BY_ZONE, p) else 0)
    if not cell(rules, R_WINDOWS, 2, window, 0) <= scalar(q, Q_AT_US) < cell(rules, R_WINDOWS, 2, window, 1):
        table[T_REASON, row], table[T_CLAUSE, row] = SCHEDULE, CLAUSE_RUNS
        return
    truth = in_slots(rules, q, p) if has(rules, R_SLOT_BEGIN, p) else _TRUE
    if truth != _TRUE:
        table[T_REASON, row] = SCHEDULE if truth == _FALSE else UNKNOWN_FACT
        table[T_CLAUSE, row] = CLAUSE_ONLY_ON
        return
    if not (its(rules, R_CHANNELS, p) >> scalar(q, Q_CHANNEL)) & 1:
        table[T_REASON, row], table[T_CLAUSE, row] = CHANNEL, CLAUSE_SOLD
        return
    if has(rules, R_PLACE_ANY_BEGIN, p) or has(rules, R_PLACE_NOT_BEGIN, p):
        truth = placed(rules, q, p, notes) if scalar(q, Q_STORE_NAMED) else _FALSE
        if truth != _TRUE:
            table[T_REASON, row] = PLACE if truth == _FALSE else UNKNOWN_FACT
            table[T_CLAUSE, row] = CLAUSE_PLACES
            return
    reason = ELIGIBLE
    if has(rules, R_AUDIENCE_ANY_BEGIN, p) or has(rules, R_AUDIENCE_NOT_BEGIN, p):
        reason = audience(rules, q, p, notes)
    if reason:
        table[T_REASON, row], table[T_CLAUSE, row] = reason, CLAUSE_AUDIENCE
        return
    reason = choose_code(rules, q, table, row) if its(rules, R_CODES, p) >= 0 else ELIGIBLE
    if reason:
        table[T_REASON, row], table[T_CLAUSE, row] = reason, CLAUSE_CODE
        return
    if not (its(rules, R_CURRENCIES, p) >> scalar(q, Q_CURRENCY)) & 1:
        table[T_REASON, row] = CURRENCY


@gate
def judged(rules: Buffer, q: Buffer, table: Table) -> Ints:
    """All candidates, as far as no price bears on them; and what is noted of the request."""
    notes = notes_of(rules, q)
    judge(rules, q, table, notes)
    return notes


@bare
def fetch_conditions(rules: Buffer, q: Buffer, table: Table) -> None:
    """Have brought near what candidates point at: windows, amounts, roles, and the conditions of `when`."""
    for row in range(table.shape[1]):
        p = table[T_PROMOTION, row]
        fetch(rules, rules[2 * R_WINDOWS] + 2 * its(rules, R_WINDOW, p))
        fetch(rules, rules[2 * R_LINES] + its(rules, R_LINE_BEGIN, p))
        fetch(rules, rules[2 * R_ROLES] + 4 * its(rules, R_ROLE_BEGIN, p))
        fetch(rules, rules[2 * R_AMOUNTS] + its(rules, R_AMOUNT, p) * scalar(q, Q_CURRENCIES))
    for row in range(table.shape[1]):
        p = table[T_PROMOTION, row]
        if has(rules, R_LINE_BEGIN, p):
            fetch(rules, rules[2 * R_CODE] + 5 * at(rules, R_LINES, its(rules, R_LINE_BEGIN, p)))


@bare_gate
def judge(rules: Buffer, q: Buffer, table: Table, notes: Ints) -> None:
    """Judge all candidates as far as no price bears on them."""
    fetch_conditions(rules, q, table)
    judge_places(rules, q, notes)
    for row in range(table.shape[1]):
        eligible(rules, q, table, row, notes)


@bare
def asks_nothing(rules: Buffer, p: int) -> bool:
    """Whether a promotion that is eligible is admitted whatever the basket holds."""
    return (
        its(rules, R_LINE_BEGIN, p) == its(rules, R_LINE_BEGIN, p + 1)
        and its(rules, R_LIMIT_BEGIN, p) == its(rules, R_LIMIT_BEGIN, p + 1)
        and its(rules, R_TERMS_BY, p) == _ONE
        and its(rules, R_KIND, p) != _CASHIER
    )


@bare_gate
def admit(rules: Buffer, q: Buffer, table: Table, row: int, notes: Ints, left: Ints, original: int) -> None:
    """Judge conditions, the variant, limits and tiers, just before the group, at the prices left then."""
    p = table[T_PROMOTION, row]
    arm = at(q, Q_ARMS, its(rules, R_ARM, p)) if its(rules, R_TERMS_BY, p) == _DRAWN else p
    table[T_TERM, row] = arm if arm >= 0 else p
    first = its(rules, R_LINE_BEGIN, p)
    for line in range(first, its(rules, R_LINE_BEGIN, p + 1)):  # segments that conditions ask for
        for i in range(at(rules, R_LINES, line), at(rules, R_LINES, line + 1)):
            if cell(rules, R_CODE, 5, i, 0) == _SEGMENT:
                judge_segment(rules, q, cell(rules, R_CODE, 5, i, 1), notes, False)
    term = table[T_TERM, row]
    truth, line = every(rules, q, first, its(rules, R_LINE_BEGIN, p + 1), notes, False, left, term, original)
    if truth != _TRUE:
        table[T_REASON, row] = CONDITION if truth == _FALSE else UNKNOWN_FACT
        table[T_CLAUSE, row] = CLAUSE_WHEN + line - first
        if truth == _FALSE:
            note_missing(rules, q, table, row, line, notes)
        return
    if arm < 0:
        table[T_REASON, row] = CONTROL_GROUP if arm == NO_REWARD else UNKNOWN_FACT
        table[T_CLAUSE, row] = CLAUSE_GET
        return
    if its(rules, R_KIND, term) == _CASHIER and not takes_any_entry(rules, q, term):
        table[T_REASON, row] = CONDITION
        table[T_CLAUSE, row] = CLAUSE_REASONS
        return
    for limit in range(its(rules, R_LIMIT_BEGIN, p), its(rules, R_LIMIT_BEGIN, p + 1)):
        counted, count, amount_row, scope = (
            cell(rules, R_LIMITS, 4, limit, 0),
            cell(rules, R_LIMITS, 4, limit, 1),
            cell(rules, R_LIMITS, 4, limit, 2),
            cell(rules, R_LIMITS, 4, limit, 3),
        )
        if scope == _CODE:
            continue
        reason = ELIGIBLE
        if (
            (scope == _CUSTOMER and not scalar(q, Q_CUSTOMER_KNOWN))
            or (scope == _HOUSEHOLD and not scalar(q, Q_HOUSEHOLD_KNOWN))
            or (scope == _STORE and not scalar(q, Q_STORE_NAMED))
        ):
            reason = UNKNOWN_FACT
        else:
            before = 0 if scope == _BASKET else used(q, limit, -1)
            rest = (amount_of(rules, q, amount_row) if counted == _SAVING else count) - before
            if rest <= 0:
                reason = BUDGET if scope == _TOTAL or scope == _STORE else LIMIT
            elif counted == _USES:
                table[T_APPLICATIONS, row] = lower_bound(table[T_APPLICATIONS, row], rest)
            elif counted == _SAVING and (scope == _TOTAL or scope == _STORE):
                table[T_BUDGET, row] = lower_bound(table[T_BUDGET, row], rest)
            elif counted == _SAVING:
                table[T_CAP, row] = lower_bound(table[T_CAP, row], rest)
        if reason:
            table[T_REASON, row] = reason
            table[T_CLAUSE, row] = CLAUSE_LIMIT + limit - its(rules, R_LIMIT_BEGIN, p)
            return
    reach_tier(rules, q, table, row, left, original)


# ---------------------------------------------------------------------------------------------------- tiers


@bare
def in_tiers(rules: Buffer, row: int) -> bool:
    """Whether a reward row is the first of a promotion with tiers."""
    if row >= size(rules, R_GROUP):
        return False
    by = its(rules, R_TERMS_BY, row)
    return by != _ONE and by != _DRAWN


@gate
def towards_tiers(rules: Buffer, q: Buffer, p: int, left: Ints, original: int) -> Ints:
    """What each unit adds to what the tiers of a promotion look at."""
    by, of, last = its(rules, R_TERMS_BY, p), its(rules, R_TARGET, p), its(rules, R_TERMS_OF, p)
    if by == _BY_WORTH:
        if last == 0:
            last = 1 if original else 2
        return quantities(rules, q, left, p, _WORTH, of, last)
    return quantities(rules, q, left, p, _COUNT if by == _BY_COUNT else _MEASURE, of, last)


@bare
def tier_at(rules: Buffer, q: Buffer, p: int, reached: int) -> int:
    """The reward row of the last tier that so much reaches; -1: it reaches none."""
    found = -1
    for i in range(its(rules, R_TERM_BEGIN, p), its(rules, R_TERM_BEGIN, p + 1)):
        if reached >= tier_begins(rules, q, p, i):
            found = cell(rules, R_TERMS, 3, i, 0)
    return found


@bare
def tier_begins(rules: Buffer, q: Buffer, p: int, i: int) -> int:
    """Where a tier begins, in minor units, units, or the smallest thousandths of its dimension."""
    if its(rules, R_TERMS_BY, p) == _BY_WORTH:
        return amount_of(rules, q, cell(rules, R_TERMS, 3, i, 2))
    return cell(rules, R_TERMS, 3, i, 1)


@gate
def reach_tier(rules: Buffer, q: Buffer, table: Table, row: int, left: Ints, original: int) -> None:
    """Which tier the basket reaches, and what is missing to the next; where it reaches none, to the first.

    Of tiers that are read apart for each article the article that has most tells."""
    p = table[T_PROMOTION, row]
    if not in_tiers(rules, p):
        return
    by = its(rules, R_TERMS_BY, p)
    found = towards_tiers(rules, q, p, left, original)
    reached = by_article(q, found).max() if its(rules, R_EACH, p) & _BY_ARTICLE else found.sum()
    tier = tier_at(rules, q, p, reached)
    unit = its(rules, R_TERMS_OF, p) if by == _BY_MEASURE else -1
    factor = _FACTOR_OF[unit] if by == _BY_MEASURE else 1
    following, end = its(rules, R_TERM_BEGIN, p), its(rules, R_TERM_BEGIN, p + 1)
    for i in range(following, end):
        if cell(rules, R_TERMS, 3, i, 0) == tier:
            following = i + 1
    gap = (tier_begins(rules, q, p, following) - reached + factor - 1) // factor if following < end else 0
    if tier >= 0:
        benefit = at(rules, R_GIVES, its(rules, R_GROUP, p))  # is given once, whatever is read apart
        table[T_TERM, row] = p if its(rules, R_EACH, p) and not benefit else tier
        table[T_TIER, row], table[T_FURTHER, row] = following - its(rules, R_TERM_BEGIN, p), gap
        return
    table[T_REASON, row] = CONDITION if by == _BY_WORTH else QUANTITY
    table[T_CLAUSE, row] = CLAUSE_GET
    table[T_MISSING_KIND, row] = (
        MISSING_AMOUNT if by == _BY_WORTH else MISSING_PIECES if by == _BY_COUNT else MISSING_MEASURE
    )
    table[T_MISSING, row] = gap
    table[T_MISSING_SET, row] = its(rules, R_TARGET, p)
    table[T_MISSING_UNIT, row] = unit


@bare
def note_missing(rules: Buffer, q: Buffer, table: Table, row: int, line: int, notes: Ints) -> None:
    """Where the failing line is itself a lower bound on worth, units or measure: what is missing to it."""
    first = at(rules, R_LINES, line)
    op, of, b, d = (
        cell(rules, R_CODE, 5, first, 0),
        cell(rules, R_CODE, 5, first, 1),
        cell(rules, R_CODE, 5, first, 2),
        cell(rules, R_CODE, 5, first, 4),
    )
    if at(rules, R_LINES, line + 1) - first != 1 or op < _WORTH or b < 0:
        return
    low = amount_of(rules, q, b) if op == _WORTH else b
    gap = low - notes[N_TOTAL]  # the line failed just now
    if gap > 0:
        table[T_MISSING_KIND, row] = MISSING_AMOUNT if op == _WORTH else MISSING_MEASURE
        if op == _COUNT:
            table[T_MISSING_KIND, row] = MISSING_ARTICLES if d == 2 else MISSING_PIECES
        factor = _FACTOR_OF[d] if op == _MEASURE else 1
        table[T_MISSING, row] = (gap + factor - 1) // factor
        table[T_MISSING_SET, row] = of
        table[T_MISSING_UNIT, row] = d if op == _MEASURE else -1
