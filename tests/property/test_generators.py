"""What the fixed seeds reach: every reason, every reward in every kind of group, every proof; and that many apply."""

import itertools
from collections import Counter
from collections.abc import Iterable

import pytest

from engine.basket import Request
from engine.decision import Decision, Reason, Verdict
from engine.program import Happened, Promotion, decode, encode
from tests.generated_requests import request
from tests.generators import PER_ITEM, ruleset
from tests.oracle.conditions import Judge
from tests.oracle.resolve import resolve
from tests.oracle.ruleset import Ruleset
from tests.reproduce import engine_of

RULESETS, BASKETS = 1_150, 6
LATER = {Reason.PAUSED, Reason.UNAVAILABLE}
MODES = ("all", "best", "best-per-item", "first", "first-per-item", "at-most")
WITHOUT_BUY = (
    "percent-off",
    "percent-off-together",
    "amount-off-each",
    "amount-off-together",
    "amount-off-article",
    "amount-off-measure",
    "fixed-price-each",
    "fixed-price-measure",
    "cashier",
    "prices-from",
)
OF_A_BUY = (
    "pick",
    "ladder",
    "percent-off",
    "amount-off-each",
    "fixed-price-each",
    "price-together",
    "price-together singles",
    "percent-off-together",
    "amount-off-together",
    "amount-off-article",
)
OF_POINTS = ("times-points", "fixed-points", "gift")
OF_FEES = ("free-service", "percent-off-fee", "amount-off-fee", "fee-price", "next-code")
PAST = {"happened", "sum-of", "nth-order", "anniversary"}
TOGETHER = {"percent-off-together", "amount-off-together", "amount-off-article"}


def mechanic(promotion: Promotion) -> tuple[str, bool]:
    """The kind of its reward, and whether it has a buy."""
    singles = " singles" if getattr(promotion.reward, "singles", False) else ""
    return promotion.reward.kind + singles, promotion.buy is not None


class Coverage:
    """Counts over decisions."""

    def __init__(self) -> None:
        self.reasons: Counter[Reason] = Counter()
        self.applied: Counter[tuple[tuple[str, bool], str]] = Counter()
        self.verdicts: Counter[Verdict] = Counter()
        self.facts: Counter[str] = Counter()
        self.past: Counter[tuple[str, bool | None]] = Counter()

    def add(self, rules: Ruleset, decision: Decision) -> None:
        for result in decision.promotions:
            promotion = rules.promotions[result.name]
            self.reasons[result.reason] += 1
            if result.reason == Reason.APPLIED:
                self.applied[mechanic(promotion), rules.groups[promotion.group].apply] += 1
                for way in ("one_article", "stepwise"):
                    self.facts[f"tiers {way}"] += getattr(promotion.reward, way, False)
            if result.missing:
                self.facts[f"missing {result.missing.kind}"] += 1
        self.verdicts.update(verdict.verdict for verdict in decision.codes)
        self.facts["decisions"] += 1
        per_item = any(group.apply == "best-per-item" for group in rules.groups.values())
        self.facts["bounded"] += not decision.optimal and not per_item  # nor where the search gave up
        for gift in decision.gifts:
            self.facts[f"gifts {'given' if gift.given else 'offered'}"] += 1
        self.facts["base points"] += decision.points is not None and decision.points.base > 0
        self.facts["several off one fee"] += any(len(fee.discounts) > 1 for fee in decision.fees)
        self.facts["saving"] += decision.totals.saving > 0
        self.facts["refund apart from net"] += any(line.refund != line.net for line in decision.lines)

    def judged(self, rules: Ruleset, asked: Request) -> None:
        """The conditions of segments on what happened before, each once."""
        judge = Judge(resolve(rules, asked))
        for segment in rules.segments.values():
            self.past["refresh", segment.refresh is None or judge.holds(segment.refresh)] += 1
            for condition in (line.condition for line in segment.lines if line.condition.kind in PAST):
                steps = f" then {len(condition.then)}" if isinstance(condition, Happened) else ""
                self.past[condition.kind + steps, judge.holds(condition)] += 1

    def table(self) -> str:
        rows = [f"{reason.name.lower():14} {self.reasons[reason]:6}" for reason in Reason if reason not in LATER]
        modes = dict.fromkeys(mode for _, mode in self.applied)
        rows += ["", f"{'applied':32}" + "".join(f"{mode:>16}" for mode in modes)]
        for kind in sorted({kind for kind, _ in self.applied}):
            name = ("buy, " if kind[1] else "") + kind[0]
            rows.append(f"{name:32}" + "".join(f"{self.applied[kind, mode]:16}" for mode in modes))
        rows += ["", *(f"{name:24} {count:6}" for name, count in sorted(self.facts.items()))]
        return "\n".join(rows)


