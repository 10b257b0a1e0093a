"""The engine's kernels are compiled once a version of the engine, before the first test that needs them, and shared.

Tests in the same process, other workers and the servers that tests start find them in one cache (server/kernels.py).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from server import kernels
from server.settings import load

ROOMS = (
    "conformance",
    "e2e",
    "fault",
    "property",
    "unit/engine",
    "unit/server/test_batches",
    "unit/server/test_ordinary",
    "unit/test_best",
    "unit/test_image_benchmark",
    "unit/test_kernel_benchmark",
    "unit/test_wire",
)  # whose tests decide baskets
HERE = Path(__file__).resolve().parent


def pytest_configure() -> None:
    """Before any kernel is imported: where compiled ones are kept."""
    prepared()


@cache
def prepared() -> kernels.Prepared:
    """The cache of this engine's kernels."""
    return kernels.prepare(load().cache_dir)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Have the kernels compiled; by one worker, the others wait."""
    if item.path.relative_to(HERE).as_posix().startswith(ROOMS):
        prepared().ensure(kernels.compile_here, print)
