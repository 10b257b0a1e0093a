"""Gifts: which of the chosen pieces a promotion gives, at which saving; and what there is to choose from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from engine.articles import Article, article_column
from engine.decision import GiftResult
from engine.floors import room
from engine.image import Ruleset
from engine.instructions import FALSE, FLOOR_SHIFT, TRUE, Kind, Mark
from engine.kernel import Buffer, Ints, Table, kernel
from engine.layout import Q_CHOSEN, Q_UNIT_LINE, R_AMOUNT, R_NUMBER, T_CAP, T_TERM, amount_of, at, cell, its, size
from engine.money import micros_per_minor
from engine.prorate import prorate
from engine.sets import PRICE, Evaluator, Values, int_values

CHOICES_MAX = 100  # articles that are named to choose from


@kernel
def chosen_gifts(rules: Buffer, q: Buffer, term: int) -> Ints:
    """The pieces chosen as gifts of a reward, dearest first, as many as it gives."""
    chosen = np.zeros(size(q, Q_UNIT_LINE) + 1, np.uint8)  # by line
    for i in range(size(q, Q_CHOSEN) // 2):
        if cell(q, Q_CHOSEN, 2, i, 1) == term:
            chosen[cell(q, Q_CHOSEN, 2, i, 0)] = 1
    found = np.empty(size(q, Q_UNIT_LINE), np.int64)
    count = 0
    for u in range(found.shape[0]):
        if chosen[at(q, Q_UNIT_LINE, u)] and count < its(rules, R_NUMBER, term):
            found[count] = u
            count += 1
    return found[:count]


@kernel
def gift_savings(rules: Buffer, q: Buffer, table: Table, row: int, units: Ints, left: Ints) -> Ints:
    """What each gift saves: down to the price of a gift, capped together."""
    term, cap = table[T_TERM, row], table[T_CAP, row]
    price = amount_of(rules, q, its(rules, R_AMOUNT, term)) if its(rules, R_AMOUNT, term) >= 0 else 0
    savings = np.empty(units.shape[0], np.int64)
    for i in range(units.shape[0]):
        savings[i] = max(0, min(room(q, units[i], left[units[i]]), left[units[i]] - price))
    if 0 <= cap < savings.sum():
        weights = savings.copy()
        prorate(q, cap, units, weights, savings)
    return savings


def gift_results(
    ruleset: Ruleset,
    currency: str,
    columns: Mapping[str, Ints],
    lines: Sequence[str],
    applied: Iterable[tuple[int, int, Ints]],
) -> tuple[GiftResult, ...]:
    """Gifts by promotion: given, then still offered. `applied`: promotion, the reward row that held, units given."""
    rules, found = ruleset.rules, []
    for promotion, term, units in applied:
        if rules.kind[term] != Kind.GIFT:
            continue
        name, products = ruleset.promotion_names[promotion], ruleset.set_names[int(rules.choice[term])]
        row = int(rules.amount[term])
        price = int(rules.amounts[row, ruleset.currencies.index(currency)]) if row >= 0 else 0
        if len(units):
            given = sorted({lines[line] for line in columns["unit_line"][units].tolist()}, key=str.encode)
            found.append(GiftResult(name, True, len(units), products, price, lines=tuple(given)))
        rest = int(rules.number[term]) - len(units)
        if rest:
            left_out = [
                ruleset.set_names[s] for s in rules.excepted[rules.except_begin[term] : rules.except_begin[term + 1]]
            ]
            articles = choices(ruleset, currency, products, price, left_out)
            found.append(GiftResult(name, False, rest, products, price, articles=articles))
    return tuple(found)


def choices(ruleset: Ruleset, currency: str, products: str, price: int, left_out: Iterable[str]) -> tuple[str, ...]:
    """The first articles of the catalogue that may be chosen from a set, at a price each."""
    key = (currency, products, str(price), *left_out)
    if key not in ruleset.choices:
        members = _Members(ruleset, currency)
        rows = members.of(products) & ~members.undiscounted() & ~members.dearer(price)
        for other in left_out:
            rows &= ~members.of(other)
        ids = ruleset.catalogue.index.texts
        ruleset.choices[key] = tuple(ids[row] for row in np.flatnonzero(rows)[:CHOICES_MAX].tolist())
    return ruleset.choices[key]


class _Members:
    """Which articles of the catalogue are in a set, as far as it tells."""

    def __init__(self, ruleset: Ruleset, currency: str) -> None:
        self.ruleset = ruleset
        self.currency = currency
        self.count = len(ruleset.catalogue.index)
        self.columns: dict[str, Values] = {}
        micros = micros_per_minor(currency)
        self.judge = Evaluator(self.count, self.column, ruleset.sets, currency, micros)

    def of(self, name: str) -> npt.NDArray[np.bool_]:
        """Those that are in a set for sure."""
        ruleset = self.ruleset
        if name in ruleset.dynamic_sets:
            return self.judge.member(name) == TRUE
        places = np.flatnonzero(ruleset.posting == ruleset.set_index[name])
        rows = np.zeros(self.count, np.bool_)
        rows[np.searchsorted(ruleset.posting_begin, places, side="right") - 1] = True
        return rows

    def undiscounted(self) -> npt.NDArray[np.bool_]:
        """Those that guards keep from any discount."""
        rows = (self.ruleset.marks & int(Mark.DISCOUNT)) != 0
        for mark, names in self.ruleset.guards:
            for name in names if mark & Mark.DISCOUNT else ():
                if name in self.ruleset.dynamic_sets:
                    rows = rows | (self.judge.member(name) != FALSE)
        return rows

    def dearer(self, price: int) -> npt.NDArray[np.bool_]:
        """Those that floors keep above a price, and those whose floor is not known."""
        ruleset, rows = self.ruleset, np.zeros(self.count, np.bool_)
        most = price * micros_per_minor(self.currency)
        for number, attribute in enumerate(ruleset.floors):
            within = (ruleset.marks >> (FLOOR_SHIFT + number) & 1) != 0
            for mark, names in ruleset.guards:
                for name in names if mark >> FLOOR_SHIFT == 1 << number else ():
                    if name in ruleset.dynamic_sets:
                        within = within | (self.judge.member(name) != FALSE)
            values = self.column(attribute)
            rows |= within & ~(values.known & (values.numbers <= most))
        return rows

    def column(self, attribute: str) -> Values:
        """An attribute of all articles."""
        if attribute not in self.columns:
            catalogue = self.ruleset.catalogue
            if attribute == PRICE:
                prices = [catalogue.cell(row, "price", self.currency) for row in range(self.count)]
                self.columns[attribute] = int_values([price if isinstance(price, int) else None for price in prices])
            else:
                articles = [Article(name, row, {}, "") for name, row in catalogue.index.items()]
                self.columns[attribute] = article_column(self.ruleset, attribute, articles, self.currency)
        return self.columns[attribute]
