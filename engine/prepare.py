"""Who takes part in a group of price rewards: conditions and limits judged at its prices, what each would save alone,
and what is told to those that would save nothing."""

from __future__ import annotations

import numpy as np

from engine.alone import alone, fewest_runs, saved_alone
from engine.discounts import (
    FEWER_TOO,
    ONE_ARTICLE,
    PRICE_LIST,
    ROLE_COUNT,
    ROLE_FLAGS,
    ROLE_REWARDED,
    ROLE_SET,
    available,
    gain,
    measure_of,
    need_of,
    open_to_each,
    order_of,
    over_the_basket,
    roles_of,
)
from engine.instructions import UNITS, Kind
from engine.kernel import Buffer, Flags, Ints, Table, bare, bare_gate, gate, kernel
from engine.layout import (
    NO_ARTICLE,
    NO_PRICE,
    Q_FINE,
    Q_LINE_ARTICLE,
    Q_LINE_MARKS,
    Q_PROMISES,
    Q_UNIT_ARTICLE,
    Q_UNIT_LINE,
    Q_UNIT_LIST,
    R_BUY,
    R_BY_MEASURE,
    R_EACH,
    R_EXCEPT_BEGIN,
    R_GROUP,
    R_KIND,
    R_NUMBER,
    R_ROLES,
    R_TARGET,
    T_ALONE,
    T_APPLICATIONS,
    T_BEATEN_BY,
    T_BUDGET,
    T_CAP,
    T_CLAUSE,
    T_MISSING,
    T_MISSING_KIND,
    T_MISSING_SET,
    T_MISSING_UNIT,
    T_PROMOTION,
    T_REASON,
    T_SAVING,
    T_TERM,
    at,
    cell,
    has,
    its,
    scalar,
    size,
)
from engine.match import MISSING_MEASURE, MISSING_PIECES, admit, asks_nothing
from engine.notes import lines_of, units_of
from engine.perform import is_plain
from engine.state import BUDGET, CLAUSE_BUDGET, EXCLUSIVE, GUARD, NO_SAVING, QUANTITY, Offers, State

_FACTORS = tuple(factor for _, _, factor in UNITS)
_SINGLES, _PRICE_TOGETHER = int(Kind.PRICE_SINGLES), int(Kind.PRICE_TOGETHER)
_PICK, _LADDER = int(Kind.PICK), int(Kind.LADDER)


@gate
def prepare(
    rules: Buffer,
    q: Buffer,
    table: Table,
    state: State,
    notes: Ints,
    original: int,
    rows: Ints,
    enabled: Flags,
    per_item: bool,
) -> Offers:
    """Judge conditions, limits and what each promotion would do alone; those that would save something take part,
    unless this alternative is without them."""
    every = size(q, Q_UNIT_LINE)
    room = np.empty(2 * rows.shape[0] + 1, np.int64)
    part, begin = room[: rows.shape[0]], room[rows.shape[0] :]
    most = max(64, 4 * every)
    pool = np.empty(3 * most, np.int64)
    served = is_any_served(state)
    place = count = begin[0] = 0
    while True:
        units, masks, gains = pool[:most], pool[most : 2 * most], pool[2 * most :]
        offers = Offers(part, begin, units, masks, gains)
        place, count = take_part_plainly(
            rules, q, table, state, notes, original, rows, enabled, served, offers, place, count
        )
        used = begin[count]
        if place == rows.shape[0]:
            return Offers(part[:count], begin[: count + 1], units[:used], masks[:used], gains[:used])
        if used + every > most:
            pool = np.empty(6 * most, np.int64)
            pool[:used], pool[2 * most : 2 * most + used] = units[:used], masks[:used]
            pool[4 * most : 4 * most + used] = gains[:used]
            most *= 2
            continue
        row = rows[place]
        place += 1
        own, own_masks = take_part(rules, q, table, state, notes, original, row, enabled[row], per_item)
        if table[T_REASON, row]:
            continue
        units[used : used + own.shape[0]] = own
        masks[used : used + own.shape[0]] = own_masks
        gains[used : used + own.shape[0]] = -1
        part[count] = row
        count += 1
        begin[count] = used + own.shape[0]


