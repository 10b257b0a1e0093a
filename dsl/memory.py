"""What earlier compilations of a project worked out, for a process that compiles it again and again.

A Memory keeps what was made of each declaration (its findings, its Program, its test) together with everything that was
asked of the project meanwhile: names that were looked up, whole tables that were gone through, files. Before the next
compilation each table is compared with what it was: what rests on an entry that is another object now is dropped, and
all of it where anything else of the project changed (settings, schema, names of what cannot be read). What is left is
used again. So whoever writes a check needs to know one rule alone: what is judged of a declaration depends on it and
on the project, on nothing else.

`compile_project(files, Memory())` gives what `compile_project(files)` gives, always: tests hold the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import is_
from typing import Any, TypeVar

_T = TypeVar("_T")
_WHOLE = object()  # in place of a key: the table was gone through

Reading = tuple[str, str] | tuple[str, str, object]  # what is read, and the file's path
Question = tuple[str, object]  # a table of the project, and the key that was looked up


class Memory:
    """Of one project. Not `lasting`: for one compilation alone, which saves the noting."""

    def __init__(self, *, lasting: bool = True) -> None:
        self.lasting = lasting
        self.pieces: dict[str, Any] = {}  # by file: its declarations as dsl.parse read them
        self._results: dict[object, dict[int, Any]] = {}  # by what was worked out, by the node's id
        self._asked: dict[object, dict[int, tuple[object, tuple[Question, ...]]]] = {}  # likewise: the node, kept alive
        self._relies: dict[Question, set[tuple[object, int]]] = {}  # what rests on an answer
        self._read: dict[Reading, tuple[bytes, Any]] = {}  # what was read of a file's bytes, and of nothing else
        self._derived: dict[object, tuple[Sequence[object], Any]] = {}
        self._files: dict[str, bytes] = {}
        self._alive: dict[int, object] = {}
        self._tables: dict[str, dict[Any, Any]] = {}
        self._world: tuple[Any, ...] = ()
        self._asking: list[list[Question]] = []
        self._same: dict[object, Any] = {}
        self._beside: dict[str, Memory] = {}

    def beside(self, name: str) -> Memory:
        """A memory of this name, of what is worked out of something else than declarations."""
        return self._beside.setdefault(name, Memory(lasting=self.lasting))

    # ------------------------------------------------------------------------------------------------ a compilation

    def take(self, files: Mapping[str, bytes]) -> Mapping[str, bytes]:
        """The files, each as the object that it was before where its bytes are the same."""
        if not self.lasting:
            return files
        known = self._files
        self._files = {name: known[name] if known.get(name) == data else data for name, data in files.items()}
        return self._files

    def table(self, name: str, content: Mapping[str, Any]) -> dict[str, Any]:
        """A table of the project that notes what it is asked. What rests on what changed in it is dropped."""
        before, now = self._tables.get(name, {}), dict(content)
        changed = [key for key, value in now.items() if before.get(key) is not value]
        changed += [key for key in before if key not in now]
        if changed or list(before) != list(now):
            self._outdated((name, _WHOLE))
        for key in changed:
            self._outdated((name, key))
        self._tables[name] = now
        return _Noting(now, name, self)

    def world(self, *things: Any) -> None:
        """All of the project that is no such table: where any of it changed, nothing is used again."""
        if things != self._world:
            self._world = things
            for kept in (self._results, self._asked, self._relies, self._derived):
                kept.clear()

    def forget(self, alive: Iterable[object]) -> None:
        """Keep only what was made of these."""
        if not self.lasting:
            return
        living = {id(node): node for node in alive}
        for gone in self._alive.keys() - living.keys():
            for what in self._asked:
                self._drop(what, gone)
        self._alive = living
        self._read = {what: kept for what, kept in self._read.items() if what[1] in self._files}
        self.pieces = {name: pieces for name, pieces in self.pieces.items() if name in self._files}

    # ------------------------------------------------------------------------------------------------ what is kept

    def recall(self, what: object, node: object) -> Any:
        """What `work` made, if all that it rests on is as it was; else None."""
        result = self._results.get(what, _NOTHING).get(id(node))
        if result is not None and self._asking:
            self._asking[-1].extend(self._asked[what][id(node)][1])
        return result

    def recall_each(self, what: object, nodes: Sequence[object]) -> list[Any]:
        """The same for many."""
        if self._asking:
            return [self.recall(what, node) for node in nodes]
        return list(map(self._results.get(what, _NOTHING).get, map(id, nodes)))

    def work(self, what: object, node: object, work: Callable[[], _T]) -> _T:
        """Do it, and keep the result with all that was asked meanwhile. A result is never None."""
        asked: list[Question] = []
        if self.lasting:
            self._asking.append(asked)
            try:
                result = work()
            finally:
                self._asking.pop()
            if self._asking:
                self._asking[-1].extend(asked)
        else:
            result = work()
        key = id(node)
        self._drop(what, key)
        self._results.setdefault(what, {})[key] = result
        self._asked.setdefault(what, {})[key] = (node, once := tuple(dict.fromkeys(asked)))
        for question in once:
            self._relies.setdefault(question, set()).add((what, key))
        return result

    def drop(self, what: object, node: object) -> None:
        """Not to be used again."""
        self._drop(what, id(node))

    def read(
        self, what: Reading, data: bytes, read: Callable[[], _T], change: Callable[[bytes, _T], _T | None] | None = None
    ) -> _T:
        """What a file's bytes say, read once. `change` makes it of what the file was before and of what that said,
        where it can."""
        known = self._read.get(what)
        if known is None or known[0] is not data:
            changed = None if known is None or change is None else change(*known)
            known = self._read[what] = (data, read() if changed is None else changed)
        result: _T = known[1]
        return result

    def derived(self, what: object, made_of: Sequence[object], make: Callable[[], _T]) -> _T:
        """What is made of these objects and of what `world` was told; made anew where one of them is another."""
        known = self._derived.get(what)
        if known is None or len(known[0]) != len(made_of) or not all(map(is_, known[0], made_of)):
            known = self._derived[what] = (made_of, make())
        result: _T = known[1]
        return result

    def same(self, name: object, value: _T) -> _T:
        """The object that was given last under this name, where it is equal."""
        if not self.lasting:
            return value
        if self._same.get(name) != value:
            self._same[name] = value
        known: _T = self._same[name]
        return known

    def note(self, table: str, key: object) -> None:
        """A table is asked."""
        if self._asking:
            self._asking[-1].append((table, key))

    def walked(self, table: str) -> None:
        """A table was gone through."""
        if self._asking:
            self._asking[-1].append((table, _WHOLE))

    def _outdated(self, question: Question) -> None:
        for what, key in self._relies.pop(question, ()):
            self._drop(what, key)

    def _drop(self, what: object, key: int) -> None:
        _, asked = self._asked.get(what, _NOTHING).pop(key, (None, ()))
        self._results.get(what, _NOTHING).pop(key, None)
        for question in asked:
            self._relies.get(question, set()).discard((what, key))


_NOTHING: dict[int, Any] = {}


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
