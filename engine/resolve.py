"""Request → columns: articles get their attributes, prices and product sets; facts get their slots.

Also the one place that says what is out of bounds (`check`) and what the ruleset does not know (docs/semantics.md 2).
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.articles import Article, article_column, plain
from engine.basket import (
    AT_MAX_US,
    AT_MIN_US,
    BASIS_POINTS,
    CODES_MAX,
    EVENT_ITEMS_MAX,
    EVENTS_MAX,
    FACTS_MAX,
    FEES_MAX,
    FINE_TOTAL_MAX,
    LINES_MAX,
    MANUAL_DISCOUNTS_MAX,
    MEASURE_MAX,
    NEXT_STEPS_MAX,
    PIECE_MICROS_MAX,
    PIECES_MAX,
    PRICE_MICROS_MAX,
    TEXT_MAX,
    TOTAL_MINOR_MAX,
    UNITS,
    USAGE_MAX,
    VARIANTS_MAX,
    BadRequest,
    BasketLine,
    Event,
    EventHistory,
    Facts,
    Fault,
    ManualDiscount,
    Request,
)
from engine.calendar import EPOCH, shifted
from engine.history import Clock, History, comes_round, fresh
from engine.image import Ruleset, Slot
from engine.instructions import DIMENSIONS, FALSE, FLOOR_SHIFT, TRUE, Apply, Entered, Mark
from engine.layout import NOBODY, NOWHERE, QUESTION, REGION_UNKNOWN, pack
from engine.link import code_key, normalise_code
from engine.money import ROUNDINGS, divide, micros_per_minor
from engine.price_lists import Listed, no_promises, on_lists
from engine.program import (
    Age,
    Anniversary,
    Consent,
    Happened,
    Has,
    NthOrder,
    Refresh,
    Settings,
    SumOf,
    Type,
)
from engine.sets import PRICE, Evaluator, Values, int_values, text_holds
from engine.write import REGION

Ints = npt.NDArray[np.int64]


UNIT_FIELDS = (
    "unit_line",
    "unit_article",
    "unit_list",
    "unit_measure",
    "unit_dimension",
    "unit_factor",
    "unit_price",
)


ENTERED = {"percent": Entered.PERCENT, "amount": Entered.AMOUNT, "price": Entered.PRICE}


class Resolved(NamedTuple):
    """The columns, and the names behind the numbers."""

    question: Ints  # the buffer that kernels read, layout.QUESTION
    columns: dict[str, Ints]  # its fields as arrays
    lines: tuple[BasketLine, ...]  # by id
    tax_rates: tuple[int, ...]  # of the lines
    codes: tuple[str, ...]  # as they count: normalised, or exactly so; by bytes
    services: tuple[str, ...]  # of the fees
    day: int  # the local date in the settings' zone


# ---------------------------------------------------------------------------------------------------- bounds


def _text(value: str, field: str) -> None:
    if len(value) > TEXT_MAX:
        raise BadRequest(field, f"has {len(value)} characters; at most {TEXT_MAX} are taken", Fault.BOUNDS)


def _count(values: Sequence[Any] | Facts, most: int, field: str) -> None:
    if len(values) > most:
        raise BadRequest(field, f"has {len(values)} entries; at most {most} are taken", Fault.BOUNDS)


def _between(value: int, low: int, high: int, field: str) -> None:
    if not low <= value <= high:
        raise BadRequest(field, f"is {value}; it must be from {low} to {high}", Fault.BOUNDS)


def _facts(facts: Facts, field: str) -> None:
    _count(facts, FACTS_MAX, field)
    for name, fact in facts.items():
        texts = fact.value if isinstance(fact.value, tuple) else (fact.value,) if isinstance(fact.value, str) else ()
        for text in texts:
            _text(text, f"{field}[{name}]")
        if isinstance(fact.value, int):
            _between(fact.value, -(10**15), 10**15, f"{field}[{name}]")


def _price_max(line: BasketLine) -> int:
    return PRICE_MICROS_MAX if line.unit else PIECE_MICROS_MAX


def _events(history: EventHistory) -> None:
    """The bounds of a customer's past."""
    _between(history.complete_since_us, 0, AT_MAX_US, "customer.events.complete_since_us")
    _count(history.events, EVENTS_MAX, "customer.events.events")
    named: dict[str, Event] = {}
    items = 0
    for i, event in enumerate(history.events):
        field = f"customer.events.events[{i}]"
        if not event.type:
            raise BadRequest(f"{field}.type", "must be given", Fault.MISSING)
        _text(event.type, f"{field}.type")
        _text(event.id, f"{field}.id")
        _between(event.at_us, AT_MIN_US, AT_MAX_US, f"{field}.at_us")
        _facts(event.attributes, f"{field}.attributes")
        for place, item in enumerate(event.items):
            if not item.article:
                raise BadRequest(f"{field}.items[{place}].article", "must be given", Fault.MISSING)
            _text(item.article, f"{field}.items[{place}].article")
            _facts(item.attributes, f"{field}.items[{place}].attributes")
            if item.amount is not None:
                most = TOTAL_MINOR_MAX
                _between(item.amount, -most, most, f"{field}.items[{place}].amount_minor")
        items += len(event.items)
        if event.id and named.setdefault(event.id, event) != event:
            raise BadRequest(f"{field}.id", f"«{event.id}» names another event already", Fault.DUPLICATE)
    if items > EVENT_ITEMS_MAX:
        raise BadRequest(
            "customer.events.events", f"name {items} articles; at most {EVENT_ITEMS_MAX} are taken", Fault.BOUNDS
        )


