"""What each reward saves: one function for a unit, one for a promotion on its own.

To add a reward: a row in engine/instructions.py `Kind`, a branch in `gain` (or a function beside `together`), a Program
in engine/program.py and its row in engine/write.py.
"""

from __future__ import annotations

import numpy as np

from engine.arithmetic import divide, rounded, share
from engine.basket import BASIS_POINTS
from engine.cashier import ENTRY_KIND, ENTRY_VALUE, entered_for_all, takes_entry
from engine.floors import room
from engine.instructions import Each, Entered, Kind, Mark, Role
from engine.kernel import Buffer, Flags, Ints, bare, bare_gate, gate, kernel
from engine.layout import (
    Q_ENTRIES,
    Q_FINE,
    Q_LINE_ARTICLE,
    Q_LINE_MARKS,
    Q_MICROS_PER_MINOR,
    Q_PROMISE,
    Q_PROMISES,
    Q_ROUNDING,
    Q_UNIT_ARTICLE,
    Q_UNIT_DIMENSION,
    Q_UNIT_ENTRY,
    Q_UNIT_FACTOR,
    Q_UNIT_LINE,
    Q_UNIT_LIST,
    Q_UNIT_MEASURE,
    Q_UNIT_PRICE,
    R_AMOUNT,
    R_BUY,
    R_BY_MEASURE,
    R_DIMENSION,
    R_EACH,
    R_KIND,
    R_LADDER,
    R_LADDER_BEGIN,
    R_NUMBER,
    R_PER,
    R_PERCENT,
    R_PICK_COUNT,
    R_PICK_DEAREST,
    R_ROLE_BEGIN,
    R_ROLES,
    R_TARGET,
    amount_of,
    at,
    cell,
    its,
    scalar,
    size,
    view,
)
from engine.match import by_article, in_tiers, left_out, tier_at, towards_tiers
from engine.notes import lines_of, mark_of, units_of
from engine.order import ascending

_PERCENT, _PERCENT_TOGETHER, _AMOUNT_EACH, _AMOUNT_TOGETHER, _AMOUNT_MEASURE = range(5)
_PRICE_EACH, _PRICE_MEASURE, _PICK, _LADDER, _PRICE_TOGETHER, _PRICE_SINGLES = range(5, 11)
_CASHIER = int(Kind.CASHIER)
_ENTERED_PERCENT, _ENTERED_AMOUNT = int(Entered.PERCENT), int(Entered.AMOUNT)
_FEE_PERCENT, _FEE_AMOUNT, _FEE_PRICE = range(12, 15)
PRICE_LIST = int(Kind.PRICE_LIST)
assert [int(k) for k in Kind][:16] == list(range(16))
_BY_ARTICLE, _STEPWISE = int(Each.ARTICLE), int(Each.STEP)
ROW_SHIFT = 16  # of a unit that has a reward row of its own: that row + 1, above the bits of its roles
ROLE_SET, ROLE_COUNT, ROLE_FLAGS, ROLE_REWARDED = range(4)  # columns of roles
FEW, FEW_OF = 64, 4  # units are sorted where they are few, and less than one of so many; else all are looked at
ONE_ARTICLE, FEWER_TOO = int(Role.ONE_ARTICLE), int(Role.FEWER_TOO)
_CHEAPEST, _DEAREST = int(Role.CHEAPEST), int(Role.DEAREST)
_MARK_DISCOUNT, _MARK_COUNT, _MARK_CHOSEN = int(Mark.DISCOUNT), int(Mark.COUNT), int(Mark.CHOSEN)


# ---------------------------------------------------------------------------------------------------- a unit


