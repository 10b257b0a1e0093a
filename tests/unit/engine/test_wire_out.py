"""A Decision's bytes, written from flat tables: what the protobuf library writes, byte for byte."""

from __future__ import annotations

import sys
from random import Random

import numpy as np
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from einklang.v1 import decision_pb2 as pb
from engine import answered as tables
from engine import wire_out
from engine.answered import ANSWERED, BEGIN, COLUMNS, NAMES, column
from engine.basket import BadRequest
from server.answers import to_message
from tests import answers
from tests.answers import Filled, canonical
from tests.generated_requests import request
from tests.generators import ruleset
from tests.reproduce import engine_of

OUT = np.zeros(1 << 20, np.uint8)


def written(message: pb.Decision, seed: int = 0, room: int = OUT.shape[0]) -> bytes | None:
    """None: there is no room."""
    filled = Filled(message, Random(seed))
    out = OUT[:room]
    begin = wire_out.write(filled.answered, *filled.sources, out)
    return None if begin == wire_out.NO_ROOM else out[begin:].tobytes()


# ---------------------------------------------------------------------------------------------------- the contract


def messages_of(of: Descriptor) -> dict[str, Descriptor]:
    found = {of.name: of}
    for field in of.fields:
        if field.message_type is not None and field.message_type.name != "Text":  # those are ready
            found |= messages_of(field.message_type)
    return found


def test_every_field_of_the_contract_is_written() -> None:
    contract = messages_of(pb.Decision.DESCRIPTOR)
    assert set(NAMES) == {*contract, ""} and NAMES[tables.DECISION] == "Decision" and NAMES[tables.THE_TEXTS] == ""
    for name, _, fields in ANSWERED[:-1]:
        known = contract[name].fields
        assert [(field, number) for field, number, _, _ in fields] == sorted(
            ((field.name, field.number) for field in known), key=lambda field: field[1]
        )
        for field, _, form, of in fields:
            assert (form, of) == form_of(contract[name].fields_by_name[field]), f"{name}.{field}"


def form_of(field: FieldDescriptor) -> tuple[int, str]:
    if field.message_type is not None:
        return (tables.READY, "") if field.message_type.name == "Text" else (tables.ROWS, field.message_type.name)
    if field.type == FieldDescriptor.TYPE_STRING:
        return (tables.TEXTS if field.is_repeated else tables.TEXT), ""
    assert not field.is_repeated
    return (tables.OPTIONAL if field.has_presence else tables.NUMBER), ""


def test_no_message_is_deeper_than_the_writer_goes() -> None:
    def depth(table: int) -> int:
        inner = [NAMES.index(of) for _, _, form, of in ANSWERED[table][2] if form == tables.ROWS]
        return 1 + max(map(depth, inner), default=0)

    assert depth(tables.DECISION) == 3  # write, branch, leaf


def test_columns_lie_one_behind_the_other() -> None:
    for name, _, fields in ANSWERED:
        places = [column(name, field) for field, _, _, _ in fields]
        ends = [place + COLUMNS[form] for place, (_, _, form, _) in zip(places, fields, strict=True)]
        assert [0, *ends] == [*places, tables.WIDTHS[NAMES.index(name)]]
    with pytest.raises(KeyError):
        column("LineResult", "colour")


# ---------------------------------------------------------------------------------------------------- bytes


@pytest.mark.parametrize("part", range(4))
def test_decisions_of_chance(part: int) -> None:
    for seed in range(part * 250, part * 250 + 250):
        message = answers.by_chance(Random(seed))
        assert written(message, seed) == canonical(message), seed


def test_decisions_of_the_engine() -> None:
    compared = 0
    for seed in range(12):
        programs = ruleset(seed)
        decide = engine_of(programs)[1]
        for number in range(8):
            asked = request(programs, seed * 1_000 + number)
            try:
                message = to_message(decide(asked, everything=number % 2 == 0), codes=asked.codes)
            except BadRequest:
                continue
            assert written(message, number) == canonical(message), (seed, number)
            compared += 1
    assert compared >= 80


