"""THE table: every example runs, every type and operator is covered."""

from __future__ import annotations

import pytest

from dsl.following import Context, offers
from dsl.parse import parse
from dsl.vocabulary import CLAUSES, LINES, OPERATORS, REASONS, RESERVED, REWARDS, TYPES, row_of
from tests.unit.dsl.frame import compile_framed

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


@pytest.mark.parametrize("name", CLAUSES)
def test_examples_of_clauses_run(name):
    example = CLAUSES[name].example
    more = ["get the cheapest 1 free"] if name == "buy" else []
    assert not errors(offer(example, *more))


@pytest.mark.parametrize("name", REWARDS)
def test_examples_of_rewards_run(name):
    example = REWARDS[name].example
    bought = any(word in example for word in ("them", "the cheapest", "every "))
    group = "group delivery" if name == "free service" else "group basket-deals"
    assert not errors(offer(*(["buy 3 of pasta"] if bought else []), example, group))


@pytest.mark.parametrize("name", TYPES)
def test_examples_of_types_run(name):
    example = TYPES[name].example
    attribute = example.partition(":")[0]
    text = f"schema {{\n  attributes item {{\n    {example}\n  }}\n  channels stores\n}}\n\n"
    assert not errors(text + f"products known {{\n  item.{attribute} is known\n}}\n")


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
    assert example.startswith(line)
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
