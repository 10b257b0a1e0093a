"""The garden market of `texts/`: every construct once, and the tables that it names."""

from __future__ import annotations

import io
import pathlib

import pyarrow
from pyarrow import parquet

TEXTS = pathlib.Path(__file__).parent / "texts"
EVERY_CONSTRUCT = TEXTS / "every-construct.promo"


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
