"""Every name of a project: where it is declared and where it is used. What definition, references and rename stand on.

A name's meaning follows from the node and the field that hold it: one row of DECLARES or USES for each. A test insists
that every field of dsl.ast that can hold a name has its row, so a new node says what its names mean.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dsl import ast
from dsl.diagnostics import Span

Kind = str  # "product set", "segment", …: a key of KINDS

# What can be named, and how it is called before its name: «the segment gold-members».
KINDS: dict[Kind, str] = {
    "product set": "the product set",
    "places": "the places",
    "segment": "the segment",
    "group": "the group",
    "guard": "the guard",
    "code set": "the code set",
    "promotion": "the promotion",
    "sample": "the sample",
    "test": "the test",
    "attribute": "the attribute",
    "event": "the event",
    "channel": "the channel",
    "service": "the service",
    "payment": "the means of payment",
    "consent": "the consent",
    "choice": "the choice",
    "variant": "the variant",
    "cashier's reason": "the reason",
}
FIXED = ("entity", "currency", "zone", "language", "width", "rounding", "tax", "reason", "text")  # declared nowhere

_SETS = {"products": "product set", "places": "places", "segment": "segment", "when": "segment or places"}
_LISTS = {"consents": "consent", "channels": "channel", "services": "service", "payments": "payment"}
_KEYWORDS = {**_SETS, "codes": "code set", "group": "group", "guard": "guard", "promotion": "promotion"}
_KEYWORDS |= {"sample": "sample", "test": "test"}
_EXPECTED = {
    "saves": "promotion",
    "applies": "promotion",
    "not": "promotion",
    "costs": "sample",
    "refund": "sample",
    "free": "service",
    "fee": "service",
    "in": "segment",
    "not-in": "segment",
    "gift": "product set",
    "code": "code set",
    "code-refused": "text",
    "hint": "text",
    "funded": "text",
    "nothing": "text",
    "total": "text",
    "points": "text",
}

# (node, field) → the kind of the names in it; where the node's `kind` decides, a row for each.
Rows = Mapping[tuple[str, str], Kind | Mapping[str, Kind]]
DECLARES: Rows = {
    ("SetDecl", "name"): _SETS,
    ("Group", "name"): "group",
    ("Guard", "name"): "guard",
    ("Codes", "name"): "code set",
    ("Promotion", "name"): "promotion",
    ("Sample", "name"): "sample",
    ("Test", "name"): "test",
    ("Broken", "name"): _KEYWORDS,
    ("Entity", "name"): "entity",
    ("Attribute", "name"): "attribute",
    ("AttributeType", "choices"): "choice",
    ("NameList", "names"): _LISTS,
    ("Event", "many"): "event",
    ("Event", "one"): "event",
    ("Arm", "name"): "variant",
    ("WithReason", "reasons"): "cashier's reason",
}
USES: Rows = {
    ("In", "name"): _SETS,  # of the list of conditions it stands in
    ("Consent", "name"): "consent",
    ("BasketHas", "of"): "product set",
    ("BasketWorth", "of"): "product set",
    ("EventOf", "event"): "event",
    ("EventOf", "of"): "product set",
    ("SumOf", "of"): "product set",
    ("SimilarTo", "segment"): "segment",
    ("Setting", "values"): {
        "currency": "currency",
        "timezone": "zone",
        "languages": "language",
        "width": "width",
        "rounding": "rounding",
        "tax": "tax",
    },
    ("GroupLine", "names"): "promotion",
    ("Sequence", "names"): "group",
    ("Never", "names"): "product set",
    ("Floor", "names"): "product set",
    ("Runs", "zone"): "zone",
    ("Sold", "names"): "channel",
    ("Sold", "but_not"): "channel",
    ("Choice", "any_of"): {"for": "segment", "only at": "places"},
    ("Choice", "but_not"): {"for": "segment", "only at": "places"},
    ("WithCode", "codes"): "code set",
    ("Need", "of"): "product set",
    ("Target", "name"): "product set",
    ("OffCount", "of"): "product set",
    ("PriceOfCount", "of"): "product set",
    ("OffPickOf", "of"): "product set",
    ("Gift", "of"): "product set",
    ("NextCode", "codes"): "code set",
    ("FreeService", "service"): "service",
    ("OffFee", "service"): "service",
    ("FeePrice", "service"): "service",
    ("InGroup", "name"): "group",
    ("Except", "names"): "product set",
    ("NotWith", "names"): "promotion",
    ("Label", "language"): "language",
    ("Sample", "values"): "attribute",
    ("Buys", "sample"): "sample",
    ("Picks", "sample"): "sample",
    ("Picks", "promotion"): "promotion",
    ("GivenUses", "promotion"): "promotion",
    ("GivenEvent", "event"): "event",
    ("GivenEvent", "of"): "product set",
    ("GivenNoEvent", "event"): "event",
    ("GivenArm", "variant"): "variant",
    ("GivenArm", "promotion"): "promotion",
    ("GivenCashier", "sample"): "sample",
    ("GivenCashier", "reason"): "cashier's reason",
    ("GivenFee", "service"): "service",
    ("Expect", "name"): _EXPECTED,
    ("Expect", "because"): "reason",
    ("TestChannel", "name"): "channel",
}


@dataclass(frozen=True, slots=True, order=True)
class Symbol:
    """What is named. `name` holds the owner where names belong to one: "customer.tier", "lapsed/ten"."""

    kind: Kind
    name: str

    @property
    def short(self) -> str:
        """As it is written at its place."""
        if self.kind == "attribute":
            return self.name.partition(".")[2]
        if self.kind == "choice":
            return self.name.partition("=")[2]
        return self.name.partition("/")[2] if self.kind == "variant" else self.name


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A name at a place; `owner` is the node that holds it, `within` the declaration it stands in."""

    symbol: Symbol
    span: Span
    declares: bool
    owner: Any
    within: ast.Decl


