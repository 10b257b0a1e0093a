"""Flat tables (engine/answered.py) → the bytes of a Decision, in one compiled call.

The bytes are the contract's canonical ones: fields ascend by number, what holds its default is left out, numbers are in
as few bytes as they need. They are written from the last to the first, to the end of the room: so the length of a
message is known when it is to be written, before its content.

Within, a position is where what is written so far begins; below 0: there was no room, or a text or a row that a table
names is not there.
"""

from __future__ import annotations

import numpy as np

from engine.answered import (
    ANSWERED,
    BEGIN,
    COLUMNS,
    DECISION,
    IN_REQUEST,
    IN_RULESET,
    NAMES,
    NUMBER,
    OPTIONAL,
    READY,
    ROOM,
    ROWS,
    SIZE,
    TEXT,
    TEXTS,
    THE_TEXTS,
    WIDTHS,
)
from engine.kernel import Buffer, Bytes, Ints, Out, bare, bare_gate, copy_bytes

NO_ROOM = -1
VARINT, LENGTH = 0, 2  # how the wire has numbers; texts and messages
LAST = 0  # a tag that no field has


TAG, FORM, FIRST, DECIDES, OF = range(5)  # columns of forms


def _forms() -> Ints:
    """By message, fields from the last to the first: (tag, form, first column, the one that is 0 where there is nothing
    to write, table of its rows); then LAST."""
    most = 1 + max(len(fields) for _, _, fields in ANSWERED)
    forms = np.full((len(ANSWERED), most, 5), LAST, np.int64)
    for table, (_, _, fields) in enumerate(ANSWERED):
        first = 0
        for place, (_, number_, form, of) in enumerate(fields):
            tag = number_ << 3 | (VARINT if form in (NUMBER, OPTIONAL) else LENGTH)
            rows = NAMES.index(of) if form == ROWS else THE_TEXTS
            forms[table, len(fields) - 1 - place] = (tag, form, first, first + COLUMNS[form] - 1, rows)
            first += COLUMNS[form]
    return forms


FORMS = _forms()  # a constant of what is compiled
COLUMNS_OF = np.array(WIDTHS, np.int64)
BEGINS = np.array(BEGIN, np.int64)
ROOMS = np.array(ROOM, np.int64)


# ---------------------------------------------------------------------------------------------------- messages
# A Decision holds messages that hold messages, and no deeper; so none of these functions calls itself.


@bare_gate
def write(answered: Buffer, request: Bytes, ruleset: Bytes, call: Bytes, out: Out) -> int:
    """Write the Decision to the end of `out`; where it begins there, or NO_ROOM.

    `request`, `ruleset`, `call`: the bytes that texts are in."""
    if answered.shape[0] < SIZE or rows_of(answered, DECISION) < 1:
        return NO_ROOM
    at = out.shape[0]
    begin = BEGINS[DECISION]
    field = 0
    while FORMS[DECISION, field, TAG] != LAST and at >= 0:
        if answered[begin + FORMS[DECISION, field, DECIDES]] != 0:
            tag, form, cell = (
                FORMS[DECISION, field, TAG],
                FORMS[DECISION, field, FORM],
                begin + FORMS[DECISION, field, FIRST],
            )
            if form == ROWS:
                of = FORMS[DECISION, field, OF]
                first, row = span(answered, cell, of)
                if row < 0:
                    return NO_ROOM
                while row > first and at >= 0:
                    row -= 1
                    end = at
                    at = branch(answered, request, ruleset, call, out, of, row, at)
                    at = head(out, at, tag, end - at)
            elif form == TEXTS:
                at = several(answered, request, ruleset, call, out, tag, cell, at)
            else:
                at = plain(answered, request, ruleset, call, out, tag, form, cell, at)
        field += 1
    return at


@bare
def branch(
    answered: Buffer, request: Bytes, ruleset: Bytes, call: Bytes, out: Out, table: int, row: int, at: int
) -> int:
    """A message that a Decision holds, before what is written."""
    begin = BEGINS[table] + row * COLUMNS_OF[table]
    field = 0
    while FORMS[table, field, TAG] != LAST and at >= 0:
        if answered[begin + FORMS[table, field, DECIDES]] != 0:
            tag, form, cell = FORMS[table, field, TAG], FORMS[table, field, FORM], begin + FORMS[table, field, FIRST]
            if form == ROWS:
                of = FORMS[table, field, OF]
                first, inner = span(answered, cell, of)
                if inner < 0:
                    return NO_ROOM
                while inner > first and at >= 0:
                    inner -= 1
                    end = at
                    at = leaf(answered, request, ruleset, call, out, of, inner, at)
                    at = head(out, at, tag, end - at)
            elif form == TEXTS:
                at = several(answered, request, ruleset, call, out, tag, cell, at)
            else:
                at = plain(answered, request, ruleset, call, out, tag, form, cell, at)
        field += 1
    return at


