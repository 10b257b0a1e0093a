"""Programs: declarations of the language, compiled. What the compiler hands to the machine.

A Program is plain data, checked and complete: names are resolved, dates are numbers, files that the text refers to are
read. It has one canonical form in bytes (`encode`), by which it is addressed, stored and fetched; `decode` refuses
whatever does not fit, so that nothing stored is trusted because of where it lies.

Scales, everywhere in the engine:

* money      int, minor units of one currency ("minor"); or millionths of the currency unit ("micros") where a price may
             be finer than the minor unit
* number     int, millionths              percent   int, basis points (10,000 = 100%)
* date       int, days since 1970-01-01   yes-no    int, 0 or 1
* measure    int, thousandths of its unit time of day, local moments: int, seconds
* instant    int, microseconds since 1970-01-01T00:00:00Z
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

FORMAT = 1  # raised whenever the canonical bytes of any Program change their meaning
BASE_POINTS_MAX = 1_000_000  # for one amount; x the worth of a basket fits int64
FIXED_POINTS_MAX = 1_000_000_000
FACTOR_MAX = 100_000  # hundredths of «times points»
QUANTITY_MAX = 100_000  # of a price list: as many pieces as a basket may hold


class _Node(BaseModel):
    """Frozen, strict, and closed: an unknown field is an error, not a surprise."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


# ---------------------------------------------------------------------------------------------------- values


class Type(StrEnum):
    """What an attribute holds. Choices, categories, countries, languages, stores and channels are texts."""

    TEXT = "text"
    NUMBER = "number"  # millionths
    PERCENT = "percent"  # basis points
    YES_NO = "yes-no"  # 0 or 1
    DATE = "date"  # days since 1970-01-01
    MONEY = "money"  # micros of one currency
    TEXTS = "texts"  # a list of texts


class Amount(_Node):
    """An amount in one currency, in minor units of it or in micros, as the field that holds it says."""

    currency: str
    value: int


Money = tuple[Amount, ...]  # one Amount per currency, in the order of the currencies' codes

Scalar = int | str  # in the scale of the attribute's Type


# ---------------------------------------------------------------------------------------------------- conditions
# A condition is true, false or unknown. `attribute` is "entity.name": customer.tier, item.category, store.region,
# delivery.country, basket.lines; and the two subjects without a point: "payment" and "delivery" (the chosen service).


class Compare(_Node):
    kind: Literal["compare"] = "compare"
    attribute: str
    op: Literal["eq", "ne", "lt", "le", "gt", "ge"]  # texts: only eq and ne
    value: Scalar


class CompareMoney(_Node):
    """Unknown when no amount is said in the basket's currency."""

    kind: Literal["compare-money"] = "compare-money"
    attribute: str
    op: Literal["eq", "ne", "lt", "le", "gt", "ge"]
    value: Money  # minor units


class OneOf(_Node):
    kind: Literal["one-of"] = "one-of"
    attribute: str
    values: tuple[Scalar, ...]
    negated: bool = False


class Known(_Node):
    """Never unknown itself."""

    kind: Literal["known"] = "known"
    attribute: str
    known: bool  # False: «is unknown»


class Under(_Node):
    """The path itself and everything below it: "Mode" holds for "Mode" and "Mode/Damen", not for "Modeschmuck"."""

    kind: Literal["under"] = "under"
    attribute: str
    path: str


class StartsWith(_Node):
    kind: Literal["starts-with"] = "starts-with"
    attribute: str
    prefix: str


class Has(_Node):
    """A list holds at least one of these texts."""

    kind: Literal["has"] = "has"
    attribute: str
    values: tuple[str, ...]


class Age(_Node):
    """A date lies more (less) than so long ago: before (after) the local date of `at` less that many calendar units.

    The date is that of the settings' zone; months and years clamp (31 March less 1 month is 28 February). Hours and
    minutes do not occur: dates have none. The day at exactly that distance is neither more nor less."""

    kind: Literal["age"] = "age"
    attribute: str
    op: Literal["more", "less"]
    count: int
    unit: Literal["day", "week", "month", "year"]


class Length(_Node):
    """So much time. Minutes and hours are exact; days, weeks, months and years are whole days of the local calendar,
    and months and years clamp."""

    count: int
    unit: Literal["minute", "hour", "day", "week", "month", "year"]


