"""Asks a server about many receipts in several channels, many calls in flight, and compares what comes back.

Messages stay bytes wherever they can: a request is written once and told apart by its channel alone (a field that is
appended to the bytes of a message is a field of the message), and of an answer the bytes of `decision` are compared as
they were received. Only decisions with something to check are read.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Final

import grpc

from benchmarks.journey import CHANNELS, CURRENCY, PROMOTIONS, Promotion, Receipt
from einklang.v1 import common_pb2 as common
from einklang.v1 import decision_pb2 as pb
from server.client import detail_of

METHOD: Final = "/einklang.v1.DecisionService/Decide"
DEADLINE_S: Final = 10.0
_CHANNEL_TAG: Final = b"\x12"  # DecideRequest.channel: field 2, length-delimited
_DECISION_TAG: Final = 0x0A  # DecideResponse.decision: field 1, length-delimited


class AskFailed(Exception):
    """A request that got no answer, or one that is none; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Question:
    """A receipt, and its request without a channel, as bytes."""

    receipt: Receipt
    request: bytes


@dataclass
class Tally:
    """How one promotion compares with the record: `met` of `checks` to the cent."""

    promotion: Promotion
    checks: int = 0
    met: int = 0

    @property
    def rate(self) -> float:
        """The share that was met, 0 to 1; 1 of nothing."""
        return self.met / self.checks if self.checks else 1.0

    @property
    def ok(self) -> bool:
        """Not below the record. Of the whole year that is its rate; of a part no more misses than the year has."""
        return self.checks - self.met <= self.promotion.checks - self.promotion.exact


@dataclass
class Outcome:
    """What came back. `nanoseconds`: how long each call took, as the caller saw it; `seconds`: all of it."""

    tallies: Mapping[str, Tally] = field(
        default_factory=lambda: {promotion.name: Tally(promotion) for promotion in PROMOTIONS}
    )
    nanoseconds: array[int] = field(default_factory=lambda: array("q"))
    identical: int = 0
    different: list[str] = field(default_factory=list)  # receipts
    seconds: float = 0.0

    @property
    def receipts(self) -> int:
        """How many were answered in every channel."""
        return self.identical + len(self.different)

    @property
    def a_second(self) -> float:
        """Decisions a second."""
        return len(self.nanoseconds) / self.seconds if self.seconds else 0.0

    def percentile_ms(self, percent: float) -> float:
        """So many percent of the calls took no longer, milliseconds."""
        ordered = sorted(self.nanoseconds)
        return ordered[min(int(len(ordered) * percent / 100), len(ordered) - 1)] / 1e6 if ordered else 0.0


def request_of(receipt: Receipt) -> pb.DecideRequest:
    """The receipt as a till would ask about it, but for the channel."""
    reward = common.Value(kind=common.VALUE_KIND_TEXT, text=receipt.fuel_reward)
    request = pb.DecideRequest(
        currency=CURRENCY,
        at_us=receipt.at_us,
        basket_id=receipt.receipt_id,
        customer=pb.Customer(
            id=receipt.household_id,
            household=receipt.household_id,
            facts_known=True,
            attributes=[common.Attribute(name="fuel-reward", value=reward)],
        ),
    )
    for line in receipt.lines:
        asked = request.lines.add(id=line.line_id, article=line.article)
        if line.gallons_thousandths:
            asked.measure_thousandths = line.gallons_thousandths
            asked.measure_unit = common.MEASURE_UNIT_GAL
        else:
            asked.quantity = line.quantity
        if (minor := line.unit_price_minor) is None:
            asked.unit_price_micros = line.unit_price_micros
        else:
            asked.unit_price_minor = minor
    return request


def questions(receipts: Sequence[Receipt]) -> list[Question]:
    """Each receipt with its request, written once for all channels."""
    return [Question(receipt, request_of(receipt).SerializeToString()) for receipt in receipts]


def in_channel(request: bytes, channel: str) -> bytes:
    """The request with its channel."""
    name = channel.encode()
    assert len(name) < 128, "its length is one byte"
    return request + _CHANNEL_TAG + bytes((len(name),)) + name


