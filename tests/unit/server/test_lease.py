"""A node's lease, as a specification: what it knows of T, until when it decides, what it asks and how often.

What nodes and the store promise together is simulated in tests/fault.
"""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

import pytest

from engine.timeline import Timeline, make_entry
from server.lease import FOREVER, LATE_MAX, Bounds, Call, Lease, Node, Reading, Terms, Wait, Window

SECOND = 1_000_000
TERMS = Terms(lease_us=3 * SECOND)
LEASE = TERMS.lease_us
GUARD = TERMS.guard_us


def granted(epoch: int = 1, t_us: int = 10**15, gseq: int = 1, entries: tuple[bytes, ...] = ()) -> list[bytes]:
    return [b"GRANTED", b"%d" % epoch, b"%d" % t_us, b"%d" % gseq, *entries]


def opened(timeline: Timeline | None = None, terms: Terms = TERMS, t_us: int = 10**15) -> Node:
    """A node that has opened epoch 1: asked when its clock said 0, answered 1 ms later."""
    node = Node(terms, "a", timeline=timeline or Timeline())
    tell(node, 0, [b"NEED_EPOCH", b"run", b"0"])
    tell(node, 0, [b"BEGUN", b"1", b"1"])
    tell(node, 0, granted(t_us=t_us), took_ns=1_000_000)
    assert node.lease is not None
    return node


def tell(node: Node, now_ns: int, answer: list[bytes], took_ns: int = 0) -> Call:
    """What is due now, answered."""
    call = node.due(now_ns)
    assert isinstance(call, Call), f"due in {call - now_ns} ns"
    node.answered(answer, now_ns, now_ns + took_ns, now_ns + took_ns)
    return call


def timeline(*instants_us: int) -> Timeline:
    """Entries for these instants."""
    made = Timeline()
    for at_us in instants_us:
        entry = make_entry(
            made.head, effective_from_us=at_us, digest="d" * 64, author="a", reason="", appended_at_us=at_us
        )
        made = made.extended([entry])
    return made


# ---------------------------------------------------------------------------------------- what it knows of T


@pytest.mark.parametrize("seed", range(20))
def test_t_is_within_the_bounds_whatever_the_clocks_do(seed: int) -> None:
    """Both clocks are wrong by up to 200 ppm, and change their rates; the bounds of every reading hold, and so does
    their intersection."""
    chance = random.Random(seed)
    for _ in range(50):
        true_us, store_us, node_ns = 0.0, 10**15 + chance.uniform(0, 1e6), chance.uniform(0, 1e15)
        readings: list[Reading] = []

        def pass_(us: float) -> None:
            nonlocal true_us, store_us, node_ns
            true_us += us
            store_us += us * (1 + chance.choice([-200, 200, chance.uniform(-200, 200)]) / 1e6)
            node_ns += us * (1_000 + chance.choice([-200, 200, chance.uniform(-200, 200)]) / 1e3)

        for _ in range(chance.randint(1, 8)):
            sent_ns = int(node_ns)
            pass_(chance.uniform(0, 4_000))
            t_us = int(store_us)
            pass_(chance.uniform(0, 4_000))
            readings.append(Reading(t_us, sent_ns, int(node_ns) + 1))
            pass_(chance.choice([0, 1_000, 1e6]) * chance.random())
            bounds = Bounds.of(readings)
            assert bounds.meet(int(node_ns))
            # What the store says is cut to whole microseconds.
            assert bounds.earliest_us(int(node_ns)) <= store_us
            assert bounds.latest_us(int(node_ns)) >= int(store_us) - 1


@pytest.mark.parametrize("seed", range(20))
def test_the_instants_of_bounds_are_exact(seed: int) -> None:
    """`surely_from_ns` is the very first nanosecond, `surely_until_ns` the first that no longer counts, or
    the one before. `latest_us` is rounded up: before an instant it may say that instant."""
    chance = random.Random(seed)
    for _ in range(100):
        t_us, sent_ns = chance.randint(10**15, 10**15 + 10**7), chance.randint(0, 10**16)
        reading = Reading(t_us, sent_ns, sent_ns + chance.choice([0, 1, 999, 1_000, 1_001, 8_000_000]))
        bounds = Bounds.of([reading, reading._replace(t_us=t_us + chance.randint(-2, 2))])
        at_us = t_us + chance.choice([0, 1, 5, -5, 1_000, 5_000_000])
        from_ns, until_ns = bounds.surely_from_ns(at_us), bounds.surely_until_ns(at_us)
        assert bounds.earliest_us(from_ns) >= at_us > bounds.earliest_us(from_ns - 1)
        assert bounds.latest_us(until_ns - 1) <= at_us < bounds.latest_us(until_ns + 1)


