"""Who comes while a server stops: told at once; then kept for a moment, but not longer than there is time."""

import asyncio

import grpc
import pytest

from server.contract import Failure
from server.services import Gate


def away(gate: Gate, left_s: float | None = None) -> "asyncio.Task[None]":
    return asyncio.ensure_future(gate.turn_away(left_s))


async def told(task: "asyncio.Task[None]") -> grpc.StatusCode:
    with pytest.raises(Failure) as caught:
        async with asyncio.timeout(10):
            await task
    return caught.value.code


def test_calls_go_by_until_it_is_shut():
    gate = Gate()
    assert gate.enter()
    gate.shut = True
    assert not gate.enter()
    assert gate.arrived == 2


def test_who_comes_too_late_is_told_at_once():
    async def ask():
        return await told(away(Gate()))

    assert asyncio.run(ask()) is grpc.StatusCode.UNAVAILABLE


def test_held_they_are_told_when_they_are_let_go():
    async def ask():
        gate = Gate()
        gate.hold()
        late = away(gate), away(gate, 600.0)
        await asyncio.wait(late, timeout=0.01)
        assert not any(one.done() for one in late)
        gate.let_go()
        return [await told(one) for one in (*late, away(gate))]

    assert asyncio.run(ask()) == [grpc.StatusCode.UNAVAILABLE] * 3


def test_who_has_little_time_is_told_while_there_is_some():
    async def ask():
        gate = Gate()
        gate.hold()
        return [await told(away(gate, left_s)) for left_s in (0.02, 0.0, -1.0)]

    assert asyncio.run(ask()) == [grpc.StatusCode.UNAVAILABLE] * 3


def test_it_is_quiet_once_nobody_came_for_the_interval():
    async def ask():
        gate = Gate()
        coming = asyncio.ensure_future(come(gate))
        await gate.quiet(0.02, 600.0)
        assert coming.done()
        endless = asyncio.ensure_future(come(gate, 10**9))
        await gate.quiet(0.02, 0.1)  # not longer
        assert not endless.done()
        endless.cancel()

    async def come(gate, times=20):
        for _ in range(times):
            gate.enter()
            await asyncio.sleep(0.001)

    asyncio.run(ask())
