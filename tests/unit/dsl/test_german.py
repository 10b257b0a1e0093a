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
from dsl.compiler import Compilation
from dsl.diagnostics import SEVERITIES, TABLE, render
from dsl.german import GERMAN
from dsl.parse import parser
from dsl.phrases import GAPS, Phrase, Value, say
from dsl.project import ENTITIES
from dsl.vocabulary import CLAUSES, DECLARATIONS, EXPECTED, OPERATORS, PLACEHOLDERS, REASONS, TYPES
from dsl.zones import known_zones
from tests.unit.dsl.frame import DATA, compile_framed
from tests.unit.dsl.test_explain import FENCE
from tests.unit.dsl.test_messages import LINES, replaced

ROOM = pathlib.Path(dsl.__file__).parent
OTHER_WORDS = {*ENTITIES, "payment", *re.findall(r"\w+", " ".join(known_zones()))}
REPORTS = ("found", "report", "once", "unknown", "claim")  # make findings; a code is their first argument
NOT_GAPS = {"fix", "fix_span", "also", "choices", "quoted"}


def trees() -> Iterator[tuple[str, ast.Module]]:
    for room in (ROOM, ROOM.parent / "server"):
        for path in sorted(room.rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            if room == ROOM or "from dsl.phrases import" in text:
                yield f"{room.name}/{path.relative_to(room).as_posix()}", ast.parse(text)


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
        *DECLARATIONS, *CLAUSES, *TYPES, *OPERATORS, *REASONS, *PLACEHOLDERS,
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


def test_every_sentence_has_a_german_row():
    assert {str(phrase) for phrase in SEVERITIES.values()} <= TEMPLATES
    missing = sorted(TEMPLATES - set(GERMAN))
    assert not missing, "add rows to dsl/german.py for:\n" + "\n".join(map(repr, missing))


def test_no_german_row_is_left_over():
    left = sorted(set(GERMAN) - TEMPLATES)
    assert not left, "take out of dsl/german.py:\n" + "\n".join(map(repr, left))


def test_a_german_row_has_the_same_gaps():
    for template, german in GERMAN.items():
        assert set(GAPS.findall(german)) == set(GAPS.findall(template)), template
        assert german.strip(), template
        german.format(**dict.fromkeys(GAPS.findall(german), ""))  # braces of examples are doubled


def test_words_of_the_language_stay_as_they_are():
    """What stands in «» is the same in both."""
    for template, german in GERMAN.items():
        for quoted in re.findall("«([^»]*)»", template):
            if not foreign(quoted):
                assert quoted in german, template


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


# ---------------------------------------------------------------------------------------------------- as it is shown


def texts(value: Value) -> Iterator[str]:
    """What a finding shows as it is, in every language."""
    match value:
        case str(text):
            yield text
        case tuple():
            for part in value:
                yield from texts(part)
        case Phrase(values=values):
            for _, inner in values:
                yield from texts(inner)


def reported() -> Iterator[tuple[str, str, Compilation]]:
    """All examples of findings that the tests have: where, what stands in their tables, what came of them."""
    for path in sorted((ROOM / "explain").glob("*.md")):
        blocks = FENCE.findall(path.read_text(encoding="utf-8"))
        files = {name: text.encode() for kind, name, text in blocks if kind == "csv"}
        for kind, name, text in blocks:
            if (kind, name) == ("promo", "reported"):
                yield path.stem, "".join(data.decode() for data in files.values()), compile_framed(text, files)
    for word, line, *_ in LINES:
        yield line, "", compile_framed(replaced(word, line))


def test_only_what_the_author_wrote_and_the_language_stand_as_they_are():
    """An English word of ours that reaches a finding as a text would be English in every language."""
    known = WORDS_OF_THE_LANGUAGE | OTHER_WORDS
    for where, tables, compilation in reported():
        written = tables + "\n".join(compilation.sources.values()) + "\n".join(DATA) + "example promo shop frame"
        written += "\n".join(data.decode("utf-8", "replace") for data in DATA.values())
        for finding in compilation.diagnostics:
            for _, value in finding.values:
                for text in texts(value):
                    strange = {word for word in foreign(text) if word not in known and word not in written}
                    assert not strange, f"{where}: {text!r} in {finding.code} is ours to say: use say()"


def test_german_says_as_much_as_english():
    """German leaves nothing out."""
    for where, _, compilation in reported():
        for finding in compilation.diagnostics:
            english, german = finding.words(), finding.words("de")
            assert bool(english.mark) == bool(german.mark) and bool(english.help) == bool(german.help), where
            assert english.message != german.message, (where, english.message)
            shown = render(finding, compilation.sources, language="de").splitlines()
            assert shown[0].startswith(f"{SEVERITIES[finding.severity].text('de')} {finding.code}  ")
