"""What editors are told: completion, hover, definition, rename, quick fixes, at every place and in broken text."""

import re

import pytest

from dsl.assist import Assist, CannotRename, Edit
from dsl.compiler import Compilation, compile_project
from dsl.complete import Item
from dsl.diagnostics import explanation
from dsl.hover import NOUNS
from dsl.names import KINDS
from dsl.phrases import Language
from dsl.sizes import set_sizes

BASE = """settings {
  currency EUR, CHF
  timezone Europe/Berlin
  languages de, en
}
schema {
  attributes customer {
    tier: one of none, silver, gold (default none)
    birthday: date (personal) "When they were born"
    score: number
    tag: text
    interests: list of text
    vip: yes-no
  }
  attributes item {
    brand: text
    category: category
  }
  attributes basket {
    lines: number
  }
  channels stores, webshop
  services shipping, click-and-collect
  payments card, sepa
  consents email
}
catalogue from "data/articles.csv"
products pasta "Pasta" {
  item.category is under "Food/Pasta"
}
products wine {
  item.brand is "Rebe"
}
segment golden "Gold" {
  customer.tier is gold
}
segment others {
  customer.tier is silver
}
group deals "Deals" {
  gives discounts
  apply best
  prices original
  order second, first
}
sequence deals
codes spring-code {
  code "SPRING"
}
"""
RULES = """promotion first {
  runs from 2026-09-17 08:00 until 2026-10-31
  sold in stores
  for golden
  get 10% off pasta
  group deals
  label de "Erste"
  label en "First"
}
promotion second "Second" {
  runs from 2026-09-17
  sold everywhere
  for everyone
  with code from spring-code
  buy 3 of pasta
  get 50% off them
  group deals
  not with first
  label de "Zweite"
  label en "Second"
}
sample penne {
  category: "Food/Pasta"
  price: EUR 2.00
}
test "it works" {
  at 2026-09-18 12:00
  sold in stores
  given customer.tier is gold
  buys 1 x penne
  expect first saves EUR 0.20
}
"""
CSV = b"sku,brand,category\n1,Rebe,Drinks/Wine\n2,Rebe,Drinks/Wine\n3,Pastella,Food/Pasta\n"
FILES = {"base.promo": BASE.encode(), "rules.promo": RULES.encode(), "data/articles.csv": CSV}
KNOWN = Assist(FILES)


def errors(compilation: Compilation) -> list[str]:
    """What is wrong, but for what is not built yet."""
    return [d.message for d in compilation.diagnostics if d.severity == "error" and not d.code.startswith("P9")]


def items(text: str) -> list[Item]:
    """What fits at the mark | of a third file."""
    place = text.index("|")
    before = text[:place]
    line = before.count("\n") + 1
    column = place - (before.rfind("\n") + 1) + 1
    files = {**FILES, "third.promo": text.replace("|", "", 1).encode()}
    return Assist(files, KNOWN).complete("third.promo", line, column)


def labels(text: str) -> set[str]:
    return {item.label for item in items(text)}


