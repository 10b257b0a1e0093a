"""Truth with unknowns (law 3): conditions over facts, membership in product sets, segments and places."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence

from engine.program import (
    Age,
    All,
    Anniversary,
    Any_,
    Compare,
    CompareMoney,
    Condition,
    Consent,
    Happened,
    Has,
    Known,
    Line,
    Member,
    Money,
    None_,
    NthOrder,
    OneOf,
    Refresh,
    StartsWith,
    SumOf,
    Under,
)
from tests.oracle import events
from tests.oracle.calendar import DAY, ago, anniversaries, local, same_period, today
from tests.oracle.resolve import Basket, Truth, Value
from tests.oracle.resolve import Line as BasketLine

OPERATORS: dict[str, Callable[[Value, Value], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}


def every(truths: Iterable[Truth]) -> Truth:
    """Kleene's and: false as soon as one is false, else unknown as soon as one is unknown."""
    found: Truth = True
    for truth in truths:
        if truth is False:
            return False
        if truth is None:
            found = None
    return found


def some(truths: Iterable[Truth]) -> Truth:
    """Kleene's or."""
    return negate(every(negate(truth) for truth in truths))


def negate(truth: Truth) -> Truth:
    return None if truth is None else not truth


def amount_in(money: Money, currency: str) -> int | None:
    return next((amount.value for amount in money if amount.currency == currency), None)


class Judge:
    """Judges conditions for one basket; `item` is the line a product set is asked about.

    `all_consents`: as if every consent had been given, to tell a missing consent from another reason."""

    def __init__(self, basket: Basket, all_consents: bool = False) -> None:
        self.basket = basket
        self.ruleset = basket.ruleset
        self.all_consents = all_consents

    @property
    def today(self) -> int:
        """The local date of the request's instant."""
        return today(self.ruleset.clock, self.basket.request.at_us)

    # ---------- membership ----------

    def in_products(self, name: str, item: BasketLine) -> Truth:
        if name not in item.sets:
            item.sets[name] = self.all_hold(self.ruleset.products[name].lines, item)
        return item.sets[name]

    def in_segment(self, name: str) -> Truth:
        """Unknown is told apart here, for the reason; whoever asks from inside a condition takes it for false."""
        segment = self.ruleset.segments[name]
        if segment.refresh is not None and not self._fresh(segment.refresh):
            return None
        return self.all_hold(segment.lines)

    def in_place(self, name: str) -> Truth:
        return self.all_hold(self.ruleset.places[name].lines)

    def all_hold(self, lines: Sequence[Line], item: BasketLine | None = None) -> Truth:
        return every(self.holds(line.condition, item) for line in lines)

    # ---------- conditions ----------

    def holds(self, condition: Condition, item: BasketLine | None = None) -> Truth:
        match condition:
            case All():
                return every(self.holds(part, item) for part in condition.of)
            case Any_():
                return some(self.holds(part, item) for part in condition.of)
            case None_():
                return negate(some(self.holds(part, item) for part in condition.of))
            case Member():
                return self._member(condition, item)
            case Consent():
                return self._consent(condition.name)
            case Known():
                return (self._value(condition.attribute, item) is not None) == condition.known
            case Refresh():
                return True if self._fresh(condition) else None
            case Happened():
                return events.happened(self, condition)
            case SumOf():
                return events.sum_of(self, condition)
            case NthOrder():
                return events.nth_order(self, condition)
            case Anniversary():
                date = self._value(condition.attribute, item)
                return None if date is None else self._comes_round(condition, int(date))  # type: ignore[arg-type]
            case Compare() | CompareMoney() | OneOf() | Under() | StartsWith() | Has() | Age():
                value = self._value(condition.attribute, item)
                return None if value is None else self.compare(condition, value)
        raise AssertionError(f"{condition.kind} is no condition over facts")

    def _value(self, attribute: str, item: BasketLine | None) -> Value | None:
        if attribute.startswith("item."):
            return item.facts.get(attribute) if item else None
        return self.basket.facts.get(attribute)

    def _fresh(self, refresh: Refresh) -> bool:
        """Whether the facts of the customer are young enough."""
        at, read = self.basket.request.at_us, self.basket.request.customer.facts_as_of_us
        if refresh.daily is None or read == 0:
            return read == 0 or at - read <= 60_000_000
        now = local(self.ruleset.clock, at // 1_000_000)
        shown = now // DAY * DAY + refresh.daily
        return local(self.ruleset.clock, read // 1_000_000) >= (shown if shown <= now else shown - DAY)

    def _comes_round(self, near: Anniversary, date: int) -> bool:
        for day in anniversaries(date, self.today):
            if near.span is not None and same_period(day, self.today, near.span):
                return True
            if near.within is not None:
                first = ago(self.today, near.within.count, near.within.unit)
                last = ago(self.today, -near.within.count, near.within.unit)
                if (first is None or first <= day) and (last is None or day <= last):
                    return True
        return False

    def _consent(self, name: str) -> Truth:
        given = self.basket.request.customer.consents
        if self.all_consents:
            return True
        return None if given is None else name in given

    def _member(self, condition: Member, item: BasketLine | None) -> Truth:
        truth: Truth
        match condition.of:
            case "segment":
                truth = self.in_segment(condition.name) is True
            case "place":
                truth = self.in_place(condition.name)
            case "products":
                truth = self.in_products(condition.name, item) if item else None
        return negate(truth) if condition.negated else truth

    def compare(
        self, condition: Compare | CompareMoney | OneOf | Under | StartsWith | Has | Age, value: Value
    ) -> Truth:
        match condition:
            case Compare():
                return OPERATORS[condition.op](value, condition.value)
            case CompareMoney():
                amount = amount_in(condition.value, self.basket.request.currency)
                if amount is None:
                    return None
                return OPERATORS[condition.op](value, amount * self.basket.micros_per_minor)
            case OneOf():
                return (value in condition.values) != condition.negated
            case Under():
                return value == condition.path or str(value).startswith(condition.path + "/")
            case StartsWith():
                return str(value).startswith(condition.prefix)
            case Has():
                assert isinstance(value, tuple)
                return any(text in value for text in condition.values)
            case Age():
                then = ago(self.today, condition.count, condition.unit)
                assert isinstance(value, int)
                if condition.op == "more":
                    return then is not None and value < then
                return then is None or value > then
