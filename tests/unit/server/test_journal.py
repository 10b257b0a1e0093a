"""Decisions made without the store: kept, decided anew, and listed where they come out otherwise."""

import asyncio
import hashlib
import json
import os

import grpc
import pytest

from einklang.v1 import common_pb2 as common
from einklang.v1 import decision_pb2 as pb
from server import parts
from server.contract import Failure
from server.journal import Anew, Journal, Made
from server.telemetry import Counters

OLD, NEW = "a" * 64, "b" * 64


def decided(ruleset, payable, line="x"):
    """A Decision, and its bytes."""
    decision = pb.Decision(ruleset_digest=ruleset, currency="EUR", totals=pb.Totals(payable_minor=payable))
    decision.lines.add(line_id=line)
    return decision, decision.SerializeToString(deterministic=True)


def request(name="x", **fields):
    return pb.DecideRequest(channel="pos", request_id=name, **fields).SerializeToString()


def made(as_of_us, data, decision, ruleset=OLD):
    digest = hashlib.sha256(decision).hexdigest()
    return Made.of(data, as_of_us=as_of_us, at_us=7, sequence=1, ruleset=ruleset, decision=digest)


class Engine:
    """Decides by a table: (the ruleset, or the instant) → what is to be paid, or what is raised."""

    def __init__(self, by_ruleset, in_force, *, certain=True):
        self.by_ruleset, self.in_force, self.certain = by_ruleset, in_force, certain
        self.asked = []

    async def __call__(self, message):
        self.asked.append((message.request_id, message.as_of_us, message.ruleset_digest, message.at_us))
        ruleset = message.ruleset_digest or self.in_force
        payable = self.by_ruleset[ruleset]
        if isinstance(payable, Exception):
            raise payable
        decision, data = decided(ruleset, payable)
        return Anew(decision, hashlib.sha256(data).hexdigest(), 2 if ruleset == NEW else 1, self.certain)


def look(journal, engine, final_us=100):
    async def no_pause():
        return None

    return asyncio.run(journal.look_again(final_us, engine, no_pause))


def differences(journal):
    rows = []
    for path in sorted(journal.differences.iterdir()):
        rows += [json.loads(line) for line in path.read_text().splitlines()]
    return rows


@pytest.fixture
def counters():
    return Counters()


@pytest.fixture
def journal(tmp_path, counters):
    opened = Journal(tmp_path, 1 << 20, counters)
    yield opened
    opened.close()


def test_what_is_as_it_was_is_forgotten(journal, counters):
    journal.add(made(5, request(), decided(OLD, 900)[1]))
    engine = Engine({OLD: 900}, OLD)
    (report,) = look(journal, engine)
    assert (report.checked, report.differing, report.unchecked) == (1, 0, 0)
    assert engine.asked == [("x", 5, "", 7)], "for its instant, and the sale's"
    assert not journal.waiting()
    assert not differences(journal)
    assert journal.held_bytes == 0
    assert counters.all()["journal_checked_total"] == 1
    assert look(journal, engine) == []


def test_what_comes_out_otherwise_is_listed_with_both_amounts(journal, counters):
    data = request(lines=[pb.Line(id="1", article="penne", quantity=2)])
    journal.add(made(5, data, decided(OLD, 900)[1]))
    (report,) = look(journal, Engine({OLD: 900, NEW: 750}, NEW))
    assert report.differing == 1
    (row,) = differences(journal)
    assert (row["payable_minor"], row["right_payable_minor"], row["difference_minor"]) == (900, 750, 150)
    assert (row["ruleset"], row["right_ruleset"], row["right_sequence"]) == (OLD, NEW, 2)
    assert row["request"]
    assert counters.all()["journal_differences_total"] == 1
    assert [path.stat().st_mode & 0o777 for path in journal.differences.iterdir()] == [0o600]


def test_another_ruleset_that_decides_alike_is_no_difference(journal):
    journal.add(made(5, request(), decided(OLD, 900)[1]))
    (report,) = look(journal, Engine({OLD: 900, NEW: 900}, NEW))
    assert (report.checked, report.differing) == (1, 0)
    assert not differences(journal)


def test_a_request_that_names_an_instant_of_its_own_is_asked_for_that(journal):
    journal.add(made(3, request(as_of_us=3), decided(OLD, 900)[1]))
    engine = Engine({OLD: 900}, OLD)
    look(journal, engine)
    assert engine.asked == [("x", 3, "", 7)]


