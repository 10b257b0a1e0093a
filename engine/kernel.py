"""`@kernel`: a compiled function whose annotations are its signature.

numba compiles a function anew for every combination of argument types that it meets, constants included; a kernel of
ninety functions then takes minutes, and the first unusual basket pays for what the warm-up did not meet. A kernel has
exactly one signature, read from its annotations. `compile_kernels` compiles them all, or loads them from the cache.

Annotations: `int` (int64), `bool`, the arrays below, named tuples and tuples of these, None. They are resolved by name,
because to a type checker all arrays of one kind of number are the same.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from typing import Any, TypeVar, cast

import llvmlite.binding as llvm
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.compiler import compile_result
from numba.core.imputils import impl_ret_untracked, lower_builtin
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, overload

Ints = npt.NDArray[np.int64]  # one dimension, contiguous
Buffer = npt.NDArray[np.int64]  # the same, read-only: rulesets and requests (engine/layout.py)
Table = npt.NDArray[np.int64]  # two dimensions, contiguous
Flags = npt.NDArray[np.bool_]
FlagTable = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]  # one dimension, contiguous, read-only: what came over the wire
Out = npt.NDArray[np.uint8]  # the same, to be written

_ARRAYS = {
    "Ints": types.Array(types.int64, 1, "C"),
    "Buffer": types.Array(types.int64, 1, "C", readonly=True),
    "Table": types.Array(types.int64, 2, "C"),
    "Flags": types.Array(types.boolean, 1, "C"),
    "FlagTable": types.Array(types.boolean, 2, "C"),
    "Bytes": types.Array(types.uint8, 1, "C", readonly=True),
    "Out": types.Array(types.uint8, 1, "C"),
    "int": types.int64,
    "bool": types.boolean,
    "None": types.void,
}

Function = TypeVar("Function", bound=Callable[..., Any])


def machine_type(annotation: str, module: str) -> Any:
    """The machine's type for an annotation as it is written."""
    if annotation in _ARRAYS:
        return _ARRAYS[annotation]
    if annotation.startswith("tuple["):
        parts = annotation.removeprefix("tuple[").removesuffix("]").split(", ")
        return types.BaseTuple.from_types([machine_type(part, module) for part in parts])  # type: ignore[no-untyped-call]
    named = getattr(sys.modules[module], annotation)
    fields = [a.__forward_arg__ for a in named.__annotations__.values()]
    parts = [machine_type(field, named.__module__) for field in fields]
    if len(set(parts)) == 1:  # numba's own way to say so; it finds no other
        return types.NamedUniTuple(parts[0], len(parts), named)  # type: ignore[no-untyped-call]
    return types.NamedTuple(parts, named)  # type: ignore[no-untyped-call]


_KERNELS: list[Any] = []  # dispatchers and gates that wait for `compile_kernels`
_OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "no_cfunc_wrapper": True}  # numba's stubs lack the last
_BARE: dict[str, Any] = {**_OPTIONS, "_nrt": False}  # numba's runtime, which counts references


def kernel(function: Function) -> Function:
    """A function to be compiled for the one signature that its annotations say.

    A copy of it goes into everything that calls it: right for what is small."""
    return _kernel(function, _OPTIONS)


def gate(function: Function) -> Function:
    """A kernel of which there is one copy: who calls it finds it by its name.

    For what is large, or calls much: numba compiles into a function all that it calls, directly or not, over and over;
    a chain of eight large ones is compiled eight times."""
    return _gate(function, _OPTIONS)


def bare(function: Function) -> Function:
    """A kernel that is put into everything that calls it, whatever its size, and counts no references to arrays: so it
    may neither make nor keep any. For reading and writing byte by byte, where calls and counts are most of the time."""
    return _kernel(function, {**_BARE, "forceinline": True})


def bare_gate(function: Function) -> Function:
    """A gate that counts no references to arrays, as what is `bare`."""
    return _gate(function, _BARE)


def _kernel(function: Function, options: dict[str, Any]) -> Function:
    compiled: Any = njit(**options)(function)
    if compiled is not function:  # NUMBA_DISABLE_JIT leaves it as it is
        _KERNELS.append(compiled)
    return cast(Function, compiled)


