"""From bytes to bytes in compiled code: the same bytes as at length, texts with and without values in them."""

from __future__ import annotations

from typing import Any

import pytest

from einklang.v1 import decision_pb2 as pb
from engine.direct import ANSWERED, ELSEWHERE, Direct
from engine.image import Ruleset, load
from engine.link import link
from engine.program import (
    Amount,
    BasePoints,
    Buy,
    FixedPoints,
    FreeService,
    Gift,
    Group,
    Limit,
    Line,
    Need,
    PercentOff,
    Program,
    Promotion,
    Settings,
    Share,
    Sign,
    Target,
    Text,
    TimesPoints,
    Worth,
    Writing,
)
from tests.direct import block, difference
from tests.quick import AT_US
from tests.unit.engine.test_quick import ORDINARY, asked, programs, promotion

FUNDED = (
    Share(party="supplier", name="Zoo", basis_points=3_333),
    Share(party="us", basis_points=3_334),
    Share(party="supplier", name="Ärger", basis_points=3_333),
)
GERMAN = Writing(
    language="de", decimal=",", group=".", sizes=(3, 3), signs=(Sign(currency="EUR", before="", after=" €"),)
)


def euros(value: int) -> tuple[Amount, ...]:
    return (Amount(currency="EUR", value=value),)


def texts(**by_language: str) -> tuple[Text, ...]:
    return tuple(Text(language=language, text=text) for language, text in sorted(by_language.items()))


def changed(name: str, **fields: Any) -> Promotion:
    return promotion(name).model_copy(update=fields)


def ruled(*promotions: Promotion, **settings: Any) -> Ruleset:
    """test_quick's shop, with other promotions."""
    kept: list[Program] = [p for p in programs() if not isinstance(p, Promotion | Settings)]
    said = {"currencies": ("EUR", "CHF"), "timezone": "UTC", "writings": (GERMAN,)} | settings
    benefits = Group(name="b", title="", gives="benefits", apply="all", prices="reduced", order=(), position=1)
    image = link((Settings(**said), *kept, benefits, *promotions))
    return load(image.manifest, image.parts)


def shop(*promotions: Promotion, **settings: Any) -> tuple[Ruleset, Direct]:
    """Its ruleset, and what answers by it."""
    rules = ruled(*promotions, **settings)
    return rules, Direct(rules)


def drinks(count: int) -> Buy:
    return Buy(needs=(Need(of="drinks", count=count),), text=f"{count} of drinks")


PROMOTIONS = (
    changed("percent", labels=texts(de="10 % gespart", en="10 % off"), funded=FUNDED),
    changed("saved", labels=texts(de="{saved} gespart", en="you save {saved}"), group="g"),
    changed(
        "two",
        buy=drinks(2),
        reward=PercentOff(percent=2_500, target=Target(kind="them")),
        labels=texts(en="{saved}"),
        hints=texts(de="noch {missing}", en="{missing} more", fr="encore"),
        limits=(
            Limit(measure="uses", count=1, scope="basket", period="ever", key="basket:ever:uses", text="once a basket"),
            Limit(
                measure="saving",
                saving=euros(5),
                scope="total",
                period="ever",
                key="total:ever:saving",
                text="at most EUR 0.05",
            ),
        ),
    ),
    changed(
        "five", buy=drinks(5), reward=PercentOff(percent=5_000, target=Target(kind="them")), hints=texts(en="add some")
    ),
    changed(
        "worth",
        when=(
            Line(condition=Worth(low=euros(1)), text="basket is worth EUR 0.01"),
            Line(condition=Worth(low=euros(99_999_999)), text="é" * 700),
        ),
        hints=texts(de="für {missing} mehr"),
    ),
    changed(
        "budget",
        buy=drinks(1),
        reward=PercentOff(percent=9_000, target=Target(kind="them")),
        limits=(
            Limit(
                measure="saving",
                saving=euros(10),
                scope="total",
                period="ever",
                key="total:ever:saving",
                text="at most EUR 0.10",
            ),
        ),
    ),
    changed("free", group="b", reward=FreeService(service="shipping"), labels=texts(de="{saved} Versand gespart")),
    changed("later", group="b", reward=FreeService(service="pick-up")),
)


@pytest.fixture(scope="module")
def spoken() -> tuple[Ruleset, Direct]:
    return shop(*PROMOTIONS)


@pytest.mark.parametrize("name", ORDINARY)
def test_what_is_ordinary_is_answered_with_the_same_bytes(spoken: tuple[Ruleset, Direct], name: str) -> None:
    for turn in range(2):  # texts are told, and then there
        assert difference(*spoken, ORDINARY[name].SerializeToString()) == ("answered", ""), turn


