"""The store, against the embedded one: what is written comes back whole, and nothing is trusted for where it lies."""

import asyncio
import hashlib
import random
import time
import zlib

import pytest
import redis
import uvloop

from engine.program import address
from engine.timeline import BadEntry, Timeline, decode, make_entry
from server.embedded import EmbeddedStore, store_settings
from server.lease import Terms
from server.settings import load
from server.store import (
    CHUNK,
    BadStoreData,
    Build,
    Change,
    ChangeIdUsed,
    Draft,
    NotStored,
    Regressed,
    StoreUnavailable,
    StoreUnsuitable,
    TooEarly,
    opened,
)
from tests.nodes import appended, following
from tests.running import short_directory, until


@pytest.fixture(scope="module")
def running():
    """Settings of a store that runs."""
    with short_directory() as home:
        settings = load({"data_dir": home / "data", "runtime_dir": home / "run", "address": "127.0.0.1:0"})
        store = EmbeddedStore(settings)
        store.start()
        yield store_settings(settings)
        store.stop()


@pytest.fixture
def tenant(running, request):
    """The same with a tenant of this test's own."""
    name = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:16]
    return running.model_copy(update={"tenant": name})


@pytest.fixture
def raw(running):
    """The store without our code."""
    client = redis.Redis.from_url(running.store)
    yield client
    client.close()


def run(settings, story):
    """story(store) with an open store."""

    async def all_of_it():
        async with opened(settings) as store:
            return await story(store)

    return asyncio.run(all_of_it())


def follow(settings, story):
    """The same, with a node that follows the Timeline."""

    async def with_a_node(store):
        async with following(store):
            return await story(store)

    return run(settings, with_a_node)


SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 17]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["zeros", "noise"])
def test_a_part_comes_back_as_it_was_whatever_its_size(tenant, size, kind):
    data = bytes(size) if kind == "zeros" else random.Random(size).randbytes(size)
    digest = hashlib.sha256(data).hexdigest()

    async def story(store):
        assert await store.put_parts({digest: data}) == 1
        assert await store.put_parts({digest: data}) == 0
        return await store.get_part(digest, size)

    assert run(tenant, story) == data


def test_programs_are_stored_once_by_their_address(tenant):
    programs = [b'{"a":1}', b'{"b":2}', b'{"a":1}']

    async def story(store):
        assert await store.missing_programs(programs[:2]) == 2
        addresses, new = await store.put_programs(programs)
        assert (addresses, new) == ((address(programs[0]), address(programs[1])), 2)
        assert (await store.put_programs([*programs, b"{}"]))[1] == 1
        assert await store.get_program(addresses[1]) == programs[1]
        with pytest.raises(NotStored):
            await store.get_program("f" * 64)

    run(tenant, story)


def test_the_programs_of_a_ruleset(tenant, raw):
    programs = [b'{"n":%d}' % n for n in range(300)] + [random.Random(2).randbytes(CHUNK + 1)]

    async def story(store):
        addresses, _ = await store.put_programs(programs)
        with pytest.raises(NotStored):
            await store.get_listing("d" * 64)
        await store.put_listing("d" * 64, addresses[:1])
        await store.put_listing("d" * 64, addresses)
        assert await store.get_listing("d" * 64) == addresses
        assert [data async for _, data in store.get_programs(addresses, 2 * CHUNK)] == programs
        assert [pair async for pair in store.get_programs(addresses[-2:], 100)] == [
            (addresses[-2], programs[-2]),
            (addresses[-1], b""),
        ]
        with pytest.raises(NotStored):
            [pair async for pair in store.get_programs(["f" * 64], 100)]
        raw.set(store.keys.program("e" * 64), raw.get(store.keys.program(addresses[0])))
        with pytest.raises(BadStoreData):
            [pair async for pair in store.get_programs(["e" * 64], 100)]
        raw.set(store.keys.listing("d" * 64), b"einklang-blob 1 3 1\n" + zlib.compress(b"[1]"))
        with pytest.raises(BadStoreData):
            await store.get_listing("d" * 64)

    run(tenant, story)


