"""Several serving processes behind one address: the parent starts them and watches over them, and serves nothing.

    address held → store → kernels loaded, modules imported → a fork for each worker → all are warm → all serve
    → a worker that ends is started again, after a pause that grows → SIGTERM or SIGINT → all drain → store → exit 0

Forked as long as the process has one thread and gRPC has not begun: so workers share the memory of what the parent
loaded, and a later one is there at once. All listen on one port (SO_REUSEPORT); the system gives each new connection
to one of them, which keeps it. Why so: docs/decisions/workers.md.

Parent and worker talk by a pair of sockets, one message at a time:

    worker → parent    listening              at the address; not serving yet
                       warm ENTRY DIGEST      a ruleset is in force and warm here
                       serving                as it was told to
                       order, and a socket    by which an order to publish comes; one at a time for all workers
                       answered               the order was
                       give-up                the order is of no use any more
    parent → worker    serve                  all are warm

The publishing process belongs to the parent: there is one, whichever worker is asked to publish.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import importlib
import json
import logging
import os
import secrets
import selectors
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from server import kernels
from server.clock import Clock, SystemClock
from server.embedded import EmbeddedStore, store_settings
from server.metrics import MetricsAddressTaken, served, shared_rows
from server.publish import publishing_command, publishing_environment
from server.settings import Settings
from server.signing import tell, trust_of
from server.store import opened
from server.telemetry import ROOT, Counters, Event, configure, say

MESSAGE_MAX: Final = 256
TICK_S: Final = 0.25
PAUSE_S: Final = 0.25  # before a worker that ended is started again; doubled each time
PAUSE_MOST_S: Final = 30.0
TELLER_S: Final = 10.0  # for who answers Prometheus, to start
STEADY_NS: Final = 60 * 10**9  # a worker that lived so long begins with the shortest pause again
END_S: Final = 10.0  # on top of what draining may take
PATIENT_S: Final = 30.0  # for a store that is still starting
BUSY: Final = json.dumps({"busy": True}).encode() + b"\n"


class AddressTaken(Exception):
    """The address cannot be served on; the message says why."""


class Worker:
    """A worker's own side."""

    def __init__(
        self,
        number: int,
        line: socket.socket,
        prepared: kernels.Prepared,
        *,
        late: bool,
        house: str = "",
        counters: Counters | None = None,
    ) -> None:
        """`prepared`: where the kernels are that its parent loaded. `late`: the others serve already, so that it must
        not be asked before it is warm. `house`: see server/lease.py. `counters`: where it counts."""
        self.prepared = prepared
        self.number = number
        self.late = late
        self.house = house
        self.counters = counters or Counters()
        self._line = line

    def listening(self) -> None:
        """Say that it can be reached."""
        self._line.send(b"listening")

    async def may_serve(self, sequence: int, digest: str) -> None:
        """Say that this one is warm; wait until all are."""
        told = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._line, told.set)
        try:
            self._line.send(f"warm {sequence} {digest}".encode())
            await told.wait()
        finally:
            loop.remove_reader(self._line)
        self._line.recv(MESSAGE_MAX)

    def serving(self) -> None:
        """Say that it serves."""
        self._line.send(b"serving")

    def hand_over(self, order: socket.socket) -> None:
        """Have the order that comes by this socket published."""
        socket.send_fds(self._line, [b"order"], [order.fileno()])

    def answered(self) -> None:
        """The order was answered."""
        self._line.send(b"answered")

    def give_up(self) -> None:
        """The order is of no use any more; nothing happens where it was answered."""
        self._line.send(b"give-up")


@dataclass(slots=True)
class _Running:
    """A worker, as the parent sees it."""

    number: int
    pid: int
    line: socket.socket
    since_ns: int
    listening: bool = False
    warm: tuple[int, str] | None = None  # entry, digest
    serving: bool = False


class _Asked(BaseException):
    """A signal asked for the end before there was anything to watch over."""


