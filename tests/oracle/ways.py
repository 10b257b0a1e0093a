"""All that promotions may do with units, one unit after the other (law 6 and 7): the exact best, for small baskets.

A promotion's state is what it has taken so far: of each role (and article, where one article must fill it) how many
units, and what the application that is being filled has gained where it saves together. None: nothing so far."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from engine.program import AmountOffArticle, AmountOffTogether, PercentOffTogether, PriceTogether
from tests.oracle.arithmetic import ceiling
from tests.oracle.resolve import Unit
from tests.oracle.rewards import Exact, Offer, in_order_u, is_rewarded, measure_of, room, saving_of

ALIKE, PART = -1, -2  # by article: how many are rewarded in all roles; what the application saves on it so far
SUM = -3  # by application of several sets: what it saves together so far
STATES_MAX = 2_000  # before one unit; a test with more is too large for this definition
ALL_STATES_MAX = 5_000  # before all units together: who has more will hardly end, and would take most of the time


class TooLarge(Exception):
    """More states than this definition is made for."""


class Filled(NamedTuple):
    """What a role has taken (of one article). `both`: units that could have been bought as well."""

    role: int
    article: str
    taken: int
    gained: tuple[int, int]
    both: int
    smallest: int = 0  # of what is bought by measure; `taken` is its measure then


State = tuple[Filled, ...] | None
Worth = tuple[Exact, int, int, int]  # savings of those without a cap, -promotions, names, -units
Choice = tuple[int, int]  # the promotion's place by name, the role; (P, 0) is nobody, and comes last


def most_of(offer: Offer) -> int | None:
    """Applications at most; None: as many as units allow."""
    if not offer.n or offer.singles:
        return None
    return offer.terms.uses if offer.buys else 1


def moves(offer: Offer, state: State, unit: Unit, left: Sequence[int]) -> Iterator[tuple[int, Exact, State]]:
    """What the promotion may do with a unit: role, gain, and the state afterwards."""
    filled = {(one.role, one.article): one for one in state or ()}
    if not offer.n:
        gain: Exact = saving_of(offer, unit, left)
        alike = offer.promotion.per_article
        own = filled.get((0, unit.article), Filled(0, unit.article, 0, (0, 0), 0))
        if gain > 0 and not alike:
            yield 0, gain, ()
        elif gain > 0 and own.taken < alike:
            filled[0, unit.article] = own._replace(taken=own.taken + 1)
            yield 0, gain, tuple(sorted(filled.values()))
        return
    most = most_of(offer)
    either = any(not offer.roles[number].rewarded for number in offer.open_to[unit.index])
    for number in offer.open_to[unit.index]:
        role = offer.roles[number]
        article = unit.article if role.one_article else ""
        before = filled.get((number, article), Filled(number, article, 0, (0, 0), 0))
        if role.measure:
            more = measure_of(unit)
            measure, smallest = before.taken + more, min(before.smallest or more, more)
            if most is None or measure - smallest < most * role.measure:
                then = dict(filled)
                then[number, article] = Filled(number, article, measure, (0, 0), 0, smallest)
                saving = saving_of(offer, unit, left) if offer.rewards(number) else 0
                yield number, saving, tuple(sorted(then.values()))
            continue
        place = before.taken % role.n
        at = place
        gain, gained, reward, several = 0, (0, 0), offer.promotion.reward, None
        if isinstance(reward, AmountOffTogether | PercentOffTogether) and offer.rewards(number):
            several = (SUM, f"{before.taken // role.n:9}") if len(offer.roles) > 1 and not role.rewarded else None
            now = before.gained if place else (0, 0)
            if several:
                now = filled.get(several, Filled(*several, 0, (0, 0), 0)).gained
            gained = so_far(offer, reward, now, unit, left)
            gain = worth(offer, reward, gained) - worth(offer, reward, now)
            if place == role.n - 1 and not several:
                gained = (0, 0)
        elif isinstance(reward, AmountOffArticle):
            part = filled.get((PART, unit.article), Filled(PART, unit.article, 0, (0, 0), 0))
            amount = min(offer.money(reward.amount), part.taken + room(unit, left))
            gain = amount - part.taken
        elif isinstance(offer.promotion.reward, PriceTogether) and not offer.singles and offer.buys:
            price = offer.money(
                offer.promotion.reward.price
            )  # once for each application: with what its first role ends
            gain = left[unit.index] - (price if number == 0 and place == role.n - 1 else 0)
        elif offer.rewards(number):
            at = place if role.rewarded else place_of(offer, filled, number, before.taken)
            gain = saving_of(offer, unit, left, at)
        taken = before.taken + 1
        if len(offer.roles) == 1 and most is None:
            taken %= role.n  # whole applications leave no trace
        after = dict(filled)
        after[number, article] = Filled(number, article, taken, gained, before.both + (role.rewarded and either))
        if several:
            after[number, article] = after[number, article]._replace(gained=(0, 0))
            after[several] = Filled(*several, 0, gained, 0)
            if all(
                after.get((r, ""), before._replace(taken=0)).taken >= (before.taken // role.n + 1) * other.n
                for r, other in enumerate(offer.roles)
            ):
                del after[several]  # whole applications leave no trace
        if taken == 0:
            del after[number, article]
        if isinstance(reward, AmountOffArticle) and place == role.n - 1:
            after = {key: one for key, one in after.items() if key[0] != PART or article not in ("", key[1])}
        elif isinstance(reward, AmountOffArticle):
            after[PART, unit.article] = part._replace(taken=amount)
        limit = offer.promotion.per_article
        if limit and offer.rewards(number) and is_rewarded(offer, at):
            few = after.get((ALIKE, unit.article), Filled(ALIKE, unit.article, 0, (0, 0), 0))
            if few.taken == limit:
                continue
            after[ALIKE, unit.article] = few._replace(taken=few.taken + 1)
        begun = sum(ceiling(one.taken, role.n) for one in after.values() if one.role == number)
        if most is None or begun <= most:
            yield number, gain, tuple(sorted(after.values()))


def so_far(
    offer: Offer, reward: AmountOffTogether | PercentOffTogether, now: tuple[int, int], unit: Unit, left: Sequence[int]
) -> tuple[int, int]:
    """What an application off which something is taken together has, with one unit more: (amounts, what is left)."""
    if isinstance(reward, AmountOffTogether):
        return 0, min(offer.money(reward.amount), now[1] + room(unit, left))
    return now[0] + offer.base(unit, left), now[1] + room(unit, left)


def worth(offer: Offer, reward: AmountOffTogether | PercentOffTogether, now: tuple[int, int]) -> int:
    """What it saves so."""
    return now[1] if isinstance(reward, AmountOffTogether) else min(now[1], offer.percent(now[0], reward.percent))


def place_of(offer: Offer, filled: dict[tuple[int, str], Filled], number: int, taken: int) -> int:
    """How many units the application has for which the next one of a role is bought."""
    own = taken // offer.roles[number].n
    place = 0
    for other, role in enumerate(offer.roles):
        if not role.rewarded:
            have = taken if other == number else sum(one.taken for one in filled.values() if one.role == other)
            place += min(max(0, have - own * role.n), role.n)
    return place


def peak(offer: Offer, unit: Unit, left: Sequence[int]) -> Exact:
    """No unit gains more, wherever it stands."""
    reward = offer.promotion.reward
    if not offer.n:
        return saving_of(offer, unit, left)
    if isinstance(reward, AmountOffTogether | PercentOffTogether | PriceTogether | AmountOffArticle) or not any(
        offer.rewards(number) for number in offer.open_to[unit.index]
    ):
        return left[unit.index] if offer.rewards(offer.open_to[unit.index][-1]) else 0
    return max(saving_of(offer, unit, left, place) for place in range(offer.n))


def whole(offer: Offer, state: State) -> bool:
    """Only whole applications; of a role that says «fewer too» the last may be in part."""
    if not state or not offer.n or offer.singles:
        return True
    counts = []
    for number, role in enumerate(offer.roles):
        if role.measure:
            continue
        own = [one.taken for one in state if one.role == number]
        parts = sum(1 for taken in own if taken % role.n)
        if parts > role.fewer:
            return False
        counts.append(sum(ceiling(taken, role.n) for taken in own))
    filled = [one for one in state if one.role >= 0]
    measured = [(one, offer.roles[one.role].measure) for one in filled if offer.roles[one.role].measure]
    if len(measured) < sum(1 for role in offer.roles if role.measure):
        return False
    if not measured:
        return len(set(counts)) == 1
    most = most_of(offer)
    enough = min([one.taken // need for one, need in measured] + ([] if most is None else [most]))
    applications = counts[0] if counts else enough
    return (
        len(set(counts)) <= 1
        and 0 < applications <= enough
        and all(one.taken - one.smallest < applications * need for one, need in measured)
    )


def paid(offer: Offer, state: State) -> bool:
    """No more applications reward units that could be bought as well than are bought by now. Of one article, each
    article fills its own."""
    if not state or len(offer.roles) == 1 or not offer.roles[-1].rewarded:
        return True
    complete = [
        sum(one.taken // (role.measure or role.n) for one in state if one.role == number)
        for number, role in enumerate(offer.roles)
        if not role.rewarded
    ]
    return not complete or sum(ceiling(one.both, offer.roles[-1].n) for one in state) <= min(complete)


def best(
    offers: Sequence[Offer], left: Sequence[int], *, caps: bool, few: bool = True, at_least: Exact = 0
) -> tuple[Exact, list[list[tuple[Unit, int]]]]:
    """Of all assignments of units to the promotions (by name) the best: the largest saving; with `few` the fewest
    promotions, then their smallest names; then the fewest units, then the first in order U. What each takes.

    `at_least`: what is known to be possible; what cannot reach it is not looked into."""
    everything = {unit.index: unit for offer in offers for unit in offer.units}
    units = in_order_u(offers[0], everything.values(), left)
    nobody = len(offers)
    limits = [offer.terms.cap if caps else None for offer in offers]
    hopes = [max(peak(offer, unit, left) for offer in offers if unit.index in offer.open_to) for unit in units]
    rest = [sum(hopes[place:]) for place in range(1, len(units) + 1)]  # what the units behind can add at most
    # by states and what capped ones gained: (saving of the others, -promotions, names, -units), the assignment
    now: dict[tuple[tuple[State, ...], tuple[Exact, ...]], tuple[Worth, tuple[Choice, ...]]]
    now = {((None,) * nobody, (0,) * nobody): ((0, 0, 0, 0), ())}
    seen = 0
    for place, unit in enumerate(units):
        cheaper = place > 0 and offers[0].base(unit, left) < offers[0].base(units[place - 1], left)
        then: dict[tuple[tuple[State, ...], tuple[Exact, ...]], tuple[Worth, tuple[Choice, ...]]] = {}
        moved: dict[tuple[int, State], list[tuple[int, Exact, State]]] = {}  # many share a promotion's state
        for (states, gains), (value, assignment) in now.items():
            if len(then) > STATES_MAX or seen + len(then) > ALL_STATES_MAX:
                raise TooLarge
            if cheaper and not all(paid(offer, state) for offer, state in zip(offers, states, strict=True)):
                continue
            options = [((nobody, 0), states, gains, value)]
            for number, offer in enumerate(offers):
                if unit.index not in offer.open_to:
                    continue
                own = number, states[number]
                if own not in moved:
                    moved[own] = list(moves(offer, states[number], unit, left))
                for role, gain, state in moved[own]:
                    saving, promotions, names, used = value
                    if states[number] is None and few:
                        promotions, names = promotions - 1, names + (1 << (nobody - 1 - number))
                    capped = gains
                    if limits[number] is None:
                        saving += gain
                    else:
                        capped = (*gains[:number], gains[number] + gain, *gains[number + 1 :])
                    others = (*states[:number], state, *states[number + 1 :])
                    options.append(((number, role), others, capped, (saving, promotions, names, used - 1)))
            for choice, others, capped, worth in options:
                if worth[0] + sum(capped) + rest[place] < at_least:
                    continue
                key, found = (others, capped), (worth, (*assignment, choice))
                if key not in then or worth > then[key][0] or (worth == then[key][0] and found[1] < then[key][1]):
                    then[key] = found
        seen += len(then)
        now = then
    top: tuple[Worth, tuple[Choice, ...]] | None = None
    for (states, gains), (value, assignment) in now.items():
        if not all(whole(offer, state) and paid(offer, state) for offer, state in zip(offers, states, strict=True)):
            continue
        extra = sum(min(gain, limit) for gain, limit in zip(gains, limits, strict=True) if limit is not None)
        worth = (value[0] + extra, *value[1:])
        if top is None or worth > top[0] or (worth == top[0] and assignment < top[1]):
            top = worth, assignment
    assert top is not None
    taken: list[list[tuple[Unit, int]]] = [[] for _ in offers]
    for unit, (number, role) in zip(units, top[1], strict=True):
        if number < nobody:
            taken[number].append((unit, role))
    return top[0][0], taken
