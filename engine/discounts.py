"""What each reward saves: one function for a unit, one for a promotion on its own.

To add a reward: a row in engine/instructions.py `Kind`, a branch in `gain` (or a function beside `together`), a Program
in engine/program.py and its row in engine/write.py.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.arithmetic import divide, rounded, share
from engine.assign import FREE, NEVER, RUNS, SINGLES, STEPS_MAX, Choices, best, states_of
from engine.basket import BASIS_POINTS
from engine.instructions import Kind, Mark, Target
from engine.kernel import Buffer, Flags, Ints, kernel
from engine.layout import (
    Q_LINE_MARKS,
    Q_MICROS_PER_MINOR,
    Q_ROUNDING,
    Q_UNIT_DIMENSION,
    Q_UNIT_FACTOR,
    Q_UNIT_LINE,
    Q_UNIT_LIST,
    Q_UNIT_MEASURE,
    Q_UNIT_PRICE,
    R_AMOUNT,
    R_BUY,
    R_DIMENSION,
    R_EXCEPT_BEGIN,
    R_EXCEPTED,
    R_KIND,
    R_LADDER,
    R_LADDER_BEGIN,
    R_PER,
    R_PERCENT,
    R_PICK_COUNT,
    R_PICK_DEAREST,
    R_TARGET,
    R_TARGET_KIND,
    amount_of,
    at,
    cell,
    scalar,
    size,
    view,
)
from engine.match import holds_set
from engine.prorate import prorate

_PERCENT, _PERCENT_TOGETHER, _AMOUNT_EACH, _AMOUNT_TOGETHER, _AMOUNT_MEASURE = range(5)
_PRICE_EACH, _PRICE_MEASURE, _PICK, _LADDER, _PRICE_TOGETHER, _PRICE_SINGLES, _FREE_SERVICE = range(5, 12)
assert [int(k) for k in Kind] == list(range(12))
_SET = int(Target.SET)
_MARK_DISCOUNT, _MARK_COUNT = int(Mark.DISCOUNT), int(Mark.COUNT)


class Application(NamedTuple):
    """What a promotion does: units in order U, what each saves, and the run (application) that it belongs to."""

    units: Ints
    savings: Ints
    runs: Ints
    saving: int
    applications: int
    missed: int  # at most this much more it could have saved; 0 = proven


# ---------------------------------------------------------------------------------------------------- a unit


@kernel
def measured(q: Buffer, micros: int, per: int, u: int) -> int:
    """round(price per measure x measure) of a measured unit, in minor units; `micros` for `per` of its dimension."""
    whole = per * scalar(q, Q_MICROS_PER_MINOR)
    measure = at(q, Q_UNIT_MEASURE, u) * at(q, Q_UNIT_FACTOR, u)
    quotient, rest = share(micros, measure % whole, whole)
    return rounded(micros * (measure // whole) + quotient, rest, whole, scalar(q, Q_ROUNDING))


@kernel
def measured_less(q: Buffer, off: int, per: int, u: int) -> int:
    """round((unit price - off) x measure): what a measured unit costs at a price that much lower."""
    scale = per // 1_000  # per is 1,000 thousandths of the reward's unit, or 100,000
    price = max(0, at(q, Q_UNIT_PRICE, u) * scale - off * at(q, Q_UNIT_FACTOR, u))
    whole = per * scalar(q, Q_MICROS_PER_MINOR)
    measure = at(q, Q_UNIT_MEASURE, u)
    quotient, rest = share(price, measure % whole, whole)
    return rounded(price * (measure // whole) + quotient, rest, whole, scalar(q, Q_ROUNDING))


@kernel
def percent(amount: int, basis_points: int, rounding: int) -> int:
    """So many basis points of an amount, rounded."""
    return divide(amount * basis_points, BASIS_POINTS, rounding)


@kernel
def gain(rules: Buffer, q: Buffer, p: int, u: int, position: int, base: int, left: int) -> int:
    """What a unit saves in a promotion, at a position of its run (a buy), before caps.

    For prices together it is all that is left of the unit: the price is taken off once, by the run."""
    kind = at(rules, R_KIND, p)
    amount = amount_of(rules, q, at(rules, R_AMOUNT, p)) if at(rules, R_AMOUNT, p) >= 0 else 0
    if kind == _PERCENT:
        return min(left, percent(base, at(rules, R_PERCENT, p), scalar(q, Q_ROUNDING)))
    if kind == _AMOUNT_EACH:
        return min(left, amount)
    if kind == _PRICE_EACH:
        return max(0, left - amount)
    if kind == _PRICE_MEASURE:
        return max(0, left - measured(q, amount, at(rules, R_PER, p), u))
    if kind == _AMOUNT_MEASURE:
        return min(left, max(0, at(q, Q_UNIT_LIST, u) - measured_less(q, amount, at(rules, R_PER, p), u)))
    if kind == _PICK:
        n, k = at(rules, R_BUY, p), at(rules, R_PICK_COUNT, p)
        if (position < k) if at(rules, R_PICK_DEAREST, p) else (position >= n - k):
            return min(left, percent(base, at(rules, R_PERCENT, p), scalar(q, Q_ROUNDING)))
        return 0
    if kind == _LADDER:
        for i in range(at(rules, R_LADDER_BEGIN, p), at(rules, R_LADDER_BEGIN, p + 1)):
            if cell(rules, R_LADDER, 3, i, 0) == position:
                if cell(rules, R_LADDER, 3, i, 2) >= 0:
                    return min(left, amount_of(rules, q, cell(rules, R_LADDER, 3, i, 2)))
                return min(left, percent(base, cell(rules, R_LADDER, 3, i, 1), scalar(q, Q_ROUNDING)))
        return 0
    return left


@kernel
def fits(rules: Buffer, q: Buffer, p: int, u: int) -> bool:
    """Whether a unit is of the form that the reward prices: a piece for a price each, a measure for one per measure."""
    kind = at(rules, R_KIND, p)
    if kind == _PRICE_EACH:
        return at(q, Q_UNIT_DIMENSION, u) == 0
    if kind == _PRICE_MEASURE or kind == _AMOUNT_MEASURE:
        return at(q, Q_UNIT_DIMENSION, u) == at(rules, R_DIMENSION, p)
    return True


@kernel
def available(rules: Buffer, q: Buffer, p: int) -> tuple[Ints, int]:
    """The units a promotion may use, ascending, and how many it might, were there no guards."""
    lines = size(q, Q_LINE_MARKS)
    state = np.zeros(lines, np.int64)  # 0 out, 1 guarded, 2 in
    guard = _MARK_DISCOUNT | _MARK_COUNT if at(rules, R_BUY, p) else _MARK_DISCOUNT
    for line in range(lines):
        if at(rules, R_TARGET_KIND, p) == _SET and not holds_set(q, line, at(rules, R_TARGET, p)):
            continue
        state[line] = 1 if at(q, Q_LINE_MARKS, line) & guard else 2
        for i in range(at(rules, R_EXCEPT_BEGIN, p), at(rules, R_EXCEPT_BEGIN, p + 1)):
            if holds_set(q, line, at(rules, R_EXCEPTED, i)):
                state[line] = 0
    count = unguarded = 0
    for u in range(size(q, Q_UNIT_LINE)):
        if state[at(q, Q_UNIT_LINE, u)] and fits(rules, q, p, u):
            unguarded += 1
            count += state[at(q, Q_UNIT_LINE, u)] == 2
    units = np.empty(count, np.int64)
    count = 0
    for u in range(size(q, Q_UNIT_LINE)):
        if state[at(q, Q_UNIT_LINE, u)] == 2 and fits(rules, q, p, u):
            units[count] = u
            count += 1
    return units, unguarded


@kernel
def in_order(q: Buffer, units: Ints, left: Ints, original: int) -> Ints:
    """Ascending units in order U: by base, then by what is left, both descending, then as they are numbered."""
    ordered = True
    for i in range(1, units.shape[0]):
        a, b = units[i - 1], units[i]
        base_a, base_b = (at(q, Q_UNIT_LIST, a), at(q, Q_UNIT_LIST, b)) if original else (left[a], left[b])
        if base_a < base_b or (base_a == base_b and left[a] < left[b]):
            ordered = False
            break
    if ordered:
        return units
    result = units[np.argsort(-left[units], kind="mergesort")]
    if original:
        result = result[np.argsort(-view(q, Q_UNIT_LIST)[result], kind="mergesort")]
    return result


# ---------------------------------------------------------------------------------------------------- a promotion


@kernel
def takes(rules: Buffer, p: int) -> int:
    """How a promotion takes units: FREE, RUNS or SINGLES."""
    if at(rules, R_KIND, p) == _PRICE_SINGLES:
        return SINGLES
    return RUNS if at(rules, R_BUY, p) else FREE


@kernel
def singles_cost(price: int, n: int, units: int) -> int:
    """ceil(price x units / n), for units up to n."""
    return -(-price * units // n)


@kernel
def fill_gains(
    rules: Buffer, q: Buffer, p: int, units: Ints, open_to: Flags, left: Ints, original: int, out: Ints
) -> None:
    """The gains of ordered units in a promotion, one row of positions for each; NEVER where it cannot take the unit.

    The price of a run is taken off at its last position, a share of it at each for singles."""
    kind = at(rules, R_KIND, p)
    width = max(1, at(rules, R_BUY, p))
    price = amount_of(rules, q, at(rules, R_AMOUNT, p)) if at(rules, R_AMOUNT, p) >= 0 else 0
    for i in range(units.shape[0]):
        u = units[i]
        base = at(q, Q_UNIT_LIST, u) if original else left[u]
        for position in range(width):
            cell = i * width + position
            if not open_to[i]:
                out[cell] = NEVER
                continue
            value = gain(rules, q, p, u, position, base, left[u])
            if kind == _PRICE_TOGETHER and position == width - 1:
                value -= price
            elif kind == _PRICE_SINGLES:
                value -= singles_cost(price, width, position + 1) - singles_cost(price, width, position)
            elif width == 1 and at(rules, R_BUY, p) == 0 and value <= 0:
                value = NEVER
            out[cell] = value


@kernel
def nothing() -> Application:
    """What a promotion does that does not apply."""
    none = np.empty(0, np.int64)
    return Application(none, none, none, 0, 0, 0)


@kernel
def capped(q: Buffer, units: Ints, savings: Ints, cap: int) -> int:
    """Cut savings down to a cap, in proportion; their sum."""
    total = savings.sum()
    if cap < 0 or total <= cap:
        return total
    order = np.argsort(units, kind="mergesort")
    shares = np.empty(units.shape[0], np.int64)
    prorate(q, cap, units[order], savings[order], shares)
    savings[order] = shares
    return cap


@kernel
def settle(rules: Buffer, q: Buffer, p: int, units: Ints, left: Ints, original: int, cap: int) -> Application:
    """What a promotion does with units chosen for it, in order U: runs, savings, the cap."""
    count = units.shape[0]
    savings = np.zeros(count, np.int64)
    runs = np.zeros(count, np.int64)
    if count == 0:
        return nothing()
    take = takes(rules, p)
    n = at(rules, R_BUY, p)
    kind = at(rules, R_KIND, p)
    price = amount_of(rules, q, at(rules, R_AMOUNT, p)) if at(rules, R_AMOUNT, p) >= 0 else 0
    if take == RUNS:
        for i in range(count):
            runs[i] = i // n
    applications = count // n if take == RUNS else 1
    if kind == _PRICE_SINGLES:
        cost = price * (count // n) + singles_cost(price, n, count % n)
        share_run(q, units, left, left[units].sum() - cost, savings)
    elif kind == _PRICE_TOGETHER or kind == _PERCENT_TOGETHER or kind == _AMOUNT_TOGETHER:
        for run in range(applications):
            begin, end = (run * n, run * n + n) if take == RUNS else (0, count)
            own = units[begin:end]
            rest = left[own].sum()
            if kind == _PRICE_TOGETHER:
                amount = rest - price
            elif kind == _AMOUNT_TOGETHER:
                amount = min(price, rest)
            else:
                base = view(q, Q_UNIT_LIST)[own].sum() if original else rest
                amount = min(rest, percent(base, at(rules, R_PERCENT, p), scalar(q, Q_ROUNDING)))
            if take == FREE and cap >= 0:
                amount = min(amount, cap)
            share_run(q, own, left, amount, savings[begin:end])
    else:
        for i in range(count):
            u = units[i]
            base = at(q, Q_UNIT_LIST, u) if original else left[u]
            savings[i] = gain(rules, q, p, u, i % n if take == RUNS else 0, base, left[u])
    total = capped(q, units, savings, cap)
    return Application(units, savings, runs, total, applications if total > 0 else 0, 0)


@kernel
def share_run(q: Buffer, units: Ints, left: Ints, amount: int, savings: Ints) -> None:
    """Prorate an amount over the units of a run by what is left of them."""
    order = np.argsort(units, kind="mergesort")
    ascending = units[order]
    shares = np.empty(units.shape[0], np.int64)
    prorate(q, max(0, amount), ascending, left[ascending], shares)
    savings[order] = shares


@kernel
def choose_runs(
    rules: Buffer, q: Buffer, p: int, units: Ints, left: Ints, original: int, limit: int
) -> tuple[Ints, int, int]:
    """The units of a buy that save most, in at most `limit` applications (-1: any); the saving without cap; and what
    at most was missed. Units come and go in order U."""
    count, n = units.shape[0], at(rules, R_BUY, p)
    kind = at(rules, R_KIND, p)
    take = takes(rules, p)
    states, binding = states_of(take, n, limit, count)
    together = kind == _PERCENT_TOGETHER or kind == _AMOUNT_TOGETHER
    if together or count * states * 2 > STEPS_MAX:
        return dearest_runs(rules, q, p, units, left, original, limit, together)
    gains = np.empty(count * n, np.int64)
    fill_gains(rules, q, p, units, np.ones(count, np.bool_), left, original, gains)
    choices = Choices(
        np.full(1, take, np.int64),
        np.full(1, n, np.int64),
        np.full(1, binding, np.int64),
        np.full(1, n, np.int64),
        np.zeros(1, np.int64),
        gains,
        np.full(1, states, np.int64),
    )
    choice = np.empty(count, np.int64)
    saving = best(choices, count, False, choice)
    return units[choice == 0], saving, 0


@kernel
def peak(rules: Buffer, q: Buffer, p: int, u: int, base: int, left: int) -> int:
    """The most that a unit saves at any position of a run; few positions differ."""
    kind, n = at(rules, R_KIND, p), at(rules, R_BUY, p)
    most = max(0, gain(rules, q, p, u, 0, base, left))
    if kind == _PICK:
        return max(most, gain(rules, q, p, u, n - 1, base, left))
    if kind == _LADDER:
        for i in range(at(rules, R_LADDER_BEGIN, p), at(rules, R_LADDER_BEGIN, p + 1)):
            position = cell(rules, R_LADDER, 3, i, 0)
            if position < n:
                most = max(most, gain(rules, q, p, u, position, base, left))
    return most


@kernel
def fewest_runs(
    rules: Buffer, q: Buffer, p: int, units: Ints, left: Ints, original: int, limit: int, wanted: int
) -> int:
    """The smallest number of applications, of at most `limit` (-1: any), whose best saving is at least `wanted`; all
    of them together reach it. Units come in order U.

    More applications never save less, as long as all are chosen exactly or none is: so both stretches are halved."""
    count, n = units.shape[0], at(rules, R_BUY, p)
    most = count // n if limit < 0 else min(limit, count // n)
    exact = min(most, STEPS_MAX // (2 * count * n) - 1)
    low, high = 1, most
    if exact >= 1:
        _, saving, _ = choose_runs(rules, q, p, units, left, original, exact)
        if saving >= wanted:
            high = exact
        else:
            low = exact + 1
    while low < high:
        middle = (low + high) // 2
        _, saving, _ = choose_runs(rules, q, p, units, left, original, middle)
        if saving >= wanted:
            high = middle
        else:
            low = middle + 1
    return low


@kernel
def dearest_runs(
    rules: Buffer, q: Buffer, p: int, units: Ints, left: Ints, original: int, limit: int, together: bool
) -> tuple[Ints, int, int]:
    """The dearest units in runs: off them together, and baskets too large for the exact choice."""
    count, n = units.shape[0], at(rules, R_BUY, p)
    runs = count // n if limit < 0 else min(limit, count // n)
    if takes(rules, p) == SINGLES:
        n, runs = 1, count
    top, saving = 0, 0
    done = 0
    whole = settle(rules, q, p, units[: runs * n], left, original, -1)
    if together:  # every run for itself; those that save nothing go
        keep = np.zeros(runs * n, np.bool_)
        for run in range(runs):
            own = whole.savings[run * n : run * n + n].sum()
            saving += own
            keep[run * n : run * n + n] = own > 0
        return units[: runs * n][keep], saving, 0
    price = amount_of(rules, q, at(rules, R_AMOUNT, p)) if at(rules, R_AMOUNT, p) >= 0 else 0
    most = 0
    for i in range(count):
        u = units[i]
        base = at(q, Q_UNIT_LIST, u) if original else left[u]
        most += peak(rules, q, p, u, base, left[u])
        if i < runs * n:
            done += gain(rules, q, p, u, i % at(rules, R_BUY, p), base, left[u])
            if at(rules, R_KIND, p) == _PRICE_TOGETHER and (i + 1) % n == 0:
                done -= price
            if at(rules, R_KIND, p) == _PRICE_SINGLES:
                m = at(rules, R_BUY, p)
                done -= singles_cost(price, m, i % m + 1) - singles_cost(price, m, i % m)
            if (i + 1) % n == 0 and done > saving:
                saving, top = done, i + 1
    return units[:top], saving, most - saving


@kernel
def alone(
    rules: Buffer, q: Buffer, p: int, units: Ints, left: Ints, original: int, cap: int, limit: int
) -> Application:
    """The best that a promotion can do by itself with these units (ascending), a cap (-1: none) and at most `limit`
    applications (-1: any)."""
    if units.shape[0] == 0 or limit == 0:
        return nothing()
    ordered = in_order(q, units, left, original)
    take = takes(rules, p)
    if take == FREE:
        kind = at(rules, R_KIND, p)
        if kind != _PERCENT_TOGETHER and kind != _AMOUNT_TOGETHER:
            cheaper = np.zeros(ordered.shape[0], np.bool_)
            for i in range(ordered.shape[0]):
                u = ordered[i]
                base = at(q, Q_UNIT_LIST, u) if original else left[u]
                cheaper[i] = gain(rules, q, p, u, 0, base, left[u]) > 0
            ordered = ordered[cheaper]
        return settle(rules, q, p, ordered, left, original, cap)
    chosen, saving, missed = choose_runs(rules, q, p, ordered, left, original, limit)
    if cap >= 0 and saving > cap and take == RUNS:
        runs = fewest_runs(rules, q, p, ordered, left, original, limit, cap)
        chosen, saving, missed = choose_runs(rules, q, p, ordered, left, original, runs)
        missed = 0
    result = settle(rules, q, p, chosen, left, original, cap)
    return Application(result.units, result.savings, result.runs, result.saving, result.applications, missed)