class Workers:
    """The parent."""

    def __init__(
        self,
        settings: Settings,
        project: Path | None,
        load_engine: Callable[[Settings], kernels.Prepared],
        serve_one: Callable[[Settings, Path | None, Worker], int],
        clock: Clock | None = None,
    ) -> None:
        """`serve_one`: what a worker does until its end; gives its exit code."""
        self._settings = settings
        self._project = project
        self._load_engine = load_engine
        self._serve_one = serve_one
        self._clock = clock or SystemClock()
        self._embedded = EmbeddedStore(settings, self._clock) if settings.store is None else None
        self._desk = _Desk(store_settings(settings))
        self._running: dict[int, _Running] = {}  # by number
        self._due_ns: dict[int, int] = {}  # by number: when it is started again
        self._pauses_s: dict[int, float] = {}
        self._served = False  # all of them, once
        self._asked: list[str] = []  # signals for the end
        self._watching = False
        self._code: int | None = None  # of a worker that cannot serve
        self._address = ""
        self._house = "" if self._embedded is None else new_house()
        self._rows = shared_rows(settings.workers)
        self._teller = 0  # the process that answers Prometheus; 0: there is none
        self._teller_due_ns = 1 << 62  # when it is started again
        self._teller_pause_s = PAUSE_S
        self._figures = ""  # its address

    def run(self) -> int:
        """From start to stop, from the main thread; the exit code. Raises what prevents serving."""
        try:
            with ExitStack() as stack:
                self._wake = stack.enter_context(self._signals())
                self._start(stack)
                with selectors.DefaultSelector() as self._selector:
                    self._selector.register(self._wake, selectors.EVENT_READ)
                    if self._settings.metrics_address is not None:
                        stack.callback(self._end_teller)
                        self._figures = self._fork_teller(self._settings.metrics_address)
                    for number in range(1, self._settings.workers + 1):
                        self._fork(number)
                    self._watch()
        except _Asked:
            pass
        return self._code or 0

    def _start(self, stack: ExitStack) -> None:
        self._held = stack.enter_context(_held(self._settings.address))
        self._address = f"{self._settings.address.rpartition(':')[0]}:{self._held.getsockname()[1]}"
        if self._embedded is not None:
            stack.callback(self._embedded.stop)
            self._embedded.launch()
        tell(trust_of(store_settings(self._settings), publishes=self._project is not None))
        stack.callback(self._desk.end)
        if self._project is not None:
            self._desk.begin()  # so that it is there when it is asked
        self._prepared = self._load_engine(self._settings)
        for module in ("grpc.aio", "grpc_health.v1.health", "server.rulesets", "server.services", "uvloop"):
            importlib.import_module(module)
        if self._embedded is not None:
            self._embedded.wait()
        asyncio.run(self._join_store())
        self._settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._settings.address_file is not None:
            stack.callback(self._settings.address_file.unlink, missing_ok=True)
        for thread in threading.enumerate():  # they have done their work, and may still be leaving
            if thread is not threading.main_thread():
                thread.join()
        kernels.trim()
        gc.collect()
        gc.freeze()  # what is shared is not looked at again, so that it stays shared

    async def _join_store(self) -> None:
        async with opened(store_settings(self._settings), patient_s=PATIENT_S) as store:
            say(Event.STORE_JOINED, about=store.about, store_id=store.store_id)
            store.tell_terms()

    # ------------------------------------------------------------------------------------------------ signals

    @contextmanager
    def _signals(self) -> Iterator[socket.socket]:
        """Signals are noted; the socket becomes readable by each."""
        wake, written = socket.socketpair()
        for end in (wake, written):
            end.setblocking(False)
        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
        before = {number: signal.signal(number, self._hear) for number in numbers}
        signal.set_wakeup_fd(written.fileno(), warn_on_full_buffer=False)
        try:
            yield wake
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)
            wake.close()
            written.close()

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGCHLD:
            self._asked.append(signal.Signals(number).name)
            if not self._watching:
                self._watching = True  # once: what is to be undone is undone in peace
                raise _Asked

    # ------------------------------------------------------------------------------------------------ watching

    def _watch(self) -> None:
        """Until all have ended, as they were asked to."""
        self._watching = True
        told = 0  # signals that were passed on
        end_ns = 0
        while self._running or not (self._asked or self._code):
            for key, _ in self._selector.select(self._patience_s()):
                if key.fileobj is self._wake:
                    with suppress(BlockingIOError):
                        self._wake.recv(1 << 12)
                else:
                    self._listen(key.data)
            self._collect()
            ends = bool(self._asked or self._code)
            if ends and not end_ns:
                if self._asked:
                    say(Event.DRAINING, signal=self._asked[0])
                most_s = (self._settings.drain_ms + self._settings.drain_pause_ms) / 1_000 + END_S
                end_ns = self._clock.monotonic_ns() + int(most_s * 1e9)
                self._send_all(signal.SIGTERM)
            elif ends and len(self._asked) > max(told, 1):
                self._send_all(signal.SIGTERM)
            elif ends and self._clock.monotonic_ns() > end_ns:
                self._send_all(signal.SIGKILL)
            told = len(self._asked)
            if not ends:
                self._start_again()
                if self._embedded is not None:
                    self._embedded.restart_if_gone()

    def _patience_s(self) -> float:
        """How long nothing is due."""
        soonest_ns = min((self._teller_due_ns, *self._due_ns.values())) - self._clock.monotonic_ns()
        return min(TICK_S, max(0.0, soonest_ns / 1e9))

    def _send_all(self, number: int) -> None:
        for one in self._running.values():
            with suppress(ProcessLookupError):
                os.kill(one.pid, number)

    def _collect(self) -> None:
        """Those that have ended."""
        for one in list(self._running.values()):
            pid, status = os.waitpid(one.pid, os.WNOHANG)
            if not pid:
                continue
            self._selector.unregister(one.line)
            one.line.close()
            del self._running[one.number]
            self._desk.worker_ended(one.number)
            code = os.waitstatus_to_exitcode(status)
            if self._asked or self._code:
                if code < 0:
                    say(Event.WORKER_LOST, worker=one.number, how=_how(code))
            elif code > 0 and not self._served:
                self._code = code  # it has said why
            else:
                now_ns = self._clock.monotonic_ns()
                steady = now_ns - one.since_ns >= STEADY_NS
                pause_s = PAUSE_S if steady else self._pauses_s.get(one.number, PAUSE_S)
                self._pauses_s[one.number] = min(2 * pause_s, PAUSE_MOST_S)
                self._due_ns[one.number] = now_ns + int(pause_s * 1e9)
                say(Event.WORKER_ENDED, worker=one.number, how=_how(code), seconds=pause_s)
        if self._teller:
            pid, status = os.waitpid(self._teller, os.WNOHANG)
            if pid:
                self._teller = 0
                self._teller_later(_how(os.waitstatus_to_exitcode(status)))

    def _start_again(self) -> None:
        now_ns = self._clock.monotonic_ns()
        for number in [number for number, due_ns in self._due_ns.items() if due_ns <= now_ns]:
            del self._due_ns[number]
            self._fork(number)
        if self._teller_due_ns <= now_ns:
            self._teller_due_ns = 1 << 62
            try:
                self._fork_teller(self._figures)
            except MetricsAddressTaken as error:
                self._teller_later(str(error))

    def _teller_later(self, how: str) -> None:
        """Who answers Prometheus has ended, or could not be started: again, each time after twice as long."""
        self._teller_due_ns = self._clock.monotonic_ns() + int(self._teller_pause_s * 1e9)
        say(Event.METRICS_ENDED, how=how, seconds=self._teller_pause_s)
        self._teller_pause_s = min(2 * self._teller_pause_s, PAUSE_MOST_S)

    def _listen(self, one: _Running) -> None:
        """One message of a worker."""
        try:
            message, descriptors, _, _ = socket.recv_fds(one.line, MESSAGE_MAX, 1)
        except OSError:
            return  # it has ended
        words = message.decode("ascii", "replace").split()
        match words:
            case ["listening"]:
                one.listening = True
                file = self._settings.address_file
                if file is not None and not self._served and all(w.listening for w in self._running.values()):
                    file.write_text(f"{self._address}\n", "utf-8")
            case ["warm", entry, digest]:
                one.warm = (int(entry), digest)
                if self._served:
                    _tell(one)
                elif len(self._running) == self._settings.workers and all(w.warm for w in self._running.values()):
                    for each in self._running.values():
                        _tell(each)
            case ["serving"]:
                one.serving = True
                if not self._served and all(w.serving for w in self._running.values()):
                    self._served = True
                    sequence, digest = max(w.warm for w in self._running.values() if w.warm)
                    with suppress(BrokenPipeError):  # nobody reads any more
                        sys.stdout.write(f"ready {self._address} entry {sequence} ruleset {digest}\n")
                        sys.stdout.flush()
            case ["order"]:
                self._desk.take(one.number, socket.socket(fileno=descriptors[0]))
            case ["answered"]:
                self._desk.answered(one.number)
            case ["give-up"]:
                self._desk.worker_ended(one.number)

    # ------------------------------------------------------------------------------------------------ forking

    def _fork(self, number: int) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._become(number, parent, ours, theirs)
        theirs.close()
        self._running[number] = _Running(number, pid, ours, self._clock.monotonic_ns())
        self._selector.register(ours, selectors.EVENT_READ, self._running[number])
        say(Event.WORKER_RUNS, worker=number, pid=pid)

    def _fork_teller(self, address: str) -> str:
        """The process that answers Prometheus: it reads what the workers count. Gives its address. Raises
        MetricsAddressTaken."""
        ours, theirs = socket.socketpair()
        parent, said = os.getpid(), ""
        pid = os.fork()
        if pid == 0:
            ours.close()
            self._tell_figures(address, parent, theirs)
        self._teller = pid
        theirs.close()
        ours.settimeout(TELLER_S)
        with ours, suppress(TimeoutError):
            said = ours.makefile("rb").read().decode("utf-8", "replace")
        if not said or said.startswith("!"):
            self._end_teller()
            raise MetricsAddressTaken(said[1:] or f"metrics_address {address}: its process did not start; see the log")
        say(Event.METRICS, address=said)
        return said

    def _end_teller(self) -> None:
        pid, self._teller = self._teller, 0
        if pid:
            _end(pid)

    def _tell_figures(self, address: str, parent: int, line: socket.socket) -> NoReturn:
        try:
            signal.set_wakeup_fd(-1)
            for stop in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
                signal.signal(stop, signal.SIG_DFL)
            os.setsid()
            ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
            if os.getppid() == parent:
                self._selector.close()
                for one in (self._wake, self._held, *(w.line for w in self._running.values())):
                    one.close()
                self._desk.let_go()
                if self._embedded is not None:
                    self._embedded.let_go()
                with served(address, self._rows) as where:
                    line.sendall(where.encode())
                    line.close()
                    signal.pause()
        except MetricsAddressTaken as error:
            line.sendall(f"!{error}".encode())
        except Exception:
            logging.getLogger(ROOT).exception("metrics")
        finally:
            os._exit(2)

    def _become(self, number: int, parent: int, ours: socket.socket, theirs: socket.socket) -> NoReturn:
        """The new process: lets go of what is the parent's, serves, and ends."""
        code = 2
        try:
            signal.set_wakeup_fd(-1)
            for stop in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
                signal.signal(stop, signal.SIG_DFL)
            os.setsid()  # a Ctrl-C at the terminal is the parent's to judge
            ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
            if os.getppid() != parent:
                os._exit(code)
            self._selector.close()
            for one in (ours, self._wake, self._held, *(w.line for w in self._running.values())):
                one.close()
            self._desk.let_go()
            if self._embedded is not None:
                self._embedded.let_go()
            configure(self._settings.log_format, self._settings.log_level, worker=number)
            settings = store_settings(self._settings).model_copy(
                update={"address": self._address, "address_file": None}
            )
            project = self._project if number == 1 and not self._served else None
            late, house, counters = self._served, self._house, self._rows[number - 1]
            worker = Worker(number, theirs, self._prepared, late=late, house=house, counters=counters)
            code = self._serve_one(settings, project, worker)
        except Exception:
            logging.getLogger(ROOT).exception("worker")
        finally:
            with suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)


