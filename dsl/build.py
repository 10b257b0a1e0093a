"""The parser's tree → nodes of dsl.ast: one method for each rule of the grammar, named as the grammar names it.

The tree comes from lark, but nothing of lark is needed here: a tree has `data`, `children` and `meta`, a leaf is a text
with `type`, `line` and `column`.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Literal, TypeVar, Unpack, cast

from dsl import ast, limits
from dsl.diagnostics import Diagnostic, Gaps, Span, found
from dsl.phrases import say
from dsl.source import block_end, mask, without_comment
from dsl.spelling import canonical

Tree = Any  # lark.Tree | lark.Token; see the module's text

_T = TypeVar("_T")

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_OPERATORS = {
    "eq": "is",
    "ne": "is not",
    "isin": "is one of",
    "notin": "is not one of",
    "ge": "is at least",
    "le": "is at most",
    "gt": "is more than",
    "lt": "is less than",
    "between": "is between",
    "before": "is before",
    "after": "is after",
    "known": "is known",
    "unknown": "is unknown",
    "under": "is under",
    "listed": "is listed in",
    "has": "has",
    "has_one": "has one of",
    "starts": "starts with",
}
_SETTINGS: dict[str, Any] = {
    "set_currency": "currency",
    "set_zone": "timezone",
    "set_languages": "languages",
    "set_width": "width",
}


class Builder:
    """Makes the node of one declaration. `findings` are forms that a grammar cannot judge: 30 February."""

    def __init__(self, file: str, first_line: int, lines: Sequence[str]) -> None:
        self.file = file
        self.offset = first_line - 1
        self.lines = lines
        self.masked = [mask(line) for line in lines]
        self.findings: list[Diagnostic] = []
        self.depth = 0

    # ------------------------------------------------------------------------------------------------ places, words

    def span(self, leaf: Tree) -> Span:
        """Of a leaf."""
        line = leaf.line + self.offset
        end = (leaf.end_line or leaf.line) + self.offset
        return Span(self.file, line, leaf.column, end, leaf.end_column or leaf.column + len(leaf))

    def line_span(self, tree: Tree) -> Span:
        """The first line of the statement that a tree comes from."""
        line = tree.meta.line
        text = without_comment(self.lines[line - 1])
        return Span(self.file, line + self.offset, tree.meta.column, line + self.offset, max(len(text.rstrip()) + 1, 2))

    def tree_span(self, tree: Tree) -> Span:
        """What a tree was read from; of several lines the first."""
        meta, line = tree.meta, self.line_span(tree)
        end = meta.end_column if meta.end_line == meta.line else line.end_column
        return Span(line.file, line.line, line.column, line.end_line, max(end, line.column + 1))

    def between(self, first: Tree, last: Tree) -> Span:
        """From one leaf to another."""
        a, b = self.span(first), self.span(last)
        return Span(self.file, a.line, a.column, b.end_line, b.end_column)

    def text(self, tree: Tree) -> str:
        """The statement in its canonical spelling."""
        first = tree.meta.line - 1
        lines = [without_comment(line) for line in self.lines[first : block_end(self.masked, first)]]
        return canonical(lines)

    def name(self, leaf: Tree) -> ast.Name:
        """A name, its length checked."""
        text = str(leaf)
        if len(text) > limits.NAME_CHARACTERS_MAX:
            self.report("P0303", self.span(leaf), size=len(text), most=limits.NAME_CHARACTERS_MAX)
        return ast.Name(text, self.span(leaf))

    def names(self, tree: Tree) -> tuple[ast.Name, ...]:
        """A list of names."""
        self.listed(len(tree.children), self.span(tree.children[0]))
        return tuple(self.name(leaf) for leaf in tree.children[: limits.LIST_ENTRIES_MAX])

    def quoted(self, leaf: Tree, most: int = limits.TEXT_CHARACTERS_MAX) -> ast.Quoted:
        """A text without its quotes."""
        text = str(leaf)[1:-1]
        if len(text) > most:
            self.report("P0308", self.span(leaf), size=len(text), most=most)
        return ast.Quoted(text, self.span(leaf))

    def listed(self, size: int, span: Span) -> None:
        """Refuse a list that is too long."""
        if size > limits.LIST_ENTRIES_MAX:
            self.report("P0304", span, size=size, most=limits.LIST_ENTRIES_MAX)

    def report(self, code: str, span: Span, **values: Unpack[Gaps]) -> None:
        """Add a finding."""
        self.findings.append(found(code, span, **values))

    def whole(self, trees: Iterable[Tree], build: Callable[[Tree], _T]) -> tuple[_T, ...]:
        """The nodes of lines; a line with a finding is left out, so that nothing is said of it twice."""
        nodes = []
        for tree in trees:
            before = len(self.findings)
            node = build(tree)
            if len(self.findings) == before:
                nodes.append(node)
        return tuple(nodes)

    # ------------------------------------------------------------------------------------------------ values

    def integer(self, leaf: Tree, most: int = limits.COUNT_MAX) -> int:
        """A whole number within a bound."""
        text = str(leaf).lstrip("0") or "0"
        if len(text) > 15 or int(text) > most:
            self.report("P0309", self.span(leaf), why=say("at most {most}", most=most))
            return 1
        return int(text)

    def decimal(self, leaf: Tree, text: str) -> Decimal:
        """A number as written, within a bound."""
        if len(text) > 24:
            self.report("P0309", self.span(leaf), why=say("at most {most} digits", most=24))
            return Decimal(1)
        return Decimal(text)

    def money(self, tree: Tree) -> ast.Money:
        """One amount for each currency."""
        parts = []
        for leaf in tree.children:
            text = str(leaf)
            value = self.decimal(leaf, text[3:].strip())
            if value > limits.AMOUNT_UNITS_MAX:
                self.report("P0309", self.span(leaf), why=say("at most {most}", most=limits.AMOUNT_UNITS_MAX))
                value = Decimal(1)
            parts.append((text[:3], value, self.span(leaf)))
        return ast.Money(tuple(parts), self.between(tree.children[0], tree.children[-1]))

    def percent(self, leaf: Tree) -> ast.Percent:
        """A percentage."""
        value = self.decimal(leaf, str(leaf)[:-1].strip())
        if value > limits.PERCENT_MAX:
            self.report("P0309", self.span(leaf), why=say("at most {most}%", most=limits.PERCENT_MAX))
        return ast.Percent(value, self.span(leaf))

    def date(self, leaf: Tree) -> ast.Date:
        """A day that exists."""
        try:
            day = datetime.date.fromisoformat(str(leaf))
            if not 1970 <= day.year < 2100:
                self.report("P0106", self.span(leaf), what=say("day here"), why=say("years are 1970 to 2099"))
                day = datetime.date(2000, 1, 1)
        except ValueError:
            self.report("P0106", self.span(leaf), what=say("day"), why=say("look at a calendar"))
            day = datetime.date(2000, 1, 1)
        return ast.Date(day, self.span(leaf))

    def time(self, leaf: Tree) -> ast.Time:
        """A time of the day that exists."""
        hours, minutes = int(leaf[:2]), int(leaf[3:])
        if minutes > 59 or hours > 24 or (hours == 24 and minutes):
            self.report("P0106", self.span(leaf), what=say("time of the day"), why=say("from 00:00 to 24:00"))
            hours = minutes = 0
        return ast.Time(hours * 3600 + minutes * 60, self.span(leaf))

    def duration(self, leaf: Tree) -> ast.Duration:
        """So many days, weeks …"""
        count, unit = str(leaf).split()
        number = 1
        if len(count) > 9 or not 1 <= int(count) <= limits.DURATION_MAX:
            self.report("P0309", self.span(leaf), why=say("from 1 to {most}", most=limits.DURATION_MAX))
        else:
            number = int(count)
        singular = cast(Literal["minute", "hour", "day", "week", "month", "year"], unit.rstrip("s"))
        return ast.Duration(number, singular, self.span(leaf))

    def measure(self, leaf: Tree) -> ast.Measure:
        """So much of a unit."""
        text, unit = str(leaf).split()
        value = self.decimal(leaf, text)
        if value > limits.MEASURE_MAX:
            self.report("P0309", self.span(leaf), why=say("at most {most} {unit}", most=limits.MEASURE_MAX, unit=unit))
        return ast.Measure(value, unit, self.span(leaf))

    def value(self, tree: Tree) -> ast.Value:
        """Any literal."""
        kind = getattr(tree, "type", None)
        if kind is None:
            return self.money(tree)
        match kind:
            case "PERCENT":
                return self.percent(tree)
            case "DURATION":
                return self.duration(tree)
            case "MEASURE":
                return self.measure(tree)
            case "DATE":
                return self.date(tree)
            case "TIME":
                return self.time(tree)
            case "STRING":
                return self.quoted(tree)
            case "DECIMAL" | "INT":
                return ast.Number(self.decimal(tree, str(tree)), self.span(tree))
            case _:
                return ast.Word(self.name(tree).text, self.span(tree))

    def values(self, tree: Tree) -> tuple[ast.Value, ...]:
        """A list of literals."""
        self.listed(len(tree.children), self.line_span(tree))
        return tuple(self.value(child) for child in tree.children)

    # ------------------------------------------------------------------------------------------------ declarations

    def declaration(self, tree: Tree) -> ast.Decl:
        """The node of one declaration."""
        return cast(ast.Decl, getattr(self, "d_" + tree.data)(tree))

    def d_settings(self, tree: Tree) -> ast.Settings:
        """settings { … }"""
        lines: list[ast.Setting | ast.CashRounding | ast.BasePoints] = []
        for line in tree.children:
            parts = line.children
            match line.data:
                case "set_cash_rounding":
                    lines.append(ast.CashRounding(self.money(parts[0]), self.line_span(line)))
                case "set_points":
                    points = self.integer(parts[0])
                    lines.append(ast.BasePoints(points, self.money(parts[1]), self.line_span(line)))
                case "set_rounding":
                    leaves = [parts[0], *(parts[1].children if len(parts) > 1 else ())]
                    names = tuple(ast.Name(str(leaf), self.span(leaf)) for leaf in leaves)
                    lines.append(ast.Setting("rounding", names, self.line_span(line)))
                case "set_tax":
                    side = line.children[0].children[0]
                    lines.append(ast.Setting("tax", (ast.Name(str(side), self.span(side)),), self.line_span(line)))
                case kind:
                    names = tuple(ast.Name(str(leaf), self.span(leaf)) for leaf in line.children)
                    lines.append(ast.Setting(_SETTINGS[kind], names, self.line_span(line)))
        return ast.Settings(tuple(lines), self.line_span(tree))

    def d_schema(self, tree: Tree) -> ast.Schema:
        """schema { … }"""
        parts: list[ast.Entity | ast.Event | ast.NameList] = []
        for part in tree.children:
            match part.data:
                case "entity":
                    attributes = self.whole(part.children[1:], self.attribute)
                    self.listed(len(attributes), self.line_span(part))
                    parts.append(ast.Entity(self.name(part.children[0]), attributes))
                case "event":
                    many, one, *rest = part.children
                    attributes = self.whole(rest, self.attribute)
                    self.listed(len(attributes), self.line_span(part))
                    parts.append(ast.Event(self.name(many), self.name(one), attributes, self.line_span(part)))
                case kind:
                    parts.append(ast.NameList(kind, self.names(part.children[0])))
        return ast.Schema(tuple(parts), self.line_span(tree))

    def attribute(self, tree: Tree) -> ast.Attribute:
        """name: type (flags) "meaning"."""
        name, written, *rest = tree.children
        personal = predicted = False
        default: ast.Value | None = None
        doc = ""
        for part in rest:
            if getattr(part, "type", "") == "STRING":
                doc = self.quoted(part, limits.TERMS_CHARACTERS_MAX).text
                continue
            for flag in part.children:
                personal |= flag.data == "personal"
                predicted |= flag.data == "predicted"
                if flag.data == "default":
                    default = self.value(flag.children[0])
        return ast.Attribute(self.name(name), self.attribute_type(written), personal, predicted, default, doc)

    def attribute_type(self, tree: Tree) -> ast.AttributeType:
        """The type after the colon."""
        if tree.data == "t_enum":
            return ast.AttributeType("one of", self.names(tree.children[1]), "", self.span(tree.children[0]))
        leaf = tree.children[0]
        if tree.data == "t_list":
            return ast.AttributeType("list", (), str(leaf), self.span(leaf))
        return ast.AttributeType(str(leaf), (), "", self.span(leaf))

    def source(self, kind: Literal["catalogue", "stores", "holidays", "costs"], tree: Tree) -> ast.Source:
        """A table beside the rules."""
        return ast.Source(kind, self.quoted(tree.children[0]), self.line_span(tree))

    def d_catalogue(self, tree: Tree) -> ast.Source:
        """catalogue from "…" """
        return self.source("catalogue", tree)

    def d_stores(self, tree: Tree) -> ast.Source:
        """stores from "…" """
        return self.source("stores", tree)

    def d_holidays(self, tree: Tree) -> ast.Source:
        """holidays from "…" """
        return self.source("holidays", tree)

    def d_costs(self, tree: Tree) -> ast.Source:
        """costs from "…" """
        return self.source("costs", tree)

    def d_price_list_source(self, tree: Tree) -> ast.Source:
        """prices "…" from "…" """
        name, path = tree.children
        return ast.Source("prices", self.quoted(path), self.line_span(tree), self.quoted(name))

    def titled(self, tree: Tree) -> tuple[ast.Name, str, list[Tree]]:
        """The name, the title, what follows."""
        name, *rest = tree.children
        title = ""
        if rest and getattr(rest[0], "data", "") == "title":
            title = self.quoted(rest[0].children[0]).text
            rest = rest[1:]
        return self.name(name), title, rest

    def d_products(self, tree: Tree) -> ast.SetDecl:
        """products NAME { … }"""
        return self.set_of("products", tree)

    def d_places(self, tree: Tree) -> ast.SetDecl:
        """places NAME { … }"""
        return self.set_of("places", tree)

    def set_of(self, kind: Literal["products", "places"], tree: Tree) -> ast.SetDecl:
        """A set of articles or stores."""
        name, title, rest = self.titled(tree)
        return ast.SetDecl(kind, name, title, self.block_lines(rest[0]), (), self.line_span(tree))

    def d_segment(self, tree: Tree) -> ast.SetDecl:
        """segment NAME { … }"""
        name, title, rest = self.titled(tree)
        lines = self.whole((child for child in rest if child.data != "refresh"), self.line)
        refresh = self.whole((child for child in rest if child.data == "refresh"), self.refresh)
        self.listed(len(lines), name.span)
        return ast.SetDecl("segment", name, title, lines, refresh, self.line_span(tree))

    def refresh(self, tree: Tree) -> ast.Refresh:
        """refresh realtime, refresh daily 03:00"""
        leaf = tree.children[0]
        return ast.Refresh(self.time(leaf) if leaf.type == "TIME" else None, self.line_span(tree))

    def d_group(self, tree: Tree) -> ast.Group:
        """group NAME { … }"""
        name, title, rest = self.titled(tree)
        return ast.Group(name, title, self.whole(rest, self.group_line), self.line_span(tree))

    def group_line(self, line: Tree) -> ast.GroupLine:
        """gives, apply, prices, order."""
        span = self.line_span(line)
        match line.data:
            case "gives":
                return ast.GroupLine("gives", str(line.children[0].children[0]), 0, (), span)
            case "price_base":
                return ast.GroupLine("prices", str(line.children[0].children[0]), 0, (), span)
            case "order_in_group":
                return ast.GroupLine("order", "", 0, self.names(line.children[0]), span)
            case "apply_n":
                return ast.GroupLine("apply", "at-most", self.integer(line.children[1]), (), span)
            case kind:
                per_item = "-per-item" if line.children else ""
                return ast.GroupLine("apply", kind.removeprefix("apply_") + per_item, 0, (), span)

    def d_sequence(self, tree: Tree) -> ast.Sequence:
        """sequence a, b, c"""
        return ast.Sequence(self.names(tree.children[0]), self.line_span(tree))

    def d_guard(self, tree: Tree) -> ast.Guard:
        """guard NAME { … }"""
        name, title, rest = self.titled(tree)
        nevers = []
        floors = []
        because = []
        for line in rest:
            if line.data == "because":
                because.append(self.quoted(line.children[0], limits.TERMS_CHARACTERS_MAX))
            elif line.data == "floor":
                names, path = line.children
                floors.append(ast.Floor(self.names(names), self.path(path), self.line_span(line)))
            else:
                verb = " ".join(str(line.children[0].children[0]).split())
                nevers.append(ast.Never(cast(Any, verb), self.names(line.children[1])))
        return ast.Guard(name, title, tuple(nevers), tuple(floors), tuple(because), self.line_span(tree))

    def d_codes(self, tree: Tree) -> ast.Codes:
        """codes NAME { … }"""
        name, title, rest = self.titled(tree)
        lines = []
        for line in rest:
            span = self.line_span(line)
            match line.data:
                case "one_code":
                    lines.append(ast.CodeLine("code", self.quoted(line.children[0]), 0, span))
                case "code_file":
                    lines.append(ast.CodeLine("file", self.quoted(line.children[0]), 0, span))
                case "single_use":
                    lines.append(ast.CodeLine("uses", None, 1, span))
                case "exact_codes":
                    lines.append(ast.CodeLine("exact", None, 0, span))
                case _:
                    lines.append(ast.CodeLine("uses", None, self.integer(line.children[0]), span))
        self.listed(len(lines), name.span)
        return ast.Codes(name, title, tuple(lines), self.line_span(tree))

    # ------------------------------------------------------------------------------------------------ conditions

    def block_lines(self, block: Tree) -> tuple[ast.Line, ...]:
        """The lines between braces."""
        self.depth += 1
        if self.depth > limits.NESTING_MAX:
            self.report("P0302", self.line_span(block), most=limits.NESTING_MAX)
            self.depth -= 1
            return ()
        lines = self.whole(block.children, self.line)
        self.listed(len(lines), self.line_span(block))
        self.depth -= 1
        return lines

    def line(self, tree: Tree) -> ast.Line:
        """One condition with its text."""
        return ast.Line(self.condition(tree), self.text(tree), self.line_span(tree))

    def condition(self, tree: Tree) -> ast.Condition:
        """Any condition."""
        span = self.line_span(tree)
        match tree.data:
            case "compare":
                return self.compare(*tree.children)
            case "in_set" | "not_in_set":
                return ast.In(self.name(tree.children[0]), tree.data == "not_in_set")
            case "has_consent":
                return ast.Consent(self.name(tree.children[0]))
            case "all_of" | "any_of" | "none_of":
                kind = cast(Literal["all", "any", "none"], tree.data.removesuffix("_of"))
                return ast.Block(kind, self.block_lines(tree.children[0]), span)
            case "basket_has":
                return self.basket_has(tree)
            case "basket_has_articles":
                low, high = self.amount(tree.children[0])
                of = self.name(tree.children[1])
                return ast.BasketHas(_decimal(low), _decimal(high), "", of, False, span, articles=True)
            case "basket_has_no":
                return ast.BasketHas(None, Decimal(0), "", self.name(tree.children[0]), False, span)
            case "basket_worth":
                return self.basket_worth(tree)
            case "happened" | "never_happened":
                return self.happened(tree)
            case "sum_of":
                return self.sum_of(tree)
            case "anniversary":
                return self.anniversary(tree)
            case "similar_to":
                return ast.SimilarTo(self.name(tree.children[0]), self.percent(tree.children[2]), span)
            case "nth_order":
                which, nth = tree.children
                return ast.NthOrder(str(which.children[0]) == "every", self.nth(nth), self.span(nth))
            case kind:
                raise AssertionError(kind)

    def subject(self, tree: Tree) -> ast.Subject:
        """customer.tier, payment, delivery."""
        return self.path(tree.children[0])

    def path(self, leaf: Tree) -> ast.Subject:
        """An attribute by its path."""
        entity, _, name = str(leaf).partition(".")
        return ast.Subject(entity, name, self.span(leaf))

    def nth(self, leaf: Tree) -> int:
        """2nd → 2."""
        digits = str(leaf)[:-2]
        return int(digits) if len(digits) < 7 else limits.COUNT_MAX + 1

    # ---- what happened before

    def happened(self, tree: Tree) -> ast.Happened:
        """at least 3 orders of wine in the last 30 days, then …"""
        parts = list(tree.children)
        low, high = self.amount(parts.pop(0)) if tree.data == "happened" else (None, 0)
        event, window, *then = parts
        self.listed(len(then), self.line_span(tree))
        return ast.Happened(
            low,
            high,
            self.event_of(event),
            self.window(window),
            tuple(self.then(part) for part in then),
            self.line_span(tree),
        )

    def event_of(self, tree: Tree) -> ast.EventOf:
        """orders of wine where orders.channel is app"""
        event, *rest = tree.children
        of, where = self.of_where(rest)
        return ast.EventOf(self.name(event), of, where, self.span(event))

    def of_where(self, parts: Iterable[Tree]) -> tuple[ast.Name | None, ast.Compare | None]:
        """of SET where …"""
        of: ast.Name | None = None
        where: ast.Compare | None = None
        for part in parts:
            if part.data == "of_set":
                of = self.name(part.children[0])
            elif part.data == "where":
                where = self.compare_to(self.path(part.children[0]), part.children[1])
        return of, where

    def window(self, tree: Tree) -> ast.Window:
        """in the last 30 days, since 2026-01-01, this year …"""
        span = self.tree_span(tree)
        leaves = [leaf for leaf in tree.children if getattr(leaf, "type", "") in ("DURATION", "DATE")]
        match tree.data:
            case "window_since":
                return ast.Window("since", (), self.date(leaves[0]), "", span)
            case "window_calendar":
                return ast.Window("calendar", (), None, str(tree.children[0].children[0]), span)
            case "window_ever":
                return ast.Window("ever", (), None, "", span)
            case kind:
                lengths = tuple(self.duration(leaf) for leaf in leaves)
                return ast.Window("ages" if kind == "window_between" else "last", lengths, None, "", span)

    def then(self, tree: Tree) -> ast.Then:
        """, then no orders within 3 days"""
        event, within = tree.children
        return ast.Then(self.event_of(event), tree.data == "then_no", self.duration(within), self.line_span(tree))

    def sum_of(self, tree: Tree) -> ast.SumOf:
        """sum of orders.total of wine in the last 12 months is at least EUR 300.00"""
        path, *rest, window, comparison = tree.children
        of, where = self.of_where(rest)
        compared = self.compare_to(self.path(path), comparison)
        over = self.window(window)
        return ast.SumOf(compared.subject, of, where, over, compared.op, compared.values, compared.span)

    def anniversary(self, tree: Tree) -> ast.Anniversary:
        """anniversary of customer.birthday is within 3 days of today"""
        path, near = tree.children
        span = self.line_span(tree)
        match near.data:
            case "near_today":
                return ast.Anniversary(self.path(path), "today", "", None, span)
            case "near_calendar":
                return ast.Anniversary(self.path(path), "calendar", str(near.children[0].children[0]), None, span)
            case _:
                return ast.Anniversary(self.path(path), "within", "", self.duration(near.children[0]), span)

    def amount(self, tree: Tree) -> tuple[int | None, int | None]:
        """at least 3, between 2 and 5 …"""
        return _bounds(tree.data, [self.integer(leaf) for leaf in tree.children if leaf.type == "INT"])

    # ---- comparisons

    def compare(self, subject: Tree, comparison: Tree) -> ast.Compare:
        """A subject, an operator, values."""
        return self.compare_to(self.subject(subject), comparison)

    def compare_to(self, subject: ast.Subject, comparison: Tree) -> ast.Compare:
        """The operator and the values."""
        kind = comparison.data
        parts = list(comparison.children)
        op = _OPERATORS[kind]
        if kind in ("gt", "lt"):
            op += " … ago" if getattr(parts[-1], "type", "") == "AGO" else ""
            parts = parts[1:2]
        elif kind in ("isin", "notin", "has_one"):
            return ast.Compare(subject, op, self.values(parts[1]), self.span(parts[0]))
        elif kind in ("ge", "le", "listed"):
            parts = parts[1:]
        span = self.tree_span(comparison)
        parts = [part for part in parts if getattr(part, "type", "") != "BETWEEN"]
        return ast.Compare(subject, op, tuple(self.value(part) for part in parts), span)

    def basket_has(self, tree: Tree) -> ast.BasketHas:
        """basket has at least 3 of shirts."""
        amount, units = tree.children
        span = self.line_span(tree)
        leaves = [leaf for leaf in amount.children if leaf.type in ("INT", "MEASURE")]
        unit = ""
        numbers = []
        for leaf in leaves:
            if leaf.type == "MEASURE":
                measured = self.measure(leaf)
                unit = measured.unit
                numbers.append(measured.value)
            else:
                numbers.append(Decimal(self.integer(leaf)))
        low, high = _bounds(amount.data, numbers)
        return ast.BasketHas(low, high, unit, self.name(units.children[0]), units.data == "of_one_article", span)

    def basket_worth(self, tree: Tree) -> ast.BasketWorth:
        """basket is worth at least EUR 50.00 of fashion after discounts."""
        worth, *rest = tree.children
        amounts = [self.money(child) for child in worth.children if getattr(child, "data", "") == "money"]
        low, high = _bounds(worth.data, amounts)
        of: ast.Name | None = None
        basis: Literal["group", "before", "after"] = "group"
        counted = {part.data for part in rest}
        for part in rest:
            if part.data == "of_set":
                of = self.name(part.children[0])
            elif part.data == "basis":
                basis = self.basis(part)
        span = self.line_span(tree)
        return ast.BasketWorth(low, high, of, basis, span, "with_fees" in counted, "without_tax" in counted)

    def basis(self, tree: Tree) -> Literal["before", "after"]:
        """before discounts, after discounts"""
        return cast(Literal["before", "after"], str(tree.children[0]))

    # ------------------------------------------------------------------------------------------------ promotions

    def d_promotion(self, tree: Tree) -> ast.Promotion:
        """promotion NAME { … }"""
        name, title, rest = self.titled(tree)
        clauses = self.whole(rest, self.clause)
        self.listed(len(clauses), name.span)
        return ast.Promotion(name, title, clauses, self.line_span(tree))

    def clause(self, tree: Tree) -> ast.Clause:
        """One line of a promotion."""
        return cast(ast.Clause, getattr(self, "c_" + tree.data)(tree, self.text(tree), self.line_span(tree)))

    def moment(self, tree: Tree) -> ast.Moment:
        """A date, with a time or without."""
        date, *time = tree.children
        return ast.Moment(self.date(date), self.time(time[0]) if time else None)

    def c_runs(self, tree: Tree, text: str, span: Span) -> ast.Runs:
        """runs from … until … in …"""
        start, *rest = tree.children
        until = next((self.moment(part) for part in rest if getattr(part, "data", "") == "moment"), None)
        zone = next((ast.Name(str(p), self.span(p)) for p in rest if getattr(p, "type", "") == "ZONE"), None)
        return ast.Runs(self.moment(start), until, zone, text, span)

    def c_only_on(self, tree: Tree, text: str, span: Span) -> ast.OnlyOn:
        """only on Mon to Fri between 18:00 and 20:00 or …"""
        return ast.OnlyOn(tuple(self.slot(child) for child in tree.children), text, span)

    def slot(self, tree: Tree) -> ast.Slot:
        """Days and hours."""
        lists = [child for child in tree.children if getattr(child, "data", "") == "days"]
        times = [self.time(child) for child in tree.children if getattr(child, "type", "") == "TIME"]
        leaves = [leaf for days in lists for day in days.children for leaf in day.children]
        but_not = self.days(lists[1]) if len(lists) > 1 else frozenset[int]()
        start, until = times if times else (None, None)
        return ast.Slot(self.days(lists[0]), but_not, start, until, self.between(leaves[0], leaves[-1]))

    def days(self, tree: Tree) -> frozenset[int]:
        """Mon to Fri, Sun, holidays; a range may run over the weekend."""
        chosen: set[int] = set()
        for day in tree.children:
            words = [str(leaf) for leaf in day.children]
            if "holidays" in words:
                if len(words) > 1:
                    self.report("P0112", self.between(day.children[0], day.children[-1]), write="them one by one")
                chosen.add(ast.HOLIDAY)
                continue
            ends = [_DAYS.index(word) for word in words]
            first, last = ends[0], ends[-1]
            chosen.update((first + step) % 7 for step in range((last - first) % 7 + 1))
        return frozenset(chosen)

    def c_sold_in(self, tree: Tree, text: str, span: Span) -> ast.Sold:
        """sold in stores, webshop"""
        return ast.Sold(self.names(tree.children[0]), (), text, span)

    def c_sold_everywhere(self, tree: Tree, text: str, span: Span) -> ast.Sold:
        """sold everywhere but not marketplace"""
        return ast.Sold(None, self.names(tree.children[0]) if tree.children else (), text, span)

    def c_place(self, tree: Tree, text: str, span: Span) -> ast.Choice:
        """only at city-stores"""
        return self.choice("only at", tree, text, span)

    def c_audience(self, tree: Tree, text: str, span: Span) -> ast.Choice:
        """for gold-members"""
        return self.choice("for", tree, text, span)

    def choice(self, kind: Literal["for", "only at"], tree: Tree, text: str, span: Span) -> ast.Choice:
        """any of these but not those."""
        first, *rest = tree.children
        any_of: tuple[ast.Name, ...] = ()
        if first.data == "just":
            any_of = (self.name(first.children[0]),)
        elif first.data == "any_of_names":
            any_of = self.names(first.children[0])
        return ast.Choice(kind, any_of, self.names(rest[0]) if rest else (), text, span)

    def c_coupon(self, tree: Tree, text: str, span: Span) -> ast.WithCode:
        """with code from newsletter-2026"""
        return ast.WithCode(self.name(tree.children[0]), text, span)

    def c_when(self, tree: Tree, text: str, span: Span) -> ast.When:
        """when …"""
        return ast.When(ast.Line(self.condition(tree.children[0]), text, span), span)

    def c_buy(self, tree: Tree, text: str, span: Span) -> ast.Buy:
        """buy 3 of pasta, 2 kg of apples"""
        self.listed(len(tree.children), span)
        return ast.Buy(tuple(self.need(part) for part in tree.children), text, span)

    def need(self, tree: Tree) -> ast.Need:
        """3 of pasta, 2 kg of apples"""
        amount, of = tree.children
        if tree.data == "measure_of":
            return ast.Need(0, self.measure(amount), self.name(of), False, self.between(amount, of))
        one_article = tree.data == "count_of_one_article"
        return ast.Need(self.integer(amount), None, self.name(of), one_article, self.between(amount, of))

    def c_get(self, tree: Tree, text: str, span: Span) -> ast.Get:
        """get …"""
        return ast.Get(self.reward(tree.children[0]), text, span)

    def target(self, tree: Tree) -> ast.Target:
        """A set or the bought pieces."""
        if tree.data == "t_set":
            name = self.name(tree.children[0])
            return ast.Target("set", name, name.span)
        return ast.Target("them", None, self.line_span(tree))

    def basket(self, tree: Tree) -> ast.Target:
        """The basket, with its fees or without."""
        fees = any(getattr(part, "data", "") == "fees" for part in tree.children)
        return ast.Target("basket", None, self.line_span(tree), fees)

    def off(self, tree: Tree) -> ast.Percent | ast.Money:
        """A percentage or an amount."""
        return self.percent(tree) if getattr(tree, "type", "") == "PERCENT" else self.money(tree)

    def c_get_tiers(self, tree: Tree, text: str, span: Span) -> ast.Get:
        """get by quantity of wine { … }"""
        by, base, *rest = tree.children
        basis: Literal["group", "before", "after"] = "group"
        tiers = []
        stepwise = False
        for part in rest:
            if part.data == "basis":
                basis = self.basis(part)
            elif part.data == "stepwise":
                stepwise = True
            else:
                tiers.append(part)
        self.listed(len(tiers), span)
        name = self.name(base.children[0]) if base.children else None
        target = ast.Target("set" if name else "basket", name, name.span if name else span)
        measured = cast(Literal["quantity", "spend"], str(by.children[0]))
        one_article = base.data == "t_one_article"
        built = self.whole(tiers, self.tier)
        return ast.Get(ast.Tiers(measured, target, one_article, basis, stepwise, built), text, span)

    def tier(self, tree: Tree) -> ast.Tier:
        """from 6 get 5% off"""
        start, reward = tree.children
        span = self.line_span(tree)
        match getattr(start, "type", "money"):
            case "INT":
                begin: int | ast.Measure | ast.Money = self.integer(start)
            case "MEASURE":
                begin = self.measure(start)
            case _:
                begin = self.money(start)
        return ast.Tier(begin, self.tier_reward(reward), self.text(tree), span)

    def tier_reward(self, tree: Tree) -> ast.TierReward:
        """5% off, EUR 1.00 off each, them for EUR 3.99 each, 2 gifts from bags …"""
        parts = tree.children
        target = ast.Target("tier", None, self.line_span(tree))
        match tree.data:
            case "tier_percent":
                return ast.PercentOff(self.percent(parts[0]), target, False)
            case "tier_amount" if getattr(parts[1], "type", "") == "PER_UNIT":
                return ast.AmountOffMeasure(self.money(parts[0]), *self.per(parts[1]), target)
            case "tier_amount":
                return ast.AmountOff(self.money(parts[0]), target, str(parts[1].children[0]) == "together")
            case "tier_price":
                return ast.FixedPrice(self.money(parts[0]), *self.per(parts[1].children[0]), target)
            case "fixed_points":
                return ast.FixedPoints(self.integer(parts[0]), self.span(parts[0]))
            case _:
                return self.gift(tree)

    def gift(self, tree: Tree) -> ast.Gift:
        """1 gift from bags, 1 gift from bags for EUR 1.00"""
        count, _, of, *price = tree.children
        paid = self.money(price[0]) if price else None
        return ast.Gift(self.integer(count), self.name(of), paid, self.span(count))

    def counted(self, tree: Tree) -> tuple[int, ast.Name, bool, Span]:
        """2 of ties, 2 of one article of ties"""
        count, of = tree.children
        return self.integer(count), self.name(of), tree.data == "count_of_one_article", self.span(count)

    def off_count(self, tree: Tree) -> ast.OffCount:
        """50% off 1 of ties; EUR 5.00 off 2 of ties each; 1 of ties free; all of them also «fewer too»"""
        parts = list(tree.children)
        fewer = getattr(parts[-1], "data", "") == "fewer"
        off = None if tree.data == "count_free" else self.off(parts.pop(0))
        count, of, one_article, span = self.counted(parts[0])
        together = tree.data == "amount_off_count" and str(parts[1].children[0]) == "together"
        return ast.OffCount(off, together, count, of, one_article, fewer, span)

    def pick_of(self, tree: Tree) -> ast.OffPickOf:
        """50% off the cheapest 2 of shoes; the cheapest 1 of shoes free"""
        parts = list(tree.children)
        hundred = ast.Percent(Decimal(100), self.line_span(tree))
        off = hundred if tree.data == "pick_of_free" else self.off(parts.pop(0))
        which, count, of = parts
        word = cast(Literal["cheapest", "dearest"], str(which.children[0]))
        return ast.OffPickOf(off, word, self.integer(count), self.name(of), self.span(count))

    def reward(self, tree: Tree) -> ast.Reward:
        """What a promotion gives."""
        parts = tree.children
        match tree.data:
            case "percent_off" | "percent_off_together":
                together = tree.data == "percent_off_together"
                return ast.PercentOff(self.percent(parts[0]), self.target(parts[1]), together)
            case "percent_off_basket":
                return ast.PercentOff(self.percent(parts[0]), self.basket(tree), True)
            case "percent_off_pick":
                return self.pick(parts[1], parts[2], self.percent(parts[0]))
            case "pick_free":
                return self.pick(parts[0], parts[1], ast.Percent(Decimal(100), self.line_span(tree)))
            case "amount_off":
                together = str(parts[2].children[0]) == "together"
                return ast.AmountOff(self.money(parts[0]), self.target(parts[1]), together)
            case "amount_off_basket":
                return ast.AmountOff(self.money(parts[0]), self.basket(tree), True)
            case "amount_off_measure":
                per, hundreds = self.per(parts[1])
                name = self.name(parts[2])
                return ast.AmountOffMeasure(self.money(parts[0]), per, hundreds, ast.Target("set", name, name.span))
            case "fixed_price":
                per, hundreds = self.per(parts[2].children[0])
                return ast.FixedPrice(self.money(parts[1]), per, hundreds, self.target(parts[0]))
            case "ladder":
                return ast.Ladder(tuple(self.step(part) for part in parts))
            case "bundle_price":
                return ast.PriceTogether(self.money(parts[0]), len(parts) > 1)
            case "free_service":
                return ast.FreeService(self.name(parts[0]))
            case _:
                return self.other_reward(tree)

    def other_reward(self, tree: Tree) -> ast.Reward:
        """Rewards of other pieces, of fees, points and gifts."""
        parts = tree.children
        match tree.data:
            case "amount_off_article":
                return ast.AmountOff(self.money(parts[0]), self.target(parts[1]), False, per_article=True)
            case "off_pick_of" | "pick_of_free":
                return self.pick_of(tree)
            case "percent_off_count" | "amount_off_count" | "count_free":
                return self.off_count(tree)
            case "fixed_price_count":
                count, of, one_article, span = self.counted(parts[0])
                return ast.PriceOfCount(self.money(parts[1]), count, of, one_article, len(parts) > 2, span)
            case "basket_price":
                return ast.BasketPrice(self.money(parts[0]))
            case "price_list":
                return ast.PriceList(self.quoted(parts[0]))
            case "manual":
                return ast.Cashier(self.off(parts[1]))
            case "percent_off_fee" | "amount_off_fee":
                return ast.OffFee(self.off(parts[0]), self.name(parts[1]))
            case "fee_price":
                return ast.FeePrice(self.money(parts[1]), self.name(parts[0]))
            case "gift":
                return self.gift(tree)
            case "multiply_points":
                factor = ast.Number(self.decimal(parts[0], str(parts[0])), self.span(parts[0]))
                base = parts[1]
                target = self.target(base) if base.data == "t_set" else self.basket(base)
                return ast.TimesPoints(factor, target)
            case "fixed_points":
                return ast.FixedPoints(self.integer(parts[0]), self.span(parts[0]))
            case "next_code":
                return ast.NextCode(self.name(parts[0]), self.duration(parts[1]))
            case kind:
                raise AssertionError(kind)

    def per(self, leaf: Tree) -> tuple[str, bool]:
        """`each` → ""; `per 100 g` → "g", True."""
        words = str(leaf).split()
        return ("", False) if words == ["each"] else (words[-1], len(words) == 3)

    def pick(self, which: Tree, count: Tree, percent: ast.Percent) -> ast.Pick:
        """the cheapest 1."""
        word = cast(Literal["cheapest", "dearest"], str(which.children[0]))
        return ast.Pick(word, self.integer(count), percent, self.span(count))

    def step(self, tree: Tree) -> ast.LadderStep:
        """20% off every 2nd."""
        off, nth = tree.children
        return ast.LadderStep(self.nth(nth), self.off(off), self.span(nth))

    def c_limit_uses(self, tree: Tree, text: str, span: Span) -> ast.Limit:
        """limit 4 per basket"""
        return self.limit("uses", self.integer(tree.children[0], limits.USES_MAX), None, tree, text, span)

    def c_limit_baskets(self, tree: Tree, text: str, span: Span) -> ast.Limit:
        """limit 1 basket per customer"""
        return self.limit("baskets", self.integer(tree.children[0], limits.USES_MAX), None, tree, text, span)

    def c_limit_saving(self, tree: Tree, text: str, span: Span) -> ast.Limit:
        """limit EUR 60.00 per basket"""
        return self.limit("saving", 0, self.money(tree.children[0]), tree, text, span)

    def limit(
        self,
        measure: Literal["uses", "baskets", "saving"],
        count: int,
        saving: ast.Money | None,
        tree: Tree,
        text: str,
        span: Span,
    ) -> ast.Limit:
        """How much, for whom, in which period."""
        scope = str(tree.children[1].children[-1])
        period = "ever"
        if len(tree.children) > 2:
            part = tree.children[2]
            if part.data == "calendar":
                period = "each-" + str(part.children[0].children[0])
            else:
                length = self.duration(part.children[0])
                period = f"any-{length.count}-{length.unit}s"
        return ast.Limit(measure, count, saving, scope, period, text, span)

    def c_in_group(self, tree: Tree, text: str, span: Span) -> ast.InGroup:
        """group item-deals"""
        return ast.InGroup(self.name(tree.children[0]), span)

    def c_except_(self, tree: Tree, text: str, span: Span) -> ast.Except:
        """except partner-goods"""
        return ast.Except(self.names(tree.children[0]), span)

    def c_label(self, tree: Tree, text: str, span: Span) -> ast.Label:
        """label de "…" """
        return self.label("label", tree, limits.TEXT_CHARACTERS_MAX, span)

    def c_terms(self, tree: Tree, text: str, span: Span) -> ast.Label:
        """terms de "…" """
        return self.label("terms", tree, limits.TERMS_CHARACTERS_MAX, span)

    def c_hint(self, tree: Tree, text: str, span: Span) -> ast.Label:
        """hint de "…" """
        return self.label("hint", tree, limits.TEXT_CHARACTERS_MAX, span)

    def label(self, kind: Literal["label", "terms", "hint"], tree: Tree, most: int, span: Span) -> ast.Label:
        """A text in a language."""
        language, text = tree.children
        return ast.Label(kind, ast.Name(str(language), self.span(language)), self.quoted(text, most), span)

    def c_reasons(self, tree: Tree, text: str, span: Span) -> ast.WithReason:
        """with reason one of damaged, goodwill"""
        return ast.WithReason(self.names(tree.children[1]), text, span)

    def c_exclusive(self, tree: Tree, text: str, span: Span) -> ast.Exclusive:
        """exclusive"""
        return ast.Exclusive(span)

    def c_not_with(self, tree: Tree, text: str, span: Span) -> ast.NotWith:
        """not with newsletter-15, staff"""
        return ast.NotWith(self.names(tree.children[0]), text, span)

    def c_advertised(self, tree: Tree, text: str, span: Span) -> ast.Advertised:
        """advertised as price reduction"""
        return ast.Advertised(span)

    def c_on_return(self, tree: Tree, text: str, span: Span) -> ast.OnReturn:
        """on return reprice what is kept"""
        return ast.OnReturn(span)

    def c_funded(self, tree: Tree, text: str, span: Span) -> ast.Funded:
        """funded 60% by supplier "Pastella", rest by us"""
        shares = []
        percent: ast.Percent | None = None
        for part in tree.children:
            if getattr(part, "type", "") == "PERCENT":
                percent = self.percent(part)
            else:
                shares.append(ast.Share(percent, self.payer(part)))
                percent = None
        self.listed(len(shares), span)
        return ast.Funded(tuple(shares), text, span)

    def payer(self, tree: Tree) -> ast.Payer:
        """us, supplier "Pastella", partner "Kiosk 24" """
        if tree.data == "us":
            return ast.Payer("us", None, self.line_span(tree))
        word = tree.children[0]
        kind = cast(Literal["supplier", "partner"], str(word))
        return ast.Payer(kind, self.quoted(tree.children[1]), self.between(word, tree.children[1]))

    def c_variants(self, tree: Tree, text: str, span: Span) -> ast.Variants:
        """variants by customer { … }"""
        by, *arms = tree.children
        self.listed(len(arms), span)
        subject = cast(Literal["customer", "household", "basket"], str(by.children[0]))
        return ast.Variants(subject, self.whole(arms, self.arm), text, span)

    def arm(self, tree: Tree) -> ast.Arm:
        """variant ten 90% get 10% off fashion; control 10%"""
        text, span = self.text(tree), self.line_span(tree)
        if tree.data == "control":
            return ast.Arm(None, self.percent(tree.children[0]), None, text, span)
        name, share, reward = tree.children
        return ast.Arm(self.name(name), self.percent(share), self.reward(reward), text, span)

    def c_owner(self, tree: Tree, text: str, span: Span) -> ast.Owner:
        """owner "…" """
        return ast.Owner(self.quoted(tree.children[0]), span)

    # ------------------------------------------------------------------------------------------------ tests

    def d_sample(self, tree: Tree) -> ast.Sample:
        """sample NAME { … }"""
        name, title, rest = self.titled(tree)
        values = self.whole(rest, lambda line: (self.name(line.children[0]), self.value(line.children[1])))
        self.listed(len(values), name.span)
        return ast.Sample(name, title, values, self.line_span(tree))

    def d_test(self, tree: Tree) -> ast.Test:
        """test "…" { … }"""
        sentence, *rest = tree.children
        quoted = self.quoted(sentence)
        self.listed(len(rest), quoted.span)
        lines = self.whole(rest, self.test_line)
        return ast.Test(ast.Name(quoted.text, quoted.span), lines, self.line_span(tree))

    def test_line(self, tree: Tree) -> ast.TestLine:
        """One line of a test."""
        span = self.line_span(tree)
        parts = tree.children
        match tree.data:
            case "t_at":
                return ast.TestAt(self.moment(parts[0]), span)
            case "t_channel":
                return ast.TestChannel(self.name(parts[0]), span)
            case "t_buys":
                price = self.money(parts[2]) if len(parts) > 2 else None
                return ast.Buys(self.integer(parts[0]), None, self.name(parts[1]), price, "", False, span)
            case "t_buys_measure":
                measure = self.measure(parts[0])
                price = self.money(parts[2]) if len(parts) > 2 else None
                per, hundreds = self.per(parts[3]) if len(parts) > 3 else (measure.unit, False)
                return ast.Buys(0, measure, self.name(parts[1]), price, per, hundreds, span)
            case "t_expect":
                return self.expectation(parts[0], self.text(tree), span)
            case "t_picks":
                count, sample, _, promotion = parts
                return ast.Picks(self.integer(count), self.name(sample), self.name(promotion), span)
            case _:
                return self.given(tree, span)

    def given(self, tree: Tree, span: Span) -> ast.TestLine:
        """given …"""
        parts = tree.children
        match tree.data:
            case "g_fact":
                return ast.GivenFact(self.subject(parts[0]), self.value(parts[1]), span)
            case "g_unknown":
                return ast.GivenFact(self.subject(parts[0]), None, span)
            case "g_offline":
                return ast.Given("offline", "", span)
            case "g_consent":
                return ast.Given("consent", self.name(parts[0]).text, self.span(parts[0]))
            case "g_code":
                return ast.Given("code", self.quoted(parts[0]).text, self.span(parts[0]))
            case "g_used_code":
                return ast.Given("used-code", self.quoted(parts[0]).text, self.span(parts[0]))
            case "g_fee":
                return ast.GivenFee(self.name(parts[0]), self.money(parts[1]), span)
            case "g_event":
                return self.given_event(tree, span)
            case "g_history":
                return ast.GivenHistory(self.moment(parts[0]), span)
            case "g_facts":
                return ast.GivenFacts(self.before(parts[0]), span)
            case "g_no_event":
                return ast.GivenNoEvent(self.name(parts[0]), span)
            case "g_variant":
                return ast.GivenArm(self.name(parts[0]), self.name(parts[1]), span)
            case "g_control":
                return ast.GivenArm(None, self.name(parts[0]), span)
            case "g_manual":
                off, base, reason = parts
                sample = self.name(base.children[0]) if base.data == "t_set" else None
                return ast.GivenCashier(self.off(off), sample, self.name(reason), span)
            case _:
                return self.uses(tree, span)

    def given_event(self, tree: Tree, span: Span) -> ast.GivenEvent:
        """given 2 orders of plants 300 days ago worth EUR 59.90 where orders.channel is app"""
        count, event, *rest = tree.children
        of: ast.Name | None = None
        worth: ast.Money | None = None
        before: ast.Duration | ast.Moment | None = None
        facts: tuple[ast.GivenFact, ...] = ()
        for part in rest:
            match getattr(part, "type", "") or part.data:
                case "of_set":
                    of = self.name(part.children[0])
                case "money":
                    worth = self.money(part)
                case "given_where":
                    facts = tuple(self.given_attribute(child) for child in part.children)
                case _:
                    before = self.before(part)
        assert before is not None
        return ast.GivenEvent(self.integer(count), self.name(event), of, before, worth, facts, span)

    def before(self, part: Any) -> ast.Duration | ast.Moment:
        """3 days ago; on 2026-08-01 12:00"""
        return self.moment(part) if getattr(part, "data", "") == "moment" else self.duration(part)

    def given_attribute(self, tree: Tree) -> ast.GivenFact:
        """orders.channel is app"""
        path, value = tree.children
        subject, read = self.path(path), self.value(value)
        end = read.span
        return ast.GivenFact(subject, read, replace(subject.span, end_line=end.end_line, end_column=end.end_column))

    def uses(self, tree: Tree, span: Span) -> ast.GivenUses:
        """given 2 uses of pasta-3-for-2 by others 12 days ago worth EUR 1.99"""
        count, _, name, *rest = tree.children
        by_others = any(getattr(part, "data", "") == "others" for part in rest)
        ago = next((self.duration(part) for part in rest if getattr(part, "type", "") == "DURATION"), None)
        worth = next((self.money(part) for part in rest if getattr(part, "data", "") == "money"), None)
        return ast.GivenUses(self.integer(count, limits.USES_MAX), self.name(name), by_others, ago, worth, span)

    def expectation(self, tree: Tree, text: str, span: Span) -> ast.Expect:
        """expect …"""
        kinds: dict[str, Any] = {"e_code_refused": "code-refused", "e_notin": "not-in", "e_once": "applies"}
        kind = kinds.get(tree.data, tree.data.removeprefix("e_"))
        name: ast.Name | None = None
        money: ast.Money | None = None
        count = 1 if tree.data == "e_once" else None
        because: ast.Name | None = None
        payer: ast.Payer | None = None
        for part in tree.children:
            match getattr(part, "type", "") or part.data:
                case "money":
                    money = self.money(part)
                case "third":
                    payer = self.payer(part)
                    name = ast.Name(payer.name.text, payer.name.span) if payer.name else None
                case "GIFTS":
                    pass
                case "INT":
                    count = self.integer(part)
                case "STRING":
                    quoted = self.quoted(part)
                    name = ast.Name(quoted.text, quoted.span)
                case "NAME" if name is None:
                    name = self.name(part)
                case "NAME":
                    because = self.name(part)
        return ast.Expect(kind, name, money, count, because, text, span, payer)


def _decimal(number: int | None) -> Decimal | None:
    return None if number is None else Decimal(number)


def _bounds(kind: str, values: Sequence[_T]) -> tuple[_T | None, _T | None]:
    """Of «at least», «at most», «exactly», «between»."""
    match kind:
        case "at_least":
            return values[0], None
        case "at_most":
            return None, values[0]
        case "exactly":
            return values[0], values[0]
        case _:
            return values[0], values[1]
