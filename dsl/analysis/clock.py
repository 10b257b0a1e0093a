"""Schedules on the local clock: weekdays that never come, moments that a clock skips or shows twice, holidays."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from dsl.analysis.claims import Claim, claim
from dsl.analysis.ruleset import Rules
from dsl.phrases import listed as several
from dsl.phrases import say
from engine import program as p

DAY: Final = 86_400
_EPOCH = datetime.date(1970, 1, 1)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WEEKS_LOOKED_AT: Final = 8  # days of a schedule; in a longer one every weekday comes
_FAR: Final = 2**40  # seconds: of a run without a bound
_SHIFT_MAX: Final = 26 * 3600  # of a clock: zones that crossed the date line jumped by a day


def claims(rules: Rules) -> Iterator[Claim]:
    """What is odd about the schedules, though it can be meant."""
    for promotion in rules.promotions.values():
        yield from _days_that_never_come(rules, promotion)
        yield from _moments(rules, promotion)
        yield from _slots(rules, promotion)
        yield from _years_without_holidays(rules, promotion)


def never_on(rules: Rules, promotion: p.Promotion) -> bool:
    """Does no slot of «only on» ever come while the promotion runs?"""
    if promotion.only_on is None:
        return False
    return not any(coming(rules, promotion, lambda slot, day: may_hold(rules, slot, day)))


def may_hold(rules: Rules, slot: p.Slot, day: int) -> bool:
    """Does a slot hold on a day, in some region?"""
    return True in _on(rules, slot, day)


def must_hold(rules: Rules, slot: p.Slot, day: int) -> bool:
    """Does a slot hold on a day, in every region?"""
    return False not in _on(rules, slot, day)


def _on(rules: Rules, slot: p.Slot, day: int) -> set[bool]:
    """Whether a slot holds on a day, where that is a holiday and where it is none."""
    usual, off = bool(slot.days & _bits([day])), bool(days_off(slot) & _bits([day]))
    everywhere = (rules.holidays or {}).get(day)
    return {usual} if everywhere is None else {off} if everywhere else {usual, off}


def days_off(slot: p.Slot) -> int:
    """The days of the week on which a slot holds when they are holidays, as bits."""
    return slot.days if slot.holidays is None else slot.holidays


def coming(rules: Rules, promotion: p.Promotion, holds: Callable[[p.Slot, int], bool]) -> list[int]:
    """For each slot the weekdays, as bits, on which it comes while the promotion runs; in a long run all of its usual
    ones come."""
    assert promotion.only_on is not None
    runs = promotion.runs
    slots = promotion.only_on.slots
    if runs.start is None or runs.until is None or runs.until - runs.start > _WEEKS_LOOKED_AT * DAY:
        begin, end = (far if bound is None else bound for bound, far in ((runs.start, -_FAR), (runs.until, _FAR)))
        off = [day for day in rules.holidays or () if begin < (day + 1) * DAY and day * DAY < end]
        return [slot.days | _bits(day for day in off if holds(slot, day)) for slot in slots]
    begin, end = _widened(rules, promotion)
    found = []
    for slot in slots:
        length = slot.until - slot.start if slot.start < slot.until else slot.until + DAY - slot.start
        found.append(
            _bits(
                day
                for day in range(begin // DAY - 1, end // DAY + 1)
                if holds(slot, day) and begin - length < day * DAY + slot.start < end
            )
        )
    return found


def _bits(days: Iterable[int]) -> int:
    """The days of the week of these dates."""
    bits = 0
    for day in days:
        bits |= 1 << (day + 3) % 7  # 1970-01-01 was a Thursday
    return bits


def _widened(rules: Rules, promotion: p.Promotion) -> tuple[int, int]:
    """From when until when on the local clock; wider where a clock is changed at that time."""
    begin, end = promotion.runs.start, promotion.runs.until
    assert begin is not None and end is not None
    for zone in zones_of(rules, promotion):
        if any(abs(at - begin) < 2 * DAY for at in zone.instants[1:]):
            begin -= _SHIFT_MAX
        if any(abs(at - end) < 2 * DAY for at in zone.instants[1:]):
            end += _SHIFT_MAX
    return begin, end


def zones_of(rules: Rules, promotion: p.Promotion) -> list[p.Zone]:
    """The zones on whose clock it runs: one, or each store's."""
    names = {promotion.runs.zone}
    if promotion.runs.zone == "store-time":
        names = {name or rules.settings.timezone for name in (rules.stores.zones if rules.stores else ())}
        names.add(rules.settings.timezone)
    return [rules.zones[name] for name in sorted(names) if name in rules.zones]


# ---------------------------------------------------------------------------------------------------- weekdays


def _days_that_never_come(rules: Rules, promotion: p.Promotion) -> Iterator[Claim]:
    if promotion.only_on is None or never_on(rules, promotion):
        return  # it never applies: said elsewhere
    come = coming(rules, promotion, lambda slot, day: bool(slot.days & _bits([day])))
    ever = 0
    for days in come:
        ever |= days
    listed = 0
    for slot in promotion.only_on.slots:
        listed |= slot.days
    missing = [name for bit, name in enumerate(_DAYS) if (listed & ~ever) >> bit & 1]
    if missing and listed != 0b1111111:
        runs = promotion.runs
        assert runs.start is not None and runs.until is not None
        begins, ends = day(runs.start), day(runs.until - 1)
        yield claim("P3107", "promotion", promotion.name, "only on", known=several(missing), begins=begins, ends=ends)


