"""Which unit serves which promotion: the exact best of all assignments, proven by a bound.

What a promotion may do with the units available to it is a layered graph (`Graphs`): a path from its first node to an
end takes some of its units, in order U, in one of the promotion's roles each, and gains what its arcs say. A unit may
be taken by one path only. All paths together are to gain the most.

The bound: units get prices (Lagrange multipliers). Every promotion then takes for itself the path that gains most less
the prices of what it takes; these and the prices of all units together are never less than the best assignment gains.
Prices are moved until the bound is small. The search walks through the units in order U, smaller names first, and
leaves out whatever the bound excludes, so the first best assignment that it meets is the one that docs/semantics.md 7
asks for.

Values are (saving << shift) less the cost of ties: one for each unit used, more for each promotion, so that fewer
promotions, then smaller names, then fewer units win among equal savings. Integers throughout; steps are counted, never
time.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.kernel import Flags, Ints, Table, bare, bare_gate, gate
from engine.order import ascending, pick, pick_rows

NEVER = -(2**61)  # no path
ROUNDS_MAX = 80  # of moving prices
WIDTH_MIN, WIDTH_MAX = 32, 2_048  # states at a time; more where so many before each unit stay below STATES_MAX
STATES_MAX = 200_000  # in all
NODES_FEW = 100  # of all graphs together
SCALE = 8  # bits of a promotion's scale, see `Prices`
NAMES_MAX = 10  # promotions of a component among which the fewest and the smallest names are sought
LARGEST = 2**60


class Graphs(NamedTuple):
    """P promotions by name, m units in order U.

    Promotion p's layers are layer_begin[p] to layer_begin[p + 1]: one before each of its units, and one at the end.
    Layer k's nodes are node_begin[k] to node_begin[k + 1], the first of them "nothing taken so far". A node's arcs are
    arc_begin[node] to arc_begin[node + 1]; role 0 leaves the unit, which is the first arc where it may."""

    layer_begin: Ints
    layer_unit: Ints  # by layer: its unit; -1 at the end
    node_begin: Ints
    arc_begin: Ints
    arc_to: Ints
    arc_role: Ints
    arc_gain: Ints
    final: Ints  # by node of an end layer: what is gained there; NEVER: not an end
    caps: Ints  # by promotion: -1 = none
    unit_class: Ints  # by unit, ascending: units of one class are alike to all


class Answer(NamedTuple):
    """`saving` is proven where `bound` is 0; `tied`: the first of equals was found."""

    saving: int
    bound: int
    tied: bool
    steps: int


class Prices(NamedTuple):
    """What the bound is made of. A capped promotion's gains count scale/256 of what they are, and the rest of its cap
    is added: min(gain, cap) is never more."""

    unit: Ints  # by class
    scale: Ints  # by promotion
    reach: Ints  # by node: the most that a path from here adds, less prices


@bare
def tie_bits(promotions: int, units: int, most: int, named: bool) -> tuple[int, int]:
    """The shift of savings, and the bits of it that count units. `most`: no saving is larger."""
    unit_bits = 1
    while (1 << unit_bits) <= units:
        unit_bits += 1
    shift = unit_bits
    if named:
        names = promotions
        while (1 << (names - promotions)) <= promotions:
            names += 1
        shift += names
    room = 0
    while room < 62 and (max(1, most) << room) < LARGEST // (promotions + 2):
        room += 1
    if shift >= room:
        shift = unit_bits
    if shift >= room:
        shift = unit_bits = 0
    return shift, unit_bits


@bare
def charge(promotion: int, promotions: int, shift: int, unit_bits: int) -> int:
    """The cost of a promotion that takes any unit: fewer promotions first, then smaller names."""
    if shift == unit_bits:
        return 0
    return ((1 << promotions) - (1 << (promotions - 1 - promotion))) << unit_bits


@gate
def costs_of(g: Graphs, shift: int, unit_bits: int) -> Ints:
    """By arc: what it costs in ties."""
    promotions = g.caps.shape[0]
    cost = np.zeros(g.arc_to.shape[0], np.int64)
    for p in range(promotions):
        first_use = charge(p, promotions, shift, unit_bits)
        for layer in range(g.layer_begin[p], g.layer_begin[p + 1]):
            for node in range(g.node_begin[layer], g.node_begin[layer + 1]):
                for arc in range(g.arc_begin[node], g.arc_begin[node + 1]):
                    if g.arc_role[arc] and shift:
                        cost[arc] = 1 + (first_use if node == g.node_begin[layer] else 0)
    return cost


@bare
def reach_of(g: Graphs, cost: Ints, shift: int, p: int, open_units: Flags, price: Ints, scale: int, reach: Ints) -> int:
    """Fill `reach` of a promotion's nodes, from the end; that of its first node."""
    last = g.layer_begin[p + 1] - 1
    for node in range(g.node_begin[last], g.node_begin[last + 1]):
        reach[node] = NEVER if g.final[node] == NEVER else scaled(g.final[node], scale, shift)
    for layer in range(last - 1, g.layer_begin[p] - 1, -1):
        unit = g.layer_unit[layer]
        due = price[g.unit_class[unit]]
        free = open_units[unit]
        for node in range(g.node_begin[layer], g.node_begin[layer + 1]):
            top = NEVER
            for arc in range(g.arc_begin[node], g.arc_begin[node + 1]):
                then = reach[g.arc_to[arc]]
                if then <= NEVER // 2:
                    continue
                if g.arc_role[arc]:
                    if not free:
                        continue
                    then += scaled(g.arc_gain[arc], scale, shift) - cost[arc] - due
                top = max(top, then)
            reach[node] = top
    return reach[g.node_begin[g.layer_begin[p]]]


