"""The ordinary request is resolved quickly to the buffer that resolving it at length gives; others are not judged."""

from __future__ import annotations

import pytest

from einklang.v1 import common_pb2 as common
from einklang.v1 import decision_pb2 as pb
from engine import quick
from engine.image import Ruleset, load
from engine.known import Known, known
from engine.link import link
from engine.program import (
    Age,
    Attribute,
    Catalogue,
    Channels,
    Choice,
    Column,
    Compare,
    Consent,
    Group,
    Line,
    OneOf,
    PercentOff,
    ProductSet,
    Program,
    Promotion,
    Runs,
    Schema,
    Segment,
    Settings,
    Stores,
    Target,
    Type,
    Zone,
)
from tests.quick import block, difference, resolved


def said(*conditions: object) -> tuple[Line, ...]:
    return tuple(Line(condition=condition, text="") for condition in conditions)  # type: ignore[arg-type]


def promotion(name: str, audience: str = "") -> Promotion:
    any_of = ((audience,),) if audience else ()
    return Promotion(
        name=name,
        title="",
        runs=Runs(start=None, until=None, zone="UTC", text=""),
        channels=Channels(names=("pos",), text=""),
        audience=Choice(any_of=tuple(names[0] for names in any_of), but_not=(), text=""),
        reward=PercentOff(percent=1_000, target=Target(kind="set", name="drinks")),
        group="g",
    )


def programs() -> tuple[Program, ...]:
    """A shop with a store, a customer's facts, weighed goods, fees, two currencies and taxes."""
    prices = Column(name="price", type=Type.MONEY, currency="EUR", values=(1_000_000, 2_500_000, 19_900_000, None))
    francs = Column(name="price", type=Type.MONEY, currency="CHF", values=(1_100_000, None, None, None))
    rates = Column(name="tax-rate", type=Type.NUMBER, values=(700, 1_900, None, 700))
    return (
        Settings(currencies=("EUR", "CHF"), timezone="UTC"),
        Schema(
            attributes=(
                Attribute(entity="customer", name="tier", type=Type.TEXT),
                Attribute(entity="customer", name="age", type=Type.NUMBER, default=30_000_000),
                Attribute(entity="customer", name="staff", type=Type.YES_NO),
                Attribute(entity="customer", name="since", type=Type.DATE),
                Attribute(entity="customer", name="share", type=Type.PERCENT),
                Attribute(entity="store", name="size", type=Type.NUMBER),
            ),
            consents=("mail",),
            channels=("pos", "web"),
            services=("shipping", "pick-up"),
            payments=("card",),
        ),
        Catalogue(articles=("apple", "beer", "cheese", "dust"), columns=(prices, francs, rates)),
        Stores(ids=("north",), zones=("UTC",), columns=(Column(name="size", type=Type.NUMBER, values=(9_000_000,)),)),
        Zone(name="UTC", instants=(-86_400,), offsets=(0,), until=4_102_617_600),
        ProductSet(
            name="drinks", title="", lines=said(OneOf(attribute="item.sku", values=("beer", "cheese"), negated=False))
        ),
        Segment(name="gold", title="", lines=said(OneOf(attribute="customer.tier", values=("gold",), negated=False))),
        Segment(name="old", title="", lines=said(Compare(attribute="customer.age", op="ge", value=60_000_000))),
        Segment(name="reached", title="", lines=said(Consent(name="mail"))),
        Segment(name="loyal", title="", lines=said(Age(attribute="customer.since", op="more", count=13, unit="month"))),
        Segment(name="new", title="", lines=said(Age(attribute="customer.since", op="less", count=2, unit="week"))),
        Segment(name="half", title="", lines=said(Compare(attribute="customer.share", op="ge", value=5_000))),
        Segment(name="big", title="", lines=said(Compare(attribute="store.size", op="ge", value=5_000_000))),
        Group(name="g", title="", gives="discounts", apply="best-per-item", prices="original", order=(), position=0),
        *(promotion(f"p-{name}", name) for name in ("gold", "old", "reached", "big", "loyal", "new", "half")),
        promotion("p"),
    )


