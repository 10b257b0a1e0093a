"""A process of callers: asks nodes for prepared baskets back to back and records every call (tests/fault/audit.py).

    python -m tests.fault.callers FILE [--in-flight 1] [--streams 0] [--seed 1] [--as-of] NODE=HOST:PORT ...

Some ask call by call, some by streams (`DecideBatch`): STREAM baskets one after the other, WINDOW of them under way,
and then the next stream. So activations and faults come upon streams that begin, run and end. Of those asked call by
call a share is to be explained (`Explain`): that takes the long way through a server, and more time.

Says how many answers there are, a line every half second, until its standard input ends. It is a process of its own so
that the harness's links to the store do not wait for it, and gives way to servers where they share a processor.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import sys
from collections.abc import AsyncIterator, Sequence
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple, TextIO

import grpc
import uvloop

from benchmarks.drive import METHOD, cut, number_at
from einklang.v1 import common_pb2 as common
from einklang.v1 import decision_pb2 as pb
from server.batches import varint
from server.client import detail_of
from server.clock import SystemClock
from tests.e2e.requests import AT
from tests.fault.audit import Call

BASKETS: Final = 1_000
CHANNELS: Final = ("pos", "stores", "webshop", "marketplace")
ARTICLES: Final = ("penne", "spaghetti", "shirt", "roses")
STREAM: Final = 2_000  # baskets of a stream
WINDOW: Final = 32  # of them under way
DEADLINE_S: Final = 5.0
AGAIN_S: Final = 0.03  # after a call that failed
TOLD_S: Final = 0.5
NAMED_SHARE: Final = 0.05
EXPLAIN_SHARE: Final = 0.2  # of what is asked call by call
NAMED_US: Final = 5_000_000  # so far from the present, at most
EXPLAIN_METHOD: Final = "/einklang.v1.DecisionService/Explain"
BATCH_METHOD: Final = "/einklang.v1.DecisionService/DecideBatch"
OPTIONS: Final = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.enable_retries", 0),
]
_AS_OF: Final = b"\x68"  # field 13 of DecideRequest, a number
_NUMBER: Final = b"\x08"  # field 1 of DecideBatchRequest and DecideBatchResponse, a number
_EXPLAINED: Final = b"\x0a"  # field 1 of ExplainRequest: the DecideRequest
_BASKET: Final = b"\x12"  # field 2 of both: the DecideRequest, the DecideResponse
_CLOCK: Final = SystemClock()


class Asked(NamedTuple):
    """One basket that is under way."""

    node: str
    way: str
    basket: int
    named_us: int  # the instant that it names; 0: none
    sent_ns: int


def basket(number: int, channel: str) -> bytes:
    """One of them, the same for ever: for tests/e2e/project."""
    random = Random(number)
    request = pb.DecideRequest(channel=channel, currency="EUR", at_us=AT)
    for place in range(random.randint(1, 4)):
        request.lines.add(id=str(place + 1), article=random.choice(ARTICLES), quantity=random.randint(1, 4))
    if random.random() < 0.3:
        request.customer.facts_known = request.customer.consents_known = True
        request.customer.id = f"c-{random.randrange(100)}"
        value = common.Value(kind=common.VALUE_KIND_TEXT, text=random.choice(("gold", "none")))
        request.customer.attributes.add(name="tier", value=value)
    if random.random() < 0.3:
        request.fees.add(service="home-delivery", amount_minor=490)
        request.delivery_service = "home-delivery"
    return request.SerializeToString()


def recorded(asked: Asked, response: bytes) -> Call:
    """An answer. The decision's digest is computed from the bytes that came. An ExplainResponse begins as a
    DecideResponse does."""
    received_ns = _CLOCK.monotonic_ns()
    decided, rest = cut(response)
    envelope = pb.DecideResponse.FromString(rest).envelope
    ruleset, decision = _digests(decided)
    return Call(
        asked.sent_ns,
        received_ns,
        asked.node,
        asked.named_us,
        envelope.as_of_us,
        envelope.sequence,
        int(envelope.certainty),
        ruleset,
        decision,
        envelope.decision_digest,
        asked.basket,
        way=asked.way,
    )


@lru_cache(10_000)
def _digests(decided: bytes) -> tuple[str, str]:
    """The ruleset's, and that of these bytes."""
    return pb.Decision.FromString(decided).ruleset_digest, hashlib.sha256(decided).hexdigest()


def failed(asked: Asked, reason: str) -> Call:
    """A call without an answer."""
    return Call(
        asked.sent_ns,
        _CLOCK.monotonic_ns(),
        asked.node,
        asked.named_us,
        0,
        0,
        0,
        "",
        "",
        "",
        asked.basket,
        reason,
        asked.way,
    )


def why(error: grpc.RpcError) -> str:
    """What a call or a stream failed by, in a word."""
    detail = detail_of(error)
    return (detail is not None and word(detail)) or error.code().name


def word(detail: common.ErrorDetail) -> str:
    """The reason, as the contract names it; "": it has none."""
    return "" if not detail.reason else common.ErrorReason.Name(detail.reason).removeprefix("ERROR_REASON_")


def numbered(data: bytes) -> tuple[int, bytes | common.ErrorDetail]:
    """Whose answer a DecideBatchResponse is, and the bytes of the DecideResponse as they came, or why there is none."""
    number, place = number_at(data, 1) if data[:1] == _NUMBER else (0, 0)
    if data[place : place + 1] == _BASKET:
        length, begin = number_at(data, place + 1)
        if begin + length == len(data):
            return number, data[begin:]
    return number, pb.DecideBatchResponse.FromString(data).error


