"""The peers of the kernel's benchmark: promotions in the form of each; and each itself, where it is installed."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from benchmarks import workload
from benchmarks.peers import beside, json_logic, json_rules, oscar, zen
from benchmarks.peers.beside import PEERS, compare
from benchmarks.peers.matching import Basket, Found, Matching, Missing, Promotion, elsewhere, facts
from benchmarks.steps import Steps
from dsl.compiler import compile_project
from engine.image import load
from engine.link import link

ALWAYS = (0, 2_000_000_000)
PROMOTIONS = (
    Promotion((3,), -1, *ALWAYS, ("stores",)),
    Promotion((4,), -1, *ALWAYS, ("stores",)),
    Promotion((3, 5), -1, *ALWAYS, ("stores", "app")),
    Promotion((4, 5), -1, *ALWAYS, ("app",)),
    Promotion((), -1, *ALWAYS, ("stores",)),
    Promotion((3,), 7, *ALWAYS, ("stores",)),
    Promotion((3,), 8, *ALWAYS, ("stores",)),
    Promotion((3,), -1, 0, 1_000, ("stores",)),
    Promotion((3,), -1, 1_000, 2_000, ("stores",)),
    Promotion((3,), -1, 1_001, 2_000, ("stores",)),
    Promotion((3,), -1, *ALWAYS, ("app",)),
)
BASKET = Basket(("apple", "pear"), (3, 5), (7,), 1_000, "stores")
MEMBERS = {3: frozenset({"apple"}), 4: frozenset({"fig"}), 5: frozenset({"pear", "plum"})}
EXPECTED = {0, 2, 4, 5, 8}


def matches(promotion: Promotion, basket: Basket) -> bool:
    """The definition."""
    goods = not promotion.product_sets or bool({*promotion.product_sets} & {*basket.product_sets})
    now = promotion.start_s <= basket.at_s < promotion.until_s
    return goods and promotion.code_set in (-1, *basket.code_sets) and now and basket.channel in promotion.channels


@pytest.fixture(scope="module")
def shop() -> Matching:
    image = link(compile_project(workload.project(150, 600)).programs)
    return Matching(load(image.manifest, image.parts))


def test_the_definition_of_this_test_finds_what_it_says() -> None:
    assert {number for number, one in enumerate(PROMOTIONS) if matches(one, BASKET)} == EXPECTED


def test_what_is_reduced_means_what_the_engine_finds(shop: Matching) -> None:
    steps, sizes = Steps(shop.ruleset, 0), []
    assert {one.code_set >= 0 for one in shop.promotions} == {bool(one.product_sets) for one in shop.promotions}
    for asked in workload.baskets(20, 8, 600, known=False):
        for request in (asked, elsewhere(asked)):
            basket = shop.basket(request)
            found = {number for number, one in enumerate(shop.promotions) if matches(one, basket)}
            assert found == shop.ours(steps.apart(request.SerializeToString()).table)
            held = {number for number, articles in shop.members.items() if articles & {*basket.articles}}
            assert held == {*basket.product_sets}
            sizes.append(len(found))
    assert all(sizes[::2]) and sum(sizes[1::2]) < sum(sizes[::2]) / 2


# ---------- the forms, read by the letter


def logic(rule: Any, data: Any) -> Any:
    """JSON-logic, as far as it is used."""
    if not isinstance(rule, dict):
        return [logic(part, data) for part in rule] if isinstance(rule, list) else rule
    ((name, of),) = rule.items()
    match name:
        case "var":
            return data if of == "" else data.get(of)
        case "filter":
            return [item for item in logic(of[0], data) if logic(of[1], item)]
        case "if":
            return logic(of[1] if logic(of[0], data) else of[2], data)
        case "and":
            return all(logic(part, data) for part in of)
        case "or":
            return any(logic(part, data) for part in of)
    left, right = (logic(part, data) for part in of)
    operators: dict[str, Callable[[], bool]] = {
        "in": lambda: left in right,
        "<=": lambda: left <= right,
        "<": lambda: left < right,
        ">=": lambda: left >= right,
    }
    return operators[name]()


def test_json_logic() -> None:
    assert set(logic(json_logic.rule(PROMOTIONS), facts(BASKET))) == EXPECTED


def holds(condition: dict[str, Any], said: dict[str, Any]) -> bool:
    """A condition of json-rules-engine."""
    if "all" in condition:
        return all(holds(part, said) for part in condition["all"])
    if "any" in condition:
        return any(holds(part, said) for part in condition["any"])
    is_, value = said[condition["fact"]], condition["value"]
    operators: dict[str, Callable[[], bool]] = {
        "contains": lambda: value in is_,
        "in": lambda: is_ in value,
        "greaterThanInclusive": lambda: is_ >= value,
        "lessThan": lambda: is_ < value,
    }
    return operators[condition["operator"]]()


def test_json_rules() -> None:
    rules = [json_rules.rule(number, one) for number, one in enumerate(PROMOTIONS)]
    said = json_rules.facts(BASKET)
    found = {rule["event"]["params"]["promotion"] for rule in rules if holds(rule["conditions"], said)}
    assert found == EXPECTED
    assert {part["priority"] > 1 for rule in rules for part in rule["conditions"]["all"][:1]} == {True, False}


def cell(text: str, value: Any) -> bool:
    """A cell of zen's decision table."""
    if text == "":
        return True
    if window := re.fullmatch(r"\[(\d+)\.\.(\d+)\)", text):
        return int(window[1]) <= value < int(window[2])
    if code := re.fullmatch(r"(\d+) in \$", text):
        return int(code[1]) in value
    return f'"{value}"' in text.split(",")


