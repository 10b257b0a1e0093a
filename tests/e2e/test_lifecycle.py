"""Starting, draining and dying: what is in force survives, and no process is left behind."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from einklang.v1 import decision_pb2_grpc, ruleset_pb2, ruleset_pb2_grpc
from tests.e2e.conftest import END_SECONDS, PROJECT, all_ended, end, running, watching
from tests.e2e.requests import SECONDS, basket


def decide(address: str):
    with grpc.insecure_channel(address) as channel:
        return decision_pb2_grpc.DecisionServiceStub(channel).Decide(basket(), timeout=SECONDS)


def test_sigterm_drains_and_leaves_nothing(tmp_path):
    with running(tmp_path / "data") as server, grpc.insecure_channel(server.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        watch = health.Watch(health_pb2.HealthCheckRequest(service="einklang.v1.DecisionService"), timeout=END_SECONDS)
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        family = server.family()
        assert len(family) >= 2, family  # the server, its store
        drained = threading.Event()
        rulesets = ruleset_pb2_grpc.RulesetServiceStub(channel)
        call = rulesets.Publish.future(in_two_halves(drained), timeout=END_SECONDS)
        rulesets.GetTimeline(ruleset_pb2.GetTimelineRequest(), timeout=SECONDS)  # behind it: so it has arrived
        with watching(list(family)) as watched:
            server.process.send_signal(signal.SIGTERM)
            assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
            watch.cancel()
            drained.set()
            assert len(call.result(END_SECONDS).ruleset_digest) == 64
            assert server.process.wait(END_SECONDS) == 0
            assert all_ended(watched, END_SECONDS)
        assert not server.family()


def in_two_halves(between: threading.Event) -> Iterator[ruleset_pb2.PublishRequest]:
    """A dry run whose second half is sent once the event has come."""
    files = sorted(PROJECT.iterdir())
    for file in files:
        chunk = ruleset_pb2.FileChunk(path=file.name, data=file.read_bytes())
        yield ruleset_pb2.PublishRequest(chunk=chunk)
        if file is files[0]:
            between.wait(END_SECONDS)
    yield ruleset_pb2.PublishRequest(finish=ruleset_pb2.PublishFinish(author="anna", dry_run=True))


def test_sigkill_leaves_no_process_and_the_next_start_has_what_was_in_force(tmp_path):
    with running(tmp_path / "data") as server:
        before = decide(server.address)
        with watching(list(server.family())) as watched:
            assert len(watched) >= 2
            server.process.kill()
            server.process.wait(END_SECONDS)
            assert all_ended(watched, END_SECONDS), server.family()
    with running(tmp_path / "data", None) as again:
        after = decide(again.address)
        assert after.envelope.sequence == before.envelope.sequence
        assert after.envelope.decision_digest == before.envelope.decision_digest
        assert end(again) == 0
