"""What happened before: when the events that one condition counts are among those that another one counts."""

from __future__ import annotations

from collections.abc import Callable

from engine import program as p

Subset = Callable[[str | None, str | None], bool]

_MINUTES = {"minute": 1, "hour": 60}
_DAYS = {"day": 1, "week": 7}
_MONTHS = {"month": 1, "year": 12}
_SPANS = {"day": ("day", "week", "month", "year"), "week": ("week",), "month": ("month", "year"), "year": ("year",)}


def excluded(many: p.Happened, few: p.Happened, subset: Subset) -> bool:
    """Can there not be so many of the one while there are so few of the other? `subset`: of product sets."""
    if many.low is None or few.high is None or many.low <= few.high or few.then:
        return False
    return among(many.events, few.events, subset) and inside(many.window, few.window)


def among(one: p.EventOf, other: p.EventOf, subset: Subset) -> bool:
    """Is every event of the one kind surely one of the other?"""
    if one.event != other.event or not all(test in one.where for test in other.where):
        return False
    return other.of is None or (one.of is not None and subset(one.of, other.of))


def inside(one: p.Window, other: p.Window) -> bool:
    """Does the one window lie in the other, whenever it is asked?"""
    match one, other:
        case _, p.Ever():
            return True
        case p.Since(), p.Since():
            return one.day >= other.day
        case p.This(), p.This():
            return other.span in _SPANS[one.span]
        case p.InTheLast(), p.InTheLast():
            if not shorter(one.length, other.length):
                return False
            return other.but_not is None or (one.but_not is not None and shorter(other.but_not, one.but_not))
    return False


def shorter(one: p.Length, other: p.Length) -> bool:
    """Does the one length never reach further back than the other? Days are whole local days, hours are exact."""
    for units in (_MINUTES, _DAYS, _MONTHS):
        if one.unit in units and other.unit in units:
            return one.count * units[one.unit] <= other.count * units[other.unit]
    if one.unit in _MINUTES:
        return one.count * _MINUTES[one.unit] <= (_least_days(other) - 1) * 1_440 - 60
    if other.unit in _MINUTES:
        return _most_days(one) * 1_440 + 60 <= other.count * _MINUTES[other.unit]
    return _most_days(one) <= _least_days(other)


def _least_days(length: p.Length) -> int:
    if length.unit in _DAYS:
        return length.count * _DAYS[length.unit]
    years, months = divmod(length.count * _MONTHS[length.unit], 12)
    return years * 365 + months * 28


def _most_days(length: p.Length) -> int:
    if length.unit in _DAYS:
        return length.count * _DAYS[length.unit]
    years, months = divmod(length.count * _MONTHS[length.unit], 12)
    return years * 366 + months * 31
