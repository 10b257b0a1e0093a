"""Links: connections to the server that holds a tenant's keys now, in every topology.

    one          the address is the server's
    Sentinel     all are asked who the primary is; what most of them say is tried first
    Cluster      all known nodes are asked who holds the tenant's slot (all its keys share a hash tag), likewise

    Link.client()    the asyncio client for reading and writing; stays the same, its connections move
    Link.connect()   a synchronous, checked connection to the present primary, for a thread with a timing of its own
    Link.durably()   one command, confirmed: on the disk, and on so many replicas

Whoever was found is checked (server/start_checks.py) before anything else is asked of it, on every connection: it is
a primary, and the server (its run_id) that was checked. So a demoted primary, a restarted one and whatever a name
leads to after a fail-over are noticed when connecting; and what a connection notices later (READONLY, MOVED, a broken
or late answer, a write that was not confirmed) makes every connection ask anew, before its next command.

The client library's own Sentinel and Cluster clients are not used: they know nothing of these checks, and the latter
asks COMMAND GETKEYS before each call of a function and may send WAIT elsewhere than the write that it is about.

What can go wrong: server/store_errors.py.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, TypeVar, cast

import redis.asyncio as valkey
import redis.asyncio.connection as following
import redis.connection as plain
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.crc import key_slot
from redis.exceptions import ConnectionError as LinkError
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry as PlainRetry

from server.addresses import Place, store_address
from server.clock import Clock, SystemClock
from server.embedded import store_settings
from server.settings import BadSettings, Settings
from server.start_checks import Needs, Replica, Server, check, is_primary, server_of
from server.store_errors import (
    LOGIN,
    SENTINEL_LOGIN,
    StoreError,
    StoreUnavailable,
    StoreUnsuitable,
    points_elsewhere,
    told,
)
from server.telemetry import Event, say

ASKED_MAX: Final = 8  # nodes of a Cluster, when the slot's primary is looked for
ASK_SECONDS: Final = 2.0  # at most, for a Sentinel or node to say where the primary is: others are asked as well
RECHECK_NS: Final = 30 * 10**9  # a durable write is not later than this after a check

_T = TypeVar("_T")
_Q = TypeVar("_Q")


@dataclass(frozen=True, slots=True)
class Primary:
    """The server that holds the tenant's keys, as far as is known. `epoch`: how often it was lost before."""

    place: Place
    server: Server
    epoch: int


class Wire(Protocol):
    """A synchronous connection: what is used of the client library's. Each method may raise what `told` translates."""

    def connect(self) -> None:
        """Open it, authenticated."""

    def disconnect(self) -> None:
        """Close it; harmless when it is closed."""

    def pack_command(self, *words: Any) -> list[bytes]:
        """The bytes of a command."""

    def send_packed_command(self, command: bytes | Sequence[bytes]) -> None:
        """Send such bytes, of one command or several."""

    def send_command(self, *words: Any) -> None:
        """Pack and send a command."""

    def read_response(self) -> Any:
        """The next answer; raises it if it is an error, and when none comes within the timeout."""


