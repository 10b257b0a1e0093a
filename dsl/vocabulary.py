"""THE table: every declaration, line, attribute type, operator, condition and reward: its meaning, and an example.

The checker, the pages and the tests read these rows; nobody keeps a second list.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dsl.phrases import Phrase, say
from engine.decision import Reason


@dataclass(frozen=True, slots=True)
class Row:
    """What a word means, in one sentence, and a line that uses it. `later`: the code that refuses it today."""

    doc: str
    example: str
    later: str = ""


# ---------------------------------------------------------------------------------------------------- declarations

DECLARATIONS: dict[str, Row] = {
    "settings": Row("what holds for the whole project", "settings {"),
    "schema": Row("the attributes and names that rules may use", "schema {"),
    "catalogue": Row("articles and their attributes, from a table", 'catalogue from "data/catalogue.csv"'),
    "prices": Row("a price list, from a table", 'prices "ACME" from "data/acme.csv"'),
    "stores": Row("stores and their attributes, from a table", 'stores from "data/stores.csv"'),
    "holidays": Row("days off by region, from a table", 'holidays from "data/holidays.csv"'),
    "costs": Row(
        "what articles cost us, from a table: the check says what sells below it", 'costs from "data/costs.csv"'
    ),
    "products": Row("a set of articles: all lines must hold", 'products pasta "Pasta" {'),
    "places": Row("a set of stores: all lines must hold", 'places city "City" {'),
    "segment": Row("a set of customers: all lines must hold", 'segment gold-members "Gold" {'),
    "group": Row("promotions that are weighed together", "group item-deals {"),
    "sequence": Row("the order in which groups have their turn", "sequence item-deals, coupons"),
    "guard": Row("what no promotion overrides", "guard law {"),
    "codes": Row("a set of codes that shoppers enter", "codes spring-code {"),
    "promotion": Row("who gets what, when and where", "promotion pasta-3-for-2 {"),
    "sample": Row("an article for tests", 'sample penne "Penne 500 g" {'),
    "test": Row("a basket and what must come of it", 'test "the cheapest of three is free" {'),
}

# ---------------------------------------------------------------------------------------------------- clauses

CLAUSES: dict[str, Row] = {
    "runs": Row(
        "from a moment, until a moment; a date alone is to its end", "runs from 2026-09-17 08:00 until 2026-09-30"
    ),
    "only on": Row("days of the week, holidays and hours", "only on Mon to Fri between 18:00 and 20:00"),
    "only at": Row("in the stores of these places", "only at city-stores"),
    "sold": Row("in these channels", "sold in stores, webshop"),
    "for": Row("for everyone, or members of segments", "for any of gold-members, champions but not employees"),
    "with code": Row("for those who enter a code of the set", "with code from newsletter"),
    "when": Row(
        "a condition on basket, delivery, payment, store or customer", "when basket is worth at least EUR 50.00"
    ),
    "buy": Row("so many pieces of a set; repeats", "buy 3 of pasta"),
    "get": Row("the reward", "get 10% off pasta"),
    "limit": Row("how often, how many baskets, or how much", "limit 1 per customer"),
    "group": Row("the group it is weighed in", "group item-deals"),
    "except": Row("articles left out of reward, «buy» and thresholds", "except gift-cards"),
    "label": Row("its text on the receipt, in a language", 'label en "Pasta: 3 for 2"'),
    "terms": Row("its small print, in a language", 'terms en "Not paid out in cash."'),
    "hint": Row("what it says while something is missing", 'hint en "{missing} more, please"'),
    "owner": Row("who answers for it", 'owner "Pricing"'),
    "with reason": Row("reasons that a cashier may give", "with reason one of damaged, goodwill"),
    "variants": Row("other rewards for shares of the customers, in place of «get»", "variants by customer {"),
    "exclusive": Row("stands alone among the price promotions of a basket", "exclusive"),
    "not with": Row("never in one basket with these", "not with other-week"),
    "advertised": Row("is advertised as a price reduction", "advertised as price reduction", "P9026"),
    "funded": Row("who pays for the saving", 'funded 60% by supplier "Pastella", rest by us'),
    "on return": Row("what is kept is priced again when some comes back", "on return reprice what is kept", "P9024"),
}

# ---------------------------------------------------------------------------------------------------- conditions

# By the beginning of the line; what stands later in one by its own words.
CONDITIONS: dict[str, Row] = {
    "in": Row("belongs to this set or segment", "in gold-members"),
    "not in": Row("does not belong to this set or segment", "not in gold-members"),
    "all of": Row("all of these lines hold", "all of {"),
    "any of": Row("at least one of these lines holds", "any of {"),
    "none of": Row("none of these lines holds", "none of {"),
    "consent to": Row("the customer gave this consent", "consent to email"),
    "basket is worth": Row("what the counting pieces come to", "basket is worth at least EUR 50.00 of pasta"),
    "before discounts": Row("in list prices", "basket is worth at least EUR 50.00 before discounts"),
    "after discounts": Row("in what earlier groups left", "basket is worth at least EUR 50.00 after discounts"),
    "with fees": Row("fees are counted in", "basket is worth at least EUR 50.00 with fees"),
    "without tax": Row("the tax is counted out", "basket is worth at least EUR 50.00 without tax"),
    "basket has": Row("so many pieces of a set, or so much of it", "basket has at least 2.5 kg of pasta"),
    "of one article": Row("pieces of the same article", "basket has at least 3 of one article of pasta"),
    "articles of": Row("different articles of a set", "basket has at least 2 articles of pasta"),
    "basket has no": Row("nothing of a set", "basket has no pasta"),
    "payment": Row("the means of payment, once it is chosen", "payment is one of cash, card"),
    "delivery": Row("the service that delivers, once it is chosen", "delivery is collect"),
    "at least": Row("so many events or more, in a time", "at least 3 orders of pasta in the last 12 months"),
    "at most": Row("so many events or fewer, in a time", "at most 1 order this year"),
    "exactly": Row("so many events, in a time", "exactly 1 order in the last 12 months"),
    "between": Row("from so many events to so many, both included", "between 2 and 5 orders this year"),
    "no": Row("no such event in a time", "no orders this year"),
    "where": Row("events that have this", "at least 1 order where orders.channel is app so far"),
    "since": Row("a time that begins with a day", "exactly 1 order since 2026-01-01"),
    "ago": Row("a time between two ages", "between 2 and 5 orders between 24 months and 6 months ago"),
    "then": Row(
        "one thing after another",
        "at least 1 visit in the last 30 days, then no orders of pasta within 3 days",
    ),
    "sum of": Row(
        "what an amount adds up to over events in a time",
        "sum of orders.total in the last 12 months is at least EUR 300.00",
    ),
    "this order": Row("the order at hand is the n-th; «every»: each n-th", "this order is the 1st"),
    "anniversary of": Row(
        "a day of the year that comes round", "anniversary of customer.first-seen is within 3 days of today"
    ),
    "similar to": Row("like the customers of a segment", "similar to gold-members at least 80%", "P9003"),
    "refresh": Row("how old facts of the customer may be at most", "refresh daily 03:00"),
}

# ---------------------------------------------------------------------------------------------------- lines of tests

# By the beginning of the line; «…» stands for what an author names.
TEST_LINES: dict[str, Row] = {
    "at": Row("the moment of the basket", "at 2026-09-12 12:00"),
    "sold in": Row("the channel", "sold in stores"),
    "given": Row(
        "a fact of customer, delivery, payment or store, or what happened before; «is unknown» takes a fact away",
        "given customer.tier is gold",
    ),
    "given nothing": Row("a till without network", "given nothing known of the customer"),
    "given consent": Row("the customer gave this consent", "given consent to email"),
    "given code": Row("a code is entered", 'given code "SPRING"'),
    "given used code": Row("a code that was used before", 'given used code "SPRING"'),
    "given fee": Row("a fee is charged", "given fee of shipping EUR 4.95"),
    "given … use": Row("uses of a promotion before", "given 1 use of pasta-week 12 days ago"),
    "given … ago": Row(
        "events before; what they were worth, and their attributes behind «where»",
        "given 2 orders of pasta 30 days ago worth EUR 59.90 where orders.channel is app",
    ),
    "given history": Row("since when the events are known", "given history since 2026-06-01"),
    "given facts": Row("how old the facts of the customer are", "given facts as of 2 hours ago"),
    "given no": Row("an empty history, not an unknown one", "given no orders"),
    "given variant": Row("the arm of a test", "given variant ten of tried"),
    "given control": Row("the arm without a reward", "given control of tried-too"),
    "given cashier": Row("what the cashier enters", "given cashier enters 20% off penne because damaged"),
    "buys": Row("what is in the basket: so many of a sample, or so much", "buys 2 x penne for EUR 1.50 each"),
    "picks": Row("the gift that the customer chooses", "picks 1 x penne as gift of small-gift"),
    "expect": Row("what must come of it", "expect pasta-week saves EUR 1.99"),
    "expect … saves": Row("what a promotion takes off", "expect pasta-week saves EUR 1.99"),
    "expect … applies": Row("it applies, so many times", "expect pasta-week applies 2 times"),
    "expect … does not apply": Row("it does not, for a reason", "expect pasta-week does not apply because schedule"),
    "expect nothing": Row("no promotion applies", "expect nothing applies"),
    "expect total": Row("what the goods cost after discounts, as the settings mean prices", "expect total EUR 4.58"),
    "expect … costs": Row("what a sample costs in all", "expect penne costs EUR 4.58"),
    "expect … points": Row("points of the basket", "expect 120 points"),
    "expect … gift": Row("gifts to choose", "expect 1 gift from sauce"),
    "expect free": Row("a service is free", "expect free shipping"),
    "expect fee": Row("what a service costs", "expect fee of shipping EUR 1.99"),
    "expect a code": Row("a code for the next time", "expect a code from spring"),
    "expect code": Row("why a code is refused", 'expect code "SPRING" refused because code-used'),
    "expect supplier": Row("what a supplier pays", 'expect supplier "Pastella" pays EUR 1.19'),
    "expect return": Row("what a return refunds", "expect return of 1 x penne refunds EUR 1.53"),
    "expect in": Row("a segment the customer is in", "expect in gold-members"),
    "expect not in": Row("a segment the customer is not in", "expect not in gold-members"),
    "expect hint": Row("what is said while something is missing", 'expect hint "1 more of Pasta"'),
}

# ---------------------------------------------------------------------------------------------------- other lines

# By what they stand in: the beginning of a line, its meaning, an example that can be read. «condition» is every list of
# conditions; «promotion» holds what CLAUSES does not have yet.
LINES: dict[str, dict[str, Row]] = {
    "settings": {
        "currency": Row("the currencies; budgets are reported in the first", "currency EUR, CHF"),
        "timezone": Row("whose days and hours are meant where a line says no other zone", "timezone Europe/Berlin"),
        "languages": Row("in which every promotion needs a label", "languages de, en"),
        "receipt width": Row("how many characters a label may have", "receipt width 38"),
        "rounding": Row("how a half cent is rounded, piece by piece or per article", "rounding half-up per article"),
        "cash rounding": Row("what is paid in cash is a multiple of this", "cash rounding CHF 0.05"),
        "prices": Row("whether all prices are with the tax, those of requests too", "prices include tax"),
        "points": Row("base points on what is paid", "points 1 per EUR 1.00"),
    },
    "schema": {
        "attributes": Row(
            "what is known of customers, articles, baskets, stores or deliveries", "attributes customer {"
        ),
        "event": Row("what customers do: its word for many and for one", "event orders, one order {"),
        "consents": Row("what customers can consent to", "consents email, profiling"),
        "channels": Row("where is sold", "channels stores, webshop"),
        "services": Row("what a fee can be charged for", "services shipping, click-and-collect"),
        "payments": Row("means of payment", "payments card, sepa"),
    },
    "condition": CONDITIONS,
    "group": {
        "gives": Row("discounts or benefits, never both", "gives discounts"),
        "apply": Row("which of its promotions apply", "apply best per item"),
        "prices": Row("counted from list prices, or from what earlier groups left", "prices original"),
        "order": Row("its promotions' declared order, for ties and for «first»", "order first, second"),
    },
    "guard": {
        "never discount": Row("no piece of it is made cheaper", "never discount tobacco"),
        "never reward": Row("earns no points, brings no gift", "never reward tobacco"),
        "never count": Row("does not count toward thresholds", "never count tobacco"),
        "never ship free": Row("does not count toward free shipping", "never ship free boulders"),
        "never price": Row("no piece falls below its floor", "never price pasta below item.floor"),
        "because": Row("the law or contract that says so", 'because "TabStG § 26"'),
    },
    "codes": {
        "code": Row("one code for all", 'code "SPRING"'),
        "codes from": Row("codes from the first column of a file", 'codes from "codes.csv"'),
        "each code once": Row("each can be used once", "each code once"),
        "each code": Row("each can be used so often", "each code 3 times"),
        "exact": Row("blanks and capital letters count", "exact"),
    },
    "promotion": {
        "variant": Row("a share of the customers, and its reward", "variant ten 90% get 10% off pasta"),
        "control": Row("the share that gets nothing, to compare with", "control 10%"),
        "from": Row("a tier: from so many, so much, or such a spend on", "from 6 get 5% off"),
    },
    "test": TEST_LINES,
}

# ---------------------------------------------------------------------------------------------------- attribute types


@dataclass(frozen=True, slots=True)
class TypeRow:
    """A type of attributes. `noun` as messages call it, `literal` as its values are written."""

    noun: Phrase
    doc: str
    literal: Phrase
    example: str


TYPES: dict[str, TypeRow] = {
    "text": TypeRow(say("text"), "any text", say('a text: "Pastella"'), "brand: text"),
    "number": TypeRow(say("number"), "a number, whole or with a point", say("a number: 4"), "age-limit: number"),
    "percent": TypeRow(say("percentage"), "a percentage", say("a percentage: 30%"), "churn-risk: percent"),
    "yes-no": TypeRow(say("yes or no"), "yes or no", say("yes or no"), "price-bound: yes-no"),
    "date": TypeRow(say("date"), "a day", say("a date: 2026-09-17"), "first-seen: date"),
    "money": TypeRow(say("money amount"), "an amount in a currency", say("an amount: EUR 5.00"), "price: money"),
    "one of": TypeRow(say("choice"), "one of the words listed", say("one of its words"), "tier: one of silver, gold"),
    "list of text": TypeRow(say("list"), "several texts", say('texts: "roses", "herbs"'), "interests: list of text"),
    "category": TypeRow(say("category"), "a path in the assortment", say('a path: "Food/Pasta"'), "category: category"),
    "country": TypeRow(say("country"), "a country, two capital letters", say("a country: DE"), "country: country"),
    "language": TypeRow(say("language"), "a language, two small letters", say("a language: de"), "language: language"),
    "store": TypeRow(say("store"), "the id of a store", say('a store: "0042"'), "home-store: store"),
    "channel": TypeRow(say("channel"), "one of the schema's channels", say("a channel: webshop"), "channel: channel"),
    "score-1-to-5": TypeRow(
        say("score"), "a whole number from 1 to 5", say("a score from 1 to 5"), "recency: score-1-to-5"
    ),
}

# ---------------------------------------------------------------------------------------------------- operators


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator: which types have it, and what it means."""

    types: tuple[str, ...]
    doc: str
    example: str