@bare_gate
def take_part_plainly(
    rules: Buffer,
    q: Buffer,
    table: Table,
    state: State,
    notes: Ints,
    original: int,
    rows: Ints,
    enabled: Flags,
    served: bool,
    offers: Offers,
    place: int,
    count: int,
) -> tuple[int, int]:
    """Admit promotions from a place on, and let plain ones take part. The place of the first that is admitted and is
    not plain, or for which there is no room; and how many offers there are."""
    while place < rows.shape[0]:
        row, used = rows[place], offers.begin[count]
        if used + size(q, Q_UNIT_LINE) > offers.units.shape[0]:
            break
        if asks_nothing(rules, table[T_PROMOTION, row]):
            table[T_TERM, row] = table[T_PROMOTION, row]
        else:
            admit(rules, q, table, row, notes, state.left, original)
            if table[T_REASON, row]:
                place += 1
                continue
        p = table[T_TERM, row]
        if not served and has_too_few(rules, q, table, notes, row):
            place += 1
            continue
        if served or not enabled[row] or table[T_BUDGET, row] >= 0 or not is_plain(rules, q, table, row):
            break
        end = open_to_each(rules, q, p, notes, offers.units, used)
        saving = 0
        for k in range(used, end):
            u = offers.units[k]
            base = at(q, Q_UNIT_LIST, u) if original else state.left[u]
            offers.gains[k], offers.masks[k] = gain(rules, q, p, u, 0, base, state.left[u]), 1
            saving += offers.gains[k]
        if saving == 0:  # why it is nothing is told elsewhere
            break
        table[T_ALONE, row] = saving
        offers.rows[count] = row
        count += 1
        offers.begin[count] = end
        place += 1
    return place, count


@bare
def has_too_few(rules: Buffer, q: Buffer, table: Table, notes: Ints, row: int) -> bool:
    """Whether a buy of one plain set finds fewer units than one application takes, with no guard or exception to blame.
    It is told what is missing."""
    p = table[T_TERM, row]
    role, end = roles_of(rules, p)
    if end - role != 1 or cell(rules, R_ROLES, 4, role, ROLE_FLAGS) or need_of(rules, p, 0) or its(rules, R_EACH, p):
        return False
    kind = its(rules, R_KIND, p)
    if kind != _PICK and kind != _LADDER and kind != _PRICE_TOGETHER:
        return False
    if has(rules, R_EXCEPT_BEGIN, p):
        return False
    of, need, have = cell(rules, R_ROLES, 4, role, ROLE_SET), cell(rules, R_ROLES, 4, role, ROLE_COUNT), 0
    first, beyond = (0, size(q, Q_LINE_MARKS)) if of < 0 else lines_of(notes, of)
    for i in range(first, beyond):
        line = i if of < 0 else notes[i]
        if at(q, Q_LINE_MARKS, line):
            return False
        begin, after = units_of(notes, line)
        have += after - begin
    if have < need:
        lacks(table, row, need - have, of)
    return have < need


@bare
def is_any_served(state: State) -> bool:
    """Whether any unit serves an exclusive promotion."""
    for u in range(state.served.shape[0]):
        if state.served[u] >= 0:
            return True
    return False


@gate
def take_part(
    rules: Buffer,
    q: Buffer,
    table: Table,
    state: State,
    notes: Ints,
    original: int,
    row: int,
    enabled: bool,
    per_item: bool,
) -> tuple[Ints, Ints]:
    """The units that a promotion which is admitted brings, and their roles; a reason where it does not take part."""
    p = table[T_TERM, row]
    begin_role, end_role = roles_of(rules, p)
    if begin_role < end_role and its(rules, R_BUY, p) == 0:
        table[T_APPLICATIONS, row] = 1  # only a buy repeats
    units, masks = available(rules, q, p, notes, state.left, original, False)
    free = unclaimed(rules, table, state, table[T_PROMOTION, row], units)
    if not free.all():
        stand_aside(rules, q, table, state, original, row, units, masks, free)
        if table[T_ALONE, row]:  # else it would save nothing with all of them either, and is told why
            units, masks = units[free], masks[free]
    if table[T_REASON, row] == 0:
        judge_alone(rules, q, table, row, notes, units, masks, state.left, original)
    if table[T_REASON, row] == 0 and not enabled:
        table[T_REASON, row] = EXCLUSIVE
    if per_item and table[T_REASON, row] == 0:
        # no unit changes its price in the group: so these are the cheapest, whoever takes them
        meant = over_the_basket(rules, q, p, units, state.left, original)
        units, masks = units[meant], masks[meant]
    return units, masks


