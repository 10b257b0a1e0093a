"""The one property that matters most: the engine decides what the oracle decides, bit for bit."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings

from engine.basket import Request
from engine.program import Program
from tests.generators import cases, request, ruleset
from tests.reproduce import answer, command, difference, engine_of, oracle_of

pytest.importorskip("engine.decide", reason="not run: the kernel does not stand yet")


def pairs(seeds: range, baskets: int) -> Iterator[str]:
    """The differences, with the command that shows each again."""
    for seed in seeds:
        programs = ruleset(seed)
        digest, engine = engine_of(programs)
        oracle = oracle_of(programs, digest)
        for number in range(baskets):
            basket = seed * 1_000 + number
            everything = number % 2 == 0
            asked = request(programs, basket)
            apart = difference(answer(oracle, asked, everything), answer(engine, asked, everything))
            if apart:
                yield f"{command(seed, basket)}\n{apart}"


def check(seeds: range, baskets: int) -> None:
    found = list(pairs(seeds, baskets))
    assert not found, f"{len(found)} of {len(seeds) * baskets} pairs differ:\n\n" + "\n\n".join(found[:5])


def test_the_engine_means_what_the_oracle_says(seeds: range, baskets: int) -> None:
    check(seeds, baskets)


@pytest.mark.long
def test_the_engine_means_what_the_oracle_says_at_length(seeds: range, baskets: int) -> None:
    check(seeds, baskets)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(cases())
def test_the_smallest_case_that_differs(case: tuple[tuple[Program, ...], Request]) -> None:
    """Chance in few examples: for the shrinking that the seeds above cannot do."""
    programs, asked = case
    digest, engine = engine_of(programs)
    apart = difference(answer(oracle_of(programs, digest), asked, True), answer(engine, asked, True))
    assert not apart, apart
