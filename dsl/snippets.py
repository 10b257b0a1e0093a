"""Whole declarations to fill in, with the project's own names as first choice."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

_HOLE = re.compile(r"\$\{(\d+)(?::([^}]*)|\|([^|]*)\|)\}")


@dataclass(frozen=True, slots=True)
class Snippet:
    """A text with holes as editors know them: `${1:to write over}`, `${2|to,choose|}`."""

    label: str
    doc: str
    text: str

    def plain(self) -> str:
        """With every hole filled as it is proposed; a hole that comes again holds the same."""
        first: dict[str, str] = {}

        def fill(found: re.Match[str]) -> str:
            words = found[2] if found[2] is not None else (found[3] or "").split(",")[0]
            return first.setdefault(found[1], words)

        return re.sub(r"\$(\d+)", lambda found: first.get(found[1], ""), _HOLE.sub(fill, self.text))


_PROMOTIONS = (
    ("percent off", "a percentage off a set of articles", ("get ${6:20}% off {set}",)),
    ("amount off", "an amount off each piece", ("get {currency} ${6:1.00} off {set} each",)),
    ("3 for 2", "of so many pieces the cheapest is free", ("buy ${6:3} of {set}", "get the cheapest ${7:1} free")),
    (
        "price for several",
        "so many pieces at one price",
        ("buy ${6:3} of {set}", "get them together for {currency} ${7:5.00}"),
    ),
    (
        "spend and save",
        "an amount off the basket from a worth on",
        ("when basket is worth at least {currency} ${6:50.00}", "get {currency} ${7:5.00} off the basket"),
    ),
    ("with code", "a percentage for those who enter a code", ("with code from {codes}", "get ${6:15}% off {set}")),
)
_WITHOUT = re.compile(r"[^a-z0-9]+")


def snippets(
    names: Mapping[str, Sequence[str]], currencies: Sequence[str], languages: Sequence[str]
) -> Iterator[Snippet]:
    """For a project that has these names, by their kind: "product set", "group", "channel", "code set"."""

    def pick(hole: int, kind: str, otherwise: str) -> str:
        known = list(names.get(kind, ()))[:30]
        if len(known) > 1:
            return f"${{{hole}|{','.join(known)}|}}"
        return f"${{{hole}:{known[0] if known else otherwise}}}"

    filled = {
        "{set}": pick(8, "product set", "everything"),
        "{codes}": pick(9, "code set", "my-codes"),
        "{currency}": currencies[0] if currencies else "EUR",
    }
    for title, doc, lines in _PROMOTIONS:
        slug = "my-" + _WITHOUT.sub("-", title)
        body = [
            "runs from ${2:2026-10-01} until ${3:2026-10-31}",
            "sold everywhere",
            "for everyone",
            *lines,
            f"group {pick(4, 'group', 'item-deals')}",
            *(f'label {language} "${{5:{title}}}"' for language in languages or ("en",)),
        ]
        text = "\n".join([f"promotion ${{1:{slug}}} {{", *(f"  {line}" for line in body), "}"])
        for gap, words in filled.items():
            text = text.replace(gap, words)
        yield Snippet(f"promotion: {title}", doc, text)
    yield Snippet(
        "test: a basket",
        "a basket and what must come of it",
        'test "${1:what it shows}" {\n'
        "  at ${2:2026-10-08} 12:00\n"
        f"  sold in {pick(3, 'channel', 'stores')}\n"
        f"  buys ${{4:1}} x {pick(5, 'sample', 'penne')}\n"
        f"  expect {pick(6, 'promotion', 'my-promotion')} applies\n"
        "}",
    )
    yield Snippet(
        "products: a set",
        "a set of articles: all lines must hold",
        'products ${1:my-articles} "${2:My articles}" {\n  item.sku is known\n}',
    )
    yield Snippet(
        "segment: a set of customers",
        "a set of customers: all lines must hold",
        'segment ${1:my-customers} "${2:My customers}" {\n  customer.id is known\n}',
    )
