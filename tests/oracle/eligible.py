"""Who may take part (law 5 and 8): the stages in order, thresholds, codes, limits. And what guards mark (law 4)."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import ceil

from engine.basket import UNITS
from engine.decision import Missing, Reason
from engine.program import (
    All,
    AmountOffArticle,
    AmountOffEach,
    AmountOffFee,
    AmountOffMeasure,
    AmountOffTogether,
    Any_,
    Arm,
    Articles,
    BasketPrice,
    Cashier,
    Choice,
    CodeSet,
    CompareMoney,
    Condition,
    Count,
    FeePrice,
    FeeReward,
    FixedPriceEach,
    FixedPriceMeasure,
    Gift,
    Group,
    Ladder,
    Limit,
    Measured,
    Money,
    None_,
    Plain,
    PointsReward,
    PricesFrom,
    PriceTogether,
    Promotion,
    Reward,
    Settings,
    Tier,
    Tiers,
    TimesPoints,
    Variants,
    Worth,
    WorthOtherwise,
    Zone,
)
from tests.oracle.arithmetic import ceiling, round_to
from tests.oracle.calendar import in_slots, runs
from tests.oracle.conditions import Judge, amount_in, every, negate, some
from tests.oracle.resolve import Basket, Line, Truth, Unit

BLANKS = " \t\r\n"
UPPER = {ord(letter): letter.upper() for letter in "abcdefghijklmnopqrstuvwxyz"}


def normalised(code: str) -> str:
    """Without surrounding blanks, ASCII letters in upper case."""
    return code.strip(BLANKS).translate(UPPER)


def choose_gifts(basket: Basket, judge: Judge) -> None:
    """Which lines may be the gifts that they are to be: they count nowhere. After `mark`."""
    for line in basket.lines:
        promotion = basket.ruleset.promotions.get(line.request.gift_of)
        if promotion is None or line.request.measure or "discount" in line.marks:
            continue
        if not any(judge.in_products(name, line) is True for name in promotion.except_):
            line.gift = frozenset(
                number
                for number, reward in enumerate(promotion.rewards)
                if isinstance(reward, Gift)
                and judge.in_products(reward.of, line) is True
                and line.floor <= (amount_in(reward.price, basket.request.currency) or 0)
            )
    articles = {line.request.article for line in basket.lines if not line.gift}
    basket.facts["basket.lines"] = len(articles) * 1_000_000


def mark(basket: Basket, judge: Judge) -> None:
    """What guards say of each line: an unknown membership guards as well."""
    for line in basket.lines:
        line.marks = guarded_from(basket, judge, line)
        floor = floor_of(basket, judge, line)
        line.floor = floor or 0
        line.marks |= {"discount"} if floor is None else set()


def guarded_from(basket: Basket, judge: Judge, line: Line) -> frozenset[str]:
    """What guards keep one line from."""
    return frozenset(
        kind
        for guard in basket.ruleset.guards
        for kind in ("discount", "reward", "count", "ship_free")
        for name in getattr(guard, kind)
        if judge.in_products(name, line) is not False
    )


def floor_of(basket: Basket, judge: Judge, line: Line) -> int | None:
    """What no promotion prices a unit of a line below, rounded up; None: not known, and so nothing is taken off."""
    micros, highest = basket.micros_per_minor, 0
    for floor in [floor for guard in basket.ruleset.guards for floor in guard.floors]:
        if all(judge.in_products(name, line) is False for name in floor.of):
            continue
        value = line.facts.get(floor.attribute)
        if not isinstance(value, int):
            return None
        exact = Fraction(value * line.request.measure, 1_000) if line.request.measure else Fraction(value)
        highest = max(highest, ceil(exact / micros))
    return highest


@dataclass(frozen=True, slots=True)
class Terms:
    """What an eligible promotion is bound by."""

    code: str  # it would use; "" = it asks for none
    uses: int | None  # applications; None: any number
    cap: int | None  # of its saving
    budgets: tuple[tuple[int, str], ...]  # what is left of each, with the limit's text
    reward: Plain | None = None  # the tier or the variant that holds; None: each unit has its own
    by_unit: Mapping[int, Plain] = field(default_factory=dict)  # its tiers
    tier: int = 0  # that is reached, counted from 1
    next_tier: Missing | None = None  # what is missing to the one above


@dataclass(frozen=True, slots=True)
class Failure:
    """The first stage that failed."""

    reason: Reason
    clause: str = ""
    missing: Missing | None = None


def check(
    basket: Basket, judge: Judge, promotion: Promotion, group: Group, left: list[int], fees: Mapping[str, int]
) -> Terms | Failure:
    """The stages of one promotion, in their order. `left`, `fees`: what units and services cost by now."""
    code = entrance(basket, judge, promotion)
    if isinstance(code, Failure):
        return code
    held: Plain | None = None
    unheld = None
    if isinstance(promotion.reward, Variants):
        arm = arm_of(basket, promotion.name, promotion.reward)
        held = promotion.rewards[0] if arm is None or arm.reward is None else arm.reward
        if arm is None:
            unheld = Failure(Reason.UNKNOWN_FACT, promotion.reward.text)
        elif arm.reward is None:
            unheld = Failure(Reason.CONTROL_GROUP, promotion.reward.text)
        promotion = promotion.model_copy(update={"reward": held})
    thresholds = Thresholds(basket, promotion, group, left, fees)
    failure = _when(thresholds, promotion) or unheld or _not_entered(basket, promotion.reward)
    terms = failure or _limits(basket, promotion, code)
    if isinstance(terms, Failure):
        return terms
    if isinstance(promotion.reward, Tiers):
        return _tiers(thresholds, promotion.reward, terms)
    assert not isinstance(promotion.reward, Variants)
    return replace(terms, reward=promotion.reward)


def is_entered(basket: Basket, reward: Reward) -> bool:
    """Whether a cashier entered anything for one of its reasons."""
    reasons = reward.reasons if isinstance(reward, Cashier) else ()
    return any(entry.reason in reasons for entry in basket.request.manual_discounts)


def _not_entered(basket: Basket, reward: Reward) -> Failure | None:
    """What the cashier is to enter, and did not."""
    if not isinstance(reward, Cashier) or is_entered(basket, reward):
        return None
    return Failure(Reason.CONDITION, reward.text)


def entrance(basket: Basket, judge: Judge, promotion: Promotion) -> str | Failure:
    """The stages that no price bears on: the code it would use, or the first that failed."""
    at, request, ruleset = basket.request.at_us, basket.request, basket.ruleset
    zone = zone_of(basket, promotion.runs.zone)
    if not runs(promotion.runs, zone, at):
        return Failure(Reason.SCHEDULE, promotion.runs.text)
    if promotion.only_on is not None:
        region = basket.facts.get("store.region")
        truth = in_slots(promotion.only_on, zone, at, ruleset.holidays, region if isinstance(region, str) else None)
        if truth is not True:
            return Failure(Reason.UNKNOWN_FACT if truth is None else Reason.SCHEDULE, promotion.only_on.text)
    if request.channel not in promotion.channels.names:
        return Failure(Reason.CHANNEL, promotion.channels.text)
    if promotion.places is not None:
        truth = _in_places(judge, promotion.places)
        if not request.store or truth is False:
            return Failure(Reason.PLACE, promotion.places.text)
        if truth is None:
            return Failure(Reason.UNKNOWN_FACT, promotion.places.text)
    reason = _audience(basket, judge, promotion.audience)
    if reason is not None:
        return Failure(reason, promotion.audience.text)
    code = ""
    if promotion.code is not None:
        entered = entered_of(basket, ruleset.codes[promotion.code.codes])
        fresh = [one for one in entered if not _used_up(basket, promotion, one)]
        if not fresh:
            return Failure(Reason.CODE_USED if entered else Reason.CODE_MISSING, promotion.code.text)
        code = min(fresh)
    lists = [ruleset.price_lists[reward.prices] for reward in promotion.rewards if isinstance(reward, PricesFrom)]
    listed = all(any(column.currency == request.currency for column in prices.prices) for prices in lists)
    amounts = _amounts(promotion, ruleset.settings)
    if not listed or any(amount_in(money, request.currency) is None for money in amounts):
        return Failure(Reason.CURRENCY)
    return code


# ---------- tiers, variants ----------


def arm_of(basket: Basket, name: str, variants: Variants) -> Arm | None:
    """The variant that the request chooses, else the one that is drawn; None: nobody is there to draw for."""
    for choice in basket.request.variants:
        if choice.promotion == name:
            return next(arm for arm in variants.arms if arm.name == choice.variant)
    customer = basket.request.customer
    subject = {"customer": customer.id, "household": customer.household, "basket": basket.request.basket}[variants.by]
    if not subject:
        return None
    digest = hashlib.sha256(f"{name}\0{subject}".encode()).hexdigest()
    drawn = int(digest[:16], 16) % 10_000
    everyone = [arm for arm in variants.arms for _ in range(arm.share)]
    return everyone[drawn]


def _tiers(thresholds: Thresholds, tiers: Tiers, terms: Terms) -> Terms | Failure:
    """The tier that is reached, by the basket or by each unit."""
    basket, left = thresholds.basket, thresholds.left
    of = tiers.target.name if tiers.target.kind == "set" else None
    units = [unit for unit in thresholds.counting_of(of) if tiers.unit is None or _measures(unit, tiers.unit)]
    lows = [_begins(tier, tiers, basket.request.currency) for tier in tiers.tiers]

    def total(these: Iterable[Unit]) -> int:
        if tiers.by == "spend":
            by_list = tiers.basis == "list" or (tiers.basis == "group" and thresholds.original)
            return sum(unit.list if by_list else left[unit.index] for unit in these)
        if tiers.unit is None:
            return len(list(these))
        return sum(unit.measure * UNITS[unit.line.request.unit][1] for unit in these)

    def reached(amount: int) -> Plain | None:
        held = [tier.reward for tier, low in zip(tiers.tiers, lows, strict=True) if amount >= low]
        return held[-1] if held else None

    articles = sorted({unit.article for unit in basket.units}) if tiers.one_article else [""]
    own = {article: [unit for unit in units if article in ("", unit.article)] for article in articles}
    most = max((total(these) for these in own.values()), default=0)
    missing = None
    held = max((number for number, low in enumerate(lows, 1) if most >= low), default=0)
    if held < len(lows):
        factor = UNITS[tiers.unit][1] if tiers.unit else 1
        kind = "amount" if tiers.by == "spend" else "measure" if tiers.unit else "pieces"
        missing = Missing(kind, ceiling(lows[held] - most, factor), tiers.unit or "", of or "")
    if not held:
        reason = Reason.CONDITION if tiers.by == "spend" else Reason.QUANTITY
        return Failure(reason, tiers.tiers[0].text, missing)
    terms = replace(terms, tier=held, next_tier=missing)
    if isinstance(reached(most), PointsReward | Gift) or (not tiers.one_article and not tiers.stepwise):
        return replace(terms, reward=reached(most))
    by_unit: dict[int, Plain] = {}
    for article, these in own.items():
        if not tiers.stepwise:
            own_tier = reached(total(these))
            if own_tier is not None:
                by_unit |= {unit.index: own_tier for unit in basket.units if unit.article == article}
            continue
        ordered = sorted(these, key=lambda unit: order_u(unit, unit.list if thresholds.original else None, left))
        for place, unit in enumerate(ordered, 1):
            own_tier = reached(total(ordered[:place]))
            if own_tier is not None:
                by_unit[unit.index] = own_tier
    return replace(terms, by_unit=by_unit)


def order_u(unit: Unit, base: int | None, left: Sequence[int]) -> tuple[int, int, int, str, int, int]:
    """Dearest first; `base` None: what is left. `index` stands for line id, then position."""
    price = left[unit.index]
    return (-(price if base is None else base), -price, -unit.list, unit.article, -unit.measure, unit.index)


def _measures(unit: Unit, of: str) -> bool:
    return unit.line.dimension == UNITS[of][0]


def _begins(tier: Tier, tiers: Tiers, currency: str) -> int:
    """In minor units, pieces, or the smallest thousandths of its dimension."""
    if tiers.by == "spend":
        low = amount_in(tier.spend, currency)
        assert low is not None, "the currency was checked before"
        return low
    return tier.quantity * (UNITS[tiers.unit][1] if tiers.unit else 1)


def zone_of(basket: Basket, name: str) -> Zone:
    """A zone; "store-time": that of the request's store, else of the settings."""
    ruleset = basket.ruleset
    if name == "store-time":
        row = ruleset.store_rows.get(basket.request.store)
        name = "" if row is None else ruleset.stores.zones[row]
    return ruleset.zones[name or ruleset.settings.timezone]


