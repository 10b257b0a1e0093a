"""Reads what callers recorded of a fault run and judges it. Knows nothing of the servers but what they answered.

    python -m tests.fault.audit DIRECTORY

A recording is a directory:

* `*.calls`         a line a call (`Call`), fields divided by tabs. A basket of a stream is a call like any other: sent
                    before its request was written, received once its answer was read; a stream that ends early
                    fails all that were under way
* `marks.jsonl`     a line each: the terms, readings of the store's clock, when the store was reached, faults with
                    their begin and end, cuts
* `timeline`        a line an entry, as GetTimeline told it at the end: its hash, and in hex the bytes that were hashed

Instants ending in `_ns` are readings of one monotonic clock of the host on which callers, servers and store ran; those
ending in `_us` are T, the Timeline's time. The chain and who is in force are computed here anew, from the records.

What is found is one of KINDS. Everything else is counted: a fault may make a node refuse, never answer wrongly.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

KINDS: Final = {
    "chain": "the Timeline's records do not follow one another",
    "entry": "a certain answer by another entry or ruleset than is in force at its instant",
    "order": "an answer by an older entry than that of a call that had ended before it began",
    "digest": "two decisions for one basket by one ruleset",
    "bytes": "an answer whose bytes do not have the digest that it names",
    "outside": "a certain answer without a lease, or one that promises nothing where the caller named no instant",
    "lost": "a call that failed at an activation while there was no fault",
    "refused": "a call that failed at another time, while there was no fault",
}
DISAGREEMENTS: Final = ("chain", "entry", "order", "digest", "bytes")
WAYS: Final = ("unary", "stream", "explain")
CERTAIN: Final = 1  # the contract's Certainty
LATE: Final = "NOT_CERTAIN"  # the contract's reason of a node whose lease has ended
SHOWN: Final = 10  # of each kind
GENESIS: Final = "0" * 64
SECOND_NS: Final = 10**9
AROUND_NS: Final = SECOND_NS // 2  # before and after an activation: the second around it
RATE_PPM: Final = 440  # by how much two clocks of one host may drift apart, at most, and some
ABOUT_US: Final = 2_000_000  # readings of the clock so far from an instant tell when it was
CLOCK_NS: Final = 50_000_000  # readings that tell an instant more differently than this: the clock was stepped


class Call(NamedTuple):
    """One call as its caller saw it. `reason` "": it was answered, else why it failed."""

    sent_ns: int
    received_ns: int
    node: str
    named_us: int  # the instant that the caller named; 0: none
    as_of_us: int
    sequence: int
    certainty: int
    ruleset: str  # digests in hex
    decision: str  # of the bytes that came
    told: str  # the digest that the answer names
    basket: int
    reason: str = ""
    way: str = "unary"  # or "stream": one of the baskets of a DecideBatch; or "explain"

    def line(self) -> str:
        """As it is recorded."""
        return "\t".join(map(str, self)) + "\n"


class Entry(NamedTuple):
    """What matters of an entry here."""

    effective_from_us: int
    sequence: int
    ruleset: str


class Fault(NamedTuple):
    """What the harness did, to whom ("": to the store), and when. `end_ns`: when it was undone."""

    kind: str
    node: str
    begin_ns: int
    end_ns: int


class Reading(NamedTuple):
    """T, as the store told it at about this instant."""

    at_ns: int
    t_us: int


@dataclass
class Recording:
    """All that is judged."""

    calls: list[Call]
    records: list[tuple[str, bytes]]  # hash, and what was hashed
    lease_us: int = 5_000_000
    faults: list[Fault] = field(default_factory=list)
    cuts: list[Fault] = field(default_factory=list)  # the store could not be reached at all
    clock: list[Reading] = field(default_factory=list)
    reached: list[int] = field(default_factory=list)  # when the store was reached as a lease needs it


@dataclass
class Found:
    """What came of it."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)  # by KINDS
    texts: list[str] = field(default_factory=list)  # the first of each kind
    flips_ms: list[float] = field(default_factory=list)  # of a node, after effective_from, while there was no fault
    spreads_ms: list[float] = field(default_factory=list)  # from the first node to the last
    recovered_ms: list[float] = field(default_factory=list)  # after a fault was undone

    def bad(self, kind: str, text: str) -> None:
        """A violation."""
        self.wrong[kind] += 1
        if self.wrong[kind] <= SHOWN:
            self.texts.append(f"{kind}: {text}")

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return not self.wrong.total()

    @property
    def disagreements(self) -> int:
        """Of every kind."""
        return sum(self.wrong[kind] for kind in DISAGREEMENTS)

    def lines(self) -> Iterator[str]:
        """For people."""
        counts, wrong = self.counts, self.wrong
        calls, calmly = counts["calls"], counts["calmly"]
        share, calm = counts["failed"] / max(1, calls), counts["failed calmly"] / max(1, calmly)
        yield f"decisions             {counts['decisions']:,}: {counts['certain']:,} certain, {counts['named']:,} named"
        for way in WAYS:
            yield f"{way:<21} {counts[way]:,} calls, {counts[f'failed {way}']:,} failed"
        yield f"activations           {counts['activations']:,} ({counts['judged']:,} while there was no fault)"
        excused = f"{counts['late']:,} calls excused at {counts['stalled']:,} activations"
        yield f"stalls                {counts['stalls']}: {excused}"
        yield f"disagreements         {self.disagreements}"
        yield f"outside a lease       {wrong['outside']} ({counts['cut off']:,} answers while cut off longer than it)"
        yield f"lost to an activation {wrong['lost']}"
        yield f"refused without cause {wrong['refused']}"
        yield f"unavailable           {share:.3%} of {calls:,} calls; {calm:.3%} of {calmly:,} without a fault"
        yield f"flip of a node        {spread(self.flips_ms)} ms after effective_from, its first answer"
        yield f"flip across nodes     {spread(self.spreads_ms)} ms from the first node to the last"
        yield f"recovered             {spread(self.recovered_ms)} ms after a fault was undone, every node"
        yield from self.texts


