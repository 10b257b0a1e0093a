"""What the ordinary request asks of a ruleset, in flat arrays that engine/quick.py reads: made once, as it is opened.

What does not hang on the request is resolved here, by engine/resolve.py itself: what each store says, what is taken of
a customer whose facts are not sent. Only what every request says anew is left: articles, prices, facts of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.basket import Customer, Request
from engine.calendar import UNITS
from engine.image import Ruleset, Slot
from engine.index import flat, indexed
from engine.kernel import Buffer, Bytes, Ints
from engine.layout import NOWHERE, REGION_UNKNOWN, pack
from engine.money import ROUNDINGS, micros_per_minor
from engine.price_lists import no_promises
from engine.program import Age, Anniversary, Consent, Type
from engine.resolve import RequestFacts, base_points, transitions
from engine.write import REGION

Blob = npt.NDArray[np.uint8]
Said = dict[str, object]  # fields of a Request

STORE_FACTS_MAX = 4_000_000  # stores x currencies x facts

SCALARS: tuple[tuple[str, str], ...] = (
    ("shy", "1: no request is resolved quickly, for something hangs on more than is written here"),
    ("zone", "of the settings"),
    ("rounding", "position in money.ROUNDINGS"),
    ("fine", "parts of a minor unit that savings of pieces are compared in"),
    ("tax_inside", "1: prices and fees include the tax"),
    ("gives_points", "1: a purchase may earn points"),
)
KNOWN_SHY, KNOWN_ZONE, KNOWN_ROUNDING, KNOWN_FINE, KNOWN_TAX_INSIDE, KNOWN_GIVES_POINTS = range(len(SCALARS))

CURRENCY_MICROS, CURRENCY_POINTS, CURRENCY_POINTS_PER = range(3)  # columns of currencies
STORE_ZONE, STORE_REGION = range(2)  # of stores
STORE_COLUMNS = 2

# Where a fact comes from.
FOR_ALL = 0  # it is what is held of it
FOR_STORE = 1  # the store's
FOR_LINES = 2  # how many different articles there are
FOR_PAYMENT, FOR_DELIVERY, FOR_STORE_ID, FOR_CUSTOMER_ID = 3, 4, 5, 6
FOR_CONSENT = 7
FOR_CUSTOMER = 8  # an attribute that is sent, else what is held of it
FACT_FOR, FACT_NAME, FACT_TYPE, FACT_COUNT, FACT_UNIT = range(5)  # columns of facts
FACT_COLUMNS = 5
TYPE_OTHER, TYPE_TEXT, TYPE_NUMBER, TYPE_YES_NO, TYPE_PERCENT, TYPE_DATE = range(6)  # the first is not read quickly
TYPE_OLDER, TYPE_YOUNGER = 6, 7  # the truth: a date lies more (less) than so many units ago
NOBODY, SOMEBODY = 0, 1  # of what is held: the request names no customer, or one

KNOWN: tuple[tuple[str, int, str], ...] = (
    ("scalars", 1, "see SCALARS"),
    ("currency_names", 1, "index of the currencies, whose blob is in `blob`, as those that follow"),
    ("channels", 1, "index"),
    ("services", 1, "index"),
    ("payments", 1, "index"),
    ("stores", 1, "index"),
    ("names", 1, "index of the attributes of a customer"),
    ("consents", 1, "index"),
    ("types", 1, "of the attributes of a customer: TYPE_…"),
    ("blobs", 1, "where the blob of each of these begins, and the end"),
    ("currencies", 3, "rows (micros in a minor unit, points, minor units that they are for)"),
    ("store_rows", 2, "rows (zone, region), by store; the last is no store"),
    ("store_facts", 0, "by store (the last: none), currency and fact: rows (value, known)"),
    ("facts", 5, "rows (FOR_…, name, TYPE_…, how many, units as in calendar.UNITS)"),
    ("held", 0, "by NOBODY or SOMEBODY, currency and fact: rows (value, known)"),
    ("prices", 0, "by article and currency: micros; -1 = none"),
    ("rates", 1, "by article: of the tax, basis points"),
    ("subjects", 1, "by promotion with variants: whose draw it is, as instructions.Subject numbers it"),
    ("promises", 4, "as layout.QUESTION has them where there are no price lists"),
    ("transitions", 2, "of the settings' zone, as layout.RULES has them"),
    ("cash_steps", 1, "by currency: what is paid in cash is a multiple of it, minor units"),
)
(
    K_SCALARS,
    K_CURRENCY_NAMES,
    K_CHANNELS,
    K_SERVICES,
    K_PAYMENTS,
    K_STORES,
    K_NAMES,
    K_CONSENTS,
    K_TYPES,
    K_BLOBS,
    K_CURRENCIES,
    K_STORE_ROWS,
    K_STORE_FACTS,
    K_FACTS,
    K_HELD,
    K_PRICES,
    K_RATES,
    K_SUBJECTS,
    K_PROMISES,
    K_TRANSITIONS,
    K_CASH_STEPS,
) = range(len(KNOWN))
(
    BLOB_CURRENCIES,
    BLOB_CHANNELS,
    BLOB_SERVICES,
    BLOB_PAYMENTS,
    BLOB_STORES,
    BLOB_NAMES,
    BLOB_CONSENTS,
) = range(7)


class Known(NamedTuple):
    """All of it: `flat` has the fields above, the rest is the image's own."""

    flat: Buffer
    blob: Bytes
    articles: Buffer  # index
    article_blob: Bytes
    symbols: Buffer  # index
    symbol_blob: Bytes
    posting_begin: Buffer
    posting: Buffer
    marks: Buffer


