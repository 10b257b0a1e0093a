"""What a request says, asked in one place: the facts behind a condition, which of them are unknown, who is in a set.

The engine decides; this tells the author of a test why, in the words of the text. From Programs and facts alone.
"""

from __future__ import annotations

import datetime
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

import numpy as np

from dsl.membership import Asked, Truth, all_of, negated
from dsl.zones import zone
from engine.basket import BasketLine, Fact, Request
from engine.history import Clock, History, Ints, comes_round, fresh
from engine.program import (
    All,
    Anniversary,
    Any_,
    Articles,
    Attribute,
    Catalogue,
    Condition,
    Consent,
    Count,
    Group,
    Guard,
    Happened,
    Holidays,
    Line,
    Measured,
    Member,
    None_,
    NthOrder,
    Place,
    PriceList,
    ProductSet,
    Program,
    Promotion,
    Refresh,
    Schema,
    Segment,
    Settings,
    Stores,
    SumOf,
    Type,
    Worth,
    WorthOtherwise,
    Writing,
)
from engine.texts import PLAIN

_EPOCH = datetime.date(1970, 1, 1)
_THRESHOLDS = (Worth, WorthOtherwise, Count, Articles, Measured)


class Ruleset:
    """The Programs of a project by kind and name: what the engine's history is judged by, too."""

    def __init__(self, programs: Iterable[Program]) -> None:
        self.segments: dict[str, Segment] = {}
        self.places: dict[str, Place] = {}
        self.sets: dict[str, ProductSet] = {}
        self.promotions: dict[str, Promotion] = {}
        self.groups: dict[str, Group] = {}
        self.guards: list[Guard] = []
        self.defaults: dict[str, Fact] = {}  # by path
        self.zone = "UTC"
        self.writings: dict[str, Writing] = {}
        self.schema = Schema(attributes=())
        self.attributes: dict[str, Attribute] = {}
        self.catalogue = _Table()
        self.stores = _Table()
        self.holidays: dict[int, tuple[str, ...]] = {}  # regions by day; "": everywhere
        self.listed: dict[str, frozenset[str]] = {}  # the articles of price lists
        for program in programs:
            match program:
                case Segment():
                    self.segments[program.name] = program
                case Place():
                    self.places[program.name] = program
                case ProductSet():
                    self.sets[program.name] = program
                case Promotion():
                    self.promotions[program.name] = program
                case Group():
                    self.groups[program.name] = program
                case Guard():
                    self.guards.append(program)
                case Settings():
                    self.zone = program.timezone
                    self.writings = {writing.language: writing for writing in program.writings}
                case Catalogue():
                    self.catalogue = _Table(program)
                case PriceList():
                    self.listed[program.name] = frozenset(program.articles)
                case Stores():
                    self.stores = _Table(program)
                case Holidays():
                    for day, region in zip(program.days, program.regions, strict=True):
                        self.holidays[day] = (*self.holidays.get(day, ()), region)
                case Schema():
                    self.schema = program
                    for attribute in program.attributes:
                        path = f"{attribute.entity}.{attribute.name}"
                        self.attributes[path] = attribute
                        if attribute.default is not None:
                            self.defaults[path] = Fact(attribute.type, attribute.default)
                case _:
                    pass

    def writing(self, language: str) -> Writing:
        """How a language writes amounts."""
        return self.writings.get(language, PLAIN)

    @cached_property
    def clock(self) -> Clock:
        """What the settings' zone shows."""
        table = zone(self.zone)
        instants, offsets = (np.array(column, np.int64) for column in (table.instants, table.offsets))

        def local(at_us: Ints) -> Ints:
            seconds = at_us // 1_000_000
            shown: Ints = seconds + offsets[np.maximum(0, np.searchsorted(instants, seconds, "right") - 1)]
            return shown

        return local


class _Table:
    """A catalogue or the stores, by id."""

    def __init__(self, program: Catalogue | Stores | None = None) -> None:
        self.program = program

    @cached_property
    def index(self) -> Mapping[str, int]:
        """The row of each id."""
        ids: tuple[str, ...] = ()
        if isinstance(self.program, Catalogue):
            ids = self.program.articles
        elif self.program is not None:
            ids = self.program.ids
        return {name: row for row, name in enumerate(ids)}

    def zone(self, store: str) -> str:
        """The time zone of a store; "": none of its own."""
        row = self.index.get(store, -1)
        return self.program.zones[row] if isinstance(self.program, Stores) and row >= 0 else ""

    def fact(self, key: str, name: str, currency: str) -> Fact | None:
        """A cell; money only in the basket's currency."""
        row = self.index.get(key, -1)
        for column in self.program.columns if self.program is not None and row >= 0 else ():
            if column.name == name and (not column.currency or column.currency == currency):
                value = column.values[row]
                if value is not None:
                    return Fact(column.type, value, column.currency)
        return None

    def cell(self, row: int, name: str, currency: str = "") -> int | str | None:
        """The same, by the row (-1: none)."""
        for column in self.program.columns if self.program is not None and row >= 0 else ():
            if column.name == name and column.currency == currency:
                return column.values[row]
        return None


