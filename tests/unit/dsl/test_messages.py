"""What marketers write instead: each case is a line, what is said of it, and where. One finding for one cause."""

from __future__ import annotations

import re

import pytest

from dsl import limits
from dsl.compiler import Compilation
from dsl.diagnostics import render
from engine.image import NAMES_MAX
from engine.money import EXPONENTS
from tests.unit.dsl.frame import compile_framed

OFFER = """\
promotion offer {
  runs from 2026-09-01 until 2026-09-30
  sold everywhere
  for everyone
  get 10% off pasta
  group item-deals
  label en "Offer"
}
"""
OF_THE_PARSER = re.compile(r"(?i)\btokens?\b|terminal|unexpected|\blark\b|traceback|_NL|none of the")

# (the line of OFFER that is replaced, or "+" to add one; what stands there), code, under the carets, what to write
LINES = [
    # ---- amounts and percentages
    ("get", "get EUR 1,50 off pasta each", "P0101", "EUR 1,50", "EUR 1.50"),
    ("get", "get EUR 1.000,00 off pasta each", "P0101", "EUR 1.000,00", "EUR 1000.00"),
    ("get", "get EUR 1,000.00 off pasta each", "P0101", "EUR 1,000.00", "EUR 1000.00"),
    ("get", "get EUR 5,- off pasta each", "P0101", "EUR 5,-", "EUR 5.00"),
    ("get", "get 12,5% off pasta", "P0101", "12,5%", "12.5%"),
    ("get", "get 5 € off pasta each", "P0102", "5 €", "EUR 5.00"),
    ("get", "get 5 Euro off pasta each", "P0102", "5 Euro", "EUR 5.00"),
    ("get", "get eur 5.00 off pasta each", "P0102", "eur 5.00", "EUR 5.00"),
    ("get", "get 5.00 off pasta each", "P0102", "5.00", "EUR 5.00"),
    ("get", "get 10 off pasta", "P0110", "10", "10%"),
    ("get", "get 10 percent off pasta", "P0110", "10 percent", "10%"),
    ("get", "get EUR -5.00 off pasta each", "P0109", "-", "«off» takes away"),
    ("get", "get -10% off pasta", "P0109", "-", "«off» takes away"),
    ("get", "get 110% off pasta", "P2006", "110%", "from 0.01% to 100%"),
    ("get", "get EUR 5.005 off pasta each", "P2005", "EUR 5.005", "EUR 5.00"),
    ("get", "get USD 5.00 off pasta each", "P2008", "USD 5.00", "EUR"),
    # ---- rewards
    ("get", "get 10% of pasta", "P0107", "of", "«off»"),
    ("get", "get 10% discount on pasta", "P0107", "discount on", "«off»"),
    ("get", "get 10% off all pasta", "P0109", "all", "take it out"),
    ("get", "get 10% off the pasta", "P0109", "the", "take it out"),
    ("get", "get 10% off pasta, sauce", "P0202", "pasta, sauce", "name one set"),
    ("get", "get 10% off pasta and sauce", "P0202", "pasta and sauce", "name one set"),
    ("get", "get 10% off basket", "P1001", "basket", "«the basket»"),
    ("get", "get 10% off everything", "P1001", "everything", "products everything"),
    ("get", "get EUR 5.00 off pasta", "P0209", "pasta", "«off pasta each» or «off pasta together»"),
    ("get", "get pasta for EUR 1.00", "P0209", "EUR 1.00", "«EUR 1.00 each»"),
    ("get", "get pasta for EUR 0.99 per kilo", "P0202", "per kilo", "«per kg»"),
    ("get", "get pasta for EUR 0.99 per piece", "P0202", "per piece", "«each»"),
    ("get", "get pasta for EUR 0.99 per 500 g", "P0202", "per 500 g", "«per 100 g»"),
    ("get", "get pasta free", "P0202", "pasta free", "«100% off pasta»"),
    ("get", "get pasta half price", "P0202", "pasta half price", "«50% off pasta»"),
    ("get", "get 3 for 2 of pasta", "P0202", "3 for 2 of pasta", "get the cheapest 1 free"),
    ("get", "get the cheapest 1 free", "P3006", "get the cheapest 1 free", "buy 3 of ..."),
    ("+", "get 5% off sauce", "P0214", "get 5% off sauce", "take one out"),
    # ---- dates, times, zones
    ("runs", "runs from 1.9.2026 until 2026-09-30", "P0103", "1.9.2026", "2026-09-01"),
    ("runs", "runs from 1. September 2026 until 2026-09-30", "P0103", "1. September 2026", "2026-09-01"),
    ("runs", "runs from September 1, 2026 until 2026-09-30", "P0103", "September 1, 2026", "2026-09-01"),
    ("runs", "runs from 2026-09-01T08:00 until 2026-09-30", "P0103", "2026-09-01T08:00", "2026-09-01 08:00"),
    ("runs", "runs from 2026-02-30 until 2026-09-30", "P0106", "2026-02-30", "calendar"),
    ("runs", "runs from 2026-09-01 until 2026-08-30", "P2011", "2026-08-30", "2026-09-01"),
    ("runs", "runs from 2026-09-01 until 2026-09-30 25:00", "P0106", "25:00", "24:00"),
    ("runs", "runs from 2026-09-01 until 2026-09-30 23:59", "P3015", "23:59", "the date alone"),
    ("runs", "runs from 2026-09-01 to 2026-09-30", "P0202", "to", "«until»"),
    ("runs", "runs from 2026-09-01 in Berlin", "P1020", "Berlin", "«Europe/Berlin»"),
    ("runs", "runs from 2026-09-01 in Europe/Berln", "P1020", "Europe/Berln", "«Europe/Berlin»"),
    ("runs", "runs from 2026-09-01 in UTC", "P1020", "UTC", "«Etc/UTC»"),
    ("+", "only on Monday", "P0112", "Monday", "Mon"),
    ("+", "only on weekends", "P0112", "weekends", "Sat, Sun"),
    ("+", "only on Mon between 8 and 10", "P0106", "between 8 and 10", "between 08:00 and 10:00"),
    ("+", "only on Mon from 08:00 to 10:00", "P0106", "from 08:00 to 10:00", "between 08:00 and 10:00"),
    ("+", "only on Mon between 18.00 and 20.00", "P0106", "between 18.00 and 20.00", "between 18:00 and 20:00"),
    ("+", "only between 18:00 and 20:00", "P0203", "only", "only on Mon to Sun"),
    # ---- for whom, where
    ("for", "for all", "P1002", "all", "«everyone»"),
    ("for", "for gold", "P1002", "gold", "«gold-members»"),
    ("for", "for gold-members or employees", "P0210", "for gold-members or employees", "for any of gold-members"),
    ("for", "for everyone except employees", "P0202", "except", "«but not»"),
    ("for", "for customer.tier is gold", "P0202", "customer.tier is gold", "name a segment"),
    ("for", "für alle", "P0201", "für", "«for everyone»"),
    ("sold", "sold in webshp", "P1008", "webshp", "«webshop»"),
    # ---- limits, texts, group
    ("+", "limit 15% per basket", "P2004", "15%", "a number of times"),
    ("+", "limit once per customer", "P0202", "once", "write 1"),
    ("+", "limit max 1 per customer", "P0109", "max", "take it out"),
    ("+", "limit 1 per day", "P0202", "per day", "«in total each day»"),
    ("+", "limit 1 per customer per day", "P0202", "per day", "«each day»"),
    ("label", 'label EN "x"', "P0202", "EN", "«en»"),
    ("label", 'label en "x', "P0108", '"x', 'the closing " is missing'),
    ("label", 'label en "You save {amount}"', "P1026", "{amount}", "«{saved}»"),
    ("group", "group item-deal", "P1006", "item-deal", "«item-deals»"),
    ("group", "group special", "P1006", "special", "choose from: "),
    ("for", "for vips", "P1002", "vips", "choose from: "),
    ("group", "group delivery", "P3004", "get 10% off pasta", "gives discounts"),
    ("group", "group item-deals, coupons", "P0202", ",", "take it out"),
    # ---- conditions
    ("+", "when basket >= EUR 50.00", "P0105", ">=", "«is worth at least»"),
    ("+", "when basket contains pasta", "P0202", "contains pasta", "«has at least 1 of pasta»"),
    ("+", "when basket has pasta", "P0202", "has pasta", "«has at least 1 of pasta»"),
    ("+", "when customer.tier is gold or silver", "P0104", "or", "customer.tier is one of gold, silver"),
    ("+", 'when customer.tier is "gold"', "P2003", '"gold"', "without quotes"),
    ("+", "when customer.teir is gold", "P1004", "teir", "«tier»"),
    ("+", "when customer.tier is Gold", "P0108", "Gold", "gold"),
    ("+", "when store.region is Süd", "P0108", "Süd", '"Süd"'),
    ("+", "when store.region is in Nord, Ost", "P0105", "is in", "«is one of»"),
    ("+", "// ours", "P0109", "//", "#"),
]  # fmt: skip


