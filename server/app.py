"""The composition root: the only module that knows every part, and the order in which they start and stop.

    embedded store, or the one that was named → checked, functions loaded
    → the project is published by a process of its own, while another one compiles the engine where that is still to do
    → gRPC: health, reflection, the services → follow the Timeline → an image is warm → ready
    → SIGTERM or SIGINT → not serving → a pause, for whoever sends calls to notice → calls in flight finish
    → gRPC, follower, store end → exit 0

Exit codes: 0 stopped as asked; 1 the project does not compile and nothing was in force before; 2 anything else that
prevents serving, told on standard error.

Standard output has one line, once requests are answered:  ready 127.0.0.1:50051 entry 1 ruleset <digest>
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import importlib.metadata
import ipaddress
import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO
from weakref import WeakValueDictionary

from server import kernels, lease
from server.activate import CERTAIN, SCHEDULED, SOON_US, Machine, RulesetHolder, Standing, aside, busy, follow
from server.clock import Clock, SystemClock
from server.edge_disk import EdgeInUse, OtherTenant
from server.embedded import EmbeddedStore, EmbeddedStoreError, store_settings
from server.instants import local, span
from server.keeper import Keeper
from server.metrics import MetricsAddressTaken, served
from server.parts import CheckedImages, PartFiles
from server.publish import Finding, Publisher, PublishFailed, PublishRefused, PublishResult, read_project
from server.settings import BadSettings, Settings, unknown_variables
from server.signing import tell as tell_trust
from server.signing import trust_of
from server.store import Store, StoreError, opened
from server.telemetry import Counters, Event, Metric, configure, say
from server.workers import AddressTaken, Worker, Workers, new_house

if TYPE_CHECKING:
    from server.edge import Edge
    from server.rulesets import RulesetServicer
    from server.services import DecisionServicer, Gate

PATIENT_S: Final = 30.0  # for a store that is still starting
CATCH_UP_S: Final = 30.0  # a publication's answer waits so long for its ruleset to be warm here
SWITCH_S: Final = 0.0005  # after so long a thread lets others go on; usually it is 5 ms, and leases would be late
QUIET_S: Final = 0.05  # without a call: then most callers have gone elsewhere
QUIET_MOST_S: Final = 1.0  # to wait for that
HOLD_S: Final = 0.1  # without another call: who would come again soon waits here, none is on its way
HOLD_MOST_S: Final = 0.4  # to keep callers waiting for that
PART_S: Final = 0.05  # until connections have been told to end
REFUSE_AHEAD_S: Final = 0.5  # a publication that cannot finish is told so before its call is cut off
WATCH_S: Final = 0.1  # what the health service says is at most so old
DECISIONS: Final = "einklang.v1.DecisionService"
RULESETS: Final = "einklang.v1.RulesetService"


class CannotServe(Exception):
    """The server cannot start; the message says why. `code`: the exit code."""

    def __init__(self, message: str, code: int = 2) -> None:
        super().__init__(message)
        self.code = code


def serve(settings: Settings, project: Path | None = None, *, edge: bool = False) -> int:
    """Serve until SIGTERM or SIGINT; blocks, from the main thread. Publishes `project` first. Returns the exit code.

    `edge`: what is needed to go on without the store is kept in the data directory, which is this process's alone."""
    configure(settings.log_format, settings.log_level)
    for name, meant in unknown_variables().items():
        say(Event.SETTING_UNKNOWN, name=name, hint=f"; is {meant} meant?" if meant else "")
    # The publishing process is started by fork and exec at once; gRPC's handlers for processes that go on after a fork
    # may end it before it began. gRPC reads this when it is imported: nothing here imports it before.
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # of numpy's linear algebra: nobody asks it anything
    if edge and (settings.store is None or settings.workers > 1):
        unfit = "needs the address of the store (--store)" if settings.store is None else "is one process (--workers 1)"
        return _told(CannotServe(f"an edge {unfit}"))
    alone = settings.workers == 1
    code = serve_one(settings, project, edge=edge) if alone else _serve_several(settings, project)
    if busy():  # stopped while a ruleset was loading: everything else has ended in order
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def _serve_several(settings: Settings, project: Path | None) -> int:
    try:
        code = Workers(settings, project, _load_engine_first, serve_one).run()
    except TOLD as error:
        return _told(error)
    if code == 0:
        say(Event.STOPPED)
    return code


