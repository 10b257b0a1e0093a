"""Why a promotion applied or did not, as one sentence in English or German. Pure: results in, text out.

A sentence is a courtesy for people; programs read the typed fields beside it (reason, clause, missing, beaten_by).
The table SPEECH has one row for every Reason in every language, and a test insists on it.
"""

from __future__ import annotations

from collections.abc import Mapping
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


@dataclass(frozen=True, slots=True)
class Speech:
    """The sentences of one language. `reasons`: where no line is to blame, and where one is, {0} being the line."""

    reasons: Mapping[Reason, tuple[str, str]]
    times: str
    saves: str
    points: str
    with_code: str
    amount: str
    measure: str
    piece: str
    pieces: str
    article: str
    articles: str
    of: str
    applies: str
    tier: str
    next_tier: str
    beaten_by: str
    saves_more: str
    stands_aside: str
    no_amount: str
    judged: str
    codes: Mapping[str, str]
    comma: bool  # decimals after a comma, the sign of the currency behind

    def money(self, minor: int, currency: str) -> str:
        """An amount as the language writes it."""
        plain = money(minor, currency)
        if not self.comma:
            return plain
        minus = "-" if plain.startswith("-") else ""
        digits = plain.removeprefix("-").removeprefix(currency).strip().replace(".", ",")
        return f"{minus}{digits} {_SIGNS.get(currency, currency)}"

    def measured(self, thousandths: int, unit: str) -> str:
        """A measure as the language writes it."""
        plain = measure(thousandths, unit)
        return plain.replace(".", ",") if self.comma else plain


_SIGNS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"}


def explain(result: PromotionResult, decision: Decision, names: Names | None = None, language: str = "en") -> str:
    """One sentence for one promotion of a Decision, without a full stop: "EUR 12.40 more of «Mode» and it applies".

    A language that nobody taught it is answered in English."""
    return _Sentence(SPEECH.get(language, SPEECH["en"]), result, decision, names or Names()).text()


def explain_code(verdict: CodeVerdict, language: str = "en") -> str:
    """One sentence for an entered code: what became of it."""
    words = SPEECH.get(language, SPEECH["en"]).codes
    match verdict.verdict:
        case Verdict.APPLIED:
            return words["used by"].format(verdict.promotion) if verdict.promotion else words["used"]
        case Verdict.NOT_APPLIED if verdict.promotion:
            return words["belongs to"].format(verdict.promotion)
        case Verdict.NOT_APPLIED:
            return words["not used"]
        case Verdict.UNKNOWN:
            return words["unknown"]
        case Verdict.USED:
            return words["used up"]


# ---------------------------------------------------------------------------------------------------- the sentences


@dataclass(frozen=True, slots=True)
class _Sentence:
    speech: Speech
    result: PromotionResult
    decision: Decision
    names: Names

    def text(self) -> str:
        match self.result.reason:
            case Reason.APPLIED:
                said = self.applied()
            case Reason.BEATEN if self.result.beaten_by:
                said = self.beaten()
            case Reason.EXCLUSIVE if self.result.beaten_by:
                said = self.speech.stands_aside.format(self.result.beaten_by)
            case Reason.CONDITION | Reason.QUANTITY if self.result.missing is not None:
                said = self.missing(self.result.missing) + self.speech.applies
            case Reason.CURRENCY:
                no_amount = self.speech.no_amount.format(self.decision.currency)
                said = f"{no_amount}: {self.result.clause}" if self.result.clause else no_amount
            case reason:
                bare, with_line = self.speech.reasons[reason]
                said = with_line.format(self.result.clause) if self.result.clause else bare
        judged = self.result.usage_as_given and self.result.reason in _LIMITS_MATTER
        return said + (self.speech.judged if judged else "")

    def applied(self) -> str:
        speech, result = self.speech, self.result
        bare, _ = speech.reasons[Reason.APPLIED]
        times = "" if result.applications <= 1 else speech.times.format(result.applications)
        saves = speech.saves.format(speech.money(result.saving, self.decision.currency)) if result.saving else ""
        code = speech.with_code.format(result.code) if result.code else ""
        parts = self.decision.points.promotions if self.decision.points else ()
        points = "".join(speech.points.format(part.points) for part in parts if part.promotion == result.name)
        tier = speech.tier.format(result.tier) if result.tier else ""
        if result.next_tier is not None:
            tier += speech.next_tier.format(result.tier + 1, self.missing(result.next_tier))
        return f"{bare}{times}{saves}{points}{code}{tier}"

    def missing(self, missing: Missing) -> str:
        speech = self.speech
        of = speech.of.format(self.names.of(missing.products)) if missing.products else ""
        match missing.kind:
            case "amount":
                return speech.amount.format(speech.money(missing.value, self.decision.currency), of)
            case "measure":
                return speech.measure.format(speech.measured(missing.value, missing.unit), of)
            case "articles":
                return (speech.article if missing.value == 1 else speech.articles).format(missing.value, of)
            case _:
                return (speech.piece if missing.value == 1 else speech.pieces).format(missing.value, of)

    def beaten(self) -> str:
        result = self.result
        winner = next((other for other in self.decision.promotions if other.name == result.beaten_by), None)
        more = winner.saving - result.would_save if winner is not None and result.would_save else 0
        by = self.speech.saves_more.format(self.speech.money(more, self.decision.currency)) if more > 0 else ""
        return self.speech.beaten_by.format(result.beaten_by) + by


def _line(text: str) -> tuple[str, str]:
    """The text, followed by the line as the author wrote it."""
    return text, text + ": {0}"


