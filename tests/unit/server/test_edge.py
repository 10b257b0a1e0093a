"""What an edge does beside answering: joins, notes, keeps answers and looks at them again, whatever goes wrong."""

from __future__ import annotations

import asyncio
import json
import os
from types import SimpleNamespace
from typing import Any

import pytest

from einklang.v1 import decision_pb2 as pb
from engine.timeline import Timeline, make_entry
from server.activate import SCHEDULED, Standing
from server.clock import SimulatedClock
from server.edge import Edge
from server.edge_status import look as look_at_disk
from server.edge_status import text
from server.lease import Bounds, Heard, Node, Reading, Terms
from server.parts import PartFiles
from server.settings import load
from server.store import StoreUnavailable, StoreUnsuitable
from server.telemetry import Counters

T = 1_800_000_000_000_000
MINUTE_US, HOUR_US = 60_000_000, 3_600_000_000
TERMS = Terms(1_000_000, 100_000, 4 * HOUR_US)
DIGEST = "d" * 64


def timeline():
    entry = make_entry(None, effective_from_us=T, digest=DIGEST, author="anna", reason="", appended_at_us=T)
    return Timeline().extended([entry])


def heard(clock, t_us=T):
    now_ns = clock.monotonic_ns()
    return Heard(t_us, Bounds.of((Reading(t_us, now_ns, now_ns),)))


@pytest.fixture
def clock():
    return SimulatedClock(wall_us=T, ticks_ns=10**12)


@pytest.fixture
def settings(tmp_path):
    return load({"data_dir": tmp_path, "unsigned": True})


@pytest.fixture
def opened(settings, clock):
    made: list[Edge] = []

    def opener():
        for before in made:
            before.close()
        made.append(Edge(settings, clock, Counters()))
        made[-1].open()
        return made[-1]

    yield opener
    made[-1].close()


class Store:
    """One that cannot be joined, for these reasons, one after another; then it is."""

    def __init__(self, *reasons):
        self.reasons = list(reasons)
        self.joined, self.store_id, self.terms, self.about = False, "store-1", TERMS, ""

    async def prepare(self):
        if self.reasons:
            raise self.reasons.pop(0)
        self.joined = True

    def tell_terms(self):
        pass


def keeper(node, *, lease=None, reachable=True):
    return SimpleNamespace(
        timeline=node.timeline,
        heard=node.heard,
        lease=lease,
        reachable=reachable,
        final_us=node.final_us,
        apart=lambda problem: None,
    )


def kept(edge, clock, as_of_us):
    edge.keep(pb.DecideRequest(channel="pos").SerializeToString(), standing(as_of_us), as_of_us, b"x")
    return edge.journal.held_bytes


def standing(as_of_us):
    return Standing(timeline().head, None, as_of_us, SCHEDULED, 1 << 62)


def noted(opened, clock, **about):
    edge = opened()
    edge.memory.note("store-1", TERMS, timeline(), heard(clock), **about)
    edge, node = opened(), Node(TERMS, "a")
    edge.restore(node)
    return edge, node


def now_us(node, clock):
    return node.heard.bounds.likely_us(clock.monotonic_ns())


def test_what_is_asked_beforehand_is_not_kept(opened, clock):
    edge, _ = noted(opened, clock)
    assert kept(edge, clock, T + HOUR_US) == 0, "it sells nothing, and could not be looked at for an hour"
    assert kept(edge, clock, T) > 0


def run(work, edge, monkeypatch, steps=3, each=lambda: None, until=lambda: False):
    """Run until it has slept so often for a second or more, or until this is so; threads take more than a step."""
    count = 0
    sleep = asyncio.sleep

    class Done(BaseException):
        pass

    async def counted(seconds):
        nonlocal count
        if seconds >= 1:
            count += 1
            each()
            if count > steps or until():
                raise Done
        await sleep(0)

    monkeypatch.setattr("server.edge.asyncio.sleep", counted)

    async def main():
        try:
            await work()
        except Done:
            return
        finally:
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

    asyncio.run(main())


def test_each_reason_not_to_join_is_said_once_and_a_fault_of_ours_does_not_end_it(opened, clock, monkeypatch, caplog):
    edge, node = noted(opened, clock)
    away, unfit = StoreUnavailable("away"), StoreUnsuitable("unfit")
    store = Store(away, unfit, away, KeyError("ours"), unfit, away)
    started = []
    run(lambda: edge.join(store, keeper(node), node, lambda: started.append(1)), edge, monkeypatch, steps=20)
    assert started == [1]
    assert caplog.text.count("edge.alone") == 3
    assert "joining the store" in caplog.text


