"""What people do with the Timeline, at a real server: a change takes force when it says, and the log can be checked."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import grpc
import pytest
from typer.testing import CliRunner

from einklang.v1 import common_pb2 as common
from einklang.v1 import decision_pb2_grpc, ruleset_pb2_grpc
from einklang.v1 import ruleset_pb2 as pb
from server import cli
from server.instants import local
from tests.e2e.conftest import PROJECT
from tests.e2e.requests import SECONDS, basket, gold, refused
from tests.running import server, short_directory, until

TERMS = {"EINKLANG_LEASE_MS": "600", "EINKLANG_GUARD_MS": "100"}
HOUR_US = 3_600_000_000
PATIENT = 60


@pytest.fixture(scope="module")
def own():
    """A server of this module's own, whose rulesets take force soon."""
    with short_directory() as directory, server(directory, PROJECT, **TERMS) as started:
        yield started.ready()


@pytest.fixture(scope="module")
def channel(own):
    with grpc.insecure_channel(own.address) as opened:
        yield opened


@pytest.fixture(scope="module")
def rulesets(channel):
    return ruleset_pb2_grpc.RulesetServiceStub(channel)


@pytest.fixture(scope="module")
def decisions(channel):
    return decision_pb2_grpc.DecisionServiceStub(channel)


@pytest.fixture
def run(own):
    def einklang(*arguments: str):
        return CliRunner().invoke(cli.app, [*arguments, "--address", own.address])

    return einklang


@pytest.fixture
def project(tmp_path):
    copy = tmp_path / "project"
    shutil.copytree(PROJECT, copy)
    return copy


def change(project: Path, amount: int) -> None:
    """Another ruleset for each amount."""
    path = project / "promotions.promo"
    text = path.read_text("utf-8")
    assert "EUR 10.00 off fashion" in text
    path.write_text(text.replace("EUR 10.00 off fashion", f"EUR {amount}.00 off fashion"), "utf-8")


def asked(kind, **fields):
    return kind(**{"author": "anna", "reason": "test", **fields})


def now(rulesets) -> pb.GetTimelineResponse:
    return rulesets.GetTimeline(pb.GetTimelineRequest(), timeout=SECONDS)


def in_force(rulesets, sequence: int) -> pb.TimelineEntry:
    """This entry, once it is in force: a lease after it was appended."""
    until(lambda: now(rulesets).in_force.sequence == sequence, what=f"entry {sequence} is in force")
    return now(rulesets).in_force


def reason_of_gold(decisions) -> int | None:
    """Whether the promotion for gold customers applies; None: the ruleset does not have it."""
    answer = decisions.Decide(basket(customer=gold()), timeout=SECONDS)
    return next((one.reason for one in answer.decision.promotions if one.promotion == "gold-10"), None)


def test_a_project_is_published_shown_and_found_in_the_log(run, rulesets, project):
    change(project, 20)
    got = run("publish", str(project), "--reason", "more off fashion", "--author", "anna")
    assert got.exit_code == 0, got.output
    assert "gives more" in got.output
    assert "Plan: 1 to change." in got.output
    head = in_force(rulesets, now(rulesets).entries[-1].sequence)
    instant = local(head.effective_from_us)  # and which of the two is a question of how long the answer took
    assert f"takes force at {instant}" in got.output or f"in force since {instant}" in got.output
    assert (head.reason, head.author, head.change_id[:4]) == ("more off fashion", "anna", "cli-")
    again = run("publish", str(project))
    assert (again.exit_code, "nothing new" in again.output) == (0, True), again.output
    (project / "more.promo").write_text("promotion {", "utf-8")
    assert run("publish", str(project)).exit_code == 1
    assert now(rulesets).in_force == head
    log = run("log", "--verify", "-n", "1")
    assert log.exit_code == 0, log.output
    assert "more off fashion" in log.output
    assert f"the chain holds: {head.sequence} entries, the last hash is {head.entry_hash}" in log.output
    status = run("status")
    assert (status.exit_code, "certain" in status.output) == (0, True), status.output
    told = json.loads(run("status", "--format", "json").output)["nodes"]["nodes"]
    assert [node["ruleset_digest"] for node in told] == [head.ruleset_digest]
    assert f"entry {head.sequence}, from" in run("status", "--publication", head.change_id).output


