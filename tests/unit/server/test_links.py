"""Links to real stores in every topology: what was confirmed is there after a fail-over, and nothing is mistaken."""

import asyncio
import hashlib
import random
import ssl
from contextlib import nullcontext
from pathlib import Path

import pytest
import redis
from redis._parsers.base import BaseParser
from redis.crc import key_slot

from engine.timeline import Entry, Timeline
from server.embedded import find_binary
from server.links import Link
from server.settings import load
from server.start_checks import LIBRARY, acl_rules
from server.store import CHUNK, OutcomeUnknown, Regressed, Store, StoreError, StoreUnavailable, StoreUnsuitable, opened
from server.store_errors import told
from tests.nodes import appended, following
from tests.running import SECONDS, short_directory, until
from tests.stores import authority, binaries, certified, cluster, free_port, moving, one, replicated, tls_front

PART = random.Random(6).randbytes(2 * CHUNK + 17)
DIGEST = hashlib.sha256(PART).hexdigest()
TENANT = "shop"


@pytest.fixture(scope="module", params=["valkey", "redis"])
def binary(request):
    found = binaries()[request.param]
    if found is None:
        pytest.skip(f"not run: {request.param}-server is not on the PATH")
    return found


@pytest.fixture
def home():
    with short_directory() as directory:
        yield directory


@pytest.fixture(scope="module")
def store(binary):
    """One that no test kills; each leaves it as it was."""
    with short_directory() as directory, one(binary, directory) as process:
        yield process


def at(address, **given):
    """Settings for this store."""
    return load(
        {"store": address, "tenant": TENANT, "store_timeout_ms": 2_000, "lease_ms": 300, "guard_ms": 100, **given}
    )


def run(settings, story, patient_s=0.0, node=True):
    """story(store) with an open store, and a node that keeps its time."""

    async def all_of_it():
        async with opened(settings, patient_s=patient_s) as store, following(store) if node else nullcontext():
            return await story(store)

    return asyncio.run(all_of_it())


def refused(settings):
    """Why such a store is not taken."""

    async def story(store):
        raise AssertionError("taken")

    with pytest.raises(StoreUnsuitable) as error:
        run(settings, story)
    return str(error.value)


async def published(store):
    """A part, and an entry of the Timeline: what must not be lost."""
    assert await store.put_parts({DIGEST: PART}) == 1
    digest = await store.put_manifest(b"{}")
    return await appended(store, digest, "anna", "first")


async def patiently(ask):
    """What it answers, as soon as it does."""
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                return await ask()
            except StoreUnavailable:
                await asyncio.sleep(0.02)


async def goes_on(store, entry, come_back):
    """After the primary was killed: everything is there; what one server alone holds is not confirmed; then it is."""
    timeline = await patiently(store.timeline)
    assert timeline.entries == (entry,)
    assert await patiently(lambda: store.get_part(DIGEST, len(PART))) == PART
    with pytest.raises(StoreUnavailable, match=r"did not confirm|NOREPLICAS"):
        await store._link.durably()
    await asyncio.to_thread(come_back)

    async def again():
        try:
            return await appended(store, entry.digest, "carl", "second")
        except OutcomeUnknown as error:
            raise StoreUnavailable(str(error)) from None

    last = await patiently(again)
    assert (await patiently(store.timeline)).head == last


# ------------------------------------------------------------------------------------------------ topologies


