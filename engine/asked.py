"""What a request's bytes say, as flat tables: written by engine/wire.py, read by what resolves them.

One int64 array, made once and written anew for each request. It begins as the buffers of engine/layout.py do, with a
directory of where each table begins and how many entries it has now, so `at`, `cell`, `size` and `view` read it. Tables
stand row by row, and each has room for as many rows as the contract allows, or as ordinary requests need.

Nothing is copied or interpreted: a text is where it begins in the bytes and how long it is (a column and the next one),
a number is the contract's. What is not sent is 0, or as its row says. Numbers are never below 0 where the contract
allows none below; every other bound of the contract is still to be judged.
"""

from __future__ import annotations

import numpy as np

from engine.basket import CODES_MAX, FEES_MAX, LINES_MAX, MANUAL_DISCOUNTS_MAX, USAGE_MAX, VARIANTS_MAX
from engine.kernel import Ints

Columns = tuple[tuple[str, str], ...]  # name, meaning

SCALARS: Columns = (
    ("channel", "text"),
    ("channel_length", "its length"),
    ("store", "text"),
    ("store_length", "its length"),
    ("currency", "text"),
    ("currency_length", "its length"),
    ("delivery_service", "text"),
    ("delivery_service_length", "its length"),
    ("ruleset_digest", "text"),
    ("ruleset_digest_length", "its length"),
    ("tenant", "text"),
    ("tenant_length", "its length"),
    ("request_id", "text"),
    ("request_id_length", "its length"),
    ("basket_id", "text"),
    ("basket_id_length", "its length"),
    ("at_us", "microseconds"),
    ("as_of_us", "microseconds"),
    ("next_steps", "how many are asked for"),
    ("customer", "1: there is one; what follows is theirs"),
    ("customer_id", "text"),
    ("customer_id_length", "its length"),
    ("household", "text"),
    ("household_length", "its length"),
    ("facts_known", "1: they were looked up"),
    ("consents_known", "1: all of them are said"),
    ("facts_as_of_us", "microseconds"),
    ("history", "1: nothing happened since `complete_since_us` (a history with events is not read here)"),
    ("complete_since_us", "microseconds"),
)
(
    SAID_CHANNEL,
    _,
    SAID_STORE,
    _,
    SAID_CURRENCY,
    _,
    SAID_DELIVERY_SERVICE,
    _,
    SAID_RULESET_DIGEST,
    _,
    SAID_TENANT,
    _,
    SAID_REQUEST_ID,
    _,
    SAID_BASKET_ID,
    _,
    SAID_AT_US,
    SAID_AS_OF_US,
    SAID_NEXT_STEPS,
    SAID_CUSTOMER,
    SAID_CUSTOMER_ID,
    _,
    SAID_HOUSEHOLD,
    _,
    SAID_FACTS_KNOWN,
    SAID_CONSENTS_KNOWN,
    SAID_FACTS_AS_OF_US,
    SAID_HISTORY,
    SAID_COMPLETE_SINCE_US,
) = range(len(SCALARS))
SAID_COLUMNS = len(SCALARS)

NO_PRICE, PRICE_MINOR, PRICE_MICROS = 0, 1, 2  # in what a line's price is said
NOT_SAID = -1  # of rates and of what is paid, which may be 0

LINES: Columns = (
    ("id", "text"),
    ("id_length", "its length"),
    ("article", "text"),
    ("article_length", "its length"),
    ("quantity", "pieces"),
    ("measure", "thousandths of the unit"),
    ("unit", "number of the MeasureUnit; 0 = none"),
    ("price_in", "NO_PRICE, PRICE_MINOR, PRICE_MICROS"),
    ("price", "minor units, or micros"),
    ("rate", "of the tax, basis points; NOT_SAID"),
    ("gift_of", "text"),
    ("gift_of_length", "its length"),
    ("attributes", "its first row of attributes"),
    ("attributes_end", "behind its last row"),
)
(
    LINE_ID,
    _,
    LINE_ARTICLE,
    _,
    LINE_QUANTITY,
    LINE_MEASURE,
    LINE_UNIT,
    LINE_PRICE_IN,
    LINE_PRICE,
    LINE_RATE,
    LINE_GIFT_OF,
    _,
    LINE_ATTRIBUTES,
    LINE_ATTRIBUTES_END,
) = range(len(LINES))
LINE_COLUMNS = len(LINES)

# Whose an attribute is: the number of the line, or
OF_STORE, OF_DELIVERY, OF_BASKET, OF_CUSTOMER = -1, -2, -3, -4

ATTRIBUTES: Columns = (
    ("owner", "row of lines, or OF_…; those of one owner are in the order sent"),
    ("name", "text"),
    ("name_length", "its length"),
    ("kind", "number of the ValueKind; the value stands where that says, and nowhere else"),
    ("number", "NUMBER, YES_NO, PERCENT: the value; MONEY: minor units"),
    ("text", "TEXT, DATE: text; MONEY: its currency; TEXTS: the first row of texts"),
    ("text_length", "TEXTS: how many rows"),
)
(
    ATTRIBUTE_OWNER,
    ATTRIBUTE_NAME,
    _,
    ATTRIBUTE_KIND,
    ATTRIBUTE_NUMBER,
    ATTRIBUTE_TEXT,
    ATTRIBUTE_TEXT_LENGTH,
) = range(len(ATTRIBUTES))
ATTRIBUTE_COLUMNS = len(ATTRIBUTES)

