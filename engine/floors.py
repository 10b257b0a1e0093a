"""Floors: what no promotion may price a unit below (docs/semantics.md 4), and how what does not fit is handed on."""

from __future__ import annotations

import numpy as np

from engine.instructions import Kind
from engine.kernel import Buffer, Ints, bare, bare_gate, gate
from engine.layout import Q_UNIT_FLOOR, R_AMOUNT, R_KIND, R_ROLE_BEGIN, R_ROLES, amount_of, at, cell, its
from engine.prorate import prorate

_PRICE_TOGETHER, _PRICE_SINGLES = int(Kind.PRICE_TOGETHER), int(Kind.PRICE_SINGLES)
_ROLE_COUNT = 1  # a column of roles


@bare
def room(q: Buffer, u: int, left: int) -> int:
    """What may be taken off a unit of which so much is left."""
    return max(0, left - at(q, Q_UNIT_FLOOR, u))


@gate
def share(q: Buffer, amount: int, units: Ints, left: Ints, shares: Ints) -> None:
    """Prorate an amount over ascending units by what is left of them, as far as there is room.

    Who would have more than its room has its room; the rest is prorated anew over the others, until all of it fits."""
    count = units.shape[0]
    rooms = np.empty(count, np.int64)
    weights = left[units]
    for i in range(count):
        rooms[i] = room(q, units[i], weights[i])
    rest = min(max(0, amount), rooms.sum())
    full = rooms == 0
    weights[full] = 0
    while True:
        prorate(q, rest, units, weights, shares)
        more = False
        for i in range(count):
            if not full[i] and shares[i] > rooms[i]:
                full[i], more = True, True
                weights[i] = 0
                rest -= rooms[i]
        if not more:
            break
    shares[full] = rooms[full]


@bare_gate
def may_bind(rules: Buffer, q: Buffer, p: int, units: Ints, masks: Ints, left: Ints) -> bool:
    """Whether floors may keep an application from its price together: then what it saves is no sum over its units."""
    kind = its(rules, R_KIND, p)
    if kind != _PRICE_TOGETHER and kind != _PRICE_SINGLES:
        return False
    begin, end = its(rules, R_ROLE_BEGIN, p), its(rules, R_ROLE_BEGIN, p + 1)
    together = 0
    for r in range(end - begin):
        most = of_all = 0
        for i in range(units.shape[0]):
            if masks[i] >> r & 1:
                floor = left[units[i]] - room(q, units[i], left[units[i]])
                most = max(most, floor)
                of_all += floor
        together += min(of_all, most * min(units.shape[0], cell(rules, R_ROLES, 4, begin + r, _ROLE_COUNT)))
    return together > amount_of(rules, q, its(rules, R_AMOUNT, p))
