"""What declarations say, asked in one line: the clauses of a promotion, the codes of a set, the price of a sample."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TypeVar

from dsl import ast
from dsl.project import Project

_C = TypeVar("_C")
_LISTED_HEADINGS = ("sku", "article", "id", "code", "customer", "store")
_OTHERS = ("store", "total")  # scopes that others count for, too
_OWN = ("customer", "household", "store", "total", "code")


def clauses(promotion: ast.Promotion, kind: type[_C]) -> list[_C]:
    """All clauses of a kind."""
    return [clause for clause in promotion.clauses if isinstance(clause, kind)]


def first(promotion: ast.Promotion, kind: type[_C]) -> _C | None:
    """The first clause of a kind."""
    return next(iter(clauses(promotion, kind)), None)


def choice(promotion: ast.Promotion, kind: str) -> ast.Choice | None:
    """`for …` or `only at …`."""
    return next((clause for clause in clauses(promotion, ast.Choice) if clause.kind == kind), None)


def head(variants: ast.Variants) -> str:
    """The first line of a block, as a decision names it."""
    return variants.text.partition(" {")[0]


def limit_key(clause: ast.Limit) -> str:
    """The name of a limit's counter, as engine.program.Limit has it."""
    return f"{clause.scope}:{clause.period}:{clause.measure}"


def codes_in(codes: Iterable[str], *, exact: bool) -> tuple[str, ...]:
    """Codes as they are compared: no blanks around and ASCII letters in upper case, unless they are exact; each once,
    ascending."""
    compared = {code if exact else normalised(code) for code in codes if normalised(code)}
    return tuple(sorted(compared, key=lambda code: code.encode()))


def normalised(code: str) -> str:
    """A code without surrounding blanks, its ASCII letters in upper case."""
    return "".join(letter.upper() if "a" <= letter <= "z" else letter for letter in code.strip(" \t\r\n"))


def headings(attribute: str) -> tuple[str, ...]:
    """What the first line of a list may say without being an entry."""
    return (*_LISTED_HEADINGS, attribute)


def codes_of(project: Project, node: ast.Codes) -> tuple[str, ...]:
    """All codes of a set, read once."""
    return project.recall(_codes_of, node)


def _codes_of(project: Project, node: ast.Codes) -> tuple[str, ...]:
    codes: list[str] = []
    for line in node.lines:
        if line.kind == "code" and line.value is not None:
            codes.append(line.value.text)
        elif line.kind == "file" and line.value is not None:
            entries = project.listed(line.value.text, ("code", "codes"))
            assert isinstance(entries, tuple)
            codes.extend(entries)
    return codes_in(codes, exact=is_exact(node))


def is_exact(node: ast.Codes) -> bool:
    """Do blanks and small letters count?"""
    return any(line.kind == "exact" for line in node.lines)


def known_as(project: Project, text: str) -> str:
    """A code as decisions name it: as it is written where an exact set has it so, else normalised."""
    exact = any(is_exact(node) and text in codes_of(project, node) for node in project.codes.values())
    return text if exact else normalised(text)


def days_of(slot: ast.Slot) -> tuple[int, int]:
    """The days of the week on which a slot holds, as bits: on usual days, and on holidays."""
    usual = slot.days - slot.but_not - {ast.HOLIDAY}
    off = (_WEEK if ast.HOLIDAY in slot.days else slot.days) - slot.but_not
    if ast.HOLIDAY in slot.but_not:
        off = frozenset()
    return sum(1 << day for day in usual), sum(1 << day for day in off)


_WEEK = frozenset(range(7))


def lines_of(test: ast.Test, kind: type[_C]) -> list[_C]:
    """All lines of a kind."""
    return [line for line in test.lines if isinstance(line, kind)]


def currency_of(project: Project, test: ast.Test) -> str:
    """A test is calculated in the first currency that a price of its own names alone, else in the project's first."""
    for line in lines_of(test, ast.Buys):
        if line.price is not None and len(line.price.parts) == 1:
            return line.price.parts[0][0]
    return project.settings.currencies[0]


def price_of(project: Project, buys: ast.Buys, currency: str) -> Decimal | None:
    """The price of one piece, or of one unit of measure; None: the request says none, the catalogue does."""
    price = buys.price
    if price is None:
        for name, value in project.samples[buys.sample.text].values:
            if name.text == "price" and isinstance(value, ast.Money):
                price = value
    if price is None:
        return None
    units = next((units for code, units, _ in price.parts if code == currency), None)
    return units / 100 if units is not None and buys.hundreds else units


def article_of(sample: ast.Sample) -> str:
    """The article's id: the sample's sku, else its name."""
    for name, value in sample.values:
        if name.text == "sku" and isinstance(value, ast.Quoted):
            return value.text
    return sample.name.text


def counts(limit: ast.Limit, uses: ast.GivenUses) -> bool:
    """Do these uses count for this limit?"""
    return limit.scope in (_OTHERS if uses.by_others else _OWN)
