"""Which lines have an article of a product set, and which units a line has: turned round once for a request.

The buffer of a request says which sets hold each line. Whoever asks for one set, or for the units of few lines, would
have to look at all lines; here they are found by a hash table. One array, which begins with HEAD numbers.
"""

from __future__ import annotations

import numpy as np

from engine.kernel import Buffer, Ints, bare, gate
from engine.layout import Q_LINE_MARKS, Q_SET_BEGIN, Q_SETS, Q_UNIT_LINE, at, size

HEAD = 5
_MASK, _SPANS, _UNIT_BEGIN, _UNITS, _MARKS = range(HEAD)  # slots - 1; where spans of lines and of units begin, units,
# and room to mark lines in: all zero, whenever nobody does
_SLOTS_MIN = 64
_SPREAD, _SHIFT = 0x9E3779B1, 15  # multiplied by it, numbers that follow each other lie far apart


@bare
def slot_of(held: Ints, of: int) -> int:
    """The slot of a set, or the empty one that it would have."""
    mask = held[_MASK]
    slot = (of * _SPREAD >> _SHIFT) & mask
    while held[HEAD + slot] != 0 and held[HEAD + slot] != of + 1:
        slot = (slot + 1) & mask
    return slot


@bare
def lines_of(held: Ints, of: int) -> tuple[int, int]:
    """Where in the array the lines of a set stand, ascending."""
    slot = slot_of(held, of)
    if held[HEAD + slot] == 0:
        return 0, 0
    span = held[_SPANS] + 2 * slot
    return held[span], held[span + 1]


@bare
def units_of(held: Ints, line: int) -> tuple[int, int]:
    """Where in the array the units of a line stand, ascending."""
    span = held[_UNIT_BEGIN] + line
    return held[span], held[span + 1]


@bare
def mark_of(held: Ints, line: int) -> int:
    """Where in the array a line may be marked."""
    return held[_MARKS] + line


@gate
def turned_round(q: Buffer) -> Ints:
    """The array for a request."""
    lines, units, pairs = size(q, Q_LINE_MARKS), size(q, Q_UNIT_LINE), size(q, Q_SETS)
    slots = _SLOTS_MIN
    while slots < 2 * pairs:
        slots *= 2
    spans = HEAD + slots
    pool = spans + 2 * slots
    unit_begin = pool + pairs
    unit_pool = unit_begin + lines + 1
    marks = unit_pool + units
    noted = marks + lines  # by pair: its slot, while lines are sorted
    held = np.empty(noted + pairs, np.int64)
    held[_MASK], held[_SPANS], held[_UNIT_BEGIN], held[_UNITS] = slots - 1, spans, unit_begin, unit_pool
    held[_MARKS] = marks
    for i in range(marks, noted):
        held[i] = 0
    for i in range(HEAD, spans):
        held[i] = 0
    different = 0
    for i in range(pairs):
        of = at(q, Q_SETS, i)
        slot = slot_of(held, of)
        if held[HEAD + slot] == 0:
            held[HEAD + slot] = of + 1
            held[spans + 2 * slot] = 0
            held[pool + different] = slot
            different += 1
        held[spans + 2 * slot] += 1
        held[noted + i] = slot
    begin = pool
    for i in range(different):
        span = spans + 2 * held[pool + i]
        count = held[span]
        held[span] = held[span + 1] = begin
        begin += count
    for line in range(lines):
        for i in range(at(q, Q_SET_BEGIN, line), at(q, Q_SET_BEGIN, line + 1)):
            span = spans + 2 * held[noted + i]
            held[held[span + 1]] = line
            held[span + 1] += 1
    _sort_units(q, held, lines, units)
    return held


@bare
def _sort_units(q: Buffer, held: Ints, lines: int, units: int) -> None:
    """The units of each line."""
    unit_begin, place = held[_UNIT_BEGIN], held[_UNITS]
    for line in range(lines + 1):
        held[unit_begin + line] = 0
    for u in range(units):
        held[unit_begin + at(q, Q_UNIT_LINE, u)] += 1
    for line in range(lines + 1):
        place += held[unit_begin + line]
        held[unit_begin + line] = place  # where they end
    for u in range(units - 1, -1, -1):
        span = unit_begin + at(q, Q_UNIT_LINE, u)
        held[span] -= 1
        held[held[span]] = u
