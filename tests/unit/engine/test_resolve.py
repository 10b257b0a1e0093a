"""Every bound of a request, refused by its field's name; and what stands at the bounds is computed exactly."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine import basket
from engine.basket import (
    AT_MAX_US,
    CODES_MAX,
    EVENT_ITEMS_MAX,
    EVENTS_MAX,
    FACTS_MAX,
    FEES_MAX,
    FINE_TOTAL_MAX,
    LINES_MAX,
    MANUAL_DISCOUNTS_MAX,
    MEASURE_MAX,
    NEXT_STEPS_MAX,
    PIECE_MICROS_MAX,
    PIECES_MAX,
    POINTS_MAX,
    PRICE_MICROS_MAX,
    TEXT_MAX,
    TOTAL_MINOR_MAX,
    USAGE_MAX,
    VARIANTS_MAX,
    BadRequest,
    BasketLine,
    Customer,
    Event,
    EventHistory,
    EventItem,
    Fact,
    Fault,
    Fee,
    LimitUsage,
    ManualDiscount,
    Request,
    VariantChoice,
)
from engine.decide import decide
from engine.image import load
from engine.link import link
from engine.program import Type
from engine.resolve import check
from tests.conformance.cases import Shop
from tests.oracle.decide import decide as oracle
from tests.reproduce import difference
from tests.unit.engine.shops import ask, piece, programs, ruleset

LONG = "x" * (TEXT_MAX + 1)
GOOD = ask(piece(), customer=Customer("c", "h", {"tier": Fact(Type.TEXT, "gold")}, frozenset()))


def with_line(**fields: Any) -> Request:
    return ask(piece(), replace(piece("2"), **fields))


def by_hand(**fields: Any) -> ManualDiscount:
    return replace(ManualDiscount("percent", 1_000, "damaged", "1"), **fields)


def many(count: int) -> tuple[BasketLine, ...]:
    return tuple(piece(str(i)) for i in range(count))


def facts(count: int, value: int | str | tuple[str, ...] = 1) -> dict[str, Fact]:
    return {f"f{i}": Fact(Type.NUMBER, value) for i in range(count)}


def past(*events: Event, since: int = 0) -> Request:
    return replace(GOOD, customer=Customer("c", events=EventHistory(events, since)))


ORDER = Event("order", 1)
KG = {"quantity": 0, "unit": "kg", "measure": 1}
BAD: list[tuple[str, Request]] = [
    ("at_us", replace(GOOD, at_us=-1)),
    ("at_us", replace(GOOD, at_us=AT_MAX_US + 1)),
    ("lines", replace(GOOD, lines=many(LINES_MAX + 1))),
    ("lines", ask(piece("1", quantity=PIECES_MAX), piece("2"))),
    ("codes", replace(GOOD, codes=tuple(f"c{i}" for i in range(CODES_MAX + 1)))),
    ("codes[1]", replace(GOOD, codes=("a", LONG))),
    ("fees", replace(GOOD, fees=tuple(Fee(f"s{i}", 1) for i in range(FEES_MAX + 1)))),
    ("fees[0].service", replace(GOOD, fees=(Fee(LONG, 1),))),
    ("fees[1].service", replace(GOOD, fees=(Fee("post", 1), Fee("post", 2)))),
    ("fees[0].amount_minor", replace(GOOD, fees=(Fee("post", -1),))),
    ("fees[0].amount_minor", replace(GOOD, fees=(Fee("post", TOTAL_MINOR_MAX + 1),))),
    ("usage", replace(GOOD, usage=tuple(LimitUsage("p", f"{i}", 1) for i in range(USAGE_MAX + 1)))),
    ("usage[0].used", replace(GOOD, usage=(LimitUsage("p", "l", -1),))),
    ("usage[0].used", replace(GOOD, usage=(LimitUsage("p", "l", 10**15 + 1),))),
    ("usage[0].promotion", replace(GOOD, usage=(LimitUsage(LONG, "l", 1),))),
    ("usage[0].limit", replace(GOOD, usage=(LimitUsage("p", LONG, 1),))),
    ("usage[0].code", replace(GOOD, usage=(LimitUsage("p", "l", 1, LONG),))),
    ("usage[1]", replace(GOOD, usage=(LimitUsage("p", "l", 1, "a"), LimitUsage("p", "l", 2, "a")))),
    ("variants", replace(GOOD, variants=tuple(VariantChoice(f"p{i}", "a") for i in range(VARIANTS_MAX + 1)))),
    ("variants[0].promotion", replace(GOOD, variants=(VariantChoice(LONG, "a"),))),
    ("variants[0].variant", replace(GOOD, variants=(VariantChoice("p", LONG),))),
    ("variants[1].promotion", replace(GOOD, variants=(VariantChoice("p", "a"), VariantChoice("p", "b")))),
    ("manual_discounts", replace(GOOD, manual_discounts=(by_hand(),) * (MANUAL_DISCOUNTS_MAX + 1))),
    ("manual_discounts[0].line_id", replace(GOOD, manual_discounts=(by_hand(line="9"),))),
    ("manual_discounts[0].line_id", replace(GOOD, manual_discounts=(by_hand(line=LONG),))),
    ("manual_discounts[1].line_id", replace(GOOD, manual_discounts=(by_hand(line=""),) * 2)),
    ("manual_discounts[0].reason", replace(GOOD, manual_discounts=(by_hand(reason=""),))),
    ("manual_discounts[0].reason", replace(GOOD, manual_discounts=(by_hand(reason=LONG),))),
    ("manual_discounts[0].percent_basis_points", replace(GOOD, manual_discounts=(by_hand(value=0),))),
    ("manual_discounts[0].percent_basis_points", replace(GOOD, manual_discounts=(by_hand(value=10_001),))),
    ("manual_discounts[0].amount_minor", replace(GOOD, manual_discounts=(by_hand(kind="amount", value=-1),))),
    (
        "manual_discounts[0].amount_minor",
        replace(GOOD, manual_discounts=(by_hand(kind="price", value=TOTAL_MINOR_MAX + 1),)),
    ),
    ("manual_discounts[0].quantity", replace(GOOD, manual_discounts=(by_hand(quantity=-1),))),
    ("manual_discounts[0].quantity", replace(GOOD, manual_discounts=(by_hand(quantity=PIECES_MAX),))),
    ("manual_discounts[0].quantity", replace(GOOD, manual_discounts=(by_hand(line="", quantity=1),))),
    ("basket_id", replace(GOOD, basket=LONG)),
    ("next_steps", replace(GOOD, next_steps=-1)),
    ("next_steps", replace(GOOD, next_steps=NEXT_STEPS_MAX + 1)),
    ("channel", replace(GOOD, channel=LONG)),
    ("store", replace(GOOD, store=LONG)),
    ("delivery_service", replace(GOOD, delivery=LONG)),
    ("payment", replace(GOOD, payment=LONG)),
    ("customer.id", replace(GOOD, customer=Customer(LONG))),
    ("customer.household", replace(GOOD, customer=Customer("c", LONG))),
    ("customer.attributes", replace(GOOD, customer=Customer("c", attributes=facts(FACTS_MAX + 1)))),
    ("store_attributes", replace(GOOD, store_attributes=facts(FACTS_MAX + 1))),
    ("delivery_attributes", replace(GOOD, delivery_attributes=facts(FACTS_MAX + 1))),
    ("basket_attributes", replace(GOOD, basket_attributes=facts(FACTS_MAX + 1))),
    ("store_attributes[f0]", replace(GOOD, store_attributes=facts(1, LONG))),
    ("store_attributes[f0]", replace(GOOD, store_attributes=facts(1, ("a", LONG)))),
    ("store_attributes[f0]", replace(GOOD, store_attributes=facts(1, 10**15 + 1))),
    ("store_attributes[f0]", replace(GOOD, store_attributes=facts(1, -(10**15) - 1))),
    ("lines[1].attributes", with_line(attributes=facts(FACTS_MAX + 1))),
    ("lines[1].id", with_line(id="")),
    ("lines[1].id", with_line(id="1")),
    ("lines[1].id", with_line(id=LONG)),
    ("lines[1].article", with_line(article="")),
    ("lines[1].article", with_line(article=LONG)),
    ("lines[1].quantity", with_line(quantity=0)),
    ("lines[1].quantity", with_line(quantity=-1)),
    ("lines[1].quantity", with_line(quantity=PIECES_MAX + 1)),
    ("lines[1].quantity", with_line(unit="kg", measure=1)),
    ("lines[1].measure_unit", with_line(quantity=0, measure=1)),
    ("lines[1].measure_unit", with_line(**KG | {"unit": "stone"})),
    ("lines[1].measure_thousandths", with_line(**KG | {"measure": 0})),
    ("lines[1].measure_thousandths", with_line(**KG | {"measure": -5})),
    ("lines[1].measure_thousandths", with_line(**KG | {"measure": MEASURE_MAX + 1})),
    ("lines[1].unit_price_micros", with_line(price_micros=-1)),
    ("lines[1].unit_price_micros", with_line(price_micros=PIECE_MICROS_MAX + 1)),
    ("lines[1].unit_price_micros", with_line(**KG, price_micros=PRICE_MICROS_MAX + 1)),
    ("lines[1].tax_rate_basis_points", with_line(tax_rate=-1)),
    ("customer.facts_as_of_us", replace(GOOD, customer=Customer("c", facts_as_of_us=-1))),
    ("customer.facts_as_of_us", replace(GOOD, customer=Customer("c", facts_as_of_us=AT_MAX_US + 1))),
    ("customer.events.complete_since_us", past(since=-1)),
    ("customer.events.complete_since_us", past(since=AT_MAX_US + 1)),
    ("customer.events.events", past(*[ORDER] * (EVENTS_MAX + 1))),
    ("customer.events.events", past(ORDER, replace(ORDER, items=(EventItem("a"),) * (EVENT_ITEMS_MAX + 1)))),
    ("customer.events.events[1].type", past(ORDER, replace(ORDER, type=""))),
    ("customer.events.events[1].type", past(ORDER, replace(ORDER, type=LONG))),
    ("customer.events.events[1].id", past(ORDER, replace(ORDER, id=LONG))),
    ("customer.events.events[1].id", past(replace(ORDER, id="1"), replace(ORDER, id="1", at_us=2))),
    ("customer.events.events[0].at_us", past(replace(ORDER, at_us=-1))),
    ("customer.events.events[0].at_us", past(replace(ORDER, at_us=AT_MAX_US + 1))),
    ("customer.events.events[0].attributes", past(replace(ORDER, attributes=facts(FACTS_MAX + 1)))),
    ("customer.events.events[0].items[0].article", past(replace(ORDER, items=(EventItem(""),)))),
    ("customer.events.events[0].items[0].article", past(replace(ORDER, items=(EventItem(LONG),)))),
    ("customer.events.events[0].items[0].amount_minor", past(replace(ORDER, items=(EventItem("a", 10**12 + 1),)))),
    ("customer.events.events[0].items[0].attributes", past(replace(ORDER, items=(EventItem("a", 1, facts(257)),)))),
    ("lines[1].tax_rate_basis_points", with_line(tax_rate=10_001)),
]


@pytest.mark.parametrize(("field", "asked"), BAD, ids=[f"{i} {field}" for i, (field, _) in enumerate(BAD)])
def test_out_of_bounds(field, asked):
    with pytest.raises(BadRequest) as caught:
        check(asked)
    assert caught.value.field == field
    assert caught.value.message


def test_every_bound_has_a_test():
    bounds = {name for name in vars(basket) if name.endswith("_MAX") and not name.startswith("_")}
    assert {name for name in bounds if name not in globals()} <= {"AT_MIN_US", "BASE_POINTS_MAX"}  # that of a ruleset


def test_what_stands_at_the_bounds_is_taken():
    check(replace(GOOD, at_us=0, lines=many(LINES_MAX), store="x" * TEXT_MAX, store_attributes=facts(FACTS_MAX)))
    check(replace(GOOD, at_us=AT_MAX_US, lines=(piece(quantity=PIECES_MAX, price_micros=PIECE_MICROS_MAX),)))
    check(past(*[ORDER] * EVENTS_MAX, since=AT_MAX_US))
    check(past(replace(ORDER, at_us=AT_MAX_US, items=(EventItem("a", -(10**12)),) * EVENT_ITEMS_MAX)))
    check(past(replace(ORDER, id="1"), replace(ORDER, id="1")))
    check(ask(BasketLine("1", "tee", 0, MEASURE_MAX, "kg", PRICE_MICROS_MAX, tax_rate=10_000)))


def test_more_points_than_anybody_counts():
    """The one bound that is met only when all is decided."""
    dear = ask(piece(quantity=PIECES_MAX, price_micros=99_999_990_000))  # 999,999,900,000 minor units
    points = decide(ruleset(points=[1_000, 1]), dear).points
    assert points is not None and POINTS_MAX * 8 // 10 < points.earned <= POINTS_MAX  # less 10%
    with pytest.raises(BadRequest) as caught:
        decide(ruleset(points=[1_200, 1]), dear)
    assert (caught.value.field, caught.value.fault) == ("lines", Fault.BOUNDS)


SHOP = ruleset()
UNKNOWN: list[tuple[str, Request]] = [
    ("currency", replace(GOOD, currency="USD")),
    ("currency", replace(GOOD, currency="")),
    ("channel", replace(GOOD, channel="fax")),
    ("channel", replace(GOOD, channel="")),
    ("delivery_service", replace(GOOD, delivery="pigeon")),
    ("payment", replace(GOOD, payment="shells")),
    ("fees[0].service", replace(GOOD, fees=(Fee("pigeon", 1),))),
    ("fees", replace(GOOD, fees=(Fee("post", TOTAL_MINOR_MAX),))),
    ("usage[1]", replace(GOOD, usage=(LimitUsage("p", "l", 1, "a"), LimitUsage("p", "l", 2, " A")))),
    ("lines[0].unit_price_minor", ask(piece(article="unheard"))),
    ("lines[0].unit_price_minor", ask(piece(), currency="CHF")),
]


@pytest.mark.parametrize(("field", "asked"), UNKNOWN, ids=[f"{i} {f}" for i, (f, _) in enumerate(UNKNOWN)])
def test_what_the_ruleset_does_not_know(field, asked):
    with pytest.raises(BadRequest) as caught:
        decide(SHOP, asked)
    assert caught.value.field == field


def test_worth_too_much():
    whole = TOTAL_MINOR_MAX * 10_000
    decide(SHOP, ask(*(piece(str(i), price_micros=PIECE_MICROS_MAX) for i in range(10))))
    for lines in (
        [piece(str(i), price_micros=PIECE_MICROS_MAX) for i in range(11)],
        [piece(quantity=PIECES_MAX, price_micros=PIECE_MICROS_MAX)],
        [piece("0"), *(piece(str(i), quantity=10, price_micros=whole // 100) for i in range(1, 11))],
    ):
        with pytest.raises(BadRequest) as caught:
            decide(SHOP, ask(*lines))
        assert caught.value.field == "lines"


def test_worth_too_much_to_be_exact():
    """Rounding per article counts in the parts in which every percentage is exact: 33.33% in ten-thousandths."""
    third = {"p": {"reward": {"percent": "33.33%", "of": "all"}}}
    rules = ruleset(promotions=third, **{"rounding per": "article"})
    most = FINE_TOTAL_MAX // 10_000
    assert decide(rules, ask(piece(price_micros=most * 10_000))).totals.saving == (most * 3_333 + 5_000) // 10_000
    with pytest.raises(BadRequest) as caught:
        decide(rules, ask(piece(price_micros=(most + 1) * 10_000)))
    assert (caught.value.field, caught.value.fault) == ("lines", Fault.BOUNDS)


@pytest.mark.parametrize("wrong", [Fact(Type.NUMBER, 1), Fact(Type.TEXTS, ("gold",)), Fact(Type.MONEY, 1, "EUR")])
def test_a_fact_of_another_type(wrong):
    asking = {
        "segments": {"gold": {"customer.tier": "gold"}},
        "promotions": {"p": {"reward": {"percent": "10%", "of": "all"}, "for": {"any of": ["gold"]}}},
        "sets": {"a": {"item.brand": "A"}},
    }
    rules = ruleset(**asking)
    with pytest.raises(BadRequest) as caught:
        decide(rules, replace(GOOD, customer=Customer("c", attributes={"tier": wrong})))
    assert "tier" in caught.value.field
    with pytest.raises(BadRequest) as caught:
        decide(rules, ask(piece(article="new", price_micros=10_000, attributes={"brand": wrong})))
    assert "brand" in caught.value.field


# ---------------------------------------------------------------------------------------------------- at the bounds

REWARDS: dict[str, dict[str, Any]] = {
    "percent": {"reward": {"percent": "33.33%", "of": "all"}},
    "basket": {"reward": {"percent": "33.33%", "of": "basket"}},
    "amount": {"reward": {"amount": 10**11, "of": "all"}},
    "together": {"reward": {"amount": 10**11 - 1, "of": "basket"}},
    "price": {"reward": {"price": 1, "of": "all"}},
    "pick": {"buy": [2, "all"], "reward": {"cheapest": 1}},
    "bundle": {"buy": [3, "all"], "reward": {"together for": 10**11}},
    "singles": {"buy": [1_000, "all"], "reward": {"together for": 10**11, "singles": True}},
    "capped": {"reward": {"percent": "50%", "of": "all"}, "limits": [{"saving": 10**11 - 7}]},
    "kilo": {"reward": {"price": 1, "per": "kg", "of": "all"}},
    "gram": {"reward": {"price": "0.000001", "per": "g", "hundreds": True, "of": "all"}},
    "off the gram": {"reward": {"amount": 99_999, "per": "g", "of": "all"}},
    "off the kilo": {"reward": {"amount": "99999.999999", "per": "kg", "of": "all"}},
}
HEAVY = [BasketLine(str(i), "tee", 0, MEASURE_MAX - i, "kg", PRICE_MICROS_MAX // 100 - i) for i in range(9)]
DEAR = [piece(str(i), "tee", 1, price_micros=PIECE_MICROS_MAX - i * 10_001) for i in range(10)]


PER_ITEM = [name for name in REWARDS if name not in {"basket", "together"}]  # «together» stands in no per-item group


@pytest.mark.parametrize("lines", [HEAVY, DEAR], ids=["heavy", "dear"])
@pytest.mark.parametrize(
    ("reward", "group"), [*((name, "all") for name in REWARDS), *((name, "best-per-item") for name in PER_ITEM)]
)
def test_the_largest_amounts_are_exact(reward, lines, group):
    same(ask(*lines), promotions={"p": REWARDS[reward]}, groups={"g": {"apply": group}})


@pytest.mark.parametrize("group", ["all", "best-per-item"])
def test_the_largest_amounts_are_exact_per_article(group):
    promotions = {
        "p": {"reward": {"percent": "99.99%", "of": "all"}, "limits": [{"saving": 10**8}]},
        "q": {"buy": [2, "all"], "reward": {"cheapest": 1, "percent": "12.5%"}},
    }
    lines = [piece(str(i), quantity=2, price_micros=FINE_TOTAL_MAX // 8 + i * 10_000) for i in range(3)]
    data = {"rounding per": "article"}
    same(ask(*lines), promotions=promotions, groups={"g": {"apply": group}}, **data)


@pytest.mark.parametrize(("currency", "minor"), [("JPY", 1_000_000), ("KWD", 1_000)])
def test_the_largest_amounts_of_other_currencies(currency, minor):
    line = BasketLine("1", "tee", 0, MEASURE_MAX, "kg", PRICE_MICROS_MAX // 100)
    dear = piece("2", price_micros=min(PIECE_MICROS_MAX // 100, TOTAL_MINOR_MAX * minor // 100))
    promotions = {name: what for name, what in REWARDS.items() if name in {"percent", "price", "kilo"}}
    same(ask(line, dear, currency=currency), currency=currency, promotions=promotions)


def test_a_thousand_lines():
    lines = [piece(str(i), f"a{i % 7}", 1 + i % 2, price_micros=1_234_567 + i) for i in range(LINES_MAX)]
    articles = {f"a{i}": 100 for i in range(7)}
    same(ask(*lines), articles=articles, promotions={"p": REWARDS["percent"], "q": REWARDS["together"]})


def test_a_hundred_thousand_pieces():
    same(ask(piece(quantity=PIECES_MAX)), promotions={"p": REWARDS["percent"]})


def test_a_hundred_thousand_pieces_of_a_finer_price():
    """An article's pieces cost together what their number costs, over all its lines."""
    lines = [piece(str(i), quantity=PIECES_MAX // 4, price_micros=3_333_333) for i in range(4)]
    decision = decide(ruleset(promotions={}), ask(*lines))
    assert decision.totals.list == (3_333_333 * PIECES_MAX + 5_000) // 10_000


def same(asked: Request, **data: Any) -> None:
    """The engine says what the oracle says, and it adds up."""
    made = Shop({"promotions": {}, **data}).programs() if "currency" in data else programs(**data)
    image = link(made)
    found = decide(load(image.manifest, image.parts), asked)
    expected = oracle(made, asked, digest=image.digest)
    assert not difference(expected, found)
    assert found.totals.list == sum(line.list for line in found.lines)
    assert 0 <= found.totals.net <= found.totals.list <= TOTAL_MINOR_MAX
