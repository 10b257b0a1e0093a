"""What groups change while they run, and the offers of one group."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.decision import Reason
from engine.kernel import Buffer, Ints, Table, gate, kernel
from engine.layout import Q_FEES, Q_LINE_MARKS, Q_UNIT_LINE, Q_UNIT_LIST, at, size

APPLIED, BEATEN, EXCLUSIVE, QUANTITY, GUARD, NO_SAVING, BUDGET = (
    int(r)
    for r in (
        Reason.APPLIED,
        Reason.BEATEN,
        Reason.EXCLUSIVE,
        Reason.QUANTITY,
        Reason.GUARD,
        Reason.NO_SAVING,
        Reason.BUDGET,
    )
)
CLAUSE_BUDGET = -2  # to be named by engine/decide.py: the first budget that is exceeded


class State(NamedTuple):
    """What changes while groups run, and what each line and service got."""

    left: Ints  # by unit
    refund: Ints  # by unit
    served: Ints  # by unit: the exclusive candidate of a per-item group whose application it is in, or -1
    given: Ints  # by unit: the candidate whose gift it is, or -1
    claimed: Ints  # by unit: the one of these that made it cheaper, so that it takes no other price reward, or -1
    fees: Ints  # by service of the schema: what is left of its fee
    granted: Table  # rows (service, candidate, amount): what fees lost, in the order of application
    records: Table  # rows (line, candidate, amount): savings by line, in the order of application
    tally: Ints  # [0] rows of records in use, [1] the bound on what was missed, [2] rows of granted in use


class Offers(NamedTuple):
    """The promotions of one group that take part, in declared order, and the units available to each, ascending."""

    rows: Ints  # candidates
    begin: Ints
    units: Ints
    masks: Ints  # by unit: the roles it may have, bit by bit
    gains: Ints  # by unit: what a plain promotion saves on it; -1: what it saves hangs on other units too


@gate
def begun(q: Buffer, rows: int) -> State:
    """Nothing has been taken off yet. `rows`: of candidates that may apply."""
    units, services, lines = size(q, Q_UNIT_LINE), size(q, Q_FEES), size(q, Q_LINE_MARKS)
    room = np.empty(5 * units + services + 3, np.int64)
    for u in range(units):
        room[u] = room[units + u] = at(q, Q_UNIT_LIST, u)
    room[2 * units : 5 * units] = -1
    end = 5 * units + services
    for service in range(services):
        room[5 * units + service] = max(0, at(q, Q_FEES, service))
    room[end:] = 0
    return State(
        room[:units],
        room[units : 2 * units],
        room[2 * units : 3 * units],
        room[3 * units : 4 * units],
        room[4 * units : 5 * units],
        room[5 * units : end],
        np.empty((rows, 3), np.int64),
        np.empty((lines * rows, 3), np.int64),
        room[end:],
    )


@kernel
def afresh(state: State) -> State:
    """A copy, for an alternative to be tried on."""
    return State(
        state.left.copy(),
        state.refund.copy(),
        state.served.copy(),
        state.given.copy(),
        state.claimed.copy(),
        state.fees.copy(),
        state.granted.copy(),
        state.records.copy(),
        state.tally.copy(),
    )