def serve_one(settings: Settings, project: Path | None, worker: Worker | None = None, *, edge: bool = False) -> int:
    """One serving process. `worker`: which one of several, whose parent has loaded the engine."""
    sys.setswitchinterval(SWITCH_S)
    factory = None
    if settings.uvloop:
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(_guarded(settings, project, worker, edge))


async def _guarded(settings: Settings, project: Path | None, worker: Worker | None, edge: bool) -> int:
    """Serve, with signals and errors turned into an exit code."""
    node = Node(settings, project, worker=worker, edge=edge)
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(node.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, node.end, signal.Signals(number).name, task)
    try:
        await task
    except asyncio.CancelledError:
        if not node.ending:
            raise
    except PublishRefused as refused:
        _write(sys.stderr, render(refused.diagnostics))
        say(Event.PUBLISH_REFUSED, errors=sum(found.severity == "error" for found in refused.diagnostics))
        return 1
    except TOLD as error:
        return _told(error)
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
    if worker is None:
        say(Event.STOPPED)
    return 0


def _told(error: Exception) -> int:
    """What prevents serving, said in a sentence; the exit code."""
    _write(sys.stderr, f"einklang: {error}")
    code: int = getattr(error, "code", 2)
    return code


class Node:
    """One serving process."""

    def __init__(
        self,
        settings: Settings,
        project: Path | None,
        clock: Clock | None = None,
        worker: Worker | None = None,
        edge: bool = False,
    ) -> None:
        self.worker = worker
        self.settings = settings
        self.project = project
        self.clock: Clock = clock or SystemClock()
        self.counters = Counters() if worker is None else worker.counters
        self.edge: Edge | None = None
        if edge:
            from server.edge import Edge  # brings grpc, which must not be here when processes are started by fork

            self.edge = Edge(settings, self.clock, self.counters)
        self.publisher = Publisher(worker)
        self.ending = ""  # the signal that asked for the end
        self.name = f"{socket.gethostname()}/{os.getpid()}"
        self._stop = asyncio.Event()
        self._serving = False
        self._wake = asyncio.Event()

    def end(self, name: str, task: asyncio.Future[None]) -> None:
        """Drain; before the server serves, or when asked twice: stop at once."""
        if self.ending or not self._serving:
            task.cancel()
        self.ending = name
        self._stop.set()

    async def run(self) -> None:
        """Everything from start to stop; whatever ends it, all parts are ended in the reverse order."""
        async with AsyncExitStack() as stack:
            embedded = None
            edge = self.edge
            if edge is not None:
                edge.open()
                stack.callback(edge.close)
            if self.settings.store is None:
                embedded = EmbeddedStore(self.settings, self.clock)
                stack.callback(embedded.stop)
                embedded.launch()
            if self.worker is None and self.settings.metrics_address is not None:
                where = stack.enter_context(served(self.settings.metrics_address, [self.counters]))
                say(Event.METRICS, address=where)
            settings = store_settings(self.settings)
            trust = trust_of(settings, publishes=self.project is not None)
            preparing = await stack.enter_async_context(_task(self._prepared()))
            loaded = threading.Event()
            loading = await stack.enter_async_context(_task(_load_engine(preparing, self.settings, loaded)))
            if embedded is not None:
                await asyncio.to_thread(embedded.wait)
            remembered = None if edge is None else edge.remembered
            store = await stack.enter_async_context(opened(settings, patient_s=PATIENT_S, remembered=remembered))
            stack.push_async_callback(self.publisher.close)
            if self.worker is None:
                tell_trust(trust)
            heard: list[Callable[[], object]] = []  # who is told once there is somebody
            lessee = self._lessee(store, embedded is not None)
            keeper = Keeper(store, lessee, self.clock, self.counters)

            def start() -> None:
                keeper.start(lambda: _each(heard))

            if edge is not None:
                stack.push_async_callback(asyncio.to_thread, edge.note_now, store, keeper)
                edge.restore(lessee)
            stack.push_async_callback(asyncio.to_thread, keeper.stop)
            if store.joined:
                if edge is not None:
                    edge.joined(store)
                elif self.worker is None:
                    say(Event.STORE_JOINED, about=store.about, store_id=store.store_id)
                    store.tell_terms()
                start()
            elif edge is not None:
                await stack.enter_async_context(_task(edge.join(store, keeper, lessee, start)))
            publishing = None
            if self.project is not None:
                publishing = await stack.enter_async_context(_task(self._publish_project(self.project)))
            _private(settings.data_dir)
            files = PartFiles(settings.data_dir / "parts", self.counters)
            prepared = await preparing
            checked = CheckedImages(settings.data_dir / "parts", prepared.directory.name)
            machine = await asyncio.to_thread(_machine, loaded, self.clock, checked)
            holder = RulesetHolder(
                store,
                files,
                machine,
                self.clock,
                self.counters,
                trust=trust,
                known=keeper,
                node=self.name,
                build=version(),
            )
            loop = asyncio.get_running_loop()
            heard.append(lambda: loop.call_soon_threadsafe(self._hear, holder))
            await stack.enter_async_context(
                _task(follow(holder, settings.follow_interval_ms, self._wake, lambda: self._tend(embedded)))
            )
            if self.worker is not None and self.worker.late:
                await holder.ready.wait()  # not bound before: the others serve already
            doors = await stack.enter_async_context(self._doors(holder, store))
            if edge is not None:
                await stack.enter_async_context(_task(edge.tend(store, keeper, doors.decisions.again)))
            ready = self._become_ready(holder, publishing, doors, store, keeper)
            waiting = await stack.enter_async_context(_task(ready))
            await stack.enter_async_context(_task(self._watch(holder, doors)))
            stopping = await stack.enter_async_context(_task(self._stop.wait()))
            tasks = {loading, waiting, stopping}
            while stopping in tasks:
                done, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()  # raises what prevents serving
            say(Event.DRAINING, signal=self.ending)
            await doors.drain(self.settings)  # while the Timeline is still followed: publications wait for it

    def _lessee(self, store: Store, embedded: bool) -> lease.Node:
        """Who holds the leases of this process. The processes of a server that has a store of its own are one house."""
        house = self.worker.house if self.worker is not None else new_house() if embedded else ""
        holder = f"{house or f'{self.name}/'}{secrets.token_hex(8)}"
        return lease.Node(store.terms, holder, house, node=self.name)

    def _hear(self, holder: RulesetHolder) -> None:
        holder.changed()
        self._wake.set()

    async def _watch(self, holder: RulesetHolder, doors: Doors) -> None:
        """The health service says whether baskets are decided here, and the log how sure that is, from the beginning
        to the end."""
        said = CERTAIN
        while not self._stop.is_set():
            if self._serving:
                if holder.answers != doors.deciding:
                    await doors.decide(holder.answers)
                standing = holder.standing()
                if isinstance(standing, Standing) and standing.certainty != said:
                    said = standing.certainty
                    if said == SCHEDULED:
                        until, left = local(holder.scheduled_until_us), span(holder.scheduled_left_us())
                        say(Event.DECIDES_SCHEDULED, until=until, left=left)
                    else:
                        say(Event.DECIDES_CERTAIN)
            await holder.change(WATCH_S)

    async def _prepared(self) -> kernels.Prepared:
        """Where the kernels are. A worker's parent has loaded them."""
        if self.worker is not None:
            return self.worker.prepared
        return await aside(kernels.prepare, self.settings.cache_dir)

    async def _publish_project(self, project: Path) -> PublishResult:
        files = await asyncio.to_thread(read_project, project, self.settings.source_bytes_max)

        def tell(step: str, _known: Mapping[str, object]) -> None:
            say(Event.PUBLISH_STEP, step=step)

        return await self.publisher(files, author=_user(), reason="serve", settings=self.settings, progress=tell)

    async def _become_ready(
        self,
        holder: RulesetHolder,
        publishing: asyncio.Future[PublishResult] | None,
        doors: Doors,
        store: Store,
        keeper: Keeper,
    ) -> None:
        """Wait for the project's ruleset to be in force, or without one for any; then open."""
        if publishing is not None:
            try:
                result = await publishing
            except (PublishRefused, PublishFailed) as error:
                if not await self._something_in_force(holder):
                    raise
                if isinstance(error, PublishRefused):
                    _write(sys.stderr, render(error.diagnostics))
                    say(Event.PUBLISH_REFUSED, errors=sum(f.severity == "error" for f in error.diagnostics))
                else:
                    say(Event.PUBLISH_FAILED, reason=str(error))
            else:
                if result.diagnostics:
                    _write(sys.stderr, render(result.diagnostics))
                event = Event.PUBLISH_UNCHANGED if result.unchanged else Event.PUBLISHED
                say(event, digest=result.digest, sequence=result.sequence)
                self._wake.set()
                await holder.settled(result.sequence, store.terms.outlasts_us + SOON_US)
        await holder.ready.wait()
        active = holder.in_force
        assert active is not None, "ready says that something is in force"
        gc.collect()
        gc.freeze()  # what is loaded by now stays: searching it for garbage would only make callers wait
        if self.worker is not None:
            await self.worker.may_serve(active.sequence, active.digest)
        if self.edge is not None:
            await asyncio.to_thread(self.edge.note_now, store, keeper)  # killed from here on, it comes back alone
        await doors.open()
        self._serving = True
        if self.worker is not None:
            self.worker.serving()
        else:
            _write(sys.stdout, f"ready {doors.address} entry {active.sequence} ruleset {active.digest}")

    async def _something_in_force(self, holder: RulesetHolder) -> bool:
        """Whether an earlier ruleset is, or will be after loading, in force here."""
        await holder.stepped.wait()
        return holder.in_force is not None or bool(holder.status().pending)

    def _tend(self, embedded: EmbeddedStore | None) -> None:
        """Start the embedded store again if it ended."""
        if embedded is not None and embedded.restart_if_gone():
            self.counters.add(Metric.STORE_RESTARTS)

    @asynccontextmanager
    async def _doors(self, holder: RulesetHolder, store: Store) -> AsyncIterator[Doors]:
        """The gRPC server: bound and started, not serving yet. Drains at the end."""
        import grpc
        from grpc_health.v1 import health, health_pb2_grpc
        from grpc_reflection.v1alpha import reflection

        from server import services  # holds kernels: only after kernels.prepare
        from server.rulesets import RulesetServicer

        async def published(result: PublishResult) -> None:
            self._wake.set()
            if not holder.ready.is_set():
                return  # it still compiles its engine, perhaps: nobody can ask it yet
            with suppress(TimeoutError):
                async with asyncio.timeout(CATCH_UP_S):
                    await holder.settled(result.sequence)

        # Workers share a port, servers do not: two would each answer half of the calls unnoticed.
        shared = int(self.worker is not None)
        options = {**dict(services.server_options(self.settings.request_bytes_max)), "grpc.so_reuseport": shared}
        server = grpc.aio.server(options=list(options.items()), maximum_concurrent_rpcs=services.CONCURRENT_RPCS_MAX)
        decisions = services.DecisionServicer(
            holder,
            tenant=self.settings.tenant,
            node=self.name,
            build=version(),
            counters=self.counters,
            threads=max(1, (os.cpu_count() or 1) // self.settings.workers),
            keep=None if self.edge is None else self.edge.keep,
        )
        rulesets = RulesetServicer(
            holder, self.settings, publish_files=self.publisher, staged=self._wake.set, published=published, store=store
        )
        gate = services.Gate()
        names = services.register(server, decisions, rulesets, self.counters, gate)
        checks = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(checks, server)
        if self.settings.reflection:
            reflection.enable_server_reflection((*names, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
        doors = Doors(server, checks, names, _bind(server, self.settings.address), rulesets, gate, decisions)
        await doors.close()
        await server.start()
        say(Event.LISTENING, address=doors.address)
        if not _is_loopback(self.settings.address) and (self.worker is None or self.worker.number == 1):
            say(Event.UNPROTECTED, address=doors.address)
        if self.worker is not None:
            self.worker.listening()
        if self.settings.address_file is not None:
            self.settings.address_file.write_text(f"{doors.address}\n", "utf-8")
        try:
            yield doors
        finally:
            if self.settings.address_file is not None:
                self.settings.address_file.unlink(missing_ok=True)
            await server.stop(0)


# What prevents serving and is told in a sentence.
TOLD: Final = (
    CannotServe,
    AddressTaken,
    MetricsAddressTaken,
    OSError,
    BadSettings,
    EmbeddedStoreError,
    EdgeInUse,
    OtherTenant,
    StoreError,
    PublishFailed,
    kernels.CacheUnsafe,
    kernels.NotCompiled,
    kernels.Incomplete,
)


@dataclass
class Doors:
    """The gRPC server with its health."""

    server: Any
    checks: Any
    names: tuple[str, ...]
    address: str  # as bound
    rulesets: RulesetServicer
    gate: Gate
    decisions: DecisionServicer
    deciding: bool = False  # as the health service says

    async def close(self) -> None:
        """Not serving, but that rulesets can be published."""
        for name in ("", *self.names):
            await self._set(name, name == RULESETS)

    async def open(self) -> None:
        """Serving: what is not served yet stays closed."""
        for name in ("", DECISIONS, RULESETS):
            await self._set(name, True)
        self.deciding = True
        say(Event.SERVING, address=self.address)

    async def decide(self, deciding: bool) -> None:
        """Whether baskets are decided now: there is a lease, and the ruleset in force is loaded."""
        self.deciding = deciding
        await self._set(DECISIONS, deciding)
        say(Event.DECIDES_AGAIN if deciding else Event.DECIDES_NOT)

    async def drain(self, settings: Settings) -> None:
        """Not serving, says the health service; then a pause in which calls are still answered; then new ones are told
        to come again; when none comes any more, those in flight finish. A publication that cannot finish in time is
        told so.

        gRPC cuts off what arrives while it stops (CANCELLED; grpc/grpc#41785). So whoever still comes again and again
        is kept waiting for a moment, in flight, and told only once the connections have been told to end."""
        self.rulesets.stop_taking()
        await self.checks.enter_graceful_shutdown()
        await asyncio.sleep(settings.drain_pause_ms / 1_000)
        self.gate.shut = True
        await self.gate.quiet(QUIET_S, QUIET_MOST_S)
        self.gate.hold()
        await self.gate.quiet(HOLD_S, HOLD_MOST_S)
        seconds = settings.drain_ms / 1_000
        async with asyncio.TaskGroup() as ending:
            ending.create_task(self.server.stop(seconds))
            ending.create_task(self.rulesets.finish(max(0.0, seconds - REFUSE_AHEAD_S)))
            await asyncio.sleep(PART_S)
            self.gate.let_go()

    async def _set(self, name: str, serving: bool) -> None:
        from grpc_health.v1 import health_pb2

        states = health_pb2.HealthCheckResponse
        await self.checks.set(name, states.SERVING if serving else states.NOT_SERVING)


async def _load_engine(
    preparing: asyncio.Future[kernels.Prepared], settings: Settings, loaded: threading.Event
) -> None:
    """Have the kernels compiled, if they are not yet, and loaded, beside whatever else is under way. Raises
    kernels.CacheUnsafe and kernels.NotCompiled."""
    prepared = await preparing
    if prepared.compiled:
        try:
            await aside(kernels.load_here)
        except kernels.Incomplete as lacking:
            say(Event.KERNELS_LACKING, reason=str(lacking))
            prepared.doubt()
    if not prepared.compiled:
        say(Event.KERNELS_COMPILE)
        await kernels.compile_apart(settings, lambda how_far: say(Event.KERNELS_PROGRESS, how_far=how_far))
        await aside(kernels.load_here)
    loaded.set()


def _load_engine_first(settings: Settings) -> kernels.Prepared:
    """The same, before anything else; blocks."""

    async def load() -> kernels.Prepared:
        prepared = kernels.prepare(settings.cache_dir)
        preparing = asyncio.get_running_loop().create_future()
        preparing.set_result(prepared)
        await _load_engine(preparing, settings, threading.Event())
        return prepared

    return asyncio.run(load())


def _machine(compiled: threading.Event, clock: Clock, checked: CheckedImages) -> Machine:
    """The engine; its kernel cache is set. Rulesets are warmed once it is compiled."""
    from engine.decide import warm
    from engine.direct import Direct
    from engine.image import Ruleset, load, reopen
    from engine.parts import ImageRejected, parts_of
    from server.self_test import self_test

    began_ns = clock.monotonic_ns()
    done = False
    kept: WeakValueDictionary[tuple[str, str], Any] = WeakValueDictionary()  # parts of the rulesets that are loaded

    def warm_and_note(ruleset: Ruleset) -> None:
        nonlocal done
        compiled.wait()
        warm(ruleset)
        if not done:
            done = True
            kernels.trim()
            say(Event.KERNELS_READY, seconds=(clock.monotonic_ns() - began_ns) / 1e9)

    def load_at_once(manifest: bytes, parts: Mapping[str, memoryview]) -> Ruleset:
        digest = hashlib.sha256(manifest).hexdigest()
        if checked.has(digest):
            with suppress(ImageRejected):  # said below
                return reopen(manifest, parts, kept)  # the parts have their digests: PartFiles saw to that
        say(Event.IMAGE_CHECKED, digest=digest)
        gc.disable()  # what is read of a large ruleset is a million objects, and none of them garbage
        try:
            ruleset = load(manifest, parts, kept)
        finally:
            gc.enable()
        checked.add(digest)
        kernels.trim()  # of what was read in order to check it
        return ruleset

    return Machine(parts_of, load_at_once, warm_and_note, ImageRejected, Direct, self_test)


def _each(heard: list[Callable[[], object]]) -> None:
    for tell in heard:
        tell()


def _bind(server: Any, address: str) -> str:
    """Bind, and say where. Raises CannotServe."""
    try:
        port = server.add_insecure_port(address)
    except RuntimeError:
        port = 0
    if not port:
        raise CannotServe(f"{address} cannot be served on: it is in use, or not an address of this machine")
    return f"{address.rpartition(':')[0]}:{port}"


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def render(findings: tuple[Finding, ...]) -> str:
    """Diagnostics as lines for people: place, severity and code, message, help."""
    lines = []
    for found in findings:
        place = f"{found.file}:{found.line}:{found.column}: " if found.line else f"{found.file}: " if found.file else ""
        lines.append(f"{place}{found.severity}[{found.code}]: {found.message}")
        lines.extend(f"  help: {line}" for line in found.help.splitlines())
    return "\n".join(lines)


def _write(stream: TextIO, text: str) -> None:
    with suppress(BrokenPipeError):  # nobody reads any more
        stream.write(f"{text}\n")
        stream.flush()


def version() -> str:
    """The installed version, or "source" in a source tree."""
    try:
        return importlib.metadata.version("einklang")
    except importlib.metadata.PackageNotFoundError:
        return "source"


def _user() -> str:
    import pwd

    with suppress(KeyError):
        return pwd.getpwuid(os.getuid()).pw_name
    return f"uid {os.getuid()}"


def _private(path: Path) -> None:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


@asynccontextmanager
async def _task(work: Any) -> AsyncIterator[asyncio.Future[Any]]:
    """The work as a task, cancelled and awaited at the end."""
    task = asyncio.ensure_future(work)
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):  # asked twice to end: not waited for
            await asyncio.wait({task})
        if task.done() and not task.cancelled():
            task.exception()  # whoever waited for it was told