def test_readings_that_do_not_meet_are_of_a_clock_that_was_stepped() -> None:
    first = Reading(10**15, 0, 1_000_000)
    second_ns = 1_000_000_000
    for off_us, meets in ((0, True), (900, True), (2_500, False), (-2_500, False)):
        second = Reading(10**15 + 1_000_000 + off_us, second_ns, second_ns + 1_000_000)
        assert Bounds.of([first, second]).meet(second_ns + 1_000_000) == meets


# ---------------------------------------------------------------------------------------- until when it decides


def test_a_lease_counts_from_sending_and_is_shorter_than_it_says() -> None:
    node = opened()
    assert node.lease is not None
    longest_ns = LEASE * 1_000
    assert longest_ns * 0.9995 < node.lease.end_ns < longest_ns * 0.9997
    assert isinstance(node.window(node.lease.end_ns - 1), Window)
    assert node.window(node.lease.end_ns) is None


def test_there_is_no_lease_before_one_is_granted() -> None:
    node = Node(TERMS, "a")
    assert node.window(0) is None
    assert (node.final_us(), node.horizon_us(), node.cut_off_us(0)) == (0, 0, None)
    assert node.release(0) is None


def test_a_window_crosses_no_boundary_no_guard_and_no_end() -> None:
    """At every reading: one entry, and everything that T may be is on its side of every boundary."""
    begin_us = 10**15
    instants = [begin_us - SECOND, begin_us + 500_000, begin_us + 500_000, begin_us + 530_000, begin_us + 2 * SECOND]
    entries = timeline(*instants)
    node = opened(entries)
    assert node.lease is not None
    seen, now_ns, waited = [], 1_000_000, 0
    while (found := node.window(now_ns)) is not None:
        if isinstance(found, Wait):
            assert found.until_ns > now_ns
            assert isinstance(node.window(found.until_ns - 1), Wait)
            now_ns, waited = found.until_ns, waited + 1
            continue
        assert found.begin_ns <= now_ns < found.end_ns <= found.lease_end_ns == node.lease.end_ns
        for at_ns in (max(now_ns, found.begin_ns), found.end_ns - 1):
            low_us, high_us = found.bounds.earliest_us(at_ns), found.bounds.latest_us(at_ns)
            assert entries.in_force(low_us) == entries.in_force(high_us - 1) == found.entry
            assert not any(at_us < high_us and low_us < at_us + GUARD for at_us in instants)
        seen.append(found.entry and found.entry.sequence)
        assert not isinstance(node.window(found.end_ns), Window) or found.end_ns == node.lease.end_ns
        now_ns = found.end_ns
    assert (seen, waited) == ([1, 3, 4, 5], 3)


def test_before_the_first_entry_nothing_is_in_force() -> None:
    node = opened(timeline(10**15 + SECOND))
    found = node.window(2_000_000)
    assert isinstance(found, Window)
    assert found.entry is None


def test_instants_before_the_end_of_the_lease_are_final_also_later() -> None:
    node = opened(timeline(1))
    assert node.final_us() == 10**15 + LEASE
    assert isinstance(node.due(10 * LEASE * 1_000), int)  # the lease is given up
    assert node.lease is None
    assert node.final_us() == 10**15 + LEASE
    assert opened().final_us() == 0, "the first entry of all takes force when it likes"


def test_cut_off_it_answers_until_the_horizon() -> None:
    horizon_us = 4 * LEASE
    node = opened(timeline(1), replace(TERMS, horizon_us=horizon_us))
    assert node.horizon_us() == 10**15 + horizon_us
    last_ns = next(ns for ns in range(horizon_us * 1_000, 0, -10_000) if node.cut_off_us(ns) is not None)
    assert horizon_us * 0.9995 < last_ns / 1_000 < horizon_us
    t_us = node.cut_off_us(last_ns)
    assert t_us is not None
    assert t_us < 10**15 + horizon_us
    assert opened(timeline(1)).cut_off_us(1_000_000) is None, "without a horizon it does not"


# ---------------------------------------------------------------------------------------- what it asks