@bare_gate
def measured(q: Buffer, micros: int, per: int, u: int) -> int:
    """round(price per measure x measure) of a measured unit, in minor units; `micros` for `per` of its dimension."""
    whole = per * scalar(q, Q_MICROS_PER_MINOR)
    measure = at(q, Q_UNIT_MEASURE, u) * at(q, Q_UNIT_FACTOR, u)
    quotient, rest = share(micros, measure % whole, whole)
    return rounded(micros * (measure // whole) + quotient, rest, whole, scalar(q, Q_ROUNDING))


@bare_gate
def measured_less(q: Buffer, off: int, per: int, u: int) -> int:
    """round((unit price - off) x measure): what a measured unit costs at a price that much lower."""
    scale = per // 1_000  # per is 1,000 thousandths of the reward's unit, or 100,000
    price = max(0, at(q, Q_UNIT_PRICE, u) * scale - off * at(q, Q_UNIT_FACTOR, u))
    whole = per * scalar(q, Q_MICROS_PER_MINOR)
    measure = at(q, Q_UNIT_MEASURE, u)
    quotient, rest = share(price, measure % whole, whole)
    return rounded(price * (measure // whole) + quotient, rest, whole, scalar(q, Q_ROUNDING))


@bare
def promised(rules: Buffer, q: Buffer, p: int, u: int) -> int:
    """What a unit costs by the price list that a promotion gives; -1: the list has no price for it."""
    begin = cell(q, Q_PROMISES, 4, its(rules, R_NUMBER, p), 0)
    return at(q, Q_PROMISE, begin + u) if begin >= 0 else -1


@bare
def percent(amount: int, basis_points: int, rounding: int) -> int:
    """So many basis points of an amount, rounded."""
    return divide(amount * basis_points, BASIS_POINTS, rounding)


@bare
def percent_of(q: Buffer, u: int, base: int, basis_points: int) -> int:
    """So many basis points of what a unit costs, in fine parts: rounded for itself, or exact where what is rounded is
    the sum of an article's pieces."""
    fine = scalar(q, Q_FINE)
    if fine == 1 or at(q, Q_UNIT_DIMENSION, u):
        return fine * percent(base, basis_points, scalar(q, Q_ROUNDING))
    return base * (basis_points * fine // BASIS_POINTS)


@bare
def gain(rules: Buffer, q: Buffer, p: int, u: int, position: int, base: int, left: int) -> int:
    """What a unit saves in a promotion, at a position of its run (a buy), before caps, in fine parts of a minor unit.

    For prices together it is all that is left of the unit: the price is taken off once, by the run."""
    fine, most = scalar(q, Q_FINE), room(q, u, left)
    kind = its(rules, R_KIND, p)
    amount = amount_of(rules, q, its(rules, R_AMOUNT, p)) if its(rules, R_AMOUNT, p) >= 0 else 0
    if kind == _PERCENT:
        return min(most * fine, percent_of(q, u, base, its(rules, R_PERCENT, p)))
    if kind == _AMOUNT_EACH:
        return min(most, amount) * fine
    if kind == _PRICE_EACH:
        return max(0, min(most, left - amount)) * fine
    if kind == _PRICE_MEASURE:
        return max(0, min(most, left - measured(q, amount, its(rules, R_PER, p), u))) * fine
    if kind == PRICE_LIST:
        return max(0, min(most, left - promised(rules, q, p, u))) * fine
    if kind == _AMOUNT_MEASURE:
        return min(most, max(0, at(q, Q_UNIT_LIST, u) - measured_less(q, amount, its(rules, R_PER, p), u))) * fine
    if kind == _PICK:
        n, k = its(rules, R_BUY, p), its(rules, R_PICK_COUNT, p)
        if (position < k) if its(rules, R_PICK_DEAREST, p) else (position >= n - k):
            return min(most * fine, percent_of(q, u, base, its(rules, R_PERCENT, p)))
        return 0
    if kind == _LADDER:
        for i in range(its(rules, R_LADDER_BEGIN, p), its(rules, R_LADDER_BEGIN, p + 1)):
            if cell(rules, R_LADDER, 3, i, 0) == position:
                if cell(rules, R_LADDER, 3, i, 2) >= 0:
                    return min(most, amount_of(rules, q, cell(rules, R_LADDER, 3, i, 2))) * fine
                return min(most * fine, percent_of(q, u, base, cell(rules, R_LADDER, 3, i, 1)))
        return 0
    if kind == _CASHIER and not entered_for_all(rules, q, p, u):
        return off_entered(rules, q, p, u, base, left)
    return left * fine


@bare
def off_entered(rules: Buffer, q: Buffer, p: int, u: int, base: int, left: int) -> int:
    """What the entry of a unit takes off it, no more than the promotion allows, in fine parts."""
    fine, entry = scalar(q, Q_FINE), at(q, Q_UNIT_ENTRY, u)
    kind, value = cell(q, Q_ENTRIES, 4, entry, ENTRY_KIND), cell(q, Q_ENTRIES, 4, entry, ENTRY_VALUE)
    if kind == _ENTERED_PERCENT:
        saving = percent_of(q, u, base, value)
    elif kind == _ENTERED_AMOUNT:
        saving = value * fine
    else:
        saving = max(0, left - value) * fine
    if its(rules, R_AMOUNT, p) >= 0:
        most = amount_of(rules, q, its(rules, R_AMOUNT, p)) * fine
    else:
        most = percent_of(q, u, base, its(rules, R_PERCENT, p))
    return min(room(q, u, left) * fine, saving, most)


@gate
def in_whole(q: Buffer, units: Ints, left: Ints, exact: Ints) -> Ints:
    """What units save in minor units, in this order, of what they save in fine parts: an article's pieces so far save
    their sum, rounded. What would be more than is left of a piece is left to the next."""
    fine = scalar(q, Q_FINE)
    if fine == 1:
        return exact
    savings = np.zeros(units.shape[0], np.int64)
    sums = np.zeros(size(q, Q_LINE_ARTICLE) + 1, np.int64)
    given = np.zeros(sums.shape[0], np.int64)
    for i in range(units.shape[0]):
        u = units[i]
        if at(q, Q_UNIT_DIMENSION, u):
            savings[i] = exact[i] // fine  # a whole number
        elif exact[i]:
            a = at(q, Q_UNIT_ARTICLE, u)
            sums[a] += exact[i]
            savings[i] = min(room(q, u, left[u]), divide(sums[a], fine, scalar(q, Q_ROUNDING)) - given[a])
            given[a] += savings[i]
    return savings


@bare
def gain_of_fee(rules: Buffer, q: Buffer, p: int, base: int, left: int) -> int:
    """What a promotion takes off a fee, before caps."""
    kind = its(rules, R_KIND, p)
    amount = amount_of(rules, q, its(rules, R_AMOUNT, p)) if its(rules, R_AMOUNT, p) >= 0 else 0
    if kind == _FEE_PERCENT:
        return min(left, percent(base, its(rules, R_PERCENT, p), scalar(q, Q_ROUNDING)))
    if kind == _FEE_AMOUNT:
        return min(left, amount)
    if kind == _FEE_PRICE:
        return max(0, left - amount)
    return left


@bare
def fits(rules: Buffer, q: Buffer, p: int, u: int) -> bool:
    """Whether a unit is of the form that the reward prices: a piece for a price each, a measure for one per measure;
    what has a price, of a list."""
    kind = its(rules, R_KIND, p)
    if kind == _PRICE_EACH:
        return at(q, Q_UNIT_DIMENSION, u) == 0
    if kind == _PRICE_MEASURE or kind == _AMOUNT_MEASURE:
        return at(q, Q_UNIT_DIMENSION, u) == its(rules, R_DIMENSION, p)
    if kind == PRICE_LIST:
        return promised(rules, q, p, u) >= 0
    return True


@bare
def open_to_each(rules: Buffer, q: Buffer, p: int, notes: Ints, units: Ints, used: int) -> int:
    """The units that a promotion without roles may use, ascending, noted from place `used` on; where they end."""
    of, every = its(rules, R_TARGET, p), size(q, Q_LINE_MARKS)
    first, beyond = (0, every) if of < 0 else lines_of(notes, of)
    marked = 0
    for i in range(first, beyond):
        line = i if of < 0 else notes[i]
        if at(q, Q_LINE_MARKS, line) & (_MARK_CHOSEN | _MARK_DISCOUNT) or left_out(rules, q, p, line):
            continue
        begin, end = units_of(notes, line)
        notes[mark_of(notes, line)] = 1
        marked += end - begin
    few = marked <= FEW and marked * FEW_OF < size(q, Q_UNIT_LINE)
    end = used
    for u in range(0 if few else size(q, Q_UNIT_LINE)):
        if notes[mark_of(notes, at(q, Q_UNIT_LINE, u))] and fits(rules, q, p, u):
            units[end] = u
            end += 1
    for i in range(first, beyond):
        line = i if of < 0 else notes[i]
        if few and notes[mark_of(notes, line)]:
            begin, last = units_of(notes, line)
            for k in range(begin, last):
                if fits(rules, q, p, notes[k]):
                    end = put_in(units, used, end, notes[k])
        notes[mark_of(notes, line)] = 0
    return end


@bare
def put_in(units: Ints, begin: int, end: int, u: int) -> int:
    """Put a unit among those that ascend; where they end then."""
    place = end
    while place > begin and units[place - 1] > u:
        units[place] = units[place - 1]
        place -= 1
    units[place] = u
    return end + 1


@gate
def open_units(rules: Buffer, q: Buffer, p: int, notes: Ints, guarded: bool) -> tuple[Ints, Ints]:
    """The units that a promotion may use, ascending, and the roles that each may have in its `buy`, bit by bit; with
    `guarded` also those that guards keep from it."""
    begin, end = roles_of(rules, p)
    roles = max(1, end - begin)
    masks = np.zeros(size(q, Q_LINE_MARKS), np.int64)
    pieces = 0
    for r in range(roles):
        of, keeps = its(rules, R_TARGET, p), _MARK_DISCOUNT
        if begin < end:
            of = cell(rules, R_ROLES, 4, begin + r, ROLE_SET)
            if not cell(rules, R_ROLES, 4, begin + r, ROLE_REWARDED):
                keeps = _MARK_DISCOUNT | _MARK_COUNT
        keeps = _MARK_CHOSEN if guarded else _MARK_CHOSEN | keeps
        first, beyond = (0, masks.shape[0]) if of < 0 else lines_of(notes, of)
        for i in range(first, beyond):
            line = i if of < 0 else notes[i]
            if at(q, Q_LINE_MARKS, line) & keeps or left_out(rules, q, p, line):
                continue
            if masks[line] == 0:
                own, after = units_of(notes, line)
                pieces += after - own
            masks[line] |= 1 << r
    units, own_masks = np.empty(pieces, np.int64), np.empty(pieces, np.int64)
    if pieces == 0:
        return units, own_masks
    few = pieces <= FEW and pieces * FEW_OF < size(q, Q_UNIT_LINE)
    count = 0
    for u in range(0 if few else size(q, Q_UNIT_LINE)):
        if masks[at(q, Q_UNIT_LINE, u)]:
            units[count] = u
            count += 1
    for line in range(masks.shape[0] if few else 0):
        if masks[line]:
            own, after = units_of(notes, line)
            for k in range(own, after):
                count = put_in(units, 0, count, notes[k])
    count = 0
    last = roles - 1 if begin < end and cell(rules, R_ROLES, 4, end - 1, ROLE_REWARDED) else -1
    for i in range(pieces):
        u = units[i]
        mask = masks[at(q, Q_UNIT_LINE, u)]
        if its(rules, R_KIND, p) == _CASHIER and not takes_entry(rules, q, p, at(q, Q_UNIT_ENTRY, u)):
            mask = 0
        if mask and not its(rules, R_EACH, p) and not fits(rules, q, p, u):
            mask = mask & ~(1 << last) if last >= 0 else 0
        for r in range(end - begin):
            if need_of(rules, p, r) and at(q, Q_UNIT_DIMENSION, u) != cell(rules, R_BY_MEASURE, 3, begin + r, 1):
                mask &= ~(1 << r)
        if mask:
            units[count], own_masks[count] = u, mask
            count += 1
    return units[:count], own_masks[:count]


@bare
def row_of(p: int, role: int) -> int:
    """The reward row of a unit, by its roles: that of the promotion, or its own."""
    return (role >> ROW_SHIFT) - 1 if role >> ROW_SHIFT else p


@gate
def available(
    rules: Buffer, q: Buffer, p: int, notes: Ints, left: Ints, original: int, guarded: bool
) -> tuple[Ints, Ints]:
    """The units that a promotion may use, and their roles; where tiers are read for each article, or go step by step,
    those that reach a tier, with its reward row."""
    units, masks = open_units(rules, q, p, notes, guarded)
    each = its(rules, R_EACH, p)
    begin, end = roles_of(rules, p)
    if not each or begin < end:
        return units, masks
    if not in_tiers(rules, p):  # an amount for each article
        return units, masks | (p + 1) << ROW_SHIFT
    added = towards_tiers(rules, q, p, left, original)
    sums = by_article(q, added)
    order = np.arange(added.shape[0])
    if each & _STEPWISE:
        order = order_of(q, order, left, original)
        sums[:] = 0
    reached = np.zeros(added.shape[0], np.int64)
    for i in range(order.shape[0]):
        u = order[i]
        a = at(q, Q_UNIT_ARTICLE, u) if each & _BY_ARTICLE else 0
        if each & _STEPWISE:
            sums[a] += added[u]
        if added[u] or not each & _STEPWISE:
            reached[u] = sums[a]
    count = 0
    for i in range(units.shape[0]):
        tier = tier_at(rules, q, p, reached[units[i]])
        if tier >= 0 and fits(rules, q, tier, units[i]):
            units[count], masks[count] = units[i], masks[i] | (tier + 1) << ROW_SHIFT
            count += 1
    return units[:count], masks[:count]


@gate
def order_of(q: Buffer, units: Ints, left: Ints, original: int) -> Ints:
    """Where ascending units stand in order U: by base, then by what is left, both descending, then as numbered."""
    ordered = True
    for i in range(1, units.shape[0]):
        a, b = units[i - 1], units[i]
        base_a, base_b = (at(q, Q_UNIT_LIST, a), at(q, Q_UNIT_LIST, b)) if original else (left[a], left[b])
        if base_a < base_b or (base_a == base_b and left[a] < left[b]):
            ordered = False
            break
    if ordered:
        return np.arange(units.shape[0])
    order = ascending(-left[units])
    if original:
        order = order[ascending(-view(q, Q_UNIT_LIST)[units[order]])]
    return order


@kernel
def over_the_basket(rules: Buffer, q: Buffer, p: int, units: Ints, left: Ints, original: int) -> Flags:
    """Which of the units that are available (ascending) a promotion means: of the cheapest or dearest so many of a set
    these, else all."""
    chosen = np.ones(units.shape[0], np.bool_)
    begin, end = roles_of(rules, p)
    if begin < end:
        flags, n = cell(rules, R_ROLES, 4, end - 1, ROLE_FLAGS), cell(rules, R_ROLES, 4, end - 1, ROLE_COUNT)
        if flags & (_CHEAPEST | _DEAREST) and units.shape[0] > n:
            order = order_of(q, units, left, original)
            chosen[order[:-n] if flags & _CHEAPEST else order[n:]] = False
    return chosen


@bare
def singles_cost(price: int, n: int, units: int) -> int:
    """ceil(price x units / n), for units up to n."""
    return -(-price * units // n)


@bare
def need_of(rules: Buffer, p: int, role: int) -> int:
    """How much a role asks for by measure, in thousandths of its dimension's smallest unit; 0: it asks for units."""
    begin, end = roles_of(rules, p)
    return cell(rules, R_BY_MEASURE, 3, begin + role, 0) if begin + role < end else 0


@bare
def by_measure(rules: Buffer, p: int) -> bool:
    """Whether a promotion asks for anything by measure: all that it takes then is one."""
    begin, end = roles_of(rules, p)
    for r in range(end - begin):
        if need_of(rules, p, r):
            return True
    return False


@bare
def measure_of(q: Buffer, u: int) -> int:
    """Of a measured unit, in thousandths of its dimension's smallest unit."""
    return at(q, Q_UNIT_MEASURE, u) * at(q, Q_UNIT_FACTOR, u)


@bare
def roles_of(rules: Buffer, p: int) -> tuple[int, int]:
    """The rows of a promotion's roles: what it buys, then what it rewards if that is something else."""
    return its(rules, R_ROLE_BEGIN, p), its(rules, R_ROLE_BEGIN, p + 1)
