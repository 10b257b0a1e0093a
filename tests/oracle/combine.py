"""Groups of discounts (law 7): who applies, on which units, and what is given away by not searching further."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import comb

from engine.program import Group
from tests.oracle.best_per_item import Outcome, best_per_item
from tests.oracle.rewards import Offer, Taking, take

SETS_MAX = 5_000
SETS_SIZE_MAX = 2_000_000  # sets x promotions in one x units of the basket


def combine(group: Group, offers: Sequence[Offer], alone: Mapping[str, Taking], left: Sequence[int]) -> Outcome:
    """The takings of the promotions that apply, in the order of their application.

    `offers`: those that take part, in declared order; `alone`: what each would take before the group."""
    match group.apply:
        case "all":
            return Outcome(_all_of(offers, left), 0)
        case "first":
            return Outcome({offer.name: alone[offer.name] for offer in offers[:1]}, 0)
        case "best":
            best = _by_would_save(offers, alone)[:1]
            return Outcome({offer.name: alone[offer.name] for offer in best}, 0)
        case "at-most":
            return _at_most(group.at_most, offers, alone, left)
        case "first-per-item":
            return Outcome(_first_per_item(offers, left), 0)
        case "best-per-item":
            takings, bound = best_per_item(offers, left)
            return Outcome(dict(sorted(takings.items())), bound)


def _by_would_save(offers: Sequence[Offer], alone: Mapping[str, Taking]) -> list[Offer]:
    return sorted(offers, key=lambda offer: (-alone[offer.name].saving, offer.name))


def deduct(taking: Taking, left: Sequence[int]) -> list[int]:
    """What the units cost afterwards."""
    after = list(left)
    for application in taking.applications:
        for unit, saving in application.savings.items():
            after[unit] -= saving
            assert after[unit] >= 0
    return after


def _all_of(offers: Sequence[Offer], left: Sequence[int]) -> dict[str, Taking]:
    takings = {}
    for offer in offers:
        taking = take(offer, offer.units, left)
        if taking.saving:
            takings[offer.name] = taking
            left = deduct(taking, left)
    return takings


def _first_per_item(offers: Sequence[Offer], left: Sequence[int]) -> dict[str, Taking]:
    takings = {}
    taken: set[int] = set()
    for offer in offers:
        taking = take(offer, [unit for unit in offer.units if unit.index not in taken], left)
        if taking.saving:
            takings[offer.name] = taking
            taken |= taking.units
    return takings


def _at_most(most: int, offers: Sequence[Offer], alone: Mapping[str, Taking], left: Sequence[int]) -> Outcome:
    most = min(most, len(offers))
    sets = sum(comb(len(offers), size) for size in range(most + 1))
    if sets > SETS_MAX or sets * most * len(left) > SETS_SIZE_MAX:
        largest = {offer.name for offer in _by_would_save(offers, alone)[:most]}
        takings = _all_of([offer for offer in offers if offer.name in largest], left)
        saved = sum(taking.saving for taking in takings.values())
        return Outcome(takings, sum(alone[name].saving for name in largest) - saved)
    best = min(_sets(most, offers, left), key=_worth_of_a_set)
    return Outcome(best, 0)


def _worth_of_a_set(takings: Mapping[str, Taking]) -> tuple[int, int, list[str]]:
    return -sum(taking.saving for taking in takings.values()), len(takings), sorted(takings)


def _sets(most: int, offers: Sequence[Offer], left: Sequence[int]) -> Iterator[dict[str, Taking]]:
    """Every set of at most so many promotions, computed as in «all»: those in it that save something.

    Who saves nothing changes nothing: that set is also found without it, and smaller."""
    yield {}
    for number, offer in enumerate(offers if most else ()):
        taking = take(offer, offer.units, left)
        if taking.saving:
            for others in _sets(most - 1, offers[number + 1 :], deduct(taking, left)):
                yield {offer.name: taking} | others