@dataclass(frozen=True, slots=True)
class Leaf:
    """A word or text of a tree, the field that holds it, and the nodes around it, the declaration first."""

    node: Any
    owner: Any
    field: str
    around: tuple[Any, ...]

    @property
    def place(self) -> tuple[str, str]:
        """The key of DECLARES and USES."""
        return type(self.owner).__name__, self.field

    def nearest(self, *kinds: type[Any]) -> Any:
        """The innermost node of these kinds around it; None where there is none."""
        return next((node for node in reversed(self.around) if isinstance(node, kinds)), None)


@functools.cache
def _fields(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind) if field.name not in ("span", "text"))


_ENDS = (ast.Name, ast.Word, ast.Quoted, ast.Subject)


def leaves(node: Any, around: tuple[Any, ...] = ()) -> Iterator[Leaf]:
    """All names, words, texts and attributes below a node."""
    inside = (*around, node)
    kind: Any = type(node)
    for name in _fields(kind):
        yield from _below(getattr(node, name), node, name, inside)


def _below(value: Any, owner: Any, name: str, around: tuple[Any, ...]) -> Iterator[Leaf]:
    if isinstance(value, _ENDS):
        yield Leaf(value, owner, name, around)
    elif type(value) is tuple:
        for item in value:
            yield from _below(item, owner, name, around)
    elif dataclasses.is_dataclass(value) and not isinstance(value, Span):
        yield from leaves(value, around)


def kinds(leaf: Leaf, rows: Rows) -> Kind | None:
    """The kind of the name that a leaf holds, by its row."""
    row = rows.get(leaf.place)
    if row is None or isinstance(row, str):
        return row
    if isinstance(leaf.owner, ast.In):
        return row[scope(leaf)]
    return row.get(leaf.owner.kind)


def scope(leaf: Leaf) -> str:
    """Whose list of conditions a leaf stands in: a key of check_conditions.SCOPES."""
    declaration = leaf.around[0]
    return declaration.kind if isinstance(declaration, ast.SetDecl) else "when"


def occurrences(declaration: ast.Decl) -> Iterator[Occurrence]:
    """All names in a declaration."""
    for leaf in leaves(declaration):
        yield from _of(leaf, declaration)
    for line in declaration.lines if isinstance(declaration, ast.Test) else ():
        if isinstance(line, ast.Given) and line.kind == "consent":  # the name ends the line
            span = dataclasses.replace(line.span, column=line.span.end_column - len(line.name))
            yield Occurrence(Symbol("consent", line.name), span, False, line, declaration)


def _of(leaf: Leaf, within: ast.Decl) -> Iterator[Occurrence]:
    node = leaf.node
    if isinstance(node, ast.Subject):
        yield from _subject(node, leaf, within)
    elif isinstance(node, ast.Word):
        holder = leaf.nearest(ast.Compare, ast.GivenFact, *_SUMS)
        attribute = leaf.nearest(ast.Attribute)
        if attribute is not None:
            path = _attribute_path(leaf, attribute.name.text)
            yield Occurrence(Symbol("value", f"{path}={node.text}"), node.span, False, leaf.owner, within)
        elif holder is not None:
            yield Occurrence(
                Symbol("value", f"{holder.subject.path}={node.text}"), node.span, False, leaf.owner, within
            )
        elif isinstance(leaf.owner, ast.Sample):
            name = next((key.text for key, value in leaf.owner.values if value is node), "")
            yield Occurrence(Symbol("value", f"item.{name}={node.text}"), node.span, False, leaf.owner, within)
    elif isinstance(node, ast.Name):
        declares = leaf.place in DECLARES
        kind = kinds(leaf, DECLARES if declares else USES)
        if kind is not None and kind not in FIXED:
            yield Occurrence(Symbol(kind, _owned(leaf, kind, node.text)), node.span, declares, leaf.owner, within)


