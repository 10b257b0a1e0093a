"""Every mechanic under every stacking rule that it may stand under has a case in which it applies."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest

from engine.program import Group, Promotion
from tests.conformance.cases import Case, load

ALL = ("all", "best", "best-per-item", "first", "first-per-item", "at-most")
PER_BASKET = ("all", "best", "first", "at-most")
OF_BENEFITS = ("all", "first", "at-most")
MECHANICS = {  # by kind of reward, what it is off, and whether something is bought
    "percent-off set": ALL,
    "percent-off count": ALL,
    "percent-off count buy": ALL,
    "percent-off them buy": ALL,
    "percent-off them buy measure": ALL,
    "percent-off count buy measure": ALL,
    "fixed-price-measure them buy measure": ALL,
    "percent-off-together set": PER_BASKET,
    "percent-off-together basket": PER_BASKET,
    "percent-off-together them buy": ALL,
    "amount-off-each set": ALL,
    "amount-off-each count": ALL,
    "amount-off-each count buy": ALL,
    "amount-off-each them buy": ALL,
    "amount-off-together set": PER_BASKET,
    "amount-off-together basket": PER_BASKET,
    "amount-off-together count buy": ALL,
    "amount-off-together them buy": ALL,
    "amount-off-article set": PER_BASKET,
    "amount-off-article them buy": ALL,
    "amount-off-measure set": ALL,
    "fixed-price-each set": ALL,
    "fixed-price-each count": ALL,
    "fixed-price-each count buy": ALL,
    "fixed-price-each them buy": ALL,
    "fixed-price-measure set": ALL,
    "prices-from": ALL,
    "pick buy": ALL,
    "ladder buy": ALL,
    "price-together buy": ALL,
    "price-together singles buy": ALL,
    "basket-price": PER_BASKET,
    "cashier": ALL,
    "tiers set": ALL,
    "tiers basket": PER_BASKET,
    "free-service": OF_BENEFITS,
    "percent-off-fee": OF_BENEFITS,
    "amount-off-fee": OF_BENEFITS,
    "fee-price": OF_BENEFITS,
    "times-points set": OF_BENEFITS,
    "times-points basket": OF_BENEFITS,
    "fixed-points": OF_BENEFITS,
    "gift": OF_BENEFITS,
    "next-code": OF_BENEFITS,
    "variants": ALL,
    "variants buy": ALL,
}
PAIRS = [pair for mechanic, modes in MECHANICS.items() for pair in product([mechanic], modes)]


def mechanic(promotion: Promotion) -> str:
    """As the table above calls it."""
    reward = promotion.reward
    target = getattr(reward, "target", None)
    parts = (
        reward.kind,
        "singles" if getattr(reward, "singles", False) else "",
        target.kind if target else "",
        "buy" if promotion.buy else "",
        "measure" if promotion.buy and any(need.measure for need in promotion.buy.needs) else "",
    )
    return " ".join(filter(None, parts))


def applied(case: Case) -> Iterator[tuple[str, str]]:
    """The mechanics that a case says apply, each with the rule of its group."""
    named = {*case.expect.get("saves", {}), *(case.expect.get("points") or {})}
    modes = {program.name: program.apply for program in case.programs if isinstance(program, Group)}
    for program in case.programs:
        if isinstance(program, Promotion) and program.name in named:
            yield mechanic(program), modes[program.group]


REACHED = {pair for case in load() for pair in applied(case)}


@pytest.mark.parametrize("pair", PAIRS, ids=[f"{mechanic}, {mode}" for mechanic, mode in PAIRS])
def test_there_is_a_case(pair: tuple[str, str]) -> None:
    assert pair in REACHED, f"no case in which «{pair[0]}» applies in a group that applies {pair[1]}"


def test_the_table_has_every_mechanic_that_a_case_has() -> None:
    assert set(PAIRS) >= REACHED
