"""What a promotion may do with the units available to it, drawn as a layered graph for engine/search.py.

A state of a promotion is how many units it has taken in each of its roles (of each article, where one article must fill
a role), which is all that the rest of the units needs to know: what a unit gains depends on its place in its
application, and the j-th units of every role make the j-th application. States are drawn unit by unit, in order U.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.arithmetic import divide
from engine.basket import BASIS_POINTS
from engine.discounts import (
    FEWER_TOO,
    ONE_ARTICLE,
    ROLE_COUNT,
    ROLE_FLAGS,
    ROLE_REWARDED,
    by_measure,
    gain,
    measure_of,
    need_of,
    roles_of,
    row_of,
    singles_cost,
)
from engine.floors import may_bind, room
from engine.instructions import Kind
from engine.kernel import Buffer, Ints, Table, bare, bare_gate, gate, kernel
from engine.layout import (
    Q_FINE,
    Q_LINE_ARTICLE,
    Q_ROUNDING,
    Q_UNIT_ARTICLE,
    Q_UNIT_LIST,
    R_AMOUNT,
    R_BUY,
    R_EACH,
    R_KIND,
    R_LADDER,
    R_LADDER_BEGIN,
    R_PER_ARTICLE,
    R_PERCENT,
    R_PICK_COUNT,
    R_PICK_DEAREST,
    R_ROLES,
    amount_of,
    at,
    cell,
    its,
    scalar,
    size,
)
from engine.search import NEVER

STATES_MAX = 4_096  # of a promotion, before one unit
FEW_STATES = 32  # a power of two
ARCS_MAX = 1_000_000  # of a promotion
DIGITS_MAX = 40
EVERY, SOME = 1, 2  # all rewarded units of a digit could have been bought as well; some of them
KEY_MAX = 2**62

_PERCENT_TOGETHER, _AMOUNT_TOGETHER, _PRICE_TOGETHER, _PRICE_SINGLES = (
    int(k) for k in (Kind.PERCENT_TOGETHER, Kind.AMOUNT_TOGETHER, Kind.PRICE_TOGETHER, Kind.PRICE_SINGLES)
)
_PICK, _LADDER = int(Kind.PICK), int(Kind.LADDER)


class Drawing(NamedTuple):
    """One promotion's part of engine.search.Graphs; nodes count from 0. Without nodes: there were too many states."""

    node_begin: Ints  # by layer, one more than units, and the end
    arc_begin: Ints
    arc_to: Ints
    arc_role: Ints
    arc_gain: Ints
    final: Ints  # by node


class Shape(NamedTuple):
    """How the states of a promotion are numbered: digits of a mixed radix."""

    digits: Table  # rows (role, article or -1, size, stride, of rewarded units: whether they could have been bought)
    sums: int  # digits of another kind begin here, each for one of the rewarded role: (-1, that digit, size, stride)
    # partial sums, (-2, that digit, size, stride) those of its units that could have been bought; or for one of a need
    # by measure, which counts grains: (-3, that digit, size, stride) the grains of its smallest unit; or for an article
    # with more units than are rewarded at most: (-4, article, size, stride) how many are; or for an amount off each
    # article: (-5, article, size, stride, grain) how many grains of it the application has; or for an application
    # of several sets that saves together: (-6, its number, size, stride, grain) its partial sum while it is filled
    grain: int  # measures are whole multiples of it
    wraps: int  # 1: digits count within a run, and state 0 is "nothing taken", apart from "whole runs"
    most: int  # applications at most
    key_end: int  # every key is below; 0: too many


@gate
def shape_alike(rules: Buffer, q: Buffer, p: int, units: Ints) -> Shape:
    """Without a buy: a digit for each article with more units than are rewarded at most."""
    digits = np.zeros((DIGITS_MAX, 5), np.int64)
    most = its(rules, R_PER_ARTICLE, p)
    if most == 0:
        return Shape(digits[:0], 0, 1, 0, 1, 2)
    number = np.zeros(size(q, Q_LINE_ARTICLE) + 1, np.int64)
    for i in range(units.shape[0]):
        number[at(q, Q_UNIT_ARTICLE, units[i])] += 1
    count = 0
    stride = 1
    for article in range(number.shape[0]):
        if number[article] <= most:
            continue
        if count == DIGITS_MAX or stride > KEY_MAX // (most + 1):
            return Shape(digits[:0], 0, 1, 0, 0, 0)
        digits[count, 1], digits[count, 2], digits[count, 3] = article, most + 1, stride
        stride *= most + 1
        count += 1
    return Shape(digits[:count], count, 1, 1, 1, stride + 1)