def test_under_sentinels_a_store_goes_on_after_a_fail_over_with_all_that_was_confirmed(binary, home):
    with replicated(
        binary,
        home,
        sentinel_password="hunter3",
        min_replicas_to_write="1",
        requirepass="hunter2",
        masterauth="hunter2",
    ) as group:
        primary, replica = group.servers
        passwords = {"store_password": "hunter2", "store_sentinel_password": "hunter3"}
        settings = at(group.address, store_replicas=1, **passwords)

        # What would break the promise is refused first, by its name.
        assert "EINKLANG_STORE_REPLICAS is 0" in refused(at(group.address, **passwords))
        assert "EINKLANG_STORE_SENTINEL_PASSWORD" in refused(at(group.address, store_password="hunter2"))
        assert "refuses this user" in refused(at(group.address, store_sentinel_password="hunter3"))
        assert "knows no primary «mine»" in refused(at(group.address.replace("main", "mine"), **passwords))
        wrong = f"redis://{group.sentinels[0].address}"
        assert "redis+sentinel://" in refused(at(wrong, store_password="hunter3"))
        with primary.client() as client:
            client.config_set("min-replicas-to-write", 0)
            assert "min-replicas-to-write 1" in refused(settings)
            client.config_set("min-replicas-to-write", 1)
        with pytest.raises(StoreUnavailable, match=f"{replica.address} is a replica of {primary.address}"):
            run(at(f"redis://{replica.address}", store_password="hunter2"), published)

        # Replicas that nobody promotes may be ignored.
        with replica.client() as client:
            client.config_set("replica-priority", 0)
            until(lambda: group.promotable() == 0, what="the Sentinels know")
            assert run(at(group.address, **passwords), Store.timeline) == Timeline()
            client.config_set("replica-priority", 100)
            until(lambda: group.promotable() == 1, what="the Sentinels know")

        async def story(store):
            entry = await published(store)
            thread = await asyncio.to_thread(store._link.connect)
            await asyncio.to_thread(primary.kill)
            with pytest.raises(redis.RedisError):
                await asyncio.to_thread(answers, thread, store._link)

            def back():
                primary.start()
                connection = store._link.connect()
                assert ask(connection, "EXISTS", store.keys.meta) == 1
                connection.disconnect()

            await goes_on(store, entry, back)

        run(settings, story)
        assert group.primary() == replica.address


def test_in_a_cluster_the_slots_primary_is_followed(binary, home):
    with cluster(binary, home, tag=TENANT, min_replicas_to_write="1") as nodes:
        settings = at(nodes.address, store_replicas=1)
        assert "EINKLANG_STORE_REPLICAS is 0" in refused(at(nodes.address))
        assert "redis+cluster://" in refused(at(f"redis://{nodes.primaries[0].address}"))
        never_promoted(nodes)
        for node in (*nodes.primaries, *nodes.replicas):
            rules = acl_rules(TENANT, "cluster", waits_for_disk="valkey" in binary.name)
            acl(node, "serving", f"{rules} +function|load")
        settings = at(nodes.address, store_replicas=1, store_username="serving", store_password="hunter2")

        async def story(store):
            entry = await published(store)
            await asyncio.to_thread(nodes.primaries[0].kill)
            await goes_on(store, entry, nodes.primaries[0].start)

        run(settings, story)
        with nodes.replicas[0].client() as client:
            assert client.info("replication")["role"] == "master"


def never_promoted(nodes):
    """A replica that the Cluster never promotes may be ignored."""
    with nodes.replicas[0].client() as replica, nodes.primaries[0].client() as primary:

        def known():
            return "nofailover" in str(primary.execute_command("CLUSTER", "NODES"))

        replica.config_set("cluster-replica-no-failover", "yes")
        until(known, what="the primary knows")
        run(at(nodes.address), lambda store: moves(store, nodes))
        primary.flushall()
        replica.config_set("cluster-replica-no-failover", "no")
        until(lambda: not known(), what="the primary knows")


async def moves(store, nodes):
    """The tenant's slot moves to another primary, which has no functions yet, and back."""
    slot = key_slot(f"{{{TENANT}}}".encode())
    here, there, other = nodes.primaries
    with there.client() as client:
        client.config_set("min-replicas-to-write", 0)  # it has none
    entry = await published(store)
    link = Link(at(nodes.address))  # the store's own may have noticed already: its node renews a lease
    await link.prepare()

    async def there_is_a_timeline():
        return await link.ask(lambda: link.client().exists(store.keys.timeline))

    with moving(slot, here, there, [other]), pytest.raises(StoreUnavailable, match="ASK"):
        await there_is_a_timeline()
    assert (await patiently(store.timeline)).head == entry
    assert await patiently(there_is_a_timeline)
    entry = await appended(store, entry.digest, "bert", "at the new place")
    with moving(slot, there, here, [other]):
        pass  # nobody asked meanwhile
    with pytest.raises(StoreUnavailable, match="MOVED"):
        await there_is_a_timeline()
    assert (await patiently(store.timeline)).head == entry
    assert await patiently(there_is_a_timeline)
    await appended(store, entry.digest, "bert", "at the old place")
    await link.aclose()


