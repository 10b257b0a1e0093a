"""The Programs of a project for its analysis: those that can be made, whatever the machine cannot run.

What is left out is unknown to the analysis, and of the unknown nothing is claimed.
"""

from __future__ import annotations

import bisect
import dataclasses

from dsl.diagnostics import Diagnostic, Span
from dsl.lower import lower
from dsl.memory import Memory
from dsl.project import Project
from engine import program as p

# Constructs beside what decides: returns, the law's evidence, what is paid in cash.
BESIDE = frozenset(("P9008", "P9024", "P9026"))
# Constructs by which promotions bear on each other.
BETWEEN = frozenset(("P9021", "P9022"))


def programs_of(project: Project, refused: list[Diagnostic]) -> tuple[p.Program, ...]:
    """All Programs that can be made of what is not refused."""
    if not refused:
        return lower(project)
    touched = _declared_at(project, [finding.span for finding in refused if finding.code not in BESIDE])
    opaque = {name for name, node in project.segments.items() if node.span in touched}
    kept = dataclasses.replace(
        project,
        segments={
            name: dataclasses.replace(node, lines=()) if name in opaque else node
            for name, node in project.segments.items()
        },
        promotions={name: node for name, node in project.promotions.items() if node.span not in touched},
        memory=Memory(lasting=False),  # it is another project
    )
    return tuple(made for made in lower(kept) if not (isinstance(made, p.Segment) and made.name in opaque))


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
