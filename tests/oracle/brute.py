"""Best per item and the choice of a buy with no thought at all: every assignment is tried. For tiny baskets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import product

from tests.oracle.arithmetic import ceiling
from tests.oracle.best_per_item import NAMES_MAX
from tests.oracle.resolve import Unit
from tests.oracle.rewards import (
    Exact,
    Offer,
    Taking,
    by_measure,
    in_order_u,
    is_rewarded,
    measure_of,
    runs_of,
    saving_of,
    settle,
)


def best_assignment(offers: Sequence[Offer], left: Sequence[int], *, caps: bool) -> list[Taking]:
    """Of all assignments of units to promotions (by name) and roles, the best by the whole order of ties."""
    offers = sorted(offers, key=lambda offer: offer.name)
    nobody = (len(offers), 0)
    everything = {unit.index: unit for offer in offers for unit in offer.units}
    units = in_order_u(offers[0], everything.values(), left)
    choices = [
        [(rank, role) for rank, offer in enumerate(offers) for role in offer.open_to.get(unit.index, ())] + [nobody]
        for unit in units
    ]
    best: tuple[tuple[Exact, int, list[int], int, tuple[tuple[int, int], ...]], list[Taking]] | None = None
    for assigned in product(*choices):
        takings = []
        for rank, offer in enumerate(offers):
            mine = [(unit, choice[1]) for unit, choice in zip(units, assigned, strict=True) if choice[0] == rank]
            if not possible(offer, mine, left):
                break
            takings.append(settle(offer, mine, left))
        else:
            saving = sum(
                exact(offer, taking) if caps else taking.uncapped for offer, taking in zip(offers, takings, strict=True)
            )
            names = [rank for rank in range(len(offers)) if any(choice[0] == rank for choice in assigned)]
            used = sum(choice != nobody for choice in assigned)
            few = (len(names), names) if len(offers) <= NAMES_MAX else (0, [])
            key = (-saving, *few, used, assigned)
            if best is None or key < best[0]:
                best = (key, takings)
    assert best is not None
    return best[1]


def exact(offer: Offer, taking: Taking) -> Exact:
    """What is compared: what it saves before it is rounded, within the cap."""
    return taking.uncapped if offer.terms.cap is None else min(taking.uncapped, offer.terms.cap)


def possible(offer: Offer, mine: Sequence[tuple[Unit, int]], left: Sequence[int]) -> bool:
    """Whether a promotion can take exactly these units in these roles, by what the law says of applications."""
    if not mine:
        return True
    if not offer.n:
        alike = Counter(unit.article for unit, _ in mine)
        few = max(alike.values()) <= (offer.promotion.per_article or len(mine))
        return few and all(saving_of(offer, unit, left) > 0 for unit, _ in mine)
    if offer.singles:
        return True
    if any(role.measure for role in offer.roles):
        return whole_by_measure(offer, mine) and fair(offer, mine, left)
    runs = runs_of(offer, mine)
    most = offer.terms.uses if offer.buys else 1
    if most is not None and len(runs) > most:
        return False
    given: Counter[str] = Counter()
    for run in runs:
        rewarded = [unit for unit, whose in run if offer.rewards(whose)]
        given.update(unit.article for place, unit in enumerate(rewarded) if is_rewarded(offer, place))
    if offer.promotion.per_article and max(given.values(), default=0) > offer.promotion.per_article:
        return False
    fewer = 0
    for run in runs:
        for place, role in enumerate(offer.roles):
            own = [unit for unit, whose in run if whose == place]
            if len(own) != role.n:
                fewer += 1
                if fewer > 1 or not role.fewer or not own:
                    return False
            if role.one_article and len({unit.article for unit in own}) > 1:
                return False
    return fair(offer, mine, left)


def whole_by_measure(offer: Offer, mine: Sequence[tuple[Unit, int]]) -> bool:
    """As many applications as its other roles have whole, or as there is enough for; and no unit could be missed."""
    by_role = [[unit for unit, whose in mine if whose == place] for place in range(len(offer.roles))]
    counts = {
        Fraction(len(own), role.n) if not role.fewer else ceiling(len(own), role.n)
        for own, role in zip(by_role, offer.roles, strict=True)
        if not role.measure
    }
    if len(counts) > 1 or any(count.denominator > 1 for count in counts):
        return False
    enough = by_measure(offer, mine)
    applications = min(counts, default=enough)
    return 0 < applications <= enough and all(
        sum(map(measure_of, own)) - min(map(measure_of, own)) < applications * role.measure
        for own, role in zip(by_role, offer.roles, strict=True)
        if role.measure
    )


def fair(offer: Offer, mine: Sequence[tuple[Unit, int]], left: Sequence[int]) -> bool:
    """At no price do more applications reward units that could be bought as well than are bought at it or above."""

    def articles(place: int, units: list[Unit]) -> Iterable[int]:
        """How many units of each article where one must fill an application, else of all."""
        if offer.roles[place].measure:
            return [sum(map(measure_of, units))]
        return Counter(unit.article if offer.roles[place].one_article else "" for unit in units).values()

    needs = [place for place, role in enumerate(offer.roles) if not role.rewarded]
    either = [
        unit
        for unit, whose in mine
        if offer.roles[whose].rewarded and any(place in needs for place in offer.open_to[unit.index])
    ]
    for price in {offer.base(unit, left) for unit in either}:
        bought = [
            sum(
                count // (offer.roles[place].measure or offer.roles[place].n)
                for count in articles(
                    place, [u for u, whose in mine if whose == place and offer.base(u, left) >= price]
                )
            )
            for place in needs
        ]
        dear = articles(-1, [unit for unit in either if offer.base(unit, left) >= price])
        if bought and sum(-(-count // offer.roles[-1].n) for count in dear) > min(bought):
            return False
    return True
