"""`einklang test`: the test blocks of a project, decided by the kernels that serve, in this process."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from dsl import testing
from dsl.cases import Case
from dsl.compiler import Compilation, compile_project
from dsl.coverage import Coverage, coverage
from dsl.phrases import Language, say
from dsl.report import coverage_list, report, trace_text
from engine.basket import Request
from engine.decision import Decision
from server import kernels, reports
from server.clock import SystemClock

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class NoSuchTest(Exception):
    """No test, or more than one, is meant by a name; the message says which there are."""


@dataclass(frozen=True)
class Outcome:
    """What became of the tests; none ran where the project does not compile.

    `coverage`: None where only some tests ran and nobody asked for it."""

    compilation: Compilation
    results: tuple[testing.Result, ...]
    coverage: Coverage | None = None
    trace: str = ""
    language: Language = "en"

    @property
    def failed(self) -> int:
        """How many tests did not get what they expect."""
        return sum(not result.ok for result in self.results)

    def as_data(self) -> dict[str, object]:
        """The same for programs."""
        data: dict[str, object] = {
            "diagnostics": [found.as_data() for found in self.compilation.diagnostics],
            "tests": [
                {
                    "name": result.case.name,
                    "file": result.case.span.file,
                    "line": result.case.span.line,
                    "ok": result.ok,
                    "microseconds": result.elapsed_ns // 1_000,
                    "failures": [
                        {
                            "line": failure.span.line,
                            "expected": failure.expected,
                            "but": failure.but,
                            "because": list(failure.because),
                        }
                        for failure in result.failures
                    ],
                }
                for result in self.results
            ],
            "passed": len(self.results) - self.failed,
            "failed": self.failed,
        }
        if self.coverage is not None:
            data["coverage"] = {
                "lines": len(self.coverage.lines),
                "decisive": self.coverage.decisive,
                "never": [
                    {"file": c.span.file, "line": c.span.line, "of": c.of, "name": c.owner, "text": c.text}
                    for c in self.coverage.never
                ],
            }
        return data


def run(
    files: Mapping[str, bytes],
    keyword: str,
    *,
    cache_dir: Path,
    tell: Callable[[str], None] = lambda _: None,
    trace: str = "",
    cover: bool = False,
    language: Language = "en",
) -> Outcome:
    """Compile the project and run its tests, those with `keyword` in their name; of `trace`, tell every verdict.

    `tell` is told when the engine must be compiled first, which takes a while. `cover`: say which lines were decisive
    even where only some tests ran. Raises kernels.CacheUnsafe, NoSuchTest."""
    compilation = compile_project(files)
    if not compilation.ok:
        return Outcome(compilation, ())
    traced = find(compilation.tests, trace) if trace else None
    wanted = {case.span for case in compilation.tests if keyword.casefold() in case.name.casefold()}
    if not wanted:
        return Outcome(compilation, (), coverage(compilation.programs, compilation.clauses, ()) if cover else None)
    judge = testing.Judge(compilation, machine(compilation, cache_dir, tell), SystemClock().monotonic_ns, language)
    told = ""
    if traced is not None:
        result = judge.result(traced, everything=True)
        assert result.decision is not None or result.failures
        if result.decision is not None:
            told = trace_text(judge.trace(traced, result.decision, result.touching))
    results = tuple(judge.result(case) for case in compilation.tests if case.span in wanted)
    covered = coverage(compilation.programs, compilation.clauses, results) if cover or not keyword else None
    return Outcome(compilation, results, covered, told, language)


def find(cases: tuple[Case, ...], name: str) -> Case:
    """The test of this name, or the one with it in its name. Raises NoSuchTest."""
    exact = [case for case in cases if case.name == name]
    found = exact or [case for case in cases if name.casefold() in case.name.casefold()]
    if len(found) == 1:
        return found[0]
    if not found:
        raise NoSuchTest(f"no test has «{name}» in its name")
    names = ", ".join(f"«{case.name}»" for case in found[:5]) + (", …" if len(found) > 5 else "")
    raise NoSuchTest(f"{len(found)} tests have «{name}» in their name: {names}")


def machine(compilation: Compilation, cache_dir: Path, tell: Callable[[str], None]) -> testing.Decide:
    """The engine with this project's ruleset."""
    prepared = kernels.prepare(cache_dir)
    if not prepared.compiled:
        tell(kernels.FIRST)
    prepared.ensure(kernels.compile_here, lambda how_far: tell(f"compiling: {how_far}"))
    from engine.decide import decide, warm
    from engine.image import load
    from engine.link import link

    image = link(compilation.programs)
    parts = {digest: memoryview(data) for digest, data in image.parts.items()}
    ruleset = load(image.manifest, parts)
    warm(ruleset)

    def decided(request: Request, *, everything: bool) -> Decision:
        return decide(ruleset, request, everything=everything)

    return decided


