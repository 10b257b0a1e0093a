"""Text → declarations: what is read, what is refused, and where."""

from __future__ import annotations

import collections

import pytest

from dsl import ast
from dsl.compiler import compile_project
from dsl.diagnostics import render
from dsl.parse import parse, parser
from dsl.vocabulary import CLAUSES, DECLARATIONS
from tests.unit.dsl.frame import compile_framed
from tests.unit.dsl.garden import EVERY_CONSTRUCT, garden

NINE_WRONG_LINES = """\
promotion autumn {
  runs from 17.09.2026 until 2026-09-30
  sold in stores
  for costumers of gold
  wenn basket is worth at least EUR 50.00
  when basket is worth at least EUR 50,00 of fashion
  when basket is worth >= EUR 50.00
  when customer.tier is gold or customer.tier is silver
  get 10 € off fashion together
  get 10% of fashion
  limt 1 per customer
  group coupons
}
"""


def found(text: str) -> list[tuple[str, int, str]]:
    """Codes, lines, and the characters under the carets."""
    lines = text.split("\n")
    findings = sorted(parse("a.promo", text.encode()).findings, key=lambda finding: finding.span)
    return [
        (
            finding.code,
            finding.span.line,
            lines[finding.span.line - 1][finding.span.column - 1 : finding.span.end_column - 1],
        )
        for finding in findings
    ]


def test_the_grammar_has_no_conflict_and_no_collision():
    assert parser(strict=True) is not None


def test_nine_wrong_lines_are_nine_located_findings():
    assert found(NINE_WRONG_LINES) == [
        ("P0103", 2, "17.09.2026"),
        ("P0202", 4, "of"),
        ("P0201", 5, "wenn"),
        ("P0101", 6, "EUR 50,00"),
        ("P0105", 7, ">="),
        ("P0104", 8, "or"),
        ("P0102", 9, "10 €"),
        ("P0107", 10, "of"),
        ("P0201", 11, "limt"),
    ]


@pytest.mark.parametrize(
    "line",
    ["limit 1 perbasket", "get 10% offpasta", "limit 1 percustomer", "buy 3 ofpasta", "foreveryone", "soldin stores"],
)
def test_glued_words_are_refused(line):
    findings = found("promotion a {\n  " + line + "\n}\n")
    assert len(findings) == 1 and findings[0][0] in ("P0208", "P0201") and findings[0][1] == 2


# What the machine cannot run yet, and how many lines of every-construct.promo need it.
REFUSED = {
    "P9003": 1,
    "P9024": 1,
    "P9026": 1,
}


def test_every_construct_is_right_but_for_what_cannot_run_yet():
    """Whoever teaches the machine a construct takes its row out of REFUSED."""
    compilation = compile_project(garden())
    assert collections.Counter(finding.code for finding in compilation.diagnostics) == REFUSED
    assert not parse("every.promo", EVERY_CONSTRUCT.read_bytes()).findings


def test_a_finding_shows_the_line_as_written():
    text = "promotion a {\n  when basket is worth at least EUR 50,00 of fashion   # soon\n}\n"
    finding = parse("fashion.promo", text.encode()).findings[0]
    assert render(finding, {"fashion.promo": text}).split("\n") == [
        "error P0101  Amounts use a point.                                              [fix]",
        "   fashion.promo:2    when basket is worth at least EUR 50,00 of fashion   # soon",
        "                                                    ^^^^^^^^^ write EUR 50.00",
        "   Receipts still print it in the reader's own way, with a comma in German.",
    ]


def test_signs_inside_texts_are_no_wrong_forms():
    text = 'promotion a {\n  label de "ab 50,00 € >= oder 17.09.2026"\n  limt 1 per basket\n}\n'
    assert found(text) == [("P0201", 3, "limt")]


def test_a_broken_line_hides_no_other_finding_and_causes_none():
    example = "promotion autumn {\n  runs from 2026-09-01 untl 2026-09-30\n  sold in shops\n  for everyone\n"
    example += "  get 10% off pasta\n"
    example += '  group item-deals\n  label en "A"\n}\n'
    assert [finding.code for finding in compile_framed(example).diagnostics] == ["P0202", "P1008"]


def test_a_misspelt_declaration_is_read_as_what_it_means():
    example = "segmnt vips {\n  customer.tier is gold\n}\n\nsegment more {\n  in vips\n}\n"
    assert [finding.code for finding in compile_framed(example).diagnostics] == ["P0204"]


def test_a_declaration_that_cannot_be_read_is_still_known_by_name():
    example = "products Nudeln {\n  in pasta\n}\n\nproducts more {\n  in nudeln-bio\n}\n\nproducts nudeln-bio {\n}\n"
    assert [finding.code for finding in compile_framed(example).diagnostics] == ["P0213", "P0207"]


def test_a_missing_brace_costs_one_finding():
    example = "segment a {\n  customer.tier is gold\n\nsegment b {\n  in a\n}\n"
    assert [finding.code for finding in compile_framed(example).diagnostics] == ["P0205"]


def test_lists_go_on_after_a_comma_and_comments_may_stand_anywhere():
    text = "# first\nsequence a, # one\n  b,\n\n  c\n# last"
    (node,) = parse("a.promo", text.encode()).declarations
    assert isinstance(node, ast.Sequence) and [name.text for name in node.names] == ["a", "b", "c"]


def test_windows_lines_and_a_byte_order_mark_are_read():
    text = "\ufeffsegment a {\r\n  customer.tier is gold\r\n}\r\n"
    parsed = parse("a.promo", text.encode())
    assert not parsed.findings and len(parsed.declarations) == 1


@pytest.mark.parametrize(
    ("days", "expected"),
    [("Mon", {0}), ("Mon to Fri", {0, 1, 2, 3, 4}), ("Sat to Mon", {5, 6, 0}), ("Sat, Sun", {5, 6})],
)
def test_days(days, expected):
    (node,) = parse("a.promo", f"promotion a {{\n  only on {days}\n}}\n".encode()).declarations
    assert isinstance(node, ast.Promotion)
    clause = node.clauses[0]
    assert isinstance(clause, ast.OnlyOn) and isinstance(clause.slots[0], ast.Slot)
    assert clause.slots[0].days == expected


def test_the_vocabulary_lists_what_the_grammar_has():
    literals = {terminal.pattern.value for terminal in parser().terminals if terminal.pattern.type == "str"}
    assert set(DECLARATIONS) <= literals
    assert {clause.split()[0] for clause in CLAUSES} <= literals
