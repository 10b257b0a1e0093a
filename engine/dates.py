"""Days of the calendar for kernels: numbered from 1970-01-01, as engine/calendar.py has them for Python."""

from __future__ import annotations

import datetime

from engine.calendar import EPOCH, UNITS
from engine.kernel import Bytes, kernel

NO_DAY = -(1 << 40)  # a text is no day
YEAR_MIN, YEAR_MAX = 1900, 2199  # of days that requests say
DAY, WEEK, MONTH, YEAR = (UNITS.index(unit) for unit in ("day", "week", "month", "year"))
_FIRST = (datetime.date.min - EPOCH).days
_LAST = (datetime.date.max - EPOCH).days
_OF_ERA = 146_097  # days of 400 years
_TO_MARCH = 719_468  # from 0000-03-01 to 1970-01-01
_ZERO, _DASH = ord("0"), ord("-")


@kernel
def number_of(year: int, month: int, day: int) -> int:
    """The number of a day."""
    if month <= 2:
        year -= 1
    of_era = year % 400
    of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return year // 400 * _OF_ERA + of_era * 365 + of_era // 4 - of_era // 100 + of_year - _TO_MARCH


@kernel
def date_of(number: int) -> tuple[int, int, int]:
    """Year, month and day of a number."""
    number += _TO_MARCH
    era = number // _OF_ERA
    of_era = number - era * _OF_ERA
    years = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * years + years // 4 - years // 100)
    months = (5 * of_year + 2) // 153
    month = months + 3 if months < 10 else months - 9
    return years + era * 400 + (1 if month <= 2 else 0), month, of_year - (153 * months + 2) // 5 + 1


@kernel
def length_of(year: int, month: int) -> int:
    """How many days a month has."""
    if month == 12:
        return 31
    return number_of(year, month + 1, 1) - number_of(year, month, 1)


@kernel
def days_before(number: int, count: int, unit: int) -> int:
    """The day so many days, weeks, months or years (positions in calendar.UNITS) before one; as calendar.shifted."""
    if unit == DAY or unit == WEEK:
        return min(max(_FIRST, number - count * (7 if unit == WEEK else 1)), _LAST)
    year, month, day = date_of(number)
    months = year * 12 + month - 1 - count * (12 if unit == YEAR else 1)
    year, month = months // 12, months % 12 + 1
    if year < 1:
        return number_of(1, 1, day)
    if year > 9_999:
        return _LAST
    return number_of(year, month, min(day, length_of(year, month)))


@kernel
def read_day(data: Bytes, begin: int, length: int) -> int:
    """The number of a day as «2026-09-07»; NO_DAY for anything else."""
    if length != 10 or data[begin + 4] != _DASH or data[begin + 7] != _DASH:
        return NO_DAY
    digits = 0
    for i in range(10):
        if i == 4 or i == 7:
            continue
        digit = int(data[begin + i]) - _ZERO
        if not 0 <= digit <= 9:
            return NO_DAY
        digits = digits * 10 + digit
    year, month, day = digits // 10_000, digits // 100 % 100, digits % 100
    if not YEAR_MIN <= year <= YEAR_MAX or not 1 <= month <= 12 or not 1 <= day <= length_of(year, month):
        return NO_DAY
    return number_of(year, month, day)
