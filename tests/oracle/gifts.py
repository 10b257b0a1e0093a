"""Gifts (law 9): which of the chosen pieces are given, and what there is to choose from."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from engine.basket import BasketLine
from engine.decision import GiftResult
from engine.program import Gift, Promotion
from tests.oracle.conditions import Judge, amount_in
from tests.oracle.eligible import Terms, floor_of, guarded_from
from tests.oracle.resolve import Basket, Line, listed
from tests.oracle.rewards import Application, Taking, room, share


def price_of(basket: Basket, reward: Gift) -> int:
    """Of a piece; 0: it is free."""
    return amount_in(reward.price, basket.request.currency) or 0


def given(basket: Basket, promotion: Promotion, reward: Gift, terms: Terms, left: Sequence[int]) -> Taking:
    """The dearest of those chosen, as many as there are gifts."""
    number = promotion.rewards.index(reward)
    chosen = [unit for unit in basket.units if unit.line.request.gift_of == promotion.name and number in unit.line.gift]
    chosen.sort(key=lambda unit: (-unit.list, unit.article, unit.index))
    chosen = chosen[: reward.count]
    price = price_of(basket, reward)
    savings = {unit.index: max(0, min(room(unit, left), left[unit.index] - price)) for unit in chosen}
    if terms.cap is not None and terms.cap < sum(savings.values()):
        savings = share(terms.cap, chosen, savings)
    return Taking((Application(tuple(chosen), savings),) if chosen else ())


def told(basket: Basket, judge: Judge, promotion: Promotion, reward: Gift, units: Collection[int]) -> list[GiftResult]:
    """Those given, then those that may be chosen yet."""
    price, found = price_of(basket, reward), []
    if units:
        lines = sorted({basket.units[unit].line.request.id for unit in units})
        found.append(GiftResult(promotion.name, True, len(units), reward.of, price, lines=tuple(lines)))
    if reward.count > len(units):
        articles = [
            article for article in basket.ruleset.catalogue.articles if _open(basket, judge, promotion, reward, article)
        ]
        rest = reward.count - len(units)
        found.append(GiftResult(promotion.name, False, rest, reward.of, price, articles=tuple(articles[:100])))
    return found


def _open(basket: Basket, judge: Judge, promotion: Promotion, reward: Gift, article: str) -> bool:
    line = Line(BasketLine("", article, 1), 0, 0, listed(basket, article))
    return (
        judge.in_products(reward.of, line) is True
        and not any(judge.in_products(name, line) is True for name in promotion.except_)
        and "discount" not in guarded_from(basket, judge, line)
        and floor_of(basket, judge, line) in range(price_of(basket, reward) + 1)
    )