class Anniversary(_Node):
    """The day and month of a date come round: in this day, week, month, year, or at most so far from today.

    29 February comes round on the 28th of years that have no 29th. Just one of `span` and `within` is said."""

    kind: Literal["anniversary"] = "anniversary"
    attribute: str
    span: Literal["day", "week", "month", "year"] | None = None
    within: Length | None = None  # days, weeks, months or years


class Refresh(_Node):
    """The facts of the customer are no older than so: read for this request, or since the clock of the settings' zone
    last showed a time of day. Unknown where they are older, never false."""

    kind: Literal["refresh"] = "refresh"
    daily: int | None = None  # seconds of the day; None: «realtime»


Comparison = Annotated[
    Compare | CompareMoney | OneOf | Known | Under | StartsWith | Has | Age, Field(discriminator="kind")
]


class EventOf(_Node):
    """Events of one type; of a product set: those that had an article of it; and those for which all of `where` holds.

    `event` as the schema names it ("orders"), attributes with it ("orders.channel")."""

    event: str
    of: str | None = None
    where: tuple[Comparison, ...] = ()


class InTheLast(_Node):
    """So far back from now, but (between two ages) not so far."""

    kind: Literal["in-the-last"] = "in-the-last"
    length: Length
    but_not: Length | None = None


class Since(_Node):
    """From the beginning of a day on."""

    kind: Literal["since"] = "since"
    day: int


class This(_Node):
    """From the first day of this day, week, month, year on."""

    kind: Literal["this"] = "this"
    span: Literal["day", "week", "month", "year"]


class Ever(_Node):
    """So far."""

    kind: Literal["ever"] = "ever"


Window = Annotated[InTheLast | Since | This | Ever, Field(discriminator="kind")]


class Then(_Node):
    """Within so much time after the event before another one happened, or none did and the time is over."""

    events: EventOf
    within: Length
    none: bool = False


class Happened(_Node):
    """How many events there were in a window, bounds included; each followed by what `then` says, in its order."""

    kind: Literal["happened"] = "happened"
    events: EventOf
    low: int | None = None
    high: int | None = None
    window: Window
    then: tuple[Then, ...] = ()


class SumOf(_Node):
    """What an attribute of events adds up to: all of `holds`, which name the same attribute, hold for the sum.

    With a product set: what was paid for its articles; the attribute is `total`."""

    kind: Literal["sum-of"] = "sum-of"
    attribute: str  # "orders.total"; a number or money
    events: EventOf
    window: Window
    holds: tuple[Comparison, ...]


class NthOrder(_Node):
    """The order at hand, counted in, is the n-th, or one of every n."""

    kind: Literal["nth-order"] = "nth-order"
    event: str  # "orders"
    nth: int
    every: bool = False


class Member(_Node):
    """In a product set (of an item), a segment (of the customer) or a place (of the store), or not in it.

    Inside a product set, place or segment «in» and «not in» follow Kleene for sets and places; segments are closed:
    an unknown membership is no membership, so «not in» a segment holds for the unknown customer."""

    kind: Literal["member"] = "member"
    of: Literal["products", "segment", "place"]
    name: str
    negated: bool = False


class Consent(_Node):
    kind: Literal["consent"] = "consent"
    name: str


class All(_Node):
    kind: Literal["all"] = "all"
    of: tuple[Condition, ...]


class Any_(_Node):
    kind: Literal["any"] = "any"
    of: tuple[Condition, ...]


class None_(_Node):
    kind: Literal["none"] = "none"
    of: tuple[Condition, ...]


class Worth(_Node):
    """What the counting units of the basket (of a set of it) are worth, bounds included."""

    kind: Literal["worth"] = "worth"
    low: Money = ()  # minor units; () = no bound
    high: Money = ()
    of: str | None = None  # a product set; None: the basket
    basis: Literal["group", "list", "current"] = "group"
    # "group": the prices that the promotion's group sees · "list": before discounts · "current": after those so far


class Count(_Node):
    """How many counting units of a set are in the basket, bounds included. A measured line is one unit."""

    kind: Literal["count"] = "count"
    low: int | None = None
    high: int | None = None
    of: str
    one_article: bool = False  # the article of the set with the most units decides


