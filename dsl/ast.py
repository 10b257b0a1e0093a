"""What a text says, as frozen nodes with spans: one node for each construct, nothing resolved and nothing judged.

Every construct of the grammar has its node, whether the machine runs it or not: `dsl.machine` refuses what it cannot.
`text` of a clause is the clause in its canonical spelling, whatever the spacing of the source.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from dsl.diagnostics import Span

# ---------------------------------------------------------------------------------------------------- words and values


@dataclass(frozen=True, slots=True)
class Name:
    """A name as written, and where."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Money:
    """One amount for each currency: `EUR 10.00 or CHF 10.00`."""

    parts: tuple[tuple[str, Decimal, Span], ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Percent:
    value: Decimal
    span: Span


@dataclass(frozen=True, slots=True)
class Number:
    value: Decimal
    span: Span


@dataclass(frozen=True, slots=True)
class Date:
    value: datetime.date
    span: Span


@dataclass(frozen=True, slots=True)
class Time:
    """Seconds of the day, 24:00 included."""

    seconds: int
    span: Span


@dataclass(frozen=True, slots=True)
class Duration:
    count: int
    unit: Literal["minute", "hour", "day", "week", "month", "year"]
    span: Span


@dataclass(frozen=True, slots=True)
class Measure:
    value: Decimal
    unit: str
    span: Span


@dataclass(frozen=True, slots=True)
class Quoted:
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Word:
    """A bare word: a choice, a country, a language."""

    text: str
    span: Span


Value = Money | Percent | Number | Date | Time | Duration | Measure | Quoted | Word


# ---------------------------------------------------------------------------------------------------- conditions


@dataclass(frozen=True, slots=True)
class Subject:
    """`customer.tier`, or `payment` and `delivery` with an empty name."""

    entity: str
    name: str
    span: Span

    @property
    def path(self) -> str:
        """As the engine names it."""
        return f"{self.entity}.{self.name}" if self.name else self.entity


@dataclass(frozen=True, slots=True)
class Compare:
    subject: Subject
    op: str  # a word of dsl.vocabulary.OPERATORS
    values: tuple[Value, ...]
    span: Span  # of the operator


@dataclass(frozen=True, slots=True)
class In:
    name: Name
    negated: bool


@dataclass(frozen=True, slots=True)
class Consent:
    name: Name


@dataclass(frozen=True, slots=True)
class Block:
    kind: Literal["all", "any", "none"]
    lines: tuple[Line, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class BasketHas:
    """So many pieces, or so much by measure, of a set."""

    low: Decimal | None
    high: Decimal | None
    unit: str  # "" = pieces
    of: Name
    one_article: bool
    span: Span
    articles: bool = False  # counts different articles, not pieces


@dataclass(frozen=True, slots=True)
class BasketWorth:
    low: Money | None
    high: Money | None
    of: Name | None
    basis: Literal["group", "before", "after"]
    span: Span
    fees: bool = False  # fees are counted in
    without_tax: bool = False


# ---- what happened before


@dataclass(frozen=True, slots=True)
class EventOf:
    """Events of a kind, by its word for many or for one: `orders of wine where orders.channel is app`."""

    event: Name
    of: Name | None
    where: Compare | None
    span: Span


@dataclass(frozen=True, slots=True)
class Window:
    """When: in the last length, between two lengths ago as written, since a day, this day, week …, or so far."""

    kind: Literal["last", "ages", "since", "calendar", "ever"]
    lengths: tuple[Duration, ...]
    since: Date | None
    unit: str  # of `calendar`
    span: Span


@dataclass(frozen=True, slots=True)
class Then:
    """`, then orders within 2 days`; `negated`: no such event."""

    event: EventOf
    negated: bool
    within: Duration
    span: Span


@dataclass(frozen=True, slots=True)
class Happened:
    """So many events in a window, then others; `no orders …` is at most 0."""

    low: int | None
    high: int | None
    event: EventOf
    window: Window
    then: tuple[Then, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class SumOf:
    """`sum of orders.total of wine in the last 12 months is at least EUR 300.00`."""

    subject: Subject
    of: Name | None
    where: Compare | None
    window: Window
    op: str  # a word of dsl.vocabulary.OPERATORS
    values: tuple[Value, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Anniversary:
    """`near`: on the day, in this day, week, month or year (`unit`), or within a length of it."""

    subject: Subject
    near: Literal["today", "calendar", "within"]
    unit: str
    within: Duration | None
    span: Span


@dataclass(frozen=True, slots=True)
class SimilarTo:
    segment: Name
    percent: Percent
    span: Span


@dataclass(frozen=True, slots=True)
class NthOrder:
    """`this order is the 1st`; `every`: each one that this number divides."""

    every: bool
    nth: int
    span: Span


Condition = (
    Compare | In | Consent | Block | BasketHas | BasketWorth | Happened | SumOf | Anniversary | SimilarTo | NthOrder
)


@dataclass(frozen=True, slots=True)
class Line:
    """One condition of a list."""

    condition: Condition
    text: str
    span: Span


# ---------------------------------------------------------------------------------------------------- project


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of the settings; `values` as its kind needs them: of `rounding` the way, then `piece` or `article`."""

    kind: Literal["currency", "timezone", "languages", "width", "rounding", "tax"]
    values: tuple[Name, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class CashRounding:
    """`cash rounding CHF 0.05`: what is paid in cash is a multiple of this."""

    to: Money
    span: Span


@dataclass(frozen=True, slots=True)
class BasePoints:
    """`points 1 per EUR 1.00 or CHF 1.00`."""

    points: int
    per: Money
    span: Span


@dataclass(frozen=True, slots=True)
class Settings:
    lines: tuple[Setting | CashRounding | BasePoints, ...]
    span: Span
    broken: bool = False


@dataclass(frozen=True, slots=True)
class AttributeType:
    kind: str  # as written: "text", "one of", "list", "score-1-to-5" …
    choices: tuple[Name, ...]
    of: str  # of a list
    span: Span


@dataclass(frozen=True, slots=True)
class Attribute:
    name: Name
    type: AttributeType
    personal: bool
    predicted: bool
    default: Value | None
    doc: str


@dataclass(frozen=True, slots=True)
class Entity:
    name: Name
    attributes: tuple[Attribute, ...]


@dataclass(frozen=True, slots=True)
class NameList:
    """consents, channels, services, payments."""

    kind: Literal["consents", "channels", "services", "payments"]
    names: tuple[Name, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """`event orders, one order { … }`: both words are known."""

    many: Name
    one: Name
    attributes: tuple[Attribute, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Schema:
    parts: tuple[Entity | Event | NameList, ...]
    span: Span
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """A table beside the rules; `name` of a price list."""

    kind: Literal["catalogue", "stores", "prices", "holidays", "costs"]
    path: Quoted
    span: Span
    name: Quoted | None = None


# ---------------------------------------------------------------------------------------------------- declarations


@dataclass(frozen=True, slots=True)
class Refresh:
    """The greatest age of the facts: `refresh realtime`, `refresh daily 03:00` (`at`)."""

    at: Time | None
    span: Span


@dataclass(frozen=True, slots=True)
class SetDecl:
    """products, places, segment: a list of conditions that must all hold. Segments may have a `refresh` line."""

    kind: Literal["products", "places", "segment"]
    name: Name
    title: str
    lines: tuple[Line, ...]
    refresh: tuple[Refresh, ...]
    span: Span
    broken: bool = False


@dataclass(frozen=True, slots=True)
class GroupLine:
    kind: Literal["gives", "apply", "prices", "order"]
    word: str  # "discounts", "best-per-item", "original"
    count: int
    names: tuple[Name, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Group:
    name: Name
    title: str
    lines: tuple[GroupLine, ...]
    span: Span
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Sequence:
    names: tuple[Name, ...]
    span: Span
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Never:
    verb: Literal["discount", "reward", "count", "ship free"]
    names: tuple[Name, ...]


@dataclass(frozen=True, slots=True)
class Floor:
    """`never price fashion below item.floor`."""

    names: tuple[Name, ...]
    subject: Subject
    span: Span


@dataclass(frozen=True, slots=True)
class Guard:
    name: Name
    title: str
    nevers: tuple[Never, ...]
    floors: tuple[Floor, ...]
    because: tuple[Quoted, ...]
    span: Span
    broken: bool = False


@dataclass(frozen=True, slots=True)
class CodeLine:
    kind: Literal["code", "file", "uses", "exact"]
    value: Quoted | None
    count: int
    span: Span


@dataclass(frozen=True, slots=True)
class Codes:
    name: Name
    title: str
    lines: tuple[CodeLine, ...]
    span: Span
    broken: bool = False


# ---------------------------------------------------------------------------------------------------- clauses


HOLIDAY = 7  # beside the days of the week, 0 to 6


@dataclass(frozen=True, slots=True)
class Moment:
    date: Date
    time: Time | None


@dataclass(frozen=True, slots=True)
class Runs:
    start: Moment
    until: Moment | None
    zone: Name | None
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Slot:
    """Days, and hours of them; both bounds of the hours or none."""

    days: frozenset[int]  # 0 = Monday, HOLIDAY
    but_not: frozenset[int]
    start: Time | None
    until: Time | None
    span: Span


@dataclass(frozen=True, slots=True)
class OnlyOn:
    slots: tuple[Slot, ...]
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Sold:
    """`names` None: everywhere."""

    names: tuple[Name, ...] | None
    but_not: tuple[Name, ...]
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Choice:
    """`for …` and `only at …`; `any_of` empty: everyone."""

    kind: Literal["for", "only at"]
    any_of: tuple[Name, ...]
    but_not: tuple[Name, ...]
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class WithCode:
    codes: Name
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class When:
    line: Line
    span: Span


@dataclass(frozen=True, slots=True)
class Need:
    """So many pieces of a set, or so much by measure."""

    count: int
    measure: Measure | None
    of: Name
    one_article: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Buy:
    needs: tuple[Need, ...]
    text: str
    span: Span

    @property
    def count(self) -> int:
        """Pieces of one run; a measured need is one piece."""
        return sum(need.count if need.measure is None else 1 for need in self.needs)

    @property
    def of(self) -> Name:
        """The first set."""
        return self.needs[0].of


@dataclass(frozen=True, slots=True)
class Target:
    """What a reward is of. `tier`: what a tier counts."""

    kind: Literal["set", "them", "basket", "tier"]
    name: Name | None
    span: Span
    fees: bool = False  # the basket with its fees


@dataclass(frozen=True, slots=True)
class PercentOff:
    percent: Percent
    target: Target
    together: bool


@dataclass(frozen=True, slots=True)
class AmountOff:
    """Off each piece, or once off all together, or once off each article."""

    amount: Money
    target: Target
    together: bool
    per_article: bool = False


@dataclass(frozen=True, slots=True)
class AmountOffMeasure:
    amount: Money
    per: str
    hundreds: bool
    target: Target


@dataclass(frozen=True, slots=True)
class FixedPrice:
    """`per` "" = each piece."""

    price: Money
    per: str
    hundreds: bool
    target: Target


@dataclass(frozen=True, slots=True)
class Pick:
    which: Literal["cheapest", "dearest"]
    count: int
    percent: Percent
    count_span: Span


@dataclass(frozen=True, slots=True)
class LadderStep:
    nth: int
    off: Percent | Money
    span: Span


@dataclass(frozen=True, slots=True)
class Ladder:
    steps: tuple[LadderStep, ...]


@dataclass(frozen=True, slots=True)
class PriceTogether:
    price: Money
    singles: bool


@dataclass(frozen=True, slots=True)
class OffCount:
    """Off so many of a set: `off` None is free. `together`: an amount once for all of them."""

    off: Percent | Money | None
    together: bool
    count: int
    of: Name
    one_article: bool
    fewer: bool
    count_span: Span


@dataclass(frozen=True, slots=True)
class PriceOfCount:
    """`get 2 of pots for EUR 1.00 each, fewer too`."""

    price: Money
    count: int
    of: Name
    one_article: bool
    fewer: bool
    count_span: Span


@dataclass(frozen=True, slots=True)
class OffPickOf:
    """The cheapest or dearest so many of a set, chosen over the basket, without `buy`."""

    off: Percent | Money
    which: Literal["cheapest", "dearest"]
    count: int
    of: Name
    count_span: Span


@dataclass(frozen=True, slots=True)
class BasketPrice:
    price: Money


@dataclass(frozen=True, slots=True)
class PriceList:
    """`get prices from list "ACME-2026"`."""

    name: Quoted


@dataclass(frozen=True, slots=True)
class Cashier:
    """`get what the cashier enters, at most 30%`."""

    at_most: Percent | Money


@dataclass(frozen=True, slots=True)
class FreeService:
    service: Name


@dataclass(frozen=True, slots=True)
class OffFee:
    off: Percent | Money
    service: Name


@dataclass(frozen=True, slots=True)
class FeePrice:
    price: Money
    service: Name


@dataclass(frozen=True, slots=True)
class Gift:
    """So many of the set, chosen by the customer; `price` each, None: for nothing."""

    count: int
    of: Name
    price: Money | None
    count_span: Span


@dataclass(frozen=True, slots=True)
class TimesPoints:
    factor: Number
    target: Target


@dataclass(frozen=True, slots=True)
class FixedPoints:
    points: int
    span: Span


@dataclass(frozen=True, slots=True)
class NextCode:
    codes: Name
    valid: Duration


@dataclass(frozen=True, slots=True)
class Tier:
    """From so many pieces, so much by measure, or such a spend on."""

    start: int | Measure | Money
    reward: TierReward
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Tiers:
    """The highest tier reached counts for all; `stepwise`: each unit by the tier of its position."""

    by: Literal["quantity", "spend"]
    target: Target
    one_article: bool
    basis: Literal["group", "before", "after"]
    stepwise: bool
    tiers: tuple[Tier, ...]


TierReward = PercentOff | AmountOff | AmountOffMeasure | FixedPrice | FixedPoints | Gift
Reward = (
    PercentOff
    | AmountOff
    | AmountOffMeasure
    | FixedPrice
    | Pick
    | Ladder
    | PriceTogether
    | OffCount
    | PriceOfCount
    | OffPickOf
    | BasketPrice
    | PriceList
    | Cashier
    | FreeService
    | OffFee
    | FeePrice
    | Gift
    | TimesPoints
    | FixedPoints
    | NextCode
    | Tiers
)


@dataclass(frozen=True, slots=True)
class Get:
    reward: Reward
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Limit:
    measure: Literal["uses", "baskets", "saving"]
    count: int
    saving: Money | None
    scope: str  # "basket", "article", …, "total"
    period: str  # as the engine names it: "ever", "each-day", "any-90-days"
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class InGroup:
    name: Name
    span: Span


@dataclass(frozen=True, slots=True)
class Except:
    names: tuple[Name, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Label:
    """`label`, `terms`, `hint`: a text in a language, with {placeholders}."""

    kind: Literal["label", "terms", "hint"]
    language: Name
    text: Quoted
    span: Span


@dataclass(frozen=True, slots=True)
class Owner:
    text: Quoted
    span: Span


@dataclass(frozen=True, slots=True)
class WithReason:
    """`with reason one of damaged, goodwill`."""

    reasons: tuple[Name, ...]
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Exclusive:
    span: Span


@dataclass(frozen=True, slots=True)
class NotWith:
    names: tuple[Name, ...]
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Advertised:
    """`advertised as price reduction`."""

    span: Span


@dataclass(frozen=True, slots=True)
class Payer:
    kind: Literal["us", "supplier", "partner"]
    name: Quoted | None  # of all but us
    span: Span


@dataclass(frozen=True, slots=True)
class Share:
    """`percent` None: the rest, or all."""

    percent: Percent | None
    payer: Payer


@dataclass(frozen=True, slots=True)
class Funded:
    shares: tuple[Share, ...]
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class OnReturn:
    """`on return reprice what is kept`."""

    span: Span


@dataclass(frozen=True, slots=True)
class Arm:
    """A variant with its share; `name` and `reward` None: the control group."""

    name: Name | None
    share: Percent
    reward: Reward | None
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Variants:
    """In place of `get`."""

    by: Literal["customer", "household", "basket"]
    arms: tuple[Arm, ...]
    text: str
    span: Span


Clause = (
    Runs
    | OnlyOn
    | Sold
    | Choice
    | WithCode
    | WithReason
    | When
    | Buy
    | Get
    | Variants
    | Limit
    | InGroup
    | Except
    | Exclusive
    | NotWith
    | Advertised
    | Funded
    | OnReturn
    | Label
    | Owner
)


@dataclass(frozen=True, slots=True)
class Promotion:
    name: Name
    title: str
    clauses: tuple[Clause, ...]
    span: Span
    broken: bool = False


# ---------------------------------------------------------------------------------------------------- tests


@dataclass(frozen=True, slots=True)
class Sample:
    name: Name
    title: str
    values: tuple[tuple[Name, Value], ...]
    span: Span
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Buys:
    """`count` pieces, or `measure`; at `price` each (`per` unit, or 100 of it), None: the sample's."""

    count: int
    measure: Measure | None
    sample: Name
    price: Money | None
    per: str
    hundreds: bool
    span: Span


@dataclass(frozen=True, slots=True)
class GivenFact:
    """`value` None: unknown."""

    subject: Subject
    value: Value | None
    span: Span


@dataclass(frozen=True, slots=True)
class GivenUses:
    count: int
    promotion: Name
    by_others: bool
    ago: Duration | None
    worth: Money | None
    span: Span


@dataclass(frozen=True, slots=True)
class GivenEvent:
    """given 2 orders of plants 300 days ago worth EUR 59.90 where orders.channel is app: so many alike."""

    count: int
    event: Name
    of: Name | None
    before: Duration | Moment
    worth: Money | None
    facts: tuple[GivenFact, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class GivenNoEvent:
    """given no orders: the history is known, and has none."""

    event: Name
    span: Span


@dataclass(frozen=True, slots=True)
class GivenHistory:
    """given history since 2026-06-01: what was before is not known."""

    since: Moment
    span: Span


@dataclass(frozen=True, slots=True)
class GivenFacts:
    """given facts as of 2 hours ago: how old the facts of the customer are."""

    as_of: Duration | Moment
    span: Span


@dataclass(frozen=True, slots=True)
class GivenArm:
    """given variant ten of lapsed; `variant` None: given control of lapsed."""

    variant: Name | None
    promotion: Name
    span: Span


@dataclass(frozen=True, slots=True)
class GivenCashier:
    """given cashier enters 20% off penne because damaged; `sample` None: off the basket."""

    off: Percent | Money
    sample: Name | None
    reason: Name
    span: Span


@dataclass(frozen=True, slots=True)
class Picks:
    """picks 1 x lily-seeds as gift of seed-gift."""

    count: int
    sample: Name
    promotion: Name
    span: Span


@dataclass(frozen=True, slots=True)
class Given:
    """consent to X, code "X", used code "X", nothing known of the customer."""

    kind: Literal["consent", "code", "used-code", "offline"]
    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class GivenFee:
    service: Name
    amount: Money
    span: Span


@dataclass(frozen=True, slots=True)
class Expect:
    """An expectation; which fields matter depends on `kind`."""

    kind: Literal[
        "saves",
        "applies",
        "not",
        "nothing",
        "total",
        "costs",
        "free",
        "fee",
        "code-refused",
        "in",
        "not-in",
        "points",
        "gift",
        "code",
        "funded",
        "refund",
        "hint",
    ]
    name: Name | None  # of what; of `hint` its text, of `funded` who pays
    money: Money | None
    count: int | None
    because: Name | None
    text: str
    span: Span
    payer: Payer | None = None  # of `funded`


@dataclass(frozen=True, slots=True)
class TestAt:
    moment: Moment
    span: Span


@dataclass(frozen=True, slots=True)
class TestChannel:
    name: Name
    span: Span


TestLine = (
    TestAt
    | TestChannel
    | GivenFact
    | GivenUses
    | GivenEvent
    | GivenNoEvent
    | GivenHistory
    | GivenFacts
    | GivenArm
    | GivenCashier
    | Given
    | GivenFee
    | Buys
    | Picks
    | Expect
)


@dataclass(frozen=True, slots=True)
class Test:
    name: Name  # its sentence
    lines: tuple[TestLine, ...]
    span: Span
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Broken:
    """A declaration whose first line could not be read, or nothing of it: its name is known, no more."""

    kind: str  # the keyword
    name: Name | None
    span: Span


Decl = Settings | Schema | Source | SetDecl | Group | Sequence | Guard | Codes | Promotion | Sample | Test | Broken
