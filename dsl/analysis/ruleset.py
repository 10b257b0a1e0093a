"""The Programs of a project by name, and what the tables beside the rules say of its sets and places."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt

from dsl.memory import Memory
from engine import program as p
from engine.instructions import FALSE, TRUE, UNKNOWN
from engine.money import micros_per_minor
from engine.sets import PRICE, Evaluator, Truths, Values, dynamic_sets, int_values, needs_of_all, text_values

# What is looked up by name where one promotion or set is judged, and what is not looked at there.
APART: Final = frozenset((p.Promotion, p.ProductSet, p.Place, p.Segment, p.Group, p.CodeSet, p.Catalogue, p.Stores))
BITS_MAX: Final = 2_000_000_000  # sets x articles that are held at once, a bit each

Rows = npt.NDArray[np.bool_]


@dataclass
class Rules:
    """A ruleset, indexed. `bounds`: what numbers an attribute can be, where its type in the text says so; `apart`:
    promotions that promotions beside these are not with."""

    programs: tuple[p.Program, ...]
    bounds: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    apart: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.settings = p.Settings(currencies=("EUR",), timezone="UTC")
        self.schema = p.Schema(attributes=())
        self.catalogue: p.Catalogue | None = None
        self.stores: p.Stores | None = None
        self.holidays: dict[int, bool] | None = None  # by day: whether everywhere, not in some regions alone
        self.zones: dict[str, p.Zone] = {}
        self.products: dict[str, p.ProductSet] = {}
        self.places: dict[str, p.Place] = {}
        self.segments: dict[str, p.Segment] = {}
        self.groups: dict[str, p.Group] = {}
        self.guards: list[p.Guard] = []
        self.codes: dict[str, p.CodeSet] = {}
        self.promotions: dict[str, p.Promotion] = {}
        self._holders: dict[str, list[str]] = {}
        named: dict[type, dict[str, Any]] = {
            p.Zone: self.zones,
            p.ProductSet: self.products,
            p.Place: self.places,
            p.Segment: self.segments,
            p.Group: self.groups,
            p.CodeSet: self.codes,
            p.Promotion: self.promotions,
        }
        for program in self.programs:
            table = named.get(type(program))
            if table is None:
                self._add(program)
            else:
                table[cast(Any, program).name] = program
        self.attributes = {f"{a.entity}.{a.name}": a for a in self.schema.attributes}

    def _add(self, program: p.Program) -> None:
        match program:
            case p.Settings():
                self.settings = program
            case p.Schema():
                self.schema = program
            case p.Catalogue():
                self.catalogue = program
            case p.Stores():
                self.stores = program
            case p.Holidays():
                everywhere = {day for day, region in zip(program.days, program.regions, strict=True) if not region}
                self.holidays = {day: day in everywhere for day in program.days}
            case p.Guard():
                self.guards.append(program)

    def watch(self, memory: Memory) -> None:
        """Have what is looked up by name noted from now on, and forgotten what rests on what is no more as it was."""
        memory.forget(self.programs)
        self.products = memory.table("products", self.products)
        self.places = memory.table("places", self.places)
        self.segments = memory.table("segments", self.segments)
        self.groups = memory.table("groups", self.groups)
        others = tuple(program for program in self.programs if type(program) not in APART)
        memory.world(others, frozenset(self.stores.zones if self.stores else ()), self.bounds)

    def guarded(self, verb: str) -> tuple[str, ...]:
        """The sets that any guard keeps from this: "discount", "count" …"""
        return tuple(sorted({name for guard in self.guards for name in getattr(guard, verb)}))

    def in_group(self, name: str) -> list[p.Promotion]:
        """The promotions of a group in declared order: its «order» line, then by name."""
        return self._by_group.get(name, [])

    @cached_property
    def _by_group(self) -> dict[str, list[p.Promotion]]:
        found: dict[str, list[p.Promotion]] = {name: [] for name in self.groups}
        for name in sorted(self.promotions, key=str.encode):
            promotion = self.promotions[name]
            found.setdefault(promotion.group, []).append(promotion)
        for name, group in self.groups.items():
            place = {listed: number for number, listed in enumerate(group.order)}
            found[name].sort(key=lambda promotion: place.get(promotion.name, len(place)))
        return found

    # ------------------------------------------------------------------------------------------------ the catalogue

    @cached_property
    def currency(self) -> str:
        """The first currency of the settings, in which the catalogue is read."""
        return self.settings.currencies[0] if self.settings.currencies else "EUR"

    @cached_property
    def articles(self) -> Evaluator | None:
        """The catalogue's rows, judged by product sets. None: there is no catalogue, or nothing in it."""
        if self.catalogue is None or not self.catalogue.articles:
            return None
        texts = {"item.sku": text_values(self.catalogue.articles)}
        columns = self._columns("item", len(self.catalogue.articles), self.catalogue.columns, texts)
        return Table(
            len(self.catalogue.articles), columns.get, self.products, self.currency, micros_per_minor(self.currency)
        )

    def _columns(self, entity: str, rows: int, columns: Iterable[p.Column], given: Mapping[str, Values]) -> _Columns:
        return _Columns(self, entity, rows, {c.name: c for c in columns if c.currency in ("", self.currency)}, given)

    @cached_property
    def dynamic(self) -> frozenset[str]:
        """The sets whose members only a request can tell."""
        return dynamic_sets(
            needs_of_all(self.products),
            self.schema.attributes,
            self.settings.currencies,
        )

    def members(self, name: str) -> Truths | None:
        """For each article of the catalogue whether it is in the set. None: there is no catalogue."""
        return None if self.articles is None else self.articles.member(name)

    def surely_in(self, name: str) -> Rows | None:
        """The articles that the catalogue says to be in the set."""
        truths = self.members(name)
        if truths is None:
            return None
        return cast(Rows, truths == TRUE)

    def perhaps_in(self, name: str) -> Rows | None:
        """The articles that are in the set, or whose attributes the catalogue does not know."""
        truths = self.members(name)
        if truths is None:
            return None
        return cast(Rows, truths != FALSE)

    def holders(self, name: str) -> list[str]:
        """All sets that may hold a set: those that may have the article of it that fewest sets may have."""
        if name not in self._holders:
            self._holders[name] = self._holding(name)
        return self._holders[name]

    def _holding(self, name: str) -> list[str]:
        names, bits, many = self._bits
        if not len(many):
            return names
        mine = np.unpackbits(bits[bisect.bisect_left(names, name)], count=len(many)).view(np.bool_)
        if not mine.any():
            return names
        rarest = int(np.where(mine, many, len(names) + 1).argmin())
        column = bits[:, rarest >> 3] >> (7 - (rarest & 7)) & 1
        return [names[row] for row in np.flatnonzero(column)]

    @cached_property
    def _bits(self) -> tuple[list[str], npt.NDArray[np.uint8], npt.NDArray[np.int32]]:
        """By set the articles that may be in it, as bits; and how many sets may have each article."""
        names = sorted(self.products)
        rows = self.articles.rows if self.articles is not None else 0
        if not names or not rows or len(names) * rows > BITS_MAX:
            return names, np.zeros((0, 0), np.uint8), np.zeros(0, np.int32)
        many = np.zeros(rows, np.int32)
        packed = []
        for name in names:
            perhaps = self.perhaps_in(name)
            assert perhaps is not None
            many += perhaps
            packed.append(np.packbits(perhaps))
        return names, np.array(packed), many

    @cached_property
    def prices(self) -> Values | None:
        """The catalogue's list prices in the first currency."""
        return None if self.articles is None else self.articles.column(PRICE)

    # ------------------------------------------------------------------------------------------------ the stores

    @cached_property
    def shops(self) -> Evaluator | None:
        """The rows of the table of stores, judged by places."""
        if self.stores is None or not self.stores.ids:
            return None
        texts = {"store.id": text_values(self.stores.ids)}
        columns = self._columns("store", len(self.stores.ids), self.stores.columns, texts)
        places = cast("Mapping[str, p.ProductSet]", self.places)  # lines are all that it reads of a set
        return Table(len(self.stores.ids), columns.get, places, self.currency, micros_per_minor(self.currency))


