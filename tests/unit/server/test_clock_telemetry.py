"""Clocks and the log's table."""

import io
import json
import logging
import string

import pytest

from server.clock import SystemClock
from server.telemetry import ROOT, Counters, Event, Metric, configure, say


def test_the_system_clock_runs_and_never_goes_back():
    clock = SystemClock()
    before = clock.monotonic_ns()
    assert clock.monotonic_ns() >= before
    assert clock.now_us() > 1_600_000_000_000_000


@pytest.fixture
def logged():
    stream = io.StringIO()
    logger = logging.getLogger(ROOT)
    before = logger.handlers[:], logger.level, logger.propagate
    yield stream
    logger.handlers[:], logger.level, logger.propagate = before


def test_a_json_line_has_its_name_and_fields(logged):
    configure("json", "info", logged)
    say(Event.PUBLISHED, digest="abc", sequence=3)
    line = json.loads(logged.getvalue())
    assert line["event"] == "publish.done"
    assert (line["digest"], line["sequence"], line["level"]) == ("abc", 3, "info")


def test_a_line_for_people_is_one_line_whatever_it_holds(logged):
    configure("human", "info", logged)
    say(Event.IMAGE_REJECTED, digest="abc", reason="first\nsecond " + "x" * 5_000)
    assert logged.getvalue().count("\n") == 1
    assert "first second" in logged.getvalue()
    assert len(logged.getvalue()) < 2_500


def test_names_are_unique_and_sentences_use_plain_fields():
    assert len({event.label for event in Event}) == len(Event)
    assert len({metric.label for metric in Metric}) == len(Metric)
    for event in Event:
        assert all(name is None or name.isidentifier() for _, name, _, _ in string.Formatter().parse(event.sentence))


def test_counters_count_and_are_listed_by_name():
    counters = Counters()
    counters.add(Metric.DECISIONS, 2)
    counters.put(Metric.IN_FORCE_SEQUENCE, 7)
    assert counters.all()["decisions_total"] == 2
    assert counters.all()["in_force_sequence"] == 7