@kernel
def unclaimed(rules: Buffer, table: Table, state: State, p: int, units: Ints) -> Flags:
    """Which of these units a promotion may use: no exclusive one claims them, none of its group has taken them."""
    free = np.ones(units.shape[0], np.bool_)
    for i in range(units.shape[0]):
        other = state.served[units[i]]
        if other >= 0:
            same = its(rules, R_GROUP, table[T_PROMOTION, other]) == its(rules, R_GROUP, p)
            free[i] = state.claimed[units[i]] < 0 and not same
    return free


@gate
def stand_aside(
    rules: Buffer,
    q: Buffer,
    table: Table,
    state: State,
    original: int,
    row: int,
    units: Ints,
    masks: Ints,
    free: Flags,
) -> None:
    """A promotion that saves nothing with its free units, but would with all of them, is told who has taken them. What
    it would save is noted: of the free ones, or else of all."""
    p, cap, limit = table[T_TERM, row], table[T_CAP, row], table[T_APPLICATIONS, row]
    table[T_ALONE, row] = alone(rules, q, p, units[free], masks[free], state.left, original, cap, limit).saving
    if table[T_ALONE, row]:
        return
    table[T_ALONE, row] = alone(rules, q, p, units, masks, state.left, original, cap, limit).saving
    if table[T_ALONE, row] == 0:
        return
    by = -1
    for i in range(units.shape[0]):
        other = state.served[units[i]]
        if not free[i] and (by < 0 or (-table[T_SAVING, other], other) < (-table[T_SAVING, by], by)):
            by = other
    table[T_REASON, row] = EXCLUSIVE
    table[T_BEATEN_BY, row] = by


@kernel
def judge_alone(
    rules: Buffer, q: Buffer, table: Table, row: int, notes: Ints, units: Ints, masks: Ints, left: Ints, original: int
) -> None:
    """What a promotion would save alone; a reason where that is nothing, or more than its budget."""
    p = table[T_TERM, row]
    cap, limit, budget = table[T_CAP, row], table[T_APPLICATIONS, row], table[T_BUDGET, row]
    repeats = its(rules, R_BUY, p) > 0 and its(rules, R_KIND, p) != _SINGLES
    saving = saved_alone(rules, q, p, units, masks, left, original, cap, limit)
    if saving == 0:
        explain_nothing(rules, q, table, row, notes, units, masks, left, original)
        return
    table[T_ALONE, row] = saving
    if budget < 0 or (saving <= budget and scalar(q, Q_FINE) == 1):
        return
    result = alone(rules, q, p, units, masks, left, original, cap, limit)
    if budget < result.saving:
        fitting = 0
        if repeats:
            order = order_of(q, units, left, original)  # a cap above the budget changes nothing here
            wanted = (budget + 1) * scalar(q, Q_FINE)
            fitting = fewest_runs(rules, q, p, units[order], masks[order], left, original, limit, wanted) - 1
        result = alone(rules, q, p, units, masks, left, original, cap, fitting)
        while budget < result.saving:  # by what is rounded up
            fitting -= 1
            result = alone(rules, q, p, units, masks, left, original, cap, fitting)
        if result.saving == 0:
            table[T_REASON, row] = BUDGET
            table[T_CLAUSE, row] = CLAUSE_BUDGET
            less = alone(rules, q, p, units, masks, left, original, cap, 1 if repeats else limit)
            table[T_ALONE, row] = less.saving
            return
        table[T_APPLICATIONS, row] = fitting
    if scalar(q, Q_FINE) > 1:  # units that save less before rounding may save more after it
        table[T_CAP, row] = budget if cap < 0 else min(cap, budget)
        result = alone(rules, q, p, units, masks, left, original, table[T_CAP, row], table[T_APPLICATIONS, row])
        if result.saving == 0:
            table[T_REASON, row], table[T_CLAUSE, row] = BUDGET, CLAUSE_BUDGET
    table[T_ALONE, row] = result.saving


@kernel
def guards_bind(q: Buffer) -> bool:
    """Whether guards keep any line from anything."""
    for line in range(size(q, Q_LINE_MARKS)):
        if at(q, Q_LINE_MARKS, line):
            return True
    return False