class Link:
    """The way to a tenant's store. One event loop uses `client`, `durably`, `ask`; any thread may use `connect`."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        """Raises StoreUnsuitable if a password or a certificate cannot be read. Connects to nobody yet."""
        assert settings.store is not None, "server.embedded.store_settings says where the embedded one is"
        self._address = store_address(settings.store)
        self._clock: Clock = clock or SystemClock()
        self._seconds = settings.store_timeout_ms / 1_000
        self._wait_ms = settings.store_timeout_ms // 2  # less than the connection's own patience
        embedded = store_settings(settings.model_copy(update={"store": None})).store
        username = settings.store_username or self._address.username
        self._needs = Needs(
            settings.tenant,
            self._address.kind,
            settings.store_replicas,
            username,
            repaired=settings.store == embedded,
            database=self._address.database,
        )
        self._settings = settings
        try:
            self._login = {"username": username, "password": settings.password()}
            self._sentinel_login = {
                "username": settings.store_sentinel_username,
                "password": settings.sentinel_password(),
            }
        except BadSettings as error:
            raise StoreUnsuitable(str(error)) from None
        self._slot = key_slot(f"{{{settings.tenant}}}".encode())
        self._nodes = list(self._address.places)  # whom to ask for the primary: those of the address, then learned ones
        self._tls = self._context()
        self._lock = threading.Lock()  # over the next five
        self._epoch = 0
        self._primary: Primary | None = None
        self._last: tuple[Place, str] | None = None  # the one before, and its run_id: so that a change is told once
        self._waits_for_disk = True  # the last one
        self._checked: dict[str, int] = {}  # run_id to the instant, ns
        self._finding = asyncio.Lock()
        # What reads, or writes what its digest names, may be repeated; of `durably`, only its caller knows.
        self._client = valkey.Redis.from_pool(self._pool(retries=2))
        self._once = valkey.Redis.from_pool(self._pool(retries=0))

    # ------------------------------------------------------------------------------------------------ what it gives

    def client(self) -> valkey.Redis:
        """The client of the present primary. Its commands go through `ask`."""
        return self._client

    async def prepare(self) -> Server:
        """Find the primary and check it, replicas included. Raises StoreError."""
        with self._lock:
            self._primary, self._epoch = None, self._epoch + 1
            self._checked.clear()
        primary = await self._present(first=True)
        return primary.server

    def connect(self, seconds: float | None = None) -> Wire:
        """A connection to the present primary, which is looked for anew: authenticated, checked, the caller's to close.

        `seconds`: how long an answer may take; as the settings say if it is None. Blocks for some round trips, at most
        a few times as long. Raises StoreError. What is raised on it later, `told` turns into a StoreError, after which
        the caller takes a new connection."""
        _, connection = self._found(seconds=seconds)
        return connection

    async def durably(self, *command: Any) -> Any:
        """The answer of a command, once it and all that was written before are on the primary's disk and on so many
        replicas. No command: the waiting alone.

        It is sent once. Raises StoreUnavailable if it is not confirmed in time: then it may or may not be kept."""
        await self._recheck()
        primary = await self._present()
        pipe = self._once.pipeline(transaction=False)  # one connection: WAIT is about its own writes
        confirmation = self.confirmation()
        for words in (command, *confirmation) if command else confirmation:
            pipe.execute_command(*words)
        answers = await self.ask(pipe.execute)
        if not self.is_held(answers):
            self.lost(primary.epoch)
            raise StoreUnavailable(f"the store did not confirm in time that {self._who_holds()}")
        return answers[0]

    def confirmation(self, wait_ms: int | None = None) -> tuple[tuple[str | int, ...], ...]:
        """What to send behind a command that must not be lost, on its connection; `is_held` judges the answers.

        `wait_ms`: how long to wait for the disks, and half as long before for replicas; None: as the settings say.

        First a write, since WAIT and WAITAOF are about the connection's last one: a function that finds its work done
        already, by a call whose answer was lost, writes nothing, and on a new connection they would confirm at once
        what nobody holds. Then WAIT also where WAITAOF is known: a replica says what is on its disk when it is asked,
        before it has written what it just received, and by itself once a second; WAIT asks it a first time."""
        replicas, wait_ms = self._needs.replicas, self._wait_ms if wait_ms is None else wait_ms
        barrier = ("SET", self._needs.barrier, "")
        received = ("WAIT", replicas, max(1, wait_ms // 2))  # 0 would be: without end
        on_disk = ("WAITAOF", 1, replicas, max(1, wait_ms))
        if not self._waits_for_disk:
            return (barrier, received)  # `appendfsync always`: each answer comes after the disk
        return (barrier, received, on_disk) if replicas else (barrier, on_disk)

    def is_held(self, answers: Sequence[Any]) -> bool:
        """Whether the answers to `confirmation` say that what was written is held; others may stand before them."""
        last = answers[-1]
        if isinstance(last, list):
            return int(last[0]) >= 1 and int(last[1]) >= self._needs.replicas
        return int(last) >= self._needs.replicas

    def _who_holds(self) -> str:
        replicas = self._needs.replicas
        return "what was written is on its disk" + (f" and on {replicas} replicas" if replicas else "")

    @property
    def epoch(self) -> int:
        """Raised whenever the primary was lost: connections of an earlier one are made anew."""
        return self._epoch

    def lost(self, epoch: int) -> None:
        """Whoever was the primary in this epoch may be it no longer: it is looked for before the next command."""
        with self._lock:
            if epoch == self._epoch:
                self._primary, self._epoch = None, epoch + 1

    async def aclose(self) -> None:
        """Close the clients' connections."""
        await self._client.aclose()
        await self._once.aclose()

    # ------------------------------------------------------------------------------------------------ asking

    async def ask(self, command: Callable[[], Any]) -> Any:
        """Run a command of the client; its errors become ours, and a cancellation that it forgot is raised.

        It sends by `asyncio.wait_for`, which in Python 3.11 forgets one that comes between the end of what it waits for
        and its own waking (CPython's issue 86296); a part of the server that asks for ever would then never end."""
        task = asyncio.current_task()
        assert task is not None, "the store is asked in a task"
        before = task.cancelling()
        epoch = self._epoch
        try:
            return await cast(Awaitable[Any], command())
        except (RedisError, OSError, TimeoutError) as error:
            if points_elsewhere(error):
                self.lost(epoch)
            raise told(error) from None
        finally:
            if task.cancelling() > before:
                raise asyncio.CancelledError

    async def _present(self, *, first: bool = False) -> Primary:
        """The primary, found and checked if it is not known. Raises StoreError."""
        primary = self._primary
        if primary is not None:
            return primary
        async with self._finding:
            primary = self._primary
            if primary is not None:
                return primary
            found, connection = await asyncio.to_thread(self._found, first=first)
            connection.disconnect()
            return found

    async def _recheck(self) -> None:
        """Look once more whether the primary and its replicas are as they must be, if that is a while ago."""
        primary = self._primary
        if primary is None or self._fresh(primary.server):
            return
        try:
            _, connection = await asyncio.to_thread(self._found)
        except StoreUnavailable:  # without Sentinels nobody is promoted; without the store its own answer says more
            return
        connection.disconnect()

    def _fresh(self, server: Server) -> bool:
        checked = self._checked.get(server.run_id)
        return checked is not None and self._clock.monotonic_ns() - checked < RECHECK_NS

    # ------------------------------------------------------------------------------------------------ finding

    def _found(self, *, first: bool = False, seconds: float | None = None) -> tuple[Primary, Wire]:
        """The present primary, checked, and a connection to it. Raises StoreError."""
        self._tls = self._context()  # certificates are renewed while this runs
        errors: list[str] = []
        for place, known in self._candidates():
            try:
                connection, server = self._checked_connection(place, known, first, seconds or self._seconds)
            except StoreUnavailable as error:
                errors.append(str(error))
                continue
            return self._now(place, server), connection
        raise StoreUnavailable("; ".join(dict.fromkeys(errors)))

    def _now(self, place: Place, server: Server) -> Primary:
        """Note who was found; connections to anybody else become old."""
        this = (place, server.run_id)
        with self._lock:
            self._waits_for_disk = server.waits_for_disk
            if self._primary is not None:
                if this == self._last:
                    self._primary = replace(self._primary, server=server)
                    return self._primary
                self._epoch += 1
            self._primary = primary = Primary(place, server, self._epoch)
            changed, self._last = self._last not in {None, this}, this
        if changed:
            say(Event.STORE_FOUND, place=str(place), about=server.about)
        return primary

    def _checked_connection(
        self, place: Place, known: tuple[Replica, ...] | None, first: bool, seconds: float
    ) -> tuple[Wire, Server]:
        connection = self._dial(place, seconds)
        try:
            with _translated(f"the store at {place}" if place.host else "the store"):
                connection.connect()
                server = server_of(place, _asked(connection, "INFO"))
                if first or not self._fresh(server):
                    check(
                        server,
                        replace(self._needs, first=first, known=known),
                        lambda *words: _asked(connection, *words),
                    )
                    self._checked[server.run_id] = self._clock.monotonic_ns()
                else:
                    is_primary(server)
        except BaseException:
            connection.disconnect()
            raise
        return connection, server

    def _candidates(self) -> list[tuple[Place, tuple[Replica, ...] | None]]:
        """Where the primary may be, the most likely first, and its replicas, as Sentinels know. Raises StoreError."""
        if self._address.kind == "one":
            return [(place, None) for place in self._address.places]
        if self._address.kind == "sentinel":
            said = self._all(self._address.places, self._ask_sentinel)
            known: dict[Place, dict[str, Replica]] = {}
            for place, replicas in said:  # one that began a moment ago does not know all
                for replica in sorted(replicas, key=lambda one: one.promotable):
                    known.setdefault(place, {})[replica.place] = replica
            return [(place, tuple(known.get(place, {}).values())) for place in _by_votes([one for one, _ in said])]
        told_by = self._all(self._nodes[:ASKED_MAX], self._ask_node)
        learned = [place for _, others in told_by for place in others]
        self._nodes = list(dict.fromkeys((*self._address.places, *learned)))
        return [(place, None) for place in _by_votes([holder for holder, _ in told_by])]

    def _all(self, places: Sequence[Place], question: Callable[[Place], _Q]) -> list[_Q]:
        """The answers of all who give one. Raises StoreError if nobody does."""
        errors: list[StoreError] = []

        def asked(place: Place) -> _Q | None:
            try:
                return question(place)
            except StoreError as error:
                errors.append(error)
                return None

        with ThreadPoolExecutor(len(places)) as threads:
            answers = [answer for answer in threads.map(asked, places) if answer is not None]
        if answers:
            return answers
        told_by = "; ".join(sorted(set(map(str, errors))))
        if any(isinstance(error, StoreUnavailable) for error in errors):
            raise StoreUnavailable(told_by)
        raise StoreUnsuitable(told_by)

    def _ask_sentinel(self, sentinel: Place) -> tuple[Place, tuple[Replica, ...]]:
        """Who the primary is, and its replicas."""
        name = self._address.service
        with self._conversation(sentinel, f"the Sentinel at {sentinel}", sentinel=True) as ask:
            try:
                found = ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name)
            except ResponseError as error:
                if "unknown command" in str(error):
                    raise StoreUnsuitable(f"{sentinel} is no Sentinel") from None
                raise
            if found is None:
                raise StoreUnsuitable(f"the Sentinel at {sentinel} knows no primary «{name}»")
            replicas = [_pairs(row) for row in ask("SENTINEL", "REPLICAS", name)]
        place = Place(found[0].decode(), int(found[1]))
        return place, tuple(
            Replica(f"{row.get('ip')}:{row.get('port')}", row.get("slave-priority") != "0") for row in replicas
        )

    def _ask_node(self, node: Place) -> tuple[Place, list[Place]]:
        """Who holds the tenant's slot, and all nodes that it names."""
        with self._conversation(node, f"the node at {node}") as ask:
            try:
                rows = ask("CLUSTER", "SLOTS")
            except ResponseError as error:
                if "cluster support disabled" in str(error):
                    raise StoreUnsuitable(
                        f"{node} is in no Cluster: the store's address must be like redis://HOST:PORT"
                    ) from None
                raise
            places = {(row[0], row[1]): [_node(entry, node) for entry in row[2:]] for row in rows}
        mine = [named for (begin, end), named in places.items() if begin <= self._slot <= end]
        if not mine:
            raise StoreUnavailable(f"the Cluster has no node for slot {self._slot} now")
        return mine[0][0], [place for named in places.values() for place in named]

    @contextmanager
    def _conversation(self, place: Place, who: str, *, sentinel: bool = False) -> Iterator[Callable[..., Any]]:
        """A connection for a question or two, within ASK_SECONDS each."""
        connection = self._dial(place, min(ASK_SECONDS, self._seconds), sentinel=sentinel)
        try:
            with _translated(who, SENTINEL_LOGIN if sentinel else LOGIN):
                connection.connect()
                yield lambda *words: _asked(connection, *words)
        finally:
            connection.disconnect()

    # ------------------------------------------------------------------------------------------------ connections

    def _dial(self, place: Place, seconds: float, *, sentinel: bool = False) -> Wire:
        """A connection that is not open yet."""
        where: dict[str, Any]
        options: dict[str, Any] = {
            **(self._sentinel_login if sentinel else self._login),
            "db": 0 if sentinel else self._address.database,
            "socket_timeout": seconds,
            "socket_connect_timeout": seconds,
            "retry": PlainRetry(NoBackoff(), 0),
            "protocol": 2,
            "driver_info": None,  # no CLIENT SETINFO: the user may not, and the store's ACL LOG would be full of it
        }
        make: Callable[..., Wire]
        if place.path:
            make, where = cast(Any, plain.UnixDomainSocketConnection), {"path": place.path}
        elif self._tls is not None:
            make, where = cast(Any, _Encrypted), {"context": self._tls, "host": place.host, "port": place.port}
        else:
            make, where = cast(Any, plain.Connection), {"host": place.host, "port": place.port}
        return make(**where, **options)

    def _pool(self, *, retries: int) -> valkey.ConnectionPool:
        kinds: dict[bool, type[following.AbstractConnection]] = {False: _Following, True: _FollowingEncrypted}
        kind = _FollowingSocket if self._address.places[0].path else kinds[self._address.tls]
        return valkey.ConnectionPool(
            connection_class=kind,
            link=self,
            username=self._login["username"],
            password=self._login["password"],
            db=self._address.database,
            socket_timeout=self._seconds,
            socket_connect_timeout=self._seconds,
            retry=Retry(ExponentialBackoff(cap=0.2, base=0.01), retries),
            protocol=2,
            driver_info=None,
        )

    def _context(self) -> ssl.SSLContext | None:
        """What is asked of a server's certificate, and what is shown to it. Raises StoreUnsuitable."""
        if not self._address.tls:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies who signed it, and the host name
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        name, given = "", self._settings
        try:
            if given.store_tls_ca is not None:
                name = "store_tls_ca"
                context.load_verify_locations(cafile=given.store_tls_ca)
            else:
                context.load_default_certs()
            if given.store_tls_cert is not None and given.store_tls_key is not None:
                name = "store_tls_cert, store_tls_key"
                context.load_cert_chain(given.store_tls_cert, given.store_tls_key, password=_no_password)
        except (OSError, ValueError) as error:
            raise StoreUnsuitable(f"{name}: cannot be used: {error}") from None
        return context


