"""Rewards beside the plain ones: of other pieces, of fees, points and gifts, lists, the cashier's, tiers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Unpack

from dsl import ast
from dsl.diagnostics import Gaps, Span, found
from dsl.phrases import say, to_write
from dsl.values import exponent_of

if TYPE_CHECKING:
    from dsl.check_promotions import Promotions

FACTOR_MAX = 1_000  # times points: more is a slip of the pen
BENEFITS = (
    ast.FreeService,
    ast.OffFee,
    ast.FeePrice,
    ast.Gift,
    ast.TimesPoints,
    ast.FixedPoints,
    ast.NextCode,
)
NO_SAVING = (ast.TimesPoints, ast.FixedPoints, ast.NextCode)  # what they give is not taken off this basket
POINTS = (ast.TimesPoints, ast.FixedPoints)


def is_benefit(reward: ast.Reward) -> bool:
    """A benefit is granted beside prices; tiers are what their first tier is."""
    if isinstance(reward, ast.Tiers):
        return any(isinstance(tier.reward, BENEFITS) for tier in reward.tiers[:1])
    return isinstance(reward, BENEFITS)


def rewards_of(node: ast.Promotion) -> Iterator[ast.Reward]:
    """All that a promotion may give: by variants, by tiers."""
    for clause in node.clauses:
        given: Iterable[ast.Reward | None] = ()
        if isinstance(clause, ast.Get):
            given = (clause.reward,)
        elif isinstance(clause, ast.Variants):
            given = (arm.reward for arm in clause.arms)
        for reward in given:
            if isinstance(reward, ast.Tiers):
                yield from (tier.reward for tier in reward.tiers)
            elif reward is not None:
                yield reward


class Rewards:
    """Checks these rewards for `Promotions`, and adds what it finds."""

    def __init__(self, promotions: Promotions) -> None:
        self.promotions = promotions
        self.findings = promotions.findings
        self.project = promotions.project
        self.conditions = promotions.conditions

    def report(self, code: str, span: Span, **values: Unpack[Gaps]) -> None:
        """Add a finding."""
        self.findings.add(found(code, span, **values))

    def reward(self, node: ast.Promotion, get: ast.Get, buy: ast.Buy | None, *, bought: bool) -> None:
        """Any of them."""
        reward = get.reward
        if isinstance(reward, BENEFITS) or (isinstance(reward, ast.Tiers) and is_benefit(reward)):
            self.of_the_basket(get, buy)
        elif isinstance(reward, ast.OffPickOf | ast.BasketPrice | ast.PriceList | ast.Cashier | ast.Tiers):
            self.without_buy(get, buy)
        match reward:
            case ast.OffCount() | ast.PriceOfCount():
                self.of_others(reward, get, bought=bought)
            case ast.OffPickOf():
                self.off(reward.off)
                self.count(reward.count, reward.count_span)
                self.conditions.products(reward.of)
            case ast.BasketPrice():
                self.promotions.amount(reward.price, free=True)
            case ast.PriceList():
                name = ast.Name(reward.name.text, reward.name.span)
                if name.text not in self.project.price_lists:
                    self.price_list(name)
            case ast.Cashier():
                self.off(reward.at_most)
            case ast.OffFee() | ast.FeePrice():
                self.fee(reward)
            case ast.Tiers():
                self.tiers(node, reward, get)
            case _:
                self.benefit(reward, get)

    def benefit(self, reward: ast.Reward, get: ast.Get) -> None:
        """Gifts, points, next codes."""
        match reward:
            case ast.Gift():
                self.gift(reward)
            case ast.TimesPoints():
                self.times_points(reward, get)
            case ast.FixedPoints():
                if reward.points < 1:
                    self.report("P2007", reward.span, what=say("The number of points"), least=1)
            case ast.NextCode() if reward.codes.text not in self.project.codes:
                self.findings.unknown("P1007", reward.codes, self.project.codes, "codes")
            case _:
                pass

    def without_buy(self, get: ast.Get, buy: ast.Buy | None) -> None:
        """What is of no bought pieces has no `buy` beside it."""
        if buy is not None:
            self.report("P3014", get.span, count=buy.count, set=buy.of.text)

    def of_the_basket(self, get: ast.Get, buy: ast.Buy | None) -> None:
        """Benefits are granted for a basket, not for bought pieces."""
        if buy is not None:
            self.report("P3045", get.span, count=buy.count, set=buy.of.text)

    def off(self, off: ast.Percent | ast.Money) -> None:
        """A percentage or an amount."""
        if isinstance(off, ast.Percent):
            self.promotions.percent(off)
        else:
            self.promotions.amount(off)

    def count(self, count: int, span: Span) -> None:
        """At least one."""
        if count < 1:
            self.report("P2007", span, what=say("The number of pieces"), least=1)

    def of_others(self, reward: ast.OffCount | ast.PriceOfCount, get: ast.Get, *, bought: bool) -> None:
        """So many of a set, for what was bought."""
        self.count(reward.count, reward.count_span)
        self.conditions.products(reward.of)
        if isinstance(reward, ast.PriceOfCount):
            self.promotions.amount(reward.price, free=True)
        elif reward.off is not None:
            self.off(reward.off)
        if not bought:
            self.report("P3029", get.span, count=reward.count, set=reward.of.text)
        elif reward.fewer and reward.count == 1:
            self.report("P3030", reward.count_span)

    def price_list(self, name: ast.Name) -> None:
        """A price list that no `prices … from` names; a fix keeps the quotes."""
        lists = self.project.price_lists
        self.findings.unknown("P1024", name, lists, "prices", quoted=True)

    def fee(self, reward: ast.OffFee | ast.FeePrice) -> None:
        """The fee of a service of the schema."""
        if reward.service.text not in self.project.services:
            self.findings.unknown("P1010", reward.service, self.project.services, "schema")
        if isinstance(reward, ast.OffFee):
            self.off(reward.off)
        else:
            self.promotions.amount(reward.price, free=True)

    def gift(self, reward: ast.Gift) -> None:
        """So many of a set."""
        self.conditions.products(reward.of)
        if reward.count < 1:
            self.report("P2007", reward.count_span, what=say("The number of gifts"), least=1)
        if reward.price is not None:
            self.promotions.amount(reward.price)

    def times_points(self, reward: ast.TimesPoints, get: ast.Get) -> None:
        """More than once the base points, which the settings tell."""
        factor = reward.factor
        if reward.target.name is not None:
            self.conditions.products(reward.target.name)
        if factor.value <= 1:
            advice = say("once is what everybody gets")
            self.report("P2007", factor.span, what=say("«times points»"), least=Decimal("1.01"), advice=advice)
        elif factor.value > FACTOR_MAX:
            self.report("P0309", factor.span, why=say("at most {most}", most=FACTOR_MAX))
        elif -exponent_of(factor.value) > 2:
            what = say("A factor")
            self.report("P2005", factor.span, currency=what, digits=2, advice=to_write(f"{factor.value:.2f}"))
        settings = self.project.settings_lines
        if settings and not any(isinstance(line, ast.BasePoints) for line in settings):
            what = say("base points in the settings")
            self.findings.once(
                "P3024", "points", get.span, word="times points", what=what, write="points 1 per EUR 1.00"
            )

    # ------------------------------------------------------------------------------------------------ tiers

    def tiers(self, node: ast.Promotion, reward: ast.Tiers, get: ast.Get) -> None:
        """Starts of one kind that go up, rewards of one kind that grow."""
        if reward.target.name is not None:
            self.conditions.products(reward.target.name)
        if reward.by == "quantity" and reward.basis != "group":
            self.report("P3036", get.span, word=f"{reward.basis} discounts")
        if reward.stepwise and reward.by == "spend":
            self.report("P3037", get.span)
        for tier in reward.tiers:
            self.start(tier, reward)
            self.tier_reward(tier, reward)
        for before, tier in zip(reward.tiers, reward.tiers[1:], strict=False):
            if isinstance(before.reward, BENEFITS) != isinstance(tier.reward, BENEFITS):
                self.report("P3034", tier.span, line=before.span.line)
                break
            if not self.goes_up(before, tier):
                break
            if gives_less(before.reward, tier.reward):
                self.report("P3035", tier.span, name=node.name.text, line=before.span.line)

    def start(self, tier: ast.Tier, tiers: ast.Tiers) -> None:
        """Pieces or a measure of a quantity, an amount of a spend."""
        start = tier.start
        if isinstance(start, ast.Money) != (tiers.by == "spend"):
            is_this = say("this is an amount") if isinstance(start, ast.Money) else say("this is no amount")
            write = "from 6 get" if tiers.by == "quantity" else "from EUR 50.00 get"
            self.report("P2017", tier.span, word=f"by {tiers.by}", why=is_this, write=write)
            return
        match start:
            case ast.Money():
                self.promotions.amount(start)
            case ast.Measure():
                self.promotions.measure(start)
            case _:
                if start < 1:
                    self.report("P2007", tier.span, what=say("A tier's first piece"), least=1)

    def tier_reward(self, tier: ast.Tier, tiers: ast.Tiers) -> None:
        """Its amounts, and that it is of pieces where tiers go step by step."""
        reward = tier.reward
        if isinstance(reward, ast.FixedPrice | ast.AmountOffMeasure) and isinstance(tier.start, ast.Measure):
            self.promotions.same_kind(tier.start.unit, reward.per, tier.span)
        shared = isinstance(reward, BENEFITS)
        match reward:
            case ast.PercentOff():
                self.promotions.percent(reward.percent)
            case ast.AmountOff():
                self.promotions.amount(reward.amount)
                shared = reward.together
            case ast.AmountOffMeasure():
                self.promotions.amount(reward.amount, fine=True)
            case ast.FixedPrice():
                self.promotions.amount(reward.price, fine=bool(reward.per), free=True)
            case ast.Gift():
                self.gift(reward)
            case ast.FixedPoints() if reward.points < 1:
                self.report("P2007", reward.span, what=say("The number of points"), least=1)
            case _:
                pass
        if tiers.stepwise and tiers.by == "quantity" and shared:
            self.report("P3037", tier.span)

    def goes_up(self, before: ast.Tier, tier: ast.Tier) -> bool:
        """Does the second begin above the first? Starts of two kinds are told too."""
        first, second = before.start, tier.start
        if isinstance(first, ast.Money) and isinstance(second, ast.Money):
            low = {code: units for code, units, _ in first.parts}
            high = {code: units for code, units, _ in second.parts}
            if low.keys() != high.keys():
                self.report("P2014", tier.span)
                return False
            up = all(high[code] > units for code, units in low.items())
        elif isinstance(first, ast.Measure) and isinstance(second, ast.Measure):
            if first.unit != second.unit:
                self.one_unit(tier, first.unit)
                return False
            up = second.value > first.value
        elif isinstance(first, int) and isinstance(second, int):
            up = second > first
        else:
            if not isinstance(first, ast.Money) and not isinstance(second, ast.Money):
                self.one_unit(tier, first.unit if isinstance(first, ast.Measure) else "")
            return False
        if not up:
            self.report("P2016", tier.span, line=before.span.line)
        return up

    def one_unit(self, tier: ast.Tier, unit: str) -> None:
        """All tiers begin in the unit of the first."""
        why = say("the first tier counts in {unit}", unit=unit) if unit else say("the first tier counts pieces")
        self.report("P2017", tier.span, word="by quantity", why=why, write=f"from 6 {unit}".rstrip() + " get")


def gives_less(lower: ast.TierReward, higher: ast.TierReward) -> bool:
    """Does the higher tier give no more than the lower one? Only what can be compared without a basket."""
    match lower, higher:
        case ast.PercentOff(), ast.PercentOff():
            return higher.percent.value <= lower.percent.value
        case ast.AmountOff(), ast.AmountOff():
            return higher.together == lower.together and _compared(higher.amount, lower.amount)
        case ast.AmountOffMeasure(), ast.AmountOffMeasure():
            same = (lower.per, lower.hundreds) == (higher.per, higher.hundreds)
            return same and _compared(higher.amount, lower.amount)
        case ast.FixedPrice(), ast.FixedPrice():
            same = (lower.per, lower.hundreds) == (higher.per, higher.hundreds)
            return same and _compared(lower.price, higher.price)
        case ast.FixedPoints(), ast.FixedPoints():
            return higher.points <= lower.points
        case ast.Gift(), ast.Gift():
            return lower.of.text == higher.of.text and lower.price == higher.price and higher.count <= lower.count
        case _:
            return False


def _compared(less: ast.Money, more: ast.Money) -> bool:
    """Is the first no more than the second, in every currency that both have?"""
    known = {code: units for code, units, _ in more.parts}
    both = [(units, known[code]) for code, units, _ in less.parts if code in known]
    return bool(both) and all(a <= b for a, b in both)
