"""Request bytes → flat tables (engine/asked.py), in one compiled call.

`read` knows protobuf's wire form as the usual libraries write it, and the contract's DecideRequest. What it reads, it
reads as the protobuf library does; what it does not, it does not judge: it says a reason, and the protobuf library is
asked, which reads or refuses. So it may turn away what would be fine, and never takes what would not.

It meets hostile bytes: every read is held against the end of the message that it is in, every row against the room
there is. Messages that hold messages are as deep as the contract is, so nothing calls itself. Within, a position below
0 is a reason with its sign turned.
"""

from __future__ import annotations

import numpy as np

from engine.asked import (
    A_ATTRIBUTES,
    A_CODES,
    A_CONSENTS,
    A_ENTRIES,
    A_FEES,
    A_LINES,
    A_PAYMENTS,
    A_SCALARS,
    A_TEXTS,
    A_USAGE,
    A_VARIANTS,
    ATTRIBUTE_COLUMNS,
    ATTRIBUTE_KIND,
    ATTRIBUTE_NAME,
    ATTRIBUTE_NUMBER,
    ATTRIBUTE_OWNER,
    ATTRIBUTE_TEXT,
    ATTRIBUTE_TEXT_LENGTH,
    ATTRIBUTES_MAX,
    BEGIN,
    CONSENT_COLUMNS,
    CONSENT_GRANTED,
    CONSENT_NAME,
    CONSENTS_MAX,
    ENTRY_AMOUNT,
    ENTRY_COLUMNS,
    ENTRY_KIND,
    ENTRY_LINE,
    ENTRY_PERCENT,
    ENTRY_QUANTITY,
    ENTRY_REASON,
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
    NOT_SAID,
    OF_BASKET,
    OF_CUSTOMER,
    OF_DELIVERY,
    OF_STORE,
    PAYMENT_AMOUNT,
    PAYMENT_COLUMNS,
    PAYMENT_MEANS,
    PAYMENTS_MAX,
    PRICE_MICROS,
    PRICE_MINOR,
    SAID_AS_OF_US,
    SAID_AT_US,
    SAID_BASKET_ID,
    SAID_CHANNEL,
    SAID_COLUMNS,
    SAID_COMPLETE_SINCE_US,
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
    SAID_RULESET_DIGEST,
    SAID_STORE,
    SAID_TENANT,
    SIZE,
    TABLES,
    TEXT_COLUMNS,
    TEXTS_MAX,
    USAGE_CODE,
    USAGE_COLUMNS,
    USAGE_LIMIT,
    USAGE_PROMOTION,
    USAGE_USED,
    VARIANT_COLUMNS,
    VARIANT_CONTROL,
    VARIANT_PROMOTION,
    VARIANT_VARIANT,
)
from engine.basket import CODES_MAX, FEES_MAX, LINES_MAX, MANUAL_DISCOUNTS_MAX, USAGE_MAX, VARIANTS_MAX
from engine.kernel import Bytes, Ints, bare, bare_gate

# ---------------------------------------------------------------------------------------------------- reasons

READ = 0
TRUNCATED = 1  # it ends in the midst of something
UNKNOWN_FIELD = 2  # a field that is not known here, or not in this wire form
OVERLONG = 3  # a number in more bytes than it needs
TWICE = 4  # a field that is there once is there again
NOT_UTF8 = 5
OUT_OF_RANGE = 6  # a number that its field does not hold, or none of the names it stands for
UNFIT_VALUE = 7  # a value that its kind does not say where to find, or more than one
TWO_PRICES = 8
TOO_MANY = 9  # more rows than there is room for
ELSEWHERE = 10  # events, goods and deposits brought back
REASONS = (
    "read",
    "truncated",
    "unknown field",
    "overlong number",
    "field twice",
    "not UTF-8",
    "number out of range",
    "unfit value",
    "two prices",
    "too many rows",
    "read elsewhere",
)

# ---------------------------------------------------------------------------------------------------- the contract
# Which fields there are, by message, and where each goes; a test holds them against the contract's descriptors.

