"""Requests from seeds, for generated rulesets: what a till would ask, with some of everything that may be asked for.

The Hypothesis strategy draws the same things for shrinking: a seed is shrunk first, then promotions and lines are left
out.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from engine.basket import (
    BasketLine,
    Customer,
    Event,
    EventHistory,
    EventItem,
    Fact,
    Fee,
    LimitUsage,
    Request,
    VariantChoice,
)
from engine.money import micros_per_minor
from engine.program import (
    Catalogue,
    CodeSet,
    Gift,
    Group,
    Program,
    Promotion,
    Settings,
    Type,
    Variants,
)
from tests.entered import entered_by_hand, reasons_of
from tests.generators import (
    CHANNELS,
    COLOURS,
    CONSENTS,
    DAY,
    MINOR,
    ODD_MOMENTS,
    PATHS,
    PAYMENTS,
    SERVICES,
    TAGS,
    ZONES,
    Dice,
    price,
    ruleset,
    seconds,
    unit_of,
)


def request(programs: Sequence[Program], seed: int) -> Request:
    """A request that the ruleset accepts, with some of everything it asks for."""
    random = Random(seed)
    maybe = Dice(random)
    settings = next(program for program in programs if isinstance(program, Settings))
    catalogue = next(program for program in programs if isinstance(program, Catalogue))
    currency = settings.currencies[0] if maybe(85) else random.choice(settings.currencies)
    lines = _basket_lines(random, catalogue, currency, _special(programs))
    lines = _as_gifts(programs, lines, seed)
    named = maybe(75)
    at_us = _instant(random)
    return Request(
        at_us=at_us,
        currency=currency,
        channel=random.choice(CHANNELS),
        lines=lines,
        store=random.choice(("b1", "b2", "b3", "b9")) if maybe(70) else "",
        store_attributes=_facts(random, {"region": _text("north", "south"), "size": _number(0, 3)}, 30, currency),
        delivery=random.choice(("", *SERVICES)),
        delivery_attributes=_facts(random, {"country": _text("DE", "AT")}, 40, currency),
        payment=random.choice(("", *PAYMENTS)),
        basket_attributes=_facts(random, {"gift": _yes_no, "unheard-of": _yes_no}, 40, currency),
        customer=Customer(
            id=random.choice(("c", "c2", "c3")) if named else "",
            household=random.choice(("h", "h2")) if named and maybe(60) else "",
            attributes=_facts(random, CUSTOMER, 50 if named else 10, currency),
            consents=frozenset(c for c in CONSENTS if maybe(50)) if maybe(60) else None,
            events=_history(random, at_us, catalogue, currency) if maybe(75 if named else 10) else None,
            facts_as_of_us=0 if maybe(60) else _before(random, at_us),
        ),
        codes=_entered(random, programs),
        fees=tuple(
            Fee(service, random.choice((0, 101, 495, 990)), random.choice((None, None, 0, 700, 1900)))
            for service in SERVICES
            if maybe(90)
        ),
        usage=_usage(random, programs, currency),
        next_steps=5 if seed % 17 == 0 else 0,  # each step is a decision
        basket=random.choice(("", "b1", "b2", "b3")),
        variants=_chosen(random, programs),
        manual_discounts=entered_by_hand(programs, lines, seed),
    )


def _chosen(random: Random, programs: Sequence[Program]) -> tuple[VariantChoice, ...]:
    """Of few promotions with variants, whatever would be drawn."""
    return tuple(
        VariantChoice(program.name, random.choice(program.reward.arms).name)
        for program in programs
        if isinstance(program, Promotion) and isinstance(program.reward, Variants) and random.randrange(4) == 0
    )


def _text(*choices: str) -> Callable[[Random], Fact]:
    return lambda random: Fact(Type.TEXT, random.choice(choices))


def _number(low: int, high: int) -> Callable[[Random], Fact]:
    return lambda random: Fact(Type.NUMBER, random.randint(low, high) * 1_000_000)


def _date(years: int) -> Callable[[Random], Fact]:
    return lambda random: Fact(Type.DATE, seconds(2026, 7, 1) // DAY - random.randint(0, 365 * years))


def _tags(random: Random) -> Fact:
    return Fact(Type.TEXTS, tuple(random.sample(TAGS, random.randint(0, 2))))


def _yes_no(random: Random) -> Fact:
    return Fact(Type.YES_NO, random.randint(0, 1))


def _spent(random: Random) -> Fact:
    currency = random.choice(("EUR", "JPY", "KWD", "USD"))
    return Fact(Type.MONEY, random.choice(MINOR) * micros_per_minor(currency), currency)


CUSTOMER = {
    "tier": _text("basic", "gold", "silver"),
    "points": _number(0, 3),
    "born": _date(40),
    "vip": _yes_no,
    "spent": _spent,
    "tags": _tags,
    "unheard-of": _yes_no,
}
ORDER: dict[str, Callable[[Random], Fact]] = {
    "total": _spent,
    "points": _number(0, 3),
    "channel": _text(*CHANNELS),
    "due": _date(1),
    "unheard-of": _yes_no,
}
VISIT: dict[str, Callable[[Random], Fact]] = {"tags": _tags}
ITEM = {
    "cat": _text(*PATHS),
    "colour": _text(*COLOURS),
    "stars": _number(1, 5),
    "tags": _tags,
    "eco": _yes_no,
    "cost": _spent,
    "unheard-of": _yes_no,
}


def _facts(random: Random, known: dict[str, Callable[[Random], Fact]], share: int, currency: str) -> dict[str, Fact]:
    facts = {name: make(random) for name, make in known.items() if random.randrange(100) < share}
    return {
        name: replace(fact, currency=currency) if fact.type == Type.MONEY and random.randrange(2) else fact
        for name, fact in facts.items()
    }


def _history(random: Random, at_us: int, catalogue: Catalogue, currency: str) -> EventHistory:
    """Some events, close to each other and to where windows begin."""
    events = [
        _event(random, _before(random, at_us), catalogue, currency) for _ in range(random.choice((0, 1, 3, 5, 8)))
    ]
    if events and random.randrange(3) == 0:
        other = random.choice(events)
        events.append(replace(other, at_us=other.at_us if random.randrange(3) else at_us, id=""))
    if events and random.randrange(8) == 0:
        events.append(replace(random.choice(events), id="e"))
        events.append(events[-1])
    complete = 0 if random.randrange(100) < 70 else max(0, _before(random, at_us))
    return EventHistory(tuple(random.sample(events, len(events))), complete)


def _event(random: Random, at_us: int, catalogue: Catalogue, currency: str) -> Event:
    type_ = random.choice(("order", "order", "visit", "visit", "click"))
    known = VISIT if type_ == "visit" else ORDER
    items = tuple(
        EventItem(
            article=random.choice((*catalogue.articles, *catalogue.articles, "unheard-of")),
            amount=random.choice((*MINOR, None)),
            attributes=_facts(random, ITEM, 20, currency) if random.randrange(8) == 0 else {},
        )
        for _ in range(random.choice((0, 1, 1, 2, 3)))
    )
    of = currency if random.randrange(100) < 85 else random.choice(("EUR", "JPY"))
    return Event(type_, at_us, _facts(random, known, 80, currency), items, of)


def _before(random: Random, at_us: int) -> int:
    """An instant before another: any, some whole units, or close to a midnight of some zone."""
    day, minute = DAY * 1_000_000, 60_000_000
    match random.randrange(4):
        case 0:
            return at_us - random.randint(1, 100 * day)
        case 1:
            return at_us - random.randint(1, 90) * random.choice((minute, 60 * minute, day)) + random.randint(-1, 1)
        case 2:
            return at_us - random.randint(0, 10) * minute
    midnight = (at_us // day - random.choice((0, 1, 2, 3, 5, 7, 30, 31))) * day - random.choice(
        (0, 60, 120, -240)
    ) * minute
    return min(at_us, midnight - random.choice((0, 1)))


def _special(programs: Sequence[Program]) -> str:
    """What the ruleset is about: "long runs" wants many pieces, "caps" many lines."""
    promotions = [program for program in programs if isinstance(program, Promotion)]
    if any(promotion.buy and promotion.buy.count > 4 for promotion in promotions):
        return "long runs"
    capped = all(any(limit.key == "basket:ever:saving" for limit in promotion.limits) for promotion in promotions)
    return "caps" if capped else ""


def _basket_lines(random: Random, catalogue: Catalogue, currency: str, special: str) -> tuple[BasketLine, ...]:
    sizes = (5, 6, 6) if special == "caps" else (1, 2, 2, 3, 3, 4, 5, 6)
    ids = random.sample(("1", "2", "10", "b", "ä", "Z"), random.choice(sizes))
    long_runs = special == "long runs"
    many = random.randrange(12) == 0 or long_runs
    articles = random.sample(catalogue.articles, random.randint(2, len(catalogue.articles)))  # so that some repeat
    listed = next(column for column in catalogue.columns if column.name == "price")
    lines: list[BasketLine] = []
    for id_ in ids:
        article = random.choice(articles)
        known = listed.currency == currency and listed.values[catalogue.articles.index(article)] is not None
        unit = unit_of(article)
        pieces = random.choice((1, 1, 1, 2, 2, 3, 4))
        if many and (long_runs or len(lines) == 0):
            pieces = random.randint(10, 20 if not long_runs else 40)
        lines.append(
            BasketLine(
                id=id_,
                article=article,
                quantity=0 if unit else pieces,
                measure=random.choice((1, 250, 500, 500, 1000, 1337, 2500)) * (500 if unit in {"g", "ml"} else 1)
                if unit
                else 0,
                unit=unit,
                price_micros=None if known and random.randrange(100) < 80 else price(random, currency),
                attributes=_facts(random, ITEM, 25, currency) if random.randrange(100) < 15 else {},
                tax_rate=random.choice((700, 1900, 0)) if random.randrange(100) < 15 else None,
            )
        )
    return tuple(lines)


def _as_gifts(programs: Sequence[Program], lines: tuple[BasketLine, ...], seed: int) -> tuple[BasketLine, ...]:
    """Now and then lines are chosen as gifts, by dice of their own."""
    random = Random(f"gifts {seed}")
    promotions = [program for program in programs if isinstance(program, Promotion)]
    giving = [one.name for one in promotions if any(isinstance(reward, Gift) for reward in one.rewards)]
    if not giving or random.random() < 0.15:
        return lines
    names = [*giving * 6, promotions[0].name, "unheard-of"]
    return tuple(replace(line, gift_of=random.choice(names)) if random.random() < 0.5 else line for line in lines)


def _instant(random: Random) -> int:
    """Somewhere in 2026; one in five close to an odd moment of some zone's clock."""
    if random.randrange(5):
        return (seconds(2026, 1, 1) + random.randrange(365 * DAY)) * 1_000_000 + random.randrange(2)
    name = random.choice(ZONES)
    moment = datetime.datetime(2026, *random.choice(ODD_MOMENTS[name]), tzinfo=ZoneInfo(name))
    near = int(moment.timestamp()) + random.choice((-3600, -1800, -900, -1, 0, 1, 900, 1800, 3600))
    return near * 1_000_000 - random.randrange(2)


