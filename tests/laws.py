"""What the law promises, whatever the rules: asked of generated rulesets and baskets, in bulk.

    python -m tests.laws 0 1000000     # baskets 0 to 999,999 on all cores; exit code 1 and those that break a law

Every basket is decided once with everything explained, and then again as each law asks: its lines shuffled, split and
merged, its numbers in another currency, with more codes, by the same rules in another order, at the bounds of numbers.
What is printed counts, law by law, how often it was asked. `python -m tests.laws N N+1` repeats one basket.
"""

from __future__ import annotations

import datetime
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from engine.basket import (
    MEASURE_MAX,
    PIECE_MICROS_MAX,
    PIECES_MAX,
    PRICE_MICROS_MAX,
    TOTAL_MINOR_MAX,
    BadRequest,
    BasketLine,
    Customer,
    Event,
    EventItem,
    Fact,
    Facts,
    Request,
)
from engine.decision import Decision, Reason
from engine.money import micros_per_minor
from engine.program import (
    Catalogue,
    Channels,
    Choice,
    CodeSet,
    Column,
    Count,
    Group,
    Guard,
    Measured,
    OnlyOn,
    PercentOffTogether,
    PriceList,
    Program,
    Promotion,
    Runs,
    Settings,
    Slot,
    Target,
    Type,
    Worth,
    decode,
    encode,
)
from tests import bulk
from tests.generated_requests import request
from tests.generators import DAY, ODD_MOMENTS, ruleset, seconds
from tests.oracle.conditions import Judge
from tests.oracle.eligible import mark
from tests.oracle.resolve import resolve
from tests.oracle.ruleset import Ruleset
from tests.reproduce import Decide

BASKETS = 50  # of one ruleset
BLOCK = 20  # rulesets a process takes at once
OTHERS = 12  # baskets of each ruleset that are also asked of rulesets made from it
MOMENTS = 24  # asked of each ruleset's schedules

Decider = Callable[[Sequence[Program]], Decide]
Broken = Iterator[str]  # the laws that do not hold, each with a word on how


@dataclass
class Asked:
    """A ruleset with what decides by it, and rulesets made from it."""

    programs: tuple[Program, ...]
    decider: Decider
    random: Random
    refuses: bool = True  # what is out of bounds: the oracle is never asked such things
    counts: Counter[str] = field(default_factory=Counter)

    @cached_property
    def decide(self) -> Decide:
        return self.decider(self.programs)

    @cached_property
    def rules(self) -> Ruleset:
        return Ruleset(self.programs)

    @cached_property
    def guarded(self) -> bool:
        """Whether anything is guarded."""
        return any(isinstance(program, Guard) for program in self.programs)

    @cached_property
    def shuffled(self) -> Decide:
        """The same Programs, in another order."""
        return self.decider(self.random.sample(self.programs, len(self.programs)))

    @cached_property
    def exchanged(self) -> tuple[Decide, str, int] | None:
        """The same numbers in a currency with other decimals: that currency, and by what finer prices grow."""
        settings = next(program for program in self.programs if isinstance(program, Settings))
        old = settings.currencies[0]
        new = {"KWD": "CHF", "EUR": "KRW", "USD": "KRW"}.get(old, "")
        if len(settings.currencies) > 1 or not new:
            return None
        factor = micros_per_minor(new) // micros_per_minor(old)
        return self.decider([_exchanged(program, old, new, factor) for program in self.programs]), new, factor

    @cached_property
    def best(self) -> tuple[Decide, Decide, Decide] | None:
        """One group that takes the best: with all of its promotions, without one, and without all codes' promotions."""
        groups = [p for p in self.programs if isinstance(p, Group) and p.apply in {"best", "best-per-item", "at-most"}]
        if not groups or not (groups := [group for group in groups if group.gives == "discounts"]):
            return None
        settings = next(program for program in self.programs if isinstance(program, Settings))
        if settings.rounding_per == "article" and groups[0].apply == "best-per-item":
            return None  # the most is saved before rounding: after it, it may be a cent less
        group = groups[0].model_copy(update={"order": (), "position": 0})
        mine = [  # not those that are beyond comparison, or keep others out
            p
            for p in self.programs
            if isinstance(p, Promotion) and p.group == group.name and not (p.exclusive or p.not_with)
        ]
        others = [program for program in self.programs if not isinstance(program, Promotion | Group)]
        if len(mine) < 2:
            return None
        fewer = self.random.sample(mine, len(mine) - 1)
        return (
            self.decider([*others, group, *mine]),
            self.decider([*others, group, *fewer]),
            self.decider([*others, group, *(p for p in mine if p.code is None)]),
        )

    @cached_property
    def lonely(self) -> tuple[str, Decide] | None:
        """A promotion with a threshold, and its ruleset without the others of its group."""
        thresholds = [
            p
            for p in self.programs
            if isinstance(p, Promotion) and any(isinstance(line.condition, Worth | Count | Measured) for line in p.when)
        ]
        if not thresholds or any(isinstance(p, Promotion) and (p.exclusive or p.not_with) for p in self.programs):
            return None  # who stands alone takes earlier groups with it
        chosen = self.random.choice(thresholds)
        kept = [
            program.model_copy(update={"order": ()}) if isinstance(program, Group) else program
            for program in self.programs
            if not isinstance(program, Promotion) or program.group != chosen.group or program is chosen
        ]
        return chosen.name, self.decider(kept)


