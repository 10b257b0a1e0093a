"""What a Decision says, as flat tables: filled by what decides, written as the contract's bytes by engine/wire_out.py.

One int64 array with a directory, as engine/asked.py has it. There is a table for each message that a Decision holds and
a row for each such message; the Decision itself is row 0 of its table. Which columns a field has, its form says:

* NUMBER  one: the number, the enum's, or 1 for yes. 0 is not written.
* OPTIONAL  one: one more than the number, which may be 0; 0 is not written.
* TEXT  three: which bytes it is in (IN_REQUEST, IN_RULESET, IN_CALL: what was made for this call), where it begins
  there, its length. An empty one is not written.
* READY  three, as TEXT: fields as they are to be written, tags, lengths and all. For labels and hints, which a ruleset
  has ready where they hold no amounts.
* ROWS  two: the first row of the other message's table, and how many. Also for a message that is there once or not at
  all.
* TEXTS  two, likewise: rows of the table of texts, each as TEXT.

Rows stand in the order in which the contract wants them. `column` is where a field's first column is.
"""

from __future__ import annotations

import numpy as np

from engine.basket import CODES_MAX, FEES_MAX, LINES_MAX, NEXT_STEPS_MAX
from engine.kernel import Ints

FORMAT_NUMBER = 1  # of the Decision message

NUMBER, OPTIONAL, TEXT, READY, ROWS, TEXTS = range(6)
COLUMNS = (1, 1, 3, 3, 2, 2)  # of each form; the last is 0 where there is nothing to write
IN_REQUEST, IN_RULESET, IN_CALL = range(3)
Field = tuple[str, int, int, str]  # name, number, form; of ROWS: which message

