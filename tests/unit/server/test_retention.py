"""What is deleted after two years, and that nothing else is: against a real store, with real images."""

import asyncio
import hashlib
import json
from functools import partial
from itertools import pairwise
from types import SimpleNamespace

import pytest
import redis

from dsl.compiler import compile_project
from engine.link import link
from engine.program import encode
from engine.timeline import Timeline, make_entry
from server.description import described
from server.embedded import EmbeddedStore, store_settings
from server.retention import IDLE_S, CannotTell, Pruned, kept, prune
from server.settings import load
from server.store import Build, StoreUnsuitable, opened
from tests.nodes import appended, following
from tests.running import PROJECT, short_directory

DAY_US = 86_400_000_000
T = 1_800_000_000_000_000


def entries(*rows):
    """(effective, digest's letter, more)."""
    known = Timeline()
    for effective_us, letter, more in rows:
        entry = make_entry(
            known.head,
            effective_from_us=effective_us,
            digest=letter * 64,
            author="a",
            reason="",
            appended_at_us=T,
            **more,
        )
        known = known.extended([entry])
    return known


def letters(digests):
    return "".join(sorted(digest[0] for digest in digests))


def test_what_was_in_force_within_the_time_is_kept_and_what_comes():
    known = entries((T, "a", {}), (T + 10, "b", {}), (T + 20, "c", {}), (T + 90, "d", {}))
    assert [letters(kept(known, since)) for since in (T, T + 10, T + 11, T + 20, T + 21, T + 1_000)] == [
        "abcd",
        "abcd",
        "bcd",
        "bcd",
        "cd",
        "d",
    ]


def test_the_base_of_a_pause_is_kept_with_it_and_what_was_cancelled_is_not():
    pause = {"kind": "pause", "promotion": "pasta", "until_us": T + 50}
    known = entries((T, "a", {}), (T + 10, "b", {}), (T + 20, "c", pause), (T + 90, "d", {}))
    assert letters(kept(known, T + 80)) == "bcd"
    cancelled = entries((T, "a", {}), (T + 10, "b", {}), (T + 10, "b", {"kind": "cancel", "cancelled": 2}))
    assert letters(kept(cancelled, T + 5)) == "a"


@pytest.fixture(scope="module")
def running():
    with short_directory() as home:
        settings = load({"data_dir": home / "data", "runtime_dir": home / "run", "lease_ms": 300, "guard_ms": 100})
        store = EmbeddedStore(settings)
        store.start()
        yield store_settings(settings)
        store.stop()


@pytest.fixture
def tenant(running, request):
    name = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:16]
    return running.model_copy(update={"tenant": name})


@pytest.fixture(scope="module")
def images():
    """Three rulesets that share most."""
    made = []
    for percent in (10, 20, 30):
        files = {name: text.replace("20% off", f"{percent}% off").encode() for name, text in PROJECT.items()}
        programs = compile_project(files).programs
        made.append((files, programs, link(programs)))
    return made


async def put(store, image):
    """As a publication stores it; the digest."""
    files, programs, linked = image
    sources = hashlib.sha256(json.dumps(sorted(map(str, files.items()))).encode()).hexdigest()
    await store.put_sources(sources, files)
    addresses, _ = await store.put_programs([encode(program) for program in programs])
    await store.put_parts(linked.parts)
    digest = await store.put_manifest(linked.manifest)
    await store.put_listing(digest, addresses)
    await store.put_about(digest, described(programs, image_bytes=1, sources=sources).encode())
    await store.add_signature(digest, b"{}")
    await store.put_build(sources, Build(digest, addresses))
    return digest


async def look(store, digest, image):
    """Whether all of it is there."""
    files, programs, linked = image
    sources = [name for name in await store.scan("sources") if await store.get_sources(name, 1 << 20) == files]
    assert await store.get_manifest(digest) == linked.manifest
    for name, data in linked.parts.items():
        assert await store.get_part(name, len(data)) == data
    assert len(await store.get_listing(digest)) == len(programs)
    assert await store.missing_programs([encode(program) for program in programs]) == 0
    assert await store.get_build(sources[0]) is not None


@pytest.fixture
def shop(tenant, images):
    """A store with three rulesets of which two are past; `idle` lets them be forgotten."""

    async def made():
        async with opened(tenant) as store, following(store):
            digests = [await put(store, image) for image in images]
            now_us = await store.time_us()
            await appended(store, digests[0])
            for number, digest in enumerate(digests[1:], 1):
                await appended(store, digest, effective_from_us=now_us + number * 60_000_000)
            return digests, (await store.timeline()).entries

    digests, all_entries = asyncio.run(made())

    def idle(seconds=IDLE_S + 1, but=()):
        with redis.Redis.from_url(tenant.store) as raw:
            for key in raw.scan_iter(f"einklang:{{{tenant.tenant}}}:*"):
                if raw.type(key) == b"string" and not any(name.encode() in key for name in but):
                    raw.restore(key, 0, raw.dump(key), replace=True, idletime=seconds)

    def keys():
        with redis.Redis.from_url(tenant.store) as raw:
            return {key.decode() for key in raw.scan_iter(f"einklang:{{{tenant.tenant}}}:*")}

    return SimpleNamespace(settings=tenant, digests=digests, entries=all_entries, idle=idle, there=keys)


