"""One spelling of every literal and one blank between words, so that a reformat changes no Program."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal

from engine.money import EXPONENTS

_PIECE = re.compile(
    r"""(?P<string>"[^"]*"?)
      | (?P<fixed>[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{2}:[0-9]{2}|[1-9][0-9]*(?:st|nd|rd|th)\b)
      | (?P<currency>[A-Z]{3})[ \t]*(?P<amount>[0-9]+(?:\.[0-9]+)?)
      | (?P<share>[0-9]+(?:\.[0-9]+)?)[ \t]*%
      | (?P<number>[0-9]+(?:\.[0-9]+)?)
      | (?P<word>[A-Za-z][A-Za-z0-9_]*(?:[-./][A-Za-z0-9_]+)*)
      | (?P<mark>[,:)])
      | (?P<other>\S)""",
    re.VERBOSE,
)


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


def words(code: str) -> list[str]:
    """The words of a line without its comment, in canonical spelling; marks hang on the word they follow.

    >>> words('get   EUR 5 off pasta,tea each')
    ['get', 'EUR 5.00', 'off', 'pasta,', 'tea', 'each']
    """
    found: list[str] = []
    for piece in _PIECE.finditer(code):
        text = piece.group()
        match piece.lastgroup:
            case "amount":
                text = amount(piece["currency"], Decimal(piece["amount"]))
            case "share":
                text = number(Decimal(piece["share"])) + "%"
            case "number":
                text = number(Decimal(text))
        if found and (piece.lastgroup == "mark" or found[-1] == "("):
            found[-1] += text
        else:
            found.append(text)
    if found and found[-1] in ("time", "times") and found[-3:-2] in (["applies"], ["code"]):
        found[-2:] = ["once"] if found[-2] == "1" else [found[-2], "times"]
    return found


def canonical(lines: Iterable[str]) -> str:
    """The lines of one statement, comments already taken out, as one canonical line.

    >>> canonical(['  get EUR 5 off   pasta   each'])
    'get EUR 5.00 off pasta each'
    """
    spelt: list[str] = []
    opened = True  # nothing before, or a brace: no semicolon
    for line in lines:
        stripped = line.strip()
        if not stripped:
            continue
        if not opened and not stripped.startswith("}") and spelt and not spelt[-1].endswith(","):
            spelt[-1] += ";"
        spelt.extend(words(stripped))
        opened = stripped.endswith("{")
    return " ".join(spelt)
