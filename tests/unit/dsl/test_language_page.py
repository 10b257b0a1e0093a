"""docs/language.md tells the truth: every example compiles, what it prints is printed, nothing that works is missing.

Fences: `promo` declarations · `promo FILE` a file of the first project · `promo promotion` and such: a case a line,
each completed by the frame («;» and «⏎» part the lines of one case) · `promo later` what is right and may be refused
today, empty lines between the cases · `console …` what the first project prints.
"""

from __future__ import annotations

import pathlib
import re
from functools import partial

import pytest

from dsl.compiler import LATER, Compilation, compile_project
from dsl.coverage import coverage
from dsl.diagnostics import TABLE, render
from dsl.report import report
from dsl.source import without_comment
from dsl.testing import run
from dsl.vocabulary import CLAUSES, DECLARATIONS, OPERATORS, REASONS, TYPES
from tests.oracle.decide import decide as oracle
from tests.unit.dsl.frame import compile_framed
from tests.unit.dsl.garden import compiled
from tests.unit.dsl.test_vocabulary import SHOP
from tests.unit.dsl.test_wrong_texts import completed

PAGE = (pathlib.Path(__file__).parents[3] / "docs" / "language.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [(kind, name, text) for kind, name, text in FENCE.findall(PAGE)]
USUAL = {
    "runs": "runs from 2026-09-01 until 2026-09-30",
    "sold": "sold everywhere",
    "for": "for everyone",
    "get": "get 10% off pasta",
    "label": 'label en "A"',
    "group": "group item-deals",
}


def blocks(kind: str, name: str) -> list[str]:
    return [text for found, named, text in BLOCKS if (found, named) == (kind, name)]


def lines(name: str) -> list[str]:
    """The cases of a block, one a line, comments taken out."""
    return [without_comment(line) for text in blocks("promo", name) for line in text.splitlines()]


def as_promotion(case: str) -> str:
    body = re.split(r"\s*[;⏎]\s*", case)
    said = {line.split()[0] for line in body}
    return (
        "promotion offer {\n  "
        + "\n  ".join([*body, *(line for word, line in USUAL.items() if word not in said)])
        + "\n}\n"
    )


def as_test(case: str) -> str:
    body = case.split("; ")
    if not case.startswith("expect"):
        body.append("expect nothing applies")
    return 'test "it" {\n  at 2026-09-08 12:00\n  sold in stores\n  ' + "\n  ".join(body) + "\n}\n"


def clean(compilation: Compilation) -> bool:
    shown = "\n".join(render(finding, compilation.sources) for finding in compilation.diagnostics)
    assert not shown, shown
    return bool(compilation.programs)


def outcome(compilation: Compilation) -> str:
    results = run(compilation, partial(oracle, compilation.programs))
    return report(results, coverage(compilation.programs, compilation.clauses, results))


def without_times(printed: str) -> str:
    return re.sub(r" +\d+\.\d ms$", "", printed, flags=re.MULTILINE)


@pytest.mark.parametrize("text", blocks("promo", ""))
def test_declarations_compile_and_their_tests_pass(text):
    compilation = compile_framed(text)
    assert clean(compilation)
    assert "FAIL" not in outcome(compilation)


@pytest.mark.parametrize("case", lines("promotion"))
def test_a_line_of_a_promotion_compiles(case):
    assert clean(compile_framed(as_promotion(case)))


@pytest.mark.parametrize("case", lines("segment"))
def test_a_line_of_a_segment_compiles(case):
    assert clean(compile_framed(f"segment asked {{\n{case}\n}}\n"))


@pytest.mark.parametrize("case", lines("test"))
def test_a_line_of_a_test_compiles(case):
    assert clean(compile_framed(as_test(case)))


LATER_CASES = [case for text in blocks("promo", "later") for case in re.split(r"\n\n(?=  \S|given)", text)]


@pytest.mark.parametrize("case", LATER_CASES)
def test_the_rest_of_the_language_is_right(case):
    text = "\n".join(without_comment(line) for line in case.rstrip().split("\n"))
    compilation = compiled(f'{completed(text)}\n{SHOP}prices "ACME" from "data/acme.csv"\n')
    wrong = [finding for finding in compilation.diagnostics if not finding.code.startswith(LATER)]
    assert not wrong, "\n".join(render(finding, compilation.sources) for finding in wrong)


# ---------------------------------------------------------------------------------------------------- five minutes


def first_project(*changes: tuple[str, str]) -> dict[str, bytes]:
    files = {}
    for kind, name, text in BLOCKS:
        if kind == "promo" and name.startswith("first/"):
            for old, new in changes if "pasta" in name else ():
                assert old in text
                text = text.replace(old, new)
            files[name.removeprefix("first/")] = text.encode()
    assert len(files) == 2
    return files


def test_the_first_promotion_prints_what_the_page_says():
    compilation = compile_project(first_project())
    assert clean(compilation)
    (printed,) = blocks("console", "")
    assert outcome(compilation) in without_times(printed)


def test_a_failing_test_prints_what_the_page_says():
    compilation = compile_project(first_project(("saves EUR 1.99", "saves EUR 2.29")))
    (printed,) = blocks("console", "failing")
    assert outcome(compilation) in without_times(printed)


def test_a_wrong_line_prints_what_the_page_says():
    compilation = compile_project(
        first_project(("until 2026-09-12", "until 12.09.2026"), ("3 of pasta", "3 of pastta"))
    )
    (printed,) = blocks("console", "wrong")
    assert "\n\n".join(render(finding, compilation.sources) for finding in compilation.diagnostics) in printed


# ---------------------------------------------------------------------------------------------------- stacking


@pytest.mark.parametrize(
    ("apply", "prices", "paid"),
    [("best", "original", "80.00"), ("all", "original", "70.00"), ("all", "reduced", "72.00")],
)
def test_twenty_and_ten_percent(apply, prices, paid):
    (text,) = blocks("promo", "stacking")
    for old, new in (("apply best", f"apply {apply}"), ("prices original", f"prices {prices}"), ("80.00", paid)):
        assert text.count(old) == 1
        text = text.replace(old, new)
    row = rf"`apply {apply}` · `prices {prices}` .*\| EUR {paid} \| {100 - int(paid[:2])}%"
    assert re.search(row, PAGE)
    frame_less = text + "\nsettings {\n  currency EUR\n  timezone Europe/Berlin\n  languages en\n}\n"
    schema = "schema {\n  attributes item {\n    category: category\n    price: money\n  }\n  channels stores\n}\n"
    compilation = compile_project({"a.promo": (frame_less + schema).encode()})
    assert clean(compilation)
    assert "1 passed, 0 failed." in outcome(compilation)


# ---------------------------------------------------------------------------------------------------- nothing missing


def test_the_page_shows_every_construct_that_works():
    shown = "\n".join(text for kind, _, text in BLOCKS if kind == "promo")
    for word in (*DECLARATIONS, *CLAUSES):
        assert re.search(rf"^\s*{word}\b", shown, re.MULTILINE), word
    for kind in TYPES:
        assert re.search(rf": {kind}\b", shown), kind
    for operator in OPERATORS:
        pattern = operator.replace(" … ", r" .* ") if "…" in operator else operator
        assert re.search(rf"\b{pattern}\b", shown), operator


def test_the_page_names_what_is_refused_and_every_reason():
    section = PAGE.split("## What is refused today")[1]
    assert re.findall(r"^\| (P\d{4}) \|", section, re.MULTILINE) == [code for code in TABLE if code.startswith("P9")]
    listed = PAGE.split("The reasons are a closed list: ")[1].split(". ")[0]
    assert re.findall(r"`([a-z-]+)`", listed) == list(REASONS)
