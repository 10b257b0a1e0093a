"""The cases of tests/conformance at a real server: over the wire, from the store, the Decision that the law says.

Cases are made of Programs, not of text: their images are stored as a publisher stores them, and previewed by digest."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import date, timedelta

import grpc
import pytest

from einklang.v1 import common_pb2 as common
from einklang.v1 import decision_pb2 as pb
from einklang.v1 import decision_pb2_grpc
from engine.basket import BadRequest, BasketLine, Fact, Request
from engine.link import link
from engine.program import Promotion, Type
from engine.program import Settings as RulesetSettings
from server import answers
from server.contract import Refused
from server.convert import to_request
from server.embedded import store_settings
from server.settings import load as load_settings
from server.store import opened
from tests.conformance.cases import Case, load
from tests.e2e.conftest import Server
from tests.e2e.requests import SECONDS
from tests.oracle.decide import decide as oracle

CASES = list(load())


# ---------------------------------------------------------------------------------------------------- engine → contract


def value(fact: Fact) -> common.Value:
    found = fact.value
    match fact.type:
        case Type.TEXT:
            return common.Value(kind=common.VALUE_KIND_TEXT, text=str(found))
        case Type.NUMBER:
            return common.Value(kind=common.VALUE_KIND_NUMBER, number_millionths=int(str(found)))
        case Type.DATE:
            day = date(1970, 1, 1) + timedelta(days=int(str(found)))
            return common.Value(kind=common.VALUE_KIND_DATE, date=day.isoformat())
    raise AssertionError(f"no case has a fact of type {fact.type}")


def attributes(facts: Mapping[str, Fact]) -> list[common.Attribute]:
    return [common.Attribute(name=name, value=value(fact)) for name, fact in facts.items()]


def line(own: BasketLine) -> pb.Line:
    message = pb.Line(id=own.id, article=own.article, attributes=attributes(own.attributes))
    if own.unit:
        message.measure_thousandths = own.measure
        message.measure_unit = common.MeasureUnit.Value(f"MEASURE_UNIT_{own.unit.upper()}")
    else:
        message.quantity = own.quantity
    if own.price_micros is not None:
        message.unit_price_micros = own.price_micros
    if own.tax_rate is not None:
        message.tax_rate_basis_points = own.tax_rate
    return message


def message_of(asked: Request, digest: str) -> pb.DecideRequest:
    """The request as a client sends it."""
    customer = asked.customer
    message = pb.DecideRequest(
        ruleset_digest=digest,
        at_us=asked.at_us,
        currency=asked.currency,
        channel=asked.channel,
        store=asked.store,
        store_attributes=attributes(asked.store_attributes),
        delivery_service=asked.delivery,
        delivery_attributes=attributes(asked.delivery_attributes),
        basket_attributes=attributes(asked.basket_attributes),
        lines=[line(own) for own in asked.lines],
        codes=asked.codes,
        fees=[pb.Fee(service=fee.service, amount_minor=fee.amount) for fee in asked.fees],
        payments=[pb.Payment(means=asked.payment)] if asked.payment else [],
        usage=[pb.LimitUsage(promotion=u.promotion, limit=u.limit, used=u.used, code=u.code) for u in asked.usage],
    )
    if customer.id or customer.household or customer.attributes or customer.consents is not None:
        message.customer.CopyFrom(
            pb.Customer(
                id=customer.id,
                household=customer.household,
                facts_known=bool(customer.id),
                attributes=attributes(customer.attributes),
                consents_known=customer.consents is not None,
                consents=[common.Consent(name=name, granted=True) for name in sorted(customer.consents or ())],
            )
        )
    return message


def expected(case: Case, digest: str) -> pb.Decision:
    """What the oracle decides, as the contract says it."""
    decision = oracle(case.programs, case.request, digest=digest)
    settings = next(p for p in case.programs if isinstance(p, RulesetSettings))
    return answers.to_message(
        decision,
        codes=case.request.codes,
        promotions={p.name: Names(p) for p in case.programs if isinstance(p, Promotion)},
        product_titles={p.name: p.title or p.name for p in case.programs if p.program == "products"},
        prices_include_tax=settings.prices_include_tax,
    )


class Names:
    """What a server says beside a promotion's name."""

    def __init__(self, promotion: Promotion) -> None:
        self.title = promotion.title
        self.labels = tuple((text.language, text.text) for text in promotion.labels)


# ---------------------------------------------------------------------------------------------------- the server


@pytest.fixture(scope="module")
def images(server: Server) -> list[str]:
    """Every case's image in the server's store; their digests."""
    found = [link(case.programs) for case in CASES]

    async def put() -> None:
        async with opened(store_settings(load_settings({"data_dir": server.data_dir})), patient_s=SECONDS) as store:
            for image in found:
                await store.put_parts(image.parts)
                assert await store.put_manifest(image.manifest) == image.digest

    asyncio.run(put())
    return [image.digest for image in found]


@pytest.fixture(scope="module")
def decisions(channel: grpc.Channel) -> decision_pb2_grpc.DecisionServiceStub:
    return decision_pb2_grpc.DecisionServiceStub(channel)


def served(case: Case, message: pb.DecideRequest) -> bool:
    """Whether the contract can say the case: the server's reading of the message is the case's request."""
    try:
        return to_request(message, at_us=0) == case.request
    except Refused:
        return False


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{case.file}: {case.name}" for case in CASES])
def test_case(number, images, decisions):
    case = CASES[number]
    message = message_of(case.request, images[number])
    try:
        wanted = expected(case, images[number])
    except BadRequest:
        with pytest.raises(grpc.RpcError) as caught:
            decisions.Decide(message, timeout=SECONDS)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        return
    if not served(case, message):
        pytest.skip("not run: the contract cannot say this request")
    assert decisions.Decide(message, timeout=SECONDS).decision == wanted


def test_most_cases_can_be_said():
    assert sum(served(case, message_of(case.request, "0" * 64)) for case in CASES) > 0.9 * len(CASES)
