"""Segments nobody can be in, sets and places that hold nothing, promotions whose lines exclude each other."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from dsl.analysis.claims import Claim, Kind, claim
from dsl.analysis.clock import never_on
from dsl.analysis.known import Known
from dsl.analysis.ruleset import Rules
from dsl.analysis.values import DAY_US, TODAY
from dsl.analysis.worlds import (
    Amount,
    Pair,
    Scope,
    Want,
    Worlds,
    any_of,
    in_place,
    in_segment,
    in_set,
)
from dsl.phrases import Phrase, say
from engine import program as p


@dataclass(frozen=True, slots=True)
class Part:
    """A line of a declaration as what must hold."""

    name: str
    pairs: tuple[Pair, ...] = ()
    amounts: tuple[Amount, ...] = field(default=())


def claims(rules: Rules, known: Known) -> Iterator[Claim]:
    """All that is contradictory in itself; where a set already is, what is made of it is not reported again."""
    dead: set[tuple[str, str]] = set()
    for found in _sets(rules, known):
        dead.add((found.kind, found.name))
        yield found
    for promotion in rules.promotions.values():
        if not dead or not _follows(promotion, dead):
            yield from known.of(of_promotion, promotion, partial(of_promotion, rules, promotion))


def _follows(promotion: p.Promotion, dead: set[tuple[str, str]]) -> bool:
    """Is it for a segment nobody can be in, at a place that is none, of a set that is empty? That was said there."""
    audience, places = promotion.audience.any_of, promotion.places.any_of if promotion.places else ()
    return (
        (bool(audience) and all(("segment", name) in dead for name in audience))
        or (bool(places) and all(("places", name) in dead for name in places))
        or ("products", set_of(promotion)) in dead
    )


# ---------------------------------------------------------------------------------------------------- sets


def _sets(rules: Rules, known: Known) -> Iterator[Claim]:
    every = [Scope(currency) for currency in rules.settings.currencies]
    kinds: tuple[tuple[str, Kind, Iterable[p.Segment | p.ProductSet | p.Place]], ...] = (
        ("P3002", "segment", rules.segments.values()),
        ("P3101", "products", rules.products.values()),
        ("P3102", "places", rules.places.values()),
    )
    for code, kind, table in kinds:
        dead: set[str] = set()
        for made in _inner_first(table):
            work = partial(_contradiction, code, kind, made, every, dead)
            follows = bool(dead) and any(_made_of(line.condition, dead) for line in made.lines)
            for found in known.now(work) if follows else known.of(_contradiction, made, work):
                dead.add(found.name)
                yield found


def _inner_first(
    table: Iterable[p.Segment | p.ProductSet | p.Place],
) -> Iterator[p.Segment | p.ProductSet | p.Place]:
    """Those that are made of no others, then the rest: so that what follows from an empty one is not said again."""
    later = []
    for made in table:
        if any(isinstance(line.condition, p.Member) for line in made.lines):
            later.append(made)
        else:
            yield made
    yield from later


def _made_of(condition: p.Condition, dead: set[str]) -> bool:
    """«in» one that was reported already."""
    return isinstance(condition, p.Member) and not condition.negated and condition.name in dead


def _contradiction(
    code: str,
    kind: Kind,
    made: p.Segment | p.ProductSet | p.Place,
    scopes: Sequence[Scope],
    dead: set[str],
    worlds: Worlds,
) -> Iterator[Claim]:
    parts = [
        Part(f"line {number}", ((line.condition, Want.TRUE),))
        for number, line in enumerate(made.lines)
        if not _made_of(line.condition, dead)
    ]
    cause = core(parts, lambda chosen: impossible(worlds, chosen, scopes))
    if cause:
        names = [part.name for part in cause]
        also, why = tuple(names[:-1]), _why(cause)
        if code != "P3002":
            yield claim(code, kind, made.name, names[-1], also=also, name=made.name, why=why)
            return
        lines = [made.lines[int(name.removeprefix("line "))] for name in names]
        yield claim(code, kind, made.name, names[-1], also=also, name=made.name, why=why, hint=_meant(lines))


def impossible(worlds: Worlds, parts: Sequence[Part], scopes: Sequence[Scope]) -> bool:
    """Can these parts hold together in none of the scopes?"""
    pairs = [pair for part in parts for pair in part.pairs]
    amounts = [amount for part in parts for amount in part.amounts]
    return all(worlds.find(pairs, scope, amounts) is None for scope in scopes)


def core(parts: Sequence[Part], excluded: Callable[[Sequence[Part]], bool]) -> list[Part]:
    """Of parts that exclude each other as few as still do; none if they do not."""
    if not excluded(parts):
        return []
    left = list(parts)
    for part in parts:
        without = [other for other in left if other is not part]
        if excluded(without):
            left = without
    return left


# ---------------------------------------------------------------------------------------------------- promotions


def of_promotion(rules: Rules, promotion: p.Promotion, worlds: Worlds) -> Iterator[Claim]:
    """The first reason why it can never apply."""

    def never(part: str, why: Phrase, *also: str) -> Claim:
        return claim("P3105", "promotion", promotion.name, part, also=also, name=promotion.name, why=why)

    if not promotion.channels.names:
        yield never("sold", say("it is sold nowhere"))
        return
    if never_on(rules, promotion):
        yield never("only on", say("none of these times comes while it runs"), "runs")
        return
    scopes = scopes_of(rules, promotion)
    if not scopes:
        yield never("get", say("its amounts have no currency in common"), *amounts_in(promotion))
        return
    cause = core(parts_of(rules, worlds, promotion), lambda chosen: impossible(worlds, chosen, scopes))
    names = [part.name for part in cause]
    if cause:
        yield never(names[-1], _why(cause), *names[:-1])
        return
    yield from _no_article(rules, worlds, promotion)


def scopes_of(rules: Rules, promotion: p.Promotion) -> list[Scope]:
    """One for each currency in which all its amounts are said."""
    group = rules.groups.get(promotion.group)
    said = [{amount.currency for amount in money} for _, money in moneys(promotion)]
    today = days_of(promotion)
    return [
        Scope(currency, today, group is None or group.prices == "original")
        for currency in rules.settings.currencies
        if all(currency in one for one in said)
    ]


def days_of(promotion: p.Promotion) -> tuple[int, int]:
    """The days on which it runs, in whatever zone."""
    start, until = promotion.runs.start, promotion.runs.until
    return (
        TODAY[0] if start is None else max(TODAY[0], start * 1_000_000 // DAY_US - 2),
        TODAY[1] if until is None else min(TODAY[1], until * 1_000_000 // DAY_US + 2),
    )


def moneys(promotion: p.Promotion) -> Iterator[tuple[str, p.Money]]:
    """Every amount that must be said in the basket's currency, with the line it stands in."""
    reward = promotion.reward
    match reward:
        case p.AmountOffEach() | p.AmountOffTogether() | p.AmountOffArticle() | p.AmountOffMeasure() | p.AmountOffFee():
            yield "get", reward.amount
        case p.FixedPriceEach() | p.FixedPriceMeasure() | p.PriceTogether() | p.BasketPrice() | p.FeePrice():
            yield "get", reward.price
        case p.Cashier() if reward.amount:
            yield "get", reward.amount
        case p.Ladder():
            for step in reward.steps:
                if step.amount:
                    yield "get", step.amount
        case _:
            pass
    for number, limit in enumerate(promotion.limits):
        if limit.measure == "saving":
            yield f"limit {number}", limit.saving
    for number, line in enumerate(promotion.when):
        for money in _moneys(line.condition):
            yield f"when {number}", money


