"""Which articles are in which product set: conditions over whole columns of articles at once.

The same evaluator serves the linker (a catalogue of 100,000 rows) and a request (the few lines that bring attributes of
their own). Truth values are FALSE, TRUE, UNKNOWN of engine/instructions.py.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.basket import Fact
from engine.instructions import FALSE, TRUE, UNKNOWN
from engine.program import (
    All,
    Any_,
    Attribute,
    Compare,
    CompareMoney,
    Condition,
    EventAttribute,
    Has,
    Known,
    Member,
    None_,
    OneOf,
    ProductSet,
    StartsWith,
    Type,
    Under,
)

Truths = npt.NDArray[np.int8]
Ints = npt.NDArray[np.int64]
PRICE = "item.price"


@dataclass(frozen=True)
class Values:
    """One attribute of all rows. Texts: `numbers` are positions in `texts`. Money: micros, of `currency` each."""

    numbers: Ints
    known: npt.NDArray[np.bool_]
    texts: Sequence[str] = ()  # ascending, each once
    lists: tuple[tuple[str, ...], ...] = ()  # for lists of texts, `numbers` are positions here

    @cached_property
    def by_text(self) -> tuple[Ints, Ints]:
        """The rows by their text, ascending; and where the rows of each text begin."""
        order = np.argsort(self.numbers, kind="stable")
        return order, np.searchsorted(self.numbers[order], np.arange(len(self.texts) + 1))

    def rows_of(self, ranges: Iterable[tuple[int, int]]) -> Ints:
        """The rows whose text lies in one of these ranges of positions, ascending."""
        order, begin = self.by_text
        found = [order[begin[low] : begin[high]] for low, high in ranges]
        return np.sort(np.concatenate(found)) if found else np.zeros(0, np.int64)

    def of_rows(self, rows: Ints) -> Values:
        """The same attribute of some rows."""
        return Values(self.numbers[rows], self.known[rows], self.texts, self.lists)


def text_values(values: Sequence[str | None]) -> Values:
    """Texts as positions in the tuple of those that occur, in ascending order."""
    texts = tuple(sorted({v for v in values if v is not None}))
    position = {text: i for i, text in enumerate(texts)}
    return Values(
        np.array([-1 if v is None else position[v] for v in values], np.int64),
        np.array([v is not None for v in values], np.bool_),
        texts,
    )


def int_values(values: Sequence[int | None]) -> Values:
    """Numbers as they are; None is unknown."""
    return Values(
        np.array([0 if v is None else v for v in values], np.int64), np.array([v is not None for v in values], np.bool_)
    )


def list_values(values: Sequence[tuple[str, ...] | None]) -> Values:
    """Lists of texts as positions in the tuple of those that occur."""
    lists = tuple(sorted({v for v in values if v is not None}))
    position = {one: i for i, one in enumerate(lists)}
    return Values(
        np.array([-1 if v is None else position[v] for v in values], np.int64),
        np.array([v is not None for v in values], np.bool_),
        (),
        lists,
    )


def of_facts(attribute: Attribute | EventAttribute, facts: Sequence[Fact | None], currency: str) -> Values:
    """The column of facts given for one attribute; money of another currency than the basket's is unknown."""
    plain = [None if f is None or (attribute.type is Type.MONEY and f.currency != currency) else f.value for f in facts]
    if attribute.type is Type.TEXT:
        return text_values([None if v is None else str(v) for v in plain])
    if attribute.type is Type.TEXTS:
        return list_values([v if isinstance(v, tuple) else None for v in plain])
    return int_values([v if isinstance(v, int) else None for v in plain])


