"""What one promotion saves (law 6): available units, runs, savings, caps, budgets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from engine.basket import UNITS
from engine.decision import Missing, Reason
from engine.program import (
    AmountOffEach,
    AmountOffMeasure,
    AmountOffTogether,
    FixedPriceEach,
    FixedPriceMeasure,
    FreeService,
    Ladder,
    Money,
    PercentOff,
    PercentOffTogether,
    Pick,
    PriceTogether,
    Promotion,
)
from tests.oracle.arithmetic import Share, ceiling, prorate, round_to
from tests.oracle.conditions import Judge, amount_in
from tests.oracle.eligible import Failure, Terms
from tests.oracle.resolve import Basket, Unit


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
    uncapped: int = 0

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
    units: tuple[Unit, ...]
    unguarded: int  # how many units would be available, were there no guards

    @property
    def name(self) -> str:
        return self.promotion.name

    @property
    def n(self) -> int:
        """Units of a run; 0: no `buy`."""
        return self.promotion.buy.count if self.promotion.buy else 0

    @property
    def singles(self) -> bool:
        return isinstance(self.promotion.reward, PriceTogether) and self.promotion.reward.singles

    @property
    def off_together(self) -> bool:
        return isinstance(self.promotion.reward, PercentOffTogether | AmountOffTogether)

    @property
    def saves_together(self) -> bool:
        return self.off_together or isinstance(self.promotion.reward, PriceTogether)

    @property
    def need(self) -> int:
        return 1 if self.singles or not self.n else self.n

    def base(self, unit: Unit, left: Sequence[int]) -> int:
        return unit.list if self.original else left[unit.index]

    def money(self, money: Money) -> int:
        amount = amount_in(money, self.basket.request.currency)
        assert amount is not None, "the currency was checked before"
        return amount

    def percent(self, base: int, basis_points: int) -> int:
        return round_to(base * basis_points, 10_000, self.basket.rounding)

    def most_applications(self, units: int) -> int:
        """Of a buy, with so many units."""
        whole = 1 if self.singles else units // self.n
        return whole if self.terms.uses is None else min(whole, self.terms.uses)


def set_of(promotion: Promotion) -> str | None:
    """The set whose units it touches: of its `buy`, else of its reward; None: the whole basket, or a service."""
    if promotion.buy is not None:
        return promotion.buy.of
    reward = promotion.reward
    if isinstance(reward, FreeService | Pick | Ladder | PriceTogether) or reward.target.kind != "set":
        return None
    return reward.target.name


def offer(basket: Basket, judge: Judge, promotion: Promotion, original: bool, terms: Terms) -> Offer:
    """The promotion with the units it could take."""
    name, reward = set_of(promotion), promotion.reward
    never = {"discount", "count"} if promotion.buy else {"discount"}

    def fits(unit: Unit) -> bool:
        if isinstance(reward, FixedPriceEach) and unit.measure:
            return False
        if isinstance(reward, FixedPriceMeasure | AmountOffMeasure) and unit.line.dimension != UNITS[reward.per][0]:
            return False
        return (name is None or judge.in_products(name, unit.line) is True) and not any(
            judge.in_products(other, unit.line) is True for other in promotion.except_
        )

    fitting = [unit for unit in basket.units if fits(unit)]
    free = tuple(unit for unit in fitting if not never & unit.line.marks)
    return Offer(basket, promotion, original, terms, free, len(fitting))


def in_order_u(offer: Offer, units: Iterable[Unit], left: Sequence[int]) -> list[Unit]:
    """Dearest first; `index` stands for line id, then position."""

    def key(unit: Unit) -> tuple[int, int, int, str, int, int]:
        return -offer.base(unit, left), -left[unit.index], -unit.list, unit.article, -unit.measure, unit.index

    return sorted(units, key=key)


# ---------- the two tables ----------


def saving_of(offer: Offer, unit: Unit, left: Sequence[int], position: int = 0) -> int:
    """A unit's saving by itself, at a position (from 0) of its run. Of «together»: what it adds to the sum."""
    price, rest, reward = offer.base(unit, left), left[unit.index], offer.promotion.reward
    match reward:
        case PercentOff():
            return min(rest, offer.percent(price, reward.percent))
        case AmountOffEach():
            return min(rest, offer.money(reward.amount))
        case FixedPriceEach():
            return max(0, rest - offer.money(reward.price))
        case FixedPriceMeasure():
            return max(0, rest - _for_measure(offer, unit, *_per_line_unit(unit, reward, offer.money(reward.price))))
        case AmountOffMeasure():
            micros, per = _per_line_unit(unit, reward, offer.money(reward.amount))
            reduced = max(0, unit.line.price * per - micros)
            return min(rest, unit.list - _for_measure(offer, unit, reduced, per))
        case Pick():
            first, last = (0, reward.count) if reward.which == "dearest" else (offer.n - reward.count, offer.n)
            return min(rest, offer.percent(price, reward.percent)) if first <= position < last else 0
        case Ladder():
            for step in reward.steps:
                if step.nth == position + 1:
                    off = offer.money(step.amount) if step.amount else offer.percent(price, step.percent)
                    return min(rest, off)
            return 0
        case PriceTogether():
            total = offer.money(reward.price)
            if reward.singles:
                return rest - (ceiling(total * (position + 1), offer.n) - ceiling(total * position, offer.n))
            return rest - (total if position == offer.n - 1 else 0)
    raise AssertionError(f"{reward.kind} has no saving of a unit by itself")


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
    rest, reward = sum(left[unit.index] for unit in units), offer.promotion.reward
    match reward:
        case PercentOffTogether():
            return min(rest, offer.percent(sum(offer.base(unit, left) for unit in units), reward.percent))
        case AmountOffTogether():
            return min(rest, offer.money(reward.amount))
        case PriceTogether(singles=True):
            return max(0, rest - ceiling(offer.money(reward.price) * len(units), offer.n))
        case PriceTogether():
            return max(0, rest - offer.money(reward.price))
    raise AssertionError(reward.kind)