TEXT = -1
INT64, INT32 = 2**63 - 1, 2**31 - 1  # the most that a number may be: none of these is ever below 0
UNIT, ENTERED, YES = 8, 3, 1  # of enums (MeasureUnit, ManualDiscountKind) and of bool likewise
Field = tuple[str, int, int, int]  # name, number, column; TEXT, or the most

REQUEST, LINE, CUSTOMER, HISTORY, CONSENT, USE, FEE, PAYMENT, ENTRY, VARIANT = range(10)
FIELDS: tuple[tuple[str, tuple[Field, ...]], ...] = (
    (
        "DecideRequest",
        (
            ("channel", 2, SAID_CHANNEL, TEXT),
            ("store", 3, SAID_STORE, TEXT),
            ("currency", 4, SAID_CURRENCY, TEXT),
            ("at_us", 5, SAID_AT_US, INT64),
            ("delivery_service", 10, SAID_DELIVERY_SERVICE, TEXT),
            ("ruleset_digest", 12, SAID_RULESET_DIGEST, TEXT),
            ("as_of_us", 13, SAID_AS_OF_US, INT64),
            ("tenant", 16, SAID_TENANT, TEXT),
            ("request_id", 17, SAID_REQUEST_ID, TEXT),
            ("basket_id", 20, SAID_BASKET_ID, TEXT),
            ("next_steps", 26, SAID_NEXT_STEPS, INT32),
        ),
    ),
    (
        "Line",
        (
            ("id", 1, LINE_ID, TEXT),
            ("article", 2, LINE_ARTICLE, TEXT),
            ("quantity", 3, LINE_QUANTITY, INT64),
            ("measure_thousandths", 4, LINE_MEASURE, INT64),
            ("measure_unit", 5, LINE_UNIT, UNIT),
            ("unit_price_minor", 6, LINE_PRICE, INT64),
            ("unit_price_micros", 7, LINE_PRICE, INT64),
            ("tax_rate_basis_points", 9, LINE_RATE, INT32),
            ("gift_of", 10, LINE_GIFT_OF, TEXT),
        ),
    ),
    (
        "Customer",
        (
            ("id", 1, SAID_CUSTOMER_ID, TEXT),
            ("household", 2, SAID_HOUSEHOLD, TEXT),
            ("facts_known", 3, SAID_FACTS_KNOWN, YES),
            ("consents_known", 6, SAID_CONSENTS_KNOWN, YES),
            ("facts_as_of_us", 8, SAID_FACTS_AS_OF_US, INT64),
        ),
    ),
    ("EventHistory", (("complete_since_us", 2, SAID_COMPLETE_SINCE_US, INT64),)),
    ("Consent", (("name", 1, CONSENT_NAME, TEXT), ("granted", 2, CONSENT_GRANTED, YES))),
    (
        "LimitUsage",
        (
            ("promotion", 1, USAGE_PROMOTION, TEXT),
            ("limit", 2, USAGE_LIMIT, TEXT),
            ("code", 3, USAGE_CODE, TEXT),
            ("used", 4, USAGE_USED, INT64),
        ),
    ),
    (
        "Fee",
        (
            ("service", 1, FEE_SERVICE, TEXT),
            ("amount_minor", 2, FEE_AMOUNT, INT64),
            ("tax_rate_basis_points", 3, FEE_RATE, INT32),
        ),
    ),
    ("Payment", (("means", 1, PAYMENT_MEANS, TEXT), ("amount_minor", 2, PAYMENT_AMOUNT, INT64))),
    (
        "ManualDiscount",
        (
            ("line_id", 1, ENTRY_LINE, TEXT),
            ("quantity", 2, ENTRY_QUANTITY, INT64),
            ("kind", 3, ENTRY_KIND, ENTERED),
            ("percent_basis_points", 4, ENTRY_PERCENT, INT32),
            ("amount_minor", 5, ENTRY_AMOUNT, INT64),
            ("reason", 6, ENTRY_REASON, TEXT),
        ),
    ),
    (
        "VariantChoice",
        (
            ("promotion", 1, VARIANT_PROMOTION, TEXT),
            ("variant", 2, VARIANT_VARIANT, TEXT),
            ("control", 3, VARIANT_CONTROL, YES),
        ),
    ),
)

