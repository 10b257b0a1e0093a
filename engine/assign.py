"""Which unit serves which promotion: the exact best of all assignments, by one scan over units in order.

Units come dearest first. A promotion without buy takes any unit on its own; a buy takes units in runs of n, so all that
the rest of the scan needs to know of it is the position in its run and, where applications are limited, how many runs
are done. The states of several promotions multiply. The scan runs backward, so the walk forward can take the first of
equal choices and ends at the earliest units, the smaller names first (docs/semantics.md 7).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.kernel import Flags, Ints, Table, kernel

NEVER = -(2**61)  # the gain of a choice that is not there
UNIT_BITS = 17  # a value is saving << 17, less the units used: fewer units win among equal savings
assert 2**UNIT_BITS > 100_000  # engine.basket.PIECES_MAX
assert (10**12 << UNIT_BITS) < 2**60  # engine.basket.TOTAL_MINOR_MAX

FREE, RUNS, SINGLES = 0, 1, 2  # how a promotion takes units: one by one; in whole runs; any number, by position

STEPS_MAX = 2_000_000  # units x states x (promotions + 1): beyond, the answer is greedy and BOUNDED
FEWEST_PROMOTIONS_MAX = 8  # beyond, "the fewest promotions" is not sought among equal savings
FEWEST_STEPS_MAX = 4_000_000  # steps x 2^promotions, likewise
TRIES_MAX = 20_000  # assignments by classes that are tried where a cap binds
TRIES_STEPS_MAX = 2_000_000  # assignments x units, likewise


class Choices(NamedTuple):
    """P promotions by name, m units in order: what each unit gains where.

    gain[begin[p] + i * width[p] + position]: unit i's, at a position of p's run (0 where width is 1)."""

    take: Ints  # FREE, RUNS, SINGLES
    run: Ints  # n of the buy; 1
    limit: Ints  # applications at most, where that binds; -1
    width: Ints
    begin: Ints
    gain: Ints
    states: Ints


@kernel
def states_of(take: int, run: int, limit: int, available: int) -> tuple[int, int]:
    """A promotion's states, and its limit if that binds, else -1."""
    if take == FREE:
        return 1, -1
    if take == SINGLES or limit < 0 or limit >= available // run:
        return run, -1
    return run * (limit + 1), limit


@kernel
def moves(c: Choices) -> tuple[Table, Table]:
    """By promotion and state: the state after it took one more unit (-1: its applications are used up), and at which
    of its gains it is. Read in the innermost loop, where a division would cost ten times as much."""
    promotions = c.take.shape[0]
    total = 1
    for p in range(promotions):
        total *= c.states[p]
    after = np.empty((promotions, total), np.int64)
    position = np.zeros((promotions, total), np.int64)
    for state in range(total):
        rest = state
        stride = 1
        for p in range(promotions):
            own = rest % c.states[p]
            rest //= c.states[p]
            if c.width[p] > 1:
                position[p, state] = own % c.run[p]
            if c.limit[p] >= 0 and own // c.run[p] >= c.limit[p]:
                after[p, state] = -1
            else:
                after[p, state] = state + (following(c, p, own) - own) * stride
            stride *= c.states[p]
    return after, position


@kernel
def scan(c: Choices, units: int, allowed: Flags, after: Table, position: Table, values: Table) -> None:
    """values[i, state]: the most that units i.. can add; row `units` is the end: every run is whole."""
    promotions = c.take.shape[0]
    total = values.shape[1]
    for state in range(total):
        rest = state
        whole = True
        for p in range(promotions):
            own = rest % c.states[p]
            rest //= c.states[p]
            whole = whole and (c.take[p] != RUNS or own % c.run[p] == 0)
        values[units, state] = 0 if whole else NEVER
    for i in range(units - 1, -1, -1):
        for state in range(total):
            values[i, state] = values[i + 1, state]
        for p in range(promotions):
            if allowed[p]:
                for state in range(total):
                    value = step(c, i, p, state, after, position, values)
                    values[i, state] = max(values[i, state], value)


@kernel
def step(c: Choices, i: int, p: int, state: int, after: Table, position: Table, values: Table) -> int:
    """The value of giving unit i to promotion p in a state; NEVER if it cannot be."""
    then = after[p, state]
    if then < 0:
        return NEVER
    gain = c.gain[c.begin[p] + i * c.width[p] + position[p, state]]
    value = values[i + 1, then]
    return NEVER if gain == NEVER or value <= NEVER // 2 else value + gain * (1 << UNIT_BITS) - 1


@kernel
def following(c: Choices, p: int, own: int) -> int:
    """The promotion's state after one more unit."""
    if c.take[p] == FREE:
        return own
    after = own + 1
    return 0 if c.limit[p] < 0 and after == c.run[p] else after


@kernel
def saving_of(value: int) -> int:
    """The saving in a value of the scan."""
    return (value + (1 << UNIT_BITS) - 1) >> UNIT_BITS


@kernel
def walk(c: Choices, units: int, allowed: Flags, after: Table, position: Table, values: Table, choice: Ints) -> None:
    """choice[i]: the promotion that unit i serves, or -1; of equal choices the smaller name, none last."""
    promotions = c.take.shape[0]
    state = 0
    for i in range(units):
        choice[i] = -1
        for p in range(promotions):
            if allowed[p] and step(c, i, p, state, after, position, values) == values[i, state]:
                choice[i] = p
                state = after[p, state]
                break


