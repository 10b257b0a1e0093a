"""The Programs of a project for its analysis: those that can be made, whatever the machine cannot run.

What is left out is unknown to the analysis, and of the unknown nothing is claimed.
"""

from __future__ import annotations

import bisect
import dataclasses

from dsl import ast
from dsl.diagnostics import Diagnostic, Span
from dsl.lower import lower
from dsl.memory import Memory
from dsl.project import Project
from engine import program as p

# Constructs beside what decides: returns, the law's evidence.
BESIDE = frozenset(("P9024", "P9026"))


def programs_of(project: Project, refused: list[Diagnostic]) -> tuple[p.Program, ...]:
    """All Programs that can be made of what is not refused."""
    if not refused:
        return tuple(made for made in lower(project) if of_one_set(made))
    touched = _declared_at(project, [finding.span for finding in refused if finding.code not in BESIDE])
    kept = dataclasses.replace(
        project,
        products=_emptied(project.products, touched),
        places=_emptied(project.places, touched),
        segments=_emptied(project.segments, touched),
        promotions={name: node for name, node in project.promotions.items() if node.span not in touched},
        memory=Memory(lasting=False),
    )
    return tuple(_opaque(made, project, touched) for made in lower(kept) if of_one_set(made))


def of_one_set(made: p.Program) -> bool:
    """All but promotions that buy of several sets, of one article, by measure, reward others than those bought, give in
    tiers or variants, or by a price list: nothing is claimed of these, nor by them of others."""
    if not isinstance(made, p.Promotion):
        return True
    if isinstance(made.reward, p.Tiers | p.Variants | p.PricesFrom):
        return False
    target = getattr(made.reward, "target", None)
    several = made.buy is not None and (
        len(made.buy.needs) > 1 or made.buy.needs[0].one_article or made.buy.needs[0].measure > 0
    )
    return not several and (target is None or target.kind != "count")


def _emptied(table: dict[str, ast.SetDecl], touched: set[Span]) -> dict[str, ast.SetDecl]:
    return {name: dataclasses.replace(node, lines=()) if node.span in touched else node for name, node in table.items()}


def _opaque(made: p.Program, project: Project, touched: set[Span]) -> p.Program:
    """A set that is refused asks for a fact of its own that nobody knows: so nothing of it is claimed."""
    match made:
        case p.Segment():
            entity, node = "customer", project.segments[made.name]
        case p.ProductSet():
            entity, node = "item", project.products[made.name]
        case p.Place():
            entity, node = "store", project.places[made.name]
        case _:
            return made
    if node.span not in touched:
        return made
    fact = p.Compare(attribute=f"{entity}.what {made.name} asks for", op="eq", value="")
    return made.model_copy(update={"lines": (p.Line(condition=fact, text=""),)})


def _declared_at(project: Project, spans: list[Span]) -> set[Span]:
    """The first lines of the declarations in which these lines stand."""
    tables = (project.promotions, project.segments, project.products, project.places, project.guards, project.codes)
    starts: dict[str, list[Span]] = {}
    for table in (*tables, project.groups, project.samples, project.tests):
        for node in table.values():
            starts.setdefault(node.span.file, []).append(node.span)
    for listed in starts.values():
        listed.sort()
    found = set()
    for span in spans:
        listed = starts.get(span.file, [])
        place = bisect.bisect_right(listed, span.line, key=lambda start: start.line)
        if place:
            found.add(listed[place - 1])
    return found