VARINT, LENGTH = 0, 2  # how the wire has numbers; texts and messages
NUMBERS = 64  # field numbers that are told apart: each is a bit

# Fields that hold messages or lists, and those of an attribute's value: as they begin, TAG_<message>_<field>.
TAG_REQUEST_LINES = 1 << 3 | LENGTH
TAG_REQUEST_CUSTOMER = 6 << 3 | LENGTH
TAG_REQUEST_CODES = 7 << 3 | LENGTH
TAG_REQUEST_USAGE = 8 << 3 | LENGTH
TAG_REQUEST_FEES = 9 << 3 | LENGTH
TAG_REQUEST_PAYMENTS = 11 << 3 | LENGTH
TAG_REQUEST_STORE_ATTRIBUTES = 18 << 3 | LENGTH
TAG_REQUEST_DELIVERY_ATTRIBUTES = 19 << 3 | LENGTH
TAG_REQUEST_MANUAL_DISCOUNTS = 21 << 3 | LENGTH
TAG_REQUEST_VARIANTS = 22 << 3 | LENGTH
TAG_REQUEST_RETURNED_GOODS = 23 << 3 | LENGTH  # read elsewhere
TAG_REQUEST_DEPOSIT_REFUNDS = 24 << 3 | LENGTH  # read elsewhere
TAG_REQUEST_BASKET_ATTRIBUTES = 25 << 3 | LENGTH
TAG_LINE_ATTRIBUTES = 8 << 3 | LENGTH
TAG_CUSTOMER_ATTRIBUTES = 4 << 3 | LENGTH
TAG_CUSTOMER_CONSENTS = 5 << 3 | LENGTH
TAG_CUSTOMER_EVENTS = 7 << 3 | LENGTH
TAG_HISTORY_EVENTS = 1 << 3 | LENGTH  # read elsewhere
TAG_ATTRIBUTE_NAME = 1 << 3 | LENGTH
TAG_ATTRIBUTE_VALUE = 2 << 3 | LENGTH
TAG_VALUE_KIND = 1 << 3 | VARINT
TAG_VALUE_TEXT = 2 << 3 | LENGTH
TAG_VALUE_NUMBER_MILLIONTHS = 3 << 3 | VARINT
TAG_VALUE_YES_NO = 4 << 3 | VARINT
TAG_VALUE_DATE = 5 << 3 | LENGTH
TAG_VALUE_MONEY = 6 << 3 | LENGTH
TAG_VALUE_PERCENT_BASIS_POINTS = 7 << 3 | VARINT
TAG_VALUE_TEXTS = 8 << 3 | LENGTH
TAG_MONEY_CURRENCY = 1 << 3 | LENGTH
TAG_MONEY_AMOUNT_MINOR = 2 << 3 | VARINT

FIELD_PRICE_MINOR, FIELD_PRICE_MICROS = 6, 7  # of a Line, which has one of them
KINDS_LAST = 7  # of ValueKind. The field of a Value that holds a kind has the number behind the kind's own
KIND_MONEY = 5


def _forms() -> Ints:
    """FIELDS by message and number: how it begins, column, TEXT or the most."""
    forms = np.full((len(FIELDS), NUMBERS, 3), -1, np.int64)
    for message_, (_, fields) in enumerate(FIELDS):
        for _, number_, column, most in fields:
            forms[message_, number_] = (number_ << 3 | (LENGTH if most == TEXT else VARINT), column, most)
    return forms


FORMS = _forms()  # a constant of what is compiled


# ---------------------------------------------------------------------------------------------------- reading


