"""Why a promotion came out of a test as it did: the lines that decided, where they stand, and what the test says."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

from dsl.cases import Case
from dsl.diagnostics import Span
from dsl.phrases import Language, Phrase, say
from dsl.situation import Ruleset, Situation
from dsl.spelling import amount as money_text
from dsl.spelling import number
from dsl.trails import Clause
from dsl.zones import local_seconds
from engine.basket import Fact, Request
from engine.decision import CONTROL, Decision, LineResult, Missing, PromotionResult, Reason
from engine.money import exponent
from engine.program import (
    Benefit,
    Cashier,
    Choice,
    CompareMoney,
    Guard,
    Happened,
    Limit,
    Line,
    NthOrder,
    PricesFrom,
    Promotion,
    Segment,
    SumOf,
    Type,
    Variants,
)

# Which clauses speak where a reason was expected and the promotion applied, or where the decision names no line.
SPEAKS: Mapping[Reason, tuple[str, ...]] = {
    Reason.APPLIED: ("buy", "get"),
    Reason.SCHEDULE: ("runs", "only on"),
    Reason.CHANNEL: ("sold",),
    Reason.PLACE: ("only at",),
    Reason.AUDIENCE: ("for",),
    Reason.CONSENT: ("for",),
    Reason.CODE_MISSING: ("with code",),
    Reason.CODE_USED: ("with code",),
    Reason.QUANTITY: ("buy", "get"),
    Reason.CONDITION: ("when",),
    Reason.LIMIT: ("limit",),
    Reason.BUDGET: ("limit",),
    Reason.BEATEN: ("group",),
    Reason.EXCLUSIVE: ("exclusive", "not with"),
    Reason.NO_SAVING: ("get", "variants"),
    Reason.CURRENCY: ("get", "variants"),
}
OTHERS_MAX = 10  # promotions named beside the shares of a total
_REGION = "store.region"
_REGIONS_MAX = 6  # named in one line
_ONE = {Reason.QUANTITY}  # the first clause says it all
_EPOCH = datetime.date(1970, 1, 1)
WEEKDAYS: Mapping[str, Phrase] = {
    "Monday": say("Monday"),
    "Tuesday": say("Tuesday"),
    "Wednesday": say("Wednesday"),
    "Thursday": say("Thursday"),
    "Friday": say("Friday"),
    "Saturday": say("Saturday"),
    "Sunday": say("Sunday"),
}
Said = Phrase | str  # a line as it was written, or a sentence about it


def text_of(said: Said, language: Language) -> str:
    """In this language; what the author wrote stands as it is."""
    return said if isinstance(said, str) else said.text(language)


def word(reason: Reason) -> str:
    """As `expect … because` writes it."""
    return reason.name.lower().replace("_", "-")


def minor(amount: int, currency: str) -> str:
    """An amount in minor units: EUR 1.99."""
    return money_text(currency, Decimal(amount).scaleb(-exponent(currency)))


class Trace:
    """One test, its decision, and the text behind it."""

    def __init__(
        self,
        case: Case,
        decision: Decision,
        ruleset: Ruleset,
        clauses: Mapping[str, Sequence[Clause]],
        touching: frozenset[str] | None = None,
        language: Language = "en",
    ) -> None:
        self.case = case
        self.request: Request = case.request
        self.decision = decision
        self.ruleset = ruleset
        self.clauses = clauses  # by declaration
        self.language = language
        self.touching = touching  # the promotions that touch the basket; None: all of the decision
        self.promotions = {result.name: result for result in decision.promotions}
        self.situation = Situation(ruleset, case.request)

    def of(self, result: PromotionResult, expected: Reason | None = None) -> tuple[str, ...]:
        """The lines that decided, then what the test says about them. `expected`: the reason that was asked for."""
        reason = expected if result.reason is Reason.APPLIED and expected else result.reason
        said = (*self.lines(result, reason), *self.details(result, reason))
        return tuple(dict.fromkeys(self.text(line) for line in said))

    # ------------------------------------------------------------------------------------------------ lines

    def lines(self, result: PromotionResult, reason: Reason) -> Iterator[str]:
        """The clause that failed; else those that speak about the reason."""
        of_promotion = self.clauses.get(result.name, ())
        if result.clause:
            yield self.at(result.clause, next((c.span for c in of_promotion if c.text == result.clause), None))
            return
        spoke = [clause for clause in of_promotion if clause.keyword in SPEAKS.get(reason, ())]
        for clause in spoke[:1] if reason in _ONE else spoke:
            yield self.at(clause.text, clause.span)

    def at(self, text: str, span: Span | None) -> str:
        """A line with its place; the file by its last name where the test stands in it too."""
        if span is None:
            return text
        file = span.file.rpartition("/")[2] if span.file == self.case.span.file else span.file
        return f"{text}    ({file}:{span.line})"

    # ------------------------------------------------------------------------------------------------ details

    def details(self, result: PromotionResult, reason: Reason) -> Iterator[Said]:
        """What the test says that made these lines fail, or hold."""
        promotion = self.ruleset.promotions.get(result.name)
        if promotion is None:
            return
        if result.variant and result.variant != CONTROL:
            yield say("it has the variant «{name}»", name=result.variant)
        match reason:
            case Reason.CONTROL_GROUP:
                yield say("the test is in the control group")
            case Reason.SCHEDULE:
                yield self.moment()
                yield from self.holidays(promotion, result)
            case Reason.CHANNEL:
                yield self.channel()
            case Reason.PLACE:
                yield from self.store(promotion.places)
            case Reason.AUDIENCE | Reason.CONSENT:
                yield from self.audience(promotion.audience)
            case Reason.CODE_MISSING | Reason.CODE_USED:
                codes = ", ".join(f"«{code}»" for code in self.request.codes)
                yield say("the test enters {codes}", codes=codes) if codes else say("the test enters no code")
            case Reason.CONDITION | Reason.QUANTITY:
                yield from self.condition(promotion, result)
            case Reason.LIMIT | Reason.BUDGET:
                yield from self.limits(promotion, result)
            case Reason.BEATEN:
                chosen = next((c for c in self.clauses.get(promotion.group, ()) if c.keyword == "apply"), None)
                if chosen is not None:
                    yield self.at(chosen.text, chosen.span)
                yield self.beaten(promotion, result)
            case Reason.EXCLUSIVE if result.beaten_by:
                yield say("it stands aside for {winner}", winner=result.beaten_by)
            case Reason.GUARD:
                yield from self.guards()
            case Reason.CURRENCY:
                yield say("the test is calculated in {currency}", currency=self.request.currency)
            case Reason.NO_SAVING if any(isinstance(reward, PricesFrom) for reward in promotion.rewards):
                yield say("the list has no lower price for this basket on that day")
            case Reason.NO_SAVING:
                yield say("nothing was left to save")
            case Reason.UNKNOWN_FACT:
                yield from self.unknown(promotion, result)
            case _:
                pass

    def moment(self) -> Phrase:
        """When the test takes place, in words."""
        day, _, rest = self.case.moment.partition(" ")
        return say("the test is on {day} {moment}", day=WEEKDAYS[day], moment=rest)

    def holidays(self, promotion: Promotion, result: PromotionResult) -> Iterator[Said]:
        """Whether the day is a holiday, where «only on» asks for it; of a night also the day it began on."""
        slots = promotion.only_on.slots if promotion.only_on and result.clause == promotion.only_on.text else ()
        if all(slot.holidays is None for slot in slots):
            return
        zone = promotion.runs.zone
        if zone == "store-time":
            zone = self.ruleset.stores.zone(self.request.store) or self.ruleset.zone
        today, second = divmod(local_seconds(zone, self.request.at_us // 1_000_000), 86_400)
        asked = [today - 1] if any(second < slot.until <= slot.start for slot in slots) else []
        if any(slot.start <= second for slot in slots):
            asked.append(today)
        of_regions = False
        for date in asked:
            day, regions = str(_EPOCH + datetime.timedelta(days=date)), self.ruleset.holidays.get(date, ())
            if not regions:
                yield say("{day} is no holiday", day=day)
            elif "" in regions:
                yield say("{day} is a holiday", day=day)
            else:
                of_regions = True
                named = ", ".join(f"«{name}»" for name in regions[:_REGIONS_MAX])
                more = f" … ({len(regions)})" if len(regions) > _REGIONS_MAX else ""
                yield say("{day} is a holiday in {regions}", day=day, regions=named + more)
        if of_regions:
            region = self.situation.fact(_REGION)
            if region is None:
                yield say("{attribute} is not known", attribute=_REGION)
            else:
                yield say("{attribute} is {value}", attribute=_REGION, value=fact_text(region))

    def channel(self) -> Phrase:
        """Where it takes place."""
        return say("the test is sold in {channel}", channel=self.request.channel)

    def store(self, places: Choice | None) -> Iterator[Said]:
        """Which store it is, and what is known of it."""
        if not self.request.store and not self.request.store_attributes:
            yield say("the test names no store")
            return
        if self.request.store:
            yield say("the test is at store «{store}»", store=self.request.store)
        for name in (*places.any_of, *places.but_not) if places else ():
            for line in self.ruleset.places[name].lines:
                if self.situation.truth(line.condition) is not True:
                    yield from self.line(name, line)

    def audience(self, audience: Choice) -> Iterator[Said]:
        """The lines of the segments that keep this customer out, or let them in."""
        for name in audience.but_not:
            if self.situation.member(name):
                yield say("the customer is in {segment}", segment=name)
                for line in self.ruleset.segments[name].lines:
                    yield from self.line(name, line)
        for name in audience.any_of:
            inside = self.situation.member(name)
            if inside:
                yield say("the customer is in {segment}", segment=name)
            yield from self.old_facts(self.ruleset.segments[name])
            for line in self.ruleset.segments[name].lines:
                if inside or self.situation.truth(line.condition) is not True:
                    yield from self.line(name, line)

    def segment(self, segment: Segment) -> tuple[str, ...]:
        """The lines of a segment that keep the customer out; all of them where they are in."""
        inside = self.situation.member(segment.name)
        lines = [line for line in segment.lines if inside or self.situation.truth(line.condition) is not True]
        said = (*self.old_facts(segment), *(said for line in lines for said in self.line(segment.name, line)))
        return tuple(dict.fromkeys(self.text(one) for one in said))

    def old_facts(self, segment: Segment) -> Iterator[Said]:
        """Facts that its `refresh` line does not take."""
        if segment.refresh is not None and not self.situation.young(segment.refresh):
            yield say("the facts of the customer are too old for «{segment}»", segment=segment.name)

    def line(self, owner: str, line: Line) -> Iterator[Said]:
        """A line of a segment or place, and the facts it looks at."""
        span = next((c.span for c in self.clauses.get(owner, ()) if c.text == line.text), None)
        yield self.at(f"{owner}: {line.text}", span)
        yield from self.facts(line)

    def facts(self, line: Line) -> Iterator[Said]:
        """The facts that a line of conditions asks for."""
        for attribute in self.situation.asked(line.condition):
            fact = self.situation.fact(attribute)
            yield (
                say("{attribute} is not known", attribute=attribute)
                if fact is None
                else say("{attribute} is {value}", attribute=attribute, value=fact_text(fact))
            )
        for condition in self.situation.past(line.condition):
            yield self.happened(condition)
        for attribute in self.situation.unknown(line.condition):
            yield say("{attribute} is not known", attribute=attribute)

    def happened(self, condition: Happened | SumOf | NthOrder) -> Phrase:
        """What came of a question about the past."""
        history = self.situation.history
        if not history.known:
            return say("what happened before is not known: give events, or none")
        match condition:
            case Happened():
                counted = history.count(condition)
                name = condition.events.event
                if counted is None:
                    return say("the events that are known do not reach back so far")
                if counted[0] == counted[1]:
                    return say("{name}: {count} of them", name=name, count=counted[0])
                return say("{name}: from {low} to {high} of them", name=name, low=counted[0], high=counted[1])
            case SumOf():
                total, money = history.total(condition), isinstance(condition.holds[0], CompareMoney)
                if total is None:
                    return say("{attribute} is not known", attribute=condition.attribute)
                scaled = Decimal(total).scaleb(-6)
                shown = money_text(self.request.currency, scaled) if money else number(scaled)
                return say("the sum is {amount}", amount=shown)
            case NthOrder():
                return say("this order is number {number}", number=history.number(condition))

    def condition(self, promotion: Promotion, result: PromotionResult) -> Iterator[Said]:
        """What is missing; else the facts of the line."""
        if result.missing is not None:
            yield say("{quantity} is missing", quantity=self.missing(result.missing))
            return
        if any(isinstance(reward, Cashier) and reward.text == result.clause for reward in promotion.rewards):
            yield say("the cashier enters nothing for such a reason")
        for line in promotion.when:
            if line.text == result.clause or not result.clause:
                yield from self.facts(line)

    def missing(self, missing: Missing) -> Phrase:
        """EUR 12.40 more of «Mode»."""
        quantity: Said
        if missing.kind == "amount":
            quantity = minor(missing.value, self.decision.currency)
        elif missing.kind == "measure":
            quantity = f"{number(Decimal(missing.value).scaleb(-3))} {missing.unit}"
        elif missing.kind == "articles":
            several = say("{count} different articles", count=missing.value)
            quantity = say("1 different article") if missing.value == 1 else several
        else:
            quantity = say("1 piece") if missing.value == 1 else say("{count} pieces", count=missing.value)
        if not missing.products:
            return say("{quantity} more", quantity=quantity)
        known = self.ruleset.sets.get(missing.products)
        return say(
            "{quantity} more of «{set}»", quantity=quantity, set=(known.title if known else "") or missing.products
        )

    def limits(self, promotion: Promotion, result: PromotionResult) -> Iterator[Said]:
        """How much of the limits was used before."""
        for limit in promotion.limits:
            if result.clause and limit.text != result.clause:
                continue
            if limit.scope in ("customer", "household") and not self.request.customer.id:
                yield say("{attribute} is not known", attribute="customer.id")
                continue
            used = used_before(self.request, promotion.name, limit)
            if limit.measure == "saving":
                bound = bound_of(limit, self.request.currency)
                shown = "?" if bound is None else minor(bound, self.request.currency)
                yield say("saved before: {used} of {limit}", used=minor(used, self.request.currency), limit=shown)
                if result.would_save or result.saving:
                    taken = minor(result.would_save or result.saving, self.request.currency)
                    yield say("this basket would take {amount}", amount=taken)
            elif limit.scope != "basket":
                yield say("used before: {used} of {limit}", used=used, limit=limit.count)

    def beaten(self, promotion: Promotion, result: PromotionResult) -> Phrase:
        """By whom, and by how much."""
        winner = self.promotions.get(result.beaten_by)
        if winner is None:
            return say("other promotions of the group save more")
        if any(isinstance(reward, Benefit) for reward in promotion.rewards):
            return say("{winner} applied first", winner=winner.name)
        more = winner.saving - result.would_save
        if more > 0:
            return say("{winner} saves {amount} more", winner=winner.name, amount=minor(more, self.decision.currency))
        if more == 0:
            return say("{winner} saves as much and goes first", winner=winner.name)
        return say(
            "{winner} took the articles; alone this would save {amount}",
            winner=winner.name,
            amount=minor(result.would_save, self.decision.currency),
        )

    def guards(self) -> Iterator[Said]:
        """The guards that keep articles of this basket out."""
        for guard in self.ruleset.guards:
            for verb, names in guard_lines(guard):
                for name in names:
                    held = [line.article for line in self.request.lines if self.situation.of_line(line).in_set(name)]
                    if held:
                        clauses = self.clauses.get(guard.name, ())
                        clause = next((c for c in clauses if c.keyword == verb and name in c.text), None)
                        yield self.at(clause.text, clause.span) if clause else guard.name
                        yield say("{article} is in «{set}»", article=", ".join(dict.fromkeys(held)), set=name)
            for floor in guard.floors:
                asked = [self.situation.of_line(line) for line in self.request.lines]
                if any(one.fact(floor.attribute) is None and any(map(one.in_set, floor.of)) for one in asked):
                    yield say("{attribute} is not known", attribute=floor.attribute)

    def unknown(self, promotion: Promotion, result: PromotionResult) -> Iterator[Said]:
        """The facts for want of which nothing can be said."""
        lines: list[Line] = []
        if result.clause == promotion.audience.text:
            lines += [line for name in promotion.audience.any_of for line in self.ruleset.segments[name].lines]
        elif promotion.places is not None and result.clause == promotion.places.text:
            names = (*promotion.places.any_of, *promotion.places.but_not)
            lines += [line for name in names for line in self.ruleset.places[name].lines]
        lines += [line for line in promotion.when if line.text == result.clause]
        yield from self.holidays(promotion, result)
        if result.clause == promotion.audience.text:
            for name in promotion.audience.any_of:
                yield from self.old_facts(self.ruleset.segments[name])
        named = [name for line in lines for name in self.situation.unknown(line.condition)]
        for asked in (asked for line in lines for asked in self.situation.past(line.condition)):
            if self.situation.truth(asked) is None:
                yield self.happened(asked)
        if isinstance(promotion.reward, Variants) and promotion.reward.text == result.clause:
            named.append(
                {"customer": "customer.id", "household": "customer.household"}.get(promotion.reward.by, "basket")
            )
        for limit in promotion.limits:
            if limit.text == result.clause:
                named.append({"store": "store.id"}.get(limit.scope, "customer.id"))
        for attribute in named:
            yield say("{attribute} is not known", attribute=attribute)

    # ------------------------------------------------------------------------------------------------ amounts

    def shares(self, lines: Iterable[str] = (), *, others: bool = False) -> tuple[str, ...]:
        """Where the cents went: for each article its list amount, its discounts by promotion, and what it costs.

        `lines`: only these; else all, with the sum. `others`: also who touched the basket and did not apply."""
        chosen = frozenset(lines)
        rows = [self.row(line) for line in self.decision.lines if not chosen or line.id in chosen]
        totals = self.decision.totals
        if not chosen:
            saved = f"-{minor(totals.saving, self.decision.currency)}" if totals.saving else ""
            net = minor(totals.net, self.decision.currency)
            rows.append((self.text(say("in all")), minor(totals.list, self.decision.currency), saved, net))
        widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
        table = [
            f"{name:<{widths[0]}}  {full:>{widths[1]}}  {saved:<{widths[2]}}  {net:>{widths[3]}}"
            for name, full, saved, net in rows
        ]
        return (*table, *((self.text(said) for said in self.others()) if others else ()))

    def row(self, line: LineResult) -> tuple[str, str, str, str]:
        """Article, list amount, discounts, net amount of a line."""
        bought = next(bought for bought in self.request.lines if bought.id == line.id)
        much = (
            f"{number(Decimal(bought.measure).scaleb(-3))} {bought.unit} of" if bought.unit else f"{bought.quantity} x"
        )
        currency = self.decision.currency
        saved: dict[str, int] = {}
        for discount in line.discounts:
            saved[discount.promotion] = saved.get(discount.promotion, 0) + discount.amount
        shown = ", ".join(f"{name} -{minor(amount, currency)}" for name, amount in saved.items())
        return f"{much} {bought.article}", minor(line.list, currency), shown, minor(line.net, currency)

    def others(self) -> Iterator[Phrase]:
        """Promotions that touch the basket and do not apply, each with its reason."""
        results = [
            result
            for result in self.decision.promotions
            if result.reason is not Reason.APPLIED and (self.touching is None or result.name in self.touching)
        ]
        for result in results[:OTHERS_MAX]:
            more = say(" ({missing})", missing=self.missing(result.missing)) if result.missing else None
            reason = word(result.reason)
            yield say(
                "{promotion} does not apply because {reason}{more}", promotion=result.name, reason=reason, more=more
            )
        if len(results) > OTHERS_MAX:
            rest = len(results) - OTHERS_MAX
            yield say("and {count} more promotions that touch the basket (--trace shows them)", count=rest)

    def text(self, said: Said) -> str:
        """In the language of this report."""
        return text_of(said, self.language)

    def applied(self) -> tuple[str, ...]:
        """What applied, for expectations about the whole."""
        return tuple(
            self.text(
                say(
                    "{promotion} saved {amount}",
                    promotion=result.name,
                    amount=minor(result.saving, self.decision.currency),
                )
            )
            for result in self.decision.promotions
            if result.reason is Reason.APPLIED
        )


def fact_text(fact: Fact) -> str:
    """A value as the language writes it."""
    value = fact.value
    if isinstance(value, tuple):
        return ", ".join(f'"{text}"' for text in value)
    if isinstance(value, str):
        return value if value.replace("-", "").isalnum() else f'"{value}"'
    match fact.type:
        case Type.YES_NO:
            return "yes" if value else "no"
        case Type.DATE:
            return (_EPOCH + datetime.timedelta(days=value)).isoformat()
        case Type.PERCENT:
            return number(Decimal(value) / 100) + "%"
        case Type.MONEY:
            return money_text(fact.currency, Decimal(value).scaleb(-6))
        case _:
            return number(Decimal(value).scaleb(-6))


def used_before(request: Request, promotion: str, limit: Limit) -> int:
    """What a limit's counter stands at."""
    return max((use.used for use in request.usage if (use.promotion, use.limit) == (promotion, limit.key)), default=0)


def bound_of(limit: Limit, currency: str) -> int | None:
    """How much a limit in money lets be saved; None: it says no amount in this currency."""
    return next((amount.value for amount in limit.saving if amount.currency == currency), None)


def guard_lines(guard: Guard) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The verbs of a guard with their product sets."""
    return (
        ("discount", guard.discount),
        ("reward", guard.reward),
        ("count", guard.count),
        ("ship free", guard.ship_free),
    )
