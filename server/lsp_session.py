"""A session with an editor: its projects, the texts that are open, the findings it was told.

One thread reads and answers; a second one compiles. While it does, further edits only mark the project, and it compiles
once more when it is done: so findings are as quick as the compiler and never queue up. Findings tell which version of a
text they are about. A third thread looks at the ruleset as a whole, which takes longer; what it finds is added.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files as resources
from pathlib import Path

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer

from dsl import assist as a
from dsl.compiler import LATER, check_project, compile_project
from dsl.diagnostics import Diagnostic, Span, in_order
from dsl.memory import Memory
from dsl.phrases import Language
from dsl.sizes import set_sizes
from server.lsp_files import Buffer, Disk, Text, Units, path_of, root_of, text_of

log = logging.getLogger("einklang.lsp")

_SEVERITIES = {
    "error": lsp.DiagnosticSeverity.Error,
    "warning": lsp.DiagnosticSeverity.Warning,
    "note": lsp.DiagnosticSeverity.Information,
}


@dataclass(slots=True)
class Compiled:
    """What the compiler said of the files of one moment."""

    assist: a.Assist
    findings: tuple[Diagnostic, ...]
    articles: Mapping[str, int]
    versions: Mapping[str, int | None]

    @property
    def right(self) -> bool:
        """Nothing is wrong but what is not built yet."""
        return not any(f.severity == "error" and not f.code.startswith(LATER) for f in self.findings)


@dataclass(slots=True)
class Judged:
    """What the look at the ruleset as a whole added, of these files."""

    files: Mapping[str, bytes]
    findings: tuple[Diagnostic, ...]


@dataclass(slots=True)
class Project:
    """A directory of rules: its files, the last answers, and what the editor was told of it."""

    root: Path
    disk: Disk
    assist: a.Assist
    memory: Memory = field(default_factory=Memory)  # the compiler's; only its thread uses it
    whole_memory: Memory = field(default_factory=Memory)  # of the look at the whole, as above
    saved: dict[str, bytes] = field(default_factory=dict)
    compiled: Compiled | None = None
    judged: Judged | None = None
    changed: bool = True
    running: asyncio.Task[None] | None = None
    judging: asyncio.Task[None] | None = None
    told: dict[str, list[lsp.Diagnostic]] = field(default_factory=dict)  # by URI, what the editor shows
    failures: dict[str, list[lsp.Diagnostic]] = field(default_factory=dict)  # of tests that ran, by file

    @property
    def findings(self) -> tuple[Diagnostic, ...]:
        """All that is known: of the compiler, and of the whole where neither an error nor an edit stands against it."""
        if self.compiled is None:
            return ()
        if self.judged is None or not self.compiled.right:
            return self.compiled.findings
        before, now = self.judged.files, self.compiled.assist.files
        kept = (f for f in self.judged.findings if before.get(f.span.file) == now.get(f.span.file))
        return in_order((*self.compiled.findings, *kept))


def compile_files(
    files: Mapping[str, bytes], before: Compiled | None, versions: Mapping[str, int | None], memory: Memory
) -> Compiled:
    """Everything that is known of these files; `before` and `memory` spare what has not changed."""
    assist = a.Assist(files, before.assist if before else None)
    compilation = compile_project(files, memory)
    articles = set_sizes(compilation.programs) if compilation.ok else before.articles if before else {}
    return Compiled(assist, compilation.diagnostics, articles, versions)


def judge_files(files: Mapping[str, bytes], known: Iterable[Diagnostic], memory: Memory) -> Judged:
    """What the ruleset as a whole shows, beside what is known."""
    known = frozenset(known)
    return Judged(files, tuple(f for f in check_project(files, memory).diagnostics if f not in known))


def _version() -> str:
    try:
        return version("einklang")
    except PackageNotFoundError:  # run from its sources, not installed
        return ""


class Session(LanguageServer):
    """The state of one session."""

    def __init__(self) -> None:
        super().__init__("einklang", _version(), text_document_sync_kind=lsp.TextDocumentSyncKind.Full)
        self.buffers: dict[Path, Buffer] = {}
        self.projects: dict[Path, Project] = {}
        self.language: Language = "en"  # of findings and hover: as the editor's own
        self.compiler = ThreadPoolExecutor(max_workers=1, thread_name_prefix="compile")
        self.judge = ThreadPoolExecutor(max_workers=1, thread_name_prefix="judge")
        self.roots: dict[Path, tuple[Path, bool]] = {}

    @property
    def units(self) -> Units:
        """As agreed on when the session began."""
        encoding = self.server_capabilities.position_encoding
        return Units(str(getattr(encoding, "value", encoding) or "utf-16"))

    # ------------------------------------------------------------------------------------------------ projects

    def open(self, uri: str, text: str, version: int | None) -> None:
        """A text as it is now in the editor."""
        path = path_of(uri)
        if path is None:
            return
        new = path not in self.buffers
        self.buffers[path] = Buffer(uri, path, text.encode("utf-8", "surrogatepass"), version)
        if new:
            self.settle()
        project = self.project_of(path)
        project.failures.pop(self.name_of(project, path), None)
        self.mark(project)

    def close(self, uri: str) -> None:
        """What is on disk counts again. A project without an open text is forgotten, and its findings with it."""
        path = path_of(uri)
        if path is None or path not in self.buffers:
            return
        project = self.project_of(path)
        del self.buffers[path]
        if self.of(project):
            self.read_again(project)
            return
        self.forget(project)

    def forget(self, project: Project) -> None:
        """Nothing of it is open any more."""
        self.projects.pop(project.root, None)
        for told in sorted(project.told):
            self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(told, []))

    def settle(self) -> None:
        """Files came and went, so texts may belong elsewhere now: projects that lost all of theirs are forgotten."""
        self.roots.clear()
        wanted = {self.root(buffer.path) for buffer in self.buffers.values()}
        for project in list(self.projects.values()):
            if (project.root, project.disk.deep) not in wanted:
                self.forget(project)
        for buffer in list(self.buffers.values()):
            self.project_of(buffer.path)

    def root(self, path: Path) -> tuple[Path, bool]:
        """Where a file's project is, and whether it is all of the directory."""
        if path not in self.roots:
            self.roots[path] = root_of(path, list(self.buffers.values()))
        return self.roots[path]

    def project_of(self, path: Path) -> Project:
        """The project of a file, read from disk when it is first seen."""
        root, whole = self.root(path)
        if root not in self.projects:
            project = self.projects[root] = Project(root, Disk(root, whole), a.Assist({}))
            self.read_again(project)
        return self.projects[root]

    def read_again(self, project: Project) -> None:
        """Look at the disk."""
        project.saved = project.disk.files()
        if project.disk.skipped:
            log.warning("%s: left out, too much or not readable: %s", project.root, ", ".join(project.disk.skipped[:5]))
        self.mark(project)

    def files(self, project: Project) -> dict[str, bytes]:
        """As they are now: open texts win."""
        files = dict(project.saved)
        for buffer in self.buffers.values():
            if buffer.path.is_relative_to(project.root):
                files[buffer.path.relative_to(project.root).as_posix()] = buffer.data
        return files

    def mark(self, project: Project) -> None:
        """Something changed: compile, now or when the compiler is done with what it has."""
        project.changed = True
        if project.running is None or project.running.done():
            project.running = asyncio.get_running_loop().create_task(self.compile(project))

    async def compile(self, project: Project) -> None:
        """Until nothing has changed meanwhile."""
        loop = asyncio.get_running_loop()
        while project.changed and project.root in self.projects:
            project.changed = False
            versions = {self.name_of(project, b.path): b.version for b in self.of(project)}
            try:
                project.compiled = await loop.run_in_executor(
                    self.compiler, compile_files, self.files(project), project.compiled, versions, project.memory
                )
            except RuntimeError:  # the session ends
                return
            except Exception:  # a fault of ours
                log.exception("%s could not be compiled", project.root)
                return
            self.publish(project)
        if project.judging is None or project.judging.done():
            project.judging = loop.create_task(self.judge_whole(project))

    async def judge_whole(self, project: Project) -> None:
        """Look at the ruleset as a whole, again while it has changed."""
        loop = asyncio.get_running_loop()
        while project.compiled is not None and project.compiled.right and project.root in self.projects:
            compiled = project.compiled
            files = compiled.assist.files
            if project.judged is not None and project.judged.files == files:
                return
            try:
                project.judged = await loop.run_in_executor(
                    self.judge, judge_files, files, compiled.findings, project.whole_memory
                )
            except RuntimeError:  # the session ends
                return
            except Exception:  # a fault of ours
                log.exception("%s could not be judged", project.root)
                return
            self.publish(project)

    def of(self, project: Project) -> list[Buffer]:
        """The open texts of a project."""
        return [buffer for buffer in self.buffers.values() if buffer.path.is_relative_to(project.root)]

    @staticmethod
    def name_of(project: Project, path: Path) -> str:
        """Of a file within its project."""
        return path.relative_to(project.root).as_posix()

    def uri(self, project: Project, name: str) -> str:
        """As the editor named the file, if it is open."""
        path = project.root / name
        buffer = self.buffers.get(path)
        return buffer.uri if buffer else path.as_uri()

    async def ready(self, uri: str) -> tuple[Project, str] | None:
        """The project of a text and its name there, everything read; None for what is no file."""
        path = path_of(uri)
        if path is None:
            return None
        project = self.project_of(path)
        if project.compiled is None and project.running is not None:
            await asyncio.wait([project.running], timeout=60)
        before = project.compiled.assist if project.compiled else None
        if before is not None and len(before.read) > len(project.assist.read):
            project.assist = before
        project.assist = a.Assist(self.files(project), project.assist)
        return project, self.name_of(project, path)

    async def all_ready(self) -> list[Project]:
        """Every project with an open text."""
        found = [
            await self.ready(self.of(project)[0].uri) for project in list(self.projects.values()) if self.of(project)
        ]
        return [pair[0] for pair in found if pair is not None]

    async def findings(self, project: Project) -> tuple[Diagnostic, ...]:
        """Of the texts as they are now."""
        while project.running is not None and not project.running.done():
            await asyncio.wait([project.running])
        return project.findings

    # ------------------------------------------------------------------------------------------------ places

    def text(self, project: Project, name: str) -> Text:
        """The lines of a file as they are now."""
        return text_of(project.assist.files.get(name, b""))

    def place(self, project: Project, name: str, position: lsp.Position) -> tuple[int, int]:
        """Line and column of a position, from 1."""
        text, line = self.text(project, name), position.line + 1
        return line, self.units.to_column(text.line(line), position.character - text.shift(line, self.units))

    def range(self, text: Text, span: Span) -> lsp.Range:
        """A span in the units of the client."""
        return lsp.Range(
            self._position(text, span.line, span.column), self._position(text, span.end_line, span.end_column)
        )

    def _position(self, text: Text, line: int, column: int) -> lsp.Position:
        return lsp.Position(line - 1, self.units.from_column(text.line(line), column) + text.shift(line, self.units))

    def location(self, project: Project, span: Span) -> lsp.Location:
        """Of a span in any file of the project."""
        return lsp.Location(self.uri(project, span.file), self.range(self.text(project, span.file), span))

    def replacement(self, text: Text, after: str) -> lsp.TextEdit:
        """What makes the one text of the other, lines that stay left out."""
        old, new = list(text.lines), after.split("\n")
        same = 0
        while same < min(len(old), len(new)) - 1 and old[same] == new[same]:
            same += 1
        end = 0
        while end < min(len(old), len(new)) - same - 1 and old[-1 - end] == new[-1 - end]:
            end += 1
        last = len(old) - end
        span = Span("", same + 1, 1, last, len(text.line(last)) + 1)
        return lsp.TextEdit(self.range(text, span), "\n".join(new[same : len(new) - end]))

    def changes(self, project: Project, edits: Iterable[a.Edit]) -> lsp.WorkspaceEdit:
        """Edits by file."""
        changes: dict[str, list[lsp.TextEdit]] = {}
        for edit in edits:
            text = self.text(project, edit.span.file)
            changes.setdefault(self.uri(project, edit.span.file), []).append(
                lsp.TextEdit(self.range(text, edit.span), edit.text)
            )
        return lsp.WorkspaceEdit(changes=dict(changes))

    # ------------------------------------------------------------------------------------------------ findings

    def publish(self, project: Project) -> None:
        """Tell the editor what was found: of each file that has findings, or had some."""
        compiled = project.compiled
        assert compiled is not None
        by_file: dict[str, list[lsp.Diagnostic]] = {}
        for finding in project.findings:
            by_file.setdefault(finding.span.file, []).append(self.diagnostic(project, compiled.assist, finding))
        for name, failures in project.failures.items():
            by_file.setdefault(name, []).extend(failures)
        opened = {self.name_of(project, buffer.path) for buffer in self.of(project)}
        uris = {name: self.uri(project, name) for name in {*by_file, *opened}}
        for name, uri in sorted(uris.items()):
            shown = by_file.get(name, [])
            if name in opened or project.told.get(uri) != shown:
                self.text_document_publish_diagnostics(
                    lsp.PublishDiagnosticsParams(uri, shown, compiled.versions.get(name))
                )
        for uri in project.told.keys() - set(uris.values()):
            self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, []))
        project.told = {uris[name]: shown for name, shown in by_file.items()}
        capabilities = self.client_capabilities.workspace
        if capabilities and capabilities.code_lens and capabilities.code_lens.refresh_support:
            self.workspace_code_lens_refresh(None)

    def diagnostic(self, project: Project, assist: a.Assist, finding: Diagnostic) -> lsp.Diagnostic:
        """A finding as the protocol has it."""

        def located(span: Span) -> lsp.Location:
            return lsp.Location(
                self.uri(project, span.file), self.range(text_of(assist.files.get(span.file, b"")), span)
            )

        words = finding.words(self.language)
        told = [words.message, words.mark, words.help]
        related = [lsp.DiagnosticRelatedInformation(located(span), text) for span, text in assist.related(finding)]
        page = resources("dsl").joinpath("explain", f"{finding.code}.md")
        return lsp.Diagnostic(
            range=located(finding.span).range,
            message="\n".join(part for part in told if part),
            severity=_SEVERITIES[finding.severity],
            code=finding.code,
            code_description=lsp.CodeDescription(Path(str(page)).as_uri()),
            source="einklang",
            related_information=related or None,
        )
