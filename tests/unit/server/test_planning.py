"""`einklang plan`: a project against what is in force on a server."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dsl.compiler import compile_project
from engine.program import Catalogue, address, encode
from server import cli, planning, rulesets
from server.publish import read_project
from tests.unit.server.stub_server import BEGIN, Holder, Listed, serving

PROJECT = Path(__file__).resolve().parents[3] / "tests" / "e2e" / "project"


def programs() -> list[bytes]:
    return [encode(one) for one in compile_project(read_project(PROJECT)).programs]


@pytest.fixture
def live():
    holder = Holder()
    holder.add("a", BEGIN)
    store = Listed({"a" * 64: programs()})
    with serving(holder, store=store) as server:
        yield server


@pytest.fixture
def changed(tmp_path):
    new = tmp_path / "new"
    shutil.copytree(PROJECT, new)
    path = new / "promotions.promo"
    text = path.read_text()
    path.write_text(text.replace("get the cheapest 1 free", "get the cheapest 2 free"))
    assert path.read_text() != text
    return new


def run(*arguments: object):
    return CliRunner().invoke(cli.app, ["plan", *map(str, arguments)])


def test_nothing_to_do(live):
    got = run(PROJECT, "--address", live.address)
    assert got.exit_code == 0, got.output
    assert got.output.startswith(f"Live: #1 {'a' * 12} in force on {live.address}   Compared with: {PROJECT}\n")
    assert got.output.endswith("Nothing changes.\n")


def test_changes(live, changed, tmp_path):
    got = run(changed, "--address", live.address, "--out", tmp_path / "plan.json")
    assert got.exit_code == 2
    lines = got.output.splitlines()
    assert lines[2] == "  ~ pasta-3-for-2  gives more  get the cheapest 1 -> 2 free  (promotions.promo:6)"
    assert lines[-1] == "Plan: 1 to change."
    kept = json.loads((tmp_path / "plan.json").read_text())
    assert kept["live"] == {"address": live.address, "ruleset_digest": "a" * 64, "sequence": 1}
    assert [len(kept["project"][name]) for name in ("sources_digest", "ruleset_digest")] == [64, 64]
    assert kept["changes"][0]["effect"] == "gives more"
    german = run(changed, "--address", live.address, "--lang", "de")
    assert german.output.startswith(f"In Kraft: #1 {'a' * 12} auf {live.address}   Verglichen mit: {changed}")
    assert "gibt mehr" in german.output and german.output.endswith("Plan: 1 geändert.\n")
    as_json = run(changed, "--address", live.address, "--format", "json")
    assert (as_json.exit_code, json.loads(as_json.output)) == (2, kept)


def test_nothing_is_in_force():
    with serving(Holder(), store=Listed({})) as server:
        got = run(PROJECT, "--address", server.address)
    assert got.exit_code == 2
    assert got.output.startswith(f"Live: nothing on {server.address}   ")
    assert "+ pasta-3-for-2" in got.output
    assert " to add." in got.output


def test_declarations_that_are_not_stored():
    holder = Holder()
    holder.add("a", BEGIN)
    with serving(holder, store=Listed({})) as server:
        got = run(PROJECT, "--address", server.address)
    assert got.exit_code == 1
    assert "publish its text again" in got.stderr


def test_declarations_of_another_version():
    holder = Holder()
    holder.add("a", BEGIN)
    with serving(holder, store=Listed({"a" * 64: [b'{"program":"spell"}']})) as server:
        got = run(PROJECT, "--address", server.address)
    assert got.exit_code == 1
    assert "another version" in got.stderr


def test_a_catalogue_that_is_too_large_is_compared_by_its_address(live, changed, monkeypatch):
    monkeypatch.setattr(rulesets, "PROGRAM_BYTES_MAX", 0)
    assert run(PROJECT, "--address", live.address).exit_code == 0
    files = read_project(PROJECT)
    compilation = compile_project(files)
    sent = tuple((address(encode(one)), None if isinstance(one, Catalogue) else one) for one in compilation.programs)
    assert planning.plan(planning.Live("x", "a" * 64, 1, sent), PROJECT, files, compilation).changes == ()
    table = files["catalogue.csv"].rstrip() + b"\nmacaroni,Food/Pasta,1.79,7%\n"
    other = compile_project({**files, "catalogue.csv": table})
    (found,) = planning.plan(planning.Live("x", "a" * 64, 1, sent), PROJECT, files, other).changes
    assert (found.title, found.words) == ("catalogue", "another one, too large to compare")


def test_what_does_not_compile_and_no_server(changed):
    got = run(PROJECT, "--address", "127.0.0.1:1", "--timeout", "1")
    assert got.exit_code == 1
    assert "no server answers" in got.stderr
    path = changed / "promotions.promo"
    path.write_text(path.read_text().replace("group", "gruop"))
    got = run(changed, "--address", "127.0.0.1:1")
    assert got.exit_code == 1
    assert "P0201" in got.output
    assert run("nowhere").exit_code == 64
