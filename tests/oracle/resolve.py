"""Who and what is asked about (law 1 and 2): facts by attribute, list prices, tax rates, units. Refuses too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from engine.basket import UNITS, BadRequest, BasketLine, Event, Fact, Facts, ManualDiscount, Request
from engine.money import exponent
from engine.program import Cashier, Column, Type, Variants
from tests.oracle.arithmetic import round_to
from tests.oracle.ruleset import Ruleset, cell

Value = int | str | tuple[str, ...]
Truth = bool | None  # None: unknown

MILLION = 1_000_000


@dataclass(slots=True)
class Line:
    """A line with its list price, tax rate and facts ("item.…"); `sets` and `marks` are filled once they are known."""

    request: BasketLine
    price: int  # micros, of one piece or one unit of measure
    tax_rate: int
    facts: dict[str, Value]
    sets: dict[str, Truth] = field(default_factory=dict)  # memberships asked for so far
    gift: frozenset[int] = frozenset()  # which of the rewards of its promotion it may be a gift of
    marks: frozenset[str] = frozenset()  # of guards: "discount", "reward", "count", "ship_free"
    floor: int = 0  # what no promotion prices a unit below, minor units

    @property
    def dimension(self) -> str:
        """Of a measured line; "" for pieces."""
        return UNITS[self.request.unit][0] if self.request.measure else ""


@dataclass(frozen=True, slots=True)
class Unit:
    """One piece, or one measured line. `index` ascends by line id, then dearest piece first."""

    index: int
    line: Line
    article: str
    list: int
    measure: int  # thousandths of `line.request.unit`; 0: a piece
    entry: ManualDiscount | None = None  # what the cashier entered for it: for its line, else for the basket


@dataclass(frozen=True, slots=True)
class Past:
    """An event before the request, its facts ("orders.channel"), its articles and what was paid for them (micros)."""

    type: str  # "orders"
    at_us: int
    facts: dict[str, Value]
    items: tuple[tuple[Line, int | None], ...]


@dataclass(slots=True)
class Basket:
    """The request, resolved against a ruleset."""

    ruleset: Ruleset
    request: Request
    facts: dict[str, Value]  # all but the items': "customer.tier", "payment"
    lines: list[Line]  # by line id
    units: list[Unit]
    past: list[Past] | None  # in no order; None: not known

    @property
    def rounding(self) -> str:
        return self.ruleset.settings.rounding

    @property
    def by_article(self) -> bool:
        """Pieces save what they save exactly, and what an article's save together is rounded."""
        return self.ruleset.settings.rounding_per == "article"

    @property
    def micros_per_minor(self) -> int:
        return micros_per_minor(self.request.currency)


def micros_per_minor(currency: str) -> int:
    return int(10 ** (6 - exponent(currency)))


def resolve(ruleset: Ruleset, request: Request) -> Basket:
    """Raises BadRequest for what the law refuses."""
    _refuse_unlisted(ruleset, request)
    lines = [_line(ruleset, request, number, line) for number, line in enumerate(request.lines)]
    lines.sort(key=lambda line: line.request.id)  # code points order as their UTF-8 bytes do
    units = _units(ruleset, request, lines)
    return Basket(ruleset, request, _facts(ruleset, request), lines, units, _past(ruleset, request))


def _refuse_unlisted(ruleset: Ruleset, request: Request) -> None:
    schema = ruleset.schema

    def check(field_path: str, value: str, listed: Sequence[str]) -> None:
        if listed and value not in listed:
            raise BadRequest(field_path, f"{value!r} is not one of {', '.join(listed)}")

    check("currency", request.currency, ruleset.settings.currencies)
    check("channel", request.channel, schema.channels)
    if request.delivery:
        check("delivery", request.delivery, schema.services)
    if request.payment:
        check("payment", request.payment, schema.payments)
    for number, fee in enumerate(request.fees):
        check(f"fees[{number}].service", fee.service, schema.services)
    _refuse_entries(ruleset, request)
    for number, choice in enumerate(request.variants):
        promotion = ruleset.promotions.get(choice.promotion)
        if promotion is None or not isinstance(promotion.reward, Variants):
            raise BadRequest(f"variants[{number}].promotion", "has no variants")
        if choice.variant not in [arm.name for arm in promotion.reward.arms]:
            raise BadRequest(f"variants[{number}].{'variant' if choice.variant else 'control'}", "is none of them")


# ---------- facts ----------


