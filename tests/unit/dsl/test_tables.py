"""Price lists, holidays, costs: what is wrong with their columns and cells, and where."""

from __future__ import annotations

import pytest

from dsl.compiler import Compilation, check_project
from dsl.diagnostics import render
from tests.unit.dsl.garden import compiled

SHOP = """\
holidays from "data/days.csv"
stores from "data/shops.csv"
settings {
  currency EUR
  timezone Europe/Berlin
  languages en
}
schema {
  attributes store {
    region: text
  }
  attributes customer {
    tier: one of silver, gold
  }
  channels stores
}
group deals {
  gives discounts
  apply best
  prices original
}
sequence deals
MORE
promotion offer {
  runs from 2026-10-01 until 2026-10-31
  sold everywhere
  for everyone
  LINES
  get 10% off the basket
  group deals
  label en "Offer"
}
"""
SOURCES = {
    "prices": 'prices "other" from "data/x.csv"',
    "holidays": 'holidays from "data/x.csv"',
    "costs": 'costs from "data/x.csv"',
}


def read(kind: str, data: str) -> tuple[Compilation, list[tuple[str, str, int]]]:
    """What is found in a table, beside that the machine cannot use it yet."""
    compilation = compiled(SOURCES[kind] + "\n", {"data/x.csv": data.encode()})
    findings = [finding for finding in compilation.diagnostics if not finding.code.startswith("P9")]
    return compilation, [(finding.code, finding.span.file, finding.span.line) for finding in findings]


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("prices", "article,price\n1,2.00\n"),
        ("prices", "sku;from_quantity;price EUR;price CHF;from;until\n1;10;2.00;2.20;2026-01-01;2026-12-31\n"),
        ("prices", "article,price\n1,1.759\n"),
        ("prices", "article,from-quantity,price\n1,1,2.00\n1,10,1.80\n1,100,1.50\n"),
        ("prices", "article,price,from,until\n1,2.00,2026-01-01,2026-06-30\n1,2.20,2026-07-01,\n"),
        ("prices", "article,price EUR,price CHF\n1,2.00,\n2,,3.00\n"),
        ("holidays", "date\n2026-10-03\n"),
        ("holidays", "date,region,name\n2026-10-03,,Unity Day\n2026-10-03,Hamburg,Unity Day\n"),
        ("costs", "article,cost\n1,0.80\n"),
        ("costs", "article,cost EUR,from,until\n1,0.80,,2026-01-31\n1,0.85,2026-02-01,\n"),
    ],
)
def test_tables_that_are_right(kind, data):
    assert read(kind, data)[1] == []


