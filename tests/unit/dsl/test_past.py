"""What happened before, in tests of rules: the events they give, and what segments make of them."""

from __future__ import annotations

import datetime

import pytest

from dsl.compiler import compile_project
from dsl.diagnostics import render
from dsl.report import report
from dsl.testing import run
from engine.basket import Event, EventHistory, EventItem, Fact
from engine.program import Type
from tests.oracle.decide import decide as oracle
from tests.unit.dsl.frame import compile_framed

SAMPLE = 'sample penne-box {\n  sku: "penne-box"\n  category: "Food/Pasta"\n  price: EUR 1.50\n}\n'


ON_THE_APP = "given 1 order 3 days ago where orders.channel is app"
OLD = ("given customer.tier is gold", "given facts as of 2 hours ago")


def us(text: str) -> int:
    return int(datetime.datetime.fromisoformat(text).timestamp()) * 1_000_000


def block(*lines: str, at: str = "2026-09-08 12:00") -> str:
    return f'test "it" {{\n  at {at}\n  sold in stores\n' + "".join(f"  {line}\n" for line in lines) + "}\n"


def history(*lines: str, at: str = "2026-09-08 12:00") -> EventHistory | None:
    compilation = compile_framed(SAMPLE + block(*lines, "expect not in gold-members", at=at))
    assert compilation.ok, compilation.diagnostics
    return compilation.tests[0].request.customer.events


def outcome(segment: str, *lines: str, at: str = "2026-09-08 12:00") -> str:
    text = "segment asked {\n" + "".join(f"  {line}\n" for line in segment.split("; ")) + "}\n"
    compilation = compile_framed(text + SAMPLE + block(*lines, at=at))
    assert compilation.ok, compilation.diagnostics
    return report(run(compilation, lambda request, everything: oracle(compilation.programs, request)))


def test_without_a_line_the_past_is_not_known():
    assert history() is None
    assert history("given nothing known of the customer") is None


def test_no_event_is_a_known_and_empty_past():
    assert history("given no orders") == EventHistory()
    assert history("given no orders", "given no visits") == EventHistory()


def test_events_have_their_age_worth_and_an_article_of_the_set():
    penne = {"category": Fact(Type.TEXT, "Food/Pasta")}
    total = {"total": Fact(Type.MONEY, 59_900_000, "EUR")}
    item = EventItem("penne-box", 5990, penne)
    order = Event("order", us("2025-11-12T12:00:00+01:00"), total, (item,), "EUR")
    given = ("given 2 orders of pasta 300 days ago worth EUR 59.90", "given 1 visit 4 hours ago")
    visit = Event("visit", us("2026-09-08T08:00:00+02:00"), currency="EUR")
    assert history(*given) == EventHistory((order, order, visit))


@pytest.mark.parametrize(
    ("ago", "at", "moment"),
    [
        ("1 month", "2026-03-31 12:00", "2026-02-28T12:00:00+01:00"),
        ("1 year", "2024-02-29 12:00", "2023-02-28T12:00:00+01:00"),
        ("1 day", "2026-03-30 02:30", "2026-03-29T03:00:00+02:00"),  # 02:30 was skipped
        ("1 day", "2026-10-26 02:30", "2026-10-25T02:30:00+02:00"),  # 02:30 came twice
        ("24 hours", "2026-03-29 12:00", "2026-03-28T11:00:00+01:00"),
        ("2 weeks", "2026-09-08 00:00", "2026-08-25T00:00:00+02:00"),
    ],
)
def test_days_are_the_calendars_and_hours_exact(ago, at, moment):
    found = history(f"given 1 order {ago} ago", at=at)
    assert found is not None and found.events[0].at_us == us(moment)


def test_events_have_their_moment_and_their_attributes():
    facts = {
        "total": Fact(Type.MONEY, 5_000_000, "EUR"),
        "channel": Fact(Type.TEXT, "app"),
    }
    order = Event("order", us("2026-08-01T10:30:00+02:00"), facts, currency="EUR")
    assert history("given 1 order on 2026-08-01 10:30 worth EUR 5.00 where orders.channel is app") == EventHistory(
        (order,)
    )
    assert history("given 1 order on 2026-08-01 10:30 where orders.channel is app, orders.total is EUR 5.00") == (
        EventHistory((order,))
    )
    midnight = Event("visit", us("2026-08-01T00:00:00+02:00"), currency="EUR")
    assert history("given 1 visit on 2026-08-01") == EventHistory((midnight,))