@gate
def shape_of(rules: Buffer, q: Buffer, p: int, units: Ints, masks: Ints, left: Ints, limit: int) -> Shape:
    """The digits of a promotion's states over these units; `limit`: applications at most, -1: any."""
    begin, end = roles_of(rules, p)
    roles = end - begin
    kind = its(rules, R_KIND, p)
    digits = np.zeros((DIGITS_MAX, 5), np.int64)
    none = Shape(digits[:0], 0, 1, 0, 0, 0)
    if roles == 0:
        return shape_alike(rules, q, p, units)
    most = 1 << 40
    for r in range(roles):
        count = cell(rules, R_ROLES, 4, begin + r, ROLE_COUNT)
        flags = cell(rules, R_ROLES, 4, begin + r, ROLE_FLAGS)
        open_to = whole = 0
        if need_of(rules, p, r):
            for i in range(units.shape[0]):
                open_to += measure_of(q, units[i]) if masks[i] >> r & 1 else 0
            whole = open_to // need_of(rules, p, r)
        elif flags & ONE_ARTICLE:
            for i in range(units.shape[0]):
                if masks[i] >> r & 1:
                    article = at(q, Q_UNIT_ARTICLE, units[i])
                    mine = first = 0
                    for j in range(units.shape[0]):
                        if masks[j] >> r & 1 and at(q, Q_UNIT_ARTICLE, units[j]) == article:
                            mine += 1
                            if mine == 1:
                                first = j
                    if first == i:
                        whole += -(-mine // count) if flags & FEWER_TOO else mine // count
        else:
            for i in range(units.shape[0]):
                open_to += masks[i] >> r & 1
            whole = -(-open_to // count) if flags & FEWER_TOO else open_to // count
        most = min(most, whole)
    if interlocks(rules, p):
        most = min(most, units.shape[0] // its(rules, R_BUY, p))
    wraps = roles == 1 and (limit < 0 or limit >= most or kind == _PRICE_SINGLES)
    if limit >= 0:
        most = min(most, limit)
    grain = grain_of(rules, q, p, units, masks)
    count = 0
    for r in range(roles):
        n = cell(rules, R_ROLES, 4, begin + r, ROLE_COUNT)
        flags = cell(rules, R_ROLES, 4, begin + r, ROLE_FLAGS)
        if not flags & ONE_ARTICLE:
            if count == DIGITS_MAX:
                return none
            digits[count, 0], digits[count, 1] = r, -1
            digits[count, 2] = n if wraps else n * most + 1
            if need_of(rules, p, r):
                need = need_of(rules, p, r) // grain
                digits[count, 2] = need if wraps else need * most + largest_of(q, units, masks, r) // grain + 1
            count += 1
            continue
        for i in range(units.shape[0]):
            if not masks[i] >> r & 1:
                continue
            article = at(q, Q_UNIT_ARTICLE, units[i])
            mine = 0
            seen = False
            for j in range(units.shape[0]):
                if masks[j] >> r & 1 and at(q, Q_UNIT_ARTICLE, units[j]) == article:
                    seen = seen or j < i
                    mine += 1
            whole = mine // n * n
            if flags & FEWER_TOO:
                whole = mine
            if seen or whole == 0:
                continue
            if count == DIGITS_MAX:
                return none
            digits[count, 0], digits[count, 1] = r, article
            digits[count, 2] = n if wraps else min(whole, n * most) + 1
            count += 1
    sums = count
    if its(rules, R_EACH, p):
        for i in range(units.shape[0]):
            article = at(q, Q_UNIT_ARTICLE, units[i])
            seen = False
            coin = 0
            for j in range(units.shape[0]):
                if at(q, Q_UNIT_ARTICLE, units[j]) == article:
                    seen = seen or j < i
                    coin = gcd(room(q, units[j], left[units[j]]), coin)
            if not seen:
                if count == DIGITS_MAX:
                    return none
                coin = max(1, coin)
                digits[count, 0], digits[count, 1], digits[count, 4] = -5, article, coin
                digits[count, 2] = -(-amount_of(rules, q, its(rules, R_AMOUNT, p)) // coin) + 1
                count += 1
    elif interlocks(rules, p):
        sizes, coin = sums_of(rules, q, p, units, masks, left)
        for j in range(most if sizes else 0):
            if count == DIGITS_MAX:
                return none
            digits[count, 0], digits[count, 1], digits[count, 2], digits[count, 4] = -6, j, sizes, coin
            count += 1
    elif kind == _PERCENT_TOGETHER or kind == _AMOUNT_TOGETHER:
        if kind == _PERCENT_TOGETHER:
            remainders = remainders_of(its(rules, R_PERCENT, p))
        else:
            remainders = amount_of(rules, q, its(rules, R_AMOUNT, p)) + 1
        for d in range(sums):
            if digits[d, 0] == roles - 1:
                if count == DIGITS_MAX:
                    return none
                digits[count, 0], digits[count, 1] = -1, d
                digits[count, 2] = remainders
                count += 1
    for d in range(sums):
        if need_of(rules, p, digits[d, 0]):
            if count == DIGITS_MAX:
                return none
            digits[count, 0], digits[count, 1] = -3, d
            digits[count, 2] = largest_of(q, units, masks, digits[d, 0]) // grain + 1
            count += 1
    for i in range(units.shape[0] if its(rules, R_PER_ARTICLE, p) else 0):
        article = at(q, Q_UNIT_ARTICLE, units[i])
        mine = 0
        seen = False
        for j in range(units.shape[0]):
            if at(q, Q_UNIT_ARTICLE, units[j]) == article:
                seen = seen or j < i
                mine += 1
        if not seen and mine > its(rules, R_PER_ARTICLE, p):
            if count == DIGITS_MAX:
                return none
            digits[count, 0], digits[count, 1], digits[count, 2] = -4, article, its(rules, R_PER_ARTICLE, p) + 1
            count += 1
    last = roles - 1
    for d in range(sums if roles > 1 and cell(rules, R_ROLES, 4, end - 1, ROLE_REWARDED) else 0):
        if digits[d, 0] != last:
            continue
        could = could_not = 0
        for i in range(units.shape[0]):
            if masks[i] >> last & 1 and (digits[d, 1] < 0 or at(q, Q_UNIT_ARTICLE, units[i]) == digits[d, 1]):
                could += 1 if masks[i] & ((1 << last) - 1) else 0
                could_not += 0 if masks[i] & ((1 << last) - 1) else 1
        if could:
            digits[d, 4] = SOME if could_not else EVERY
        if could and could_not:
            if count == DIGITS_MAX:
                return none
            digits[count, 0], digits[count, 1], digits[count, 2] = -2, d, digits[d, 2]
            count += 1
    stride = 1
    for d in range(count):
        if digits[d, 2] <= 0 or stride > KEY_MAX // digits[d, 2]:
            return none
        digits[d, 3] = stride
        stride *= digits[d, 2]
    return Shape(digits[:count], sums, grain, 1 if wraps else 0, most, stride + 1)


@bare
def grain_of(rules: Buffer, q: Buffer, p: int, units: Ints, masks: Ints) -> int:
    """The largest measure of which all needs by measure, and all units for them, are whole multiples."""
    begin, end = roles_of(rules, p)
    grain = 0
    for r in range(end - begin):
        need = need_of(rules, p, r)
        if need:
            grain = gcd(need, grain)
            for i in range(units.shape[0]):
                if masks[i] >> r & 1:
                    grain = gcd(measure_of(q, units[i]), grain)
    return max(1, grain)


@bare
def interlocks(rules: Buffer, p: int) -> bool:
    """Whether an application of several sets saves together: then several may be open at once, each with its sum."""
    begin, end = roles_of(rules, p)
    together = its(rules, R_KIND, p) == _PERCENT_TOGETHER or its(rules, R_KIND, p) == _AMOUNT_TOGETHER
    return together and end - begin > 1 and cell(rules, R_ROLES, 4, end - 1, ROLE_REWARDED) == 0


@bare
def of_one_article(rules: Buffer, p: int) -> bool:
    """Whether a promotion asks for units of one article anywhere."""
    begin, end = roles_of(rules, p)
    for r in range(end - begin):
        if cell(rules, R_ROLES, 4, begin + r, ROLE_FLAGS) & ONE_ARTICLE:
            return True
    return False


@bare_gate
def sums_of(rules: Buffer, q: Buffer, p: int, units: Ints, masks: Ints, left: Ints) -> tuple[int, int]:
    """How many partial sums such an application may have, and of which all amounts that matter are whole multiples.

    No partial sums: the cheapest units of each set are enough for the amount, so each application saves all of it."""
    if its(rules, R_KIND, p) == _PERCENT_TOGETHER:
        return remainders_of(its(rules, R_PERCENT, p)), 1
    begin, end = roles_of(rules, p)
    amount = amount_of(rules, q, its(rules, R_AMOUNT, p))
    least = coin = 0
    for r in range(end - begin):
        cheapest = amount
        for i in range(units.shape[0]):
            if masks[i] >> r & 1:
                cheapest = min(cheapest, room(q, units[i], left[units[i]]))
                coin = gcd(room(q, units[i], left[units[i]]), coin)
        least += cheapest * cell(rules, R_ROLES, 4, begin + r, ROLE_COUNT)
    coin = max(1, coin)
    return (0, 1) if least >= amount else (-(-amount // coin) + 1, coin)


@bare_gate
def off_several(
    rules: Buffer, q: Buffer, p: int, shape: Shape, counts: Ints, role: int, taken: int, most: int, base: int
) -> tuple[int, int]:
    """What a unit off which `most` may be taken adds to the state, and gains, where an application of several sets
    saves together; `taken`: how many units its role has."""
    begin, end = roles_of(rules, p)
    n = cell(rules, R_ROLES, 4, begin + role, ROLE_COUNT)
    number = taken // n
    price = amount_of(rules, q, its(rules, R_AMOUNT, p)) if its(rules, R_AMOUNT, p) >= 0 else 0
    for d in range(shape.sums, shape.digits.shape[0]):
        if shape.digits[d, 0] != -6 or shape.digits[d, 1] != number:
            continue
        if its(rules, R_KIND, p) == _PERCENT_TOGETHER:
            points, rounding = its(rules, R_PERCENT, p), scalar(q, Q_ROUNDING)
            step = 2 * BASIS_POINTS // shape.digits[d, 2]
            sums = counts[d] * step + base * points
            value = divide(sums, BASIS_POINTS, rounding) - divide(counts[d] * step, BASIS_POINTS, rounding)
            after = sums % (2 * BASIS_POINTS) // step
        else:
            now = counts[d] * shape.digits[d, 4]
            value = min(price, now + most) - min(price, now)
            after = min(shape.digits[d, 2] - 1, (now + most) // shape.digits[d, 4])
        whole = True
        for r in range(end - begin):
            have = role_total(shape, counts, r) + (1 if r == role else 0)
            whole = whole and have >= (number + 1) * cell(rules, R_ROLES, 4, begin + r, ROLE_COUNT)
        after = 0 if whole else after  # whole applications leave no trace
        return (after - counts[d]) * shape.digits[d, 3], value * scalar(q, Q_FINE)
    return 0, price * scalar(q, Q_FINE) if role == 0 and taken % n == n - 1 else 0


@bare
def gcd(a: int, b: int) -> int:
    """The greatest common divisor."""
    while b:
        a, b = b, a % b
    return a


@bare
def largest_of(q: Buffer, units: Ints, masks: Ints, role: int) -> int:
    """The largest measure of the units of a role."""
    most = 0
    for i in range(units.shape[0]):
        if masks[i] >> role & 1:
            most = max(most, measure_of(q, units[i]))
    return most


@bare
def remainders_of(basis_points: int) -> int:
    """How many remainders a sum of whole amounts times a percentage has, to twice the whole: half-even rounding asks
    whether what is rounded to is even."""
    a, b = 2 * BASIS_POINTS, basis_points
    while b:
        a, b = b, a % b
    return 2 * BASIS_POINTS // a


@bare
def counts_of(shape: Shape, key: int, counts: Ints) -> None:
    """The digits of a state."""
    rest = max(0, key - 1) if shape.wraps else key
    for d in range(shape.digits.shape[0]):
        counts[d] = rest % shape.digits[d, 2]
        rest //= shape.digits[d, 2]


@bare
def without_article(shape: Shape, key: int, article: int) -> int:
    """The state once no unit of an article comes any more: how many were taken does not matter then."""
    for d in range(shape.sums):
        if shape.digits[d, 1] == article:
            key -= (key - 1) // shape.digits[d, 3] % shape.digits[d, 2] * shape.digits[d, 3]
    return key


@bare
def without_rewarded(shape: Shape, key: int, article: int) -> int:
    """Likewise, of a buy: how many of it were rewarded does not matter then."""
    for d in range(shape.sums, shape.digits.shape[0]):
        if shape.digits[d, 0] == -4 and shape.digits[d, 1] == article:
            key -= (key - shape.wraps) // shape.digits[d, 3] % shape.digits[d, 2] * shape.digits[d, 3]
    return key


@bare
def is_rewarded(rules: Buffer, p: int, place: int) -> bool:
    """Whether the unit at a place of its application gets cheaper: of a pick or of every n-th only some do."""
    kind = its(rules, R_KIND, p)
    if kind == _PICK:
        n, k = its(rules, R_BUY, p), its(rules, R_PICK_COUNT, p)
        return place < k if its(rules, R_PICK_DEAREST, p) else place >= n - k
    if kind == _LADDER:
        for i in range(its(rules, R_LADDER_BEGIN, p), its(rules, R_LADDER_BEGIN, p + 1)):
            if cell(rules, R_LADDER, 3, i, 0) == place:
                return True
        return False
    return True


@bare
def role_total(shape: Shape, counts: Ints, role: int) -> int:
    """How many units a role has."""
    total = 0
    for d in range(shape.sums):
        if shape.digits[d, 0] == role:
            total += counts[d]
    return total


@bare
def place_of(rules: Buffer, p: int, shape: Shape, counts: Ints, role: int, taken: int) -> int:
    """The place that the next unit of a bought role has in its application, when the role has so many: how many units
    that application has by now. Only the bought count."""
    begin, end = roles_of(rules, p)
    own = taken // cell(rules, R_ROLES, 4, begin + role, ROLE_COUNT)
    place = 0
    for r in range(end - begin):
        if cell(rules, R_ROLES, 4, begin + r, ROLE_REWARDED):
            continue
        n = cell(rules, R_ROLES, 4, begin + r, ROLE_COUNT)
        have = taken if r == role else role_total(shape, counts, r)
        place += min(max(0, have - own * n), n)
    return place


@bare_gate
def off_article(
    q: Buffer, shape: Shape, counts: Ints, unit: int, most: int, price: int, whole: bool, one_article: bool
) -> tuple[int, int]:
    """What a unit off which `most` may be taken adds to the state, and gains, where an amount is taken once off the
    units of each article."""
    step = value = 0
    for d in range(shape.sums, shape.digits.shape[0]):
        if shape.digits[d, 0] != -5:
            continue
        after = counts[d]
        mine = shape.digits[d, 1] == at(q, Q_UNIT_ARTICLE, unit)
        if mine:
            now = counts[d] * shape.digits[d, 4]
            value = min(price, now + most) - min(price, now)
            after = min(shape.digits[d, 2] - 1, (now + most) // shape.digits[d, 4])
        if whole and (mine or not one_article):
            after = 0
        step += (after - counts[d]) * shape.digits[d, 3]
    return step, value * scalar(q, Q_FINE)


@bare_gate
def take(
    rules: Buffer,
    q: Buffer,
    p: int,
    shape: Shape,
    key: int,
    counts: Ints,
    unit: int,
    role: int,
    mask: int,
    base: int,
    left: int,
) -> tuple[int, int]:
    """The state after a unit is taken in a role, and what it gains; state -1: it cannot be taken."""
    begin, end = roles_of(rules, p)
    kind = its(rules, R_KIND, p)
    if end == begin:
        value = gain(rules, q, row_of(p, mask), unit, 0, base, left)
        step = 0
        for d in range(shape.sums):
            if shape.digits[d, 1] == at(q, Q_UNIT_ARTICLE, unit):
                step = shape.digits[d, 3] if counts[d] + 1 < shape.digits[d, 2] else -1
        return (max(1, key) + step, value) if value > 0 and step >= 0 else (-1, 0)
    n = cell(rules, R_ROLES, 4, begin + role, ROLE_COUNT)
    one_article = cell(rules, R_ROLES, 4, begin + role, ROLE_FLAGS) & ONE_ARTICLE
    digit = -1
    for d in range(shape.sums):
        if shape.digits[d, 0] == role and (not one_article or shape.digits[d, 1] == at(q, Q_UNIT_ARTICLE, unit)):
            digit = d
    if digit < 0:
        return -1, 0
    taken = counts[digit]
    stride = shape.digits[digit, 3]
    need = need_of(rules, p, role) // shape.grain
    if need:
        then = max(1, key) if shape.wraps else key
        measure = measure_of(q, unit) // shape.grain
        for d in range(shape.sums, shape.digits.shape[0]):
            if shape.digits[d, 0] == -3 and shape.digits[d, 1] == digit:
                smallest = min(counts[d], measure) if counts[d] else measure
                if not shape.wraps and taken + measure - smallest >= need * shape.most:
                    return -1, 0  # one of them could be missed
                then += (smallest - counts[d]) * shape.digits[d, 3]
        then += ((taken + measure) % need - taken if shape.wraps else measure) * stride
    elif shape.wraps:
        then = max(1, key) + (stride if taken + 1 < n else -taken * stride)
    elif taken + 1 >= shape.digits[digit, 2]:
        return -1, 0
    else:
        then = key + stride
        if one_article and taken % n == 0:
            begun = 1
            for d in range(shape.sums):
                if shape.digits[d, 0] == role:
                    begun += -(-counts[d] // n)
            if begun > shape.most:
                return -1, 0
    price = amount_of(rules, q, its(rules, R_AMOUNT, p)) if its(rules, R_AMOUNT, p) >= 0 else 0
    rewarded = cell(rules, R_ROLES, 4, begin + role, ROLE_REWARDED)
    if rewarded and shape.digits[digit, 4] == SOME and mask & ((1 << role) - 1):
        for d in range(shape.sums, shape.digits.shape[0]):
            if shape.digits[d, 0] == -2 and shape.digits[d, 1] == digit:
                then += shape.digits[d, 3]
    if cell(rules, R_ROLES, 4, end - 1, ROLE_REWARDED) != rewarded:
        return then, 0  # bought, so that something else is rewarded
    place = taken % n if rewarded or end - begin == 1 else place_of(rules, p, shape, counts, role, taken)
    if is_rewarded(rules, p, place):
        for d in range(shape.sums, shape.digits.shape[0]):
            if shape.digits[d, 0] == -4 and shape.digits[d, 1] == at(q, Q_UNIT_ARTICLE, unit):
                if counts[d] + 1 == shape.digits[d, 2]:
                    return -1, 0
                then += shape.digits[d, 3]
    if its(rules, R_EACH, p):
        whole = (taken + 1) % n == 0
        after, saved = off_article(q, shape, counts, unit, room(q, unit, left), price, whole, one_article > 0)
        return then + after, saved
    if interlocks(rules, p):
        after, saved = off_several(rules, q, p, shape, counts, role, taken, room(q, unit, left), base)
        return then + after, saved
    if kind == _AMOUNT_TOGETHER or kind == _PERCENT_TOGETHER:
        for d in range(shape.sums, shape.digits.shape[0]):
            if shape.digits[d, 0] == -1 and shape.digits[d, 1] == digit:
                now = counts[d] if taken % n else 0
                after = min(price, now + room(q, unit, left))
                value = after - now
                if kind == _PERCENT_TOGETHER:
                    points, rounding = its(rules, R_PERCENT, p), scalar(q, Q_ROUNDING)
                    step = 2 * BASIS_POINTS // shape.digits[d, 2]
                    whole = now * step + base * points
                    value = divide(whole, BASIS_POINTS, rounding) - divide(now * step, BASIS_POINTS, rounding)
                    after = whole % (2 * BASIS_POINTS) // step
                value *= scalar(q, Q_FINE)
                kept = after if (taken + 1) % n else 0  # whole runs leave no trace
                return then + (kept - counts[d]) * shape.digits[d, 3], value
    value = gain(rules, q, p, unit, place, base, left)
    if kind == _PRICE_TOGETHER and role == 0 and taken % n == n - 1:
        value -= price * scalar(q, Q_FINE)
    elif kind == _PRICE_SINGLES:
        value -= (singles_cost(price, n, taken + 1) - singles_cost(price, n, taken)) * scalar(q, Q_FINE)
    return then, value


@bare_gate
def ends(rules: Buffer, p: int, shape: Shape, key: int, counts: Ints) -> bool:
    """Whether a state is one of whole applications."""
    begin, end = roles_of(rules, p)
    if end == begin or its(rules, R_KIND, p) == _PRICE_SINGLES or key == 0:
        return True
    applications = -1
    for r in range(end - begin):
        if need_of(rules, p, r):
            continue
        n = cell(rules, R_ROLES, 4, begin + r, ROLE_COUNT)
        fewer = cell(rules, R_ROLES, 4, begin + r, ROLE_FLAGS) & FEWER_TOO
        total = part = 0
        for d in range(shape.sums):
            if shape.digits[d, 0] == r:
                total += -(-counts[d] // n) if fewer else counts[d] // n
                part += 1 if counts[d] % n else 0
        if part > (1 if fewer else 0):
            return False
        if not shape.wraps and applications >= 0 and total != applications:
            return False
        applications = total
    return not by_measure(rules, p) or enough(rules, p, shape, counts, applications)


@bare_gate
def enough(rules: Buffer, p: int, shape: Shape, counts: Ints, applications: int) -> bool:
    """Whether needs by measure are met for so many applications (-1: as many as they are), by units of which none could
    be missed."""
    most = applications if applications >= 0 else shape.most
    for d in range(shape.sums):
        need = need_of(rules, p, shape.digits[d, 0]) // shape.grain
        if need and not shape.wraps:
            most = min(most, counts[d] // need)
    if applications > most or most == 0:
        return False
    for d in range(shape.sums, shape.digits.shape[0]):
        if shape.digits[d, 0] == -3:
            main = shape.digits[d, 1]
            need = need_of(rules, p, shape.digits[main, 0]) // shape.grain
            if counts[main] - counts[d] >= (0 if shape.wraps else most * need):
                return False
    return True


@bare_gate
def unpaid(rules: Buffer, p: int, shape: Shape, counts: Ints) -> bool:
    """Whether so far more applications reward units that could be bought as well than are bought by now: a rewarded
    unit is never dearer than one that is bought for it. Of one article, each article begins and fills its own."""
    begin, end = roles_of(rules, p)
    bought = 1 << 40
    rewarded = 0
    for r in range(end - begin):
        n = max(cell(rules, R_ROLES, 4, begin + r, ROLE_COUNT), need_of(rules, p, r) // shape.grain)
        filled = 0
        for d in range(shape.sums):
            if shape.digits[d, 0] == r:
                filled += counts[d] // n
                rewarded += -(-counts[d] // n) if shape.digits[d, 4] == EVERY else 0
        if not cell(rules, R_ROLES, 4, begin + r, ROLE_REWARDED):
            bought = min(bought, filled)
            continue
        for d in range(shape.sums, shape.digits.shape[0]):
            if shape.digits[d, 0] == -2:
                rewarded += -(-counts[d] // n)
    return rewarded > bought


@kernel
def grown(array: Ints, used: int, needed: int) -> Ints:
    """The array, with room for more entries if there is none."""
    if needed <= array.shape[0]:
        return array
    larger = np.empty(max(needed, 2 * array.shape[0]), np.int64)
    larger[:used] = array[:used]
    return larger


@bare
def cell_of(table: Ints, following: Ints, key: int) -> int:
    """Where a state stands in the hash table of the next layer, or would."""
    last = table.shape[0] - 1
    place = key & last
    while table[place] >= 0 and following[table[place]] != key:
        place = (place + 1) & last
    return place


@gate
def draw(rules: Buffer, q: Buffer, p: int, units: Ints, masks: Ints, left: Ints, original: int, limit: int) -> Drawing:
    """The graph of a promotion over units in order U; masks: by unit the roles that it is open to, bit by bit."""
    count = units.shape[0]
    none = np.empty(0, np.int64)
    too_large = Drawing(none, none, none, none, none, none)
    shape = shape_of(rules, q, p, units, masks, left, limit)
    begin, end = roles_of(rules, p)
    kind = its(rules, R_KIND, p)
    if shape.key_end == 0 or (interlocks(rules, p) and of_one_article(rules, p)):
        return too_large
    if may_bind(rules, q, p, units, masks, left):
        return too_large
    if kind == _PERCENT_TOGETHER:  # what is left must be enough for it, whatever units come together
        for i in range(count):
            u = units[i]
            base = at(q, Q_UNIT_LIST, u) if original else left[u]
            if room(q, u, left[u]) * BASIS_POINTS < base * its(rules, R_PERCENT, p):
                return too_large
    roles = max(1, end - begin)
    rewards = roles > 1 and cell(rules, R_ROLES, 4, end - 1, ROLE_REWARDED) == 1
    counts = np.zeros(DIGITS_MAX, np.int64)
    last = np.full(size(q, Q_LINE_ARTICLE) + 1, -1, np.int64)  # without a buy: the last unit of each article
    for i in range(count if begin == end or its(rules, R_PER_ARTICLE, p) else 0):
        last[at(q, Q_UNIT_ARTICLE, units[i])] = i
    node_begin = np.empty(count + 2, np.int64)
    arc_begin = np.empty(2 * count + 3, np.int64)
    arc_to = np.empty(4 * count + 4, np.int64)
    arc_role = np.empty(4 * count + 4, np.int64)
    arc_gain = np.empty(4 * count + 4, np.int64)
    room_for = FEW_STATES  # most promotions have few; more is made as it is needed
    keys = np.zeros(room_for, np.int64)
    following = np.zeros(room_for, np.int64)
    table = np.full(2 * room_for, -1, np.int64)
    touched = np.empty(room_for, np.int64)
    states = 1
    nodes = arcs = 0
    for i in range(count):
        u = units[i]
        base = at(q, Q_UNIT_LIST, u) if original else left[u]
        node_begin[i] = nodes
        falls = False
        if i:
            before = at(q, Q_UNIT_LIST, units[i - 1]) if original else left[units[i - 1]]
            falls = rewards and base < before
        made = 0
        following[0] = 0
        made = 1
        table[0] = 0
        touched[0] = 0
        for s in range(states):
            key = keys[s]
            counts_of(shape, key, counts)
            arc_begin = grown(arc_begin, nodes, nodes + 2)
            arc_begin[nodes] = arcs
            nodes += 1
            if falls and unpaid(rules, p, shape, counts):
                continue
            for role in range(-1, roles):
                then, value = key, 0
                if role >= 0:
                    if not masks[i] >> role & 1:
                        continue
                    then, value = take(rules, q, p, shape, key, counts, u, role, masks[i], base, left[u])
                    if then < 0:
                        continue
                if last[at(q, Q_UNIT_ARTICLE, u)] == i and then > 0:
                    then = without_article(shape, then, at(q, Q_UNIT_ARTICLE, u)) if begin == end else then
                    then = without_rewarded(shape, then, at(q, Q_UNIT_ARTICLE, u))
                cell_at = cell_of(table, following, then)
                if table[cell_at] < 0:
                    if made == STATES_MAX:
                        return too_large
                    if made == room_for:
                        room_for *= 2
                        keys, following = grown(keys, states, room_for), grown(following, made, room_for)
                        table, touched = np.full(2 * room_for, -1, np.int64), np.empty(room_for, np.int64)
                        for known in range(made):
                            touched[known] = cell_of(table, following, following[known])
                            table[touched[known]] = known
                        cell_at = cell_of(table, following, then)
                    table[cell_at] = made
                    touched[made] = cell_at
                    following[made] = then
                    made += 1
                if arcs == ARCS_MAX:
                    return too_large
                arc_to = grown(arc_to, arcs, arcs + 1)
                arc_role = grown(arc_role, arcs, arcs + 1)
                arc_gain = grown(arc_gain, arcs, arcs + 1)
                arc_to[arcs] = table[cell_at]  # for now its place in the next layer
                arc_role[arcs] = role + 1
                arc_gain[arcs] = value
                arcs += 1
        for arc in range(arc_begin[node_begin[i]], arcs):
            arc_to[arc] += nodes
        for s in range(made):
            table[touched[s]] = -1
        keys, following = following, keys
        states = made
    node_begin[count] = nodes
    arc_begin = grown(arc_begin, nodes, nodes + states + 1)
    final = np.zeros(nodes + states, np.int64)
    for s in range(states):
        counts_of(shape, keys[s], counts)
        arc_begin[nodes] = arcs
        if not ends(rules, p, shape, keys[s], counts):
            final[nodes] = NEVER
        nodes += 1
    node_begin[count + 1] = nodes
    arc_begin[nodes] = arcs
    return Drawing(node_begin, arc_begin[: nodes + 1], arc_to[:arcs], arc_role[:arcs], arc_gain[:arcs], final)