# ---------- taking ----------


def take(offer: Offer, units: Iterable[Unit], left: Sequence[int]) -> Taking:
    """What the promotion takes of these units when nothing else is in its way."""
    ordered = in_order_u(offer, units, left)
    if not offer.n:
        if not offer.off_together:
            ordered = [unit for unit in ordered if saving_of(offer, unit, left) > 0]
        return settle(offer, ordered, left)
    most, cap = offer.most_applications(len(ordered)), offer.terms.cap
    taking = _with_applications(offer, ordered, left, most)
    if cap is not None and taking.uncapped >= cap:
        for fewer in range(1, most + 1):
            taking = _with_applications(offer, ordered, left, fewer)
            if taking.uncapped >= cap:
                break
    return taking


def _with_applications(offer: Offer, ordered: Sequence[Unit], left: Sequence[int], most: int) -> Taking:
    """The best of a buy with at most so many applications."""
    if not offer.off_together:
        return settle(offer, choose(offer, ordered, left, most), left)
    runs = [ordered[i * offer.n : (i + 1) * offer.n] for i in range(most)]
    saving = [run for run in runs if together(offer, run, left) > 0]
    return settle(offer, [unit for run in saving for unit in run], left)


def choose(offer: Offer, ordered: Sequence[Unit], left: Sequence[int], most: int) -> list[Unit]:
    """The units a buy takes: the largest saving, then the fewest units, then the earliest ones.

    From the last unit to the first; the state is how many units were taken before it (of their run, where the number
    of applications does not matter), the value (saving, −units) of the best choice from there on."""
    n = offer.n
    counted = not offer.singles and most < len(ordered) // n
    states = most * n + 1 if counted else n
    best: list[tuple[int, int] | None] = [
        (0, 0) if offer.singles or state % n == 0 else None for state in range(states)
    ]
    takes: list[list[bool]] = []
    if most == 0:
        return []
    for unit in reversed(ordered):
        gains = [saving_of(offer, unit, left, position) for position in range(n)]
        now: list[tuple[int, int] | None] = []
        took: list[bool] = []
        for state in range(states):
            skipped = best[state]
            then = state + 1 if counted else (state + 1) % n
            after = best[then] if then < states else None
            with_it = (after[0] + gains[state % n], after[1] - 1) if after else None
            better = with_it is not None and (skipped is None or with_it >= skipped)
            now.append(with_it if better else skipped)
            took.append(better)
        best = now
        takes.append(took)
    state, chosen = 0, []
    for unit, took in zip(ordered, reversed(takes), strict=True):
        if took[state]:
            chosen.append(unit)
            state = state + 1 if counted else (state + 1) % n
    return chosen


def settle(offer: Offer, units: Sequence[Unit], left: Sequence[int]) -> Taking:
    """The applications on exactly these units (in order U), in runs, caps applied."""
    if not units:
        return Taking()
    size = offer.n if offer.n and not offer.singles else len(units)
    runs = [tuple(units[i : i + size]) for i in range(0, len(units), size)]
    cap = offer.terms.cap
    savings: dict[int, int] = {}
    for run in runs:
        if not offer.saves_together:
            savings |= {unit.index: saving_of(offer, unit, left, position) for position, unit in enumerate(run)}
            continue
        amount = together(offer, run, left)
        if not offer.n and cap is not None:  # capped first, then prorated as ever
            amount = min(amount, cap)
        savings |= share(amount, run, {unit.index: left[unit.index] for unit in run})
    uncapped = sum(savings.values())
    if cap is not None and uncapped > cap:
        savings = share(cap, units, savings)
    return Taking(tuple(Application(run, {u.index: savings.get(u.index, 0) for u in run}) for run in runs), uncapped)


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
        if len(offer.units) >= offer.need:
            return Failure(Reason.NO_SAVING)
        if offer.unguarded >= offer.need:
            return Failure(Reason.GUARD)
        short = Missing("pieces", offer.need - len(offer.units), "", set_of(offer.promotion) or "")
        return Failure(Reason.QUANTITY, "", short)
    over = [text for budget, text in offer.terms.budgets if taking.saving > budget]
    if over:
        budget = min(budget for budget, _ in offer.terms.budgets)
        most = offer.most_applications(len(offer.units)) if offer.n else 1
        for uses in range(most - 1, 0, -1):
            bound = replace(offer, terms=replace(offer.terms, uses=uses))
            taking = take(bound, offer.units, left)
            if 0 < taking.saving <= budget:
                return bound, taking
        return Failure(Reason.BUDGET, over[0])
    return offer, taking
