"""Points: whether a promotion of points would add any, in its group; and what all of them give, once all is decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from engine.basket import POINTS_MAX, BadRequest, Fault
from engine.decision import PointsResult, PromotionPoints, Reason
from engine.image import Ruleset
from engine.instructions import Kind, Mark
from engine.kernel import Buffer, Ints, Table, gate
from engine.layout import (
    Q_LINE_MARKS,
    Q_POINTS,
    Q_POINTS_PER,
    Q_UNIT_LINE,
    R_EXCEPT_BEGIN,
    R_EXCEPTED,
    R_KIND,
    R_NUMBER,
    R_TARGET,
    T_TERM,
    at,
    its,
    scalar,
    size,
)
from engine.match import holds_set
from engine.resolve import base_points

_GUARD, _QUANTITY, _NO_SAVING = int(Reason.GUARD), int(Reason.QUANTITY), int(Reason.NO_SAVING)
_TIMES_POINTS = int(Kind.TIMES_POINTS)
_MARK_REWARD, _MARK_CHOSEN = int(Mark.REWARD), int(Mark.CHOSEN)
ONCE = 100  # hundredths: what everybody gets


@gate
def judge_points(rules: Buffer, q: Buffer, table: Table, row: int, left: Ints) -> int:
    """0, or why a promotion adds no points at these prices: guards, no unit of its set, or too little paid."""
    p = table[T_TERM, row]
    of = its(rules, R_TARGET, p)
    inside = np.zeros(size(q, Q_LINE_MARKS), np.uint8)
    for line in range(inside.shape[0]):
        member = not at(q, Q_LINE_MARKS, line) & _MARK_CHOSEN and (of < 0 or holds_set(q, line, of))
        for i in range(its(rules, R_EXCEPT_BEGIN, p), its(rules, R_EXCEPT_BEGIN, p + 1)):
            member = member and not holds_set(q, line, at(rules, R_EXCEPTED, i))
        inside[line] = member
    guarded = earning = paid = 0
    for u in range(size(q, Q_UNIT_LINE)):
        line = at(q, Q_UNIT_LINE, u)
        if inside[line]:
            if at(q, Q_LINE_MARKS, line) & _MARK_REWARD:
                guarded += 1
            else:
                earning += 1
                paid += left[u]
    if earning == 0:
        return _GUARD if guarded else _QUANTITY
    if its(rules, R_KIND, p) == _TIMES_POINTS:
        more = its(rules, R_NUMBER, p) - ONCE  # hundredths of the base points
        enough = (ONCE * scalar(q, Q_POINTS_PER) + more - 1) // more  # of amount x base points, for one point more
        if paid * scalar(q, Q_POINTS) < enough:
            return _NO_SAVING
    return 0


def earned(
    ruleset: Ruleset,
    currency: str,
    columns: Mapping[str, Ints],
    nets: Sequence[int],
    applied: Iterable[tuple[int, int]],
) -> PointsResult | None:
    """The points of a basket, from what its lines cost without gifts, and the promotions that applied with the reward
    rows that held. None: the ruleset gives none.

    Raises BadRequest where there are more than anybody counts."""
    if not ruleset.gives_points:
        return None
    rules = ruleset.rules
    number, per = base_points(ruleset.settings, currency)
    earning = (columns["line_marks"] & int(Mark.REWARD)) == 0
    bought = earning & ((columns["line_marks"] & int(Mark.CHOSEN)) == 0)
    begin, sets = columns["set_begin"], columns["sets"]

    def holds(wanted: Ints) -> Ints:
        """By line: whether its article is in one of these sets."""
        found = np.concatenate(([0], np.cumsum(np.isin(sets, wanted))))
        return np.asarray(found[begin[1:]] > found[begin[:-1]])

    def paid(lines: Ints) -> int:
        return sum(net for net, counts in zip(nets, lines.tolist(), strict=True) if counts)

    base = number * paid(earning) // per if per else 0
    results = []
    for promotion, p in applied:
        kind, much = int(rules.kind[p]), int(rules.number[p])
        if kind == Kind.FIXED_POINTS:
            points = much
        elif kind == Kind.TIMES_POINTS:
            mine = bought & ~holds(rules.excepted[rules.except_begin[p] : rules.except_begin[p + 1]])
            if rules.target[p] >= 0:
                mine &= holds(rules.target[p : p + 1])
            points = (much - ONCE) * number * paid(mine) // (ONCE * per)
        else:
            continue
        results.append(PromotionPoints(ruleset.promotion_names[promotion], points))
    total = base + sum(result.points for result in results)
    if total > POINTS_MAX:
        raise BadRequest("lines", f"earn more than {POINTS_MAX} points", Fault.BOUNDS)
    return PointsResult(total, base, tuple(results))
