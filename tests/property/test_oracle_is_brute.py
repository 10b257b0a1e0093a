"""The oracle's searches against no thought at all: every assignment of small components is tried."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest

from engine.program import Group, Program
from tests.generated_requests import request
from tests.generators import ruleset
from tests.oracle.best_per_item import components, greedy, solve
from tests.oracle.brute import best_assignment, exact
from tests.oracle.conditions import Judge
from tests.oracle.eligible import Failure, check, mark
from tests.oracle.resolve import resolve
from tests.oracle.rewards import Offer, Taking, alone, offer, take
from tests.oracle.ruleset import Ruleset

TRIED_MAX = 3_000  # assignments of one component
UNITS_MAX = 12  # of a basket


def per_item(programs: tuple[Program, ...]) -> tuple[Program, ...]:
    """The same ruleset with best per item wherever first per item stands."""
    return tuple(
        program.model_copy(update={"apply": "best-per-item"})
        if isinstance(program, Group) and program.apply == "first-per-item"
        else program
        for program in programs
    )


def small_components(seed: int) -> Iterator[tuple[list[Offer], dict[str, Taking], list[int]]]:
    """Components of best-per-item groups, at list prices."""
    programs = per_item(ruleset(seed))
    rules = Ruleset(programs)
    for number in range(6):
        basket = resolve(rules, request(programs, 100 * seed + number))
        judge = Judge(basket)
        mark(basket, judge)
        left = [max(0, unit.list - unit.index % 3 * 20) for unit in basket.units]  # as if something had been taken off
        if len(basket.units) > UNITS_MAX:
            continue
        for group in rules.in_sequence:
            if group.apply != "best-per-item":
                continue
            offers: list[Offer] = []
            would: dict[str, Taking] = {}
            for promotion in rules.declared_order(group):
                terms = check(
                    basket, judge, promotion, group, left, {fee.service: fee.amount for fee in basket.request.fees}
                )
                if isinstance(terms, Failure):
                    continue
                original = group.prices == "original"
                found = alone(offer(basket, judge, promotion, original, terms), left)
                if not isinstance(found, Failure):
                    offers.append(found[0])
                    would[promotion.name] = found[1]
            for component in components(offers):
                yield component, would, left


def tried_out(offer: Offer) -> bool:
    """Whether trying everything says what it takes: not where it is told which units, or takes the dearest together."""
    return not (offer.off_together or offer.apart or offer.roles[-1].pick)


@pytest.mark.parametrize(
    "seeds", [range(start, start + 100) for start in range(0, 300, 100)], ids=lambda s: str(s.start)
)
def test_the_search_is_as_good_as_trying_all(seeds: range) -> None:
    tried = capped = several = 0
    for seed in seeds:
        for offers, would, left in small_components(seed):
            count = 1
            for unit in {unit.index for one in offers for unit in one.units}:
                count *= 1 + sum(len(one.open_to.get(unit, ())) for one in offers)
            if count > TRIED_MAX or not all(map(tried_out, offers)):
                continue
            tried += 1
            capped += any(offer.terms.cap is not None for offer in offers)
            several += any(len(offer.roles) > 1 for offer in offers)
            found = best_assignment(offers, left, caps=True)
            expected = {o.name: t for o, t in zip(offers, found, strict=True) if t.saving}
            assert solve(offers, left) == expected, seed
            saved = sum(exact(o, t) for o, t in zip(offers, found, strict=True))
            greedily = greedy(offers, left)
            assert sum(exact(o, greedily[o.name]) for o in offers if o.name in greedily) <= saved
            assert saved <= sum(exact(o, would[o.name]) for o in offers)
    assert tried >= 20 and capped and several, "the generator makes too few small components"


def test_one_promotion_takes_alone_what_the_search_gives_it() -> None:
    compared = 0
    for seed in range(250):
        for offers, would, left in small_components(seed):
            for one in offers:
                if one.n and one.terms.cap is None and tried_out(one):
                    compared += 1
                    assert solve([one], left)[one.name] == would[one.name]
    assert compared > 100


def test_more_applications_never_save_less() -> None:
    for seed in range(100):
        for offers, _, left in small_components(seed):
            for one in offers:
                if one.buys and not one.singles:
                    bound = [
                        replace(one, terms=replace(one.terms, uses=uses, cap=None))
                        for uses in range(1, one.most_applications(one.units) + 1)
                    ]
                    savings = [take(each, one.units, left).saving for each in bound]
                    assert all(fewer <= more for fewer, more in pairwise(savings))
