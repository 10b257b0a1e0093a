"""Every template, in a new project and in the examples: clean, formatted, and its tests pass."""

from __future__ import annotations

import datetime
from functools import partial
from pathlib import Path

import pytest

from dsl.compiler import check_project
from dsl.coverage import coverage
from dsl.format import format_text
from dsl.report import report
from dsl.scaffold import Host, Made, Unfit, Wanted, new_project, new_promotion, next_monday, path_of, read, templates
from dsl.testing import run
from tests.oracle.decide import decide as oracle
from tests.unit.dsl.frame import framed

EXAMPLES = Path(__file__).parents[3] / "examples"
DAY = datetime.date(2026, 10, 5)
LATER = DAY + datetime.timedelta(days=14)
NAMES = [template.name for template in templates()]


def example(name: str) -> dict[str, bytes]:
    root = EXAMPLES / name
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    if name == "journey":
        files["data/catalogue.csv"] = b"sku\n1\n"
    return files


def fresh(*currencies: str, languages: tuple[str, ...] = ("en",)) -> dict[str, bytes]:
    made = new_project(DAY, currencies=currencies or ("EUR",), timezone="Europe/Zurich", languages=languages)
    return {name: text.encode() for name, text in made.items()}


PROJECTS = {
    "new": fresh(languages=("de", "en", "fr")),
    "currencies": fresh("CHF", "EUR", "JPY", "KWD"),
    "yen": fresh("JPY"),
    "dinar": fresh("KWD"),
    "shop": example("shop"),
    "journey": example("journey"),
    "frame": framed(""),
}
HOSTS = {name: Host(files) for name, files in PROJECTS.items()}


def made(project: str, template: str, **wanted: str) -> Made:
    """A new promotion for the project, formatted."""
    day = LATER if project == "new" else DAY  # the first promotion of a new project is over then
    new = new_promotion(HOSTS[project], read(template), Wanted(f"my-{template}", **wanted), day)
    assert format_text(new.text) == new.text
    return new


def check(new: Made, template: str) -> None:
    """It is clean, and its tests pass and cover its lines."""
    path = path_of(f"my-{template}")
    compilation = new.compilation
    assert compilation.ok and not [found for found in compilation.diagnostics if found.span.file == path]
    results = run(compilation, partial(oracle, compilation.programs), wanted=lambda case: case.span.file == path)
    assert len(results) >= 2
    assert all(result.ok for result in results), report(results)
    found = coverage(compilation.programs, compilation.clauses, results)
    never = {clause.text for clause in found.never if clause.owner == f"my-{template}"}
    assert not {text for text in never if not text.startswith("runs from")}


@pytest.mark.parametrize("template", NAMES)
@pytest.mark.parametrize("project", PROJECTS)
def test_a_template_fits_with_a_set_of_its_own(project, template):
    if project == "journey" and template in ("free-shipping", "coupon", "spend-and-save"):
        with pytest.raises(Unfit, match=r"no group fits; add to the project, and «.*» to its sequence:\n\ngroup"):
            made(project, template)
        return
    new = made(project, template)
    assert any("my-" in what for what in new.fill_in)
    check(new, template)


@pytest.mark.parametrize("template", NAMES)
@pytest.mark.parametrize(
    ("project", "products"),
    [
        ("new", "pasta"),
        ("new", "everything"),
        ("shop", "pasta"),
        ("shop", "organic"),
        ("shop", "bananas"),
        ("frame", "pasta"),
    ],
)
def test_a_template_fits_with_a_set_of_the_project(project, products, template):
    new = made(project, template, products=products)
    assert not [what for what in new.fill_in if what.startswith("products")]
    check(new, template)


def test_who_takes_the_same_articles_is_said():
    new = new_promotion(HOSTS["new"], read("volume-price"), Wanted("six", products="pasta"), DAY)
    assert new.meets == ["pasta-3-for-2"]
    new = new_promotion(HOSTS["new"], read("volume-price"), Wanted("six", products="pasta"), LATER)
    assert new.meets == []
    assert new_promotion(HOSTS["new"], read("volume-price"), Wanted("six"), DAY).meets == []


def test_a_new_project_is_green():
    for files in (PROJECTS["new"], PROJECTS["currencies"], PROJECTS["yen"]):
        compilation = check_project(files)
        assert compilation.ok and not compilation.diagnostics
        results = run(compilation, partial(oracle, compilation.programs))
        assert len(results) == 5
        assert all(result.ok for result in results), report(results)
        assert all(format_text(data.decode()) == data.decode() for data in files.values())


