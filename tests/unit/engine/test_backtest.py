"""Many baskets at once add up to what each of them gets."""

from __future__ import annotations

from collections import Counter

import pytest

from einklang.v1 import decision_pb2 as pb
from engine.backtest import NOT_READ, NOT_RESOLVED, backtest
from engine.decide import decide
from engine.decision import Reason
from server.convert import to_request
from tests.quick import AT_US
from tests.unit.engine.test_direct import PROMOTIONS, ruled
from tests.unit.engine.test_quick import ORDINARY, asked


@pytest.mark.parametrize("threads", [1, 3])
def test_the_sums_are_those_of_the_decisions(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.backtest.CHUNK", 7)
    rules = ruled(*PROMOTIONS)
    messages = list(ORDINARY.values()) * 5
    told: list[int] = []
    outcome = backtest(
        rules, [message.SerializeToString() for message in messages], AT_US, threads=threads, progress=told.append
    )
    expected: Counter[tuple[str, str, str]] = Counter()
    for message in messages:
        decision = decide(rules, to_request(message, at_us=AT_US))
        expected["", decision.currency, "baskets"] += 1
        expected["", decision.currency, "list"] += decision.totals.list
        expected["", decision.currency, "saved"] += decision.totals.saving
        expected["", decision.currency, "fees"] += sum(fee.list - fee.net for fee in decision.fees)
        for result in decision.promotions:
            if result.reason is Reason.APPLIED:
                expected[result.name, decision.currency, "baskets"] += 1
                expected[result.name, decision.currency, "applications"] += result.applications
                expected[result.name, decision.currency, "saving"] += result.saving
    for number, currency in enumerate(rules.currencies):
        decided, bounded, list_, saved, fees = outcome.totals[number].tolist()
        assert bounded == 0
        of_all = tuple(expected["", currency, what] for what in ("baskets", "list", "saved", "fees"))
        assert (decided, list_, saved, fees) == of_all
        for place, name in enumerate(rules.promotion_names):
            of_one = tuple(expected[name, currency, what] for what in ("baskets", "applications", "saving"))
            assert outcome.of(place, number) == of_one
    assert outcome.unusual == {} and max(told) == len(messages) and len(told) == -(-len(messages) // 7)


def test_what_is_out_of_the_ordinary_is_named_and_counted_nowhere() -> None:
    rules = ruled(*PROMOTIONS)
    requests = [
        asked().SerializeToString(),
        asked(codes=["A"]).SerializeToString(),
        b"\xff",
        pb.Line().SerializeToString(),
    ]
    outcome = backtest(rules, requests, AT_US)
    assert outcome.unusual.keys() == {1, 2, 3}
    assert outcome.unusual[1] > NOT_RESOLVED and NOT_READ < outcome.unusual[2] < NOT_RESOLVED
    assert outcome.totals.sum(axis=0)[0] == 1
    nothing = backtest(rules, [], AT_US)
    assert nothing.unusual == {} and not nothing.totals.any() and not nothing.promotions.any()
