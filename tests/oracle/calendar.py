"""Local time (law 5, Time; law 3, ages): zones, spans, slots, dates. Everything is counted from 1970-01-01."""

from __future__ import annotations

import calendar
import datetime
from collections.abc import Set

from engine.program import OnlyOn, Runs, Slot, Zone
from tests.oracle.resolve import Truth

DAY = 86_400
EPOCH = datetime.date(1970, 1, 1).toordinal()
YEARS_US = (datetime.date(2100, 1, 1).toordinal() - EPOCH) * DAY * 1_000_000


def local(zone: Zone, instant: int) -> int:
    """Seconds on the zone's clock at an instant (seconds UTC)."""
    offset = zone.offsets[0]
    for begins, then in zip(zone.instants, zone.offsets, strict=True):
        if begins > instant:
            break
        offset = then
    return instant + offset


def instants(zone: Zone, moment: int) -> list[int]:
    """The instants at which the zone's clock shows a moment: two where it is repeated. Skipped: the first one after."""
    last = len(zone.instants) - 1
    found = []
    for number, offset in enumerate(zone.offsets):
        instant = moment - offset
        if (number == 0 or instant >= zone.instants[number]) and (
            number == last or instant < zone.instants[number + 1]
        ):
            found.append(instant)
    if found:
        return found
    return [next(begins for begins in zone.instants if local(zone, begins) > moment)]


def runs(span: Runs, zone: Zone, at_us: int) -> bool:
    """From the first `start` on, until before the last `until`."""
    if span.start is not None and at_us < min(instants(zone, span.start)) * 1_000_000:
        return False
    return span.until is None or at_us < max(instants(zone, span.until)) * 1_000_000


def in_slots(only: OnlyOn, zone: Zone, at_us: int, holidays: Set[tuple[int, str]], region: str | None) -> Truth:
    """On the local clock; a span past midnight belongs to the day it began on. `region` None: not known."""
    day, second = divmod(local(zone, at_us // 1_000_000), DAY)
    found: set[Truth] = set()
    for slot in only.slots:
        overnight = slot.start >= slot.until
        if slot.start <= second and (overnight or second < slot.until):
            found.add(on_day(slot, day, is_holiday(day, holidays, region)))
        if overnight and second < slot.until:
            found.add(on_day(slot, day - 1, is_holiday(day - 1, holidays, region)))
    return True if True in found else None if None in found else False


def is_holiday(day: int, holidays: Set[tuple[int, str]], region: str | None) -> Truth:
    """One of everywhere is one wherever; one of some region is one there."""
    where = {of for date, of in holidays if date == day}
    if "" in where:
        return True
    return None if where and region is None else region in where


def on_day(slot: Slot, day: int, holiday: Truth) -> Truth:
    """Unknown only where it depends on whether the day is a holiday, and that is not known."""
    weekday = (day + 3) % 7  # 1970-01-01 was a Thursday, bit 3
    usual = bool(slot.days >> weekday & 1)
    off = usual if slot.holidays is None else bool(slot.holidays >> weekday & 1)
    return usual if usual == off else None if holiday is None else off if holiday else usual


def today(zone: Zone, instant_us: int) -> int:
    """The local date of an instant (days since 1970)."""
    return local(zone, instant_us // 1_000_000) // DAY


def valid_until(zone: Zone, at_us: int, count: int, unit: str) -> int:
    """So much time later, exactly; or the last midnight of the last day, so many days or more after today. 0: not
    before 2100."""
    if unit in {"minute", "hour"}:
        until = at_us + count * {"minute": 60, "hour": 3_600}[unit] * 1_000_000
    else:
        last = ago(today(zone, at_us), -count, unit)
        until = at_us + YEARS_US if last is None else max(instants(zone, (last + 1) * DAY)) * 1_000_000
    return until if until < YEARS_US else 0


def same_period(day: int, other: int, span: str) -> bool:
    """Whether two dates lie in one calendar day, ISO week, month or year."""

    def period(number: int) -> tuple[int, ...]:
        date = datetime.date.fromordinal(EPOCH + number)
        year, week, _ = date.isocalendar()
        return {"day": (number,), "week": (year, week), "month": (date.year, date.month), "year": (date.year,)}[span]

    return period(day) == period(other)


def anniversaries(day: int, around: int) -> list[int]:
    """The dates on which a day and month come round, in the year of another date and its neighbours."""
    date, year = datetime.date.fromordinal(EPOCH + day), datetime.date.fromordinal(EPOCH + around).year
    found = []
    for one in (year - 1, year, year + 1):
        clamped = (date.month, date.day) == (2, 29) and not calendar.isleap(one)
        found.append(datetime.date(one, date.month, 28 if clamped else date.day).toordinal() - EPOCH)
    return found


def ago(day: int, count: int, unit: str) -> int | None:
    """The date (days since 1970) so many calendar units before another. None: beyond the calendar."""
    date = datetime.date.fromordinal(EPOCH + day)
    if unit in {"day", "week"}:
        return day - count * (7 if unit == "week" else 1)
    months = date.year * 12 + date.month - 1 - count * (12 if unit == "year" else 1)
    year, month = months // 12, months % 12 + 1
    if not datetime.MINYEAR <= year <= datetime.MAXYEAR:
        return None
    last = calendar.monthrange(year, month)[1]
    return datetime.date(year, month, min(date.day, last)).toordinal() - EPOCH
