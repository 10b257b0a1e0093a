"""How many articles the product sets hold that findings suggest: «did you mean «fashion»? (products.promo:1, 18 204
articles)». Counted from what these sets are made of alone, so that errors elsewhere do not matter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from dsl import ast
from dsl.check import check
from dsl.check_conditions import depends_on
from dsl.diagnostics import Diagnostic
from dsl.lower import lower
from dsl.memory import Memory
from dsl.phrases import Phrase, many, say
from dsl.project import assemble
from dsl.sizes import set_sizes


def with_sizes(
    findings: Sequence[Diagnostic], declarations: Iterable[ast.Decl], files: Mapping[str, bytes], memory: Memory
) -> tuple[Diagnostic, ...]:
    """The findings; where a product set is suggested, with the number of its articles, if that is known."""
    suggested = {finding.fix.text for finding in findings if finding.code == "P1001" and finding.fix}
    if not suggested:
        return tuple(findings)
    sizes = _sizes(suggested, tuple(declarations), files, memory)
    return tuple(_said(finding, sizes) if finding.code == "P1001" else finding for finding in findings)


def _sizes(
    names: set[str], declarations: tuple[ast.Decl, ...], files: Mapping[str, bytes], memory: Memory
) -> dict[str, int]:
    needed = tuple(_needed(names, declarations))
    sources = any(isinstance(node, ast.Source) for node in needed)
    if not sources or any(getattr(node, "broken", False) for node in needed):
        return {}
    project, findings = assemble(needed, files, memory)  # tables that were read are not read again
    if any(finding.severity == "error" for finding in (*findings, *check(project))):
        return {}
    return set_sizes(lower(project))


def _needed(names: set[str], declarations: tuple[ast.Decl, ...]) -> Iterator[ast.Decl]:
    """The settings, the schema, the catalogue, these sets and those that they are made of."""
    sets = {node.name.text: node for node in declarations if isinstance(node, ast.SetDecl) and node.kind == "products"}
    reached = dict.fromkeys(name for name in sorted(names) if name in sets)
    queue = list(reached)
    for name in queue:
        inner = [other.text for other in depends_on(sets[name]) if other.text in sets and other.text not in reached]
        reached.update(dict.fromkeys(inner))
        queue.extend(dict.fromkeys(inner))
    for node in declarations:
        match node:
            case ast.Settings() | ast.Schema() | ast.Source(kind="catalogue"):
                yield node
            case ast.SetDecl(kind="products") if node is sets[node.name.text] and node.name.text in reached:
                yield node


def _said(finding: Diagnostic, sizes: Mapping[str, int]) -> Diagnostic:
    values = dict(finding.values)
    where = values.get("where")
    if finding.fix is None or finding.fix.text not in sizes or not isinstance(where, Phrase):
        return finding
    place, size = dict(where.values)["place"], sizes[finding.fix.text]
    several = say(" ({place}, {count} articles)", place=place, count=many(size))
    values["where"] = say(" ({place}, 1 article)", place=place) if size == 1 else several
    return replace(finding, values=tuple(values.items()))