# message, rows there is room for, fields in the order of their numbers
ANSWERED: tuple[tuple[str, int, tuple[Field, ...]], ...] = (
    (
        "Decision",
        1,
        (
            ("format_number", 1, NUMBER, ""),
            ("semantics_number", 2, NUMBER, ""),
            ("ruleset_digest", 3, TEXT, ""),
            ("currency", 4, TEXT, ""),
            ("proof", 5, NUMBER, ""),
            ("proof_bound_minor", 6, NUMBER, ""),
            ("lines", 7, ROWS, "LineResult"),
            ("promotions", 8, ROWS, "PromotionResult"),
            ("fees", 9, ROWS, "FeeResult"),
            ("codes", 10, ROWS, "CodeVerdict"),
            ("totals", 11, ROWS, "Totals"),
            ("taxes", 12, ROWS, "TaxTotal"),
            ("gifts", 13, ROWS, "GiftResult"),
            ("points", 14, ROWS, "PointsResult"),
            ("next_codes", 15, ROWS, "NextCode"),
            ("next_steps", 16, ROWS, "NextStep"),
            ("free_services", 17, TEXTS, ""),
        ),
    ),
    (
        "LineResult",
        LINES_MAX,
        (
            ("line_id", 1, TEXT, ""),
            ("list_minor", 2, NUMBER, ""),
            ("net_minor", 3, NUMBER, ""),
            ("discounts", 4, ROWS, "LineDiscount"),
            ("units", 5, ROWS, "UnitShare"),
            ("refund_minor", 6, NUMBER, ""),
            ("tax_rate_basis_points", 7, NUMBER, ""),
        ),
    ),
    ("LineDiscount", 4_096, (("promotion", 1, TEXT, ""), ("amount_minor", 2, NUMBER, ""))),
    (
        "UnitShare",
        4_096,
        (("count", 1, NUMBER, ""), ("net_minor", 2, NUMBER, ""), ("refund_minor", 3, NUMBER, "")),
    ),
    (
        "PromotionResult",
        4_096,
        (
            ("promotion", 1, TEXT, ""),
            ("reason", 2, NUMBER, ""),
            ("applications", 3, NUMBER, ""),
            ("saving_minor", 4, NUMBER, ""),
            ("labels", 5, READY, ""),
            ("codes", 6, TEXTS, ""),
            ("beaten_by", 7, TEXTS, ""),
            ("would_save_minor", 8, OPTIONAL, ""),
            ("missing", 9, ROWS, "Missing"),
            ("failing_clause", 10, TEXT, ""),
            ("hints", 11, READY, ""),
            ("usage_judged", 12, NUMBER, ""),
            ("fee_saving_minor", 13, NUMBER, ""),
            ("variant", 14, TEXT, ""),
            ("funding", 15, ROWS, "Funding"),
            ("tier", 16, NUMBER, ""),
            ("next_tier", 17, ROWS, "Missing"),
        ),
    ),
    (
        "Missing",
        8_192,
        (
            ("kind", 1, NUMBER, ""),
            ("amount_minor", 2, NUMBER, ""),
            ("pieces", 3, NUMBER, ""),
            ("measure_thousandths", 4, NUMBER, ""),
            ("measure_unit", 5, NUMBER, ""),
            ("product_set", 6, TEXT, ""),
            ("product_set_title", 7, TEXT, ""),
        ),
    ),
    ("Funding", 4_096, (("party", 1, NUMBER, ""), ("name", 2, TEXT, ""), ("amount_minor", 3, NUMBER, ""))),
    (
        "FeeResult",
        FEES_MAX,
        (
            ("service", 1, TEXT, ""),
            ("list_minor", 2, NUMBER, ""),
            ("net_minor", 3, NUMBER, ""),
            ("discounts", 4, ROWS, "FeeDiscount"),
            ("tax_rate_basis_points", 5, OPTIONAL, ""),
        ),
    ),
    ("FeeDiscount", 256, (("promotion", 1, TEXT, ""), ("amount_minor", 2, NUMBER, ""))),
    (
        "CodeVerdict",
        CODES_MAX,
        (("code", 1, TEXT, ""), ("verdict", 2, NUMBER, ""), ("promotion", 3, TEXT, ""), ("reason", 4, NUMBER, "")),
    ),
    (
        "Totals",
        1,
        (
            ("list_minor", 1, NUMBER, ""),
            ("saving_minor", 2, NUMBER, ""),
            ("net_minor", 3, NUMBER, ""),
            ("fee_list_minor", 4, NUMBER, ""),
            ("fee_net_minor", 5, NUMBER, ""),
            ("tax_minor", 6, NUMBER, ""),
            ("prices_include_tax", 7, NUMBER, ""),
            ("refunded_minor", 8, NUMBER, ""),
            ("payable_minor", 9, NUMBER, ""),
            ("cash_rounding_minor", 10, NUMBER, ""),
        ),
    ),
    (
        "TaxTotal",
        LINES_MAX + FEES_MAX,
        (
            ("tax_rate_basis_points", 1, NUMBER, ""),
            ("without_tax_minor", 2, NUMBER, ""),
            ("tax_minor", 3, NUMBER, ""),
            ("with_tax_minor", 4, NUMBER, ""),
        ),
    ),
    (
        "GiftResult",
        256,
        (
            ("promotion", 1, TEXT, ""),
            ("state", 2, NUMBER, ""),
            ("count", 3, NUMBER, ""),
            ("line_ids", 4, TEXTS, ""),
            ("product_set", 5, TEXT, ""),
            ("product_set_title", 6, TEXT, ""),
            ("articles", 7, TEXTS, ""),
            ("unit_price_minor", 8, NUMBER, ""),
        ),
    ),
    (
        "PointsResult",
        1,
        (("earned", 1, NUMBER, ""), ("base", 2, NUMBER, ""), ("promotions", 3, ROWS, "PromotionPoints")),
    ),
    ("PromotionPoints", 256, (("promotion", 1, TEXT, ""), ("points", 2, NUMBER, ""))),
    (
        "NextCode",
        256,
        (
            ("promotion", 1, TEXT, ""),
            ("code_set", 2, TEXT, ""),
            ("count", 3, NUMBER, ""),
            ("valid_until_us", 4, NUMBER, ""),
        ),
    ),
    (
        "NextStep",
        NEXT_STEPS_MAX,
        (
            ("promotion", 1, TEXT, ""),
            ("missing", 2, ROWS, "Missing"),
            ("saving_minor", 3, NUMBER, ""),
            ("hints", 4, READY, ""),
            ("additions", 5, ROWS, "Addition"),
            ("payable_minor", 6, NUMBER, ""),
        ),
    ),
    (
        "Addition",
        256,
        (
            ("article", 1, TEXT, ""),
            ("pieces", 2, NUMBER, ""),
            ("measure_thousandths", 3, NUMBER, ""),
            ("measure_unit", 4, NUMBER, ""),
        ),
    ),
    ("", 4_096, (("text", 0, TEXT, ""),)),  # the table of texts
)
TABLES = len(ANSWERED)
NAMES = tuple(name for name, _, _ in ANSWERED)
WIDTHS = tuple(sum(COLUMNS[form] for _, _, form, _ in fields) for _, _, fields in ANSWERED)  # columns of each table
ROOM = tuple(rows for _, rows, _ in ANSWERED)
BEGIN = tuple(
    2 * TABLES + sum(width * rows for width, rows in zip(WIDTHS[:table], ROOM[:table], strict=True))
    for table in range(TABLES)
)
SIZE = BEGIN[-1] + WIDTHS[-1] * ROOM[-1]
DECISION, THE_TEXTS = 0, TABLES - 1


def column(message: str, field: str) -> int:
    """The first column of a field, in its message's table."""
    first = 0
    for name, _, form, _ in ANSWERED[NAMES.index(message)][2]:
        if name == field:
            return first
        first += COLUMNS[form]
    raise KeyError(field)


def scratch() -> Ints:
    """Room for one Decision; tables are empty."""
    answered = np.zeros(SIZE, np.int64)
    answered[: 2 * TABLES : 2] = BEGIN
    return answered
