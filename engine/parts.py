"""Parts of an image as bytes, and the manifest that names them.

A part is one buffer: magic, format, header (JSON: the arrays and a free data value), then the arrays, each on a
64-byte boundary. Parts are mapped read-only; an array is a view into its part. The manifest is canonical JSON that
names every part by its SHA-256; the SHA-256 of the manifest names the ruleset.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.decision import SEMANTICS

FORMAT = 6
MAGIC = b"EINKPART"
ALIGNMENT = 64
HEADER = struct.Struct("<8sII")
PART_BYTES_MAX = 2**31
NUMBER_MAX = 10**18  # of any number of a table or condition
# What reading bytes that are no image may raise. pydantic's ValidationError is a ValueError.
UNREADABLE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)

Ints = npt.NDArray[np.int64]
DTYPES: dict[str, np.dtype[Any]] = {
    "i8": np.dtype("<i8"),
    "i1": np.dtype("i1"),
    "u8": np.dtype("<u8"),
    "u1": np.dtype("u1"),
}


class ImageRejected(Exception):
    """The bytes are not an image that this engine can trust and run; the last good ruleset stays. Says why."""


class PartRef(NamedTuple):
    name: str
    digest: str  # SHA-256, hex
    size: int  # bytes

    @property
    def kind(self) -> str:
        """What it is: the first word of its name."""
        return self.name.partition(".")[0]


@dataclass(frozen=True)
class Image:
    """What the linker makes and the store keeps."""

    manifest: bytes
    parts: Mapping[str, bytes]  # by digest

    @cached_property
    def digest(self) -> str:
        """The name of the ruleset: SHA-256 of the manifest, hex."""
        return hashlib.sha256(self.manifest).hexdigest()


class Json(NamedTuple):
    """Data of a part whose text is known already."""

    text: str


def json_of(data: object) -> str:
    """Data as parts hold it."""
    if isinstance(data, Json):
        return data.text
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def encode_part(arrays: Mapping[str, npt.NDArray[Any]], data: object) -> bytes:
    """The canonical bytes of a part. Arrays are of DTYPES, in C order."""
    table = []
    offset = 0
    for name, array in arrays.items():
        code = next(c for c, dtype in DTYPES.items() if dtype == array.dtype)
        table.append([name, code, list(array.shape), offset])
        offset += -(-array.nbytes // ALIGNMENT) * ALIGNMENT
    header = f'{{"arrays":{json_of(table)},"data":{json_of(data)}}}'.encode()
    head = HEADER.pack(MAGIC, FORMAT, len(header)) + header
    body = [head, bytes(-len(head) % ALIGNMENT)]
    for array in arrays.values():
        body += [np.ascontiguousarray(array).tobytes(), bytes(-array.nbytes % ALIGNMENT)]
    return b"".join(body)


def decode_part(buffer: Any) -> tuple[dict[str, Any], Any]:
    """Arrays (read-only views) and data of a part; ImageRejected for bytes that are none."""
    view = memoryview(buffer).cast("B")
    if len(view) < HEADER.size:
        raise ImageRejected("a part is shorter than its header")
    magic, version, length = HEADER.unpack_from(view)
    if magic != MAGIC or version != FORMAT:
        raise ImageRejected(f"a part has format {version} of {magic!r}; this engine reads format {FORMAT} of {MAGIC!r}")
    if HEADER.size + length > len(view):
        raise ImageRejected("a part's header is longer than the part")
    try:
        header = json.loads(bytes(view[HEADER.size : HEADER.size + length]))
        table, data = header["arrays"], header["data"]
        rows = [(str(n), DTYPES[c], tuple(int(d) for d in shape), int(offset)) for n, c, shape, offset in table]
    except UNREADABLE as error:
        raise ImageRejected(f"a part's header does not read: {error!r}") from error
    start = -(-(HEADER.size + length) // ALIGNMENT) * ALIGNMENT
    arrays: dict[str, Any] = {}
    for name, dtype, shape, offset in rows:
        count = math.prod(shape)
        if offset < 0 or offset % ALIGNMENT or any(not 0 <= d <= len(view) for d in shape):
            raise ImageRejected(f"array {name} has a shape or place that no array has")
        if start + offset + count * dtype.itemsize > len(view):
            raise ImageRejected(f"array {name} lies outside its part")
        array = np.frombuffer(view, dtype, count, start + offset).reshape(shape) if count else np.zeros(shape, dtype)
        array.flags.writeable = False
        arrays[name] = array
    return arrays, data


def digest_of(part: bytes) -> str:
    """The name of a part's bytes."""
    return hashlib.sha256(part).hexdigest()


def manifest(parts: Mapping[str, bytes], digests: Iterable[str] = ()) -> bytes:
    """The canonical manifest of named parts; `digests`: theirs, where they are known."""
    named = zip(parts.items(), digests or map(digest_of, parts.values()), strict=True)
    rows = [{"name": name, "digest": digest, "size": len(part)} for (name, part), digest in sorted(named)]
    return json.dumps({"format": FORMAT, "semantics": SEMANTICS, "parts": rows}, separators=(",", ":")).encode()


PART_NAMES = ("articles", "catalogue", "codes", "listed", "names", "postings", "rules", "stores")
BLOCKS = ("prices", "products", "promotions")


def parts_of(manifest_bytes: bytes) -> tuple[PartRef, ...]:
    """The parts that a manifest names; ImageRejected if it does not read or asks for another engine."""
    try:
        value = json.loads(manifest_bytes)
        if value["format"] != FORMAT or value["semantics"] != SEMANTICS:
            raise ImageRejected(
                f"the image has format {value['format']}, semantics {value['semantics']}; "
                f"this engine reads format {FORMAT}, semantics {SEMANTICS}"
            )
        refs = tuple(PartRef(str(p["name"]), str(p["digest"]), int(p["size"])) for p in value["parts"])
    except UNREADABLE as error:
        raise ImageRejected(f"the manifest does not read: {error!r}") from error
    blocks = [f"{kind}.{i:05}" for kind in BLOCKS for i in range(sum(ref.name.startswith(f"{kind}.") for ref in refs))]
    if [ref.name for ref in refs] != sorted((*PART_NAMES, *blocks)) or any(
        not 0 < ref.size <= PART_BYTES_MAX for ref in refs
    ):
        names = ", ".join((*PART_NAMES, *(f"{kind}.00000 …" for kind in BLOCKS)))
        raise ImageRejected(f"the manifest must name the parts {names}, of 1 to {PART_BYTES_MAX} bytes")
    return refs


def require(holds: Any, what: str) -> None:
    """Raises ImageRejected where it does not hold."""
    if not bool(holds):
        raise ImageRejected(what)


def within(array: Ints, low: int, high: int, what: str) -> None:
    """low <= every entry < high."""
    require(array.size == 0 or (array.min() >= low and array.max() < high), f"{what} is out of bounds")


def ascends(array: Ints) -> Any:
    """No entry is less than the one before. Compared, not subtracted: a difference may wrap."""
    return (array[1:] >= array[:-1]).all()


def ranges(begin: Ints, owners: int, rows: int, what: str) -> None:
    """begin is an ascending list of owners + 1 positions, from 0 to rows."""
    require(begin.shape == (owners + 1,), f"{what} has the wrong length")
    require(begin[0] == 0 and begin[-1] == rows and ascends(begin), f"{what} does not ascend to its rows")
