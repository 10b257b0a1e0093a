"""Runs test blocks: each case is decided by whatever `decide` is handed in, and compared with what the author expects.

compilation = compile_project(files)
results = run(compilation, decide)              # decide(request, everything=…) -> Decision
print(report(results))                          # dsl/report.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from dsl.cases import Case, Expectation
from dsl.compiler import Compilation
from dsl.diagnostics import Span
from dsl.phrases import Language, Phrase, say
from dsl.situation import Ruleset, Situation
from dsl.trace import Trace, minor, word
from dsl.trails import Clause
from engine.basket import BadRequest, Request
from engine.decision import Decision, PromotionResult, Reason, Totals
from engine.texts import filled

ABOUT_PROMOTIONS = ("saves", "applies", "not")
ABOUT_SEGMENTS = ("in", "not-in")
LINES_SHOWN = 12  # of a basket, beside a wrong saving
FEW = 200  # promotions: all are reported within a tenth of the time that the basket takes
_UNDECIDED = Decision("", "", True, 0, (), (), (), (), (), (), Totals(0, 0, 0, 0, 0, 0))  # of segments alone


class Decide(Protocol):
    """The engine, or what stands in for it."""

    def __call__(self, request: Request, *, everything: bool) -> Decision:
        """The Decision; with `everything` it reports all promotions, else those that touch the basket."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An expectation that was not met: what came instead, and the lines that decided it."""

    expected: str
    but: str
    because: tuple[str, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a test. `decision`: None where it asks for segments alone, or could not be decided."""

    case: Case
    failures: tuple[Failure, ...]
    decision: Decision | None = None
    touching: frozenset[str] = frozenset()  # the promotions that touch the basket, where an expectation is about it
    elapsed_ns: int = 0  # of deciding; 0: not measured

    @property
    def ok(self) -> bool:
        """All expectations were met."""
        return not self.failures


def run(
    compilation: Compilation,
    decide: Decide,
    *,
    clock_ns: Callable[[], int] = lambda: 0,
    wanted: Callable[[Case], bool] = lambda _: True,
) -> tuple[Result, ...]:
    """The wanted tests of a project, by file and line. `clock_ns` only measures."""
    judge = Judge(compilation, decide, clock_ns)
    return tuple(judge.result(case) for case in compilation.tests if wanted(case))


class Judge:
    """Runs tests of one project."""

    def __init__(
        self,
        compilation: Compilation,
        decide: Decide,
        clock_ns: Callable[[], int] = lambda: 0,
        language: Language = "en",
    ) -> None:
        self.language = language
        self.ruleset = Ruleset(compilation.programs)
        self.clauses = by_owner(compilation.clauses)
        self.decide = decide
        self.clock_ns = clock_ns

    def result(self, case: Case, *, everything: bool = False) -> Result:
        """One test. Segments are judged without deciding. `everything`: the decision reports all promotions."""
        began = self.clock_ns()
        try:
            decision, touching = self.decided(case, everything)
        except BadRequest as refused:
            failures = list(self.segments(case))
            judged = [expectation for expectation in case.expectations if expectation.kind not in ABOUT_SEGMENTS]
            if judged:
                failures.append(
                    Failure(
                        judged[0].text,
                        self.text(say("the basket cannot be decided: {why}", why=str(refused))),
                        (),
                        judged[0].span,
                    )
                )
            return Result(case, _sorted(failures), elapsed_ns=self.clock_ns() - began)
        failures = list(self.segments(case))
        elapsed = self.clock_ns() - began
        if decision is not None:
            failures += _Judged(self.trace(case, decision, touching)).failures()
        return Result(case, _sorted(failures), decision, touching, elapsed)

    def text(self, said: Phrase) -> str:
        """In the language of this report."""
        return said.text(self.language)

    def trace(self, case: Case, decision: Decision, touching: frozenset[str]) -> Trace:
        """Why it came out so."""
        return Trace(case, decision, self.ruleset, self.clauses, touching, self.language)

    def decided(self, case: Case, everything: bool) -> tuple[Decision | None, frozenset[str]]:
        """The decision, and the promotions that touch the basket, where they matter.

        Deciding is what a test costs, so it is done once where that does: a report of all promotions is as quick as
        one of those that touch the basket while there are few."""
        kinds = {expectation.kind for expectation in case.expectations}
        if not everything and kinds <= set(ABOUT_SEGMENTS):
            return None, frozenset()
        general = not kinds <= {*ABOUT_SEGMENTS, *ABOUT_PROMOTIONS}
        if not everything and not general and len(self.ruleset.promotions) <= FEW:
            return self.decide(case.request, everything=True), frozenset()
        decision = self.decide(case.request, everything=False)
        touching = frozenset(result.name for result in decision.promotions)
        if everything or not named(case) <= touching:
            decision = self.decide(case.request, everything=True)
        return decision, touching

    def segments(self, case: Case) -> Iterator[Failure]:
        """Expectations about segments that are not met."""
        situation: Situation | None = None
        for expectation in case.expectations:
            if expectation.kind not in ABOUT_SEGMENTS:
                continue
            situation = situation or Situation(self.ruleset, case.request)
            inside = situation.member(expectation.name)
            if inside != (expectation.kind == "in"):
                trace = Trace(case, _UNDECIDED, self.ruleset, self.clauses, language=self.language)
                because = trace.segment(self.ruleset.segments[expectation.name])
                segment = expectation.name
                came = say("the customer is in {segment}", segment=segment)
                but = came if inside else say("the customer is not in {segment}", segment=segment)
                yield Failure(expectation.text, self.text(but), because, expectation.span)


def named(case: Case) -> frozenset[str]:
    """The promotions that a test names."""
    return frozenset(expectation.name for expectation in case.expectations if expectation.kind in ABOUT_PROMOTIONS)


def times_applied(result: PromotionResult) -> Phrase:
    """How often."""
    if result.applications == 1:
        return say("it applied 1 time")
    return say("it applied {count} times", count=result.applications)


def by_owner(clauses: Iterable[Clause]) -> Mapping[str, Sequence[Clause]]:
    """The clauses of each declaration."""
    found: dict[str, list[Clause]] = {}
    for clause in clauses:
        found.setdefault(clause.owner, []).append(clause)
    return found


def _sorted(failures: Iterable[Failure]) -> tuple[Failure, ...]:
    return tuple(sorted(failures, key=lambda failure: failure.span))


class _Judged:
    """The expectations of a test against its decision."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.decision = trace.decision

    def failures(self) -> Iterator[Failure]:
        """One for each expectation that is not met."""
        for expectation in self.trace.case.expectations:
            if expectation.kind in ABOUT_SEGMENTS:
                continue
            result = self.trace.promotions.get(expectation.name, PromotionResult(expectation.name, Reason.CONDITION))
            but = self.but(expectation, result)
            if but is not None:
                because = self.because(expectation, result)
                yield Failure(expectation.text, self.trace.text(but), because, expectation.span)

    def because(self, expectation: Expectation, result: PromotionResult) -> tuple[str, ...]:
        """The lines that decided; of amounts, where the cents went."""
        match expectation.kind:
            case "saves" if result.reason is Reason.APPLIED:
                return (*self.trace.of(result), *self.trace.shares(self.reduced_by(result.name)))
            case "saves" | "applies" | "not":
                return self.trace.of(result, expectation.because)
            case "total":
                return self.trace.shares(others=True)
            case "costs" | "refund":
                return self.trace.shares(expectation.lines)
            case "free" | "fee" | "code-refused":
                about = [r for r in self.decision.promotions if self.concerns(r.name, expectation)]
                return tuple(line for r in about for line in (self.trace.text(self.outcome(r)), *self.trace.of(r)))
            case _:
                return self.trace.applied()

    def reduced_by(self, promotion: str) -> tuple[str, ...]:
        """The lines that a promotion makes cheaper; () = all, where they are few."""
        lines = self.decision.lines
        if len(lines) <= LINES_SHOWN:
            return ()
        return tuple(line.id for line in lines if any(given.promotion == promotion for given in line.discounts))

    def concerns(self, name: str, expectation: Expectation) -> bool:
        """Does a promotion bear on this service, or this code?"""
        promotion = self.trace.ruleset.promotions[name]
        if expectation.kind == "code-refused":
            verdicts = [verdict for verdict in self.decision.codes if verdict.code == expectation.name]
            return any(verdict.promotion == name for verdict in verdicts)
        return any(getattr(reward, "service", None) == expectation.name for reward in promotion.rewards)

    def outcome(self, result: PromotionResult) -> Phrase:
        """What a promotion did, by its name."""
        if result.reason is Reason.APPLIED:
            return say("{promotion} applied", promotion=result.name)
        return say("{promotion} does not apply because {reason}", promotion=result.name, reason=word(result.reason))

    # ------------------------------------------------------------------------------------------------ what came

    def but(self, expectation: Expectation, result: PromotionResult) -> Phrase | None:
        """What came instead; None where the expectation is met."""
        decision, amount = self.decision, expectation.amount
        match expectation.kind:
            case "saves":
                return None if result.saving == amount and result.reason is Reason.APPLIED else self.came(result)
            case "applies":
                applied = result.reason is Reason.APPLIED
                met = applied and expectation.count in (None, result.applications)
                return None if met else self.came(result, times=applied)
            case "not":
                met = result.reason is not Reason.APPLIED and expectation.because in (None, result.reason)
                return None if met else self.came(result)
            case "nothing":
                names = [r.name for r in decision.promotions if r.reason is Reason.APPLIED]
                return say("{names} applied", names=", ".join(names)) if names else None
            case "total":
                came = say("the total is {amount}", amount=self.money(decision.totals.net))
                return None if decision.totals.net == amount else came
            case "costs":
                net = sum(line.net for line in decision.lines if line.id in expectation.lines)
                return None if net == amount else say("it costs {amount}", amount=self.money(net))
            case "refund":
                refund = self.refund(expectation)
                return None if refund == amount else say("it refunds {amount}", amount=self.money(refund))
            case "free":
                return (
                    None
                    if expectation.name in decision.services
                    else say("{service} is not free", service=expectation.name)
                )
            case "code":
                return self.next_code(expectation.name)
            case "fee":
                return self.fee(expectation.name, amount)
            case "code-refused":
                return self.code(expectation)
            case "funded":
                return self.funded(expectation)
            case "hint":
                return self.hint(expectation.name)
            case "gift":
                gifts = sum(gift.count for gift in self.decision.gifts if gift.products == expectation.name)
                return None if gifts == expectation.count else say("there are {count} gifts from it", count=gifts)
            case "points":
                points = self.decision.points.earned if self.decision.points else 0
                return None if points == expectation.count else say("it earns {count} points", count=points)
            case kind:
                raise AssertionError(kind)

    def refund(self, expectation: Expectation) -> int:
        """What a return of so many refunds: those that cost most come back first, of these those that refund most."""
        shares = [share for line in self.decision.lines if line.id in expectation.lines for share in line.shares]
        left, refund = expectation.count or 0, 0
        for share in sorted(shares, key=lambda share: (share.net, share.refund), reverse=True):
            taken = min(left, share.count)
            refund += taken * share.refund
            left -= taken
        return refund

    def funded(self, expectation: Expectation) -> Phrase | None:
        """What a supplier or partner pays of all promotions together."""
        paid = sum(
            share.amount
            for result in self.decision.promotions
            for share in result.funding
            if (share.party, share.name) == (expectation.party, expectation.name)
        )
        if paid == expectation.amount:
            return None
        name, amount = expectation.name, self.money(paid)
        if expectation.party == "supplier":
            return say("supplier «{name}» pays {amount}", name=name, amount=amount)
        return say("partner «{name}» pays {amount}", name=name, amount=amount)

    def hint(self, expected: str) -> Phrase | None:
        """A hint in any language, as it is shown to the shopper."""
        ruleset = self.trace.ruleset
        hints = [
            filled(hint.text, ruleset.writing(hint.language), self.decision.currency, {"missing": result.missing})
            for result in self.decision.promotions
            if result.missing is not None
            for hint in ruleset.promotions[result.name].hints
        ]
        if expected in hints:
            return None
        shown = ", ".join(f"«{hint}»" for hint in hints)
        return say("the hints are {hints}", hints=shown) if hints else say("nothing hints")

    def next_code(self, expected: str) -> Phrase | None:
        """A code of a set for the next time."""
        names = tuple(dict.fromkeys(given.codes for given in self.decision.next_codes))
        if expected in names:
            return None
        return say("codes are given from {names}", names=", ".join(names)) if names else say("no code is given")

    def fee(self, service: str, expected: int | None) -> Phrase | None:
        """The fee of a service after promotions."""
        fee = next((fee.net for fee in self.decision.fees if fee.service == service), None)
        if fee is None and service in self.decision.services:
            fee = 0
        if fee is None:
            return say("the basket has no such fee")
        return None if fee == expected else say("it is {amount}", amount=self.money(fee))

    def code(self, expectation: Expectation) -> Phrase | None:
        """A code that was refused, for this reason."""
        verdict = next((v for v in self.decision.codes if v.code == expectation.name), None)
        if verdict is None:
            return say("the code was not entered: the test needs   given code {text}", text=f'"{expectation.name}"')
        reason = verdict.reason
        if reason is None and verdict.verdict.name == "USED":
            reason = Reason.CODE_USED
        if reason is expectation.because and verdict.verdict.name != "APPLIED":
            return None
        came = verdict.verdict.name.lower().replace("_", " ")
        if reason is None:
            return say("the code is {verdict}", verdict=came)
        return say("the code is {verdict} because {reason}", verdict=came, reason=word(reason))

    def came(self, result: PromotionResult, *, times: bool = False) -> Phrase:
        """What a promotion did instead."""
        if result.reason is not Reason.APPLIED:
            return say("it does not apply because {reason}", reason=word(result.reason))
        if times:
            return times_applied(result)
        return say("it saved {amount}", amount=self.money(result.saving))

    def money(self, amount: int) -> str:
        """EUR 1.99."""
        return minor(amount, self.decision.currency)
