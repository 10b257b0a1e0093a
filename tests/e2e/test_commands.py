"""The command line and the example clients against the real engine and the real server."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import PROJECT, ROOT
from tests.e2e.requests import basket

CLIENTS = ROOT / "examples" / "clients"
SECONDS = 400  # the first start on a machine compiles the engine


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'proto'}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )


def einklang(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run("-m", "server.cli", *arguments)


def test_the_tests_beside_the_rules_run_on_the_engine(server):
    got = einklang("test", str(PROJECT))
    assert got.returncode == 0
    assert re.fullmatch(
        r"promotions\.promo\n  ok    the cheapest of three is free +\d+\.\d ms\n"
        r"1 passed, 0 failed\.  Lines never decisive: .+--cov lists them\)\n",
        got.stdout,
    )
    assert "\x1b" not in got.stdout


def test_a_failing_test_says_what_came_instead(server, tmp_path):
    project = tmp_path / "project"
    shutil.copytree(PROJECT, project)
    rules = project / "promotions.promo"
    rules.write_text(rules.read_text().replace("pasta-3-for-2 saves EUR 1.99", "pasta-3-for-2 saves EUR 2.29"))
    got = einklang("test", str(project))
    assert got.returncode == 1
    assert "FAIL  the cheapest of three is free" in got.stdout
    assert "expected   " in got.stdout
    assert "but        it saved EUR 1.99" in got.stdout
    data = json.loads(einklang("test", str(project), "--format", "json").stdout)
    assert (data["passed"], data["failed"], data["tests"][0]["ok"]) == (0, 1, False)


@pytest.fixture
def file(tmp_path) -> Path:
    path: Path = tmp_path / "basket.json"
    message = basket()
    lines = [{"id": line.id, "article": line.article, "quantity": line.quantity} for line in message.lines]
    path.write_text(json.dumps({"channel": "pos", "currency": "EUR", "at_us": message.at_us, "lines": lines}))
    return path


def test_a_receipt_and_why(server, file):
    got = einklang("decide", str(file), "--address", server.address)
    assert got.returncode == 0, got.stderr
    assert "Pasta: 3 for 2" in got.stdout
    assert got.stdout.splitlines()[4].split() == ["To", "pay", "EUR", "4.58"]
    got = einklang("explain", str(file), "--address", server.address)
    assert "EUR 50.00 more of «Fashion» and it applies" in got.stdout
    assert einklang("status", "--address", server.address).returncode == 0


def test_the_example_clients_run(server):
    got = run(str(CLIENTS / "decide.py"), server.address)
    assert got.returncode == 0, got.stderr
    assert "to pay: 428 cents" in got.stdout
    got = einklang("decide", str(CLIENTS / "basket.json"), "--address", server.address)
    assert got.returncode == 0, got.stderr
    got = run(str(CLIENTS / "publish.py"), str(PROJECT), server.address, "--dry-run")
    assert got.returncode == 0, got.stderr
    assert "entry 0" in got.stdout
    got = run(str(CLIENTS / "decide.py"), "127.0.0.1:1")
    assert got.returncode == 1
