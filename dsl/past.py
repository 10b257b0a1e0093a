"""What a test says happened before → the events of its request."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from typing import Protocol

from dsl import ast
from dsl.clauses import article_of, lines_of
from dsl.diagnostics import Diagnostic, found
from dsl.phrases import say
from dsl.project import Project
from dsl.situation import Ruleset
from dsl.zones import local_seconds, utc_seconds
from engine.articles import Article, article_column
from engine.basket import Event, EventHistory, EventItem, Fact, Facts
from engine.calendar import EPOCH, EXACT_US, shifted
from engine.instructions import TRUE
from engine.money import micros_per_minor
from engine.program import Program, Type
from engine.sets import Evaluator

TOTAL = "total"  # the attribute that says what an event was worth in all
_DAY = 86_400


def asks_for_articles(test: ast.Test) -> bool:
    """Whether some event of a test is of a product set."""
    return any(line.of is not None for line in lines_of(test, ast.GivenEvent))


def amount_of(project: Project, many: str) -> str:
    """The attribute that «worth» gives: the total; of an event without one, its first amount."""
    infos = [info for info in project.event_attributes.values() if info.entity == many]
    amounts = sorted(info.name for info in infos if info.kind == "money")
    return TOTAL if TOTAL in amounts or not amounts else amounts[0]


class Known(Protocol):
    """What a test says of things."""

    def sample(self, sample: ast.Sample) -> Facts:
        """What is known of a sample, besides its price."""
        ...

    def facts(self, given: Iterable[ast.GivenFact]) -> Facts:
        """Attributes by their names."""
        ...


class Past:
    """Makes the events of tests. `programs` are asked for articles of product sets. `report` is told where there are
    none."""

    def __init__(
        self,
        project: Project,
        programs: Iterable[Program] = (),
        report: Callable[[Diagnostic], None] = lambda _: None,
    ) -> None:
        self.project = project
        self.programs = programs
        self.report = report

    @cached_property
    def ruleset(self) -> Ruleset:
        """The Programs by kind and name."""
        return Ruleset(self.programs)

    def history(self, test: ast.Test, at_us: int, currency: str, facts: Known) -> EventHistory | None:
        """The whole past, as soon as a line speaks of it; None: not known."""
        given = lines_of(test, ast.GivenEvent)
        since = next((self.before(line.since, at_us) for line in lines_of(test, ast.GivenHistory)), 0)
        if not given and not since and not lines_of(test, ast.GivenNoEvent):
            return None
        events = (event for line in given for event in self.events(line, at_us, currency, facts))
        return EventHistory(tuple(events), since)

    def events(self, line: ast.GivenEvent, at_us: int, currency: str, facts: Known) -> Iterator[Event]:
        """So many alike."""
        many = self.project.event_words[line.event.text]
        worth = None
        if line.worth is not None:
            worth = next(int(units * 1_000_000) for code, units, _ in line.worth.parts if code == currency)
        items: tuple[EventItem, ...] = ()
        if line.of is not None:
            article = self.article(line.of, currency, facts)
            amount = None if worth is None else worth // micros_per_minor(currency)
            items = () if article is None else (EventItem(article.id, amount, article.given),)
        attributes = dict(facts.facts(line.facts))
        if worth is not None:
            attributes[amount_of(self.project, many)] = Fact(Type.MONEY, worth, currency)
        moment = self.before(line.before, at_us)
        event = Event(self.project.events[many].one.text, moment, attributes, items, currency)
        yield from [event] * line.count

    def before(self, moment: ast.Duration | ast.Moment, at_us: int) -> int:
        """Hours and minutes ago exactly, days at the same time of that day; a moment on the clock of the settings."""
        zone = self.project.settings.timezone
        if isinstance(moment, ast.Moment):
            seconds = moment.time.seconds if moment.time else 0
            return max(1, utc_seconds(zone, moment.date.value, seconds) * 1_000_000)
        count, unit = moment.count, moment.unit
        if unit in EXACT_US:
            return max(1, at_us - count * EXACT_US[unit])
        days, second = divmod(local_seconds(zone, at_us // 1_000_000), _DAY)
        day = shifted(EPOCH + datetime.timedelta(days=days), -count, unit)
        return max(1, utc_seconds(zone, day, second) * 1_000_000)

    def article(self, name: ast.Name, currency: str, facts: Known) -> Article | None:
        """An article of a product set: a sample that is in it, else one of the catalogue."""
        index = self.ruleset.catalogue.index
        samples = [(article_of(sample), facts.sample(sample)) for sample in self.project.samples.values()]
        of_samples = [Article(id_, index.get(id_, -1), given, "") for id_, given in samples]
        for articles in (of_samples, self.catalogue):
            column = partial(article_column, self.ruleset, articles=articles, currency=currency)
            judge = Evaluator(len(articles), column, self.ruleset.sets, currency, micros_per_minor(currency))
            member = (judge.member(name.text) == TRUE).nonzero()[0]
            if len(member):
                return articles[int(member[0])]
        why = say("no sample and no article of the catalogue is known to be in «{name}»", name=name.text)
        self.report(found("P7008", name.span, why=why, advice=say("add a sample")))
        return None

    @cached_property
    def catalogue(self) -> list[Article]:
        """All articles of the catalogue."""
        return [Article(id_, row, {}, "") for id_, row in self.ruleset.catalogue.index.items()]
