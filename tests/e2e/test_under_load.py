"""Faults while calls come in: what was in force stays in force, and every call is answered or told to come again."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator

import grpc
import pytest

from einklang.v1 import common_pb2 as common
from einklang.v1 import decision_pb2, decision_pb2_grpc, ruleset_pb2_grpc
from server.client import detail_of
from tests.e2e.conftest import END_SECONDS, Server, running
from tests.e2e.requests import SECONDS, basket
from tests.e2e.test_publish import PUBLISH_SECONDS, change, project, upload
from tests.running import TERMS, until

__all__ = ["project"]  # a fixture
LEASES = 4
LEASE_US = int(TERMS["EINKLANG_LEASE_MS"]) * 1_000
BACKOFF_S = 0.05  # of a caller that was told to come again


class Load:
    """Callers that ask for one basket again and again, and what became of it."""

    def __init__(self) -> None:
        self.ends: Counter[str] = Counter()  # names of statuses
        self.digests: Counter[str] = Counter()
        self.stop = threading.Event()


@contextlib.contextmanager
def load(server: Server, callers: int = 3, backoff_s: float = BACKOFF_S) -> Iterator[Load]:
    """Callers with a channel each, for the length of a block; they run once it begins."""
    made = Load()

    def ask() -> None:
        with grpc.insecure_channel(server.address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            stub = decision_pb2_grpc.DecisionServiceStub(channel)
            while not made.stop.is_set():
                try:
                    made.digests[stub.Decide(basket(), timeout=SECONDS).envelope.decision_digest] += 1
                    made.ends["OK"] += 1
                except grpc.RpcError as error:
                    made.ends[error.code().name] += 1
                    made.stop.wait(backoff_s)

    threads = [threading.Thread(target=ask) for _ in range(callers)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: made.ends.total() >= 20 * callers, what="the callers' first answers")
        yield made
    finally:
        made.stop.set()
        for thread in threads:
            thread.join(END_SECONDS)


def more(made: Load, answers: int = 100) -> None:
    """Wait for so many more answers."""
    before = made.ends["OK"]
    until(lambda: made.ends["OK"] >= before + answers, what="more answers")


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("load") / "data") as server:
        yield server


def test_a_bad_project_published_under_load_changes_nothing(own, project):
    change(project, "EUR 50.00", "EUR 50,00")
    with grpc.insecure_channel(own.address) as channel, load(own) as made:
        with pytest.raises(grpc.RpcError) as caught:
            ruleset_pb2_grpc.RulesetServiceStub(channel).Publish(upload(project), timeout=PUBLISH_SECONDS)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        more(made)
    assert set(made.ends) == {"OK"}
    assert len(made.digests) == 1


def test_of_publications_at_once_one_is_taken_and_the_others_come_again(own, project):
    ends: Counter[str] = Counter()

    def publish() -> None:
        with grpc.insecure_channel(own.address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            try:
                ruleset_pb2_grpc.RulesetServiceStub(channel).Publish(
                    upload(project, dry_run=True), timeout=PUBLISH_SECONDS
                )
                ends["taken"] += 1
            except grpc.RpcError as error:
                detail = detail_of(error)
                assert detail is not None
                assert (detail.reason, detail.retryable) == (common.ERROR_REASON_PUBLISH_BUSY, True)
                assert detail.retry_after_ms > 0
                ends["busy"] += 1

    with load(own) as made:
        threads = [threading.Thread(target=publish) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PUBLISH_SECONDS)
        more(made)
    assert ends.total() == 4
    assert ends["taken"] >= 1
    assert set(made.ends) == {"OK"}


def test_while_leases_are_renewed_what_is_answered_at_length_is_answered_too(own):
    """Of a hundred answers some are under way when the lease ends by which they were begun."""
    ends: Counter[str] = Counter()

    def ask() -> None:
        asked = decision_pb2.ExplainRequest(request=basket())
        with grpc.insecure_channel(own.address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            stub = decision_pb2_grpc.DecisionServiceStub(channel)
            first_us = last_us = 0
            while last_us <= first_us + LEASES * LEASE_US:
                try:
                    last_us = stub.Explain(asked, timeout=SECONDS).envelope.as_of_us
                except grpc.RpcError as error:
                    ends[f"{error.code().name}: {error.details()}"] += 1
                    return
                first_us = first_us or last_us
                ends["OK"] += 1

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(END_SECONDS)
    assert set(ends) == {"OK"}, ends


def test_a_store_killed_under_load_comes_back_unnoticed_by_those_who_decide(own):
    with load(own) as made:
        store = next(pid for pid, words in own.family().items() if pid != own.process.pid and "store" in words)
        os.kill(store, signal.SIGKILL)
        until(lambda: any("starting it again" in said for said in own.log), what="the store's restart")
        more(made)
        until(lambda: any("store answers again" in said for said in own.log) or not lost(own), what="the store back")
    assert set(made.ends) == {"OK"}
    assert len(made.digests) == 1


def lost(server: Server) -> bool:
    """Whether the server noticed that its store was gone."""
    return any("store cannot be reached" in said for said in server.log)


@pytest.mark.parametrize("backoff_s", [BACKOFF_S, 0.002], ids=["patient", "hammering"])
def test_calls_around_its_end_are_answered_or_told_to_come_again(tmp_path, backoff_s):
    with running(tmp_path / "data") as server, load(server, callers=6, backoff_s=backoff_s) as made:
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(END_SECONDS) == 0
    assert set(made.ends) <= {"OK", "UNAVAILABLE"}, made.ends
