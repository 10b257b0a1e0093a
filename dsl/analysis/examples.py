"""Baskets that show a claim: made of a world in which both promotions may take part.

A basket is built as far as its parts are plain: whoever finds that it does not show what it should, leaves it out.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from dsl.analysis.claims import Claim
from dsl.analysis.clock import DAY, must_hold
from dsl.analysis.guarded import kept_out, reach
from dsl.analysis.never_applies import parts_of, place_pairs, scopes_of, set_of
from dsl.analysis.ruleset import Rules
from dsl.analysis.values import Value
from dsl.analysis.worlds import Amount, Pair, Scope, Want, World, Worlds, in_set
from dsl.zones import local_seconds, utc_seconds
from engine import program as p
from engine.basket import BasketLine, Customer, Fact, Fee, Request
from engine.money import micros_per_minor

DAYS_TRIED: Final = 400  # from the beginning: every weekday and month comes
SOME_DAY: Final = 20_605  # 2026-06-01, where a promotion has no beginning
UNIT_PRICE: Final = 10  # of the currency, where nothing else says what an article costs
PIECES_MAX: Final = 1_000
EXAMPLES_MAX: Final = 200  # nobody looks at more
_EPOCH = datetime.date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Example:
    """A basket that shows what a finding claims: `promotion` gets this reason, while `by` applies."""

    code: str
    promotion: str
    by: str
    reasons: tuple[Literal["beaten", "no-saving", "condition"], ...]
    request: Request


def examples(rules: Rules, claims: Iterable[Claim]) -> Iterator[Example]:
    """A basket for each claim about two promotions of which one can be made."""
    worlds = Worlds(rules)
    shown = 0
    for claim in claims:
        if claim.code not in ("P6001", "P6002") or shown >= EXAMPLES_MAX:
            continue
        promotion, other = rules.promotions[claim.name], rules.promotions[str(claim.words["other"])]
        number = int(claim.part.split()[1]) if claim.code == "P6002" else -1
        request = _Builder(rules, worlds, promotion, other, number).request()
        if request is not None:
            shown += 1
            undone = claim.code == "P6002"
            yield Example(
                claim.code, promotion.name, other.name, ("condition",) if undone else ("beaten", "no-saving"), request
            )


@dataclass
class _Builder:
    """One basket. `undone`: the number of the threshold that shall fail, -1: none."""

    rules: Rules
    worlds: Worlds
    promotion: p.Promotion
    other: p.Promotion
    undone: int
    lines: list[BasketLine] = field(default_factory=list)

    def request(self) -> Request | None:
        """The basket, or None where it cannot be made so simply."""
        rules, one, other = self.rules, self.promotion, self.other
        currencies = {scope.currency for scope in scopes_of(rules, other)}
        scope = next((scope for scope in scopes_of(rules, one) if scope.currency in currencies), None)
        channels = sorted(set(one.channels.names) & set(other.channels.names))
        if scope is None or not channels:
            return None
        parts = [*parts_of(rules, self.worlds, one), *parts_of(rules, self.worlds, other)]
        pairs = [pair for part in parts for pair in part.pairs]
        amounts = [amount for part in parts for amount in part.amounts]
        rough = self.worlds.find(pairs, scope, amounts)
        if rough is None or not rough.sure:
            return None
        at = self._instant(_text(rough.facts.get("store.id")))
        if at is None:
            return None
        today = local_seconds(rules.settings.timezone, at) // DAY
        exact = Scope(scope.currency, (today, today), scope.original)
        world = self.worlds.find(pairs, exact, amounts)
        if world is None or not world.sure or not self._fill(world, exact):
            return None
        return self._with(world, exact, at, channels[0])

    # ------------------------------------------------------------------------------------------------ when

    def _instant(self, store: str) -> int | None:
        """A second at which both run."""
        runs = self.promotion.runs, self.other.runs
        starts = [span.start for span in runs if span.start is not None]
        first = max(starts) // DAY if starts else SOME_DAY
        zone = self.rules.settings.timezone
        seconds = {12 * 3600, *(span.start % DAY for span in runs if span.start is not None)}
        for promotion in (self.promotion, self.other):
            seconds |= {slot.start for slot in promotion.only_on.slots} if promotion.only_on else set()
        for day in range(first, first + DAYS_TRIED):
            for second in sorted(seconds, key=lambda one: (one != 12 * 3600, one)):
                at = utc_seconds(zone, _EPOCH + datetime.timedelta(days=day), second)
                if all(self._runs(promotion, at, store) for promotion in (self.promotion, self.other)):
                    return at
        return None

    def _runs(self, promotion: p.Promotion, at: int, store: str) -> bool:
        name = promotion.runs.zone
        if name == "store-time":
            stores = self.rules.stores
            place = stores.ids.index(store) if stores and store in stores.ids else -1
            name = (stores.zones[place] if stores and place >= 0 else "") or self.rules.settings.timezone
        local = local_seconds(name, at)
        start, until = promotion.runs.start, promotion.runs.until
        if (start is not None and local < start) or (until is not None and local >= until):
            return False
        if promotion.only_on is None:
            return True
        day, second = divmod(local, DAY)
        return any(
            must_hold(self.rules, slot, day)
            and slot.start <= second
            and (second < slot.until or slot.until <= slot.start)
            for slot in promotion.only_on.slots
        )

    # ------------------------------------------------------------------------------------------------ lines

    def _fill(self, world: World, scope: Scope) -> bool:
        """Lines that reach what both ask for."""
        one, other = self.promotion, self.other
        sets = [name for name in (set_of(one), set_of(other)) if name is not None]
        left_out = (*one.except_, *other.except_)
        if self.undone >= 0:
            return self._at_the_threshold(sets, left_out, scope)
        needed = [amount for amount in world.amounts if amount.low]
        if not isinstance(one.reward, p.FeeReward | p.NextCode):
            if not self._line(tuple(dict.fromkeys(sets)), left_out, scope, [one, other]):
                return False
        elif not needed:
            return self._line((), left_out, scope, [one])
        return all(self._reach(amount, left_out, scope) for amount in needed)

    def _at_the_threshold(self, sets: Sequence[str], left_out: tuple[str, ...], scope: Scope) -> bool:
        """One article that the threshold counts and the other promotion makes cheaper, worth exactly the threshold."""
        threshold = self.promotion.when[self.undone].condition
        assert isinstance(threshold, p.Worth)
        low = next((part.value for part in threshold.low if part.currency == scope.currency), 0)
        theirs = set_of(self.other)
        counted = [name for name in (threshold.of, theirs) if name is not None]
        pieces = self.other.buy.count if self.other.buy else 1
        if not low or not self._line(tuple(dict.fromkeys(counted)), left_out, scope, [self.other]):
            return False
        line = self.lines[0]
        if line.unit:
            return False
        price = -(-low // pieces) * micros_per_minor(scope.currency)
        self.lines[0] = BasketLine(
            line.id, line.article, quantity=pieces, price_micros=price, attributes=line.attributes
        )
        return True

    def _line(
        self, sets: tuple[str, ...], left_out: tuple[str, ...], scope: Scope, promotions: Sequence[p.Promotion]
    ) -> bool:
        """A line of an article that is in all of these sets and that nothing keeps out."""
        article, facts = self._article(sets, left_out, scope)
        if not article:
            return False
        price = self._price(facts, scope, promotions)
        facts = {name: fact for name, fact in facts.items() if name not in ("sku", "price")}
        number = str(len(self.lines) + 1)
        unit = next((promotion.reward.per for promotion in promotions if isinstance(promotion.reward, _MEASURED)), "")
        if unit:
            self.lines.append(
                BasketLine(number, article, measure=1_000, unit=unit, price_micros=price, attributes=facts)
            )
            return True
        pieces = max((promotion.buy.count for promotion in promotions if promotion.buy), default=1)
        self.lines.append(BasketLine(number, article, quantity=pieces, price_micros=price, attributes=facts))
        return True

    def _article(self, sets: tuple[str, ...], left_out: tuple[str, ...], scope: Scope) -> tuple[str, dict[str, Fact]]:
        """One of the catalogue, else one that is made up; "" where there is none."""
        rules = self.rules
        if rules.articles is not None and rules.catalogue is not None and not rules.dynamic & set(sets):
            rows = ~kept_out(rules)
            for name in rules.guarded("count"):
                perhaps = rules.perhaps_in(name)
                rows = rows if perhaps is None else rows & ~perhaps
            inside: tuple[str | None, ...] = sets or (None,)
            for one in inside:
                rows = rows & reach(rules, one, left_out)
            found = np.flatnonzero(rows)
            if len(found):
                return rules.catalogue.articles[int(found[0])], {}
        asked: list[Pair] = [(in_set(name), Want.TRUE) for name in sets]
        asked += [(in_set(name), Want.NOT_TRUE) for name in left_out]
        kept = {*rules.guarded("discount"), *rules.guarded("count")}
        asked += [(in_set(name), Want.FALSE) for name in sorted(kept)]
        world = self.worlds.find(asked, scope)
        if world is None or not world.sure:
            return "", {}
        facts = self._facts(world, "item", scope)
        named = facts.get("sku")
        return (str(named.value) if named else f"article-{len(self.lines) + 1}"), facts

    def _price(self, facts: dict[str, Fact], scope: Scope, promotions: Sequence[p.Promotion]) -> int:
        """Above every price that a reward names."""
        price = facts.get("price")
        if price is not None and isinstance(price.value, int) and price.value:
            return price.value
        micros = UNIT_PRICE * 1_000_000
        for promotion in promotions:
            reward = promotion.reward
            if isinstance(reward, p.FixedPriceEach | p.PriceTogether | p.BasketPrice):
                micros = max(micros, *(2 * part.value * micros_per_minor(part.currency) for part in reward.price))
            elif isinstance(reward, p.AmountOffEach | p.AmountOffTogether):
                micros = max(micros, *(2 * part.value * micros_per_minor(part.currency) for part in reward.amount))
            elif isinstance(reward, p.FixedPriceMeasure):
                micros = max(micros, *(2 * part.value for part in reward.price))
        return micros

    def _reach(self, amount: Amount, left_out: tuple[str, ...], scope: Scope) -> bool:
        """More pieces of the line at hand, or another line."""
        if amount.low is None or amount.kind not in ("pieces", "one article", "list", "current"):
            return amount.low is None
        fits = [n for n, line in enumerate(self.lines) if not line.unit and self._is_in(line, amount.of)]
        if not fits:
            if not self._line((amount.of,) if amount.of else (), left_out, scope, []):
                return False
            fits = [len(self.lines) - 1]
        line = self.lines[fits[0]]
        price = (line.price_micros or 0) // micros_per_minor(scope.currency)
        needed = amount.low if amount.kind in ("pieces", "one article") else -(-amount.low // max(price, 1)) * 2
        quantity = max(line.quantity, needed)
        if quantity > PIECES_MAX:
            return False
        self.lines[fits[0]] = BasketLine(
            line.id, line.article, quantity=quantity, price_micros=line.price_micros, attributes=line.attributes
        )
        return True

    def _is_in(self, line: BasketLine, name: str | None) -> bool:
        if name is None:
            return True
        mine = set_of(self.promotion)
        if mine is not None and self.worlds.subset(mine, name):
            return True
        catalogue, rows = self.rules.catalogue, self.rules.surely_in(name)
        if catalogue is None or rows is None or line.article not in catalogue.articles:
            return False
        return bool(rows[catalogue.articles.index(line.article)])

    # ------------------------------------------------------------------------------------------------ the rest

    def _with(self, world: World, scope: Scope, at: int, channel: str) -> Request:
        """All that is known besides the lines."""
        codes = [
            self.rules.codes[promotion.code.codes].codes[0]
            for promotion in (self.promotion, self.other)
            if promotion.code and self.rules.codes[promotion.code.codes].codes
        ]
        rewards = (self.promotion.reward, self.other.reward)
        services = {reward.service for reward in rewards if isinstance(reward, p.FeeReward)}
        customer = self._facts(world, "customer", scope)
        identity = customer.pop("id", None)
        unknown = "customer.id" in world.facts and world.facts["customer.id"] is None
        store = self._facts(world, "store", scope)
        named = store.pop("id", None)
        return Request(
            at_us=at * 1_000_000,
            currency=scope.currency,
            channel=channel,
            lines=tuple(self.lines),
            store=str(named.value) if named else self._some_store(),
            store_attributes=store,
            delivery=_text(world.facts.get("delivery")),
            delivery_attributes=self._facts(world, "delivery", scope),
            payment=_text(world.facts.get("payment")),
            basket_attributes={
                name: fact for name, fact in self._facts(world, "basket", scope).items() if name != "lines"
            },
            customer=Customer(
                id="" if unknown else str(identity.value) if identity else "customer-1",
                household="" if unknown else "household-1",
                attributes=customer,
                consents=world.consents,
            ),
            codes=tuple(dict.fromkeys(codes)),
            fees=tuple(Fee(service, 495) for service in sorted(services)),
        )

    def _some_store(self) -> str:
        """A store at which both are, by the table; "" where no place is asked for."""
        chosen = [promotion.places for promotion in (self.promotion, self.other) if promotion.places is not None]
        limited = any(limit.scope == "store" for limit in self.promotion.limits)
        shops, stores = self.rules.shops, self.rules.stores
        if shops is None or stores is None or not (chosen or limited):
            return "store-1" if limited or chosen else ""
        truths = [np.ones(shops.rows, np.int8)]
        for places in chosen:
            for condition, want in place_pairs(places):
                if not isinstance(condition, p.Known):
                    truth = shops.condition(condition)
                    truths.append(truth if want is Want.TRUE else shops.negate(truth))
        found = np.flatnonzero(shops.every(truths) == 1)
        return stores.ids[int(found[0])] if len(found) else "store-1"

    def _facts(self, world: World, entity: str, scope: Scope) -> dict[str, Fact]:
        """The known facts of one entity, by name."""
        facts = {}
        for path, value in world.facts.items():
            holder, _, name = path.partition(".")
            if holder == entity and name and value is not None:
                facts[name] = self._fact(path, value, scope)
        return facts

    def _fact(self, path: str, value: Value, scope: Scope) -> Fact:
        declared = self.rules.attributes.get(path)
        kind = declared.type if declared else p.Type.MONEY if path == "item.price" else p.Type.TEXT
        assert value is not None
        if kind is p.Type.MONEY and isinstance(value, int):  # facts are sent in whole minor units
            micros = micros_per_minor(scope.currency)
            value = -(-value // micros) * micros
        return Fact(kind, value, scope.currency if kind is p.Type.MONEY else "")


_MEASURED = (p.FixedPriceMeasure, p.AmountOffMeasure)


def _text(value: Value) -> str:
    return value if isinstance(value, str) else ""
