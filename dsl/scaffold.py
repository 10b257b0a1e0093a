"""`einklang new`: a promotion with its tests, made from a template and fitted into a project. Texts in, a text out.

A template (dsl/templates/*.promo) has a head of `key: value` lines, a line `---`, and the text with gaps in `<…>`.

    <name> <set> <article> <group> <audience> <service> <channel> <sold>     names of the project, or new ones
    <EUR 3.00>        an amount, once for each currency of the project; <eur 3.00>: in its first, for tests
    <from> <until> <day> <saturday> <after>      dates; <day> is a Tuesday, <after> the first day that is out
    <labels> <given> <declarations>              lines: labels by language, facts of a customer, what is new

What can go wrong is told to the author, and nothing is written: Unfit.
"""

from __future__ import annotations

import datetime
import importlib.resources
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from dsl.compiler import Compilation, compile_project
from dsl.diagnostics import render
from dsl.format import format_text
from dsl.parse import parse
from dsl.project import Project, assemble
from dsl.situation import Ruleset, Situation
from dsl.spelling import amount
from dsl.trace import fact_text
from dsl.values import MACHINE_TYPES
from dsl.vocabulary import RESERVED
from dsl.wrong_forms import did_you_mean
from engine.basket import BasketLine, Customer, Fact, Request
from engine.money import EXPONENTS, exponent
from engine.program import (
    Age,
    All,
    Any_,
    Compare,
    Condition,
    Consent,
    Has,
    Known,
    Line,
    Member,
    None_,
    OneOf,
    StartsWith,
    Type,
    Under,
)

PROJECT = "project"
RUNS_DAYS = 14
FITTING = {  # how a group applies: for rewards of single articles, of a whole set, for benefits; the best first
    "item": ("best-per-item", "first-per-item", "best", "at-most", "first", "all"),
    "basket": ("best", "at-most", "all", "first"),
    "benefits": ("first", "all", "at-most"),
}
WRITE_GROUP = {
    "item": "group item-deals {\n  gives discounts\n  apply best per item\n  prices original\n}",
    "basket": "group basket-deals {\n  gives discounts\n  apply best\n  prices reduced\n}",
    "benefits": "group delivery {\n  gives benefits\n  apply first\n  prices reduced\n}",
}
STAFF = ("employee", "staff", "mitarbeit", "personal", "collaborat")  # parts of names that segments of staff have
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_GAP = re.compile(r"<([^<>\n]+)>")
_TEMPLATES = importlib.resources.files("dsl") / "templates"
_EPOCH = datetime.date(1970, 1, 1)
_DAY = 86_400
_TRIES_MAX = 64  # made-up articles or customers before a set counts as out of reach


class Unfit(Exception):
    """The template does not fit the project; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Template:
    """A promotion with gaps, and what it needs."""

    name: str
    head: Mapping[str, str]
    text: str

    @property
    def about(self) -> str:
        """What it does, in a line."""
        return self.head["about"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the author asks for; "" = whatever fits."""

    name: str
    products: str = ""
    audience: str = ""
    group: str = ""
    service: str = ""


@dataclass(slots=True)
class Made:
    """A new file, and which of its lines the author has to fill in."""

    text: str
    compilation: Compilation  # of the project with this file
    fill_in: list[str] = field(default_factory=list)
    meets: list[str] = field(default_factory=list)  # promotions that run then and take the same article


def templates() -> tuple[Template, ...]:
    """All of them, by name."""
    found = (path for path in _TEMPLATES.iterdir() if path.name.endswith(".promo"))
    return tuple(sorted((read(path.name.removesuffix(".promo")) for path in found), key=lambda one: one.name))


