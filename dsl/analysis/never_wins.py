"""Promotions that another one of their group beats on every basket: proven by comparing all that decides.

A wins over B where A may take part whenever B may (schedule, channel, place, audience, code, conditions; A is not kept
apart from any other), reaches every unit that B reaches, and saves at least as much on it. Ties are settled by the
group's order or by name, so of two that are equal only the one that loses them is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np

from dsl.analysis.claims import Claim, claim
from dsl.analysis.clock import days_off
from dsl.analysis.never_applies import (
    audience_pairs,
    parts_of,
    place_pairs,
    scopes_of,
    set_of,
)
from dsl.analysis.ruleset import Rows, Rules
from dsl.analysis.worlds import Pair, Want, Worlds, in_set
from dsl.phrases import Phrase, many, say
from engine import program as p

COMPARED_MAX: Final = 200  # promotions that one promotion is compared with: those that reach the same set, in order
GROUP_PAIRS_MAX: Final = 200_000  # comparisons in one group; past it the rest is not compared
SETS_COMPARED_MAX: Final = 20_000  # pairs of sets of one group that are compared by what they say
BUY_MAX: Final = 9  # above, the engine may settle for less than the best choice (docs/semantics.md 6)
FULL: Final = 10_000  # basis points
WEEK: Final = 7 * 86_400
DAY: Final = 86_400

# What this comparison understands of a promotion. One that says more is left alone.
_UNDERSTOOD: Final = frozenset(
    "program name title runs only_on channels places audience code when buy reward except_ limits group labels terms "
    "owner hints funded advertised on_return not_with".split()
)


def claims(rules: Rules, worlds: Worlds, dead: frozenset[str]) -> Iterator[Claim]:
    """`dead`: promotions that never apply anyway."""
    odd = {promotion.name: unusual(promotion) for promotion in rules.promotions.values()}
    for group in rules.groups.values():
        members = [
            promotion
            for promotion in rules.in_group(group.name)
            if promotion.name not in dead and not odd[promotion.name]
        ]
        yield from _in_group(rules, worlds, group, members)


def unusual(promotion: p.Promotion) -> set[str]:
    """What it says that this comparison does not understand."""
    fields = type(promotion).model_fields.items()
    return {
        name
        for name, field in fields
        if name not in _UNDERSTOOD and getattr(promotion, name) != field.get_default(call_default_factory=True)
    }


def kept_apart(rules: Rules) -> frozenset[str]:
    """Promotions that are not with another, whichever of the two says so: they may have to stand aside for it."""
    pairs = [(p.name, other) for p in rules.promotions.values() for other in p.not_with]
    return rules.apart.union(name for pair in pairs for name in pair)


def _in_group(rules: Rules, worlds: Worlds, group: p.Group, members: Sequence[p.Promotion]) -> Iterator[Claim]:
    by_order = group.apply in ("first", "first-per-item") or group.gives == "benefits"
    if not by_order and not (
        group.apply in ("best", "best-per-item") or (group.apply == "at-most" and group.at_most == 1)
    ):
        return
    place = {promotion.name: number for number, promotion in enumerate(members)}
    compare = _Comparison(rules, worlds, group)
    apart = kept_apart(rules)
    pairs = 0
    for loser in members:
        for number, winner in enumerate(compare.rivals(loser, members)):
            pairs += 1
            if number >= COMPARED_MAX or pairs > GROUP_PAIRS_MAX:
                break
            earlier = place[winner.name] < place[loser.name]
            if winner.name in apart or (by_order and not earlier):
                continue
            scope = compare.beats(winner, loser, shadowed=by_order)
            if not scope:
                continue
            ties = not by_order and winner.name.encode() > loser.name.encode()
            if ties and compare.beats(loser, winner, shadowed=False):
                continue  # equal: the other one loses the ties
            yield _claim(group, winner, loser, compare.where(loser, scope), by_order)
            break


def _claim(group: p.Group, winner: p.Promotion, loser: p.Promotion, where: Phrase | None, by_order: bool) -> Claim:
    mode = group.apply.replace("-", " ") if group.apply != "at-most" else f"at most {group.at_most} per basket"
    if by_order:
        why = say("comes first and takes part whenever this does")
    else:
        why = say("gives at least as much on every basket")
    return claim(
        "P6001",
        "promotion",
        loser.name,
        name=loser.name,
        group=group.name,
        word=mode,
        other=winner.name,
        why=why,
        where=where,
    )


class _Comparison:
    """Promotions of one group."""

    def __init__(self, rules: Rules, worlds: Worlds, group: p.Group) -> None:
        self.rules = rules
        self.worlds = worlds
        self.group = group
        self._covers: dict[tuple[object, ...], str] = {}
        self._beaten: dict[tuple[str, str], str] = {}
        self._by_set: dict[str | None, list[p.Promotion]] = {}
        self._held: dict[tuple[str, str], bool] = {}

    def rivals(self, loser: p.Promotion, members: Sequence[p.Promotion]) -> Iterator[p.Promotion]:
        """Those whose set holds the loser's."""
        if not self._by_set:
            for promotion in members:
                if not any(limit.scope != "basket" or limit.measure == "saving" for limit in promotion.limits):
                    self._by_set.setdefault(set_of(promotion), []).append(promotion)
        for outer in self._holders(set_of(loser)):
            for promotion in self._by_set[outer]:
                if promotion is not loser and _runs(promotion, loser) and _slots(promotion, loser):
                    yield promotion

    def _holders(self, inner: str | None) -> Iterator[str | None]:
        """The sets of promotions here that hold this one; all of the basket: only the basket."""
        if None in self._by_set:
            yield None
        if inner is None:
            return
        if inner in self._by_set:
            yield inner
        for outer in self.rules.holders(inner):
            if outer in self._by_set and outer != inner:
                if (outer, inner) not in self._held:
                    if len(self._held) > SETS_COMPARED_MAX:
                        return
                    self._held[outer, inner] = bool(self.covers((outer, ()), (inner, ())))
                if self._held[outer, inner]:
                    yield outer

    def beats(self, winner: p.Promotion, loser: p.Promotion, *, shadowed: bool) -> str:
        """ "all": on every basket; "catalogue": on baskets of the catalogue's articles; "": no, or not proven."""
        key = (winner.name, loser.name)
        if key not in self._beaten:
            self._beaten[key] = self._beats(winner, loser, shadowed)
        return self._beaten[key]

    def _beats(self, winner: p.Promotion, loser: p.Promotion, shadowed: bool) -> str:
        if any(limit.scope != "basket" or limit.measure == "saving" for limit in winner.limits):
            return ""
        if winner.buy is not None and (winner.limits or (winner.code and self.rules.codes[winner.code.codes].uses)):
            return ""  # a bound on applications
        if isinstance(winner.reward, p.FreeService):
            if not self._service(winner, loser):
                return ""
            return "all" if self._whenever(winner, loser) else ""
        if not self._saves(winner, loser, shadowed):
            return ""
        scope = self.covers(
            (set_of(winner), winner.except_), (set_of(loser), loser.except_), measured=_measured(winner, loser)
        )
        return scope if scope and self._whenever(winner, loser) else ""

    def where(self, loser: p.Promotion, scope: str) -> Phrase | None:
        """How many articles of the catalogue the loser reaches, so that both do."""
        rules, name = self.rules, set_of(loser)
        if rules.articles is None:
            return None
        most = many(rules.articles.rows)
        shared = None
        if name is not None and name not in rules.dynamic:
            rows = self._reached_at_most(name, loser.except_)
            shared = None if rows is None else int(rows.sum())
        if scope == "catalogue":
            return say(
                " (of the {most} articles of the catalogue; they share {count})", most=most, count=many(shared or 0)
            )
        if not shared:
            return None
        return say(" (they share {count} of the {most} articles of the catalogue)", count=many(shared), most=most)

    # ------------------------------------------------------------------------------------------------ units

    def covers(
        self,
        outer: tuple[str | None, tuple[str, ...]],
        inner: tuple[str | None, tuple[str, ...]],
        *,
        measured: bool = True,
    ) -> str:
        """Does the one reach all that the other reaches? Each: a set (None: all), less its «except» sets."""
        key = (outer, inner)
        if key not in self._covers:
            self._covers[key] = self._cover(outer, inner)
        return self._covers[key] if measured else ""

    def _cover(self, outer: tuple[str | None, tuple[str, ...]], inner: tuple[str | None, tuple[str, ...]]) -> str:
        if outer in (inner, (None, ())):
            return "all"
        reached: list[Pair] = [] if inner[0] is None else [(in_set(inner[0]), Want.TRUE)]
        reached += [(in_set(name), Want.NOT_TRUE) for name in inner[1]]
        if (outer[0] is None or self.worlds.no_article([*reached, (in_set(outer[0]), Want.NOT_TRUE)])) and all(
            name in inner[1] or self.worlds.no_article([*reached, (in_set(name), Want.TRUE)]) for name in outer[1]
        ):
            return "all"
        return "catalogue" if self._by_catalogue(outer, inner) else ""

    def _by_catalogue(
        self, outer: tuple[str | None, tuple[str, ...]], inner: tuple[str | None, tuple[str, ...]]
    ) -> bool:
        """Of the articles whose membership the catalogue settles, and only if it settles all."""
        names = [name for name in (outer[0], inner[0], *outer[1], *inner[1]) if name is not None]
        if self.rules.articles is None or self.rules.dynamic & set(names) or inner[0] is None:
            return False
        least, most = self._reached(*outer), self._reached_at_most(*inner)
        assert least is not None and most is not None
        return bool(most.any()) and not bool((most & ~least).any())

    def _reached(self, name: str | None, left_out: tuple[str, ...]) -> Rows | None:
        """Those that are surely reached."""
        rules = self.rules
        assert rules.articles is not None
        rows = np.ones(rules.articles.rows, np.bool_) if name is None else rules.surely_in(name)
        for other in left_out:
            perhaps = rules.perhaps_in(other)
            assert rows is not None and perhaps is not None
            rows = rows & ~perhaps
        return rows

    def _reached_at_most(self, name: str | None, left_out: tuple[str, ...]) -> Rows | None:
        """Those that may be reached."""
        rules = self.rules
        assert rules.articles is not None
        rows = np.ones(rules.articles.rows, np.bool_) if name is None else rules.perhaps_in(name)
        for other in left_out:
            surely = rules.surely_in(other)
            assert rows is not None and surely is not None
            rows = rows & ~surely
        return rows

    # ------------------------------------------------------------------------------------------------ savings

    def _saves(self, winner: p.Promotion, loser: p.Promotion, shadowed: bool) -> bool:
        """On the same units: at least as much. `shadowed`: something wherever the loser saves something will do."""
        ours, theirs = winner.reward, loser.reward
        per_item = self.group.apply in ("best-per-item", "first-per-item")
        if winner.buy is not None:
            return not per_item and loser.buy is not None and _same_buy(winner, loser)
        if isinstance(ours, p.PercentOff | p.PercentOffTogether) and ours.percent == FULL:
            return True
        if shadowed and isinstance(ours, p.AmountOffEach | p.AmountOffTogether):
            return True
        if loser.buy is not None:
            return _more_than_a_buy(ours, theirs)
        match ours, theirs:
            case p.PercentOff(), p.PercentOff():
                return ours.percent >= theirs.percent
            case p.PercentOffTogether(), p.PercentOffTogether():
                return ours.percent >= theirs.percent
            case p.AmountOffEach(), p.AmountOffEach() | p.AmountOffTogether():
                return _at_least(ours.amount, theirs.amount)
            case p.AmountOffTogether(), p.AmountOffTogether():
                return _at_least(ours.amount, theirs.amount)
            case p.FixedPriceEach(), p.FixedPriceEach():
                return _at_least(theirs.price, ours.price)
            case p.BasketPrice(), p.BasketPrice():
                return _at_least(theirs.price, ours.price)
            case p.FixedPriceMeasure(), p.FixedPriceMeasure():
                same = (ours.per, ours.hundreds) == (theirs.per, theirs.hundreds)
                return same and _at_least(theirs.price, ours.price)
            case p.AmountOffMeasure(), p.AmountOffMeasure():
                same = (ours.per, ours.hundreds) == (theirs.per, theirs.hundreds)
                return same and _at_least(ours.amount, theirs.amount)
        return False

    def _service(self, winner: p.Promotion, loser: p.Promotion) -> bool:
        """A free service beats whatever is off its fee; and any other fee where only the first of the group is granted,
        unless another promotion may have brought the winner's fee to nothing."""
        assert isinstance(winner.reward, p.FreeService)
        if not isinstance(loser.reward, p.FeeReward):
            return False
        if winner.reward.service == loser.reward.service:
            return True
        only_one = self.group.apply == "first" or (self.group.apply == "at-most" and self.group.at_most == 1)
        others = [
            other.reward.service
            for other in self.rules.promotions.values()
            if isinstance(other.reward, p.FeeReward) and other is not winner
        ]
        return only_one and winner.reward.service not in others

    # ------------------------------------------------------------------------------------------------ taking part

    def _whenever(self, winner: p.Promotion, loser: p.Promotion) -> bool:
        """May the winner take part whenever the loser may?"""
        if not (_runs(winner, loser) and _slots(winner, loser)):
            return False
        if not set(loser.channels.names) <= set(winner.channels.names):
            return False
        if winner.code is not None and (loser.code is None or winner.code.codes != loser.code.codes):
            return False
        scopes = scopes_of(self.rules, loser)
        if not {scope.currency for scope in scopes} <= {s.currency for s in scopes_of(self.rules, winner)}:
            return False
        if winner.when and winner.except_ != loser.except_ and any(counts(line.condition) for line in winner.when):
            return False
        parts = parts_of(self.rules, self.worlds, loser)
        given = [pair for part in parts for pair in part.pairs]
        amounts = [amount for part in parts for amount in part.amounts]
        for doubt in _doubts(winner):
            if any(self.worlds.find([*given, *doubt], scope, amounts) is not None for scope in scopes):
                return False
        return True


