"""Where things lie: the flat buffers that kernels read, one int64 array each.

An array argument costs its unpacking at every call, and a tuple of sixty costs the compiler minutes: so a ruleset's
arrays stand one after the other in one buffer, and a request's in another. A buffer begins with a directory of two
entries a field, where it begins and how long it is; fields with several columns are stored row by row. `at`, `cell`,
`size` and `view` read them.

What each promotion and each reward has of its own is the exception: a basket looks at eighty promotions of ten
thousand, and at many fields of each. So these fields stand together, a row for each promotion or reward: `its` reads
them, and nothing else does (docs/decisions/flat-buffers.md).

Fields named `x_begin` have one entry more than their owners: owner i's rows of x are x_begin[i] to x_begin[i + 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.kernel import Buffer, Ints, bare, fetch, kernel

# ---------------------------------------------------------------------------------------------------- a ruleset
# Promotions are numbered by name. name, columns (0: one for each currency), meaning

RULES: tuple[tuple[str, int, str], ...] = (
    # promotions
    ("group", 1, "in sequence"),
    ("rank", 1, "in the declared order of its group"),
    ("window", 1, "row of windows; with window_by_zone the row of zone 0"),
    ("window_by_zone", 1, "1: store-time, a window for each zone"),
    ("zone", 1, "of the clock of only-on; -1 = the store's"),
    ("channels", 1, "bit mask"),
    ("codes", 1, "code set; -1"),
    ("currencies", 1, "bit mask: every amount is said in these"),
    ("exclusive", 1, "1: alone among price promotions; in a per-item group: settled first, its units are its own"),
    ("terms_by", 1, "Terms"),
    ("terms_of", 1, "tiers: basis of the worth, or the unit; variants: Subject"),
    ("arm", 1, "of variants: row of arms; -1"),
    # rewards: row p is the first of promotion p; behind the promotions follow those of further tiers and variants
    ("kind", 1, "Kind"),
    ("target_kind", 1, "Target"),
    ("target", 1, "product set (behind these: the articles of a price list), service, or code set; -1"),
    ("buy", 1, "units that an application buys, over all roles; 0 = no buy"),
    ("percent", 1, "basis points"),
    ("amount", 1, "amount row; -1"),
    ("pick_count", 1, "k of the cheapest or dearest k of each run"),
    ("pick_dearest", 1, "1: the dearest, 0: the cheapest"),
    ("dimension", 1, "of a price per measure: position in DIMENSIONS"),
    ("per", 1, "thousandths of the dimension's smallest unit that the amount is for: see discounts.measured"),
    ("each", 1, "bits of Each"),
    ("number", 1, "points; hundredths of «times points»; gifts; of a price list: which row of promises"),
    ("per_article", 1, "units of each article that are rewarded at most; 0: any number"),
    ("choice", 1, "product set that gifts are chosen from; -1"),
    ("valid", 1, "of a next code: how long it is valid"),
    ("valid_in", 1, "in which unit: position in calendar.UNITS"),
    # promotions
    ("slot_begin", 1, "days and hours; none: always"),
    ("place_any_begin", 1, "places, any of which must hold; none: everywhere"),
    ("place_not_begin", 1, "places, none of which may hold"),
    ("audience_any_begin", 1, "segments, likewise; none: everyone"),
    ("audience_not_begin", 1, "segments, likewise"),
    ("line_begin", 1, "conditions of `when`: rows of lines"),
    ("limit_begin", 1, "limits, in the order written"),
    ("term_begin", 1, "tiers or variants, in the order written"),
    ("conflict_begin", 1, "promotions of the same kind that never apply with it"),
    # rewards
    ("role_begin", 1, "what a buy asks for; none: no buy"),
    ("ladder_begin", 1, "steps by position in the run"),
    ("except_begin", 1, "product sets that are left out"),
    ("reason_begin", 1, "reasons that a cashier may give"),
    # what the above point at
    ("slots", 4, "rows (days, those of them on holidays, start, until)"),
    ("place_any", 1, "places"),
    ("place_not", 1, "places"),
    ("audience_any", 1, "segments"),
    ("audience_not", 1, "segments"),
    ("roles", 4, "rows (product set or -1, units of an application, bits of Role, 1: rewarded, not bought), that last"),
    ("by_measure", 3, "by role: rows (thousandths of the dimension's smallest unit, 0: none; dimension, row of UNITS)"),
    ("ladder", 3, "rows (position, basis points, amount row)"),
    ("excepted", 1, "product sets"),
    ("reasons", 1, "symbols"),
    ("limits", 4, "rows (Counted, count, amount row, Scope)"),
    ("terms", 3, "rows (reward row, quantity, amount row) of tiers, (reward row or -1, basis points, -1) of variants"),
    ("conflicts", 1, "promotions, ascending; those of one hold it as well"),
    ("windows", 2, "rows (from, until) in microseconds, half-open"),
    ("holidays", 2, "rows (day, symbol of a region; -1 = everywhere), ascending"),
    ("zone_begin", 1, "by zone: transitions"),
    ("transitions", 2, "rows (second, offset)"),
    ("amounts", 0, "rows by currency; -1 = not said"),
    # conditions
    ("lines", 1, "lines[i] to lines[i+1]: rows of code"),
    ("code", 5, "rows (op, a, b, c, d)"),
    ("pool", 1, "ascending lists of symbols or numbers that conditions compare with"),
    ("segment_begin", 1, "rows of lines"),
    ("place_begin", 1, "rows of lines"),
    ("place_order", 1, "places, those first that others ask for"),
    ("needed_begin", 1, "segments to be judged for a segment, itself last"),
    ("needed", 1, "segments"),
    # groups, in sequence
    ("gives", 1, "0 discounts, 1 benefits"),
    ("apply", 1, "Apply"),
    ("at_most", 1, "N of «at most N»; else 0"),
    ("original", 1, "1: list prices"),
    # what touches
    ("touch_begin", 1, "by product set: promotions"),
    ("touch", 1, "promotions"),
    ("everywhere", 1, "promotions of the basket or a service"),
    ("by_entry", 1, "reward rows of what a cashier enters"),
    ("entry_owner", 1, "their promotions"),
    ("code_uses", 1, "by code set; -1 = without limit"),
    ("code_exact", 1, "by code set; 1: blanks and small letters are not forgiven"),
)
(
    R_GROUP,
    R_RANK,
    R_WINDOW,
    R_WINDOW_BY_ZONE,
    R_ZONE,
    R_CHANNELS,
    R_CODES,
    R_CURRENCIES,
    R_EXCLUSIVE,
    R_TERMS_BY,
    R_TERMS_OF,
    R_ARM,
    R_KIND,
    R_TARGET_KIND,
    R_TARGET,
    R_BUY,
    R_PERCENT,
    R_AMOUNT,
    R_PICK_COUNT,
    R_PICK_DEAREST,
    R_DIMENSION,
    R_PER,
    R_EACH,
    R_NUMBER,
    R_PER_ARTICLE,
    R_CHOICE,
    R_VALID,
    R_VALID_IN,
    R_SLOT_BEGIN,
    R_PLACE_ANY_BEGIN,
    R_PLACE_NOT_BEGIN,
    R_AUDIENCE_ANY_BEGIN,
    R_AUDIENCE_NOT_BEGIN,
    R_LINE_BEGIN,
    R_LIMIT_BEGIN,
    R_TERM_BEGIN,
    R_CONFLICT_BEGIN,
    R_ROLE_BEGIN,
    R_LADDER_BEGIN,
    R_EXCEPT_BEGIN,
    R_REASON_BEGIN,
    R_SLOTS,
    R_PLACE_ANY,
    R_PLACE_NOT,
    R_AUDIENCE_ANY,
    R_AUDIENCE_NOT,
    R_ROLES,
    R_BY_MEASURE,
    R_LADDER,
    R_EXCEPTED,
    R_REASONS,
    R_LIMITS,
    R_TERMS,
    R_CONFLICTS,
    R_WINDOWS,
    R_HOLIDAYS,
    R_ZONE_BEGIN,
    R_TRANSITIONS,
    R_AMOUNTS,
    R_LINES,
    R_CODE,
    R_POOL,
    R_SEGMENT_BEGIN,
    R_PLACE_BEGIN,
    R_PLACE_ORDER,
    R_NEEDED_BEGIN,
    R_NEEDED,
    R_GIVES,
    R_APPLY,
    R_AT_MOST,
    R_ORIGINAL,
    R_TOUCH_BEGIN,
    R_TOUCH,
    R_EVERYWHERE,
    R_BY_ENTRY,
    R_ENTRY_OWNER,
    R_CODE_USES,
    R_CODE_EXACT,
) = range(len(RULES))

# The fields that stand together in rows: one table of numbers, and one of begins, of which each row needs the next.
TOGETHER: tuple[range, ...] = (range(R_SLOT_BEGIN), range(R_SLOT_BEGIN, R_SLOTS))
_NUMBERS, _BEGINS = (len(fields) for fields in TOGETHER)
LINE_CELLS = 8  # of a line of memory

# ---------------------------------------------------------------------------------------------------- a request
# Lines are numbered by id, articles by id, codes by their bytes; units in the static part of order U: list amount
# descending, article, measure descending, line, position.

SCALARS: tuple[tuple[str, str], ...] = (
    ("at_us", "instant that rules are judged at, microseconds"),
    ("channel", "position in the schema's channels"),
    ("zone", "of the store, else the settings'"),
    ("region", "symbol of the store's region, or NOWHERE; REGION_UNKNOWN"),
    ("store_named", "1: the request names a store"),
    ("customer_known", "1: it names a customer"),
    ("household_known", "1: it names a household"),
    ("currencies", "of the ruleset"),
    ("currency", "position in the settings' currencies"),
    ("micros_per_minor", "of that currency"),
    ("rounding", "position in money.ROUNDINGS"),
    ("fine", "parts of a minor unit that savings of pieces are compared in; 1: each is rounded first"),
    ("tax_inside", "1: prices and fees include the tax"),
    ("points", "base points"),
    ("points_per", "minor units that they are for; 0 = none are given"),
)
(
    Q_AT_US,
    Q_CHANNEL,
    Q_ZONE,
    Q_REGION,
    Q_STORE_NAMED,
    Q_CUSTOMER_KNOWN,
    Q_HOUSEHOLD_KNOWN,
    Q_CURRENCIES,
    Q_CURRENCY,
    Q_MICROS_PER_MINOR,
    Q_ROUNDING,
    Q_FINE,
    Q_TAX_INSIDE,
    Q_POINTS,
    Q_POINTS_PER,
) = range(len(SCALARS))

NO_REWARD, NOBODY = -1, -2  # of variants: the control group; there is no subject
# Where a price list has no price for any unit: what is missing to the first, as (match.MISSING_…, how much, unit); or
NO_ARTICLE, NO_PRICE = 0, -1  # none of its articles is there; there are some, and no quantity would bring a price
REGION_UNKNOWN, NOWHERE = -1, -2  # a region that the rules do not name is none of those that have holidays

QUESTION: tuple[tuple[str, int, str], ...] = (
    ("scalars", 1, "see SCALARS"),
    ("value", 1, "facts by slot: numbers, symbols, truths"),
    ("known", 1, "facts by slot: 1 known, 0 not"),
    ("set_begin", 1, "by line: product sets"),
    ("sets", 1, "product sets, and behind these price lists, ascending for each line"),
    ("line_article", 1, "article"),
    ("line_marks", 1, "bits of Mark"),
    ("line_rate", 1, "of the tax, basis points"),
    ("unit_line", 1, "line"),
    ("unit_article", 1, "article"),
    ("unit_list", 1, "list amount, minor units"),
    ("unit_measure", 1, "thousandths of the line's unit; 0 = a piece"),
    ("unit_dimension", 1, "position in DIMENSIONS; 0 = a piece"),
    ("unit_factor", 1, "thousandths of the dimension's smallest unit in one thousandth of the line's unit"),
    ("unit_price", 1, "micros per piece or unit of measure"),
    ("unit_floor", 1, "what no promotion may price it below, minor units; 0 = nothing"),
    ("unit_entry", 1, "row of entries: that of its line, else that of the basket; -1"),
    ("code_begin", 1, "by code: code sets"),
    ("code_sets", 1, "code sets that have the code"),
    ("usage", 3, "rows (limit row, or -1 for the code itself; code or -1; used)"),
    ("chosen", 2, "rows (line, reward row): its pieces may be gifts of that reward"),
    ("entries", 4, "rows (Entered, basis points or minor units, symbol of the reason, 1: of the basket)"),
    ("fees", 1, "by service of the schema (of the request, where it lists none); -1 = none"),
    ("fee_rate", 1, "of the tax on them, basis points; -1 = none is known"),
    ("arms", 1, "by promotion with variants: reward row, or see NO_REWARD"),
    ("promises", 4, "by reward of a price list: rows (where its units begin in promise, or -1), and see NO_PRICE"),
    ("promise", 1, "by unit: what it costs by a price list, minor units; -1 = the list has no price for it"),
)
(
    Q_SCALARS,
    Q_VALUE,
    Q_KNOWN,
    Q_SET_BEGIN,
    Q_SETS,
    Q_LINE_ARTICLE,
    Q_LINE_MARKS,
    Q_LINE_RATE,
    Q_UNIT_LINE,
    Q_UNIT_ARTICLE,
    Q_UNIT_LIST,
    Q_UNIT_MEASURE,
    Q_UNIT_DIMENSION,
    Q_UNIT_FACTOR,
    Q_UNIT_PRICE,
    Q_UNIT_FLOOR,
    Q_UNIT_ENTRY,
    Q_CODE_BEGIN,
    Q_CODE_SETS,
    Q_USAGE,
    Q_CHOSEN,
    Q_ENTRIES,
    Q_FEES,
    Q_FEE_RATE,
    Q_ARMS,
    Q_PROMISES,
    Q_PROMISE,
) = range(len(QUESTION))

# ---------------------------------------------------------------------------------------------------- candidates
# A table by field and row; one row for each promotion that is judged, ascending.

TABLE: tuple[tuple[str, str], ...] = (
    ("promotion", "its number"),
    ("term", "reward row: of the promotion, or of its tier or variant that holds"),
    ("reason", "Reason; 0 = still eligible"),
    ("clause", "the line that failed: match.CLAUSE_…"),
    ("missing_kind", "match.MISSING_…"),
    ("missing", "pieces, minor units, thousandths of the unit"),
    ("missing_set", "product set; -1 = the basket"),
    ("missing_unit", "row of instructions.UNITS; -1"),
    ("tier", "that is reached, counted from 1; 0 = none"),
    ("further", "what is missing to the next tier, counted as `missing` is; 0 = nothing"),
    ("code", "the code it uses; -1"),
    ("cap", "of the saving; -1 = none"),
    ("applications", "at most; -1 = without limit. Afterwards: how many there are"),
    ("budget", "the saving may not exceed it; -1 = none"),
    ("alone", "what it would save alone"),
    ("saving", "minor units"),
    ("beaten_by", "candidate row; -1"),
)
(
    T_PROMOTION,
    T_TERM,
    T_REASON,
    T_CLAUSE,
    T_MISSING_KIND,
    T_MISSING,
    T_MISSING_SET,
    T_MISSING_UNIT,
    T_TIER,
    T_FURTHER,
    T_CODE,
    T_CAP,
    T_APPLICATIONS,
    T_BUDGET,
    T_ALONE,
    T_SAVING,
    T_BEATEN_BY,
) = range(len(TABLE))


# ---------------------------------------------------------------------------------------------------- reading


@bare
def at(buffer: Buffer, field: int, i: int) -> int:
    """Entry i of a field."""
    return buffer[buffer[2 * field] + i]


@bare
def its(rules: Buffer, field: int, i: int) -> int:
    """What promotion or reward i has in a field of a ruleset that stands together with others. `field`: a constant."""
    if field < R_SLOT_BEGIN:
        return rules[rules[2 * R_GROUP] + i * _NUMBERS + field]
    return rules[rules[2 * R_SLOT_BEGIN] + i * _BEGINS + field - R_SLOT_BEGIN]


@bare
def fetch_its(rules: Buffer, i: int) -> None:
    """Have what promotion or reward i has brought near."""
    numbers, begins = rules[2 * R_GROUP] + i * _NUMBERS, rules[2 * R_SLOT_BEGIN] + i * _BEGINS
    for line in range(0, _NUMBERS, LINE_CELLS):
        fetch(rules, numbers + line)
    for line in range(0, 2 * _BEGINS, LINE_CELLS):
        fetch(rules, begins + line)


@bare
def has(rules: Buffer, field: int, i: int) -> bool:
    """Whether promotion or reward i has any rows of x. `field`: x_begin, a constant."""
    return its(rules, field, i) < its(rules, field, i + 1)


@bare
def cell(buffer: Buffer, field: int, columns: int, row: int, column: int) -> int:
    """An entry of a field with several columns."""
    return buffer[buffer[2 * field] + row * columns + column]


@bare
def scalar(question: Buffer, i: int) -> int:
    """One of SCALARS of a request."""
    return question[question[2 * Q_SCALARS] + i]


@bare
def amount_of(rules: Buffer, question: Buffer, row: int) -> int:
    """An amount in the request's currency; -1 where it is not said."""
    return at(rules, R_AMOUNTS, row * scalar(question, Q_CURRENCIES) + scalar(question, Q_CURRENCY))


