"""The engine's kernels are compiled once a version of the engine, before the first test that needs them, and shared.

Tests in the same process, other workers and the servers that tests start find them in one cache (server/kernels.py).
Until they are compiled (`make test` does it in the background) the tests that need none of them run.
"""

from __future__ import annotations

import signal
import sys
from functools import cache
from pathlib import Path

import numba
import pytest

from engine import kernel
from server import kernels
from server.settings import load

ROOMS = (
    "conformance",
    "e2e",
    "fault/test_channels",
    "fault/test_processes",
    "property",
    "unit/engine",
    "unit/server/test_batches",
    "unit/server/test_image_file",
    "unit/server/test_counterexamples",
    "unit/server/test_ordinary",
    "unit/test_best",
    "unit/test_image_benchmark",
    "unit/test_kernel_benchmark",
    "unit/test_wire",
)  # whose tests decide baskets
LONGEST = (
    "fault/test_processes",
    "e2e/test_store",
    "property/test_engine_is_the_oracle",
    "e2e/test_benchmark_service",
    "e2e/test_demo",
    "e2e/test_conformance_live",
    "fault/test_channels",
    "unit/engine/test_image",
    "property/test_laws",
)  # begin first, so that at the end no worker is alone with one of them
HERE = Path(__file__).resolve().parent


def pytest_configure() -> None:
    """Before any kernel is imported: where compiled ones are kept."""
    prepared()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job; so would be what tests interrupt
        signal.signal(signal.SIGINT, signal.default_int_handler)


@cache
def prepared() -> kernels.Prepared:
    """The cache of this engine's kernels."""
    return kernels.prepare(load().cache_dir)


@cache
def loaded() -> None:
    """Every kernel, ready to be called in this process: compiled by one worker, the others wait for it."""
    prepared().ensure(kernels.compile_here, print)
    kernels.compile_here(lambda _: None)


def turn(item: pytest.Item) -> int:
    """When its file begins: without kernels, one of the longest, any other. Files of one turn keep their order."""
    name = item.path.relative_to(HERE).as_posix()
    if not name.startswith(ROOMS):
        return -1
    return next((place for place, long in enumerate(LONGEST) if name.startswith(long)), len(LONGEST))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files in the order in which workers take them."""
    items.sort(key=turn)
    if "engine.direct" in sys.modules and not kernel.waiting() and not getattr(numba.config, "DISABLE_JIT", 0):
        raise pytest.UsageError("a file compiles the kernels when it is imported: nothing would run until that is done")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Have the kernels loaded."""
    if turn(item) >= 0:
        loaded()
