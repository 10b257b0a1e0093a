"""Rulesets from seeds: small, crowded, full of ties, and reaching all that Programs can say.

The same seed gives the same Programs on every machine: `random.Random` and nothing else. Volume is made with seeds:
`ruleset(1)`, and what is asked of it, `request(programs, 2)` of tests/generated_requests.py.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from functools import lru_cache
from random import Random
from typing import Any, Literal, TypeVar
from zoneinfo import ZoneInfo

from engine.basket import (
    UNITS,
)
from engine.money import micros_per_minor
from engine.program import (
    Age,
    All,
    Amount,
    AmountOffArticle,
    AmountOffEach,
    AmountOffFee,
    AmountOffMeasure,
    AmountOffTogether,
    Anniversary,
    Any_,
    Arm,
    Articles,
    Attribute,
    BasePoints,
    BasketPrice,
    Buy,
    Catalogue,
    Channels,
    Choice,
    CodeSet,
    Column,
    Compare,
    CompareMoney,
    Comparison,
    Condition,
    Consent,
    Count,
    EventAttribute,
    EventOf,
    EventType,
    Ever,
    FeePrice,
    FixedPoints,
    FixedPriceEach,
    FixedPriceMeasure,
    FreeService,
    Gift,
    Group,
    Guard,
    Happened,
    Has,
    Holidays,
    InTheLast,
    Known,
    Ladder,
    Length,
    Limit,
    Line,
    Measured,
    Member,
    Money,
    Need,
    NextCode,
    None_,
    NthOrder,
    OneOf,
    OnlyOn,
    PercentOff,
    PercentOffFee,
    PercentOffTogether,
    Pick,
    Place,
    Plain,
    PointsReward,
    PriceList,
    PricesFrom,
    PriceTogether,
    ProductSet,
    Program,
    Promotion,
    Refresh,
    Reward,
    Runs,
    Schema,
    Segment,
    Settings,
    Share,
    Since,
    Slot,
    StartsWith,
    Step,
    Stores,
    SumOf,
    Target,
    Text,
    Then,
    This,
    Tier,
    Tiers,
    TimesPoints,
    Type,
    Under,
    Unit,
    Variants,
    Window,
    WithCode,
    Worth,
    WorthOtherwise,
    Zone,
)
from tests.entered import by_hand, floors

T = TypeVar("T")

ZONES = ("Europe/Berlin", "America/New_York", "UTC", "Australia/Lord_Howe")
CURRENCIES = ("EUR", "EUR", "EUR", "JPY", "KWD", "USD")
CHANNELS = ("app", "pos", "web")
SERVICES = ("express", "post")
PAYMENTS = ("card", "cash")
CONSENTS = ("ads", "news")
COLOURS = ("blue", "red", "weiß")
PATHS = ("A", "A/B", "A/B/C", "AB", "D")
TAGS = ("x", "y", "z")
MINOR = (1, 5, 50, 99, 99, 100, 100, 100, 129, 129, 150, 200, 200, 250, 333, 500, 999, 1000)  # many ties
DAY = 86_400
LENGTHS: tuple[tuple[Literal["minute", "hour", "day", "week", "month", "year"], int], ...] = (
    ("minute", 90),
    ("hour", 30),
    ("day", 5),
    ("day", 40),
    ("week", 3),
    ("month", 3),
    ("year", 1),
)
MEASURED: tuple[Unit, ...] = ("kg", "g", "l", "ml", "m", "lb", "oz", "gal")

PER_ITEM = ("best-per-item", "first-per-item")
MODES = (
    "all",
    "best",
    "best-per-item",
    "best-per-item",
    "best-per-item",
    "first",
    "first",
    "first-per-item",
    "at-most",
)

# Where schedules begin, end and are asked about: the clock's odd moments of 2026, in local time.
ODD_MOMENTS = {
    "Europe/Berlin": ((3, 29, 2, 30), (10, 25, 2, 30), (10, 25, 2, 0)),
    "America/New_York": ((3, 8, 2, 30), (11, 1, 1, 30)),
    "Australia/Lord_Howe": ((4, 5, 1, 45), (10, 4, 2, 15)),
    "UTC": ((7, 1, 0, 0),),
}

# ---------------------------------------------------------------------------------------------------- time


def seconds(*parts: int) -> int:
    """Local seconds since 1970 of a date and time."""
    moment = datetime.datetime(*parts, tzinfo=datetime.UTC)  # type: ignore[misc,arg-type]  # (y, m, d, h, min)
    return int(moment.timestamp())


@lru_cache
def zone(name: str) -> Zone:
    """A zone's offsets from 1970 to 2100, pinned."""
    info, begin, end = ZoneInfo(name), -DAY, seconds(2100, 1, 3)

    def offset(instant: int) -> int:
        gone = datetime.datetime.fromtimestamp(instant, info).utcoffset()
        assert gone is not None
        return int(gone.total_seconds())

    instants, offsets = [begin], [offset(begin)]
    for day in range(begin + DAY, end, DAY):
        if offset(day) != offsets[-1]:
            before, after = day - DAY, day
            while after - before > 1:
                middle = (before + after) // 2
                before, after = (middle, after) if offset(middle) == offsets[-1] else (before, middle)
            instants.append(after)
            offsets.append(offset(after))
    return Zone(name=name, instants=tuple(instants), offsets=tuple(offsets), until=end)


# ---------------------------------------------------------------------------------------------------- rulesets


Meeting = tuple[str, bool, str]  # a kind of reward, whether of a buy, and the rule of its group


def _meetings() -> tuple[Meeting, ...]:
    """Each kind under each rule: chance alone would leave the rarest out."""
    modes = tuple(dict.fromkeys(MODES))
    of_units = ("percent-off", "amount-off-each", "amount-off-measure", "fixed-price-each", "fixed-price-measure")
    of_a_buy = ("pick", "ladder", "percent-off", "amount-off-each", "fixed-price-each", "price-together")
    together = ("percent-off-together", "amount-off-together", "amount-off-article")
    found = [(kind, False, mode) for mode in modes for kind in (*of_units, "tiers", "variants")]
    found += [(kind, True, mode) for mode in modes for kind in (*of_a_buy, "price-together singles", "variants")]
    found += [(kind, False, mode) for mode in modes if mode not in PER_ITEM for kind in together]
    found += [(kind, True, mode) for mode in modes for kind in together[:2]]
    return tuple(found)


MEETINGS = _meetings()


