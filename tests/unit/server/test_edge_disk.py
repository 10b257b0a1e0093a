"""What an edge keeps on its disk, how it knows the time without the store, and what it does with damage."""

import errno
import json
import os

import pytest

from engine.timeline import Timeline, make_entry
from server import parts
from server.clock import SimulatedClock
from server.edge_disk import EdgeInUse, Memory, OtherTenant
from server.lease import Bounds, Heard, Reading, Terms

T = 1_800_000_000_000_000
HOUR_US = 3_600_000_000
TERMS = Terms(1_000_000, 100_000, 4 * HOUR_US)


def timeline(count):
    known = Timeline()
    for number in range(count):
        entry = make_entry(
            known.head, effective_from_us=T + number, digest="d" * 64, author="anna", reason="", appended_at_us=T
        )
        known = known.extended([entry])
    return known


def heard(clock, t_us=T):
    now_ns = clock.monotonic_ns()
    return Heard(t_us, Bounds.of((Reading(t_us, now_ns - 2_000_000, now_ns),)))


@pytest.fixture
def clock():
    return SimulatedClock(wall_us=T + 7_000_000, ticks_ns=10**12)


@pytest.fixture
def opened(tmp_path, clock):
    """A memory that was opened; one that was opened before is closed."""
    made: list[Memory] = []

    def opener(tenant="default"):
        for before in made:
            before.close()
        made.append(Memory(tmp_path, tenant, clock))
        made[-1].open()
        return made[-1]

    yield opener
    for memory in made:
        memory.close()


def test_nothing_is_known_at_first_and_what_was_noted_later(opened, clock):
    memory = opened()
    assert memory.known is None
    for count in (1, 3, 3):
        memory.note("store-1", TERMS, timeline(count), heard(clock))
        found = opened()
        assert found.known is not None
        assert (found.known.store_id, found.known.terms, found.known.timeline) == ("store-1", TERMS, timeline(count))
        assert found.known.heard(clock) == heard(clock)
        memory = found


def test_entries_are_appended_and_another_timeline_takes_the_place(opened, clock, tmp_path):
    memory = opened()
    memory.note("store-1", TERMS, timeline(2), heard(clock))
    inode = (tmp_path / "edge" / "timeline").stat().st_ino
    memory.note("store-1", TERMS, timeline(3), heard(clock))
    assert (tmp_path / "edge" / "timeline").stat().st_ino == inode
    memory.note("store-2", TERMS, timeline(1), heard(clock))
    found = opened()
    assert found.known is not None
    assert (found.known.store_id, found.known.timeline) == ("store-2", timeline(1))


def test_time_goes_on_within_a_boot_by_the_clock_that_counts_whatever_the_wall_clock_says(opened, clock):
    opened().note("store-1", TERMS, timeline(1), heard(clock))
    clock.advance(HOUR_US)
    clock.step(-365 * 24 * HOUR_US)
    known = opened().known
    assert known is not None
    bounds = known.heard(clock).bounds
    now_ns = clock.monotonic_ns()
    assert bounds.earliest_us(now_ns) <= T + HOUR_US <= bounds.latest_us(now_ns)
    assert bounds.latest_us(now_ns) - bounds.earliest_us(now_ns) < 4_000_000, "880 ppm of an hour"


def test_after_another_boot_time_goes_on_by_the_wall_clock(opened, clock):
    opened().note("store-1", TERMS, timeline(1), heard(clock))
    clock.step(HOUR_US)
    clock.ticks_ns, clock.boot_name = 5, "boot 2"
    known = opened().known
    assert known is not None
    found = known.heard(clock)
    assert found is not None
    assert found.t_us == T, "the horizon is counted from when the store was heard"
    assert abs(found.bounds.likely_us(clock.monotonic_ns()) - T - HOUR_US) <= 1_100, "half of the reading's width"
    clock.step(-2 * HOUR_US)
    assert known.heard(clock) is None, "set back: not believed"
    assert known.behind_us(clock) == HOUR_US
    clock.step(HOUR_US)
    assert known.heard(clock) is not None


def test_time_never_goes_back_over_restarts_by_the_wall_clock(opened, clock):
    opened().note("store-1", TERMS, timeline(1), heard(clock))
    latest = 0
    for boot, us in (("b", HOUR_US), ("c", 5), ("d", HOUR_US)):
        clock.step(us)
        clock.ticks_ns, clock.boot_name = 0, boot
        memory = opened()
        assert memory.known is not None
        found = memory.known.heard(clock)
        t_us = found.bounds.likely_us(clock.monotonic_ns())
        assert t_us >= latest
        latest = t_us
        memory.note("store-1", TERMS, memory.known.timeline, found)


def test_one_edge_to_a_directory(opened, tmp_path, clock):
    opened()
    with pytest.raises(EdgeInUse, match="--data-dir of its own"):
        Memory(tmp_path, "default", clock).open()


