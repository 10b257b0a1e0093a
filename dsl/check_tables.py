"""Tables beside the rules: catalogue, stores, price lists, holidays, costs; their columns, cells, contradictions."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from dsl import ast, limits
from dsl.data import Table, Unreadable, misfit, typed_columns
from dsl.diagnostics import Span, found
from dsl.findings import Findings
from dsl.phrases import Phrase, few, say
from dsl.project import PRICE_COLUMNS, WHOSE, table_columns
from dsl.values import MACHINE_TYPES, MILLION, AttributeInfo
from dsl.wrong_forms import did_you_mean
from dsl.zones import known_zones
from engine.program import QUANTITY_MAX, Type

_NOWHERE = Span("", 1, 1, 1, 2)
_ARTICLE = ("article", "sku")
_IDS = {"catalogue": ("sku", "article"), "stores": ("id", "store")}
_REGION = "store.region"  # holidays of a region are those of its stores
_TYPES: dict[str, dict[str, str]] = {  # the typed columns of each table
    "prices": PRICE_COLUMNS,
    "holidays": {"date": "date", "region": "text", "name": "text"},
    "costs": {"cost": "money", "from": "date", "until": "date"},
}
_NEEDED: dict[str, tuple[tuple[str, ...], ...]] = {  # of each, one column must be there
    "prices": (_ARTICLE, ("price",)),
    "holidays": (("date",),),
    "costs": (_ARTICLE, ("cost",)),
}
_FOREVER = (-(10**9), 10**9)

Values = Mapping[str, Sequence[int | str | None]]


class Tables:
    """Checks the tables and adds what it finds."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.project = findings.project

    def check(self) -> None:
        """All of them."""
        for source in self.project.sources:
            self.findings.of(self.entities if source.kind in _IDS else self.source, (source,))

    # ------------------------------------------------------------------------------------------------ articles, stores

    def entities(self, source: ast.Source) -> None:
        """A row each for articles or stores: an id, and attributes by their names."""
        ids = _IDS[source.kind]
        table = self.table(source.path, ids)
        if table is None:
            return
        self.ids(table, next(name for name in ids if name in table.columns))
        if source.kind == "stores":
            self.zones(table)
        self.findings.extend(self.project.recall(table_columns, source)[1])

    def ids(self, table: Table, key: str) -> None:
        """Each id once."""
        cells = table.columns[key]
        texts = [cell for cell in cells if cell is not None]
        if len(set(texts)) == len(cells) and all(len(text) <= limits.TEXT_CHARACTERS_MAX for text in texts):
            return
        seen: dict[str, int] = {}
        for row, cell in enumerate(cells):
            why: Phrase | None = None
            if cell is None:
                why = say("it is empty")
            elif len(cell) > limits.TEXT_CHARACTERS_MAX:
                why = say("it is longer than {most} characters", most=limits.TEXT_CHARACTERS_MAX)
            elif cell in seen:
                why = say("line {line} has it too", line=table.lines[seen[cell]])
            if why is not None:
                self.findings.add(misfit(table, row, key, cell or "", why))
                return
            seen[cell or ""] = row

    def zones(self, table: Table) -> None:
        """Time zones that exist."""
        for row, cell in enumerate(table.columns.get("time-zone", ())):
            if cell is not None and cell not in known_zones():
                guess = did_you_mean(cell, known_zones())
                why = say("there is no such time zone")
                if guess:
                    why = say("there is no such time zone, did you mean {name}", name=guess)
                self.findings.add(misfit(table, row, "time-zone", cell, why))
                return

    # ------------------------------------------------------------------------------------------------ other tables

    def source(self, source: ast.Source) -> None:
        """One table."""
        if source.name is not None and not source.name.text.strip():
            self.findings.add(found("P2007", source.name.span, what=say("The text's length"), least=1))
        table = self.table(source.path, *_NEEDED[source.kind])
        if table is None:
            return
        types = _TYPES[source.kind]
        infos = {name: AttributeInfo("", name, kind, (), False, False, None, _NOWHERE) for name, kind in types.items()}
        region = self.project.attributes.get(_REGION)
        if source.kind == "holidays" and region is not None:
            infos["region"] = region  # of a choice: one of these
        currencies = self.project.settings.currencies
        columns, bad = typed_columns(table, infos, (), currencies)
        self.findings.extend(bad)
        if bad:
            return
        if source.kind == "holidays":
            self.holidays(source, table)
            return
        money = [column for column in columns if column.type is Type.MONEY]
        if not money:  # «price each», «price in euro»
            self.lacks(source.path, table, _NEEDED[source.kind][1][0])
            return
        for column in money:
            if currencies and column.currency not in currencies:
                self.findings.add(found("P2008", source.path.span, name=column.currency, known=tuple(currencies)))
                return
        values = {column.name: column.values for column in columns if column.type is not Type.MONEY}
        self.rows(table, values, [column.values for column in money], money[0].name)
        if source.kind == "prices":
            self.known_articles(source, table)

    def table(self, path: ast.Quoted, *needed: tuple[str, ...]) -> Table | None:
        """A table that can be read and has a column of each of these; what it lacks is reported."""
        table = self.project.table(path.text)
        if table is None:
            self.findings.no_file(path)
            return None
        if isinstance(table, Unreadable):
            self.findings.add(found("P1018", path.span, name=path.text, why=table.why))
            return None
        names = {written.partition(" ")[0] for written in table.columns}
        for wanted in needed:
            if names.isdisjoint(wanted):
                self.lacks(path, table, wanted[0])
                return None
        return table

    def lacks(self, path: ast.Quoted, table: Table, name: str) -> None:
        """A column that is not there."""
        named = tuple(f"«{name[:40]}»" for name in list(table.columns)[:6])
        hint = say(
            "Its first line names the columns, one of them «{name}»; here they are {names}.", name=name, names=named
        )
        why = say("it has no column «{name}»", name=name)
        self.findings.add(found("P1018", path.span, name=path.text, why=why, hint=hint))

    def rows(self, table: Table, values: Values, amounts: Sequence[Sequence[int | str | None]], money: str) -> None:
        """Each row names an article and an amount; no two say another one for the same article, quantity and day."""
        key = next(name for name in _ARTICLE if name in table.columns)
        articles = table.columns[key]
        quantities = values.get("from-quantity", ())
        seen: dict[object, int] = {}  # of most articles there is one row
        again: dict[object, list[int]] = {}
        for row, article in enumerate(articles):
            why: Phrase | None = None
            column, cell = key, article or ""
            quantity = quantities[row] if quantities else None
            begin, end = self.period(values, row)
            if article is None:
                why = say("it is empty")
            elif all(column_values[row] is None for column_values in amounts):
                column, why = money, say("it is empty")
            elif isinstance(quantity, int) and (
                quantity % MILLION or not MILLION <= quantity <= QUANTITY_MAX * MILLION
            ):
                column, cell = "from-quantity", table.columns["from-quantity"][row] or ""
                why = say("a quantity is whole, from 1 to {most}", most=QUANTITY_MAX)
            elif end < begin:
                column, cell, why = "until", table.columns["until"][row] or "", say("this ends before it begins")
            if why is not None:
                self.findings.add(misfit(table, row, column, cell, why))
                return
            which = article if quantity in (None, MILLION) else (article, quantity)
            first = seen.setdefault(which, row)
            if first != row:
                again.setdefault(which, [first]).append(row)
        for same in again.values():
            if self.overlap(table, key, sorted((*self.period(values, row), row) for row in same)):
                return

    def known_articles(self, source: ast.Source, table: Table) -> None:
        """Some of a price list's articles are in the catalogue, where there is one: others may sell the rest."""
        catalogue = self.project.table(self.project.catalogue.path.text) if self.project.catalogue else None
        if not isinstance(catalogue, Table):
            return
        named, known = ({cell for cell in _articles(one) if cell} for one in (table, catalogue))
        if named and known and named.isdisjoint(known):
            hint = say("The catalogue has: {names}. A list's articles are written as there.", names=few(sorted(known)))
            self.findings.add(found("P3113", source.path.span, known=few(sorted(named)), hint=hint))

    def period(self, values: Values, row: int) -> tuple[int, int]:
        """Of a row, in days; open ends are far away."""
        first, last = values.get("from", ()), values.get("until", ())
        begin = first[row] if first else None
        end = last[row] if last else None
        return (
            begin if isinstance(begin, int) else _FOREVER[0],
            end if isinstance(end, int) else _FOREVER[1],
        )

    def overlap(self, table: Table, key: str, known: Sequence[tuple[int, int, int]]) -> bool:
        """Two rows for one article, quantity and day."""
        for (_, end, row), (begin, _, other) in itertools.pairwise(known):
            if begin <= end:
                first, second = sorted((row, other))
                why = say("line {line} has it too, for the same days", line=table.lines[first])
                self.findings.add(misfit(table, second, key, table.columns[key][second] or "", why))
                return True
        return False

    def holidays(self, source: ast.Source, table: Table) -> None:
        """A day of a region once; regions are those of stores."""
        regions = table.columns.get("region")
        asked = regions and any(regions) and not self.findings.schema_broken
        if asked and _REGION not in self.project.attributes:
            known = few(sorted(info.name for info in self.project.attributes.values() if info.entity == "store"))
            path = source.path.span
            self.findings.once(
                "P1004", _REGION, path, whose=WHOSE["store"], name=_REGION.partition(".")[2], known=known
            )
        elif asked and MACHINE_TYPES[self.project.attributes[_REGION].kind] is not Type.TEXT:
            kind = self.project.attributes[_REGION].kind
            why = say("its column «region» names regions, and «{name}» is of type «{type}»", name=_REGION, type=kind)
            self.findings.add(found("P1018", source.path.span, name=source.path.text, why=why))
            return
        seen: dict[tuple[str, str], int] = {}
        for row, day in enumerate(table.columns["date"]):
            if day is None:
                self.findings.add(misfit(table, row, "date", "", say("it is empty")))
                return
            place = (day, (regions[row] if regions else None) or "")
            if place in seen:
                why = say("line {line} has it too", line=table.lines[seen[place]])
                self.findings.add(misfit(table, row, "date", day, why))
                return
            seen[place] = row
        self.regions(source, {region for _, region in seen if region})

    def regions(self, source: ast.Source, named: set[str]) -> None:
        """Some of the regions are those of stores, where stores say theirs."""
        stores = self.project.table(self.project.stores.path.text) if self.project.stores else None
        if not isinstance(stores, Table) or not named:
            return
        known = {cell for cell in stores.columns.get("region", ()) if cell}
        if known and known.isdisjoint(named):
            hint = say(
                "Stores are in: {names}. Holidays of other regions are never any here.", names=few(sorted(known))
            )
            self.findings.add(found("P3111", source.path.span, known=few(sorted(named)), hint=hint))


def _articles(table: Table) -> Sequence[str | None]:
    """The articles of its rows."""
    return next((table.columns[name] for name in _ARTICLE if name in table.columns), ())
