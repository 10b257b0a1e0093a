"""Days for kernels are those of engine/calendar.py."""

from __future__ import annotations

import datetime
from random import Random

import numpy as np
import pytest

from engine import dates
from engine.calendar import EPOCH, UNITS, shifted


def days() -> list[datetime.date]:
    random = Random(7)
    edges = [datetime.date.min, datetime.date.max, EPOCH, datetime.date(2024, 2, 29), datetime.date(1900, 3, 1)]
    return edges + [datetime.date.fromordinal(random.randint(1, datetime.date.max.toordinal())) for _ in range(300)]


def test_numbers_and_dates_are_each_other() -> None:
    for day in days():
        number = (day - EPOCH).days
        assert dates.date_of(number) == (day.year, day.month, day.day)
        assert dates.number_of(day.year, day.month, day.day) == number


@pytest.mark.parametrize("unit", ["day", "week", "month", "year"])
def test_so_long_before(unit: str) -> None:
    random = Random(unit)
    for day in days():
        for count in (0, 1, 12, random.randint(0, 40), random.randint(0, 1_000_000)):
            expected = (shifted(day, -count, unit) - EPOCH).days
            assert dates.days_before((day - EPOCH).days, count, UNITS.index(unit)) == expected, (day, count)


def read(text: str) -> int:
    data = np.frombuffer(b"x" + text.encode() + b"x", np.uint8)
    return dates.read_day(data, 1, len(data) - 2)


def test_days_are_read_as_requests_say_them() -> None:
    for day in days():
        expected = (day - EPOCH).days if 1900 <= day.year <= 2199 else dates.NO_DAY
        assert read(day.isoformat()) == expected
    for text in ("", "2026-9-07", "2026-09-7x", "2026/09/07", "2025-02-29", "2026-00-10", "2026-13-01", "2026-01-00"):
        assert read(text) == dates.NO_DAY, text
    for text in ("2026-01-32", "20260107--", "２０２６-01"):
        assert read(text) == dates.NO_DAY, text
