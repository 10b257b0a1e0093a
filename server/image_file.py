"""An image as one file, for a till or device that decides by itself: `einklang image DIR`, server/deciding.py.

The file is a ZIP archive in which nothing is packed: `manifest`, `signatures` (none: not signed), `parts/<digest>`.
What is in it is named by its digest, which is verified when it is read. The same image is the same file.

What can go wrong, and who is told: BadImageFile, whoever opens it: not such a file, cut off, altered, or not signed by
a key that is trusted.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.timeline import is_digest
from server.signing import Trust

BYTES_MAX: Final = 1 << 30
ENTRIES_MAX: Final = 100_000
MANIFEST_MAX: Final = 16 << 20
SIGNATURES_MAX: Final = 32 << 10
EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # of every entry, so that the same image is the same file


class BadImageFile(Exception):
    """This file is not to be decided by; the message says why."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """What is in it. `digest` names the ruleset."""

    digest: str
    manifest: bytes
    signatures: bytes
    parts: Mapping[str, memoryview]


def write(path: Path, manifest: bytes, parts: Mapping[str, bytes], signatures: bytes = b"") -> int:
    """Write it whole or not at all; its size. Raises OSError."""
    entries = {"manifest": manifest, "signatures": signatures}
    entries |= {f"parts/{digest}": parts[digest] for digest in sorted(parts)}
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                for name, data in entries.items():
                    archive.writestr(zipfile.ZipInfo(name, EPOCH), data)
            file.flush()
            os.fsync(file.fileno())  # or power that fails leaves an empty file under the new name
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    return path.stat().st_size


def read(path: Path, trust: Trust | None = None) -> ImageFile:
    """What is in it, every digest verified; with `trust` that a trusted key has signed it, before anything is parsed.

    Raises BadImageFile."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            size = sum(entry.file_size for entry in entries)
            if len(entries) > ENTRIES_MAX or size > BYTES_MAX:
                raise BadImageFile(f"{path}: {len(entries):,} entries of {size:,} bytes: more than is taken")
            if any(entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 for entry in entries):
                raise BadImageFile(f"{path}: not an image file: something in it is packed or encrypted")
            content = {entry.filename: archive.read(entry) for entry in entries}
    except (OSError, zipfile.BadZipFile, NotImplementedError, EOFError, ValueError) as error:
        raise BadImageFile(f"{path}: cannot be read as an image file: {error}") from None
    manifest, signatures = content.pop("manifest", b""), content.pop("signatures", b"")
    if not 0 < len(manifest) <= MANIFEST_MAX or len(signatures) > SIGNATURES_MAX:
        raise BadImageFile(f"{path}: not an image file: it has no manifest, or too large a one")
    digest = hashlib.sha256(manifest).hexdigest()
    if trust is not None and (doubt := trust.doubt(digest, signatures)):
        raise BadImageFile(f"{path}: {doubt}")
    parts = {}
    for name, data in content.items():
        said = name.removeprefix("parts/")
        if name == said or not is_digest(said) or hashlib.sha256(data).hexdigest() != said:
            raise BadImageFile(f"{path}: {name[:80]!r} is not what its name says")
        parts[said] = memoryview(data)
    return ImageFile(digest, manifest, signatures, parts)
