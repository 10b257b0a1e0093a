"""Whatever is typed: findings or Programs, never an exception, a hang, or words of the parser's own."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsl.compiler import compile_project
from tests import any_text
from tests.any_text import SIGNS, judged

WORDS = any_text.words()
SEEDS, PARTS = 1_000, 4
LONG = 1_000_000


def report(counts: Counter[str], failures: list[str]) -> None:
    """Fail with the seeds."""
    assert not failures, (
        f"{len(failures)} of {sum(counts.values())} inputs; `python -m tests.any_text SEED SEED+1` repeats one:\n"
        + "".join(failures[:5])
    )


@pytest.mark.parametrize("part", range(PARTS))
def test_generated_inputs_give_findings_or_programs(part):
    counts, failures = any_text.block(part * SEEDS // PARTS, (part + 1) * SEEDS // PARTS)
    report(counts, failures)
    assert sum(counts.values()) == SEEDS // PARTS


@pytest.mark.long
def test_a_million_generated_inputs_give_findings_or_programs():
    total: Counter[str] = Counter()
    failed: list[str] = []
    for counts, failures in any_text.run(0, LONG):
        total += counts
        failed += failures
    report(total, failed)
    assert sum(total.values()) == LONG and total["programs"] > 0


def test_inputs_reach_the_whole_grammar():
    """The derivations use every rule and every word of the grammar."""
    known = any_text.grammar()
    reached: set[tuple[str, tuple[str, ...]]] = set()
    for seed in range(6_000):
        any_text.derived(random.Random(seed), reached=reached)
    rules = {(origin, expansion) for origin, expansions in known.rules.items() for expansion in expansions}
    below = {rule for rule in rules if not rule[0].startswith(("start", "__start"))}
    assert len(below - reached) < len(below) // 100, sorted(below - reached)[:20]


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
