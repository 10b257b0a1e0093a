"""What changed, in the language's own words, as short as they go: `limit 1 -> 2 per customer`."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from pydantic import BaseModel

from dsl.phrases import Phrase, many, say
from dsl.spelling import amount, number, words
from engine.money import EXPONENTS
from engine.program import (
    AmountOffArticle,
    AmountOffEach,
    AmountOffFee,
    AmountOffMeasure,
    AmountOffTogether,
    Arm,
    BasketPrice,
    Cashier,
    FeePrice,
    FixedPoints,
    FixedPriceEach,
    FixedPriceMeasure,
    FreeService,
    Gift,
    Ladder,
    Length,
    Money,
    NextCode,
    PercentOff,
    PercentOffFee,
    PercentOffTogether,
    Pick,
    PricesFrom,
    PriceTogether,
    Step,
    Target,
    Tiers,
    TimesPoints,
    Variants,
)

_MIDDLE_MAX = 8  # words that differ; more are shown as two whole lines
_SHOWN = 3  # names of a list

Words = str | Phrase  # a text is of the language, the same for every reader


def arrow(old: str, new: str) -> str:
    """`get 10% -> 15% off pasta`: what both share is said once."""
    before, after = words(old), words(new)
    most = min(len(before), len(after)) - 1
    first = next((i for i in range(most) if before[i] != after[i]), max(most, 0))
    most -= first
    last = next((i for i in range(most) if before[-1 - i] != after[-1 - i]), max(most, 0))
    while first and before[first - 1].endswith(","):  # a list is shown as a whole
        first -= 1
    while last and (before[-1 - last].endswith(",") or after[-1 - last].endswith(",")):
        last -= 1
    end = len(before) - last, len(after) - last
    if max(end) - first > _MIDDLE_MAX:
        return f"{old} -> {new}"
    middle = " ".join(before[first : end[0]]), " ".join(after[first : end[1]])
    return " ".join((*before[:first], " -> ".join(middle), *before[end[0] :]))


def names(gone: Iterable[str], come: Iterable[str]) -> Words:
    """`+ b, c  - a`: what a list has more and less."""
    signs = (("+", set(come)), ("-", set(gone)))
    parts = [say("{sign} {names}", sign=sign, names=_listed(sorted(words))) for sign, words in signs if words]
    return say("{first}  {last}", first=parts[0], last=parts[1]) if len(parts) > 1 else parts[0] if parts else ""


def _listed(words: list[str]) -> Words:
    more = len(words) - _SHOWN
    if more <= 1:
        return ", ".join(words)
    return say("{names} and {count} more", names=tuple(words[:_SHOWN]), count=many(more))


def sizes(old: int | None, new: int | None, noun: Phrase) -> Words:
    """`42 100 -> 58 400 articles`; "" where one of them is not known, or nothing changed."""
    if old is None or new is None or old == new:
        return ""
    return say("{old} -> {new} {noun}", old=many(old), new=many(new), noun=noun)


def minor(money: Money) -> str:
    """Amounts in minor units."""
    return " or ".join(amount(a.currency, Decimal(a.value).scaleb(-EXPONENTS.get(a.currency, 2))) for a in money)


def micros(money: Money) -> str:
    """Amounts in millionths."""
    return " or ".join(amount(a.currency, Decimal(a.value).scaleb(-6)) for a in money)


def percent(points: int) -> str:
    """Of basis points."""
    return number(Decimal(points) / 100) + "%"


def reward(given: BaseModel) -> str:
    """A reward as its line is written; of one that is not known here, its name."""
    match given:
        case PercentOff():
            return f"get {percent(given.percent)} off {_target(given.target)}"
        case PercentOffTogether():
            return f"get {percent(given.percent)} off {_target(given.target)}{_whole(given.target)}"
        case AmountOffEach():
            return f"get {minor(given.amount)} off {_target(given.target)} each"
        case AmountOffTogether():
            return f"get {minor(given.amount)} off {_target(given.target)}{_whole(given.target)}"
        case AmountOffArticle():
            return f"get {minor(given.amount)} off {_target(given.target)} per article"
        case AmountOffMeasure():
            unit = _unit(given.per, hundreds=given.hundreds)
            return f"get {micros(given.amount)} off {unit} of {_target(given.target)}"
        case FixedPriceEach():
            return f"get {_target(given.target)} for {minor(given.price)} each"
        case FixedPriceMeasure():
            unit = _unit(given.per, hundreds=given.hundreds)
            return f"get {_target(given.target)} for {micros(given.price)} {unit}"
        case PricesFrom():
            return f'get prices from list "{given.prices}"'
        case Pick(percent=10_000):
            return f"get the {given.which} {given.count} free"
        case Pick():
            return f"get {percent(given.percent)} off the {given.which} {given.count}"
        case Ladder():
            return f"get {', '.join(map(_step, given.steps))}"
        case PriceTogether():
            return f"get them together for {minor(given.price)}{', singles too' if given.singles else ''}"
        case BasketPrice():
            return f"get the basket for {minor(given.price)}"
        case Cashier():
            most = minor(given.amount) if given.amount else percent(given.percent)
            return f"get what the cashier enters, at most {most} ({given.text})"
        case FreeService():
            return f"get free {given.service}"
        case PercentOffFee():
            return f"get {percent(given.percent)} off the fee of {given.service}"
        case AmountOffFee():
            return f"get {minor(given.amount)} off the fee of {given.service}"
        case NextCode():
            return f"get a code from {given.codes} valid for {_length(given.valid)}"
        case FeePrice():
            return f"get the fee of {given.service} for {minor(given.price)}"
        case Tiers():
            one = "one article of " if given.one_article else ""
            basis = {"list": " before discounts", "current": " after discounts"}.get(given.basis, "")
            step = ", step by step" if given.stepwise else ""
            tiers = ", ".join(tier.text for tier in given.tiers)
            return f"get by {given.by} of {one}{_target(given.target)}{basis}{step}: {tiers}"
        case Variants():
            arms = ", ".join(f"{arm.name or 'control'} {percent(arm.share)} {_arm(arm)}".rstrip() for arm in given.arms)
            return f"variants by {given.by}: {arms}"
        case TimesPoints():
            return f"get {number(Decimal(given.factor) / 100)} times points on {_target(given.target)}"
        case FixedPoints():
            return f"get {given.points} points"
        case Gift():
            price = f" for {minor(given.price)}" if given.price else ""
            return f"get {given.count} {'gift' if given.count == 1 else 'gifts'} from {given.of}{price}"
        case _:
            return f"get {getattr(given, 'text', '') or getattr(given, 'kind', '')}"


def _arm(arm: Arm) -> str:
    return "" if arm.reward is None else reward(arm.reward)


def _length(length: Length) -> str:
    return f"{length.count} {length.unit}{'' if length.count == 1 else 's'}"


def _target(target: Target) -> str:
    if target.kind == "count":
        alike = " of one article" if target.one_article else ""
        fewer = ", fewer too" if target.fewer else ""
        if target.pick:
            return f"the {target.pick} {target.count} of {target.name}"
        return f"{target.count}{alike} of {target.name}{fewer}"
    return {"them": "them", "basket": "the basket"}.get(target.kind, target.name)


def _whole(target: Target) -> str:
    return "" if target.kind == "basket" else " together"


def _unit(per: str, *, hundreds: bool) -> str:
    return f"per {'100 ' if hundreds else ''}{per}"


def _step(step: Step) -> str:
    ending = "th" if step.nth // 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(step.nth % 10, "th")
    return f"{minor(step.amount) if step.amount else percent(step.percent)} off every {step.nth}{ending}"
