"""The house rules: what no file may hold, and what to write instead. And a test that each rule can fail."""

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
LINES_MAX = 1_500  # a reader's patience; generated code and locks excepted
NOT_OURS = {".venv", ".git", "__pycache__", "build", ".mypy_cache", ".ruff_cache", ".import_linter_cache"}
NOT_OURS |= {
    ".pytest_cache",
    ".hypothesis",
    ".einklang",
    "data",
    "node_modules",
}  # where git is asked, .gitignore decides
THIS = "tests/test_house.py"  # holds the banned words itself


class Source(NamedTuple):
    """One committed text file."""

    path: str  # from the root, with "/"
    text: str

    @property
    def generated(self) -> bool:
        return bool(re.search(r"_pb2(_grpc)?\.pyi?$", self.path))


class Ban(NamedTuple):
    """A pattern, where it is not allowed, and what to do instead."""

    name: str
    where: str  # regular expression on the path
    what: str  # regular expression on a line of code (comments and strings of Python left out) or of text
    instead: str
    planted: tuple[str, str]  # (path, text) that must be found
    code: bool = True  # Python code alone, without comments and strings


PURE = r"^(engine|dsl)/.*\.py$"
PYTHON = r"\.py$"
TEXT = r""

BANS = (
    Ban(
        "bare except",
        PYTHON,
        r"\bexcept\s*:",
        "name the exception that may happen; what may not happen should stop the program",
        ("server/x.py", "try:\n    f()\nexcept:\n    g()\n"),
    ),
    Ban(
        "sleeping test",
        r"^tests/.*\.py$",
        r"\btime\s*\.\s*sleep\b|\bfrom time import\b.*\bsleep\b",
        "wait for the event itself, with a time limit (Event.wait, a deadline on the call, a health watch)",
        ("tests/unit/test_x.py", "import time\ntime.sleep(1)\n"),
    ),
    Ban(
        "float",
        PURE,
        r"(?<![\w.])(?<!case )float\s*\(|\b(np|numpy)\s*\.\s*float\d*\b",
        "money and measures are integers: minor units, micros, thousandths (docs/semantics.md: never a float)",
        ("engine/x.py", "price = float('1.10')\n"),
    ),
    Ban(
        "system time",
        PURE,
        r"\b(datetime|date)\s*\.\s*(now|utcnow|today)\b|\bfrom time\b|\bimport time\b",
        "take the instant as an argument; server/clock.py is the only reader of the system time",
        ("engine/x.py", "at = datetime.now()\n"),
    ),
    Ban(
        "chance",
        PURE,
        r"\bimport (random|secrets|uuid)\b|\bfrom (random|secrets|uuid)\b|\b(np|numpy)\s*\.\s*random\b",
        "take the number as an argument; an arm is the hash of promotion and subject",
        ("dsl/x.py", "import random\n"),
    ),
    Ban(
        "code from data",
        PYTHON,
        r"\b(import|from) (pickle|marshal|shelve|dill)\b|(?<![\w.])(eval|exec)\s*\(",
        "read data with protobuf, JSON or struct: bytes from outside must never run",
        ("server/x.py", "import pickle\n"),
    ),
    Ban(
        "print",
        r"^(engine|dsl|server)/(?!cli\.py$).*\.py$",
        r"(?<![\w.])print\s*\(",
        "log through server/telemetry.py, or give the text back to server/cli.py",
        ("server/store.py", "print('ready')\n"),
    ),
    Ban(
        "a machine's path",
        TEXT,
        r"(?<![\w.$}/-])/(home|root|work|Users|mnt|opt)/[\w.-]+",
        "write a path from the project's root, or take it as a setting",
        ("docs/x.md", "see /home/anna/einklang\n"),
        code=False,
    ),
    Ban(
        "a package index",
        TEXT,
        r"https?://[\w.-]*(pypi|pythonhosted|npmjs|piwheels)[\w.-]*|--(extra-)?index-url|--trusted-host|--find-links",
        "where packages come from is the machine's business; write their names only",
        ("requirements/x.txt", "--extra-index-url https://pypi.example/simple\n"),
        code=False,
    ),
)

ALLOWED: dict[tuple[str, str], str] = {}  # (path, name of the ban): the reason of the exception


