"""The command line: what it prints, and with which code it ends."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from server import cli, instants, timeline_cli
from server.timeline_answers import to_entry
from tests.unit.server.stub_server import BEGIN, NOW, Holder, serving

ROOT = Path(__file__).resolve().parents[3]
GOOD = ROOT / "tests" / "e2e" / "project"
BASKET = {
    "channel": "pos",
    "currency": "EUR",
    "lines": [{"id": "1", "article": "penne", "quantity": "3", "unit_price_minor": "229"}],
}


def run(*arguments: str, text: str | None = None):
    return CliRunner().invoke(cli.app, list(arguments), input=text)


@pytest.fixture(scope="module")
def served():
    holder = Holder()
    holder.add("a", BEGIN)
    holder.add("b", NOW + 60_000_000)
    with serving(holder) as server:
        yield server


@pytest.fixture
def basket(tmp_path):
    path = tmp_path / "basket.json"
    path.write_text(json.dumps(BASKET))
    return str(path)


@pytest.fixture
def bad(tmp_path):
    for file in GOOD.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    path = tmp_path / "promotions.promo"
    path.write_text(path.read_text().replace("EUR 50.00 of fashion", "EUR 50,00 of fashion"))
    return str(tmp_path)


COMMANDS = (
    *("check", "fmt", "diff", "plan", "test", "decide", "explain", "status", "serve"),
    *("publish", "schedule", "cancel", "rollback", "pause", "resume", "log"),
)


def test_help_names_every_command_with_examples():
    got = run("--help")
    assert got.exit_code == 0
    for command in COMMANDS:
        assert command in got.output
        page = run(command, "--help")
        assert page.exit_code == 0
        assert f"einklang {command}" in page.output
        assert "Examples" in page.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("decide",),
        ("decide", "no-such-file.json"),
        ("decide", "x.json", "--format", "xml"),
        ("explain", "P9999"),
        ("explain", "no-such-file.json"),
        ("check", "no-such-directory"),
        ("test", "no-such-directory"),
        ("serve", "no-such-directory"),
        ("serve", "--listen", "nowhere"),
        ("serve", "--store", "http://x"),
        ("status", "--timeout", "soon"),
        ("publish", "no-such-directory"),
        ("rollback",),
        ("pause", "pasta", "--reason", "x"),
        ("pause", "pasta", "--until", "+2h"),
    ],
)
def test_a_wrong_command_line_ends_with_64(arguments):
    got = run(*arguments)
    assert got.exit_code == 64, got.output
    assert got.stderr


@pytest.mark.parametrize("code", [0, 1, 2])
def test_serve_ends_with_the_servers_code(monkeypatch, tmp_path, code):
    seen = []

    def serve(settings, project):
        seen.append((settings.address, settings.data_dir, project))
        return code

    monkeypatch.setattr("server.app.serve", serve)
    got = run("serve", str(GOOD), "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path))
    assert got.exit_code == code, got.output
    assert seen == [("127.0.0.1:0", tmp_path, GOOD)]


def test_check_of_a_good_project():
    got = run("check", str(GOOD))
    assert (got.exit_code, got.output) == (0, "2 files read: no errors\n")


def test_check_shows_the_line_and_what_to_write(bad):
    got = run("check", bad)
    assert got.exit_code == 1
    assert got.output == (
        "error P0101  Amounts use a point.                                              [fix]\n"
        "   promotions.promo:15  when basket is worth at least EUR 50,00 of fashion\n"
        "                                                      ^^^^^^^^^ write EUR 50.00\n"
        "   Receipts still print it in the reader's own way, with a comma in German.\n"
        "\n"
        "2 files read: 1 error\n"
    )


def test_check_for_programs(bad):
    got = run("check", bad, "--format", "json")
    assert got.exit_code == 1
    (found,) = json.loads(got.output)["diagnostics"]
    assert (found["code"], found["severity"], found["span"]["line"]) == ("P0101", "error", 15)


def test_test_of_a_project_that_does_not_compile(bad):
    got = run("test", bad)
    assert got.exit_code == 1
    assert "P0101" in got.output


def test_test_with_a_word_that_no_test_has():
    got = run("test", str(GOOD), "-k", "no such test")
    assert got.exit_code == 64


def test_explain_a_code():
    got = run("explain", "p0101")
    assert got.exit_code == 0
    assert "P0101" in got.output


def test_decide_prints_a_receipt(served, basket):
    got = run("decide", basket, "--address", served.address)
    assert got.exit_code == 0, got.output
    lines = got.output.splitlines()
    assert lines[0].split() == ["3", "x", "penne", "6.87"]
    assert lines[1].split() == ["Pasta:", "3", "for", "2", "-2.29"]
    assert lines[3].split() == ["To", "pay", "EUR", "4.58"]
    assert lines[4].split() == ["You", "save", "EUR", "2.29"]
    assert "pasta  applied  saves EUR 2.29" in got.output
    assert "entry 1 in force" in got.output


def test_decide_reads_standard_input_and_writes_json(served):
    got = run("decide", "-", "--address", served.address, "--format", "json", text=json.dumps(BASKET))
    assert got.exit_code == 0, got.output
    answer = json.loads(got.output)
    assert answer["decision"]["totals"]["payable_minor"] == "458"
    assert len(answer["envelope"]["decision_digest"]) == 64


def test_a_refused_basket_ends_with_1_and_names_the_field(served, tmp_path):
    path = tmp_path / "basket.json"
    path.write_text(json.dumps({**BASKET, "currency": ""}))
    got = run("decide", str(path), "--address", served.address)
    assert (got.exit_code, got.stderr) == (1, "einklang: currency: needed\n")
    got = run("decide", str(path), "--address", served.address, "--format", "json")
    assert (got.exit_code, json.loads(got.output)["field"]) == (1, "currency")


@pytest.mark.parametrize("text", ["{", '{"chanel": "pos"}', '{"lines": [{"quantity": 1.5}]}', "[]"])
def test_a_basket_that_is_none_ends_with_1(served, text):
    got = run("decide", "-", "--address", served.address, text=text)
    assert got.exit_code == 1
    assert got.stderr.startswith("einklang: not a DecideRequest: ")
    assert len(got.stderr.splitlines()) == 1


def test_nobody_answers(basket):
    got = run("decide", basket, "--address", "127.0.0.1:1", "--timeout", "2")
    assert got.exit_code == 1
    assert "no server answers at 127.0.0.1:1" in got.stderr
    assert run("status", "--address", "127.0.0.1:1", "--timeout", "2").exit_code == 1


def test_explain_a_basket(served, basket):
    got = run("explain", basket, "--address", served.address)
    assert got.exit_code == 0, got.output
    first, second, *_ = got.output.splitlines()
    assert first.split(maxsplit=2)[:2] == ["fashion", "condition"]
    assert first.endswith("EUR 12.40 more of «Mode» and it applies")
    assert second.split()[:3] == ["pasta", "applied", "-EUR"]
    got = run("explain", basket, "-p", "pasta", "--address", served.address, "--format", "json")
    assert [e["promotion"] for e in json.loads(got.output)["explanations"]] == ["pasta"]
    got = run("explain", basket, "-p", "nope", "--address", served.address)
    assert (got.exit_code, "promotions[0]" in got.stderr) == (1, True)


def test_status(served):
    got = run("status", "--address", served.address)
    assert got.exit_code == 0, got.output
    assert got.output.startswith(f"{served.address} is ready\nin force   entry 1 since ")
    assert "scheduled  entry 2 from " in got.output
    state = json.loads(run("status", "--address", served.address, "--format", "json").output)
    assert (state["ready"], state["timeline"]["in_force"]["sequence"]) == (True, "1")


def test_the_log_says_who_changed_what_when_and_why(served):
    got = run("log", "--address", served.address)
    assert got.exit_code == 0, got.output
    first, second, hashes, *_ = got.output.splitlines()
    assert first.startswith("#1 ")
    assert first.endswith("aaaaaaaaaaaa  publish")
    assert second.strip().startswith("anna, ")
    assert second.endswith(": autumn")
    assert hashes.strip().endswith("after 0000000000000000…")
    got = run("log", "--address", served.address, "--verify", "-n", "1", "--format", "json")
    assert (got.exit_code, json.loads(got.stdout)["sequence"]) == (0, "2")
    assert "the chain holds: 2 entries" in got.stderr


def test_a_chain_that_does_not_hold_is_found():
    holder = Holder()
    holder.add("a", BEGIN)
    holder.add("b", NOW)
    entries = [to_entry(entry, True) for entry in holder.timeline.entries]
    timeline_cli.verify(entries)
    for field, value in (("reason", "other"), ("sequence", 3), ("record", b"{}"), ("previous_hash", "0" * 64)):
        wrong = [to_entry(entry, True) for entry in holder.timeline.entries]
        setattr(wrong[1], field, value)
        with pytest.raises(timeline_cli.Unfit, match="entry 2"):
            timeline_cli.verify(wrong)
    with pytest.raises(timeline_cli.Unfit, match="does not follow"):
        timeline_cli.verify(entries[1:])


def test_entries_are_named_by_number_or_digest():
    holder = Holder()
    holder.add("a", BEGIN)
    holder.add("b", NOW)
    entries = [to_entry(entry) for entry in holder.timeline.entries]
    for text, sequence in (("#2", 2), ("1", 1), ("aaaa", 1), ("b" * 64, 2)):
        assert timeline_cli.entry_of(text, entries).sequence == sequence
    for text in ("#3", "0", "aaa", "cccc", "x"):
        with pytest.raises(timeline_cli.Unfit):
            timeline_cli.entry_of(text, entries)


def test_instants_as_people_write_them():
    assert instants.parse("+10m", 5) == 600_000_005
    assert instants.parse("+1h30m", 0) == 5_400_000_000
    assert instants.parse("2026-12-01T06:00+01:00", 0) == instants.parse("2026-12-01 05:00Z", 0)
    here = instants.parse("2026-12-01 06:00", 0)
    assert instants.local(here).startswith("2026-12-01 06:00:00 ")
    for text in ("tomorrow", "2026-12-01", "+10", "+m", "10m", "", "2026-13-01T00:00"):
        with pytest.raises(instants.NoInstant):
            instants.parse(text, 0)
    assert [instants.span(us) for us in (300_000, 4_000_000, 125_000_000, 7_500_000_000, 172_800_000_000)] == [
        "0.3 s",
        "4 s",
        "2 min 5 s",
        "2 h 5 min",
        "2 d",
    ]


def test_status_of_a_server_that_is_not_ready():
    with serving(Holder(), ready=False) as server:
        got = run("status", "--address", server.address)
    assert got.exit_code == 1
    assert "is not ready" in got.output
    assert "in force   nothing" in got.output


def test_nothing_is_coloured_in_a_pipe():
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'proto'}"}
    got = subprocess.run(
        [sys.executable, "-m", "server.cli", "check", str(GOOD)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert b"\x1b" not in got.stdout + got.stderr


HEAVY = ("grpc", "lark", "numba", "numpy", "redis", "pydantic", "google.protobuf", "dsl.compiler")


def test_a_node_is_begun_before_grpc_is_there():
    """Its handlers for processes that are forked are only left out if it is told so before it is imported."""
    code = "import sys, server.app, server.workers, server.cli_nodes; print('grpc' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "False\n"


def test_help_loads_nothing_that_it_does_not_need():
    code = f"import sys, server.cli; print([name for name in {HEAVY!r} if name in sys.modules])"
    got = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert got.stdout == "[]\n"


def test_ctrl_c_while_modules_are_imported_ends_in_silence(tmp_path):
    (tmp_path / "typer.py").write_text("import signal\nsignal.raise_signal(signal.SIGINT)\n")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}{os.pathsep}{ROOT / 'proto'}"}
    command = [sys.executable, "-m", "server", "--help"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_the_serving_path_loads_no_parser():
    code = (
        "import sys, server.app, server.services, server.convert, server.activate, server.rulesets; "
        "print([name for name in sys.modules if name.split('.')[0] in ('dsl', 'lark')])"
    )
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'proto'}"}
    got = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert got.stdout == "[]\n"


def test_explain_says_what_a_name_means():
    shop = str(ROOT / "examples" / "shop")
    english = run("explain", "pasta-3-for-2", "--project", shop)
    german = run("explain", "pasta-3-for-2", "--project", shop, "--lang", "de")
    assert (english.exit_code, german.exit_code) == (0, 0)
    assert "gets the cheapest of them free" in english.output and "bekommt das günstigste davon gratis" in german.output
    unknown = run("explain", "pasta3-for-2", "--project", shop)
    assert unknown.exit_code == 64 and "Did you mean «pasta-3-for-2»?" in unknown.output


# ---------------------------------------------------------------------------------------------------- odd places


@pytest.mark.parametrize("command", ["check", "fmt"])
@pytest.mark.parametrize("odd", ["pipe", "line break", "no UTF-8", "nothing behind", "long", "itself"])
def test_what_cannot_be_read_is_told_in_a_sentence(tmp_path, command, odd):
    directory = tmp_path
    match odd:
        case "pipe":
            os.mkfifo(tmp_path / "a.promo")
        case "line break":
            (tmp_path / "a\n\x1b[31mb.promo").write_text("nonsense")
        case "no UTF-8":
            Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.promo")).write_text("nonsense")
        case "nothing behind":
            (tmp_path / "a.promo").symlink_to("b.promo")
        case "long":
            directory = tmp_path / ("x" * 5_000)
        case "itself":
            directory = tmp_path / "a"
            directory.symlink_to("a")
    got = run(command, str(directory))
    assert got.exit_code in (1, 64)
    assert isinstance(got.exception, SystemExit)
    assert "Traceback" not in got.stderr
    if command == "check":
        assert got.exit_code == 64
        assert len(got.stderr.strip().splitlines()) == 1


def test_a_folder_that_cannot_be_read_is_not_left_out(tmp_path, monkeypatch):
    """Without its rules the project would mean something else."""
    shutil.copytree(ROOT / "examples" / "shop", tmp_path / "shop")
    scandir = os.scandir

    def refusing(path):
        if str(path).endswith("promotions"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    got = run("check", str(tmp_path / "shop"))
    assert got.exit_code == 64
    assert "promotions: Permission denied" in got.stderr


def shell(command: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'proto'}", "PY": sys.executable, **environment},
        capture_output=True,
        check=False,
        timeout=60,
    )


def test_where_nothing_can_be_written_that_is_said():
    got = shell('exec "$PY" -m server.cli explain P3105 > /dev/full')
    assert (got.returncode, got.stderr) == (64, b"einklang: the output: No space left on device\n")


def test_who_reads_no_further_hears_no_complaint():
    got = shell('"$PY" -m server.cli explain P3105 | true')
    assert got.stderr == b""


def test_a_terminal_without_these_letters_shows_others():
    got = shell('exec "$PY" -m server.cli explain P3105', PYTHONIOENCODING="ascii")
    assert (got.returncode, got.stderr) == (0, b"")
    assert b"?" in got.stdout