def _doubts(promotion: p.Promotion) -> Iterator[list[Pair]]:
    """The ways in which it may not take part."""
    for name in promotion.audience.but_not:
        yield [(p.Member.model_construct(kind="member", of="segment", name=name, negated=False), Want.TRUE)]
    if promotion.audience.any_of:
        positive = p.Choice(any_of=promotion.audience.any_of, but_not=(), text="")
        yield [(condition, Want.NOT_TRUE) for condition, _ in audience_pairs(positive)]
    if promotion.places is not None:
        opposite = {Want.TRUE: Want.NOT_TRUE, Want.FALSE: Want.NOT_FALSE}
        for condition, want in place_pairs(promotion.places):
            yield [(condition, opposite[want])]
    for line in promotion.when:
        yield [(line.condition, Want.NOT_TRUE)]


def counts(condition: p.Condition) -> bool:
    """Does it ask what the basket holds?"""
    match condition:
        case p.All() | p.Any_() | p.None_():
            return any(counts(part) for part in condition.of)
        case p.Worth() | p.WorthOtherwise() | p.Count() | p.Articles() | p.Measured():
            return True
    return False


def _runs(winner: p.Promotion, loser: p.Promotion) -> bool:
    """Does the winner run whenever the loser does? In other zones with a day to spare."""
    ours, theirs = winner.runs, loser.runs
    spare = 0 if ours.zone == theirs.zone else 2 * DAY
    begins = ours.start is None or (theirs.start is not None and ours.start + spare <= theirs.start)
    ends = ours.until is None or (theirs.until is not None and ours.until - spare >= theirs.until)
    return begins and ends


