"""Promotions of a per-item group that share units: which unit serves which, exact within stated sizes."""

from __future__ import annotations

import numpy as np

from engine.alone import off_together
from engine.basket import BASIS_POINTS
from engine.discounts import PRICE_LIST, ROW_SHIFT, order_of, promised
from engine.graph import draw, grown
from engine.instructions import Kind
from engine.kernel import Buffer, Ints, Table, bare_gate, gate
from engine.layout import (
    Q_FINE,
    Q_UNIT_ARTICLE,
    Q_UNIT_ENTRY,
    Q_UNIT_FACTOR,
    Q_UNIT_FLOOR,
    Q_UNIT_LIST,
    Q_UNIT_MEASURE,
    Q_UNIT_PRICE,
    R_AMOUNT,
    R_KIND,
    R_PERCENT,
    T_ALONE,
    T_APPLICATIONS,
    T_CAP,
    T_TERM,
    amount_of,
    at,
    its,
    scalar,
)
from engine.order import ascending
from engine.perform import alone_of, alone_of_free
from engine.search import NAMES_MAX, Graphs, solve
from engine.state import Offers, State

ARCS_MAX = 2_000_000  # of the graphs of one component: beyond, it is settled greedily

_PERCENT_TOGETHER = int(Kind.PERCENT_TOGETHER)


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
            if same and open_to[p, i] and its(rules, R_KIND, rewards[p]) == PRICE_LIST:
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


@bare_gate
def most_together(rules: Buffer, q: Buffer, p: int, offers: Offers, i: int, left: Ints, original: int) -> int:
    """An amount or a percentage off the i-th offer's units as a whole, application by application, never saves more:
    rounding adds less than one to each application, and of no unit there are more."""
    kind, percent_off = its(rules, R_KIND, p), its(rules, R_PERCENT, p)
    amount = amount_of(rules, q, its(rules, R_AMOUNT, p)) if its(rules, R_AMOUNT, p) >= 0 else 0
    most = there = 0
    for k in range(offers.begin[i], offers.begin[i + 1]):
        u = offers.units[k]
        there += left[u]
        base = at(q, Q_UNIT_LIST, u) if original else left[u]
        most += -(-base * percent_off // BASIS_POINTS) + 1 if kind == _PERCENT_TOGETHER else amount
    return min(most, there)
