"""The cases as data, against the oracle and the engine. What no case expects is held by invariants, in every case."""

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from engine.basket import BadRequest
from engine.decision import Decision, Missing, PromotionResult, Reason
from tests.conformance.cases import Case, load
from tests.reproduce import Decide, engine_of, oracle_of

CASES = load()


def oracle(case: Case) -> Decide:
    return oracle_of(case.programs)


def engine(case: Case) -> Decide:
    pytest.importorskip("engine.decide", reason="not run: the kernel does not stand yet")
    return engine_of(case.programs)[1]


def utc(us: int) -> str | None:
    """An instant as cases write it; None: for ever."""
    return f"{datetime.fromtimestamp(us // 1_000_000, UTC):%Y-%m-%dT%H:%M:%SZ}" if us else None


def told(decision: Decision, case: Case) -> dict[str, object]:
    """What the Decision says of what the case expects, in the words of the case."""
    results = {result.name: result for result in decision.promotions}
    applied = {name: result for name, result in results.items() if result.reason == Reason.APPLIED}

    def of(part: str, value: Callable[[PromotionResult], object]) -> object:
        return {name: value(results[name]) for name in case.expect[part]}

    lines = {line.id: line for line in decision.lines}
    answers: dict[str, Callable[[], object]] = {
        "saves": lambda: {name: result.saving for name, result in applied.items()},
        "applications": lambda: of("applications", lambda result: result.applications),
        "reasons": lambda: of("reasons", lambda result: result.reason.name.lower().replace("_", "-")),
        "missing": lambda: of("missing", lambda result: _missing(result.missing)),
        "clauses": lambda: of("clauses", lambda result: result.clause),
        "would save": lambda: of("would save", lambda result: result.would_save),
        "beaten by": lambda: of("beaten by", lambda result: result.beaten_by),
        "code used": lambda: of("code used", lambda result: result.code),
        "funded": lambda: of("funded", lambda result: {paid.name or "us": paid.amount for paid in result.funding}),
        "net": lambda: {name: lines[name].net for name in case.expect["net"]},
        "list": lambda: {name: lines[name].list for name in case.expect["list"]},
        "refund": lambda: {name: lines[name].refund for name in case.expect["refund"]},
        "shares": lambda: {
            name: [[share.count, share.net, share.refund] for share in lines[name].shares]
            for name in case.expect["shares"]
        },
        "taxes": lambda: [[tax.rate, tax.gross, tax.net, tax.tax] for tax in decision.taxes],
        "payable": lambda: decision.totals.payable,
        "next codes": lambda: {code.promotion: [code.codes, utc(code.until_us)] for code in decision.next_codes},
        "cash": lambda: decision.totals.cash_rounding,
        "services": lambda: list(decision.services),
        "fees": lambda: {
            fee.service: [fee.net, {given.promotion: given.amount for given in fee.discounts}] for fee in decision.fees
        },
        "codes": lambda: {
            verdict.code: [verdict.verdict.name.lower(), verdict.promotion] for verdict in decision.codes
        },
        "points": lambda: _points(decision),
        "gifts": lambda: [
            [gift.promotion, "given", gift.count, list(gift.lines)]
            if gift.given
            else [gift.promotion, "offered", gift.count, list(gift.articles)]
            for gift in decision.gifts
        ],
        "bound": lambda: decision.bound,
        "variants": lambda: of("variants", lambda result: result.variant),
        "tiers": lambda: of("tiers", lambda result: [result.tier, _missing(result.next_tier)]),
        "next steps": lambda: [
            [step.promotion, step.saving, step.payable, {one.article: one.pieces or one.measure for one in step.added}]
            for step in decision.next_steps
        ],
    }
    return {part: answers[part]() for part in case.expect}


def _missing(missing: Missing | None) -> list[object] | None:
    return None if missing is None else list(dataclasses.astuple(missing))


def _points(decision: Decision) -> object:
    """All, what everybody earns, and what each promotion adds; None where the ruleset gives none."""
    points = decision.points
    if points is None:
        return None
    return {"earned": points.earned, "base": points.base} | {part.promotion: part.points for part in points.promotions}


def adds_up(decision: Decision) -> None:
    """What holds in every decision."""
    goods = decision.lines
    totals = decision.totals
    assert totals.list == sum(line.list for line in goods) == totals.net + totals.saving
    assert totals.net == sum(line.net for line in goods) == sum(line.refund for line in goods)
    assert totals.saving == sum(discount.amount for line in goods for discount in line.discounts)
    for line in goods:
        assert line.list == line.net + sum(discount.amount for discount in line.discounts)
        assert line.net == sum(share.count * share.net for share in line.shares)
        assert line.refund == sum(share.count * share.refund for share in line.shares)
        assert all(share.net >= 0 and share.refund >= 0 for share in line.shares)
    for fee in decision.fees:
        assert fee.list == fee.net + sum(given.amount for given in fee.discounts) and fee.net >= 0
        assert all(given.amount > 0 for given in fee.discounts)
    if decision.points is not None:
        added = [part.points for part in decision.points.promotions]
        assert decision.points.earned == decision.points.base + sum(added)
    assert decision.optimal == (decision.bound == 0)
    for result in decision.promotions:
        assert sum(paid.amount for paid in result.funding) in (0, result.saving)
        assert all(paid.amount >= 0 for paid in result.funding)


@pytest.mark.parametrize("decider", [oracle, engine], ids=["oracle", "engine"])
@pytest.mark.parametrize("case", CASES, ids=[f"{case.file}: {case.name}" for case in CASES])
def test_case(case: Case, decider: Callable[[Case], Decide]) -> None:
    decide = decider(case)
    if "refused" in case.expect:
        with pytest.raises(BadRequest) as refused:
            decide(case.request, everything=True)
        if decider is oracle:
            assert refused.value.field == case.expect["refused"]
        return
    decision = decide(case.request, everything=True)
    assert told(decision, case) == dict(case.expect)
    adds_up(decision)


def test_there_are_enough_and_their_names_differ() -> None:
    assert len(CASES) >= 60
    assert len({(case.file, case.name) for case in CASES}) == len(CASES)