def _gate(function: Function, options: dict[str, Any]) -> Function:
    compiled: Any = njit(**options)(function)
    if compiled is function:
        return function
    made = Gate(function, compiled)
    _KERNELS.append(made)
    return cast(Function, made)


class Gate:
    """A compiled function that other compiled functions call by its address: its symbol is looked up as they load."""

    def __init__(self, function: Callable[..., Any], compiled: Any) -> None:
        self.py_func = function
        self.compiled = compiled
        self.symbol = f"einklang {function.__module__}.{function.__qualname__}"

    def __call__(self, *arguments: Any) -> Any:
        return self.compiled(*arguments)

    def compile(self, of: Any) -> None:
        """Compile it for a signature, or load it, and let others find it."""
        self.compiled.compile(of)
        made = self.found()
        _declare(self, made.fndesc.restype, made.fndesc.argtypes)

    def found(self) -> Any:
        """Let what is loaded later find its machine code; numba's object for it."""
        (made,) = self.compiled.overloads.values()
        llvm.add_symbol(self.symbol, made.library.get_pointer_to_function(made.fndesc.llvm_func_name))
        return made

    def disable_compile(self) -> None:
        """There is no other signature."""
        self.compiled.disable_compile()


def _declare(made: Gate, result: Any, arguments: tuple[Any, ...]) -> None:
    """Tell numba what a gate takes and gives, and how it is called: as any compiled function, by its symbol."""
    template = type("GateTemplate", (ConcreteTemplate,), {"key": made, "cases": [signature(result, *arguments)]})  # type: ignore[no-untyped-call]
    infer_global(made, types.Function(template))  # type: ignore[no-untyped-call]

    def call(context: Any, builder: Any, of: Any, values: Any) -> Any:
        function_type = context.call_conv.get_function_type(of.return_type, of.args)
        values = [
            _without_counter(context, builder, one, value) if _is_lent(one) else value
            for one, value in zip(of.args, values, strict=True)
        ]
        function = cgutils.get_or_insert_function(builder.module, function_type, made.symbol)  # type: ignore[no-untyped-call]
        status, value = context.call_conv.call_function(builder, function, of.return_type, of.args, values)
        with cgutils.if_unlikely(builder, status.is_error):  # type: ignore[no-untyped-call]
            context.call_conv.return_status_propagate(builder, status)
        return value

    lower_builtin(made, *arguments)(call)  # type: ignore[no-untyped-call]


def borrowed(array: Any) -> Any:
    """The same array, not counted: whoever calls keeps it alive. Passing it on costs no atomic operation."""
    return array


@overload(borrowed, inline="always")
def _borrowed_in_kernels(array):  # type: ignore[no-untyped-def]
    return lambda array: _uncounted(array)  # type: ignore[call-arg]  # noqa: PLW0108 - numba wants a function


@intrinsic
def _uncounted(_context, array):  # type: ignore[no-untyped-def]
    def build(context: Any, builder: Any, of: Any, values: Any) -> Any:
        lent = _without_counter(context, builder, array, values[0])
        return impl_ret_untracked(context, builder, of.return_type, lent)  # type: ignore[no-untyped-call]

    return array(array), build


def lowest(bits: int) -> int:
    """The place of the lowest bit that is set, from 0. Some bit is."""
    return (int(bits) & -int(bits)).bit_length() - 1


@overload(lowest, inline="always")
def _lowest_in_kernels(bits):  # type: ignore[no-untyped-def]
    return lambda bits: _trailing_zeros(bits)  # type: ignore[call-arg]  # noqa: PLW0108 - numba wants a function


@intrinsic
def _trailing_zeros(_context, bits):  # type: ignore[no-untyped-def]
    def build(_target: Any, builder: Any, _of: Any, values: Any) -> Any:
        return builder.cttz(values[0], cgutils.true_bit)

    return types.int64(types.int64), build


def copy_bytes(out: Out, to: int, data: Bytes, begin: int, length: int) -> None:
    """Copy bytes, as many at once as the machine can. Who calls has seen to it that there is room and that much."""
    out[to : to + length] = data[begin : begin + length]


