"""Steps that are told are kept: whoever adds what is told gets it. tests/conformance/next_steps.yaml has the cases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.basket import BadRequest, BasketLine
from engine.decide import decide
from engine.next_steps import TRIES_MAX
from tests.unit.engine.shops import ask, piece, ruleset

PAIRS = {"caps": {"buy": [2, "cap"], "reward": {"cheapest": 1}}, "tees": {"buy": [2, "tee"], "reward": {"cheapest": 1}}}


def test_whoever_adds_it_gets_it():
    rules = ruleset(promotions=PAIRS)
    asked = replace(ask(piece("1", "tee"), piece("2", "cap")), next_steps=10)
    before = decide(rules, asked)
    assert [step.promotion for step in before.next_steps] == ["tees", "caps"]
    for step in before.next_steps:
        more = tuple(BasketLine(f"more {i}", one.article, one.pieces) for i, one in enumerate(step.added))
        after = decide(rules, replace(asked, lines=asked.lines + more))
        assert after.totals.saving - before.totals.saving == step.saving
        assert after.totals.payable - before.totals.payable == step.payable


def test_the_rest_of_the_decision_is_the_same():
    rules = ruleset(promotions=PAIRS)
    asked = ask(piece("1", "tee"), piece("+0", "cap"), piece("+1", "cap"))
    told = decide(rules, replace(asked, next_steps=3))
    assert told.next_steps
    assert replace(told, next_steps=()) == decide(rules, asked)
    assert decide(rules, replace(asked, next_steps=3), everything=True).next_steps == told.next_steps


@pytest.mark.parametrize("wanted", [-1, 11])
def test_so_many_are_not_told(wanted):
    with pytest.raises(BadRequest) as refused:
        decide(ruleset(promotions=PAIRS), replace(ask(piece("1", "tee")), next_steps=wanted))
    assert refused.value.field == "next_steps"


def test_a_basket_that_is_full_has_no_step():
    full = ask(*(piece(f"{i:04}", "tee" if i else "cap") for i in range(1_000)))
    assert decide(ruleset(promotions={"caps": PAIRS["caps"]}), replace(full, next_steps=1)).next_steps == ()


def test_what_many_want_is_tried_once_and_told_once():
    many = {f"p{i:03}": {"buy": [2, "tee"], "reward": {"every": {2: f"{i % 90 + 1}%"}}} for i in range(TRIES_MAX + 5)}
    rules = ruleset(promotions=many, groups={"g": {"apply": "best"}})
    (step,) = decide(rules, replace(ask(piece("1", "tee")), next_steps=10)).next_steps
    assert (step.promotion, step.saving) == (f"p{TRIES_MAX + 4:03}", 690)


def test_so_many_additions_are_tried():
    many = {
        f"p{i:03}": {"buy": [2 + i, "tee"], "reward": {"percent": "1%", "of": "them"}, "limits": [{"uses": 1}]}
        for i in range(TRIES_MAX + 5)
    }
    rules = ruleset(promotions=many, groups={"g": {"apply": "all"}})
    steps = decide(rules, replace(ask(piece("1", "tee")), next_steps=10)).next_steps
    assert [step.added[0].pieces for step in steps] == list(range(TRIES_MAX, TRIES_MAX - 10, -1))