@bare
def size(buffer: Buffer, field: int) -> int:
    """How many entries a field has, over all columns."""
    return buffer[2 * field + 1]


@kernel
def view(buffer: Buffer, field: int) -> Buffer:
    """A field as an array."""
    return buffer[buffer[2 * field] : buffer[2 * field] + buffer[2 * field + 1]]


def pack(
    fields: tuple[tuple[str, int, str], ...],
    arrays: Mapping[str, npt.NDArray[Any]],
    together: tuple[range, ...] = (),
) -> Ints:
    """The buffer of these arrays. `together`: fields that stand in rows, before all others; behind those that are
    shorter are zeros."""
    flat = [np.ascontiguousarray(arrays[name], dtype=np.int64).ravel() for name, _, _ in fields]
    directory = np.empty((len(fields), 2), np.int64)
    directory[:, 1] = [a.shape[0] for a in flat]
    position = 2 * len(fields)
    pieces = [directory.ravel()]
    for some in together:
        rows = np.zeros((max(flat[i].shape[0] for i in some), len(some)), np.int64)
        for column, i in enumerate(some):
            rows[: flat[i].shape[0], column] = flat[i]
            directory[i, 0] = position + column
        pieces.append(rows.ravel())
        position += rows.size
    for i in range(sum(map(len, together)), len(fields)):
        directory[i, 0] = position
        pieces.append(flat[i])
        position += flat[i].shape[0]
    return np.concatenate(pieces)


