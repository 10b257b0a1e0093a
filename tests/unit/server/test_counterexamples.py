"""Baskets that show findings: as files that read back as they were, decided by the engine as they say."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from dsl.compiler import check_project
from einklang.v1 import decision_pb2 as pb
from server.client import read_basket
from server.convert import to_request
from server.counterexamples import decided, write
from server.requests import message_of
from tests.generated_requests import request
from tests.generators import ruleset
from tests.oracle.decide import decide as oracle
from tests.reproduce import engine_of
from tests.unit.dsl.frame import framed
from tests.unit.dsl.test_analysis import CATALOGUE, STORES, WITH, promotion

TABLES = {"data/articles.csv": CATALOGUE, "data/stores.csv": STORES}


def confirmed(text):
    compilation = check_project(framed(text, TABLES), examples=True)

    def decide(asked, *, everything):
        return oracle(compilation.programs, asked, everything=everything)

    return compilation, list(decided(compilation, decide))


BEST = promotion(name="best", get="get 20% off pasta")
FIRST = "group item-deals {\n  gives discounts\n  apply first\n  prices original\n}\n"
OVER = promotion(
    "when basket is worth at least EUR 50.00", name="over", get="get EUR 5.00 off the basket", group="basket-deals"
)


@pytest.mark.parametrize(
    ("text", "code", "reason"),
    [
        (promotion() + BEST, "P6001", "beaten"),
        (WITH + promotion() + BEST, "P6001", "beaten"),
        (promotion("for gold-members", "only on Sat between 08:00 and 10:00") + BEST, "P6001", "beaten"),
        (WITH + promotion("only at north", "when payment is card", "with code from spring") + BEST, "P6001", "beaten"),
        (
            promotion("buy 3 of pasta", get="get the cheapest 1 free")
            + promotion(name="two", get="get 100% off pasta"),
            "P6001",
            "beaten",
        ),
        (promotion("when basket is worth at least EUR 30.00 of sauce") + BEST, "P6001", "beaten"),
        (FIRST + promotion(get="get 30% off pasta", name="one") + promotion(name="two"), "P6001", "beaten"),
        (
            promotion(get="get pasta for EUR 1.00 per kg") + promotion(name="two", get="get pasta for EUR 0.50 per kg"),
            "P6001",
            "beaten",
        ),
        (promotion(get="get 10% off pasta") + OVER, "P6002", "condition"),
        (promotion("buy 3 of pasta", get="get the cheapest 1 free") + OVER, "P6002", "condition"),
        (
            promotion("when basket is worth at least EUR 10.00", name="one", get="get free shipping", group="delivery")
            + promotion(
                "when basket is worth at least EUR 20.00", name="two", get="get free shipping", group="delivery"
            ),
            "P6001",
            "no-saving",
        ),
    ],
)
def test_a_finding_is_shown_by_a_basket(text, code, reason):
    compilation, shown = confirmed(text)
    assert code in {finding.code for finding in compilation.diagnostics}
    assert [(one.example.code, one.reason) for one in shown if one.example.code == code] == [(code, reason)]


def test_the_engine_shows_the_same():
    text = promotion("for gold-members", "when payment is card") + BEST + OVER
    compilation = check_project(framed(text, TABLES), examples=True)
    _, decide = engine_of(compilation.programs)
    shown = list(decided(compilation, decide))
    assert [(one.example.code, one.example.promotion) for one in shown] == [("P6001", "offer"), ("P6002", "over")]


def test_the_files_read_back(tmp_path):
    _, shown = confirmed(promotion() + BEST)
    (written,) = write(iter(shown), tmp_path / "new" / "baskets")
    assert written.path.name == "P6001-offer.json"
    text = written.path.read_text(encoding="utf-8")
    assert to_request(read_basket(text, pb.DecideRequest), at_us=0) == written.example.request
    assert json.loads(text) == written.as_data()["basket"]
    assert written.sentence("en") == "P6001  «best» applies, «offer» does not: beaten"
    assert written.sentence("de") == "P6001  «best» gilt, «offer» nicht: beaten"


def test_what_the_engine_does_not_confirm_is_not_shown():
    compilation = check_project(framed(promotion() + BEST), examples=True)

    def nothing(asked, *, everything):
        decision = oracle(compilation.programs, asked, everything=everything)
        return replace(
            decision, promotions=tuple(replace(r, reason=type(r.reason).SCHEDULE) for r in decision.promotions)
        )

    assert len(compilation.examples) == 1
    assert list(decided(compilation, nothing)) == []


def test_requests_are_messages_and_back():
    told = 0
    for seed in range(40):
        asked = request(ruleset(seed), seed)
        if not asked.customer.id and asked.customer.attributes:  # which this server does not serve yet
            continue
        facts = {name: fact for name, fact in asked.customer.attributes.items() if fact.type not in ("money", "texts")}
        asked = replace(asked, customer=replace(asked.customer, attributes=facts, events=None), usage=())
        if asked.customer.household and not asked.customer.id:
            continue
        lines = tuple(replace(line, attributes={}) for line in asked.lines)
        asked = replace(asked, lines=lines)
        assert to_request(message_of(asked), at_us=0) == asked
        told += 1
    assert told > 15
