"""Holidays as people read them: the days of the project's table, with their names."""

from __future__ import annotations

import datetime
from typing import NamedTuple

from dsl.data import Table
from dsl.phrases import Language, Phrase, say
from dsl.project import Project

_WEEKDAYS = (say("Mon"), say("Tue"), say("Wed"), say("Thu"), say("Fri"), say("Sat"), say("Sun"))


class Holiday(NamedTuple):
    """A row of the table. `region` "": everywhere."""

    day: datetime.date
    region: str
    name: str

    def text(self, language: Language = "en") -> str:
        """`Sat 2026-10-31 Reformation Day (Nord)`."""
        region = f" ({self.region})" if self.region else ""
        return f"{weekday(self.day).text(language)} {self.day} {self.name}".rstrip() + region

    def __str__(self) -> str:
        return self.text()


def weekday(day: datetime.date) -> Phrase:
    """Mon, Tue …"""
    return _WEEKDAYS[day.weekday()]


def holidays(project: Project) -> tuple[Holiday, ...]:
    """By day and region; rows that cannot be read are left out."""
    source = next((source for source in project.sources if source.kind == "holidays"), None)
    table = project.table(source.path.text) if source else None
    if not isinstance(table, Table) or "date" not in table.columns:
        return ()
    nothing = [None] * table.rows
    found = []
    for date, *words in zip(
        table.columns["date"], table.columns.get("region", nothing), table.columns.get("name", nothing), strict=True
    ):
        try:
            day = datetime.date.fromisoformat(date or "")
        except ValueError:
            continue
        region, name = (" ".join((word or "").split()) for word in words)
        found.append(Holiday(day, region, name))
    return tuple(sorted(found))
