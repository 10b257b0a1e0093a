"""A decision, from Programs and a Request: the law from its beginning to its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from engine.basket import Request
from engine.decision import CodeVerdict, Decision, Funding, GiftResult, Missing, PromotionResult, Reason, Verdict
from engine.decision import NextCode as NextCodeResult
from engine.program import (
    AmountOffFee,
    Benefit,
    FeePrice,
    FeeReward,
    FreeService,
    Gift,
    Group,
    NextCode,
    PercentOffFee,
    PointsReward,
    PricesFrom,
    Program,
    Promotion,
    Variants,
)
from tests.oracle import gifts, points
from tests.oracle.arithmetic import round_to
from tests.oracle.calendar import valid_until
from tests.oracle.combine import combine, deduct
from tests.oracle.conditions import Judge, amount_in
from tests.oracle.eligible import (
    Failure,
    Terms,
    arm_of,
    check,
    choose_gifts,
    entered,
    entered_of,
    is_entered,
    mark,
    set_uses_left,
    usage_as_given,
    zone_of,
)
from tests.oracle.exclusive import PER_ITEM, alternatives, apart, is_contract
from tests.oracle.next_steps import Steps
from tests.oracle.price_lists import names as listed
from tests.oracle.resolve import Basket, resolve
from tests.oracle.rewards import Offer, Taking, alone, in_order_u, meant, offer, sets_of, take, without
from tests.oracle.ruleset import Ruleset
from tests.oracle.totals import fees, line_results, taxes, totals


def decide(
    programs: Iterable[Program] | Ruleset, request: Request, *, digest: str = "", everything: bool = False
) -> Decision:
    """The Decision; with `everything` the results of all promotions. Raises engine.basket.BadRequest."""
    ruleset = programs if isinstance(programs, Ruleset) else Ruleset(programs)
    basket = resolve(ruleset, request)
    mark(basket, Judge(basket))
    choose_gifts(basket, Judge(basket))
    left_out, most = alternatives(basket, Judge(basket))
    runs = [Run(basket, out) for out in left_out]
    run = min(runs, key=Run.worth)
    bound = max(most, *(one.saved + one.bound for one in runs)) - run.saved
    lines = line_results(basket, run.applied, run.left)
    paid = fees(basket, run.granted)
    taxed = taxes(basket, lines, paid)
    results = [run.results[name] for name in sorted(run.results)]
    decision = Decision(
        ruleset=digest,
        currency=request.currency,
        optimal=bound == 0,
        bound=bound,
        lines=lines,
        promotions=tuple(r for r in results if everything or run.touches(ruleset.promotions[r.name])),
        services=tuple(sorted(service for service in run.granted if run.fee_left(service) == 0)),
        fees=paid,
        codes=verdicts(basket, run.results),
        points=points.points(basket, run.judge, run.giving_points, run.left, run.gifts),
        gifts=tuple(result for name in sorted(run.giving_gifts) for result in run.giving_gifts[name]),
        taxes=taxed,
        next_codes=tuple(sorted(run.next_codes, key=lambda code: code.promotion)),
        totals=totals(basket, lines, paid, taxed),
    )
    if not request.next_steps:
        return decision
    touching = {r.name: r for r in results if run.touches(ruleset.promotions[r.name])}
    steps = Steps(basket, run.judge, decision, lambda more: decide(ruleset, more, digest=digest))
    return replace(decision, next_steps=steps.best(touching))


class Run:
    """A decision in the making: all groups, without the price promotions that are left out."""

    def __init__(self, basket: Basket, left_out: frozenset[str]) -> None:
        self.basket = basket
        self.left_out = left_out
        self.judge = Judge(basket)
        self.left = [unit.list for unit in basket.units]
        self.applied: list[tuple[Offer, Taking, Sequence[int]]] = []  # with what units cost before
        self.next_codes: list[NextCodeResult] = []
        self.granted: dict[str, dict[str, int]] = {}  # by service: what each promotion takes off its fee
        self.gifts: set[int] = set()
        self.giving_gifts: dict[str, list[GiftResult]] = {}
        self.giving_points: list[tuple[Promotion, PointsReward]] = []
        self.results: dict[str, PromotionResult] = {}
        self.tiers: dict[str, tuple[int, Missing | None]] = {}  # reached, and what is missing to the next
        self.bound = 0
        self.claimed: dict[int, str] = {}  # units that an exclusive promotion of a per-item group made cheaper
        self.served: dict[int, str] = {}  # all units of its applications
        ruleset = basket.ruleset
        for group in ruleset.in_sequence:
            if group.gives == "discounts":
                self.discounts(group, contracts=True)
        for group in ruleset.in_sequence:
            if group.gives == "benefits":
                self.benefits(group)
            else:
                self.discounts(group, contracts=False)
        for result in list(self.results.values()):
            if result.reason == Reason.EXCLUSIVE and not result.beaten_by:
                self.results[result.name] = replace(result, beaten_by=self.instead_of(result.name))

    @property
    def prices(self) -> list[tuple[Offer, Taking]]:
        """What applied but gifts."""
        return [(offer, taking) for offer, taking, _ in self.applied if offer.units]

    @property
    def saved(self) -> int:
        """What prices were lowered by; fees are no part of it."""
        return sum(taking.saving for _, taking in self.prices)

    def worth(self) -> tuple[int, int, list[str]]:
        """Of two alternatives the smaller is the better."""
        return -self.saved, len(self.prices), sorted(offer.name for offer, _ in self.prices)

    def instead_of(self, name: str) -> str:
        """Of the promotions that applied and exclude this one, else of all, the one that saved most."""
        ruleset = self.basket.ruleset
        able = {offer.name: taking.saving for offer, taking in self.prices}
        one = ruleset.promotions[name]
        rivals = {other for other in able if apart(one, ruleset.promotions[other], ruleset.groups)} or able.keys()
        return min(rivals, key=lambda other: (-able[other], other), default="")

    def touches(self, promotion: Promotion) -> bool:
        """A code of its set was entered; without codes: a unit is in its set, or it is about basket or service."""
        if promotion.code:
            return bool(entered_of(self.basket, self.basket.ruleset.codes[promotion.code.codes]))
        if any(is_entered(self.basket, reward) for reward in promotion.rewards):
            return True
        names = sets_of(promotion)
        lists = [self.basket.ruleset.price_lists[r.prices] for r in promotion.rewards if isinstance(r, PricesFrom)]
        if any(listed(prices, line.request.article) for prices in lists for line in self.basket.lines if not line.gift):
            return True
        return names is None or any(
            self.judge.in_products(name, line) is True for name in names for line in self.basket.lines if not line.gift
        )

    def fail(self, promotion: Promotion, failure: Failure) -> None:
        self.report(promotion, failure.reason, clause=failure.clause, missing=failure.missing)

    def report(self, promotion: Promotion, reason: Reason, **fields: object) -> None:
        given = usage_as_given(self.basket, promotion)
        tier, further = self.tiers.get(promotion.name, (0, None))
        variant = self.variant(promotion.name)
        result = PromotionResult(
            promotion.name, reason, usage_as_given=given, variant=variant, tier=tier, next_tier=further
        )
        self.results[promotion.name] = replace(result, **fields)  # type: ignore[arg-type]  # its own fields

    def variant(self, name: str) -> str:
        """The name of the variant that holds; the control group's is «control»."""
        declared = self.basket.ruleset.promotions[name].reward
        arm = arm_of(self.basket, name, declared) if isinstance(declared, Variants) else None
        return "" if arm is None else arm.name or "control"

    # ---------- discounts ----------

    def discounts(self, group: Group, *, contracts: bool) -> None:
        """One group of discounts: its contracts, or the others."""
        offers: list[Offer] = []
        would: dict[str, Taking] = {}
        for promotion in self.basket.ruleset.declared_order(group):
            if is_contract(promotion, group) != contracts:
                continue
            terms = check(self.basket, self.judge, promotion, group, self.left, self.fees_left())
            if isinstance(terms, Failure):
                self.fail(promotion, terms)
                continue
            self.tiers[promotion.name] = terms.tier, terms.next_tier
            original = group.prices == "original"
            whole = offer(self.basket, self.judge, promotion, original, terms)
            gone = {unit.index: by for unit in whole.units if (by := self.taken_by(unit.index, group))}
            one = without(whole, frozenset(gone))
            if gone and not take(one, one.units, self.left).saving:
                would_save = take(whole, whole.units, self.left).saving
                if would_save:
                    by = min(gone.values(), key=lambda name: (-self.results[name].saving, name))
                    self.report(promotion, Reason.EXCLUSIVE, beaten_by=by, would_save=would_save)
                    continue
                one = whole
            found = alone(one, self.left)
            if isinstance(found, Failure):
                self.fail(promotion, found)
                continue
            if promotion.name in self.left_out:
                self.report(promotion, Reason.EXCLUSIVE, would_save=found[1].saving)
                continue
            able = found[0]
            if group.apply in PER_ITEM:  # the cheapest of the basket, whoever takes them
                these = {unit.index for unit in meant(able, in_order_u(able, able.units, self.left))}
                able = without(able, frozenset(able.open_to) - these)
            offers.append(able)
            would[promotion.name] = found[1]
        takings, bound = combine(group, offers, would, self.left)
        self.bound += bound
        by_name = {one.name: one for one in offers}
        for name, taking in takings.items():
            one = by_name[name]
            self.applied.append((one, taking, self.left))
            self.left = deduct(taking, self.left)
            if contracts:
                self.served |= dict.fromkeys(taking.units, name)
                self.claimed |= {unit: name for unit in taking.units if self.left[unit] < self.basket.units[unit].list}
            self.report(
                one.promotion,
                Reason.APPLIED,
                applications=len(taking.applications),
                saving=taking.saving,
                code=one.terms.code,
                funding=funding(one.promotion, taking.saving),
            )
        for one in offers:
            if one.name not in takings:
                if not takings:  # what each of them got rounds to nothing
                    self.report(one.promotion, Reason.NO_SAVING)
                    continue
                by = beaten_by(group, one, takings)
                self.report(one.promotion, Reason.BEATEN, beaten_by=by, would_save=would[one.name].saving)

    def taken_by(self, unit: int, group: Group) -> str:
        """The contract that has this unit: that made it cheaper, or that it serves in this group; "" = none."""
        by = self.served.get(unit, "")
        same = bool(by) and self.basket.ruleset.promotions[by].group == group.name
        return self.claimed.get(unit, "") or (by if same else "")

    # ---------- benefits ----------

    def fee(self, service: str) -> int:
        """What the request charges for it; nothing: 0."""
        return sum(fee.amount for fee in self.basket.request.fees if fee.service == service)

    def fee_left(self, service: str) -> int:
        """What promotions left of a fee so far."""
        return self.fee(service) - sum(self.granted.get(service, {}).values())

    def fees_left(self) -> dict[str, int]:
        """Of every fee of the request."""
        return {fee.service: self.fee_left(fee.service) for fee in self.basket.request.fees}

    def off_fee(self, group: Group, reward: FeeReward, terms: Terms, left: int) -> int:
        """What a promotion takes off a fee of which so much is left."""
        currency = self.basket.request.currency
        match reward:
            case FreeService():
                saving = left
            case PercentOffFee():
                base = self.fee(reward.service) if group.prices == "original" else left
                saving = round_to(base * reward.percent, 10_000, self.basket.rounding)
            case AmountOffFee():
                saving = amount_in(reward.amount, currency) or 0
            case FeePrice():
                saving = left - (amount_in(reward.price, currency) or 0)
        most = left if terms.cap is None else min(left, terms.cap)
        return max(0, min(saving, most))

    def benefits(self, group: Group) -> None:
        """One group of benefits, each in its turn."""
        limits = {"first": 1, "at-most": group.at_most}
        slots = limits.get(group.apply, len(self.basket.ruleset.promotions))
        before = {service: self.fee_left(service) for service in self.basket.ruleset.schema.services}
        standing = self.fees_left()  # thresholds are read before the group
        applied: list[str] = []
        units = [unit for unit in self.basket.units if not unit.line.gift]
        guarded = bool(units) and all("ship_free" in unit.line.marks for unit in units)
        for promotion in self.basket.ruleset.declared_order(group):
            terms = check(self.basket, self.judge, promotion, group, self.left, standing)
            if isinstance(terms, Failure):
                self.fail(promotion, terms)
                continue
            reward = terms.reward
            self.tiers[promotion.name] = terms.tier, terms.next_tier
            assert isinstance(reward, Benefit)
            if isinstance(reward, Gift):
                self.gift(promotion, reward, terms, slots, applied)
                continue
            if isinstance(reward, PointsReward):
                nothing = points.judged(self.basket, self.judge, promotion, reward, self.left)
                if nothing:
                    self.fail(promotion, nothing)
                elif rivals := self.benefits_apart(promotion):
                    self.report(promotion, Reason.EXCLUSIVE, beaten_by=rivals[0])
                elif len(applied) == slots:
                    self.report(promotion, Reason.BEATEN, beaten_by=applied[0])
                else:
                    applied.append(promotion.name)
                    self.giving_points.append((promotion, reward))
                    paid = funding(promotion, 0)
                    self.report(promotion, Reason.APPLIED, applications=1, code=terms.code, funding=paid)
                continue
            saving = would = 0
            if isinstance(reward, FeeReward):
                saving = self.off_fee(group, reward, terms, self.fee_left(reward.service))
                would = self.off_fee(group, reward, terms, before[reward.service])
                nothing = Failure(Reason.GUARD) if guarded else self.nothing_off(reward, terms, saving)
                if nothing is not None:
                    self.fail(promotion, nothing)
                    continue
            if rivals := self.benefits_apart(promotion):
                self.report(promotion, Reason.EXCLUSIVE, beaten_by=rivals[0], would_save=would)
            elif len(applied) == slots:
                self.report(promotion, Reason.BEATEN, beaten_by=applied[0], would_save=would)
            else:
                if isinstance(reward, FeeReward):
                    self.granted.setdefault(reward.service, {})[promotion.name] = saving
                else:
                    self.next_codes.append(self.next_code(promotion, reward))
                applied.append(promotion.name)
                paid = funding(promotion, saving)
                self.report(promotion, Reason.APPLIED, applications=1, saving=saving, code=terms.code, funding=paid)

    def gift(self, promotion: Promotion, reward: Gift, terms: Terms, slots: int, applied: list[str]) -> None:
        """One promotion of gifts: the chosen pieces, dearest first, and what may still be chosen."""
        nothing = points.judged(self.basket, self.judge, promotion, reward, self.left)
        if nothing:
            self.fail(promotion, nothing)
            return
        found = gifts.given(self.basket, promotion, reward, terms, self.left)
        saving = found.saving
        exceeded = [text for budget, text in terms.budgets if budget < saving]
        if exceeded:
            self.fail(promotion, Failure(Reason.BUDGET, exceeded[0]))
        elif rivals := self.benefits_apart(promotion):
            self.report(promotion, Reason.EXCLUSIVE, beaten_by=rivals[0], would_save=saving)
        elif len(applied) == slots:
            self.report(promotion, Reason.BEATEN, beaten_by=applied[0], would_save=saving)
        else:
            applied.append(promotion.name)
            self.applied.append((Offer(self.basket, promotion, False, terms, (), {}, (), {}, {}), found, self.left))
            self.left = deduct(found, self.left)
            self.gifts |= found.units
            self.giving_gifts[promotion.name] = gifts.told(self.basket, self.judge, promotion, reward, found.units)
            count = len(found.applications)
            paid = funding(promotion, saving)
            self.report(promotion, Reason.APPLIED, applications=count, saving=saving, code=terms.code, funding=paid)

    def nothing_off(self, reward: FeeReward, terms: Terms, saving: int) -> Failure | None:
        """Why a fee is not reduced by so much: it would be nothing, or more than a budget has left."""
        of_no_charge = isinstance(reward, FreeService) and self.fee(reward.service) == 0
        if saving == 0 and not (of_no_charge and reward.service not in self.granted):
            return Failure(Reason.NO_SAVING)
        return next((Failure(Reason.BUDGET, text) for budget, text in terms.budgets if budget < saving), None)

    def next_code(self, promotion: Promotion, reward: NextCode) -> NextCodeResult:
        """Valid by the clock of the promotion's zone."""
        clock = zone_of(self.basket, promotion.runs.zone)
        until = valid_until(clock, self.basket.request.at_us, reward.valid.count, reward.valid.unit)
        return NextCodeResult(promotion.name, reward.codes, until)

    def benefits_apart(self, promotion: Promotion) -> list[str]:
        """The benefits that were granted and are not with this one."""
        ruleset = self.basket.ruleset
        names = [name for name, result in self.results.items() if result.reason == Reason.APPLIED]
        return sorted(name for name in names if apart(promotion, ruleset.promotions[name], ruleset.groups))


