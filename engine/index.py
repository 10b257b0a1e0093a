"""Texts in flat arrays, and the place of a text among them: mapped from a file, looked up by kernels and by Python.

    texts   begin, blob    the texts one after the other in UTF-8, and where each begins
    index   index, blob    the same with a hash table: [how many texts, bits, begin …, slots …]

A slot holds the hash of a text and its place; -1: it is empty. Slots are in the order of the hashes, each at the place
that the first bits of its hash name or as soon after it as there is room. The last slot is empty, so a search ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import overload

import numpy as np
import numpy.typing as npt

from engine.kernel import Buffer, Bytes, bare

Ints = npt.NDArray[np.int64]

# FNV-1a with 32 bits: products stay far below 2**63, so kernels, numpy and Python's integers count the same.
FIRST = 2_166_136_261
PRIME = 16_777_619
MIX = 739_982_445
MASK = (1 << 32) - 1
PLACE_BITS = 31
PLACE_MASK = (1 << PLACE_BITS) - 1
TOGETHER = 256  # bytes; longer texts are hashed one by one
HEAD = 2  # of an index: how many texts, bits


@bare
def hashed(data: Bytes, begin: int, length: int) -> int:
    """The hash of some bytes, 32 bits."""
    found = FIRST
    for i in range(begin, begin + length):
        found = int((found ^ np.int64(data[i])) * PRIME & MASK)
    found = ((found ^ (found >> 15)) * MIX) & MASK
    return found ^ (found >> 15)


@bare
def find(index: Buffer, blob: Bytes, data: Bytes, begin: int, length: int) -> int:
    """The place of a text, given as `length` bytes of `data` from `begin` on; -1: it is not there."""
    count, wanted = index[0], hashed(data, begin, length)
    at = HEAD + count + 1 + (wanted >> (32 - index[1]))
    while index[at] >= 0 and index[at] >> PLACE_BITS <= wanted:
        if index[at] >> PLACE_BITS == wanted:
            place = index[at] & PLACE_MASK
            first = index[HEAD + place]
            same = index[HEAD + place + 1] - first == length
            for i in range(length):
                if not same:
                    break
                same = blob[first + i] == data[begin + i]
            if same:
                return int(place)
        at += 1
    return -1


@bare
def slot_of(index: Buffer, data: Bytes, begin: int, length: int) -> int:
    """Where in an index a text is looked for first."""
    return HEAD + index[0] + 1 + (hashed(data, begin, length) >> (32 - index[1]))


def hash_of(data: bytes) -> int:
    """The same hash, of all of these bytes."""
    found = FIRST
    for byte in data:
        found = (found ^ byte) * PRIME & MASK
    found = (found ^ found >> 15) * MIX & MASK
    return found ^ found >> 15


def hashes(begin: Ints, blob: npt.NDArray[np.uint8]) -> Ints:
    """The hash of each text."""
    lengths = np.diff(begin)
    order = np.argsort(-lengths, kind="stable")  # longest first: those that still have a byte are the first ones
    starts, found = begin[:-1][order], np.full(len(lengths), FIRST, np.int64)
    most = min(TOGETHER, lengths.max(initial=0))
    left = np.searchsorted(-lengths[order], -np.arange(most), side="left").tolist()
    for place, some in enumerate(left):
        found[:some] = ((found[:some] ^ blob[starts[:some] + place]) * PRIME) & MASK
    found = ((found ^ (found >> 15)) * MIX) & MASK
    result = np.empty_like(found)
    result[order] = found ^ (found >> 15)
    for place in np.flatnonzero(lengths > TOGETHER).tolist():
        result[place] = hash_of(blob[begin[place] : begin[place + 1]].tobytes())
    return result


def flat(texts: Sequence[str]) -> tuple[Ints, npt.NDArray[np.uint8]]:
    """Texts as `begin` and `blob`."""
    data = [text.encode() for text in texts]
    begin = np.zeros(len(data) + 1, np.int64)
    np.cumsum([len(one) for one in data], out=begin[1:])
    return begin, np.frombuffer(b"".join(data), np.uint8)


def indexed(begin: Ints, blob: npt.NDArray[np.uint8]) -> Ints:
    """The index of texts that differ."""
    count = len(begin) - 1
    bits = max(0, 2 * count - 1).bit_length()
    hashed_all = hashes(begin, blob)
    order = np.argsort(hashed_all, kind="stable")
    home = hashed_all[order] >> (32 - bits)
    counting = np.arange(count)
    at = counting + np.maximum.accumulate(home - counting)
    slots = np.full(max(1 << bits, int(at.max(initial=0)) + 1) + 1, -1, np.int64)
    slots[at] = hashed_all[order] << PLACE_BITS | order
    return np.concatenate((np.array([count, bits], np.int64), begin, slots))


class Texts(Sequence[str]):
    """Texts that are read where they stand, each when it is asked for."""

    def __init__(self, begin: Ints, blob: npt.NDArray[np.uint8]) -> None:
        """Raises ValueError for arrays that are none."""
        if begin.ndim != 1 or blob.ndim != 1 or begin.dtype != np.int64 or blob.dtype != np.uint8 or not len(begin):
            raise ValueError("texts stand in other arrays")
        self.begin = begin
        self.blob = blob
        self._begin = begin.data
        self._blob = blob.data

    def __len__(self) -> int:
        return len(self._begin) - 1

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[str, ...]: ...

    def __getitem__(self, place: int | slice) -> str | tuple[str, ...]:
        if isinstance(place, slice):
            return tuple(self[i] for i in range(*place.indices(len(self))))
        if place < 0:
            place += len(self)
        if not 0 <= place < len(self):
            raise IndexError(place)
        return str(self._blob[self._begin[place] : self._begin[place + 1]], "utf-8")

    def data(self, place: int) -> memoryview:
        """The bytes of a text."""
        return self._blob[self._begin[place] : self._begin[place + 1]]

    def __iter__(self) -> Iterator[str]:
        data = bytes(self._blob)
        for begin, end in pairwise(self._begin):
            yield str(data[begin:end], "utf-8")


class Index(Mapping[str, int]):
    """The place of each of some texts."""

    def __init__(self, index: Ints, blob: npt.NDArray[np.uint8]) -> None:
        """Raises ValueError or LookupError for arrays that are none."""
        count = max(0, int(index[0]))
        self.index = index
        self.texts = Texts(index[HEAD : HEAD + count + 1], blob)
        self._slots = index[HEAD + count + 1 :].data
        self._shift = 32 - int(index[1])

    def __len__(self) -> int:
        return len(self.texts)

    def __iter__(self) -> Iterator[str]:
        return iter(self.texts)

    def __getitem__(self, text: str) -> int:
        if (place := self.place(text)) < 0:
            raise KeyError(text)
        return place

    def __contains__(self, text: object) -> bool:
        return isinstance(text, str) and self.place(text) >= 0

    def place(self, text: str) -> int:
        """Its place; -1: it is not there."""
        data = text.encode(errors="surrogatepass")  # what is no text is in no index
        wanted = hash_of(data)
        at, slots = wanted >> self._shift, self._slots
        while 0 <= (slot := slots[at]) and (found := slot >> PLACE_BITS) <= wanted:
            if found == wanted and self.texts.data(slot & PLACE_MASK) == data:
                return slot & PLACE_MASK
            at += 1
        return -1
