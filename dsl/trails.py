"""Where the clauses that a decision names stand in the text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dsl import ast
from dsl.clauses import head
from dsl.diagnostics import Span
from dsl.project import Project
from engine.decision import CONTROL


@dataclass(frozen=True, slots=True)
class Clause:
    """One line of a declaration, as canonical text. `keyword` says what kind: "runs", "when", "line" of a set."""

    owner: str  # the declaration's name
    of: str  # "promotion", "group", "guard", "products", "places", "segment"
    keyword: str
    text: str
    span: Span


def clauses(project: Project) -> tuple[Clause, ...]:
    """The lines that a decision can turn on, by file and line."""
    return tuple(sorted(_clauses(project), key=lambda clause: clause.span))


def clause_spans(found: Iterable[Clause]) -> Mapping[tuple[str, str], Span]:
    """By (name of the promotion, set or segment, canonical text of the clause); of two equal ones the first."""
    spans: dict[tuple[str, str], Span] = {}
    for clause in found:
        spans.setdefault((clause.owner, clause.text), clause.span)
    return spans


def places(project: Project) -> Mapping[tuple[str, str], Span]:
    """Where else a comparison points to: declarations by (kind and name, ""), clauses by (name, their first words)."""
    tables: dict[str, Mapping[str, Any]] = {
        "promotion": project.promotions,
        "products": project.products,
        "place": project.places,
        "segment": project.segments,
        "group": project.groups,
        "guard": project.guards,
        "codes": project.codes,
        "prices": project.price_lists,
    }
    found = {(f"{kind} {name}", ""): node.span for kind, table in tables.items() for name, node in table.items()}
    if project.sequence is not None:
        found["sequence", ""] = project.sequence.span
    for promotion in project.promotions.values():
        for clause in promotion.clauses:
            match clause:
                case ast.Except() | ast.Owner():
                    found[promotion.name.text, type(clause).__name__.lower()] = clause.span
                case ast.Get() | ast.Variants():
                    found[promotion.name.text, "get"] = clause.span
                case ast.InGroup():
                    found[promotion.name.text, "group"] = clause.span
                case ast.Label():
                    found[promotion.name.text, f"{clause.kind} {clause.language.text}"] = clause.span
    return found


def _clauses(project: Project) -> Iterator[Clause]:
    for promotion in project.promotions.values():
        for clause in promotion.clauses:
            keyword, text = _promotion_clause(clause)
            if keyword:
                yield Clause(promotion.name.text, "promotion", keyword, text, clause.span)
            if isinstance(clause, ast.Get) and isinstance(clause.reward, ast.Tiers):
                for tier in clause.reward.tiers:
                    yield Clause(promotion.name.text, "promotion", "tier", tier.text, tier.span)
            if isinstance(clause, ast.Variants):
                for arm in clause.arms:
                    name = arm.name.text if arm.name else CONTROL
                    yield Clause(promotion.name.text, "promotion", f"variant {name}", arm.text, arm.span)
    for group in project.groups.values():
        for told in group.lines:
            if told.kind == "apply":
                most = f" {told.count} per basket" if told.word == "at-most" else ""
                text = f"apply {told.word.replace('-', ' ')}{most}"
                yield Clause(group.name.text, "group", "apply", text, told.span)
    for guard in project.guards.values():
        for never in guard.nevers:
            text = f"never {never.verb} {', '.join(name.text for name in never.names)}"
            yield Clause(guard.name.text, "guard", never.verb, text, never.names[0].span)
    for table in (project.products, project.places, project.segments):
        for node in table.values():
            for line in node.lines:
                yield Clause(node.name.text, node.kind, "line", line.text, line.span)


def _promotion_clause(clause: ast.Clause) -> tuple[str, str]:
    match clause:
        case ast.When():
            return "when", clause.line.text
        case ast.Runs():
            return "runs", clause.text
        case ast.OnlyOn():
            return "only on", clause.text
        case ast.Sold():
            return "sold", clause.text
        case ast.Choice():
            return clause.kind, clause.text
        case ast.WithCode():
            return "with code", clause.text
        case ast.WithReason():
            return "with reason", clause.text
        case ast.Buy():
            return "buy", clause.text
        case ast.Get():
            return "get", clause.text
        case ast.Variants():
            return "variants", head(clause)
        case ast.Limit():
            return "per article" if clause.scope == "article" else "limit", clause.text
        case ast.Exclusive():
            return "exclusive", "exclusive"
        case ast.NotWith():
            return "not with", clause.text
        case ast.InGroup():
            return "group", f"group {clause.name.text}"
        case ast.Except():
            return "except", f"except {', '.join(name.text for name in clause.names)}"
        case _:
            return "", ""
