"""What answers say of a ruleset in words: names, clauses, labels, hints; put together when they are first asked for.

Compiled code (engine/fill.py) finds texts in two blobs: what a ruleset says whatever the basket, which stays, and texts
with an amount or a number in them, which are kept as long as there is room. What it does not find it writes down;
`Told.tell` puts it together, as engine/texts.py has it, and the code is asked once more. So a text is put together once
for many answers, and by the same words as everywhere else.

One thread at a time uses a Told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.blocks import Said
from engine.decision import Missing
from engine.image import Ruleset
from engine.instructions import UNITS
from engine.kernel import Buffer, Bytes, bare
from engine.program import Writing
from engine.texts import PLAIN, cut, filled

MISSING_KINDS = ("", "pieces", "amount", "measure", "articles")  # as match.MISSING_… numbers them
PARTIES = ("", "us", "supplier", "partner")  # as the contract's FundingParty numbers them
LABELS_FIELD, HINTS_FIELD, LANGUAGE_FIELD, TEXT_FIELD = 5, 11, 1, 2  # of PromotionResult; of Text

# What is known of a promotion, from its place in `cells` on; a text is where it begins and its length.
NAME, LABELS, LABELS_HOLD, HINTS, HINTS_HOLD, USAGE_GIVEN, FUNDED, FUNDED_BEGIN, CLAUSES, WHEN_BEGIN, LIMITS_BEGIN = (
    0,
    2,
    4,
    5,
    7,
    8,
    9,
    10,
    11,
    31,
    32,
)
PROMOTION_CELLS = 33
CLAUSE_NAMES = ("", "runs", "only_on", "sold", "places", "audience", "code", "get", "reasons")  # by match.CLAUSE_…
FUNDED_PARTY, FUNDED_NAME, FUNDED_POINTS, FUNDED_PLACE = 0, 1, 3, 4  # of who pays: place in the order of answers
FUNDED_CELLS = 5
TITLE = 2  # of a product set, behind its NAME
HOLDS_SAVED, HOLDS_POINTS = 1, 2  # bits: the labels have these placeholders

# What is wanted: rows (WANT_…, promotion or product set, the value, what else it hangs on).
WANT_PROMOTION, WANT_SET, WANT_LABELS, WANT_HINTS = range(4)
WANT_CELLS = 4
WANTED_MAX = 8_192

BLOB_FIRST, CELLS_FIRST = 65_536, 16_384  # they grow
FILLED_BYTES = 1 << 20
SLOTS = 1 << 15  # of texts with values in them; a half of them is used
SLOT_CELLS = 5  # WANT_… and promotion as one number + 1, value, what else; begin, length
LOW = (1 << 30) - 1
CURRENCY_BITS, UNIT_BITS = 8, 8  # of what else it hangs on: currency, then unit and kind, or points


class Words(NamedTuple):
    """The texts that there are, for compiled code."""

    blob: Bytes
    filled: Bytes  # with values in them
    cells: Buffer
    promotions: Buffer  # by promotion: its place in cells; 0 = to be asked for
    sets: Buffer  # by product set, likewise
    fixed: Buffer  # the ruleset's digest, its currencies, its services: where each begins, its length
    services: Buffer  # of the schema, in the order of the bytes of their names
    slots: Buffer  # where texts with values are


@bare
def slot_of(slots: Buffer, what: int, value: int, other: int) -> int:
    """Where a text with values stands, or would stand."""
    mixed = (what & LOW) * 0x9E3779B + (value & LOW) * 0x85EBCA7 + (other & LOW) * 0xC2B2AE3  # far below 2**63
    at = (mixed ^ mixed >> 17 ^ mixed >> 34) & (SLOTS - 1)
    while slots[at * SLOT_CELLS] and not (
        slots[at * SLOT_CELLS] == what and slots[at * SLOT_CELLS + 1] == value and slots[at * SLOT_CELLS + 2] == other
    ):
        at = (at + 1) & (SLOTS - 1)
    return at * SLOT_CELLS


class Told:
    """The texts of one ruleset, as far as they were asked for."""

    def __init__(self, ruleset: Ruleset) -> None:
        self._ruleset = ruleset
        self._blob, self._used = np.zeros(BLOB_FIRST, np.uint8), 0
        self._cells, self._cells_used = np.zeros(CELLS_FIRST, np.int64), PROMOTION_CELLS  # at 0: a promotion of nothing
        self._promotions = np.zeros(len(ruleset.promotions), np.int64)
        self._sets = np.zeros(len(ruleset.set_names), np.int64)
        self._filled, self._filled_used = np.zeros(FILLED_BYTES, np.uint8), 0
        self._slots, self._slots_used = np.zeros(SLOTS * SLOT_CELLS, np.int64), 0
        texts = (ruleset.digest, *ruleset.currencies, *ruleset.schema.services)
        self._fixed = np.array([self._text(text) for text in texts], np.int64).ravel()
        services = ruleset.schema.services
        by_bytes = sorted(range(len(services)), key=lambda i: services[i].encode())
        self._services = np.array(by_bytes, np.int64)
        self.words = self._words()

    def _words(self) -> Words:
        arrays = (self._blob, self._filled, self._cells, self._promotions, self._sets, self._fixed, self._services)
        return Words(*(_read_only(array) for array in (*arrays, self._slots)))

    def tell(self, wanted: Iterable[Sequence[int]]) -> None:
        """Put together what was wanted, once each: `words` has it from now on."""
        for what, of, value, other in sorted({(row[0], row[1], row[2], row[3]) for row in wanted}):
            if what == WANT_PROMOTION:
                if not self._promotions[of]:
                    self._promotions[of] = self._promotion(self._ruleset.promotions.said(of))
            elif what == WANT_SET:
                if not self._sets[of]:
                    name = self._ruleset.set_names[of]
                    title = self._ruleset.product_titles.get(name, "")
                    self._sets[of] = self._row([*self._text(name), *self._text(title)])
            else:
                self._with_values(what, of, value, other)
        self.words = self._words()

    # ------------------------------------------------------------------------------------------------ what stays

    def _promotion(self, said: Said) -> int:
        """What is said of a promotion, into the cells: where."""
        info = said.info
        row = [0] * PROMOTION_CELLS
        row[NAME : NAME + 2] = self._text(info.name)
        texts = "".join(text for _, text in info.labels)
        row[LABELS_HOLD] = HOLDS_SAVED * ("{saved}" in texts) + HOLDS_POINTS * ("{points}" in texts)
        row[HINTS_HOLD] = int("{missing}" in "".join(text for _, text in info.hints))
        if not row[LABELS_HOLD]:
            row[LABELS : LABELS + 2] = self._put(ready(LABELS_FIELD, info.labels))
        if not row[HINTS_HOLD]:
            row[HINTS : HINTS + 2] = self._put(ready(HINTS_FIELD, info.hints))
        row[USAGE_GIVEN] = int(info.usage_as_given)
        funded = [(PARTIES.index(party), name, points) for party, name, points in info.funded]
        order = sorted(range(len(funded)), key=lambda i: (funded[i][0], funded[i][1].encode()))
        row[FUNDED] = len(order)
        row[FUNDED_BEGIN] = self._row(
            [
                cell
                for i, (party, name, points) in enumerate(funded)
                for cell in (party, *self._text(name), points, order.index(i))
            ]
        )
        for number, name in enumerate(CLAUSE_NAMES):
            place = CLAUSES + 2 * number
            row[place : place + 2] = self._text(cut(str(said.clauses.get(name, "")))) if name else (0, 0)
        row[WHEN_BEGIN] = self._clauses(said.clauses.get("when", ()))
        row[LIMITS_BEGIN] = self._clauses(said.clauses.get("limits", ()))
        return self._row(row)

    def _clauses(self, texts: Iterable[object]) -> int:
        return self._row([cell for text in texts for cell in self._text(cut(str(text)))])

    def _row(self, row: Sequence[int]) -> int:
        """Some cells behind those that there are: where they begin."""
        begin = self._cells_used
        self._cells_used += len(row)
        if self._cells_used > len(self._cells):
            more = max(self._cells_used, 2 * len(self._cells)) - len(self._cells)
            self._cells = np.concatenate((self._cells, np.zeros(more, np.int64)))
        self._cells[begin : self._cells_used] = row
        return begin

    def _text(self, text: str) -> tuple[int, int]:
        return self._put(text.encode())

    def _put(self, data: bytes) -> tuple[int, int]:
        """Bytes that stay: where they begin, their length."""
        begin = self._used
        self._used += len(data)
        if self._used > len(self._blob):
            more = max(self._used, 2 * len(self._blob)) - len(self._blob)
            self._blob = np.concatenate((self._blob, np.zeros(more, np.uint8)))
        self._blob[begin : self._used] = np.frombuffer(data, np.uint8)
        return begin, len(data)

    # ------------------------------------------------------------------------------------------------ with values

    def _with_values(self, what: int, promotion: int, value: int, other: int) -> None:
        """Labels or hints of a promotion with its values in them."""
        info = self._ruleset.promotions[promotion]
        currency = self._ruleset.currencies[other & (1 << CURRENCY_BITS) - 1]
        other_value = other >> CURRENCY_BITS
        if what == WANT_LABELS:
            values: Mapping[str, int | Missing] = {"saved": value, "points": other_value}
            field, pairs = LABELS_FIELD, info.labels
        else:
            unit, kind = other_value & (1 << UNIT_BITS) - 1, MISSING_KINDS[other_value >> UNIT_BITS]
            values = {"missing": Missing(kind, value, UNITS[unit][0] if kind == "measure" else "", "")}
            field, pairs = HINTS_FIELD, info.hints
        writings: Mapping[str, Writing] = self._ruleset.writings
        texts = [(lang, filled(text, writings.get(lang, PLAIN), currency, values)) for lang, text in pairs]
        data = ready(field, texts)
        if self._filled_used + len(data) > len(self._filled) or 2 * self._slots_used >= SLOTS:
            self._filled, self._filled_used = np.zeros(max(FILLED_BYTES, len(data)), np.uint8), 0
            self._slots, self._slots_used = np.zeros(SLOTS * SLOT_CELLS, np.int64), 0
        key = what_of(what, promotion)
        at = slot_of(_read_only(self._slots), key, value, other)
        begin = self._filled_used
        self._filled[begin : begin + len(data)] = np.frombuffer(data, np.uint8)
        self._slots[at : at + SLOT_CELLS] = (key, value, other, begin, len(data))
        self._filled_used += len(data)
        self._slots_used += 1


@bare
def what_of(what: int, promotion: int) -> int:
    """What a text with values is of, as one number that is not 0."""
    return promotion * WANT_CELLS + what + 1


def _read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same numbers, for code that only reads them."""
    view = array.view()
    view.flags.writeable = False
    return view


def ready(field: int, pairs: Iterable[tuple[str, str]]) -> bytes:
    """Texts by language as a repeated field of the contract's Text, by language."""
    out = bytearray()
    for language, text in sorted(pairs):
        inner = _told(LANGUAGE_FIELD, language.encode()) + _told(TEXT_FIELD, text.encode())
        out += _head(field, len(inner)) + inner
    return bytes(out)


def _told(field: int, data: bytes) -> bytes:
    return _head(field, len(data)) + data if data else b""


def _head(field: int, length: int) -> bytes:
    head = bytearray((field << 3 | 2,))
    while length > 127:
        head.append(length & 127 | 128)
        length >>= 7
    head.append(length)
    return bytes(head)
