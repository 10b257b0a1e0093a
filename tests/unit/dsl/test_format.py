"""The one layout of rules: what it looks like, that it is one, and that nothing is lost on the way."""

from __future__ import annotations

import pathlib
import random
import re
from collections import defaultdict

import pytest

import dsl
from dsl import format as formatter
from dsl import limits
from dsl.compiler import compile_project
from dsl.format import CLAUSE_ORDER, LayoutBroken, NotFormatted, format_text, layout
from dsl.parse import parser, shape
from dsl.source import mask
from dsl.spelling import canonical, words
from dsl.vocabulary import CLAUSES

ROOT = pathlib.Path(__file__).parents[3]
FENCE = re.compile(r"^```promo \w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for folder in ("examples", "tests")
    for path in sorted((ROOT / folder).rglob("*.promo"))
}
PAGES = {
    f"{path.stem}-{number}": text
    for path in sorted((pathlib.Path(dsl.__file__).parent / "explain").glob("*.md"))
    for number, text in enumerate(FENCE.findall(path.read_text(encoding="utf-8")))
}
TEXTS = {name: text for name, text in (FILES | PAGES).items() if shape(text) is not None}

MESSY = """\
\ufeff

# What holds for all.
settings {
  currency   EUR,CHF # sold in both
  languages de , en

  rounding half-up            # half a cent
}
catalogue from "data/a.csv"
stores from "data/b.csv"


# Section

# Five for all.
promotion\tfive   "Fünf"{   # since 2026

    owner "Pricing"
  #group notes
  group item-deals


  label en "A  b # c"   # its text
\tget  EUR 5 off   pasta each
  # until Saturday
  runs from 2026-09-07 until 2026-09-12
  when any of {
  # either
  basket has at least 2.50 kg of apples
  customer.churn-risk is at most 010.50 %

  }   # or else
  sold in stores,   # the shops

     # and the web
   webshop, app
  for everyone
  funded 60 % by supplier "A", 10% by partner "B", rest by us
  # that is all

}
# left over


# more

"""

NEAT = """\
# What holds for all.
settings {
  currency EUR, CHF  # sold in both
  languages de, en

  rounding half-up  # half a cent
}

catalogue from "data/a.csv"
stores from "data/b.csv"

# Section

# Five for all.
promotion five "Fünf" {  # since 2026
  # until Saturday
  runs from 2026-09-07 until 2026-09-12
  sold in stores,  # the shops
    # and the web
    webshop, app
  for everyone
  when any of {
    # either
    basket has at least 2.5 kg of apples
    customer.churn-risk is at most 10.5%
  }  # or else
  get EUR 5.00 off pasta each
  #group notes
  group item-deals
  funded 60% by supplier "A", 10% by partner "B", rest by us

  label en "A  b # c"  # its text
  owner "Pricing"
  # that is all
}

# left over

# more
"""


def test_the_look():
    assert format_text(MESSY) == NEAT
    assert format_text(NEAT) == NEAT
    assert format_text(MESSY.replace("\n", "\r\n")) == NEAT


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("examples/")])
def test_the_examples_are_formatted(name):
    assert format_text(FILES[name]) == FILES[name]


def test_long_lists_are_filled_and_short_ones_joined():
    names = [f"article-set-{number:02}" for number in range(30)]
    text = format_text("guard a {\n  never discount " + ",\n ".join(names) + "\n never count a,\n b,\n\n c\n}\n")
    lines = text.split("\n")
    assert lines[-3:] == ["  never count a, b, c", "}", ""]
    assert max(map(len, lines)) <= formatter.WIDTH
    assert [line[:5] for line in lines[1:-3]] == ["  nev", *["    a"] * (len(lines) - 5)]
    assert all(len(line) + len(" article-set-00,") > formatter.WIDTH for line in lines[1:-4])


