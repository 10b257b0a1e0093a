"""What callers see of activations: from which answers by which entries, and when. Pure arithmetic.

Instants ending in `_ns` are readings of this host's monotonic clock, those ending in `_us` are T, the Timeline's time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

VAGUE: Final = 0.4  # of the guard: a reading of the store's clock that takes longer says too little (server/lease.py)
_MILLION: Final = 1_000_000


class Asked(NamedTuple):
    """One call. `sequence`: of the entry that it was answered by; 0: it failed."""

    node: int
    sent_ns: int
    received_ns: int
    sequence: int

    @property
    def ms(self) -> float:
        """How long it took."""
        return (self.received_ns - self.sent_ns) / _MILLION


class Reading(NamedTuple):
    """T, as the store told it between two readings of the monotonic clock."""

    t_us: int
    sent_ns: int
    received_ns: int


class Activation(NamedTuple):
    """One entry. `at_ns`: when it takes force, by this host's clock."""

    sequence: int
    at_ns: int


class Flip(NamedTuple):
    """How one activation went, in milliseconds."""

    first: float  # from effective_from to the first answer by the new entry, of whichever node
    nodes: float  # from that one to the first answer by it of the last node
    turn: float  # from the last answer by the old entry to the first by the new; below 0: some were late on their way


def limit_ms(guard_ms: int) -> float:
    """What an activation may cost a request, and may lie between nodes: the guard, and how wide two nodes' readings of
    the store's clock may be."""
    return guard_ms * (1 + 2 * VAGUE)


def at_ns(t_us: int, readings: Sequence[Reading]) -> int:
    """When T is this, by this host's clock: as the closest reading says."""
    closest = min(readings, key=lambda reading: reading.received_ns - reading.sent_ns)
    return (closest.sent_ns + closest.received_ns) // 2 + (t_us - closest.t_us) * 1_000


def flips(calls: Iterable[Asked], activations: Sequence[Activation], nodes: int) -> list[Flip]:
    """Each activation by which every node answered, and one before it."""
    first: dict[int, dict[int, int]] = {}  # by sequence and node
    last: dict[int, int] = {}
    for call in calls:
        if call.sequence:
            seen = first.setdefault(call.sequence, {})
            seen[call.node] = min(seen.get(call.node, call.received_ns), call.received_ns)
            last[call.sequence] = max(last.get(call.sequence, 0), call.received_ns)
    found = []
    ordered = sorted(activations, key=lambda activation: activation.at_ns)
    for old, new in pairwise(ordered):
        seen = first.get(new.sequence, {})
        if len(seen) == nodes and old.sequence in last:
            begin, end = min(seen.values()), max(seen.values())
            turn = begin - last[old.sequence]
            found.append(Flip(*(ns / _MILLION for ns in (begin - new.at_ns, end - begin, turn))))
    return found


def met(calls: Iterable[Asked], activations: Sequence[Activation], guard_ms: int) -> tuple[list[Asked], list[Asked]]:
    """Those that were under way at a moment at which a node may not answer, and those of which nothing was."""
    guard_ns = guard_ms * _MILLION
    begins = sorted(activation.at_ns for activation in activations)
    some: list[Asked] = []
    others: list[Asked] = []
    for call in calls:
        meets = any(begin <= call.received_ns and call.sent_ns < begin + guard_ns for begin in begins)
        (some if meets else others).append(call)
    return some, others


def percentile(values: Sequence[float], percent: int) -> float:
    """So many of a hundred are no larger; nan of none."""
    ordered = sorted(values)
    return ordered[math.ceil(len(ordered) * percent / 100) - 1 if percent else 0] if ordered else math.nan
