"""Findings in the forms of `einklang check --format`: text for people, JSON, annotations of GitHub, SARIF 2.1.0.

Text and JSON name files as the project does; annotations and SARIF name them from where the command runs, so that a
build finds them in its checkout.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rich.text import Text

from dsl.diagnostics import Diagnostic, Fix, Role, Severity, Span, explanation, pieces
from dsl.phrases import Language, Phrase, say

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS: dict[Severity, str] = {"error": "error", "warning": "warning", "note": "notice"}  # GitHub's words
_COLOURS: dict[Severity, str] = {"error": "red", "warning": "yellow", "note": "cyan"}


# ---------------------------------------------------------------------------------------------------- people


def text(findings: Sequence[Diagnostic], sources: Mapping[str, str], language: Language) -> Iterator[Text]:
    """Each finding and an empty line; at the end how many there are."""
    for finding in findings:
        yield coloured(finding, sources, language)
        yield Text()
    worst = next((severity for severity in _COLOURS if any(f.severity == severity for f in findings)), None)
    yield Text(summary(findings, len(sources), language), "green" if worst in (None, "note") else _COLOURS[worst])


def coloured(finding: Diagnostic, sources: Mapping[str, str], language: Language) -> Text:
    """A finding as `dsl.diagnostics.render` shows it, with colours for a terminal that has them."""
    colour = _COLOURS[finding.severity]
    styles: dict[Role, str] = {
        "severity": f"bold {colour}",
        "code": f"bold {colour}",
        "message": "bold",
        "fix": "dim",
        "place": "dim",
        "also": "",
        "carets": f"bold {colour}",
        "mark": colour,
    }
    shown = Text()
    for line in pieces(finding, sources, language):
        row = Text()
        for role, words in line:
            row.append(words, styles.get(role))
        row.rstrip()
        shown.append("\n" if shown else "").append_text(row)
    return shown


def summary(findings: Iterable[Diagnostic], files: int, language: Language) -> str:
    """2 files read: 1 error, 3 warnings"""
    read = _counted(files, say("1 file read"), say("{count} files read", count=files))
    return say("{read}: {found}", read=read, found=tuple(counted(findings))).text(language)


def counted(findings: Iterable[Diagnostic]) -> Iterator[Phrase]:
    """How many there are of each severity; errors always."""
    count = Counter(finding.severity for finding in findings)
    errors = _counted(count["error"], say("1 error"), say("{count} errors", count=count["error"]))
    yield errors if count["error"] else say("no errors")
    if count["warning"]:
        yield _counted(count["warning"], say("1 warning"), say("{count} warnings", count=count["warning"]))
    if count["note"]:
        yield _counted(count["note"], say("1 note"), say("{count} notes", count=count["note"]))


def _counted(count: int, one: Phrase, several: Phrase) -> Phrase:
    return one if count == 1 else several


# ---------------------------------------------------------------------------------------------------- programs


def as_json(findings: Iterable[Diagnostic], language: Language, also: Mapping[str, object] | None = None) -> str:
    """One object; docs/tools.md names its fields."""
    return json.dumps(
        {"diagnostics": [found.as_data(language) for found in findings], **(also or {})}, ensure_ascii=False
    )


def github(findings: Iterable[Diagnostic], directory: Path, language: Language) -> Iterator[str]:
    """A workflow command a finding: GitHub shows it at its line in the change."""
    for finding in findings:
        words, span = finding.words(language), finding.span
        said = "\n".join(part for part in (words.message, words.mark, words.help) if part)
        yield annotation(_LEVELS[words.severity], from_here(directory, span.file), span, finding.code, said)


def annotation(level: str, path: str, span: Span, title: str, said: str) -> str:
    """::error file=…,line=…::what is wrong"""
    place = {
        "file": path,
        "line": span.line,
        "endLine": span.end_line,
        "col": span.column,
        "endColumn": span.end_column,
        "title": title,
    }
    return f"::{level} {','.join(f'{name}={_property(str(value))}' for name, value in place.items())}::{_escaped(said)}"


def _escaped(data: str) -> str:
    return data.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _escaped(value).replace(":", "%3A").replace(",", "%2C")


def from_here(directory: Path, file: str) -> str:
    """The path of a project's file from the current directory."""
    return Path(os.path.relpath(directory / file)).as_posix()


# ---------------------------------------------------------------------------------------------------- SARIF


def sarif(findings: Sequence[Diagnostic], directory: Path, language: Language) -> str:
    """A log of one run, with the rules that were broken."""
    codes = sorted({finding.code for finding in findings})
    log = {
        "$schema": SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "einklang",
                        "version": _version(),
                        "rules": [_rule(code, language) for code in codes],
                    }
                },
                "language": language,
                "columnKind": "unicodeCodePoints",
                "results": [_result(finding, codes, directory, language) for finding in findings],
            }
        ],
    }
    return json.dumps(log, ensure_ascii=False, indent=2)


def _version() -> str:
    try:
        return version("einklang")
    except PackageNotFoundError:  # run from its sources
        return "0"


def _rule(code: str, language: Language) -> dict[str, Any]:
    page = explanation(code, language) or ""
    title, _, rest = page.partition("\n")
    return {
        "id": code,
        "shortDescription": {"text": title.removeprefix(f"# {code}: ")},
        "help": {"text": rest.strip(), "markdown": rest.strip()},
    }


def _result(finding: Diagnostic, codes: Sequence[str], directory: Path, language: Language) -> dict[str, Any]:
    words = finding.words(language)
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": codes.index(finding.code),
        "level": words.severity,
        "message": {"text": "\n".join(part for part in (words.message, words.mark, words.help) if part)},
        "locations": [_location(finding.span, directory)],
    }
    if finding.also:
        result["relatedLocations"] = [_location(span, directory) for span in finding.also]
    if finding.fix:
        result["fixes"] = [_fix(finding.fix, words.mark or words.message, directory)]
    return result


def _location(span: Span, directory: Path) -> dict[str, Any]:
    return {"physicalLocation": {"artifactLocation": _artifact(span.file, directory), "region": _region(span)}}


def _artifact(file: str, directory: Path) -> dict[str, Any]:
    return {"uri": quote(from_here(directory, file))}


def _region(span: Span) -> dict[str, Any]:
    return {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }


def _fix(fix: Fix, said: str, directory: Path) -> dict[str, Any]:
    changes: dict[str, list[dict[str, Any]]] = {}
    for span, words in fix.edits:
        replacement = {"deletedRegion": _region(span), "insertedContent": {"text": words}}
        changes.setdefault(span.file, []).append(replacement)
    return {
        "description": {"text": said},
        "artifactChanges": [
            {"artifactLocation": _artifact(file, directory), "replacements": replacements}
            for file, replacements in changes.items()
        ],
    }
