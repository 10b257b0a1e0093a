"""Texts of every kind, by seed: derived from the grammar, mutated from examples, made of words, made of bytes.

    python -m tests.any_text 0 100000        # seeds 0 to 99,999 on all cores; exit code 1 and the seeds if any fails

Whatever is written, the compiler answers with findings or with Programs: never an exception, a hang, or words of the
parser's own. One seed is one input and the whole report of a failure.
"""

from __future__ import annotations

import argparse
import functools
import os
import pathlib
import random
import re
import resource
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from dsl.compiler import Compilation, compile_project
from dsl.diagnostics import render
from dsl.parse import parser
from dsl.vocabulary import PLACEHOLDERS
from engine.program import encode
from tests.unit.dsl.frame import DATA, FRAME

ROOT = pathlib.Path(__file__).parents[1]
EVERY_CONSTRUCT = ROOT / "tests" / "unit" / "dsl" / "texts" / "every-construct.promo"
OWN_WORDS = ("Token", "LBRACE", "RBRACE", "__ANON", "Traceback", "_NL", "lark", "NoneType", "dsl.")
SECONDS_MAX = 30  # for one input: a hang, not a slow machine
MEGABYTES_MAX = 2_000  # of a process that has judged thousands of inputs
BLOCK = 500  # inputs a process takes at once
DEPTH_MAX = 14  # of a derivation; below it the shortest way out is taken

SIGNS = ["{", "}", ",", '"', "#", "%", "€", ">=", "50,00", "10 €", "01.09.2026", "\t", "\x00", "ß", "\u2028", "0"]
SIGNS += ["99999999999999999999", "{saved}", "{", "\r", "\ufeff", "😀", "é", "-", "--", "…", "«", "»", "’", "\\", "'"]


# ---------------------------------------------------------------------------------------------------- ingredients


@functools.cache
def pieces() -> tuple[str, ...]:
    """Declarations to mutate: the frame, the examples, every construct."""
    found = [text for _, _, text in FRAME]
    for path in sorted((ROOT / "examples").rglob("*.promo")):
        found += path.read_text(encoding="utf-8").split("\n\n")
    return tuple(found + EVERY_CONSTRUCT.read_text(encoding="utf-8").split("\n\n"))


@functools.cache
def words() -> tuple[str, ...]:
    """All words of the pieces."""
    return tuple(sorted({word for piece in pieces() for word in piece.split()}))


@functools.cache
def frame() -> bytes:
    """A small whole project around an input, whose names inputs may use."""
    return "\n\n".join(text for _, _, text in FRAME).encode()


@functools.cache
def names() -> tuple[str, ...]:
    """Names that the frame declares, and some that nobody does."""
    text = frame().decode()
    declared = re.findall(r"^\w+ ([a-z][a-z0-9-]*)", text, re.MULTILINE)
    listed = [
        word for line in re.findall(r"(?:channels|services|payments|consents) (.*)", text) for word in line.split(", ")
    ]
    attributes = re.findall(r"^ +([a-z-]+):", text, re.MULTILINE)
    return tuple(sorted({*declared, *listed, *attributes, "nowhere", "basket", "all", "x"}))


@functools.cache
def paths() -> tuple[str, ...]:
    """Attributes by their paths."""
    return tuple(
        f"{entity}.{name}" for entity in ("customer", "item", "store", "delivery", "basket") for name in names()
    )


# ---------------------------------------------------------------------------------------------------- from the grammar


@dataclass(frozen=True, slots=True)
class Grammar:
    """The expanded rules by what they make, and how deep the shortest way from each symbol to words is."""

    rules: dict[str, tuple[tuple[str, ...], ...]]
    depth: dict[str, int]
    literals: dict[str, str]


@functools.cache
def grammar() -> Grammar:
    """Of dsl/grammar.lark, as lark expands it."""
    built = parser()
    rules: dict[str, list[tuple[str, ...]]] = {}
    for rule in built.rules:
        rules.setdefault(rule.origin.name, []).append(tuple(symbol.name for symbol in rule.expansion))
    literals = {t.name: t.pattern.value for t in built.terminals if t.pattern.type == "str"}
    depth = dict.fromkeys((t.name for t in built.terminals), 0)
    changed = True
    while changed:
        changed = False
        for origin, expansions in rules.items():
            known = [max((depth[s] for s in e), default=0) + 1 for e in expansions if all(s in depth for s in e)]
            if known and min(known) < depth.get(origin, 1_000):
                depth[origin] = min(known)
                changed = True
    return Grammar({origin: tuple(expansions) for origin, expansions in rules.items()}, depth, literals)


STARTS = ("decl", "decl", "promotion", "promotion", "test", "segment")