def known(ruleset: Ruleset) -> Known:
    """What is known of a ruleset."""
    schema, settings = ruleset.schema, ruleset.settings
    of_customers = [attribute for attribute in schema.attributes if attribute.entity == "customer"]
    names = tuple(attribute.name for attribute in of_customers)
    texts: tuple[Sequence[str], ...] = (
        settings.currencies,
        schema.channels,
        schema.services,
        schema.payments,
        tuple(ruleset.stores.index),
        names,
        schema.consents,
    )
    indexes, blobs = zip(*(_index(some) for some in texts), strict=True)
    steps = {amount.currency: amount.value for amount in reversed(settings.cash_rounding)}
    held = _Held(ruleset, names, schema.consents)
    arrays = dict(
        zip(
            ("currency_names", "channels", "services", "payments", "stores", "names", "consents"), indexes, strict=True
        ),
        types=np.array([_TYPES.get(attribute.type, TYPE_OTHER) for attribute in of_customers], np.int64),
        blobs=np.cumsum([0, *map(len, blobs)]),
        currencies=np.array([(micros_per_minor(c), *base_points(settings, c)) for c in settings.currencies], np.int64),
        store_rows=held.store_rows(),
        store_facts=held.store_facts(),
        facts=held.facts(),
        held=held.of_customers(),
        prices=_prices(ruleset),
        rates=_rates(ruleset),
        subjects=ruleset.rules.terms_of[np.flatnonzero(ruleset.rules.arm >= 0)],
        promises=no_promises(ruleset)["promises"],
        transitions=transitions(ruleset, ruleset.settings_zone),
        cash_steps=np.array([steps.get(c, 1) for c in settings.currencies], np.int64),
    )
    shy = bool(ruleset.dynamic_sets or ruleset.floors or ruleset.price_lists)
    shy = shy or not schema.channels or held.shy
    zone, rounding = ruleset.settings_zone, ROUNDINGS.index(settings.rounding)
    arrays["scalars"] = np.array(
        [shy, zone, rounding, ruleset.fine, settings.prices_include_tax, ruleset.gives_points], np.int64
    )
    whole = pack(KNOWN, arrays)
    whole.flags.writeable = False
    return Known(
        whole,
        _frozen(np.concatenate(blobs)),
        ruleset.articles.index.index,
        ruleset.articles.index.texts.blob,
        ruleset.symbols.index,
        ruleset.symbols.texts.blob,
        ruleset.posting_begin,
        ruleset.posting,
        ruleset.marks,
    )


def _frozen(blob: Blob) -> Blob:
    blob.flags.writeable = False
    return blob


def _index(texts: Sequence[str]) -> tuple[Ints, Blob]:
    begin, blob = flat(texts)
    return indexed(begin, blob), blob


_TYPES = {
    Type.TEXT: TYPE_TEXT,
    Type.NUMBER: TYPE_NUMBER,
    Type.YES_NO: TYPE_YES_NO,
    Type.PERCENT: TYPE_PERCENT,
    Type.DATE: TYPE_DATE,
}


def _prices(ruleset: Ruleset) -> Ints:
    """By article and currency."""
    found = np.full((len(ruleset.articles.index), len(ruleset.currencies)), -1, np.int64)
    for i, currency in enumerate(ruleset.currencies):
        values = ruleset.catalogue.columns.get(("price", currency))
        if values is not None:
            found[:, i] = np.where(values.known, values.numbers, -1)
    return found


def _rates(ruleset: Ruleset) -> Ints:
    """By article; 0 where none is known."""
    values = ruleset.catalogue.columns.get(("tax-rate", ""))
    if values is None:
        return np.zeros(len(ruleset.articles.index), np.int64)
    return np.where(values.known, values.numbers, 0)


