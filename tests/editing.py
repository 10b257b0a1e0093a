"""A real client of the editors' protocol, against the real `einklang lsp` over standard input and output."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient

SECONDS = 60  # how long an answer may take on a busy machine

SETTINGS = """settings {
  currency EUR
  timezone Europe/Berlin
  languages en
}
schema {
  attributes customer {
    tier: one of silver, gold
  }
  attributes item {
    category: category
  }
  channels stores
}
catalogue from "articles.csv"
group deals {
  gives discounts
  apply best
  prices original
}
sequence deals
products pasta "Pasta 🍝" {
  item.category is under "Food"
}
"""
RULES = """promotion first {
  runs from 2026-09-17 until 2026-09-30
  sold everywhere
  for everyone
  get 10% off pasta
  group deals
  label en "First"
}
sample penne {
  price: EUR 2.00
  category: "Food"
}
test "it saves" {
  at 2026-09-18 12:00
  sold in stores
  buys 1 x penne
  expect first saves EUR 0.20
}
"""
CSV = "sku,category\n1,Food\n2,Food\n"


class Editor:
    """A client that keeps what it is told."""

    def __init__(self, root: Path, client: LanguageClient) -> None:
        self.root = root
        self.client = client
        self.arrived = asyncio.Condition()
        self.findings: dict[str, lsp.PublishDiagnosticsParams] = {}
        self.messages: list[str] = []
        self.opened: set[str] = set()

    def uri(self, name: str) -> str:
        return (self.root / name).as_uri()

    def open(self, name: str, text: str, version: int = 1) -> lsp.TextDocumentIdentifier:
        item = lsp.TextDocumentItem(self.uri(name), "promo", version, text)
        self.opened.add(item.uri)
        self.client.text_document_did_open(lsp.DidOpenTextDocumentParams(item))
        return lsp.TextDocumentIdentifier(self.uri(name))

    def change(self, name: str, text: str, version: int) -> None:
        identifier = lsp.VersionedTextDocumentIdentifier(version, self.uri(name))
        whole = lsp.TextDocumentContentChangeWholeDocument(text)
        self.client.text_document_did_change(lsp.DidChangeTextDocumentParams(identifier, [whole]))

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(SECONDS), self.arrived:
            await self.arrived.wait_for(holds)

    async def notify(self) -> None:
        async with self.arrived:
            self.arrived.notify_all()

    async def findings_of(self, name: str, version: int) -> list[lsp.Diagnostic]:
        uri = self.uri(name)
        await self.until(lambda: uri in self.findings and self.findings[uri].version == version)
        return list(self.findings[uri].diagnostics)


class Session:
    """One process that all tests share who speak to it in the same way; each has a project of its own."""

    def __init__(self, capabilities: lsp.ClientCapabilities) -> None:
        self.runner = asyncio.Runner()
        self.client = LanguageClient("test", "1")
        self.editor: Editor | None = None
        self.registered: list[str] = []
        self.capabilities = self.runner.run(self.start(capabilities))

    async def start(self, capabilities: lsp.ClientCapabilities) -> lsp.ServerCapabilities:
        client = self.client

        @client.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        async def published(params: lsp.PublishDiagnosticsParams) -> None:
            if self.editor:
                self.editor.findings[params.uri] = params
                await self.editor.notify()

        @client.feature(lsp.WINDOW_SHOW_MESSAGE)
        async def shown(params: lsp.ShowMessageParams) -> None:
            if self.editor:
                self.editor.messages.append(params.message)
                await self.editor.notify()

        @client.feature(lsp.CLIENT_REGISTER_CAPABILITY)
        async def registered(params: lsp.RegistrationParams) -> None:
            self.registered.extend(one.method for one in params.registrations)

        await client.start_io(sys.executable, "-m", "server.cli", "lsp")
        async with asyncio.timeout(SECONDS):
            found = await client.initialize_async(lsp.InitializeParams(capabilities=capabilities))
        client.initialized(lsp.InitializedParams())
        return found.capabilities

    def run(self, work: Callable[[Editor], Awaitable[None]], root: Path) -> None:
        async def bounded() -> None:
            self.editor = Editor(root, self.client)
            async with asyncio.timeout(SECONDS):
                await work(self.editor)
                for uri in sorted(self.editor.opened):
                    document = lsp.TextDocumentIdentifier(uri)
                    self.client.text_document_did_close(lsp.DidCloseTextDocumentParams(document))

        self.runner.run(bounded())

    def end(self) -> None:
        """It says nothing of faults, and ends as it should."""

        async def ended() -> tuple[int, str]:
            process = self.client._server
            assert process is not None
            assert process.stderr is not None
            try:
                async with asyncio.timeout(SECONDS):
                    await self.client.shutdown_async(None)
                    self.client.exit(None)
                    log = (await process.stderr.read()).decode()
                    return await process.wait(), log
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()

        code, log = self.runner.run(ended())
        self.runner.close()
        assert code == 0
        assert "Traceback" not in log, log


def started(encoding: str) -> Iterator[Session]:
    watching = lsp.DidChangeWatchedFilesClientCapabilities(dynamic_registration=True)
    session = Session(
        lsp.ClientCapabilities(
            general=lsp.GeneralClientCapabilities(position_encodings=[lsp.PositionEncodingKind(encoding)]),
            workspace=lsp.WorkspaceClientCapabilities(did_change_watched_files=watching),
        )
    )
    yield session
    session.end()


def written(root: Path) -> Path:
    """A project with blanks and umlauts in its path."""
    (root / "rules").mkdir(parents=True)
    (root / "settings.promo").write_text(SETTINGS, encoding="utf-8")
    (root / "rules" / "first.promo").write_text(RULES, encoding="utf-8")
    (root / "articles.csv").write_text(CSV, encoding="utf-8")
    return root


RULE = "rules/first.promo"
