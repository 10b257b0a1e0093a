"""Points (law 9): whether a promotion adds any when its group is decided, and what all of them give in the end."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from fractions import Fraction

from engine.basket import POINTS_MAX, BadRequest
from engine.decision import Missing, PointsResult, PromotionPoints, Reason
from engine.program import FixedPoints, Gift, PointsReward, Promotion, Tiers, TimesPoints
from tests.oracle.conditions import Judge, amount_in
from tests.oracle.eligible import Failure
from tests.oracle.resolve import Basket, Unit


def rate(basket: Basket) -> Fraction:
    """Base points for a minor unit."""
    base = basket.ruleset.settings.points
    per = None if base is None else amount_in(base.per, basket.request.currency)
    return Fraction(0) if base is None or per is None else Fraction(base.points, per)


def set_of(promotion: Promotion, reward: PointsReward | Gift) -> str | None:
    """The product set that it gives points on; None: the basket."""
    if isinstance(reward, TimesPoints):
        return reward.target.name or None
    return promotion.reward.target.name or None if isinstance(promotion.reward, Tiers) else None


def earning(
    basket: Basket, judge: Judge, promotion: Promotion, reward: PointsReward | Gift, guarded: bool = True
) -> list[Unit]:
    """The units that it gives points on."""
    name = set_of(promotion, reward)
    return [
        unit
        for unit in basket.units
        if (name is None or judge.in_products(name, unit.line) is True)
        and not any(judge.in_products(other, unit.line) is True for other in promotion.except_)
        and not unit.line.gift
        and not (guarded and "reward" in unit.line.marks)
    ]


def added(basket: Basket, judge: Judge, promotion: Promotion, reward: PointsReward, left: Sequence[int]) -> int:
    """The points that it adds, at what units cost."""
    if isinstance(reward, FixedPoints):
        return reward.points
    paid = sum(left[unit.index] for unit in earning(basket, judge, promotion, reward))
    return int(Fraction(reward.factor - 100, 100) * rate(basket) * paid)


def judged(
    basket: Basket, judge: Judge, promotion: Promotion, reward: PointsReward | Gift, left: Sequence[int]
) -> Failure | None:
    """Why it adds none, or gives no gift."""
    if not earning(basket, judge, promotion, reward):
        if earning(basket, judge, promotion, reward, guarded=False):
            return Failure(Reason.GUARD)
        return Failure(Reason.QUANTITY, missing=Missing("pieces", 1, "", set_of(promotion, reward) or ""))
    if isinstance(reward, Gift):
        return None
    return None if added(basket, judge, promotion, reward, left) else Failure(Reason.NO_SAVING)


def points(
    basket: Basket,
    judge: Judge,
    applied: Iterable[tuple[Promotion, PointsReward]],
    left: Sequence[int],
    gifts: Container[int],
) -> PointsResult | None:
    """All that the purchase earns but for the units that are gifts; None: the ruleset gives no points. `applied`: with
    the tier or variant that held."""
    rewards = [reward for promotion in basket.ruleset.promotions.values() for reward in promotion.rewards]
    if basket.ruleset.settings.points is None and not any(isinstance(reward, PointsReward) for reward in rewards):
        return None
    base = int(
        rate(basket) * sum(left[u.index] for u in basket.units if "reward" not in u.line.marks and u.index not in gifts)
    )
    parts = tuple(
        PromotionPoints(promotion.name, added(basket, judge, promotion, reward, left))
        for promotion, reward in sorted(applied, key=lambda one: one[0].name)
    )
    earned = base + sum(part.points for part in parts)
    if earned > POINTS_MAX:
        raise BadRequest("lines", "earn too many points")
    return PointsResult(earned, base, parts)
