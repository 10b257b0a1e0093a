"""Every code has a page, is emitted somewhere, and its page tells the truth in both directions."""

from __future__ import annotations

import pathlib
import re

import pytest

import dsl
from dsl import limits
from dsl.compiler import LATER, check_project, compile_project
from dsl.diagnostics import TABLE, Diagnostic, explanation
from tests.unit.dsl.frame import check_framed, compile_framed, framed

ROOM = pathlib.Path(dsl.__file__).parent
FENCE = re.compile(r"^```(\w+) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# Findings whose example would not fit on a page.
TOO_LARGE = {
    "P0301": b"#" * (limits.FILE_BYTES_MAX + 1),
    "P0304": b"sequence " + b", ".join(b"g%d" % i for i in range(limits.LIST_ENTRIES_MAX + 1)).replace(b", ", b",\n"),
    "P0305": b"# " + b"x" * limits.LINE_CHARACTERS_MAX + b"\nsegment a {\n  " + b"in a" + b" " * 2000 + b"\n}\n",
    "P0306": b"segment caf\xe9 {\n  customer.tier is gold\n}\n",
    "P0307": b"promotion a {\n" + b"  nonsense 1\n" * 30 + b"}\n",
}


def pages() -> list[str]:
    return sorted(path.stem for path in (ROOM / "explain").glob("*.md"))


def test_every_code_is_explained_and_emitted():
    emitted = set()
    for path in ROOM.rglob("*.py"):
        if path.name != "diagnostics.py":
            emitted.update(re.findall(r'"(P[0-9]{4})"', path.read_text(encoding="utf-8")))
    assert set(TABLE) == set(pages()) == emitted


@pytest.mark.parametrize("code", pages())
def test_the_page_tells_the_truth(code):
    page = explanation(code)
    assert page is not None and page.startswith(f"# {code}: ")
    blocks = FENCE.findall(page)
    files = {name: text.encode() for kind, name, text in blocks if kind == "csv"}
    examples = {name: text for kind, name, text in blocks if kind == "promo"}
    if code in TOO_LARGE:
        assert not examples
        large = compile_project({"example.promo": TOO_LARGE[code]}).diagnostics
        assert code in {finding.code for finding in large}
        return
    later = code.startswith(LATER)
    assert {finding.code for finding in findings(code, examples["reported"], files, later=later)} == {code}
    assert findings(code, examples["repaired"], files, later=later) == []


@pytest.mark.parametrize("code", pages())
def test_what_check_refuses_compiling_refuses(code):
    """The errors of a project are the same wherever it is read: nobody publishes what was reported to the author."""
    if code in TOO_LARGE:
        projects = [{"example.promo": TOO_LARGE[code]}]
    else:
        blocks = FENCE.findall(explanation(code) or "")
        files = {name: text.encode() for kind, name, text in blocks if kind == "csv"}
        projects = [framed(text, files) for kind, _, text in blocks if kind == "promo"]
    for project in projects:
        compiled, checked = compile_project(project, tests=False), check_project(project)
        assert [f for f in compiled.diagnostics if f.severity == "error"] == [
            f for f in checked.diagnostics if f.severity == "error"
        ]
        assert compiled.programs == checked.programs


def findings(code: str, example: str, files: dict[str, bytes], *, later: bool = False) -> list[Diagnostic]:
    """What is found in an example. That the machine cannot run a construct yet is no matter of its other findings."""
    found = (compile_framed if later else check_framed)(example, files).diagnostics
    return [finding for finding in found if later or not finding.code.startswith(LATER)]


def test_fixes_mend_their_examples():
    """Where findings offer fixes, applying them leaves nothing of their code."""
    mended = 0
    for code in (code for code in pages() if code not in TOO_LARGE):
        blocks = FENCE.findall(explanation(code) or "")
        files = {name: text.encode() for kind, name, text in blocks if kind == "csv"}
        example = next(text for kind, name, text in blocks if name == "reported")
        fixes = [finding.fix for finding in check_framed(example, files).diagnostics if finding.fix]
        lines = framed(example)["example.promo"].decode().split("\n")
        for fix in sorted(fixes, key=lambda fix: fix.span, reverse=True):
            line = lines[fix.span.line - 1]
            lines[fix.span.line - 1] = line[: fix.span.column - 1] + fix.text + line[fix.span.end_column - 1 :]
        if fixes:
            mended += 1
            assert findings(code, "\n".join(lines), files) == [], code
    assert mended > 20


def test_an_unknown_code_has_no_page():
    assert explanation("P0000") is None
    assert explanation("../secrets") is None
