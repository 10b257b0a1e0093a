"""What lines and fees cost, taxes, totals and points, as rows."""

from __future__ import annotations

from engine.answered import (
    IN_REQUEST,
    IN_RULESET,
)
from engine.arithmetic import INT64_MAX, divide
from engine.asked import A_LINES, LINE_COLUMNS, LINE_ID
from engine.basket import BASIS_POINTS, POINTS_MAX
from engine.decision import Reason
from engine.instructions import Kind, Mark
from engine.kernel import Buffer, Ints, Table, bare, bare_gate
from engine.known import K_CASH_STEPS, K_SCALARS, KNOWN_GIVES_POINTS, Known
from engine.layout import (
    Q_CURRENCIES,
    Q_CURRENCY,
    Q_FEE_RATE,
    Q_FEES,
    Q_LINE_MARKS,
    Q_LINE_RATE,
    Q_POINTS,
    Q_POINTS_PER,
    Q_ROUNDING,
    Q_TAX_INSIDE,
    Q_UNIT_LINE,
    Q_UNIT_LIST,
    R_EXCEPT_BEGIN,
    R_EXCEPTED,
    R_KIND,
    R_NUMBER,
    R_TARGET,
    T_PROMOTION,
    T_REASON,
    T_TERM,
    at,
    cell,
    its,
    scalar,
    size,
)
from engine.match import (
    holds_set,
)
from engine.rows import (
    A_AMOUNT,
    A_PROMOTION,
    B_CASH,
    B_FEE_LIST,
    B_FEE_NET,
    B_INSIDE,
    B_LIST,
    B_NET,
    B_PAYABLE,
    B_SAVING,
    B_TAX,
    COLUMNS_OF,
    D_FEES,
    D_LINES,
    D_POINTS,
    D_PROMOTIONS,
    D_SERVICES,
    D_TAXES,
    D_TOTALS,
    DECISION,
    DISCOUNTS,
    E_DISCOUNTS,
    E_LIST,
    E_NET,
    E_RATE,
    E_SERVICE,
    EARNED,
    FEE_DISCOUNTS,
    FEES,
    FILLED,
    G_POINTS,
    G_PROMOTION,
    L_DISCOUNTS,
    L_ID,
    L_LIST,
    L_NET,
    L_RATE,
    L_REFUND,
    L_UNITS,
    LARGE,
    LINES,
    N_BASE,
    N_EARNED,
    N_PROMOTIONS,
    P_FEE_SAVING,
    P_SAVING,
    POINTS,
    PROMOTIONS,
    ROWS,
    S_COUNT,
    S_NET,
    S_REFUND,
    SHARES,
    TAXES,
    TEXTS,
    TOTALS,
    X_RATE,
    X_TAX,
    X_WITH,
    X_WITHOUT,
    add,
    count,
    put,
    put_name,
    row_at,
)
from engine.state import State
from engine.told import (
    NAME,
    Words,
)

_APPLIED = int(Reason.APPLIED)
_FIXED_POINTS, _TIMES_POINTS = int(Kind.FIXED_POINTS), int(Kind.TIMES_POINTS)
_ONCE = 100  # hundredths of the base points
_REWARD = int(Mark.REWARD)


# ---------------------------------------------------------------------------------------------------- lines


@bare_gate
def fill_lines(words: Words, q: Buffer, table: Table, state: State, asked: Buffer, notes: Ints, answered: Ints) -> bool:
    """A row for each line, by id, with its discounts and its runs of equal units; what promotions save on lines.
    Whether there was room."""
    lines, records = size(q, Q_LINE_MARKS), state.tally[0]
    for line in range(lines):
        to = add(answered, LINES)
        if to < 0:
            return False
        sent = notes[line]
        begin = cell(asked, A_LINES, LINE_COLUMNS, sent, LINE_ID)
        put(answered, to + L_ID, IN_REQUEST, begin, cell(asked, A_LINES, LINE_COLUMNS, sent, LINE_ID + 1))
        answered[to + L_RATE] = at(q, Q_LINE_RATE, line)
    for i in range(records):  # how many discounts each line has
        if add(answered, DISCOUNTS) < 0:
            return False
        answered[row_at(LINES, state.records[i, 0]) + L_DISCOUNTS + 1] += 1
    first = 0
    for line in range(lines):
        to = row_at(LINES, line) + L_DISCOUNTS
        answered[to], first = first, first + answered[to + 1]
        answered[to + 1] = 0  # that are there
    for i in range(records):
        line, row, amount = state.records[i, 0], state.records[i, 1], state.records[i, 2]
        mine = row_at(LINES, line) + L_DISCOUNTS
        to = row_at(DISCOUNTS, answered[mine] + answered[mine + 1])
        answered[mine + 1] += 1
        put_name(answered, to + A_PROMOTION, words, words.promotions[table[T_PROMOTION, row]] + NAME)
        answered[to + A_AMOUNT] = amount
        answered[row_at(PROMOTIONS, row) + P_SAVING] += amount
    units = size(q, Q_UNIT_LINE)
    begin = 0
    while begin < units:
        line, end = at(q, Q_UNIT_LINE, begin), begin + 1
        while end < units and at(q, Q_UNIT_LINE, end) == line:
            end += 1
        if not fill_line(q, state, line, begin, end, answered):
            return False
        begin = end
    return True


