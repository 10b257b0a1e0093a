"""What a promotion does by itself: which units it takes, in which applications, and what each saves.

`alone` is the door: the best choice of units for one promotion; `settle` is what comes of a choice.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.cashier import ENTRY_KIND, ENTRY_VALUE, entered_for_all
from engine.chain import UNIT_BITS, best_chain, is_chain, places
from engine.discounts import (
    FEWER_TOO,
    ONE_ARTICLE,
    ROLE_COUNT,
    ROLE_FLAGS,
    ROLE_REWARDED,
    ROW_SHIFT,
    by_measure,
    gain,
    in_whole,
    measure_of,
    need_of,
    order_of,
    over_the_basket,
    percent,
    roles_of,
    row_of,
    singles_cost,
)
from engine.floors import may_bind, room, share
from engine.graph import Drawing, draw, of_one_article
from engine.instructions import Entered, Kind
from engine.kernel import Buffer, Flags, Ints, bare, bare_gate, gate, kernel
from engine.layout import (
    Q_ENTRIES,
    Q_FINE,
    Q_LINE_ARTICLE,
    Q_ROUNDING,
    Q_UNIT_ARTICLE,
    Q_UNIT_ENTRY,
    Q_UNIT_LIST,
    R_AMOUNT,
    R_BUY,
    R_EACH,
    R_KIND,
    R_LADDER,
    R_LADDER_BEGIN,
    R_PER_ARTICLE,
    R_PERCENT,
    R_ROLES,
    amount_of,
    at,
    cell,
    its,
    scalar,
    size,
    view,
)
from engine.order import ascending
from engine.prorate import prorate
from engine.search import NEVER

DRAWN_MAX = 400_000  # units x states of one application: beyond, the dearest units are taken, and the answer is BOUNDED

_CASHIER = int(Kind.CASHIER)
_ENTERED_PERCENT, _ENTERED_AMOUNT = int(Entered.PERCENT), int(Entered.AMOUNT)
_PERCENT_TOGETHER, _AMOUNT_TOGETHER, _PICK, _LADDER, _PRICE_TOGETHER, _PRICE_SINGLES, _PRICE_WHOLE = (
    int(k)
    for k in (
        Kind.PERCENT_TOGETHER,
        Kind.AMOUNT_TOGETHER,
        Kind.PICK,
        Kind.LADDER,
        Kind.PRICE_TOGETHER,
        Kind.PRICE_SINGLES,
        Kind.PRICE_WHOLE,
    )
)


class Application(NamedTuple):
    """What a promotion does: its units, those of an application together, each in order U; what each saves, and the
    application that it belongs to."""

    units: Ints
    roles: Ints
    savings: Ints
    runs: Ints
    saving: int
    applications: int
    missed: int  # at most this much more it could have saved; 0 = proven


class Chosen(NamedTuple):
    """Units for a promotion in order U, the role of each, what they save without cap, and what at most was missed;
    both in fine parts of a minor unit."""

    units: Ints
    roles: Ints
    saving: int
    missed: int


@kernel
def nothing() -> Application:
    """What a promotion does that does not apply."""
    none = np.empty(0, np.int64)
    return Application(none, none, none, none, 0, 0, 0)


@bare
def rewards_others(rules: Buffer, p: int) -> bool:
    """Whether a promotion rewards something else than what is bought."""
    begin, end = roles_of(rules, p)
    return begin < end and cell(rules, R_ROLES, 4, end - 1, ROLE_REWARDED) == 1


@bare
def off_together(rules: Buffer, p: int) -> bool:
    """Whether a promotion takes an amount or a percentage off its units as a whole, or gives all for a price."""
    kind = its(rules, R_KIND, p)
    return kind == _PERCENT_TOGETHER or kind == _AMOUNT_TOGETHER or kind == _PRICE_WHOLE


# ---------------------------------------------------------------------------------------------------- settling


@kernel
def capped(q: Buffer, units: Ints, savings: Ints, cap: int) -> int:
    """Cut savings down to a cap, in proportion; their sum."""
    total = savings.sum()
    if cap < 0 or total <= cap:
        return total
    order = ascending(units)
    shares = np.empty(units.shape[0], np.int64)
    prorate(q, cap, units[order], savings[order], shares)
    savings[order] = shares
    return cap


@gate
def share_run(q: Buffer, units: Ints, left: Ints, amount: int, savings: Ints) -> None:
    """Prorate an amount over the units of a run by what is left of them, as far as floors let it."""
    order = ascending(units)
    shares = np.empty(units.shape[0], np.int64)
    share(q, amount, units[order], left, shares)
    savings[order] = shares


@gate
def runs_of(rules: Buffer, q: Buffer, p: int, units: Ints, roles: Ints) -> Ints:
    """The application of each unit, from 0: the j-th so many units of every role make the j-th application; of a role
    of one article, the j-th so many that are of one, by the first of them. What is bought by measure is in the first.
    """
    begin, end = roles_of(rules, p)
    count = units.shape[0]
    runs = np.zeros(count, np.int64)
    if begin == end or its(rules, R_KIND, p) == _PRICE_SINGLES:
        return runs
    for r in range(end - begin):
        n = cell(rules, R_ROLES, 4, begin + r, ROLE_COUNT)
        one_article = cell(rules, R_ROLES, 4, begin + r, ROLE_FLAGS) & ONE_ARTICLE
        taken = 0
        for i in range(0 if need_of(rules, p, r) else count):
            if roles[i] != r:
                continue
            if not one_article:
                runs[i] = taken // n
                taken += 1
                continue
            before = last = 0
            for j in range(i):
                if roles[j] == r and at(q, Q_UNIT_ARTICLE, units[j]) == at(q, Q_UNIT_ARTICLE, units[i]):
                    before += 1
                    last = runs[j]
            if before % n == 0:
                runs[i] = taken
                taken += 1
            else:
                runs[i] = last
    return runs


@gate
def filled(rules: Buffer, q: Buffer, p: int, units: Ints, roles: Ints, runs: Ints) -> int:
    """How many applications chosen units make; by measure, as many as each role is enough for."""
    if not by_measure(rules, p):
        return runs.max() + 1
    begin, end = roles_of(rules, p)
    most = 1 << 40
    for r in range(end - begin):
        need = need_of(rules, p, r)
        have = 0
        for i in range(units.shape[0]):
            if roles[i] == r:
                have = have + measure_of(q, units[i]) if need else max(have, runs[i] + 1)
        most = min(most, have // need if need else have)
    return most


@gate
def settle(
    rules: Buffer, q: Buffer, p: int, units: Ints, roles: Ints, left: Ints, original: int, cap: int
) -> Application:
    """What a promotion does with units chosen for it, in order U: applications, savings, the cap."""
    count = units.shape[0]
    if count == 0:
        return nothing()
    if roles[0] >> ROW_SHIFT:
        return settle_each(rules, q, p, units, roles, left, original, cap)
    if its(rules, R_KIND, p) == _CASHIER:
        return settle_entered(rules, q, p, units, roles, left, original, cap)
    kind, n = its(rules, R_KIND, p), its(rules, R_BUY, p)
    price = amount_of(rules, q, its(rules, R_AMOUNT, p)) if its(rules, R_AMOUNT, p) >= 0 else 0
    runs = runs_of(rules, q, p, units, roles)
    order = ascending(runs)
    units, roles, runs = units[order], roles[order], runs[order]
    savings = np.zeros(count, np.int64)
    others = rewards_others(rules, p)
    begin, end_role = roles_of(rules, p)
    rewarded = end_role - begin - 1 if others else -1
    applications = filled(rules, q, p, units, roles, runs)
    start = 0
    while start < count:
        end = start + 1
        while end < count and runs[end] == runs[start]:
            end += 1
        mine = np.arange(start, end)
        if others:
            mine = mine[roles[start:end] == rewarded]
        own = units[mine]
        if kind == _PRICE_TOGETHER or kind == _PRICE_SINGLES or off_together(rules, p):
            rest = left[own].sum()
            if kind == _PRICE_TOGETHER:
                amount = rest - price
            elif kind == _PRICE_SINGLES:
                amount = rest - price * (count // n) - singles_cost(price, n, count % n)
            else:
                amount = off_whole(rules, q, p, own, left, original)
            if its(rules, R_EACH, p):
                savings[mine] = off_each_article(rules, q, p, own, left, original)
                start = end
                continue
            if begin == end_role and cap >= 0:
                amount = min(amount, cap)
            shares = np.zeros(own.shape[0], np.int64)
            share_run(q, own, left, amount, shares)
            savings[mine] = shares
        else:
            for place in range(mine.shape[0]):
                u = own[place]
                base = at(q, Q_UNIT_LIST, u) if original else left[u]
                savings[mine[place]] = gain(rules, q, p, u, place if begin < end_role else 0, base, left[u])
        start = end
    if kind != _PRICE_TOGETHER and kind != _PRICE_SINGLES and not off_together(rules, p):
        savings = in_whole(q, units, left, savings)
    total = capped(q, units, savings, cap)
    return Application(units, roles, savings, runs, total, applications if total > 0 else 0, 0)


@gate
def settle_entered(
    rules: Buffer, q: Buffer, p: int, units: Ints, roles: Ints, left: Ints, original: int, cap: int
) -> Application:
    """What a cashier entered: off each unit of the lines that it was entered for, and off all others together."""
    count = units.shape[0]
    exact = np.zeros(count, np.int64)
    shared = np.zeros(count, np.bool_)
    for i in range(count):
        u = units[i]
        shared[i] = entered_for_all(rules, q, p, u)
        if not shared[i]:
            exact[i] = gain(rules, q, p, u, 0, at(q, Q_UNIT_LIST, u) if original else left[u], left[u])
    savings = in_whole(q, units, left, exact)
    others = np.flatnonzero(shared)
    if others.shape[0]:
        own = units[others]
        shares = np.zeros(own.shape[0], np.int64)
        share_run(q, own, left, off_all(rules, q, p, own, left, original), shares)
        savings[others] = shares
    total = capped(q, units, savings, cap)
    return Application(units, roles, savings, np.zeros(count, np.int64), total, 1 if total > 0 else 0, 0)


@kernel
def off_all(rules: Buffer, q: Buffer, p: int, units: Ints, left: Ints, original: int) -> int:
    """What the entry for the basket takes off all of these units together, no more than the promotion allows."""
    entry, rounding, rest = at(q, Q_UNIT_ENTRY, units[0]), scalar(q, Q_ROUNDING), left[units].sum()
    kind, value = cell(q, Q_ENTRIES, 4, entry, ENTRY_KIND), cell(q, Q_ENTRIES, 4, entry, ENTRY_VALUE)
    base = view(q, Q_UNIT_LIST)[units].sum() if original else rest
    if kind == _ENTERED_PERCENT:
        saving = percent(base, value, rounding)
    else:
        saving = value if kind == _ENTERED_AMOUNT else max(0, rest - value)
    if its(rules, R_AMOUNT, p) >= 0:
        most = amount_of(rules, q, its(rules, R_AMOUNT, p))
    else:
        most = percent(base, its(rules, R_PERCENT, p), rounding)
    return min(rest, saving, most)


@gate
def off_each_article(rules: Buffer, q: Buffer, p: int, units: Ints, left: Ints, original: int) -> Ints:
    """What the units of an application save where an amount is taken once off those of each article."""
    savings = np.zeros(units.shape[0], np.int64)
    for i in range(units.shape[0]):
        alike = np.zeros(units.shape[0], np.bool_)
        for j in range(units.shape[0]):
            alike[j] = at(q, Q_UNIT_ARTICLE, units[j]) == at(q, Q_UNIT_ARTICLE, units[i])
        mine = np.flatnonzero(alike)
        if mine[0] == i:
            shares = np.zeros(mine.shape[0], np.int64)
            share_run(q, units[mine], left, off_whole(rules, q, p, units[mine], left, original), shares)
            savings[mine] = shares
    return savings


@bare
def off_whole(rules: Buffer, q: Buffer, p: int, units: Ints, left: Ints, original: int) -> int:
    """An amount or a percentage off units together; all of them for a price."""
    rest = base = 0
    for i in range(units.shape[0]):
        rest += left[units[i]]
        base += at(q, Q_UNIT_LIST, units[i]) if original else left[units[i]]
    if its(rules, R_KIND, p) == _PRICE_WHOLE:
        return max(0, rest - amount_of(rules, q, its(rules, R_AMOUNT, p)))
    if its(rules, R_KIND, p) == _AMOUNT_TOGETHER:
        return min(amount_of(rules, q, its(rules, R_AMOUNT, p)), rest)
    return min(rest, percent(base, its(rules, R_PERCENT, p), scalar(q, Q_ROUNDING)))


@gate
def settle_each(
    rules: Buffer, q: Buffer, p: int, units: Ints, roles: Ints, left: Ints, original: int, cap: int
) -> Application:
    """What a promotion does with units that have reward rows of their own: once; what it takes off units together, it
    takes off those of each article."""
    count = units.shape[0]
    savings = np.zeros(count, np.int64)
    exact = np.zeros(count, np.int64)
    for i in range(count):
        row, u = row_of(p, roles[i]), units[i]
        if not off_together(rules, row):
            exact[i] = gain(rules, q, row, u, 0, at(q, Q_UNIT_LIST, u) if original else left[u], left[u])
            continue
        alike = np.zeros(count, np.bool_)
        for j in range(count):
            alike[j] = at(q, Q_UNIT_ARTICLE, units[j]) == at(q, Q_UNIT_ARTICLE, u)
        mine = np.flatnonzero(alike)
        if mine[0] == i:
            own = units[mine]
            shares = np.zeros(own.shape[0], np.int64)
            share_run(q, own, left, off_whole(rules, q, row, own, left, original), shares)
            savings[mine] = shares
    savings += in_whole(q, units, left, exact)
    total = capped(q, units, savings, cap)
    return Application(units, roles, savings, np.zeros(count, np.int64), total, 1 if total > 0 else 0, 0)


# ---------------------------------------------------------------------------------------------------- choosing


@gate
def alike_most(rules: Buffer, q: Buffer, p: int, units: Ints, roles: Ints, left: Ints, original: int) -> Flags:
    """Of each article as many units as are rewarded at most: those that save most, of equal ones the first; where an
    amount or a percentage is taken off units together, the first."""
    count = units.shape[0]
    most = its(rules, R_PER_ARTICLE, p)
    worth = np.zeros(count, np.int64)
    for i in range(count):
        u, own = units[i], row_of(p, roles[i])
        if not off_together(rules, own):
            worth[i] = gain(rules, q, own, u, 0, at(q, Q_UNIT_LIST, u) if original else left[u], left[u])
    taken = np.zeros(size(q, Q_LINE_ARTICLE) + 1, np.int64)
    keep = np.zeros(count, np.bool_)
    order = ascending(-worth)
    for i in range(count):
        a = at(q, Q_UNIT_ARTICLE, units[order[i]])
        keep[order[i]] = taken[a] < most
        taken[a] += 1
    return keep


@gate
def longest_path(d: Drawing, roles: Ints) -> int:
    """The path that gains most, then takes the fewest units, then the earliest. Its gain; roles by unit, or -1."""
    nodes = d.final.shape[0]
    reach = np.empty(nodes, np.int64)
    layers = d.node_begin.shape[0] - 1
    for node in range(nodes - 1, -1, -1):
        reach[node] = d.final[node]
        if d.arc_begin[node] < d.arc_begin[node + 1] or node < d.node_begin[layers - 1]:
            top = NEVER
            for arc in range(d.arc_begin[node], d.arc_begin[node + 1]):
                then = reach[d.arc_to[arc]]
                if then > NEVER // 2:
                    if d.arc_role[arc]:
                        then += (d.arc_gain[arc] << UNIT_BITS) - 1
                    top = max(top, then)
            reach[node] = top
    node = 0
    for i in range(layers - 1):
        roles[i] = -1
        found = -1
        for arc in range(d.arc_begin[node], d.arc_begin[node + 1]):
            then = reach[d.arc_to[arc]]
            if then > NEVER // 2 and d.arc_role[arc]:
                if found < 0 and then + (d.arc_gain[arc] << UNIT_BITS) - 1 == reach[node]:
                    found = arc
        if found < 0:
            found = d.arc_begin[node]
        else:
            roles[i] = d.arc_role[found] - 1
        node = d.arc_to[found]
    return (reach[0] + (1 << UNIT_BITS) - 1) >> UNIT_BITS


@gate
def choose(rules: Buffer, q: Buffer, p: int, units: Ints, masks: Ints, left: Ints, original: int, limit: int) -> Chosen:
    """The units of a buy that save most, in at most `limit` applications (-1: any). Units come and go in order U."""
    others = rewards_others(rules, p)
    if off_together(rules, p) and not others and not its(rules, R_EACH, p):
        if not contested(rules, q, p, units, masks, limit):
            return dearest(rules, q, p, units, masks, left, original, limit, True)
    if may_bind(rules, q, p, units, masks, left):
        return dearest(rules, q, p, units, masks, left, original, limit, False)
    chain = is_chain(rules, p)
    states = places(rules, p, units.shape[0], limit) if chain else 0
    if states:
        roles = np.empty(units.shape[0], np.int64)
        saving = best_chain(rules, q, p, units, left, original, states, roles)
        taken = roles >= 0
        return Chosen(units[taken], roles[taken], saving, 0)
    if chain or units.shape[0] * its(rules, R_BUY, p) > DRAWN_MAX:
        return dearest(rules, q, p, units, masks, left, original, limit, False)
    drawing = draw(rules, q, p, units, masks, left, original, limit)
    if drawing.final.shape[0] == 0:
        return dearest(rules, q, p, units, masks, left, original, limit, False)
    roles = np.empty(units.shape[0], np.int64)
    saving = longest_path(drawing, roles)
    taken = roles >= 0
    return Chosen(units[taken], roles[taken], saving, 0)


@bare_gate
def applications_most(rules: Buffer, q: Buffer, p: int, units: Ints, masks: Ints) -> int:
    """How often a buy could be filled, were no unit wanted by two of its roles."""
    begin, end = roles_of(rules, p)
    most = 1 << 40
    for r in range(end - begin):
        n = max(cell(rules, R_ROLES, 4, begin + r, ROLE_COUNT), need_of(rules, p, r))
        flags = cell(rules, R_ROLES, 4, begin + r, ROLE_FLAGS)
        available = 0
        for i in range(units.shape[0]):
            if masks[i] >> r & 1:
                available += measure_of(q, units[i]) if need_of(rules, p, r) else 1
        most = min(most, -(-available // n) if flags & FEWER_TOO else available // n)
    return most


@gate
def contested(rules: Buffer, q: Buffer, p: int, units: Ints, masks: Ints, limit: int) -> bool:
    """Whether sets of a buy have units in common, so that each taking its dearest leaves applications unfilled."""
    begin, end = roles_of(rules, p)
    if end - begin < 2 or of_one_article(rules, p):
        return False
    most = applications_most(rules, q, p, units, masks)
    most = min(most, limit) if limit >= 0 else most
    own, _ = dearest_in(rules, q, p, units, masks, most)
    return own.shape[0] < most * its(rules, R_BUY, p)


@bare_gate
def peak(rules: Buffer, q: Buffer, p: int, u: int, base: int, left: int) -> int:
    """The most that a unit saves at any place of an application; few places differ."""
    kind, n = its(rules, R_KIND, p), its(rules, R_BUY, p)
    most = min(max(0, gain(rules, q, p, u, 0, base, left)), room(q, u, left) * scalar(q, Q_FINE))
    if kind == _PICK:
        return max(most, gain(rules, q, p, u, n - 1, base, left))
    if kind == _LADDER:
        for i in range(its(rules, R_LADDER_BEGIN, p), its(rules, R_LADDER_BEGIN, p + 1)):
            position = cell(rules, R_LADDER, 3, i, 0)
            if position < n:
                most = max(most, gain(rules, q, p, u, position, base, left))
    return most


@gate
def dearest_by_measure(
    rules: Buffer, q: Buffer, p: int, units: Ints, masks: Ints, applications: int
) -> tuple[Ints, Ints]:
    """Likewise, where a role is filled by measure: by units of which none could be missed. Fewer applications, where
    they are not enough."""
    begin, end = roles_of(rules, p)
    roles = np.full(units.shape[0], -1, np.int64)
    while applications > 0:
        roles[:] = -1
        enough = True
        for r in range(end - begin):
            need = need_of(rules, p, r)
            wanted = applications * max(need, cell(rules, R_ROLES, 4, begin + r, ROLE_COUNT))
            have = 0
            for i in range(units.shape[0]):
                if have < wanted and roles[i] < 0 and masks[i] >> r & 1:
                    roles[i] = r
                    have += measure_of(q, units[i]) if need else 1
            for i in range(units.shape[0] - 1, -1, -1):
                if need and roles[i] == r and have - measure_of(q, units[i]) >= wanted:
                    have -= measure_of(q, units[i])
                    roles[i] = -1
            enough = enough and have >= wanted
        if enough:
            break
        applications -= 1
    taken = roles >= 0
    return (units[taken], roles[taken]) if applications > 0 else (units[:0], roles[:0])


@gate
def dearest_in(rules: Buffer, q: Buffer, p: int, units: Ints, masks: Ints, applications: int) -> tuple[Ints, Ints]:
    """For every role in turn its dearest units that no role before it took, in so many whole applications, as far as
    they reach. Roles that ask for one article are filled by whole applications of the dearest articles."""
    if by_measure(rules, p):
        return dearest_by_measure(rules, q, p, units, masks, applications)
    begin, end = roles_of(rules, p)
    roles = np.full(units.shape[0], -1, np.int64)
    least = applications
    for r in range(end - begin):
        n = cell(rules, R_ROLES, 4, begin + r, ROLE_COUNT)
        wanted = n * applications
        one_article = cell(rules, R_ROLES, 4, begin + r, ROLE_FLAGS) & ONE_ARTICLE
        taken = 0
        for i in range(units.shape[0]):
            if taken == wanted or roles[i] >= 0 or not masks[i] >> r & 1:
                continue
            if not one_article:
                roles[i] = r
                taken += 1
                continue
            run = np.empty(n, np.int64)
            found = 0
            for j in range(i, units.shape[0]):
                if (
                    found < n
                    and roles[j] < 0
                    and masks[j] >> r & 1
                    and at(q, Q_UNIT_ARTICLE, units[j]) == at(q, Q_UNIT_ARTICLE, units[i])
                ):
                    run[found] = j
                    found += 1
            if found == n:
                roles[run] = r
                taken += n
        least = min(least, taken // n)
    if least < applications:
        for r in range(end - begin):
            keep = least * cell(rules, R_ROLES, 4, begin + r, ROLE_COUNT)
            for i in range(units.shape[0]):
                if roles[i] == r:
                    if keep == 0:
                        roles[i] = -1
                    else:
                        keep -= 1
    taken_ones = roles >= 0
    return units[taken_ones], roles[taken_ones]


@gate
def fillable(rules: Buffer, q: Buffer, p: int, units: Ints, masks: Ints, most: int) -> int:
    """In how many applications roles that share units can be filled, each by its dearest units in turn: the more there
    are, the less is left to the roles that come later."""
    least = 0
    while least < most:
        middle = (least + most + 1) // 2
        own, _ = dearest_in(rules, q, p, units, masks, middle)
        if own.shape[0] == middle * its(rules, R_BUY, p):
            least = middle
        else:
            most = middle - 1
    return least


@gate
def dearest(
    rules: Buffer,
    q: Buffer,
    p: int,
    units: Ints,
    masks: Ints,
    left: Ints,
    original: int,
    limit: int,
    together: bool,
) -> Chosen:
    """The dearest units in applications: for off them together, and for baskets too large for the exact choice."""
    if its(rules, R_PER_ARTICLE, p):
        masks = first_alike(rules, q, p, units, masks)
    most = applications_most(rules, q, p, units, masks)
    if its(rules, R_KIND, p) == _PRICE_SINGLES:
        return dearest_singles(rules, q, p, units, left)
    if limit >= 0:
        most = min(most, limit)
    if together:  # every application for itself; those that save nothing go
        own, roles = dearest_in(rules, q, p, units, masks, most)
        if own.shape[0] < most * its(rules, R_BUY, p):
            most = fillable(rules, q, p, units, masks, most)
            own, roles = dearest_in(rules, q, p, units, masks, most)
        whole = settle(rules, q, p, own, roles, left, original, -1)
        runs = runs_of(rules, q, p, own, roles)
        keep = np.zeros(own.shape[0], np.bool_)
        for i in range(own.shape[0]):
            keep[i] = whole.savings[whole.runs == runs[i]].sum() > 0
        return Chosen(own[keep], roles[keep], whole.saving * scalar(q, Q_FINE), 0)
    hope = 0
    for i in range(units.shape[0]):
        u = units[i]
        hope += peak(rules, q, p, u, at(q, Q_UNIT_LIST, u) if original else left[u], left[u])
    saving = 0
    none = np.empty(0, np.int64)
    best_units, best_roles = none, none
    tries = most
    while tries > 0:
        own, roles = dearest_in(rules, q, p, units, masks, tries)
        result = settle(rules, q, p, own, roles, left, original, -1)
        if result.saving >= saving and result.saving > 0:
            saving, best_units, best_roles = result.saving, own, roles
        tries = tries // 2 if tries > 16 else tries - 1
    saving *= scalar(q, Q_FINE)
    return Chosen(best_units, best_roles, saving, max(0, hope - saving))


@gate
def first_alike(rules: Buffer, q: Buffer, p: int, units: Ints, masks: Ints) -> Ints:
    """The roles of units, if of each article only as many as are rewarded at most, the first, may be rewarded."""
    begin, end = roles_of(rules, p)
    kept = 0 if not rewards_others(rules, p) else (1 << (end - begin - 1)) - 1
    number = np.zeros(size(q, Q_LINE_ARTICLE) + 1, np.int64)
    few = masks.copy()
    for i in range(units.shape[0]):
        if masks[i] & ~kept:
            a = at(q, Q_UNIT_ARTICLE, units[i])
            number[a] += 1
            if number[a] > its(rules, R_PER_ARTICLE, p):
                few[i] &= kept
    return few


@gate
def dearest_singles(rules: Buffer, q: Buffer, p: int, units: Ints, left: Ints) -> Chosen:
    """Of very many units, those dearest ones that save most at a price together, singles too."""
    n, price = its(rules, R_BUY, p), amount_of(rules, q, its(rules, R_AMOUNT, p))
    top = saving = there = rooms = 0
    for i in range(units.shape[0]):
        there += left[units[i]]
        rooms += room(q, units[i], left[units[i]])
        done = min(rooms, there - price * ((i + 1) // n) - singles_cost(price, n, (i + 1) % n))
        if done > saving:
            saving, top = done, i + 1
    fine = scalar(q, Q_FINE)
    return Chosen(units[:top], np.zeros(top, np.int64), saving * fine, (rooms - saving) * fine)


@gate
def fewest_runs(
    rules: Buffer, q: Buffer, p: int, units: Ints, masks: Ints, left: Ints, original: int, limit: int, wanted: int
) -> int:
    """The smallest number of applications, of at most `limit` (-1: any), whose best saving is at least `wanted`, in
    fine parts; all of them together reach it. Units come in order U.

    More applications never save less, as long as all are chosen exactly."""
    low, high = 1, max(1, applications_most(rules, q, p, units, masks))
    if limit >= 0:
        high = min(high, limit)
    while low < high:
        middle = (low + high) // 2
        if choose(rules, q, p, units, masks, left, original, middle).saving >= wanted:
            high = middle
        else:
            low = middle + 1
    return low


@gate
def alone(
    rules: Buffer, q: Buffer, p: int, units: Ints, masks: Ints, left: Ints, original: int, cap: int, limit: int
) -> Application:
    """The best that a promotion can do by itself with these units (ascending), a cap (-1: none) and at most `limit`
    applications (-1: any)."""
    if units.shape[0] == 0 or limit == 0:
        return nothing()
    meant = over_the_basket(rules, q, p, units, left, original)
    units, masks = units[meant], masks[meant]
    order = order_of(q, units, left, original)
    ordered, open_to = units[order], masks[order]
    begin, end = roles_of(rules, p)
    if begin == end:
        cheaper = np.zeros(ordered.shape[0], np.bool_)
        for i in range(ordered.shape[0]):
            u, own = ordered[i], row_of(p, open_to[i])
            base = at(q, Q_UNIT_LIST, u) if original else left[u]
            together = off_together(rules, own) or entered_for_all(rules, q, own, u)
            cheaper[i] = together or gain(rules, q, own, u, 0, base, left[u]) > 0
        ordered = ordered[cheaper]
        roles = open_to[cheaper] >> ROW_SHIFT << ROW_SHIFT
        if its(rules, R_PER_ARTICLE, p):
            few = alike_most(rules, q, p, ordered, roles, left, original)
            ordered, roles = ordered[few], roles[few]
        return settle(rules, q, p, ordered, roles, left, original, cap)
    chosen = choose(rules, q, p, ordered, open_to, left, original, limit)
    fine = scalar(q, Q_FINE)
    missed = -(-chosen.missed // fine)
    most = limit
    if cap >= 0 and chosen.saving > cap * fine and its(rules, R_KIND, p) != _PRICE_SINGLES:
        runs = fewest_runs(rules, q, p, ordered, open_to, left, original, limit, cap * fine)
        chosen = choose(rules, q, p, ordered, open_to, left, original, runs)
        missed, most = 0, runs
    result = settle(rules, q, p, chosen.units, chosen.roles, left, original, cap)
    applications = result.applications if most < 0 else min(most, result.applications)  # by measure, it may do for more
    return Application(result.units, result.roles, result.savings, result.runs, result.saving, applications, missed)


@gate
def saved_alone(
    rules: Buffer, q: Buffer, p: int, units: Ints, masks: Ints, left: Ints, original: int, cap: int, limit: int
) -> int:
    """What `alone` saves: for most promotions no unit needs to be chosen, or none can be, to know it."""
    if units.shape[0] == 0 or limit == 0:
        return 0
    begin, end = roles_of(rules, p)
    kind = its(rules, R_KIND, p)
    if off_together(rules, p) and begin == end and not its(rules, R_EACH, p) and not its(rules, R_PER_ARTICLE, p):
        most = off_whole(rules, q, p, units, left, original)
        rooms = 0
        for i in range(units.shape[0]):
            rooms += room(q, units[i], left[units[i]])
        return max(0, min(most, rooms) if cap < 0 else min(most, rooms, cap))
    if scalar(q, Q_FINE) > 1 or off_together(rules, p) or its(rules, R_PER_ARTICLE, p) or kind == _CASHIER:
        return alone(rules, q, p, units, masks, left, original, cap, limit).saving
    if begin == end and its(rules, R_EACH, p) == 0:
        saving = 0
        for i in range(units.shape[0]):
            u = units[i]
            saving += max(0, gain(rules, q, p, u, 0, at(q, Q_UNIT_LIST, u) if original else left[u], left[u]))
        return saving if cap < 0 else min(saving, cap)
    if begin < end and kind != _PRICE_SINGLES and applications_most(rules, q, p, units, masks) == 0:
        return 0
    if is_chain(rules, p) and cell(rules, R_ROLES, 4, begin, ROLE_FLAGS) == 0:
        states = places(rules, p, units.shape[0], limit)
        if states and not may_bind(rules, q, p, units, masks, left):
            roles = np.empty(units.shape[0], np.int64)
            ordered = units[order_of(q, units, left, original)]
            saving = best_chain(rules, q, p, ordered, left, original, states, roles)
            return saving if cap < 0 else min(saving, cap)
    return alone(rules, q, p, units, masks, left, original, cap, limit).saving