@gate
def explain_nothing(
    rules: Buffer, q: Buffer, table: Table, row: int, notes: Ints, units: Ints, masks: Ints, left: Ints, original: int
) -> None:
    """Why a promotion saves nothing: guards, too few units for one of its roles, or prices that are low already."""
    p = table[T_TERM, row]
    begin, end = roles_of(rules, p)
    everything, all_masks = units, masks
    if guards_bind(q):
        everything, all_masks = available(rules, q, p, notes, left, original, True)
    for r in range(max(1, end - begin)):
        need = 1
        of = its(rules, R_TARGET, p)
        if begin < end:
            of = cell(rules, R_ROLES, 4, begin + r, ROLE_SET)
            if its(rules, R_KIND, p) != _SINGLES and not cell(rules, R_ROLES, 4, begin + r, ROLE_FLAGS) & FEWER_TOO:
                need = cell(rules, R_ROLES, 4, begin + r, ROLE_COUNT)
        need = max(need, need_of(rules, p, r))
        have = most_of(rules, q, p, r, units, masks)
        if have >= need:
            continue
        if most_of(rules, q, p, r, everything, all_masks) >= need:
            table[T_REASON, row] = GUARD
        elif need_of(rules, p, r):
            lacks(table, row, 0, of)
            lacks_measure(rules, table, row, begin + r, need - have)
        elif its(rules, R_KIND, p) == PRICE_LIST:
            lacks_price(rules, q, table, row)
        else:
            lacks(table, row, need - have, of)
        return
    wanted = its(rules, R_BUY, p)
    if end - begin > 1:
        last = cell(rules, R_ROLES, 4, end - 1, ROLE_COUNT)
        if cell(rules, R_ROLES, 4, end - 1, ROLE_REWARDED):
            wanted += 1 if cell(rules, R_ROLES, 4, end - 1, ROLE_FLAGS) & FEWER_TOO else last
        if units.shape[0] < wanted:
            if everything.shape[0] >= wanted:
                table[T_REASON, row] = GUARD
            else:
                lacks(table, row, wanted - units.shape[0], cell(rules, R_ROLES, 4, end - 1, ROLE_SET))
                if need_of(rules, p, end - begin - 1):
                    lacks_measure(rules, table, row, end - 1, need_of(rules, p, end - begin - 1))
            return
    table[T_REASON, row] = NO_SAVING


@bare
def lacks(table: Table, row: int, pieces: int, of: int) -> None:
    """Too few units: note how many of which set are missing."""
    table[T_REASON, row] = QUANTITY
    table[T_MISSING_KIND, row] = MISSING_PIECES
    table[T_MISSING, row] = pieces
    table[T_MISSING_SET, row] = of


@kernel
def lacks_price(rules: Buffer, q: Buffer, table: Table, row: int) -> None:
    """A price list has no price for what is there: note what is missing to the first, if a quantity would bring one."""
    number = its(rules, R_NUMBER, table[T_TERM, row])
    kind = cell(q, Q_PROMISES, 4, number, 1)
    if kind == NO_PRICE:
        table[T_REASON, row] = NO_SAVING
        return
    lacks(table, row, 1, its(rules, R_TARGET, table[T_TERM, row]))
    if kind != NO_ARTICLE:
        table[T_MISSING_KIND, row] = kind
        table[T_MISSING, row] = cell(q, Q_PROMISES, 4, number, 2)
        table[T_MISSING_UNIT, row] = cell(q, Q_PROMISES, 4, number, 3)


@kernel
def lacks_measure(rules: Buffer, table: Table, row: int, role: int, measure: int) -> None:
    """Too little by measure: note how much, in the unit that the role names."""
    unit = cell(rules, R_BY_MEASURE, 3, role, 2)
    table[T_MISSING_KIND, row], table[T_MISSING_UNIT, row] = MISSING_MEASURE, unit
    table[T_MISSING, row] = -(-measure // _FACTORS[unit])


@gate
def most_of(rules: Buffer, q: Buffer, p: int, role: int, units: Ints, masks: Ints) -> int:
    """How many units, or how much by measure, a role could have; of one article, where it asks for it: of that with
    most."""
    begin, end = roles_of(rules, p)
    one_article = begin < end and cell(rules, R_ROLES, 4, begin + role, ROLE_FLAGS) & ONE_ARTICLE
    if not one_article and not need_of(rules, p, role):
        units_of_it = 0
        for i in range(units.shape[0]):
            units_of_it += masks[i] >> role & 1
        return units_of_it
    by_article = np.zeros(size(q, Q_LINE_ARTICLE) + 1, np.int64)
    for i in range(units.shape[0]):
        if masks[i] >> role & 1 and need_of(rules, p, role):
            by_article[0] += measure_of(q, units[i])
        elif masks[i] >> role & 1:
            by_article[at(q, Q_UNIT_ARTICLE, units[i]) if one_article else 0] += 1
    return by_article.max()
