"""Whatever people read is a template with a German row, and only words of the language stand as they are.

The sources are read for it: rows of TABLE, `say("…")`, and the gaps that each call of `found` fills.
"""

from __future__ import annotations

import ast
import pathlib
import re
from collections.abc import Iterator

import pytest

import dsl
from dsl.diagnostics import TABLE
from dsl.german import GERMAN
from dsl.parse import parser
from dsl.phrases import GAPS, Phrase, say
from dsl.vocabulary import CLAUSES, DECLARATIONS, EXPECTED, OPERATORS, REASONS, TYPES

ROOM = pathlib.Path(dsl.__file__).parent
REPORTS = ("found", "report", "once", "unknown")  # functions that make findings; a code is their first argument
NOT_GAPS = {"fix", "fix_span"}


def trees() -> Iterator[tuple[str, ast.Module]]:
    for room in (ROOM, ROOM.parent / "server"):
        for path in sorted(room.glob("*.py")):
            text = path.read_text(encoding="utf-8")
            if room == ROOM or "from dsl.phrases import" in text:
                yield f"{room.name}/{path.name}", ast.parse(text)


def calls(tree: ast.AST, names: tuple[str, ...]) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in names:
                yield node


def templates() -> set[str]:
    found = {part for row in TABLE.values() for part in (row.message, row.mark, row.help)}
    for where, tree in trees():
        for call in calls(tree, ("say",)):
            (template,) = call.args
            place = f"{where}:{call.lineno}: say() takes the English words themselves, so that their German is found"
            assert isinstance(template, ast.Constant) and isinstance(template.value, str), place
            found.add(template.value)
    return {template for template in found if re.search("[a-z]", GAPS.sub("", template))}


TEMPLATES = templates()
WORDS_OF_THE_LANGUAGE = {
    word
    for text in (
        *(terminal.pattern.value for terminal in parser().terminals),
        *DECLARATIONS, *CLAUSES, *TYPES, *OPERATORS, *REASONS,
    )
    for word in re.findall(r"[a-zA-Z]+", text)
}  # fmt: skip


def foreign(text: str) -> set[str]:
    """Words of a text that are none of the language's."""
    words = set(re.findall(r"[a-zA-Z]{2,}", text)) - WORDS_OF_THE_LANGUAGE
    return {word for word in words if not re.fullmatch("[A-Z]{3}", word)}  # a currency


def literals(value: ast.expr) -> Iterator[str]:
    """Texts that a call hands over as they are: not those inside a call of their own."""
    match value:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts):
            yield " ".join(
                part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)
            )
        case ast.BinOp(left=left, right=right):
            yield from literals(left)
            yield from literals(right)
        case ast.IfExp(body=body, orelse=other):
            yield from literals(body)
            yield from literals(other)
        case ast.Tuple(elts=parts):
            for part in parts:
                yield from literals(part)


def misused(tree: ast.Module) -> Iterator[str]:
    """Gaps that a row does not have, and words of ours that are no phrase."""
    for call in calls(tree, REPORTS):
        code = call.args[0] if call.args else None
        for keyword in call.keywords:
            if keyword.arg is None:
                continue
            if isinstance(code, ast.Constant) and code.value in TABLE and keyword.arg not in NOT_GAPS:
                row = TABLE[code.value]
                if keyword.arg not in GAPS.findall(row.message + row.mark + row.help):
                    yield f"line {call.lineno}: {code.value} has no gap {{{keyword.arg}}}"
            if keyword.arg in NOT_GAPS:
                continue
            for text in literals(keyword.value):
                if foreign(text):
                    yield f"line {call.lineno}: {keyword.arg}={text!r} is ours to say: use say()"


def test_no_german_row_is_left_over():
    assert not set(GERMAN) - TEMPLATES - {""}


@pytest.mark.parametrize("template", sorted(GERMAN))
def test_a_german_row_has_the_same_gaps(template):
    german = GERMAN[template]
    assert sorted(set(GAPS.findall(german))) == sorted(set(GAPS.findall(template)))
    assert bool(german) == bool(template)
    german.format(**dict.fromkeys(GAPS.findall(german), ""))  # braces of examples are doubled


def test_every_call_fills_gaps_that_there_are_with_phrases():
    wrong = [f"{where}: {what}" for where, tree in trees() for what in misused(tree)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "planted",
    [
        'found("P0109", span, word=word, advice="leave it")',
        'self.report("P0109", span, word=word, nonsense=1)',
        'found("P0105", span, write=f"some {word}")',
        'found("P0105", span, write="something" if a else b)',
        'found("P0105", span, write="write " + word)',
    ],
)
def test_what_is_planted_is_found(planted):
    assert list(misused(ast.parse(planted)))


def test_phrases_are_made_by_say_alone():
    made = [where for where, tree in trees() if where != "dsl/phrases.py" for _ in calls(tree, ("Phrase",))]
    assert not made


def test_a_phrase_in_a_phrase_is_translated_too():
    inner = say("did you mean «{name}»?", name="x")
    assert say("{last}", last=inner).text("de") == inner.text("de") != inner.text()
    assert str(Phrase("{words}", (("words", ("a", inner)),))) == "a, did you mean «x»?"


def test_expected_words_are_phrases_or_words_of_the_language():
    for words in EXPECTED.values():
        for word in words:
            assert isinstance(word, Phrase) or not foreign(word), word
