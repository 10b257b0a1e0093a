"""Figures for Prometheus: the table of server/telemetry.py, of every serving process, at one address.

    EINKLANG_METRICS_ADDRESS=127.0.0.1:9464 einklang serve …      then  curl 127.0.0.1:9464/metrics

Each process counts in memory of its own row; who answers Prometheus reads all rows and stops nobody. With workers that
is a process of its own, so that a scrape takes no time of theirs. Nothing here is about a person.

What can go wrong, and who is told: MetricsAddressTaken, the operator, at start.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from server.telemetry import BUCKETS_US, CELLS, GAUGES, PREFIX, Counters, Metric

if TYPE_CHECKING:
    from prometheus_client.core import Metric as Family


class MetricsAddressTaken(Exception):
    """The figures cannot be told at this address; the message says why."""


def shared_rows(count: int) -> list[Counters]:
    """Counters for so many processes that will be forked: what each counts, all see."""
    memory = memoryview(mmap.mmap(-1, count * CELLS * 8)).cast("q")
    return [Counters(memory[number * CELLS : (number + 1) * CELLS]) for number in range(count)]


class Collector:
    """Reads the rows when it is asked. The label `worker` says whose they are, where there are several."""

    def __init__(self, rows: Sequence[Counters]) -> None:
        self._rows = rows

    def collect(self) -> Iterator[Family]:
        """Every metric of the table, and how long decisions took."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        several = len(self._rows) > 1
        labels = ["worker"] if several else []
        whose = [[str(number)] if several else [] for number in range(1, len(self._rows) + 1)]
        for metric in Metric:
            make: Any = GaugeMetricFamily if metric in GAUGES else CounterMetricFamily
            family = make(PREFIX + metric.label.removesuffix("_total"), metric.meaning, labels=labels)
            for label, row in zip(whose, self._rows, strict=True):
                family.add_metric(label, row.of(metric))
            yield family
        family = HistogramMetricFamily(f"{PREFIX}decide_us", "microseconds from a call to its answer", labels=labels)
        for label, row in zip(whose, self._rows, strict=True):
            below, sum_us = row.durations()
            names = [*(str(bound) for bound in BUCKETS_US), "+Inf"]
            family.add_metric(label, list(zip(names, below, strict=True)), sum_us)
        yield family


@contextmanager
def served(address: str, rows: Sequence[Counters]) -> Iterator[str]:
    """Answer Prometheus at this address, in threads, for the length of a block; where. Raises MetricsAddressTaken."""
    from prometheus_client import CollectorRegistry, start_http_server

    registry = CollectorRegistry()
    registry.register(Collector(rows))
    host, _, port = address.rpartition(":")
    try:
        server, thread = start_http_server(int(port), host.strip("[]"), registry)
    except OSError as error:
        raise MetricsAddressTaken(f"metrics_address {address} cannot be used: {error.strerror}") from None
    try:
        yield f"{host}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
