"""What the contract refuses is refused by the name of its field; what it takes arrives in the engine's scales."""

import random

import pytest

from einklang.v1 import common_pb2 as common
from einklang.v1 import decision_pb2 as pb
from engine import basket
from engine.basket import BadRequest, BasketLine, Customer, Event, EventHistory, EventItem, Fact, Fee, LimitUsage
from engine.program import Type
from server import contract, convert
from server.contract import Refused

AT = 1_789_000_000_000_000


def line(**fields) -> pb.Line:
    return pb.Line(**{"id": "1", "article": "A", "quantity": 1, **fields})


def request(**fields) -> pb.DecideRequest:
    return pb.DecideRequest(**{"channel": "pos", "currency": "EUR", "lines": [line()], **fields})


def text(value: str) -> common.Value:
    return common.Value(kind=common.VALUE_KIND_TEXT, text=value)


def attribute(name: str, value: common.Value | None) -> common.Attribute:
    return common.Attribute(name=name, value=value)


def by_hand(**fields) -> pb.ManualDiscount:
    usual = {"kind": pb.MANUAL_DISCOUNT_KIND_PERCENT, "percent_basis_points": 1_000, "reason": "damaged"}
    return pb.ManualDiscount(**{**usual, **fields})


def customer(**fields) -> pb.Customer:
    return pb.Customer(**{"facts_known": True, "id": "c1", **fields})


def convert_it(message: pb.DecideRequest) -> basket.Request:
    return convert.to_request(contract.parse(pb.DecideRequest, message.SerializeToString()), at_us=AT)


def test_everything_arrives_in_the_scales_of_the_engine():
    got = convert_it(
        request(
            store="4711",
            at_us=AT + 1,
            lines=[
                line(id="1", article="A", quantity=3, unit_price_minor=129, tax_rate_basis_points=700),
                line(
                    id="2",
                    article="B",
                    quantity=0,
                    measure_thousandths=1_240,
                    measure_unit=common.MEASURE_UNIT_KG,
                    unit_price_micros=1_759_000,
                    attributes=[attribute("kind", text("goods"))],
                ),
                line(id="3", article="C", unit_price_minor=0, tax_rate_basis_points=0),
            ],
            customer=customer(
                id="c1",
                household="h1",
                attributes=[attribute("tier", text("gold"))],
                consents=[common.Consent(name="email", granted=True), common.Consent(name="sms")],
                consents_known=True,
            ),
            codes=[" save10 "],
            usage=[
                pb.LimitUsage(promotion="p", limit="customer:ever:uses", used=2),
                pb.LimitUsage(promotion="p", limit="code:any-90-days:uses", used=1, code="X"),
                pb.LimitUsage(limit="code:ever:uses", used=1, code="X"),
            ],
            fees=[pb.Fee(service="home", amount_minor=495, tax_rate_basis_points=0)],
            delivery_service="home",
            payments=[pb.Payment(means="card")],
            manual_discounts=[
                by_hand(line_id="1", quantity=2),
                pb.ManualDiscount(kind=pb.MANUAL_DISCOUNT_KIND_PRICE, amount_minor=99, reason="goodwill"),
            ],
            store_attributes=[attribute("region", text("Nord"))],
            delivery_attributes=[attribute("country", text("DE"))],
            basket_attributes=[attribute("gift-wrap", common.Value(kind=common.VALUE_KIND_YES_NO, yes_no=True))],
            tenant="default",
            request_id="abc",
        )
    )
    assert got == basket.Request(
        at_us=AT + 1,
        currency="EUR",
        channel="pos",
        store="4711",
        lines=(
            BasketLine("1", "A", quantity=3, price_micros=1_290_000, tax_rate=700),
            BasketLine(
                "2",
                "B",
                measure=1_240,
                unit="kg",
                price_micros=1_759_000,
                attributes={"kind": Fact(Type.TEXT, "goods")},
            ),
            BasketLine("3", "C", quantity=1, price_micros=0, tax_rate=0),
        ),
        store_attributes={"region": Fact(Type.TEXT, "Nord")},
        delivery="home",
        delivery_attributes={"country": Fact(Type.TEXT, "DE")},
        payment="card",
        basket_attributes={"gift-wrap": Fact(Type.YES_NO, 1)},
        customer=Customer("c1", "h1", {"tier": Fact(Type.TEXT, "gold")}, frozenset({"email"})),
        codes=(" save10 ",),
        fees=(Fee("home", 495, 0),),
        usage=(
            LimitUsage("p", "customer:ever:uses", 2),
            LimitUsage("p", "code:any-90-days:uses", 1, "X"),
            LimitUsage("", "code:ever:uses", 1, "X"),
        ),
        manual_discounts=(
            basket.ManualDiscount("percent", 1_000, "damaged", "1", 2),
            basket.ManualDiscount("price", 99, "goodwill"),
        ),
    )