def _in_places(judge: Judge, choice: Choice) -> Truth:
    among = some(judge.in_place(name) for name in choice.any_of) if choice.any_of else True
    return every([among, negate(some(judge.in_place(name) for name in choice.but_not))])


def _audience(basket: Basket, judge: Judge, choice: Choice) -> Reason | None:
    if any(judge.in_segment(name) is True for name in choice.but_not):
        return Reason.AUDIENCE
    truth = some(judge.in_segment(name) for name in choice.any_of) if choice.any_of else True
    if truth is True:
        return None
    if truth is None:
        return Reason.UNKNOWN_FACT
    with_consent = Judge(basket, all_consents=True)
    return Reason.CONSENT if any(with_consent.in_segment(n) is True for n in choice.any_of) else Reason.AUDIENCE


# ---------- codes ----------


def known_as(basket: Basket, text: str) -> str:
    """The code that a text stands for: itself, if an exact set has it."""
    exact = {code for codes in basket.ruleset.codes.values() if codes.exact for code in codes.codes}
    return text if text in exact else normalised(text)


def entered(basket: Basket) -> list[str]:
    return sorted({known_as(basket, code) for code in basket.request.codes})


def entered_of(basket: Basket, codes: CodeSet) -> list[str]:
    texts = basket.request.codes if codes.exact else entered(basket)
    return [code for code in entered(basket) if code in codes.codes and code in texts]


