"""Annotations become the machine's types; kernels are compiled after those that they call, once."""

from __future__ import annotations

import os
import sys
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest
from numba import types
from numba.core.errors import NumbaError

from engine import kernel
from engine.kernel import Bytes, Flags, FlagTable, Ints, Out, machine_type


class Alike(NamedTuple):
    a: Ints
    b: Ints


class Mixed(NamedTuple):
    a: Ints
    b: int
    c: Flags


INTS = types.Array(types.int64, 1, "C")
HERE = __name__


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        ("int", types.int64),
        ("bool", types.boolean),
        ("None", types.void),
        ("Ints", INTS),
        ("Buffer", types.Array(types.int64, 1, "C", readonly=True)),
        ("Table", types.Array(types.int64, 2, "C")),
        ("Flags", types.Array(types.boolean, 1, "C")),
        ("FlagTable", types.Array(types.boolean, 2, "C")),
        ("Bytes", types.Array(types.uint8, 1, "C", readonly=True)),
        ("Out", types.Array(types.uint8, 1, "C")),
        ("tuple[int, int]", types.UniTuple(types.int64, 2)),
        ("tuple[Ints, int]", types.Tuple([INTS, types.int64])),
    ],
)
def test_annotations(annotation, expected):
    assert machine_type(annotation, HERE) == expected


def test_named_tuples(monkeypatch):
    monkeypatch.setitem(sys.modules, "here", type("here", (), {"Alike": Alike, "Mixed": Mixed}))
    assert machine_type("Alike", "here") == types.NamedUniTuple(INTS, 2, Alike)
    mixed = types.NamedTuple([INTS, types.int64, types.Array(types.boolean, 1, "C")], Mixed)
    assert machine_type("Mixed", "here") == mixed


def test_an_unknown_annotation_is_refused():
    for annotation in ("float", "str", "list[int]"):
        with pytest.raises((AttributeError, KeyError)):
            machine_type(annotation, "engine.kernel")


class Dispatcher:
    """Stands for numba's: notes what it is compiled for."""

    log: ClassVar[list[tuple[str, Any]]] = []

    def __init__(self, function: Any) -> None:
        self.py_func = function

    def compile(self, signature: Any) -> None:
        self.log.append((self.py_func.__name__, signature))

    def disable_compile(self) -> None:
        self.log.append((self.py_func.__name__, "closed"))


def lowest(x: int) -> int:
    return x


def middle(x: int, flags: FlagTable) -> bool:
    return lowest(x) > 0


def top(x: Ints) -> None:
    middle(lowest(0), x)  # type: ignore[arg-type]


def test_the_called_come_first(monkeypatch):
    made = {function.__name__: Dispatcher(function) for function in (top, middle, lowest)}
    for name, dispatcher in made.items():
        monkeypatch.setitem(globals(), name, dispatcher)
    monkeypatch.setattr(kernel, "_KERNELS", list(made.values()))
    monkeypatch.setattr(Dispatcher, "log", [])
    kernel.compile_kernels()
    assert [name for name, what in Dispatcher.log if what != "closed"] == ["lowest", "middle", "top"]
    assert [name for name, what in Dispatcher.log if what == "closed"] == ["lowest", "middle", "top"]
    assert dict(what for what in Dispatcher.log if what[1] != "closed")["middle"] == types.boolean(
        types.int64, types.Array(types.boolean, 2, "C")
    )
    assert kernel._KERNELS == []
    kernel.compile_kernels()
    assert len(Dispatcher.log) == 6


@kernel.gate
def shifted(x: Ints, by: int) -> Alike:
    return Alike(x + by, x)


@kernel.gate
def folded(x: Ints, times: int) -> int:
    total = 0
    for i in range(times):
        made = shifted(x, i)
        total += made.a.sum() - made.b[0]
    return total


@kernel.gate
def refuses(x: int) -> int:
    if x < 0:
        raise ValueError("below nothing")
    return x


@kernel.gate
def asks(x: int) -> int:
    return refuses(x) + 1


def test_gates_call_each_other_by_address():
    kernel.compile_kernels()
    assert folded(np.arange(4), 3) == 18 + 12
    assert shifted(np.arange(2), 5).a.tolist() == [5, 6]


def test_what_a_gate_raises_reaches_its_callers():
    kernel.compile_kernels()
    assert asks(1) == 2
    with pytest.raises(ValueError, match="below nothing"):
        asks(-1)


@kernel.bare
def byte_of(data: Bytes, place: int) -> int:
    return int(data[place])


@kernel.bare_gate
def turned(data: Bytes, out: Out) -> int:
    for i in range(data.shape[0]):
        out[data.shape[0] - 1 - i] = byte_of(data, i)
    return data.shape[0]


def makes_an_array(n: int) -> int:
    return np.zeros(n, np.int64).shape[0]


def test_bare_kernels_call_each_other_and_count_nothing():
    kernel.compile_kernels()
    data, out = np.frombuffer(b"abc", np.uint8), np.zeros(3, np.uint8)
    counts = sys.getrefcount(data), sys.getrefcount(out)
    assert turned(data, out) == 3
    assert bytes(out) == b"cba"
    assert (sys.getrefcount(data), sys.getrefcount(out)) == counts


def test_what_is_bare_makes_no_arrays():
    """There would be nothing to count them by."""
    kernel.bare(makes_an_array)
    if os.environ.get("NUMBA_DISABLE_JIT") != "1":
        with pytest.raises(NumbaError):
            kernel._compile(kernel._KERNELS.pop())


@pytest.mark.parametrize("place", [0, 1, 31, 61])
def test_the_lowest_bit_that_is_set(place):
    assert kernel.lowest(1 << place) == place
    assert kernel.lowest((1 << 62) - (1 << place)) == place


@kernel.bare_gate
def hinted(entries: Ints, i: int) -> int:
    kernel.fetch(entries, i)
    return i


def test_a_hint_to_fetch_changes_nothing_and_may_name_what_is_not_there():
    kernel.compile_kernels()
    entries = np.arange(5)
    for i in (0, 4, 5, -1, 2**40, -(2**40), 2**62):
        assert hinted(entries, i) == i
        kernel.fetch(entries, i)
    assert entries.tolist() == [0, 1, 2, 3, 4]
