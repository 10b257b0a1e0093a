"""Findings as GitHub, SARIF and JSON show them: places that a build finds, nothing that breaks out of its field."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from dsl.diagnostics import Span, found, render
from server import cli, reports
from tests.unit.dsl.frame import compile_framed, framed

OFFER = """\
promotion offer {
  runs from 2026-09-01 until 2026-09-30 23:59
  sold everywhere
  for everyone
  get EUR 1.005 off pasta each
  limt 1 per basket
  group item-deals
  label en "Offer"
}
"""
PLACE = Span("a: b,c.promo", 2, 3, 2, 9)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project in a directory of the checkout; commands run at its top."""
    for name, data in framed(OFFER).items():
        path = tmp_path / "rules" / "of ours" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    monkeypatch.chdir(tmp_path)
    return "rules/of ours"


def check(*arguments: str, code: int = 1) -> str:
    got = CliRunner().invoke(cli.app, ["check", *arguments])
    assert got.exit_code == code, got.output
    return got.output


def test_annotations_name_the_file_from_where_the_build_runs(project):
    lines = check(project, "--format", "github").splitlines()
    assert lines == [
        "::warning file=rules/of ours/example.promo,line=2,endLine=2,col=41,endColumn=46,title=P3015::"
        "The last minute is left out: times end just before the moment.%0Awrite the date alone",
        "::error file=rules/of ours/example.promo,line=5,endLine=5,col=7,endColumn=16,title=P2005::"
        "EUR has 2 decimals.%0Awrite EUR 1.00 or EUR 1.01",
        "::error file=rules/of ours/example.promo,line=6,endLine=6,col=3,endColumn=7,title=P0201::"
        "«limt» is not a promotion line. Did you mean «limit»?",
    ]


def test_annotations_from_inside_the_project_and_beside_it(project, monkeypatch):
    monkeypatch.chdir(project)
    assert "file=example.promo," in check(".", "--format", "github")
    monkeypatch.chdir("data")
    assert "file=../example.promo," in check("..", "--format", "github")


def test_nothing_breaks_out_of_an_annotation():
    (line,) = reports.github([found("P0109", PLACE, word="50%\n::error::")], Path(), "en")
    assert line.count("\n") == 0
    assert "file=a%3A b%2Cc.promo,line=2" in line
    assert line.endswith("::«50%25�::error::» has no meaning here.")


# ---------------------------------------------------------------------------------------------------- SARIF


def shape(log: dict[str, Any]) -> None:
    """What SARIF 2.1.0 asks of the parts that are written here (sections 3.13 to 3.57)."""
    assert log["version"] == "2.1.0" and log["$schema"].endswith("sarif-2.1.0.json")
    for run in log["runs"]:
        driver = run["tool"]["driver"]
        assert driver["name"] and driver["version"]
        ids = [rule["id"] for rule in driver["rules"]]
        assert len(ids) == len(set(ids))
        for rule in driver["rules"]:
            assert rule["shortDescription"]["text"] and rule["help"]["text"]
        assert re.fullmatch("[a-z]{2}", run["language"])
        assert run["columnKind"] in ("utf16CodeUnits", "unicodeCodePoints")
        for result in run["results"]:
            assert ids[result["ruleIndex"]] == result["ruleId"]
            assert result["level"] in ("none", "note", "warning", "error")
            assert result["message"]["text"]
            for location in (*result["locations"], *result.get("relatedLocations", ())):
                artifact(location["physicalLocation"]["artifactLocation"])
                region(location["physicalLocation"]["region"])
            for fix in result.get("fixes", ()):
                assert fix["description"]["text"]
                for change in fix["artifactChanges"]:
                    artifact(change["artifactLocation"])
                    assert change["replacements"]
                    for replacement in change["replacements"]:
                        region(replacement["deletedRegion"])
                        assert isinstance(replacement["insertedContent"]["text"], str)


def artifact(location: dict[str, str]) -> None:
    assert re.fullmatch(r"[\w./%~-]+", location["uri"]), "a URI reference, percent-encoded"
    assert not location["uri"].startswith("/")


def region(where: dict[str, int]) -> None:
    assert where["startLine"] >= 1 and where["startColumn"] >= 1
    assert (where["endLine"], where["endColumn"]) > (where["startLine"], where["startColumn"])


