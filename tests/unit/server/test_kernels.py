"""The kernel cache: an edited callee is seen, and a directory that others can write to is refused."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from server.kernels import KEPT, CacheUnsafe, cache_key, prepare
from tests.running import ROOT

CALLEE = "from numba import njit\n\n@njit(cache=True)\ndef callee():\n    return {}\n"
CALLER = (
    "from numba import njit\nfrom engine_copy.callee import callee\n\n"
    "@njit(cache=True)\ndef caller():\n    return callee()\n"
)
ASK = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from server.kernels import prepare
prepared = prepare(Path(sys.argv[2]), Path(sys.argv[1]) / "engine_copy")
from engine_copy.caller import caller
print(caller(), prepared.compiled, sum(caller.stats.cache_hits.values()))
prepared.note_complete()
"""


def ask(place: Path) -> list[str]:
    """What the caller answers in a new process; whether it was said to be compiled; how often the cache was hit."""
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(place), str(place / "cache")],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return done.stdout.split()


def test_an_edited_callee_is_seen(tmp_path):
    engine = tmp_path / "engine_copy"
    engine.mkdir()
    (engine / "__init__.py").write_text("")
    (engine / "caller.py").write_text(CALLER)
    (engine / "callee.py").write_text(CALLEE.format(1))
    assert ask(tmp_path) == ["1", "False", "0"]
    assert ask(tmp_path) == ["1", "True", "1"]
    (engine / "callee.py").write_text(CALLEE.format(2))
    assert ask(tmp_path) == ["2", "False", "0"]


def test_the_key_depends_on_every_file_and_its_name(tmp_path):
    (tmp_path / "a.py").write_text("1")
    keys = {cache_key(tmp_path)}
    (tmp_path / "a.py").write_text("2")
    keys.add(cache_key(tmp_path))
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    keys.add(cache_key(tmp_path))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "c.py").write_text("")
    keys.add(cache_key(tmp_path))
    assert len(keys) == 4


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o722])
def test_a_directory_that_others_can_write_to_is_refused(tmp_path, mode, monkeypatch):
    monkeypatch.setattr("server.kernels._HOLD_KERNELS", ())
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(mode)
    with pytest.raises(CacheUnsafe):
        prepare(tmp_path / "cache")


def test_a_few_earlier_engines_are_kept(tmp_path, monkeypatch):
    import numba

    monkeypatch.setattr("server.kernels._HOLD_KERNELS", ())
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    engine = tmp_path / "engine"
    engine.mkdir()
    for number in range(KEPT + 3):
        (engine / "a.py").write_text(str(number))
        directory = prepare(tmp_path / "cache", engine).directory
        os.utime(directory, (number, number))
    left = {path.name for path in (tmp_path / "cache" / "kernels").iterdir()}
    assert len(left) == KEPT + 1
    assert directory.name in left
