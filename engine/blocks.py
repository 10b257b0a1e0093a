"""What stands in the parts of an image: texts, tables, price lists, read where they stand when they are asked for.

`check` reads all of a block, once, and raises for what does not hold; an image that was checked is opened without it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from engine.basket import PIECE_MICROS_MAX
from engine.index import Index, Texts, indexed
from engine.parts import NUMBER_MAX, Ints, ranges, require, within
from engine.program import QUANTITY_MAX, ProductSet, Type
from engine.sets import Needs, Values

CLAUSES = {
    "runs",
    "only_on",
    "sold",
    "places",
    "audience",
    "code",
    "when",
    "reasons",
    "get",
    "limits",
}  # texts of a promotion


class PromotionInfo(NamedTuple):
    """What people read of a promotion."""

    name: str
    title: str
    labels: tuple[tuple[str, str], ...]  # (language, text)
    terms: tuple[tuple[str, str], ...]
    hints: tuple[tuple[str, str], ...]
    owner: str
    funded: tuple[tuple[str, str, int], ...]  # (party, name, basis points)
    group: str
    usage_as_given: bool  # it has limits past the basket
    arms: tuple[str, ...] = ()  # variants in the order written; "": the control group


class Said(NamedTuple):
    """What is said of a promotion."""

    info: PromotionInfo
    clauses: dict[str, Any]  # the text of each
    limits: tuple[str, ...]  # the name of each


class Block:
    """What one part says, or some of it."""

    checked = False

    def check(self) -> None:
        """Read all of it. Raises ImageRejected and what reading of other bytes raises."""
        raise NotImplementedError


class Names(Block):
    """Names, and the number of each."""

    def __init__(self, arrays: Mapping[str, Any], of: str = "") -> None:
        self.index = Index(arrays[f"{of}index"], arrays[f"{of}blob"])

    def check(self) -> None:
        """Texts that differ, in an index that finds each."""
        texts = self.index.texts
        require(self.index.index[:1].tolist() == [len(texts)], "names are not as many as said")
        _check_texts(texts)
        require(len(set(texts)) == len(texts), "a name stands twice")
        require(np.array_equal(self.index.index, indexed(texts.begin, texts.blob)), "an index does not find its names")
        self.checked = True


class AllNames(Block):
    """The names of promotions and product sets, and the texts of conditions."""

    def __init__(self, arrays: Mapping[str, Any], _: Any) -> None:
        self.promotions, self.sets, self.symbols = (Names(arrays, f"{of} ") for of in ("promotions", "sets", "symbols"))

    def check(self) -> None:
        """Each of them."""
        for names in (self.promotions, self.sets, self.symbols):
            names.check()
        self.checked = True


class PromotionBlock(Block):
    """What people read of some promotions."""

    def __init__(self, arrays: Mapping[str, Any], _: Any) -> None:
        self.texts = Texts(arrays["begin"], arrays["blob"])

    def __len__(self) -> int:
        return len(self.texts)

    def read(self, place: int) -> Said:
        """What is said of one of them."""
        p = json.loads(self.texts[place])
        info = PromotionInfo(
            p["name"],
            p["title"],
            _pairs(p["labels"]),
            _pairs(p["terms"]),
            _pairs(p["hints"]),
            p["owner"],
            tuple((party, name, points) for party, name, points in p["funded"]),
            p["group"],
            p["usage"],
            tuple(p["arms"]),
        )
        return Said(info, p["clauses"], tuple(p["limits"]))

    @property
    def names(self) -> tuple[str, ...]:
        """Of each of them."""
        return self._held_against[0]

    @property
    def lengths(self) -> Ints:
        """Of each: how many conditions, limits, variants."""
        return self._held_against[1]

    @cached_property
    def _held_against(self) -> tuple[tuple[str, ...], Ints]:
        """What others are held against; found by `check`, or once it is asked for where that was left out."""
        return _names_and_lengths([self.read(place) for place in range(len(self))])

    def check(self) -> None:
        """All that the others are held against is there."""
        _check_texts(self.texts)
        all_said = [self.read(place) for place in range(len(self))]
        for info, clauses, limits in all_said:
            require(isinstance(info.name, str), "a name is no text")
            require(all(isinstance(name, str) for name in limits), "a name is no text")
            require(set(clauses) == CLAUSES, "a promotion's clauses are not there")
            require(len(limits) == len(clauses["limits"]), "the limits and their names differ")
        self._held_against = _names_and_lengths(all_said)
        self.checked = True


def _names_and_lengths(all_said: Sequence[Said]) -> tuple[tuple[str, ...], Ints]:
    lengths = [(len(clauses["when"]), len(limits), len(info.arms)) for info, clauses, limits in all_said]
    return tuple(info.name for info, _, _ in all_said), np.array(lengths, np.int64).reshape(-1, 3)


class SetBlock(Block):
    """Some product sets."""

    def __init__(self, arrays: Mapping[str, Any], _: Any) -> None:
        self.texts = Texts(arrays["begin"], arrays["blob"])
        self.types: Mapping[str, Type] | None = None  # of the attributes that the conditions were found to fit
        self.needs: dict[str, Needs] = {}  # what each of them asks for; known when that is

    def __len__(self) -> int:
        return len(self.texts)

    def read(self, place: int) -> ProductSet:
        """One of them."""
        return _SET.validate_json(self.texts[place])

    def all(self) -> list[ProductSet]:
        """All of them."""
        found = [self.read(place) for place in range(len(self))]
        require(len({one.name for one in found}) == len(found), "a name stands twice")
        return found

    def check(self) -> None:
        """They are texts; what they say is verified with the attributes that are declared."""
        _check_texts(self.texts)
        self.checked = True


class Columns(Block):
    """The columns of a table: what is known of each of its rows."""

    def __init__(self, arrays: Mapping[str, Any], data: Any) -> None:
        self.columns: dict[tuple[str, str], Values] = {}  # by name and, for money, currency
        self.given: list[tuple[str, Any, Any]] = []
        for i, column in enumerate(data["columns"]):
            numbers, known = arrays[f"values{i}"], arrays[f"known{i}"]
            texts = Texts(arrays[f"begin{i}"], arrays[f"blob{i}"])
            self.columns[column["name"], column["currency"]] = Values(numbers, known.view(np.bool_), texts)
            self.given.append((column["name"], numbers, known))

    def check(self) -> None:
        """Numbers within bounds; texts ascend, and a number is that of one of them."""
        for (name, numbers, known), values in zip(self.given, self.columns.values(), strict=True):
            texts = values.texts
            assert isinstance(texts, Texts)
            require(numbers.shape == known.shape and numbers.ndim == 1, "a column is not as long as another")
            require(numbers.dtype == np.int64 and known.dtype == np.int8, "a column does not hold integers")
            within(known, 0, 2, "whether a value is known")
            _check_texts(texts)
            require(all(a < b for a, b in pairwise(texts)), "a column's texts do not ascend")
            if len(texts):
                within(numbers[known == 1], 0, len(texts), "a text of a column")
            if name == "tax-rate":
                within(numbers[known == 1], 0, 10_001, "a tax rate")
            within(numbers, -NUMBER_MAX, NUMBER_MAX + 1, "a number of a column")
        self.checked = True

    def fit(self, rows: int) -> bool:
        """Whether they have so many rows."""
        return all(values.numbers.shape == (rows,) for values in self.columns.values())


class Stores(Block):
    """The stores: their names, what is known of each, the zone of each."""

    def __init__(self, arrays: Mapping[str, Any], data: Any) -> None:
        self.names = Names(arrays)
        self.columns = Columns(arrays, data)
        self.zones: Ints = arrays["zones"]

    def check(self) -> None:
        """Names and columns."""
        self.names.check()
        self.columns.check()
        self.checked = True


class Table:
    """Rows with a name and columns: the catalogue, the stores."""

    def __init__(self, index: Index, columns: Columns) -> None:
        self.index = index
        self.columns = columns.columns

    def cell(self, row: int, name: str, currency: str = "") -> int | str | None:
        """What a row (-1: none) says of an attribute; None: nothing, or not in this currency."""
        values = self.columns.get((name, currency))
        if row < 0 or values is None or not values.known[row]:
            return None
        number = int(values.numbers[row])
        return values.texts[number] if values.texts else number


class PriceTable(Block):
    """A price list: prices by article, quantity and day."""

    def __init__(self, arrays: Mapping[str, Any], data: Any) -> None:
        self.name: str = data["name"]
        self.names = Names(arrays)
        self.index = self.names.index
        self.begin: Ints = arrays["begin"]
        self.rows: Ints = arrays["rows"]  # quantity, first day, last day; of an article the least quantity first
        self.prices: Ints = arrays["prices"]  # micros by currency; -1 = not said

    def check(self) -> None:
        """Rows of each article, ascending, within bounds."""
        self.names.check()
        count = self.rows.shape[0]
        require(isinstance(self.name, str), "a name is no text")
        require(all(a.dtype == np.int64 for a in (self.begin, self.rows, self.prices)), "a price list of no integers")
        require(self.rows.shape == (count, 3) and self.prices.ndim == 2, "a price list has another shape")
        require(self.prices.shape[0] == count, "a price list has other rows than prices")
        ranges(self.begin, len(self.index), count, "rows of a price list")
        within(self.rows[:, 0], 1, QUANTITY_MAX + 1, "a quantity of a price list")
        within(self.rows[:, 1:], -NUMBER_MAX, NUMBER_MAX + 1, "a day of a price list")
        within(self.prices, -1, PIECE_MICROS_MAX + 1, "a price of a price list")
        owner = np.repeat(np.arange(len(self.index)), np.diff(self.begin))
        order = np.lexsort((self.rows[:, 1], self.rows[:, 0], owner))
        require((order == np.arange(count)).all(), "the rows of a price list do not ascend")
        self.checked = True

    def rows_of(self, article: str, day: int, currency: int) -> list[tuple[int, int]]:
        """The prices in force of an article, as (from which quantity, micros), ascending."""
        place = self.index.place(article)
        if place < 0:
            return []
        own = slice(int(self.begin[place]), int(self.begin[place + 1]))
        rows = zip(self.rows[own].tolist(), self.prices[own, currency].tolist(), strict=True)
        return [(least, price) for (least, first, last), price in rows if first <= day <= last and price >= 0]


_SET = TypeAdapter(ProductSet)


def _pairs(rows: list[list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((a, b) for a, b in rows)


def _check_texts(texts: Texts) -> None:
    """Each of them is one, and they follow each other."""
    begin: npt.NDArray[Any] = texts.begin
    ranges(begin, len(begin) - 1, len(texts.blob), "texts")
    for _ in texts:  # reading what is no UTF-8 raises
        pass