def cut(response: bytes) -> tuple[bytes, bytes]:
    """The bytes of `decision` as they stand in a DecideResponse, and the rest. Raises AskFailed."""
    if not response or response[0] != _DECISION_TAG:
        raise AskFailed("an answer does not begin with a decision")
    length, place = number_at(response, 1)
    return response[place : place + length], response[place + length :]


def number_at(data: bytes, place: int) -> tuple[int, int]:
    """The number of any length (varint) that begins there, and where the next thing does."""
    number = shift = 0
    while True:
        byte = data[place]
        place += 1
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return number, place


async def drive(
    address: str,
    asked: Sequence[Question],
    *,
    in_flight: int,
    channels: Sequence[str] = CHANNELS,
    progress: Callable[[Outcome], None] | None = None,
) -> Outcome:
    """Ask about every receipt in every channel, `in_flight` receipts at a time, each channel over its own connection.

    A receipt's calls follow one another, so `in_flight` is also how many calls wait for an answer. `progress` is called
    after each receipt. Raises AskFailed at the first call without an answer."""
    outcome = Outcome()
    waiting = iter(asked)
    async with AsyncExitStack() as stack:
        calls: list[tuple[str, Any]] = []
        for channel in channels:
            connection = await stack.enter_async_context(grpc.aio.insecure_channel(address))
            await connection.channel_ready()
            calls.append((channel, connection.unary_unary(METHOD)))  # bytes in, bytes out
        gc.freeze()  # the receipts: a full collection need not walk them
        began = time.perf_counter()
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(in_flight):
                    group.create_task(_ask(waiting, calls, outcome, progress))
        except* AskFailed as failed:
            raise failed.exceptions[0] from None
        finally:
            outcome.seconds = time.perf_counter() - began
            gc.unfreeze()
    return outcome


async def _ask(
    waiting: Iterator[Question],
    calls: Sequence[tuple[str, Any]],
    outcome: Outcome,
    progress: Callable[[Outcome], None] | None,
) -> None:
    """One of those in flight: takes the next receipt until there is none."""
    clock = time.perf_counter_ns
    for question in waiting:
        first = b""
        same = True
        for channel, call in calls:
            request = in_channel(question.request, channel)
            began = clock()
            try:
                response = await call(request, timeout=DEADLINE_S)
            except grpc.RpcError as error:
                raise AskFailed(_told(error, question.receipt, channel)) from None
            outcome.nanoseconds.append(clock() - began)
            decision, envelope = cut(response)
            if hashlib.sha256(decision).hexdigest().encode() not in envelope:
                raise AskFailed(f"receipt {question.receipt.receipt_id}, {channel}: not the decision of its digest")
            first = first or decision
            same = same and decision == first
        if same:
            outcome.identical += 1
        else:
            outcome.different.append(question.receipt.receipt_id)
        if question.receipt.checks:
            count(question.receipt, pb.Decision.FromString(first), outcome.tallies)
        if progress is not None:
            progress(outcome)


def count(receipt: Receipt, decision: pb.Decision, tallies: Mapping[str, Tally]) -> None:
    """Compare a decision with what the till gave: to the cent on the check's lines together."""
    given = savings(decision)
    for check in receipt.checks:
        tally = tallies[check.promotion]
        tally.checks += 1
        saved = sum(given.get((line, check.promotion), 0) for line in check.line_ids)
        tally.met += saved == check.recorded_minor


def savings(decision: pb.Decision) -> dict[tuple[str, str], int]:
    """What each promotion takes off each line, cents, by (line id, promotion)."""
    return {
        (line.line_id, discount.promotion): discount.amount_minor
        for line in decision.lines
        if line.discounts
        for discount in line.discounts
    }


def _told(error: Any, receipt: Receipt, channel: str) -> str:
    detail = detail_of(error)
    why = f"{detail.field}: {detail.message}" if detail is not None else str(error.details())
    return f"receipt {receipt.receipt_id}, {channel}: {error.code().name} {why}"