class _Held:
    """What is held of each fact before the request says anything of it."""

    def __init__(self, ruleset: Ruleset, names: Sequence[str], consents: Sequence[str]) -> None:
        self.ruleset = ruleset
        self.names = names
        self.consents = consents
        self.shy = False

    def facts(self) -> Ints:
        """Where each comes from."""
        return np.array([self._fact(slot) for slot in self.ruleset.slots], np.int64).reshape(-1, FACT_COLUMNS)

    def _fact(self, slot: Slot) -> tuple[int, int, int, int, int]:
        if isinstance(slot.condition, Consent):
            declared = slot.condition.name in self.consents
            self.shy = self.shy or not declared
            return FOR_CONSENT, self.consents.index(slot.condition.name) if declared else -1, TYPE_OTHER, 0, 0
        plain = {
            "payment": FOR_PAYMENT,
            "delivery": FOR_DELIVERY,
            "store.id": FOR_STORE_ID,
            "customer.id": FOR_CUSTOMER_ID,
            "basket.lines": FOR_LINES,
        }.get(slot.attribute)
        if plain is not None:
            if slot.condition is not None:  # it would have to be judged for each request
                self.shy = True
            return plain, -1, TYPE_OTHER, 0, 0
        if slot.attribute.startswith("store."):
            return FOR_STORE, -1, TYPE_OTHER, 0, 0
        if not slot.attribute.startswith("customer."):
            return FOR_ALL, -1, TYPE_OTHER, 0, 0
        known_as = _TYPES.get(self.ruleset.attributes[slot.attribute].type, TYPE_OTHER)
        name = self.names.index(slot.attribute.removeprefix("customer."))
        if isinstance(slot.condition, Age):
            kind = TYPE_OLDER if slot.condition.op == "more" else TYPE_YOUNGER
            return FOR_CUSTOMER, name, kind, slot.condition.count, UNITS.index(slot.condition.unit)
        return FOR_CUSTOMER, name, TYPE_OTHER if slot.condition is not None else known_as, 0, 0

    def of_customers(self) -> Ints:
        """By customer (none, one), currency and fact."""
        return self._rows([{}, {"customer": Customer(id="-")}])

    def store_facts(self) -> Ints:
        """By store (the last: none), currency and fact."""
        stores: list[Said] = [*(Said(store=store) for store in self.ruleset.stores.index), Said()]
        if len(stores) * len(self.ruleset.currencies) * len(self.ruleset.slots) > STORE_FACTS_MAX:
            self.shy = True
            return np.zeros(0, np.int64)
        if not any(slot.attribute.startswith("store.") for slot in self.ruleset.slots):
            return np.zeros((len(stores), len(self.ruleset.currencies), len(self.ruleset.slots), 2), np.int64)
        return self._rows(stores)

    def store_rows(self) -> Ints:
        """Zone and region of each store; the last is no store."""
        ruleset = self.ruleset
        rows = []
        for store, zone in [*zip(ruleset.stores.index, ruleset.store_zones.tolist(), strict=True), ("", -1)]:
            region = self._asked({"store": store} if store else {}, ruleset.currencies[0])
            said = region.value(REGION) if REGION in ruleset.attributes else None
            symbol = ruleset.symbols.get(said, NOWHERE) if isinstance(said, str) else REGION_UNKNOWN
            rows.append((zone if store else ruleset.settings_zone, symbol))
        return np.array(rows, np.int64)

    def _asked(self, said: Said, currency: str) -> RequestFacts:
        return RequestFacts(self.ruleset, Request(0, currency, "", (), **said), 0)  # type: ignore[arg-type]

    def _rows(self, requests: Sequence[Said]) -> Ints:
        rows = [
            row
            for said in requests
            for currency in self.ruleset.currencies
            for row in self._of(self._asked(said, currency))
        ]
        count = len(self.ruleset.slots)
        return np.array(rows, np.int64).reshape(len(requests), len(self.ruleset.currencies), count, 2)

    def _of(self, facts: RequestFacts) -> Iterator[tuple[int, int]]:
        """Every fact: value, and whether it is known."""
        for slot in self.ruleset.slots:
            fact = facts.value(slot.attribute) if slot.condition is None else facts.truth(slot)
            if fact is not None and isinstance(slot.condition, Age | Anniversary):
                self.shy = True  # it hangs on the day
            if fact is None:
                yield 0, 0
            elif isinstance(fact, tuple):
                yield 0, 1
            else:
                yield (self.ruleset.symbols.get(fact, -1) if isinstance(fact, str) else int(fact)), 1
