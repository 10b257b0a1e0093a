"""A project is compiled again and again while files change, break and are mended: with a memory of what was worked out
before, the result is what a compilation from nothing gives: Programs byte for byte, findings, tests and places. So is
the image that is linked of it with what an earlier link worked out."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.retailer import project
from dsl.analysis.worlds import Worlds
from dsl.compiler import Compilation, compile_project
from dsl.data import Table, Unreadable, changed_table, read_table
from dsl.memory import Memory
from engine.link import link
from engine.program import encode
from engine.reuse import Reuse

ROOT = Path(__file__).resolve().parents[3]
SHOP = ROOT / "examples" / "shop"
CHANGES = 8

Files = dict[str, bytes]


def shop() -> Files:
    return {
        path.relative_to(SHOP).as_posix(): path.read_bytes()
        for path in sorted(SHOP.rglob("*"))
        if path.suffix in {".promo", ".csv"}
    }


def made_up() -> Files:
    return project(promotions=5, articles=20)


def told(compilation: Compilation) -> list[object]:
    """All that a compilation says, ready to be compared."""
    return [
        [encode(program) for program in compilation.programs],
        compilation.diagnostics,
        compilation.tests,
        dict(compilation.spans),
        compilation.sources,
    ]


# ---------------------------------------------------------------------------------------------------- changes


def declarations(text: str) -> list[str]:
    """The pieces of a file: those that begin at the left margin."""
    return [piece for piece in re.split(r"(?m)^(?=[a-z])", text) if piece]


def in_text(change: Callable[[str, random.Random], str]) -> Callable[[Files, random.Random], None]:
    """A change of one .promo file."""

    def apply(files: Files, chance: random.Random) -> None:
        name = chance.choice([name for name in files if name.endswith(".promo")])
        files[name] = change(files[name].decode("utf-8", "replace"), chance).encode()

    return apply


@in_text
def another_number(text: str, chance: random.Random) -> str:
    found = list(re.finditer(r"\d+", text))
    return text if not found else _replace(text, chance.choice(found), str(chance.randrange(100)))


@in_text
def another_name(text: str, chance: random.Random) -> str:
    """One use or the declaration itself: so that names are unknown, declared twice, or free for others."""
    words = list(re.finditer(r"(?<= )[a-z]+(?:-[a-z0-9]+)+(?= |\n|,)", text))
    if not words:
        return text
    return _replace(text, chance.choice(words), chance.choice(words).group())


@in_text
def without_a_line(text: str, chance: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(lines[:at] + lines[at + 1 :]) if (at := chance.randrange(len(lines) or 1)) < len(lines) else text


@in_text
def a_line_twice(text: str, chance: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    at = chance.randrange(len(lines) + 1)
    return "".join([*lines[:at], chance.choice(lines) if lines else "\n", *lines[at:]])


@in_text
def without_a_declaration(text: str, chance: random.Random) -> str:
    pieces = declarations(text)
    return "".join(pieces[:at] + pieces[at + 1 :]) if (at := chance.randrange(len(pieces) or 1)) < len(pieces) else text


@in_text
def a_declaration_elsewhere(text: str, chance: random.Random) -> str:
    pieces = declarations(text)
    chance.shuffle(pieces)
    return "".join(pieces)


@in_text
def nonsense(text: str, chance: random.Random) -> str:
    at = chance.randrange(len(text) + 1)
    return text[:at] + chance.choice(("{", "}", '"', "5,00", " wenn ", "\n\n", "#", "ä", "\r\n", "\ufeff")) + text[at:]


@in_text
def a_contradiction(text: str, chance: random.Random) -> str:
    """Lines of a declaration that exclude each other, or exclude what others want of it."""
    heads = list(re.finditer(r"(?m)^(promotion|products|segment) .*\{\n", text))
    if not heads:
        return text
    head = chance.choice(heads)
    lines = {
        "promotion": ('  when customer.id is "A"\n  when customer.id is "B"\n', '  when customer.id is "A"\n'),
        "products": ('  item.sku is "A"\n  item.sku is "B"\n', '  item.sku is "A"\n'),
        "segment": ('  customer.id is "A"\n  customer.id is "B"\n', '  customer.id is "A"\n'),
    }[head[1]]
    return text[: head.end()] + chance.choice(lines) + text[head.end() :]


def a_copied_declaration(files: Files, chance: random.Random) -> None:
    names = [name for name in files if name.endswith(".promo")]
    pieces = declarations(files[chance.choice(names)].decode("utf-8", "replace"))
    into = chance.choice([*names, "more.promo"])
    files[into] = files.get(into, b"") + (chance.choice(pieces) if pieces else "").encode()


def without_a_file(files: Files, chance: random.Random) -> None:
    del files[chance.choice(list(files))]


def a_file_under_another_name(files: Files, chance: random.Random) -> None:
    name = chance.choice(list(files))
    files[f"{chance.choice('amz')}/{name.rpartition('/')[2]}"] = files.pop(name)


def another_cell(files: Files, chance: random.Random) -> None:
    names = [name for name in files if name.endswith(".csv")]
    if names:
        name = chance.choice(names)
        rows = [line.split(",") for line in files[name].decode("utf-8", "replace").split("\n")]
        row = chance.choice(rows)
        row[chance.randrange(len(row))] = chance.choice(("", "3.49", "yes", "4711", "x" * 300, chance.choice(rows)[0]))
        files[name] = "\n".join(",".join(row) for row in rows).encode()


def other_bytes(files: Files, chance: random.Random) -> None:
    files[chance.choice(list(files))] = chance.choice((b"", b"\xff\xfe", b"\xef\xbb\xbf", b"a,b\n1\n"))


def _replace(text: str, found: re.Match[str], by: str) -> str:
    return text[: found.start()] + by + text[found.end() :]


ALL = (
    *[another_number] * 4,
    *[another_name] * 3,
    *[another_cell] * 2,
    *[a_contradiction] * 3,
    without_a_line,
    a_line_twice,
    without_a_declaration,
    a_declaration_elsewhere,
    nonsense,
    a_copied_declaration,
    without_a_file,
    a_file_under_another_name,
    other_bytes,
)


# ---------------------------------------------------------------------------------------------------- tests


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(4, 8))])
def test_with_a_memory_a_project_compiles_to_the_same(seed):
    walk(seed, shop if seed == 0 else made_up, CHANGES)


@pytest.mark.long
@pytest.mark.parametrize("start", [shop, made_up], ids=lambda start: start.__name__)
@pytest.mark.parametrize("seed", range(100, 300))
def test_with_a_memory_a_project_compiles_to_the_same_at_length(seed, start):
    walk(seed, start, 5 * CHANGES)


def walk(seed: int, start: Callable[[], Files], changes: int) -> None:
    """From one state of a project to the next; half of the time back to one that was sound."""
    chance = random.Random(seed)
    memory, reuse = Memory(), Reuse()
    sound = files = start()
    for step in range(changes):
        compiled = compile_project({name: bytes(bytearray(data)) for name, data in files.items()}, memory)
        cold = compile_project(files)
        for warm_part, cold_part in zip(told(compiled), told(cold), strict=True):
            assert warm_part == cold_part, f"seed {seed}, step {step}"
        if cold.ok:
            sound = files
            assert link(compiled.programs, reuse) == link(cold.programs), f"seed {seed}, step {step}"
        files = dict(sound if chance.random() < 0.5 or not files else files)
        for _ in range(chance.choice((1, 1, 2, 3))):
            if files:
                chance.choice(ALL)(files, chance)


def test_what_did_not_change_is_the_very_same_object():
    files, memory = made_up(), Memory()
    before = compile_project(files, memory).programs
    name = next(name for name, data in files.items() if b"  owner " in data)
    other = re.sub(rb'  owner "[^"]*"', b'  owner "Others"', files[name], count=1)
    after = compile_project({**files, name: other}, memory).programs
    assert len(before) == len(after)
    assert [one.program for one, same in zip(before, after, strict=True) if one is not same] == ["promotion"]


def test_what_is_claimed_of_the_unchanged_is_not_asked_again(monkeypatch):
    """A promotion that can never apply is an error wherever it is compiled; only what changed is looked at again."""
    files, memory = made_up(), Memory()
    asked = []
    find = Worlds.find

    def noted(*given):
        asked.append(given)
        return find(*given)

    monkeypatch.setattr(Worlds, "find", noted)
    compile_project(files, memory)
    every = len(asked)
    name = next(name for name, data in files.items() if b"\npromotion " in data)
    never = re.sub(
        rb"(?m)^(promotion .*)$", rb'\1\n  when customer.id is "A"\n  when customer.id is "B"', files[name], count=1
    )
    asked.clear()
    assert [found.code for found in compile_project({**files, name: never}, memory).diagnostics] == ["P3105"]
    assert 0 < len(asked) < every / 4
    asked.clear()
    compile_project(files, memory)
    assert len(asked) < every / 4
    asked.clear()
    compile_project(files, memory)
    assert asked == []


def test_a_price_changes_one_column():
    files, memory = made_up(), Memory()
    one = compile_project(files, memory).programs
    files["data/catalogue.csv"] = re.sub(rb"goods,\d+\.\d\d", b"goods,77.77", files["data/catalogue.csv"], count=1)
    two = compile_project(files, memory).programs
    changed = [(a, b) for a, b in zip(one, two, strict=True) if a is not b]
    assert [a.program for a, _ in changed] == ["catalogue"]
    ((before, after),) = changed
    assert before.program == after.program == "catalogue"
    assert before.articles == after.articles
    assert [a.name for a, b in zip(before.columns, after.columns, strict=True) if a is not b] == ["price"]


def test_a_name_that_begins_to_mean_something_is_seen():
    """A finding may rest on what is not there."""
    files, memory = made_up(), Memory()
    compile_project(files, memory)
    unknown = files | {"promotions/more.promo": b"guard g {\n  never discount late\n}\n"}
    assert [found.code for found in compile_project(unknown, memory).diagnostics] == ["P1001"]
    known = unknown | {"a.promo": b'products late "Late" {\n  item.organic is yes\n}\n'}
    assert compile_project(known, memory).ok
    assert [found.code for found in compile_project(unknown, memory).diagnostics] == ["P1001"]


def table_file(chance: random.Random, end: str) -> list[str]:
    """The lines of a CSV file, some of its cells quoted, with breaks and quotes in them."""
    cells = ("1", " 2.50 ", "", '"a, b"', '"two\nlines"', '"said ""so"""', "ä")
    return ["sku,name,price" + end] + [
        f"{number},{chance.choice(cells)},{chance.choice(cells)}{end}" if chance.random() < 0.9 else end
        for number in range(chance.randrange(12))
    ]