def text(outcome: Outcome, *, full_coverage: bool = False) -> str:
    """The results for people, after the trace that was asked for."""
    parts = [outcome.trace] if outcome.trace else []
    if full_coverage and outcome.coverage is not None:
        listed = coverage_list(outcome.coverage, outcome.language)
        parts += [report(outcome.results, language=outcome.language), listed]
    else:
        parts.append(report(outcome.results, outcome.coverage, outcome.language))
    return "\n\n".join(parts)


def github(outcome: Outcome, directory: Path) -> str:
    """One workflow command for each failure, at its line: GitHub shows it beside the text."""
    expected, but = say("expected").text(outcome.language), say("but").text(outcome.language)
    lines = []
    for result in outcome.results:
        for failure in result.failures:
            told = (
                f"{expected} {failure.expected}",
                f"{but} {failure.but}",
                *(f"  {line}" for line in failure.because),
            )
            path = reports.from_here(directory, failure.span.file)
            lines.append(reports.annotation("error", path, failure.span, result.case.name, "\n".join(told)))
    return "\n".join(lines)


def junit(outcome: Outcome) -> bytes:
    """The results as JUnit XML: a suite for each file, a case for each test."""
    root = ElementTree.Element("testsuites", name="einklang")
    total = 0
    suites: dict[str, list[testing.Result]] = {}
    for result in outcome.results:
        suites.setdefault(result.case.span.file, []).append(result)
    for file, results in suites.items():
        elapsed = sum(result.elapsed_ns for result in results)
        total += elapsed
        failed = sum(not result.ok for result in results)
        suite = ElementTree.SubElement(root, "testsuite", name=_xml(file))
        suite.attrib.update(tests=str(len(results)), failures=str(failed), errors="0", time=_seconds(elapsed))
        for result in results:
            case = ElementTree.SubElement(suite, "testcase", name=_xml(result.case.name), classname=_xml(file))
            place = {"file": _xml(file), "line": str(result.case.span.line), "time": _seconds(result.elapsed_ns)}
            case.attrib.update(place)
            for failure in result.failures:
                message = f"expected {failure.expected}, but {failure.but}"
                node = ElementTree.SubElement(case, "failure", message=_xml(message), type="expectation")
                node.text = _xml("\n".join((f"{file}:{failure.span.line}", *failure.because)))
    count, errors = len(outcome.results), 0
    if not outcome.compilation.ok:
        count = errors = 1
        _not_compiled(root, outcome.compilation)
    root.attrib.update(tests=str(count), failures=str(outcome.failed), errors=str(errors), time=_seconds(total))
    ElementTree.indent(root)
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _not_compiled(root: ElementTree.Element, compilation: Compilation) -> None:
    """One case that could not run: nothing does where the rules are not understood."""
    suite = ElementTree.SubElement(root, "testsuite", name="check", tests="1", failures="0", errors="1", time="0")
    case = ElementTree.SubElement(suite, "testcase", name="check", classname="check", time="0")
    errors = [found for found in compilation.diagnostics if found.severity == "error"]
    node = ElementTree.SubElement(case, "error", message=f"{len(errors)} errors: no test ran", type="check")
    lines = (f"{found.span.file}:{found.span.line}  {found.code}  {found.message}" for found in errors)
    node.text = _xml("\n".join(lines))


def _xml(text: str) -> str:
    """Without the characters that XML cannot hold."""
    return _NOT_XML.sub("�", text)


def _seconds(nanoseconds: int) -> str:
    return f"{nanoseconds / 1_000_000_000:.6f}"
