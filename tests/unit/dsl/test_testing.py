"""Test blocks: the requests they describe, the verdicts they give, the words of a failure."""

from __future__ import annotations

import datetime
import pathlib

import pytest

from dsl import ast
from dsl.cases import in_period
from dsl.compiler import compile_project
from dsl.diagnostics import Span
from dsl.testing import report, run
from engine.basket import BadRequest, BasketLine, Customer, Fact, Fee, LimitUsage, Request
from engine.decision import Decision
from engine.program import Type
from tests.oracle.decide import decide as oracle
from tests.unit.dsl.frame import compile_framed

SHOP = pathlib.Path(__file__).parents[3] / "examples" / "shop"
OFFER = """\
promotion pasta-3-for-2 {
  runs from 2026-09-07 until 2026-09-12
  sold in stores
  for everyone
  buy 3 of pasta
  get the cheapest 1 free
  limit 4 per customer in any 30 days
  limit EUR 100.00 in total
  group item-deals
  label en "3 for 2"
}

"""


def case(*lines: str, at: str = "2026-09-08 12:00") -> str:
    return OFFER + f'test "it" {{\n  at {at}\n  sold in stores\n' + "".join(f"  {line}\n" for line in lines) + "}\n"


def outcome(*lines: str, at: str = "2026-09-08 12:00") -> str:
    compilation = compile_framed(case(*lines, at=at))
    assert compilation.ok, compilation.diagnostics

    def decide(request: Request) -> Decision:
        return oracle(compilation.programs, request, everything=True)

    return report(run(compilation, decide))


def test_the_shop_passes_its_own_tests():
    files = {path.relative_to(SHOP).as_posix(): path.read_bytes() for path in SHOP.rglob("*") if path.is_file()}
    compilation = compile_project(files)
    results = run(compilation, lambda request: oracle(compilation.programs, request, everything=True))
    assert len(results) > 40
    assert all(result.ok for result in results), report(results)


def test_a_test_describes_a_request():
    compilation = compile_framed(
        case(
            "given customer.tier is gold",
            'given customer.interests is "herbs"',
            'given customer.interests is "roses"',
            "given consent to email",
            'given store.id is "0042"',
            'given store.region is "North"',
            "given delivery is shipping",
            "given delivery.country is DE",
            "given payment is card",
            'given code "SPRING"',
            "given fee of shipping EUR 4.95",
            "given 2 uses of pasta-3-for-2 3 days ago worth EUR 4.00",
            "given 5 uses of pasta-3-for-2 by others worth EUR 10.00",
            "buys 2 x penne",
            "buys 1.25 kg of penne for EUR 0.999 per kg",
            "expect nothing applies",
        )
    )
    assert compilation.ok, compilation.diagnostics
    (made,) = compilation.tests
    text, goods = Fact(Type.TEXT, "Food/Pasta"), Fact(Type.TEXT, "goods")
    attributes = {"category": text, "kind": goods}
    assert made.moment == "Tuesday 2026-09-08 12:00 Europe/Berlin"
    assert made.request == Request(
        at_us=int(datetime.datetime(2026, 9, 8, 10, tzinfo=datetime.UTC).timestamp()) * 1_000_000,
        currency="EUR",
        channel="stores",
        lines=(
            BasketLine("1", "penne", quantity=2, price_micros=2_000_000, attributes=attributes),
            BasketLine("2", "penne", measure=1_250, unit="kg", price_micros=999_000, attributes=attributes),
        ),
        store="0042",
        store_attributes={"region": Fact(Type.TEXT, "North")},
        delivery="shipping",
        delivery_attributes={"country": Fact(Type.TEXT, "DE")},
        payment="card",
        customer=Customer(
            id="customer",
            household="household",
            attributes={"tier": Fact(Type.TEXT, "gold"), "interests": Fact(Type.TEXTS, ("herbs", "roses"))},
            consents=frozenset({"email"}),
        ),
        codes=("SPRING",),
        fees=(Fee("shipping", 495),),
        usage=(
            LimitUsage("pasta-3-for-2", "customer:any-30-days:uses", 2),
            LimitUsage("pasta-3-for-2", "total:ever:saving", 1_400),
        ),
    )


def test_a_used_code_counts_for_its_set():
    compilation = compile_framed(case('given used code " spring "', "expect nothing applies"))
    assert compilation.tests[0].request.usage == (LimitUsage("", "code:ever:uses", 1, "SPRING"),)


def test_a_failure_says_what_came_and_why():
    assert outcome("buys 3 x penne", "expect pasta-3-for-2 applies", at="2026-09-13 12:00").split("\n") == [
        "example.promo",
        "  FAIL  it    example.promo:13",
        "        expected   pasta-3-for-2 applies",
        "        but        it does not apply because schedule",
        "        because    runs from 2026-09-07 until 2026-09-12    (example.promo:2)",
        "                   the test is on Sunday 2026-09-13 12:00 Europe/Berlin",
        "0 passed, 1 failed.",
    ]


@pytest.mark.parametrize(
    ("expectation", "but"),
    [
        ("pasta-3-for-2 saves EUR 1.00", "it saved EUR 2.00"),
        ("pasta-3-for-2 applies 2 times", "it applied 1 time"),
        ("pasta-3-for-2 does not apply", "it saved EUR 2.00"),
        ("spring-coupon applies", "it does not apply because code-missing"),
        ("nothing applies", "pasta-3-for-2 applied"),
        ("total EUR 6.00", "the total is EUR 4.00"),
        ("penne costs EUR 6.00", "it costs EUR 4.00"),
        ("free shipping", "shipping is not free"),
        ("fee of shipping EUR 0.00", "the basket has no such fee"),
        ('code "SPRING" refused because code-used', "the code was not entered"),
        ("in gold-members", "the customer is not in gold-members"),
    ],
)
def test_each_expectation_can_fail(expectation, but):
    assert f"but        {but}\n" in outcome("buys 3 x penne", f"expect {expectation}")


def test_a_basket_that_cannot_be_decided_fails_its_test():
    compilation = compile_framed(case("buys 1 x penne", "expect nothing applies"))

    def refuse(request: Request) -> Decision:
        raise BadRequest("lines[0].quantity", "too many")

    assert "the basket cannot be decided: lines[0].quantity: too many" in report(run(compilation, refuse))


def ago(count: int, unit: str) -> ast.Duration:
    return ast.Duration(count, unit, Span("a", 1, 1, 1, 2))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("period", "when", "counts"),
    [
        ("ever", ago(90, "year"), True),
        ("each-day", ago(1, "day"), False),
        ("each-day", ago(1, "hour"), True),
        ("each-week", ago(1, "day"), True),  # Tuesday and Monday
        ("each-week", ago(2, "day"), False),
        ("each-month", ago(7, "day"), True),
        ("each-month", ago(8, "day"), False),
        ("each-year", ago(8, "month"), True),
        ("each-year", ago(9, "month"), False),
        ("any-30-days", ago(29, "day"), True),
        ("any-30-days", ago(30, "day"), False),
        ("any-1-months", ago(30, "day"), True),
        ("any-1-months", ago(31, "day"), False),
        ("any-2-hours", ago(90, "minute"), True),
        ("any-2-hours", ago(2, "hour"), False),
        ("any-2-hours", None, True),
    ],
)
def test_periods(period, when, counts):
    assert in_period(period, datetime.date(2026, 9, 8), when) is counts
