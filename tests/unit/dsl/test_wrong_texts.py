"""Wrong texts, kept in `texts/wrong/`: what is found in each, where, and what a fix writes instead.

Before each text stands what is expected of it, a line for each finding: `#= CODE «what is under the carets» -> fix`,
or `#= right`. Lines that are indented are clauses of a promotion; lines that begin like those of a test are its lines.
What the machine cannot run yet (P90xx) is no matter here, except that no such line repeats itself in one of these.
"""

from __future__ import annotations

import re

import pytest

from dsl.compiler import Compilation
from dsl.diagnostics import Diagnostic, render
from dsl.vocabulary import PLACEHOLDERS
from tests.unit.dsl.garden import TEXTS, compiled

WRONG = TEXTS / "wrong"
EXPECTED = re.compile(r"#= (P\d{4}) «(.*)»(?: -> (.*))?")
USUAL = {
    "runs": "runs from 2026-09-01 until 2026-09-30",
    "sold": "sold everywhere",
    "for": "for everyone",
    "group": "group item-deals",
    "label": 'label en "Offer"',
}
OF_A_TEST = ("given", "buys", "picks", "expect")
OF_THE_PARSER = re.compile(r"(?i)\btokens?\b|terminal|unexpected|\blark\b|traceback|_NL|none of the")

Expected = list[tuple[str, str, str | None]]


def texts() -> list[tuple[str, Expected, str]]:
    """(file and line, what is expected, the text) of each."""
    found: list[tuple[str, Expected, list[str]]] = []
    for path in sorted(WRONG.glob("*.promo")):
        fresh = False
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if not line.startswith("#="):
                fresh = False
                if found and found[-1][0].startswith(path.name):
                    found[-1][2].append(line)
                continue
            if not fresh:
                found.append((f"{path.name}:{number}", [], []))
            fresh = True
            match = EXPECTED.fullmatch(line)
            assert match or line == "#= right", (path.name, number)
            if match:
                found[-1][1].append((match[1], match[2], match[3]))
    return [(place, expected, "\n".join(lines).strip("\n")) for place, expected, lines in found]


CASES = texts()


def completed(text: str) -> str:
    """Clauses as a promotion, lines of a test as a test."""
    first = text.split(maxsplit=1)[0]
    if text.startswith("  "):
        said = {line.split()[0] for line in text.split("\n") if re.match("  [a-z]", line)}
        usual = "".join(f"  {line}\n" for word, line in USUAL.items() if word not in said)
        return f"promotion offer {{\n{text}\n{usual}}}\n"
    if first in OF_A_TEST:
        lines = text.split("\n")
        lines += [] if any(line.startswith("expect") for line in lines) else ["expect nothing applies"]
        body = "".join(f"  {line}\n" for line in ["at 2026-09-12 12:00", "sold in stores", *lines])
        return f'test "it" {{\n{body}}}\n'
    return text + "\n"


def said(finding: Diagnostic, compilation: Compilation) -> tuple[str, str, str | None]:
    """Code, what is under the carets, the fix."""
    span = finding.span
    line = compilation.sources[span.file].split("\n")[span.line - 1]
    end = span.end_column - 1 if span.end_line == span.line else len(line)
    return finding.code, line[span.column - 1 : end], finding.fix.text if finding.fix else None


@pytest.mark.parametrize(("expected", "text"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_each_text_has_its_findings(expected, text):
    text = completed(text)
    compilation = compiled(text)
    findings = [finding for finding in compilation.diagnostics if not finding.code.startswith("P9")]
    assert [said(finding, compilation) for finding in findings] == expected
    lines = {finding.span.line for finding in findings if finding.severity == "error"}
    refused = [finding for finding in compilation.diagnostics if finding.code.startswith("P9")]
    assert not [finding for finding in refused if finding.span.file == "text.promo" and finding.span.line in lines]
    for finding in findings:
        for language in ("en", "de"):
            shown = render(finding, compilation.sources, language=language)
            assert len(shown.splitlines()) <= 6
            assert not OF_THE_PARSER.search(shown.replace(text, ""))
            gaps = re.findall(r"[{](\w+)[}]", finding.words(language).message)
            assert all(gap in PLACEHOLDERS or f"{{{gap}}}" in text for gap in gaps)


@pytest.mark.parametrize(("expected", "text"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_fix_mends_its_text(expected, text):
    if len(expected) != 1 or expected[0][2] is None:
        return
    text = completed(text)
    (finding,) = [finding for finding in compiled(text).diagnostics if not finding.code.startswith("P9")]
    assert finding.fix is not None
    span = finding.fix.span
    lines = text.split("\n")
    line = lines[span.line - 1]
    lines[span.line - 1] = line[: span.column - 1] + finding.fix.text + line[span.end_column - 1 :]
    again = compiled("\n".join(lines)).diagnostics
    assert finding.code not in {other.code for other in again}


def test_there_are_many():
    assert sum(bool(expected) for _, expected, _ in CASES) > 240
    assert sum(not expected for _, expected, _ in CASES) > 10
