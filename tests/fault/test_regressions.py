"""Faults that this protocol, or a draft of it, once had: each as a short history with exact numbers.

The first five were found by the simulator of the first drafts, the next four by this one (tests/fault/simulator.py).
The last ones are pieces of the protocol that chance does not put to the test: tests/fault/mutants.py leaves them out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from engine.timeline import make_entry
from server.lease import Call, Node, Terms
from tests.fault.mutants import NoGuardBand, Vague
from tests.fault.scripted import SECOND, TERMS, Story
from tests.fault.simulator import HOLDERS, META, TIMELINE

LEASE = TERMS.lease_us


def around(story: Story, at_us: int, nodes: Sequence[Node], before: int = 40_000) -> list[tuple[int, list[int | None]]]:
    """What the nodes say from before this instant until after it, each tenth of a millisecond of true time."""
    said = []
    story.wait(at_us - story.t_us() - before)
    for _ in range(0, 2 * before, 100):
        said.append((story.t_us(), [story.says(node) for node in nodes]))
        story.wait(100)
    return said


def disagreements(said: Sequence[tuple[int, list[int | None]]]) -> int:
    """How often somebody went back to an older entry than somebody said before."""
    highest, count = 0, 0
    for _, row in said:
        count += sum(answer is not None and answer < highest for answer in row)
        highest = max([highest, *(answer for answer in row if answer is not None)])
    return count


# ---------------------------------------------------------------------------------------- faults of the first drafts


def test_a_late_request_is_not_a_step_of_the_clock() -> None:
    """A renewal is under way for 0.35 s. What it says of the clock is vague, not wrong: the node keeps the lease
    that it has, asks again soon and has a longer one; no epoch is begun."""
    story = Story()
    story.append()
    node = story.node("a")
    story.join(node)
    epoch, lease = story.epoch, node.lease
    assert lease is not None
    for forth_us, back_us in ((350_000, 300), (300, 350_000), (9_000, 9_000)):
        assert story.ask(node, forth_us, back_us) == "GRANTED"
        assert node.lease == lease, "it is not used"
        assert story.says(node) == 1
    assert story.ask(node) == "GRANTED"
    assert node.lease is not None
    assert node.lease.end_ns > lease.end_ns
    assert (story.epoch, node.steps) == (epoch, 0)


def test_of_two_who_open_an_epoch_the_second_gets_no_lease() -> None:
    """A and B begin the same epoch after a restart and both wait. A opens it. Before B's opening arrives the clock is
    stepped by a minute: whoever is granted a lease now reads another time than A. B is told so, and joins."""
    story = Story()
    story.append()
    a, b = story.node("a"), story.node("b")
    story.join(a, b)
    story.run = b"run2"
    for node in (a, b):
        story.ask_until(node, "BEGUN")
    story.wait(2 * LEASE)
    assert story.ask(a) == "GRANTED"
    story.stepped_us += 60 * SECOND
    assert story.ask(b) == "ALREADY"
    assert story.ask(b) == "JOIN"
    assert b.lease is None


@pytest.mark.parametrize("step_us", [-19_000, -9_000, 9_000, 19_000, 25_000, -25_000, SECOND, -SECOND])
def test_a_step_that_is_small_is_noticed_or_harmless(step_us: int) -> None:
    """The server has no tolerance of its own below which it takes a step for nothing: the node compares all readings of
    a lease. Steps of about the guard: either it notices, or nobody goes back at the boundary."""
    story = Story()
    story.append()
    a, b = story.node("a"), story.node("b")
    story.join(a, b)
    entry = story.append()
    story.wait(2 * SECOND)
    story.ask(a, 7_900, 0)
    story.ask(b, 0, 7_900)
    story.stepped_us += step_us
    story.ask(b, 0, 0)
    if b.steps == 0:
        assert not disagreements(around(story, entry.effective_from_us, (a, b)))
    else:
        assert abs(step_us) > 7_900


def test_the_first_reading_of_who_joins_is_kept_until_it_has_a_lease() -> None:
    """B's first reading, then the clock is stepped; before B has a witness, more than a lease passes. Would B have
    forgotten its first reading by then, it would take the lease: it must say that the clock was stepped."""
    story = Story()
    story.append()
    a, b = story.node("a"), story.node("b")
    story.join(a)
    assert story.ask(b) == "JOIN"
    for _ in range(5):
        assert story.ask(a) == "GRANTED"
        story.wait(LEASE // 4)  # B is paused
    story.stepped_us += 30_000
    assert story.ask(b) == "GRANTED"
    assert (b.lease, b.steps) == (None, 1)
    assert story.ask(b) == "OK"
    assert not story.is_open


def test_nobody_joins_without_a_witness() -> None:
    """A decided by entry 2 and is gone. The clock is set back behind entry 2's instant. B joins: its readings agree
    with each other, but nobody can say that they agree with A's. After a lease B begins an epoch, behind all that A may
    have decided by."""
    story = Story()
    story.append()
    a, b = story.node("a"), story.node("b")
    story.join(a)
    entry = story.append()
    while story.t_us() < entry.effective_from_us + SECOND:
        story.ask(a)
    assert story.says(a) == 2
    reached_us = story.t_us()
    story.stepped_us -= 20 * SECOND
    assert story.ask(b) == "JOIN"
    answers = set()
    while b.lease is None:
        answers.add(story.ask(b))
    assert answers == {"JOINWAIT", "NEED_EPOCH", "BEGUN", "GRANTED"}
    assert story.t_us() > reached_us
    assert story.says(b) == 2


# ---------------------------------------------------------------------------------------- faults of later ones


def writes(story: Story, function: str, keys: tuple[bytes, ...], arguments: tuple[str, ...]) -> tuple[bytes, bool]:
    answer = story.on(function, keys, tuple(word.encode() for word in arguments))
    return answer[0], story.host.wrote


def test_who_is_told_what_another_call_wrote_can_wait_for_it() -> None:
    """WAIT waits for what its own connection wrote last. A publisher heard nothing of its entry, asked again, was told
    DUP and waited for nothing: the entry was confirmed and not on the replica. A node was told of the entry, BEHIND,
    waited for nothing, and after a fail-over it knew more than the store. So these answers are writes."""
    story = Story()
    story.append()
    node = story.node("a")
    story.join(node)
    entry = story.append()
    fields = (entry.sequence, entry.previous_hash, entry.entry_hash, entry.effective_from_us, entry.kind)
    words = ("", "0", "", "", str(entry.appended_at_us), *map(str, fields), entry.encode().decode())
    keys = (META, TIMELINE, b"c", b"s", b"x")
    assert writes(story, "append", keys, words) == (b"DUP", True)
    renew = ("b", "", "0", "0", "0", "0", "0", "0", "0", "", "", "")
    story.data[TIMELINE] += [entry.encode()] * 300  # more than one reply holds
    assert writes(story, "renew", (META, TIMELINE, HOLDERS, b"n"), renew) == (b"BEHIND", True)
    other = make_entry(entry, effective_from_us=1, digest="d" * 64, author="", reason="", appended_at_us=1)
    story.data[b"c"] = {b"id": b"fingerprint 2 1"}
    fields = (other.sequence, other.previous_hash, other.entry_hash, other.effective_from_us, other.kind)
    words = ("", "0", "id", "", "1", *map(str, fields), other.encode().decode())
    assert writes(story, "append", keys, words) == (b"USED", True)


def test_an_earlier_house_may_have_decided_until_its_leases_ended() -> None:
    """A server of one machine is killed with its store; meanwhile the clock is set back. Nobody of it decides any more:
    there is nothing to wait for. But it decided by later instants than the store has heard of."""
    story = Story()
    story.append()
    old = story.node("local/1/a", "local/1/")
    story.join(old)
    entry = story.append()
    story.wait(LEASE * 0.999)
    story.ask(old)
    story.wait(entry.effective_from_us + SECOND - story.t_us())
    assert story.says(old) == 2
    reached_us = story.t_us()
    story.stepped_us -= 50 * SECOND
    story.run = b"run2"
    new = story.node("local/2/a", "local/2/")
    begun_us = story.now_us
    story.join(new)
    assert story.now_us - begun_us < LEASE // 2, "nobody is waited for"
    assert story.t_us() > reached_us
    assert story.says(new) == 2


def test_a_window_ends_when_its_lease_is_given_up() -> None:
    """A is the only holder; the clock is stepped forward. A gives its lease up and opens the next epoch at once: now
    entry 2 is in force. By the first lease it would be entry 1 for seconds: who keeps a window has to forget it."""
    story = Story()
    story.append()
    a = story.node("a")
    story.join(a)
    story.append(story.t_us() + 30 * SECOND)
    story.ask(a)
    kept = a.window(story.ns(a))
    lease = a.lease
    story.stepped_us += 60 * SECOND
    assert lease is not None
    while a.lease is None or a.lease.epoch == lease.epoch:
        story.ask(a)
    assert story.says(a) == 2
    assert kept is not None
    assert story.ns(a) < lease.end_ns


def test_cut_off_without_an_entry_nothing_is_known() -> None:
    """The first entry of all may take force at once, whatever the horizon is."""
    story = Story(Terms(lease_us=LEASE, horizon_us=60 * SECOND))
    node = story.node("a")
    story.join(node)
    story.append()
    story.wait(2 * LEASE)
    assert story.says(node) is None
    assert node.cut_off_us(story.ns(node)) is None


@pytest.mark.parametrize(("held_up_us", "forth_us", "back_us"), [(0, 4_000, 3_000), (5 * SECOND, 300, 300)])
def test_a_lease_that_ended_before_it_was_renewed_vouches_for_nothing(
    held_up_us: int, forth_us: int, back_us: int
) -> None:
    """A decided by entry 2. Then it hears nothing, the clock is set back, and A asks in the last instant of its lease;
    or it looked what is due in that instant, and was held up before it asked. When the answer comes, all of its
    readings are older than a lease. It must not take a lease by the new one alone, which agrees with everything."""
    story = Story()
    story.append()
    a, b = story.node("a"), story.node("b")
    story.join(a, b)
    entry = story.append()
    while story.t_us() < entry.effective_from_us + SECOND:
        story.ask(a)
    assert story.says(a) == 2
    assert a.lease is not None
    story.until(a, a.lease.end_ns - 10_000)
    due = a.due(story.ns(a))
    assert isinstance(due, Call)
    story.stepped_us -= 20 * SECOND
    story.wait(held_up_us)
    assert story.answer(a, due, forth_us, back_us) == "GRANTED"
    while story.says(a) is None:
        story.ask(a)
    assert story.says(a) == 2


# ---------------------------------------------------------------------------------------- what chance rarely meets


def vaguely(kind: type[Node], step_us: int, forth_us: int) -> int:
    """A knows T well; B joins by readings that took so long. Then the clock is stepped by what B's readings leave open,
    and B reads it again: B's T is ahead of A's. How often they disagree at the boundary."""
    story = Story()
    story.append()
    a, b = story.node("a", kind=kind), story.node("b", kind=kind)
    story.join(a)
    entry = story.append()
    story.wait(LEASE * 0.6)
    story.ask(a, 0, 0)  # a lease that reaches beyond the boundary
    assert story.ask(b, forth_us, 0) == "JOIN"
    story.ask(a, 0, 0)
    story.ask(a, 0, 0)  # it is B's witness
    story.ask(b, forth_us, 0)
    story.stepped_us += step_us
    story.wait(entry.effective_from_us - story.t_us() - LEASE // 10)
    story.ask(b, 0, 0)
    return disagreements(around(story, entry.effective_from_us, (a, b), 80_000))


def test_the_guard_band_keeps_a_step_apart_that_nobody_can_notice() -> None:
    assert vaguely(Node, 7_500, 7_900) == 0
    assert vaguely(NoGuardBand, 7_500, 7_900) > 0


def test_readings_that_took_long_would_leave_too_much_open() -> None:
    assert vaguely(Node, 55_000, 60_000) == 0
    assert vaguely(Vague, 55_000, 60_000) > 0


def at_the_end_of_a_lease(kind: type[Node], changed: tuple[tuple[str, str], ...] = ()) -> int:
    """A has its lease just before the entry is appended, and none after. B's readings leave a step open, as above."""
    story = Story(changed=changed)
    story.append()
    a, b = story.node("a", kind=kind), story.node("b", kind=kind)
    story.join(a, b)
    story.ask(a, 0, 0)
    entry = story.append()
    while b.lease is None or len(b.lease.readings) > 1 or story.t_us() < entry.effective_from_us - SECOND:
        assert story.ask(b, 7_900, 0) == "GRANTED"
        assert b.lease is not None
        b.lease = replace(b.lease, readings=b.lease.readings[-1:])  # as if it had come back lately
    story.stepped_us += 7_700
    story.ask(b, 0, 0)
    assert b.steps == 0
    return disagreements(around(story, entry.effective_from_us, (a, b)))