def test_all_keys_of_a_tenant_share_its_hash_tag(tenant, raw):
    async def story(store):
        data = random.Random(1).randbytes(2 * CHUNK)
        await store.put_parts({hashlib.sha256(data).hexdigest(): data})
        await store.put_programs([b"{}"])
        digest = await store.put_manifest(b"{}")
        await store.put_build("a" * 64, Build(digest, ("b" * 64,)))
        await appended(store, digest)

    before = set(raw.keys())
    follow(tenant, story)
    new = set(raw.keys()) - before
    assert len(new) >= 7
    assert all(key.startswith(f"einklang:{{{tenant.tenant}}}:".encode()) for key in new)


def tampered(kind):
    """(what is laid into the store for a part, its size by the manifest) and chunk 1, if any."""
    good = b"x" * 1_000
    head = b"einklang-blob 1 1000 1\n"
    match kind:
        case "other bytes":
            return head + zlib.compress(b"y" * 1_000)
        case "longer":
            return head + zlib.compress(b"x" * 1_001)
        case "shorter":
            return head + zlib.compress(b"x" * 999)
        case "bomb":
            return head + zlib.compress(bytes(50_000_000))
        case "says more":
            return b"einklang-blob 1 1001 1\n" + zlib.compress(good + b"x")
        case "huge":
            return b"einklang-blob 1 999999999999 999999\n" + zlib.compress(good)
        case "chunks do not fit":
            return b"einklang-blob 1 1000 2\n" + zlib.compress(good)
        case "other format":
            return b"einklang-blob 2 1000 1\n" + zlib.compress(good)
        case "cut off":
            return (head + zlib.compress(random.Random(0).randbytes(1_000)))[:-20]
        case "something behind":
            return head + zlib.compress(good) + b"more"
        case "not packed":
            return head + good
        case "nothing of ours":
            return b"hello"
    raise AssertionError(kind)


@pytest.mark.parametrize(
    "kind",
    [
        "other bytes", "longer", "shorter", "bomb", "says more", "huge", "chunks do not fit", "other format", "cut off",
        "something behind", "not packed", "nothing of ours",
    ],
)  # fmt: skip
def test_what_was_tampered_with_is_refused(tenant, raw, kind):
    digest = hashlib.sha256(b"x" * 1_000).hexdigest()

    async def story(store):
        raw.set(store.keys.part(digest), tampered(kind))
        with pytest.raises(BadStoreData):
            await store.get_part(digest, 1_000)

    run(tenant, story)


def test_a_missing_chunk_is_refused(tenant, raw):
    data = random.Random(2).randbytes(2 * CHUNK)
    digest = hashlib.sha256(data).hexdigest()

    async def story(store):
        await store.put_parts({digest: data})
        raw.delete(f"{store.keys.part(digest)}:1")
        with pytest.raises(BadStoreData):
            await store.get_part(digest, len(data))

    run(tenant, story)


def test_a_manifest_under_a_foreign_name_is_refused(tenant, raw):
    async def story(store):
        digest = await store.put_manifest(b'{"format":1}')
        raw.copy(store.keys.manifest(digest), store.keys.manifest("f" * 64))
        assert await store.get_manifest(digest) == b'{"format":1}'
        with pytest.raises(BadStoreData):
            await store.get_manifest("f" * 64)

    run(tenant, story)


def test_a_key_of_another_type_is_an_error_of_ours_not_a_crash(tenant, raw):
    async def story(store):
        raw.rpush(store.keys.manifest("e" * 64), "x")
        with pytest.raises(StoreUnsuitable):
            await store.get_manifest("e" * 64)

    run(tenant, story)


