"""The colours of rules in editors, from the grammar itself.

`python -m dsl.textmate > editors/promo.tmLanguage.json` writes them. Every keyword and every literal of grammar.lark
comes to stand in one class; nobody keeps a second list of words.
"""

from __future__ import annotations

import functools
import json
import re
import sys
from collections.abc import Iterable

from dsl.following import Context, offers
from dsl.parse import literals, patterns
from dsl.vocabulary import DECLARATIONS, OPERATORS, TYPES

_BLOCKS = (  # each kind of list of lines, by the lines that open it
    ("settings {",),
    ("schema {",),
    ("schema {", "attributes x {"),
    ("products x {",),
    ("segment x {",),
    ("group x {",),
    ("guard x {",),
    ("codes x {",),
    ("promotion x {",),
    ("promotion x {", "when any of {"),
    ("promotion x {", "get by quantity of x {"),
    ("promotion x {", "variants by customer {"),
    ("sample x {",),
    ('test "x" {',),
)
_LITERALS = {  # terminals of values, and how themes call them
    "DATE": "constant.numeric.date.promo",
    "TIME": "constant.numeric.time.promo",
    "MONEY": "constant.numeric.money.promo",
    "PERCENT": "constant.numeric.percent.promo",
    "DURATION": "constant.numeric.duration.promo",
    "MEASURE": "constant.numeric.measure.promo",
    "NTH": "constant.numeric.place.promo",
    "DECIMAL": "constant.numeric.promo",
    "INT": "constant.numeric.promo",
    "ZONE": "support.constant.zone.promo",
    "PATH": "variable.other.property.promo",
    "DAY": "constant.language.day.promo",
    "CURRENCY": "constant.language.currency.promo",
    "COUNTRY": "constant.language.country.promo",
}
_PLAIN = ("NAME", "STRING", "LANG", "_NL", "COMMENT")  # with patterns of their own, or coloured as names
_ALONE = r"(?<![\w.-])(?:{})(?![\w.-])"


@functools.cache
def keywords() -> dict[str, frozenset[str]]:
    """Every keyword of the grammar, by its class."""
    words = {word for word in literals().values() if word[0].isalpha()}
    phrases = {name for name in patterns() if name not in _LITERALS and name not in _PLAIN and name[0] != "_"}
    declaration = frozenset(words & DECLARATIONS.keys())
    clause = frozenset(
        offer.text.split()[0]
        for block in _BLOCKS
        for offer in offers(Context(block, "", 0, 0))
        if offer.text and offer.text.split()[0] in words
    )
    operator = frozenset(words & {word for phrase in OPERATORS for word in phrase.split()}) - clause
    return {
        "declaration": declaration,
        "clause": clause,
        "operator": operator,
        "phrase": frozenset(phrases),
        "word": frozenset(words - declaration - clause - operator),
    }


def grammar() -> dict[str, object]:
    """The TextMate grammar."""
    kept = keywords()
    values = [{"match": _bounded(name), "name": scope} for name, scope in _LITERALS.items()]
    phrases = "|".join(sorted(patterns()[name] for name in kept["phrase"]))
    return {
        "name": "Promo",
        "scopeName": "source.promo",
        "fileTypes": ["promo"],
        "patterns": [
            {"match": "#.*$", "name": "comment.line.number-sign.promo"},
            {
                "begin": '"',
                "end": '"|$',
                "name": "string.quoted.double.promo",
                "patterns": [{"match": r"\{[a-z]+\}", "name": "constant.other.placeholder.promo"}],
            },
            {
                "match": rf"^({_any(kept['declaration'])})(?![\w.-])(?:[ \t]+(?!from\b)([a-z][a-z0-9-]*))?",
                "captures": {
                    "1": {"name": "keyword.declaration.promo"},
                    "2": {"name": "entity.name.type.promo"},
                },
            },
            {
                "match": r"^[ \t]+([a-z][a-z0-9-]*)(:)",
                "captures": {"1": {"name": "variable.other.property.promo"}, "2": {"name": "punctuation.colon.promo"}},
            },
            {
                "match": rf"^[ \t]+({_any(kept['clause'])})(?![\w.-])",
                "captures": {"1": {"name": "keyword.control.promo"}},
            },
            *values,
            {"match": rf"(?<![\w.-])(?:{phrases})(?![\w.-])", "name": "keyword.operator.word.promo"},
            {"match": _ALONE.format(_any(kept["operator"])), "name": "keyword.operator.word.promo"},
            {
                "match": _ALONE.format(_any(name for name in TYPES if " " not in name)),
                "name": "support.type.promo",
            },
            {
                "match": _ALONE.format(_any(kept["word"] | kept["clause"] | kept["declaration"])),
                "name": "keyword.other.promo",
            },
            {"match": r"(?<![\w.-])[a-z][a-z0-9]*(?:-[a-z0-9]+)*", "name": "variable.other.promo"},
            {"match": "[{}(),]", "name": "punctuation.promo"},
        ],
    }


def _any(words: Iterable[str]) -> str:
    """The words as one pattern, longer ones first."""
    return "|".join(re.escape(word) for word in sorted(words, key=lambda word: (-len(word), word)))


def _bounded(terminal: str) -> str:
    return rf"(?<![\w.-])(?:{patterns()[terminal]})"


def text() -> str:
    """As the file holds it."""
    return json.dumps(grammar(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
