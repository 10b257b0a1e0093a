"""The engine's compiled kernels on disk: a cache directory of their own per engine, numba and machine.

numba's cache looks at one file's time stamp and does not see an edited callee in another file; it would run old code.
So the directory's name is a hash of everything that compiled code depends on, and a changed engine looks elsewhere
(docs/decisions/numba-cache.md). `prepare` must be called before any engine module that holds kernels is imported.

    python -m server.kernels        compile now what is not compiled yet, about a minute once per version

A server that finds nothing compiled runs this command as a child (`compile_apart`): so it hears signals at once, ends
at once, and does not keep the memory that compiling takes.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import fcntl
import hashlib
import os
import platform
import shutil
import signal
import stat
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final

from server.settings import BadSettings, Settings, child_environment, load

ENGINE: Final = Path(__file__).resolve().parent.parent / "engine"
KEPT: Final = 4  # directories of earlier engines
MARK: Final = "complete"  # a file in the directory: everything was compiled once
FIRST: Final = "compiling the engine for this machine: once per version, about a minute"
SOME: Final = 10  # kernels between two lines that tell of progress

Tell = Callable[[str], None]  # is told, in words, how far it is


class CacheUnsafe(Exception):
    """The cache directory cannot be trusted: whoever can write there can run code as this user."""


class NotCompiled(Exception):
    """The kernels could not be compiled; the message says why."""


class Incomplete(Exception):
    """A kernel that should be in the cache is not; it is to be compiled."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Where the kernels are kept."""

    directory: Path

    @property
    def compiled(self) -> bool:
        """Whether they are there already, so that warming takes a second, not a minute."""
        return self._marked()

    def doubt(self) -> None:
        """Something of it is gone: whoever compiles next looks at every kernel."""
        (self.directory / MARK).unlink(missing_ok=True)

    def _marked(self) -> bool:
        return (self.directory / MARK).exists()

    def ensure(self, work: Callable[[Tell], None], tell: Tell) -> bool:
        """Have `work` done once per directory: one process at a time, the others wait and then find it done. Blocks.

        Whether it was this one that did it."""
        if self._marked():
            return False
        descriptor = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                tell("another process compiles them: waiting for it")
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if self._marked():
                return False
            work(tell)
            (self.directory / MARK).touch(0o600)
            return True
        finally:
            os.close(descriptor)


def prepare(cache_dir: Path, engine: Path = ENGINE) -> Prepared:
    """Point numba's cache to the directory for this engine on this machine. Raises CacheUnsafe."""
    assert not any(name in sys.modules for name in _HOLD_KERNELS), "kernels were imported before their cache was set"
    import numba

    home = cache_dir / "kernels"
    directory = home / cache_key(engine)
    for path in (cache_dir, home, directory):
        _private(path)
    numba.config.CACHE_DIR = str(directory)  # type: ignore[attr-defined] # filled in at run time
    os.utime(directory)
    _forget_old(home, directory)
    return Prepared(directory)


def cache_key(engine: Path = ENGINE) -> str:
    """A hash over the engine's sources and place, Python, numba and how it is set, llvmlite, this CPU's features."""
    import llvmlite
    import llvmlite.binding as llvm
    import numba

    said = hashlib.sha256()
    for part in (
        platform.python_implementation(),
        platform.python_version(),
        numba.__version__,
        llvmlite.__version__,
        llvm.get_process_triple(),
        llvm.get_host_cpu_name(),
        llvm.get_host_cpu_features().flatten(),
        *(
            f"{name} {getattr(numba.config, name)}" for name in ("BOUNDSCHECK", "DISABLE_JIT", "OPT")
        ),  # numba does not look at these
        str(engine),  # numba files what it compiled under the path of its source
    ):
        said.update(part.encode() + b"\x00")
    for path in sorted(engine.glob("**/*.py")):
        content = path.read_bytes()
        said.update(f"{path.relative_to(engine).as_posix()}\x00{len(content)}\x00".encode() + content)
    return said.hexdigest()[:24]


_HOLD_KERNELS: Final = (
    "engine.backtest",
    "engine.decide",
    "engine.direct",
    "engine.fill",
    "engine.match",
    "engine.discounts",
    "engine.combine",
    "engine.prorate",
    "engine.wire",
    "engine.wire_out",
    "engine.quick",
)


def _private(path: Path) -> None:
    """Make it, or insist that nobody else can write there: numba unpickles what it finds."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise CacheUnsafe(f"{path}: not a directory of this user; set another --cache-dir")
    if status.st_mode & 0o022:
        raise CacheUnsafe(f"{path}: others can write there, and compiled code is read from it; chmod 700, or delete it")


def _forget_old(home: Path, current: Path) -> None:
    """Delete the directories of engines that were not used for longest."""
    others = [path for path in home.iterdir() if path != current and path.is_dir() and not path.is_symlink()]
    others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in others[KEPT:]:
        shutil.rmtree(path, ignore_errors=True)


# ---------------------------------------------------------------------------------------------------- compiling


def compile_here(tell: Tell) -> None:
    """Compile all kernels in this process, or load them. After `prepare`."""
    from engine.kernel import compile_kernels

    _declare()

    def progress(done: int, total: int) -> None:
        if done % SOME == 0:
            tell(f"{done} of {total} done")

    compile_kernels(progress)


def _declare() -> None:
    import_module("engine.backtest")  # it declares every kernel


def load_here() -> None:
    """Load the kernels that are compiled. After `prepare`. Raises Incomplete."""
    from engine.kernel import NotCached, load_kernels

    _declare()
    try:
        load_kernels()
    except NotCached as missing:
        raise Incomplete(f"the kernel cache lacks {missing}") from None


def trim() -> None:
    """Give freed memory back to the system."""
    with suppress(AttributeError):  # the C library is another than glibc
        ctypes.CDLL(None).malloc_trim(0)


async def compile_apart(settings: Settings, tell: Tell) -> None:
    """Compile all kernels in a process of its own, which ends with this one. Raises NotCompiled."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        "server.kernels",
        "--parent",
        str(os.getpid()),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={
            **child_environment(settings),
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if os.path.isabs(path)),
        },
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    wrong = asyncio.create_task(process.stderr.read())
    try:
        while line := await process.stdout.readline():
            tell(line.decode(errors="replace").strip())
        last = (await wrong).decode(errors="replace").strip().rpartition("\n")[2]
        if code := await process.wait():
            raise NotCompiled(f"the engine could not be compiled: {last or f'exit code {code}'}")
    finally:
        wrong.cancel()
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. 0: the kernels are compiled; 2: they could not be, standard error says why."""
    parser = argparse.ArgumentParser(
        prog="python -m server.kernels",
        description="Compile the engine for this machine, about a minute once per version; later starts are quick.",
    )
    parser.add_argument("--cache-dir", type=Path, help="where compiled kernels are kept (EINKLANG_CACHE_DIR)")
    parser.add_argument("--parent", type=int, default=0, help="end with this process")
    given = parser.parse_args(arguments)
    try:
        if given.parent:
            _end_with_parent(given.parent)
        prepared = prepare(load({"cache_dir": given.cache_dir}).cache_dir)
        did = prepared.ensure(compile_here, _say)
        _say(f"{'compiled' if did else 'compiled already'}: {prepared.directory}")
    except KeyboardInterrupt:
        return 130
    except (CacheUnsafe, BadSettings, OSError) as error:
        sys.stderr.write(f"einklang: {error}\n")
        return 2
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _end_with_parent(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        sys.exit("the process that started this one is gone")


if __name__ == "__main__":
    sys.exit(main())