def _manual_discounts(request: Request) -> None:
    """The bounds of what a cashier entered: no piece is entered for twice."""
    lines = {line.id: line for line in request.lines}
    entered: dict[str, int] = {}  # pieces by line; 1 of the basket, and of a measured line
    for i, entry in enumerate(request.manual_discounts):
        field, line = f"manual_discounts[{i}]", lines.get(entry.line)
        _text(entry.line, f"{field}.line_id")
        _text(entry.reason, f"{field}.reason")
        if not entry.reason:
            raise BadRequest(f"{field}.reason", "must be given", Fault.MISSING)
        if entry.line and line is None:
            raise BadRequest(f"{field}.line_id", f"«{entry.line}» is no line of the basket", Fault.UNKNOWN)
        if entry.kind == "percent":
            _between(entry.value, 1, BASIS_POINTS, f"{field}.percent_basis_points")
        else:
            _between(entry.value, 0, TOTAL_MINOR_MAX, f"{field}.amount_minor")
        pieces = line.quantity if line else 0  # of the basket, and of a measured line, there are none
        _between(entry.quantity, 0, pieces, f"{field}.quantity")
        there = max(1, pieces)
        entered[entry.line] = entered.get(entry.line, 0) + (entry.quantity or there)
        if entered[entry.line] > there:
            text = (
                "is entered for twice" if there == 1 else f"has {there} pieces; {entered[entry.line]} are entered for"
            )
            what = f"«{entry.line}»" if entry.line else "the basket"
            raise BadRequest(
                f"{field}.quantity" if there > 1 else f"{field}.line_id", f"{what} {text}", Fault.DUPLICATE
            )