def _slots(winner: p.Promotion, loser: p.Promotion) -> bool:
    """Does the winner's «only on» hold whenever the loser's does?"""
    if winner.only_on is None:
        return True
    zones = winner.runs.zone, loser.runs.zone
    ours = _week(winner.only_on, lambda slot: slot.days & days_off(slot))
    if ours == [(0, WEEK)]:
        return True
    if loser.only_on is None or zones[0] != zones[1]:
        return False
    if loser.only_on.slots == winner.only_on.slots:
        return True
    theirs = _week(loser.only_on, lambda slot: slot.days | days_off(slot))
    return all(any(begin <= first and last <= end for begin, end in ours) for first, last in theirs)


def _week(only_on: p.OnlyOn, days: Callable[[p.Slot], int]) -> list[tuple[int, int]]:
    """The spans of a week, in seconds from Monday 0:00, those that touch joined."""
    spans = []
    for slot in only_on.slots:
        for weekday in range(7):
            if days(slot) >> weekday & 1:
                begin = weekday * DAY + slot.start
                end = weekday * DAY + slot.until + (0 if slot.start < slot.until else DAY)
                spans += [(begin, min(end, WEEK))] + ([(0, end - WEEK)] if end > WEEK else [])
    joined: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((begin, end))
    return joined


