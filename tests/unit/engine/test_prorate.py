"""Proration against its definition in fractions: exact sums, no share above its weight, ties as the law says."""

from fractions import Fraction
from random import Random

import numpy as np
import pytest

from engine.layout import QUESTION, pack
from engine.prorate import largest_remainder, prorate


def by_fraction(amount: int, weights: list[int]) -> list[int]:
    """Largest remainder; of equal remainders the earlier entry."""
    whole = sum(weights)
    if not whole:
        return [0] * len(weights)
    exact = [Fraction(amount * weight, whole) for weight in weights]
    shares = [value.numerator // value.denominator for value in exact]
    order = sorted(range(len(weights)), key=lambda i: (-(exact[i] - shares[i]), i))
    for i in order[: amount - sum(shares)]:
        shares[i] += 1
    return shares


def by_engine(amount: int, weights: list[int]) -> list[int]:
    shares = np.full(len(weights), -7, np.int64)
    largest_remainder(amount, np.array(weights, np.int64), shares)
    return [int(share) for share in shares]


@pytest.mark.parametrize("most", [1, 3, 100, 10**9, 10**12 // 50])
def test_largest_remainder(most):
    random = Random(most)
    for _ in range(400):
        weights = [random.randint(0, most) for _ in range(random.randint(0, 50))]
        amount = random.randint(0, sum(weights))
        shares = by_engine(amount, weights)
        assert shares == by_fraction(amount, weights)
        assert all(share <= weight for share, weight in zip(shares, weights, strict=True))


def test_nothing_and_everything():
    assert by_engine(0, [1, 2]) == [0, 0]
    assert by_engine(3, [1, 2]) == [1, 2]
    assert by_engine(0, [0, 0]) == [0, 0]
    assert by_engine(1, [1, 1, 1]) == [1, 0, 0]


def test_the_largest_amounts_are_exact():
    weights = [10**12 // 3, 10**12 // 7, 10**12 - 10**12 // 3 - 10**12 // 7]
    for amount in (1, 10**12 // 2, 10**12 - 1, 10**12):
        assert by_engine(amount, weights) == by_fraction(amount, weights)


def question(articles: list[int], lines: int):
    """A request of which proration reads the units' articles and how many lines there are."""
    arrays = {name: np.zeros((0, columns), np.int64) for name, columns, _ in QUESTION}
    buffer = pack(
        QUESTION,
        {**arrays, "unit_article": np.array(articles, np.int64), "line_article": np.zeros(lines, np.int64)},
    )
    buffer.flags.writeable = False
    return buffer


def in_two_steps(amount: int, articles: list[int], weights: list[int]) -> list[int]:
    """Over articles, by their first unit with a weight; then within each."""
    order = list(dict.fromkeys(a for a, weight in zip(articles, weights, strict=True) if weight))
    own = {a: [i for i, b in enumerate(articles) if a == b and weights[i]] for a in order}
    parts = by_fraction(amount, [sum(weights[i] for i in own[a]) for a in order])
    shares = [0] * len(weights)
    for a, part in zip(order, parts, strict=True):
        for i, share in zip(own[a], by_fraction(part, [weights[i] for i in own[a]]), strict=True):
            shares[i] = share
    return shares


@pytest.mark.parametrize("seed", range(300))
def test_over_articles_then_over_units(seed):
    random = Random(seed)
    count, kinds = random.randint(1, 25), random.randint(1, 6)
    articles = [random.randrange(kinds) for _ in range(count)]
    weights = [random.choice((0, 1, 7, random.randint(0, 1_000))) for _ in range(count)]
    amount = random.randint(0, sum(weights))
    shares = np.full(count, -7, np.int64)
    prorate(question(articles, kinds), amount, np.arange(count), np.array(weights, np.int64), shares)
    assert shares.tolist() == in_two_steps(amount, articles, weights)
    assert shares.sum() == amount
    assert (shares <= np.array(weights)).all()
