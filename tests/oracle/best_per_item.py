"""Best per item (law 7): each unit serves at most one promotion, in one role; together they save the most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tests.oracle.rewards import Offer, Taking, settle, take
from tests.oracle.ways import best

NAMES_MAX = 10  # promotions of a component among which the fewest, then the smallest names, are sought


class Outcome(NamedTuple):
    """What each promotion takes, and how much more could have been saved at most."""

    takings: dict[str, Taking]
    bound: int


def best_per_item(offers: Sequence[Offer], left: Sequence[int]) -> Outcome:
    """All components of a group. Raises ways.TooLarge."""
    takings: dict[str, Taking] = {}
    for component in components(offers):
        takings |= solve(component, left)
    return Outcome(takings, 0)


def components(offers: Sequence[Offer]) -> list[list[Offer]]:
    """Promotions that share an available unit belong together, and so on. Each by name."""
    found: list[tuple[set[int], list[Offer]]] = []
    for offer in sorted(offers, key=lambda offer: offer.name):
        units, members = {unit.index for unit in offer.units}, [offer]
        apart = []
        for other_units, others in found:
            if units & other_units:
                units, members = units | other_units, others + members
            else:
                apart.append((other_units, others))
        found = [*apart, (units, members)]
    return [sorted(members, key=lambda offer: offer.name) for _, members in found]


def solve(offers: Sequence[Offer], left: Sequence[int]) -> dict[str, Taking]:
    """One component."""
    found = greedy(offers, left)
    caps = {offer.name: offer.terms.cap for offer in offers}
    known = sum(min(t.uncapped, t.uncapped if (cap := caps[name]) is None else cap) for name, t in found.items())
    _, chosen = best(offers, left, caps=True, few=len(offers) <= NAMES_MAX, at_least=known)
    takings = {offer.name: settle(offer, taken, left) for offer, taken in zip(offers, chosen, strict=True)}
    return {name: taking for name, taking in takings.items() if taking.saving}


def greedy(offers: Sequence[Offer], left: Sequence[int]) -> dict[str, Taking]:
    """What is surely possible: who saves most takes first, the others from what is left."""
    takings: dict[str, Taking] = {}
    taken: set[int] = set()
    alone = {offer.name: take(offer, offer.units, left).saving for offer in offers}
    for offer in sorted(offers, key=lambda offer: (-alone[offer.name], offer.name)):
        taking = take(offer, [unit for unit in offer.units if unit.index not in taken], left)
        if taking.saving:
            takings[offer.name] = taking
            taken |= taking.units
    return takings