_SUMS = (ast.SumOf,)


def _subject(node: ast.Subject, leaf: Leaf, within: ast.Decl) -> Iterator[Occurrence]:
    """`customer.tier`: the attribute; of `orders.total` the event, too."""
    if not node.name:
        return
    span = node.span
    dot = span.column + len(node.entity)
    first = Span(span.file, span.line, span.column, span.line, dot)
    second = Span(span.file, span.line, dot + 1, span.line, span.end_column)
    yield Occurrence(Symbol("event", node.entity), first, False, leaf.owner, within)
    yield Occurrence(Symbol("attribute", node.path), second, False, leaf.owner, within)


def _attribute_path(leaf: Leaf, name: str) -> str:
    """The full name of an attribute that is declared around here."""
    for node in reversed(leaf.around):
        if isinstance(node, ast.Entity):
            return f"{node.name.text}.{name}"
        if hasattr(node, "many"):
            return f"{node.many.text}.{name}"
    return name


def _owned(leaf: Leaf, kind: Kind, text: str) -> str:
    """The name with its owner, where names belong to one."""
    if kind == "attribute":
        return f"item.{text}" if isinstance(leaf.owner, ast.Sample) else _attribute_path(leaf, text)
    if kind == "choice":
        return f"{_attribute_path(leaf, leaf.nearest(ast.Attribute).name.text)}={text}"
    if kind == "variant":
        promotion = leaf.around[0].name if isinstance(leaf.around[0], ast.Promotion) else leaf.owner.promotion
        return f"{promotion.text}/{text}"
    return text


class Index:
    """All names of a project, by symbol and by file. The order of files means nothing."""

    def __init__(self, files: Iterable[tuple[Occurrence, ...]]) -> None:
        self.declared: dict[Symbol, list[Occurrence]] = {}
        self.used: dict[Symbol, list[Occurrence]] = {}
        self.of_kind: dict[Kind, dict[str, Occurrence]] = {}
        self.files: dict[str, list[Occurrence]] = {}
        every = [occurrence for file in files for occurrence in file]
        for occurrence in every:
            if occurrence.declares:
                self.declared.setdefault(occurrence.symbol, []).append(occurrence)
                names = self.of_kind.setdefault(occurrence.symbol.kind, {})
                names.setdefault(occurrence.symbol.name, occurrence)
            self.files.setdefault(occurrence.span.file, []).append(occurrence)
        for occurrence in every:
            if not occurrence.declares:
                self.used.setdefault(self.symbol(occurrence), []).append(occurrence)

    def symbol(self, occurrence: Occurrence) -> Symbol:
        """What is meant, where only the whole project knows: a value by its attribute's type, a set by what exists."""
        symbol = occurrence.symbol
        if symbol.kind == "segment or places":
            places = symbol.name in self.of_kind.get("places", ()) and symbol.name not in self.of_kind.get(
                "segment", ()
            )
            return Symbol("places" if places else "segment", symbol.name)
        if symbol.kind == "value":
            path, _, value = symbol.name.partition("=")
            if path in ("payment", "delivery"):
                return Symbol("payment" if path == "payment" else "service", value)
            attribute = self.attribute(path)
            if attribute is not None and attribute.type.kind == "channel":
                return Symbol("channel", value)
            return Symbol("choice", symbol.name)
        return symbol

    def attribute(self, path: str) -> ast.Attribute | None:
        """The declaration of an attribute."""
        found = self.of_kind.get("attribute", {}).get(path)
        return found.owner if found is not None and isinstance(found.owner, ast.Attribute) else None

    def at(self, file: str, line: int, column: int) -> Occurrence | None:
        """The name that covers a place, or ends just before it."""
        touching = [
            o for o in self.files.get(file, ()) if o.span.line == line and o.span.column <= column <= o.span.end_column
        ]
        known = [o for o in touching if self.symbol(o) in self.declared]
        found = max(known or touching, key=lambda o: o.span.column, default=None)
        if found is not None and not known and found.symbol.kind == "event":  # the «customer» of «customer.tier»
            behind = (o for o in self.files[file] if o.span.line == line and o.span.column == found.span.end_column + 1)
            return next(behind, found)
        return found

    def all(self, symbol: Symbol) -> list[Occurrence]:
        """Declarations first, then uses by file and line."""
        uses = sorted(self.used.get(symbol, ()), key=lambda o: o.span)
        return [*self.declared.get(symbol, ()), *uses]