class WorthOtherwise(_Node):
    """Worth, with what is left of the fees of the basket, or without the tax in its prices, or both."""

    kind: Literal["worth-otherwise"] = "worth-otherwise"
    low: Money = ()
    high: Money = ()
    of: str | None = None
    basis: Literal["group", "list", "current"] = "group"
    fees: bool = False
    without_tax: bool = False


class Articles(_Node):
    """Counting units of how many different articles of a set are in the basket, bounds included."""

    kind: Literal["articles"] = "articles"
    low: int | None = None
    high: int | None = None
    of: str


class Measured(_Node):
    """How much of a set is in the basket by measure; lines of another dimension do not count."""

    kind: Literal["measured"] = "measured"
    low: int | None = None  # thousandths of `unit`
    high: int | None = None
    unit: Unit
    of: str


Unit = Literal["kg", "g", "l", "ml", "m", "lb", "oz", "gal"]

Condition = Annotated[
    Compare
    | CompareMoney
    | OneOf
    | Known
    | Under
    | StartsWith
    | Has
    | Age
    | Anniversary
    | Refresh
    | Happened
    | SumOf
    | NthOrder
    | Member
    | Consent
    | All
    | Any_
    | None_
    | Worth
    | WorthOtherwise
    | Count
    | Articles
    | Measured,
    Field(discriminator="kind"),
]


class Line(_Node):
    """One line of a list of conditions, all of which must hold, with its text as the author wrote it (canonical)."""

    condition: Condition
    text: str


# ---------------------------------------------------------------------------------------------------- rewards


class Target(_Node):
    """Whose price falls: a product set, the bought units («them»), the basket, or so many units of a set for each
    application (`count`): other units than the bought ones, of one article where that is asked for; with `fewer` the
    last application may have less of them. Without a `buy` these may be the cheapest or dearest of the basket."""

    kind: Literal["set", "them", "basket", "count"]
    name: str = ""  # of the set
    count: int = 0
    one_article: bool = False
    fewer: bool = False
    pick: Literal["", "cheapest", "dearest"] = ""


class PercentOff(_Node):
    """N% off, per unit, rounded per unit."""

    kind: Literal["percent-off"] = "percent-off"
    percent: int  # basis points, 1 to 10,000
    target: Target


class PercentOffTogether(_Node):
    """N% of the whole, rounded once, prorated. «off the basket» is this one with the basket for a target."""

    kind: Literal["percent-off-together"] = "percent-off-together"
    percent: int
    target: Target


class AmountOffEach(_Node):
    kind: Literal["amount-off-each"] = "amount-off-each"
    amount: Money  # minor units
    target: Target


class AmountOffTogether(_Node):
    """An amount once, shared over the units. «off the basket» is this one with the basket for a target."""

    kind: Literal["amount-off-together"] = "amount-off-together"
    amount: Money
    target: Target


class AmountOffArticle(_Node):
    """An amount once for each article, whatever its quantity, shared over its units."""

    kind: Literal["amount-off-article"] = "amount-off-article"
    amount: Money  # minor units
    target: Target


class AmountOffMeasure(_Node):
    """An amount off per measure: saves round(list amount) - round((price - amount) x measure)."""

    kind: Literal["amount-off-measure"] = "amount-off-measure"
    amount: Money  # micros of the currency unit, per `per` units
    per: Unit
    hundreds: bool = False  # «per 100 g»: the amount is that of 100 units
    target: Target


class FixedPriceEach(_Node):
    """A final price per piece."""

    kind: Literal["fixed-price-each"] = "fixed-price-each"
    price: Money  # minor units
    target: Target


class FixedPriceMeasure(_Node):
    """A final price per measure."""

    kind: Literal["fixed-price-measure"] = "fixed-price-measure"
    price: Money  # micros
    per: Unit
    hundreds: bool = False
    target: Target


class PricesFrom(_Node):
    """A final price for each piece, or for a measure, of the articles of a price list: that which their quantity in
    the basket reaches."""

    kind: Literal["prices-from"] = "prices-from"
    prices: str  # the list's name


class Pick(_Node):
    """N% off (100%: free) the cheapest or dearest k of every `buy` n."""

    kind: Literal["pick"] = "pick"
    which: Literal["cheapest", "dearest"]
    count: int
    percent: int  # basis points


