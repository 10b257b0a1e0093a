"""What an earlier link worked out, for a process that links the same ruleset again and again as it changes.

Each result is kept with the objects that it was made of, and used again where these are the very same objects: the
compiler hands over what did not change as it was. So a result that is used again cannot differ from one made anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import is_
from typing import Any, TypeVar

_N = TypeVar("_N")
_T = TypeVar("_T")


class Reuse:
    """Of one ruleset, from link to link. What a link does not ask for is forgotten at its end."""

    def __init__(self) -> None:
        self._before: dict[object, tuple[Sequence[Any], Any]] = {}
        self._now: dict[object, tuple[Sequence[Any], Any]] = {}

    def of(self, name: object, made_of: Sequence[Any], make: Callable[[], _T]) -> _T:
        """What `make` makes of these; what it made under this name before, where these are the same objects."""
        known = self._before.get(name)
        if known is None or not _same(known[0], made_of):
            known = made_of, make()
        self._now[name] = known
        result: _T = known[1]
        return result

    def each(self, name: object, things: Iterable[_N], made_of: Sequence[Any], make: Callable[[_N], _T]) -> list[_T]:
        """What `make` makes of each, and of what is the same for all; a result is never None."""
        listed = list(things)
        before, (_, known) = self._before.get(name, ((), ((), {})))
        found = list(map((known if _same(before, made_of) else {}).get, map(id, listed)))
        results = [make(thing) if one is None else one for thing, one in zip(listed, found, strict=True)]
        self._now[name] = made_of, (listed, dict(zip(map(id, listed), results, strict=True)))
        return results

    def equal(self, name: object, value: _T) -> _T:
        """The value that was given under this name before, where it is equal: the same object again."""
        known = self._before.get(name)
        result: _T = known[1] if known is not None and known[1] == value else value
        self._now[name] = ((), result)
        return result

    def ended(self) -> None:
        """The link is done."""
        self._before, self._now = self._now, {}


def _same(some: Sequence[Any], others: Sequence[Any]) -> bool:
    return len(some) == len(others) and all(map(is_, some, others))