@bare_gate
def read(data: Bytes, asked: Ints) -> int:
    """Fills the tables of `asked` (asked.scratch) with what the bytes of a DecideRequest say: READ, or why not.

    With a reason, what the tables hold means nothing."""
    if asked.shape[0] < SIZE:
        return TOO_MANY
    for table in range(TABLES):
        asked[2 * table] = BEGIN[table]
        asked[2 * table + 1] = 0
    said = row(asked, A_SCALARS, SAID_COLUMNS, 1)
    at = 0
    end = data.shape[0]
    seen = 0
    while at < end:
        tag, at = field(data, at, end)
        if at < 0:
            return -at
        if tag == TAG_REQUEST_LINES:
            at = line(data, at, end, asked)
        elif tag == TAG_REQUEST_CODES:
            at = one_text(data, at, end, asked, A_CODES, CODES_MAX)
        elif tag == TAG_REQUEST_USAGE:
            at = record(data, at, end, asked, USE, A_USAGE, USAGE_COLUMNS, USAGE_MAX)
        elif tag == TAG_REQUEST_FEES:
            at = record(data, at, end, asked, FEE, A_FEES, FEE_COLUMNS, FEES_MAX)
        elif tag == TAG_REQUEST_PAYMENTS:
            at = record(data, at, end, asked, PAYMENT, A_PAYMENTS, PAYMENT_COLUMNS, PAYMENTS_MAX)
        elif tag == TAG_REQUEST_STORE_ATTRIBUTES:
            at = attribute(data, at, end, asked, OF_STORE)
        elif tag == TAG_REQUEST_DELIVERY_ATTRIBUTES:
            at = attribute(data, at, end, asked, OF_DELIVERY)
        elif tag == TAG_REQUEST_BASKET_ATTRIBUTES:
            at = attribute(data, at, end, asked, OF_BASKET)
        elif tag == TAG_REQUEST_MANUAL_DISCOUNTS:
            at = record(data, at, end, asked, ENTRY, A_ENTRIES, ENTRY_COLUMNS, MANUAL_DISCOUNTS_MAX)
        elif tag == TAG_REQUEST_VARIANTS:
            at = record(data, at, end, asked, VARIANT, A_VARIANTS, VARIANT_COLUMNS, VARIANTS_MAX)
        elif tag == TAG_REQUEST_RETURNED_GOODS or tag == TAG_REQUEST_DEPOSIT_REFUNDS:
            return ELSEWHERE
        elif seen >> (tag >> 3) & 1:
            return TWICE
        else:
            seen |= 1 << (tag >> 3)
            if tag == TAG_REQUEST_CUSTOMER:
                at = customer(data, at, end, asked, said)
            else:
                at = plain(data, at, end, asked, REQUEST, tag, said)
        if at < 0:
            return -at
    return READ


@bare
def line(data: Bytes, at: int, end: int, asked: Ints) -> int:
    """A Line becomes a row."""
    at, end = message(data, at, end)
    place = asked[2 * A_LINES + 1] // LINE_COLUMNS
    to = row(asked, A_LINES, LINE_COLUMNS, LINES_MAX)
    if at < 0 or to < 0:
        return min(at, to)
    asked[to + LINE_RATE] = NOT_SAID
    asked[to + LINE_ATTRIBUTES] = asked[2 * A_ATTRIBUTES + 1] // ATTRIBUTE_COLUMNS
    seen = 0
    while at < end:
        tag, at = field(data, at, end)
        if at < 0:
            return at
        if tag == TAG_LINE_ATTRIBUTES:
            at = attribute(data, at, end, asked, place)
        elif seen >> (tag >> 3) & 1:
            return -TWICE
        else:
            seen |= 1 << (tag >> 3)
            at = plain(data, at, end, asked, LINE, tag, to)
        if at < 0:
            return at
    asked[to + LINE_ATTRIBUTES_END] = asked[2 * A_ATTRIBUTES + 1] // ATTRIBUTE_COLUMNS
    if seen >> FIELD_PRICE_MINOR & 1:
        if seen >> FIELD_PRICE_MICROS & 1:
            return -TWO_PRICES
        asked[to + LINE_PRICE_IN] = PRICE_MINOR
    elif seen >> FIELD_PRICE_MICROS & 1:
        asked[to + LINE_PRICE_IN] = PRICE_MICROS
    return at


