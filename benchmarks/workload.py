"""What the service is measured with: a made-up retailer's promotions, all in force, and baskets as tills see them.

    files = project(promotions=10_000, articles=100_000)
    baskets(lines=20, count=4, articles=100_000, known=False)

The promotions are benchmarks/retailer.py's, of every shape, with groups, guards, segments, places and labels, but all
of one week. Two shapes are rarer here, offers for a whole department and free shipping: so a basket meets as many
promotions as the real tills' baskets met of 10,000 rules (benchmarks/grocer.py, CANDIDATES), some seventy at twenty
lines. Shoppers buy as the grocer's do, and what they buy often is more often on offer.
"""

from __future__ import annotations

import datetime
import math
import random
from functools import cache
from typing import Final

from benchmarks import retailer
from benchmarks.grocer import FIRST_SKU, Grocer, sold
from einklang.v1 import decision_pb2 as pb
from engine.basket import BasketLine, Customer, Fact, Request
from engine.program import Type
from server.requests import message_of

SHAPES: Final = (  # of a thousand promotions
    ("price", 320),
    ("percent", 150),
    ("several", 110),
    ("free", 110),
    ("ladder", 33),
    ("range", 150),
    ("spend", 3),
    ("coupon", 73),
    ("members", 50),
    ("shipping", 1),
)
AT: Final = datetime.datetime(2026, 1, 7, 11, tzinfo=datetime.UTC)  # a Wednesday, noon in Berlin: all are in force
_MILLION: Final = 1_000_000
CUSTOMER: Final = Customer(
    id="K-100007",
    attributes={
        "tier": Fact(Type.TEXT, "gold"),
        "kind": Fact(Type.TEXT, "consumer"),
        "first-seen": Fact(Type.DATE, datetime.date(2019, 5, 2).toordinal() - datetime.date(1970, 1, 1).toordinal()),
        "recency": Fact(Type.NUMBER, 4 * _MILLION),
        "frequency": Fact(Type.NUMBER, 5 * _MILLION),
        "monetary": Fact(Type.NUMBER, 3 * _MILLION),
    },
    consents=frozenset({"email"}),
)


def project(promotions: int, articles: int) -> dict[str, bytes]:
    """The files of the project: the same sizes give the same bytes, always."""
    return retailer.project(
        promotions, articles, shapes=SHAPES, weeks=1, fame=lambda number: math.sqrt(sold(number + 1))
    )


def baskets(lines: int, count: int, articles: int, known: bool) -> list[pb.DecideRequest]:
    """So many different baskets of exactly so many lines, as a till sends them; `known`: with a customer's facts."""
    shop = _shop(articles)
    customer = CUSTOMER if known else Customer()
    chance = random.Random(f"{lines} {articles}")
    return [message_of(_request(shop.goods(chance, lines), customer)) for _ in range(count)]


@cache
def _shop(articles: int) -> Grocer:
    return Grocer(0, articles)


def _request(goods: dict[int, int], customer: Customer) -> Request:
    return Request(
        at_us=int(AT.timestamp()) * _MILLION,
        currency="EUR",
        channel="stores",
        store="0001",
        customer=customer,
        lines=tuple(
            BasketLine(id=str(place + 1), article=str(FIRST_SKU + article), quantity=pieces)
            for place, (article, pieces) in enumerate(goods.items())
        ),
    )