def ruleset(seed: int) -> tuple[Program, ...]:
    """A checked ruleset: all names resolve, all that the checker guarantees holds."""
    return _Maker(Random(seed), MEETINGS[seed // 4 % len(MEETINGS)] if seed % 4 == 3 else None).programs()


def unit_of(article: str) -> str:
    """The unit an article is measured in, by its name ("kg1"); "" for pieces ("a1")."""
    unit = article.rstrip("0123456789")
    return unit if unit in UNITS else ""


def _shares(name: str) -> tuple[Share, ...]:
    """Who pays, by the name alone: so the other choices stay what they were."""
    random = Random(name)
    if random.random() < 0.6:
        return ()
    cuts = sorted(random.choices((0, 1, 3_333, 5_000, 6_667, 9_999, 10_000), k=random.randint(0, 3)))
    parts = [end - begin for begin, end in zip([0, *cuts], [*cuts, 10_000], strict=True)]
    named = ["", *(f"supplier {number}" for number in range(1, 4))]
    return tuple(
        Share(party="supplier" if who else "us", name=who, basis_points=part)
        for who, part in zip(named, parts, strict=False)
    )


def _base_points(currencies: Sequence[str], articles: Sequence[str]) -> BasePoints | None:
    """What everybody earns, by these names alone, likewise; now and then in the first currency only."""
    random = Random(" ".join((*currencies, *articles)))
    if random.random() < 0.2:
        return None
    said = sorted(currencies if random.random() < 0.6 else currencies[:1])
    per = tuple(Amount(currency=currency, value=random.choice((1, 3, 50, 100))) for currency in said)
    return BasePoints(points=random.choice((1, 1, 2, 10)), per=per)


def _price_lists(currencies: Sequence[str], articles: Sequence[str]) -> list[PriceList]:
    """Two lists by these names alone, likewise: of some articles, from quantities on and on days of 2026."""
    random = Random(" ".join(("lists", *currencies, *articles)))
    begin, end = seconds(2026, 1, 1) // DAY, seconds(2026, 12, 31) // DAY
    lists = []
    for name in ("l0", "l1"):
        said = sorted(currencies if random.random() < 0.7 else currencies[:1])
        rows: list[tuple[str, int, int | None, int | None]] = []
        for article in (*articles, "unlisted"):
            quantities = random.choice(((), (1,), (1,), (1, 2), (1, 3), (2,), (2, 3), (1, 2, 4), (6,)))
            for quantity in quantities:
                middle = random.randint(begin, end)
                spans = ((None, None), (None, None), (begin, end), (None, middle), (middle, None))
                start, until = random.choice(spans)
                rows.append((article, quantity, start, until))
                if until == middle and random.random() < 0.6:
                    rows.append((article, quantity, middle + 1, None))
        prices = tuple(
            Column(
                name="price",
                type=Type.MONEY,
                currency=currency,
                values=tuple(price(random, currency) * 3 // 4 if random.random() < 0.9 else None for _ in rows),
            )
            for currency in said
        )
        columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], [], []]
        lists.append(
            PriceList(
                name=name,
                articles=tuple(columns[0]),
                quantities=tuple(columns[1]),
                starts=tuple(columns[2]),
                untils=tuple(columns[3]),
                prices=prices,
            )
        )
    return lists


def _rounding_per(currencies: tuple[str, ...], articles: tuple[str, ...]) -> Any:
    """Per article, of every fifth shop."""
    random = Random(" ".join(("rounding", *currencies, *articles)))
    return random.choice(("piece", "piece", "piece", "piece", "article"))


class _Maker:
    """Makes one ruleset."""

    def __init__(self, random: Random, meeting: Meeting | None = None) -> None:
        self.random = random
        self.maybe = Dice(random)
        first = random.choice(CURRENCIES)
        others = [currency for currency in ("EUR", "JPY", "KWD", "USD") if currency != first]
        self.currencies = (first, *random.sample(others, random.choice((0, 0, 1, 2))))
        self.special = random.choices(("", "long runs", "caps", "many"), (89, 3, 7, 1))[0]
        self.meeting = None if self.special == "many" else meeting
        if self.meeting:
            self.special = ""
        self.articles = self._articles()
        self.points = _base_points(self.currencies, self.articles)
        self.price_lists = _price_lists(self.currencies, self.articles)
        self.sets: list[str] = []
        self.segments: list[str] = []
        self.places: list[str] = []
        self.codes: list[str] = []
        self.groups: list[Group] = []
        self.holidays = False

    def _articles(self) -> tuple[str, ...]:
        count = self.random.randint(4, 10)
        measured = self.random.choice((0, 1, 2, 3))
        if self.meeting and self.meeting[0].endswith("measure"):
            measured = max(1, measured)
        units = [self.random.choice(("kg", "kg", "g", "l", "ml", "m", "lb", "oz", "gal")) for _ in range(measured)]
        names = [f"a{number}" for number in range(count - measured)]
        return tuple(sorted(names + [f"{unit}{number}" for number, unit in enumerate(units)]))

    def programs(self) -> tuple[Program, ...]:
        random, maybe = self.random, self.maybe
        settings = Settings(
            currencies=self.currencies,
            timezone=random.choice(ZONES),
            rounding=random.choice(("half-up", "half-up", "half-even", "down", "up")),
            rounding_per=_rounding_per(self.currencies, self.articles),
            prices_include_tax=maybe(75),
            cash_rounding=tuple(
                Amount(currency=c, value=random.choice((1, 5, 10, 100))) for c in sorted(self.currencies) if maybe(25)
            ),
            points=self.points,
        )
        made: list[Program] = [settings, self._schema(), self._catalogue(), self._stores()]
        made += self.price_lists
        made += [zone(name) for name in ZONES]
        if maybe(30):
            made.append(self._holidays())
        for number in range(random.randint(1, 3)):
            refresh = Refresh(daily=random.choice((None, 3 * 3600, 2 * 3600 + 1800))) if maybe(15) else None
            lines = self._lines(self._segment_condition)
            made.append(Segment(name=f"g{number}", title="", lines=lines, refresh=refresh))
            self.segments.append(f"g{number}")
        for number in range(random.randint(1, 2)):
            made.append(Place(name=f"p{number}", title="", lines=self._lines(self._place_condition)))
            self.places.append(f"p{number}")
        for number in range(random.randint(3, 6)):
            made.append(ProductSet(name=f"s{number}", title="", lines=self._set_lines()))
            self.sets.append(f"s{number}")
        for number in range(random.randint(0, 2)):
            exact = maybe(25)
            known = ("A", "b", "C1", "c1", " D-D") if exact else ("A", "B", "C1", "ÄX", "D-D")
            codes = tuple(sorted(random.sample(known, random.randint(1, 4))))
            uses = random.choice((None, 1, 2, 3))
            made.append(CodeSet(name=f"c{number}", title="", codes=codes, uses=uses, exact=exact))
            self.codes.append(f"c{number}")
        if maybe(25):
            made.append(self._guard())
        promotions = self._promotions()
        made += floors(self.sets, promotions)
        promotions += [] if self.special else by_hand(promotions, self.groups, self.currencies)
        return (*made, *self._ordered_groups(promotions), *promotions)

    # ---------- tables ----------

    def _schema(self) -> Schema:
        default = self._default
        return Schema(
            attributes=(
                Attribute(entity="item", name="cat", type=Type.TEXT, default=default("D")),
                Attribute(entity="item", name="colour", type=Type.TEXT, choices=COLOURS, default=default("red")),
                Attribute(entity="item", name="stars", type=Type.NUMBER, default=default(2_000_000)),
                Attribute(entity="item", name="fat", type=Type.PERCENT),
                Attribute(entity="item", name="eco", type=Type.YES_NO, default=default(0)),
                Attribute(entity="item", name="since", type=Type.DATE),
                Attribute(entity="item", name="cost", type=Type.MONEY),
                Attribute(entity="item", name="tags", type=Type.TEXTS),
                Attribute(entity="customer", name="tier", type=Type.TEXT, default=default("basic")),
                Attribute(entity="customer", name="points", type=Type.NUMBER, default=default(0)),
                Attribute(entity="customer", name="born", type=Type.DATE),
                Attribute(entity="customer", name="vip", type=Type.YES_NO, default=default(0)),
                Attribute(entity="customer", name="spent", type=Type.MONEY),
                Attribute(entity="customer", name="tags", type=Type.TEXTS),
                Attribute(entity="store", name="region", type=Type.TEXT, default=default("north")),
                Attribute(entity="store", name="size", type=Type.NUMBER),
                Attribute(entity="delivery", name="country", type=Type.TEXT, default=default("DE")),
                Attribute(entity="basket", name="gift", type=Type.YES_NO, default=default(0)),
            ),
            events=(
                EventType(
                    name="orders",
                    one="order",
                    attributes=(
                        EventAttribute(name="total", type=Type.MONEY),
                        EventAttribute(name="points", type=Type.NUMBER, default=default(1_000_000)),
                        EventAttribute(name="channel", type=Type.TEXT, choices=CHANNELS, default=default("pos")),
                        EventAttribute(name="due", type=Type.DATE),
                    ),
                ),
                EventType(name="visits", one="visit", attributes=(EventAttribute(name="tags", type=Type.TEXTS),)),
            ),
            consents=CONSENTS,
            channels=CHANNELS,
            services=SERVICES,
            payments=PAYMENTS if self.maybe(80) else (),
        )

    def _default(self, value: T) -> T | None:
        return value if self.maybe(40) else None

    def _catalogue(self) -> Catalogue:
        random = self.random

        def column(name: str, kind: Type, value: Callable[[], int | str], share: int = 85, of: str = "") -> Column:
            values = tuple(value() if self.maybe(share) else None for _ in self.articles)
            return Column(name=name, type=kind, currency=of, values=values)

        first = self.currencies[0]
        columns = [column("price", Type.MONEY, lambda: price(random, first), 95, first)]
        columns += [
            column("tax-rate", Type.PERCENT, lambda: random.choice((0, 700, 1900, 1900)), 80),
            column("cat", Type.TEXT, lambda: random.choice(PATHS)),
            column("colour", Type.TEXT, lambda: random.choice(COLOURS)),
            column("stars", Type.NUMBER, lambda: random.randint(1, 5) * 1_000_000),
            column("fat", Type.PERCENT, lambda: random.choice((0, 150, 3500)), 50),
            column("eco", Type.YES_NO, lambda: random.randint(0, 1), 70),
            column("since", Type.DATE, lambda: seconds(2026, 7, 1) // DAY - random.randint(0, 1500), 70),
            column("cost", Type.MONEY, lambda: price(random, first), 60, first),
        ]
        return Catalogue(articles=self.articles, columns=tuple(columns))

    def _stores(self) -> Stores:
        ids = ("b1", "b2", "b3")
        regions = tuple(self.random.choice(("north", "south", None)) for _ in ids)
        return Stores(
            ids=ids,
            zones=tuple(self.random.choice((*ZONES, "")) for _ in ids),
            columns=(Column(name="region", type=Type.TEXT, values=regions),),
        )

    def _holidays(self) -> Holidays:
        """About every second day is one, somewhere."""
        self.holidays = True
        first = seconds(2026, 1, 1) // DAY
        where = ("", "north", "north", "south", "west")
        rows = {(first + self.random.randrange(365), self.random.choice(where)) for _ in range(300)}
        return Holidays(days=tuple(day for day, _ in sorted(rows)), regions=tuple(of for _, of in sorted(rows)))

    # ---------- conditions ----------

    def _lines(self, condition: Callable[[], Condition]) -> tuple[Line, ...]:
        return tuple(
            Line(condition=condition(), text=f"line {number}") for number in range(self.random.choice((1, 1, 2)))
        )

    def _nested(self, simple: Callable[[], Condition], share: int = 20) -> Condition:
        if not self.maybe(share):
            return simple()
        kind: type[All | Any_ | None_] = self.random.choice((All, Any_, Any_, None_))
        return kind(of=tuple(simple() for _ in range(self.random.randint(1, 3))))

    def _op(self) -> Literal["eq", "ne", "lt", "le", "gt", "ge"]:
        return self.random.choice(("eq", "ne", "lt", "le", "gt", "ge"))

    def _equal(self) -> Literal["eq", "ne"]:
        return self.random.choice(("eq", "eq", "ne"))

    def _member(self, of: Literal["products", "segment", "place"], names: Sequence[str]) -> Condition:
        return Member(of=of, name=self.random.choice(names), negated=self.maybe(40))

    def _segment_condition(self) -> Condition:
        return self._nested(self._customer_condition)

    def _customer_condition(self) -> Condition:
        random = self.random
        simple: list[Callable[[], Condition]] = [
            lambda: Compare(attribute="customer.tier", op=self._equal(), value=random.choice(("basic", "gold"))),
            lambda: Compare(attribute="customer.points", op=self._op(), value=random.randint(0, 3) * 1_000_000),
            lambda: Compare(attribute="customer.vip", op="eq", value=random.randint(0, 1)),
            lambda: OneOf(attribute="customer.tier", values=("basic", "gold"), negated=self.maybe(30)),
            lambda: Known(attribute=random.choice(("customer.id", "customer.born")), known=self.maybe(60)),
            lambda: StartsWith(attribute="customer.tier", prefix=random.choice(("b", "go", "x"))),
            lambda: Has(attribute="customer.tags", values=tuple(random.sample(TAGS, 2))),
            lambda: self._age("customer.born", 40),
            lambda: CompareMoney(attribute="customer.spent", op=self._op(), value=self._money(self._amount)),
            lambda: Consent(name=random.choice(CONSENTS)),
            lambda: Consent(name=random.choice(CONSENTS)),
            lambda: Compare(attribute="delivery", op=self._equal(), value=random.choice(SERVICES)),
            lambda: Compare(attribute="payment", op=self._equal(), value=random.choice(PAYMENTS)),
            lambda: Compare(attribute="basket.lines", op=self._op(), value=random.randint(1, 4) * 1_000_000),
        ]
        if self.segments:
            simple += [lambda: self._member("segment", self.segments)] * 2
        return self._past_condition() if self.maybe(35) else random.choice(simple)()

    def _past_condition(self) -> Condition:
        random = self.random
        match random.choice(("happened", "happened", "then", "then", "sum", "order", "anniversary")):
            case "happened":
                return self._happened(())
            case "then":
                return self._happened(tuple(self._then() for _ in range(random.choice((1, 1, 2, 3)))))
            case "sum":
                return self._sum()
            case "order":
                return NthOrder(event="orders", nth=random.randint(1, 3), every=self.maybe(50))
        if self.maybe(50):
            return Anniversary(attribute="customer.born", span=random.choice(("day", "week", "month", "year")))
        length = Length(count=random.randint(0, 3), unit=random.choice(("day", "week", "month", "month", "year")))
        return Anniversary(attribute="customer.born", within=length)

    def _happened(self, then: tuple[Then, ...]) -> Condition:
        low, high = self.random.choice(((0, 0), (1, None), (1, None), (2, None), (None, 1), (1, 1), (1, 2)))
        return Happened(events=self._event_of(), low=low, high=high, window=self._window(), then=then)

    def _then(self) -> Then:
        return Then(events=self._event_of(), within=self._length(), none=self.maybe(35))

    def _length(self) -> Length:
        unit, most = self.random.choice(LENGTHS)
        return Length(count=self.random.randint(1, most), unit=unit)

    def _window(self) -> Window:
        random = self.random
        match random.choice(("last", "last", "last", "between", "since", "this", "ever")):
            case "last":
                return InTheLast(length=self._length())
            case "between":
                return InTheLast(length=self._length(), but_not=self._length())
            case "since":
                return Since(day=seconds(2026, random.randint(1, 12), random.choice((1, 28))) // DAY)
            case "this":
                return This(span=random.choice(("day", "week", "month", "year")))
        return Ever()

    def _event_of(self, event: str = "") -> EventOf:
        random = self.random
        event = event or random.choice(("orders", "orders", "visits"))
        of = self._future_set() if self.maybe(35) else None
        where: list[Comparison] = []
        if event == "visits" and self.maybe(20):
            where.append(Has(attribute="visits.tags", values=tuple(random.sample(TAGS, 2))))
        if event == "orders" and self.maybe(40):
            where.append(
                random.choice(
                    (
                        Compare(attribute="orders.channel", op=self._equal(), value=random.choice(CHANNELS)),
                        Compare(attribute="orders.points", op=self._op(), value=random.randint(0, 3) * 1_000_000),
                        CompareMoney(attribute="orders.total", op=self._op(), value=self._money(self._amount)),
                        OneOf(attribute="orders.channel", values=("app", "web"), negated=self.maybe(30)),
                        Known(attribute="orders.total", known=self.maybe(60)),
                        Age(attribute="orders.due", op="more", count=random.randint(1, 40), unit="day"),
                    )
                )
            )
        return EventOf(event=event, of=of, where=tuple(where))

    def _sum(self) -> Condition:
        window, events = self._window(), self._event_of("orders")
        if events.of is None and self.maybe(40):
            test: Comparison = Compare(
                attribute="orders.points", op=self._op(), value=self.random.randint(0, 6) * 1_000_000
            )
            return SumOf(attribute="orders.points", events=events, window=window, holds=(test,))
        tests = tuple(
            CompareMoney(attribute="orders.total", op=op, value=self._money(lambda: self.random.choice((0, 200, 500))))
            for op in (("ge", "le") if self.maybe(20) else (self._op(),))
        )
        return SumOf(attribute="orders.total", events=events, window=window, holds=tests)

    def _future_set(self) -> str:
        """One of the product sets, which are made after the segments: there are at least three."""
        return f"s{self.random.randint(0, 2)}"

    def _place_condition(self) -> Condition:
        random = self.random
        simple: list[Callable[[], Condition]] = [
            lambda: OneOf(attribute="store.id", values=tuple(random.sample(("b1", "b2", "b3"), 2))),
            lambda: Compare(attribute="store.region", op=self._equal(), value=random.choice(("north", "south"))),
            lambda: Compare(attribute="store.size", op=self._op(), value=random.randint(0, 3) * 1_000_000),
        ]
        if self.places:
            simple.append(lambda: self._member("place", self.places))
        return self._nested(random.choice(simple), 15)

    def _set_lines(self) -> tuple[Line, ...]:
        random = self.random
        some = tuple(article for article in self.articles if self.maybe(60)) or self.articles
        lines = [Line(condition=OneOf(attribute="item.sku", values=some), text="item is one of these")]
        if self.maybe(15):
            lines = []
        if not lines or self.maybe(30):
            lines.append(Line(condition=self._nested(self._item_condition), text="item is such"))
        random.shuffle(lines)
        return tuple(lines)

    def _item_condition(self) -> Condition:
        random = self.random
        simple: list[Callable[[], Condition]] = [
            lambda: Under(attribute="item.cat", path=random.choice(PATHS)),
            lambda: Under(attribute="item.cat", path="A"),
            lambda: StartsWith(attribute="item.cat", prefix="A"),
            lambda: Compare(attribute="item.colour", op=self._equal(), value=random.choice(COLOURS)),
            lambda: OneOf(attribute="item.colour", values=tuple(random.sample(COLOURS, 2)), negated=self.maybe(30)),
            lambda: Compare(attribute="item.stars", op=self._op(), value=random.randint(1, 5) * 1_000_000),
            lambda: Compare(attribute="item.fat", op=self._op(), value=150),
            lambda: Compare(attribute="item.eco", op="eq", value=random.randint(0, 1)),
            lambda: CompareMoney(attribute="item.price", op=self._op(), value=self._money(self._amount)),
            lambda: CompareMoney(attribute="item.cost", op=self._op(), value=self._money(self._amount)),
            lambda: Has(attribute="item.tags", values=tuple(random.sample(TAGS, 2))),
            lambda: Known(attribute=random.choice(("item.cat", "item.tags", "item.fat")), known=self.maybe(60)),
            lambda: Compare(attribute="item.sku", op="ne", value=random.choice(self.articles)),
        ]
        if self.sets:
            simple += [lambda: self._member("products", self.sets)] * 3
        return random.choice(simple)()

    def _age(self, attribute: str, years: int) -> Condition:
        unit, most = self.random.choice((("day", 365), ("week", 52), ("month", 12), ("year", 1)))
        count = self.random.randint(1, most * years)
        return Age(attribute=attribute, op=self.random.choice(("more", "less")), count=count, unit=unit)  # type: ignore[arg-type]  # a tuple's texts

    # ---------- amounts ----------

    def _amount(self) -> int:
        return self.random.choice(MINOR)

    def _money(self, amount: Callable[[], int], micros: bool = False, lacking: int = 3) -> Money:
        """In the currencies of the settings, by code; now and then one is lacking."""
        value = amount()
        said = [currency for currency in sorted(self.currencies) if not self.maybe(lacking)] or self.currencies[:1]
        return tuple(Amount(currency=c, value=value * (micros_per_minor(c) if micros else 1)) for c in said)

    # ---------- groups and promotions ----------

    def _ordered_groups(self, promotions: Sequence[Promotion]) -> list[Group]:
        """With an order line over some of their promotions."""
        groups = []
        for group in self.groups:
            members = [promotion.name for promotion in promotions if promotion.group == group.name]
            first = self.random.sample(members, self.random.randint(0, len(members))) if self.maybe(40) else []
            groups.append(group.model_copy(update={"order": tuple(first)}))
        return groups

    def _promotions(self) -> list[Promotion]:
        random = self.random
        modes = [random.choice(MODES) for _ in range(random.choice((1, 1, 2, 3)))]
        count = random.randint(1, 12)
        if self.special in {"long runs", "caps"}:
            modes, count = ["best-per-item"], 5
        if self.special == "many":
            modes, count = ["at-most"], 17
        if self.meeting:
            modes, count = [self.meeting[2], *modes[1:]], min(count, 4)
        for position, mode in enumerate(modes):
            at_most = 6 if self.special == "many" else random.randint(1, 3)
            self.groups.append(
                Group(
                    name=f"G{position}",
                    title="",
                    gives="discounts",
                    apply=mode,  # type: ignore[arg-type]  # one of MODES
                    at_most=at_most if mode == "at-most" else 0,
                    prices=random.choice(("original", "reduced")),
                    position=position,
                )
            )
        if self.maybe(40) and not self.special:
            mode = random.choice(("all", "first", "at-most"))
            benefits = Group(
                name="B",
                title="",
                gives="benefits",
                apply=mode,  # type: ignore[arg-type]  # one of three
                at_most=random.randint(1, 2) if mode == "at-most" else 0,
                prices=random.choice(("original", "reduced")),
                position=len(modes),
            )
            self.groups.append(benefits)
        by_position = list(range(len(self.groups)))
        random.shuffle(by_position)
        self.groups = [
            group.model_copy(update={"position": place}) for group, place in zip(self.groups, by_position, strict=True)
        ]
        names = random.sample([f"{letter}{number}" for letter in "pqr" for number in range(10)], count)
        made = [self._promotion(name, random.choice(self.groups)) for name in names]
        if any(group.name == "B" for group in self.groups) and count < 11:
            made += [self._promotion(f"b{n}", self.groups[-1]) for n in range(random.randint(1, 4))]
        made = [by_article(by_measure(alike_or_not(promotion))) for promotion in made]
        if self.meeting:
            made[0] = self._meant(names[0], next(group for group in self.groups if group.name == "G0"), self.meeting)
        return self._kept_apart(made)

    def _promotion(self, name: str, group: Group) -> Promotion:
        random, maybe = self.random, self.maybe
        few = 0 if self.special else 100  # a special ruleset is about its search, not about its clauses
        benefit = group.gives == "benefits"
        plain, needs = (self._benefit(name), None) if benefit else self._reward(group)
        several, buy = self._several(name, plain, needs, group)
        reward = several if buy or benefit else self._by_list(name, several)
        code = WithCode(codes=random.choice(self.codes), text="code") if self.codes and maybe(25) and few else None
        return Promotion(
            name=name,
            title="",
            runs=self._runs() if few else Runs(start=None, until=None, zone="store-time", text="always"),
            only_on=self._only_on() if maybe(12) and few else None,
            channels=self._channels() if few else Channels(names=CHANNELS, text="everywhere"),
            places=self._choice(self.places, "places") if maybe(12) and few else None,
            audience=self._audience() if few else Choice(any_of=(), but_not=(), text="everyone"),
            code=code,
            when=self._when() if maybe(25) and few else (),
            buy=buy,
            reward=reward,
            per_article=self._per_article(name, reward, buy, benefit),
            **{"except": (random.choice(self.sets),) if few and maybe(8) else ()},  # type: ignore[arg-type]  # Python's word
            limits=tuple(
                limit
                for limit in self._limits(code is not None)
                if limit.measure != "saving" or not isinstance(reward, PointsReward)
            ),
            group=group.name,
            labels=(Text(language="en", text=f"{name}!"),) if maybe(30) else (),
            funded=_shares(name),
        )

    def _meant(self, name: str, group: Group, meeting: Meeting) -> Promotion:
        """A promotion whose reward is of a kind, and which nothing else keeps out."""
        while True:
            promotion = alike_or_not(self._promotion(name, group))
            kind = promotion.reward.kind + (" singles" if getattr(promotion.reward, "singles", False) else "")
            if (kind, promotion.buy is not None) == meeting[:2]:
                break
        return promotion.model_copy(
            update={
                "runs": Runs(start=None, until=None, zone="store-time", text="always"),
                "only_on": None,
                "channels": Channels(names=CHANNELS, text="everywhere"),
                "places": None,
                "audience": Choice(any_of=(), but_not=(), text="everyone"),
                "code": None,
                "when": (),
                "except_": (),
                "limits": (),
            }
        )

    def _of_no_points(self) -> Plain:
        random = self.random
        service = random.choice(SERVICES)
        match random.choice(("free", "free", "percent", "amount", "price", "code")):
            case "code" if self.codes:
                length = Length(count=random.choice((1, 2, 30, 90)), unit=random.choice(LENGTHS)[0])
                return NextCode(codes=random.choice(self.codes), valid=length)
            case "percent":
                return PercentOffFee(percent=self._percent(), service=service)
            case "amount":
                return AmountOffFee(amount=self._money(self._amount), service=service)
            case "price":
                return FeePrice(price=self._money(self._amount), service=service)
        return FreeService(service=service)

    def _kept_apart(self, promotions: Sequence[Promotion]) -> list[Promotion]:
        """Some are exclusive, some not with others: in pairs, chains, or many pairs at once. By the names alone, so
        the other choices stay what they were."""
        names = [promotion.name for promotion in promotions]
        random = Random(" ".join(names))
        if self.special or len(names) < 2:
            return list(promotions)
        rivals: dict[str, set[str]] = {}
        if random.random() < 0.15:
            for _ in range(random.choice((1, 1, 2, 3, 8))):
                one, other = random.sample(names, 2)
                rivals.setdefault(one, set()).add(other)
        prices = [promotion.name for promotion in promotions if promotion.group != "B"]
        exclusive = random.sample(prices, min(len(prices), random.choice((1, 1, 2)))) if random.random() < 0.15 else []
        return [
            promotion.model_copy(
                update={
                    "exclusive": promotion.name in exclusive,
                    "not_with": tuple(sorted(rivals.get(promotion.name, ()))),
                }
            )
            for promotion in promotions
        ]

    def _per_article(self, name: str, reward: Reward, buy: Buy | None, benefit: bool) -> int:
        """A limit for each article, now and then, where it may stand."""
        random = Random(f"{name} per article {reward!r}")
        several = [arm.reward for arm in reward.arms if arm.reward] if isinstance(reward, Variants) else [reward]
        targets = [target for one in several if (target := getattr(one, "target", None)) is not None]
        if benefit or self.special or any(isinstance(one, BasketPrice) for one in several):
            return 0
        if buy or any(target.kind == "count" for target in targets):
            piecewise = PercentOff | AmountOffEach | FixedPriceEach | Pick | Ladder
            if any(target.pick for target in targets) or not all(isinstance(one, piecewise) for one in several):
                return 0
        return random.choice((0, 0, 0, 0, 1, 1, 2, 3))

    def _runs(self) -> Runs:
        random = self.random
        name = random.choice((*ZONES, "store-time"))
        start: int | None = random.choice((None, seconds(2026, 1, 1), seconds(2026, 1, 1)))
        until: int | None = random.choice((None, None, seconds(2027, 1, 1)))
        if self.maybe(15):
            odd = seconds(2026, *random.choice(ODD_MOMENTS[name if name in ODD_MOMENTS else "Europe/Berlin"]))
            start, until = random.choice(((odd, None), (None, odd), (odd - 7 * DAY, odd)))
        return Runs(start=start, until=until, zone=name, text="runs so")

    def _only_on(self) -> OnlyOn:
        spans = ((0, DAY), (8 * 3600, 20 * 3600), (22 * 3600, 2 * 3600), (3600, 3 * 3600), (18 * 3600, 0))
        slots = []
        for _ in range(self.random.choice((1, 2))):
            start, until = self.random.choice(spans)
            days = self.random.choice((127, 96, 31, 64))
            off = self.random.choice((None, 0, 127, 64, 95)) if self.holidays else None
            slots.append(Slot(days=days, holidays=off, start=start, until=until))
        return OnlyOn(slots=tuple(slots), text="only on these days")

    def _channels(self) -> Channels:
        names = CHANNELS if self.maybe(85) else tuple(sorted(self.random.sample(CHANNELS, 2)))
        return Channels(names=names, text="sold there")

    def _audience(self) -> Choice:
        if self.maybe(75):
            return Choice(any_of=(), but_not=(), text="for everyone")
        return self._choice(self.segments, "for some")

    def _choice(self, names: Sequence[str], text: str) -> Choice:
        any_of = self.random.sample(names, self.random.randint(0, len(names)))
        but_not = [name for name in names if name not in any_of and self.maybe(30)]
        if not any_of and not but_not:
            any_of = [names[0]]
        return Choice(any_of=tuple(any_of), but_not=tuple(but_not), text=text)

    def _when(self) -> tuple[Line, ...]:
        return self._lines(lambda: self._nested(self._threshold, 15))

    def _threshold(self) -> Condition:
        random = self.random
        of = random.choice(self.sets)
        kind = random.choice(("worth", "worth", "worth otherwise", "count", "count", "articles", "measured", "fact"))
        if kind == "worth":
            low = self._money(lambda: random.choice((100, 200, 300, 500, 800, 2000)))
            high = self._money(lambda: random.choice((1000, 3000))) if self.maybe(20) else ()
            basis = random.choice(("group", "list", "current"))
            return Worth(low=low, high=high, of=random.choice((None, of)), basis=basis)  # type: ignore[arg-type]  # texts
        if kind == "worth otherwise":
            fees, without_tax = random.choice(((True, False), (False, True), (True, True)))
            return WorthOtherwise(
                low=self._money(lambda: random.choice((100, 200, 300, 500, 800, 1400, 2000))),
                of=None if fees else random.choice((None, of)),
                basis=random.choice(("group", "list", "current")),
                fees=fees,
                without_tax=without_tax,
            )
        if kind == "articles":
            return Articles(low=random.randint(1, 3), high=random.choice((None, None, 3)), of=of)
        if kind == "count":
            high_count = random.choice((None, None, random.randint(3, 6)))
            return Count(low=random.randint(1, 4), high=high_count, of=of, one_article=self.maybe(30))
        if kind == "measured":
            unit = random.choice(MEASURED)
            return Measured(low=random.choice((1, 500, 1500)), unit=unit, of=of)
        facts: list[Condition] = [
            Compare(attribute="delivery.country", op="eq", value="DE"),
            Compare(attribute="payment", op=self._equal(), value="card"),
            Compare(attribute="basket.gift", op="eq", value=random.randint(0, 1)),
            Compare(attribute="basket.lines", op="ge", value=random.randint(1, 3) * 1_000_000),
            self._member("segment", self.segments),
        ]
        return random.choice(facts)

    def _guard(self) -> Guard:
        def some(share: int) -> tuple[str, ...]:
            return (self.random.choice(self.sets),) if self.maybe(share) else ()

        return Guard(name="w", title="", discount=some(50), reward=some(30), count=some(40), ship_free=some(40))

    # ---------- rewards ----------

    def _several(self, name: str, plain: Plain, buy: Buy | None, group: Group) -> tuple[Reward, Buy | None]:
        """Now and then tiers or variants of such rewards, by dice of its own: the other choices stay what they were."""
        outer = self.random, self.maybe
        self.random = Random(f"{name} {plain!r} {buy!r}")
        self.maybe = Dice(self.random)
        try:
            if isinstance(plain, PriceTogether) and buy and len(buy.needs) == 1 and not buy.needs[0].one_article:
                cheap = tuple(
                    a.model_copy(update={"value": a.value // self.random.choice((1, 3, 9))}) for a in plain.price
                )
                plain = PriceTogether(price=cheap, singles=plain.singles or self.maybe(60))
            if self.special or self.maybe(70):
                return plain, buy
            if self.maybe(60 if group.gives == "discounts" else 40):
                return self._tiers(group), None
            return self._variants(plain, buy, group), buy
        finally:
            self.random, self.maybe = outer

    def _by_list(self, name: str, reward: Reward) -> Reward:
        """Now and then the prices of a list instead, or as a variant; by dice of its own."""
        random = Random(f"{name} list {reward!r}")
        rare = Tiers | FixedPriceMeasure | AmountOffMeasure
        if self.special or isinstance(reward, rare) or random.random() > 0.12:
            return reward
        prices = PricesFrom(prices=random.choice(self.price_lists).name)
        if isinstance(reward, Variants):
            arms = list(reward.arms)
            place = random.choice([place for place, arm in enumerate(arms) if arm.reward is not None])
            arms[place] = arms[place].model_copy(update={"reward": prices})
            return reward.model_copy(update={"arms": tuple(arms)})
        return prices

    def _tiers(self, group: Group) -> Tiers:
        random = self.random
        target = Target(kind="basket") if self.maybe(20) else Target(kind="set", name=random.choice(self.sets))
        by = random.choice(("pieces", "pieces", "measure", "spend", "spend"))
        starts = {"pieces": (1, 2, 3, 4, 6), "measure": (1, 500, 1500, 3000), "spend": (100, 200, 300, 500, 800)}
        benefits = group.gives == "benefits"
        stepwise = by != "spend" and self.maybe(25) and not benefits
        together = group.apply not in PER_ITEM and not stepwise
        rewards: list[Plain] = []
        count = random.choice((1, 2, 2, 3))
        while len(rewards) < count:
            if benefits:
                gift = Gift(of=random.choice(self.sets), count=random.choice((1, 2, 2)))
                rewards.append(gift if self.maybe(50) else FixedPoints(points=random.choice((1, 20, 500))))
                continue
            more = self._without_a_buy(together)
            of = getattr(more, "target", None)
            if of is not None and of.kind != "count" and not isinstance(more, AmountOffArticle):
                rewards.append(more.model_copy(update={"target": target}))
        tiers = []
        for low, reward in zip(sorted(random.sample(starts[by], count)), rewards, strict=True):
            spend = tuple(Amount(currency=c, value=low) for c in sorted(self.currencies)) if by == "spend" else ()
            quantity = 0 if by == "spend" else low
            tiers.append(Tier(quantity=quantity, spend=spend, reward=reward, text=f"from {low}"))
        return Tiers(
            by="spend" if by == "spend" else "quantity",
            target=target,
            unit=random.choice(MEASURED) if by == "measure" else None,
            basis=random.choice(("group", "list", "current")) if by == "spend" else "group",
            one_article=self.maybe(35),
            stepwise=stepwise,
            tiers=tuple(tiers),
        )

    def _variants(self, plain: Plain, buy: Buy | None, group: Group) -> Variants:
        """Of shares that make each of them likely."""
        random = self.random
        rewards: list[Plain] = [plain]
        for _ in range(random.choice((0, 1, 2))):
            together = group.apply not in PER_ITEM
            if group.gives == "benefits":
                rewards.append(self._benefit(f"{len(rewards)}"))
            elif buy is None:
                rewards.append(self._without_a_buy(together))
            elif self.maybe(25):
                rewards.append(self._of_others())
            else:
                alike = len(buy.needs) > 1 and any(need.one_article for need in buy.needs)
                rewards.append(self._of_a_buy(buy.count, together or not alike, alone=False))
        arms: list[Plain | None] = [*rewards]
        if len(rewards) == 1 or self.maybe(60):
            arms.insert(random.randint(0, len(arms)), None)
        cuts = sorted(random.sample(range(1, 100), len(arms) - 1))
        shares = [(end - begin) * 100 for begin, end in zip([0, *cuts], [*cuts, 100], strict=True)]
        return Variants(
            by=random.choice(("customer", "household", "basket")),
            arms=tuple(
                Arm(name="" if reward is None else f"v{number}", share=share, reward=reward)
                for number, (reward, share) in enumerate(zip(arms, shares, strict=True))
            ),
            text="variants",
        )

    def _benefit(self, name: str) -> Plain:
        """Off a fee, a code; points by the name alone, so that the other choices stay what they were."""
        other = self._of_no_points()
        random = Random(f"{name} {other} {self.sets} {self.currencies}")
        kind = random.choice(
            ("fee", "fee", "fee", "points", "gift", *(("fee", "times", "times") if self.points else ()))
        )
        if kind == "gift":
            value = random.choice((0, 0, 50, 100))
            price = tuple(Amount(currency=currency, value=value) for currency in sorted(self.currencies) if value)
            return Gift(of=random.choice(self.sets), count=random.choice((1, 1, 2, 3)), price=price)
        if kind == "points":
            return FixedPoints(points=random.choice((1, 50, 500)))
        if kind == "times":
            target = Target(kind="set", name=random.choice(self.sets))
            factor = random.choice((101, 150, 200, 200, 333, 500, 1_000))
            return TimesPoints(factor=factor, target=Target(kind="basket") if random.random() < 0.3 else target)
        return other

    def _reward(self, group: Group) -> tuple[Plain, Buy | None]:
        if self.special == "long runs":
            n = self.random.randint(9, 12)  # so that five of them are too many states, and fewer are not
            percent = self.random.choice((1_000, 5_000, 10_000))
            pick = Pick(which=self.random.choice(("cheapest", "dearest")), count=n // 3, percent=percent)
            return pick, Buy(needs=(Need(of=self.sets[0], count=n),), text=f"buy {n}")
        per_item = group.apply in PER_ITEM
        if self.maybe(50) and self.special != "many":
            return self._with_a_buy(not per_item)
        return self._without_a_buy(not per_item), None

    def _with_a_buy(self, together: bool) -> tuple[Plain, Buy]:
        random = self.random
        if self.maybe(25):
            counts = [random.choice((1, 1, 1, 2)) for _ in range(random.choice((2, 2, 3)))]
        else:
            counts = [random.choice((1, 2, 2, 2, 3, 3, 4))]
        alone = len(counts) == 1
        needs = tuple(Need(of=random.choice(self.sets), count=n, one_article=self.maybe(20)) for n in counts)
        buy = Buy(needs=needs, text=f"buy {counts}")
        if self.maybe(25):
            return self._of_others(), buy
        together = together or alone or not any(need.one_article for need in needs)
        return self._of_a_buy(sum(counts), together, alone=alone and not needs[0].one_article), buy

    def _of_others(self) -> Plain:
        """Off so many units that are not the bought ones."""
        random = self.random
        count = random.choice((1, 1, 2))
        target = Target(
            kind="count",
            name=random.choice(self.sets),
            count=count,
            one_article=self.maybe(20),
            fewer=count > 1 and self.maybe(40),
        )
        match random.choice(("percent", "percent", "amount", "price", "together")):
            case "percent":
                return PercentOff(percent=random.choice((10_000, 10_000, 5_000, 3_333)), target=target)
            case "amount":
                return AmountOffEach(amount=self._money(self._small), target=target)
            case "price":
                return FixedPriceEach(price=self._money(self._small), target=target)
        return AmountOffTogether(amount=self._money(self._amount), target=target)

    def _percent(self) -> int:
        return self.random.choice((500, 1000, 1000, 1500, 2000, 2000, 3333, 5000, 10000, 1))

    def _small(self) -> int:
        return self.random.choice((1, 5, 10, 25, 33, 50, 99, 100, 150))

    def _without_a_buy(self, together: bool) -> Plain:
        random = self.random
        if self.special != "many" and self.maybe(8):
            return self._of_others()
        if self.special != "many" and self.maybe(8):
            which: Literal["cheapest", "dearest"] = random.choice(("cheapest", "cheapest", "dearest"))
            count = random.choice((1, 1, 2, 3))
            picked = Target(kind="count", name=random.choice(self.sets), count=count, pick=which)
            if self.maybe(60):
                return PercentOff(percent=self._percent(), target=picked)
            return AmountOffEach(amount=self._money(self._small), target=picked)
        target = Target(kind="set", name=random.choice(self.sets))
        kinds = ["percent", "percent", "amount", "price"]
        units = sorted({unit_of(article) for article in self.articles} - {""})
        if units and self.special != "many":
            kinds += ["price per", "amount per"] * 2
        kinds += ["percent together", "amount together", "basket price", "amount per article"] if together else []
        kind = random.choice(kinds)
        if kind.endswith("together") and self.maybe(40):
            target = Target(kind="basket")
        match kind:
            case "percent":
                return PercentOff(percent=self._percent(), target=target)
            case "amount":
                return AmountOffEach(amount=self._money(self._small), target=target)
            case "price":
                return FixedPriceEach(price=self._money(self._amount), target=target)
            case "percent together":
                return PercentOffTogether(percent=self._percent(), target=target)
            case "amount together":
                return AmountOffTogether(amount=self._money(self._amount), target=target)
            case "basket price":
                return BasketPrice(price=self._money(lambda: self._amount() * random.randint(1, 5)))
            case "amount per article":
                return AmountOffArticle(amount=self._money(self._small), target=target)
        dimension = UNITS[random.choice(units)][0]
        per = random.choice([unit for unit in MEASURED if UNITS[unit][0] == dimension])
        hundreds = per in {"g", "ml"} and self.maybe(70)
        if kind == "price per":
            value = self._money(self._amount, micros=True)
            return FixedPriceMeasure(price=value, per=per, hundreds=hundreds, target=target)
        value = self._money(self._small, micros=True)
        return AmountOffMeasure(amount=value, per=per, hundreds=hundreds, target=target)

    def _of_a_buy(self, n: int, together: bool, *, alone: bool) -> Plain:
        random = self.random
        them = Target(kind="them")
        kinds = ["ladder", "percent", "amount", "amount", "price", "for", "for", *(["singles"] if alone else [])]
        kinds += ["pick"] * 3 if n > 1 else []
        kinds += ["percent together", "amount together"] if together else []
        match random.choice(kinds):
            case "pick":
                percent = random.choice((10_000, 10_000, 5_000, 3_333))
                which: Literal["cheapest", "dearest"] = random.choice(("cheapest", "cheapest", "dearest"))
                return Pick(which=which, count=random.randint(1, n - 1), percent=percent)
            case "ladder":
                places = sorted(random.sample(range(1, n + 1), random.randint(1, min(n, 2))))
                return Ladder(steps=tuple(self._step(nth) for nth in places))
            case "percent":
                return PercentOff(percent=self._percent(), target=them)
            case "amount":
                return AmountOffEach(amount=self._money(self._small), target=them)
            case "price":
                return FixedPriceEach(price=self._money(self._amount), target=them)
            case "percent together":
                return PercentOffTogether(percent=self._percent(), target=them)
            case "amount together":
                return AmountOffTogether(amount=self._money(self._amount), target=them)
            case "for":
                return PriceTogether(price=self._money(lambda: self._amount() * n * 3 // 4 + 1))
        return PriceTogether(price=self._money(lambda: self._amount() * n * 3 // 4 + 1), singles=True)

    def _step(self, nth: int) -> Step:
        if self.maybe(70):
            return Step(nth=nth, percent=self._percent())
        return Step(nth=nth, amount=self._money(self._small))

    # ---------- limits ----------

    def _limits(self, with_code: bool) -> tuple[Limit, ...]:
        if self.special == "caps":
            return (self._limit("basket", "saving"),)
        if self.special:
            return ()
        limits: list[Limit] = []
        while self.maybe(25) and len(limits) < 3:
            scopes = ["basket"] * 4 + ["customer", "household", "store", "total", "total"]
            scope = self.random.choice(scopes + ["code"] * 4 * with_code)
            measures = ["uses", "saving"] + ["baskets"] * (scope != "basket")
            limits.append(self._limit(scope, self.random.choice(measures)))
        return tuple(limits)

    def _limit(self, scope: str, measure: str) -> Limit:
        period = "ever" if scope == "basket" else self.random.choice(("ever", "each-day", "any-90-days"))
        return Limit(
            measure=measure,  # type: ignore[arg-type]  # one of three
            count=0 if measure == "saving" else self.random.randint(1, 3),
            saving=self._money(lambda: self.random.choice((1, 20, 50, 77, 100, 250))) if measure == "saving" else (),
            scope=scope,  # type: ignore[arg-type]  # one of six
            period=period,
            key=f"{scope}:{period}:{measure}",
            text=f"limit per {scope}",
        )


def alike_or_not(promotion: Promotion) -> Promotion:
    """Several sets of one article have no reward by place, nor off others."""
    buy = promotion.buy
    others = any(getattr(getattr(reward, "target", None), "kind", "") == "count" for reward in promotion.rewards)
    by_place = others or any(isinstance(reward, Pick | Ladder) for reward in promotion.rewards)
    if buy is None or len(buy.needs) == 1 or not by_place:
        return promotion
    needs = tuple(need.model_copy(update={"one_article": False}) for need in buy.needs)
    return promotion.model_copy(update={"buy": buy.model_copy(update={"needs": needs})})


def by_measure(promotion: Promotion) -> Promotion:
    """Now and then a set is bought by measure, by dice of its own; then so much is off it, or off others."""
    buy, reward = promotion.buy, promotion.reward
    random = Random(f"{promotion.name} by measure {buy!r} {reward!r}")
    if buy is None or promotion.per_article or any(need.one_article for need in buy.needs) or random.random() > 0.5:
        return promotion
    target = getattr(reward, "target", None)
    if target is None or target.kind != "count" or target.one_article:
        if random.random() > 0.4:
            return promotion
        them = Target(kind="them")
        reward = PercentOff(percent=random.choice((1_000, 3_333, 5_000, 10_000)), target=them)
    place = random.randrange(len(buy.needs))
    needs = list(buy.needs)
    measure, unit = random.choice(((300, "kg"), (700, "kg"), (1_500, "kg"), (250_000, "g"), (500, "l"), (900, "m")))
    needs[place] = Need(of=needs[place].of, count=1, measure=measure, unit=unit)
    made = buy.model_copy(update={"needs": tuple(needs)})
    return promotion.model_copy(update={"buy": made, "reward": reward})


def by_article(promotion: Promotion) -> Promotion:
    """Now and then an amount is off what is bought article by article, by dice of its own."""
    buy, reward = promotion.buy, promotion.reward
    random = Random(f"{promotion.name} by article {buy!r} {reward!r}")
    plain = buy is not None and len(buy.needs) == 1 and not buy.needs[0].measure and not promotion.per_article
    if not plain or not isinstance(reward, AmountOffTogether | AmountOffEach) or random.random() > 0.5:
        return promotion
    if reward.target.kind != "them":
        return promotion
    return promotion.model_copy(update={"reward": AmountOffArticle(amount=reward.amount, target=reward.target)})


class Dice:
    """`maybe(25)`: true in 25 of 100 cases."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def __call__(self, percent: int) -> bool:
        return self.random.randrange(100) < percent


def price(random: Random, currency: str) -> int:
    """Micros; one in eight is finer than the minor unit."""
    micros = micros_per_minor(currency)
    exact = random.choice(MINOR) * micros
    return exact + (random.randrange(1, micros) if random.randrange(8) == 0 else 0)
