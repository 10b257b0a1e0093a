"""Runs test blocks: each case is decided by whatever `decide` is handed in, and compared with what the author expects.

compilation = compile_project(files)
results = run(compilation, decide)              # decide(request) -> Decision that explains every promotion
print(report(results))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from dsl.cases import Case, Expectation
from dsl.compiler import Compilation
from dsl.diagnostics import Span
from dsl.membership import Members
from engine.basket import BadRequest, Request
from engine.decision import Decision, PromotionResult, Reason
from engine.money import exponent

Decide = Callable[[Request], Decision]


@dataclass(frozen=True, slots=True)
class Failure:
    """An expectation that was not met: what came instead, and the lines that decided it."""

    expected: str
    but: str
    because: tuple[str, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a test."""

    case: Case
    failures: tuple[Failure, ...]

    @property
    def ok(self) -> bool:
        """All expectations were met."""
        return not self.failures


def run(compilation: Compilation, decide: Decide) -> tuple[Result, ...]:
    """All tests of a project, by file and line."""
    members = Members(compilation.programs)
    return tuple(run_case(case, decide, members, compilation.spans) for case in compilation.tests)


def run_case(case: Case, decide: Decide, members: Members, spans: Mapping[tuple[str, str], Span]) -> Result:
    """One test. Segments are judged without deciding."""
    failures = []
    judged = [expectation for expectation in case.expectations if expectation.kind not in ("in", "not-in")]
    for expectation in case.expectations:
        if expectation.kind in ("in", "not-in"):
            inside = members.holds(expectation.name, case.request.customer, case.request.at_us)
            if inside != (expectation.kind == "in"):
                but = f"the customer is {'' if inside else 'not '}in {expectation.name}"
                failures.append(Failure(expectation.text, but, (), expectation.span))
    if judged:
        try:
            decision = decide(case.request)
        except BadRequest as refused:
            but = f"the basket cannot be decided: {refused}"
            failures.append(Failure(judged[0].text, but, (), judged[0].span))
        else:
            judge = _Judge(case, decision, spans)
            failures.extend(failure for expectation in judged for failure in judge.failures(expectation))
    return Result(case, tuple(sorted(failures, key=lambda failure: failure.span)))


