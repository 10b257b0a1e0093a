"""Test blocks → cases: the request they describe, and what must come of it. Data only; `dsl.testing` runs them."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from dsl import ast
from dsl.clauses import (
    article_of,
    clauses,
    codes_of,
    counts,
    currency_of,
    first,
    known_as,
    limit_key,
    lines_of,
    price_of,
)
from dsl.diagnostics import Diagnostic, Span
from dsl.past import Past, asks_for_articles
from dsl.project import Project
from dsl.values import MACHINE_TYPES, AttributeInfo, scalar
from dsl.vocabulary import REASONS
from dsl.zones import utc_seconds
from engine.basket import BasketLine, Customer, Fact, Fee, LimitUsage, ManualDiscount, Request, VariantChoice
from engine.calendar import shifted
from engine.decision import Reason
from engine.money import exponent
from engine.program import Program, Type

KNOWN_CUSTOMER = "customer"  # of a test that says nothing else
KNOWN_HOUSEHOLD = "household"
KNOWN_BASKET = "basket"


@dataclass(frozen=True, slots=True)
class Expectation:
    """One `expect` line. `amount` in minor units; `lines` are those of the sample that `costs` and `refund`
    name."""

    kind: str
    text: str
    span: Span
    name: str = ""
    amount: int | None = None
    count: int | None = None
    because: Reason | None = None
    lines: tuple[str, ...] = ()
    party: str = ""  # of `funded`: supplier, partner


@dataclass(frozen=True, slots=True)
class Case:
    """A test, ready to be decided. `moment` says in words when it takes place."""

    name: str
    span: Span
    request: Request
    expectations: tuple[Expectation, ...]
    moment: str


def cases(
    project: Project,
    programs: Iterable[Program],
    report: Callable[[Diagnostic], None] = lambda _: None,
    *,
    all_of_them: bool = True,
) -> tuple[Case, ...]:
    """The tests of a project without errors, by file and line. `report` is told of those that nobody could run. Not
    `all_of_them`: only those of which some cannot."""
    nodes = (node for node in project.tests.values() if all_of_them or asks_for_articles(node))
    tests = sorted(nodes, key=lambda node: node.span)
    past = Past(project, programs, report)
    return tuple(
        _Maker(project, node, past).case() if asks_for_articles(node) else project.recall(_case, node) for node in tests
    )


def _case(project: Project, node: ast.Test) -> Case:
    """Of a test that depends on the project alone."""
    return _Maker(project, node, Past(project)).case()


class _Maker:
    def __init__(self, project: Project, test: ast.Test, past: Past) -> None:
        self.project = project
        self.test = test
        self.past = past
        self.currency = currency_of(project, test)

    def case(self) -> Case:
        """The case of this test."""
        moment = lines_of(self.test, ast.TestAt)[0].moment
        zone = self.project.settings.timezone
        seconds = moment.time.seconds if moment.time else 0
        at = utc_seconds(zone, moment.date.value, seconds)
        day = moment.date.value
        words = f"{day:%A} {day.isoformat()} {seconds // 3600:02d}:{seconds // 60 % 60:02d} {zone}"
        return Case(
            name=self.test.name.text,
            span=self.test.span,
            request=self.request(at, day),
            expectations=tuple(self.expectations()),
            moment=words,
        )

    # ------------------------------------------------------------------------------------------------ request

    def request(self, at: int, day: datetime.date) -> Request:
        """What the test asks."""
        subjects: dict[str, list[ast.GivenFact]] = {}
        for fact in lines_of(self.test, ast.GivenFact):
            if fact.value is not None:
                subjects.setdefault(fact.subject.entity, []).append(fact)
        given = lines_of(self.test, ast.Given)
        stores = [fact for fact in subjects.get("store", ()) if fact.subject.name == "id"]
        deliveries = [fact for fact in subjects.get("delivery", ()) if not fact.subject.name]
        return Request(
            at_us=at * 1_000_000,
            currency=self.currency,
            channel=lines_of(self.test, ast.TestChannel)[0].name.text,
            lines=tuple(self.basket()),
            store=_text(stores[-1].value) if stores else "",
            store_attributes=self.facts(subjects.get("store", ())),
            delivery=_text(deliveries[-1].value) if deliveries else "",
            delivery_attributes=self.facts(subjects.get("delivery", ())),
            payment=_text(subjects["payment"][-1].value) if "payment" in subjects else "",
            basket_attributes=self.facts(subjects.get("basket", ())),
            customer=self.customer(subjects.get("customer", ()), given, at * 1_000_000),
            codes=tuple(dict.fromkeys(line.name for line in given if line.kind == "code")),
            fees=tuple(self.fees()),
            usage=tuple(self.usage(day)),
            basket=KNOWN_BASKET,
            variants=tuple(
                VariantChoice(arm.promotion.text, arm.variant.text if arm.variant else "")
                for arm in lines_of(self.test, ast.GivenArm)
            ),
            manual_discounts=tuple(self.entered()),
        )

    def customer(self, facts: Iterable[ast.GivenFact], given: Iterable[ast.Given], at_us: int) -> Customer:
        """A known customer with just these facts; or nobody."""
        if any(line.kind == "offline" for line in given):
            return Customer()
        facts = list(facts)
        ids = [_text(fact.value) for fact in facts if fact.subject.name == "id"]
        return Customer(
            id=ids[-1] if ids else KNOWN_CUSTOMER,
            household=KNOWN_HOUSEHOLD,
            attributes=self.facts(facts),
            consents=frozenset(line.name for line in given if line.kind == "consent"),
            events=self.past.history(self.test, at_us, self.currency, self),
            facts_as_of_us=next(
                (self.past.before(line.as_of, at_us) for line in lines_of(self.test, ast.GivenFacts)), 0
            ),
        )

    def facts(self, given: Iterable[ast.GivenFact]) -> Mapping[str, Fact]:
        """Attributes by their names."""
        facts: dict[str, Fact] = {}
        for fact in given:
            name = fact.subject.name
            if not name or fact.subject.path in ("customer.id", "store.id") or fact.value is None:
                continue
            path = fact.subject.path
            made = self.fact(self.project.attributes.get(path) or self.project.event_attributes[path], fact.value)
            if made.type is Type.TEXTS and name in facts:
                before = facts[name].value
                assert isinstance(before, tuple) and isinstance(made.value, tuple)
                made = Fact(Type.TEXTS, (*before, *made.value))
            facts[name] = made
        return facts

    def fact(self, info: AttributeInfo, value: ast.Value) -> Fact:
        """A value in the scale of its type."""
        machine = MACHINE_TYPES[info.kind]
        if isinstance(value, ast.Money):
            units = next((units for code, units, _ in value.parts if code == self.currency), value.parts[0][1])
            code = self.currency if any(part[0] == self.currency for part in value.parts) else value.parts[0][0]
            return Fact(machine, int(units * 1_000_000), code)
        result = scalar(info, value, self.project.channels)
        assert not isinstance(result, Diagnostic), result
        return Fact(machine, (str(result),) if machine is Type.TEXTS else result)

    def basket(self) -> Iterator[BasketLine]:
        """The lines that are bought, numbered from 1."""
        chosen = [
            (ast.Buys(line.count, None, line.sample, None, "", hundreds=False, span=line.span), line.promotion.text)
            for line in lines_of(self.test, ast.Picks)
        ]
        bought = [(line, "") for line in lines_of(self.test, ast.Buys)]
        for number, (buys, gift_of) in enumerate([*bought, *chosen], start=1):
            sample = self.project.samples[buys.sample.text]
            price = price_of(self.project, buys, self.currency)
            rates = [v for name, v in sample.values if name.text == "tax-rate" and isinstance(v, ast.Percent)]
            yield BasketLine(
                id=str(number),
                article=article_of(sample),
                quantity=buys.count,
                measure=int(buys.measure.value * 1000) if buys.measure else 0,
                unit=buys.measure.unit if buys.measure else "",
                price_micros=None if price is None else int(price * 1_000_000),
                attributes=self.sample(sample),
                tax_rate=int(rates[-1].value * 100) if rates else None,
                gift_of=gift_of,
            )

    def entered(self) -> Iterator[ManualDiscount]:
        """What the cashier enters: off every line of the sample, or off the basket."""
        for line in lines_of(self.test, ast.GivenCashier):
            kind: Literal["percent", "amount"] = "percent" if isinstance(line.off, ast.Percent) else "amount"
            value = int(line.off.value * 100) if isinstance(line.off, ast.Percent) else self.minor(line.off)
            bought = enumerate(lines_of(self.test, ast.Buys), start=1)
            of = [str(number) for number, buys in bought if line.sample and buys.sample.text == line.sample.text]
            for one in of if line.sample else [""]:
                yield ManualDiscount(kind, value, line.reason.text, one)

    def sample(self, sample: ast.Sample) -> dict[str, Fact]:
        """What is known of a sample, besides its price."""
        return {
            name.text: self.fact(self.project.attributes[f"item.{name.text}"], value)
            for name, value in sample.values
            if name.text not in ("sku", "price", "tax-rate")
        }

    def fees(self) -> Iterator[Fee]:
        """What services cost."""
        for line in lines_of(self.test, ast.GivenFee):
            yield Fee(line.service.text, self.minor(line.amount))

    def minor(self, money: ast.Money) -> int:
        """An amount in the test's currency."""
        units = next(units for code, units, _ in money.parts if code == self.currency)
        return int(units.scaleb(exponent(self.currency)))

    # ------------------------------------------------------------------------------------------------ usage

    def usage(self, day: datetime.date) -> Iterator[LimitUsage]:
        """What counters stand at, by the uses that are given."""
        used: Counter[tuple[str, str, str]] = Counter()
        given = [known_as(self.project, line.name) for line in lines_of(self.test, ast.Given) if line.kind == "code"]
        for line in lines_of(self.test, ast.GivenUses):
            promotion = self.project.promotions[line.promotion.text]
            codes = first(promotion, ast.WithCode)
            mine = codes_of(self.project, self.project.codes[codes.codes.text]) if codes else ()
            for limit in clauses(promotion, ast.Limit):
                if not counts(limit, line) or not in_period(limit.period, day, line.ago):
                    continue
                worth = self.minor(line.worth) if line.worth else 0
                value = worth if limit.measure == "saving" else line.count
                for code in [code for code in given if code in mine] if limit.scope == "code" else [""]:
                    used[promotion.name.text, limit_key(limit), code] += value
        for fact in lines_of(self.test, ast.Given):
            if fact.kind == "used-code":
                self.used_code(known_as(self.project, fact.name), used)
        for (name, key, code), value in sorted(used.items()):
            yield LimitUsage(name, key, value, code)

    def used_code(self, code: str, used: Counter[tuple[str, str, str]]) -> None:
        """A code was used once: it counts for its sets and for the limits of promotions that take it."""
        used["", "code:ever:uses", code] += 1
        for promotion in self.project.promotions.values():
            asked = first(promotion, ast.WithCode)
            if asked is None or code not in codes_of(self.project, self.project.codes[asked.codes.text]):
                continue
            for limit in clauses(promotion, ast.Limit):
                if limit.scope == "code" and limit.measure != "saving":
                    used[promotion.name.text, limit_key(limit), code] += 1

    # ------------------------------------------------------------------------------------------------ expectations

    def expectations(self) -> Iterator[Expectation]:
        """What must come of it."""
        buys = lines_of(self.test, ast.Buys)
        for line in lines_of(self.test, ast.Expect):
            name = line.name.text if line.name else ""
            if line.kind == "code-refused":
                name = known_as(self.project, name)
            yield Expectation(
                kind=line.kind,
                text=line.text.removeprefix("expect "),
                span=line.span,
                name=name,
                amount=self.minor(line.money) if line.money else None,
                count=line.count,
                because=REASONS[line.because.text] if line.because else None,
                lines=tuple(
                    str(n)
                    for n, bought in enumerate(buys, 1)
                    if line.kind in ("costs", "refund") and bought.sample.text == name
                ),
                party=line.payer.kind if line.payer else "",
            )


