"""The made-up grocer and what greedy choices cost its shoppers: small, and without a clock."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import __main__ as benchmarks
from benchmarks import best
from benchmarks.grocer import SHAPES, Grocer
from engine.decision import Reason
from engine.program import encode
from tests.reproduce import engine_of, oracle_of

SMALL = ["--promotions", "150", "--articles", "60", "--baskets", "25"]


@pytest.fixture(scope="module")
def shop() -> Grocer:
    return Grocer(150, 60)


def test_the_same_numbers_are_the_same_shop(shop):
    again = Grocer(150, 60)
    assert [encode(program) for program in again.programs("best")] == [encode(p) for p in shop.programs("best")]
    assert list(again.baskets(5)) == list(shop.baskets(5)) != list(shop.baskets(5, seed=1))


def test_there_are_all_shapes_and_some_apply(shop):
    rewards = {type(offer.promotion.reward).__name__ for offer in shop.offers}
    assert len(rewards) == 6 and len(SHAPES) == 9
    decide = best.decider(shop.programs("best-per-item"))
    reasons = {result.reason for request in shop.baskets(20) for result in decide(request).promotions}
    assert reasons >= {Reason.APPLIED, Reason.BEATEN, Reason.QUANTITY}


def test_the_best_is_what_the_oracle_says(shop):
    programs = shop.programs("best-per-item")
    engine, oracle = engine_of(programs)[1], oracle_of(programs)
    small = [request for request in shop.baskets(200) if sum(line.quantity for line in request.lines) <= 4][:20]
    assert len(small) == 20
    for request in small:
        assert replace(engine(request), ruleset="") == oracle(request)


def test_greed_never_saves_more_and_sometimes_less(shop):
    found = best.measure(shop, 60, 0)
    assert len(found.units) == 60 and found.saving > 0 and not found.unproven
    for greedy in found.greedy:
        assert greedy.losses and all(loss > 0 for loss in greedy.losses) and not greedy.more


def test_greedy_by_value_takes_the_largest_first():
    shop = Grocer(40, 20)
    alone = best.decider(shop.programs("best"))
    for request in shop.baskets(10):
        decision = alone(request)
        most = max((result.would_save or result.saving for result in decision.promotions), default=0)
        assert best.greedy_by_value(shop, request, decision) >= most == decision.totals.saving


def test_the_benchmark_prints_what_it_found(capsys):
    assert benchmarks.main(["best", *SMALL]) == 0
    said = capsys.readouterr().out
    assert said.startswith("150 promotions over 60 articles, 25 baskets")
    for part in ("OPTIMAL: 25 of 25 baskets, 100.00%", " by priority ", " by value ", "short-changed", "worst EUR"):
        assert part in said


@pytest.mark.parametrize("wrong", [["--promotions", "0"], ["--baskets", "many"], ["x"]])
def test_a_wrong_command_line(wrong):
    with pytest.raises(SystemExit) as ended:
        best.main(wrong)
    assert ended.value.code == 64