@kernel
def best(c: Choices, units: int, fewest: bool, choice: Ints) -> int:
    """The largest saving without caps, and one assignment that reaches it: with `fewest`, by the fewest promotions,
    then the smallest names; then by the fewest units, then the first in order."""
    promotions = c.take.shape[0]
    after, position = moves(c)
    values = np.empty((units + 1, after.shape[1]), np.int64)
    allowed = np.ones(promotions, np.bool_)
    scan(c, units, allowed, after, position, values)
    most = saving_of(values[0, 0])
    if fewest and promotions > 1:
        needed = 0  # promotions without which less is saved; bit promotions-1-p, so that more means smaller names
        for p in range(promotions):
            allowed[p] = False
            scan(c, units, allowed, after, position, values)
            if saving_of(values[0, 0]) < most:
                needed |= 1 << (promotions - 1 - p)
            allowed[p] = True
        found = False
        for size in range(promotions + 1):
            for mask in range((1 << promotions) - 1, -1, -1):
                if found or mask & needed != needed or bits(mask) != size:
                    continue
                for p in range(promotions):
                    allowed[p] = (mask >> (promotions - 1 - p)) & 1 == 1
                scan(c, units, allowed, after, position, values)
                found = saving_of(values[0, 0]) == most
            if found:
                break
    walk(c, units, allowed, after, position, values, choice)
    return most


@kernel
def bits(mask: int) -> int:
    """How many bits are set."""
    count = 0
    while mask:
        count += mask & 1
        mask >>= 1
    return count


@kernel
def tries(class_begin: Ints, available: Ints) -> int:
    """How many assignments by classes there are: the product of C(m + c, c), at most TRIES_MAX + 1."""
    product = 1
    for k in range(class_begin.shape[0] - 1):
        units, promotions = class_begin[k + 1] - class_begin[k], available[k]
        ways = 1
        for j in range(1, promotions + 1):
            ways = ways * (units + j) // j  # stays whole: C(units + j, j)
            if ways > TRIES_MAX:
                return TRIES_MAX + 1
        product *= ways
        if product > TRIES_MAX:
            return TRIES_MAX + 1
    return product


@kernel
def best_capped(c: Choices, units: int, class_of: Ints, caps: Ints, choice: Ints) -> int:
    """Try every assignment by classes: the largest saving with caps, then the whole order of ties."""
    promotions = c.take.shape[0]
    current = np.full(units, -1, np.int64)  # during the search none is `promotions`, so that it comes last
    own = np.zeros((units + 1, promotions), np.int64)  # state of each promotion before unit i
    sums = np.zeros((units + 1, promotions), np.int64)
    taken = np.zeros((units + 1, promotions), np.int64)
    top, top_count, top_units = -1, 0, 0
    top_taken = np.zeros(promotions, np.int64)
    i = 0
    while i >= 0:
        if i == units:
            total, count, used = 0, 0, 0
            whole = True
            for p in range(promotions):
                whole = whole and (c.take[p] != RUNS or own[i, p] % c.run[p] == 0)
                total += sums[i, p] if caps[p] < 0 else min(sums[i, p], caps[p])
                used += taken[i, p]
                count += taken[i, p] > 0
            if whole and better(total, count, taken[i], used, top, top_count, top_taken, top_units):
                top, top_count, top_units = total, count, used
                top_taken[:] = taken[i]
                for j in range(units):
                    choice[j] = current[j] if current[j] < promotions else -1
            i -= 1
            continue
        # the next choice for unit i: within a class choices do not fall
        lowest = current[i - 1] if i > 0 and class_of[i] == class_of[i - 1] else 0
        p = max(current[i] + 1, lowest)
        while p < promotions and not possible(c, i, p, own[i, p]):
            p += 1
        if p > promotions:
            current[i] = -1
            i -= 1
            continue
        current[i] = p
        own[i + 1] = own[i]
        sums[i + 1] = sums[i]
        taken[i + 1] = taken[i]
        if p < promotions:
            position = own[i, p] % c.run[p]
            sums[i + 1, p] += c.gain[c.begin[p] + i * c.width[p] + (position if c.width[p] > 1 else 0)]
            own[i + 1, p] = following(c, p, own[i, p])
            taken[i + 1, p] += 1
        i += 1
        if i < units:
            current[i] = -1
    return top


@kernel
def possible(c: Choices, i: int, p: int, own: int) -> bool:
    """Whether promotion p can take unit i in its state."""
    position = own % c.run[p] if c.width[p] > 1 else 0
    if c.gain[c.begin[p] + i * c.width[p] + position] == NEVER:
        return False
    return not (c.limit[p] >= 0 and own // c.run[p] >= c.limit[p])


@kernel
def better(
    total: int, count: int, taken: Ints, used: int, top: int, top_count: int, top_taken: Ints, top_used: int
) -> bool:
    """Larger saving, then fewer promotions, then smaller names, then fewer units; the earlier of equals stays."""
    if total != top:
        return total > top
    if count != top_count:
        return count < top_count
    for p in range(taken.shape[0]):
        if (taken[p] > 0) != (top_taken[p] > 0):
            return taken[p] > 0
    return used < top_used