def read(name: str) -> Template:
    """One template. Raises Unfit where there is none of this name."""
    if not _NAME.fullmatch(name.removeprefix("3")) and not re.fullmatch(r"[a-z0-9-]+", name):
        raise Unfit(f"there is no template «{name}»; `einklang new` lists them")
    path = _TEMPLATES / f"{name}.promo"
    if not path.is_file():
        known = sorted(entry.name.removesuffix(".promo") for entry in _TEMPLATES.iterdir())
        guess = did_you_mean(name, known)
        raise Unfit(
            f"there is no template «{name}»" + (f", did you mean «{guess}»?" if guess else "; see einklang new")
        )
    head, _, text = path.read_text(encoding="utf-8").partition("---\n")
    pairs = (line.partition(": ") for line in head.splitlines() if line)
    return Template(name, {key: value for key, _, value in pairs}, text)


def new_project(
    day: datetime.date, *, currencies: tuple[str, ...], timezone: str, languages: tuple[str, ...]
) -> dict[str, str]:
    """The files of a new project by their paths: settings, sets, groups, and a first promotion with its tests."""
    for code in currencies:
        if code not in EXPONENTS:
            raise Unfit(f"«{code}» is no code of a currency, as EUR")
    for code in languages:
        if not re.fullmatch("[a-z]{2}", code):
            raise Unfit(f"«{code}» is no code of a language, as en")
    gaps = {
        "currencies": ", ".join(currencies),
        "timezone": timezone,
        "languages": ", ".join(languages),
        **_dates(day),
    }
    files: dict[str, str] = {}
    for path in sorted((_TEMPLATES / PROJECT).iterdir(), key=lambda entry: entry.name):
        text = path.read_text(encoding="utf-8")
        files[path.name] = _filled(text, gaps, currencies)
    data = {name: text.encode() for name, text in files.items()}
    errors = [found for found in compile_project(data).diagnostics if found.severity == "error"]
    if errors:
        raise Unfit(errors[0].message + f" ({errors[0].mark})" * bool(errors[0].mark))
    files = {name: format_text(text) for name, text in files.items()}
    first = Wanted("pasta-3-for-2", products="pasta")
    files["promotions/pasta-3-for-2.promo"] = new_promotion(Host(data), read("3-for-2"), first, day).text
    return files


def new_promotion(host: Host, template: Template, wanted: Wanted, day: datetime.date) -> Made:
    """The text of promotions/NAME.promo. Raises Unfit."""
    return _Scaffold(host, template, wanted, day).made()


def path_of(name: str) -> str:
    """Where a promotion of this name goes."""
    return f"promotions/{name}.promo"


