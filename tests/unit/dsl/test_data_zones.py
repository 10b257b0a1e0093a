"""Tables beside the rules, and the pinned time zones."""

from __future__ import annotations

import datetime
import io
from decimal import Decimal

import pytest

from dsl import zones
from dsl.data import Unreadable, read_list, read_table
from engine.program import Catalogue, Column, Stores, Type
from tests.unit.dsl.frame import compile_framed


def catalogue(name: str, data: bytes) -> Catalogue:
    compilation = compile_framed(f'catalogue from "{name}"\n', {name: data})
    assert compilation.ok, compilation.diagnostics
    (made,) = [program for program in compilation.programs if isinstance(program, Catalogue)]
    return made


def test_a_catalogue_from_csv():
    data = (
        b"\xef\xbb\xbfSKU;Brand;price;Tax_Rate;colour\nb;B & Co;1,99;;x\n".replace(b"1,99", b"1.99")
        + b"a;;0.005;7%;y\n"
    )
    assert catalogue("t.csv", data) == Catalogue(
        articles=("a", "b"),
        columns=(
            Column(name="brand", type=Type.TEXT, values=(None, "B & Co")),
            Column(name="price", type=Type.MONEY, currency="EUR", values=(5_000, 1_990_000)),
            Column(name="tax-rate", type=Type.PERCENT, values=(700, None)),
        ),
    )


def test_a_catalogue_from_parquet():
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table(
        {
            "article": ["b", "a"],
            "price_EUR": [1.99, None],
            "price CHF": [Decimal("2.10"), Decimal("3.00")],
            "brand": ["x", "y"],
        }
    )
    into = io.BytesIO()
    parquet.write_table(table, into)
    made = catalogue("t.parquet", into.getvalue())
    assert made.articles == ("a", "b")
    assert {(column.name, column.currency): column.values for column in made.columns} == {
        ("brand", ""): ("y", "x"),
        ("price", "CHF"): (3_000_000, 2_100_000),
    }


def test_stores_bring_their_zones():
    compilation = compile_framed('stores from "data/stores.csv"\n')
    (made,) = [program for program in compilation.programs if isinstance(program, Stores)]
    assert (made.ids, made.zones) == (("0042", "0107"), ("", "Atlantic/Canary"))
    names = [program.name for program in compilation.programs if program.program == "zone"]
    assert names == ["Atlantic/Canary", "Europe/Berlin"]


@pytest.mark.parametrize(
    ("data", "code", "line"),
    [
        (b"sku,kind\n1,goods\n1,goods\n", "P1019", 3),
        (b"sku,kind\n,goods\n", "P1019", 2),
        (b"sku,kind\n1,service\n", "P1019", 2),
        (b"sku,price\n1,-1.00\n", "P1019", 2),
        (b"sku,price\n1,1.0000001\n", "P1019", 2),
        (b"sku,tax_rate\n1,19.005\n", "P1019", 2),
        (b"sku,price\n1,1.00,x\n", "P1018", 1),
        (b"sku,Sku\n1,1\n", "P1018", 1),
        (b"name\nx\n", "P1018", 1),
        (b"\xff\xfe\n", "P1018", 1),
        (b"", "P1018", 1),
    ],
)
def test_tables_that_do_not_fit(data, code, line):
    (finding,) = compile_framed('catalogue from "t.csv"\n', {"t.csv": data}).diagnostics
    assert (finding.code, finding.span.line) == (code, line)


def test_lists():
    assert read_list("a.csv", b"id\nK-1\n K-2 ,x\n\nK-1\n", ("id",)) == ("K-1", "K-2")
    assert read_list("a.csv", b"K-1\nK-2", ("id",)) == ("K-1", "K-2")
    with pytest.raises(Unreadable):
        read_list("a.csv", b"x" * 300, ())
    with pytest.raises(Unreadable):
        read_table("a.parquet", b"PAR1")


def test_zones_are_those_of_the_package():
    import importlib.resources
    import zoneinfo

    for name in (
        "Europe/Berlin",
        "America/New_York",
        "Africa/Casablanca",
        "Asia/Kathmandu",
        "Australia/Lord_Howe",
        "UTC",
    ):
        with importlib.resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
            info = zoneinfo.ZoneInfo.from_file(file)
        for instant in range(0, 4_102_444_800, 86_400 * 11 + 3_607):
            there = datetime.datetime.fromtimestamp(instant, tz=info).utcoffset()
            assert there is not None
            assert zones.local_seconds(name, instant) - instant == there.total_seconds(), (name, instant)


def test_repeated_and_skipped_moments():
    day = datetime.date(2026, 10, 25)  # 03:00 → 02:00
    assert zones.utc_seconds("Europe/Berlin", day, 2 * 3600 + 1800) == _utc(2026, 10, 25, 0, 30)  # the first of two
    day = datetime.date(2026, 3, 29)  # 02:00 → 03:00
    assert zones.utc_seconds("Europe/Berlin", day, 2 * 3600 + 1800) == _utc(2026, 3, 29, 1, 0)  # the first after it
    assert zones.utc_seconds("Europe/Berlin", datetime.date(2026, 9, 8), 43_200) == _utc(2026, 9, 8, 10, 0)


def _utc(*parts: int) -> int:
    year, month, day, hour, minute = parts
    return int(datetime.datetime(year, month, day, hour, minute, tzinfo=datetime.UTC).timestamp())