def derived(chance: random.Random, symbol: str = "", reached: set[tuple[str, tuple[str, ...]]] | None = None) -> str:
    """A text that the grammar allows; `reached` is told which rules it used."""
    made: list[str] = []
    _derive(chance, symbol or chance.choice(STARTS), 0, made, reached if reached is not None else set())
    return " ".join(made).replace(" \n ", "\n").replace("\n ", "\n")


def _derive(
    chance: random.Random, symbol: str, depth: int, made: list[str], reached: set[tuple[str, tuple[str, ...]]]
) -> None:
    known = grammar()
    expansions = known.rules.get(symbol)
    if expansions is None:
        made.append(_terminal(chance, symbol))
        return
    if depth > DEPTH_MAX:
        shortest = min(max((known.depth[s] for s in e), default=0) for e in expansions)
        expansions = tuple(e for e in expansions if max((known.depth[s] for s in e), default=0) == shortest)
    expansion = chance.choice(expansions)
    reached.add((symbol, expansion))
    for part in expansion:
        _derive(chance, part, depth + 1, made, reached)


def _number(chance: random.Random) -> int:
    return chance.choice([0, 1, 2, 3, 5, 10, 38, 100, 2026, 99_999_999])


def _terminal(chance: random.Random, name: str) -> str:
    literal = grammar().literals.get(name)
    if literal is not None:
        return literal
    number = _number(chance)
    match name:
        case "_NL":
            return "\n" if chance.random() < 0.95 else "  # why\n\n"
        case "NAME":
            return chance.choice(names())
        case "PATH":
            return chance.choice(paths())
        case "MONEY":
            code = chance.choice(["EUR", "EUR", "EUR", "CHF", "JPY", "KWD", "XXX"])
            return f"{code} {number}{chance.choice(['', '.5', '.00', '.99', '.001'])}"
        case "PERCENT":
            return f"{number}{chance.choice(['', '.5', '.25', '.125'])}{chance.choice(['%', ' %'])}"
        case "DURATION":
            return f"{number} {chance.choice(['minutes', 'hour', 'days', 'weeks', 'months', 'years'])}"
        case "MEASURE":
            return f"{number}{chance.choice(['', '.5', '.1234'])} {chance.choice(['kg', 'g', 'l', 'ml', 'm', 'gal'])}"
        case "DATE":
            return f"{chance.choice([2026, 2024, 1970, 9999])}-{chance.randint(0, 13):02d}-{chance.randint(0, 32):02d}"
        case "TIME":
            return f"{chance.randint(0, 25):02d}:{chance.choice([0, 30, 59, 60]):02d}"
        case "NTH":
            return chance.choice(["1st", "2nd", "3rd", "5th", "99999999th", "2st"])
        case "INT":
            return str(number)
        case "DECIMAL":
            return f"{number}.{number}"
        case "CURRENCY":
            return chance.choice(["EUR", "CHF", "JPY", "ABC"])
        case "COUNTRY":
            return chance.choice(["DE", "AT", "XX"])
        case "LANG":
            return chance.choice(["en", "de", "xx"])
        case "DAY":
            return chance.choice(["Mon", "Tue", "Sat", "Sun", "holidays"])
        case "ZONE":
            return chance.choice(["Europe/Berlin", "store-time", "America/Argentina/Ushuaia", "Mars/North-Pole"])
        case "STRING":
            return chance.choice(
                ['"Pasta"', '"data/articles.csv"', '""', '"{saved} und {missing}"', '"{"', '"lists/a.csv"']
            )
        case "PER_UNIT":
            return chance.choice(["per kg", "per 100 g", "per l"])
        case "GIFTS":
            return chance.choice(["gift", "gifts"])
        case "USES":
            return chance.choice(["use", "uses"])
        case _:  # words that are one terminal: «at least»
            pattern = next(t.pattern.value for t in parser().terminals if t.name == name)
            return re.sub(r"\[ \t\]\+", " ", re.sub(r"\\b|\(\?!.*?\)", "", pattern))


# ---------------------------------------------------------------------------------------------------- accidents


def mutated(chance: random.Random, text: str) -> str:
    """The text with a few accidents."""
    lines = text.split("\n")
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(lines))
        line = lines[at]
        match chance.randrange(10):
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
                some = line.split(" ")
                some[chance.randrange(len(some))] = chance.choice(words())
                lines[at] = " ".join(some)
            case 5:
                some = line.split(" ")
                chance.shuffle(some)
                lines[at] = " ".join(some)
            case 6:
                cut = chance.randint(0, max(len(line) - 1, 0))
                lines[at] = line[:cut] + line[cut + 1 :]
            case 7:
                lines[at] = line + chance.choice(words())
            case 8:
                other = chance.randrange(len(lines))
                lines[at], lines[other] = lines[other], lines[at]
            case _:
                lines[at : at + 1] = derived(
                    chance, chance.choice(["clause", "test_line", "condition", "reward"])
                ).split("\n")
        lines = lines or [""]
    return "\n".join(lines)


