"""Start checks: each setting that would break a promise, wrong in turn, is named; and the tables they rest on."""

import asyncio
import re
from pathlib import Path

import pytest

from server.clock import SimulatedClock
from server.links import RECHECK_NS, Link
from server.settings import load
from server.start_checks import CODE, COMMANDS, PRUNES, Needs, acl_rules, check, server_of
from server.store import StoreUnavailable, StoreUnsuitable, opened
from tests.running import short_directory, until
from tests.stores import binaries, one

ROOT = Path(__file__).resolve().parent.parent.parent.parent


@pytest.fixture(scope="module", params=["valkey", "redis"])
def binary(request):
    found = binaries()[request.param]
    if found is None:
        pytest.skip(f"not run: {request.param}-server is not on the PATH")
    return found


@pytest.fixture(scope="module")
def store(binary):
    """One that no test kills; each leaves it as it was."""
    with short_directory() as directory, one(binary, directory) as process:
        yield process


def taken(address, **given):
    """What the store calls itself. Raises StoreError if it is not taken."""

    async def story():
        async with opened(load({"store": f"redis://{address}", "tenant": "shop", **given})) as opened_store:
            return opened_store.about

    return asyncio.run(story())


# ------------------------------------------------------------------------------------------------ settings


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"appendonly": "no"}, "appendonly yes"),
        ({"maxmemory": "1gb", "maxmemory-policy": "volatile-lru"}, "maxmemory-policy noeviction"),
    ],
)
def test_a_setting_that_would_break_a_promise_is_named(store, wrong, says):
    with store.client() as client:
        before = {name: client.config_get(name)[name] for name in wrong}
        try:
            for name, value in wrong.items():
                client.config_set(name, value)
            with pytest.raises(StoreUnsuitable, match=says):
                taken(store.address)
        finally:
            for name, value in before.items():
                client.config_set(name, value)
    assert taken(store.address)


def test_without_waitaof_only_appendfsync_always_will_do_and_must_be_readable(store):
    waits = "valkey" in store.binary.name
    with store.client() as client:
        try:
            client.config_set("appendfsync", "everysec")
            if waits:
                assert taken(store.address).startswith("valkey 9")
            else:
                with pytest.raises(StoreUnsuitable, match=r"appendfsync is everysec and .* has no WAITAOF"):
                    taken(store.address)
        finally:
            client.config_set("appendfsync", "always")
        assert taken(store.address)
        rules = acl_rules("shop", waits_for_disk=waits).replace("+config|get", "").split()
        client.execute_command("ACL", "SETUSER", "blind", "reset", "on", ">hunter2", *rules)
    user = {"store_username": "blind", "store_password": "hunter2"}
    if waits:
        assert taken(store.address, **user)
    else:
        with pytest.raises(StoreUnsuitable, match=r"appendfsync is unknown.*\+config\|get"):
            taken(store.address, **user)


@pytest.mark.parametrize("lacking", sorted(COMMANDS))
def test_a_user_who_lacks_a_command_is_told_which(store, lacking):
    waits = "valkey" in store.binary.name
    if lacking == "WAITAOF" and not waits:
        pytest.skip("not run: this version has no WAITAOF")
    with store.client() as client:
        rules = acl_rules("shop", waits_for_disk=waits).split()
        client.execute_command("ACL", "SETUSER", "poor", "reset", "on", ">hunter2", *rules, f"-{lacking.lower()}")
    with pytest.raises(StoreUnsuitable, match=f"it may not {lacking.lower()} on einklang:.shop.:") as error:
        taken(store.address, store_username="poor", store_password="hunter2")
    assert f"ACL SETUSER poor {acl_rules('shop', waits_for_disk=waits)}" in str(error.value)


def test_a_user_who_may_not_ask_for_info_is_told_where_the_rules_are(store):
    with store.client() as client:
        client.execute_command("ACL", "SETUSER", "poor", "reset", "on", ">hunter2", "+@all", "~*", "-info")
    with pytest.raises(StoreUnsuitable, match=r"'info' command: docs/stores.md has the rules"):
        taken(store.address, store_username="poor", store_password="hunter2")


# ------------------------------------------------------------------------------------------------ replicas


def test_writes_wait_for_all_replicas_or_the_store_is_not_taken(binary, caplog):
    with short_directory() as home, one(binary, home / "primary") as primary, primary.client() as client:
        client.config_set("min-replicas-to-write", 1)
        with pytest.raises(StoreUnavailable, match="0 replicas in step, of the 1"):
            taken(primary.address, store_replicas=1)
        client.config_set("min-replicas-to-write", 0)
        follows = {"replicaof": f"127.0.0.1 {primary.port}"}
        with one(binary, home / "first", **follows) as first:
            until(lambda: client.info("replication").get("slave0", {}).get("state") == "online", what="the replica")
            assert taken(primary.address)
            assert "store.replicas" in caplog.messages
            with pytest.raises(StoreUnsuitable, match=r"min-replicas-to-write 1"):
                taken(primary.address, store_replicas=1)
            client.config_set("min-replicas-to-write", 1)
            assert taken(primary.address, store_replicas=1)
            with pytest.raises(StoreUnavailable, match=f"is a replica of 127.0.0.1:{primary.port}"):
                taken(first.address)
            asyncio.run(notices_a_second(binary, home, primary, follows))


