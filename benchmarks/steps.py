"""From a request's bytes to the bytes of its Decision, in this process: at once, and step by step."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from engine.image import Ruleset
    from engine.kernel import Table

STEPS: Final = ("read", "resolve", "touch", "rows, state", "combine", "fill", "write")
COMBINE: Final = STEPS.index("combine")


class NotOrdinary(Exception):
    """A request that goes the long way; the benchmarks have none."""


class Decided(NamedTuple):
    """One request, decided: nanoseconds of each step, and the candidates."""

    steps: list[int]
    table: Table


class Steps:
    """The way of ordinary requests under one ruleset. `at_us`: now, for those that name no instant."""

    def __init__(self, ruleset: Ruleset, at_us: int) -> None:
        from engine import direct, wire, wire_out
        from engine.combine import combine
        from engine.fill import fill
        from engine.match import candidates, touch
        from engine.quick import columns
        from engine.state import begun

        self.ruleset = ruleset
        self.at_us = at_us
        self._direct = direct.Direct(ruleset)
        self._read, self._columns, self._touch, self._candidates = wire.read, columns, touch, candidates
        self._begun, self._combine, self._fill, self._write = begun, combine, fill, wire_out.write

    def whole(self, data: bytes) -> int:
        """Decide a request in one compiled call, as the server does; nanoseconds. Raises NotOrdinary."""
        begin = time.perf_counter_ns()
        answer = self._direct.decide(data, self.at_us)
        took = time.perf_counter_ns() - begin
        if answer is None:
            raise NotOrdinary
        return took

    def apart(self, data: bytes) -> Decided:
        """The same, each step called from here: every call adds a microsecond, more or less. Raises NotOrdinary."""
        from engine.rows import FILLED

        clock, with_ruleset = time.perf_counter_ns, self._direct
        room, rules, known, words = with_ruleset.room, with_ruleset.rules, with_ruleset.known, with_ruleset.told.words
        asked, question, answered = room.asked, room.question, room.answered
        marks = [clock()]
        request = np.frombuffer(data, np.uint8)
        self._read(request, asked)
        marks.append(clock())
        self._columns(known, asked, request, self.at_us, question, room.notes)
        marks.append(clock())
        touching = self._touch(rules, question)
        marks.append(clock())
        table = self._candidates(touching)
        state = self._begun(question, touching.shape[0])
        marks.append(clock())
        self._combine(rules, question, table, state)
        marks.append(clock())
        filled = self._fill(known, words, rules, question, table, state, asked, room.notes, answered, room.wanted)
        marks.append(clock())
        room.out[self._write(answered, request, words.blob, words.filled, room.out) :].tobytes()
        marks.append(clock())
        if filled != FILLED:  # a text was not told yet, or this is not ordinary
            self.whole(data)
            return self.apart(data)
        return Decided([end - start for start, end in pairwise(marks)], table)


# ---------------------------------------------------------------------------------------------------- measuring


@contextmanager
def undisturbed() -> Iterator[None]:
    """Inside the block Python does not look for garbage."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class Spread(NamedTuple):
    """Of some figures, such as one a basket."""

    median: float
    p99: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of these."""
        ascending = sorted(values)
        return cls(median(ascending), ascending[math.ceil(len(ascending) * 0.99) - 1])


class Sized(NamedTuple):
    """Baskets of a size: of each what touches it and applies, and its microseconds at their quickest."""

    lines: int
    touch: list[int]
    apply: list[int]
    whole: list[float]  # by basket
    steps: list[list[float]]  # by basket
    every: list[float]  # of all tries of all baskets

    @property
    def spread(self) -> Spread:
        """Of the baskets."""
        return Spread.of(self.whole)

    @property
    def by_step(self) -> list[float]:
        """The median of each."""
        return [median(column) for column in zip(*self.steps, strict=True)]


def measured(asked: Sequence[tuple[Steps, int, Sequence[bytes]]], tries: int) -> list[Sized]:
    """What baskets take, some of each number of lines.

    All are asked in turn, so that none finds the caches as it left them itself, and what else the machine does meets
    all alike."""
    from engine.decision import Reason
    from engine.layout import T_REASON

    found = []
    for steps, lines, requests in asked:
        tables = [steps.apart(request).table for request in requests]
        apply = [int((table[T_REASON] == Reason.APPLIED).sum()) for table in tables]
        none = [[math.inf] * len(STEPS) for _ in requests]
        found.append(Sized(lines, [table.shape[1] for table in tables], apply, [math.inf] * len(tables), none, []))
    with undisturbed():
        for _ in range(tries):
            for (steps, _, requests), one in zip(asked, found, strict=True):
                for number, request in enumerate(requests):
                    took = steps.whole(request) / 1e3
                    one.whole[number] = min(one.whole[number], took)
                    one.every.append(took)
            for (steps, _, requests), one in zip(asked, found, strict=True):
                for number, request in enumerate(requests):
                    apart = (nanoseconds / 1e3 for nanoseconds in steps.apart(request).steps)
                    one.steps[number][:] = map(min, one.steps[number], apart)
    return found
