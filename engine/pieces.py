"""What a declaration adds to the rules before names are numbers: rows with gaps, and what belongs into each gap.

So a piece depends on its declaration alone and not on what else there is: a linker that keeps pieces fills their gaps
anew and leaves the rest as it was (engine/link.py).
"""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


class Ref(NamedTuple):
    """Stands for a number that is known once all pieces are: the position of a name, an amount, a text."""

    kind: str
    key: Hashable


class Piece(NamedTuple):
    """By field: the entries as bytes of int64, and the gaps as pairs (position, which of `refs`)."""

    entries: tuple[bytes, ...]
    gaps: tuple[bytes, ...]
    refs: tuple[Ref, ...]  # those of no gap must be there all the same


def piece(fields: Iterable[Iterable[int | Ref]], asked: Iterable[Ref] = ()) -> Piece:
    """The piece of these fields. Raises OverflowError for numbers that are too large."""
    refs: dict[Ref, int] = {}
    entries, gaps = [], []
    for field in fields:
        plain, holes = array("q"), array("q")
        for position, value in enumerate(field):
            if isinstance(value, Ref):
                holes.extend((position, refs.setdefault(value, len(refs))))
                value = 0
            plain.append(value)
        entries.append(plain.tobytes())
        gaps.append(holes.tobytes())
    for ref in asked:
        refs.setdefault(ref, len(refs))
    return Piece(tuple(entries), tuple(gaps), tuple(refs))


def all_refs(pieces: Iterable[Piece]) -> dict[Ref, None]:
    """What belongs into the gaps of all pieces, each once, in the order of its first use."""
    return dict.fromkeys(chain.from_iterable(some.refs for some in pieces))


def join(pieces: Sequence[Piece], fields: int, numbers: Mapping[Ref, int]) -> list[tuple[Ints, Ints]]:
    """By field: the entries of all pieces one after the other, gaps filled; and where those of each piece begin."""
    known = np.fromiter(map(numbers.__getitem__, chain.from_iterable(some.refs for some in pieces)), np.int64)
    first = _begins(np.fromiter((len(some.refs) for some in pieces), np.int64))
    joined = []
    for field in range(fields):
        entries = [some.entries[field] for some in pieces]
        gaps = [some.gaps[field] for some in pieces]
        values = np.frombuffer(b"".join(entries), np.int64).copy()
        begin = _begins(np.fromiter(map(len, entries), np.int64) // 8)
        position, ref = np.frombuffer(b"".join(gaps), np.int64).reshape(-1, 2).T
        owner = np.repeat(np.arange(len(pieces)), np.fromiter(map(len, gaps), np.int64) // 16)
        values[begin[owner] + position] = known[first[owner] + ref]
        joined.append((values, begin))
    return joined


def _begins(lengths: Ints) -> Ints:
    return np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
