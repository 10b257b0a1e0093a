"""What belongs to a project, and how clients count characters."""

from pathlib import Path

import pytest

from server.lsp_files import Buffer, Disk, Units, path_of, root_of, text_of


@pytest.mark.parametrize(
    ("encoding", "units"), [("utf-8", [0, 1, 3, 7, 8]), ("utf-16", [0, 1, 2, 4, 5]), ("utf-32", [0, 1, 2, 3, 4])]
)
def test_columns_and_units(encoding: str, units: list[int]) -> None:
    line = "aä🎉b"
    counted = Units(encoding)
    assert [counted.from_column(line, column) for column in range(1, 6)] == units
    assert [counted.to_column(line, unit) for unit in units] == [1, 2, 3, 4, 5]
    assert counted.to_column(line, 10**9) == 5
    assert counted.to_column(line, -1) == 1
    assert counted.to_column("", 3) == 1


def test_inside_of_a_character_is_its_begin() -> None:
    assert Units("utf-16").to_column("🎉b", 1) == 1
    assert Units("utf-8").to_column("ä", 1) == 1


def test_the_mark_at_the_beginning_of_a_file_is_counted_and_not_read() -> None:
    text = text_of("\ufeffsettings {\r\n}\r".encode())
    assert list(text.lines) == ["settings {", "}", ""]
    assert text.shift(1, Units("utf-8")) == 3
    assert text.shift(2, Units("utf-8")) == 0
    assert text.line(99) == ""


def test_uris() -> None:
    path = Path("/ein Ordner/Müller & Söhne/x.promo")
    assert path_of(path.as_uri()) == path
    assert path_of("untitled:Untitled-1") is None
    assert path_of("file:///a%00b") is None
    assert path_of("https://example.org/x.promo") is None


def test_a_project_is_where_the_settings_are(tmp_path: Path) -> None:
    inner = tmp_path / "shop" / "rules" / "deep"
    inner.mkdir(parents=True)
    (tmp_path / "shop" / "a.promo").write_text("# first\nsettings {\n}\n")
    rule = inner / "x.promo"
    assert root_of(rule, []) == (tmp_path / "shop", True)
    assert root_of(tmp_path / "alone.promo", []) == (tmp_path, False)
    buffer = Buffer("", inner / "new.promo", b"settings {\n", 1)
    assert root_of(rule, [buffer]) == (inner, True)


def test_without_settings_only_the_directory_itself_is_read(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "a.promo").write_text("")
    (tmp_path / "b.promo").write_text("")
    assert set(Disk(tmp_path).files()) == {"below/a.promo", "b.promo"}
    assert set(Disk(tmp_path, deep=False).files()) == {"b.promo"}


def test_the_disk_is_read_again_where_it_changed(tmp_path: Path) -> None:
    (tmp_path / "a.promo").write_text("one")
    (tmp_path / "b.promo").write_text("two")
    (tmp_path / ".hidden.promo").write_text("no")
    (tmp_path / "c.bin").write_text("no")
    (tmp_path / "out.promo").symlink_to("/etc/hostname")
    disk = Disk(tmp_path)
    first = disk.files()
    assert first == {"a.promo": b"one", "b.promo": b"two"}
    (tmp_path / "b.promo").write_text("three")
    (tmp_path / "d.csv").write_text("x")
    second = disk.files()
    assert second == {"a.promo": b"one", "b.promo": b"three", "d.csv": b"x"}
    assert second["a.promo"] is first["a.promo"]
    (tmp_path / "a.promo").unlink()
    assert set(disk.files()) == {"b.promo", "d.csv"}
