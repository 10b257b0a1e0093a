"""Decisions of chance, and any Decision as the flat tables that engine/wire_out.py writes."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from einklang.v1 import decision_pb2 as pb
from engine import answered as tables
from engine.answered import ANSWERED, BEGIN, COLUMNS, NAMES, OPTIONAL, READY, ROOM, ROWS, TEXT, TEXTS, WIDTHS
from engine.kernel import Ints
from tests.messages import EXTREMES
from tests.messages import TEXTS as SOME_TEXTS

Bytes = np.typing.NDArray[np.uint8]


def by_chance(random: Random) -> pb.Decision:
    """Any fields with any numbers and texts."""
    message = pb.Decision()
    _fill(random, message, random.choice((0.1, 0.5, 0.9)), random.choice((1, 2, 10)))
    return message


def _fill(random: Random, message: Any, share: float, rows: int) -> None:
    for field in message.DESCRIPTOR.fields:
        if random.random() > share:
            continue
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for _ in range(random.randint(0, rows) if field.is_repeated else 1):
                inner = getattr(message, field.name)
                inner = inner.add() if field.is_repeated else inner
                inner.SetInParent()
                _fill(random, inner, share, min(rows, 3))
        elif field.is_repeated:
            getattr(message, field.name).extend(random.choice(SOME_TEXTS) for _ in range(random.randint(0, 3)))
        else:
            setattr(message, field.name, _of_type(random, field))


def _of_type(random: Random, field: FieldDescriptor) -> object:
    match field.type:
        case FieldDescriptor.TYPE_STRING:
            return random.choice(SOME_TEXTS)
        case FieldDescriptor.TYPE_BOOL:
            return bool(random.randrange(2))
        case FieldDescriptor.TYPE_ENUM:
            assert field.enum_type is not None
            return random.choice(list(field.enum_type.values_by_number))
        case FieldDescriptor.TYPE_INT32:
            return random.choice([number for number in EXTREMES if -(2**31) <= number < 2**31 and number != -1])
    return random.choice([number for number in EXTREMES if number < 2**63 - 1 and number != -1])  # one more is kept


class Filled:
    """A Decision in tables, its texts in any of three places."""

    def __init__(self, message: pb.Decision, random: Random) -> None:
        self.answered: Ints = tables.scratch()
        self._random = random
        self._texts = [bytearray(random.randbytes(random.randrange(3))) for _ in range(3)]
        self._used = [0] * len(ANSWERED)
        self._rows([message], tables.DECISION)

    @property
    def sources(self) -> tuple[Bytes, Bytes, Bytes]:
        """Of the request, the ruleset, the call."""
        one, two, three = (np.frombuffer(bytes(texts), np.uint8) for texts in self._texts)
        return one, two, three

    def _rows(self, messages: Any, table: int) -> tuple[int, int]:
        """These messages as rows, one behind the other."""
        first = self._used[table]
        self._used[table] += len(messages)
        assert self._used[table] <= ROOM[table]
        self.answered[2 * table + 1] = self._used[table] * WIDTHS[table]
        for row, message in enumerate(messages, start=first):
            to = BEGIN[table] + row * WIDTHS[table]
            for name, _, form, of in ANSWERED[table][2]:
                value = message if not name or isinstance(message, str) else getattr(message, name)
                self.answered[to : to + COLUMNS[form]] = self._cells(message, name, form, of, value)
                to += COLUMNS[form]
        return first, len(messages)

    def _cells(self, message: Any, name: str, form: int, of: str, value: Any) -> tuple[int, ...]:
        if form == ROWS:
            repeated = message.DESCRIPTOR.fields_by_name[name].is_repeated
            there = value if repeated else [value] if message.HasField(name) else []
            return self._rows(there, NAMES.index(of))
        if form == TEXTS:
            return self._rows(list(value), tables.THE_TEXTS)
        if form == TEXT:
            return self._text(value.encode())
        if form == READY:
            alone = type(message)()
            getattr(alone, name).extend(value)
            return self._text(alone.SerializeToString())
        if form == OPTIONAL:
            return (int(value) + 1 if message.HasField(name) else 0,)
        return (int(value),)

    def _text(self, text: bytes) -> tuple[int, int, int]:
        if not text:
            return 0, 0, 0
        where = self._random.randrange(3)
        begin = len(self._texts[where])
        self._texts[where] += text
        return where, begin, len(text)


def canonical(message: Message) -> bytes:
    """As the server writes it."""
    return message.SerializeToString(deterministic=True)
