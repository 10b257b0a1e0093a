"""Clocks: the only reader of the system's time. Everything else is given one of these.

`now_us` is the wall clock of this host; it may step. It never decides which ruleset is in force: that is the store's
clock (server/activate.py). `monotonic_ns` never goes back and counts time that the machine was suspended.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

_MONOTONIC = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock(Protocol):
    """What time it is."""

    def now_us(self) -> int:
        """Microseconds since 1970-01-01T00:00:00Z."""

    def monotonic_ns(self) -> int:
        """Nanoseconds since some instant; only differences mean something."""


class SystemClock:
    """This host's clocks."""

    def now_us(self) -> int:
        """Microseconds since 1970-01-01T00:00:00Z by this host's wall clock."""
        return time.time_ns() // 1_000

    def monotonic_ns(self) -> int:
        """Nanoseconds since boot, suspension included."""
        return time.clock_gettime_ns(_MONOTONIC)


@dataclass
class SimulatedClock:
    """A clock that stands still until it is told to move: for tests and simulations."""

    wall_us: int = 1_800_000_000_000_000
    ticks_ns: int = 0

    def now_us(self) -> int:
        """Microseconds since 1970-01-01T00:00:00Z, as last set."""
        return self.wall_us

    def monotonic_ns(self) -> int:
        """Nanoseconds that `advance` has let pass."""
        return self.ticks_ns

    def advance(self, us: int) -> None:
        """Let both clocks run for so many microseconds."""
        assert us >= 0
        self.wall_us += us
        self.ticks_ns += us * 1_000

    def step(self, us: int) -> None:
        """Set the wall clock forward or back, as an operator would; the monotonic clock does not notice."""
        self.wall_us += us
