"""How many articles of the catalogue a product set holds: figures for people who compare two rulesets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.money import micros_per_minor
from engine.program import Attribute, Catalogue, ProductSet, Program, Schema, Settings, Type
from engine.sets import Evaluator, Values, int_values, text_values


class Articles:
    """The product sets of a ruleset over the articles of its own catalogue. Without one nothing is known."""

    def __init__(self, programs: Iterable[Program]) -> None:
        self.catalogue: Catalogue | None = None
        self.attributes: dict[str, Attribute] = {}
        self.sets: dict[str, ProductSet] = {}
        currency = ""
        for program in programs:
            match program:
                case Catalogue():
                    self.catalogue = program
                case Schema():
                    self.attributes = {f"{a.entity}.{a.name}": a for a in program.attributes}
                case ProductSet():
                    self.sets[program.name] = program
                case Settings():
                    currency = program.currencies[0]
        self._columns: dict[str, Values] = {}
        self._members: dict[str, frozenset[str] | None] = {}
        rows = len(self.catalogue.articles) if self.catalogue else 0
        self._judge = Evaluator(rows, self._column, self.sets, currency, micros_per_minor(currency) if currency else 1)

    def members(self, name: str) -> frozenset[str] | None:
        """The articles in a set; None where that is not known."""
        if self.catalogue is None or name not in self.sets:
            return None
        if name not in self._members:
            try:
                rows = self._judge.members(name)
                self._members[name] = frozenset(self.catalogue.articles[row] for row in rows)
            except (ValueError, KeyError):  # it asks for what only requests know
                self._members[name] = None
        return self._members[name]

    def _column(self, attribute: str) -> Values:
        if attribute not in self._columns:
            self._columns[attribute] = self._values(attribute)
        return self._columns[attribute]

    def _values(self, attribute: str) -> Values:
        """An attribute of all articles, defaults filled in."""
        assert self.catalogue is not None
        if attribute == "item.sku":
            return text_values(self.catalogue.articles)
        declared = self.attributes[attribute]
        column = next((c for c in self.catalogue.columns if f"item.{c.name}" == attribute), None)
        given: Sequence[int | str | None] = column.values if column else (None,) * len(self.catalogue.articles)
        filled = [declared.default if value is None else value for value in given]
        if declared.type is Type.TEXT:
            return text_values([None if value is None else str(value) for value in filled])
        return int_values([value if isinstance(value, int) else None for value in filled])
