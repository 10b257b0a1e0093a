"""Baskets made to be slow, some of which once took a minute: decided, and as the law says where it gives up."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.decide import decide
from tests.oracle.decide import decide as oracle
from tests.reproduce import difference
from tests.unit.engine.shops import ask, piece, programs, ruleset

ROOT = Path(__file__).resolve().parents[3]
ARTICLES = {f"a{i}": 1000 for i in range(20)}


def basket(lines: int, pieces: int = 1) -> Any:
    return ask(*(piece(f"{i:04}", f"a{i % 20}", pieces, price_micros=10_000_000 + 70_000 * i) for i in range(lines)))


def buys(count: int, **clauses: Any) -> dict[str, Any]:
    return {f"p{i:02}": {"buy": [2 + i % 3, "all"], "reward": {"cheapest": 1}, **clauses} for i in range(count)}


CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "a cap over thousands of applications": (
        basket(1_000, 100),
        {"promotions": buys(1, limits=[{"saving": 20_000_000}])},
    ),
    "a budget over thousands of applications": (
        basket(1_000, 100),
        {"promotions": buys(1, limits=[{"saving": 20_000_000, "per": "total"}])},
    ),
    "at most two of forty buys, each with a limit": (
        basket(300),
        {"promotions": buys(40, limits=[{"uses": 100}]), "groups": {"g": {"apply": 2}}},
    ),
    "the largest assignment that is still exact": (
        basket(80),
        {
            "promotions": {n: w | {"buy": [2, "all"]} for n, w in buys(11).items()},
            "groups": {"g": {"apply": "best-per-item"}},
        },
    ),
    "three hundred beaten promotions": (
        basket(1_000),
        {
            "promotions": {f"p{i}": {"reward": {"percent": f"{i % 40 + 1}%", "of": "all"}} for i in range(300)},
            "groups": {"g": {"apply": "best-per-item"}},
        },
    ),
    "runs of a hundred out of very many": (
        basket(1_000, 100),
        {"promotions": {"p": {"buy": [100, "all"], "reward": {"cheapest": 1}}}},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_decided(case):
    if os.environ.get("NUMBA_DISABLE_JIT") == "1":
        pytest.skip("not run: kernels are not compiled")
    asked, data = CASES[case]
    assert decide(ruleset(articles=ARTICLES, **data), asked).totals.saving > 0


TEN = {f"p{i}": {"reward": {"percent": f"{i + 1}%", "of": "all"}} for i in range(10)}


def test_past_the_bounded_effort_both_give_up_alike():
    """Sets of promotions x units, at most two of ten."""
    data: dict[str, Any] = {"promotions": TEN, "groups": {"g": {"apply": 2, "prices": "reduced"}}}
    asked = basket(300, 70)
    found = decide(ruleset(articles=ARTICLES, **data), asked)
    assert not found.optimal
    assert not difference(oracle(programs(articles=ARTICLES, **data), asked, digest=found.ruleset), found)


def test_a_cap_over_many_alike_units_is_proven():
    """Each way to spread a cap over units was once an assignment of its own to be tried."""
    promotion = {"reward": {"percent": "10%", "of": "all"}, "limits": [{"saving": 4_000}]}
    asked = ask(piece("1", "a1", 139), piece("2", "a2", 139, price_micros=9_000_000))
    data: dict[str, Any] = {"promotions": {"p": promotion}, "groups": {"g": {"apply": "best-per-item"}}}
    found = decide(ruleset(articles=ARTICLES, **data), asked)
    assert found.optimal
    assert found.totals.saving == 4_000


@pytest.mark.parametrize("per", ["basket", "total"])
@pytest.mark.parametrize("saving", [1, 900, 1_000, 5_000, 17_777, 40_000])
@pytest.mark.parametrize("reward", [{"cheapest": 1}, {"together for": 1500}, {"every": {2: "20%", 3: 100}}])
def test_the_fewest_applications_that_reach_an_amount(reward, saving, per):
    """Found by halving; the oracle counts upward."""
    limits = [{"saving": saving, "per": per}]
    data = {"articles": ARTICLES, "promotions": {"p": {"buy": [3, "all"], "reward": reward, "limits": limits}}}
    asked = basket(40)
    found = decide(ruleset(**data), asked)
    assert not difference(oracle(programs(**data), asked, digest=found.ruleset), found)


@pytest.mark.long
def test_no_read_out_of_bounds(tmp_path):
    """The same tests, each index of each array checked."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/unit/engine", "tests/conformance", "-q", "-n", "0", "-m", "not long"],
        cwd=ROOT,
        env={**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3_000:]
