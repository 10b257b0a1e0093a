"""Names, types, meaning: all findings about a project at once, one per cause, sorted by file and line.

conditions.py  names and types of conditions: sets, places, segments, `when`
promotions.py  clauses of a promotion: what fits its group, limits, texts
cases.py       samples and tests
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dsl import ast, limits
from dsl.check_conditions import Conditions, depends_on
from dsl.check_promotions import Promotions
from dsl.check_tests import Tests
from dsl.data import Unreadable, misfit
from dsl.diagnostics import Diagnostic, found
from dsl.findings import Findings
from dsl.phrases import say
from dsl.project import Project, table_columns, where
from dsl.wrong_forms import did_you_mean
from dsl.zones import known_zones

BENEFIT_MODES = ("all", "first", "at-most")
GROUP_LINES = {"gives": "gives discounts", "apply": "apply best", "prices": "prices original"}


def check(project: Project) -> list[Diagnostic]:
    """Everything that is wrong with the declarations of a project."""
    findings = Findings(project)
    conditions = Conditions(findings)
    for table in (project.products, project.places, project.segments):
        for node in table.values():
            findings.of(conditions.declaration, node)
    _circles(findings)
    _groups(findings)
    _guards(findings)
    _codes(findings)
    _sources(findings)
    Promotions(findings, conditions).check()
    Tests(findings).check()
    return findings.all()


# ---------------------------------------------------------------------------------------------------- circles


def _circles(findings: Findings) -> None:
    project = findings.project
    for what, table in (
        (say("Product sets"), project.products),
        (say("Places"), project.places),
        (say("Segments"), project.segments),
    ):
        edges = {name: {n.text: n for n in depends_on(node) if n.text in table} for name, node in table.items()}
        for circle in circles({name: sorted(names) for name, names in edges.items()}):
            follower = circle[1] if len(circle) > 1 else circle[0]
            name = edges[circle[0]][follower]
            shown = " -> ".join((*circle, circle[0]))
            findings.add(found("P6003", name.span, what=what, circle=shown))


def circles(edges: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """One circle of each tangle, from its first name on; of a large tangle some."""
    remaining = {name: set(others) for name, others in edges.items()}
    _drop_leaves(remaining)
    return [circle for tangle in _tangles(remaining) for circle in _circles_of(tangle)]


def _tangles(remaining: Mapping[str, set[str]]) -> list[dict[str, set[str]]]:
    """What hangs together, each on its own."""
    around: dict[str, set[str]] = {name: set(others) for name, others in remaining.items()}
    for name, others in remaining.items():
        for other in others:
            around[other].add(name)
    tangles = []
    seen: set[str] = set()
    for name in sorted(remaining):
        if name in seen:
            continue
        seen.add(name)
        reached = [name]
        for member in reached:
            new = around[member] - seen
            seen |= new
            reached.extend(new)
        tangles.append({member: remaining[member] for member in reached})
    return tangles


def _circles_of(remaining: dict[str, set[str]]) -> list[list[str]]:
    found_circles: list[list[str]] = []
    while len(found_circles) < limits.CIRCLES_MAX:
        _drop_leaves(remaining)
        if not remaining:
            return found_circles
        path = [min(remaining)]
        while True:
            following = min(other for other in remaining[path[-1]] if other in remaining)
            if following in path:
                circle = path[path.index(following) :]
                break
            path.append(following)
        least = circle.index(min(circle))
        circle = circle[least:] + circle[:least]
        found_circles.append(circle)
        for name in circle:
            del remaining[name]
        for others in remaining.values():
            others.difference_update(circle)
    return found_circles


def _drop_leaves(remaining: dict[str, set[str]]) -> None:
    users: dict[str, list[str]] = {}
    names = set(remaining)  # two sets meet in the time of the smaller one
    for name, others in remaining.items():
        others &= names
        for other in others:
            users.setdefault(other, []).append(name)
    leaves = [name for name, others in remaining.items() if not others]
    while leaves:
        leaf = leaves.pop()
        del remaining[leaf]
        for user in users.get(leaf, ()):
            remaining[user].discard(leaf)
            if not remaining[user]:
                leaves.append(user)


# ---------------------------------------------------------------------------------------------------- groups, guards


def _groups(findings: Findings) -> None:
    project = findings.project
    sequence = project.sequence
    names = sequence.names if sequence else ()
    for name in names:
        if name.text not in project.groups:
            findings.unknown("P1006", name, project.groups, "group")
    findings.twice(names)
    placed = {name.text for name in names}
    for group in project.groups.values():
        _group(findings, group)
        if group.name.text not in placed and "sequence" not in project.incomplete:
            place = say(" ({where})", where=where(sequence.span, group.span)) if sequence else None
            findings.add(found("P3010", group.name.span, name=group.name.text, where=place))


def _group(findings: Findings, group: ast.Group) -> None:
    seen: dict[str, ast.GroupLine] = {}
    for line in group.lines:
        if line.kind in seen:
            findings.add(found("P2010", line.span, name=line.kind))
            continue
        seen[line.kind] = line
    for kind, write in GROUP_LINES.items():
        if kind not in seen and not group.broken:
            what = {"gives": say("gives"), "apply": say("applies"), "prices": say("counts from")}[kind]
            findings.add(found("P3009", group.name.span, name=group.name.text, what=what, write=write))
    gives, apply, order = (seen.get(kind) for kind in ("gives", "apply", "order"))
    if gives and apply and gives.word == "benefits" and apply.word not in BENEFIT_MODES:
        findings.add(found("P3011", apply.span, word=apply.word.replace("-", " ")))
    if apply and apply.word == "at-most" and apply.count < 1:
        findings.add(found("P2007", apply.span, what=say("The number"), least=1))
    for name in order.names if order else ():
        promotion = findings.project.promotions.get(name.text)
        if promotion is None:
            findings.unknown("P1012", name, findings.project.promotions, "promotion")
        elif not promotion.broken and group.name.text not in {
            clause.name.text for clause in promotion.clauses if isinstance(clause, ast.InGroup)
        }:
            findings.add(found("P3017", name.span, name=name.text, group=group.name.text))
    findings.twice(order.names if order else ())


def _guards(findings: Findings) -> None:
    for guard in findings.project.guards.values():
        for never in guard.nevers:
            for name in never.names:
                if name.text not in findings.project.products:
                    findings.unknown("P1001", name, findings.project.products, "products")
        if not guard.nevers and not guard.floors and not guard.broken:
            findings.add(found("P0207", guard.span))


# ---------------------------------------------------------------------------------------------------- codes, tables


def _codes(findings: Findings) -> None:
    project = findings.project
    for codes in project.codes.values():
        uses = [line for line in codes.lines if line.kind == "uses"]
        for line in uses[1:]:
            findings.add(found("P2010", line.span, name="each code"))
        for line in uses:
            if line.count < 1:
                findings.add(found("P2007", line.span, what=say("How often a code may be used"), least=1))
        holds = False
        for line in codes.lines:
            if line.kind == "code" and line.value is not None:
                holds = True
                if not line.value.text.strip():
                    findings.add(found("P2007", line.value.span, what=say("A code's length"), least=1))
            elif line.kind == "file" and line.value is not None:
                entries = findings.listed(line.value, ("code", "codes"))
                holds = holds or entries is None or bool(entries)
        if not holds and not codes.broken:
            findings.add(found("P3022", codes.name.span))


def _sources(findings: Findings) -> None:
    project = findings.project
    tables = _Tables(findings)
    if project.catalogue is not None:
        findings.of(tables.catalogue, project.catalogue)
    if project.stores is not None:
        findings.of(tables.stores, project.stores)


class _Tables:
    def __init__(self, findings: Findings) -> None:
        self.findings = findings

    def catalogue(self, source: ast.Source) -> None:
        _table(self.findings, source, ("sku", "article"), "item")

    def stores(self, source: ast.Source) -> None:
        _table(self.findings, source, ("id", "store"), "store")


def _table(findings: Findings, source: ast.Source, ids: tuple[str, ...], entity: str) -> None:
    path = source.path
    table = findings.project.table(path.text)
    if table is None:
        findings.no_file(path)
        return
    if isinstance(table, Unreadable):
        findings.add(found("P1018", path.span, name=path.text, why=table.why))
        return
    key = next((name for name in ids if name in table.columns), None)
    if key is None:
        named = tuple(f"«{name[:40]}»" for name in list(table.columns)[:6])
        hint = say(
            "Its first line names the columns, one of them «{name}»; here they are {names}.", name=ids[0], names=named
        )
        why = say("it has no column «{name}»", name=ids[0])
        findings.add(found("P1018", path.span, name=path.text, why=why, hint=hint))
        return
    seen: dict[str, int] = {}
    for row, cell in enumerate(table.columns[key]):
        if cell is None:
            findings.add(misfit(table, row, key, "", say("it is empty")))
            break
        if len(cell) > 256:
            findings.add(misfit(table, row, key, cell, say("it is longer than {most} characters", most=256)))
            break
        if cell in seen:
            line = table.lines[seen[cell]]
            findings.add(misfit(table, row, key, cell, say("line {line} has it too", line=line)))
            break
        seen[cell] = row
    for row, cell in enumerate(table.columns.get("time-zone", ()) if entity == "store" else ()):
        if cell is not None and cell not in known_zones():
            guess = did_you_mean(cell, known_zones())
            why = say("there is no such time zone")
            if guess:
                why = say("there is no such time zone, did you mean {name}", name=guess)
            findings.add(misfit(table, row, "time-zone", cell, why))
            break
    findings.extend(findings.project.recall(table_columns, source)[1])