@pytest.mark.parametrize(
    ("text", "offered", "not_offered"),
    [
        ("|", {"promotion", "segment", "promotion: 3 for 2"}, {"pasta", "get"}),
        ("pro|", {"promotion", "products"}, {"pasta"}),
        ("promotion x {\n  |", {"runs from", "only on", "sold in", "sold everywhere", "get", "not with"}, {"pasta"}),
        ("promotion x {\n  on|", {"only on", "only at", "on return reprice what is kept"}, set()),
        ("promotion x {\n  only |", {"on", "at"}, {"only"}),
        ("promotion x {\n  get 10% off |", {"pasta", "wine", "them", "the basket"}, {"golden", "deals", "zz-made-up"}),
        ("promotion x {\n  get 10% off pa|", {"pasta"}, {"golden"}),
        ("promotion x {\n  buy 3 of |", {"pasta", "one article of"}, {"golden"}),
        ("promotion x {\n  for |", {"golden", "everyone", "any of"}, {"pasta"}),
        ("promotion x {\n  for any of golden, |", {"others"}, {"golden", "everyone"}),
        ("promotion x {\n  group |", {"deals"}, {"pasta"}),
        ("promotion x {\n  sold in |", {"stores", "webshop"}, {"card"}),
        ("promotion x {\n  with code from |", {"spring-code"}, {"pasta"}),
        ("promotion x {\n  not with |", {"first", "second"}, {"pasta"}),
        ("promotion x {\n  get free |", {"shipping", "click-and-collect"}, {"pasta"}),
        ("promotion x {\n  label |", {"de", "en"}, {"fr"}),
        ("promotion x {\n  when |", {"customer.tier", "basket.lines", "payment", "any of"}, {"item.brand"}),
        ("promotion x {\n  when customer.|", {"customer.tier", "customer.id"}, {"basket.lines", "any of"}),
        ("promotion x {\n  when customer.tier |", {"is", "is not", "is one of", "is known"}, {"is at least", "has"}),
        ("promotion x {\n  when customer.tier is |", {"gold", "none", "one of", "known"}, {"EUR 5.00", "at least"}),
        ("promotion x {\n  when customer.score is at |", {"least", "at least"} - {"least"}, {"gold"}),
        ("promotion x {\n  when customer.score is at le|", {"at least"}, {"known"}),
        ("promotion x {\n  when customer.birthday is |", {"before", "after", "between"}, {"under", "at least"}),
        ("promotion x {\n  when customer.vip is |", {"yes", "no"}, {"gold"}),
        ("promotion x {\n  when customer.interests |", {"has", "has one of", "is known"}, {"is not"}),
        ("promotion x {\n  when payment is |", {"card", "sepa"}, {"shipping"}),
        ("promotion x {\n  when delivery is |", {"shipping"}, {"card"}),
        ("promotion x {\n  when any of {\n    |", {"customer.tier", "basket"}, {"item.brand", "get"}),
        ("promotion x {\n  when any of {\n    payment is |", {"card"}, {"shipping"}),
        ("promotion x {\n  limit EUR 5.00 |", {"per customer", "in total"}, {"pasta"}),
        ("promotion x {\n  limit 2 per customer in any 90 |", {"90 days"}, {"pasta"}),
        ("promotion x {\n  get 10|", {"10%"}, set()),
        ("promotion x {\n  get EUR|", {"EUR 5.00", "CHF 5.00"}, set()),
        ("promotion x {\n  get by quantity of pasta {\n    |", {"from"}, {"get"}),
        ("promotion x {\n  get by quantity of pasta {\n    from 3 get |", {"them for", "1"}, {"runs from"}),
        ("promotion x {\n  only on |", {"Mon", "holidays"}, {"pasta"}),
        ("promotion x {\n  runs from 2026-09-01 in |", {"Europe/Berlin", "store-time"}, {"pasta"}),
        ("segment x {\n  |", {"customer.tier", "in", "consent to", "refresh realtime"}, {"item.brand", "basket"}),
        ("segment x {\n  in |", {"golden"}, {"pasta"}),
        ("segment x {\n  consent to |", {"email"}, {"card"}),
        ("products x {\n  |", {"item.brand", "item.sku", "in", "any of"}, {"customer.tier", "basket", "consent to"}),
        ("products x {\n  in |", {"pasta", "wine"}, {"golden"}),
        ('products x {\n  item.category is under "|', {"Food", "Food/Pasta", "Drinks"}, {"Rebe"}),
        ('products x {\n  item.brand is "Re|', {"Rebe"}, {"Food"}),
        ('products x {\n  item.sku is listed in "|', {"data/articles.csv"}, {"base.promo"}),
        ('catalogue from "|', {"data/articles.csv"}, set()),
        ("sequence |", {"deals"}, {"promotion: 3 for 2"}),
        ("group x {\n  apply |", {"best", "all", "at most"}, {"gives"}),
        ("group x {\n  order |", {"first", "second"}, {"deals"}),
        ("guard x {\n  never |", {"discount", "ship free"}, {"pasta"}),
        ("guard x {\n  never discount |", {"pasta"}, {"golden"}),
        ("schema {\n  attributes |", {"customer", "item"}, {"gold"}),
        ("schema {\n  attributes customer {\n    a: |", {"text", "one of", "list of", "score-1-to-5"}, {"gold"}),
        ("settings {\n  |", {"currency", "timezone", "receipt width"}, {"get"}),
        ("settings {\n  currency |", {"EUR", "USD"}, {"de"}),
        ('test "x" {\n  expect |', {"first", "second", "penne", "nothing applies", "in"}, {"pasta"}),
        ('test "x" {\n  expect in |', {"golden"}, {"pasta"}),
        ('test "x" {\n  expect first does not apply because |', {"schedule", "unknown-fact"}, {"golden"}),
        ('test "x" {\n  buys 2 x |', {"penne"}, {"pasta"}),
        ('test "x" {\n  given customer.tier is |', {"gold", "unknown"}, {"EUR 5.00"}),
        ("sample x {\n  |", {"brand", "category", "price"}, {"customer.tier"}),
        # in broken text
        ("promotion {\n  get 10% off |", {"pasta"}, {"golden"}),
        ("promotion Größe {\n  for |", {"golden"}, {"pasta"}),
        ("promotion x {\n  runz frm ((\n  get EUR 5,00\n  for |", {"golden"}, {"pasta"}),
        ("promotion x {\n  for |\n  get get get\n}\n}}}", {"golden"}, {"pasta"}),
        ("promotion x {\n  when any of {\n    foo bar\n  for |\nsegment y {", {"golden"} - {"golden"}, {"pasta"}),
        ("promotion x {\n  when any of {\n    basket has\npromotion y {\n  for |", {"golden"}, {"pasta"}),
        ("}\n}\npromotion x {\n  for |", {"golden"}, set()),
        ('promotion x {\n  label de "🎉 ä" # c\n  for |', {"golden"}, set()),
        # behind an opening brace, and in the middle of a line
        ("promotion x {\n  get 10% off | together\n}", {"pasta"}, {"golden"}),
        ("promotion x {\n  for |golden\n}", {"golden", "everyone"}, {"pasta"}),
        # lists over lines
        ("promotion x {\n  not with first,\n    |", {"second"}, {"first", "pasta"}),
        # nothing fits in comments, after nonsense, or where a name is made up
        ("# promotion |", set(), {"promotion", "first"}),
        ("promotion x { # |", set(), {"get", "promotion"}),
        ("promotion x {\n  get off off |", set(), {"pasta"}),
        ("promotion |", set(), {"promotion", "first"}),
    ],
)
def test_completion(text: str, offered: set[str], not_offered: set[str]) -> None:
    found = labels(text)
    assert offered <= found
    assert not not_offered & found


