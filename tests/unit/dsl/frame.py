"""The small project around the examples of explain pages: what an example does not declare itself, the frame does."""

from __future__ import annotations

import functools
import pathlib
import re
from collections.abc import Mapping

from dsl.compiler import Compilation, check_project, compile_project
from dsl.memory import Memory
from dsl.parse import Pieces, parse
from dsl.source import block_end, mask

_HERE = pathlib.Path(__file__).parent / "frame"
_HEAD = re.compile(r"(\w+)(?: ([a-z0-9-]+))?")


def declarations(text: str) -> list[tuple[str, str, str]]:
    lines = text.split("\n")
    masked = [mask(line) for line in lines]
    index = 0
    found = []
    while index < len(lines):
        end = index + 1
        if masked[index].strip():
            end = block_end(masked, index)
            head = _HEAD.match(lines[index])
            assert head is not None
            found.append((head[1], head[2] or "", "\n".join(lines[index:end])))
        index = end
    return found


DATA = {path.relative_to(_HERE).as_posix(): path.read_bytes() for path in _HERE.rglob("*") if path.is_file()}
FRAME = declarations(DATA.pop("shop.promo").decode())
ONCE = ("settings", "sequence")


def framed(example: str, files: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """The example and what it needs to be a project; an example with a schema of its own needs little."""
    own_schema = re.search(r"^schema\b", example, re.MULTILINE)
    kept = []
    for kind, name, text in FRAME:
        again = rf"^{kind}\b" if kind in ONCE else rf"^{kind} {name}\b(?!-)"
        left_out = (own_schema and kind != "settings") or re.search(again, example, re.MULTILINE)
        kept.append("\n" * text.count("\n") if left_out else text)  # the others stand where they always do
    if "store-time" in example and not re.search(r"^stores\b", example, re.MULTILINE):
        kept.append('stores from "data/stores.csv"')
    return {**DATA, **(files or {}), "frame.promo": "\n\n".join(kept).encode(), "example.promo": example.encode()}


def compile_framed(example: str, files: Mapping[str, bytes] | None = None) -> Compilation:
    """The example in its frame, compiled."""
    return compile_project(framed(example, files), has_read(WHOLE))


def check_framed(example: str, files: Mapping[str, bytes] | None = None) -> Compilation:
    """The same, and analysed as a whole."""
    return check_project(framed(example, files), has_read(WHOLE))


def has_read(frame: bytes) -> Memory:
    """Most of what a small example would take is to read its frame, so the declarations of that are read once."""
    memory = Memory(lasting=False)
    memory.pieces["frame.promo"] = dict(_pieces(frame))
    return memory


@functools.cache
def _pieces(frame: bytes) -> Pieces:
    pieces: Pieces = {}
    parse("frame.promo", frame, pieces)
    return pieces


WHOLE = framed("")["frame.promo"]
