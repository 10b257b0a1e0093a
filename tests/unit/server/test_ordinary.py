"""Ordinary requests are answered at once with the bytes of the long way, envelope and all; others are not answered."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from einklang.v1 import decision_pb2 as pb
from engine.image import Ruleset
from server.activate import CERTAIN, FOR_EVER_NS, UNSURE, Active, Standing
from server.contract import Failure
from server.lease import Wait
from server.services import DecisionServicer
from server.telemetry import Counters, Metric
from tests.unit.engine.test_direct import PROMOTIONS, ruled, shop
from tests.unit.engine.test_quick import ORDINARY, asked

DIGEST = ruled(*PROMOTIONS).digest
NOW = 1_790_000_000_000_000
BEGIN = NOW - 1_000_000


def servicer(node: str = "till-7/1", threads: int = 1) -> tuple[DecisionServicer, Counters]:
    """With a ruleset in force and what answers ordinary requests by it."""
    rules, direct = shop(*PROMOTIONS)
    active = Active(300, BEGIN, rules.digest, rules, direct)
    entry: Any = SimpleNamespace(sequence=300, digest=rules.digest)

    def standing(as_of_us: int) -> Standing:
        if as_of_us < BEGIN:
            return Standing(None, None, as_of_us, CERTAIN, FOR_EVER_NS)
        return Standing(entry, active, as_of_us, CERTAIN if as_of_us <= NOW else UNSURE, FOR_EVER_NS)

    async def by_digest(digest: str) -> Ruleset | None:
        return rules if digest == rules.digest else None

    holder: Any = SimpleNamespace(
        now_us=lambda: NOW,
        standing=lambda: standing(NOW),
        standing_at=standing,
        lapsed=lambda _: False,
        direct_of=lambda digest: direct if digest == rules.digest else None,
        by_digest=by_digest,
    )
    counters = Counters()
    return DecisionServicer(holder, tenant="ours", node=node, build="1.2", counters=counters, threads=threads), counters


@pytest.fixture(scope="module")
def server() -> DecisionServicer:
    return servicer()[0]


@pytest.mark.parametrize("name", ORDINARY)
def test_the_response_is_that_of_the_long_way(server: DecisionServicer, name: str) -> None:
    at_once = server.ordinary("Decide")
    assert at_once is not None
    data = ORDINARY[name].SerializeToString()
    answer = at_once(data)
    assert answer is not None
    assert answer == asyncio.run(server.Decide(data))
    assert pb.DecideResponse.FromString(answer).SerializeToString(deterministic=True) == answer


def test_other_requests_are_left_to_it(server: DecisionServicer) -> None:
    at_once = server.ordinary("Decide")
    assert at_once is not None
    for message in (
        asked(codes=["A"]),
        asked(tenant="theirs"),
        asked(as_of_us=-5),
        asked(as_of_us=BEGIN - 5),
        asked(ruleset_digest="0" * 64),
        asked(ruleset_digest="\u00e4"),
        asked(ruleset_digest=DIGEST, as_of_us=NOW),
        asked(channel="fax"),
    ):
        assert at_once(message.SerializeToString()) is None
    assert at_once(asked(tenant="ours").SerializeToString()) is not None
    assert at_once(b"\xff\xff") is None
    assert server.ordinary("Explain") is None


@pytest.mark.parametrize(
    "fields",
    [
        {"tenant": "ours"},
        {"as_of_us": NOW - 5},
        {"as_of_us": NOW + 5},
        {"as_of_us": BEGIN, "at_us": 7},
        {"ruleset_digest": DIGEST},
    ],
)
def test_a_ruleset_or_an_instant_that_is_named(server: DecisionServicer, fields: dict[str, Any]) -> None:
    at_once = server.ordinary("Decide")
    data = asked(**fields).SerializeToString()
    assert at_once is not None and at_once(data) == asyncio.run(server.Decide(data)) is not None


def test_a_node_without_a_name_and_one_without_a_ruleset() -> None:
    nameless, counters = servicer(node="")
    at_once = nameless.ordinary("Decide")
    data = asked().SerializeToString()
    assert at_once is not None and at_once(data) == asyncio.run(nameless.Decide(data))
    assert counters.all()[Metric.DECISIONS.label] == 2
    for standing in (None, Wait(1), Standing(None, None, NOW, CERTAIN, FOR_EVER_NS)):
        nothing: Any = SimpleNamespace(standing=lambda standing=standing: standing)
        without = DecisionServicer(nothing, counters=counters).ordinary("Decide")
        assert without is not None and without(data) is None


def test_an_answer_that_comes_after_the_lease_is_not_given() -> None:
    late, counters = servicer()
    holder: Any = late._holder
    holder.lapsed = lambda _: True
    at_once = late.ordinary("Decide")
    data = asked().SerializeToString()
    assert at_once is not None and at_once(data) is None
    with pytest.raises(Failure, match="cut off"):
        asyncio.run(late.Decide(data))
    assert counters.all()[Metric.DECISIONS_UNCERTAIN.label] == 1


def test_what_came_too_late_is_answered_again_at_length() -> None:
    late, counters = servicer()
    holder: Any = late._holder
    lapses = [True, False]
    holder.lapsed = lambda _: lapses.pop(0)
    assert asyncio.run(late.Decide(asked().SerializeToString()))
    assert not lapses
    assert counters.all()[Metric.DECISIONS.label] == 1
    assert counters.all()[Metric.DECISIONS_UNCERTAIN.label] == 0
