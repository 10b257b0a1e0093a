"""Price lists in a request: only those meant for it are looked into, and no number of them leaves its bounds."""

from __future__ import annotations

import pytest

from engine.basket import MEASURE_MAX, PIECE_MICROS_MAX, TOTAL_MINOR_MAX, BasketLine, Customer, Fact
from engine.decide import decide
from engine.layout import NO_ARTICLE, NO_PRICE
from engine.link import link
from engine.match import MISSING_PIECES
from engine.program import PriceList, Promotion, Type
from engine.resolve import resolve
from engine.write import LinkError
from tests.oracle.decide import decide as oracle
from tests.unit.engine.shops import ask, piece, programs, ruleset

CONTRACTS = {
    "segments": {f"s{n}": {"customer.tier": f"t{n}"} for n in range(20)},
    "lists": {f"l{n}": [["tee", 900 - n], ["cap", 3, 100]] for n in range(20)},
    "groups": {"g": {"apply": "best-per-item"}},
    "promotions": {
        f"p{n:02}": {"reward": {"prices from": f"l{n}"}, "exclusive": True, "for": {"any of": [f"s{n}"]}}
        for n in range(20)
    },
}
SEVENTH = Customer(id="c", attributes={"tier": Fact(Type.TEXT, "t7")})


def test_of_many_contracts_only_the_customers_is_looked_into():
    rules, request = ruleset(**CONTRACTS), ask(piece("1", "tee", 2), piece("2", "cap"), customer=SEVENTH)
    columns = resolve(rules, request).columns
    begins = columns["promises"][:, 0].tolist()
    assert [number for number, begin in enumerate(begins) if begin >= 0] == [7]
    assert columns["promise"].tolist() == [893, 893, -1]
    assert decide(rules, request).totals.saving == 214


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (piece("1", "mug", price_micros=1), [-1, NO_ARTICLE, 0, -1]),
        (piece("1", "cap", 2), [0, MISSING_PIECES, 4, -1]),
        (piece("1", "tee", 5), [0, NO_PRICE, 0, -1]),
    ],
)
def test_what_is_missing_to_a_price(line, told):
    shop = {
        "lists": {"acme": [["tee", 900], ["cap", 6, 100]]},
        "promotions": {"p": {"reward": {"prices from": "acme"}}},
    }
    assert resolve(ruleset(**shop), ask(line)).columns["promises"].tolist() == [told]


def test_promotions_of_one_list_share_what_it_promises():
    shop = {
        "lists": {"acme": [["tee", 900]]},
        "promotions": {
            "a": {"reward": {"prices from": "acme"}},
            "b": {"reward": {"prices from": "acme"}},
            "c": {"reward": {"prices from": "acme"}, "except": ["cap"]},
        },
    }
    columns = resolve(ruleset(**shop), ask(piece("1", "tee", 2))).columns
    assert columns["promises"][:, 0].tolist() == [0, 0, 2]
    assert columns["promise"].tolist() == [900] * 4


def test_the_dearest_price_is_dearer_than_any_basket():
    micros = str(PIECE_MICROS_MAX // 1_000_000)
    shop = {"lists": {"acme": [["tee", micros]]}, "promotions": {"p": {"reward": {"prices from": "acme"}}}}
    request = ask(BasketLine("1", "tee", measure=MEASURE_MAX, unit="kg", price_micros=1))
    assert resolve(ruleset(**shop), request).columns["promise"].tolist() == [TOTAL_MINOR_MAX]
    assert decide(ruleset(**shop), request).totals.saving == 0


def test_very_many_pieces_at_a_price_finer_than_the_cent():
    shop = {"lists": {"acme": [["tee", "0.0049"]]}, "promotions": {"p": {"reward": {"prices from": "acme"}}}}
    request = ask(piece("1", "tee", 60_000, price_micros=10_000), piece("2", "tee", 40_000, price_micros=10_000))
    promise = resolve(ruleset(**shop), request).columns["promise"]
    assert promise.sum() == 49_000
    assert promise.tolist() == sorted(promise.tolist(), reverse=True)


def test_an_article_on_lines_of_several_units():
    shop = {
        "lists": {"acme": [["tee", 900], ["tee", 2, 700]]},
        "promotions": {"p": {"reward": {"prices from": "acme"}}},
    }
    lines = (
        piece("1", "tee", 2),
        BasketLine("2", "tee", measure=1_999, unit="kg"),
        BasketLine("3", "tee", measure=2_000, unit="lb"),
    )
    decision = decide(ruleset(**shop), ask(*lines))
    assert decision == oracle(programs(**shop), ask(*lines), digest=decision.ruleset)
    assert [line.net for line in decision.lines] == [1_400, 1_799, 1_400]


def test_a_list_that_is_not_there():
    shop = programs(**CONTRACTS)
    with pytest.raises(LinkError, match="no price list «l0»"):
        link(one for one in shop if getattr(one, "name", "") != "l0")
    assert any(isinstance(one, PriceList) for one in shop)
    francs = {f"l{n}": [{"article": "tee", "price": {"CHF": 1}}] for n in range(20)}
    other = [shop[0].model_copy(update={"currencies": ("EUR",)}), *programs(**(CONTRACTS | {"lists": francs}))[1:]]
    with pytest.raises(LinkError, match="CHF, which the settings do not list"):
        link(other)


def test_a_list_that_nobody_gives_is_in_no_image():
    shop = programs(**CONTRACTS)
    few = [one for one in shop if not (isinstance(one, Promotion) and one.name != "p03")]
    assert link(few).manifest.count(b'"prices.') == 1
    assert link(shop).manifest.count(b'"prices.') == 20
