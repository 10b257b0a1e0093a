"""Findings while they are gathered: an unknown name is reported once, however often it is used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar, Unpack

from dsl import ast, limits
from dsl.data import Unreadable
from dsl.diagnostics import Diagnostic, Fix, Gaps, Span, found
from dsl.phrases import few, guessed, say
from dsl.project import Project
from dsl.vocabulary import SYNONYMS
from dsl.wrong_forms import did_you_mean

_N = TypeVar("_N")
_SAID = {  # words that people take for names
    ("P1001", "basket"): say("write «the basket»"),
    ("P1001", "everything"): say("declare it, in three lines:   products everything {{   item.sku is known   }}"),
    ("P1001", "all"): say("declare it, in three lines:   products everything {{   item.sku is known   }}"),
}


class Findings:
    """What was found in a project so far."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._found: list[Diagnostic] = []
        self._unknown: dict[tuple[str, str], list[tuple[Span, str | None, Gaps]]] = {}
        self._said = 0  # how often something was to be reported once

    def add(self, finding: Diagnostic) -> None:
        """One more."""
        self._found.append(finding)

    def extend(self, findings: Iterable[Diagnostic]) -> None:
        """Some more."""
        self._found.extend(findings)

    def of(self, judge: Callable[[_N], None], nodes: Iterable[_N]) -> None:
        """What a method finds about declarations; known from an earlier compilation where nothing of them changed.

        An unknown name is reported once in a project, so whoever names one is always judged again."""
        listed = list(nodes)
        what = getattr(judge, "__func__", judge)
        memory = self.project.memory
        known = memory.recall_each(what, listed) if memory.lasting else [None] * len(listed)
        for node, findings in zip(listed, known, strict=True):
            if findings is None:
                self._judge(judge, what, node)
            elif findings:
                self._found.extend(findings)

    def _judge(self, judge: Callable[[_N], None], what: object, node: _N) -> None:
        memory = self.project.memory
        if not memory.lasting:
            judge(node)
            return
        before, said = len(self._found), self._said

        def judged() -> tuple[Diagnostic, ...]:
            judge(node)
            return tuple(self._found[before:])

        memory.work(what, node, judged)
        if said != self._said:
            memory.drop(what, node)

    def unknown(self, code: str, name: ast.Name, known: Iterable[str], keyword: str, *, quoted: bool = False) -> None:
        """A name that nothing declares. Silent where its declaration could not be read: that was said already."""
        if name.text in self.project.broken.get(keyword, ()) or (keyword == "schema" and self.schema_broken):
            return
        table: Mapping[str, object] = known if isinstance(known, Mapping) else {}
        known = frozenset(known) | self.project.broken.get(keyword, set())
        meant = (word for word in SYNONYMS.get(name.text, ()) if word in known)
        guess = next(meant, None)
        if guess is None and (len(self._unknown) < limits.GUESSES_MAX or (code, name.text) in self._unknown):
            guess = did_you_mean(name.text, known)
        said = guessed(guess) or _SAID.get((code, name.text))
        if said is None and known and keyword in ("schema", "segment", "places", "group", "codes"):
            said = say("choose from: {words}", words=few(sorted(known)))
        fix = f'"{guess}"' if guess and quoted else guess
        declared = getattr(table.get(guess), "name", None) if guess else None
        where = say(" ({place})", place=f"{declared.span.file}:{declared.span.line}") if declared else None
        self.once(code, name.text, name.span, name=name.text, guess=said, fix=fix, where=where)

    def once(self, code: str, key: str, span: Span, *, fix: str | None = None, **values: Unpack[Gaps]) -> None:
        """A finding whose cause is one, wherever it shows."""
        self._said += 1
        self._unknown.setdefault((code, key), []).append((span, fix, values))

    def twice(self, names: Iterable[ast.Name]) -> None:
        """Each name of a list once."""
        seen: set[str] = set()
        for name in names:
            if name.text in seen:
                self.add(found("P2010", name.span, name=name.text))
            seen.add(name.text)

    @property
    def schema_broken(self) -> bool:
        """Something of the schema could not be read, so that unknown names may well be known."""
        return bool({"schema", "broken"} & self.project.incomplete)

    def listed(self, path: ast.Quoted, headings: Sequence[str]) -> tuple[str, ...] | None:
        """The entries of a file that a line refers to; None where it cannot be read, and that is said."""
        entries = self.project.listed(path.text, headings)
        if entries is None:
            self.no_file(path)
            return None
        if isinstance(entries, Unreadable):
            self.add(found("P1018", path.span, name=path.text, why=entries.why))
            return None
        return entries

    def no_file(self, path: ast.Quoted) -> None:
        """A file that is not there."""
        guess = did_you_mean(path.text, self.project.files)
        self.once("P1014", path.text, path.span, name=path.text, guess=guessed(guess))

    def all(self) -> list[Diagnostic]:
        """Everything found."""
        result = list(self._found)
        for (code, _), places in self._unknown.items():
            places.sort(key=lambda place: place[0])
            span, fix, values = places[0]
            more = len(places) - 1
            if more:
                one = say("Reported once; 1 more line uses it.")
                several = say("Reported once; {count} more lines use it.", count=more)
                values = {**values, "others": one if more == 1 else several}
            finding = found(code, span, fix=fix, **values)
            others = tuple((place, text) for place, text, _ in places[1:] if text is not None)
            if finding.fix and others:
                finding = replace(finding, fix=Fix(span, finding.fix.text, others))
            result.append(finding)
        return result
