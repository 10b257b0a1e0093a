"""The audit finds what it is for: forged recordings, each with one lie, and an honest one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.timeline import HASH_PREFIX, Entry, make_entry
from tests.fault.audit import WAYS, Call, Fault, Reading, Recording, judge, main, read

T_US = 1_800_000_000_000_000  # T when the host's clock says 0
S_NS, MS_NS = 10**9, 10**6
OLD, NEW, CANCELLED = "a" * 64, "b" * 64, "c" * 64
LEASE_US = 2_000_000
FLIP_NS = 10 * S_NS


def at(ns: int) -> int:
    return T_US + ns // 1_000


def decided(basket: int, ruleset: str) -> str:
    return f"{basket:x}".rjust(63, "0") + ruleset[0]


def call(node: int, sent_ns: int, *, took_ns: int = MS_NS, basket: int = 0, **fields: Any) -> Call:
    """An honest answer, but for what `fields` say."""
    as_of_us = fields.get("as_of_us", at(sent_ns))
    sequence, ruleset = (1, OLD) if as_of_us < at(FLIP_NS) else (2, NEW)
    decision = decided(basket, ruleset)
    honest = Call(sent_ns, sent_ns + took_ns, f"n{node}", 0, as_of_us, sequence, 1, ruleset, decision, decision, basket)
    return honest._replace(**fields)


def timeline() -> list[Entry]:
    """The old ruleset, the new one, one that was to come soon after, and the entry that takes that back."""
    terms: dict[str, Any] = {"author": "anna", "reason": "", "appended_at_us": T_US}
    entries = [make_entry(None, effective_from_us=T_US - 1, digest=OLD, **terms)]
    for effective_us, digest, kind, cancelled in (
        (at(FLIP_NS), NEW, "publish", 0),
        (at(FLIP_NS + S_NS), CANCELLED, "publish", 0),
        (at(FLIP_NS + S_NS), CANCELLED, "cancel", 3),
    ):
        entries.append(
            make_entry(
                entries[-1],
                effective_from_us=effective_us,
                digest=digest,
                kind=kind,
                cancelled=cancelled,
                **terms,
            )
        )
    return entries


def record(entry: Entry) -> tuple[str, bytes]:
    fields = json.loads(entry.encode())
    del fields["entry_hash"]
    body = json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()
    return entry.entry_hash, HASH_PREFIX + body


@pytest.fixture
def honest() -> Recording:
    """Two nodes for thirty seconds, asked each 50 ms, the second by streams; it is cut off from second 20 to 25."""
    calls = []
    for node in range(2):
        for step in range(600):
            sent_ns = step * 50 * MS_NS
            off = node == 1 and 20 * S_NS + 1_900 * MS_NS <= sent_ns < 25 * S_NS
            calls.append(call(node, sent_ns, basket=step % 7, reason="NOT_CERTAIN" if off else "", way=WAYS[node]))
        calls.append(call(node, 12 * S_NS, named_us=at(5 * S_NS), as_of_us=at(5 * S_NS), way=WAYS[node]))
        calls.append(call(node, 12 * S_NS, named_us=at(99 * S_NS), as_of_us=at(99 * S_NS), certainty=0, way=WAYS[node]))
    cut = Fault("cut", "n1", 20 * S_NS, 25 * S_NS)
    clock = [Reading(second * S_NS, at(second * S_NS)) for second in range(31)]
    reached = [step * S_NS // 4 for step in range(31 * 4)]
    return Recording(calls, [record(entry) for entry in timeline()], LEASE_US, [cut], [cut], clock, reached)


def test_an_honest_recording_is_sound(honest):
    found = judge(honest)
    assert found.sound, found.texts
    assert found.counts["decisions"] == 2 * 602 - 62
    assert (found.counts["activations"], found.counts["judged"]) == (1, 1)
    assert found.counts["failed calmly"] == 0
    assert (found.counts["unary"], found.counts["stream"]) == (602, 602)
    assert (found.counts["failed unary"], found.counts["failed stream"]) == (0, 62)
    assert found.counts["stalls"] == 0
    assert len(found.flips_ms) == 2 and max(found.flips_ms) < 2
    assert len(found.recovered_ms) == 1


def wrongs(recording: Recording, *more: Call) -> dict[str, int]:
    return dict(judge(replace(recording, calls=[*recording.calls, *more])).wrong)


LATER: dict[str, Any] = {"sequence": 2, "ruleset": NEW, "decision": decided(0, NEW), "told": decided(0, NEW)}
TAKEN_BACK: dict[str, Any] = {
    "sequence": 3,
    "ruleset": CANCELLED,
    "decision": decided(0, CANCELLED),
    "told": decided(0, CANCELLED),
}
FORGED = {
    "by the new entry, too early": (call(0, 3 * S_NS, **LATER), "entry"),
    "by an entry that was taken back": (call(0, 12 * S_NS, **TAKEN_BACK), "entry"),
    "by another ruleset than the entry's": (call(0, 3 * S_NS, ruleset=CANCELLED), "entry"),
    "by an entry that there is not": (call(0, 3 * S_NS, sequence=9), "entry"),
    "for a settled instant by another entry": (
        call(0, 12 * S_NS, named_us=at(S_NS), as_of_us=at(S_NS))._replace(**LATER),
        "entry",
    ),
    "for another instant than was named": (call(0, 3 * S_NS, named_us=at(0)), "entry"),
    # true of the instant that it names, which was over when it was asked
    "by the old entry, after the flip": (call(1, 12 * S_NS, as_of_us=at(S_NS)), "order"),
    "another decision": (call(0, 3 * S_NS, decision="d" * 64, told="d" * 64), "digest"),
    "bytes that are not what it says": (call(0, 3 * S_NS, told="d" * 64), "bytes"),
    "certain while cut off": (call(1, 24 * S_NS), "outside"),
    "no promise for the present": (call(0, 3 * S_NS, certainty=0), "outside"),
    "a copy's promise, where there is no horizon": (call(0, 3 * S_NS, certainty=2), "outside"),
    "failed at the flip": (call(0, FLIP_NS, reason="NOT_READY"), "lost"),
    "failed with no activation about": (call(0, 3 * S_NS, reason="NOT_CERTAIN"), "refused"),
    "failed long after, but sent at the flip": (call(0, FLIP_NS, took_ns=5 * S_NS, reason="DEADLINE"), "lost"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("forged", "kind"), FORGED.values(), ids=FORGED)
def test_a_lie_is_found(honest, forged, kind, way):
    found = wrongs(honest, forged._replace(way=way))
    assert found.pop(kind) == 1
    assert set(found) <= {"order"}  # who comes after one that was too early, comes after it


ALLOWED = {
    "by the old entry, still under way when another saw the new one": call(1, FLIP_NS - MS_NS, took_ns=3 * S_NS),
    "certain just after the cut began": call(1, 20 * S_NS + 1_000 * MS_NS),
    "certain of a named instant while cut off": call(1, 24 * S_NS, named_us=at(S_NS), as_of_us=at(S_NS)),
    "the other node while one is cut off": call(0, 24 * S_NS),
    "failed in a fault": call(1, 25 * S_NS, reason="UNAVAILABLE"),
    "sent at the flip, failed in a fault": call(1, FLIP_NS, took_ns=11 * S_NS, reason="UNAVAILABLE"),
}


@pytest.mark.parametrize("more", ALLOWED.values(), ids=ALLOWED)
def test_what_is_allowed_is_not_found(honest, more):
    assert wrongs(honest, more) == {}


def test_a_changed_dropped_or_swapped_record_is_found(honest):
    first, second, third, fourth = honest.records
    changed = (second[0], second[1].replace(b'"anna"', b'"eve!"'))
    for records in ([first, changed, third, fourth], [first, third, fourth], [first, third, second, fourth]):
        assert judge(replace(honest, records=records)).wrong["chain"] >= 1


def test_an_activation_at_a_step_of_the_clock_is_not_judged(honest):
    clock = [reading._replace(t_us=reading.t_us + 10**6 * (reading.at_ns > FLIP_NS)) for reading in honest.clock]
    found = judge(replace(honest, clock=clock))
    assert found.sound and found.counts["judged"] == 0


def test_what_fails_while_the_machine_lets_nobody_reach_the_store_is_not_lost_to_an_activation(honest):
    forged = call(0, FLIP_NS, reason="NOT_CERTAIN")
    assert wrongs(honest, forged) == {"lost": 1}
    assert judge(honest).counts["stalls"] == 0
    silent = replace(honest, reached=[at_ns for at_ns in honest.reached if abs(at_ns - FLIP_NS) >= S_NS])
    found = judge(replace(silent, calls=[*silent.calls, forged]))
    assert found.sound, found.texts
    assert [found.counts[name] for name in ("stalls", "stalled", "late", "judged")] == [1, 1, 1, 0]
    assert wrongs(silent, forged._replace(reason="NOT_READY")) == {"lost": 1}
    assert wrongs(silent, call(0, FLIP_NS + 2 * S_NS, **LATER)._replace(reason="NOT_CERTAIN")) == {}
    assert wrongs(silent, call(0, FLIP_NS + 2 * S_NS, **LATER)._replace(reason="UNAVAILABLE")) == {"refused": 1}
    assert wrongs(silent, call(0, FLIP_NS + 300 * MS_NS, as_of_us=at(0))) == {"order": 1}


def test_a_recording_is_read_as_it_was_written(honest, tmp_path: Path, capsys):
    for name in ("n0", "n1"):
        rows = [row.line() for row in honest.calls if row.node == name]
        (tmp_path / f"{name}.calls").write_text("".join(rows) + "123\t4")  # a caller that was killed
    marks = [{"mark": "terms", "lease_us": LEASE_US}]
    marks += [{"mark": "fault", **fault._asdict()} for fault in honest.faults]
    marks += [{"mark": "cut", **cut._asdict()} for cut in honest.cuts]
    marks += [{"mark": "reached", "at_ns": at_ns} for at_ns in honest.reached]
    marks += [{"mark": "clock", **reading._asdict()} for reading in honest.clock]
    (tmp_path / "marks.jsonl").write_text("".join(json.dumps(mark) + "\n" for mark in marks))
    (tmp_path / "timeline").write_text("".join(f"{name} {body.hex()}\n" for name, body in honest.records))
    assert sorted(read(tmp_path).calls) == sorted(honest.calls)
    assert main([str(tmp_path)]) == 0
    assert "disagreements         0" in capsys.readouterr().out
    with open(tmp_path / "n0.calls", "w") as file:
        file.write(call(0, 3 * S_NS, **LATER).line())
    assert main([str(tmp_path)]) == 1
