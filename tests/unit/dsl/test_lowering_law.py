"""Text → decision, where a reader of docs/semantics.md could read a clause in two ways: the bounds, to the second."""

from __future__ import annotations

import pathlib
import re
from functools import partial

import pytest

from dsl.compiler import Compilation, compile_project
from dsl.diagnostics import render
from dsl.report import report
from dsl.testing import run
from engine.program import Promotion, encode
from tests.oracle.decide import decide as oracle
from tests.unit.dsl.frame import compile_framed, framed

EXAMPLES = pathlib.Path(__file__).parents[3] / "examples"
USUAL = {
    "runs": "runs from 2026-09-01 until 2026-09-30",
    "sold": "sold everywhere",
    "for": "for everyone",
    "get": "get 10% off pasta",
    "label": 'label en "A"',
    "group": "group item-deals",
}
ZONES = "settings {\n  currency EUR, CHF\n  timezone Europe/Berlin\n  languages en\n}\n\n"


def offer(*lines: str) -> str:
    said = {line.split()[0] for line in lines}
    rest = (line for word, line in USUAL.items() if word not in said)
    return "promotion offer {\n" + "".join(f"  {line}\n" for line in (*lines, *rest)) + "}\n\n"


def verdict(text: str, *lines: str, at: str = "2026-09-08 12:00", buys: str = "10 x penne") -> str:
    """ "" if the test passes, else the report."""
    words = "".join(f"  {line}\n" for line in (f"at {at}", "sold in stores", *lines, f"buys {buys}"))
    compilation = compile_framed(ZONES + text + f'test "it" {{\n{words}}}\n')
    shown = "\n".join(render(finding, compilation.sources) for finding in compilation.diagnostics)
    assert compilation.ok, shown
    return failed(compilation)


def failed(compilation: Compilation) -> str:
    results = run(compilation, partial(oracle, compilation.programs))
    return "" if all(result.ok for result in results) else report(results)


