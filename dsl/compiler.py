"""The door: the files of a project → its Programs, or everything that is wrong with them.

parse  → declarations      each file on its own; what cannot be read is reported and left out
check  → findings          names, types, meaning; one finding per cause
machine → findings         what the language has and the engine cannot run yet
lower  → Programs          only where no finding is an error
analyse → findings         of the ruleset as a whole (dsl/analysis/): its errors always, all of it in `check_project`
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from dsl import ast, limits
from dsl.analysis.examples import Example
from dsl.analysis.report import analyse, errors
from dsl.cases import Case, cases
from dsl.check import check
from dsl.diagnostics import Diagnostic, Span, in_order
from dsl.lower import lower
from dsl.machine import refused
from dsl.memory import Memory
from dsl.near import with_sizes
from dsl.parse import Parsed, parse
from dsl.project import Part, Project, assemble_parts, part
from dsl.trails import Clause, clause_spans, clauses, places
from engine.program import Program

LATER: Final = "P9"  # codes of what is not built yet


@dataclass(frozen=True, slots=True)
class Compilation:
    """What came of a project. With an error among the diagnostics there are no programs and no tests.

    `clauses`: the lines that a decision can turn on; `spans`: where they stand, by (name of the declaration, text).
    `sources`: the texts, for `dsl.diagnostics.render`."""

    programs: tuple[Program, ...]
    diagnostics: tuple[Diagnostic, ...]
    tests: tuple[Case, ...]
    spans: Mapping[tuple[str, str], Span] = field(default_factory=dict)
    clauses: tuple[Clause, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    examples: tuple[Example, ...] = ()  # of `check_project`: baskets that show its findings

    @property
    def ok(self) -> bool:
        """There is no error; warnings may be."""
        return not any(finding.severity == "error" for finding in self.diagnostics)


def compile_project(files: Mapping[str, bytes], memory: Memory | None = None, *, tests: bool = True) -> Compilation:
    """Compile all files of a project, named by their path from its directory: .promo files, and the tables they name.

    Pure: the same files give the same result, in whatever order they come. Never raises for what a file holds. Its
    errors are those of `check_project`, always: what the one refuses the other does. A `memory` of earlier compilations
    of the project makes it quicker and changes nothing else. Without `tests` there are no tests, spans and clauses: a
    publication needs none."""
    project, diagnostics, sources, _ = _read(files, memory)
    if _wrong(diagnostics):
        return _refused(diagnostics, sources)
    programs = _programs(project, diagnostics)
    diagnostics = in_order((*diagnostics, *errors(project, programs)))
    return _compiled(project, programs, diagnostics, sources, tests=tests)


def check_project(files: Mapping[str, bytes], memory: Memory | None = None, *, examples: bool = False) -> Compilation:
    """Compile a project and say what is wrong with it as a whole: what contradicts itself, never wins, gives all away.

    A ruleset is analysed once every line of it is right, whether the machine can run all of it yet or not.
    `examples`: with baskets that show what is claimed."""
    project, diagnostics, sources, declarations = _read(files, memory)
    if _wrong(diagnostics):
        if not project.memory.lasting:  # an editor asks often, and shows sizes in its own way
            diagnostics = with_sizes(diagnostics, declarations, files, project.memory)
        return _refused(diagnostics, sources)
    programs = _programs(project, diagnostics)
    analysis = analyse(project, programs, shown=examples)
    diagnostics = in_order((*diagnostics, *analysis.diagnostics))
    return replace(_compiled(project, programs, diagnostics, sources), examples=analysis.examples)


def _read(
    files: Mapping[str, bytes], memory: Memory | None
) -> tuple[Project, tuple[Diagnostic, ...], dict[str, str], list[ast.Decl]]:
    """The project, all findings about its lines, its texts, and what it declares."""
    memory = Memory(lasting=False) if memory is None else memory
    files = memory.take(files)
    read = [_parsed(name, files[name], memory) for name in sorted(files) if name.endswith(".promo")]
    parsed = [file for file, _ in read]
    declarations = [node for file in parsed for node in file.declarations]
    memory.forget(declarations)
    project, findings = assemble_parts([part for _, part in read], files, memory)
    if any(not file.text and file.findings for file in parsed):
        project.incomplete.add("file")
    project.noted()
    findings = [*(finding for file in parsed for finding in file.findings), *findings, *check(project)]
    diagnostics = in_order([*findings, *refused(project, findings)])
    sources = {
        name: file.text for name, file in zip(sorted(n for n in files if n.endswith(".promo")), parsed, strict=True)
    }
    return project, diagnostics, sources, declarations


def _parsed(name: str, data: bytes, memory: Memory) -> tuple[Parsed, Part]:
    def read() -> tuple[Parsed, Part]:
        parsed = parse(name, data, memory.pieces.setdefault(name, {}))
        return parsed, part(parsed.declarations)

    return memory.read(("text", name), data, read)


def _wrong(diagnostics: Iterable[Diagnostic]) -> bool:
    """Some line is not right: then nothing is said of the ruleset as a whole."""
    return any(finding.severity == "error" and not finding.code.startswith(LATER) for finding in diagnostics)


def _programs(project: Project, diagnostics: Iterable[Diagnostic]) -> tuple[Program, ...]:
    """Of a project without errors, else none."""
    return () if any(finding.severity == "error" for finding in diagnostics) else lower(project)


def _refused(diagnostics: tuple[Diagnostic, ...], sources: dict[str, str]) -> Compilation:
    return Compilation((), worst_first(diagnostics), (), sources=sources)


def _compiled(
    project: Project,
    programs: tuple[Program, ...],
    diagnostics: tuple[Diagnostic, ...],
    sources: dict[str, str],
    *,
    tests: bool = True,
) -> Compilation:
    if any(finding.severity == "error" for finding in diagnostics):
        return _refused(diagnostics, sources)
    unfit: list[Diagnostic] = []
    made = cases(project, programs, unfit.append, all_of_them=tests)
    if unfit:
        return _refused(in_order((*diagnostics, *unfit)), sources)
    trails = clauses(project) if tests else ()
    return Compilation(
        programs=programs,
        diagnostics=diagnostics[: limits.FINDINGS_MAX],
        tests=made if tests else (),
        spans={**places(project), **clause_spans(trails)} if tests else {},
        clauses=trails,
        sources=sources,
    )


def worst_first(diagnostics: tuple[Diagnostic, ...]) -> tuple[Diagnostic, ...]:
    """At most so many as anybody reads; where there are more, errors are kept before warnings."""
    if len(diagnostics) <= limits.FINDINGS_MAX:
        return diagnostics
    errors = [finding for finding in diagnostics if finding.severity == "error"]
    return tuple(errors[: limits.FINDINGS_MAX])
