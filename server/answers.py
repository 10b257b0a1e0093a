"""Engine → contract: a Decision becomes the message whose bytes are its name. (Contract → engine: server/convert.py.)

`to_message` depends on nothing but its arguments: no clock, no node, no channel; its lists have the contract's order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Protocol

from einklang.v1 import common_pb2 as common
from einklang.v1 import decision_pb2 as pb
from engine import decision, texts
from engine.answered import FORMAT_NUMBER
from engine.link import normalise_code
from engine.program import Writing
from engine.texts import PLAIN
from server.convert import UNITS

_UNIT_NUMBERS = {name: common.MeasureUnit.ValueType(number) for number, name in UNITS.items()}
_MISSING_KINDS = {
    "pieces": pb.MISSING_KIND_PIECES,
    "amount": pb.MISSING_KIND_AMOUNT,
    "measure": pb.MISSING_KIND_MEASURE,
    "articles": pb.MISSING_KIND_ARTICLES,
}


class PromotionNames(Protocol):
    """What a result says of its promotion beside the figures."""

    @property
    def title(self) -> str:
        """For people; "" where it has none."""

    @property
    def labels(self) -> Sequence[tuple[str, str]]:
        """(language, text) for the receipt."""

    @property
    def hints(self) -> Sequence[tuple[str, str]]:
        """(language, text) while something is missing."""


def to_message(
    answer: decision.Decision,
    *,
    codes: Sequence[str] = (),
    promotions: Mapping[str, PromotionNames] | None = None,
    product_titles: Mapping[str, str] | None = None,
    prices_include_tax: bool = True,
    writings: Mapping[str, Writing] | None = None,
) -> pb.Decision:
    """The contract's Decision. `codes`: as entered, so that verdicts spell them as the caller did.

    `promotions` (labels, hints), `product_titles`, `prices_include_tax` and `writings` are the ruleset's."""
    entered = _as_entered(codes, {verdict.code for verdict in answer.codes})
    titles = product_titles or {}
    write = Writer(writings or {}, answer.currency)
    line_savings: Counter[str] = Counter()
    for line in answer.lines:
        for discount in line.discounts:
            line_savings[discount.promotion] += discount.amount
    points = {part.promotion: part.points for part in answer.points.promotions} if answer.points else {}
    fee_savings: Counter[str] = Counter()
    for fee in answer.fees:
        for discount in fee.discounts:
            fee_savings[discount.promotion] += discount.amount
    return pb.Decision(
        format_number=FORMAT_NUMBER,
        semantics_number=answer.semantics,
        ruleset_digest=answer.ruleset,
        currency=answer.currency,
        proof=pb.PROOF_OPTIMAL if answer.optimal else pb.PROOF_BOUNDED,
        proof_bound_minor=answer.bound,
        lines=[_line_result(line) for line in answer.lines],
        promotions=[
            to_result(
                result,
                entered=entered,
                names=(promotions or {}).get(result.name),
                product_titles=titles,
                saving=line_savings[result.name],
                fee_saving=fee_savings[result.name],
                points=points.get(result.name, 0),
                write=write,
            )
            for result in answer.promotions
        ],
        fees=[_fee_result(fee) for fee in answer.fees],
        codes=sorted((_code_verdict(verdict, entered) for verdict in answer.codes), key=lambda v: v.code.encode()),
        totals=_totals(answer, prices_include_tax),
        gifts=[_gift(gift, titles) for gift in answer.gifts],
        points=_points(answer.points),
        free_services=answer.services,
        next_codes=[
            pb.NextCode(promotion=given.promotion, code_set=given.codes, count=1, valid_until_us=given.until_us)
            for given in answer.next_codes
        ],
        taxes=[
            pb.TaxTotal(
                tax_rate_basis_points=total.rate,
                without_tax_minor=total.net,
                tax_minor=total.tax,
                with_tax_minor=total.gross,
            )
            for total in answer.taxes
        ],
        next_steps=[
            _next_step(step, (promotions or {}).get(step.promotion), titles, write) for step in answer.next_steps
        ],
    )


_PARTIES = {
    "us": pb.FUNDING_PARTY_US,
    "supplier": pb.FUNDING_PARTY_SUPPLIER,
    "partner": pb.FUNDING_PARTY_PARTNER,
}


@dataclass(frozen=True, slots=True)
class Writer:
    """Texts with their placeholders filled, each in its language."""

    writings: Mapping[str, Writing]
    currency: str

    def __call__(
        self, pairs: Sequence[tuple[str, str]], values: Mapping[str, int | decision.Missing]
    ) -> list[common.Text]:
        return [
            common.Text(
                language=language, text=texts.filled(text, self.writings.get(language, PLAIN), self.currency, values)
            )
            for language, text in sorted(pairs)
        ]


