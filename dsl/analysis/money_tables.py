"""Tables of money beside the rules that only the analysis reads: what articles cost us, and what they cost before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from dsl.data import Table, typed_columns
from dsl.diagnostics import Span
from dsl.project import Project
from dsl.values import AttributeInfo

STANDARD: Final = "standard"  # the price list that customers without one of their own pay


@dataclass(frozen=True, slots=True)
class PriceRow:
    """A price or cost of one article, in micros, from and until a day (since 1970-01-01), both included; None: open."""

    price: int
    start: int | None
    until: int | None


def costs(project: Project, currency: str) -> dict[str, list[PriceRow]]:
    """What each article costs us; empty where no table says it."""
    table = _table(project, "costs", "")
    if table is None:
        return {}
    columns = _typed(project, table, {"cost": "money", "from": "date", "until": "date"}, currency)
    nothing: Sequence[int | None] = [None] * table.rows
    found: dict[str, list[PriceRow]] = {}
    rows = zip(_articles(table), *(columns.get(name, nothing) for name in ("cost", "from", "until")), strict=True)
    for article, cost, start, until in rows:
        if article is not None and cost is not None:
            found.setdefault(article, []).append(PriceRow(cost, start, until))
    return found


def history(project: Project, currency: str) -> dict[str, list[PriceRow]] | None:
    """The standard prices of single pieces, by article. None: no such price list, or it says no days."""
    table = _table(project, "prices", STANDARD)
    if table is None or not ({"from", "until"} & set(table.columns)):
        return None
    kinds = {"price": "money", "from": "date", "until": "date", "from-quantity": "number"}
    columns = _typed(project, table, kinds, currency)
    nothing: Sequence[int | None] = [None] * table.rows
    found: dict[str, list[PriceRow]] = {}
    rows = zip(
        _articles(table),
        *(columns.get(name, nothing) for name in ("price", "from", "until", "from-quantity")),
        strict=True,
    )
    for article, price, start, until, quantity in rows:
        if article is not None and price is not None and (quantity is None or quantity <= 1_000_000):
            found.setdefault(article, []).append(PriceRow(price, start, until))
    return found


def _table(project: Project, kind: str, name: str) -> Table | None:
    for source in project.sources:
        if source.kind == kind and (not name or (source.name is not None and source.name.text == name)):
            table = project.table(source.path.text)
            return table if isinstance(table, Table) else None
    return None


def _articles(table: Table) -> Sequence[str | None]:
    key = next((name for name in ("article", "sku") if name in table.columns), None)
    return table.columns[key] if key else [None] * table.rows


def _typed(project: Project, table: Table, kinds: Mapping[str, str], currency: str) -> dict[str, Sequence[int | None]]:
    nowhere = Span("", 1, 1, 1, 2)
    attributes = {
        name: AttributeInfo("item", name, kind, (), False, False, None, nowhere) for name, kind in kinds.items()
    }
    columns, _ = typed_columns(table, attributes, (), project.settings.currencies)
    return {
        column.name: [value if isinstance(value, int) else None for value in column.values]
        for column in columns
        if column.currency in ("", currency)
    }
