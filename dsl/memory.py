"""What earlier compilations of a project worked out, for a process that compiles it again and again.

A Memory keeps, by identity, what was made of each declaration (its findings, its Program, its test) together with
everything that was asked of the project meanwhile: names that were looked up and what stood behind them, whole tables
that were gone through, files. It is used again where the declaration and all these answers are the very same objects,
and where nothing else of the project changed (settings, schema, names of what cannot be read). So whoever writes a
check needs to know one rule alone: what is judged of a declaration depends on it and on the project, on nothing else.

`compile_project(files, Memory())` gives what `compile_project(files)` gives, always: tests hold the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

_T = TypeVar("_T")
_WHOLE = object()  # in place of a key: the table was gone through


class Asked(NamedTuple):
    """A question to a table of the project, and the answer."""

    table: str
    key: object
    answer: object


@dataclass(slots=True)
class _Kept:
    node: object  # kept alive, so that its id stays its own
    world: int
    asked: tuple[Asked, ...]
    result: Any


class Memory:
    """Of one project. Not `lasting`: for one compilation alone, which saves the noting."""

    def __init__(self, *, lasting: bool = True) -> None:
        self.lasting = lasting
        self.pieces: dict[str, Any] = {}  # by file: its declarations as dsl.parse read them
        self._kept: dict[tuple[object, int], _Kept] = {}  # by what was worked out, and the node's id
        self._files: dict[str, bytes] = {}
        self._tables: dict[str, dict[Any, Any]] = {}
        self._walks: dict[str, int] = {}  # by table: a number that is new whenever the table is
        self._world: tuple[Any, ...] = ()
        self._world_number = 0
        self._asking: list[list[Asked]] = []
        self._same: dict[object, Any] = {}

    # ------------------------------------------------------------------------------------------------ a compilation

    def take(self, files: Mapping[str, bytes]) -> Mapping[str, bytes]:
        """The files, each as the object that it was before where its bytes are the same."""
        if not self.lasting:
            return files
        known = self._files
        self._files = {name: known[name] if known.get(name) == data else data for name, data in files.items()}
        return self._files

    def table(self, name: str, content: Mapping[str, Any]) -> dict[str, Any]:
        """A table of the project that notes what it is asked."""
        before = self._tables.get(name)
        if (
            before is None
            or len(before) != len(content)
            or not all(a is b for a, b in zip(before.values(), content.values(), strict=True))
            or list(dict.keys(before)) != list(content)
        ):
            self._walks[name] = self._walks.get(name, 0) + 1
        self._tables[name] = dict(content)
        return _Noting(content, name, self)

    def world(self, *things: Any) -> None:
        """All of the project that is no such table: where any of it changed, nothing is used again."""
        if things != self._world:
            self._world, self._world_number = things, self._world_number + 1

    def forget(self, alive: Iterable[object]) -> None:
        """Keep only what was made of these."""
        if self.lasting:
            living = {id(node) for node in alive} | {id(data) for data in self._files.values()}
            self._kept = {key: kept for key, kept in self._kept.items() if key[1] in living}
            self.pieces = {name: pieces for name, pieces in self.pieces.items() if name in self._files}

    # ------------------------------------------------------------------------------------------------ what is kept

    def recall(self, what: object, node: object) -> Any:
        """What `keep` was given, if all that it rests on is as it was; else None."""
        kept = self._kept.get((what, id(node)))
        if kept is None:
            return None
        if self.lasting:
            if kept.world != self._world_number or not all(map(self._holds, kept.asked)):
                return None
            if self._asking:
                self._asking[-1].extend(kept.asked)
        return kept.result

    def work(self, what: object, node: object, work: Callable[[], _T]) -> _T:
        """Do it, and keep the result with all that was asked meanwhile. A result is never None."""
        if not self.lasting:
            result = work()
            self._kept[what, id(node)] = _Kept(node, 0, (), result)
            return result
        asked: list[Asked] = []
        self._asking.append(asked)
        try:
            result = work()
        finally:
            self._asking.pop()
        if self._asking:
            self._asking[-1].extend(asked)
        once = {(question.table, question.key): question for question in asked}
        self._kept[what, id(node)] = _Kept(node, self._world_number, tuple(once.values()), result)
        return result

    def drop(self, what: object, node: object) -> None:
        """Not to be used again."""
        self._kept.pop((what, id(node)), None)

    def same(self, name: object, value: _T) -> _T:
        """The object that was given last under this name, where it is equal."""
        if not self.lasting:
            return value
        if self._same.get(name) != value:
            self._same[name] = value
        known: _T = self._same[name]
        return known

    def _holds(self, asked: Asked) -> bool:
        if asked.key is _WHOLE:
            return asked.answer == self._walks[asked.table]
        return self._tables[asked.table].get(asked.key) is asked.answer

    def note(self, table: str, key: object) -> None:
        """A table is asked."""
        if self._asking:
            self._asking[-1].append(Asked(table, key, self._tables[table].get(key)))

    def walked(self, table: str) -> None:
        """A table was gone through."""
        if self._asking:
            self._asking[-1].append(Asked(table, _WHOLE, self._walks[table]))


class _Noting(dict[str, Any]):
    """A table that tells its Memory what it is asked."""

    def __init__(self, content: Mapping[str, Any], name: str, memory: Memory) -> None:
        super().__init__(content)
        self._name = name
        self._memory = memory

    def __getitem__(self, key: str) -> Any:
        self._memory.note(self._name, key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self._memory.note(self._name, key)
        return super().__contains__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self._memory.note(self._name, key)
        return super().get(key, default)

    def __iter__(self) -> Iterator[str]:
        self._memory.walked(self._name)
        return super().__iter__()

    def __len__(self) -> int:
        self._memory.walked(self._name)
        return super().__len__()

    def __bool__(self) -> bool:
        return len(self) > 0

    def __eq__(self, other: object) -> bool:
        self._memory.walked(self._name)
        return super().__eq__(other)

    __hash__ = None  # as of any dict

    def keys(self) -> Any:
        self._memory.walked(self._name)
        return super().keys()

    def values(self) -> Any:
        self._memory.walked(self._name)
        return super().values()

    def items(self) -> Any:
        self._memory.walked(self._name)
        return super().items()

    def copy(self) -> dict[str, Any]:
        self._memory.walked(self._name)
        return super().copy()

    def __or__(self, other: Any) -> Any:
        return self.copy() | other

    def __ror__(self, other: Any) -> Any:
        return other | self.copy()