# ---------------------------------------------------------------------------------------------------- connections


class _Encrypted(plain.SSLConnection):
    """A synchronous TLS connection with a context of ours: the library's would trust the system's authorities too."""

    def __init__(self, context: ssl.SSLContext, **options: Any) -> None:
        super().__init__(**options)
        self._context = context

    def _wrap_socket_with_ssl(self, sock: Any) -> ssl.SSLSocket:
        return self._context.wrap_socket(sock, server_hostname=self.host)


class _Follows(following.AbstractConnection):
    """A connection of the pool: it goes to whoever is the primary when it connects, and is made anew when that may have
    changed."""

    def __init__(self, *, link: Link, **options: Any) -> None:
        super().__init__(**options)
        self._link = link
        self._epoch: int | None = None  # of the primary that it is connected to; None: to nobody yet

    async def connect_check_health(self, check_health: bool = True, retry_socket_connect: bool = True) -> None:
        """Connect, and see that it is the server that was checked."""
        if self.is_connected:
            return
        self._epoch = None
        primary = await self._link._present()
        self._go_to(primary.place)
        try:
            await super().connect_check_health(check_health, retry_socket_connect)
            await self.send_command("INFO", "server", "replication", check_health=False)
            server = server_of(primary.place, await self.read_response())
        except (RedisError, OSError):
            self._link.lost(primary.epoch)
            raise
        if not server.primary or server.run_id != primary.server.run_id:
            self._link.lost(primary.epoch)
            await self.disconnect(nowait=True)
            raise LinkError(f"{primary.place} is another server, or a replica, since it was checked")  # and retries
        self._epoch = primary.epoch

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """Send, to the present primary."""
        if self._epoch is not None and self._epoch != self._link.epoch and self.is_connected:
            await self.disconnect(nowait=True)
        await super().send_packed_command(command, check_health)

    def _go_to(self, place: Place) -> None:
        """Where to connect next."""
        self.host, self.port = place.host, place.port


