"""Which ruleset answers for which instant, and that the last good one stays; store and engine stand in."""

import asyncio
import hashlib
import json
from types import SimpleNamespace
from typing import Any

import pytest

from engine.timeline import Timeline, make_entry
from server.activate import (
    AHEAD,
    BEHIND,
    CERTAIN,
    PREVIEWS,
    RETRY_NS,
    SCHEDULED,
    SOON_US,
    UNSURE,
    Machine,
    RulesetHolder,
    Unusable,
)
from server.clock import SimulatedClock
from server.parts import PartFiles
from server.signing import Trust
from server.store import NotStored, StoreUnavailable
from server.telemetry import Counters
from tests.nodes import KnownExactly


class Rejected(Exception):
    """The stand-in engine's word for unsound bytes."""


class StandInStore:
    """Manifests are their own only part; a Timeline of entries; errors on request."""

    def __init__(self, clock):
        self.clock = clock
        self.timeline = Timeline()
        self.manifests = {}
        self.error = None
        self.fetched = []
        self.stage = []
        self.acknowledged = []
        self.differs = ""

    def publish(self, name, at_us, *, stored=True):
        manifest = name.encode()
        digest = hashlib.sha256(manifest).hexdigest()
        if stored:
            self.manifests[digest] = manifest
        entry = make_entry(
            self.timeline.head,
            effective_from_us=at_us,
            digest=digest,
            author="anna",
            reason="",
            appended_at_us=self.clock.now_us(),
        )
        self.timeline = self.timeline.extended([entry])
        return entry

    async def staged(self):
        if self.error:
            raise self.error
        return tuple(self.stage)

    async def acknowledge(self, node, digest, *, self_test="", failed=""):
        self.acknowledged.append((node, digest, failed))
        return self.differs

    async def get_manifest(self, digest):
        if self.error:
            raise self.error
        self.fetched.append(digest)
        if digest not in self.manifests:
            raise NotStored(digest)
        return self.manifests[digest]

    async def get_signatures(self, digest):
        return b""

    async def get_part(self, digest, size):
        return self.manifests[digest]


def parts_of(manifest):
    if manifest.startswith(b"no-manifest"):
        raise Rejected("not a manifest")
    return [SimpleNamespace(name="all", digest=hashlib.sha256(manifest).hexdigest(), size=len(manifest))]


def load(manifest, parts):
    (content,) = parts.values()
    assert bytes(content) == manifest
    if manifest.startswith(b"unsound"):
        raise Rejected("does not hold together")
    return manifest.decode()


def warm(ruleset):
    if ruleset.startswith("trips"):
        raise ZeroDivisionError("a fault of the engine")


class World:
    """A node with everything around it standing in; instants count from 0."""

    def __init__(self, directory, machine: Any = None):
        self.clock = SimulatedClock(wall_us=1_000)
        self.store = StandInStore(self.clock)
        self.counters = Counters()
        files = PartFiles(directory, self.counters)
        machine = machine or Machine(parts_of, load, warm, Rejected)
        store: Any = self.store
        self.known = KnownExactly(self.clock)
        trust = Trust("default", unsigned=True)
        self.holder = RulesetHolder(
            store, files, machine, self.clock, self.counters, trust=trust, known=self.known, node="n"
        )

    def step(self):
        self.known.timeline = self.store.timeline
        asyncio.run(self.holder.step())

    def at(self, as_of_us):
        standing = self.holder.standing_at(as_of_us)
        return standing and standing.active and standing.active.ruleset

    @property
    def now(self):
        """The ruleset that answers now."""
        active = self.holder.in_force
        return active and active.ruleset


@pytest.fixture
def world(tmp_path):
    return World(tmp_path / "parts")


def self_test(ruleset, direct):
    if "disagrees" in ruleset:
        raise Unusable("the self-test failed: two ways")
    return f"tested {ruleset} {direct}"


def test_before_anything_is_published_nothing_is_in_force(world):
    assert world.now is None
    world.step()
    assert world.now is None
    assert not world.holder.ready.is_set()
    assert world.holder.status().store_reachable


def test_a_ruleset_answers_from_its_instant_on_without_another_step(world):
    world.store.publish("one", 1_000)
    world.store.publish("two", 5_000)
    world.step()
    assert [world.at(at) for at in (999, 1_000, 4_999, 5_000, 10**15)] == [None, "one", "one", "two", "two"]
    assert world.now == "one"
    assert world.holder.in_force.sequence == 1
    world.clock.advance(3_999)
    assert world.now == "one"
    world.clock.advance(1)
    assert world.now == "two"