def test_a_pause_ends_by_itself_or_is_ended(run, rulesets, decisions):
    assert reason_of_gold(decisions) == common.REASON_APPLIED
    lead_us = 900_000
    request = asked(
        pb.PauseRequest, promotion="gold-10", until_us=now(rulesets).store_time_us + 3 * lead_us, change_id="e2e-pause"
    )
    paused = rulesets.Pause(request, timeout=PATIENT)
    until(lambda: reason_of_gold(decisions) is None, what="the pause")
    assert rulesets.Pause(request, timeout=PATIENT).entry == paused.entry, "the same id: the same answer"
    other = asked(pb.PauseRequest, promotion="roses-20", until_us=request.until_us, change_id="e2e-pause")
    status, detail = refused(rulesets.Pause, other, seconds=PATIENT)
    assert (status, detail.reason) == ("ALREADY_EXISTS", common.ERROR_REASON_ID_CONFLICT)
    until(lambda: reason_of_gold(decisions) == common.REASON_APPLIED, what="the end of the pause")
    assert now(rulesets).in_force.sequence == paused.resume_entry.sequence

    got = run("pause", "gold-10", "--until", "+2h", "--reason", "wrong price")
    assert (got.exit_code, "comes back at" in got.output) == (0, True), got.output
    until(lambda: reason_of_gold(decisions) is None, what="the second pause")
    assert run("resume", "gold-10").exit_code == 0
    until(lambda: reason_of_gold(decisions) == common.REASON_APPLIED, what="the promotion is resumed")
    got = run("resume", "gold-10")
    assert (got.exit_code, "not paused" in got.output) == (1, True)


def test_what_is_scheduled_takes_force_or_is_taken_back_and_an_earlier_ruleset_comes_again(run, rulesets, project):
    change(project, 30)
    before = now(rulesets).in_force
    got = run("publish", str(project), "--at", "+2h", "--format", "json")
    assert got.exit_code == 0, got.output
    later = json.loads(got.output[got.output.index("{") :])
    scheduled = now(rulesets)
    assert [entry.sequence for entry in scheduled.scheduled] == [int(later["sequence"])]
    assert run("cancel", str(later["sequence"]), "--reason", "not yet").exit_code == 0
    after = now(rulesets)
    assert (after.in_force, list(after.scheduled)) == (before, [])
    got = run("schedule", str(later["ruleset_digest"])[:10])
    assert got.exit_code == 0, got.output
    until(lambda: now(rulesets).in_force.ruleset_digest == later["ruleset_digest"], what="it is in force")
    assert run("rollback").exit_code == 64, "why?"
    got = run("rollback", "--reason", "too much")
    assert got.exit_code == 0, got.output
    until(lambda: now(rulesets).in_force.ruleset_digest == before.ruleset_digest, what="the earlier one is")
    got = run("rollback", "#1", "--reason", "as it was")
    assert got.exit_code == 0, got.output
    (first,) = rulesets.GetTimeline(pb.GetTimelineRequest(from_sequence=1, page_size=1), timeout=SECONDS).entries
    until(lambda: now(rulesets).in_force.ruleset_digest == first.ruleset_digest, what="the first one is")
    assert now(rulesets).in_force.kind == pb.ENTRY_KIND_ROLLBACK
    assert run("rollback", "#999", "--reason", "x").exit_code == 64
    follow = rulesets.WatchTimeline(pb.WatchTimelineRequest(from_sequence=1), timeout=SECONDS)
    heard = [next(follow).entry.sequence for _ in range(3)]
    follow.cancel()
    assert heard == [1, 2, 3]
    assert run("log", "--verify").exit_code == 0
