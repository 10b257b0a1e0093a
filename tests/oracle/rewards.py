"""What one promotion saves (law 6): available units, runs, savings, caps, budgets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from engine.basket import UNITS
from engine.decision import Missing, Reason
from engine.program import (
    AmountOffArticle,
    AmountOffEach,
    AmountOffMeasure,
    AmountOffTogether,
    BasketPrice,
    Benefit,
    Cashier,
    FeeReward,
    FixedPoints,
    FixedPriceEach,
    FixedPriceMeasure,
    Gift,
    Ladder,
    Money,
    NextCode,
    PercentOff,
    PercentOffTogether,
    Pick,
    Plain,
    PricesFrom,
    PriceTogether,
    Promotion,
    Tiers,
    TimesPoints,
    Variants,
)
from tests.oracle.arithmetic import Share, ceiling, prorate, round_to
from tests.oracle.conditions import Judge, amount_in
from tests.oracle.eligible import Failure, Terms, order_u
from tests.oracle.price_lists import nothing as no_price
from tests.oracle.price_lists import promised
from tests.oracle.resolve import Basket, Unit

Exact = Fraction | int  # what is saved before it is rounded: whole, but where articles are rounded


@dataclass(frozen=True, slots=True)
class Role:
    """What units are taken for: as bought ones of a need, or to be rewarded; so many for each application."""

    products: str | None  # the set; None: the whole basket
    n: int = 1
    one_article: bool = False
    fewer: bool = False  # the last application may have less
    rewarded: bool = False  # and not bought
    pick: str = ""  # the cheapest or dearest of all that are available
    measure: int = 0  # so much by measure instead, in thousandths of the smallest unit of its dimension
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Application:
    """One application: the units it takes, in order U, and what it saves on each."""

    units: tuple[Unit, ...]
    savings: dict[int, int]  # by unit

    @property
    def saving(self) -> int:
        return sum(self.savings.values())


@dataclass(frozen=True, slots=True)
class Taking:
    """What a promotion takes: its applications, and what it would save without a cap."""

    applications: tuple[Application, ...] = ()
    uncapped: Exact = 0  # before it is rounded

    @property
    def saving(self) -> int:
        return sum(application.saving for application in self.applications)

    @property
    def units(self) -> frozenset[int]:
        return frozenset(unit.index for application in self.applications for unit in application.units)


@dataclass(frozen=True, eq=False)
class Offer:
    """An eligible promotion with its available units."""

    basket: Basket
    promotion: Promotion
    original: bool  # its group's prices
    terms: Terms
    roles: tuple[Role, ...]  # one, for nothing in particular, without `buy`
    open_to: dict[int, tuple[int, ...]]  # by unit: the roles it may have
    units: tuple[Unit, ...]  # those open to any role
    unguarded: dict[int, tuple[int, ...]]  # likewise, were there no guards
    promised: dict[int, int]  # by unit: what a price list makes it cost

    @property
    def name(self) -> str:
        return self.promotion.name

    @property
    def n(self) -> int:
        """Units of an application, of all roles; 0: it has none."""
        return sum(role.n for role in self.roles) if self.buys or self.roles[-1].rewarded else 0

    @property
    def buys(self) -> bool:
        return self.promotion.buy is not None

    @property
    def bought(self) -> int:
        """How many of them are bought."""
        return self.promotion.buy.count if self.promotion.buy else 0

    @property
    def singles(self) -> bool:
        return isinstance(self.promotion.reward, PriceTogether) and self.promotion.reward.singles

    @property
    def off_together(self) -> bool:
        """An amount or a percentage off what is bought, or off a set, as a whole."""
        kinds = PercentOffTogether | AmountOffTogether | BasketPrice
        return isinstance(self.promotion.reward, kinds) and not self.roles[-1].rewarded

    @property
    def apart(self) -> bool:
        """It is read, or given, for each article or unit."""
        once = isinstance(self.promotion.reward, AmountOffArticle) and not self.buys
        return bool(self.terms.by_unit) or once

    def reward_of(self, unit: Unit) -> Plain:
        """What it gives on a unit."""
        return self.terms.reward or self.terms.by_unit[unit.index]

    @property
    def saves_together(self) -> bool:
        kinds = PercentOffTogether | AmountOffTogether | PriceTogether | BasketPrice
        return isinstance(self.promotion.reward, kinds)

    def base(self, unit: Unit, left: Sequence[int]) -> int:
        return unit.list if self.original else left[unit.index]

    def money(self, money: Money) -> int:
        amount = amount_in(money, self.basket.request.currency)
        assert amount is not None, "the currency was checked before"
        return amount

    def percent(self, base: int, basis_points: int) -> int:
        return round_to(base * basis_points, 10_000, self.basket.rounding)

    def part(self, unit: Unit, base: int, basis_points: int) -> Exact:
        """A percentage of what a unit costs: of a piece exact, where what an article's save is rounded."""
        if self.basket.by_article and not unit.measure:
            return Fraction(base * basis_points, 10_000)
        return self.percent(base, basis_points)

    def most_applications(self, units: Sequence[Unit]) -> int:
        """With these units, were no unit wanted by two roles."""
        uses = self.terms.uses if self.buys else 1
        if self.singles:
            return 1
        enough = [] if uses is None else [uses]
        for number, role in enumerate(self.roles):
            able = [unit for unit in units if number in self.open_to[unit.index]]
            have = sum(measure_of(unit) for unit in able) // role.measure if role.measure else len(able)
            enough.append(ceiling(have, role.n) if role.fewer else have // role.n)
        return min(enough)

    def rewards(self, role: int) -> bool:
        """Whether units of a role get cheaper: bought ones do not where others are rewarded."""
        return self.roles[role].rewarded or not self.roles[-1].rewarded


def measure_of(unit: Unit) -> int:
    """In thousandths of the smallest unit of its dimension."""
    return unit.measure * UNITS[unit.line.request.unit][1]


def needs_of(promotion: Promotion) -> Iterator[Role]:
    """What it buys."""
    for need in promotion.buy.needs if promotion.buy else ():
        measure = need.measure * UNITS[need.unit][1] if need.measure else 0
        yield Role(need.of, need.count, need.one_article, measure=measure, unit=need.unit)


def roles_of(promotion: Promotion) -> tuple[Role, ...]:
    """What its applications take."""
    reward = promotion.reward
    assert not isinstance(reward, Benefit | Variants), "a benefit takes no units"
    target = (
        None
        if isinstance(reward, Pick | Ladder | PriceTogether | BasketPrice | PricesFrom | Cashier)
        else reward.target
    )
    bought = list(needs_of(promotion))
    if target is not None and target.kind == "count":
        return (*bought, Role(target.name, target.count, target.one_article, target.fewer, True, target.pick))
    if bought:
        return tuple(bought)
    return (Role(target.name if target and target.kind == "set" else None),)


def sets_of(promotion: Promotion) -> set[str] | None:
    """The sets whose units it touches, whichever tier or variant holds; None: the whole basket, or a service."""
    names: list[str | None] = []
    for reward in promotion.rewards:
        if isinstance(reward, PricesFrom):
            continue  # it touches by its articles
        if isinstance(promotion.reward, Tiers) and isinstance(reward, FixedPoints | Gift):
            names.append(promotion.reward.target.name or None)
        elif isinstance(reward, FeeReward | FixedPoints | Gift | NextCode):
            names.append(None)
        elif isinstance(reward, Cashier):
            pass  # it touches by what is entered
        elif isinstance(reward, TimesPoints):
            names.append(reward.target.name or None)
        else:
            names += [role.products for role in roles_of(with_reward(promotion, reward))]
    return None if None in names else {name for name in names if name}


def with_reward(promotion: Promotion, reward: Plain) -> Promotion:
    """As if it gave this alone."""
    return promotion.model_copy(update={"reward": reward})


def offer(basket: Basket, judge: Judge, promotion: Promotion, original: bool, terms: Terms) -> Offer:
    """The promotion with the units it could take, giving the tier or the variant that holds."""
    if terms.reward is not None:
        promotion = with_reward(promotion, terms.reward)
    roles = roles_of(promotion)
    listed = promised(basket, judge, promotion, terms.reward) if isinstance(terms.reward, PricesFrom) else {}

    def fits(unit: Unit) -> bool:
        reward = terms.reward or terms.by_unit.get(unit.index)
        if isinstance(reward, PricesFrom):
            return unit.index in listed
        if reward is None:
            return False
        if isinstance(reward, FixedPriceEach):
            return not unit.measure
        if isinstance(reward, Cashier):
            return unit.entry is not None and unit.entry.reason in reward.reasons
        if isinstance(reward, FixedPriceMeasure | AmountOffMeasure):
            return unit.line.dimension == UNITS[reward.per][0]
        return True

    def may(unit: Unit, role: Role, guarded: bool) -> bool:
        cheaper = role.rewarded or not roles[-1].rewarded
        never = {"discount", "count"} if promotion.buy and not role.rewarded else {"discount"}
        return (
            (role.products is None or judge.in_products(role.products, unit.line) is True)
            and not any(judge.in_products(other, unit.line) is True for other in promotion.except_)
            and (fits(unit) or not cheaper)
            and (not role.measure or unit.line.dimension == UNITS[role.unit][0])
            and not unit.line.gift
            and not (guarded and never & unit.line.marks)
        )

    def opened(guarded: bool) -> dict[int, tuple[int, ...]]:
        found = {u.index: tuple(n for n, role in enumerate(roles) if may(u, role, guarded)) for u in basket.units}
        return {unit: numbers for unit, numbers in found.items() if numbers}

    open_to = opened(True)
    units = tuple(unit for unit in basket.units if unit.index in open_to)
    return Offer(basket, promotion, original, terms, roles, open_to, units, opened(False), listed)


def without(offer: Offer, units: frozenset[int]) -> Offer:
    """The promotion without some units."""
    open_to = {unit: roles for unit, roles in offer.open_to.items() if unit not in units}
    return replace(offer, open_to=open_to, units=tuple(unit for unit in offer.units if unit.index not in units))


def in_order_u(offer: Offer, units: Iterable[Unit], left: Sequence[int]) -> list[Unit]:
    """Dearest first."""
    return sorted(units, key=lambda unit: order_u(unit, offer.base(unit, left), left))


# ---------- the two tables ----------


def saving_of(offer: Offer, unit: Unit, left: Sequence[int], position: int = 0) -> Exact:
    """A unit's saving by itself, at a position (from 0) of its run. Of «together»: what it adds to the sum.

    It is whole, but for percentages that are rounded article by article."""
    saving, reward = _before_floors(offer, unit, left, position), offer.reward_of(unit)
    if isinstance(reward, PriceTogether) or (isinstance(reward, Cashier) and for_the_basket(unit)):
        return saving  # together there is room for more, or less
    return min(saving, room(unit, left))


def room(unit: Unit, left: Sequence[int]) -> int:
    """What may be taken off a unit: never more than down to its floor."""
    return max(0, left[unit.index] - unit.line.floor)


def _before_floors(offer: Offer, unit: Unit, left: Sequence[int], position: int) -> Exact:
    price, rest, reward = offer.base(unit, left), left[unit.index], offer.reward_of(unit)
    match reward:
        case PercentOff():
            return min(rest, offer.part(unit, price, reward.percent))
        case AmountOffEach():
            return min(rest, offer.money(reward.amount))
        case FixedPriceEach():
            return max(0, rest - offer.money(reward.price))
        case PricesFrom():
            return max(0, rest - offer.promised[unit.index])
        case FixedPriceMeasure():
            return max(0, rest - _for_measure(offer, unit, *_per_line_unit(unit, reward, offer.money(reward.price))))
        case AmountOffMeasure():
            micros, per = _per_line_unit(unit, reward, offer.money(reward.amount))
            reduced = max(0, unit.line.price * per - micros)
            return min(rest, unit.list - _for_measure(offer, unit, reduced, per))
        case Pick():
            first, last = (
                (0, reward.count) if reward.which == "dearest" else (offer.bought - reward.count, offer.bought)
            )
            return min(rest, offer.part(unit, price, reward.percent)) if first <= position < last else 0
        case Ladder():
            for step in reward.steps:
                if step.nth == position + 1:
                    off = offer.money(step.amount) if step.amount else offer.part(unit, price, step.percent)
                    return min(rest, off)
            return 0
        case PriceTogether():
            total = offer.money(reward.price)
            if reward.singles:
                return rest - (ceiling(total * (position + 1), offer.n) - ceiling(total * position, offer.n))
            return rest - (total if position == offer.n - 1 else 0)
        case Cashier():
            return rest if for_the_basket(unit) else entered(offer, reward, unit, price, rest)
    raise AssertionError(f"{reward.kind} has no saving of a unit by itself")


def for_the_basket(unit: Unit) -> bool:
    """Whether its entry is that of the whole basket."""
    return unit.entry is not None and not unit.entry.line


def entered(offer: Offer, reward: Cashier, unit: Unit, base: int, rest: Exact) -> Exact:
    """What the entry of a unit takes off it, at most what the promotion allows."""
    assert unit.entry is not None
    value = unit.entry.value
    percent, price = offer.part(unit, base, value), max(0, rest - value)
    off = {"percent": percent, "amount": value, "price": price}[unit.entry.kind]
    most = offer.money(reward.amount) if reward.amount else offer.part(unit, base, reward.percent)
    return min(rest, off, most)


def off_all(offer: Offer, reward: Cashier, unit: Unit, base: int, rest: int) -> int:
    """The same of all units that have the entry of the basket, together."""
    assert unit.entry is not None
    value = unit.entry.value
    off = {"percent": offer.percent(base, value), "amount": value, "price": max(0, rest - value)}[unit.entry.kind]
    most = offer.money(reward.amount) if reward.amount else offer.percent(base, reward.percent)
    return min(rest, off, most)


def is_rewarded(offer: Offer, place: int) -> bool:
    """Whether what stands at a place of its application gets cheaper."""
    reward = offer.promotion.reward
    match reward:
        case Pick():
            return place < reward.count if reward.which == "dearest" else place >= offer.bought - reward.count
        case Ladder():
            return any(step.nth == place + 1 for step in reward.steps)
    return True


def _per_line_unit(unit: Unit, reward: FixedPriceMeasure | AmountOffMeasure, micros: int) -> tuple[int, int]:
    """Micros per one unit of the line's measure, as numerator and denominator."""
    _, mine = UNITS[unit.line.request.unit]
    _, theirs = UNITS[reward.per]
    return micros * mine, theirs * (100 if reward.hundreds else 1)


def _for_measure(offer: Offer, unit: Unit, micros: int, per: int) -> int:
    """round(price × measure), the price in micros/per."""
    return round_to(micros * unit.measure, 1000 * per * offer.basket.micros_per_minor, offer.basket.rounding)


def together(offer: Offer, units: Sequence[Unit], left: Sequence[int]) -> int:
    """The saving of a «together» reward on all available units, or on one run."""
    return min(_off_the_whole(offer, units, left), sum(room(unit, left) for unit in units))


def _off_the_whole(offer: Offer, units: Sequence[Unit], left: Sequence[int]) -> int:
    rest, reward = sum(left[unit.index] for unit in units), offer.promotion.reward
    match reward:
        case PercentOffTogether():
            return min(rest, offer.percent(sum(offer.base(unit, left) for unit in units), reward.percent))
        case AmountOffTogether() | AmountOffArticle():
            return min(rest, offer.money(reward.amount))
        case PriceTogether(singles=True):
            return max(0, rest - ceiling(offer.money(reward.price) * len(units), offer.n))
        case PriceTogether() | BasketPrice():
            return max(0, rest - offer.money(reward.price))
    raise AssertionError(reward.kind)


# ---------- taking ----------


def meant(offer: Offer, ordered: list[Unit]) -> list[Unit]:
    """Of the cheapest or dearest so many of a set these, of units in order U; else all."""
    role = offer.roles[-1]
    return {"": ordered, "cheapest": ordered[-role.n :], "dearest": ordered[: role.n]}[role.pick]


def take(offer: Offer, units: Iterable[Unit], left: Sequence[int]) -> Taking:
    """What the promotion takes of these units when nothing else is in its way."""
    ordered = meant(offer, in_order_u(offer, units, left))
    if not offer.n:
        ordered = _alike(offer, ordered, left)
    if offer.apart:
        return _by_unit(offer, ordered, left)
    if not offer.n:
        if not offer.off_together:
            whole = isinstance(offer.promotion.reward, Cashier)
            ordered = [u for u in ordered if (whole and for_the_basket(u)) or saving_of(offer, u, left) > 0]
        return settle(offer, [(unit, 0) for unit in ordered], left)
    most, cap = offer.most_applications(ordered), offer.terms.cap
    taking = _with_applications(offer, ordered, left, most)
    if cap is not None and taking.uncapped >= cap and not offer.singles:
        for fewer in range(1, most + 1):
            taking = _with_applications(offer, ordered, left, fewer)
            if taking.uncapped >= cap:
                break
    return taking


def _alike(offer: Offer, ordered: Sequence[Unit], left: Sequence[int]) -> list[Unit]:
    """Of each article only so many: those that save most; of rewards off them together the dearest."""
    most = offer.promotion.per_article
    kept: set[int] = set()
    for article in {unit.article for unit in ordered if most}:
        own = [unit for unit in ordered if unit.article == article]
        if not isinstance(offer.reward_of(own[0]), PercentOffTogether | AmountOffTogether | AmountOffArticle):
            own.sort(key=lambda unit: -saving_of(offer, unit, left))
        kept |= {unit.index for unit in own[:most]}
    return [unit for unit in ordered if not most or unit.index in kept]


def _by_unit(offer: Offer, ordered: Sequence[Unit], left: Sequence[int]) -> Taking:
    """Each unit at a tier of its own; off them together, or for each article, is off those of each article."""
    savings: dict[int, int] = {}
    exact: dict[int, Exact] = {}
    for article in {unit.article: None for unit in ordered}:
        own = [unit for unit in ordered if unit.article == article]
        if isinstance(offer.reward_of(own[0]), PercentOffTogether | AmountOffTogether | AmountOffArticle):
            whole = replace(offer, promotion=with_reward(offer.promotion, offer.reward_of(own[0])))
            savings |= share_out(together(whole, own, left), own, left)
        else:
            exact |= {unit.index: saving for unit in own if (saving := saving_of(offer, unit, left)) > 0}
    uncapped, cap = sum(savings.values()) + sum(exact.values()), offer.terms.cap
    savings |= in_whole(offer, ordered, exact, left)
    taken = [unit for unit in ordered if unit.index in savings]
    if cap is not None and sum(savings.values()) > cap:
        savings = share(cap, taken, savings)
    return Taking((Application(tuple(taken), savings),) if taken else (), uncapped)


def _with_applications(offer: Offer, ordered: Sequence[Unit], left: Sequence[int], most: int) -> Taking:
    """The best with at most so many applications."""
    from tests.oracle import ways

    if not ordered or most == 0:
        return Taking()
    if offer.off_together:
        taking = _dearest_together(offer, ordered, left, most)
        if taking is not None:
            return taking
    terms = replace(offer.terms, uses=most if offer.buys else None)
    whole = most >= offer.most_applications(ordered) and offer.terms.uses is None
    open_to = {unit.index: offer.open_to[unit.index] for unit in ordered}
    narrowed = replace(offer, terms=offer.terms if whole else terms, open_to=open_to, units=tuple(ordered))
    _, (chosen,) = ways.best([narrowed], left, caps=False)
    return settle(narrowed, chosen, left)


def _dearest_together(offer: Offer, ordered: Sequence[Unit], left: Sequence[int], most: int) -> Taking | None:
    """An amount or a percentage off each application as a whole: every role takes its dearest units, in as many
    applications as all of them can fill; applications that save nothing are left out. None: sets have units in common,
    so that they cannot all be filled so, and what saves most is to be found."""
    while most:
        chosen: dict[int, int] = {}
        for number, role in enumerate(offer.roles):
            wanted = role.n * most
            able = [unit for unit in ordered if unit.index not in chosen and number in offer.open_to[unit.index]]
            if role.one_article:
                able = _whole_articles(able, role.n)
            for unit in able[:wanted]:
                chosen[unit.index] = number
        counts = [sum(1 for role in chosen.values() if role == number) for number in range(len(offer.roles))]
        full = min(count // role.n for count, role in zip(counts, offer.roles, strict=True))
        if full == most:
            break
        if not any(role.one_article for role in offer.roles):
            return None
        most -= 1
    whole = settle(
        offer, [(unit, chosen[unit.index]) for unit in ordered if unit.index in chosen] if most else [], left
    )
    kept = {unit.index for application in whole.applications if application.saving for unit in application.units}
    return settle(offer, [(unit, chosen[unit.index]) for unit in ordered if unit.index in kept], left)


def _whole_articles(units: Sequence[Unit], n: int) -> list[Unit]:
    """Runs of n units of one article, the run with the dearest first unit first."""
    ready: list[Unit] = []
    waiting = list(units)
    while waiting:
        run = [unit for unit in waiting if unit.article == waiting[0].article][:n]
        if len(run) == n:
            ready += run
            waiting = [unit for unit in waiting if unit not in run]
        else:
            waiting = waiting[1:]
    return ready


def runs_of(offer: Offer, chosen: Sequence[tuple[Unit, int]]) -> list[list[tuple[Unit, int]]]:
    """Applications: the j-th so many units of each role make the j-th, of one article those that are of one."""
    if not offer.n or offer.singles:
        return [list(chosen)] if chosen else []
    runs: dict[int, list[tuple[Unit, int]]] = {}
    for number, role in enumerate(offer.roles):
        mine = [unit for unit, whose in chosen if whose == number]
        if role.measure:
            runs.setdefault(0, []).extend((unit, number) for unit in mine)
            continue
        begun: dict[str, list[int]] = {}
        fresh = 0
        for unit in mine:
            own = begun.setdefault(unit.article if role.one_article else "", [])
            if len(own) % role.n == 0:
                own.append(fresh)
                fresh += 1
            else:
                own.append(own[-1])
            runs.setdefault(own[-1], []).append((unit, number))
    place = {unit.index: number for number, (unit, _) in enumerate(chosen)}
    return [sorted(runs[number], key=lambda one: place[one[0].index]) for number in sorted(runs)]


def settle(offer: Offer, chosen: Sequence[tuple[Unit, int]], left: Sequence[int]) -> Taking:
    """The applications on exactly these units (in order U) in these roles, caps applied."""
    if not chosen:
        return Taking()
    if offer.apart:
        return _by_unit(offer, [unit for unit, _ in chosen], left)
    reward = offer.promotion.reward
    if isinstance(reward, Cashier):
        return _entered(offer, reward, [unit for unit, _ in chosen], left)
    cap = offer.terms.cap
    savings: dict[int, int] = {}
    exact: dict[int, Exact] = {}
    runs = runs_of(offer, chosen)
    for run in runs:
        rewarded = [unit for unit, role in run if offer.rewards(role)]
        if isinstance(offer.promotion.reward, AmountOffArticle):
            for article in {unit.article for unit in rewarded}:
                own = [unit for unit in rewarded if unit.article == article]
                savings |= share_out(together(offer, own, left), own, left)
            continue
        if not offer.saves_together:
            places = enumerate(rewarded) if offer.n else ((0, unit) for unit in rewarded)
            exact |= {unit.index: saving_of(offer, unit, left, place) for place, unit in places}
            continue
        amount = together(offer, rewarded, left)
        if not offer.n and cap is not None:  # capped first, then prorated as ever
            amount = min(amount, cap)
        savings |= share_out(amount, rewarded, left)
    uncapped = sum(savings.values()) + sum(exact.values())
    savings |= in_whole(offer, [unit for run in runs for unit, _ in run], exact, left)
    if cap is not None and sum(savings.values()) > cap:
        savings = share(cap, [unit for unit, _ in chosen], savings)
    if any(role.measure for role in offer.roles):  # no unit belongs to one of them more than to another
        first = Application(tuple(unit for unit, _ in chosen), {u.index: savings.get(u.index, 0) for u, _ in chosen})
        return Taking((first, *[Application((), {})] * (by_measure(offer, chosen) - 1)), uncapped)
    return Taking(
        tuple(
            Application(tuple(u for u, _ in run), {u.index: savings.get(u.index, 0) for u, _ in run}) for run in runs
        ),
        uncapped,
    )


def _entered(offer: Offer, reward: Cashier, units: Sequence[Unit], left: Sequence[int]) -> Taking:
    """What was entered: off each unit by itself, and off all those that have the entry of the basket together."""
    exact = {unit.index: saving_of(offer, unit, left) for unit in units if not for_the_basket(unit)}
    savings = in_whole(offer, units, exact, left)
    uncapped = sum(exact.values())
    others = [unit for unit in units if for_the_basket(unit)]
    if others:
        base, rest = sum(offer.base(unit, left) for unit in others), sum(left[unit.index] for unit in others)
        amount = min(off_all(offer, reward, others[0], base, rest), sum(room(unit, left) for unit in others))
        savings |= share_out(amount, others, left)
        uncapped += amount
    cap = offer.terms.cap
    if cap is not None and sum(savings.values()) > cap:
        savings = share(cap, units, savings)
    return Taking((Application(tuple(units), savings),), uncapped)


def by_measure(offer: Offer, chosen: Sequence[tuple[Unit, int]]) -> int:
    """How many applications units make where something is bought by measure: as many as each role is enough for."""
    enough = [] if offer.terms.uses is None else [offer.terms.uses]
    for number, role in enumerate(offer.roles):
        mine = [unit for unit, whose in chosen if whose == number]
        if role.measure:
            enough.append(sum(measure_of(unit) for unit in mine) // role.measure)
        else:
            enough.append(ceiling(len(mine), role.n))
    return min(enough)


def in_whole(offer: Offer, units: Iterable[Unit], exact: Mapping[int, Exact], left: Sequence[int]) -> dict[int, int]:
    """What units save, of what they save exactly. Where that is not whole, an article's pieces so far save their sum,
    rounded; what would be more than is left of a piece is left to the next."""
    savings: dict[int, int] = {}
    sums: dict[str, Exact] = {}
    given: Counter[str] = Counter()
    for unit in units:
        amount = exact.get(unit.index, 0)
        if unit.measure or not amount:
            savings |= {unit.index: int(amount)} if unit.index in exact else {}
            continue
        total = sums[unit.article] = sums.get(unit.article, 0) + amount
        so_far = round_to(total.numerator, total.denominator, offer.basket.rounding)
        savings[unit.index] = min(room(unit, left), so_far - given[unit.article])
        given[unit.article] += savings[unit.index]
    return savings


def share_out(amount: int, units: Sequence[Unit], left: Sequence[int]) -> dict[int, int]:
    """Proration by what is left: who would have more than its room has that, and the others share the rest anew."""
    full = {unit.index: 0 for unit in units if not room(unit, left)}
    while True:
        others = [unit for unit in units if unit.index not in full]
        rest = amount - sum(full.values())
        shares = share(rest, others, {unit.index: left[unit.index] for unit in others})
        over = {unit.index: room(unit, left) for unit in others if shares[unit.index] > room(unit, left)}
        if not over:
            return full | shares
        full |= over


def share(amount: int, units: Iterable[Unit], weights: dict[int, int]) -> dict[int, int]:
    """Proration over units by weights."""
    parties = [
        Share(unit.index, unit.article, unit.list, weights.get(unit.index, 0), unit.line.request.measure)
        for unit in units
    ]
    return prorate(amount, parties)


# ---------- alone ----------


def alone(offer: Offer, left: Sequence[int]) -> tuple[Offer, Taking] | Failure:
    """`would_save`, or why nothing. Where a budget allows fewer applications, the offer comes back bound to them."""
    taking = take(offer, offer.units, left)
    if not taking.saving:
        return nothing(offer)
    over = [text for budget, text in offer.terms.budgets if taking.saving > budget]
    if over:
        budget = min(budget for budget, _ in offer.terms.budgets)
        most = offer.most_applications(offer.units) if offer.buys else 1
        for uses in range(most - 1, 0, -1):
            bound = replace(offer, terms=replace(offer.terms, uses=uses))
            taking = take(bound, offer.units, left)
            if 0 < taking.saving <= budget and taking.uncapped < budget + 1:
                return within_budgets(bound, taking, left)
        return Failure(Reason.BUDGET, over[0])
    return within_budgets(offer, taking, left)


def within_budgets(offer: Offer, taking: Taking, left: Sequence[int]) -> tuple[Offer, Taking] | Failure:
    """Rounded by article, other units that save less may save more: never more than the budgets."""
    if not offer.terms.budgets or not offer.basket.by_article:
        return offer, taking
    least = min(budget for budget, _ in offer.terms.budgets)
    cap = least if offer.terms.cap is None else min(least, offer.terms.cap)
    bound = replace(offer, terms=replace(offer.terms, cap=cap))
    taking = take(bound, offer.units, left)
    if not taking.saving:
        return Failure(Reason.BUDGET, offer.terms.budgets[0][1])
    return bound, taking


def nothing(offer: Offer) -> Failure:
    """Why a promotion saves nothing: guards, too few units for one of its roles, or prices that are low already."""
    articles = {unit.index: unit.article for unit in offer.basket.units}

    def have(number: int, open_to: dict[int, tuple[int, ...]]) -> int:
        able = [unit for unit, roles in open_to.items() if number in roles]
        if offer.roles[number].measure:
            return sum(measure_of(offer.basket.units[unit]) for unit in able)
        if not offer.roles[number].one_article:
            return len(able)
        return max(Counter(articles[unit] for unit in able).values(), default=0)

    for number, role in enumerate(offer.roles):
        need = role.measure or (1 if role.fewer or offer.singles else role.n)
        if have(number, offer.open_to) < need:
            if have(number, offer.unguarded) >= need:
                return Failure(Reason.GUARD)
            if isinstance(offer.terms.reward, PricesFrom):
                return no_price(offer.basket, Judge(offer.basket), offer.promotion, offer.terms.reward)
            return _lacks(role, need - have(number, offer.open_to))
    if len(offer.roles) > 1:
        last = offer.roles[-1]
        need = offer.n - (last.n - 1 if last.fewer else 0)
        if len(offer.open_to) < need:
            if len(offer.unguarded) >= need:
                return Failure(Reason.GUARD)
            return _lacks(last, last.measure or need - len(offer.open_to))
    return Failure(Reason.NO_SAVING)


def _lacks(role: Role, pieces: int) -> Failure:
    if role.measure:
        short = ceiling(pieces, UNITS[role.unit][1])
        return Failure(Reason.QUANTITY, "", Missing("measure", short, role.unit, role.products or ""))
    return Failure(Reason.QUANTITY, "", Missing("pieces", pieces, "", role.products or ""))