class Step(_Node):
    nth: int  # 1 to n of the `buy`
    percent: int = 0  # basis points, or
    amount: Money = ()  # minor units


class Ladder(_Node):
    """20% off every 2nd, 50% off every 3rd: by the position of a unit in its run of n, dearest first."""

    kind: Literal["ladder"] = "ladder"
    steps: tuple[Step, ...]


class PriceTogether(_Node):
    """n of a set together for a price. With `singles` q units cost ceil(price x q / n)."""

    kind: Literal["price-together"] = "price-together"
    price: Money  # minor units
    singles: bool = False


class BasketPrice(_Node):
    """All of the basket together for a price."""

    kind: Literal["basket-price"] = "basket-price"
    price: Money  # minor units


class Cashier(_Node):
    """What the cashier enters for one of these reasons, at most a percentage or an amount of what it is off."""

    kind: Literal["cashier"] = "cashier"
    reasons: tuple[str, ...] = Field(min_length=1)  # ascending
    percent: int = 0  # basis points; 0: `amount` says it
    amount: Money = ()  # minor units
    text: str  # the line of the reasons


class FreeService(_Node):
    """A benefit: the fee of a service falls to zero."""

    kind: Literal["free-service"] = "free-service"
    service: str


class PercentOffFee(_Node):
    """A benefit: N% off the fee of a service."""

    kind: Literal["percent-off-fee"] = "percent-off-fee"
    percent: int  # basis points, 1 to 10,000
    service: str


class AmountOffFee(_Node):
    """A benefit: an amount off the fee of a service."""

    kind: Literal["amount-off-fee"] = "amount-off-fee"
    amount: Money  # minor units
    service: str


class FeePrice(_Node):
    """A benefit: the fee of a service falls to a price."""

    kind: Literal["fee-price"] = "fee-price"
    price: Money  # minor units
    service: str


class NextCode(_Node):
    """A benefit: a code of a set for the next time, valid for so long."""

    kind: Literal["next-code"] = "next-code"
    codes: str
    valid: Length


FeeReward = FreeService | PercentOffFee | AmountOffFee | FeePrice


class TimesPoints(_Node):
    """A benefit: so many times the base points on what units of a set, or of the basket, cost in the end."""

    kind: Literal["times-points"] = "times-points"
    factor: int = Field(gt=100, le=FACTOR_MAX)  # hundredths: 500 is five times
    target: Target


class FixedPoints(_Node):
    """A benefit: so many points."""

    kind: Literal["fixed-points"] = "fixed-points"
    points: int = Field(ge=1, le=FIXED_POINTS_MAX)


PointsReward = TimesPoints | FixedPoints


class Gift(_Node):
    """A benefit: the customer chooses so many pieces of a set, at a price each; without one for nothing."""

    kind: Literal["gift"] = "gift"
    of: str
    count: int = Field(ge=1, le=FIXED_POINTS_MAX)
    price: Money = ()  # minor units


Benefit = FeeReward | NextCode | PointsReward | Gift  # granted beside prices


Plain = (  # what one promotion gives at a time
    PercentOff
    | PercentOffTogether
    | AmountOffEach
    | AmountOffTogether
    | AmountOffArticle
    | AmountOffMeasure
    | FixedPriceEach
    | FixedPriceMeasure
    | PricesFrom
    | Pick
    | Ladder
    | PriceTogether
    | BasketPrice
    | Cashier
    | FreeService
    | PercentOffFee
    | AmountOffFee
    | FeePrice
    | TimesPoints
    | FixedPoints
    | Gift
    | NextCode
)


class Tier(_Node):
    """What there is from so much on."""

    quantity: int = 0  # pieces, or thousandths of the `unit` of its tiers
    spend: Money = ()  # minor units
    reward: Annotated[Plain, Field(discriminator="kind")]
    text: str