def test_what_is_not_settled_waits(journal):
    journal.add(made(5, request(), decided(OLD, 900)[1]))
    engine = Engine({OLD: 900}, OLD)
    assert look(journal, engine, final_us=5) == []
    assert engine.asked == []
    engine.certain = False
    assert look(journal, engine) == []
    assert len(journal.waiting()) == 1
    engine.certain = True
    assert len(look(journal, engine)) == 1


def failure(retryable):
    return Failure(
        grpc.StatusCode.UNAVAILABLE, common.ERROR_REASON_STORE_UNAVAILABLE, "the store is away", retryable=retryable
    )


def test_what_cannot_be_fetched_now_waits_and_what_is_gone_is_listed(journal):
    journal.add(made(5, request(), decided(OLD, 900)[1]))
    assert look(journal, Engine({OLD: failure(True)}, OLD)) == []
    (report,) = look(journal, Engine({OLD: failure(False)}, OLD))
    assert (report.checked, report.unchecked) == (0, 1)
    assert "the store is away" in differences(journal)[0]["problem"]


def test_what_the_same_ruleset_decides_otherwise_is_listed(journal):
    journal.add(made(5, request(), decided(OLD, 900)[1]))
    (report,) = look(journal, Engine({OLD: 901}, OLD))
    assert report.unchecked == 1
    assert "decided otherwise now" in differences(journal)[0]["problem"]


def test_damaged_lines_are_listed_and_the_others_looked_at(journal):
    for name in ("x", "y", "z"):
        journal.add(made(5, request(name), decided(OLD, 900)[1]))
    journal.close()
    (path,) = journal.waiting()
    rows = path.read_bytes().splitlines(keepends=True)
    path.chmod(0o600)
    path.write_bytes(rows[0] + b"{}\n" + rows[2][:-9])
    engine = Engine({OLD: 900}, OLD)
    (report,) = look(journal, engine)
    assert (report.checked, report.unchecked) == (1, 2)
    assert [row["problem"] for row in differences(journal)] == ["a damaged line"] * 2


def test_a_killed_process_loses_nothing_and_nothing_counts_twice(tmp_path, counters):
    first = Journal(tmp_path, 1 << 20, counters)
    first.add(made(5, request(), decided(OLD, 900)[1]))  # neither synced nor closed

    class Killed(BaseException):
        pass

    async def dies():
        raise Killed

    second = Journal(tmp_path, 1 << 20, counters)
    assert second.held_bytes > 0
    second.add(made(6, request("y"), decided(OLD, 900)[1]))
    assert len(second.waiting()) == 2
    with pytest.raises(Killed):
        asyncio.run(second.look_again(100, Engine({OLD: 900, NEW: 1}, NEW), dies))
    assert not differences(second)
    reports = look(second, Engine({OLD: 900, NEW: 1}, NEW))
    assert [report.differing for report in reports] == [1, 1]
    assert len(differences(second)) == 2
    second.add(made(6, request("z"), decided(OLD, 900)[1]))
    assert second.waiting()[0].name not in {path.name for path in second.differences.iterdir()}, "no list is replaced"
    first.close()
    second.close()


def test_what_is_decided_meanwhile_is_looked_at_the_next_time(journal, monkeypatch):
    journal.add(made(5, request(), decided(OLD, 900)[1]))
    close = journal.close

    def closed_and_begun_anew():
        close()
        journal.add(made(6, request("y"), decided(OLD, 900)[1]))

    with monkeypatch.context() as patch:
        patch.setattr(journal, "close", closed_and_begun_anew)
        engine = Engine({OLD: 900}, OLD)
        assert len(look(journal, engine)) == 1
    journal.add(made(7, request("z"), decided(OLD, 900)[1]))
    assert len(look(journal, engine)) == 1
    assert [asked[0] for asked in engine.asked] == ["x", "y", "z"]
    assert journal.held_bytes == 0


def test_a_full_journal_says_so_once_and_counts(tmp_path, counters, caplog):
    line = made(5, request(), decided(OLD, 900)[1])
    journal = Journal(tmp_path, 2 * (len(line.model_dump_json()) + 1), counters)
    for _ in range(4):
        journal.add(line)
    assert counters.all()["journal_lost_total"] == 2
    assert caplog.text.count("journal.full") == 1
    (report,) = look(journal, Engine({OLD: 900}, OLD))
    assert report.checked == 2
    journal.add(line)
    assert counters.all()["journal_lost_total"] == 2, "there is room again"
    journal.close()


