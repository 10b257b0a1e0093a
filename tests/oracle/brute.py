"""Best per item and the choice of a buy with no thought at all: every assignment is tried. For tiny baskets."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from tests.oracle.rewards import Offer, Taking, in_order_u, saving_of, settle


def best_assignment(offers: Sequence[Offer], left: Sequence[int], *, caps: bool) -> list[Taking]:
    """Of all assignments of units to promotions (by name), the best by the whole order of ties."""
    offers = sorted(offers, key=lambda offer: offer.name)
    none = len(offers)
    everything = {unit.index: unit for offer in offers for unit in offer.units}
    units = in_order_u(offers[0], everything.values(), left)
    choices = [
        [rank for rank, offer in enumerate(offers) if any(unit is other for other in offer.units)] + [none]
        for unit in units
    ]
    best: tuple[tuple[int, int, list[int], int, tuple[int, ...]], list[Taking]] | None = None
    for ranks in product(*choices):
        takings = []
        for rank, offer in enumerate(offers):
            mine = [unit for unit, whose in zip(units, ranks, strict=True) if whose == rank]
            if offer.n and not offer.singles and (len(mine) % offer.n or len(mine) // offer.n > _uses(offer)):
                break
            if not offer.n and not all(saving_of(offer, unit, left) > 0 for unit in mine):
                break
            takings.append(settle(offer, mine, left))
        else:
            saving = sum(taking.saving if caps else taking.uncapped for taking in takings)
            names = [rank for rank in range(none) if rank in ranks]
            key = (-saving, len(names), names, sum(rank < none for rank in ranks), ranks)
            if best is None or key < best[0]:
                best = (key, takings)
    assert best is not None
    return best[1]


def _uses(offer: Offer) -> int:
    return len(offer.units) if offer.terms.uses is None else offer.terms.uses
