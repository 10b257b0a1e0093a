"""The site as files: templates filled by jinja2, which escapes what authors wrote. Nothing is loaded from elsewhere."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import jinja2

from server.site.model import Bar, Site
from server.site.words import WORDS

_LINKS_SHOWN_MAX = 400  # of one list on a page; beyond it a line says how many more
_NAMED_MAX = 20  # holidays of regions on one day
WIDTH = 1000  # of the calendar's drawing, in its own units


@dataclass(frozen=True, slots=True)
class Drawn:
    """A bar with its place in the drawing."""

    bar: Bar
    left: int
    width: int
    open: bool


def files(site: Site, *, title: str, language: str) -> Iterator[tuple[str, str]]:
    """(path, text) of every file of the site."""
    words = WORDS[language]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("server.site"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(site=site, words=words, language=language, title=title, most=_LINKS_SHOWN_MAX)

    def page(template: str, root: str, **values: object) -> str:
        return environment.get_template(template).render(root=root, **values)

    yield "style.css", environment.get_template("style.css").render()
    yield "filter.js", environment.get_template("filter.js").render()
    yield "index.html", page("index.html", "")
    yield (
        "calendar.html",
        page("calendar.html", "", **_calendar([bar for _, bars in site.groups for bar in bars], site)),
    )
    yield "lineage.html", page("lineage.html", "")
    yield "glossary.html", page("glossary.html", "")
    for pages in site.pages.values():
        for one in pages:
            yield one.href, page("page.html", "../", page=one)


def _calendar(bars: Sequence[Bar], site: Site) -> dict[str, object]:
    """Where bars and months stand."""
    if not bars:
        return {"groups": [], "months": [], "off": []}
    days = [bar.start for bar in bars] + [bar.until for bar in bars if bar.until is not None]
    first, last = min(days).replace(day=1), max(days)
    last = (last.replace(day=1) + datetime.timedelta(days=45)).replace(day=1)  # a month to run out in
    total = (last - first).days

    def place(day: datetime.date) -> int:
        return (day - first).days * WIDTH // total

    groups = []
    for name, some in site.groups:
        drawn = []
        for bar in some:
            end = WIDTH if bar.until is None else place(bar.until + datetime.timedelta(days=1))
            drawn.append(Drawn(bar, place(bar.start), max(end - place(bar.start), 3), bar.until is None))
        groups.append((name, drawn))
    months = []
    month = first
    while month < last:
        months.append((place(month), month))
        month = (month + datetime.timedelta(days=32)).replace(day=1)
    step = max(1, len(months) // 24)
    off: dict[datetime.date, list[str]] = {}
    for holiday in site.holidays:
        if first <= holiday.day < last:
            off.setdefault(holiday.day, []).append(str(holiday))
    ticks = [(place(day), max(WIDTH // total, 1), "\n".join(told[:_NAMED_MAX])) for day, told in off.items()]
    return {"groups": groups, "months": months[::step], "off": ticks}
