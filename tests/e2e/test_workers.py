"""Several serving processes behind one address: all answer alike, one that dies comes back, and none is left behind."""

from __future__ import annotations

import os
import signal
import urllib.request
from collections.abc import Iterator, Set
from contextlib import ExitStack, contextmanager
from functools import partial

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from einklang.v1 import decision_pb2, decision_pb2_grpc, ruleset_pb2_grpc
from tests.e2e.conftest import END_SECONDS, PROJECT, Server, all_ended, running, watching
from tests.e2e.requests import SECONDS, basket
from tests.e2e.test_publish import PUBLISH_SECONDS, change, project, upload
from tests.e2e.test_under_load import load, more
from tests.running import until

__all__ = ["project"]  # a fixture
CHANNELS_MOST = 64  # all of them to one worker of two: one chance in 2 ** 63


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("workers")
    options = ("--workers", "2", "--address-file", str(home / "address"), "--metrics-address", "127.0.0.1:0")
    with running(home / "data", PROJECT, *options) as server:
        yield server


@contextmanager
def channels(server: Server, known: Set[int] = frozenset()) -> Iterator[dict[int, grpc.Channel]]:
    """A channel to each of the two workers, by its process; `known`: not to these."""
    found: dict[int, grpc.Channel] = {}
    with ExitStack() as stack:
        for _ in range(CHANNELS_MOST):
            channel = stack.enter_context(
                grpc.insecure_channel(server.address, options=[("grpc.use_local_subchannel_pool", 1)])
            )
            found.setdefault(worker_of(ask(channel)), channel)
            if len(found.keys() - known) + len(known) == 2:
                break
        yield found


def ask(channel: grpc.Channel) -> decision_pb2.DecideResponse:
    return decision_pb2_grpc.DecisionServiceStub(channel).Decide(basket(), timeout=SECONDS)


def all_have(by_worker: dict[int, grpc.Channel], digest: str) -> bool:
    return all(ask(channel).decision.ruleset_digest == digest for channel in by_worker.values())


def worker_of(answer: decision_pb2.DecideResponse) -> int:
    return int(answer.envelope.node.rpartition("/")[2])


def test_both_answer_alike_and_take_publications(own, project):
    assert own.ready.split()[2:4] == ["entry", "1"]
    assert (own.data_dir.parent / "address").read_text() == f"{own.address}\n"
    with channels(own) as by_worker:
        assert len(by_worker) == 2
        assert own.process.pid not in by_worker
        for channel in by_worker.values():
            asked = health_pb2.HealthCheckRequest(service="einklang.v1.DecisionService")
            answer = health_pb2_grpc.HealthStub(channel).Check(asked, timeout=SECONDS)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        assert len({ask(channel).envelope.decision_digest for channel in by_worker.values()}) == 1
        for percent, channel in zip((50, 60), by_worker.values(), strict=True):
            change(
                project, "get the cheapest 1 free" if percent == 50 else "get 50% off them", f"get {percent}% off them"
            )
            published = ruleset_pb2_grpc.RulesetServiceStub(channel).Publish(upload(project), timeout=PUBLISH_SECONDS)
            assert published.stats.reused > 5
            until(partial(all_have, by_worker, published.ruleset_digest), what="the ruleset at both workers")
    assert len([words for words in own.family().values() if " serve " in words]) == 4, "and one for figures"
    assert any("worker 1: serving" in line for line in own.log) and any("worker 2: serving" in line for line in own.log)


def decided(own: Server) -> list[float]:
    """By each worker, as Prometheus is told."""
    url = next(line.split()[-1] for line in own.log if "/metrics" in line)
    with urllib.request.urlopen(url, timeout=SECONDS) as answer:
        told = dict(row.rsplit(" ", 1) for row in answer.read().decode().splitlines() if not row.startswith("#"))
    return [float(told[f'einklang_decisions_total{{worker="{worker}"}}']) for worker in (1, 2)]


def test_the_figures_of_both_are_told_at_one_address(own):
    before = decided(own)
    with channels(own) as by_worker:
        for channel in by_worker.values():
            ask(channel)
    assert all(after > earlier for after, earlier in zip(decided(own), before, strict=True))


def test_who_tells_the_figures_is_started_again_at_its_address_and_nothing_is_forgotten(own):
    before = decided(own)
    with channels(own) as by_worker:
        others = {own.process.pid, *by_worker}
    (teller,) = [pid for pid, words in own.family().items() if " serve " in words and pid not in others]
    os.kill(teller, signal.SIGKILL)
    until(lambda: sum("/metrics" in line for line in own.log) == 2, what="another one")
    assert any("nobody tells Prometheus (" in line for line in own.log)
    assert all(after >= earlier for after, earlier in zip(decided(own), before, strict=True))
    assert len([words for words in own.family().values() if " serve " in words]) == 4


@pytest.mark.parametrize("workers", ["1", "2"])
def test_no_other_server_gets_the_address(own, tmp_path, workers):
    with (
        pytest.raises(pytest.fail.Exception, match="it is in use"),
        running(tmp_path / "data", None, "--workers", workers, "--listen", own.address),
    ):
        pass


def test_a_worker_that_is_killed_is_started_again_while_the_other_serves(own):
    with channels(own) as by_worker:
        killed, other = by_worker
        with load(own, callers=2) as made:
            os.kill(killed, signal.SIGKILL)
            until(lambda: any("(SIGKILL); it is started again" in line for line in own.log), what="its end, noticed")
            with channels(own, {other}) as again:
                assert killed not in again
            until(lambda: sum("serving on" in line for line in own.log) == 3, what="it serves again")
            more(made)
        assert worker_of(ask(by_worker[other])) == other
    assert set(made.ends) <= {"OK", "UNAVAILABLE"}
    assert made.ends["UNAVAILABLE"] < made.ends["OK"]  # who was asking the one that was killed


def test_sigterm_drains_all_and_leaves_nothing(own):
    family = own.family()
    assert len(family) >= 4  # the parent, two workers, the store
    with load(own, callers=2) as made, watching(list(family)) as watched:
        own.process.send_signal(signal.SIGTERM)
        assert own.process.wait(END_SECONDS) == 0
        assert all_ended(watched, END_SECONDS)
    assert set(made.ends) <= {"OK", "UNAVAILABLE"}
    assert not own.family()
    assert not (own.data_dir.parent / "address").exists()


def test_killed_it_leaves_no_process(tmp_path):
    with running(tmp_path / "data", PROJECT, "--workers", "2") as server, watching(list(server.family())) as watched:
        assert len(watched) >= 4
        server.process.kill()
        server.process.wait(END_SECONDS)
        assert all_ended(watched, END_SECONDS), server.family()
