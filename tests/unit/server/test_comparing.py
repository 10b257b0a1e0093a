"""`einklang diff`: what it prints, and with which code it ends."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dsl.change_rules import EFFECTS, Effect
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


def test_german(changed):
    path = changed / "promotions.promo"
    text = path.read_text()
    assert text.count("  group ") > 1
    path.write_text(
        text.replace("  group ", "  limit 1 per customer\n  group ", 1).replace("Pasta: 3 for 2", "3 for 2")
    )
    got = run(PROJECT, changed, "--lang", "de")
    assert got.exit_code == 2
    assert (
        got.output
        == """\
  ~ pasta-3-for-2  gibt weniger  jetzt limit 1 per customer  (promotions.promo:7)
  ~ pasta-3-for-2  gibt mehr     get the cheapest 1 -> 2 free  (promotions.promo:6)
  ~ pasta-3-for-2  nur Text      label en «Pasta: 3 for 2» -> «3 for 2»  (promotions.promo:9)

1 geändert.
"""
    )
    english, german = (
        [change["words"] for change in json.loads(run(PROJECT, changed, "--format", "json", *more).output)["changes"]]
        for more in ((), ("--lang", "de"))
    )
    assert (english[0], german[0]) == ("now limit 1 per customer", "jetzt limit 1 per customer")
    assert english[1:] == german[1:]
    assert run(PROJECT, PROJECT, "--lang", "de").output == "Nichts ändert sich.\n"


def test_every_effect_has_its_words():
    assert {effect: str(words) for effect, words in EFFECTS.items()} == {effect: effect.value for effect in Effect}


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