# ---------------------------------------------------------------------------------------------------- amounts


def _at_least(ours: p.Money, theirs: p.Money) -> bool:
    """In every currency that both name; whether the winner names all of the loser's is asked elsewhere."""
    mine = {amount.currency: amount.value for amount in ours}
    other = {amount.currency: amount.value for amount in theirs}
    return all(mine[currency] >= other[currency] for currency in mine.keys() & other.keys())


def _measured(winner: p.Promotion, loser: p.Promotion) -> bool:
    """Do both take the same kind of units? A price per piece takes pieces only, one per measure measured lines."""
    kinds = (p.FixedPriceEach, p.FixedPriceMeasure, p.AmountOffMeasure)
    return not isinstance(winner.reward, kinds) or isinstance(loser.reward, type(winner.reward))


def _more_than_a_buy(ours: p.Reward, theirs: p.Reward) -> bool:
    """A reward on every unit of the set against one on some of those bought."""
    match ours, theirs:
        case p.PercentOff(), p.PercentOff() | p.Pick():
            return ours.percent >= theirs.percent
        case p.PercentOff(), p.Ladder():
            return all(not step.amount and ours.percent >= step.percent for step in theirs.steps)
        case p.AmountOffEach(), p.AmountOffEach():
            return _at_least(ours.amount, theirs.amount)
        case p.AmountOffEach(), p.Ladder():
            return all(step.amount and _at_least(ours.amount, step.amount) for step in theirs.steps)
        case p.FixedPriceEach(), p.FixedPriceEach():
            return _at_least(theirs.price, ours.price)
    return False


def _same_buy(winner: p.Promotion, loser: p.Promotion) -> bool:
    """Two of the same count: whatever the loser buys, the winner saves at least as much on it."""
    assert winner.buy is not None and loser.buy is not None
    if winner.buy.count != loser.buy.count or winner.buy.count > BUY_MAX:
        return False
    ours, theirs = winner.reward, loser.reward
    match ours, theirs:
        case p.Pick(), p.Pick():
            return ours.which == theirs.which and ours.count >= theirs.count and ours.percent >= theirs.percent
        case p.PercentOff(), p.PercentOff() | p.Pick():
            return ours.percent >= theirs.percent
        case p.AmountOffEach(), p.AmountOffEach():
            return _at_least(ours.amount, theirs.amount)
        case p.FixedPriceEach(), p.FixedPriceEach():
            return _at_least(theirs.price, ours.price)
        case p.PriceTogether(), p.PriceTogether():
            return ours.singles == theirs.singles and _at_least(theirs.price, ours.price)
        case p.Ladder(), p.Ladder():
            return ours == theirs
    return False