def test_a_name_that_is_used_is_offered_for_its_declaration() -> None:
    assert "third" in labels("promotion x {\n  not with third\n}\npromotion |")


def test_every_offer_replaces_what_is_typed() -> None:
    for text, typed in (
        ("promotion x {\n  get 10% off pa|", "pa"),
        ("promotion x {\n  when customer.ti|", "customer.ti"),
        ('products x {\n  item.category is under "Food/Pa|', "Food/Pa"),
        ("promotion x {\n  when customer.score is at le|", "at le"),
    ):
        line = text[: text.index("|")].split("\n")[-1]
        found = items(text)
        assert typed in {line[item.start - 1 : item.end - 1] for item in found}
        assert all(item.end == len(line) + 1 for item in found)


def test_keywords_come_with_their_row() -> None:
    found = {item.label: item for item in items("promotion x {\n  |")}
    assert "in these channels" in found["sold in"].doc
    found = {item.label: item for item in items("promotion x {\n  when customer.tier |")}
    assert "customer.tier is one of silver, gold" in found["is one of"].doc


@pytest.mark.parametrize("label", [item.label for item in items("|") if item.snippet])
def test_every_snippet_compiles_as_it_is_proposed(label: str) -> None:
    snippet = next(s for s in KNOWN.known.snippets if s.label == label)
    text = snippet.plain()
    assert errors(compile_project({**FILES, "third.promo": text.encode()})) == [], text