def said(compilation: Compilation) -> list[tuple[str, str]]:
    """(code, what stands under the carets) of each finding."""
    result = []
    for finding in compilation.diagnostics:
        text = compilation.sources[finding.span.file].split("\n")[finding.span.line - 1]
        result.append((finding.code, text[finding.span.column - 1 : finding.span.end_column - 1]))
    return result


def replaced(word: str, line: str) -> str:
    lines = OFFER.splitlines()
    if word == "+":
        return "\n".join([*lines[:-1], f"  {line}", "}"]) + "\n"
    return "\n".join(f"  {line}" if old.split()[0] == word else old for old in lines) + "\n"


@pytest.mark.parametrize(("word", "line", "code", "under", "write"), LINES, ids=[case[1] for case in LINES])
def test_one_wrong_line_is_one_finding_that_says_what_to_write(word, line, code, under, write):
    compilation = compile_framed(replaced(word, line))
    assert said(compilation) == [(code, under)]
    shown = render(compilation.diagnostics[0], compilation.sources)
    assert write in shown
    assert len(shown.splitlines()) <= 6
    assert not OF_THE_PARSER.search(shown.replace(line, ""))


@pytest.mark.parametrize(("word", "line", "code", "under", "write"), LINES, ids=[case[1] for case in LINES])
def test_a_fix_mends_its_own_place(word, line, code, under, write):
    """What a fix writes is never reported by the same code at the same place again."""
    text = replaced(word, line)
    (finding,) = compile_framed(text).diagnostics
    if finding.fix is None:
        return
    lines = text.split("\n")
    span = finding.fix.span
    old = lines[span.line - 1]
    lines[span.line - 1] = old[: span.column - 1] + finding.fix.text + old[span.end_column - 1 :]
    again = [(other.code, other.span) for other in compile_framed("\n".join(lines)).diagnostics]
    assert (finding.code, finding.span) not in again