SEEN = "given customer.first-seen is "
# (lines of the promotion, the test's moment and lines, what it saves in EUR, or the reason)
CASES = [
    # until a date: to the end of that day in the promotion's own zone
    (["runs from 2026-09-07 until 2026-09-12"], "2026-09-06 23:59", [], "schedule"),
    (["runs from 2026-09-07 until 2026-09-12"], "2026-09-07 00:00", [], "2.00"),
    (["runs from 2026-09-07 until 2026-09-12"], "2026-09-12 23:59", [], "2.00"),
    (["runs from 2026-09-07 until 2026-09-12"], "2026-09-13 00:00", [], "schedule"),
    (["runs from 2026-09-07 until 2026-09-12 in America/New_York"], "2026-09-13 05:59", [], "2.00"),
    (["runs from 2026-09-07 until 2026-09-12 in America/New_York"], "2026-09-13 06:00", [], "schedule"),
    (["runs from 2026-09-07 until 2026-09-12 20:00"], "2026-09-12 19:59", [], "2.00"),
    (["runs from 2026-09-07 until 2026-09-12 20:00"], "2026-09-12 20:00", [], "schedule"),
    (["runs from 2026-09-07 until 2026-09-12 24:00"], "2026-09-12 23:59", [], "2.00"),
    # only on: half-open, past midnight it belongs to the day it began on (2026-09-11 is a Friday)
    (["only on Fri between 18:00 and 20:00"], "2026-09-11 18:00", [], "2.00"),
    (["only on Fri between 18:00 and 20:00"], "2026-09-11 20:00", [], "schedule"),
    (["only on Fri between 22:00 and 02:00"], "2026-09-12 01:59", [], "2.00"),
    (["only on Fri between 22:00 and 02:00"], "2026-09-11 01:59", [], "schedule"),
    (["only on Fri between 22:00 and 02:00"], "2026-09-12 02:00", [], "schedule"),
    (["only on Fri between 18:00 and 24:00"], "2026-09-12 00:00", [], "schedule"),
    (["only on Fri to Mon"], "2026-09-13 12:00", [], "2.00"),
    (["only on Mon to Sun but not Fri"], "2026-09-11 12:00", [], "schedule"),
    # channels
    (["sold everywhere but not stores"], "2026-09-08 12:00", [], "channel"),
    (["sold everywhere but not app"], "2026-09-08 12:00", [], "2.00"),
    # any of, but not
    (["for any of gold-members, employees but not employees"], "", ["given customer.kind is employee"], "audience"),
    (["for any of gold-members, employees"], "", ["given customer.kind is employee"], "2.00"),
    (["for everyone but not employees"], "", ["given nothing known of the customer"], "2.00"),
    (["only at any of city-stores, north but not north"], "", ["in Ulm", 'given store.region is "North"'], "place"),
    (["only at any of city-stores, north but not north"], "", ["in Ulm", 'given store.region is "South"'], "2.00"),
    (["only at any of city-stores, north but not north"], "", ["in Ulm"], "unknown-fact"),
    (["only at any of city-stores, north but not north"], "", [], "place"),
    # percent with decimals, per piece: 12.5% of 2.00, ten times
    (["get 12.5% off pasta"], "", [], "2.50"),
    (["get 0.01% off pasta"], "", [], "no-saving"),
    # worth: both bounds belong to it
    (["when basket is worth at least EUR 20.00"], "", [], "2.00"),
    (["when basket is worth at least EUR 20.01"], "", [], "condition"),
    (["when basket is worth between EUR 19.99 and EUR 20.00"], "", [], "2.00"),
    (["when basket is worth at most EUR 19.99"], "", [], "condition"),
    (["when basket has exactly 10 of pasta"], "", [], "2.00"),
    (["when basket has between 11 and 12 of pasta"], "", [], "condition"),
    (["when basket has no pasta", "get 10% off sauce"], "", [], "condition"),
    # amounts in several currencies: the basket's; none fits: it does not apply
    (["get CHF 1.00 or EUR 0.50 off pasta each"], "", [], "5.00"),
    (["get CHF 1.00 off pasta each"], "", [], "currency"),
    (["limit CHF 1.00 per basket"], "", [], "currency"),
    (["when basket is worth at least CHF 1.00"], "", [], "currency"),
    # limits
    (["limit EUR 1.50 per basket"], "", [], "1.50"),
    (["limit 2 per customer in any 30 days"], "", ["given 2 uses of offer 29 days ago"], "limit"),
    (["limit 2 per customer in any 30 days"], "", ["given 2 uses of offer 30 days ago"], "2.00"),
    (["limit 2 per customer each month"], "", ["given 2 uses of offer 8 days ago"], "2.00"),
    # codes
    (["with code from spring"], "", ['given code "\t spring "'], "2.00"),
    (["with code from spring"], "", ['given code "SPR ING"'], "code-missing"),
    # defaults: a known customer has them, a stranger has not
    (["when customer.tier is none"], "", [], "2.00"),
    (["when customer.tier is not gold"], "", [], "2.00"),
    (["when customer.tier is not gold"], "", ["given nothing known of the customer"], "unknown-fact"),
    (["when customer.score is not 4"], "", [], "unknown-fact"),
    (["when customer.score is between 2 and 4"], "", ["given customer.score is 4"], "2.00"),
    (["when customer.first-seen is before 2024-01-01"], "", ["given customer.first-seen is 2024-01-01"], "condition"),
    (["when customer.first-seen is more than 4 weeks ago"], "", [SEEN + "2026-08-11"], "condition"),
    (["when customer.first-seen is more than 4 weeks ago"], "", [SEEN + "2026-08-10"], "2.00"),
    (['when customer.id is listed in "lists/vip.csv"'], "", ['given customer.id is "K-1"'], "2.00"),
    (['when customer.id is listed in "lists/vip.csv"'], "", ['given customer.id is "id"'], "condition"),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "at", "given", "outcome"), CASES, ids=[f"{c[0][0]} | {c[1]} {c[2]}" for c in CASES])