def spread(values: Sequence[float]) -> str:
    """min/median/p99/max of so many."""
    if not values:
        return "none"
    ordered = sorted(values)
    places = (0, len(ordered) // 2, len(ordered) * 99 // 100, -1)
    return "/".join(f"{ordered[place]:.1f}" for place in places) + f" (min/median/p99/max of {len(ordered):,})"


# ---------------------------------------------------------------------------------------------------- reading


def read(directory: Path) -> Recording:
    """A recording. Raises ValueError for a line that is none; the last line of a caller that was killed is left out."""
    calls: list[Call] = []
    for path in sorted(directory.glob("*.calls")):
        with open(path, encoding="utf-8") as file:
            calls += [_call(line) for line in file if line.endswith("\n")]
    made = Recording(calls, [])
    for line in (directory / "timeline").read_text("ascii").splitlines():
        entry_hash, record = line.split(" ")
        made.records.append((entry_hash, bytes.fromhex(record)))
    for line in (directory / "marks.jsonl").read_text("utf-8").splitlines():
        mark: dict[str, Any] = json.loads(line)
        match mark.pop("mark"):
            case "terms":
                made.lease_us = int(mark["lease_us"])
            case "clock":
                made.clock.append(Reading(**mark))
            case "reached":
                made.reached.append(int(mark["at_ns"]))
            case "fault":
                made.faults.append(Fault(**mark))
            case "cut":
                made.cuts.append(Fault(**mark))
            case other:
                raise ValueError(f"not a mark: {other}")
    return made


def _call(line: str) -> Call:
    words = line.rstrip("\n").split("\t")
    if len(words) != len(Call._fields) or words[-1] not in WAYS:
        raise ValueError(f"not a call: {line!r}")
    sent, received, node, named, as_of, sequence, certainty, ruleset, decision, told, basket, reason, way = words
    return Call(
        int(sent),
        int(received),
        sys.intern(node),
        int(named),
        int(as_of),
        int(sequence),
        int(certainty),
        sys.intern(ruleset),
        sys.intern(decision),
        sys.intern(told),
        int(basket),
        sys.intern(reason),
        sys.intern(way),
    )


class Timeline:
    """The entries that count, in the order in which they take force."""

    def __init__(self, records: Sequence[tuple[str, bytes]], found: Found) -> None:
        fields = []
        before = GENESIS
        for place, (entry_hash, record) in enumerate(records, 1):
            if hashlib.sha256(record).hexdigest() != entry_hash:
                found.bad("chain", f"entry {place} has not the hash {entry_hash}")
            body = json.loads(record[record.index(b"{") :])
            if body["sequence"] != place or body["previous_hash"] != before:
                found.bad("chain", f"entry {body['sequence']} stands at place {place} and follows another one")
            before = entry_hash
            fields.append(body)
        back = {body["cancelled"] for body in fields if body["cancelled"]}
        self.order = sorted(
            Entry(body["effective_from_us"], body["sequence"], body["digest"])
            for body in fields
            if not body["cancelled"] and body["sequence"] not in back
        )
        self.by_sequence = {entry.sequence: entry for entry in self.order}
        self._from = [entry.effective_from_us for entry in self.order]

    def in_force(self, at_us: int) -> Entry | None:
        """At this instant."""
        place = bisect_right(self._from, at_us)
        return self.order[place - 1] if place else None


# ---------------------------------------------------------------------------------------------------- judging


def judge(recording: Recording) -> Found:
    """All of it."""
    found = Found()
    timeline = Timeline(recording.records, found)
    calls = sorted(recording.calls)
    answered = [call for call in calls if not call.reason]
    found.counts.update(
        {
            "calls": len(calls),
            "decisions": len(answered),
            "certain": sum(call.certainty == CERTAIN for call in answered),
            "named": sum(call.named_us != 0 for call in answered),
            "failed": len(calls) - len(answered),
        }
    )
    found.counts.update(call.way for call in calls)
    found.counts.update(f"failed {call.way}" for call in calls if call.reason)
    _judge_entries(answered, timeline, found)
    _judge_order([call for call in answered if call.certainty == CERTAIN and not call.named_us], timeline, found)
    _judge_decisions(answered, found)
    _judge_leases(answered, recording, found)
    _judge_activations(calls, recording, timeline, found)
    return found


def _judge_entries(answered: Iterable[Call], timeline: Timeline, found: Found) -> None:
    for call in answered:
        if call.named_us and call.as_of_us != call.named_us:
            found.bad("entry", f"another instant than the caller named: {call}")
        if call.certainty != CERTAIN:
            continue
        entry = timeline.in_force(call.as_of_us)
        if entry is None or (entry.sequence, entry.ruleset) != (call.sequence, call.ruleset):
            found.bad("entry", f"in force was {entry}, answered {call}")


def _judge_order(certain: Sequence[Call], timeline: Timeline, found: Found) -> None:
    """Linearisable: nobody sees the new entry and then the old one. `certain`: by when they were sent."""
    ended = sorted(certain, key=lambda call: call.received_ns)
    place = 0
    newest: tuple[Entry, Call] | None = None
    for call in certain:
        while place < len(ended) and ended[place].received_ns < call.sent_ns:
            entry = timeline.by_sequence.get(ended[place].sequence)
            if entry is not None and (newest is None or entry > newest[0]):
                newest = (entry, ended[place])
            place += 1
        own = timeline.by_sequence.get(call.sequence)
        if own is not None and newest is not None and own < newest[0]:
            found.bad("order", f"{newest[1]} had ended before {call} began")


def _judge_decisions(answered: Iterable[Call], found: Found) -> None:
    first: dict[tuple[int, str], Call] = {}
    for call in answered:
        other = first.setdefault((call.basket, call.ruleset), call)
        if other.decision != call.decision:
            found.bad("digest", f"{other} and {call}")
        if call.decision != call.told:
            found.bad("bytes", f"{call}")


def _judge_leases(answered: Sequence[Call], recording: Recording, found: Found) -> None:
    """A node that has not heard of the store for longer than a lease may not be certain of the present."""
    lease_ns = recording.lease_us * (1_000_000 + RATE_PPM) // 1_000
    for call in answered:
        if not call.named_us and call.certainty != CERTAIN:
            found.bad("outside", f"no promise: {call}")
    for cut in recording.cuts:
        first = bisect_left(answered, cut.begin_ns + lease_ns, key=lambda call: call.sent_ns)
        last = bisect_left(answered, cut.end_ns, key=lambda call: call.sent_ns)
        for call in answered[first:last]:
            if (cut.node and call.node != cut.node) or call.received_ns >= cut.end_ns:
                continue
            found.counts["cut off"] += 1
            if call.certainty == CERTAIN and not call.named_us:
                found.bad("outside", f"the node was cut off at {cut.begin_ns}: {call}")


def _judge_activations(calls: Sequence[Call], recording: Recording, timeline: Timeline, found: Found) -> None:
    """How the flip went, and whether a call failed for it. `calls`: by when they were sent."""
    nodes = sorted({call.node for call in calls})
    stalls = _stalls(recording)
    found.counts["stalls"] = len(stalls)
    troubled, late = (_until_recovered(faults, calls, nodes, recording, found) for faults in (recording.faults, stalls))
    refused = []
    for call in calls:
        if _touches(troubled, call.sent_ns, call.received_ns):
            continue
        found.counts["calmly"] += 1
        found.counts["failed calmly"] += bool(call.reason)
        if call.reason and not (call.reason == LATE and _touches(late, call.sent_ns, call.received_ns)):
            refused.append(call)
    seen = {call.sequence for call in calls if not call.reason and call.certainty == CERTAIN and not call.named_us}
    found.counts["activations"] = max(0, len(seen) - 1)
    clock = sorted(recording.clock, key=lambda reading: reading.t_us)
    lost = set()
    longest_ns = max((call.received_ns - call.sent_ns for call in calls), default=0)
    for entry in timeline.order[1:]:  # before the first there is nothing to lose
        at_ns = _host_ns(entry.effective_from_us, clock)
        if at_ns is None or not calls or not calls[0].sent_ns < at_ns < calls[-1].sent_ns:
            continue  # outside the run, or the clock was stepped: a fault
        begin_ns, end_ns = at_ns - AROUND_NS, at_ns + AROUND_NS
        if _touches(troubled, begin_ns, end_ns):
            continue
        calm = not _touches(late, begin_ns, end_ns)
        found.counts["judged" if calm else "stalled"] += 1
        begin = bisect_left(calls, begin_ns - longest_ns, key=lambda call: call.sent_ns)
        end = bisect_left(calls, end_ns, key=lambda call: call.sent_ns)
        first: dict[str, int] = {}
        for call in calls[begin:end]:
            if call.received_ns < begin_ns:
                continue
            if call.reason and _touches(troubled, call.sent_ns, call.received_ns):
                continue  # it was under way when a fault began
            if not calm and call.reason == LATE and _touches(late, call.sent_ns, call.received_ns):
                found.counts["late"] += 1
            elif call.reason:
                if call not in lost:
                    found.bad("lost", f"entry {entry.sequence} took force at {at_ns}: {call}")
                lost.add(call)
            elif call.sequence == entry.sequence and call.certainty == CERTAIN and not call.named_us:
                first[call.node] = min(first.get(call.node, call.received_ns), call.received_ns)
        if not calm:
            continue
        found.flips_ms += [(received_ns - at_ns) / 1e6 for received_ns in first.values()]
        if len(first) > 1 and len(first) == len(nodes):
            found.spreads_ms.append((max(first.values()) - min(first.values())) / 1e6)
    for call in refused:
        if call not in lost:
            found.bad("refused", f"{call}")


def _until_recovered(
    faults: Sequence[Fault], calls: Sequence[Call], nodes: Sequence[str], recording: Recording, found: Found
) -> list[tuple[int, int]]:
    """When one of these was under way: from its begin until it was undone, what it began (a lease that ends, an epoch)
    has come, and every node is certain again."""
    certain: Mapping[str, list[Call]] = {node: [] for node in nodes}
    for call in calls:
        if not call.reason and call.certainty == CERTAIN and not call.named_us:
            certain[call.node].append(call)
    spans = []
    for fault in faults:
        settled_ns = fault.end_ns + recording.lease_us * 1_000 + SECOND_NS
        until_ns = settled_ns
        recovered_ns = fault.end_ns
        for rows in certain.values():
            place = bisect_left(rows, settled_ns, key=lambda call: call.sent_ns)
            until_ns = max(until_ns, rows[place].received_ns) if place < len(rows) else 1 << 62
            place = bisect_left(rows, fault.end_ns, key=lambda call: call.sent_ns)
            recovered_ns = max(recovered_ns, rows[place].received_ns) if place < len(rows) else 1 << 62
        if recovered_ns < 1 << 62 and fault.kind != "stall":
            found.recovered_ms.append((recovered_ns - fault.end_ns) / 1e6)
        spans.append((fault.begin_ns, until_ns))
    merged: list[tuple[int, int]] = []
    for begin_ns, end_ns in sorted(spans):
        if merged and begin_ns <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end_ns))
        else:
            merged.append((begin_ns, end_ns))
    return merged


