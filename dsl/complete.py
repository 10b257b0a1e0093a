"""What can be written at a place: keywords that fit, names of the right kind, values of the right type, snippets.

The parser says which words fit (dsl.following). Which kind of name fits is seen by writing one: the place is completed
to a whole declaration that holds a made-up name, and the node and field where it comes to stand say what it means.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from dsl import ast
from dsl.check_conditions import SCOPES
from dsl.following import Context, Offer, offers, sample, ways
from dsl.names import DECLARES, USES, Index, Leaf, kinds, leaves
from dsl.parse import parse
from dsl.project import ENTITIES
from dsl.snippets import Snippet
from dsl.vocabulary import OPERATORS, REASONS, TYPES, Operator, Row, row_of
from dsl.zones import known_zones
from engine.money import EXPONENTS, ROUNDINGS

Sort = Literal["keyword", "name", "value", "snippet", "file"]

_PROBES = {"NAME": "zz-made-up", "PATH": "zz-made.up", "STRING": '"zz made up"'}
_PROBED = frozenset(text.strip('"') for text in _PROBES.values())
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "holidays")
_UNITS = {
    "DURATION": ("minutes", "hours", "days", "weeks", "months", "years"),
    "MEASURE": ("kg", "g", "l", "ml", "m", "lb", "oz", "gal"),
}
_NO_CONDITIONS = {  # beginnings of conditions that a list of this kind cannot hold
    "products": re.compile(r"(?!in$|not in$|any of|all of|none of)"),
    "places": re.compile(r"(?!in$|not in$|any of|all of|none of)"),
    "segment": re.compile(r"basket|delivery|payment"),
}
_GUESSED = ("product set", "places", "segment", "group", "code set", "promotion", "sample")


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to write, in place of what stands between two columns, from 1, of the line."""

    label: str
    sort: Sort
    start: int
    end: int
    insert: str
    detail: str = ""
    doc: str = ""
    rank: int = 5  # the smaller the further up
    snippet: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """What a project knows, as far as it is offered. `describe` is what hover says of a name."""

    index: Index
    languages: Sequence[str] = ()
    currencies: Sequence[str] = ()
    files: Sequence[str] = ()
    snippets: Sequence[Snippet] = ()
    columns: dict[str, Sequence[str]] = field(default_factory=dict)  # by attribute: the texts of its table


def complete(place: Context, column: int, known: Known) -> Iterator[Item]:
    """Everything that fits here. `column`, from 1, is where the cursor stands."""
    seen: set[tuple[str, Sort]] = set()
    for item in _all(place, column, known):
        typed = place.begun[len(place.begun) - (column - item.start) :]
        other = "." in typed and not item.label.startswith(typed.partition(".")[0] + ".")  # of another entity
        if (item.label, item.sort) not in seen and not other:
            seen.add((item.label, item.sort))
            yield item


def _all(place: Context, column: int, known: Known) -> Iterator[Item]:
    if place.begun.count('"') % 2:
        yield from _texts(place, column, known)
        return
    for offer in offers(place):
        start = column - len(offer.typed)
        if offer.text:
            if _fits(place, offer, known):
                yield _keyword(place, offer, start, column)
        elif not _literal_fits(offer, known):
            continue
        elif offer.terminal in _PROBES:
            written = set(re.findall(r"[\w.-]+", offer.begun)) if "," in offer.begun else set()
            for text, sort, detail, doc in _named(place, offer, known):
                if text not in written:
                    yield Item(text, sort, start, column, text, detail, doc, rank=2)
        else:
            yield from _values(offer, start, column, known)
    if not place.openers and not place.begun.strip("abcdefghijklmnopqrstuvwxyz"):
        start = column - len(place.begun)
        for snippet in known.snippets:
            doc = f"{snippet.doc}\n\n```promo\n{snippet.plain()}\n```"
            yield Item(snippet.label, "snippet", start, column, snippet.text, snippet.doc, doc, 4, snippet=True)


# ---------------------------------------------------------------------------------------------------- keywords


def _fits(place: Context, offer: Offer, known: Known) -> bool:
    """What the grammar allows and the checker would refuse is not offered."""
    begins = not offer.begun.strip() or offer.begun.split()[-1] == "when"
    refused = _NO_CONDITIONS.get(place.declaration)
    if begins and refused and offer.text not in ("refresh realtime", "refresh daily", "refresh", "label"):
        return not refused.match(offer.text)
    kind, asked = _asked(offer, known)
    words = f"{asked} {offer.text}".strip()
    row = OPERATORS.get(words) or OPERATORS.get(f"{words} … ago")
    return not kind or row is None or kind in row.types


def _asked(offer: Offer, known: Known) -> tuple[str, str]:
    """The type of the attribute that is being compared, and the words of the operator so far; "" for neither."""
    words = offer.begun.split()
    for number in range(len(words) - 1, max(len(words) - 5, -1), -1):
        attribute = known.index.attribute(words[number])
        if attribute is not None:
            return _kind(attribute), " ".join(words[number + 1 :])
        if words[number] in ("payment", "delivery"):
            return "one of", " ".join(words[number + 1 :])
    return "", ""