@pytest.fixture(scope="module")
def shop() -> tuple[Ruleset, Known]:
    image = link(programs())
    rules = load(image.manifest, image.parts)
    return rules, known(rules)


def asked(**fields: object) -> pb.DecideRequest:
    """Two apples and a beer at the till."""
    lines = [pb.Line(id="2", article="beer", quantity=1), pb.Line(id="1", article="apple", quantity=2)]
    return pb.DecideRequest(**({"lines": lines, "channel": "pos", "currency": "EUR"} | fields))  # type: ignore[arg-type]


def attribute(name: str, **value: object) -> common.Attribute:
    kind = {"text": 1, "number_millionths": 2, "yes_no": 3, "date": 4, "percent_basis_points": 6}[next(iter(value))]
    return common.Attribute(name=name, value=common.Value(kind=kind, **value))  # type: ignore[arg-type]


def customer(*attributes: common.Attribute, **fields: object) -> pb.DecideRequest:
    known_as = {"id": "c1", "facts_known": True} | fields
    return asked(customer=pb.Customer(attributes=attributes, **known_as))  # type: ignore[arg-type]


WEIGHED = pb.Line(id="w", article="cheese", measure_thousandths=240, measure_unit=common.MEASURE_UNIT_KG)
MAIL = common.Consent(name="mail", granted=True)

ORDINARY = {
    "a till": asked(),
    "an instant": asked(at_us=1_700_000_000_000_000, request_id="r", basket_id="b"),
    "nothing": pb.DecideRequest(channel="web", currency="CHF"),
    "a store": asked(store="north"),
    "weighed goods": asked(lines=[WEIGHED, pb.Line(id="0", article="apple", quantity=3)]),
    "one article on two lines": asked(lines=[pb.Line(id=n, article="apple", quantity=2) for n in "ba"]),
    "prices of its own": asked(
        lines=[
            pb.Line(id="1", article="dust", quantity=2, unit_price_minor=5, tax_rate_basis_points=0),
            pb.Line(id="2", article="apple", quantity=1, unit_price_micros=1_230_000),
        ]
    ),
    "another currency": asked(currency="CHF", lines=[pb.Line(id="1", article="apple", quantity=1)]),
    "fees": asked(
        fees=[
            pb.Fee(service="pick-up", amount_minor=100),
            pb.Fee(service="shipping", amount_minor=499, tax_rate_basis_points=1_900),
        ],
        delivery_service="shipping",
        payments=[pb.Payment(means="card")],
    ),
    "a customer": customer(),
    "a customer's facts": customer(
        attribute("tier", text="gold"), attribute("age", number_millionths=61_000_000), attribute("staff", yes_no=True)
    ),
    "dates": customer(attribute("since", date="2022-10-15"), attribute("share", percent_basis_points=5_000)),
    "a young date": customer(attribute("since", date="2026-09-20")),
    "a day at the edge": customer(attribute("since", date="2026-09-07"), attribute("share", percent_basis_points=-1)),
    "a text that no rule asks for": customer(attribute("tier", text="lead")),
    "consents": customer(consents=[MAIL], consents_known=True),
    "a consent refused": customer(consents=[common.Consent(name="mail")], consents_known=True, household="h"),
}


@pytest.mark.parametrize("name", ORDINARY)
def test_what_is_ordinary_is_resolved_to_the_same_buffer(shop: tuple[Ruleset, Known], name: str) -> None:
    kind, apart = difference(*shop, ORDINARY[name].SerializeToString())
    assert (kind, apart) == ("resolved", "")


