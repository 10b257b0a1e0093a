"""Which offers together: group by group, in each the mode's answer, exact within stated sizes (docs/semantics.md 7).

`combine` is the door; each mode is one function below it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.alone import Application, alone, fewest_runs, off_together, saved_alone, settle
from engine.alternatives import alternatives, is_better, is_contract, name_the_excluded, said_with, saved_by
from engine.basket import BASIS_POINTS
from engine.decision import Reason
from engine.discounts import (
    FEWER_TOO,
    ONE_ARTICLE,
    PRICE_LIST,
    ROLE_COUNT,
    ROLE_FLAGS,
    ROLE_REWARDED,
    ROLE_SET,
    ROW_SHIFT,
    available,
    by_measure,
    gain,
    gain_of_fee,
    measure_of,
    need_of,
    order_of,
    over_the_basket,
    promised,
    roles_of,
    row_of,
)
from engine.gifts import chosen_gifts, gift_savings
from engine.graph import draw, grown
from engine.instructions import UNITS, Apply, Kind, Mark, Target
from engine.kernel import Buffer, Flags, Ints, Table, borrowed, gate, kernel
from engine.layout import (
    NO_ARTICLE,
    NO_PRICE,
    Q_FEES,
    Q_FINE,
    Q_LINE_ARTICLE,
    Q_LINE_MARKS,
    Q_PROMISES,
    Q_UNIT_ARTICLE,
    Q_UNIT_ENTRY,
    Q_UNIT_FACTOR,
    Q_UNIT_FLOOR,
    Q_UNIT_LINE,
    Q_UNIT_LIST,
    Q_UNIT_MEASURE,
    Q_UNIT_PRICE,
    R_AMOUNT,
    R_APPLY,
    R_AT_MOST,
    R_BUY,
    R_BY_MEASURE,
    R_EACH,
    R_GIVES,
    R_GROUP,
    R_KIND,
    R_NUMBER,
    R_ORIGINAL,
    R_PER_ARTICLE,
    R_PERCENT,
    R_RANK,
    R_ROLES,
    R_TARGET,
    R_TARGET_KIND,
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
    amount_of,
    at,
    cell,
    scalar,
    size,
)
from engine.match import MISSING_MEASURE, MISSING_PIECES, Touched, Truths, admit, judged, lines_touched
from engine.order import ascending
from engine.points import judge_points
from engine.prorate import prorate
from engine.search import NAMES_MAX, Graphs, solve

ARCS_MAX = 2_000_000  # of the graphs of one component: beyond, it is settled greedily
SETS_MAX = 5_000  # sets of promotions that «at most N» tries
SETS_STEPS_MAX = 2_000_000  # sets x promotions in one x units of the basket, likewise

_ALL, _BEST, _BEST_PER_ITEM, _FIRST, _FIRST_PER_ITEM, _AT_MOST = (int(a) for a in Apply)
_FACTORS = tuple(factor for _, _, factor in UNITS)
_MARK_SHIP = int(Mark.SHIP_FREE)
_PERCENT_TOGETHER = int(Kind.PERCENT_TOGETHER)
_SINGLES, _FREE_SERVICE, _NEXT_CODE = int(Kind.PRICE_SINGLES), int(Kind.FREE_SERVICE), int(Kind.NEXT_CODE)
_CASHIER = int(Kind.CASHIER)
_SERVICE, _GIFT, _MARK_CHOSEN = int(Target.SERVICE), int(Kind.GIFT), int(Mark.CHOSEN)
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


@gate
def combine(rules: Buffer, q: Buffer, table: Table, state: State) -> None:
    """Settle all candidates: judge them, then run the groups in sequence; for each alternative anew, where some
    exclude others."""
    rules, q, table, state = borrowed(rules), borrowed(q), borrowed(table), borrowed(state)
    truths = judged(rules, q, table, state.fees)
    total = table.shape[1]
    touched = lines_touched(rules, q, table)
    choices = alternatives(rules, q, table)
    count = choices.enabled.shape[0]
    if count == 0:
        run_groups(rules, q, table, state, truths, touched, np.ones(total, np.bool_))
        return
    best_table, best = table.copy(), afresh(state)
    run_groups(rules, q, best_table, best, truths, touched, choices.enabled[0])
    hope = saved_by(rules, best_table) + best.tally[1]
    for number in range(1, count):
        tried, now = table.copy(), afresh(state)
        run_groups(rules, q, tried, now, truths, touched, choices.enabled[number])
        hope = max(hope, saved_by(rules, tried) + now.tally[1])
        if is_better(rules, tried, best_table):
            best_table, best = tried, now
    name_the_excluded(rules, best_table)
    table[:] = best_table
    state.left[:] = best.left
    state.refund[:] = best.refund
    state.given[:] = best.given
    state.fees[:] = best.fees
    state.granted[:] = best.granted
    state.records[:] = best.records
    state.tally[:] = best.tally
    state.tally[1] = max(hope, choices.ceiling) - saved_by(rules, table)


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


@gate
def run_groups(
    rules: Buffer, q: Buffer, table: Table, state: State, truths: Truths, touched: Touched, enabled: Flags
) -> None:
    """Settle the exclusive promotions of per-item groups, then all groups in sequence."""
    total = table.shape[1]
    groups = size(rules, R_GIVES)
    sizes = np.zeros((2, groups), np.int64)
    for row in range(total):
        if table[T_REASON, row] == 0:
            p = table[T_PROMOTION, row]
            sizes[0 if is_contract(rules, p) else 1, at(rules, R_GROUP, p)] += 1
    for turn in range(2):
        for g in range(groups):
            if sizes[turn, g] == 0:
                continue
            rows = np.empty(sizes[turn, g], np.int64)
            ranks = np.empty(sizes[turn, g], np.int64)
            count = 0
            for row in range(total):
                p = table[T_PROMOTION, row]
                if at(rules, R_GROUP, p) == g and table[T_REASON, row] == 0 and is_contract(rules, p) == (turn == 0):
                    rows[count], ranks[count] = row, at(rules, R_RANK, p)
                    count += 1
            rows = rows[ascending(ranks)]  # declared order
            before = Truths(truths.segment, truths.place, state.fees.copy())  # thresholds are read before the group
            if at(rules, R_GIVES, g) == 1:
                grant_benefits(rules, q, table, state, before, g, rows)
                continue
            taken = give_discounts(rules, q, table, state, before, touched, g, rows, enabled)
            if turn == 0:
                for u in range(taken.shape[0]):
                    if taken[u] >= 0:
                        state.served[u] = taken[u]
                        if state.left[u] < at(q, Q_UNIT_LIST, u):
                            state.claimed[u] = taken[u]


# ---------------------------------------------------------------------------------------------------- discounts


@gate
def give_discounts(
    rules: Buffer,
    q: Buffer,
    table: Table,
    state: State,
    truths: Truths,
    touched: Touched,
    g: int,
    rows: Ints,
    enabled: Flags,
) -> Ints:
    """One group of price rewards. In per-item groups: the candidate that each unit serves."""
    original = at(rules, R_ORIGINAL, g)
    mode = at(rules, R_APPLY, g)
    per_item = mode == _BEST_PER_ITEM or mode == _FIRST_PER_ITEM
    offers = prepare(rules, q, table, state, truths, touched, original, rows, enabled, per_item)
    taken = np.full(size(q, Q_UNIT_LINE), -1, np.int64)
    if offers.rows.shape[0] == 0:
        return taken
    if mode == _BEST_PER_ITEM:
        apply_best_per_item(rules, q, table, state, original, offers, taken)
    elif mode == _FIRST_PER_ITEM:
        apply_first_per_item(rules, q, table, state, original, offers, taken)
    elif mode == _AT_MOST:
        apply_at_most(rules, q, table, state, original, offers, at(rules, R_AT_MOST, g))
    elif mode == _ALL:
        apply_set(rules, q, table, state, original, offers, np.ones(offers.rows.shape[0], np.bool_))
    else:
        chosen = np.zeros(offers.rows.shape[0], np.bool_)
        top = 0
        if mode == _BEST:
            for i in range(1, offers.rows.shape[0]):
                a, b = table[T_ALONE, offers.rows[i]], table[T_ALONE, offers.rows[top]]
                if a > b or (a == b and offers.rows[i] < offers.rows[top]):
                    top = i
        chosen[top] = True
        apply_set(rules, q, table, state, original, offers, chosen)
    name_the_beaten(table, offers, taken, per_item)
    return taken


@gate
def prepare(
    rules: Buffer,
    q: Buffer,
    table: Table,
    state: State,
    truths: Truths,
    touched: Touched,
    original: int,
    rows: Ints,
    enabled: Flags,
    per_item: bool,
) -> Offers:
    """Judge conditions, limits and what each promotion would do alone; those that would save something take part,
    unless this alternative is without them."""
    begin = np.zeros(rows.shape[0] + 1, np.int64)
    part = np.empty(rows.shape[0], np.int64)
    pool = np.empty(max(64, size(q, Q_UNIT_LINE)), np.int64)
    roles = np.empty(pool.shape[0], np.int64)
    count = used = 0
    for row in rows:
        admit(rules, q, table, row, truths, state.left, original)
        if table[T_REASON, row]:
            continue
        p = table[T_TERM, row]
        begin_role, end_role = roles_of(rules, p)
        if begin_role < end_role and at(rules, R_BUY, p) == 0:
            table[T_APPLICATIONS, row] = 1  # only a buy repeats
        lines = touched.lines[touched.begin[row] : touched.begin[row + 1]]
        units, masks = available(rules, q, p, lines, state.left, original, False)
        free = unclaimed(rules, table, state, table[T_PROMOTION, row], units)
        if not free.all():
            stand_aside(rules, q, table, state, original, row, units, masks, free)
            if table[T_ALONE, row]:  # else it would save nothing with all of them either, and is told why
                units, masks = units[free], masks[free]
        if table[T_REASON, row] == 0:
            judge_alone(rules, q, table, row, lines, units, masks, state.left, original)
        if table[T_REASON, row] == 0 and not enabled[row]:
            table[T_REASON, row] = EXCLUSIVE
        if table[T_REASON, row]:
            continue
        if per_item:  # no unit changes its price in the group: so these are the cheapest, whoever takes them
            meant = over_the_basket(rules, q, p, units, state.left, original)
            units, masks = units[meant], masks[meant]
        pool = grown(pool, used, used + units.shape[0])
        roles = grown(roles, used, used + units.shape[0])
        pool[used : used + units.shape[0]] = units
        roles[used : used + units.shape[0]] = masks
        used += units.shape[0]
        part[count] = row
        count += 1
        begin[count] = used
    return Offers(part[:count], begin[: count + 1], pool[:used], roles[:used])


@kernel
def unclaimed(rules: Buffer, table: Table, state: State, p: int, units: Ints) -> Flags:
    """Which of these units a promotion may use: no exclusive one claims them, none of its group has taken them."""
    free = np.ones(units.shape[0], np.bool_)
    for i in range(units.shape[0]):
        other = state.served[units[i]]
        if other >= 0:
            same = at(rules, R_GROUP, table[T_PROMOTION, other]) == at(rules, R_GROUP, p)
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
    rules: Buffer, q: Buffer, table: Table, row: int, lines: Ints, units: Ints, masks: Ints, left: Ints, original: int
) -> None:
    """What a promotion would save alone; a reason where that is nothing, or more than its budget."""
    p = table[T_TERM, row]
    cap, limit, budget = table[T_CAP, row], table[T_APPLICATIONS, row], table[T_BUDGET, row]
    repeats = at(rules, R_BUY, p) > 0 and at(rules, R_KIND, p) != _SINGLES
    saving = saved_alone(rules, q, p, units, masks, left, original, cap, limit)
    if saving == 0:
        explain_nothing(rules, q, table, row, lines, units, masks, left, original)
        return
    table[T_ALONE, row] = saving
    if budget < 0:
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
    rules: Buffer, q: Buffer, table: Table, row: int, lines: Ints, units: Ints, masks: Ints, left: Ints, original: int
) -> None:
    """Why a promotion saves nothing: guards, too few units for one of its roles, or prices that are low already."""
    p = table[T_TERM, row]
    begin, end = roles_of(rules, p)
    everything, all_masks = units, masks
    if guards_bind(q):
        everything, all_masks = available(rules, q, p, lines, left, original, True)
    for r in range(max(1, end - begin)):
        need = 1
        of = at(rules, R_TARGET, p)
        if begin < end:
            of = cell(rules, R_ROLES, 4, begin + r, ROLE_SET)
            if at(rules, R_KIND, p) != _SINGLES and not cell(rules, R_ROLES, 4, begin + r, ROLE_FLAGS) & FEWER_TOO:
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
        elif at(rules, R_KIND, p) == PRICE_LIST:
            lacks_price(rules, q, table, row)
        else:
            lacks(table, row, need - have, of)
        return
    wanted = at(rules, R_BUY, p)
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


@kernel
def lacks(table: Table, row: int, pieces: int, of: int) -> None:
    """Too few units: note how many of which set are missing."""
    table[T_REASON, row] = QUANTITY
    table[T_MISSING_KIND, row] = MISSING_PIECES
    table[T_MISSING, row] = pieces
    table[T_MISSING_SET, row] = of


@kernel
def lacks_price(rules: Buffer, q: Buffer, table: Table, row: int) -> None:
    """A price list has no price for what is there: note what is missing to the first, if a quantity would bring one."""
    number = at(rules, R_NUMBER, table[T_TERM, row])
    kind = cell(q, Q_PROMISES, 4, number, 1)
    if kind == NO_PRICE:
        table[T_REASON, row] = NO_SAVING
        return
    lacks(table, row, 1, at(rules, R_TARGET, table[T_TERM, row]))
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


@gate
def perform(rules: Buffer, q: Buffer, table: Table, state: State, row: int, application: Application) -> None:
    """Let a promotion apply: prices fall, refund shares are taken, the saving is noted line by line."""
    p = table[T_TERM, row]
    units, savings, runs = application.units, application.savings, application.runs
    by_line = np.zeros(size(q, Q_LINE_MARKS), np.int64)
    count = units.shape[0]
    begin = 0
    together = by_measure(rules, p)
    begin_role, end_role = roles_of(rules, p)
    if begin_role == end_role:  # each unit for itself
        for i in range(count):
            state.left[units[i]] -= savings[i]
            by_line[at(q, Q_UNIT_LINE, units[i])] += savings[i]
        refund_less(q, state.refund, units, savings)
        begin = count
    while begin < count:
        end = begin + 1
        while end < count and (together or runs[end] == runs[begin]):
            end += 1
        order = begin + ascending(units[begin:end])
        own = units[order]
        shares = savings[order]
        if at(rules, R_BUY, p):
            spread = np.empty(own.shape[0], np.int64)
            prorate(q, shares.sum(), own, state.left[own], spread)
        else:
            spread = shares.copy()
        for i in range(own.shape[0]):
            state.left[own[i]] -= shares[i]
            by_line[at(q, Q_UNIT_LINE, own[i])] += shares[i]
        refund_less(q, state.refund, own, spread)
        begin = end
    note_by_line(state, row, by_line)
    state.tally[1] += application.missed
    table[T_REASON, row] = APPLIED
    table[T_SAVING, row] = application.saving
    limit = table[T_APPLICATIONS, row]  # of what is bought by measure there may be enough for more
    table[T_APPLICATIONS, row] = application.applications if limit < 0 else min(limit, application.applications)


@kernel
def is_plain(rules: Buffer, q: Buffer, table: Table, row: int) -> bool:
    """Whether what a promotion saves on a unit hangs on nothing else: no buy, no tier of its own, no cap, no rounding
    over pieces."""
    p = table[T_TERM, row]
    unit_by_unit = takes_each(rules, p) and not at(rules, R_EACH, p) and at(rules, R_KIND, p) != _CASHIER
    return unit_by_unit and table[T_CAP, row] < 0 and scalar(q, Q_FINE) == 1


@gate
def perform_plainly(rules: Buffer, q: Buffer, table: Table, state: State, row: int, units: Ints, original: int) -> bool:
    """Let a plain promotion take some units (ascending). Whether it saves anything."""
    p = table[T_TERM, row]
    by_line = np.zeros(size(q, Q_LINE_MARKS), np.int64)
    savings = np.empty(units.shape[0], np.int64)
    for i in range(units.shape[0]):
        u = units[i]
        savings[i] = gain(rules, q, p, u, 0, at(q, Q_UNIT_LIST, u) if original else state.left[u], state.left[u])
    saving = savings.sum()
    if saving == 0:
        return False
    for i in range(units.shape[0]):
        state.left[units[i]] -= savings[i]
        by_line[at(q, Q_UNIT_LINE, units[i])] += savings[i]
    refund_less(q, state.refund, units, savings)
    note_by_line(state, row, by_line)
    table[T_REASON, row], table[T_SAVING, row], table[T_APPLICATIONS, row] = APPLIED, saving, 1
    return True


@kernel
def note_by_line(state: State, row: int, by_line: Ints) -> None:
    """Note what a promotion saves, line by line."""
    for line in range(by_line.shape[0]):
        if by_line[line] > 0:
            record = state.records[state.tally[0]]
            record[0], record[1], record[2] = line, row, by_line[line]
            state.tally[0] += 1


@gate
def refund_less(q: Buffer, refund: Ints, units: Ints, shares: Ints) -> None:
    """Take shares from the refund values of an application's units; what does not fit, from its other units, then from
    all units, prorated by refund value."""
    rest = 0
    for i in range(units.shape[0]):
        taken = min(shares[i], refund[units[i]])
        refund[units[i]] -= taken
        rest += shares[i] - taken
    if rest == 0:
        return
    for attempt in range(2):
        own = units[ascending(units)] if attempt == 0 else np.arange(size(q, Q_UNIT_LINE))
        weights = refund[own]
        amount = min(rest, weights.sum())
        spread = np.empty(own.shape[0], np.int64)
        prorate(q, amount, own, weights, spread)
        for i in range(own.shape[0]):
            refund[own[i]] -= spread[i]
        rest -= amount
        if rest == 0:
            return


@gate
def name_the_beaten(table: Table, offers: Offers, taken: Ints, per_item: bool) -> None:
    """Who took part and did not apply was beaten: by the largest saving, per item among those that took its units."""
    for i in range(offers.rows.shape[0]):
        row = offers.rows[i]
        if table[T_REASON, row] == APPLIED:
            continue
        table[T_REASON, row] = BEATEN
        by = -1
        rival = np.zeros(table.shape[1], np.bool_)
        if per_item:
            for k in range(offers.begin[i], offers.begin[i + 1]):
                if taken[offers.units[k]] >= 0:
                    rival[taken[offers.units[k]]] = True
        for attempt in range(2):
            for j in range(offers.rows.shape[0]):
                other = offers.rows[j]
                if table[T_REASON, other] != APPLIED:
                    continue
                if per_item and attempt == 0 and not rival[other]:
                    continue
                if (
                    by < 0
                    or table[T_SAVING, other] > table[T_SAVING, by]
                    or (table[T_SAVING, other] == table[T_SAVING, by] and other < by)
                ):
                    by = other
            if by >= 0:
                break
        table[T_BEATEN_BY, row] = by
        if by < 0:  # what each of them got rounds to nothing
            table[T_REASON, row] = NO_SAVING


# ---------------------------------------------------------------------------------------------------- per basket


@gate
def apply_set(
    rules: Buffer,
    q: Buffer,
    table: Table,
    state: State,
    original: int,
    offers: Offers,
    chosen: Flags,
) -> None:
    """The chosen promotions, one after the other in declared order, each on what is left."""
    for i in range(offers.rows.shape[0]):
        if chosen[i]:
            row = offers.rows[i]
            result = alone_of(rules, q, table, offers, i, state.left, original)
            if result.saving > 0:
                perform(rules, q, table, state, row, result)


@gate
def alone_of(rules: Buffer, q: Buffer, table: Table, offers: Offers, i: int, left: Ints, original: int) -> Application:
    """What the i-th offer does by itself at these prices."""
    row = offers.rows[i]
    units = offers.units[offers.begin[i] : offers.begin[i + 1]]
    masks = offers.masks[offers.begin[i] : offers.begin[i + 1]]
    p, cap, limit = table[T_TERM, row], table[T_CAP, row], table[T_APPLICATIONS, row]
    return alone(rules, q, p, units, masks, left, original, cap, limit)


@gate
def worth_of_set(
    rules: Buffer, q: Buffer, table: Table, left: Ints, original: int, offers: Offers, members: Ints
) -> int:
    """What some promotions (ascending positions in declared order) save one after the other."""
    now = left.copy()
    total = 0
    for i in members:
        result = alone_of(rules, q, table, offers, i, now, original)
        total += result.saving
        for k in range(result.units.shape[0]):
            now[result.units[k]] -= result.savings[k]
    return total


@gate
def apply_at_most(
    rules: Buffer, q: Buffer, table: Table, state: State, original: int, offers: Offers, most: int
) -> None:
    """The set of at most so many promotions with the largest total saving."""
    count = offers.rows.shape[0]
    most = min(most, count)
    sets, ways = 1, 1  # the empty one counts
    for k in range(1, most + 1):
        ways = ways * (count - k + 1) // k
        sets += ways
        if sets > SETS_MAX:
            break
    chosen = np.zeros(count, np.bool_)
    if sets > SETS_MAX or sets * most * size(q, Q_UNIT_LINE) > SETS_STEPS_MAX:
        by_name = ascending(offers.rows)
        by_saving = by_name[ascending(-table[T_ALONE, offers.rows[by_name]])]
        hope = 0
        for i in range(most):
            chosen[by_saving[i]] = True
            hope += table[T_ALONE, offers.rows[by_saving[i]]]
        members = np.flatnonzero(chosen)
        state.tally[1] += hope - worth_of_set(rules, q, table, state.left, original, offers, members)
        apply_set(rules, q, table, state, original, offers, chosen)
        return
    top = 0
    winner = np.empty(0, np.int64)
    for length in range(1, most + 1):
        members = np.arange(length)
        while True:
            total = worth_of_set(rules, q, table, state.left, original, offers, members)
            if total > top or (
                total == top
                and winner.shape[0] == length
                and smaller_names(np.sort(offers.rows[members]), np.sort(offers.rows[winner]))
            ):
                top = total
                winner = members.copy()
            turn = length - 1
            while turn >= 0 and members[turn] == count - length + turn:
                turn -= 1
            if turn < 0:
                break
            members[turn] += 1
            for j in range(turn + 1, length):
                members[j] = members[j - 1] + 1
    chosen[winner] = True
    apply_set(rules, q, table, state, original, offers, chosen)


@kernel
def smaller_names(a: Ints, b: Ints) -> bool:
    """Whether one ascending list comes before another of the same length."""
    for i in range(a.shape[0]):
        if a[i] != b[i]:
            return a[i] < b[i]
    return False


# ---------------------------------------------------------------------------------------------------- per item


@gate
def alone_of_free(
    rules: Buffer, q: Buffer, table: Table, offers: Offers, i: int, left: Ints, original: int, taken: Ints
) -> Application:
    """What the i-th offer does with those of its units that serve no promotion yet."""
    row = offers.rows[i]
    units = offers.units[offers.begin[i] : offers.begin[i + 1]]
    free = taken[units] < 0
    masks = offers.masks[offers.begin[i] : offers.begin[i + 1]][free]
    p, cap, limit = table[T_TERM, row], table[T_CAP, row], table[T_APPLICATIONS, row]
    return alone(rules, q, p, units[free], masks, left, original, cap, limit)


@gate
def apply_first_per_item(
    rules: Buffer, q: Buffer, table: Table, state: State, original: int, offers: Offers, taken: Ints
) -> None:
    """In declared order each takes from the units not yet taken what it would take alone."""
    for i in range(offers.rows.shape[0]):
        result = alone_of_free(rules, q, table, offers, i, state.left, original, taken)
        if result.saving > 0:
            taken[result.units] = offers.rows[i]
            perform(rules, q, table, state, offers.rows[i], result)


@gate
def apply_best_per_item(
    rules: Buffer, q: Buffer, table: Table, state: State, original: int, offers: Offers, taken: Ints
) -> None:
    """Every unit serves at most one promotion; together they save the most. Components are settled one by one."""
    offers = left_to_the_better(rules, q, table, offers, state.left, original)
    count = offers.rows.shape[0]
    parent = np.arange(count)
    owner = np.full(taken.shape[0], -1, np.int64)
    for i in range(count):
        for k in range(offers.begin[i], offers.begin[i + 1]):
            u = offers.units[k]
            if owner[u] < 0:
                owner[u] = i
            else:
                a, b = root(parent, owner[u]), root(parent, i)
                parent[max(a, b)] = min(a, b)
    role_of = np.full(taken.shape[0], 0, np.int64)
    by_name = ascending(offers.rows)
    roots = np.empty(count, np.int64)
    for i in range(count):
        roots[i] = root(parent, i)
    for top in range(count):
        if offers.begin[top] == offers.begin[top + 1]:
            continue
        if roots[top] == top:
            members = by_name[roots[by_name] == top]
            one = covers_all(rules, table, offers, members)
            if one >= 0:
                takes_its_own(rules, q, table, state, original, offers, one, taken, role_of)
            else:
                settle_component(rules, q, table, state, original, offers, members, taken, role_of)
    for i in by_name:
        row = offers.rows[i]
        units = offers.units[offers.begin[i] : offers.begin[i + 1]]
        own = units[taken[units] == row]
        if own.shape[0] == 0:
            continue
        if is_plain(rules, q, table, row):
            if not perform_plainly(rules, q, table, state, row, own, original):
                taken[own] = -1
            continue
        own = own[order_of(q, own, state.left, original)]
        p, cap = table[T_TERM, row], table[T_CAP, row]
        result = settle(rules, q, p, own, role_of[own], state.left, original, cap)
        if result.saving > 0:
            perform(rules, q, table, state, row, result)
        else:
            taken[own] = -1


@kernel
def root(parent: Ints, i: int) -> int:
    """The component that i belongs to, by its first member."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@gate