@pytest.mark.parametrize(
    ("kind", "data", "code", "line", "words"),
    [
        ("prices", "artikel,price\n1,2.00\n", "P1018", 0, "no column «article»"),
        ("prices", "article,amount\n1,2.00\n", "P1018", 0, "no column «price»"),
        ("prices", "article,price each\n1,2.00\n", "P1018", 0, "no column «price»"),
        ("prices", "article,price euro\n1,2.00\n", "P1018", 1, "write «price EUR»"),
        ("prices", "article,price USD\n1,2.00\n", "P2008", 0, "EUR, CHF"),
        ("prices", 'article,price\n1,"2,00"\n', "P1019", 2, "written with a point"),
        ("prices", "article,price\n1,-2.00\n", "P1019", 2, "negative"),
        ("prices", "article,price\n1,2.00\n,3.00\n", "P1019", 3, "«» in column «article»"),
        ("prices", "article,price\n1,2.00\n2,\n", "P1019", 3, "it is empty"),
        ("prices", "article,price\n1,2.00\n2,3.00\n1,2.10\n", "P1019", 4, "line 2 has it too"),
        ("prices", "article,from-quantity,price\n1,1,2.00\n1,,2.10\n", "P1019", 3, "line 2 has it too"),
        ("prices", "article,from-quantity,price\n1,0,2.00\n", "P1019", 2, "a quantity is whole, from 1 to 100000"),
        ("prices", "article,from-quantity,price\n1,2.5,2.00\n", "P1019", 2, "a quantity is whole, from 1 to 100000"),
        ("prices", "article,from-quantity,price\n1,ten,2.00\n", "P1019", 2, "no number"),
        ("prices", "article,price,from\n1,2.00,1.1.2026\n", "P1019", 2, "no date like 2026-09-17"),
        ("prices", "article,price,from,until\n1,2.00,2026-06-01,2026-05-31\n", "P1019", 2, "ends before it begins"),
        (
            "prices",
            "article,price,from,until\n1,2.00,2026-01-01,2026-06-30\n1,2.20,2026-06-30,\n",
            "P1019",
            3,
            "line 2 has it too, for the same days",
        ),
        ("holidays", "day,region\n2026-10-03,\n", "P1018", 0, "no column «date»"),
        ("holidays", "date\n03.10.2026\n", "P1019", 2, "no date like 2026-09-17"),
        ("holidays", "date,region\n2026-10-03,\n,Hamburg\n", "P1019", 3, "it is empty"),
        ("holidays", "date,region\n2026-10-03,Nord\n2026-10-03,Nord\n", "P1019", 3, "line 2 has it too"),
        ("costs", "article,price\n1,0.80\n", "P1018", 0, "no column «cost»"),
        ("costs", "article,cost\n1,cheap\n", "P1019", 2, "no number"),
        ("costs", "", "P1018", 0, "no names of columns"),
        ("costs", "article,cost\n", "", 0, ""),
    ],
)
def test_tables_say_what_is_wrong_and_where(kind, data, code, line, words):
    compilation, found = read(kind, data)
    if not code:
        assert found == []
        return
    ((got, file, at),) = found
    assert (got, file, at) == (code, "data/x.csv" if line else "text.promo", line or 1)
    shown = [render(f, compilation.sources) for f in compilation.diagnostics if not f.code.startswith("P9")]
    assert words in shown[0] and len(shown[0].splitlines()) <= 6


def test_holidays_of_regions_need_stores_with_regions():
    schema = "schema {\n  attributes item {\n    kind: text\n  }\n  channels stores\n}\n"
    found = compiled(
        f"{schema}{SOURCES['holidays']}\n", {"data/x.csv": b"date,region\n2026-10-31,Hamburg\n"}
    ).diagnostics
    assert [finding.code for finding in found if not finding.code.startswith("P9")] == ["P1004"]


def test_a_price_list_of_many_rows_is_judged_soon():
    rows = "".join(f"{i},1,2.00\n{i},10,1.80\n" for i in range(20_000))
    assert read("prices", f"article,from-quantity,price\n{rows}")[1] == []
    _, found = read("prices", f"article,from-quantity,price\n{rows}7,1,2.00\n")
    assert found == [("P1019", "data/x.csv", 40_002)]


# ---------------------------------------------------------------------------------------------------- in vain


@pytest.mark.parametrize(
    ("lines", "more", "vain"),
    [
        ("", "", ["data/days.csv", "data/shops.csv"]),
        ("only on Mon to Fri", "", ["data/days.csv", "data/shops.csv"]),
        ("only on Mon to Fri, holidays", "", []),
        ("limit 1 per customer", "", ["data/days.csv", "data/shops.csv"]),
        ("limit 2 per store", "", ["data/days.csv"]),
        ('when store.region is "North"', "", ["data/days.csv"]),
        ("when customer.tier is gold", "", ["data/days.csv", "data/shops.csv"]),
        ("", 'places up-there {\n  store.region is "North"\n}\n', ["data/days.csv"]),
    ],
)
def test_tables_that_no_promotion_asks_for(lines, more, vain):
    """Holidays ask for the regions of stores, too."""
    files = {
        "shop.promo": SHOP.replace("  LINES\n", f"  {lines}\n" if lines else "").replace("MORE", more).encode(),
        "data/days.csv": b"date,name\n2026-10-03,Unity Day\n",
        "data/shops.csv": b"id,region\n1,North\n",
    }
    found = check_project(files).diagnostics
    shown = SHOP.split("\n")
    assert [shown[f.span.line - 1].split('"')[1] for f in found if f.code == "P3112"] == vain
    assert not [f for f in found if f.code != "P3112"]