def unpack(
    fields: tuple[tuple[str, int, str], ...], buffer: Ints, currencies: int, together: tuple[range, ...] = ()
) -> dict[str, Ints]:
    """The arrays of a buffer, as views. Raises ValueError where its directory does not describe it."""
    position = 2 * len(fields)
    if buffer.ndim != 1 or buffer.shape[0] < position:
        raise ValueError("the buffer is shorter than its directory")
    names = [name for name, _, _ in fields]
    begins, lengths = buffer[:position].reshape(-1, 2).T.tolist()
    arrays: dict[str, Ints] = {}
    for some in together:
        count = max(lengths[i] for i in some)
        end = position + count * len(some)
        if min(lengths[i] for i in some) < 0 or end > buffer.shape[0]:
            raise ValueError(f"{names[some[0]]} lies outside the buffer")
        rows = buffer[position:end].reshape(count, len(some))
        for column, i in enumerate(some):
            if begins[i] != position + column or rows[lengths[i] :, column].any():
                raise ValueError(f"{names[i]} does not stand where it should")
            arrays[names[i]] = rows[: lengths[i], column]
        position = end
    for i in range(len(arrays), len(fields)):
        name, columns, _ = fields[i]
        if begins[i] != position or not 0 <= lengths[i] <= buffer.shape[0] - position:
            raise ValueError(f"{name} lies outside the buffer")
        array = buffer[position : position + lengths[i]]
        position += lengths[i]
        arrays[name] = array if columns == 1 else array.reshape(-1, columns or currencies)
    if position != buffer.shape[0]:
        raise ValueError("the buffer is longer than its fields")
    return arrays
