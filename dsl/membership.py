"""Whether conditions hold, from Programs and facts alone, three-valued (Kleene): None stands for unknown.

What happened before and the age of facts are judged by the engine's own code (dsl/situation.py); audiences of
promotions are decided by the engine.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping

from engine.basket import Fact
from engine.calendar import EPOCH, shifted
from engine.money import micros_per_minor
from engine.program import (
    Age,
    All,
    Any_,
    Compare,
    CompareMoney,
    Condition,
    Consent,
    Has,
    Known,
    Member,
    None_,
    OneOf,
    Segment,
    StartsWith,
    Under,
)

Truth = bool | None


class Asked:
    """Segments, asked for one customer on one day."""

    def __init__(
        self,
        segments: Mapping[str, Segment],
        facts: Mapping[str, Fact],
        consents: frozenset[str] | None,
        day: datetime.date,
    ) -> None:
        self.segments = segments
        self.facts = facts
        self.consents = consents
        self.day = day

    def member(self, name: str) -> bool:
        """All lines hold."""
        return all_of(self.truth(line.condition) for line in self.segments[name].lines) is True

    def truth(self, condition: Condition) -> Truth:
        """True, False, or None: unknown."""
        match condition:
            case All(of=parts):
                return all_of(self.truth(part) for part in parts)
            case Any_(of=parts):
                return negated(all_of(negated(self.truth(part)) for part in parts))
            case None_(of=parts):
                return all_of(negated(self.truth(part)) for part in parts)
            case Member(name=name, negated=without):
                return self.member(name) != without
            case Consent(name=name):
                return None if self.consents is None else name in self.consents
            case Known(attribute=attribute, known=known):
                return (self.fact(attribute) is not None) == known
            case _:
                return self.compared(condition)

    def fact(self, attribute: str) -> Fact | None:
        """Of the customer."""
        return self.facts.get(attribute.removeprefix("customer."))

    def compared(self, condition: Condition) -> Truth:
        """A fact against constants; unknown where there is none."""
        assert isinstance(condition, Compare | CompareMoney | OneOf | Under | StartsWith | Has | Age), condition.kind
        fact = self.fact(condition.attribute)
        if fact is None:
            return None
        value = fact.value
        match condition:
            case Compare(op=op, value=constant):
                return _compare(op, value, constant)
            case CompareMoney(op=op, value=amounts):
                said = {amount.currency: amount.value for amount in amounts}.get(fact.currency)
                return None if said is None else _compare(op, value, said * micros_per_minor(fact.currency))
            case OneOf(values=values, negated=negated):
                return (value in values) != negated
            case Under(path=path):
                return isinstance(value, str) and (value == path or value.startswith(path + "/"))
            case StartsWith(prefix=prefix):
                return isinstance(value, str) and value.startswith(prefix)
            case Has(values=values):
                return isinstance(value, tuple) and not set(value).isdisjoint(values)
            case Age(op=op, count=count, unit=unit):
                assert isinstance(value, int)
                edge = (shifted(self.day, -count, unit) - EPOCH).days
                return value < edge if op == "more" else value > edge


def all_of(truths: Iterable[Truth]) -> Truth:
    """Kleene and."""
    known: Truth = True
    for truth in truths:
        if truth is False:
            return False
        known = None if truth is None else known
    return known


def negated(truth: Truth) -> Truth:
    """Kleene not."""
    return None if truth is None else not truth


def _compare(op: str, value: object, constant: int | str) -> bool:
    if op in ("eq", "ne"):
        return (value == constant) == (op == "eq")
    assert isinstance(value, int) and isinstance(constant, int)
    return {"lt": value < constant, "le": value <= constant, "gt": value > constant, "ge": value >= constant}[op]