def _refuse_entries(ruleset: Ruleset, request: Request) -> None:
    """Reasons that nobody declares, and the basket where each piece goes to one promotion."""
    naming: dict[str, set[str]] = {}
    for promotion in ruleset.promotions.values():
        for reward in promotion.rewards:
            for reason in reward.reasons if isinstance(reward, Cashier) else ():
                naming.setdefault(reason, set()).add(ruleset.groups[promotion.group].apply)
    lines = {line.id: line for line in request.lines}
    entered = Counter[str]()
    for number, entry in enumerate(request.manual_discounts):
        path = f"manual_discounts[{number}]"
        if entry.line and entry.line not in lines:
            raise BadRequest(f"{path}.line_id", "is no line")
        pieces = lines[entry.line].quantity if entry.line else 0
        if entry.quantity > pieces:
            raise BadRequest(f"{path}.quantity", "are more than there are")
        entered[entry.line] += entry.quantity or max(1, pieces)
        if entered[entry.line] > max(1, pieces):
            raise BadRequest(f"{path}.quantity" if pieces > 1 else f"{path}.line_id", "was entered for before")
    for number, entry in enumerate(request.manual_discounts):
        path = f"manual_discounts[{number}]"
        if entry.reason not in naming:
            raise BadRequest(f"{path}.reason", "is no reason here")
        if not entry.line and naming[entry.reason] & {"best-per-item", "first-per-item"}:
            raise BadRequest(f"{path}.line_id", "is off single pieces")


def _given(ruleset: Ruleset, currency: str, entity: str, facts: Facts, path: str) -> dict[str, Value]:
    """The facts of a request that the schema declares. Money in another currency is unknown: as if not given."""
    known: dict[str, Value] = {}
    for name, fact in facts.items():
        attribute = ruleset.attributes.get(f"{entity}.{name}")
        if attribute is None:
            continue
        if fact.type != attribute.type:
            raise BadRequest(f"{path}[{name}]", f"is a {fact.type}, the schema says {attribute.type}")
        if _speaks(fact, currency):
            known[f"{entity}.{name}"] = fact.value
    return known


def _speaks(fact: Fact, currency: str) -> bool:
    return fact.type != Type.MONEY or fact.currency == currency


def _row(ruleset: Ruleset, currency: str, entity: str, columns: Iterable[Column], row: int | None) -> dict[str, Value]:
    """The declared facts of a table's row."""
    known: dict[str, Value] = {}
    for column in columns:
        value = cell(column, row)
        mine = column.type != Type.MONEY or column.currency == currency
        if value is not None and mine and f"{entity}.{column.name}" in ruleset.attributes:
            known[f"{entity}.{column.name}"] = value
    return known


def _defaults(ruleset: Ruleset, entity: str) -> dict[str, Value]:
    return {
        key: attribute.default
        for key, attribute in ruleset.attributes.items()
        if attribute.entity == entity and attribute.default is not None
    }


def _facts(ruleset: Ruleset, request: Request) -> dict[str, Value]:
    """All facts but those of the items. Later sources win over earlier ones: default, request, table."""
    currency, customer = request.currency, request.customer
    facts: dict[str, Value] = {}
    facts |= _defaults(ruleset, "customer") if customer.id else {}
    facts |= _given(ruleset, currency, "customer", customer.attributes, "customer.attributes")
    facts |= _defaults(ruleset, "store") if request.store else {}
    facts |= _given(ruleset, currency, "store", request.store_attributes, "store_attributes")
    facts |= _row(ruleset, currency, "store", ruleset.stores.columns, ruleset.store_rows.get(request.store))
    facts |= _defaults(ruleset, "delivery")
    facts |= _given(ruleset, currency, "delivery", request.delivery_attributes, "delivery_attributes")
    facts |= _defaults(ruleset, "basket")
    facts |= _given(ruleset, currency, "basket", request.basket_attributes, "basket_attributes")
    facts["basket.lines"] = len({line.article for line in request.lines}) * MILLION
    named = {
        "customer.id": customer.id,
        "store.id": request.store,
        "delivery": request.delivery,
        "payment": request.payment,
    }
    for key, value in named.items():
        facts.pop(key, None)
        if value:
            facts[key] = value
    return facts


def _line(ruleset: Ruleset, request: Request, number: int, line: BasketLine) -> Line:
    row = ruleset.article_rows.get(line.article)
    catalogue = {
        (column.name, column.currency): cell(column, row)
        for column in ruleset.catalogue.columns
        if column.name in {"price", "tax-rate"}
    }
    price = line.price_micros
    if price is None:
        found = catalogue.get(("price", request.currency))
        if not isinstance(found, int):
            raise BadRequest(f"lines[{number}].price", f"no list price of {line.article} in {request.currency}")
        price = found
    rate = line.tax_rate
    if rate is None:
        found = catalogue.get(("tax-rate", ""))
        rate = found if isinstance(found, int) else 0
    facts = article_facts(ruleset, request.currency, line.article, line.attributes, f"lines[{number}].attributes")
    facts |= {"item.price": price}
    return Line(line, price, rate, facts)


