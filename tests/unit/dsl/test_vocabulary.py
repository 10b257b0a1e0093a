"""THE table: every example runs, every type and operator is covered."""

from __future__ import annotations

import re

import pytest

from dsl import vocabulary
from dsl.following import Context, offers
from dsl.parse import parse
from dsl.vocabulary import CLAUSES, LINES, OPERATORS, REASONS, RESERVED, REWARDS, TYPES, Row, row_of
from tests.unit.dsl.frame import compile_framed
from tests.unit.dsl.garden import compiled

MORE = """\
segment champions {
  customer.score is at least 4
}

codes newsletter {
  code "NEWS"
}

products gift-cards {
  item.kind is gift-card
}

promotion other-week {
  runs from 2026-09-01 until 2026-09-30
  sold everywhere
  for everyone
  get 10% off gift-cards
  group item-deals
  label en "Other week"
}

"""
SETTINGS = """\
settings {
  currency EUR
  timezone Europe/Berlin
  languages en
  points 1 per EUR 1.00
}

"""
FILES = {"lists/small.csv": b"sku\n1\n"}
USUAL = {
    "runs": "runs from 2026-09-01 until 2026-09-30",
    "sold": "sold everywhere",
    "for": "for everyone",
    "get": "get 10% off pasta",
    "group": "group item-deals",
    "label": 'label en "Offer"',
}


def offer(*lines: str) -> str:
    words = {line.split()[0] for line in lines}
    body = [*(line for word, line in USUAL.items() if word not in words), *lines]
    return MORE + "promotion offer {\n" + "".join(f"  {line}\n" for line in body) + "}\n"


def errors(text: str) -> list[str]:
    findings = compile_framed(text, FILES).diagnostics
    return [f"{finding.code} {finding.message}" for finding in findings if finding.severity == "error"]


@pytest.mark.parametrize("name", OPERATORS)
def test_examples_of_operators_run(name):
    example = OPERATORS[name].example
    kind = "products" if example.startswith("item") else "segment"
    assert not errors(MORE + f"{kind} asked {{\n  {example}\n}}\n")


@pytest.mark.parametrize("name", [name for name, row in CLAUSES.items() if not row.later])
def test_examples_of_clauses_run(name):
    example = CLAUSES[name].example
    more = {
        "buy": ["get the cheapest 1 free"],
        "with reason": ["get what the cashier enters, at most 30%"],
        "hint": ["when basket is worth at least EUR 50.00"],
        "variants": ["variant ten 90% get 10% off pasta", "control 10%", "}"],
    }.get(name, [])
    text = offer(example, *more)
    instead = name in ("variants", "with reason")  # of the usual reward
    assert not errors(text.replace("  get 10% off pasta\n", "") if instead else text)


@pytest.mark.parametrize("name", [name for name, row in REWARDS.items() if not row.later])
def test_examples_of_rewards_run(name):
    example = REWARDS[name].example
    bought = "cheapest of" not in name and any(
        word in example for word in ("them", "the cheapest", "every ", " of sauce")
    )
    benefit = any(word in name for word in ("free service", "fee", "points", "gift", "code"))
    group = "group delivery" if benefit else "group basket-deals"
    begins = "from EUR 50.00" if "spend" in name else "from 6"
    tiers = [f"{begins} get 5% off", "}"] if example.endswith("{") else []
    table = 'prices "ACME" from "data/acme.csv"\n\n' if "list" in name else ""
    before = ["buy 3 of pasta"] if bought else ["with reason one of damaged"] if name == "cashier" else []
    assert not errors(SETTINGS + table + offer(*before, example, *tiers, group))


@pytest.mark.parametrize("name", TYPES)
def test_examples_of_types_run(name):
    example = TYPES[name].example
    attribute = example.partition(":")[0]
    text = f"schema {{\n  attributes item {{\n    {example}\n  }}\n  channels stores\n}}\n\n"
    assert not errors(text + f"products known {{\n  item.{attribute} is known\n}}\n")


@pytest.mark.parametrize(
    ("within", "line", "key"),
    [
        ("segment", "at least 2 orders so far", "at least"),
        ("promotion", "basket has no pasta", "basket has no"),
        ("test", "given 2 uses of pasta-week today", "given … use"),
        ("test", "given 1 order 3 days ago worth EUR 5.00", "given … ago"),
        ("test", "given no orders", "given no"),
        ("test", "expect pasta-week does not apply because schedule", "expect … does not apply"),
        ("test", "expect", "expect"),
    ],
)
def test_a_line_has_the_row_that_says_most_of_it(within, line, key):
    found = row_of(within, line)
    assert found is not None and found[0] == key