@bare
def scaled(gain: int, scale: int, shift: int) -> int:
    """A gain as it counts in bounds; rounded up where a scale is fine."""
    if scale == 1 << SCALE:
        return gain << shift
    return -((-gain * scale << shift) >> SCALE)


@bare
def rest_of_cap(cap: int, scale: int, shift: int) -> int:
    """What a scaled promotion's bound gets of its cap, rounded up."""
    return -((-cap * ((1 << SCALE) - scale) << shift) >> SCALE)


@bare
def best_path(
    g: Graphs, cost: Ints, shift: int, p: int, open_units: Flags, price: Ints, scale: int, reach: Ints, used: Ints
) -> tuple[int, int]:
    """The arcs of the best path by `reach`: units into `used` (role, else 0). Its true gain, and its cost of ties."""
    node = g.node_begin[g.layer_begin[p]]
    gain = ties = 0
    for layer in range(g.layer_begin[p], g.layer_begin[p + 1] - 1):
        unit = g.layer_unit[layer]
        due = price[g.unit_class[unit]]
        leaves = g.arc_begin[node]
        taken = leaves
        if open_units[unit]:
            for arc in range(leaves + 1, g.arc_begin[node + 1]):
                then = reach[g.arc_to[arc]]
                if taken == leaves and then > NEVER // 2:
                    if then + scaled(g.arc_gain[arc], scale, shift) - cost[arc] - due == reach[node]:
                        taken = arc
        if taken > leaves:
            used[unit] = g.arc_role[taken]
            gain += g.arc_gain[taken]
            ties += cost[taken]
        node = g.arc_to[taken]
    return gain + g.final[node], ties


@bare
def capped(gain: int, cap: int) -> int:
    """A saving under a cap (-1: none)."""
    return gain if cap < 0 or gain < cap else cap


@gate
def build(g: Graphs, cost: Ints, shift: int, order: Ints, price: Ints, reach: Ints, choice: Ints) -> int:
    """An assignment: in this order each promotion takes its best path through the units not yet taken, first by the
    prices, then those that took nothing once more without. Its value; units' promotions and roles into `choice`."""
    promotions = g.caps.shape[0]
    units = g.unit_class.shape[0]
    open_units = np.ones(units, np.bool_)
    nothing = np.zeros(price.shape[0], np.int64)
    used = np.empty(units, np.int64)
    done = np.zeros(promotions, np.bool_)
    choice[:] = -1
    value = built(g, cost, shift, order, price, reach, choice, open_units, used, done)
    return value + built(g, cost, shift, order, nothing, reach, choice, open_units, used, done)