TWICE = [attribute("tier", text="gold"), attribute("tier", text="lead")]
SHY = {
    "bounds": (
        asked(lines=[pb.Line(id="1", article="apple", quantity=1)] * 2),
        asked(lines=[pb.Line(id="1" * 65, article="apple", quantity=1)]),
        asked(lines=[pb.Line(id="", article="apple", quantity=1)]),
        asked(lines=[pb.Line(id="1", article="apple")]),
        asked(lines=[pb.Line(id="1", article="apple", quantity=1, tax_rate_basis_points=10_001)]),
        asked(lines=[pb.Line(id="1", article="cheese", quantity=1, measure_thousandths=5)]),
        asked(
            lines=[
                pb.Line(id="1", article="cheese", measure_thousandths=90_000_001, measure_unit=common.MEASURE_UNIT_KG)
            ]
        ),
        asked(fees=[pb.Fee(service="shipping", amount_minor=1)] * 2),
        asked(fees=[pb.Fee(service="shipping", amount_minor=10**12)]),
        asked(at_us=4_102_444_800_000_001),
        asked(request_id="r" * 65),
    ),
    "name": (
        asked(channel="fax"),
        asked(channel=""),
        asked(currency="USD"),
        asked(store="south"),
        asked(delivery_service="drone"),
        asked(payments=[pb.Payment(means="shells")]),
        asked(fees=[pb.Fee(service="drone", amount_minor=1)]),
    ),
    "article": (asked(lines=[pb.Line(id="1", article="zebra", quantity=1)]),),
    "price": (
        asked(lines=[pb.Line(id="1", article="dust", quantity=1)]),
        asked(currency="CHF"),
        asked(lines=[pb.Line(id="1", article="apple", quantity=1, unit_price_micros=1)]),
        asked(lines=[pb.Line(id="1", article="apple", quantity=1, unit_price_minor=10**12 + 1)]),
    ),
    "room": (asked(lines=[pb.Line(id="1", article="apple", quantity=quick.UNITS_MAX + 1)]),),
    "fact": (
        customer(*TWICE),
        customer(attribute("shoe", text="43")),
        customer(attribute("tier", yes_no=True)),
        customer(attribute("age", number_millionths=10**15 + 1)),
        customer(attribute("tier", text="x" * 257)),
        customer(attribute("since", date="2026-02-30")),
        customer(attribute("since", text="2026-02-03")),
        customer(attribute("share", percent_basis_points=1_000_001)),
        customer(consents=[MAIL, MAIL], consents_known=True),
        customer(consents=[common.Consent(name="phone")], consents_known=True),
    ),
    "out of scope": (
        asked(codes=["SAVE"]),
        asked(next_steps=1),
        asked(lines=[pb.Line(id="1", article="apple", quantity=1, gift_of="p")]),
        asked(lines=[pb.Line(id="1", article="apple", quantity=1, attributes=[attribute("kind", text="x")])]),
        asked(store_attributes=[attribute("size", number_millionths=1)]),
        asked(variants=[pb.VariantChoice(promotion="p", control=True)]),
        asked(customer=pb.Customer(attributes=[attribute("tier", text="gold")])),
        customer(consents=[MAIL]),
        customer(facts_as_of_us=1),
    ),
}


@pytest.mark.parametrize("reason", SHY)
def test_what_is_not_is_not_judged(shop: tuple[Ruleset, Known], reason: str) -> None:
    for message in SHY[reason]:
        assert resolved(shop[1], message.SerializeToString()) == (f"shy: {reason}", None)


def test_all_room_may_be_used(shop: tuple[Ruleset, Known]) -> None:
    lines = [pb.Line(id=f"{n}", article="apple", quantity=4) for n in range(1_000)]
    message = asked(lines=lines)
    assert difference(*shop, message.SerializeToString()) == ("resolved", "")


def test_generated_requests_are_resolved_alike() -> None:
    counts, wrong = block(0, 800)
    assert not wrong
    assert counts["resolved"] >= 40, counts
    assert {f"shy: {reason}" for reason in ("out of scope", "name", "price", "fact")} <= set(counts)


@pytest.mark.long
def test_generated_requests_are_resolved_alike_at_length() -> None:
    counts, wrong = block(0, 20_000)
    assert not wrong
    assert counts["resolved"] >= 1_000, counts
