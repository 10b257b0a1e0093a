"""The results of tests as people read them: a list by file, each failure with its lines, what no test turned on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dsl.coverage import Coverage
from dsl.phrases import Language, Value, say
from dsl.testing import Result, times_applied
from dsl.trace import Trace, minor, word
from engine.decision import PromotionResult, Reason

NAME_WIDTH_MAX = 60  # longer names push their time to the right
NEVER_MAX = 3  # lines named in the summary
_LABEL = 11  # "expected" and what follows it


def report(results: Sequence[Result], coverage: Coverage | None = None, language: Language = "en") -> str:
    """All results, file by file, and how many passed; with `coverage` also the lines that no test made decisive."""
    width = min(max((len(result.case.name) for result in results), default=0), NAME_WIDTH_MAX)
    lines: list[str] = []
    file = ""
    for result in results:
        if result.case.span.file != file:
            file = result.case.span.file
            lines.append(file)
        lines += _result(result, width, language)
    failed = sum(not result.ok for result in results)
    summary = say("{passed} passed, {failed} failed.", passed=len(results) - failed, failed=failed).text(language)
    never = _never(coverage, language) if coverage is not None else ""
    lines.append(f"{summary}  {never}" if never else summary)
    return "\n".join(lines)


def _result(result: Result, width: int, language: Language) -> list[str]:
    case = result.case
    if result.ok:
        right = f"{result.elapsed_ns / 1_000_000:6.1f} ms" if result.elapsed_ns else ""
    else:
        right = f"{case.span.file.rpartition('/')[2]}:{case.span.line}"
    lines = [f"  {'ok  ' if result.ok else 'FAIL'}  {case.name:<{width}}  {right}".rstrip()]
    for failure in result.failures:
        lines.append(_row(say("expected").text(language), failure.expected))
        lines.append(_row(say("but").text(language), failure.but))
        for number, line in enumerate(failure.because):
            lines.append(_row(say("because").text(language) if number == 0 else "", line))
    return lines


def _row(label: str, text: str) -> str:
    return f"        {label:<{_LABEL}}{text}"


def _never(coverage: Coverage, language: Language) -> str:
    never = coverage.never
    if not never:
        return ""
    lines: Value = ", ".join(f"{clause.owner} «{clause.text}»" for clause in never[:NEVER_MAX])
    if len(never) > NEVER_MAX:
        lines = say("{lines} and {more} more (--cov lists them)", lines=lines, more=len(never) - NEVER_MAX)
    return say("Lines never decisive: {lines}", lines=lines).text(language)


def coverage_list(coverage: Coverage, language: Language = "en") -> str:
    """Every line that no test made decisive, by file and declaration; and the share of those that some test did."""
    lines: list[str] = []
    file = owner = ""
    for clause in coverage.never:
        if clause.span.file != file:
            file, owner = clause.span.file, ""
            lines.append(file)
        if clause.owner != owner:
            owner = clause.owner
            lines.append(f"  {owner}")
        lines.append(f"    {clause.span.line:>5}  {clause.text}")
    if not lines and coverage.lines:
        lines.append(say("Every line is decisive in a test.").text(language))
    share = say(
        "Decisive in a test: {decisive} of {all} lines ({percent}%)",
        decisive=coverage.decisive,
        all=len(coverage.lines),
        percent=coverage.percent,
    )
    return "\n".join([*lines, share.text(language)])


def trace_text(trace: Trace) -> str:
    """Every promotion of one test with its verdict and the lines that decided, then where the cents went."""
    touching = trace.touching or frozenset()
    order = {True: 0, False: 1}

    def key(result: PromotionResult) -> tuple[int, int, str]:
        return order[result.reason is Reason.APPLIED], order[result.name in touching], result.name

    results = sorted(trace.decision.promotions, key=key)
    width = max((len(result.name) for result in results), default=0)
    verdict = max((len(word(result.reason)) for result in results), default=0)
    lines = [trace.text(trace.moment()), trace.text(trace.channel()), ""]
    for result in results:
        head = f"{result.name:<{width}}  {word(result.reason):<{verdict}}  "
        rest: Iterable[str] = trace.of(result)
        if result.reason is Reason.APPLIED:
            rest = [_came(trace, result), *rest]
        for number, line in enumerate(rest or [""]):
            lines.append(((head if number == 0 else " " * len(head)) + line).rstrip())
    return "\n".join([*lines, "", *trace.shares()])


def _came(trace: Trace, result: PromotionResult) -> str:
    saved = say("it saved {amount}", amount=minor(result.saving, trace.decision.currency))
    return f"{trace.text(times_applied(result))}, {trace.text(saved)}"