def test_texts_say_what_they_say_at_length(spoken: tuple[Ruleset, Direct]) -> None:
    rules, direct = spoken
    seen = set()
    for beers in (1, 2, 3, 7):
        data = asked(
            lines=[pb.Line(id="1", article="beer", quantity=beers), pb.Line(id="2", article="apple", quantity=1)],
            fees=[pb.Fee(service="shipping", amount_minor=495), pb.Fee(service="pick-up", amount_minor=0)],
        ).SerializeToString()
        assert difference(rules, direct, data) == ("answered", "")
        answer = direct.decide(data, AT_US)
        assert answer is not None
        for result in pb.Decision.FromString(answer.decision).promotions:
            seen |= {text.text for text in (*result.labels, *result.hints)} | {result.failing_clause}
    assert {"encore", "add some", "at most EUR 0.10", "4,95 € Versand gespart"} <= seen
    assert "é" * 512 in seen, "a clause is cut at 1,024 bytes"


def test_more_texts_than_are_kept_are_told_again(
    spoken: tuple[Ruleset, Direct], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.told.FILLED_BYTES", 200)
    direct = Direct(spoken[0])
    for price in [*range(1_000, 1_040), *range(1_000, 1_040)]:
        line = pb.Line(id="1", article="beer", quantity=2, unit_price_minor=price)
        assert difference(spoken[0], direct, asked(lines=[line]).SerializeToString()) == ("answered", "")


def test_points_are_earned_alike() -> None:
    base = BasePoints(points=2, per=euros(100))
    rules, direct = shop(
        changed("percent"),
        changed("times", group="b", reward=TimesPoints(factor=550, target=Target(kind="set", name="drinks"))),
        changed("fixed", group="b", reward=FixedPoints(points=7), labels=texts(en="{points} points, {saved}")),
        points=base,
    )
    for name, message in ORDINARY.items():
        assert difference(rules, direct, message.SerializeToString()) == ("answered", ""), name
    answer = direct.decide(ORDINARY["a till"].SerializeToString(), AT_US)
    assert answer is not None and pb.Decision.FromString(answer.decision).points.earned > 7


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("rounding", ["half-up", "half-even", "down", "up"])
def test_taxes_and_cash_are_alike(inside: bool, rounding: str) -> None:
    steps = (Amount(currency="CHF", value=5), Amount(currency="EUR", value=10))
    rules, direct = shop(*PROMOTIONS, prices_include_tax=inside, rounding=rounding, cash_rounding=steps)
    for name, message in ORDINARY.items():
        assert difference(rules, direct, message.SerializeToString()) == ("answered", ""), name


def test_many_units_of_one_line_are_told_in_runs(spoken: tuple[Ruleset, Direct]) -> None:
    lines = [pb.Line(id=str(n), article=("beer", "apple")[n % 2], quantity=1 + n * 37 % 11) for n in range(200)]
    assert difference(*spoken, asked(lines=lines).SerializeToString()) == ("answered", "")


def test_what_it_is_to_be_decided_by(spoken: tuple[Ruleset, Direct]) -> None:
    direct = spoken[1]
    assert direct.ask(asked().SerializeToString(), AT_US) == ANSWERED
    ways: list[tuple[dict[str, Any], tuple[bytes, bytes, int]]] = [
        ({"tenant": "öurs"}, ("öurs".encode(), b"", 0)),
        ({"as_of_us": 5}, (b"", b"", 5)),
        ({"ruleset_digest": "0" * 64}, (b"", b"0" * 64, 0)),
    ]
    for named, asks in ways:
        data = asked(**named).SerializeToString()
        assert direct.ask(data, AT_US) == ELSEWHERE
        assert direct.asks(data) == asks
        assert direct.decide(data, AT_US) == direct.decide(asked().SerializeToString(), AT_US)
    assert direct.decide(b"\xff", AT_US) is None
    assert direct.decide(asked(codes=["A"]).SerializeToString(), AT_US) is None


def test_gifts_and_next_codes_are_left_to_others() -> None:
    gift = changed("gift", group="b", reward=Gift(count=1, of="drinks"))
    rules, direct = shop(changed("percent"), gift)
    assert difference(rules, direct, asked().SerializeToString()) == ("not filled: a gift or a next code", "")


def test_generated_requests_are_answered_alike() -> None:
    counts, wrong = block(0, 600)
    assert not wrong, "\n".join(wrong)
    assert counts["answered"] >= 40, counts


@pytest.mark.long
def test_generated_requests_are_answered_alike_at_length() -> None:
    counts, wrong = block(0, 20_000)
    assert not wrong, "\n".join(wrong)
    assert counts["answered"] >= 1_500, counts
