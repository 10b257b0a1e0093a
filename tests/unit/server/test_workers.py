"""What the parent of several serving processes does, with workers that do nothing."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys

import pytest

from server import workers
from server.settings import BadSettings, load
from server.workers import AddressTaken
from tests.running import ROOT, SECONDS

PARENT = """
import os, signal, sys, time
from server import workers
from server.settings import load
from server.telemetry import configure

class Parent(workers.Workers):
    def _start(self, stack):
        self._held = stack.enter_context(workers._held(self._settings.address))
        self._address, self._prepared = "nowhere", None

def serve_one(settings, project, worker):
    if worker.number == 2:
        os._exit(int(sys.argv[1]))
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    while True:
        signal.pause()

workers.PAUSE_S = 0.001
configure("json", "info")
settings = load({"address": "127.0.0.1:0", "workers": 2, "store": "redis://127.0.0.1:1"})
sys.exit(Parent(settings, None, None, serve_one).run())
"""


def parent(code: int) -> subprocess.Popen[str]:
    """Two workers, of which the second ends at once with this code."""
    return subprocess.Popen(
        [sys.executable, "-c", PARENT, str(code)], stderr=subprocess.PIPE, text=True, cwd=ROOT, env={"PYTHONPATH": "."}
    )


def test_a_worker_that_ends_is_started_again_after_longer_and_longer_pauses():
    with parent(0) as process:
        assert process.stderr is not None
        pauses: list[float] = []
        while len(pauses) < 6:
            line = json.loads(process.stderr.readline())
            if line["event"] == "worker.ended":
                assert (line["worker"], line["how"]) == (2, "exit code 0")
                pauses.append(line["seconds"])
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
    assert pauses == [0.001 * 2**number for number in range(6)]


def test_a_worker_that_cannot_serve_ends_the_server():
    with parent(2) as process:
        assert process.wait(SECONDS) == 2


def test_one_order_is_taken_at_a_time(monkeypatch):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    desk = workers._Desk(load({"store": "redis://127.0.0.1:1"}))
    with ours, theirs, subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:

        def begin() -> None:
            desk._line, desk._process = ours, process

        monkeypatch.setattr(desk, "begin", begin)

        def order(worker: int) -> bytes:
            asks, takes = socket.socketpair()
            with asks:
                desk.take(worker, takes)
                asks.setblocking(False)
                try:
                    return asks.recv(100)
                except BlockingIOError:  # it was passed on
                    return b""

        assert order(1) == b""
        assert order(2) == workers.BUSY
        desk.answered(2)  # that was not the one
        assert order(2) == workers.BUSY
        desk.answered(1)
        assert order(2) == b""
        desk.worker_ended(1)
        assert process.poll() is None
        desk.worker_ended(2)
        assert process.poll() == -signal.SIGKILL


def test_an_address_is_held_against_others():
    with workers._held("127.0.0.1:0") as held:
        address = f"127.0.0.1:{held.getsockname()[1]}"
        with pytest.raises(AddressTaken, match=f"{address} cannot be served on"):
            workers._held(address)
    with workers._held(address):
        pass
    with pytest.raises(AddressTaken):
        workers._held("no-such-host.invalid:1")


def test_several_processes_are_for_linux(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert load({"workers": 1}).workers == 1
    with pytest.raises(BadSettings, match=r"^--workers: several processes share an address on Linux only"):
        load({"workers": 2})
