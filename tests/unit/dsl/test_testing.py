"""Test blocks: the requests they describe, the verdicts they give, the words of a failure."""

from __future__ import annotations

import datetime
import itertools
import pathlib
import re
from functools import partial

import pytest

from dsl import ast
from dsl.cases import in_period
from dsl.compiler import compile_project
from dsl.diagnostics import Span
from dsl.report import report, trace_text
from dsl.testing import Judge, run
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

    return report(run(compilation, partial(oracle, compilation.programs)))


def test_the_shop_passes_its_own_tests():
    files = {path.relative_to(SHOP).as_posix(): path.read_bytes() for path in SHOP.rglob("*") if path.is_file()}
    compilation = compile_project(files)
    results = run(compilation, partial(oracle, compilation.programs))
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
        basket="basket",
    )


def test_a_used_code_counts_for_its_set():
    compilation = compile_framed(case('given used code " spring "', "expect nothing applies"))
    assert compilation.tests[0].request.usage == (LimitUsage("", "code:ever:uses", 1, "SPRING"),)


def test_a_failure_says_what_came_and_why():
    assert outcome("buys 3 x penne", "expect pasta-3-for-2 applies", at="2026-09-13 12:00").split("\n") == [
        "example.promo",
        "  FAIL  it  example.promo:13",
        "        expected   pasta-3-for-2 applies",
        "        but        it does not apply because schedule",
        "        because    runs from 2026-09-07 until 2026-09-12    (example.promo:2)",
        "                   the test is on Sunday 2026-09-13 12:00 Europe/Berlin",
        "0 passed, 1 failed.",
    ]


@pytest.mark.parametrize(
    ("lines", "because"),
    [
        (
            ("buys 2 x penne", "expect pasta-3-for-2 applies"),
            ["buy 3 of pasta    (example.promo:5)", "1 piece more of «Pasta» is missing"],
        ),
        (
            ("buys 3 x penne", "given 4 uses of pasta-3-for-2 2 days ago", "expect pasta-3-for-2 applies"),
            ["limit 4 per customer in any 30 days    (example.promo:7)", "used before: 4 of 4"],
        ),
        (
            (
                "buys 3 x penne",
                "given 9 uses of pasta-3-for-2 by others worth EUR 99.00",
                "expect pasta-3-for-2 applies",
            ),
            ["limit EUR 100.00 in total    (example.promo:8)", "saved before: EUR 99.00 of EUR 100.00"],
        ),
        (
            ("buys 3 x penne", "given nothing known of the customer", "expect pasta-3-for-2 applies"),
            ["limit 4 per customer in any 30 days    (example.promo:7)", "customer.id is not known"],
        ),
        (
            ("buys 2 x penne", "buys 1 x penne for EUR 1.50 each", "expect pasta-3-for-2 saves EUR 2.00"),
            [
                "buy 3 of pasta    (example.promo:5)",
                "get the cheapest 1 free    (example.promo:6)",
                "2 x penne  EUR 4.00                           EUR 4.00",
                "1 x penne  EUR 1.50  pasta-3-for-2 -EUR 1.50  EUR 0.00",
                "in all     EUR 5.50  -EUR 1.50                EUR 4.00",
            ],
        ),
        (
            ("buys 3 x penne", "expect total EUR 6.00"),
            [
                "3 x penne  EUR 6.00  pasta-3-for-2 -EUR 2.00  EUR 4.00",
                "in all     EUR 6.00  -EUR 2.00                EUR 4.00",
            ],
        ),
        (
            ("buys 1.5 kg of penne for EUR 2.00 per kg", "expect total EUR 6.00"),
            [
                "1.5 kg of penne  EUR 3.00    EUR 3.00",
                "in all           EUR 3.00    EUR 3.00",
                "pasta-3-for-2 does not apply because quantity (2 pieces more of «Pasta»)",
            ],
        ),
        (
            ("buys 1 x penne", "expect in gold-members"),
            ["gold-members: customer.tier is gold    (frame.promo:1)", "customer.tier is none"],
        ),
        (
            ("buys 3 x penne", "expect spring-coupon applies"),
            ["with code from spring    (frame.promo:1)", "the test enters no code"],
        ),
    ],
)
def test_a_failure_names_the_lines_that_decided(lines, because):
    text = outcome(*lines)
    said = text.partition("        because    ")[2].split("\n")[: len(because)]
    assert [re.sub(r"frame.promo:\d+", "frame.promo:1", line.strip()) for line in said] == because, text


def test_a_failure_says_who_saved_more_and_by_how_much():
    better = OFFER.replace("pasta-3-for-2", "pasta-2-for-1").replace("buy 3", "buy 2")
    compilation = compile_framed(better + case("buys 6 x penne", "expect pasta-3-for-2 applies"))
    text = report(run(compilation, partial(oracle, compilation.programs)))
    assert "because    group item-deals    (example.promo:21)" in text
    assert "apply best per item    (frame.promo:" in text
    assert "pasta-2-for-1 saves EUR 2.00 more" in text


