"""Reads the cases: small rulesets and baskets as data, with what the law says must come out.

Amounts are whole numbers of minor units; a price as a text ("0.333") is in currency units and may be finer. Every
article is a product set of its own name, and `all` is the set of all. What a key of a case means stands in README.md.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from engine.basket import (
    UNITS,
    BasketLine,
    Customer,
    Event,
    EventHistory,
    EventItem,
    Fact,
    Fee,
    LimitUsage,
    ManualDiscount,
    Request,
    VariantChoice,
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
    Cashier,
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
    Floor,
    FreeService,
    Gift,
    Group,
    Guard,
    Happened,
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
    Step,
    Stores,
    SumOf,
    Target,
    Then,
    This,
    Tier,
    Tiers,
    TimesPoints,
    Type,
    Under,
    Variants,
    Window,
    WithCode,
    Worth,
    WorthOtherwise,
)
from tests.generators import ZONES, seconds, zone

Data = Mapping[str, Any]
MILLION = 1_000_000

SCHEMA = Schema(
    attributes=(
        Attribute(entity="item", name="brand", type=Type.TEXT),
        Attribute(entity="item", name="path", type=Type.TEXT),
        Attribute(entity="item", name="floor", type=Type.MONEY),
        Attribute(entity="customer", name="tier", type=Type.TEXT),
        Attribute(entity="customer", name="level", type=Type.NUMBER, default=1_000_000),
        Attribute(entity="customer", name="born", type=Type.DATE),
        Attribute(entity="store", name="region", type=Type.TEXT),
        Attribute(entity="delivery", name="country", type=Type.TEXT),
    ),
    events=(
        EventType(
            name="orders",
            one="order",
            attributes=(
                EventAttribute(name="total", type=Type.MONEY),
                EventAttribute(name="channel", type=Type.TEXT, default="pos"),
                EventAttribute(name="rating", type=Type.NUMBER),
            ),
        ),
        EventType(name="visits", one="visit"),
    ),
    consents=("news",),
    channels=("pos", "web"),
    services=("express", "post"),
    payments=("card", "cash"),
)
CASE = {"case", "why", "currency", "timezone", "rounding", "tax", "articles", "sets", "guard", "segments", "places"}
CASE |= {"rounding per"}
CASE |= {"stores", "codes", "groups", "promotions", "basket", "at", "channel", "store", "region", "customer", "fees"}
CASE |= {"holidays", "entered", "delivery", "payment", "usage", "asked in", "basket id", "variants"}
CASE |= {"next steps", "expect", "cashier"}
CASE |= {"cash rounding", "points", "lists"}
EXPECT = {"saves", "applications", "reasons", "missing", "clauses", "would save", "beaten by", "code used", "funded"}
EXPECT |= {"net", "list", "refund", "shares", "taxes", "payable", "services", "fees", "codes", "bound", "refused"}
EXPECT |= {"tiers", "variants", "cash", "next steps", "points", "gifts", "next codes"}


@dataclass(frozen=True)
class Case:
    """One case: what stands in force, what is asked, what must be answered."""

    name: str
    file: str
    programs: tuple[Program, ...]
    request: Request
    expect: Data = field(repr=False)


@cache
def load() -> tuple[Case, ...]:
    """All cases of all files."""
    return tuple(
        build(data, path.stem)
        for path in sorted(Path(__file__).parent.glob("*.yaml"))
        for data in yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
    )


def build(data: Data, file: str = "") -> Case:
    """A case from its data; raises ValueError for a key that nobody reads."""
    unread = (set(data) - CASE) | (set(data["expect"]) - EXPECT)
    if unread:
        raise ValueError(f"{file}: {data['case']}: nobody reads {sorted(unread)}")
    return Case(data["case"], file, Shop(data).programs(), request(data), data["expect"])


def micros(price: int | str, currency: str) -> int:
    """A price in millionths of the currency unit."""
    return price * micros_per_minor(currency) if isinstance(price, int) else int(Decimal(price) * 1_000_000)


def percent(text: str) -> int:
    """Basis points of "20%"."""
    assert text.endswith("%"), text
    return int(Decimal(text.removesuffix("%")) * 100)


def local(text: str) -> int:
    """Local seconds since 1970 of "2026-03-29 02:30"."""
    moment = datetime.datetime.fromisoformat(text)
    return seconds(*moment.timetuple()[:6])


def instant(text: str) -> int:
    """Microseconds of "2026-03-29 02:30 Europe/Berlin", or of a text with an offset."""
    if " " in text and "/" in text:
        text, _, name = text.rpartition(" ")
        moment = datetime.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(name))
    else:
        moment = datetime.datetime.fromisoformat(text)
    return int(moment.timestamp()) * 1_000_000


def length(text: str) -> Length:
    """Of "30 days"."""
    count, unit = text.split()
    return Length(count=int(count), unit=unit.removesuffix("s"))  # type: ignore[arg-type]  # a unit of time


def window(data: Data) -> Window:
    """One key says which."""
    if "in the last" in data:
        return InTheLast(length=length(data["in the last"]))
    if "between" in data:
        older, newer = data["between"]
        return InTheLast(length=length(older), but_not=length(newer))
    if "since" in data:
        return Since(day=date(data["since"].isoformat()))
    return This(span=data["this"]) if "this" in data else Ever()


def date(text: str) -> int:
    return datetime.date.fromisoformat(text).toordinal() - datetime.date(1970, 1, 1).toordinal()


# ---------------------------------------------------------------------------------------------------- rulesets


class Shop:
    """The ruleset of a case."""

    def __init__(self, data: Data) -> None:
        self.data = data
        self.currency: str = data.get("currency", "EUR")
        self.articles: Data = data.get("articles", {"tee": 1000, "cap": 500})

    def programs(self) -> tuple[Program, ...]:
        """Everything that the promotions need."""
        data = self.data
        settings = Settings(
            currencies=(self.currency, *(c for c in ("CHF",) if c != self.currency)),
            timezone=data.get("timezone", "Europe/Berlin"),
            rounding=data.get("rounding", "half-up"),
            rounding_per=data.get("rounding per", "piece"),
            prices_include_tax=data.get("tax", "included") == "included",
            cash_rounding=self.money(data["cash rounding"]) if "cash rounding" in data else (),
            points=self._base_points(data["points"]) if "points" in data else None,
        )
        made: list[Program] = [settings, SCHEMA, self._catalogue(), self._stores(), *(zone(name) for name in ZONES)]
        made.append(self._holidays())
        made += [self._list(name, rows) for name, rows in data.get("lists", {}).items()]
        made.append(self._set("all", list(self.articles)))
        made += [self._set(name, [name]) for name in self.articles]
        made += [self._set(name, what) for name, what in data.get("sets", {}).items()]
        made += [self._segment(name, what) for name, what in data.get("segments", {}).items()]
        made += [Place(name=n, title="", lines=(self._line(c),)) for n, c in data.get("places", {}).items()]
        made += [self._codes(name, what) for name, what in data.get("codes", {}).items()]
        if "guard" in data:
            sets: Any = {key.replace(" ", "_"): (name,) for key, name in data["guard"].items() if key != "floor"}
            floored = data["guard"].get("floor")
            floors = (Floor(of=(floored,), attribute="item.floor"),) if floored else ()
            made.append(Guard(name="guard", title="", floors=floors, **sets))
        groups = data.get("groups", {"group": {"apply": "all"}})
        made += [self._group(name, what, position) for position, (name, what) in enumerate(groups.items())]
        first = next(iter(groups))
        made += [self._promotion(name, what, first) for name, what in data["promotions"].items()]
        return tuple(made)

    def _base_points(self, what: list[Any]) -> BasePoints:
        """[so many, for so much]."""
        return BasePoints(points=what[0], per=self.money(what[1]))

    def _catalogue(self) -> Catalogue:
        articles = sorted(self.articles)
        rows = [
            what if isinstance(what, dict) else {"price": what} for what in map(self.articles.__getitem__, articles)
        ]
        prices = tuple(micros(row["price"], self.currency) if "price" in row else None for row in rows)
        columns = [Column(name="price", type=Type.MONEY, currency=self.currency, values=prices)]
        columns.append(Column(name="tax-rate", type=Type.PERCENT, values=tuple(_rate(row) for row in rows)))
        floors = tuple(micros(row["floor"], self.currency) if "floor" in row else None for row in rows)
        columns.append(Column(name="floor", type=Type.MONEY, currency=self.currency, values=floors))
        for name in ("brand", "path"):
            columns.append(Column(name=name, type=Type.TEXT, values=tuple(row.get(name) for row in rows)))
        return Catalogue(articles=tuple(articles), columns=tuple(columns))

    def _stores(self) -> Stores:
        stores: Data = self.data.get("stores", {"berlin": ""})
        ids = tuple(sorted(stores))
        return Stores(ids=ids, zones=tuple(stores[name] for name in ids), columns=())

    def _holidays(self) -> Holidays:
        """Regions by day; "": everywhere."""
        said: Mapping[datetime.date, list[str]] = self.data.get("holidays", {})
        rows = sorted((date(day.isoformat()), region) for day, regions in said.items() for region in regions)
        return Holidays(days=tuple(day for day, _ in rows), regions=tuple(region for _, region in rows))

    def _list(self, name: str, written: list[Any]) -> PriceList:
        """Rows [article, price], [article, from which quantity, price] or by key: also from and until a day."""

        def row(what: Any) -> tuple[str, int, int | None, int | None, dict[str, int | str]]:
            if isinstance(what, list):
                what = {"article": what[0], "quantity": what[1] if len(what) > 2 else 1, "price": what[-1]}
            first, last = (date(what[key].isoformat()) if key in what else None for key in ("from", "until"))
            price = what["price"] if isinstance(what["price"], dict) else {self.currency: what["price"]}
            return what["article"], what.get("quantity", 1), first, last, price

        rows = sorted(map(row, written), key=lambda one: (one[0], one[1], one[2] or -MILLION))
        return PriceList(
            name=name,
            articles=tuple(article for article, *_ in rows),
            quantities=tuple(quantity for _, quantity, *_ in rows),
            starts=tuple(start for _, _, start, _, _ in rows),
            untils=tuple(until for _, _, _, until, _ in rows),
            prices=tuple(
                Column(
                    name="price",
                    type=Type.MONEY,
                    currency=currency,
                    values=tuple(micros(said[currency], currency) if currency in said else None for *_, said in rows),
                )
                for currency in sorted({currency for *_, said in rows for currency in said})
            ),
        )

    def _codes(self, name: str, what: Any) -> CodeSet:
        listed = what["codes"] if isinstance(what, dict) else what
        more = {key: what[key] for key in ("uses", "exact") if key in what} if isinstance(what, dict) else {}
        return CodeSet(name=name, title="", codes=tuple(sorted(listed)), **more)

    def _set(self, name: str, what: Any) -> ProductSet:
        condition = self.condition(what) if isinstance(what, dict) else OneOf(attribute="item.sku", values=tuple(what))
        return ProductSet(name=name, title="", lines=(Line(condition=condition, text=str(what)),))

    def _segment(self, name: str, what: Data) -> Segment:
        """One condition; `refresh` beside it: realtime, or the hour of the day."""
        asked = {key: value for key, value in what.items() if key != "refresh"}
        hour = what.get("refresh")
        refresh = Refresh(daily=None if hour == "realtime" else hour * 3600) if hour is not None else None
        return Segment(name=name, title="", lines=(self._line(asked),), refresh=refresh)

    def _group(self, name: str, what: Data, position: int) -> Group:
        apply = what.get("apply", "all")
        at_most = apply if isinstance(apply, int) else 0
        return Group(
            name=name,
            title="",
            gives=what.get("gives", "discounts"),
            apply="at-most" if at_most else apply,
            at_most=at_most,
            prices=what.get("prices", "original"),
            order=tuple(what.get("order", ())),
            position=position,
        )

    # ---------- conditions ----------

    def _line(self, data: Data) -> Line:
        return Line(condition=self.condition(data), text=str(data.get("text", data)))

    def condition(self, data: Data) -> Condition:
        """One key says which."""
        data = {key: value for key, value in data.items() if key != "text"}
        key, value = next(iter(data.items()))
        match key:
            case "all":
                return All(of=tuple(self.condition(part) for part in value))
            case "any":
                return Any_(of=tuple(self.condition(part) for part in value))
            case "none":
                return None_(of=tuple(self.condition(part) for part in value))
            case "known" | "unknown":
                return Known(attribute=value, known=key == "known")
            case "under":
                return Under(attribute=value[0], path=value[1])
            case "consent":
                return Consent(name=value)
            case "more than ago" | "less than ago":
                attribute, count, unit = value
                return Age(attribute=attribute, op="more" if key.startswith("more") else "less", count=count, unit=unit)
            case "in" | "not in":
                return Member(of="products", name=value, negated=key == "not in")
            case "in segment" | "not in segment":
                return Member(of="segment", name=value, negated=key.startswith("not"))
            case "events":
                return self._happened(data)
            case "sum of":
                return self._sum(data)
            case "this order is the" | "this order is every":
                return NthOrder(event="orders", nth=value, every=key.endswith("every"))
            case "anniversary of":
                within = length(data["within"]) if "within" in data else None
                return Anniversary(attribute=value, span=data.get("this"), within=within)
            case "worth" | "worth at most":
                bound: Any = {"low" if key == "worth" else "high": self.money(value)}
                basis = data.get("basis", "group")
                fees, without_tax = data.get("with fees", False), data.get("without tax", False)
                if not fees and not without_tax:
                    return Worth(of=data.get("of"), basis=basis, **bound)
                return WorthOtherwise(of=data.get("of"), basis=basis, fees=fees, without_tax=without_tax, **bound)
            case "articles":
                return Articles(low=value, high=data.get("at most"), of=data["of"])
            case "count":
                return Count(low=value, of=data["of"], one_article=data.get("one article", False))
            case "measured":
                return Measured(low=value, unit=data["unit"], of=data["of"])
        return Compare(attribute=key, op="eq", value=value * 1_000_000 if isinstance(value, int) else value)

    def _happened(self, data: Data) -> Happened:
        exactly = data.get("exactly")
        return Happened(
            events=self._event_of(data),
            low=data.get("at least", exactly),
            high=data.get("at most", exactly),
            window=window(data),
            then=tuple(
                Then(events=self._event_of(step), within=length(step["within"]), none=step.get("none", False))
                for step in data.get("then", ())
            ),
        )

    def _sum(self, data: Data) -> SumOf:
        attribute, least = data["sum of"], data["is at least"]
        holds: Comparison = Compare(attribute=attribute, op="ge", value=least * 1_000_000)
        if attribute == "orders.total":
            holds = CompareMoney(attribute=attribute, op="ge", value=self.money(least))
        return SumOf(attribute=attribute, events=self._event_of(data), window=window(data), holds=(holds,))

    def _event_of(self, data: Data) -> EventOf:
        where: Any = tuple(self.condition({key: value}) for key, value in data.get("where", {}).items())
        return EventOf(event=data.get("events", "orders"), of=data.get("of"), where=where)

    def money(self, value: Any, *, fine: bool = False) -> Money:
        """A number in the shop's currency, or amounts by currency. `fine`: in micros."""
        amounts = value if isinstance(value, dict) else {self.currency: value}
        return tuple(
            Amount(currency=currency, value=micros(amount, currency) if fine else amount)
            for currency, amount in sorted(amounts.items())
        )

    # ---------- promotions ----------

    def _promotion(self, name: str, what: Data, group: str) -> Promotion:
        buy = what.get("buy")
        runs = what.get("runs", {})
        limits = tuple(self._limit(limit) for limit in what.get("limits", ()))
        excepted: Any = {"except": tuple(what.get("except", ()))}  # a keyword of Python
        return Promotion(
            name=name,
            title="",
            runs=Runs(
                start=local(runs["from"]) if "from" in runs else None,
                until=local(runs["until"]) if "until" in runs else None,
                zone=runs.get("zone", "Europe/Berlin"),
                text="runs",
            ),
            only_on=self._only_on(what["only on"]) if "only on" in what else None,
            channels=Channels(names=tuple(what.get("sold", ("pos", "web"))), text="sold"),
            places=_choice(what["only at"], "only at") if "only at" in what else None,
            audience=_choice(what.get("for", {}), "for"),
            code=WithCode(codes=what["with code"], text="with code") if "with code" in what else None,
            when=tuple(self._line(line) for line in what.get("when", ())),
            buy=Buy(needs=tuple(self._needs(buy)), text="buy") if buy else None,
            reward=self._any_reward(what["reward"]),
            per_article=what.get("per article", 0),
            **excepted,
            limits=limits,
            funded=tuple(
                Share(party="supplier" if who != "us" else "us", name="" if who == "us" else who, basis_points=part)
                for who, part in what.get("funded", {}).items()
            ),
            group=what.get("group", group),
            exclusive=what.get("exclusive", False),
            not_with=tuple(sorted(what.get("not with", ()))),
        )

    def _needs(self, buy: list[Any]) -> Iterator[Need]:
        """[n, set], or several of these; a third entry says «one article», or the unit that n thousandths are of."""
        for count, of, *more in [buy] if isinstance(buy[0], int) else buy:
            if more and more[0] in UNITS:
                yield Need(of=of, count=1, measure=count, unit=more[0])
            else:
                yield Need(of=of, count=count, one_article=bool(more))

    def _only_on(self, slots: list[Data]) -> OnlyOn:
        days = "mo tu we th fr sa su".split()
        return OnlyOn(
            slots=tuple(
                Slot(
                    days=sum(1 << days.index(day) for day in slot.get("days", days)),
                    holidays=sum(1 << days.index(day) for day in slot["holidays"]) if "holidays" in slot else None,
                    start=slot.get("from", 0) * 3600,
                    until=slot.get("until", 24) * 3600,
                )
                for slot in slots
            ),
            text="only on",
        )

    def _limit(self, what: Data) -> Limit:
        measure = next(key for key in ("uses", "baskets", "saving") if key in what)
        scope, period = what.get("per", "basket"), what.get("period", "ever")
        return Limit(
            measure=measure,  # type: ignore[arg-type]  # one of three
            count=0 if measure == "saving" else what[measure],
            saving=self.money(what["saving"]) if measure == "saving" else (),
            scope=scope,
            period=period,
            key=f"{scope}:{period}:{measure}",
            text=f"limit {measure} per {scope}",
        )

    def _any_reward(self, what: Data) -> Reward:
        if "tiers" in what:
            return self._tiers(what)
        if "variants" in what:
            arms = (self._arm(name, *arm) for name, arm in what["variants"].items())
            return Variants(by=what["by"], arms=tuple(arms), text="variants")
        return self.reward(what)

    def _tiers(self, what: Data) -> Tiers:
        """Pairs of where a tier begins and what it gives; all of `of`."""
        by, of = what["by"], what["of"]
        tiers = []
        for begin, given in what["tiers"]:
            start: Any = {"spend": self.money(begin)} if by == "spend" else {"quantity": begin}
            reward: Any = self.reward({**given, "of": of, "each": True})
            tiers.append(Tier(**start, reward=reward, text=f"from {begin}"))
        return Tiers(
            by=by,
            target=Target(kind="basket") if of == "basket" else Target(kind="set", name=of),
            unit=what.get("unit"),
            basis=what.get("basis", "group"),
            one_article=what.get("one article", False),
            stepwise=what.get("step by step", False),
            tiers=tuple(tiers),
        )

    def _arm(self, name: str, share: str, given: Data | None = None) -> Arm:
        reward: Any = None if given is None else self.reward(given)
        return Arm(name="" if reward is None else name, share=percent(share), reward=reward)

    def reward(self, what: Data) -> Plain:
        """The keys say which."""
        name = what.get("of", "them")
        target = Target(kind=name) if name in {"them", "basket"} else Target(kind="set", name=name)
        if "count" in what:
            alike, fewer = what.get("one article", False), what.get("fewer", False)
            pick = what.get("pick", "")
            target = Target(kind="count", name=name, count=what["count"], one_article=alike, fewer=fewer, pick=pick)
        together, per = what.get("together", name == "basket" and "each" not in what), what.get("per")
        if "prices from" in what:
            return PricesFrom(prices=what["prices from"])
        if "basket for" in what:
            return BasketPrice(price=self.money(what["basket for"]))
        if "reasons" in what:
            most = what["at most"]
            bound: Any = {"percent": percent(most)} if isinstance(most, str) else {"amount": self.money(most)}
            return Cashier(reasons=tuple(sorted(what["reasons"])), text="with reason", **bound)
        if "times" in what:
            return TimesPoints(factor=int(Decimal(str(what["times"])) * 100), target=target)
        if "gifts" in what:
            return Gift(
                of=what["from"], count=what["gifts"], price=self.money(what["price"]) if "price" in what else ()
            )
        if "points" in what:
            return FixedPoints(points=what["points"])
        if "free" in what:
            return FreeService(service=what["free"])
        if "code from" in what:
            return NextCode(codes=what["code from"], valid=length(what["valid"]))
        if "fee" in what:
            return self._of_fee(what)
        if "every" in what:
            return Ladder(steps=tuple(self._step(nth, off) for nth, off in what["every"].items()))
        for which in ("cheapest", "dearest"):
            if which in what:
                off = percent(what.get("percent", "100%"))
                return Pick(which=which, count=what[which], percent=off)
        if "percent" in what:
            kind = PercentOffTogether if together else PercentOff
            return kind(percent=percent(what["percent"]), target=target)
        if "together for" in what:
            return PriceTogether(price=self.money(what["together for"]), singles=what.get("singles", False))
        if "price" in what and per:
            return FixedPriceMeasure(
                price=self.money(what["price"], fine=True), per=per, hundreds=what.get("hundreds", False), target=target
            )
        if "price" in what:
            return FixedPriceEach(price=self.money(what["price"]), target=target)
        if per:
            return AmountOffMeasure(
                amount=self.money(what["amount"], fine=True),
                per=per,
                hundreds=what.get("hundreds", False),
                target=target,
            )
        amount = self.money(what["amount"])
        if "per article" in what:
            return AmountOffArticle(amount=amount, target=target)
        if together:
            return AmountOffTogether(amount=amount, target=target)
        return AmountOffEach(amount=amount, target=target)

    def _of_fee(self, what: Data) -> Plain:
        if "percent" in what:
            return PercentOffFee(percent=percent(what["percent"]), service=what["fee"])
        if "price" in what:
            return FeePrice(price=self.money(what["price"]), service=what["fee"])
        return AmountOffFee(amount=self.money(what["amount"]), service=what["fee"])

    def _step(self, nth: int, off: int | str) -> Step:
        return Step(nth=nth, percent=percent(off)) if isinstance(off, str) else Step(nth=nth, amount=self.money(off))


