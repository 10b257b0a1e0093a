"""Best per item (law 7): each unit serves at most one promotion. Components, sizes, exact search, greedy otherwise.

An assignment gives each unit of a component, in order U, a rank: the place of its promotion among the component's
promotions by name, or P, the number of promotions, for none. A smaller rank is the earlier name, and none is last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import combinations, groupby
from math import comb
from typing import NamedTuple

from tests.oracle.resolve import Unit
from tests.oracle.rewards import Offer, Taking, in_order_u, saving_of, settle, take

SIZE_MAX = 2_000_000
FEWEST_PROMOTIONS_MAX = 8
FEWEST_SIZE_MAX = 4_000_000
ASSIGNMENTS_MAX = 20_000
ASSIGNMENTS_SIZE_MAX = 2_000_000  # assignments x units

State = tuple[int, ...]  # for each promotion: units taken so far, of its run where its applications do not matter
Assignment = tuple[int, ...]


class Outcome(NamedTuple):
    """What each promotion takes, and how much more could have been saved at most."""

    takings: dict[str, Taking]
    bound: int


def best_per_item(offers: Sequence[Offer], alone: Mapping[str, Taking], left: Sequence[int]) -> Outcome:
    """All components of a group."""
    takings: dict[str, Taking] = {}
    bound = 0
    for component in components(offers):
        outcome = solve(component, alone, left)
        takings |= outcome.takings
        bound += outcome.bound
    return Outcome(takings, bound)


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


def solve(offers: Sequence[Offer], alone: Mapping[str, Taking], left: Sequence[int]) -> Outcome:
    """One component, by the four steps of the law."""
    component = Component(offers, left)
    if component.size > SIZE_MAX:
        return greedy(offers, alone, left)
    best = component.best_without_caps()
    takings = component.takings(best)
    over = [
        taking.uncapped - offer.terms.cap
        for offer, taking in zip(offers, takings, strict=True)
        if offer.terms.cap is not None and taking.uncapped > offer.terms.cap
    ]
    tries = component.assignments
    if over and tries <= ASSIGNMENTS_MAX and tries * len(component.units) <= ASSIGNMENTS_SIZE_MAX:
        takings = component.takings(component.best_with_caps())
        over = []
    return Outcome({o.name: t for o, t in zip(offers, takings, strict=True) if t.applications}, sum(over))


def greedy(offers: Sequence[Offer], alone: Mapping[str, Taking], left: Sequence[int]) -> Outcome:
    """The largest `would_save` first; each takes from the units not yet taken what it would take alone."""
    taken: set[int] = set()
    takings: dict[str, Taking] = {}
    for offer in sorted(offers, key=lambda offer: (-alone[offer.name].saving, offer.name)):
        taking = take(offer, [unit for unit in offer.units if unit.index not in taken], left)
        if taking.saving:
            takings[offer.name] = taking
            taken |= taking.units
    saved = sum(taking.saving for taking in takings.values())
    return Outcome(takings, sum(alone[offer.name].saving for offer in offers) - saved)


class Component:
    """Promotions (by name) and the units available to any of them, in order U."""

    def __init__(self, offers: Sequence[Offer], left: Sequence[int]) -> None:
        self.offers = offers
        self.left = left
        every = {unit.index: unit for offer in offers for unit in offer.units}
        self.units = in_order_u(offers[0], every.values(), left)
        self.available = [{unit.index for unit in offer.units} for offer in offers]

    # ---------- sizes ----------

    def bounded(self, rank: int) -> bool:
        """Its number of applications is a state: it may apply less often than its units would allow."""
        offer = self.offers[rank]
        uses = offer.terms.uses
        return bool(offer.n) and not offer.singles and uses is not None and uses < len(offer.units) // offer.n

    def states(self, rank: int) -> int:
        offer = self.offers[rank]
        if not offer.n:
            return 1
        return offer.n * ((offer.terms.uses or 0) + 1) if self.bounded(rank) else offer.n

    @cached_property
    def size(self) -> int:
        """N × S × (P + 1)."""
        product = len(self.units) * (len(self.offers) + 1)
        for rank in range(len(self.offers)):
            product *= self.states(rank)
        return product

    @cached_property
    def classes(self) -> list[Sequence[object]]:
        """Of each unit: units of one class are alike to every promotion."""
        return [self._class(unit) for unit in self.units]

    def _class(self, unit: Unit) -> Sequence[object]:
        line = unit.line
        alike = (self.offers[0].base(unit, self.left), self.left[unit.index], unit.list, unit.article, unit.measure)
        return *alike, line.request.unit, line.price, tuple(unit.index in available for available in self.available)

    @cached_property
    def assignments(self) -> int:
        """The assignments by classes: the product of C(m + c, c)."""
        product = 1
        for _, numbers in groupby(range(len(self.units)), key=lambda i: self.classes[i]):
            units = [self.units[i] for i in numbers]
            choices = sum(units[0].index in available for available in self.available)
            product *= comb(len(units) + choices, choices)
        return product

    # ---------- search ----------

    @cached_property
    def gains(self) -> list[list[list[int] | None]]:
        """By unit and rank: what the unit adds at each position of the run; None: the promotion cannot take it."""
        return [[self._gains(unit, rank) for rank in range(len(self.offers))] for unit in self.units]

    def _gains(self, unit: Unit, rank: int) -> list[int] | None:
        offer = self.offers[rank]
        if unit.index not in self.available[rank]:
            return None
        gains = [saving_of(offer, unit, self.left, position) for position in range(offer.n or 1)]
        return gains if offer.n or gains[0] > 0 else None  # without a buy: only what it makes cheaper

    @cached_property
    def after(self) -> list[list[int | None]]:
        """By rank and state: the state once it has taken one unit more; None: it may not."""
        return [self._after(rank) for rank in range(len(self.offers))]

    def _after(self, rank: int) -> list[int | None]:
        if not self.bounded(rank):
            states = self.states(rank)
            return [(taken + 1) % states for taken in range(states)]
        most = self.offers[rank].n * (self.offers[rank].terms.uses or 0)
        return [taken + 1 if taken < most else None for taken in range(most + 1)]

    def complete(self, state: State) -> bool:
        """Only whole runs."""
        return all(
            offer.singles or not offer.n or taken % offer.n == 0
            for offer, taken in zip(self.offers, state, strict=True)
        )

    def best_without_caps(self) -> Assignment:
        """Exactly. The fewest promotions (then names) are sought only where that is cheap enough."""
        everyone = tuple(range(len(self.offers)))
        saving, assignment = self.search(everyone)
        if len(everyone) > FEWEST_PROMOTIONS_MAX or self.size << len(everyone) > FEWEST_SIZE_MAX:
            return assignment
        most = [self.search((rank,))[0] for rank in everyone]
        for count in range(len(everyone) + 1):
            for ranks in combinations(everyone, count):  # by name: smaller lists of names come first
                if sum(most[rank] for rank in ranks) >= saving:
                    found, assignment = self.search(ranks)
                    if found == saving:
                        return assignment
        raise AssertionError("all promotions together reach the largest saving")

    def search(self, ranks: Sequence[int]) -> tuple[int, Assignment]:
        """The largest saving with these promotions alone, then the fewest units, then the first assignment.

        Forward: the states that can be reached before each unit. Backward: the best value (saving, −units) from
        there on; a choice of smaller rank is tried first and only a better one replaces it."""
        none = len(self.offers)
        moves: list[dict[State, list[tuple[int, int, State]]]] = []  # by state: (rank, gain, next state)
        reached: set[State] = {(0,) * none}
        for gains in self.gains:
            layer: dict[State, list[tuple[int, int, State]]] = {}
            following: set[State] = set()
            able = [(rank, gain, self.after[rank]) for rank in ranks if (gain := gains[rank]) is not None]
            for state in reached:
                options = []
                for rank, gain, after in able:
                    then = after[state[rank]]
                    if then is not None:
                        target = state if then == state[rank] else (*state[:rank], then, *state[rank + 1 :])
                        options.append((rank, gain[state[rank] % len(gain)], target))
                options.append((none, 0, state))
                following.update(target for _, _, target in options)
                layer[state] = options
            moves.append(layer)
            reached = following
        best: dict[State, tuple[int, int]] = {state: (0, 0) for state in reached if self.complete(state)}
        chosen: list[dict[State, tuple[int, State]]] = []
        for layer in reversed(moves):
            now: dict[State, tuple[int, int]] = {}
            choice: dict[State, tuple[int, State]] = {}
            for state, options in layer.items():
                for rank, added, target in options:
                    if target not in best:
                        continue
                    saving, units = best[target]
                    value = (saving + added, units - (rank < none))
                    if state not in now or value > now[state]:
                        now[state] = value
                        choice[state] = (rank, target)
            best = now
            chosen.append(choice)
        here: State = (0,) * none
        total, assignment = best[here][0], []
        for choice in reversed(chosen):
            rank, here = choice[here]
            assignment.append(rank)
        return total, tuple(assignment)

    def best_with_caps(self) -> Assignment:
        """All assignments by classes: within a class only those whose ranks ascend, for the others save the same."""
        none = len(self.offers)
        best: tuple[tuple[int, int, list[int], int], Assignment] | None = None
        classes, gains, caps = self.classes, self.gains, [offer.terms.cap for offer in self.offers]
        latest: dict[Sequence[object], int] = {}  # the rank of the class's unit before
        ranks: list[int] = []
        sums = [0] * none
        taken = [0] * none

        def finish() -> None:
            nonlocal best
            for rank, (offer, count) in enumerate(zip(self.offers, taken, strict=True)):
                if offer.n and not offer.singles and count % offer.n:
                    return
                if self.bounded(rank) and count > offer.n * (offer.terms.uses or 0):
                    return
            saving = sum(total if cap is None else min(cap, total) for total, cap in zip(sums, caps, strict=True))
            names = [rank for rank in range(none) if taken[rank]]
            key = (-saving, len(names), names, sum(taken))
            if best is None or (key, tuple(ranks)) < best:
                best = (key, tuple(ranks))

        def assign(number: int) -> None:
            if number == len(self.units):
                finish()
                return
            kind = classes[number]
            before = latest.get(kind, 0)
            for rank in range(before, none + 1):
                latest[kind] = rank
                ranks.append(rank)
                if rank == none:
                    assign(number + 1)
                elif (gain := gains[number][rank]) is not None:
                    added = gain[taken[rank] % len(gain)]
                    sums[rank] += added
                    taken[rank] += 1
                    assign(number + 1)
                    taken[rank] -= 1
                    sums[rank] -= added
                ranks.pop()
            latest[kind] = before

        assign(0)
        assert best is not None
        return best[1]

    def takings(self, assignment: Assignment) -> list[Taking]:
        """What each promotion takes under an assignment, its cap applied."""
        found = []
        for rank, offer in enumerate(self.offers):
            units = [unit for unit, whose in zip(self.units, assignment, strict=True) if whose == rank]
            found.append(settle(offer, units, self.left))
        return found
