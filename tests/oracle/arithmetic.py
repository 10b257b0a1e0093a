"""Rounding, and the sharing of an amount (law 1 and 6). Integers alone: a quotient is a numerator and a denominator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

Key = TypeVar("Key", str, int)


def round_to(numerator: int, denominator: int, mode: str) -> int:
    """numerator / denominator, neither negative, rounded by the ruleset's mode. «Away from zero» is upwards here."""
    assert numerator >= 0 and denominator > 0
    floor, rest = divmod(numerator, denominator)
    match mode:
        case "down":
            return floor
        case "up":
            return floor + (rest > 0)
        case "half-up":
            return floor + (2 * rest >= denominator)
        case "half-even":
            return floor + (2 * rest > denominator or (2 * rest == denominator and floor % 2 == 1))
    raise AssertionError(mode)


def ceiling(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)


class Share(NamedTuple):
    """What proration needs to know of a unit. `unit` ascends by line id, then by position in the line."""

    unit: int
    article: str
    list: int
    weight: int
    measure: int = 0  # thousandths as given; of equal units of an article the larger one goes first


def prorate(amount: int, parties: Iterable[Share]) -> dict[int, int]:
    """Shares of `amount` by unit: over articles first, then over the units of each article. At most Σ weights.

    A unit of weight 0 takes no part: not even its list amount decides a tie."""
    articles: dict[str, list[Share]] = {}
    for party in parties:
        if party.weight:
            articles.setdefault(party.article, []).append(party)
    weights = {article: sum(one.weight for one in units) for article, units in articles.items()}
    dearest = {article: max(one.list for one in units) for article, units in articles.items()}
    by_article = _largest_remainder(amount, weights, {a: (-dearest[a], a) for a in articles})
    shares: dict[int, int] = {}
    for article, units in articles.items():
        ties = {one.unit: (-one.list, -one.measure, one.unit) for one in units}
        shares |= _largest_remainder(by_article[article], {one.unit: one.weight for one in units}, ties)
    assert sum(shares.values()) == amount
    return shares


def _largest_remainder(amount: int, weights: Mapping[Key, int], ties: Mapping[Key, tuple[Any, ...]]) -> dict[Key, int]:
    whole = sum(weights.values())
    assert 0 <= amount <= whole
    shares = {key: amount * weight // whole for key, weight in weights.items()}
    rest = {key: amount * weight % whole for key, weight in weights.items()}
    for key in sorted(weights, key=lambda key: (-rest[key], ties[key]))[: amount - sum(shares.values())]:
        shares[key] += 1
    assert all(shares[key] <= weight for key, weight in weights.items())
    return shares