@overload(copy_bytes, inline="always")
def _copy_bytes_in_kernels(out, to, data, begin, length):  # type: ignore[no-untyped-def]
    return lambda out, to, data, begin, length: _copied(out, to, data, begin, length)  # type: ignore[call-arg]  # noqa: PLW0108


@intrinsic
def _copied(_context, out, to, data, begin, length):  # type: ignore[no-untyped-def]
    def build(context: Any, builder: Any, of: Any, values: Any) -> Any:
        one = context.make_array(of.args[0])(context, builder, values[0])
        other = context.make_array(of.args[2])(context, builder, values[2])
        target, source = builder.gep(one.data, [values[1]]), builder.gep(other.data, [values[3]])
        cgutils.raw_memcpy(builder, target, source, values[4], 1)  # type: ignore[no-untyped-call]
        return context.get_dummy_value()

    return types.none(out, to, data, begin, length), build


def fetch(array: npt.NDArray[Any], i: int) -> None:
    """Have the line of memory in which entry i stands brought near while something else is done. It is a hint: nobody
    waits for it, and an entry that is not there does no harm."""


@overload(fetch, inline="always")
def _fetch_in_kernels(array, i):  # type: ignore[no-untyped-def]
    return lambda array, i: _fetched(array, i)  # type: ignore[call-arg]  # noqa: PLW0108 - numba wants a function


@intrinsic
def _fetched(_context, array, i):  # type: ignore[no-untyped-def]
    def build(context: Any, builder: Any, of: Any, values: Any) -> Any:
        one = context.make_array(of.args[0])(context, builder, values[0])
        number = ir.IntType(32)
        takes = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, takes, "llvm.prefetch.p0")  # type: ignore[no-untyped-call]
        address = builder.bitcast(builder.gep(one.data, [values[1]]), cgutils.voidptr_t)
        builder.call(function, [address, number(0), number(3), number(1)])  # to be read, and kept near; no code
        return context.get_dummy_value()

    return types.none(array, i), build


def address_of(array: npt.NDArray[Any]) -> tuple[int, int]:
    """Where an array lies and how many entries it has: an array argument costs its unpacking at every call, so what a
    call always takes is handed over in one array of these. Whoever hands it over keeps the arrays alive."""
    assert array.ndim == 1 and array.flags.c_contiguous
    return array.ctypes.data, array.shape[0]


def _at_address(name: str) -> Any:
    """A function of (frame, place): the one-dimensional array whose address and length stand there. `name`: its type,
    as annotations have it."""
    of: Any = _ARRAYS[name]
    kind = np.dtype(str(of.dtype))

    def array_at(frame, place):  # type: ignore[no-untyped-def]
        address, count = int(frame[2 * place]), int(frame[2 * place + 1])
        memory = (ctypes.c_char * (count * kind.itemsize)).from_address(address)
        array = np.frombuffer(memoryview(memory), kind)
        array.flags.writeable = of.mutable
        return array

    @intrinsic
    def at_address(_context, address, count):  # type: ignore[no-untyped-def]
        def build(context: Any, builder: Any, _of: Any, values: Any) -> Any:
            made = context.make_array(of)(context, builder)
            size = ir.Constant(values[1].type, kind.itemsize)
            context.populate_array(
                made,
                data=builder.inttoptr(values[0], made.data.type),
                shape=[values[1]],
                strides=[size],
                itemsize=size,
                meminfo=None,  # nobody counts it
            )
            return made._getvalue()

        return of(types.int64, types.int64), build

    @overload(array_at, inline="always")
    def _(frame, place):  # type: ignore[no-untyped-def]
        return lambda frame, place: at_address(frame[2 * place], frame[2 * place + 1])  # type: ignore[call-arg]

    return array_at


ints_at, buffer_at, bytes_at, out_at = (_at_address(name) for name in ("Ints", "Buffer", "Bytes", "Out"))


def _without_counter(context: Any, builder: Any, of: Any, value: Any) -> Any:
    """An array, or a tuple of arrays, whose references nobody counts."""
    if isinstance(of, types.Array):
        struct = cgutils.create_struct_proxy(of)(context, builder, value=value)  # type: ignore[no-untyped-call]
        struct.meminfo = cgutils.get_null_value(struct.meminfo.type)  # type: ignore[no-untyped-call]
        return struct._getvalue()
    if isinstance(of, types.BaseTuple):
        parts: Any = of
        for place, part in enumerate(parts):
            inner = _without_counter(context, builder, part, builder.extract_value(value, place))
            value = builder.insert_value(value, inner, place)
    return value


