"""A made-up retailer of any size as the files of a project: the same sizes give the same bytes, always.

    files = project(promotions=10_000, articles=100_000)

The shape follows real tills (a year of a grocer: 92,331 articles of 32 departments, some 2,400 kinds and 6,500 brands;
half of the price points are for one article, one in a hundred for more than thirteen). Each week has flyers of
fifty promotions a file, with their product sets, samples and tests beside them. Tests say what the arithmetic here
says, in whole cents, so that `einklang test` passes.
"""

from __future__ import annotations

import datetime
import random
from bisect import bisect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

A_FILE: Final = 50  # promotions
A_CODE_FILE: Final = 500  # single-use codes
STORES: Final = 457
CUSTOMERS_LISTED: Final = 5_000
FIRST_WEEK: Final = datetime.date(2026, 1, 5)  # a Monday
WEEKS: Final = 52

DEPARTMENTS: Final = (
    "Backwaren Obst Gemüse Fleisch Wurst Käse Milch Tiefkühl Nudeln Reis Konserven Saucen Gewürze Öle Frühstück "
    "Kaffee Tee Süßes Knabbern Wasser Säfte Bier Wein Spirituosen Drogerie Haushalt Baby Tiere Mode Garten Papier Tabak"
).split()
KINDS: Final = "Klassisch Bio Regional Premium Basis Vegan Leicht Saison Importe Neu".split()
FORMS: Final = "Einzeln Doppelpack Vorrat Mini Maxi Geschenk Nachfüllung Probe".split()
_SYLLABLES: Final = (
    "Al Bel Cor Dan El Fal Gran Hel Il Jo Kal Lu Mar Nor Ol Pas Quin Ros Sol Tal Ul Ver Wal Zan"
).split()
_ENDINGS: Final = "a anta ella eri ina issa o ona oro ura us avel".split()
GUARDED: Final = "Tabak"
CHANNELS: Final = ("stores", "webshop", "app", "marketplace", "field-sales")
OWNERS: Final = ("Frische", "Trockensortiment", "Getränke", "Nonfood", "Online")
ITEMS_WEIGHTS: Final = ((1, 70), (2, 14), (3, 5), (5, 6), (9, 3), (15, 2))  # articles of a price point: the tills'

# The promotions' shapes and how many of a hundred have them.
SHAPES: Final = (
    ("price", 30),
    ("percent", 14),
    ("several", 10),
    ("free", 10),
    ("ladder", 3),
    ("range", 15),
    ("spend", 5),
    ("coupon", 7),
    ("members", 5),
    ("shipping", 1),
)


@dataclass(frozen=True, slots=True)
class Article:
    """One row of the catalogue."""

    sku: str
    brand: str
    category: str
    cents: int


