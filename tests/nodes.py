"""Nodes for tests: one that follows a real store, and one whose clock and Timeline a test owns."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from engine.timeline import Entry, Timeline
from server.clock import SimulatedClock, SystemClock
from server.keeper import Keeper
from server.lease import Node, Wait, Window
from server.settings import Settings
from server.store import Change, Draft, Store, opened
from server.telemetry import Counters
from tests.running import until

FOREVER = 1 << 62


@asynccontextmanager
async def following(store: Store) -> AsyncIterator[Keeper]:
    """A node that holds a lease, for the length of a block: without one nothing can be appended."""
    keeper = Keeper(store, Node(store.terms, secrets.token_hex(8)), SystemClock(), Counters())
    keeper.start(lambda: None)
    try:
        await asyncio.to_thread(until, lambda: keeper.lease is not None, what="a lease")
        yield keeper
    finally:
        await asyncio.to_thread(keeper.stop)


class Exactly:
    """T is what the test's clock says."""

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock = clock

    def earliest_us(self, _now_ns: int) -> int:
        return self._clock.now_us()

    latest_us = likely_us = earliest_us


@dataclass
class KnownExactly:
    """What is known of a Timeline by a node whose lease is as the test says; a boundary takes no time."""

    clock: SimulatedClock
    timeline: Timeline = field(default_factory=Timeline)
    has_lease: bool = True
    horizon: int = 0  # before which T a node that is cut off may answer
    reachable: bool = True
    problem: str = ""
    status: str = ""
    hurried: int = 0

    @property
    def lease(self) -> Any:
        return SimpleNamespace(bounds=Exactly(self.clock), end_ns=FOREVER, epoch=1) if self.has_lease else None

    @property
    def heard(self) -> Any:
        return SimpleNamespace(t_us=self.clock.now_us(), bounds=Exactly(self.clock))

    def window(self, now_ns: int) -> Window | Wait | None:
        if not self.has_lease:
            return None
        bounds: Any = Exactly(self.clock)
        now_us = self.clock.now_us()
        return Window(0, now_ns, FOREVER, self.timeline.in_force(now_us), bounds, 1)

    def final_us(self) -> int:
        return self.clock.now_us() + 1

    def horizon_us(self) -> int:
        return self.horizon

    def cut_off_us(self, _now_ns: int) -> int | None:
        now_us = self.clock.now_us()
        return now_us if not self.has_lease and now_us < self.horizon else None

    def says(self, status: str) -> None:
        self.status = status

    def hurry(self) -> None:
        self.hurried += 1


@contextmanager
def node_of(settings: Settings) -> Iterator[Keeper]:
    """The same for a test that has no event loop of its own."""

    async def made() -> Keeper:
        async with opened(settings) as store:
            return Keeper(store, Node(store.terms, secrets.token_hex(8)), SystemClock(), Counters())

    keeper = asyncio.run(made())
    keeper.start(lambda: None)
    try:
        until(lambda: keeper.lease is not None, what="a lease")
        yield keeper
    finally:
        keeper.stop()


async def appended(store: Store, digest: str, author: str = "anna", reason: str = "", **draft: Any) -> Entry:
    """One entry, appended."""
    (entry,) = await store.append([Draft(digest, **draft)], Change(author, reason))
    return entry