def set_uses_left(basket: Basket, codes: CodeSet, code: str) -> int | None:
    """How often the set lets this code be used yet; None: without limit."""
    return None if codes.uses is None else codes.uses - used(basket, "", "code:ever:uses", code)


def _used_up(basket: Basket, promotion: Promotion, code: str) -> bool:
    assert promotion.code is not None
    left = set_uses_left(basket, basket.ruleset.codes[promotion.code.codes], code)
    if left is not None and left <= 0:
        return True
    per_code = [limit for limit in promotion.limits if limit.scope == "code"]
    lefts = [limit_left(basket, promotion, limit, code) for limit in per_code]
    return any(left is not None and left <= 0 for left in lefts)


# ---------- amounts ----------


def _amounts(promotion: Promotion, settings: Settings) -> Iterator[Money]:
    """Every amount that must be said in the basket's currency."""
    if isinstance(promotion.reward, Tiers):
        yield from (tier.spend for tier in promotion.reward.tiers if tier.spend)
    for reward in promotion.rewards:
        match reward:
            case Gift() if reward.price:
                yield reward.price
            case Cashier() if reward.amount:
                yield reward.amount
            case TimesPoints() if settings.points is not None:
                yield settings.points.per
            case AmountOffEach() | AmountOffTogether() | AmountOffArticle() | AmountOffMeasure() | AmountOffFee():
                yield reward.amount
            case FixedPriceEach() | FixedPriceMeasure() | PriceTogether() | BasketPrice() | FeePrice():
                yield reward.price
            case Ladder():
                yield from (step.amount for step in reward.steps if step.amount)
    yield from (limit.saving for limit in promotion.limits if limit.measure == "saving")
    for line in promotion.when:
        yield from _amounts_of(line.condition)


