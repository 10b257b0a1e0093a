"""Exclusive, not with (law 7): which promotions are kept apart, and in which alternatives they are tried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

from engine.program import Group, Promotion
from tests.oracle.conditions import Judge
from tests.oracle.eligible import Failure, Terms, entrance
from tests.oracle.resolve import Basket
from tests.oracle.rewards import offer

ALTERNATIVES_MAX = 64
PER_ITEM = {"first-per-item", "best-per-item"}


def is_contract(promotion: Promotion, group: Group) -> bool:
    """Exclusive in a per-item group: settled before all groups."""
    return promotion.exclusive and group.apply in PER_ITEM


def apart(one: Promotion, other: Promotion, groups: Mapping[str, Group]) -> bool:
    """May the two not apply to one basket?"""
    if groups[one.group].gives != groups[other.group].gives or one.name == other.name:
        return False
    if other.name in one.not_with or one.name in other.not_with:
        return True
    return any(some.exclusive and not is_contract(some, groups[some.group]) for some in (one, other))


def alternatives(basket: Basket, judge: Judge) -> tuple[list[frozenset[str]], int]:
    """What price promotions to leave out, in turn; and what is saved at most where there are more alternatives."""
    groups = basket.ruleset.groups
    members: dict[str, Promotion] = {}
    units: set[int] = set()
    for name, promotion in sorted(basket.ruleset.promotions.items()):
        if groups[promotion.group].gives != "discounts" or isinstance(entrance(basket, judge, promotion), Failure):
            continue
        for reward in promotion.rewards:
            able = offer(basket, judge, promotion, original=True, terms=Terms("", None, None, (), reward)).units
            if able:
                members[name] = promotion
                units |= {unit.index for unit in able}
    rivals = {
        name: frozenset(other for other in members if apart(promotion, members[other], groups))
        for name, promotion in members.items()
    }
    if not any(rivals.values()):
        return [frozenset()], 0
    alone = [name for name in members if len(rivals[name]) == len(members) - 1]
    free = frozenset(name for name in members if not rivals[name])
    tied = [name for name in members if rivals[name] and name not in alone]
    sets = [frozenset({name}) for name in alone]
    if free or tied:
        sets += [free | found for found in largest(frozenset(tied), frozenset(), rivals)]
    sets.sort(key=sorted)
    rest = islice(sets, ALTERNATIVES_MAX, None)
    worth = sum(basket.units[unit].list for unit in units) if next(rest, None) is not None else 0
    return [frozenset(members) - chosen for chosen in sets[:ALTERNATIVES_MAX]], worth


def largest(
    able: frozenset[str], refused: frozenset[str], rivals: Mapping[str, frozenset[str]]
) -> Iterator[frozenset[str]]:
    """All sets of these without two rivals to which none of them, nor of the refused, could be added."""
    if not able and not refused:
        yield frozenset()
    for name in sorted(able):
        for others in largest(able - {name} - rivals[name], refused - rivals[name], rivals):
            yield others | {name}
        able, refused = able - {name}, refused | {name}