@bare_gate
def built(
    g: Graphs,
    cost: Ints,
    shift: int,
    order: Ints,
    price: Ints,
    reach: Ints,
    choice: Ints,
    open_units: Flags,
    used: Ints,
    done: Flags,
) -> int:
    """Let promotions that took nothing yet take their best paths; what that is worth. `used`: room."""
    value = 0
    for p in order:
        if done[p] or reach_of(g, cost, shift, p, open_units, price, 1 << SCALE, reach) <= 0:
            continue
        for u in range(used.shape[0]):
            used[u] = 0
        gain, ties = best_path(g, cost, shift, p, open_units, price, 1 << SCALE, reach, used)
        worth = (capped(gain, g.caps[p]) << shift) - ties
        if worth <= 0:
            continue
        value += worth
        done[p] = True
        for u in range(used.shape[0]):
            if used[u]:
                open_units[u] = False
                choice[u] = p * 16 + used[u]
    return value


class Wishes(NamedTuple):
    """What promotions would do at some prices, each for itself."""

    open_units: Flags  # all of them
    used: Ints  # by unit: room
    worth: Ints  # by promotion: of its best path, prices taken off
    gains: Ints  # by promotion: of that path
    demand: Ints  # by class: how many promotions want a unit


@bare_gate
def wished(g: Graphs, cost: Ints, shift: int, prices: Prices, wishes: Wishes) -> int:
    """Note what every promotion would do; what all of that is worth."""
    bound = 0
    for c in range(wishes.demand.shape[0]):
        wishes.demand[c] = 0
    for u in range(wishes.used.shape[0]):
        wishes.used[u] = 0
    for p in range(g.caps.shape[0]):
        scale = prices.scale[p]
        wishes.worth[p] = reach_of(g, cost, shift, p, wishes.open_units, prices.unit, scale, prices.reach)
        bound += wishes.worth[p] + (rest_of_cap(g.caps[p], scale, shift) if g.caps[p] >= 0 else 0)
        wishes.gains[p], _ = best_path(
            g, cost, shift, p, wishes.open_units, prices.unit, scale, prices.reach, wishes.used
        )
        for layer in range(g.layer_begin[p], g.layer_begin[p + 1] - 1):
            u = g.layer_unit[layer]
            if wishes.used[u]:
                wishes.demand[g.unit_class[u]] += 1
                wishes.used[u] = 0
    return bound


