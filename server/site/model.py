"""What the site tells, gathered from a project: a page for each declaration, the calendar, the glossary. Pure."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from dsl import ast
from dsl.assist import Assist
from dsl.clauses import clauses, first
from dsl.compiler import Compilation, compile_project
from dsl.days_off import Holiday, holidays
from dsl.names import Index, Symbol
from dsl.project import Project, assemble
from dsl.sentence import sentence
from dsl.sizes import set_sizes

# The kinds that have pages, in the order of their lists.
KINDS = ("promotion", "segment", "product set", "places", "group", "guard", "code set", "sample", "test")
_NODE_KINDS: dict[type, str] = {
    ast.Promotion: "promotion",
    ast.Group: "group",
    ast.Guard: "guard",
    ast.Codes: "code set",
    ast.Sample: "sample",
    ast.Test: "test",
}
_SET_KINDS = {"products": "product set", "places": "places", "segment": "segment"}
_NEVER = datetime.date(9999, 12, 31)


@dataclass(frozen=True, slots=True)
class Link:
    """Another page."""

    kind: str
    name: str
    title: str
    href: str


@dataclass(slots=True)
class Page:
    """One declaration."""

    kind: str
    name: str
    title: str
    href: str
    sentence: str
    file: str
    line: int
    source: str
    size: int | None = None  # articles of a product set
    uses: list[Link] = field(default_factory=list)
    used_by: list[Link] = field(default_factory=list)
    texts: list[tuple[str, str, str]] = field(default_factory=list)  # (label, de, text)
    facts: list[tuple[str, str]] = field(default_factory=list)

    @property
    def link(self) -> Link:
        """To this page."""
        return Link(self.kind, self.name, self.title, self.href)

    @property
    def tests(self) -> list[Link]:
        """Those that name it."""
        return [link for link in self.used_by if link.kind == "test"]


@dataclass(frozen=True, slots=True)
class Bar:
    """A promotion in the calendar; `until` is its last day, None where it never ends."""

    page: Page
    start: datetime.date
    until: datetime.date | None
    beside: tuple[Link, ...]  # of the same group, at the same time, with articles in common by name


@dataclass(frozen=True, slots=True)
class Attribute:
    """A row of the glossary."""

    path: str
    type: str
    doc: str
    flags: str
    used_by: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Site:
    """Everything."""

    pages: Mapping[str, list[Page]]  # by kind
    groups: list[tuple[str, list[Bar]]]  # the calendar, group by group in their sequence
    attributes: list[Attribute]
    names: list[tuple[str, list[str]]]  # channels, consents …
    holidays: tuple[Holiday, ...]
    errors: int
    warnings: int


def gather(files: Mapping[str, bytes], language: str) -> Site:
    """The site of a project. A project with errors has one, too: of what can be read."""
    compilation = compile_project(files)
    assist = Assist(files)
    project, _ = assemble(assist.declarations, files)
    maker = _Maker(assist, project, compilation, language)
    pages = maker.pages()
    severities = [finding.severity for finding in compilation.diagnostics]
    return Site(
        pages=pages,
        groups=maker.calendar(pages["promotion"]),
        attributes=maker.attributes(),
        names=maker.lists(),
        holidays=holidays(project),
        errors=severities.count("error"),
        warnings=severities.count("warning"),
    )


def address(kind: str, name: str) -> str:
    """The file of a page: of names that are sentences only what every disk takes, and a number that tells twins."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60]
    twin = "" if plain == name else f"-{sum(ord(c) * (n + 1) for n, c in enumerate(name)) % 100_000:05d}"
    return f"{kind.replace(' ', '-')}/{plain or 'page'}{twin}.html"


