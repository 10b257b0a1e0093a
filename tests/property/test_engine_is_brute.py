"""The engine saves as much as brute force finds, to the cent, and proves it (tests/brute_force.py)."""

from __future__ import annotations

from collections import Counter

import pytest

from engine.program import Group, Promotion
from tests import brute_force, bulk

SHARE, LONG = 2_000, 200_000  # baskets
PARTS = 4


def report(counts: Counter[str], wrong: list[str]) -> None:
    """Fail with the baskets."""
    assert not wrong, (
        f"{len(wrong)} of {sum(counts.values())} baskets; `python -m tests.brute_force N N+1` repeats one:\n"
        + "\n".join(wrong[:5])
    )


@pytest.mark.parametrize("part", range(PARTS))
def test_a_share_of_small_baskets(part: int) -> None:
    counts, wrong = brute_force.block(part * SHARE // PARTS, (part + 1) * SHARE // PARTS)
    report(counts, wrong)
    assert sum(counts.values()) == SHARE // PARTS and set(counts) == {"best", "best-per-item", "at-most"}


@pytest.mark.long
def test_two_hundred_thousand_small_baskets(capsys: pytest.CaptureFixture[str]) -> None:
    total: Counter[str] = Counter()
    wrong: list[str] = []
    for counts, differences in bulk.run(
        brute_force.block, brute_force.BLOCK * brute_force.BASKETS, SHARE, SHARE + LONG
    ):
        total += counts
        wrong += differences
    with capsys.disabled():
        print(f"\n{sum(total.values()):,} baskets against brute force: {dict(total)}")
    report(total, wrong)
    assert sum(total.values()) == LONG


def test_all_kinds_of_promotions_are_tried() -> None:
    sizes: Counter[int] = Counter()
    kinds: Counter[str] = Counter()
    for seed in range(200):
        programs = brute_force.ruleset(seed)
        promotions = [program for program in programs if isinstance(program, Promotion)]
        sizes[len(promotions)] += 1
        apply = next(program.apply for program in programs if isinstance(program, Group))
        for promotion in promotions:
            target = getattr(promotion.reward, "target", None)
            several = promotion.buy is not None and len(promotion.buy.needs) > 1
            kinds[f"{apply} {promotion.reward.kind} {target.kind if target else ''} {several}"] += 1
    assert set(sizes) == set(range(1, brute_force.PROMOTIONS_MAX + 1))
    pieces = {sum(line.quantity for line in brute_force.basket(number).lines) for number in range(300)}
    assert pieces == set(range(1, brute_force.PIECES_MAX + 1))
    assert len(kinds) >= 55, sorted(kinds)