def in_period(period: str, day: datetime.date, ago: ast.Duration | None) -> bool:
    """Does what happened so long ago lie in a limit's period, judged on this day?

    `in any 30 days`: today and the 29 days before."""
    then = _before(day, ago)
    if period == "ever":
        return True
    kind, _, rest = period.partition("-")
    if kind == "each":
        return _calendar(day, rest) == _calendar(then, rest)
    count, _, unit = rest.partition("-")
    singular = unit.removesuffix("s")
    if singular not in ("minute", "hour"):
        return then > shifted(day, -int(count), singular)
    if ago is None:
        return True
    return ago.unit in ("minute", "hour") and _minutes(ago.count, ago.unit) < _minutes(int(count), singular)


def _before(day: datetime.date, ago: ast.Duration | None) -> datetime.date:
    """The day of what happened so long ago; hours and minutes stay on their day."""
    return day if ago is None or ago.unit in ("minute", "hour") else shifted(day, -ago.count, ago.unit)


def _minutes(count: int, unit: str) -> int:
    return count * (60 if unit == "hour" else 1)


def _calendar(day: datetime.date, unit: str) -> tuple[int, ...]:
    year, week, _ = day.isocalendar()
    return {
        "day": (day.year, day.month, day.day),
        "week": (year, week),
        "month": (day.year, day.month),
        "year": (day.year,),
    }[unit]


def _text(value: ast.Value | None) -> str:
    assert isinstance(value, ast.Quoted | ast.Word)
    return value.text
