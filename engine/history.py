"""What a customer did before: events, judged whole columns at once (docs/semantics.md 3, *Events*).

A condition costs time in proportion to the events of the types that it names, whatever the chain of `then` is: from
its last step back, each step asks only for the first of those later events from which the chain goes on.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.articles import Article, Rules, article_column, plain
from engine.basket import Event, EventHistory, Fact, Facts
from engine.calendar import DAY_S, EPOCH, EXACT_US, MINUTE_US, SPAN_DAYS, first_day, shifted
from engine.instructions import FALSE, TRUE, UNKNOWN
from engine.money import micros_per_minor
from engine.program import (
    Age,
    Anniversary,
    Comparison,
    EventAttribute,
    EventOf,
    Ever,
    Happened,
    InTheLast,
    Length,
    NthOrder,
    Refresh,
    Since,
    SumOf,
    Then,
    This,
    Window,
)
from engine.sets import Evaluator, Truths, Values, compare, int_values, of_facts

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Clock = Callable[[Ints], Ints]  # what the settings' zone shows at instants (us): seconds since 1970-01-01T00:00 on it
REALTIME_US = MINUTE_US  # facts that are younger were read for this request
NEVER = 2**62  # later than every date and instant


class _Event(NamedTuple):
    """An event, and the numbers of its articles among those of the history."""

    event: Event
    articles: list[int]


class _Events:
    """All events of one type that lie before the instant of the request, earliest first."""

    def __init__(self, history: History, attributes: Sequence[EventAttribute], rows: Sequence[_Event]) -> None:
        self.history = history
        self.attributes = {attribute.name: attribute for attribute in attributes}
        self.rows = sorted(rows, key=lambda row: row.event.at_us)
        self.at_us: Ints = np.array([row.event.at_us for row in self.rows], np.int64)
        self.date: Ints = history.clock(self.at_us) // DAY_S
        self.event_of_item: Ints = np.repeat(
            np.arange(len(self.rows)), np.array([len(row.articles) for row in self.rows], np.int64)
        )
        self.article_of_item: Ints = np.array([number for row in self.rows for number in row.articles], np.int64)
        self.columns: dict[str, Values] = {}
        self.judge = Evaluator(len(self.rows), self.column, {}, history.currency, micros_per_minor(history.currency))

    def column(self, attribute: str) -> Values:
        """An attribute of the events ("orders.channel")."""
        if attribute not in self.columns:
            declared = self.attributes[attribute.split(".", 1)[1]]
            default = None if declared.default is None else Fact(declared.type, declared.default, self.history.currency)
            facts = [row.event.attributes.get(declared.name, default) for row in self.rows]
            self.columns[attribute] = of_facts(declared, facts, self.history.currency)
        return self.columns[attribute]

    def match(self, events: EventOf) -> Truths:
        """Which of them are meant."""
        truths = [self.compared(comparison) for comparison in events.where]
        return self.judge.every([*truths, self.had(events.of)] if events.of is not None else truths)

    def compared(self, comparison: Comparison) -> Truths:
        values = self.column(comparison.attribute)
        if not isinstance(comparison, Age):
            return self.judge.of_values(comparison, values)
        bound = _number(shifted(self.history.today, -comparison.count, comparison.unit))
        holds = compare("lt" if comparison.op == "more" else "gt", values.numbers, bound)
        return np.where(values.known, holds.astype(np.int8), np.int8(UNKNOWN)).astype(np.int8)

    def had(self, products: str) -> Truths:
        """Which of them had an article of a product set; unknown where their articles are not known."""
        member = self.history.members(products)[self.article_of_item]
        found = np.full(len(self.rows), UNKNOWN, np.int8)
        found[self.event_of_item] = FALSE
        found[self.event_of_item[member == UNKNOWN]] = UNKNOWN
        found[self.event_of_item[member == TRUE]] = TRUE
        return found

    def amounts(self) -> list[int | None]:
        """What was paid for each item, in micros of the basket's currency; None: unknown."""
        currency, micros = self.history.currency, micros_per_minor(self.history.currency)
        return [
            None if item.amount is None or row.event.currency != currency else item.amount * micros
            for row in self.rows
            for item in row.event.items
        ]


