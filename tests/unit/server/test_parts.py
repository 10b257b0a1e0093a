"""An image that was checked is noted; a note that is damaged, of another image or another engine says nothing."""

from __future__ import annotations

import pytest

from server.parts import CheckedImages

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