def test_it_asks_for_a_lease_at_once_and_renews_it_six_times_a_lease() -> None:
    node = Node(TERMS, "a")
    call = node.due(0)
    assert isinstance(call, Call)
    assert (call.function, call.durable) == ("renew", True)
    assert call.arguments == ("a", "", "0", "0", "0", "0", "0", "0", "0", "", "", "")
    node = opened()
    due_ns = node.due(1_000_000)
    assert isinstance(due_ns, int)
    assert 0.8 <= due_ns / (LEASE * 1_000 / 6) <= 1.2
    call = node.due(due_ns)
    assert isinstance(call, Call)
    assert call.arguments[:4] == ("a", "", "1", "1")


def test_what_was_changed_through_it_is_asked_for_at_once_and_then_as_ever() -> None:
    node = opened()
    node.hurry(5_000_000)
    assert tell(node, 5_000_000, granted(t_us=10**15 + 5_000)).function == "renew"
    due_ns = node.due(5_000_000)
    assert isinstance(due_ns, int)
    assert 0.8 <= (due_ns - 5_000_000) / (LEASE * 1_000 / 6) <= 1.2
    node.failed(due_ns)
    node.hurry(due_ns)
    assert node.due(due_ns) == due_ns + LEASE * 1_000 // 20, "a store that did not answer is not asked more often"
    node.release(due_ns + 1)
    node.hurry(due_ns + 1)
    assert node.due(due_ns + LEASE * 1_000) == FOREVER


def test_nodes_that_start_together_do_not_ask_together() -> None:
    pauses = {Node(TERMS, f"n{number}")._pause_ns for number in range(50)}
    assert len(pauses) > 40


def test_it_says_what_it_knows_and_how_it_is() -> None:
    known = timeline(1, 2)
    assert known.head is not None
    node = Node(TERMS, "a", "local/1/", "till 7", "READY", timeline=known)
    call = node.due(0)
    assert isinstance(call, Call)
    assert call.arguments[:2] == ("a", "local/1/")
    assert call.arguments[8:] == ("2", known.head.entry_hash, "till 7", "READY")


def test_who_is_behind_learns_and_asks_again_at_once() -> None:
    first, second, third = timeline(1, 2, 3).entries
    node = Node(TERMS, "a")
    tell(node, 0, [b"BEHIND", first.encode(), second.encode()])
    assert len(node.timeline.entries) == 2
    tell(node, 0, [b"BEHIND", third.encode()])
    assert node.timeline.head == third
    assert node.problem == ""