_EQUAL = (
    "text",
    "number",
    "percent",
    "yes-no",
    "date",
    "money",
    "one of",
    "category",
    "country",
    "language",
    "store",
    "channel",
    "score-1-to-5",
)
_LISTED = ("text", "number", "one of", "category", "country", "language", "store", "channel", "score-1-to-5")
_ORDERED = ("number", "percent", "money", "score-1-to-5")
_TEXTS = ("text", "category", "store")
_ALL = tuple(TYPES)

OPERATORS: dict[str, Operator] = {
    "is": Operator(_EQUAL, "equal", "customer.tier is gold"),
    "is not": Operator(_EQUAL, "known and different", "customer.tier is not gold"),
    "is one of": Operator(_LISTED, "equal to one of these", "customer.tier is one of silver, gold"),
    "is not one of": Operator(_LISTED, "known and none of these", "customer.tier is not one of silver, gold"),
    "is at least": Operator(_ORDERED, "this or more", "customer.score is at least 4"),
    "is at most": Operator(_ORDERED, "this or less", "customer.score is at most 4"),
    "is more than": Operator(_ORDERED, "more", "customer.score is more than 4"),
    "is less than": Operator(_ORDERED, "less", "customer.score is less than 4"),
    "is between": Operator(
        (*_ORDERED, "date"), "from one to the other, both included", "customer.score is between 2 and 4"
    ),
    "is before": Operator(("date",), "an earlier day", "customer.first-seen is before 2024-01-01"),
    "is after": Operator(("date",), "a later day", "customer.first-seen is after 2024-01-01"),
    "is more than … ago": Operator(("date",), "longer ago", "customer.first-seen is more than 2 years ago"),
    "is less than … ago": Operator(("date",), "not so long ago", "customer.first-seen is less than 2 years ago"),
    "is known": Operator(_ALL, "it was given", "customer.birthday is known"),
    "is unknown": Operator(_ALL, "it was not given", "customer.birthday is unknown"),
    "is under": Operator(("category", "text"), "the path and all below it", 'item.category is under "Food"'),
    "starts with": Operator(_TEXTS, "begins with this text", 'item.sku starts with "GC-"'),
    "is listed in": Operator(_TEXTS, "stands in the first column of a file", 'item.sku is listed in "lists/small.csv"'),
    "has": Operator(("list of text",), "this is among them", 'customer.interests has "roses"'),
    "has one of": Operator(
        ("list of text",), "one of these is among them", 'customer.interests has one of "roses", "herbs"'
    ),
}

