"""The protocol of activation, simulated (tests/fault/simulator.py): the real node, the real functions of the store.

A failing seed is the whole bug report: `python -m tests.fault.simulator SEED SEED+1`.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from server.lease import Node
from tests.fault.mutants import MUTANTS, Mutant, W
from tests.fault.simulator import Run, Tally, World, simulate

SHARE = range(1_000_000, 1_000_110)  # in `make test`
LONG, PART = 20_000, 500  # seeds in `make test-long`, of one test

# What must not only be simulated but happen, in any hundred runs.
REACHED = (
    "activations",
    "at_once",
    "cancelled",
    "confirmed",
    "cuts",
    "discarded",
    "epochs",
    "failovers",
    "houses",
    "joins",
    "kills",
    "noticed",
    "pauses",
    "released",
    "remembered",
    "renewed",
    "restarts",
    "scheduled",
    "sound",
    "steps",
    "urgent",
    "waits",
)


def check(tally: Tally) -> None:
    """That nobody disagreed, and that there was something to disagree about."""
    print(tally)
    assert not tally.bad, "\n".join(tally.bad)
    assert {name for name in REACHED if getattr(tally, name) == 0} == set()
    assert tally.activations >= 10 * tally.runs
    assert tally.unavailable < 0.35 * (tally.decisions + tally.discarded + tally.unavailable)


def test_no_two_nodes_disagree() -> None:
    check(simulate(SHARE, World()))


@pytest.mark.long
@pytest.mark.parametrize("first", range(0, LONG, PART))
def test_no_two_nodes_disagree_in_many_runs(first: int) -> None:
    check(simulate(range(first, first + PART), World()))


def test_a_run_is_determined_by_its_seed() -> None:
    assert Run(7, World()).run() == Run(7, World()).run()


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)
def test_what_is_left_out_is_seen(mutant: Mutant) -> None:
    assert Run(mutant.seed, mutant.world).run().bad


WORLDS = {
    name: (
        mutant.seed,
        replace(mutant.world, node=Node, changed=(), waits=True, told=False, rechecks=True, forgets=False, keeps=False),
    )
    for name, mutant in MUTANTS.items()
}
HARSHER = {name: pair for name, pair in WORLDS.items() if pair[1] != W}


@pytest.mark.parametrize(("seed", "world"), HARSHER.values(), ids=HARSHER)
def test_and_where_nothing_is_left_out_there_is_nothing_to_see(seed: int, world: World) -> None:
    assert not Run(seed, world).run().bad