def _entered(random: Random, programs: Sequence[Program]) -> tuple[str, ...]:
    codes = []
    for program in programs:
        if isinstance(program, CodeSet) and random.randrange(100) < 65:
            codes += random.sample(program.codes, random.randint(1, min(2, len(program.codes))))
    codes = [random.choice((code, code.lower(), f" {code}\t")) for code in codes if code != "ÄX"] + (
        ["äx"] if random.randrange(20) == 0 else []
    )
    if "ÄX" in "".join(codes) or random.randrange(10) == 0:
        codes.append("nope")
    return tuple(codes)


def _usage(random: Random, programs: Sequence[Program], currency: str) -> tuple[LimitUsage, ...]:
    """For some counters that the ruleset has: below, at and past their limits."""
    found: dict[tuple[str, str, str], LimitUsage] = {}
    sets = {program.name: program for program in programs if isinstance(program, CodeSet)}
    for codes in sets.values():
        for code in codes.codes if codes.uses else ():
            if random.randrange(3) == 0:
                used = random.randint(0, codes.uses or 0)
                found["", "code:ever:uses", code] = LimitUsage("", "code:ever:uses", used, code)
    for promotion in [program for program in programs if isinstance(program, Promotion)]:
        for limit in promotion.limits:
            if limit.scope == "basket" or random.randrange(2):
                continue
            amounts = [amount.value for amount in limit.saving if amount.currency == currency]
            bound = amounts[0] if amounts else limit.count
            counted: tuple[str, ...] = ("",)
            if limit.scope == "code" and promotion.code:
                counted = sets[promotion.code.codes].codes[:2]
            for code in counted:
                used = random.choice((0, bound // 2, max(0, bound - 1), bound, bound + 1))
                found[promotion.name, limit.key, code] = LimitUsage(promotion.name, limit.key, used, code)
    return tuple(found[key] for key in sorted(found))


# ---------------------------------------------------------------------------------------------------- Hypothesis


@st.composite
def cases(draw: st.DrawFn) -> tuple[tuple[Program, ...], Request]:
    """A ruleset and a request, of which promotions and lines are left out as far as the failure allows."""
    programs = ruleset(draw(st.integers(0, 2**32 - 1)))
    asked = request(programs, draw(st.integers(0, 2**32 - 1)))
    names = [program.name for program in programs if isinstance(program, Promotion)]
    left_out = draw(st.sets(st.sampled_from(names), max_size=len(names) - 1)) if names else set()
    kept = tuple(p for p in programs if not (isinstance(p, Promotion) and p.name in left_out))
    lines = draw(st.sets(st.sampled_from([line.id for line in asked.lines]), max_size=len(asked.lines) - 1))
    asked = replace(asked, lines=tuple(line for line in asked.lines if line.id not in lines))
    asked = replace(asked, variants=tuple(choice for choice in asked.variants if choice.promotion not in left_out))
    there, reasons = {"", *(line.id for line in asked.lines)}, reasons_of(kept)
    entered = tuple(entry for entry in asked.manual_discounts if entry.line in there and entry.reason in reasons)
    asked = replace(asked, manual_discounts=entered)
    return tuple(_unnamed(program, left_out) for program in kept), asked


def _unnamed(program: Program, names: set[str]) -> Program:
    """Without the promotions that are left out, where it names them."""
    if isinstance(program, Promotion):
        return program.model_copy(update={"not_with": tuple(name for name in program.not_with if name not in names)})
    if not isinstance(program, Group):
        return program
    return program.model_copy(update={"order": tuple(name for name in program.order if name not in names)})
