"""Where the clauses that a decision names stand in the text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dsl import ast
from dsl.diagnostics import Span
from dsl.project import Project


def clause_spans(project: Project) -> Mapping[tuple[str, str], Span]:
    """By (name of the promotion, set or segment, canonical text of the clause)."""
    spans: dict[tuple[str, str], Span] = {}
    for name, text, span in _clauses(project):
        spans.setdefault((name, text), span)
    return spans


def _clauses(project: Project) -> Iterator[tuple[str, str, Span]]:
    for promotion in project.promotions.values():
        name = promotion.name.text
        for clause in promotion.clauses:
            if isinstance(clause, ast.When):
                yield name, clause.line.text, clause.span
            elif isinstance(
                clause, ast.Runs | ast.OnlyOn | ast.Sold | ast.Choice | ast.WithCode | ast.Buy | ast.Get | ast.Limit
            ):
                yield name, clause.text, clause.span
    for table in (project.products, project.places, project.segments):
        for node in table.values():
            for line in node.lines:
                yield node.name.text, line.text, line.span
