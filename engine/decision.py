"""What is answered: the Decision, in minor units of the basket's currency, with reasons. Plain data."""

from __future__ import annotations

import enum
from dataclasses import dataclass

CONTROL = "control"  # no variant has that name
SEMANTICS = 1  # raised whenever a stored image would decide anything differently


class Reason(enum.IntEnum):
    """Why a promotion applied or did not: one closed list. Values are those of the contract's enum."""

    APPLIED = 1
    SCHEDULE = 2
    CHANNEL = 3
    PLACE = 4
    AUDIENCE = 5
    CONSENT = 6
    CODE_MISSING = 7
    CODE_USED = 8
    QUANTITY = 9
    CONDITION = 10
    LIMIT = 11
    BUDGET = 12
    BEATEN = 13
    EXCLUSIVE = 14
    GUARD = 15
    CONTROL_GROUP = 16
    PAUSED = 17
    UNKNOWN_FACT = 18
    CURRENCY = 19
    UNAVAILABLE = 20
    NO_SAVING = 21


class Verdict(enum.IntEnum):
    """What became of an entered code."""

    APPLIED = 1
    NOT_APPLIED = 2  # the reason is that of `promotion`
    UNKNOWN = 3  # in no code set of the ruleset
    USED = 4  # used as often as its set allows


@dataclass(frozen=True, slots=True)
class Missing:
    """What is missing to the first failing line: pieces, an amount, or a measure, of a product set ("" = any)."""

    kind: str  # "pieces" | "amount" | "measure"
    value: int  # pieces, minor units, thousandths of `unit`
    unit: str
    products: str


@dataclass(frozen=True, slots=True)
class LineDiscount:
    promotion: str
    amount: int


@dataclass(frozen=True, slots=True)
class UnitShare:
    """`count` neighbouring units of a line (dearest list price first) that cost the same and are refunded the same."""

    count: int
    net: int  # of each
    refund: int  # of each


@dataclass(frozen=True, slots=True)
class LineResult:
    id: str
    list: int
    net: int
    refund: int
    tax_rate: int
    discounts: tuple[LineDiscount, ...]  # in the order of application
    shares: tuple[UnitShare, ...]


@dataclass(frozen=True, slots=True)
class Funding:
    """What one party pays of a promotion's saving, in minor units."""

    party: str  # "us" | "supplier" | "partner"
    name: str
    amount: int


@dataclass(frozen=True, slots=True)
class PromotionResult:
    """One promotion that touches the basket (`explain`: any promotion). See docs/semantics.md for every field."""

    name: str
    reason: Reason
    applications: int = 0
    saving: int = 0
    code: str = ""  # the code it used, normalised unless it is exact
    beaten_by: str = ""
    would_save: int = 0  # alone, where it was beaten or excluded
    clause: str = ""  # the first failing line as written
    missing: Missing | None = None
    usage_as_given: bool = False  # it has limits past the basket: judged from the usage facts of the request
    funding: tuple[Funding, ...] = ()  # who pays what it saves, as declared; sums to `saving`
    tier: int = 0  # that the basket (of one article: that with most) reaches, counted from 1; 0: none, or it has none
    next_tier: Missing | None = None  # what is missing to the next one
    variant: str = ""  # that holds for the subject, CONTROL for the control group; "": it has none, or nobody is asking


@dataclass(frozen=True, slots=True)
class FeeResult:
    service: str
    list: int
    net: int
    discounts: tuple[LineDiscount, ...] = ()  # in the order of application, never 0
    tax_rate: int | None = None  # None: it is in no tax total


@dataclass(frozen=True, slots=True)
class CodeVerdict:
    code: str  # normalised unless it is exact
    verdict: Verdict
    promotion: str = ""
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class PromotionPoints:
    """What one promotion adds to the points."""

    promotion: str
    points: int


@dataclass(frozen=True, slots=True)
class PointsResult:
    """What the purchase earns: the base points and what promotions add."""

    earned: int
    base: int
    promotions: tuple[PromotionPoints, ...]  # that applied, by name


@dataclass(frozen=True, slots=True)
class GiftResult:
    """Gifts of one promotion: those that were chosen and are given, or those that may still be chosen."""

    promotion: str
    given: bool
    count: int  # pieces
    products: str  # the set to choose from
    price: int  # of a piece
    lines: tuple[str, ...] = ()  # given: on which
    articles: tuple[str, ...] = ()  # to be chosen: the first of them, ascending


@dataclass(frozen=True, slots=True)
class NextCode:
    """A code for the next time."""

    promotion: str
    codes: str  # the code set
    until_us: int  # valid before this instant; 0: for ever


@dataclass(frozen=True, slots=True)
class TaxTotal:
    """Of the lines and fees at one rate: what is paid with tax, without it, and the tax."""

    rate: int  # basis points
    gross: int
    net: int
    tax: int


@dataclass(frozen=True, slots=True)
class Totals:
    list: int  # of the goods
    saving: int
    net: int  # list - saving
    fees: int  # after promotions
    tax: int  # contained in net and fees (prices include tax), or to be added (prices exclude tax)
    payable: int
    cash_rounding: int = 0  # to be added where it is paid in cash; may be negative


@dataclass(frozen=True, slots=True)
class Added:
    """What a step adds to the basket: pieces, or thousandths of a unit."""

    article: str
    pieces: int
    measure: int
    unit: str


@dataclass(frozen=True, slots=True)
class NextStep:
    """A promotion that would apply (once more), what it lacks, what would be added, and what that changes."""

    promotion: str
    missing: tuple[Missing, ...]
    added: tuple[Added, ...]
    saving: int  # by how much the basket would save more, goods and fees
    payable: int  # by how much more would be paid; negative: less


@dataclass(frozen=True, slots=True)
class Decision:
    ruleset: str  # digest, hex
    currency: str
    optimal: bool
    bound: int  # at most this much more could have been saved; 0 when optimal
    lines: tuple[LineResult, ...]  # by line id
    promotions: tuple[PromotionResult, ...]  # by name
    services: tuple[str, ...]  # granted free, ascending
    fees: tuple[FeeResult, ...]  # by service
    codes: tuple[CodeVerdict, ...]  # by code
    taxes: tuple[TaxTotal, ...]  # by rate
    totals: Totals
    next_steps: tuple[NextStep, ...] = ()  # as many as were asked for
    gifts: tuple[GiftResult, ...] = ()  # by promotion, given ones first
    points: PointsResult | None = None  # None: the ruleset gives none
    next_codes: tuple[NextCode, ...] = ()  # by promotion
    semantics: int = SEMANTICS