# ---------------------------------------------------------------------------------------------------- one decision


def sums(asked: Request, decision: Decision) -> Broken:
    """Everything adds up to the cent."""
    totals, lines = decision.totals, decision.lines
    services = {discount.promotion for fee in decision.fees for discount in fee.discounts}
    of_goods = sum(result.saving for result in decision.promotions if result.name not in services)
    by_promotion = Counter[str]()
    for line in lines:
        by_promotion.update({discount.promotion: discount.amount for discount in line.discounts})
    holds = {
        "list": totals.list == sum(line.list for line in lines) == totals.net + totals.saving,
        "net": totals.net == sum(line.net for line in lines),
        "refunds": totals.net == sum(line.refund for line in lines),
        "lines": all(line.list == line.net + sum(d.amount for d in line.discounts) for line in lines),
        "shares": all(line.net == sum(s.count * s.net for s in line.shares) for line in lines)
        and all(line.refund == sum(s.count * s.refund for s in line.shares) for line in lines),
        "pieces": [sum(s.count for s in line.shares) for line in lines]
        == [line.quantity or 1 for line in _by_id(asked)],
        "promotions": totals.saving == of_goods == by_promotion.total(),
        "fees": totals.fees == sum(fee.net for fee in decision.fees),
        "taxes": all(tax.gross == tax.net + tax.tax for tax in decision.taxes),
    }
    yield from (f"sums: {name}" for name, held in holds.items() if not held)


def prices(decision: Decision) -> Broken:
    """No price is negative, no discount more than the price, no bound without a reason."""
    for line in decision.lines:
        if not 0 <= line.net <= line.list or any(discount.amount <= 0 for discount in line.discounts):
            yield f"prices: line {line.id}"
        if any(share.net < 0 or share.refund < 0 for share in line.shares):
            yield f"prices: a piece of line {line.id}"
    if decision.bound < 0 or decision.optimal != (decision.bound == 0) or decision.totals.payable < 0:
        yield "prices: bound"


def guards(rules: Ruleset, asked: Request, decision: Decision) -> Broken:
    """Guarded units keep their price."""
    basket = resolve(rules, asked)
    mark(basket, Judge(basket))
    for line, result in zip(basket.lines, decision.lines, strict=True):
        if "discount" in line.marks and (result.net != result.list or result.discounts):
            yield f"guards: line {result.id}"
        least = min((unit.list for unit in basket.units if unit.line is line), default=0)
        if any(share.net < min(least, line.floor) for share in result.shares):
            yield f"guards: floor of line {result.id}"


# ---------------------------------------------------------------------------------------------------- two decisions


def mixed(asked: Request, random: Random) -> Request:
    """Lines, codes, fees, usage, entries and the keys of maps in another order."""

    def turned(facts: Facts) -> Facts:
        return dict(reversed(list(facts.items())))

    lines = [replace(line, attributes=turned(line.attributes)) for line in asked.lines]
    customer = replace(asked.customer, attributes=turned(asked.customer.attributes))
    if customer.events is not None:
        events = random.sample(customer.events.events, len(customer.events.events))
        customer = replace(customer, events=replace(customer.events, events=tuple(events)))
    return replace(
        asked,
        lines=tuple(random.sample(lines, len(lines))),
        codes=tuple(random.sample(asked.codes, len(asked.codes))),
        fees=tuple(random.sample(asked.fees, len(asked.fees))),
        usage=tuple(random.sample(asked.usage, len(asked.usage))),
        manual_discounts=tuple(random.sample(asked.manual_discounts, len(asked.manual_discounts))),
        store_attributes=turned(asked.store_attributes),
        delivery_attributes=turned(asked.delivery_attributes),
        basket_attributes=turned(asked.basket_attributes),
        customer=customer,
    )


