"""The fault run: real servers at a real store, callers, a publisher, and faults by chance; then the audit.

    python -m tests.fault.processes [--seconds 60] [--servers 8] [--seed 1] [--store sentinels|single] ...

Each server reaches the store through links of its own that can be cut or be slow; each was started with another hash
seed, time zone and locale. The store is a primary with a replica under three Sentinels, or one alone; its wall clock is
stepped by tests/fault/clock_shim.c. Callers are a process of their own (tests/fault/callers.py) and record each call.
What they recorded is judged by tests/fault/audit.py, which knows nothing of all this.

Exit codes: 0 nothing was found; 1 something was, or the nodes did not recover: recordings and logs are kept, and the
line that says where also has the command with its seed. A seed chooses the faults, not how the machine runs them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final, TypeVar

import grpc
import redis

from einklang.v1 import common_pb2 as common
from einklang.v1 import decision_pb2_grpc, ruleset_pb2, ruleset_pb2_grpc
from engine.timeline import TimelineError
from server.clock import SystemClock
from server.links import Wire
from server.settings import load
from server.store import Change, Draft, Store, StoreError, TooEarly, opened
from server.telemetry import ROOT as LOG
from tests.e2e.conftest import PROJECT
from tests.e2e.requests import basket
from tests.e2e.test_publish import PUBLISH_SECONDS, upload
from tests.fault.audit import Fault, Found, Reading, judge, read
from tests.running import ROOT, START_SECONDS, Server, until
from tests.stores import SETTINGS, Replicated, StoreProcess, binaries, free_port, replicated

FAULTS: Final = ("stop node", "kill node", "stop store", "kill store", "step clock", "cut", "cut all", "drop", "delay")
RECOVER_SECONDS: Final = 90.0  # a restarted server shares two cores with all others
READ_SECONDS: Final = 0.25  # between readings of the store's clock
READ_NS: Final = 20_000_000  # a reading that took longer says too little
SHIM: Final = Path(__file__).with_name("clock_shim.c")
STEPS_US: Final = (-20_000_000, -2_000_000, -300_000, -50_000, -5_000, 5_000, 50_000, 300_000, 2_000_000, 20_000_000)
ZONES: Final = ("UTC", "Asia/Kathmandu", "America/St_Johns", "Pacific/Apia", "Europe/Berlin", "Australia/Lord_Howe")
LOCALES: Final = ("C", "C.UTF-8", "POSIX", "de_DE.UTF-8", "tr_TR.UTF-8", "ar_EG.UTF-8")
RULES: Final = (  # what is changed in the project for a further ruleset, so that its decisions tell it apart
    ("get the cheapest 1 free", "get 50% off them"),
    ("get 20% off flowers", "get 30% off flowers"),
)
_CLOCK: Final = SystemClock()
T = TypeVar("T")


@dataclass(frozen=True)
class Options:
    """One run. It ends when its time is over and all of `decisions`, `activations` and `faults` were reached. `each`:
    every kind of fault comes once before any comes again."""

    seconds: float = 60.0
    servers: int = 8
    seed: int = 1
    store: str = "sentinels"
    lease_ms: int = 1_500
    guard_ms: int = 100
    in_flight: int = 1  # calls at a time and node
    streams: int = 1  # of many baskets, at a time and node
    publish_s: float = 2.0
    pause_s: float = 4.0
    longest_s: float = 3.0  # of a fault, about
    decisions: int = 0
    activations: int = 0
    faults: int = 0
    each: bool = False
    kinds: tuple[str, ...] = FAULTS

    @property
    def command(self) -> str:
        """To run it again."""
        usual, always = Options(), ("seconds", "servers", "seed", "store")
        others: tuple[str, ...] = ("lease_ms", "guard_ms", "in_flight", "streams", "publish_s", "pause_s")
        others += ("decisions", "activations", "faults")
        said = [name for name in (*always, *others) if name in always or getattr(self, name) != getattr(usual, name)]
        given = (f"--{name.replace('_', '-')} {getattr(self, name)}" for name in said)
        return f"python -m tests.fault.processes {' '.join(given)}"


@dataclass
class Outcome:
    """What came of a run."""

    found: Found
    faults: Counter[str]
    directory: Path  # kept if something was found
    nodes_differ: bool = False  # in what they say of the Timeline
    publications: Counter[str] = field(default_factory=Counter)

    @property
    def sound(self) -> bool:
        """Nothing was found, and there was something to find."""
        return self.found.sound and not self.nodes_differ and self.found.counts["activations"] > 0

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"faults                {self.faults.total()}: {_counted(self.faults)}"
        yield f"publisher             {_counted(self.publications)}"
        yield from self.found.lines()
        if self.nodes_differ:
            yield "the nodes say different things of the Timeline"


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def environment(random: Random) -> dict[str, str]:
    """What no decision may depend on."""
    locale = random.choice(LOCALES)
    return {
        "PYTHONHASHSEED": str(random.randrange(1 << 32)),
        "TZ": random.choice(ZONES),
        "LANG": locale,
        "LC_ALL": locale,
    }


# ---------------------------------------------------------------------------------------------------- links


class _Link:
    """The ways of one node to the store."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.refuses = False
        self.delay_s = 0.0
        self.writers: set[asyncio.StreamWriter] = set()


