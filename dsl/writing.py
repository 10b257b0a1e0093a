"""How languages write amounts, from the Unicode locale data (babel): asked once, when a project is compiled."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from babel import Locale, UnknownLocaleError
from babel.numbers import get_currency_symbol

from engine.program import Sign, Writing

_BLANKS = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u200f": "", "\u200e": ""})  # tills print plain blanks alone
_PLACE = "\u00a4"  # where a pattern has the sign of the currency


def writings(languages: Iterable[str], currencies: Iterable[str]) -> tuple[Writing, ...]:
    """One for each language, ascending; a language without data writes as English does."""
    return tuple(_writing(language, tuple(currencies)) for language in sorted(set(languages)))


@functools.cache
def _writing(language: str, currencies: tuple[str, ...]) -> Writing:
    try:
        locale = Locale.parse(language)
    except (UnknownLocaleError, ValueError):
        locale = Locale.parse("en")
    symbols = locale.number_symbols["latn"]
    pattern = locale.currency_formats["standard"]
    before, after = pattern.prefix[0], pattern.suffix[0]
    first, others = pattern.grouping
    return Writing(
        language=language,
        decimal=symbols["decimal"].translate(_BLANKS),
        group=symbols["group"].translate(_BLANKS),
        sizes=(int(first), int(others)),
        signs=tuple(_sign(before, after, currency, locale) for currency in currencies),
    )


def _sign(before: str, after: str, currency: str, locale: Locale) -> Sign:
    """The sign where the pattern has it; a sign that ends or begins with a letter keeps off the digits."""
    sign = get_currency_symbol(currency, locale)
    front = before.replace(_PLACE, sign).translate(_BLANKS)
    back = after.replace(_PLACE, sign).translate(_BLANKS)
    if front and front[-1].isalpha():
        front += " "
    if back and back[0].isalpha():
        back = " " + back
    return Sign(currency=currency, before=front, after=back)