class _Following(_Follows, following.Connection):
    """By TCP."""


class _FollowingEncrypted(_Follows, following.SSLConnection):
    """By TLS."""

    def _go_to(self, place: Place) -> None:
        super()._go_to(place)
        self.ssl_context.context = self._link._tls  # it would make one that trusts the system's authorities too


class _FollowingSocket(_Follows, following.UnixDomainSocketConnection):
    """By a socket of this machine."""

    def _go_to(self, place: Place) -> None:
        self.path = place.path


@contextmanager
def _translated(who: str, login: str = LOGIN) -> Iterator[None]:
    """Errors of the client library become ours."""
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        raise told(error, who, login) from None


def _asked(connection: Wire, *words: Any) -> Any:
    connection.send_command(*words)
    return connection.read_response()


def _by_votes(places: Sequence[Place]) -> list[Place]:
    """Each place once, those that were said most often first, else in the order in which they were said."""
    return [place for place, _ in Counter(places).most_common()]


def _pairs(row: Sequence[bytes]) -> dict[str, str]:
    words = [word.decode("utf-8", "replace") for word in row]
    return dict(zip(words[::2], words[1::2], strict=False))


def _node(entry: Sequence[Any], asked: Place) -> Place:
    """A node as CLUSTER SLOTS names it; one that does not know its own name has the one it was asked by."""
    host = (entry[0] or b"").decode("ascii", "replace")
    return Place(asked.host if host in {"", "?"} else host, int(entry[1]))


def _no_password() -> str:
    raise ValueError("the key is encrypted: it must be readable without a password")