# ---------------------------------------------------------------------------------------------------- blocks and lines


def test_a_wrong_first_line_does_not_hide_the_others():
    text = "segment Ältere {\n  customer.tier >= gold\n  customer.tier is gold or silver\n}\n"
    assert [code for code, _ in said(compile_framed(text))] == ["P0213", "P0105", "P0104"]


def test_a_name_whose_declaration_has_a_wrong_title_is_known_all_the_same():
    text = "products noodles “Nudeln” {\n  item.brand is “X”\n}\n" + OFFER.replace("off pasta", "off noodles")
    assert [code for code, _ in said(compile_framed(text))] == ["P0108", "P0108"]


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        (OFFER.replace("offer {", "offer\n{"), [("P0203", "")]),
        (OFFER.replace('"Offer"\n}', '"Offer" }'), [("P0109", "}")]),
        (OFFER + "}\n", [("P0206", "}")]),
        (OFFER.rstrip()[:-1] + "\n" + OFFER.replace("offer", "other"), [("P0205", "promotion offer {")]),
        (OFFER.replace('"Offer"', '"Of\n  fer"'), [("P0108", '"Of')]),
        ("promotion offer { runs from 2026-09-01 }\n", [("P0202", "runs")]),
        ('{"promotion": {"name": "p"}}\n', [("P0204", "{")]),
        ("get 10% off pasta\n", [("P0204", "get")]),
    ],
)
def test_braces_and_quotes(text, findings):
    assert said(compile_framed(text)) == findings


