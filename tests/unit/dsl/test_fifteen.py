"""Fifteen mistakes that a good language answers well: what `einklang check` prints of each, letter by letter, in both
languages. `texts/fifteen.txt` has the cases: the file with the mistake, then what is said in English and in German."""

from __future__ import annotations

import pathlib
import re

import pytest

from dsl.compiler import LATER, check_project
from dsl.diagnostics import Diagnostic, render
from dsl.phrases import LANGUAGES
from tests.unit.dsl.frame import compile_framed

HERE = pathlib.Path(__file__).parent / "texts"
CASE = re.compile(r"^==== (\d+) ([\w.]+)\n(.*?)^---- en\n(.*?)^---- de\n(.*?)(?=^====|\Z)", re.MULTILINE | re.DOTALL)
CASES = CASE.findall((HERE / "fifteen.txt").read_text(encoding="utf-8"))

ARTICLES = {  # how many, of which category and kind, at which price
    "dress": (18_204, "Fashion/Dresses", "goods", "39.90"),
    "pasta": (12, "Food/Pasta", "goods", "2.29"),
    "banana": (1, "Food/Fruit/Bananas", "goods", "1.29"),
    "apple": (8, "Food/Fruit/Apples", "goods", "2.49"),
    "book": (198, "Books", "books", "12.00"),
    "cigar": (15, "Tobacco", "tobacco", "8.00"),
}
ROWS = [f"{name}-{n},{','.join(rest)}" for name, (count, *rest) in ARTICLES.items() for n in range(count)]
PRICES = [
    "sku,price,from,until",
    "banana-0,1.49,,2026-08-28",
    "banana-0,1.29,2026-08-29,2026-09-06",
    "banana-0,1.49,2026-09-07,",
]
BASE = {
    "schema.promo": (HERE / "fifteen-schema.promo").read_bytes(),
    "products.promo": (HERE / "fifteen-products.promo").read_bytes(),
    "data/prices.csv": "\n".join(PRICES).encode(),
    "data/catalogue.csv": "\n".join(["sku,category,kind,price", *ROWS]).encode(),
}
FEW = {**BASE, "data/catalogue.csv": "\n".join(["sku,category,kind,price", *ROWS[18_200:]]).encode()}  # quicker
COUNTED = ("5", "11", "14")  # what they say depends on the catalogue


def findings(files: dict[str, bytes]) -> tuple[list[Diagnostic], dict[str, str]]:
    compilation = check_project(files)
    return [found for found in compilation.diagnostics if not found.code.startswith(LATER)], dict(compilation.sources)


def promotion(lines: str, group: str) -> str:
    return f'promotion p {{\n  {lines}\n  sold everywhere\n  for everyone\n  group {group}\n  label en "P"\n}}\n'


def test_there_are_fifteen():
    assert [number for number, *_ in CASES] == [str(number) for number in range(1, 16)]


@pytest.mark.parametrize(("number", "name", "text", "english", "german"), CASES, ids=[case[0] for case in CASES])
def test_each_prints_what_it_should(number, name, text, english, german):
    found, sources = findings({**(BASE if number in COUNTED else FEW), name: text.encode()})
    for language, expected in zip(LANGUAGES, (english, german), strict=True):
        shown = "\n".join(render(finding, sources, language=language) for finding in found)
        assert shown == expected.rstrip("\n")
        assert all(len(render(finding, sources, language=language).splitlines()) <= 6 for finding in found)


@pytest.mark.parametrize(("file", "old", "new", "mark"), [
    ("schema.promo", b"catalogue from", b"catalog from", " (products.promo:1, 18 204 articles)"),
    ("schema.promo", b"currency EUR", b"curency EUR", " (products.promo:1)"),
    ("data/catalogue.csv", b"dress-0,", b"dress-0,,,,", " (products.promo:1)"),
    ("products.promo", b'is under "Fashion"', b"is under Fashion", ""),
])  # fmt: skip
def test_what_is_wrong_elsewhere_leaves_out_what_cannot_be_told(file, old, new, mark):
    name, text = next((name, text) for number, name, text, *_ in CASES if number == "5")
    files = {**BASE, name: text.encode()}
    files[file] = files[file].replace(old, new, 1)
    (finding,) = (found for found in findings(files)[0] if found.code == "P1001")
    assert finding.mark == f"did you mean «fashion»?{mark}"


def test_a_suggested_set_is_counted_with_those_that_it_is_made_of():
    sets = b'products dear "Dear" {\n  in fashion\n  item.kind is goods\n}\n'
    wrong = b"products all-dear {\n  in deer\n}\n"
    files = {**BASE, "dear.promo": sets, "wrong.promo": wrong}
    (finding,) = (found for found in findings(files)[0] if found.code == "P1001")
    assert finding.mark == "did you mean «dear»? (dear.promo:1, 18 204 articles)"


def test_what_only_its_author_can_choose_is_offered_and_never_applied():
    """Each choice mends the line; none is a fix."""
    lines = {
        "get EUR 5.00 off pasta": ["get EUR 5.00 off pasta each", "get EUR 5.00 off pasta together"],
        "get pasta for EUR 5.00": ["get pasta for EUR 5.00 each"],
        "buy 3 of pasta\n  get them for EUR 5.00": ["get them for EUR 5.00 each", "get them together for EUR 5.00"],
        "get EUR 0.125 off pasta each": ["get EUR 0.12 off pasta each", "get EUR 0.13 off pasta each"],
        "get EUR 0.005 off pasta each": ["get EUR 0.01 off pasta each"],
        "get EUR 0.00001 off pasta each": ["get EUR 0.01 off pasta each"],
    }
    for written, meant in lines.items():
        wrong = promotion(f"runs from 2026-09-01\n  {written}", "basket-deals")
        (finding,) = compile_framed(wrong).diagnostics
        assert finding.fix is None
        mended = []
        for span, words in finding.choices:
            rows = wrong.split("\n")
            row = rows[span.line - 1]
            rows[span.line - 1] = row[: span.column - 1] + words + row[span.end_column - 1 :]
            mended.append(rows[span.line - 1].strip())
            codes = {found.code for found in compile_framed("\n".join(rows)).diagnostics}
            assert not codes, (written, codes)
        assert mended == meant


@pytest.mark.parametrize(
    ("line", "mended"),
    [
        ("runs from 2026-09-01 until 2026-09-30 23:59", "runs from 2026-09-01 until 2026-09-30"),
        ("runs from 2026-09-01\n  only on Mon between 18:00 and 23:59", "only on Mon between 18:00 and 24:00"),
    ],
)
def test_the_last_minute_is_put_back(line, mended):
    text = promotion(f"{line}\n  get 10% off pasta", "item-deals")
    (finding,) = compile_framed(text).diagnostics
    assert finding.code == "P3015" and finding.fix is not None
    rows = text.split("\n")
    row, span = rows[finding.fix.span.line - 1], finding.fix.span
    rows[span.line - 1] = row[: span.column - 1] + finding.fix.text + row[span.end_column - 1 :]
    assert rows[span.line - 1].strip() == mended
    assert compile_framed("\n".join(rows)).diagnostics == ()
