"""What a customer did before (law 3, *Events*): every event and every way to go on is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.program import EventOf, Happened, InTheLast, Length, NthOrder, Since, SumOf, Then, This, Window
from tests.oracle import conditions
from tests.oracle.calendar import ago, same_period, today
from tests.oracle.resolve import Past, Truth

if TYPE_CHECKING:
    from tests.oracle.conditions import Judge

US = {"minute": 60_000_000, "hour": 3_600_000_000}  # other units are the calendar's


def happened(judge: Judge, condition: Happened) -> Truth:
    """The number of events that count for sure, and with those that may, against the bounds."""
    inside = in_window(judge, condition.events.event, condition.window)
    if inside is None:
        return None
    truths = [
        conditions.every([match(judge, event, condition.events), followed(judge, event, condition.then)])
        for event in inside
    ]
    possible = range(truths.count(True), len(truths) - truths.count(False) + 1)
    low = 0 if condition.low is None else condition.low
    fits = [low <= number and (condition.high is None or number <= condition.high) for number in possible]
    return fits[0] if len(set(fits)) == 1 else None


def followed(judge: Judge, event: Past, then: Sequence[Then]) -> Truth:
    """Whether there is a way through all steps that begins with this event."""
    if not then:
        return True
    step, past = then[0], judge.basket.past
    assert past is not None
    after = [e for e in past if e.type == step.events.event and e.at_us > event.at_us]
    in_time = [e for e in after if _reaches(judge, event, step.within, e.at_us)]
    if step.none:
        over = not _reaches(judge, event, step.within, judge.basket.request.at_us)
        some = conditions.some(match(judge, e, step.events) for e in in_time)
        return conditions.every([over, conditions.negate(some), followed(judge, event, then[1:])])
    return conditions.some(
        conditions.every([match(judge, e, step.events), followed(judge, e, then[1:])]) for e in in_time
    )


def _reaches(judge: Judge, event: Past, within: Length, at_us: int) -> bool:
    """Whether an instant is at most so long after an event."""
    if within.unit in US:
        return at_us <= event.at_us + within.count * US[within.unit]
    last = ago(_date(judge, event.at_us), -within.count, within.unit)
    return last is None or _date(judge, at_us) <= last


def sum_of(judge: Judge, condition: SumOf) -> Truth:
    """What the events are worth, if that is known of all of them."""
    inside = in_window(judge, condition.events.event, condition.window)
    if inside is None:
        return None
    total = 0
    for event in inside:
        truth = match(judge, event, condition.events)
        if truth is None:
            return None
        parts = [event.facts.get(condition.attribute)]
        if condition.events.of is not None:
            members = [(judge.in_products(condition.events.of, line), paid) for line, paid in event.items]
            parts = [None if member is None else paid for member, paid in members if member is not False]
        for part in parts if truth else ():
            if part is None:
                return None
            assert isinstance(part, int)
            total += part
    return conditions.every(judge.compare(comparison, total) for comparison in condition.holds)  # type: ignore[arg-type]


def nth_order(judge: Judge, condition: NthOrder) -> Truth:
    """The order at hand counted in."""
    history, past = judge.basket.request.customer.events, judge.basket.past
    if history is None or past is None or history.complete_since_us:
        return None
    number = 1 + len([event for event in past if event.type == condition.event])
    return number % condition.nth == 0 if condition.every else number == condition.nth


def match(judge: Judge, event: Past, asked: EventOf) -> Truth:
    """Whether it is one of the events that are meant."""
    truths: list[Truth] = []
    for comparison in asked.where:
        value = event.facts.get(comparison.attribute)
        if comparison.kind == "known":
            truths.append((value is not None) == comparison.known)
        else:
            truths.append(None if value is None else judge.compare(comparison, value))
    if asked.of is not None:
        name = asked.of
        truths.append(
            conditions.some(judge.in_products(name, line) for line, _ in event.items) if event.items else None
        )
    return conditions.every(truths)


def in_window(judge: Judge, event: str, window: Window) -> list[Past] | None:
    """The events of a type in a window; None: not all of it is known."""
    history, past = judge.basket.request.customer.events, judge.basket.past
    if history is None or past is None:
        return None
    if history.complete_since_us and _reaches_back(judge, window, history.complete_since_us - 1):
        return None
    inside = [e for e in past if e.type == event and _reaches_back(judge, window, e.at_us)]
    if isinstance(window, InTheLast) and window.but_not is not None:
        inside = [e for e in inside if not _recent(judge, window.but_not, e.at_us)]
    return inside


def _reaches_back(judge: Judge, window: Window, at_us: int) -> bool:
    """Whether an instant does not lie before a window."""
    date = _date(judge, at_us)
    match window:
        case InTheLast():
            return _recent(judge, window.length, at_us)
        case Since():
            return date >= window.day
        case This():
            return date >= judge.today or same_period(date, judge.today, window.span)
    return True


def _recent(judge: Judge, length: Length, at_us: int) -> bool:
    """Less than so long ago."""
    if length.unit in US:
        return at_us > judge.basket.request.at_us - length.count * US[length.unit]
    day = ago(judge.today, length.count, length.unit)
    return day is None or _date(judge, at_us) > day


def _date(judge: Judge, at_us: int) -> int:
    return today(judge.ruleset.clock, at_us)
