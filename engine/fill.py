"""What kernels found → the flat tables of a Decision (engine/answered.py), in one compiled call.

It says of an ordinary request (engine/quick.py) what engine/decide.py and server/answers.py say of any, in the same
order; a test holds the bytes against each other. What it does not say (gifts, next codes) has a reason; then they are
asked. Texts that it does not find (engine/told.py) it writes down as wanted, and is to be asked once more.
"""

from __future__ import annotations

from engine.answered import (
    FORMAT_NUMBER,
    IN_RULESET,
    SIZE,
)
from engine.decision import SEMANTICS, Reason
from engine.fill_amounts import fill_fees, fill_lines, fill_points, fill_totals
from engine.fill_promotions import fill_promotions, fill_texts
from engine.instructions import Kind
from engine.kernel import Buffer, Ints, Table, bare_gate
from engine.known import Known
from engine.layout import Q_CURRENCY, R_KIND, T_REASON, T_TERM, its, scalar
from engine.rows import (
    BEGINS,
    D_BOUND,
    D_CURRENCY,
    D_DIGEST,
    D_FORMAT,
    D_PROOF,
    D_SEMANTICS,
    DECISION,
    FILLED,
    KINDS,
    PROMOTIONS,
    ROOMS,
    ROWS,
    WANTED,
    add,
    put,
)
from engine.state import State
from engine.told import (
    WANTED_MAX,
    Words,
)

_APPLIED = int(Reason.APPLIED)
_GIFT, _NEXT_CODE = int(Kind.GIFT), int(Kind.NEXT_CODE)
_OPTIMAL, _BOUNDED = 1, 2  # of the contract's Proof


@bare_gate
def fill(
    k: Known,
    words: Words,
    rules: Buffer,
    q: Buffer,
    table: Table,
    state: State,
    asked: Buffer,
    notes: Ints,
    answered: Ints,
    wanted: Ints,
) -> int:
    """Fill the tables of `answered` with what was found of a request: FILLED, or why not.

    `asked`, `notes`: as engine/quick.py left them. `wanted`: how many texts are wanted, then rows of them."""
    if answered.shape[0] < SIZE or table.shape[1] > ROOMS[PROMOTIONS]:
        return ROWS
    wanted[0] = 0
    for of in range(BEGINS.shape[0]):
        answered[2 * of], answered[2 * of + 1] = BEGINS[of], 0
    for row in range(table.shape[1]):
        if table[T_REASON, row] == _APPLIED:
            kind = its(rules, R_KIND, table[T_TERM, row])
            if kind == _GIFT or kind == _NEXT_CODE:
                return KINDS
    whole = add(answered, DECISION)
    answered[whole + D_FORMAT], answered[whole + D_SEMANTICS] = FORMAT_NUMBER, SEMANTICS
    put(answered, whole + D_DIGEST, IN_RULESET, words.fixed[0], words.fixed[1])
    currency = 2 * (1 + scalar(q, Q_CURRENCY))
    put(answered, whole + D_CURRENCY, IN_RULESET, words.fixed[currency], words.fixed[currency + 1])
    answered[whole + D_PROOF], answered[whole + D_BOUND] = _BOUNDED if state.tally[1] else _OPTIMAL, state.tally[1]
    if not fill_promotions(words, rules, q, table, answered, wanted):
        return ROWS
    if not fill_lines(words, q, table, state, asked, notes, answered):
        return ROWS
    if not fill_fees(words, q, table, state, answered):
        return ROWS
    if not fill_totals(k, q, answered):
        return ROWS
    earned = fill_points(k, words, rules, q, table, answered)
    if earned:
        return earned
    fill_texts(words, q, table, answered, wanted)
    if wanted[0] > WANTED_MAX:
        return ROWS
    return WANTED if wanted[0] else FILLED
