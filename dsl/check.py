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
from dsl.check_tables import Tables
from dsl.check_tests import Tests
from dsl.diagnostics import Diagnostic, found
from dsl.findings import Findings
from dsl.phrases import say
from dsl.project import Project, where
from dsl.values import money
from dsl.vocabulary import TYPES

BENEFIT_MODES = ("all", "first", "at-most")
GROUP_LINES = {"gives": "gives discounts", "apply": "apply best", "prices": "prices original"}


def check(project: Project) -> list[Diagnostic]:
    """Everything that is wrong with the declarations of a project."""
    findings = Findings(project)
    conditions = Conditions(findings)
    for table in (project.products, project.places, project.segments):
        findings.of(conditions.declaration, table.values())
    _circles(findings)
    _settings(findings)
    _groups(findings)
    _guards(findings, conditions)
    _codes(findings)
    Tables(findings).check()
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
        asking = {
            name: names
            for name, names in zip(table, project.recall_each(_depends, table.values()), strict=True)
            if names
        }
        edges = {name: {n.text: n for n in names if n.text in asking} for name, names in asking.items()}
        for circle in circles({name: sorted(names) for name, names in edges.items()}):
            follower = circle[1] if len(circle) > 1 else circle[0]
            name = edges[circle[0]][follower]
            shown = " -> ".join((*circle, circle[0]))
            others = zip(circle[1:], (*circle[2:], circle[0]), strict=True) if len(circle) > 1 else ()
            also = tuple(edges[user][used].span for user, used in others)
            findings.add(found("P6003", name.span, also=also, what=what, circle=shown))


def _depends(_project: Project, node: ast.SetDecl) -> tuple[ast.Name, ...]:
    return tuple(depends_on(node))


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


# ---------------------------------------------------------------------------------------------------- settings


def _settings(findings: Findings) -> None:
    currencies = findings.project.settings.currencies
    for line in findings.project.settings_lines:
        if isinstance(line, ast.Setting):
            continue
        amount = line.to if isinstance(line, ast.CashRounding) else line.per
        converted = money(amount, currencies, scale="minor")
        if isinstance(converted, Diagnostic):
            findings.add(converted)
        elif any(part.value == 0 for part in converted):
            findings.add(found("P2007", amount.span, what=say("The amount"), least=say("the smallest coin")))
        elif isinstance(line, ast.BasePoints):
            if line.points < 1:
                findings.add(found("P2007", line.span, what=say("The number of points"), least=1))
            missing = [code for code in currencies if code not in {code for code, _, _ in amount.parts}]
            if missing:
                write = "points " + str(line.points) + " per " + " or ".join(f"{code} ..." for code in currencies)
                findings.add(found("P3043", amount.span, name=missing[0], write=write))


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


def _guards(findings: Findings, conditions: Conditions) -> None:
    for guard in findings.project.guards.values():
        for names in (*(never.names for never in guard.nevers), *(floor.names for floor in guard.floors)):
            for name in names:
                conditions.products(name)
            findings.twice(names)
        for floor in guard.floors:
            _floor(findings, conditions, floor)
        if not guard.nevers and not guard.floors and not guard.broken:
            findings.add(found("P0207", guard.span))


def _floor(findings: Findings, conditions: Conditions, floor: ast.Floor) -> None:
    """An amount that articles have."""
    subject = floor.subject
    if not conditions.in_scope(subject, "guard"):
        return
    info = conditions.attribute(subject)
    if info is None or info.kind == "money":
        return
    amounts = [a.path for a in findings.project.attributes.values() if (a.entity, a.kind) == ("item", "money")]
    can = say("amounts of articles: {words}", words=tuple(sorted(amounts))) if amounts else say("a floor is an amount")
    findings.add(found("P2001", subject.span, name=info.name, type=TYPES[info.kind].noun, op="below", can=can))


# ---------------------------------------------------------------------------------------------------- codes


def _codes(findings: Findings) -> None:
    project = findings.project
    for codes in project.codes.values():
        uses = [line for line in codes.lines if line.kind == "uses"]
        for line in [line for line in codes.lines if line.kind == "exact"][1:]:
            findings.add(found("P2010", line.span, name="exact"))
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