def _rate(row: Data) -> int | None:
    return percent(row["tax"]) if "tax" in row else None


def _choice(what: Data, text: str) -> Choice:
    return Choice(any_of=tuple(what.get("any of", ())), but_not=tuple(what.get("but not", ())), text=text)


# ---------------------------------------------------------------------------------------------------- requests


def request(data: Data) -> Request:
    """The request of a case."""
    currency: str = data.get("asked in", data.get("currency", "EUR"))
    customer: Data = data.get("customer", {})
    consents = customer.get("consents")
    facts = {name: _fact(customer[name]) for name in ("tier", "level", "born") if name in customer}
    return Request(
        at_us=instant(data.get("at", "2026-07-01 12:00 Europe/Berlin")),
        currency=currency,
        channel=data.get("channel", "web"),
        lines=tuple(_lines(data["basket"], currency)),
        store=data.get("store", ""),
        store_attributes={"region": _fact(data["region"])} if "region" in data else {},
        delivery=data.get("delivery", ""),
        payment=data.get("payment", ""),
        customer=Customer(
            id=customer.get("id", ""),
            household=customer.get("household", ""),
            attributes=facts,
            consents=None if consents is None else frozenset(consents),
            events=_history(customer, currency) if "events" in customer else None,
            facts_as_of_us=instant(customer["as of"]) if "as of" in customer else 0,
        ),
        codes=tuple(data.get("entered", ())),
        fees=tuple(_fee(service, what) for service, what in data.get("fees", {}).items()),
        usage=tuple(
            LimitUsage(what.get("promotion", ""), what["limit"], what["used"], what.get("code", ""))
            for what in data.get("usage", ())
        ),
        basket=data.get("basket id", ""),
        variants=tuple(
            VariantChoice(promotion, "" if name == "control" else name)
            for promotion, name in data.get("variants", {}).items()
        ),
        next_steps=data.get("next steps", 0),
        manual_discounts=tuple(map(_entry, data.get("cashier", ()))),
    )


