"""Samples and tests: their names, their values, and that a test can be decided at all."""

from __future__ import annotations

from decimal import Decimal
from typing import Unpack

from dsl import ast
from dsl.check_givens import Givens
from dsl.clauses import article_of, clauses, counts, currency_of, lines_of, price_of
from dsl.data import Table
from dsl.diagnostics import Diagnostic, Gaps, Span, found
from dsl.findings import Findings
from dsl.phrases import TAKE_OUT, did, few, say
from dsl.project import ENTITIES, WHOSE
from dsl.values import AttributeInfo, exponent_of, money, scalar, unfit
from dsl.vocabulary import REASONS
from dsl.wrong_forms import did_you_mean

_OF_SAMPLES = ("price", "tax-rate")  # what every sample may say, whatever the schema


class Tests:
    """Checks samples and tests and adds what it finds."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.project = findings.project
        self.articles: frozenset[str | None] | None = None  # of the catalogue
        self.givens = Givens(self)

    def check(self) -> None:
        """All of them."""
        self.findings.of(self.sample, self.project.samples.values())
        self.findings.of(self.test, self.project.tests.values())

    def report(self, code: str, span: Span, *, fix: str | None = None, **values: Unpack[Gaps]) -> None:
        """Add a finding."""
        self.findings.add(found(code, span, fix=fix, **values))

    # ------------------------------------------------------------------------------------------------ samples

    def sample(self, node: ast.Sample) -> None:
        """Attributes of articles, each once."""
        seen: set[str] = set()
        for name, value in node.values:
            if name.text in seen:
                self.report("P2010", name.span, name=name.text)
                continue
            seen.add(name.text)
            info = self.item(name)
            if info is not None:
                self.fact(info, value)

    def item(self, name: ast.Name) -> AttributeInfo | None:
        """The attribute that a line of a sample names."""
        info = self.project.attributes.get(f"item.{name.text}")
        if info is not None:
            return info
        if name.text in _OF_SAMPLES:
            kind = "money" if name.text == "price" else "percent"
            return AttributeInfo("item", name.text, kind, (), False, False, None, name.span)
        if not self.findings.schema_broken:
            known = sorted({a.name for a in self.project.attributes.values() if a.entity == "item"} | set(_OF_SAMPLES))
            guess = did_you_mean(name.text, known)
            self.findings.once(
                "P1004",
                f"item.{name.text}",
                name.span,
                whose=WHOSE["item"],
                name=name.text,
                did=did(guess),
                known=few(known),
                fix=guess,
            )
        return None

    def fact(self, info: AttributeInfo, value: ast.Value) -> None:
        """A value of its attribute's type."""
        if info.kind == "money":
            if not isinstance(value, ast.Money):
                self.findings.add(unfit(info, value))
                return
            converted: object = money(value, self.project.settings.currencies, scale="micros")
        else:
            converted = scalar(info, value, self.project.channels)
        if isinstance(converted, Diagnostic):
            self.findings.add(converted)

    # ------------------------------------------------------------------------------------------------ tests

    def test(self, node: ast.Test) -> None:
        """One test."""
        moments = lines_of(node, ast.TestAt)
        channels = lines_of(node, ast.TestChannel)
        if not node.broken:
            if not moments:
                self.report("P7003", node.name.span, what=say("when it takes place"), write="at 2026-09-08 12:00")
            if not channels:
                self.report("P7003", node.name.span, what=say("where it takes place"), write="sold in ...")
            if not lines_of(node, ast.Expect):
                self.report("P7002", node.name.span)
        once: tuple[list[ast.TestAt], list[ast.TestChannel]] = (moments, channels)
        for lines in once:
            for second in lines[1:]:
                self.report("P7006", second.span, line=lines[0].span.line)
        for channel in channels:
            if channel.name.text not in self.project.channels:
                self.findings.unknown("P1008", channel.name, self.project.channels, "schema")
        self.facts(node)
        self.givens.test(node)
        for line in node.lines:
            match line:
                case ast.Given():
                    self.given(line)
                case ast.GivenFee():
                    self.service(line.service)
                    self.amount(line.amount, node)
                case ast.GivenUses():
                    self.uses(line, node)
                case ast.Buys():
                    self.buys(line, node)
                case ast.Expect():
                    self.expect(line, node)
                case _:
                    pass

    def facts(self, node: ast.Test) -> None:
        """Facts that attributes allow, each once."""
        seen: dict[str, int] = {}
        for line in lines_of(node, ast.GivenFact):
            subject = line.subject
            if subject.name:
                info = self.attribute(subject)
                if info is None:
                    continue
                repeatable = info.kind == "list of text"
                if line.value is not None:
                    self.fact(info, line.value)
                if subject.path == "basket.lines":
                    self.report(
                        "P7008", line.span, why=say("«basket.lines» is counted from what is bought"), advice=TAKE_OUT
                    )
            else:
                repeatable = False
                self.chosen(line)
            if subject.path in seen and not repeatable:
                self.report("P7006", line.span, line=seen[subject.path])
            seen.setdefault(subject.path, line.span.line)

    def attribute(self, subject: ast.Subject) -> AttributeInfo | None:
        """Of customer, basket, store or delivery."""
        if subject.entity == "item":
            self.report(
                "P7008",
                subject.span,
                why=say("articles are told by samples"),
                advice=say("write a sample and what it «buys»"),
            )
            return None
        info = self.project.attributes.get(subject.path)
        if info is not None:
            return info
        if subject.entity not in ENTITIES:
            guess = did_you_mean(subject.entity, ENTITIES)
            self.findings.once("P1005", subject.entity, subject.span, name=subject.entity, did=did(guess))
        elif not self.findings.schema_broken:
            known = sorted(a.name for a in self.project.attributes.values() if a.entity == subject.entity)
            guess = did_you_mean(subject.name, known)
            self.findings.once(
                "P1004",
                subject.path,
                subject.span,
                whose=WHOSE[subject.entity],
                name=subject.name,
                did=did(guess),
                known=few(known),
            )
        return None

    def chosen(self, line: ast.GivenFact) -> None:
        """given delivery is …, given payment is …"""
        payment = line.subject.entity == "payment"
        names = self.project.payments if payment else self.project.services
        if isinstance(line.value, ast.Word):
            if line.value.text not in names:
                name = ast.Name(line.value.text, line.value.span)
                self.findings.unknown("P1011" if payment else "P1010", name, names, "schema")
        elif line.value is not None:
            self.report(
                "P2003",
                line.value.span,
                name=line.subject.entity,
                type=say("choice"),
                other=say("something else"),
                advice=say("write a name of the schema"),
            )

    def given(self, line: ast.Given) -> None:
        """Consents are those of the schema; codes may be any."""
        if line.kind == "consent" and line.name not in self.project.consents:
            self.findings.unknown("P1009", ast.Name(line.name, line.span), self.project.consents, "schema")
        if line.kind in ("code", "used-code") and not line.name.strip():
            self.report("P2007", line.span, what=say("A code's length"), least=1)

    def uses(self, line: ast.GivenUses, node: ast.Test) -> None:
        """Uses of a promotion that counts them."""
        if line.worth is not None:
            self.amount(line.worth, node)
        promotion = self.promotion(line.promotion)
        if promotion is None or promotion.broken:
            return
        if not any(counts(limit, line) for limit in clauses(promotion, ast.Limit)):
            self.report("P7007", line.span, name=line.promotion.text)

    def promotion(self, name: ast.Name) -> ast.Promotion | None:
        """A promotion that exists."""
        promotion = self.project.promotions.get(name.text)
        if promotion is None:
            self.findings.unknown("P1012", name, self.project.promotions, "promotion")
        return promotion

    def service(self, name: ast.Name) -> None:
        """A service of the schema."""
        if name.text not in self.project.services:
            self.findings.unknown("P1010", name, self.project.services, "schema")

    def amount(self, value: ast.Money, node: ast.Test) -> None:
        """In minor units, in the test's currency."""
        converted = money(value, self.project.settings.currencies, scale="minor")
        if isinstance(converted, Diagnostic):
            self.findings.add(converted)
            return
        self.currency(value, node)

    def currency(self, value: ast.Money, node: ast.Test) -> None:
        """The test's currency is among them."""
        if not self.project.settings.currencies:
            return
        currency = currency_of(self.project, node)
        if currency not in {code for code, _, _ in value.parts}:
            self.report("P7005", value.span, currency=value.parts[0][0], first=currency)

    def buys(self, line: ast.Buys, node: ast.Test) -> None:
        """A sample, a quantity, a price in the test's currency."""
        sample = self.project.samples.get(line.sample.text)
        if line.measure is None and line.count < 1:
            self.report("P2007", line.span, what=say("The number of pieces"), least=1)
        if line.measure is not None:
            if line.measure.value <= 0 or -exponent_of(line.measure.value) > 3:
                self.report(
                    "P2007",
                    line.measure.span,
                    what=say("A measure"),
                    least=Decimal("0.001"),
                    advice=say("with at most 3 decimals"),
                )
            if line.per != line.measure.unit:
                why = say("the price is per {per}, and {unit} is bought", per=line.per, unit=line.measure.unit)
                self.report("P7008", line.span, why=why, advice=say("write both in one unit"))
        if line.price is not None:
            converted = money(line.price, self.project.settings.currencies, scale="micros")
            if isinstance(converted, Diagnostic):
                self.findings.add(converted)
                return
            self.currency(line.price, node)
        if sample is None:
            self.findings.unknown("P1013", line.sample, self.project.samples, "sample")
            return
        if line.price is None:
            self.priced(line, node)

    def priced(self, line: ast.Buys, node: ast.Test) -> None:
        """There is a price for a sample."""
        sample = self.project.samples[line.sample.text]
        if not self.project.settings.currencies or sample.broken:
            return
        currency = currency_of(self.project, node)
        if price_of(self.project, line, currency) is None and not self.in_catalogue(sample):
            self.report("P7004", line.sample.span, name=line.sample.text, currency=currency)

    def in_catalogue(self, sample: ast.Sample) -> bool:
        """The catalogue has the sample's article, with its price."""
        if any(name.text == "price" for name, _ in sample.values):
            return False
        table = self.project.table(self.project.catalogue.path.text) if self.project.catalogue else None
        if not isinstance(table, Table):
            return self.project.catalogue is not None
        if self.articles is None:
            self.articles = frozenset(table.columns.get("sku", table.columns.get("article", [])))
        return article_of(sample) in self.articles

    def expect(self, line: ast.Expect, node: ast.Test) -> None:
        """One expectation."""
        if line.money is not None:
            self.amount(line.money, node)
        if line.because is not None and line.because.text not in REASONS:
            guess = did_you_mean(line.because.text, REASONS)
            name = line.because.text
            self.report("P7001", line.because.span, name=name, did=did(guess), known=tuple(REASONS), fix=guess)
        if line.name is None:
            return
        match line.kind:
            case "saves" | "applies" | "not":
                self.promotion(line.name)
            case "free" | "fee":
                self.service(line.name)
            case "in" | "not-in":
                if line.name.text not in self.project.segments:
                    self.findings.unknown("P1002", line.name, self.project.segments, "segment")
            case "costs":
                if line.name.text not in {buys.sample.text for buys in lines_of(node, ast.Buys)}:
                    if line.name.text in self.project.samples:
                        self.report(
                            "P7008", line.name.span, why=say("it buys no such sample"), advice=say("add a «buys» line")
                        )
                    else:
                        self.findings.unknown("P1013", line.name, self.project.samples, "sample")
            case _:
                pass
