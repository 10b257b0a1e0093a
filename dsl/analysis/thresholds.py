"""Thresholds that discounts of earlier groups undo, though nothing says whether they count before or after.

A group with `prices reduced` reads its thresholds in what earlier groups left: who reaches EUR 50.00 at list prices may
not reach it any more. That can be meant; who writes `before discounts` or `after discounts` has decided.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dsl.analysis.claims import Claim, claim
from dsl.analysis.free import shown
from dsl.analysis.never_applies import impossible, parts_of, scopes_of, set_of
from dsl.analysis.ruleset import Rules
from dsl.analysis.worlds import Pair, Want, Worlds, in_set
from engine import program as p

EARLIER_MAX: Final = 50  # promotions of earlier groups that one threshold is tried against
TRIED_MAX: Final = 20_000  # in all


def claims(rules: Rules, worlds: Worlds, dead: frozenset[str]) -> Iterator[Claim]:
    """`dead`: promotions that never apply anyway."""
    groups = sorted(rules.groups.values(), key=lambda group: group.position)
    earlier: list[p.Promotion] = []
    tried = 0
    for group in groups:
        members = [promotion for promotion in rules.in_group(group.name) if promotion.name not in dead]
        for promotion in members if group.prices == "reduced" else ():
            for number, line in enumerate(promotion.when):
                if not (isinstance(line.condition, p.Worth) and line.condition.low and line.condition.basis == "group"):
                    continue
                for other in earlier[:EARLIER_MAX]:
                    tried += 1
                    if tried > TRIED_MAX:
                        return
                    if _meets(rules, worlds, promotion, other, line.condition.of):
                        low = line.condition.low[0]
                        yield claim(
                            "P6002",
                            "promotion",
                            promotion.name,
                            f"when {number}",
                            other=other.name,
                            group=other.group,
                            value=shown(low.value, low.currency),
                        )
                        break
        if group.gives == "discounts":
            earlier += members


def _apart(rules: Rules, promotion: p.Promotion, other: p.Promotion) -> bool:
    """Do they never apply to one basket? And what is exclusive per item is settled before all groups."""
    if promotion.exclusive or (other.exclusive and not rules.groups[other.group].apply.endswith("per-item")):
        return rules.groups[promotion.group].gives == "discounts"
    return other.name in promotion.not_with or promotion.name in other.not_with


def _meets(rules: Rules, worlds: Worlds, promotion: p.Promotion, other: p.Promotion, of: str | None) -> bool:
    """May both take part in one basket, the other taking off something that the threshold counts?"""
    if other.code is not None or _apart(rules, promotion, other):
        return False
    if not set(promotion.channels.names) & set(other.channels.names):
        return False
    ours, theirs = promotion.runs, other.runs
    if (ours.until is not None and theirs.start is not None and theirs.start >= ours.until) or (
        theirs.until is not None and ours.start is not None and ours.start >= theirs.until
    ):
        return False
    target = set_of(other)
    names = [name for name in (of, target) if name is not None]
    shared: list[Pair] = [(in_set(name), Want.TRUE) for name in names]
    shared += [(in_set(name), Want.NOT_TRUE) for name in (*promotion.except_, *other.except_)]
    kept = {*rules.guarded("discount"), *rules.guarded("count")}
    if isinstance(promotion.reward, p.PointsReward | p.Gift):
        kept |= {*rules.guarded("reward")}
    shared += [(in_set(name), Want.FALSE) for name in sorted(kept)]
    if worlds.no_article(shared) or not _in_catalogue(rules, names):
        return False
    both = [*parts_of(rules, worlds, promotion), *parts_of(rules, worlds, other)]
    return not impossible(worlds, both, scopes_of(rules, promotion)[:1])


def _in_catalogue(rules: Rules, names: list[str]) -> bool:
    """Is there, by the catalogue, an article in all of these? Without a catalogue there may be."""
    if rules.articles is None:
        return True
    rows = rules.articles.every([rules.articles.member(name) for name in names])
    return bool((rows != 0).any())
