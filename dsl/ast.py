"""What a text says, as frozen nodes with spans: one node for each construct, nothing resolved and nothing judged.

A construct that the machine cannot run yet is a `NotYet` with its code: the parser knows its form, the checker
refuses it. `text` of a clause is the clause in its canonical spelling, whatever the spacing of the source.
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


@dataclass(frozen=True, slots=True)
class NotYet:
    """A construct of the language that the machine cannot run yet; `code` is its page."""

    code: str
    span: Span


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


@dataclass(frozen=True, slots=True)
class BasketWorth:
    low: Money | None
    high: Money | None
    of: Name | None
    basis: Literal["group", "before", "after"]
    span: Span


Condition = Compare | In | Consent | Block | BasketHas | BasketWorth | NotYet


@dataclass(frozen=True, slots=True)
class Line:
    """One condition of a list."""

    condition: Condition
    text: str
    span: Span


# ---------------------------------------------------------------------------------------------------- project


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of the settings; `values` as its kind needs them."""

    kind: Literal["currency", "timezone", "languages", "width", "rounding", "tax"]
    values: tuple[Name, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Settings:
    lines: tuple[Setting | NotYet, ...]
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
class Schema:
    parts: tuple[Entity | NameList | NotYet, ...]
    span: Span
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """A table beside the rules."""

    kind: Literal["catalogue", "stores"]
    path: Quoted
    span: Span


@dataclass(frozen=True, slots=True)
class Unbuilt:
    """A whole declaration that the machine cannot run yet."""

    what: NotYet
    span: Span


# ---------------------------------------------------------------------------------------------------- declarations


@dataclass(frozen=True, slots=True)
class SetDecl:
    """products, places, segment: a list of conditions that must all hold."""

    kind: Literal["products", "places", "segment"]
    name: Name
    title: str
    lines: tuple[Line, ...]
    unbuilt: tuple[NotYet, ...]
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
class Guard:
    name: Name
    title: str
    nevers: tuple[Never, ...]
    because: tuple[Quoted, ...]
    span: Span
    broken: bool = False


@dataclass(frozen=True, slots=True)
class CodeLine:
    kind: Literal["code", "file", "uses"]
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
    days: frozenset[int]  # 0 = Monday
    start: Time | None
    until: Time | None
    span: Span


@dataclass(frozen=True, slots=True)
class OnlyOn:
    slots: tuple[Slot | NotYet, ...]
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
class Buy:
    count: int
    of: Name
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Target:
    kind: Literal["set", "them", "basket"]
    name: Name | None
    span: Span


@dataclass(frozen=True, slots=True)
class PercentOff:
    percent: Percent
    target: Target
    together: bool


@dataclass(frozen=True, slots=True)
class AmountOff:
    amount: Money
    target: Target
    together: bool


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
class FreeService:
    service: Name


Reward = PercentOff | AmountOff | AmountOffMeasure | FixedPrice | Pick | Ladder | PriceTogether | FreeService | NotYet


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
    scope: str  # "basket", …, "total"
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
    """`label` and `terms`."""

    kind: Literal["label", "terms"]
    language: Name
    text: Quoted
    span: Span


@dataclass(frozen=True, slots=True)
class Owner:
    text: Quoted
    span: Span


Clause = Runs | OnlyOn | Sold | Choice | WithCode | When | Buy | Get | Limit | InGroup | Except | Label | Owner | NotYet


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

    kind: Literal["saves", "applies", "not", "nothing", "total", "costs", "free", "fee", "code-refused", "in", "not-in"]
    name: Name | None
    money: Money | None
    count: int | None
    because: Name | None
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class TestAt:
    moment: Moment
    span: Span


@dataclass(frozen=True, slots=True)
class TestChannel:
    name: Name
    span: Span


TestLine = TestAt | TestChannel | GivenFact | GivenUses | Given | GivenFee | Buys | Expect | NotYet


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


Decl = (
    Settings
    | Schema
    | Source
    | Unbuilt
    | SetDecl
    | Group
    | Sequence
    | Guard
    | Codes
    | Promotion
    | Sample
    | Test
    | Broken
)