def test_a_history_that_does_not_reach_back():
    since = us("2026-06-01T00:00:00+02:00")
    assert history("given history since 2026-06-01") == EventHistory((), since)
    assert history("given no orders", "given history since 2026-06-01") == EventHistory((), since)


def test_facts_have_an_age():
    refreshed = "segment young {\n  customer.tier is gold\n  refresh realtime\n}\n"
    for given, moment in (("2 hours ago", "2026-09-08T10:00:00+02:00"), ("2026-09-01", "2026-09-01T00:00:00+02:00")):
        text = refreshed + SAMPLE + block(f"given facts as of {given}", "expect not in young")
        assert compile_framed(text).tests[0].request.customer.facts_as_of_us == us(moment)


@pytest.mark.parametrize(
    ("lines", "code", "words"),
    [
        (("given 1 order on 2026-09-08 12:00",), "P7009", "the test is not later"),
        (("given 1 order on 2026-09-09",), "P7009", "the test is not later"),
        (("given history since 2026-09-09",), "P7009", "the test is not later"),
        (("given history since 2026-01-01", "given history since 2026-02-01"), "P7006", "line 4"),
        (("given facts as of 2 hours ago",), "P7009", "no segment has a «refresh» line"),
        (("given 1 order 3 days ago where orders.chanel is app",), "P1004", "«chanel»"),
        (("given 1 order 3 days ago where visits.channel is app",), "P3025", "orders"),
        (("given 1 order 3 days ago where order.channel is app",), "P3025", "orders.channel"),
        (("given 1 order 3 days ago where orders.channel is kiosk",), "P2002", "kiosk"),
        (("given 1 order 3 days ago where orders.total is 5",), "P2003", "total"),
        (("given 1 order 3 days ago worth EUR 5.00 where orders.total is EUR 5.00",), "P7006", "line 4"),
        (
            ("given 1 order 3 days ago where orders.channel is app, orders.channel is stores",),
            "P7006",
            "line 4",
        ),
        (("given nothing known of the customer", "given history since 2026-06-01"), "P7009", "nothing is known"),
    ],
)
def test_what_cannot_have_been(lines, code, words):
    compilation = compile_framed(block(*lines, "expect not in gold-members"))
    (finding,) = compilation.diagnostics
    assert finding.code == code
    assert words in render(finding, compilation.sources)


def test_facts_that_are_too_old_are_told():
    said = outcome("customer.tier is gold; refresh realtime", *OLD, "expect in asked")
    assert "the facts of the customer are too old for «asked»" in said, said


def test_events_of_a_set_that_nothing_is_in_cannot_be_made_up():
    compilation = compile_framed(block("given 1 order of tobacco 3 days ago", "expect in gold-members"))
    (finding,) = compilation.diagnostics
    assert (finding.code, finding.span.line) == ("P7008", 4)
    assert "no sample and no article of the catalogue is known to be in «tobacco»" in finding.message
    assert not compilation.programs


OWN = """\
settings {
  currency EUR
  timezone Europe/Berlin
}
schema {
  attributes item {
    brand: text
  }
  event orders, one order {
    worth: money
  }
  channels stores
}
catalogue from "c.csv"
products acme {
  item.brand is "Acme"
}
segment s {
  sum of orders.worth so far is at least EUR 5.00
  at least 1 order of acme so far
}
test "it" {
  at 2026-09-08 12:00
  sold in stores
  given 1 order of acme 3 days ago worth EUR 5.00
  expect in s
}
"""


def test_an_article_of_the_catalogue_will_do_and_the_only_amount():
    compilation = compile_project({"a.promo": OWN.encode(), "c.csv": b"sku,brand\na,Other\nb,Acme\n"})
    assert compilation.ok, compilation.diagnostics
    history = compilation.tests[0].request.customer.events
    assert history is not None
    (event,) = history.events
    assert event.items == (EventItem("b", 500),)
    assert event.attributes == {"worth": Fact(Type.MONEY, 5_000_000, "EUR")}
    (result,) = run(compilation, lambda request, everything: oracle(compilation.programs, request))
    assert result.ok, result.failures


THREE = ("given 2 orders of pasta 30 days ago worth EUR 20.00", "given 1 order of pasta 3 days ago worth EUR 5.00")