def project(
    promotions: int,
    articles: int,
    seed: int = 1,
    *,
    shapes: Sequence[tuple[str, int]] = SHAPES,
    weeks: int = WEEKS,
    fame: Callable[[int], float] | None = None,
) -> dict[str, bytes]:
    """The files by their path, in the order of their paths.

    `shapes`: how often each is chosen. `weeks`: over how many the flyers are spread; 1: all are in force at once.
    `fame`: how readily an article, by its number, gets a price point; else all alike."""
    if promotions < 1 or articles < 1:
        raise ValueError("a retailer has at least one promotion and one article")
    chance = random.Random(seed)
    goods = list(_articles(chance, articles))
    files = {
        "settings.promo": SETTINGS,
        "stacking.promo": STACKING,
        "segments.promo": "\n".join(_segments()),
        "places.promo": "\n".join(_places()),
        "products.promo": "\n".join(_shared_sets()),
        "data/catalogue.csv": "\n".join(_catalogue(goods)) + "\n",
        "data/stores.csv": "\n".join(_stores(chance)) + "\n",
        "lists/guests.csv": "id\n" + "\n".join(f"K-{100_000 + 7 * n}" for n in range(CUSTOMERS_LISTED)) + "\n",
    }
    buyable = [article for article in goods if not article.category.startswith(GUARDED)] or goods
    if fame is None:
        chance.shuffle(buyable)
    else:
        readily = {article.sku: chance.random() ** (1 / fame(number)) for number, article in enumerate(goods)}
        buyable.sort(key=lambda article: readily[article.sku])
    for number in range(-(-promotions // A_FILE)):
        count = min(A_FILE, promotions - number * A_FILE)
        flyer = _Flyer(number, chance, buyable, number % weeks)
        files[flyer.path] = flyer.text(count, shapes)
        files |= flyer.files
    return {path: files[path].encode() for path in sorted(files)}


# ---------------------------------------------------------------------------------------------------- catalogue


def _articles(chance: random.Random, count: int) -> Iterator[Article]:
    brands = [a + b + c for a in _SYLLABLES for b in _SYLLABLES for c in _ENDINGS][:6_500]
    categories = [f"{d}/{k}/{f}" for d in DEPARTMENTS for k in KINDS for f in FORMS]
    popular = list(accumulate(1 / (rank + 20) for rank in range(len(brands))))
    # cents at even steps of all articles, as the tills have them
    steps = (27, 57, 79, 119, 129, 150, 189, 222, 269, 313, 349, 389, 517, 719, 949, 1_299, 2_999)
    for number in range(count):
        brand = brands[bisect(popular, chance.random() * popular[-1])]
        step = chance.randrange(len(steps) - 1)
        cents = chance.randrange(steps[step], steps[step + 1])
        yield Article(f"{100_000 + number}", brand, chance.choice(categories), cents)


def _catalogue(goods: list[Article]) -> Iterator[str]:
    yield "sku,name,brand,category,kind,price,seller,price_bound,organic,tax_rate"
    for number, article in enumerate(goods):
        last = article.category.rpartition("/")[2]
        seller = "partner" if number % 29 == 0 else "own"
        organic = "yes" if "/Bio/" in article.category else "no"
        rate = "19%" if article.category.partition("/")[0] in DEPARTMENTS[22:] else "7%"
        name = f"{article.brand} {last} {number}"
        price = money(article.cents)
        yield f"{article.sku},{name},{article.brand},{article.category},goods,{price},{seller},no,{organic},{rate}"


def _stores(chance: random.Random) -> Iterator[str]:
    yield "id,name,format,region,time_zone"
    for number in range(STORES):
        form = chance.choice(("city", "city", "hyper", "outlet"))
        yield f"{number:04},Filiale {number},{form},Region {number % 30:02},"


def money(cents: int) -> str:
    """19 → 0.19"""
    return f"{cents // 100}.{cents % 100:02}"


def rounded(cents: int, percent: int) -> int:
    """A percentage of an amount, half a cent away from zero."""
    return (2 * cents * percent + 100) // 200


# ---------------------------------------------------------------------------------------------------- what is shared

SETTINGS: Final = """\
settings {
  currency EUR
  timezone Europe/Berlin
  languages de, en
  receipt width 38
  rounding half-up
  prices include tax
}

schema {
  attributes customer {
    id: text
    tier: one of none, silver, gold (default none)
    kind: one of consumer, business, employee
    first-seen: date
    home-store: store
    recency: score-1-to-5
    frequency: score-1-to-5
    monetary: score-1-to-5
    churn-risk: percent (predicted)
  }
  attributes item {
    sku: text
    brand: text
    category: category
    kind: one of goods, deposit, service, gift-card
    price: money
    seller: one of own, partner (default own)
    price-bound: yes-no (default no)
    organic: yes-no (default no)
  }
  attributes store {
    format: one of city, hyper, outlet
    region: text
  }
  consents email, profiling
  channels stores, webshop, app, marketplace, field-sales
  services shipping-standard, click-and-collect
  payments cash, card, invoice
}

catalogue from "data/catalogue.csv"
stores from "data/stores.csv"
"""

STACKING: Final = """\
sequence item-deals, range-deals, basket-deals, coupons, delivery

group item-deals "Preisaktionen" {
  gives discounts
  apply best per item
  prices original
}

group range-deals "Sortimentsaktionen" {
  gives discounts
  apply best per item
  prices reduced
}

group basket-deals "Warenkorbaktionen" {
  gives discounts
  apply best
  prices reduced
}

group coupons "Gutscheine" {
  gives discounts
  apply at most 1 per basket
  prices reduced
}

group delivery "Versand" {
  gives benefits
  apply first
  prices reduced
}

products tobacco "Tabakwaren" {
  item.category is under "Tabak"
}

products price-bound-goods "Preisgebundenes" {
  item.price-bound is yes
}

products no-goods "Pfand und Geschenkkarten" {
  item.kind is one of deposit, gift-card
}

products partner-goods "Artikel von Partnern" {
  item.seller is partner
}

products everything "Gesamtes Sortiment" {
  item.kind is goods
}

guard price-law "Preisbindung, Tabak" {
  never discount price-bound-goods, tobacco
  never reward price-bound-goods, tobacco
  never count price-bound-goods, tobacco
  because "BuchPrG § 3, TabStG § 26"
}

guard deposit-and-cards "Pfand und Geschenkkarten" {
  never discount no-goods
  never reward no-goods
  never count no-goods
}
"""


def _segments() -> Iterator[str]:
    yield 'segment gold-members "Gold" {\n  customer.tier is gold\n  customer.kind is consumer\n}\n'
    yield 'segment staff "Mitarbeitende" {\n  customer.kind is employee\n}\n'
    yield 'segment guests "Ehrengäste" {\n  customer.id is listed in "lists/guests.csv"\n}\n'
    for score in range(1, 6):
        yield f"""segment score-{score} "RFM {score}" {{
  customer.recency is at least {score}
  customer.monetary is at least {score}
  none of {{
    in staff
  }}
}}
"""
    for years in range(1, 11):
        yield f"""segment loyal-{years} "Treu seit {years} Jahren" {{
  any of {{
    in gold-members
    customer.first-seen is more than {years} years ago
  }}
  none of {{
    in staff
  }}
}}
"""


SEGMENTS: Final = (
    "gold-members",
    "guests",
    *(f"score-{n}" for n in range(1, 6)),
    *(f"loyal-{n}" for n in range(1, 11)),
)


def _places() -> Iterator[str]:
    for number in range(15):
        first, second = f'"Region {2 * number:02}"', f'"Region {2 * number + 1:02}"'
        yield f'places region-{number} "Gebiet {number}" {{\n  store.region is one of {first}, {second}\n}}\n'
    yield 'places city-stores "Innenstadt" {\n  store.format is city\n}\n'


def _shared_sets() -> Iterator[str]:
    for number, department in enumerate(DEPARTMENTS):
        yield f'products department-{number} "{department}" {{\n  item.category is under "{department}"\n}}\n'
        for rank, kind in enumerate(KINDS):
            name, path = f"kind-{number}-{rank}", f"{department}/{kind}"
            yield f'products {name} "{department} {kind}" {{\n  item.category is under "{path}"\n}}\n'


# ---------------------------------------------------------------------------------------------------- flyers


class _Flyer:
    """One file of promotions of one week."""

    def __init__(self, number: int, chance: random.Random, buyable: list[Article], week: int) -> None:
        self.number = number
        self.chance = chance
        self.buyable = buyable  # in no order; price points take from its end, so that no two have one article
        self.path = f"promotions/week-{week + 1:02}/flyer-{number + 1:03}.promo"
        self.first = FIRST_WEEK + datetime.timedelta(weeks=week)
        self.files: dict[str, str] = {}
        self.out: list[str] = []

    def text(self, count: int, shapes: Sequence[tuple[str, int]]) -> str:
        """The declarations."""
        names, weights = zip(*shapes, strict=True)
        self.out.append(f"# Week of {self.first}, flyer {self.number + 1}\n")
        for nth in range(count):
            shape = self.chance.choices(names, weights)[0]
            getattr(self, shape)(f"{self.number + 1}-{nth + 1}", shape)
        return "\n".join(self.out)

    # ---------- the shapes; `key` is the flyer's number and the promotion's

    def price(self, key: str, shape: str) -> None:
        """A final price for each piece of a few articles."""
        goods = self.few(key)
        price = max(min(article.cents for article in goods) * self.chance.randrange(60, 95) // 100, 1)
        name = self.promotion(
            key, shape, f"get goods-{key} for EUR {money(price)} each", "item-deals", f"nur {money(price)} EUR"
        )
        self.saves(name, key, goods[0], 2, 2 * (goods[0].cents - price))

    def percent(self, key: str, shape: str) -> None:
        """A percentage off a few articles."""
        goods, percent = self.few(key), self.chance.choice((10, 15, 20, 25, 30, 40, 50))
        name = self.promotion(key, shape, f"get {percent}% off goods-{key}", "item-deals", f"-{percent} %")
        self.saves(name, key, goods[0], 3, 3 * rounded(goods[0].cents, percent))

    def several(self, key: str, shape: str) -> None:
        """Two or three together for a price."""
        goods, count = self.few(key), self.chance.choice((2, 3))
        price = max(goods[0].cents * count * 85 // 100, 1)
        lines = f"buy {count} of goods-{key}\n  get them together for EUR {money(price)}"
        name = self.promotion(key, shape, lines, "item-deals", f"{count} für {money(price)} EUR")
        self.saves(name, key, goods[0], count, max(goods[0].cents * count - price, 0))

    def free(self, key: str, shape: str) -> None:
        """The cheapest of several is free."""
        goods, count = self.few(key), self.chance.choice((2, 3, 3, 4))
        lines = f"buy {count} of goods-{key}\n  get the cheapest 1 free\n  limit 4 per basket"
        name = self.promotion(key, shape, lines, "item-deals", f"{count} für {count - 1}")
        self.saves(name, key, goods[0], count, goods[0].cents)

    def ladder(self, key: str, shape: str) -> None:
        """The more, the more off."""
        goods = self.few(key)
        lines = f"buy 3 of goods-{key}\n  get 20% off every 2nd, 50% off every 3rd"
        name = self.promotion(key, shape, lines, "item-deals", "2. -20 %, 3. -50 %")
        self.saves(name, key, goods[0], 3, rounded(goods[0].cents, 20) + rounded(goods[0].cents, 50))

    def range(self, key: str, shape: str) -> None:
        """A percentage off a brand within a department, off a kind of goods, or off what a file lists."""
        article, percent = self.chance.choice(self.buyable), self.chance.choice((5, 10, 15, 20))
        department = article.category.partition("/")[0]
        form = self.chance.randrange(10)
        if form < 6:
            lines = [f'item.brand is "{article.brand}"', f'item.category is under "{department}"']
        elif form < 8:
            lines = [f'item.category is under "{article.category}"', "none of {\n    in partner-goods\n  }"]
        else:
            path = f"lists/range-{key}.csv"
            chosen = self.chance.sample(self.buyable, min(len(self.buyable), self.chance.randrange(20, 200)))
            self.files[path] = "sku\n" + "\n".join(article.sku for article in chosen) + "\n"
            lines = [f'item.sku is listed in "{path}"']
        self.products(key, f"{article.brand} {department}"[:30], lines)
        name = self.promotion(key, shape, f"get {percent}% off goods-{key}", "range-deals", f"Marke -{percent} %")
        self.over(name, key, article)

    def spend(self, key: str, shape: str) -> None:
        """So much off from so much on."""
        department, euros = self.chance.randrange(len(DEPARTMENTS) - 1), self.chance.randrange(20, 80, 5)
        off = euros // 5
        lines = (
            f"when basket is worth at least EUR {euros}.00 of department-{department}\n"
            f"  get EUR {off}.00 off department-{department} together\n"
            "  limit 1 per customer\n"
            "  limit EUR 25000.00 in total each day"
        )
        name = self.promotion(key, shape, lines, "basket-deals", f"{off} EUR ab {euros} EUR")
        self.over(name, key, self.chance.choice(self.buyable))

    def coupon(self, key: str, shape: str) -> None:
        """A percentage with a code, on a department but for partners' goods."""
        department, percent = self.chance.randrange(len(DEPARTMENTS) - 1), self.chance.choice((10, 15, 20))
        if self.chance.random() < 0.5:
            self.out.append(f'codes codes-{key} "Code {key}" {{\n  code "SPAR-{key}"\n}}\n')
        else:
            path = f"codes/single-{key}.csv"
            numbers = (self.chance.getrandbits(40) for _ in range(A_CODE_FILE))
            self.files[path] = "code\n" + "\n".join(f"E{number:010X}" for number in numbers) + "\n"
            lines = f'codes from "{path}"\n  each code once'
            self.out.append(f'codes codes-{key} "Einmalcodes {key}" {{\n  {lines}\n}}\n')
        lines = (
            f"with code from codes-{key}\n"
            f"  get {percent}% off department-{department}\n"
            "  limit EUR 60.00 per basket\n"
            "  except partner-goods"
        )
        name = self.promotion(key, shape, lines, "coupons", f"Gutschein -{percent} %")
        article = self.chance.choice(self.buyable)
        self.test(name, key, article, 1, "because code-missing")

    def members(self, key: str, shape: str) -> None:
        """A percentage on a kind of goods for some customers."""
        department, kind = self.chance.randrange(len(DEPARTMENTS) - 1), self.chance.randrange(len(KINDS))
        percent = self.chance.choice((5, 10))
        lines = f"get {percent}% off kind-{department}-{kind}"
        audience = f"{self.chance.choice(SEGMENTS)} but not staff"
        name = self.promotion(key, shape, lines, "range-deals", f"Für Sie -{percent} %", audience)
        self.over(name, key, self.chance.choice(self.buyable))

    def shipping(self, key: str, shape: str) -> None:
        """Free shipping from an amount on."""
        euros = self.chance.randrange(29, 99, 10)
        lines = (
            f"when basket is worth at least EUR {euros}.00\n"
            "  when delivery is shipping-standard\n"
            "  get free shipping-standard"
        )
        name = self.promotion(key, shape, lines, "delivery", "Versand gratis")
        self.over(name, key, self.chance.choice(self.buyable))

    # ---------- what they have in common

    def few(self, key: str) -> list[Article]:
        """Some articles of one promotion alone, as a product set."""
        sizes, weights = zip(*ITEMS_WEIGHTS, strict=True)
        goods = [self.take() for _ in range(self.chance.choices(sizes, weights)[0])]
        if len(goods) == 1:
            lines = [f'item.sku is "{goods[0].sku}"']
        else:
            lines = ["item.sku is one of " + ", ".join(f'"{sku}"' for sku in sorted({a.sku for a in goods}))]
        self.products(key, f"{goods[0].brand} {goods[0].category.rpartition('/')[2]}"[:30], lines)
        return goods

    def take(self) -> Article:
        """An article that no price point has; once all are taken, any."""
        if len(self.buyable) > 1:
            return self.buyable.pop()
        return self.buyable[0]

    def products(self, key: str, title: str, lines: list[str]) -> None:
        body = "\n".join(f"  {line}" for line in lines)
        self.out.append(f'products goods-{key} "{title}" {{\n{body}\n}}\n')

    def promotion(self, key: str, shape: str, lines: str, group: str, label: str, audience: str = "everyone") -> str:
        """Write it; its name."""
        name = f"{shape}-{key}"
        until = self.first + datetime.timedelta(days=self.chance.choice((5, 6, 13)))
        sold = "stores, webshop, app" if self.chance.random() < 0.8 else "everywhere but not marketplace"
        extra = ""
        if shape == "price" and self.chance.random() < 0.1:
            extra = "  only on Mon to Sat between 08:00 and 20:00\n"
        elif shape == "percent" and self.chance.random() < 0.3:
            extra = f"  only at region-{self.chance.randrange(15)}\n"
        english = (
            label.replace("nur ", "now ")
            .replace("für", "for")
            .replace("Marke", "Brand")
            .replace("Gutschein", "Voucher")
            .replace("ab", "from")
        )
        self.out.append(
            f"""\
promotion {name} "Aktion {key}: {label}" {{
  runs from {self.first} until {until}
{extra}  sold in {sold}
  for {audience}
  {lines}
  group {group}
  label de "{label}"
  label en "{english}"
  owner "{self.chance.choice(OWNERS)}"
}}
""".replace("sold in everywhere", "sold everywhere")
        )
        return name

    def saves(self, name: str, key: str, article: Article, count: int, cents: int) -> None:
        """A test that it saves so much, at noon of its first day; where it asks for places, that it asks for them."""
        if "only at" in self.out[-1]:
            self.test(name, key, article, count, "because place")
        elif cents > 0 and len(self.buyable) > 1:
            self.test(name, key, article, count, f"EUR {money(cents)}")

    def over(self, name: str, key: str, article: Article) -> None:
        """A test that it is over a month later, for every second one."""
        if self.chance.random() < 0.5:
            self.test(name, key, article, 1, "because schedule")

    def test(self, name: str, key: str, article: Article, count: int, expected: str) -> None:
        """A sample and a test that buys it."""
        day = self.first + datetime.timedelta(days=28 if "schedule" in expected else 0)
        verdict = f"does not apply {expected}" if expected.startswith("because") else f"saves {expected}"
        self.out.append(f"""\
sample article-{key} "{article.brand} {article.sku}" {{
  sku: "{article.sku}"
  brand: "{article.brand}"
  category: "{article.category}"
  kind: goods
  price: EUR {money(article.cents)}
}}
""")
        self.out.append(f"""\
test "{name}: {verdict}" {{
  at {day} 12:00
  sold in webshop
  buys {count} x article-{key}
  expect {name} {verdict}
}}
""")
