"""Whatever is typed: findings or Programs, never an exception, a hang, or words of the parser's own."""

from __future__ import annotations

import pathlib
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsl.compiler import Compilation, compile_project
from dsl.diagnostics import render
from engine.program import encode
from tests.unit.dsl.frame import DATA, FRAME

ROOT = pathlib.Path(__file__).parents[3]
SHOP = ROOT / "examples" / "shop"
EVERY_CONSTRUCT = (pathlib.Path(__file__).parent / "texts" / "every-construct.promo").read_text(encoding="utf-8")
OWN_WORDS = ("Token", "LBRACE", "RBRACE", "__ANON", "Traceback", "_NL", "lark", "NoneType", "dsl.")
SEEDS = 1_200


def declarations() -> list[str]:
    """Pieces of text to mutate: the frame, the shop, every construct."""
    pieces = [text for _, _, text in FRAME]
    for path in sorted(SHOP.rglob("*.promo")):
        pieces += path.read_text(encoding="utf-8").split("\n\n")
    return pieces + EVERY_CONSTRUCT.split("\n\n")


PIECES = declarations()
WORDS = sorted({word for piece in PIECES for word in piece.split()})
SIGNS = [
    "{",
    "}",
    ",",
    '"',
    "#",
    "%",
    "€",
    ">=",
    "50,00",
    "10 €",
    "01.09.2026",
    "\t",
    "\x00",
    "ß",
    "\u2028",
    "0",
    "99999999999999999999",
]


def mutated(chance: random.Random) -> str:
    """A few declarations with a few accidents."""
    lines = "\n\n".join(chance.sample(PIECES, chance.randint(1, 4))).split("\n")
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(lines))
        line = lines[at]
        match chance.randrange(9):
            case 0:
                del lines[at : at + chance.randint(1, 3)]
            case 1:
                lines.insert(at, chance.choice(lines))
            case 2:
                lines[at] = line[: chance.randint(0, len(line))]
            case 3:
                cut = chance.randint(0, len(line))
                lines[at] = line[:cut] + chance.choice(SIGNS) + line[cut:]
            case 4:
                words = line.split(" ")
                words[chance.randrange(len(words))] = chance.choice(WORDS)
                lines[at] = " ".join(words)
            case 5:
                words = line.split(" ")
                chance.shuffle(words)
                lines[at] = " ".join(words)
            case 6:
                cut = chance.randint(0, max(len(line) - 1, 0))
                lines[at] = line[:cut] + line[cut + 1 :]
            case 7:
                lines[at] = line + chance.choice(WORDS)
            case _:
                other = chance.randrange(len(lines))
                lines[at], lines[other] = lines[other], lines[at]
        lines = lines or [""]
    return "\n".join(lines)


def judged(compilation: Compilation, data: bytes = b"") -> None:
    """Findings that can be shown, or Programs that can be stored."""
    for finding in compilation.diagnostics:
        shown = render(finding, compilation.sources)
        said = finding.message + finding.mark + finding.help
        written = "".join(compilation.sources.values()) + data.decode(errors="replace")
        assert finding.message and all(gap in written for gap in re.findall(r"[{]\w*[}]", said)), shown
        assert not any(word in said and word not in written for word in OWN_WORDS), shown
        assert finding.span.line >= 1 and finding.span.column >= 1
        assert (finding.span.end_line, finding.span.end_column) > (finding.span.line, finding.span.column), shown
    if compilation.ok:
        assert all(encode(program) for program in compilation.programs)
    else:
        assert compilation.programs == () and compilation.tests == ()


@pytest.mark.parametrize("block", range(6))
def test_mutated_texts_give_findings_or_programs(block):
    base = "\n\n".join(text for _, _, text in FRAME)
    for seed in range(block * SEEDS // 6, (block + 1) * SEEDS // 6):
        chance = random.Random(seed)
        files = {**DATA, "mutated.promo": mutated(chance).encode("utf-8", "replace")}
        if chance.random() < 0.5:
            files["frame.promo"] = base.encode()
        try:
            judged(compile_project(files))
        except Exception as error:  # noqa: BLE001 - whatever it is, its seed is the report
            pytest.fail(f"seed {seed}: {error!r}\n{files['mutated.promo'].decode()}")


HOSTILE = {
    "nested": "segment a {\n" + "any of {\n" * 20_000 + "customer.tier is gold\n" + "}\n" * 20_000 + "}\n",
    "nested a little": "segment a {\n" + "any of {\n" * 900 + "customer.tier is gold\n" + "}\n" * 900 + "}\n",
    "empty blocks": "segment a {\n" + "any of {\n}\n" * 1_200 + "}\n",
    "wrong lines": "".join(f"promotion p{number} {{\n" + "wrong line\n" * 30 + "}\n" for number in range(1_500)),
    "a long list": "sequence " + ",\n".join(f"g{number}" for number in range(100_000)),
    "a circle": "".join(f"segment s{number} {{\n  in s{(number + 1) % 900}\n}}\n" for number in range(900)),
    "a chain": "".join(f"segment s{number} {{\n  in s{number + 1}\n}}\n" for number in range(900)),
    "braces": "{\n" * 50_000,
    "closing braces": "}\n" * 50_000,
    "a long line": "promotion pp {\n  when " + "a.a is " * 280 + "\n}\n",
    "many commas": "promotion pp {\n  for " + "a, " * 600 + "\n}\n",
    "quotes": "promotion pp {\n  label en " + '"' * 1_900 + "\n}\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_are_refused_soon(name):
    compilation = compile_project({"hostile.promo": HOSTILE[name].encode()})
    judged(compilation)
    assert not compilation.ok


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(data):
    judged(compile_project({"any.promo": data, "data/articles.csv": data}))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([*WORDS, *SIGNS, "\n", "\n", "{\n", "}\n"]), max_size=60))
def test_any_words(words):
    judged(compile_project({"any.promo": " ".join(words).encode("utf-8", "replace")}))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=120), st.sampled_from(["csv", "parquet"]))
def test_any_table(data, kind):
    text = (
        f'catalogue from "t.{kind}"\nstores from "t.{kind}"\nsegment a {{\n  customer.id is listed in "t.{kind}"\n}}\n'
    )
    judged(compile_project({"any.promo": text.encode(), f"t.{kind}": data}), data)
