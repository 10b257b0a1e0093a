"""Parts as files, and in memory where the disk takes none. An image that was checked is noted; a note that is damaged,
of another image or another engine says nothing."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
from typing import Any

import pytest

from server import parts
from server.parts import UNUSED_US, CheckedImages, PartFiles
from server.telemetry import Counters

ONE, TWO = "1" * 64, "2" * 64


def test_what_was_checked_is_known_from_then_on(tmp_path):
    checked = CheckedImages(tmp_path, "engine")
    assert not checked.has(ONE)
    checked.add(ONE)
    assert checked.has(ONE)
    assert CheckedImages(tmp_path, "engine").has(ONE)
    assert not checked.has(TWO)
    checked.add(ONE)
    assert [path.name for path in tmp_path.iterdir()] == [f"{ONE}.checked"]


def test_another_engine_checks_again(tmp_path):
    CheckedImages(tmp_path, "one").add(ONE)
    other = CheckedImages(tmp_path, "two")
    assert not other.has(ONE)
    other.add(ONE)
    assert other.has(ONE)
    assert not CheckedImages(tmp_path, "one").has(ONE)


def test_a_damaged_note_says_nothing(tmp_path):
    checked = CheckedImages(tmp_path, "engine")
    checked.add(ONE)
    (note,) = tmp_path.iterdir()
    sound = note.read_bytes()
    note.chmod(0o600)
    for at in range(len(sound)):
        for damaged in (sound[:at], sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1 :]):
            note.write_bytes(damaged)
            assert not checked.has(ONE)
    note.write_bytes(sound)
    assert checked.has(ONE)
    note.rename(tmp_path / f"{TWO}.checked")
    assert not checked.has(TWO)


def test_what_cannot_be_noted_is_checked_again(tmp_path):
    checked = CheckedImages(tmp_path / "gone", "engine")
    checked.add(ONE)
    assert not checked.has(ONE)


def test_only_digests_are_file_names(tmp_path):
    for name in ("", "../x", ONE[:-1], ONE + "/"):
        with pytest.raises(AssertionError):
            CheckedImages(tmp_path, "engine").has(name)


class OneStore:
    """Has one part, its manifest, and counts."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.fetched = 0

    async def get_part(self, _digest: str, _size: int) -> bytes:
        self.fetched += 1
        return self.data

    async def get_manifest(self, _digest: str) -> bytes:
        return self.data

    async def get_signatures(self, _digest: str) -> bytes:
        return b"signed"


@pytest.mark.parametrize("data", [b"", b"x" * 70_000])
def test_where_the_disk_takes_nothing_a_part_is_held_in_memory(tmp_path, monkeypatch, caplog, data):
    def full(*_arguments: object, **_more: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    store: Any = OneStore(data)
    digest = hashlib.sha256(data).hexdigest()
    files = PartFiles(tmp_path / "parts", Counters())
    with monkeypatch.context() as patch:
        patch.setattr(parts, "write_whole", full)
        view = asyncio.run(files.get(store, digest, len(data)))
        assert bytes(view) == data
        assert view.readonly
        assert asyncio.run(files.manifest(store, digest)) == (data, b"signed")
        again = asyncio.run(files.get(store, digest, len(data)))
        assert bytes(again) == data
    assert caplog.text.count("image.part-not-kept") == 1
    if data:
        assert store.fetched == 1, "held as long as somebody has it"
    del view, again
    assert bytes(asyncio.run(files.get(store, digest, len(data)))) == data
    assert (tmp_path / "parts" / digest).exists(), "there is room again"


def time_us(path):
    return path.stat().st_mtime_ns // 1_000


def test_what_no_ruleset_needed_for_a_month_is_deleted(tmp_path):
    used, idle, young = (b"%d" % number for number in range(3))
    files = PartFiles(tmp_path, Counters())
    views = {}
    for data in (used, idle, young):
        store: Any = OneStore(data)
        views[data] = asyncio.run(files.get(store, hashlib.sha256(data).hexdigest(), 1))
    del views[idle], views[young]
    path = {data: tmp_path / hashlib.sha256(data).hexdigest() for data in (used, idle, young)}
    now_us = time_us(path[young]) + UNUSED_US
    (tmp_path / "note").write_text("of somebody else")
    for data in (used, idle):
        os.utime(path[data], (1, 1))
    assert files.tidy(now_us) == 1
    assert [path[data].exists() for data in (used, idle, young)] == [True, False, True]
    os.utime(path[young], (1, 1))
    again: Any = OneStore(young)
    held = asyncio.run(files.get(again, path[young].name, 1))
    assert (bytes(held), again.fetched) == (young, 0)
    del held
    assert files.tidy(time_us(path[young])) == 0, "mapping it is using it"
    assert (tmp_path / "note").exists()
