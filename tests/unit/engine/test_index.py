"""Every text is found where it stands, and no other; in Python, in kernels, and in arrays that numpy made."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest

from engine.index import HEAD, PLACE_BITS, PLACE_MASK, Index, Texts, find, flat, hash_of, hashed, hashes, indexed
from engine.kernel import compile_kernels

TEXTS = [
    "",
    "a",
    "b",
    "ab",
    "ba",
    "tee",
    "Käse",
    "日本",
    "\x00",
    "\x00\x00",
    "4006381333931",
    "x" * 300,
    "x" * 299 + "y",
]


@pytest.fixture(scope="module", autouse=True)
def _compiled():
    compile_kernels()


def made(texts: list[str]) -> tuple[Index, Any, Any]:
    begin, blob = flat(texts)
    blob.flags.writeable = False
    index = indexed(begin, blob)
    index.flags.writeable = False
    return Index(index, blob), index, blob


def asked(index: Any, blob: Any, text: str) -> int:
    """The kernel's answer, the text standing somewhere in a message."""
    data = b"before" + text.encode() + b"behind"
    return find(index, blob, np.frombuffer(data, np.uint8), len(b"before"), len(text.encode()))


def random_texts(random: Random, count: int) -> list[str]:
    alphabet = random.choice(["ab", "0123456789", "aäß€𝄞\x00 "])
    return sorted({"".join(random.choices(alphabet, k=random.randrange(14))) for _ in range(count)})


@pytest.mark.parametrize("seed", range(40))
def test_each_is_found_and_no_other(seed):
    random = Random(seed)
    texts = TEXTS[: random.randrange(len(TEXTS))] if seed % 2 else random_texts(random, random.randrange(400))
    random.shuffle(texts)
    index, table, blob = made(texts)
    known = {text: place for place, text in enumerate(texts)}
    assert dict(index) == known
    assert list(index.texts) == texts
    for text in [*texts, *TEXTS, *random_texts(random, 100), *(text + "\x00" for text in texts)]:
        place = known.get(text, -1)
        assert (index.place(text), asked(table, blob, text)) == (place, place), text
        assert (text in index, index.get(text)) == (text in known, known.get(text))


def test_one_hash_in_three_ways():
    begin, blob = flat(TEXTS)
    for text, at_once in zip(TEXTS, hashes(begin, blob).tolist(), strict=True):
        data = text.encode()
        assert hash_of(data) == at_once == hashed(np.frombuffer(data, np.uint8), 0, len(data))
        assert 0 <= at_once < 1 << 32


def test_texts_of_one_hash_are_told_apart():
    """Two of some hundred thousand have one by chance."""
    begin, blob = flat(texts := [f"{number} {number * number}" for number in range(200_000)])
    found = hashes(begin, blob)
    order = np.argsort(found, kind="stable")
    alike = np.flatnonzero(np.diff(found[order]) == 0)
    assert len(alike)
    pairs = sorted({texts[order[place + more]] for place in alike.tolist() for more in (0, 1)})
    for some in (pairs, pairs[:-1], pairs[1:]):
        index, table, blob = made(some)
        for text in pairs:
            place = some.index(text) if text in some else -1
            assert index.place(text) == asked(table, blob, text) == place


def test_a_slot_is_empty_at_the_end_of_every_search():
    for count in (0, 1, 2, 3, 1_000):
        _, table, _ = made([str(number) for number in range(count)])
        slots = table[HEAD + count + 1 :]
        assert slots[-1] == -1
        assert sorted((slots[slots >= 0] & PLACE_MASK).tolist()) == list(range(count))
        assert (np.diff(slots[slots >= 0] >> PLACE_BITS) >= 0).all()


def test_what_is_no_text_is_not_there():
    index, _, _ = made(TEXTS)
    for text in ("\ud800", "a\udfff", "x" * 100_000):
        assert index.place(text) == -1
    assert not index.__contains__(7)
    with pytest.raises(KeyError):
        index["none"]


def test_texts_are_a_sequence():
    texts = Texts(*flat(TEXTS))
    assert [texts[i] for i in range(-len(TEXTS), 0)] == TEXTS
    assert texts[:] == tuple(TEXTS)
    assert texts[3:1:-1] == tuple(TEXTS[3:1:-1])
    for place in (len(TEXTS), -len(TEXTS) - 1):
        with pytest.raises(IndexError):
            texts[place]


@pytest.mark.parametrize(
    ("begin", "blob"),
    [
        (np.zeros(0, np.int64), np.zeros(0, np.uint8)),
        (np.zeros((1, 1), np.int64), np.zeros(0, np.uint8)),
        (np.zeros(1, np.uint64), np.zeros(0, np.uint8)),
        (np.zeros(1, np.int64), np.zeros(0, np.int8)),
        (np.zeros(1, np.int64), np.zeros((1, 0), np.uint8)),
    ],
)
def test_other_arrays_are_no_texts(begin, blob):
    with pytest.raises(ValueError, match="other arrays"):
        Texts(begin, blob)