@pytest.mark.parametrize("seed", range(300))
def test_a_table_of_which_lines_changed_is_the_table_read_whole(seed):
    """Lines are changed, taken out, added, broken: what is made of the table before is never another one."""
    chance = random.Random(seed)
    end = chance.choice(("\n", "\n", "\r\n"))
    lines = table_file(chance, end)
    table: Table | None = None
    data = b""
    for step in range(8):
        new = "".join(lines).encode()[: None if chance.random() < 0.8 else -1]
        try:
            whole = read_table("a.csv", new)
        except Unreadable:
            whole = None
        made = None if table is None else changed_table(table, data, new)
        if made is not None:
            assert whole is not None, f"seed {seed}, step {step}"
            assert (made.columns, made.rows, list(made.lines)) == (whole.columns, whole.rows, list(whole.lines)), (
                f"seed {seed}, step {step}"
            )
        if whole is not None:
            table, data = made or whole, new
        at = chance.randrange(len(lines))
        match chance.randrange(6):
            case 0:
                lines[at:at] = table_file(chance, end)[1:]
            case 1 if at:
                del lines[at]
            case 2:
                lines[at] = lines[at].replace(",", chance.choice((",", '"', "\r", ",,")), 1)
            case _:
                lines[at] = lines[at].replace("1", str(chance.randrange(100)), 1)


def test_of_a_changed_line_the_other_columns_stay_the_same_objects():
    old = b"sku,name,price\n1,a,1.00\n2,b,2.00\n3,c,3.00\n"
    before = read_table("a.csv", old)
    after = changed_table(before, old, old.replace(b"2.00", b"12.50"))
    assert after is not None
    assert after.columns == {"sku": ["1", "2", "3"], "name": ["a", "b", "c"], "price": ["1.00", "12.50", "3.00"]}
    assert [name for name in before.columns if after.columns[name] is not before.columns[name]] == ["price"]
