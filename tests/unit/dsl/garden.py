"""The garden market of `texts/`: every construct once, and the tables that it names."""

from __future__ import annotations

import io
import pathlib
import re

import pyarrow
from pyarrow import parquet

from dsl.compiler import Compilation, compile_project
from tests.unit.dsl.frame import declarations, has_read

TEXTS = pathlib.Path(__file__).parent / "texts"
EVERY_CONSTRUCT = TEXTS / "every-construct.promo"
MARKET = declarations((TEXTS / "wrong" / "frame.promo").read_text(encoding="utf-8"))
WHOLE = "\n\n".join(declared for _, _, declared in MARKET).encode()


def _prices() -> bytes:
    """The standard prices, a Parquet file."""
    table = pyarrow.table({"article": ["1001", "1002"], "price EUR": ["12.00", "2.99"], "price CHF": ["13.50", "3.40"]})
    into = io.BytesIO()
    parquet.write_table(table, into)
    return into.getvalue()


TABLES: dict[str, bytes] = {
    **{path.relative_to(TEXTS).as_posix(): path.read_bytes() for path in TEXTS.rglob("*.csv")},
    "data/prices.parquet": _prices(),
}


def garden() -> dict[str, bytes]:
    """The whole project."""
    return {"every-construct.promo": EVERY_CONSTRUCT.read_bytes(), **TABLES}


def compiled(text: str, files: dict[str, bytes] | None = None) -> Compilation:
    """A text in the frame of a small garden market; a schema of its own goes without the rest of it."""
    kept = []
    for kind, name, declared in MARKET:
        again = rf"^{kind}\b" if kind in ("settings", "schema", "guard") else rf"^{kind} {name}\b(?!-)"
        left_out = kind != "settings" and bool(re.search(r"^schema\b", text, re.MULTILINE))
        left_out = left_out or (kind != "prices" and bool(re.search(again, text, re.MULTILINE)))
        kept.append("\n" * declared.count("\n") if left_out else declared)  # the others stand where they always do
    files = {**TABLES, **(files or {}), "frame.promo": "\n\n".join(kept).encode(), "text.promo": text.encode()}
    return compile_project(files, has_read(WHOLE))