def test_the_margin_of_the_lead_alone_keeps_a_lease_apart() -> None:
    """Also where there is no guard band: two barriers, each of which suffices here."""
    no_margin = ((" + MARGIN_US", ""),)
    assert at_the_end_of_a_lease(Node) == 0
    assert at_the_end_of_a_lease(NoGuardBand) == 0
    assert at_the_end_of_a_lease(Node, no_margin) == 0
    assert at_the_end_of_a_lease(NoGuardBand, no_margin) > 0


def long_leases(terms: Terms, forth_us: int, step_us: int) -> int:
    """B hears nothing for nearly a lease; its clock is as fast as is allowed, and the server's as slow."""
    story = Story(terms)
    story.append()
    a, b = story.node("a"), story.node("b")
    story.rate_ppm["b"] = 400
    story.join(a, b)
    entry = story.append()
    assert story.ask(a, 0, 0) == "GRANTED"
    assert story.ask(b, forth_us, 0) == "GRANTED"
    assert b.lease is not None
    b.lease = replace(b.lease, readings=b.lease.readings[-1:])
    for _ in range(4):
        story.ask(a, 0, 0)
    story.wait(entry.effective_from_us - story.t_us() - terms.lease_us * 0.02)
    story.stepped_us += step_us
    story.ask(b, 0, 0)
    return 0 if b.steps else disagreements(around(story, entry.effective_from_us, (a, b), 80_000))


