"""`einklang diff` and `einklang plan`: two rulesets compared, and the changes as people and programs read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dsl.change_rules import EFFECTS
from dsl.changes import Change, Side, changes
from dsl.compiler import Compilation, compile_project
from dsl.phrases import Language, many, say
from server.publish import PublishFailed, read_project

NAME_MAX: Final = 40  # longer names push only their own line
ALIKE_MAX: Final = 10  # lines that say the same of other names


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


def rows(found: Sequence[Change], language: Language = "en") -> Iterator[tuple[str, str]]:
    """A line for each change, with its sign: name, effect, words, place. Of many that changed in one way, some."""
    wide = max((len(change.title) for change in found if len(change.title) <= NAME_MAX), default=0)
    effects = {effect: phrase.text(language) for effect, phrase in EFFECTS.items()}
    effect = max((len(effects[change.effect]) for change in found), default=0)
    alike = Counter(_alike(change) for change in found)
    shown: Counter[tuple[str, str]] = Counter()
    for change in found:
        shown[_alike(change)] += 1
        number, most = shown[_alike(change)], alike[_alike(change)]
        if number <= ALIKE_MAX or most <= ALIKE_MAX + 1:
            place = f"  ({change.span.file}:{change.span.line})" if change.span else ""
            row = (
                f"  {change.sign} {change.title:<{wide}}  {effects[change.effect]:<{effect}}  {told(change, language)}"
            )
            yield change.sign, row.rstrip() + place
        elif number == most:
            rest = say("{count} more", count=many(most - ALIKE_MAX)).text(language)
            row = f"  {change.sign} {rest:<{wide}}  {effects[change.effect]:<{effect}}  {told(change, language)}"
            yield change.sign, row.rstrip()


def told(change: Change, language: Language) -> str:
    """What is said of a change, in this language."""
    return change.said if isinstance(change.said, str) else change.said.text(language)


def _alike(change: Change) -> tuple[str, str]:
    return change.effect, change.words


def summary(found: Sequence[Change], language: Language = "en") -> str:
    """`1 to add, 2 to change, 1 changed indirectly, 1 to end`, each declaration counted once for each."""
    counted = Counter(sign for sign, _, _ in {(change.sign, change.kind, change.name) for change in found})
    said = (
        ("+", say("{count} to add", count=many(counted["+"]))),
        ("~", say("{count} to change", count=many(counted["~"]))),
        (">", say("{count} changed indirectly", count=many(counted[">"]))),
        ("-", say("{count} to end", count=many(counted["-"]))),
    )
    return ", ".join(phrase.text(language) for sign, phrase in said if counted[sign])


def as_data(found: Sequence[Change], language: Language = "en") -> list[dict[str, object]]:
    """The same for programs."""
    return [
        {
            "kind": change.kind,
            "name": change.name,
            "effect": str(change.effect),
            "words": told(change, language),
            "through": list(change.through),
            "file": change.span.file if change.span else "",
            "line": change.span.line if change.span else 0,
        }
        for change in found
    ]
