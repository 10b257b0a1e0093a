"""The benchmark of mapped images: small, and without a judgement of its figures."""

from __future__ import annotations

import pytest

from benchmarks import __main__ as benchmarks
from benchmarks import image


def test_it_tells_of_parts_processes_and_a_price(tmp_path, capsys):
    arguments = ["image", "--promotions", "50", "--articles", "100", "--without-server", "--data-dir", str(tmp_path)]
    assert benchmarks.main(arguments) == 0
    said = capsys.readouterr().out
    assert "50 promotions over 100 articles" in said
    for row in ("articles", "catalogue", "names", "rules", "all", "checked the image", "found it checked"):
        assert f"\n {row} " in said
    assert "One price is another: 1 of " in said
    assert ": catalogue (" in said


@pytest.mark.parametrize("wrong", [["--promotions", "0"], ["--articles", "many"], ["x"]])
def test_a_wrong_command_line(wrong):
    with pytest.raises(SystemExit) as ended:
        image.main(wrong)
    assert ended.value.code == 64


def test_it_empties_no_directory_of_others(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("precious")
    assert image.main(["--promotions", "50", "--data-dir", str(tmp_path), "--without-server"]) == 64
    assert (tmp_path / "thesis.txt").read_text() == "precious"
    assert "holds something else" in capsys.readouterr().err
