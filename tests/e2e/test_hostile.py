"""What a hostile or broken caller can send: every answer is a decision or a typed refusal, and the server serves on."""

from __future__ import annotations

import random
from collections.abc import Iterator

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from einklang.v1 import common_pb2 as common
from einklang.v1 import decision_pb2 as pb
from einklang.v1 import decision_pb2_grpc
from server.client import detail_of
from tests.e2e.requests import AT, SECONDS, basket, gold, line, refused, text

MESSAGES = 400
WHOLE_NUMBERS = {FieldDescriptor.TYPE_INT32: 32, FieldDescriptor.TYPE_INT64: 64, FieldDescriptor.TYPE_ENUM: 32}


@pytest.fixture(scope="module")
def decisions(channel):
    return decision_pb2_grpc.DecisionServiceStub(channel)


@pytest.fixture(scope="module")
def call(channel):
    return channel.unary_unary("/einklang.v1.DecisionService/Decide")


@pytest.fixture(autouse=True)
def _it_serves_on(decisions):
    before = decisions.Decide(basket(), timeout=SECONDS).envelope.decision_digest
    yield
    assert decisions.Decide(basket(), timeout=SECONDS).envelope.decision_digest == before


def full() -> pb.DecideRequest:
    """A request in which every kind of field stands."""
    return basket(
        lines=[
            line(1, "penne", 2, unit_price_minor=199, tax_rate_basis_points=700),
            line(2, "cheese", 0, measure_thousandths=250, measure_unit=1, unit_price_micros=10**6),
        ],
        customer=gold(),
        codes=["SPRING", "nope"],
        fees=[pb.Fee(service="home-delivery", amount_minor=495)],
        delivery_service="home-delivery",
        usage=[pb.LimitUsage(promotion="gold-10", limit="customer:ever:uses", used=1)],
        basket_attributes=[
            common.Attribute(
                name="x",
                value=common.Value(kind=common.VALUE_KIND_MONEY, money=common.Money(currency="EUR", amount_minor=1)),
            )
        ],
    )


def ends_well(call, data: bytes) -> str:
    """The name of the status: only those that blame the caller, each with its typed detail."""
    try:
        call(data, timeout=SECONDS)
    except grpc.RpcError as refusal:
        error = refusal
    else:
        return "OK"
    assert error.code().name in {"INVALID_ARGUMENT", "NOT_FOUND", "OUT_OF_RANGE", "FAILED_PRECONDITION"}, error
    detail = detail_of(error)
    assert detail is not None
    assert detail.message
    assert detail.reason != common.ERROR_REASON_UNSPECIFIED, detail
    return str(error.code().name)


def test_bytes_that_are_no_message(call):
    chance = random.Random(1)
    seen = {ends_well(call, chance.randbytes(chance.randrange(1, 300))) for _ in range(MESSAGES)}
    assert "INVALID_ARGUMENT" in seen


