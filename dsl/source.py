"""A text as lines: comments and the insides of quotes masked, statements and blocks found, without any grammar."""

from __future__ import annotations

import re
from collections.abc import Sequence

_HIDDEN = re.compile(r'"[^"]*(?:"|$)|#.*')
_ODD_BLANKS = re.compile("[\u00a0\u2000-\u200b\u202f\u205f\u2060\u3000\ufeff\v\f]")  # as word processors write them
_QUOTED = re.compile(r'("[^"]*")')


def lines_of(text: str) -> list[str]:
    """The lines of a text, whichever line ends it has; blanks of word processors are blanks, except in quotes."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not _ODD_BLANKS.search(text):
        return lines
    return ["".join(p if p.startswith('"') else _ODD_BLANKS.sub(" ", p) for p in _QUOTED.split(line)) for line in lines]


def mask(line: str) -> str:
    """The line with comments blanked and the insides of quotes replaced, each character in its place.

    >>> mask('label de "a { b" # c {')
    'label de "······"      '
    """
    return _HIDDEN.sub(_cover, line)


def _cover(found: re.Match[str]) -> str:
    text = found.group()
    if text.startswith("#"):
        return " " * len(text)
    inside = text[1:-1] if len(text) > 1 and text.endswith('"') else text[1:]
    return '"' + "·" * len(inside) + ('"' if len(text) > len(inside) + 1 else "")


def without_comment(line: str) -> str:
    """The line up to its comment.

    >>> without_comment('currency EUR  # "budgets"')
    'currency EUR'
    """
    covered = mask(line)
    return line[: len(covered.rstrip())]


def statement(masked: Sequence[str], index: int) -> tuple[int, int]:
    """From the first line of the statement that this line belongs to, to the line after its last: commas carry on."""
    first = index
    while first > 0 and _carries_on(masked, first - 1):
        first -= 1
    last = index
    while last + 1 < len(masked) and _carries_on(masked, last, first):
        last += 1
    return first, last + 1


def _carries_on(masked: Sequence[str], index: int, first: int = 0) -> bool:
    """Does the statement go on after this line? Empty lines after a comma do not end it."""
    while index > first and not masked[index].strip():
        index -= 1
    return masked[index].rstrip().endswith(",")


def block_end(masked: Sequence[str], first: int) -> int:
    """The line after the one that closes what the statement beginning here opens; without a block, its own end."""
    depth = 0
    index = first
    while index < len(masked):
        depth += masked[index].count("{") - masked[index].count("}")
        index += 1
        if depth <= 0 and not _carries_on(masked, index - 1, first):
            break
    return index
