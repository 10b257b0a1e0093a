"""«run test» in an editor, on the engine that serves."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from lsprotocol import types as lsp

from tests.editing import RULE, RULES, Editor, Session, started, written


@pytest.fixture
def session() -> Iterator[Session]:
    yield from started("utf-16")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return written(tmp_path / "project")


def test_run_test(session: Session, project: Path) -> None:
    async def work(editor: Editor) -> None:
        document = editor.open(RULE, RULES)
        assert await editor.findings_of(RULE, 1) == []
        run = lsp.ExecuteCommandParams("einklang.test", [document.uri, "it saves"])
        result = await editor.client.workspace_execute_command_async(run)
        assert result is not None
        assert result["ok"] is True
        await editor.until(lambda: "«it saves»: passed" in editor.messages)
        editor.change(RULE, RULES.replace("EUR 0.20", "EUR 0.30"), 2)
        result = await editor.client.workspace_execute_command_async(run)
        assert result is not None
        assert result["ok"] is False
        assert result["failures"][0]["line"] == 17
        await editor.until(lambda: any(d.source == "einklang test" for d in editor.findings[document.uri].diagnostics))

    session.run(work, project)