def test_lines_are_not_broken_where_the_language_has_no_line_end():
    long = "b" * 60
    money = " or ".join(f"{currency} 5.00" for currency in ("EUR", "CHF", "USD", "GBP", "PLN", "CZK", "NOK"))
    for line in (
        f"  get 10% off 2 of {long}-{long}, fewer too",
        f"  get them together for {money}, singles too",
        f"  get what the cashier enters, at most {money}",
    ):
        assert format_text(f"promotion a {{\n{line}\n}}\n") == f"promotion a {{\n{line}\n}}\n"
    head = f"schema {{\n  event {long}, one {long} {{\n    a: text\n"
    flags = f"    {long}: one of {long} (personal, predicted, default {long})\n  }}\n}}\n"
    assert format_text(head + flags) == head + flags


def test_comments_of_neighbouring_lines_stand_in_one_column():
    text = "group a {\n  gives discounts # 1\n  apply all\n  prices original # 2\n\n  order a # 3\n}\n"
    assert format_text(text) == (
        "group a {\n  gives discounts  # 1\n  apply all\n  prices original  # 2\n\n  order a  # 3\n}\n"
    )
    long = "x" * 60
    text = f"group a {{\n  order a  # 1\n  order {long}  # 2\n  gives benefits  # 3\n}}\n"
    assert format_text(text) == text.replace("order a  #", "order a         #")


def test_every_clause_of_the_language_has_its_place():
    assert set(CLAUSES) <= set(CLAUSE_ORDER)
    grammar = (ROOT / "dsl" / "grammar.lark").read_text(encoding="utf-8")
    rules = re.search(r"^\?clause:(.*?)\n\n", grammar, re.MULTILINE | re.DOTALL)
    assert rules is not None
    for rule in re.findall(r"\w+", rules[1]):
        body = re.search(rf"^{rule}: (.*?)\n(?=\S)", grammar, re.MULTILINE | re.DOTALL)
        assert body is not None, rule
        for form in re.findall(r'(?:^|\n +\| )"(\w+)"(?: "(\w+)")?', body[1]):
            assert " ".join(form) in CLAUSE_ORDER or form[0] in CLAUSE_ORDER, form


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("get EUR5 off pasta each", "get EUR 5.00 off pasta each"),
        ("get EUR\t5.5 or JPY 500.00 or KWD 1 off pasta each", "get EUR 5.50 or JPY 500 or KWD 1.000 off pasta each"),
        ("get EUR 0.12345 off per 100  g of tea", "get EUR 0.12345 off per 100 g of tea"),
        ("get 010.50 %off pasta", "get 10.5% off pasta"),
        ("get 0% off pasta", "get 0% off pasta"),
        ("buy 03 of pasta,1 of tea , 2.50   kg of apples", "buy 3 of pasta, 1 of tea, 2.5 kg of apples"),
        ("runs from 2026-09-01 08:00until 2026-09-30", "runs from 2026-09-01 08:00 until 2026-09-30"),
        ("get 20%off every 2nd ,50% off every 3rd", "get 20% off every 2nd, 50% off every 3rd"),
        ("get 1.50 times points on the   basket", "get 1.5 times points on the basket"),
        ('label en"Ä  {saved} #1"', 'label en "Ä  {saved} #1"'),
        ("limit 1 per customer in any 30  days", "limit 1 per customer in any 30 days"),
        ("sold in a-2x, b2", "sold in a-2x, b2"),
    ],
)  # fmt: skip
def test_canonical_literals(written, meant):
    assert format_text(f"promotion a {{\n{written}\n}}") == f"promotion a {{\n  {meant}\n}}\n"
    assert canonical([written]) == meant


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment", "\ufeff", "  # a\n\n\n\n# b\n\n"])
def test_next_to_nothing(text):
    lines = [line.strip() for line in text.strip("\ufeff\n").split("\n")]
    wanted = re.sub(r"\n\n+", "\n\n", "\n".join(lines))
    assert format_text(text) == wanted + ("\n" if wanted else "")


def test_blanks_of_word_processors():
    assert format_text("sequence\u00a0a,\u2003b  #\u00a0x\u00a0y\n") == "sequence a, b  #\u00a0x\u00a0y\n"


