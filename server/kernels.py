"""The engine's compiled kernels on disk: a cache directory of their own per engine, numba and machine.

numba's cache looks at one file's time stamp and does not see an edited callee in another file; it would run old code.
So the directory's name is a hash of everything that compiled code depends on, and a changed engine looks elsewhere
(docs/decisions/numba-cache.md). `prepare` must be called before any engine module that holds kernels is imported.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ENGINE: Final = Path(__file__).resolve().parent.parent / "engine"
KEPT: Final = 4  # directories of earlier engines
MARK: Final = "complete"  # a file in the directory: everything was compiled once


class CacheUnsafe(Exception):
    """The cache directory cannot be trusted: whoever can write there can run code as this user."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Where the kernels are kept. `compiled`: they are there already, so that warming takes a second, not a minute."""

    directory: Path
    compiled: bool

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let one process compile at a time: the others wait, and then find its work. Blocks."""
        descriptor = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def note_complete(self) -> None:
        """Everything has been compiled: later starts are quick."""
        (self.directory / MARK).touch(0o600)


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
    return Prepared(directory, (directory / MARK).exists())


def cache_key(engine: Path = ENGINE) -> str:
    """A hash over the engine's sources and place, Python, numba, llvmlite, and this CPU with its features."""
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
        str(engine),  # numba files what it compiled under the path of its source
    ):
        said.update(part.encode() + b"\x00")
    for path in sorted(engine.glob("**/*.py")):
        content = path.read_bytes()
        said.update(f"{path.relative_to(engine).as_posix()}\x00{len(content)}\x00".encode() + content)
    return said.hexdigest()[:24]


_HOLD_KERNELS: Final = ("engine.decide", "engine.match", "engine.discounts", "engine.combine", "engine.prorate")


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