def test_a_single_store_may_be_another_one_after_a_restart(binary, home):
    with one(binary, home) as process:

        async def story(store):
            entry = await published(store)
            for _ in range(2):
                await asyncio.to_thread(process.kill)
                with pytest.raises(StoreUnavailable):
                    await store.timeline()
                await asyncio.to_thread(process.start)
                assert (await patiently(store.timeline)).entries == (entry,)
            await asyncio.to_thread(process.kill)
            await asyncio.to_thread(process.set, appendonly="no")
            await asyncio.to_thread(process.start)
            with pytest.raises(StoreUnsuitable, match="appendonly yes"):
                await store.timeline()

        run(at(f"redis://{process.address}"), story)


def ask(connection, *words):
    """A command's answer, on a connection of `connect`."""
    connection.send_packed_command(connection.pack_command(*words))
    return connection.read_response()


def answers(connection, link):
    """What a call of a function, and what confirms it, answer on such a connection."""
    words = [("FCALL", f"{LIBRARY}_setup", 1, f"einklang:{{{TENANT}}}:meta", *"x1230"), *link.confirmation()]
    for row in words:
        connection.send_command(*row)
    return [connection.read_response() for _ in words]


def test_a_thread_has_a_connection_of_its_own_and_sees_when_each_answer_comes(store):
    async def story(opened_store):
        link = opened_store._link

        def thread():
            connection = link.connect(2.0)
            try:
                return answers(connection, link)
            finally:
                connection.disconnect()

        return await asyncio.to_thread(thread), link

    (said, *held), link = run(at(f"redis://{store.address}"), story)
    assert said[0] == b"2"
    assert link.is_held(held)
    assert not link.is_held([b"OK", [0, 0]])


def test_what_was_written_before_is_confirmed_too_when_a_call_is_repeated(home):
    """On a new connection WAITAOF would confirm at once what a function found done: hence the barrier."""
    with one(find_binary(None), home) as process:

        async def story(store):
            link = store._link
            with process.client() as client:
                client.config_set("appendfsync", "no")
            with pytest.raises(StoreUnavailable, match="did not confirm"):
                await link.durably("GET", "x")

        settings = at(f"redis://{process.address}", store_timeout_ms=600)
        run(settings, story, node=False)


@pytest.mark.long
def test_nothing_that_was_confirmed_is_lost_in_any_of_many_fail_overs(binary, home):
    """The primary is killed in the middle of publications, and comes back as a replica, again and again."""
    with replicated(binary, home, replicas=2, min_replicas_to_write="1") as group:
        confirmed: list[Entry] = []

        async def story(store):
            digest = await store.put_manifest(b"{}")
            for _ in range(10):
                before = len(confirmed)
                ended = asyncio.Event()

                async def publish(ended=ended):
                    while not ended.is_set():
                        try:
                            confirmed.append(await appended(store, digest))
                        except (StoreUnavailable, OutcomeUnknown, Regressed):  # an entry that nobody confirmed is gone
                            await asyncio.sleep(0.02)

                task = asyncio.ensure_future(publish())
                async with asyncio.timeout(SECONDS):
                    while len(confirmed) < before + 20:
                        await asyncio.sleep(0.01)
                address = await asyncio.to_thread(group.primary)
                primary = next(server for server in group.servers if server.address == address)
                await asyncio.to_thread(primary.kill)
                await asyncio.to_thread(until, lambda old=address: group.primary() != old, what="a fail-over")
                await asyncio.to_thread(primary.start)
                async with asyncio.timeout(SECONDS):
                    count = len(confirmed)
                    while len(confirmed) == count:
                        await asyncio.sleep(0.01)
                ended.set()
                await task
                kept = set((await patiently(store.timeline)).entries)
                assert set(confirmed) <= kept

        run(at(group.address, store_replicas=2), story, patient_s=5.0)
        assert len(confirmed) >= 200


