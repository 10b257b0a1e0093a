"""What happened before: events in windows, sums, sequences, the n-th order; anniversaries and who is alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dsl import ast, limits
from dsl.diagnostics import found
from dsl.phrases import did, few, say
from dsl.values import AttributeInfo
from dsl.vocabulary import TYPES
from dsl.wrong_forms import did_you_mean

if TYPE_CHECKING:
    from dsl.check_conditions import Conditions

SUMMED = ("money", "number")  # types that can be added up
SUM_OPERATORS = ("is", "is at least", "is at most", "is more than", "is less than", "is between")
_MINUTES: dict[str, tuple[int, int]] = {  # the shortest and the longest of each length
    "minute": (1, 1),
    "hour": (60, 60),
    "day": (1_440, 1_440),
    "week": (10_080, 10_080),
    "month": (28 * 1_440, 31 * 1_440),
    "year": (365 * 1_440, 366 * 1_440),
}
_SHORT = ("minute", "hour")
HALF_A_YEAR = 182  # days: within more of its day, an anniversary is always

Asked = ast.Happened | ast.SumOf | ast.NthOrder | ast.Anniversary | ast.SimilarTo


class History:
    """Checks these conditions for `Conditions`, and adds what it finds."""

    def __init__(self, conditions: Conditions) -> None:
        self.conditions = conditions
        self.findings = conditions.findings
        self.project = conditions.project

    def condition(self, node: Asked, line: ast.Line, scope: str) -> None:
        """Any of them in its scope."""
        if isinstance(node, ast.Anniversary):
            self.anniversary(node, scope)
            return
        if scope in ("products", "places"):
            other = say("who is like whom") if isinstance(node, ast.SimilarTo) else say("what happened before")
            self.conditions.wrong_scope(line, scope, other, "customer")
            return
        match node:
            case ast.Happened():
                self.happened(node)
            case ast.SumOf():
                self.sum_of(node)
            case ast.NthOrder():
                self.nth_order(node, line)
            case ast.SimilarTo():
                self.similar_to(node)

    # ------------------------------------------------------------------------------------------------ events

    def happened(self, node: ast.Happened) -> None:
        """So many events in a window, then others."""
        event = self.event_of(node.event)
        if node.low is not None and node.high is not None and node.low > node.high:
            self.findings.add(found("P2009", node.span))
        elif node.low == 0 and node.high is None:
            self.findings.add(found("P2007", node.span, what=say("The number after «at least»"), least=1))
        elif node.then and node.high == 0 and event is not None:
            what = say("The number before «then»")
            self.findings.add(found("P2007", node.then[0].span, what=what, least=1))
        self.window(node.window)
        for then in node.then:
            self.event_of(then.event)
        for then in node.then[limits.STEPS_MAX : limits.STEPS_MAX + 1]:
            self.findings.add(found("P0309", then.span, why=say("at most {most}", most=limits.STEPS_MAX)))

    def event_of(self, node: ast.EventOf) -> str | None:
        """The word for many of an event that exists; its set and its comparison are checked."""
        event = self.event(node.event)
        if node.of is not None:
            self.conditions.products(node.of)
        if node.where is not None and event is not None:
            self.where(node.where, event)
        return event

    def event(self, name: ast.Name) -> str | None:
        """The word for many, an unknown event reported."""
        words = self.project.event_words
        if name.text not in words:
            self.findings.unknown("P1023", name, words, "schema")
            return None
        return words[name.text]

    def where(self, node: ast.Compare, event: str) -> None:
        """A comparison of what the event itself has."""
        info = self.attribute(node.subject, event)
        if info is not None:
            self.conditions.typed(node, info)

    def attribute(self, subject: ast.Subject, event: str) -> AttributeInfo | None:
        """An attribute of this event."""
        attributes = self.project.event_attributes
        known = sorted(info.name for info in attributes.values() if info.entity == event)
        if subject.entity != event:
            near = subject.name if subject.name in known else did_you_mean(subject.name, known)
            fix = f"{event}.{near}" if near else None
            write = fix or f"{event}. ..."
            self.findings.add(found("P3025", subject.span, name=event, other=subject.path, write=write, fix=fix))
            return None
        info = attributes.get(subject.path)
        if info is None and not self.findings.schema_broken:
            guess = did_you_mean(subject.name, known)
            self.findings.once(
                "P1004",
                subject.path,
                subject.span,
                whose=say("«{event}» have", event=event),
                name=subject.name,
                did=did(guess),
                known=few(known),
                fix=f"{event}.{guess}" if guess else None,
            )
        return info

    def window(self, node: ast.Window) -> None:
        """Two ages: the older one first."""
        if node.kind != "ages":
            return
        older, younger = node.lengths
        if not is_longer(older, younger):
            write = f"between {_length(younger)} and {_length(older)} ago"
            fix = write if is_longer(younger, older) and node.span.line == younger.span.line else None
            span = node.span
            self.findings.add(found("P2015", span, write=write, fix=fix))

    # ------------------------------------------------------------------------------------------------ sums, n-th

    def sum_of(self, node: ast.SumOf) -> None:
        """An attribute that can be added up, compared with a number of its kind."""
        if node.of is not None:
            self.conditions.products(node.of)
        self.window(node.window)
        event = self.event(ast.Name(node.subject.entity, node.subject.span))
        if event is None:
            return
        if node.where is not None:
            self.where(node.where, event)
        info = self.attribute(node.subject, event)
        if info is None:
            return
        if info.kind not in SUMMED:
            can = say("amounts and numbers can be added up")
            noun = TYPES[info.kind].noun
            self.findings.add(found("P2001", node.subject.span, name=info.name, type=noun, op="sum of", can=can))
        elif node.op not in SUM_OPERATORS:
            can = say("it has: {words}", words=SUM_OPERATORS)
            op = node.op.removeprefix("is ")
            self.findings.add(found("P2001", node.span, name=info.name, type=say("sum"), op=op, can=can))
        elif node.of is not None and (info.name, info.kind) != ("total", "money"):
            self.findings.add(found("P3046", node.subject.span, name=info.path, write=f"{event}.total"))
        else:
            self.conditions.values(ast.Compare(node.subject, node.op, node.values, node.span), info)

    def nth_order(self, node: ast.NthOrder, line: ast.Line) -> None:
        """Orders are events of the schema."""
        self.event(ast.Name("orders", line.span))
        if node.nth > limits.COUNT_MAX:
            self.findings.add(found("P0309", node.span, why=say("at most {most}", most=limits.COUNT_MAX)))
        elif node.every and node.nth == 1:
            self.findings.add(found("P2007", node.span, what=say("The number after «every»"), least=2))

    # ------------------------------------------------------------------------------------------------ others

    def anniversary(self, node: ast.Anniversary, scope: str) -> None:
        """Of a date, and not always."""
        subject = node.subject
        if not self.conditions.in_scope(subject, scope):
            return
        info = self.conditions.attribute(subject)
        if info is not None and info.kind != "date":
            dates = tuple(
                sorted(a.path for a in self.project.attributes.values() if a.kind == "date" and a.entity == info.entity)
            )
            can = say("dates have one: {words}", words=dates) if dates else say("dates have one")
            noun = TYPES[info.kind].noun
            self.findings.add(found("P2001", subject.span, name=info.name, type=noun, op="anniversary of", can=can))
        if node.near == "calendar" and node.unit == "year":
            self.findings.add(found("P3023", node.span))
        elif node.within is not None and node.within.unit in _SHORT:
            self.findings.add(found("P2013", node.within.span))
        elif node.within is not None and bounds(node.within)[0] > HALF_A_YEAR * 1_440:
            self.findings.add(found("P0309", node.within.span, why=say("at most {most} days", most=HALF_A_YEAR)))

    def similar_to(self, node: ast.SimilarTo) -> None:
        """A segment, and how alike."""
        if node.segment.text not in self.project.segments:
            self.findings.unknown("P1002", node.segment, self.project.segments, "segment")
        if not 1 <= node.percent.value <= 100 or node.percent.value % 1:
            self.findings.add(found("P2006", node.percent.span, advice=say("a whole percentage from 1% to 100%")))

    # ------------------------------------------------------------------------------------------------ for whole lists

    def profiles(self, node: ast.Condition) -> Iterator[tuple[AttributeInfo | None, ast.Subject | ast.SimilarTo]]:
        """What a condition asks of a person, besides plain comparisons; None: a model's guess of its own."""
        events = self.project.event_attributes
        match node:
            case ast.Anniversary():
                yield self.project.attributes.get(node.subject.path), node.subject
            case ast.SimilarTo():
                yield None, node
            case ast.SumOf():
                yield events.get(node.subject.path), node.subject
                if node.where is not None:
                    yield events.get(node.where.subject.path), node.where.subject
            case ast.Happened():
                for event in (node.event, *(then.event for then in node.then)):
                    if event.where is not None:
                        yield events.get(event.where.subject.path), event.where.subject
            case _:
                return

    def refresh(self, node: ast.SetDecl, conditions: Iterator[ast.Condition]) -> None:
        """`refresh` once, and often enough for windows of hours."""
        for again in node.refresh[1:]:
            self.findings.add(found("P2010", again.span, name="refresh"))
        for refresh in node.refresh:
            if refresh.at is not None and refresh.at.seconds == 86_400:
                why = say("from 00:00 to 23:59")
                self.findings.add(found("P0106", refresh.at.span, what=say("time of the day"), why=why, fix="00:00"))
        if not node.refresh or node.refresh[0].at is None:
            return
        for condition in conditions:
            windows: list[ast.Window] = []
            if isinstance(condition, ast.Happened | ast.SumOf):
                windows = [condition.window]
            for window in windows:
                if any(length.unit in _SHORT for length in window.lengths):
                    line = node.refresh[0].span.line
                    self.findings.add(found("P3026", window.span, line=line))


def bounds(length: ast.Duration) -> tuple[int, int]:
    """In minutes: at least and at most so long."""
    least, most = _MINUTES[length.unit]
    return least * length.count, most * length.count


def is_longer(first: ast.Duration, second: ast.Duration) -> bool:
    """May the first be longer than the second? Months and years are compared as such."""
    months = {"month": 1, "year": 12}
    if first.unit in months and second.unit in months:
        return first.count * months[first.unit] > second.count * months[second.unit]
    return bounds(first)[1] > bounds(second)[0] and bounds(first) != bounds(second)


def _length(length: ast.Duration) -> str:
    return f"{length.count} {length.unit}{'' if length.count == 1 else 's'}"
