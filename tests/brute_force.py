"""Small baskets by brute force: all that promotions may take is tried, and the engine has to save as much, to the cent.

    python -m tests.brute_force 0 200000     # baskets 0 to 199,999 on all cores; exit code 1 and those that differ

Up to eight pieces, up to six promotions over sets that overlap, in one group that gives each piece to one promotion, or
takes the best, or at most so many. Nothing here is shared with the oracle or the engine but the Programs: for every
promotion every choice of pieces and roles is written down with what it saves (docs/semantics.md 6), and every way to
share the pieces out among the promotions is compared (7).
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain, combinations
from random import Random
from typing import NamedTuple

from engine.basket import BasketLine, Request
from engine.money import micros_per_minor
from engine.program import (
    Amount,
    AmountOffEach,
    AmountOffTogether,
    Buy,
    Catalogue,
    Channels,
    Choice,
    Column,
    FixedPriceEach,
    Group,
    Ladder,
    Limit,
    Line,
    Money,
    Need,
    OneOf,
    PercentOff,
    PercentOffTogether,
    Pick,
    PriceTogether,
    ProductSet,
    Program,
    Promotion,
    Reward,
    Runs,
    Schema,
    Settings,
    Step,
    Stores,
    Target,
    Type,
    Zone,
)
from tests import bulk
from tests.reproduce import Decide, engine_of

PIECES_MAX = 8
PROMOTIONS_MAX = 6
BASKETS = 20  # of one ruleset
BLOCK = 100  # rulesets a process takes at once
ARTICLES = ("a", "b", "c", "d", "e")
PRICES = (1, 50, 99, 100, 100, 129, 150, 199, 200, 250, 299, 333, 500, 999)
AT_US = 1_782_900_000_000_000
MOST = 99  # applications: more than any basket has room for

# ---------------------------------------------------------------------------------------------------- what is tried


def ruleset(seed: int) -> tuple[Program, ...]:
    """A small ruleset with one group."""
    random = Random(f"rules {seed}")
    mode = random.choices(("best-per-item", "best", "at-most"), (75, 8, 17))[0]
    names = [f"p{number}" for number in range(random.choice((1, 2, 3, 4, 4, 5, 5, 6, 6)))]
    prices = tuple(random.choice(PRICES) * micros_per_minor("EUR") for _ in ARTICLES)
    sets = [random.sample(ARTICLES, random.randint(1, len(ARTICLES))) for _ in range(4)]
    return (
        Settings(
            currencies=("EUR",),
            timezone="UTC",
            rounding=random.choice(("half-up", "half-up", "half-even", "down", "up")),
        ),
        Schema(attributes=(), channels=("pos",)),
        Catalogue(articles=ARTICLES, columns=(Column(name="price", type=Type.MONEY, currency="EUR", values=prices),)),
        Stores(ids=(), zones=(), columns=()),
        Zone(name="UTC", instants=(-86_400,), offsets=(0,), until=4_102_617_600),
        *(
            ProductSet(
                name=f"s{number}",
                title="",
                lines=(Line(condition=OneOf(attribute="item.sku", values=tuple(sorted(articles))), text=""),),
            )
            for number, articles in enumerate(sets)
        ),
        Group(
            name="g",
            title="",
            gives="discounts",
            apply=mode,  # type: ignore[arg-type]  # one of three
            at_most=random.randint(1, 3) if mode == "at-most" else 0,
            prices=random.choice(("original", "reduced")),
            order=tuple(random.sample(names, len(names) // 2)),
            position=0,
        ),
        *(_promotion(random, name, mode) for name in names),
    )


def _money(amount: int) -> Money:
    return (Amount(currency="EUR", value=amount),)


def _promotion(random: Random, name: str, mode: str) -> Promotion:
    """Any mechanic that its group may hold. Of «at most» only what is known piece by piece: shares are not tried."""
    shapes = ["percent", "amount", "price", "pick", "pick", "ladder", "them", "others", "others"]
    if mode != "at-most":
        shapes += ["together for", "together for", "together for", "singles", "others together"]
    if mode == "best-per-item":  # alone, it takes the dearest
        shapes += ["them together", "them together"]
    if mode == "best":
        shapes += ["percent together", "amount together"]
    shape = random.choice(shapes)
    them = Target(kind="them")
    goods = Target(kind="set", name=_set(random))
    buy: Buy | None = None
    reward: Reward
    match shape:
        case "percent":
            reward = PercentOff(percent=_percent(random), target=goods)
        case "amount":
            reward = AmountOffEach(amount=_money(random.choice((10, 33, 50, 100))), target=goods)
        case "price":
            reward = FixedPriceEach(price=_money(random.choice(PRICES)), target=goods)
        case "percent together":
            reward = PercentOffTogether(percent=_percent(random), target=goods)
        case "amount together":
            reward = AmountOffTogether(amount=_money(random.choice(PRICES)), target=goods)
        case "singles":
            buy = Buy(needs=(Need(of=_set(random), count=random.randint(2, 4)),), text="")
            reward = PriceTogether(price=_money(random.choice(PRICES) * buy.count), singles=True)
        case "others" | "others together":
            buy = _buy(random, random.choice((1, 1, 2)))
            count = random.choice((1, 1, 2))
            others = Target(
                kind="count",
                name=_set(random),
                count=count,
                one_article=count > 1 and random.randrange(3) == 0,
                fewer=count > 1 and random.randrange(2) == 0,
            )
            rewards: tuple[Reward, ...] = (
                PercentOff(percent=_percent(random), target=others),
                AmountOffEach(amount=_money(random.choice((10, 33, 50, 100))), target=others),
                FixedPriceEach(price=_money(random.choice(PRICES)), target=others),
            )
            reward = random.choice(rewards)
            if shape == "others together":
                reward = AmountOffTogether(amount=_money(random.choice(PRICES)), target=others)
        case _:
            buy = _buy(random, random.choice((1, 1, 1, 2, 2, 3)))
            n = buy.count
            rewards = (
                PercentOff(percent=_percent(random), target=them),
                AmountOffEach(amount=_money(random.choice((10, 33, 50, 100))), target=them),
                FixedPriceEach(price=_money(random.choice(PRICES)), target=them),
            )
            reward = random.choice(rewards)
            which = random.choice(("cheapest", "cheapest", "dearest"))
            if shape == "pick":
                reward = Pick(which=which, count=random.randint(1, min(2, n)), percent=_percent(random))  # type: ignore[arg-type]  # one of two
            elif shape == "ladder":
                places = sorted(random.sample(range(1, n + 1), random.randint(1, n)))
                reward = Ladder(steps=tuple(_step(random, nth) for nth in places))
            elif shape == "them together":
                reward = AmountOffTogether(amount=_money(random.choice((150, 300, *PRICES))), target=them)
                if random.randrange(2):
                    reward = PercentOffTogether(percent=_percent(random), target=them)
            elif shape == "together for":
                reward = PriceTogether(price=_money(random.choice(PRICES) * n * 3 // 4 + 1))
    return Promotion(
        name=name,
        title="",
        runs=Runs(start=None, until=None, zone="UTC", text=""),
        channels=Channels(names=("pos",), text=""),
        audience=Choice(any_of=(), but_not=(), text=""),
        buy=buy,
        reward=reward,
        limits=tuple(_limits(random, mode, buy is not None)),
        group="g",
    )


def _set(random: Random) -> str:
    return f"s{random.randrange(4)}"


def _percent(random: Random) -> int:
    return random.choice((500, 1_000, 2_000, 3_333, 5_000, 10_000, 10_000))


def _step(random: Random, nth: int) -> Step:
    if random.randrange(3):
        return Step(nth=nth, percent=_percent(random))
    return Step(nth=nth, amount=_money(random.choice((10, 33, 50, 100))))


def _buy(random: Random, needs: int) -> Buy:
    counts = [random.choice((1, 2, 2, 3, 4) if needs == 1 else (1, 1, 2)) for _ in range(needs)]
    return Buy(
        needs=tuple(
            Need(of=_set(random), count=count, one_article=needs == 1 and count > 1 and random.randrange(4) == 0)
            for count in counts
        ),
        text="",
    )


def _limits(random: Random, mode: str, buys: bool) -> Iterator[Limit]:
    if buys and random.randrange(4) == 0:
        yield Limit(
            measure="uses", count=random.randint(1, 2), scope="basket", period="ever", key="basket:ever:uses", text=""
        )
    if mode != "at-most" and random.randrange(5) == 0:
        cap = _money(random.choice((20, 77, 100, 250)))
        yield Limit(measure="saving", saving=cap, scope="basket", period="ever", key="basket:ever:saving", text="")


def basket(number: int) -> Request:
    """One to eight pieces, on lines in any order."""
    random = Random(f"basket {number}")
    pieces = random.choices(range(1, PIECES_MAX + 1), (3, 6, 12, 20, 22, 18, 11, 8))[0]
    lines: list[BasketLine] = []
    ids = random.sample(("1", "2", "10", "b", "ä", "Z", "c", "x"), 8)
    while pieces:
        quantity = min(pieces, random.choice((1, 1, 1, 2, 2, 3)))
        pieces -= quantity
        lines.append(BasketLine(id=ids[len(lines)], article=random.choice(ARTICLES), quantity=quantity))
    return Request(at_us=AT_US, currency="EUR", channel="pos", lines=tuple(lines))


# --------------------------------------------------------------------------------------------------- the law, tried out


class Piece(NamedTuple):
    """One piece: `bit` is its own in sets of pieces, ascending by line id."""

    article: str
    list: int
    base: int  # what percentages are taken of
    left: int
    bit: int


class Role(NamedTuple):
    """What pieces are taken for."""

    articles: frozenset[str]
    n: int
    one_article: bool
    fewer: bool
    rewarded: bool  # and not bought


class Offer(NamedTuple):
    """A promotion, put as plainly as it goes."""

    name: str
    reward: Reward
    roles: tuple[Role, ...]  # of a buy, or of others that are rewarded; else one
    whole: bool  # whole applications
    most: int  # applications
    cap: int | None
    rounding: str


Way = tuple[tuple[Piece, ...], ...]  # by role, in order U


@lru_cache(maxsize=100_000)
def rounded(numerator: int, denominator: int, mode: str) -> int:
    """A quotient as a whole number."""
    whole, rest = divmod(numerator, denominator)
    if mode == "up":
        return whole + (rest > 0)
    if mode == "half-up":
        return whole + (2 * rest >= denominator)
    if mode == "half-even":
        return whole + (2 * rest > denominator or (2 * rest == denominator and whole % 2))
    return whole


def offers_of(programs: Sequence[Program]) -> list[Offer]:
    """The promotions in declared order."""
    sets: dict[str, frozenset[str]] = {}
    for program in programs:
        if isinstance(program, ProductSet):
            condition = program.lines[0].condition
            assert isinstance(condition, OneOf)
            sets[program.name] = frozenset(map(str, condition.values))
    settings = next(program for program in programs if isinstance(program, Settings))
    group = next(program for program in programs if isinstance(program, Group))
    made = {p.name: _offer(p, sets, settings.rounding) for p in programs if isinstance(p, Promotion)}
    return [made[name] for name in (*group.order, *sorted(set(made) - set(group.order)))]


def _offer(promotion: Promotion, sets: dict[str, frozenset[str]], rounding: str) -> Offer:
    reward = promotion.reward
    target = getattr(reward, "target", None)
    needs = promotion.buy.needs if promotion.buy else ()
    roles = [Role(sets[need.of], need.count, need.one_article, False, False) for need in needs]
    if target is not None and target.kind == "count":
        roles.append(Role(sets[target.name], target.count, target.one_article, target.fewer, True))
    elif not needs:
        assert target is not None
        roles.append(Role(sets[target.name], 1, False, False, False))
    uses = [limit.count for limit in promotion.limits if limit.measure == "uses"]
    caps = [limit.saving[0].value for limit in promotion.limits if limit.measure == "saving"]
    return Offer(
        promotion.name,
        reward,
        tuple(roles),
        bool(needs),
        min(uses, default=MOST),
        min(caps, default=None),
        rounding,
    )


def saving_of(offer: Offer, piece: Piece, place: int, n: int) -> int:
    """What one piece saves at its place (from 0) of an application with n places."""
    match offer.reward:
        case PercentOff(percent=percent):
            return min(piece.left, rounded(piece.base * percent, 10_000, offer.rounding))
        case AmountOffEach(amount=amount):
            return min(piece.left, amount[0].value)
        case FixedPriceEach(price=price):
            return max(0, piece.left - price[0].value)
        case Pick(which=which, count=count, percent=percent):
            if place >= count if which == "dearest" else place < n - count:
                return 0
            return min(piece.left, rounded(piece.base * percent, 10_000, offer.rounding))
        case Ladder(steps=steps):
            for step in steps:
                if step.nth == place + 1 and step.amount:
                    return min(piece.left, step.amount[0].value)
                if step.nth == place + 1:
                    return min(piece.left, rounded(piece.base * step.percent, 10_000, offer.rounding))
            return 0
    raise AssertionError(offer.reward.kind)


def saving_together(offer: Offer, pieces: Sequence[Piece], n: int) -> int:
    """What some pieces save as a whole."""
    left = sum(piece.left for piece in pieces)
    match offer.reward:
        case PriceTogether(price=price, singles=True):
            return max(0, left + -price[0].value * len(pieces) // n)
        case PriceTogether(price=price):
            return max(0, left - price[0].value)
        case AmountOffTogether(amount=amount):
            return min(left, amount[0].value)
        case PercentOffTogether(percent=percent):
            return min(left, rounded(sum(piece.base for piece in pieces) * percent, 10_000, offer.rounding))
    raise AssertionError(offer.reward.kind)


def ways(offer: Offer, pieces: Sequence[Piece]) -> Iterator[Way]:
    """Every choice of pieces (in order U) and roles with which the promotion may apply."""
    able = [[piece for piece in pieces if piece.article in role.articles] for role in offer.roles]
    reward = offer.reward
    if isinstance(reward, PercentOffTogether | AmountOffTogether) and not offer.whole:
        yield (tuple(able[0]),)
        return
    single = isinstance(reward, PriceTogether) and reward.singles
    if not offer.whole or single:
        helped = [piece for piece in able[0] if single or saving_of(offer, piece, 0, 1) > 0]
        for count in range(1, len(helped) + 1):
            yield from ((chosen,) for chosen in combinations(helped, count))
        return
    for applications in range(1, offer.most + 1):
        found = False
        for way in _filled(able, offer.roles, applications, 0):
            found = True
            if len(runs_of(offer, way)) == applications and fair(offer, way):
                yield way
        if not found:
            return


def _filled(able: Sequence[list[Piece]], roles: Sequence[Role], applications: int, taken: int) -> Iterator[Way]:
    """So many pieces for the first of these roles, and for those after it."""
    if not roles:
        yield ()
        return
    most = roles[0].n * applications
    free = [piece for piece in able[0] if not piece.bit & taken]
    for count in range(most - roles[0].n + 1 if roles[0].fewer else most, most + 1):
        for chosen in combinations(free, count):
            bits = taken | sum(piece.bit for piece in chosen)
            for others in _filled(able[1:], roles[1:], applications, bits):
                yield (chosen, *others)


def runs_of(offer: Offer, way: Way) -> list[list[tuple[Piece, ...]]]:
    """The applications: the j-th so many pieces of every role make the j-th; none where they do not come out even."""
    by_role = [_chunks(role, mine) for role, mine in zip(offer.roles, way, strict=True)]
    if not all(by_role) or len({len(chunks) for chunks in by_role}) > 1:
        return []
    return [[chunks[run] for chunks in by_role] for run in range(len(by_role[0]))]


def _chunks(role: Role, mine: Sequence[Piece]) -> list[tuple[Piece, ...]]:
    """So many at a time, of one article where that is asked for; one may have fewer where that is enough."""
    parts = [mine]
    if role.one_article:
        articles = dict.fromkeys(piece.article for piece in mine)
        parts = [[piece for piece in mine if piece.article == article] for article in articles]
    chunks = [tuple(part[begin : begin + role.n]) for part in parts for begin in range(0, len(part), role.n)]
    fewer = sum(len(chunk) < role.n for chunk in chunks)
    return sorted(chunks, key=lambda chunk: mine.index(chunk[0])) if fewer <= role.fewer else []


def fair(offer: Offer, way: Way) -> bool:
    """At no price do more applications reward pieces that could have been bought as well than are bought at it or
    above it. Of one article, each article fills its own."""
    needs = [(role, mine) for role, mine in zip(offer.roles, way, strict=True) if not role.rewarded]
    either = [
        piece
        for role, mine in zip(offer.roles, way, strict=True)
        for piece in mine
        if role.rewarded and any(piece.article in need.articles for need, _ in needs)
    ]

    def piles(role: Role, pieces: Sequence[Piece], price: int) -> Iterator[int]:
        """How many cost as much or more: of each article where one must fill an application, else of all."""
        dear = [piece for piece in pieces if piece.base >= price]
        return iter(Counter(piece.article if role.one_article else "" for piece in dear).values())

    others = offer.roles[-1]
    return all(
        sum(-(-count // others.n) for count in piles(others, either, price))
        <= min(sum(count // need.n for count in piles(need, mine, price)) for need, mine in needs)
        for price in {piece.base for piece in either}
    )


def savings_of(offer: Offer, way: Way) -> dict[int, int]:
    """What each piece saves, by its bit, before a cap. Of a whole: all at its first piece."""
    reward = offer.reward
    if isinstance(reward, PercentOffTogether | AmountOffTogether | PriceTogether) and (
        not offer.whole or (isinstance(reward, PriceTogether) and reward.singles)
    ):
        return {piece.bit: saving_together(offer, way[0], offer.roles[0].n) for piece in way[0][:1]}
    if not offer.whole:
        return {piece.bit: saving_of(offer, piece, 0, 1) for mine in way for piece in mine}
    saved: dict[int, int] = {}
    others = offer.roles[-1].rewarded
    n = sum(role.n for role in offer.roles)
    for run in runs_of(offer, way):
        mine = run[-1] if others else sorted(chain.from_iterable(run), key=order_u)
        if isinstance(reward, PriceTogether | AmountOffTogether | PercentOffTogether):
            saved[mine[0].bit] = saving_together(offer, mine, n)
            continue
        for place, piece in enumerate(mine):
            saved[piece.bit] = saving_of(offer, piece, place, n)
    return saved


def order_u(piece: Piece) -> tuple[int, int, int, str, int]:
    """Dearest first."""
    return -piece.base, -piece.left, -piece.list, piece.article, piece.bit


def capped(offer: Offer, saving: int) -> int:
    """Under its limit in money."""
    return saving if offer.cap is None else min(saving, offer.cap)


def best_shared_out(offers: Sequence[Offer], pieces: Sequence[Piece]) -> int:
    """Each piece serves one promotion or none; the most that all of them save together."""
    ordered = sorted(pieces, key=order_u)
    everything = (1 << len(pieces)) - 1
    best = [0] * (everything + 1)  # by set of pieces: the most that the promotions so far save with no others
    for offer in offers:
        worth: dict[int, int] = {}
        for way in ways(offer, ordered):
            bits = sum(piece.bit for mine in way for piece in mine)
            worth[bits] = max(worth.get(bits, 0), capped(offer, sum(savings_of(offer, way).values())))
        then = best.copy()
        for bits, saving in worth.items():
            rest = others = everything & ~bits
            while True:
                together = best[others] + saving
                then[others | bits] = max(then[others | bits], together)
                if not others:
                    break
                others = (others - 1) & rest
        best = then
    return max(best)


def alone(offer: Offer, pieces: Sequence[Piece]) -> int:
    """The most that a promotion saves with all pieces to itself."""
    found = (sum(savings_of(offer, way).values()) for way in ways(offer, sorted(pieces, key=order_u)))
    return capped(offer, max(found, default=0))


def in_turn(offers: Sequence[Offer], pieces: Sequence[Piece], original: bool) -> int:
    """One after the other on what is left, each with the pieces that save it most; of equals the fewest, then the first
    in order U: taken before left, an earlier role before a later one."""
    total = 0
    now = list(pieces)
    for offer in offers:
        ordered = sorted(now, key=order_u)

        def key(way: Way, offer: Offer = offer, ordered: Sequence[Piece] = ordered) -> tuple[int, int, list[int]]:
            roles = {piece.bit: role for role, mine in enumerate(way) for piece in mine}
            saving = sum(savings_of(offer, way).values())
            return -saving, len(roles), [roles.get(piece.bit, len(offer.roles)) for piece in ordered]

        way = min(ways(offer, ordered), key=key, default=())
        if not way:
            continue
        savings = savings_of(offer, way)
        if sum(savings.values()) == 0:
            continue
        total += sum(savings.values())
        after = [piece._replace(left=piece.left - savings.get(piece.bit, 0)) for piece in now]
        now = after if original else [piece._replace(base=piece.left) for piece in after]
    return total


def brute_force(programs: Sequence[Program], request: Request) -> int:
    """The largest saving there is."""
    catalogue = next(program for program in programs if isinstance(program, Catalogue))
    group = next(program for program in programs if isinstance(program, Group))
    cents = {
        article: int(micros or 0) // micros_per_minor("EUR")
        for article, micros in zip(catalogue.articles, catalogue.columns[0].values, strict=True)
    }
    goods = [
        line.article for line in sorted(request.lines, key=lambda line: line.id.encode()) for _ in range(line.quantity)
    ]
    pieces = [
        Piece(article, cents[article], cents[article], cents[article], 1 << number)
        for number, article in enumerate(goods)
    ]
    offers = offers_of(programs)
    if group.apply == "best-per-item":
        return best_shared_out(offers, pieces)
    if group.apply == "best":
        return max((alone(offer, pieces) for offer in offers), default=0)
    original = group.prices == "original"
    offers = [offer for offer in offers if alone(offer, pieces)]  # others take no part
    return max(
        in_turn(chosen, pieces, original)
        for count in range(min(group.at_most, len(offers)) + 1)
        for chosen in combinations(offers, count)
    )


# ---------------------------------------------------------------------------------------------------- in bulk


def compare(programs: Sequence[Program], decide: Decide, number: int) -> tuple[str, str]:
    """What kind of basket it was, and what is wrong with it ("": nothing)."""
    request = basket(number)
    group = next(program for program in programs if isinstance(program, Group))
    decision = decide(request)
    expected = brute_force(programs, request)
    if decision.totals.saving == expected and decision.optimal:
        return group.apply, ""
    said = "" if decision.optimal else f" and at most {decision.bound} more"
    return group.apply, f"basket {number}: the engine saves {decision.totals.saving}{said}, brute force {expected}"


def block(first: int, end: int) -> tuple[Counter[str], list[str]]:
    """Some baskets: how many of which kind, and those that differ."""
    counts: Counter[str] = Counter()
    wrong = []
    for seed in range(first // BASKETS, -(-end // BASKETS)):
        programs = ruleset(seed)
        decide = engine_of(programs)[1]
        for number in range(max(first, seed * BASKETS), min(end, (seed + 1) * BASKETS)):
            kind, difference = compare(programs, decide, number)
            counts[kind] += 1
            if difference:
                wrong.append(difference)
    return counts, wrong


if __name__ == "__main__":
    sys.exit(bulk.command(__doc__, block, BLOCK * BASKETS))