def test_what_is_not_said_is_not_known():
    got = convert_it(pb.DecideRequest(channel="pos", currency="EUR"))
    assert got == basket.Request(at_us=AT, currency="EUR", channel="pos", lines=())
    assert got.customer.consents is None


@pytest.mark.parametrize(
    ("currency", "minor", "micros"), [("EUR", 129, 1_290_000), ("JPY", 129, 129_000_000), ("KWD", 129, 129_000)]
)
def test_minor_units_follow_the_currency(currency, minor, micros):
    assert convert_it(request(currency=currency, lines=[line(unit_price_minor=minor)])).lines[0].price_micros == micros


@pytest.mark.parametrize(
    ("value", "fact"),
    [
        (text(""), Fact(Type.TEXT, "")),
        (common.Value(kind=common.VALUE_KIND_NUMBER, number_millionths=-2_500_000), Fact(Type.NUMBER, -2_500_000)),
        (common.Value(kind=common.VALUE_KIND_NUMBER), Fact(Type.NUMBER, 0)),
        (common.Value(kind=common.VALUE_KIND_YES_NO, yes_no=True), Fact(Type.YES_NO, 1)),
        (common.Value(kind=common.VALUE_KIND_YES_NO), Fact(Type.YES_NO, 0)),
        (common.Value(kind=common.VALUE_KIND_DATE, date="1970-01-02"), Fact(Type.DATE, 1)),
        (common.Value(kind=common.VALUE_KIND_DATE, date="1969-12-31"), Fact(Type.DATE, -1)),
        (
            common.Value(kind=common.VALUE_KIND_MONEY, money=common.Money(currency="CHF", amount_minor=150)),
            Fact(Type.MONEY, 1_500_000, "CHF"),
        ),
        (common.Value(kind=common.VALUE_KIND_PERCENT, percent_basis_points=1_900), Fact(Type.PERCENT, 1_900)),
        (common.Value(kind=common.VALUE_KIND_TEXTS, texts=["b", "a", "b"]), Fact(Type.TEXTS, ("a", "b"))),
        (common.Value(kind=common.VALUE_KIND_TEXTS), Fact(Type.TEXTS, ())),
    ],
)
def test_a_value_of_each_kind(value, fact):
    got = convert_it(request(customer=customer(attributes=[attribute("x", value)])))
    assert got.customer.attributes == {"x": fact}


def value(**fields) -> pb.DecideRequest:
    return request(customer=customer(attributes=[attribute("x", common.Value(**fields))]))


def priced(**fields) -> pb.DecideRequest:
    return request(lines=[line(**fields)])


def past(*events: common.Event, **fields) -> pb.DecideRequest:
    return request(customer=customer(events=common.EventHistory(events=events, **fields)))


def order(**fields) -> common.Event:
    return common.Event(**{"type": "order", "at_us": 1, **fields})


def item(**fields) -> common.EventItem:
    return common.EventItem(**{"article": "A", "quantity": 1, **fields})


E = "customer.events"
EURO = common.Money(currency="EUR", amount_minor=100)
LITRES = {"quantity": 0, "measure_thousandths": 750}
MISSING, FORM, TWICE = common.ERROR_REASON_MISSING, common.ERROR_REASON_WRONG_FORM, common.ERROR_REASON_DUPLICATE
BOUNDS, BOTH, LATER = (
    common.ERROR_REASON_OUT_OF_BOUNDS,
    common.ERROR_REASON_CONTRADICTION,
    common.ERROR_REASON_NOT_AVAILABLE,
)
UNKNOWN = common.ERROR_REASON_UNKNOWN_VALUE
V = "customer.attributes[0].value"
TEXT, MONEY, DATE = common.VALUE_KIND_TEXT, common.VALUE_KIND_MONEY, common.VALUE_KIND_DATE

