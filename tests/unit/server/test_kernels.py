"""The kernel cache: an edited callee is seen, and a directory that others can write to is refused."""

import asyncio
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from server.kernels import KEPT, CacheUnsafe, NotCompiled, Prepared, cache_key, compile_apart, prepare
from server.settings import load
from tests.running import ROOT, alive

CALLEE = "from numba import njit\n\n@njit(cache=True)\ndef callee():\n    return {}\n"
CALLER = (
    "from numba import njit\nfrom engine_copy.callee import callee\n\n"
    "@njit(cache=True)\ndef caller():\n    return callee()\n"
)
ASK = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from server.kernels import prepare
prepared = prepare(Path(sys.argv[2]), Path(sys.argv[1]) / "engine_copy")
before = prepared.compiled
from engine_copy.caller import caller
prepared.ensure(lambda tell: caller(), print)
print(caller(), before, sum(caller.stats.cache_hits.values()))
"""
GATES = """
from __future__ import annotations
from typing import NamedTuple
import numpy as np
from engine.kernel import Ints, gate, kernel

class Sums(NamedTuple):
    low: int
    all: Ints

@kernel
def least(x: Ints) -> int:
    return x.min() if x.shape[0] else 0

@gate
def sums(x: Ints) -> Sums:
    if x.shape[0] > 9:
        raise ValueError("too many")
    return Sums(least(x), np.cumsum(x))
"""
LOAD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from server.kernels import prepare
prepare(Path(sys.argv[2]), Path(sys.argv[1]))
import numpy as np
import made_up
from engine.kernel import NotCached, compile_kernels, load_kernels
try:
    load_kernels() if sys.argv[3] == "load" else compile_kernels()
    print(made_up.sums(np.arange(2, 5)), end=" ")
    made_up.sums(np.arange(10))
except (NotCached, ValueError) as error:
    print(error)
"""
TAKE_TURNS = """
import sys
from pathlib import Path
from server.kernels import prepare
prepared = prepare(Path(sys.argv[1]), Path(sys.argv[2]))
def say(text):
    print(text, flush=True)
def work(tell):
    tell("at work")
    sys.stdin.readline()
print(prepared.ensure(work, say))
"""


def ask(place: Path) -> list[str]:
    """What the caller answers in a new process; whether it was said to be compiled; how often the cache was hit."""
    compiling = {name: value for name, value in os.environ.items() if name != "NUMBA_DISABLE_JIT"}
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(place), str(place / "cache")],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={**compiling, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'proto'}"},
    )
    return done.stdout.split()


def test_an_edited_callee_is_seen(tmp_path):
    engine = tmp_path / "engine_copy"
    engine.mkdir()
    (engine / "__init__.py").write_text("")
    (engine / "caller.py").write_text(CALLER)
    (engine / "callee.py").write_text(CALLEE.format(1))
    assert ask(tmp_path) == ["1", "False", "0"]
    assert ask(tmp_path) == ["1", "True", "1"]
    (engine / "callee.py").write_text(CALLEE.format(2))
    assert ask(tmp_path) == ["2", "False", "0"]


def test_kernels_are_loaded_as_machine_code_or_found_missing(tmp_path):
    (tmp_path / "made_up.py").write_text(GATES)

    def say(how: str) -> str:
        compiling = {name: value for name, value in os.environ.items() if name != "NUMBA_DISABLE_JIT"}
        command = [sys.executable, "-c", LOAD, str(tmp_path), str(tmp_path / "cache"), how]
        environment = {**compiling, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'proto'}"}
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, env=environment)
        return done.stdout.strip()

    assert say("load") == "made_up.least"
    compiled = "Sums(low=2, all=array([2, 5, 9])) too many"
    assert say("compile") == compiled
    assert say("load") == compiled
    for path in tmp_path.rglob("made_up.sums*.nbc"):
        path.unlink()
    assert say("load") == "made_up.sums"


@pytest.mark.parametrize("setting", ["BOUNDSCHECK", "DISABLE_JIT"])
def test_kernels_with_checked_bounds_are_kept_apart_and_so_is_where_none_are_compiled(tmp_path, monkeypatch, setting):
    """Or a run that is to check every index would load kernels that check none, and a server find none at all."""
    monkeypatch.setattr(f"numba.config.{setting}", 0)
    plain = cache_key(tmp_path)
    monkeypatch.setattr(f"numba.config.{setting}", 1)
    assert cache_key(tmp_path) != plain