def test_every_type_has_an_operator_beside_known():
    for name in TYPES:
        assert sum(name in row.types for row in OPERATORS.values()) > 2, name


@pytest.mark.parametrize("noun", ["product set", "segment", "places", "promotion", "sample"])
def test_reserved_names_are_refused(noun):
    lines = {
        "product set": ("products", "  in pasta\n"),
        "segment": ("segment", "  in gold-members\n"),
        "places": ("places", "  in north\n"),
        "promotion": ("promotion", "".join(f"  {line}\n" for line in USUAL.values())),
        "sample": ("sample", "  price: EUR 1.00\n"),
    }
    keyword, body = lines[noun]
    for name in sorted(RESERVED[noun]):
        assert [error[:5] for error in errors(f"{keyword} {name} {{\n{body}}}\n")] == ["P1016"], name


def test_reasons_are_the_engines():
    assert REASONS["code-missing"].name == "CODE_MISSING" and len(REASONS) == 21


IN = {
    "condition": "segment x {",
    "variant": "promotion x {\n  variants by customer {",
    "control": "promotion x {\n  variants by customer {",
    "from": "promotion x {\n  get by quantity of pasta {",
    "basket": "promotion x {\n  when any of {",
    "payment": "promotion x {\n  when any of {",
    "delivery": "promotion x {\n  when any of {",
    "test": 'test "x" {',
    "settings": "settings {",
    "schema": "schema {",
}
INNER = {
    "all of {": "in pasta",
    "any of {": "in pasta",
    "none of {": "in pasta",
    "attributes customer {": "a: text",
    "event orders, one order {": "a: text",
    "variants by customer {": "control 10%",
}


@pytest.mark.parametrize(("within", "line"), [(within, line) for within, rows in LINES.items() for line in rows])
def test_examples_of_other_lines_can_be_read(within, line):
    example = LINES[within][line].example
    assert re.search(".* ".join(map(re.escape, line.split(" … "))), example)
    head = IN.get(line.split()[0], IN.get(within, f"{within} x {{"))
    inner = f"\n{INNER[example]}\n}}" if example in INNER else ""
    text = f"{head}\n{example}{inner}\n" + "}\n" * head.count("{")
    assert not parse("x.promo", text.encode()).findings, text


@pytest.mark.parametrize("block", ["settings", "schema", "products x", "places x", "segment x", "group x", "guard x"])
def test_every_line_has_a_row(block):
    check_rows(block)


@pytest.mark.parametrize("block", ["codes x", "promotion x", 'test "x"'])
def test_every_clause_has_a_row(block):
    check_rows(block)


def check_rows(block: str) -> None:
    words = {offer.text for offer in offers(Context((block + " {",), "", 0, 0)) if offer.text} - {"basket"}
    keyword = block.split(maxsplit=1)[0]
    assert words
    assert not {word for word in words if row_of(keyword, word) is None}


# ---------------------------------------------------------------------------------------------------- every row

SHOP = """\
products pasta {
  item.category is under "Food/Pasta"
}

products sauce {
  item.category is under "Food/Sauce"
}

products gift-cards {
  item.kind is gift-card
}

places city-stores {
  store.region is "Hamburg"
}

segment gold-members {
  customer.tier is gold
}

segment employees {
  customer.score is 5
}

segment champions {
  customer.score is at least 4
}

codes spring {
  code "SPRING"
}

codes newsletter {
  code "NEWS"
}

promotion pasta-week {
  runs from 2026-09-01 until 2026-09-30
  sold everywhere
  for everyone
  get 10% off pasta
  limit 1 per customer
  group item-deals
  funded by supplier "Pastella"
  label en "Pasta week"
}

promotion other-week {
  runs from 2026-09-01 until 2026-09-30
  sold everywhere
  for everyone
  get 10% off sauce
  group item-deals
  label en "Other week"
}

promotion tried-too {
  runs from 2026-09-01 until 2026-09-30
  sold everywhere
  for everyone
  variants by customer {
    variant ten 90% get 10% off sauce
    control 10%
  }
  group item-deals
  label en "Tried too"
}

sample penne {
  category: "Food/Pasta"
  price: EUR 2.00
}

"""
BLOCKS = {  # what follows an example that opens a block
    "attributes": ["tier: text", "}"],
    "event": ["total: money", "}"],
    "all of": ["in gold-members", "}"],
    "any of": ["in gold-members", "}"],
    "none of": ["in gold-members", "}"],
    "variants": ["variant ten 90% get 10% off pasta", "control 10%", "}"],
    "get by quantity": ["from 6 get 5% off", "}"],
    "get by spend": ["from EUR 50.00 get 5% off", "}"],
}
GROUPS = {
    "delivery": ("the fee of", "free shipping"),
    "gifts": (" gift from", " points", "a code from"),
    "basket-deals": ("",),
}


