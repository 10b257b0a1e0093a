"""Sentences that people read, in their language: an English template, the values of its gaps, and its German row.

    say("did you mean «{name}»?", name="pasta").text("de")     →  Gemeint: «pasta»?

English is what the code says; the German of each template stands in `german.py`. Words of the language and people's own
names and values are the same in both: they go into gaps, as texts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, LiteralString, TypeAlias, Union

from dsl.german import GERMAN

Language = Literal["en", "de"]
LANGUAGES: tuple[Language, ...] = ("en", "de")

# What fills a gap. A text stands as it is, in every language; several are parted by commas; None leaves the gap empty.
Value: TypeAlias = Union[str, int, Decimal, "Phrase", tuple[Union[str, "Phrase"], ...], None]

GAPS = re.compile(r"(?<![{])[{](\w+)[}](?![}])")


@dataclass(frozen=True, slots=True)
class Phrase:
    """A sentence or a part of one; made by `say`."""

    template: str
    values: tuple[tuple[str, Value], ...] = ()

    def text(self, language: Language = "en") -> str:
        """In this language."""
        return filled(self.template, self.values, language)

    def __str__(self) -> str:
        return self.text()


def say(template: LiteralString, /, **values: Value) -> Phrase:
    """A phrase. The template is a literal, so that a test finds it and asks for its German."""
    return Phrase(template, tuple(values.items()))


def filled(template: str, values: tuple[tuple[str, Value], ...], language: Language) -> str:
    """The template of this language with its gaps filled; a gap that nothing fills is left out."""
    words = dict.fromkeys(GAPS.findall(template), "")
    words.update((name, _shown(value, language)) for name, value in values)
    return (GERMAN.get(template, template) if language == "de" else template).format(**words)


def _shown(value: Value, language: Language) -> str:
    match value:
        case None:
            return ""
        case Phrase():
            return value.text(language)
        case tuple():
            return ", ".join(_shown(part, language) for part in value)
        case str():
            return value if value.isprintable() else "".join(c if c.isprintable() else "�" for c in value)
        case _:
            return str(value)


# ---------------------------------------------------------------------------------------------------- said often


def did(guess: str | None) -> Phrase | None:
    """« Did you mean …?», after a sentence, where something is near."""
    return say(" Did you mean «{name}»?", name=guess) if guess else None


def guessed(guess: str | None) -> Phrase | None:
    """«did you mean …?», on its own, where something is near."""
    return say("did you mean «{name}»?", name=guess) if guess else None


def to_write(words: str) -> Phrase:
    """«write …»."""
    return say("write {words}", words=words)


def in_quotes(words: str) -> Phrase:
    """«write …», the words in «»."""
    return say("write «{words}»", words=words)


TAKE_OUT = say("take it out")


def few(words: Sequence[str], most: int = 6) -> tuple[str, ...]:
    """The first of many."""
    return (*words[:most], "...") if len(words) > most else tuple(words)


def many(number: int) -> str:
    """18 417: from five digits on in groups, in every language alike."""
    return f"{number:,}".replace(",", " ") if number >= 10_000 else str(number)


def listed(words: Sequence[str]) -> Phrase:
    """a, b and c."""
    if len(words) == 1:
        return say("{last}", last=words[0])
    return say("{first} and {last}", first=tuple(words[:-1]), last=words[-1])
