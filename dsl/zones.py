"""Time zones, pinned: the offsets of the `tzdata` package, never those of the machine, from 1970 to 2100."""

from __future__ import annotations

import datetime
import functools
import importlib.resources
import struct
import zoneinfo

from engine.program import Zone

_FIRST = 0
_UNTIL = 4_102_444_800  # 2100-01-01T00:00:00Z
_DAY = 86_400


@functools.cache
def known_zones() -> frozenset[str]:
    """The names of all zones that stand for a place."""
    names = importlib.resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()
    return frozenset(name for name in names if "/" in name or name == "UTC")


@functools.cache
def zone(name: str) -> Zone:
    """The Program of a known zone."""
    assert name in known_zones(), name
    info, listed = _load(name)
    candidates = {_FIRST, *(instant for instant in listed if _FIRST < instant < _UNTIL)}
    instants = [_FIRST]
    offsets = [_offset(info, _FIRST)]
    for instant in sorted(candidates):
        _step(info, instant, instants, offsets)
    for instant in range(max(candidates) // _DAY * _DAY + _DAY, _UNTIL, _DAY):  # the rule after the listed ones
        if _offset(info, instant) != offsets[-1]:
            _step(info, _first_changed(info, instant - _DAY, instant, offsets[-1]), instants, offsets)
    return Zone(name=name, instants=tuple(instants), offsets=tuple(offsets), until=_UNTIL)


def utc_seconds(zone_name: str, day: datetime.date, seconds: int) -> int:
    """The instant of a local moment: a repeated one is the first, a skipped one the first instant after it."""
    table = zone(zone_name)
    local = (day - datetime.date(1970, 1, 1)).days * _DAY + seconds
    ends = (*table.instants[1:], table.until)
    for begin, end, offset in zip(table.instants, ends, table.offsets, strict=True):
        instant = local - offset
        if instant < end:
            return max(instant, begin)
    return local - table.offsets[-1]


def local_seconds(zone_name: str, instant: int) -> int:
    """What the clock of a zone shows, as seconds since 1970-01-01T00:00 on that clock."""
    table = zone(zone_name)
    offset = table.offsets[0]
    for begin, candidate in zip(table.instants, table.offsets, strict=True):
        if begin > instant:
            break
        offset = candidate
    return instant + offset


def _step(info: zoneinfo.ZoneInfo, instant: int, instants: list[int], offsets: list[int]) -> None:
    offset = _offset(info, instant)
    if offset != offsets[-1]:
        instants.append(instant)
        offsets.append(offset)


def _offset(info: zoneinfo.ZoneInfo, instant: int) -> int:
    offset = datetime.datetime.fromtimestamp(instant, tz=datetime.UTC).astimezone(info).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


def _first_changed(info: zoneinfo.ZoneInfo, low: int, high: int, before: int) -> int:
    """The first instant in (low, high] whose offset is no longer `before`."""
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(info, middle) == before:
            low = middle
        else:
            high = middle
    return high


def _load(name: str) -> tuple[zoneinfo.ZoneInfo, tuple[int, ...]]:
    """The zone of the package, and the transitions that its file lists (RFC 8536, the 64-bit block)."""
    resource = importlib.resources.files("tzdata").joinpath("zoneinfo", *name.split("/"))
    data = resource.read_bytes()
    with resource.open("rb") as file:
        info = zoneinfo.ZoneInfo.from_file(file, key=name)
    utc, std, leap, times, types, chars = struct.unpack(">6l", data[20:44])
    second = 44 + times * 5 + types * 6 + chars + leap * 8 + std + utc
    count = struct.unpack(">6l", data[second + 20 : second + 44])[3]
    return info, struct.unpack(f">{count}q", data[second + 44 : second + 44 + 8 * count])