def test_a_grant_may_bring_entries() -> None:
    node = opened()
    due_ns = node.due(1_000_000)
    assert isinstance(due_ns, int)
    (entry,) = timeline(10**15 + 9 * SECOND).entries
    tell(node, due_ns, granted(t_us=10**15 + due_ns // 1_000, gseq=2, entries=(entry.encode(),)))
    assert node.timeline.head == entry
    assert node.lease is not None
    assert node.lease.gseq == 2


@pytest.mark.parametrize("bad", ["not an entry", "broken chain", "not a number", "too few words"])
def test_an_answer_that_cannot_be_used_changes_nothing(bad: str) -> None:
    node = opened(timeline(1))
    lease, known = node.lease, node.timeline
    due_ns = node.due(1_000_000)
    assert isinstance(due_ns, int)
    answers = {
        "not an entry": granted(gseq=2, entries=(b"{}",)),
        "broken chain": granted(gseq=2, entries=(timeline(5).entries[0].encode(),)),
        "not a number": [b"GRANTED", b"1", b"soon", b"2"],
        "too few words": [b"GRANTED"],
    }
    tell(node, due_ns, answers[bad])
    assert (node.lease, node.timeline) == (lease, known)
    assert node.problem
    again_ns = node.due(due_ns)
    assert isinstance(again_ns, int)
    assert again_ns - due_ns > LEASE * 1_000 // 10
    tell(node, again_ns, granted(t_us=10**15 + again_ns // 1_000, gseq=3))
    assert node.problem == ""


def test_a_store_that_knows_less_is_reported_and_asked_again() -> None:
    node = opened(timeline(1, 2))
    due_ns = node.due(1_000_000)
    assert isinstance(due_ns, int)
    tell(node, due_ns, [b"REGRESSED", b"1"])
    assert node.regressed
    assert "1, here 2" in node.problem
    assert node.lease is not None, "what is known holds until the lease ends"
    again_ns = node.due(due_ns)
    assert isinstance(again_ns, int)
    tell(node, again_ns, granted(t_us=10**15 + again_ns // 1_000, gseq=2))
    assert not node.regressed


# ---------------------------------------------------------------------------------------- the clock, epochs


def test_a_vague_reading_does_not_count() -> None:
    node = opened()
    lease = node.lease
    due_ns = node.due(1_000_000)
    assert isinstance(due_ns, int)
    tell(node, due_ns, granted(t_us=10**15 + due_ns // 1_000, gseq=2), took_ns=TERMS.vague_ns + 1)
    assert node.lease == lease
    again_ns = node.due(due_ns + TERMS.vague_ns + 1)
    assert isinstance(again_ns, int)
    tell(node, again_ns, granted(t_us=10**15 + again_ns // 1_000, gseq=3), took_ns=TERMS.vague_ns)
    assert node.lease != lease


def test_a_step_of_the_clock_ends_the_epoch() -> None:
    node = opened()
    lease = node.lease
    due_ns = node.due(1_000_000)
    assert isinstance(due_ns, int)
    tell(node, due_ns, granted(t_us=10**15 + due_ns // 1_000 + 30_000, gseq=2))
    assert (node.steps, node.lease) == (1, lease)
    call = tell(node, due_ns, [b"OK"])
    assert (call.function, call.arguments, call.durable) == ("fault", ("run", "1"), False)
    assert tell(node, due_ns, [b"NEED_EPOCH", b"run", b"0"]).function == "renew"
    assert tell(node, due_ns, [b"BEGUN", b"2", b"0"]).function == "begin"
    assert node.lease == lease, "it holds until it ends"


def test_an_epoch_is_opened_once_all_leases_have_ended() -> None:
    node = Node(TERMS, "a")
    tell(node, 0, [b"NEED_EPOCH", b"run", b"0"])
    tell(node, 0, [b"BEGUN", b"2", b"0"])
    asked = []
    now_ns = 0
    while True:
        due = node.due(now_ns)
        if isinstance(due, int):
            assert due > now_ns
            now_ns = due
            continue
        asked.append(due.function)
        if due.function == "open":
            break
        node.answered([b"NEED_EPOCH", b"run", b"0"], now_ns, now_ns, now_ns)  # it keeps on asking meanwhile
    assert set(asked[:-1]) == {"renew"}
    assert due.arguments[:6] == ("run", "2", "a", "", "1", "0")
    assert now_ns >= (TERMS.outlasts_us + 5_000) * 1_000
    assert now_ns < (TERMS.outlasts_us + 5_000) * 1_001


def test_who_is_alone_opens_at_once_and_says_how_far_it_decided() -> None:
    node = opened()
    lease = node.lease
    assert lease is not None
    high_us = lease.bounds.latest_us(900_000_000)
    tell(node, 900_000_000, [b"NEED_EPOCH", b"run2", b"0"])
    tell(node, 900_000_000, [b"BEGUN", b"2", b"1"])
    assert node.due(900_000_000) == 900_000_000
    assert node.lease is None, "first it stops deciding"
    call = node.due(900_000_001)
    assert isinstance(call, Call)
    assert call.arguments[:5] == ("run2", "2", "a", "", "0")
    assert high_us <= int(call.arguments[5]) <= high_us + 1


@pytest.mark.parametrize("answer", [b"GONE", b"OPEN"])
def test_who_comes_too_late_to_begin_asks_again(answer: bytes) -> None:
    node = Node(TERMS, "a")
    tell(node, 0, [b"NEED_EPOCH", b"run", b"0"])
    assert tell(node, 0, [answer]).function == "begin"
    assert tell(node, 0, [b"JOIN", b"2", b"1000000000000000", b"7", b"3", b"run"]).function == "renew"


def test_who_may_not_open_at_once_waits() -> None:
    node = Node(TERMS, "a")
    tell(node, 0, [b"NEED_EPOCH", b"run", b"0"])
    tell(node, 0, [b"BEGUN", b"2", b"1"])
    assert tell(node, 0, [b"WAIT"]).function == "open"
    assert isinstance(node.due(0), int)


def test_behind_a_slow_way_it_has_no_lease_but_hears_what_there_is() -> None:
    """Answers that take longer than two fifths of the guard, for ever: it asks no oftener than others, and the horizon
    counts from the latest."""
    node = Node(replace(TERMS, horizon_us=4 * LEASE), "a", timeline=timeline(1))
    late_ns = TERMS.vague_ns + 1
    now_ns, calls = 0, 0
    while now_ns < 60 * LEASE * 1_000:
        t_us = 10**15 + now_ns // 1_000
        tell(node, now_ns, [b"JOIN", b"4", b"%d" % t_us, b"7", b"3", b"run"], took_ns=late_ns)
        calls += 1
        assert node.lease is None
        assert node.window(now_ns + late_ns) is None
        assert (node.final_us(), node.horizon_us()) == (t_us + LEASE, t_us + 4 * LEASE)
        likely_us = node.cut_off_us(now_ns + late_ns)
        assert likely_us is not None
        assert abs(likely_us - t_us - late_ns // 2_000) <= late_ns // 2_000
        due_ns = node.due(now_ns + late_ns)
        assert isinstance(due_ns, int)
        now_ns = due_ns
    assert calls < LATE_MAX + 60 * 7, "six times a lease, and some in haste at first"
    tell(node, now_ns, [b"JOIN", b"4", b"%d" % (10**15 + now_ns // 1_000), b"7", b"3", b"run"])
    due_ns = node.due(now_ns)
    assert isinstance(due_ns, int)
    tell(node, due_ns, granted(4, 10**15 + due_ns // 1_000, 9))
    assert node.lease is not None, "the way is quick again"


def test_who_joins_tells_its_first_reading_and_when_it_waited_for_long() -> None:
    node = Node(TERMS, "a")
    tell(node, 0, [b"JOIN", b"4", b"1000000000000000", b"7", b"3", b"run"])
    now_ns, told = 0, list[str]()
    while not told or told[-1] != "1":
        due_ns = node.due(now_ns)
        assert isinstance(due_ns, int)
        now_ns = due_ns
        call = tell(node, now_ns, [b"JOINWAIT", b"4", b"1000000000000000"])
        assert call.arguments[2:7] == ("0", "0", "4", "7", "3")
        told.append(call.arguments[7])
    assert now_ns > TERMS.outlasts_us * 1_000
    assert len(told) < 60
    due_ns = node.due(now_ns)
    assert isinstance(due_ns, int)
    tell(node, due_ns, granted(4, 10**15 + due_ns // 1_000, 9))
    assert node.lease is not None
    assert len(node.lease.readings) == 2


# ---------------------------------------------------------------------------------------- pace, the end


@pytest.mark.parametrize("asked", ["renew", "begin", "open", "fault"])
def test_what_fails_is_asked_again_after_a_twentieth_of_a_lease(asked: str) -> None:
    node = opened()
    due_ns = node.due(1_000_000)
    assert isinstance(due_ns, int)
    if asked == "fault":
        tell(node, due_ns, granted(t_us=10**15, gseq=2))
    elif asked != "renew":
        tell(node, due_ns, [b"NEED_EPOCH", b"run2", b"0"])
        if asked == "open":
            tell(node, due_ns, [b"BEGUN", b"2", b"1"])
    now_ns, calls = due_ns, []
    for _ in range(1_000):
        due = node.due(now_ns)
        if isinstance(due, Call):
            calls.append((now_ns, due.function))
            node.failed(now_ns)
        else:
            now_ns = max(due, now_ns)
            if now_ns > due_ns + LEASE * 1_000 // 2:
                break
    assert {function for _, function in calls} == {asked}
    assert len(calls) >= 8
    assert all(b - a >= LEASE * 1_000 // 20 for (a, _), (b, _) in pairwise(calls))


def test_after_every_answer_there_is_a_pause_or_progress() -> None:
    """Whatever a store answers, it is not asked without end at one instant."""
    chance = random.Random(1)
    answers: list[list[bytes]] = [
        granted(2), [b"JOIN", b"2", b"1000000000000000", b"7", b"3", b"run"], [b"JOINWAIT", b"2", b"1"], [b"BEHIND"],
        [b"NEED_EPOCH", b"run", b"0"], [b"NEED_EPOCH", b"run", b"1"], [b"REGRESSED", b"0"], [b"BEGUN", b"2", b"1"],
        [b"BEGUN", b"2", b"0"], [b"WAIT"], [b"STALE"], [b"ALREADY"], [b"OK"], [b"GONE"], [b"?"], [],
    ]  # fmt: skip
    for _ in range(200):
        node = Node(TERMS, "a")
        now_ns = calls = 0
        while now_ns < 5 * LEASE * 1_000:
            due = node.due(now_ns)
            if isinstance(due, int):
                now_ns = max(due, now_ns)
                continue
            calls += 1
            node.answered(chance.choice(answers), now_ns, now_ns, now_ns)
        assert calls < 5 * 200


def test_who_leaves_says_how_far_it_decided_and_asks_nothing_more() -> None:
    node = opened()
    lease = node.lease
    assert isinstance(lease, Lease)
    call = node.release(500_000_000)
    assert call == Call("release", ("run", "1", "a", str(lease.bounds.latest_us(500_000_000)), ""), durable=False)
    assert node.window(500_000_001) is None
    assert node.due(500_000_001) == FOREVER
    assert node.release(500_000_002) is None
