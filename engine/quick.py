"""The ordinary request: asked tables (engine/asked.py) → the columns that kernels read, in one compiled call.

What a till sends at every scan is known through and through: articles of the catalogue, pieces or measures, a store, a
channel, perhaps a customer with a few facts. `columns` writes for it the very buffer that engine/resolve.py writes.
Whatever else is asked, or is out of bounds, it does not judge: it says a reason, and engine/resolve.py is asked, which
resolves or refuses. A test holds the two against each other.
"""

from __future__ import annotations

import numpy as np

from engine.arithmetic import divide
from engine.asked import (
    A_ATTRIBUTES,
    A_CODES,
    A_CONSENTS,
    A_ENTRIES,
    A_FEES,
    A_LINES,
    A_PAYMENTS,
    A_SCALARS,
    A_USAGE,
    A_VARIANTS,
    ATTRIBUTE_COLUMNS,
    ATTRIBUTE_KIND,
    ATTRIBUTE_NAME,
    ATTRIBUTE_NUMBER,
    ATTRIBUTE_OWNER,
    ATTRIBUTE_TEXT,
    ATTRIBUTE_TEXT_LENGTH,
    CONSENT_COLUMNS,
    CONSENT_GRANTED,
    CONSENT_NAME,
    FEE_AMOUNT,
    FEE_COLUMNS,
    FEE_RATE,
    FEE_SERVICE,
    LINE_ARTICLE,
    LINE_ATTRIBUTES,
    LINE_ATTRIBUTES_END,
    LINE_COLUMNS,
    LINE_GIFT_OF,
    LINE_ID,
    LINE_MEASURE,
    LINE_PRICE,
    LINE_PRICE_IN,
    LINE_QUANTITY,
    LINE_RATE,
    LINE_UNIT,
    NO_PRICE,
    OF_CUSTOMER,
    PAYMENT_AMOUNT,
    PAYMENT_COLUMNS,
    PAYMENT_MEANS,
    PRICE_MINOR,
    SAID_AT_US,
    SAID_BASKET_ID,
    SAID_CHANNEL,
    SAID_CONSENTS_KNOWN,
    SAID_CURRENCY,
    SAID_CUSTOMER,
    SAID_CUSTOMER_ID,
    SAID_DELIVERY_SERVICE,
    SAID_FACTS_AS_OF_US,
    SAID_FACTS_KNOWN,
    SAID_HISTORY,
    SAID_HOUSEHOLD,
    SAID_NEXT_STEPS,
    SAID_REQUEST_ID,
    SAID_STORE,
)
from engine.basket import (
    AT_MAX_US,
    BASIS_POINTS,
    FINE_TOTAL_MAX,
    MEASURE_MAX,
    PIECE_MICROS_MAX,
    PRICE_MICROS_MAX,
    TOTAL_MINOR_MAX,
)
from engine.calendar import DAY_S
from engine.dates import NO_DAY, days_before, read_day
from engine.index import HEAD, PLACE_MASK, find, slot_of
from engine.instructions import UNITS
from engine.kernel import Buffer, Bytes, Ints, bare, bare_gate, fetch
from engine.known import (
    BLOB_CHANNELS,
    BLOB_CONSENTS,
    BLOB_CURRENCIES,
    BLOB_NAMES,
    BLOB_PAYMENTS,
    BLOB_SERVICES,
    BLOB_STORES,
    CURRENCY_MICROS,
    CURRENCY_POINTS,
    CURRENCY_POINTS_PER,
    FACT_COLUMNS,
    FACT_COUNT,
    FACT_FOR,
    FACT_NAME,
    FACT_TYPE,
    FACT_UNIT,
    FOR_CONSENT,
    FOR_CUSTOMER,
    FOR_CUSTOMER_ID,
    FOR_DELIVERY,
    FOR_LINES,
    FOR_PAYMENT,
    FOR_STORE,
    FOR_STORE_ID,
    K_BLOBS,
    K_CHANNELS,
    K_CONSENTS,
    K_CURRENCIES,
    K_CURRENCY_NAMES,
    K_FACTS,
    K_HELD,
    K_NAMES,
    K_PAYMENTS,
    K_PRICES,
    K_PROMISES,
    K_RATES,
    K_SCALARS,
    K_SERVICES,
    K_STORE_FACTS,
    K_STORE_ROWS,
    K_STORES,
    K_SUBJECTS,
    K_TRANSITIONS,
    K_TYPES,
    KNOWN_FINE,
    KNOWN_ROUNDING,
    KNOWN_SHY,
    KNOWN_TAX_INSIDE,
    STORE_COLUMNS,
    STORE_REGION,
    STORE_ZONE,
    TYPE_DATE,
    TYPE_NUMBER,
    TYPE_OLDER,
    TYPE_PERCENT,
    TYPE_TEXT,
    TYPE_YES_NO,
    TYPE_YOUNGER,
    Known,
)
from engine.layout import (
    NOBODY,
    Q_ARMS,
    Q_AT_US,
    Q_CHANNEL,
    Q_CHOSEN,
    Q_CODE_BEGIN,
    Q_CODE_SETS,
    Q_CURRENCIES,
    Q_CURRENCY,
    Q_CUSTOMER_KNOWN,
    Q_ENTRIES,
    Q_FEE_RATE,
    Q_FEES,
    Q_FINE,
    Q_HOUSEHOLD_KNOWN,
    Q_KNOWN,
    Q_LINE_ARTICLE,
    Q_LINE_MARKS,
    Q_LINE_RATE,
    Q_MICROS_PER_MINOR,
    Q_POINTS,
    Q_POINTS_PER,
    Q_PROMISE,
    Q_PROMISES,
    Q_REGION,
    Q_ROUNDING,
    Q_SCALARS,
    Q_SET_BEGIN,
    Q_SETS,
    Q_STORE_NAMED,
    Q_TAX_INSIDE,
    Q_UNIT_ARTICLE,
    Q_UNIT_ENTRY,
    Q_UNIT_FLOOR,
    Q_UNIT_LINE,
    Q_USAGE,
    Q_VALUE,
    Q_ZONE,
    QUESTION,
    SCALARS,
    at,
    cell,
    size,
    view,
)
from engine.order import sort