def to_result(
    result: decision.PromotionResult,
    *,
    entered: Mapping[str, str],
    names: PromotionNames | None,
    product_titles: Mapping[str, str],
    saving: int = 0,
    fee_saving: int = 0,
    points: int = 0,
    write: Writer,
) -> pb.PromotionResult:
    """One promotion's result. `saving`, `fee_saving` in minor units: what it takes off lines, off fees. `points`: what
    it adds."""
    applied = result.reason == decision.Reason.APPLIED
    gone = result.reason in {decision.Reason.BEATEN, decision.Reason.EXCLUSIVE}
    return pb.PromotionResult(
        promotion=result.name,
        reason=common.Reason.ValueType(result.reason),
        applications=result.applications,
        saving_minor=saving,
        labels=write(names.labels, {"saved": result.saving, "points": points}) if applied and names is not None else [],
        hints=write(names.hints, {"missing": result.missing}) if result.missing and names is not None else [],
        funding=[
            pb.Funding(party=_PARTIES[paid.party], name=paid.name, amount_minor=paid.amount)
            for paid in sorted(result.funding, key=lambda paid: (_PARTIES[paid.party], paid.name.encode()))
        ],
        codes=[entered.get(result.code, result.code)] if result.code else [],
        beaten_by=[result.beaten_by] if result.beaten_by else [],
        would_save_minor=result.would_save if gone and result.would_save else None,
        missing=[] if result.missing is None else [to_missing(result.missing, product_titles)],
        failing_clause=texts.cut(result.clause),
        usage_judged=result.usage_as_given,
        fee_saving_minor=fee_saving,
        variant=result.variant,
        tier=result.tier,
        next_tier=None if result.next_tier is None else to_missing(result.next_tier, product_titles),
    )


def to_missing(missing: decision.Missing, product_titles: Mapping[str, str]) -> pb.Missing:
    """How much of what is missing."""
    pieces = missing.kind in {"pieces", "articles"}
    return pb.Missing(
        kind=_MISSING_KINDS[missing.kind],
        amount_minor=missing.value if missing.kind == "amount" else 0,
        pieces=missing.value if pieces else 0,
        measure_thousandths=missing.value if missing.kind == "measure" else 0,
        measure_unit=_UNIT_NUMBERS[missing.unit] if missing.kind == "measure" else common.MEASURE_UNIT_UNSPECIFIED,
        product_set=missing.products,
        product_set_title=product_titles.get(missing.products, ""),
    )


def _next_step(
    step: decision.NextStep, names: PromotionNames | None, product_titles: Mapping[str, str], write: Writer
) -> pb.NextStep:
    return pb.NextStep(
        promotion=step.promotion,
        missing=[to_missing(missing, product_titles) for missing in step.missing],
        saving_minor=step.saving,
        hints=write(names.hints, {"missing": step.missing[0]}) if names is not None else [],
        additions=[
            pb.Addition(
                article=added.article,
                pieces=added.pieces,
                measure_thousandths=added.measure,
                measure_unit=_UNIT_NUMBERS[added.unit] if added.measure else common.MEASURE_UNIT_UNSPECIFIED,
            )
            for added in step.added
        ],
        payable_minor=step.payable,
    )


def limits_from(results: Iterable[decision.PromotionResult]) -> pb.LimitsFrom.ValueType:
    """Whose counts the limits past the basket were judged by. There is no ledger yet: the request's, or none."""
    return pb.LIMITS_FROM_REQUEST if any(result.usage_as_given for result in results) else pb.LIMITS_FROM_NONE


def _as_entered(codes: Sequence[str], known_as: Set[str]) -> dict[str, str]:
    """Each code by the name that it is known as → the smallest (bytes) of its spellings."""
    entered: dict[str, str] = {}
    for code in sorted(codes, key=str.encode):
        entered.setdefault(code if code in known_as else normalise_code(code), code)
    return entered


def _line_result(line: decision.LineResult) -> pb.LineResult:
    return pb.LineResult(
        line_id=line.id,
        list_minor=line.list,
        net_minor=line.net,
        discounts=[pb.LineDiscount(promotion=d.promotion, amount_minor=d.amount) for d in line.discounts if d.amount],
        units=[pb.UnitShare(count=s.count, net_minor=s.net, refund_minor=s.refund) for s in line.shares],
        refund_minor=line.refund,
        tax_rate_basis_points=line.tax_rate,
    )


def _fee_result(fee: decision.FeeResult) -> pb.FeeResult:
    return pb.FeeResult(
        service=fee.service,
        list_minor=fee.list,
        net_minor=fee.net,
        discounts=[pb.FeeDiscount(promotion=d.promotion, amount_minor=d.amount) for d in fee.discounts],
        tax_rate_basis_points=fee.tax_rate,
    )


def _gift(gift: decision.GiftResult, titles: Mapping[str, str]) -> pb.GiftResult:
    return pb.GiftResult(
        promotion=gift.promotion,
        state=pb.GIFT_STATE_GIVEN if gift.given else pb.GIFT_STATE_OFFERED,
        count=gift.count,
        line_ids=gift.lines,
        product_set="" if gift.given else gift.products,
        product_set_title="" if gift.given else titles.get(gift.products, ""),
        articles=gift.articles,
        unit_price_minor=gift.price,
    )


def _points(points: decision.PointsResult | None) -> pb.PointsResult | None:
    if points is None:
        return None
    parts = [pb.PromotionPoints(promotion=part.promotion, points=part.points) for part in points.promotions]
    return pb.PointsResult(earned=points.earned, base=points.base, promotions=parts)


def _code_verdict(verdict: decision.CodeVerdict, entered: Mapping[str, str]) -> pb.CodeVerdict:
    return pb.CodeVerdict(
        code=entered.get(verdict.code, verdict.code),
        verdict=pb.CodeVerdictKind.ValueType(verdict.verdict),
        promotion=verdict.promotion,
        reason=common.Reason.ValueType(verdict.reason or 0),
    )


def _totals(answer: decision.Decision, prices_include_tax: bool) -> pb.Totals:
    totals = answer.totals
    return pb.Totals(
        list_minor=totals.list,
        saving_minor=totals.saving,
        net_minor=totals.net,
        fee_list_minor=sum(fee.list for fee in answer.fees),
        fee_net_minor=totals.fees,
        tax_minor=totals.tax,
        prices_include_tax=prices_include_tax,
        payable_minor=totals.payable,
        cash_rounding_minor=totals.cash_rounding,
    )
