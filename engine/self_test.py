"""What a node tries a ruleset with before it decides by it: requests that follow from the ruleset alone.

Of promotions from all over the ruleset, evenly, each gets a basket that it may apply to: at an instant while it runs,
in one of its channels and currencies, with articles of the product sets that it buys and rewards, enough of them, for a
customer who is what rules ask for every other time. Baskets of several of them together, of articles from all over the
catalogue, and what a cashier enters come on top. Whether a promotion then applies is not the point: every node that has
the same ruleset makes the same requests, and must get the same decisions (server/self_test.py).

Nothing here can be wrong about a request but that the ruleset refuses it, which is a result as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set

import numpy as np

from engine.basket import (
    AT_MAX_US,
    AT_MIN_US,
    BASIS_POINTS,
    TEXT_MAX,
    BasketLine,
    Customer,
    Fact,
    Facts,
    Fee,
    ManualDiscount,
    Request,
)
from engine.image import Ruleset
from engine.instructions import UNITS, Cmp, Op
from engine.money import micros_per_minor
from engine.program import (
    All,
    Any_,
    Attribute,
    Compare,
    Condition,
    Has,
    Member,
    OneOf,
    ProductSet,
    Scalar,
    StartsWith,
    Type,
    Under,
)

PROMOTIONS = 22  # that get a basket each
TOGETHER = 3  # baskets of several of them
EACH_TOGETHER = 6  # promotions in one of these
LONG = 40  # lines of the longest basket
SINGLE = 4  # baskets of one line
REQUESTS_MAX = PROMOTIONS + TOGETHER + SINGLE + 2

OF_A_SET = 3  # articles
QUANTITIES = (1, 3, 2, 4)
BUY_MAX = 24  # pieces that a `buy` gets
DEEP = 8  # conditions within conditions that an article is made from
WISHES = 8  # values of one attribute that rules ask for
FEE_MINOR = 499
PRICES_MINOR = (199, 1_099, 449, 2_599, 89)  # where the catalogue has none
MEASURE = 1_500  # thousandths
PLAIN = frozenset(Type) - {Type.MONEY, Type.TEXTS}  # of the facts of customers that every till sends
BORN = 7_305  # days from 1970 to 1990


class Sample:
    """An article to buy."""

    def __init__(self, article: str, attributes: Facts | None = None) -> None:
        self.article = article
        self.attributes: Facts = attributes or {}


def requests(ruleset: Ruleset) -> tuple[Request, ...]:
    """At most REQUESTS_MAX, the same for the same ruleset."""
    return tuple(_Baskets(ruleset).all())


def evenly(count: int, most: int) -> list[int]:
    """At most so many of 0 … count - 1, as far apart as can be."""
    return list(range(count)) if count <= most else [i * count // most for i in range(most)]


class _Baskets:
    def __init__(self, ruleset: Ruleset) -> None:
        self.ruleset = ruleset
        self.articles = ruleset.articles.index.texts
        self.picked = evenly(len(ruleset.promotions), PROMOTIONS)
        self.sets = {promotion: self._sets_of(promotion) for promotion in self.picked}
        self.samples = self._samples(sorted({number for some in self.sets.values() for number in some}))
        self.wishes = self._wishes()

    def all(self) -> Iterable[Request]:
        """Each of them."""
        turn = 0
        for promotion in self.picked:
            yield self._request(turn, promotion, self._lines_of(promotion, turn))
            turn += 1
        for some in range(TOGETHER if self.picked else 0):
            group = self.picked[some::TOGETHER][:EACH_TOGETHER]
            lines = [line for promotion in group for line in self._lines_of(promotion, turn)]
            if lines:
                yield self._request(turn, group[0], lines)
            turn += 1
        first = self.picked[0] if self.picked else None
        known = evenly(len(self.articles), LONG)
        singles = [known[place] for place in evenly(len(known), SINGLE)]
        for some_rows in [*([row] for row in singles), known]:
            if some_rows:
                yield self._request(turn, first, [(Sample(self.articles[row]), 0, "") for row in some_rows])
            turn += 1
        if self.ruleset.rules.by_entry.size:
            yield self._entered(turn)

    # ------------------------------------------------------------------------------------------------ what is bought

    def _sets_of(self, promotion: int) -> list[int]:
        """The product sets, and behind them price lists, that a promotion's first reward buys and rewards."""
        rules = self.ruleset.rules
        roles = rules.roles[rules.role_begin[promotion] : rules.role_begin[promotion + 1], 0]
        touching = np.flatnonzero(rules.touch == promotion)[:OF_A_SET]
        touched = np.searchsorted(rules.touch_begin, touching, "right") - 1
        return sorted({number for number in (*roles.tolist(), *touched.tolist()) if number >= 0})[: 2 * OF_A_SET]

    def _lines_of(self, promotion: int, turn: int) -> list[tuple[Sample, int, str]]:
        """Articles of its sets, how many pieces (0: as it comes), in which unit."""
        rules = self.ruleset.rules
        found = [sample for number in self.sets[promotion] for sample in self.samples[number]]
        if not found and len(self.articles):
            found = [Sample(self.articles[(turn * 7_919) % len(self.articles)])]
        least = min(BUY_MAX, int(rules.buy[promotion]))
        return [(sample, least, self._unit(promotion)) for sample in found or [Sample("self-test")]]

    def _unit(self, promotion: int) -> str:
        """The unit of measure that it is about; "": pieces."""
        rules = self.ruleset.rules
        dimension = int(rules.dimension[promotion])
        roles = rules.by_measure[rules.role_begin[promotion] : rules.role_begin[promotion + 1], 1]
        dimension = dimension or int(roles.max(initial=0))
        return next((name for name, of, _ in UNITS if of == dimension), "") if dimension > 0 else ""

    def _samples(self, numbers: Sequence[int]) -> Mapping[int, Sequence[Sample]]:
        """Some articles of each of these sets and price lists."""
        ruleset = self.ruleset
        sets = len(ruleset.set_names)
        found: dict[int, list[Sample]] = {}
        wanted = np.zeros(sets, np.bool_)
        wanted[[number for number in numbers if number < sets]] = True
        places = np.flatnonzero(wanted[ruleset.posting])
        rows = np.searchsorted(ruleset.posting_begin, places, "right") - 1
        of = ruleset.posting[places]
        for number in numbers:
            if number >= sets:
                texts = ruleset.price_lists[number - sets].index.texts
                found[number] = [Sample(texts[i]) for i in evenly(len(texts), OF_A_SET)]
                continue
            members = rows[of == number]
            some = [Sample(self.articles[int(members[i])]) for i in evenly(len(members), OF_A_SET)]
            found[number] = some or self._made(ruleset.sets[ruleset.set_names[number]])
        return found

    def _made(self, products: ProductSet) -> list[Sample]:
        """Articles that the catalogue does not know, as the conditions of a set ask for them."""
        made = []
        for choice in range(OF_A_SET):
            facts: dict[str, Scalar | tuple[str, ...]] = {}
            for line in products.lines:
                self._fit(line.condition, choice, facts, DEEP)
            article = str(facts.pop("item.sku", f"self-test-{choice + 1}"))[:TEXT_MAX]
            attributes = {}
            for name, value in facts.items():
                declared = self.ruleset.attributes.get(name)
                if declared is not None and declared.type is not Type.MONEY:
                    attributes[declared.name] = Fact(declared.type, value)
            made.append(Sample(article, attributes))
        different = {one.article: one for one in made}
        return list(different.values())

    def _fit(self, condition: Condition, choice: int, facts: dict[str, Scalar | tuple[str, ...]], deep: int) -> None:
        """Note what an article must be for a condition to hold, as far as that is simple."""
        match condition:
            case _ if deep == 0:
                return
            case Compare(op="eq" | "le" | "ge"):
                facts.setdefault(condition.attribute, condition.value)
            case OneOf(negated=False) if condition.values:
                facts.setdefault(condition.attribute, condition.values[choice % len(condition.values)])
            case Has() if condition.values:
                facts.setdefault(condition.attribute, (condition.values[choice % len(condition.values)],))
            case Under():
                facts.setdefault(condition.attribute, condition.path)
            case StartsWith():
                facts.setdefault(condition.attribute, condition.prefix)
            case Member(of="products", negated=False):
                for line in self.ruleset.sets[condition.name].lines:
                    self._fit(line.condition, choice, facts, deep - 1)
            case All():
                for part in condition.of:
                    self._fit(part, choice, facts, deep - 1)
            case Any_() if condition.of:
                self._fit(condition.of[choice % len(condition.of)], choice, facts, deep - 1)

    # ------------------------------------------------------------------------------------------------ who, when, where

    def _request(self, turn: int, promotion: int | None, bought: Sequence[tuple[Sample, int, str]]) -> Request:
        """A basket while this promotion runs."""
        ruleset, rules = self.ruleset, self.ruleset.rules
        channels, currencies = ruleset.schema.channels, ruleset.currencies
        currency, channel = currencies[turn % len(currencies)], channels[turn % len(channels)] if channels else ""
        if promotion is not None:
            currency = _of_bits(currencies, int(rules.currencies[promotion]), turn) or currency
            channel = _of_bits(channels, int(rules.channels[promotion]), turn) or channel
        services, payments, stores = ruleset.schema.services, ruleset.schema.payments, ruleset.stores.index
        known = turn % 2 == 1  # an unknown customer, then a known one
        everything = turn % 4 == 3  # and then all that can be said, which is not an ordinary request any more
        service = services[turn % len(services)] if services and turn % 3 else ""
        return Request(
            at_us=self._at_us(promotion, turn),
            currency=currency,
            channel=channel,
            lines=self._lines(turn, bought, currency),
            store=self._store(turn) if everything or (turn % 4 and len(stores)) else "",
            store_attributes=self._facts("store", turn, currency) if everything and not len(stores) else {},
            delivery=service,
            delivery_attributes=self._facts("delivery", turn, currency) if everything and service else {},
            payment=payments[turn % len(payments)] if payments and turn % 2 else "",
            basket_attributes=self._facts("basket", turn, currency) if everything else {},
            customer=self._customer(turn, currency, frozenset(Type) if everything else PLAIN) if known else Customer(),
            fees=(Fee(service, FEE_MINOR),) if service else (),
            basket=f"self-test-{turn}" if known else "",
        )

    def _lines(self, turn: int, bought: Sequence[tuple[Sample, int, str]], currency: str) -> tuple[BasketLine, ...]:
        lines = []
        for place, (sample, least, unit) in enumerate(bought):
            pieces = max(least, QUANTITIES[(turn + place) % len(QUANTITIES)])
            row = self.ruleset.catalogue.index.get(sample.article, -1)
            price = PRICES_MINOR[(turn + place) % len(PRICES_MINOR)] * micros_per_minor(currency)
            lines.append(
                BasketLine(
                    id=str(place + 1),
                    article=sample.article,
                    quantity=0 if unit else pieces,
                    measure=pieces * MEASURE if unit else 0,
                    unit=unit,
                    price_micros=price if self.ruleset.catalogue.cell(row, "price", currency) is None else None,
                    attributes=sample.attributes,
                )
            )
        return tuple(lines)

    def _at_us(self, promotion: int | None, turn: int) -> int:
        """An instant while it runs, on another day and at another hour each time."""
        rules = self.ruleset.rules
        if promotion is None:
            return AT_MAX_US // 2
        row = int(rules.window[promotion])
        if rules.window_by_zone[promotion]:
            row += self.ruleset.settings_zone
        begin, end = max(AT_MIN_US, int(rules.windows[row, 0])), min(AT_MAX_US, int(rules.windows[row, 1]))
        return min(max(begin + (end - begin) * (turn % 7 + 1) // 8, AT_MIN_US), AT_MAX_US)

    def _store(self, turn: int) -> str:
        asked, stores = self.wishes.get("store.id"), self.ruleset.all_stores.names.index.texts
        if asked and turn % 8 == 3:
            return str(asked[turn % len(asked)])[:TEXT_MAX]
        return stores[(turn * 31) % len(stores)] if len(stores) else "self-test"

    def _customer(self, turn: int, currency: str, types: Set[Type]) -> Customer:
        asked = self.wishes.get("customer.id")
        name = str(asked[turn % len(asked)]) if asked and turn % 4 == 3 else f"self-test-{turn}"
        return Customer(
            id=name[:TEXT_MAX],
            household=f"self-test-{turn // 2}",
            attributes=self._facts("customer", turn, currency, types),
            consents=frozenset(self.ruleset.schema.consents) if turn % 4 == 1 else None,
        )

    def _facts(self, entity: str, turn: int, currency: str, types: Set[Type] = frozenset(Type)) -> Facts:
        """What is known of one: of each attribute the values that rules ask for, one after another."""
        found = {}
        for place, attribute in enumerate(self.ruleset.schema.attributes):
            if attribute.entity == entity and attribute.type in types:
                asked = self.wishes.get(f"{entity}.{attribute.name}")
                found[attribute.name] = _fact(attribute, asked, turn // 2 + place, currency)
        return found

    def _wishes(self) -> Mapping[str, Sequence[Scalar]]:
        """What the conditions compare the request's facts with, by attribute."""
        rules, slots = self.ruleset.rules, self.ruleset.slots
        code = rules.code
        equal = (code[:, 0] == Op.COMPARE) & np.isin(code[:, 2], (Cmp.EQ, Cmp.LE, Cmp.GE))
        among = (code[:, 0] == Op.ONE_OF) & (code[:, 4] == 0) & (code[:, 2] < code[:, 3])
        rows = [code[equal][:, (1, 3)]]
        rows.append(np.stack((code[among, 1], rules.pool[code[among, 2]]), axis=1))
        found: dict[str, list[Scalar]] = {}
        for slot, value in np.unique(np.concatenate(rows), axis=0).tolist():
            wishes = found.setdefault(slots[slot].attribute, [])
            if slots[slot].condition is None and len(wishes) < WISHES:
                wishes.append(self.ruleset.symbols.texts[value] if self._is_text(slots[slot].attribute) else value)
        for one in slots:
            match one.condition:
                case StartsWith(prefix=text) | Under(path=text):
                    found.setdefault(one.attribute, []).append(text)
                case Has(values=texts):
                    found.setdefault(one.attribute, []).extend(texts[:WISHES])
        return found

    def _is_text(self, attribute: str) -> bool:
        declared = self.ruleset.attributes.get(attribute)
        return attribute != "basket.lines" and (declared is None or declared.type in {Type.TEXT, Type.TEXTS})

    def _entered(self, turn: int) -> Request:
        """What a cashier enters for the first reason that a promotion takes."""
        rules = self.ruleset.rules
        reward = int(rules.by_entry[0])
        promotion = int(rules.entry_owner[0])
        reasons = rules.reasons[rules.reason_begin[reward] : rules.reason_begin[reward + 1]].tolist()
        reason = self.ruleset.symbols.texts[reasons[0]] if reasons else "self-test"
        asked = self._request(
            turn, promotion, [(Sample(self.articles[0] if len(self.articles) else "self-test"), 2, "")]
        )
        entry = ManualDiscount("percent", BASIS_POINTS // 10, reason, line=asked.lines[0].id)
        return Request(asked.at_us, asked.currency, asked.channel, asked.lines, manual_discounts=(entry,))


def _of_bits(names: Sequence[str], bits: int, turn: int) -> str:
    """One of the names whose bit is set."""
    some = [name for place, name in enumerate(names) if bits >> place & 1]
    return some[turn % len(some)] if some else ""


def _fact(attribute: Attribute, asked: Sequence[Scalar] | None, turn: int, currency: str) -> Fact:
    """A value that the attribute can have."""
    wish = asked[turn % len(asked)] if asked else None
    choice = attribute.choices[turn % len(attribute.choices)] if attribute.choices else "self-test"
    match attribute.type:
        case Type.TEXT:
            return Fact(Type.TEXT, wish if isinstance(wish, str) else choice)
        case Type.TEXTS:
            return Fact(Type.TEXTS, (wish if isinstance(wish, str) else choice,))
        case Type.NUMBER:
            return Fact(Type.NUMBER, wish if isinstance(wish, int) else (turn + 1) * 1_000_000)
        case Type.PERCENT:
            return Fact(Type.PERCENT, wish if isinstance(wish, int) else 1_000)
        case Type.YES_NO:
            return Fact(Type.YES_NO, wish if isinstance(wish, int) else turn % 2)
        case Type.DATE:
            return Fact(Type.DATE, wish if isinstance(wish, int) else BORN + 397 * turn)
        case Type.MONEY:
            return Fact(Type.MONEY, 50 * micros_per_minor(currency) * 100, currency)
