"""The parts of `python -m benchmarks service` that need no server: workload, h2load's words, the command line."""

from __future__ import annotations

import os
from array import array
from dataclasses import replace

import pytest

from benchmarks import load, service, spread, swap, workload
from benchmarks.load import Load, LoadFailed, Target, Turn
from dsl.compiler import compile_project
from engine.program import Promotion
from server import convert


def test_the_workload_is_the_same_bytes_always():
    assert workload.project(60, 200) == workload.project(60, 200) != workload.project(60, 201)
    assert workload.baskets(20, 3, 300, False) == workload.baskets(20, 3, 300, False)


def test_all_promotions_are_of_one_week_and_sound():
    files = workload.project(120, 900)
    assert [name.rpartition("/")[0] for name in files if name.startswith("promotions/")] == ["promotions/week-01"] * 3
    compilation = compile_project(files)
    assert compilation.ok and not compilation.diagnostics


@pytest.mark.parametrize("known", [False, True])
def test_baskets_have_exactly_so_many_lines(known):
    baskets = [convert.to_request(message, at_us=0) for message in workload.baskets(20, 4, 300, known)]
    assert [len(basket.lines) for basket in baskets] == [20] * 4
    assert len({tuple(line.article for line in basket.lines) for basket in baskets}) == 4
    assert all(bool(basket.customer.attributes) == known for basket in baskets)


@pytest.fixture
def h2load(tmp_path, monkeypatch):
    """Puts a program on the PATH that says these words and logs these rows."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    def say(words: str, rows: str) -> Target:
        script = tmp_path / "h2load"
        script.write_text(f"#!/bin/sh\nprintf '{rows}' >{tmp_path}/h2load.log\nprintf '{words}'\n")
        script.chmod(0o755)
        return Target((os.getpid(),), "http://127.0.0.1:1/x", tmp_path / "body", 95)

    return say


GOOD = "requests: 2 total, 2 started, 2 done, 2 succeeded, 0 failed\\ntraffic: 1KB (1) total, 200B (200) data\\n"


def test_what_h2load_found_is_read(h2load, tmp_path):
    found = load.run(h2load(GOOD, "1000\\t200\\t300\\n1400\\t200\\t600\\n"), 2, 1, tmp_path)
    assert (found.seconds, list(found.micros), found.rate) == (0.001, [300, 600], 2_000)


@pytest.mark.parametrize(
    ("words", "rows", "said"),
    [
        ("", "", "not every call"),
        (GOOD.replace("2 succeeded, 0 failed", "1 succeeded, 1 failed"), "", "not every call"),
        (GOOD.replace("(200)", "(199)"), "", "other answers than the first one"),
        (GOOD, "1\\t200\\t1\\n", "1 in h2load"),
    ],
)
def test_answers_that_are_none_are_no_figures(h2load, tmp_path, words, rows, said):
    with pytest.raises(LoadFailed, match=said):
        load.run(h2load(words, rows), 2, 1, tmp_path)


def turn(seconds: float, cpu_seconds: float, micros: int) -> Turn:
    """A hundred calls."""
    return Turn(seconds, (cpu_seconds,), array("q", [micros] * 100), array("q", range(100)))


def test_the_workers_shares_and_what_they_cost_are_told():
    several = Turn(1.0, (0.3, 0.2), array("q", [1] * 100), array("q", range(100)))
    found = spread.Spread(20, 8, Load([[turn(1.0, 0.4, 1)]]), Load([[several]]))
    assert found.shares == [0.6, 0.4]
    assert found.cost == pytest.approx(1.25)
    assert found.told == (False, "20 lines: 2 workers, 2 at work, take 1.25 times the CPU of one, at most 1.15")
    idle = found._replace(several=Load([[replace(several, cpu_seconds=(0.4, 0.0))]]))
    assert idle.told == (False, "20 lines: 2 workers, 1 at work, take 1.00 times the CPU of one, at most 1.15")


def test_a_second_of_slow_calls_is_allowed_and_two_are_not():
    def swaps(*p99: int) -> swap.Swaps:
        moments = [swap.Moment(begins, [1] * 9 + [p99]) for begins, p99 in enumerate(p99, -2)]
        return swap.Swaps(1, 10, 100, moments[0], moments)

    met, told = swaps(10, 10, 50, 10).told
    assert met and told.startswith("1 swaps: all 100 calls answered; p99 more than 1.5 times the usual one for 1 s, ")
    assert told.endswith("; 5.00 times at worst")
    assert not swaps(10, 10, 50, 16).told[0]


def test_a_swap_changes_what_the_baskets_do_not_meet():
    files = workload.project(60, 300)
    compilation = compile_project(files)
    names = [program.name for program in compilation.programs if isinstance(program, Promotion)]
    changed = swap.changes(files, set(names[:30]))
    versions = [compile_project(next(changed)) for _ in range(3)]
    for version in versions:
        assert version.ok
        (other,) = set(version.programs) - set(compilation.programs)
        assert isinstance(other, Promotion) and other.name in names[30:]
    assert len({version.programs for version in versions}) == 3
    with pytest.raises(LoadFailed, match="meet every promotion"):
        next(swap.changes(files, set(names)))


def test_the_best_turn_of_each_basket_counts_and_the_latency_of_all_calls():
    quick, slow, other = turn(1.0, 0.5, 1), turn(2.0, 1.0, 9), turn(3.0, 0.3, 5)
    found = Load([[slow, quick], [other, other]])
    assert found.rate == pytest.approx(200 / 4.0)
    assert found.cpu_micros == pytest.approx(4_000)
    assert (found.calls, found.at(50), found.at(99)) == (400, 5, 9)


def test_bounds_are_asked_of_the_sizes_that_have_them():
    def both(lines: int, known: bool, ours: float) -> list[bool]:
        base = Load([[turn(1.0, 0.1, 10)]])
        mine = Load([[turn(1.0 / ours, 0.2, 12)]])
        return [bound.met for bound in service.bounds(service.Measured(service.Row(lines, known, 1), mine, base))]

    assert both(5, False, 0.1) == [True]
    assert both(20, False, 0.86) == [True, True] and both(20, False, 0.84) == [False, True]
    assert both(100, False, 0.76) == [True, True] and both(20, True, 0.1) == []


def test_without_h2load_it_says_what_to_install(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert service.main([]) == 69
    assert capsys.readouterr().err == "service: h2load is missing: apt-get install nghttp2-client\n"


def test_it_empties_no_directory_of_others(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(load, "h2load", lambda: "h2load")
    (tmp_path / "thesis.txt").write_text("precious")
    assert service.main(["--promotions", "50", "--articles", "300", "--data-dir", str(tmp_path)]) == 64
    assert (tmp_path / "thesis.txt").read_text() == "precious"
    assert "holds something else" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong",
    [
        ["--lines", "0"],
        ["--lines", "5;20"],
        ["--in-flight", "101"],
        ["--seconds", "nan"],
        ["--seconds", "0"],
        ["--articles", "150", "--lines", "100"],
        ["--null", "rust"],
        ["x"],
    ],
)
def test_a_wrong_command_line(wrong):
    with pytest.raises(SystemExit) as ended:
        service.main(wrong)
    assert ended.value.code == 64
