"""Why a promotion applied or did not, as one English sentence. Pure: results in, text out.

A sentence is a courtesy for people; programs read the typed fields beside it (reason, clause, missing, beaten_by).
The table `_SENTENCES` has one row for every Reason, and a test insists on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from engine.decision import CodeVerdict, Decision, Missing, PromotionResult, Reason, Verdict
from engine.money import EXPONENTS


@dataclass(frozen=True, slots=True)
class Names:
    """What sentences call things: the titles of product sets by their names, all optional."""

    products: Mapping[str, str] = field(default_factory=dict)

    def of(self, products: str) -> str:
        """The set in quotes, by its title where it has one; "" for no particular set."""
        return f"«{self.products.get(products) or products}»" if products else ""


def money(minor: int, currency: str) -> str:
    """An amount in minor units of `currency` as the language writes it: "EUR 12.40", "JPY 500", "-EUR 0.05"."""
    decimals = EXPONENTS.get(currency, 2)
    whole, part = divmod(abs(minor), 10**decimals)
    digits = f"{whole}.{part:0{decimals}d}" if decimals else str(whole)
    return f"{'-' if minor < 0 else ''}{currency} {digits}"


def measure(thousandths: int, unit: str) -> str:
    """A measure in thousandths of its unit, without idle zeros: "0.25 kg", "2 l"."""
    whole, part = divmod(thousandths, 1_000)
    return f"{whole}{f'.{part:03d}'.rstrip('0') if part else ''} {unit}"


def explain(result: PromotionResult, decision: Decision, names: Names | None = None) -> str:
    """One sentence for one promotion of a Decision, without a full stop: "EUR 12.40 more of «Mode» and it applies"."""
    sentence = _SENTENCES[result.reason](result, decision, names or Names())
    return sentence + _usage(result)


def explain_code(verdict: CodeVerdict) -> str:
    """One sentence for an entered code: what became of it."""
    match verdict.verdict:
        case Verdict.APPLIED:
            return f"used by {verdict.promotion}" if verdict.promotion else "used"
        case Verdict.NOT_APPLIED if verdict.promotion:
            return f"belongs to {verdict.promotion}, which did not apply"
        case Verdict.NOT_APPLIED:
            return "not used"
        case Verdict.UNKNOWN:
            return "not a code of any promotion"
        case Verdict.USED:
            return "used as often as it may be"


# ---------------------------------------------------------------------------------------------------- the sentences


def _applied(result: PromotionResult, decision: Decision, _names: Names) -> str:
    times = "" if result.applications <= 1 else f" {result.applications} times"
    saves = f", saves {money(result.saving, decision.currency)}" if result.saving else ""
    code = f", with the code {result.code}" if result.code else ""
    return f"applied{times}{saves}{code}"


def _missing(result: PromotionResult, decision: Decision, names: Names) -> str:
    assert result.missing is not None
    return f"{_quantity(result.missing, decision.currency, names)} and it applies"


def _quantity(missing: Missing, currency: str, names: Names) -> str:
    of = f" of {names.of(missing.products)}" if missing.products else ""
    if missing.kind == "amount":
        return f"{money(missing.value, currency)} more{of}"
    if missing.kind == "measure":
        return f"{measure(missing.value, missing.unit)} more{of}"
    pieces = "piece" if missing.value == 1 else "pieces"
    return f"{missing.value} more {pieces}{of}" if of else f"{missing.value} more {pieces}"


def _condition(result: PromotionResult, decision: Decision, names: Names) -> str:
    if result.missing is not None:
        return _missing(result, decision, names)
    return f"does not hold: {result.clause}" if result.clause else "a condition does not hold"


def _too_few(result: PromotionResult, decision: Decision, names: Names) -> str:
    if result.missing is not None:
        return _missing(result, decision, names)
    return f"not enough pieces: {result.clause}" if result.clause else "not enough pieces"


def _beaten(result: PromotionResult, decision: Decision, _names: Names) -> str:
    if not result.beaten_by:
        return "other promotions save more"
    winner = next((other for other in decision.promotions if other.name == result.beaten_by), None)
    more = winner.saving - result.would_save if winner is not None and result.would_save else 0
    which = f", which saves {money(more, decision.currency)} more" if more > 0 else ""
    return f"beaten by {result.beaten_by}{which}"


def _exclusive(result: PromotionResult, _decision: Decision, _names: Names) -> str:
    by = result.beaten_by
    return f"stands aside for {by}, with which it is never combined" if by else "stands aside for an exclusive one"


def _currency(result: PromotionResult, decision: Decision, _names: Names) -> str:
    return f"has no amount in {decision.currency}" + (f": {result.clause}" if result.clause else "")


def _plain(text: str) -> Callable[[PromotionResult, Decision, Names], str]:
    """The text, followed by the line as the author wrote it."""

    def sentence(result: PromotionResult, _decision: Decision, _names: Names) -> str:
        return f"{text}: {result.clause}" if result.clause else text

    return sentence


def _line(otherwise: str) -> Callable[[PromotionResult, Decision, Names], str]:
    """The line as the author wrote it says it all: "runs from 2026-09-07 until 2026-09-12"."""

    def sentence(result: PromotionResult, _decision: Decision, _names: Names) -> str:
        return result.clause or otherwise

    return sentence


_SENTENCES: dict[Reason, Callable[[PromotionResult, Decision, Names], str]] = {
    Reason.APPLIED: _applied,
    Reason.SCHEDULE: _line("does not run at this instant"),
    Reason.CHANNEL: _plain("not in this channel"),
    Reason.PLACE: _plain("not at this store"),
    Reason.AUDIENCE: _plain("not for this customer"),
    Reason.CONSENT: _plain("the customer has not consented"),
    Reason.CODE_MISSING: _plain("needs a code"),
    Reason.CODE_USED: _plain("the code is used up"),
    Reason.QUANTITY: _too_few,
    Reason.CONDITION: _condition,
    Reason.LIMIT: _plain("the limit is reached"),
    Reason.BUDGET: _plain("the budget is used up"),
    Reason.BEATEN: _beaten,
    Reason.EXCLUSIVE: _exclusive,
    Reason.GUARD: _plain("a guard keeps these articles out"),
    Reason.CONTROL_GROUP: _plain("the customer is in the control group"),
    Reason.PAUSED: _plain("paused"),
    Reason.UNKNOWN_FACT: _plain("a fact that it asks for is not known"),
    Reason.CURRENCY: _currency,
    Reason.UNAVAILABLE: _plain("cannot be judged at present"),
    Reason.NO_SAVING: _plain("would save nothing"),
}


_LIMITS_MATTER = {Reason.APPLIED, Reason.LIMIT, Reason.BUDGET, Reason.BEATEN, Reason.EXCLUSIVE}


def _usage(result: PromotionResult) -> str:
    judged = result.usage_as_given and result.reason in _LIMITS_MATTER
    return " (limits judged from the usage that the request gave)" if judged else ""
