"""A process of callers: asks nodes for prepared baskets back to back and records every call (tests/fault/audit.py).

    python -m tests.fault.callers FILE [--in-flight 1] [--seed 1] [--as-of] NODE=HOST:PORT ...

Says how many answers there are, a line every half second, until its standard input ends. It is a process of its own so
that the harness's links to the store do not wait for it, and gives way to servers where they share a processor.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Final, TextIO

import grpc

from benchmarks.drive import METHOD, cut
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
DEADLINE_S: Final = 5.0
AGAIN_S: Final = 0.03  # after a call that failed
TOLD_S: Final = 0.5
NAMED_SHARE: Final = 0.05
NAMED_US: Final = 5_000_000  # so far from the present, at most
OPTIONS: Final = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.enable_retries", 0),
]
_AS_OF: Final = b"\x68"  # field 13 of DecideRequest, a number
_CLOCK: Final = SystemClock()


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


def recorded(node: str, number: int, named_us: int, sent_ns: int, response: bytes) -> Call:
    """An answer. The decision's digest is computed from the bytes that came."""
    received_ns = _CLOCK.monotonic_ns()
    decided, rest = cut(response)
    envelope = pb.DecideResponse.FromString(rest).envelope
    return Call(
        sent_ns,
        received_ns,
        node,
        named_us,
        envelope.as_of_us,
        envelope.sequence,
        int(envelope.certainty),
        pb.Decision.FromString(decided).ruleset_digest,
        hashlib.sha256(decided).hexdigest(),
        envelope.decision_digest,
        number,
    )


def failed(node: str, number: int, named_us: int, sent_ns: int, error: grpc.RpcError) -> Call:
    """A call without an answer."""
    detail = detail_of(error)
    reason = "" if detail is None else common.ErrorReason.Name(detail.reason).removeprefix("ERROR_REASON_")
    return Call(
        sent_ns, _CLOCK.monotonic_ns(), node, named_us, 0, 0, 0, "", "", "", number, reason or error.code().name
    )


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
        random = self._random
        async with grpc.aio.insecure_channel(address, options=OPTIONS) as channel:
            decide = channel.unary_unary(METHOD)
            while not self.ended.is_set():
                number = random.randrange(BASKETS)
                named_us = 0
                request = self._baskets[number]
                if self._as_of and self._first_us and random.random() < NAMED_SHARE:
                    named_us = max(self._first_us, self._last_us + random.randint(-NAMED_US, NAMED_US))
                    request += _AS_OF + varint(named_us)
                sent_ns = _CLOCK.monotonic_ns()
                try:
                    call = recorded(node, number, named_us, sent_ns, await decide(request, timeout=DEADLINE_S))
                except grpc.aio.AioRpcError as error:
                    call = failed(node, number, named_us, sent_ns, error)
                self._file.write(call.line())
                if call.reason:
                    await asyncio.sleep(AGAIN_S)
                    continue
                self.answers += 1
                if not named_us:
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
            group.create_task(callers.tell())
            await reader.read()
            callers.ended.set()


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.fault.callers", description=__doc__.split("\n", 1)[0])
    parser.add_argument("file", type=Path, help="where calls are recorded")
    parser.add_argument("nodes", nargs="+", metavar="NODE=HOST:PORT")
    parser.add_argument("--in-flight", type=int, default=1, help="calls at a time and node")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--as-of", action="store_true", help="some calls name an instant")
    os.nice(5)
    asyncio.run(run(parser.parse_args(arguments)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