async def notices_a_second(binary, home, primary, follows):
    """A replica that comes later is noticed before a write is confirmed without it."""
    clock = SimulatedClock()
    link = Link(load({"store": f"redis://{primary.address}", "tenant": "shop", "store_replicas": 1}), clock)
    try:
        await link.prepare()
        assert await link.durably("EXISTS", "einklang:{shop}:meta") == 1
        with one(binary, home / "second", **follows), primary.client() as client:
            until(lambda: client.info("replication")["connected_slaves"] == 2, what="the second replica")
            assert await link.durably()
            clock.advance(RECHECK_NS // 1_000)
            with pytest.raises(StoreUnsuitable, match="has 2 replicas and EINKLANG_STORE_REPLICAS is 1"):
                await link.durably()
    finally:
        await link.aclose()


SHARD = b"""\
a 10.0.0.1:7000@17000,shop-1 myself,master - 0 0 1 connected 0-5460
b 10.0.0.2:7000@17000 slave a 0 0 1 connected
c 10.0.0.3:7000@17000 slave,nofailover a 0 0 1 connected
d 10.0.0.4:7000@17000 slave d2 0 0 2 connected
d2 10.0.0.5:7000@17000 master,fail - 0 0 2 connected 5461-16383
"""


@pytest.mark.parametrize(
    ("nodes", "replicas", "says"),
    [
        (SHARD, 1, r"has 2 replicas \(10.0.0.2:7000, 10.0.0.3:7000\)"),  # WAIT counts one that is never promoted too
        (SHARD, 2, ""),
        (SHARD.replace(b"slave a", b"slave,nofailover a"), 0, ""),
    ],
)
def test_the_replicas_of_a_shard_are_counted(nodes, replicas, says):
    online = "".join(f"slave{n}:ip=10.0.0.{n},state=online\r\n" for n in range(2))
    info = said(more=f"redis_mode:cluster\r\nmin_slaves_good_slaves:2\r\nconnected_slaves:2\r\n{online}")
    needs = Needs("shop", "cluster", replicas, None, repaired=False)
    answers = {"CLUSTER": nodes, "FUNCTION": [[CODE.read_bytes()]]}

    def ask(*words):
        return answers.get(words[0])

    if says:
        with pytest.raises(StoreUnsuitable, match=says):
            check(server_of("here", info), needs, ask)
    else:
        check(server_of("here", info), needs, ask)


# ------------------------------------------------------------------------------------------------ versions


def said(version="redis_version:7.2.5", more=""):
    """What INFO says of a good server."""
    rows = [version, "run_id:1", "role:master", "loading:0", "aof_enabled:1", "maxmemory:0", more]
    return "# Server\r\n" + "\r\n".join(rows)


@pytest.mark.parametrize(
    ("info", "says", "kind"),
    [
        (said("redis_version:6.2.14"), "at least redis 7.0 is needed", StoreUnsuitable),
        (said("redis_version:7.2.4\r\nvalkey_version:7.1.9"), "at least valkey 7.2 is needed", StoreUnsuitable),
        (said("redis_version:7.4.2"), "appendfsync is everysec and redis 7.4.2 may confirm too early", StoreUnsuitable),
        (said("redis_version:7.0.15"), "has no WAITAOF", StoreUnsuitable),
        (said(more="loading:1"), "reading its log", StoreUnavailable),
        (said(more="server_mode:cluster"), r"redis\+cluster://", StoreUnsuitable),
        (said("redis_version:7.4.3"), "", None),
        (said("redis_version:7.2.4\r\nvalkey_version:7.2.0"), "", None),
    ],
)
def test_versions_and_states(info, says, kind, caplog):
    def ask(*words):
        return {"CONFIG": [b"appendfsync", b"everysec"], "FUNCTION": [[CODE.read_bytes()]]}.get(words[0])

    needs = Needs("shop", "one", 0, None, repaired=False)
    if kind is None:
        check(server_of("here", info), needs, ask)
        assert caplog.messages == ["store.torn-log"]  # older than valkey 9.1.2
    else:
        with pytest.raises(kind, match=says):
            check(server_of("here", info), needs, ask)


@pytest.mark.parametrize(
    ("loaded", "replaced"),
    [(b"#!lua name=x\n-- revision 999999\n", False), (b"#!lua name=x\n-- revision 0\n", True), (None, True)],
)
def test_of_two_versions_of_the_functions_the_higher_revision_stays(loaded, replaced):
    asked = []

    def ask(*words):
        asked.append(words[:2])
        return [[loaded]] if words[:2] == ("FUNCTION", "LIST") and loaded else []

    check(server_of("here", said()), Needs("shop", "one", 0, None, repaired=True), ask)
    assert (("FUNCTION", "LOAD") in asked) == replaced


# ------------------------------------------------------------------------------------------------ the tables


def test_every_command_that_is_used_stands_in_the_table():
    """Else a user with the rules of docs/stores.md would be refused in the middle of a publication."""
    inner = set(re.findall(r"redis\.call\('(\w+)'", CODE.read_text("utf-8")))
    outer: set[str] = set()
    for path in (ROOT / "server").glob("*.py"):
        outer |= set(re.findall(r"\b(?:pipe|self\._client)\.([a-z]+)\b", path.read_text("utf-8")))
    outer -= {"execute", "pipeline", "aclose", "from"}
    prunes = {name.partition("|")[0].upper() for name in PRUNES}
    assert inner <= {*COMMANDS, "INFO", *prunes}, "whoever may not INFO is refused before"
    known = COMMANDS.keys() | prunes
    assert {name.upper() for name in outer} <= known, "add a row to COMMANDS, and to docs/stores.md"


def test_the_page_for_operators_has_the_rules_as_they_are():
    page = (ROOT / "docs" / "stores.md").read_text("utf-8")
    for rules in (
        acl_rules("default"),
        acl_rules("default", waits_for_disk=False),
        acl_rules("default", "cluster"),
        acl_rules("default", prunes=True),
    ):
        assert rules in page
