"""DecideRequests of chance, taken to pieces as the wire has them, said otherwise, and broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from einklang.v1 import common_pb2 as common
from einklang.v1 import decision_pb2 as pb

VARINT, FIXED64, LENGTH, GROUP, END_GROUP, FIXED32 = range(6)
TEXTS = ("", "1", "4011", "pos", "EUR", "café", "日本", "\x00", "a" * 127, "b" * 128, "😀", "z" * 300, "\ud7ff\ue000")
ROWS_MAX = {"payments": 10, "fees": 20}  # where it is less than what chance would give
NUMBERS = (0, 1, 2, 127, 128, 199, 16_383, 16_384, 2**31 - 1, 2**31, 2**32, 10**12, 2**56, 2**62, 2**63 - 1)
EXTREMES = (*NUMBERS, -1, -2, -(2**31), -(2**31) - 1, -(2**63), 2**32 - 1, 2**63)


# ---------------------------------------------------------------------------------------------------- by chance


def by_chance(random: Random) -> pb.DecideRequest:
    """Any fields with any numbers and texts, so that nothing in it is unusual."""
    message = pb.DecideRequest()
    _fill(random, message, share=random.choice((0.1, 0.5, 0.9)), rows=random.choice((1, 2, 4, 30)))
    return message


def _fill(random: Random, message: Any, share: float, rows: int) -> None:
    if isinstance(message, common.Value):
        _fill_value(random, message)
        return
    for field in message.DESCRIPTOR.fields:
        if field.name in ("returned_goods", "deposit_refunds") or random.random() > share:
            continue
        if isinstance(message, common.EventHistory) and field.name == "events":
            continue
        if field.is_repeated:
            for _ in range(random.randint(0, min(rows, ROWS_MAX.get(field.name, rows)))):
                if field.type == FieldDescriptor.TYPE_MESSAGE:
                    _fill(random, getattr(message, field.name).add(), share, min(rows, 3))
                else:
                    getattr(message, field.name).append(random.choice(TEXTS))
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            getattr(message, field.name).SetInParent()
            _fill(random, getattr(message, field.name), share, min(rows, 3))
        else:
            setattr(message, field.name, _of_type(random, field))
    if isinstance(message, common.Attribute):
        _fill_value(random, message.value)
    if isinstance(message, pb.Line) and message.HasField("unit_price_minor"):
        message.ClearField("unit_price_micros")


def _fill_value(random: Random, value: common.Value) -> None:
    value.Clear()
    value.kind = common.ValueKind.ValueType(random.randint(1, 7))
    match value.kind:
        case common.VALUE_KIND_TEXT:
            value.text = random.choice(TEXTS)
        case common.VALUE_KIND_NUMBER:
            value.number_millionths = random.choice((1, -1)) * random.choice(NUMBERS)
        case common.VALUE_KIND_YES_NO:
            value.yes_no = bool(random.randrange(2))
        case common.VALUE_KIND_DATE:
            value.date = random.choice(("", "2026-11-21", "x"))
        case common.VALUE_KIND_MONEY:
            value.money.currency = random.choice(("", "EUR", "JPY"))
            value.money.amount_minor = random.choice((1, -1)) * random.choice(NUMBERS)
            value.money.SetInParent()
        case common.VALUE_KIND_PERCENT:
            value.percent_basis_points = random.choice((0, 1, -1, 1_000, 2**31 - 1, -(2**31)))
        case common.VALUE_KIND_TEXTS:
            value.texts.extend(random.choice(TEXTS) for _ in range(random.randint(0, 4)))


def _of_type(random: Random, field: FieldDescriptor) -> object:
    match field.type:
        case FieldDescriptor.TYPE_STRING:
            return random.choice(TEXTS)
        case FieldDescriptor.TYPE_BOOL:
            return bool(random.randrange(2))
        case FieldDescriptor.TYPE_ENUM:
            assert field.enum_type is not None
            return random.choice(list(field.enum_type.values_by_number))
        case FieldDescriptor.TYPE_INT32:
            return random.choice([number for number in NUMBERS if number < 2**31])
    return random.choice(NUMBERS)


# ---------------------------------------------------------------------------------------------------- in pieces


@dataclass(slots=True)
class Node:
    """A field as the wire has it. What is `spare` is more bytes than a number needs; `longer`: what its length lies."""

    number: int
    form: int
    value: Any  # int, bytes, or a list of nodes
    spare: int = 0
    spare_tag: int = 0
    spare_length: int = 0
    longer: int = 0


def tree(message: Message) -> list[Node]:
    """The fields of a message, in the order in which they are written."""
    nodes = []
    for field, value in sorted(message.ListFields(), key=lambda found: found[0].number):
        for one in value if field.is_repeated else [value]:
            if field.type == FieldDescriptor.TYPE_MESSAGE:
                nodes.append(Node(field.number, LENGTH, tree(one)))
            elif field.type == FieldDescriptor.TYPE_STRING:
                nodes.append(Node(field.number, LENGTH, one.encode()))
            else:
                nodes.append(Node(field.number, VARINT, int(one)))
    return nodes


def varint(value: int, spare: int = 0) -> bytes:
    """A number in as few bytes as it needs, and some more."""
    value %= 2**64
    made = bytearray()
    while value >= 0x80:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    for _ in range(spare):
        made[-1] |= 0x80
        made.append(0)
    return bytes(made)


def encoded(nodes: list[Node]) -> bytes:
    """The bytes of these fields."""
    made = bytearray()
    for node in nodes:
        made += varint(node.number << 3 | node.form, node.spare_tag)
        if isinstance(node.value, int):
            if node.form in (FIXED64, FIXED32):
                size = 8 if node.form == FIXED64 else 4
                made += (node.value % 2 ** (8 * size)).to_bytes(size, "little")
            else:
                made += varint(node.value, node.spare)
            continue
        content = encoded(node.value) if isinstance(node.value, list) else node.value
        if node.form == LENGTH:
            made += varint(max(0, len(content) + node.longer), node.spare_length)
        made += content
        if node.form == GROUP:
            made += varint(node.number << 3 | END_GROUP)
    return bytes(made)


def say_otherwise(nodes: list[Node], of: Descriptor, random: Random) -> None:
    """In another order, and with what is 0 or empty said."""
    fields = {field.number: field for field in of.fields}
    for node in nodes:
        inner = fields[node.number].message_type
        if inner is not None:
            say_otherwise(node.value, inner, random)
    there = {node.number for node in nodes}
    for field in of.fields:
        if field.number in there or field.is_repeated or field.has_presence or random.randrange(2):
            continue
        text = field.type == FieldDescriptor.TYPE_STRING
        nodes.append(Node(field.number, LENGTH if text else VARINT, b"" if text else 0))
    random.shuffle(nodes)


# ---------------------------------------------------------------------------------------------------- broken


def _places(nodes: list[Node]) -> Iterator[list[Node]]:
    """Every list of fields, of whichever message."""
    yield nodes
    for node in nodes:
        if isinstance(node.value, list):
            yield from _places(node.value)


def _any(random: Random, nodes: list[Node]) -> tuple[list[Node], int]:
    """A field, by where it stands."""
    place = random.choice([place for place in _places(nodes) if place] or [nodes])
    if not place:
        place.append(Node(2, LENGTH, b"pos"))
    return place, random.randrange(len(place))


def field_twice(random: Random, nodes: list[Node]) -> None:
    place, at = _any(random, nodes)
    again = Node(place[at].number, place[at].form, place[at].value)
    if isinstance(again.value, int):
        again.value = random.choice((again.value, 0, 1, 7))
    place.insert(random.randrange(len(place) + 1), again)


def another_field(random: Random, nodes: list[Node]) -> None:
    place = random.choice(list(_places(nodes)))
    number = random.choice((0, 9, 11, 14, 15, 16, 27, 31, 63, 64, 127, 2_047, 2_048, 2**28, 2**29 - 1, 2**29))
    form = random.choice((VARINT, VARINT, FIXED64, LENGTH, LENGTH, GROUP, END_GROUP, FIXED32, 6, 7))
    value: Any = b"" if form in (LENGTH, END_GROUP, 6, 7) else [] if form == GROUP else random.choice(NUMBERS)
    place.insert(random.randrange(len(place) + 1), Node(number, form, value))


def another_form(random: Random, nodes: list[Node]) -> None:
    place, at = _any(random, nodes)
    place[at].form = random.randrange(8)


def another_number(random: Random, nodes: list[Node]) -> None:
    place, at = _any(random, nodes)
    place[at].number = random.choice((place[at].number + 1, place[at].number - 1, random.randint(0, 30)))
    place[at].number = max(0, place[at].number)


def more_bytes_than_needed(random: Random, nodes: list[Node]) -> None:
    place, at = _any(random, nodes)
    name = random.choice(("spare", "spare_tag", "spare_length"))
    setattr(place[at], name, random.choice((1, 1, 2, 4, 8, 9, 10)))


def wrong_length(random: Random, nodes: list[Node]) -> None:
    place, at = _any(random, nodes)
    place[at].longer = random.choice((-1, 1, -2, 2, 100, 2**31 - 1, 2**31, 2**32, 2**63, 2**64 - 1))


def extreme_value(random: Random, nodes: list[Node]) -> None:
    found = [(place, at) for place in _places(nodes) for at, node in enumerate(place) if isinstance(node.value, int)]
    place, at = random.choice(found) if found else _any(random, nodes)
    if isinstance(place[at].value, int):
        place[at].value = random.choice((*EXTREMES, random.getrandbits(64)))


def other_bytes(random: Random, nodes: list[Node]) -> None:
    found = [(place, at) for place in _places(nodes) for at, node in enumerate(place) if isinstance(node.value, bytes)]
    place, at = random.choice(found) if found else _any(random, nodes)
    if isinstance(place[at].value, bytes):
        place[at].value = random.choice(
            (
                bytes(random.choices(range(256), k=random.randint(1, 5))),
                bytes(random.choices((0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF), k=random.randint(1, 4))),
                bytes(random.choices((0xE0, 0xED, 0xEF, 0xF0, 0xF4, 0xC2), k=1))
                + bytes(random.choices((0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF), k=random.randint(1, 4))),
                chr(random.choice((0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF))).encode(),
                "".join(chr(random.randrange(1, 0xD7FF)) for _ in range(random.randint(1, 40))).encode(),
            )
        )


def two_pieces(random: Random, nodes: list[Node]) -> None:
    """A message in two parts, which the library merges."""
    found = [(place, at) for place in _places(nodes) for at, node in enumerate(place) if isinstance(node.value, list)]
    if not found:
        return
    place, at = random.choice(found)
    value = place[at].value
    cut = random.randint(0, len(value))
    place[at].value = value[:cut]
    place.insert(random.randint(at + 1, len(place)), Node(place[at].number, place[at].form, value[cut:]))


def elsewhere_in_it(random: Random, nodes: list[Node]) -> None:
    """A field where others are at home."""
    place, at = _any(random, nodes)
    moved = place.pop(at)
    into = random.choice(list(_places(nodes)))
    into.insert(random.randrange(len(into) + 1), moved)


def without_it(random: Random, nodes: list[Node]) -> None:
    place, at = _any(random, nodes)
    del place[at]


def events_and_the_like(random: Random, nodes: list[Node]) -> None:
    number = random.choice((23, 24, 6))
    content = [Node(1, LENGTH, b"r1")] if number != 6 else [Node(7, LENGTH, [Node(1, LENGTH, [])])]
    nodes.append(Node(number, LENGTH, content))


def deep(random: Random, nodes: list[Node]) -> None:
    """Messages or groups in each other."""
    node = Node(random.randint(1, 30), random.choice((LENGTH, GROUP)), [])
    for _ in range(random.choice((3, 99, 100, 101, 150))):
        node = Node(node.number, node.form, [node])
    place = random.choice(list(_places(nodes)))
    place.insert(random.randrange(len(place) + 1), node)


def value_of_two_kinds(random: Random, nodes: list[Node]) -> None:
    value = [Node(1, VARINT, random.randint(0, 8))]
    for number in random.sample(range(2, 9), random.randint(1, 3)):
        content: Any = random.choice((b"", b"x", b"2026-01-01"))
        if number in (3, 4, 7):
            content = random.choice((0, 1, -1, 2))
        elif number == 6:
            content = random.choice(([], [Node(1, LENGTH, b"EUR")], [Node(2, VARINT, 5)]))
        value.append(Node(number, VARINT if isinstance(content, int) else LENGTH, content))
    random.shuffle(value)
    attribute = [Node(1, LENGTH, b"name"), Node(2, LENGTH, value)][random.randrange(8) == 0 :]
    nodes.insert(random.randrange(len(nodes) + 1), Node(random.choice((18, 19, 25)), LENGTH, attribute))


def two_prices(random: Random, nodes: list[Node]) -> None:
    line = [Node(1, LENGTH, b"1"), Node(2, LENGTH, b"4011"), Node(6, VARINT, random.choice(EXTREMES))]
    line.append(Node(random.choice((6, 7, 7)), VARINT, random.choice((0, 5))))
    nodes.insert(0, Node(1, LENGTH, line))


def many_rows(random: Random, nodes: list[Node]) -> None:
    number = random.choice((7, 9, 11, 22, 8, 21, 1))
    most = {7: 50, 9: 20, 11: 10, 22: 100, 8: 1_000, 21: 1_000, 1: 1_000}[number]
    nodes += [Node(number, LENGTH, b"")] * (most + random.choice((-1, 0, 1)))


BREAKS: tuple[Callable[[Random, list[Node]], None], ...] = (
    field_twice,
    another_field,
    another_form,
    another_number,
    more_bytes_than_needed,
    wrong_length,
    extreme_value,
    extreme_value,
    other_bytes,
    other_bytes,
    two_pieces,
    elsewhere_in_it,
    without_it,
    events_and_the_like,
    deep,
    value_of_two_kinds,
    two_prices,
    many_rows,
)


# ---------------------------------------------------------------------------------------------------- damaged

Other = Callable[[], bytes]


def bits_turned(random: Random, data: bytes, other: Other) -> bytes:
    made = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 3)) if made else 0):
        made[random.randrange(len(made))] ^= 1 << random.randrange(8)
    return bytes(made)


def cut_off(random: Random, data: bytes, other: Other) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def bytes_put_in(random: Random, data: bytes, other: Other) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + random.randbytes(random.choice((1, 1, 2, 10))) + data[at:]


def bytes_taken_out(random: Random, data: bytes, other: Other) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + data[at + random.choice((1, 1, 2, 10)) :]


def bytes_replaced(random: Random, data: bytes, other: Other) -> bytes:
    made = bytearray(data)
    for _ in range(random.choice((1, 2)) if made else 0):
        made[random.randrange(len(made))] = random.choice((0, 1, 0x7F, 0x80, 0xFF, 0x0A, 0x12, 0xC0, 0xED))
    return bytes(made)


def spliced(random: Random, data: bytes, other: Other) -> bytes:
    more = other()
    return data[: random.randrange(len(data) + 1)] + more[random.randrange(len(more) + 1) :]


def one_behind_the_other(random: Random, data: bytes, other: Other) -> bytes:
    """Two messages, which the library merges."""
    return data + other()


def noise(random: Random, data: bytes, other: Other) -> bytes:
    return random.randbytes(random.randrange(64))


DAMAGES: tuple[Callable[[Random, bytes, Other], bytes], ...] = (
    bits_turned,
    bits_turned,
    bits_turned,
    cut_off,
    bytes_put_in,
    bytes_taken_out,
    bytes_replaced,
    spliced,
    one_behind_the_other,
    noise,
)