def split(asked: Request) -> Request:
    """Each piece on a line of its own, where its line stood; but what the cashier entered names a line."""
    lines: list[BasketLine] = []
    entered = {entry.line for entry in asked.manual_discounts}
    for line in asked.lines:
        if line.id in entered:
            lines.append(line)
            continue
        ids = [f"{line.id}{chr(0)}{number:03}" for number in range(line.quantity)]
        lines += [replace(line, id=id_, quantity=1) for id_ in ids] if ids else [line]
    return replace(asked, lines=tuple(lines))


def merged(asked: Request) -> Request:
    """Lines that say the same of the same article are one, where the first of them stood."""
    lines: list[BasketLine] = []
    entered = {entry.line for entry in asked.manual_discounts}
    for line in _by_id(asked):
        for number, other in enumerate(lines):
            if line.measure or entered & {line.id, other.id}:
                continue
            if replace(line, id=other.id, quantity=other.quantity) == other:
                lines[number] = replace(other, quantity=other.quantity + line.quantity)
                break
        else:
            lines.append(line)
    return replace(asked, lines=tuple(lines))


def _by_id(asked: Request) -> tuple[BasketLine, ...]:
    return tuple(sorted(asked.lines, key=lambda line: line.id.encode()))


def by_article(asked: Request, decision: Decision) -> Mapping[str, tuple[int, int]]:
    """List and net of each article."""
    articles = {line.id: line.article for line in asked.lines}
    totals: dict[str, tuple[int, int]] = {}
    for line in decision.lines:
        listed, net = totals.get(articles[line.id], (0, 0))
        totals[articles[line.id]] = listed + line.list, net + line.net
    return totals


def without_lines(decision: Decision) -> Decision:
    """What does not depend on how pieces are laid out on lines."""
    gifts = tuple(replace(gift, lines=()) for gift in decision.gifts)
    return replace(decision, lines=(), ruleset="", gifts=gifts)


def same_pieces(one: Request, first: Decision, other: Request, second: Decision) -> bool:
    """No total changes, and no article's."""
    return without_lines(first) == without_lines(second) and by_article(one, first) == by_article(other, second)


def _exchanged(program: Program, old: str, new: str, factor: int) -> Program:
    """The same Program in another currency: minor units stay, micros grow."""

    def walk(node: Any, fine: bool) -> Any:
        if isinstance(node, list):
            walked = [walk(one, fine) for one in node]
            if walked and isinstance(walked[0], dict) and set(walked[0]) == {"currency", "value"}:
                walked.sort(key=lambda amount: str(amount["currency"]))
            return walked
        if not isinstance(node, dict):
            return node
        if set(node) == {"currency", "value"}:
            if node["currency"] != old:
                return node
            return {"currency": new, "value": node["value"] * factor if fine else node["value"]}
        fine = node.get("kind") in ("fixed-price-measure", "amount-off-measure") or (
            fine and "kind" not in node and "measure" not in node
        )
        return {key: walk(value, fine) for key, value in node.items()}

    def exchanged(column: Column) -> Column:
        if column.type != Type.MONEY or column.currency != old:
            return column
        values = tuple(None if value is None else int(value) * factor for value in column.values)
        return column.model_copy(update={"currency": new, "values": values})

    if isinstance(program, Catalogue):
        return program.model_copy(update={"columns": tuple(map(exchanged, program.columns))})
    if isinstance(program, PriceList):
        return program.model_copy(update={"prices": tuple(map(exchanged, program.prices))})
    other = decode(json.dumps(walk(json.loads(encode(program)), False)).encode())
    return other.model_copy(update={"currencies": (new,)}) if isinstance(other, Settings) else other


