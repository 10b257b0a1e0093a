"""What an earlier link worked out, for a process that links the same ruleset again and again as it changes.

Each piece is kept with the objects that it was made of, and used again where these are the very same objects: the
compiler hands over what did not change as it was. So a piece that is used again cannot differ from one made anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

_T = TypeVar("_T")


class Reuse:
    """Of one ruleset, from link to link. What a link does not ask for is forgotten at its end."""

    def __init__(self) -> None:
        self._before: dict[object, tuple[tuple[Any, ...], Any]] = {}
        self._now: dict[object, tuple[tuple[Any, ...], Any]] = {}

    def of(self, name: object, made_of: Sequence[Any], make: Callable[..., _T]) -> _T:
        """What `make` makes of these; what it made under this name before, where these are the same objects."""
        known = self._before.get(name)
        if known is not None and len(known[0]) == len(made_of) and all(map(_same, known[0], made_of)):
            self._now[name] = known
            result: _T = known[1]
            return result
        result = make(*made_of)
        self._now[name] = (tuple(made_of), result)
        return result

    def equal(self, name: object, value: _T) -> _T:
        """The value that was given under this name before, where it is equal: the same object again."""
        known = self._before.get(name)
        result: _T = known[1] if known is not None and known[1] == value else value
        self._now[name] = ((), result)
        return result

    def ended(self) -> None:
        """The link is done."""
        self._before, self._now = self._now, {}


def _same(one: object, other: object) -> bool:
    return one is other