@pytest.mark.parametrize("data", [b"[]", b"{", b'{"digest":"x","programs":[],"notes":[]}', b'{"digest":1}', b"null"])
def test_an_unreadable_build_record_means_compiling_again(tenant, raw, data):
    async def story(store):
        raw.set(store.keys.build("a" * 64), b"einklang-blob 1 %d 1\n" % len(data) + zlib.compress(data))
        assert await store.get_build("a" * 64) is None

    run(tenant, story)


def test_a_build_counts_only_while_its_manifest_is_stored(tenant, raw):
    async def story(store):
        digest = await store.put_manifest(b"{}")
        build = Build(digest, ("b" * 64,), ({"code": "W"},))
        await store.put_build("c" * 64, build)
        assert await store.get_build("c" * 64) == build
        raw.delete(store.keys.manifest(digest))
        assert await store.get_build("c" * 64) is None

    run(tenant, story)


# ------------------------------------------------------------------------------------------------ the Timeline


def test_entries_are_appended_one_behind_the_other(tenant):
    async def story(store):
        digest = await store.put_manifest(b"{}")
        before_us = await store.now_us()
        entries = [await appended(store, digest, reason=f"no. {n}") for n in range(3)]
        assert [entry.sequence for entry in entries] == [1, 2, 3]
        assert before_us < entries[0].effective_from_us < before_us + store.terms.lease_us, "before it nobody decides"
        for entry in entries[1:]:
            assert before_us + store.terms.lead_us <= entry.effective_from_us < before_us + 2 * store.terms.lead_us
        timeline = await store.timeline()
        assert timeline.entries == tuple(entries)
        now_us, same = await store.read(timeline)
        assert same is timeline
        assert now_us > before_us

    follow(tenant, story)


def test_an_entry_must_lie_ahead_of_the_stores_time(tenant):
    async def story(store):
        digest = await store.put_manifest(b"{}")
        await appended(store, digest)
        now_us = await store.now_us()
        with pytest.raises(TooEarly) as refused:
            await appended(store, digest, effective_from_us=now_us + store.terms.lease_us)
        assert refused.value.earliest_us > now_us + store.terms.lease_us
        entry = await appended(store, digest, effective_from_us=now_us + 60_000_000)
        assert entry.effective_from_us == now_us + 60_000_000

    follow(tenant, story)


def test_a_tenants_terms_are_kept(tenant):
    own = tenant.model_copy(update={"lease_ms": 700, "guard_ms": 90, "horizon_ms": 3_600_000})

    async def story(store):
        assert store.terms == Terms(700_000, 90_000, 3_600_000_000)
        digest = await store.put_manifest(b"{}")
        await appended(store, digest)
        now_us = await store.now_us()
        with pytest.raises(TooEarly):
            await appended(store, digest, effective_from_us=now_us + 3_600_000_000)
        entry = await appended(store, digest)
        assert entry.effective_from_us >= now_us + store.terms.lead_us
        (urgent,) = await store.append([Draft(digest)], Change("anna", "a mistake", urgent=True))
        assert urgent.effective_from_us < now_us + 60_000_000

    follow(own, story)

    async def later(store):
        assert store.terms.lease_us == 700_000

    run(tenant, later)  # set up once; another node's settings do not change it


def test_entries_of_one_change_are_appended_together_or_not_at_all_and_once(tenant):
    async def story(store):
        digest = await store.put_manifest(b"{}")
        change = Change("anna", "two", change_id="my change", fingerprint="as asked")
        drafts = [Draft(digest), Draft(digest, effective_from_us=4_000_000_000_000_000)]
        one, two = await store.append(drafts, change)
        assert (one.sequence, two.sequence) == (1, 2)
        with pytest.raises(ChangeIdUsed) as used:
            await store.append(drafts, change)
        assert (used.value.fingerprint, used.value.first, used.value.count) == ("as asked", 1, 2)
        with pytest.raises(NotStored):
            await store.append([Draft(digest), Draft("f" * 64)], Change("anna", ""))
        back = Draft(digest, "cancel", effective_from_us=two.effective_from_us, cancelled=2)
        await store.append([back], Change("anna", "no more"))
        timeline = await store.timeline()
        assert len(timeline.entries) == 3
        assert timeline.in_force(4_000_000_000_000_000).sequence == 1

    follow(tenant, story)