def test_a_torn_line_is_cut_off(opened, clock, tmp_path):
    opened().note("store-1", TERMS, timeline(2), heard(clock))
    with open(tmp_path / "edge" / "timeline", "ab") as file:
        file.write(b'{"appended_at_us":1')
    known = opened().known
    assert known is not None
    assert known.timeline == timeline(2)
    memory = opened()
    memory.note("store-1", TERMS, timeline(3), heard(clock))
    known = opened().known
    assert known is not None
    assert known.timeline == timeline(3)


def _shorter(directory):
    (directory / "timeline").write_bytes(timeline(1).entries[0].encode() + b"\n")


def _altered(directory):
    path = directory / "timeline"
    path.write_bytes(path.read_bytes().replace(b"anna", b"eve1"))


def _gone(directory):
    (directory / "timeline").unlink()


def _no_json(directory):
    (directory / "state.json").write_bytes(b"\xff{")


def _far(directory):
    state = json.loads((directory / "state.json").read_bytes())
    (directory / "state.json").write_text(json.dumps(state | {"horizon_us": -5}))


def _other(directory):
    state = json.loads((directory / "state.json").read_bytes())
    (directory / "state.json").write_text(json.dumps(state | {"more": 1}))


def _large(directory):
    (directory / "state.json").write_bytes(b" " * (1 << 17))


@pytest.mark.parametrize("damage", [_shorter, _altered, _gone, _no_json, _far, _other, _large])
def test_what_is_damaged_is_set_aside_and_nothing_is_known(opened, clock, tmp_path, damage, caplog):
    opened().note("store-1", TERMS, timeline(2), heard(clock))
    damage(tmp_path / "edge")
    known, problem = Memory(tmp_path, "default", clock).look()
    assert known is None
    assert problem
    memory = opened()
    assert memory.known is None
    assert "edge.damaged" in caplog.text
    assert (tmp_path / "edge" / "state.json.damaged").exists()
    memory.note("store-1", TERMS, timeline(1), heard(clock))
    assert opened().known is not None


def test_what_is_kept_of_another_tenant_is_refused_and_stays(opened, clock, tmp_path):
    opened().note("store-1", TERMS, timeline(1), heard(clock))
    with pytest.raises(OtherTenant, match="EINKLANG_TENANT"):
        opened("other")
    known, problem = Memory(tmp_path, "other", clock).look()
    assert known is None
    assert "'default'" in problem
    assert opened().known is not None


def _no_room(*_):
    raise OSError(errno.ENOSPC, "No space left on device", "/x/.state.json.0123abcd")


def test_a_torn_line_does_not_keep_an_edge_from_starting_on_a_full_disk(opened, clock, tmp_path, monkeypatch):
    opened().note("store-1", TERMS, timeline(2), heard(clock))
    with open(tmp_path / "edge" / "timeline", "ab") as file:
        file.write(b'{"appended_at_us":1')
    with monkeypatch.context() as full:
        full.setattr(parts, "_write_whole", _no_room)
        memory = opened()
        assert memory.known.timeline == timeline(2)
        with pytest.raises(OSError, match="edge/timeline") as told:
            memory.note("store-1", TERMS, timeline(2), heard(clock))
        assert "0123abcd" not in str(told.value), "what is said once must be the same each time"
    memory.note("store-1", TERMS, timeline(2), heard(clock))
    assert (tmp_path / "edge" / "timeline").read_bytes().count(b"\n") == 2


def test_what_a_killed_process_began_to_write_is_deleted(opened, tmp_path):
    opened()
    for name in (".state.json.0123abcd", ".timeline.89abcdef"):
        (tmp_path / "edge" / name).write_bytes(b"x")
    opened()
    assert {path.name for path in (tmp_path / "edge").iterdir()} == {"lock"}


@pytest.mark.parametrize("name", ["state.json", "timeline"])
def test_a_pipe_in_the_place_of_a_file_is_damage_and_is_not_waited_for(opened, clock, tmp_path, name):
    opened().note("store-1", TERMS, timeline(1), heard(clock))
    (tmp_path / "edge" / name).unlink()
    os.mkfifo(tmp_path / "edge" / name)
    assert "not a file" in Memory(tmp_path, "default", clock).look()[1]
    assert opened().known is None


def test_a_wall_clock_of_another_century_can_be_noted(opened, clock):
    clock.step(200 * 365 * 24 * HOUR_US)
    opened().note("store-1", TERMS, timeline(1), heard(clock))
    assert opened().known.heard(clock) == heard(clock)


def test_what_rests_on_the_wall_clock_is_known_to_by_the_next_process(opened, clock):
    opened().note("store-1", TERMS, timeline(1), heard(clock), by_wall=True)
    known = opened().known
    assert known.by_wall(clock)
    clock.step(HOUR_US)  # by NTP, in the same boot
    now_ns = clock.monotonic_ns()
    assert abs(known.heard(clock).bounds.likely_us(now_ns) - heard(clock).bounds.likely_us(now_ns) - HOUR_US) < 10_000
