"""The reader of request bytes knows the whole contract, and says why it does not read what is unusual.

What it reads is compared with the protobuf library's reading in tests/property/test_wire.py."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError

from einklang.v1 import common_pb2 as common
from einklang.v1 import decision_pb2 as pb
from engine import asked as tables
from engine import wire
from engine.asked import ASKED, SIZE, scratch
from engine.layout import at, cell, size, view
from tests import messages
from tests.messages import VARINT, Node, encoded
from tests.wire import compared, read, room, told

ROOT = Path(__file__).resolve().parents[3]

# ---------------------------------------------------------------------------------------------------- the contract

PREFIXES = {  # of constants, by message
    "DecideRequest": "REQUEST",
    "Line": "LINE",
    "Customer": "CUSTOMER",
    "EventHistory": "HISTORY",
    "Attribute": "ATTRIBUTE",
    "Value": "VALUE",
    "Money": "MONEY",
}
NOT_ENTERED = {"Event", "ReturnedGoods", "DepositRefund"}  # messages that are read elsewhere
PLAIN = {name: {field[0]: field for field in fields} for name, fields in wire.FIELDS}


def messages_of(of: Descriptor) -> dict[str, Descriptor]:
    """A message and all that it may hold, but for what is read elsewhere."""
    found = {of.name: of}
    for field in of.fields:
        if field.message_type is not None and field.message_type.name not in NOT_ENTERED:
            found |= messages_of(field.message_type)
    return found


CONTRACT = messages_of(pb.DecideRequest.DESCRIPTOR)
FIELDS = [(name, field) for name, message in CONTRACT.items() for field in message.fields]
MOST = {
    FieldDescriptor.TYPE_STRING: wire.TEXT,
    FieldDescriptor.TYPE_INT64: 2**63 - 1,
    FieldDescriptor.TYPE_INT32: 2**31 - 1,
    FieldDescriptor.TYPE_BOOL: 1,
}


def form(field: FieldDescriptor) -> int:
    return wire.LENGTH if field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_MESSAGE) else wire.VARINT


@pytest.mark.parametrize(("message", "field"), FIELDS, ids=[f"{name}.{field.name}" for name, field in FIELDS])
def test_every_field_of_the_contract_is_known(message: str, field: FieldDescriptor) -> None:
    """In the table of plain ones, or by a constant: never both, never neither."""
    plain = PLAIN.get(message, {}).get(field.name)
    constant = getattr(wire, f"TAG_{PREFIXES.get(message, '?')}_{field.name.upper()}", None)
    assert (plain is None) != (constant is None), "teach engine/wire.py this field"
    if constant is not None:
        assert constant == field.number << 3 | form(field)
        return
    assert plain is not None and not field.is_repeated
    _, number, _, most = plain
    assert number == field.number < wire.NUMBERS
    enum = field.enum_type
    assert most == (MOST[field.type] if enum is None else max(enum.values_by_number))
    assert enum is None or sorted(enum.values_by_number) == list(range(most + 1)), "an enum with gaps"
    assert (most == wire.TEXT) == (form(field) == wire.LENGTH)


def test_nothing_else_is_known() -> None:
    assert set(PLAIN) <= set(CONTRACT)
    for name, fields in PLAIN.items():
        assert set(fields) <= {field.name for field in CONTRACT[name].fields}
    names = {f"TAG_{PREFIXES[name]}_{field.name.upper()}" for name, field in FIELDS if name in PREFIXES}
    assert {name for name in vars(wire) if name.startswith("TAG_")} <= names


def test_messages_have_their_numbers() -> None:
    names = ("REQUEST", "LINE", "CUSTOMER", "HISTORY", "CONSENT", "USE", "FEE", "PAYMENT", "ENTRY", "VARIANT")
    of = ("DecideRequest", "Line", "Customer", "EventHistory", "Consent", "LimitUsage", "Fee", "Payment")
    expected = (*of, "ManualDiscount", "VariantChoice")
    assert tuple(wire.FIELDS[getattr(wire, name)][0] for name in names) == expected
    assert len(wire.FIELDS) == len(names)


def test_what_the_code_takes_for_granted() -> None:
    price = [PLAIN["Line"][name][1] for name in ("unit_price_minor", "unit_price_micros")]
    assert price == [wire.FIELD_PRICE_MINOR, wire.FIELD_PRICE_MICROS]
    kinds = common.ValueKind.items()
    holders = ["text", "number_millionths", "yes_no", "date", "money", "percent_basis_points", "texts"]
    assert [common.Value.DESCRIPTOR.fields_by_name[holder].number for holder in holders] == [
        number + 1 for _, number in kinds if number
    ]
    assert max(number for _, number in kinds) == wire.KINDS_LAST
    assert wire.KIND_MONEY == common.VALUE_KIND_MONEY
    optional = {(name, field.name) for name, field in FIELDS if field.has_presence and form(field) == wire.VARINT}
    assert optional == {  # each has a word for «not said»
        ("Line", "unit_price_minor"),
        ("Line", "unit_price_micros"),
        ("Line", "tax_rate_basis_points"),
        ("Fee", "tax_rate_basis_points"),
        ("Payment", "amount_minor"),
    }


def test_every_column_has_its_number_and_its_meaning() -> None:
    prefixes = {"scalars": "SAID", "usage": "USAGE", "entries": "ENTRY"}
    for number, (name, columns, rows, meaning) in enumerate(ASKED):
        assert getattr(tables, f"A_{name.upper()}") == number
        assert rows > 0 and meaning
        assert len({column for column, _ in columns}) == len(columns)
        prefix = prefixes.get(name, name.removesuffix("s").upper())
        for place, (column, what) in enumerate(columns):
            assert what
            if column.endswith("_length"):
                assert columns[place - 1][0] == column.removesuffix("_length")
            elif name not in ("texts", "codes"):
                assert getattr(tables, f"{prefix}_{column.upper()}") == place
    assert len(wire.REASONS) == wire.ELSEWHERE + 1


# ---------------------------------------------------------------------------------------------------- examples


def test_kernels_read_the_tables_as_any_buffer() -> None:
    message = pb.DecideRequest(channel="pos", currency="EUR", at_us=5, codes=["A", "BC"])
    message.lines.add(id="1", article="4011", quantity=2, unit_price_minor=0)
    line = message.lines.add(id="2", article="4012", measure_thousandths=1_240, unit_price_micros=1_759_000)
    line.measure_unit, line.tax_rate_basis_points = common.MEASURE_UNIT_KG, 0
    line.attributes.add(name="kind").value.CopyFrom(
        common.Value(kind=common.VALUE_KIND_NUMBER, number_millionths=-2_500_000)
    )
    data = message.SerializeToString()
    asked = scratch()
    assert wire.read(np.frombuffer(data, np.uint8), asked) == wire.READ
    assert size(asked, tables.A_LINES) == 2 * tables.LINE_COLUMNS
    assert at(asked, tables.A_SCALARS, tables.SAID_AT_US) == 5
    assert view(asked, tables.A_FEES).tolist() == []

    def of_line(row: int, column: int) -> int:
        return cell(asked, tables.A_LINES, tables.LINE_COLUMNS, row, column)

    begin, length = of_line(0, tables.LINE_ARTICLE), of_line(0, tables.LINE_ARTICLE + 1)
    assert data[begin : begin + length] == b"4011"
    assert [of_line(row, tables.LINE_PRICE_IN) for row in (0, 1)] == [tables.PRICE_MINOR, tables.PRICE_MICROS]
    assert [of_line(row, tables.LINE_RATE) for row in (0, 1)] == [tables.NOT_SAID, 0]
    assert [of_line(row, tables.LINE_ATTRIBUTES_END) for row in (0, 1)] == [0, 1]
    assert cell(asked, tables.A_ATTRIBUTES, tables.ATTRIBUTE_COLUMNS, 0, tables.ATTRIBUTE_NUMBER) == -2_500_000
    assert told(data, asked) == message


def text(number: int, content: bytes) -> Node:
    return Node(number, messages.LENGTH, content)


def inside(number: int, *nodes: Node) -> Node:
    return Node(number, messages.LENGTH, list(nodes))


def number(of: int, value: int, **more: int) -> Node:
    return Node(of, VARINT, value, **more)


EXAMPLES: dict[str, tuple[Any, int]] = {
    "nothing": ([], wire.READ),
    "an empty customer": ([inside(6)], wire.READ),
    "nothing happened": ([inside(6, inside(7, number(2, 9)))], wire.READ),
    "defaults, said": ([number(5, 0), text(2, b""), number(26, 0)], wire.READ),
    "an optional 0": ([inside(1, number(6, 0), number(9, 0))], wire.READ),
    "the last byte of a text": ([text(2, b"\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80\x00")], wire.READ),
    "a list in pieces": ([text(7, b"A"), inside(1), text(7, b"B")], wire.READ),
    "a value below 0": ([inside(18, inside(2, number(1, 2), number(3, -(2**63))))], wire.READ),
    "a percentage below 0": ([inside(18, inside(2, number(1, 6), number(7, -(2**31))))], wire.READ),
    "a length past the end": ([Node(2, messages.LENGTH, b"pos", longer=1)], wire.TRUNCATED),
    "a length past all numbers": ([Node(2, messages.LENGTH, b"pos", longer=2**64 - 4)], wire.TRUNCATED),
    "a length past the message": ([inside(1, Node(1, messages.LENGTH, b"1", longer=3)), text(2, b"p")], wire.TRUNCATED),
    "a field of a later contract": ([text(14, b"")], wire.UNKNOWN_FIELD),
    "number 63": ([number(63, 1)], wire.UNKNOWN_FIELD),
    "number 64": ([number(64, 1)], wire.UNKNOWN_FIELD),
    "number 0": ([number(0, 1)], wire.UNKNOWN_FIELD),
    "a group": ([Node(1, messages.GROUP, [])], wire.UNKNOWN_FIELD),
    "another wire form": ([Node(2, messages.FIXED32, 5)], wire.UNKNOWN_FIELD),
    "a longer tag": ([number(5, 1, spare_tag=1)], wire.OVERLONG),
    "a longer number": ([number(5, 1, spare=1)], wire.OVERLONG),
    "a longer length": ([Node(2, messages.LENGTH, b"pos", spare_length=1)], wire.OVERLONG),
    "eleven bytes": ([number(5, -1, spare=1)], wire.OVERLONG),
    "a text twice": ([text(2, b"pos"), text(2, b"pos")], wire.TWICE),
    "a customer in two pieces": ([inside(6, text(1, b"c")), inside(6, number(3, 1))], wire.TWICE),
    "a surrogate": ([text(2, b"\xed\xa0\x80")], wire.NOT_UTF8),
    "past the last character": ([text(2, b"\xf4\x90\x80\x80")], wire.NOT_UTF8),
    "two bytes where one does": ([text(2, b"\xc1\xbf")], wire.NOT_UTF8),
    "half a character": ([text(2, b"\xe2\x82")], wire.NOT_UTF8),
    "not UTF-8 in a list": ([text(7, b"\xff")], wire.NOT_UTF8),
    "an instant below 0": ([number(5, -1)], wire.OUT_OF_RANGE),
    "a rate of 33 bits": ([inside(1, number(9, 2**32 - 1))], wire.OUT_OF_RANGE),
    "a unit of no name": ([inside(1, number(5, 9))], wire.OUT_OF_RANGE),
    "a truth of 2": ([inside(6, number(3, 2))], wire.OUT_OF_RANGE),
    "no value": ([inside(18, text(1, b"a"))], wire.UNFIT_VALUE),
    "a value of no kind": ([inside(18, inside(2, text(2, b"a")))], wire.UNFIT_VALUE),
    "a value of two kinds": ([inside(18, inside(2, number(1, 1), text(2, b"a"), number(4, 1)))], wire.UNFIT_VALUE),
    "a kind without its value": ([inside(18, inside(2, number(1, 5)))], wire.UNFIT_VALUE),
    "two prices": ([inside(1, number(6, 1), number(7, 1))], wire.TWO_PRICES),
    "1,001 lines": ([inside(1)] * 1_001, wire.TOO_MANY),
    "events": ([inside(6, inside(7, inside(1)))], wire.ELSEWHERE),
    "returned goods": ([inside(23)], wire.ELSEWHERE),
    "deposits": ([inside(24)], wire.ELSEWHERE),
}


@pytest.mark.parametrize("case", EXAMPLES)
def test_what_is_said_of(case: str) -> None:
    nodes, expected = EXAMPLES[case]
    reason, difference = compared(encoded(nodes))
    assert wire.REASONS[reason] == wire.REASONS[expected]
    assert not difference


def test_every_reason_has_an_example() -> None:
    assert {reason for _, reason in EXAMPLES.values()} == set(range(len(wire.REASONS)))


def test_every_beginning_of_a_message_is_read_or_refused() -> None:
    message = messages.by_chance(Random(5)).SerializeToString()[:3_000]
    for end in range(len(message)):
        assert not compared(message[:end])[1]


@pytest.mark.parametrize("first", range(0x80, 0x100))
def test_utf8_is_what_the_library_takes(first: int) -> None:
    """Every first byte with every second, and with odd third and fourth ones."""
    odd = (0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF)
    for second in range(0x100) if first in (0xC1, 0xC2, 0xE0, 0xED, 0xF0, 0xF4, 0xF5) else odd:
        for more in (b"", b"\x80", b"\xbf", b"\x7f", b"\xc0", b"\x80\x80", b"\xbf\xbf", b"\x80\x7f", b"\x80\xc0"):
            data = encoded([text(2, bytes((first, second)) + more)])
            reason, _ = read(data)
            try:
                pb.DecideRequest.FromString(data)
            except DecodeError:
                assert reason == wire.NOT_UTF8
            else:
                assert reason == wire.READ


def test_a_scratch_that_is_too_small_is_not_written() -> None:
    small = np.full(SIZE - 1, 7, np.int64)
    assert wire.read(np.frombuffer(b"", np.uint8), small) == wire.TOO_MANY
    assert (small == 7).all()


def test_a_whole_table_of_attributes_and_texts() -> None:
    """As many as there is room for, and one more."""
    message = pb.DecideRequest()
    for _ in range(tables.ATTRIBUTES_MAX // 8):
        line = message.lines.add()
        for _ in range(8):
            line.attributes.add(name="n").value.kind = common.VALUE_KIND_YES_NO
    assert compared(message.SerializeToString()) == (wire.READ, "")
    message.store_attributes.add(name="n").value.kind = common.VALUE_KIND_YES_NO
    assert compared(message.SerializeToString()) == (wire.TOO_MANY, "")
    message = pb.DecideRequest()
    value = message.store_attributes.add(name="n").value
    value.kind = common.VALUE_KIND_TEXTS
    value.texts.extend(["t"] * tables.TEXTS_MAX)
    assert compared(message.SerializeToString()) == (wire.READ, "")
    value.texts.append("t")
    assert compared(message.SerializeToString()) == (wire.TOO_MANY, "")


# ---------------------------------------------------------------------------------------------------- hostile


def test_hostile_messages_leave_nothing_behind() -> None:
    """Neither references nor memory."""
    random = Random(3)
    whole = np.frombuffer(messages.by_chance(random).SerializeToString(), np.uint8)
    hostile = [np.frombuffer(random.randbytes(80), np.uint8) for _ in range(100)] + [whole, whole[:-1]]
    asked = room()

    def run() -> None:
        for data in hostile:
            wire.read(data, asked)

    run()
    references = [sys.getrefcount(data) for data in hostile], sys.getrefcount(asked)
    tracemalloc.start()
    try:
        run()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(50):
            run()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 1_000
    assert ([sys.getrefcount(data) for data in hostile], sys.getrefcount(asked)) == references


BULK = """
import sys
from tests import wire
counts, wrong = wire.block({first}, {end})
print(*wrong[:5], sep="\\n", file=sys.stderr)
sys.exit(bool(wrong) or sum(counts.values()) != {end} - {first})
"""


@pytest.mark.parametrize(
    ("how", "messages_"), [("NUMBA_BOUNDSCHECK", range(50_000, 53_000)), ("NUMBA_DISABLE_JIT", range(53_000, 53_400))]
)
def test_the_same_with(how: str, messages_: range, tmp_path: Path) -> None:
    """Each index of each array checked; and as plain Python."""
    if os.environ.get("NUMBA_DISABLE_JIT") == "1":
        pytest.skip("not run: kernels are not compiled")
    done = subprocess.run(
        [sys.executable, "-c", BULK.format(first=messages_.start, end=messages_.stop)],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'proto'}",
            how: "1",
            "NUMBA_CACHE_DIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3_000:]