class Tiers(_Node):
    """The last tier that is reached holds for all units: of the basket, or of one article with `one_article`; with
    `stepwise` each unit has the tier that it and those before it reach.

    `target` is what counts and what gets cheaper, a set or the basket; every tier's reward has the same."""

    kind: Literal["tiers"] = "tiers"
    by: Literal["quantity", "spend"]
    target: Target
    unit: Unit | None = None  # of quantities by measure
    basis: Literal["group", "list", "current"] = "group"  # of what is spent: see Worth
    one_article: bool = False
    stepwise: bool = False
    tiers: tuple[Tier, ...] = Field(min_length=1)


class Arm(_Node):
    """A variant; without a name and a reward: the control group."""

    name: str = ""
    share: int = Field(ge=0, le=10_000)  # basis points; those of all arms sum to 10,000
    reward: Annotated[Plain, Field(discriminator="kind")] | None = None


class Variants(_Node):
    """Which reward there is depends on whose basket it is: always the same for one customer, household or basket."""

    kind: Literal["variants"] = "variants"
    by: Literal["customer", "household", "basket"]
    arms: tuple[Arm, ...]
    text: str


Reward = Annotated[Plain | Tiers | Variants, Field(discriminator="kind")]


# ---------------------------------------------------------------------------------------------------- clauses


class Runs(_Node):
    """Local seconds since 1970-01-01T00:00:00 on the clock of `zone`; `until` is the first second that is out.

    A repeated `start` is the first of the two, a repeated `until` the second, a skipped one the first instant after."""

    start: int | None
    until: int | None
    zone: str  # "Europe/Berlin", or "store-time": the zone of the request's store, without one the settings' zone
    text: str


class Slot(_Node):
    """Days of the week and a span of the local clock. A span past midnight belongs to the day it began on."""

    days: int  # bit 0 = Monday … bit 6 = Sunday
    holidays: int | None = None  # those on which it holds when they are holidays; None: the same
    start: int  # seconds of the day; 0 with until = 86,400: the whole day
    until: int  # the first second that is out; at most `start`: past midnight


class OnlyOn(_Node):
    """Any slot. Tested on the clock of the zone of `runs`."""

    slots: tuple[Slot, ...]
    text: str


class Channels(_Node):
    names: tuple[str, ...]  # those it is sold in, sorted; «but not» is already taken out
    text: str


class Choice(_Node):
    """Any of these but none of those: places or segments. `any_of` empty: everyone."""

    any_of: tuple[str, ...]
    but_not: tuple[str, ...]
    text: str


class WithCode(_Node):
    codes: str  # a code set
    text: str


class Need(_Node):
    """So many units of a set, with `one_article` all of one; or so much of it by measure, `count` being 1."""

    of: str
    count: int
    one_article: bool = False
    measure: int = 0  # thousandths of the unit; 0: pieces
    unit: str = ""


class Buy(_Node):
    """What an application takes; repeats as often as units and limits allow."""

    needs: tuple[Need, ...]
    text: str

    @property
    def count(self) -> int:
        """Units of an application."""
        return sum(need.count for need in self.needs)

    @property
    def of(self) -> str:
        """The set of the first need."""
        return self.needs[0].of


class Limit(_Node):
    """How often, how many baskets, or how much saving; for whom; in which period. `key` names its counter.

    A key is scope ":" period ":" measure: "basket:ever:uses", "customer:any-90-days:baskets", "total:each-day:saving".
    """

    measure: Literal["uses", "baskets", "saving"]
    count: int = 0  # uses, baskets
    saving: Money = ()  # minor units
    scope: Literal["basket", "customer", "household", "store", "code", "total"]
    period: str  # "ever", "each-day|week|month|year", "any-N-days|weeks|months|years|hours|minutes"
    key: str
    text: str


class Text(_Node):
    """`{saved}`, `{missing}` and `{points}` in it are filled by engine/texts.py."""

    language: str
    text: str


class Share(_Node):
    """Who pays how much of what a promotion saves, in basis points; the shares of one sum to 10,000."""

    party: Literal["us", "supplier", "partner"]
    name: str = ""  # of all but us
    basis_points: int = Field(ge=0, le=10_000)


class Sign(_Node):
    """What stands before and after the digits of an amount."""

    currency: str
    before: str
    after: str


class Writing(_Node):
    """How a language writes numbers: the sign before decimals, the one between groups, how many digits groups have."""

    language: str
    decimal: str
    group: str
    sizes: tuple[Annotated[int, Field(ge=1, le=9)], Annotated[int, Field(ge=1, le=9)]]  # the last group, the others
    signs: tuple[Sign, ...] = ()


