"""The colours of editors come from the grammar: up to date, every keyword in them, every example coloured."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from dsl import textmate
from dsl.parse import literals, patterns
from dsl.vocabulary import CLAUSES, DECLARATIONS, OPERATORS

EDITORS = Path(__file__).resolve().parents[3] / "editors"
GRAMMAR: Any = textmate.grammar()


def coloured(line: str) -> list[tuple[str, str]]:
    """The words of a line with their scopes, as editors find them: the earliest match, of several the first rule."""
    found = []
    place = 0
    while place < len(line):
        matches = []
        for rule in GRAMMAR["patterns"]:
            pattern = rule.get("match") or '"[^"]*("|$)'
            match = re.compile(pattern).search(line, place)
            if match and match.end() > match.start():
                matches.append((match.start(), match, rule))
        if not matches:
            break
        _, match, rule = min(matches, key=lambda one: one[0])
        if "captures" in rule:
            for group, scope in rule["captures"].items():
                if match[int(group)]:
                    found.append((match[int(group)], scope["name"]))
        else:
            found.append((match.group(), rule["name"]))
        place = match.end()
    return found


def test_the_file_is_up_to_date() -> None:
    written = (EDITORS / "promo.tmLanguage.json").read_text(encoding="utf-8")
    assert written == textmate.text(), "python -m dsl.textmate > editors/promo.tmLanguage.json"


def test_every_keyword_of_the_grammar_is_in_one_class() -> None:
    kept = textmate.keywords()
    words = {word for word in literals().values() if word[0].isalpha()}
    classed = [word for name, of in kept.items() if name not in ("phrase", "clause") for word in of]
    assert set(classed) | kept["clause"] == words
    assert len(classed) == len(set(classed))
    assert kept["clause"] >= {key.split()[0] for key in CLAUSES}
    terminals = {name for name in patterns() if not name.startswith("_")}
    assert kept["phrase"] | set(textmate._LITERALS) | set(textmate._PLAIN) - {"_NL", "COMMENT"} == terminals - {
        "COMMENT"
    }


@pytest.mark.parametrize("word", sorted(w for w in literals().values() if w[0].isalpha()))
def test_every_keyword_is_coloured_as_one(word: str) -> None:
    for line in (word, f"  {word}", f"  get {word} x"):
        scopes = dict(coloured(line))
        assert scopes[word].startswith(("keyword.", "support.type", "constant.language.day")), (line, scopes)


@pytest.mark.parametrize(
    "example",
    [row.example for table in (DECLARATIONS, CLAUSES, OPERATORS) for row in table.values()],
)
def test_examples_are_coloured_whole(example: str) -> None:
    left = example
    for word, _ in coloured(example):
        left = left.replace(word, "", 1)
    assert not left.strip()


@pytest.mark.parametrize(
    ("line", "word", "scope"),
    [
        ('promotion pasta-3-for-2 "3 for 2" {', "pasta-3-for-2", "entity.name.type.promo"),
        ('catalogue from "a.csv"', "from", "keyword.other.promo"),
        ("  get EUR 5.00 off pasta each # now", "EUR 5.00", "constant.numeric.money.promo"),
        ("  get EUR 5.00 off pasta each # now", "# now", "comment.line.number-sign.promo"),
        ("  get 10% off pasta", "10%", "constant.numeric.percent.promo"),
        ("  runs from 2026-09-17 08:00", "2026-09-17", "constant.numeric.date.promo"),
        ("  when customer.tier is at least 4", "customer.tier", "variable.other.property.promo"),
        ("  when customer.tier is at least 4", "at least", "keyword.operator.word.promo"),
        ("  sold in sold-out", "sold-out", "variable.other.promo"),
        ("    tier: one of silver, gold", "tier", "variable.other.property.promo"),
        ("    birthday: date", "date", "support.type.promo"),
        ("  in Europe/Berlin", "Europe/Berlin", "support.constant.zone.promo"),
    ],
)
def test_colours(line: str, word: str, scope: str) -> None:
    assert (word, scope) in coloured(line)


def test_the_extension_names_files_that_exist() -> None:
    manifest = json.loads((EDITORS / "package.json").read_text(encoding="utf-8"))
    contributed = manifest["contributes"]
    paths = [one["configuration"] for one in contributed["languages"]] + [
        one["path"] for one in contributed["grammars"]
    ]
    assert all((EDITORS / path).is_file() for path in paths)
    assert contributed["grammars"][0]["scopeName"] == GRAMMAR["scopeName"]
    json.loads((EDITORS / "language-configuration.json").read_text(encoding="utf-8"))