def test_completion_answers_everywhere_in_any_text() -> None:
    text = BASE + RULES + 'promotion " { } ( ä\n  get get {{{\n🎉 # "\n"\n'
    files = {**FILES, "third.promo": text.encode()}
    assist = Assist(files, KNOWN)
    for number, line in enumerate(text.split("\n"), start=1):
        for column in {1, len(line) // 2 + 1, len(line) + 1, len(line) + 9}:
            assist.complete("third.promo", number, column)
            assist.hover("third.promo", number, column)
            assist.definition("third.promo", number, column)
    assert assist.complete("third.promo", 0, 1) == assist.complete("third.promo", 10**6, 1) == []
    assert assist.complete("nowhere.promo", 1, 1) == []


# ---------------------------------------------------------------------------------------------------- hover


def told(file: str, line_with: str, word: str, language: Language = "en") -> str:
    """Of the word in the first line that holds a text."""
    text = FILES[file].decode().split("\n")
    number = next(i for i, line in enumerate(text, start=1) if line_with in line)
    found = KNOWN.hover(file, number, text[number - 1].index(word) + 1, (), {"pasta": 1}, language)
    return found.text if found else ""


@pytest.mark.parametrize(
    ("file", "line", "word", "said"),
    [
        ("rules.promo", "get 10% off pasta", "pasta", ["«Pasta»", "1 article of", "Food/Pasta"]),
        ("rules.promo", "for golden", "golden", ["segment", "«Gold»", "customer.tier is gold"]),
        ("rules.promo", "group deals", "deals", ["apply best", "2 in order: second, first"]),
        ("rules.promo", "not with first", "first", ["promotion", "get 10% off «Pasta»", "31 October 2026"]),
        ("rules.promo", "sold in stores", "stores", ["channel"]),
        ("base.promo", "customer.tier is gold", "tier", ["one of none, silver, gold", "Not given: none."]),
        ("base.promo", "customer.tier is gold", "gold", ["choice"]),
        ("base.promo", "birthday: date", "birthday", ["When they were born", "consent to profiling", "unknown"]),
        ("rules.promo", "sold everywhere", "sold", ["in these channels"]),
        ("base.promo", "customer.tier is gold", "is", ["equal"]),
        ("base.promo", 'under "Food', "under", ["the path and all below it"]),
        ("base.promo", "birthday: date", "date", ["a day"]),
        ("rules.promo", "promotion first", "promotion", ["who gets what"]),
        ("base.promo", "gives discounts", "gives", ["discounts or benefits, never both"]),
        ("base.promo", "customer.tier is gold", "customer", ["one of none, silver, gold"]),
        ("rules.promo", "buys 1 x penne", "buys", ["what is in the basket"]),
        ("base.promo", "currency EUR", "currency", ["budgets are reported in the first"]),
        (
            "rules.promo",
            "until 2026-10-31",
            "2026-10",
            [
                "Thu 2026-09-17 08:00 Europe/Berlin (UTC+2) = 2026-09-17 06:00 UTC",
                "Sun 2026-11-01 00:00 Europe/Berlin (UTC+1) = 2026-10-31 23:00 UTC",
                "2026-10-31 is in it",
                "clocks change Sun 2026-10-25 03:00 → 02:00 (UTC+1)",
            ],
        ),
        ("rules.promo", "at 2026-09-18", "12:00", ["= 2026-09-18 10:00 UTC"]),
    ],
)
def test_hover(file: str, line: str, word: str, said: list[str]) -> None:
    text = told(file, line, word)
    assert [part for part in said if part not in text] == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("runs from 2026-03-29 02:30", "does not exist, clocks go forward then"),
        ("runs from 2026-10-25 02:30", "it comes twice that day, this is the first"),
        ("runs from 2026-10-25 in store-time", "Each store's own time"),
        ("runs from 2026-10-25 in Europe/Berlni", "zone is not known"),
    ],
)
def test_hover_names_what_clocks_do(line: str, said: str) -> None:
    files = {**FILES, "third.promo": f"promotion x {{\n  {line}\n}}\n".encode()}
    found = Assist(files, KNOWN).hover("third.promo", 2, 5)
    assert found is not None
    assert said in found.text


@pytest.mark.parametrize(
    ("file", "line", "word", "said"),
    [
        (
            "rules.promo",
            "get 10% off pasta",
            "pasta",
            ["**pasta** eine Artikelmenge «Pasta»", "1 Artikel des Katalogs"],
        ),
        ("rules.promo", "group deals", "deals", ["2 der Reihe nach: second, first", " Mal verwendet · base.promo:"]),
        ("base.promo", "customer.tier is gold", "tier", ["· von Kunden", "Ohne Angabe: none."]),
        ("base.promo", "birthday: date", "birthday", ["Ohne Angabe: unbekannt.", "Erlaubt ist ein Datum: "]),
        ("rules.promo", "at 2026-09-18", "12:00", ["Fr 2026-09-18 12:00 Europe/Berlin"]),
        (
            "rules.promo",
            "until 2026-10-31",
            "2026-10",
            [
                "**until** unmittelbar vor So 2026-11-01 00:00",
                "der 2026-10-31 gehört dazu",
                "Uhren werden umgestellt: So",
            ],
        ),
    ],
)
def test_hover_in_german(file: str, line: str, word: str, said: list[str]) -> None:
    text = told(file, line, word, language="de")
    assert [part for part in said if part not in text] == []


def test_hover_knows_every_kind_of_name() -> None:
    assert set(NOUNS) == set(KINDS) - {"attribute"}