_LITERALS = {  # how values of a type are written; other types take names
    "number": ("INT", "DECIMAL"),
    "score-1-to-5": ("INT",),
    "percent": ("PERCENT",),
    "date": ("DATE", "DURATION"),
    "money": ("MONEY",),
    "text": ("STRING",),
    "category": ("STRING",),
    "store": ("STRING",),
    "list of text": ("STRING",),
    "country": ("COUNTRY",),
    "language": ("NAME",),
    "one of": ("NAME",),
    "yes-no": ("NAME",),
    "channel": ("NAME",),
}


def _literal_fits(offer: Offer, known: Known) -> bool:
    """Behind «is» only values of the attribute's type."""
    kind, operator = _asked(offer, known)
    if not kind or not re.match(r"(is|has)\b", operator):
        return True
    return offer.terminal in _LITERALS.get(kind, ()) or (offer.terminal == "STRING" and "listed" in operator)


def _kind(attribute: ast.Attribute) -> str:
    return f"list of {attribute.type.of}" if attribute.type.kind == "list" else attribute.type.kind


def _keyword(place: Context, offer: Offer, start: int, end: int) -> Item:
    begins = offer.begun.strip() in ("", "when")
    detail, doc = "", ""
    row: Row | Operator | None = OPERATORS.get(offer.text) or OPERATORS.get(f"{offer.text} … ago")
    if begins:
        found = row_of(place.declaration, offer.text)
        row = found[1] if found else None
    if row:
        detail, doc = row.doc, f"{row.doc}\n\n```promo\n{row.example}\n```"
    return Item(offer.text, "keyword", start, end, offer.text, detail, doc, rank=3 if begins else 5)


# ---------------------------------------------------------------------------------------------------- names


def _leaves(place: Context, offer: Offer) -> Iterator[Leaf]:
    """Where a made-up word comes to stand, each way that the statement can go on."""
    seen: set[tuple[object, ...]] = set()
    for text in ways(place, offer.begun, _PROBES[offer.terminal], offer.terminal):
        for declaration in parse("made-up.promo", text.encode()).declarations:
            for leaf in leaves(declaration):
                name = leaf.node.path if isinstance(leaf.node, ast.Subject) else leaf.node.text
                key = (*leaf.place, getattr(leaf.owner, "kind", ""))
                if name in _PROBED and key not in seen:
                    seen.add(key)
                    yield leaf


Word = tuple[str, Sort, str, str]  # text, sort, detail, doc


def _named(place: Context, offer: Offer, known: Known) -> Iterator[Word]:
    """Names, attributes and texts for an open place."""
    found = False
    for leaf in _leaves(place, offer):
        found = True
        if isinstance(leaf.node, ast.Subject):
            yield from _attributes(leaf, known)
        elif isinstance(leaf.node, ast.Word):
            yield from _choices(_path(leaf), known)
        elif isinstance(leaf.node, ast.Quoted):
            for text in _quoted(leaf, known):
                yield f'"{text}"', "value", "", ""
        elif leaf.place in DECLARES:
            yield from _undeclared(kinds(leaf, DECLARES), known)
        else:
            yield from _of_kind(kinds(leaf, USES), leaf, known)
    if not found and offer.terminal == "NAME" and place.declaration == "schema":
        for name, row in TYPES.items():
            if name not in ("one of", "list of text"):  # keywords
                yield name, "value", row.doc, f"{row.doc}\n\n```promo\n{row.example}\n```"


def _of_kind(kind: str | None, leaf: Leaf, known: Known) -> Iterator[Word]:
    """The declared names of a kind."""
    match kind:
        case "reason":
            for reason in REASONS:
                yield reason, "value", "why a promotion did not apply", ""
        case "rounding":
            for way in ROUNDINGS:
                yield way, "value", "", ""
        case "attribute":  # of a sample
            for path in known.index.of_kind.get("attribute", ()):
                if path.startswith("item."):
                    yield path.partition(".")[2], "name", "", ""
            yield "price", "name", "", ""
        case "segment or places":
            yield from _declared(("segment", "places"), known)
        case None:
            return
        case _:
            yield from _declared((kind,), known, leaf.around[0])


def _declared(wanted: Iterable[str], known: Known, around: object = None) -> Iterator[Word]:
    for kind in wanted:
        for name, occurrence in known.index.of_kind.get(kind, {}).items():
            if occurrence.owner is not around:
                title = getattr(occurrence.owner, "title", "")
                yield occurrence.symbol.short, "name", title or kind, name


def _undeclared(kind: str | None, known: Known) -> Iterator[Word]:
    """A name that is declared here: those that are used already and declared nowhere."""
    declared = known.index.of_kind.get(kind or "", {})
    if kind == "entity":
        for entity in ENTITIES:
            yield entity, "keyword", "", ""
    for symbol in known.index.used:
        if symbol.kind == kind and symbol.name not in declared and kind in _GUESSED:
            yield symbol.short, "name", "used, not declared yet", ""


