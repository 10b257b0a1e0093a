"""How many articles of the catalogue each product set has."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence

import numpy as np

from engine.instructions import TRUE
from engine.money import micros_per_minor
from engine.program import Catalogue, ProductSet, Program, Schema, Settings, Type
from engine.sets import Evaluator, Values, dynamic_sets, int_values, needs_of_all, text_values


def set_sizes(programs: Iterable[Program]) -> dict[str, int]:
    """By the set's name, from Programs that were compiled together. Sets that only a basket can fill are left out."""
    every = tuple(programs)
    sets = {p.name: p for p in every if isinstance(p, ProductSet)}
    settings = next((p for p in every if isinstance(p, Settings)), None)
    catalogue = next((p for p in every if isinstance(p, Catalogue)), None)
    if settings is None or catalogue is None:
        return {}
    attributes = next((p.attributes for p in every if isinstance(p, Schema)), ())
    currencies = settings.currencies
    articles = catalogue.articles
    columns = {f"item.{c.name}": c.values for c in catalogue.columns if c.currency in ("", currencies[0])}
    declared = {f"{one.entity}.{one.name}": one for one in attributes}

    @functools.cache
    def column(attribute: str) -> Values:
        if attribute == "item.sku":
            return text_values(articles)
        of = declared[attribute]
        given: Sequence[int | str | None] = columns.get(attribute, (None,) * len(articles))
        filled = [of.default if value is None else value for value in given]
        if of.type is Type.TEXT:
            return text_values([None if value is None else str(value) for value in filled])
        return int_values([value if isinstance(value, int) else None for value in filled])

    judge = Evaluator(len(articles), column, sets, currencies[0], micros_per_minor(currencies[0]))
    dynamic = dynamic_sets(needs_of_all(sets), attributes, currencies)
    return {name: int(np.count_nonzero(judge.member(name) == TRUE)) for name in sets if name not in dynamic}
