"""`einklang new`: what is written, what is never written over, and what is said."""

from __future__ import annotations

import datetime
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dsl.compiler import compile_project
from dsl.scaffold import templates
from server import new as scaffold
from server.cli import app
from server.clock import SimulatedClock
from server.publish import read_project


def einklang(*arguments: object):
    return CliRunner().invoke(app, ["new", *map(str, arguments)])


@pytest.fixture
def shop(tmp_path) -> Path:
    directory = tmp_path / "shop"
    got = einklang("project", directory, "--from", "2026-09-07", "--currency", "EUR,CHF", "--languages", "de, en")
    assert got.exit_code == 0, got.output
    return directory


def test_without_a_template_all_are_listed():
    got = einklang()
    assert got.exit_code == 0
    for template in templates():
        assert f"  {template.name} " in got.output and template.about in got.output
    assert "  project " in got.output


def test_a_project_then_a_promotion(shop):
    got = einklang("happy-hour", "rolls", "--set", "everything", "--from", "2026-10-05", "--dir", shop)
    assert (got.exit_code, got.output) == (
        0,
        f"wrote {shop}/promotions/rolls.promo\ntry       einklang test {shop}\n",
    )
    compilation = compile_project(read_project(shop))
    assert not compilation.diagnostics
    assert len([case for case in compilation.tests if case.span.file == "promotions/rolls.promo"]) == 3


def test_what_is_to_be_filled_in_and_who_may_beat_it_is_said(shop):
    got = einklang("3-for-2", "sauce", "--from", "2026-09-07", "--dir", shop)
    assert "fill in   products sauce-articles\n" in got.output
    got = einklang("3-for-2", "more-pasta", "--set", "pasta", "--from", "2026-09-14", "--dir", shop)
    assert "meets     pasta-3-for-2 takes the same articles" in got.output


def test_nothing_is_ever_written_over(shop):
    target = shop / "promotions" / "mine.promo"
    target.write_text("# mine\n", "utf-8")
    got = einklang("3-for-2", "mine", "--dir", shop)
    assert got.exit_code == 64 and f"{target}: is there already; nothing was written" in got.output
    assert target.read_text("utf-8") == "# mine\n"
    got = einklang("project", shop)
    assert got.exit_code == 64 and "is not empty" in got.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("3-for-2",), "say the name of the promotion"),
        (("project",), "say the name of the directory"),
        (("3-for-3", "x"), "did you mean «3-for-2»?"),
        (("3-for-2", "x", "--from", "5.10.2026"), "--from 5.10.2026: dates are year-month-day"),
        (("3-for-2", "x", "--from", "9999-12-31"), "years are 1970 to 2098"),
        (("3-for-2", "../../x"), "«../../x» is no name"),
        (("3-for-2", "ü"), "«ü» is no name"),
        (
            ("3-for-2", "x", "--dir", "nowhere"),
            "nowhere: there is no project here; `einklang new project DIR` makes one",
        ),
    ],
)
def test_a_command_line_that_does_not_fit(shop, arguments, said):
    before = sorted(shop.rglob("*"))
    got = einklang(*arguments, *(() if "--dir" in arguments else ("--dir", shop)))
    assert got.exit_code == 64 and said in got.output
    assert sorted(shop.rglob("*")) == before


def test_a_project_that_cannot_be_is_refused_whole(tmp_path):
    got = einklang("project", tmp_path / "a", "--currency", "EURO")
    assert got.exit_code == 64 and "EURO" in got.output
    for wrong in (("--currency", "XXX"), ("--currency", "EUR,EUR"), ("--currency", ""), ("--languages", "english")):
        got = einklang("project", tmp_path / "a", *wrong)
        assert got.exit_code == 64 and "einklang: " in got.output
    got = einklang("project", tmp_path / "a", "--timezone", "Europe/Berlim")
    assert got.exit_code == 64 and "Europe/Berlin" in got.output
    assert not (tmp_path / "a").exists()
    file = tmp_path / "file"
    file.write_text("", "utf-8")
    assert einklang("project", file).exit_code == 64
    assert einklang("project", file / "below").exit_code == 64


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_takes_no_files(shop):
    (shop / "promotions").chmod(0o500)
    got = einklang("3-for-2", "x", "--dir", shop)
    assert got.exit_code == 64 and "cannot be written" in got.output


def test_a_promotion_begins_next_monday():
    friday = datetime.datetime(2026, 9, 4, 23, 0, tzinfo=datetime.UTC)
    assert scaffold.monday(SimulatedClock(int(friday.timestamp()) * 1_000_000)) == datetime.date(2026, 9, 7)