def _is_lent(of: Any) -> bool:
    """Whether a gate borrows such an argument: buffers, tables and named tuples, of which it returns nothing."""
    return isinstance(of, types.BaseTuple) or (isinstance(of, types.Array) and (of.ndim == 2 or not of.mutable))


Progress = Callable[[int, int], None]  # so many kernels are done, of so many


def compile_kernels(progress: Progress | None = None) -> None:
    """Compile every kernel declared so far, or load it from the cache, callees first. Quick when done.

    `progress` is told before each kernel."""
    if not _KERNELS:
        return
    order = _in_order()
    for number, dispatcher in enumerate(order):
        if progress is not None:
            progress(number, len(order))
        _compile(dispatcher)


def waiting() -> int:
    """How many kernels are declared, and neither compiled nor loaded yet."""
    return len(_KERNELS)


class NotCached(Exception):
    """A kernel is not in the cache; the message names it."""


def load_kernels() -> None:
    """Load every kernel declared so far from the cache, callees first. For a process that compiles none.

    numba itself also reads each kernel in LLVM's language, of which kernels that are compiled later would be made: that
    is two thirds of the time and 40 MB. Raises NotCached; what was loaded by then stays."""
    order = _in_order()
    if order:
        _dispatcher(order[0]).targetctx.refresh()  # numba's runtime, which compiled code calls
    for number, made in enumerate(order):
        if not _load(made):
            _KERNELS.extend(order[number:])
            raise NotCached(f"{made.py_func.__module__}.{made.py_func.__qualname__}")


def _in_order() -> list[Any]:
    """The kernels that wait, callees first; none waits any more."""
    waiting = {id(k): k for k in _KERNELS}
    order: list[Any] = []
    _KERNELS.clear()
    while waiting:
        _after_its_callees(next(iter(waiting.values())), waiting, order)
    return order


def _after_its_callees(dispatcher: Any, waiting: dict[int, Any], order: list[Any]) -> None:
    """Put a kernel into the order, behind those that it calls."""
    waiting.pop(id(dispatcher))
    function = dispatcher.py_func
    for name in function.__code__.co_names:
        called = function.__globals__.get(name)
        if id(called) in waiting:
            _after_its_callees(called, waiting, order)
    order.append(dispatcher)


def _compile(made: Any) -> None:
    made.compile(_signature(made))
    made.disable_compile()


def _load(made: Any) -> bool:
    """Load a kernel as machine code alone; whether the cache has it. What numba does, but for what only compiling
    needs (numba.core.compiler, CompileResult._rebuild)."""
    dispatcher = _dispatcher(made)
    context, cache = dispatcher.targetctx, dispatcher._cache
    codegen = context.codegen()
    cached = cache._cache_file.load(cache._index_key(_signature(made), codegen))
    if cached is None:
        return False
    (name, _, (machine_code, _)), described, environment, of, _, _, _, begin, environments = cached
    for function in begin:
        function()
    library = codegen.create_library(name)
    library.enable_object_caching()
    library._set_compiled_object(machine_code)
    library._finalize_final_module()
    codegen._engine._defined_symbols |= {described.llvm_func_name, described.llvm_cpython_wrapper_name}
    dispatcher.add_overload(
        compile_result(  # type: ignore[no-untyped-call]
            signature=of,
            entry_point=context.get_executable(library, described, environment),
            objectmode=False,
            library=library,
            fndesc=described,
        )
    )
    for one in environments:
        codegen.set_env(one.env_name, one)
    if isinstance(made, Gate):
        made.found()
    made.disable_compile()
    return True


def _dispatcher(made: Any) -> Any:
    """numba's object for a kernel."""
    return made.compiled if isinstance(made, Gate) else made


def _signature(made: Any) -> Any:
    """What a kernel's annotations say, in the machine's types."""
    function = made.py_func
    annotations = dict(function.__annotations__)
    result = machine_type(annotations.pop("return"), function.__module__)
    return result(*(machine_type(a, function.__module__) for a in annotations.values()))
