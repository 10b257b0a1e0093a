"""Events judged by columns are as events judged one by one: against the oracle, which tries every way to go on."""

from __future__ import annotations

import datetime
from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from engine.basket import EVENT_ITEMS_MAX, EVENTS_MAX, Customer, Event, EventHistory, EventItem, Request
from engine.calendar import first_day, shifted
from engine.history import History
from engine.image import STEPS_MAX, load
from engine.link import link
from engine.parts import ImageRejected
from engine.program import (
    Compare,
    EventAttribute,
    EventOf,
    EventType,
    Ever,
    Happened,
    InTheLast,
    Length,
    Line,
    NthOrder,
    OneOf,
    ProductSet,
    Program,
    Refresh,
    Schema,
    Segment,
    Settings,
    SumOf,
    Then,
    Type,
)
from engine.resolve import check, clock
from engine.write import LinkError
from tests.generators import zone
from tests.oracle import events as oracle
from tests.oracle.conditions import Judge
from tests.oracle.resolve import resolve
from tests.oracle.ruleset import Ruleset as Known

HOUR = 3_600_000_000
SCHEMA = Schema(
    attributes=(),
    events=(
        EventType(
            name="orders",
            one="order",
            attributes=(
                EventAttribute(name="total", type=Type.MONEY),
                EventAttribute(name="channel", type=Type.TEXT),
                EventAttribute(name="rating", type=Type.NUMBER),
            ),
        ),
        EventType(name="visits", one="visit"),
    ),
    channels=("pos",),
)
WINE = ProductSet(
    name="wine", title="", lines=(Line(condition=OneOf(attribute="item.sku", values=("red", "white")), text=""),)
)


def programs(name: str, *more: Program) -> tuple[Program, ...]:
    return (Settings(currencies=("EUR",), timezone=name), SCHEMA, WINE, zone(name), *more)


def at(text: str) -> int:
    return int(datetime.datetime.fromisoformat(text).timestamp()) * 1_000_000


def ask(at_us: int, *events: Event, since: int = 0) -> Request:
    return Request(at_us, "EUR", "pos", (), customer=Customer("c", events=EventHistory(events, since)))


class Both:
    """The engine's answer, which must be the oracle's."""

    def __init__(self, name: str) -> None:
        image = link(programs(name))
        self.rules, self.known = load(image.manifest, image.parts), Known(programs(name))

    def happened(self, asked: Request, condition: Happened) -> bool | None:
        """Whether it did; None: unknown."""
        check(asked)
        history = History(
            self.rules, asked.customer.events, asked.at_us, asked.currency, clock(self.rules, self.rules.settings_zone)
        )
        found = history.happened(condition)
        assert found == oracle.happened(Judge(resolve(self.known, asked)), condition), (asked, condition)
        return found


# Where a local date comes twice: at 00:01 clocks in St. John's went back to 23:01 of the day before.
MOMENTS = [
    ("Europe/Berlin", "2026-10-26T12:00:00+01:00"),
    ("Europe/Berlin", "2026-03-30T00:30:00+02:00"),
    ("Australia/Lord_Howe", "2026-04-06T12:00:00+10:30"),
    ("America/St_Johns", "1988-10-30T23:30:00-03:30"),
]


@pytest.mark.parametrize(("name", "moment"), MOMENTS)
def test_chains_are_what_trying_every_way_finds(name, moment):
    both, random = Both(name), Random(name + moment)
    seen: Counter[tuple[bool | None, int]] = Counter()
    for _ in range(600):
        asked, condition = crowded(random, at(moment)), chain(random)
        seen[both.happened(asked, condition), len(condition.then)] += 1
    for truth in (True, False, None):
        assert min(seen[truth, steps] for steps in range(4)) >= 10, seen


def crowded(random: Random, at_us: int) -> Request:
    """Up to nine events within three days, many of them at the same time."""
    events = []
    for _ in range(random.randint(3, 9)):
        moment = at_us - random.randint(0, 72) * HOUR + random.choice((-1, 0, 0, 1))
        items = tuple(EventItem(random.choice(("red", "salt"))) for _ in range(random.choice((0, 1, 1, 2))))
        events.append(Event(random.choice(("order", "visit")), moment, items=items))
    return ask(at_us, *events, since=random.choice((0, 0, 0, 0, at_us - 80 * HOUR, at_us - 40 * HOUR)))


def chain(random: Random) -> Happened:
    """An event, and up to three that follow it or do not."""

    def one() -> EventOf:
        return EventOf(event=random.choice(("orders", "visits")), of=random.choice((None, None, "wine")))

    def length() -> Length:
        return random.choice((Length(count=random.randint(1, 2), unit="day"), Length(count=24, unit="hour")))

    steps = tuple(Then(events=one(), within=length(), none=random.random() < 0.3) for _ in range(random.randint(0, 3)))
    low, high = random.choice(((1, None), (1, None), (2, None), (None, 0), (None, 1), (1, 1)))
    return Happened(
        events=one(),
        low=low,
        high=high,
        window=random.choice((Ever(), InTheLast(length=Length(count=3, unit="day")), InTheLast(length=length()))),
        then=steps,
    )


