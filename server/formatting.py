"""`einklang fmt`: the files, before and after. What is written is written whole or not at all."""

from __future__ import annotations

import difflib
import io
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from dsl.diagnostics import Diagnostic
from dsl.format import LayoutBroken, NotFormatted, format_text
from dsl.parse import parse

ALONE_MAX: Final = 400_000  # bytes that one process formats faster than several, which start first

State = Literal["unchanged", "reformatted", "left"]


class NoFiles(Exception):
    """There is nothing to format; the message says what was asked for."""


@dataclass(frozen=True, slots=True)
class Formatted:
    """One file: its text before and after, and where it is left as it is, why."""

    path: str
    state: State
    before: str = ""
    after: str = ""
    why: str = ""
    findings: tuple[Diagnostic, ...] = ()


def files_of(paths: Sequence[Path]) -> list[Path]:
    """These files, and all .promo files below these directories, hidden ones left out. Raises NoFiles."""
    found: dict[Path, None] = {}
    for path in paths:
        try:
            mode = path.stat().st_mode
            if stat.S_ISDIR(mode):
                found.update(dict.fromkeys(_below(path)))
            else:
                found[path] = None
        except FileNotFoundError:
            raise NoFiles(f"{path}: there is no such file or directory") from None
        except OSError as error:
            raise NoFiles(f"{error.filename or path}: {error.strerror}") from None
    if not found:
        raise NoFiles(f"{', '.join(map(str, paths))}: no .promo files")
    return list(found)


def _below(directory: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(directory, onerror=_raise):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(folder, name) for name in sorted(names) if name.endswith(".promo") and name[0] != ".")


def _raise(error: OSError) -> None:
    raise error


def formatted(name: str, data: bytes) -> Formatted:
    """What becomes of one file."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return Formatted(name, "left", why="it is no UTF-8 text", findings=parse(name, data).findings)
    try:
        after = format_text(text)
    except NotFormatted as error:
        return Formatted(name, "left", text, text, str(error), parse(name, data).findings)
    except LayoutBroken as error:
        return Formatted(name, "left", text, text, f"internal error, please report it with this file: {error}")
    return Formatted(name, "unchanged" if after == text else "reformatted", text, after)


def format_files(paths: Sequence[Path]) -> Iterator[Formatted]:
    """What becomes of files, in their order; nothing is written. Large projects use all cores."""
    if len(paths) > 1 and sum(map(_size, paths)) > ALONE_MAX:
        with ProcessPoolExecutor() as pool:
            yield from pool.map(_formatted_file, paths, chunksize=4)
    else:
        yield from map(_formatted_file, paths)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _formatted_file(path: Path) -> Formatted:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # reading a pipe or a device may never end
            return Formatted(str(path), "left", why="it is not a regular file")
        data = path.read_bytes()
    except OSError as error:
        return Formatted(str(path), "left", why=f"it cannot be read: {error.strerror}")
    return formatted(str(path), data)


def write(result: Formatted) -> Formatted:
    """Write a file that was reformatted: the new text takes the old one's place at once and keeps its mode."""
    target = Path(result.path).resolve()  # through a link, not in its place
    temporary = ""
    try:
        mode = stat.S_IMODE(target.stat().st_mode)
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(result.after.encode())
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, target)
    except OSError as error:
        return Formatted(result.path, "left", result.before, result.before, f"it cannot be written: {error.strerror}")
    finally:
        with suppress(OSError):
            os.unlink(temporary)
    return result


def difference(result: Formatted) -> str:
    """A unified diff."""
    before, after = (io.StringIO(text, newline="\n").readlines() for text in (result.before, result.after))
    name = result.path.removeprefix("/")
    lines = difflib.unified_diff(before, after, f"a/{name}", f"b/{name}")
    return "".join(line if line.endswith("\n") else line + "\n\\ No newline at end of file\n" for line in lines)


def summary(results: Iterable[Formatted], *, pending: bool) -> str:
    """`3 files reformatted, 41 unchanged`; `pending`: nothing was written."""
    states = [result.state for result in results]
    done = "would be reformatted" if pending else "reformatted"
    counted = {done: states.count("reformatted"), "unchanged": states.count("unchanged")}
    counted["left as " + ("it is" if states.count("left") == 1 else "they are")] = states.count("left")
    parts = [f"{number:,} {what}" for what, number in counted.items() if number]
    return ", ".join(parts).replace(" ", " file " if parts[0].startswith("1 ") else " files ", 1)