def test_an_unknown_fact_is_named():
    rules = OFFER.replace("for everyone", "for any of gold-members, employees").replace(
        "buy 3 of pasta\n", "when delivery.country is DE\n  buy 3 of pasta\n"
    )
    test = case("buys 3 x penne", "expect pasta-3-for-2 applies").removeprefix(OFFER)
    compilation = compile_framed(rules + test)
    text = report(run(compilation, partial(oracle, compilation.programs)))
    assert "because    for any of gold-members, employees    (example.promo:4)" in text
    assert "customer.kind is not known" in text
    compilation = compile_framed(rules + test.replace("  buys", "  given customer.tier is gold\n  buys"))
    text = report(run(compilation, partial(oracle, compilation.programs)))
    assert "when delivery.country is DE    (example.promo:5)" in text
    assert "delivery.country is not known" in text


def test_the_trace_tells_every_verdict_of_a_test_that_passes():
    compilation = compile_framed(case("buys 3 x penne", "expect pasta-3-for-2 saves EUR 2.00"))
    judge = Judge(compilation, partial(oracle, compilation.programs))
    result = judge.result(compilation.tests[0], everything=True)
    assert result.ok and result.decision is not None
    lines = trace_text(judge.trace(result.case, result.decision, result.touching)).split("\n")
    assert lines[0] == "the test is on Tuesday 2026-09-08 12:00 Europe/Berlin"
    assert lines[3] == "pasta-3-for-2  applied       it applied 1 time, it saved EUR 2.00"
    assert lines[6].startswith("spring-coupon  code-missing  with code from spring    (frame.promo:")
    assert lines[-2:] == [
        "3 x penne  EUR 6.00  pasta-3-for-2 -EUR 2.00  EUR 4.00",
        "in all     EUR 6.00  -EUR 2.00                EUR 4.00",
    ]


def test_the_time_stands_beside_each_test():
    ticks = itertools.count(0, 1_230_000)
    compilation = compile_framed(case("buys 3 x penne", "expect pasta-3-for-2 saves EUR 2.00"))
    results = run(compilation, partial(oracle, compilation.programs), clock_ns=lambda: next(ticks))
    assert report(results).split("\n")[1] == "  ok    it     1.2 ms"


def test_only_the_wanted_tests_run():
    compilation = compile_framed(case("buys 3 x penne", "expect nothing applies"))
    assert run(compilation, partial(oracle, compilation.programs), wanted=lambda case: case.name == "other") == ()


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
        ("return of 1 x penne refunds EUR 2.00", "it refunds EUR 1.33"),
        ("return of 3 x penne refunds EUR 6.00", "it refunds EUR 4.00"),
        ("free shipping", "shipping is not free"),
        ("fee of shipping EUR 0.00", "the basket has no such fee"),
        ('code "SPRING" refused because code-used', 'the code was not entered: the test needs   given code "SPRING"'),
        ("in gold-members", "the customer is not in gold-members"),
    ],
)
def test_each_expectation_can_fail(expectation, but):
    assert f"but        {but}\n" in outcome("buys 3 x penne", f"expect {expectation}")


def test_a_basket_that_cannot_be_decided_fails_its_test():
    compilation = compile_framed(case("buys 1 x penne", "expect nothing applies"))

    def refuse(request: Request, *, everything: bool) -> Decision:
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


@pytest.mark.parametrize(("prices", "tax", "payable"), [("include", 318, 1990), ("exclude", 378, 2368)])
def test_the_total_is_with_the_tax_where_prices_are(prices, tax, payable):
    settings = f"settings {{\n  currency EUR\n  timezone Europe/Berlin\n  languages en\n  prices {prices} tax\n}}\n"
    taxed = 'sample taxed {\n  category: "Food/Pasta"\n  price: EUR 19.90\n  tax-rate: 19%\n}\n'
    compilation = compile_framed(settings + taxed + case("buys 1 x taxed", "expect total EUR 19.90"))
    results = run(compilation, partial(oracle, compilation.programs))
    assert all(result.ok for result in results), report(results)
    decision = oracle(compilation.programs, compilation.tests[0].request)
    assert (sum(one.tax for one in decision.taxes), decision.totals.payable) == (tax, payable)


def test_units_come_back_dearest_first():
    bought = ("buys 2 x penne", "buys 1 x penne for EUR 1.50 each")
    assert "ok" in outcome(*bought, "expect return of 1 x penne refunds EUR 1.46")
    assert "ok" in outcome(*bought, "expect return of 3 x penne refunds EUR 4.00")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("expect return of 4 x penne refunds EUR 4.00", "P7008"),
        ("expect return of 0 x penne refunds EUR 4.00", "P2007"),
        ("expect return of 1 x pene refunds EUR 4.00", "P1013"),
    ],
)
def test_what_cannot_come_back(line, code):
    findings = compile_framed(case("buys 3 x penne", line)).diagnostics
    assert [finding.code for finding in findings] == [code]
