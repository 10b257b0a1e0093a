"""Many baskets in one call: every answer is that of Decide, whatever became of the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

from einklang.v1 import common_pb2 as common
from einklang.v1 import decision_pb2 as pb
from engine.basket import BadRequest
from server import batches
from server.contract import Failure, Refused
from server.services import DecisionServicer
from server.telemetry import Metric
from tests.unit.engine.test_quick import ORDINARY, asked
from tests.unit.server.test_ordinary import DIGEST, NOW, servicer

UNUSUAL = {
    "codes": asked(codes=["A"]),
    "an instant": asked(as_of_us=NOW - 5),
    "a ruleset": asked(ruleset_digest=DIGEST),
    "its tenant": asked(tenant="ours"),
}
REFUSED = {
    "channel": asked(channel="fax"),
    "lines[0].unit_price_minor": asked(lines=[pb.Line(id="1", article="zebra", quantity=1)]),
    "tenant": asked(tenant="theirs"),
}


async def stream(requests: Iterable[bytes]) -> AsyncIterator[bytes]:
    for data in requests:
        yield data


def numbered(number: int, basket: bytes) -> bytes:
    head = pb.DecideBatchRequest(number=number).SerializeToString()
    return head + b"\x12" + batches.varint(len(basket)) + basket


def answers(server: DecisionServicer, requests: Iterable[bytes]) -> list[pb.DecideBatchResponse]:
    """What came, in the order in which it came."""

    async def all_of_it() -> list[bytes]:
        return [response async for response in server.DecideBatch(stream(requests))]

    return [pb.DecideBatchResponse.FromString(data) for data in asyncio.run(all_of_it())]


@pytest.mark.parametrize("threads", [1, 3])
def test_each_basket_gets_the_answer_of_decide(threads: int) -> None:
    server, counters = servicer(threads=threads)
    baskets = [message.SerializeToString() for message in (*ORDINARY.values(), *UNUSUAL.values())] * 20
    found = answers(server, [numbered(7 * n, basket) for n, basket in enumerate(baskets)])
    assert sorted(answer.number for answer in found) == [7 * n for n in range(len(baskets))]
    assert counters.all()[Metric.DECISIONS.label] == len(baskets)
    one = {basket: asyncio.run(server.Decide(basket)) for basket in set(baskets)}
    for answer in found:
        assert answer.response.SerializeToString(deterministic=True) == one[baskets[answer.number // 7]]


def test_what_is_refused_does_not_end_the_stream() -> None:
    server, counters = servicer()
    good = asked().SerializeToString()
    sent = [numbered(n, message.SerializeToString()) for n, message in enumerate(REFUSED.values(), start=1)]
    sent += [numbered(-5, b"\xff\xff"), pb.DecideBatchRequest(number=90).SerializeToString(), b""]
    sent += [numbered(91, good) + b"\x20\x01", numbered(92, good)]
    found = {answer.number: answer for answer in answers(server, sent)}
    assert [found[n].error.field for n in (1, 2, 3)] == [f"request.{name}" for name in REFUSED]
    assert found[-5].error.reason == common.ERROR_REASON_MALFORMED
    assert (found[90].error.field, found[0].HasField("error")) == ("request", True)
    assert found[91].error.reason == common.ERROR_REASON_UNKNOWN_FIELD
    assert found[92].response.HasField("decision")
    assert counters.all()[Metric.DECISIONS_REFUSED.label] == 6


def test_bytes_that_are_no_basket_of_a_stream_end_it() -> None:
    server, _ = servicer()
    for nonsense in (b"\x08\x01\x12\x7f", b"\x08" + b"\xff" * 12, b"\xff"):
        with pytest.raises(Refused, match="not a DecideBatchRequest"):
            answers(server, [numbered(1, asked().SerializeToString()), nonsense])


def test_a_fault_of_ours_is_told_for_its_basket_alone() -> None:
    server, _ = servicer()

    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("secret")

    server._decide = broken
    sent = [numbered(1, UNUSUAL["codes"].SerializeToString()), numbered(2, asked().SerializeToString())]
    first, second = sorted(answers(server, sent), key=lambda answer: answer.number)
    assert first.error.reason == common.ERROR_REASON_INTERNAL and "secret" not in str(first)
    assert second.response.HasField("decision")


def test_a_stream_that_is_given_up_leaves_nothing_behind() -> None:
    server, _ = servicer()

    async def first_only() -> int:
        endless = stream(numbered(n, asked().SerializeToString()) for n in range(10**9))
        responses = server.DecideBatch(endless)
        number = pb.DecideBatchResponse.FromString(await anext(responses)).number
        await responses.aclose()  # type: ignore[attr-defined]
        while len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(0)
        return number

    assert asyncio.run(first_only()) == 0


def test_one_that_is_given_up_when_nobody_took_answers_for_long_neither() -> None:
    server, counters = servicer()
    room = batches.CHUNK * batches.AHEAD

    async def first_of_many() -> None:
        endless = stream(numbered(n, asked().SerializeToString()) for n in range(10**9))
        responses = server.DecideBatch(endless)
        await anext(responses)
        while counters.all()[Metric.DECISIONS.label] <= room:  # more than there is room for: whoever decides waits
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        await responses.aclose()  # type: ignore[attr-defined]
        async with asyncio.timeout(20):
            while len(asyncio.all_tasks()) > 1:
                await asyncio.sleep(0)

    asyncio.run(first_of_many())


# ---------------------------------------------------------------------------------------------------- listing pages


def listed(server: DecisionServicer, **fields: Any) -> pb.ProductPricesResponse:
    request = pb.ProductPricesRequest(request=asked(**fields))
    return pb.ProductPricesResponse.FromString(asyncio.run(server.ProductPrices(request.SerializeToString())))


@pytest.mark.parametrize(
    "fields", [{}, {"codes": ["A"]}, {"tenant": "ours", "store": "north"}, {"ruleset_digest": DIGEST}]
)
def test_each_article_is_priced_as_if_it_were_alone(fields: dict[str, Any]) -> None:
    server, _ = servicer()
    lines = [
        pb.Line(id=f"{n}", article=name, quantity=n + 1) for n, name in enumerate(("beer", "apple", "beer", "beer"))
    ]
    found = listed(server, lines=lines, **fields)
    assert [price.line_id for price in found.prices] == ["0", "1", "2", "3"]
    assert (found.ruleset_digest, found.envelope.decision_digest, found.envelope.node) == (DIGEST, "", "till-7/1")
    for line, price in zip(lines, found.prices, strict=True):
        decided = pb.DecideResponse.FromString(
            asyncio.run(server.Decide(asked(lines=[line], **fields).SerializeToString()))
        )
        (alone,) = decided.decision.lines
        assert (price.list_minor, price.net_minor, list(price.discounts)) == (
            alone.list_minor,
            alone.net_minor,
            list(alone.discounts),
        )
        assert not price.HasField("lowest_30_days_minor")
    assert {price.net_minor < price.list_minor for price in found.prices} == {True, False}


def test_what_a_cashier_entered_is_judged_for_its_line() -> None:
    server, _ = servicer()
    percent = {"kind": pb.MANUAL_DISCOUNT_KIND_PERCENT, "percent_basis_points": 1_000, "reason": "scratched"}
    lines = [pb.Line(id=name, article="beer", quantity=1) for name in "ab"]
    entered = [pb.ManualDiscount(line_id=name, **percent) for name in "ba"]  # type: ignore[arg-type]
    with pytest.raises(BadRequest, match="no reason that a promotion lets the cashier give") as refused:
        listed(server, lines=lines, manual_discounts=entered)
    assert refused.value.field == "request.manual_discounts[1].reason"


def test_an_article_without_a_price_is_named() -> None:
    server, _ = servicer()
    lines = [pb.Line(id="9", article="beer", quantity=1), pb.Line(id="1", article="zebra", quantity=1)]
    with pytest.raises(BadRequest) as refused:
        listed(server, lines=lines)
    assert refused.value.field == "request.lines[1].unit_price_minor"
    for message in (pb.ProductPricesRequest(), pb.ProductPricesRequest(request=asked(channel=""))):
        with pytest.raises(Failure) as failed:
            asyncio.run(server.ProductPrices(message.SerializeToString()))
        assert failed.value.detail.field.startswith("request")
    assert list(listed(server, lines=[]).prices) == []
