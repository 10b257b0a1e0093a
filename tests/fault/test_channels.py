"""The same baskets through four channels of several processes, none of which was started like another."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import ExitStack
from random import Random

import grpc
import pytest

from benchmarks.drive import METHOD, cut
from einklang.v1 import decision_pb2 as pb
from tests.e2e.conftest import PROJECT
from tests.fault.callers import BASKETS, CHANNELS, basket
from tests.fault.processes import environment
from tests.running import START_SECONDS, Server, short_directory

IN_FLIGHT = 16


def digests(address: str) -> dict[tuple[int, str], str]:
    """Of each basket in each channel: the SHA-256 of the decision's bytes, as they came."""
    found: dict[tuple[int, str], str] = {}
    asked = iter([(number, channel) for number in range(BASKETS) for channel in CHANNELS])

    async def ask() -> None:
        async with grpc.aio.insecure_channel(address) as connection:
            decide = connection.unary_unary(METHOD)

            async def some() -> None:
                for number, channel in asked:
                    decided, rest = cut(await decide(basket(number, channel), timeout=START_SECONDS))
                    found[number, channel] = hashlib.sha256(decided).hexdigest()
                    assert pb.DecideResponse.FromString(rest).envelope.decision_digest == found[number, channel]

            await asyncio.gather(*(some() for _ in range(IN_FLIGHT)))

    asyncio.run(ask())
    return found


def check(count: int, seed: int) -> None:
    """That there is one digest for each basket."""
    random = Random(seed)
    own = [environment(random) for _ in range(count)]
    with ExitStack() as stack:
        servers = []
        for number in range(count):
            home = stack.enter_context(short_directory())
            # A long lease: here it is about bytes, and whoever is asked does nothing else for seconds.
            terms = {"EINKLANG_LEASE_MS": "5000", "EINKLANG_GUARD_MS": "100", "EINKLANG_PUBLISH_IDLE_S": "1"}
            servers.append(Server(home, PROJECT, **own[number] | terms))
            stack.callback(servers[-1].close)
        first = digests(servers[0].ready().address)
        assert len(first) == BASKETS * len(CHANNELS)
        assert len(set(first.values())) > BASKETS // 10  # they do differ
        for number in range(BASKETS):
            assert len({first[number, channel] for channel in CHANNELS}) == 1
        for server, started in zip(servers[1:], own[1:], strict=True):
            assert digests(server.ready().address) == first, started


def test_two_processes_decide_alike_to_the_byte():
    check(2, seed=1)


@pytest.mark.long
def test_eight_processes_decide_alike_to_the_byte():
    check(8, seed=2)
