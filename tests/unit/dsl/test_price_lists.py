"""Price lists in text: what becomes of a table, what changes with it, and what is said of it."""

from __future__ import annotations

from functools import partial

import pytest

from dsl.changes import Side, changes
from dsl.compiler import Compilation, check_project
from dsl.diagnostics import render
from dsl.memory import Memory
from dsl.testing import run
from engine import program as p
from tests.oracle.decide import decide as oracle
from tests.unit.dsl.frame import DATA, compile_framed, framed

TEXT = """\
prices "acme" from "data/x.csv"
prices "spare" from "data/spare.csv"

promotion acme-prices {
  runs from 2026-01-01 until 2026-12-31
  sold everywhere
  for everyone
  get prices from list "acme"
  group item-deals
  exclusive
  label en "Contract price"
}
"""
SPARE = {"data/spare.csv": b"article,price\npenne,1.00\n"}


def compiled(table: str, text: str = TEXT, memory: Memory | None = None) -> Compilation:
    files = {"data/x.csv": table.encode(), **SPARE}
    if memory is None:
        return compile_framed(text, files)
    return check_project(framed(text, files), memory)


def listed(compilation: Compilation) -> p.PriceList:
    assert not [render(f, compilation.sources) for f in compilation.diagnostics if f.severity == "error"]
    (found,) = (one for one in compilation.programs if isinstance(one, p.PriceList))
    return found


def test_a_table_becomes_rows_in_order():
    found = listed(
        compiled(
            "sku;from_quantity;price EUR;from;until\n"
            "penne;10;1.50;;\n"
            "penne;;1.759;2026-07-01;2026-12-31\n"
            "penne;1;1.80;;2026-06-30\n"
            "absent;;3;;\n"
        )
    )
    assert found.name == "acme"
    assert found.articles == ("absent", "penne", "penne", "penne")
    assert found.quantities == (1, 1, 1, 10)
    assert found.starts == (None, None, 20_635, None)
    assert found.untils == (None, 20_634, 20_818, None)
    (euro,) = found.prices
    assert (euro.currency, euro.values) == ("EUR", (3_000_000, 1_800_000, 1_759_000, 1_500_000))


def test_only_lists_that_a_promotion_gives_take_force():
    assert listed(compiled("article,price\npenne,1.50\n")).name == "acme"
    compilation = check_project(framed(TEXT, {"data/x.csv": b"article,price\npenne,1.50\n", **SPARE}), Memory())
    shown = [render(finding, compilation.sources) for finding in compilation.diagnostics]
    assert len(shown) == 1
    assert shown[0].startswith("note P3112") or "P3112" in shown[0]
    assert "none says «get prices from list»" in shown[0]


def test_the_list_that_reductions_are_held_against_is_not_in_vain():
    text = TEXT.replace('"spare" from', '"standard" from')
    compilation = check_project(framed(text, {"data/x.csv": b"article,price\npenne,1.50\n", **SPARE}), Memory())
    assert not compilation.diagnostics


@pytest.mark.parametrize("group", ["item-deals", "basket-deals"])
def test_variants_may_give_a_list(group):
    arms = 'variants by basket {\n    variant listed 50% get prices from list "acme"\n    control 50%\n  }'
    text = TEXT.replace('get prices from list "acme"', arms).replace("item-deals", group)
    listed(compiled("article,price\npenne,1.50\n", text))


def test_a_row_that_changes_is_read_again():
    memory = Memory()
    for price in ("1.50", "1.40", "1.50"):
        found = listed(compiled(f"article,price\npenne,{price}\n", memory=memory))
        assert found.prices[0].values == (int(price.replace(".", "")) * 10_000,)


def test_tests_are_run_with_the_list():
    text = f"""{TEXT}
test "three reach the price" {{
  at 2026-09-08 12:00
  sold in stores
  buys 3 x penne
  expect acme-prices saves EUR 1.50
  expect penne costs EUR 4.50
}}

test "two do not" {{
  at 2026-09-08 12:00
  sold in stores
  buys 2 x penne
  expect acme-prices does not apply because quantity
}}
"""
    compilation = compiled("article,from-quantity,price\npenne,3,1.50\n", text)
    results = run(compilation, partial(oracle, compilation.programs))
    assert [(result.case.name, result.failures) for result in results] == [
        ("three reach the price", ()),
        ("two do not", ()),
    ]


# ---------------------------------------------------------------------------------------------------- changes

BEFORE = "article,from-quantity,price\npenne,1,1.80\npenne,10,1.50\nother,1,2.00\n"


@pytest.mark.parametrize(
    ("after", "effect", "words"),
    [
        (BEFORE.replace("1.50", "1.40"), "gives more", "1 articles with other values"),
        (BEFORE.replace("1.50", "1.60"), "gives less", "1 articles with other values"),
        (BEFORE.replace("1.50", "1.40").replace("2.00", "2.10"), "gives more and less", "2 articles with other values"),
        (BEFORE + "third,1,1.00\n", "changes what it gives", "1 new articles"),
        (BEFORE.replace("other,1,2.00\n", ""), "changes what it gives", "1 articles gone"),
        (BEFORE + "penne,20,1.70\n", "changes what it gives", "1 articles with other values"),
    ],
)
def test_what_a_changed_list_does(after, effect, words):
    old, new = compiled(BEFORE), compiled(after)
    found = changes(Side(old.programs, old.spans), Side(new.programs, new.spans))
    assert [(one.title, one.effect.value, one.words) for one in found] == [
        ("prices acme", effect, words),
        ("acme-prices", "changed through", "prices acme"),
    ]
    assert found[0].span is not None
    assert found[0].span.line == 1


def test_another_list():
    both = BEFORE.encode()
    old = compile_framed(TEXT, {"data/x.csv": both, "data/spare.csv": both})
    new = compile_framed(TEXT.replace('list "acme"', 'list "spare"'), {"data/x.csv": both, "data/spare.csv": both})
    found = changes(Side(old.programs, old.spans), Side(new.programs, new.spans))
    assert [(one.sign, one.title, one.words) for one in found] == [
        ("+", "prices spare", "2 articles"),
        ("~", "acme-prices", 'get prices from list "acme" -> "spare"'),
        ("-", "prices acme", "2 articles"),
    ]


def test_the_frame_has_its_list():
    assert b"penne" in DATA["data/acme.csv"]
