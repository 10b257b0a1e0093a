"""`einklang lsp`: a language server over standard input and output. The door only; dsl/assist.py knows the answers.

Nothing of a fault of ours reaches the editor: it is logged on standard error, and the answer is empty.
"""

from __future__ import annotations

import functools
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import Any

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException

from dsl import assist as a
from dsl.diagnostics import Span
from dsl.names import Kind
from server.formatting import formatted
from server.lsp_files import path_of
from server.lsp_session import Project, Session
from server.lsp_test import run_test

log = logging.getLogger("einklang.lsp")

TEST_COMMAND = "einklang.test"
FIX_ALL = f"{lsp.CodeActionKind.SourceFixAll.value}.einklang"
_SYMBOLS_MAX = 200  # of a project in one answer: a longer list is typed further, not read
_REQUEST_FAILED = -32803  # LSP: the request is fine, the answer is no
_SYMBOLS = {
    "settings": lsp.SymbolKind.Module,
    "schema": lsp.SymbolKind.Module,
    "products": lsp.SymbolKind.Array,
    "places": lsp.SymbolKind.Package,
    "segment": lsp.SymbolKind.Class,
    "group": lsp.SymbolKind.Enum,
    "guard": lsp.SymbolKind.Interface,
    "codes": lsp.SymbolKind.Key,
    "promotion": lsp.SymbolKind.Event,
    "sample": lsp.SymbolKind.Object,
    "test": lsp.SymbolKind.Method,
}
_ITEMS = {
    "keyword": lsp.CompletionItemKind.Keyword,
    "name": lsp.CompletionItemKind.Reference,
    "value": lsp.CompletionItemKind.Value,
    "snippet": lsp.CompletionItemKind.Snippet,
    "file": lsp.CompletionItemKind.File,
}
_TOKENS: dict[Kind, str] = {  # semantic tokens: what a grammar of regular expressions cannot tell apart
    "product set": "type",
    "places": "namespace",
    "segment": "class",
    "group": "enum",
    "guard": "interface",
    "code set": "struct",
    "promotion": "function",
    "sample": "variable",
    "attribute": "property",
    "event": "event",
    "channel": "enumMember",
    "service": "enumMember",
    "payment": "enumMember",
    "consent": "enumMember",
    "choice": "enumMember",
    "variant": "parameter",
}
_LEGEND = lsp.SemanticTokensLegend(token_types=sorted(set(_TOKENS.values())), token_modifiers=["declaration"])

Handler = Callable[..., Awaitable[Any]]


def quietly(handler: Handler) -> Handler:
    """A handler whose faults are logged; its answer is then empty, as the protocol allows everywhere."""

    @functools.wraps(handler)
    async def wrapped(ls: Session, params: Any) -> Any:
        try:
            return await handler(ls, params)
        except JsonRpcException:
            raise
        except Exception:  # a fault of ours
            log.exception("%s failed", handler.__name__)
            return None

    return wrapped


def of_text(handler: Handler) -> Handler:
    """A handler for a text: it is given its project, which is up to date, and its name there."""

    @functools.wraps(handler)
    async def wrapped(ls: Session, params: Any) -> Any:
        found = await ls.ready(params.text_document.uri)
        return None if found is None else await handler(ls, params, *found)

    return quietly(wrapped)


def build() -> Session:
    """The server with all it can do."""
    server = Session()
    _files(server)
    _texts(server)
    _names(server)
    _overviews(server)
    return server


def serve() -> None:
    """Until the editor says goodbye or closes the line."""
    handler = logging.StreamHandler()  # standard error
    handler.addFilter(lambda record: not (record.exc_info and isinstance(record.exc_info[1], JsonRpcException)))  # told
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s", handlers=[handler])
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a thread sits in a read that nothing else ends
    sys.setswitchinterval(0.001)  # so that answers come while the compiler is at work
    build().start_io()


# ---------------------------------------------------------------------------------------------------- files