def test_amounts_are_in_every_currency_and_tests_in_the_first():
    text = new_promotion(HOSTS["currencies"], read("amount-off"), Wanted("less"), LATER).text
    assert "get CHF 1.00 or EUR 1.00 or JPY 100 or KWD 1.000 off less-articles each" in text
    assert "buys 2 x less-article for CHF 5.00 each" in text


def test_labels_are_in_every_language_and_fit_the_receipt():
    text = new_promotion(HOSTS["new"], read("coupon"), Wanted("less"), LATER).text
    assert 'label de "Gutschein -10 %"\n  label en "Voucher -10%"\n  label fr "Voucher -10%"' in text
    narrow = {name: data.replace(b"receipt width 38", b"receipt width 12") for name, data in PROJECTS["new"].items()}
    text = new_promotion(Host(narrow), read("coupon"), Wanted("less"), LATER).text
    assert 'label de "Gutschein"' in text


@pytest.mark.parametrize(
    ("template", "wanted", "said"),
    [
        ("3-for-2", {"name": "Big Sale"}, "«Big Sale» is no name: small letters"),
        ("3-for-2", {"name": "free"}, "«free» is no name"),
        ("3-for-2", {"name": "../x"}, "is no name"),
        ("3-for-2", {"name": "pasta-3-for-2"}, "there is a promotion «pasta-3-for-2» already (promotions/pasta"),
        ("3-for-2", {"name": "x", "products": "pastta"}, "there is no product set «pastta», did you mean «pasta»?"),
        ("3-for-2", {"name": "x", "products": "No Name"}, "«No Name» is no name"),
        ("3-for-2", {"name": "x", "group": "item-dealz"}, "there is no group «item-dealz», did you mean «item-deals»?"),
        (
            "spend-and-save",
            {"name": "x", "group": "item-deals"},
            "the template does not fit this project:\n\nerror P3005",
        ),
        ("free-shipping", {"name": "x", "service": "shiping"}, "no service «shiping», did you mean «shipping»?"),
        (
            "employee-discount",
            {"name": "x", "audience": "employes"},
            "no segment «employes», did you mean «employees»?",
        ),
    ],
)
def test_what_does_not_fit_is_said(template, wanted, said):
    with pytest.raises(Unfit) as why:
        new_promotion(HOSTS["new"], read(template), Wanted(**wanted), DAY)
    assert said in str(why.value)


def test_a_template_that_is_none():
    with pytest.raises(Unfit, match="there is no template «3-for-3», did you mean «3-for-2»"):
        read("3-for-3")
    with pytest.raises(Unfit, match=r"there is no template «../x»; `einklang new` lists them"):
        read("../x")


def test_a_project_with_errors_is_left_alone():
    with pytest.raises(Unfit, match="the project has 1 error; `einklang check` shows them"):
        new_promotion(Host({**PROJECTS["new"], "x.promo": b"nonsense\n"}), read("3-for-2"), Wanted("x"), DAY)
    with pytest.raises(Unfit, match="project"):
        new_promotion(Host({}), read("3-for-2"), Wanted("x"), DAY)


def test_a_project_without_groups_gets_them():
    files = {name: data for name, data in PROJECTS["new"].items() if name in ("settings.promo", "products.promo")}
    host = Host(files)
    for template in NAMES:
        new = new_promotion(host, read(template), Wanted("x"), DAY)
        assert "sequence" in new.text
        compilation = new.compilation
        results = run(compilation, partial(oracle, compilation.programs))
        assert results and all(result.ok for result in results), report(results)


def test_a_customer_is_made_up_for_a_segment():
    text = new_promotion(HOSTS["shop"], read("employee-discount"), Wanted("x", audience="loyal"), DAY).text
    assert "for loyal\n" in text
    assert {"given customer.tier is gold", "given customer.kind is consumer"} <= {
        line.strip() for line in text.split("\n")
    }
    text = new_promotion(HOSTS["shop"], read("employee-discount"), Wanted("x", audience="vip"), DAY).text
    assert 'given customer.id is "K-' in text
    text = new_promotion(HOSTS["journey"], read("employee-discount"), Wanted("x"), DAY).text
    assert 'customer.id is one of "x-people-1"' in text


def test_the_page_lists_every_template():
    page = (EXAMPLES.parent / "docs" / "tools.md").read_text(encoding="utf-8")
    assert "".join(f"| `{template.name}` | {template.about} |\n" for template in templates()) in page


def test_a_new_promotion_begins_on_a_monday():
    for day in range(14):
        monday = next_monday(DAY + datetime.timedelta(days=day))
        assert monday.weekday() == 0 and 0 < (monday - DAY).days - day <= 7