def _request_exchanged(asked: Request, old: str, new: str, factor: int) -> Request:
    """The same request in another currency."""

    def fact(one: Fact) -> Fact:
        if one.type == Type.MONEY and one.currency == old:
            assert isinstance(one.value, int)
            return Fact(one.type, one.value * factor, new)
        return one

    def facts(all_of: Facts) -> Facts:
        return {name: fact(one) for name, one in all_of.items()}

    def item(one: EventItem) -> EventItem:
        return replace(one, attributes=facts(one.attributes))

    def event(one: Event) -> Event:
        return replace(
            one,
            attributes=facts(one.attributes),
            items=tuple(map(item, one.items)),
            currency=new if one.currency == old else one.currency,
        )

    customer: Customer = replace(asked.customer, attributes=facts(asked.customer.attributes))
    if customer.events is not None:
        events = replace(customer.events, events=tuple(map(event, customer.events.events)))
        customer = replace(customer, events=events)
    return replace(
        asked,
        currency=new,
        lines=tuple(
            replace(
                line,
                price_micros=None if line.price_micros is None else line.price_micros * factor,
                attributes=facts(line.attributes),
            )
            for line in asked.lines
        ),
        store_attributes=facts(asked.store_attributes),
        delivery_attributes=facts(asked.delivery_attributes),
        basket_attributes=facts(asked.basket_attributes),
        customer=customer,
    )


