"""Rows of the tables of a Decision (engine/answered.py): which table is which, where a column is, a new row."""

from __future__ import annotations

import numpy as np

from engine.answered import (
    BEGIN,
    IN_RULESET,
    NAMES,
    ROOM,
    WIDTHS,
    column,
)
from engine.kernel import Ints, bare
from engine.told import (
    Words,
)

# Why tables are not filled.
FILLED = 0
WANTED = 1  # texts are to be told first
KINDS = 2  # a gift or a next code is given
ROWS = 3  # more rows than there is room for
LARGE = 4  # numbers that pass 64 bits on their way, or are to be refused
REASONS = ("filled", "texts are wanted", "a gift or a next code", "rows", "large numbers")

_TABLE = {name: NAMES.index(name) for name in NAMES}
DECISION, LINES, DISCOUNTS, SHARES, PROMOTIONS, MISSING, FUNDING, FEES, FEE_DISCOUNTS, TOTALS, TAXES, POINTS, EARNED = (
    _TABLE[name]
    for name in (
        "Decision",
        "LineResult",
        "LineDiscount",
        "UnitShare",
        "PromotionResult",
        "Missing",
        "Funding",
        "FeeResult",
        "FeeDiscount",
        "Totals",
        "TaxTotal",
        "PointsResult",
        "PromotionPoints",
    )
)
TEXTS = _TABLE[""]
COLUMNS_OF = np.array(WIDTHS, np.int64)
BEGINS = np.array(BEGIN, np.int64)
ROOMS = np.array(ROOM, np.int64)


def _columns(message: str, *fields: str) -> tuple[int, ...]:
    return tuple(column(message, field) for field in fields)


D_FORMAT, D_SEMANTICS, D_DIGEST, D_CURRENCY, D_PROOF, D_BOUND = _columns(
    "Decision", "format_number", "semantics_number", "ruleset_digest", "currency", "proof", "proof_bound_minor"
)
D_LINES, D_PROMOTIONS, D_FEES, D_TOTALS, D_TAXES, D_POINTS, D_SERVICES = _columns(
    "Decision", "lines", "promotions", "fees", "totals", "taxes", "points", "free_services"
)
L_ID, L_LIST, L_NET, L_DISCOUNTS, L_UNITS, L_REFUND, L_RATE = _columns(
    "LineResult", "line_id", "list_minor", "net_minor", "discounts", "units", "refund_minor", "tax_rate_basis_points"
)
S_COUNT, S_NET, S_REFUND = _columns("UnitShare", "count", "net_minor", "refund_minor")
A_PROMOTION, A_AMOUNT = _columns("LineDiscount", "promotion", "amount_minor")
P_NAME, P_REASON, P_APPLICATIONS, P_SAVING, P_LABELS, P_BEATEN_BY, P_WOULD_SAVE, P_MISSING = _columns(
    "PromotionResult",
    "promotion",
    "reason",
    "applications",
    "saving_minor",
    "labels",
    "beaten_by",
    "would_save_minor",
    "missing",
)
P_CLAUSE, P_HINTS, P_USAGE, P_FEE_SAVING, P_FUNDING, P_TIER, P_NEXT_TIER = _columns(
    "PromotionResult",
    "failing_clause",
    "hints",
    "usage_judged",
    "fee_saving_minor",
    "funding",
    "tier",
    "next_tier",
)
M_KIND, M_AMOUNT, M_PIECES, M_MEASURE, M_UNIT, M_SET, M_TITLE = _columns(
    "Missing",
    "kind",
    "amount_minor",
    "pieces",
    "measure_thousandths",
    "measure_unit",
    "product_set",
    "product_set_title",
)
F_PARTY, F_NAME, F_AMOUNT = _columns("Funding", "party", "name", "amount_minor")
E_SERVICE, E_LIST, E_NET, E_DISCOUNTS, E_RATE = _columns(
    "FeeResult", "service", "list_minor", "net_minor", "discounts", "tax_rate_basis_points"
)
B_LIST, B_SAVING, B_NET, B_FEE_LIST, B_FEE_NET, B_TAX, B_INSIDE, B_PAYABLE, B_CASH = _columns(
    "Totals",
    "list_minor",
    "saving_minor",
    "net_minor",
    "fee_list_minor",
    "fee_net_minor",
    "tax_minor",
    "prices_include_tax",
    "payable_minor",
    "cash_rounding_minor",
)
X_RATE, X_WITHOUT, X_TAX, X_WITH = _columns(
    "TaxTotal", "tax_rate_basis_points", "without_tax_minor", "tax_minor", "with_tax_minor"
)
N_EARNED, N_BASE, N_PROMOTIONS = _columns("PointsResult", "earned", "base", "promotions")
G_PROMOTION, G_POINTS = _columns("PromotionPoints", "promotion", "points")


@bare
def add(answered: Ints, table: int) -> int:
    """A new row of a table, all 0: where it begins; -1: there is no room."""
    used = answered[2 * table + 1]
    if used >= ROOMS[table] * COLUMNS_OF[table]:
        return -1
    answered[2 * table + 1] = used + COLUMNS_OF[table]
    begin = BEGINS[table] + used
    for i in range(COLUMNS_OF[table]):
        answered[begin + i] = 0
    return begin


@bare
def count(answered: Ints, table: int) -> int:
    """How many rows a table has."""
    return answered[2 * table + 1] // COLUMNS_OF[table]


@bare
def row_at(table: int, row: int) -> int:
    """Where a row of a table begins."""
    return BEGINS[table] + row * COLUMNS_OF[table]


@bare
def put(answered: Ints, to: int, where: int, begin: int, length: int) -> None:
    """A text into its three columns."""
    answered[to], answered[to + 1], answered[to + 2] = where, begin, length


@bare
def put_name(answered: Ints, to: int, words: Words, place: int) -> None:
    """A text of the ruleset that stands in its cells."""
    put(answered, to, IN_RULESET, words.cells[place], words.cells[place + 1])
