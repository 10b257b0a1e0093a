"""Which lines of the rules a test ever turned on. docs/tools.md says when a line is decisive; this decides it.

A line counts in a test only where an expectation would notice: of the promotions that the test names, and, where it
asks for an amount or for nothing to apply, of those that touch its basket; of the segments that it names, or that
decide about one of these promotions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dsl.situation import Ruleset, Situation
from dsl.testing import ABOUT_PROMOTIONS, ABOUT_SEGMENTS, Result, by_owner, named
from dsl.trace import bound_of, guard_lines, used_before
from dsl.trails import Clause
from engine.basket import UNITS
from engine.decision import PromotionResult, Reason
from engine.program import (
    All,
    Any_,
    Articles,
    Condition,
    Count,
    FeeReward,
    FreeService,
    Gift,
    Limit,
    Measured,
    Member,
    NextCode,
    None_,
    PointsReward,
    PricesFrom,
    Program,
    Promotion,
    Tiers,
    Worth,
    WorthOtherwise,
)

BEFORE_AUDIENCE = (Reason.SCHEDULE, Reason.CHANNEL, Reason.PLACE)
JUDGED = (  # the basket was looked at
    Reason.APPLIED,
    Reason.QUANTITY,
    Reason.CONDITION,
    Reason.BUDGET,
    Reason.BEATEN,
    Reason.EXCLUSIVE,
    Reason.GUARD,
    Reason.NO_SAVING,
)


@dataclass(frozen=True, slots=True)
class Coverage:
    """The lines that can decide, and those that never did."""

    lines: tuple[Clause, ...]
    never: tuple[Clause, ...]

    @property
    def decisive(self) -> int:
        """How many lines some test made decisive."""
        return len(self.lines) - len(self.never)

    @property
    def percent(self) -> int:
        """The same as a share, rounded down: 100 only where it is all."""
        return 100 * self.decisive // len(self.lines) if self.lines else 100


def coverage(programs: Iterable[Program], clauses: Sequence[Clause], results: Iterable[Result]) -> Coverage:
    """Of a project's clauses, after its tests ran."""
    seen = _Seen(Ruleset(programs), clauses)
    for result in results:
        seen.add(result)
    lines = tuple(clause for clause in clauses if seen.can_decide(clause))
    return Coverage(lines, tuple(clause for clause in lines if clause not in seen.decisive))