@pytest.mark.parametrize("bad", ["unsound", "no-manifest", "trips"])
def test_a_bad_ruleset_in_force_is_answered_by_no_other_and_is_told(world, bad):
    world.store.publish("one", 1_000)
    world.step()
    world.store.publish(bad, 2_000)
    world.step()
    world.clock.advance(5_000)
    world.step()
    assert world.now is None, "what is in force is what all nodes answer by, or none"
    assert not world.holder.answers
    assert world.at(1_500) == "one"
    (rejection,) = world.holder.status().rejected
    assert rejection.sequence == 2
    assert json.loads(world.known.status)["error"] == rejection.reason
    world.store.publish("three", 7_000)
    world.step()
    world.clock.advance(5_000)
    assert world.now == "three"


@pytest.mark.parametrize("bad", ["", "unsound", "no-manifest", "trips", "not stored"])
def test_what_is_staged_is_tried_and_acknowledged_once(world, bad):
    world.store.publish("one", 100)
    name = bad or "two"
    digest = hashlib.sha256(name.encode()).hexdigest()
    if bad != "not stored":
        world.store.manifests[digest] = name.encode()
    world.store.stage = [digest]
    for _ in range(3):
        world.step()
    ((node, of, failed),) = world.store.acknowledged
    assert (node, of) == ("n", digest)
    assert (failed != "") == (bad != "")
    assert world.now == "one"
    if not bad:
        world.store.publish(name, 2_000)
        world.store.stage = []
        world.step()
        world.clock.advance(2_000)
        assert world.now == "two"
        assert world.store.fetched.count(digest) == 1


def test_a_ruleset_that_the_first_node_decides_otherwise_is_rejected(world):
    world.store.publish("one", 100)
    world.store.manifests[digest := hashlib.sha256(b"two").hexdigest()] = b"two"
    world.store.stage, world.store.differs = [digest], "otherwise"
    world.step()
    world.store.stage = []
    world.store.publish("two", 200)
    world.step()
    assert world.now is None
    assert world.holder.status().rejected[0].reason == "otherwise"


