"""The best of a buy of one set, by itself: how many units are taken is all there is to know of those before.

What engine/graph.py draws for any promotion, and engine/alone.py searches, needs no drawing here: two loops do.
"""

from __future__ import annotations

import numpy as np

from engine.basket import FINE_TOTAL_MAX, PIECES_MAX, TOTAL_MINOR_MAX
from engine.discounts import FEWER_TOO, ONE_ARTICLE, ROLE_COUNT, ROLE_FLAGS, gain, need_of, roles_of, singles_cost
from engine.instructions import Kind
from engine.kernel import Buffer, Ints, bare_gate, gate
from engine.layout import (
    Q_FINE,
    Q_UNIT_LIST,
    R_AMOUNT,
    R_KIND,
    R_PER_ARTICLE,
    R_ROLES,
    amount_of,
    at,
    cell,
    its,
    scalar,
)
from engine.search import NEVER

UNIT_BITS = 17  # a value is saving << 17, less the units used: fewer units win among equal savings
assert 2**UNIT_BITS > PIECES_MAX
assert (max(TOTAL_MINOR_MAX, FINE_TOTAL_MAX) << UNIT_BITS) < 2**60
CELLS_MAX = 16_000_000  # units x units that may be taken before one of them

_PERCENT_TOGETHER, _AMOUNT_TOGETHER, _PRICE_TOGETHER, _PRICE_SINGLES = (
    int(k) for k in (Kind.PERCENT_TOGETHER, Kind.AMOUNT_TOGETHER, Kind.PRICE_TOGETHER, Kind.PRICE_SINGLES)
)


@bare_gate
def is_chain(rules: Buffer, p: int) -> bool:
    """Whether a promotion is a buy of one plain set that saves unit by unit, or at a price together."""
    begin, end = roles_of(rules, p)
    kind = its(rules, R_KIND, p)
    if end - begin != 1 or cell(rules, R_ROLES, 4, begin, ROLE_FLAGS) & (ONE_ARTICLE | FEWER_TOO):
        return False
    return (
        kind != _PERCENT_TOGETHER
        and kind != _AMOUNT_TOGETHER
        and not need_of(rules, p, 0)
        and not its(rules, R_PER_ARTICLE, p)
    )


@bare_gate
def places(rules: Buffer, p: int, count: int, limit: int) -> int:
    """How many numbers of units a state of the buy tells apart, in at most `limit` applications (-1: any); 0: they are
    too many. Where nothing limits it, those of one application."""
    begin, _ = roles_of(rules, p)
    kind = its(rules, R_KIND, p)
    n = cell(rules, R_ROLES, 4, begin, ROLE_COUNT)
    limited = 0 <= limit < count // n and kind != _PRICE_SINGLES
    states = n * limit + 1 if limited else n
    return states if states * count <= CELLS_MAX else 0


@gate
def best_chain(
    rules: Buffer, q: Buffer, p: int, units: Ints, left: Ints, original: int, states: int, roles: Ints
) -> int:
    """The choice that saves most, then takes the fewest units, then the earliest; units in order U. What it saves,
    in fine parts; roles by unit: 0, or -1 where it is not taken."""
    begin, _ = roles_of(rules, p)
    n = cell(rules, R_ROLES, 4, begin, ROLE_COUNT)
    count = units.shape[0]
    kind = its(rules, R_KIND, p)
    price = amount_of(rules, q, its(rules, R_AMOUNT, p)) if its(rules, R_AMOUNT, p) >= 0 else 0
    fine = scalar(q, Q_FINE)
    repeats = states == n  # whole applications leave no trace
    reach = np.full(states + 1, NEVER, np.int64)  # by units taken: the most that those behind can add
    for taken in range(states):
        if taken % n == 0 or kind == _PRICE_SINGLES:
            reach[taken] = 0
    takes = np.zeros((count, states), np.bool_)
    worth = np.empty(n, np.int64)
    for i in range(count - 1, -1, -1):
        u = units[i]
        base = at(q, Q_UNIT_LIST, u) if original else left[u]
        for place in range(min(n, states)):
            worth[place] = (gain(rules, q, p, u, place, base, left[u]) << UNIT_BITS) - 1
        if kind == _PRICE_TOGETHER:
            worth[n - 1] -= price * fine << UNIT_BITS
        elif kind == _PRICE_SINGLES:
            for place in range(n):
                due = singles_cost(price, n, place + 1) - singles_cost(price, n, place)
                worth[place] -= due * fine << UNIT_BITS
        first = reach[0]
        most = min(i, states - 1)
        place = 0
        for taken in range(most + 1):
            then = reach[taken + 1]
            if repeats and taken == n - 1:
                then = first
            if then > NEVER // 2:
                then += worth[place]
                if then >= reach[taken]:
                    reach[taken] = then
                    takes[i, taken] = True
            place = place + 1 if place + 1 < n else 0
    taken = 0
    for i in range(count):
        roles[i] = -1
        if takes[i, taken]:
            roles[i] = 0
            taken = 0 if repeats and taken == n - 1 else taken + 1
    return (reach[0] + (1 << UNIT_BITS) - 1) >> UNIT_BITS
