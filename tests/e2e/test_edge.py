"""An edge: cut off and started again without the store, it answers as everybody does, by what was scheduled; what was
changed behind its back is found when it comes back."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from types import SimpleNamespace

import grpc
import pytest
from typer.testing import CliRunner

from einklang.v1 import common_pb2 as common
from einklang.v1 import decision_pb2 as pb
from einklang.v1 import decision_pb2_grpc, ruleset_pb2, ruleset_pb2_grpc
from server import cli
from tests.e2e.conftest import PROJECT
from tests.e2e.requests import SECONDS, basket, gold, refused
from tests.e2e.test_publish import PUBLISH_SECONDS, change, upload
from tests.fault.processes import Links
from tests.running import EDGE, Server, server, short_directory, until
from tests.stores import SETTINGS, StoreProcess, binaries

HORIZON_MS = 600_000
pytestmark = pytest.mark.skipif(binaries()["valkey"] is None, reason="not run: no valkey-server")


@contextmanager
def calls(address):
    with grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        yield SimpleNamespace(
            decisions=decision_pb2_grpc.DecisionServiceStub(channel),
            rulesets=ruleset_pb2_grpc.RulesetServiceStub(channel),
        )


@pytest.fixture
def shop():
    """A store, a server in the middle, and an edge whose way to the store can be cut."""
    with short_directory() as home:
        binary = binaries()["valkey"]
        assert binary is not None
        store = StoreProcess(binary, home / "store", SETTINGS).start()
        links = Links()
        (home / "edge").mkdir()
        terms = {"EINKLANG_HORIZON_MS": str(HORIZON_MS), "EINKLANG_UNSIGNED": "1", "EINKLANG_PUBLISH_IDLE_S": "1"}
        own = {
            **terms,
            "EINKLANG_STORE": f"redis://127.0.0.1:{links.front('edge', store.port)}",
            "EINKLANG_STORE_TIMEOUT_MS": "1000",
        }
        edges = []

        def edge():
            edges.append(Server(home / "edge", None, program=EDGE, **own))
            return edges[-1]

        try:
            edge()  # beside the server: whoever is first sets the tenant up
            (home / "middle").mkdir()
            given = {"EINKLANG_STORE": f"redis://{store.address}", **terms}
            with server(home / "middle", PROJECT, **given) as middle:
                middle.ready()
                yield SimpleNamespace(home=home, middle=middle, edge=edge, edges=edges, links=links)
        finally:
            for each in edges:
                each.close()
            links.close()
            store.kill()


def status(data_dir, code):
    run = CliRunner().invoke(cli.app, ["edge", "--status", "--format", "json", "--data-dir", str(data_dir)])
    assert run.exit_code == code, run.output
    return json.loads(run.output)


def certain(till):
    """An answer, once it is certain: what was missed is fetched first, and nothing else answers for it."""

    def asked():
        try:
            answer = till.decisions.Decide(basket(), timeout=SECONDS)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            return None
        return answer if answer.envelope.certainty == common.CERTAINTY_CERTAIN else None

    return until(asked, what="it is certain")


def test_an_edge_goes_on_without_the_store_and_finds_what_it_missed(shop, tmp_path):
    edge = shop.edges[0].ready()
    with calls(shop.middle.address) as middle, calls(edge.address) as till:
        right = middle.decisions.Decide(basket(), timeout=SECONDS)
        found = certain(till)
        assert found.decision == right.decision
        ahead = till.decisions.Decide(basket(as_of_us=found.envelope.as_of_us + 500_000_000), timeout=SECONDS)
        assert ahead.envelope.certainty == common.CERTAINTY_SCHEDULED, "it is not kept: see below"
    shop.links.cut("edge", drop=True)
    edge.close()  # killed

    edge = shop.edge().ready()  # without the store
    with calls(shop.middle.address) as middle, calls(edge.address) as till:
        alone = till.decisions.Decide(basket(), timeout=SECONDS)
        assert alone.decision == right.decision
        assert alone.envelope.certainty == common.CERTAINTY_SCHEDULED
        past = till.decisions.Decide(basket(as_of_us=right.envelope.as_of_us), timeout=SECONDS)
        assert past.envelope.certainty == common.CERTAINTY_CERTAIN, "what is settled is"
        timeline = till.rulesets.GetTimeline(ruleset_pb2.GetTimelineRequest(), timeout=SECONDS)
        left_us = timeline.scheduled_until_us - timeline.store_time_us
        assert 0 < left_us <= HORIZON_MS * 1_000
        code, _ = refused(till.rulesets.GetRuleset, ruleset_pb2.GetRulesetRequest())
        assert code == "UNAVAILABLE", "only what is on its disk"

        project = tmp_path / "project"
        shutil.copytree(PROJECT, project)
        change(project, "get the cheapest 1 free", "get 50% off them")
        urgent = middle.rulesets.Publish(upload(project, urgent=True, force=True), timeout=PUBLISH_SECONDS)
        until(
            lambda: middle.decisions.Decide(basket(), timeout=SECONDS).envelope.sequence == urgent.sequence,
            what="the urgent ruleset is in force",
        )
        due = middle.decisions.Decide(basket(), timeout=SECONDS).decision
        until(
            lambda: till.decisions.Decide(basket(), timeout=SECONDS).envelope.as_of_us > urgent.effective_from_us,
            what="the edge decides for a later instant",
        )
        missed = till.decisions.Decide(basket(), timeout=SECONDS)
        assert missed.decision == right.decision, "it cannot know"
        many = till.decisions.DecideBatch(
            iter([pb.DecideBatchRequest(number=1, request=basket(customer=gold()))]), timeout=SECONDS
        )
        assert [answer.response.envelope.certainty for answer in many] == [common.CERTAINTY_SCHEDULED]
        waiting = status(edge.home / "data", 0)
        assert waiting["waiting_bytes"] > 0
        assert waiting["in_force"]["sequence"] == right.envelope.sequence

        shop.links.heal("edge")
        assert certain(till).decision == due
        until(lambda: '"event": "journal.differs"' in edge.said(), what="it was looked at again")
        # What was answered while the link came back stands in a further file, looked at when its instants are settled.
        until(lambda: status(edge.home / "data", 1)["waiting_bytes"] == 0, what="all of it was")
    told = status(edge.home / "data", 1)
    rows = told["differences"]
    assert len(rows) >= 2, "of unary calls, and of a batch"
    assert {(row["sequence"], row["right_sequence"]) for row in rows} == {(right.envelope.sequence, urgent.sequence)}
    asked = [row for row in rows if row["decision"] == missed.envelope.decision_digest]
    assert asked[0]["payable_minor"] == right.decision.totals.payable_minor
    assert asked[0]["right_payable_minor"] == due.totals.payable_minor
    assert edge.stop() == 0