def huge(asked: Request, random: Random) -> Request:
    """One line of it at a bound of numbers, or just past it."""
    lines = list(asked.lines)
    number = random.randrange(len(lines))
    line = lines[number]
    over = random.choice((-1, 0, 1))
    measured = line.measure > 0
    most = PRICE_MICROS_MAX if measured else PIECE_MICROS_MAX
    minor = micros_per_minor(asked.currency)
    match random.randrange(5):
        case 0:
            line = replace(line, price_micros=most + over)
        case 1:
            line = replace(line, price_micros=random.choice((2**62, 2**63 - 1, 2**63, 2**64, -1)))
        case 2:
            line = replace(line, price_micros=min(most, (TOTAL_MINOR_MAX // max(1, line.quantity) + over) * minor))
        case 3:
            past = random.choice((0, -1, PIECES_MAX + 1, 2**31, 2**63))
            line = replace(line, measure=0, quantity=past)
        case _:
            past = random.choice((MEASURE_MAX + over, 2**62, -1))
            line = replace(line, quantity=0, measure=past, unit=line.unit or "kg")
    lines[number] = line
    return replace(asked, lines=tuple(lines))


def never_wrapped(decide: Decide, asked: Request) -> Broken:
    """Refused by name, or exact: as whole numbers without end say it."""
    try:
        decision = decide(asked)
    except BadRequest as refused:
        if not refused.field:
            yield "bounds: refused without a name"
        return
    minor = micros_per_minor(asked.currency)
    for line, result in zip(_by_id(asked), decision.lines, strict=True):
        if line.price_micros is None or (not line.measure and line.price_micros % minor):
            continue
        exact = line.price_micros * (line.measure or 1_000 * line.quantity)
        if abs(result.list * 1_000 * minor - exact) >= 1_000 * minor:
            yield f"bounds: line {line.id} is {result.list}"
    yield from prices(decision)
    yield from sums(asked, decision)


# ---------------------------------------------------------------------------------------------------- time


def scheduled(name: str, zone: str, random: Random, near: int) -> Promotion:
    """A percentage that runs, or holds, around a moment of a zone's local clock."""

    def about() -> int:
        return near + random.choice((-7200, -3600, -1800, -900, -1, 0, 1, 900, 1800, 3600, 7200))

    runs = Runs(start=None, until=None, zone=zone, text="")
    only_on = None
    if random.randrange(2):
        start = about()
        until = start + random.choice((900, 1800, 3600, 7200, DAY))
        runs = Runs(start=start if random.randrange(4) else None, until=until, zone=zone, text="")
    else:
        begin = about() % DAY
        until = (begin + random.choice((900, 3600, 7200, 12 * 3600))) % DAY
        only_on = OnlyOn(
            slots=(Slot(days=random.choice((127, 127, 64, 65)), start=begin, until=until or DAY),), text=""
        )
    return Promotion(
        name=name,
        title="",
        runs=runs,
        only_on=only_on,
        channels=Channels(names=("pos",), text=""),
        audience=Choice(any_of=(), but_not=(), text=""),
        reward=PercentOffTogether(percent=1_000, target=Target(kind="basket")),
        group="g",
    )


def local(instant: int, zone: ZoneInfo) -> int:
    """Seconds of the local clock."""
    moment = datetime.datetime.fromtimestamp(instant, zone)
    return seconds(*moment.timetuple()[:6])


@lru_cache(maxsize=1_000)
def edge(moment: int, zone: ZoneInfo, repeated: Callable[[list[int]], int]) -> int:
    """The instant at which the clock shows a moment: of two the one that is wanted, of none the first one after."""
    near = range(moment - moment % 900 - DAY, moment + DAY, 900)  # clocks are changed on quarters of an hour
    shown = [instant + moment % 900 for instant in near if local(instant + moment % 900, zone) == moment]
    return repeated(shown) if shown else min(instant for instant in near if local(instant, zone) >= moment)


def holds(promotion: Promotion, instant: int, zone: ZoneInfo) -> bool:
    """By the time zone data of this machine: what clocks show, quarter of an hour by quarter of an hour."""
    now = local(instant, zone)
    runs = promotion.runs
    if runs.start is not None and instant < edge(runs.start, zone, repeated=min):
        return False
    if runs.until is not None and instant >= edge(runs.until, zone, repeated=max):
        return False
    if promotion.only_on is None:
        return True
    for slot in promotion.only_on.slots:
        day, second = divmod(now, DAY)
        today, yesterday = (slot.days >> (day + 3 - back) % 7 & 1 for back in (0, 1))  # 1970-01-01 was a Thursday
        if slot.start < slot.until:
            if today and slot.start <= second < slot.until:
                return True
        elif (today and second >= slot.start) or (yesterday and second < slot.until):
            return True
    return False


def schedules(asked: Asked) -> Broken:
    """Local clocks: at odd moments the schedules hold as the time zone data says."""
    random = asked.random
    name = random.choice(sorted(ODD_MOMENTS))
    zone = ZoneInfo(name)
    near = seconds(2026, *random.choice(ODD_MOMENTS[name]))
    made = {f"t{number}": scheduled(f"t{number}", name, random, near) for number in range(6)}
    group = Group(name="g", title="", gives="discounts", apply="all", prices="original", position=0)
    kept = [program for program in asked.programs if not isinstance(program, Promotion | Group)]
    settings = next(program for program in asked.programs if isinstance(program, Settings))
    decide = asked.decider([*kept, group, *made.values()])
    for _ in range(MOMENTS):
        moment = datetime.datetime.fromtimestamp(near, datetime.UTC).replace(tzinfo=zone)
        instant = int(moment.timestamp()) + random.choice((-1, 0, 1)) + 900 * random.randint(-16, 16)
        line = BasketLine(id="1", article="x", quantity=1, price_micros=10**8)
        asking = Request(at_us=instant * 1_000_000, currency=settings.currencies[0], channel="pos", lines=(line,))
        asked.counts["clocks"] += len(made)
        for result in decide(asking, everything=True).promotions:
            if (result.reason != Reason.SCHEDULE) != holds(made[result.name], instant, zone):
                yield f"clocks: {made[result.name].only_on or made[result.name].runs} in {name} at {instant}"


# ---------------------------------------------------------------------------------------------------- in bulk


def broken(asked: Asked, number: int, basket: int) -> Broken:
    """The laws that a basket breaks. `number`: which of its ruleset's baskets it is."""
    request_ = request(asked.programs, basket)
    random = Random(basket)
    counts, decide = asked.counts, asked.decide
    explained = decide(request_, everything=True)
    counts["baskets"] += 1
    counts["sums"] += 1
    yield from sums(request_, explained)
    counts["prices"] += 1
    yield from prices(explained)
    if asked.guarded:
        counts["guards"] += 1
        yield from guards(asked.rules, request_, explained)
    counts["order of lines, facts and codes"] += 1
    counts["lines split"] += 1
    parts = split(mixed(request_, random))
    plain = decide(parts)  # both at once; where that changes anything, one by one
    if not same_pieces(request_, replace(explained, promotions=plain.promotions), parts, plain):
        turned = decide(mixed(request_, random), everything=True)
        yield "order of lines, facts and codes" if turned != explained else "lines split"
    if not set(plain.promotions) <= set(explained.promotions):
        yield "explained: another result"
    whole = merged(request_)
    articles = {line.article for line in request_.lines}
    alike = len(articles) == len(whole.lines)  # else line ids say which of an article's pieces save
    if alike and whole.lines != _by_id(request_):
        counts["lines merged"] += 1
        if not same_pieces(parts, plain, whole, decide(whole)):
            yield "lines merged"
    if number < OTHERS:
        yield from of_other_rulesets(asked, request_, explained, random)


def of_other_rulesets(asked: Asked, request_: Request, explained: Decision, random: Random) -> Broken:
    """What a basket tells by rulesets that were made from its own."""
    counts = asked.counts
    counts["order of declarations"] += 1
    if replace(asked.shuffled(request_, everything=True), ruleset="") != replace(explained, ruleset=""):
        yield "order of declarations"
    if asked.refuses:
        counts["bounds of numbers"] += 1
        yield from never_wrapped(asked.decide, huge(request_, random))
    if asked.exchanged:
        counts["another currency"] += 1
        decide, new, factor = asked.exchanged
        found = decide(_request_exchanged(request_, request_.currency, new, factor), everything=True)
        if replace(found, ruleset="", currency="") != replace(explained, ruleset="", currency=""):
            yield "another currency"
    if asked.best:
        counts["one more promotion, more codes"] += 1
        drawn = replace(request_, variants=(), manual_discounts=())  # of promotions that may not be there
        with_all, without_one, without_codes = (decide(drawn) for decide in asked.best)
        most = with_all.totals.saving + with_all.bound
        if most < without_one.totals.saving:
            yield f"one more promotion: {without_one.totals.saving} becomes {with_all.totals.saving}"
        if most < without_codes.totals.saving:
            yield f"codes' promotions: {without_codes.totals.saving} becomes {with_all.totals.saving}"
        codes = [code for p in asked.programs if isinstance(p, CodeSet) and p.uses is None for code in p.codes[:1]]
        more = asked.best[0](replace(drawn, codes=tuple({*request_.codes, *codes})))
        if more.totals.saving + more.bound < with_all.totals.saving:
            yield f"more codes: {with_all.totals.saving} becomes {more.totals.saving}"
    named = request_.manual_discounts or any(line.gift_of for line in request_.lines)
    if asked.lonely and not named:  # whose promotion may be left out
        counts["thresholds"] += 1
        name, decide = asked.lonely
        group = asked.rules.promotions[name].group
        others = {p.name for p in asked.rules.promotions.values() if p.group == group and p.name != name}
        kept = tuple(choice for choice in request_.variants if choice.promotion not in others)
        alone_ = decide(replace(request_, variants=kept), everything=True)
        alone = {result.name: result for result in alone_.promotions}[name]
        among = {result.name: result for result in explained.promotions}[name]
        judged = {Reason.CONDITION, Reason.UNKNOWN_FACT}
        if (alone.reason in judged) != (among.reason in judged) or (
            alone.reason in judged and (alone.clause, alone.missing) != (among.clause, among.missing)
        ):
            yield f"thresholds: {name} is {alone.reason.name} alone, {among.reason.name} among others"


def block(first: int, end: int, decider: Decider | None = None, refuses: bool = True) -> tuple[Counter[str], list[str]]:
    """Some baskets: how often each law was asked, and those that break one."""
    from tests.reproduce import engine_of

    decider = decider or (lambda programs: engine_of(programs)[1])
    total: Counter[str] = Counter()
    wrong = []
    for seed in range(first // BASKETS, -(-end // BASKETS)):
        asked = Asked(ruleset(seed), decider, Random(seed), refuses)
        for basket in range(max(first, seed * BASKETS), min(end, (seed + 1) * BASKETS)):
            try:
                wrong += [f"basket {basket}: {law}" for law in broken(asked, basket % BASKETS, basket)]
            except Exception as error:  # noqa: BLE001 - whatever it is, its basket is the report
                wrong.append(f"basket {basket}: {error!r}")
        if first <= seed * BASKETS:
            wrong += [f"basket {seed * BASKETS}: {law}" for law in schedules(asked)]
        total += asked.counts
    return total, wrong


if __name__ == "__main__":
    sys.exit(bulk.command(__doc__, block, BLOCK * BASKETS))
