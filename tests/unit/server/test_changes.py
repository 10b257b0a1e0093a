"""Changes of the Timeline by the service, with the real publishing process and a real store: what is asked for is what
the Timeline says, once, and only when every node is ready."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from einklang.v1 import common_pb2 as common
from einklang.v1 import ruleset_pb2 as pb
from engine.timeline import Timeline
from server import publications
from server.contract import Failure
from server.embedded import EmbeddedStore, store_settings
from server.publications import Record
from server.publish import Publisher, PublishFailed, read_project
from server.rulesets import RulesetServicer
from server.settings import load
from server.store import opened
from tests.nodes import node_of
from tests.running import SECONDS

PROJECT = Path(__file__).parents[2] / "e2e" / "project"
HOUR_US = 3_600_000_000


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """Settings of a store that runs, a node that has a lease, and the publishing process."""
    home = tmp_path_factory.mktemp("store")
    given = load(
        {
            "data_dir": home / "data",
            "runtime_dir": home / "run",
            "lease_ms": 300,
            "guard_ms": 100,
            "readiness_timeout_s": 1,
        }
    )
    store = EmbeddedStore(given)
    store.start()
    settings = store_settings(given)
    publisher = Publisher()
    loop = asyncio.new_event_loop()
    try:
        with node_of(settings) as keeper:
            yield SimpleNamespace(settings=settings, keeper=keeper, publisher=publisher, loop=loop)
    finally:
        loop.run_until_complete(publisher.close())
        loop.close()
        store.stop()


class Shop:
    """The service, asked by messages."""

    def __init__(self, running, store) -> None:
        self.running = running
        self.store = store
        self.timeline = Timeline()
        self.now = 0
        self.staged = asyncio.Event()
        self.servicer = RulesetServicer(
            self,  # type: ignore[arg-type] # what is asked of the holder of rulesets, too
            running.settings,
            publish_files=running.publisher,
            staged=self.staged.set,
            published=self.look,
            store=store,
        )

    def now_us(self) -> int:
        return self.now

    async def look(self, _=None) -> None:
        self.now, self.timeline = await self.store.read(self.timeline)

    async def publish(self, files, **finish) -> pb.PublishResponse:
        async def messages():
            for path, data in files.items():
                chunk = pb.FileChunk(path=path, data=data)
                yield pb.PublishRequest(chunk=chunk).SerializeToString()
            end = pb.PublishFinish(**{"author": "anna", "reason": "test", **finish})
            yield pb.PublishRequest(finish=end).SerializeToString()

        return pb.PublishResponse.FromString(await self.servicer.Publish(messages()))

    async def ask(self, method: str, **fields):
        if method in RulesetServicer.PATIENT:
            fields = {"author": "anna", "reason": "test", **fields}
        request = getattr(pb, f"{method}Request")(**fields)
        answer = await getattr(self.servicer, method)(request.SerializeToString())
        return getattr(pb, f"{method}Response").FromString(answer)

    def kinds(self, since: int) -> list[str]:
        return [entry.kind for entry in self.timeline.entries[since:]]

    def says(self, at_us: int) -> str:
        entry = self.timeline.in_force(at_us)
        return entry.digest if entry is not None else ""


def run(running, story):
    @asynccontextmanager
    async def shop():
        async with opened(running.settings) as store:
            made = Shop(running, store)
            await made.look()
            yield made

    async def all_of_it():
        async with shop() as made:
            return await story(made)

    return running.loop.run_until_complete(all_of_it())


def files(percent: int) -> dict[str, bytes]:
    found = read_project(PROJECT)
    rules = found["promotions.promo"]
    return {**found, "promotions.promo": rules.replace(b"get the cheapest 1 free", b"get %d%% off them" % percent)}


async def refused(asked) -> common.ErrorDetail:
    with pytest.raises(Failure) as failure:
        await asked
    return failure.value.detail


def test_the_same_id_is_published_once_and_everybody_can_look_it_up(running):
    async def story(shop):
        first = await shop.publish(files(10), publication_id="p-1")
        again = await shop.publish(files(10), publication_id="p-1")
        first.stats.took_us = again.stats.took_us = 0
        assert first == again
        assert (first.sequence, first.stats.promotions) == (len(shop.timeline.entries), 6)
        detail = await refused(shop.publish(files(11), publication_id="p-1"))
        assert detail.reason == common.ERROR_REASON_ID_CONFLICT
        found = (await shop.ask("GetPublication", publication_id="p-1")).publication
        assert (found.state, found.response.ruleset_digest) == (pb.PUBLICATION_STATE_COMMITTED, first.ruleset_digest)
        # What the Timeline says outlasts the record of it.
        await shop.store.put_publication("p-1", b"")
        found = (await shop.ask("GetPublication", publication_id="p-1")).publication
        assert (found.state, found.response.sequence) == (pb.PUBLICATION_STATE_COMMITTED, first.sequence)
        doubt = Record("p-1", "f", publications.IN_DOUBT, "done", shop.now, shop.now)
        await shop.store.put_publication("p-1", doubt.encode())
        found = (await shop.ask("GetPublication", publication_id="p-1")).publication
        assert (found.state, found.response.sequence) == (pb.PUBLICATION_STATE_COMMITTED, first.sequence)
        await shop.store.put_publication("p-1", b"")
        again = await shop.publish(files(10), publication_id="p-1")
        assert (again.ruleset_digest, again.sequence) == (first.ruleset_digest, first.sequence)
        await shop.store.put_publication("p-3", doubt.encode())
        found = (await shop.ask("GetPublication", publication_id="p-3")).publication
        assert found.state == pb.PUBLICATION_STATE_IN_DOUBT, "its entry may be on its way"
        late = Record("p-4", "f", publications.STAGED, "stage", 1, shop.now - publications.LATE_US - 1)
        await shop.store.put_publication("p-4", late.encode())
        found = (await shop.ask("GetPublication", publication_id="p-4")).publication
        assert (found.state, "has gone" in found.error.message) == (pb.PUBLICATION_STATE_REFUSED, True)
        detail = await refused(shop.ask("GetPublication", publication_id="p-2"))
        assert detail.reason == common.ERROR_REASON_ID_UNKNOWN

    run(running, story)


def test_text_that_does_not_compile_is_told_whenever_it_is_asked_for(running):
    async def story(shop):
        detail = await refused(shop.publish({**files(10), "more.promo": b"promotion {"}, publication_id="bad"))
        assert detail.reason == common.ERROR_REASON_RULESET_INVALID
        states = [
            pb.WatchPublicationResponse.FromString(data).publication
            async for data in shop.servicer.WatchPublication(
                pb.WatchPublicationRequest(publication_id="bad").SerializeToString()
            )
        ]
        assert [one.state for one in states] == [pb.PUBLICATION_STATE_REFUSED]
        assert states[0].error.reason == common.ERROR_REASON_RULESET_INVALID
        assert {one.file for one in states[0].error.diagnostics} == {"more.promo"}

    run(running, story)


def test_a_publication_whose_publisher_has_gone_is_refused_once_nothing_can_come_of_it():
    record = Record("x", "f", publications.STAGED, "readiness", 5, 100, nodes=(("n", "pending", ""),))
    assert Record.decode(record.encode()) == record
    late_us = 100 + publications.LATE_US
    assert publications.outcome(record, late_us).state == publications.STAGED
    assert publications.outcome(record, late_us + 1).state == publications.REFUSED
    doubt = Record("x", "f", publications.IN_DOUBT, "done", 5, 1 << 50)
    assert publications.outcome(doubt, 5 + publications.LATE_US).state == publications.IN_DOUBT
    assert publications.outcome(doubt, 6 + publications.LATE_US).state == publications.REFUSED
    for data in (b"", b"[]", b"{}", record.encode().replace(b"staged", b"strange")):
        with pytest.raises(publications.Unreadable):
            Record.decode(data)


def test_pause_schedule_cancel_resume_and_go_back(running):
    async def story(shop):
        first = await shop.publish(files(20))
        begin = first.sequence
        until_us = shop.now + HOUR_US
        paused = await shop.ask("Pause", promotion="gold-10", until_us=until_us, change_id="pause-1")
        again = await shop.ask("Pause", promotion="gold-10", until_us=until_us, change_id="pause-1")
        assert paused == again
        assert shop.kinds(begin) == ["pause", "resume"]
        assert (paused.entry.promotion, paused.entry.until_us) == ("gold-10", until_us)
        assert paused.resume_entry.ruleset_digest == first.ruleset_digest
        told = await shop.ask("GetRuleset", ruleset_digest=paused.entry.ruleset_digest)
        assert [one.promotion for one in told.promotions if one.paused] == ["gold-10"]
        assert (told.stats.promotions, len(told.promotions)) == (5, 6)

        middle_us = shop.now + HOUR_US // 2
        later = await shop.publish(files(21), effective_from_us=middle_us, reason="half way")
        assert shop.says(middle_us) not in (later.ruleset_digest, first.ruleset_digest), "what is new is paused too"
        assert shop.says(until_us) == later.ruleset_digest
        await shop.ask("CancelScheduled", sequence=later.sequence, change_id="cancel-1")
        assert shop.says(middle_us) == paused.entry.ruleset_digest
        assert shop.says(until_us) == first.ruleset_digest
        detail = await refused(shop.ask("CancelScheduled", sequence=later.sequence, change_id="cancel-2"))
        assert (detail.reason, "taken back already" in detail.message) == (common.ERROR_REASON_NOT_POSSIBLE, True)

        resumed = await shop.ask("Resume", promotion="gold-10", change_id="resume-1")
        assert resumed.entry.ruleset_digest == first.ruleset_digest
        assert shop.says(until_us - 1) == first.ruleset_digest
        detail = await refused(
            shop.ask("Resume", promotion="gold-10", effective_from_us=until_us, change_id="resume-2")
        )
        assert detail.reason == common.ERROR_REASON_NOT_POSSIBLE

        second = await shop.publish(files(22))
        back = await shop.ask("Rollback", to_sequence=first.sequence, change_id="back-1")
        assert back.entry.ruleset_digest == first.ruleset_digest
        assert (back.entry.kind, back.entry.sources_digest != "") == (pb.ENTRY_KIND_ROLLBACK, True)
        forth = await shop.ask(
            "Schedule", ruleset_digest=second.ruleset_digest, effective_from_us=until_us, change_id="forth"
        )
        assert shop.says(until_us) == forth.entry.ruleset_digest == second.ruleset_digest
        verified = Timeline().extended(shop.timeline.entries)
        assert verified.entries[-1].change_id == "forth"

    run(running, story)


def test_what_cannot_be_is_refused_and_says_what_to_do(running):
    async def story(shop):
        published = await shop.publish(files(30))
        before = len(shop.timeline.entries)
        until_us = shop.now + HOUR_US
        wrong = await refused(shop.ask("Pause", promotion="gold-11", until_us=until_us, change_id="w-1"))
        assert (wrong.reason, wrong.field) == (common.ERROR_REASON_UNKNOWN_NAME, "promotion")
        assert "did you mean 'gold-10'" in wrong.message
        wrong = await refused(shop.ask("Schedule", ruleset_digest="d" * 64, change_id="w-2"))
        assert wrong.reason == common.ERROR_REASON_RULESET_UNKNOWN
        wrong = await refused(
            shop.ask("Schedule", ruleset_digest=published.ruleset_digest, effective_from_us=1, change_id="w-3")
        )
        assert (wrong.reason, wrong.field) == (common.ERROR_REASON_TOO_EARLY, "effective_from_us")
        wrong = await refused(shop.ask("CancelScheduled", sequence=published.sequence, change_id="w-4"))
        assert (wrong.reason, wrong.field) == (common.ERROR_REASON_TOO_EARLY, "sequence")
        assert "publish, resume or roll back" in wrong.message
        for fields, field in (
            ({"change_id": ""}, "change_id"),
            ({"change_id": "a b"}, "change_id"),
            ({"change_id": "x", "author": ""}, "author"),
            ({"change_id": "x", "reason": ""}, "reason"),
            ({"change_id": "x", "until_us": 0}, "until_us"),
            ({"change_id": "x", "promotion": ""}, "promotion"),
        ):
            wrong = await refused(shop.ask("Pause", **{"promotion": "gold-10", "until_us": until_us, **fields}))
            assert wrong.field == field
        await shop.look()
        assert len(shop.timeline.entries) == before

    run(running, story)


async def heard_of(shop, **nodes: str) -> None:
    """Nodes that say something of themselves now; "?" as one that decides by nothing yet."""
    now_us = await shop.store.time_us()
    for name, why in nodes.items():
        said = {"build": "1.0", "sequence": 1, "certainty": "certain", "semantics": [1], "error": ""}
        status = json.dumps({**said, "digest": "" if why == "?" else "d" * 64})
        await shop.store._client.hset(shop.store.keys.nodes, name, f"{now_us + 60_000_000} {status}")


async def answering(shop, asked, **nodes: str):
    """What is asked, while nodes answer to what is staged: "" is ready, a text is why not, "-" and "?" say nothing."""
    await heard_of(shop, **nodes)
    work = asyncio.ensure_future(asked)
    while not work.done():
        for digest in await shop.store.staged():
            for name, why in nodes.items():
                if why not in ("-", "?"):
                    await shop.store.acknowledge(name, digest, failed=why)
        await asyncio.wait([work], timeout=0.02)
    await shop.store._client.delete(shop.store.keys.nodes)
    return await work


def test_nothing_is_scheduled_before_every_node_is_ready(running):
    async def story(shop):
        before = len(shop.timeline.entries)
        said: list[pb.Publication] = []
        wrong = await refused(answering(shop, shop.publish(files(40), publication_id="r-1"), one="", two="no room"))
        assert (wrong.reason, "two" in wrong.message, "no room" in wrong.message) == (
            common.ERROR_REASON_NODES_NOT_READY,
            True,
            True,
        )
        assert await shop.store.staged() == ()
        found = (await shop.ask("GetPublication", publication_id="r-1")).publication
        assert (found.state, found.error.reason) == (pb.PUBLICATION_STATE_REFUSED, common.ERROR_REASON_NODES_NOT_READY)
        wrong = await refused(answering(shop, shop.publish(files(40)), one="", two="-"))
        assert "1 of 2 nodes did not say" in wrong.message
        await shop.look()
        assert len(shop.timeline.entries) == before

        async def watched():
            while not said or said[-1].state != pb.PUBLICATION_STATE_COMMITTED:
                try:
                    found = (await shop.ask("GetPublication", publication_id="r-2")).publication
                except Failure:
                    continue
                if not said or found != said[-1]:
                    said.append(found)
                await asyncio.sleep(0.01)

        watching = asyncio.ensure_future(watched())
        await answering(shop, shop.publish(files(40), publication_id="r-2"), one="", two="")
        await watching
        steps = [one.step for one in said]
        assert steps[-1] == "done"
        assert {node.node for one in said for node in one.nodes} == {"one", "two"}
        forced = await answering(shop, shop.publish(files(41), force=True), one="", two="broken")
        assert forced.sequence == before + 2
        early = await answering(shop, shop.publish(files(42)), one="", two="?")
        assert early.sequence == before + 3, "a node that starts is waited for, and prevents nothing"
        nodes = await shop.ask("ListNodes")
        assert list(nodes.nodes) == []

    run(running, story)


def test_the_node_that_was_asked_need_not_look_for_what_is_staged(running):
    async def story(shop):
        await shop.publish(files(45), dry_run=True)
        assert not shop.staged.is_set()
        await heard_of(shop, one="")
        work = asyncio.ensure_future(shop.publish(files(45)))
        async with asyncio.timeout(SECONDS):
            await shop.staged.wait()
        (digest,) = await shop.store.staged()
        await shop.store.acknowledge("one", digest)
        assert (await work).ruleset_digest == digest
        await shop.store._client.delete(shop.store.keys.nodes)

    run(running, story)


def test_the_nodes_as_they_say_of_themselves(running):
    async def story(shop):
        await heard_of(shop, **{"n-1": "", "n-2": ""})
        await shop.store._client.hset(shop.store.keys.nodes, "n-3", f"{await shop.store.time_us()} [not json")
        told = await shop.ask("ListNodes")
        await shop.store._client.delete(shop.store.keys.nodes)
        assert [(one.node, one.build) for one in told.nodes] == [("n-1", "1.0"), ("n-2", "1.0"), ("n-3", "")]
        assert told.nodes[0].certainty == common.CERTAINTY_CERTAIN
        assert list(told.nodes[0].semantics_numbers) == [1]

    run(running, story)


def test_a_ruleset_with_its_sources(running):
    async def story(shop):
        published = await shop.publish(files(50))
        told = await shop.ask("GetRuleset", ruleset_digest=published.ruleset_digest, with_sources=True)
        assert {one.path: one.data for one in told.sources} == files(50)
        assert told.sources_digest == shop.timeline.entries[-1].sources
        assert (list(told.currencies), told.semantics_number) == (["EUR"], 1)
        assert told.kept_until_us > shop.now + 700 * 24 * HOUR_US
        spring = {one.promotion: one for one in told.promotions}["pasta-3-for-2"]
        assert 0 < spring.runs_from_us < spring.runs_until_us
        wrong = await refused(shop.ask("GetRuleset", ruleset_digest="e" * 64))
        assert wrong.reason == common.ERROR_REASON_RULESET_UNKNOWN

    run(running, story)


def test_whoever_follows_hears_of_each_entry_and_that_the_stream_lives(running):
    async def story(shop):
        request = pb.WatchTimelineRequest(from_sequence=1).SerializeToString()
        heard = shop.servicer.WatchTimeline(request)
        first = pb.WatchTimelineResponse.FromString(await anext(heard))
        assert first.entry.sequence == 1
        await heard.aclose()
        new = shop.servicer.WatchTimeline(pb.WatchTimelineRequest(with_records=True).SerializeToString())
        assert not pb.WatchTimelineResponse.FromString(await anext(new)).HasField("entry")
        published = await shop.publish(files(60))
        told = pb.WatchTimelineResponse.FromString(await anext(new))
        assert (told.entry.sequence, told.entry.record != b"") == (published.sequence, True)
        shop.servicer.stop_taking()
        assert (await refused(anext(new))).reason == common.ERROR_REASON_NOT_READY

    run(running, story)


def test_a_publication_with_an_id_goes_on_when_its_caller_has_gone(running):
    async def story(shop):
        before = len(shop.timeline.entries)
        asked = asyncio.ensure_future(shop.publish(files(70), publication_id="alone"))
        while not await shop.store.get_publication("alone"):
            await asyncio.sleep(0.005)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        states = [
            pb.WatchPublicationResponse.FromString(data).publication.state
            async for data in shop.servicer.WatchPublication(
                pb.WatchPublicationRequest(publication_id="alone").SerializeToString()
            )
        ]
        assert states[-1] == pb.PUBLICATION_STATE_COMMITTED
        await shop.look()
        assert len(shop.timeline.entries) == before + 1

    run(running, story)


def test_killed_while_nodes_get_ready_nothing_is_scheduled(running):
    async def story(shop):
        publisher = running.publisher
        before = len(shop.timeline.entries)

        def kill(step, _known):
            if step == "readiness":
                publisher._process.kill()

        await heard_of(shop, silent="-")
        with pytest.raises(PublishFailed):
            await publisher(
                files(80), author="anna", reason="", change_id="killed", settings=running.settings, progress=kill
            )
        await shop.store._client.delete(shop.store.keys.nodes)
        await shop.look()
        assert len(shop.timeline.entries) == before
        found = (await shop.ask("GetPublication", publication_id="killed")).publication
        assert found.state == pb.PUBLICATION_STATE_STAGED
        published = await shop.publish(files(80), publication_id="killed", reason="")
        assert published.sequence == before + 1

    run(running, story)
