"""Conditions on what happened before that exclude each other: judged on Programs."""

from __future__ import annotations

import pytest

from dsl.analysis.past import shorter
from dsl.analysis.report import of_rules
from dsl.analysis.ruleset import Rules
from engine import program as p


def length(text: str) -> p.Length:
    count, unit = text.split()
    return p.Length(count=int(count), unit=unit)  # type: ignore[arg-type]  # a unit


def last(text: str, but_not: str = "") -> p.InTheLast:
    return p.InTheLast(length=length(text), but_not=length(but_not) if but_not else None)


def orders(window: p.Window, low: int | None = None, high: int | None = None, of: str | None = None) -> p.Happened:
    return p.Happened(events=p.EventOf(event="orders", of=of), low=low, high=high, window=window)


def total(op: str, euros: int) -> p.SumOf:
    money = (p.Amount(currency="EUR", value=euros * 100),)
    test = p.CompareMoney(attribute="orders.total", op=op, value=money)  # type: ignore[arg-type]  # an operator
    return p.SumOf(attribute="orders.total", events=p.EventOf(event="orders"), window=p.Ever(), holds=(test,))


def claimed(*conditions: p.Condition) -> list[str]:
    def a_set(name: str, *lines: p.Condition) -> p.ProductSet:
        return p.ProductSet(name=name, title="", lines=tuple(p.Line(condition=one, text="") for one in lines))

    under = p.Under(attribute="item.category", path="A/B")
    programs = (
        p.Settings(currencies=("EUR",), timezone="UTC"),
        a_set("inner", under),
        a_set("outer", p.Under(attribute="item.category", path="A")),
        p.Segment(name="some", title="", lines=tuple(p.Line(condition=one, text="") for one in conditions)),
    )
    return [claim.code for claim in of_rules(Rules(programs))]


@pytest.mark.parametrize(
    "conditions",
    [
        (orders(last("3 month"), low=2), orders(last("6 month"), high=0)),
        (orders(last("3 month"), low=2, of="inner"), orders(last("6 month"), high=1, of="outer")),
        (orders(last("3 month"), low=2, of="inner"), orders(p.Ever(), high=1)),
        (orders(last("90 day"), low=1), orders(last("1 year"), high=0)),
        (orders(last("24 hour"), low=1), orders(last("3 day"), high=0)),
        (orders(last("24 month", "6 month"), low=1), orders(last("24 month", "3 month"), high=0)),
        (orders(p.This(span="month"), low=1), orders(p.This(span="year"), high=0)),
        (orders(p.Since(day=20_000), low=1), orders(p.Since(day=19_000), high=0)),
        (orders(p.Ever(), low=1), p.None_(of=(orders(p.Ever(), low=1),))),
        (total("ge", 300), total("lt", 200)),
    ],
)
def test_nobody_did_both(conditions):
    assert claimed(*conditions) == ["P3002"]


@pytest.mark.parametrize(
    "conditions",
    [
        (orders(last("6 month"), low=2), orders(last("3 month"), high=0)),
        (orders(last("3 month"), low=2, of="outer"), orders(last("6 month"), high=1, of="inner")),
        (orders(last("24 hour"), low=1), orders(last("1 day"), high=0)),
        (orders(last("24 hour"), low=1), orders(last("2 day"), high=0)),
        (orders(last("1 month"), low=1), orders(last("30 day"), high=0)),
        (orders(p.This(span="week"), low=1), orders(p.This(span="month"), high=0)),
        (orders(last("24 month", "6 month"), low=2), orders(last("6 month"), high=0)),
        (total("ge", 300), total("lt", 301)),
    ],
)
def test_somebody_may_have_done_both(conditions):
    assert claimed(*conditions) == []


def test_lengths_that_never_reach_further_back():
    assert shorter(length("30 day"), length("2 month"))
    assert not shorter(length("29 day"), length("1 month"))
    assert shorter(length("28 day"), length("1 month"))
    assert shorter(length("1 day"), length("30 hour"))
    assert not shorter(length("1 day"), length("24 hour"))
