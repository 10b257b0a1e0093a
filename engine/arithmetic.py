"""Exact integer arithmetic for kernels: rounding quotients, and products that pass 64 bits on their way."""

from __future__ import annotations

from engine.kernel import bare

HALF_UP, HALF_EVEN, DOWN, UP = 0, 1, 2, 3  # positions in engine.money.ROUNDINGS
INT64_MAX = 2**63 - 1


@bare
def rounded(quotient: int, rest: int, denominator: int, rounding: int) -> int:
    """quotient + rest / denominator as an integer; 0 <= rest < denominator < 2**62."""
    other = denominator - rest
    if rounding == HALF_UP:
        return quotient + (1 if rest >= other else 0)
    if rounding == HALF_EVEN:
        return quotient + (1 if rest > other or (rest == other and quotient % 2 == 1) else 0)
    if rounding == DOWN:
        return quotient
    return quotient + (1 if rest > 0 else 0)


@bare
def divide(numerator: int, denominator: int, rounding: int) -> int:
    """numerator / denominator, rounded; numerator >= 0, denominator > 0, both below 2**62."""
    quotient = numerator // denominator
    return rounded(quotient, numerator - quotient * denominator, denominator, rounding)


@bare
def share(amount: int, weight: int, whole: int) -> tuple[int, int]:
    """floor(amount x weight / whole) and the remainder, for 0 <= weight <= whole and whole < 2**61, exactly.

    Where the product passes 64 bits it is divided bit by bit, by doubling: 2 x remainder + weight still fits."""
    if weight == 0 or amount <= INT64_MAX // weight:
        product = amount * weight
        return product // whole, product % whole
    quotient = 0
    rest = 0
    for bit in range(62, -1, -1):
        quotient += quotient
        rest += rest
        if (amount >> bit) & 1:
            rest += weight
        while rest >= whole:
            rest -= whole
            quotient += 1
    return quotient, rest
