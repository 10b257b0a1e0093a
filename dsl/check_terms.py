"""Lines about a promotion as a whole: variants, exclusive, not with, who pays, what may be advertised, the cashier."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Unpack

from dsl import ast
from dsl.check_rewards import is_benefit, rewards_of
from dsl.clauses import clauses, first
from dsl.diagnostics import Gaps, Span, found
from dsl.phrases import Phrase, say

if TYPE_CHECKING:
    from dsl.check_promotions import Promotions

HUNDRED = Decimal(100)
ONE_APPLIES = ("best", "first")  # modes of a group in which one promotion of a basket applies
SHARED = (ast.PriceTogether, ast.BasketPrice, ast.Cashier)  # price rewards that are of no single piece


class Terms:
    """Checks these lines for `Promotions`, and adds what it finds."""

    def __init__(self, promotions: Promotions) -> None:
        self.promotions = promotions
        self.findings = promotions.findings
        self.project = promotions.project

    def report(self, code: str, span: Span, **values: Unpack[Gaps]) -> None:
        """Add a finding."""
        self.findings.add(found(code, span, **values))

    def promotion(self, node: ast.Promotion, group: ast.Group | None) -> None:
        """All of one promotion."""
        for clause in node.clauses:
            match clause:
                case ast.Variants():
                    self.variants(clause)
                case ast.NotWith():
                    self.not_with(clause, node, group)
                case ast.Funded():
                    self.funded(clause)
                case ast.WithReason():
                    self.findings.twice(clause.reasons)
                case ast.Limit(scope="article"):
                    self.per_article(clause, node)
                case ast.Limit(saving=ast.Money()) if not node.broken:
                    self.saves(clause, node)
                case _:
                    pass
        if not node.broken:
            self.fit(node, group)

    def fit(self, node: ast.Promotion, group: ast.Group | None) -> None:
        """Lines that need another line."""
        rewards = tuple(rewards_of(node))
        if not rewards:
            return
        cashier = any(isinstance(reward, ast.Cashier) for reward in rewards)
        reasons, exclusive = first(node, ast.WithReason), first(node, ast.Exclusive)
        advertised, get = first(node, ast.Advertised), first(node, ast.Get)
        if cashier and reasons is None:
            self.report("P3031", get.span if get else node.name.span)
        if reasons is not None and not cashier:
            self.report("P3032", reasons.span)
        if advertised is not None and all(is_benefit(reward) or isinstance(reward, ast.Cashier) for reward in rewards):
            self.report("P3042", advertised.span)
        if exclusive is not None and gives(group) == "benefits":
            self.report("P3041", exclusive.span)

    # ------------------------------------------------------------------------------------------------ variants

    def variants(self, clause: ast.Variants) -> None:
        """Arms of different names that add up to all."""
        for arm in clause.arms:
            self.promotions.percent(arm.share)
        names = [arm.name or ast.Name("control", arm.span) for arm in clause.arms]
        self.findings.twice(names)
        total = sum((arm.share.value for arm in clause.arms), Decimal(0))
        if total != HUNDRED:
            self.report("P2018", clause.span, size=total)
        elif len(clause.arms) < 2:
            self.report("P3038", clause.span)

    # ------------------------------------------------------------------------------------------------ not with

    def not_with(self, clause: ast.NotWith, node: ast.Promotion, group: ast.Group | None) -> None:
        """Promotions that exist and could meet this one."""
        self.findings.twice(clause.names)
        for name in clause.names:
            if name.text == node.name.text:
                self.report("P3040", name.span)
                continue
            partner = self.project.promotions.get(name.text)
            if partner is None:
                self.findings.unknown("P1012", name, self.project.promotions, "promotion")
                continue
            if node.broken or partner.broken or group is None:
                continue
            why = self.apart(node, group, partner)
            if why is not None:
                self.report("P3039", name.span, name=name.text, why=why)

    def apart(self, node: ast.Promotion, group: ast.Group, partner: ast.Promotion) -> Phrase | None:
        """Why the two can never be in one basket; None: they may."""
        placed = first(partner, ast.InGroup)
        theirs = self.project.groups.get(placed.name.text) if placed else None
        if theirs is None or theirs.broken or group.broken:
            return None
        if gives(theirs) != gives(group):
            return say("one gives a price, the other a benefit, and these are never compared")
        if theirs is group and one_applies(group):
            return say("of the group «{name}» only one applies anyway", name=group.name.text)
        if first(node, ast.Exclusive) and not per_item(group):
            return say("an exclusive promotion stands alone anyway")
        if not self.channels(node) & self.channels(partner):
            return say("they are sold in different channels")
        if ends_before(node, partner) or ends_before(partner, node):
            return say("they run at different times")
        return None

    def channels(self, node: ast.Promotion) -> frozenset[str]:
        """Where it is sold."""
        sold = first(node, ast.Sold)
        if sold is None:
            return frozenset(self.project.channels)
        names = self.project.channels if sold.names is None else (name.text for name in sold.names)
        return frozenset(names) - {name.text for name in sold.but_not}

    # ------------------------------------------------------------------------------------------------ who pays

    def funded(self, clause: ast.Funded) -> None:
        """Shares of at most all; the rest is something."""
        seen: set[tuple[str, str]] = set()
        total = Decimal(0)
        for share in clause.shares:
            payer = share.payer
            if share.percent is not None:
                self.promotions.percent(share.percent)
                total += share.percent.value
            name = payer.name.text if payer.name else ""
            if payer.name is not None and not name.strip():
                self.report("P2007", payer.name.span, what=say("The text's length"), least=1)
            if (payer.kind, name) in seen:
                self.report("P2010", payer.span, name=f'{payer.kind} "{name}"' if name else payer.kind)
            seen.add((payer.kind, name))
        if total >= HUNDRED:
            self.report("P2019", clause.span, size=total)

    # ------------------------------------------------------------------------------------------------ limits

    def per_article(self, clause: ast.Limit, node: ast.Promotion) -> None:
        """Counts rewarded pieces of each article."""
        why: Phrase | None = None
        write = f"limit {max(clause.count, 1)} per article"
        if clause.measure != "uses":
            why = say("per article, rewarded pieces are counted")
            write = "limit 2 per article"
        elif clause.period != "ever":
            why = say("per article, the pieces of one basket are counted")
        elif not node.broken and any(self.shared(reward) for reward in rewards_of(node)):
            why, write = say("this reward is of no single piece"), "limit 1 per basket"
        if why is not None:
            self.report("P3021", clause.span, why=why, advice=say("write:   {line}", line=write))

    def shared(self, reward: ast.Reward) -> bool:
        """Is it a reward of many pieces at once, or of none?"""
        if isinstance(reward, ast.PercentOff | ast.AmountOff):
            return reward.together
        return is_benefit(reward) or isinstance(reward, SHARED)

    def saves(self, clause: ast.Limit, node: ast.Promotion) -> None:
        """An amount caps a saving."""
        rewards = tuple(rewards_of(node))
        if rewards and all(isinstance(r, ast.TimesPoints | ast.FixedPoints | ast.NextCode) for r in rewards):
            why = say("points and codes take nothing off this basket")
            advice = say("write a number of times:   limit 1 per {scope}", scope=_scope(clause))
            self.report("P3021", clause.span, why=why, advice=advice)


def _scope(clause: ast.Limit) -> str:
    return "customer" if clause.scope == "total" else clause.scope


def _words(group: ast.Group | None) -> dict[str, ast.GroupLine]:
    return {line.kind: line for line in group.lines} if group is not None else {}


def gives(group: ast.Group | None) -> str:
    """discounts or benefits; "" where it is not said."""
    line = _words(group).get("gives")
    return line.word if line else ""


def per_item(group: ast.Group) -> bool:
    """Does each piece go to one promotion?"""
    line = _words(group).get("apply")
    return line is not None and line.word.endswith("per-item")


def one_applies(group: ast.Group) -> bool:
    """Does only one promotion of a basket apply?"""
    line = _words(group).get("apply")
    return line is not None and (line.word in ONE_APPLIES or (line.word == "at-most" and line.count == 1))


def ends_before(one: ast.Promotion, other: ast.Promotion) -> bool:
    """Is the first over before the second begins? In two zones a day more is allowed for."""
    a, b = first(one, ast.Runs), first(other, ast.Runs)
    if a is None or b is None or a.until is None:
        return False
    zones = {a.zone.text if a.zone else "", b.zone.text if b.zone else ""}
    slack = datetime.timedelta(days=2 if len(zones) > 1 else 0)
    last, begin = a.until.date.value, b.start.date.value
    if last.year > datetime.MAXYEAR - 1:
        return False
    if last + slack < begin:
        return True
    if slack or last != begin or a.until.time is None or b.start.time is None:
        return False
    return a.until.time.seconds <= b.start.time.seconds


def missing_possible(node: ast.Promotion) -> bool:
    """Can something be missing, so that a hint can say what?"""
    rewards = [get.reward for get in clauses(node, ast.Get)]
    if clauses(node, ast.Buy) or any(isinstance(reward, ast.Tiers | ast.PriceList) for reward in rewards):
        return True
    return any(_threshold(when.line.condition) for when in clauses(node, ast.When))


def _threshold(condition: ast.Condition) -> bool:
    match condition:
        case ast.BasketHas() | ast.BasketWorth():
            return condition.low is not None
        case ast.Compare():
            return condition.subject.entity == "basket" and condition.op in ("is at least", "is more than")
        case ast.Block():
            return any(_threshold(line.condition) for line in condition.lines)
        case _:
            return False
