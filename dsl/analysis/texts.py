"""Texts for people that some languages have and others lack."""

from __future__ import annotations

from collections.abc import Iterator

from dsl import ast
from dsl.clauses import clauses
from dsl.diagnostics import Diagnostic, found
from dsl.project import Project


def findings(project: Project) -> Iterator[Diagnostic]:
    """Terms and hints in one language of the settings, not in all. (Labels are asked for in all of them anyway.)"""
    languages = project.settings.languages
    for promotion in project.promotions.values():
        said: dict[str, dict[str, ast.Label]] = {}
        for clause in clauses(promotion, ast.Label):
            if clause.kind != "label":
                said.setdefault(clause.kind, {})[clause.language.text] = clause
        for kind, texts in said.items():
            missing = tuple(language for language in languages if language not in texts)
            if missing and any(language in texts for language in languages):
                span = next(iter(texts.values())).span
                write = f'{kind} {missing[0]} "..."'
                name = promotion.name.text
                yield found("P5101", span, name=name, word=kind, languages=missing, write=write)
