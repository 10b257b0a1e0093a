"""What flyers say, written as a rule: each line is answered with the lines of the language that say it."""

from __future__ import annotations

import pytest

from dsl.diagnostics import Diagnostic, render
from dsl.parse import parse

# (the block, what is written, what the finding says to write)
LINES = [
    ("promotion", "valid from 2026-11-23 until 2026-11-28", "«runs from»"),
    ("promotion", "from 2026-11-23 until 2026-11-28", "«runs from»"),
    ("promotion", "runs 2026-11-23 until 2026-11-28", "«runs from»"),
    ("promotion", "runs from 2026-11-26 18:00 on", "take it out"),
    ("promotion", "runs always", "«runs from 2026-01-01»"),
    ("promotion", "daily from 18:00 to 20:00", "«only on Mon to Sun»"),
    ("promotion", "every Wednesday", "«only on Wed»"),
    ("promotion", "on Wednesdays", "«only on Wed»"),
    ("promotion", "in stores", "«sold in stores»"),
    ("promotion", "sold in all stores", "«sold in stores»"),
    ("promotion", "sold on marketplace", "«sold in marketplace»"),
    ("promotion", "for employees only", "«for employees»"),
    ("promotion", 'with coupon "MORE"', "«with code from NAME»"),
    ("promotion", 'with code "MORE"', 'code "MORE"'),
    ("promotion", "with coupon spring", "«with code from spring»"),
    ("promotion", "spend EUR 50.00", "«when basket is worth at least EUR 50.00»"),
    ("promotion", "when basket is at least EUR 50.00", "«when basket is worth at least EUR 50.00»"),
    ("promotion", "when basket is worth EUR 39.00 or more", "«when basket is worth at least EUR 39.00»"),
    ("promotion", "when total is over EUR 50.00", "«when basket is worth at least EUR 50.00»"),
    ("promotion", "buy 3 pizza get 1 free", "buy 4 of pizza   and   get the cheapest 1 free"),
    ("promotion", "buy 2 get 1 free", "buy 3 of ...   and   get the cheapest 1 free"),
    ("promotion", "buy 3 shirts for EUR 50.00", "buy 3 of shirts   and   get them together for EUR 50.00"),
    ("promotion", "get 2 yoghurt for EUR 3.00", "buy 2 of yoghurt   and   get them together for EUR 3.00"),
    ("promotion", "buy at least 12 of gloves", "buy 12 of gloves   for each full 12, or   when basket has at least 12"),
    ("promotion", "buy 12 or more of gloves", "buy 12 of gloves   for each full 12, or   when basket has at least 12"),
    ("promotion", "buy 6 beers", "«buy 6 of beers»"),
    ("promotion", "buy any 3 of shirts", "«buy 3 of shirts»"),
    ("promotion", "get the 2nd half price", "buy 2 of ...   and   get 50% off the cheapest 1"),
    ("promotion", "get second pair half price", "get 50% off the cheapest 1"),
    ("promotion", "get half price on the second pair", "get 50% off the cheapest 1"),
    ("promotion", "get 50% off the cheapest", "«get 50% off the cheapest 1»"),
    ("promotion", "get 50% off the cheaper one", "get 50% off the cheapest 1"),
    ("promotion", "get half price on shoes", "«get 50% off shoes»"),
    ("promotion", "get one for free", "«get the cheapest 1 free»"),
    ("promotion", "get 20% off everything except new", "get 20% off everything   and   except new"),
    ("promotion", "get 5% off", "«get 5% off the basket» or «get 5% off them»"),
    ("promotion", "get EUR 10.00 off", "«get EUR 10.00 off the basket» or «get EUR 10.00 off them together»"),
    ("promotion", "get screws at EUR 0.10", "«get screws for EUR 0.10 each»"),
    ("promotion", "get price EUR 0.10 for screws", "«get screws for EUR 0.10 each»"),
    ("promotion", "get meat for EUR 0.99 / 100 g", "«get meat for EUR 0.99 per 100 g»"),
    ("promotion", "get meat for EUR 9.90/kg", "«get meat for EUR 9.90 per kg»"),
    ("promotion", "get double points", "«get 2 times points on the basket»"),
    ("promotion", "no shipping costs", "«get free SERVICE»"),
    ("promotion", "20% off fashion", "«get 20% off fashion»"),
    ("promotion", "excluding deposit", "«except deposit»"),
    ("promotion", "not on books, tobacco", "«except books, tobacco»"),
    ("promotion", "except deposit, tobacco and books", "«,»"),
    ("promotion", 'except "Pfand"', "name a product set"),
    ("promotion", "max 1 per customer", "«limit 1 per customer»"),
    ("promotion", "once per customer", "«limit 1 per customer»"),
    ("promotion", "limit 2 per person", "«limit 2 per customer»"),
    ("promotion", "limit 1 per receipt", "«limit 1 per basket»"),
    ("promotion", "budget EUR 5000.00", "«limit EUR 5000.00 in total»"),
    ("promotion", "limit EUR 5000.00 total", "«limit EUR 5000.00 in total»"),
    ("promotion", "not combinable with other-deal", "«not with other-deal»"),
    ("promotion", 'label "3 für 2"', '«label en "3 für 2"»'),
    ("products", 'item.category under "Food"', "«is under»"),
    ("products", 'item.sku in "100", "101"', "«is one of»"),
    ("products", 'item.brand is one of ["A", "B"]', '«"A", "B"»'),
    ("products", "all items", "«item.sku is known»"),
    ("segment", "customer has not ordered for 90 days", "«no orders in the last 90 days»"),
    ("segment", "customer.birthday is this week", "«anniversary of customer.birthday is this week»"),
    ("segment", "customer is employee", "«customer.kind is employee»"),
    ("test", "on 2026-11-24", "«at 2026-11-24 12:00»"),
    ("test", "in stores", "«sold in stores»"),
    ("test", "customer.tier is gold", "«given customer.tier is gold»"),
    ("test", "buys 3 pizza", "«buys 3 x pizza»"),
    ("test", "buys pizza", "«buys 1 x pizza»"),
    ("test", "buys 500 g meat", "«buys 500 g of meat»"),
    ("test", "expect total is EUR 5.00", "«expect total EUR 5.00»"),
    ("test", "expect pizza-deal applies one time", "«once»"),
    ("test", "expect pizza-deal", "«expect pizza-deal applies»"),
    ("test", "expect not pizza-deal", "«expect pizza-deal does not apply»"),
    ("test", "expect no discount", "«expect nothing applies»"),
    ("test", "expect discount EUR 5.00", "«expect PROMOTION saves EUR 5.00»"),
    ("test", 'with code "MORE"', '«given code "MORE"»'),
]
HEADS = {"promotion": "promotion p {", "products": "products p {", "segment": "segment p {", "test": 'test "t" {'}


