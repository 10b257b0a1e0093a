"""Codes for the next time: until when they are valid."""

from __future__ import annotations

import datetime

import numpy as np

from engine.basket import AT_MAX_US
from engine.calendar import DAY_S, EPOCH, EXACT_US, instant, shifted
from engine.image import Ruleset
from engine.resolve import clock, transitions


def valid_until(ruleset: Ruleset, zone: int, at_us: int, count: int, unit: str) -> int:
    """The first instant at which a code that is given now is no longer valid; 0: it lies beyond what can be said.

    Minutes and hours are exact; of days and more the last day belongs to it to its end, by the clock of the zone."""
    if unit in EXACT_US:
        until = at_us + count * EXACT_US[unit]
    else:
        today = EPOCH + datetime.timedelta(seconds=int(clock(ruleset, zone)(np.array([at_us]))[0]))
        following = (shifted(today, count, unit) - EPOCH).days + 1
        rows = transitions(ruleset, zone)
        until = instant(rows[:, 0].tolist(), rows[:, 1].tolist(), following * DAY_S, last=True) * 1_000_000
    return until if until < AT_MAX_US else 0