@gate
def solve(g: Graphs, most: int, named: bool, choice: Ints) -> Answer:
    """The best assignment: choice[i] = 16 x promotion + role of unit i, or -1. `most`: no saving is larger.

    `named`: of equal savings the fewest promotions, then the smallest names, are sought."""
    promotions = g.caps.shape[0]
    units = g.unit_class.shape[0]
    classes = g.unit_class[units - 1] + 1 if units else 0
    room = most << SCALE if (g.caps >= 0).any() else most  # a capped promotion's gains are scaled
    shift, unit_bits = tie_bits(promotions, units, room, named)
    cost = costs_of(g, shift, unit_bits)
    reach = np.empty(g.final.shape[0], np.int64)
    price = np.zeros(classes, np.int64)
    scale = np.full(promotions, 1 << SCALE, np.int64)
    if reach.shape[0] <= NODES_FEW:  # looking at all there is costs less than a good bound
        choice[:] = -1
        complete, worth_of_all, seen = search(g, cost, shift, Prices(price, scale, reach), 0, WIDTH_MIN, choice)
        if complete:
            return Answer((worth_of_all + (1 << shift) - 1) >> shift, 0, True, seen)
    size_of = np.zeros(classes, np.int64)
    for u in range(units):
        size_of[g.unit_class[u]] += 1
    demand = np.empty(classes, np.int64)
    worth, gains = np.empty(promotions, np.int64), np.empty(promotions, np.int64)
    wishes = Wishes(np.ones(units, np.bool_), np.empty(units, np.int64), worth, gains, demand)

    best_choice = np.full(units, -1, np.int64)
    lower = build_in_turn(g, cost, shift, price, reach, best_choice)
    trial = np.empty(units, np.int64)
    upper = LARGEST
    best_price = price.copy()
    best_scale = scale.copy()
    pace = 16
    stale = 0
    for _ in range(ROUNDS_MAX):
        bound = wished(g, cost, shift, Prices(price, scale, reach), wishes)
        for c in range(classes):
            bound += price[c] * size_of[c]
        if bound < upper:
            upper = bound
            best_price[:] = price
            best_scale[:] = scale
            stale = 0
            order = ascending(-worth)
            value = build(g, cost, shift, order, price, reach, trial)
            if value > lower:
                lower = value
                best_choice[:] = trial
        else:
            stale += 1
            if stale >= 4:
                pace = max(1, pace // 2)
                stale = 0
        if upper <= lower:
            break
        norm = 0
        for c in range(classes):
            over = demand[c] - size_of[c]
            if over > 0 or price[c] > 0:
                norm += over * over
        moved = False
        if norm:
            step = (upper - lower) // 16 * pace // norm + 1
            for c in range(classes):
                after = max(0, price[c] + step * (demand[c] - size_of[c]))
                moved = moved or after != price[c]
                price[c] = after
        for p in range(promotions):
            if g.caps[p] >= 0:
                after = scale[p]
                if gains[p] > g.caps[p]:
                    after = max(0, scale[p] - max(1, pace))
                elif gains[p] < g.caps[p]:
                    after = min(1 << SCALE, scale[p] + max(1, pace))
                moved = moved or after != scale[p]
                scale[p] = after
        if not moved:
            break

    prices = Prices(best_price, best_scale, reach)
    choice[:] = best_choice
    complete = False
    states = 0
    width = WIDTH_MIN
    while not complete and states < STATES_MAX and (width <= WIDTH_MAX or width * units <= STATES_MAX):
        complete, lower, seen = search(g, cost, shift, prices, lower, width, choice)
        states += seen
        width *= 8
    saving = (lower + (1 << shift) - 1) >> shift
    if complete:
        return Answer(saving, 0, True, states)
    return Answer(saving, max(0, ((upper + (1 << shift) - 1) >> shift) - saving), False, states)


@gate
def build_in_turn(g: Graphs, cost: Ints, shift: int, price: Ints, reach: Ints, choice: Ints) -> int:
    """The assignment of greed: the largest saving alone first."""
    promotions = g.caps.shape[0]
    everything = np.ones(g.unit_class.shape[0], np.bool_)
    worth = np.zeros(promotions, np.int64)
    for p in range(promotions):
        worth[p] = reach_of(g, cost, shift, p, everything, price, 1 << SCALE, reach)
        if g.caps[p] >= 0:
            worth[p] = min(worth[p], g.caps[p] << shift)
    return build(g, cost, shift, ascending(-worth), price, reach, choice)


class Front(NamedTuple):
    """States before a unit, in the order of the choices that led there: one row for each."""

    nodes: Table  # by promotion: where it is; -1: it has passed its last unit
    gains: Table  # by capped promotion on its way: what it gained
    value: Ints  # of all others, less ties
    bound: Ints  # the most that any assignment from here is worth
    bits: Ints  # hash of nodes and gains


class Trail(NamedTuple):
    """How states came about, those before unit u from begin[u] on."""

    begin: Ints
    parent: Ints  # number of the state before
    option: Ints  # what the unit did: 16 x promotion + role, -1 none


class Ways(NamedTuple):
    """What the search reads over and over."""

    begin: Ints  # by unit: the promotions that it is open to
    whose: Ints
    last: Flags  # whether it is that promotion's last unit
    slot: Ints  # by promotion: its column of Front.gains; -1: no cap
    rest: Ints  # by promotion: what its bound gets of its cap
    falls: Flags  # by promotion: what it gained may become less again, so what is above the cap matters
    scale: Ints  # by promotion
    reach: Ints  # by node


@gate
def ways_of(g: Graphs, cost: Ints, shift: int, prices: Prices) -> Ways:
    """Put together what `search` reads."""
    promotions = g.caps.shape[0]
    units = g.unit_class.shape[0]
    everything = np.ones(units, np.bool_)
    slot = np.full(promotions, -1, np.int64)
    rest = np.zeros(promotions, np.int64)
    falls = np.zeros(promotions, np.bool_)
    limited = 0
    begin = np.zeros(units + 1, np.int64)
    for p in range(promotions):
        reach_of(g, cost, shift, p, everything, prices.unit, prices.scale[p], prices.reach)
        for layer in range(g.layer_begin[p], g.layer_begin[p + 1]):
            if g.layer_unit[layer] >= 0:
                begin[g.layer_unit[layer] + 1] += 1
            if g.caps[p] >= 0:
                for node in range(g.node_begin[layer], g.node_begin[layer + 1]):
                    falls[p] = falls[p] or NEVER < g.final[node] < 0
                    for arc in range(g.arc_begin[node], g.arc_begin[node + 1]):
                        falls[p] = falls[p] or g.arc_gain[arc] < 0
        if g.caps[p] >= 0:
            slot[p] = limited
            limited += 1
            rest[p] = rest_of_cap(g.caps[p], prices.scale[p], shift)
    for u in range(units):
        begin[u + 1] += begin[u]
    place = begin[:units].copy()
    whose = np.empty(begin[units], np.int64)
    last = np.zeros(begin[units], np.bool_)
    for p in range(promotions):
        for layer in range(g.layer_begin[p], g.layer_begin[p + 1] - 1):
            u = g.layer_unit[layer]
            whose[place[u]] = p
            last[place[u]] = layer == g.layer_begin[p + 1] - 2
            place[u] += 1
    return Ways(begin, whose, last, slot, rest, falls, prices.scale, prices.reach)


@bare
def hope(g: Graphs, w: Ways, shift: int, p: int, node: int, gained: int, last: bool) -> int:
    """The most that a promotion is worth from a node on; with a cap, what it gained before included."""
    if w.slot[p] < 0:
        return w.reach[node]
    if last:
        return capped(gained + g.final[node], g.caps[p]) << shift
    return min(scaled(gained, w.scale[p], shift) + w.reach[node] + w.rest[p], g.caps[p] << shift)


@bare
def mixed(x: int) -> int:
    """Bits of a number, well spread."""
    x = ((x >> 31) ^ x) & 0x7FFFFFFF
    x = (x * 0x45D9F3B) & 0x3FFFFFFFFFFFFFFF
    x = ((x >> 29) ^ x) & 0x7FFFFFFF
    x = (x * 0x2C1B3C6D) & 0x3FFFFFFFFFFFFFFF
    return (x >> 27) ^ x


@bare
def bits_of(g: Graphs, w: Ways, p: int, node: int, gained: int) -> int:
    """A promotion's part of a state's hash; 0 once it has passed its last unit."""
    if node < 0:
        return 0
    return mixed(node + 1) if w.slot[p] < 0 else mixed(mixed(node + 1) + gained)


@gate
def front(width: int, promotions: int, limited: int) -> Front:
    """Room for so many states."""
    return Front(
        np.empty((width, promotions), np.int64),
        np.zeros((width, limited), np.int64),
        np.zeros(width, np.int64),
        np.zeros(width, np.int64),
        np.zeros(width, np.int64),
    )


@gate
def search(
    g: Graphs, cost: Ints, shift: int, prices: Prices, lower: int, width: int, choice: Ints
) -> tuple[bool, int, int]:
    """Unit by unit, all states that assignments of the units so far lead to, but for those that the bound excludes.

    Of the ways to a state the one that gained most is kept, of equal ones the first: smaller names first, none last.
    `choice` holds an assignment worth `lower`; a better one, or the first of equals, replaces it. Where there are more
    than `width` states those with the best bounds go on. Whether all was seen, the best value, how many states."""
    promotions = g.caps.shape[0]
    units = g.unit_class.shape[0]
    w = ways_of(g, cost, shift, prices)
    limited = w.slot.max() + 1
    now = front(width, promotions, limited)
    then = front(width, promotions, limited)
    size = units * width + 1
    trail = Trail(np.zeros(units + 2, np.int64), np.empty(size, np.int64), np.empty(size, np.int64))
    table = np.full(4 * width, -1, np.int64)
    trail.begin[1] = 1
    trail.option[0] = -1
    bound = 0
    for p in range(promotions):
        now.nodes[0, p] = g.node_begin[g.layer_begin[p]]
        bound += hope(g, w, shift, p, now.nodes[0, p], 0, False)
        now.bits[0] ^= bits_of(g, w, p, now.nodes[0, p], 0)
    for u in range(units):
        bound += prices.unit[g.unit_class[u]]
    now.bound[0] = bound
    count = 1
    total = 0
    complete = True
    for u in range(units):
        table[:] = -1
        made = advance(g, w, cost, shift, prices, lower, u, now, count, then, trail, table)
        if made < 0:
            complete = False
            made = width // 2
        total += made
        trail.begin[u + 2] = trail.begin[u + 1] + made
        count = made
        now, then = then, now
        if count == 0:
            return complete, lower, total
    if now.value[0] < lower:
        return complete, lower, total
    s = 0
    for u in range(units - 1, -1, -1):
        choice[u] = trail.option[trail.begin[u + 1] + s]
        s = trail.parent[trail.begin[u + 1] + s]
    return complete, now.value[0], total


@bare_gate
def advance(
    g: Graphs,
    w: Ways,
    cost: Ints,
    shift: int,
    prices: Prices,
    lower: int,
    u: int,
    now: Front,
    count: int,
    then: Front,
    trail: Trail,
    table: Ints,
) -> int:
    """The states after unit u: how many; -1: there were too many, and half the room holds the best."""
    width = then.value.shape[0]
    units = g.unit_class.shape[0]
    due = prices.unit[g.unit_class[u]]
    same = u > 0 and g.unit_class[u] == g.unit_class[u - 1]  # what alike units do does not fall
    alike = u + 1 < units and g.unit_class[u] == g.unit_class[u + 1]
    made = 0
    moved = False
    dropped = False
    for s in range(count):
        before = trail.option[trail.begin[u] + s]
        left_out = 0  # the change of the bound if nobody takes the unit
        stuck = 0  # promotions that cannot do without it
        for j in range(w.begin[u], w.begin[u + 1]):
            p = w.whose[j]
            node = now.nodes[s, p]
            gained = now.gains[s, w.slot[p]] if w.slot[p] >= 0 else 0
            to = g.arc_to[g.arc_begin[node]]
            if w.reach[to] <= NEVER // 2:
                stuck += 1
            else:
                left_out += hope(g, w, shift, p, to, gained, w.last[j]) - hope(g, w, shift, p, node, gained, False)
        for j in range(w.begin[u], w.begin[u + 1] + 1):
            none = j == w.begin[u + 1]
            if none:
                if stuck == 0 and now.bound[s] - due + left_out >= lower:
                    bound = now.bound[s] - due + left_out
                    made, changed = settle_state(
                        g, w, shift, u, now, s, then, made, trail, table, alike, -1, -1, 0, bound
                    )
                    moved = moved or changed
            else:
                p = w.whose[j]
                node = now.nodes[s, p]
                gained = now.gains[s, w.slot[p]] if w.slot[p] >= 0 else 0
                here = hope(g, w, shift, p, node, gained, False)
                to = g.arc_to[g.arc_begin[node]]
                free = stuck
                others = left_out
                if w.reach[to] <= NEVER // 2:
                    free -= 1
                else:
                    others -= hope(g, w, shift, p, to, gained, w.last[j]) - here
                if free:
                    continue
                for arc in range(g.arc_begin[node] + 1, g.arc_begin[node + 1]):
                    what = 16 * p + g.arc_role[arc]
                    to = g.arc_to[arc]
                    if w.reach[to] <= NEVER // 2 or (same and (before < 0 or what < before)):
                        continue
                    bound = now.bound[s] - due + others - here - cost[arc]
                    if w.slot[p] >= 0:
                        bound += hope(g, w, shift, p, to, gained + g.arc_gain[arc], w.last[j])
                    else:
                        bound += (g.arc_gain[arc] << shift) + w.reach[to]
                    if bound < lower:
                        continue
                    made, changed = settle_state(
                        g, w, shift, u, now, s, then, made, trail, table, alike, arc, what, cost[arc], bound
                    )
                    moved = moved or changed
                    if made == width:
                        made = best_half(then, trail, u, made, table, alike)
                        dropped = True
            if made == width:
                made = best_half(then, trail, u, made, table, alike)
                dropped = True
    if dropped and made > width // 2:
        made = best_half(then, trail, u, made, table, alike)
    if moved:
        in_sequence(then, trail, u, made)
    return -1 if dropped else made


@bare_gate
def settle_state(
    g: Graphs,
    w: Ways,
    shift: int,
    u: int,
    now: Front,
    s: int,
    then: Front,
    made: int,
    trail: Trail,
    table: Ints,
    alike: bool,
    arc: int,
    what: int,
    ties: int,
    bound: int,
) -> tuple[int, bool]:
    """Note the state after an option of unit u. How many states there are now, and whether a known one got better."""
    mask = table.shape[0] - 1
    taker = what >> 4 if what >= 0 else -1
    value = now.value[s] - ties
    bits = now.bits[s]
    for p in range(then.nodes.shape[1]):
        then.nodes[made, p] = now.nodes[s, p]
    for i in range(then.gains.shape[1]):
        then.gains[made, i] = now.gains[s, i]
    for j in range(w.begin[u], w.begin[u + 1]):
        p = w.whose[j]
        node = now.nodes[s, p]
        gained = now.gains[s, w.slot[p]] if w.slot[p] >= 0 else 0
        bits ^= bits_of(g, w, p, node, gained)
        to = g.arc_to[g.arc_begin[node]]
        if p == taker:
            to = g.arc_to[arc]
            if w.slot[p] < 0:
                value += g.arc_gain[arc] << shift
            else:
                gained += g.arc_gain[arc]
                if not w.falls[p]:
                    gained = capped(gained, g.caps[p])
        if w.last[j]:
            value += capped(gained + g.final[to], g.caps[p]) << shift
            to = -1
            gained = 0
        then.nodes[made, p] = to
        if w.slot[p] >= 0:
            then.gains[made, w.slot[p]] = gained
        bits ^= bits_of(g, w, p, to, gained)
    cell = (bits ^ (mixed(what + 2) if alike else 0)) & mask
    while table[cell] >= 0:
        twin = table[cell]
        same = then.bits[twin] == bits and (not alike or trail.option[trail.begin[u + 1] + twin] == what)
        p = 0
        while same and p < then.nodes.shape[1]:
            same = then.nodes[twin, p] == then.nodes[made, p]
            p += 1
        i = 0
        while same and i < then.gains.shape[1]:
            same = then.gains[twin, i] == then.gains[made, i]
            i += 1
        if same:
            if value <= then.value[twin]:
                return made, False
            then.value[twin] = value
            then.bound[twin] = bound
            trail.parent[trail.begin[u + 1] + twin] = s
            trail.option[trail.begin[u + 1] + twin] = what
            return made, True
        cell = (cell + 1) & mask
    table[cell] = made
    then.value[made] = value
    then.bound[made] = bound
    then.bits[made] = bits
    trail.parent[trail.begin[u + 1] + made] = s
    trail.option[trail.begin[u + 1] + made] = what
    return made + 1, False


@gate
def best_half(states: Front, trail: Trail, u: int, count: int, table: Ints, alike: bool) -> int:
    """Keep the half with the best bounds; the earlier of equals. Their order stays. What was dropped is forgotten:
    it may come again."""
    keep = np.sort(ascending(-states.bound[:count])[: states.value.shape[0] // 2])
    rearrange(states, trail, u, keep)
    table[:] = -1
    mask = table.shape[0] - 1
    for s in range(keep.shape[0]):
        cell = (states.bits[s] ^ (mixed(trail.option[trail.begin[u + 1] + s] + 2) if alike else 0)) & mask
        while table[cell] >= 0:
            cell = (cell + 1) & mask
        table[cell] = s
    return keep.shape[0]


@gate
def in_sequence(states: Front, trail: Trail, u: int, count: int) -> None:
    """Put states back into the order of the choices that led there."""
    rank = np.empty(count, np.int64)
    for s in range(count):
        what = trail.option[trail.begin[u + 1] + s]
        rank[s] = (trail.parent[trail.begin[u + 1] + s] << 20) + (what if what >= 0 else (1 << 20) - 1)
    rearrange(states, trail, u, ascending(rank))


@bare_gate
def rearrange(states: Front, trail: Trail, u: int, order: Ints) -> None:
    """Keep these states, in this order."""
    pick_rows(states.nodes, order)
    pick_rows(states.gains, order)
    pick(states.value, order)
    pick(states.bound, order)
    pick(states.bits, order)
    begin = trail.begin[u + 1]
    pick(trail.parent[begin:], order)
    pick(trail.option[begin:], order)
