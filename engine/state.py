"""What groups change while they run, and the offers of one group."""

from __future__ import annotations

from typing import NamedTuple

from engine.decision import Reason
from engine.kernel import Ints, Table, kernel

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
