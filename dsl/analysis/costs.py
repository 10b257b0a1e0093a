"""Promotions that sell below what articles cost us, by the catalogue's prices and the table of costs.

Costs are without tax; prices that include it are compared without. Of costs that change while a promotion runs the
least counts. Only articles that are not below cost at their list price anyway. A `buy` is looked at with pieces of one
article.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from dsl.analysis.claims import Claim, claim
from dsl.analysis.clock import DAY
from dsl.analysis.free import shown
from dsl.analysis.guarded import kept_out, reach
from dsl.analysis.money_tables import PriceRow
from dsl.analysis.never_applies import set_of
from dsl.analysis.ruleset import Rules
from dsl.phrases import many
from engine import program as p
from engine.money import divide, micros_per_minor
from engine.sets import Ints

FULL: Final = 10_000  # basis points
MICROS_MAX: Final = 10**11  # of a price or a cost looked at: with a tax rate and a count it fits int64
_ALWAYS: Final = (-(10**9), 10**9)  # days
COUNT_MAX: Final = 1_000  # pieces of a `buy` looked at


def claims(rules: Rules, costs: Mapping[str, Sequence[PriceRow]], dead: frozenset[str]) -> Iterator[Claim]:
    """`costs`: of the first currency by article; `dead`: promotions that never apply anyway."""
    prices, catalogue = rules.prices, rules.catalogue
    if not costs or prices is None or catalogue is None or rules.articles is None:
        return
    if any(guard.floors for guard in rules.guards):
        return  # what a price falls to hangs on its floor
    micros = micros_per_minor(rules.currency)
    taxes = _taxes(rules)
    judged = prices.known & (prices.numbers % micros == 0) & (prices.numbers < MICROS_MAX) & ~kept_out(rules)
    table = _Costs(costs, catalogue.articles)
    of: tuple[int, int] | None = None
    paid_to_us, known = prices.numbers, judged
    for promotion in sorted(rules.promotions.values(), key=table.days):  # those of the same days one after the other
        if of != table.days(promotion):
            of = table.days(promotion)
            paid_to_us = table.least(of)
            known = judged & (paid_to_us < MICROS_MAX) & (prices.numbers * FULL >= paid_to_us * (FULL + taxes))
        count = promotion.buy.count if promotion.buy else 1
        if promotion.name in dead or count > COUNT_MAX:
            continue
        rows = np.flatnonzero(reach(rules, set_of(promotion), promotion.except_) & known)
        if not len(rows):
            continue
        each, place = np.unique(prices.numbers[rows] // micros, return_inverse=True)
        sums = [paid_for(promotion.reward, count, int(price), rules.currency, rules.settings) for price in each]
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
                count=many(below),
                most=many(len(rows)),
                other=catalogue.articles[int(rows[worst])],
                value=shown(max(1, (int(losses[worst]) + micros // 2) // micros), rules.currency),
            )


class _Costs:
    """What articles cost us, as columns: a row each for an article and its days."""

    def __init__(self, costs: Mapping[str, Sequence[PriceRow]], articles: Sequence[str]) -> None:
        rows = [(place, row) for place, article in enumerate(articles) for row in costs.get(article, ())]
        self.articles = len(articles)
        self.place = np.array([place for place, _ in rows], np.int64)
        self.cost = np.array([min(row.price, MICROS_MAX) for _, row in rows], np.int64)
        self.first = np.array([_ALWAYS[0] if row.start is None else row.start for _, row in rows], np.int64)
        self.last = np.array([_ALWAYS[1] if row.until is None else row.until for _, row in rows], np.int64)
        self.dated = any(row.start is not None or row.until is not None for _, row in rows)

    def days(self, promotion: p.Promotion) -> tuple[int, int]:
        """The first and last day of a promotion, a day more for other zones; costs without days ask for none."""
        if not self.dated:
            return _ALWAYS
        runs = promotion.runs
        first = _ALWAYS[0] if runs.start is None else runs.start // DAY - 1
        return first, _ALWAYS[1] if runs.until is None else (runs.until - 1) // DAY + 1

    def least(self, days: tuple[int, int]) -> Ints:
        """The least that each article costs us on one of these days; not known: MICROS_MAX."""
        then = (self.first <= days[1]) & (self.last >= days[0])
        found = np.full(self.articles, MICROS_MAX, np.int64)
        np.minimum.at(found, self.place[then], self.cost[then])
        return found


def _taxes(rules: Rules) -> Ints:
    """The tax rate within each article's price, in basis points."""
    assert rules.articles is not None
    column = rules.articles.column("item.tax-rate")
    included = rules.settings.prices_include_tax
    return np.where(column.known & included, column.numbers, 0)


def paid_for(reward: p.Reward, count: int, price: int, currency: str, settings: p.Settings) -> int | None:
    """What so many pieces of one article cost together, in minor units; None: it depends on more."""

    def off(percent: int, pieces: int) -> int:
        if settings.rounding_per == "article":
            return divide(price * percent * pieces, FULL, settings.rounding)
        return pieces * divide(price * percent, FULL, settings.rounding)

    def said(money: p.Money) -> int | None:
        return next((part.value for part in money if part.currency == currency), None)

    match reward:
        case p.PercentOff():
            return count * price - off(reward.percent, count)
        case p.AmountOffEach():
            amount = said(reward.amount)
            return None if amount is None else count * max(0, price - amount)
        case p.FixedPriceEach():
            fixed = said(reward.price)
            return None if fixed is None else count * min(price, fixed)
        case p.Pick():
            return count * price - off(reward.percent, reward.count)
        case p.PriceTogether():
            together = said(reward.price)
            return None if together is None else min(count * price, together)
        case p.Ladder():
            if settings.rounding_per == "article" and len(reward.steps) > 1:
                return None
            paid = count * price
            for step in reward.steps:
                less = off(step.percent, 1) if step.percent else said(step.amount)
                if less is None:
                    return None
                paid -= min(price, less)
            return paid
    return None
