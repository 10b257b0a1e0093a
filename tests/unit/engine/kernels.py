"""Kernels compiled or loaded once, for tests that call them by themselves."""

import engine.decide
import engine.quick
import engine.wire
import engine.wire_out  # noqa: F401 - these declare them all
from engine.kernel import compile_kernels


def compiled() -> None:
    """Every kernel has its one signature; NUMBA_DISABLE_JIT leaves plain Python."""
    compile_kernels()