class _Seen:
    def __init__(self, ruleset: Ruleset, clauses: Sequence[Clause]) -> None:
        self.ruleset = ruleset
        self.clauses = by_owner(clauses)
        self.decisive: set[Clause] = set()
        self.members: dict[str, int] = {}  # promotions of each group
        for promotion in ruleset.promotions.values():
            self.members[promotion.group] = self.members.get(promotion.group, 0) + 1

    def can_decide(self, clause: Clause) -> bool:
        """«for everyone», «sold everywhere» and a group of one promotion never say no."""
        match clause.of, clause.keyword:
            case "promotion", "sold":
                return clause.text != "sold everywhere"
            case "promotion", "for":
                return clause.text != "for everyone"
            case "promotion", "tier" | "per article":
                return False  # which tier held, and what a limit for each article left out, is not told
            case "promotion", "variants":
                return False  # its variants stand in their own lines
            case "promotion", "group":
                return False  # how the group chooses stands in its own line
            case "group", _:
                return self.members.get(clause.owner, 0) > 1 and self.ruleset.groups[clause.owner].apply != "all"
            case "promotion" | "segment", _:
                return True
            case "guard", "reward":
                promotions = self.ruleset.promotions.values()
                return any(isinstance(reward, PointsReward | Gift) for one in promotions for reward in one.rewards)
            case "guard", _:
                return True
            case _:
                return False

    # ------------------------------------------------------------------------------------------------ one test

    def add(self, result: Result) -> None:
        """What one test made decisive."""
        situation = Situation(self.ruleset, result.case.request)
        segments = {e.name for e in result.case.expectations if e.kind in ABOUT_SEGMENTS}
        if result.decision is not None:
            watched = self.watched(result)
            for found in result.decision.promotions:
                if found.name in watched:
                    self.promotion(found, situation)
                    if found.reason not in BEFORE_AUDIENCE:
                        audience = self.ruleset.promotions[found.name].audience
                        segments |= {*audience.any_of, *audience.but_not}
        for segment in self.reached(segments):
            self.segment(segment, situation)

    def watched(self, result: Result) -> frozenset[str]:
        """The promotions of which an expectation would notice a change."""
        kinds = {expectation.kind for expectation in result.case.expectations}
        general = kinds - {*ABOUT_PROMOTIONS, *ABOUT_SEGMENTS}
        return named(result.case) | (result.touching if general else frozenset())

    def reached(self, segments: Iterable[str]) -> Iterator[str]:
        """The segments, and those that they ask for."""
        queue, done = sorted(segments), set[str]()
        while queue:
            name = queue.pop()
            if name in done:
                continue
            done.add(name)
            yield name
            for line in self.ruleset.segments[name].lines:
                queue.extend(_members(line.condition))

    # ------------------------------------------------------------------------------------------------ promotions

    def promotion(self, result: PromotionResult, situation: Situation) -> None:
        """The clauses that decided about one promotion."""
        promotion = self.ruleset.promotions[result.name]
        for clause in self.clauses.get(result.name, ()):
            if clause.text == result.clause:
                self.decisive.add(clause)
        if result.reason is Reason.QUANTITY:
            self.mark(result.name, "buy")
        if result.reason is Reason.BEATEN:
            self.mark(promotion.group, "apply")
        if result.reason is Reason.EXCLUSIVE:
            self.excluded(promotion, self.ruleset.promotions.get(result.beaten_by))
        if result.variant and result.reason in (Reason.APPLIED, Reason.CONTROL_GROUP):
            self.mark(result.name, f"variant {result.variant}")
        if result.reason is Reason.APPLIED:
            if result.saving or any(
                isinstance(reward, FreeService | NextCode | PointsReward | Gift) for reward in promotion.rewards
            ):
                self.mark(result.name, "get")
                self.mark(result.name, "with reason")
            for limit in promotion.limits:
                if stopped(limit, promotion, result, situation):
                    self.mark(result.name, "limit", limit.text)
        if result.reason in JUDGED:
            self.kept_out(promotion, situation)

    def excluded(self, loser: Promotion, winner: Promotion | None) -> None:
        """The lines that kept two promotions apart."""
        for one, other in ((loser, winner), (winner, loser)):
            if one is not None:
                if one.exclusive:
                    self.mark(one.name, "exclusive")
                if other is not None and other.name in one.not_with:
                    self.mark(one.name, "not with")

    def mark(self, owner: str, keyword: str, text: str = "") -> None:
        """A clause was decisive."""
        for clause in self.clauses.get(owner, ()):
            if clause.keyword == keyword and text in ("", clause.text):
                self.decisive.add(clause)

    def kept_out(self, promotion: Promotion, situation: Situation) -> None:
        """`except` and guards, where they kept an article of the basket out."""
        sets = _sets(promotion)
        thresholds = [condition for line in promotion.when for condition in _thresholds(line.condition)]
        lists = [reward.prices for reward in promotion.rewards if isinstance(reward, PricesFrom)]
        counts = bool(thresholds or promotion.buy or isinstance(promotion.reward, Tiers) or lists)
        of_points, of_fees = (
            any(isinstance(reward, kind) for reward in promotion.rewards) for kind in (PointsReward | Gift, FeeReward)
        )
        verbs = {"discount": not (of_fees or of_points), "count": counts, "ship free": of_fees, "reward": of_points}
        if not promotion.except_ and not self.ruleset.guards:
            return
        for line in situation.request.lines:
            asked = situation.of_line(line)
            if not sets and lists and not any(line.article in self.ruleset.listed[name] for name in lists):
                continue
            if sets and not any(asked.in_set(name) for name in sets):
                continue
            if any(asked.in_set(name) for name in promotion.except_):
                self.mark(promotion.name, "except")
            self.guards(verbs, asked)

    def guards(self, verbs: Mapping[str, bool], asked: Situation) -> None:
        """The guards that kept one article out."""
        for guard in self.ruleset.guards:
            for verb, names in guard_lines(guard):
                if not verbs.get(verb):
                    continue
                held = {name for name in names if asked.in_set(name)}
                for clause in self.clauses.get(guard.name, ()) if held else ():
                    said = clause.text.removeprefix(f"never {verb} ").split(", ")
                    if clause.keyword == verb and held & set(said):
                        self.decisive.add(clause)

    # ------------------------------------------------------------------------------------------------ segments

    def segment(self, name: str, situation: Situation) -> None:
        """The lines of a segment without which the customer's membership would be another."""
        lines = self.ruleset.segments[name].lines
        holding = [situation.truth(line.condition) is True for line in lines]
        if holding.count(False) != 1:
            return  # all hold: each could go; several fail: none alone decides
        self.mark(name, "line", lines[holding.index(False)].text)


def stopped(limit: Limit, promotion: Promotion, result: PromotionResult, situation: Situation) -> bool:
    """The promotion would have applied once more, or saved more, but for this limit."""
    request = situation.request
    used = used_before(request, promotion.name, limit)
    if limit.measure == "saving":
        bound = bound_of(limit, request.currency)
        return bound is not None and result.saving == bound - used
    if limit.measure == "baskets" or promotion.buy is None or result.applications != limit.count - used:
        return False
    once_more = result.applications + 1
    for need in promotion.buy.needs:
        lines = [line for line in request.lines if situation.of_line(line).in_set(need.of)]
        if need.measure:
            dimension, factor = UNITS[need.unit]
            alike = [(line.measure, UNITS[line.unit]) for line in lines if line.unit]
            there = sum(measure * other for measure, (of, other) in alike if of == dimension)
            if there < need.measure * factor * once_more:
                return False
        elif sum(line.quantity or 1 for line in lines) < need.count * once_more:
            return False
    return True


def _sets(promotion: Promotion) -> tuple[str, ...]:
    """The sets of the reward, the `buy` and the thresholds; () = all articles."""
    names = [need.of for need in promotion.buy.needs] if promotion.buy else []
    targets = [getattr(reward, "target", None) for reward in promotion.rewards]
    names += [target.name for target in targets if target is not None and target.kind in ("set", "count")]
    if any(target is not None and target.kind == "basket" for target in targets):
        return ()
    if not names:
        return ()
    for line in promotion.when:
        names += [condition.of for condition in _thresholds(line.condition) if condition.of]
    return tuple(names)


def _thresholds(condition: Condition) -> Iterator[Worth | WorthOtherwise | Count | Articles | Measured]:
    match condition:
        case All() | Any_() | None_():
            for part in condition.of:
                yield from _thresholds(part)
        case Worth() | WorthOtherwise() | Count() | Articles() | Measured():
            yield condition
        case _:
            pass


def _members(condition: Condition) -> Iterator[str]:
    match condition:
        case All() | Any_() | None_():
            for part in condition.of:
                yield from _members(part)
        case Member(of="segment"):
            yield condition.name
        case _:
            pass