def test_nothing_is_written_as_nothing() -> None:
    assert written(pb.Decision()) == b""


@pytest.mark.parametrize("seed", range(5))
def test_every_room_that_is_too_small(seed: int) -> None:
    """And not one byte before it is touched."""
    message = answers.by_chance(Random(seed))
    whole = canonical(message)
    for room in {*range(min(len(whole), 400)), max(0, len(whole) - 1)} - {len(whole)}:
        assert written(message, seed, room) is None
    assert written(message, seed, len(whole)) == whole


@pytest.mark.parametrize("cells", [(3, 0, 1), (0, -1, 1), (0, 0, -1), (0, 0, 2**62), (0, 2**62, 2**62), (0, 9, 1)])
def test_a_text_that_is_not_there(cells: tuple[int, int, int]) -> None:
    answered = tables.scratch()
    answered[2 * tables.DECISION + 1] = tables.WIDTHS[tables.DECISION]
    place = BEGIN[tables.DECISION] + column("Decision", "currency")
    answered[place : place + 3] = cells
    nothing = np.frombuffer(b"", np.uint8)
    assert wire_out.write(answered, np.frombuffer(b"123456789", np.uint8), nothing, nothing, OUT) == wire_out.NO_ROOM


@pytest.mark.parametrize("rows", [(0, 1), (-1, 1), (0, 2**62), (0, -1), (2**62, 2**62)])
@pytest.mark.parametrize("field", ["lines", "free_services", "totals"])
def test_rows_that_are_not_there(field: str, rows: tuple[int, int]) -> None:
    answered = tables.scratch()
    answered[2 * tables.DECISION + 1] = tables.WIDTHS[tables.DECISION]
    place = BEGIN[tables.DECISION] + column("Decision", field)
    answered[place : place + 2] = rows
    nothing = np.frombuffer(b"", np.uint8)
    assert wire_out.write(answered, nothing, nothing, nothing, OUT) == wire_out.NO_ROOM


def test_a_scratch_that_is_none() -> None:
    nothing = np.frombuffer(b"", np.uint8)
    for answered in (np.zeros(5, np.int64), np.zeros(tables.SIZE, np.int64), tables.scratch()):
        assert wire_out.write(answered, nothing, nothing, nothing, OUT) == wire_out.NO_ROOM


def test_whatever_the_tables_hold_nothing_is_read_or_written_beside_them() -> None:
    """With checked bounds this would raise; some of it is written, in the room there is."""
    random = Random(1)
    strip = np.full(5_000, 7, np.uint8)
    said = set()
    for seed in range(300):
        filled = Filled(answers.by_chance(Random(seed)), random)
        used = [
            place
            for table, width in enumerate(tables.WIDTHS)
            for place in range(BEGIN[table], BEGIN[table] + min(5 * width, int(filled.answered[2 * table + 1])))
        ]
        for _ in range(random.choice((1, 5, 50))):
            place = random.choice((*used, random.randrange(2 * tables.TABLES)))
            filled.answered[place] = random.choice((-(2**63), -1, 0, 1, 3, 100, 5_000, 2**31, 2**62, 2**63 - 1))
        begin = wire_out.write(filled.answered, *filled.sources, strip[100:-100])
        assert begin == wire_out.NO_ROOM or 0 <= begin <= 4_800
        assert (strip[:100] == 7).all() and (strip[-100:] == 7).all()
        said.add(begin == wire_out.NO_ROOM)
    assert said == {True, False}


def test_writing_leaves_no_references() -> None:
    filled = Filled(answers.by_chance(Random(7)), Random(7))
    arrays = (filled.answered, *filled.sources, OUT)
    counts = [sys.getrefcount(array) for array in arrays]
    for _ in range(1_000):
        wire_out.write(*arrays)
    assert [sys.getrefcount(array) for array in arrays] == counts