BAD = [
    ("currency", MISSING, request(currency="")),
    ("currency", FORM, request(currency="eur")),
    ("currency", FORM, request(currency="EURO")),
    ("currency", common.ERROR_REASON_UNKNOWN_NAME, request(currency="XYZ")),
    ("channel", MISSING, request(channel="")),
    ("channel", BOUNDS, request(channel="x" * 257)),
    ("store", BOUNDS, request(store="ä" * 129)),
    ("next_steps", BOUNDS, request(next_steps=-1)),
    ("next_steps", BOUNDS, request(next_steps=basket.NEXT_STEPS_MAX + 1)),
    ("request_id", BOUNDS, request(request_id="x" * 65)),
    ("at_us", BOUNDS, request(at_us=-1)),
    ("at_us", BOUNDS, request(at_us=basket.AT_MAX_US + 1)),
    ("lines", BOUNDS, request(lines=[line(id=str(i)) for i in range(1_001)])),
    ("lines", BOUNDS, request(lines=[line(id=str(i), quantity=50_001) for i in range(2)])),
    ("lines[0].id", MISSING, priced(id="")),
    ("lines[0].id", BOUNDS, priced(id="x" * 65)),
    ("lines[1].id", TWICE, request(lines=[line(), line()])),
    ("lines[0].article", MISSING, priced(article="")),
    ("lines[0].article", BOUNDS, priced(article="x" * 65)),
    ("lines[0].quantity", MISSING, priced(quantity=0)),
    ("lines[0].quantity", BOUNDS, priced(quantity=-1)),
    ("lines[0].quantity", BOUNDS, priced(quantity=basket.PIECES_MAX + 1)),
    ("lines[0].quantity", BOTH, priced(measure_thousandths=1, measure_unit=common.MEASURE_UNIT_KG)),
    ("lines[0].measure_unit", BOTH, priced(measure_unit=common.MEASURE_UNIT_KG)),
    ("lines[0].measure_unit", MISSING, priced(quantity=0, measure_thousandths=1)),
    ("lines[0].measure_unit", UNKNOWN, priced(quantity=0, measure_thousandths=1, measure_unit=99)),
    (
        "lines[0].measure_thousandths",
        BOUNDS,
        priced(quantity=0, measure_thousandths=-1, measure_unit=common.MEASURE_UNIT_KG),
    ),
    ("lines[0].unit_price_minor", BOUNDS, priced(unit_price_minor=-1)),
    ("lines[0].unit_price_minor", BOUNDS, priced(unit_price_minor=2**62)),
    ("lines[0].unit_price_micros", BOUNDS, priced(unit_price_micros=-1)),
    ("lines[0].unit_price_micros", BOUNDS, priced(unit_price_micros=10**12 + 1)),
    (
        "lines[0].unit_price_micros",
        BOUNDS,
        priced(
            quantity=0,
            measure_thousandths=1,
            measure_unit=common.MEASURE_UNIT_KG,
            unit_price_micros=basket.PRICE_MICROS_MAX + 1,
        ),
    ),
    ("lines[0].unit_price_micros", BOTH, priced(unit_price_minor=1, unit_price_micros=1)),
    ("lines[0].tax_rate_basis_points", BOUNDS, priced(tax_rate_basis_points=-1)),
    ("lines[0].tax_rate_basis_points", BOUNDS, priced(tax_rate_basis_points=10_001)),
    ("lines[0].gift_of", BOUNDS, priced(gift_of="p" * 257)),
    ("lines[0].attributes", BOUNDS, priced(attributes=[attribute(str(i), text("x")) for i in range(51)])),
    ("lines[0].attributes[1].name", TWICE, priced(attributes=[attribute("a", text("x"))] * 2)),
    ("lines[0].attributes[0].name", MISSING, priced(attributes=[attribute("", text("x"))])),
    ("lines[0].attributes[0].value.kind", MISSING, priced(attributes=[attribute("a", None)])),
    (f"{V}.kind", MISSING, value(text="x")),
    (f"{V}.kind", UNKNOWN, value(kind=99, text="x")),
    (f"{V}.yes_no", BOTH, value(kind=TEXT, text="x", yes_no=True)),
    (f"{V}.text", BOUNDS, value(kind=TEXT, text="x" * 257)),
    (f"{V}.number_millionths", BOUNDS, value(kind=common.VALUE_KIND_NUMBER, number_millionths=10**15 + 1)),
    (f"{V}.percent_basis_points", BOUNDS, value(kind=common.VALUE_KIND_PERCENT, percent_basis_points=1_000_001)),
    (f"{V}.date", FORM, value(kind=DATE)),
    (f"{V}.date", FORM, value(kind=DATE, date="17.09.2026")),
    (f"{V}.date", FORM, value(kind=DATE, date="2026-02-30")),
    (f"{V}.date", FORM, value(kind=DATE, date="20260217")),
    (f"{V}.date", BOUNDS, value(kind=DATE, date="1899-12-31")),
    (f"{V}.money.currency", MISSING, value(kind=MONEY)),
    (f"{V}.money.currency", FORM, value(kind=MONEY, money=common.Money(currency="€"))),
    (f"{V}.money.amount_minor", BOUNDS, value(kind=MONEY, money=common.Money(currency="EUR", amount_minor=2**60))),
    (f"{V}.texts", BOUNDS, value(kind=common.VALUE_KIND_TEXTS, texts=["x"] * 101)),
    (f"{V}.texts[0]", BOUNDS, value(kind=common.VALUE_KIND_TEXTS, texts=["x" * 257])),
    ("customer.id", BOUNDS, request(customer=customer(id="x" * 65))),
    ("customer.facts_known", LATER, request(customer=pb.Customer(id="x"))),
    ("customer.facts_known", LATER, request(customer=pb.Customer(household="x"))),
    ("customer.id", LATER, request(customer=pb.Customer(facts_known=True))),
    (f"{E}.events", BOUNDS, past(*[order()] * 1_001)),
    (f"{E}.events", BOUNDS, past(*[order(items=[item()] * 1_000)] * 11)),
    (f"{E}.complete_since_us", BOUNDS, past(complete_since_us=-1)),
    (f"{E}.complete_since_us", BOUNDS, past(complete_since_us=basket.AT_MAX_US + 1)),
    (f"{E}.events[1].type", MISSING, past(order(), order(type=""))),
    (f"{E}.events[1].type", BOUNDS, past(order(), order(type="x" * 257))),
    (f"{E}.events[0].id", BOUNDS, past(order(id="x" * 65))),
    (f"{E}.events[0].at_us", MISSING, past(order(at_us=0))),
    (f"{E}.events[0].at_us", BOUNDS, past(order(at_us=-1))),
    (f"{E}.events[0].attributes[1].name", TWICE, past(order(attributes=[attribute("x", text("x"))] * 2))),
    (f"{E}.events[0].attributes", BOUNDS, past(order(attributes=[attribute(str(i), text("x")) for i in range(51)]))),
    (f"{E}.events[0].total", BOTH, past(order(attributes=[attribute("total", text("x"))], total=common.Money()))),
    (f"{E}.events[0].total.currency", MISSING, past(order(total=common.Money(amount_minor=1)))),
    (f"{E}.events[0].currency", FORM, past(order(currency="€"))),
    (f"{E}.events[0].currency", common.ERROR_REASON_UNKNOWN_NAME, past(order(currency="XYZ"))),
    (f"{E}.events[0].currency", BOTH, past(order(currency="CHF", total=EURO))),
    (f"{E}.events[0].items", BOUNDS, past(order(items=[item()] * 1_001))),
    (f"{E}.events[0].items[0].article", MISSING, past(order(items=[item(article="")]))),
    (f"{E}.events[0].items[0].quantity", MISSING, past(order(items=[item(quantity=0)]))),
    (f"{E}.events[0].items[0].quantity", BOUNDS, past(order(items=[item(quantity=-1)]))),
    (f"{E}.events[0].items[1].measure_unit", MISSING, past(order(items=[item(), item(**LITRES)]))),
    (f"{E}.events[0].items[0].amount_minor", BOTH, past(order(items=[item(amount_minor=1)]))),
    (f"{E}.events[0].items[0].amount_minor", BOUNDS, past(order(items=[item(amount_minor=2**60)], total=EURO))),
    ("customer.consents_known", LATER, request(customer=customer(consents=[common.Consent(name="email")]))),
    (
        "customer.consents[1].name",
        TWICE,
        request(customer=customer(consents=[common.Consent(name="email")] * 2, consents_known=True)),
    ),
    ("codes", BOUNDS, request(codes=[str(i) for i in range(51)])),
    ("codes[0]", MISSING, request(codes=[""])),
    ("codes[1]", BOUNDS, request(codes=["x", "y" * 65])),
    ("fees", BOUNDS, request(fees=[pb.Fee(service=str(i)) for i in range(21)])),
    ("fees[0].service", MISSING, request(fees=[pb.Fee(amount_minor=1)])),
    ("fees[1].service", TWICE, request(fees=[pb.Fee(service="home")] * 2)),
    ("fees[0].amount_minor", BOUNDS, request(fees=[pb.Fee(service="home", amount_minor=-1)])),
    ("fees[0].tax_rate_basis_points", BOUNDS, request(fees=[pb.Fee(service="home", tax_rate_basis_points=10_001)])),
    ("payments[0].means", MISSING, request(payments=[pb.Payment()])),
    ("payments[0].amount_minor", LATER, request(payments=[pb.Payment(means="card", amount_minor=0)])),
    ("payments[1]", LATER, request(payments=[pb.Payment(means="card"), pb.Payment(means="cash")])),
    ("usage[0].promotion", MISSING, request(usage=[pb.LimitUsage(limit="total:ever:uses")])),
    ("usage[0].limit", MISSING, request(usage=[pb.LimitUsage(promotion="p")])),
    ("usage[0].limit", FORM, request(usage=[pb.LimitUsage(promotion="p", limit="basket:ever:uses")])),
    ("usage[0].limit", FORM, request(usage=[pb.LimitUsage(promotion="p", limit="total:any-90d:uses")])),
    ("usage[0].code", MISSING, request(usage=[pb.LimitUsage(promotion="p", limit="code:ever:uses")])),
    ("usage[0].code", BOTH, request(usage=[pb.LimitUsage(promotion="p", limit="total:ever:uses", code="X")])),
    ("usage[0].used", BOUNDS, request(usage=[pb.LimitUsage(promotion="p", limit="total:ever:uses", used=-1)])),
    ("usage[1]", TWICE, request(usage=[pb.LimitUsage(promotion="p", limit="total:ever:uses")] * 2)),
    ("manual_discounts", BOUNDS, request(manual_discounts=[by_hand()] * 1_001)),
    ("manual_discounts[0].line_id", BOUNDS, request(manual_discounts=[by_hand(line_id="x" * 65)])),
    ("manual_discounts[0].quantity", BOUNDS, request(manual_discounts=[by_hand(quantity=-1)])),
    ("manual_discounts[0].kind", MISSING, request(manual_discounts=[pb.ManualDiscount(reason="damaged")])),
    ("manual_discounts[0].percent_basis_points", BOUNDS, request(manual_discounts=[by_hand(percent_basis_points=0)])),
    (
        "manual_discounts[0].percent_basis_points",
        BOUNDS,
        request(manual_discounts=[by_hand(percent_basis_points=10_001)]),
    ),
    ("manual_discounts[0].amount_minor", BOTH, request(manual_discounts=[by_hand(amount_minor=1)])),
    (
        "manual_discounts[0].amount_minor",
        BOUNDS,
        request(
            manual_discounts=[
                pb.ManualDiscount(kind=pb.MANUAL_DISCOUNT_KIND_PRICE, reason="damaged", amount_minor=10**12 + 1)
            ]
        ),
    ),
    ("manual_discounts[0].reason", MISSING, request(manual_discounts=[by_hand(reason="")])),
    ("variants", BOUNDS, request(variants=[pb.VariantChoice(promotion=str(i), control=True) for i in range(101)])),
    ("variants[0].promotion", MISSING, request(variants=[pb.VariantChoice(control=True)])),
    ("variants[0].variant", MISSING, request(variants=[pb.VariantChoice(promotion="p")])),
    ("variants[0].control", BOTH, request(variants=[pb.VariantChoice(promotion="p", variant="a", control=True)])),
    ("variants[1].promotion", TWICE, request(variants=[pb.VariantChoice(promotion="p", variant="a")] * 2)),
    ("basket_id", BOUNDS, request(basket_id="x" * 65)),
    ("returned_goods", LATER, request(returned_goods=[pb.ReturnedGoods()])),
    ("deposit_refunds", LATER, request(deposit_refunds=[pb.DepositRefund()])),
]