def _attributes(leaf: Leaf, known: Known) -> Iterator[Word]:
    events = set(known.index.of_kind.get("event", ()))
    declaration = leaf.around[0]
    scope = declaration.kind if isinstance(declaration, ast.SetDecl) else "when"
    entities: Iterable[str] = SCOPES[scope]
    if type(leaf.owner).__name__ == "SumOf" or any(type(node).__name__ == "EventOf" for node in leaf.around):
        entities = events
    elif type(leaf.owner).__name__ == "Floor":
        entities = ("item",)
    for path, occurrence in known.index.of_kind.get("attribute", {}).items():
        attribute = occurrence.owner
        if path.partition(".")[0] in entities and isinstance(attribute, ast.Attribute):
            yield path, "name", described(attribute), attribute.doc
    for path in ("customer.id", "item.sku", "store.id"):
        if path.partition(".")[0] in entities:
            yield path, "name", "text, the id itself", ""


def described(attribute: ast.Attribute) -> str:
    """The type of an attribute as the schema writes it, with what else is said of it."""
    words = _kind(attribute)
    if attribute.type.choices:
        words += " " + ", ".join(name.text for name in attribute.type.choices)
    said = [word for word in ("personal", "predicted") if getattr(attribute, word)]
    return f"{words} ({', '.join(said)})" if said else words


# ---------------------------------------------------------------------------------------------------- values


def _path(leaf: Leaf) -> str:
    """The attribute that a value belongs to."""
    for node in reversed(leaf.around):
        if hasattr(node, "subject"):
            return str(node.subject.path)
        if isinstance(node, ast.Sample):
            name = next((key.text for key, value in node.values if value is leaf.node), "")
            return f"item.{name}"
    return ""


def _choices(path: str, known: Known) -> Iterator[Word]:
    """The words that a value of this attribute can be."""
    index = known.index
    if path in ("payment", "delivery"):
        yield from _declared(("payment" if path == "payment" else "service",), known)
        return
    attribute = index.attribute(path)
    if attribute is None:
        return
    if attribute.type.kind == "yes-no":
        yield from (("yes", "value", path, ""), ("no", "value", path, ""))
    if attribute.type.kind == "channel":
        yield from _declared(("channel",), known)
    for choice in attribute.type.choices:
        yield choice.text, "value", path, ""


_FILES = {("Source", "path"), ("CodeLine", "value")}


def _quoted(leaf: Leaf, known: Known) -> Sequence[str]:
    """Texts that fit: files of the project, paths and words of the catalogue, codes, names of price lists."""
    if leaf.place in _FILES and getattr(leaf.owner, "kind", "") != "code":
        return known.files
    if isinstance(leaf.owner, ast.Compare):
        if leaf.owner.op == "is listed in":
            return known.files
        return known.columns.get(leaf.owner.subject.path, ())
    return known.columns.get(".".join(leaf.place), ())  # as others wrote it


def _texts(place: Context, column: int, known: Known) -> Iterator[Item]:
    """Inside a text that is open."""
    begun, _, typed = place.begun.rpartition('"')
    offer = Offer("", "STRING", begun, typed)
    for text, _sort, detail, doc in _named(place, offer, known):
        plain = text.strip('"')
        yield Item(plain, "value", column - len(typed), column, plain, detail, doc, rank=2)


def _values(offer: Offer, start: int, end: int, known: Known) -> Iterator[Item]:
    """Numbers, amounts, days: examples to write over, or the lists that there are."""

    def item(text: str, insert: str = "", detail: str = "") -> Item:
        return Item(text, "value", start, end, insert or text, detail, rank=6, snippet=bool(insert))

    number = re.match(r"[0-9]+(\.[0-9]+)?$", offer.typed.split()[0]) if offer.typed.split() else None
    match offer.terminal:
        case "LANG":
            yield from (item(language) for language in known.languages or ("de", "en"))
        case "CURRENCY":
            yield from (item(currency) for currency in sorted(EXPONENTS))
        case "ZONE":
            yield from (item(zone) for zone in ("store-time", *sorted(known_zones())))
        case "DAY":
            yield from (item(day) for day in _DAYS)
        case "MONEY":
            for currency in known.currencies or ("EUR",):
                digits = EXPONENTS.get(currency, 2)
                amount = "5." + "0" * digits if digits else "5"
                yield item(f"{currency} {amount}", f"{currency} ${{1:{amount}}}", "an amount")
        case "DURATION" | "MEASURE" as terminal:
            for unit in _UNITS[terminal]:
                if number:
                    yield item(f"{number.group()} {unit}")
                elif terminal == "DURATION":
                    yield item(f"30 {unit}", f"${{1:30}} {unit}")
            if terminal == "MEASURE" and not number:
                yield item("2.5 kg", "${1:2.5} ${2:kg}", "a measure")
        case "PERCENT":
            yield item(f"{number.group()}%") if number else item("10%", "${1:10}%", "a percentage")
        case "DATE" | "TIME" | "NTH" | "INT" as terminal:
            example = sample(terminal)
            yield item(example, f"${{1:{example}}}", "for example")
        case "_NL" | "COMMA" | "COLON" | "LBRACE" | "RBRACE" | "LPAR" | "RPAR" | "$END" | "DECIMAL" | "COUNTRY":
            return