# ---------------------------------------------------------------------------------------------------- rewards

REWARDS: dict[str, Row] = {
    "percent off": Row("a percentage off each piece", "get 10% off pasta"),
    "percent off together": Row("a percentage of the whole, rounded once", "get 10% off pasta together"),
    "percent off the basket": Row("a percentage of the basket, rounded once", "get 10% off the basket"),
    "amount off each": Row("an amount off each piece", "get EUR 1.00 off pasta each"),
    "amount off together": Row("an amount once, shared over the pieces", "get EUR 1.00 off pasta together"),
    "amount off the basket": Row("an amount off the basket", "get EUR 5.00 off the basket"),
    "amount off per measure": Row("an amount off per kg, l, …", "get EUR 0.10 off per kg of pasta"),
    "price each": Row("a final price of each piece", "get pasta for EUR 1.00 each"),
    "price per measure": Row("a final price per kg, l, …", "get pasta for EUR 0.99 per kg"),
    "free": Row("the cheapest or dearest of those bought", "get the cheapest 1 free"),
    "percent off pick": Row("a percentage off the cheapest or dearest of those bought", "get 50% off the cheapest 1"),
    "every n-th": Row("by price, dearest first, in runs of «buy»", "get 20% off every 2nd, 50% off every 3rd"),
    "together": Row("a price for those bought", "get them together for EUR 5.00"),
    "singles too": Row("one or two cost their share of it", "get them together for EUR 5.00, singles too"),
    "off them": Row("a percentage off each of those bought", "get 10% off them"),
    "off them together": Row("an amount off those bought, once", "get EUR 5.00 off them together"),
    "amount off per article": Row("once for each article", "get EUR 5.00 off pasta per article"),
    "off the cheapest of": Row("chosen over the basket", "get 50% off the cheapest 2 of pasta"),
    "price of the basket": Row("a final price of all", "get the basket for EUR 20.00"),
    "prices from list": Row("the prices of a list", 'get prices from list "ACME"'),
    "off the basket with fees": Row("goods and fees share it", "get EUR 10.00 off the basket with fees", "P9035"),
    "others free": Row("so many of another set for those bought", "get 1 of sauce free"),
    "off others": Row("off so many of another set", "get 50% off 1 of sauce"),
    "others for": Row("others at a price; a part of them will do", "get 2 of sauce for EUR 1.00 each, fewer too"),
    "cashier": Row("what the cashier enters, with a reason", "get what the cashier enters, at most 30%"),
    "by quantity": Row("tiers by pieces or measure: the highest reached counts", "get by quantity of pasta {"),
    "by spend": Row("tiers by what is spent", "get by spend of the basket {"),
    "step by step": Row("each piece by the tier of its place", "get by quantity of pasta, step by step {"),
    "free service": Row("a service's fee falls to zero", "get free shipping"),
    "off the fee": Row("a fee is reduced", "get 50% off the fee of shipping"),
    "price of the fee": Row("a fee at a price", "get the fee of shipping for EUR 1.99"),
    "gift": Row("the customer chooses so many of a set", "get 1 gift from sauce"),
    "gift for": Row("a gift at a price", "get 1 gift from sauce for EUR 1.00"),
    "times points": Row("so many times the base points", "get 5 times points on pasta"),
    "points": Row("a fixed number of points", "get 500 points"),
    "next code": Row("a code of a set for the next time", "get a code from spring valid for 30 days"),
}
TIERS: dict[str, Row] = {
    "percent": Row("a percentage off each piece", "from 6 get 5% off"),
    "amount": Row("an amount off each piece, or once «together»", "from 6 get EUR 1.00 off each"),
    "per measure": Row("an amount off per kg, l, …", "from 20 kg get EUR 0.10 off per kg"),
    "price": Row("a final price", "from 6 get them for EUR 3.99 each"),
    "points": Row("a fixed number of points", "from 6 get 500 points"),
    "gift": Row("gifts to choose", "from 6 get 2 gifts from sauce"),
}

