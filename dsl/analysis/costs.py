"""Promotions that sell below what articles cost us, by the catalogue's prices and the table of costs.

Costs are without tax; prices that include it are compared without. Only articles that are not below cost at their list
price anyway. A `buy` is looked at with pieces of one article.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from dsl.analysis.claims import Claim, claim
from dsl.analysis.free import shown
from dsl.analysis.guarded import kept_out, reach
from dsl.analysis.never_applies import set_of
from dsl.analysis.ruleset import Rules
from engine import program as p
from engine.money import Rounding, divide, micros_per_minor
from engine.sets import Ints

FULL: Final = 10_000  # basis points
MICROS_MAX: Final = 10**11  # of a price or a cost looked at: with a tax rate and a count it fits int64
COUNT_MAX: Final = 1_000  # pieces of a `buy` looked at


def claims(rules: Rules, costs: Mapping[str, int], dead: frozenset[str]) -> Iterator[Claim]:
    """`costs`: micros of the first currency by article; `dead`: promotions that never apply anyway."""
    prices, catalogue = rules.prices, rules.catalogue
    if not costs or prices is None or catalogue is None or rules.articles is None:
        return
    micros = micros_per_minor(rules.currency)
    paid_to_us = np.array([costs.get(article, MICROS_MAX) for article in catalogue.articles], np.int64)
    taxes = _taxes(rules)
    known = (paid_to_us < MICROS_MAX) & prices.known & (prices.numbers % micros == 0) & (prices.numbers < MICROS_MAX)
    known &= ~kept_out(rules) & (prices.numbers * FULL >= paid_to_us * (FULL + taxes))
    for promotion in rules.promotions.values():
        count = promotion.buy.count if promotion.buy else 1
        if promotion.name in dead or count > COUNT_MAX:
            continue
        rows = np.flatnonzero(reach(rules, set_of(promotion), promotion.except_) & known)
        if not len(rows):
            continue
        each, place = np.unique(prices.numbers[rows] // micros, return_inverse=True)
        sums = [
            paid_for(promotion.reward, count, int(price), rules.currency, rules.settings.rounding) for price in each
        ]
        if any(paid is None for paid in sums):
            continue
        paid = np.array(sums, np.int64)[place] * micros
        losses = (paid_to_us[rows] * count * (FULL + taxes[rows]) - paid * FULL) // ((FULL + taxes[rows]) * count)
        below = int((losses > 0).sum())
        if below:
            worst = int(losses.argmax())
            yield claim(
                "P4006",
                "promotion",
                promotion.name,
                "get",
                name=promotion.name,
                count=below,
                most=len(rows),
                other=catalogue.articles[int(rows[worst])],
                value=shown(max(1, (int(losses[worst]) + micros // 2) // micros), rules.currency),
            )


def _taxes(rules: Rules) -> Ints:
    """The tax rate within each article's price, in basis points."""
    assert rules.articles is not None
    column = rules.articles.column("item.tax-rate")
    included = rules.settings.prices_include_tax
    return np.where(column.known & included, column.numbers, 0)


def paid_for(reward: p.Reward, count: int, price: int, currency: str, rounding: Rounding) -> int | None:
    """What so many pieces of one price cost together, in minor units; None: it depends on more."""

    def less(percent: int) -> int:
        return price - min(price, divide(price * percent, FULL, rounding))

    def said(money: p.Money) -> int | None:
        return next((part.value for part in money if part.currency == currency), None)

    match reward:
        case p.PercentOff():
            return count * less(reward.percent)
        case p.AmountOffEach():
            off = said(reward.amount)
            return None if off is None else count * max(0, price - off)
        case p.FixedPriceEach():
            fixed = said(reward.price)
            return None if fixed is None else count * min(price, fixed)
        case p.Pick():
            return (count - reward.count) * price + reward.count * less(reward.percent)
        case p.PriceTogether():
            together = said(reward.price)
            return None if together is None else min(count * price, together)
        case p.Ladder():
            paid = count * price
            for step in reward.steps:
                off = price - less(step.percent) if step.percent else said(step.amount)
                if off is None:
                    return None
                paid -= min(price, off)
            return paid
    return None