RESOLVED = 0
SCOPE = 1  # something is asked that is not resolved here
BOUNDS = 2  # something is too long, too large, or not there
NAME = 3  # a name that the ruleset does not know
ARTICLE = 4  # an article that the catalogue does not know, or not as it is sold
PRICE = 5  # no price, or none in whole minor units
FACT = 6  # a fact of the customer that is not read here
ROOM = 7  # more units or sets than there is room for
REASONS = ("resolved", "out of scope", "bounds", "name", "article", "price", "fact", "room")

ID_BYTES_MAX = 64
TEXT_BYTES_MAX = 256
NUMBER_MAX = 10**15
PERCENT_MAX = 1_000_000
PRICE_MAX = 10**12  # that a request may say, in minor units or micros
KIND_TEXT, KIND_NUMBER, KIND_YES_NO, KIND_DATE, KIND_PERCENT = 1, 2, 3, 4, 6  # of the contract's ValueKind
UNITS_MAX = 4_096
SETS_MAX = 65_536
FACTS_MAX = 4_096

_DIMENSION_OF = tuple(dimension for _, dimension, _ in UNITS)  # in the order of the contract's MeasureUnit
_FACTOR_OF = tuple(factor for _, _, factor in UNITS)
_FIELDS = len(QUESTION)
_SCALARS = len(SCALARS)
LINES_MAX = 1_000
LINE_BITS = 10  # of the number of a line or an article
assert LINES_MAX <= 1 << LINE_BITS
assert TOTAL_MINOR_MAX < 1 << 63 - 2 * LINE_BITS
REST_MAX = 65_536  # numbers of services, variants and promises
SIZE = 2 * _FIELDS + _SCALARS + 2 * FACTS_MAX + 5 * LINES_MAX + SETS_MAX + 10 * UNITS_MAX + REST_MAX

# Columns of the lines while they are resolved.
L_ORDER, L_ROW, L_NUMBER, L_PRICE, L_LIST, L_SORT, L_SPARE, L_KEY = range(8)
L_COLUMNS = 8


def room() -> tuple[Ints, Ints]:
    """Where a request is resolved to, and what is noted of its lines on the way: made once, written anew."""
    return np.zeros(SIZE, np.int64), np.zeros(L_COLUMNS * LINES_MAX, np.int64)


@bare
def text_at(asked: Ints, column: int) -> tuple[int, int]:
    """A text among the scalars: where it begins, how long it is."""
    return cell(asked, A_SCALARS, 1, column, 0), cell(asked, A_SCALARS, 1, column + 1, 0)


@bare_gate
def named(known: Buffer, blob: Bytes, field: int, number: int, data: Bytes, begin: int, length: int) -> int:
    """The place of a text in one of the small indexes; -1: it is not there."""
    first, end = at(known, K_BLOBS, number), at(known, K_BLOBS, number + 1)
    return find(view(known, field), blob[first:end], data, begin, length)


@bare
def smaller(data: Bytes, a: int, a_length: int, b: int, b_length: int) -> int:
    """-1, 0 or 1: whether the first text comes before the second one, by bytes."""
    for i in range(min(a_length, b_length)):
        if data[a + i] != data[b + i]:
            return -1 if data[a + i] < data[b + i] else 1
    return -1 if a_length < b_length else (1 if a_length > b_length else 0)


@bare
def first_bytes(asked: Ints, data: Bytes, column: int, line: int) -> int:
    """The first seven bytes of a text as a number, so that most texts compare as numbers do."""
    begin = cell(asked, A_LINES, LINE_COLUMNS, line, column)
    length = min(7, cell(asked, A_LINES, LINE_COLUMNS, line, column + 1))
    key = 0
    for i in range(begin, begin + length):
        key = int(key << 8 | np.int64(data[i]))
    return key << 8 * (7 - length)


