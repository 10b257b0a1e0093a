"""Instants as people write and read them: "+10m", "2026-12-01T06:00+01:00", "2026-12-01 06:00" by the local clock.

Nothing here asks what time it is: what an instant is relative to is given, the Timeline's time above all.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from engine.timeline import INSTANT_MAX_US

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS: Final = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_AHEAD: Final = re.compile(r"\+(?:\d{1,6}[wdhms])+")
_HINT: Final = "write +10m, 2026-12-01T06:00+01:00, or 2026-12-01T06:00 by the clock of this machine"


class NoInstant(Exception):
    """This text is no instant; the message says what to write."""


def parse(text: str, now_us: int) -> int:
    """Microseconds since 1970-01-01T00:00:00Z. "+10m" and the like count from `now_us`. Raises NoInstant, also where
    clocks are set forward or back and a local time is no instant, or two."""
    text = text.strip()
    us = now_us + ahead_us(text) if _AHEAD.fullmatch(text) else _written(text)
    if not 0 < us <= INSTANT_MAX_US:
        raise NoInstant(f"{text!r} is not between 1970 and 2100: {_HINT}")
    return us


def _written(text: str) -> int:
    """An instant by date and time of day."""
    try:
        moment = datetime.fromisoformat(text)
        if len(text) <= len("2026-12-01"):
            raise NoInstant(f"{text!r} says no time of day: {_HINT}")
        if moment.tzinfo is None:
            first, second = moment.astimezone(), moment.replace(fold=1).astimezone()
            if first.utcoffset() != second.utcoffset():
                often = "twice" if first.replace(tzinfo=None) == moment else "never"
                raise NoInstant(f"{text!r} comes {often} by the clock of this machine, which is set then: {_HINT}")
            moment = first
        since = moment - _EPOCH
    except (ValueError, OverflowError, OSError):
        raise NoInstant(f"{text!r} is no instant: {_HINT}") from None
    return since // timedelta(microseconds=1)


def is_ahead(text: str) -> bool:
    """Whether it counts from now."""
    return _AHEAD.fullmatch(text.strip()) is not None


def ahead_us(text: str) -> int:
    """The microseconds of "+1h30m"."""
    parts = re.findall(r"(\d+)([wdhms])", text)
    return sum(int(count) * _UNITS[unit] for count, unit in parts) * 1_000_000


def local(us: int) -> str:
    """An instant by the clock of this machine: "2026-12-01 06:00:00 +01:00"."""
    moment = (_EPOCH + timedelta(microseconds=us)).astimezone()
    return moment.isoformat(sep=" ", timespec="seconds")[:19] + " " + moment.isoformat()[-6:]


def span(us: int) -> str:
    """A length of time in its two largest units: "2 h 5 min", "4 s", "0.3 s"."""
    if us < 10_000_000:
        return f"{us / 1e6:.1f} s".replace(".0 ", " ")
    seconds = us // 1_000_000
    parts: list[str] = []
    for name, unit in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, seconds = divmod(seconds, unit)
        if count or parts:
            parts.append(f"{count} {name}" if count else "")
        if len(parts) == 2:
            break
    return " ".join(part for part in parts if part)


def from_now(us: int, now_us: int) -> str:
    """How far an instant is from another: "in 2 h 5 min", "4 s ago"."""
    return f"in {span(us - now_us)}" if us > now_us else f"{span(now_us - us)} ago"