def block(example: str) -> list[str]:
    return [example, *next((lines for words, lines in BLOCKS.items() if example.startswith(words)), [])]


def clauses_of(example: str) -> list[str]:
    """A promotion that the line fits."""
    before = []
    if " them" in example or any(word in example for word in ("the cheapest 1", "every ", " of sauce")):
        before = ["buy 3 of pasta"] if " cheapest 2 of" not in example else []
    if "cashier" in example:
        before = ["with reason one of damaged"]
    if example.startswith("with reason"):
        before = ["get what the cashier enters, at most 30%"]
    if "{missing}" in example or example.startswith("buy "):
        before = ["buy 3 of pasta", "get the cheapest 1 free"][example.startswith("buy ") :]
    if "{points}" in example:
        before = ["get 500 points"]
    if "has no pasta" in example:
        before = ["get 10% off sauce"]
    if "limit 1 per code" in example:
        before = ["with code from spring"]
    lines = [*before, *block(example)]
    said = {line.split()[0] for line in lines} | ({"get"} if "variants by customer {" in lines else set())
    shown = " ".join(lines)
    group = next(name for name, words in GROUPS.items() if any(word in shown for word in words))
    usual = {**USUAL, "group": f"group {group}"}
    return [*lines, *(line for word, line in usual.items() if word not in said)]


def around(table: str, row: Row) -> str:
    """A project that the example of a row stands in."""
    example, lines = row.example, block(row.example)
    match table:
        case "DECLARATIONS":
            return example
        case "CONDITIONS":
            if any(word in example for word in ("basket", "payment", "delivery")):
                return "promotion asked {\n  " + "\n  ".join(clauses_of("when " + example)) + "\n}"
            usual = ["consent to profiling"] if "consent" not in example else []
            return "segment asked {\n  " + "\n  ".join([*lines, *usual]) + "\n}"
        case "TIERS":
            group = "gifts" if "gift" in example or "points" in example else "basket-deals"
            tiers = ["get by quantity of pasta {", example, "}"]
            rest = [f"group {group}", *(line for word, line in USUAL.items() if word not in ("get", "group"))]
            return "promotion asked {\n  " + "\n  ".join([*tiers, *rest]) + "\n}"
        case "TEST_LINES":
            usual = [
                line for line in ("at 2026-09-12 12:00", "sold in stores") if line.split()[0] != example.split()[0]
            ]
            usual += [] if example.startswith("buys") else ["buys 2 x penne"]
            usual += [] if example.startswith("expect") else ["expect nothing applies"]
            fresh = "segment asked {\n  customer.tier is gold\n  refresh realtime\n}\n" if "facts" in example else ""
            return fresh + 'test "it" {\n' + "\n  ".join([*usual, example]) + "\n}"
        case _:
            return "promotion asked {\n  " + "\n  ".join(clauses_of(example)) + "\n}"


ROWS = [
    (table, name)
    for table, rows in vars(vocabulary).items()
    if isinstance(rows, dict) and all(isinstance(row, Row) for row in rows.values())
    for name in rows
    if not (table == "DECLARATIONS" and (rows[name].example.endswith("{") or name == "sequence"))
]


@pytest.mark.parametrize(("table", "name"), ROWS)
def test_each_example_runs_or_is_refused_as_its_row_says(table, name):
    """Whoever teaches the machine a construct takes `later` out of its row, and perhaps its line out of `around`."""
    row = getattr(vocabulary, table)[name]
    text = around(table, row)
    files = {"data/catalogue.csv": b"sku\n1\n", "lists/codes.csv": b"A\n"}
    lists = "" if text.startswith("prices") else 'prices "ACME" from "data/acme.csv"\n'
    shop = "" if text.startswith("schema") else SHOP
    files["data/acme.csv"] = b"article,price\n1,1.00\n"
    found = compiled(f"{text}\n{shop}{lists}", files).diagnostics
    line = 1 + next(number for number, line in enumerate(text.split("\n")) if line.strip().endswith(row.example))
    here = [finding for finding in found if (finding.span.file, finding.span.line) == ("text.promo", line)]
    assert {finding.code for finding in here} == ({row.later} if row.later else set()), text
    assert [finding.code for finding in found if not finding.code.startswith("P9")] == []
