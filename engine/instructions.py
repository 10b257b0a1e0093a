"""The machine's two tables, condition opcodes and reward kinds, and the small codes that images hold. Imports nothing
of ours."""

from __future__ import annotations

import enum

FALSE, TRUE, UNKNOWN = 0, 1, 2  # the three truth values


class Op(enum.IntEnum):
    """Condition code: rows of five integers (op, a, b, c, d) in postfix order; each leaves one truth value.

    S is the stack; F the facts (value, known) by slot; K the pool of integers; M the amounts by row and currency."""

    #               a        b       c       d          meaning
    COMPARE = 0  # slot     cmp     value   -          F[a] cmp c
    MONEY = 1  # slot     cmp     row     -          F[a] cmp M[c] (in micros); unknown without the currency
    ONE_OF = 2  # slot     begin   end     negated    F[a] among K[b:c], which ascends
    KNOWN = 3  # slot     wanted  -       -          F[a] is known == b
    TRUTH = 4  # slot     -       -       -          F[a] is itself a truth (prefixes, paths, lists, ages, consents)
    SEGMENT = 5  # segment  negated -       -          closed: unknown counts as false
    PLACE = 6  # place    negated -       -
    ALL = 7  # n        -       -       -          Kleene and of the top n of S
    ANY = 8  # n        -       -       -          Kleene or
    NONE = 9  # n        -       -       -          Kleene nor
    WORTH = 10  # set|-1   low|-1  high|-1 basis      M[b] <= worth <= M[c]; basis 0 group, 1 list, 2 left, and bits
    #                                                 4: with fees, 8: without tax
    COUNT = 11  # set      low|-1  high|-1 one        b <= units <= c; one 1: of the article with the most; 2: articles
    MEASURE = 12  # set      low|-1  high|-1 unit       in thousandths of the smallest unit of its dimension


class Cmp(enum.IntEnum):
    EQ = 0
    NE = 1
    LT = 2
    LE = 3
    GT = 4
    GE = 5


class Kind(enum.IntEnum):
    """Reward kinds: what engine/discounts.py knows to price. `m` is an amount row, `bp` basis points."""

    PERCENT = 0  # bp of each unit
    PERCENT_TOGETHER = 1  # bp of the whole
    AMOUNT_EACH = 2  # m off each unit
    AMOUNT_TOGETHER = 3  # m off the whole
    AMOUNT_MEASURE = 4  # m micros off per measure
    PRICE_EACH = 5  # m for each piece
    PRICE_MEASURE = 6  # m micros per measure
    PICK = 7  # bp off the first (dearest) or last (cheapest) k of each run
    LADDER = 8  # bp or m off by position in the run
    PRICE_TOGETHER = 9  # m for a run
    PRICE_SINGLES = 10  # ceil(m x q / n) for q units
    FREE_SERVICE = 11  # a fee becomes 0
    FEE_PERCENT = 12  # bp of a fee
    FEE_AMOUNT = 13  # m off a fee
    FEE_PRICE = 14  # m for a fee
    PRICE_WHOLE = 15  # m for the basket
    TIMES_POINTS = 16  # (number - 100) hundredths of the base points on what units cost in the end
    FIXED_POINTS = 17  # number of points
    GIFT = 18  # number of chosen pieces, for m each or for nothing
    NEXT_CODE = 19  # a code for the next time
    PRICE_LIST = 20  # what a price list says for each piece or measure; number: which of these rewards it is
    CASHIER = 21  # what the cashier enters, at most bp or m: see Entered


class Terms(enum.IntEnum):
    """What says which of its rewards a promotion gives."""

    ONE = 0  # it has one
    WORTH = 1  # tiers, by what is spent
    COUNT = 2  # tiers, by units
    MEASURE = 3  # tiers, by measure
    DRAWN = 4  # variants


class Each(enum.IntEnum):
    """Bits: what is read for each unit."""

    ARTICLE = 1  # tiers are read for each article; rewards off units together are for each article
    STEP = 2  # a unit has the tier that it and those before it reach


class Entered(enum.IntEnum):
    """What a cashier entered."""

    PERCENT = 0  # so many basis points off
    AMOUNT = 1  # so much off
    PRICE = 2  # so much to be paid


class Subject(enum.IntEnum):
    """Whose variant it is."""

    CUSTOMER = 0
    HOUSEHOLD = 1
    BASKET = 2


class Target(enum.IntEnum):
    SET = 0
    BASKET = 1
    SERVICE = 2
    CODES = 3


class Apply(enum.IntEnum):
    """Group modes."""

    ALL = 0
    BEST = 1
    BEST_PER_ITEM = 2
    FIRST = 3
    FIRST_PER_ITEM = 4
    AT_MOST = 5


class Mark(enum.IntEnum):
    """Bits of a guarded unit."""

    DISCOUNT = 1
    REWARD = 2
    COUNT = 4
    SHIP_FREE = 8
    CHOSEN = 16  # not of a guard: the line is to be a gift, and counts nowhere


FLOOR_SHIFT = 8  # marks of guards from here on: which floors a line has
FLOORS_MAX = 40


class Role(enum.IntEnum):
    """Bits of what a role of a `buy` asks for."""

    ONE_ARTICLE = 1  # all units of an application are of one article
    FEWER_TOO = 2  # the last application may have fewer
    CHEAPEST = 4  # of all units that are available, only the cheapest so many; without a `buy`
    DEAREST = 8  # likewise


class Scope(enum.IntEnum):
    BASKET = 0
    CUSTOMER = 1
    HOUSEHOLD = 2
    STORE = 3
    CODE = 4
    TOTAL = 5


class Counted(enum.IntEnum):
    """What a limit counts."""

    USES = 0
    BASKETS = 1
    SAVING = 2


# Units of measure by number: name, dimension, and how many thousandths of the smallest unit of the dimension one
# thousandth is. Imperial and metric units are never converted into each other.
UNITS: tuple[tuple[str, int, int], ...] = (
    ("kg", 1, 1_000),
    ("g", 1, 1),
    ("l", 2, 1_000),
    ("ml", 2, 1),
    ("m", 3, 1),
    ("lb", 4, 16),
    ("oz", 4, 1),
    ("gal", 5, 1),
)
DIMENSIONS: tuple[str, ...] = ("", "mass", "volume", "length", "pounds", "gallons")  # "" = pieces
