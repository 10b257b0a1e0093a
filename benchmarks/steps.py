"""From a request's bytes to the bytes of its Decision, in this process: the steps, each with a clock before it."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from engine.image import Ruleset
    from engine.kernel import Ints, Table
    from engine.state import State

STEPS: Final = ("read", "resolve", "touch", "rows, state", "combine")


class NotOrdinary(Exception):
    """A request that goes the long way; the benchmarks have none."""


class Decided(NamedTuple):
    """One request, decided: nanoseconds of each step, and the candidates."""

    steps: list[int]
    table: Table


class Steps:
    """The way of ordinary requests under one ruleset. `at_us`: now, for those that name no instant."""

    def __init__(self, ruleset: Ruleset, at_us: int) -> None:
        from engine import asked, combine, known, match, quick, wire
        from engine.kernel import compile_kernels

        compile_kernels()
        self.ruleset = ruleset
        self.at_us = at_us
        self._wire, self._quick, self._match = wire, quick, match
        self._combine = combine.combine
        self._known = known.known(ruleset)
        self._asked = asked.scratch()
        self._question, self._notes = quick.room()

    def decide(self, data: bytes) -> Decided:
        """Decide a request. Raises NotOrdinary."""
        clock, question, rules = time.perf_counter_ns, self._question, self.ruleset.buffer
        begin = clock()
        request = np.frombuffer(data, np.uint8)
        read = self._wire.read(request, self._asked)
        asked = clock()
        resolved = self._quick.columns(self._known, self._asked, request, self.at_us, question, self._notes)
        columns = clock()
        if read or resolved:
            raise NotOrdinary(f"{self._wire.REASONS[read]}, {self._quick.REASONS[resolved]}")
        touching = self._match.touch(rules, question)
        touched = clock()
        table = self._match.candidates(touching)
        state = self._fresh(touching.shape[0])
        ready = clock()
        self._combine(rules, question, table, state)
        return Decided([asked - begin, columns - asked, touched - columns, ready - touched, clock() - ready], table)

    def _fresh(self, rows: int) -> State:
        """The State of a decision that begins."""
        from engine.layout import Q_FEES, Q_LINE_MARKS, Q_UNIT_LIST
        from engine.state import State

        amounts = self._field(Q_UNIT_LIST)
        return State(
            amounts.copy(),
            amounts.copy(),
            np.full(amounts.shape[0], -1, np.int64),
            np.full(amounts.shape[0], -1, np.int64),
            np.full(amounts.shape[0], -1, np.int64),
            np.maximum(self._field(Q_FEES), 0),
            np.zeros((rows, 3), np.int64),
            np.zeros((self._field(Q_LINE_MARKS).shape[0] * rows, 3), np.int64),
            np.zeros(3, np.int64),
        )

    def _field(self, of: int) -> Ints:
        begin, length = self._question[2 * of], self._question[2 * of + 1]
        return self._question[begin : begin + length]


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
    steps: list[list[float]]  # by basket
    every: list[float]  # of all tries of all baskets

    @property
    def whole(self) -> Spread:
        """All steps."""
        return Spread.of([sum(steps) for steps in self.steps])

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
        tables = [steps.decide(request).table for request in requests]
        apply = [int((table[T_REASON] == Reason.APPLIED).sum()) for table in tables]
        none = [[math.inf] * len(STEPS) for _ in requests]
        found.append(Sized(lines, [table.shape[1] for table in tables], apply, none, []))
    with undisturbed():
        for _ in range(tries):
            for (steps, _, requests), one in zip(asked, found, strict=True):
                for number, request in enumerate(requests):
                    took = [nanoseconds / 1e3 for nanoseconds in steps.decide(request).steps]
                    one.steps[number][:] = map(min, one.steps[number], took)
                    one.every.append(sum(took))
    return found