@bare
def goes_before(asked: Ints, data: Bytes, column: int, a: int, b: int) -> bool:
    """Whether a line's text is no larger than another's."""
    first, second = cell(asked, A_LINES, LINE_COLUMNS, a, column), cell(asked, A_LINES, LINE_COLUMNS, b, column)
    length = cell(asked, A_LINES, LINE_COLUMNS, a, column + 1)
    return smaller(data, first, length, second, cell(asked, A_LINES, LINE_COLUMNS, b, column + 1)) <= 0


@bare_gate
def by_text(asked: Ints, data: Bytes, column: int, order: Ints, spare: Ints, keys: Ints) -> None:
    """Lines in the order of one of their texts, by bytes; of equal ones the first stays first. The rest is room."""
    count = order.shape[0]
    ordered = True
    for i in range(count):
        order[i], keys[i] = i, first_bytes(asked, data, column, i)
        ordered = ordered and (i == 0 or keys[i - 1] < keys[i])
    if ordered:
        return
    width = 1
    while width < count:
        for low in range(0, count, 2 * width):
            middle, high = min(low + width, count), min(low + 2 * width, count)
            i, j = low, middle
            for place in range(low, high):
                left = i < middle
                if left and j < high:
                    a, b = order[i], order[j]
                    left = keys[a] < keys[b]
                    if keys[a] == keys[b]:
                        left = goes_before(asked, data, column, a, b)
                if left:
                    spare[place] = order[i]
                    i += 1
                else:
                    spare[place] = order[j]
                    j += 1
        for i in range(count):
            order[i] = spare[i]
        width *= 2