@bare
def fill_line(q: Buffer, state: State, line: int, begin: int, end: int, answered: Ints) -> bool:
    """What a line costs, and its runs of equal units, the dearest first. Its units stand together. Whether there was
    room."""
    to = row_at(LINES, line)
    first = count(answered, SHARES)
    for u in range(begin, end):
        net, refund = state.left[u], state.refund[u]
        answered[to + L_LIST] += at(q, Q_UNIT_LIST, u)
        answered[to + L_NET] += net
        answered[to + L_REFUND] += refund
        share, last = first, count(answered, SHARES)
        while share < last:
            there = row_at(SHARES, share)
            if answered[there + S_NET] < net or (
                answered[there + S_NET] == net and answered[there + S_REFUND] <= refund
            ):
                break
            share += 1
        there = row_at(SHARES, share)
        if share == last or answered[there + S_NET] != net or answered[there + S_REFUND] != refund:
            if add(answered, SHARES) < 0:
                return False
            for i in range(last, share, -1):
                for column_ in range(COLUMNS_OF[SHARES]):
                    answered[row_at(SHARES, i) + column_] = answered[row_at(SHARES, i - 1) + column_]
            answered[there + S_COUNT], answered[there + S_NET], answered[there + S_REFUND] = 0, net, refund
        answered[there + S_COUNT] += 1
    answered[to + L_UNITS], answered[to + L_UNITS + 1] = first, count(answered, SHARES) - first
    return True


# ---------------------------------------------------------------------------------------------------- fees, totals


@bare_gate
def fill_fees(words: Words, q: Buffer, table: Table, state: State, answered: Ints) -> bool:
    """A row for each fee, by service, with what was taken off it; the services that are free. Whether there was
    room."""
    whole = row_at(DECISION, 0)
    answered[whole + D_SERVICES] = count(answered, TEXTS)
    for i in range(words.services.shape[0]):
        service = words.services[i]
        granted, off = False, 0
        discounts = count(answered, FEE_DISCOUNTS)
        for j in range(state.tally[2]):
            if state.granted[j, 0] != service:
                continue
            granted, row, amount = True, state.granted[j, 1], state.granted[j, 2]
            if amount == 0:
                continue
            to = add(answered, FEE_DISCOUNTS)
            if to < 0:
                return False
            put_name(answered, to + A_PROMOTION, words, words.promotions[table[T_PROMOTION, row]] + NAME)
            answered[to + A_AMOUNT] = amount
            answered[row_at(PROMOTIONS, row) + P_FEE_SAVING] += amount
            off += amount
        place = 2 * (1 + scalar(q, Q_CURRENCIES) + service)
        fee = at(q, Q_FEES, service)
        if fee >= 0:
            to = add(answered, FEES)
            if to < 0:
                return False
            put(answered, to + E_SERVICE, IN_RULESET, words.fixed[place], words.fixed[place + 1])
            answered[to + E_LIST], answered[to + E_NET] = fee, fee - off
            answered[to + E_RATE] = at(q, Q_FEE_RATE, service) + 1  # -1: none is known
            answered[to + E_DISCOUNTS] = discounts
            answered[to + E_DISCOUNTS + 1] = count(answered, FEE_DISCOUNTS) - discounts
        if granted and state.fees[service] == 0:
            to = add(answered, TEXTS)
            if to < 0:
                return False
            put(answered, to, IN_RULESET, words.fixed[place], words.fixed[place + 1])
    answered[whole + D_FEES + 1] = count(answered, FEES)
    answered[whole + D_SERVICES + 1] = count(answered, TEXTS) - answered[whole + D_SERVICES]
    return True