def test_a_command_whose_answer_is_lost_is_not_repeated_behind_the_callers_back(store):
    """An entry that was appended would be refused as out of turn when it came again behind another's, and so come
    twice: only the caller knows whether it may be repeated."""

    async def front(reader, writer):
        answers, back = await asyncio.open_unix_connection(store.socket)
        lost = asyncio.Event()

        async def asked():
            while data := await reader.read(65_536):
                if b"INCR" in data:
                    lost.set()
                back.write(data)

        asking = asyncio.ensure_future(asked())
        while (answer := await answers.read(65_536)) and not lost.is_set():
            writer.write(answer)
        asking.cancel()
        back.close()
        writer.close()

    async def story():
        server = await asyncio.start_server(front, "127.0.0.1", 0)
        link = Link(at(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
        await link.prepare()
        key = f"einklang:{{{TENANT}}}:x"
        assert await link.durably("EXISTS", key) == 0
        with pytest.raises(StoreUnavailable):
            await link.durably("INCR", key)
        assert await link.ask(lambda: link.client().get(key)) == b"1"
        await link.ask(lambda: link.client().delete(key))
        await link.aclose()
        server.close()

    asyncio.run(story())


# ------------------------------------------------------------------------------------------------ users


def acl(store, user, rules):
    """A user with the password "hunter2" and these rules."""
    with store.client() as client:
        client.execute_command("ACL", "SETUSER", user, "reset", "on", ">hunter2", *rules.split())


@pytest.mark.parametrize("loads", [False, True], ids=["loaded by another", "loads itself"])
def test_a_user_of_one_tenants_keys_does(store, loads):
    settings = at(f"redis://{store.address}", store_username="serving", store_password="hunter2")
    with store.client() as client:
        client.execute_command("FUNCTION", "FLUSH")
        client.flushall()
    acl(store, "serving", "+multi +info +discard")
    said = refused(settings)  # and says what to grant
    assert "it may not" in said
    rules = said.partition("ACL SETUSER serving ")[2]
    acl(store, "serving", rules)
    said = refused(settings)
    assert "FUNCTION LOAD REPLACE" in said
    assert "timeline.lua" in said
    if loads:
        acl(store, "serving", f"{rules} +function|load")
    else:
        run(at(f"redis://{store.address}"), published)

    async def story(opened_store):
        if loads:
            entry = await published(opened_store)
        else:
            (entry,) = (await opened_store.timeline()).entries
        assert await opened_store.get_part(DIGEST, len(PART)) == PART
        assert (await opened_store.timeline()).entries == (entry,)
        await appended(opened_store, entry.digest, "bert", "second")
        assert await opened_store.get_build("a" * 64) is None
        await opened_store.add_signature(entry.digest, b"a line")
        assert await opened_store.get_signatures(entry.digest) == b"\na line"

    with store.client() as client:
        client.execute_command("ACL", "LOG", "RESET")
        run(settings, story)
        assert client.execute_command("ACL", "LOG") == [], "nothing is asked that the user may not"
    assert "refuses this user" in refused(settings.model_copy(update={"tenant": "other"}))
    wrong = at(f"redis://{store.address}", store_username="serving", store_password="hunter3")
    assert "refuses this user" in refused(wrong)


# ------------------------------------------------------------------------------------------------ TLS


@pytest.fixture(scope="module")
def encrypted(binary, store, tmp_path_factory):
    """A store that speaks TLS, by itself or by a front: its port, and who signed its certificate, for localhost."""
    directory = tmp_path_factory.mktemp("tls")
    ours, other = authority(directory, "ours"), authority(directory, "other")
    shown = certified(ours, directory, "localhost")
    client, stranger = certified(ours, directory, "client"), certified(other, directory, "stranger")
    if "valkey" not in binary.name:
        port = free_port()
        files = {"tls_cert_file": shown[0], "tls_key_file": shown[1], "tls_ca_cert_file": ours.file}
        given = {name: str(file) for name, file in files.items()}
        with short_directory() as home, one(binary, home, tls_port=str(port), **given):
            yield port, ours.file, other.file, client, stranger
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*shown)
    context.load_verify_locations(ours.file)
    context.verify_mode = ssl.CERT_REQUIRED
    with tls_front(store.socket, context) as port:
        yield port, ours.file, other.file, client, stranger


def test_by_tls_the_store_and_this_program_know_each_other(encrypted):
    port, ca, _, (certificate, key), _ = encrypted
    given = {"store_tls_ca": ca, "store_tls_cert": certificate, "store_tls_key": key}
    settings = at(f"rediss://localhost:{port}", **given).model_copy(update={"tenant": "encrypted"})

    async def story(opened_store):
        entry = await published(opened_store)
        connection = await asyncio.to_thread(opened_store._link.connect)
        assert ask(connection, "EXISTS", opened_store.keys.meta) == 1
        connection.disconnect()
        return await opened_store.get_part(DIGEST, len(PART)), entry

    assert run(settings, story)[0] == PART


UNWANTED = "do not agree on TLS|cannot be reached"  # the front closes the connection without saying why


@pytest.mark.parametrize("what", ["authority", "system", "name", "client", "none", "file"])
def test_a_stranger_is_refused(encrypted, what):
    port, ca, other, (certificate, key), (strange, strange_key) = encrypted
    given = {"store_tls_ca": ca, "store_tls_cert": certificate, "store_tls_key": key}
    host, says = f"localhost:{port}", "EINKLANG_STORE_TLS_CA"
    match what:
        case "authority":
            given["store_tls_ca"] = other
        case "system":
            del given["store_tls_ca"]
        case "name":
            host, says = f"127.0.0.1:{port}", "IP address mismatch.*host name"
        case "client":
            given |= {"store_tls_cert": strange, "store_tls_key": strange_key}
            says = UNWANTED
        case "none":
            given, says = {"store_tls_ca": ca}, UNWANTED
        case "file":
            given["store_tls_cert"], says = Path("missing.pem"), "store_tls_cert, store_tls_key: cannot be used"

    async def story(opened_store):
        raise AssertionError("taken")

    with pytest.raises(StoreError, match=says) as error:
        run(at(f"rediss://{host}", **given), story)
    assert says == UNWANTED or isinstance(error.value, StoreUnsuitable)


# ------------------------------------------------------------------------------------------------ answers


@pytest.mark.parametrize(
    "said",
    [
        "READONLY You can't write against a read only replica.",
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        "LOADING Redis is loading the dataset in memory",
        "CLUSTERDOWN The cluster is down",
        "MOVED 3999 127.0.0.1:6381",
        "ASK 3999 127.0.0.1:6381",
        "TRYAGAIN Multiple keys request during rehashing of slot",
        "NOREPLICAS Not enough good replicas to write.",
        "MISCONF Errors writing to the AOF file: No space left on device",
        "OOM command not allowed when used memory > 'maxmemory'.",
        "BUSY Redis is busy running a script.",
    ],
)
def test_what_passes_is_unavailable_never_an_answer(said):
    error = told(BaseParser.parse_error(said))
    assert isinstance(error, StoreUnavailable)
    assert said.split()[0] in str(error) or "reading its log" in str(error)


def test_a_store_that_stops_taking_writes_for_a_while_is_asked_again(store):
    async def story(opened_store):
        known = await opened_store.timeline()
        with store.client() as client:
            client.replicaof("127.0.0.1", "1")
            with pytest.raises(StoreUnavailable):
                await opened_store.put_parts({hashlib.sha256(b"x").hexdigest(): b"x"})
            with pytest.raises(StoreUnavailable, match="is a replica of"):
                await opened_store.timeline()
            client.replicaof("NO", "ONE")
        assert await patiently(opened_store.timeline) == known
        assert known == Timeline()

    run(at(f"redis://{store.address}").model_copy(update={"tenant": "paused"}), story)


def test_a_link_is_made_and_closed_without_a_store():
    async def story():
        link = Link(at("redis+sentinel://127.0.0.1:1,127.0.0.1:2/main"))
        with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1 cannot be reached.*127\.0\.0\.1:2"):
            await link.prepare()
        await link.aclose()

    asyncio.run(story())