@bare_gate
def customer(data: Bytes, at: int, end: int, asked: Ints, said: int) -> int:
    """A Customer, into the scalars, attributes and consents."""
    at, end = message(data, at, end)
    if at < 0:
        return at
    asked[said + SAID_CUSTOMER] = 1
    seen = 0
    while at < end:
        tag, at = field(data, at, end)
        if at < 0:
            return at
        if tag == TAG_CUSTOMER_ATTRIBUTES:
            at = attribute(data, at, end, asked, OF_CUSTOMER)
        elif tag == TAG_CUSTOMER_CONSENTS:
            at = record(data, at, end, asked, CONSENT, A_CONSENTS, CONSENT_COLUMNS, CONSENTS_MAX)
        elif seen >> (tag >> 3) & 1:
            return -TWICE
        else:
            seen |= 1 << (tag >> 3)
            if tag == TAG_CUSTOMER_EVENTS:
                at = history(data, at, end, asked, said)
            else:
                at = plain(data, at, end, asked, CUSTOMER, tag, said)
        if at < 0:
            return at
    return at


@bare
def history(data: Bytes, at: int, end: int, asked: Ints, said: int) -> int:
    """An EventHistory without events, into the scalars."""
    at, end = message(data, at, end)
    if at < 0:
        return at
    asked[said + SAID_HISTORY] = 1
    seen = 0
    while at < end:
        tag, at = field(data, at, end)
        if at < 0:
            return at
        if tag == TAG_HISTORY_EVENTS:
            return -ELSEWHERE
        if seen >> (tag >> 3) & 1:
            return -TWICE
        seen |= 1 << (tag >> 3)
        at = plain(data, at, end, asked, HISTORY, tag, said)
        if at < 0:
            return at
    return at


@bare_gate
def record(data: Bytes, at: int, end: int, asked: Ints, form: int, table: int, columns: int, room: int) -> int:
    """A message of texts and numbers becomes a row."""
    at, end = message(data, at, end)
    to = row(asked, table, columns, room)
    if at < 0 or to < 0:
        return min(at, to)
    if form == FEE:
        asked[to + FEE_RATE] = NOT_SAID
    elif form == PAYMENT:
        asked[to + PAYMENT_AMOUNT] = NOT_SAID
    seen = 0
    while at < end:
        tag, at = field(data, at, end)
        if at < 0:
            return at
        if seen >> (tag >> 3) & 1:
            return -TWICE
        seen |= 1 << (tag >> 3)
        at = plain(data, at, end, asked, form, tag, to)
        if at < 0:
            return at
    return at


@bare
def plain(data: Bytes, at: int, end: int, asked: Ints, form: int, tag: int, to: int) -> int:
    """A text or a number, into its column of a row; the place behind."""
    number_ = tag >> 3
    if FORMS[form, number_, 0] != tag:
        return -UNKNOWN_FIELD
    to += FORMS[form, number_, 1]
    most = FORMS[form, number_, 2]
    if most == TEXT:
        return text(data, at, end, asked, to)
    return number(data, at, end, asked, to, most)


# ---------------------------------------------------------------------------------------------------- attributes


@bare_gate
def attribute(data: Bytes, at: int, end: int, asked: Ints, owner: int) -> int:
    """An Attribute becomes a row."""
    at, end = message(data, at, end)
    to = row(asked, A_ATTRIBUTES, ATTRIBUTE_COLUMNS, ATTRIBUTES_MAX)
    if at < 0 or to < 0:
        return min(at, to)
    asked[to + ATTRIBUTE_OWNER] = owner
    seen = 0
    while at < end:
        tag, at = field(data, at, end)
        if at < 0:
            return at
        if seen >> (tag >> 3) & 1:
            return -TWICE
        seen |= 1 << (tag >> 3)
        if tag == TAG_ATTRIBUTE_NAME:
            at = text(data, at, end, asked, to + ATTRIBUTE_NAME)
        elif tag == TAG_ATTRIBUTE_VALUE:
            at = value(data, at, end, asked, to)
        else:
            return -UNKNOWN_FIELD
        if at < 0:
            return at
    if asked[to + ATTRIBUTE_KIND] == 0:
        return -UNFIT_VALUE
    return at