def test_a_file_that_is_not_settled_does_not_keep_others_waiting(journal):
    journal.add(made(500, request("later"), decided(OLD, 900)[1]))
    journal.close()
    journal.add(made(5, request("now"), decided(OLD, 900)[1]))
    engine = Engine({OLD: 900}, OLD)
    assert len(look(journal, engine)) == 1
    assert [asked[0] for asked in engine.asked] == ["now"]
    assert len(look(journal, engine, final_us=501)) == 1
    assert journal.held_bytes == 0


def test_the_file_that_is_written_to_is_not_closed_for_what_is_not_settled(journal):
    for _ in range(3):
        journal.add(made(500, request(), decided(OLD, 900)[1]))
        assert look(journal, Engine({OLD: 900}, OLD)) == []
    assert len(journal.waiting()) == 1


def test_what_an_earlier_process_left_unsettled_is_not_decided_again_and_again(tmp_path, counters):
    first = Journal(tmp_path, 1 << 20, counters)
    for as_of_us in (5, 300, 500, 7):
        first.add(made(as_of_us, request(), decided(OLD, 900)[1]))
    first.close()

    class Until(Engine):
        final_us = 0

        async def __call__(self, message):
            self.certain = message.as_of_us < self.final_us
            return await super().__call__(message)

    second, engine = Journal(tmp_path, 1 << 20, counters), Until({OLD: 900}, OLD)
    for final_us, asked in ((100, 2), (400, 2), (500, 2), (501, 6)):
        engine.final_us = final_us
        look(second, engine, final_us)
        assert len(engine.asked) == asked, final_us
    assert second.held_bytes == 0


def test_what_is_no_file_is_not_looked_at(tmp_path, counters):
    (tmp_path / "journal" / "00000003.jsonl").mkdir(parents=True)
    os.mkfifo(tmp_path / "journal" / "00000004.jsonl")
    (tmp_path / "journal" / "00000005.jsonl").symlink_to("/dev/zero")
    (tmp_path / "journal" / "\u00b2.jsonl").touch()
    journal = Journal(tmp_path, 1 << 20, counters)
    assert look(journal, Engine({OLD: 900}, OLD)) == []
    journal.add(made(5, request(), decided(OLD, 900)[1]))
    assert len(look(journal, Engine({OLD: 900}, OLD))) == 1
    assert counters.all()["journal_lost_total"] == 0


def test_a_row_that_trips_the_engine_is_listed_and_the_others_looked_at(journal, caplog):
    journal.add(made(5, request("x"), decided(OLD, 900)[1], ruleset=OLD))
    journal.add(made(6, request("y"), decided(OLD, 900)[1], ruleset=OLD))

    class Trips(Engine):
        async def __call__(self, message):
            if message.request_id == "x":
                raise ZeroDivisionError("of ours")
            return await super().__call__(message)

    (report,) = look(journal, Trips({OLD: 900}, OLD))
    assert (report.checked, report.unchecked) == (1, 1)
    assert "ZeroDivisionError" in differences(journal)[0]["problem"]
    assert "a decision that was made without the store" in caplog.text


def test_a_file_that_cannot_be_read_keeps_no_other_from_being_looked_at(journal, monkeypatch):
    for name in ("x", "y"):
        journal.add(made(5, request(name), decided(OLD, 900)[1]))
        journal.close()
    opener = parts.open_file

    def refused(path):
        if path.name == "00000001.jsonl":
            raise PermissionError(13, "Permission denied", str(path))
        return opener(path)

    monkeypatch.setattr("server.journal.open_file", refused)
    engine = Engine({OLD: 900}, OLD)
    with pytest.raises(PermissionError):
        look(journal, engine)
    assert [asked[0] for asked in engine.asked] == ["y"]
    assert len(journal.waiting()) == 1


def test_baskets_of_all_sizes_at_a_full_journal_are_said_once(tmp_path, counters, caplog):
    small, large = (made(5, request("x" * length), decided(OLD, 900)[1]) for length in (1, 100))
    journal = Journal(tmp_path, 6 * len(small.model_dump_json()), counters)
    for _ in range(4):
        journal.add(large)
        journal.add(small)
    assert counters.all()["journal_lost_total"] > 1
    assert caplog.text.count("journal.full") == 1
