"""The search of engine/search.py against all assignments, on graphs made by hand and at random."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from engine.kernel import Ints
from engine.search import NAMES_MAX, NEVER, Graphs, solve

Move = tuple[int, tuple[int, ...], int]  # role, the state afterwards, gain


@dataclass(frozen=True)
class Offer:
    """What a promotion may do: moves by state and unit; states that may be its last."""

    units: tuple[int, ...]
    start: tuple[int, ...]
    moves: Callable[[tuple[int, ...], int], list[Move]]
    ends: Callable[[tuple[int, ...]], int | None]  # what is gained at the end
    cap: int = -1


def percent(gains: dict[int, int], cap: int = -1) -> Offer:
    """So much off each unit."""

    def moves(_state: tuple[int, ...], unit: int) -> list[Move]:
        return [(1, (1,), gains[unit])]

    return Offer(tuple(sorted(u for u in gains if gains[u] > 0)), (0,), moves, lambda _: 0, cap)


def cheapest_free(units: Sequence[int], price: Sequence[int], n: int, most: int, cap: int = -1) -> Offer:
    """Of every n the cheapest is free."""

    def moves(state: tuple[int, ...], unit: int) -> list[Move]:
        return [] if state[0] == n * most else [(1, (state[0] + 1,), price[unit] if state[0] % n == n - 1 else 0)]

    return Offer(tuple(sorted(units)), (0,), moves, lambda state: None if state[0] % n else 0, cap)


def bundle(sets: Sequence[frozenset[int]], price: Sequence[int], total: int, cap: int = -1) -> Offer:
    """One of each set, together for a price."""
    most = min(len(one) for one in sets)

    def moves(state: tuple[int, ...], unit: int) -> list[Move]:
        return [
            (role + 1, (*state[:role], state[role] + 1, *state[role + 1 :]), price[unit])
            for role, one in enumerate(sets)
            if unit in one and state[role] < most
        ]

    def ends(state: tuple[int, ...]) -> int | None:
        return -total * state[0] if len(set(state)) == 1 else None

    return Offer(tuple(sorted(frozenset[int]().union(*sets))), (0,) * len(sets), moves, ends, cap)


def drawn(offers: Sequence[Offer], classes: Sequence[int]) -> Graphs:
    """The offers as graphs."""
    layer_begin, layer_unit, node_begin = [0], [], []
    arc_begin: list[int] = []
    to: list[int] = []
    role: list[int] = []
    gain: list[int] = []
    final: list[int] = []
    for offer in offers:
        layer = [offer.start]
        for unit in (*offer.units, -1):
            node_begin.append(len(final))
            layer_unit.append(unit)
            following = [offer.start]
            for state in layer:
                arc_begin.append(len(to))
                end = offer.ends(state) if unit < 0 else 0
                final.append(NEVER if end is None else end)
                if unit < 0:
                    continue
                for number, then, gained in [(0, state, 0), *offer.moves(state, unit)]:
                    if then not in following:
                        following.append(then)
                    to.append(node_begin[-1] + len(layer) + following.index(then))
                    role.append(number)
                    gain.append(gained)
            layer = following
        layer_begin.append(len(layer_unit))
    node_begin.append(len(final))
    arc_begin.append(len(to))
    caps = [offer.cap for offer in offers]
    columns = (layer_begin, layer_unit, node_begin, arc_begin, to, role, gain, final, caps, classes)
    return Graphs(*(np.array(column, np.int64) for column in columns))


def all_assignments(offers: Sequence[Offer], units: int) -> Iterator[tuple[int, list[int], int, tuple[int, ...]]]:
    """What each saves, by whom, with how many units; 16 x promotion + role by unit, nobody last."""

    def walk(
        unit: int, states: tuple[tuple[int, ...], ...], gains: tuple[int, ...], chosen: tuple[int, ...]
    ) -> Iterator[tuple[int, list[int], int, tuple[int, ...]]]:
        if unit == units:
            ends = [offer.ends(state) for offer, state in zip(offers, states, strict=True)]
            sums = [gain + (end or 0) for gain, end in zip(gains, ends, strict=True)]
            if None not in ends:
                saving = sum(s if o.cap < 0 else min(o.cap, s) for o, s in zip(offers, sums, strict=True))
                used = [choice >> 4 for choice in chosen if choice < 16 * len(offers)]
                yield saving, sorted(set(used)), len(used), chosen
            return
        for p, offer in enumerate(offers):
            for role, then, gained in offer.moves(states[p], unit) if unit in offer.units else ():
                after = (*states[:p], then, *states[p + 1 :])
                sums_after = (*gains[:p], gains[p] + gained, *gains[p + 1 :])
                yield from walk(unit + 1, after, sums_after, (*chosen, 16 * p + role))
        yield from walk(unit + 1, states, gains, (*chosen, 16 * len(offers)))

    yield from walk(0, tuple(offer.start for offer in offers), (0,) * len(offers), ())


def best(offers: Sequence[Offer], units: int) -> tuple[int, tuple[int, ...]]:
    """The largest saving, by the fewest promotions, of the smallest names, with the fewest units, the first."""
    key = min((-s, len(names), names, used, chosen) for s, names, used, chosen in all_assignments(offers, units))
    return -key[0], key[4]


def solved(offers: Sequence[Offer], price: Sequence[int]) -> tuple[int, int, tuple[int, ...]]:
    choice: Ints = np.empty(len(price), np.int64)
    answer = solve(drawn(offers, range(len(price))), sum(price), len(offers) <= NAMES_MAX, choice)
    assert answer.tied or answer.bound
    return answer.saving, answer.bound, tuple(c if c >= 0 else 16 * len(offers) for c in choice.tolist())


def random_offers(seed: int) -> tuple[list[Offer], list[int]]:
    rng = random.Random(seed)
    units = rng.randint(1, 6)
    price = sorted((rng.choice([100, 129, 199, 250, 999]) for _ in range(units)), reverse=True)
    offers = []
    for _ in range(rng.randint(1, 4)):
        own = rng.sample(range(units), rng.randint(1, units))
        cap = rng.choice([-1, -1, -1, 50, 150])
        kind = rng.random()
        if kind < 0.35:
            share = rng.choice([5, 10, 25, 33])
            offers.append(percent({u: price[u] * share // 100 for u in own}, cap))
        elif kind < 0.75:
            offers.append(cheapest_free(own, price, rng.randint(2, 3), rng.choice([1, 2, 9]), cap))
        else:
            sets = [frozenset(rng.sample(own, rng.randint(1, len(own)))) for _ in range(rng.randint(1, 2))]
            offers.append(bundle(sets, price, rng.choice([200, 499]), cap))
    return [offer for offer in offers if offer.units], price


@pytest.mark.parametrize("seeds", [range(start, start + 40) for start in range(0, 200, 40)], ids=lambda s: str(s.start))
def test_the_search_finds_what_trying_all_finds(seeds: range) -> None:
    tried = 0
    for seed in seeds:
        offers, price = random_offers(seed)
        if offers:
            tried += 1
            saving, bound, choice = solved(offers, price)
            assert (saving, bound, choice) == (*best(offers, len(price))[:1], 0, best(offers, len(price))[1]), seed
    assert tried > 30


def test_greed_is_beaten() -> None:
    """The largest saving first would leave two others with nothing."""
    price = [1000, 1000, 900, 900]
    greedy = bundle([frozenset([0]), frozenset([2])], price, 900)
    first = bundle([frozenset([0]), frozenset([1])], price, 1200)
    second = bundle([frozenset([2]), frozenset([3])], price, 1050)
    saving, bound, choice = solved([greedy, first, second], price)
    assert (saving, bound) == (800 + 750, 0)
    assert choice == (17, 18, 33, 34)


def test_what_is_not_seen_is_bounded() -> None:
    """Far too many ways: the answer says by how much it may be short, and greed is not better."""
    rng = random.Random(7)
    price = sorted((rng.choice([199, 249, 299, 399, 499, 799, 999]) for _ in range(60)), reverse=True)
    offers = [
        cheapest_free(rng.sample(range(60), 20), price, rng.randint(3, 4), rng.choice([1, 2]), -1) for _ in range(24)
    ]
    saving, bound, choice = solved(offers, price)
    taken = [unit for unit, c in enumerate(choice) if c < 16 * len(offers)]
    assert taken and saving > 0 and bound >= 0
    states = [offer.start for offer in offers]
    total = 0
    for unit, c in enumerate(choice):
        if c < 16 * len(offers):
            (_, states[c >> 4], gained), *_ = offers[c >> 4].moves(states[c >> 4], unit)
            total += gained
    assert total == saving
    assert all(offer.ends(state) is not None for offer, state in zip(offers, states, strict=True))