# ---------------------------------------------------------------------------------------------------- placeholders

PLACEHOLDERS: dict[str, Row] = {
    "saved": Row("what the promotion takes off, in a label", 'label en "You save {saved}"'),
    "points": Row("the points that it gives, in a label", 'label en "{points} points for you"'),
    "missing": Row("what is missing to get it, in a hint", 'hint en "{missing} more, please"'),
}

# ---------------------------------------------------------------------------------------------------- names and words

# Names that the parser would take for a keyword, each only in its place.
RESERVED: dict[str, frozenset[str]] = {
    "product set": frozenset("a by every free prices the them what one".split()),
    "service": frozenset("a by every free prices the them what".split()),
    "segment": frozenset(("any", "everyone")),
    "event": frozenset("no of use uses customer item basket store delivery payment".split()),
    "places": frozenset(("any", "everyone")),
    "value": frozenset("after before between known not under unknown".split()),
    "promotion": frozenset("a code fee free hint in not nothing partner return supplier total".split()),
    "sample": frozenset("a code fee free hint in not nothing partner return supplier total".split()),
}

REASONS: dict[str, Reason] = {reason.name.lower().replace("_", "-"): reason for reason in Reason}

# Words that people write where the language has another one, the likeliest first.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "all": ("everyone", "everywhere"),
    "at": ("in",),
    "bis": ("until",),
    "discount": ("off",),
    "everyone": ("everywhere",),
    "everywhere": ("everyone",),
    "greater": ("more than", "at least"),
    "contains": ("has",),
    "except": ("but",),
    "if": ("when",),
    "max": ("at most",),
    "maximum": ("at most",),
    "min": ("at least",),
    "minimum": ("at least",),
    "more": ("at least",),
    "less": ("at most",),
    "only": ("exactly",),
    "overall": ("in",),
    "per": ("each",),
    "till": ("until",),
    "to": ("until",),
    "von": ("from",),
    "without": ("except", "but"),
}

