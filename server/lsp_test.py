"""«run test» of an editor: `einklang test` in a process of its own, on the texts as they are open."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Failure:
    """What a test expected and did not get, and in which line."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Tested:
    """What became of a test; `problem`: why it did not run."""

    ok: bool
    file: str = ""
    failures: tuple[Failure, ...] = ()
    problem: str = ""


async def run_test(root: Path, files: Mapping[str, bytes], saved: Mapping[str, bytes], name: str) -> Tested:
    """Run one test of a project, by its name."""
    if files == saved:
        return await _run(root, name)
    with tempfile.TemporaryDirectory(prefix="einklang-test-") as directory:
        for path, data in files.items():
            into = Path(directory, path)
            into.parent.mkdir(parents=True, exist_ok=True)
            into.write_bytes(data)
        return await _run(Path(directory), name)


async def _run(root: Path, name: str) -> Tested:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "server.cli",
        "test",
        "--format",
        "json",
        "-k",
        name,
        str(root),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        raise
    try:
        answer = json.loads(out)
    except ValueError:
        lines = err.decode("utf-8", "replace").strip().splitlines()
        return Tested(False, problem=lines[-1] if lines else "The tests ended without an answer.")
    mine = next((test for test in answer["tests"] if test["name"] == name), None)
    if mine is None:
        return Tested(False, problem="The project does not compile: mend what is marked first.")
    failures = tuple(
        Failure(one["line"], "\n".join([f"expected {one['expected']}", f"but {one['but']}", *one["because"]]))
        for one in mine["failures"]
    )
    return Tested(mine["ok"], mine["file"], failures)
