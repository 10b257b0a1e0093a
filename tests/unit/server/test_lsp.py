"""A real client against the real `einklang lsp`: each ability, any text, every way to count characters."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException

from tests.editing import RULE, RULES, SETTINGS, Editor, Session, started, written


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    yield from started("utf-16")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return written(tmp_path / "ein Projekt für Müller")


def at(text: str, mark: str, offset: int = 0) -> lsp.Position:
    """Of the first place of a text, in UTF-16."""
    place = text.index(mark) + offset
    line = text.count("\n", 0, place)
    before = text[text.rfind("\n", 0, place) + 1 : place]
    return lsp.Position(line, len(before.encode("utf-16-le")) // 2)


def changed(text: str, edits: list[Any]) -> str:
    """The text after these edits, positions in UTF-16."""
    lines = text.split("\n")

    def offset(position: lsp.Position) -> int:
        line = lines[position.line]
        characters = len(line.encode("utf-16-le")[: position.character * 2].decode("utf-16-le"))
        return sum(len(one) + 1 for one in lines[: position.line]) + characters

    for edit in sorted(edits, key=lambda e: (e.range.start.line, e.range.start.character), reverse=True):
        text = text[: offset(edit.range.start)] + edit.new_text + text[offset(edit.range.end) :]
    return text


def test_findings_come_are_mended_and_go(session: Session, project: Path) -> None:
    async def work(editor: Editor) -> None:
        editor.open(RULE, RULES.replace("get 10%", "gte 10%"))
        found = await editor.findings_of(RULE, 1)
        assert (found[0].code, found[0].severity) == ("P0201", lsp.DiagnosticSeverity.Error)
        assert found[0].range.start == lsp.Position(4, 2)
        assert found[0].code_description is not None
        assert found[0].code_description.href.endswith("/explain/P0201.md")
        assert "Did you mean «get»?" in found[0].message
        editor.change(RULE, RULES, 2)
        assert await editor.findings_of(RULE, 2) == []

    session.run(work, project)


def test_findings_of_other_files_come_and_go(session: Session, project: Path) -> None:
    async def work(editor: Editor) -> None:
        editor.open("settings.promo", SETTINGS.replace("products pasta", "products noodles"))
        await editor.until(
            lambda: bool(editor.findings.get(editor.uri(RULE)) and editor.findings[editor.uri(RULE)].diagnostics)
        )
        found = editor.findings[editor.uri(RULE)].diagnostics
        assert [d.code for d in found] == ["P1001"]
        editor.change("settings.promo", SETTINGS, 2)
        await editor.until(lambda: not editor.findings[editor.uri(RULE)].diagnostics)

    session.run(work, project)


def test_what_the_ruleset_shows_as_a_whole_is_added(session: Session, project: Path) -> None:
    nobody = "\nsegment both {\n  customer.tier is gold\n  customer.tier is silver\n}\n"

    async def work(editor: Editor) -> None:
        uri = editor.uri("settings.promo")

        def codes() -> list[object]:
            return [d.code for d in editor.findings[uri].diagnostics] if uri in editor.findings else []

        editor.open("settings.promo", SETTINGS + nobody)
        await editor.until(lambda: "P3002" in codes())
        editor.change("settings.promo", SETTINGS, 2)
        await editor.until(lambda: editor.findings[uri].version == 2 and not codes())

    session.run(work, project)


def test_closing_brings_back_what_is_on_disk(session: Session, project: Path) -> None:
    async def work(editor: Editor) -> None:
        editor.open("settings.promo", SETTINGS)
        document = editor.open(RULE, RULES.replace("get 10%", "gte 10%"), 7)
        assert await editor.findings_of(RULE, 7)
        editor.client.text_document_did_close(lsp.DidCloseTextDocumentParams(document))
        await editor.until(lambda: not editor.findings[editor.uri(RULE)].diagnostics)

    session.run(work, project)


def test_a_file_that_changes_on_disk_counts(session: Session, project: Path) -> None:
    async def work(editor: Editor) -> None:
        editor.open(RULE, RULES)
        assert await editor.findings_of(RULE, 1) == []
        assert lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES in session.registered
        (project / "settings.promo").write_text(SETTINGS.replace("products pasta", "products noodles"))
        event = lsp.FileEvent(editor.uri("settings.promo"), lsp.FileChangeType.Changed)
        editor.client.workspace_did_change_watched_files(lsp.DidChangeWatchedFilesParams([event]))
        await editor.until(lambda: bool(editor.findings[editor.uri(RULE)].diagnostics))

    session.run(work, project)


def test_quick_fixes_and_fix_all(session: Session, project: Path) -> None:
    broken = RULES.replace("get 10%", "gte 10%").replace("label en", "lable en").replace("First", "Fürst 🎉")

    async def work(editor: Editor) -> None:
        document = editor.open(RULE, broken)
        place = at(broken, "gte")

        async def actions(only: list[Any] | None = None) -> list[lsp.CodeAction]:
            context = lsp.CodeActionContext(diagnostics=[], only=only)
            found = await editor.client.text_document_code_action_async(
                lsp.CodeActionParams(document, lsp.Range(place, place), context)
            )
            return [one for one in found or () if isinstance(one, lsp.CodeAction)]

        found = await actions()
        assert [one.title for one in found] == ["Write «get»", "Fix all 2 in this file"]
        assert found[0].diagnostics is not None
        assert found[0].diagnostics[0].code == "P0201"
        (whole,) = await actions([lsp.CodeActionKind.SourceFixAll])
        assert whole.edit is not None
        assert whole.edit.changes is not None
        mended = changed(broken, list(whole.edit.changes[document.uri]))
        editor.change(RULE, mended, 2)
        assert await editor.findings_of(RULE, 2) == []

    session.run(work, project)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_positions_count_in_the_units_that_were_agreed_on(project: Path, encoding: str) -> None:
    rule = RULES.replace('label en "First"', 'owner "🎉 Süß" lable en "First"').replace("deals", "dälz")
    line = rule.split("\n")[6]
    code, width = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}[encoding]
    expected = len(line[: line.index("lable")].encode(code)) // width
    lines = started(encoding)
    session = next(lines)
    assert session.capabilities.position_encoding == encoding

    async def work(editor: Editor) -> None:
        document = editor.open(RULE, rule)
        found = await editor.findings_of(RULE, 1)
        starts = [d.range.start for d in found if d.range.start.line == 6]
        assert starts == [lsp.Position(6, expected)]
        hover = lsp.HoverParams(document, lsp.Position(6, expected + 1))
        told = await editor.client.text_document_hover_async(hover)
        assert told is not None
        assert told.range is not None
        assert told.range.start == starts[0]

    session.run(work, project)
    assert next(lines, None) is None


def test_completion(session: Session, project: Path) -> None:
    text = RULES.replace("get 10% off pasta", "get 10% off ")

    async def work(editor: Editor) -> None:
        document = editor.open(RULE, text)
        place = at(text, "get 10% off ", len("get 10% off "))
        found = await editor.client.text_document_completion_async(lsp.CompletionParams(document, place))
        assert isinstance(found, lsp.CompletionList)
        items = {item.label: item for item in found.items}
        assert {"pasta", "them", "the basket"} <= items.keys()
        edit = items["pasta"].text_edit
        assert isinstance(edit, lsp.TextEdit)
        assert changed(text, [edit]) == RULES
        place = at(RULES, "  for everyone", 2)
        editor.change(RULE, RULES, 2)
        found = await editor.client.text_document_completion_async(lsp.CompletionParams(document, place))
        assert isinstance(found, lsp.CompletionList)
        documentation = {item.label: item for item in found.items}["sold in"].documentation
        assert isinstance(documentation, lsp.MarkupContent)
        assert "in these channels" in documentation.value

    session.run(work, project)


def test_hover(session: Session, project: Path) -> None:
    async def work(editor: Editor) -> None:
        document = editor.open(RULE, RULES)
        await editor.findings_of(RULE, 1)

        async def hover(mark: str) -> str:
            found = await editor.client.text_document_hover_async(lsp.HoverParams(document, at(RULES, mark)))
            assert found is not None
            assert isinstance(found.contents, lsp.MarkupContent)
            return found.contents.value

        assert "2 articles of the catalogue" in await hover("pasta")
        assert "= 2026-09-16 22:00 UTC" in await hover("2026-09-17")
        assert "in these channels" in await hover("sold")

    session.run(work, project)


def test_definition_references_and_highlights(session: Session, project: Path) -> None:
    async def work(editor: Editor) -> None:
        document = editor.open(RULE, RULES)
        place = at(RULES, "pasta", 2)
        found = await editor.client.text_document_definition_async(lsp.DefinitionParams(document, place))
        (location,) = [one for one in found or () if isinstance(one, lsp.Location)]  # type: ignore[union-attr]
        assert location == lsp.Location(
            editor.uri("settings.promo"), lsp.Range(at(SETTINGS, "pasta"), at(SETTINGS, "pasta", 5))
        )
        context = lsp.ReferenceContext(include_declaration=True)
        references = await editor.client.text_document_references_async(lsp.ReferenceParams(context, document, place))
        assert [one.uri for one in references or ()] == [editor.uri("settings.promo"), document.uri]
        place = at(RULES, "first", 1)
        lights = await editor.client.text_document_document_highlight_async(
            lsp.DocumentHighlightParams(document, place)
        )
        assert [one.range.start.line for one in lights or ()] == [0, 16]

    session.run(work, project)


def test_rename_over_files(session: Session, project: Path) -> None:
    async def work(editor: Editor) -> None:
        document = editor.open(RULE, RULES)
        place = at(RULES, "pasta", 2)
        prepared = await editor.client.text_document_prepare_rename_async(lsp.PrepareRenameParams(document, place))
        assert isinstance(prepared, lsp.PrepareRenamePlaceholder)
        assert prepared.placeholder == "pasta"
        edit = await editor.client.text_document_rename_async(lsp.RenameParams(document, place, "noodles"))
        assert edit is not None
        assert edit.changes is not None
        assert changed(RULES, list(edit.changes[document.uri])) == RULES.replace("pasta", "noodles")
        settings = changed(SETTINGS, list(edit.changes[editor.uri("settings.promo")]))
        assert settings == SETTINGS.replace("products pasta", "products noodles")
        with pytest.raises(JsonRpcException, match="word of the language"):
            await editor.client.text_document_rename_async(lsp.RenameParams(document, place, "them"))
        with pytest.raises(JsonRpcException, match="no name here"):
            await editor.client.text_document_prepare_rename_async(
                lsp.PrepareRenameParams(document, at(RULES, "everywhere"))
            )

    session.run(work, project)


def test_symbols_folding_lenses_and_colours(session: Session, project: Path) -> None:
    async def work(editor: Editor) -> None:
        document = editor.open(RULE, RULES)
        settings = editor.open("settings.promo", SETTINGS)
        await editor.findings_of(RULE, 1)
        symbols = await editor.client.text_document_document_symbol_async(lsp.DocumentSymbolParams(document))
        named = [(one.name, one.range.start.line, one.range.end.line) for one in symbols or ()]  # type: ignore[union-attr]
        assert named == [("first", 0, 7), ("penne", 8, 11), ("it saves", 12, 17)]
        everywhere = await editor.client.workspace_symbol_async(lsp.WorkspaceSymbolParams("pas"))
        assert [one.name for one in everywhere or ()] == ["pasta"]
        folds = await editor.client.text_document_folding_range_async(lsp.FoldingRangeParams(document))
        assert [(one.start_line, one.end_line) for one in folds or ()] == [(0, 7), (8, 11), (12, 17)]
        lenses = await editor.client.text_document_code_lens_async(lsp.CodeLensParams(document))
        assert [one.command.title for one in lenses or () if one.command] == ["run test"]
        lenses = await editor.client.text_document_code_lens_async(lsp.CodeLensParams(settings))
        assert [one.command.title for one in lenses or () if one.command] == ["1 promotion", "2 articles"]
        colours = await editor.client.text_document_semantic_tokens_full_async(lsp.SemanticTokensParams(document))
        assert colours is not None
        assert len(colours.data) % 5 == 0
        assert list(colours.data[:3]) == [0, len("promotion "), len("first")]

    session.run(work, project)


def test_formatting(session: Session, project: Path) -> None:
    ugly = RULES.replace("  get 10% off pasta", "        get   10 %  off   pasta")

    async def work(editor: Editor) -> None:
        document = editor.open(RULE, RULES)
        options = lsp.FormattingOptions(2, True)
        edits = await editor.client.text_document_formatting_async(lsp.DocumentFormattingParams(document, options))
        tidy = changed(RULES, list(edits or ()))
        editor.change(RULE, ugly, 2)
        edits = await editor.client.text_document_formatting_async(lsp.DocumentFormattingParams(document, options))
        assert changed(ugly, list(edits or ())) == tidy
        editor.change(RULE, tidy, 3)
        again = await editor.client.text_document_formatting_async(lsp.DocumentFormattingParams(document, options))
        assert list(again or ()) == []
        editor.change(RULE, "promotion {", 4)
        broken = await editor.client.text_document_formatting_async(lsp.DocumentFormattingParams(document, options))
        assert list(broken or ()) == []

    session.run(work, project)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "}",
        "promotion",
        'promotion "x {',
        "\ufeffpromotion x {",
        "promotion x {\r\n  get 10% off pasta\r\n}\r\n",
        "{" * 5_000,
        "promotion x {\n" * 2_000,
        "x" * 100_000,
        "\0\x01 promotion \ud800 {",
        "promotion x {\n  when any of {\n" + "any of {\n" * 300,
        "# only a remark",
        "get get get\n" * 3_000,
        "promotion ä🎉 {\n  for everyone\n}\n" * 50,
    ],
    ids=range(14),
)
def test_any_text_gets_answers(session: Session, project: Path, text: str) -> None:
    async def work(editor: Editor) -> None:
        document = editor.open(RULE, text)
        await editor.findings_of(RULE, 1)
        client = editor.client
        for place in (lsp.Position(0, 0), lsp.Position(0, 7), lsp.Position(1, 3), lsp.Position(10**6, 10**6)):
            await client.text_document_completion_async(lsp.CompletionParams(document, place))
            await client.text_document_hover_async(lsp.HoverParams(document, place))
            await client.text_document_definition_async(lsp.DefinitionParams(document, place))
            context = lsp.CodeActionContext([])
            await client.text_document_code_action_async(
                lsp.CodeActionParams(document, lsp.Range(place, place), context)
            )
        await client.text_document_document_symbol_async(lsp.DocumentSymbolParams(document))
        await client.text_document_code_lens_async(lsp.CodeLensParams(document))
        await client.text_document_semantic_tokens_full_async(lsp.SemanticTokensParams(document))

    session.run(work, project)


def test_a_text_that_was_never_saved_and_one_outside_of_any_project(session: Session, tmp_path: Path) -> None:
    async def work(editor: Editor) -> None:
        identifier = lsp.TextDocumentIdentifier("untitled:Untitled-1")
        item = lsp.TextDocumentItem(identifier.uri, "promo", 1, "promotion x {")
        editor.client.text_document_did_open(lsp.DidOpenTextDocumentParams(item))
        place = lsp.Position(0, 3)
        assert await editor.client.text_document_hover_async(lsp.HoverParams(identifier, place)) is None
        editor.open("alone.promo", "promotion x {\n}\n")
        assert await editor.findings_of("alone.promo", 1)

    session.run(work, tmp_path)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import typer.testing

    from server.cli import app

    monkeypatch.setitem(sys.modules, "pygls", None)
    monkeypatch.delitem(sys.modules, "server.lsp", raising=False)
    result = typer.testing.CliRunner().invoke(app, ["lsp"])
    assert result.exit_code == 64
    assert "einklang[lsp]" in result.output


def test_a_project_begins_when_its_settings_are_written(session: Session, project: Path) -> None:
    settings = project / "settings.promo"
    settings.rename(project / "later.txt")

    async def work(editor: Editor) -> None:
        editor.open(RULE, RULES)
        assert await editor.findings_of(RULE, 1)  # alone it knows nothing
        (project / "later.txt").rename(settings)
        event = lsp.FileEvent(editor.uri("settings.promo"), lsp.FileChangeType.Created)
        editor.client.workspace_did_change_watched_files(lsp.DidChangeWatchedFilesParams([event]))
        await editor.until(lambda: not editor.findings[editor.uri(RULE)].diagnostics)
        editor.change(RULE, RULES.replace("pasta", "noodles"), 2)
        assert [d.code for d in await editor.findings_of(RULE, 2)] == ["P1001"]

    session.run(work, project)