@pytest.mark.parametrize(("field", "reason", "message"), BAD, ids=[f"{i}-{b[0]}" for i, b in enumerate(BAD)])
def test_a_bad_request_is_refused_by_the_name_of_its_field(field, reason, message):
    with pytest.raises(BadRequest) as caught:
        convert_it(message)
    assert isinstance(caught.value, Refused)
    assert (caught.value.field, caught.value.detail.reason) == (field, reason), caught.value
    assert caught.value.detail.message


def test_every_field_of_the_request_is_taken_or_refused():
    """A field that is added to the contract and forgotten here would be ignored: a till would believe otherwise."""
    handled = {
        "as_of_us",  # which ruleset: services
        "ruleset_digest",
        "tenant",
        "request_id",  # for logs
    }
    taken = {path.split("[")[0].split(".")[0] for path, _, _ in BAD} | {"delivery_service", "store_attributes"}
    taken |= {"delivery_attributes", "basket_attributes", "customer"}
    assert {field.name for field in pb.DecideRequest.DESCRIPTOR.fields} == handled | taken


@pytest.mark.parametrize("digest", ["x", "A" * 64, "0" * 63])
def test_a_digest_has_its_form(digest):
    with pytest.raises(Refused, match="ruleset_digest"):
        convert.ruleset_digest(request(ruleset_digest=digest))