@pytest.fixture(scope="module")
def coverage() -> Coverage:
    found = Coverage()
    for seed in range(RULESETS):
        programs = ruleset(seed)
        rules, decide = Ruleset(programs), engine_of(programs)[1]  # the oracle says the same, more slowly
        for number in range(BASKETS):
            asked = request(programs, seed * 1_000 + number)
            found.add(rules, decide(asked, everything=True))
            found.judged(rules, asked)
    print(found.table())
    return found


@pytest.mark.long
def test_every_reason_occurs(coverage: Coverage) -> None:
    for reason in Reason:
        assert (coverage.reasons[reason] >= 20) == (reason not in LATER), reason.name


@pytest.mark.long
def test_every_verdict_occurs(coverage: Coverage) -> None:
    assert all(coverage.verdicts[verdict] >= 20 for verdict in Verdict)


def every_mechanic() -> Iterable[tuple[tuple[str, bool], str]]:
    for mode in MODES:
        without = (*WITHOUT_BUY, "tiers", "variants")
        for kind, buy in [*itertools.product(without, [False]), *itertools.product((*OF_A_BUY, "variants"), [True])]:
            if buy or not (mode in PER_ITEM and kind in TOGETHER):
                yield (kind, buy), mode


@pytest.mark.long
def test_every_reward_applies_in_every_kind_of_group(coverage: Coverage) -> None:
    rare = [one for one in every_mechanic() if coverage.applied[one] < 1]
    assert not rare, coverage.table()
    for mode in ("all", "first", "at-most"):
        assert coverage.applied[("free-service", False), mode] >= 10
        assert all(coverage.applied[(kind, False), mode] >= 2 for kind in (*OF_FEES, *OF_POINTS)), coverage.table()
    assert coverage.facts["several off one fee"] >= 20
    assert coverage.facts["missing articles"] >= 5
    assert coverage.facts["base points"] >= 1_000
    assert min(coverage.facts["gifts given"], coverage.facts["gifts offered"]) >= 20


@pytest.mark.long
def test_tiers_apply_in_every_way(coverage: Coverage) -> None:
    assert min(coverage.facts["tiers one_article"], coverage.facts["tiers stepwise"]) >= 10


@pytest.mark.long
def test_no_promotion_lands_in_a_group_that_cannot_hold_it(coverage: Coverage) -> None:
    assert set(coverage.applied) <= {
        *every_mechanic(),
        *((("amount-off-together", buy), mode) for buy in (False, True) for mode in PER_ITEM),  # of so many others
        *((("basket-price", False), mode) for mode in MODES if mode not in PER_ITEM),
        *(
            ((kind, False), mode)
            for kind in (*OF_FEES, *OF_POINTS, "tiers", "variants")
            for mode in ("all", "first", "at-most")
        ),
    }


@pytest.mark.long
def test_many_apply_and_some_are_bounded(coverage: Coverage) -> None:
    reached = [Reason.APPLIED, Reason.BEATEN, Reason.NO_SAVING, Reason.QUANTITY, Reason.GUARD, Reason.BUDGET]
    assert coverage.reasons[Reason.APPLIED] >= 0.25 * sum(coverage.reasons[reason] for reason in reached)
    assert coverage.facts["bounded"] >= 10  # sets of at most N; the exact ways are never bounded here
    assert coverage.facts["refund apart from net"] >= 0.05 * coverage.facts["decisions"]


@pytest.mark.long
def test_what_happened_before_is_asked_for_in_every_way(coverage: Coverage) -> None:
    for kind in ("happened then 0", "happened then 1", "happened then 2", "sum-of", "nth-order", "anniversary"):
        for truth in (True, False, None):
            assert coverage.past[kind, truth] >= 20, coverage.past
    assert min(coverage.past["refresh", True], coverage.past["refresh", None]) >= 20


def test_the_same_seed_gives_the_same_case() -> None:
    for seed in range(20):
        assert ruleset(seed) == ruleset(seed)
        assert request(ruleset(seed), 7) == request(ruleset(seed), 7)


def test_generated_programs_survive_their_bytes() -> None:
    for seed in range(20):
        assert all(decode(encode(program)) == program for program in ruleset(seed))
