"""Engine → contract: a Request as the DecideRequest that a client sends. (Contract → engine: server/convert.py.)"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from einklang.v1 import common_pb2 as common
from einklang.v1 import decision_pb2 as pb
from engine.basket import BasketLine, Customer, Event, Fact, ManualDiscount, Request
from engine.money import micros_per_minor
from engine.program import Type

_EPOCH = date(1970, 1, 1)


def message_of(asked: Request, digest: str = "") -> pb.DecideRequest:
    """The request as a client sends it; `digest` names a ruleset, else the one in force decides."""
    message = pb.DecideRequest(
        ruleset_digest=digest,
        at_us=asked.at_us,
        currency=asked.currency,
        channel=asked.channel,
        store=asked.store,
        store_attributes=_attributes(asked.store_attributes),
        delivery_service=asked.delivery,
        delivery_attributes=_attributes(asked.delivery_attributes),
        basket_attributes=_attributes(asked.basket_attributes),
        lines=[_line(line, micros_per_minor(asked.currency)) for line in asked.lines],
        codes=asked.codes,
        fees=[
            pb.Fee(service=fee.service, amount_minor=fee.amount, tax_rate_basis_points=fee.tax_rate)
            for fee in asked.fees
        ],
        payments=[pb.Payment(means=asked.payment)] if asked.payment else [],
        usage=[pb.LimitUsage(promotion=u.promotion, limit=u.limit, used=u.used, code=u.code) for u in asked.usage],
        basket_id=asked.basket,
        variants=[
            pb.VariantChoice(promotion=choice.promotion, variant=choice.variant, control=not choice.variant)
            for choice in asked.variants
        ],
        next_steps=asked.next_steps,
        manual_discounts=[_entry(entry) for entry in asked.manual_discounts],
    )
    customer = asked.customer
    if customer != Customer():
        message.customer.CopyFrom(_customer(customer))
    return message


def _entry(entry: ManualDiscount) -> pb.ManualDiscount:
    kind = pb.ManualDiscountKind.Value(f"MANUAL_DISCOUNT_KIND_{entry.kind.upper()}")
    message = pb.ManualDiscount(line_id=entry.line, quantity=entry.quantity, kind=kind, reason=entry.reason)
    if entry.kind == "percent":
        message.percent_basis_points = entry.value
    else:
        message.amount_minor = entry.value
    return message


def _customer(customer: Customer) -> pb.Customer:
    message = pb.Customer(
        id=customer.id,
        household=customer.household,
        facts_known=bool(customer.id),
        attributes=_attributes(customer.attributes),
        consents_known=customer.consents is not None,
        consents=[common.Consent(name=name, granted=True) for name in sorted(customer.consents or ())],
        facts_as_of_us=customer.facts_as_of_us,
    )
    if customer.events is not None:
        message.events.complete_since_us = customer.events.complete_since_us
        message.events.events.extend(_event(event) for event in customer.events.events)
        message.events.SetInParent()
    return message


def _event(event: Event) -> common.Event:
    """What it was worth is a field of its own where items have amounts: they are in its currency."""
    attributes = dict(event.attributes)
    message = common.Event(type=event.type, at_us=event.at_us, id=event.id)
    total = attributes.get("total")
    if total is not None and total.type is Type.MONEY and total.currency == event.currency:
        message.total.CopyFrom(_value(attributes.pop("total")).money)
    else:
        message.currency = event.currency
    message.attributes.extend(_attributes(attributes))
    for item in event.items:
        said = common.EventItem(article=item.article, quantity=1, attributes=_attributes(item.attributes))
        if item.amount is not None:
            said.amount_minor = item.amount
        message.items.append(said)
    return message


def _line(line: BasketLine, minor_micros: int) -> pb.Line:
    message = pb.Line(id=line.id, article=line.article, attributes=_attributes(line.attributes), gift_of=line.gift_of)
    if line.unit:
        message.measure_thousandths = line.measure
        message.measure_unit = common.MeasureUnit.Value(f"MEASURE_UNIT_{line.unit.upper()}")
    else:
        message.quantity = line.quantity
    if line.price_micros is not None:
        minor, rest = divmod(line.price_micros, minor_micros)
        if rest:
            message.unit_price_micros = line.price_micros
        else:
            message.unit_price_minor = minor
    if line.tax_rate is not None:
        message.tax_rate_basis_points = line.tax_rate
    return message


def _attributes(facts: Mapping[str, Fact]) -> list[common.Attribute]:
    return [common.Attribute(name=name, value=_value(fact)) for name, fact in facts.items()]


def _value(fact: Fact) -> common.Value:
    match fact.type, fact.value:
        case Type.TEXT, str(text):
            return common.Value(kind=common.VALUE_KIND_TEXT, text=text)
        case Type.NUMBER, int(number):
            return common.Value(kind=common.VALUE_KIND_NUMBER, number_millionths=number)
        case Type.PERCENT, int(number):
            return common.Value(kind=common.VALUE_KIND_PERCENT, percent_basis_points=number)
        case Type.YES_NO, int(number):
            return common.Value(kind=common.VALUE_KIND_YES_NO, yes_no=bool(number))
        case Type.DATE, int(number):
            day = _EPOCH + timedelta(days=number)
            return common.Value(kind=common.VALUE_KIND_DATE, date=day.isoformat())
        case Type.MONEY, int(number):
            amount = common.Money(currency=fact.currency, amount_minor=number // micros_per_minor(fact.currency))
            return common.Value(kind=common.VALUE_KIND_MONEY, money=amount)
        case Type.TEXTS, tuple(texts):
            return common.Value(kind=common.VALUE_KIND_TEXTS, texts=texts)
    raise AssertionError(f"no {fact.type} is {fact.value!r}")