def check(request: Request) -> None:
    """Every bound of engine/basket.py that does not depend on a ruleset. Raises BadRequest naming the field."""
    _between(request.at_us, AT_MIN_US, AT_MAX_US, "at_us")
    _count(request.lines, LINES_MAX, "lines")
    _count(request.codes, CODES_MAX, "codes")
    _count(request.fees, FEES_MAX, "fees")
    _count(request.usage, USAGE_MAX, "usage")
    _count(request.variants, VARIANTS_MAX, "variants")
    _count(request.manual_discounts, MANUAL_DISCOUNTS_MAX, "manual_discounts")
    for name, value in (
        ("channel", request.channel),
        ("store", request.store),
        ("delivery_service", request.delivery),
        ("payment", request.payment),
        ("basket_id", request.basket),
        ("customer.id", request.customer.id),
        ("customer.household", request.customer.household),
        *((f"codes[{i}]", code) for i, code in enumerate(request.codes)),
    ):
        _text(value, name)
    _facts(request.store_attributes, "store_attributes")
    _facts(request.delivery_attributes, "delivery_attributes")
    _facts(request.basket_attributes, "basket_attributes")
    _facts(request.customer.attributes, "customer.attributes")
    _between(request.customer.facts_as_of_us, 0, AT_MAX_US, "customer.facts_as_of_us")
    if request.customer.events is not None:
        _events(request.customer.events)
    seen: set[str] = set()
    pieces = 0
    for i, line in enumerate(request.lines):
        field = f"lines[{i}]"
        _text(line.id, f"{field}.id")
        _text(line.article, f"{field}.article")
        if not line.id or line.id in seen:
            text = f"«{line.id}» must be given and different from every other line's"
            raise BadRequest(f"{field}.id", text, Fault.DUPLICATE if line.id else Fault.MISSING)
        seen.add(line.id)
        if not line.article:
            raise BadRequest(f"{field}.article", "must be given", Fault.MISSING)
        if line.unit:
            if line.unit not in UNITS:
                raise BadRequest(f"{field}.measure_unit", f"«{line.unit}» is none of {', '.join(UNITS)}", Fault.UNKNOWN)
            if line.quantity:
                raise BadRequest(
                    f"{field}.quantity", "a line has a quantity or a measure, not both", Fault.CONTRADICTION
                )
            _between(line.measure, 1, MEASURE_MAX, f"{field}.measure_thousandths")
        else:
            if line.measure:
                raise BadRequest(f"{field}.measure_unit", "must be given with a measure", Fault.MISSING)
            _between(line.quantity, 1, PIECES_MAX, f"{field}.quantity")
        pieces += line.quantity or 1
        if line.price_micros is not None:
            _between(line.price_micros, 0, _price_max(line), f"{field}.unit_price_micros")
        if line.tax_rate is not None:
            _between(line.tax_rate, 0, BASIS_POINTS, f"{field}.tax_rate_basis_points")
        _text(line.gift_of, f"{field}.gift_of")
        _facts(line.attributes, f"{field}.attributes")
    _manual_discounts(request)
    if pieces > PIECES_MAX:
        raise BadRequest("lines", f"hold {pieces} pieces; a basket takes {PIECES_MAX}", Fault.BOUNDS)
    _between(request.next_steps, 0, NEXT_STEPS_MAX, "next_steps")
    services = [fee.service for fee in request.fees]
    for i, fee in enumerate(request.fees):
        _text(fee.service, f"fees[{i}].service")
        _between(fee.amount, 0, TOTAL_MINOR_MAX, f"fees[{i}].amount_minor")
        if fee.tax_rate is not None:
            _between(fee.tax_rate, 0, BASIS_POINTS, f"fees[{i}].tax_rate_basis_points")
        if services.index(fee.service) != i:
            raise BadRequest(f"fees[{i}].service", f"«{fee.service}» has a fee already", Fault.DUPLICATE)
    promotions = [choice.promotion for choice in request.variants]
    for i, choice in enumerate(request.variants):
        _text(choice.promotion, f"variants[{i}].promotion")
        _text(choice.variant, f"variants[{i}].variant")
        if promotions.index(choice.promotion) != i:
            raise BadRequest(f"variants[{i}].promotion", f"«{choice.promotion}» is said twice", Fault.DUPLICATE)
    counters: set[tuple[str, str, str]] = set()
    for i, use in enumerate(request.usage):
        _between(use.used, 0, 10**15, f"usage[{i}].used")
        for name, value in (("promotion", use.promotion), ("limit", use.limit), ("code", use.code)):
            _text(value, f"usage[{i}].{name}")
        counter = (use.promotion, use.limit, use.code)
        if counter in counters:
            raise BadRequest(f"usage[{i}]", "is said twice", Fault.DUPLICATE)
        counters.add(counter)


# ---------------------------------------------------------------------------------------------------- facts


class RequestFacts:
    """The facts of one request by the name of their attribute; None: unknown."""

    def __init__(self, ruleset: Ruleset, request: Request, articles: int) -> None:
        self.ruleset = ruleset
        self.request = request
        self.articles = articles
        self.store_row = ruleset.stores.index.get(request.store, -1)
        self.clock = clock(ruleset, ruleset.settings_zone)
        self.history = History(ruleset, request.customer.events, request.at_us, request.currency, self.clock)
        self.today = self.history.today

    def value(self, attribute: str) -> int | str | tuple[str, ...] | None:
        request = self.request
        if attribute == "payment":
            return request.payment or None
        if attribute == "delivery":
            return request.delivery or None
        if attribute == "customer.id":
            return request.customer.id or None
        if attribute == "store.id":
            return request.store or None
        if attribute == "basket.lines":
            return self.articles * 1_000_000  # a number, in millionths
        entity, name = attribute.split(".", 1)
        declared = self.ruleset.attributes[attribute]
        match entity:
            case "customer":
                given: Facts = request.customer.attributes
                if not request.customer.id and name not in given:
                    return None  # an unknown customer has no defaults
            case "store":
                currency = request.currency if declared.type is Type.MONEY else ""
                known = self.ruleset.stores.cell(self.store_row, name, currency)
                if known is not None:
                    return known
                given = request.store_attributes
                if not request.store and name not in given:
                    return None
            case "delivery":
                given = request.delivery_attributes
            case _:
                given = request.basket_attributes
        return plain(declared, given.get(name), request.currency, f"{entity}[{name}]")

    def truth(self, slot: Slot) -> bool | None:
        """Whether a condition that no number stands for holds; None: unknown."""
        condition = slot.condition
        match condition:
            case Consent():
                given = self.request.customer.consents
                return None if given is None else condition.name in given
            case Happened():
                return self.history.happened(condition)
            case SumOf():
                return self.history.sum_of(condition)
            case NthOrder():
                return self.history.nth_order(condition)
            case Refresh():
                young = fresh(condition, self.request.customer.facts_as_of_us, self.request.at_us, self.clock)
                return True if young else None
        value = self.value(slot.attribute)
        if value is None:
            return None
        match condition:
            case Has():
                assert isinstance(value, tuple)
                return bool(set(condition.values) & set(value))
            case Age():
                assert isinstance(value, int)
                bound = (shifted(self.today, -condition.count, condition.unit) - EPOCH).days
                return value < bound if condition.op == "more" else value > bound
            case Anniversary():
                assert isinstance(value, int)
                return comes_round(condition, value, self.today)
            case _:
                assert isinstance(value, str) and condition is not None
                return text_holds(condition, value)  # type: ignore[arg-type]


