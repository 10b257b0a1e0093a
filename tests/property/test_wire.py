"""Request bytes are read alike by the reader and by the protobuf library, or not by the reader (tests/wire.py)."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from engine import wire as reader
from engine.asked import A_LINES, BEGIN, LINE_QUANTITY
from engine.kernel import Ints
from tests import bulk, messages, wire

SHARE, LONG = 10_000, 1_000_000  # messages
PARTS = 2
WAYS = {way.__name__.replace("_", " ") for way in (*messages.BREAKS, *messages.DAMAGES)}


def report(counts: Counter[str], wrong: list[str]) -> None:
    """Fail with the messages."""
    assert not wrong, (
        f"{len(wrong)} of {sum(counts.values())} messages; `python -m tests.wire N N+1` repeats one:\n"
        + "\n".join(wrong[:5])
    )


@pytest.mark.parametrize("part", range(PARTS))
def test_a_share_of_messages(part: int) -> None:
    counts, wrong = wire.block(part * SHARE // PARTS, (part + 1) * SHARE // PARTS)
    report(counts, wrong)
    assert sum(counts.values()) == SHARE // PARTS
    assert {said.partition(":")[0] for said in counts} == WAYS | {"as it is", "said otherwise"}
    assert {said.rpartition(": ")[2] for said in counts} == set(reader.REASONS)


@pytest.mark.long
def test_a_million_messages(capsys: pytest.CaptureFixture[str]) -> None:
    total: Counter[str] = Counter()
    wrong: list[str] = []
    for counts, differences in bulk.run(wire.block, wire.BLOCK, SHARE, SHARE + LONG):
        total += counts
        wrong += differences
    with capsys.disabled():
        print("\n" + "\n".join(f"{count:>12,}  {said}" for said, count in sorted(total.items())))
    report(total, wrong)
    assert sum(total.values()) == LONG


def test_a_reader_that_errs_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """One column of one line; a message that should not have been read; one that should."""
    exact = reader.read

    def tampered(data: np.typing.NDArray[np.uint8], asked: Ints) -> int:
        reason = exact(data, asked)
        if how == "a number" and asked[2 * A_LINES + 1]:
            asked[BEGIN[A_LINES] + LINE_QUANTITY] += 1
        return {"all": 0, "none": reader.TWICE}.get(how, reason)

    monkeypatch.setattr(reader, "read", tampered)
    for how in ("a number", "all", "none"):
        wrong = wire.block(0, 64)[1]
        assert wrong, how
