"""Shares that sum exactly: largest remainder over articles, then over each article's units."""

from __future__ import annotations

import numpy as np

from engine.arithmetic import share
from engine.kernel import Buffer, Ints, gate
from engine.layout import (
    Q_LINE_ARTICLE,
    Q_UNIT_ARTICLE,
    at,
    size,
)
from engine.order import ascending


@gate
def largest_remainder(amount: int, weights: Ints, shares: Ints) -> None:
    """Share an amount in proportion to weights (amount <= their sum); ties go to the earlier entry."""
    count = weights.shape[0]
    whole = 0
    for i in range(count):
        whole += weights[i]
    if amount <= 0 or whole <= 0:
        shares[:] = 0
        return
    rest = amount
    remainders = np.empty(count, np.int64)
    for i in range(count):
        floor, remainder = share(amount, weights[i], whole)
        shares[i] = floor
        remainders[i] = -remainder
        rest -= floor
    if rest > 0:
        order = ascending(remainders)
        for i in range(rest):
            shares[order[i]] += 1


@gate
def prorate(q: Buffer, amount: int, units: Ints, weights: Ints, shares: Ints) -> None:
    """Share an amount over units, which ascend (so dearest list amount first), by their weights.

    `shares[i]` is that of units[i]; none exceeds its weight. 0 <= amount <= the sum of the weights."""
    count = units.shape[0]
    number = np.full(size(q, Q_LINE_ARTICLE), -1, np.int64)  # articles are at most as many as lines
    local = np.empty(count, np.int64)
    articles = 0
    for i in range(count):  # numbered as they come: by dearest list amount, then by article
        article = at(q, Q_UNIT_ARTICLE, units[i])
        if weights[i] == 0 and number[article] < 0:
            local[i] = -1  # no weight, no share, and no say in ties
            shares[i] = 0
            continue
        if number[article] < 0:
            number[article] = articles
            articles += 1
        local[i] = number[article]
    begin = np.zeros(articles + 1, np.int64)
    sums = np.zeros(articles, np.int64)
    for i in range(count):
        if local[i] >= 0:
            begin[local[i] + 1] += 1
            sums[local[i]] += weights[i]
    for a in range(articles):
        begin[a + 1] += begin[a]
    place = begin[:articles].copy()
    member = np.empty(count, np.int64)
    for i in range(count):
        if local[i] >= 0:
            member[place[local[i]]] = i
            place[local[i]] += 1
    parts = np.empty(articles, np.int64)
    largest_remainder(amount, sums, parts)
    for a in range(articles):
        rows = member[begin[a] : begin[a + 1]]
        own = weights[rows]
        result = np.empty(own.shape[0], np.int64)
        largest_remainder(parts[a], own, result)
        for i in range(own.shape[0]):
            shares[rows[i]] = result[i]
