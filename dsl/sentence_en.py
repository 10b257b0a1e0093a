"""Declarations in English sentences."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import assert_never

from dsl import ast
from dsl.clauses import choice, first
from dsl.speaker import Speaker
from dsl.spelling import number

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday", "holidays")
_MODES = {
    "best-per-item": "each piece goes to the promotion with which all together save most",
    "first-per-item": "each piece goes to the first promotion that takes it",
    "best": "the promotion that saves most applies",
    "first": "the first promotion that can apply does",
    "all": "all that can apply do, one after the other",
}
_COMPARISONS = {
    "is": "is {0}",
    "is not": "is known and not {0}",
    "is at least": "is at least {0}",
    "is at most": "is at most {0}",
    "is more than": "is more than {0}",
    "is less than": "is less than {0}",
    "is between": "is from {0} to {1}",
    "is before": "is before {0}",
    "is after": "is after {0}",
    "is more than … ago": "is more than {0} ago",
    "is less than … ago": "is less than {0} ago",
    "is known": "is known",
    "is unknown": "is not known",
    "is under": "is “{0}” or below",
    "starts with": "begins with “{0}”",
    "is listed in": "is listed in {0}",
    "has": "has “{0}”",
}
_PERIODS = {"each-day": "a day", "each-week": "a week", "each-month": "a month", "each-year": "a year"}
_SCOPES = {"total": "in all", "customer": "per customer", "household": "per household", "store": "per store"}
_SCOPES |= {"basket": "per basket", "code": "per code", "article": "per article"}


class English(Speaker):
    """Says it in English."""

    # ------------------------------------------------------------------------------------------------ promotions

    def core(self, node: ast.Promotion) -> str:
        buy, reward = first(node, ast.Buy), first(node, ast.Get)
        arms = first(node, ast.Variants)
        who, many = self.who(choice(node, "for"))
        if buy is not None:
            who += f" who {'buy' if many else 'buys'} {self.needs(buy.needs)}"
        verb = "get" if many else "gets"
        code = first(node, ast.WithCode)
        with_code = f" with a code of {self.called(code.codes, 'codes')}" if code else ""
        reason = first(node, ast.WithReason)
        because = f", because of {self.joined([n.text for n in reason.reasons], self.or_)}" if reason else ""
        what = self.reward(reward.reward) if reward else self.arms(arms) if arms else "nothing"
        lines = [clause.line for clause in node.clauses if isinstance(clause, ast.When)]
        when = f", if {self.conditions(lines)}" if lines else ""
        return f"{who}{with_code} {verb} {what}{because}{when}"

    def who(self, clause: ast.Choice | None) -> tuple[str, bool]:
        """The subject, and whether it is several."""
        but = ""
        if clause is not None and clause.but_not:
            but = f", but not {self.all_called(clause.but_not, 'segments', self.or_)},"
        if clause is None or not clause.any_of:
            return f"everyone{but}", False
        return f"members of {self.all_called(clause.any_of, 'segments', self.or_)}{but}", True

    def needs(self, needs: Sequence[ast.Need]) -> str:
        """3 of «Pasta» and 2 kg of «Apples»."""
        return self.joined([self.need(need) for need in needs], self.and_)

    def need(self, need: ast.Need) -> str:
        """3 of «Pasta»."""
        much = self.measure(need.measure) if need.measure else str(need.count)
        return f"{much} of {self.of(need.of, one_article=need.one_article)}"

    def of(self, name: ast.Name, *, one_article: bool) -> str:
        """A set, or one article of it."""
        return f"one article of {self.called(name)}" if one_article else self.called(name)

    def target(self, target: ast.Target) -> str:
        """What a reward is of."""
        match target.kind:
            case "set":
                assert target.name is not None
                return self.called(target.name)
            case "basket":
                return "the basket with its fees" if target.fees else "the basket"
            case _:
                return "them"

    def arms(self, node: ast.Variants) -> str:
        """Shares of an experiment."""
        parts = []
        for arm in node.arms:
            what = self.reward(arm.reward) if arm.reward else "nothing, as the control group"
            parts.append(f"in {self.off(arm.share)} of cases {what}")
        return f"by a draw for each {node.by} {self.joined(parts, self.or_)}"

    def reward(self, node: ast.Reward) -> str:
        match node:
            case ast.PercentOff():
                together = " together" if node.together and node.target.kind != "basket" else ""
                return f"{self.off(node.percent)} off {self.target(node.target)}{together}"
            case ast.AmountOff():
                how = " for each article" if node.per_article else "" if node.together else " each"
                together = " together" if node.together and node.target.kind != "basket" else ""
                return f"{self.amounts(node.amount)} off {self.target(node.target)}{how}{together}"
            case ast.AmountOffMeasure():
                return f"{self.amounts(node.amount)} off per {self.per(node)} of {self.target(node.target)}"
            case ast.FixedPrice():
                unit = f"per {self.per(node)}" if node.per else "each"
                return f"{self.target(node.target)} for {self.amounts(node.price)} {unit}"
            case ast.Pick() if node.percent.value == 100:
                return f"{self.picked(node.which, node.count)} of them free"
            case ast.Pick():
                return f"{self.off(node.percent)} off {self.picked(node.which, node.count)} of them"
            case ast.OffPickOf():
                of = f"{self.picked(node.which, node.count)} of {self.called(node.of)}"
                free = isinstance(node.off, ast.Percent) and node.off.value == 100
                each = " each" if isinstance(node.off, ast.Money) else ""
                return f"{of} of the basket free" if free else f"{self.off(node.off)} off {of} of the basket{each}"
            case ast.Ladder():
                steps = [f"{self.off(step.off)} off every {_nth(step.nth)}" for step in node.steps]
                return f"{self.joined(steps, self.and_)} of them, dearest first"
            case ast.PriceTogether():
                singles = ", fewer at their share of it" if node.singles else ""
                return f"them together for {self.amounts(node.price)}{singles}"
            case ast.OffCount():
                return self.off_count(node)
            case ast.PriceOfCount():
                of = f"{node.count} of {self.of(node.of, one_article=node.one_article)}"
                return f"{of} for {self.amounts(node.price)} each{_fewer(node.fewer)}"
            case ast.BasketPrice():
                return f"the whole basket for {self.amounts(node.price)}"
            case ast.PriceList():
                return f"the prices of the list “{node.name.text}”"
            case ast.Cashier():
                return f"what the cashier enters, at most {self.off(node.at_most)}"
            case ast.Tiers():
                return self.tiers(node)
            case _:
                return self.benefit(node)

    def off_count(self, node: ast.OffCount) -> str:
        """Off so many of another set."""
        of = f"{node.count} of {self.of(node.of, one_article=node.one_article)}"
        if node.off is None:
            return f"{of} free{_fewer(node.fewer)}"
        how = "" if isinstance(node.off, ast.Percent) else " together" if node.together else " each"
        return f"{self.off(node.off)} off {of}{how}{_fewer(node.fewer)}"

    def benefit(self, node: ast.Reward) -> str:
        """Gifts, fees, points, codes."""
        match node:
            case ast.FreeService():
                return f"{node.service.text} free of charge"
            case ast.OffFee():
                return f"{self.off(node.off)} off the fee of {node.service.text}"
            case ast.FeePrice():
                return f"{node.service.text} for {self.amounts(node.price)}"
            case ast.Gift():
                price = f" for {self.amounts(node.price)} each" if node.price else ""
                return f"{node.count} {'gift' if node.count == 1 else 'gifts'} of {self.called(node.of)}{price}"
            case ast.TimesPoints():
                return f"{number(node.factor.value)} times the points on {self.target(node.target)}"
            case ast.FixedPoints():
                return f"{node.points} points"
            case ast.NextCode():
                return f"a code of {self.called(node.codes, 'codes')} for the next {self.duration(node.valid)}"
            case _:
                raise AssertionError(type(node).__name__)

    def tiers(self, node: ast.Tiers) -> str:
        """More for more."""
        parts = []
        for tier in node.tiers:
            start = tier.start
            begin = str(start) if isinstance(start, int) else self.value(start)
            parts.append(f"from {begin} on {self.reward(tier.reward).replace('off them', 'off', 1)}")
        base = "the basket" if node.target.name is None else self.of(node.target.name, one_article=node.one_article)
        basis = {"group": "", "before": " before discounts", "after": " after discounts"}[node.basis]
        each = ", each piece by its own place" if node.stepwise else ""
        return f"by the {node.by} of {base}{basis}{each}: {self.joined(parts, self.and_)}"

    def per(self, node: ast.AmountOffMeasure | ast.FixedPrice) -> str:
        """kg, 100 g."""
        return f"{'100 ' if node.hundreds else ''}{node.per}"

    def picked(self, which: str, count: int) -> str:
        """the cheapest, the cheapest 2."""
        return f"the {which}" + ("" if count == 1 else f" {count}")

    def left_out(self, clause: ast.Except) -> str:
        return f"{self.all_called(clause.names, 'products', self.and_)} count for nothing here"

    def limit(self, clause: ast.Limit) -> str:
        scope = _SCOPES[clause.scope]
        period = clause.period
        if period.startswith("any-"):
            _, count, unit = period.split("-")
            when = f" in any {count} {unit}"
        else:
            when = "" if period == "ever" else f" {_PERIODS[period]}"
        match clause.measure:
            case "saving":
                assert clause.saving is not None
                return f"It saves at most {self.amounts(clause.saving)} {scope}{when}"
            case "baskets":
                return f"At most {_count(clause.count, 'basket')} {scope}{when}"
            case _ if clause.scope == "article":
                return f"At most {_count(clause.count, 'piece')} of each article"
            case _:
                times = {1: "once", 2: "twice"}.get(clause.count, f"{clause.count} times")
                return f"At most {times} {scope}{when}"

    def weighed(self, group: ast.Group) -> str:
        lines = {line.kind: line for line in group.lines}
        apply, prices = lines.get("apply"), lines.get("prices")
        if apply is None:
            return ""
        several = f"at most {apply.count} apply in a basket, those that together save most"
        mode = _MODES.get(apply.word, _MODES["best"] if apply.count == 1 else several)
        from_ = ", counted from what earlier groups left" if prices and prices.word == "reduced" else ""
        return f"In its group {self.called(group.name, 'groups')} {mode}{from_}"

    def exclusive(self, *, per_item: bool) -> str:
        if per_item:
            return "It goes first, and what it makes cheaper takes no other price promotion"
        return "It stands alone: no other price promotion beside it in the basket"

    def not_with(self, clause: ast.NotWith) -> str:
        return f"Never in one basket with {self.all_called(clause.names, 'promotions', self.or_)}"

    def funded(self, clause: ast.Funded) -> str:
        parts = []
        for share in clause.shares:
            name = "us" if share.payer.name is None else f"{share.payer.kind} “{share.payer.name.text}”"
            much = self.off(share.percent) if share.percent else "the rest" if len(clause.shares) > 1 else "all of it"
            parts.append(f"{much} by {name}")
        return f"What it saves is paid {self.joined(parts, self.and_)}"

    def advertised(self) -> str:
        return "It is advertised as a price reduction, against the lowest price of the last 30 days"

    def on_return(self) -> str:
        return "After a return, what is kept is priced again"

    # ------------------------------------------------------------------------------------------------ when, where

    def runs(self, clause: ast.Runs) -> str:
        zone = ""
        if clause.zone is not None:
            zone = (
                " by each store’s clock" if clause.zone.text == "store-time" else f" by the clock of {clause.zone.text}"
            )
        begin = self.moment(clause.start)
        if clause.until is None:
            return f"from {begin}{zone}"
        to = "until" if clause.until.time else "to the end of"
        return f"from {begin} {to} {self.moment(clause.until)}{zone}"

    def moment(self, moment: ast.Moment) -> str:
        """A day, with its time."""
        time = f", {self.time(moment.time)}" if moment.time else ""
        return self.date(moment.date) + time

    def only_on(self, clause: ast.OnlyOn) -> str:
        return self.joined([self.slot(slot) for slot in clause.slots], self.or_)

    def slot(self, slot: ast.Slot) -> str:
        """Days and hours."""
        but = f" but not {_days(slot.but_not)}" if slot.but_not else ""
        hours = f" from {self.time(slot.start)} to {self.time(slot.until)}" if slot.start and slot.until else ""
        return f"only {_days(slot.days)}{but}{hours}"

    def sold(self, clause: ast.Sold) -> str:
        names = self.channels(clause)
        return f"in {self.joined(names, self.and_)}" if names else ""

    def only_at(self, clause: ast.Choice) -> str:
        but = f" but not {self.all_called(clause.but_not, 'places', self.or_)}" if clause.but_not else ""
        return f"only at {self.all_called(clause.any_of, 'places', self.or_)}{but}"

    # ------------------------------------------------------------------------------------------------ conditions

    def condition(self, node: ast.Condition) -> str:
        match node:
            case ast.Compare():
                return self.compare(node)
            case ast.In():
                return f"{'not ' if node.negated else ''}in {self.member(node.name)}"
            case ast.Consent():
                return f"the customer consents to {node.name.text}"
            case ast.Block():
                words = {"all": self.and_, "any": self.or_, "none": self.or_}
                inner = self.joined([self.condition(line.condition) for line in node.lines], words[node.kind])
                return f"none of these: {inner}" if node.kind == "none" else f"({inner})"
            case ast.BasketHas():
                return self.basket_has(node)
            case ast.BasketWorth():
                return self.basket_worth(node)
            case ast.Happened():
                then = "".join(
                    f", then {'no ' if t.negated else ''}{self.event(t.event)} within {self.duration(t.within)}"
                    for t in node.then
                )
                return f"{_bounds(node.low, node.high)} {self.event(node.event)} {self.window(node.window)}{then}"
            case ast.SumOf():
                event = ast.EventOf(ast.Name(node.subject.entity, node.span), node.of, node.where, node.span)
                what = f"the sum of {node.subject.name} of {self.event(event)} {self.window(node.window)}"
                return f"{what} {self.compared(node.op, node.values)}"
            case ast.Anniversary():
                return f"the anniversary of {self.attribute(node.subject)} is {self.near(node)}"
            case ast.SimilarTo():
                return f"at least {self.off(node.percent)} like {self.called(node.segment, 'segments')}"
            case ast.NthOrder():
                return f"this order is {'every' if node.every else 'the'} {_nth(node.nth)} of theirs"
            case _:
                assert_never(node)

    def member(self, name: ast.Name) -> str:
        """A set of whichever kind."""
        for table in ("segments", "places", "products"):
            if name.text in getattr(self.project, table):
                return self.called(name, table)
        return f"«{name.text}»"

    def attribute(self, subject: ast.Subject) -> str:
        """the customer’s tier."""
        if not subject.name:
            return {"payment": "the means of payment", "delivery": "the delivery"}[subject.entity]
        if subject.entity in ("customer", "store", "delivery", "basket"):
            return f"the {subject.entity}’s {subject.name}"
        return f"the {subject.name}"

    def compare(self, node: ast.Compare) -> str:
        """A comparison."""
        return f"{self.attribute(node.subject)} {self.compared(node.op, node.values)}"

    def compared(self, op: str, values: Sequence[ast.Value]) -> str:
        """The operator and its values."""
        said = [self.value(value) for value in values]
        match op:
            case "is" if said == ["yes"]:
                return "is a yes"
            case "is" if said == ["no"]:
                return "is a no"
            case "is one of":
                return f"is {self.joined(said, self.or_)}"
            case "is not one of":
                return (
                    f"is known and neither {self.joined(said, 'nor')}"
                    if len(said) > 1
                    else f"is known and not {said[0]}"
                )
            case "has one of":
                return f"has {self.joined([f'“{text}”' for text in said], self.or_)}"
            case _:
                return _COMPARISONS[op].format(*said)

    def basket_has(self, node: ast.BasketHas) -> str:
        """How many of a set."""
        if node.low is None and node.high == 0:
            return f"the basket holds nothing of {self.called(node.of)}"
        unit = f" {node.unit}" if node.unit else " different articles" if node.articles else ""
        low, high = (None if bound is None else f"{number(bound)}{unit}" for bound in (node.low, node.high))
        return f"the basket holds {_bounds(low, high)} of {self.of(node.of, one_article=node.one_article)}"

    def basket_worth(self, node: ast.BasketWorth) -> str:
        """What it is worth."""
        low, high = (None if bound is None else self.amounts(bound) for bound in (node.low, node.high))
        of = f"{self.called(node.of)} in the basket" if node.of else "the basket"
        basis = {"group": "", "before": " before discounts", "after": " after discounts"}[node.basis]
        more = (" with fees" if node.fees else "") + (" without tax" if node.without_tax else "")
        return f"{of} is worth {_bounds(low, high)}{basis}{more}"

    def event(self, node: ast.EventOf) -> str:
        """orders of «Wine» where the channel is app."""
        of = f" of {self.called(node.of)}" if node.of else ""
        where = (
            f" where {node.where.subject.name} {self.compared(node.where.op, node.where.values)}" if node.where else ""
        )
        return f"{node.event.text}{of}{where}"

    def window(self, node: ast.Window) -> str:
        """When."""
        lengths = [self.duration(length) for length in node.lengths]
        match node.kind:
            case "last":
                return f"in the last {lengths[0]}"
            case "ages":
                return f"between {lengths[0]} and {lengths[1]} ago"
            case "since":
                assert node.since is not None
                return f"since {self.date(node.since)}"
            case "calendar":
                return "today" if node.unit == "day" else f"this {node.unit}"
            case "ever":
                return "so far"

    def near(self, node: ast.Anniversary) -> str:
        """How near."""
        if node.within is not None:
            return f"at most {self.duration(node.within)} away"
        return "today" if node.near == "today" or node.unit == "day" else f"this {node.unit}"

    # ------------------------------------------------------------------------------------------------ the others

    def members(self, node: ast.SetDecl) -> str:
        who = {"products": "Articles", "places": "Stores", "segment": "Customers"}[node.kind]
        text = f"{who} for which all of this holds: {self.conditions(node.lines)}." if node.lines else f"{who}."
        for refresh in node.refresh:
            how = f"no older than the last {self.time(refresh.at)}" if refresh.at else "those of this very moment"
            text += f" The facts are {how}."
        return text

    def group(self, node: ast.Group) -> str:
        members = sorted(
            promotion.name.text
            for promotion in self.project.promotions.values()
            if (group := first(promotion, ast.InGroup)) and group.name.text == node.name.text
        )
        said = self.weighed(node).partition("» ")[2] or "promotions that are weighed together"
        listed = f" It holds {self.joined([f'«{name}»' for name in members], self.and_)}." if members else ""
        return f"{said[:1].upper() + said[1:]}.{listed}"

    def guard(self, node: ast.Guard) -> str:
        verbs = {
            "discount": "get no discount",
            "reward": "earn no points and no gifts",
            "count": "do not count toward thresholds",
            "ship free": "stay out of free shipping",
        }
        parts = [f"{self.all_called(n.names, 'products', self.and_)} {verbs[n.verb]}" for n in node.nevers]
        parts += [
            f"{self.all_called(f.names, 'products', self.and_)} never fall below {self.attribute(f.subject)}"
            for f in node.floors
        ]
        because = "".join(f" ({text.text})" for text in node.because)
        return f"No promotion overrides this: {self.joined(parts, self.and_)}{because}." if parts else ""

    def codes(self, node: ast.Codes) -> str:
        files = [line.value.text for line in node.lines if line.kind == "file" and line.value]
        count = sum(line.kind == "code" for line in node.lines)
        parts = [_count(count, "code")] if count else []
        parts += [f"the codes of {file}" for file in files]
        uses = next((line.count for line in node.lines if line.kind == "uses"), None)
        often = "" if uses is None else ", each once" if uses == 1 else f", each {uses} times"
        text = f"{self.joined(parts, self.and_)}{often}." if parts else "No code."
        return text[:1].upper() + text[1:]

    # ------------------------------------------------------------------------------------------------ values

    def amount(self, currency: str, value: Decimal) -> str:
        return f"{currency} {self.digits(currency, value)}"

    def plain(self, value: Decimal) -> str:
        return number(value)

    def date(self, value: ast.Date) -> str:
        day = value.value
        return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"

    def duration(self, value: ast.Duration) -> str:
        return _count(value.count, value.unit)


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _nth(nth: int) -> str:
    ending = "th" if nth % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(nth % 10, "th")
    return f"{nth}{ending}"


def _fewer(fewer: bool) -> str:
    return ", or fewer of them" if fewer else ""


def _days(days: frozenset[int]) -> str:
    *many, last = [_DAYS[day] for day in sorted(days)] or ["no day"]
    ordered = sorted(days)
    if len(ordered) > 2 and ordered == list(range(ordered[0], ordered[-1] + 1)) and ordered[-1] < ast.HOLIDAY:
        return f"{_DAYS[ordered[0]]} to {last}"
    return f"{', '.join(many)} and {last}" if many else last


def _bounds(low: object, high: object) -> str:
    if low is not None and high is not None:
        return f"exactly {low}" if low == high else f"{low} to {high}"
    if low is None and high == 0:
        return "no"
    return f"at least {low}" if high is None else f"at most {high}"
