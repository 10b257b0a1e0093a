"""Coverage of a project's rules: for each kind of line a test that turns on it, and one that only passes by."""

from __future__ import annotations

from functools import partial

import pytest

from dsl.compiler import compile_project
from dsl.coverage import Coverage, coverage
from dsl.report import coverage_list, report
from dsl.testing import run
from tests.oracle.decide import decide as oracle
from tests.unit.dsl.frame import framed

RULES = """\
promotion pasta-3-for-2 {
  runs from 2026-09-07 until 2026-09-12
  only on Mon to Fri between 10:00 and 20:00
  sold in stores
  only at city-stores
  for gold-members but not employees
  buy 3 of pasta
  get the cheapest 1 free
  limit 2 per basket
  limit 3 per customer
  limit EUR 5.00 per household
  group item-deals
  label en "3 for 2"
}

promotion cheap-pasta {
  runs from 2026-09-07 until 2026-09-12
  sold everywhere
  for everyone
  with code from spring
  when basket is worth at least EUR 10.00
  when payment is card
  get 90% off pasta
  except sauce
  group item-deals
  label en "Cheap"
}

promotion free-shipping {
  runs from 2026-01-01
  sold everywhere
  for everyone
  when basket is worth at least EUR 20.00
  get free shipping
  group delivery
  label en "Free"
}

guard law {
  never discount tobacco
  never count tobacco
  never ship free tobacco
}

segment chosen {
  customer.tier is gold
  customer.score is at least 4
}

segment insiders {
  in chosen
  not in employees
}

products sauce "Sauce" {
  item.category is under "Food/Pasta/Sauce"
}

sample pesto "Pesto" {
  category: "Food/Pasta/Sauce"
  price: EUR 4.00
}

sample cigars "Cigars" {
  category: "Tobacco"
  price: EUR 30.00
}

"""
GIVEN = ("given customer.tier is gold", "given store.format is city", 'given store.id is "1"')
PASTA, CHEAP = "pasta-3-for-2", "cheap-pasta"


def covered(*lines: str, at: str = "2026-09-08 12:00", sold: str = "stores") -> Coverage:
    test = "".join(f"  {line}\n" for line in (f"at {at}", f"sold in {sold}", *lines))
    compilation = compile_project(framed(RULES + f'test "it" {{\n{test}}}\n'))
    assert compilation.ok, compilation.diagnostics
    results = run(compilation, partial(oracle, compilation.programs))
    assert all(result.ok for result in results), report(results)
    return coverage(compilation.programs, compilation.clauses, results)


def decisive(found: Coverage) -> set[tuple[str, str]]:
    never = {(clause.owner, clause.text) for clause in found.never}
    return {(clause.owner, clause.text) for clause in found.lines} - never


def refused(promotion: str, reason: str) -> str:
    return f"expect {promotion} does not apply because {reason}"


@pytest.mark.parametrize(
    ("lines", "where", "owner", "text"),
    [
        ((*GIVEN, "buys 3 x penne", refused(PASTA, "schedule")), {"at": "2026-09-06 12:00"}, PASTA, "runs from"),
        ((*GIVEN, "buys 3 x penne", refused(PASTA, "schedule")), {"at": "2026-09-08 20:00"}, PASTA, "only on"),
        ((*GIVEN, "buys 3 x penne", refused(PASTA, "channel")), {"sold": "app"}, PASTA, "sold in stores"),
        (("buys 3 x penne", refused(PASTA, "place")), {}, PASTA, "only at city-stores"),
        ((*GIVEN[1:], "buys 3 x penne", refused(PASTA, "audience")), {}, PASTA, "for gold-members but not employees"),
        ((*GIVEN, "buys 2 x penne", refused(PASTA, "quantity")), {}, PASTA, "buy 3 of pasta"),
        ((*GIVEN, "buys 3 x penne", f"expect {PASTA} saves EUR 2.00"), {}, PASTA, "get the cheapest 1 free"),
        ((*GIVEN, "buys 9 x penne", f"expect {PASTA} applies 2 times"), {}, PASTA, "limit 2 per basket"),
        (
            (*GIVEN, f"given 3 uses of {PASTA} 1 day ago", "buys 3 x penne", refused(PASTA, "limit")),
            {},
            PASTA,
            "limit 3 per customer",
        ),
        (
            (*GIVEN, "buys 6 x penne for EUR 3.00 each", f"expect {PASTA} saves EUR 5.00"),
            {},
            PASTA,
            "limit EUR 5.00 per household",
        ),
        (("buys 3 x penne", refused(CHEAP, "code-missing")), {}, CHEAP, "with code from spring"),
        (('given code "SPRING"', "buys 3 x penne", refused(CHEAP, "condition")), {}, CHEAP, "when basket is worth"),
        (('given code "SPRING"', "buys 9 x penne", refused(CHEAP, "unknown-fact")), {}, CHEAP, "when payment is card"),
        (
            (
                'given code "SPRING"',
                "given payment is card",
                "buys 9 x penne",
                "buys 1 x pesto",
                f"expect {CHEAP} applies",
            ),
            {},
            CHEAP,
            "except sauce",
        ),
        (
            (*GIVEN, 'given code "SPRING"', "given payment is card", "buys 9 x penne", refused(PASTA, "beaten")),
            {},
            "item-deals",
            "apply best per item",
        ),
        (("buys 10 x penne", "expect free shipping"), {}, "free-shipping", "get free shipping"),
        (("buys 1 x cigars", refused("free-shipping", "condition")), {}, "law", "never count tobacco"),
        (("buys 1 x cigars", refused("free-shipping", "condition")), {}, "law", "never ship free tobacco"),
        (("given customer.tier is gold", "expect not in chosen"), {}, "chosen", "customer.score is at least 4"),
        (("given customer.score is 4", "expect not in chosen"), {}, "chosen", "customer.tier is gold"),
        (("given customer.score is 4", "expect not in insiders"), {}, "insiders", "in chosen"),
        (("given customer.score is 4", "expect not in insiders"), {}, "chosen", "customer.tier is gold"),
    ],
)
def test_a_line_is_decisive(lines, where, owner, text):
    found = {line for line in decisive(covered(*lines, **where)) if line[0] == owner and line[1].startswith(text)}
    assert len(found) == 1


