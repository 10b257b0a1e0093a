"""A real `einklang serve` for the demos: a process of its own that never outlives the one that started it.

What can go wrong: `ServerEnded`. Why, is told by the server's log, which is passed on line by line as it comes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
HOME: Final = ROOT / ".einklang"  # git-ignored
STOP_SECONDS: Final = 20.0

# Becomes the server once the kernel has promised to end it with its parent, whatever ends that one. A session of its
# own: Ctrl-C reaches the parent alone, which then asks the server to drain.
_TRAMPOLINE: Final = """
import ctypes, os, sys
os.setsid()
if sys.platform == "linux" and ctypes.CDLL(None).prctl(1, 15, 0, 0, 0) != 0:
    sys.exit("prctl failed")
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""


class ServerEnded(Exception):
    """The server ended before it was asked to; its log says why. `code`: its exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the server ended with {code}; its log above says why")
        self.code = code


@dataclass(frozen=True)
class Running:
    """A server that is starting, or ready."""

    process: subprocess.Popen[str]

    def ready(self) -> Ready:
        """Wait until it answers requests. Raises ServerEnded."""
        assert self.process.stdout is not None
        words = self.process.stdout.readline().split()
        if words[:1] != ["ready"]:
            raise ServerEnded(self.process.wait())
        return Ready(address=words[1], ruleset=words[5])

    def workers(self) -> list[int]:
        """The processes that serve, once it is ready: this one, or those that it has forked."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        forked = [int(pid) for pid in children.read_text().split() if _command(int(pid)) == _command(self.process.pid)]
        return forked or [self.process.pid]

    def wait(self) -> int:
        """Block until it ends; its exit code."""
        return self.process.wait()


@dataclass(frozen=True, slots=True)
class Ready:
    """Where a server answers, host:port, and by which ruleset (its digest)."""

    address: str
    ruleset: str


@contextmanager
def serving(
    project: Path, data_dir: Path, listen: str, tell: Callable[[str], None], options: Sequence[str] = ()
) -> Iterator[Running]:
    """Start `einklang serve project` with the embedded store in `data_dir`; `options`: of the command, further ones.

    `listen`: host:port, port 0 for a free one. `tell`: called with each line of the server's log, from a thread. At the
    end of the block the server drains and ends, with its store."""
    command = ["server.cli", "serve", str(project), "--listen", listen, "--data-dir", str(data_dir), *options]
    with started(command, tell) as process:
        yield Running(process)


@contextmanager
def started(module: Sequence[str], tell: Callable[[str], None]) -> Iterator[subprocess.Popen[str]]:
    """Run a module of this project, its name and arguments given, until the end of the block; SIGTERM ends it."""
    command = [sys.executable, "-m", *module]
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _TRAMPOLINE, str(os.getpid()), *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        cwd=ROOT,
    )

    def pass_on() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            tell(line.rstrip("\n"))

    reader = threading.Thread(target=pass_on, name="server log", daemon=True)
    reader.start()
    try:
        yield process
    finally:
        _end(process)
        reader.join(STOP_SECONDS)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


@contextmanager
def orderly_end() -> Iterator[Callable[[], int]]:
    """Inside the block SIGTERM and SIGHUP end this process as Ctrl-C does: KeyboardInterrupt, where it is safe.

    Gives a function for the exit code of whoever was ended so: 128 and the signal's number."""
    came = [signal.SIGINT]

    def interrupt(number: int, _frame: FrameType | None) -> None:
        came[0] = signal.Signals(number)
        signal.raise_signal(signal.SIGINT)  # an event loop has its own way to take it

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield lambda: 128 + came[0]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def here(path: Path) -> str:
    """A path as one would type it in the project's directory."""
    with suppress(ValueError):
        return path.relative_to(ROOT).as_posix()
    return str(path)


def python() -> str:
    """The interpreter of this environment, as one would type it in the project's directory."""
    return here(Path(sys.executable))


def _command(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _end(process: subprocess.Popen[str]) -> None:
    """Ask it to end, then insist."""
    for ask in (process.terminate, process.terminate, process.kill):
        if process.poll() is not None:
            return
        ask()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
