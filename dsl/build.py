"""The parser's tree → nodes of dsl.ast: one method for each rule of the grammar, named as the grammar names it.

The tree comes from lark, but nothing of lark is needed here: a tree has `data`, `children` and `meta`, a leaf is a text
with `type`, `line` and `column`.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, Literal, TypeVar, cast

from dsl import ast, limits
from dsl.diagnostics import Diagnostic, Span, found
from dsl.format import canonical
from dsl.source import block_end, mask, without_comment

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
    "set_rounding": "rounding",
}
_UNBUILT_CONDITIONS = {
    "happened": "P9001",
    "never_happened": "P9001",
    "sum_of": "P9001",
    "nth_order": "P9001",
    "anniversary": "P9002",
    "similar_to": "P9003",
}
_UNBUILT_REWARDS = {
    "percent_off_count": "P9017",
    "percent_off_fee": "P9012",
    "amount_off_count": "P9017",
    "amount_off_fee": "P9012",
    "count_free": "P9017",
    "fixed_price_count": "P9017",
    "basket_price": "P9018",
    "fee_price": "P9012",
    "price_list": "P9005",
    "manual": "P9019",
    "gift": "P9010",
    "multiply_points": "P9009",
    "fixed_points": "P9009",
    "next_code": "P9011",
}
_UNBUILT_CLAUSES = {
    "hint": "P9025",
    "reasons": "P9019",
    "exclusive": "P9021",
    "not_with": "P9022",
    "variants": "P9020",
    "advertised": "P9026",
    "funded": "P9023",
    "on_return": "P9024",
    "get_tiers": "P9013",
}
_UNBUILT_TEST_LINES = {
    "t_picks": "P9010",
    "g_event": "P9001",
    "g_no_event": "P9001",
    "g_variant": "P9020",
    "g_control": "P9020",
    "g_manual": "P9019",
    "e_points": "P9009",
    "e_gift": "P9010",
    "e_code": "P9011",
    "e_funded": "P9023",
    "e_refund": "P9029",
    "e_hint": "P9025",
}
_PLACEHOLDER = re.compile(r"[{][a-z]*[}]")


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

    def report(self, code: str, span: Span, **values: object) -> None:
        """Add a finding."""
        self.findings.append(found(code, span, **values))  # type: ignore[arg-type]

    def later(self, code: str, tree: Tree) -> ast.NotYet:
        """What parses and cannot run yet."""
        return ast.NotYet(code, self.line_span(tree))

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
            self.report("P0309", self.span(leaf), why=f"at most {most}")
            return 1
        return int(text)

    def decimal(self, leaf: Tree, text: str) -> Decimal:
        """A number as written, within a bound."""
        if len(text) > 24:
            self.report("P0309", self.span(leaf), why="at most 24 digits")
            return Decimal(1)
        return Decimal(text)

    def money(self, tree: Tree) -> ast.Money:
        """One amount for each currency."""
        parts = []
        for leaf in tree.children:
            text = str(leaf)
            value = self.decimal(leaf, text[3:].strip())
            if value > limits.AMOUNT_UNITS_MAX:
                self.report("P0309", self.span(leaf), why=f"at most {limits.AMOUNT_UNITS_MAX}")
                value = Decimal(1)
            parts.append((text[:3], value, self.span(leaf)))
        return ast.Money(tuple(parts), self.between(tree.children[0], tree.children[-1]))

    def percent(self, leaf: Tree) -> ast.Percent:
        """A percentage."""
        value = self.decimal(leaf, str(leaf)[:-1].strip())
        if value > limits.PERCENT_MAX:
            self.report("P0309", self.span(leaf), why=f"at most {limits.PERCENT_MAX}%")
        return ast.Percent(value, self.span(leaf))

    def date(self, leaf: Tree) -> ast.Date:
        """A day that exists."""
        try:
            day = datetime.date.fromisoformat(str(leaf))
            if not 1970 <= day.year < 2100:
                self.report("P0106", self.span(leaf), what="day here", why="years are 1970 to 2099")
                day = datetime.date(2000, 1, 1)
        except ValueError:
            self.report("P0106", self.span(leaf), what="day", why="look at a calendar")
            day = datetime.date(2000, 1, 1)
        return ast.Date(day, self.span(leaf))

    def time(self, leaf: Tree) -> ast.Time:
        """A time of the day that exists."""
        hours, minutes = int(leaf[:2]), int(leaf[3:])
        if minutes > 59 or hours > 24 or (hours == 24 and minutes):
            self.report("P0106", self.span(leaf), what="time of the day", why="from 00:00 to 24:00")
            hours = minutes = 0
        return ast.Time(hours * 3600 + minutes * 60, self.span(leaf))

    def duration(self, leaf: Tree) -> ast.Duration:
        """So many days, weeks …"""
        count, unit = str(leaf).split()
        number = 1
        if len(count) > 9 or not 1 <= int(count) <= limits.DURATION_MAX:
            self.report("P0309", self.span(leaf), why=f"from 1 to {limits.DURATION_MAX}")
        else:
            number = int(count)
        singular = cast(Literal["minute", "hour", "day", "week", "month", "year"], unit.rstrip("s"))
        return ast.Duration(number, singular, self.span(leaf))

    def measure(self, leaf: Tree) -> ast.Measure:
        """So much of a unit."""
        text, unit = str(leaf).split()
        value = self.decimal(leaf, text)
        if value > limits.MEASURE_MAX:
            self.report("P0309", self.span(leaf), why=f"at most {limits.MEASURE_MAX} {unit}")
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
        lines: list[ast.Setting | ast.NotYet] = []
        for line in tree.children:
            match line.data:
                case "set_cash_rounding":
                    lines.append(self.later("P9008", line))
                case "set_points":
                    lines.append(self.later("P9009", line))
                case "set_tax":
                    side = line.children[0].children[0]
                    lines.append(ast.Setting("tax", (ast.Name(str(side), self.span(side)),), self.line_span(line)))
                case kind:
                    names = tuple(ast.Name(str(leaf), self.span(leaf)) for leaf in line.children)
                    lines.append(ast.Setting(_SETTINGS[kind], names, self.line_span(line)))
        return ast.Settings(tuple(lines), self.line_span(tree))

    def d_schema(self, tree: Tree) -> ast.Schema:
        """schema { … }"""
        parts: list[ast.Entity | ast.NameList | ast.NotYet] = []
        for part in tree.children:
            match part.data:
                case "entity":
                    attributes = self.whole(part.children[1:], self.attribute)
                    self.listed(len(attributes), self.line_span(part))
                    parts.append(ast.Entity(self.name(part.children[0]), attributes))
                case "event":
                    parts.append(self.later("P9001", part))
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

    def d_catalogue(self, tree: Tree) -> ast.Source:
        """catalogue from "…" """
        return ast.Source("catalogue", self.quoted(tree.children[0]), self.line_span(tree))

    def d_stores(self, tree: Tree) -> ast.Source:
        """stores from "…" """
        return ast.Source("stores", self.quoted(tree.children[0]), self.line_span(tree))

    def d_price_list_source(self, tree: Tree) -> ast.Unbuilt:
        """prices "…" from "…" """
        return ast.Unbuilt(self.later("P9005", tree), self.line_span(tree))

    def d_holidays(self, tree: Tree) -> ast.Unbuilt:
        """holidays from "…" """
        return ast.Unbuilt(self.later("P9006", tree), self.line_span(tree))

    def d_costs(self, tree: Tree) -> ast.Unbuilt:
        """costs from "…" """
        return ast.Unbuilt(self.later("P9007", tree), self.line_span(tree))

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
        lines = self.whole((child for child in rest if child.data not in ("refresh", "label")), self.line)
        unbuilt = tuple(self.later("P9004", child) for child in rest if child.data == "refresh")
        self.listed(len(lines), name.span)
        return ast.SetDecl("segment", name, title, lines, unbuilt, self.line_span(tree))

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
        because = []
        for line in rest:
            if line.data == "because":
                because.append(self.quoted(line.children[0], limits.TERMS_CHARACTERS_MAX))
            else:
                verb = " ".join(str(line.children[0].children[0]).split())
                nevers.append(ast.Never(cast(Any, verb), self.names(line.children[1])))
        return ast.Guard(name, title, tuple(nevers), tuple(because), self.line_span(tree))

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
            case "basket_has_no":
                return ast.BasketHas(None, Decimal(0), "", self.name(tree.children[0]), False, span)
            case "basket_worth":
                return self.basket_worth(tree)
            case kind:
                return self.later(_UNBUILT_CONDITIONS[kind], tree)

    def subject(self, tree: Tree) -> ast.Subject:
        """customer.tier, payment, delivery."""
        leaf = tree.children[0]
        entity, _, name = str(leaf).partition(".")
        return ast.Subject(entity, name, self.span(leaf))

    def compare(self, subject: Tree, comparison: Tree) -> ast.Compare:
        """A subject, an operator, values."""
        kind = comparison.data
        parts = list(comparison.children)
        op = _OPERATORS[kind]
        if kind in ("gt", "lt"):
            op += " … ago" if getattr(parts[-1], "type", "") == "AGO" else ""
            parts = parts[1:2]
        elif kind in ("isin", "notin", "has_one"):
            return ast.Compare(self.subject(subject), op, self.values(parts[1]), self.span(parts[0]))
        elif kind in ("ge", "le", "listed"):
            parts = parts[1:]
        span = self.line_span(comparison)
        parts = [part for part in parts if getattr(part, "type", "") != "BETWEEN"]
        return ast.Compare(self.subject(subject), op, tuple(self.value(part) for part in parts), span)

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
        for part in rest:
            if part.data == "of_set":
                of = self.name(part.children[0])
            else:
                basis = cast(Literal["before", "after"], str(part.children[0]))
        return ast.BasketWorth(low, high, of, basis, self.line_span(tree))

    # ------------------------------------------------------------------------------------------------ promotions

    def d_promotion(self, tree: Tree) -> ast.Promotion:
        """promotion NAME { … }"""
        name, title, rest = self.titled(tree)
        clauses = self.whole(rest, self.clause)
        self.listed(len(clauses), name.span)
        return ast.Promotion(name, title, clauses, self.line_span(tree))

    def clause(self, tree: Tree) -> ast.Clause:
        """One line of a promotion."""
        later = _UNBUILT_CLAUSES.get(tree.data)
        if later:
            return self.later(later, tree)
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

    def slot(self, tree: Tree) -> ast.Slot | ast.NotYet:
        """Days and hours."""
        lists = [child for child in tree.children if getattr(child, "data", "") == "days"]
        times = [self.time(child) for child in tree.children if getattr(child, "type", "") == "TIME"]
        leaves = [leaf for days in lists for day in days.children for leaf in day.children]
        for leaf in leaves:
            if str(leaf) == "holidays":
                return ast.NotYet("P9006", self.span(leaf))
        days = self.days(lists[0]) - (self.days(lists[1]) if len(lists) > 1 else frozenset())
        start, until = times if times else (None, None)
        return ast.Slot(days, start, until, self.between(leaves[0], leaves[-1]))

    def days(self, tree: Tree) -> frozenset[int]:
        """Mon to Fri, Sun; a range may run over the weekend."""
        chosen: set[int] = set()
        for day in tree.children:
            ends = [_DAYS.index(str(leaf)) for leaf in day.children]
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

    def c_buy(self, tree: Tree, text: str, span: Span) -> ast.Buy | ast.NotYet:
        """buy 3 of pasta"""
        if len(tree.children) > 1:
            return self.later("P9014", tree)
        need = tree.children[0]
        if need.data == "measure_of":
            return self.later("P9016", tree)
        if need.data == "count_of_one_article":
            return self.later("P9015", tree)
        count, of = need.children
        return ast.Buy(self.integer(count), self.name(of), text, span)

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
        """The basket."""
        return ast.Target("basket", None, self.line_span(tree))

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
            case kind:
                return self.later(_UNBUILT_REWARDS[kind], tree)

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
        value = self.percent(off) if getattr(off, "type", "") == "PERCENT" else self.money(off)
        digits = str(nth)[:-2]
        number = int(digits) if len(digits) < 7 else limits.COUNT_MAX + 1
        return ast.LadderStep(number, value, self.span(nth))

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

    def c_label(self, tree: Tree, text: str, span: Span) -> ast.Label | ast.NotYet:
        """label de "…" """
        return self.label("label", tree, limits.TEXT_CHARACTERS_MAX, span)

    def c_terms(self, tree: Tree, text: str, span: Span) -> ast.Label | ast.NotYet:
        """terms de "…" """
        return self.label("terms", tree, limits.TERMS_CHARACTERS_MAX, span)

    def label(self, kind: Literal["label", "terms"], tree: Tree, most: int, span: Span) -> ast.Label | ast.NotYet:
        """A text in a language."""
        language, text = tree.children
        quoted = self.quoted(text, most)
        if _PLACEHOLDER.search(quoted.text):
            return ast.NotYet("P9027", quoted.span)
        return ast.Label(kind, ast.Name(str(language), self.span(language)), quoted, span)

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
        if tree.data in _UNBUILT_TEST_LINES:
            return self.later(_UNBUILT_TEST_LINES[tree.data], tree)
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
                inner = parts[0]
                if inner.data in _UNBUILT_TEST_LINES:
                    return ast.NotYet(_UNBUILT_TEST_LINES[inner.data], span)
                return self.expectation(inner, self.text(tree), span)
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
            case _:
                return self.uses(tree, span)

    def uses(self, tree: Tree, span: Span) -> ast.GivenUses:
        """given 2 uses of pasta-3-for-2 by others 12 days ago worth EUR 1.99"""
        count, _, name, *rest = tree.children
        by_others = any(getattr(part, "data", "") == "others" for part in rest)
        ago = next((self.duration(part) for part in rest if getattr(part, "type", "") == "DURATION"), None)
        worth = next((self.money(part) for part in rest if getattr(part, "data", "") == "money"), None)
        return ast.GivenUses(self.integer(count, limits.USES_MAX), self.name(name), by_others, ago, worth, span)

    def expectation(self, tree: Tree, text: str, span: Span) -> ast.Expect:
        """expect …"""
        kinds: dict[str, Any] = {"e_code_refused": "code-refused", "e_notin": "not-in"}
        kind = kinds.get(tree.data, tree.data.removeprefix("e_"))
        name: ast.Name | None = None
        money: ast.Money | None = None
        count: int | None = None
        because: ast.Name | None = None
        for part in tree.children:
            match getattr(part, "type", "money"):
                case "money":
                    money = self.money(part)
                case "INT":
                    count = self.integer(part)
                case "STRING":
                    quoted = self.quoted(part)
                    name = ast.Name(quoted.text, quoted.span)
                case "NAME" if name is None:
                    name = self.name(part)
                case "NAME":
                    because = self.name(part)
        return ast.Expect(kind, name, money, count, because, text, span)


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
