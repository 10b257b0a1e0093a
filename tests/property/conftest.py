"""How much chance: `EINKLANG_RULESETS` (500) × `EINKLANG_BASKETS` (12) pairs; the long form takes 50 times as many."""

import os
from itertools import pairwise

import pytest

RULESETS = int(os.environ.get("EINKLANG_RULESETS", "500"))
BASKETS = int(os.environ.get("EINKLANG_BASKETS", "12"))
CHUNKS = 25
LONG = 50


def chunks(first: int, count: int) -> list[range]:
    """Ruleset seeds in equal parts."""
    edges = [first + count * part // CHUNKS for part in range(CHUNKS + 1)]
    return [range(begin, end) for begin, end in pairwise(edges) if end > begin]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`seeds`: the rulesets of a chunk; in tests marked long those that the others leave."""
    if "seeds" in metafunc.fixturenames and metafunc.definition.get_closest_marker("parametrize") is None:
        long = metafunc.definition.get_closest_marker("long") is not None
        parts = chunks(RULESETS, RULESETS * (LONG - 1)) if long else chunks(0, RULESETS)
        metafunc.parametrize("seeds", parts, ids=[f"rulesets {part.start} to {part.stop - 1}" for part in parts])


@pytest.fixture(scope="session")
def baskets() -> int:
    """How many baskets each ruleset is asked about."""
    return BASKETS