class _Judge:
    def __init__(self, case: Case, decision: Decision, spans: Mapping[tuple[str, str], Span]) -> None:
        self.case = case
        self.decision = decision
        self.spans = spans
        self.promotions = {result.name: result for result in decision.promotions}

    def failures(self, expectation: Expectation) -> Iterable[Failure]:
        """None, or the one."""
        result = self.promotions.get(expectation.name, PromotionResult(expectation.name, Reason.CONDITION))
        but = self.but(expectation, result)
        if but is not None:
            about_promotion = expectation.kind in ("saves", "applies", "not")
            because = self.because(result, expectation) if about_promotion else self.applied()
            yield Failure(expectation.text, but, because, expectation.span)

    def but(self, expectation: Expectation, result: PromotionResult) -> str | None:
        """What came instead; None where the expectation is met."""
        decision, amount = self.decision, expectation.amount
        match expectation.kind:
            case "saves":
                return None if result.saving == amount and result.reason is Reason.APPLIED else self.outcome(result)
            case "applies":
                applied = result.reason is Reason.APPLIED
                met = applied and expectation.count in (None, result.applications)
                return None if met else self.outcome(result, times=applied)
            case "not":
                met = result.reason is not Reason.APPLIED and expectation.because in (None, result.reason)
                return None if met else self.outcome(result)
            case "nothing":
                names = [r.name for r in decision.promotions if r.reason is Reason.APPLIED]
                return f"{', '.join(names)} applied" if names else None
            case "total":
                return self.amount("the total is", decision.totals.net, amount)
            case "costs":
                net = sum(line.net for line in decision.lines if line.id in expectation.lines)
                return self.amount("it costs", net, amount)
            case "free":
                return None if expectation.name in decision.services else f"{expectation.name} is not free"
            case "fee":
                return self.fee(expectation.name, amount)
            case "code-refused":
                return self.code(expectation)
            case kind:
                raise AssertionError(kind)

    def amount(self, words: str, came: int, expected: int | None) -> str | None:
        """An amount other than expected."""
        return None if came == expected else f"{words} {self.money(came)}"

    def fee(self, service: str, expected: int | None) -> str | None:
        """The fee of a service after promotions."""
        fee = next((fee.net for fee in self.decision.fees if fee.service == service), None)
        if fee is None and service in self.decision.services:
            fee = 0
        return "the basket has no such fee" if fee is None else self.amount("it is", fee, expected)

    def code(self, expectation: Expectation) -> str | None:
        """A code that was refused, for this reason."""
        verdict = next((v for v in self.decision.codes if v.code == expectation.name), None)
        if verdict is None:
            return "the code was not entered"
        reason = verdict.reason
        if reason is None and verdict.verdict.name == "USED":
            reason = Reason.CODE_USED
        if reason is expectation.because and verdict.verdict.name != "APPLIED":
            return None
        word = verdict.verdict.name.lower().replace("_", " ")
        return f"the code is {word}" + (f" because {_word(reason)}" if reason else "")

    def outcome(self, result: PromotionResult, *, times: bool = False) -> str:
        """What a promotion did."""
        if result.reason is not Reason.APPLIED:
            return f"it does not apply because {_word(result.reason)}"
        if times:
            return f"it applied {result.applications} time{'' if result.applications == 1 else 's'}"
        return f"it saved {self.money(result.saving)}"

    def because(self, result: PromotionResult, expectation: Expectation) -> tuple[str, ...]:
        """The line that decided, and when the test takes place where that matters."""
        lines = []
        clause = result.clause
        schedule = result.reason is Reason.SCHEDULE or expectation.because is Reason.SCHEDULE
        if not clause and schedule:
            clause = next((text for name, text in self.spans if name == result.name and text.startswith("runs ")), "")
        if clause:
            span = self.spans.get((result.name, clause))
            lines.append(f"{clause}    ({span.file}:{span.line})" if span else clause)
        if schedule:
            lines.append(f"the test is on {self.case.moment}")
        if result.reason is Reason.BEATEN and result.beaten_by:
            lines.append(f"{result.beaten_by} saves more")
        return tuple(lines)

    def applied(self) -> tuple[str, ...]:
        """What applied, for expectations about the whole."""
        applied = [r for r in self.decision.promotions if r.reason is Reason.APPLIED]
        return tuple(f"{result.name} saved {self.money(result.saving)}" for result in applied)

    def money(self, minor: int) -> str:
        """EUR 1.99."""
        digits = exponent(self.decision.currency)
        return f"{self.decision.currency} {minor / 10**digits:.{digits}f}"


def _word(reason: Reason) -> str:
    return reason.name.lower().replace("_", "-")


def report(results: Iterable[Result]) -> str:
    """The results as people read them, file by file."""
    lines: list[str] = []
    file = ""
    counts = {True: 0, False: 0}
    for result in results:
        case = result.case
        counts[result.ok] += 1
        if case.span.file != file:
            file = case.span.file
            lines.append(file)
        place = "" if result.ok else f"    {file.rpartition('/')[2]}:{case.span.line}"
        lines.append(f"  {'ok  ' if result.ok else 'FAIL'}  {case.name}{place}")
        for failure in result.failures:
            lines.append(f"        expected   {failure.expected}")
            lines.append(f"        but        {failure.but}")
            for number, line in enumerate(failure.because):
                lines.append(f"        {'because' if number == 0 else '       '}    {line}")
    lines.append(f"{counts[True]} passed, {counts[False]} failed.")
    return "\n".join(lines)