def _moneys(condition: p.Condition) -> Iterator[p.Money]:
    match condition:
        case p.All() | p.Any_() | p.None_():
            for part in condition.of:
                yield from _moneys(part)
        case p.Worth() | p.WorthOtherwise():
            yield from (bound for bound in (condition.low, condition.high) if bound)
        case p.CompareMoney():
            yield condition.value
        case _:
            pass


def amounts_in(promotion: p.Promotion) -> tuple[str, ...]:
    """The lines that name amounts, but for the reward."""
    return tuple(dict.fromkeys(part for part, _ in moneys(promotion) if part != "get"))


def parts_of(rules: Rules, worlds: Worlds, promotion: p.Promotion) -> list[Part]:
    """Whom, where and on what condition: the lines that must hold together."""
    parts = []
    audience, places = promotion.audience, promotion.places
    if audience.any_of or audience.but_not:
        parts.append(Part("for", tuple(audience_pairs(audience))))
    if places is not None:
        parts.append(Part("only at", tuple(place_pairs(places))))
    parts += [Part(f"when {number}", ((line.condition, Want.TRUE),)) for number, line in enumerate(promotion.when)]
    needed = pieces(rules, worlds, promotion)
    if needed is not None:
        parts.append(Part("buy" if promotion.buy else "get", (), (needed,)))
    return parts


