"""Which offers together: group by group, in each the mode's answer, exact within stated sizes (docs/semantics.md 7).

`combine` is the door; each mode is one function below it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.assign import (
    FEWEST_PROMOTIONS_MAX,
    FEWEST_STEPS_MAX,
    SINGLES,
    STEPS_MAX,
    TRIES_MAX,
    TRIES_STEPS_MAX,
    Choices,
    best,
    best_capped,
    following,
    states_of,
    tries,
)
from engine.decision import Reason
from engine.discounts import Application, alone, available, fewest_runs, fill_gains, in_order, settle, takes
from engine.instructions import Apply, Mark
from engine.kernel import Buffer, Flags, FlagTable, Ints, Table, kernel
from engine.layout import (
    Q_FEES,
    Q_LINE_MARKS,
    Q_UNIT_ARTICLE,
    Q_UNIT_FACTOR,
    Q_UNIT_LINE,
    Q_UNIT_LIST,
    Q_UNIT_MEASURE,
    Q_UNIT_PRICE,
    R_APPLY,
    R_AT_MOST,
    R_BUY,
    R_GIVES,
    R_GROUP,
    R_ORIGINAL,
    R_PLACE_BEGIN,
    R_RANK,
    R_SEGMENT_BEGIN,
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
    T_PROMOTION,
    T_REASON,
    T_SAVING,
    at,
    size,
)
from engine.match import MISSING_PIECES, UNJUDGED, Truths, admit, eligible, judge_places
from engine.prorate import prorate

SETS_MAX = 5_000  # sets of promotions that «at most N» tries
SETS_STEPS_MAX = 2_000_000  # sets x promotions in one x units of the basket, likewise

_ALL, _BEST, _BEST_PER_ITEM, _FIRST, _FIRST_PER_ITEM, _AT_MOST = (int(a) for a in Apply)
_MARK_SHIP = int(Mark.SHIP_FREE)
APPLIED, BEATEN, QUANTITY, GUARD, NO_SAVING, BUDGET = (
    int(r) for r in (Reason.APPLIED, Reason.BEATEN, Reason.QUANTITY, Reason.GUARD, Reason.NO_SAVING, Reason.BUDGET)
)
CLAUSE_BUDGET = -2  # to be named by engine/decide.py: the first budget that is exceeded


class State(NamedTuple):
    """What changes while groups run, and what each line and service got."""

    left: Ints  # by unit
    refund: Ints  # by unit
    granted: Ints  # by service: the candidate that made it free, or -1
    records: Table  # rows (line, candidate, amount): savings by line, in the order of application
    tally: Ints  # [0] rows of records in use, [1] the bound on what was missed


class Offers(NamedTuple):
    """The promotions of one group that take part, in declared order, and the units available to each, ascending."""

    rows: Ints  # candidates
    begin: Ints
    units: Ints


@kernel
def combine(rules: Buffer, q: Buffer, table: Table, state: State) -> None:
    """Settle all candidates: judge them, then run the groups in sequence."""
    segments = size(rules, R_SEGMENT_BEGIN) - 1
    places = size(rules, R_PLACE_BEGIN) - 1
    truths = Truths(np.full(segments, UNJUDGED, np.int64), np.zeros(places, np.int64))
    judge_places(rules, q, truths)
    total = table.shape[1]
    groups = size(rules, R_GIVES)
    sizes = np.zeros(groups, np.int64)
    for row in range(total):
        eligible(rules, q, table, row, truths)
        if table[T_REASON, row] == 0:
            sizes[at(rules, R_GROUP, table[T_PROMOTION, row])] += 1
    for g in range(groups):
        if sizes[g] == 0:
            continue
        rows = np.empty(sizes[g], np.int64)
        ranks = np.empty(sizes[g], np.int64)
        count = 0
        for row in range(total):
            p = table[T_PROMOTION, row]
            if at(rules, R_GROUP, p) == g and table[T_REASON, row] == 0:
                rows[count], ranks[count] = row, at(rules, R_RANK, p)
                count += 1
        rows = rows[np.argsort(ranks, kind="mergesort")]  # declared order
        if at(rules, R_GIVES, g) == 1:
            grant_benefits(rules, q, table, state, truths, g, rows)
        else:
            give_discounts(rules, q, table, state, truths, g, rows)


# ---------------------------------------------------------------------------------------------------- discounts


@kernel
def give_discounts(rules: Buffer, q: Buffer, table: Table, state: State, truths: Truths, g: int, rows: Ints) -> None:
    """One group of price rewards."""
    original = at(rules, R_ORIGINAL, g)
    offers = prepare(rules, q, table, state, truths, original, rows)
    if offers.rows.shape[0] == 0:
        return
    taken = np.full(size(q, Q_UNIT_LINE), -1, np.int64)  # in per-item groups: the candidate that each unit serves
    mode = at(rules, R_APPLY, g)
    per_item = mode == _BEST_PER_ITEM or mode == _FIRST_PER_ITEM
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


@kernel
def prepare(rules: Buffer, q: Buffer, table: Table, state: State, truths: Truths, original: int, rows: Ints) -> Offers:
    """Judge conditions, limits and what each promotion would do alone; those that would save something take part."""
    begin = np.zeros(rows.shape[0] + 1, np.int64)
    part = np.empty(rows.shape[0], np.int64)
    pool = np.empty(max(64, size(q, Q_UNIT_LINE)), np.int64)
    count = used = 0
    for row in rows:
        p = table[T_PROMOTION, row]
        admit(rules, q, table, row, truths, state.left, original)
        if table[T_REASON, row]:
            continue
        units, unguarded = available(rules, q, p)
        judge_alone(rules, q, table, row, units, unguarded, state.left, original)
        if table[T_REASON, row]:
            continue
        while used + units.shape[0] > pool.shape[0]:
            larger = np.empty(2 * pool.shape[0], np.int64)
            larger[:used] = pool[:used]
            pool = larger
        pool[used : used + units.shape[0]] = units
        used += units.shape[0]
        part[count] = row
        count += 1
        begin[count] = used
    return Offers(part[:count], begin[: count + 1], pool[:used])


@kernel
def judge_alone(
    rules: Buffer, q: Buffer, table: Table, row: int, units: Ints, unguarded: int, left: Ints, original: int
) -> None:
    """What a promotion would save alone; a reason where that is nothing, or more than its budget."""
    p = table[T_PROMOTION, row]
    take = takes(rules, p)
    cap, limit, budget = table[T_CAP, row], table[T_APPLICATIONS, row], table[T_BUDGET, row]
    result = alone(rules, q, p, units, left, original, cap, limit)
    if result.saving == 0:
        need = at(rules, R_BUY, p) if at(rules, R_BUY, p) and take != SINGLES else 1
        if units.shape[0] >= need:
            table[T_REASON, row] = NO_SAVING
        elif unguarded >= need:
            table[T_REASON, row] = GUARD
        else:
            table[T_REASON, row] = QUANTITY
            table[T_MISSING_KIND, row] = MISSING_PIECES
            table[T_MISSING, row] = need - units.shape[0]
            table[T_MISSING_SET, row] = at(rules, R_TARGET, p)
        return
    if 0 <= budget < result.saving:
        fitting = 0
        if at(rules, R_BUY, p) and take != SINGLES:
            ordered = in_order(q, units, left, original)  # a cap above the budget changes nothing here
            fitting = fewest_runs(rules, q, p, ordered, left, original, limit, budget + 1) - 1
        result = alone(rules, q, p, units, left, original, cap, fitting)
        if result.saving == 0:
            table[T_REASON, row] = BUDGET
            table[T_CLAUSE, row] = CLAUSE_BUDGET
            less = alone(
                rules, q, p, units, left, original, cap, 1 if at(rules, R_BUY, p) and take != SINGLES else limit
            )
            table[T_ALONE, row] = less.saving
            return
        table[T_APPLICATIONS, row] = fitting
    table[T_ALONE, row] = result.saving


@kernel
def perform(rules: Buffer, q: Buffer, table: Table, state: State, row: int, application: Application) -> None:
    """Let a promotion apply: prices fall, refund shares are taken, the saving is noted line by line."""
    p = table[T_PROMOTION, row]
    units, savings, runs = application.units, application.savings, application.runs
    by_line = np.zeros(size(q, Q_LINE_MARKS), np.int64)
    count = units.shape[0]
    begin = 0
    while begin < count:
        end = begin + 1
        while end < count and runs[end] == runs[begin]:
            end += 1
        order = begin + np.argsort(units[begin:end], kind="mergesort")
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
    for line in range(by_line.shape[0]):
        if by_line[line] > 0:
            record = state.records[state.tally[0]]
            record[0], record[1], record[2] = line, row, by_line[line]
            state.tally[0] += 1
    state.tally[1] += application.missed
    table[T_REASON, row] = APPLIED
    table[T_SAVING, row] = application.saving
    table[T_APPLICATIONS, row] = application.applications


@kernel
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
        own = units if attempt == 0 else np.arange(size(q, Q_UNIT_LINE))
        weights = refund[own]
        amount = min(rest, weights.sum())
        spread = np.empty(own.shape[0], np.int64)
        prorate(q, amount, own, weights, spread)
        for i in range(own.shape[0]):
            refund[own[i]] -= spread[i]
        rest -= amount
        if rest == 0:
            return


@kernel
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


# ---------------------------------------------------------------------------------------------------- per basket


@kernel
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
            units = offers.units[offers.begin[i] : offers.begin[i + 1]]
            p, cap, limit = table[T_PROMOTION, row], table[T_CAP, row], table[T_APPLICATIONS, row]
            result = alone(rules, q, p, units, state.left, original, cap, limit)
            if result.saving > 0:
                perform(rules, q, table, state, row, result)


@kernel
def worth_of_set(
    rules: Buffer, q: Buffer, table: Table, left: Ints, original: int, offers: Offers, members: Ints
) -> int:
    """What some promotions (ascending positions in declared order) save one after the other."""
    now = left.copy()
    total = 0
    for i in members:
        row = offers.rows[i]
        units = offers.units[offers.begin[i] : offers.begin[i + 1]]
        result = alone(
            rules, q, table[T_PROMOTION, row], units, now, original, table[T_CAP, row], table[T_APPLICATIONS, row]
        )
        total += result.saving
        for k in range(result.units.shape[0]):
            now[result.units[k]] -= result.savings[k]
    return total


@kernel
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
        by_name = np.argsort(offers.rows, kind="mergesort")
        by_saving = by_name[np.argsort(-table[T_ALONE, offers.rows[by_name]], kind="mergesort")]
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


@kernel
def free_units(units: Ints, taken: Ints) -> Ints:
    """Those units that serve no promotion yet."""
    return units[taken[units] < 0]


@kernel
def apply_first_per_item(
    rules: Buffer, q: Buffer, table: Table, state: State, original: int, offers: Offers, taken: Ints
) -> None:
    """In declared order each takes from the units not yet taken what it would take alone."""
    for i in range(offers.rows.shape[0]):
        row = offers.rows[i]
        units = free_units(offers.units[offers.begin[i] : offers.begin[i + 1]], taken)
        p, cap, limit = table[T_PROMOTION, row], table[T_CAP, row], table[T_APPLICATIONS, row]
        result = alone(rules, q, p, units, state.left, original, cap, limit)
        if result.saving > 0:
            taken[result.units] = row
            perform(rules, q, table, state, row, result)


@kernel
def apply_best_per_item(
    rules: Buffer, q: Buffer, table: Table, state: State, original: int, offers: Offers, taken: Ints
) -> None:
    """Every unit serves at most one promotion; together they save the most. Components are settled one by one."""
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
    by_name = np.argsort(offers.rows, kind="mergesort")
    roots = np.empty(count, np.int64)
    for i in range(count):
        roots[i] = root(parent, i)
    for top in range(count):
        if roots[top] == top:
            members = by_name[roots[by_name] == top]
            settle_component(rules, q, table, state, original, offers, members, taken)
    for i in by_name:
        row = offers.rows[i]
        units = offers.units[offers.begin[i] : offers.begin[i + 1]]
        own = in_order(q, units[taken[units] == row], state.left, original)
        result = settle(rules, q, table[T_PROMOTION, row], own, state.left, original, table[T_CAP, row])
        if result.saving > 0:
            perform(rules, q, table, state, row, result)


@kernel
def root(parent: Ints, i: int) -> int:
    """The component that i belongs to, by its first member."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@kernel