@pytest.mark.parametrize(
    "text",
    [
        "promotion a {\n  get 10 € off pasta\n}\n",
        "promotion a {\n  get 10% off pasta",
        "promotion a\n{\n  get 10% off pasta\n}\n",
        "promotion a {\n  get 10% off pasta }\n",
        "}",
        'label en "x\n',
        "segment a {\n" + "any of {\n" * 3000 + "in a\n" + "}\n" * 3001,
        "# " + "x" * limits.LINE_CHARACTERS_MAX,
        "# x\n" * (limits.FILE_BYTES_MAX // 4 + 1),
        "segment a {\n# " + "x" * (limits.LINE_CHARACTERS_MAX - 2) + "\nin b\n}\n",
    ],
    ids=range(10),
)
def test_what_cannot_be_read_is_not_touched(text):
    with pytest.raises(NotFormatted):
        format_text(text)


@pytest.mark.parametrize(
    ("good", "bad"),
    [("off fashion each", "off fashion together"), ("EUR 5.00", "EUR 5.01"), ("stores, app", "app, stores")],
)
def test_a_layout_that_says_something_else_is_noticed(monkeypatch, good, bad):
    text = "promotion a {\n get EUR 5 off fashion each\n sold in stores, app\n}\n"
    monkeypatch.setattr(formatter, "layout", lambda text: layout(text).replace(good, bad))
    with pytest.raises(LayoutBroken):
        format_text(text)


# ---------------------------------------------------------------------------------------------------- at random


def split(line: str) -> tuple[str, str]:
    """Code and comment."""
    code = line[: len(mask(line).rstrip())]
    return code, line[len(code) :].strip()


def beside(text: str) -> dict[tuple[object, ...], list[str]]:
    """The comments by what they stand beside: read without the formatter, line by line."""
    found: dict[tuple[object, ...], list[str]] = defaultdict(list)
    path: list[str] = []
    said: list[str] = []
    waiting: list[str] = []
    for line in text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n"):
        code, comment = split(line)
        spelt = words(code)
        if not spelt:
            waiting += [comment] if comment else []
            continue
        if spelt == ["}"]:
            found[*path, "end"] += waiting
            found[*path, "brace"] += [comment] if comment else []
            path.pop()
        else:
            found[*path, "above", *said[:1], spelt[0]] += waiting
            said += spelt
            found[*path, "behind", *said] += [comment] if comment else []
            if not said[-1].endswith(","):
                path += [" ".join(said)] if said[-1] == "{" else []
                said = []
        waiting = []
    found["end",] += waiting
    assert not path
    return {place: comments for place, comments in found.items() if comments}


def respaced(line: str, rng: random.Random) -> str:
    """Other blanks and literals, the same words."""
    code, comment = split(line)
    parts = re.split(r'("[^"]*")', code.strip())
    for index in range(0, len(parts), 2):
        part = parts[index]
        if rng.random() < 0.5:
            part = re.sub(
                r" ?([,:()]) ?(?![0-9])", lambda m: rng.choice(["", " "]) + m[1] + rng.choice(["", "  "]), part
            )
        if rng.random() < 0.5:
            part = re.sub(r"\.00\b(?! (?:kg|l|gal))", "", part).replace("%", rng.choice(["%", " %", ".0%"]))
            part = re.sub(r"([A-Z]{3}) ([0-9])", rf"\1{rng.choice(['', '   '])}\2", part)
        parts[index] = re.sub(r" +", lambda _: rng.choice([" ", "  ", "\t"]), part)
    blanks = rng.choice(["", "  ", "\t\t", "      "])
    return blanks + "".join(parts) + rng.choice(["", " ", "   "]) + comment


def broken(line: str, rng: random.Random) -> list[str]:
    """The line, perhaps as several: a list goes on after its commas."""
    code, comment = split(line)
    if "(" in code or '"' in code or re.search(r", *(fewer|singles|one|at) ", code) or rng.random() < 0.4:
        return [line]
    parts = re.split(r"(?<=,)", code)
    return [*parts[:-1], parts[-1] + (" " + comment if comment else "")]


def shuffled(text: str, rng: random.Random) -> str:
    """The clauses of promotions in another order, those of one kind among themselves in theirs."""
    lines = text.split("\n")
    out: list[str] = []
    index = 0
    while index < len(lines):
        out.append(lines[index])
        opened = lines[index].startswith("promotion ")
        index += 1
        if not opened:
            continue
        units: list[list[str]] = [[]]
        depth = 1
        while depth:
            code = mask(lines[index]).strip()
            depth += code.count("{") - code.count("}")
            if depth:
                units[-1].append(lines[index])
                if depth == 1 and code and not code.endswith(","):
                    units.append([])
                index += 1
        kinds: dict[str, list[list[str]]] = defaultdict(list)
        for unit in units[:-1]:
            kinds[kind(unit)].append(unit)
        order = [kind(unit) for unit in units[:-1]]
        rng.shuffle(order)
        for name in order:
            out += kinds[name].pop(0)
        out += units[-1]
    return "\n".join(out)


def kind(unit: list[str]) -> str:
    said = next(line for line in unit if mask(line).strip()).split()
    return " ".join(said[:2]) if said[0] in ("only", "with", "not", "on") else said[0]


def littered(text: str, rng: random.Random) -> str:
    """Comments and empty lines wherever they may stand."""
    out: list[str] = []
    for line in text.split("\n"):
        code, comment = split(line)
        for _ in range(rng.choice([0, 0, 0, 1, 2])):
            out.append(rng.choice(["", "  ", f'  # c{rng.random()} «" {{', f"#c{rng.random()}"]))
        behind = code.strip() and not comment and rng.random() < 0.3
        out.append(f"{line}{rng.choice(['', ' '])}# t{rng.random()}, " if behind else line)
    return "\n".join(out)


def seeds(count: int) -> list[tuple[str, int]]:
    return [(name, seed) for name in TEXTS for seed in range(count if name in FILES else 1)]


@pytest.mark.parametrize(("name", "seed"), seeds(6))
def test_spacing_and_order_make_no_difference(name, seed):
    rng = random.Random(f"{name} {seed}")
    text = shuffled(TEXTS[name], rng)
    text = "\n".join(respaced(part, rng) for line in text.split("\n") for part in broken(line, rng))
    if any(split(line)[0].endswith(",") and split(line)[1] for line in text.split("\n")):
        text = "\n".join(respaced(line, rng) for line in shuffled(TEXTS[name], rng).split("\n"))
    no_gaps = re.sub(r"\n\s*\n", "\n", layout(text))  # an empty line may move with its clause
    assert no_gaps == re.sub(r"\n\s*\n", "\n", layout(TEXTS[name]))


@pytest.mark.parametrize(("name", "seed"), seeds(8))
def test_formatted_once_is_formatted_and_nothing_is_lost(name, seed):
    rng = random.Random(f"{name} {seed}")
    text = shuffled(TEXTS[name], rng) if rng.random() < 0.5 else TEXTS[name]
    text = "\n".join(respaced(part, rng) for line in text.split("\n") for part in broken(line, rng))
    text = littered(text, rng)
    if rng.random() < 0.3:
        text = "\ufeff" + text.replace("\n", "\r\n")
    once = format_text(text)
    assert format_text(once) == once
    assert shape(once) == shape(TEXTS[name].removeprefix("\ufeff"))
    assert beside(once) == beside(text)
    assert "\n\n\n" not in once and "\r" not in once and "\t" not in once


@pytest.mark.parametrize("name", ["examples/shop", "tests/e2e/project"])
def test_programs_and_tests_stay_the_same(name):
    rng = random.Random(name)
    files = {
        path.relative_to(ROOT / name).as_posix(): path.read_bytes()
        for path in (ROOT / name).rglob("*")
        if path.is_file()
    }
    other = dict(files)
    for path, data in files.items():
        if path.endswith(".promo"):
            text = littered(shuffled(data.decode(), rng), rng)
            other[path] = "\n".join(respaced(line, rng) for line in text.split("\n")).encode()
    for changed in (
        other,
        {p: format_text(d.decode()).encode() if p[-6:] == ".promo" else d for p, d in other.items()},
    ):
        assert compile_project(changed).programs == compile_project(files).programs != ()


def test_the_grammar_without_places_is_the_same():
    assert shape("sequence a") == ("start", ("sequence", ("names", ("NAME", "a"))))
    assert parser(places=False).parse("sequence a\n") == parser().parse("sequence a\n")
