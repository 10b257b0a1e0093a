"""Placeholders of labels and hints: amounts, pieces and measures as the reader's language writes them. Integers only.

The way a language writes is part of the ruleset (`program.Writing`), so that every node prints the same, whatever is
installed beside it.
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.decision import Missing
from engine.money import EXPONENTS
from engine.program import Writing

CLAUSE_BYTES_MAX = 1_024
PLAIN = Writing(language="", decimal=".", group="", sizes=(3, 3))  # of a language that the ruleset says nothing of


def filled(text: str, writing: Writing, currency: str, values: Mapping[str, int | Missing]) -> str:
    """The text with its placeholders filled: «saved», an amount in minor units; «missing»; «points», a number."""
    for name, value in values.items():
        place = f"{{{name}}}"
        if place in text:
            text = text.replace(place, _written(name, value, writing, currency))
    return text


def _written(name: str, value: int | Missing, writing: Writing, currency: str) -> str:
    if isinstance(value, Missing):
        match value.kind:
            case "amount":
                return amount(value.value, writing, currency)
            case "measure":
                return f"{_decimal(value.value, 3, writing).rstrip('0').rstrip(writing.decimal)} {value.unit}"
            case _:
                return _grouped(str(value.value), writing)
    return amount(value, writing, currency) if name == "saved" else _grouped(str(value), writing)


def amount(minor: int, writing: Writing, currency: str) -> str:
    """Minor units as an amount: «1.234,50 €», «CHF 1’234.50»."""
    digits = _decimal(minor, EXPONENTS[currency], writing)
    said = next((sign for sign in writing.signs if sign.currency == currency), None)
    return f"{currency} {digits}" if said is None else f"{said.before}{digits}{said.after}"


def _decimal(value: int, digits: int, writing: Writing) -> str:
    """A whole number of parts as a number with so many decimals."""
    if not digits:
        return _grouped(str(value), writing)
    whole, part = divmod(value, 10**digits)
    return f"{_grouped(str(whole), writing)}{writing.decimal}{part:0{digits}d}"


def _grouped(digits: str, writing: Writing) -> str:
    first, others = writing.sizes
    groups = [digits[-first:]]
    digits = digits[:-first]
    while digits:
        groups.append(digits[-others:])
        digits = digits[:-others]
    return writing.group.join(reversed(groups))


def cut(text: str, most: int = CLAUSE_BYTES_MAX) -> str:
    """At most so many bytes, no character cut in two."""
    data = text.encode()
    return text if len(data) <= most else data[:most].decode(errors="ignore")
