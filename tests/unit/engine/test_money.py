"""Currencies, minor units and the four ways to round, against fractions."""

from fractions import Fraction
from random import Random

import pytest

from engine.money import EXPONENTS, ROUNDINGS, divide, exponent, micros_per_minor, to_step


@pytest.mark.parametrize(
    ("currency", "digits", "micros"), [("EUR", 2, 10_000), ("JPY", 0, 1_000_000), ("KWD", 3, 1_000)]
)
def test_currencies_have_their_own_digits(currency, digits, micros):
    assert exponent(currency) == digits
    assert micros_per_minor(currency) == micros


def test_a_typing_mistake_is_no_currency():
    for text in ("", "EURO", "eur", "XXX", "EU"):
        with pytest.raises(KeyError):
            exponent(text)


def test_every_currency_has_whole_micros():
    assert len(EXPONENTS) > 150
    assert all(len(c) == 3 and c.isupper() and micros_per_minor(c) * 10 ** exponent(c) == 10**6 for c in EXPONENTS)


def by_fraction(numerator: int, denominator: int, rounding: str) -> int:
    """The definition."""
    exact = Fraction(numerator, denominator)
    floor = exact.numerator // exact.denominator
    rest = exact - floor
    if rounding == "half-up":
        return floor + (rest >= Fraction(1, 2))
    if rounding == "half-even":
        return round(exact)  # Python rounds fractions half to even
    return floor if rounding == "down" else floor + (rest > 0)


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_divide_is_its_definition(rounding):
    random = Random(1)
    pairs = [(n, d) for n in range(40) for d in range(1, 20)]
    pairs += [(random.randrange(10 ** random.randint(1, 30)), random.randint(1, 10**12)) for _ in range(2_000)]
    for numerator, denominator in pairs:
        assert divide(numerator, denominator, rounding) == by_fraction(numerator, denominator, rounding)


@pytest.mark.parametrize(
    ("rounding", "expected"),
    [("half-up", [1, 2, 3]), ("half-even", [0, 2, 2]), ("down", [0, 1, 2]), ("up", [1, 2, 3])],
)
def test_halves(rounding, expected):
    assert [divide(n, 2, rounding) for n in (1, 3, 5)] == expected


def test_an_amount_is_rounded_to_the_nearest_multiple_of_a_step():
    for step in (1, 2, 5, 10, 100):
        for amount in range(-250, 251):
            rounded = to_step(amount, step)
            assert rounded % step == 0 and abs(rounded - amount) * 2 <= step
            if abs(rounded - amount) * 2 == step:
                assert abs(rounded) > abs(amount), "of two the one farther from zero"
            assert to_step(-amount, step) == -rounded
