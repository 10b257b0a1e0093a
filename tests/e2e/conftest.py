"""The real process with the real store: started once a worker, found by the line it prints, ended for certain."""

from __future__ import annotations

import contextlib
import os
import queue
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest

from tests.running import TERMS

ROOT = Path(__file__).resolve().parents[2]
PROJECT = Path(__file__).resolve().parent / "project"
START_SECONDS = 400  # the kernels are compiled (tests/conftest.py); a busy machine takes its time
END_SECONDS = 30


@dataclass
class Server:
    """A running `einklang serve`."""

    process: subprocess.Popen[str]
    address: str
    data_dir: Path
    ready: str  # the line that it printed
    log: list[str] = field(default_factory=list)

    def family(self) -> dict[int, str]:
        """The process and everything that works for it (its store), by process id, with its command line."""
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    if str(self.data_dir) in words:
                        found[int(entry.name)] = words
        return found


def start(data_dir: Path, project: Path | None = PROJECT, *options: str, terms: Mapping[str, str] = TERMS) -> Server:
    """Start a server on a free port and wait until it says that it is ready."""
    command = [sys.executable, "-m", "server.cli", "serve"]
    command += [str(project)] if project else []
    command += ["--listen", "127.0.0.1:0", "--data-dir", str(data_dir), *options]
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'proto'}",
        "EINKLANG_DRAIN_PAUSE_MS": "0",
        **terms,
    }
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    said: queue.Queue[str] = queue.Queue()
    log: list[str] = []

    def read_out() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            said.put(line)
        said.put("")

    def read_err() -> None:
        assert process.stderr is not None
        log.extend(process.stderr)

    for reader in (read_out, read_err):
        threading.Thread(target=reader, daemon=True).start()
    try:
        ready = said.get(timeout=START_SECONDS)
    except queue.Empty:
        ready = ""
    if not ready.startswith("ready "):
        process.kill()
        process.wait()
        pytest.fail(f"the server did not become ready: {ready!r}\n{''.join(log[-30:])}")
    return Server(process, ready.split()[1], data_dir, ready.strip(), log)


def end(server: Server) -> int:
    """SIGTERM, and wait for the end. Gives the exit code; kills what does not end."""
    server.process.send_signal(signal.SIGTERM)
    try:
        return server.process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        server.process.kill()
        server.process.wait()
        pytest.fail(f"the server did not end on SIGTERM\n{''.join(server.log[-30:])}")


@contextlib.contextmanager
def watching(pids: list[int]) -> Iterator[list[int]]:
    """Descriptors that become readable when these processes end; those that ended already are left out."""
    watched = []
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            watched.append(os.pidfd_open(pid))
    try:
        yield watched
    finally:
        for descriptor in watched:
            os.close(descriptor)


def all_ended(watched: list[int], seconds: float) -> bool:
    """Wait until all of them have ended."""
    for descriptor in watched:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        if not poll.poll(seconds * 1_000):
            return False
    return True


@contextlib.contextmanager
def running(data_dir: Path, project: Path | None = PROJECT, *options: str) -> Iterator[Server]:
    """A server for the length of a block."""
    server = start(data_dir, project, *options)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            end(server)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The worker's server."""
    # Nothing is published to it, and it is treated badly on a busy machine: its lease may be long.
    patient = {"EINKLANG_LEASE_MS": "20000", "EINKLANG_GUARD_MS": "200"}
    started = start(tmp_path_factory.mktemp("server") / "data", terms=patient)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            end(started)


@pytest.fixture(scope="session")
def channel(server: Server) -> Iterator[grpc.Channel]:
    """A channel to the worker's server."""
    with grpc.insecure_channel(server.address) as opened:
        yield opened
