"""Clocks: the only reader of the system's time. Everything else is given one of these.

`now_us` is the wall clock of this host; it may step. It never decides which ruleset is in force: that is the store's
clock (server/activate.py). `monotonic_ns` never goes back and counts time that the machine was suspended.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

_MONOTONIC = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")


class Clock(Protocol):
    """What time it is."""

    def now_us(self) -> int:
        """Microseconds since 1970-01-01T00:00:00Z."""

    def monotonic_ns(self) -> int:
        """Nanoseconds since some instant; only differences mean something."""

    def boot(self) -> str:
        """A name for the time since this host was started: as long as it is the same, readings of `monotonic_ns` of
        one process mean something to another. "": not known."""


class SystemClock:
    """This host's clocks."""

    def now_us(self) -> int:
        """Microseconds since 1970-01-01T00:00:00Z by this host's wall clock."""
        return time.time_ns() // 1_000

    def monotonic_ns(self) -> int:
        """Nanoseconds since boot, suspension included."""
        return time.clock_gettime_ns(_MONOTONIC)

    def boot(self) -> str:
        """As Linux says."""
        try:
            return _BOOT.read_text("ascii").strip()
        except OSError:
            return ""


@dataclass
class SimulatedClock:
    """A clock that stands still until it is told to move: for tests and simulations."""

    wall_us: int = 1_800_000_000_000_000
    ticks_ns: int = 0
    boot_name: str = "boot 1"

    def now_us(self) -> int:
        """Microseconds since 1970-01-01T00:00:00Z, as last set."""
        return self.wall_us

    def monotonic_ns(self) -> int:
        """Nanoseconds that `advance` has let pass."""
        return self.ticks_ns

    def boot(self) -> str:
        """As last set."""
        return self.boot_name

    def advance(self, us: int) -> None:
        """Let both clocks run for so many microseconds."""
        assert us >= 0
        self.wall_us += us
        self.ticks_ns += us * 1_000

    def step(self, us: int) -> None:
        """Set the wall clock forward or back, as an operator would; the monotonic clock does not notice."""
        self.wall_us += us
