"""Price lists: what the units of a basket cost by the lists that promotions give (docs/semantics.md 6).

A list's price is final, and hangs on how much of the article is in the basket, so it is looked up once for each request
and promotion; kernels then read it unit by unit.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.basket import TOTAL_MINOR_MAX, BasketLine
from engine.image import PriceTable, Ruleset
from engine.instructions import UNITS, Mark
from engine.layout import NO_ARTICLE, NO_PRICE
from engine.match import MISSING_MEASURE, MISSING_PIECES
from engine.money import divide, micros_per_minor

Ints = npt.NDArray[np.int64]
Key = tuple[str, str]  # an article in one unit of measure; "": its pieces
Promise = tuple[int, int, int]  # see layout.NO_PRICE

_UNIT_NAMES = [name for name, _, _ in UNITS]


def on_lists(ruleset: Ruleset, articles: Sequence[str]) -> list[list[int]]:
    """For each article the price lists that name it, ascending; nothing at all where there are no lists."""
    if not ruleset.price_lists:
        return []
    return [
        [number for number, table in enumerate(ruleset.price_lists) if article in table.index] for article in articles
    ]


def price_promises(
    ruleset: Ruleset,
    lines: Sequence[BasketLine],
    sets: Sequence[Sequence[int]],
    marks: Sequence[int],
    units: Ints,
    currency: str,
    day: int,
) -> tuple[Ints, Ints]:
    """The columns «promises» and «promise» of engine/layout.py."""
    if not ruleset.list_rewards:
        return np.zeros((0, 4), np.int64), np.zeros(0, np.int64)
    rules, first_list = ruleset.rules, len(ruleset.set_names)
    of_line = [set(own) for own in sets]
    on_any = {number for own in sets for number in own[::-1] if number >= first_list}
    begins: dict[tuple[int, frozenset[int]], tuple[int, Promise]] = {}
    rows: list[tuple[int, ...]] = []
    columns: list[Ints] = []
    for row, number in ruleset.list_rewards:
        if first_list + number not in on_any:
            rows.append((-1, NO_ARTICLE, 0, -1))
            continue
        excepted = frozenset(rules.excepted[rules.except_begin[row] : rules.except_begin[row + 1]].tolist())
        if (number, excepted) not in begins:
            mine = [i for i, own in enumerate(of_line) if first_list + number in own and not own & excepted]
            basket = _Listed(ruleset, ruleset.price_lists[number], lines, marks, units, currency, day, mine)
            begins[number, excepted] = len(columns) * len(units), basket.missing()
            columns.append(basket.promise())
        begin, missing = begins[number, excepted]
        rows.append((begin, *missing))
    promise = np.concatenate([np.zeros(0, np.int64), *columns])
    return np.array(rows, np.int64).reshape(-1, 4), promise


class _Listed:
    """The lines of a basket that one price list may price for a promotion: guarded ones too, for the reasons."""

    def __init__(
        self,
        ruleset: Ruleset,
        table: PriceTable,
        lines: Sequence[BasketLine],
        marks: Sequence[int],
        units: Ints,
        currency: str,
        day: int,
        mine: Sequence[int],
    ) -> None:
        self.lines, self.marks, self.units = lines, marks, units
        self.rounding: Any = ruleset.settings.rounding
        self.micros = micros_per_minor(currency)
        self.of: dict[Key, list[int]] = {}  # the lines of each article
        for i in mine:
            self.of.setdefault((lines[i].article, lines[i].unit), []).append(i)
        of_currency = ruleset.currencies.index(currency)
        self.rows = {key: table.rows_of(key[0], day, of_currency) for key in self.of}

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

    def missing(self) -> Promise:
        """What brings the first price."""
        found = []
        for key, own in self.of.items():
            counted, scale = self.counted(key), 1_000 if key[1] else 1
            free = [i for i in own if not self.marks[i] & (Mark.COUNT | Mark.DISCOUNT)]
            if free and self.rows[key] and self.price(key) < 0:
                kind, unit = (MISSING_MEASURE, _UNIT_NAMES.index(key[1])) if key[1] else (MISSING_PIECES, -1)
                found.append((unit, self.rows[key][0][0] * scale - counted, kind))
        if not found:
            return (NO_PRICE if self.of else NO_ARTICLE, 0, -1)
        unit, missing, kind = min(found)
        return kind, missing, unit

    def promise(self) -> Ints:
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
        found = by_line[self.units[:, 0]]
        for price, own in finer:
            for guarded in (False, True):
                alike = [i for i in own if bool(self.marks[i] & Mark.DISCOUNT) == guarded]
                some = np.flatnonzero(np.isin(self.units[:, 0], alike))
                costs = [self.minor(price * n, 1) for n in range(len(some) + 1)]
                found[some] = sorted((after - before for before, after in pairwise(costs)), reverse=True)
        return found

    def minor(self, micros: int, per: int) -> int:
        """In minor units, rounded; past all bounds of a basket it is dearer than anything."""
        return min(divide(micros, per * self.micros, self.rounding), TOTAL_MINOR_MAX)
