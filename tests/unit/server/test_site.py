"""`einklang docs`: every page is there, every link leads somewhere, nothing that authors wrote becomes markup."""

from __future__ import annotations

import datetime
import html
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from server import cli
from server.publish import read_project
from server.site.model import KINDS, address, gather
from server.site.render import files
from server.site.words import WORDS
from server.site.write import MARK, NotOurs, write

ROOT = Path(__file__).resolve().parents[3]
SHOP = read_project(ROOT / "examples" / "shop")
HEAD = """settings {
  currency EUR
  timezone Europe/Berlin
  languages en
}
"""


def rendered(project: dict[str, bytes], language: str = "en") -> dict[str, str]:
    return dict(files(gather(project, language), title="Shop", language=language))


@pytest.fixture(scope="module")
def shop():
    return rendered(SHOP)


def test_every_link_leads_to_a_page(shop):
    for path, text in shop.items():
        for href in re.findall(r'(?:href|src)="([^"]*)"', text):
            file, _, anchor = html.unescape(href).partition("#")
            target = (Path(path).parent / file).as_posix() if file else path
            resolved = re.sub(r"[^/]+/\.\./", "", target)
            assert resolved in shop and (not anchor or f'id="{anchor}"' in shop[resolved]), (path, href)


def test_every_declaration_has_a_page_with_its_source_and_who_uses_it(shop):
    page = shop["promotion/pasta-3-for-2.html"]
    assert "gets the cheapest of them free" in page
    assert "buy 3 of pasta" in html.unescape(page)
    assert "../product-set/pasta.html" in page  # uses
    assert "../group/item-deals.html" in page
    assert "../promotion/pasta-3-for-2.html" in shop["product-set/pasta.html"]  # used by
    names = set(re.findall(rb"^promotion ([a-z0-9-]+)", b"\n".join(SHOP.values()), re.MULTILINE))
    assert all(f"promotion/{name.decode()}.html" in shop for name in names) and len(names) > 10


def test_the_glossary_tells_attributes_and_the_calendar_bars(shop):
    assert "customer.tier" in shop["glossary.html"]
    assert shop["calendar.html"].count("<rect") >= 16
    assert gather(SHOP, "en").errors == 0


def test_it_speaks_german():
    pages = rendered(SHOP, "de")
    assert "bekommt das günstigste davon gratis" in pages["promotion/pasta-3-for-2.html"]
    assert "Katalog" in pages["index.html"] and "Catalogue" not in pages["index.html"]


def test_the_languages_have_the_same_words():
    assert {language: set(words) for language, words in WORDS.items()} == {
        language: set(WORDS["en"]) for language in WORDS
    }
    assert set(KINDS) <= set(WORDS["en"])


def test_what_authors_write_is_text_and_never_markup():
    evil = "<script>alert(1)</script><a href=x>"
    text = f'{HEAD}products a "{evil}" {{\n  item.sku is known\n}}\n'
    text += f'test "{evil}" {{\n  expect nothing applies  # {evil}\n}}\n'
    pages = rendered({"a.promo": text.encode()})
    assert not any("<script>alert" in page or "<a href=x" in page for page in pages.values())
    assert any(html.escape("<script>alert") in page for page in pages.values())


def test_a_project_with_errors_has_a_site_that_says_so():
    pages = rendered({"a.promo": f"{HEAD}promotion p {{\n  get 10% off nowhere\n}}\n".encode()})
    assert "Run einklang check" in pages["index.html"]
    assert "promotion/p.html" in pages


@pytest.mark.parametrize("project", [{}, {"a.promo": b""}, {"a.promo": b"\xff"}, {"a.promo": HEAD.encode()}])
def test_nearly_empty_projects(project):
    assert "There is nothing of this kind yet." in rendered(project)["index.html"]


def test_overlaps_are_shown():
    group = "group g {\n  gives discounts\n  apply best\n  prices original\n}\nsequence g\n"
    promotion = "promotion {} {{\n  runs from {} until {}\n  get 10% off a\n  group g\n}}\n"
    text = HEAD + group + "products a {\n  item.sku is known\n}\n"
    text += promotion.format("first", "2026-01-01", "2026-01-31") + promotion.format(
        "second", "2026-01-31", "2026-03-01"
    )
    text += promotion.format("third", "2026-03-02", "2026-03-01 00:00")
    site = gather({"a.promo": text.encode()}, "en")
    bars = {bar.page.name: bar for _, bars in site.groups for bar in bars}
    assert [link.name for link in bars["first"].beside] == ["second"]
    assert bars["third"].beside == ()
    assert bars["second"].until == datetime.date(2026, 3, 1)


def test_twins_have_pages_of_their_own():
    assert address("test", "Über uns!") != address("test", "über uns?")
    assert re.fullmatch(r"[a-z0-9/.-]+", address("test", "../../etc/passwd"))


def test_the_site_takes_the_place_of_the_old_one_and_of_nothing_else(tmp_path):
    into = tmp_path / "site"
    assert write(SHOP, into, title="Shop", language="en") > 100
    (into / "left-over.html").write_text("old")
    write(SHOP, into, title="Shop", language="en")
    assert not (into / "left-over.html").exists() and (into / MARK).exists()
    assert [path.name for path in tmp_path.iterdir()] == ["site"]
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    with pytest.raises(NotOurs):
        write(SHOP, other, title="Shop", language="en")
    assert (other / "thesis.txt").read_text() == "mine"


def test_the_command(tmp_path):
    got = CliRunner().invoke(cli.app, ["docs", str(ROOT / "examples" / "shop"), "--out", str(tmp_path / "site")])
    assert got.exit_code == 0 and "index.html" in got.output
    again = CliRunner().invoke(cli.app, ["docs", str(ROOT / "examples" / "shop"), "--out", str(tmp_path)])
    assert again.exit_code == 64 and "name a new directory" in again.output


def test_the_calendar_names_holidays():
    table = b"date,region,name\n2026-09-10,,<Unity>\n2026-09-11,Nord,Fair\n2030-01-01,,New Year\nsoon,,\n"
    project = {**SHOP, "days.promo": b'holidays from "days.csv"\n', "days.csv": table}
    page = rendered(project)["calendar.html"]
    assert "Thu 2026-09-10 &lt;Unity&gt;" in page and "Fri 2026-09-11 Fair (Nord)" in page and "New Year" not in page
    assert "Feiertag" in rendered(project, "de")["calendar.html"]
