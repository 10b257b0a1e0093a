"""Stable orders, compiled once: numba puts a sort's code into everything that sorts."""

from __future__ import annotations

import numpy as np

from engine.kernel import Ints, Table, gate


@gate
def ascending(keys: Ints) -> Ints:
    """Where keys stand in ascending order; of equal ones the first stays first."""
    return np.argsort(keys, kind="mergesort")


@gate
def sort(keys: Ints) -> None:
    """Put different keys in ascending order."""
    keys.sort()


@gate
def picked(values: Ints, order: Ints) -> Ints:
    """Values in another order."""
    return values[order]


@gate
def pick_rows(rows: Table, order: Ints) -> None:
    """Put these rows first, in this order."""
    columns = rows.shape[1]
    copy = np.empty((order.shape[0], columns), np.int64)
    for i in range(order.shape[0]):
        for j in range(columns):
            copy[i, j] = rows[order[i], j]
    for i in range(order.shape[0]):
        for j in range(columns):
            rows[i, j] = copy[i, j]


@gate
def pick(values: Ints, order: Ints) -> None:
    """Put these values first, in this order."""
    values[: order.shape[0]] = values[order]