def funding(promotion: Promotion, saving: int) -> tuple[Funding, ...]:
    """Cent by cent: the next one goes to whoever lacks most of his share, of several to the one declared first."""
    due = [Fraction(saving * share.basis_points, 10_000) for share in promotion.funded]
    paid = [int(amount) for amount in due]
    while promotion.funded and sum(paid) < saving:
        lacks = [amount - has for amount, has in zip(due, paid, strict=True)]
        paid[lacks.index(max(lacks))] += 1
    return tuple(Funding(share.party, share.name, amount) for share, amount in zip(promotion.funded, paid, strict=True))


def beaten_by(group: Group, loser: Offer, takings: Mapping[str, Taking]) -> str:
    """Of those that applied (per item: to a unit available to the loser, if any did) the one that saved most."""
    able = dict(takings)
    if group.apply in PER_ITEM:
        units = {unit.index for unit in loser.units}
        able = {name: taking for name, taking in takings.items() if taking.units & units} or able
    return min(able, key=lambda name: (-able[name].saving, name))


def verdicts(basket: Basket, results: Mapping[str, PromotionResult]) -> tuple[CodeVerdict, ...]:
    """What became of each entered code."""
    return tuple(_verdict(basket, results, code) for code in entered(basket))


def _verdict(basket: Basket, results: Mapping[str, PromotionResult], code: str) -> CodeVerdict:
    ruleset = basket.ruleset
    sets = {name: codes for name, codes in ruleset.codes.items() if code in entered_of(basket, codes)}
    if not sets:
        return CodeVerdict(code, Verdict.UNKNOWN)
    asking = sorted(p.name for p in ruleset.promotions.values() if p.code and p.code.codes in sets)
    for name in asking:
        if results[name].reason == Reason.APPLIED and results[name].code == code:
            return CodeVerdict(code, Verdict.APPLIED, name, Reason.APPLIED)
    lefts = [set_uses_left(basket, codes, code) for codes in sets.values()]
    if all(left is not None and left <= 0 for left in lefts):
        return CodeVerdict(code, Verdict.USED, reason=Reason.CODE_USED)
    for name in asking[:1]:
        reason = results[name].reason
        return CodeVerdict(code, Verdict.NOT_APPLIED, name, Reason.BEATEN if reason == Reason.APPLIED else reason)
    return CodeVerdict(code, Verdict.NOT_APPLIED)