def test_without_a_node_that_keeps_the_time_nothing_is_appended(tenant, monkeypatch):
    monkeypatch.setattr("server.store.APPEND_AGAIN_S", 0.1)
    short = tenant.model_copy(update={"lease_ms": 200})

    async def story(store):
        digest = await store.put_manifest(b"{}")
        with pytest.raises(StoreUnavailable, match="einklang serve"):
            await appended(store, digest)

    run(short, story)


def test_an_entry_never_names_what_is_not_stored(tenant):
    async def story(store):
        with pytest.raises(NotStored):
            await appended(store, "f" * 64)
        assert (await store.timeline()).entries == ()

    follow(tenant, story)


def test_texts_out_of_bounds_are_refused_before_the_store_is_asked(tenant):
    async def story(store):
        digest = await store.put_manifest(b"{}")
        with pytest.raises(BadEntry):
            await appended(store, digest, reason="x" * 5_000)

    follow(tenant, story)


def test_publishers_at_the_same_time_all_get_their_place(tenant):
    async def story(store):
        digest = await store.put_manifest(b"{}")
        entries = await asyncio.gather(*(appended(store, digest, f"author {n}") for n in range(4)))
        assert sorted(entry.sequence for entry in entries) == [1, 2, 3, 4]
        assert len((await store.timeline()).entries) == 4

    follow(tenant, story)


def test_the_same_entry_is_taken_only_once(tenant):
    async def story(store):
        digest = await store.put_manifest(b"{}")
        now_us = await store.now_us()

        async def taken(previous, author, at_us):
            entry = make_entry(
                previous,
                effective_from_us=now_us + 10**9,
                digest=digest,
                author=author,
                reason="",
                appended_at_us=at_us,
            )
            return (await store._append_surely([entry], Change(author, ""), 0))[0], entry

        verdict, entry = await taken(None, "a", now_us)
        assert verdict == "OK"
        assert (await taken(None, "a", now_us))[0] == "DUP"
        assert (await taken(None, "b", now_us))[0] == "CONFLICT"
        assert (await taken(entry, "b", now_us - 10**8))[0] == "STALE"

    follow(tenant, story)


@pytest.mark.parametrize("how", ["drop the last", "alter", "all gone", "append rubbish", "append out of order"])
def test_a_tampered_timeline_is_noticed(tenant, raw, how):
    async def story(store):
        digest = await store.put_manifest(b"{}")
        for _ in range(3):
            await appended(store, digest, "a")
        known = await store.timeline()
        key = store.keys.timeline
        match how:
            case "drop the last":
                raw.rpop(key)
            case "all gone":
                raw.delete(key)
            case "alter":
                raw.lset(key, 2, raw.lindex(key, 2).replace(b'"author":"a"', b'"author":"b"'))
            case "append rubbish":
                raw.rpush(key, b"x" * 100_000)
            case "append out of order":
                raw.rpush(key, raw.lindex(key, 0))
        with pytest.raises((Regressed, BadStoreData)):
            await store.read(known)
        if how not in {"drop the last", "all gone"}:
            with pytest.raises(BadStoreData):
                await store.timeline()

    follow(tenant, story)


def test_a_long_timeline_is_read_in_pieces(tenant, raw):
    async def story(store):
        digest = await store.put_manifest(b"{}")
        entry, rows = None, []
        for number in range(2_500):
            entry = make_entry(
                entry, effective_from_us=number, digest=digest, author="a", reason="", appended_at_us=number
            )
            rows.append(entry.encode())
        raw.rpush(store.keys.timeline, *rows)
        timeline = await store.timeline()
        assert timeline.head == decode(rows[-1])
        assert len(timeline.entries) == 2_500

    run(tenant, story)


