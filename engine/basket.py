"""What is asked: a Basket, its Lines, the Facts that are known, and the bounds that every request must keep.

Services convert the contract's messages into a Request; `check` says what is out of bounds, naming the field as the
contract spells it, so that a caller can find it. Past `check` the engine relies on every bound below.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from engine import instructions
from engine.instructions import DIMENSIONS
from engine.program import BASE_POINTS_MAX, Type

LINES_MAX = 1_000  # a basket; a wholesale order has some hundreds
PIECES_MAX = 100_000  # over all lines: each piece is priced on its own
MEASURE_MAX = 90_000_000  # thousandths: 90 tonnes; x PRICE_MICROS_MAX fits int64
PRICE_MICROS_MAX = 10**11  # 100,000 units of the currency for one unit of measure
PIECE_MICROS_MAX = 10**15  # a billion units of the currency for a piece: a house, in rupiah
TOTAL_MINOR_MAX = 10**12  # of a basket at list prices; x 10,000 basis points fits int64
FINE_TOTAL_MAX = 8 * 10**12  # of a basket, in the parts of a minor unit that savings are compared in
CODES_MAX = 50
FEES_MAX = 20
FACTS_MAX = 256  # attributes of one entity or line
USAGE_MAX = 1_000
VARIANTS_MAX = 100  # that a request chooses
MANUAL_DISCOUNTS_MAX = 1_000
NEXT_STEPS_MAX = 10
EVENTS_MAX = 1_000  # of a customer: three orders a week for six years
EVENT_ITEMS_MAX = 10_000  # articles over all of them: judging an article costs what judging a line costs
TEXT_MAX = 256  # characters of any text of a request
AT_MIN_US = 0  # 1970
AT_MAX_US = 4_102_444_800_000_000  # 2100-01-01T00:00:00Z

POINTS_MAX = 10**15  # that a basket earns

BASIS_POINTS = 10_000
assert TOTAL_MINOR_MAX * BASE_POINTS_MAX < 2**63
assert MEASURE_MAX * PRICE_MICROS_MAX < 2**63
assert TOTAL_MINOR_MAX * BASIS_POINTS < 2**63

# Units of measure: dimension, and how many thousandths of the smallest unit of the dimension one thousandth is.
UNITS: dict[str, tuple[str, int]] = {name: (DIMENSIONS[number], factor) for name, number, factor in instructions.UNITS}


@dataclass(frozen=True, slots=True)
class Fact:
    """One known value, in the scale of its type (engine/program.py). `currency` only for money."""

    type: Type
    value: int | str | tuple[str, ...]
    currency: str = ""


Facts = Mapping[str, Fact]  # by attribute name without its entity: "tier"


@dataclass(frozen=True, slots=True)
class BasketLine:
    """One line of the basket: `quantity` pieces, or `measure` thousandths of `unit`; the other is 0.

    `price_micros`: the list price of one piece, or of one `unit` of measure; None: the catalogue's.
    `tax_rate`: basis points; None: the catalogue's, else 0."""

    id: str
    article: str
    quantity: int = 0
    measure: int = 0
    unit: str = ""
    price_micros: int | None = None
    attributes: Facts = field(default_factory=dict)
    tax_rate: int | None = None
    gift_of: str = ""  # the promotion whose gift it is to be


@dataclass(frozen=True, slots=True)
class Fee:
    """What a service costs before promotions (shipping), in minor units. Not part of the goods.

    `tax_rate`: basis points; None: it is in no tax total."""

    service: str
    amount: int
    tax_rate: int | None = None


@dataclass(frozen=True, slots=True)
class EventItem:
    """One article of an event. `amount`: what was paid for it in all, in minor units of the event's currency."""

    article: str
    amount: int | None = None
    attributes: Facts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a customer did. What it was worth in all is its attribute `total`.

    Without `items` it is not known which articles it was about."""

    type: str  # as the schema names one: "order"
    at_us: int
    attributes: Facts = field(default_factory=dict)
    items: tuple[EventItem, ...] = ()
    currency: str = ""  # of the items' amounts
    id: str = ""  # the same event, said twice, counts once; "": it has no name


@dataclass(frozen=True, slots=True)
class EventHistory:
    """All events of every declared type since an instant; 0: since the beginning."""

    events: tuple[Event, ...] = ()
    complete_since_us: int = 0


@dataclass(frozen=True, slots=True)
class Customer:
    """The subject of limits and the facts of segments. `consents` None: not known which were given."""

    id: str = ""  # "" = unknown subject
    household: str = ""
    attributes: Facts = field(default_factory=dict)
    consents: frozenset[str] | None = None
    events: EventHistory | None = None  # None: not known what happened before
    facts_as_of_us: int = 0  # when all of this was read; 0: for this request


@dataclass(frozen=True, slots=True)
class LimitUsage:
    """What one counter of the asking customer, household, store, code, or in total, stands at before this basket.

    `limit` is the key of the promotion's limit; `code` is said for limits of scope code only."""

    promotion: str
    limit: str
    used: int  # uses, baskets, or minor units
    code: str = ""


@dataclass(frozen=True, slots=True)
class VariantChoice:
    """The variant of a promotion that holds, whatever would be drawn; "": the control group."""

    promotion: str
    variant: str = ""


@dataclass(frozen=True, slots=True)
class ManualDiscount:
    """What a cashier entered for a reason: off so many pieces of a line (0: all of it), or off the basket (no line).

    `value`: basis points, or minor units of the request's currency: off each piece, or its price (of the basket: of
    all together)."""

    kind: Literal["percent", "amount", "price"]
    value: int
    reason: str
    line: str = ""
    quantity: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """Everything a decision depends on, beside the ruleset. `at_us` is the instant at which rules are judged."""

    at_us: int
    currency: str
    channel: str
    lines: tuple[BasketLine, ...]
    store: str = ""  # "" = none named
    store_attributes: Facts = field(default_factory=dict)
    delivery: str = ""  # the chosen service; "" = not chosen yet
    delivery_attributes: Facts = field(default_factory=dict)
    payment: str = ""  # the chosen means; "" = not chosen yet
    basket_attributes: Facts = field(default_factory=dict)
    customer: Customer = field(default_factory=Customer)
    codes: tuple[str, ...] = ()
    fees: tuple[Fee, ...] = ()
    usage: tuple[LimitUsage, ...] = ()
    basket: str = ""  # its id, the subject of variants by basket; "" = none
    variants: tuple[VariantChoice, ...] = ()
    manual_discounts: tuple[ManualDiscount, ...] = ()
    next_steps: int = 0  # how many are asked for


class Fault(enum.Enum):
    """What kind of mistake it is, for programs."""

    BOUNDS = "bounds"  # too large, too small, too long, too many
    MISSING = "missing"
    FORM = "form"  # not of the type or form that is asked for
    UNKNOWN = "unknown"  # a name that the ruleset does not declare
    DUPLICATE = "duplicate"
    CONTRADICTION = "contradiction"
    NO_PRICE = "no-price"


class BadRequest(Exception):
    """The caller's mistake: `field` as the contract spells it ("lines[3].quantity"), `message` what to do."""

    def __init__(self, field_path: str, message: str, fault: Fault | None = None) -> None:
        super().__init__(f"{field_path}: {message}")
        self.field = field_path
        self.message = message
        self.fault = fault
