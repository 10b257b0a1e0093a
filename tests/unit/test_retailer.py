"""The made-up retailer: the same bytes always, sound, and its own tests hold on the definition of a decision."""

from __future__ import annotations

import hashlib

import pytest

from benchmarks import __main__ as benchmarks
from benchmarks import compile as benchmark
from benchmarks.retailer import SHAPES, project
from dsl.compiler import compile_project
from dsl.report import report
from dsl.testing import run
from tests.reproduce import oracle_of


def digest(files: dict[str, bytes]) -> str:
    said = hashlib.sha256()
    for path, data in files.items():
        said.update(path.encode() + b"\0" + data)
    return said.hexdigest()


def test_the_same_sizes_are_the_same_bytes():
    assert digest(project(60, 200)) == digest(project(60, 200)) != digest(project(60, 201))


def test_it_is_sound_and_passes_its_own_tests():
    files = project(150, 1_500)
    compilation = compile_project(files)
    assert not compilation.diagnostics
    shapes = {
        name.partition("-")[0]
        for name in (program.name for program in compilation.programs[2:] if program.program == "promotion")
    }
    assert shapes >= {shape for shape, weight in SHAPES if weight > 1}
    results = run(compilation, oracle_of(compilation.programs))
    assert len(results) > 80
    assert not [result for result in results if result.failures], report(results)


@pytest.mark.parametrize(("promotions", "articles"), [(1, 1), (3, 2), (50, 5)])
def test_the_smallest_ones_compile_too(promotions, articles):
    assert compile_project(project(promotions, articles)).ok


def test_no_retailer_is_empty():
    with pytest.raises(ValueError, match="at least one promotion"):
        project(0, 10)


def test_the_benchmark_prints_its_stages(tmp_path, capsys):
    arguments = ["compile", "--promotions", "50", "--articles", "300", "--cold", "--data-dir", str(tmp_path / "data")]
    for _ in range(2):  # what an earlier run left is its own to remove
        assert benchmarks.main(arguments) == 0
        said = capsys.readouterr().out
        assert said.startswith("50 promotions over 300 articles in ")
        for stage in ("read", "grammar", "parse", "assemble", "check", "lower", "link", "encode", "all"):
            assert f"\n {stage} " in said


def test_the_benchmark_empties_no_directory_of_others(tmp_path, capsys):
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "thesis.txt").write_text("precious")
    assert benchmark.main(["--promotions", "50", "--data-dir", str(tmp_path), "--cold"]) == 64
    assert (tmp_path / "project" / "thesis.txt").read_text() == "precious"
    assert "holds something else" in capsys.readouterr().err


def test_benchmarks_are_listed_and_an_unknown_one_is_said(capsys):
    assert benchmarks.main([]) == 0
    assert "compile" in capsys.readouterr().out
    assert benchmarks.main(["nothing"]) == 64
    assert "there is no benchmark «nothing»" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [["--promotions", "0"], ["--articles", "many"], ["--promotions", "²"], ["x"]])
def test_a_wrong_command_line(wrong):
    with pytest.raises(SystemExit) as ended:
        benchmark.main(wrong)
    assert ended.value.code == 64