def test_a_clock_that_is_set_after_a_boot_is_followed_forward_and_not_back(opened, clock, monkeypatch, caplog):
    opened().memory.note("store-1", TERMS, timeline(), heard(clock))
    clock.boot_name, clock.ticks_ns = "boot 2", 0
    edge, node = opened(), Node(TERMS, "a")
    edge.restore(node)
    steps = iter((0, HOUR_US, 0, -HOUR_US, 0))
    seen = []

    def each():
        seen.append(now_us(node, clock) - T)
        clock.step(next(steps))

    store = Store(*[StoreUnavailable("away")] * 9)
    run(lambda: edge.join(store, keeper(node), node, lambda: None), edge, monkeypatch, steps=4, each=each)
    assert [round(us / HOUR_US) for us in seen] == [0, 0, 1, 1, 1]
    assert caplog.text.count("edge.clock-set") == 1
    edge.note_now(store, keeper(node))
    assert json.loads((edge.memory.directory / "state.json").read_bytes())["boot"] == ""


def test_it_is_said_how_wrong_the_time_was(opened, clock, caplog):
    opened().memory.note("store-1", TERMS, timeline(), heard(clock))
    clock.boot_name, clock.ticks_ns = "boot 2", 0
    clock.step(HOUR_US)
    edge, node = opened(), Node(TERMS, "a")
    edge.restore(node)
    edge._compare_clock(keeper(node))
    assert "edge.clock-off" not in caplog.text
    node.heard = heard(clock, T + 10 * MINUTE_US)
    edge._compare_clock(keeper(node))
    edge._compare_clock(keeper(node))
    (said,) = [record for record in caplog.records if record.getMessage() == "edge.clock-off"]
    assert said.fields == {"seconds": 3_000.0, "which": "later"}


def test_it_is_noted_also_while_decisions_are_made_anew(opened, clock, monkeypatch):
    edge, node = noted(opened, clock)
    kept(edge, clock, T)
    state = edge.memory.directory / "state.json"
    state.unlink()
    asked = []

    async def again(message):
        asked.append(message)
        await asyncio.Event().wait()

    held = keeper(node, lease=object())
    run(lambda: edge.tend(Store(), held, again), edge, monkeypatch, 100_000, until=lambda: asked and state.exists())
    assert asked
    assert state.exists()


def test_a_fault_of_ours_beside_answering_is_logged_and_does_not_end_it(opened, clock, monkeypatch, caplog):
    edge, node = noted(opened, clock)
    edge._noted = 0
    monkeypatch.setattr(edge.memory, "note", lambda *_, **__: 1 // 0)

    def again():
        return caplog.text.count("ZeroDivisionError: ") > 1

    run(lambda: edge.tend(Store(), keeper(node), None), edge, monkeypatch, steps=100_000, until=again)
    assert again()


def test_behind_a_slow_line_it_is_looked_again_every_ten_minutes(opened, clock, monkeypatch):
    edge, node = noted(opened, clock)
    looked = []

    async def look_again(*_):
        looked.append(clock.ticks_ns)
        return ["a report"]

    monkeypatch.setattr(edge.journal, "look_again", look_again)
    run(
        lambda: edge.tend(Store(), keeper(node), None), edge, monkeypatch, 3_000, lambda: clock.advance(1_000_000)
    )  # both of its tasks sleep
    assert len(looked) <= 6
    looked.clear()
    run(lambda: edge.tend(Store(), keeper(node, lease=object()), None), edge, monkeypatch, steps=20)
    assert len(looked) > 5, "and at once with a lease"


@pytest.mark.parametrize(
    ("terms", "entries", "passed_us", "why"),
    [
        (Terms(), timeline(), 0, "allows no horizon"),
        (TERMS, Timeline(), 0, "nothing was published"),
        (TERMS, timeline(), 5 * HOUR_US, "was over at"),
    ],
)
def test_where_it_decides_nothing_alone_it_says_why(opened, settings, clock, caplog, terms, entries, passed_us, why):
    opened().memory.note("store-1", terms, entries, heard(clock))
    clock.advance(passed_us)
    opened().restore(Node(terms, "a"))
    (said,) = [record for record in caplog.records if record.getMessage() == "edge.begins-not"]
    assert why in said.fields["why"]
    told = text(look_at_disk(settings, clock))
    assert "decides nothing" in told
    assert passed_us or why in told


def test_status_reads_whatever_lies_there(opened, settings, clock):
    edge, _ = noted(opened, clock)
    os.mkfifo(edge.journal.differences / "00000001.jsonl")
    (edge.journal.differences / "00000002.jsonl").write_text('{"as_of_us":1e300}\n[1]\n\n')
    (edge.journal.directory / "00000003.jsonl").symlink_to("/nowhere")
    found = look_at_disk(settings, clock)
    assert len(found.differences) == 4
    assert "not a file" in text(found)


class Away:
    """A store that is away."""

    async def get_part(self, digest, size):
        raise StoreUnavailable("away")

    get_manifest = get_part


def test_what_is_damaged_while_the_store_is_away_is_said_once(tmp_path, caplog):
    files = PartFiles(tmp_path, Counters())
    (tmp_path / DIGEST).write_bytes(b"xx")
    away: Any = Away()
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            asyncio.run(files.get(away, DIGEST, 2))
    assert caplog.text.count("image.part-lacking") == 1
    assert "image.part-repaired" not in caplog.text