@pytest.mark.parametrize(
    "text",
    [
        OFFER.replace("\n", "\r\n"),
        OFFER.replace("\n", "\r"),
        "\ufeff" + OFFER,
        OFFER.replace("  ", "\t"),
        OFFER.replace("  ", "\u00a0 "),
        OFFER.replace("off pasta", "off\u202fpasta"),
        OFFER.rstrip(),
    ],
)
def test_line_ends_and_blanks_of_other_editors_mean_nothing(text):
    assert compile_framed(text).programs == compile_framed(OFFER).programs != ()


def test_a_blank_in_quotes_is_kept():
    (offer,) = [
        made for made in compile_framed(OFFER.replace('"Offer"', '"5\u00a0%"')).programs
        if getattr(made, "name", "") == "offer"
    ]  # fmt: skip
    assert offer.labels[0].text == "5\u00a0%"  # type: ignore[union-attr]


def test_a_line_of_megabytes_is_not_printed():
    compilation = compile_framed("promotion p { " + "x" * 1_500_000)
    shown = "\n".join(render(finding, compilation.sources) for finding in compilation.diagnostics)
    assert "P0305" in shown and len(shown) < 3_000


def test_without_channels_everywhere_is_nowhere():
    project = """\
settings {
  currency EUR
  timezone Europe/Berlin
}

schema {
  attributes item {
    kind: one of goods
  }
}

sequence item-deals

group item-deals {
  gives discounts
  apply best
  prices original
}

products pasta {
  item.kind is goods
}
"""
    compilation = compile_framed(project + OFFER + OFFER.replace("offer", "other"))
    assert [code for code, _ in said(compilation)] == ["P3016"]
    assert "channels stores, webshop" in render(compilation.diagnostics[0], compilation.sources)


# ---------------------------------------------------------------------------------------------------- tables


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"", "P1018", "no names of columns"),
        (b"Artikel;Preis\n1;2.00\n", "P1018", "«artikel», «preis»"),
        ("sku,brand\n1,Käse\n".encode("latin-1"), "P1018", "not text in UTF-8"),
        ("sku,brand\n1,Käse\n".encode("utf-16"), "P1018", "not text in UTF-8"),
        (b"sku,price\n1\0,2.00\n", "P1018", "not text in UTF-8"),
        (b"PK\x03\x04" + bytes(100), "P1018", "workbook; save the sheet as CSV"),
        (b'sku,brand\n1,A\n2,"B\n3,C\n', "P1018", "from line 3 on quotes"),
        (b"sku,brand\n1,A,x\n", "P1018", "line 2 has 3 cells"),
        (b"sku;price\n1;2,00\n", "P1019", "written with a point"),
        (b"sku,price\n1,1e2\n", "P1019", "no number"),
        ("sku,price\n1,٣\n".encode(), "P1019", "no number"),
        (b"sku,price Euro\n1,2.00\n", "P1018", "write «price EUR»"),
        (b"sku,price,price EUR\n1,2.00,3.00\n", "P1018", "«price» has the same"),
        (b"sku,kind\n\n1,goods\n\n2,odd\n", "P1019", "line 5"),
        (b'sku,brand,kind\n1,"a\nb",goods\n2,x,odd\n', "P1019", "line 4"),
        (b"sku\n1\n\n1\n", "P1019", "line 2 has it too"),
    ],
)
def test_tables_say_what_is_wrong_and_where(data, code, words):
    compilation = compile_framed('catalogue from "data/c.csv"\n', {"data/c.csv": data})
    assert [finding.code for finding in compilation.diagnostics] == [code]
    assert words in render(compilation.diagnostics[0], compilation.sources)


