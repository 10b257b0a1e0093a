"""Price lists: what the units of a basket cost by the lists that promotions give (docs/semantics.md 6).

A list's price is final, and hangs on how much of the article is in the basket, so it is looked up once for each request
and promotion; kernels then read it unit by unit. Of many lists, contracts of many customers, few are meant for a
request: the others are not looked into.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.basket import TOTAL_MINOR_MAX, BasketLine
from engine.decision import Missing
from engine.image import Ruleset
from engine.instructions import UNITS, Mark
from engine.kernel import compile_kernels
from engine.layout import NO_ARTICLE, NO_PRICE, T_PROMOTION, T_REASON
from engine.match import MISSING_MEASURE, MISSING_PIECES, candidates, judged
from engine.money import divide, micros_per_minor

Ints = npt.NDArray[np.int64]
Key = tuple[str, str]  # an article in one unit of measure; "": its pieces
Promise = tuple[int, int, int]  # see layout.NO_PRICE

_UNIT_NAMES = [name for name, _, _ in UNITS]


def on_lists(ruleset: Ruleset, articles: Sequence[str]) -> list[Sequence[int]]:
    """For each article the price lists that name it, ascending; nothing at all where there are no lists."""
    if not ruleset.price_lists:
        return []
    return [ruleset.lists_of(article) for article in articles]


def no_promises(ruleset: Ruleset) -> dict[str, Ints]:
    """The columns «promises» and «promise» of engine/layout.py, without prices."""
    return {
        "promises": np.tile(np.array([-1, NO_ARTICLE, 0, -1], np.int64), (len(ruleset.list_rewards), 1)),
        "promise": np.zeros(0, np.int64),
    }


class Listed:
    """A basket, and the lists that its articles are on."""

    def __init__(
        self,
        ruleset: Ruleset,
        lines: Sequence[BasketLine],
        sets: Sequence[Collection[int]],
        marks: Sequence[int],
        currency: str,
        day: int,
    ) -> None:
        self.ruleset = ruleset
        self.lines, self.marks = lines, marks
        self.sets = [set(own) for own in sets]
        self.currency = currency
        self.day = day

    def promises(self, question: Ints, units: Ints) -> dict[str, Ints]:
        """The same columns, with the prices of those promotions that the request without them is eligible for."""
        ruleset, first_list = self.ruleset, len(self.ruleset.set_names)
        mine = {number - first_list for own in self.sets for number in own if number >= first_list}
        columns = no_promises(ruleset)
        touched = np.flatnonzero(np.isin(ruleset.list_rewards[:, 2], list(mine)))
        table = candidates(np.unique(ruleset.list_rewards[touched, 1]))
        compile_kernels()
        judged(ruleset.buffer, question, table)
        eligible = set(table[T_PROMOTION, table[T_REASON] == 0].tolist())
        begins: dict[tuple[int, frozenset[int]], tuple[int, Promise]] = {}
        found: list[Ints] = []
        for place in touched.tolist():
            row, promotion, number = ruleset.list_rewards[place].tolist()
            if promotion not in eligible:
                continue
            excepted = self.excepted(row)
            if (number, excepted) not in begins:
                basket = _OfList(self, number, excepted)
                begins[number, excepted] = len(found) * len(units), basket.missing()
                found.append(basket.promise(units))
            begin, missing = begins[number, excepted]
            columns["promises"][place] = (begin, *missing)
        columns["promise"] = np.concatenate([np.zeros(0, np.int64), *found])
        return columns

    def excepted(self, row: int) -> frozenset[int]:
        """The sets that a reward leaves out."""
        rules = self.ruleset.rules
        return frozenset(rules.excepted[rules.except_begin[row] : rules.except_begin[row + 1]].tolist())

    def further(self, row: int) -> tuple[str, Missing] | None:
        """Of a reward that gives a list's prices: the article that lacks least to a lower price, and how much."""
        number = int(self.ruleset.rules.target[row]) - len(self.ruleset.set_names)
        return _OfList(self, number, self.excepted(row)).further()


