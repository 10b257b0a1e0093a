"""Arithmetic of kernels against Python's integers, up to the bounds that it states."""

from random import Random

import pytest

from engine.arithmetic import INT64_MAX, divide, rounded, share
from engine.money import ROUNDINGS
from engine.money import divide as exact

NUMERATORS = (0, 1, 2, 4_999, 5_000, 5_001, 10**12, 10**16, 2**53 + 1, 2**61, 2**62 - 2, 2**62 - 1)
DENOMINATORS = (1, 2, 3, 7, 10_000, 10**9 + 7, 2**32, 2**61 + 1, 2**62 - 1)


@pytest.mark.parametrize("rounding", range(len(ROUNDINGS)))
def test_divide_at_the_bounds(rounding):
    for numerator in NUMERATORS:
        for denominator in DENOMINATORS:
            assert divide(numerator, denominator, rounding) == exact(numerator, denominator, ROUNDINGS[rounding])


@pytest.mark.parametrize("rounding", range(len(ROUNDINGS)))
def test_divide_by_chance(rounding):
    random = Random(rounding)
    for _ in range(20_000):
        numerator, denominator = random.getrandbits(random.randint(1, 62)), random.getrandbits(random.randint(1, 62))
        denominator = max(1, denominator)
        if random.random() < 0.3:  # close to a half
            denominator = 2 * max(1, denominator // 2)
            numerator = min(2**62 - 1, numerator // denominator * denominator + denominator // 2)
        assert divide(numerator, denominator, rounding) == exact(numerator, denominator, ROUNDINGS[rounding])


@pytest.mark.parametrize("rounding", range(len(ROUNDINGS)))
def test_rounded_continues_a_quotient(rounding):
    for quotient in (0, 1, 2, 3, 10**18):
        for denominator in (1, 2, 3, 4, 9, 2**62 - 1):
            for rest in {0, 1, denominator // 2, denominator // 2 + 1, denominator - 1}:
                if rest < denominator:
                    expected = exact(quotient * denominator + rest, denominator, ROUNDINGS[rounding])
                    assert rounded(quotient, rest, denominator, rounding) == expected


AMOUNTS = (0, 1, 10**12, 2**32, 2**61, 2**62, INT64_MAX - 1, INT64_MAX)
WHOLES = (1, 2, 3, 10_000, 10**12, 2**32 + 1, 2**60, 2**61 - 1)


def test_share_at_the_bounds():
    for amount in AMOUNTS:
        for whole in WHOLES:
            for weight in {0, 1, whole // 2, whole - 1, whole}:
                assert tuple(share(amount, weight, whole)) == divmod(amount * weight, whole)


def test_share_by_chance():
    random = Random(3)
    for _ in range(20_000):
        whole = max(1, random.getrandbits(random.randint(1, 61)) - 1)
        weight = random.randint(0, whole)
        amount = random.getrandbits(random.randint(1, 63))
        assert tuple(share(amount, weight, whole)) == divmod(amount * weight, whole)
