"""Image parts and manifests as files: parts are fetched once, verified, mapped read-only; the workers of a host share
them.

A part is the file of its digest's name in `<data>/parts`. It is written under another name, synced and renamed, so
that a file of that name is whole; it is verified nevertheless, each time it is mapped: a disk may lie. While it is
mapped it is not mapped again.

What an image says is checked by the engine once, when it is first loaded; `CheckedImages` notes that it was.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import mmap
import os
import re
import secrets
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

from engine.timeline import is_digest
from server.clock import Clock, SystemClock
from server.store import MANIFEST_MAX, Store, StoreUnavailable
from server.telemetry import Counters, Event, Metric, say

USED_US: Final = 86_400_000_000
UNUSED_US: Final = 30 * USED_US
_DRAFT: Final = re.compile(r"\..+\.[0-9a-f]{8}")  # as write_whole names them


class PartFiles:
    """The parts of one data directory."""

    def __init__(self, directory: Path, counters: Counters, clock: Clock | None = None) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory
        self._counters = counters
        self._clock = clock or SystemClock()
        self._known: WeakValueDictionary[str, mmap.mmap] = WeakValueDictionary()  # those of rulesets that are loaded
        self._problem = ""  # why the disk does not take what is fetched
        self._lacking: set[str] = set()  # what was said not to be here, while the store was away

    async def get(self, store: Store, digest: str, size: int) -> memoryview:
        """The part's bytes, mapped. Fetched from the store unless a sound file is here; held in memory alone where the
        disk does not take it: one full disk must keep nobody else from publishing.

        Raises what Store.get_part raises."""
        assert is_digest(digest)
        if (known := self._known.get(digest)) is not None:
            return memoryview(known)
        view = await self._get(store, digest, size)
        if isinstance(view.obj, mmap.mmap):
            self._known[digest] = view.obj
        return view

    async def manifest(self, store: Store, digest: str) -> tuple[bytes, bytes]:
        """A ruleset's manifest and its signatures, from the store; while that is away, as they were the last time.

        Raises what Store.get_manifest raises."""
        path = self._directory / f"{digest}.manifest"
        signed = self._directory / f"{digest}.signatures"
        try:
            manifest, signatures = await store.get_manifest(digest), await store.get_signatures(digest)
        except StoreUnavailable:
            manifest, signatures = await asyncio.to_thread(lambda: (_read(path), _read(signed)))
            if hashlib.sha256(manifest).hexdigest() != digest:
                self._lacks(path.name)
                raise
            return manifest, signatures
        try:
            await asyncio.to_thread(_keep, {path: manifest, signed: signatures})
        except OSError as error:
            self._does_not_keep(error)
        return manifest, signatures

    async def _get(self, store: Store, digest: str, size: int) -> memoryview:
        path = self._directory / digest
        mapped = await asyncio.to_thread(_mapped, path, digest, size)
        if mapped is not None:
            await asyncio.to_thread(self._use, path)
            return mapped
        damaged = path.exists()  # or another process has just written it
        if damaged:
            mapped = await asyncio.to_thread(_mapped, path, digest, size)
            if mapped is not None:
                return mapped
        try:
            data = await store.get_part(digest, size)
        except StoreUnavailable:
            self._lacks(digest)
            raise
        if damaged:
            say(Event.PART_REPAIRED, digest=digest)
        self._counters.add(Metric.PART_FETCHES)
        self._counters.add(Metric.PART_FETCHED_BYTES, size)
        try:
            await asyncio.to_thread(write_whole, path, data)
            mapped = await asyncio.to_thread(_mapped, path, digest, size)
            if mapped is None:
                raise OSError(f"{path}: what was written cannot be read back")
        except OSError as error:
            self._does_not_keep(error)
            return _in_memory(data)
        self._problem = ""
        return mapped

    def _use(self, path: Path) -> None:
        """Note, at most once a day, that a part was mapped (`tidy`)."""
        now_us = self._clock.now_us()
        with suppress(OSError):
            if now_us - path.stat().st_mtime_ns // 1_000 > USED_US:
                os.utime(path, ns=(now_us * 1_000, now_us * 1_000))

    def tidy(self, now_us: int) -> int:
        """Delete parts that no loaded ruleset has and that nobody mapped for UNUSED_US; how many. While the store can
        be asked for them again. Blocks."""
        gone = 0
        for path in list(self._directory.iterdir()):
            with suppress(OSError):
                part = is_digest(path.name) and path.name not in self._known
                if part and now_us - path.lstat().st_mtime_ns // 1_000 > UNUSED_US:
                    path.unlink()
                    gone += 1
        return gone

    def _does_not_keep(self, error: OSError) -> None:
        """Say, once, that the disk takes nothing."""
        reason = error.strerror or str(error)
        if reason != self._problem:
            self._problem = reason
            say(Event.PART_NOT_KEPT, reason=reason)

    def _lacks(self, name: str) -> None:
        """Say, once, that a file is needed that is not here; the store is asked for it again and again."""
        if name not in self._lacking:
            self._lacking.add(name)
            say(Event.PART_LACKING, name=name)


class CheckedImages:
    """Which images this engine has checked, a small file for each: later starts and other processes open them at once.

    A note holds for the manifest's digest, which names every byte of an image, and for one engine: another engine may
    check more. What is in the file follows from both, so that a damaged one says nothing."""

    def __init__(self, directory: Path, engine: str) -> None:
        self._directory = directory
        self._engine = engine

    def has(self, digest: str) -> bool:
        """Whether the image of this manifest was checked."""
        try:
            return self._path(digest).read_bytes() == self._note(digest)
        except OSError:
            return False

    def add(self, digest: str) -> None:
        """It was. Where that cannot be noted, it is checked again another time."""
        path = self._path(digest)
        with suppress(OSError):
            path.unlink(missing_ok=True)  # of another engine
            write_whole(path, self._note(digest))

    def _path(self, digest: str) -> Path:
        assert is_digest(digest)
        return self._directory / f"{digest}.checked"

    def _note(self, digest: str) -> bytes:
        return hashlib.sha256(f"{self._engine} checked {digest}".encode()).hexdigest().encode()


def _in_memory(data: bytes) -> memoryview:
    """As if it were a mapped file."""
    if not data:
        return memoryview(b"")
    held = mmap.mmap(-1, len(data))
    held.write(data)
    return memoryview(held).toreadonly()


def _mapped(path: Path, digest: str, size: int) -> memoryview | None:
    """The file's bytes if it has this size and digest."""
    try:
        descriptor = open_file(path)
    except OSError:
        return None
    try:
        if os.fstat(descriptor).st_size != size:
            return None
        view = memoryview(mmap.mmap(descriptor, size, access=mmap.ACCESS_READ) if size else b"")  # 0 cannot be mapped
    finally:
        os.close(descriptor)
    return view if hashlib.sha256(view).hexdigest() == digest else None