SPEECH: dict[str, Speech] = {
    "en": Speech(
        reasons={
            Reason.APPLIED: _line("applied"),
            Reason.SCHEDULE: ("does not run at this instant", "{0}"),  # the line says it all
            Reason.CHANNEL: _line("not in this channel"),
            Reason.PLACE: _line("not at this store"),
            Reason.AUDIENCE: _line("not for this customer"),
            Reason.CONSENT: _line("the customer has not consented"),
            Reason.CODE_MISSING: _line("needs a code"),
            Reason.CODE_USED: _line("the code is used up"),
            Reason.QUANTITY: _line("not enough pieces"),
            Reason.CONDITION: ("a condition does not hold", "does not hold: {0}"),
            Reason.LIMIT: _line("the limit is reached"),
            Reason.BUDGET: _line("the budget is used up"),
            Reason.BEATEN: ("other promotions save more",) * 2,
            Reason.EXCLUSIVE: ("stands aside for an exclusive one",) * 2,
            Reason.GUARD: _line("a guard keeps these articles out"),
            Reason.CONTROL_GROUP: _line("the customer is in the control group"),
            Reason.PAUSED: _line("paused"),
            Reason.UNKNOWN_FACT: _line("a fact that it asks for is not known"),
            Reason.CURRENCY: _line("has no amount in this currency"),
            Reason.UNAVAILABLE: _line("cannot be judged at present"),
            Reason.NO_SAVING: _line("would save nothing"),
        },
        times=" {0} times",
        saves=", saves {0}",
        points=", gives {0} points",
        with_code=", with the code {0}",
        amount="{0} more{1}",
        measure="{0} more{1}",
        piece="{0} more piece{1}",
        pieces="{0} more pieces{1}",
        article="{0} more article{1}",
        articles="{0} more different articles{1}",
        of=" of {0}",
        applies=" and it applies",
        tier=", tier {0}",
        next_tier=" (to tier {0}: {1})",
        beaten_by="beaten by {0}",
        saves_more=", which saves {0} more",
        stands_aside="stands aside for {0}, with which it is never combined",
        no_amount="has no amount in {0}",
        judged=" (limits judged from the usage that the request gave)",
        codes={
            "used by": "used by {0}",
            "used": "used",
            "belongs to": "belongs to {0}, which did not apply",
            "not used": "not used",
            "unknown": "not a code of any promotion",
            "used up": "used as often as it may be",
        },
        comma=False,
    ),
    "de": Speech(
        reasons={
            Reason.APPLIED: _line("angewendet"),
            Reason.SCHEDULE: ("läuft zu diesem Zeitpunkt nicht", "{0}"),
            Reason.CHANNEL: _line("nicht in diesem Kanal"),
            Reason.PLACE: _line("nicht in dieser Filiale"),
            Reason.AUDIENCE: _line("nicht für diese Kundin oder diesen Kunden"),
            Reason.CONSENT: _line("die Einwilligung fehlt"),
            Reason.CODE_MISSING: _line("ein Code fehlt"),
            Reason.CODE_USED: _line("der Code ist verbraucht"),
            Reason.QUANTITY: _line("nicht genug Stück"),
            Reason.CONDITION: ("eine Bedingung ist nicht erfüllt", "nicht erfüllt: {0}"),
            Reason.LIMIT: _line("die Grenze ist erreicht"),
            Reason.BUDGET: _line("das Budget ist verbraucht"),
            Reason.BEATEN: ("andere Aktionen sparen mehr",) * 2,
            Reason.EXCLUSIVE: ("verdrängt durch eine Aktion, die allein gilt",) * 2,
            Reason.GUARD: _line("eine Sperre nimmt diese Artikel aus"),
            Reason.CONTROL_GROUP: _line("in der Kontrollgruppe"),
            Reason.PAUSED: _line("angehalten"),
            Reason.UNKNOWN_FACT: _line("nicht bekannt, wonach sie fragt"),
            Reason.CURRENCY: _line("hat keinen Betrag in dieser Währung"),
            Reason.UNAVAILABLE: _line("ist zurzeit nicht zu beurteilen"),
            Reason.NO_SAVING: _line("würde nichts sparen"),
        },
        times=", {0}-mal",
        saves=", spart {0}",
        points=", gibt {0} Punkte",
        with_code=", mit dem Code {0}",
        amount="es fehlen {0}{1}",
        measure="es fehlen {0}{1}",
        piece="es fehlt {0} Stück{1}",
        pieces="es fehlen {0} Stück{1}",
        article="es fehlt {0} weiterer Artikel{1}",
        articles="es fehlen {0} verschiedene Artikel{1}",
        of=" aus {0}",
        applies="",
        tier=", Stufe {0}",
        next_tier=" (zu Stufe {0}: {1})",
        beaten_by="verdrängt durch {0}",
        saves_more=", das {0} mehr spart",
        stands_aside="verdrängt durch {0}, neben dem sie nie gilt",
        no_amount="hat keinen Betrag in {0}",
        judged=" (Grenzen nach den Angaben der Anfrage beurteilt)",
        codes={
            "used by": "genutzt von {0}",
            "used": "genutzt",
            "belongs to": "gehört zu {0}, das nicht galt",
            "not used": "nicht genutzt",
            "unknown": "kein Code einer Aktion",
            "used up": "so oft genutzt wie erlaubt",
        },
        comma=True,
    ),
}


_LIMITS_MATTER = {Reason.APPLIED, Reason.LIMIT, Reason.BUDGET, Reason.BEATEN, Reason.EXCLUSIVE}