@bare
def value(data: Bytes, at: int, end: int, asked: Ints, to: int) -> int:
    """A Value, into its attribute's row. Only what its kind asks for may be there, beside fields that hold nothing."""
    at, end = message(data, at, end)
    if at < 0:
        return at
    given = 0  # a bit for each field that holds something, by its number
    seen = 0
    while at < end:
        tag, at = field(data, at, end)
        if at < 0:
            return at
        bit = 1 << (tag >> 3)
        if tag == TAG_VALUE_TEXTS:
            if not given & bit:
                given |= bit
                asked[to + ATTRIBUTE_TEXT] = asked[2 * A_TEXTS + 1] // TEXT_COLUMNS
                asked[to + ATTRIBUTE_TEXT_LENGTH] = 0
            asked[to + ATTRIBUTE_TEXT_LENGTH] += 1
            at = one_text(data, at, end, asked, A_TEXTS, TEXTS_MAX)
        elif seen & bit:
            return -TWICE
        else:
            seen |= bit
            if tag == TAG_VALUE_KIND:
                at = number(data, at, end, asked, to + ATTRIBUTE_KIND, KINDS_LAST)
            elif tag == TAG_VALUE_TEXT or tag == TAG_VALUE_DATE:
                begin, at = span(data, at, end)
                if at > begin:  # an empty one may stand beside what holds the value
                    given |= bit
                    asked[to + ATTRIBUTE_TEXT] = begin
                    asked[to + ATTRIBUTE_TEXT_LENGTH] = at - begin
            elif tag == TAG_VALUE_MONEY:
                given |= bit
                at = money(data, at, end, asked, to)
            else:
                found, at = varint(data, at, end)
                if at < 0:
                    return at
                if tag == TAG_VALUE_YES_NO:
                    if found < 0 or found > YES:
                        return -OUT_OF_RANGE
                elif tag == TAG_VALUE_PERCENT_BASIS_POINTS:
                    if found < -INT32 - 1 or found > INT32:
                        return -OUT_OF_RANGE
                elif tag != TAG_VALUE_NUMBER_MILLIONTHS:
                    return -UNKNOWN_FIELD
                if found != 0:
                    given |= bit
                    asked[to + ATTRIBUTE_NUMBER] = found
        if at < 0:
            return at
    kind = asked[to + ATTRIBUTE_KIND]
    if given & ~(1 << (kind + 1)) or (kind == KIND_MONEY and given == 0):
        return -UNFIT_VALUE
    return at


@bare
def money(data: Bytes, at: int, end: int, asked: Ints, to: int) -> int:
    """A Money, into its attribute's row."""
    at, end = message(data, at, end)
    if at < 0:
        return at
    seen = 0
    while at < end:
        tag, at = field(data, at, end)
        if at < 0:
            return at
        if seen >> (tag >> 3) & 1:
            return -TWICE
        seen |= 1 << (tag >> 3)
        if tag == TAG_MONEY_CURRENCY:
            at = text(data, at, end, asked, to + ATTRIBUTE_TEXT)
        elif tag == TAG_MONEY_AMOUNT_MINOR:
            asked[to + ATTRIBUTE_NUMBER], at = varint(data, at, end)
        else:
            return -UNKNOWN_FIELD
        if at < 0:
            return at
    return at


# ---------------------------------------------------------------------------------------------------- the wire's forms


