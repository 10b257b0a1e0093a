"""All analyses of a project, in one call: what is proven, placed in the text, each with a basket that shows it.

never_applies  contradictions: segments nobody can be in, sets that hold nothing, promotions that exclude themselves
never_wins     promotions that another one of their group beats on every basket
thresholds     thresholds that earlier discounts undo
tables         sets and places without an article or a store of the tables beside the rules; tables nobody asks for
guarded        what guards keep out of promotions
free, costs    promotions that give all away, or sell below cost
codes          codes in several sets
clock          weekdays that never come, moments that a clock skips or shows twice, years without holidays
advertised     price reductions against the prices of the 30 days before
texts          texts that some languages lack
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from dsl import ast
from dsl.analysis import (
    advertised,
    clock,
    codes,
    costs,
    examples,
    free,
    guarded,
    money_tables,
    never_applies,
    never_wins,
    tables,
    texts,
    thresholds,
)
from dsl.analysis.claims import Claim
from dsl.analysis.examples import Example
from dsl.analysis.known import Known
from dsl.analysis.programs import programs_of
from dsl.analysis.ruleset import Rules
from dsl.analysis.worlds import Worlds
from dsl.clauses import choice, clauses, first
from dsl.diagnostics import Diagnostic, Span, found, in_order
from dsl.machine import refused
from dsl.project import Project
from engine.program import Program


@dataclass(frozen=True, slots=True)
class Analysis:
    """What was found; `examples`: baskets that show it."""

    diagnostics: tuple[Diagnostic, ...]
    examples: tuple[Example, ...] = ()


def errors(project: Project, programs: tuple[Program, ...]) -> tuple[Diagnostic, ...]:
    """Those findings of `analyse` that are errors, for whoever needs no more: where the project's memory lasts, only of
    what changed. `programs`: all of the project; none where the machine cannot run all of it."""
    rules = Rules(programs or programs_of(project, refused(project)), _bounds(project))
    known = Known(rules, Worlds(rules), project.memory.beside("claims"))
    claims = list(never_applies.claims(rules, known))
    if any(source.kind == "prices" for source in project.sources) and any(
        first(node, ast.Advertised) is not None for node in project.promotions.values()
    ):
        prices = money_tables.history(project, rules.currency)
        claims += advertised.claims(rules, project.promotions, prices, _dead(claims))
    places = _Places(project)
    found = [places.finding(claim) for claim in claims]
    return in_order(finding for finding in found if finding.severity == "error")


def analyse(project: Project, programs: tuple[Program, ...], *, shown: bool = False) -> Analysis:
    """Everything that is wrong with a ruleset as a whole. Of a project that is checked and has no errors, but for what
    the machine cannot run yet; then there are no `programs`. `shown`: with baskets that show what is claimed of two
    promotions."""
    later = [] if programs else refused(project)
    rules = Rules(programs or programs_of(project, later), _bounds(project), _apart(project))
    exact = {name for name, codes in project.codes.items() if any(line.kind == "exact" for line in codes.lines)}
    claims = [
        claim
        for claim in of_rules(rules)
        if claim.kind != "codes" or not exact & {claim.name, str(claim.words["name"])}
    ]
    dead = _dead(claims)
    claims += costs.claims(rules, money_tables.costs(project, rules.currency), dead)
    prices = money_tables.history(project, rules.currency)
    claims += advertised.claims(rules, project.promotions, prices, dead)
    places = _Places(project)
    findings = [*(places.finding(claim) for claim in claims), *texts.findings(project), *tables.unused(project)]
    return Analysis(in_order(findings), tuple(examples.examples(rules, claims)) if shown else ())


def _dead(claims: Iterable[Claim]) -> frozenset[str]:
    """The promotions that never apply."""
    return frozenset(claim.name for claim in claims if claim.code == "P3105")


def of_rules(rules: Rules) -> Iterator[Claim]:
    """What is claimed of a ruleset by its Programs."""
    worlds = Worlds(rules)
    contradictions = list(never_applies.claims(rules, Known(rules, worlds)))
    yield from contradictions
    dead = frozenset(claim.name for claim in contradictions if claim.kind == "promotion")
    yield from tables.claims(rules, frozenset((claim.kind, claim.name) for claim in contradictions))
    yield from never_wins.claims(rules, worlds, dead)
    yield from thresholds.claims(rules, worlds, dead)
    yield from guarded.claims(rules, worlds, dead)
    yield from free.claims(rules, dead)
    yield from codes.claims(rules)
    yield from (claim for claim in clock.claims(rules) if claim.name not in dead)


def _apart(project: Project) -> frozenset[str]:
    """Promotions that others are not with, also those that are left out here."""
    rivals = (first(node, ast.NotWith) for node in project.promotions.values())
    return frozenset(name.text for clause in rivals if clause is not None for name in clause.names)


def _bounds(project: Project) -> dict[str, tuple[int, int]]:
    """What numbers an attribute can be by its type."""
    scores = (info for info in project.attributes.values() if info.kind == "score-1-to-5")
    return {info.path: (1_000_000, 5_000_000) for info in scores}


# ---------------------------------------------------------------------------------------------------- places


class _Places:
    """Where the parts of declarations stand, and what they say."""

    def __init__(self, project: Project) -> None:
        self.project = project

    def finding(self, claim: Claim) -> Diagnostic:
        """The claim in the text."""
        span, _ = self.place(claim, claim.part)
        also = tuple(self.place(claim, part)[0] for part in claim.also)
        return found(claim.code, span, also=also, **claim.words)

    def place(self, claim: Claim, part: str) -> tuple[Span, str]:
        """The span of a part and its text."""
        what, _, number = part.partition(" ")
        match claim.kind:
            case "promotion":
                return self._clause(self.project.promotions[claim.name], part)
            case "codes":
                codes = self.project.codes[claim.name]
                return (codes.lines[int(number)].span, "") if what == "line" else (codes.name.span, claim.name)
        tables = {"segment": self.project.segments, "products": self.project.products, "places": self.project.places}
        node = tables[claim.kind][claim.name]
        if what == "line":
            line = node.lines[int(number)]
            return line.span, line.text
        return node.name.span, claim.name

    def _clause(self, node: ast.Promotion, part: str) -> tuple[Span, str]:
        what, _, number = part.rpartition(" ")
        if what == "when":
            line = clauses(node, ast.When)[int(number)]
            return line.span, f"when {line.line.text}"
        if what == "limit":
            limit = clauses(node, ast.Limit)[int(number)]
            return limit.span, limit.text
        single = _SINGLE.get(part)
        clause = single(node) if single else None
        if clause is None:
            return node.name.span, node.name.text
        if isinstance(clause, ast.Except):
            return clause.span, "except " + ", ".join(name.text for name in clause.names)
        return clause.span, getattr(clause, "text", part)


_SINGLE: dict[str, Callable[[ast.Promotion], ast.Clause | None]] = {
    "runs": lambda node: first(node, ast.Runs),
    "only on": lambda node: first(node, ast.OnlyOn),
    "sold": lambda node: first(node, ast.Sold),
    "for": lambda node: choice(node, "for"),
    "only at": lambda node: choice(node, "only at"),
    "code": lambda node: first(node, ast.WithCode),
    "buy": lambda node: first(node, ast.Buy),
    "get": lambda node: first(node, ast.Get),
    "except": lambda node: first(node, ast.Except),
    "advertised": lambda node: first(node, ast.Advertised),
}
