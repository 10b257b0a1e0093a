"""The ordinary request, from bytes to bytes: read, resolve, decide, write, in compiled code.

    with_ruleset = Direct(ruleset)
    answer = with_ruleset.decide(data, at_us)   # None: engine/decide.py is to be asked

What it answers is the Decision's canonical bytes, the same that engine/decide.py and the contract's library give; what
is out of the ordinary, or to be refused, it leaves to them. docs/decisions/ordinary-request.md says why there are two.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine import answered, asked, quick
from engine.asked import SAID_AS_OF_US, SAID_COLUMNS, SAID_RULESET_DIGEST, SAID_TENANT
from engine.combine import combine
from engine.fill import fill
from engine.image import Ruleset
from engine.kernel import (
    Buffer,
    Bytes,
    Ints,
    Out,
    address_of,
    buffer_at,
    bytes_at,
    compile_kernels,
    gate,
    ints_at,
    out_at,
)
from engine.known import Known, known
from engine.layout import Q_AT_US, scalar
from engine.match import candidates, touch
from engine.quick import columns
from engine.rows import FILLED, P_USAGE, PROMOTIONS, WANTED, row_at
from engine.state import begun
from engine.told import WANT_CELLS, WANTED_MAX, Told, Words
from engine.wire import read
from engine.wire_out import write

OUT_BYTES = 1 << 20  # of a Decision
ANSWERED, TO_TELL, ELSEWHERE = 0, 1, 2
NOT_READ, NOT_RESOLVED, NOT_FILLED, NOT_WRITTEN = 16, 32, 48, 64  # and why not, which is less than 16
_SAID = asked.BEGIN[asked.A_SCALARS]
TELLS_MAX = 3  # what is told is told in one go, labels with points in two


class Scratch(NamedTuple):
    """Room for one answer at a time."""

    asked: Ints
    question: Ints
    notes: Ints
    answered: Ints
    wanted: Ints
    out: Out
    found: Ints  # where in `out` the answer begins, the instant that was judged, 1: limits were judged as given


class Asks(NamedTuple):
    """By what a request wants to be decided, as it says it: nothing, mostly."""

    tenant: bytes
    ruleset_digest: bytes
    as_of_us: int


class Answer(NamedTuple):
    """A Decision as the contract writes it, and what its envelope says of it."""

    decision: bytes
    at_us: int
    usage_judged: bool


def scratch() -> Scratch:
    """Room for one thread."""
    question, notes = quick.room()
    wanted = np.zeros(1 + WANT_CELLS * WANTED_MAX, np.int64)
    out = np.zeros(OUT_BYTES, np.uint8)
    return Scratch(asked.scratch(), question, notes, answered.scratch(), wanted, out, np.zeros(3, np.int64))


@gate
def answer(k: Known, words: Words, rules: Buffer, data: Bytes, at_us: int, room: Scratch) -> int:
    """Answer a request that was read into `room.asked`: ANSWERED, TO_TELL, or why not."""
    reason = columns(k, room.asked, data, at_us, room.question, room.notes)
    if reason:
        return NOT_RESOLVED + reason
    table = candidates(touch(rules, room.question))
    state = begun(room.question, table.shape[1])
    combine(rules, room.question, table, state)
    reason = fill(k, words, rules, room.question, table, state, room.asked, room.notes, room.answered, room.wanted)
    if reason == WANTED:
        return TO_TELL
    if reason != FILLED:
        return NOT_FILLED + reason
    begin = write(room.answered, data, words.blob, words.filled, room.out)
    if begin < 0:
        return NOT_WRITTEN
    room.found[0], room.found[1], room.found[2] = begin, scalar(room.question, Q_AT_US), 0
    for row in range(table.shape[1]):
        room.found[2] |= room.answered[row_at(PROMOTIONS, row) + P_USAGE]
    return ANSWERED


# What a call always takes, by its place in a frame (kernel.address_of): Known, Words, the rules, Scratch.
KNOWN_AT, WORDS_AT = 0, len(Known._fields)
RULES_AT = WORDS_AT + len(Words._fields)
ROOM_AT = RULES_AT + 1


@gate
def ask(frame: Buffer, data: Bytes, at_us: int, anyhow: bool) -> int:
    """Read a request and answer it: ANSWERED, TO_TELL, or why not. ELSEWHERE: it names a tenant, a ruleset or an
    instant, and is not to be answered by this ruleset `anyhow`."""
    room = Scratch(
        ints_at(frame, ROOM_AT),
        ints_at(frame, ROOM_AT + 1),
        ints_at(frame, ROOM_AT + 2),
        ints_at(frame, ROOM_AT + 3),
        ints_at(frame, ROOM_AT + 4),
        out_at(frame, ROOM_AT + 5),
        ints_at(frame, ROOM_AT + 6),
    )
    reason = read(data, room.asked)
    if reason:
        return NOT_READ + reason
    if not anyhow:
        said = room.asked
        if said[_SAID + SAID_TENANT + 1] or said[_SAID + SAID_RULESET_DIGEST + 1] or said[_SAID + SAID_AS_OF_US]:
            return ELSEWHERE
    known_of = Known(
        buffer_at(frame, KNOWN_AT),
        bytes_at(frame, KNOWN_AT + 1),
        buffer_at(frame, KNOWN_AT + 2),
        bytes_at(frame, KNOWN_AT + 3),
        buffer_at(frame, KNOWN_AT + 4),
        bytes_at(frame, KNOWN_AT + 5),
        buffer_at(frame, KNOWN_AT + 6),
        buffer_at(frame, KNOWN_AT + 7),
        buffer_at(frame, KNOWN_AT + 8),
    )
    words = Words(
        bytes_at(frame, WORDS_AT),
        bytes_at(frame, WORDS_AT + 1),
        buffer_at(frame, WORDS_AT + 2),
        buffer_at(frame, WORDS_AT + 3),
        buffer_at(frame, WORDS_AT + 4),
        buffer_at(frame, WORDS_AT + 5),
        buffer_at(frame, WORDS_AT + 6),
        buffer_at(frame, WORDS_AT + 7),
    )
    return answer(known_of, words, buffer_at(frame, RULES_AT), data, at_us, room)


class Direct:
    """Decides ordinary requests by one ruleset. One thread at a time uses it."""

    def __init__(self, ruleset: Ruleset, of: Known | None = None) -> None:
        """`of`: what is known of the ruleset, where it is at hand."""
        compile_kernels()
        self.ruleset = ruleset
        self.rules = ruleset.buffer
        self.known = of or known(ruleset)
        self.told = Told(ruleset)
        self.room = scratch()
        self._frame = self._framed()

    def _framed(self) -> Ints:
        """Where all that is lies; it is kept alive here."""
        self._words = self.told.words
        arrays = (*self.known, *self._words, self.rules, *self.room)
        frame = np.array([address_of(array) for array in arrays], np.int64).ravel()
        frame.flags.writeable = False
        return frame

    def another(self) -> Direct:
        """The same for another thread."""
        return Direct(self.ruleset, self.known)

    def decide(self, data: bytes, at_us: int) -> Answer | None:
        """What a DecideRequest gets by this ruleset, whatever ruleset, instant or tenant it names; None: it is not
        ordinary. `at_us`: the instant that is judged where it names none."""
        return self.answered() if self.ask(data, at_us, anyhow=True) == ANSWERED else None

    def ask(self, data: bytes, at_us: int, *, anyhow: bool = False) -> int:
        """Answer into the room: ANSWERED, or why not. ELSEWHERE: it may be another ruleset's to answer (`asks`), and is
        not answered `anyhow`."""
        request = np.frombuffer(data, np.uint8)
        for _ in range(TELLS_MAX):
            reason = int(ask(self._frame, request, at_us, anyhow))
            if reason != TO_TELL:
                return reason
            wanted = self.room.wanted
            self.told.tell(wanted[1 : 1 + WANT_CELLS * int(wanted[0])].reshape(-1, WANT_CELLS).tolist())
            self._frame = self._framed()
        return reason

    def asks(self, data: bytes) -> Asks:
        """By what the request that was read last wants to be decided."""
        said = self.room.asked[_SAID : _SAID + SAID_COLUMNS].tolist()
        tenant, digest = said[SAID_TENANT], said[SAID_RULESET_DIGEST]
        return Asks(
            data[tenant : tenant + said[SAID_TENANT + 1]],
            data[digest : digest + said[SAID_RULESET_DIGEST + 1]],
            said[SAID_AS_OF_US],
        )

    def answered(self) -> Answer:
        """What is in the room."""
        begin, at_us, judged = self.room.found.tolist()
        return Answer(self.room.out[begin:].tobytes(), at_us, bool(judged))