def _amounts_of(condition: Condition) -> Iterator[Money]:
    match condition:
        case All() | Any_() | None_():
            for part in condition.of:
                yield from _amounts_of(part)
        case Worth() | WorthOtherwise():
            yield from (bound for bound in (condition.low, condition.high) if bound)
        case CompareMoney():
            yield condition.value


# ---------- thresholds ----------


class Thresholds(Judge):
    """Judges the `when` of a promotion: also what the basket is worth and holds, over the counting units."""

    def __init__(
        self, basket: Basket, promotion: Promotion, group: Group, left: list[int], fees: Mapping[str, int]
    ) -> None:
        super().__init__(basket)
        self.fees = fees
        self.original = group.prices == "original"
        self.left = left
        never = {"count"}
        if any(isinstance(reward, FeeReward) for reward in promotion.rewards):
            never |= {"ship_free"}
        elif any(isinstance(reward, PointsReward | Gift) for reward in promotion.rewards):
            never |= {"reward"}
        self.counting = [
            unit
            for unit in basket.units
            if not never & unit.line.marks
            and not unit.line.gift
            and not any(self.in_products(name, unit.line) is True for name in promotion.except_)
        ]

    def holds(self, condition: Condition, item: Line | None = None) -> Truth:
        match condition:
            case Worth() | WorthOtherwise():
                currency = self.basket.request.currency
                return _within(
                    self.worth(condition), amount_in(condition.low, currency), amount_in(condition.high, currency)
                )
            case Count():
                return _within(self.count(condition), condition.low, condition.high)
            case Articles():
                return _within(self.articles(condition), condition.low, condition.high)
            case Measured():
                _, factor = UNITS[condition.unit]
                low, high = (None if bound is None else bound * factor for bound in (condition.low, condition.high))
                return _within(self.measured(condition), low, high)
        return super().holds(condition, item)

    def counting_of(self, name: str | None) -> list[Unit]:
        return [u for u in self.counting if name is None or self.in_products(name, u.line) is True]

    def worth(self, condition: Worth | WorthOtherwise) -> int:
        by_list = condition.basis == "list" or (condition.basis == "group" and self.original)
        at_rate: Counter[int | None] = Counter()
        for unit in self.counting_of(condition.of):
            at_rate[unit.line.tax_rate] += unit.list if by_list else self.left[unit.index]
        if isinstance(condition, WorthOtherwise):
            for fee in self.basket.request.fees if condition.fees else ():
                at_rate[fee.tax_rate] += fee.amount if by_list else self.fees[fee.service]
            if condition.without_tax and self.basket.ruleset.settings.prices_include_tax:
                return sum(
                    amount if rate is None else round_to(amount * 10_000, 10_000 + rate, self.basket.rounding)
                    for rate, amount in at_rate.items()
                )
        return at_rate.total()

    def count(self, condition: Count) -> int:
        units = self.counting_of(condition.of)
        if condition.one_article:
            return max(Counter(unit.article for unit in units).values(), default=0)
        return len(units)

    def articles(self, condition: Articles) -> int:
        return len({unit.article for unit in self.counting_of(condition.of)})

    def measured(self, condition: Measured) -> int:
        """In thousandths of the dimension's smallest unit."""
        dimension, _ = UNITS[condition.unit]
        units = [unit for unit in self.counting_of(condition.of) if unit.line.dimension == dimension]
        return sum(unit.measure * UNITS[unit.line.request.unit][1] for unit in units)

    def missing(self, condition: Condition) -> Missing | None:
        """What is missing to a lower bound; None for any other condition and where the upper bound fails."""
        match condition:
            case Worth() | WorthOtherwise():
                low = amount_in(condition.low, self.basket.request.currency) or 0
                found = Missing("amount", low - self.worth(condition), "", condition.of or "")
            case Count():
                found = Missing("pieces", (condition.low or 0) - self.count(condition), "", condition.of)
            case Articles():
                found = Missing("articles", (condition.low or 0) - self.articles(condition), "", condition.of)
            case Measured():
                _, factor = UNITS[condition.unit]
                short = ceiling((condition.low or 0) * factor - self.measured(condition), factor)
                found = Missing("measure", short, condition.unit, condition.of)
            case _:
                return None
        return found if found.value > 0 else None


