"""What a shopper could add to get more: the cheapest step to each promotion that lacks something, tried.

A step is found by counting and proven by deciding: the basket is decided once more with what would be added, by the
same door (engine/decide.py). docs/semantics.md 9 says what is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from engine.basket import BadRequest, BasketLine, Request
from engine.decision import Added, Decision, Missing, NextStep, PromotionResult, Reason
from engine.image import Ruleset
from engine.instructions import UNITS, Each, Kind, Mark, Role, Terms
from engine.money import micros_per_minor
from engine.price_lists import Listed
from engine.resolve import Resolved

TRIES_MAX = 64  # different additions, in the order of the promotions' names
ROUNDS_MAX = 3  # as what is added may itself be reduced, an amount may fall short
_LEFT_OUT = Mark.DISCOUNT | Mark.COUNT | Mark.CHOSEN  # a gift stays a gift
_REASONS = (Reason.APPLIED, Reason.QUANTITY, Reason.CONDITION)


class Lack(NamedTuple):
    """What is missing; whether of one article, and of which."""

    missing: Missing
    one_article: bool = False
    article: str = ""  # by a price list


def next_steps(
    ruleset: Ruleset,
    request: Request,
    resolved: Resolved,
    touching: Mapping[int, int],
    decision: Decision,
    decide: Callable[[Request], Decision],
) -> tuple[NextStep, ...]:
    """The steps that save most, the largest saving first, of equal ones the cheapest, then by promotion.

    `touching`: by promotion that touches the basket the reward row that holds."""
    basket = _Basket(ruleset, request, resolved)
    tries = _Tries(request, decide)
    results = {result.name: result for result in decision.promotions}
    found = []
    for p, term in touching.items():
        result = results[ruleset.promotion_names[p]]
        lacks = basket.lacks(p, term, result)
        step = _step(basket, term, lacks, result, decision, tries) if lacks else None
        found += [step] if step else []
    found.sort(key=lambda step: (-step.saving, step.payable, step.promotion.encode()))
    first = {step.added: step for step in reversed(found)}  # what several promotions want is told once
    return tuple(step for step in found if first[step.added] is step)[: request.next_steps]


def saved(decision: Decision) -> int:
    """On goods and fees."""
    return decision.totals.saving + sum(fee.list - fee.net for fee in decision.fees)


class _Tries:
    """What the basket would get with more lines; each addition is decided once, and at most so many are."""

    def __init__(self, request: Request, decide: Callable[[Request], Decision]) -> None:
        self.request = request
        self.decide = decide
        self.known: dict[tuple[Any, ...], Decision | None] = {}

    def decision(self, more: tuple[BasketLine, ...]) -> Decision | None:
        """None: the basket would be out of bounds, or too much was tried."""
        key = tuple((line.article, line.quantity, line.measure, line.unit, line.price_micros) for line in more)
        if key not in self.known and len(self.known) < TRIES_MAX:
            try:
                self.known[key] = self.decide(replace(self.request, lines=self.request.lines + more, next_steps=0))
            except BadRequest:
                self.known[key] = None
        return self.known.get(key)


def _step(
    basket: _Basket, p: int, lacks: list[Lack], before: PromotionResult, now: Decision, tries: _Tries
) -> NextStep | None:
    """The step, if with it the promotion applies (once more) and the basket saves more."""
    for _ in range(ROUNDS_MAX):
        more = basket.additions(p, lacks)
        then = tries.decision(more) if more else None
        if more is None or then is None:
            return None
        after = next(result for result in then.promotions if result.name == before.name)
        higher = (after.applications, after.tier) > (before.applications, before.tier)
        if lacks[0].article:
            higher = after.saving > before.saving
        if after.reason is Reason.APPLIED and higher:
            if saved(then) <= saved(now):
                return None
            added = tuple(Added(line.article, line.quantity, line.measure, line.unit) for line in more)
            return NextStep(
                before.name,
                tuple(lack.missing for lack in lacks),
                added,
                saved(then) - saved(now),
                then.totals.payable - now.totals.payable,
            )
        short = after.next_tier if before.tier else after.missing
        amount = lacks[0].missing
        if not short or short.kind != "amount" or amount.kind != "amount":
            return None
        lacks = [lacks[0]._replace(missing=replace(amount, value=amount.value + short.value))]
    return None


class _Basket:
    """What is there, by line, and what could be added."""

    def __init__(self, ruleset: Ruleset, request: Request, resolved: Resolved) -> None:
        self.ruleset = ruleset
        self.request = request
        columns = resolved.columns
        self.lines = resolved.lines
        begin, sets = columns["set_begin"].tolist(), columns["sets"].tolist()
        self.sets = [set(sets[begin[i] : begin[i + 1]]) for i in range(len(self.lines))]
        self.article = columns["line_article"].tolist()
        marks: list[int] = columns["line_marks"].tolist()
        self.left_out = [bool(own & _LEFT_OUT) for own in marks]
        self.listed = Listed(ruleset, self.lines, self.sets, marks, request.currency, resolved.day)
        self.price = [0] * len(self.lines)  # micros of one piece or unit of measure
        for line, price in zip(columns["unit_line"].tolist(), columns["unit_price"].tolist(), strict=True):
            self.price[line] = price

    def lines_of(self, p: int, of: int) -> list[int]:
        """The lines of a set (-1: any) that neither guards nor the promotion's `except` leave out."""
        rules = self.ruleset.rules
        excepted = set(rules.excepted[int(rules.except_begin[p]) : int(rules.except_begin[p + 1])].tolist())
        return [
            i
            for i, sets in enumerate(self.sets)
            if (of < 0 or of in sets) and not self.left_out[i] and not sets & excepted
        ]

    # ---------- what is missing ----------

    def lacks(self, p: int, term: int, result: PromotionResult) -> list[Lack]:
        """What a promotion lacks to apply, to reach its next tier or its list's next price, or a buy once more."""
        rules = self.ruleset.rules
        if int(rules.kind[term]) == Kind.PRICE_LIST and result.reason in (*_REASONS[:2], Reason.NO_SAVING):
            found = self.listed.further(term)
            return [Lack(found[1], article=found[0])] if found else []
        if result.reason not in _REASONS:
            return []
        tiers = int(rules.terms_by[p]) not in (Terms.ONE, Terms.DRAWN)
        one_article = tiers and bool(int(rules.each[p]) & Each.ARTICLE)
        if result.next_tier and result.reason is Reason.APPLIED:
            return [Lack(result.next_tier, one_article)]
        counted = [] if result.reason is Reason.CONDITION else list(self.of_roles(term, result))
        if counted or result.reason is Reason.APPLIED or result.missing is None:
            return counted
        return [Lack(result.missing, one_article)]

    def of_roles(self, p: int, result: PromotionResult) -> Iterator[Lack]:
        """By role: how many pieces of its set one more application takes than there are."""
        rules = self.ruleset.rules
        if int(rules.kind[p]) == Kind.PRICE_SINGLES or (result.applications and not int(rules.buy[p])):
            return
        rows = slice(int(rules.role_begin[p]), int(rules.role_begin[p + 1]))
        for (of, count, bits, _), (measure, dimension, unit) in zip(
            rules.roles[rows].tolist(), rules.by_measure[rows].tolist(), strict=True
        ):
            if measure:
                name, factor = UNITS[unit][0], UNITS[unit][2]
                lacking = measure * (result.applications + 1) - self.measured(p, of, dimension)
                if lacking > 0:
                    yield Lack(Missing("measure", -(-lacking // factor), name, self.ruleset.set_names[of]))
                continue
            counts: Counter[int] = Counter()
            for i in self.lines_of(p, of):
                counts[self.article[i] if bits & Role.ONE_ARTICLE else -1] += self.lines[i].quantity or 1
            last = 1 if bits & Role.FEWER_TOO else count
            lacking = count * result.applications + last - max(counts.values(), default=0)
            if lacking > 0:
                name = self.ruleset.set_names[of] if of >= 0 else ""
                yield Lack(Missing("pieces", lacking, "", name), bool(bits & Role.ONE_ARTICLE))

    def measured(self, p: int, of: int, dimension: int) -> int:
        """How much there is of a set, in thousandths of the dimension's smallest unit."""
        found = 0
        for i in self.lines_of(p, of):
            rows = [row for row in UNITS if row[0] == self.lines[i].unit and row[1] == dimension]
            found += sum(self.lines[i].measure * factor for _, _, factor in rows)
        return found

    # ---------- what is added ----------

    def additions(self, p: int, lacks: Sequence[Lack]) -> tuple[BasketLine, ...] | None:
        """Lines that bring what is missing: more of what the basket has, else the cheapest of the catalogue."""
        taken = {line.id for line in self.lines}
        ids = [one for one in (f"+{n}" for n in range(len(taken) + len(lacks))) if one not in taken]
        more = [self.addition(p, lack, name) for lack, name in zip(lacks, ids, strict=False)]
        added = tuple(line for line in more if line is not None)
        return added if len(added) == len(lacks) else None

    def addition(self, p: int, lack: Lack, name: str) -> BasketLine | None:
        """One line of it."""
        missing = lack.missing
        of = self.ruleset.set_index.place(missing.products)
        mine = self.lines_of(p, of)
        if lack.article:
            mine = [i for i in mine if self.lines[i].article == lack.article]
        if lack.one_article:
            mine = self.of_most(mine, missing.kind)
        if missing.kind == "measure":
            alike = [i for i in mine if self.lines[i].unit == missing.unit]
            measured = min(alike, key=self.cheapest, default=None)
            return None if measured is None else replace(self.lines[measured], id=name, measure=missing.value)
        pieces = [i for i in mine if not self.lines[i].measure]
        if missing.kind == "amount":
            return self.worth(missing.value, [i for i in pieces if self.price[i] > 0], name)
        if missing.kind != "pieces":
            return None
        best = min(pieces, key=self.cheapest, default=None)
        if best is not None:
            return replace(self.lines[best], id=name, quantity=missing.value)
        article = self.of_catalogue(of) if of >= 0 else ""
        return BasketLine(name, article, missing.value) if article else None

    def of_most(self, mine: list[int], kind: str) -> list[int]:
        """Those of the article with most: pieces, measure or worth."""
        counts: Counter[int] = Counter()
        for i in mine:
            line = self.lines[i]
            count = line.measure if kind == "measure" else line.quantity
            counts[self.article[i]] += count * self.price[i] if kind == "amount" else count
        return [i for i in mine if counts[self.article[i]] == max(counts.values())]

    def cheapest(self, i: int) -> tuple[int, str, str]:
        return self.price[i], self.lines[i].article, self.lines[i].id

    def worth(self, amount: int, pieces: Sequence[int], name: str) -> BasketLine | None:
        """As many pieces of one article as are worth an amount, of that which costs least in all."""
        due = amount * micros_per_minor(self.request.currency)
        counted = [(-(-due // self.price[i]), i) for i in pieces]
        best = min(counted, key=lambda one: (one[0] * self.price[one[1]], *self.cheapest(one[1])), default=None)
        return None if best is None else replace(self.lines[best[1]], id=name, quantity=best[0])

    def of_catalogue(self, of: int) -> str:
        """The cheapest article of a set whose price the catalogue knows; ""."""
        ruleset = self.ruleset
        prices = ruleset.catalogue.columns.get(("price", self.request.currency))
        if prices is None:
            return ""
        rows = np.searchsorted(ruleset.posting_begin, np.flatnonzero(ruleset.posting == of), side="right") - 1
        rows = rows[prices.known[rows]]
        if not len(rows):
            return ""
        row = int(rows[np.argmin(prices.numbers[rows])])  # the first of equals: articles ascend
        return ruleset.catalogue.index.texts[row]
