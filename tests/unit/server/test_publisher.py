"""The publishing process that stays: what it remembers saves work, and losing it loses nothing."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from engine.timeline import Timeline
from server import publish
from server.embedded import EmbeddedStore, store_settings
from server.publish import Publisher, PublishFailed, PublishRefused, read_project
from server.settings import load
from server.store import opened
from tests.nodes import node_of

PROJECT = Path(__file__).parents[2] / "e2e" / "project"


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    home = tmp_path_factory.mktemp("store")
    given = load({"data_dir": home / "data", "runtime_dir": home / "run", "publish_idle_s": 30})
    store = EmbeddedStore(given)
    store.start()
    with node_of(store_settings(given)):
        yield store_settings(given)
    store.stop()


def at(settings, files, publisher, **more):
    return publisher(files, author="anna", reason="test", settings=settings, **more)


def process_of(publisher: Publisher) -> asyncio.subprocess.Process:
    assert publisher._process is not None
    return publisher._process


def pid(publisher: Publisher) -> int:
    return process_of(publisher).pid


def changed(percent: int) -> dict[str, bytes]:
    files = read_project(PROJECT)
    rules = files["promotions.promo"]
    assert b"get the cheapest 1 free" in rules
    return {**files, "promotions.promo": rules.replace(b"get the cheapest 1 free", b"get %d%% off them" % percent)}


async def entries(settings) -> int:
    async with opened(settings) as store:
        return len((await store.read(Timeline()))[1].entries)


def test_it_stays_and_compiles_what_changed_alone(settings):
    async def work():
        publisher = Publisher()
        first = await at(settings, changed(11), publisher)
        process = process_of(publisher)
        second = await at(settings, changed(12), publisher)
        again = await at(settings, changed(12), publisher)
        assert process_of(publisher) is process
        fresh = Publisher()
        cold = await at(settings, changed(13), fresh, dry_run=True, effective_from_us=1)
        warm = await at(settings, changed(13), publisher, dry_run=True, effective_from_us=1)
        await publisher.close()
        await fresh.close()
        assert process.returncode is not None
        return first, second, again, cold, warm

    first, second, again, cold, warm = asyncio.run(work())
    assert first.sequence + 1 == second.sequence == again.sequence
    assert again.unchanged
    assert second.programs_compiled == 1
    assert second.programs_compiled + second.programs_reused == first.programs_compiled + first.programs_reused
    assert cold == warm, "what is remembered changes nothing"


def test_what_is_refused_leaves_it_ready(settings):
    async def work():
        publisher = Publisher()
        await at(settings, changed(21), publisher)
        process = process_of(publisher)
        before = await entries(settings)
        broken = {**changed(21), "more.promo": b"promotion {"}
        for _ in range(2):
            with pytest.raises(PublishRefused) as refused:
                await at(settings, broken, publisher)
            assert {finding.file for finding in refused.value.diagnostics} == {"more.promo"}
        assert await entries(settings) == before
        assert (await at(settings, changed(22), publisher)).sequence == before + 1
        assert process_of(publisher) is process
        await publisher.close()

    asyncio.run(work())


def test_killed_while_it_waits_the_next_one_starts_anew(settings):
    async def work():
        publisher = Publisher()
        await at(settings, changed(31), publisher)
        process = process_of(publisher)
        os.kill(process.pid, signal.SIGKILL)  # nobody waited for it: found out by the next publication
        result = await at(settings, changed(32), publisher)
        assert process_of(publisher) is not process
        await publisher.close()
        return result

    assert not asyncio.run(work()).unchanged


@pytest.mark.parametrize("step", ["order", "compile", "link", "store-image"])
def test_killed_amid_a_publication_and_published_again_it_stands_once(settings, step):
    async def work():
        publisher = Publisher()
        before = await entries(settings)

        def kill(now, _known):
            if now == step:
                os.kill(pid(publisher), signal.SIGKILL)

        files = {**changed(41), "more.promo": b'products more-%s "M" {\n  item.sku is "1"\n}\n' % step.encode()}
        with suppress(PublishFailed):  # unless it was quicker than the signal
            await at(settings, files, publisher, progress=kill)
        assert await entries(settings) <= before + 1
        again = await at(settings, files, publisher)
        assert again.sequence == await entries(settings) == before + 1
        await publisher.close()

    asyncio.run(work())


def test_asked_nothing_for_a_while_it_ends_and_the_next_publication_starts_another(settings):
    idle = settings.model_copy(update={"publish_idle_s": 1})

    async def work():
        publisher = Publisher()
        await at(idle, changed(51), publisher)
        process = process_of(publisher)
        assert await asyncio.wait_for(process.wait(), 30) == 0
        await at(idle, changed(52), publisher)
        assert process_of(publisher) is not process
        await publisher.close()

    asyncio.run(work())


def test_grown_too_large_it_ends_after_its_answer(settings):
    small = settings.model_copy(update={"publish_memory_mb": 64})

    async def work():
        publisher = Publisher()
        assert (await at(small, changed(61), publisher)).digest
        assert await asyncio.wait_for(process_of(publisher).wait(), 30) == 0
        assert (await at(small, changed(62), publisher)).digest
        await publisher.close()

    asyncio.run(work())


def test_what_takes_too_long_is_ended(settings):
    hasty = settings.model_copy(update={"publish_timeout_s": 1})

    async def work():
        publisher = Publisher()

        def stop(now, _known):
            if now == "order":
                os.kill(pid(publisher), signal.SIGSTOP)

        with pytest.raises(PublishFailed, match="took longer than 1 s"):
            await at(hasty, changed(71), publisher, progress=stop)
        assert (await at(settings, changed(71), publisher)).digest
        await publisher.close()

    asyncio.run(work())


def test_a_process_that_ended_before_it_took_the_order_is_told_from_one_that_failed():
    """uvloop says RuntimeError of a pipe whose reader has gone."""

    class Gone:
        def write(self, _data: bytes) -> None:
            raise RuntimeError("unable to perform operation on <UnixTransport closed>; the handler is closed")

    writer: Any = Gone()
    asyncio.run(publish._feed(writer, {}, {}))