def _stalls(recording: Recording) -> list[Fault]:
    """Faults that nobody asked for: for half a lease a witness beside the nodes could not do with the store what renews
    a lease (be told its clock soon enough, have a write confirmed by disk and replica soon enough). Then the machine
    was busy with something else, and nodes may have lost their leases too.

    It cannot hide what the run is to find. Answers are judged in a stall as anywhere: it excuses calls without one
    alone, and of these only those in which a node says that it has no lease, which is what it is to say then. The
    witness is asked by nobody, follows no Timeline and holds no lease: no activation and no rule of the nodes can make
    it late, but by making the store itself late for everybody; so what was excused is counted, and an activation at
    which anything could have been is not counted as judged."""
    found = []
    for before_ns, after_ns in pairwise(sorted(recording.reached)):
        stall = Fault("stall", "", before_ns, after_ns)
        asked = any(fault.begin_ns <= stall.end_ns and stall.begin_ns <= fault.end_ns for fault in recording.faults)
        if stall.end_ns - stall.begin_ns > recording.lease_us * 500 and not asked:
            found.append(stall)
    return found


def _touches(spans: Sequence[tuple[int, int]], begin_ns: int, end_ns: int) -> bool:
    """Whether one of these spans, which do not meet each other, meets this one."""
    place = bisect_right(spans, end_ns, key=lambda span: span[0])
    return place > 0 and spans[place - 1][1] >= begin_ns


def _host_ns(t_us: int, clock: Sequence[Reading]) -> int | None:
    """When T was this by the host's clock; None: it was stepped about then, or nobody looked. `clock`: by T."""
    begin = bisect_left(clock, t_us - ABOUT_US, key=lambda reading: reading.t_us)
    end = bisect_right(clock, t_us + ABOUT_US, key=lambda reading: reading.t_us)
    told = sorted(reading.at_ns + (t_us - reading.t_us) * 1_000 for reading in clock[begin:end])
    if not told or told[-1] - told[0] > CLOCK_NS:
        return None
    return told[len(told) // 2]


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit 0: nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fault.audit", description=__doc__.split("\n", 1)[0])
    parser.add_argument("directory", type=Path, help="a recording, as tests.fault.processes keeps it")
    found = judge(read(parser.parse_args(arguments).directory))
    print(*found.lines(), sep="\n")
    return 0 if found.sound else 1


if __name__ == "__main__":
    sys.exit(main())