def committed() -> Iterator[Source]:
    """Each text file that git would take: tracked or new, not ignored. Without git, the tree less caches."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=ROOT,
            check=True,
            capture_output=True,
        ).stdout.decode()
        paths = [ROOT / name for name in listed.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        paths = [path for path in ROOT.rglob("*") if not NOT_OURS & set(path.relative_to(ROOT).parts)]
    for path in sorted(set(paths)):
        if path.is_file():
            try:
                yield Source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
            except UnicodeDecodeError:
                continue  # not a text


def without_comments_and_strings(text: str) -> str:
    """Python source with comments and string contents blanked; the lines stay where they are."""
    lines = text.splitlines(keepends=True)
    rows = [list(line) for line in lines]
    blank = {tokenize.COMMENT, tokenize.STRING} | {
        getattr(tokenize, name) for name in ("FSTRING_MIDDLE",) if hasattr(tokenize, name)
    }
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in blank:
            (first, start), (last, end) = token.start, token.end
            for row in range(first, last + 1):
                begin = start if row == first else 0
                stop = end if row == last else len(rows[row - 1])
                for column in range(begin, min(stop, len(rows[row - 1]))):
                    if rows[row - 1][column] != "\n":
                        rows[row - 1][column] = " "
    return "".join("".join(row) for row in rows)


def breaches(ban: Ban, sources: list[Source]) -> list[str]:
    """`path:line: text` of each place where the ban is broken."""
    found = []
    for source in sources:
        if source.generated or source.path == THIS or not re.search(ban.where, source.path):
            continue
        if (source.path, ban.name) in ALLOWED:
            continue
        text = without_comments_and_strings(source.text) if ban.code else source.text
        found += [
            f"{source.path}:{number}: {line.strip()[:100]}"
            for number, line in enumerate(text.splitlines(), start=1)
            if re.search(ban.what, line)
        ]
    return found


def inits_with_code(sources: list[Source]) -> list[str]:
    """`__init__.py` files that hold more, or less, than a docstring."""
    return [
        source.path
        for source in sources
        if source.path.endswith("__init__.py")
        and not ((body := ast.parse(source.text).body) and len(body) == 1 and ast.get_docstring(ast.parse(source.text)))
    ]


def too_long(sources: list[Source]) -> list[str]:
    """Files past the limit of lines."""
    return [
        f"{source.path}: {source.text.count(chr(10))} lines"
        for source in sources
        if not source.generated and not source.path.endswith(".lock") and source.text.count("\n") >= LINES_MAX
    ]


SHAPES: tuple[tuple[Callable[[list[Source]], list[str]], str, Source], ...] = (
    (
        inits_with_code,
        "an __init__.py holds one docstring and nothing else: importing a room must load nothing",
        Source("engine/__init__.py", '"""The machine."""\nfrom engine.decide import decide\n'),
    ),
    (
        too_long,
        f"a file has fewer than {LINES_MAX} lines: move a part with a name of its own into a file of its own",
        Source("engine/x.py", "x = 1\n" * LINES_MAX),
    ),
)


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    return list(committed())


@pytest.mark.parametrize("ban", BANS, ids=lambda ban: ban.name)
def test_nothing_banned(ban: Ban, sources: list[Source]) -> None:
    found = breaches(ban, sources)
    assert not found, f"\n{ban.name} — {ban.instead}:\n  " + "\n  ".join(found)


@pytest.mark.parametrize("ban", BANS, ids=lambda ban: ban.name)
def test_the_ban_finds_what_is_planted(ban: Ban) -> None:
    assert breaches(ban, [Source(*ban.planted)])


@pytest.mark.parametrize(("rule", "instead", "planted"), SHAPES, ids=[rule.__name__ for rule, _, _ in SHAPES])
def test_shape(rule: Callable[[list[Source]], list[str]], instead: str, planted: Source, sources: list[Source]) -> None:
    found = rule(sources)
    assert not found, f"\n{instead}:\n  " + "\n  ".join(found)
    assert rule([planted]), "the rule no longer finds what is planted"


def test_comments_and_strings_are_no_code() -> None:
    text = '"""never float(x)"""\nx = 1  # float(\nword = "print(1)"\n'
    assert not any(breaches(ban, [Source("engine/x.py", text)]) for ban in BANS)


def test_the_list_of_files_is_the_project(sources: list[Source]) -> None:
    paths = {source.path for source in sources}
    assert {"pyproject.toml", "Makefile", ".ci/run", THIS} <= paths
    assert not any(path.startswith((".venv/", ".git/", "examples/journey/data/")) for path in paths)


def test_exceptions_are_still_needed(sources: list[Source]) -> None:
    bans = {ban.name: ban for ban in BANS}
    texts = {source.path: source.text for source in sources}
    for path, name in ALLOWED:
        assert re.search(bans[name].what, texts.get(path, ""), re.MULTILINE), f"remove the exception {path}, {name}"
