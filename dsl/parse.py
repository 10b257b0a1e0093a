"""Text → declarations and findings. The only user of lark, whose own words never reach anybody.

A file is cut into declarations by its braces; each is parsed on its own. Where a line cannot be read, it is reported,
dropped, and the declaration is read again without it: so all independent findings come at once, each at its line.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.resources
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import lark

from dsl import ast, limits
from dsl.build import Builder
from dsl.diagnostics import Diagnostic, Span, found
from dsl.flyer_forms import promised
from dsl.phrases import TAKE_OUT, Phrase, did, say, to_write
from dsl.source import block_end, lines_of, mask, statement
from dsl.vocabulary import CLAUSES, DECLARATIONS, EXPECTED, SYNONYMS
from dsl.wrong_forms import Place, did_you_mean, recognise

_BLOCKS = tuple("settings schema products places segment group guard codes promotion sample test".split())
_OPENS = re.compile(r"(settings|schema|products|places|segment|group|guard|codes|promotion|sample|test)\b[^{]*\{\s*$")
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_FIRST_WORD = re.compile(r"\s*([^\s{}]+)")
_HEAD = re.compile(r"\s*([a-z]+)\s+(?:([a-z][a-z0-9]*(?:-[a-z0-9]+)*)|\"([^\"]*)\")")


_SIGNS = {
    ",": say("a comma"),
    ":": say("a colon"),
    "{": say("an opening brace"),
    "}": say("a closing brace"),
}
_PLACES = {  # where a line stands: «is not … line»
    "settings": say("a settings"),
    "schema": say("a schema"),
    "attributes": say("an attributes"),
    "event": say("an event"),
    "products": say("a product set"),
    "places": say("a places"),
    "segment": say("a segment"),
    "group": say("a group"),
    "guard": say("a guard"),
    "codes": say("a code set"),
    "promotion": say("a promotion"),
    "sample": say("a sample"),
    "test": say("a test"),
}


class _Words:
    """Glued words («perbasket») would pass as two keywords where no name is possible, were a name not always read."""

    always_accept = ("NAME",)

    @staticmethod
    def process(stream: Iterator[Any]) -> Iterator[Any]:
        """Nothing to change."""
        return stream


@functools.cache
def parser(strict: bool = False, *, places: bool = True) -> lark.Lark:
    """The parser of grammar.lark; `strict` proves that it has no conflict and no two terminals that collide.

    Without places it is a quarter faster."""
    grammar = importlib.resources.files("dsl").joinpath("grammar.lark").read_text(encoding="utf-8")
    return lark.Lark(
        grammar, parser="lalr", lexer="contextual", postlex=_Words(), propagate_positions=places, strict=strict
    )


def shape(text: str) -> object:
    """What a text says, to be compared with another: without places, comments, spellings, order of clauses.

    None where its form has errors."""
    try:
        return _shape(parser(places=False).parse(text + "\n"))
    except (lark.UnexpectedInput, RecursionError):
        return None


def _shape(tree: Any) -> tuple[object, ...]:
    kind = getattr(tree, "type", None)
    if kind is not None:
        return _literal(kind, str(tree))
    parts = [_shape(child) for child in tree.children]
    if tree.data == "promotion":
        parts.sort(key=lambda part: str(part[0]))  # stable: several of one kind keep their order
    if tree.data in _ONCE:
        return _ONCE[tree.data], *parts, _literal("INT", "1")
    return tree.data, *parts


_ONCE = {"e_once": "e_applies", "single_use": "multi_use"}  # «once» is «1 times»


def _literal(kind: str, text: str) -> tuple[object, ...]:
    """The value of a leaf, however it is written."""
    match kind:
        case "STRING":
            return kind, text
        case "MONEY":
            return kind, text[:3], Decimal(text[3:].strip())
        case "PERCENT":
            return kind, Decimal(text[:-1].strip())
        case "MEASURE":
            value, unit = text.split()
            return kind, Decimal(value), unit
        case "INT" | "DECIMAL":
            return "number", Decimal(text)
        case _:
            return kind, *text.split()


@dataclass(frozen=True, slots=True)
class Parsed:
    """The declarations of one file, in its order, and what is wrong with its form. `text` "" where it is no text."""

    declarations: tuple[ast.Decl, ...]
    findings: tuple[Diagnostic, ...]
    text: str


Pieces = dict[tuple[int, str], tuple[ast.Decl | None, tuple[Diagnostic, ...]]]  # by first line and text


def parse(file: str, data: bytes, pieces: Pieces | None = None) -> Parsed:
    """All declarations of a file. Never raises.

    `pieces`: what was read of this file before, for declarations that stand unchanged where they stood; becomes what
    is read now."""
    everything = Span(file, 1, 1, 1, 2)
    if len(data) > limits.FILE_BYTES_MAX:
        return Parsed((), (found("P0301", everything, size=len(data), most=limits.FILE_BYTES_MAX),), "")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        return Parsed((), (found("P0306", Span(file, line, column, line, column + 1)),), "")
    reader = _File(file, lines_of(text), pieces or {})
    parsed = reader.read(text.replace("\r\n", "\n").replace("\r", "\n"))
    if pieces is not None:
        pieces.clear()
        pieces.update(reader.read_now)
    return parsed


class _File:
    """Cuts a file into declarations."""

    def __init__(self, file: str, lines: list[str], read_before: Pieces) -> None:
        self.file = file
        self.read_before = read_before
        self.read_now: Pieces = {}
        self.lines = lines
        self.masked = [mask(line) for line in lines]
        self.declarations: list[ast.Decl] = []
        self.findings: list[Diagnostic] = []

    def read(self, text: str) -> Parsed:
        """Declaration after declaration."""
        index = 0
        while index < len(self.lines):
            index = self.next(index)
            if len(self.findings) >= limits.FINDINGS_PER_FILE_MAX:
                break
        return Parsed(tuple(self.declarations), tuple(self.findings), text)

    def next(self, index: int) -> int:
        """Read what begins here; the line after it."""
        line = self.masked[index].strip()
        if not line:
            return index + 1
        if line.startswith("{"):
            column = self.masked[index].index("{") + 1
            span = Span(self.file, index + 1, column, index + 1, column + 1)
            known = say("A file holds declarations, like   promotion NAME {{   with one line for each clause.")
            self.findings.append(found("P0204", span, word="{", known=known))
            return self.block_after(index)
        if line.startswith("}"):
            column = self.masked[index].index("}") + 1
            self.findings.append(found("P0206", Span(self.file, index + 1, column, index + 1, column + 1)))
            return index + 1
        opened = self.opened_below(index)
        end, missing = self.extent(index)
        if missing:
            self.findings.append(found("P0205", self.line_span(index)))
        too_long = [number for number in range(index, end) if len(self.lines[number]) > limits.LINE_CHARACTERS_MAX]
        for number in too_long:
            size = len(self.lines[number])
            span = Span(self.file, number + 1, 1, number + 1, 2)
            self.findings.append(found("P0305", span, size=size, most=limits.LINE_CHARACTERS_MAX))
        lines = self.lines[index:end]
        masked = self.masked[index:end]
        broken = bool(too_long or missing or opened)
        piece = (index, "\n".join(lines))
        before = None if broken else self.read_before.get(piece)
        for number in too_long:
            lines[number - index] = masked[number - index] = ""
        lines += ["}"] * missing
        masked += ["}"] * missing
        if before is None:
            reader = _Declaration(self.file, index + 1, lines, masked, broken=broken)
            before = reader.read(), tuple(reader.findings)
        if not broken:
            self.read_now[piece] = before
        node, findings = before
        if node is not None:
            self.declarations.append(node)
        self.findings.extend(findings)
        return end

    def opened_below(self, index: int) -> bool:
        """A brace on the line after the first one is reported, and read as if it stood where it belongs."""
        head = self.masked[index].rstrip()
        word = head.split(maxsplit=1)[0]
        below = index + 1
        while below < len(self.lines) and not self.masked[below].strip():
            below += 1
        if word not in DECLARATIONS or "{" in head or below == len(self.lines) or self.masked[below].strip() != "{":
            return False
        span = Span(self.file, index + 1, len(head) + 1, index + 1, len(head) + 2)
        self.findings.append(found("P0203", span, advice=say("the   {{   belongs at the end of this line")))
        self.lines[index] = self.lines[index][: len(head)] + " {"
        self.masked[index] = head + " {"
        self.lines[below] = self.masked[below] = ""
        return True

    def block_after(self, index: int) -> int:
        """The line after a block that belongs to nothing."""
        return max(block_end(self.masked, index), index + 1)

    def extent(self, index: int) -> tuple[int, int]:
        """The line after this declaration, and how many closing braces it lacks."""
        depth = 0
        number = index
        comma = False
        while number < len(self.lines):
            covered = self.masked[number]
            if number > index and depth > 0 and _OPENS.match(covered) and covered[0] != " ":
                return number, depth
            depth += covered.count("{") - covered.count("}")
            number += 1
            comma = covered.rstrip().endswith(",") if covered.strip() else comma
            if depth <= 0 and not comma:
                return number, 0
        return number, max(depth, 0)

    def line_span(self, index: int) -> Span:
        """Of a whole line."""
        covered = self.masked[index]
        start = len(covered) - len(covered.lstrip())
        return Span(self.file, index + 1, start + 1, index + 1, len(covered.rstrip()) + 1)


class _Declaration:
    """Reads one declaration, dropping the lines that cannot be read."""

    def __init__(self, file: str, first: int, lines: list[str], masked: list[str], *, broken: bool) -> None:
        self.file = file
        self.first = first
        self.lines = lines
        self.masked = masked
        self.broken = broken
        self.findings: list[Diagnostic] = []
        self.named: ast.Broken | None = None  # once the first line was replaced, so that the others can be read
        self.headless = False

    def read(self) -> ast.Decl | None:
        """The node; None where nothing can be known of it."""
        if not self.keyword_known():
            return self.head() if _HEAD.match(self.masked[0]) else None
        if len(self.lines) > limits.DECLARATION_LINES_MAX:
            size, most = len(self.lines), limits.DECLARATION_LINES_MAX
            self.findings.append(found("P0304", self.whole(0), size=size, most=most))
            return self.head()
        dropped = self.inline_ends()
        while True:
            try:
                tree = parser().parse("\n".join(self.lines) + "\n")
            except lark.UnexpectedInput as error:
                if not self.drop(error):
                    return self.head()
                dropped += 1
                if max(len(self.findings), dropped) >= limits.FINDINGS_PER_DECLARATION_MAX:
                    last = self.findings[-1].span if self.findings else self.whole(0)  # missing braces say nothing
                    self.findings.append(found("P0307", last))
                    return self.head()
                continue
            break
        if not tree.children:
            return self.head()
        builder = Builder(self.file, self.first, self.lines)
        try:
            node = builder.declaration(tree.children[0])
        except RecursionError:
            self.findings.append(found("P0302", self.whole(0), most=limits.NESTING_MAX))
            return self.head()
        self.findings.extend(builder.findings)
        if self.headless:
            return self.named
        broken = self.broken or bool(builder.findings)
        if broken and hasattr(node, "broken"):
            return dataclasses.replace(node, broken=True)  # type: ignore[arg-type]
        return node

    def inline_ends(self) -> int:
        """A closing brace behind a statement is reported; the statement is left out. How many there were."""
        count = 0
        for number, covered in enumerate(self.masked):
            text = covered.rstrip()
            if not text.endswith("}") or "{" in text or not text[:-1].strip(" \t}"):
                continue
            column = text.index("}") + 1
            span = Span(self.file, number + self.first, column, number + self.first, column + 1)
            self.findings.append(found("P0109", span, word="}", advice=say("give it a line of its own")))
            self.lines[number] = self.masked[number] = "\n".join("}" * text.count("}"))
            self.broken = True
            count += 1
        return count

    def beheaded(self) -> bool:
        """Replace a first line that cannot be read by one that can, so that the other lines are read, too."""
        match = _FIRST_WORD.match(self.masked[0])
        word = match[1] if match else ""
        if self.headless or word not in _BLOCKS or not self.masked[0].rstrip().endswith("{"):
            return False
        self.named = self.head()
        self.headless = True
        head = word if word in ("settings", "schema") else f'{word} "x"' if word == "test" else f"{word} x"
        self.lines[0] = self.masked[0] = head + " {"
        return True

    def head(self) -> ast.Broken | None:
        """What remains of a declaration that cannot be read: its name, so that nobody is told it does not exist."""
        if self.headless:
            return self.named
        match = _HEAD.match(self.lines[0])
        if not match:
            return None
        named = 2 if match[2] else 3
        name = match[named] or ""
        start, end = match.span(named) if name else match.span(1)
        span = Span(self.file, self.first, start + 1, self.first, end + 1)
        return ast.Broken(match[1], ast.Name(name, span) if name else None, span)

    def keyword_known(self) -> bool:
        """Does the first line begin as a declaration does? A near miss is reported and read as what it means."""
        match = _FIRST_WORD.match(self.masked[0])
        word = match[1] if match else ""
        if word in DECLARATIONS or not match:
            return True
        guess = did_you_mean(word.lower(), DECLARATIONS)
        span = Span(self.file, self.first, match.start(1) + 1, self.first, match.end(1) + 1)
        self.broken = True
        if guess is None:
            known = say("A file holds: {words}.", words=tuple(sorted(DECLARATIONS)))
            clause = word in CLAUSES
            advice = say("this line belongs into a promotion") if clause else None
            self.findings.append(found("P0204", span, word=word, advice=advice, known=None if clause else known))
            return False
        self.findings.append(found("P0204", span, word=word, did=did(guess), fix=guess))
        for kind in (self.lines, self.masked):
            kind[0] = kind[0][: match.start(1)] + guess + kind[0][match.end(1) :]
        return True

    def drop(self, error: lark.UnexpectedInput) -> bool:
        """Report and blank the statement that cannot be read. False: it was the first line, nothing is left."""
        index = min(max(_line_of(error) - 1, 0), len(self.lines) - 1)
        while index > 0 and not self.masked[index].strip():
            index -= 1
        first, end = statement(self.masked, index)
        closing = self.masked[index].strip() == "}"
        comma = index - 1
        while comma > 0 and not self.masked[comma].strip():
            comma -= 1
        if closing and comma > 0 and self.masked[comma].rstrip().endswith(","):
            end = len(self.masked[comma].rstrip())
            span = Span(self.file, comma + self.first, end, comma + self.first, end + 1)
            self.findings.append(found("P0203", span, advice=say("the list goes on after a comma; take it out")))
            first, end = statement(self.masked, comma)[0], comma + 1
        elif closing:
            opened = self.opener(index)
            if not self.broken:
                self.findings.append(found("P0207", self.whole(opened)))
            first, end = opened, index + 1
        elif self.masked[end - 1].rstrip().endswith("{"):
            end = block_end(self.masked, first)
        if not closing:
            self.findings.extend(self.explain(error, index, first, end))
        self.broken = True
        if first == 0:
            return self.beheaded()
        for number in range(first, end):
            self.lines[number] = self.masked[number] = ""
        self.close_text(end)
        return True

    def close_text(self, index: int) -> None:
        """A text that was opened in the line before and is closed in this one: nothing more is said of it."""
        if not self.findings or self.findings[-1].code != "P0108" or self.findings[-1].fix:
            return
        if (
            index < len(self.lines)
            and self.masked[index].count('"') % 2
            and self.findings[-1].span.line == index - 1 + self.first
        ):
            self.lines[index] = self.masked[index] = ""

    def opener(self, index: int) -> int:
        """The line whose brace this one closes."""
        depth = 0
        for number in range(index, -1, -1):
            depth += self.masked[number].count("}") - self.masked[number].count("{")
            if depth <= 0:
                return number
        return 0

    def whole(self, index: int) -> Span:
        """A whole line."""
        covered = self.masked[index]
        start = len(covered) - len(covered.lstrip())
        line = index + self.first
        return Span(self.file, line, start + 1, line, max(len(covered.rstrip()), start + 1) + 1)

    def explain(self, error: lark.UnexpectedInput, index: int, first: int, end: int) -> list[Diagnostic]:
        """Why the statement cannot be read: by its wrong forms, else by the word that does not fit."""
        findings: list[Diagnostic] = []
        for number in range(first, min(end, len(self.lines))):
            if number > first and self.masked[number - 1].rstrip().endswith("{"):
                break
            place = Place(self.file, number + self.first, self.lines[number], self.masked[number])
            findings.extend(recognise(place))
        if not findings and _line_of(error) - 1 == index:
            place = Place(self.file, index + self.first, self.lines[index], self.masked[index])
            findings = promised(place, self.masked[0].split()[0] if self.masked[0].strip() else "")
        return findings or [self.unfit(error, index)]

    def unfit(self, error: lark.UnexpectedInput, index: int) -> Diagnostic:
        """The word that does not fit, with what would."""
        expected = _expected(error)
        fitting = sorted({word for name in expected for word in EXPECTED.get(name, ())} | _keywords(expected), key=str)
        shown = [_SIGNS.get(str(word), word) for word in fitting]
        words = [str(word) for word in shown]
        column = getattr(error, "column", 1) or 1
        covered = self.masked[index]
        rest = covered[column - 1 :]
        word_match = re.match(r"[^\s,{}]+|[,{}]", rest)
        known = (
            say("Possible here: {words}", words=(*shown[:12], *(["..."] if len(words) > 12 else ()))) if words else None
        )
        if (
            not word_match
            or _line_of(error) - 1 != index
            or getattr(getattr(error, "token", None), "type", "") == "_NL"
        ):
            end = len(covered.rstrip())
            line = index + self.first
            one = len(words) == 1
            what = say("{word} is missing", word=shown[0]) if one else say("something is missing here")
            known = None if one else known
            return found("P0203", Span(self.file, line, end + 1, line, end + 2), advice=what, known=known)
        word = self.lines[index][column - 1 : column - 1 + word_match.end()]
        line = index + self.first
        span = Span(self.file, line, column, line, column + len(word))
        first_word = not covered[: column - 1].strip()
        guess = _meant(word, words, "NAME" in expected)
        if words == _said("_NL") and covered[: column - 1].rstrip().endswith("{"):
            return self.block_on_one_line(word, span, index)
        if words == _said("_NL"):
            return found("P0202", span, word=word, advice=say("begin a new line here, or take it out"))
        if words == _said("STRING") and re.fullmatch(r"[\w-]+", word):
            return found("P0108", span, advice=to_write(f'"{word}"'), fix=f'"{word}"')
        if guess == "but" and not rest[word_match.end() :].lstrip().startswith("not"):
            guess = "but not"
        glued = _glued(word, words)
        if glued:
            return found("P0208", span, write=glued, fix=glued)
        if first_word:
            what = self.place(index)
            return found("P0201", span, word=word, what=what, did=did(guess), known=None if guess else known, fix=guess)
        if len(word) == 1 and not word.isalnum() and word not in ",{}()":
            return found("P0109", span, word=word, advice=TAKE_OUT)
        return found("P0202", span, word=word, did=did(guess), known=None if guess else known, fix=guess)

    def block_on_one_line(self, word: str, span: Span, index: int) -> Diagnostic:
        """`{ … }` in one line; with a single line in it, it can be written as three."""
        advice = say("begin a new line after   {{   and before   }}")
        covered, line = self.masked[index].rstrip(), self.lines[index]
        opened, closed = covered[: span.column - 1].rindex("{") + 1, len(covered)
        inside, indent = covered[opened:closed], line[: len(line) - len(line.lstrip())]
        if inside.strip() == "}":
            return found("P0207", self.whole(index))
        fix = None
        if not set(inside) & set("{}"):
            fix = f"\n{indent}  {line[opened:closed].strip()}"
        elif inside.endswith("}") and not set(inside[:-1]) & set("{},;") and not line[closed:].strip():
            fix = f"\n{indent}  {line[opened : closed - 1].strip()}\n{indent}}}"
        fix_span = Span(span.file, span.line, opened + 1, span.line, closed + 1)
        return found("P0202", span, word=word, advice=advice, fix=fix, fix_span=fix_span)

    def place(self, index: int) -> Phrase:
        """What the innermost block around a line is called."""
        depth = 0
        for number in range(index - 1, -1, -1):
            depth += self.masked[number].count("{") - self.masked[number].count("}")
            if depth > 0:
                head = self.masked[number].split("{")[0].split()
                words = head[:1] if head else []
                if head[:1] == ["when"] or head[:2] in (["any", "of"], ["all", "of"], ["none", "of"]):
                    return say("a condition")
                return _PLACES.get(words[0], say("such a")) if words else say("a rule")
        return say("a file")


def _meant(word: str, words: Sequence[str], name_fits: bool) -> str | None:
    """The word of the language that is near, or means the same; a name in capital letters is one in small ones."""
    for other in SYNONYMS.get(word.lower(), ()):
        if other in words:
            return other
    guess = did_you_mean(word.lower(), [known for known in words if known[0].isalpha() and " like " not in known])
    capital = re.fullmatch(r"[A-Z]{3}", word)  # a currency, not a name
    if guess is None and name_fits and word != word.lower() and not capital and _NAME.fullmatch(word.lower()):
        return word.lower()
    if _said("LANG")[0] in words and re.fullmatch(r"[A-Z]{2}", word):
        return word.lower()
    if _said("CURRENCY")[0] in words and re.fullmatch(r"[a-z]{3}", word):
        return word.upper()
    return guess


def _said(terminal: str) -> list[str]:
    """What a terminal is called."""
    return [str(word) for word in EXPECTED[terminal]]


def _line_of(error: lark.UnexpectedInput) -> int:
    token = getattr(error, "token", None)
    if token is not None and token.type == "$END":
        return 10**9
    return int(getattr(error, "line", 1) or 1)


def _expected(error: lark.UnexpectedInput) -> set[str]:
    interactive = getattr(error, "interactive_parser", None)
    if interactive is None:
        return set(getattr(error, "expected", ()) or getattr(error, "allowed", ()) or ())
    return set(interactive.accepts())


@functools.cache
def literals() -> dict[str, str]:
    """The grammar's keywords and signs by the names of their terminals."""
    return {t.name: t.pattern.value for t in parser().terminals if t.pattern.type == "str"}


@functools.cache
def patterns() -> dict[str, str]:
    """The grammar's other terminals by their names: regular expressions."""
    return {
        t.name: str(t.pattern.value)
        for t in parser().terminals
        if t.pattern.type == "re" and not t.name.startswith("__")
    }


def _keywords(names: Iterable[str]) -> set[str]:
    known = literals()
    return {known[name] for name in names if name in known}


def _glued(word: str, words: Sequence[str]) -> str | None:
    """Two words written as one, the first of which fits here: «perbasket»."""
    for keyword in words:
        first = keyword.split()[0]
        rest = word[len(first) :]
        if len(first) > 1 and word.startswith(first) and rest.isalpha() and (rest in _all_words() or len(rest) > 3):
            return f"{first} {rest}"
    return None


@functools.cache
def _all_words() -> frozenset[str]:
    return frozenset(
        word
        for value in (*literals().values(), *(w for ws in EXPECTED.values() for w in ws))
        for word in str(value).split()
    )
