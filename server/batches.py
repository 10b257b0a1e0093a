"""Many baskets in one call: streams of them, and listing pages, decided in threads beside the event loop.

Kernels let go of Python's lock, so as many threads as there are cores decide at once. Each thread has what answers
ordinary requests for itself (`Threads.direct`); what is not ordinary goes the long way, one after the other.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

import grpc
from google.protobuf.message import DecodeError

from einklang.v1 import common_pb2 as common
from einklang.v1 import decision_pb2 as pb
from engine.basket import BadRequest
from server.contract import Failure, Refused, as_failure, parse
from server.telemetry import ROOT, Counters, Metric

if TYPE_CHECKING:
    from engine.direct import Direct

CHUNK: Final = 64  # baskets that a thread takes at once
AHEAD: Final = 4  # chunks that are read ahead for each thread: so much of a stream is held, and no more
RULESETS: Final = 2  # that a thread keeps what answers by

_LOG = logging.getLogger(ROOT)
T = TypeVar("T")


class Threads:
    """The threads of a server in which many baskets are decided."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="batch")
        self._own = threading.local()

    def direct(self, of: Direct) -> Direct:
        """What answers as another one does, for this thread alone."""
        made: OrderedDict[int, tuple[Direct, Direct]] = self._own.__dict__.setdefault("made", OrderedDict())
        if id(of) not in made:
            while len(made) >= RULESETS:
                made.popitem(last=False)
            made[id(of)] = (of, of.another())
        made.move_to_end(id(of))
        return made[id(of)][1]

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Run a function in one of the threads."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)


Quickly = Callable[[Sequence[bytes]], Sequence[bytes | None]]  # in a thread: DecideResponses; None: ask at length
Begin = Callable[[], Quickly]  # as a chunk begins: what is in force then decides it
AtLength = Callable[[bytes], Awaitable[bytes]]  # one of them; raises Failure, BadRequest


async def decided(
    requests: AsyncIterator[bytes], threads: Threads, begin: Begin, at_length: AtLength, counters: Counters
) -> AsyncIterator[bytes]:
    """DecideBatchRequests → DecideBatchResponses, as they are ready. Reading stops while as much is under way as is to
    be held. Raises Refused for bytes that are no DecideBatchRequest: nobody could be told which basket it was."""
    waiting: asyncio.Queue[bytes | None] = asyncio.Queue(CHUNK * AHEAD * threads.count)
    ready: asyncio.Queue[bytes | None] = asyncio.Queue(CHUNK * AHEAD * threads.count)

    async def read() -> None:
        async for data in requests:
            await waiting.put(data)
        for _ in range(threads.count):
            await waiting.put(None)

    async def work() -> None:
        ended = False
        while not ended and (data := await waiting.get()) is not None:
            chunk = [data]
            while len(chunk) < CHUNK and not waiting.empty() and not ended:
                more = waiting.get_nowait()
                ended = more is None
                chunk += [] if more is None else [more]
            for response in await _chunk(chunk, threads, begin, at_length, counters):
                await ready.put(response)

    async def all_of_it() -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for each in (read(), *(work() for _ in range(threads.count))):
                    group.create_task(each)
        except BaseExceptionGroup:
            await ready.put(None)
            raise
        await ready.put(None)  # not where it was given up: there may be no room, and nobody takes it

    running = asyncio.create_task(all_of_it())
    try:
        while (response := await ready.get()) is not None:
            yield response
        await running
    except BaseExceptionGroup as failures:
        raise _first(failures) from None
    finally:
        running.cancel()


def _first(failure: BaseException) -> BaseException:
    """One of the failures that ended a stream."""
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return failure


async def _chunk(
    chunk: Sequence[bytes], threads: Threads, begin: Begin, at_length: AtLength, counters: Counters
) -> list[bytes]:
    """The responses to some requests."""
    numbers, baskets, errors = [], [], {}
    for place, data in enumerate(chunk):
        number, basket = _numbered(data)
        if isinstance(basket, Failure):
            errors[place] = basket
            basket = b""
        numbers.append(number)
        baskets.append(basket)
    answers = await threads.run(begin(), baskets)
    counters.add(Metric.DECISIONS, sum(answer is not None for answer in answers))
    responses = []
    for place, (number, basket, answer) in enumerate(zip(numbers, baskets, answers, strict=True)):
        error = errors.get(place)
        if error is None and answer is None:
            try:
                answer = await at_length(basket)
            except BadRequest as refused:
                error = as_failure(refused).inside("request")
            except Failure as failed:
                error = failed.inside("request") if failed.detail.field else failed
            except Exception:  # noqa: BLE001 - a fault of ours: logged in full, and the other baskets go on
                _LOG.exception("a basket of a stream failed")
                text = "a fault of the server; its log has more"
                error = Failure(grpc.StatusCode.INTERNAL, common.ERROR_REASON_INTERNAL, text)
            await asyncio.sleep(0)  # the long way is long: others have their turn
        if error is not None:
            counters.add(Metric.DECISIONS_REFUSED if isinstance(error, Refused) else Metric.DECISIONS_FAILED)
            message = pb.DecideBatchResponse(number=number, error=error.detail)
            responses.append(message.SerializeToString(deterministic=True))
        else:
            assert answer is not None
            head = pb.DecideBatchResponse(number=number).SerializeToString()
            responses.append(b"".join((head, b"\x12", varint(len(answer)), answer)))
    return responses


def _numbered(data: bytes) -> tuple[int, bytes | Failure]:
    """The number of a DecideBatchRequest and its basket, or why there is none. Raises Refused for other bytes.

    The bytes are taken as they are where they stand in the usual order: so nothing of them is lost, and the reader of
    requests sees them as they were sent."""
    number, at = 0, 0
    if data[:1] == b"\x08":
        number, at = _read_varint(data, 1)
    if at >= 0 and data[at : at + 1] == b"\x12":
        length, begin = _read_varint(data, at + 1)
        if begin >= 0 and begin + length == len(data):
            return number, data[begin:]
    try:
        number = pb.DecideBatchRequest.FromString(data).number
    except DecodeError:
        raise Refused("", "these bytes are not a DecideBatchRequest", common.ERROR_REASON_MALFORMED) from None
    try:
        message = parse(pb.DecideBatchRequest, data)
        if not message.HasField("request"):
            raise Refused("request", "needed: the basket, as for Decide", common.ERROR_REASON_MISSING)
    except Failure as failure:
        return number, failure
    return number, message.request.SerializeToString()


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of 64 bits with its sign, and where the next field begins; -1: it is none."""
    value = shift = 0
    for byte in data[at : at + 10]:
        value |= (byte & 127) << shift
        shift += 7
        at += 1
        if byte < 128:
            return (value + (1 << 63)) % (1 << 64) - (1 << 63), at
    return 0, -1


def varint(value: int) -> bytes:
    """A number that is not negative, as the wire has it."""
    if value < 128:
        return bytes((value,))
    digits = bytearray()
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    digits.append(value)
    return bytes(digits)