def settle_component(
    rules: Buffer,
    q: Buffer,
    table: Table,
    state: State,
    original: int,
    offers: Offers,
    members: Ints,
    taken: Ints,
) -> None:
    """Promotions (positions in offers, by name) that share units: which unit serves which."""
    promotions = members.shape[0]
    inside = np.zeros(taken.shape[0], np.bool_)
    for i in members:
        for k in range(offers.begin[i], offers.begin[i + 1]):
            inside[offers.units[k]] = True
    units = in_order(q, np.flatnonzero(inside), state.left, original)
    count = units.shape[0]

    take = np.empty(promotions, np.int64)
    run = np.ones(promotions, np.int64)
    limit = np.empty(promotions, np.int64)
    width = np.ones(promotions, np.int64)
    states = np.empty(promotions, np.int64)
    begin = np.zeros(promotions, np.int64)
    cells = 0
    product = 1
    for a in range(promotions):
        i = members[a]
        row = offers.rows[i]
        p = table[T_PROMOTION, row]
        take[a] = takes(rules, p)
        if at(rules, R_BUY, p):
            run[a] = width[a] = at(rules, R_BUY, p)
        states[a], limit[a] = states_of(
            take[a], run[a], table[T_APPLICATIONS, row], offers.begin[i + 1] - offers.begin[i]
        )
        product = min(product * states[a], STEPS_MAX + 1)
        begin[a] = cells
        cells += width[a] * count
    steps = count * product * (promotions + 1)
    if steps > STEPS_MAX:
        settle_greedily(rules, q, table, state, original, offers, members, taken)
        return

    gains = np.empty(cells, np.int64)
    opens = np.zeros((promotions, count), np.bool_)
    for a in range(promotions):
        i = members[a]
        mine = np.zeros(taken.shape[0], np.bool_)
        for k in range(offers.begin[i], offers.begin[i + 1]):
            mine[offers.units[k]] = True
        opens[a] = mine[units]
        part = gains[begin[a] : begin[a] + width[a] * count]
        fill_gains(rules, q, table[T_PROMOTION, offers.rows[i]], units, opens[a], state.left, original, part)
    choices = Choices(take, run, limit, width, begin, gains, states)
    choice = np.empty(count, np.int64)
    fewest = promotions <= FEWEST_PROMOTIONS_MAX and steps * (1 << min(promotions, 30)) <= FEWEST_STEPS_MAX
    best(choices, count, fewest, choice)
    over = above_caps(choices, table, offers, members, choice)
    if over > 0:
        classes, class_of, open_in = classify(q, units, opens, state.left, original)
        ways = tries(classes, open_in)
        if ways <= TRIES_MAX and ways * count <= TRIES_STEPS_MAX:
            caps = table[T_CAP, offers.rows[members]]
            best_capped(choices, count, class_of, caps, choice)
        else:
            state.tally[1] += over
    for k in range(count):
        if choice[k] >= 0:
            taken[units[k]] = offers.rows[members[choice[k]]]


