"""Real processes for tests: started, watched until a condition holds, and ended with everything that they started."""

import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 30.0  # for what takes a moment
START_SECONDS = 400.0  # for a server that has to compile its kernels first, on a busy machine

KEPT = {"EINKLANG_CACHE_DIR"}  # what tests have in common: the compiled kernels

SERVE = """
import sys
from pathlib import Path
from server.app import serve
from server.settings import load
sys.exit(serve(load(), Path(sys.argv[1]) if len(sys.argv) > 1 else None))
"""

EDGE = """
import sys
from server.app import serve
from server.settings import load
sys.exit(serve(load(), edge=True))
"""

# A tenant whose rulesets take force soon, on a machine where a store's answer may take its time.
TERMS = {"EINKLANG_LEASE_MS": "1500", "EINKLANG_GUARD_MS": "100"}

# The smallest project with something to decide.
PROJECT = {
    "settings.promo": """\
settings {
  currency EUR
  timezone Europe/Berlin
  rounding half-up
  prices include tax
}

schema {
  attributes item {
    sku: text
    brand: text
  }
  channels pos, webshop
}

sequence deals

group deals "Deals" {
  gives discounts
  apply best per item
  prices original
}

products shirts "Shirts" {
  item.brand is "Acme"
}
""",
    "summer.promo": """\
promotion summer "Summer" {
  runs from 2020-01-01 until 2099-12-31
  sold everywhere
  for everyone
  get 20% off shirts
  group deals
}
""",
}


def project(directory: Path, percent: int = 20, **files: str) -> Path:
    """The smallest project, on disk; a name's "_" stands for a point."""
    directory.mkdir(parents=True, exist_ok=True)
    texts = PROJECT | {name.replace("_", "."): text for name, text in files.items()}
    for name, text in texts.items():
        (directory / name).write_text(text.replace("get 20% off", f"get {percent}% off"), "utf-8")
    return directory


T = TypeVar("T")


def until(condition: Callable[[], T], seconds: float = SECONDS, what: str = "a condition") -> T:
    """The condition's value once it is true; asked every few milliseconds. Fails after so many seconds."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not hold within {seconds:g} s"
        pause.wait(0.01)
    return value


def alive(pid: int) -> bool:
    """Whether a process of this id runs (one that has ended and was not collected does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False


def children(pid: int) -> list[int]:
    """The processes that this one started and that still run."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(word) for word in task.read_text().split()]
    return [child for child in found if alive(child)]


def command_of(pid: int) -> str:
    """Its command line."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""


class Server:
    """One `serve` process over its own directories."""

    def __init__(self, home: Path, directory: Path | None = None, *, program: str = SERVE, **environment: str) -> None:
        self.home = home
        self.log = home / "log"
        settings = {
            "EINKLANG_ADDRESS": "127.0.0.1:0",
            "EINKLANG_DATA_DIR": str(home / "data"),
            "EINKLANG_RUNTIME_DIR": str(home / "run"),
            "EINKLANG_FOLLOW_INTERVAL_MS": "20",
            "EINKLANG_DRAIN_PAUSE_MS": "0",
            "EINKLANG_LOG_FORMAT": "json",
            **TERMS,
            **environment,
        }
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("EINKLANG_") or name in KEPT
        }
        self._output = open(self.log, "ab")  # noqa: SIM115 - closed by `close`
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, *([str(directory)] if directory else [])],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._output,
            cwd=ROOT,
            env=inherited | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'proto'}"} | settings,
        )
        self.address = ""
        self.digest = ""
        self.entry = 0

    def ready(self, seconds: float = START_SECONDS) -> "Server":
        """Wait for the one line on standard output."""
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            raise AssertionError(f"not ready within {seconds:g} s: {self.said()}")
        words = self.process.stdout.readline().decode().split()
        assert words[:1] == ["ready"], f"ended with {self.process.wait(SECONDS)}: {self.said()}"
        self.address, self.entry, self.digest = words[1], int(words[3]), words[5]
        return self

    def said(self) -> str:
        """Its log."""
        return self.log.read_text("utf-8", "replace")

    def child(self, part: str) -> int:
        """The child whose command line holds this; waited for."""
        return until(
            lambda: next((pid for pid in children(self.process.pid) if part in command_of(pid)), 0),
            what=f"a child process {part}",
        )

    def stop(self, number: int = signal.SIGTERM, seconds: float = SECONDS) -> int:
        """Send a signal and wait for the end; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(seconds)

    def close(self) -> None:
        """End it whatever state it is in."""
        for pid in children(self.process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)  # one that was stopped by a test
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(SECONDS)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._output.close()


@contextmanager
def server(home: Path, directory: Path | None = None, **environment: str) -> Iterator[Server]:
    """A server process, not waited for, ended at the end."""
    started = Server(home, directory, **environment)
    try:
        yield started
    finally:
        started.close()


@contextmanager
def short_directory() -> Iterator[Path]:
    """A directory with a short path, for sockets."""
    with tempfile.TemporaryDirectory(prefix="ek-") as name:
        yield Path(name)