def files_of(seed: int) -> dict[str, bytes]:
    """The project of a seed."""
    chance = random.Random(seed)
    files = dict(DATA)
    if chance.random() < 0.12:
        files["frame.promo"] = frame()
    kind = chance.random()
    if kind < 0.35:
        text = "\n".join(derived(chance) for _ in range(chance.randint(1, 3)))
        data = text.encode()
    elif kind < 0.55:
        data = mutated(chance, "\n".join(derived(chance) for _ in range(chance.randint(1, 2)))).encode(
            "utf-8", "replace"
        )
    elif kind < 0.85:
        data = mutated(chance, "\n\n".join(chance.sample(pieces(), chance.randint(1, 3)))).encode("utf-8", "replace")
    elif kind < 0.93:
        some = [chance.choice((*words(), *SIGNS, "\n", "\n", "{\n", "}\n")) for _ in range(chance.randint(0, 60))]
        data = " ".join(some).encode("utf-8", "replace")
    else:
        torn = bytearray(chance.choice(pieces()).encode() or b"\n")
        for _ in range(chance.randint(1, 8)):
            cut = chance.randrange(len(torn))
            torn[cut : cut + chance.randint(0, 40)] = chance.randbytes(chance.randint(1, 3))
        data = bytes(torn)
        if chance.random() < 0.2:
            files["data/articles.csv"] = data
    files["any.promo"] = data
    return files


# ---------------------------------------------------------------------------------------------------- judgement


def judged(compilation: Compilation, data: bytes = b"") -> None:
    """Findings that can be shown, or Programs that can be stored."""
    written = "".join(compilation.sources.values()) + data.decode(errors="replace")
    for finding in compilation.diagnostics:
        shown = render(finding, compilation.sources)
        said = finding.message + finding.mark + finding.help
        gaps = [gap for gap in re.findall(r"[{]\w*[}]", said) if gap.strip("{}") not in PLACEHOLDERS]
        assert finding.message and all(gap in written for gap in gaps), shown
        assert not any(word in said and word not in written for word in OWN_WORDS), shown
        assert finding.span.line >= 1 and finding.span.column >= 1
        assert (finding.span.end_line, finding.span.end_column) > (finding.span.line, finding.span.column), shown
    if compilation.ok:
        assert all(encode(program) for program in compilation.programs)
    else:
        assert compilation.programs == () and compilation.tests == ()


def outcome(seed: int) -> str:
    """«programs» or «findings»; raises whatever must not happen."""
    files = files_of(seed)
    compilation = compile_project(files)
    judged(compilation, files["any.promo"])
    return "programs" if compilation.ok else "findings"


class Hang(Exception):
    """An input took longer than SECONDS_MAX."""


def block(first: int, end: int) -> tuple[Counter[str], list[str]]:
    """The outcomes of some seeds, and what failed."""

    def stop(*_: object) -> None:
        raise Hang

    signal.signal(signal.SIGALRM, stop)
    counts: Counter[str] = Counter()
    failures = []
    for seed in range(first, end):
        signal.alarm(SECONDS_MAX)
        try:
            counts[outcome(seed)] += 1
        except BaseException as error:  # whatever it is, its seed is the report
            if isinstance(error, KeyboardInterrupt):
                raise
            counts["failures"] += 1
            failures.append(f"seed {seed}: {''.join(traceback.format_exception(error)[-3:])}")
        finally:
            signal.alarm(0)
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1_000
    if megabytes > MEGABYTES_MAX:
        failures.append(f"{megabytes} MB after seeds {first} to {end - 1}")
    return counts, failures


def run(first: int, end: int, *, processes: int | None = None) -> Iterator[tuple[Counter[str], list[str]]]:
    """All seeds, block after block."""
    blocks = range(first, end, BLOCK)
    with ProcessPoolExecutor(processes or os.cpu_count()) as pool:
        yield from pool.map(block, blocks, (min(start + BLOCK, end) for start in blocks))


def main() -> int:
    """Runs the seeds of the command line."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("first", type=int)
    asked.add_argument("end", type=int)
    asked.add_argument("--processes", type=int)
    given = asked.parse_args()
    total: Counter[str] = Counter()
    failed = []
    for number, (counts, failures) in enumerate(run(given.first, given.end, processes=given.processes)):
        total += counts
        failed += failures
        for failure in failures:
            print(failure, file=sys.stderr)
        if number % 20 == 19:
            print(f"{sum(total.values()):,} inputs: {dict(total)}", flush=True)
    print(f"{sum(total.values()):,} inputs: {dict(total)}; {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
