"""The examples' own tests, and those that templates make, on the engine and on the oracle."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from dsl.compiler import compile_project
from dsl.report import report
from dsl.scaffold import Host, Wanted, new_promotion, path_of, templates
from dsl.testing import run
from tests.reproduce import engine_of, oracle_of

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("judge", ["engine", "oracle"])
@pytest.mark.parametrize(("name", "tests"), [("shop", 52), ("journey", 17), ("flyers", 151)])
def test_an_example_passes_its_own_tests(name, tests, judge):
    root = EXAMPLES / name
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    if name == "journey":  # the whole catalogue is written from an installed package
        files["data/catalogue.csv"] = b"sku\n1\n"
    compilation = compile_project(files)
    assert compilation.ok, compilation.diagnostics
    decide = engine_of(compilation.programs)[1] if judge == "engine" else oracle_of(compilation.programs)
    results = run(compilation, decide)
    assert len(results) >= tests
    assert not [result for result in results if result.failures], report(results)


def test_what_templates_write_passes_its_own_tests_on_the_engine():
    root = EXAMPLES / "shop"
    host = Host({path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()})
    for template in templates():
        made = new_promotion(host, template, Wanted("new", products="pasta"), datetime.date(2026, 10, 5))
        decide = engine_of(made.compilation.programs)[1]
        results = run(made.compilation, decide, wanted=lambda case: case.span.file == path_of("new"))
        assert len(results) >= 2
        assert not [result for result in results if result.failures], report(results)
