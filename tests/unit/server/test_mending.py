"""`einklang check --fix` on files: written whole or not at all, by whoever may write, and nobody's work overwritten."""

from __future__ import annotations

import os
import stat

import pytest
from typer.testing import CliRunner

from server import cli, mending
from server.publish import read_project
from tests.unit.dsl.frame import framed
from tests.unit.dsl.test_messages import OFFER

WRONG = OFFER.replace("2026-09-30", "30.09.2026").replace("off pasta", "off pastta")


@pytest.fixture
def project(tmp_path):
    for name, data in framed(WRONG).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path


def check(*arguments: str):
    return CliRunner().invoke(cli.app, ["check", *arguments])


def test_fix_mends_the_files_and_shows_what_remains(project):
    example = project / "example.promo"
    example.write_text(WRONG.replace("  group", "  limit 15% per basket\n  group"))
    got = check(str(project), "--fix")
    assert got.exit_code == 1
    assert got.stderr == "mended 2 findings in 1 file\n"
    assert "P2004" in got.stdout and "P0103" not in got.stdout
    assert example.read_text() == OFFER.replace("  group", "  limit 15% per basket\n  group")
    example.write_text(WRONG)
    got = check(str(project), "--fix", "--lang", "de")
    assert (got.exit_code, got.stderr) == (0, "2 Meldungen in 1 Datei behoben\n")
    assert check(str(project), "--fix").stderr == ""


def test_diff_shows_and_writes_nothing(project):
    got = check(str(project), "--fix", "--diff")
    assert got.exit_code == 1
    assert "-  get 10% off pastta\n" in got.stdout and "+  get 10% off pasta\n" in got.stdout
    assert "P1001" in got.stdout
    assert (project / "example.promo").read_text() == WRONG


def test_mode_and_links_are_kept(project, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "example.promo"
    (project / "example.promo").rename(project / "rules.promo")
    (project / "example.promo").symlink_to("rules.promo")
    (project / "rules.promo").chmod(0o640)
    (project / "rules.promo").write_text(WRONG.replace("promotion offer", "promotion third"))
    outside.write_text(WRONG)
    (project / "beyond.promo").symlink_to(outside)
    check(str(project), "--fix")
    assert (project / "example.promo").is_symlink()
    assert stat.S_IMODE((project / "rules.promo").stat().st_mode) == 0o640
    assert outside.read_text() == WRONG, "a link that leads out of the project is none of its files"


def test_what_changed_since_it_was_read_is_left(project, monkeypatch):
    files = read_project(project)
    (project / "example.promo").write_text(WRONG + "# mine\n")
    outcome = mending.mended(project, files, writing=True)
    assert [result.state for result in outcome.results] == ["left"]
    assert outcome.files == files
    assert (project / "example.promo").read_text() == WRONG + "# mine\n"


@pytest.mark.parametrize("step", ["replace", "fsync"])
def test_stopped_in_the_middle_the_old_file_is_whole(project, monkeypatch, step):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, step, stop)
    with pytest.raises(KeyboardInterrupt):
        mending.mended(project, read_project(project), writing=True)
    monkeypatch.undo()
    assert (project / "example.promo").read_text() == WRONG
    assert not [name for name in os.listdir(project) if name.startswith(".")]