class Table(Evaluator):
    """The engine's evaluator for many sets over one table: a set costs a few passes over columns, whatever it lists.

    Places are made of places as sets are of sets. What was judged is kept as bits: three thousand sets of a hundred
    thousand articles in some forty megabytes."""

    def member(self, name: str) -> Truths:
        """For each row whether it is in the set."""
        kept = self._kept.get(name)
        if kept is None:
            truth = self.every([self.condition(line.condition) for line in self.sets[name].lines])
            unknown = truth == UNKNOWN
            self._kept[name] = np.packbits(truth == TRUE), np.packbits(unknown) if unknown.any() else None
            return truth
        true, maybe = kept
        truth = np.unpackbits(true, count=self.rows).view(np.int8)
        return truth if maybe is None else truth + 2 * np.unpackbits(maybe, count=self.rows).view(np.int8)

    @cached_property
    def _kept(self) -> dict[str, tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8] | None]]:
        return {}

    def condition(self, node: p.Condition) -> Truths:
        if isinstance(node, p.Member):
            truth = self.member(node.name)
            return self.negate(truth) if node.negated else truth
        return super().condition(node)

    def every(self, truths: Iterable[Truths]) -> Truths:
        result: Truths | None = None
        for truth in truths:  # 0 false, 1 true, 2 unknown: of a product all but 4 is right
            result = truth if result is None else np.minimum(result * truth, UNKNOWN)
        return np.full(self.rows, TRUE, np.int8) if result is None else result

    def negate(self, truth: Truths) -> Truths:
        return _NOT[truth]

    def of_values(
        self,
        node: p.Compare | p.CompareMoney | p.OneOf | p.Known | p.Under | p.StartsWith | p.Has,
        values: Values,
    ) -> Truths:
        holds = _text_holds(node, values) if values.texts else None
        if holds is None:
            return super().of_values(node, values)
        return np.where(values.known, holds, np.int8(UNKNOWN)).astype(np.int8)


