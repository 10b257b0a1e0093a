"""What a cashier entered: which promotions give it, on which units (docs/semantics.md 6).

A unit has one entry at most: that of its line, else that of the basket.
"""

from __future__ import annotations

from engine.instructions import Kind
from engine.kernel import Buffer, bare
from engine.layout import Q_ENTRIES, Q_UNIT_ENTRY, R_KIND, R_REASON_BEGIN, R_REASONS, at, cell, its, size

_CASHIER = int(Kind.CASHIER)
ENTRY_KIND, ENTRY_VALUE, ENTRY_REASON, ENTRY_BASKET = range(4)  # columns of entries


@bare
def takes_entry(rules: Buffer, q: Buffer, p: int, entry: int) -> bool:
    """Whether a reward is what the cashier enters for the reason of an entry."""
    if entry < 0 or its(rules, R_KIND, p) != _CASHIER:
        return False
    for i in range(its(rules, R_REASON_BEGIN, p), its(rules, R_REASON_BEGIN, p + 1)):
        if at(rules, R_REASONS, i) == cell(q, Q_ENTRIES, 4, entry, ENTRY_REASON):
            return True
    return False


@bare
def takes_any_entry(rules: Buffer, q: Buffer, p: int) -> bool:
    """Whether anything was entered for a reason of a reward."""
    for entry in range(size(q, Q_ENTRIES) // 4):
        if takes_entry(rules, q, p, entry):
            return True
    return False


@bare
def entered_for_all(rules: Buffer, q: Buffer, p: int, u: int) -> bool:
    """Whether what is taken off a unit was entered for the whole basket."""
    if its(rules, R_KIND, p) != _CASHIER:
        return False
    return cell(q, Q_ENTRIES, 4, at(q, Q_UNIT_ENTRY, u), ENTRY_BASKET) == 1
