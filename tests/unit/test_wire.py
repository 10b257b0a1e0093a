"""The benchmark of reading: small, and without a judgement of its figures."""

from __future__ import annotations

import pytest

from benchmarks import __main__ as benchmarks
from benchmarks import wire
from server.convert import to_request


def test_it_prints_a_row_for_each_size(capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmarks.main(["wire", "--lines", "5", "20", "--tries", "1"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert [row[0] for row in rows[2:]] == ["5", "20"]


def test_its_requests_are_accepted() -> None:
    for lines in (1, 100):
        assert len(to_request(wire.request(lines), at_us=wire.AT_US).lines) == lines
    assert wire.request(20) == wire.request(20)


@pytest.mark.parametrize("wrong", [["--lines", "0"], ["--lines", "1001"], ["--tries", "0"], ["x"]])
def test_a_wrong_command_line(wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        wire.main(wrong)
    assert ended.value.code == 64