def test_the_key_depends_on_every_file_and_its_name(tmp_path):
    (tmp_path / "a.py").write_text("1")
    keys = {cache_key(tmp_path)}
    (tmp_path / "a.py").write_text("2")
    keys.add(cache_key(tmp_path))
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    keys.add(cache_key(tmp_path))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "c.py").write_text("")
    keys.add(cache_key(tmp_path))
    assert len(keys) == 4


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o722])
def test_a_directory_that_others_can_write_to_is_refused(tmp_path, mode, monkeypatch):
    monkeypatch.setattr("server.kernels._HOLD_KERNELS", ())
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(mode)
    with pytest.raises(CacheUnsafe):
        prepare(tmp_path / "cache")


def test_a_few_earlier_engines_are_kept(tmp_path, monkeypatch):
    import numba

    monkeypatch.setattr("server.kernels._HOLD_KERNELS", ())
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    engine = tmp_path / "engine"
    engine.mkdir()
    for number in range(KEPT + 3):
        (engine / "a.py").write_text(str(number))
        directory = prepare(tmp_path / "cache", engine).directory
        os.utime(directory, (number, number))
    left = {path.name for path in (tmp_path / "cache" / "kernels").iterdir()}
    assert len(left) == KEPT + 1
    assert directory.name in left


@contextmanager
def one_that_compiles(tmp_path):
    """A process that compiles a stand-in until it is told a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", TAKE_TURNS, str(tmp_path / "cache"), str(tmp_path / "engine")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'proto'}"},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_the_second_waits_for_the_first_and_finds_its_work(tmp_path):
    with one_that_compiles(tmp_path) as first, one_that_compiles(tmp_path) as second:
        by_fd = {process.stdout.fileno(): process for process in (first, second)}
        said = {by_fd[fd]: by_fd[fd].stdout.readline() for fd in by_fd}
        assert sorted(said.values()) == ["another process compiles them: waiting for it\n", "at work\n"]
        worker = next(process for process, line in said.items() if line == "at work\n")
        other = second if worker is first else first
        worker.stdin.write("go\n")
        worker.stdin.flush()
        assert worker.stdout.read() == "True\n"
        assert other.stdout.read() == "False\n"


def test_when_the_first_is_killed_the_second_does_the_work(tmp_path):
    with one_that_compiles(tmp_path) as first:
        assert first.stdout.readline() == "at work\n"
        with one_that_compiles(tmp_path) as second:
            assert "waiting" in second.stdout.readline()
            first.kill()
            assert second.stdout.readline() == "at work\n"
            second.stdin.write("go\n")
            second.stdin.flush()
            assert second.stdout.read() == "True\n"


def test_a_work_that_fails_is_done_again(tmp_path, monkeypatch):
    monkeypatch.setattr("server.kernels._HOLD_KERNELS", ())
    prepared = Prepared(tmp_path)

    def fail(_tell):
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        prepared.ensure(fail, print)
    assert not prepared.compiled
    assert prepared.ensure(lambda _tell: None, print)
    assert not prepared.ensure(fail, print)


def test_what_prevents_compiling_is_told_in_a_sentence(tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    with pytest.raises(NotCompiled, match="others can write there"):
        asyncio.run(compile_apart(load({"cache_dir": tmp_path / "cache"}), print))


def test_a_compilation_that_is_given_up_leaves_no_process(tmp_path, monkeypatch):
    pids: list[int] = []
    monkeypatch.setattr("asyncio.create_subprocess_exec", noting(pids, asyncio.create_subprocess_exec))

    async def give_up():
        task = asyncio.ensure_future(compile_apart(load({"cache_dir": tmp_path / "cache"}), print))
        while not pids:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(give_up())
    assert not alive(pids[0])


def noting(pids, start):
    """`start`, with the ids of what it starts noted."""

    async def noted(*arguments, **options):
        process = await start(*arguments, **options)
        pids.append(process.pid)
        return process

    return noted
