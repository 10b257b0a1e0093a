"""Programs and their canonical bytes: one form, read back whole, nothing let in that does not belong."""

import json

import pytest
from pydantic import ValidationError

from engine.program import ProductSet, Program, Promotion, Segment, address, decode, encode
from tests.generators import ruleset
from tests.unit.engine.shops import FULL, programs

EVERYTHING = programs(**FULL)


@pytest.mark.parametrize("seed", range(10))
def test_generated_programs_survive_their_bytes(seed):
    for program in ruleset(seed):
        data = encode(program)
        assert decode(data) == program
        assert encode(decode(data)) == data
        assert type(decode(data)) is type(program)


def test_every_kind_of_program_survives_its_bytes():
    assert len({program.program for program in EVERYTHING}) == 14
    assert [decode(encode(program)) for program in EVERYTHING] == list(EVERYTHING)


def test_a_promotion_says_except_not_except_():
    promotion = next(p for p in EVERYTHING if isinstance(p, Promotion) and p.except_)
    assert json.loads(encode(promotion))["except"] == ["hats"]


def without(program: Program, field: str) -> bytes:
    data = json.loads(encode(program))
    del data[field]
    return json.dumps(data).encode()


@pytest.mark.parametrize("program", EVERYTHING, ids=lambda p: f"{p.program} {getattr(p, 'name', '')}")
def test_an_unknown_field_is_refused(program):
    data = json.loads(encode(program))
    with pytest.raises(ValidationError):
        decode(json.dumps({**data, "surprise": 1}).encode())
    with pytest.raises(ValidationError):
        decode(json.dumps({**data, "program": "surprise"}).encode())


def test_an_unknown_field_deep_inside_is_refused():
    promotion = next(p for p in EVERYTHING if isinstance(p, Promotion))
    data = json.loads(encode(promotion))
    data["reward"]["surprise"] = 1
    with pytest.raises(ValidationError):
        decode(json.dumps(data).encode())


def test_what_is_missing_is_refused():
    segment = next(p for p in EVERYTHING if isinstance(p, Segment))
    for field in ("name", "title", "lines"):
        with pytest.raises(ValidationError):
            decode(without(segment, field))


@pytest.mark.parametrize("data", [b"", b"{", b"null", b"[]", b"1", b'"text"', b"\xff\xfe", b"{}", b"[" * 100_000])
def test_what_is_no_program_is_refused(data):
    with pytest.raises(ValidationError):
        decode(data)


@pytest.mark.parametrize("number", ["1.0", "1.5", '"1"', "true", "null"])
def test_a_number_is_an_integer(number):
    group = (
        b'{"program":"group","name":"g","title":"","gives":"discounts","apply":"all","prices":"original","position":'
    )
    assert decode(group + b"1}").program == "group"
    if number != "1.0":  # JSON knows one kind of number: a whole one may come as 1.0
        with pytest.raises(ValidationError):
            decode(group + number.encode() + b"}")


def test_the_address_is_stable():
    """Stored Programs are found by it: if this changes, FORMAT changes."""
    program = ProductSet(name="a", title="b", lines=())
    assert encode(program) == b'{"program":"products","name":"a","title":"b","lines":[]}'
    assert address(encode(program)) == ADDRESS
    assert address(encode(program)) == address(encode(decode(encode(program))))
    assert address(b"") != address(b" ")


ADDRESS = "c2c2e5b7493926a4d98204ff4339b3000ab8c2bfa84d4813aa4c0f3cf6140903"