# ---------------------------------------------------------------------------------------------------- programs


class BasePoints(_Node):
    """What everybody earns: so many points for each amount paid; in a currency that it does not name, none."""

    points: int = Field(ge=1, le=BASE_POINTS_MAX)
    per: Money  # minor units


class Settings(_Node):
    """`rounding`: of half a minor unit, away from zero for half-up; of percentages off pieces for each piece, or for
    all that a promotion rewards of an article."""

    program: Literal["settings"] = "settings"
    currencies: tuple[str, ...]  # the first is the one budgets are reported in
    timezone: str
    languages: tuple[str, ...] = ()
    receipt_width: int | None = None
    rounding: Literal["half-up", "half-even", "down", "up"] = "half-up"
    rounding_per: Literal["piece", "article"] = "piece"
    prices_include_tax: bool = True
    cash_rounding: Money = ()  # minor units: what is paid in cash is a multiple of it
    points: BasePoints | None = None
    writings: tuple[Writing, ...] = ()  # of the languages of labels and hints, ascending


class Attribute(_Node):
    """An attribute that rules may ask for. `choices`: the values of a choice, else empty."""

    entity: Literal["customer", "item", "store", "delivery", "basket"]
    name: str  # without the entity: "tier"
    type: Type
    choices: tuple[str, ...] = ()
    default: Scalar | None = None  # taken when it is not given


class EventAttribute(_Node):
    """What may be known of an event. `choices`: the values of a choice, else empty."""

    name: str  # without the event: "channel"
    type: Type
    choices: tuple[str, ...] = ()
    default: Scalar | None = None


class EventType(_Node):
    """What customers do. `name` is that of many ("orders"), `one` that of one ("order"), which requests say."""

    name: str
    one: str
    attributes: tuple[EventAttribute, ...] = ()


class Schema(_Node):
    program: Literal["schema"] = "schema"
    attributes: tuple[Attribute, ...]
    events: tuple[EventType, ...] = ()
    consents: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    payments: tuple[str, ...] = ()


class Column(_Node):
    """One attribute of a table's rows. `values[i]` is row i's, in the attribute's scale; None: not given.

    A money column is in micros of `currency`."""

    name: str
    type: Type
    currency: str = ""
    values: tuple[int | str | None, ...]


class Catalogue(_Node):
    """Articles and their attributes. The column "price" is the list price for requests that bring none.

    Columns carry the names of item attributes, without the entity; "tax-rate" (percent) is one that needs no schema."""

    program: Literal["catalogue"] = "catalogue"
    articles: tuple[str, ...]  # unique, in ascending order
    columns: tuple[Column, ...]


class PriceList(_Node):
    """Prices by article, quantity and day: row i says what one of articles[i] costs from quantities[i] in the basket
    on, on the days from starts[i] to untils[i], both included; None: without a bound.

    Rows ascend by article, quantity and first day. No two are of one article, quantity and day."""

    program: Literal["prices"] = "prices"
    name: str
    articles: tuple[str, ...]
    quantities: tuple[int, ...]  # pieces, or whole units of its measure; 1: from the first on
    starts: tuple[int | None, ...]
    untils: tuple[int | None, ...]
    prices: tuple[Column, ...]  # one for each currency


class Stores(_Node):
    program: Literal["stores"] = "stores"
    ids: tuple[str, ...]  # unique, in ascending order
    zones: tuple[str, ...]  # of each store; "" = the settings' zone
    columns: tuple[Column, ...]


class Holidays(_Node):
    """Days off: days[i] is one where regions[i] says, the value of the store's attribute `region`; "": everywhere."""

    program: Literal["holidays"] = "holidays"
    days: tuple[int, ...]  # with the regions in ascending order, no pair twice
    regions: tuple[str, ...]


class Zone(_Node):
    """The offsets of a time zone, pinned: from instants[i] on (seconds UTC) local time is UTC + offsets[i] seconds.

    instants[0] is the beginning of the covered span; `until` its end: instants outside it are refused."""

    program: Literal["zone"] = "zone"
    name: str
    instants: tuple[int, ...]
    offsets: tuple[int, ...]
    until: int