class History:
    """The events before an instant, which `check` has passed; None: not known. Money counts in one currency.

    Raises BadRequest for values of another type than declared."""

    def __init__(self, rules: Rules, known: EventHistory | None, at_us: int, currency: str, clock: Clock) -> None:
        self.rules = rules
        self.clock = clock
        self.currency = currency
        self.at_us = at_us
        self.today = _date(int(clock(np.array([at_us], np.int64))[0]) // DAY_S)
        self.known = known is not None
        self.complete_since_us = known.complete_since_us if known else 0
        self.articles: list[Article] = []
        self.numbers: dict[str, int] = {}  # of those of which no event says more than the catalogue
        self.types: dict[str, _Events] = {}
        if known is not None:
            self.read(known.events)
        columns: dict[str, Values] = {}

        def column(attribute: str) -> Values:
            if attribute not in columns:
                columns[attribute] = article_column(rules, attribute, self.articles, self.currency)
            return columns[attribute]

        self.judge = Evaluator(len(self.articles), column, rules.sets, self.currency, micros_per_minor(self.currency))

    def read(self, events: Sequence[Event]) -> None:
        """The declared ones by type, each once."""
        declared = {event_type.one: event_type for event_type in self.rules.schema.events}
        rows: dict[str, list[_Event]] = {name: [] for name in declared}
        seen: set[str] = set()
        for place, event in enumerate(events):
            if event.type not in declared or event.id in seen:
                continue
            seen |= {event.id} - {""}
            field = f"customer.events.events[{place}]"
            self.refuse_other_types({a.name: a for a in declared[event.type].attributes}, event.attributes, field)
            numbers = [
                self.article(item.article, item.attributes, f"{field}.items[{i}]") for i, item in enumerate(event.items)
            ]
            if event.at_us < self.at_us:
                rows[event.type].append(_Event(event, numbers))
        for event_type in declared.values():
            self.types[event_type.name] = _Events(self, event_type.attributes, rows[event_type.one])

    def refuse_other_types(self, declared: Mapping[str, EventAttribute], given: Facts, field: str) -> None:
        for name, fact in given.items():
            if name in declared:
                plain(declared[name], fact, self.currency, f"{field}.attributes[{name}]")

    def article(self, name: str, given: Facts, field: str) -> int:
        """The number of an article among those that are judged."""
        for attribute, fact in given.items():
            declared = self.rules.attributes.get(f"item.{attribute}")
            if declared is not None:
                plain(declared, fact, self.currency, f"{field}.attributes[{attribute}]")
        if not given and name in self.numbers:
            return self.numbers[name]
        if not given:
            self.numbers[name] = len(self.articles)
        self.articles.append(Article(name, self.rules.catalogue.index.get(name, -1), given, f"{field}.attributes"))
        return len(self.articles) - 1

    def members(self, products: str) -> Truths:
        """Which articles are in a product set."""
        return self.judge.member(products)

    # ------------------------------------------------------------------------------------------------ conditions

    def happened(self, condition: Happened) -> bool | None:
        """Whether the number of events lies within the bounds; None: unknown."""
        counted = self.count(condition)
        if counted is None:
            return None
        sure, perhaps = counted
        low = 0 if condition.low is None else condition.low
        high = NEVER if condition.high is None else condition.high
        if low <= sure and perhaps <= high:
            return True
        return False if perhaps < low or sure > high else None

    def count(self, condition: Happened) -> tuple[int, int] | None:
        """How many events are meant, for sure and perhaps; None: the window is not known."""
        begun = self.in_window(condition.events.event, condition.window)
        if begun is None:
            return None
        events = self.types[condition.events.event]
        truths = events.judge.every([events.match(condition.events), self.followed(events, condition.then)])[begun]
        return int((truths == TRUE).sum()), int((truths != FALSE).sum())

    def followed(self, events: _Events, then: Sequence[Then]) -> Truths:
        """For each event whether what follows it is as the steps say."""
        if not then:
            return np.full(len(events.rows), TRUE, np.int8)
        step = then[0]
        later = self.types[step.events.event]
        if step.none:
            over, rest = self.over(events, step.within), self.followed(events, then[1:])
            none = events.judge.negate(self.followed_by(events, later, later.match(step.events), step.within))
            return events.judge.every([over, none, rest])
        good = later.judge.every([later.match(step.events), self.followed(later, then[1:])])
        return self.followed_by(events, later, good, step.within)

    def followed_by(self, events: _Events, later: _Events, good: Truths, within: Length) -> Truths:
        """For each event whether one of the good ones comes after it, and in time."""
        moments = later.at_us if within.unit in EXACT_US else later.date
        limit = self.limits(events, within)
        behind = np.searchsorted(later.at_us, events.at_us, "right")
        found = np.full(len(events.rows), FALSE, np.int8)
        for truth, wanted in ((UNKNOWN, good == UNKNOWN), (TRUE, good == TRUE)):
            earliest = np.append(np.minimum.accumulate(np.where(wanted, moments, NEVER)[::-1])[::-1], NEVER)
            found[earliest[behind] <= limit] = truth
        return found

    def limits(self, events: _Events, within: Length) -> Ints:
        """For each event the last moment (a local date, or an instant) within so much time after it."""
        if within.unit in EXACT_US:
            return events.at_us + within.count * EXACT_US[within.unit]
        if within.unit in SPAN_DAYS:
            return events.date + within.count * SPAN_DAYS[within.unit]
        dates, place = np.unique(events.date, return_inverse=True)
        ends = [_number(shifted(_date(date), within.count, within.unit)) for date in dates.tolist()]
        return np.array(ends, np.int64)[place]

    def over(self, events: _Events, within: Length) -> Truths:
        """For each event whether so much time has passed since."""
        now = self.at_us if within.unit in EXACT_US else _number(self.today)
        return (self.limits(events, within) < now).astype(np.int8)

    def sum_of(self, condition: SumOf) -> bool | None:
        """Whether what events add up to is as asked; None: unknown."""
        total = self.total(condition)
        if total is None:
            return None
        judge = Evaluator(1, lambda _: int_values([total]), {}, self.currency, micros_per_minor(self.currency))
        truth = int(judge.every([judge.condition(comparison) for comparison in condition.holds])[0])
        return None if truth == UNKNOWN else truth == TRUE

    def total(self, condition: SumOf) -> int | None:
        """What events add up to, money in micros; None: unknown."""
        begun = self.in_window(condition.events.event, condition.window)
        if begun is None:
            return None
        events = self.types[condition.events.event]
        truths = np.where(begun, events.match(condition.events), FALSE)
        if (truths == UNKNOWN).any():
            return None
        values = events.column(condition.attribute)
        if condition.events.of is None:
            known = values.known[truths == TRUE].all()
            return sum(values.numbers[truths == TRUE].tolist()) if known else None
        member = np.where(
            truths[events.event_of_item] == TRUE, self.members(condition.events.of)[events.article_of_item], FALSE
        )
        paid = [amount for amount, truth in zip(events.amounts(), member.tolist(), strict=True) if truth == TRUE]
        amounts = [amount for amount in paid if amount is not None]
        return None if (member == UNKNOWN).any() or len(amounts) < len(paid) else sum(amounts)

    def nth_order(self, condition: NthOrder) -> bool | None:
        """Whether the order at hand is the n-th; None: unknown."""
        number = self.number(condition)
        if number is None:
            return None
        return number % condition.nth == 0 if condition.every else number == condition.nth

    def number(self, condition: NthOrder) -> int | None:
        """The order at hand, counted in; None: unknown."""
        known = self.known and not self.complete_since_us
        return len(self.types[condition.event].rows) + 1 if known else None

    # ------------------------------------------------------------------------------------------------ windows

    def in_window(self, event: str, window: Window) -> Flags | None:
        """Which events of a type lie in a window; None: not all of the window is known."""
        if not self.known:
            return None
        since = self.complete_since_us
        if since:
            unseen = np.array([since - 1], np.int64)  # the last instant that is not covered
            if isinstance(window, Ever) or self.not_before(window, unseen, self.clock(unseen) // DAY_S)[0]:
                return None
        events = self.types[event]
        inside = self.not_before(window, events.at_us, events.date)
        if isinstance(window, InTheLast) and window.but_not is not None:
            inside &= ~self.recent(window.but_not, events.at_us, events.date)
        return inside

    def not_before(self, window: Window, at_us: Ints, date: Ints) -> Flags:
        """Which of some moments do not lie before a window."""
        match window:
            case InTheLast():
                return self.recent(window.length, at_us, date)
            case Since():
                return date >= window.day
            case This():
                return date >= _number(first_day(self.today, window.span))
            case Ever():
                return np.full(len(at_us), True)

    def recent(self, length: Length, at_us: Ints, date: Ints) -> Flags:
        """Which of some moments lie less than so long ago: by the calendar or, hours and minutes, exactly."""
        if length.unit in EXACT_US:
            return at_us > self.at_us - length.count * EXACT_US[length.unit]
        return date > _number(shifted(self.today, -length.count, length.unit))


def fresh(condition: Refresh, read_us: int, at_us: int, clock: Clock) -> bool:
    """Whether facts that were read at an instant (0: for this request) are young enough."""
    if read_us == 0 or condition.daily is None:
        return read_us == 0 or read_us >= at_us - REALTIME_US
    read, now = clock(np.array([read_us, at_us], np.int64)).tolist()
    return bool(read >= now - (now - condition.daily) % DAY_S)  # since the clock last showed that time


def comes_round(condition: Anniversary, date: int, today: datetime.date) -> bool:
    """Whether a day and month come round in the span, or near enough."""
    born = _date(date)
    days = [_in_year(born, today.year + shift) for shift in (-1, 0, 1)]
    if condition.within is not None:
        first, last = (shifted(today, sign * condition.within.count, condition.within.unit) for sign in (-1, 1))
        return any(first <= day <= last for day in days)
    assert condition.span is not None
    return any(first_day(day, condition.span) == first_day(today, condition.span) for day in days)


def _in_year(day: datetime.date, year: int) -> datetime.date:
    return shifted(day, year - day.year, "year")


def _date(number: int) -> datetime.date:
    return datetime.date.fromordinal(EPOCH.toordinal() + number)


def _number(date: datetime.date) -> int:
    return (date - EPOCH).days