class Situation(Asked):
    """One request. With `line`: the questions about articles are about this line's."""

    def __init__(self, ruleset: Ruleset, request: Request, line: BasketLine | None = None) -> None:
        day = _EPOCH + datetime.timedelta(days=int(ruleset.clock(np.array([request.at_us], np.int64))[0]) // 86_400)
        super().__init__(ruleset.segments, {}, request.customer.consents, day)
        self.ruleset = ruleset
        self.request = request
        self.line = line
        self.sets: dict[str, Truth] = {}

    def of_line(self, line: BasketLine) -> Situation:
        """The same, asked about an article."""
        return Situation(self.ruleset, self.request, line)

    def without(self, segment: str, reduced: tuple[Line, ...]) -> bool:
        """Would the customer be in a segment that had these lines?"""
        program = self.ruleset.segments[segment].model_copy(update={"lines": reduced})
        asked = Situation(self.ruleset, self.request)
        asked.segments = ChainMap({segment: program}, self.ruleset.segments)
        return asked.member(segment)

    # ------------------------------------------------------------------------------------------------ facts

    def fact(self, attribute: str) -> Fact | None:
        """Any attribute, by its path; None: unknown."""
        request = self.request
        match attribute:
            case "payment":
                return _text(request.payment)
            case "delivery":
                return _text(request.delivery)
            case "customer.id":
                return _text(request.customer.id)
            case "store.id":
                return _text(request.store)
            case "item.sku":
                return _text(self.line.article if self.line else "")
            case "item.price":
                return self.price()
            case "basket.lines":
                return Fact(Type.NUMBER, len({line.article for line in request.lines}) * 1_000_000)
        entity, _, name = attribute.partition(".")
        default = self.ruleset.defaults.get(attribute)
        match entity:
            case "customer":
                return request.customer.attributes.get(name, default if request.customer.id else None)
            case "store":
                known = self.ruleset.stores.fact(request.store, name, request.currency)
                return known or request.store_attributes.get(name, default if request.store else None)
            case "delivery":
                return request.delivery_attributes.get(name, default)
            case "basket":
                return request.basket_attributes.get(name, default)
            case _:
                if self.line is None:
                    return None
                known = self.ruleset.catalogue.fact(self.line.article, name, request.currency)
                return known or self.line.attributes.get(name, default)

    def price(self) -> Fact | None:
        """The list price of the line."""
        if self.line is None:
            return None
        if self.line.price_micros is not None:
            return Fact(Type.MONEY, self.line.price_micros, self.request.currency)
        return self.ruleset.catalogue.fact(self.line.article, "price", self.request.currency)

    # ------------------------------------------------------------------------------------------------ conditions

    def truth(self, condition: Condition) -> Truth:
        """True, False, or None: unknown. Thresholds are the engine's: unknown here."""
        match condition:
            case Member(of="products"):
                truth = self.in_set(condition.name)
                return negated(truth) if condition.negated else truth
            case Member(of="place"):
                truth = self.at_place(condition.name)
                return negated(truth) if condition.negated else truth
            case Worth() | WorthOtherwise() | Count() | Articles() | Measured():
                return None
            case Happened():
                return self.history.happened(condition)
            case SumOf():
                return self.history.sum_of(condition)
            case NthOrder():
                return self.history.nth_order(condition)
            case Anniversary():
                fact = self.fact(condition.attribute)
                return comes_round(condition, fact.value, self.day) if fact and isinstance(fact.value, int) else None
        return super().truth(condition)

    @cached_property
    def history(self) -> History:
        """What happened before."""
        request = self.request
        return History(self.ruleset, request.customer.events, request.at_us, request.currency, self.ruleset.clock)

    def member(self, name: str) -> bool:
        """All lines hold, and the facts are young enough."""
        refresh = self.segments[name].refresh
        return (refresh is None or self.young(refresh)) and super().member(name)

    def young(self, refresh: Refresh) -> bool:
        """Are the facts of the customer young enough?"""
        return fresh(refresh, self.request.customer.facts_as_of_us, self.request.at_us, self.ruleset.clock)

    def in_set(self, name: str) -> Truth:
        """Is the article in a product set?"""
        if name not in self.sets:
            self.sets[name] = all_of(self.truth(line.condition) for line in self.ruleset.sets[name].lines)
        return self.sets[name]

    def at_place(self, name: str) -> Truth:
        """Is the store one of these?"""
        return all_of(self.truth(line.condition) for line in self.ruleset.places[name].lines)

    def unknown(self, condition: Condition) -> Iterator[str]:
        """The facts for want of which a condition cannot be judged, as the language names them."""
        if isinstance(condition, _THRESHOLDS) or self.truth(condition) is not None:
            return
        match condition:
            case All() | Any_() | None_():
                for part in condition.of:
                    yield from self.unknown(part)
            case Member(of="place"):
                for line in self.ruleset.places[condition.name].lines:
                    yield from self.unknown(line.condition)
            case Member():
                return
            case Consent():
                yield f"consent to {condition.name}"
            case Happened() | SumOf() | NthOrder() | Refresh():
                return
            case _:
                yield condition.attribute

    def past(self, condition: Condition) -> Iterator[Happened | SumOf | NthOrder]:
        """What a condition asks of what happened before."""
        match condition:
            case All() | Any_() | None_():
                for part in condition.of:
                    yield from self.past(part)
            case Happened() | SumOf() | NthOrder():
                yield condition

    def asked(self, condition: Condition) -> Iterator[str]:
        """The attributes that a condition looks at itself, each as often as it does."""
        match condition:
            case All() | Any_() | None_():
                for part in condition.of:
                    yield from self.asked(part)
            case Member() | Consent() | Happened() | SumOf() | NthOrder() | Refresh():
                return
            case Worth() | WorthOtherwise() | Count() | Articles() | Measured():
                return
            case _:
                yield condition.attribute


def _text(value: str) -> Fact | None:
    return Fact(Type.TEXT, value) if value else None