class Evaluator:
    """Judges product sets over rows of articles. `column` gives an attribute's values ("item.brand")."""

    def __init__(
        self,
        rows: int,
        column: Callable[[str], Values],
        sets: Mapping[str, ProductSet],
        currency: str = "",
        micros_per_minor: int = 1,
    ) -> None:
        self.rows = rows
        self.column = column
        self.sets = sets
        self.currency = currency
        self.micros_per_minor = micros_per_minor
        self.judged: dict[str, Truths] = {}

    def member(self, name: str) -> Truths:
        """For each row whether it is in the set."""
        if name not in self.judged:
            self.judged[name] = self.every([self.condition(line.condition) for line in self.sets[name].lines])
        return self.judged[name]

    def members(self, name: str) -> Ints:
        """The rows that are in the set, ascending. Judges only those that a text of one of its lines leaves possible:
        of 100,000 articles mostly a few."""
        if name not in self.judged:
            lines = [line.condition for line in self.sets[name].lines]
            rows = self.possible(All(of=tuple(lines)))
            if rows is not None:
                few = Evaluator(
                    len(rows),
                    lambda attribute: self.column(attribute).of_rows(rows),
                    self.sets,
                    self.currency,
                    self.micros_per_minor,
                )
                return rows[few.every([few.condition(line) for line in lines]) == TRUE]
        return np.flatnonzero(self.member(name) == TRUE)

    def possible(self, node: Condition) -> Ints | None:
        """Rows outside of which a condition does not hold; None where only judging each row would tell."""
        match node:
            case All():
                known = [rows for part in node.of if (rows := self.possible(part)) is not None]
                return min(known, key=len, default=None)
            case Compare(op="eq", value=str()) | OneOf(negated=False) | Under() | StartsWith():
                values = self.column(node.attribute)
                return values.rows_of(text_ranges(node, values.texts)) if values.texts else None
            case _:
                return None

    def every(self, truths: Iterable[Truths]) -> Truths:
        """Kleene and."""
        result = np.full(self.rows, TRUE, np.int8)
        for truth in truths:
            unknown = (result != FALSE) & (truth != FALSE) & ((result == UNKNOWN) | (truth == UNKNOWN))
            result = np.where((result == FALSE) | (truth == FALSE), FALSE, np.where(unknown, UNKNOWN, TRUE)).astype(
                np.int8
            )
        return result

    def negate(self, truth: Truths) -> Truths:
        return np.where(truth == UNKNOWN, UNKNOWN, 1 - truth).astype(np.int8)

    def condition(self, node: Condition) -> Truths:
        """For each row the truth of one condition."""
        match node:
            case All():
                return self.every([self.condition(part) for part in node.of])
            case Any_():
                return self.negate(self.every([self.negate(self.condition(part)) for part in node.of]))
            case None_():
                return self.every([self.negate(self.condition(part)) for part in node.of])
            case Member(of="products"):
                truth = self.member(node.name)
                return self.negate(truth) if node.negated else truth
            case Compare() | CompareMoney() | OneOf() | Known() | Under() | StartsWith() | Has():
                return self.of_values(node, self.column(node.attribute))
            case _:
                raise ValueError(f"a product set cannot ask for {node.kind}")

    def of_values(
        self, node: Compare | CompareMoney | OneOf | Known | Under | StartsWith | Has, values: Values
    ) -> Truths:
        if isinstance(node, Known):
            return (values.known == node.known).astype(np.int8)
        if isinstance(node, CompareMoney):
            amounts = [a.value for a in node.value if a.currency == self.currency]
            if not amounts:
                return np.full(self.rows, UNKNOWN, np.int8)
            holds = compare(node.op, values.numbers, amounts[0] * self.micros_per_minor)
        elif isinstance(node, Has):
            wanted = set(node.values)
            by_list = np.array([bool(wanted & set(one)) for one in values.lists] + [False], np.bool_)
            holds = by_list[values.numbers]
        elif values.texts or isinstance(node, Under | StartsWith) or _is_textual(node):
            by_text = np.zeros(len(values.texts) + 1, np.bool_)  # the last one is that of unknown texts, at -1
            for low, high in text_ranges(node, values.texts):
                by_text[low:high] = True
            holds = by_text[values.numbers]
            holds = ~holds if isinstance(node, Compare | OneOf) and _turned(node) else holds
        elif isinstance(node, OneOf):
            holds = np.isin(values.numbers, np.array([v for v in node.values if isinstance(v, int)], np.int64))
            holds = ~holds if node.negated else holds
        else:
            assert isinstance(node, Compare) and isinstance(node.value, int)
            holds = compare(node.op, values.numbers, node.value)
        return np.where(values.known, holds.astype(np.int8), np.int8(UNKNOWN)).astype(np.int8)


