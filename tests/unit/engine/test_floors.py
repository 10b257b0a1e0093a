"""Prices together and floors: no unit falls below its floor, and what is said to be proven is."""

from random import Random
from typing import Any

import pytest

from engine.decide import decide
from engine.image import load
from engine.link import link
from tests.conformance.cases import build
from tests.oracle.decide import decide as oracle

BUYS: list[tuple[Any, dict[str, Any]]] = [
    ([2, "all"], {}),
    ([3, "all"], {}),
    ([3, "all"], {"singles": True}),
    ([[1, "a"], [1, "all"]], {}),
]


def shop(seed: int) -> dict[str, Any]:
    """Three articles with floors, a price together for some of them, and often something else to compete with."""
    random = Random(seed)
    buy, more = BUYS[seed % len(BUYS)]
    floors = (0, 50, 200, 400, 600)
    return {
        "case": f"seed {seed}",
        "articles": {
            name: {"price": random.choice((100, 250, 500, 1000)), "floor": random.choice(floors)} for name in "abc"
        },
        "guard": {"floor": "all"},
        "groups": {"g": {"apply": random.choice(("best-per-item", "all"))}},
        "promotions": {
            "together": {"buy": buy, "reward": {"together for": random.choice((150, 300, 700, 1200)), **more}},
            "other": {"reward": {"percent": random.choice(("1%", "30%")), "of": "b"}},
        },
        "basket": {name: random.randint(1, 3) for name in "abc"},
        "expect": {},
    }


@pytest.mark.parametrize("seed", range(60))
def test_a_price_together_and_its_floors(seed: int) -> None:
    data = shop(seed)
    case = build(data)
    image = link(case.programs)
    found = decide(load(image.manifest, image.parts), case.request)
    for line in found.lines:
        article = data["articles"][line.id]
        assert all(share.net >= min(article["floor"], article["price"]) for share in line.shares)
    possible = oracle(case.programs, case.request).totals.saving  # of units that it chose, what floors let it save
    assert possible <= found.totals.saving + found.bound
    assert found.optimal == (found.bound == 0)
