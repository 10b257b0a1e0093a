"""Text → Programs: what each construct becomes, and that only meaning matters."""

from __future__ import annotations

import pathlib
import random
import re

import pytest

from dsl.compiler import compile_project
from dsl.diagnostics import render
from engine import program as p
from engine.program import decode, encode
from tests.unit.dsl.frame import compile_framed, framed

SHOP = pathlib.Path(__file__).parents[3] / "examples" / "shop"


def files_of(root: pathlib.Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def encoded(files: dict[str, bytes]) -> list[bytes]:
    compilation = compile_project(files)
    shown = "\n".join(render(finding, compilation.sources) for finding in compilation.diagnostics)
    assert compilation.ok, shown
    return [encode(program) for program in compilation.programs]


def promotion(*lines: str, group: str = "item-deals") -> p.Promotion:
    """The Program of a promotion with these lines."""
    usual = [
        "runs from 2026-09-01 until 2026-09-30",
        "sold everywhere",
        "for everyone",
        'label en "A"',
        f"group {group}",
    ]
    words = {line.split()[0] for line in lines}
    body = [*lines, *(line for line in usual if line.split()[0] not in words)]
    text = "promotion offer {\n" + "".join(f"  {line}\n" for line in body) + "}\n"
    compilation = compile_framed(text)
    assert compilation.ok, [render(finding, compilation.sources) for finding in compilation.diagnostics]
    return next(made for made in compilation.programs if isinstance(made, p.Promotion) and made.name == "offer")


def conditions(kind: str, *lines: str) -> list[p.Condition]:
    """The conditions of a declaration of this kind."""
    text = f"{kind} asked {{\n" + "".join(f"  {line}\n" for line in lines) + "}\n"
    compilation = compile_framed(text)
    assert compilation.ok, [render(finding, compilation.sources) for finding in compilation.diagnostics]
    (node,) = [made for made in compilation.programs if getattr(made, "name", "") == "asked"]
    assert isinstance(node, p.ProductSet | p.Place | p.Segment)
    return [line.condition for line in node.lines]


def eur(value: int) -> p.Money:
    return (p.Amount(currency="EUR", value=value),)


# ---------- only meaning matters ----------


def test_the_shop_compiles_without_a_finding():
    compilation = compile_project(files_of(SHOP))
    assert compilation.diagnostics == ()
    assert len(compilation.tests) >= 25


def test_programs_are_canonical_and_survive_a_round_trip():
    for program in encoded(files_of(SHOP)):
        assert encode(decode(program)) == program


def test_the_order_of_files_and_declarations_means_nothing():
    files = files_of(SHOP)
    texts = {name: data for name, data in files.items() if name.endswith(".promo")}
    others = {name: data for name, data in files.items() if name not in texts}
    chance = random.Random(1)
    declarations = [piece for data in texts.values() for piece in re.split(r"(?<=\n})\n", data.decode())]
    chance.shuffle(declarations)
    half = len(declarations) // 2
    shuffled = {"z.promo": "\n".join(declarations[:half]), "a.promo": "\n".join(declarations[half:])}
    again = dict(reversed([*others.items(), *((name, text.encode()) for name, text in shuffled.items())]))
    assert encoded(again) == encoded(files)


def test_a_reformat_changes_no_program():
    files = files_of(SHOP)
    loose = dict(files)
    for name, data in files.items():
        if name.endswith(".promo"):
            text = data.decode()
            text = re.sub(r"^( +)(\S)", r"\t \1\2", text, flags=re.MULTILINE)
            text = re.sub(r"(?<=\w) (?=[a-z])(?=[^\"\n]*$)", "   ", text, flags=re.MULTILINE)
            text = re.sub(r"EUR (\d+)\.(\d)0\b(?=[^\"\n]*$)", r"EUR \1.\2", text, flags=re.MULTILINE)
            text = re.sub(r"(\d)%(?=[^\"\n]*$)", r"\1 %", text, flags=re.MULTILINE)
            text = re.sub(r"\n", " # so\n", text)
            loose[name] = text.replace("\n", "\r\n").encode()
    assert loose["promotions/grocery.promo"] != files["promotions/grocery.promo"]
    assert encoded(loose) == encoded(files)


# ---------- clauses ----------


@pytest.mark.parametrize(
    ("line", "start", "until", "zone"),
    [
        ("runs from 1970-01-02", 86_400, None, "Europe/Berlin"),
        ("runs from 1970-01-01 08:30 until 1970-01-01", 30_600, 86_400, "Europe/Berlin"),
        ("runs from 1970-01-01 until 1970-01-02 20:00 in store-time", 0, 86_400 + 72_000, "store-time"),
        ("runs from 1970-01-01 until 1970-01-02 24:00 in Asia/Tokyo", 0, 172_800, "Asia/Tokyo"),
    ],
)
def test_runs(line, start, until, zone):
    made = promotion(line, "get 10% off pasta")
    assert (made.runs.start, made.runs.until, made.runs.zone, made.runs.text) == (start, until, zone, line)


def test_only_on():
    made = promotion("only on Mon to Fri but not Wed between 22:00 and 02:00 or Sat", "get 10% off pasta")
    assert made.only_on is not None
    assert made.only_on.slots == (
        p.Slot(days=0b0011011, start=79_200, until=7_200),
        p.Slot(days=0b0100000, start=0, until=86_400),
    )


def test_channels_places_and_audience():
    made = promotion(
        "sold everywhere but not app",
        "only at any of north, city-stores",
        "for any of gold-members but not employees",
        "get 10% off pasta",
    )
    assert made.channels.names == ("stores", "webshop")
    assert made.places == p.Choice(
        any_of=("city-stores", "north"), but_not=(), text="only at any of north, city-stores"
    )
    assert (made.audience.any_of, made.audience.but_not) == (("gold-members",), ("employees",))


PASTA = p.Target(kind="set", name="pasta")
THEM = p.Target(kind="them")
BASKET = p.Target(kind="basket")


@pytest.mark.parametrize(
    ("lines", "group", "reward"),
    [
        (["get 12.5% off pasta"], "item-deals", p.PercentOff(percent=1250, target=PASTA)),
        (["buy 2 of pasta", "get 10% off them"], "item-deals", p.PercentOff(percent=1000, target=THEM)),
        (["get 10% off pasta together"], "basket-deals", p.PercentOffTogether(percent=1000, target=PASTA)),
        (["get 10% off the basket"], "basket-deals", p.PercentOffTogether(percent=1000, target=BASKET)),
        (["get EUR 1 off pasta each"], "item-deals", p.AmountOffEach(amount=eur(100), target=PASTA)),
        (["get EUR 1.00 off pasta together"], "basket-deals", p.AmountOffTogether(amount=eur(100), target=PASTA)),
        (["get EUR 1.00 off the basket"], "basket-deals", p.AmountOffTogether(amount=eur(100), target=BASKET)),
        (
            ["get EUR 0.005 off per 100 g of pasta"],
            "item-deals",
            p.AmountOffMeasure(amount=eur(5_000), per="g", hundreds=True, target=PASTA),
        ),
        (["get pasta for EUR 0.00 each"], "item-deals", p.FixedPriceEach(price=eur(0), target=PASTA)),
        (
            ["get pasta for EUR 0.99 per kg"],
            "item-deals",
            p.FixedPriceMeasure(price=eur(990_000), per="kg", target=PASTA),
        ),
        (
            ["buy 3 of pasta", "get the cheapest 1 free"],
            "item-deals",
            p.Pick(which="cheapest", count=1, percent=10_000),
        ),
        (
            ["buy 3 of pasta", "get 50% off the dearest 2"],
            "item-deals",
            p.Pick(which="dearest", count=2, percent=5_000),
        ),
        (
            ["buy 3 of pasta", "get EUR 1.00 off every 3rd, 20% off every 2nd"],
            "item-deals",
            p.Ladder(steps=(p.Step(nth=2, percent=2_000), p.Step(nth=3, amount=eur(100)))),
        ),
        (["buy 3 of pasta", "get them together for EUR 5.00"], "item-deals", p.PriceTogether(price=eur(500))),
        (
            ["buy 3 of pasta", "get them together for EUR 5.00, singles too"],
            "item-deals",
            p.PriceTogether(price=eur(500), singles=True),
        ),
        (["get free shipping"], "delivery", p.FreeService(service="shipping")),
        (
            ["get 50% off the fee of shipping"],
            "delivery",
            p.PercentOffFee(percent=5_000, service="shipping"),
        ),
        (
            ["get EUR 2.00 off the fee of shipping"],
            "delivery",
            p.AmountOffFee(amount=eur(200), service="shipping"),
        ),
        (
            ["get the fee of shipping for EUR 1.99"],
            "delivery",
            p.FeePrice(price=eur(199), service="shipping"),
        ),
    ],
)
def test_rewards(lines, group, reward):
    assert promotion(*lines, group=group).reward == reward


@pytest.mark.parametrize(
    ("line", "measure", "scope", "period", "key"),
    [
        ("limit 4 per basket", "uses", "basket", "ever", "basket:ever:uses"),
        (
            "limit 1 basket per customer in any 90 days",
            "baskets",
            "customer",
            "any-90-days",
            "customer:any-90-days:baskets",
        ),
        ("limit 1 per customer in any 1 month", "uses", "customer", "any-1-months", "customer:any-1-months:uses"),
        (
            "limit EUR 60.00 per household each month",
            "saving",
            "household",
            "each-month",
            "household:each-month:saving",
        ),
        ("limit 200 per store each week", "uses", "store", "each-week", "store:each-week:uses"),
        ("limit EUR 25000.00 in total each day", "saving", "total", "each-day", "total:each-day:saving"),
    ],
)
def test_limits(line, measure, scope, period, key):
    (limit,) = promotion(line, "get 10% off pasta").limits
    assert (limit.measure, limit.scope, limit.period, limit.key, limit.text) == (measure, scope, period, key, line)


# ---------- conditions ----------


def test_tiers():
    bulk = promotion(
        "get by quantity of one article of pasta, step by step {",
        "from 2.5 kg get 5% off",
        "from 20 kg get EUR 0.10 off per kg",
        "}",
    )
    target = p.Target(kind="set", name="pasta")
    assert bulk.reward == p.Tiers(
        by="quantity",
        target=target,
        unit="kg",
        one_article=True,
        stepwise=True,
        tiers=(
            p.Tier(quantity=2_500, reward=p.PercentOff(percent=500, target=target), text="from 2.5 kg get 5% off"),
            p.Tier(
                quantity=20_000,
                reward=p.AmountOffMeasure(amount=(p.Amount(currency="EUR", value=100_000),), per="kg", target=target),
                text="from 20 kg get EUR 0.10 off per kg",
            ),
        ),
    )
    spend = promotion(
        "get by spend of the basket before discounts {",
        "from EUR 50.00 get EUR 5.00 off together",
        "}",
        group="basket-deals",
    )
    basket = p.Target(kind="basket")
    assert spend.reward == p.Tiers(
        by="spend",
        target=basket,
        basis="list",
        tiers=(
            p.Tier(
                spend=eur(5_000),
                reward=p.AmountOffTogether(amount=eur(500), target=basket),
                text="from EUR 50.00 get EUR 5.00 off together",
            ),
        ),
    )


def test_variants():
    tried = promotion("variants by household {", "variant ten 90% get 10% off pasta", "control 10%", "}")
    ten = p.PercentOff(percent=1_000, target=p.Target(kind="set", name="pasta"))
    assert isinstance(tried.reward, p.Variants)
    assert tried.reward.by == "household"
    assert tried.reward.arms == (p.Arm(name="ten", share=9_000, reward=ten), p.Arm(share=1_000))
    assert tried.rewards == (ten,)


def test_conditions_on_articles():
    assert conditions(
        "products",
        'item.category is under "Food/"',
        "item.price is between EUR 1.00 and EUR 2.00",
        'item.sku is listed in "lists/vip.csv"',
        'item.brand is not one of "B", "A"',
        "not in pasta",
    ) == [
        p.Under(attribute="item.category", path="Food"),
        p.All(
            of=(
                p.CompareMoney(attribute="item.price", op="ge", value=eur(100)),
                p.CompareMoney(attribute="item.price", op="le", value=eur(200)),
            )
        ),
        p.OneOf(attribute="item.sku", values=("K-1", "K-2")),
        p.OneOf(attribute="item.brand", values=("A", "B"), negated=True),
        p.Member(of="products", name="pasta", negated=True),
    ]


def test_conditions_on_customers():
    assert conditions(
        "segment",
        "customer.tier is not gold",
        "customer.score is at least 4",
        "customer.first-seen is before 1970-01-03",
        "customer.first-seen is less than 2 years ago",
        "customer.churn-risk is less than 12.5%",
        'customer.interests has one of "roses", "herbs"',
        "any of {\n    customer.kind is known\n    in employees\n  }",
        "consent to profiling",
    ) == [
        p.Compare(attribute="customer.tier", op="ne", value="gold"),
        p.Compare(attribute="customer.score", op="ge", value=4_000_000),
        p.Compare(attribute="customer.first-seen", op="lt", value=2),
        p.Age(attribute="customer.first-seen", op="less", count=2, unit="year"),
        p.Compare(attribute="customer.churn-risk", op="lt", value=1250),
        p.Has(attribute="customer.interests", values=("herbs", "roses")),
        p.Any_(of=(p.Known(attribute="customer.kind", known=True), p.Member(of="segment", name="employees"))),
        p.Consent(name="profiling"),
    ]


def test_conditions_on_baskets():
    made = promotion(
        "when basket is worth between EUR 5.00 and EUR 9.00 of pasta after discounts",
        "when basket has exactly 4 of pasta",
        "when basket has at least 3 of one article of pasta",
        "when basket has no tobacco",
        "when basket has at most 2.5 kg of pasta",
        "when basket.lines is more than 2",
        "when payment is one of cash, card",
        "when delivery is not shipping",
        "when delivery.country is DE",
        "when in gold-members",
        'when any of { # so\n    store.region is "North"\n    basket is worth at least EUR 50 before discounts\n  }',
        "get 10% off pasta",
    )
    assert [line.condition for line in made.when] == [
        p.Worth(low=eur(500), high=eur(900), of="pasta", basis="current"),
        p.Count(low=4, high=4, of="pasta"),
        p.Count(low=3, of="pasta", one_article=True),
        p.Count(high=0, of="tobacco"),
        p.Measured(high=2_500, unit="kg", of="pasta"),
        p.Compare(attribute="basket.lines", op="gt", value=2_000_000),
        p.OneOf(attribute="payment", values=("card", "cash")),
        p.Compare(attribute="delivery", op="ne", value="shipping"),
        p.Compare(attribute="delivery.country", op="eq", value="DE"),
        p.Member(of="segment", name="gold-members"),
        p.Any_(
            of=(
                p.Compare(attribute="store.region", op="eq", value="North"),
                p.Worth(low=eur(5_000), of=None, basis="list"),
            )
        ),
    ]
    assert made.when[-1].text == (
        'when any of { store.region is "North"; basket is worth at least EUR 50.00 before discounts }'
    )


def test_codes_are_normalised_and_unique():
    compilation = compile_framed(
        'codes more {\n  code " spring-1 "\n  code "SPRING-1"\n  code "Ä"\n  each code 3 times\n}\n'
    )
    (made,) = [program for program in compilation.programs if isinstance(program, p.CodeSet) and program.name == "more"]
    assert (made.codes, made.uses) == (("SPRING-1", "Ä"), 3)


def test_money_without_decimals_and_in_two_currencies():
    settings = "settings {\n  currency EUR, JPY\n  timezone Europe/Berlin\n}\n\n"
    text = settings + "products cheap {\n  item.price is at most JPY 500 or EUR 3.00\n}\n"
    compilation = compile_framed(text)
    assert compilation.ok
    (made,) = [program for program in compilation.programs if getattr(program, "name", "") == "cheap"]
    assert isinstance(made, p.ProductSet) and isinstance(made.lines[0].condition, p.CompareMoney)
    amounts = (p.Amount(currency="EUR", value=300), p.Amount(currency="JPY", value=500))
    assert made.lines[0].condition.value == amounts
    refused = compile_framed(text.replace("JPY 500", "JPY 5.50"))
    assert [finding.code for finding in refused.diagnostics] == ["P2005"]


# ---------- findings ----------


def test_an_unknown_name_is_reported_once():
    example = "".join(f"segment s{number} {{\n  in gold-member\n}}\n\n" for number in range(4))
    (finding,) = compile_framed(example).diagnostics
    assert finding.span.line == 2
    assert finding.mark.startswith("did you mean «gold-members»? (frame.promo:")
    assert finding.help == "Reported once; 3 more lines use it."


def test_all_are_everyone():
    text = "promotion offer {\n  runs from 2026-09-01\n  sold everywhere\n  for all\n  get 10% off pasta\n"
    (finding,) = compile_framed(text + '  group item-deals\n  label en "A"\n}\n').diagnostics
    assert finding.mark == "did you mean «everyone»?" and finding.fix is not None and finding.fix.text == "everyone"


def test_warnings_alone_do_not_stop_a_project():
    compilation = compile_framed("segment s {\n  customer.birthday is before 2000-01-01\n}\n")
    assert [finding.severity for finding in compilation.diagnostics] == ["warning"]
    assert compilation.ok and compilation.programs


def test_findings_are_sorted_by_file_and_line():
    files = framed("segment b {\n  in nobody\n}\n\nsegment c {\n  in noone\n}\n") | {
        "a.promo": b"segment x {\n  in none-such\n}\n"
    }
    spans = [finding.span for finding in compile_project(files).diagnostics]
    assert spans == sorted(spans) and len(spans) == 3


def test_a_project_of_nothing():
    assert [finding.code for finding in compile_project({}).diagnostics] == ["P3016"]