def _files(server: Session) -> None:
    """What is open, saved, closed and changed on disk."""

    @server.feature(lsp.INITIALIZE)
    @quietly
    async def initialize(ls: Session, params: lsp.InitializeParams) -> None:
        ls.language = "de" if (params.locale or "").lower().startswith("de") else "en"

    @server.feature(lsp.INITIALIZED)
    @quietly
    async def initialized(ls: Session, _params: lsp.InitializedParams) -> None:
        workspace = ls.client_capabilities.workspace
        watched = workspace.did_change_watched_files if workspace else None
        if watched and watched.dynamic_registration:
            options = lsp.DidChangeWatchedFilesRegistrationOptions(
                [lsp.FileSystemWatcher(glob_pattern="**/*.{promo,csv,parquet,txt}")]
            )
            kind = lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES
            await ls.client_register_capability_async(
                lsp.RegistrationParams([lsp.Registration("einklang-files", kind, options)])
            )

    @server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
    @quietly
    async def opened(ls: Session, params: lsp.DidOpenTextDocumentParams) -> None:
        ls.open(params.text_document.uri, params.text_document.text, params.text_document.version)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
    @quietly
    async def changed(ls: Session, params: lsp.DidChangeTextDocumentParams) -> None:
        if params.content_changes:
            ls.open(params.text_document.uri, params.content_changes[-1].text, params.text_document.version)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
    @quietly
    async def closed(ls: Session, params: lsp.DidCloseTextDocumentParams) -> None:
        ls.close(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_SAVE)
    @quietly
    async def saved(ls: Session, params: lsp.DidSaveTextDocumentParams) -> None:
        path = path_of(params.text_document.uri)
        if path is not None:
            ls.settle()
            ls.read_again(ls.project_of(path))

    @server.feature(lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    @quietly
    async def watched(ls: Session, _params: lsp.DidChangeWatchedFilesParams) -> None:
        ls.settle()
        for project in list(ls.projects.values()):
            ls.read_again(project)

    @server.feature(lsp.SHUTDOWN)
    @quietly
    async def shut_down(ls: Session, _params: None) -> None:
        ls.projects.clear()
        for threads in (ls.compiler, ls.judge):
            threads.shutdown(wait=False, cancel_futures=True)


# ---------------------------------------------------------------------------------------------------- texts


def _texts(server: Session) -> None:
    """Completion, hover, quick fixes, layout."""

    @server.feature(lsp.TEXT_DOCUMENT_COMPLETION, lsp.CompletionOptions(trigger_characters=[" ", ".", '"', "/"]))
    @of_text
    async def completion(
        ls: Session, params: lsp.CompletionParams, project: Project, name: str
    ) -> lsp.CompletionList | None:
        line, column = ls.place(project, name, params.position)
        text = ls.text(project, name)
        items: list[lsp.CompletionItem] = []
        for item in project.assist.complete(name, line, column):
            span = Span(name, line, item.start, line, item.end)
            items.append(
                lsp.CompletionItem(
                    label=item.label,
                    kind=_ITEMS[item.sort],
                    detail=item.detail or None,
                    documentation=lsp.MarkupContent(lsp.MarkupKind.Markdown, item.doc) if item.doc else None,
                    sort_text=f"{item.rank}{len(items):05}",
                    filter_text=item.label,
                    text_edit=lsp.TextEdit(ls.range(text, span), item.insert),
                    insert_text_format=lsp.InsertTextFormat.Snippet if item.snippet else None,
                )
            )
        return lsp.CompletionList(is_incomplete=False, items=items)

    @server.feature(lsp.TEXT_DOCUMENT_HOVER)
    @of_text
    async def hover(ls: Session, params: lsp.HoverParams, project: Project, name: str) -> lsp.Hover | None:
        compiled = project.compiled
        line, column = ls.place(project, name, params.position)
        findings, articles = project.findings, compiled.articles if compiled else {}
        told = project.assist.hover(name, line, column, findings, articles, ls.language)
        if told is None:
            return None
        return lsp.Hover(
            lsp.MarkupContent(lsp.MarkupKind.Markdown, told.text), ls.range(ls.text(project, name), told.span)
        )

    @server.feature(
        lsp.TEXT_DOCUMENT_CODE_ACTION,
        lsp.CodeActionOptions(code_action_kinds=[lsp.CodeActionKind.QuickFix, FIX_ALL]),
    )
    @of_text
    async def code_actions(ls: Session, params: lsp.CodeActionParams, project: Project, name: str) -> list[Any]:
        findings = await ls.findings(project)
        wanted = params.context.only or [lsp.CodeActionKind.QuickFix]
        result = []
        if any(FIX_ALL.startswith(getattr(kind, "value", kind)) for kind in wanted):
            action = project.assist.fix_all(findings, name, ls.language)
            if action.edits:
                result.append(lsp.CodeAction(action.title, kind=FIX_ALL, edit=ls.changes(project, action.edits)))
        if lsp.CodeActionKind.QuickFix in wanted:
            first, last = params.range.start.line + 1, params.range.end.line + 1
            for action in project.assist.actions(findings, name, first, last, ls.language):
                about = [ls.diagnostic(project, project.assist, action.finding)] if action.finding else None
                result.append(
                    lsp.CodeAction(
                        action.title,
                        kind=lsp.CodeActionKind.QuickFix,
                        diagnostics=about,
                        is_preferred=action.finding is not None,
                        edit=ls.changes(project, action.edits),
                    )
                )
        return result

    @server.feature(lsp.TEXT_DOCUMENT_FORMATTING)
    @of_text
    async def formatting(ls: Session, params: lsp.DocumentFormattingParams, project: Project, name: str) -> list[Any]:
        result = formatted(name, project.assist.files.get(name, b""))
        if result.state != "reformatted":
            return []
        return [ls.replacement(ls.text(project, name), result.after)]


# ---------------------------------------------------------------------------------------------------- names


def _names(server: Session) -> None:
    """Definition, references, rename."""

    @server.feature(lsp.TEXT_DOCUMENT_DEFINITION)
    @of_text
    async def definition(ls: Session, params: lsp.DefinitionParams, project: Project, name: str) -> list[Any]:
        spans = project.assist.definition(name, *ls.place(project, name, params.position))
        return [ls.location(project, span) for span in spans]

    @server.feature(lsp.TEXT_DOCUMENT_REFERENCES)
    @of_text
    async def references(ls: Session, params: lsp.ReferenceParams, project: Project, name: str) -> list[Any]:
        declared = params.context.include_declaration
        spans = project.assist.references(name, *ls.place(project, name, params.position), declarations=declared)
        return [ls.location(project, span) for span in spans]

    @server.feature(lsp.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT)
    @of_text
    async def highlights(ls: Session, params: lsp.DocumentHighlightParams, project: Project, name: str) -> list[Any]:
        spans = project.assist.references(name, *ls.place(project, name, params.position))
        text = ls.text(project, name)
        return [lsp.DocumentHighlight(ls.range(text, span)) for span in spans if span.file == name]

    @server.feature(lsp.TEXT_DOCUMENT_PREPARE_RENAME)
    @of_text
    async def prepare_rename(ls: Session, params: lsp.PrepareRenameParams, project: Project, name: str) -> Any:
        try:
            occurrence = project.assist.renameable(name, *ls.place(project, name, params.position))
        except a.CannotRename as why:
            raise JsonRpcException(str(why), code=_REQUEST_FAILED) from None
        here = ls.range(ls.text(project, name), occurrence.span)
        return lsp.PrepareRenamePlaceholder(here, occurrence.symbol.short)

    @server.feature(lsp.TEXT_DOCUMENT_RENAME)
    @of_text
    async def rename(ls: Session, params: lsp.RenameParams, project: Project, name: str) -> lsp.WorkspaceEdit | None:
        try:
            edits = project.assist.rename(name, *ls.place(project, name, params.position), params.new_name)
        except a.CannotRename as why:
            raise JsonRpcException(str(why), code=_REQUEST_FAILED) from None
        return ls.changes(project, edits)


# ---------------------------------------------------------------------------------------------------- overviews


def _overviews(server: Session) -> None:
    """Symbols, folding, colours, lenses and their command."""

    @server.feature(lsp.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    @of_text
    async def document_symbols(ls: Session, params: lsp.DocumentSymbolParams, project: Project, name: str) -> list[Any]:
        text = ls.text(project, name)
        return [
            lsp.DocumentSymbol(
                name=one.name or one.kind,
                kind=_SYMBOLS.get(one.kind, lsp.SymbolKind.File),
                range=ls.range(text, one.whole),
                selection_range=ls.range(text, one.head),
                detail=f"{one.kind} {one.title}".strip(),
            )
            for one in project.assist.outline(name)
        ]

    @server.feature(lsp.WORKSPACE_SYMBOL)
    @quietly
    async def workspace_symbols(ls: Session, params: lsp.WorkspaceSymbolParams) -> list[Any]:
        return [
            lsp.WorkspaceSymbol(
                name=one.name or one.kind,
                kind=_SYMBOLS.get(one.kind, lsp.SymbolKind.File),
                location=ls.location(project, one.head),
                container_name=one.title or one.kind,
            )
            for project in await ls.all_ready()
            for one in islice(project.assist.symbols(params.query), _SYMBOLS_MAX)
        ]

    @server.feature(lsp.TEXT_DOCUMENT_FOLDING_RANGE)
    @of_text
    async def folding(ls: Session, params: lsp.FoldingRangeParams, project: Project, name: str) -> list[Any]:
        wholes = (one.whole for one in project.assist.outline(name))
        return [lsp.FoldingRange(w.line - 1, w.end_line - 1) for w in wholes if w.end_line > w.line]

    @server.feature(lsp.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL, _LEGEND)
    @of_text
    async def semantic_tokens(
        ls: Session, params: lsp.SemanticTokensParams, project: Project, name: str
    ) -> lsp.SemanticTokens | None:
        text = ls.text(project, name)
        data: list[int] = []
        line = character = 0
        for occurrence in sorted(project.assist.index.files.get(name, ()), key=lambda o: o.span):
            sort = _TOKENS.get(project.assist.index.symbol(occurrence).kind)
            if sort is None or project.assist.index.symbol(occurrence) not in project.assist.index.declared:
                continue
            here = ls.range(text, occurrence.span)
            ahead = here.start.line - line
            data += [
                ahead,
                here.start.character - (0 if ahead else character),
                here.end.character - here.start.character,
                _LEGEND.token_types.index(sort),
                int(occurrence.declares),
            ]
            line, character = here.start.line, here.start.character
        return lsp.SemanticTokens(data)

    @server.feature(lsp.TEXT_DOCUMENT_CODE_LENS)
    @of_text
    async def code_lens(ls: Session, params: lsp.CodeLensParams, project: Project, name: str) -> list[Any]:
        articles = project.compiled.articles if project.compiled else {}
        text = ls.text(project, name)
        return [
            lsp.CodeLens(
                ls.range(text, lens.span),
                lsp.Command(
                    lens.title,
                    TEST_COMMAND if lens.command else "",
                    arguments=[params.text_document.uri, lens.argument] if lens.command else None,
                ),
            )
            for lens in project.assist.lenses(name, articles)
        ]

    @server.command(TEST_COMMAND)
    async def test(ls: Session, uri: str, name: str) -> Any:
        try:
            return await _test(ls, uri, name)
        except Exception:  # a fault of ours
            log.exception("the test could not be run")
            return None


async def _test(ls: Session, uri: str, name: str) -> dict[str, Any] | None:
    """Run a test; show what became of it as a message, and what failed as findings at its lines."""
    found = await ls.ready(uri)
    if found is None:
        return None
    project, _ = found
    tested = await run_test(project.root, project.assist.files, project.saved, name)
    project.failures = {}
    if tested.problem:
        kind, told = lsp.MessageType.Error, tested.problem
    elif tested.ok:
        kind, told = lsp.MessageType.Info, f"«{name}»: passed"
    else:
        kind = lsp.MessageType.Warning
        told = "\n".join([f"«{name}»: failed", *(failure.text for failure in tested.failures)])
        text = ls.text(project, tested.file)
        project.failures[tested.file] = [
            lsp.Diagnostic(
                ls.range(text, Span(tested.file, one.line, 1, one.line, len(text.line(one.line)) + 1)),
                one.text,
                lsp.DiagnosticSeverity.Error,
                source="einklang test",
            )
            for one in tested.failures
        ]
    ls.window_show_message(lsp.ShowMessageParams(kind, told))
    if project.compiled is not None:
        ls.publish(project)
    failures = [{"line": one.line, "text": one.text} for one in tested.failures]
    return {"ok": tested.ok, "problem": tested.problem, "failures": failures}