def audience_pairs(audience: p.Choice) -> Iterator[Pair]:
    """Any of these segments, none of those."""
    if audience.any_of:
        yield any_of([in_segment(name) for name in audience.any_of]), Want.TRUE
    for name in audience.but_not:
        yield in_segment(name), Want.NOT_TRUE


def place_pairs(places: p.Choice) -> Iterator[Pair]:
    """A store is named; any of these places, none of those."""
    yield p.Known.model_construct(kind="known", attribute="store.id", known=True), Want.TRUE
    if places.any_of:
        yield any_of([in_place(name) for name in places.any_of]), Want.TRUE
    for name in places.but_not:
        yield in_place(name), Want.FALSE


def set_of(promotion: p.Promotion) -> str | None:
    """The set of its `buy` or of its reward; None: the basket, or a service."""
    if promotion.buy is not None:
        return promotion.buy.of
    target = getattr(promotion.reward, "target", None)
    return target.name if target is not None and target.kind == "set" else None


def pieces(rules: Rules, worlds: Worlds, promotion: p.Promotion) -> Amount | None:
    """How many counting pieces of its set the basket then holds at least."""
    if isinstance(promotion.reward, p.FeeReward | p.NextCode):
        return None
    name = set_of(promotion)
    if promotion.buy is not None:  # units of a buy count
        singles = isinstance(promotion.reward, p.PriceTogether) and promotion.reward.singles
        return Amount("pieces", name, 1 if singles else promotion.buy.count, None)
    uncounted = rules.guarded("count")
    if uncounted and (name is None or not _apart(worlds, name, uncounted)):
        return None
    return Amount("pieces", name, 1, None)


def _apart(worlds: Worlds, name: str, others: Sequence[str]) -> bool:
    """Is no article of the set in any of the others, nor perhaps in it?"""
    asked = [(in_set(name), Want.TRUE), (any_of([in_set(other) for other in others]), Want.NOT_FALSE)]
    return worlds.no_article(asked)


def _no_article(rules: Rules, worlds: Worlds, promotion: p.Promotion) -> Iterator[Claim]:
    """«except» or guards leave nothing of its set."""
    name = set_of(promotion)
    if name is None or isinstance(promotion.reward, p.FeeReward | p.NextCode):
        return
    inside: Part = Part("buy" if promotion.buy else "get", ((in_set(name), Want.TRUE),))
    left_out = Part("except", tuple((in_set(other), Want.NOT_TRUE) for other in promotion.except_))
    kept = [*rules.guarded("discount"), *(rules.guarded("count") if promotion.buy else ())]
    if isinstance(promotion.reward, p.PointsReward | p.Gift):
        kept = [*rules.guarded("reward")]
    guards = Part("guards", tuple((in_set(other), Want.FALSE) for other in dict.fromkeys(kept)))
    parts = [part for part in (inside, left_out, guards) if part.pairs]
    if len(parts) == 1:
        return  # the set itself: said of the set
    cause = core(parts, lambda chosen: worlds.no_article([pair for part in chosen for pair in part.pairs]))
    names = [part.name for part in cause]
    if len(names) > 1:
        if "guards" not in names:
            why = say("«except» leaves nothing of «{name}»", name=name)
        elif "except" not in names:
            why = say("guards keep out every article of «{name}»", name=name)
        else:
            why = say("«except» and guards leave nothing of «{name}»", name=name)
        also = tuple(part for part in names[1:] if part != "guards")
        yield claim("P3105", "promotion", promotion.name, names[0], also=also, name=promotion.name, why=why)


def _meant(lines: Sequence[p.Line]) -> Phrase | None:
    """«at least 2 orders in the last 3 months» and «no orders in the last 6»: perhaps those before these were meant."""
    for line, other in itertools.permutations(lines, 2) if len(lines) == 2 else ():
        match line.condition, other.condition:
            case (
                p.Happened(low=int(), then=(), window=p.InTheLast(length=recent, but_not=None)),
                p.Happened(high=int(), then=(), window=p.InTheLast(length=silent, but_not=None)),
            ) if recent.unit == silent.unit:
                ages = f"between {recent.count + silent.count} {recent.unit}s and {_length(silent)} ago"
                words, count = re.subn(r"in the last [0-9]+ [a-z]+$", ages, line.text)
                if count:
                    return say("If those before were meant:   {line}", line=words)
    return None


def _length(length: p.Length) -> str:
    return f"{length.count} {length.unit}{'' if length.count == 1 else 's'}"


def _why(cause: Sequence[Part]) -> Phrase:
    return say("this contradicts itself") if len(cause) == 1 else say("these lines exclude each other")