def _read(path: Path) -> bytes:
    """A file's content; empty where there is none that can be read."""
    try:
        with open(open_file(path), "rb") as file:
            return file.read(MANIFEST_MAX)
    except OSError:
        return b""


def _keep(files: Mapping[Path, bytes]) -> None:
    """Write those that are not there yet, or otherwise. Raises OSError."""
    for path, data in files.items():
        if _read(path) != data:
            write_whole(path, data)


def open_file(path: Path) -> int:
    """A descriptor to read a file by. Raises OSError, also for what is none: a pipe would be waited for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a file", str(path))
    return descriptor


def write_whole(path: Path, data: bytes, mode: int = 0o400) -> None:
    """Whole or not at all, also when the power fails. Raises OSError, which names the path."""
    try:
        _write_whole(path, data, mode)
    except OSError as error:  # it names a draft, whose name is another one each time: what is said once would not be
        raise OSError(error.errno, error.strerror, str(path)) from None


def _write_whole(path: Path, data: bytes, mode: int) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(path.parent)


def delete_drafts(directory: Path) -> None:
    """Delete what killed processes began to write here; for whoever has the directory alone."""
    for path in directory.glob(".*"):
        if _DRAFT.fullmatch(path.name):
            with suppress(OSError):
                path.unlink()


def sync_folder(path: Path) -> None:
    """Have the disk keep which files a directory has. Raises OSError."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