def test_a_clause_means_what_the_law_says(lines, at, given, outcome):
    if given[:1] == ["in Ulm"]:
        given = ['given store.id is "0815"', "given store.format is city", *given[1:]]
    amount = re.fullmatch(r"\d+\.\d\d", outcome)
    expected = f"saves EUR {outcome}" if amount else f"does not apply because {outcome}"
    assert verdict(offer(*lines), *given, f"expect offer {expected}", at=at or "2026-09-08 12:00") == ""


@pytest.mark.parametrize(
    ("lines", "reason"), [([], "quantity"), (["when basket is worth at least EUR 0.01"], "condition")]
)
def test_except_leaves_reward_and_threshold(lines, reason):
    wares = "products wares {\n  item.category is known\n}\n\n"
    text = wares + offer("get 10% off wares", "except pasta", *lines)
    assert verdict(text, f"expect offer does not apply because {reason}") == ""


def test_per_100_g_is_an_amount_for_100_units():
    text = offer("get pasta for EUR 0.19 per 100 g")
    assert verdict(text, "expect total EUR 0.48", buys="250 g of penne for EUR 0.30 per 100 g") == ""
    text = offer("get EUR 0.10 off per 100 g of pasta")
    assert verdict(text, "expect total EUR 0.50", buys="250 g of penne for EUR 0.30 per 100 g") == ""


def test_under_is_the_path_and_what_is_below_it():
    for category, saved in (("Food/Pasta", True), ("Food/Pasta/Penne", True), ("Food/Pastas", False)):
        sample = f'sample it {{\n  category: "{category}"\n  price: EUR 2.00\n}}\n\n'
        expected = "saves EUR 0.20" if saved else "does not apply because quantity"
        assert verdict(offer() + sample, f"expect offer {expected}", buys="1 x it") == "", category


def test_a_list_with_a_heading_and_one_without_are_the_same():
    lists = [
        b"id\nK-1\nK-2\n",
        b"K-1\nK-2\n",
        b"\xef\xbb\xbfid\r\n K-2 \r\nK-1\r\nK-1\r\n",
        b"customer;name\nK-1;A\nK-2;B\n",
    ]
    text = 'segment vip {\n  customer.id is listed in "lists/v.csv"\n}\n'
    made = {tuple(encode(p) for p in compile_framed(text, {"lists/v.csv": data}).programs) for data in lists}
    assert len(made) == 1


@pytest.mark.parametrize("period", ["in any 30 days", "in   any 030  days", "in any 30 day"])
def test_spellings_of_one_limit_have_one_key(period):
    programs = compile_framed(offer(f"limit 2 per customer {period}")).programs
    (made,) = [program for program in programs if isinstance(program, Promotion) and program.name == "offer"]
    assert [limit.key for limit in made.limits] == ["customer:any-30-days:uses"]


@pytest.mark.parametrize("name", ["shop", "journey"])
def test_other_blanks_comments_line_ends_and_orders_make_the_same_bytes(name):
    root = EXAMPLES / name
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    files.setdefault("data/catalogue.csv", b"sku\n1\n")  # the journey's is written from an installed package
    first = [encode(program) for program in compile_project(files).programs]
    assert first
    other = {}
    for number, path in enumerate(sorted(files, reverse=True)):
        if not path.endswith(".promo"):
            other[path] = files[path]
            continue
        lines = []
        for line in files[path].decode().split("\n"):
            pieces = re.split(r'("[^"]*"|#.*)', line)
            lines.append(
                "".join(p if p[:1] in ('"', "#") else re.sub(r"(?<=\S) +(?=\S)", " \t\u00a0 ", p) for p in pieces)
            )
        text = "\r\n".join(line + ("  # said again" if "#" not in line else "") for line in lines)
        other[f"moved/{99 - number}.promo"] = b"\xef\xbb\xbf" + text.encode()
    assert [encode(program) for program in compile_project(other).programs] == first


def test_the_frame_is_left_alone():
    """A declaration of a test replaces the frame's, so that it is declared once."""
    assert b"timezone" not in framed(ZONES)["frame.promo"]