class _OfList:
    """The lines that one price list may price for a promotion: guarded ones too, for the reasons."""

    def __init__(self, basket: Listed, number: int, excepted: frozenset[int]) -> None:
        self.lines, self.marks = basket.lines, basket.marks
        of, table = len(basket.ruleset.set_names) + number, basket.ruleset.price_lists[number]
        mine = [i for i, own in enumerate(basket.sets) if of in own and not own & excepted]
        self.rounding: Any = basket.ruleset.settings.rounding
        self.micros = micros_per_minor(basket.currency)
        self.of: dict[Key, list[int]] = {}  # the lines of each article
        for i in mine:
            self.of.setdefault((self.lines[i].article, self.lines[i].unit), []).append(i)
        currency = basket.ruleset.currencies.index(basket.currency)
        self.rows = {key: table.rows_of(key[0], basket.day, currency) for key in self.of}

    def counted(self, key: Key) -> int:
        """The pieces, or thousandths of its unit, that count."""
        own = [self.lines[i] for i in self.of[key] if not self.marks[i] & Mark.COUNT]
        return sum(line.measure or line.quantity for line in own)

    def price(self, key: Key) -> int:
        """Micros of one; -1: the list has no price."""
        scale = 1_000 if key[1] else 1
        reached = max(1, self.counted(key) // scale)  # the price from 1 on is no threshold
        place = bisect_right(self.rows[key], reached, key=lambda row: row[0])
        return self.rows[key][place - 1][1] if place else -1

    def lacking(self) -> Iterator[tuple[int, int, str, bool]]:
        """For each article that may grow: the row of its unit (-1: pieces), how much is missing to a lower price, the
        article, whether that is its first price."""
        for key, own in self.of.items():
            if all(self.marks[i] & (Mark.COUNT | Mark.DISCOUNT) for i in own):
                continue
            now, counted, scale = self.price(key), self.counted(key), 1_000 if key[1] else 1
            unit = _UNIT_NAMES.index(key[1]) if key[1] else -1
            for least, price in self.rows[key]:
                if least * scale > max(scale, counted) and (now < 0 or price < now):
                    yield unit, least * scale - counted, key[0], now < 0
                    break

    def missing(self) -> Promise:
        """What brings the first price."""
        found = [(unit, missing) for unit, missing, _, first in self.lacking() if first]
        if not found:
            return (NO_PRICE if self.of else NO_ARTICLE, 0, -1)
        unit, missing = min(found)
        return MISSING_PIECES if unit < 0 else MISSING_MEASURE, missing, unit

    def further(self) -> tuple[str, Missing] | None:
        """The article that lacks least to a lower price, or to its first, and how much."""
        found = [(unit, missing, article.encode()) for unit, missing, article, _ in self.lacking()]
        if not found:
            return None
        unit, missing, article = min(found)
        kind, name = ("pieces", "") if unit < 0 else ("measure", _UNIT_NAMES[unit])
        return article.decode(), Missing(kind, missing, name, "")

    def promise(self, units: Ints) -> Ints:
        """What each unit costs."""
        by_line = np.full(len(self.lines), -1, np.int64)
        finer: list[tuple[int, list[int]]] = []
        for key, own in self.of.items():
            price = self.price(key)
            if price < 0:
                continue
            if key[1]:
                for i in own:
                    by_line[i] = self.minor(price * self.lines[i].measure, 1_000)
            elif price % self.micros == 0:
                by_line[own] = min(price // self.micros, TOTAL_MINOR_MAX)
            else:
                finer.append((price, own))
        found = by_line[units[:, 0]]
        for price, own in finer:
            for guarded in (False, True):
                alike = [i for i in own if bool(self.marks[i] & Mark.DISCOUNT) == guarded]
                some = np.flatnonzero(np.isin(units[:, 0], alike))
                costs = [self.minor(price * n, 1) for n in range(len(some) + 1)]
                found[some] = sorted((after - before for before, after in pairwise(costs)), reverse=True)
        return found

    def minor(self, micros: int, per: int) -> int:
        """In minor units, rounded; past all bounds of a basket it is dearer than anything."""
        return min(divide(micros, per * self.micros, self.rounding), TOTAL_MINOR_MAX)