# What a place in a line can hold, where it is no keyword: the grammar's terminals in people's words.
EXPECTED: dict[str, tuple[str | Phrase, ...]] = {
    "AT_LEAST": ("at least",),
    "AT_MOST": ("at most",),
    "ONE_OF": ("one of",),
    "MORE_THAN": ("more than",),
    "LESS_THAN": ("less than",),
    "LISTED_IN": ("listed in",),
    "DOES_NOT_APPLY": ("does not apply",),
    "PER_ITEM": ("per item",),
    "PER_UNIT": ("per kg",),
    "PER_BASKET": ("per basket",),
    "SHIP_FREE": ("ship free",),
    "GIFTS": ("gifts",),
    "USES": ("uses",),
    "MONEY": (say("an amount like EUR 5.00"),),
    "PERCENT": (say("a percentage like 10%"),),
    "DURATION": (say("a time like 30 days"),),
    "MEASURE": (say("a measure like 2.5 kg"),),
    "DATE": (say("a date like 2026-09-17"),),
    "TIME": (say("a time like 18:00"),),
    "NTH": (say("a place like 2nd"),),
    "DECIMAL": (say("a number"),),
    "INT": (say("a number"),),
    "CURRENCY": (say("a currency like EUR"),),
    "COUNTRY": (say("a country like DE"),),
    "LANG": (say("a language like de"),),
    "DAY": (say("a day like Mon"),),
    "ZONE": (say("a time zone like Europe/Berlin"), "store-time"),
    "PATH": (say("an attribute like customer.tier"),),
    "NAME": (say("a name"),),
    "STRING": (say('a text like "Pasta"'),),
    "_NL": (say("the end of the line"),),
}


def row_of(within: str, line: str) -> tuple[str, Row] | None:
    """The row of the longest beginning of a line, with that beginning. `within`: the keyword of the declaration."""
    conditions = within in ("products", "places", "segment", "promotion")
    rows = {**(LINES["condition"] if conditions else {}), **LINES.get(within, {})}
    rows |= CLAUSES if within == "promotion" else {} if within else DECLARATIONS
    keys = [key for key in rows if _begins(key, " ".join(line.split()))]
    return (key := max(keys, key=len), rows[key]) if keys else None


def _begins(key: str, line: str) -> bool:
    """Does a line begin so? «…» stands for any words."""
    words = " (?:.* )?".join(re.escape(part.strip()) for part in key.split("…"))
    more = "s?" if "…" in key else ""  # one use, two uses
    return re.match(f"{words}{more}(?: |$)", line) is not None