class _Maker:
    def __init__(self, assist: Assist, project: Project, compilation: Compilation, language: str) -> None:
        self.assist = assist
        self.project = project
        self.language = language
        self.sizes = set_sizes(compilation.programs)
        self.index: Index = assist.index
        self.by_symbol: dict[Symbol, Page] = {}

    def pages(self) -> dict[str, list[Page]]:
        """A page for each declaration, then what each uses and is used by."""
        found: dict[str, list[Page]] = {kind: [] for kind in KINDS}
        for file in self.assist.read.values():
            for node in file.parsed.declarations:
                symbol = _symbol(node)
                if symbol is None or symbol in self.by_symbol:
                    continue
                whole = file.extent(node)
                page = Page(
                    kind=symbol.kind,
                    name=symbol.name,
                    title=getattr(node, "title", ""),
                    href=address(symbol.kind, symbol.name),
                    sentence=self.said(symbol),
                    file=file.name,
                    line=whole.line,
                    source="\n".join(file.lines[whole.line - 1 : whole.end_line]),
                    size=self.sizes.get(symbol.name) if symbol.kind == "product set" else None,
                )
                if isinstance(node, ast.Promotion):
                    self.promotion(page, node)
                self.by_symbol[symbol] = page
                found[symbol.kind].append(page)
        self.join()
        for pages in found.values():
            pages.sort(key=lambda page: page.name)
        return found

    def said(self, symbol: Symbol) -> str:
        """The sentence of a declaration of this very kind."""
        if symbol.kind in ("sample", "test"):
            return ""
        return sentence(self.project, symbol.name, self.language) or ""

    def promotion(self, page: Page, node: ast.Promotion) -> None:
        """Its texts and who answers for it."""
        owner, group = first(node, ast.Owner), first(node, ast.InGroup)
        runs, sold = first(node, ast.Runs), first(node, ast.Sold)
        page.facts = [
            ("group", group.name.text if group else ""),
            ("runs", runs.text.removeprefix("runs ") if runs else ""),
            ("sold", sold.text.removeprefix("sold ") if sold else ""),
            ("owner", owner.text.text if owner else ""),
        ]
        page.texts = sorted((t.kind, t.language.text, t.text.text) for t in clauses(node, ast.Label))

    def join(self) -> None:
        """Who uses whom."""
        pairs: set[tuple[str, str]] = set()
        for symbol, uses in self.index.used.items():
            target = self.by_symbol.get(symbol)
            if target is None:
                continue
            for use in uses:
                within = _symbol(use.within)
                user = self.by_symbol.get(within) if within else None
                if user is None or user is target or (user.href, target.href) in pairs:
                    continue
                pairs.add((user.href, target.href))
                user.uses.append(target.link)
                target.used_by.append(user.link)
        order = list(KINDS)
        for page in self.by_symbol.values():
            page.uses.sort(key=lambda link: (order.index(link.kind), link.name))
            page.used_by.sort(key=lambda link: (order.index(link.kind), link.name))

    # ------------------------------------------------------------------------------------------------ calendar

    def calendar(self, promotions: Iterable[Page]) -> list[tuple[str, list[Bar]]]:
        """The promotions of each group by their first day, the groups in their sequence."""
        sequence = [name.text for name in self.project.sequence.names] if self.project.sequence else []
        groups: dict[str, list[Page]] = {name: [] for name in sequence}
        for page in promotions:
            groups.setdefault(dict(page.facts).get("group", ""), []).append(page)
        return [(name, list(self.bars(pages))) for name, pages in groups.items() if pages]

    def bars(self, pages: list[Page]) -> Iterator[Bar]:
        """One for each promotion that says when it runs."""
        spans = {page.name: span for page in pages if (span := self.span(page.name))}
        touched = {page.name: {link.name for link in page.uses if link.kind == "product set"} for page in pages}
        for page in sorted(pages, key=lambda page: (spans.get(page.name, (_NEVER, _NEVER)), page.name)):
            if page.name not in spans:
                continue
            start, until = spans[page.name]
            beside = tuple(
                other.link
                for other in pages
                if other is not page
                and touched[page.name] & touched[other.name]
                and other.name in spans
                and spans[other.name][0] <= until
                and start <= spans[other.name][1]
            )
            yield Bar(page, start, None if until == _NEVER else until, beside)

    def span(self, name: str) -> tuple[datetime.date, datetime.date] | None:
        """First and last day."""
        runs = first(self.project.promotions[name], ast.Runs) if name in self.project.promotions else None
        if runs is None:
            return None
        until = _NEVER if runs.until is None else runs.until.date.value
        if runs.until is not None and runs.until.time is not None and runs.until.time.seconds == 0:
            until -= datetime.timedelta(days=1)
        return runs.start.date.value, until

    # ------------------------------------------------------------------------------------------------ glossary

    def attributes(self) -> list[Attribute]:
        """What rules may ask about."""
        rows = []
        for path, found in sorted(self.index.of_kind.get("attribute", {}).items()):
            owner = found.owner
            if not isinstance(owner, ast.Attribute):
                continue
            choices = ", ".join(choice.text for choice in owner.type.choices)
            kind = f"one of {choices}" if choices else f"list of {owner.type.of}" if owner.type.of else owner.type.kind
            flags = [word for word, on in (("personal", owner.personal), ("predicted", owner.predicted)) if on]
            rows.append(Attribute(path, kind, owner.doc, ", ".join(flags), self.users(Symbol("attribute", path))))
        return rows

    def users(self, symbol: Symbol) -> tuple[Link, ...]:
        """The pages that use a name, each once."""
        pages = (self.by_symbol.get(within) for o in self.index.used.get(symbol, ()) if (within := _symbol(o.within)))
        links = {page.href: page.link for page in pages if page is not None and page.kind != "test"}
        return tuple(sorted(links.values(), key=lambda link: (link.kind, link.name)))

    def lists(self) -> list[tuple[str, list[str]]]:
        """Channels, services, means of payment, consents, events."""
        project = self.project
        rows = (
            ("channels", project.channels),
            ("services", project.services),
            ("means of payment", project.payments),
            ("consents", project.consents),
            ("events", tuple(project.events)),
            ("currencies", project.settings.currencies),
            ("languages", project.settings.languages),
        )
        return [(noun, list(names)) for noun, names in rows if names]


def _symbol(node: ast.Decl) -> Symbol | None:
    """The name of a declaration that has a page."""
    if isinstance(node, ast.SetDecl):
        return Symbol(_SET_KINDS[node.kind], node.name.text)
    if isinstance(node, ast.Promotion | ast.Group | ast.Guard | ast.Codes | ast.Sample | ast.Test):
        return Symbol(_NODE_KINDS[type(node)], node.name.text)
    return None
