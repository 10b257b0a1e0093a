"""`einklang fmt`: what it prints, what it writes, and with which code it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from server import cli, formatting

GOOD = "sequence a, b\n"
LOOSE = "sequence   a,b\n"
WRONG = "promotion a {\n  limt 3\n}\n"


def run(*arguments: str | Path, text: bytes | None = None):
    return CliRunner().invoke(cli.app, ["fmt", *map(str, arguments)], input=text)


@pytest.fixture
def project(tmp_path):
    (tmp_path / "deep" / ".hidden").mkdir(parents=True)
    for name, text in {
        "good.promo": GOOD,
        "deep/loose.promo": LOOSE,
        "deep/.hidden/loose.promo": LOOSE,
        ".loose.promo": LOOSE,
        "loose.txt": LOOSE,
    }.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_directory(project):
    got = run(project)
    assert (got.exit_code, got.stdout) == (0, "")
    assert got.stderr == f"reformatted {project}/deep/loose.promo\n1 file reformatted, 1 unchanged\n"
    assert (project / "deep" / "loose.promo").read_text() == GOOD
    assert all((project / name).read_text() == LOOSE for name in (".loose.promo", "loose.txt"))
    assert (project / "deep" / ".hidden" / "loose.promo").read_text() == LOOSE
    assert sorted(path.name for path in (project / "deep").iterdir()) == [".hidden", "loose.promo"]
    got = run(project)
    assert (got.exit_code, got.stderr) == (0, "2 files unchanged\n")


def test_check_writes_nothing(project):
    got = run("--check", project, project / "good.promo", project / "loose.txt")
    assert got.exit_code == 1
    assert got.stderr.endswith("2 files would be reformatted, 1 unchanged\n")
    assert (project / "deep" / "loose.promo").read_text() == LOOSE
    assert run("--check", project / "good.promo").exit_code == 0


def test_diff_writes_nothing(project):
    path = project / "deep" / "loose.promo"
    path.write_bytes(b"sequence b\r\n" + LOOSE.encode().rstrip())
    got = run("--diff", path)
    assert got.exit_code == 0
    assert got.stdout_bytes.decode() == (
        f"--- a{path}\n+++ b{path}\n@@ -1,2 +1,2 @@\n-sequence b\r\n-sequence   a,b\n"
        "\\ No newline at end of file\n+sequence b\n+sequence a, b\n"
    )
    assert got.stderr == "1 file would be reformatted\n"
    assert run("--diff", "--check", path).exit_code == 1
    assert path.read_bytes().startswith(b"sequence b\r\n")


def test_errors_of_form_leave_a_file_and_only_it(project):
    (project / "wrong.promo").write_text(WRONG)
    (project / "no-text.promo").write_bytes(b"\xff\xfe")
    got = run(project)
    assert got.exit_code == 1
    lines = got.stderr.splitlines()
    assert lines[:2] == [
        f"{project}/no-text.promo: left as it is: it is no UTF-8 text",
        "error P0306  This file is not text in UTF-8.",
    ]
    assert lines[-7:] == [
        f"{project}/wrong.promo: left as it is: its form has errors",
        "error P0201  «limt» is not a promotion line. Did you mean «limit»?             [fix]",
        f"   {project}/wrong.promo:2  limt 3",
        " " * len(f"   {project}/wrong.promo:2  ") + "^^^^",
        "",
        f"reformatted {project}/deep/loose.promo",
        "1 file reformatted, 1 unchanged, 2 left as they are",
    ]
    assert (project / "wrong.promo").read_text() == WRONG
    assert run("--check", project / "wrong.promo").exit_code == 1


def test_stdin():
    got = run("-", text=b"\xef\xbb\xbf" + LOOSE.replace("\n", "\r\n").encode())
    assert (got.exit_code, got.stdout_bytes, got.stderr) == (0, GOOD.encode(), "")
    assert run("-", "--check", text=LOOSE.encode()).exit_code == 1
    assert run("-", "--check", text=GOOD.encode()).exit_code == 0
    got = run("-", "--diff", text=LOOSE.encode())
    assert (got.exit_code, got.stdout.split("\n")[-2]) == (0, "+sequence a, b")
    got = run("-", text=WRONG.encode())
    assert (got.exit_code, got.stdout) == (1, "")
    got = run("-", text=b"\xff")
    assert (got.exit_code, got.stdout) == (1, "")
    assert run("-", text=b"").exit_code == 0


@pytest.mark.parametrize("arguments", [("nowhere",), ("-", "x.promo"), (".", "--nonsense")])
def test_a_wrong_command_line(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    got = run(*arguments)
    assert (got.exit_code, got.stdout) == (64, "")
    assert got.stderr


def test_no_rules_at_all(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    got = run()
    assert (got.exit_code, got.stderr) == (64, "einklang: .: no .promo files\n")


def test_the_mode_stays_and_a_link_stays_one(tmp_path):
    real, link = tmp_path / "real.promo", tmp_path / "link.promo"
    real.write_text(LOOSE)
    real.chmod(0o640)
    link.symlink_to(real)
    assert run(link).exit_code == 0
    assert link.is_symlink()
    assert (real.read_text(), real.stat().st_mode & 0o777) == (GOOD, 0o640)


def test_what_cannot_be_written_is_named_and_whole(tmp_path, monkeypatch):
    path = tmp_path / "a.promo"
    path.write_text(LOOSE)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    got = run(tmp_path)
    assert got.exit_code == 1
    assert got.stderr.startswith(f"{path}: left as it is: it cannot be written: No space left on device\n")
    assert [path.name for path in tmp_path.iterdir()] == ["a.promo"]
    assert path.read_text() == LOOSE


def test_a_mistake_of_the_formatter_is_named_and_writes_nothing(tmp_path, monkeypatch):
    path = tmp_path / "a.promo"
    path.write_text(LOOSE)
    monkeypatch.setattr("dsl.format.layout", lambda text: "sequence b, a\n")
    got = run(tmp_path)
    assert got.exit_code == 1
    assert got.stderr.startswith(f"{path}: left as it is: internal error, please report it with this file")
    assert path.read_text() == LOOSE


def test_large_projects_use_all_cores(tmp_path, monkeypatch):
    monkeypatch.setattr(formatting, "ALONE_MAX", 10)
    paths = [tmp_path / f"{number}.promo" for number in range(5)]
    for path in paths:
        path.write_text(LOOSE)
    assert [(result.path, result.after) for result in formatting.format_files(paths)] == [
        (str(path), GOOD) for path in paths
    ]


def test_the_installed_command_reads_a_pipe():
    done = subprocess.run(
        [sys.executable, "-m", "server.cli", "fmt", "-"], input=LOOSE.encode(), capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, GOOD.encode(), b"")
