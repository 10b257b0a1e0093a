"""The Timeline as a pure thing: what is in force, and that nothing in it can be changed unnoticed."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.timeline import (
    ENTRY_BYTES_MAX,
    GENESIS,
    BadEntry,
    BrokenChain,
    Entry,
    Timeline,
    decode,
    make_entry,
    verify_chain,
)

A, B, C = "a" * 64, "b" * 64, "c" * 64


def chain(*rows: tuple[int, str]) -> Timeline:
    """A Timeline of rows (effective_from_us, digest)."""
    entries: list[Entry] = []
    for effective_from_us, digest in rows:
        previous = entries[-1] if entries else None
        entries.append(
            make_entry(
                previous,
                effective_from_us=effective_from_us,
                digest=digest,
                author="anna",
                reason="why not",
                appended_at_us=len(entries),
            )
        )
    return Timeline().extended(entries)


@pytest.mark.parametrize(
    ("at_us", "digest"),
    [(99, None), (100, A), (199, A), (200, B), (10**15, B)],
)
def test_an_entry_is_in_force_from_its_instant_on(at_us, digest):
    found = chain((100, A), (200, B)).in_force(at_us)
    assert (found and found.digest) == digest


def test_what_was_scheduled_first_still_takes_force_at_its_time():
    timeline = chain((100, A), (500, B), (300, C))
    assert [(entry := timeline.in_force(at)) and entry.digest for at in (100, 300, 499, 500)] == [A, C, C, B]


def test_of_two_for_one_instant_the_later_appended_is_in_force():
    timeline = chain((100, A), (100, B))
    assert timeline.in_force(100) == timeline.entries[1]


def test_before_and_after_divide_the_timeline():
    timeline = chain((100, A), (500, B), (300, C))
    assert [e.digest for e in timeline.up_to(300)] == [A, C]
    assert [e.digest for e in timeline.after(300)] == [B]


@given(st.lists(st.tuples(st.integers(0, 50), st.sampled_from([A, B, C])), max_size=12), st.integers(-1, 60))
def test_in_force_is_the_latest_that_has_begun(rows, at_us):
    timeline = chain(*rows)
    begun = [e for e in timeline.entries if e.effective_from_us <= at_us]
    wanted = max(begun, key=lambda e: (e.effective_from_us, e.sequence), default=None)
    assert timeline.in_force(at_us) == wanted


def test_the_bytes_of_an_entry_give_the_entry_back():
    entry = chain((100, A)).head
    assert entry is not None
    assert decode(entry.encode()) == entry
    assert entry.previous_hash == GENESIS


def test_every_flipped_bit_of_an_entry_is_refused():
    data = bytearray(chain((100, A), (200, B)).entries[1].encode())
    for place in range(len(data) * 8):
        data[place // 8] ^= 1 << place % 8
        with pytest.raises(BadEntry):
            decode(bytes(data))
        data[place // 8] ^= 1 << place % 8


@pytest.mark.parametrize(
    "change",
    [
        {"sequence": 0},
        {"sequence": True},
        {"sequence": "1"},
        {"effective_from_us": -1},
        {"effective_from_us": 2**63},
        {"digest": "A" * 64},
        {"digest": "a" * 63},
        {"kind": "kill"},
        {"author": "x" * 257},
        {"author": None},
        {"format": 3},
        {"kind": "pause"},
        {"kind": "resume", "until_us": 5},
        {"promotion": "summer"},
        {"until_us": 5},
        {"kind": "cancel"},
        {"kind": "cancel", "cancelled": 1},
        {"cancelled": 1},
        {"change_id": "x" * 65},
        {"more": 1},
    ],
)
def test_an_entry_out_of_bounds_is_refused(change):
    fields = json.loads(chain((100, A)).entries[0].encode())
    with pytest.raises(BadEntry):
        decode(json.dumps(fields | change, sort_keys=True, separators=(",", ":")).encode())


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"\xff", b"{" * 5_000, b" " * (ENTRY_BYTES_MAX + 1)])
def test_what_is_no_entry_is_refused(data):
    with pytest.raises(BadEntry):
        decode(data)


def test_a_text_too_long_cannot_be_written():
    with pytest.raises(BadEntry, match="reason"):
        make_entry(None, effective_from_us=1, digest=A, author="a", reason="x" * 1_025, appended_at_us=1)


def test_dropping_swapping_repeating_or_replacing_breaks_the_chain():
    one, two, three = chain((1, A), (2, B), (3, C)).entries
    other = replace(two, digest=C)
    for entries in [(one, three), (two, one), (one, one), (two,), (one, replace(other, entry_hash=A), three)]:
        with pytest.raises(BrokenChain):
            verify_chain(entries)
    verify_chain((one, two, three))
    verify_chain((three,), after=two)


def test_a_timeline_only_grows_by_what_follows():
    timeline = chain((1, A), (2, B))
    with pytest.raises(BrokenChain):
        timeline.extended([chain((1, A)).entries[0]])
    assert timeline.extended([]) is timeline


def follows(timeline: Timeline, effective_from_us: int, digest: str, kind: str, **more) -> Timeline:
    """With one more entry."""
    fields = {"author": "anna", "reason": "", "appended_at_us": 0, **more}
    entry = make_entry(timeline.head, effective_from_us=effective_from_us, digest=digest, kind=kind, **fields)
    return timeline.extended([entry])


def test_what_is_taken_back_never_takes_force():
    timeline = follows(chain((100, A), (200, B), (300, C)), 200, B, "cancel", cancelled=2)
    assert [(entry := timeline.in_force(at)) and entry.digest for at in (100, 200, 299, 300)] == [A, A, A, C]
    assert [timeline.is_cancelled(entry) for entry in timeline.entries] == [False, True, False, False]
    assert [entry.digest for entry in timeline.after(100)] == [C]
    assert Timeline().extended(timeline.entries) == timeline


@pytest.mark.parametrize(("at_us", "digest", "number"), [(200, A, 2), (201, B, 2), (200, B, 4)])
def test_a_cancel_says_what_it_takes_back(at_us, digest, number):
    timeline = follows(chain((100, A), (200, B), (300, C)), 200, B, "cancel", cancelled=2)
    with pytest.raises(BrokenChain, match="takes back"):
        follows(timeline, at_us, digest, "cancel", cancelled=number)


def test_a_pause_names_its_promotion_and_its_end():
    timeline = follows(chain((100, A)), 200, B, "pause", promotion="summer", until_us=300)
    timeline = follows(timeline, 300, A, "resume", promotion="summer", change_id="mine")
    assert [(entry := timeline.in_force(at)) and entry.digest for at in (199, 200, 300)] == [A, B, A]
    assert timeline.entries[2].change_id == "mine"
