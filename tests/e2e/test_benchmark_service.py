"""`python -m benchmarks service`, small, with h2load or, where that is missing, what stands for it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import null_server
from tests.e2e.conftest import ROOT, all_ended, watching

SECONDS = 400  # the first start on a machine compiles the engine
SMALL = ["--promotions", "60", "--articles", "300", "--baskets", "1", "--rounds", "1", "--seconds", "0.02"]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Kept from one run to the next, as for whoever repeats the benchmark."""
    return tmp_path_factory.mktemp("benchmark") / "service"


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH on which h2load is tests/e2e/h2load.py."""
    directory = tmp_path_factory.mktemp("bin")
    script = directory / "h2load"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__).with_name("h2load.py")}" "$@"\n')
    script.chmod(0o755)
    return f"{directory}{os.pathsep}{os.environ['PATH']}"


def start(path: str, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks", "service", *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'proto'}", "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(path: str, *options: str) -> tuple[int, str]:
    process = start(path, *options)
    try:
        said, _ = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
    return process.returncode, said


def quickest(stand_in: str) -> str:
    """The PATH with the real h2load, where there is one."""
    return os.environ["PATH"] if shutil.which("h2load") else stand_in


def test_it_measures_both_servers(data_dir, stand_in, tmp_path):
    figures = tmp_path / "figures.json"
    options = [*SMALL, "--lines", "5,20", "--in-flight", "4", "--data-dir", str(data_dir), "--json", str(figures)]
    code, said = run(quickest(stand_in), *options)
    assert code == 0, said
    assert "60 promotions over 300 articles, all in force" in said and "promotions that touch each" in said
    assert "known customer" in said and said.count(": p99 ") == 2
    told = json.loads(figures.read_text())
    rows = [(row["lines"], row["known"], row["in_flight"]) for row in told["rows"]]
    assert rows == [(5, False, 4), (20, False, 4), (20, True, 4)]
    for row in told["rows"]:
        assert row["einklang"]["calls"] >= 8 <= row["null"]["calls"]
        assert row["einklang"]["p99_us"] >= row["einklang"]["p50_us"] > 0 < row["null"]["calls_per_second"]
        assert len(row["bounds"]) == (0 if row["known"] else 1 + (row["lines"] == 20))
    assert all(basket["promotions_touch"] > 0 < basket["answer_bytes"] for basket in told["baskets"])


@pytest.mark.long
def test_it_tells_the_stages_of_a_call(data_dir, stand_in):
    code, said = run(stand_in, *SMALL, "--lines", "5,20", "--stages", "--data-dir", str(data_dir))
    assert code == 0, said
    for stage in (
        "Answered at once",
        "  the gate",
        "  read, resolve,",
        "The long way",
        "  asyncio.timeout",
        "  Decide at length",
    ):
        assert f"\n {stage}" in said


@pytest.mark.long
def test_it_measures_several_workers_against_one(data_dir, stand_in):
    options = [*SMALL, "--lines", "5", "--workers", "2", "--connections", "4", "--data-dir", str(data_dir)]
    code, said = run(quickest(stand_in), *options)
    assert code == 0, said
    assert "4 connections, one call in flight on each; one worker, and 2" in said
    assert "  5 lines: 2 workers, " in said


@pytest.mark.long
def test_it_measures_swaps_under_load(data_dir):
    if not shutil.which("h2load"):
        pytest.skip("not run: h2load is missing, and calls at an even rate with it")
    options = [*SMALL, "--lines", "5", "--swap", "--swaps", "2", "--second", "0.1", "--data-dir", str(data_dir)]
    code, said = run(os.environ["PATH"], *options)
    assert code == 0, said
    for row in ("1 s before", "while it is published", "second 0", "second 5"):
        assert f"\n {row} " in said
    assert "2 swaps: all " in said


@pytest.mark.long
def test_every_null_server_answers(stand_in):
    code, said = run(quickest(stand_in), "--nulls", "--in-flight", "2", "--rounds", "1", "--seconds", "0.02")
    assert code == 0, said
    for kind in null_server.KINDS:
        assert f"\n {kind} " in said


def test_ctrl_c_leaves_no_process(data_dir, stand_in):
    process = start(stand_in, *SMALL[:-1], "600", "--lines", "5", "--data-dir", str(data_dir))
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if "in flight ..." in line:
                break
        family = [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if started_by(entry, process.pid)]
        assert len(family) >= 2  # the server and the null server
        with watching(family) as watched:
            process.send_signal(signal.SIGINT)
            said = process.stdout.read()
            assert process.wait(SECONDS) == 130, said
            assert all_ended(watched, 30)
    finally:
        process.kill()
        process.wait()


def started_by(entry: Path, parent: int) -> bool:
    try:
        return f"\nPPid:\t{parent}\n" in (entry / "status").read_text()
    except OSError:
        return False