def test_hover_over_a_finding_shows_its_page() -> None:
    files = {**FILES, "third.promo": b"promotion x {\n  get 10% off pasat\n}\n"}
    findings = compile_project(files).diagnostics
    found = Assist(files, KNOWN).hover("third.promo", 2, 16, findings)
    assert found is not None
    assert "P1001" in found.text
    german = Assist(files, KNOWN).hover("third.promo", 2, 16, findings, language="de")
    assert german is not None and (explanation("P1001", "de") or "?") in german.text


# ---------------------------------------------------------------------------------------------------- names


def where(file: str, line_with: str, word: str) -> tuple[str, int, int]:
    text = FILES[file].decode().split("\n")
    number = next(i for i, line in enumerate(text, start=1) if line_with in line)
    return file, number, text[number - 1].index(word) + 1


def test_definition() -> None:
    def defined(*place: str) -> list[tuple[str, str]]:
        spans = KNOWN.definition(*where(*place))
        return [(s.file, FILES[s.file].decode().split("\n")[s.line - 1]) for s in spans]

    assert defined("rules.promo", "get 10% off pasta", "pasta") == [("base.promo", 'products pasta "Pasta" {')]
    assert defined("base.promo", "order second", "second") == [("rules.promo", 'promotion second "Second" {')]
    assert defined("base.promo", "customer.tier is gold", "gold")[0][1].startswith("    tier: one of none")
    assert defined("base.promo", "catalogue from", "articles") == [("data/articles.csv", "sku,brand,category")]
    assert defined("rules.promo", "off them", "them") == [("rules.promo", "  buy 3 of pasta")]
    assert defined("rules.promo", "promotion first", "promotion") == []


def test_definition_from_a_line_that_cannot_be_read() -> None:
    files = {**FILES, "third.promo": b"promotion x {\n  gte 10% off pasta\n}\n"}
    spans = Assist(files, KNOWN).definition("third.promo", 2, 16)
    assert [(s.file, s.line) for s in spans] == [("base.promo", 28)]


def test_references() -> None:
    def found(*place: str) -> list[tuple[str, int]]:
        return [(span.file, span.line) for span in KNOWN.references(*where(*place))]

    assert found("rules.promo", "promotion first", "first") == [
        ("rules.promo", 1),
        ("base.promo", 44),
        ("rules.promo", 18),
        ("rules.promo", 31),
    ]
    assert len(found("base.promo", "products pasta", "pasta")) == 3


def applied(files: dict[str, bytes], edits: list[Edit]) -> dict[str, bytes]:
    """The files after these edits."""
    result = {name: data.decode() for name, data in files.items()}
    for edit in sorted(edits, key=lambda e: e.span, reverse=True):
        lines = result[edit.span.file].split("\n")
        line = lines[edit.span.line - 1]
        lines[edit.span.line - 1] = line[: edit.span.column - 1] + edit.text + line[edit.span.end_column - 1 :]
        result[edit.span.file] = "\n".join(lines)
    return {name: text.encode() for name, text in result.items()}


@pytest.mark.parametrize(
    ("file", "line", "word"),
    [
        ("base.promo", "products pasta", "pasta"),
        ("base.promo", "segment golden", "golden"),
        ("base.promo", "group deals", "deals"),
        ("base.promo", "sequence deals", "deals"),
        ("base.promo", "codes spring", "spring-code"),
        ("base.promo", "order second", "first"),
        ("rules.promo", "promotion second", "second"),
        ("rules.promo", "sample penne", "penne"),
        ("rules.promo", "expect first", "first"),
        ("base.promo", "tier: one of", "tier"),
        ("base.promo", "customer.tier is gold", "tier"),
        ("base.promo", "customer.tier is gold", "gold"),
        ("base.promo", "(default none)", "none"),
        ("base.promo", "channels stores", "stores"),
        ("rules.promo", "sold in stores", "stores"),
        ("base.promo", "services shipping", "shipping"),
        ("base.promo", "payments card", "card"),
        ("base.promo", "consents email", "email"),
    ],
)
def test_rename_everywhere_means_the_same(file: str, line: str, word: str) -> None:
    edits = KNOWN.rename(*where(file, line, word), "zebra-7")
    renamed = applied(FILES, edits)
    compilation = compile_project(renamed)
    assert errors(compilation) == []
    again = Assist(renamed)
    back = edits[0].span
    old = FILES[back.file].decode().split("\n")[back.line - 1][back.column - 1 : back.end_column - 1]
    assert applied(renamed, again.rename(back.file, back.line, back.column, old)) == FILES


