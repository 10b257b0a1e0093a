"""Publishing to a running server: what is good takes force, what is not leaves the last good ruleset in force."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from einklang.v1 import common_pb2 as common
from einklang.v1 import decision_pb2_grpc, ruleset_pb2, ruleset_pb2_grpc
from tests.e2e.conftest import PROJECT, running
from tests.e2e.requests import SECONDS, basket, refused
from tests.running import until

PUBLISH_SECONDS = 60


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A server of this module's own: what is published here no other test sees."""
    with (
        running(tmp_path_factory.mktemp("publish") / "data") as started,
        grpc.insecure_channel(started.address) as open_,
    ):
        yield open_


@pytest.fixture(scope="module")
def rulesets(own):
    return ruleset_pb2_grpc.RulesetServiceStub(own)


@pytest.fixture(scope="module")
def decisions(own):
    return decision_pb2_grpc.DecisionServiceStub(own)


@pytest.fixture
def project(tmp_path):
    copy = tmp_path / "project"
    shutil.copytree(PROJECT, copy)
    return copy


def upload(directory: Path, **finish) -> Iterator[ruleset_pb2.PublishRequest]:
    for file in sorted(directory.iterdir()):
        data = file.read_bytes()
        half = len(data) // 2
        for part in (data[:half], data[half:]):
            yield ruleset_pb2.PublishRequest(chunk=ruleset_pb2.FileChunk(path=file.name, data=part))
    yield ruleset_pb2.PublishRequest(finish=ruleset_pb2.PublishFinish(**{"author": "anna", **finish}))


def change(project: Path, before: str, after: str) -> None:
    path = project / "promotions.promo"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def in_force(rulesets):
    return rulesets.GetTimeline(ruleset_pb2.GetTimelineRequest(), timeout=SECONDS).in_force


def decided_by(decisions, sequence):
    """An answer by this entry, once it is in force."""

    def asked():
        answer = decisions.Decide(basket(), timeout=SECONDS)
        return answer if answer.envelope.sequence == sequence else None

    return until(asked, what=f"entry {sequence} is in force")


def test_what_is_published_takes_force_and_the_old_ruleset_can_still_be_named(rulesets, decisions, project):
    before = decisions.Decide(basket(), timeout=SECONDS)
    assert before.decision.totals.saving_minor == 199
    change(project, "get the cheapest 1 free", "get 50% off them")
    published = rulesets.Publish(upload(project, reason="half price"), timeout=PUBLISH_SECONDS)
    assert published.sequence == before.envelope.sequence + 1
    assert published.stats.compiled < 5
    assert published.stats.reused > 5
    after = decided_by(decisions, published.sequence)
    assert after.envelope.as_of_us >= published.effective_from_us
    assert after.decision.ruleset_digest == published.ruleset_digest
    assert after.decision.totals.saving_minor == 2 * 115 + 100
    assert in_force(rulesets).reason == "half price"
    named = decisions.Decide(basket(ruleset_digest=before.decision.ruleset_digest), timeout=SECONDS)
    assert named.envelope.decision_digest == before.envelope.decision_digest
    then = decisions.Decide(basket(as_of_us=before.envelope.as_of_us), timeout=SECONDS)
    assert then.envelope.decision_digest == before.envelope.decision_digest
    assert then.envelope.sequence == before.envelope.sequence


def test_text_that_does_not_compile_is_refused_whole(rulesets, decisions, project):
    before = decisions.Decide(basket(), timeout=SECONDS)
    change(project, "EUR 50.00", "EUR 50,00")
    status, detail = refused(rulesets.Publish, upload(project), seconds=PUBLISH_SECONDS)
    assert (status, detail.reason) == ("INVALID_ARGUMENT", common.ERROR_REASON_RULESET_INVALID)
    assert [(d.code, d.file, d.severity) for d in detail.diagnostics] == [
        ("P0101", "promotions.promo", common.SEVERITY_ERROR)
    ] * 2
    assert detail.diagnostics_total == 2
    assert "promotions.promo:15" in detail.message
    after = decisions.Decide(basket(), timeout=SECONDS)
    assert after.envelope.sequence == before.envelope.sequence
    assert after.envelope.decision_digest == before.envelope.decision_digest


def test_a_dry_run_changes_nothing(rulesets, project):
    before = in_force(rulesets)
    response = rulesets.Publish(upload(project, dry_run=True), timeout=PUBLISH_SECONDS)
    assert (len(response.ruleset_digest), response.sequence) == (64, 0)
    change(project, "EUR 50.00", "EUR 50,00")
    response = rulesets.Publish(upload(project, dry_run=True), timeout=PUBLISH_SECONDS)
    assert [d.code for d in response.diagnostics] == ["P0101", "P0101"]
    assert (response.ruleset_digest, response.sequence) == ("", 0)
    assert in_force(rulesets) == before


def test_a_ruleset_that_takes_force_later_is_told_and_waits(rulesets, decisions, project):
    change(project, "EUR 10.00 off fashion", "EUR 20.00 off fashion")
    change(project, '"EUR 10 off fashion"', '"EUR 20 off fashion"')
    now = rulesets.GetTimeline(ruleset_pb2.GetTimelineRequest(), timeout=SECONDS)
    later = now.store_time_us + 3_600_000_000
    published = rulesets.Publish(upload(project, effective_from_us=later), timeout=PUBLISH_SECONDS)
    assert published.effective_from_us == later
    timeline = rulesets.GetTimeline(ruleset_pb2.GetTimelineRequest(), timeout=SECONDS)
    assert timeline.in_force == now.in_force
    assert [entry.sequence for entry in timeline.scheduled] == [published.sequence]
    assert decisions.Decide(basket(), timeout=SECONDS).decision.ruleset_digest == now.in_force.ruleset_digest
    preview = decisions.Decide(basket(ruleset_digest=published.ruleset_digest), timeout=SECONDS)
    assert preview.decision.ruleset_digest == published.ruleset_digest


def test_an_instant_that_is_past_is_too_early(rulesets, project):
    status, detail = refused(rulesets.Publish, upload(project, effective_from_us=1), seconds=PUBLISH_SECONDS)
    assert (status, detail.reason) == ("FAILED_PRECONDITION", common.ERROR_REASON_TOO_EARLY)