@pytest.mark.parametrize(
    "data",
    [
        b"sku,price\n1,2.00\n",
        b"\xef\xbb\xbfsku,price\r\n1,2.00\r\n",
        b"sku;price\n1;2.00\n\n",
        b"sku\tprice\n1\t2.00",
        b"sku,price\r1,2.00\r",
        b"sku,price EUR\n1,EUR 2.00\n,\n",
    ],
)
def test_tables_of_other_programs(data):
    compilation = compile_framed('catalogue from "data/c.csv"\n', {"data/c.csv": data})
    first = compile_framed('catalogue from "data/c.csv"\n', {"data/c.csv": b"sku,price\n1,2.00\n"})
    assert compilation.programs == first.programs != ()


@pytest.mark.parametrize(
    ("data", "ok"),
    [
        (b"code\nA1\nB2\n", True),
        (b"A1\nB2\n", True),
        (b"Code;Kunde\nA1;7\nB2;8\n", True),
        (b"Gutschein;Kunde\nA1;7\nB2;8\n", False),
    ],
)
def test_a_list_of_several_columns_names_its_first(data, ok):
    compilation = compile_framed('codes listed {\n  codes from "codes/x.csv"\n}\n', {"codes/x.csv": data})
    assert compilation.ok == ok
    if ok:
        (codes,) = [made for made in compilation.programs if getattr(made, "name", "") == "listed"]
        assert codes.codes == ("A1", "B2")  # type: ignore[union-attr]


def test_many_unknown_names_are_compared_for_a_while_only():
    """Each is reported; the first ones with a guess."""
    sets = "".join(f'products known-set-{i} {{\n  item.brand is "{i}"\n}}\n' for i in range(1_500))
    offers = "".join(
        OFFER.replace("promotion offer", f"promotion offer-{i}").replace("off pasta", f"off knwn-set-{i}")
        for i in range(limits.GUESSES_MAX + 50)
    )
    findings = compile_framed(sets + "\n" + offers).diagnostics
    assert len(findings) == limits.GUESSES_MAX + 50
    assert sum(finding.fix is not None for finding in findings) == limits.GUESSES_MAX


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (OFFER.replace("  group", "  when basket has at least 99999999999999 kg of pasta\n  group"), "P0309"),
        ("segment risky {\n  customer.churn-risk is at least 9999999999999%\n  consent to profiling\n}\n", "P0309"),
        ("settings {\n  currency " + ", ".join(sorted(EXPONENTS)[:63]) + "\n  timezone Europe/Berlin\n}\n", "P0304"),
    ],
)
def test_what_the_engine_cannot_hold_is_refused_here(text, code):
    assert limits.BIT_NAMES_MAX == NAMES_MAX
    assert code in {finding.code for finding in compile_framed(text).diagnostics}


def test_many_circles_are_found_soon_and_one_zone_is_reported_once():
    tangles = "".join(f"products a-{i} {{\n  in b-{i}\n}}\nproducts b-{i} {{\n  in a-{i}\n}}\n" for i in range(1_200))
    codes = [finding.code for finding in compile_framed(tangles).diagnostics]
    assert codes == ["P6003"] * limits.FINDINGS_MAX
    text = OFFER.replace("2026-09-30", "2026-09-30 in Europe/Berln")
    findings = compile_framed(text + text.replace("offer", "other")).diagnostics
    assert [(finding.code, finding.help) for finding in findings] == [("P1020", "Reported once; 1 more line uses it.")]