@bare
def leaf(answered: Buffer, request: Bytes, ruleset: Bytes, call: Bytes, out: Out, table: int, row: int, at: int) -> int:
    """A message that holds none, before what is written."""
    begin = BEGINS[table] + row * COLUMNS_OF[table]
    field = 0
    while FORMS[table, field, TAG] != LAST and at >= 0:
        if answered[begin + FORMS[table, field, DECIDES]] != 0:
            tag, form, cell = FORMS[table, field, TAG], FORMS[table, field, FORM], begin + FORMS[table, field, FIRST]
            at = plain(answered, request, ruleset, call, out, tag, form, cell, at)
        field += 1
    return at


@bare
def plain(
    answered: Buffer, request: Bytes, ruleset: Bytes, call: Bytes, out: Out, tag: int, form: int, cell: int, at: int
) -> int:
    """A number or a text, before what is written."""
    if form == NUMBER:
        return number(out, number(out, at, answered[cell]), tag)
    if form == OPTIONAL:
        return number(out, number(out, at, answered[cell] - 1), tag)
    return text(answered, request, ruleset, call, out, tag, form, cell, at)


@bare_gate
def several(
    answered: Buffer, request: Bytes, ruleset: Bytes, call: Bytes, out: Out, tag: int, cell: int, at: int
) -> int:
    """A list of texts, before what is written."""
    first, row = span(answered, cell, THE_TEXTS)
    if row < 0:
        return NO_ROOM
    while row > first and at >= 0:
        row -= 1
        at = text(answered, request, ruleset, call, out, tag, TEXT, BEGINS[THE_TEXTS] + row * COLUMNS_OF[THE_TEXTS], at)
    return at


# ---------------------------------------------------------------------------------------------------- the wire's forms


@bare
def rows_of(answered: Buffer, table: int) -> int:
    """How many rows a table has now; none where its directory does not describe it."""
    rows = answered[2 * table + 1] // COLUMNS_OF[table]
    if answered[2 * table] != BEGINS[table] or rows > ROOMS[table]:
        return 0
    return rows


@bare
def span(answered: Buffer, cell: int, table: int) -> tuple[int, int]:
    """The first of the rows that a field names, and the one behind the last; NO_ROOM for that: they are not there."""
    first, many = answered[cell], answered[cell + 1]
    if first < 0 or many < 0 or first > rows_of(answered, table) - many:
        return 0, NO_ROOM
    return first, first + many


@bare
def text(
    answered: Buffer, request: Bytes, ruleset: Bytes, call: Bytes, out: Out, tag: int, form: int, cell: int, at: int
) -> int:
    """A text, before what is written: with its length and tag, or READY as it is."""
    of, begin, length = answered[cell], answered[cell + 1], answered[cell + 2]
    if of == IN_REQUEST:
        at = copied(out, at, request, begin, length)
    elif of == IN_RULESET:
        at = copied(out, at, ruleset, begin, length)
    else:
        at = copied(out, at, call, begin, length)
    if form == READY:
        return at
    return head(out, at, tag, length)


@bare
def copied(out: Out, at: int, data: Bytes, begin: int, length: int) -> int:
    """Bytes from elsewhere, before what is written."""
    if begin < 0 or length < 0 or length > at or begin > data.shape[0] - length:
        return NO_ROOM
    at -= length
    copy_bytes(out, at, data, begin, length)
    return at


@bare
def head(out: Out, at: int, tag: int, length: int) -> int:
    """A tag and a length, before what is written."""
    return number(out, number(out, at, length), tag)


@bare
def number(out: Out, at: int, value: int) -> int:
    """A number in as few bytes as it needs, before what is written."""
    if 0 <= value < 0x80:
        if at < 1:
            return NO_ROOM
        out[at - 1] = value
        return at - 1
    length = 1
    if value < 0:
        length = 10
    else:
        rest = value >> 7
        while rest > 0:
            length += 1
            rest >>= 7
    if at < length:
        return NO_ROOM
    at -= length
    for i in range(length - 1):
        out[at + i] = value & 0x7F | 0x80
        value >>= 7
    out[at + length - 1] = value & (1 if length == 10 else 0x7F)
    return at