@bare
def out_of_scope(asked: Ints) -> bool:
    """Whether a request asks for something that is not resolved here."""
    others = size(asked, A_CODES) + size(asked, A_USAGE) + size(asked, A_VARIANTS) + size(asked, A_ENTRIES)
    if others or cell(asked, A_SCALARS, 1, SAID_NEXT_STEPS, 0) or size(asked, A_PAYMENTS) > PAYMENT_COLUMNS:
        return True
    for i in range(size(asked, A_ATTRIBUTES) // ATTRIBUTE_COLUMNS):
        if cell(asked, A_ATTRIBUTES, ATTRIBUTE_COLUMNS, i, ATTRIBUTE_OWNER) != OF_CUSTOMER:
            return True
    if cell(asked, A_SCALARS, 1, SAID_CUSTOMER, 0) == 0:
        return False
    identified = text_at(asked, SAID_CUSTOMER_ID)[1] > 0
    looked_up = cell(asked, A_SCALARS, 1, SAID_FACTS_KNOWN, 0) == 1
    dated = cell(asked, A_SCALARS, 1, SAID_FACTS_AS_OF_US, 0) or cell(asked, A_SCALARS, 1, SAID_HISTORY, 0)
    consents = size(asked, A_CONSENTS) and not cell(asked, A_SCALARS, 1, SAID_CONSENTS_KNOWN, 0)
    return not identified or not looked_up or dated > 0 or consents > 0


@bare
def bounded(asked: Ints, at_us: int) -> bool:
    """Whether texts are as long, and the instant is, as the contract allows."""
    if not 0 <= at_us <= AT_MAX_US:
        return False
    if text_at(asked, SAID_REQUEST_ID)[1] > ID_BYTES_MAX or text_at(asked, SAID_BASKET_ID)[1] > ID_BYTES_MAX:
        return False
    if text_at(asked, SAID_CUSTOMER_ID)[1] > ID_BYTES_MAX or text_at(asked, SAID_HOUSEHOLD)[1] > ID_BYTES_MAX:
        return False
    for i in range(size(asked, A_LINES) // LINE_COLUMNS):
        id_length = cell(asked, A_LINES, LINE_COLUMNS, i, LINE_ID + 1)
        article_length = cell(asked, A_LINES, LINE_COLUMNS, i, LINE_ARTICLE + 1)
        if not 0 < id_length <= ID_BYTES_MAX or not 0 < article_length <= ID_BYTES_MAX:
            return False
        if cell(asked, A_LINES, LINE_COLUMNS, i, LINE_RATE) > BASIS_POINTS:
            return False
    return True


@bare
def price_of(known: Buffer, asked: Ints, line: int, row: int, currency: int) -> int:
    """The list price of a line, in micros; -1: there is none, or it is out of bounds."""
    micros = cell(known, K_CURRENCIES, 3, currency, CURRENCY_MICROS)
    measured = cell(asked, A_LINES, LINE_COLUMNS, line, LINE_UNIT) > 0
    most = PRICE_MICROS_MAX if measured else PIECE_MICROS_MAX
    said = cell(asked, A_LINES, LINE_COLUMNS, line, LINE_PRICE_IN)
    price = cell(asked, A_LINES, LINE_COLUMNS, line, LINE_PRICE)
    if said == NO_PRICE:
        price = at(known, K_PRICES, row * (size(known, K_CURRENCIES) // 3) + currency)
        return price if price <= most else -1
    if said == PRICE_MINOR:
        return price * micros if price <= min(PRICE_MAX, most // micros) else -1
    return price if price <= min(PRICE_MAX, most) else -1


@bare
def fetch_articles(k: Known, asked: Ints, data: Bytes, notes: Ints) -> None:
    """Have brought near what the catalogue says of the lines' articles: each step for all lines, as each needs the one
    before it. The row that is looked at first is nearly always the one."""
    count = size(asked, A_LINES) // LINE_COLUMNS
    slots = notes[L_SORT * LINES_MAX : L_SORT * LINES_MAX + count]
    for i in range(count):
        begin = cell(asked, A_LINES, LINE_COLUMNS, i, LINE_ARTICLE)
        slots[i] = slot_of(k.articles, data, begin, cell(asked, A_LINES, LINE_COLUMNS, i, LINE_ARTICLE + 1))
        fetch(k.articles, slots[i])
    prices, currencies = k.flat[2 * K_PRICES], size(k.flat, K_CURRENCIES) // 3
    for i in range(count):
        row = max(0, k.articles[slots[i]]) & PLACE_MASK
        slots[i] = row
        fetch(k.articles, HEAD + row)
        fetch(k.posting_begin, row)
        fetch(k.marks, row)
        fetch(k.flat, prices + row * currencies)
        fetch(k.flat, k.flat[2 * K_RATES] + row)
    for i in range(count):
        fetch(k.article_blob, k.articles[HEAD + slots[i]])
        fetch(k.posting, k.posting_begin[slots[i]])


@bare
def resolve_lines(k: Known, asked: Ints, data: Bytes, currency: int, notes: Ints) -> tuple[int, int]:
    """Notes of each line, in the order of their ids: RESOLVED, or why not; and how many units there are."""
    count = size(asked, A_LINES) // LINE_COLUMNS
    order, spare = notes[:count], notes[L_SPARE * LINES_MAX : L_SPARE * LINES_MAX + count]
    by_text(asked, data, LINE_ID, order, spare, notes[L_KEY * LINES_MAX : L_KEY * LINES_MAX + count])
    fetch_articles(k, asked, data, notes)
    units = total = 0
    micros = cell(k.flat, K_CURRENCIES, 3, currency, CURRENCY_MICROS)
    for i in range(count):
        line = order[i]
        if i and same_text(asked, data, LINE_ID, order[i - 1], line):
            return BOUNDS, 0
        if cell(asked, A_LINES, LINE_COLUMNS, line, LINE_GIFT_OF + 1):
            return SCOPE, 0
        if cell(asked, A_LINES, LINE_COLUMNS, line, LINE_ATTRIBUTES) < cell(
            asked, A_LINES, LINE_COLUMNS, line, LINE_ATTRIBUTES_END
        ):
            return SCOPE, 0
        begin = cell(asked, A_LINES, LINE_COLUMNS, line, LINE_ARTICLE)
        length = cell(asked, A_LINES, LINE_COLUMNS, line, LINE_ARTICLE + 1)
        row = find(k.articles, k.article_blob, data, begin, length)
        if row < 0:
            return ARTICLE, 0
        price = price_of(k.flat, asked, line, row, currency)
        if price < 0:
            return PRICE, 0
        quantity = cell(asked, A_LINES, LINE_COLUMNS, line, LINE_QUANTITY)
        measure = cell(asked, A_LINES, LINE_COLUMNS, line, LINE_MEASURE)
        unit = cell(asked, A_LINES, LINE_COLUMNS, line, LINE_UNIT)
        if (quantity > 0) == (measure > 0) or (measure > 0) != (unit > 0):
            return BOUNDS, 0
        if measure > 0:
            if measure > MEASURE_MAX:
                return BOUNDS, 0
            amount = divide(price * measure, 1_000 * micros, at(k.flat, K_SCALARS, KNOWN_ROUNDING))
            pieces = 1
        else:
            if price % micros:
                return PRICE, 0
            amount, pieces = price // micros, quantity
        if pieces > UNITS_MAX - units or amount > TOTAL_MINOR_MAX // pieces:
            return ROOM, 0
        units += pieces
        total += amount * pieces
        notes[L_ROW * LINES_MAX + i], notes[L_PRICE * LINES_MAX + i] = row, price
        notes[L_LIST * LINES_MAX + i] = amount
        if total > TOTAL_MINOR_MAX or total * at(k.flat, K_SCALARS, KNOWN_FINE) > FINE_TOTAL_MAX:
            return BOUNDS, 0
    for i in range(size(asked, A_FEES) // FEE_COLUMNS):
        amount = cell(asked, A_FEES, FEE_COLUMNS, i, FEE_AMOUNT)
        if amount > TOTAL_MINOR_MAX - total or cell(asked, A_FEES, FEE_COLUMNS, i, FEE_RATE) > BASIS_POINTS:
            return BOUNDS, 0
        total += amount
    return RESOLVED, units


@bare
def same_text(asked: Ints, data: Bytes, column: int, a: int, b: int) -> bool:
    """Whether two lines have the same text in a column."""
    length = cell(asked, A_LINES, LINE_COLUMNS, a, column + 1)
    if cell(asked, A_LINES, LINE_COLUMNS, b, column + 1) != length:
        return False
    first, second = cell(asked, A_LINES, LINE_COLUMNS, a, column), cell(asked, A_LINES, LINE_COLUMNS, b, column)
    for i in range(length):
        if data[first + i] != data[second + i]:
            return False
    return True


@bare
def number_articles(asked: Ints, data: Bytes, notes: Ints) -> int:
    """Number the articles of the lines by their bytes; how many there are. Lines come by id."""
    count = size(asked, A_LINES) // LINE_COLUMNS
    order = notes[:count]
    by_article = notes[L_SORT * LINES_MAX : L_SORT * LINES_MAX + count]
    spare = notes[L_SPARE * LINES_MAX : L_SPARE * LINES_MAX + count]
    by_text(asked, data, LINE_ARTICLE, by_article, spare, notes[L_KEY * LINES_MAX : L_KEY * LINES_MAX + count])
    for i in range(count):
        spare[order[i]] = i  # from a line of the request to its place by id
    number = -1
    for i in range(count):
        row = notes[L_ROW * LINES_MAX + spare[by_article[i]]]
        if i == 0 or row != notes[L_ROW * LINES_MAX + spare[by_article[i - 1]]]:
            number += 1
        notes[L_NUMBER * LINES_MAX + spare[by_article[i]]] = number
    return number + 1


@bare
def begin_field(out: Ints, field: int, length: int) -> int:
    """Enter a field of so many numbers behind the one before it: where it begins."""
    begin = 2 * _FIELDS if field == 0 else out[2 * field - 2] + out[2 * field - 1]
    out[2 * field], out[2 * field + 1] = begin, length
    return int(begin)


@bare
def fact_of(
    k: Known, asked: Ints, data: Bytes, fact: int, currency: int, store: int, articles: int, today: int
) -> tuple[int, int, int]:
    """A fact: value, whether it is known; RESOLVED, or why it is not read here."""
    facts = size(k.flat, K_FACTS) // FACT_COLUMNS
    comes, name = (
        cell(k.flat, K_FACTS, FACT_COLUMNS, fact, FACT_FOR),
        cell(k.flat, K_FACTS, FACT_COLUMNS, fact, FACT_NAME),
    )
    if comes == FOR_LINES:
        return articles * 1_000_000, 1, RESOLVED
    if comes == FOR_STORE:
        row = 2 * ((store * (size(k.flat, K_CURRENCIES) // 3) + currency) * facts + fact)
        return at(k.flat, K_STORE_FACTS, row), at(k.flat, K_STORE_FACTS, row + 1), RESOLVED
    begin = length = 0
    if comes == FOR_STORE_ID:
        begin, length = text_at(asked, SAID_STORE)
    elif comes == FOR_DELIVERY:
        begin, length = text_at(asked, SAID_DELIVERY_SERVICE)
    elif comes == FOR_CUSTOMER_ID:
        begin, length = text_at(asked, SAID_CUSTOMER_ID)
    elif comes == FOR_PAYMENT and size(asked, A_PAYMENTS):
        begin, length = at(asked, A_PAYMENTS, PAYMENT_MEANS), at(asked, A_PAYMENTS, PAYMENT_MEANS + 1)
    if comes == FOR_STORE_ID or comes == FOR_DELIVERY or comes == FOR_CUSTOMER_ID or comes == FOR_PAYMENT:
        return (find(k.symbols, k.symbol_blob, data, begin, length), 1, RESOLVED) if length else (0, 0, RESOLVED)
    somebody = cell(asked, A_SCALARS, 1, SAID_CUSTOMER, 0)
    if comes == FOR_CONSENT:
        if not somebody or not cell(asked, A_SCALARS, 1, SAID_CONSENTS_KNOWN, 0):
            return 0, 0, RESOLVED
        for i in range(size(asked, A_CONSENTS) // CONSENT_COLUMNS):
            if -1 - cell(asked, A_CONSENTS, CONSENT_COLUMNS, i, CONSENT_NAME + 1) == name:
                return cell(asked, A_CONSENTS, CONSENT_COLUMNS, i, CONSENT_GRANTED), 1, RESOLVED
        return 0, 1, RESOLVED
    if comes == FOR_CUSTOMER:
        for i in range(size(asked, A_ATTRIBUTES) // ATTRIBUTE_COLUMNS):
            if -1 - cell(asked, A_ATTRIBUTES, ATTRIBUTE_COLUMNS, i, ATTRIBUTE_NAME + 1) == name:
                wanted = cell(k.flat, K_FACTS, FACT_COLUMNS, fact, FACT_TYPE)
                if wanted == TYPE_OLDER or wanted == TYPE_YOUNGER:
                    day, _, reason = said_of(k, asked, data, i, TYPE_DATE)
                    count = cell(k.flat, K_FACTS, FACT_COLUMNS, fact, FACT_COUNT)
                    bound = days_before(today, count, cell(k.flat, K_FACTS, FACT_COLUMNS, fact, FACT_UNIT))
                    return int(day < bound if wanted == TYPE_OLDER else day > bound), 1, reason
                return said_of(k, asked, data, i, wanted)
    row = 2 * ((somebody * (size(k.flat, K_CURRENCIES) // 3) + currency) * facts + fact)
    return at(k.flat, K_HELD, row), at(k.flat, K_HELD, row + 1), RESOLVED


@bare
def said_of(k: Known, asked: Ints, data: Bytes, i: int, wanted: int) -> tuple[int, int, int]:
    """What an attribute says, if it is of the type that the fact has."""
    kind = cell(asked, A_ATTRIBUTES, ATTRIBUTE_COLUMNS, i, ATTRIBUTE_KIND)
    number = cell(asked, A_ATTRIBUTES, ATTRIBUTE_COLUMNS, i, ATTRIBUTE_NUMBER)
    if wanted == TYPE_TEXT and kind == KIND_TEXT:
        begin = cell(asked, A_ATTRIBUTES, ATTRIBUTE_COLUMNS, i, ATTRIBUTE_TEXT)
        length = cell(asked, A_ATTRIBUTES, ATTRIBUTE_COLUMNS, i, ATTRIBUTE_TEXT_LENGTH)
        if length > TEXT_BYTES_MAX:
            return 0, 0, FACT
        return find(k.symbols, k.symbol_blob, data, begin, length), 1, RESOLVED
    if wanted == TYPE_NUMBER and kind == KIND_NUMBER and -NUMBER_MAX <= number <= NUMBER_MAX:
        return number, 1, RESOLVED
    if wanted == TYPE_PERCENT and kind == KIND_PERCENT and -PERCENT_MAX <= number <= PERCENT_MAX:
        return number, 1, RESOLVED
    if wanted == TYPE_DATE and kind == KIND_DATE:
        begin = cell(asked, A_ATTRIBUTES, ATTRIBUTE_COLUMNS, i, ATTRIBUTE_TEXT)
        day = read_day(data, begin, cell(asked, A_ATTRIBUTES, ATTRIBUTE_COLUMNS, i, ATTRIBUTE_TEXT_LENGTH))
        return day, 1, RESOLVED if day != NO_DAY else FACT
    if wanted == TYPE_YES_NO and kind == KIND_YES_NO:
        return number, 1, RESOLVED
    return 0, 0, FACT


@bare
def today_of(k: Known, at_us: int) -> int:
    """The day of an instant in the settings' zone."""
    second = at_us // 1_000_000
    low, high = 0, size(k.flat, K_TRANSITIONS) // 2
    while low < high:
        middle = (low + high) // 2
        if cell(k.flat, K_TRANSITIONS, 2, middle, 0) <= second:
            low = middle + 1
        else:
            high = middle
    return (second + cell(k.flat, K_TRANSITIONS, 2, max(0, low - 1), 1)) // DAY_S


@bare
def name_facts(k: Known, asked: Ints, data: Bytes) -> bool:
    """Replace the names of the customer's facts by their numbers: -1 minus it, where the length stood. Whether all of
    them are declared and read here, and each is said once."""
    for i in range(size(asked, A_ATTRIBUTES) // ATTRIBUTE_COLUMNS):
        begin = cell(asked, A_ATTRIBUTES, ATTRIBUTE_COLUMNS, i, ATTRIBUTE_NAME)
        length = cell(asked, A_ATTRIBUTES, ATTRIBUTE_COLUMNS, i, ATTRIBUTE_NAME + 1)
        name = named(k.flat, k.blob, K_NAMES, BLOB_NAMES, data, begin, length)
        if name < 0 or said_of(k, asked, data, i, at(k.flat, K_TYPES, name))[2] != RESOLVED:
            return False
        for j in range(i):
            if cell(asked, A_ATTRIBUTES, ATTRIBUTE_COLUMNS, j, ATTRIBUTE_NAME + 1) == -1 - name:
                return False
        asked[asked[2 * A_ATTRIBUTES] + i * ATTRIBUTE_COLUMNS + ATTRIBUTE_NAME + 1] = -1 - name
    for i in range(size(asked, A_CONSENTS) // CONSENT_COLUMNS):
        begin = cell(asked, A_CONSENTS, CONSENT_COLUMNS, i, CONSENT_NAME)
        length = cell(asked, A_CONSENTS, CONSENT_COLUMNS, i, CONSENT_NAME + 1)
        name = named(k.flat, k.blob, K_CONSENTS, BLOB_CONSENTS, data, begin, length)
        if name < 0:
            return False
        for j in range(i):
            if cell(asked, A_CONSENTS, CONSENT_COLUMNS, j, CONSENT_NAME + 1) == -1 - name:
                return False
        asked[asked[2 * A_CONSENTS] + i * CONSENT_COLUMNS + CONSENT_NAME + 1] = -1 - name
    return True


@bare_gate
def columns(k: Known, asked: Ints, data: Bytes, at_us: int, out: Ints, notes: Ints) -> int:
    """Writes the buffer of layout.QUESTION for a request that was read into `asked`: RESOLVED, or why not.

    `at_us`: the instant that is judged where the request names none. `out`, `notes`: see `room`; the first numbers of
    `notes` are the lines of the request in the order of their ids."""
    at_us = cell(asked, A_SCALARS, 1, SAID_AT_US, 0) or at_us
    if at(k.flat, K_SCALARS, KNOWN_SHY) or out_of_scope(asked):
        return SCOPE
    if not bounded(asked, at_us):
        return BOUNDS
    begin, length = text_at(asked, SAID_CURRENCY)
    currency = named(k.flat, k.blob, K_CURRENCY_NAMES, BLOB_CURRENCIES, data, begin, length)
    begin, length = text_at(asked, SAID_CHANNEL)
    channel = named(k.flat, k.blob, K_CHANNELS, BLOB_CHANNELS, data, begin, length)
    stores = size(k.flat, K_STORE_ROWS) // STORE_COLUMNS - 1
    store = stores
    begin, length = text_at(asked, SAID_STORE)
    if length:
        store = named(k.flat, k.blob, K_STORES, BLOB_STORES, data, begin, length)
    delivery = 0
    begin, length = text_at(asked, SAID_DELIVERY_SERVICE)
    if length:
        delivery = named(k.flat, k.blob, K_SERVICES, BLOB_SERVICES, data, begin, length)
    payment = 0
    if size(asked, A_PAYMENTS):
        begin, length = at(asked, A_PAYMENTS, PAYMENT_MEANS), at(asked, A_PAYMENTS, PAYMENT_MEANS + 1)
        payment = named(k.flat, k.blob, K_PAYMENTS, BLOB_PAYMENTS, data, begin, length)
        if at(asked, A_PAYMENTS, PAYMENT_AMOUNT) >= 0:
            return SCOPE
    if currency < 0 or channel < 0 or store < 0 or delivery < 0 or payment < 0:
        return NAME
    if not name_facts(k, asked, data):
        return FACT
    reason, units = resolve_lines(k, asked, data, currency, notes)
    if reason:
        return reason
    articles = number_articles(asked, data, notes)
    lines = size(asked, A_LINES) // LINE_COLUMNS

    place = begin_field(out, Q_SCALARS, _SCALARS)
    out[place + Q_AT_US], out[place + Q_CHANNEL] = at_us, channel
    out[place + Q_ZONE] = cell(k.flat, K_STORE_ROWS, STORE_COLUMNS, store, STORE_ZONE)
    out[place + Q_REGION] = cell(k.flat, K_STORE_ROWS, STORE_COLUMNS, store, STORE_REGION)
    out[place + Q_STORE_NAMED] = 1 if store < stores else 0
    out[place + Q_CUSTOMER_KNOWN] = 1 if text_at(asked, SAID_CUSTOMER_ID)[1] else 0
    out[place + Q_HOUSEHOLD_KNOWN] = 1 if text_at(asked, SAID_HOUSEHOLD)[1] else 0
    out[place + Q_CURRENCIES], out[place + Q_CURRENCY] = size(k.flat, K_CURRENCIES) // 3, currency
    out[place + Q_MICROS_PER_MINOR] = cell(k.flat, K_CURRENCIES, 3, currency, CURRENCY_MICROS)
    out[place + Q_ROUNDING] = at(k.flat, K_SCALARS, KNOWN_ROUNDING)
    out[place + Q_FINE] = at(k.flat, K_SCALARS, KNOWN_FINE)
    out[place + Q_TAX_INSIDE] = at(k.flat, K_SCALARS, KNOWN_TAX_INSIDE)
    out[place + Q_POINTS] = cell(k.flat, K_CURRENCIES, 3, currency, CURRENCY_POINTS)
    out[place + Q_POINTS_PER] = cell(k.flat, K_CURRENCIES, 3, currency, CURRENCY_POINTS_PER)

    today = today_of(k, at_us)
    facts = size(k.flat, K_FACTS) // FACT_COLUMNS
    if facts > FACTS_MAX:
        return ROOM
    value = begin_field(out, Q_VALUE, facts)
    known = begin_field(out, Q_KNOWN, facts)
    for fact in range(facts):
        out[value + fact], out[known + fact], reason = fact_of(k, asked, data, fact, currency, store, articles, today)
        if reason:
            return reason
    if not write_lines(k, asked, out, notes, lines):
        return ROOM
    write_units(asked, out, notes, lines, units)
    return write_rest(k, asked, data, out)


@bare
def write_lines(k: Known, asked: Ints, out: Ints, notes: Ints, lines: int) -> bool:
    """The columns of lines. Whether there is room for their sets."""
    begins = begin_field(out, Q_SET_BEGIN, lines + 1)
    sets = begins + lines + 1
    count = 0
    out[begins] = 0
    for i in range(lines):
        row = notes[L_ROW * LINES_MAX + i]
        first, end = k.posting_begin[row], k.posting_begin[row + 1]
        if count + end - first > SETS_MAX:
            return False
        for j in range(first, end):
            out[sets + count] = k.posting[j]
            count += 1
        out[begins + i + 1] = count
    begin_field(out, Q_SETS, count)
    numbers = begin_field(out, Q_LINE_ARTICLE, lines)
    marks = begin_field(out, Q_LINE_MARKS, lines)
    rates = begin_field(out, Q_LINE_RATE, lines)
    for i in range(lines):
        row = notes[L_ROW * LINES_MAX + i]
        out[numbers + i], out[marks + i] = notes[L_NUMBER * LINES_MAX + i], k.marks[row]
        rate = cell(asked, A_LINES, LINE_COLUMNS, notes[i], LINE_RATE)
        out[rates + i] = rate if rate >= 0 else at(k.flat, K_RATES, row)
    return True


@bare
def write_units(asked: Ints, out: Ints, notes: Ints, lines: int, units: int) -> None:
    """The columns of units, in the static part of order U: units of one line stand together."""
    whose = begin_field(out, Q_UNIT_LINE, units)
    article, amount, measures, dimension, factor, prices = (
        whose + units,
        whose + 2 * units,
        whose + 3 * units,
        whose + 4 * units,
        whose + 5 * units,
        whose + 6 * units,
    )
    for field in range(Q_UNIT_ARTICLE, Q_UNIT_ENTRY + 1):
        begin_field(out, field, units)
    amounts = notes[L_LIST * LINES_MAX : L_LIST * LINES_MAX + lines]
    numbers = notes[L_NUMBER * LINES_MAX : L_NUMBER * LINES_MAX + lines]
    keys = notes[L_SORT * LINES_MAX : L_SORT * LINES_MAX + lines]
    for line in range(lines):
        keys[line] = (TOTAL_MINOR_MAX - amounts[line] << 2 * LINE_BITS) + (numbers[line] << LINE_BITS) + line
    sort(keys)
    for i in range(1, lines):  # equal in amount and article: by measure
        place = i
        while (
            place
            and keys[place - 1] >> LINE_BITS == keys[place] >> LINE_BITS
            and (measure_at(asked, notes, keys[place - 1]) < measure_at(asked, notes, keys[place]))
        ):
            keys[place - 1], keys[place] = keys[place], keys[place - 1]
            place -= 1
    u = 0
    for i in range(lines):
        line = keys[i] & (1 << LINE_BITS) - 1
        row = notes[line]
        unit = cell(asked, A_LINES, LINE_COLUMNS, row, LINE_UNIT)
        for _ in range(1 if unit else cell(asked, A_LINES, LINE_COLUMNS, row, LINE_QUANTITY)):
            out[whose + u], out[article + u], out[amount + u] = line, numbers[line], amounts[line]
            out[measures + u] = measure_at(asked, notes, line)
            out[dimension + u] = _DIMENSION_OF[unit - 1] if unit else 0
            out[factor + u] = _FACTOR_OF[unit - 1] if unit else 1
            out[prices + u] = notes[L_PRICE * LINES_MAX + line]
            u += 1
    floors, entries = out[2 * Q_UNIT_FLOOR], out[2 * Q_UNIT_ENTRY]
    for i in range(units):
        out[floors + i], out[entries + i] = 0, -1


@bare
def measure_at(asked: Ints, notes: Ints, key: int) -> int:
    """The measure of a line, by its number or by a key that ends in it."""
    return cell(asked, A_LINES, LINE_COLUMNS, notes[key & (1 << LINE_BITS) - 1], LINE_MEASURE)


@bare
def write_rest(k: Known, asked: Ints, data: Bytes, out: Ints) -> int:
    """Codes, usage and entries, of which there are none, fees and variants: RESOLVED, or why not."""
    if 2 * at(k.flat, K_SERVICES, 0) + size(k.flat, K_SUBJECTS) + size(k.flat, K_PROMISES) > REST_MAX:
        return ROOM
    out[begin_field(out, Q_CODE_BEGIN, 1)] = 0
    for field in (Q_CODE_SETS, Q_USAGE, Q_CHOSEN, Q_ENTRIES):
        begin_field(out, field, 0)
    services = at(k.flat, K_SERVICES, 0)
    fees = begin_field(out, Q_FEES, services)
    rates = begin_field(out, Q_FEE_RATE, services)
    for i in range(2 * services):
        out[fees + i] = -1
    for i in range(size(asked, A_FEES) // FEE_COLUMNS):
        begin, length = (
            cell(asked, A_FEES, FEE_COLUMNS, i, FEE_SERVICE),
            cell(asked, A_FEES, FEE_COLUMNS, i, FEE_SERVICE + 1),
        )
        service = named(k.flat, k.blob, K_SERVICES, BLOB_SERVICES, data, begin, length)
        if service < 0:
            return NAME
        if out[fees + service] >= 0:
            return BOUNDS
        out[fees + service] = cell(asked, A_FEES, FEE_COLUMNS, i, FEE_AMOUNT)
        out[rates + service] = cell(asked, A_FEES, FEE_COLUMNS, i, FEE_RATE)
    arms = size(k.flat, K_SUBJECTS)
    place = begin_field(out, Q_ARMS, arms)
    for i in range(arms):
        subject = at(k.flat, K_SUBJECTS, i)
        column = SAID_CUSTOMER_ID if subject == 0 else (SAID_HOUSEHOLD if subject == 1 else SAID_BASKET_ID)
        if text_at(asked, column)[1]:
            return SCOPE  # its draw is not made here
        out[place + i] = NOBODY
    promises = size(k.flat, K_PROMISES)
    place = begin_field(out, Q_PROMISES, promises)
    for i in range(promises):
        out[place + i] = at(k.flat, K_PROMISES, i)
    begin_field(out, Q_PROMISE, 0)
    return RESOLVED