def test_a_ruleset_that_is_not_stored_is_asked_for_again_later(world):
    world.store.publish("one", 100)
    entry = world.store.publish("two", 200, stored=False)
    world.step()
    assert world.at(500) is None
    world.store.manifests[entry.digest] = b"two"
    world.step()
    assert world.at(500) is None
    world.clock.advance(RETRY_NS // 1_000)
    world.step()
    assert world.at(500) == "two"
    assert world.holder.status().rejected == ()


def test_without_the_store_a_lease_is_enough_and_activations_still_happen(world):
    world.store.publish("one", 1_000)
    world.store.publish("two", 5_000)
    world.step()
    world.store.error, world.known.problem = StoreUnavailable("gone"), "gone"
    world.clock.advance(4_500)
    world.step()
    assert world.now == "two"
    assert world.holder.standing().certainty == CERTAIN
    assert world.holder.status().problem


def test_without_a_lease_only_what_is_settled_is_answered_for_certain(world):
    world.store.publish("one", 500)
    world.store.publish("two", 5_000)
    world.step()
    world.known.has_lease = False
    assert world.holder.standing() is None
    assert not world.holder.answers
    assert world.holder.standing_at(700).certainty == CERTAIN
    assert world.holder.standing_at(6_000).certainty == UNSURE
    assert world.holder.standing_at(6_000).active.ruleset == "two"


def test_what_is_heard_while_an_instant_is_looked_up_does_not_settle_it_by_the_old_timeline(world):
    """The lease's thread may hear of an entry, and that it is settled, between any two steps of the event loop."""

    class Hears(KnownExactly):
        old: Timeline
        final: int

        @property
        def timeline(self):
            known = self.old
            self.old, self.final = world.store.timeline, 9_000
            return known

        @timeline.setter
        def timeline(self, value):
            self.old = value

        def final_us(self):
            return self.final

    world.store.publish("one", 500)
    world.step()
    world.holder._known = hears = Hears(world.clock, timeline=world.store.timeline)
    hears.final = 2_000
    two = world.store.publish("two", 5_000)
    standing = world.holder.standing_at(6_000)
    assert standing.certainty == UNSURE or standing.entry == two


def test_a_node_that_is_cut_off_answers_up_to_the_horizon(world):
    world.store.publish("one", 500)
    world.store.publish("two", 5_000)
    world.step()
    world.known.has_lease, world.known.horizon = False, 8_000
    assert (world.holder.standing().certainty, world.now) == (SCHEDULED, "one")
    world.clock.advance(5_000)
    assert (world.holder.standing().certainty, world.now) == (SCHEDULED, "two")
    assert world.holder.standing_at(7_000).certainty == SCHEDULED
    world.clock.advance(5_000)
    assert world.holder.standing() is None


def test_an_answer_that_was_held_up_until_the_lease_ended_is_not_given(world):
    world.store.publish("one", 500)
    world.step()
    standing = world.holder.standing()._replace(lease_end_ns=world.clock.monotonic_ns() + 1)
    assert not world.holder.lapsed(standing)
    world.clock.advance(1)
    world.known.has_lease = False
    assert world.holder.lapsed(standing)


def test_an_answer_whose_lease_ended_is_given_if_another_says_the_same(world):
    world.store.publish("one", 500)
    world.store.publish("two", 5_000)
    world.step()
    standing = world.holder.standing()._replace(lease_end_ns=world.clock.monotonic_ns() + 1)
    world.clock.advance(1)
    assert not world.holder.lapsed(standing)
    world.clock.advance(5_000)
    assert world.now == "two"
    assert world.holder.lapsed(standing)


def test_a_lease_that_is_renewed_is_used_at_once(world, monkeypatch):
    world.store.publish("one", 500)
    world.step()
    standing = world.holder.standing()
    found = world.known.window(world.clock.monotonic_ns())
    for end_ns in (5_000_000, 6_000_000):
        monkeypatch.setattr(
            world.known, "window", lambda _, end_ns=end_ns: found._replace(end_ns=end_ns, lease_end_ns=end_ns)
        )
        world.holder.changed()
        assert world.holder.standing() == standing._replace(lease_end_ns=end_ns)


def test_a_lease_that_is_given_up_is_used_no_more_at_once(world):
    world.store.publish("one", 500)
    world.step()
    assert world.now == "one"
    world.known.has_lease = False
    assert world.now is None


def test_only_what_may_be_needed_is_kept(world):
    for number in range(10):
        world.store.publish(f"past {number}", 10 + number)
    for number in range(AHEAD + 3):
        world.store.publish(f"future {number}", 10_000 + number)
    world.step()
    assert world.now == "past 9"
    assert len(world.store.fetched) == 1 + AHEAD
    world.clock.advance(9_000)
    for _ in range(AHEAD + 3):
        world.step()
        world.clock.advance(1)
    assert world.now == f"future {AHEAD + 2}"
    kept = [n for n in range(AHEAD + 3) if world.at(10_000 + n) is not None]
    assert kept == list(range(AHEAD + 2 - BEHIND, AHEAD + 3))


def test_an_older_instant_is_answered_by_fetching_its_ruleset(world):
    for number in range(10):
        world.store.publish(f"past {number}", 10 + number)
    world.step()
    assert world.at(12) is None
    older = asyncio.run(world.holder.load(world.holder.standing_at(12).entry))
    assert older is not None
    assert older.ruleset == "past 2"
    assert world.holder.standing_at(5).entry is None
    assert world.now == "past 9"


def test_previews_are_loaded_by_digest_and_a_few_are_kept(world):
    digests = []
    for number in range(PREVIEWS + 1):
        manifest = f"preview {number}".encode()
        digests.append(hashlib.sha256(manifest).hexdigest())
        world.store.manifests[digests[-1]] = manifest
        assert asyncio.run(world.holder.by_digest(digests[-1])) == manifest.decode()
    asyncio.run(world.holder.by_digest(digests[-1]))
    assert world.store.fetched == digests
    asyncio.run(world.holder.by_digest(digests[0]))
    assert world.store.fetched == [*digests, digests[0]]


def test_a_preview_of_nothing_is_none_and_of_unsound_bytes_an_error(world):
    assert asyncio.run(world.holder.by_digest("f" * 64)) is None
    assert asyncio.run(world.holder.by_digest("../../etc/passwd")) is None
    digest = hashlib.sha256(b"unsound").hexdigest()
    world.store.manifests[digest] = b"unsound"
    with pytest.raises(Unusable):
        asyncio.run(world.holder.by_digest(digest))


def test_whoever_published_is_told_when_its_ruleset_answers(world):
    async def story():
        world.known.timeline = world.store.publish("one", 1_000) and world.store.timeline
        world.known.timeline, known = Timeline(), world.known.timeline
        waiting = asyncio.ensure_future(world.holder.settled(1))
        await asyncio.sleep(0)
        assert not waiting.done()
        assert world.known.hurried == 1
        world.known.timeline = known
        await world.holder.step()
        await waiting
        assert world.at(1_000) == "one"
        world.known.timeline = world.store.publish("unsound", 9_000_000) and world.store.timeline
        waiting = asyncio.ensure_future(world.holder.settled(2))
        await world.holder.step()
        await waiting

    asyncio.run(story())


@pytest.mark.parametrize(("ahead_us", "waited_for"), [(SOON_US, True), (SOON_US + 1, False)])
def test_whoever_published_waits_for_what_takes_force_at_once_and_not_for_a_lease(world, ahead_us, waited_for):
    async def story():
        world.store.publish("one", 500)
        world.store.publish("two", world.clock.now_us() + ahead_us)
        world.known.timeline = world.store.timeline
        waiting = asyncio.ensure_future(world.holder.settled(2))
        await world.holder.step()
        for _ in range(3):
            await asyncio.sleep(0)
        assert waiting.done() is not waited_for
        world.clock.advance(ahead_us)
        world.holder.changed()
        await waiting
        assert world.now == "two"

    asyncio.run(story())


def test_a_damaged_part_file_is_fetched_again(tmp_path):
    digest = hashlib.sha256(b"one").hexdigest()
    first = World(tmp_path / "parts")
    first.store.publish("one", 10)
    first.step()
    (tmp_path / "parts" / digest).chmod(0o600)
    (tmp_path / "parts" / digest).write_bytes(b"two")
    again = World(tmp_path / "parts")
    again.store.publish("one", 10)
    again.step()
    assert again.at(10) == "one"
    assert (tmp_path / "parts" / digest).read_bytes() == b"one"
    assert again.counters.all()["part_fetches_total"] == 1


def test_a_part_that_is_here_is_not_fetched(tmp_path):
    for fetches in (1, 0):
        node = World(tmp_path / "parts")
        node.store.publish("one", 10)
        node.step()
        assert node.counters.all()["part_fetches_total"] == fetches
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "parts").iterdir()} == {0o400}


