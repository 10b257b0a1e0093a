"""The files of a project as an editor sees them: what is on disk, and over it the texts that are open and not saved.

Also the units of the protocol: lines and characters count from 0, a character being one code unit of the encoding that
was agreed on; in dsl they count from 1, a column being one character.
"""

from __future__ import annotations

import codecs
import functools
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from server.publish import FILES_MAX, SUFFIXES

FILES_BYTES_MAX: Final = 256 << 20  # as read_project has it
_ROOT_BYTES_MAX: Final = 4_000_000  # of one file that is searched for `settings`
_SETTINGS = re.compile(rb"^settings[ \t]*\{", re.MULTILINE)
_WIDTH = {"utf-8": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}
_UNIT = {"utf-8": 1, "utf-16": 2, "utf-32": 4}


def path_of(uri: str) -> Path | None:
    """The file that a URI names; None for what is no file, as a buffer that was never saved."""
    parts = urlsplit(uri)
    if parts.scheme != "file" or not parts.path:
        return None
    path = unquote(parts.path)
    return None if "\0" in path else Path(path)


# ---------------------------------------------------------------------------------------------------- units


@dataclass(frozen=True, slots=True)
class Units:
    """How clients count characters: "utf-8", "utf-16" or "utf-32"."""

    encoding: str = "utf-16"

    def length(self, text: str) -> int:
        """In units."""
        if self.encoding == "utf-32" or text.isascii():
            return len(text)
        return len(text.encode(_WIDTH[self.encoding], "surrogatepass")) // _UNIT[self.encoding]

    def from_column(self, line: str, column: int) -> int:
        """The units before a column, which counts from 1."""
        return self.length(line[: max(column - 1, 0)])

    def to_column(self, line: str, character: int) -> int:
        """The column, from 1, at so many units; past the end of a line is its end, inside of a character its begin."""
        if self.encoding == "utf-32" or line.isascii():
            return min(max(character, 0), len(line)) + 1
        units = 0
        for number, letter in enumerate(line):
            units += self.length(letter)
            if units > character:
                return number + 1
        return len(line) + 1


@dataclass(frozen=True, slots=True)
class Text:
    """A file's text by lines, as clients count them: the mark at the beginning of a file belongs to its first line."""

    lines: Sequence[str]
    marked: bool = False

    def line(self, number: int) -> str:
        """The line of this number, from 1; "" where there is none."""
        return self.lines[number - 1] if 1 <= number <= len(self.lines) else ""

    def shift(self, number: int, units: Units) -> int:
        """The units of the mark at the beginning of the file."""
        return units.length("\ufeff") if self.marked and number == 1 else 0


@functools.lru_cache(maxsize=32)
def text_of(data: bytes) -> Text:
    """Of any bytes; what is no UTF-8 counts as one character a byte."""
    text = data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    return Text(text.removeprefix("\ufeff").split("\n"), text.startswith("\ufeff"))


# ---------------------------------------------------------------------------------------------------- projects


@dataclass(slots=True)
class Buffer:
    """A text that is open in the editor."""

    uri: str
    path: Path
    data: bytes
    version: int | None


def root_of(path: Path, buffers: Sequence[Buffer]) -> tuple[Path, bool]:
    """The project of a file: the nearest directory above with `settings` in one of its .promo files, and True.

    Where there is none, its own directory and False: what lies below that may be anything, even all of a disk."""
    opened = {buffer.path: buffer.data for buffer in buffers}
    for directory in path.parents:
        for candidate in _promos(directory, opened):
            data = opened.get(candidate)
            if _SETTINGS.search(_head(candidate) if data is None else data):
                return directory, True
    return path.parent, False


def _promos(directory: Path, opened: dict[Path, bytes]) -> Iterator[Path]:
    """The .promo files of one directory, those that are open first."""
    yield from (path for path in opened if path.parent == directory and path.suffix == ".promo")
    try:
        found = sorted(entry.name for entry in os.scandir(directory) if entry.name.endswith(".promo"))
    except OSError:
        return
    yield from (directory / name for name in found[:FILES_MAX] if directory / name not in opened)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_ROOT_BYTES_MAX).removeprefix(codecs.BOM_UTF8)
    except OSError:
        return b""


@dataclass(slots=True)
class Disk:
    """The files of a directory, read again only where size or time changed; `deep`: and of all directories below."""

    root: Path
    deep: bool = True
    known: dict[str, tuple[tuple[int, int], bytes]] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()

    def files(self) -> dict[str, bytes]:
        """By path within the project. Hidden files and links that lead out are left alone, as `einklang check` does.

        `skipped` names what did not fit, or could not be read."""
        found: dict[str, tuple[tuple[int, int], bytes]] = {}
        skipped: list[str] = []
        total = 0
        for name, path in _walk(self.root, self.deep):
            try:
                status = path.stat()
                stamp = (status.st_mtime_ns, status.st_size)
                if total + status.st_size > FILES_BYTES_MAX or len(found) >= FILES_MAX:
                    skipped.append(name)
                    continue
                before = self.known.get(name)
                data = before[1] if before is not None and before[0] == stamp else path.read_bytes()
            except OSError:
                skipped.append(name)
                continue
            total += len(data)
            found[name] = (stamp, data)
        self.known = found
        self.skipped = tuple(skipped)
        return {name: data for name, (_, data) in found.items()}


def _walk(root: Path, deep: bool) -> Iterator[tuple[str, Path]]:
    seen = 0
    real = root.resolve()
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if deep and not name.startswith("."))
        for name in sorted(names):
            if name.startswith(".") or not name.endswith(SUFFIXES):
                continue
            path = Path(folder, name)
            if path.is_symlink() and not path.resolve().is_relative_to(real):
                continue
            yield path.relative_to(root).as_posix(), path
        seen += 1
        if seen > FILES_MAX:
            return
