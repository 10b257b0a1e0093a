"""Groups in which each unit serves one promotion at most: the first that comes, or those that save most together."""

from __future__ import annotations

import numpy as np

from engine.alone import settle
from engine.chain import best_chain, is_chain, places
from engine.components import settle_component
from engine.discounts import ROW_SHIFT, gain, order_of, row_of
from engine.floors import may_bind
from engine.kernel import Buffer, Ints, Table, bare, bare_gate, gate
from engine.layout import Q_LINE_MARKS, Q_UNIT_LIST, T_APPLICATIONS, T_CAP, T_TERM, at, size
from engine.order import picked
from engine.perform import alone_of_free, is_plain, perform, perform_plainly, takes_each
from engine.search import NAMES_MAX
from engine.state import Offers, State


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
    total, count, every, lines = offers.units.shape[0], offers.rows.shape[0], taken.shape[0], size(q, Q_LINE_MARKS)
    rest = 3 * total + count + 1  # of the room, behind what is kept of the offers
    room = np.empty(rest + every + 2 * lines + 5 * count + max(every, table.shape[1]), np.int64)
    kept = Offers(offers.rows, room[3 * total : rest], room[:total], room[total : 2 * total], room[2 * total :])
    role_of = room[rest : rest + every]
    left_to_the_better(rules, q, table, offers, kept, role_of, state.left, original)
    rest += every
    by_line = room[rest : rest + 2 * lines]
    by_line[:], role_of[:] = 0, 0
    rest += 2 * lines
    members, ends, order = room[rest : rest + count], room[rest + count :], room[rest + 2 * count : rest + 3 * count]
    components = join(kept, members, ends, order, room[rest + 3 * count :], table.shape[1], every)
    begin = 0
    for component in range(components):
        end = ends[component]
        one = members[begin]
        if end - begin == 1 and is_simple(kept, one):
            takes_its_own(kept, one, taken, role_of)
        elif end - begin > 1 or not takes_a_chain(rules, q, table, state.left, original, kept, one, taken):
            own = members[begin:end]
            one = covers_all(rules, table, kept, own)
            if one >= 0:
                takes_its_own(kept, one, taken, role_of)
            else:
                settle_component(rules, q, table, state, original, kept, own, taken, role_of)
        begin = end
    place = perform_all_plain(rules, q, table, state, kept, order, 0, taken, by_line)
    while place < order.shape[0]:
        perform_own(rules, q, table, state, original, kept, order[place], taken, role_of)
        place = perform_all_plain(rules, q, table, state, kept, order, place + 1, taken, by_line)


@bare_gate
def perform_all_plain(
    rules: Buffer,
    q: Buffer,
    table: Table,
    state: State,
    offers: Offers,
    order: Ints,
    place: int,
    taken: Ints,
    by_line: Ints,
) -> int:
    """Let offers apply with the units that serve them, from a place of the order on, up to one that is not plain; its
    place."""
    while place < order.shape[0]:
        i = order[place]
        if offers.begin[i] < offers.begin[i + 1]:
            if not is_simple(offers, i) or not is_plain(rules, q, table, offers.rows[i]):
                break
            if not perform_plainly(q, table, state, offers, i, taken, by_line):
                give_back(offers, i, taken)
        place += 1
    return place


@gate
def takes_a_chain(
    rules: Buffer, q: Buffer, table: Table, left: Ints, original: int, offers: Offers, i: int, taken: Ints
) -> bool:
    """Let an offer that shares no unit take those that save most, where it is a buy of one set, and say so."""
    row = offers.rows[i]
    p = table[T_TERM, row]
    if table[T_CAP, row] >= 0 or not is_chain(rules, p):
        return False
    units = offers.units[offers.begin[i] : offers.begin[i + 1]]
    states = places(rules, p, units.shape[0], table[T_APPLICATIONS, row])
    if states == 0 or may_bind(rules, q, p, units, offers.masks[offers.begin[i] : offers.begin[i + 1]], left):
        return False
    ordered = picked(units, order_of(q, units, left, original))
    roles = np.empty(units.shape[0], np.int64)
    best_chain(rules, q, p, ordered, left, original, states, roles)
    for k in range(roles.shape[0]):
        if roles[k] >= 0:
            taken[ordered[k]] = row
    return True


@bare
def give_back(offers: Offers, i: int, taken: Ints) -> None:
    """The i-th offer saves nothing with the units that serve it."""
    for k in range(offers.begin[i], offers.begin[i + 1]):
        if taken[offers.units[k]] == offers.rows[i]:
            taken[offers.units[k]] = -1


