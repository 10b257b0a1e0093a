"""The examples' own tests, on the engine and on the oracle."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsl.compiler import compile_project
from dsl.report import report
from dsl.testing import run
from tests.reproduce import engine_of, oracle_of

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("judge", ["engine", "oracle"])
@pytest.mark.parametrize(("name", "tests"), [("shop", 52), ("journey", 17)])
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
