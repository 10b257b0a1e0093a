"""What the law promises, whatever the rules (tests/laws.py): asked of the engine in bulk, and of the oracle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from engine.basket import Request
from engine.decision import Decision
from engine.money import EXPONENTS, micros_per_minor
from engine.program import Program
from tests import bulk, laws
from tests.generated_requests import request
from tests.generators import ruleset
from tests.oracle.ways import TooLarge
from tests.reproduce import Decide, engine_of, oracle_of

SHARE, LONG = 2_000, 1_000_000  # baskets
PARTS = 4
OF_THE_ORACLE = 100
LAWS = {
    "baskets",
    "sums",
    "prices",
    "guards",
    "order of lines, facts and codes",
    "order of declarations",
    "lines split",
    "lines merged",
    "bounds of numbers",
    "another currency",
    "one more promotion, more codes",
    "thresholds",
    "clocks",
}


def report(counts: Counter[str], wrong: list[str]) -> None:
    """Fail with the baskets."""
    assert not wrong, (
        f"{len(wrong)} times in {counts['baskets']} baskets; `python -m tests.laws N N+1` repeats one:\n"
        + "\n".join(wrong[:5])
    )


def oracle(programs: Sequence[Program]) -> Decide:
    """The oracle; for baskets that are too large for it the engine."""
    exact, other = oracle_of(programs), engine_of(programs)[1]

    def decide(asked: Request, everything: bool = False) -> Decision:
        try:
            return exact(asked, everything=everything)
        except TooLarge:
            return replace(other(asked, everything=everything), ruleset="")

    return decide


@pytest.mark.parametrize("part", range(PARTS))
def test_the_laws_hold(part: int) -> None:
    counts, wrong = laws.block(part * SHARE // PARTS, (part + 1) * SHARE // PARTS)
    report(counts, wrong)
    assert set(counts) == LAWS and min(counts.values()) >= 8, counts


@pytest.mark.parametrize("part", range(2))
def test_the_laws_hold_for_the_oracle(part: int) -> None:
    first = SHARE + part * 10_000
    report(*laws.block(first, first + OF_THE_ORACLE, oracle, refuses=False))


@pytest.mark.long
def test_the_laws_hold_at_length(capsys: pytest.CaptureFixture[str]) -> None:
    total: Counter[str] = Counter()
    wrong: list[str] = []
    for counts, differences in bulk.run(laws.block, laws.BLOCK * laws.BASKETS, SHARE, SHARE + LONG):
        total += counts
        wrong += differences
    with capsys.disabled():
        print("\n" + "\n".join(f"{count:>12,}  {law}" for law, count in total.items()))
    report(total, wrong)
    assert total["baskets"] == LONG


def tampered(programs: Sequence[Program], how: str) -> Decide:
    """A decision that is a little wrong."""
    exact = engine_of(programs)[1]

    def decide(asked: Request, everything: bool = False) -> Decision:
        decision = exact(asked, everything=everything)
        first = decision.lines[0]
        match how:
            case "sums":
                return replace(decision, lines=(replace(first, net=first.net + 1), *decision.lines[1:]))
            case "prices":
                return replace(decision, bound=-1)
            case "order of lines, facts and codes":
                return replace(decision, services=tuple(asked.lines[0].id))
            case "lines split":
                return replace(decision, totals=replace(decision.totals, payable=len(asked.lines)))
            case "order of declarations":
                return replace(decision, services=tuple(programs[0].program))
            case _:
                return replace(decision, services=(f"{micros_per_minor(asked.currency)}",))

    return decide


@pytest.mark.parametrize(
    "law",
    ["sums", "prices", "order of lines, facts and codes", "lines split", "order of declarations", "another currency"],
)
def test_a_broken_law_is_seen(law: str) -> None:
    wrong: list[str] = []
    for first in range(0, 150, laws.BASKETS):  # until it is
        wrong += laws.block(first, first + laws.BASKETS, lambda programs: tampered(programs, law))[1]
        if any(f": {law}" in said for said in wrong):
            return
    raise AssertionError(wrong[:3])


def test_the_same_question_has_the_same_answer() -> None:
    for seed in range(10):
        programs = ruleset(seed)
        decide, again = engine_of(programs)[1], engine_of(programs)[1]
        for number in range(10):
            asked = request(programs, seed * 1_000 + number)
            assert decide(asked) == again(asked) == decide(asked)


def test_currencies_have_their_own_minor_units() -> None:
    assert {micros_per_minor(currency) for currency in ("JPY", "KRW")} == {1_000_000}
    assert {micros_per_minor(currency) for currency in ("EUR", "USD")} == {10_000}
    assert {micros_per_minor(currency) for currency in ("KWD", "BHD")} == {1_000}
    assert set(EXPONENTS.values()) == {0, 2, 3}
