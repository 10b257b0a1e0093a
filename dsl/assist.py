"""What an editor asks about a project while it is written. Pure: files in, answers out; server/lsp.py is the door.

Lines and columns count from 1, as everywhere in dsl; columns count characters.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dsl import ast, limits
from dsl.complete import Item, Known, complete
from dsl.data import Unreadable, read_table
from dsl.days_off import holidays
from dsl.diagnostics import Diagnostic, Span
from dsl.following import context
from dsl.hover import Hover, hover
from dsl.names import KINDS, Index, Occurrence, Symbol, leaves, occurrences
from dsl.parse import Parsed, Pieces, parse
from dsl.phrases import Language, say
from dsl.project import Project, assemble
from dsl.sentence import sentence
from dsl.snippets import snippets
from dsl.source import block_end, lines_of, mask
from dsl.vocabulary import RESERVED

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_WORDS_LISTED_MAX = 300  # of a table's column: nobody chooses among more
_RELATED_MAX = 10  # places named beside a finding
SUFFIX = ".promo"
_AGAIN = {"Owner.text": "Owner.text", "Payer.name": "Payer.name", "Source.name": "PriceList.name"}  # where texts return


@dataclass(frozen=True, slots=True)
class Walked:
    """What is in a declaration: its names, and texts in quotes that others may want to write again."""

    node: ast.Decl
    names: tuple[Occurrence, ...]
    texts: frozenset[tuple[str, str]]  # with the node and field that hold them

    @staticmethod
    def of(node: ast.Decl) -> Walked:
        """Gone through once."""
        quoted = ((".".join(leaf.place), leaf.node.text) for leaf in leaves(node) if isinstance(leaf.node, ast.Quoted))
        return Walked(node, tuple(occurrences(node)), frozenset(pair for pair in quoted if pair[0] in _AGAIN))


@dataclass(frozen=True)
class File:
    """One .promo file, read."""

    name: str
    data: bytes
    parsed: Parsed
    pieces: Pieces  # what is read once where it stays as it is
    walked: Mapping[int, Walked]  # by the identity of the declaration

    @staticmethod
    def read(name: str, data: bytes, before: File | None = None) -> File:
        """Never raises for what the file holds."""
        pieces = dict(before.pieces) if before else {}
        parsed = parse(name, data, pieces)
        walked: dict[int, Walked] = {}
        for node in parsed.declarations:
            known = before.walked.get(id(node)) if before else None
            walked[id(node)] = known if known is not None and known.node is node else Walked.of(node)
        return File(name, data, parsed, pieces, walked)

    @property
    def names(self) -> tuple[Occurrence, ...]:
        """All names in it."""
        return tuple(o for one in self.walked.values() for o in one.names)

    @functools.cached_property
    def lines(self) -> list[str]:
        """As the parser counts them."""
        return lines_of(self.parsed.text)

    @functools.cached_property
    def masked(self) -> list[str]:
        """Without comments and the insides of texts."""
        return [mask(line) for line in self.lines]

    def extent(self, node: ast.Decl) -> Span:
        """The whole declaration, to its closing brace."""
        first = min(node.span.line, len(self.masked)) - 1
        last = min(max(block_end(self.masked, first), first + 1), len(self.lines))
        return Span(self.name, node.span.line, 1, last, len(self.lines[last - 1]) + 1)


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace a span by a text."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Action:
    """Something that an editor can do by machine."""

    title: str
    edits: tuple[Edit, ...]
    finding: Diagnostic | None = None


@dataclass(frozen=True, slots=True)
class Outline:
    """A declaration as lists of symbols show it."""

    name: str
    kind: str  # the keyword
    title: str
    whole: Span
    head: Span


@dataclass(frozen=True, slots=True)
class Lens:
    """A line above a declaration: `command` "test" runs it, "" only tells."""

    span: Span
    title: str
    command: str = ""
    argument: str = ""


class CannotRename(Exception):
    """A sentence that says why."""


class Assist:
    """A project at one moment. `before` spares what has not changed."""

    def __init__(self, files: Mapping[str, bytes], before: Assist | None = None) -> None:
        self.files = files
        known = before.read if before else {}
        self.read: dict[str, File] = {}
        for name in sorted(name for name in files if name.endswith(SUFFIX)):
            old = known.get(name)
            self.read[name] = old if old is not None and old.data == files[name] else File.read(name, files[name], old)
        self._columns: dict[str, tuple[bytes, Mapping[str, Sequence[str]]]] = before._columns if before else {}

    @functools.cached_property
    def index(self) -> Index:
        """All names."""
        return Index(file.names for file in self.read.values())

    @functools.cached_property
    def declarations(self) -> tuple[ast.Decl, ...]:
        """Of all files."""
        return tuple(node for file in self.read.values() for node in file.parsed.declarations)

    def settings(self, kind: str) -> tuple[str, ...]:
        """The words of one line of the settings."""
        for node in self.declarations:
            for line in node.lines if isinstance(node, ast.Settings) else ():
                if isinstance(line, ast.Setting) and line.kind == kind:
                    return tuple(name.text for name in line.values)
        return ()

    @functools.cached_property
    def project(self) -> Project:
        """The declarations by name, as the checker knows them."""
        return assemble(self.declarations, self.files)[0]

    def meaning(self, symbol: Symbol, language: Language) -> str:
        """What a declaration says, in sentences; "" where that cannot be said."""
        first = next((table for table in self.project.named() if symbol.name in table), {})
        declared = self.index.declared.get(symbol)
        node = first.get(symbol.name)
        if not declared or node is not declared[0].owner or getattr(node, "broken", False):
            return ""
        return sentence(self.project, symbol.name, language) or ""

    # ------------------------------------------------------------------------------------------------ completion

    def complete(self, file: str, line: int, column: int) -> list[Item]:
        """What can be written at a place."""
        read = self.read.get(file)
        if read is None or not 1 <= line <= len(read.masked):
            return []
        covered = read.masked[line - 1]
        if len(covered) > limits.LINE_CHARACTERS_MAX or _in_comment(read.lines[line - 1], column):
            return []
        place = context(read.masked, line - 1, column - 1)
        return list(complete(place, column, self.known))

    @functools.cached_property
    def known(self) -> Known:
        """What is offered."""
        names = {kind: tuple(names) for kind, names in self.index.of_kind.items()}
        currencies, languages = self.settings("currency"), self.settings("languages")
        return Known(
            index=self.index,
            languages=languages,
            currencies=currencies,
            files=tuple(sorted(name for name in self.files if not name.endswith(SUFFIX))),
            snippets=tuple(snippets(names, currencies, languages)),
            columns=self.columns(),
        )

    def columns(self) -> dict[str, Sequence[str]]:
        """The texts that the tables hold, by attribute; a path with all that is above it."""
        written: dict[str, set[str]] = {}
        for file in self.read.values():
            for place, text in (pair for one in file.walked.values() for pair in one.texts):
                written.setdefault(_AGAIN[place], set()).add(text)
        found: dict[str, Sequence[str]] = {place: tuple(sorted(texts)) for place, texts in written.items()}
        for node in self.declarations:
            if not isinstance(node, ast.Source) or node.kind not in ("catalogue", "stores"):
                continue
            entity = "item" if node.kind == "catalogue" else "store"
            for name, texts in self.table(node.path.text).items():
                found[f"{entity}.{name}"] = texts
        return found

    def table(self, path: str) -> Mapping[str, Sequence[str]]:
        """The columns of a table, each text once; columns of very many texts are left out."""
        data = self.files.get(path)
        if data is None:
            return {}
        cached = self._columns.get(path)
        if cached is None or cached[0] != data:
            try:
                table = read_table(path, data)
                columns = {name: _texts(cells) for name, cells in table.columns.items()}
            except Unreadable:
                columns = {}
            cached = self._columns[path] = (data, columns)
        return cached[1]

    # ------------------------------------------------------------------------------------------------ names

    def at(self, file: str, line: int, column: int) -> Occurrence | None:
        """The name at a place."""
        return self.index.at(file, line, column)

    def meant(self, file: str, line: int, column: int) -> Occurrence | None:
        """The name at a place; in a line that cannot be read the one thing that is called so."""
        known = self.at(file, line, column)
        read = self.read.get(file)
        if known is not None or read is None or not 1 <= line <= len(read.masked):
            return known
        if not any(finding.span.line <= line <= finding.span.end_line for finding in read.parsed.findings):
            return None
        for word in _NAME.finditer(read.masked[line - 1]):
            if word.start() < column <= word.end() + 1:
                of_kind = self.index.of_kind.values()
                found = [names[word.group()] for names in of_kind if word.group() in names]
                if len(found) == 1:
                    span = Span(file, line, word.start() + 1, line, word.end() + 1)
                    return Occurrence(found[0].symbol, span, False, found[0].owner, found[0].within)
        return None

    def definition(self, file: str, line: int, column: int) -> list[Span]:
        """Where the name at a place is declared; of a text that names a file, the file; of `them`, the `buy`."""
        occurrence = self.meant(file, line, column)
        if occurrence is not None:
            return [o.span for o in self.index.declared.get(self.index.symbol(occurrence), ())]
        read = self.read.get(file)
        if read is None or not 1 <= line <= len(read.lines):
            return []
        text = next(
            (m for m in re.finditer(r'"([^"]*)"', read.lines[line - 1]) if m.start() < column <= m.end() + 1), None
        )
        if text is not None and text[1] in self.files:
            return [Span(text[1], 1, 1, 1, 1)]
        word = next(
            (m for m in re.finditer(r"\bthem\b", read.masked[line - 1]) if m.start() < column <= m.end() + 1), None
        )
        if word is not None:
            for node in read.parsed.declarations:
                if isinstance(node, ast.Promotion) and node.span.line <= line <= read.extent(node).end_line:
                    return [clause.span for clause in node.clauses if isinstance(clause, ast.Buy)]
        return []

    def references(self, file: str, line: int, column: int, *, declarations: bool = True) -> list[Span]:
        """Every place of the name at a place."""
        occurrence = self.meant(file, line, column)
        if occurrence is None:
            return []
        return [o.span for o in self.index.all(self.index.symbol(occurrence)) if declarations or not o.declares]

    def renameable(self, file: str, line: int, column: int) -> Occurrence:
        """The name at a place, if this project declares it. Raises CannotRename."""
        occurrence = self.at(file, line, column)
        if occurrence is None:
            raise CannotRename("There is no name here.")
        symbol = self.index.symbol(occurrence)
        if symbol not in self.index.declared:
            raise CannotRename(f"«{symbol.short}» is declared nowhere in this project.")
        if symbol.kind == "test":
            return occurrence
        self._in_tables(symbol)
        return occurrence

    def _in_tables(self, symbol: Symbol) -> None:
        """Columns and cells of a table are named as the schema names them; they are not ours to change."""
        path = symbol.name.partition("=")[0]
        entity, _, name = path.partition(".")
        kind = {"item": "catalogue", "store": "stores"}.get(entity)
        if symbol.kind not in ("attribute", "choice") or kind is None:
            return
        for node in self.declarations:
            if isinstance(node, ast.Source) and node.kind == kind and name in self.table(node.path.text):
                what = "a column" if symbol.kind == "attribute" else "in the cells of a column"
                raise CannotRename(f"«{symbol.short}» is {what} of {node.path.text}: rename it there first.")

    def rename(self, file: str, line: int, column: int, new: str) -> list[Edit]:
        """Every place of a name, changed. Raises CannotRename where it would change what the rules mean."""
        occurrence = self.renameable(file, line, column)
        symbol = self.index.symbol(occurrence)
        if symbol.kind == "test":
            return self._rename_test(symbol, new)
        if not _NAME.fullmatch(new):
            raise CannotRename(f"«{new}» is no name: small letters and digits, parted by hyphens, a letter first.")
        if len(new) > limits.NAME_CHARACTERS_MAX:
            raise CannotRename(f"A name has at most {limits.NAME_CHARACTERS_MAX} characters.")
        if new in _reserved(symbol.kind):
            raise CannotRename(f"«{new}» is a word of the language here.")
        self._free(symbol, new)
        everywhere = self.index.all(symbol)
        self._all_readable(symbol, everywhere)
        return [Edit(o.span, new) for o in everywhere]

    def _rename_test(self, symbol: Symbol, new: str) -> list[Edit]:
        if '"' in new or "\n" in new or not new.strip():
            raise CannotRename("A test is named by a sentence on one line, without quotes.")
        self._free(symbol, new)
        return [Edit(o.span, f'"{new}"') for o in self.index.all(symbol)]

    def _free(self, symbol: Symbol, new: str) -> None:
        owner = symbol.name[: len(symbol.name) - len(symbol.short)]
        kinds = ("segment", "places") if symbol.kind in ("segment", "places") else (symbol.kind,)
        for kind in kinds:
            taken = self.index.declared.get(Symbol(kind, owner + new))
            if taken and new != symbol.short:
                where = taken[0].span
                raise CannotRename(f"{KINDS[kind].capitalize()} «{new}» exists already ({where.file}:{where.line}).")

    def _all_readable(self, symbol: Symbol, everywhere: Iterable[Occurrence]) -> None:
        """Lines that cannot be read may use the name, too; nobody could tell."""
        changed = {(o.span.file, o.span.line) for o in everywhere}
        word = re.compile(rf"(?<![\w-]){re.escape(symbol.short)}(?![\w-])")
        for name, file in self.read.items():
            for finding in file.parsed.findings:
                first = min(finding.span.line, len(file.masked)) - 1
                for number in range(first, max(block_end(file.masked, first), first + 1)):
                    if (name, number + 1) not in changed and word.search(file.masked[number]):
                        raise CannotRename(f"{name}:{number + 1} cannot be read and may use the name: mend it first.")

    # ------------------------------------------------------------------------------------------------ findings

    def actions(
        self, findings: Iterable[Diagnostic], file: str, first: int, last: int, language: Language = "en"
    ) -> list[Action]:
        """Quick fixes for the findings of these lines, and «fix all» of the file where there are several."""
        every = [finding for finding in findings if finding.span.file == file]
        here = [finding for finding in every if finding.span.line <= last and finding.span.end_line >= first]
        result: list[Action] = []
        for finding in here:
            if finding.fix is not None:
                edits = tuple(Edit(span, text) for span, text in finding.fix.edits)
                result.append(Action(_title(finding.fix.text, language), edits, finding))
            result += [Action(_title(text, language), (Edit(span, text),), finding) for span, text in finding.choices]
        fixable = [finding for finding in every if finding.fix is not None]
        if len(fixable) > 1 and any(finding.fix is not None for finding in here):
            result.append(self.fix_all(fixable, file, language))
        return result

    def fix_all(self, findings: Iterable[Diagnostic], file: str, language: Language = "en") -> Action:
        """All fixes of a file that do not touch each other."""
        edits: list[Edit] = []
        fixes = [finding.fix for finding in findings if finding.fix is not None]
        for span, text in sorted(edit for fix in fixes for edit in fix.edits if edit[0].file == file):
            end = (edits[-1].span.end_line, edits[-1].span.end_column) if edits else (0, 0)
            if (span.line, span.column) >= end:
                edits.append(Edit(span, text))
        return Action(say("Fix all {count} in this file", count=len(edits)).text(language), tuple(edits))

    def related(self, finding: Diagnostic) -> list[tuple[Span, str]]:
        """Other places that a finding is about: where a name stands, too."""
        if not finding.code.startswith("P1"):
            return []
        occurrence = self.at(finding.span.file, finding.span.line, finding.span.column)
        if occurrence is None:
            return []
        others = [o for o in self.index.all(self.index.symbol(occurrence)) if o.span != finding.span][:_RELATED_MAX]
        return [(o.span, "declared here" if o.declares else "used here, too") for o in others]

    # ------------------------------------------------------------------------------------------------ overviews

    def outline(self, file: str) -> Iterator[Outline]:
        """The declarations of a file, in its order."""
        read = self.read.get(file)
        for node in read.parsed.declarations if read else ():
            assert read is not None
            kind = read.masked[node.span.line - 1].split(maxsplit=1)[0].partition("{")[0]
            name = getattr(node, "name", None)
            text = name.text if isinstance(name, ast.Name | ast.Quoted) else kind
            yield Outline(text, kind, getattr(node, "title", ""), read.extent(node), name.span if name else node.span)

    def symbols(self, query: str) -> Iterator[Outline]:
        """The declarations of all files whose name or title holds these letters in this order."""
        letters = re.compile(".*".join(re.escape(letter) for letter in query.strip()[:50]), re.IGNORECASE)
        for name in self.read:
            yield from (o for o in self.outline(name) if letters.search(o.name) or letters.search(o.title))

    def lenses(self, file: str, articles: Mapping[str, int]) -> Iterator[Lens]:
        """What stands above declarations; `articles`: how many each product set has, as far as it is known."""
        read = self.read.get(file)
        for node in read.parsed.declarations if read else ():
            match node:
                case ast.Test():
                    yield Lens(node.span, "run test", "test", node.name.text)
                case ast.SetDecl(kind="products") if node.name.text in articles:
                    yield Lens(node.span, count(articles[node.name.text], "article"))
                case ast.Group():
                    used = self.index.used.get(Symbol("group", node.name.text), ())
                    yield Lens(node.span, count(sum(isinstance(o.owner, ast.InGroup) for o in used), "promotion"))

    def hover(
        self,
        file: str,
        line: int,
        column: int,
        findings: Iterable[Diagnostic] = (),
        articles: Mapping[str, int] | None = None,
        language: Language = "en",
    ) -> Hover | None:
        """What is to be said about a place."""
        read = self.read.get(file)
        if read is None or not 1 <= line <= len(read.lines):
            return None
        zone = next(iter(self.settings("timezone")), "")
        declaration = next(
            (d for d in read.parsed.declarations if d.span.line <= line <= read.extent(d).end_line), None
        )
        here = [f for f in findings if f.span.file == file and _covers(f.span, line, column)]
        name = self.meant(file, line, column)
        lines = (read.masked, read.lines)
        meaning = functools.partial(self.meaning, language=language)
        off = functools.partial(holidays, self.project)
        known = articles or {}
        return hover(
            self.index, name, declaration, lines, file, line, column, here, known, zone, meaning, off, language
        )


def count(number: int, noun: str) -> str:
    """«1 article», «18,204 articles»."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _covers(span: Span, line: int, column: int) -> bool:
    return (span.line, span.column) <= (line, column) <= (span.end_line, span.end_column)


def _title(words: str, language: Language) -> str:
    text = " ".join(words.split())
    return (say("Write «{text}»", text=text[:60]) if text else say("Take it out")).text(language)


def _texts(cells: Sequence[str | None]) -> Sequence[str]:
    texts: dict[str, None] = {}
    for cell in cells:
        if not cell or cell in texts or '"' in cell:
            continue
        parts = cell.split("/")
        for number in range(1, len(parts) + 1):
            texts["/".join(parts[:number])] = None
        if len(texts) > _WORDS_LISTED_MAX:
            return ()
    return tuple(sorted(texts))


def _in_comment(line: str, column: int) -> bool:
    """Does a comment begin before this column?"""
    before = line[: column - 1]
    return "#" in re.sub(r'"[^"]*("|$)', "", before)


_RESERVED_AS = {"choice": "value", "channel": "value", "payment": "value", "service": "service"}


def _reserved(kind: str) -> frozenset[str]:
    words = RESERVED.get(_RESERVED_AS.get(kind, kind), frozenset())
    return words | RESERVED["value"] if kind == "service" else words