def listed(basket: Basket, article: str) -> dict[str, Value]:
    """The facts of an article that the request says nothing of, its price among them."""
    ruleset, currency = basket.ruleset, basket.request.currency
    facts = article_facts(ruleset, currency, article, {}, "")
    for column in ruleset.catalogue.columns:
        price = cell(column, ruleset.article_rows.get(article))
        if (column.name, column.currency) == ("price", currency) and price is not None:
            facts["item.price"] = price
    return facts


def article_facts(ruleset: Ruleset, currency: str, article: str, given: Facts, path: str) -> dict[str, Value]:
    """The facts of an article: default, request, catalogue."""
    facts = _defaults(ruleset, "item")
    facts |= _given(ruleset, currency, "item", given, path)
    facts |= _row(ruleset, currency, "item", ruleset.catalogue.columns, ruleset.article_rows.get(article))
    facts.pop("item.price", None)
    return facts | {"item.sku": article}


# ---------- events ----------


def _past(ruleset: Ruleset, request: Request) -> list[Past] | None:
    """The events of declared types before the instant of the request, each name once."""
    history = request.customer.events
    if history is None:
        return None
    found: list[Past] = []
    named: dict[str, Event] = {}
    for number, event in enumerate(history.events):
        path = f"customer.events.events[{number}]"
        again = event.id in named
        if event.id and named.setdefault(event.id, event) != event:
            raise BadRequest(f"{path}.id", "names another event")
        declared = ruleset.events.get(event.type)
        if declared is None or again:
            continue
        facts: dict[str, Value] = {}
        for attribute in declared.attributes:
            fact, key = event.attributes.get(attribute.name), f"{declared.name}.{attribute.name}"
            if fact is not None and fact.type != attribute.type:
                raise BadRequest(f"{path}.attributes[{attribute.name}]", f"is no {attribute.type}")
            if fact is None and attribute.default is not None:
                facts[key] = attribute.default
            elif fact is not None and _speaks(fact, request.currency):
                facts[key] = fact.value
        items: list[tuple[Line, int | None]] = []
        for place, item in enumerate(event.items):
            where = f"{path}.items[{place}].attributes"
            known = article_facts(ruleset, request.currency, item.article, item.attributes, where)
            mine = event.currency == request.currency and item.amount is not None
            paid = item.amount * micros_per_minor(request.currency) if mine and item.amount is not None else None
            items.append((Line(BasketLine("", item.article, 1), 0, 0, known), paid))
        if event.at_us < request.at_us:
            found.append(Past(declared.name, event.at_us, facts, tuple(items)))
    return found


# ---------- units ----------


def _units(ruleset: Ruleset, request: Request, lines: Sequence[Line]) -> list[Unit]:
    """Each piece and each measured line with its list amount."""
    mode, minor = ruleset.settings.rounding, micros_per_minor(request.currency)
    pieces: dict[tuple[str, int], int] = {}  # how many pieces of an article at a price were priced so far
    units: list[Unit] = []
    off_the_basket = next((entry for entry in request.manual_discounts if not entry.line), None)
    for line in lines:
        asked = line.request
        if asked.measure:
            amounts = [round_to(line.price * asked.measure, 1000 * minor, mode)]
        else:
            key = (asked.article, line.price)
            begin = pieces.get(key, 0)
            pieces[key] = begin + asked.quantity
            sums = [round_to(line.price * i, minor, mode) for i in range(begin, pieces[key] + 1)]
            amounts = sorted((after - before for before, after in pairwise(sums)), reverse=True)
        entered = entries_of(request, asked)
        for place, amount in enumerate(amounts):
            entry = entered[place] if place < len(entered) else off_the_basket
            units.append(Unit(len(units), line, asked.article, amount, asked.measure, entry))
    return units


def entries_of(request: Request, line: BasketLine) -> list[ManualDiscount]:
    """What was entered for a line, once for each piece that it is for: percentages, amounts, prices, larger first."""
    kinds = ("percent", "amount", "price")
    mine = [entry for entry in request.manual_discounts if entry.line == line.id]
    mine.sort(key=lambda entry: (kinds.index(entry.kind), -entry.value, entry.reason))
    return [entry for entry in mine for _ in range(entry.quantity or line.quantity or 1)]