def test_zen() -> None:
    table = zen.graph(PROMOTIONS)["nodes"][1]["content"]
    assert table["hitPolicy"] == "collect"
    goods, *others = table["inputs"]
    assert goods == {"id": "goods", "name": "goods"}
    said, found = facts(BASKET), set()
    for row in table["rules"]:
        some = [part.removesuffix(" == true") for part in row["goods"].split(" or ") if part]
        if (not some or any(said.get(name) for name in some)) and all(
            cell(row[column["id"]], said[column["field"]]) for column in others
        ):
            found.add(int(row["promotion"]))
    assert found == EXPECTED


def test_oscar() -> None:
    def offered(number: int, promotion: Promotion) -> bool:
        terms = oscar.terms(promotion, MEMBERS)
        now = terms.start <= datetime.fromtimestamp(BASKET.at_s, UTC) <= terms.end
        goods = terms.articles is None or bool(terms.articles & {*BASKET.articles})
        return now and goods and promotion.code_set in (-1, 7) and BASKET.channel in promotion.channels

    assert {number for number, one in enumerate(PROMOTIONS) if offered(number, one)} == EXPECTED


# ---------- each peer


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_that_is_installed_finds_the_same(name: str) -> None:
    class Given:
        promotions, members = PROMOTIONS, MEMBERS

    try:
        peer = PEERS[name](Given())  # type: ignore[arg-type]
    except Missing as missing:
        pytest.skip(f"not run: {missing}")
    found = peer.match(BASKET)
    peer.close()
    assert {*found.promotions} == EXPECTED and found.nanoseconds > 0


class Exact:
    """A peer that finds what there is; `forgets`: this one not."""

    title = "exact"

    def __init__(self, matching: Matching, forgets: int | None = None) -> None:
        self.promotions, self.forgets, self.closed = matching.promotions, forgets, False

    def match(self, basket: Basket) -> Found:
        found = [number for number, one in enumerate(self.promotions) if matches(one, basket)]
        return Found(found[self.forgets is not None :], 50_000_000)

    def close(self) -> None:
        self.closed = True


def test_all_are_asked_the_same_and_who_finds_other_promotions_is_told(
    shop: Matching, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Exact] = []

    def keep(peer: Exact) -> Exact:
        made.append(peer)
        return peer

    def missing(_: Matching) -> Exact:
        raise Missing("buy it")

    monkeypatch.setitem(beside.PEERS, "exact", lambda matching: keep(Exact(matching)))
    monkeypatch.setitem(beside.PEERS, "wrong", lambda matching: keep(Exact(matching, forgets=0)))
    monkeypatch.setitem(beside.PEERS, "none", missing)
    found = compare(["exact", "none", "wrong"], shop.ruleset, workload.baskets(20, 3, 600, known=False), 4)
    exact, wrong = found.peers
    assert (exact.alike, exact.asked, exact.median_us) == (6, 6, 50_000)
    assert wrong.alike < 6
    assert found.missing == {"none": "buy it"}
    assert min(found.matching.median_us, found.ours.median_us) > 0
    assert all(peer.closed for peer in made)
