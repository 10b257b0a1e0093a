"""Names and types of conditions: who may be asked about what, and with which operator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from dsl import ast
from dsl.check_history import History
from dsl.clauses import headings
from dsl.diagnostics import Diagnostic, found
from dsl.findings import Findings
from dsl.phrases import Phrase, did, few, say
from dsl.project import ENTITIES, WHOSE
from dsl.values import AttributeInfo, money, scalar, unfit, written
from dsl.vocabulary import OPERATORS, TYPES
from dsl.wrong_forms import did_you_mean
from engine.basket import UNITS

# Which entities a list of conditions may ask about.
SCOPES: dict[str, tuple[str, ...]] = {
    "products": ("item",),
    "places": ("store",),
    "segment": ("customer",),
    "when": ("basket", "delivery", "payment", "store", "customer"),
    "guard": ("item",),
}
_NOUN = {
    "products": say("product set"),
    "places": say("set of places"),
    "segment": say("segment"),
    "when": say("promotion's «when»"),
    "guard": say("guard"),
}
_INSTEAD = {
    ("segment", "basket"): say("ask it in «when» of the promotion"),
    ("segment", "item"): say("segments know the customer, never the basket"),
    ("when", "item"): say("name a set and ask what the basket has of it"),
    ("products", "customer"): say("ask it in a segment, and write «for» that segment"),
}


def depends_on(node: ast.SetDecl) -> Iterator[ast.Name]:
    """The sets that a set is made of."""
    for line in flat(node.lines):
        if isinstance(line.condition, ast.In):
            yield line.condition.name
        elif isinstance(line.condition, ast.SimilarTo):
            yield line.condition.segment


def flat(lines: tuple[ast.Line, ...]) -> Iterator[ast.Line]:
    """All lines, those of blocks too."""
    for line in lines:
        yield line
        if isinstance(line.condition, ast.Block):
            yield from flat(line.condition.lines)


class Conditions:
    """Checks conditions and adds what it finds."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.project = findings.project
        self.history = History(self)

    def declaration(self, node: ast.SetDecl) -> None:
        """A set, places, a segment."""
        for line in node.lines:
            self.condition(line.condition, line, node.kind)
        self.history.refresh(node, (line.condition for line in flat(node.lines)))
        if node.broken:
            return
        if not node.lines:
            self.findings.add(found("P0207", node.span))
        if node.kind == "segment":
            self.consent(node.lines)

    def condition(self, condition: ast.Condition, line: ast.Line, scope: str) -> None:
        """Any condition in its scope."""
        match condition:
            case ast.Block():
                for inner in condition.lines:
                    self.condition(inner.condition, inner, scope)
            case ast.Compare():
                self.compare(condition, scope)
            case ast.In():
                self.member(condition.name, scope)
            case ast.Consent():
                if scope in ("products", "places"):
                    self.wrong_scope(line, scope, say("a consent"), "customer")
                elif condition.name.text not in self.project.consents:
                    self.findings.unknown("P1009", condition.name, self.project.consents, "schema")
            case ast.BasketHas() | ast.BasketWorth() if scope != "when":
                self.wrong_scope(line, scope, say("the basket"), "basket")
            case ast.BasketHas():
                self.basket_has(condition)
            case ast.BasketWorth():
                self.basket_worth(condition)
            case ast.Happened() | ast.SumOf() | ast.NthOrder() | ast.Anniversary() | ast.SimilarTo():
                self.history.condition(condition, line, scope)

    def wrong_scope(self, line: ast.Line, scope: str, other: Phrase, entity: str) -> None:
        """A question that cannot be asked here."""
        advice = _INSTEAD.get((scope, entity))
        self.findings.add(found("P3012", line.span, what=_NOUN[scope], other=other, advice=advice))

    def member(self, name: ast.Name, scope: str) -> None:
        """in NAME."""
        project = self.project
        match scope:
            case "products":
                self.products(name)
            case "places":
                if name.text not in project.places:
                    self.findings.unknown("P1003", name, project.places, "places")
            case _:
                if name.text not in project.segments and not (scope == "when" and name.text in project.places):
                    self.findings.unknown("P1002", name, project.segments, "segment")

    def products(self, name: ast.Name) -> None:
        """A product set exists."""
        if name.text not in self.project.products:
            self.findings.unknown("P1001", name, self.project.products, "products")

    # ------------------------------------------------------------------------------------------------ the basket

    def basket_has(self, condition: ast.BasketHas) -> None:
        """So many of a set."""
        self.products(condition.of)
        low, high = condition.low, condition.high
        if low is not None and high is not None and low > high:
            self.findings.add(found("P2009", condition.span))
        if condition.unit and condition.unit not in UNITS:
            self.findings.add(found("P0109", condition.span, word=condition.unit))
        for bound in (low, high):
            if condition.unit and bound is not None and (bound * 1000) % 1:
                self.findings.add(
                    found("P2005", condition.span, currency=say("A measure"), digits=3, advice=say("write fewer"))
                )
        if low is not None and low < 1 and high is None and not condition.unit:
            self.findings.add(found("P2007", condition.span, what=say("The number after «at least»"), least=1))

    def basket_worth(self, condition: ast.BasketWorth) -> None:
        """An amount or two."""
        if condition.of is not None:
            self.products(condition.of)
            if condition.fees:
                self.findings.add(found("P3033", condition.span))
        currencies = self.project.settings.currencies
        amounts = []
        for bound in (condition.low, condition.high):
            if bound is None:
                continue
            converted = money(bound, currencies, scale="minor")
            if isinstance(converted, Diagnostic):
                self.findings.add(converted)
                return
            amounts.append(converted)
        if len(amounts) == 2:
            low, high = ({amount.currency: amount.value for amount in side} for side in amounts)
            if low.keys() != high.keys():
                self.findings.add(found("P2014", condition.span))
            elif any(low[currency] > high[currency] for currency in low):
                self.findings.add(found("P2009", condition.span))

    # ------------------------------------------------------------------------------------------------ attributes

    def attribute(self, subject: ast.Subject) -> AttributeInfo | None:
        """The attribute of a subject, an unknown one reported."""
        info = self.project.attributes.get(subject.path)
        if info is not None:
            return info
        findings = self.findings
        if subject.entity in self.project.event_words:
            findings.add(found("P3044", subject.span, name=subject.path))
        elif subject.entity not in ENTITIES:
            guess = did_you_mean(subject.entity, ENTITIES)
            span = replace(subject.span, end_column=subject.span.column + len(subject.entity))
            findings.once("P1005", subject.entity, span, name=subject.entity, did=did(guess), fix=guess)
        elif not findings.schema_broken:
            known = sorted(
                a.name for a in self.project.attributes.values() if a.entity == subject.entity and self.told(a)
            )
            guess = did_you_mean(subject.name, known)
            findings.once(
                "P1004",
                subject.path,
                replace(subject.span, column=subject.span.end_column - len(subject.name)),
                whose=WHOSE[subject.entity],
                name=subject.name,
                did=did(guess),
                known=few(known),
                fix=guess,
            )
        return None

    def told(self, info: AttributeInfo) -> bool:
        """Worth listing among the known ones."""
        return info.path != "store.id"

    def compare(self, node: ast.Compare, scope: str) -> None:
        """An attribute, an operator, values."""
        subject = node.subject
        if not self.in_scope(subject, scope):
            return
        if not subject.name:
            self.chosen(node)
            return
        info = self.attribute(subject)
        if info is not None:
            self.typed(node, info)

    def in_scope(self, subject: ast.Subject, scope: str) -> bool:
        """May it be asked here?"""
        if subject.entity not in (*ENTITIES, "payment") or subject.entity in SCOPES[scope]:
            return True
        other = subject.path
        advice = _INSTEAD.get((scope, subject.entity))
        self.findings.add(found("P3012", subject.span, what=_NOUN[scope], other=other, advice=advice))
        return False

    def typed(self, node: ast.Compare, info: AttributeInfo) -> None:
        """An operator and values that fit the attribute."""
        if self.not_known(node):
            return
        operator = OPERATORS[node.op]
        if info.kind not in operator.types:
            self.no_operator(node, info)
            return
        if node.op in ("is known", "is unknown"):
            return
        if node.op == "is listed in":
            self.findings.listed(*self.listed(node, info))
            return
        self.values(node, info)

    def listed(self, node: ast.Compare, info: AttributeInfo) -> tuple[ast.Quoted, tuple[str, ...]]:
        """The file of «is listed in» and what its heading may be."""
        path = node.values[0]
        assert isinstance(path, ast.Quoted)
        return path, headings(info.name)

    def not_known(self, node: ast.Compare) -> bool:
        """«is not known» compares with a value called known."""
        value = node.values[0] if node.values else None
        if node.op == "is not" and isinstance(value, ast.Word) and value.text in ("known", "unknown"):
            write = "is unknown" if value.text == "known" else "is known"
            self.findings.add(found("P0211", node.span, word=value.text, write=write, fix=write))
            return True
        return False

    def no_operator(self, node: ast.Compare, info: AttributeInfo) -> None:
        """A type without this operator."""
        op = node.op.removeprefix("is ").replace(" … ", " ") if node.op not in ("is", "is not") else node.op
        if info.kind in ("one of", "channel"):
            choices = info.choices or self.project.channels
            can = say("choose from: {words}", words=tuple(choices))
        else:
            fitting = [o for o, row in OPERATORS.items() if info.kind in row.types and "known" not in o]
            can = say("it has: {words}", words=tuple(fitting))
        noun = TYPES[info.kind].noun
        hint = self.meant(node, info)
        self.findings.add(found("P2001", node.span, name=info.name, type=noun, op=op, can=can, hint=hint))

    def meant(self, node: ast.Compare, info: AttributeInfo) -> Phrase | None:
        """A choice compared with a number: the score that there is, if there is one."""
        value = node.values[0] if len(node.values) == 1 else None
        if info.kind != "one of" or not isinstance(value, ast.Number):
            return None
        kinds = ("score-1-to-5", "number")
        fitting = [a for a in self.project.attributes.values() if a.entity == info.entity and a.kind in kinds]
        near = min(fitting, key=lambda a: (kinds.index(a.kind), a.name), default=None)
        return say("For a number:   {line}", line=f"{near.path} {node.op} {written(value)}") if near else None

    def values(self, node: ast.Compare, info: AttributeInfo) -> None:
        """Values of the attribute's type."""
        project = self.project
        converted: list[int | str] = []
        for value in node.values:
            if node.op.endswith("ago"):
                self.age(value, info)
                return
            if node.op in ("is under", "starts with"):
                if isinstance(value, ast.Quoted) and not value.text.strip("/"):
                    self.findings.add(found("P2007", value.span, what=say("The text's length"), least=1))
                return
            if info.kind == "money":
                self.money(value, info)
                continue
            result = scalar(info, value, project.channels)
            if isinstance(result, Diagnostic):
                if info.kind == "channel" and self.findings.schema_broken:
                    continue
                self.findings.add(result)
            elif result in converted and node.op != "is between":
                self.findings.add(found("P2010", value.span, name=written(value)))
            else:
                converted.append(result)
        if node.op == "is between" and len(converted) == 2 and converted[0] > converted[1]:  # type: ignore[operator]
            self.findings.add(found("P2009", node.span))
        if node.op == "is between" and info.kind == "money":
            self.money_bounds(node)

    def money(self, value: ast.Value, info: AttributeInfo) -> None:
        """An amount."""
        if not isinstance(value, ast.Money):
            self.findings.add(unfit(info, value))
            return
        converted = money(value, self.project.settings.currencies, scale="minor")
        if isinstance(converted, Diagnostic):
            self.findings.add(converted)

    def money_bounds(self, node: ast.Compare) -> None:
        """Both bounds in the same currencies, the first no more than the second."""
        sides = []
        for value in node.values:
            if not isinstance(value, ast.Money):
                return
            sides.append({currency: units for currency, units, _ in value.parts})
        if sides[0].keys() != sides[1].keys():
            self.findings.add(found("P2014", node.span))
        elif any(sides[0][currency] > sides[1][currency] for currency in sides[0]):
            self.findings.add(found("P2009", node.span))

    def age(self, value: ast.Value, info: AttributeInfo) -> None:
        """A length of time in days or more."""
        if not isinstance(value, ast.Duration):
            self.findings.add(unfit(info, value))
        elif value.unit in ("minute", "hour"):
            self.findings.add(found("P2013", value.span))

    def chosen(self, node: ast.Compare) -> None:
        """payment is …, delivery is …: names of the schema."""
        payment = node.subject.entity == "payment"
        names = self.project.payments if payment else self.project.services
        if self.not_known(node):
            return
        if node.op not in ("is", "is not", "is one of", "is not one of", "is known", "is unknown"):
            can = say("choose from: {words}", words=names)
            op = node.op.removeprefix("is ")
            self.findings.add(found("P2001", node.span, name=node.subject.entity, type=say("choice"), op=op, can=can))
            return
        for value in node.values:
            if not isinstance(value, ast.Word):
                self.findings.add(
                    found(
                        "P2003",
                        value.span,
                        name=node.subject.entity,
                        type=say("choice"),
                        other=say("something else"),
                        advice=say("write a name of the schema"),
                    )
                )
            elif value.text not in names:
                code = "P1011" if payment else "P1010"
                self.findings.unknown(code, ast.Name(value.text, value.span), names, "schema")

    # ------------------------------------------------------------------------------------------------ consent

    def consent(self, lines: tuple[ast.Line, ...]) -> None:
        """Personal and predicted attributes need consent to profiling in the same list."""
        if any(isinstance(line.condition, ast.Consent) and line.condition.name.text == "profiling" for line in lines):
            return
        for line in flat(lines):
            for info, asked in self.profiled(line.condition):
                if info is None:
                    why = say("a model's guess")
                    self.findings.add(found("P4010", asked.span, name="similar to", why=why))
                    return
                if info.personal or info.predicted:
                    why = say("personal") if info.personal else say("predicted by a model")
                    self.findings.add(found("P4010", asked.span, name=info.name, why=why))
                    return

    def profiled(self, node: ast.Condition) -> Iterator[tuple[AttributeInfo | None, ast.Subject | ast.SimilarTo]]:
        """What a condition asks of a person; None: a model's guess of its own."""
        if not isinstance(node, ast.Compare):
            for info, asked in self.history.profiles(node):
                if info is not None or isinstance(asked, ast.SimilarTo):
                    yield info, asked
            return
        known = self.project.attributes.get(node.subject.path)
        value = node.values[0] if node.values else None
        told = isinstance(value, ast.Word) and value.text in ("known", "unknown")  # meant so, and reported
        if known is not None and not told and node.op not in ("is known", "is unknown"):
            yield known, node.subject  # whether it was told is nobody's profile
