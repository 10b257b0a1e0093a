"""Literals of a text → numbers in the engine's scales, or the finding that says why not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_FLOOR, Decimal
from typing import Literal

from dsl import ast
from dsl.diagnostics import Diagnostic, Span, found
from dsl.phrases import Phrase, guessed, say, to_write
from dsl.spelling import amount, number
from dsl.vocabulary import TYPES
from dsl.wrong_forms import did_you_mean
from engine.money import EXPONENTS
from engine.program import Amount, Type

EPOCH = date(1970, 1, 1)
MILLION = 1_000_000

MACHINE_TYPES: dict[str, Type] = {
    "text": Type.TEXT,
    "number": Type.NUMBER,
    "percent": Type.PERCENT,
    "yes-no": Type.YES_NO,
    "date": Type.DATE,
    "money": Type.MONEY,
    "one of": Type.TEXT,
    "list of text": Type.TEXTS,
    "category": Type.TEXT,
    "country": Type.TEXT,
    "language": Type.TEXT,
    "store": Type.TEXT,
    "channel": Type.TEXT,
    "score-1-to-5": Type.NUMBER,
}
assert MACHINE_TYPES.keys() == TYPES.keys()


@dataclass(frozen=True, slots=True)
class AttributeInfo:
    """An attribute that rules may ask for. `kind` is a key of vocabulary.TYPES."""

    entity: str
    name: str
    kind: str
    choices: tuple[str, ...]
    personal: bool
    predicted: bool
    default: ast.Value | None
    span: Span

    @property
    def path(self) -> str:
        """As rules and the engine name it."""
        return f"{self.entity}.{self.name}"


def days(day: ast.Date) -> int:
    """Days since 1970-01-01."""
    return (day.value - EPOCH).days


def money(
    value: ast.Money, currencies: Sequence[str], *, scale: Literal["minor", "micros"]
) -> tuple[Amount, ...] | Diagnostic:
    """One Amount for each currency, in the order of their codes."""
    amounts: dict[str, Amount] = {}
    for currency, units, span in value.parts:
        if currency not in EXPONENTS or (currencies and currency not in currencies):
            return found("P2008", span, name=currency, known=tuple(currencies) or say("none"))
        if currency in amounts:
            return found("P2010", span, name=currency)
        digits = EXPONENTS[currency] if scale == "minor" else 6
        if -exponent_of(units) > digits:
            near = [amount(currency, value) for value in _around(units, digits)]
            choices = tuple((span, text) for text in near)
            either = say("write {first} or {last}", first=near[0], last=near[-1])
            advice = to_write(near[0]) if len(near) == 1 else either
            return found("P2005", span, currency=currency, digits=digits, advice=advice, choices=choices)
        scaled = units.scaleb(digits)
        amounts[currency] = Amount(currency=currency, value=int(scaled))
    return tuple(amounts[currency] for currency in sorted(amounts))


def _around(units: Decimal, digits: int) -> list[Decimal]:
    """The next amounts of so many digits below, if it is one, and above."""
    step = Decimal(1).scaleb(-digits)
    below = units.quantize(step, ROUND_FLOOR)
    return [below, below + step] if below else [step]


def exponent_of(value: Decimal) -> int:
    """Of the last digit that matters: 2.50 → -1."""
    exponent = value.normalize().as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


def basis_points(percent: ast.Percent) -> int | Diagnostic:
    """Of a reward: more than 0, at most 100%."""
    if not 0 < percent.value <= 100 or -exponent_of(percent.value) > 2:
        return found("P2006", percent.span, advice=say("from 0.01% to 100%"))
    return int(percent.value * 100)


def scalar(info: AttributeInfo, value: ast.Value, channels: Sequence[str]) -> int | str | Diagnostic:
    """A value in the scale of an attribute that is no money and no list (of a list: one of its texts)."""
    choices = channels if info.kind == "channel" else info.choices
    match info.kind, value:
        case (("one of" | "channel"), ast.Word(text=word)):
            if word in choices:
                return word
            guess = did_you_mean(word, choices)
            return found(
                "P2002", value.span, name=info.name, value=word, guess=guessed(guess), known=tuple(choices), fix=guess
            )
        case (("text" | "category" | "store" | "list of text"), ast.Quoted(text=text)):
            return text
        case (("number" | "score-1-to-5"), ast.Number(value=decimal)):
            return _number(info, decimal, value.span)
        case "percent", ast.Percent(value=decimal):
            if -exponent_of(decimal) > 2:
                return found("P2006", value.span, advice=say("from 0.01% to 100%"))
            return int(decimal * 100)
        case "yes-no", ast.Word(text="yes" | "no"):
            return int(value.text == "yes")
        case "date", ast.Date():
            return days(value)
        case "country", ast.Word(text=word) if len(word) == 2 and word.isupper():
            return word
        case "language", ast.Word(text=word) if len(word) == 2 and word.islower():
            return word
        case _:
            return unfit(info, value)


def _number(info: AttributeInfo, decimal: Decimal, span: Span) -> int | Diagnostic:
    if info.kind == "score-1-to-5" and not (1 <= decimal <= 5 and exponent_of(decimal) >= 0):
        return found("P2003", span, name=info.name, type=say("score from 1 to 5"), other=number(decimal))
    if -exponent_of(decimal) > 6 or decimal > 10**12:
        return found("P2003", span, name=info.name, type=say("number with at most 6 decimals"), other=number(decimal))
    return int(decimal * MILLION)


def unfit(info: AttributeInfo, value: ast.Value) -> Diagnostic:
    """The finding for a value of another type."""
    row = TYPES[info.kind]
    advice = say("write {literal}", literal=row.literal)
    fix = None
    if isinstance(value, ast.Word) and info.kind in ("text", "category", "store", "list of text"):
        fix = f'"{value.text}"'
        advice = to_write(fix)
    elif isinstance(value, ast.Quoted) and (value.text in info.choices or value.text in ("yes", "no")):
        fix = value.text
        advice = say("write {words} without quotes", words=fix)
    elif isinstance(value, ast.Number) and info.kind in ("text", "category", "store", "list of text"):
        fix = f'"{number(value.value)}"'
        advice = to_write(fix)
    return found("P2003", value.span, name=info.name, type=row.noun, other=described(value), advice=advice, fix=fix)


def written(value: ast.Value) -> str:
    """A literal, short, as it may stand in a text."""
    match value:
        case ast.Money():
            return " or ".join(amount(currency, units) for currency, units, _ in value.parts)
        case ast.Percent():
            return f"{number(value.value)}%"
        case ast.Number():
            return number(value.value)
        case ast.Duration():
            return f"{value.count} {value.unit}s"
        case ast.Measure():
            return f"{number(value.value)} {value.unit}"
        case ast.Time():
            return f"{value.seconds // 3600:02d}:{value.seconds // 60 % 60:02d}"
        case ast.Date():
            return str(value.value)
        case _:
            return value.text


def described(value: ast.Value) -> Phrase:
    """What a literal is, in a word."""
    names: dict[type, Phrase] = {
        ast.Money: say("an amount"),
        ast.Percent: say("a percentage"),
        ast.Number: say("a number"),
        ast.Date: say("a date"),
        ast.Time: say("a time"),
        ast.Duration: say("a length of time"),
        ast.Measure: say("a measure"),
        ast.Quoted: say("a text"),
        ast.Word: say("a word"),
    }
    return names[type(value)]