@bare
def row(asked: Ints, table: int, columns: int, room: int) -> int:
    """Where a new row of a table begins, all 0."""
    used = asked[2 * table + 1]
    if used == columns * room:
        return -TOO_MANY
    asked[2 * table + 1] = used + columns
    begin = asked[2 * table] + used
    for to in range(begin, begin + columns):
        asked[to] = 0
    return begin


@bare
def field(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """How a field begins, its number being below NUMBERS; and the place behind."""
    first = byte(data, at)
    if first < 0x80:
        return first, at + 1
    if at + 1 >= end:
        return 0, -TRUNCATED
    second = byte(data, at + 1)
    if second == 0:
        return 0, -OVERLONG
    tag = (first & 0x7F) | second << 7
    if tag >> 3 >= NUMBERS:
        return 0, -UNKNOWN_FIELD
    return tag, at + 2


@bare
def message(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """Where a message begins and ends; or a reason."""
    length, at = varint(data, at, end)
    if at < 0:
        return at, 0
    if length < 0 or length > end - at:
        return -TRUNCATED, 0
    return at, at + length


@bare
def span(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """Where a text begins and ends; or a reason for its end."""
    at, end = message(data, at, end)
    if at < 0:
        return 0, at
    any_bits = 0
    for i in range(at, end):
        any_bits |= byte(data, i)
    if any_bits >= 0x80 and not is_utf8(data, at, end):
        return 0, -NOT_UTF8
    return at, end


@bare
def text(data: Bytes, at: int, end: int, asked: Ints, to: int) -> int:
    """A text, into two columns; the place behind."""
    begin, at = span(data, at, end)
    asked[to] = begin
    asked[to + 1] = at - begin
    return at


@bare_gate
def one_text(data: Bytes, at: int, end: int, asked: Ints, table: int, room: int) -> int:
    """A text of a list becomes a row; the place behind."""
    to = row(asked, table, TEXT_COLUMNS, room)
    if to < 0:
        return to
    return text(data, at, end, asked, to)


@bare
def number(data: Bytes, at: int, end: int, asked: Ints, to: int, most: int) -> int:
    """A number from 0 to `most`, into a column; the place behind."""
    found, at = varint(data, at, end)
    if at >= 0 and (found < 0 or found > most):
        return -OUT_OF_RANGE
    asked[to] = found
    return at


@bare
def varint(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """A number of 64 bits in as few bytes as it needs, and the place behind."""
    if at >= end:
        return 0, -TRUNCATED
    last = byte(data, at)
    found = last & 0x7F
    at += 1
    shift = 7
    while last >= 0x80:
        if at >= end:
            return 0, -TRUNCATED
        last = byte(data, at)
        at += 1
        if last == 0:
            return 0, -OVERLONG
        if shift == 63:  # the tenth byte: one bit is left, which is the sign
            if last > 1:
                return 0, -OVERLONG
            return found - INT64 - 1, at
        found |= (last & 0x7F) << shift
        shift += 7
    return found, at


@bare_gate
def is_utf8(data: Bytes, at: int, end: int) -> bool:
    """Whether a text is UTF-8: no surrogates, nothing past U+10FFFF, nothing in more bytes than it needs."""
    while at < end:
        first = byte(data, at)
        at += 1
        if first < 0x80:
            continue
        low, high = 0x80, 0xBF  # of the second byte
        if 0xC2 <= first <= 0xDF:
            more = 1
        elif 0xE0 <= first <= 0xEF:
            more = 2
            if first == 0xE0:
                low = 0xA0
            elif first == 0xED:
                high = 0x9F
        elif 0xF0 <= first <= 0xF4:
            more = 3
            if first == 0xF0:
                low = 0x90
            elif first == 0xF4:
                high = 0x8F
        else:
            return False
        if end - at < more or not low <= byte(data, at) <= high:
            return False
        for i in range(at + 1, at + more):
            if not 0x80 <= byte(data, i) <= 0xBF:
                return False
        at += more
    return True


@bare
def byte(data: Bytes, at: int) -> int:
    """One byte as a number that can be shifted."""
    return int(data[at])
