"""The benchmark of a decision in process: small, and without a judgement of its figures."""

from __future__ import annotations

import json

import pytest

from benchmarks import __main__ as benchmarks
from benchmarks import kernel, steps
from benchmarks.assortments import Assortments
from benchmarks.steps import STEPS, NotOrdinary, Spread, Steps
from engine.basket import Request
from engine.decide import decide
from engine.image import load
from engine.link import link
from server.convert import to_request
from server.requests import message_of


def test_it_tells_of_sizes_steps_and_growth(tmp_path, capsys):
    figures = tmp_path / "figures.json"
    arguments = ["kernel", "--small", "--check", "--data-dir", str(tmp_path / "data"), "--json", str(figures)]
    assert benchmarks.main(arguments) == 0
    said = capsys.readouterr().out
    assert said.startswith("100 promotions over 600 articles")
    for row in ("Decisions", "Where the time goes", *STEPS, "The heaviest of 20", "20 lines, ever more promotions"):
        assert row in said
    assert "Einklang, the whole decision" in said and "find the same promotions" in said
    found = json.loads(figures.read_text())
    assert [size["lines"] for size in found["sizes"]] == [5, 20]
    assert [size["promotions"] for size in found["growth"]] == [50, 150]
    assert not found["bounds"]  # they are those of the full size


def test_parts_are_left_out(tmp_path, capsys):
    arguments = ["--promotions", "60", "--articles", "300", "--lines", "5", "--baskets", "3", "--tries", "1"]
    without = ["--searched", "0", "--growth", "none", "--peers", "none", "--data-dir", str(tmp_path)]
    assert kernel.main([*arguments, *without]) == 0
    said = capsys.readouterr().out
    assert "Decisions" in said and "The ruleset is compiled" in said
    assert not any(part in said for part in ("heaviest", "ever more", "Beside others", "MISSED"))
    assert kernel.main([*arguments, *without]) == 0
    assert "The ruleset is compiled" not in capsys.readouterr().out  # it was kept


def test_more_promotions_and_no_basket_meets_more_of_them():
    shop = Assortments(120, promotions=40, articles=90)
    met = []
    for promotions in (40, 120):
        image = link(shop.programs(promotions))
        rules = load(image.manifest, image.parts)
        assert len(rules.promotions) == promotions
        asked = [to_request(basket, at_us=0) for basket in shop.baskets(10, 6, promotions)]
        decisions = [decide(rules, request) for request in asked]
        met.append([(len(decision.promotions), decision.totals) for decision in decisions])
        articles = {line.article.rpartition("-")[2] for request in asked for line in request.lines}
        assert articles == ({"0"} if promotions == 40 else {"0", "1", "2"})
    assert met[0] == met[1]
    assert all(count and totals.saving for count, totals in met[0])


def test_what_is_measured_is_what_is_decided():
    shop = Assortments(40, promotions=40, articles=90)
    image = link(shop.programs(40))
    rules = load(image.manifest, image.parts)
    baskets = shop.baskets(5, 4, 40)
    asked = [(Steps(rules, 0), 5, [basket.SerializeToString() for basket in baskets])]
    (found,) = steps.measured(asked, 2)
    decisions = [decide(rules, to_request(basket, at_us=0)) for basket in baskets]
    assert found.touch == [len(decision.promotions) for decision in decisions]
    assert found.apply == [sum(result.saving > 0 for result in decision.promotions) for decision in decisions]
    assert len(found.every) == 8 and len(found.whole) == 4 and len(found.by_step) == len(STEPS)


def test_what_goes_the_long_way_is_not_measured():
    shop = Assortments(40, promotions=40, articles=90)
    image = link(shop.programs(40))
    unknown = message_of(Request(0, "EUR", "nowhere", ()))
    with pytest.raises(NotOrdinary):
        Steps(load(image.manifest, image.parts), 0).whole(unknown.SerializeToString())


def test_the_median_and_what_one_of_a_hundred_exceeds():
    assert Spread.of([3, 1, 2]) == (2, 3)
    assert Spread.of(range(1, 201)) == (100.5, 198)


@pytest.mark.parametrize(
    "wrong", [["--promotions", "0"], ["--lines", "5;20"], ["--growth", ""], ["--lines", "60000"], ["--peers", "excel"]]
)
def test_a_wrong_command_line(wrong):
    with pytest.raises(SystemExit) as ended:
        kernel.main(wrong)
    assert ended.value.code == 64


def test_it_empties_no_directory_of_others(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("precious")
    assert kernel.main(["--small", "--data-dir", str(tmp_path)]) == 64
    assert (tmp_path / "thesis.txt").read_text() == "precious"
    assert "holds something else" in capsys.readouterr().err
