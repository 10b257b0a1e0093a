"""Lines of tests about events, variants, the cashier, gifts and points: what they name, and that they matter."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Unpack

from dsl import ast
from dsl.check_conditions import Conditions
from dsl.check_history import History
from dsl.check_rewards import rewards_of
from dsl.clauses import clauses, first, lines_of
from dsl.diagnostics import Diagnostic, Gaps, Span, found
from dsl.past import amount_of
from dsl.phrases import TAKE_OUT, Phrase, say
from dsl.values import basis_points

if TYPE_CHECKING:
    from dsl.check_tests import Tests


class Givens:
    """Checks these lines for `Tests`, and adds what it finds."""

    def __init__(self, tests: Tests) -> None:
        self.tests = tests
        self.findings = tests.findings
        self.project = tests.project
        self.payers: dict[str, set[str]] | None = None
        self.reasons: set[str] | None = None
        self.history = History(Conditions(tests.findings))

    def report(self, code: str, span: Span, **values: Unpack[Gaps]) -> None:
        """Add a finding."""
        self.findings.add(found(code, span, **values))

    def nothing(self, span: Span, why: Phrase, advice: Phrase = TAKE_OUT) -> None:
        """A line that changes nothing."""
        self.report("P7009", span, why=why, advice=advice)

    def test(self, node: ast.Test) -> None:
        """One test."""
        self.twice(node)
        for line in node.lines:
            match line:
                case ast.GivenEvent():
                    self.event(line, node)
                case ast.GivenNoEvent():
                    self.known_event(line.event)
                case ast.GivenHistory() if not self.is_before(line.since, node):
                    self.nothing(line.span, say("the test is not later"))
                case ast.GivenFacts():
                    self.facts_of(line, node)
                case ast.GivenArm():
                    self.arm(line)
                case ast.GivenCashier():
                    self.cashier(line, node)
                case ast.Picks():
                    self.picks(line, node)
                case ast.Expect():
                    self.expect(line, node)
                case _:
                    pass

    def twice(self, node: ast.Test) -> None:
        """A history that is empty and not, two arms of one promotion, facts of somebody nothing is known of."""
        for once in (lines_of(node, ast.GivenHistory), lines_of(node, ast.GivenFacts)):
            for again in once[1:]:
                self.report("P7006", again.span, line=once[0].span.line)
        empty: dict[str, ast.GivenNoEvent] = {}
        words = self.project.event_words
        for line in lines_of(node, ast.GivenNoEvent):
            name = words.get(line.event.text, line.event.text)
            if name in empty:
                self.report("P7006", line.span, line=empty[name].span.line)
            empty.setdefault(name, line)
        for event in lines_of(node, ast.GivenEvent):
            name = words.get(event.event.text, event.event.text)
            if name in empty:
                line = empty[name]
                first_line, second = sorted((line.span, event.span))
                self.report("P7006", second, line=first_line.line)
                del empty[name]
        arms: dict[str, int] = {}
        for arm in lines_of(node, ast.GivenArm):
            if arm.promotion.text in arms:
                self.report("P7006", arm.span, line=arms[arm.promotion.text])
            arms.setdefault(arm.promotion.text, arm.span.line)
        self.offline(node)

    def offline(self, node: ast.Test) -> None:
        """Of a customer of whom nothing is known, no fact is given."""
        if not any(line.kind == "offline" for line in lines_of(node, ast.Given)):
            return
        for line in node.lines:
            told = isinstance(line, ast.GivenEvent | ast.GivenNoEvent | ast.GivenHistory | ast.GivenFacts)
            told = told or (isinstance(line, ast.GivenFact) and line.subject.entity == "customer")
            told = told or (isinstance(line, ast.Given) and line.kind == "consent")
            if told:
                self.nothing(line.span, say("nothing is known of the customer"), say("take one of the two lines out"))
                return

    # ------------------------------------------------------------------------------------------------ history

    def known_event(self, name: ast.Name) -> ast.Event | None:
        """An event of the schema."""
        words = self.project.event_words
        if name.text not in words:
            self.findings.unknown("P1023", name, words, "schema")
            return None
        return self.project.events[words[name.text]]

    def event(self, line: ast.GivenEvent, node: ast.Test) -> None:
        """So many of an event; one that has an amount, if it is worth something."""
        event = self.known_event(line.event)
        if line.of is not None and line.of.text not in self.project.products:
            self.findings.unknown("P1001", line.of, self.project.products, "products")
        if line.count < 1:
            name = event.many.text if event else line.event.text
            write = say("write:   given no {name}", name=name)
            self.report("P2007", line.span, what=say("The number of events"), least=1, advice=write)
        if not self.is_before(line.before, node):
            self.nothing(line.span, say("the test is not later"))
        if event is not None:
            self.attributes(line, event.many.text)
        if line.worth is None:
            return
        self.tests.amount(line.worth, node)
        if event is not None:
            infos = (a for a in self.project.event_attributes.values() if a.entity == event.many.text)
            if not any(info.kind == "money" for info in infos) and not self.findings.schema_broken:
                self.nothing(line.worth.span, say("«{name}» have no amount", name=event.many.text))

    def attributes(self, line: ast.GivenEvent, event: str) -> None:
        """What is known of an event: its own attributes, each once."""
        seen = {amount_of(self.project, event)} if line.worth is not None else set()
        for fact in line.facts:
            info = self.history.attribute(fact.subject, event)
            if info is None or fact.value is None:
                continue
            self.tests.fact(info, fact.value)
            if info.name in seen and info.kind != "list of text":
                self.report("P7006", fact.span, line=line.span.line)
            seen.add(info.name)

    def facts_of(self, line: ast.GivenFacts, node: ast.Test) -> None:
        """Not of the future, and of use to some segment."""
        if not self.is_before(line.as_of, node):
            self.nothing(line.span, say("the test is not later"))
        elif not any(segment.refresh for segment in self.project.segments.values()):
            self.nothing(line.span, say("no segment has a «refresh» line"))

    def is_before(self, moment: ast.Duration | ast.Moment, node: ast.Test) -> bool:
        """Is that earlier than the test?"""
        at = next((line.moment for line in lines_of(node, ast.TestAt)), None)
        if isinstance(moment, ast.Duration):
            return moment.count > 0
        return at is None or _order(moment) < _order(at)

    # ------------------------------------------------------------------------------------------------ variants

    def arm(self, line: ast.GivenArm) -> None:
        """A variant of a promotion that has variants."""
        promotion = self.tests.promotion(line.promotion)
        if promotion is None or promotion.broken:
            return
        name = promotion.name.text
        variants = first(promotion, ast.Variants)
        if variants is None:
            self.nothing(line.promotion.span, say("«{name}» has no variants", name=name))
            return
        arms = [arm.name.text for arm in variants.arms if arm.name is not None]
        if line.variant is None:
            if len(arms) == len(variants.arms):
                self.nothing(line.span, say("«{name}» has no control group", name=name))
        elif line.variant.text not in arms:
            self.findings.unknown("P1025", line.variant, arms, "promotion")

    # ------------------------------------------------------------------------------------------------ cashier, gifts

    def cashier(self, line: ast.GivenCashier, node: ast.Test) -> None:
        """Off something bought, for a reason that some promotion allows."""
        if isinstance(line.off, ast.Percent):
            result = basis_points(line.off)
            if isinstance(result, Diagnostic):
                self.findings.add(result)
        else:
            self.tests.amount(line.off, node)
        if line.sample is not None:
            self.bought(line.sample, node)
        promotions = self.project.promotions.values()  # asked each time: the memory notes who goes through all
        if self.reasons is None:
            lines = [reason for promotion in promotions for reason in clauses(promotion, ast.WithReason)]
            self.reasons = {name.text for reason in lines for name in reason.reasons}
        if not self.reasons:
            self.nothing(line.span, say("no promotion takes what the cashier enters"))
        elif line.reason.text not in self.reasons:
            self.findings.unknown("P1027", line.reason, self.reasons, "promotion")

    def bought(self, sample: ast.Name, node: ast.Test) -> bool:
        """A sample that this test buys."""
        if sample.text in {buys.sample.text for buys in lines_of(node, ast.Buys)}:
            return True
        if sample.text in self.project.samples:
            why, write = say("it buys no such sample"), say("add a «buys» line")
            self.report("P7008", sample.span, why=why, advice=write)
        else:
            self.findings.unknown("P1013", sample, self.project.samples, "sample")
        return False

    def picks(self, line: ast.Picks, node: ast.Test) -> None:
        """Of a promotion that gives gifts."""
        if line.count < 1:
            self.report("P2007", line.span, what=say("The number of pieces"), least=1)
        if line.sample.text not in self.project.samples:
            self.findings.unknown("P1013", line.sample, self.project.samples, "sample")
        else:
            self.tests.priced(ast.Buys(1, None, line.sample, None, "", hundreds=False, span=line.span), node)
        promotion = self.tests.promotion(line.promotion)
        if promotion is None or promotion.broken:
            return
        if not any(isinstance(reward, ast.Gift) for reward in rewards_of(promotion)):
            self.nothing(line.promotion.span, say("«{name}» gives no gift", name=promotion.name.text))

    # ------------------------------------------------------------------------------------------------ expectations

    def expect(self, line: ast.Expect, node: ast.Test) -> None:
        """Points, gifts, next codes, who pays, refunds, hints."""
        name = line.name
        match line.kind:
            case "applies" if line.count == 0:
                write = say("write:   expect {name} does not apply", name=name.text if name else "")
                self.report("P2007", line.span, what=say("The number of times"), least=1, advice=write)
            case "gift":
                if line.count is not None and line.count < 1:
                    self.report("P2007", line.span, what=say("The number of gifts"), least=1)
                if name is not None and name.text not in self.project.products:
                    self.findings.unknown("P1001", name, self.project.products, "products")
            case "code":
                if name is not None and name.text not in self.project.codes:
                    self.findings.unknown("P1007", name, self.project.codes, "codes")
            case "funded":
                self.payer(line)
            case "refund":
                self.refund(line, node)
            case "hint" if name is not None and not name.text.strip():
                self.report("P2007", name.span, what=say("The text's length"), least=1)
            case _:
                pass

    def payer(self, line: ast.Expect) -> None:
        """Somebody who pays for a promotion."""
        if line.payer is None or line.name is None:
            return
        promotions = self.project.promotions.values()  # as above
        if self.payers is None:
            self.payers = {}
            for promotion in promotions:
                for funded in clauses(promotion, ast.Funded):
                    for share in funded.shares:
                        names = self.payers.setdefault(share.payer.kind, set())
                        names.add(share.payer.name.text if share.payer.name else "")
        known = self.payers.get(line.payer.kind, set())
        other = next((kind for kind, names in self.payers.items() if line.name.text in names), "")
        if line.name.text in known:
            return
        if other:
            self.report("P1028", line.name.span, name=line.name.text, guess=say("it is a {word}", word=other))
        else:
            self.findings.unknown("P1028", line.name, known, "promotion", quoted=True)

    def refund(self, line: ast.Expect, node: ast.Test) -> None:
        """Pieces that were bought, no more of them."""
        if line.name is None or line.count is None:
            return
        if line.count < 1:
            self.report("P2007", line.span, what=say("The number of pieces"), least=1)
        if not self.bought(line.name, node):
            return
        lines = [buys for buys in lines_of(node, ast.Buys) if buys.sample.text == line.name.text]
        count = sum(buys.count if buys.measure is None else 1 for buys in lines)
        if line.count > count:
            why = say("it buys {count} of them", count=count)
            self.report("P7008", line.span, why=why, advice=say("return no more"))


def _order(moment: ast.Moment) -> tuple[datetime.date, int]:
    return moment.date.value, moment.time.seconds if moment.time else 0
