"""Start checks: is this server one with which the promises can be kept? Asked of every server before it is used.

    check(server, needs, ask)    CHECKS in their order; raises StoreUnsuitable, with what to set and why

It is done on one synchronous connection (server/links.py), at the start, after every change of the server behind the
address, and before a durable write when the last time is a while ago: replicas come and go.

What cannot be read (a managed store that keeps CONFIG to itself) is taken as unknown where the promise does not rest
on it, and refused where it does. docs/stores.md tells operators the same in their order; docs/decisions/
store-topologies.md why.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from redis.exceptions import NoPermissionError, ResponseError

from server.embedded import Version
from server.store_errors import StoreUnavailable, StoreUnsuitable, refuses_writes_now
from server.telemetry import Event, say

LIBRARY: Final = "einklang_timeline_v2"
OLDEST: Final[Mapping[str, tuple[int, ...]]] = {"valkey": (7, 2), "redis": (7, 0)}
CODE: Final = Path(__file__).parent / "functions" / "timeline.lua"

Ask = Callable[..., Any]  # a command's words to its answer; raises the client library's errors


@dataclass(frozen=True, slots=True)
class Replica:
    """One replica of a primary, as the Sentinels or the Cluster know it."""

    place: str
    promotable: bool


@dataclass(frozen=True, slots=True)
class Needs:
    """What the settings ask of a server."""

    tenant: str
    kind: Literal["one", "sentinel", "cluster"]
    replicas: int  # k: how many must hold a write before it counts
    username: str | None
    repaired: bool  # the embedded store: its log is repaired before each start
    database: int = 0
    first: bool = True  # at the start, not after a change
    known: tuple[Replica, ...] | None = None  # by the Sentinels

    @property
    def prefix(self) -> str:
        """How all keys of the tenant begin."""
        return f"einklang:{{{self.tenant}}}:"

    @property
    def barrier(self) -> str:
        """The key that is written between a call and the waiting for its confirmation (server/links.py)."""
        return f"{self.prefix}barrier"


@dataclass(frozen=True, slots=True)
class Server:
    """What a server says of itself."""

    place: str
    product: str  # "valkey" or "redis"
    version: tuple[int, ...]
    run_id: str  # another one for each start of a server
    info: Mapping[str, str]

    @property
    def about(self) -> str:
        """Product and version, for people."""
        return f"{self.product} {'.'.join(map(str, self.version))}"

    @property
    def primary(self) -> bool:
        """Whether it takes writes."""
        return self.info.get("role") == "master"

    @property
    def mode(self) -> str:
        """ "standalone", "sentinel" or "cluster"."""
        return self.info.get("server_mode") or self.info.get("redis_mode", "standalone")

    @property
    def waits_for_disk(self) -> bool:
        """Whether it has WAITAOF."""
        return self.product == "valkey" or self.version >= (7, 2)

    @property
    def attached(self) -> int:
        """How many replicas are connected, in step or not."""
        return _count(self.info.get("connected_slaves"))

    @property
    def in_step(self) -> int:
        """How many replicas are connected and receive each write."""
        rows = (value for name, value in self.info.items() if re.fullmatch(r"slave\d+", name))
        return sum("state=online" in row for row in rows)


def server_of(place: object, info: bytes | str) -> Server:
    """What INFO said."""
    text = info.decode("utf-8", "replace") if isinstance(info, bytes) else info
    rows = dict(line.split(":", 1) for line in text.splitlines() if ":" in line and not line.startswith("#"))
    product = "valkey" if "valkey_version" in rows else "redis"
    version = rows.get("valkey_version") or rows.get("redis_version") or "0"
    return Server(str(place), product, _numbers(version), rows.get("run_id", ""), rows)


def check(server: Server, needs: Needs, ask: Ask) -> None:
    """All checks. Raises StoreUnsuitable, StoreUnavailable, and what the client library raises."""
    for one in CHECKS:
        one(server, needs, ask)


# ------------------------------------------------------------------------------------------------ what the server is


def _version(server: Server, needs: Needs, ask: Ask) -> None:
    if server.version < OLDEST[server.product]:
        oldest = ".".join(map(str, OLDEST[server.product]))
        raise StoreUnsuitable(f"the store is {server.about}; at least {server.product} {oldest} is needed")


def _mode(server: Server, needs: Needs, ask: Ask) -> None:
    scheme = {"sentinel": "redis+sentinel://HOST,HOST,HOST/NAME", "cluster": "redis+cluster://HOST,HOST,HOST"}
    if server.mode == "sentinel" or (server.mode == "cluster") != (needs.kind == "cluster"):
        wanted = scheme.get(server.mode, "redis://HOST:PORT")
        raise StoreUnsuitable(f"{server.place} runs as {server.mode}: the store's address must be like {wanted}")


def _reading(server: Server, needs: Needs, ask: Ask) -> None:
    if server.info.get("loading", "0") != "0":
        raise StoreUnavailable("the store is still reading its log")


def _role(server: Server, needs: Needs, ask: Ask) -> None:
    is_primary(server)


def is_primary(server: Server) -> None:
    """Raises StoreUnavailable if it is not."""
    if not server.primary:
        of = f"{server.info.get('master_host', '?')}:{server.info.get('master_port', '?')}"
        raise StoreUnavailable(
            f"{server.place} is a replica of {of}, not a primary: the store's address must lead there"
        )


# ------------------------------------------------------------------------------------------------ what the user may do

# Commands of this program and of its functions, each with how it may be tried on the tenant's keys; {} is their
# beginning. A function's inner commands count as its caller's. tests/unit/server/test_start_checks.py finds those that
# are missing here.
COMMANDS: Final[Mapping[str, Sequence[str]]] = {
    "TIME": (),
    "EXISTS": ("{}meta",),
    "TOUCH": ("{}meta",),
    "GETRANGE": ("{}meta", "0", "0"),
    "SET": ("{}barrier", ""),
    "APPEND": ("{}barrier", ""),
    "LLEN": ("{}timeline",),
    "LRANGE": ("{}timeline", "0", "0"),
    "LINDEX": ("{}timeline", "0"),
    "RPUSH": ("{}timeline", ""),
    "HSET": ("{}meta", "f", "v"),
    "HSETNX": ("{}meta", "f", "v"),
    "HMGET": ("{}meta", "f"),
    "HGET": ("{}meta", "f"),
    "HEXISTS": ("{}meta", "f"),
    "HDEL": ("{}meta", "f"),
    "HKEYS": ("{}holders",),
    "HGETALL": ("{}nodes",),
    "DEL": ("{}holders",),
    "EXPIRE": ("{}acks", "1"),
    "FCALL": (f"{LIBRARY}_setup", "1", "{}meta"),
    "WAIT": ("0", "1"),
    "WAITAOF": ("0", "0", "1"),
}
# What cannot be tried without effect, or not by each: asked for where it is used.
_ALSO: Final = ("info", "multi", "exec", "discard", "function|list")
# What `einklang prune` needs besides (server/retention.py); nodes do not: SCAN shows other tenants' keys.
PRUNES: Final = ("memory|usage", "object|idletime", "scan", "unlink")


def acl_rules(
    tenant: str, kind: str = "one", *, waits_for_disk: bool = True, database: int = 0, prunes: bool = False
) -> str:
    """The rules of ACL SETUSER that a serving user needs, or one that prunes; no more."""
    more = [*_ALSO, *(PRUNES if prunes else ())]
    more += ["cluster|slots", "cluster|nodes"] if kind == "cluster" else []
    more += ["select"] if database else []
    more += [] if waits_for_disk else ["config|get"]
    commands = [name.lower() for name in COMMANDS if waits_for_disk or name != "WAITAOF"]
    granted = " ".join(f"+{name}" for name in sorted((*commands, *more)))
    return f"resetkeys ~einklang:{{{tenant}}}:* resetchannels -@all {granted}"


def _permissions(server: Server, needs: Needs, ask: Ask) -> None:
    """Each command is queued in a transaction, where it is judged, and thrown away."""
    refused = []
    ask("MULTI")
    try:
        for name, words in COMMANDS.items():
            if name == "WAITAOF" and not server.waits_for_disk:
                continue
            try:
                ask(name, *(word.replace("{}", needs.prefix) for word in words))
            except NoPermissionError:
                refused.append(name.lower())
            except ResponseError as error:
                if not refuses_writes_now(error):  # it is asked whether this user may, before
                    raise
    finally:
        ask("DISCARD")
    if refused:
        rules = acl_rules(needs.tenant, needs.kind, waits_for_disk=server.waits_for_disk, database=needs.database)
        raise StoreUnsuitable(
            f"the store refuses this user: it may not {', '.join(refused)} on {needs.prefix}*: an administrator has to "
            f"grant it: ACL SETUSER {needs.username or 'default'} {rules}"
        )


# ------------------------------------------------------------------------------------------------ what it keeps


def _log(server: Server, needs: Needs, ask: Ask) -> None:
    if server.info.get("aof_enabled", "0") == "0":
        raise StoreUnsuitable("the store keeps no log: a restart would lose rulesets; set `appendonly yes`")


def _eviction(server: Server, needs: Needs, ask: Ask) -> None:
    if _count(server.info.get("maxmemory")) and server.info.get("maxmemory_policy") != "noeviction":
        raise StoreUnsuitable("the store may drop keys when memory is short: set `maxmemory-policy noeviction`")


def _fsync(server: Server, needs: Needs, ask: Ask) -> None:
    """WAITAOF asks for the disk itself; without it, or where it answered too early, only `always` will do."""
    hasty = server.product == "redis" and (7, 4, 0) <= server.version <= (7, 4, 2)
    if server.waits_for_disk and not hasty:
        return
    policy = "unknown"
    try:
        said = ask("CONFIG", "GET", "appendfsync")
        policy = said[1].decode() if len(said) == 2 else policy
    except ResponseError:  # a managed store that keeps CONFIG to itself, or a user who may not ask
        pass
    if policy == "always":
        return
    why = "may confirm too early" if hasty else "has no WAITAOF"
    raise StoreUnsuitable(
        f"the store's appendfsync is {policy} and {server.about} {why}: set `appendfsync always`, let the user read it "
        "(+config|get), or take a newer version"
    )


def _torn_log(server: Server, needs: Needs, ask: Ask) -> None:
    if needs.first and not needs.repaired and not Version(server.product, server.version).drops_torn_transactions:
        say(Event.STORE_TORN, about=server.about)


# ------------------------------------------------------------------------------------------------ its replicas


def _replicas(server: Server, needs: Needs, ask: Ask) -> None:
    """WAIT counts whichever replicas answer first. So a write is on the one that is promoted only if all were waited
    for: a replica that is never promoted would otherwise have answered in its place."""
    known = needs.known
    if needs.kind == "cluster":
        known = _of_shard(ask("CLUSTER", "NODES"))
    if known is None:
        count, promotable = server.attached, bool(needs.replicas)  # one address: who promotes, and whom, is not known
        if server.attached and not needs.replicas and needs.first:
            say(Event.STORE_REPLICAS, count=server.attached)
    else:
        count = max(len(known), server.attached)
        promotable = count > len(known) or any(replica.promotable for replica in known)
    if promotable and count > needs.replicas:
        which = f" ({', '.join(replica.place for replica in known)})" if known else ""
        never = "cluster-replica-no-failover yes" if needs.kind == "cluster" else "replica-priority 0"
        raise StoreUnsuitable(
            f"{server.place} has {count} replicas{which} and EINKLANG_STORE_REPLICAS is {needs.replicas}: one could be "
            f"promoted that lacks what was confirmed; set it to {count}, which waits for all, or set `{never}` on "
            "every replica, so that none is ever promoted"
        )
    if not needs.replicas:
        return
    if "min_slaves_good_slaves" not in server.info:
        raise StoreUnsuitable(
            f"{server.place} takes writes without any replica: set `min-replicas-to-write {needs.replicas}` (and "
            "`min-replicas-max-lag` above 0), on every server that may become the primary"
        )
    if needs.first and server.in_step < needs.replicas:
        raise StoreUnavailable(
            f"{server.place} has {server.in_step} replicas in step, of the {needs.replicas} that are needed "
            "(EINKLANG_STORE_REPLICAS)"
        )


def _of_shard(nodes: bytes | str | Mapping[str, Any]) -> tuple[Replica, ...]:
    """The replicas of the node that was asked, from CLUSTER NODES."""
    text = nodes.decode("utf-8", "replace") if isinstance(nodes, bytes) else str(nodes)
    rows = [row for row in map(str.split, text.splitlines()) if len(row) >= 8]
    mine = next((row[0] for row in rows if "myself" in row[2].split(",")), "")
    return tuple(Replica(row[1].split("@")[0], "nofailover" not in row[2].split(",")) for row in rows if row[3] == mine)


# ------------------------------------------------------------------------------------------------ its functions


def _functions(server: Server, needs: Needs, ask: Ask) -> None:
    """Load the library where it is another one or none. Of two versions of this program that run for a while beside
    each other, the one with the higher revision has its way."""
    code = CODE.read_text("utf-8")
    known = _leaves(ask("FUNCTION", "LIST", "LIBRARYNAME", LIBRARY, "WITHCODE"))
    if code.encode() in known:
        return
    loaded = [leaf for leaf in known if isinstance(leaf, bytes) and leaf.startswith(b"#!lua")]
    if any(_revision(leaf) > _revision(code.encode()) for leaf in loaded):
        return
    try:
        ask("FUNCTION", "LOAD", "REPLACE", code)
    except NoPermissionError:
        there = "another version of it" if loaded else "nothing"
        raise StoreUnsuitable(
            f"the store needs the functions {LIBRARY} of this version, has {there}, and this user may not load them: "
            f"load {CODE} as a user who may, on {server.place}: "
            f"cat {CODE} | redis-cli -u ADDRESS --user DEPLOYER --askpass -x FUNCTION LOAD REPLACE"
        ) from None
    say(Event.STORE_FUNCTIONS, library=LIBRARY)


def _revision(code: bytes) -> int:
    """What a line `-- revision N` says; 0 without one."""
    match = re.search(rb"^-- revision (\d{1,9})$", code, re.MULTILINE)
    return int(match[1]) if match else 0


CHECKS: Final = (  # in this order
    _version,
    _mode,
    _reading,  # before all that a server refuses while it reads
    _role,
    _permissions,  # before those that ask for more than INFO
    _log,
    _eviction,
    _fsync,
    _replicas,
    _torn_log,
    _functions,  # last: it writes
)


def _count(text: str | None) -> int:
    return int(text) if text is not None and text.isdigit() else 0


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _leaves(value: object) -> set[object]:
    """All that is not a list, of nested lists: FUNCTION LIST answers in one shape per version."""
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, (list, tuple)):
        return {leaf for item in value for leaf in _leaves(item)}
    return {value}
