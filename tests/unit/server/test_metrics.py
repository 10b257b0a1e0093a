"""Figures for Prometheus: every metric of the table, of every process, read while they count."""

import os
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families as parsed

from server.metrics import MetricsAddressTaken, served, shared_rows
from server.telemetry import BUCKETS_US, Counters, Metric


def told(address):
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {
        (sample.name, sample.labels.get("worker", ""), sample.labels.get("le", "")): sample.value
        for family in parsed(text)
        for sample in family.samples
    }


def test_every_metric_is_told():
    counters = Counters()
    for place, metric in enumerate(Metric):
        counters.put(metric, place + 1)
    with served("127.0.0.1:0", [counters]) as address:
        found = told(address)
    for place, metric in enumerate(Metric):
        name = f"einklang_{metric.label}"
        assert found.get((name, "", ""), found.get((f"{name}_total", "", ""))) == place + 1, name


def test_each_process_counts_in_its_own_row():
    rows = shared_rows(2)
    pid = os.fork()
    if pid == 0:
        rows[1].add(Metric.DECISIONS, 5)
        os._exit(0)
    os.waitpid(pid, 0)
    rows[0].add(Metric.DECISIONS)
    with served("127.0.0.1:0", rows) as address:
        found = told(address)
    assert [found["einklang_decisions_total", str(worker), ""] for worker in (1, 2)] == [1, 5]


def test_how_long_decisions_took():
    counters = Counters()
    for us in (0, 64, 65, 1_000_000, 10**9):
        counters.took(us)
    below, sum_us = counters.durations()
    assert sum_us == 64 + 65 + 1_000_000 + 10**9
    assert dict(zip(BUCKETS_US, below, strict=False)) == {
        bound: sum(us <= bound for us in (0, 64, 65, 1_000_000, 10**9)) for bound in BUCKETS_US
    }
    assert below[-1] == 5
    with served("127.0.0.1:0", [counters]) as address:
        found = told(address)
    assert found["einklang_decide_us_bucket", "", "128"] == 3
    assert found["einklang_decide_us_count", "", ""] == 5


def test_an_address_in_use_is_told():
    with (
        served("127.0.0.1:0", [Counters()]) as address,
        pytest.raises(MetricsAddressTaken, match="cannot be used"),
        served(address, [Counters()]),
    ):
        pass
