"""Price lists (law 6): what units cost by a list, and what brings a price."""

from __future__ import annotations

from collections.abc import Sequence

from engine.basket import UNITS
from engine.decision import Missing, Reason
from engine.program import PriceList, PricesFrom, Promotion
from tests.oracle.arithmetic import round_to
from tests.oracle.calendar import today
from tests.oracle.conditions import Judge
from tests.oracle.eligible import Failure
from tests.oracle.resolve import Basket, Line, Unit

MEASURES = list(UNITS)


def names(prices: PriceList, article: str) -> bool:
    """Whether the list has the article, at whatever price and time."""
    return article in prices.articles


def open_lines(basket: Basket, judge: Judge, promotion: Promotion, reward: PricesFrom) -> list[Line]:
    """The lines of its articles that are no gifts, and in no `except` set."""
    prices = basket.ruleset.price_lists[reward.prices]
    return [
        line
        for line in basket.lines
        if names(prices, line.request.article)
        and not line.gift
        and not any(judge.in_products(other, line) is True for other in promotion.except_)
    ]


def in_force(basket: Basket, prices: PriceList, article: str) -> list[tuple[int, int]]:
    """The prices of an article today: from which quantity, micros."""
    day, currency = today(basket.ruleset.clock, basket.request.at_us), basket.request.currency
    found = []
    for column in prices.prices:
        for row, price in enumerate(column.values):
            start, until = prices.starts[row], prices.untils[row]
            inside = (start is None or start <= day) and (until is None or day <= until)
            if prices.articles[row] == article and column.currency == currency and inside and isinstance(price, int):
                found.append((prices.quantities[row], price))
    return found


def there(lines: Sequence[Line], like: Line) -> int:
    """Of the article, in this unit: the pieces, or the thousandths, that count."""
    return sum(
        line.request.quantity or line.request.measure
        for line in lines
        if (line.request.article, line.request.unit) == (like.request.article, like.request.unit)
        and "count" not in line.marks
    )


def promised_prices(
    basket: Basket, judge: Judge, promotion: Promotion, reward: PricesFrom
) -> dict[tuple[str, str], int]:
    """By article and unit of measure: the price of the greatest quantity that is reached, in micros."""
    prices = basket.ruleset.price_lists[reward.prices]
    lines = open_lines(basket, judge, promotion, reward)
    found: dict[tuple[str, str], int] = {}
    for line in lines:
        asked, count = line.request, there(lines, line)
        reached = [
            (least, price)
            for least, price in in_force(basket, prices, asked.article)
            if least == 1 or least * (1000 if asked.measure else 1) <= count
        ]
        if reached:
            found[asked.article, asked.unit] = max(reached)[1]
    return found


def promised(basket: Basket, judge: Judge, promotion: Promotion, reward: PricesFrom) -> dict[int, int]:
    """By unit: what it costs, for guarded ones too. Those without a price are missing."""
    lines = open_lines(basket, judge, promotion, reward)
    prices_now = promised_prices(basket, judge, promotion, reward)
    dearest_first = sorted(basket.units, key=lambda unit: (-unit.list, -unit.measure, unit.index))
    found: dict[int, int] = {}
    groups: dict[tuple[str, bool], list[Unit]] = {}  # the pieces of an article, those that may be discounted apart
    by_article: dict[str, int] = {}
    for unit in dearest_first:
        if not any(unit.line is line for line in lines):
            continue
        asked = unit.line.request
        price = prices_now.get((asked.article, asked.unit))
        if price is None:
            continue
        if unit.measure:
            per = 1000 * basket.micros_per_minor
            found[unit.index] = round_to(price * asked.measure, per, basket.rounding)
        else:
            by_article[asked.article] = price
            groups.setdefault((asked.article, "discount" in unit.line.marks), []).append(unit)
    for (article, _), units in groups.items():
        price, minor = by_article[article], basket.micros_per_minor
        costs = [
            round_to(price * i, minor, basket.rounding) - round_to(price * (i - 1), minor, basket.rounding)
            for i in range(1, len(units) + 1)
        ]
        costs.sort(reverse=True)
        found |= {unit.index: cost for unit, cost in zip(units, costs, strict=True)}
    return found


def nothing(basket: Basket, judge: Judge, promotion: Promotion, reward: PricesFrom) -> Failure:
    """Why no unit has a price, guards apart: too little of each article, no price for it today, or none of them."""
    prices = basket.ruleset.price_lists[reward.prices]
    lines = open_lines(basket, judge, promotion, reward)
    if not lines:
        return Failure(Reason.QUANTITY, "", Missing("pieces", 1, "", ""))
    lacking = []
    for line in lines:
        asked = line.request
        quantities = [least for least, _ in in_force(basket, prices, asked.article)]
        if {"discount", "count"} & line.marks or not quantities:
            continue
        scale = 1000 if asked.measure else 1
        short = min(quantities) * scale - there(lines, line)
        if short > 0 and 1 not in quantities:
            lacking.append((MEASURES.index(asked.unit) if asked.measure else -1, short))
    if not lacking:
        return Failure(Reason.NO_SAVING)
    unit, short = min(lacking)
    missing = Missing("pieces", short, "", "") if unit < 0 else Missing("measure", short, MEASURES[unit], "")
    return Failure(Reason.QUANTITY, "", missing)


def further(basket: Basket, judge: Judge, promotion: Promotion, reward: PricesFrom) -> list[tuple[Missing, str]]:
    """For each article that may grow what is missing to its next lower price; what is nearest first."""
    prices = basket.ruleset.price_lists[reward.prices]
    lines = open_lines(basket, judge, promotion, reward)
    now = promised_prices(basket, judge, promotion, reward)
    found: set[tuple[int, int, str]] = set()
    for line in lines:
        asked = line.request
        if {"discount", "count"} & line.marks:
            continue
        scale, count = 1000 if asked.measure else 1, there(lines, line)
        price = now.get((asked.article, asked.unit))
        lower = [
            least * scale - count
            for least, other in in_force(basket, prices, asked.article)
            if least > 1 and least * scale > count and (price is None or other < price)
        ]
        if lower:
            found.add((MEASURES.index(asked.unit) if asked.measure else -1, min(lower), asked.article))
    return [
        (Missing("pieces", short, "", "") if unit < 0 else Missing("measure", short, MEASURES[unit], ""), article)
        for unit, short, article in sorted(found)
    ]
