"""Contract → engine: a DecideRequest becomes a Request. (Engine → contract: server/answers.py.)

`to_request` refuses what the contract refuses, naming the field; what only the ruleset can know (names, prices, types
of attributes) is left to the engine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Literal

from einklang.v1 import common_pb2 as common
from einklang.v1 import decision_pb2 as pb
from engine import basket
from engine.basket import (
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
from engine.money import EXPONENTS, micros_per_minor
from engine.program import Type
from server.contract import Refused

ID_BYTES_MAX = 64
TEXT_BYTES_MAX = 256
ATTRIBUTES_MAX = 50
CUSTOMER_ATTRIBUTES_MAX = 100
CONSENTS_MAX = 50
TEXTS_MAX = 100
PRICE_MAX = 10**12  # minor units, or micros
NUMBER_MAX = 10**15  # millionths
PERCENT_MAX = 1_000_000  # basis points
RATE_MAX = 10_000  # basis points
USED_MAX = 10**15
_EPOCH = date(1970, 1, 1).toordinal()

_CURRENCY = re.compile(r"[A-Z]{3}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_PERIOD = r"ever|each-(?:day|week|month|year)|any-[1-9][0-9]{0,5}-(?:minutes|hours|days|weeks|months|years)"
_LIMIT = re.compile(rf"(customer|household|store|code|total):(?:{_PERIOD}):(uses|baskets|saving)")
_CODE_SET_LIMIT = "code:ever:uses"  # how often each code of a set may be used: the limit of no promotion

UNITS: Mapping[int, str] = {
    number: name.removeprefix("MEASURE_UNIT_").lower()
    for name, number in common.MeasureUnit.items()
    if number != common.MEASURE_UNIT_UNSPECIFIED
}
assert set(UNITS.values()) == set(basket.UNITS)

_KINDS: Mapping[int, tuple[Type, str]] = {
    common.VALUE_KIND_TEXT: (Type.TEXT, "text"),
    common.VALUE_KIND_NUMBER: (Type.NUMBER, "number_millionths"),
    common.VALUE_KIND_YES_NO: (Type.YES_NO, "yes_no"),
    common.VALUE_KIND_DATE: (Type.DATE, "date"),
    common.VALUE_KIND_MONEY: (Type.MONEY, "money"),
    common.VALUE_KIND_PERCENT: (Type.PERCENT, "percent_basis_points"),
    common.VALUE_KIND_TEXTS: (Type.TEXTS, "texts"),
}
# What the engine calls a named fact, and where the contract has the lists.
_NAMED_FACT = re.compile(r"(.+)\[([^0-9\]][^\]]*)\]")
_HOLDERS = {
    "customer": "customer.attributes",
    "store": "store_attributes",
    "delivery": "delivery_attributes",
    "basket": "basket_attributes",
}
# Parts of the request that are the contract's already and this server's not yet. Never ignored: refused.
_NOT_YET = ("returned_goods", "deposit_refunds")


# ---------------------------------------------------------------------------------------------------- requests


def to_request(message: pb.DecideRequest, *, at_us: int) -> Request:
    """The engine's Request. `at_us`: the instant that is judged where the message names none.

    Raises Refused with the path of the first field at fault."""
    _refuse_what_is_not_served(message)
    _text("request_id", message.request_id, most=ID_BYTES_MAX)
    _text("basket_id", message.basket_id, most=ID_BYTES_MAX)
    currency = _currency("currency", message.currency)
    _required("channel", message.channel)
    _text("channel", message.channel)
    _text("store", message.store)
    _text("delivery_service", message.delivery_service)
    return Request(
        at_us=_instant("at_us", message.at_us) or at_us,
        currency=currency,
        channel=message.channel,
        lines=_lines(message.lines, currency),
        store=message.store,
        store_attributes=_facts("store_attributes", message.store_attributes, ATTRIBUTES_MAX),
        delivery=message.delivery_service,
        delivery_attributes=_facts("delivery_attributes", message.delivery_attributes, ATTRIBUTES_MAX),
        payment=_payment(message.payments),
        basket_attributes=_facts("basket_attributes", message.basket_attributes, ATTRIBUTES_MAX),
        customer=_customer(message.customer) if message.HasField("customer") else Customer(),
        codes=_codes(message.codes),
        fees=_fees(message.fees),
        usage=_usage(message.usage),
        basket=message.basket_id,
        variants=_variants(message.variants),
        manual_discounts=_manual_discounts(message.manual_discounts),
        next_steps=_within("next_steps", message.next_steps, 0, basket.NEXT_STEPS_MAX),
    )


def ruleset_digest(message: pb.DecideRequest) -> str:
    """The digest of the ruleset that the request names; "" for the one in force. Raises Refused."""
    digest = message.ruleset_digest
    if not digest:
        return ""
    if not _DIGEST.fullmatch(digest):
        raise Refused("ruleset_digest", "64 lowercase hexadecimal characters", common.ERROR_REASON_WRONG_FORM)
    if message.as_of_us:
        text = "excludes as_of_us: a ruleset by name needs no instant"
        raise Refused("ruleset_digest", text, common.ERROR_REASON_CONTRADICTION)
    return digest


def as_of(message: pb.DecideRequest) -> int:
    """The instant whose ruleset the request asks for, microseconds since the epoch; 0: now. Raises Refused."""
    return _instant("as_of_us", message.as_of_us)


def contract_path(path: str, message: pb.DecideRequest) -> str:
    """Where the contract has what the engine calls so: "customer[tier]" is "customer.attributes[2].value"."""
    if path == "payment":
        return "payments[0].means"
    found = _NAMED_FACT.fullmatch(path)
    if found is None:
        return path
    holder, name = _HOLDERS.get(found[1], found[1]), found[2]
    part: Any = message
    for step in holder.split("."):
        field, _, place = step.rstrip("]").partition("[")
        if field not in part.DESCRIPTOR.fields_by_name:
            return path
        part = getattr(part, field)[int(place)] if place else getattr(part, field)
    number = next((i for i, attribute in enumerate(part) if attribute.name == name), None)
    if number is None and name == "total":
        return holder.replace("attributes", name)  # of an event, where it has a field of its own
    return holder if number is None else f"{holder}[{number}].value"


def _refuse_what_is_not_served(message: pb.DecideRequest) -> None:
    for name in _NOT_YET:
        if len(getattr(message, name)):
            raise Refused(name, "this server does not serve it yet; leave it out", common.ERROR_REASON_NOT_AVAILABLE)


def _lines(messages: Sequence[pb.Line], currency: str) -> tuple[BasketLine, ...]:
    _at_most("lines", len(messages), basket.LINES_MAX)
    minor_micros = micros_per_minor(currency)
    lines: list[BasketLine] = []
    seen: dict[str, int] = {}
    pieces = 0
    for place, message in enumerate(messages):
        try:
            line = _line(message, minor_micros)
        except Refused as refused:
            raise refused.inside(f"lines[{place}]") from None
        if (first := seen.setdefault(line.id, place)) != place:
            text = f"the id {line.id!r} is that of lines[{first}] too; every line needs its own"
            raise Refused(f"lines[{place}].id", text, common.ERROR_REASON_DUPLICATE)
        pieces += line.quantity
        lines.append(line)
    _at_most("lines", pieces, basket.PIECES_MAX, "pieces over all lines")
    return tuple(lines)


def _line(line: pb.Line, minor_micros: int) -> BasketLine:
    """Raises Refused with the path within the line."""
    id_, article, quantity = line.id, line.article, line.quantity
    _id("id", id_)
    _id("article", article)
    measure = line.measure_thousandths
    unit = _quantity(line, quantity, measure)
    rate = None
    if line.HasField("tax_rate_basis_points"):
        rate = _within("tax_rate_basis_points", line.tax_rate_basis_points, 0, RATE_MAX)
    attributes = line.attributes
    return BasketLine(
        id_,
        article,
        quantity,
        measure,
        unit,
        _price(line, minor_micros),
        _facts("attributes", attributes, ATTRIBUTES_MAX) if attributes else {},
        rate,
        _text("gift_of", line.gift_of),
    )


def _quantity(line: pb.Line | common.EventItem, quantity: int, measure: int) -> str:
    """The unit of measure, "" for pieces."""
    if quantity and measure:
        text = "quantity and measure_thousandths exclude each other; say one"
        raise Refused("quantity", text, common.ERROR_REASON_CONTRADICTION)
    if measure:
        _within("measure_thousandths", measure, 1, basket.MEASURE_MAX)
        return _unit("measure_unit", line.measure_unit)
    if not quantity:
        text = "needs a quantity of pieces, or measure_thousandths with its measure_unit"
        raise Refused("quantity", text, common.ERROR_REASON_MISSING)
    _within("quantity", quantity, 1, basket.PIECES_MAX)
    if line.measure_unit:
        text = "pieces have no unit; leave it out, or send measure_thousandths"
        raise Refused("measure_unit", text, common.ERROR_REASON_CONTRADICTION)
    return ""


def _unit(path: str, number: int) -> str:
    if number == common.MEASURE_UNIT_UNSPECIFIED:
        raise Refused(path, "needed with measure_thousandths", common.ERROR_REASON_MISSING)
    unit = UNITS.get(number)
    if unit is None:
        text = f"{number} is no MeasureUnit that this server knows"
        raise Refused(path, text, common.ERROR_REASON_UNKNOWN_VALUE)
    return unit


def _price(line: pb.Line, minor_micros: int) -> int | None:
    """The list price in micros; None: the ruleset's."""
    micros_max = basket.PRICE_MICROS_MAX if line.measure_thousandths else basket.PIECE_MICROS_MAX
    if line.HasField("unit_price_minor"):
        if line.HasField("unit_price_micros"):
            text = "unit_price_minor and unit_price_micros exclude each other; say one"
            raise Refused("unit_price_micros", text, common.ERROR_REASON_CONTRADICTION)
        most = min(PRICE_MAX, micros_max // minor_micros)
        return _within("unit_price_minor", line.unit_price_minor, 0, most) * minor_micros
    if line.HasField("unit_price_micros"):
        return _within("unit_price_micros", line.unit_price_micros, 0, min(PRICE_MAX, micros_max))
    return None


def _customer(message: pb.Customer) -> Customer:
    _text("customer.id", message.id, most=ID_BYTES_MAX)
    _text("customer.household", message.household, most=ID_BYTES_MAX)
    if message.facts_known and not message.id:
        text = "this server does not yet serve a look-up without an id: send it, or leave facts_known out"
        raise Refused("customer.id", text, common.ERROR_REASON_NOT_AVAILABLE)
    if not message.facts_known and (message.id or message.household):
        text = "this server does not yet serve customers whose look-up failed: set it, or leave id and household out"
        raise Refused("customer.facts_known", text, common.ERROR_REASON_NOT_AVAILABLE)
    return Customer(
        id=message.id,
        household=message.household,
        attributes=_facts("customer.attributes", message.attributes, CUSTOMER_ATTRIBUTES_MAX),
        consents=_consents(message),
        events=_history("customer.events", message.events) if message.HasField("events") else None,
        facts_as_of_us=_instant("customer.facts_as_of_us", message.facts_as_of_us),
    )


def _history(path: str, message: common.EventHistory) -> EventHistory:
    _at_most(f"{path}.events", len(message.events), basket.EVENTS_MAX)
    _at_most(
        f"{path}.events", sum(len(event.items) for event in message.events), basket.EVENT_ITEMS_MAX, "items in all"
    )
    return EventHistory(
        tuple(_event(f"{path}.events[{place}]", event) for place, event in enumerate(message.events)),
        _instant(f"{path}.complete_since_us", message.complete_since_us),
    )


def _event(path: str, event: common.Event) -> Event:
    """What it was worth is its attribute `total`."""
    _required(f"{path}.type", event.type)
    _text(f"{path}.type", event.type)
    _text(f"{path}.id", event.id, most=ID_BYTES_MAX)
    if not event.at_us:
        raise Refused(f"{path}.at_us", "needed: when it happened", common.ERROR_REASON_MISSING)
    attributes = _facts(f"{path}.attributes", event.attributes, ATTRIBUTES_MAX)
    currency = _currency(f"{path}.currency", event.currency) if event.currency else ""
    if event.HasField("total"):
        if "total" in attributes:
            text = "excludes an attribute of the same name; say it once"
            raise Refused(f"{path}.total", text, common.ERROR_REASON_CONTRADICTION)
        attributes["total"] = _money(f"{path}.total", event.total)
        if currency not in ("", event.total.currency):
            text = f"is {currency}, and the total is in {event.total.currency}; say one"
            raise Refused(f"{path}.currency", text, common.ERROR_REASON_CONTRADICTION)
        currency = event.total.currency
    _at_most(f"{path}.items", len(event.items), basket.LINES_MAX)
    items = []
    for place, item in enumerate(event.items):
        try:
            items.append(_event_item(item, currency))
        except Refused as refused:
            raise refused.inside(f"{path}.items[{place}]") from None
    return Event(event.type, _instant(f"{path}.at_us", event.at_us), attributes, tuple(items), currency, event.id)


def _event_item(item: common.EventItem, currency: str) -> EventItem:
    """Raises Refused with the path within the item. How much of the article it was bears on nothing yet."""
    _id("article", item.article)
    _quantity(item, item.quantity, item.measure_thousandths)
    amount = None
    if item.HasField("amount_minor"):
        if not currency:
            text = "needs the currency of the event or of its total; send one of them"
            raise Refused("amount_minor", text, common.ERROR_REASON_CONTRADICTION)
        amount = _within("amount_minor", item.amount_minor, -PRICE_MAX, PRICE_MAX)
    return EventItem(item.article, amount, _facts("attributes", item.attributes, ATTRIBUTES_MAX))


def _consents(message: pb.Customer) -> frozenset[str] | None:
    _at_most("customer.consents", len(message.consents), CONSENTS_MAX)
    names: set[str] = set()
    for place, consent in enumerate(message.consents):
        path = f"customer.consents[{place}].name"
        _required(path, consent.name)
        _text(path, consent.name)
        _unique(path, consent.name, names)
    if message.consents_known:
        return frozenset(consent.name for consent in message.consents if consent.granted)
    if names:
        text = "this server does not yet serve a part of the consents: send all of them and set it"
        raise Refused("customer.consents_known", text, common.ERROR_REASON_NOT_AVAILABLE)
    return None


def _codes(codes: Sequence[str]) -> tuple[str, ...]:
    _at_most("codes", len(codes), basket.CODES_MAX)
    for place, code in enumerate(codes):
        _id(f"codes[{place}]", code)
    return tuple(codes)


def _fees(messages: Sequence[pb.Fee]) -> tuple[Fee, ...]:
    _at_most("fees", len(messages), basket.FEES_MAX)
    seen: set[str] = set()
    fees: list[Fee] = []
    for place, fee in enumerate(messages):
        path = f"fees[{place}]"
        _required(f"{path}.service", fee.service)
        _text(f"{path}.service", fee.service)
        _unique(f"{path}.service", fee.service, seen)
        _within(f"{path}.amount_minor", fee.amount_minor, 0, basket.TOTAL_MINOR_MAX)
        rate = None
        if fee.HasField("tax_rate_basis_points"):
            rate = _within(f"{path}.tax_rate_basis_points", fee.tax_rate_basis_points, 0, RATE_MAX)
        fees.append(Fee(fee.service, fee.amount_minor, rate))
    return tuple(fees)


def _payment(messages: Sequence[pb.Payment]) -> str:
    for place, payment in enumerate(messages):
        path = f"payments[{place}]"
        _required(f"{path}.means", payment.means)
        _text(f"{path}.means", payment.means)
        if payment.HasField("amount_minor"):
            text = "no price and no points hang on how much is paid with which means; leave it out"
            raise Refused(f"{path}.amount_minor", text, common.ERROR_REASON_NOT_AVAILABLE)
    if len(messages) > 1:
        text = "this server serves one means of payment a basket: the one that conditions ask for; send that alone"
        raise Refused("payments[1]", text, common.ERROR_REASON_NOT_AVAILABLE)
    return messages[0].means if messages else ""


def _variants(messages: Sequence[pb.VariantChoice]) -> tuple[VariantChoice, ...]:
    _at_most("variants", len(messages), basket.VARIANTS_MAX)
    seen: set[str] = set()
    chosen: list[VariantChoice] = []
    for place, choice in enumerate(messages):
        path = f"variants[{place}]"
        _required(f"{path}.promotion", choice.promotion)
        _text(f"{path}.promotion", choice.promotion)
        _unique(f"{path}.promotion", choice.promotion, seen)
        _text(f"{path}.variant", choice.variant)
        if choice.variant and choice.control:
            text = "variant and control exclude each other; say one"
            raise Refused(f"{path}.control", text, common.ERROR_REASON_CONTRADICTION)
        if not choice.variant and not choice.control:
            raise Refused(f"{path}.variant", "needed: a variant's name, or control", common.ERROR_REASON_MISSING)
        chosen.append(VariantChoice(choice.promotion, choice.variant))
    return tuple(chosen)


_ENTERED: Mapping[int, tuple[Literal["percent", "amount", "price"], str]] = {
    pb.MANUAL_DISCOUNT_KIND_PERCENT: ("percent", "percent_basis_points"),
    pb.MANUAL_DISCOUNT_KIND_AMOUNT: ("amount", "amount_minor"),
    pb.MANUAL_DISCOUNT_KIND_PRICE: ("price", "amount_minor"),
}


def _manual_discounts(messages: Sequence[pb.ManualDiscount]) -> tuple[ManualDiscount, ...]:
    """What the basket has to do with it (lines, pieces, reasons) is left to the engine."""
    _at_most("manual_discounts", len(messages), basket.MANUAL_DISCOUNTS_MAX)
    entered: list[ManualDiscount] = []
    for place, entry in enumerate(messages):
        path = f"manual_discounts[{place}]"
        _text(f"{path}.line_id", entry.line_id, most=ID_BYTES_MAX)
        _required(f"{path}.reason", entry.reason)
        _text(f"{path}.reason", entry.reason)
        if entry.kind not in _ENTERED:
            text = "needed: which kind it is" if not entry.kind else f"{entry.kind} is no ManualDiscountKind known here"
            kind = common.ERROR_REASON_UNKNOWN_VALUE if entry.kind else common.ERROR_REASON_MISSING
            raise Refused(f"{path}.kind", text, kind)
        known, holder = _ENTERED[entry.kind]
        for field in {"percent_basis_points", "amount_minor"} - {holder}:
            if getattr(entry, field):
                text = f"what is entered of this kind stands in {holder} alone"
                raise Refused(f"{path}.{field}", text, common.ERROR_REASON_CONTRADICTION)
        most = RATE_MAX if known == "percent" else basket.TOTAL_MINOR_MAX
        value = _within(f"{path}.{holder}", getattr(entry, holder), int(known == "percent"), most)
        quantity = _within(f"{path}.quantity", entry.quantity, 0, basket.PIECES_MAX)
        entered.append(ManualDiscount(known, value, entry.reason, entry.line_id, quantity))
    return tuple(entered)


def _usage(messages: Sequence[pb.LimitUsage]) -> tuple[LimitUsage, ...]:
    _at_most("usage", len(messages), basket.USAGE_MAX)
    seen: set[tuple[str, str, str]] = set()
    usage: list[LimitUsage] = []
    for place, entry in enumerate(messages):
        path = f"usage[{place}]"
        _required(f"{path}.limit", entry.limit)
        if entry.limit != _CODE_SET_LIMIT:
            _required(f"{path}.promotion", entry.promotion)
        _text(f"{path}.promotion", entry.promotion)
        limit = _LIMIT.fullmatch(entry.limit)
        if limit is None:
            text = "scope:period:measure, such as customer:ever:uses"
            raise Refused(f"{path}.limit", text, common.ERROR_REASON_WRONG_FORM)
        if (limit[1] == "code") != bool(entry.code):
            missing = "needed with a limit of scope code" if limit[1] == "code" else "only with a limit of scope code"
            kind = common.ERROR_REASON_CONTRADICTION if entry.code else common.ERROR_REASON_MISSING
            raise Refused(f"{path}.code", missing, kind)
        _text(f"{path}.code", entry.code, most=ID_BYTES_MAX)
        key = (entry.promotion, entry.limit, entry.code)
        if key in seen:
            text = "the same counter stands twice; send each once"
            raise Refused(path, text, common.ERROR_REASON_DUPLICATE)
        seen.add(key)
        used = _within(f"{path}.used", entry.used, 0, USED_MAX)
        usage.append(LimitUsage(entry.promotion, entry.limit, used, entry.code))
    return tuple(usage)


# ---------------------------------------------------------------------------------------------------- values


def _facts(path: str, messages: Sequence[common.Attribute], most: int) -> dict[str, Fact]:
    _at_most(path, len(messages), most)
    facts: dict[str, Fact] = {}
    for place, attribute in enumerate(messages):
        here = f"{path}[{place}]"
        _required(f"{here}.name", attribute.name)
        _text(f"{here}.name", attribute.name)
        if attribute.name in facts:
            text = f"{attribute.name!r} stands twice; send each once"
            raise Refused(f"{here}.name", text, common.ERROR_REASON_DUPLICATE)
        facts[attribute.name] = _fact(f"{here}.value", attribute.value)
    return facts


def _fact(path: str, value: common.Value) -> Fact:
    known = _KINDS.get(value.kind)
    if known is None:
        text = "needed: which kind of value it is" if not value.kind else f"{value.kind} is no ValueKind known here"
        kind = common.ERROR_REASON_UNKNOWN_VALUE if value.kind else common.ERROR_REASON_MISSING
        raise Refused(f"{path}.kind", text, kind)
    type_, holder = known
    for field, _ in value.ListFields():
        if field.name not in ("kind", holder):
            text = f"a value of kind {type_} stands in {holder} alone"
            raise Refused(f"{path}.{field.name}", text, common.ERROR_REASON_CONTRADICTION)
    here = f"{path}.{holder}"
    match type_:
        case Type.TEXT:
            return Fact(type_, _text(here, value.text))
        case Type.NUMBER:
            return Fact(type_, _within(here, value.number_millionths, -NUMBER_MAX, NUMBER_MAX))
        case Type.PERCENT:
            return Fact(type_, _within(here, value.percent_basis_points, -PERCENT_MAX, PERCENT_MAX))
        case Type.YES_NO:
            return Fact(type_, int(value.yes_no))
        case Type.DATE:
            return Fact(type_, _days(here, value.date))
        case Type.MONEY:
            return _money(here, value.money)
        case Type.TEXTS:
            _at_most(here, len(value.texts), TEXTS_MAX)
            for place, text in enumerate(value.texts):
                _text(f"{here}[{place}]", text)
            return Fact(type_, tuple(sorted(set(value.texts))))


def _money(path: str, money: common.Money) -> Fact:
    currency = _currency(f"{path}.currency", money.currency)
    minor = _within(f"{path}.amount_minor", money.amount_minor, -PRICE_MAX, PRICE_MAX)
    return Fact(Type.MONEY, minor * micros_per_minor(currency), currency)


def _days(path: str, text: str) -> int:
    try:
        day = date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None:
        raise Refused(path, "a day as yyyy-mm-dd, such as 2026-09-07", common.ERROR_REASON_WRONG_FORM)
    _within(path, day.year, 1900, 2199, "a year ")
    return day.toordinal() - _EPOCH


def _currency(path: str, text: str) -> str:
    _required(path, text)
    if not _CURRENCY.fullmatch(text):
        raise Refused(path, "three uppercase letters of ISO 4217, such as EUR", common.ERROR_REASON_WRONG_FORM)
    if text not in EXPONENTS:
        raise Refused(path, f"{text} is no currency of ISO 4217", common.ERROR_REASON_UNKNOWN_NAME)
    return text


def _instant(path: str, value: int) -> int:
    return _within(path, value, basket.AT_MIN_US, basket.AT_MAX_US, "microseconds since 1970-01-01T00:00:00Z ")


def _id(path: str, text: str) -> None:
    _required(path, text)
    _text(path, text, most=ID_BYTES_MAX)


def _required(path: str, text: str) -> None:
    if not text:
        raise Refused(path, "needed", common.ERROR_REASON_MISSING)


def _text(path: str, text: str, most: int = TEXT_BYTES_MAX) -> str:
    if len(text) * 4 > most and len(text.encode()) > most:
        raise Refused(path, f"at most {most} bytes; this has {len(text.encode()):,}")
    return text


def _within(path: str, value: int, low: int, high: int, what: str = "") -> int:
    if not low <= value <= high:
        raise Refused(path, f"{what}from {low:,} to {high:,}; this is {value:,}")
    return value


def _at_most(path: str, count: int, most: int, what: str = "") -> None:
    if count > most:
        raise Refused(path, f"at most {most:,}{f' {what}' if what else ''}; these are {count:,}")


def _unique(path: str, name: str, seen: set[str]) -> None:
    if name in seen:
        raise Refused(path, f"{name!r} stands twice; send each once", common.ERROR_REASON_DUPLICATE)
    seen.add(name)