def _is_textual(node: Compare | OneOf | Under | StartsWith) -> bool:
    if isinstance(node, Compare):
        return isinstance(node.value, str)
    return isinstance(node, OneOf) and any(isinstance(v, str) for v in node.values)


def _turned(node: Compare | OneOf) -> bool:
    return node.op == "ne" if isinstance(node, Compare) else node.negated


def text_ranges(node: Compare | OneOf | Under | StartsWith, texts: Sequence[str]) -> list[tuple[int, int]]:
    """Of ascending texts, the ranges of positions whose texts are equal to, one of, under, or begin with what the
    condition names, whether it is negated or not."""

    def alike(text: str) -> list[tuple[int, int]]:
        at = bisect_left(texts, text)
        return [(at, at + 1)] if at < len(texts) and texts[at] == text else []

    def beginning(prefix: str) -> list[tuple[int, int]]:
        low = bisect_left(texts, prefix)
        high = bisect_left(texts, True, low, key=lambda text: not text.startswith(prefix))
        return [(low, high)] if low < high else []

    match node:
        case Compare():
            return alike(str(node.value))
        case OneOf() if len(node.values) > len(texts):
            named = frozenset(node.values)
            return [(at, at + 1) for at, text in enumerate(texts) if text in named]
        case OneOf():
            return [found for value in node.values for found in alike(str(value))]
        case Under():
            return alike(node.path) + beginning(node.path + "/")
        case StartsWith():
            return beginning(node.prefix)


def compare(op: str, values: Ints, constant: int) -> npt.NDArray[np.bool_]:
    """A comparison of a column with a constant, row by row."""
    match op:
        case "eq":
            return values == constant
        case "ne":
            return values != constant
        case "lt":
            return values < constant
        case "le":
            return values <= constant
        case "gt":
            return values > constant
        case _:
            return values >= constant


def text_holds(node: Compare | OneOf | Under | StartsWith | CompareMoney | Known | Has, text: str) -> bool:
    """Whether a known text fulfils a comparison."""
    match node:
        case Compare(op="eq"):
            return text == node.value
        case Compare(op="ne"):
            return text != node.value
        case OneOf():
            return (text in frozenset(node.values)) != node.negated
        case Under():
            return text == node.path or text.startswith(node.path + "/")
        case StartsWith():
            return text.startswith(node.prefix)
        case _:
            raise ValueError(f"a text cannot be asked for {node.kind}")


class Needs(NamedTuple):
    """What a product set asks for itself, each once."""

    attributes: tuple[str, ...]
    sets: tuple[str, ...]


def needs_of(found: ProductSet) -> Needs:
    """Raises ValueError for a condition that product sets do not have."""
    attributes: dict[str, None] = {}
    sets: dict[str, None] = {}

    def walk(node: Condition) -> None:
        match node:
            case All() | Any_() | None_():
                for part in node.of:
                    walk(part)
            case Member(of="products"):
                sets[node.name] = None
            case Compare() | CompareMoney() | OneOf() | Known() | Under() | StartsWith() | Has():
                attributes[node.attribute] = None
            case _:
                raise ValueError(f"a product set cannot ask for {node.kind}")

    for line in found.lines:
        walk(line.condition)
    return Needs(tuple(attributes), tuple(sets))


def needs_of_all(sets: Mapping[str, ProductSet]) -> dict[str, Needs]:
    """By name."""
    return {name: needs_of(found) for name, found in sets.items()}


def dynamic_sets(
    needs: Mapping[str, Needs], attributes: Iterable[Attribute], currencies: Sequence[str]
) -> frozenset[str]:
    """The sets whose members only a request can tell: they ask, directly or through another set, for the price of the
    line, or for money where the basket's currency decides whether it is known."""
    asked = {PRICE}
    if len(currencies) > 1:
        asked |= {f"{a.entity}.{a.name}" for a in attributes if a.type is Type.MONEY}

    def asks(name: str) -> bool:
        attributes, sets = needs[name]
        return not asked.isdisjoint(attributes) or any(map(asks, sets))

    return frozenset(filter(asks, needs))