def test_the_longest_chain_over_the_longest_history_is_answered():
    """Trying every way would take 1,000 to the power of 16."""
    image = link(programs("UTC"))
    rules = load(image.manifest, image.parts)
    items = tuple(EventItem(f"a{i}" if i else "red") for i in range(EVENT_ITEMS_MAX // EVENTS_MAX))
    asked = ask(2 * 10**15, *(Event("order", 10**15 + i, items=items) for i in range(EVENTS_MAX)))
    check(asked)
    history = History(rules, asked.customer.events, asked.at_us, "EUR", clock(rules, rules.settings_zone))
    step = Then(events=EventOf(event="orders", of="wine"), within=Length(count=1, unit="day"))
    long = Happened(events=EventOf(event="orders"), low=1, window=Ever(), then=(step,) * STEPS_MAX)
    assert history.happened(long) is True
    for low, truth in ((EVENTS_MAX - STEPS_MAX, True), (EVENTS_MAX - STEPS_MAX + 1, False)):
        assert history.happened(long.model_copy(update={"low": low})) is truth  # the last 16 have too few behind them


def test_the_order_in_which_events_are_sent_changes_nothing():
    both, random = Both("Europe/Berlin"), Random(7)
    for _ in range(100):
        asked, condition = crowded(random, at("2026-10-26T12:00:00+01:00")), chain(random)
        history = asked.customer.events
        assert history is not None
        shuffled = replace(history, events=tuple(random.sample(history.events, len(history.events))))
        again = replace(asked, customer=replace(asked.customer, events=shuffled))
        assert both.happened(again, condition) == both.happened(asked, condition)


@pytest.mark.parametrize(
    ("day", "count", "unit", "other"),
    [
        ("2024-02-29", -1, "year", "2023-02-28"),
        ("2024-02-29", 4, "year", "2028-02-29"),
        ("2026-01-31", 1, "month", "2026-02-28"),
        ("2026-03-31", -1, "month", "2026-02-28"),
        ("2026-12-31", 2, "month", "2027-02-28"),
        ("2026-12-31", 12, "month", "2027-12-31"),
        ("2026-01-01", -1, "day", "2025-12-31"),
        ("2026-01-01", 2, "week", "2026-01-15"),
        ("2026-01-31", -1_000_000, "year", "0001-01-31"),
        ("2026-01-31", 1_000_000, "month", "9999-12-31"),
        ("2026-01-31", -1_000_000, "day", "0001-01-01"),
        ("2026-01-31", 1_000_000_000, "week", "9999-12-31"),
    ],
)
def test_days_before_and_after(day, count, unit, other):
    assert shifted(datetime.date.fromisoformat(day), count, unit) == datetime.date.fromisoformat(other)


def test_first_days():
    day = datetime.date(2027, 1, 2)  # a Saturday
    found = [first_day(day, span).isoformat() for span in ("day", "week", "month", "year")]
    assert found == ["2027-01-02", "2026-12-28", "2027-01-01", "2027-01-01"]


ORDERS, EVER = EventOf(event="orders"), Ever()
LONG = Length(count=10**6 + 1, unit="day")
BY_ORDER = Compare(attribute="orders.channel", op="ge", value="x")
AT_LEAST = (Compare(attribute="orders.rating", op="ge", value=1),)


def segment(condition, **more):
    return Segment(name="s", title="", lines=(Line(condition=condition, text="line"),), **more)


@pytest.mark.parametrize(
    "condition",
    [
        Happened(events=EventOf(event="clicks"), window=EVER),
        Happened(events=EventOf(event="order"), window=EVER),
        Happened(events=EventOf(event="orders", of="beer"), window=EVER),
        Happened(events=EventOf(event="visits", where=AT_LEAST), window=EVER),
        Happened(events=ORDERS, window=EVER, then=(Then(events=EventOf(event="x"), within=LONG),)),
        SumOf(attribute="orders.worth", events=ORDERS, window=EVER, holds=()),
        SumOf(attribute="visits.rating", events=ORDERS, window=EVER, holds=()),
        NthOrder(event="buys", nth=1),
    ],
)
def test_what_is_not_declared_is_not_linked(condition):
    with pytest.raises(LinkError):
        link(programs("UTC", segment(condition)))


@pytest.mark.parametrize(
    "condition",
    [
        Happened(events=ORDERS, low=-1, window=EVER),
        Happened(events=ORDERS, low=2, high=1, window=EVER),
        Happened(events=ORDERS, window=InTheLast(length=LONG)),
        Happened(events=ORDERS, window=InTheLast(length=Length(count=1, unit="day"), but_not=LONG)),
        Happened(events=ORDERS, window=EVER, then=(Then(events=ORDERS, within=LONG),)),
        Happened(events=ORDERS, window=EVER, then=(Then(events=ORDERS, within=Length(count=1, unit="day")),) * 17),
        Happened(events=EventOf(event="orders", where=(BY_ORDER,)), window=EVER),
        SumOf(attribute="orders.channel", events=ORDERS, window=EVER, holds=()),
        SumOf(attribute="orders.rating", events=EventOf(event="orders", of="wine"), window=EVER, holds=AT_LEAST),
        SumOf(attribute="orders.total", events=ORDERS, window=EVER, holds=AT_LEAST),
        SumOf(
            attribute="orders.total",
            events=ORDERS,
            window=EVER,
            holds=(Compare(attribute="orders.total", op="ge", value=1),),
        ),
        NthOrder(event="orders", nth=0),
    ],
)
def test_what_cannot_be_judged_is_not_loaded(condition):
    image = link(programs("UTC", segment(condition)))
    with pytest.raises(ImageRejected):
        load(image.manifest, image.parts)


@pytest.mark.parametrize("daily", [-1, 86_400])
def test_a_time_of_day_that_no_clock_shows_is_not_loaded(daily):
    image = link(programs("UTC", segment(NthOrder(event="orders", nth=1), refresh=Refresh(daily=daily))))
    with pytest.raises(ImageRejected):
        load(image.manifest, image.parts)


def test_a_long_segment_with_a_refresh_is_loaded():
    lines = tuple(Line(condition=NthOrder(event="orders", nth=n), text="line") for n in range(1, 200))
    image = link(programs("UTC", Segment(name="s", title="", lines=lines, refresh=Refresh())))
    assert load(image.manifest, image.parts).segment_names == ("s",)