@bare_gate
def fill_totals(k: Known, q: Buffer, answered: Ints) -> bool:
    """Taxes by rate, and the totals. Whether there was room."""
    whole = row_at(DECISION, 0)
    answered[whole + D_LINES + 1] = count(answered, LINES)
    answered[whole + D_PROMOTIONS + 1] = count(answered, PROMOTIONS)
    inside, rounding = scalar(q, Q_TAX_INSIDE), scalar(q, Q_ROUNDING)
    answered[whole + D_TOTALS + 1] = 1
    totals = add(answered, TOTALS)
    for i in range(count(answered, LINES)):
        line = row_at(LINES, i)
        answered[totals + B_LIST] += answered[line + L_LIST]
        answered[totals + B_NET] += answered[line + L_NET]
        if not add_tax(answered, answered[line + L_RATE], answered[line + L_NET]):
            return False
    for i in range(count(answered, FEES)):
        fee = row_at(FEES, i)
        answered[totals + B_FEE_LIST] += answered[fee + E_LIST]
        answered[totals + B_FEE_NET] += answered[fee + E_NET]
        if answered[fee + E_RATE] and not add_tax(answered, answered[fee + E_RATE] - 1, answered[fee + E_NET]):
            return False
    for i in range(count(answered, TAXES)):
        to = row_at(TAXES, i)
        rate, amount = answered[to + X_RATE], answered[to + X_WITH]
        if inside:
            answered[to + X_WITHOUT] = divide(amount * BASIS_POINTS, BASIS_POINTS + rate, rounding)
            answered[to + X_TAX] = amount - answered[to + X_WITHOUT]
        else:
            answered[to + X_TAX] = divide(amount * rate, BASIS_POINTS, rounding)
            answered[to + X_WITHOUT], answered[to + X_WITH] = amount, amount + answered[to + X_TAX]
        answered[totals + B_TAX] += answered[to + X_TAX]
    answered[whole + D_TAXES + 1] = count(answered, TAXES)
    answered[totals + B_SAVING] = answered[totals + B_LIST] - answered[totals + B_NET]
    payable = answered[totals + B_NET] + answered[totals + B_FEE_NET] + (0 if inside else answered[totals + B_TAX])
    answered[totals + B_PAYABLE], answered[totals + B_INSIDE] = payable, inside
    step = at(k.flat, K_CASH_STEPS, scalar(q, Q_CURRENCY))
    rest = payable % step
    answered[totals + B_CASH] = step - rest if 2 * rest >= step else -rest
    return True


@bare
def add_tax(answered: Ints, rate: int, amount: int) -> bool:
    """Add an amount to what is paid at a rate; rates ascend. Whether there was room."""
    tax, last = 0, count(answered, TAXES)
    while tax < last and answered[row_at(TAXES, tax) + X_RATE] < rate:
        tax += 1
    to = row_at(TAXES, tax)
    if tax == last or answered[to + X_RATE] != rate:
        if add(answered, TAXES) < 0:
            return False
        for i in range(last, tax, -1):
            for column_ in range(COLUMNS_OF[TAXES]):
                answered[row_at(TAXES, i) + column_] = answered[row_at(TAXES, i - 1) + column_]
        answered[to + X_RATE], answered[to + X_WITH] = rate, 0
    answered[to + X_WITH] += amount
    return True


# ---------------------------------------------------------------------------------------------------- points


@bare_gate
def fill_points(k: Known, words: Words, rules: Buffer, q: Buffer, table: Table, answered: Ints) -> int:
    """What the purchase earns: FILLED, or why not. As engine/points.py has it, for baskets without gifts."""
    if not at(k.flat, K_SCALARS, KNOWN_GIVES_POINTS):
        return FILLED
    whole = row_at(DECISION, 0)
    to = add(answered, POINTS)
    answered[whole + D_POINTS + 1] = 1
    number, per = scalar(q, Q_POINTS), scalar(q, Q_POINTS_PER)
    total = 0
    if per:
        paid = paid_for(rules, q, -1, answered)
        if paid and number > INT64_MAX // paid:
            return LARGE
        total = answered[to + N_BASE] = number * paid // per
    for row in range(table.shape[1]):
        if table[T_REASON, row] != _APPLIED:
            continue
        term = table[T_TERM, row]
        kind, points = its(rules, R_KIND, term), its(rules, R_NUMBER, term)
        if kind == _TIMES_POINTS:
            paid, more = paid_for(rules, q, term, answered), points - _ONCE
            if per == 0 or (paid and number and more > INT64_MAX // paid // number):
                return LARGE
            points = more * number * paid // (_ONCE * per)
        elif kind != _FIXED_POINTS:
            continue
        earned = add(answered, EARNED)
        if earned < 0:
            return ROWS
        put_name(answered, earned + G_PROMOTION, words, words.promotions[table[T_PROMOTION, row]] + NAME)
        answered[earned + G_POINTS] = points
        total += points
        if total > POINTS_MAX:
            return LARGE
    answered[to + N_EARNED] = total
    answered[to + N_PROMOTIONS + 1] = count(answered, EARNED)
    return LARGE if total > POINTS_MAX else FILLED


@bare
def paid_for(rules: Buffer, q: Buffer, term: int, answered: Ints) -> int:
    """What is paid for the lines that earn points; for those of a reward's set, without its exceptions."""
    paid = 0
    for line in range(size(q, Q_LINE_MARKS)):
        counts = not at(q, Q_LINE_MARKS, line) & _REWARD
        if term >= 0:
            counts = counts and (its(rules, R_TARGET, term) < 0 or holds_set(q, line, its(rules, R_TARGET, term)))
            for i in range(its(rules, R_EXCEPT_BEGIN, term), its(rules, R_EXCEPT_BEGIN, term + 1)):
                counts = counts and not holds_set(q, line, at(rules, R_EXCEPTED, i))
        if counts:
            paid += answered[row_at(LINES, line) + L_NET]
    return paid
