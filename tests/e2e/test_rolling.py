"""Nodes are restarted one after another under load: no caller notices."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import grpc
import pytest

from einklang.v1 import common_pb2 as common
from einklang.v1 import decision_pb2_grpc
from server.embedded import find_binary
from tests.e2e.conftest import END_SECONDS, PROJECT
from tests.e2e.requests import SECONDS, basket
from tests.running import ROOT, Server, server, short_directory, until
from tests.stores import free_port, one

BLOCKS = re.findall(r"```json[^\n]*\n(\{.*?)```", (ROOT / "docs" / "clients.md").read_text("utf-8"), re.DOTALL)
CALLS = {key: value for block in BLOCKS[:2] for key, value in json.loads(block).items()}  # as the page says


@contextmanager
def callers(addresses: list[str], count: int = 3) -> Iterator[tuple[Counter[str], list[set[str]]]]:
    """What became of calls, and which nodes answered each caller."""
    assert {"loadBalancingConfig", "healthCheckConfig", "methodConfig"} <= CALLS.keys()
    ends: Counter[str] = Counter()
    nodes: list[set[str]] = [set() for _ in range(count)]
    stop = threading.Event()

    def ask(nodes: set[str]) -> None:
        options = [("grpc.service_config", json.dumps(CALLS)), ("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(f"ipv4:{','.join(addresses)}", options=options) as channel:
            stub = decision_pb2_grpc.DecisionServiceStub(channel)
            while not stop.is_set():
                try:
                    envelope = stub.Decide(basket(), timeout=SECONDS).envelope
                except grpc.RpcError as error:
                    ends[f"{error.code().name}: {error.details()}"] += 1
                    continue
                certain = envelope.certainty == common.CERTAINTY_CERTAIN
                ends["OK" if certain else "not certain"] += 1
                nodes.add(envelope.node)

    threads = [threading.Thread(target=ask, args=(known,)) for known in nodes]
    for thread in threads:
        thread.start()
    try:
        yield ends, nodes
    finally:
        stop.set()
        for thread in threads:
            thread.join(END_SECONDS)


@pytest.mark.long
def test_a_rolling_restart_fails_no_call():
    with short_directory() as home, one(find_binary(None), home / "store") as store, ExitStack() as stack:
        settings = {
            "EINKLANG_STORE": f"redis://{store.address}",
            "EINKLANG_UNSIGNED": "1",
            "EINKLANG_DRAIN_PAUSE_MS": "300",
        }

        def started(name: str, address: str) -> Server:
            project = PROJECT if name == "a" else None
            made = server(home / name, project, **settings, EINKLANG_ADDRESS=address)
            (home / name).mkdir(exist_ok=True)
            return stack.enter_context(made).ready()

        addresses = {name: f"127.0.0.1:{free_port()}" for name in ("a", "b")}
        running = {name: started(name, address) for name, address in addresses.items()}
        with callers(list(addresses.values())) as (ends, nodes):

            def all_know(count: int) -> None:
                until(lambda: all(len(known) == count for known in nodes), what="that all callers found the node")

            all_know(2)
            for count, (name, address) in enumerate(addresses.items(), 3):
                assert running[name].stop(seconds=END_SECONDS) == 0
                running[name] = started(name, address)
                all_know(count)
        assert set(ends) == {"OK"}, ends
        assert ends["OK"] > 100
