"""Canonical text: one spacing and one spelling of every literal, so that a reformat changes no Program."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal

from engine.money import EXPONENTS

_PIECE = re.compile(
    r"""(?P<string>"[^"\n]*")
      | (?P<money>(?P<currency>[A-Z]{3})[ \t]*(?P<amount>[0-9]+(?:\.[0-9]+)?)(?![0-9]))
      | (?P<percent>(?P<share>[0-9]+(?:\.[0-9]+)?)[ \t]*%)
      | (?P<number>[0-9]+(?:\.[0-9]+)?(?![0-9A-Za-z:.-]))
      | (?P<mark>[,:(){}])
      | (?P<word>[^\s,:(){}"]+)
      | (?P<time>:[0-9]{2})""",
    re.VERBOSE,
)
_TIME = re.compile(r"[0-9]{2}:[0-9]{2}")


def amount(currency: str, value: Decimal) -> str:
    """`EUR 5.00`: the currency's own digits, more only where the value needs them."""
    digits = EXPONENTS.get(currency, 2)
    plain = number(value)
    given = len(plain.partition(".")[2])
    return f"{currency} {value:.{max(digits, given)}f}"


def number(value: Decimal) -> str:
    """Without trailing zeros, never in powers of ten."""
    plain = f"{value:f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def canonical(lines: Iterable[str]) -> str:
    """The lines of one statement, comments already taken out, as one canonical line.

    >>> canonical(['  get EUR 5 off   pasta   each'])
    'get EUR 5.00 off pasta each'
    """
    words: list[str] = []
    opened = True  # nothing before, or a brace: no semicolon
    for line in lines:
        stripped = line.strip()
        if not stripped:
            continue
        if not opened and not stripped.startswith("}") and words and not words[-1].endswith(","):
            words[-1] += ";"
        _line(stripped, words)
        opened = stripped.endswith("{")
    return " ".join(words)


def _line(line: str, words: list[str]) -> None:
    position = 0
    while position < len(line):
        time = _TIME.match(line, position)
        if time:
            words.append(time.group())
            position = time.end()
            continue
        found = _PIECE.match(line, position)
        if not found:
            position += 1
            continue
        position = found.end()
        if found["money"]:
            words.append(amount(found["currency"], Decimal(found["amount"])))
        elif found["percent"]:
            words.append(number(Decimal(found["share"])) + "%")
        elif found["number"]:
            words.append(number(Decimal(found["number"])))
        elif found["mark"] in (",", ":", ")") and words:
            words[-1] += found["mark"]
        else:
            words.append(found.group())
