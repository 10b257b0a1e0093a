"""Ever more promotions, and no basket meets more of them: a retailer of many assortments of one shape.

    shop = Assortments(most=100_000)
    shop.programs(10_000)               the ruleset: ten assortments have promotions, the other articles have none
    shop.baskets(20, 100, 10_000)       requests, each from one of these ten

An assortment has promotions, product sets, articles and departments of its own; the next one has the same under other
names, at the same prices. So a basket from one meets as many promotions, of the same kinds, as the same basket from
any other. Promotions are numbered by name, so those of one assortment stand scattered among all.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from functools import cached_property
from typing import Final

from benchmarks import retailer, workload
from benchmarks.grocer import sold
from dsl.compiler import compile_project
from einklang.v1 import decision_pb2 as pb
from engine.program import Catalogue, ProductSet, Program, Promotion, decode, encode

PROMOTIONS: Final = 1_000  # of an assortment
ARTICLES: Final = 2_500
DEPARTMENTS: Final = 4
SHAPES: Final = (  # of a thousand promotions; a basket of twenty lines meets some seventy, as in benchmarks/workload.py
    ("price", 300),
    ("percent", 150),
    ("several", 110),
    ("free", 110),
    ("ladder", 30),
    ("range", 200),
    ("spend", 10),
    ("members", 90),
)
_SHARED: Final = ("no-goods", "price-bound-goods", "tobacco", "everything", "partner-goods")  # product sets
_TEXT: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')
_HERE: Final = "\x00"  # where the assortment's number goes


class Assortments:
    """The retailer. `most`: so many promotions there may be; `promotions`, `articles`: of one assortment."""

    def __init__(self, most: int, promotions: int = PROMOTIONS, articles: int = ARTICLES) -> None:
        self.promotions = promotions
        self.articles = articles
        self.count = -(-most // promotions)

    def programs(self, promotions: int) -> list[Program]:
        """The ruleset with so many promotions, in whole assortments."""
        marked = [_TEXT.sub(lambda found: f'"{self._text(found[1])}"', encode(one).decode()) for one in self._own]
        many = [
            decode(text.replace(_HERE, self._suffix(number)).encode())
            for number in range(self._assortments(promotions))
            for text in marked
        ]
        shared = (self._of_all(one) if isinstance(one, Catalogue) else one for one in self._one if one not in self._own)
        return [*shared, *many]

    def baskets(self, lines: int, count: int, promotions: int) -> list[pb.DecideRequest]:
        """Those of benchmarks/workload.py, each from one of the assortments that have promotions then."""
        found = workload.baskets(lines, count, self.articles, known=False)
        for number, basket in enumerate(found):
            for line in basket.lines:
                line.article += self._suffix(number % self._assortments(promotions))
        return found

    def _assortments(self, promotions: int) -> int:
        """How many have promotions."""
        return min(-(-promotions // self.promotions), self.count)

    def _suffix(self, number: int) -> str:
        return f"-{number:0{len(str(self.count - 1))}}"

    @cached_property
    def _one(self) -> tuple[Program, ...]:
        """The ruleset of one assortment."""
        files = retailer.project(
            self.promotions,
            self.articles,
            shapes=SHAPES,
            weeks=1,
            fame=lambda number: math.sqrt(sold(number + 1)),
        )
        return compile_project(files).programs

    @cached_property
    def _own(self) -> list[Promotion | ProductSet]:
        """What each assortment has of its own."""
        return [one for one in self._one if isinstance(one, Promotion | ProductSet) and one.name not in _SHARED]

    @cached_property
    def _names(self) -> frozenset[str]:
        """Texts that name something else in each assortment."""
        (catalogue,) = (one for one in self._one if isinstance(one, Catalogue))
        return frozenset([*(one.name for one in self._own), *catalogue.articles])

    def _text(self, text: str) -> str:
        """A text as each assortment has it, marked where its number goes; there are fewer departments."""
        if text in self._names:
            return text + _HERE
        first, slash, rest = text.partition("/")
        if first not in retailer.DEPARTMENTS or first == retailer.GUARDED:
            return text
        department = retailer.DEPARTMENTS[retailer.DEPARTMENTS.index(first) % DEPARTMENTS]
        return f"{department}{_HERE}{slash}{rest}"

    def _of_all(self, one: Catalogue) -> Catalogue:
        """The catalogue of all assortments; articles ascend, and by assortment within."""
        suffixes = [self._suffix(number) for number in range(self.count)]

        def texts(values: Iterable[str]) -> tuple[str, ...]:
            return tuple(text.replace(_HERE, suffix) for text in map(self._text, values) for suffix in suffixes)

        columns = []
        for column in one.columns:
            values: tuple[int | str | None, ...] = tuple(
                value
                for said in column.values
                for value in (texts([said]) if isinstance(said, str) else [said] * len(suffixes))
            )
            columns.append(column.model_copy(update={"values": values}))
        return one.model_copy(update={"articles": texts(one.articles), "columns": tuple(columns)})