def _within(value: int, low: int | None, high: int | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)


def _when(thresholds: Thresholds, promotion: Promotion) -> Failure | None:
    truths = [thresholds.holds(line.condition) for line in promotion.when]
    for truth, reason in ((False, Reason.CONDITION), (None, Reason.UNKNOWN_FACT)):
        for line, found in zip(promotion.when, truths, strict=True):
            if found is truth:
                return Failure(reason, line.text, None if truth is None else thresholds.missing(line.condition))
    return None


# ---------- limits ----------


def used(basket: Basket, promotion: str, key: str, code: str = "") -> int:
    """What a counter stands at; without a usage fact nothing was used."""
    for usage in basket.request.usage:
        if (usage.promotion, usage.limit, known_as(basket, usage.code)) == (promotion, key, code):
            return usage.used
    return 0


def limit_left(basket: Basket, promotion: Promotion, limit: Limit, code: str) -> int | None:
    """Limit − used, for a known subject. A `basket` limit has used nothing. None: money in another currency."""
    bound = amount_in(limit.saving, basket.request.currency) if limit.measure == "saving" else limit.count
    if limit.scope == "basket" or bound is None:
        return bound
    return bound - used(basket, promotion.name, limit.key, code if limit.scope == "code" else "")


def _limits(basket: Basket, promotion: Promotion, code: str) -> Terms | Failure:
    customer, ruleset = basket.request.customer, basket.ruleset
    subjects = {"customer": customer.id, "household": customer.household, "store": basket.request.store}
    uses: list[int] = []
    caps: list[int] = []
    budgets: list[tuple[int, str]] = []
    for limit in promotion.limits:
        if subjects.get(limit.scope, "known") == "":
            return Failure(Reason.UNKNOWN_FACT, limit.text)
        left = limit_left(basket, promotion, limit, code)
        assert left is not None, "the amounts were checked before"
        if left <= 0:
            reason = Reason.BUDGET if limit.scope in {"total", "store"} else Reason.LIMIT
            return Failure(reason, limit.text)
        if limit.measure == "uses":
            uses.append(left)
        elif limit.measure == "saving" and limit.scope in {"total", "store"}:
            budgets.append((left, limit.text))
        elif limit.measure == "saving":
            caps.append(left)
    if promotion.code is not None:
        left = set_uses_left(basket, ruleset.codes[promotion.code.codes], code)
        uses += [] if left is None else [left]
    return Terms(code, min(uses, default=None), min(caps, default=None), tuple(budgets))


def usage_as_given(basket: Basket, promotion: Promotion) -> bool:
    """It has a limit past the basket, or its codes have."""
    codes = basket.ruleset.codes[promotion.code.codes] if promotion.code else None
    return any(limit.scope != "basket" for limit in promotion.limits) or (codes is not None and codes.uses is not None)
