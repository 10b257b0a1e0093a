"""What the speakers of all languages share: who is called what, and which part of a promotion comes where."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from decimal import Decimal

from dsl import ast
from dsl.clauses import choice, clauses, first
from dsl.project import Project
from dsl.spelling import number
from engine.money import EXPONENTS

_SIGNS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"}


class Speaker(ABC):
    """Says what declarations of one project mean. `and_`, `or_`: how the last of a list is joined."""

    and_ = "and"
    or_ = "or"

    def __init__(self, project: Project) -> None:
        self.project = project

    # ------------------------------------------------------------------------------------------------ shared

    def promotion(self, node: ast.Promotion) -> str:
        """All that a promotion says, as sentences."""
        core = self.core(node)
        opening = self.opening(node)
        said = [f"{opening}: {core}" if opening else core[:1].upper() + core[1:]]
        said += [self.left_out(clause) for clause in clauses(node, ast.Except)]
        said += [self.limit(clause) for clause in clauses(node, ast.Limit)]
        group = first(node, ast.InGroup)
        if group is not None and group.name.text in self.project.groups:
            said.append(self.weighed(self.project.groups[group.name.text]))
        for clause in node.clauses:
            match clause:
                case ast.Exclusive():
                    said.append(self.exclusive(per_item=self.per_item(group)))
                case ast.NotWith():
                    said.append(self.not_with(clause))
                case ast.Funded():
                    said.append(self.funded(clause))
                case ast.Advertised():
                    said.append(self.advertised())
                case ast.OnReturn():
                    said.append(self.on_return())
                case _:
                    pass
        return " ".join(f"{text}." for text in said if text)

    def called(self, name: ast.Name, table: str = "products") -> str:
        """A set by its title, else by its name: «Pasta»."""
        node = getattr(self.project, table).get(name.text)
        return f"«{getattr(node, 'title', '') or name.text}»"

    def all_called(self, names: Iterable[ast.Name], table: str, word: str) -> str:
        """Several, joined by a word."""
        return self.joined([self.called(name, table) for name in names], word)

    def joined(self, parts: Iterable[str], word: str) -> str:
        """a, b and c."""
        *many, last = parts
        return f"{', '.join(many)} {word} {last}" if many else last

    def amounts(self, money: ast.Money) -> str:
        """EUR 5.00 or CHF 6.00, as the language writes amounts."""
        return self.joined([self.amount(code, value) for code, value, _ in money.parts], self.or_)

    def conditions(self, lines: Iterable[ast.Line]) -> str:
        """All of these."""
        return self.joined([self.condition(line.condition) for line in lines], self.and_)

    def off(self, value: ast.Percent | ast.Money) -> str:
        """How much."""
        return f"{number(value.value)}%" if isinstance(value, ast.Percent) else self.amounts(value)

    def value(self, value: ast.Value) -> str:
        """A constant."""
        match value:
            case ast.Money():
                return self.amounts(value)
            case ast.Percent():
                return self.off(value)
            case ast.Number():
                return self.plain(value.value)
            case ast.Date():
                return self.date(value)
            case ast.Time():
                return self.time(value)
            case ast.Duration():
                return self.duration(value)
            case ast.Measure():
                return self.measure(value)
            case ast.Quoted() | ast.Word():
                return value.text

    def measure(self, value: ast.Measure) -> str:
        """2.5 kg."""
        return f"{self.plain(value.value)} {value.unit}"

    def time(self, value: ast.Time) -> str:
        """18:00."""
        return f"{value.seconds // 3600:02d}:{value.seconds // 60 % 60:02d}"

    def digits(self, currency: str, value: Decimal) -> str:
        """An amount with its currency's digits, or more where it has more."""
        given = len(number(value).partition(".")[2])
        return f"{value:.{max(EXPONENTS.get(currency, 2), given)}f}"

    def sign(self, currency: str) -> str:
        """€, or the code."""
        return _SIGNS.get(currency, currency)

    def channels(self, clause: ast.Sold) -> tuple[str, ...]:
        """Where it is sold, by name; () is everywhere."""
        if clause.names is not None:
            return tuple(name.text for name in clause.names)
        out = {name.text for name in clause.but_not}
        return tuple(name for name in self.project.channels if name not in out) if out else ()

    def opening(self, node: ast.Promotion) -> str:
        """When and where, before the colon."""
        parts = [
            *(self.runs(clause) for clause in clauses(node, ast.Runs)),
            *(self.only_on(clause) for clause in clauses(node, ast.OnlyOn)),
            *(self.sold(clause) for clause in clauses(node, ast.Sold)),
        ]
        places = choice(node, "only at")
        if places is not None:
            parts.append(self.only_at(places))
        text = ", ".join(part for part in parts if part)
        return text[:1].upper() + text[1:]

    # ------------------------------------------------------------------------------------------------ by language

    @abstractmethod
    def core(self, node: ast.Promotion) -> str:
        """Who gets what, for what."""

    @abstractmethod
    def runs(self, clause: ast.Runs) -> str:
        """From when to when."""

    @abstractmethod
    def only_on(self, clause: ast.OnlyOn) -> str:
        """Days and hours."""

    @abstractmethod
    def sold(self, clause: ast.Sold) -> str:
        """Channels."""

    @abstractmethod
    def only_at(self, clause: ast.Choice) -> str:
        """Stores."""

    @abstractmethod
    def condition(self, node: ast.Condition) -> str:
        """A condition as a clause of a sentence."""

    @abstractmethod
    def left_out(self, clause: ast.Except) -> str:
        """What is left out."""

    @abstractmethod
    def limit(self, clause: ast.Limit) -> str:
        """How often, how much."""

    @abstractmethod
    def weighed(self, group: ast.Group) -> str:
        """How its group chooses."""

    def per_item(self, group: ast.InGroup | None) -> bool:
        """Does each piece go to one promotion of the group?"""
        declared = None if group is None else self.project.groups.get(group.name.text)
        lines = () if declared is None else declared.lines
        return any(line.kind == "apply" and line.word.endswith("per-item") for line in lines)

    @abstractmethod
    def exclusive(self, *, per_item: bool) -> str:
        """Stands alone; per item: what it makes cheaper is its own."""

    @abstractmethod
    def not_with(self, clause: ast.NotWith) -> str:
        """Never beside these."""

    @abstractmethod
    def funded(self, clause: ast.Funded) -> str:
        """Who pays."""

    @abstractmethod
    def advertised(self) -> str:
        """Told as a price reduction."""

    @abstractmethod
    def on_return(self) -> str:
        """What a return does."""

    @abstractmethod
    def members(self, node: ast.SetDecl) -> str:
        """What belongs to a set, to places, to a segment."""

    @abstractmethod
    def group(self, node: ast.Group) -> str:
        """A group and its promotions."""

    @abstractmethod
    def guard(self, node: ast.Guard) -> str:
        """What no promotion overrides."""

    @abstractmethod
    def codes(self, node: ast.Codes) -> str:
        """A set of codes."""

    @abstractmethod
    def amount(self, currency: str, value: Decimal) -> str:
        """An amount."""

    @abstractmethod
    def plain(self, value: Decimal) -> str:
        """A number."""

    @abstractmethod
    def date(self, value: ast.Date) -> str:
        """A day."""

    @abstractmethod
    def duration(self, value: ast.Duration) -> str:
        """A length of time."""