def plain_day(number: int) -> str:
    """A date by its number since 1970."""
    return (_EPOCH + datetime.timedelta(days=number)).isoformat()


def _date(local: int) -> datetime.date:
    return _EPOCH + datetime.timedelta(days=local // DAY)


def day(local: int) -> str:
    """The date and weekday of a local moment."""
    date = _date(local)
    return f"{_DAYS[date.weekday()]} {date.isoformat()}"


def moment(local: int) -> str:
    """A local moment."""
    date = _date(local)
    return f"{date.isoformat()} {clock(local % DAY)}"


def clock(seconds: int) -> str:
    """Hours and minutes."""
    return f"{seconds // 3600:02}:{seconds % 3600 // 60:02}"


# ---------------------------------------------------------------------------------------------------- changes


def changes(zone: p.Zone) -> Iterator[tuple[int, int, bool]]:
    """Each change of a clock: the local span that is skipped (True) or shown twice (False)."""
    for number in range(1, len(zone.instants)):
        before, after = zone.offsets[number - 1], zone.offsets[number]
        edges = sorted((zone.instants[number] + before, zone.instants[number] + after))
        yield edges[0], edges[1], after > before


def _moments(rules: Rules, promotion: p.Promotion) -> Iterator[Claim]:
    """`from` and `until` at a time that a clock skips or shows twice. A date alone means the day."""
    runs = promotion.runs
    for what, local in (("begins", runs.start), ("ends", runs.until)):
        if local is None or local % DAY == 0:
            continue
        for zone in zones_of(rules, promotion):
            found = next(
                ((first, last, skipped) for first, last, skipped in changes(zone) if first <= local < last), None
            )
            if found is None or (found[2] and local == found[0]) or (not found[2] and local == found[0]):
                continue
            first, last, skipped = found
            if skipped:
                why = say(
                    "it is skipped: {first} is followed by {last}", first=clock(first % DAY), last=clock(last % DAY)
                )
                then = say("at {time}", time=clock(last % DAY))
            else:
                why = say(
                    "it comes twice: {last} is followed by {first}", first=clock(first % DAY), last=clock(last % DAY)
                )
                then = say("at the first of the two") if what == "begins" else say("at the second of the two")
            yield claim(
                "P3108",
                "promotion",
                promotion.name,
                "runs",
                value=moment(local),
                name=zone.name,
                why=why,
                what=say("begins") if what == "begins" else say("ends"),
                where=then,
            )
            break


def _years_without_holidays(rules: Rules, promotion: p.Promotion) -> Iterator[Claim]:
    """A table of holidays that ends before the promotion does: the first year of which it has no day."""
    runs, only_on = promotion.runs, promotion.only_on
    asks = only_on is not None and any(days_off(slot) != slot.days for slot in only_on.slots)
    if not asks or rules.holidays is None or runs.start is None:
        return
    last = runs.start if runs.until is None else runs.until - 1  # who runs for ever will have the next table
    years = range(_date(runs.start).year, _date(last).year + 1)
    known = {plain_day(day)[:4] for day in rules.holidays}
    missing = next((str(year) for year in years if str(year) not in known), None)
    if missing is not None:
        yield claim("P3110", "promotion", promotion.name, "only on", name=promotion.name, value=missing)


def _slots(rules: Rules, promotion: p.Promotion) -> Iterator[Claim]:
    """Slots with an end inside a span that a clock skips or shows twice: the first such day."""
    if promotion.only_on is None:
        return
    begin, end = promotion.runs.start, promotion.runs.until
    for zone in zones_of(rules, promotion):
        for first, last, skipped in changes(zone):
            if begin is None or last <= begin or (end is not None and first >= end):
                continue
            if end is None and first > begin + 366 * DAY:
                break  # later ones are of the same kind
            if any(_cut(rules, slot, first, last, skipped) for slot in promotion.only_on.slots):
                hours = f"{clock(first % DAY)}-{clock(last % DAY)}"
                what = say("is skipped") if skipped else say("comes twice")
                yield claim(
                    "P3109",
                    "promotion",
                    promotion.name,
                    "only on",
                    begins=day(first),
                    name=zone.name,
                    value=hours,
                    what=what,
                )
                return


def _cut(rules: Rules, slot: p.Slot, first: int, last: int, skipped: bool) -> bool:
    """Does the slot begin or end inside the span, or lie in it?"""
    for back in (0, 1):
        origin = first // DAY - back
        if not may_hold(rules, slot, origin):
            continue
        begins = origin * DAY + slot.start
        ends = origin * DAY + slot.until + (0 if slot.start < slot.until else DAY)
        if skipped and (first <= begins < last or first < ends <= last):
            return True
        inside = first <= begins and ends <= last
        if not skipped and (inside or first < begins < last or first < ends < last):
            return True
    return False
