"""What docs/publishing.md tells operators to do about backups and full disks, done."""

from __future__ import annotations

import asyncio
import resource
import shutil
from pathlib import Path

import pytest
import redis

from engine.timeline import Timeline
from server.embedded import EmbeddedStore, store_settings
from server.settings import Settings, load
from server.store import OutcomeUnknown, Regressed, StoreError, StoreUnavailable, opened
from tests.nodes import appended, following, node_of
from tests.running import short_directory, until


@pytest.fixture
def home():
    with short_directory() as directory:
        yield directory


def settings_of(home: Path) -> Settings:
    return load(
        {
            "data_dir": home / "data",
            "runtime_dir": home / "run",
            "lease_ms": 300,
            "guard_ms": 100,
            "store_timeout_ms": 300,
        }
    )


def backup(settings: Settings, to: Path) -> None:
    """Copy the log of a store that runs: nothing is rewritten meanwhile, so all its files stay."""
    with redis.Redis.from_url(store_settings(settings).store or "") as store:
        store.config_set("auto-aof-rewrite-percentage", 0)
        until(lambda: not store.info("persistence")["aof_rewrite_in_progress"], what="the end of a rewrite")
        shutil.copytree(settings.data_dir / "store", to)
        store.config_set("auto-aof-rewrite-percentage", 100)


def read(settings: Settings, known: Timeline) -> Timeline:
    async def timeline() -> Timeline:
        async with opened(store_settings(settings)) as store:
            return (await store.read(known))[1]

    return asyncio.run(timeline())


def append(settings: Settings, count: int) -> Timeline:
    async def entries() -> Timeline:
        async with opened(store_settings(settings)) as store:
            for number in range(count):
                digest = await store.put_manifest(b'{"n":%d}' % number)
                await appended(store, digest, reason=f"no. {number}")
            return await store.timeline()

    return asyncio.run(entries())


def test_a_restored_backup_holds_what_it_held_and_nodes_that_know_more_refuse_it(home):
    settings = settings_of(home)
    store = EmbeddedStore(settings)
    store.start()
    with node_of(store_settings(settings)) as node:
        early = append(settings, 2)
        backup(settings, home / "backup")
        late = append(settings, 3)
        until(lambda: node.timeline.head == late.head, what="that the node knows all")
        store.stop()
        shutil.rmtree(settings.data_dir / "store")
        shutil.copytree(home / "backup", settings.data_dir / "store")
        store = EmbeddedStore(settings)
        store.start()
        try:
            assert read(settings, Timeline()) == early, "the chain of hashes holds"
            with pytest.raises(Regressed):
                read(settings, late)

            async def meeting() -> None:
                """A node that knows nothing opens an epoch on it; the one that knows more takes nothing from it."""
                async with opened(store_settings(settings)) as restored, following(restored):
                    await asyncio.to_thread(
                        until, lambda: "knows other entries" in node.problem, what="that it refuses"
                    )

            asyncio.run(meeting())
            assert node.lease is None
            assert node.timeline.head == late.head
        finally:
            store.stop()


def test_a_full_disk_loses_nothing_that_was_confirmed(home):
    settings = settings_of(home)
    store = EmbeddedStore(settings)
    store.start()
    try:
        with node_of(store_settings(settings)):
            before = append(settings, 1)
            assert store.pid is not None
            logs = (settings.data_dir / "store" / "appendonlydir").glob("*.aof")
            size = max(path.stat().st_size for path in logs)
            resource.prlimit(store.pid, resource.RLIMIT_FSIZE, (size, size))  # no file grows further: a full disk

            async def publish_on_a_full_disk() -> None:
                async with opened(store_settings(settings)) as opened_store:
                    digest = await opened_store.put_manifest(bytes(2_000_000))
                    await appended(opened_store, digest)

            with pytest.raises((StoreUnavailable, OutcomeUnknown, StoreError)):
                asyncio.run(publish_on_a_full_disk())
            until(store.restart_if_gone, what="that the store is started again, with room on its disk")
            store.wait()
            assert read(settings, before) == before
            assert append(settings, 2).entries[:1] == before.entries
    finally:
        store.stop()