class Host:
    """The project that a template is fitted into. Raises Unfit where it has errors, or nothing is there."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files
        compilation = compile_project(files)
        errors = sum(found.severity == "error" for found in compilation.diagnostics)
        declarations = [
            node for name in sorted(files) if name.endswith(".promo") for node in parse(name, files[name]).declarations
        ]
        if not declarations:
            raise Unfit("there is no project here; `einklang new project DIR` makes one")
        if errors:
            raise Unfit(f"the project has {errors} error{'' if errors == 1 else 's'}; `einklang check` shows them")
        self.project: Project = assemble(declarations, files)[0]
        self.ruleset = Ruleset(compilation.programs)


class _Scaffold:
    def __init__(self, host: Host, template: Template, wanted: Wanted, day: datetime.date) -> None:
        self.files = host.files
        self.project = host.project
        self.ruleset = host.ruleset
        self.template = template
        self.wanted = wanted
        self.day = day
        self.currencies = self.project.settings.currencies
        self.fill_in: list[str] = []
        self.declared: list[str] = []

    def made(self) -> Made:
        """The text, checked within the project."""
        self.name()
        products = self.products()
        article = self.article(products)
        gaps = {
            "name": self.wanted.name,
            "CODE": re.sub("[^A-Z0-9]", "", self.wanted.name.upper())[:12] or "CODE",
            "set": products,
            "article": article,
            "group": self.group(),
            "channel": self.channel(),
            "sold": "everywhere",
            "labels": "\n".join(self.labels()),
            **_dates(self.day),
        }
        if "service" in self.template.head:
            gaps["service"] = self.service()
        if "audience" in self.template.head:
            gaps["audience"], gaps["given"] = self.audience()
        gaps["declarations"] = "\n\n".join(self.declared)
        text = format_text(_filled(self.template.text, gaps, self.currencies))
        return Made(text, self.check(text), self.fill_in, list(self.meets()))

    def meets(self) -> Iterator[str]:
        """Promotions for everyone that run on the same days and take the sample article too: they may save more."""
        first = (self.day - _EPOCH).days * _DAY
        for promotion in self.ruleset.promotions.values():
            runs, targets = promotion.runs, [getattr(reward, "target", None) for reward in promotion.rewards]
            late = runs.start is not None and runs.start >= first + RUNS_DAYS * _DAY
            early = runs.until is not None and runs.until <= first
            of_goods = [target for target in targets if target is not None]
            if late or early or promotion.audience.any_of or promotion.code or not (of_goods or promotion.buy):
                continue
            sets = [need.of for need in promotion.buy.needs] if promotion.buy else []
            sets += [target.name for target in of_goods if target.kind in ("set", "count")]
            if not sets or any(self.example.in_set(products) for products in sets):
                yield promotion.name

    def check(self, text: str) -> Compilation:
        """Nothing is wrong with the new text in the project."""
        path = path_of(self.wanted.name)
        compilation = compile_project({**self.files, path: text.encode()})
        found = [one for one in compilation.diagnostics if one.span.file == path or one.severity == "error"]
        if found:
            raise Unfit("the template does not fit this project:\n\n" + render(found[0], compilation.sources))
        return compilation

    # ------------------------------------------------------------------------------------------------ names

    def name(self) -> None:
        """A name that is free."""
        name = self.wanted.name
        if not _NAME.fullmatch(name) or name in RESERVED["promotion"]:
            raise Unfit(f"«{name}» is no name: small letters, digits and single hyphens, a letter first")
        known = self.project.promotions.get(name)
        if known is not None:
            raise Unfit(f"there is a promotion «{name}» already ({known.span.file}:{known.span.line})")

    def free(self, name: str, taken: Iterable[str]) -> str:
        """The name, with a number where it is taken."""
        taken = set(taken)
        number = 2
        found = name
        while found in taken:
            found, number = f"{name}-{number}", number + 1
        return found

    def channel(self) -> str:
        """Where the tests take place."""
        if not self.project.channels:
            raise Unfit("the schema lists no channels; a test says where it takes place:   channels stores, webshop")
        return self.project.channels[0]

    def group(self) -> str:
        """A group that fits the reward; where the project has none at all, new ones."""
        kind = self.template.head["group"]
        groups = self.ruleset.groups
        gives = "benefits" if kind == "benefits" else "discounts"
        fitting = [one for one in groups.values() if one.gives == gives and one.apply in FITTING[kind]]
        if self.wanted.group:
            if self.wanted.group not in groups:
                raise self.unknown("group", self.wanted.group, groups)
            return self.wanted.group
        if fitting:
            return min(fitting, key=lambda one: (FITTING[kind].index(one.apply), one.position)).name
        text = WRITE_GROUP[kind]
        name = text.split()[1]
        if not groups and self.project.sequence is None:
            self.declared += [f"sequence {name}", text]
            return name
        raise Unfit(f"no group fits; add to the project, and «{name}» to its sequence:\n\n{text}")

    def service(self) -> str:
        """The service whose fee is waived."""
        services = self.project.services
        if not services:
            raise Unfit("the schema lists no services:   services shipping")
        if self.wanted.service:
            if self.wanted.service not in services:
                raise self.unknown("service", self.wanted.service, services)
            return self.wanted.service
        return next((name for name in services if "ship" in name or "deliver" in name), services[0])

    def unknown(self, noun: str, name: str, known: Iterable[str]) -> Unfit:
        """There is none of this name."""
        guess = did_you_mean(name, known)
        return Unfit(f"there is no {noun} «{name}»" + (f", did you mean «{guess}»?" if guess else ""))

    def labels(self) -> Iterator[str]:
        """One for each language, English where the template has none, as wide as the receipt."""
        settings = self.project.settings
        for language in settings.languages:
            head = self.template.head
            text = head.get(f"label {language}", head["label en"])
            if settings.width is not None and len(text) > settings.width:
                text = text[: settings.width + 1].rpartition(" ")[0] or text[: settings.width]
            yield f'label {language} "{text}"'

    # ------------------------------------------------------------------------------------------------ articles

    def products(self) -> str:
        """The set that is named, or a new one to fill in."""
        name = self.wanted.products
        if name in self.project.products:
            return name
        if name:
            if guess := did_you_mean(name, self.project.products):
                raise Unfit(f"there is no product set «{name}», did you mean «{guess}»?")
            if not _NAME.fullmatch(name) or name in RESERVED["product set"]:
                raise Unfit(f"«{name}» is no name: small letters, digits and single hyphens, a letter first")
        return self.free(name or f"{self.wanted.name}-articles", self.project.products)

    def article(self, products: str) -> str:
        """A sample article of the set: outside all guards, with all that they ask known."""
        name = self.free(f"{self.wanted.name}-article", self.project.samples)
        if products not in self.project.products:
            self.fill_in.append(f"products {products}")
            self.declared.append(
                '# fill in: the numbers of the articles, or a line such as   item.category is under "..."\n'
                f'products {products} {{\n  item.sku is one of "{name}"\n}}'
            )
            self.sample(name, self.outside({}, name))
            return name
        for facts in self.alternatives(products):
            sku = facts.pop("sku", None)
            known = self.outside(facts, str(sku.value) if sku else name)
            if self.sets(products, known, str(sku.value) if sku else name):
                self.sample(name, known, str(sku.value) if sku else "")
                return name
        raise Unfit(f"no article of «{products}» can be made up; leave --set out, and fill the new set in")

    def sample(self, name: str, facts: Mapping[str, Fact], sku: str = "") -> None:
        """Declare it."""
        self.example = self.situation(facts, sku or name)
        lines = [f'sku: "{sku}"'] if sku else []
        lines += [f"{attribute}: {self.literal('item', attribute, fact)}" for attribute, fact in facts.items()]
        lines.append("price: " + _amounts(Decimal(10), self.currencies))
        self.declared.append(f"sample {name} {{\n  " + "\n  ".join(lines) + "\n}")

    def sets(self, products: str, facts: Mapping[str, Fact], article: str) -> bool:
        """Is such an article in the set?"""
        return self.situation(facts, article).in_set(products) is True

    def situation(self, facts: Mapping[str, Fact], article: str) -> Situation:
        """A basket with this one article."""
        line = BasketLine("1", article, quantity=1, price_micros=10_000_000, attributes=dict(facts))
        return Situation(self.ruleset, Request(self.at_us(), self.currencies[0], "", (line,)), line)

    def at_us(self) -> int:
        """The instant at which made-up facts are judged."""
        return (self.day - _EPOCH).days * 86_400_000_000

    def alternatives(self, products: str) -> Iterator[dict[str, Fact]]:
        """Facts that may put an article into the set."""
        found = self.solutions([line.condition for line in self.ruleset.sets[products].lines], "item")
        for _, facts in zip(range(_TRIES_MAX), found, strict=False):
            yield facts

    def outside(self, facts: dict[str, Fact], article: str) -> dict[str, Fact]:
        """The facts, with more where a guard could not tell that the article is none of its own."""
        facts = dict(facts)
        guarded = sorted(
            {name for guard in self.ruleset.guards for name in (*guard.discount, *guard.count, *guard.ship_free)}
        )
        for name in guarded:
            if self.situation(facts, article).in_set(name) is False:
                continue
            for attribute in dict.fromkeys(self.asked(name)):
                if attribute in facts or f"item.{attribute}" in self.ruleset.defaults or attribute in ("sku", "price"):
                    continue
                for value in self.neutral(attribute):
                    if self.situation({**facts, attribute: value}, article).in_set(name) is not True:
                        facts[attribute] = value
                        break
        return facts

    def asked(self, products: str) -> Iterator[str]:
        """The attributes that a set looks at, itself or through others."""
        situation = Situation(self.ruleset, Request(self.at_us(), self.currencies[0], "", ()))
        queue = [line.condition for line in self.ruleset.sets[products].lines]
        while queue:
            condition = queue.pop(0)
            if isinstance(condition, All | Any_ | None_):
                queue += condition.of
            elif isinstance(condition, Member):
                queue += [line.condition for line in self.ruleset.sets[condition.name].lines]
            else:
                for attribute in situation.asked(condition):
                    yield attribute.removeprefix("item.")

    def neutral(self, attribute: str) -> Iterator[Fact]:
        """Values that say nothing special."""
        info = self.project.attributes[f"item.{attribute}"]
        machine = MACHINE_TYPES[info.kind]
        if info.choices:
            yield from (Fact(machine, choice) for choice in info.choices)
        elif machine is Type.TEXT:
            yield Fact(machine, {"country": "DE", "language": "en"}.get(info.kind, "Other"))
        elif machine is Type.TEXTS:
            yield Fact(machine, ("other",))
        elif machine is Type.MONEY:
            yield Fact(machine, 10_000_000, self.currencies[0])
        elif machine is Type.YES_NO:
            yield from (Fact(machine, 0), Fact(machine, 1))
        else:
            yield Fact(machine, 1_000_000 if machine is Type.NUMBER else 1)

    def literal(self, entity: str, attribute: str, fact: Fact) -> str:
        """A value as the language writes it for this attribute."""
        info = self.project.attributes.get(f"{entity}.{attribute}")
        value = fact.value[0] if isinstance(fact.value, tuple) else fact.value
        if isinstance(value, str):
            word = info is not None and info.kind in ("one of", "channel", "country", "language")
            return value if word else f'"{value}"'
        return fact_text(Fact(fact.type, value, fact.currency))

    # ------------------------------------------------------------------------------------------------ customers

    def audience(self) -> tuple[str, str]:
        """A segment, and the facts of a customer who is in it, as lines of a test."""
        segments = self.project.segments
        name = self.wanted.audience
        if name and name not in segments:
            raise self.unknown("segment", name, segments)
        if not name:
            name = next((one for one in sorted(segments) if any(part in one for part in STAFF)), "")
        if not name:
            name = self.free(f"{self.wanted.name}-people", segments)
            choice = self.project.attributes.get("customer.kind")
            if choice is not None and "employee" in choice.choices:
                self.declared.append(f"segment {name} {{\n  customer.kind is employee\n}}")
                return name, "given customer.kind is employee"
            self.fill_in.append(f"segment {name}")
            self.declared.append(
                "# fill in: the customers' numbers, or what is known of them\n"
                f'segment {name} {{\n  customer.id is one of "{name}-1"\n}}'
            )
            return name, f'given customer.id is "{name}-1"'
        lines = [line.condition for line in self.ruleset.segments[name].lines]
        for _, facts in zip(range(_TRIES_MAX), self.solutions(lines, "customer"), strict=False):
            consents = frozenset(key.removeprefix("consent ") for key in facts if key.startswith("consent "))
            plain = {key: fact for key, fact in facts.items() if not key.startswith("consent ")}
            identity = plain.pop("id", None)
            customer = Customer(
                id=str(identity.value) if identity else "customer",
                household="household",
                attributes=plain,
                consents=consents,
            )
            request = Request(self.at_us(), self.currencies[0], "", (), customer=customer)
            if Situation(self.ruleset, request).member(name):
                given = [
                    f"given customer.{key} is {self.literal('customer', key, fact)}" for key, fact in plain.items()
                ]
                given += [f"given consent to {consent}" for consent in sorted(consents)]
                given += [f'given customer.id is "{identity.value}"'] if identity else []
                return name, "\n".join(given)
        raise Unfit(f"no customer of «{name}» can be made up; choose another segment:   --for SEGMENT")

    # ------------------------------------------------------------------------------------------------ solving

    def solutions(self, conditions: list[Condition], entity: str) -> Iterator[dict[str, Fact]]:
        """Facts that may fulfil all of these; to be tried, since what must not hold is passed over."""
        if not conditions:
            yield {}
            return
        first, rest = conditions[0], conditions[1:]
        for facts in self.solution(first, entity):
            for more in self.solutions(rest, entity):
                yield {**more, **facts}

    def solution(self, condition: Condition, entity: str) -> Iterator[dict[str, Fact]]:
        """Facts that may fulfil one condition."""
        match condition:
            case All():
                yield from self.solutions(list(condition.of), entity)
            case Any_():
                for part in condition.of:
                    yield from self.solution(part, entity)
            case Member(negated=False):
                sets: Mapping[str, tuple[Line, ...]] = {
                    "products": {name: one.lines for name, one in self.ruleset.sets.items()},
                    "segment": {name: one.lines for name, one in self.ruleset.segments.items()},
                }.get(condition.of, {})
                lines = sets.get(condition.name, ())
                yield from self.solutions([line.condition for line in lines], entity)
            case Consent():
                yield {f"consent {condition.name}": Fact(Type.YES_NO, 1)}
            case Compare() | OneOf() | Under() | StartsWith() | Has() | Age() | Known(known=True):
                name = condition.attribute.removeprefix(f"{entity}.")
                for value in self.values(condition):
                    yield {name: value}
            case _:
                yield {}

    def values(self, condition: Compare | OneOf | Under | StartsWith | Has | Age | Known) -> Iterator[Fact]:
        """Values of its attribute that may fulfil a comparison."""
        info = self.project.attributes.get(condition.attribute)
        machine = MACHINE_TYPES[info.kind] if info else Type.TEXT
        others = [Fact(machine, choice) for choice in info.choices] if info and info.choices else []
        match condition:
            case Compare(op="eq" | "ge" | "le", value=value):
                yield Fact(machine, value)
            case Compare(op="ne"):
                yield from others or [Fact(machine, "other" if machine is Type.TEXT else 0)]
            case Compare(op=op, value=int(value)):
                step = 1_000_000 if machine is Type.NUMBER else 1
                yield Fact(machine, value + step if op == "gt" else value - step)
            case OneOf(values=values, negated=False):
                yield from (Fact(machine, value) for value in values[:4])
            case OneOf():
                yield from others or [Fact(machine, "other")]
            case Under(path=path):
                yield Fact(machine, path)
            case StartsWith(prefix=prefix):
                yield Fact(machine, f"{prefix}1")
            case Has(values=values):
                yield Fact(machine, values[:1])
            case Age(op=op, count=count, unit=unit):
                days = count * {"day": 1, "week": 7, "month": 31, "year": 366}[unit]
                today = (self.day - _EPOCH).days
                yield Fact(machine, today - days - 31 if op == "more" else today)
            case _:
                yield from others or [Fact(machine, "other" if machine is Type.TEXT else 1)]


# ---------------------------------------------------------------------------------------------------- gaps


def _dates(day: datetime.date) -> dict[str, str]:
    until = day + datetime.timedelta(days=RUNS_DAYS - 1)
    return {
        "from": day.isoformat(),
        "until": until.isoformat(),
        "after": (until + datetime.timedelta(days=1)).isoformat(),
        "day": _next(day, 1).isoformat(),
        "saturday": _next(day, 5).isoformat(),
    }


def _next(day: datetime.date, weekday: int) -> datetime.date:
    return day + datetime.timedelta(days=(weekday - day.weekday()) % 7)


def next_monday(day: datetime.date) -> datetime.date:
    """The first Monday after a day: when a new promotion begins if nothing else is said."""
    return _next(day + datetime.timedelta(days=1), 0)


def _filled(text: str, gaps: Mapping[str, str], currencies: tuple[str, ...]) -> str:
    def gap(found: re.Match[str]) -> str:
        word, _, units = found[1].partition(" ")
        if word == "EUR":
            return _amounts(Decimal(units), currencies)
        if word == "eur":
            return _amounts(Decimal(units), currencies[:1])
        return gaps[found[1]]

    return _GAP.sub(gap, text)


def _amounts(units: Decimal, currencies: Iterable[str]) -> str:
    """An amount in each currency. Those without cents get a hundred times as much, so that it is worth something."""
    return " or ".join(amount(code, units * 100 if exponent(code) == 0 else units) for code in currencies)
