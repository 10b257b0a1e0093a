"""What could be added to get more (law 9): counted here in its own way, and tried by deciding once more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from engine.basket import UNITS, BadRequest, BasketLine, Request
from engine.decision import Added, Decision, Missing, NextStep, PromotionResult, Reason
from engine.program import (
    All,
    Any_,
    Condition,
    Member,
    None_,
    PricesFrom,
    PriceTogether,
    Promotion,
    Tiers,
    Type,
    Variants,
)
from tests.oracle.conditions import Judge
from tests.oracle.eligible import arm_of
from tests.oracle.price_lists import further
from tests.oracle.resolve import Basket, Line, article_facts, micros_per_minor
from tests.oracle.rewards import roles_of, with_reward
from tests.oracle.ruleset import cell

Lack = tuple[Missing, bool, str]
TRIES_MAX = 64
ROUNDS_MAX = 3


class Steps:
    """The steps of one basket."""

    def __init__(self, basket: Basket, judge: Judge, decision: Decision, decide: Callable[[Request], Decision]) -> None:
        self.basket = basket
        self.judge = judge
        self.decision = decision
        self.decide = decide
        self.tried: dict[str, Decision | None] = {}

    def best(self, results: Mapping[str, PromotionResult]) -> tuple[NextStep, ...]:
        """Of these promotions' steps those that save most."""
        steps: list[NextStep] = []
        for name in sorted(results):
            promotion = self.basket.ruleset.promotions[name]
            if isinstance(promotion.reward, Variants):
                arm = arm_of(self.basket, name, promotion.reward)
                if arm is None or arm.reward is None:
                    continue
                promotion = with_reward(promotion, arm.reward)
            lacks = self.lacks(promotion, results[name])
            if lacks:
                steps += self.step(promotion, results[name], lacks)
        told: list[NextStep] = []
        for step in sorted(steps, key=_worth):
            if all(step.added != other.added for other in told):
                told.append(step)
        return tuple(told[: self.basket.request.next_steps])

    def lines_of(self, promotion: Promotion, products: str | None) -> list[Line]:
        def left_out(line: Line) -> bool:
            return bool({"discount", "count"} & line.marks or line.gift) or any(
                self.judge.in_products(name, line) is True for name in promotion.except_
            )

        return [
            line
            for line in self.basket.lines
            if not left_out(line) and (products is None or self.judge.in_products(products, line) is True)
        ]

    def lacks(self, promotion: Promotion, result: PromotionResult) -> list[Lack]:
        """What is missing, whether it must be of one article, and of which."""
        reward = promotion.reward
        if isinstance(reward, PricesFrom) and result.reason in {Reason.APPLIED, Reason.QUANTITY, Reason.NO_SAVING}:
            nearest = further(self.basket, self.judge, promotion, reward)[:1]
            return [(missing, False, article) for missing, article in nearest]
        if result.reason not in {Reason.APPLIED, Reason.QUANTITY, Reason.CONDITION}:
            return []
        one_article = isinstance(promotion.reward, Tiers) and promotion.reward.one_article
        if result.reason == Reason.APPLIED and result.next_tier:
            return [(result.next_tier, one_article, "")]
        found: list[Lack] = []
        if result.reason != Reason.CONDITION and self.counts(promotion, result):
            for role in roles_of(promotion):
                have: Counter[str] = Counter()
                if role.measure:
                    dimension = UNITS[role.unit][0]
                    mine = [one for one in self.lines_of(promotion, role.products) if one.dimension == dimension]
                    there = sum(line.request.measure * UNITS[line.request.unit][1] for line in mine)
                    short = role.measure * (result.applications + 1) - there
                    if short > 0:
                        amount = -(-short // UNITS[role.unit][1])
                        found.append((Missing("measure", amount, role.unit, role.products or ""), False, ""))
                    continue
                for line in self.lines_of(promotion, role.products):
                    have[line.request.article if role.one_article else ""] += max(1, line.request.quantity)
                wanted = role.n * result.applications + (1 if role.fewer else role.n)
                short = wanted - max(have.values(), default=0)
                if short > 0:
                    found.append((Missing("pieces", short, "", role.products or ""), role.one_article, ""))
        if found or result.reason == Reason.APPLIED or result.missing is None:
            return found
        return [(result.missing, one_article, "")]

    def counts(self, promotion: Promotion, result: PromotionResult) -> bool:
        """Whether it has applications that take so many of something."""
        reward = promotion.reward
        if isinstance(reward, PriceTogether) and reward.singles:
            return False
        rewarded = getattr(getattr(reward, "target", None), "kind", "") == "count"
        return promotion.buy is not None or (rewarded and not result.applications)

    def step(self, promotion: Promotion, before: PromotionResult, lacks: list[Lack]) -> Sequence[NextStep]:
        """The step, if it is one."""
        for _ in range(ROUNDS_MAX):
            used = {line.request.id for line in self.basket.lines}
            ids = [f"+{n}" for n in range(len(used) + len(lacks)) if f"+{n}" not in used]
            more = [
                self.addition(promotion, missing, alike, article, name)
                for (missing, alike, article), name in zip(lacks, ids, strict=False)
            ]
            if None in more:
                return ()
            lines = tuple(line for line in more if line is not None)
            then = self.with_more(lines)
            if then is None:
                return ()
            after = next(result for result in then.promotions if result.name == promotion.name)
            higher = after.applications > before.applications or after.tier > before.tier
            if isinstance(promotion.reward, PricesFrom) and lacks[0][2]:
                higher = after.saving > before.saving
            if after.reason == Reason.APPLIED and higher:
                more_saved = saved(then) - saved(self.decision)
                if more_saved <= 0:
                    return ()
                goods = tuple(Added(line.article, line.quantity, line.measure, line.unit) for line in lines)
                paid = then.totals.payable - self.decision.totals.payable
                return (NextStep(promotion.name, tuple(missing for missing, *_ in lacks), goods, more_saved, paid),)
            amount, short = lacks[0][0], after.next_tier if before.tier else after.missing
            if amount.kind != "amount" or short is None or short.kind != "amount":
                return ()
            lacks = [(replace(amount, value=amount.value + short.value), *lacks[0][1:])]
        return ()

    def with_more(self, lines: tuple[BasketLine, ...]) -> Decision | None:
        """What is decided then; each addition counts once, and only so many are looked at."""
        what = repr([replace(line, id="", attributes={}, tax_rate=None) for line in lines])
        if what not in self.tried:
            if len(self.tried) == TRIES_MAX:
                return None
            request = self.basket.request
            try:
                self.tried[what] = self.decide(replace(request, lines=request.lines + lines, next_steps=0))
            except BadRequest:
                self.tried[what] = None
        return self.tried[what]

    def addition(
        self, promotion: Promotion, missing: Missing, alike: bool, article: str, name: str
    ) -> BasketLine | None:
        """The line that brings what is missing."""
        lines = sorted(
            self.lines_of(promotion, missing.products or None),
            key=lambda line: (line.price, line.request.article, line.request.id),
        )
        if article:
            lines = [line for line in lines if line.request.article == article]
        if alike:
            have: Counter[str] = Counter()
            for line in lines:
                many = {"measure": line.request.measure, "amount": line.request.quantity * line.price}
                have[line.request.article] += many.get(missing.kind, line.request.quantity)
            lines = [line for line in lines if have[line.request.article] == max(have.values())]
        if missing.kind == "measure":
            for line in lines:
                if line.request.unit == missing.unit:
                    return replace(line.request, id=name, measure=missing.value)
            return None
        lines = [line for line in lines if not line.request.measure]
        if missing.kind == "amount":
            due = missing.value * micros_per_minor(self.basket.request.currency)
            counts = [(-(-due // line.price), line) for line in lines if line.price]
            for count, line in sorted(counts, key=lambda one: one[0] * one[1].price):
                return replace(line.request, id=name, quantity=count)
            return None
        if missing.kind != "pieces":
            return None
        if lines:
            return replace(lines[0].request, id=name, quantity=missing.value)
        other = self.cheapest(missing.products) if missing.products else ""
        return BasketLine(name, other, missing.value) if other else None

    def cheapest(self, products: str) -> str:
        """Of the catalogue's articles of a set the one with the lowest price; "": the set may ask for prices, or none
        has one."""
        ruleset, currency = self.basket.ruleset, self.basket.request.currency
        if self.asks_for_money(products):
            return ""
        priced = []
        for row, article in enumerate(ruleset.catalogue.articles):
            prices = [c for c in ruleset.catalogue.columns if (c.name, c.currency) == ("price", currency)]
            price = cell(prices[0], row) if prices else None
            facts = article_facts(ruleset, currency, article, {}, "")
            if isinstance(price, int) and self.judge.in_products(products, Line(BasketLine("", article), 0, 0, facts)):
                priced.append((price, article))
        return min(priced)[1] if priced else ""

    def asks_for_money(self, products: str) -> bool:
        """For the price of a line, or where there are several currencies for any money."""
        ruleset = self.basket.ruleset
        several = len(ruleset.settings.currencies) > 1

        def asks(node: Condition) -> bool:
            if isinstance(node, All | Any_ | None_):
                return any(asks(part) for part in node.of)
            if isinstance(node, Member):
                return self.asks_for_money(node.name)
            name = getattr(node, "attribute", "")
            money = name in ruleset.attributes and ruleset.attributes[name].type is Type.MONEY
            return name == "item.price" or (several and money)

        return any(asks(line.condition) for line in ruleset.products[products].lines)


def _worth(step: NextStep) -> tuple[int, int, str]:
    return -step.saving, step.payable, step.promotion


def saved(decision: Decision) -> int:
    """Of goods and fees."""
    return decision.totals.saving + sum(fee.list - fee.net for fee in decision.fees)