def test_sarif_has_rules_places_and_fixes(project):
    log = json.loads(check(project, "--format", "sarif"))
    shape(log)
    (run,) = log["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["P0201", "P2005", "P3015"]
    assert [result["ruleId"] for result in run["results"]] == ["P3015", "P2005", "P0201"]
    place = run["results"][2]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "rules/of%20ours/example.promo"
    assert place["region"] == {"startLine": 6, "startColumn": 3, "endLine": 6, "endColumn": 7}
    (change,) = run["results"][2]["fixes"][0]["artifactChanges"]
    assert change["replacements"] == [{"deletedRegion": place["region"], "insertedContent": {"text": "limit"}}]


def test_sarif_of_nothing_and_of_related_lines(tmp_path):
    (tmp_path / "a.promo").write_text("settings {\n  currency EUR\n  timezone Europe/Berlin\n}\n")
    log = json.loads(check(str(tmp_path), "--format", "sarif", code=0))
    shape(log)
    assert log["runs"][0]["results"] == []
    finding = found("P0109", PLACE, word="x", also=(Span("b.promo", 1, 1, 1, 4),))
    log = json.loads(reports.sarif([finding], Path(), "de"))
    shape(log)
    assert len(log["runs"][0]["results"][0]["relatedLocations"]) == 1


# ---------------------------------------------------------------------------------------------------- JSON, text


def test_json_has_one_shape(project):
    findings = json.loads(check(project, "--format", "json", "--lang", "de"))["diagnostics"]
    assert [list(finding) for finding in findings] == [
        ["code", "severity", "span", "message", "mark", "help", "fix", "choices", "also"]
    ] * 3
    assert findings[2]["message"] == "«limt» ist keine Zeile einer Aktion. Gemeint: «limit»?"
    assert findings[2]["span"] == {"file": "example.promo", "line": 6, "column": 3, "end_line": 6, "end_column": 7}
    assert findings[2]["fix"] == [{"span": findings[2]["span"], "text": "limit"}]


def test_the_page_shows_the_json_that_is_printed(tmp_path):
    """docs/tools.md: the example is what comes of it, and its table names every field."""
    page = (Path(__file__).parents[3] / "docs" / "tools.md").read_text(encoding="utf-8")
    section = page[page.index("## einklang check") : page.index("## einklang test")]
    (shown,) = re.findall(r"```json\n(.*?)```", section, re.DOTALL)
    for name, data in {**framed(""), "summer.promo": OFFER.encode()}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    printed = json.loads(check(str(tmp_path), "--format", "json"))
    assert list(printed) == ["diagnostics"]
    assert json.loads(shown) == next(one for one in printed["diagnostics"] if one["code"] == "P0201")
    named = {
        name for row in re.findall(r"^\| (`.*?`) \|", section, re.MULTILINE) for name in re.findall("`(.*?)`", row)
    }
    assert set(json.loads(shown)) <= named


def test_german_text(project):
    said = check(project, "--lang", "de")
    assert said.startswith("Warnung P3015  Die letzte Minute fehlt")
    assert said.endswith("2 Dateien gelesen: 2 Fehler, 1 Warnung\n")


def test_colours_add_nothing_but_colours():
    compilation = compile_framed(OFFER)
    for finding in compilation.diagnostics:
        assert reports.coloured(finding, compilation.sources, "en").plain == render(finding, compilation.sources)


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_a_terminal_has_colours_unless_they_are_unwanted(variables, coloured):
    compilation = compile_framed(OFFER)
    environment = {"TERM": "xterm-256color", **variables}
    console = Console(force_terminal=True, _environ=environment, width=200)
    with console.capture() as capture:
        for line in reports.text(compilation.diagnostics, compilation.sources, "en"):
            console.print(line)
    assert ("\x1b[1;31m" in capture.get()) == coloured


def test_several_lines_of_one_finding_stand_in_their_order():
    sources = {"a.promo": "promotion offer {\n  buy 3 of pasta\n  get the cheapest 3 free\n}\n"}
    finding = found("P2009", Span("a.promo", 3, 20, 3, 21), also=(Span("a.promo", 2, 3, 2, 17),))
    assert render(finding, sources).splitlines() == [
        "error P2009  The first bound is above the second.",
        "   a.promo:2          buy 3 of pasta",
        "   a.promo:3          get the cheapest 3 free",
        "                                       ^ write the smaller one first",
    ]


@pytest.mark.parametrize(
    ("line", "column", "end", "carets"),
    [
        ("  label de “Käse”", 12, 18, "^^^^^^"),
        ("  label ja “日本”", 12, 16, "^^^^^^"),
        ("\tlimt 1", 2, 6, "^^^^"),
        ("  \x1b[31mred", 3, 9, "^^^^^^"),
        ("  " + "x" * 5_000 + " here", 5_004, 5_008, "^^^^"),
    ],
)
def test_carets_stand_under_what_is_meant(line, column, end, carets):
    finding = found("P0109", Span("a.promo", 1, column, 1, end), word="x")
    _, shown, under = render(finding, {"a.promo": line}).splitlines()
    assert under.split(maxsplit=1)[0] == carets
    assert len(shown) < 400 and "\x1b" not in shown
    wide = Console().render_str(shown[: len(shown.rstrip()) - (len(line.rstrip()) - end + 1)], markup=False)
    assert wide.cell_len == len(under.split("^")[0]) + len(carets)
