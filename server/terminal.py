"""What every command of the command line has: exit codes, how it speaks, how its help shows examples."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final, NoReturn, TextIO

import typer

if TYPE_CHECKING:
    from rich.text import Text

FINE: Final = 0
FINDINGS: Final = 1
CHANGES: Final = 2
USAGE: Final = 64


def examples(*commands: str) -> str:
    """The end of a command's help: what to type, one a line."""
    return "Examples:\n\n" + "\n\n".join(f"`{command}`" for command in commands)


class Format(StrEnum):
    """How a command answers."""

    TEXT = "text"
    JSON = "json"


Output = Annotated[Format, typer.Option("--format", help="For people, or for programs.")]


def usage(message: str) -> NoReturn:
    """Say what does not fit about the command line, and end with 64."""
    say(f"einklang: {message}", "red", to=sys.stderr)
    raise typer.Exit(USAGE)


def say(text: str | Text, style: str = "", *, to: TextIO | None = None) -> None:
    """Print as it is; in colour only where a person looks on and NO_COLOR does not say no.

    A terminal would obey what others wrote into a reason or a name: there it is shown, and not done."""
    from rich.console import Console

    console = Console(file=to, highlight=False, markup=False, emoji=False, soft_wrap=True)
    if isinstance(text, str) and console.is_terminal:
        text = visible(text)
    console.print(text, style=style or None)


def visible(text: str) -> str:
    """The text with a mark in the place of what moves, hides or turns other text around."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)
