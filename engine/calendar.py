"""Dates of the calendar: days so many units before or after another, and the spans that they lie in."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

DAY_S = 86_400
EPOCH = datetime.date(1970, 1, 1)
MINUTE_US = 60_000_000
EXACT_US = {"minute": MINUTE_US, "hour": 60 * MINUTE_US}  # units that are lengths of time, not of the calendar
UNITS = ("minute", "hour", "day", "week", "month", "year")
SPAN_DAYS = {"day": 1, "week": 7}


def instant(instants: Sequence[int], offsets: Sequence[int], local: int, *, last: bool) -> int:
    """The UTC second at which the clock of a zone shows `local` (seconds): of two the first, with `last` the second;
    if it never does, the first instant after the gap. The zone has these offsets from these instants on."""
    found = []
    for i, (begin, offset) in enumerate(zip(instants, offsets, strict=True)):
        second = local - offset
        if (begin <= second or i == 0) and (i + 1 == len(instants) or second < instants[i + 1]):
            found.append(second)
    if found:
        return found[-1] if last else found[0]
    return instants[max(i for i in range(1, len(instants)) if instants[i] + offsets[i - 1] <= local)]


def shifted(day: datetime.date, count: int, unit: str) -> datetime.date:
    """So many days, weeks, months or years later (negative: earlier). Months and years clamp to the end of the month,
    and nothing lies outside the years that have a calendar."""
    if unit in SPAN_DAYS:
        ordinal = day.toordinal() + count * SPAN_DAYS[unit]
        return datetime.date.fromordinal(min(max(1, ordinal), datetime.date.max.toordinal()))
    year, month = divmod(day.year * 12 + day.month - 1 + count * (12 if unit == "year" else 1), 12)
    if year < datetime.MINYEAR:
        return datetime.date(datetime.MINYEAR, 1, day.day)
    if year > datetime.MAXYEAR:
        return datetime.date.max
    return datetime.date(year, month + 1, min(day.day, days_of(year, month + 1)))


def days_of(year: int, month: int) -> int:
    """How many days a month has."""
    following = datetime.date(year + month // 12, month % 12 + 1, 1) if (year, month) != (9999, 12) else None
    return 31 if following is None else (following - datetime.timedelta(days=1)).day


def first_day(day: datetime.date, span: str) -> datetime.date:
    """The first day of the day, ISO week, month or year that a day lies in."""
    match span:
        case "week":
            return day - datetime.timedelta(days=day.weekday())
        case "month":
            return day.replace(day=1)
        case "year":
            return day.replace(month=1, day=1)
        case _:
            return day