def test_a_long_lease_needs_a_long_guard() -> None:
    """What two readings leave open grows with the time between them, by 0.84 ms a second at worst: the guard must be
    longer than two fifths of itself and 0.84 thousandths of a lease. 20 ms suffice for 14 s, not for 30 s."""
    assert long_leases(Terms(lease_us=14 * SECOND, guard_us=20_000), 7_900, 18_000) == 0
    assert long_leases(Terms(lease_us=30 * SECOND, guard_us=20_000), 7_900, 27_000) > 0
    for step_us in range(10_000, 60_000, 1_000):
        assert long_leases(Terms(lease_us=30 * SECOND, guard_us=42_000), 16_700, step_us) == 0


def lost(changed: tuple[tuple[str, str], ...] = ()) -> tuple[Story, Node, Node]:
    """The store loses an entry that A knows (somebody restored a copy); another one is appended in its place."""
    story = Story(changed=changed)
    story.append()
    copy, head = [*story.data[TIMELINE]], story.data[META][b"head_hash"]
    a, b = story.node("a"), story.node("b")
    story.join(a)
    story.append()
    story.ask(a)
    story.data[TIMELINE], story.data[META][b"head_hash"] = copy, head
    while b.lease is None:
        story.ask(a)
        story.ask(b)
    story.append()
    end_us = story.now_us + 2 * LEASE
    while story.now_us < end_us:
        story.ask(a)
        story.ask(b)
    return story, a, b


def test_a_store_that_lost_entries_grants_nothing_to_who_knows_them() -> None:
    """Else two nodes would decide by different entries of one number."""
    story, a, b = lost()
    assert (story.says(a), a.regressed) == (None, True)
    assert story.says(b) == 2
    assert "the store knows other entries" in a.problem
    unnoticed = (
        ("if known > length then return nil end", "if known > length then return {}, known end"),
        ("if known > 0 and state.head ~= known_hash then return nil end", ""),
        ("if not string.find(last, known_hash, 1, true) then return nil end", ""),
    )
    story, a, b = lost(unnoticed)
    assert (story.says(a), story.says(b)) == (2, 2)
    assert a.timeline.entries[1] != b.timeline.entries[1]