def _entry(what: Data) -> ManualDiscount:
    """`percent`, `amount` or `price`, for a `reason`; off so many `pieces` of a `line`, or off the basket."""
    for kind in ("percent", "amount", "price"):
        if kind in what:
            value = percent(what[kind]) if kind == "percent" else what[kind]
            return ManualDiscount(kind, value, what["reason"], what.get("line", ""), what.get("pieces", 0))
    raise ValueError(f"nothing is entered: {what}")


def _fee(service: str, what: int | Data) -> Fee:
    """Its amount; or `amount` and `tax`."""
    if isinstance(what, int):
        return Fee(service, what)
    return Fee(service, what["amount"], percent(what["tax"]))


def _history(customer: Data, currency: str) -> EventHistory:
    """Each event: its type and when, and what is known of it."""
    since = instant(customer["complete since"]) if "complete since" in customer else 0
    return EventHistory(tuple(_event(what, currency) for what in customer["events"]), since)


def _event(what: Data, currency: str) -> Event:
    type_ = next(iter(what))
    currency = what.get("currency", currency)
    facts = {name: _fact(what[name]) for name in ("channel", "rating") if name in what}
    if "total" in what:
        facts["total"] = Fact(Type.MONEY, micros(what["total"], currency), currency)
    items = []
    for article, paid in what.get("of", {}).items():
        known = paid if isinstance(paid, dict) else {"paid": paid}
        attributes = {name: _fact(known[name]) for name in ("brand", "path") if name in known}
        items.append(EventItem(article, known.get("paid"), attributes))
    at_us = instant(what[type_]) + what.get("us", 0)
    said = "total" in facts or any(item.amount is not None for item in items)  # else there is no amount to have one
    return Event(type_, at_us, facts, tuple(items), currency if said else "", what.get("id", ""))


def _fact(value: int | str | datetime.date) -> Fact:
    if isinstance(value, datetime.date):
        return Fact(Type.DATE, date(value.isoformat()))
    return Fact(Type.NUMBER, value * 1_000_000) if isinstance(value, int) else Fact(Type.TEXT, value)


def _lines(basket: Any, currency: str) -> Iterator[BasketLine]:
    """Pieces by article; or lines with an id, an article and more."""
    if isinstance(basket, dict):
        basket = [{"id": article, "article": article, "quantity": pieces} for article, pieces in basket.items()]
    for line in basket:
        unit = line.get("unit", "")
        yield BasketLine(
            id=line["id"],
            article=line["article"],
            quantity=0 if unit else line.get("quantity", 1),
            measure=line.get("measure", 0),
            unit=unit,
            price_micros=micros(line["price"], currency) if "price" in line else None,
            attributes={name: _fact(line[name]) for name in ("brand", "path") if name in line},
            tax_rate=percent(line["tax"]) if "tax" in line else None,
            gift_of=line.get("gift of", ""),
        )