@kernel
def above_caps(c: Choices, table: Table, offers: Offers, members: Ints, choice: Ints) -> int:
    """By how much an assignment's savings exceed the promotions' caps."""
    promotions = c.take.shape[0]
    sums = np.zeros(promotions, np.int64)
    own = np.zeros(promotions, np.int64)
    for i in range(choice.shape[0]):
        p = choice[i]
        if p >= 0:
            position = own[p] % c.run[p] if c.width[p] > 1 else 0
            sums[p] += c.gain[c.begin[p] + i * c.width[p] + position]
            own[p] = following(c, p, own[p])
    over = 0
    for p in range(promotions):
        cap = table[T_CAP, offers.rows[members[p]]]
        if 0 <= cap < sums[p]:
            over += sums[p] - cap
    return over


@kernel
def classify(q: Buffer, units: Ints, opens: FlagTable, left: Ints, original: int) -> tuple[Ints, Ints, Ints]:
    """Runs of units alike in base, left, list amount, article, measure and in whom they are available to: where each
    begins, the class of each unit, and to how many promotions the class is available."""
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
            and (opens[:, i - 1] == opens[:, i]).all()
        )
        class_of[i] = class_of[i - 1] + (0 if same else 1)
    classes = class_of[count - 1] + 1
    begin = np.zeros(classes + 1, np.int64)
    open_in = np.zeros(classes, np.int64)
    for i in range(count):
        begin[class_of[i] + 1] = i + 1
        open_in[class_of[i]] = opens[:, i].sum()
    return begin, class_of, open_in


