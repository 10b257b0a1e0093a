"""Applies the fixes that findings carry, as far as they make things better and nothing worse.

A fix is kept only if its finding is gone with it, there are fewer findings, and no error that was not there before;
where several together do not do so, each is tried in smaller company. What no fix mends stays as it is written.

A line that cannot be read hides findings of other lines: those are not new, they are seen. Its own line must be right.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dsl import limits
from dsl.compiler import LATER, compile_project
from dsl.diagnostics import Diagnostic, Edit

_LINE = re.compile(r"([^\r\n]*)(\r\n|\r|\n|\Z)")
FIRST_OF_WHAT_IS_READ = "P1"  # codes before it are of lines that cannot be read
_BOM = "\ufeff"

Files = Mapping[str, bytes]
Judge = Callable[[Files], Sequence[Diagnostic]]


@dataclass(frozen=True, slots=True)
class Mended:
    """The files that changed, the findings whose fixes were applied, and those whose fixes were left."""

    files: dict[str, bytes]
    applied: tuple[Diagnostic, ...]
    left: tuple[Diagnostic, ...]


def mend(files: Files) -> Mended:
    """Apply what can be applied, again and again: a line that can be read may show its next finding."""
    now = dict(files)
    applied: list[Diagnostic] = []
    findings = judged(now)
    refused: set[tuple[object, ...]] = set()
    for _ in range(limits.MENDING_ROUNDS_MAX):
        fixes = [finding for finding in findings if finding.fix and _known(finding) not in refused]
        fitting = _apart(fixes)
        if not fitting:
            break
        kept, now, findings = _best(now, findings, fitting)
        applied += kept
        refused.update(_known(finding) for finding in fitting if finding not in kept)
    changed = {name: data for name, data in now.items() if data != files[name]}
    return Mended(changed, tuple(applied), tuple(finding for finding in findings if finding.fix))


def judged(files: Files) -> tuple[Diagnostic, ...]:
    """All findings about the lines of a project."""
    return compile_project(files).diagnostics


def _best(
    files: dict[str, bytes], findings: tuple[Diagnostic, ...], wanted: Sequence[Diagnostic]
) -> tuple[list[Diagnostic], dict[str, bytes], tuple[Diagnostic, ...]]:
    """Those of the wanted fixes that do good, the files with them, what is found then."""
    with_all = edited(files, [edit for finding in wanted if finding.fix for edit in finding.fix.edits])
    after = judged(with_all)
    if better(findings, after, wanted):
        return list(wanted), with_all, after
    if len(wanted) == 1:
        return _followed(files, findings, wanted[0])
    half = len(wanted) // 2
    # the later half first: what it changes moves nothing of the earlier one
    later, files, findings = _best(files, findings, wanted[half:])
    earlier, files, findings = _best(files, findings, wanted[:half])
    return [*earlier, *later], files, findings


def _followed(
    files: dict[str, bytes], findings: tuple[Diagnostic, ...], first: Diagnostic
) -> tuple[list[Diagnostic], dict[str, bytes], tuple[Diagnostic, ...]]:
    """One fix alone, and those of the errors that its line then shows: kept together or not at all."""
    seen = set(map(_cause, findings))
    now, kept, lines = files, [first], _lines([first])
    while len(kept) <= limits.MENDING_ROUNDS_MAX and kept[-1].fix:
        now = edited(now, kept[-1].fix.edits)
        after = judged(now)
        if better(findings, after, [first]):
            return kept, now, after
        shown = [f for f in _errors(after) if (f.span.file, f.span.line) in lines and _cause(f) not in seen]
        if not shown or not shown[0].fix or _lines(shown[:1]) != lines:
            break
        kept.append(shown[0])
    return [], files, findings


def _lines(findings: Sequence[Diagnostic]) -> set[tuple[str, int]]:
    """Where their fixes change something."""
    return {(span.file, span.line) for finding in findings if finding.fix for span, _ in finding.fix.edits}


def better(before: Sequence[Diagnostic], after: Sequence[Diagnostic], mended: Sequence[Diagnostic]) -> bool:
    """These findings are gone and no other error came, but for what could not be seen before."""
    was, now = Counter(map(_cause, before)), Counter(map(_cause, after))
    if any(was[cause] - now[cause] < count for cause, count in Counter(map(_cause, mended)).items()):
        return False
    unread = any(finding.code < FIRST_OF_WHAT_IS_READ for finding in mended)
    if not unread and _count(after) > _count(before) - len(mended):
        return False
    lines = _lines(mended)
    new = Counter(map(_cause, _errors(after))) - Counter(map(_cause, _errors(before)))
    return not any(
        _cause(finding) in new and not (unread and (finding.span.file, finding.span.line) not in lines)
        for finding in _errors(after)
    )


def _errors(findings: Sequence[Diagnostic]) -> list[Diagnostic]:
    """What the machine cannot run yet is no error of the text."""
    return [finding for finding in findings if finding.severity == "error" and not finding.code.startswith(LATER)]


def _count(findings: Sequence[Diagnostic]) -> int:
    return sum(not finding.code.startswith(LATER) for finding in findings)


def _cause(finding: Diagnostic) -> tuple[object, ...]:
    return finding.code, finding.span.file, finding.message


def _known(finding: Diagnostic) -> tuple[object, ...]:
    return finding.code, finding.span, finding.values


def _apart(findings: Sequence[Diagnostic]) -> list[Diagnostic]:
    """Findings whose fixes touch different places; of two that meet the first."""
    taken: dict[tuple[str, int], list[tuple[int, int]]] = {}
    chosen = []
    for finding in findings:
        assert finding.fix is not None
        spans = [span for span, _ in finding.fix.edits]
        if any(span.line != span.end_line for span in spans):
            continue
        free = all(
            end < span.column or span.end_column < start
            for span in spans
            for start, end in taken.get((span.file, span.line), ())
        )
        if free:
            chosen.append(finding)
            for span in spans:
                taken.setdefault((span.file, span.line), []).append((span.column, span.end_column))
    return chosen


def edited(files: Files, edits: Sequence[Edit]) -> dict[str, bytes]:
    """The files with these edits made. Line ends and all that no edit names stay byte for byte."""
    result = dict(files)
    for name in {span.file for span, _ in edits}:
        text = files[name].decode("utf-8")
        bom = _BOM if text.startswith(_BOM) else ""
        lines = [[found[1], found[2]] for found in _LINE.finditer(text[len(bom) :])]
        for span, replacement in sorted((e for e in edits if e[0].file == name), reverse=True):
            line = lines[span.line - 1]
            line[0] = line[0][: span.column - 1] + replacement + line[0][span.end_column - 1 :]
        result[name] = (bom + "".join(part for line in lines for part in line)).encode()
    return result