def read(block: str, line: str) -> tuple[list[Diagnostic], dict[str, str]]:
    text = f"{HEADS[block]}\n  {line}\n}}\n"
    return list(parse("a.promo", text.encode()).findings), {"a.promo": text}


@pytest.mark.parametrize(("block", "line", "write"), LINES, ids=[case[1] for case in LINES])
def test_a_line_of_a_flyer_is_answered_with_the_lines_that_say_it(block, line, write):
    findings, sources = read(block, line)
    assert len(findings) == 1
    shown = render(findings[0], sources)
    assert write in shown
    assert "Possible here" not in shown


@pytest.mark.parametrize(("block", "line", "write"), LINES, ids=[case[1] for case in LINES])
def test_a_fix_of_a_flyers_line_can_be_read(block, line, write):
    fix = read(block, line)[0][0].fix
    if fix is None:
        return
    lines = f"{HEADS[block]}\n  {line}".split("\n")
    old = lines[fix.span.line - 1]
    mended = old[: fix.span.column - 1] + fix.text + old[fix.span.end_column - 1 :]
    assert read(block, mended.strip())[0] == []


@pytest.mark.parametrize(
    "line", ["", "x", "buy", "get " * 60, "limit " + "9" * 150, "für alle Kunden 3 für 2", "é" * 190]
)
def test_other_lines_are_left_to_the_parsers_words(line):
    assert len(read("promotion", line)[0]) <= 1