class _Desk:
    """The publishing process of all workers: it is started by the first order, and again by a later one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._worker = 0  # whose order is under way

    def take(self, worker: int, order: socket.socket) -> None:
        """An order of this worker; or tell it that another one's is under way."""
        with order:
            if self._worker not in (0, worker):
                with suppress(OSError):
                    order.send(BUSY)
                return
            self._worker = worker
            for _ in range(2):  # it may be about to end
                if self._process is None or self._process.poll() is not None:
                    self.begin()
                assert self._line is not None
                with suppress(OSError):
                    socket.send_fds(self._line, [b"order"], [order.fileno()])
                    return
                self._stop()

    def answered(self, worker: int) -> None:
        """The order of this worker was."""
        if self._worker == worker:
            self._worker = 0

    def worker_ended(self, worker: int) -> None:
        """Or its order is of no use any more: if one is under way, it ends with the process, and changes nothing."""
        if self._worker == worker:
            self._stop()

    def let_go(self) -> None:
        """In a process that was forked: it is not this one's."""
        if self._line is not None:
            self._line.close()
        self._line, self._process = None, None

    def end(self) -> None:
        """End the process, with whatever it is doing."""
        self._stop()

    def begin(self) -> None:
        """Start the process."""
        self._stop()
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603
                [*publishing_command(), "shared"],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env=publishing_environment(self._settings),
                start_new_session=True,
            )

    def _stop(self) -> None:
        process, line = self._process, self._line
        self._process, self._line, self._worker = None, None, 0
        if line is not None:
            line.close()
        if process is not None:
            process.kill()
            process.wait()


def _end(pid: int) -> None:
    """End a child and wait for its end."""
    with suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def new_house() -> str:
    """A name for the processes of one server that alone uses a store of its own: all earlier ones are gone."""
    return f"local/{secrets.token_hex(8)}/"


def _tell(one: _Running) -> None:
    with suppress(OSError):  # it has just ended
        one.line.send(b"serve")


def _how(code: int) -> str:
    """Why a process ended, for people."""
    if code >= 0:
        return f"exit code {code}"
    with suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"


def _held(address: str) -> socket.socket:
    """The address, bound and not listened on: nobody else gets it, and workers may share it. Raises AddressTaken."""
    host, _, port = address.rpartition(":")
    taken = AddressTaken(f"{address} cannot be served on: it is in use, or not an address of this machine")
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as alone:
            # As one that shares with nobody: other servers that would share are found, too. Connections that have
            # just ended do not count.
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            alone.bind(place)
            place = alone.getsockname()
        held = socket.socket(family, kind, protocol)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(place)
    except OSError:
        raise taken from None
    return held