def test_a_digest_excludes_an_instant():
    with pytest.raises(Refused, match="ruleset_digest"):
        convert.ruleset_digest(request(ruleset_digest="a" * 64, as_of_us=1))
    assert convert.ruleset_digest(request(ruleset_digest="a" * 64)) == "a" * 64
    assert convert.ruleset_digest(request()) == ""
    with pytest.raises(Refused, match="as_of_us"):
        convert.as_of(request(as_of_us=-1))


# ---------------------------------------------------------------------------------------------------- bytes


UNKNOWN_FIELD = b"\xc0\x3e\x01"  # field 1000, a varint


def nested(field: int, inside: bytes) -> bytes:
    return bytes([field << 3 | 2, len(inside)]) + inside


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("", UNKNOWN_FIELD),
        ("lines[0]", nested(1, UNKNOWN_FIELD)),
        ("lines[0].attributes[0].value.money", nested(1, nested(8, nested(2, nested(6, UNKNOWN_FIELD))))),
        ("customer.events", nested(6, nested(7, UNKNOWN_FIELD))),
    ],
)
def test_an_unknown_field_is_refused_wherever_it_stands(path, data):
    with pytest.raises(Refused) as caught:
        contract.parse(pb.DecideRequest, request().SerializeToString() + data)
    assert caught.value.detail.reason == common.ERROR_REASON_UNKNOWN_FIELD
    assert caught.value.field.replace("lines[1]", "lines[0]") == path
    assert "1000" in caught.value.message


