"""What differs between two rulesets: each class in both directions, and that no change of a clause is overlooked."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from dsl.changes import Change, Side, changes
from dsl.compiler import Compilation, compile_project
from dsl.format import format_text
from dsl.source import block_end, mask
from engine import program as p
from tests.unit.dsl.frame import compile_framed

ROOT = Path(__file__).parents[3]

OFFER = {
    "runs": "runs from 2026-09-01 until 2026-09-30",
    "only on": "",
    "only at": "",
    "sold": "sold in stores, app",
    "for": "for everyone",
    "with": "",
    "when": "",
    "buy": "",
    "get": "get 10% off pasta",
    "except": "",
    "limit": "",
    "group": "group item-deals",
    "label": 'label en "A"',
    "terms": "",
    "owner": "",
}
MORE_SETS = """
segment silver-or-gold {
  customer.tier is one of silver, gold
}

segment young-gold {
  in gold-members
  customer.score is at least 4
}

products food {
  item.category is under "Food"
}

products dried-pasta {
  in pasta
  item.brand is "Pastella"
}

codes two-codes {
  code "SPRING"
  code "SUMMER"
}
"""


def offer(**clauses: str) -> str:
    lines = {**OFFER, **{word.replace("_", " "): line for word, line in clauses.items()}}
    body = [f"  {line}" for text in lines.values() for line in text.split("; ") if line]
    return "promotion offer {\n" + "\n".join(body) + "\n}\n" + MORE_SETS


def compiled(text: str, files: dict[str, bytes] | None = None) -> Compilation:
    compilation = compile_framed(text, files)
    assert compilation.ok, [(found.code, found.message) for found in compilation.diagnostics]
    return compilation


def between(old: Compilation, new: Compilation) -> tuple[Change, ...]:
    return changes(Side(old.programs, old.spans), Side(new.programs, new.spans))


def said(found: tuple[Change, ...]) -> list[tuple[str, str, str]]:
    return [(change.title, str(change.effect), change.words) for change in found]


MORE, LESS, OTHER = "gives more", "gives less", "changes what it gives"
BOTH = "gives more and less"
OPPOSITE = {MORE: LESS, "audience wider": "audience narrower", "ends earlier": "schedule"}

# clause, before, after, what it does, in which words; and in the other direction the opposite
CASES = [
    ("get", "get 10% off pasta", "get 15% off pasta", MORE, "get 10% -> 15% off pasta"),
    ("get", "get EUR 1.00 off pasta each", "get EUR 1.50 off pasta each", MORE,
     "get EUR 1.00 -> EUR 1.50 off pasta each"),
    ("get", "get pasta for EUR 2.00 each", "get pasta for EUR 1.90 each", MORE,
     "get pasta for EUR 2.00 -> EUR 1.90 each"),
    ("get", "get EUR 0.10 off per 100 g of pasta", "get EUR 0.101 off per 100 g of pasta", MORE,
     "get EUR 0.10 -> EUR 0.101 off per 100 g of pasta"),
    ("get", "get pasta for EUR 2.00 per kg", "get pasta for EUR 1.00 per kg", MORE,
     "get pasta for EUR 2.00 -> EUR 1.00 per kg"),
    ("get", "get 10% off dried-pasta", "get 10% off pasta", MORE, "get 10% off dried-pasta -> pasta"),
    ("get", "get 10% off pasta", "get 10% off food", MORE, "get 10% off pasta -> food"),
    ("get", "get 10% off pasta", "get 10% off sauce", OTHER, "get 10% off pasta -> sauce"),
    ("get", "get 15% off pasta", "get 10% off food", BOTH, "get 15% off pasta -> 10% off food"),
    ("get", "get 10% off pasta", "get EUR 0.10 off pasta each", OTHER,
     "get 10% off pasta -> EUR 0.10 off pasta each"),
    ("buy", "buy 3 of pasta; get the cheapest 1 free", "buy 2 of pasta; get the cheapest 1 free", MORE,
     "buy 3 -> 2 of pasta"),
    ("buy", "buy 3 of pasta; get 50% off the cheapest 1", "buy 3 of pasta; get the cheapest 1 free", MORE,
     "get 50% off the cheapest 1 -> the cheapest 1 free"),
    ("buy", "buy 3 of pasta; get the cheapest 1 free", "buy 3 of pasta; get the cheapest 2 free", MORE,
     "get the cheapest 1 -> 2 free"),
    ("buy", "buy 3 of pasta; get the cheapest 1 free", "buy 3 of pasta; get the dearest 1 free", MORE,
     "get the cheapest -> dearest 1 free"),
    ("buy", "buy 3 of pasta; get them together for EUR 4.00", "buy 2 of pasta; get them together for EUR 4.00", OTHER,
     "buy 3 -> 2 of pasta"),
    ("buy", "buy 3 of pasta; get them together for EUR 4.00",
     "buy 3 of pasta; get them together for EUR 4.00, singles too",
     MORE, "get them together for EUR 4.00 -> EUR 4.00, singles too"),
    ("buy", "buy 3 of pasta; get them together for EUR 4.00", "buy 3 of pasta; get them together for EUR 3.00", MORE,
     "get them together for EUR 4.00 -> EUR 3.00"),
    ("buy", "buy 3 of pasta; get 20% off every 2nd", "buy 3 of pasta; get 20% off every 2nd, 50% off every 3rd", MORE,
     "get 20% off every 2nd -> 2nd, 50% off every 3rd"),
    ("buy", "buy 3 of pasta; get 20% off every 2nd", "buy 3 of pasta; get 30% off every 2nd", MORE,
     "get 20% -> 30% off every 2nd"),
    ("buy", "buy 2 of dried-pasta; get 10% off them", "buy 2 of pasta; get 10% off them", MORE,
     "buy 2 of dried-pasta -> pasta"),
    ("buy", "buy 2 of dried-pasta; get the cheapest 1 free", "buy 2 of pasta; get the cheapest 1 free", OTHER,
     "buy 2 of dried-pasta -> pasta"),
    ("sold", "sold in stores, app", "sold in stores, webshop, app", MORE,
     "sold in stores, app -> stores, webshop, app"),
    ("sold", "sold in stores", "sold in app", BOTH, "sold in stores -> app"),
    ("sold", "sold everywhere but not app", "sold everywhere", MORE, "sold everywhere but not app -> everywhere"),
    ("only at", "only at north", "", MORE, "no longer only at north"),
    ("only at", "only at north", "only at any of north, city-stores", MORE,
     "only at north -> any of north, city-stores"),
    ("only at", "only at north but not city-stores", "only at north", MORE,
     "only at north but not city-stores -> north"),
    ("limit", "limit 1 per customer", "limit 2 per customer", MORE, "limit 1 -> 2 per customer"),
    ("limit", "limit 1 per customer", "", MORE, "no longer limit 1 per customer"),
    ("limit", "limit EUR 5.00 per basket", "limit EUR 6.00 per basket", MORE, "limit EUR 5.00 -> EUR 6.00 per basket"),
    ("except", "except sauce", "", MORE, "except - sauce"),
    ("except", "except sauce", "except dried-pasta", BOTH, "except + dried-pasta  - sauce"),
    ("with", "with code from spring", "", MORE, "no longer with code from spring"),
    ("with", "with code from spring", "with code from two-codes", MORE, "with code from spring -> two-codes"),
    ("when", "when basket is worth at least EUR 50.00", "when basket is worth at least EUR 40.00", MORE,
     "when basket is worth at least EUR 50.00 -> EUR 40.00"),
    ("when", "when basket is worth at most EUR 50.00", "when basket is worth at most EUR 60.00", MORE,
     "when basket is worth at most EUR 50.00 -> EUR 60.00"),
    ("when", "when basket is worth between EUR 5.00 and EUR 9.00", "when basket is worth between EUR 4.00 and EUR 8.00",
     OTHER,
     "when basket is worth between EUR 5.00 and EUR 9.00 -> EUR 4.00 and EUR 8.00"),
    ("when", "when basket is worth at least EUR 50.00 of pasta", "", MORE,
     "no longer when basket is worth at least EUR 50.00 of pasta"),
    ("when", "when basket has at least 3 of pasta", "when basket has at least 2 of pasta", MORE,
     "when basket has at least 3 -> 2 of pasta"),
    ("when", "when basket has at least 2.5 kg of pasta", "when basket has at least 2 kg of pasta", MORE,
     "when basket has at least 2.5 -> 2 kg of pasta"),
    ("when", "when payment is card", "when payment is one of card, cash", MORE,
     "when payment is card -> one of card, cash"),
    ("when", "when payment is card", "when payment is cash", BOTH, "when payment is card -> cash"),
    ("when", "when payment is not card", "", MORE, "no longer when payment is not card"),
    ("when", "when basket.lines is at least 3", "when basket.lines is more than 1", MORE,
     "when basket.lines is at least 3 -> more than 1"),
    ("when", "when basket.lines is between 2 and 4", "when basket.lines is between 2 and 5", MORE,
     "when basket.lines is between 2 and 4 -> 5"),
    ("for", "for gold-members", "for everyone", "audience wider", "for gold-members -> everyone"),
    ("for", "for gold-members", "for silver-or-gold", "audience wider", "for gold-members -> silver-or-gold"),
    ("for", "for young-gold", "for silver-or-gold", "audience wider", "for young-gold -> silver-or-gold"),
    ("for", "for gold-members", "for any of gold-members, employees", "audience wider",
     "for gold-members -> any of gold-members, employees"),
    ("for", "for everyone but not silver-or-gold", "for everyone but not young-gold", "audience wider",
     "for everyone but not silver-or-gold -> young-gold"),
    ("for", "for gold-members", "for employees", "audience wider and narrower", "for gold-members -> employees"),
    ("runs", "runs from 2026-09-01 until 2026-09-30", "runs from 2026-09-01 until 2026-09-20", "ends earlier",
     "runs from 2026-09-01 until 2026-09-30 -> 2026-09-20"),
    ("runs", "runs from 2026-09-01", "runs from 2026-09-01 until 2026-09-20", "ends earlier",
     "runs from 2026-09-01 -> 2026-09-01 until 2026-09-20"),
    ("runs", "runs from 2026-09-01", "runs from 2026-09-02", "schedule", "runs from 2026-09-01 -> 2026-09-02"),
    ("runs", "runs from 2026-09-01", "runs from 2026-09-01 in Europe/London", "schedule",
     "runs from 2026-09-01 -> 2026-09-01 in Europe/London"),
    ("only on", "only on Mon", "only on Tue", "schedule", "only on Mon -> Tue"),
    ("only on", "", "only on Mon", "schedule", "now only on Mon"),
    ("group", "group item-deals", "group coupons", "stacking", "group item-deals -> coupons"),
    ("label", 'label en "A"', 'label en "B"', "text only", "label en «A» -> «B»"),
    ("label", 'label en "A"', 'label en "A"; label de "B"', "text only", "label de none -> «B»"),
    ("terms", "", 'terms en "B"', "text only", "terms en none -> «B»"),
    ("owner", 'owner "X"', 'owner "Y"', "text only", "owner X -> Y"),
]  # fmt: skip


@pytest.mark.parametrize(("clause", "before", "after", "effect", "words"), CASES)
def test_each_class_in_both_directions(clause, before, after, effect, words):
    extra = {"get": ""} if clause == "buy" else {}
    old, new = (compiled(offer(**{**extra, clause.replace(" ", "_"): line})) for line in (before, after))
    (found,) = between(old, new)
    assert (found.sign, found.title, str(found.effect), found.words) == ("~", "offer", effect, words)
    assert found.span is not None and found.span.file == "example.promo"
    if after and after.split()[0] not in ("label", "except"):
        text = offer(**{**extra, clause.replace(" ", "_"): after}).split("\n")[found.span.line - 1].strip()
        assert text in after.split("; ") or text in OFFER.values()
    (back,) = between(new, old)
    opposite = {**OPPOSITE, **{b: a for a, b in OPPOSITE.items() if a != "ends earlier"}}
    assert str(back.effect) == opposite.get(effect, effect)
    assert between(new, new) == between(old, old) == ()


def test_what_comes_and_what_goes():
    old, new = compiled(MORE_SETS), compiled(offer())
    assert said(between(old, new)) == [
        ("offer", "new", "runs from 2026-09-01 until 2026-09-30, app stores, get 10% off pasta")
    ]
    (ends,) = between(new, old)
    assert (ends.sign, str(ends.effect)) == ("-", "ends")


def test_several_changes_of_one_promotion_are_several_lines():
    old = compiled(offer(limit="limit 2 per customer; limit 5 per basket", when="when payment is card"))
    new = compiled(offer(limit="limit 5 per basket; limit 1 per customer", when="when basket.lines is at least 2"))
    assert said(between(old, new)) == [
        ("offer", OTHER, "when payment is card -> basket.lines is at least 2"),
        ("offer", LESS, "limit 2 -> 1 per customer"),
    ]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            "customer.tier is gold",
            "customer.tier is one of silver, gold",
            [
                ("segment gold-members", "audience wider", "customer.tier is gold -> one of silver, gold"),
                ("offer", "changed through", "segment young-gold -> segment gold-members"),
            ],
        ),
        (
            "customer.score is at least 4",
            "customer.score is at least 5",
            [("segment young-gold", "audience narrower", "customer.score is at least 4 -> 5"),
             ("offer", "changed through", "segment young-gold")],
        ),
        (
            'item.category is under "Food/Pasta"',
            'item.category is under "Food"',
            [("products pasta", "holds more", 'item.category is under "Food/Pasta" -> "Food"'),
             ("offer", "changed through", "products pasta")],
        ),
        (
            'item.category is under "Food/Pasta"',
            'item.category is under "Food/Pasta/Penne"',
            [("products pasta", "holds less", 'item.category is under "Food/Pasta" -> "Food/Pasta/Penne"'),
             ("offer", "changed through", "products pasta")],
        ),
        ("tier: one of none, silver, gold (default none)", "tier: one of none, silver, gold (default silver)",
         [("schema", "schema", "customer.tier: default none -> silver"),
          ("offer", "changed through", "segment young-gold -> segment gold-members -> attribute customer.tier")]),
        ("channels stores, webshop, app", "channels stores, webshop, app, kiosk",
         [("schema", "schema", "channels + kiosk"),
          ("spring-coupon", MORE, "sold everywhere: + kiosk")]),
        ("apply best per item", "apply first per item",
         [("group item-deals", "stacking", "apply best-per-item -> first-per-item")]),
        ("sequence item-deals, basket-deals, coupons", "sequence basket-deals, item-deals, coupons",
         [("sequence", "stacking",
           "item-deals, basket-deals, coupons, delivery -> basket-deals, item-deals, coupons, delivery")]),
        ('code "SPRING"\n}\n\npromotion', 'code "SPRING"\n  code "MAY"\n}\n\npromotion',
         [("codes spring", MORE, "1 -> 2 codes"),
          ("spring-coupon", "changed through", "codes spring: 1 -> 2 codes")]),
        ('code "SPRING"\n}\n\npromotion', 'code "SPRING"\n  each code once\n}\n\npromotion',
         [("codes spring", LESS, "uses of each code any number -> 1"),
          ("spring-coupon", "changed through", "codes spring")]),
        ("receipt width 38", "receipt width 40", [("settings", "text only", "receipt width 38 -> 40")]),
        ("timezone Europe/Berlin", "timezone Europe/Vienna",
         [("settings", "schedule", "timezone Europe/Berlin -> Europe/Vienna")]),
    ],
)  # fmt: skip
def test_other_declarations_and_what_changes_through_them(before, after, expected):
    frame = (Path(__file__).parent / "frame" / "shop.promo").read_text()
    text = frame + offer(**{"for": "for young-gold"})
    assert before in text
    old, new = (compile_project({"a.promo": one.encode()}) for one in (text, text.replace(before, after, 1)))
    assert old.ok and new.ok, (old.diagnostics, new.diagnostics)
    found = said(between(old, new))
    assert [one for one in expected if one not in found] == [], found
    back = {title for title, _, _ in said(between(new, old))}
    assert back == {title for title, _, _ in found}


def orders(low: int | None, high: int | None, months: int) -> p.Segment:
    """So many orders in the last so many months; 0: so far."""
    window = p.InTheLast(length=p.Length(count=months, unit="month")) if months else p.Ever()
    happened = p.Happened(events=p.EventOf(event="orders", of="pasta"), low=low, high=high, window=window)
    return p.Segment(name="s", title="", lines=(p.Line(condition=happened, text=f"{low} {high} {months}"),))


@pytest.mark.parametrize(
    ("before", "after", "effect"),
    [
        ((3, None, 12), (2, None, 12), "audience wider"),
        ((3, None, 6), (3, None, 12), "audience wider"),
        ((3, None, 6), (2, None, 0), "audience wider"),
        ((None, 3, 6), (None, 3, 5), "audience wider"),
        ((None, 0, 6), (None, 1, 6), "audience wider"),
        ((None, 0, 0), (None, 0, 6), "audience wider"),
        ((3, None, 6), (2, None, 5), "audience wider and narrower"),
        ((2, 4, 6), (2, 4, 5), "audience wider and narrower"),
    ],
)
def test_segments_by_events(before, after, effect):
    old, new = (Side((orders(*one),)) for one in (before, after))
    ((found,), (back,)) = changes(old, new), changes(new, old)
    assert (str(found.effect), str(back.effect)) == (effect, OPPOSITE.get(effect, effect))


def test_an_attribute_of_events():
    old, new = (
        Side((p.Schema(attributes=(), events=(p.EventType(name="orders", one="order", attributes=attributes),)),))
        for attributes in ((), (p.EventAttribute(name="channel", type=p.Type.TEXT),))
    )
    assert said(changes(old, new)) == [("schema", "schema", "events orders")]


GUARD = "guard law {\n  never discount tobacco\n  never count tobacco\n}\n"


def test_guards():
    old = compiled(offer() + GUARD)
    new = compiled(offer() + GUARD.replace("never discount tobacco", "never discount tobacco, sauce"))
    found = said(between(old, new))
    assert ("guard law", LESS, "never discount + sauce") in found
    assert ("offer", "changed through", "guard law") in found
    assert ("guard law", MORE, "never discount - sauce") in said(between(new, old))
    assert said(between(compiled(offer()), old)) == [
        ("guard law", "new", "never discount tobacco; never count tobacco")
    ]


LISTED = offer(get="get 10% off small") + 'products small {\n  item.sku is listed in "lists/small.csv"\n}\n'


def test_a_list_beside_the_rules():
    old = compiled(LISTED, {"lists/small.csv": b"sku\n1\n2\n"})
    new = compiled(LISTED, {"lists/small.csv": b"sku\n1\n2\n3\n"})
    assert said(between(old, new)) == [
        ("products small", "holds more", 'item.sku is listed in "lists/small.csv": 2 -> 3 entries'),
        ("offer", "changed through", "products small"),
    ]
    other = compiled(LISTED, {"lists/small.csv": b"sku\n1\n4\n"})
    assert said(between(old, other))[0][1:] == (
        "holds more and less",
        'item.sku is listed in "lists/small.csv": other entries',
    )


def test_a_catalogue_moves_articles_between_sets():
    text = offer() + 'catalogue from "a.csv"\n'
    rows = b"sku,category,price,brand,kind\n1,Food/Pasta,1.00,x,goods\n2,Food/Sauce,1.00,x,goods\n"
    old = compiled(text, {"a.csv": rows})
    new = compiled(text, {"a.csv": rows + b"3,Food/Pasta/Penne,2.00,x,goods\n"})
    assert said(between(old, new)) == [
        ("catalogue", OTHER, "1 new articles"),
        ("offer", "changed through", "products pasta: 1 -> 2 articles"),
        ("spring-coupon", "changed through", "products pasta: 1 -> 2 articles"),
    ]
    dearer = compiled(text, {"a.csv": rows.replace(b"Pasta,1.00", b"Pasta,1.50")})
    assert said(between(old, dearer)) == [("catalogue", OTHER, "1 articles with other values")]
    wider = compiled(
        text.replace("segment silver", 'products brand-x {\n item.brand is "x"\n}\nsegment silver'), {"a.csv": rows}
    )
    assert said(between(old, wider)) == [("products brand-x", "new", "")]


# ---------------------------------------------------------------------------------------------------- nothing, anything

PROJECTS = {
    name: {
        path.relative_to(ROOT / name).as_posix(): path.read_bytes()
        for path in sorted((ROOT / name).rglob("*"))
        if path.is_file()
    }
    for name in ("examples/shop", "tests/e2e/project")
}


@pytest.mark.parametrize("name", PROJECTS)
def test_layout_and_order_change_nothing(name):
    files = PROJECTS[name]
    rng = random.Random(name)
    other = {}
    for path, data in files.items():
        if path.endswith(".promo"):
            units = declarations(data.decode())
            rng.shuffle(units)
            text = "# remark\n\n".join(unit.replace("  ", "     ") for unit in units)
            other["moved/" + path] = text.encode()
        else:
            other[path] = data
    formatted = {n: format_text(d.decode()).encode() if n.endswith(".promo") else d for n, d in files.items()}
    old = compile_project(files)
    for same in (other, formatted):
        new = compile_project(same)
        assert new.ok, new.diagnostics
        assert between(old, new) == ()


def declarations(text: str) -> list[str]:
    lines = text.split("\n")
    masked = [mask(line) for line in lines]
    found, index = [], 0
    while index < len(lines):
        end = block_end(masked, index) if masked[index].strip() else index + 1
        if masked[index].strip():
            found.append("\n".join(lines[index:end]) + "\n")
        index = end
    return found


DEFAULTS = ("rounding half-up", "prices include tax")  # the same as not to say so


def statements(name: str) -> list[tuple[str, int, int]]:
    """(file, first line, line after) of every statement within a declaration that takes force."""
    found = []
    for path, data in PROJECTS[name].items():
        lines = data.decode(errors="replace").split("\n") if path.endswith(".promo") else []
        masked = [mask(line) for line in lines]
        kind = ""
        for index, code in enumerate(masked):
            if code and code[0].isalpha():
                kind = code.split()[0]
            inside = code.startswith("  ") and code.strip() not in ("", "}", *DEFAULTS)
            if inside and kind in ("promotion", "products", "places", "segment", "group", "guard", "codes", "settings"):
                found.append((path, index, block_end(masked, index)))
            elif kind == "sequence" and code.strip():
                found.append((path, index, index + 1))
    return found


ALTERED: dict[str, str] = {
    "reduced": "original", "original": "reduced", "best": "all", "everyone": "gold-members", "cheapest": "dearest",
    "everywhere": "everywhere but not app", "silver": "gold", "gold": "silver", "stores": "app", "webshop": "app",
    "city": "outlet", "employee": "business", "goods": "deposit",
}  # fmt: skip
ALTER = (
    (r"\b(\d+)(?=(\.\d+)?\b(?!-))(?<!\d{4}-\d\d-\d\d)", lambda match: str(int(match[0]) + 1)),
    (r'"([^"]*)"', lambda match: f'"{match[1]}x"'),
    (r"\bone of (\S+), ", lambda match: "one of "),
    (r"\b(reduced|original|best|everyone|cheapest|everywhere)\b", lambda match: ALTERED[match[0]]),
    (r"\b(silver|gold|stores|webshop|city|employee|goods)\b", lambda match: ALTERED[match[0]]),
)


def mutants(name: str) -> list[tuple[str, int, int, str]]:
    found = []
    for path, first, end in statements(name):
        lines = PROJECTS[name][path].decode().split("\n")
        line = lines[first]
        found.append((path, first, end, ""))
        for pattern, put in ALTER:
            changed = re.sub(pattern, put, line, count=1)
            if changed != line:
                found.append((path, first, first + 1, changed))
    return found


def overlooked(name: str, some: list[tuple[str, int, int, str]]) -> tuple[int, list[str]]:
    """How many changed rulesets compiled, and the lines whose change was not seen."""
    files = {
        path: re.sub(rb"(?ms)^(test|sample) .*?^}", lambda m: b"\n" * m[0].count(b"\n"), data)
        for path, data in PROJECTS[name].items()
    }
    old = compile_project(files)
    compiles, missed = 0, []
    for path, first, end, line in some:
        lines = files[path].decode().split("\n")
        lines[first:end] = [line]
        new = compile_project({**files, path: "\n".join(lines).encode()})
        compiles += new.ok
        if new.ok and not between(old, new):
            missed.append(f"{path}:{first + 1} -> {line!r}")
    return compiles, missed


@pytest.mark.parametrize("name", PROJECTS)
def test_no_changed_clause_is_overlooked(name):
    every = mutants(name)
    some = random.Random(7).sample(every, min(len(every), 60))
    compiles, missed = overlooked(name, some)
    assert missed == []
    assert compiles > len(some) // 3


@pytest.mark.long
@pytest.mark.parametrize("name", PROJECTS)
def test_no_changed_clause_is_overlooked_of_all(name):
    assert overlooked(name, mutants(name))[1] == []