def test_a_link_in_place_of_a_part_is_not_followed(tmp_path):
    (tmp_path / "elsewhere").write_bytes(b"one")
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / hashlib.sha256(b"one").hexdigest()).symlink_to(tmp_path / "elsewhere")
    node = World(tmp_path / "parts")
    node.store.publish("one", 10)
    node.step()
    assert node.counters.all()["part_fetches_total"] == 1


def test_what_the_self_test_got_is_known_as_long_as_a_ruleset_is_loaded_and_one_that_fails_is_rejected(tmp_path):
    direct: Any = "direct {}".format
    machine = Machine(parts_of, load, warm, Rejected, direct, self_test)
    world = World(tmp_path / "parts", machine)
    first = world.store.publish("zero", 10)
    last = [world.store.publish(f"one {n}", 1_000) for n in range(BEHIND + 2)][-1]
    world.step()
    assert world.holder.self_test_of(last.digest) == f"tested one {BEHIND + 1} direct one {BEHIND + 1}"
    assert world.holder.direct_of(last.digest) is not None
    assert world.holder.self_test_of(first.digest) == ""
    asyncio.run(world.holder.by_digest(first.digest))
    assert world.holder.self_test_of(first.digest) == "tested zero direct zero"
    for n in range(PREVIEWS):
        asyncio.run(world.holder.by_digest(world.store.publish(f"later {n}", 10**12).digest))
    assert world.holder.self_test_of(first.digest) == ""
    bad = world.store.publish("disagrees", 1_000)
    world.step()
    assert world.holder.status().rejected[-1].reason == "the self-test failed: two ways"
    assert world.at(1_000) is None
    assert world.holder.direct_of(bad.digest) is None
    assert world.holder.self_test_of(bad.digest) == ""


def test_once_a_day_parts_that_nobody_needs_are_looked_for(world, monkeypatch):
    told: list[int] = []
    monkeypatch.setattr(world.holder._files, "tidy", told.append)
    world.step()
    assert told == []
    world.clock.advance(86_400_000_001)
    world.known.has_lease = False
    world.step()
    assert told == [], "they could not be fetched again"
    world.known.has_lease = True
    for _ in range(2):
        world.step()
    assert told == [world.clock.now_us()]