@gate
def perform_own(
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
    """Let the i-th offer apply with the units that serve it."""
    row = offers.rows[i]
    units = offers.units[offers.begin[i] : offers.begin[i + 1]]
    own = units[taken[units] == row]
    if own.shape[0] == 0:
        return
    own = own[order_of(q, own, state.left, original)]
    p, cap = table[T_TERM, row], table[T_CAP, row]
    result = settle(rules, q, p, own, role_of[own], state.left, original, cap)
    if result.saving > 0:
        perform(rules, q, table, state, row, result)
    else:
        taken[own] = -1


@bare
def is_simple(offers: Offers, i: int) -> bool:
    """Whether what the i-th offer, which has units, saves on each of them hangs on nothing else."""
    return offers.gains[offers.begin[i]] >= 0


@bare_gate
def join(offers: Offers, members: Ints, ends: Ints, order: Ints, spare: Ints, rows: int, units: int) -> int:
    """Offers that share units, directly or through others, one component after the other, by name; where each ends;
    and how many there are. Offers without units are left out. `order`: all offers by name. `spare`: room."""
    count = offers.rows.shape[0]
    parent, place, owner = spare[:count], spare[count : 2 * count], spare[2 * count :]
    for row in range(rows):
        owner[row] = -1
    for i in range(count):
        owner[offers.rows[i]] = i
    listed = 0
    for row in range(rows):
        if owner[row] >= 0:
            order[listed] = owner[row]
            listed += 1
    for u in range(units):
        owner[u] = -1
    for i in range(count):
        parent[i], ends[i] = i, 0
        for k in range(offers.begin[i], offers.begin[i + 1]):
            u = offers.units[k]
            if owner[u] < 0:
                owner[u] = i
            else:
                a, b = root(parent, owner[u]), root(parent, i)
                parent[max(a, b)] = min(a, b)
    for i in range(count):
        if offers.begin[i] < offers.begin[i + 1]:
            ends[root(parent, i)] += 1
    found = used = 0
    for i in range(count):
        here = ends[i]
        place[i] = used  # of a root: where the next of its members goes
        used += here
        if here:
            ends[found] = used
            found += 1
    for i in order:
        if offers.begin[i] < offers.begin[i + 1]:
            top = root(parent, i)
            members[place[top]] = i
            place[top] += 1
    return found


@bare
def root(parent: Ints, i: int) -> int:
    """The component that i belongs to, by its first member."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@bare_gate
def left_to_the_better(
    rules: Buffer, q: Buffer, table: Table, offers: Offers, kept: Offers, most: Ints, left: Ints, original: int
) -> None:
    """Keep of the offers what no other saves more on, where both take each unit for itself, without a cap, and what
    they make cheaper. `most`: room, by unit.

    Whoever took such a unit would save more with the other: so no best assignment is lost."""
    for u in range(most.shape[0]):
        most[u] = 0
    for i in range(offers.rows.shape[0]):
        row, begin, end = offers.rows[i], offers.begin[i], offers.begin[i + 1]
        if begin < end and offers.gains[begin] < 0 and takes_each(rules, table[T_TERM, row]) and table[T_CAP, row] < 0:
            note_gains(rules, q, table, offers, i, left, original)
        for k in range(begin, end):
            most[offers.units[k]] = max(most[offers.units[k]], offers.gains[k])
    used = kept.begin[0] = 0
    for i in range(offers.rows.shape[0]):
        for k in range(offers.begin[i], offers.begin[i + 1]):
            if offers.gains[k] < 0 or 0 < offers.gains[k] == most[offers.units[k]]:
                kept.units[used], kept.masks[used] = offers.units[k], offers.masks[k]
                kept.gains[used] = offers.gains[k]
                used += 1
        kept.begin[i + 1] = used


@bare
def note_gains(rules: Buffer, q: Buffer, table: Table, offers: Offers, i: int, left: Ints, original: int) -> None:
    """What the i-th offer, which takes each unit for itself, saves on each."""
    for k in range(offers.begin[i], offers.begin[i + 1]):
        u = offers.units[k]
        base = at(q, Q_UNIT_LIST, u) if original else left[u]
        p = row_of(table[T_TERM, offers.rows[i]], offers.masks[k])
        offers.gains[k] = max(0, gain(rules, q, p, u, 0, base, left[u]))


@bare_gate
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


@bare
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


@bare
def takes_its_own(offers: Offers, i: int, taken: Ints, role_of: Ints) -> None:
    """An offer that takes each unit for itself takes those that it makes cheaper."""
    for k in range(offers.begin[i], offers.begin[i + 1]):
        if offers.gains[k] > 0:
            taken[offers.units[k]] = offers.rows[i]
            role_of[offers.units[k]] = offers.masks[k] >> ROW_SHIFT << ROW_SHIFT
