"""All declarations of a project by name: settings, schema, sets, groups, promotions; and what is wrong with the names.

The order of files and declarations means nothing: of two declarations of one name the first by file and line stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar, Unpack

from dsl import ast, limits
from dsl.data import Table, TypedColumn, Unreadable, changed_table, read_list, read_table, typed_columns
from dsl.diagnostics import Diagnostic, Gaps, Span, found
from dsl.memory import Memory, Reading
from dsl.phrases import TAKE_OUT, Phrase, did, guessed, say
from dsl.values import AttributeInfo, scalar
from dsl.vocabulary import RESERVED, TYPES
from dsl.wrong_forms import did_you_mean
from dsl.zones import known_zones
from engine.money import EXPONENTS, ROUNDINGS

ENTITIES = ("customer", "item", "basket", "store", "delivery")
IDS = ("customer.id", "item.sku", "store.id")  # the id itself, whether the schema lists it or not
WHOSE = {
    "customer": say("Customers have"),
    "item": say("Articles have"),
    "basket": say("Baskets have"),
    "store": say("Stores have"),
    "delivery": say("Deliveries have"),
}


_N = TypeVar("_N")
_R = TypeVar("_R")


@dataclass(slots=True)
class SettingsInfo:
    """The settings, defaults filled in."""

    currencies: tuple[str, ...] = ()
    timezone: str = ""
    languages: tuple[str, ...] = ()
    width: int | None = None
    rounding: str = "half-up"
    rounding_per: str = "piece"
    include_tax: bool = True


@dataclass(slots=True)
class Project:
    """The symbols of a project. `incomplete` names kinds of declarations that could not be read whole."""

    files: Mapping[str, bytes]
    settings: SettingsInfo = field(default_factory=SettingsInfo)
    attributes: dict[str, AttributeInfo] = field(default_factory=dict)
    consents: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    payments: tuple[str, ...] = ()
    products: dict[str, ast.SetDecl] = field(default_factory=dict)
    places: dict[str, ast.SetDecl] = field(default_factory=dict)
    segments: dict[str, ast.SetDecl] = field(default_factory=dict)
    groups: dict[str, ast.Group] = field(default_factory=dict)
    guards: dict[str, ast.Guard] = field(default_factory=dict)
    codes: dict[str, ast.Codes] = field(default_factory=dict)
    promotions: dict[str, ast.Promotion] = field(default_factory=dict)
    samples: dict[str, ast.Sample] = field(default_factory=dict)
    tests: dict[str, ast.Test] = field(default_factory=dict)
    sequence: ast.Sequence | None = None
    catalogue: ast.Source | None = None
    stores: ast.Source | None = None
    events: dict[str, ast.Event] = field(default_factory=dict)  # by their word for many
    event_words: dict[str, str] = field(default_factory=dict)  # both words → the word for many
    event_attributes: dict[str, AttributeInfo] = field(default_factory=dict)  # by their path, of the word for many
    sources: list[ast.Source] = field(default_factory=list)  # tables beside the rules, each once
    price_lists: dict[str, ast.Source] = field(default_factory=dict)
    settings_lines: tuple[ast.Setting | ast.CashRounding | ast.BasePoints, ...] = ()
    broken: dict[str, set[str]] = field(default_factory=dict)  # by keyword: names of declarations that are only known
    incomplete: set[str] = field(default_factory=set)
    memory: Memory = field(default_factory=lambda: Memory(lasting=False))

    def named(self) -> tuple[Mapping[str, ast.Decl], ...]:
        """What has a meaning that can be said, promotions first."""
        return (
            self.promotions,
            self.segments,
            self.products,
            self.places,
            self.groups,
            self.guards,
            self.codes,
        )

    def table(self, path: str) -> Table | Unreadable | None:
        """A table of the project, None where there is no such file."""
        data = self.files.get(path)
        if data is None:
            return None
        return self.of_bytes(
            data, ("table", path), lambda: read_table(path, data), lambda old, table: changed_table(table, old, data)
        )

    def listed(self, path: str, headings: Sequence[str]) -> tuple[str, ...] | Unreadable | None:
        """The first column of a file, None where there is no such file."""
        data = self.files.get(path)
        what = ("list", path, tuple(headings))
        return None if data is None else self.of_bytes(data, what, lambda: read_list(path, data, headings))

    def of_bytes(
        self, data: bytes, what: Reading, read: Callable[[], _R], change: Callable[[bytes, _R], _R | None] | None = None
    ) -> _R | Unreadable:
        """What a file holds, read once."""

        def attempt() -> _R | Unreadable:
            try:
                return read()
            except Unreadable as why:
                return why

        def from_before(old: bytes, known: _R | Unreadable) -> _R | Unreadable | None:
            return None if change is None or isinstance(known, Unreadable) else change(old, known)

        return self.memory.read(what, data, attempt, from_before)

    def recall(self, work: Callable[[Project, _N], _R], node: _N) -> _R:
        """work(project, node), where it is not known from an earlier compilation. `work` is a function of a module; it
        depends on the node and on the project alone."""
        known: _R | None = self.memory.recall(work, node)
        return self.memory.work(work, node, lambda: work(self, node)) if known is None else known

    def recall_each(self, work: Callable[[Project, _N], _R], nodes: Iterable[_N]) -> list[_R]:
        """The same for many."""
        listed = list(nodes)
        known: list[_R | None] = self.memory.recall_each(work, listed)
        return [self.recall(work, node) if one is None else one for node, one in zip(listed, known, strict=True)]

    def noted(self) -> None:
        """From now on the memory notes what is asked of this project."""
        if not self.memory.lasting:
            return
        for name in NOTED:
            setattr(self, name, self.memory.table(name, getattr(self, name)))
        rest = (each.name for each in fields(self) if each.name not in (*NOTED, "memory"))
        self.memory.world(*(getattr(self, name) for name in rest))


NOTED = (
    "files",
    "products",
    "places",
    "segments",
    "groups",
    "guards",
    "codes",
    "promotions",
    "samples",
    "tests",
)  # tables by name; whatever else changes in a project, all is judged again


NOUNS = {
    "product set": say("product set"),
    "service": say("service"),
    "segment": say("segment"),
    "places": say("set of places"),
    "value": say("value"),
    "promotion": say("promotion"),
    "sample": say("sample"),
    "event": say("event"),
}
_D = TypeVar("_D")


def assemble(
    declarations: Iterable[ast.Decl], files: Mapping[str, bytes], memory: Memory | None = None
) -> tuple[Project, list[Diagnostic]]:
    """The project of these declarations and the findings about their names."""
    return assemble_parts((part(declarations),), files, memory)


def assemble_parts(
    parts: Sequence[Part], files: Mapping[str, bytes], memory: Memory | None = None
) -> tuple[Project, list[Diagnostic]]:
    """The same of the parts of files, in the order of their names."""
    builder = _Assembly(Project(files, memory=memory or Memory(lasting=False)))
    for some in parts:
        builder.join(some)
    nowhere = Span(min(files, default="project.promo"), 1, 1, 1, 2)
    builder.finish(next((node.span for some in parts for node in some.nodes), nowhere))
    return builder.project, builder.findings


@dataclass(frozen=True, slots=True)
class Part:
    """Declarations of one file in their order, and by name those with whose names nothing is wrong in itself."""

    nodes: tuple[ast.Decl, ...]
    tables: Mapping[str, Mapping[str, ast.Decl]]
    others: tuple[ast.Decl, ...]


def part(declarations: Iterable[ast.Decl]) -> Part:
    """What these declare. All are `others` where a name stands twice, is a word of the language, or could not be read
    whole: then they are looked at one by one."""
    nodes = tuple(sorted(declarations, key=lambda node: (node.span.file, node.span.line, node.span.column)))
    tables: dict[str, dict[str, ast.Decl]] = {}
    others = []
    for node in nodes:
        kind = node.kind if isinstance(node, ast.SetDecl) else type(node)
        if kind not in _TABLES:
            others.append(node)
            continue
        table, noun = _TABLES[kind]
        name: str = getattr(node, "name").text  # noqa: B009 - any declaration
        named = tables.setdefault(table, {})
        if name in named or name in RESERVED.get(noun, ()) or getattr(node, "broken", False):
            return Part(nodes, {}, nodes)
        named[name] = node
    return Part(nodes, tables, tuple(others))


_TABLES: dict[object, tuple[str, str]] = {
    "products": ("products", "product set"),
    "places": ("places", "places"),
    "segment": ("segments", "segment"),
    ast.Group: ("groups", "group"),
    ast.Guard: ("guards", "guard"),
    ast.Codes: ("codes", "code set"),
    ast.Promotion: ("promotions", "promotion"),
    ast.Sample: ("samples", "sample"),
    ast.Test: ("tests", "test"),
}  # by kind: the table of a project, and the noun for people


class _Assembly:
    def __init__(self, project: Project) -> None:
        self.project = project
        self.findings: list[Diagnostic] = []
        self.settings: ast.Settings | None = None
        self.schema: ast.Schema | None = None

    def report(self, code: str, span: Span, **values: Unpack[Gaps]) -> None:
        self.findings.append(found(code, span, **values))

    def join(self, some: Part) -> None:
        """What a file declares."""
        for node in some.others:
            self.add(node)
        for table, named in some.tables.items():
            known: dict[str, Any] = getattr(self.project, table)
            if known.keys().isdisjoint(named):
                known.update(named)
            else:
                for node in named.values():
                    self.add(node)

    def add(self, node: ast.Decl) -> None:
        """One declaration."""
        project = self.project
        match node:
            case ast.Settings():
                if self.once("settings", self.settings, node.span):
                    self.settings = node
            case ast.Schema():
                if self.once("schema", self.schema, node.span):
                    self.schema = node
            case ast.Source():
                self.source(node)
            case ast.Sequence():
                if self.once("sequence", project.sequence, node.span):
                    project.sequence = node
            case ast.Broken():
                project.incomplete.add(node.kind)
                if node.name:
                    project.broken.setdefault(node.kind, set()).add(node.name.text)
            case _:
                table, noun = _TABLES[node.kind if isinstance(node, ast.SetDecl) else type(node)]
                self.declare(getattr(project, table), node, node.name, noun)
        if getattr(node, "broken", False):
            project.incomplete.add(type(node).__name__.lower())

    def source(self, node: ast.Source) -> None:
        """One catalogue, one table of stores …; price lists by name."""
        project = self.project
        if node.name is not None:
            known = project.price_lists.setdefault(node.name.text, node)
            if known is not node:
                where_first = where(known.span, node.span)
                self.report("P1015", node.name.span, name=node.name.text, where=where_first)
                return
        elif not self.once(node.kind, next((s for s in project.sources if s.kind == node.kind), None), node.span):
            return
        project.sources.append(node)
        if node.kind == "catalogue":
            project.catalogue = node
        elif node.kind == "stores":
            project.stores = node

    def once(self, what: str, first: object, span: Span) -> bool:
        """There is one of these in a project."""
        if first is None:
            return True
        self.report("P1021", span, word=what, where=where(getattr(first, "span"), span))  # noqa: B009 - any node
        return False

    def declare(self, table: dict[str, _D], node: _D, name: ast.Name, noun: str) -> None:
        """A name of its kind, once, and no word of the language in its place."""
        if name.text in table:
            first: Span = getattr(table[name.text], "name").span  # noqa: B009 - any declaration
            self.report("P1015", name.span, name=name.text, where=where(first, name.span))
            return
        self.reserved(name, noun)
        table[name.text] = node

    def reserved(self, name: ast.Name, noun: str) -> None:
        words = RESERVED.get(noun, frozenset())
        if name.text in words:
            self.report("P1016", name.span, name=name.text, what=NOUNS[noun], known=tuple(sorted(words)))

    # ------------------------------------------------------------------------------------------------ settings

    def finish(self, nowhere: Span) -> None:
        """Settings and schema, once all is known."""
        if self.settings is not None:
            self.read_settings(self.settings)
        elif "settings" not in self.project.incomplete:
            self.report(
                "P3016", nowhere, what=say("«settings»"), write=say("settings {{ … }} with currency and timezone")
            )
        if self.schema is not None:
            self.read_schema(self.schema)
        for path in IDS:
            entity, name = path.split(".")
            info = AttributeInfo(entity, name, "text", (), False, False, None, nowhere)
            self.project.attributes.setdefault(path, info)

    def read_settings(self, node: ast.Settings) -> None:
        """Each line once."""
        into = self.project.settings
        self.project.settings_lines = node.lines
        kinds = {ast.CashRounding: "cash rounding", ast.BasePoints: "points"}
        seen: set[str] = set()
        for line in node.lines:
            kind = line.kind if isinstance(line, ast.Setting) else kinds[type(line)]
            if kind in seen:
                self.report("P2010", line.span, name=kind)
                continue
            seen.add(kind)
            if isinstance(line, ast.Setting):
                self.setting(into, line)
        if node.broken:
            return
        for kind, write in (("currency", "currency EUR"), ("timezone", "timezone Europe/Berlin")):
            if kind not in seen:
                self.report("P3016", node.span, what=say("«{word}» in its «settings»", word=kind), write=write)

    def setting(self, into: SettingsInfo, line: ast.Setting) -> None:
        """One line."""
        first = line.values[0]
        match line.kind:
            case "currency":
                into.currencies = self.distinct(line.values)
                self.few(into.currencies, line.span)
                for name in line.values:
                    if name.text not in EXPONENTS:
                        self.report(
                            "P2008", name.span, name=name.text, known=say("the codes of ISO 4217, like EUR and CHF")
                        )
            case "timezone":
                into.timezone = first.text
                if first.text not in known_zones():
                    self.zone_unknown(first)
                    into.timezone = "UTC"
            case "languages":
                into.languages = self.distinct(line.values)
            case "width":
                width = int(first.text) if len(first.text) < 6 else 0
                if not 10 <= width <= 200:
                    self.report(
                        "P2007", first.span, what=say("A receipt's width"), least=10, advice=say("and at most 200")
                    )
                else:
                    into.width = width
            case "rounding":
                into.rounding = first.text
                into.rounding_per = line.values[1].text if len(line.values) > 1 else "piece"
                if first.text not in ROUNDINGS:
                    guess = did_you_mean(first.text, ROUNDINGS)
                    known = tuple(ROUNDINGS)
                    self.report(
                        "P2002", first.span, name="rounding", value=first.text, guess=guessed(guess), known=known
                    )
            case "tax":
                into.include_tax = first.text == "include"

    def zone_unknown(self, name: ast.Name) -> None:
        """A zone that the table of zones lacks."""
        guess = did_you_mean(name.text, known_zones())
        self.report("P1020", name.span, name=name.text, guess=guessed(guess))

    def few(self, names: tuple[str, ...], span: Span) -> None:
        """No more channels or currencies than the engine takes."""
        if len(names) > limits.BIT_NAMES_MAX:
            self.report("P0304", span, size=len(names), most=limits.BIT_NAMES_MAX)

    def distinct(self, names: tuple[ast.Name, ...]) -> tuple[str, ...]:
        """Each once."""
        seen: dict[str, None] = {}
        for name in names:
            if name.text in seen:
                self.report("P2010", name.span, name=name.text)
            seen[name.text] = None
        return tuple(seen)

    # ------------------------------------------------------------------------------------------------ schema

    def read_schema(self, node: ast.Schema) -> None:
        """Attributes, then the lists of names."""
        project = self.project
        lists: dict[str, tuple[str, ...]] = {}
        for part in node.parts:
            if isinstance(part, ast.NameList):
                lists[part.kind] = (*lists.get(part.kind, ()), *self.distinct(part.names))
                if part.kind == "services":
                    for name in part.names:
                        self.reserved(name, "service")
                if part.kind in ("services", "payments", "channels"):
                    for name in part.names:
                        self.reserved(name, "value")
        project.consents = lists.get("consents", ())
        project.channels = lists.get("channels", ())
        self.few(project.channels, node.span)
        project.services = lists.get("services", ())
        project.payments = lists.get("payments", ())
        for part in node.parts:
            if isinstance(part, ast.Entity):
                self.entity(part)
            elif isinstance(part, ast.Event):
                self.event(part)

    def event(self, part: ast.Event) -> None:
        """Both its words, each once, and what such an event has."""
        words = (part.many,) if part.many.text == part.one.text else (part.many, part.one)
        for word in words:
            if word.text in self.project.event_words:
                first = self.project.events[self.project.event_words[word.text]]
                self.report("P1015", word.span, name=word.text, where=where(first.span, word.span))
                return
        for word in words:
            self.reserved(word, "event")
            self.project.event_words[word.text] = part.many.text
        self.project.events[part.many.text] = part
        self.attributes(part.many.text, part.attributes, self.project.event_attributes)

    def entity(self, part: ast.Entity) -> None:
        """The attributes of customers, articles …"""
        if part.name.text not in ENTITIES:
            guess = did_you_mean(part.name.text, ENTITIES)
            self.report("P1005", part.name.span, name=part.name.text, did=did(guess))
            return
        self.attributes(part.name.text, part.attributes, self.project.attributes)

    def attributes(self, entity: str, nodes: Iterable[ast.Attribute], into: dict[str, AttributeInfo]) -> None:
        """Of an entity or an event, each once."""
        for node in nodes:
            info = self.attribute(entity, node)
            if info is None:
                continue
            if info.path in into:
                first = into[info.path].span
                self.report("P1015", node.name.span, name=info.name, where=where(first, info.span))
                continue
            into[info.path] = info

    def attribute(self, entity: str, node: ast.Attribute) -> AttributeInfo | None:
        """One attribute, its default checked."""
        written = node.type
        kind = written.kind
        if kind == "list" and written.of == "text":
            kind = "list of text"
        if kind not in TYPES:
            named = f"list of {written.of}" if kind == "list" else kind
            guess = did_you_mean(named, TYPES)
            self.report("P1022", written.span, name=named, did=did(guess), known=tuple(TYPES))
            self.project.incomplete.add("schema")
            return None
        for choice in written.choices:
            self.reserved(choice, "value")
        choices = self.distinct(written.choices)
        path = f"{entity}.{node.name.text}"
        if path in IDS and kind != "text":
            type_ = say("text, the id itself")
            self.report(
                "P2003",
                written.span,
                name=path,
                type=type_,
                other=f"«{kind}»",
                advice=say("write {words}", words="text"),
            )
        info = AttributeInfo(
            entity, node.name.text, kind, choices, node.personal, node.predicted, node.default, node.name.span
        )
        if node.default is not None:
            self.default(info, node.default, path)
        return info

    def default(self, info: AttributeInfo, value: ast.Value, path: str) -> None:
        """A default is a value of its type."""
        if info.kind in ("money", "list of text") or path in IDS:
            why = say("a {type} has none", type=TYPES[info.kind].noun) if path not in IDS else say("an id has none")
            self.report("P2012", value.span, value="default", why=why, advice=TAKE_OUT)
            return
        fitting = scalar(info, value, self.project.channels)
        if isinstance(fitting, Diagnostic):
            self.findings.append(fitting)


def where(first: Span, other: Span) -> Phrase:
    """Where something stands, seen from elsewhere."""
    if first.file == other.file:
        return say("in line {line}", line=first.line)
    return say("in {file}:{line}", file=first.file, line=first.line)


def table_attributes(project: Project, entity: str) -> dict[str, AttributeInfo]:
    """The attributes that columns of a table may be named for; the id is none of them."""
    skipped = {"item": ("sku",), "store": ("id",)}[entity]
    attributes = {
        info.name: info for info in project.attributes.values() if info.entity == entity and info.name not in skipped
    }
    if entity == "item":
        nowhere = Span("", 1, 1, 1, 2)
        attributes.setdefault("price", AttributeInfo("item", "price", "money", (), False, False, None, nowhere))
        attributes["tax-rate"] = AttributeInfo("item", "tax-rate", "percent", (), False, False, None, nowhere)
    return attributes


PRICE_COLUMNS = {"from-quantity": "number", "price": "money", "from": "date", "until": "date"}  # of a price list


def price_columns(project: Project, table: Table) -> tuple[tuple[TypedColumn, ...], list[Diagnostic]]:
    """The columns of a price list, but for the articles, and the cells that do not fit."""
    nowhere = Span("", 1, 1, 1, 2)
    infos = {
        name: AttributeInfo("item", name, kind, (), False, False, None, nowhere) for name, kind in PRICE_COLUMNS.items()
    }
    return typed_columns(table, infos, (), project.settings.currencies, project.memory)


def table_columns(project: Project, source: ast.Source) -> tuple[tuple[TypedColumn, ...], list[Diagnostic]]:
    """The columns of the catalogue or of the stores that carry attributes' names, and the cells that do not fit."""
    table = project.table(source.path.text)
    assert isinstance(table, Table)
    attributes = table_attributes(project, {"catalogue": "item", "stores": "store"}[source.kind])
    return typed_columns(table, attributes, project.channels, project.settings.currencies, project.memory)


assert limits.NAME_CHARACTERS_MAX <= limits.TEXT_CHARACTERS_MAX