def settle_component(
    rules: Buffer,
    q: Buffer,
    table: Table,
    state: State,
    original: int,
    offers: Offers,
    members: Ints,
    taken: Ints,
    role_of: Ints,
) -> None:
    """Promotions (positions in offers, by name) that share units: which unit serves which, in which role."""
    promotions = members.shape[0]
    inside = np.zeros(taken.shape[0], np.bool_)
    for i in members:
        for k in range(offers.begin[i], offers.begin[i + 1]):
            inside[offers.units[k]] = True
    units = np.flatnonzero(inside)
    units = units[order_of(q, units, state.left, original)]
    count = units.shape[0]
    open_to = np.zeros((promotions, count), np.int64)
    place = np.empty(taken.shape[0], np.int64)
    place[units] = np.arange(count)
    for a in range(promotions):
        for k in range(offers.begin[members[a]], offers.begin[members[a] + 1]):
            open_to[a, place[offers.units[k]]] = offers.masks[k]
    named = promotions <= NAMES_MAX
    graphs = graphs_of(rules, q, table, offers, members, units, open_to, state.left, original)
    if graphs.final.shape[0] == 0:
        settle_greedily(rules, q, table, state, original, offers, members, taken, role_of)
        return
    choice = np.empty(count, np.int64)
    fine = scalar(q, Q_FINE)
    answer = solve(graphs, state.left[units].sum() * fine, named, choice)
    state.tally[1] += -(-answer.bound // fine)
    for k in range(count):
        if choice[k] >= 0:
            taken[units[k]] = offers.rows[members[choice[k] >> 4]]
            own_row = open_to[choice[k] >> 4, k] >> ROW_SHIFT << ROW_SHIFT
            role_of[units[k]] = own_row | (choice[k] & 15) - 1


@gate
def left_to_the_better(rules: Buffer, q: Buffer, table: Table, offers: Offers, left: Ints, original: int) -> Offers:
    """The offers without the units that another saves more on, if both take each unit for itself, without a cap, and
    without those that they make no cheaper.

    Whoever took such a unit would save more with the other: so no best assignment is lost."""
    count = offers.rows.shape[0]
    gains = np.zeros(offers.units.shape[0], np.int64)
    most = np.zeros(left.shape[0], np.int64)
    plain = np.zeros(count, np.bool_)
    for i in range(count):
        row = offers.rows[i]
        plain[i] = takes_each(rules, table[T_TERM, row]) and table[T_CAP, row] < 0
        for k in range(offers.begin[i], offers.begin[i + 1] if plain[i] else 0):
            u = offers.units[k]
            base = at(q, Q_UNIT_LIST, u) if original else left[u]
            gains[k] = gain(rules, q, row_of(table[T_TERM, row], offers.masks[k]), u, 0, base, left[u])
            most[u] = max(most[u], gains[k])
    begin = np.zeros(count + 1, np.int64)
    units, masks = np.empty(gains.shape[0], np.int64), np.empty(gains.shape[0], np.int64)
    used = 0
    for i in range(count):
        for k in range(offers.begin[i], offers.begin[i + 1]):
            if not plain[i] or 0 < gains[k] == most[offers.units[k]]:
                units[used], masks[used] = offers.units[k], offers.masks[k]
                used += 1
        begin[i + 1] = used
    return Offers(offers.rows.copy(), begin, units[:used], masks[:used])


@kernel
def takes_each(rules: Buffer, p: int) -> bool:
    """Whether a promotion takes every unit for itself: no buy, nothing off units together, no limit per article."""
    begin, end = roles_of(rules, p)
    return begin == end and not at(rules, R_PER_ARTICLE, p) and not off_together(rules, p)


@gate
def covers_all(rules: Buffer, table: Table, offers: Offers, members: Ints) -> int:
    """Where every promotion takes each unit for itself, all save as much on it: so one that has all units is the
    fewest, and the first of these (by name) the answer. -1: there is none, or more to choose."""
    most = 0
    for i in members:
        if not takes_each(rules, table[T_TERM, offers.rows[i]]) or table[T_CAP, offers.rows[i]] >= 0:
            return -1
        most = max(most, offers.begin[i + 1] - offers.begin[i])
    if members.shape[0] == 1:
        return members[0]
    if members.shape[0] > NAMES_MAX:
        return -1
    for i in members:
        if offers.begin[i + 1] - offers.begin[i] < most:
            continue
        for j in members:
            for k in range(offers.begin[j], offers.begin[j + 1]):
                if not has_unit(offers, i, offers.units[k]):
                    return -1
        return i
    return -1


@kernel
def has_unit(offers: Offers, i: int, unit: int) -> bool:
    """Whether a unit is among those of an offer, which ascend."""
    low, high = offers.begin[i], offers.begin[i + 1]
    while low < high:
        middle = (low + high) // 2
        if offers.units[middle] < unit:
            low = middle + 1
        else:
            high = middle
    return low < offers.begin[i + 1] and offers.units[low] == unit


@gate
def takes_its_own(
    rules: Buffer,
    q: Buffer,
    table: Table,
    state: State,
    original: int,
    offers: Offers,
    i: int,
    taken: Ints,
    role_of: Ints,
) -> None:
    """An offer takes each of its units that it makes cheaper."""
    row = offers.rows[i]
    p = table[T_TERM, row]
    for k in range(offers.begin[i], offers.begin[i + 1]):
        u = offers.units[k]
        base = at(q, Q_UNIT_LIST, u) if original else state.left[u]
        if gain(rules, q, row_of(p, offers.masks[k]), u, 0, base, state.left[u]) > 0:
            taken[u] = row
            role_of[u] = offers.masks[k] >> ROW_SHIFT << ROW_SHIFT


@gate
def graphs_of(
    rules: Buffer,
    q: Buffer,
    table: Table,
    offers: Offers,
    members: Ints,
    units: Ints,
    open_to: Table,
    left: Ints,
    original: int,
) -> Graphs:
    """The graphs of a component's promotions; without nodes: they are too large."""
    promotions = open_to.shape[0]
    none = np.empty(0, np.int64)
    caps = table[T_CAP, offers.rows[members]]
    for a in range(promotions):
        caps[a] = caps[a] * scalar(q, Q_FINE) if caps[a] > 0 else caps[a]
    layer_begin = np.zeros(promotions + 1, np.int64)
    layer_unit = np.empty((open_to > 0).sum() + promotions, np.int64)
    node_begin = np.empty(layer_unit.shape[0] + 1, np.int64)
    arc_begin, arc_to, arc_role, arc_gain, final = none, none, none, none, none
    layers = nodes = arcs = 0
    for a in range(promotions):
        row = offers.rows[members[a]]
        mine = np.flatnonzero(open_to[a])
        drawing = draw(
            rules,
            q,
            table[T_TERM, row],
            units[mine],
            open_to[a][mine],
            left,
            original,
            table[T_APPLICATIONS, row],
        )
        more, arcs_more = drawing.final.shape[0], drawing.arc_to.shape[0]
        if more == 0 or arcs + arcs_more > ARCS_MAX:
            return Graphs(none, none, none, none, none, none, none, none, none, none)
        for k in range(mine.shape[0] + 1):
            layer_unit[layers] = mine[k] if k < mine.shape[0] else -1
            node_begin[layers] = nodes + drawing.node_begin[k]
            layers += 1
        layer_begin[a + 1] = layers
        arc_begin = grown(arc_begin, nodes, nodes + more + 1)
        final = grown(final, nodes, nodes + more)
        arc_begin[nodes : nodes + more + 1] = drawing.arc_begin + arcs
        final[nodes : nodes + more] = drawing.final
        arc_to = grown(arc_to, arcs, arcs + arcs_more)
        arc_role = grown(arc_role, arcs, arcs + arcs_more)
        arc_gain = grown(arc_gain, arcs, arcs + arcs_more)
        arc_to[arcs : arcs + arcs_more] = drawing.arc_to + nodes
        arc_role[arcs : arcs + arcs_more] = drawing.arc_role
        arc_gain[arcs : arcs + arcs_more] = drawing.arc_gain
        nodes += more
        arcs += arcs_more
    node_begin[layers] = nodes
    return Graphs(
        layer_begin,
        layer_unit,
        node_begin,
        arc_begin[: nodes + 1],
        arc_to[:arcs],
        arc_role[:arcs],
        arc_gain[:arcs],
        final[:nodes],
        caps,
        classes_of(rules, q, units, open_to, table[T_TERM, offers.rows[members]], left),
    )


@gate
def classes_of(rules: Buffer, q: Buffer, units: Ints, open_to: Table, rewards: Ints, left: Ints) -> Ints:
    """The class of each unit: neighbours alike in base, left, list amount, article, measure, in what they may be and in
    what price lists make them cost."""
    count = units.shape[0]
    class_of = np.zeros(count, np.int64)
    for i in range(1, count):
        a, b = units[i - 1], units[i]
        same = (
            left[a] == left[b]
            and at(q, Q_UNIT_LIST, a) == at(q, Q_UNIT_LIST, b)
            and at(q, Q_UNIT_ARTICLE, a) == at(q, Q_UNIT_ARTICLE, b)
            and at(q, Q_UNIT_MEASURE, a) == at(q, Q_UNIT_MEASURE, b)
            and at(q, Q_UNIT_FACTOR, a) == at(q, Q_UNIT_FACTOR, b)
            and at(q, Q_UNIT_PRICE, a) == at(q, Q_UNIT_PRICE, b)
            and at(q, Q_UNIT_ENTRY, a) == at(q, Q_UNIT_ENTRY, b)
            and at(q, Q_UNIT_FLOOR, a) == at(q, Q_UNIT_FLOOR, b)
        )
        p = 0
        while same and p < open_to.shape[0]:
            same = open_to[p, i - 1] == open_to[p, i]
            if same and open_to[p, i] and at(rules, R_KIND, rewards[p]) == PRICE_LIST:
                same = promised(rules, q, rewards[p], a) == promised(rules, q, rewards[p], b)
            p += 1
        class_of[i] = class_of[i - 1] + (0 if same else 1)
    return class_of


@gate
def settle_greedily(
    rules: Buffer,
    q: Buffer,
    table: Table,
    state: State,
    original: int,
    offers: Offers,
    members: Ints,
    taken: Ints,
    role_of: Ints,
) -> None:
    """Too large to be exact: the largest saving first, each on the units that are left. The bound is noted."""
    order = members[ascending(-table[T_ALONE, offers.rows[members]])]
    hope = saved = 0
    for i in order:
        row = offers.rows[i]
        by_itself = alone_of(rules, q, table, offers, i, state.left, original)
        hope += by_itself.saving + by_itself.missed
        if off_together(rules, table[T_TERM, row]):  # alone it takes the dearest, which need not save most
            hope += most_together(rules, q, table[T_TERM, row], offers, i, state.left, original) - by_itself.saving
        result = alone_of_free(rules, q, table, offers, i, state.left, original, taken)
        if result.saving > 0:
            taken[result.units] = row
            role_of[result.units] = result.roles
            saved += result.saving
    state.tally[1] += hope - saved


@gate
def most_together(rules: Buffer, q: Buffer, p: int, offers: Offers, i: int, left: Ints, original: int) -> int:
    """An amount or a percentage off the i-th offer's units as a whole, application by application, never saves more:
    rounding adds less than one to each application, and of no unit there are more."""
    kind, percent_off = at(rules, R_KIND, p), at(rules, R_PERCENT, p)
    amount = amount_of(rules, q, at(rules, R_AMOUNT, p)) if at(rules, R_AMOUNT, p) >= 0 else 0
    most = there = 0
    for k in range(offers.begin[i], offers.begin[i + 1]):
        u = offers.units[k]
        there += left[u]
        base = at(q, Q_UNIT_LIST, u) if original else left[u]
        most += -(-base * percent_off // BASIS_POINTS) + 1 if kind == _PERCENT_TOGETHER else amount
    return min(most, there)


# ---------------------------------------------------------------------------------------------------- benefits


@gate
def grant_benefits(rules: Buffer, q: Buffer, table: Table, state: State, truths: Truths, g: int, rows: Ints) -> None:
    """One group of benefits: every eligible promotion, or the first so many in declared order, each in its turn."""
    mode, original = at(rules, R_APPLY, g), at(rules, R_ORIGINAL, g)
    most = rows.shape[0]
    if mode == _FIRST:
        most = 1
    elif mode == _AT_MOST:
        most = at(rules, R_AT_MOST, g)
    bought = shippable = False
    for line in range(size(q, Q_LINE_MARKS)):
        counts = not at(q, Q_LINE_MARKS, line) & _MARK_CHOSEN
        bought = bought or counts
        shippable = shippable or (counts and not at(q, Q_LINE_MARKS, line) & _MARK_SHIP)
    shippable = shippable or not bought
    before = state.fees.copy()
    first = -1
    applied = 0
    for row in rows:
        admit(rules, q, table, row, truths, state.left, original)
        if table[T_REASON, row]:
            continue
        p = table[T_TERM, row]
        service = at(rules, R_TARGET, p) if at(rules, R_TARGET_KIND, p) == _SERVICE else -1
        saving = alone = 0
        gifts = savings = np.empty(0, np.int64)
        if at(rules, R_KIND, p) == _NEXT_CODE:
            pass  # whoever is eligible gets it
        elif service < 0:
            table[T_REASON, row] = judge_points(rules, q, table, row, state.left)
            if table[T_REASON, row] == QUANTITY:
                lacks(table, row, 1, at(rules, R_TARGET, p))
            if at(rules, R_KIND, p) == _GIFT and table[T_REASON, row] == 0:
                gifts = chosen_gifts(rules, q, p)
                savings = gift_savings(rules, q, table, row, gifts, state.left)
                alone = savings.sum()
                if 0 <= table[T_BUDGET, row] < alone:
                    table[T_REASON, row], table[T_CLAUSE, row] = BUDGET, CLAUSE_BUDGET
                    table[T_ALONE, row] = alone
        else:
            saving = off_fee(rules, q, table, row, original, state.fees[service])
            alone = off_fee(rules, q, table, row, original, before[service])
            if not shippable:
                table[T_REASON, row] = GUARD
            elif saving == 0 and not grants(rules, q, table, state, row):
                table[T_REASON, row] = NO_SAVING
            elif 0 <= table[T_BUDGET, row] < saving:
                table[T_REASON, row], table[T_CLAUSE, row] = BUDGET, CLAUSE_BUDGET
                table[T_ALONE, row] = saving
        if table[T_REASON, row]:
            continue
        if said_with(rules, table, table[T_PROMOTION, row]) >= 0:
            table[T_REASON, row] = EXCLUSIVE
            table[T_BEATEN_BY, row] = said_with(rules, table, table[T_PROMOTION, row])
            table[T_ALONE, row] = alone
        elif applied >= most:
            table[T_REASON, row] = BEATEN
            table[T_BEATEN_BY, row] = first
            table[T_ALONE, row] = alone
        else:
            if service >= 0:
                charge(table, state, row, service, saving)
            elif at(rules, R_KIND, p) == _GIFT:
                give(q, table, state, row, gifts, savings)
            else:
                table[T_REASON, row] = APPLIED
                table[T_APPLICATIONS, row] = 1
            applied += 1
            if first < 0:
                first = row


@kernel
def give(q: Buffer, table: Table, state: State, row: int, units: Ints, savings: Ints) -> None:
    """Let a promotion give gifts; where none is chosen yet, it offers them, which is no application."""
    by_line = np.zeros(size(q, Q_LINE_MARKS), np.int64)
    for i in range(units.shape[0]):
        state.left[units[i]] -= savings[i]
        state.given[units[i]] = row
        by_line[at(q, Q_UNIT_LINE, units[i])] += savings[i]
    refund_less(q, state.refund, units, savings)
    note_by_line(state, row, by_line)
    table[T_REASON, row] = APPLIED
    table[T_SAVING, row] = savings.sum()
    table[T_APPLICATIONS, row] = 1 if units.shape[0] else 0


@kernel
def off_fee(rules: Buffer, q: Buffer, table: Table, row: int, original: int, left: int) -> int:
    """What a promotion takes off a fee of which so much is left."""
    p = table[T_TERM, row]
    base = max(0, at(q, Q_FEES, at(rules, R_TARGET, p))) if original else left
    saving = gain_of_fee(rules, q, p, base, left)
    return min(saving, table[T_CAP, row]) if table[T_CAP, row] >= 0 else saving


@kernel
def grants(rules: Buffer, q: Buffer, table: Table, state: State, row: int) -> bool:
    """Whether a promotion makes a service free for which the request charges nothing, and which none granted yet."""
    p = table[T_TERM, row]
    service = at(rules, R_TARGET, p)
    if at(rules, R_KIND, p) != _FREE_SERVICE or at(q, Q_FEES, service) > 0:
        return False
    for i in range(state.tally[2]):
        if state.granted[i, 0] == service:
            return False
    return True


@kernel
def charge(table: Table, state: State, row: int, service: int, saving: int) -> None:
    """Let a promotion apply to a fee."""
    state.fees[service] -= saving
    record = state.granted[state.tally[2]]
    record[0], record[1], record[2] = service, row, saving
    state.tally[2] += 1
    table[T_REASON, row] = APPLIED
    table[T_SAVING, row] = saving
    table[T_APPLICATIONS, row] = 1
