"""`einklang diff`: what it prints, and with which code it ends."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dsl.change_rules import Effect
from dsl.changes import Change
from server import cli, comparing

PROJECT = Path(__file__).resolve().parents[3] / "tests" / "e2e" / "project"


def run(*arguments: str | Path):
    return CliRunner().invoke(cli.app, ["diff", *map(str, arguments)])


@pytest.fixture
def changed(tmp_path):
    new = tmp_path / "new"
    shutil.copytree(PROJECT, new)
    path = new / "promotions.promo"
    text = path.read_text()
    assert "get the cheapest 1 free" in text
    path.write_text(text.replace("get the cheapest 1 free", "get the cheapest 2 free"))
    return new


def test_no_difference():
    got = run(PROJECT, PROJECT)
    assert (got.exit_code, got.output) == (0, "Nothing changes.\n")


def test_the_look(changed):
    got = run(PROJECT, changed)
    assert got.exit_code == 2
    lines = got.output.splitlines()
    assert lines[0] == "  ~ pasta-3-for-2  gives more  get the cheapest 1 -> 2 free  (promotions.promo:6)"
    assert lines[-1] == "1 to change."


def test_many_alike_are_told_in_few_lines():
    many = [Change("promotion", f"offer-{number:02}", Effect.THROUGH, "segment gold") for number in range(30)]
    lines = [line for _, line in comparing.rows([Change("promotion", "a", Effect.MORE, "x"), *many])]
    assert lines[0] == "  ~ a         gives more       x"
    assert lines[1] == "  > offer-00  changed through  segment gold"
    assert lines[-1] == "  > 20 more   changed through  segment gold"
    assert len(lines) == 12
    assert len(list(comparing.rows(many[:11]))) == 11


def test_json(changed):
    got = run(PROJECT, changed, "--format", "json")
    assert got.exit_code == 2
    found = json.loads(got.output)["changes"]
    assert found[0] == {
        "kind": "promotion",
        "name": "pasta-3-for-2",
        "effect": "gives more",
        "words": "get the cheapest 1 -> 2 free",
        "through": [],
        "file": "promotions.promo",
        "line": 6,
    }


def test_what_does_not_compile_ends_with_1(changed):
    path = changed / "promotions.promo"
    path.write_text(path.read_text().replace("group", "gruop"))
    got = run(PROJECT, changed)
    assert got.exit_code == 1
    assert "P0201" in got.output


@pytest.mark.parametrize("arguments", [(), ("nowhere", "."), (".", "--format", "xml", "."), (__file__, PROJECT)])
def test_a_wrong_command_line(arguments):
    got = run(*arguments)
    assert got.exit_code == 64
    assert got.stderr