@kernel
def settle_greedily(
    rules: Buffer,
    q: Buffer,
    table: Table,
    state: State,
    original: int,
    offers: Offers,
    members: Ints,
    taken: Ints,
) -> None:
    """Too large to be exact: the largest saving first, each on the units that are left. The bound is noted."""
    order = members[np.argsort(-table[T_ALONE, offers.rows[members]], kind="mergesort")]
    hope = saved = 0
    for i in order:
        row = offers.rows[i]
        hope += table[T_ALONE, row]
        units = free_units(offers.units[offers.begin[i] : offers.begin[i + 1]], taken)
        p, cap, limit = table[T_PROMOTION, row], table[T_CAP, row], table[T_APPLICATIONS, row]
        result = alone(rules, q, p, units, state.left, original, cap, limit)
        if result.saving > 0:
            taken[result.units] = row
            saved += result.saving
    state.tally[1] += hope - saved


# ---------------------------------------------------------------------------------------------------- benefits


@kernel
def grant_benefits(rules: Buffer, q: Buffer, table: Table, state: State, truths: Truths, g: int, rows: Ints) -> None:
    """One group of free services: every eligible one, or the first so many in declared order."""
    mode = at(rules, R_APPLY, g)
    most = rows.shape[0]
    if mode == _FIRST:
        most = 1
    elif mode == _AT_MOST:
        most = at(rules, R_AT_MOST, g)
    shippable = size(q, Q_LINE_MARKS) == 0
    for line in range(size(q, Q_LINE_MARKS)):
        shippable = shippable or not at(q, Q_LINE_MARKS, line) & _MARK_SHIP
    first = -1
    applied = 0
    for row in rows:
        admit(rules, q, table, row, truths, state.left, at(rules, R_ORIGINAL, g))
        if table[T_REASON, row]:
            continue
        service = at(rules, R_TARGET, table[T_PROMOTION, row])
        fee = max(0, at(q, Q_FEES, service))
        if not shippable:
            table[T_REASON, row] = GUARD
        elif state.granted[service] >= 0:
            table[T_REASON, row] = NO_SAVING
        elif applied >= most:
            table[T_REASON, row] = BEATEN
            table[T_BEATEN_BY, row] = first
            table[T_ALONE, row] = fee
        else:
            state.granted[service] = row
            table[T_REASON, row] = APPLIED
            table[T_SAVING, row] = fee
            table[T_APPLICATIONS, row] = 1
            applied += 1
            if first < 0:
                first = row