async def _read(call: Any) -> Any:
    """The next answer of a stream, or its end. Raises AioRpcError, TimeoutError: it is given up."""
    async with asyncio.timeout(DEADLINE_S):
        return await call.read()


class Callers:
    """All of this process, one file."""

    def __init__(self, file: TextIO, seed: int, as_of: bool) -> None:
        self.answers = 0
        self.ended = asyncio.Event()
        self._file = file
        self._random = Random(seed)
        self._as_of = as_of
        self._first_us = 0  # the earliest and the latest instant that any answer named
        self._last_us = 0
        self._baskets = [basket(number, CHANNELS[number % len(CHANNELS)]) for number in range(BASKETS)]

    async def ask(self, node: str, address: str) -> None:
        """One caller with a channel of its own, until the end."""
        async with grpc.aio.insecure_channel(address, options=OPTIONS) as channel:
            decide, explain = channel.unary_unary(METHOD), channel.unary_unary(EXPLAIN_METHOD)
            while not self.ended.is_set():
                explained = self._random.random() < EXPLAIN_SHARE
                asked, request = self._next(node, "explain" if explained else "unary")
                if explained:
                    request = _EXPLAINED + varint(len(request)) + request
                try:
                    call = recorded(asked, await (explain if explained else decide)(request, timeout=DEADLINE_S))
                except grpc.aio.AioRpcError as error:
                    call = failed(asked, why(error))
                self._record(call)
                if call.reason:
                    await asyncio.sleep(AGAIN_S)

    async def stream(self, node: str, address: str) -> None:
        """One caller with a channel of its own and streams one after the other, until the end."""
        async with grpc.aio.insecure_channel(address, options=OPTIONS) as channel:
            decide = channel.stream_stream(BATCH_METHOD)
            while not self.ended.is_set():
                under_way: dict[int, Asked] = {}
                reason = await self._one_stream(node, decide, under_way)
                for asked in under_way.values():
                    self._record(failed(asked, reason or "UNANSWERED"))
                if reason or under_way:
                    await asyncio.sleep(AGAIN_S)

    async def _one_stream(self, node: str, decide: Any, under_way: dict[int, Asked]) -> str:
        """From its first basket to its last answer. Why it failed, "" if it did not; what is not answered is left in
        `under_way`."""
        room = asyncio.Semaphore(WINDOW)
        refused = False

        async def requests() -> AsyncIterator[bytes]:
            for number in range(1, STREAM + 1):
                await room.acquire()
                if self.ended.is_set():
                    return
                if refused:
                    await asyncio.sleep(AGAIN_S)
                asked, request = self._next(node, "stream")
                under_way[number] = asked
                yield b"".join((_NUMBER, varint(number), _BASKET, varint(len(request)), request))

        call = decide(requests())
        try:
            while (response := await _read(call)) is not grpc.aio.EOF:
                number, answer = numbered(response)
                asked = under_way.pop(number)
                if refused := isinstance(answer, common.ErrorDetail):
                    self._record(failed(asked, word(answer) or "ERROR"))
                else:
                    self._record(recorded(asked, answer))
                room.release()
        except grpc.aio.AioRpcError as error:
            return why(error)
        except TimeoutError:
            return grpc.StatusCode.DEADLINE_EXCEEDED.name
        finally:
            call.cancel()
        return ""

    def _next(self, node: str, way: str) -> tuple[Asked, bytes]:
        """The next basket, and its request; the clock is read last."""
        random = self._random
        number = random.randrange(BASKETS)
        request, named_us = self._baskets[number], 0
        if self._as_of and self._first_us and random.random() < NAMED_SHARE:
            named_us = max(self._first_us, self._last_us + random.randint(-NAMED_US, NAMED_US))
            request += _AS_OF + varint(named_us)
        return Asked(node, way, number, named_us, _CLOCK.monotonic_ns()), request

    def _record(self, call: Call) -> None:
        self._file.write(call.line())
        if call.reason:
            return
        self.answers += 1
        if not call.named_us:
            self._first_us = self._first_us or call.as_of_us
            self._last_us = max(self._last_us, call.as_of_us)

    async def tell(self) -> None:
        """How many answers there are."""
        while not self.ended.is_set():
            print(self.answers, flush=True)
            await asyncio.sleep(TOLD_S)


async def run(options: argparse.Namespace) -> None:
    """Until standard input ends."""
    with open(options.file, "w", encoding="utf-8") as file:
        callers = Callers(file, options.seed, options.as_of)
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        async with asyncio.TaskGroup() as group:
            for given in options.nodes:
                node, _, address = given.partition("=")
                for _ in range(options.in_flight):
                    group.create_task(callers.ask(node, address))
                for _ in range(options.streams):
                    group.create_task(callers.stream(node, address))
            group.create_task(callers.tell())
            await reader.read()
            callers.ended.set()


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.fault.callers", description=__doc__.split("\n", 1)[0])
    parser.add_argument("file", type=Path, help="where calls are recorded")
    parser.add_argument("nodes", nargs="+", metavar="NODE=HOST:PORT")
    parser.add_argument("--in-flight", type=int, default=1, help="calls at a time and node")
    parser.add_argument("--streams", type=int, default=0, help="streams at a time and node")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--as-of", action="store_true", help="some calls name an instant")
    os.nice(5)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(parser.parse_args(arguments)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