class Links:
    """TCP ways from nodes to the store, in a thread of their own. What is held up by a cut comes through after it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._links: dict[str, _Link] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._servers: list[asyncio.Server] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="links", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End all of them."""
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def front(self, node: str, port: int, says: Mapping[bytes, bytes] | None = None) -> int:
        """A port of this node's own that leads to that port. `says`: what is said otherwise on the way back: Sentinels
        name ports."""
        return self._do(self._front(node, port, dict(says or {})))

    def cut(self, node: str, *, drop: bool = False) -> None:
        """Nothing comes through from now on; `drop`: and connections end, and begin no more."""
        self._do(self._cut(node, drop))

    def delay(self, node: str, seconds: float) -> None:
        """Everything takes so much longer, each way."""
        self._do(self._delay(node, seconds))

    def heal(self, node: str) -> None:
        """As it was."""
        self._do(self._heal(node))

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _front(self, node: str, port: int, says: dict[bytes, bytes]) -> int:
        link = self._links.setdefault(node, _Link())

        async def visited(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._tasks.add(task)
            try:
                await self._joined(link, port, says, reader, writer)
            except asyncio.CancelledError:
                pass  # the end of the run
            finally:
                self._tasks.discard(task)
                writer.close()

        server = await asyncio.start_server(visited, "127.0.0.1", 0)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    @staticmethod
    async def _joined(
        link: _Link, port: int, says: dict[bytes, bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if link.refuses:
            return
        link.writers.add(writer)
        onward: asyncio.StreamWriter | None = None
        try:
            await link.open.wait()
            back, onward = await asyncio.open_connection("127.0.0.1", port)
            link.writers.add(onward)
            await asyncio.gather(_passed(link, reader, onward, {}), _passed(link, back, writer, says))
        except OSError:
            pass  # as if there were no proxy: the connection ends
        finally:
            link.writers -= {writer} if onward is None else {writer, onward}
            if onward is not None:
                onward.close()

    async def _cut(self, node: str, drop: bool) -> None:
        link = self._links[node]
        link.open.clear()
        link.refuses = drop
        if drop:
            for writer in link.writers:
                writer.transport.abort()

    async def _delay(self, node: str, seconds: float) -> None:
        self._links[node].delay_s = seconds

    async def _heal(self, node: str) -> None:
        link = self._links[node]
        link.refuses, link.delay_s = False, 0.0
        link.open.set()


async def _passed(
    link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, says: Mapping[bytes, bytes]
) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            if link.delay_s:
                await asyncio.sleep(link.delay_s)
            await link.open.wait()
            for before, after in says.items():
                data = data.replace(before, after)
            writer.write(data)
            await writer.drain()
    writer.close()


# ---------------------------------------------------------------------------------------------------- the store


def shim(home: Path) -> Path | None:
    """The library that steps a clock; None: there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    library = home / "clock_shim.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, SHIM, "-ldl"], check=True)
    return library


class Backend:
    """The store, of either kind."""

    def __init__(self, stack: ExitStack, home: Path, kind: str) -> None:
        binary = binaries()["valkey"]
        assert binary is not None, "not run: no valkey-server"
        library = shim(home)
        self.can_step = library is not None

        def preloaded(directory: Path) -> Mapping[str, str]:
            if library is None:
                return {}
            (directory / "step").write_bytes(bytes(8))
            return {"LD_PRELOAD": str(library), "CLOCK_SHIM_FILE": str(directory / "step")}

        self.replicated: Replicated | None = None
        if kind == "single":
            alone = StoreProcess(binary, home / "p0", SETTINGS, environment=preloaded)
            stack.callback(alone.kill)
            self.servers = [alone.start()]
            self.replicas = 0
        else:
            self.replicated = stack.enter_context(
                replicated(binary, home, environment=preloaded, min_replicas_to_write="1")
            )
            self.servers = self.replicated.servers
            self.replicas = 1

    @property
    def address(self) -> str:
        """For --store, without links."""
        return f"redis://{self.servers[0].address}" if self.replicated is None else self.replicated.address

    def behind(self, links: Links, node: str) -> str:
        """For --store, by links of this node's own."""
        fronts = {server.port: links.front(node, server.port) for server in self.servers}
        if self.replicated is None:
            return f"redis://127.0.0.1:{fronts[self.servers[0].port]}"
        says = {}
        for port, front in fronts.items():
            assert len(str(port)) == len(str(front))
            says[b"$%d\r\n%d\r\n" % (len(str(port)), port)] = b"$%d\r\n%d\r\n" % (len(str(front)), front)
            says[b"127.0.0.1:%d" % port] = b"127.0.0.1:%d" % front
        watching = [links.front(node, sentinel.port, says) for sentinel in self.replicated.sentinels]
        return f"redis+sentinel://{','.join(f'127.0.0.1:{port}' for port in watching)}/{self.replicated.service}"

    def primary(self) -> StoreProcess:
        """The present one."""
        if self.replicated is None:
            return self.servers[0]
        address = self.replicated.primary()
        return next(server for server in self.servers if server.address == address)

    def whole(self) -> bool:
        """Whether a primary can be lost without the store being lost."""
        if self.replicated is None:
            return True
        with suppress(redis.RedisError, OSError, StopIteration), self.primary().client() as client:
            said = client.info("replication")
            return (
                said["role"] == "master"
                and said.get("slave0", {}).get("state") == "online"
                and self.replicated.promotable() == 1
            )
        return False

    def step(self, server: StoreProcess, by_us: int) -> None:
        """Set its clock."""
        path = server.directory / "step"
        (before,) = struct.unpack("=q", path.read_bytes())
        with open(path, "r+b") as file:
            file.write(struct.pack("=q", before + by_us))


# ---------------------------------------------------------------------------------------------------- the run


class Marks:
    """What the audit must know of what was done; from any thread."""

    def __init__(self, path: Path) -> None:
        self._file = open(path, "w", encoding="utf-8")  # noqa: SIM115 - closed by `close`
        self._lock = threading.Lock()
        self.close = self._file.close

    def add(self, mark: str, **fields: object) -> None:
        """One line."""
        with self._lock:
            self._file.write(json.dumps({"mark": mark, **fields}) + "\n")


class Member:
    """One node: its server, which may be another process after a kill."""

    def __init__(self, name: str, home: Path, address: str, own: Mapping[str, str]) -> None:
        self.name = name
        self.home = home
        self.address = address
        self.own = dict(own)
        self.server: Server | None = None
        home.mkdir()

    def start(self, project: Path | None = None) -> Server:
        """Start it; not waited for."""
        self.server = Server(self.home, project, **self.own, EINKLANG_ADDRESS=self.address)
        return self.server

    def close(self) -> None:
        """End it."""
        if self.server is not None:
            with suppress(ProcessLookupError):
                self.server.process.send_signal(signal.SIGCONT)
            self.server.close()

    def signal(self, number: int) -> None:
        """To its process."""
        assert self.server is not None
        self.server.process.send_signal(number)


class Run:
    """One of them, from start to audit."""

    def __init__(self, options: Options, home: Path, say: Callable[[str], None]) -> None:
        self.options = options
        self.home = home
        self.say = say
        self.random = Random(options.seed)
        self.recording = home / "recording"
        self.recording.mkdir()
        self.counts: Counter[str] = Counter()
        self.publications: Counter[str] = Counter()
        self.answers = 0
        self._stop = threading.Event()
        self._failure: BaseException | None = None

    def run(self) -> Outcome:
        """All of it. Raises AssertionError where the nodes do not recover."""
        with ExitStack() as stack:
            self._start(stack)
            self._faults()
            self._end()
            differ = self._write_timelines()
        return Outcome(judge(read(self.recording)), self.counts, self.home, differ, self.publications)

    # ------------------------------------------------------------------------------------------------ start and end

    def _start(self, stack: ExitStack) -> None:
        options = self.options
        began_ns = _CLOCK.monotonic_ns()
        self.marks = Marks(self.recording / "marks.jsonl")
        stack.callback(self.marks.close)
        self.backend = Backend(stack, self.home, options.store)
        self.links = Links()
        stack.callback(self.links.close)
        self.marks.add("terms", lease_us=options.lease_ms * 1_000)
        terms = {"lease_ms": options.lease_ms, "guard_ms": options.guard_ms, "store_replicas": self.backend.replicas}
        self.settings = load({"store": self.backend.address, "unsigned": True, **terms})
        common_settings = {
            **{f"EINKLANG_{name.upper()}": str(value) for name, value in terms.items()},
            "EINKLANG_UNSIGNED": "1",
            "EINKLANG_STORE_TIMEOUT_MS": "1000",
            "EINKLANG_PUBLISH_IDLE_S": "1",
            "EINKLANG_FOLLOW_INTERVAL_MS": "100",
        }
        self.members = []
        for number in range(options.servers):
            name = f"n{number}"
            own = {**common_settings, **environment(self.random)}
            own["EINKLANG_STORE"] = self.backend.behind(self.links, name)
            member = Member(name, self.home / name, f"127.0.0.1:{free_port()}", own)
            stack.callback(member.close)
            self.members.append(member)
        first, *others = self.members
        first.start(PROJECT).ready()
        self.digests = self._publish_rules(first)
        for member in others:
            member.start()
        for member in others:
            assert member.server is not None
            member.server.ready()
        self._stubs = {}
        for member in self.members:
            channel = stack.enter_context(
                grpc.insecure_channel(member.address, options=[("grpc.max_reconnect_backoff_ms", 500)])
            )
            self._stubs[member.name] = decision_pb2_grpc.DecisionServiceStub(channel)
        self._recovered()
        self._callers = self._start_callers(stack)
        self._publisher = threading.Thread(target=self._publishing, name="publisher")
        stack.callback(self._stopped)
        self._publisher.start()
        until(lambda: self.answers > 0, 60, "the first answer")
        self.say(f"{options.servers} servers answer after {(_CLOCK.monotonic_ns() - began_ns) / 1e9:.1f} s")

    def _publish_rules(self, member: Member) -> list[str]:
        """The ruleset in force, and others that are stored, and scheduled for a day that does not come."""
        assert member.server is not None
        digests = [member.server.digest]
        with grpc.insecure_channel(member.address) as channel:
            rulesets = ruleset_pb2_grpc.RulesetServiceStub(channel)
            for number, (before, after) in enumerate(RULES):
                project = self.home / f"rules{number}"
                shutil.copytree(PROJECT, project)
                path = project / "promotions.promo"
                text = path.read_text("utf-8")
                assert before in text
                path.write_text(text.replace(before, after), "utf-8")
                now = rulesets.GetTimeline(ruleset_pb2.GetTimelineRequest(), timeout=10).store_time_us
                late_us = now + 30 * 86_400_000_000
                published = rulesets.Publish(upload(project, effective_from_us=late_us), timeout=PUBLISH_SECONDS)
                digests.append(published.ruleset_digest)
        return digests

    def _start_callers(self, stack: ExitStack) -> subprocess.Popen[bytes]:
        nodes = [f"{member.name}={member.address}" for member in self.members]
        command = [sys.executable, "-m", "tests.fault.callers", str(self.recording / "0.calls"), *nodes]
        command += ["--in-flight", str(self.options.in_flight), "--streams", str(self.options.streams)]
        command += ["--seed", str(self.options.seed), "--as-of"]
        log = stack.enter_context((self.home / "callers.log").open("ab"))
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'proto'}"}
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, cwd=ROOT, env=environment
        )

        def listen() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                self.answers = int(line)

        def end() -> None:
            if process.poll() is None:
                process.kill()
            process.wait(30)
            listener.join(30)
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                pipe.close()

        listener = threading.Thread(target=listen, name="callers")
        listener.start()
        stack.callback(end)
        return process

    def _stopped(self) -> None:
        self._stop.set()
        self._publisher.join(60)

    def _end(self) -> None:
        """The publisher first, then, once every node is certain, the callers."""
        self._stopped()
        if self._failure is not None:
            raise self._failure
        self._recovered()
        self._stop.clear()
        self._stop.wait(0.5)
        assert self._callers.stdin is not None
        self._callers.stdin.close()
        assert self._callers.wait(30) == 0, (self.home / "callers.log").read_text()

    def _write_timelines(self) -> bool:
        """What the first node says; whether another says otherwise."""
        length = asyncio.run(self._stored_length())
        told = [
            until(lambda member=member: self._timeline_of(member, length), 30, f"the Timeline at {member.name}")  # type: ignore[misc]
            for member in self.members
        ]
        (self.recording / "timeline").write_text("".join(f"{name} {data.hex()}\n" for name, data in told[0]), "ascii")
        return any(other != told[0] for other in told)

    async def _stored_length(self) -> int:
        async with opened(self.settings, patient_s=10) as store:
            return len((await store.timeline()).entries)

    @staticmethod
    def _timeline_of(member: Member, length: int) -> list[tuple[str, bytes]]:
        """All of it, or nothing yet."""
        rows: list[tuple[str, bytes]] = []
        with grpc.insecure_channel(member.address) as channel, suppress(grpc.RpcError):
            rulesets = ruleset_pb2_grpc.RulesetServiceStub(channel)
            begin = 1
            while begin:
                asked = ruleset_pb2.GetTimelineRequest(from_sequence=begin, page_size=1_000, with_records=True)
                answer = rulesets.GetTimeline(asked, timeout=10)
                rows += [(entry.entry_hash, entry.record) for entry in answer.entries]
                begin = answer.next_sequence
        return rows if len(rows) >= length else []

    # ------------------------------------------------------------------------------------------------ the publisher

    def _publishing(self) -> None:
        try:
            asyncio.run(self._publish_on())
        except Exception as error:  # noqa: BLE001 - raised again by `_end`
            self._failure = error

    async def _publish_on(self) -> None:
        async with opened(self.settings, patient_s=10) as store:
            reading = asyncio.gather(self._read_clock(store), asyncio.to_thread(self._reach, store))
            random = Random(f"publisher {self.options.seed}")
            number = 0
            while not self._stop.is_set():
                number += 1
                try:
                    what = await self._append(store, random, number)
                except (StoreError, TooEarly, TimelineError) as error:
                    what = type(error).__name__
                self.publications[what] += 1
                await self._pause(self.options.publish_s)
            await reading

    async def _pause(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + seconds
        while loop.time() < until_s and not self._stop.is_set():
            await asyncio.sleep(0.05)

    async def _append(self, store: Store, random: Random, number: int) -> str:
        """One ruleset as soon as may be; at times two close to each other, or one that is taken back."""
        change = Change("publisher", f"number {number}")
        digest, next_digest = (self.digests[(number + more) % len(self.digests)] for more in range(2))
        chance = random.random()
        if chance < 0.7:
            await store.append([Draft(digest)], change)
            return "one"
        ahead_us = await store.time_us() + store.terms.lead_us + 300_000
        if chance < 0.9:
            close_us = ahead_us + random.choice((0, 1, 150_000, 400_000))
            drafts = [Draft(digest, effective_from_us=ahead_us), Draft(next_digest, effective_from_us=close_us)]
            await store.append(drafts, change)
            return "two"
        late_us = ahead_us + 1_500_000
        (entry,) = await store.append([Draft(digest, effective_from_us=late_us)], change)
        taken = Draft(digest, kind="cancel", effective_from_us=late_us, cancelled=entry.sequence)
        await store.append([taken], change)
        return "taken back"

    async def _read_clock(self, store: Store) -> None:
        while not self._stop.is_set():
            with suppress(StoreError):
                before_ns = _CLOCK.monotonic_ns()
                t_us = await store.time_us()
                after_ns = _CLOCK.monotonic_ns()
                if after_ns - before_ns < READ_NS:
                    self.marks.add("clock", **Reading((before_ns + after_ns) // 2, t_us)._asdict())
            await self._pause(READ_SECONDS)

    def _reach(self, store: Store) -> None:
        """Does with the store what a node must to renew its lease, and as soon; says each time that it could."""
        lease_ms = self.options.lease_ms
        commands = (("TIME",), *store.confirming(lease_ms // 4))
        link: Wire | None = None
        while not self._stop.wait(READ_SECONDS):
            try:
                link = link or store.connect(lease_ms / 2_000)
                sent_ns = _CLOCK.monotonic_ns()
                link.send_packed_command([piece for words in commands for piece in link.pack_command(*words)])
                link.read_response()
                soon = _CLOCK.monotonic_ns() - sent_ns <= store.terms.vague_ns
                held = [link.read_response() for _ in commands[1:]]
                if soon and store.is_confirmed(held):
                    self.marks.add("reached", at_ns=_CLOCK.monotonic_ns())
            except (StoreError, redis.RedisError, OSError):
                _let_go(link)
                link = None
        _let_go(link)

    # ------------------------------------------------------------------------------------------------ the faults

    def _faults(self) -> None:
        options, random = self.options, self.random
        kinds = [kind for kind in options.kinds if kind != "step clock" or self.backend.can_step]
        coming = random.sample(kinds, len(kinds)) if options.each else []
        begin_ns = told_ns = _CLOCK.monotonic_ns()
        self._wait(2 * options.lease_ms / 1_000 + options.publish_s)  # activations without a fault come first
        while coming or not self._enough(begin_ns):
            kind = coming.pop() if coming else random.choice(kinds)
            if "store" in kind or kind == "step clock":
                until(self.backend.whole, RECOVER_SECONDS, "the store has its replica")
            before_ns = _CLOCK.monotonic_ns()
            getattr(self, f"_{kind.replace(' ', '_')}")()
            if options.each:
                self.say(f"{kind}: {(_CLOCK.monotonic_ns() - before_ns) / 1e9:.1f} s")
            self.counts[kind] += 1
            if options.each or random.random() < 0.7:
                self._recovered()
                self._wait(random.uniform(0.2, 2) * options.pause_s)
            if _CLOCK.monotonic_ns() - told_ns > 30 * 10**9:
                told_ns = _CLOCK.monotonic_ns()
                self.say(
                    f"{(told_ns - begin_ns) / 1e9:.0f} s: {self.answers:,} answers, {self.counts.total()} faults, "
                    f"{self.publications.total()} publications"
                )
        until(self.backend.whole, RECOVER_SECONDS, "the store has its replica")

    def _enough(self, begin_ns: int) -> bool:
        options = self.options
        appended = self.publications["one"] + 2 * self.publications["two"]
        return (
            _CLOCK.monotonic_ns() - begin_ns >= options.seconds * 1e9
            and self.answers >= options.decisions
            and appended >= options.activations
            and self.counts.total() >= options.faults
        )

    @staticmethod
    def _wait(seconds: float) -> None:
        threading.Event().wait(seconds)

    def _recovered(self) -> None:
        """Every node is certain."""
        for member in self.members:
            until(lambda member=member: self._certain(member), RECOVER_SECONDS, f"{member.name} is certain again")  # type: ignore[misc]

    def _certain(self, member: Member) -> bool:
        with suppress(grpc.RpcError):
            answer = self._stubs[member.name].Decide(basket(), timeout=1.0)
            return bool(answer.envelope.certainty == common.CERTAINTY_CERTAIN)
        return False

    @contextmanager
    def _marked(self, kind: str, node: str = "") -> Iterator[None]:
        """A fault for the length of a block. `node`: whom it is done to; "": the store, or all of them."""
        fault = Fault(kind, node, _CLOCK.monotonic_ns(), 0)
        try:
            yield
        finally:
            self.marks.add("fault", **_ended(fault)._asdict())

    def _one_of_them(self) -> Member:
        return self.random.choice(self.members)

    def _stop_node(self) -> None:
        member, seconds = self._one_of_them(), self.random.uniform(0.1, self.options.longest_s)
        with self._marked("stop node", member.name):
            member.signal(signal.SIGSTOP)
            try:
                self._wait(seconds)
            finally:
                member.signal(signal.SIGCONT)

    def _kill_node(self) -> None:
        member, seconds = self._one_of_them(), self.random.uniform(0, self.options.longest_s / 3)
        with self._marked("kill node", member.name):
            member.close()  # kill -9
            self._wait(seconds)
            member.start().ready(START_SECONDS)

    def _stop_store(self) -> None:
        """Shortly; or for longer than the Sentinels wait: then it wakes up as one that is no primary any more."""
        seconds = self.random.choice(
            (self.random.uniform(0.05, 0.25), self.random.uniform(0.5, 0.5 + self.options.longest_s))
        )
        server = self.backend.primary()
        with self._marked("stop store"):
            server.signal(signal.SIGSTOP)
            begin_ns = _CLOCK.monotonic_ns()
            try:
                self._wait(seconds)
            finally:
                if self.backend.replicated is None:
                    self.marks.add("cut", **_ended(Fault("stop store", "", begin_ns, 0))._asdict())
                server.signal(signal.SIGCONT)
            until(self.backend.whole, RECOVER_SECONDS, "the store has its replica")

    def _kill_store(self) -> None:
        seconds = self.random.uniform(0, self.options.longest_s / 2)
        server = self.backend.primary()
        with self._marked("kill store"):
            server.kill()
            if self.backend.replicated is not None and self.random.random() < 0.7:
                until(lambda: self.backend.primary() is not server, RECOVER_SECONDS, "a fail-over")
            self._wait(seconds)
            server.start()
            until(self.backend.whole, RECOVER_SECONDS, "the store has its replica")

    def _step_clock(self) -> None:
        by_us = self.random.choice(STEPS_US)
        with self._marked("step clock"):
            self.backend.step(self.backend.primary(), by_us)

    def _cut(self) -> None:
        self._cut_off([self._one_of_them()], "cut")

    def _cut_all(self) -> None:
        self._cut_off(self.members, "cut all")

    def _drop(self) -> None:
        self._cut_off([self._one_of_them()], "drop")

    def _cut_off(self, members: Sequence[Member], kind: str) -> None:
        seconds = self.random.uniform(0.1, self.options.lease_ms / 1_000 + self.options.longest_s / 2)
        with self._marked(kind, members[0].name if len(members) == 1 else ""):
            for member in members:
                self.links.cut(member.name, drop=kind == "drop")
            begin_ns = _CLOCK.monotonic_ns()
            self._wait(seconds)
            for member in members:
                self.marks.add("cut", **_ended(Fault(kind, member.name, begin_ns, 0))._asdict())
            for member in members:
                self.links.heal(member.name)

    def _delay(self) -> None:
        member, seconds = self._one_of_them(), self.random.uniform(0.3, self.options.longest_s)
        with self._marked("delay", member.name):
            self.links.delay(member.name, self.random.choice((0.005, 0.02, 0.05, 0.2, 0.6)))
            self._wait(seconds)
            self.links.heal(member.name)


def _let_go(link: Wire | None) -> None:
    if link is not None:
        with suppress(redis.RedisError, OSError):
            link.disconnect()


def _ended(fault: Fault) -> Fault:
    """It is over."""
    return fault._replace(end_ns=_CLOCK.monotonic_ns())


def run(options: Options, say: Callable[[str], None] = lambda _: None) -> Outcome:
    """A run in a directory of its own, which is kept where something was found."""
    home = Path(tempfile.mkdtemp(prefix="ek-"))
    kept = True
    try:
        outcome = Run(options, home, say).run()
        kept = not outcome.sound
        return outcome
    finally:
        if kept:
            say(f"kept: {home}; again: {options.command}")
        else:
            shutil.rmtree(home)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit 0: nothing was found."""
    usual = Options()
    parser = argparse.ArgumentParser(prog="python -m tests.fault.processes", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seconds", type=float, default=usual.seconds, help="how long at least (%(default)s)")
    parser.add_argument("--servers", type=int, default=usual.servers, help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=usual.seed, help="of the faults (%(default)s)")
    parser.add_argument("--store", choices=("sentinels", "single"), default=usual.store, help="(%(default)s)")
    parser.add_argument("--lease-ms", type=int, default=usual.lease_ms, help="(%(default)s)")
    parser.add_argument("--guard-ms", type=int, default=usual.guard_ms, help="(%(default)s)")
    parser.add_argument("--in-flight", type=int, default=usual.in_flight, help="calls at a time and node (%(default)s)")
    parser.add_argument("--streams", type=int, default=usual.streams, help="streams at a time and node (%(default)s)")
    parser.add_argument("--publish-s", type=float, default=usual.publish_s, help="between publications (%(default)s)")
    parser.add_argument("--pause-s", type=float, default=usual.pause_s, help="between faults, about (%(default)s)")
    parser.add_argument("--decisions", type=int, default=0, help="not before there were so many")
    parser.add_argument("--activations", type=int, default=0, help="not before so many were published")
    parser.add_argument("--faults", type=int, default=0, help="not before there were so many")
    parser.add_argument("--kinds", nargs="+", choices=FAULTS, default=FAULTS, help="of faults (all)")
    given = vars(parser.parse_args(arguments))
    options = Options(**{**given, "kinds": tuple(given["kinds"])})
    logging.getLogger(LOG).setLevel(logging.ERROR)  # this process uses the store too, and finds it lost
    print(f"seed {options.seed}: {options.command}", flush=True)
    outcome = run(options, lambda text: print(text, flush=True))
    print(*outcome.lines(), sep="\n")
    return 0 if outcome.sound else 1


if __name__ == "__main__":
    sys.exit(main())
