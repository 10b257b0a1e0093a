"""The exact assignment against brute force: every way to give units to promotions, with the whole order of ties."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from random import Random
from typing import NamedTuple

import numpy as np
import pytest

from engine.assign import (
    FREE,
    NEVER,
    RUNS,
    SINGLES,
    TRIES_MAX,
    Choices,
    best,
    best_capped,
    bits,
    saving_of,
    states_of,
    tries,
)
from tests.unit.engine.kernels import compiled

compiled()
Choice = tuple[int, ...]  # by unit: the promotion that it serves, or -1


class Promotion(NamedTuple):
    """What is gained by each unit at each position of a run; None: it may not be taken."""

    take: int
    run: int
    limit: int
    gains: tuple[tuple[int | None, ...], ...]


def by_chance(random: Random, units: int) -> list[Promotion]:
    """Up to three promotions; gains few and small, so that ties are many."""
    made = []
    for _ in range(random.randint(1, 3)):
        take = random.choice((FREE, RUNS, RUNS, SINGLES))
        run = 1 if take == FREE else random.randint(1, 3)
        limit = random.choice((-1, -1, 1, 2)) if take == RUNS else -1
        low = 1 if take == FREE else -3
        gains = tuple(
            tuple(None if shut else random.randint(low, 5) for _ in range(run))
            for shut in (random.random() < 0.25 for _ in range(units))
        )
        made.append(Promotion(take, run, limit, gains))
    return made


def choices(promotions: list[Promotion], units: int) -> Choices:
    states, limits = [], []
    for promotion in promotions:
        available = sum(row[0] is not None for row in promotion.gains)
        own, limit = states_of(promotion.take, promotion.run, promotion.limit, available)
        states.append(own)
        limits.append(limit)
    flat = [NEVER if gain is None else gain for p in promotions for row in p.gains for gain in row]
    widths = [p.run for p in promotions]

    def ints(values: list[int]):
        return np.array(values, np.int64)

    begins = [units * sum(widths[:i]) for i in range(len(widths))]
    return Choices(
        ints([p.take for p in promotions]),
        ints(widths),
        ints(limits),
        ints(widths),
        ints(begins),
        ints(flat),
        ints(states),
    )


def sums(promotions: list[Promotion], choice: Choice) -> list[int] | None:
    """What each promotion saves; None where the assignment is none."""
    saved = []
    for p, promotion in enumerate(promotions):
        mine = [unit for unit, chosen in enumerate(choice) if chosen == p]
        runs, rest = divmod(len(mine), promotion.run)
        if promotion.take == RUNS and (rest or 0 <= promotion.limit < runs):
            return None
        gains = [promotion.gains[unit][i % promotion.run] for i, unit in enumerate(mine)]
        if any(gain is None for gain in gains):
            return None
        saved.append(sum(gain for gain in gains if gain is not None))
    return saved


def all_of(promotions: list[Promotion], units: int) -> Iterator[tuple[Choice, list[int]]]:
    for choice in product(range(-1, len(promotions)), repeat=units):
        saved = sums(promotions, choice)
        if saved is not None:
            yield choice, saved


def order(promotions: list[Promotion], choice: Choice, total: int, fewest: bool) -> tuple[object, ...]:
    """The whole order: what comes first is better."""
    used = sorted({p for p in choice if p >= 0})
    first = tuple(p if p >= 0 else len(promotions) for p in choice)
    units = sum(p >= 0 for p in choice)
    return (-total, len(used), used, units, first) if fewest else (-total, units, first)


@pytest.mark.parametrize("fewest", [True, False])
@pytest.mark.parametrize("part", range(10))
def test_the_best_is_the_best(part, fewest):
    for seed in range(part * 30, part * 30 + 30):
        random = Random(seed)
        units = random.randint(1, 6)
        promotions = by_chance(random, units)
        found = np.full(units, -7, np.int64)
        saving = best(choices(promotions, units), units, fewest, found)
        expected = min(order(promotions, c, sum(saved), fewest) for c, saved in all_of(promotions, units))
        assert saving == -expected[0], seed  # type: ignore[operator]
        assert order(promotions, tuple(found.tolist()), saving, fewest) == expected, seed


@pytest.mark.parametrize("part", range(10))
def test_with_caps(part):
    """Each unit a class of its own."""
    for seed in range(part * 30, part * 30 + 30):
        random = Random(1_000 + seed)
        units = random.randint(1, 5)
        promotions = by_chance(random, units)
        caps = [random.choice((-1, 0, 1, 3, 8)) for _ in promotions]

        def total(saved: list[int], caps: list[int] = caps) -> int:
            return sum(s if cap < 0 else min(s, cap) for s, cap in zip(saved, caps, strict=True))

        found = np.full(units, -7, np.int64)
        saving = best_capped(choices(promotions, units), units, np.arange(units), np.array(caps, np.int64), found)
        expected = min(order(promotions, c, total(saved), True) for c, saved in all_of(promotions, units))
        assert saving == -expected[0], seed  # type: ignore[operator]
        assert order(promotions, tuple(found.tolist()), saving, True) == expected, seed


def test_equal_units_go_to_the_smaller_name_first():
    promotions = [Promotion(FREE, 1, -1, ((5,),) * 3), Promotion(FREE, 1, -1, ((5,),) * 3)]
    found = np.empty(3, np.int64)
    assert best(choices(promotions, 3), 3, True, found) == 15
    assert found.tolist() == [0, 0, 0]


def test_a_run_is_whole_and_a_limit_holds():
    runs = ((0, 10),) * 5
    found = np.empty(5, np.int64)
    assert best(choices([Promotion(RUNS, 2, -1, runs)], 5), 5, True, found) == 20
    assert found.tolist() == [0, 0, 0, 0, -1]
    assert best(choices([Promotion(RUNS, 2, 1, runs)], 5), 5, True, found) == 10
    assert found.tolist() == [0, 0, -1, -1, -1]


def test_no_run_that_costs_more_than_it_saves():
    found = np.empty(2, np.int64)
    assert best(choices([Promotion(RUNS, 2, -1, ((0, -(10**12)),) * 2)], 2), 2, True, found) == 0
    assert found.tolist() == [-1, -1]


def test_the_largest_amounts():
    """A value is shifted by the bits that count units: the largest basket still fits."""
    found = np.empty(4, np.int64)
    gains = ((10**12 // 4,),) * 4
    assert best(choices([Promotion(FREE, 1, -1, gains)], 4), 4, True, found) == 10**12
    dear = ((0, -(10**12)),) * 4
    many = [Promotion(RUNS, 2, -1, dear) for _ in range(8)]
    assert best(choices([*many, Promotion(FREE, 1, -1, gains)], 4), 4, False, found) == 10**12


def test_sizes():
    assert states_of(FREE, 1, 3, 10) == (1, -1)
    assert states_of(SINGLES, 3, 1, 10) == (3, -1)
    assert states_of(RUNS, 3, -1, 10) == (3, -1)
    assert states_of(RUNS, 3, 2, 10) == (9, 2)
    assert states_of(RUNS, 3, 3, 10) == (3, -1)  # no more fit anyway
    assert [bits(n) for n in (0, 1, 6, 255, 2**40)] == [0, 1, 2, 8, 1]
    assert [saving_of(n) for n in ((7 << 17) - 3, 0, 5 << 17)] == [7, 0, 5]


def test_assignments_by_classes():
    def count(*classes: tuple[int, int]) -> int:
        begin = np.cumsum([0, *(units for units, _ in classes)])
        return tries(begin.astype(np.int64), np.array([open_to for _, open_to in classes], np.int64))

    assert count((1, 1)) == 2
    assert count((2, 2)) == 6
    assert count((2, 2), (1, 1)) == 12
    assert count((19_999, 1)) == TRIES_MAX
    assert count((20_000, 1)) == TRIES_MAX + 1
    assert count((100_000, 60), (100_000, 60)) == TRIES_MAX + 1