def test_messages_with_bytes_changed(call):
    chance = random.Random(2)
    data = full().SerializeToString()
    seen = set()
    for _ in range(MESSAGES):
        changed = bytearray(data)
        for _ in range(chance.randrange(1, 4)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        end = len(changed) if chance.random() < 0.7 else chance.randrange(len(changed))
        seen.add(ends_well(call, bytes(changed[:end])))
    assert seen >= {"OK", "INVALID_ARGUMENT"}


def numbers_in(message: Message) -> Iterator[tuple[Message, str, int]]:
    """Every whole number and enum field of the message and of those within it, with its bits."""
    for field in message.DESCRIPTOR.fields:
        if not field.is_repeated and field.type in WHOLE_NUMBERS:
            yield message, field.name, WHOLE_NUMBERS[field.type]
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for part in value if field.is_repeated else [value]:
                yield from numbers_in(part)


def test_numbers_at_the_ends_of_their_range(call):
    count = sum(1 for _ in numbers_in(full()))
    assert count > 20
    for number in range(count):
        for extreme in (-1, 0, 1, "smallest", "largest"):
            request = full()
            message, name, bits = list(numbers_in(request))[number]
            ends: dict[object, int] = {"smallest": -(2 ** (bits - 1)), "largest": 2 ** (bits - 1) - 1}
            setattr(message, name, ends.get(extreme, extreme))
            ends_well(call, request.SerializeToString())


@pytest.mark.parametrize(
    ("field", "request_"),
    [
        ("at_us", basket(at_us=2**63 - 1)),
        ("at_us", basket(at_us=-(2**63))),
        ("as_of_us", basket(as_of_us=-1)),
        ("lines[0].unit_price_minor", basket(lines=[line(1, "penne", 1, unit_price_minor=-1)])),
        ("lines[0].unit_price_micros", basket(lines=[line(1, "penne", 1, unit_price_micros=2**62)])),
        ("lines", basket(lines=[line(n, "penne", 100_000) for n in range(2)])),
        ("fees[0].amount_minor", basket(fees=[pb.Fee(service="home-delivery", amount_minor=-1)])),
        ("fees[1].service", basket(fees=[pb.Fee(service="home-delivery", amount_minor=1)] * 2)),
        (
            "usage[0].used",
            basket(usage=[pb.LimitUsage(promotion="gold-10", limit="customer:ever:uses", used=-1)]),
        ),
        (
            "customer.attributes[1].name",
            basket(
                customer=pb.Customer(
                    id="c", facts_known=True, consents_known=True, attributes=[text("tier", "a"), text("tier", "b")]
                )
            ),
        ),
        (
            "basket_attributes[0].value.kind",
            basket(
                basket_attributes=[common.Attribute(name="x", value=common.Value(kind=common.ValueKind.ValueType(99)))]
            ),
        ),
        ("codes[0]", basket(codes=[""])),
        ("codes[0]", basket(codes=["x" * 65])),
        ("lines[0].id", basket(lines=[pb.Line(id="é" * 33, article="penne", quantity=1)])),
        ("lines", basket(lines=[line(n, "penne", 1) for n in range(1_001)])),
    ],
)
def test_what_no_basket_can_say_is_refused_by_name(decisions, field, request_):
    status, detail = refused(decisions.Decide, request_)
    assert (status, detail.field) == ("INVALID_ARGUMENT", field)
    assert detail.reason != common.ERROR_REASON_UNSPECIFIED


@pytest.mark.parametrize("path", ["", "lines[1]", "customer", "customer.attributes[0].value", "usage[0]", "fees[0]"])
def test_an_unknown_field_is_refused_at_any_depth(call, path):
    request = full()
    at: Message = request
    for part in path.replace("]", "").split(".") if path else ():
        name, _, number = part.partition("[")
        at = getattr(at, name)
        at = at[int(number)] if number else at  # type: ignore[index] # a list of messages
    at.MergeFromString(b"\xc0\x3e\x01")  # field 1000
    status, detail = refused(call, request.SerializeToString())
    assert (status, detail.field, detail.reason) == ("INVALID_ARGUMENT", path, common.ERROR_REASON_UNKNOWN_FIELD)


def test_the_same_code_twice_is_one_code(decisions):
    once = decisions.Decide(basket(codes=["SPRING"], channel="webshop"), timeout=SECONDS)
    twice = decisions.Decide(basket(codes=["SPRING", "SPRING"], channel="webshop"), timeout=SECONDS)
    assert twice.envelope.decision_digest == once.envelope.decision_digest
    assert len(twice.decision.codes) == 1


def test_an_empty_basket_gets_an_empty_decision(decisions):
    decided = decisions.Decide(basket(lines=[]), timeout=SECONDS).decision
    assert list(decided.lines) == []
    assert decided.totals.payable_minor == 0


def test_a_thousand_lines_are_decided(decisions):
    lines = [line(n, ("penne", "spaghetti", "shirt")[n % 3], 1 + n % 5) for n in range(1_000)]
    decided = decisions.Decide(basket(lines=lines), timeout=SECONDS).decision
    assert len(decided.lines) == 1_000
    assert sum(result.net_minor for result in decided.lines) == decided.totals.net_minor


def test_ids_in_any_script_come_back_as_they_were(decisions):
    ids = sorted(["Müsli–№1", "行1", "🧺", "a\u0301", "\u00e1", " ", "a\nb", "\x00"], key=str.encode)
    lines = [pb.Line(id=id_, article="penne", quantity=1, unit_price_minor=100) for id_ in ids]
    decided = decisions.Decide(basket(lines=lines), timeout=SECONDS).decision
    assert [result.line_id for result in decided.lines] == ids


@pytest.mark.parametrize("at_us", [0, 1, AT + 1, 4_102_444_800_000_000])
def test_any_instant_of_the_contract_is_decided(decisions, at_us):
    assert decisions.Decide(basket(at_us=at_us), timeout=SECONDS).decision.totals.list_minor == 657