@pytest.mark.parametrize(
    ("segment", "given", "expected"),
    [
        ("at least 3 orders of pasta in the last 12 months", THREE, "in"),
        ("at least 3 orders of pasta in the last 30 days", THREE, "not in"),
        ("between 1 and 2 orders in the last 10 days", THREE, "in"),
        ("no orders of sauce in the last 10 days", THREE, "in"),
        ("no orders so far", THREE, "not in"),
        ("no visits so far", THREE, "in"),
        ("sum of orders.total of pasta in the last 12 months is at least EUR 45.00", THREE, "in"),
        ("sum of orders.total this month is between EUR 4.00 and EUR 5.00", THREE, "in"),
        ("sum of orders.total this month is more than EUR 5.00", THREE, "not in"),
        ("exactly 1 order since 2026-09-01", THREE, "in"),
        ("at least 1 order where orders.total is at least EUR 20.00 so far", THREE, "in"),
        ("at least 1 order where orders.channel is app so far", THREE, "not in"),
        ("this order is the 4th", THREE, "in"),
        ("this order is every 4th", THREE, "in"),
        ("this order is every 3rd", THREE, "not in"),
        ("at least 2 orders so far, then orders within 27 days", THREE, "in"),
        ("at least 1 order so far, then orders within 26 days", THREE, "not in"),
        ("at least 1 order so far, then no visits within 3 days", THREE, "in"),
        ("at least 3 orders so far, then no visits within 3 days", THREE, "not in"),
        ("exactly 2 orders between 2 months and 1 week ago", THREE, "in"),
        ("anniversary of customer.first-seen is today", ("given customer.first-seen is 2020-09-08",), "in"),
        (
            "anniversary of customer.first-seen is within 3 days of today",
            ("given customer.first-seen is 2020-09-05",),
            "in",
        ),
        ("anniversary of customer.first-seen is this month", ("given customer.first-seen is 2020-09-30",), "in"),
        ("anniversary of customer.first-seen is this week", ("given customer.first-seen is 2020-09-06",), "not in"),
        ("no orders so far; refresh realtime", ("given no orders",), "in"),
        ("no orders so far; refresh realtime", ("given no orders", "given facts as of 1 minute ago"), "in"),
        ("no orders so far; refresh realtime", ("given no orders", "given facts as of 2 minutes ago"), "not in"),
        ("no orders so far; refresh daily 03:00", ("given no orders", "given facts as of 2026-09-08 03:00"), "in"),
        ("no orders so far; refresh daily 03:00", ("given no orders", "given facts as of 2026-09-08 02:59"), "not in"),
        ("at least 1 order where orders.channel is app so far", (ON_THE_APP,), "in"),
        ("at least 1 order where orders.channel is stores so far", (ON_THE_APP,), "not in"),
        ("no orders in the last 3 months", ("given history since 2026-06-01",), "in"),
        ("no orders in the last 4 months", ("given history since 2026-06-01",), "not in"),
        ("at least 1 order in the last 30 days", ("given history since 2026-06-01", ON_THE_APP), "in"),
        ("at least 1 order so far", ("given history since 2026-06-01", ON_THE_APP), "not in"),
        ("no orders so far", (), "not in"),
        ("at least 1 order so far", (), "not in"),
    ],
)
def test_segments_ask_what_happened_before(segment, given, expected):
    said = outcome(segment, *given, f"expect {expected} asked")
    assert "1 passed, 0 failed" in said, said


def test_a_failure_says_what_was_counted():
    said = outcome("at least 4 orders of pasta so far", *THREE, "expect in asked")
    assert "at least 4 orders of pasta so far" in said and "orders: 3 of them" in said
    assert "the sum is EUR 45.00" in outcome(
        "sum of orders.total so far is at least EUR 50.00", *THREE, "expect in asked"
    )
    assert "this order is number 4" in outcome("this order is the 1st", *THREE, "expect in asked")
    assert "what happened before is not known" in outcome("this order is the 1st", "expect in asked")
    unsure = ("given 1 order 3 days ago", "given 1 order of pasta 3 days ago", "expect in asked")
    assert "orders: from 1 to 2 of them" in outcome("at least 2 orders of pasta so far", *unsure)


def test_a_chain_of_more_steps_than_the_engine_takes_is_refused():
    for count, codes in ((16, []), (17, ["P0309"])):
        line = "at least 1 order so far" + ", then orders within 2 days" * count
        compilation = compile_framed(f"segment asked {{\n  {line}\n}}\n")
        assert [finding.code for finding in compilation.diagnostics] == codes