def transitions(ruleset: Ruleset, zone: int) -> Ints:
    """The rows of a zone: from which second on which offset."""
    rules = ruleset.rules
    return rules.transitions[rules.zone_begin[zone] : rules.zone_begin[zone + 1]]


def clock(ruleset: Ruleset, zone: int) -> Clock:
    """What a zone shows."""
    rows = transitions(ruleset, zone)

    def local(at_us: Ints) -> Ints:
        seconds = at_us // 1_000_000
        offsets: Ints = rows[np.maximum(0, np.searchsorted(rows[:, 0], seconds, "right") - 1), 1]
        return seconds + offsets

    return local


# ---------------------------------------------------------------------------------------------------- the basket


class _Articles:
    """Attributes, prices and product sets of the lines."""

    def __init__(self, ruleset: Ruleset, request: Request, order: Sequence[int]) -> None:
        self.ruleset = ruleset
        self.request = request
        self.order = order  # positions in the request, by line id
        self.lines = [request.lines[i] for i in order]
        self.rows = [ruleset.catalogue.index.get(line.article, -1) for line in self.lines]
        self.prices = [self.price(line, row, i) for line, row, i in zip(self.lines, self.rows, order, strict=True)]

    def price(self, line: BasketLine, row: int, position: int) -> int:
        if line.price_micros is not None:
            return line.price_micros
        price = self.ruleset.catalogue.cell(row, "price", self.request.currency)
        if isinstance(price, int):
            _between(price, 0, _price_max(line), f"lines[{position}].article")
            return price
        raise BadRequest(
            f"lines[{position}].unit_price_minor",
            f"must be given: the catalogue has no price in {self.request.currency} for article «{line.article}»",
            Fault.NO_PRICE,
        )

    def tax_rate(self, i: int) -> int:
        rate = self.lines[i].tax_rate
        if rate is not None:
            return rate
        known = self.ruleset.catalogue.cell(self.rows[i], "tax-rate")
        return known if isinstance(known, int) else 0

    def members(self) -> tuple[list[Sequence[int]], list[int]]:
        """For each line its product sets, ascending, and its guards' marks."""
        ruleset = self.ruleset
        own = [i for i, row in enumerate(self.rows) if row < 0 or self.lines[i].attributes]
        rows = np.array(self.rows, np.int64)  # of an article that the catalogue does not know: -1
        begin, end = (ruleset.posting_begin[rows + shift].tolist() for shift in (0, 1))
        sets: list[Sequence[int]] = [
            () if row < 0 else ruleset.posting[first:last].tolist()
            for row, first, last in zip(self.rows, begin, end, strict=True)
        ]
        marks = [0 if row < 0 else int(ruleset.marks[row]) for row in self.rows]
        if own:
            self.judge(own, range(len(ruleset.set_names)), ruleset.set_index, sets, marks, replace_all=True)
        if ruleset.dynamic_sets:
            rest = [i for i in range(len(self.lines)) if i not in set(own)]
            self.judge(rest, ruleset.dynamic_sets.values(), ruleset.dynamic_sets, sets, marks, replace_all=False)
        return sets, marks

    def judge(
        self,
        lines: list[int],
        numbers: Iterable[int],
        names: Container[str],
        sets: list[Sequence[int]],
        marks: list[int],
        *,
        replace_all: bool,
    ) -> None:
        """Judge some sets, by number and by name, for some lines, from their attributes."""
        ruleset, request = self.ruleset, self.request
        cache: dict[str, Values] = {}

        def column(attribute: str) -> Values:
            if attribute not in cache:
                cache[attribute] = self.column(attribute, lines)
            return cache[attribute]

        evaluator = Evaluator(len(lines), column, ruleset.sets, request.currency, micros_per_minor(request.currency))
        found: list[list[int]] = [[] for _ in lines]
        for number in numbers:
            for k in np.flatnonzero(evaluator.member(ruleset.set_names[number]) == TRUE).tolist():
                found[k].append(number)
        guarded = [0] * len(lines)
        for mark, guard_sets in ruleset.guards:
            for name in guard_sets:
                if name in names:
                    for k in np.flatnonzero(evaluator.member(name) != FALSE).tolist():
                        guarded[k] |= mark
        for k, i in enumerate(lines):
            sets[i] = found[k] if replace_all else sorted([*sets[i], *found[k]])
            marks[i] = guarded[k] | (0 if replace_all else marks[i])

    def floors(self, marks: list[int]) -> list[int]:
        """What no promotion may price a unit of each line below, in minor units, rounded up. Floors are taken out of
        the marks; a floor that is not known keeps from any discount."""
        micros, found = micros_per_minor(self.request.currency), [0] * len(self.lines)
        for number, attribute in enumerate(self.ruleset.floors):
            mine = [i for i, mark in enumerate(marks) if mark >> (FLOOR_SHIFT + number) & 1]
            values = self.column(attribute, mine)
            for k, i in enumerate(mine):
                if not values.known[k]:
                    marks[i] |= Mark.DISCOUNT
                    continue
                line, floor = self.lines[i], int(values.numbers[k])
                amount = -(-floor * line.measure // (1_000 * micros)) if line.unit else -(-floor // micros)
                found[i] = max(found[i], min(amount, TOTAL_MINOR_MAX))
        for i, mark in enumerate(marks):
            marks[i] = mark & ((1 << FLOOR_SHIFT) - 1)
        return found

    def column(self, attribute: str, lines: list[int]) -> Values:
        if attribute == PRICE:
            return int_values([self.prices[i] for i in lines])
        rows = [
            Article(self.lines[i].article, self.rows[i], self.lines[i].attributes, f"lines[{self.order[i]}].attributes")
            for i in lines
        ]
        return article_column(self.ruleset, attribute, rows, self.request.currency)


def _units(
    lines: Sequence[BasketLine], prices: Sequence[int], articles: Sequence[int], request: Request, rounding: Any
) -> Ints:
    """Rows of UNIT_FIELDS, unordered."""
    micros = micros_per_minor(request.currency)
    rows: list[tuple[int, int, int, int, int, int, int]] = []
    counts: list[int] = []  # how many units each row stands for
    running: dict[tuple[int, int], int] = {}
    for i, (line, price, article) in enumerate(zip(lines, prices, articles, strict=True)):
        if line.unit:
            dimension, factor = UNITS[line.unit]
            amount = divide(price * line.measure, 1_000 * micros, rounding)
            rows.append((i, article, amount, line.measure, DIMENSIONS.index(dimension), factor, price))
            counts.append(1)
        elif price % micros == 0:
            rows.append((i, article, price // micros, 0, 0, 1, price))
            counts.append(line.quantity)
        else:  # the article's n-th piece at this price, over all its lines
            before = running.get((article, price), 0)
            running[article, price] = before + line.quantity
            costs = [divide(price * n, micros, rounding) for n in range(before, before + line.quantity + 1)]
            rows += [(i, article, later - sooner, 0, 0, 1, price) for sooner, later in pairwise(costs)]
            counts += [1] * line.quantity
    return np.repeat(np.array(rows, np.int64).reshape(-1, 7), np.array(counts, np.int64), axis=0)


def resolve(ruleset: Ruleset, request: Request) -> Resolved:
    """The columns of a request that passed `check`. Raises BadRequest for what the ruleset refuses."""
    schema, settings = ruleset.schema, ruleset.settings
    if request.currency not in settings.currencies:
        raise BadRequest("currency", f"«{request.currency}» is none of {', '.join(settings.currencies)}", Fault.UNKNOWN)
    if schema.channels and request.channel not in schema.channels:
        raise BadRequest("channel", f"«{request.channel}» is none of {', '.join(schema.channels)}", Fault.UNKNOWN)
    if request.delivery and schema.services and request.delivery not in schema.services:
        raise BadRequest(
            "delivery_service", f"«{request.delivery}» is none of {', '.join(schema.services)}", Fault.UNKNOWN
        )
    if request.payment and schema.payments and request.payment not in schema.payments:
        raise BadRequest("payment", f"«{request.payment}» is none of {', '.join(schema.payments)}", Fault.UNKNOWN)
    services = schema.services or tuple(fee.service for fee in request.fees)
    fees, fee_rates = np.full((2, len(services)), -1, np.int64)
    for i, fee in enumerate(request.fees):
        if fee.service not in services:
            raise BadRequest(f"fees[{i}].service", f"«{fee.service}» is none of {', '.join(services)}", Fault.UNKNOWN)
        fees[services.index(fee.service)] = fee.amount
        fee_rates[services.index(fee.service)] = -1 if fee.tax_rate is None else fee.tax_rate

    order = sorted(range(len(request.lines)), key=lambda i: request.lines[i].id.encode())
    basket = _Articles(ruleset, request, order)
    names = sorted({line.article for line in basket.lines}, key=str.encode)
    number = {name: i for i, name in enumerate(names)}
    articles = [number[line.article] for line in basket.lines]
    units = _units(basket.lines, basket.prices, articles, request, settings.rounding)
    if units[:, 2].sum() > TOTAL_MINOR_MAX or (units[:, 2] > TOTAL_MINOR_MAX).any():
        raise BadRequest(
            "lines", f"are worth more than {TOTAL_MINOR_MAX} minor units of {request.currency}", Fault.BOUNDS
        )
    if int(units[:, 2].sum()) * ruleset.fine > FINE_TOTAL_MAX:
        most = FINE_TOTAL_MAX // ruleset.fine
        text = f"are worth more than {most} minor units of {request.currency}, which rounding per article allows"
        raise BadRequest("lines", text, Fault.BOUNDS)
    fees_and_lines = int(units[:, 2].sum()) + sum(fee.amount for fee in request.fees)
    if fees_and_lines > TOTAL_MINOR_MAX:
        text = f"and lines are worth more than {TOTAL_MINOR_MAX} minor units of {request.currency}"
        raise BadRequest("fees", text, Fault.BOUNDS)
    units = units[np.lexsort((units[:, 0], -units[:, 3], units[:, 1], -units[:, 2]))]
    sets, marks = basket.members()
    floors = basket.floors(marks)
    for line, lists in enumerate(on_lists(ruleset, [line.article for line in basket.lines])):
        sets[line] = [*sets[line], *(len(ruleset.set_names) + number for number in lists)]
    chosen = _chosen_gifts(ruleset, request.currency, basket.lines, sets, marks, floors)
    for line in {line for line, _ in chosen}:
        sets[line], marks[line] = (), marks[line] | Mark.CHOSEN
    counted = {line.article for line, mark in zip(basket.lines, marks, strict=True) if not mark & Mark.CHOSEN}

    facts = RequestFacts(ruleset, request, len(counted))
    region = facts.value(REGION) if REGION in ruleset.attributes else None
    zone = int(ruleset.store_zones[facts.store_row]) if facts.store_row >= 0 else ruleset.settings_zone
    value, known = np.zeros(len(ruleset.slots), np.int64), np.zeros(len(ruleset.slots), np.int64)
    for i, slot in enumerate(ruleset.slots):
        fact = facts.value(slot.attribute) if slot.condition is None else facts.truth(slot)
        if fact is not None and not isinstance(fact, tuple):
            value[i] = ruleset.symbols.get(fact, -1) if isinstance(fact, str) else fact
            known[i] = 1
        elif isinstance(fact, tuple):
            known[i] = 1

    entries, unit_entry = _entries(ruleset, request, basket.lines, units[:, 0])
    codes = tuple(sorted({_known_as(ruleset, code) for code in request.codes} - {""}, key=str.encode))
    code_sets = [_sets_of_code(ruleset, code, exactly=code in request.codes) for code in codes]
    begin = np.cumsum([0, *map(len, sets)], dtype=np.int64)
    rates = tuple(basket.tax_rate(i) for i in range(len(basket.lines)))
    columns = {
        "scalars": np.array(
            [
                request.at_us,
                ruleset.channel_index.get(request.channel, 0),  # no channels listed: no promotion is sold in any
                zone,
                ruleset.symbols.get(region, NOWHERE) if isinstance(region, str) else REGION_UNKNOWN,
                bool(request.store),
                bool(request.customer.id),
                bool(request.customer.household),
                len(settings.currencies),
                settings.currencies.index(request.currency),
                micros_per_minor(request.currency),
                ROUNDINGS.index(settings.rounding),
                ruleset.fine,
                settings.prices_include_tax,
                *base_points(settings, request.currency),
            ],
            np.int64,
        ),
        "value": value,
        "known": known,
        "set_begin": begin,
        "sets": np.array([s for one in sets for s in one], np.int64),
        "line_article": np.array(articles, np.int64),
        "line_marks": np.array(marks, np.int64),
        "line_rate": np.array(rates, np.int64),
        **{name: units[:, i] for i, name in enumerate(UNIT_FIELDS)},
        "code_begin": np.cumsum([0, *map(len, code_sets)], dtype=np.int64),
        "code_sets": np.array([s for one in code_sets for s in one], np.int64),
        "usage": _usage(ruleset, request, codes),
        "chosen": np.array(chosen, np.int64).reshape(-1, 2),
        "entries": np.array(entries, np.int64).reshape(-1, 4),
        "unit_entry": unit_entry,
        "unit_floor": np.array(floors, np.int64)[units[:, 0]],
        "fees": fees,
        "arms": _arms(ruleset, request),
        "fee_rate": fee_rates,
    }
    columns |= no_promises(ruleset)
    day = (facts.today - EPOCH).days
    if not ruleset.price_lists:
        return Resolved(pack(QUESTION, columns), columns, tuple(basket.lines), rates, codes, services, day)
    asked = Listed(ruleset, basket.lines, sets, marks, request.currency, day)
    columns |= asked.promises(pack(QUESTION, columns), units)
    return Resolved(pack(QUESTION, columns), columns, tuple(basket.lines), rates, codes, services, day)


def _arms(ruleset: Ruleset, request: Request) -> Ints:
    """The variant of each promotion that has some: its reward row, or see layout.NO_REWARD. Raises BadRequest."""
    rules = ruleset.rules
    chosen = _chosen(ruleset, request)
    found = []
    for p in np.flatnonzero(rules.arm >= 0).tolist():
        info = ruleset.promotions[p]
        rows = rules.terms[rules.term_begin[p] : rules.term_begin[p + 1]].tolist()
        if info.name in chosen:
            found.append(rows[chosen[info.name]][0])
            continue
        subject = (request.customer.id, request.customer.household, request.basket)[rules.terms_of[p]]
        found.append(rows[drawn(info.name, subject, [share for _, share, _ in rows])][0] if subject else NOBODY)
    return np.array(found, np.int64)


def drawn(promotion: str, subject: str, shares: Sequence[int]) -> int:
    """The place of the variant that a subject has: the same for ever, and of each promotion another draw."""
    digest = hashlib.sha256(promotion.encode() + b"\x00" + subject.encode()).digest()
    number = int.from_bytes(digest[:8], "big") % BASIS_POINTS
    ends = list(accumulate(shares))
    return next((place for place, end in enumerate(ends) if number < end), len(ends) - 1)


def _chosen(ruleset: Ruleset, request: Request) -> dict[str, int]:
    """The variants that the request chooses, by promotion: their places. Raises BadRequest."""
    chosen: dict[str, int] = {}
    for i, choice in enumerate(request.variants):
        number = ruleset.promotion_index.get(choice.promotion)
        arms = () if number is None else ruleset.promotions[number].arms
        if not arms:
            text = f"«{choice.promotion}» is no promotion with variants"
            raise BadRequest(f"variants[{i}].promotion", text, Fault.UNKNOWN)
        if choice.variant not in arms:
            kind, which = ("variant", f"variant «{choice.variant}»") if choice.variant else ("control", "control group")
            text = f"«{choice.promotion}» has no {which}"
            raise BadRequest(f"variants[{i}].{kind}", text, Fault.UNKNOWN)
        chosen[choice.promotion] = arms.index(choice.variant)
    return chosen


def _chosen_gifts(
    ruleset: Ruleset,
    currency: str,
    lines: Sequence[BasketLine],
    sets: Sequence[Sequence[int]],
    marks: Sequence[int],
    floors: Sequence[int],
) -> list[tuple[int, int]]:
    """The lines that may be a gift of the promotion that they name, with its reward rows that they are to choose of.

    What cannot be its gift, whatever else is in the basket, is bought as ever."""
    rules, found = ruleset.rules, []
    for i, line in enumerate(lines):
        p = ruleset.promotion_index.get(line.gift_of) if line.gift_of and not line.unit else None
        if p is None or marks[i] & Mark.DISCOUNT:
            continue
        mine = set(sets[i])
        if mine & set(rules.excepted[rules.except_begin[p] : rules.except_begin[p + 1]].tolist()):
            continue
        further = rules.terms[rules.term_begin[p] : rules.term_begin[p + 1], 0].tolist()
        rows = sorted({p, *further} - {-1})
        for row in rows:
            amount = int(rules.amount[row])
            price = int(rules.amounts[amount, ruleset.currencies.index(currency)]) if amount >= 0 else 0
            if int(rules.choice[row]) in mine and floors[i] <= price:
                found.append((i, row))
    return found


def _entries(
    ruleset: Ruleset, request: Request, lines: Sequence[BasketLine], unit_line: Ints
) -> tuple[list[tuple[int, int, int, int]], Ints]:
    """The rows of what a cashier entered, and that of each unit. Raises BadRequest.

    Of a line the dearest pieces come first, and percentages before amounts before prices, larger ones first."""
    unit_entry = np.full(unit_line.shape[0], -1, np.int64)
    if not request.manual_discounts:
        return [], unit_entry
    _declared_reasons(ruleset, request)
    rows: dict[tuple[int, int, int, int], int] = {}  # alike ones are one
    of_line: dict[str, list[tuple[ManualDiscount, int]]] = {}
    for entry in sorted(request.manual_discounts, key=lambda e: (ENTERED[e.kind], -e.value, e.reason.encode())):
        row = (ENTERED[entry.kind], entry.value, ruleset.symbols[entry.reason], int(not entry.line))
        of_line.setdefault(entry.line, []).append((entry, rows.setdefault(row, len(rows))))
    if "" in of_line:
        unit_entry[:] = of_line[""][0][1]
    order = np.argsort(unit_line, kind="stable")
    begin = np.searchsorted(unit_line[order], np.arange(len(lines) + 1))
    for i, line in enumerate(lines):
        place = int(begin[i])
        for entry, number in of_line.get(line.id, ()):
            end = place + entry.quantity if entry.quantity else int(begin[i + 1])
            unit_entry[order[place:end]] = number
            place = end
    return list(rows), unit_entry


def _declared_reasons(ruleset: Ruleset, request: Request) -> None:
    """Raises BadRequest for a reason that no promotion lets the cashier give, or gives off single pieces only."""
    rules = ruleset.rules
    known: dict[int, bool] = {}  # by symbol: whether each piece goes to one promotion
    per_item = np.isin(rules.apply[rules.group[rules.entry_owner]], [Apply.BEST_PER_ITEM, Apply.FIRST_PER_ITEM])
    for row, single in zip(rules.by_entry.tolist(), per_item.tolist(), strict=True):
        for symbol in rules.reasons[rules.reason_begin[row] : rules.reason_begin[row + 1]].tolist():
            known[symbol] = known.get(symbol, False) or single
    for i, entry in enumerate(request.manual_discounts):
        symbol = ruleset.symbols.get(entry.reason, -1)
        if symbol not in known:
            text = f"«{entry.reason}» is no reason that a promotion lets the cashier give"
            raise BadRequest(f"manual_discounts[{i}].reason", text, Fault.UNKNOWN)
        if known[symbol] and not entry.line:
            text = f"must be given: for «{entry.reason}» something is off single pieces only"
            raise BadRequest(f"manual_discounts[{i}].line_id", text, Fault.MISSING)


def base_points(settings: Settings, currency: str) -> tuple[int, int]:
    """So many points for so many minor units of a currency; (0, 0): none are given."""
    said = settings.points
    per = next((amount.value for amount in said.per if amount.currency == currency), 0) if said else 0
    return (said.points, per) if said and per else (0, 0)


def _known_as(ruleset: Ruleset, text: str) -> str:
    """A code by the name under which it counts: as it was entered where an exact set has it so, else normalised."""
    exact = ruleset.rules.code_exact
    return text if any(exact[s] for s in _sets_of_code(ruleset, text, exactly=True)) else normalise_code(text)


def _sets_of_code(ruleset: Ruleset, code: str, *, exactly: bool) -> list[int]:
    """The sets that have a code; exact ones only where it was entered exactly so."""
    high, low = (np.uint64(part) for part in code_key(code))
    first, last = (int(np.searchsorted(ruleset.code_high, high, side)) for side in ("left", "right"))
    found = {int(ruleset.code_set[i]) for i in range(first, last) if ruleset.code_low[i] == low}
    return sorted(s for s in found if exactly or not ruleset.rules.code_exact[s])


def _usage(ruleset: Ruleset, request: Request, codes: tuple[str, ...]) -> Ints:
    """Usage facts that bear on this ruleset and these codes, as rows."""
    rows = []
    counters: set[tuple[str, str, str]] = set()
    for i, use in enumerate(request.usage):
        code = _known_as(ruleset, use.code)
        if (use.promotion, use.limit, code) in counters:
            raise BadRequest(f"usage[{i}]", "is said twice", Fault.DUPLICATE)
        counters.add((use.promotion, use.limit, code))
        number = codes.index(code) if code in codes else -1
        if not use.promotion and use.limit == "code:ever:uses" and number >= 0:
            rows.append((-1, number, use.used))
        if number >= 0 or not code:
            rows += [(row, number, use.used) for row in ruleset.limit_rows(use.promotion, use.limit)]
    return np.array(sorted(rows), np.int64).reshape(-1, 3)