# ------------------------------------------------------------------------------------------------ the start check


def test_a_store_that_is_not_there_is_unavailable(tenant):
    missing = tenant.model_copy(update={"store": "unix:///nowhere/at/all.sock"})

    async def story(store):
        raise AssertionError

    with pytest.raises(StoreUnavailable):
        run(missing, story)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [("appendonly", "no", "appendonly yes"), ("maxmemory-policy", "allkeys-lru", "noeviction")],
)
def test_a_store_that_would_break_a_promise_is_refused_by_name(tenant, raw, name, value, says):
    before = raw.config_get(name)[name]
    raw.config_set("maxmemory", 10**9)
    raw.config_set(name, value)
    try:

        async def story(store):
            raise AssertionError

        with pytest.raises(StoreUnsuitable, match=says):
            run(tenant, story)
    finally:
        raw.config_set(name, before)
        raw.config_set("maxmemory", 0)


def test_a_tenant_of_another_format_is_refused(tenant, raw):
    raw.hset(f"einklang:{{{tenant.tenant}}}:meta", "format", "1")

    async def story(store):
        raise AssertionError

    with pytest.raises(StoreUnsuitable, match="another version"):
        run(tenant, story)


def test_the_functions_are_loaded_again_when_they_differ(tenant, raw):
    raw.function_load(
        "#!lua name=einklang_timeline_v1\nredis.register_function('einklang_timeline_v1_begin', "
        "function() return {'old'} end)",
        replace=True,
    )

    async def story(store):
        return await store.timeline()

    assert run(tenant, story) == Timeline()


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_whoever_waits_for_the_store_and_is_told_to_end_ends_at_whatever_moment(tenant, loop):
    """On Python 3.11, `asyncio.wait_for`, by which the client library sends, forgets a cancellation that comes between
    the end of what it waits for and its own waking: a server told to stop went on to follow the Timeline."""

    async def story():
        forgotten = []
        async with opened(tenant) as store:
            for turns in range(30):  # of the event loop, after which the question is cancelled
                for question in (store.now_us, store.timeline):
                    task = asyncio.ensure_future(question())
                    for _ in range(turns):
                        await asyncio.sleep(0)
                    told = task.cancel()
                    await asyncio.wait({task})
                    if told and not task.cancelled():
                        forgotten.append((question.__name__, turns))
        return forgotten

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(story()) == []


def test_terms_that_are_not_the_tenants_are_told(tenant, caplog):
    run(tenant.model_copy(update={"lease_ms": 2_000}), lambda store: asyncio.sleep(0))
    told = load({"lease_ms": 3_000, "store": tenant.store, "tenant": tenant.tenant})

    async def story(store):
        store.tell_terms()
        assert store.terms.lease_us == 2_000_000

    run(told, story)
    (record,) = [record for record in caplog.records if record.message == "store.terms"]
    assert record.fields == {"name": "EINKLANG_LEASE_MS", "given": 3_000, "tenant": 2_000}


def test_a_node_that_hurries_hears_at_once_of_what_was_appended(tenant):
    """Whoever published through it is answered then: a lease of 30 s is else renewed after four to six."""
    patient = tenant.model_copy(update={"lease_ms": 30_000, "guard_ms": 50})

    async def story(store):
        async with following(store) as keeper:
            keeper._node._pause_ns = 10**15  # it renews no more by itself
            keeper.hurry()
            far_ns = time.monotonic_ns() + 10**14
            await asyncio.to_thread(until, lambda: keeper._node._next_ns > far_ns, what="the last renewal of its own")
            entry = await appended(store, digest=await store.put_manifest(b"one"))
            assert keeper.timeline.head is None
            keeper.hurry()
            await asyncio.to_thread(until, lambda: keeper.timeline.head == entry, 15, "the entry is heard of")

    run(patient, story)
