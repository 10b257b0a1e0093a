"""A promotion as a whole: its clauses, each at most once, its reward, what fits its group, its limits and texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Unpack

from dsl import ast
from dsl.check_conditions import Conditions
from dsl.check_rewards import Rewards, is_benefit
from dsl.check_terms import Terms
from dsl.check_texts import Texts
from dsl.clauses import clauses, days_of, first, limit_key
from dsl.diagnostics import Diagnostic, Gaps, Span, found
from dsl.findings import Findings
from dsl.phrases import guessed, say, to_write
from dsl.project import where
from dsl.spelling import number
from dsl.values import basis_points, money
from dsl.wrong_forms import near_zone
from dsl.zones import known_zones
from engine.basket import PRICE_MICROS_MAX, UNITS

SINGLE: dict[type, str] = {
    ast.Runs: "runs",
    ast.OnlyOn: "only on",
    ast.Sold: "sold",
    ast.WithCode: "with code",
    ast.Buy: "buy",
    ast.Get: "get",
    ast.Variants: "get",
    ast.InGroup: "group",
    ast.Except: "except",
    ast.Owner: "owner",
    ast.WithReason: "with reason",
    ast.Exclusive: "exclusive",
    ast.NotWith: "not with",
    ast.Advertised: "advertised",
    ast.Funded: "funded",
    ast.OnReturn: "on return",
}
NEEDED = {
    "runs": "runs from 2026-09-01 until 2026-09-30",
    "sold": "sold everywhere",
    "for": "for everyone",
    "get": "get 10% off ...",
    "group": "group ...",
}
_WHICH = {"cheapest": say("cheapest"), "dearest": say("dearest")}
_MEASURES = {"uses": say("uses"), "baskets": say("baskets"), "saving": say("saving")}
PER_ITEM = ("best-per-item", "first-per-item")
_DECIMALS = say("with at most 3 decimals")


def _per_piece(reward: ast.Reward) -> bool:
    """Is it said of single pieces of those bought?"""
    match reward:
        case ast.Pick() | ast.Ladder():
            return True
        case ast.AmountOff(target=ast.Target(kind="them")):
            return not reward.together
        case ast.FixedPrice(target=ast.Target(kind="them")):
            return not reward.per
        case _:
            return False


class Promotions:
    """Checks promotions and adds what it finds."""

    def __init__(self, findings: Findings, conditions: Conditions) -> None:
        self.findings = findings
        self.project = findings.project
        self.conditions = conditions
        self.rewards = Rewards(self)
        self.terms = Terms(self)
        self.texts = Texts(self)

    def check(self) -> None:
        """All of them."""
        self.findings.of(self.promotion, self.project.promotions.values())

    def report(self, code: str, span: Span, **values: Unpack[Gaps]) -> None:
        """Add a finding."""
        self.findings.add(found(code, span, **values))

    def promotion(self, node: ast.Promotion) -> None:
        """One promotion."""
        self.once_each(node)
        for clause in node.clauses:
            match clause:
                case ast.Runs():
                    self.runs(clause)
                case ast.OnlyOn():
                    self.only_on(clause)
                case ast.Sold():
                    self.sold(clause)
                case ast.Choice():
                    self.choice(clause)
                case ast.WithCode():
                    if clause.codes.text not in self.project.codes:
                        self.findings.unknown("P1007", clause.codes, self.project.codes, "codes")
                case ast.When():
                    self.conditions.condition(clause.line.condition, clause.line, "when")
                case ast.Buy():
                    self.buy(clause)
                case ast.Limit():
                    self.limit(clause, node)
                case ast.Except():
                    for name in clause.names:
                        self.conditions.products(name)
                case _:
                    pass
        if not node.broken:
            self.conditions.consent(tuple(clause.line for clause in clauses(node, ast.When)))
        group = self.group(node)
        buy = first(node, ast.Buy)
        for get in self.gets(node):
            self.reward(node, get, buy, group)
        self.same_limits(node)
        self.terms.promotion(node, group)
        self.texts.promotion(node)

    def gets(self, node: ast.Promotion) -> Iterator[ast.Get]:
        """The reward, or those of the variants."""
        get = next((clause for clause in node.clauses if isinstance(clause, ast.Get | ast.Variants)), None)
        if isinstance(get, ast.Get):
            yield get
        elif get is not None:
            for arm in get.arms:
                if arm.reward is not None:
                    yield ast.Get(arm.reward, arm.text, arm.span)

    def once_each(self, node: ast.Promotion) -> None:
        """Each clause at most once, and those that every promotion needs."""
        seen: dict[str, ast.Clause] = {}
        for clause in node.clauses:
            what = clause.kind if isinstance(clause, ast.Choice) else SINGLE.get(type(clause), "")
            if not what:
                continue
            if what in seen:
                line = seen[what].span.line
                known = say("The first stands in line {line}.", line=line)
                if what == "get":
                    known = say("The first stands in line {line}. For two rewards write two promotions.", line=line)
                    if isinstance(clause, ast.Variants) != isinstance(seen[what], ast.Variants):
                        known = say("The first stands in line {line}. Variants stand in place of «get».", line=line)
                self.report("P0214", clause.span, word=what, known=known)
            seen.setdefault(what, clause)
        if node.broken:
            return
        for what, write in NEEDED.items():
            if what not in seen:
                self.report("P3001", node.name.span, name=node.name.text, word=what, write=write)

    # ------------------------------------------------------------------------------------------------ when, where, who

    def runs(self, clause: ast.Runs) -> None:
        """From before until, in a zone that exists."""
        if clause.zone and clause.zone.text != "store-time" and clause.zone.text not in known_zones():
            name, guess = clause.zone.text, near_zone(clause.zone.text)
            self.findings.once("P1020", name, clause.zone.span, name=name, guess=guessed(guess), fix=guess)
        if clause.zone and clause.zone.text == "store-time" and self.project.stores is None:
            self.needs(clause.zone.span, "store-time", 'stores from "data/stores.csv"')
        if clause.until is None:
            return
        begins = (clause.start.date.value, clause.start.time.seconds if clause.start.time else 0)
        until = clause.until
        ends = (until.date.value, until.time.seconds if until.time else 86_400)
        if ends <= begins:
            self.report("P2011", until.date.span, begins=say("on {day}", day=str(clause.start.date.value)))
        elif until.time and until.time.seconds == 23 * 3600 + 59 * 60:
            self.last_minute(until.time.span, replace(until.time.span, column=until.date.span.end_column), "")

    def last_minute(self, span: Span, fix_span: Span, fix: str) -> None:
        """23:59 leaves out the last minute of the day."""
        advice = to_write(fix) if fix else say("write the date alone")
        self.findings.add(found("P3015", span, fix=fix, fix_span=fix_span, advice=advice))

    def needs(self, span: Span, word: str, write: str) -> None:
        """A word that only a table gives a meaning."""
        what = say("a table of holidays") if word == "holidays" else say("a table of stores with their time zones")
        self.findings.once("P3024", word, span, word=word, what=what, write=write)

    def only_on(self, clause: ast.OnlyOn) -> None:
        """Slots that are not empty."""
        holidays = next((slot for slot in clause.slots if ast.HOLIDAY in slot.days | slot.but_not), None)
        if holidays is not None and not any(source.kind == "holidays" for source in self.project.sources):
            self.needs(holidays.span, "holidays", 'holidays from "data/holidays.csv"')
        for slot in clause.slots:
            if not any(days_of(slot)):
                self.report(
                    "P3021", slot.span, why=say("«but not» takes out every day"), advice=say("name a day that remains")
                )
            if slot.start and slot.until:
                if slot.start.seconds == slot.until.seconds:
                    self.report("P2011", slot.until.span, begins=say("at the same time"))
                elif slot.start.seconds == 86_400:
                    self.report(
                        "P2011", slot.start.span, begins=say("at the end of the day, which is the next day's 00:00")
                    )
                elif slot.until.seconds == 23 * 3600 + 59 * 60:
                    self.last_minute(slot.until.span, slot.until.span, "24:00")

    def sold(self, clause: ast.Sold) -> None:
        """Channels of the schema, at least one of them left."""
        for name in (*(clause.names or ()), *clause.but_not):
            if name.text not in self.project.channels:
                self.findings.unknown("P1008", name, self.project.channels, "schema")
        self.findings.twice(clause.names or ())
        if clause.names is None and not self.project.channels and not self.findings.schema_broken:
            write = say("channels stores, webshop   to the schema")
            self.findings.once("P3016", "channels", clause.span, what=say("«channels»"), write=write)
        out = {name.text for name in clause.but_not}
        if clause.names is None and out and out >= set(self.project.channels):
            self.report("P3018", clause.span)

    def choice(self, clause: ast.Choice) -> None:
        """Segments or places that exist."""
        segments = clause.kind == "for"
        table = self.project.segments if segments else self.project.places
        for name in (*clause.any_of, *clause.but_not):
            if name.text not in table:
                code, keyword = ("P1002", "segment") if segments else ("P1003", "places")
                self.findings.unknown(code, name, (*table, "everyone") if segments else table, keyword)
        self.findings.twice(clause.any_of)

    def buy(self, clause: ast.Buy) -> None:
        """At least one, of a set."""
        self.findings.twice(need.of for need in clause.needs)
        for need in clause.needs:
            self.conditions.products(need.of)
            if need.measure is not None:
                self.measure(need.measure)
            elif need.count < 1:
                self.report("P2007", clause.span, what=say("The number of pieces"), least=1)

    # ------------------------------------------------------------------------------------------------ reward and group

    def group(self, node: ast.Promotion) -> ast.Group | None:
        """The promotion's group, if it can be judged by."""
        clause = first(node, ast.InGroup)
        if clause is None:
            return None
        group = self.project.groups.get(clause.name.text)
        if group is None:
            self.findings.unknown("P1006", clause.name, self.project.groups, "group")
        return group

    def reward(self, node: ast.Promotion, get: ast.Get, buy: ast.Buy | None, group: ast.Group | None) -> None:
        """The reward: its amounts, its target, its group."""
        reward = get.reward
        bought = node.broken or buy is not None
        match reward:
            case ast.PercentOff():
                self.percent(reward.percent)
                self.target(reward.target, get, buy, bought)
            case ast.AmountOff():
                self.amount(reward.amount)
                self.target(reward.target, get, buy, bought)
            case ast.AmountOffMeasure():
                self.amount(reward.amount, fine=True)
                self.per(reward.per, get)
                self.target(reward.target, get, buy, bought)
            case ast.FixedPrice():
                self.amount(reward.price, fine=bool(reward.per), free=True)
                self.per(reward.per, get)
                self.target(reward.target, get, buy, bought)
            case ast.Pick():
                self.pick(node, reward, get, buy, bought)
            case ast.Ladder():
                self.ladder(reward, get, buy, bought)
            case ast.PriceTogether():
                self.amount(reward.price, free=True)
                self.needs_buy("them", get, bought)
            case ast.FreeService():
                if reward.service.text not in self.project.services:
                    self.findings.unknown("P1010", reward.service, self.project.services, "schema")
                self.rewards.of_the_basket(get, buy)
            case _:
                self.rewards.reward(node, get, buy, bought=bought)
        if buy is not None:
            self.of_pieces(reward, get, buy)
        if group is not None:
            self.fits(node, reward, get, group, bought)

    def percent(self, percent: ast.Percent) -> None:
        """More than 0, at most 100."""
        result = basis_points(percent)
        if isinstance(result, Diagnostic):
            self.findings.add(result)

    def measure(self, measure: ast.Measure) -> None:
        """More than nothing, of whole thousandths."""
        if measure.value <= 0 or (measure.value * 1000) % 1:
            self.report("P2007", measure.span, what=say("A measure"), least=Decimal("0.001"), advice=_DECIMALS)

    def same_kind(self, one: str, other: str, span: Span) -> None:
        """Two units of weight, of volume or of length, if both are said."""
        if one in UNITS and other in UNITS and UNITS[one][0] != UNITS[other][0]:
            self.report("P2020", span, word=one, other=other)

    def of_pieces(self, reward: ast.Reward, get: ast.Get, buy: ast.Buy) -> None:
        """What is said of pieces is no reward of a weight; shares of a price need one set."""
        measured = next((need.measure for need in buy.needs if need.measure is not None), None)
        if measured is not None and _per_piece(reward):
            self.report("P3027", get.span, other=f"{number(measured.value)} {measured.unit}")
        per = reward.per if isinstance(reward, ast.FixedPrice | ast.AmountOffMeasure) else ""
        self.same_kind(measured.unit if measured else "", per, get.span)
        if isinstance(reward, ast.PriceTogether) and reward.singles and (len(buy.needs) > 1 or measured is not None):
            self.report("P3028", get.span)

    def amount(self, amount: ast.Money, *, fine: bool = False, free: bool = False) -> None:
        """In the project's currencies, in whole minor units or finer, more than nothing unless `free`."""
        converted = money(amount, self.project.settings.currencies, scale="micros" if fine else "minor")
        if isinstance(converted, Diagnostic):
            self.findings.add(converted)
        elif fine and any(part.value > PRICE_MICROS_MAX for part in converted):
            self.report(
                "P0309", amount.span, why=say("at most {most} for one unit", most=PRICE_MICROS_MAX // 1_000_000)
            )
        elif not free and any(part.value == 0 for part in converted):
            self.report("P2007", amount.span, what=say("The amount"), least=say("the smallest coin"))

    def per(self, unit: str, get: ast.Get) -> None:
        """A unit that the engine measures."""
        if unit and unit not in UNITS:
            self.report("P0109", get.span, word=unit)

    def target(self, target: ast.Target, get: ast.Get, buy: ast.Buy | None, bought: bool) -> None:
        """A set that exists; the bought pieces only after a «buy», and nothing else then."""
        if target.name is not None:
            self.conditions.products(target.name)
        if target.kind == "them":
            self.needs_buy("them", get, bought)
        elif buy is not None:
            span = target.name.span if target.name else get.span
            self.report("P3014", span, count=buy.count, set=buy.of.text)

    def needs_buy(self, word: str, get: ast.Get, bought: bool) -> None:
        """Bought pieces need a «buy»."""
        if not bought:
            self.report("P3006", get.span, word=word, advice=say("add:   buy 3 of ..."))

    def pick(self, node: ast.Promotion, reward: ast.Pick, get: ast.Get, buy: ast.Buy | None, bought: bool) -> None:
        """Some of the bought pieces, not more than there are."""
        self.percent(reward.percent)
        self.needs_buy(f"the {reward.which} {reward.count}", get, bought)
        if reward.count < 1:
            self.report("P2007", reward.count_span, what=say("The number of pieces"), least=1)
        elif buy is not None and reward.count > buy.count:
            what = say("The {which} {count}", which=_WHICH[reward.which], count=reward.count)
            self.report("P3008", reward.count_span, what=what, count=buy.count, most=buy.count)
        elif buy is not None and reward.count == buy.count and reward.percent.value == 100:
            why = say("{count} of {count} are free; usual is 1", count=buy.count)
            bought_in = tuple(clause.span for clause in clauses(node, ast.Buy))
            self.findings.add(found("P3007", reward.count_span, also=bought_in, name=node.name.text, why=why))

    def ladder(self, reward: ast.Ladder, get: ast.Get, buy: ast.Buy | None, bought: bool) -> None:
        """Positions within the bought pieces, each once."""
        self.needs_buy("every n-th", get, bought)
        seen: set[int] = set()
        for step in reward.steps:
            if isinstance(step.off, ast.Percent):
                self.percent(step.off)
            else:
                self.amount(step.off)
            if step.nth in seen:
                self.report("P2010", step.span, name=f"every {step.nth}.")
            seen.add(step.nth)
            if buy is not None and step.nth > buy.count:
                self.report(
                    "P3008", step.span, what=say("Number {count}", count=step.nth), count=buy.count, most=buy.count
                )

    def fits(self, node: ast.Promotion, reward: ast.Reward, get: ast.Get, group: ast.Group, bought: bool) -> None:
        """Price rewards or benefits, never both; per piece where the group gives each piece to one promotion."""
        words = {line.kind: line.word for line in group.lines}
        gives = words.get("gives")
        benefit = is_benefit(reward)
        if gives and benefit != (gives == "benefits"):
            other = say("a benefit") if benefit else say("a price reward")
            advice = say("choose a group that gives {what}", what="benefits" if benefit else "discounts")
            place = where(group.span, get.span)
            self.report("P3004", get.span, group=group.name.text, gives=gives, other=other, advice=advice, where=place)
            return
        if words.get("apply") not in PER_ITEM:
            return
        if isinstance(reward, ast.Tiers):
            for tier in reward.tiers:
                if isinstance(tier.reward, ast.AmountOff) and tier.reward.together:
                    write = tier.text.removesuffix(" together") + " each"
                    self.report("P3005", tier.span, group=group.name.text, write=write)
        elif isinstance(reward, ast.BasketPrice):
            price = get.text.partition(" for ")[2]
            self.report("P3005", get.span, group=group.name.text, write=f"get ... for {price} each")
        elif isinstance(reward, ast.PercentOff | ast.AmountOff):
            shared = reward.together or (isinstance(reward, ast.AmountOff) and reward.per_article)
            if not shared or (reward.target.kind == "them" and bought):
                return
            off = get.text.partition(" off ")[0]
            name = reward.target.name.text if reward.target.name else "..."
            each = " each" if isinstance(reward, ast.AmountOff) else ""
            self.report("P3005", get.span, group=group.name.text, write=f"{off} off {name}{each}")

    # ------------------------------------------------------------------------------------------------ limits and texts

    def limit(self, clause: ast.Limit, node: ast.Promotion) -> None:
        """Counts something, for somebody."""
        if clause.saving is not None:
            self.amount(clause.saving)
        elif clause.count < 1:
            self.report("P2007", clause.span, what=say("A limit"), least=1)
        if clause.scope == "basket" and clause.period != "ever":
            self.report(
                "P3021",
                clause.span,
                why=say("a basket has no period"),
                advice=say("take the period out, or write «per customer»"),
            )
        if clause.scope == "basket" and clause.measure == "baskets":
            self.report(
                "P3021",
                clause.span,
                why=say("a basket is one basket"),
                advice=say("write a number of times:   limit 1 per basket"),
            )
        if clause.scope == "code" and first(node, ast.WithCode) is None and not node.broken:
            self.report("P3013", clause.span)
        get = first(node, ast.Get)
        uses = (clause.scope, clause.measure, clause.period) == ("basket", "uses", "ever")
        if uses and get is not None and first(node, ast.Buy) is None and not node.broken:
            one = say("For one piece:   buy 1 of ...   and   get ... off them")
            self.report("P3047", clause.span, hint=None if is_benefit(get.reward) else one)

    def same_limits(self, node: ast.Promotion) -> None:
        """No two limits with one counter."""
        seen: dict[str, ast.Limit] = {}
        for clause in clauses(node, ast.Limit):
            key = limit_key(clause)
            if key in seen:
                what = say("{measure} per {scope}", measure=_MEASURES[clause.measure], scope=clause.scope)
                self.report("P3020", clause.span, what=what, line=seen[key].span.line)
            seen.setdefault(key, clause)
