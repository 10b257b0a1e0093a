"""The one layout of `.promo` text: what `einklang fmt` writes and an editor's «format» gives.

Two blanks for each open brace, one between words, canonical literals; one empty line around declarations that have
braces, elsewhere at most one; comments at the end of neighbouring lines stand in one column. A list that goes on over
several lines is joined and broken again at 120 characters. The clauses of a promotion stand in one order.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field

from dsl import limits
from dsl.parse import shape
from dsl.source import lines_of
from dsl.spelling import words

WIDTH = 120  # longer lists go on after a comma
CLAUSE_ORDER = (
    "runs",
    "only on",
    "only at",
    "sold",
    "for",
    "with code",
    "with reason",
    "when",
    "buy",
    "get",
    "variants",
    "except",
    "limit",
    "group",
    "exclusive",
    "not with",
    "advertised",
    "funded",
    "on return",
    "label",
    "hint",
    "terms",
    "owner",
)

_RANK = {kind: rank for rank, kind in enumerate(CLAUSE_ORDER)}
_CODE = re.compile(r'(?:[^"#]+|"[^"]*(?:"|$))*')
_NEVER_FIRST = ("fewer", "singles", "one", "at")  # the language takes no line end after a comma before these
_COLUMN_MAX = 60  # of comments that stand below each other; longer lines have theirs right behind


class NotFormatted(ValueError):
    """A text stays as it is; the message says why."""


class LayoutBroken(AssertionError):
    """The layout would change what a text says: a mistake of this module, never of the text."""


def format_text(text: str) -> str:
    """The text in its canonical layout, saying the same: what both say is compared.

    Raises NotFormatted where the text cannot be read, LayoutBroken where the comparison fails."""
    text = text.removeprefix("\ufeff")
    if len(text) > limits.FILE_BYTES_MAX:
        raise NotFormatted(f"it is larger than {limits.FILE_BYTES_MAX:,} bytes")
    before = shape("\n".join(_within(lines_of(text), "is")))
    if before is None:
        raise NotFormatted("its form has errors")
    formatted = layout(text)
    if formatted != text:
        _within(formatted.split("\n"), "would be")
        if shape(formatted) != before or layout(formatted) != formatted:
            raise LayoutBroken("the layout would change what the text says")
    return formatted


def layout(text: str) -> str:
    """The text in its canonical layout, unchecked: its form must have no errors."""
    root = _read(text)
    rows = _block(root, 0)
    _align(rows)
    return "".join(row.line + "\n" for row in rows)


def _within(lines: list[str], verb: str) -> list[str]:
    for line in lines:
        if len(line) > limits.LINE_CHARACTERS_MAX:
            raise NotFormatted(f"a line {verb} longer than {limits.LINE_CHARACTERS_MAX:,} characters")
    return lines


# ---------------------------------------------------------------------------------------------------- reading


@dataclass(slots=True)
class _Piece:
    """One line of a statement, or several that were joined: comments above it, its words, the comment behind it."""

    above: list[str]
    words: list[str]
    comment: str


@dataclass(slots=True)
class _Statement:
    """A statement and, where it opens a block, what stands in there. `above`: comments, and "" for an empty line."""

    above: list[str] = field(default_factory=list)
    pieces: list[_Piece] = field(default_factory=list)
    inside: list[_Statement] | None = None
    below: list[str] = field(default_factory=list)  # the last statement's and the brace
    closing: str = ""  # the comment behind the brace


def _read(text: str) -> _Statement:
    """The statements of a text, as one block."""
    written = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")  # comments keep blanks of word processors
    root = _Statement(inside=[])
    open_blocks = [root]
    statement = root
    waiting: list[str] = []
    goes_on = False
    for raw, line in zip(written, lines_of(text), strict=True):
        match = _CODE.match(line)
        code = match.group() if match else ""
        comment = raw[len(code) :].rstrip()
        spelt = words(code)
        if not spelt:
            if comment or (waiting[-1] if waiting else open_blocks[-1].inside):
                waiting.append(comment)  # no empty line below another, or below an opening brace
            continue
        block = open_blocks[-1]
        if spelt == ["}"]:
            block.below, block.closing = waiting, comment
            open_blocks.pop()
        elif goes_on:
            statement.pieces.append(_Piece([said for said in waiting if said], spelt, comment))
        else:
            statement = _Statement(waiting, [_Piece([], spelt, comment)])
            if block.inside is not None:
                block.inside.append(statement)
        goes_on = spelt[-1].endswith(",")
        if spelt[-1] == "{":
            statement.inside = []
            open_blocks.append(statement)
        waiting = []
    root.below = waiting
    return root


# ---------------------------------------------------------------------------------------------------- writing


@dataclass(slots=True)
class _Row:
    """A line to write."""

    indent: int
    words: str  # "" where the line is a comment, or empty
    comment: str = ""
    gap: int = 2  # blanks between the two

    @property
    def width(self) -> int:
        """Characters before the comment and its gap."""
        return self.indent + len(self.words)

    @property
    def line(self) -> str:
        """As it is written."""
        gap = " " * self.gap if self.words and self.comment else ""
        return f"{' ' * self.indent}{self.words}{gap}{self.comment}" if self.words or self.comment else ""


def _block(block: _Statement, depth: int) -> list[_Row]:
    """What stands in a block."""
    rows: list[_Row] = []
    inside = block.inside or []
    if depth == 1 and block.pieces[0].words[0] == "promotion":
        inside = sorted(inside, key=_rank)
    braces = False  # has the statement above some?
    for statement in inside:
        apart = depth == 0 and (braces or statement.inside is not None)
        rows += _remarks(statement.above, depth, first=not rows, apart=apart)
        rows += _statement(statement, depth)
        if statement.inside is not None:
            rows += _block(statement, depth + 1)
            rows.append(_Row(2 * depth, "}", statement.closing))
        braces = statement.inside is not None
    while block.below and not block.below[-1]:
        block.below.pop()
    rows += _remarks(block.below, depth, first=not rows, apart=depth == 0 and braces and bool(block.below))
    return rows


def _rank(clause: _Statement) -> int:
    """The place of a clause among those of its promotion."""
    said = clause.pieces[0].words
    return _RANK.get(" ".join(said[:2]), _RANK.get(said[0], len(_RANK)))


def _remarks(above: list[str], depth: int, *, first: bool, apart: bool) -> list[_Row]:
    """Comments above a statement, and the empty lines between: none at the start of a block."""
    lines = above[1:] if first and above and not above[0] else above
    if apart and not first and not (lines and not lines[0]):
        lines = ["", *lines]
    return [_Row(2 * depth, "", line) for line in lines]


def _statement(statement: _Statement, depth: int) -> list[_Row]:
    """Its line, or lines: broken where comments stand between, and where it is too long."""
    rows: list[_Row] = []
    spelt: list[str] = []
    further = 2 * depth + 2  # the indent of its other lines
    for number, piece in enumerate(statement.pieces):
        rows += [_Row(further, "", line) for line in piece.above]
        spelt += piece.words
        following = statement.pieces[number + 1 : number + 2]
        if piece.comment or not following or following[0].above:
            rows += _filled(spelt, further if rows else 2 * depth, further)
            rows[-1].comment = piece.comment
            spelt = []
    return rows


def _filled(spelt: list[str], indent: int, further: int) -> list[_Row]:
    """Words in lines of at most WIDTH characters, broken after commas of lists."""
    rows: list[_Row] = []
    for part in _unbroken(spelt):
        if rows and rows[-1].width + 1 + len(part) <= WIDTH:
            rows[-1].words += " " + part
        else:
            rows.append(_Row(further if rows else indent, part))
    return rows


def _unbroken(spelt: list[str]) -> list[str]:
    """The parts of a statement that stay on one line: up to a comma outside brackets."""
    parts: list[str] = []
    part: list[str] = []
    bracket = False
    for word, following in zip(spelt, [*spelt[1:], ""], strict=True):
        part.append(word)
        bracket = (bracket or word.startswith("(")) and not word.rstrip(",").endswith(")")
        if word.endswith(",") and not bracket and following not in _NEVER_FIRST:
            parts.append(" ".join(part))
            part = []
    return parts + ([" ".join(part)] if part else [])


def _align(rows: list[_Row]) -> None:
    """Comments behind neighbouring lines of a block stand below each other."""
    for _, neighbours in itertools.groupby(rows, key=_neighbourhood):
        beside = [row for row in neighbours if row.words and row.comment]
        column = max((row.width for row in beside if row.width <= _COLUMN_MAX), default=0)
        for row in beside:
            row.gap = max(column - row.width, 0) + 2


def _neighbourhood(row: _Row) -> int:
    """What neighbours have in common: they stand equally deep; braces, empty lines and comments part them."""
    return row.indent if row.words and not row.words.endswith(("{", "}")) else -1
