"""Promotions that give everything away: a whole percentage, a price of nothing, an amount no price reaches."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from dsl.analysis.claims import Claim, claim
from dsl.analysis.guarded import reach
from dsl.analysis.never_applies import set_of
from dsl.analysis.ruleset import Rules
from dsl.phrases import Phrase, say
from dsl.spelling import amount
from engine import program as p
from engine.money import EXPONENTS, micros_per_minor

FULL = 10_000  # basis points


def claims(rules: Rules, dead: frozenset[str]) -> Iterator[Claim]:
    """`dead`: promotions that never apply anyway."""
    if any(guard.floors for guard in rules.guards):
        return  # of something that has a floor not all is given away
    for promotion in rules.promotions.values():
        if promotion.name not in dead:
            why = _why(rules, promotion)
            if why is not None:
                also = ("buy",) if promotion.buy else ()
                yield claim("P3007", "promotion", promotion.name, "get", also=also, name=promotion.name, why=why)


def shown(minor: int, currency: str) -> str:
    """EUR 5.00."""
    return amount(currency, Decimal(minor).scaleb(-EXPONENTS[currency]))


def _why(rules: Rules, promotion: p.Promotion) -> Phrase | None:
    reward = promotion.reward
    target = getattr(reward, "target", None)
    if target is not None and target.kind == "count":
        return None  # others than those that are bought, and paid
    match reward:
        case p.PercentOff() | p.PercentOffTogether() if reward.percent == FULL:
            return say("100% off all of it")
        case p.FixedPriceEach() | p.FixedPriceMeasure() | p.PriceTogether() | p.BasketPrice() if any(
            not price.value for price in reward.price
        ):
            return say("a price of nothing")
        case p.Ladder() if promotion.buy is not None:
            if len([step for step in reward.steps if step.percent == FULL]) == promotion.buy.count:
                return say("{count} of {count} are free; usual is 1", count=promotion.buy.count)
        case p.AmountOffEach():
            return _above_all_prices(rules, promotion, reward.amount)
        case p.AmountOffTogether():
            return _threshold_reached(promotion, reward.amount)
    return None


def _above_all_prices(rules: Rules, promotion: p.Promotion, off: p.Money) -> Phrase | None:
    """An amount off each that no price of the set is above, by the catalogue."""
    value = next((part.value for part in off if part.currency == rules.currency), None)
    name = set_of(promotion)
    prices = rules.prices
    if value is None or prices is None or name is None:
        return None
    rows = reach(rules, name, promotion.except_)
    perhaps = rules.perhaps_in(name)
    if not rows.any() or perhaps is None or not bool(prices.known[perhaps].all()):
        return None
    dearest = int(prices.numbers[perhaps].max())
    if dearest > value * micros_per_minor(rules.currency):
        return None
    minor = dearest // micros_per_minor(rules.currency)
    return say("the dearest of «{name}» costs {value}", name=name, value=shown(minor, rules.currency))


def _threshold_reached(promotion: p.Promotion, off: p.Money) -> Phrase | None:
    """An amount off at least as large as what the basket must be worth for it."""
    target = getattr(promotion.reward, "target", None)
    if promotion.buy is not None or target is None:
        return None
    for line in promotion.when:
        condition = line.condition
        if not isinstance(condition, p.Worth) or not condition.low or condition.high:
            continue
        if condition.of is not None and (target.kind != "set" or target.name != condition.of):
            continue
        if condition.of is None and target.kind != "basket":
            continue
        low = {part.currency: part.value for part in condition.low}
        for part in off:
            if part.value >= low.get(part.currency, part.value + 1) > 0:
                return say("whoever reaches {value} pays nothing", value=shown(low[part.currency], part.currency))
    return None