def test_a_test_is_renamed_within_its_quotes() -> None:
    edits = KNOWN.rename(*where("rules.promo", 'test "it', "it"), "still: «works»")
    assert b'test "still: \xc2\xabworks\xc2\xbb" {' in applied(FILES, edits)["rules.promo"]


@pytest.mark.parametrize(
    ("file", "line", "word", "new", "why"),
    [
        ("base.promo", "products pasta", "pasta", "wine", "exists already (base.promo:31)"),
        ("base.promo", "products pasta", "pasta", "them", "word of the language"),
        ("base.promo", "segment golden", "golden", "everyone", "word of the language"),
        ("base.promo", "tier is gold", "gold", "known", "word of the language"),
        ("base.promo", "products pasta", "pasta", "Pasta", "is no name"),
        ("base.promo", "products pasta", "pasta", "", "is no name"),
        ("base.promo", "products pasta", "pasta", "p" * 65, "at most 64"),
        ("base.promo", "brand: text", "brand", "make", "a column of data/articles.csv"),
        ("rules.promo", "runs from", "runs", "x", "no name here"),
        ("rules.promo", 'test "it', "it", 'a "b"', "without quotes"),
    ],
)
def test_rename_is_refused(file: str, line: str, word: str, new: str, why: str) -> None:
    with pytest.raises(CannotRename, match=re.escape(why)):
        KNOWN.rename(*where(file, line, word), new)


def test_rename_is_refused_where_an_unreadable_line_may_use_the_name() -> None:
    files = {**FILES, "third.promo": b"promotion x {\n  gte 10% off pasta\n}\n"}
    with pytest.raises(CannotRename, match=r"third.promo:2 cannot be read"):
        Assist(files, KNOWN).rename(*where("base.promo", "products pasta", "pasta"), "noodles")


# ---------------------------------------------------------------------------------------------------- the rest


def test_quick_fixes_mend_the_text() -> None:
    files = {**FILES, "third.promo": b"promotion x {\n  gte EUR 5,00 off pasat each\n  limt 2 per basket\n}\n"}
    assist = Assist(files, KNOWN)
    findings = compile_project(files).diagnostics
    german = [action.title for action in assist.actions(findings, "third.promo", 3, 3, "de")]
    assert german == ["«limit» schreiben", "Alle 2 in dieser Datei beheben"]
    actions = assist.actions(findings, "third.promo", 3, 3)
    assert [action.title for action in actions][:1] == ["Write «limit»"]
    assert actions[-1].title.startswith("Fix all")
    after = applied(files, list(assist.fix_all(findings, "third.promo").edits))["third.promo"]
    assert b"  limit 2 per basket" in after
    assert b"EUR 5.00" in after


def test_related_places_are_told() -> None:
    files = {**FILES, "third.promo": b"products pasta {\n  item.sku is known\n}\n"}
    finding = next(d for d in compile_project(files).diagnostics if d.code == "P1015")
    assert ("base.promo", "declared here") in [
        (span.file, text) for span, text in Assist(files, KNOWN).related(finding)
    ]


def test_outline_and_symbols() -> None:
    outline = [(one.kind, one.name, one.whole.line, one.whole.end_line) for one in KNOWN.outline("rules.promo")]
    assert outline == [
        ("promotion", "first", 1, 9),
        ("promotion", "second", 10, 21),
        ("sample", "penne", 22, 25),
        ("test", "it works", 26, 32),
    ]
    assert [one.name for one in KNOWN.symbols("pst")] == ["pasta"]
    assert {one.name for one in KNOWN.symbols("")} >= {"pasta", "deals", "first", "settings"}
    assert list(KNOWN.symbols(".*[")) == []


def test_lenses_count_articles_and_run_tests() -> None:
    compilation = compile_project({**FILES, "rules.promo": RULES.replace("  not with first\n", "").encode()})
    sizes = set_sizes(compilation.programs)
    assert sizes == {"pasta": 1, "wine": 2}
    titles = [(lens.title, lens.argument) for lens in KNOWN.lenses("base.promo", sizes)]
    assert titles == [("1 article", ""), ("2 articles", ""), ("2 promotions", "")]
    assert [(lens.title, lens.argument) for lens in KNOWN.lenses("rules.promo", sizes)] == [("run test", "it works")]


def test_only_what_changed_is_read_again() -> None:
    after = Assist({**FILES, "rules.promo": b"# nothing\n"}, KNOWN)
    assert after.read["base.promo"] is KNOWN.read["base.promo"]
    assert after.read["rules.promo"] is not KNOWN.read["rules.promo"]
