"""`einklang test`: what is measured, what CI systems get, and which test a name means."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from server import testing
from server.cli import app
from tests.oracle.decide import decide as oracle
from tests.running import PROJECT

TESTS = """\
sample shirt {
  brand: "Acme"
  price: EUR 10.00
}

test "a fifth off" {
  at 2026-09-08 12:00
  sold in pos
  buys 1 x shirt
  expect summer saves EUR 2.00
}

test "half off, 100%: really" {
  at 2026-09-08 12:00
  sold in pos
  buys 1 x shirt
  expect summer saves EUR 5.00
}
"""


@pytest.fixture(autouse=True)
def oracle_decides(monkeypatch):
    monkeypatch.setattr(testing, "machine", lambda compilation, *_: partial(oracle, compilation.programs))


def files(tests: str = TESTS) -> dict[str, bytes]:
    return {name: text.encode() for name, text in {**PROJECT, "tests.promo": tests}.items()}


def outcome(keyword: str = "", tests: str = TESTS, **options) -> testing.Outcome:
    return testing.run(files(tests), keyword, cache_dir=Path("unused"), **options)


@pytest.fixture
def project(tmp_path) -> Path:
    for name, data in files().items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def einklang(*arguments: object):
    return CliRunner().invoke(app, ["test", *map(str, arguments)])


def test_a_keyword_chooses_and_leaves_coverage_out():
    assert [result.case.name for result in outcome("FIFTH").results] == ["a fifth off"]
    assert outcome("fifth").coverage is None
    assert outcome("fifth", cover=True).coverage is not None
    assert outcome().coverage is not None


def test_a_trace_is_of_one_test():
    assert "summer  applied  it applied 1 time, it saved EUR 2.00" in outcome(trace="a fifth off").trace
    assert "summer  applied" in outcome("half", trace="fifth").trace
    with pytest.raises(testing.NoSuchTest, match="2 tests have «off» in their name: «a fifth off», «half off"):
        outcome(trace="off")
    with pytest.raises(testing.NoSuchTest, match="no test has «third» in its name"):
        outcome(trace="third")


def test_reports_speak_german():
    text = testing.text(outcome(language="de"))
    assert "erwartet   summer saves EUR 5.00" in text
    assert "aber       sie sparte EUR 2.00" in text
    assert "1 bestanden, 1 gescheitert.  Nie entscheidend: summer «runs from" in text


def test_github_gets_one_annotation_at_the_line_of_each_failure():
    text = testing.github(outcome(), Path("examples/shop/"))
    assert text.startswith(
        "::error file=examples/shop/tests.promo,line=17,endLine=17,col=3,endColumn=31,"
        "title=half off%2C 100%25%3A really::"
        "expected summer saves EUR 5.00%0Abut it saved EUR 2.00%0A  get 20%25 off shirts    (summer.promo:5)"
    )
    assert "\n" not in text
    assert testing.github(outcome("fifth"), Path()) == ""


def test_junit_reads_as_xml_and_tells_the_failure():
    named = TESTS.replace("a fifth off", "a fifth <off> & ünïcode")
    root = ElementTree.fromstring(testing.junit(outcome(tests=named)))
    assert (root.tag, root.attrib["tests"], root.attrib["failures"]) == ("testsuites", "2", "1")
    (suite,) = root
    assert suite.attrib["name"] == "tests.promo"
    good, bad = suite
    assert (good.attrib["name"], len(good)) == ("a fifth <off> & ünïcode", 0)
    assert (bad.attrib["file"], bad.attrib["line"]) == ("tests.promo", "13")
    assert bad[0].attrib["message"] == "expected summer saves EUR 5.00, but it saved EUR 2.00"
    assert bad[0].text is not None and bad[0].text.startswith("tests.promo:17\n")
    assert float(bad.attrib["time"]) > 0


def test_junit_of_a_project_that_does_not_compile_is_an_error():
    root = ElementTree.fromstring(testing.junit(outcome(tests="nonsense\n")))
    assert (root.attrib["tests"], root.attrib["errors"]) == ("1", "1")
    assert root[0][0][0].tag == "error"
    assert "tests.promo:1" in (root[0][0][0].text or "")


def test_a_minimum_of_coverage(project):
    assert einklang(project, "-k", "fifth", "--cov-min", 50).exit_code == 0
    got = einklang(project, "-k", "fifth", "--cov-min", 51)
    assert got.exit_code == 1
    assert got.output.endswith("50% of the lines are decisive, --cov-min asks for 51%\n")
    assert einklang(project, "--cov-min", 101).exit_code == 64 or einklang(project, "--cov-min", 101).exit_code == 2


def test_the_command_writes_what_it_is_asked_for(project, tmp_path):
    got = einklang(project, "--junit", tmp_path / "out.xml", "--format", "github", "--cov")
    assert got.exit_code == 1
    assert "::error file=" in got.output
    assert "Decisive in a test: 1 of 2 lines (50%)" in got.output
    assert "Lines never decisive" not in got.output
    assert ElementTree.parse(tmp_path / "out.xml").getroot().tag == "testsuites"
    got = einklang(project, "--junit", tmp_path / "no" / "out.xml")
    assert got.exit_code == 64
    assert einklang(project, "--trace", "nothing").exit_code == 64
    assert einklang(project, "-k", "nothing").exit_code == 64
    assert "a fifth off" in einklang(project, "--trace", "fifth").output
