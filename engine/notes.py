"""What is noted of one request while it is judged: one array, made once.

The buffer of a request says which sets hold each line. Whoever asks for one set, or for the units of few lines, would
have to look at all lines; here they are found by a hash table. Then what has been judged of segments and places, and
what is left of fees and lines before the group that is settled.
"""

from __future__ import annotations

import numpy as np

from engine.image import STACK_MAX
from engine.kernel import Buffer, Ints, bare, gate
from engine.layout import (
    Q_FEES,
    Q_LINE_MARKS,
    Q_SET_BEGIN,
    Q_SETS,
    Q_UNIT_LINE,
    Q_UNIT_LIST,
    R_PLACE_BEGIN,
    R_SEGMENT_BEGIN,
    at,
    size,
)

HEAD = 12
(
    _MASK,  # slots of the hash table, less one; the table begins behind these numbers. Then where begin:
    _SPANS,  # by slot: where the lines of a set begin and end
    _UNIT_BEGIN,  # by line: where its units begin
    _UNITS,
    _MARKS,  # by line: room to mark it, which is zero whenever nobody does
    N_SEGMENT,  # by segment: its truth, or UNJUDGED
    N_WILLING,  # the same, if every consent were given
    N_PLACE,  # by place: its truth
    N_FEES,  # by service: what is left before the group
    N_WORTH,  # by line: list amounts; then what is left before the group
    N_STACK,  # room for the truths of one line of conditions
    N_TOTAL,  # not a place: what the last threshold looked at came to
) = range(HEAD)
UNJUDGED = -1
_SLOTS_MIN = 64
_SPREAD, _SHIFT = 0x9E3779B1, 15  # multiplied by it, numbers that follow each other lie far apart


@bare
def slot_of(notes: Ints, of: int) -> int:
    """The slot of a set, or the empty one that it would have."""
    mask = notes[_MASK]
    slot = (of * _SPREAD >> _SHIFT) & mask
    while notes[HEAD + slot] != 0 and notes[HEAD + slot] != of + 1:
        slot = (slot + 1) & mask
    return slot


@bare
def lines_of(notes: Ints, of: int) -> tuple[int, int]:
    """Where in the array the lines of a set stand, ascending."""
    slot = slot_of(notes, of)
    if notes[HEAD + slot] == 0:
        return 0, 0
    span = notes[_SPANS] + 2 * slot
    return notes[span], notes[span + 1]


@bare
def units_of(notes: Ints, line: int) -> tuple[int, int]:
    """Where in the array the units of a line stand, ascending."""
    span = notes[_UNIT_BEGIN] + line
    return notes[span], notes[span + 1]


@bare
def mark_of(notes: Ints, line: int) -> int:
    """Where in the array a line may be marked."""
    return notes[_MARKS] + line


@bare
def noted(notes: Ints, field: int, i: int) -> int:
    """Entry i of a field."""
    return notes[notes[field] + i]


@bare
def note(notes: Ints, field: int, i: int, value: int) -> None:
    """Write entry i of a field."""
    notes[notes[field] + i] = value


@gate
def notes_of(rules: Buffer, q: Buffer) -> Ints:
    """The array for a request, nothing judged yet."""
    lines, units, pairs = size(q, Q_LINE_MARKS), size(q, Q_UNIT_LINE), size(q, Q_SETS)
    segments = size(rules, R_SEGMENT_BEGIN) - 1
    slots = _SLOTS_MIN
    while slots < 2 * pairs:
        slots *= 2
    spans = HEAD + slots
    pool = spans + 2 * slots
    unit_begin = pool + pairs
    unit_pool = unit_begin + lines + 1
    marks = unit_pool + units
    segment = marks + lines
    place = segment + 2 * segments
    fees = place + size(rules, R_PLACE_BEGIN) - 1
    worth = fees + size(q, Q_FEES)
    stack = worth + 2 * lines
    noted_slots = stack + STACK_MAX  # by pair: its slot, while lines are sorted
    notes = np.empty(noted_slots + pairs, np.int64)
    notes[_MASK], notes[_SPANS], notes[_UNIT_BEGIN], notes[_UNITS] = slots - 1, spans, unit_begin, unit_pool
    notes[_MARKS], notes[N_SEGMENT], notes[N_WILLING], notes[N_PLACE] = marks, segment, segment + segments, place
    notes[N_FEES], notes[N_WORTH], notes[N_STACK] = fees, worth, stack
    notes[HEAD:spans] = 0
    notes[marks:segment] = 0
    notes[segment:place] = UNJUDGED
    _sort_lines(q, notes, pool, noted_slots)
    _sort_units(q, notes)
    notes[worth:stack] = 0
    for u in range(units):
        notes[worth + at(q, Q_UNIT_LINE, u)] += at(q, Q_UNIT_LIST, u)
    return notes


@bare
def _sort_lines(q: Buffer, notes: Ints, pool: int, slots: int) -> None:
    """The lines of each set, into the pool; the slot of each pair of line and set is kept from place `slots` on."""
    spans = notes[_SPANS]
    different = 0
    for i in range(size(q, Q_SETS)):
        of = at(q, Q_SETS, i)
        slot = slot_of(notes, of)
        if notes[HEAD + slot] == 0:
            notes[HEAD + slot] = of + 1
            notes[spans + 2 * slot] = 0
            notes[pool + different] = slot
            different += 1
        notes[spans + 2 * slot] += 1
        notes[slots + i] = slot
    begin = pool
    for i in range(different):
        span = spans + 2 * notes[pool + i]
        count = notes[span]
        notes[span] = notes[span + 1] = begin
        begin += count
    for line in range(size(q, Q_LINE_MARKS)):
        for i in range(at(q, Q_SET_BEGIN, line), at(q, Q_SET_BEGIN, line + 1)):
            span = spans + 2 * notes[slots + i]
            notes[notes[span + 1]] = line
            notes[span + 1] += 1


@bare
def _sort_units(q: Buffer, notes: Ints) -> None:
    """The units of each line."""
    lines, units = size(q, Q_LINE_MARKS), size(q, Q_UNIT_LINE)
    unit_begin, place = notes[_UNIT_BEGIN], notes[_UNITS]
    for line in range(lines + 1):
        notes[unit_begin + line] = 0
    for u in range(units):
        notes[unit_begin + at(q, Q_UNIT_LINE, u)] += 1
    for line in range(lines + 1):
        place += notes[unit_begin + line]
        notes[unit_begin + line] = place  # where they end
    for u in range(units - 1, -1, -1):
        span = unit_begin + at(q, Q_UNIT_LINE, u)
        notes[span] -= 1
        notes[notes[span]] = u


@bare
def weigh(q: Buffer, notes: Ints, left: Ints) -> None:
    """Note what is left of each line."""
    lines, worth = size(q, Q_LINE_MARKS), notes[N_WORTH]
    for place in range(worth + lines, worth + 2 * lines):
        notes[place] = 0
    for u in range(left.shape[0]):
        notes[worth + lines + at(q, Q_UNIT_LINE, u)] += left[u]
