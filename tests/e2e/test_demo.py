"""The demo and the shop as a newcomer starts them: the real commands, the real server, and nothing left behind."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.journey import write_catalogue
from tests.e2e.conftest import ROOT, Server, all_ended, running, watching

JOURNEY = ROOT / "examples" / "journey"
SECONDS = 400  # the first start on a machine compiles the engine
LONG_SECONDS = 1_800
RECEIPTS = 60


def start(module: str, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", module, *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'proto'}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(*options: str) -> tuple[int, str]:
    process = start("benchmarks.demo", *options)
    try:
        said, _ = process.communicate(timeout=LONG_SECONDS if "--receipts" not in options else SECONDS)
    finally:
        process.kill()
    return process.returncode, said


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """What it says, up to the line that holds the text; it ends with the test's time limit or its own end."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if text in line:
            return said
    raise AssertionError(f"ended with {process.wait()} before saying {text!r}:\n{said}")


def family(data_dir: Path) -> list[int]:
    """The server and the store that work in this directory: those that name it on their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if str(data_dir).encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    assert len(found) >= 3, "the demo, its server, the server's store"
    return found


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Kept from one start to the next, as for whoever repeats the demo."""
    return tmp_path_factory.mktemp("demo") / "data"


def test_the_channels_agree_and_the_tills_too(data):
    code, said = run("--receipts", str(RECEIPTS), "--data-dir", str(data))
    assert code == 0, said
    assert f"\nidentical in 4 channels: {RECEIPTS} of {RECEIPTS}\n" in said
    assert "Starting the server: einklang serve examples/journey" in said
    assert "You save" in said
    rows = re.findall(r"^ ?([a-z]{2}\d\d-[a-z0-9-]+) +(\d+) +(\d+) +\S+% +\S+% +ok", said, re.MULTILINE)
    assert len(rows) == 10, said
    assert all(int(checks) > 0 for _, checks, _ in rows)
    assert len(re.findall(r"decisions a second; p50 \S+ ms, p99 \S+ ms", said)) == 2
    assert "\x1b" not in said


@pytest.mark.long
def test_the_demo_in_full(tmp_path):
    code, said = run("--data-dir", str(tmp_path / "data"))
    assert code == 0, said
    assert "\nidentical in 4 channels: 20000 of 20000\n" in said
    assert re.search(r"^ ?all +11,082 +", said, re.MULTILINE), "every check of the year"


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose half price after Christmas is a third off."""
    directory = tmp_path_factory.mktemp("wrong")
    project = directory / "project"
    for file in JOURNEY.rglob("*"):
        if file.suffix in {".promo", ".csv"}:
            copy = project / file.relative_to(JOURNEY)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    table = project / "data" / "catalogue.csv"  # the demo writes it, which may not have run yet
    write_catalogue(table)
    rules = project / "promotions" / "percent-off.promo"
    rules.write_text(rules.read_text("utf-8").replace("get 50% off christmas", "get 33% off christmas"), "utf-8")
    with running(directory / "data", project) as server:
        yield server


def test_a_promotion_below_the_record_fails(wrong):
    code, said = run("--receipts", str(RECEIPTS), "--address", wrong.address)
    assert code == 1, f"{said}\n{''.join(wrong.log)}"
    assert "below the record: pc07-christmas-50\n" in said
    assert f"identical in 4 channels: {RECEIPTS} of {RECEIPTS}\n" in said


def test_nobody_answers(tmp_path):
    code, said = run("--receipts", "1", "--address", "127.0.0.1:1")
    assert code == 2, said
    assert "Traceback" not in said


@pytest.mark.parametrize("options", [("--receipts", "0"), ("--in-flight", "many"), ("--unknown",)])
def test_a_wrong_command_line(options):
    code, said = run(*options)
    assert code == 64
    assert "usage:" in said


@pytest.mark.parametrize(
    ("number", "moment"),
    [(signal.SIGINT, "calls in flight"), (signal.SIGTERM, "listening on"), (signal.SIGKILL, "listening on")],
    ids=["Ctrl-C amid the calls", "SIGTERM while the server starts", "SIGKILL while the server starts"],
)
def test_however_the_demo_ends_no_process_is_left(data, number, moment):
    process = start("benchmarks.demo", "--receipts", "20000", "--data-dir", str(data))
    try:
        read_until(process, moment)
        with watching(family(data)) as watched:
            process.send_signal(number)
            code = process.wait(SECONDS)
            assert all_ended(watched, 60)
    finally:
        process.kill()
        process.communicate()
    assert code == (-number if number == signal.SIGKILL else 128 + number)


def test_the_shop_says_what_to_type_and_that_works(tmp_path):
    process = start("benchmarks.shop", "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path / "data"))
    try:
        said = read_until(process, "Ctrl-C stops the server")
        found = re.search(r"^  (\S+) (examples/clients/decide\.py) (\S+)$", said, re.MULTILINE)
        assert found, said
        python = found[1] if found[1].startswith("/") else str(ROOT / found[1])
        asked = subprocess.run(
            [python, found[2], found[3]],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'proto'}"},
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        assert asked.returncode == 0, asked.stderr
        assert "to pay:" in asked.stdout
        with watching(family(tmp_path / "data")) as watched:
            process.send_signal(signal.SIGINT)
            assert process.wait(SECONDS) == 0
            assert all_ended(watched, 60)
    finally:
        process.kill()
        process.communicate()