async def _later(at_us):
    return at_us


def run(shop, story, *, at_us=None):
    """story(store), at T as if so late."""

    async def all_of_it():
        async with opened(shop.settings, new=False) as store:
            if at_us is not None:
                store.__dict__["time_us"] = partial(_later, at_us)
            return await story(store)

    return asyncio.run(all_of_it())


def pruned(shop, *, days=1, at_us=None, dry_run=False) -> Pruned:
    later_us = shop.entries[1].effective_from_us + days * DAY_US + 1 if at_us is None else at_us
    return run(shop, lambda store: prune(store, days, dry_run=dry_run), at_us=later_us)


def test_what_is_past_is_deleted_with_what_only_it_needed_and_the_rest_stays_whole(shop, images):
    shop.idle()
    before = shop.there()
    would = pruned(shop, dry_run=True)
    assert shop.there() == before, "only counted"
    done = pruned(shop)
    assert (done.rulesets, done.kept, done.busy) == (1, 2, {})
    assert (would.rulesets, would.kept, would.blobs, would.size_bytes) == (1, 2, done.blobs, done.size_bytes)
    assert done.size_bytes > 0
    assert not [key for key in shop.there() if shop.digests[0] in key]

    async def story(store):
        for digest, image in list(zip(shop.digests, images, strict=True))[1:]:
            await look(store, digest, image)
        assert len((await store.timeline()).entries) == 3
        assert await put(store, images[0]) == shop.digests[0], "published again it is whole again"
        await look(store, shop.digests[0], images[0])

    run(shop, story)


def test_nothing_is_deleted_that_somebody_looked_for_lately(shop, images):
    shop.idle(IDLE_S - 60)
    before = shop.there()
    done = pruned(shop)
    assert (done.rulesets, done.blobs) == (0, {})
    assert done.busy == {"manifest": 1}, "what it names stays with it"
    assert shop.there() == before
    shop.idle()

    async def story(store):
        await put(store, images[0])  # a publication that finds all of it

    run(shop, story)
    assert pruned(shop).rulesets == 0
    run(shop, lambda store: look(store, shop.digests[0], images[0]))


def test_what_a_publication_put_before_its_manifest_stays(shop, images):
    """Its parts are named by nothing yet."""
    shop.idle()

    async def story(store):
        await store.put_parts(images[0][2].parts)  # found, or written

    run(shop, story)
    done = pruned(shop)
    assert done.rulesets == 1
    assert done.busy

    async def whole(store):
        for name, data in images[0][2].parts.items():
            assert await store.get_part(name, len(data)) == data

    run(shop, whole)


def test_what_is_staged_stays(shop):
    shop.idle()
    run(shop, lambda store: store.stage_ruleset(shop.digests[0]))
    assert pruned(shop).rulesets == 0


def test_a_manifest_that_cannot_be_read_keeps_every_part(shop):
    run(shop, lambda store: store.put_manifest(b"of a later version"))
    shop.idle(but=(hashlib.sha256(b"of a later version").hexdigest(),))
    parts = {key for key in shop.there() if ":part:" in key}
    with pytest.raises(CannotTell, match="cannot be read by this version"):
        pruned(shop)
    assert {key for key in shop.there() if ":part:" in key} == parts


def test_a_tenant_that_nobody_set_up_stays_so(running):
    strange = running.model_copy(update={"tenant": "nobody"})

    async def story():
        async with opened(strange, new=False):
            pass

    with pytest.raises(StoreUnsuitable, match="holds nothing of the tenant 'nobody'"):
        asyncio.run(story())
    with redis.Redis.from_url(running.store) as raw:
        assert not list(raw.scan_iter("einklang:{nobody}:*"))


def test_every_key_of_a_blob_is_found_whatever_its_size(shop):
    """Three chunks: the head, :1 and :2."""
    data = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(3 << 15))
    digest = hashlib.sha256(data).hexdigest()
    run(shop, lambda store: store.put_parts({digest: data}))
    found = run(shop, lambda store: store.scan("part"))
    assert [key.rpartition(digest)[2] for key in found[digest]] == ["", ":1", ":2"]
    assert all(len(one) <= len(other) for one, other in pairwise(found[digest]))
    shop.idle()
    assert pruned(shop).blobs["part"] >= 1
    assert not [key for key in shop.there() if digest in key]