@pytest.mark.parametrize("data", [b"\xff\xff", b"\x0a\x05", b"\x12\x01\xff", b"\x0b", b"\x00"])
def test_bytes_that_are_no_message_are_refused(data):
    with pytest.raises(Refused) as caught:
        contract.parse(pb.DecideRequest, data)
    assert caught.value.detail.reason == common.ERROR_REASON_MALFORMED


def test_an_enum_value_that_is_not_in_the_contract_is_refused():
    message = pb.DecideBatchRequest(request=priced(quantity=0, measure_thousandths=1, measure_unit=99))
    with pytest.raises(Refused, match=r"request\.lines\[0\]\.measure_unit"):
        contract.refuse_unknown_values(message)


def test_facts_without_a_subject_are_only_those_that_are_said():
    got = convert_it(request(customer=pb.Customer(attributes=[attribute("tier", text("gold"))])))
    assert got.customer == Customer(attributes={"tier": Fact(Type.TEXT, "gold")})


def test_what_happened_before_arrives_too():
    got = convert_it(
        past(
            order(
                at_us=AT - 5,
                id="o-1",
                attributes=[attribute("channel", text("app"))],
                total=common.Money(currency="JPY", amount_minor=900),
                items=[
                    item(amount_minor=0),
                    item(article="B", quantity=0, measure_thousandths=750, measure_unit=common.MEASURE_UNIT_L),
                    item(article="C", amount_minor=-20, attributes=[attribute("kind", text("goods"))]),
                ],
            ),
            order(type="visit"),
            complete_since_us=7,
        )
    )
    items = (EventItem("A", 0), EventItem("B"), EventItem("C", -20, {"kind": Fact(Type.TEXT, "goods")}))
    attributes = {"channel": Fact(Type.TEXT, "app"), "total": Fact(Type.MONEY, 900_000_000, "JPY")}
    events = (Event("order", AT - 5, attributes, items, "JPY", "o-1"), Event("visit", 1))
    assert got.customer == Customer("c1", events=EventHistory(events, 7))
    assert convert_it(past()).customer.events == EventHistory()
    assert convert_it(request(customer=customer(facts_as_of_us=9))).customer == Customer("c1", facts_as_of_us=9)


