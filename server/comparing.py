"""`einklang diff` and `einklang plan`: two rulesets compared, and the changes as people and programs read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dsl.changes import Change, Side, changes
from dsl.compiler import Compilation, compile_project
from server.publish import PublishFailed, read_project

NAME_MAX: Final = 40  # longer names push only their own line


class NoProject(Exception):
    """A directory cannot be read as a project; the message says why."""


@dataclass(frozen=True, slots=True)
class Read:
    """A project from a directory, compiled."""

    directory: Path
    compilation: Compilation

    @property
    def side(self) -> Side:
        """As it is compared."""
        return Side(self.compilation.programs, self.compilation.spans)


def read(directory: Path) -> Read:
    """Compile a project. Raises NoProject."""
    try:
        return Read(directory, compile_project(read_project(directory)))
    except PublishFailed as error:
        raise NoProject(str(error)) from None


def compare(old: Side, new: Side) -> tuple[Change, ...]:
    """All differences, in the order in which they are shown."""
    return changes(old, new)


def lines(found: Sequence[Change]) -> list[str]:
    """A line for each change: sign, name, effect, words, place."""
    wide = max((len(change.title) for change in found if len(change.title) <= NAME_MAX), default=0)
    effect = max((len(change.effect) for change in found), default=0)
    rows = []
    for change in found:
        place = f"  ({change.span.file}:{change.span.line})" if change.span else ""
        rows.append(
            f"  {change.sign} {change.title:<{wide}}  {change.effect:<{effect}}  {change.words}".rstrip() + place
        )
    return rows


def summary(found: Sequence[Change]) -> str:
    """`1 to add, 2 to change, 1 changed indirectly, 1 to end`, each declaration counted once for each."""
    counted = Counter(sign for sign, _, _ in {(change.sign, change.kind, change.name) for change in found})
    said = (("+", "to add"), ("~", "to change"), (">", "changed indirectly"), ("-", "to end"))
    return ", ".join(f"{counted[sign]:,} {words}" for sign, words in said if counted[sign])


def as_data(found: Sequence[Change]) -> list[dict[str, object]]:
    """The same for programs."""
    return [
        {
            "kind": change.kind,
            "name": change.name,
            "effect": str(change.effect),
            "words": change.words,
            "through": list(change.through),
            "file": change.span.file if change.span else "",
            "line": change.span.line if change.span else 0,
        }
        for change in found
    ]
