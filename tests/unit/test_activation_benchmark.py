"""The arithmetic of `python -m benchmarks activation`, and its command line."""

from __future__ import annotations

import math

import pytest

from benchmarks import activation, flips
from benchmarks.activation import Measured
from benchmarks.flips import Activation, Asked, Flip, Reading
from server.lease import Terms

MS = 1_000_000
AT = Activation(7, 1_000 * MS)
BEFORE = Activation(6, 0)


def asked(node: int, sent_ms: int, received_ms: int, sequence: int) -> Asked:
    return Asked(node, sent_ms * MS, received_ms * MS, sequence)


CALLS = [
    asked(0, 990, 992, 6),
    asked(1, 995, 1_001, 6),  # the last by the old entry; it came back when the new one was in force
    asked(0, 999, 1_025, 7),
    asked(1, 1_005, 1_031, 7),
    asked(0, 1_019, 1_026, 7),
    asked(1, 1_020, 1_032, 7),  # the guard is over
    asked(0, 1_500, 1_502, 7),
    asked(1, 1_010, 1_011, 0),  # failed
]


def test_a_flip_is_told_by_the_first_answers_of_each_node_and_the_last_old_one():
    assert flips.flips(CALLS, [AT, BEFORE], 2) == [Flip(first=25.0, nodes=6.0, turn=24.0)]


def test_a_flip_that_a_node_did_not_show_is_not_told():
    assert flips.flips(CALLS, [AT, BEFORE], 3) == []
    assert flips.flips(CALLS[2:], [AT, BEFORE], 2) == []  # nothing by the old entry


def test_those_meet_an_activation_that_are_under_way_in_its_guard():
    some, others = flips.met(CALLS, [AT], 20)
    assert some == [*CALLS[1:5], CALLS[7]]
    assert others == [CALLS[0], *CALLS[5:7]]


def test_the_closest_reading_of_the_clock_tells_when_an_entry_takes_force():
    readings = [Reading(5_000_000, 0, 90 * MS), Reading(5_000_000, 100 * MS, 102 * MS)]
    assert flips.at_ns(5_000_500, readings) == 101 * MS + MS // 2


def test_the_limit_is_the_guard_and_what_two_readings_may_take():
    assert flips.limit_ms(20) == 36
    assert round(flips.VAGUE * 20 * MS) == Terms(guard_us=20_000).vague_ns


def test_percentiles():
    values = [float(value) for value in range(200, 0, -1)]
    assert [flips.percentile(values, percent) for percent in (0, 50, 99, 100)] == [1, 100, 198, 200]
    assert math.isnan(flips.percentile([], 50))


def test_a_failed_call_and_a_late_node_miss_their_bounds():
    measured = Measured(Terms(), [0.5], CALLS, {"UNAVAILABLE": 1}, [BEFORE, AT], [5.04], [0.1])
    measured.flips = flips.flips(CALLS, measured.activations, 2)
    assert [met for met, _ in activation.bounds(measured)] == [False, True, True, True]
    assert "Failed: 1 of 8 calls, 1 UNAVAILABLE" in activation.lines(measured)
    measured.failures, measured.flips = {}, [Flip(25.0, 40.0, 24.0)]
    assert [met for met, _ in activation.bounds(measured)] == [True, True, False, True]
    measured.flips = []
    assert [met for met, _ in activation.bounds(measured)] == [True, False, False, True]


@pytest.mark.parametrize("words", [["--servers", "0"], ["--activations", "1"], ["--every-ms", "x"], ["--nothing"]])
def test_a_wrong_command_line_is_refused(words, capsys):
    with pytest.raises(SystemExit) as ended:
        activation.main(words)
    assert ended.value.code == 64
    assert capsys.readouterr().err