assert (FALSE, TRUE, UNKNOWN) == (0, 1, 2)
_NOT = np.array([TRUE, FALSE, UNKNOWN], np.int8)


def _text_holds(
    node: p.Compare | p.CompareMoney | p.OneOf | p.Known | p.Under | p.StartsWith | p.Has, values: Values
) -> Rows | None:
    """For each row, by the place of its text among all texts, which are sorted; None: no comparison of texts."""
    match node:
        case p.Compare(op="eq" | "ne", value=str() as value):
            place = _place(values.texts, value)
            same: Rows = values.numbers == place
            return same if node.op == "eq" else ~same
        case p.OneOf():
            places = [_place(values.texts, value) for value in node.values if isinstance(value, str)]
            found: Rows = np.isin(values.numbers, np.array(places, np.int64))
            return ~found if node.negated else found
        case p.StartsWith():
            return _begins(values, node.prefix)
        case p.Under():
            below: Rows = _begins(values, node.path + "/") | (values.numbers == _place(values.texts, node.path))
            return below
    return None


def _place(texts: Sequence[str], wanted: str) -> int:
    place = bisect.bisect_left(texts, wanted)
    return place if place < len(texts) and texts[place] == wanted else -2  # -1 is unknown


def _begins(values: Values, prefix: str) -> Rows:
    first = bisect.bisect_left(values.texts, prefix)
    last = bisect.bisect_left(values.texts, prefix + chr(0x10FFFF))
    return (values.numbers >= first) & (values.numbers < last)


@dataclass
class _Columns:
    rules: Rules
    entity: str
    rows: int
    columns: Mapping[str, p.Column]
    given: Mapping[str, Values]
    read: dict[str, Values] = field(default_factory=dict)

    def get(self, attribute: str) -> Values:
        """A column with its defaults; an attribute that is no column is unknown in every row."""
        if attribute in self.given:
            return self.given[attribute]
        if attribute not in self.read:
            self.read[attribute] = self._read(attribute)
        return self.read[attribute]

    def _read(self, attribute: str) -> Values:
        column = self.columns.get(attribute.removeprefix(f"{self.entity}."))
        declared = self.rules.attributes.get(attribute)
        values: list[int | str | None] = list(column.values) if column is not None else [None] * self.rows
        if declared is not None and declared.default is not None:
            values = [declared.default if value is None else value for value in values]
        if declared is not None and declared.type is p.Type.TEXT:
            return text_values(cast("list[str | None]", values))
        return int_values([value if isinstance(value, int) else None for value in values])
