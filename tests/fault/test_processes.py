"""The fault run in short: a minute of real servers at a real store, each kind of fault, judged by the audit.

In full: `python -m tests.fault.processes --help`.
"""

from __future__ import annotations

import pytest

from tests.fault.audit import WAYS
from tests.fault.processes import FAULTS, Options, Outcome, run, shim
from tests.running import short_directory
from tests.stores import binaries

pytestmark = pytest.mark.skipif(binaries()["valkey"] is None, reason="not run: no valkey-server")


def check(outcome: Outcome) -> None:
    """That nothing was found, and that there was something to find."""
    told = "\n".join(outcome.lines())
    print(told)
    assert outcome.sound, told
    counts = outcome.found.counts
    assert counts["activations"] >= 10
    assert all(counts[way] > 2 * counts[f"failed {way}"] for way in WAYS)


@pytest.fixture(scope="module", autouse=True)
def compiler():
    """Said in pytest's summary, not passed over: without it no clock is stepped."""
    with short_directory() as home:
        if shim(home) is None:
            pytest.skip("not run: no C compiler")


SHORT = Options(seconds=60, servers=2, seed=6, lease_ms=1_000, publish_s=0.8, pause_s=0.2, longest_s=0.6, each=True)


def test_no_node_disagrees_whatever_happens():
    outcome = run(SHORT, print)
    check(outcome)
    assert set(outcome.faults) == set(FAULTS)


@pytest.mark.long
def test_no_node_disagrees_in_a_long_run():
    outcome = run(Options(servers=8, decisions=2_000_000, activations=500, faults=200), print)
    check(outcome)
    assert outcome.found.counts["decisions"] >= 2_000_000
    assert outcome.found.counts["activations"] >= 500
    assert outcome.faults.total() >= 200
    assert outcome.found.counts["judged"] >= 20
    assert outcome.found.spreads_ms


@pytest.mark.long
def test_no_node_disagrees_at_a_store_without_replicas():
    check(run(Options(seconds=180, servers=4, seed=2, store="single"), print))