TEXTS: Columns = (("text", "text"), ("text_length", "its length"))
TEXT_COLUMNS = len(TEXTS)  # of codes as well

FEES: Columns = (
    ("service", "text"),
    ("service_length", "its length"),
    ("amount", "minor units"),
    ("rate", "of the tax, basis points; NOT_SAID"),
)
FEE_SERVICE, _, FEE_AMOUNT, FEE_RATE = range(len(FEES))
FEE_COLUMNS = len(FEES)

PAYMENTS: Columns = (("means", "text"), ("means_length", "its length"), ("amount", "minor units; NOT_SAID"))
PAYMENT_MEANS, _, PAYMENT_AMOUNT = range(len(PAYMENTS))
PAYMENT_COLUMNS = len(PAYMENTS)

CONSENTS: Columns = (("name", "text"), ("name_length", "its length"), ("granted", "1: given, 0: refused"))
CONSENT_NAME, _, CONSENT_GRANTED = range(len(CONSENTS))
CONSENT_COLUMNS = len(CONSENTS)

USAGE: Columns = (
    ("promotion", "text"),
    ("promotion_length", "its length"),
    ("limit", "text"),
    ("limit_length", "its length"),
    ("code", "text"),
    ("code_length", "its length"),
    ("used", "a count, or minor units"),
)
USAGE_PROMOTION, _, USAGE_LIMIT, _, USAGE_CODE, _, USAGE_USED = range(len(USAGE))
USAGE_COLUMNS = len(USAGE)

VARIANTS: Columns = (
    ("promotion", "text"),
    ("promotion_length", "its length"),
    ("variant", "text"),
    ("variant_length", "its length"),
    ("control", "1: the control group"),
)
VARIANT_PROMOTION, _, VARIANT_VARIANT, _, VARIANT_CONTROL = range(len(VARIANTS))
VARIANT_COLUMNS = len(VARIANTS)

ENTRIES: Columns = (
    ("line", "text"),
    ("line_length", "its length"),
    ("quantity", "pieces"),
    ("kind", "number of the ManualDiscountKind; 0 = none"),
    ("percent", "basis points"),
    ("amount", "minor units"),
    ("reason", "text"),
    ("reason_length", "its length"),
)
ENTRY_LINE, _, ENTRY_QUANTITY, ENTRY_KIND, ENTRY_PERCENT, ENTRY_AMOUNT, ENTRY_REASON, _ = range(len(ENTRIES))
ENTRY_COLUMNS = len(ENTRIES)

PAYMENTS_MAX = 10
CONSENTS_MAX = 50
ATTRIBUTES_MAX = 4_096  # of all owners together; more are rare, and read elsewhere
TEXTS_MAX = 4_096  # in all lists of texts

# name, columns, rows there is room for, meaning
ASKED: tuple[tuple[str, Columns, int, str], ...] = (
    ("scalars", SCALARS, 1, "what is said once"),
    ("lines", LINES, LINES_MAX, "in the order sent, as all that follows"),
    ("attributes", ATTRIBUTES, ATTRIBUTES_MAX, "of every owner"),
    ("texts", TEXTS, TEXTS_MAX, "that lists of texts have"),
    ("codes", TEXTS, CODES_MAX, "as they were entered"),
    ("fees", FEES, FEES_MAX, "fees"),
    ("payments", PAYMENTS, PAYMENTS_MAX, "chosen means"),
    ("consents", CONSENTS, CONSENTS_MAX, "of the customer"),
    ("usage", USAGE, USAGE_MAX, "of limits"),
    ("variants", VARIANTS, VARIANTS_MAX, "that are chosen"),
    ("entries", ENTRIES, MANUAL_DISCOUNTS_MAX, "manual discounts"),
)
(
    A_SCALARS,
    A_LINES,
    A_ATTRIBUTES,
    A_TEXTS,
    A_CODES,
    A_FEES,
    A_PAYMENTS,
    A_CONSENTS,
    A_USAGE,
    A_VARIANTS,
    A_ENTRIES,
) = range(len(ASKED))

TABLES = len(ASKED)
_DIRECTORY = 2 * TABLES
BEGIN = tuple(_DIRECTORY + sum(len(columns) * rows for _, columns, rows, _ in ASKED[:i]) for i in range(len(ASKED)))
END = tuple(begin + len(columns) * rows for begin, (_, columns, rows, _) in zip(BEGIN, ASKED, strict=True))
SIZE = END[-1]


def scratch() -> Ints:
    """Room for one request, whichever it is."""
    return np.zeros(SIZE, np.int64)