@pytest.mark.parametrize(
    ("lines", "where", "owner", "text"),
    [
        # the schedule fails, but nothing in the test would notice
        ((*GIVEN, "buys 3 x penne", refused(CHEAP, "schedule")), {"at": "2026-09-06 12:00"}, PASTA, "runs from"),
        # an earlier line failed already
        ((*GIVEN, "buys 3 x penne", refused(PASTA, "schedule")), {"at": "2026-09-06 20:00"}, PASTA, "only on"),
        ((*GIVEN, "buys 3 x penne", refused(PASTA, "schedule")), {"at": "2026-09-06 12:00"}, PASTA, "buy 3 of pasta"),
        # twice is all that six pieces give, limit or not
        ((*GIVEN, "buys 6 x penne", f"expect {PASTA} applies 2 times"), {}, PASTA, "limit 2 per basket"),
        ((*GIVEN, "buys 3 x penne", f"expect {PASTA} applies"), {}, PASTA, "limit EUR 5.00 per household"),
        ((*GIVEN, "buys 3 x penne", f"expect {PASTA} applies"), {}, "item-deals", "apply best per item"),
        ((*GIVEN, "buys 3 x penne", f"expect {PASTA} applies"), {}, "law", "never discount tobacco"),
        # without the article there is nothing to keep out
        (
            ('given code "SPRING"', "given payment is card", "buys 9 x penne", f"expect {CHEAP} applies"),
            {},
            CHEAP,
            "except",
        ),
        # both lines fail: taking one out changes nothing
        (("expect not in chosen",), {}, "chosen", "customer.tier is gold"),
        # both hold: a test of somebody who is out shows what a line is for
        (
            ("given customer.tier is gold", "given customer.score is 4", "expect in chosen"),
            {},
            "chosen",
            "customer.tier is gold",
        ),
    ],
)
def test_a_line_that_is_passed_by_is_not_decisive(lines, where, owner, text):
    found = covered(*lines, **where)
    assert [clause for clause in found.never if clause.owner == owner and clause.text.startswith(text)]


def test_an_amount_watches_all_that_touch_the_basket():
    found = decisive(covered("buys 3 x penne", "expect total EUR 6.00", at="2026-09-06 12:00"))
    assert {owner for owner, text in found if text.startswith("runs")} == {PASTA}  # the other needs a code


def test_lines_that_never_say_no_are_not_counted():
    lines = {
        (clause.owner, clause.text)
        for clause in covered("expect in chosen", "given customer.tier is gold", "given customer.score is 5").lines
    }
    assert not {(CHEAP, "sold everywhere"), (CHEAP, "for everyone")} & lines
    assert not {text for owner, text in lines if owner == "delivery"}, "a group of one promotion has nothing to choose"
    assert not {text for _, text in lines if text.startswith(("label", "group", "item.category"))}


def test_the_list_and_the_share():
    found = covered(*GIVEN, "buys 3 x penne", f"expect {PASTA} saves EUR 2.00")
    text = coverage_list(found)
    assert "  pasta-3-for-2\n" in text
    assert "       2  runs from 2026-09-07 until 2026-09-12\n" in text
    assert "get the cheapest 1 free" not in text
    assert text.endswith(f"Decisive in a test: {found.decisive} of {len(found.lines)} lines ({found.percent}%)")
    assert Coverage((), ()).percent == 100
    one = found.lines[:1]
    assert coverage_list(Coverage(one, ())) == (
        "Every line is decisive in a test.\nDecisive in a test: 1 of 1 lines (100%)"
    )


def test_the_summary_names_three_and_counts_the_rest():
    found = covered(*GIVEN, "buys 3 x penne", f"expect {PASTA} saves EUR 2.00")
    last = report((), found)
    assert last.startswith("0 passed, 0 failed.  Lines never decisive: pasta-3-for-2 «runs from 2026-09-07")
    assert last.endswith(f" and {len(found.never) - 3} more (--cov lists them)")
    assert report((), Coverage(found.lines, ())) == "0 passed, 0 failed."
    assert report((), Coverage(found.lines, found.never[:1])).endswith("until 2026-09-12»")