ITEM = "customer.events.events[1].items[0]"


@pytest.mark.parametrize(
    ("engines", "contracts"),
    [
        ("customer[tier]", "customer.attributes[1].value"),
        ("customer.attributes[tier]", "customer.attributes[1].value"),
        ("store[region]", "store_attributes[0].value"),
        ("lines[1].attributes[kind]", "lines[1].attributes[0].value"),
        ("customer[nope]", "customer.attributes"),
        ("customer.events.events[1].attributes[channel]", "customer.events.events[1].attributes[0].value"),
        ("customer.events.events[1].attributes[total]", "customer.events.events[1].total"),
        ("customer.events.events[1].items[0].attributes[kind]", f"{ITEM}.attributes[0].value"),
        ("customer.events.events[1].id", "customer.events.events[1].id"),
        ("lines[1].quantity", "lines[1].quantity"),
        ("lines[1]", "lines[1]"),
        ("payment", "payments[0].means"),
        ("currency", "currency"),
        ("whatever[x]", "whatever[x]"),
    ],
)
def test_what_the_engine_names_is_found_in_the_contract(engines, contracts):
    message = request(
        lines=[line(), line(id="2", attributes=[attribute("kind", text("goods"))])],
        customer=customer(
            attributes=[attribute("since", text("x")), attribute("tier", text("gold"))],
            events=common.EventHistory(
                events=[
                    order(),
                    order(
                        attributes=[attribute("channel", text("app"))],
                        items=[item(attributes=[attribute("kind", text("goods"))])],
                    ),
                ]
            ),
        ),
        store_attributes=[attribute("region", text("Nord"))],
    )
    assert convert.contract_path(engines, message) == contracts


def test_damaged_bytes_are_refused_or_read_and_nothing_else_happens():
    """Two thousand requests with a few bytes changed, cut or doubled: the caller's mistake, never ours."""
    whole = request(
        store="4711",
        lines=[line(unit_price_minor=129), line(id="2", attributes=[attribute("kind", text("goods"))])],
        customer=customer(attributes=[attribute("tier", text("gold"))]),
        codes=["SAVE"],
        fees=[pb.Fee(service="home", amount_minor=495)],
        usage=[pb.LimitUsage(promotion="p", limit="total:ever:uses", used=1)],
    ).SerializeToString()
    chance = random.Random(20260917)
    refused: list[Refused] = []
    for _ in range(2_000):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(len(data))
            match chance.randrange(3):
                case 0:
                    data[place] = chance.randrange(256)
                case 1:
                    del data[place : place + chance.randint(1, 8)]
                case _:
                    data[place:place] = data[place : place + chance.randint(1, 8)]
        try:
            message = contract.parse(pb.DecideRequest, bytes(data))
            convert.ruleset_digest(message)
            convert.as_of(message)
            convert.to_request(message, at_us=AT)
        except Refused as error:
            refused.append(error)
    assert all(error.detail.message and error.detail.reason for error in refused)
    assert 1_000 < len(refused) < 2_000