class ProductSet(_Node):
    program: Literal["products"] = "products"
    name: str
    title: str
    lines: tuple[Line, ...]  # all must hold


class Place(_Node):
    program: Literal["place"] = "place"
    name: str
    title: str
    lines: tuple[Line, ...]


class Segment(_Node):
    """`refresh`: the greatest age of the facts; where they are older, membership is unknown. None: any age will do."""

    program: Literal["segment"] = "segment"
    name: str
    title: str
    lines: tuple[Line, ...]
    refresh: Refresh | None = None


class Group(_Node):
    program: Literal["group"] = "group"
    name: str
    title: str
    gives: Literal["discounts", "benefits"]
    apply: Literal["all", "best", "best-per-item", "first", "first-per-item", "at-most"]
    at_most: int = 0
    prices: Literal["original", "reduced"]
    order: tuple[str, ...] = ()  # promotions that go first, in this order; the others follow by name
    position: int  # in the sequence, from 0


class Floor(_Node):
    """What an amount of each article says is the least that promotions may leave of its price: of a piece, or of one
    unit of measure."""

    of: tuple[str, ...] = Field(min_length=1)  # product sets
    attribute: str  # "item.floor"; money, or "item.price"


class Guard(_Node):
    program: Literal["guard"] = "guard"
    name: str
    title: str
    discount: tuple[str, ...] = ()  # product sets that are never discounted
    reward: tuple[str, ...] = ()
    count: tuple[str, ...] = ()
    ship_free: tuple[str, ...] = ()
    floors: tuple[Floor, ...] = ()
    because: str = ""


class CodeSet(_Node):
    """Codes, unique, ascending; normalised, without surrounding blanks and ASCII letters in upper case, unless they
    are `exact`."""

    program: Literal["codes"] = "codes"
    name: str
    title: str
    codes: tuple[str, ...]
    uses: int | None = None  # how often each code may be used; None: without limit
    exact: bool = False  # compared as they are


class Promotion(_Node):
    program: Literal["promotion"] = "promotion"
    name: str
    title: str
    runs: Runs
    only_on: OnlyOn | None = None
    channels: Channels
    places: Choice | None = None
    audience: Choice
    code: WithCode | None = None
    when: tuple[Line, ...] = ()
    buy: Buy | None = None
    reward: Reward
    per_article: int = Field(default=0, ge=0)  # units of each article that are rewarded at most; 0: any number
    except_: tuple[str, ...] = Field(default=(), alias="except")
    limits: tuple[Limit, ...] = ()
    group: str
    exclusive: bool = False
    not_with: tuple[str, ...] = ()  # promotions; said on one side it holds on both
    labels: tuple[Text, ...] = ()
    terms: tuple[Text, ...] = ()
    hints: tuple[Text, ...] = ()
    owner: str = ""
    funded: tuple[Share, ...] = ()

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)

    @property
    def rewards(self) -> tuple[Plain, ...]:
        """All that it may give: in tiers, in variants."""
        match self.reward:
            case Tiers():
                return tuple(tier.reward for tier in self.reward.tiers)
            case Variants():
                return tuple(arm.reward for arm in self.reward.arms if arm.reward is not None)
            case _:
                return (self.reward,)


Program = Annotated[
    Settings
    | Schema
    | Catalogue
    | PriceList
    | Stores
    | Holidays
    | Zone
    | ProductSet
    | Place
    | Segment
    | Group
    | Guard
    | CodeSet
    | Promotion,
    Field(discriminator="program"),
]

for _model in (All, Any_, None_, Measured, Line, Tiers):
    _model.model_rebuild()

_ADAPTER: TypeAdapter[Program] = TypeAdapter(Program)


def encode(program: Program) -> bytes:
    """The canonical bytes of a Program: JSON, UTF-8, every field, in the order declared here."""
    return _ADAPTER.dump_json(program, by_alias=True)


def decode(data: bytes) -> Program:
    """The Program of these bytes. Raises pydantic.ValidationError for anything else."""
    return _ADAPTER.validate_json(data)


def address(data: bytes) -> str:
    """The name under which canonical bytes are stored: SHA-256 in hex, salted with the format."""
    return hashlib.sha256(b"einklang program %d\x00" % FORMAT + data).hexdigest()
