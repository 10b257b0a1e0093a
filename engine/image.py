"""The image: a ruleset as a manifest of content-addressed parts; byte layout, version, encoding, verification.

What people read of promotions, and the product sets, stand in blocks: parts of some hundred declarations each, so that
of a changed ruleset most parts are those of the one before (engine/link.py says where a block ends).

A part is one buffer: magic, format, header (JSON: the arrays and a free data value), then the arrays, each on a
64-byte boundary. Parts are mapped read-only; an array is a view into its part. The manifest is canonical JSON that
names every part by its SHA-256; the SHA-256 of the manifest names the ruleset.

Nothing that kernels follow is trusted: `load` checks each part against its digest, each array against its part, and
each index in an array against the array it points into, once.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from engine.basket import BASIS_POINTS, PIECE_MICROS_MAX
from engine.calendar import UNITS as LENGTHS
from engine.decision import SEMANTICS
from engine.instructions import (
    DIMENSIONS,
    FLOOR_SHIFT,
    FLOORS_MAX,
    UNITS,
    Apply,
    Cmp,
    Counted,
    Each,
    Kind,
    Op,
    Role,
    Scope,
    Subject,
    Target,
    Terms,
)
from engine.layout import RULES, unpack
from engine.money import EXPONENTS
from engine.program import (
    FACTOR_MAX,
    FIXED_POINTS_MAX,
    QUANTITY_MAX,
    Age,
    All,
    Anniversary,
    Any_,
    Attribute,
    Compare,
    CompareMoney,
    Condition,
    Consent,
    EventAttribute,
    EventOf,
    Happened,
    Has,
    InTheLast,
    Known,
    Length,
    Member,
    None_,
    NthOrder,
    OneOf,
    ProductSet,
    Refresh,
    Scalar,
    Schema,
    Settings,
    StartsWith,
    SumOf,
    Type,
    Under,
    Window,
)
from engine.sets import PRICE, Needs, Values, dynamic_sets, needs_of_all

FORMAT = 4
MAGIC = b"EINKPART"
ALIGNMENT = 64
HEADER = struct.Struct("<8sII")
PART_BYTES_MAX = 2**31
STACK_MAX = 64  # truth values on the stack of one line of conditions
NAMES_MAX = 62  # channels, currencies: promotions hold them as bits
NUMBER_MAX = 10**18  # of any number of a table or condition
AMOUNT_MAX = 10**12  # of any amount; x micros of a minor unit fits int64
LENGTH_MAX = 1_000_000  # of a length of time, in any unit
STEPS_MAX = 16  # of «then»
BUY_MAX = 100_000  # engine.basket.PIECES_MAX
ROLES_MAX = 10  # sets that one promotion buys and rewards
COUNTER_MAX = 10**15  # uses of a limit or a code
OFFSET_MAX_S = 2 * 86_400  # of a zone's clock
# What reading bytes that are no image may raise. pydantic's ValidationError is a ValueError.
UNREADABLE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)

Ints = npt.NDArray[np.int64]
DTYPES: dict[str, np.dtype[Any]] = {"i8": np.dtype("<i8"), "i1": np.dtype("i1"), "u8": np.dtype("<u8")}


class ImageRejected(Exception):
    """The bytes are not an image that this engine can trust and run; the last good ruleset stays. Says why."""


class PartRef(NamedTuple):
    name: str
    digest: str  # SHA-256, hex
    size: int  # bytes


@dataclass(frozen=True)
class Image:
    """What the linker makes and the store keeps."""

    manifest: bytes
    parts: Mapping[str, bytes]  # by digest

    @cached_property
    def digest(self) -> str:
        """The name of the ruleset: SHA-256 of the manifest, hex."""
        return hashlib.sha256(self.manifest).hexdigest()


class Rules(NamedTuple):
    """A ruleset's fields as arrays, views into the buffer that kernels read: engine/layout.py says what they mean."""

    group: Ints
    rank: Ints
    window: Ints
    window_by_zone: Ints
    zone: Ints
    channels: Ints
    codes: Ints
    currencies: Ints
    exclusive: Ints
    terms_by: Ints
    terms_of: Ints
    arm: Ints
    kind: Ints
    target_kind: Ints
    target: Ints
    buy: Ints
    percent: Ints
    amount: Ints
    pick_count: Ints
    pick_dearest: Ints
    dimension: Ints
    per: Ints
    each: Ints
    number: Ints
    per_article: Ints
    choice: Ints
    valid: Ints
    valid_in: Ints
    slot_begin: Ints
    place_any_begin: Ints
    place_not_begin: Ints
    audience_any_begin: Ints
    audience_not_begin: Ints
    line_begin: Ints
    limit_begin: Ints
    term_begin: Ints
    conflict_begin: Ints
    role_begin: Ints
    ladder_begin: Ints
    except_begin: Ints
    reason_begin: Ints
    slots: Ints
    place_any: Ints
    place_not: Ints
    audience_any: Ints
    audience_not: Ints
    roles: Ints
    by_measure: Ints
    ladder: Ints
    excepted: Ints
    reasons: Ints
    limits: Ints
    terms: Ints
    conflicts: Ints
    windows: Ints
    holidays: Ints
    zone_begin: Ints
    transitions: Ints
    amounts: Ints
    lines: Ints
    code: Ints
    pool: Ints
    segment_begin: Ints
    place_begin: Ints
    place_order: Ints
    needed_begin: Ints
    needed: Ints
    gives: Ints
    apply: Ints
    at_most: Ints
    original: Ints
    touch_begin: Ints
    touch: Ints
    everywhere: Ints
    by_entry: Ints
    entry_owner: Ints
    code_uses: Ints
    code_exact: Ints


class PromotionInfo(NamedTuple):
    """What people read of a promotion."""

    name: str
    title: str
    labels: tuple[tuple[str, str], ...]  # (language, text)
    terms: tuple[tuple[str, str], ...]
    hints: tuple[tuple[str, str], ...]
    owner: str
    funded: tuple[tuple[str, str, int], ...]  # (party, name, basis points)
    group: str
    usage_as_given: bool  # it has limits past the basket
    arms: tuple[str, ...] = ()  # variants in the order written; "": the control group


class Slot(NamedTuple):
    """Where a fact of the request stands: an attribute's value, or the truth of a condition on it."""

    attribute: str  # "customer.tier", "payment", "delivery"; "": the condition is on none (consents, events)
    condition: Condition | None


class Ruleset:
    """A verified image, ready for decisions: `buffer` for kernels, the rest for resolving requests and for people."""

    def __init__(self, digest: str, manifest: bytes, parts: Mapping[str, Any], buffers: Mapping[str, Any]) -> None:
        self.digest = digest
        self.manifest = manifest
        self.buffers = buffers  # kept mapped as long as this lives
        self.blocks = [part for name, part in parts.items() if name.startswith("promotions.")]
        self.set_blocks = [part for name, part in parts.items() if name.startswith("products.")]
        arrays, texts = parts["rules"]
        self.settings: Settings = _SETTINGS.validate_json(json.dumps(texts["settings"]))
        self.schema: Schema = _SCHEMA.validate_json(json.dumps(texts["schema"]))
        self.currencies = self.settings.currencies
        self.writings = {writing.language: writing for writing in self.settings.writings}
        self.buffer: Ints = arrays["rules"]
        _require(self.buffer.dtype == np.int64, "the rules are no integers")
        self.rules = Rules(**unpack(RULES, self.buffer, len(self.currencies)))
        promotions = list(chain.from_iterable(block.infos for block in self.blocks))
        self.clauses: tuple[dict[str, Any], ...] = tuple(chain.from_iterable(block.clauses for block in self.blocks))
        for number in self._limited_codes(len(promotions)).tolist():
            promotions[number] = promotions[number]._replace(usage_as_given=True)
        self.promotions = tuple(promotions)
        self.choices: dict[tuple[str, ...], tuple[str, ...]] = {}  # gifts to choose from, once asked for
        self.fine = self._fine()
        of_points = np.isin(self.rules.kind, [Kind.TIMES_POINTS, Kind.FIXED_POINTS])
        self.gives_points = self.settings.points is not None or bool(of_points.any())
        self.promotion_index = {p.name: i for i, p in enumerate(self.promotions)}
        self.set_names: tuple[str, ...] = tuple(chain.from_iterable(block.sets for block in self.set_blocks))
        self.sets: dict[str, ProductSet] = {}
        needs: dict[str, Needs] = {}
        self.product_titles: dict[str, str] = {}
        for block in self.set_blocks:
            self.sets |= block.sets
            needs |= block.needs
            self.product_titles |= block.titles
        self.dynamic_sets = dynamic_sets(needs, self.schema.attributes, self.currencies)
        self.guards: tuple[tuple[int, tuple[str, ...]], ...] = tuple((m, tuple(n)) for m, n in texts["guards"])
        self.floors: tuple[str, ...] = tuple(texts["floors"])  # the attribute of each
        self.limit_rows: dict[tuple[str, str], list[int]] = {}  # a counter may stand in several limits
        keys = chain.from_iterable(block.limits for block in self.blocks)
        for row, limit in enumerate(keys):
            self.limit_rows.setdefault(limit, []).append(row)
        self.symbols: dict[str, int] = {text: i for i, text in enumerate(texts["symbols"])}
        self.slots = tuple(
            Slot(
                s["attribute"], None if s["condition"] is None else _CONDITION.validate_json(json.dumps(s["condition"]))
            )
            for s in texts["slots"]
        )
        self.channel_index = {name: i for i, name in enumerate(self.schema.channels)}
        self.segment_names: tuple[str, ...] = tuple(texts["segments"])
        self.code_set_names: tuple[str, ...] = tuple(texts["code_sets"])
        self.zone_names: tuple[str, ...] = tuple(texts["zones"])
        self.settings_zone: int = self.zone_names.index(self.settings.timezone)
        self.group_names: tuple[str, ...] = tuple(texts["groups"])
        self.attributes: dict[str, Attribute] = {f"{a.entity}.{a.name}": a for a in self.schema.attributes}

        self.price_lists: list[PriceTable] = [part for name, part in parts.items() if name.startswith("prices.")]
        self.catalogue: Table = parts["catalogue"]
        self.stores: Table = parts["stores"]
        self.store_zones: Ints = self.stores.arrays["zones"]
        postings, _ = parts["postings"]
        self.posting_begin: Ints = postings["begin"]
        self.posting: Ints = postings["sets"]
        self.marks: Ints = postings["marks"]
        codes, _ = parts["codes"]
        self.code_high: npt.NDArray[np.uint64] = codes["high"]
        self.code_low: npt.NDArray[np.uint64] = codes["low"]
        self.code_set: Ints = codes["sets"]

    def _fine(self) -> int:
        """Parts of a minor unit in which savings are compared before they are rounded: the fewest in which every
        percentage off a whole amount is exact. 1: they are rounded piece by piece."""
        if self.settings.rounding_per == "piece":
            return 1
        percentages = [*self.rules.percent.tolist(), *self.rules.ladder[:, 1].tolist()]
        if self.rules.by_entry.size:
            percentages.append(1)  # a cashier may enter any
        return BASIS_POINTS // math.gcd(BASIS_POINTS, *percentages)

    @cached_property
    def list_rewards(self) -> Ints:
        """The rewards that give prices of lists, as rows (reward, promotion, price list)."""
        rules = self.rules
        owner = np.arange(rules.kind.shape[0])
        named = rules.terms[:, 0] >= 0
        owner[rules.terms[named, 0]] = np.repeat(np.arange(len(self.promotions)), np.diff(rules.term_begin))[named]
        rewards = np.flatnonzero(rules.kind == Kind.PRICE_LIST)
        return np.stack((rewards, owner[rewards], rules.target[rewards] - len(self.set_names)), axis=1)

    @cached_property
    def lists_of(self) -> Mapping[str, Sequence[int]]:
        """The price lists that name an article, ascending."""
        found: dict[str, list[int]] = {}
        for number, table in enumerate(self.price_lists):
            for article in table.index:
                found.setdefault(article, []).append(number)
        return found

    def _limited_codes(self, promotions: int) -> Ints:
        """The promotions that ask for codes that may be used so often only."""
        codes, uses = self.rules.codes, np.append(self.rules.code_uses, -1)  # the last one is that of no codes, at -1
        _within(codes, -1, len(uses) - 1, "codes")
        _require(codes.shape == (promotions,), "codes has the wrong length")
        return np.flatnonzero(uses[codes] >= 0)


class PromotionBlock:
    """What people read of some promotions."""

    def __init__(self, _: dict[str, Any], data: Any) -> None:
        self.infos = tuple(
            PromotionInfo(
                p["name"],
                p["title"],
                _pairs(p["labels"]),
                _pairs(p["terms"]),
                _pairs(p["hints"]),
                p["owner"],
                tuple((party, name, points) for party, name, points in p["funded"]),
                p["group"],
                p["usage"],
                tuple(p["arms"]),
            )
            for p in data
        )
        self.clauses: tuple[dict[str, Any], ...] = tuple(p["clauses"] for p in data)
        self.limits = tuple((p["name"], key) for p in data for key in p["limits"])
        _require(all(isinstance(info.name, str) for info in self.infos), "a name is no text")
        _require(all(set(clauses) == CLAUSES for clauses in self.clauses), "a promotion's clauses are not there")
        _require(
            all(len(p["limits"]) == len(p["clauses"]["limits"]) for p in data), "the limits and their names differ"
        )
        lengths = [(len(clauses["when"]), len(clauses["limits"])) for clauses in self.clauses]
        self.lengths = np.array(lengths, np.int64).reshape(-1, 2)


class SetBlock:
    """Some product sets."""

    def __init__(self, _: dict[str, Any], data: Any) -> None:
        sets = _SETS.validate_json(json.dumps(data))
        self.sets = {one.name: one for one in sets}
        _require(len(self.sets) == len(sets), "a name stands twice")
        self.titles = {one.name: one.title or one.name for one in sets}
        self.needs = needs_of_all(self.sets)
        self.asked = frozenset(name for needs in self.needs.values() for name in needs.sets)
        self.checked: Mapping[str, Type] = {}  # the attributes that its conditions fit


class Table:
    """Rows with an id and columns: the catalogue, the stores."""

    def __init__(self, arrays: dict[str, Any], data: Any) -> None:
        self.arrays = arrays
        self.index: dict[str, int] = {text: i for i, text in enumerate(data["ids"])}
        self.columns: dict[tuple[str, str], Values] = {}  # by name and, for money, currency
        _require(len(self.index) == len(data["ids"]), "a table names a row twice")
        for i, column in enumerate(data["columns"]):
            numbers, known, texts = arrays[f"values{i}"], arrays[f"known{i}"].astype(np.bool_), column["texts"]
            _require(numbers.shape == known.shape == (len(self.index),), "a column is not as long as its table")
            _require(numbers.dtype == np.int64, "a column does not hold integers")
            _require(all(isinstance(text, str) for text in texts), "a column's texts are none")
            _require(all(a < b for a, b in pairwise(texts)), "a column's texts do not ascend")
            if texts:
                _within(numbers[known], 0, len(texts), "a text of a column")
            if column["name"] == "tax-rate":
                _within(numbers[known], 0, 10_001, "a tax rate")
            _within(numbers, -NUMBER_MAX, NUMBER_MAX + 1, "a number of a column")
            self.columns[column["name"], column["currency"]] = Values(numbers, known, tuple(texts))

    def cell(self, row: int, name: str, currency: str = "") -> int | str | None:
        """What a row (-1: none) says of an attribute; None: nothing, or not in this currency."""
        values = self.columns.get((name, currency))
        if row < 0 or values is None or not values.known[row]:
            return None
        number = int(values.numbers[row])
        return values.texts[number] if values.texts else number


class PriceTable:
    """A price list: prices by article, quantity and day."""

    def __init__(self, arrays: dict[str, Any], data: Any) -> None:
        self.name: str = data["name"]
        self.index: dict[str, int] = {text: i for i, text in enumerate(data["ids"])}
        self.begin: Ints = arrays["begin"]
        self.rows: Ints = arrays["rows"]  # quantity, first day, last day; of an article the least quantity first
        self.prices: Ints = arrays["prices"]  # micros by currency; -1 = not said
        count = self.rows.shape[0]
        _require(isinstance(self.name, str) and all(isinstance(text, str) for text in data["ids"]), "a name is no text")
        _require(len(self.index) == len(data["ids"]), "a price list names an article twice")
        _require(all(a.dtype == np.int64 for a in arrays.values()), "a price list does not hold integers")
        _require(self.rows.shape == (count, 3) and self.prices.ndim == 2, "a price list has another shape")
        _require(self.prices.shape[0] == count, "a price list has other rows than prices")
        _ranges(self.begin, len(self.index), count, "rows of a price list")
        _within(self.rows[:, 0], 1, QUANTITY_MAX + 1, "a quantity of a price list")
        _within(self.rows[:, 1:], -NUMBER_MAX, NUMBER_MAX + 1, "a day of a price list")
        _within(self.prices, -1, PIECE_MICROS_MAX + 1, "a price of a price list")
        owner = np.repeat(np.arange(len(self.index)), np.diff(self.begin))
        order = np.lexsort((self.rows[:, 1], self.rows[:, 0], owner))
        _require((order == np.arange(count)).all(), "the rows of a price list do not ascend")

    def rows_of(self, article: str, day: int, currency: int) -> list[tuple[int, int]]:
        """The prices in force of an article, as (from which quantity, micros), ascending."""
        place = self.index.get(article, -1)
        if place < 0:
            return []
        own = slice(int(self.begin[place]), int(self.begin[place + 1]))
        rows = zip(self.rows[own].tolist(), self.prices[own, currency].tolist(), strict=True)
        return [(least, price) for (least, first, last), price in rows if first <= day <= last and price >= 0]


_SETTINGS = TypeAdapter(Settings)
_SCHEMA = TypeAdapter(Schema)
_SETS = TypeAdapter(tuple[ProductSet, ...])
_CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)


def _pairs(rows: list[list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((a, b) for a, b in rows)


# ---------------------------------------------------------------------------------------------------- bytes


class Json(NamedTuple):
    """Data of a part whose text is known already."""

    text: str


def json_of(data: object) -> str:
    """Data as parts hold it."""
    if isinstance(data, Json):
        return data.text
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def encode_part(arrays: Mapping[str, npt.NDArray[Any]], data: object) -> bytes:
    """The canonical bytes of a part. Arrays are int64, int8 or uint64, in C order."""
    table = []
    offset = 0
    for name, array in arrays.items():
        code = next(c for c, dtype in DTYPES.items() if dtype == array.dtype)
        table.append([name, code, list(array.shape), offset])
        offset += -(-array.nbytes // ALIGNMENT) * ALIGNMENT
    header = f'{{"arrays":{json_of(table)},"data":{json_of(data)}}}'.encode()
    head = HEADER.pack(MAGIC, FORMAT, len(header)) + header
    body = [head, bytes(-len(head) % ALIGNMENT)]
    for array in arrays.values():
        body += [np.ascontiguousarray(array).tobytes(), bytes(-array.nbytes % ALIGNMENT)]
    return b"".join(body)


def decode_part(buffer: Any) -> tuple[dict[str, Any], Any]:
    """Arrays (read-only views) and data of a part; ImageRejected for bytes that are none."""
    view = memoryview(buffer).cast("B")
    if len(view) < HEADER.size:
        raise ImageRejected("a part is shorter than its header")
    magic, version, length = HEADER.unpack_from(view)
    if magic != MAGIC or version != FORMAT:
        raise ImageRejected(f"a part has format {version} of {magic!r}; this engine reads format {FORMAT} of {MAGIC!r}")
    if HEADER.size + length > len(view):
        raise ImageRejected("a part's header is longer than the part")
    try:
        header = json.loads(bytes(view[HEADER.size : HEADER.size + length]))
        table, data = header["arrays"], header["data"]
        rows = [(str(n), DTYPES[c], tuple(int(d) for d in shape), int(offset)) for n, c, shape, offset in table]
    except UNREADABLE as error:
        raise ImageRejected(f"a part's header does not read: {error!r}") from error
    start = -(-(HEADER.size + length) // ALIGNMENT) * ALIGNMENT
    arrays: dict[str, Any] = {}
    for name, dtype, shape, offset in rows:
        count = math.prod(shape)
        if offset < 0 or offset % ALIGNMENT or any(not 0 <= d <= len(view) for d in shape):
            raise ImageRejected(f"array {name} has a shape or place that no array has")
        if start + offset + count * dtype.itemsize > len(view):
            raise ImageRejected(f"array {name} lies outside its part")
        array = np.frombuffer(view, dtype, count, start + offset).reshape(shape) if count else np.zeros(shape, dtype)
        array.flags.writeable = False
        arrays[name] = array
    return arrays, data


def digest_of(part: bytes) -> str:
    """The name of a part's bytes."""
    return hashlib.sha256(part).hexdigest()


def manifest(parts: Mapping[str, bytes], digests: Iterable[str] = ()) -> bytes:
    """The canonical manifest of named parts; `digests`: theirs, where they are known."""
    named = zip(parts.items(), digests or map(digest_of, parts.values()), strict=True)
    rows = [{"name": name, "digest": digest, "size": len(part)} for (name, part), digest in sorted(named)]
    return json.dumps({"format": FORMAT, "semantics": SEMANTICS, "parts": rows}, separators=(",", ":")).encode()


CLAUSES = {
    "runs",
    "only_on",
    "sold",
    "places",
    "audience",
    "code",
    "when",
    "reasons",
    "get",
    "limits",
}  # texts of a promotion
PART_NAMES = ("catalogue", "codes", "postings", "rules", "stores")
BLOCKS = ("prices", "products", "promotions")


def parts_of(manifest_bytes: bytes) -> tuple[PartRef, ...]:
    """The parts that a manifest names; ImageRejected if it does not read or asks for another engine."""
    try:
        value = json.loads(manifest_bytes)
        if value["format"] != FORMAT or value["semantics"] != SEMANTICS:
            raise ImageRejected(
                f"the image has format {value['format']}, semantics {value['semantics']}; "
                f"this engine reads format {FORMAT}, semantics {SEMANTICS}"
            )
        refs = tuple(PartRef(str(p["name"]), str(p["digest"]), int(p["size"])) for p in value["parts"])
    except UNREADABLE as error:
        raise ImageRejected(f"the manifest does not read: {error!r}") from error
    blocks = [f"{kind}.{i:05}" for kind in BLOCKS for i in range(sum(ref.name.startswith(f"{kind}.") for ref in refs))]
    if [ref.name for ref in refs] != sorted((*PART_NAMES, *blocks)) or any(
        not 0 < ref.size <= PART_BYTES_MAX for ref in refs
    ):
        names = ", ".join((*PART_NAMES, *(f"{kind}.00000 …" for kind in BLOCKS)))
        raise ImageRejected(f"the manifest must name the parts {names}, of 1 to {PART_BYTES_MAX} bytes")
    return refs


Kept = MutableMapping[tuple[str, str], Any]  # parts that were read, by kind and digest


def load(manifest_bytes: bytes, parts: Mapping[str, Any], kept: Kept | None = None) -> Ruleset:
    """The ruleset of a manifest and its parts (by digest; bytes or mapped files), everything verified.

    `kept`: what was read of parts before, and is not read again. Raises ImageRejected, saying what does not hold."""
    kept = {} if kept is None else kept
    read: dict[str, Any] = {}
    for ref in parts_of(manifest_bytes):
        kind = ref.name.partition(".")[0]
        known = kept.get((kind, ref.digest))
        read[ref.name] = _read(ref, kind, parts.get(ref.digest)) if known is None else known
        if kind in _READERS:
            kept[kind, ref.digest] = read[ref.name]
    try:
        ruleset = Ruleset(hashlib.sha256(manifest_bytes).hexdigest(), manifest_bytes, read, parts)
        verify(ruleset)
    except UNREADABLE as error:
        raise ImageRejected(f"the image does not hold together: {error!r}") from error
    return ruleset


def _read(ref: PartRef, kind: str, buffer: Any) -> Any:
    """What a part says; its arrays and data where nothing more is made of it."""
    if buffer is None:
        raise ImageRejected(f"part {ref.name} ({ref.digest}) is missing")
    view = memoryview(buffer).cast("B")
    if len(view) != ref.size or hashlib.sha256(view).hexdigest() != ref.digest:
        raise ImageRejected(f"part {ref.name} does not match its digest {ref.digest}")
    decoded = decode_part(view)
    try:
        return _READERS[kind](*decoded) if kind in _READERS else decoded
    except UNREADABLE as error:
        raise ImageRejected(f"part {ref.name} does not hold together: {error!r}") from error


_READERS: Mapping[str, Callable[[dict[str, Any], Any], Any]] = {
    "catalogue": Table,
    "prices": PriceTable,
    "products": SetBlock,
    "promotions": PromotionBlock,
    "stores": Table,
}


# ---------------------------------------------------------------------------------------------------- verification


def _require(holds: Any, what: str) -> None:
    if not bool(holds):
        raise ImageRejected(what)


def _within(array: Ints, low: int, high: int, what: str) -> None:
    """low <= every entry < high."""
    _require(array.size == 0 or (array.min() >= low and array.max() < high), f"{what} is out of bounds")


def _ascends(array: Ints) -> Any:
    """No entry is less than the one before. Compared, not subtracted: a difference may wrap."""
    return (array[1:] >= array[:-1]).all()


def _ranges(begin: Ints, owners: int, rows: int, what: str) -> None:
    """begin is an ascending list of owners + 1 positions, from 0 to rows."""
    _require(begin.shape == (owners + 1,), f"{what} has the wrong length")
    _require(begin[0] == 0 and begin[-1] == rows and _ascends(begin), f"{what} does not ascend to its rows")


def verify(ruleset: Ruleset) -> None:
    """Check every index that a kernel follows, once. Raises ImageRejected."""
    r = ruleset.rules
    promotions = len(ruleset.promotions)
    groups, sets, segments = len(ruleset.group_names), len(ruleset.set_names), len(ruleset.segment_names)
    currencies, zones, amounts = len(ruleset.currencies), len(ruleset.zone_names), r.amounts.shape[0]
    places = r.place_begin.shape[0] - 1
    lines = r.lines.shape[0] - 1

    rewards = r.kind.shape[0]
    _require(rewards >= promotions, "there are fewer rewards than promotions")
    for number, name in enumerate(Rules._fields[: Rules._fields.index("slot_begin")]):
        owners = promotions if number < Rules._fields.index("kind") else rewards
        _require(getattr(r, name).shape == (owners,), f"{name} has the wrong length")
    for name, columns in (
        ("slots", 4),
        ("holidays", 2),
        ("roles", 4),
        ("by_measure", 3),
        ("ladder", 3),
        ("limits", 4),
        ("terms", 3),
        ("windows", 2),
        ("transitions", 2),
        ("code", 5),
        ("amounts", currencies),
    ):
        array = getattr(r, name)
        _require(array.ndim == 2 and array.shape[1] == columns, f"{name} has the wrong shape")

    _within(r.group, 0, groups, "group")
    _within(r.rank, 0, promotions, "rank")
    _within(r.kind, 0, len(Kind), "kind")
    _within(r.target_kind, 0, len(Target), "target kind")
    lists = len(ruleset.price_lists)
    _within(r.target[r.target_kind == Target.SET], 0, sets + lists, "target")
    of_list = (r.target_kind == Target.SET) & (r.target >= sets)
    _require((of_list == (r.kind == Kind.PRICE_LIST)).all(), "a price list is given otherwise")
    _require((r.number[of_list] == np.arange(of_list.sum())).all(), "price lists are not numbered")
    _require(all(table.prices.shape[1] == currencies for table in ruleset.price_lists), "a price list's currencies")
    _within(r.target[r.target_kind == Target.SERVICE], 0, len(ruleset.schema.services), "service")
    _within(r.target[r.target_kind == Target.CODES], 0, len(ruleset.code_set_names), "codes of a next code")
    _within(r.valid, 0, LENGTH_MAX + 1, "how long a code is valid")
    _within(r.valid_in, 0, len(LENGTHS), "how long a code is valid")
    _within(r.buy, 0, BUY_MAX + 1, "buy")
    _within(r.pick_count, 0, BUY_MAX + 1, "pick_count")
    _within(r.percent, 0, 10_001, "percent")
    _within(r.amount, -1, amounts, "amount")
    needs_amount = np.isin(
        r.kind,
        [
            Kind.AMOUNT_EACH,
            Kind.AMOUNT_TOGETHER,
            Kind.AMOUNT_MEASURE,
            Kind.PRICE_EACH,
            Kind.PRICE_MEASURE,
            Kind.PRICE_TOGETHER,
            Kind.PRICE_SINGLES,
            Kind.PRICE_WHOLE,
            Kind.FEE_AMOUNT,
            Kind.FEE_PRICE,
        ],
    )
    _within(r.amount[needs_amount], 0, amounts, "amount of a reward")
    runs = np.isin(r.kind, [Kind.PICK, Kind.LADDER, Kind.PRICE_TOGETHER, Kind.PRICE_SINGLES])
    _within(r.buy[runs], 1, BUY_MAX + 1, "buy of a reward by runs")
    _within(r.dimension, 0, len(DIMENSIONS), "dimension")
    measured = np.isin(r.kind, [Kind.AMOUNT_MEASURE, Kind.PRICE_MEASURE])
    pers = [1_000 * factor * hundreds for _, _, factor in UNITS for hundreds in (1, 100)]
    _require(np.isin(r.per[measured], pers).all(), "per is no unit's")
    _within(r.zone, -1, zones, "zone")
    _require(((r.window_by_zone == 0) | (r.window_by_zone == 1)).all(), "window_by_zone is out of bounds")
    _within(r.window, 0, r.windows.shape[0], "window")
    _within(r.window[r.window_by_zone == 1], 0, r.windows.shape[0] - zones + 1, "window by zone")
    _within(r.codes, -1, len(ruleset.code_set_names), "codes")
    _ranges(r.slot_begin, promotions, r.slots.shape[0], "slots")
    _ranges(r.place_any_begin, promotions, r.place_any.shape[0], "places")
    _ranges(r.place_not_begin, promotions, r.place_not.shape[0], "places")
    _ranges(r.audience_any_begin, promotions, r.audience_any.shape[0], "audience")
    _ranges(r.audience_not_begin, promotions, r.audience_not.shape[0], "audience")
    _ranges(r.role_begin, rewards, r.roles.shape[0], "roles")
    _within(np.diff(r.role_begin), 0, ROLES_MAX + 1, "roles of a promotion")
    _within(r.roles[:, 0], 0, sets, "set of a role")
    _within(r.roles[:, 1], 1, BUY_MAX + 1, "units of a role")
    _within(r.roles[:, 2], 0, 9, "bits of a role")
    _within(r.roles[:, 3], 0, 2, "rewarded")
    _require(len(r.by_measure) == len(r.roles), "needs by measure are not those of the roles")
    _within(r.by_measure[:, 0], 0, NUMBER_MAX, "measure of a role")
    _within(r.by_measure[:, 1], 0, len(DIMENSIONS), "dimension of a role")
    _within(r.by_measure[:, 2], 0, len(UNITS), "unit of a role")
    _ranges(r.ladder_begin, rewards, r.ladder.shape[0], "ladder")
    _ranges(r.except_begin, rewards, r.excepted.shape[0], "except")
    _ranges(r.reason_begin, rewards, r.reasons.shape[0], "reasons")
    _ranges(r.limit_begin, promotions, r.limits.shape[0], "limits")
    _ranges(r.term_begin, promotions, r.terms.shape[0], "terms")
    _ranges(r.conflict_begin, promotions, r.conflicts.shape[0], "conflicts")
    _within(r.each, 0, 4, "each")
    _within(r.per_article, 0, BUY_MAX + 1, "per_article")
    owner = _verify_terms(ruleset)
    for array in (r.place_any, r.place_not):
        _within(array, 0, places, "place")
    for array in (r.audience_any, r.audience_not, r.needed):
        _within(array, 0, segments, "segment")
    _within(r.excepted, 0, sets, "except")
    _within(r.reasons, 0, len(ruleset.symbols), "reason")
    _within(r.ladder[:, 0], 0, BUY_MAX, "position of a step")
    _within(r.ladder[:, 1], 0, 10_001, "percent of a step")
    _within(r.ladder[:, 2], -1, amounts, "amount of a step")
    _within(r.limits[:, 0], 0, len(Counted), "limit")
    _within(r.limits[:, 1], 0, COUNTER_MAX + 1, "count of a limit")
    _within(r.limits[:, 2], -1, amounts, "amount of a limit")
    _within(r.limits[r.limits[:, 0] == Counted.SAVING, 2], 0, amounts, "amount of a limit")
    _within(r.limits[:, 3], 0, len(Scope), "scope")
    _require((r.slots[:, :2] >= 0).all() and (r.slots[:, :2] < 1 << 7).all(), "a slot has other days than a week")
    _within(r.holidays[:, 0], -NUMBER_MAX, NUMBER_MAX, "day of a holiday")
    _within(r.holidays[:, 1], -1, len(ruleset.symbols), "region of a holiday")
    order = np.lexsort((r.holidays[:, 1], r.holidays[:, 0]))
    _require((order == np.arange(r.holidays.shape[0])).all(), "holidays do not ascend")
    _ranges(r.zone_begin, zones, r.transitions.shape[0], "zones")
    _require((np.diff(r.zone_begin) >= 1).all(), "a zone has no transitions")
    _within(r.transitions[:, 0], -NUMBER_MAX, NUMBER_MAX, "transitions")
    _within(r.transitions[:, 1], -OFFSET_MAX_S, OFFSET_MAX_S + 1, "offset of a zone")
    _within(r.amounts, -1, AMOUNT_MAX + 1, "amounts")

    _require(r.line_begin.shape == (promotions + 1,), "line_begin has the wrong length")
    _require(_ascends(r.line_begin) and 0 <= r.line_begin[0] and r.line_begin[-1] <= lines, "line_begin")
    for begin, owners in ((r.segment_begin, segments), (r.place_begin, places)):
        _require(begin.shape == (owners + 1,) and _ascends(begin), "lines of segments or places")
        _require(0 <= begin[0] and begin[-1] <= lines, "lines of segments or places")
    _ranges(r.lines, lines, r.code.shape[0], "lines")
    _ranges(r.needed_begin, segments, r.needed.shape[0], "needed segments")
    _require(sorted(r.place_order.tolist()) == list(range(places)), "place_order is no order of the places")
    _verify_code(ruleset, places)

    _require(r.gives.shape == r.apply.shape == r.at_most.shape == r.original.shape == (groups,), "groups")
    _within(r.apply, 0, len(Apply), "apply")
    _within(r.gives, 0, 2, "gives")
    _within(r.at_most, 0, NUMBER_MAX, "at_most")
    _ranges(r.touch_begin, sets + lists, r.touch.shape[0], "touch")
    _within(r.touch, 0, promotions, "touch")
    _within(r.everywhere, 0, promotions, "everywhere")
    _require(np.array_equal(r.by_entry, np.flatnonzero(r.kind == Kind.CASHIER)), "what the cashier enters")
    _require(np.array_equal(r.entry_owner, owner[r.by_entry]), "whose it is what the cashier enters")
    _require(r.code_uses.shape == (len(ruleset.code_set_names),), "code uses")
    _within(r.code_uses, -1, COUNTER_MAX + 1, "code uses")
    _require(r.code_exact.shape == r.code_uses.shape, "exact codes")
    _within(r.code_exact, 0, 2, "exact codes")

    articles = len(ruleset.catalogue.index)
    _ranges(ruleset.posting_begin, articles, ruleset.posting.shape[0], "postings")
    _within(ruleset.posting, 0, sets, "posting")
    _require(ruleset.marks.shape == (articles,), "marks")
    _within(ruleset.marks, 0, 1 << (FLOOR_SHIFT + len(ruleset.floors)), "marks")
    _require(ruleset.store_zones.shape == (len(ruleset.stores.index),), "store zones")
    _within(ruleset.store_zones, 0, zones, "store zone")
    _require(ruleset.code_high.shape == ruleset.code_low.shape == ruleset.code_set.shape, "codes")
    _within(ruleset.code_set, 0, len(ruleset.code_set_names), "code set")
    for array in (ruleset.posting_begin, ruleset.posting, ruleset.marks, ruleset.store_zones, ruleset.code_set):
        _require(array.dtype == np.int64, "an array does not hold integers")
    _require(ruleset.code_high.dtype == ruleset.code_low.dtype == np.uint64, "codes")
    _verify_shapes(ruleset, owner)
    _verify_conflicts(r)
    _verify_said(ruleset, owner)
    _verify_names(ruleset)
    _verify_attributes(ruleset)


def _verify_terms(ruleset: Ruleset) -> Ints:
    """Tiers and variants choose among rewards of their own promotion. Whose each reward is."""
    r = ruleset.rules
    promotions, rewards, amounts = len(ruleset.promotions), r.kind.shape[0], r.amounts.shape[0]
    counts = np.diff(r.term_begin)
    _within(r.terms_by, 0, len(Terms), "terms_by")
    _require(((counts > 0) == (r.terms_by != Terms.ONE)).all(), "tiers or variants are not there")
    for kind, most in (
        (Terms.ONE, 1),
        (Terms.WORTH, 3),
        (Terms.COUNT, 1),
        (Terms.MEASURE, len(UNITS)),
        (Terms.DRAWN, len(Subject)),
    ):
        _within(r.terms_of[r.terms_by == kind], 0, most, "terms_of")
    by = np.repeat(r.terms_by, counts)
    drawn = by == Terms.DRAWN
    _within(r.terms[:, 0], -1, rewards, "a tier's reward")
    _within(r.terms[~drawn, 0], 0, rewards, "a tier's reward")
    _within(r.terms[:, 1], 0, NUMBER_MAX, "quantity of a tier")
    _within(r.terms[:, 2], -1, amounts, "amount of a tier")
    _within(r.terms[by == Terms.WORTH, 2], 0, amounts, "amount of a tier")
    whose = np.repeat(np.arange(promotions), counts)
    named = r.terms[:, 0] >= 0
    rows, of = r.terms[named, 0], whose[named]
    owner = np.arange(rewards)
    owner[promotions:] = -1
    further = rows >= promotions
    _require((rows[~further] == of[~further]).all(), "a tier has the reward of another promotion")
    _require(len(np.unique(rows)) == len(rows), "two tiers have one reward")
    owner[rows[further]] = of[further]
    _require((owner >= 0).all(), "a reward is nobody's")
    variants = r.terms_by == Terms.DRAWN
    _require((r.arm == np.where(variants, np.cumsum(variants) - 1, -1)).all(), "variants are not numbered")
    _require((counts[variants] == [len(p.arms) for p in ruleset.promotions if p.arms]).all(), "variants have no names")
    tiers = (r.terms_by[owner] != Terms.ONE) & (r.terms_by[owner] != Terms.DRAWN)
    _require((r.each[owner] == r.each)[tiers].all(), "tiers of one promotion are read in two ways")
    _require((r.buy[owner] == r.buy).all(), "variants of one promotion buy different numbers")
    return owner


def _verify_said(ruleset: Ruleset, owner: Ints) -> None:
    """Every amount of rewards and limits is said in the currencies in which a promotion runs."""
    r = ruleset.rules

    def said(promotions: Ints, rows: Ints, what: str) -> None:
        for currency in range(len(ruleset.currencies)):
            asked = (r.currencies[promotions] >> currency) & 1 == 1
            _within(r.amounts[rows[asked], currency], 0, AMOUNT_MAX + 1, what)

    everyone = np.arange(len(ruleset.promotions))
    with_amount = r.amount >= 0
    said(owner[with_amount], r.amount[with_amount], "an amount that is not said")
    steps = r.ladder[:, 2] >= 0
    said(np.repeat(owner, np.diff(r.ladder_begin))[steps], r.ladder[steps, 2], "an amount that is not said")
    tiers = r.terms[:, 2] >= 0
    said(np.repeat(everyone, np.diff(r.term_begin))[tiers], r.terms[tiers, 2], "an amount that is not said")
    limits = r.limits[:, 2] >= 0
    said(np.repeat(everyone, np.diff(r.limit_begin))[limits], r.limits[limits, 2], "an amount that is not said")


def _verify_names(ruleset: Ruleset) -> None:
    """Texts and lists that decisions name things by are there, and as long as what they name."""
    r = ruleset.rules
    schema = ruleset.schema
    for names in (
        ruleset.set_names,
        ruleset.segment_names,
        ruleset.code_set_names,
        ruleset.zone_names,
        ruleset.group_names,
        list(ruleset.symbols),
        schema.channels,
        schema.services,
        schema.payments,
        ruleset.currencies,
    ):
        _require(all(isinstance(name, str) for name in names), "a name is no text")
        _require(len(set(names)) == len(names), "a name stands twice")
    _require(ruleset.currencies and all(c in EXPONENTS for c in ruleset.currencies), "a currency is none")
    steps = [amount.value for amount in ruleset.settings.cash_rounding]
    _require(all(0 < step <= AMOUNT_MAX for step in steps), "a step of cash rounding is out of bounds")
    _require(max(len(ruleset.currencies), len(schema.channels)) <= NAMES_MAX, "too many channels or currencies")
    _require(len(ruleset.promotion_index) == len(ruleset.promotions), "a name stands twice")
    for mark, sets in ruleset.guards:
        floors = [1 << (FLOOR_SHIFT + number) for number in range(len(ruleset.floors))]
        _require(isinstance(mark, int) and (0 < mark < 16 or mark in floors), "a guard's mark is unknown")
        _require(all(name in ruleset.sets for name in sets), "a guard's product set is not there")
    _require(sum(map(len, ruleset.limit_rows.values())) == r.limits.shape[0], "the limits and their names differ")
    lengths = np.concatenate([np.zeros((0, 2), np.int64), *(block.lengths for block in ruleset.blocks)])
    written = np.diff(r.line_begin), np.diff(r.limit_begin)
    _require((lengths == np.stack(written, axis=1)).all(), "a promotion's clauses differ")


def _verify_attributes(ruleset: Ruleset) -> None:
    """Conditions ask for attributes that are declared, and what can be asked of their type."""
    types = {name: a.type for name, a in ruleset.attributes.items()}
    _require(len(types) == len(ruleset.schema.attributes), "an attribute is declared twice")
    events = {e.name: {f"{e.name}.{a.name}": a.type for a in e.attributes} for e in ruleset.schema.events}
    _require(len(events) == len({e.one for e in ruleset.schema.events}) == len(ruleset.schema.events), "two events")
    for event in ruleset.schema.events:
        _require(len(events[event.name]) == len(event.attributes), "an attribute of an event is declared twice")
        for of_event in event.attributes:
            _verify_default(of_event)
    for attribute in ruleset.schema.attributes:
        _verify_default(attribute)
    of_money = {name for name, kind in types.items() if name.startswith("item.") and kind is Type.MONEY}
    _require(all(name == PRICE or name in of_money for name in ruleset.floors), "a floor is no amount of an article")
    _require(len(ruleset.floors) <= FLOORS_MAX, "there are too many floors")
    types |= dict.fromkeys(("item.sku", "customer.id", "store.id", "payment", "delivery"), Type.TEXT)
    types |= {"item.price": Type.MONEY, "basket.lines": Type.NUMBER}
    for slot in ruleset.slots:
        match slot.condition:
            case Consent():
                continue
            case Happened() | SumOf() | NthOrder() | Refresh():
                _verify_events(slot.condition, events, ruleset.sets)
            case None | Under() | StartsWith() | Has() | Age() | Anniversary():
                _require(
                    not slot.attribute.startswith("item."), "a condition of the basket asks for an article's attribute"
                )
                _verify_asked(types, slot.attribute, slot.condition)
            case _:
                raise ImageRejected(f"a slot cannot hold {slot.condition.kind}")

    def walk(node: Condition) -> None:
        match node:
            case All() | Any_() | None_():
                for part in node.of:
                    walk(part)
            case Member():
                _require(node.of == "products", "a product set is not there")
            case Compare() | CompareMoney() | OneOf() | Known() | Under() | StartsWith() | Has():
                _require(node.attribute.startswith("item."), "a product set asks for what is no article's")
                _verify_asked(types, node.attribute, node)
            case _:
                raise ImageRejected(f"a product set cannot ask for {node.kind}")

    for block in ruleset.set_blocks:
        _require(block.asked <= ruleset.sets.keys(), "a product set is not there")
        if block.checked != types:
            for found in block.sets.values():
                for line in found.lines:
                    walk(line.condition)
            block.checked = types


def _verify_default(attribute: Attribute | EventAttribute) -> None:
    """A default has the type of its attribute."""
    textual = attribute.type in (Type.TEXT, Type.TEXTS)
    if attribute.default is not None:
        _require(attribute.type is not Type.TEXTS, "a list of texts has a default")
        _require(isinstance(attribute.default, str) == textual, "a default has another type")
        _require(textual or abs(int(attribute.default)) <= NUMBER_MAX, "a default is out of bounds")


def _verify_events(
    node: Happened | SumOf | NthOrder | Refresh,
    declared: Mapping[str, Mapping[str, Type]],
    sets: Mapping[str, ProductSet],
) -> None:
    """A condition on events asks for what is declared, and its numbers are within bounds."""

    def window(asked: Window) -> None:
        if isinstance(asked, InTheLast):
            for length in (asked.length, asked.but_not):
                _require(length is None or _is_length(length), "a length of time is out of bounds")

    def events(asked: EventOf) -> None:
        _require(asked.event in declared, "an event is not declared")
        _require(asked.of is None or asked.of in sets, "a product set is not there")
        for comparison in asked.where:
            _verify_asked(declared[asked.event], comparison.attribute, comparison)

    match node:
        case Happened():
            events(node.events)
            window(node.window)
            low, high = (node.low or 0, NUMBER_MAX if node.high is None else node.high)
            _require(0 <= low <= high <= NUMBER_MAX, "a number of events is out of bounds")
            _require(len(node.then) <= STEPS_MAX, "too many steps of «then»")
            for step in node.then:
                events(step.events)
                _require(_is_length(step.within), "a length of time is out of bounds")
        case SumOf():
            events(node.events)
            window(node.window)
            attributes = declared[node.events.event]
            _require(attributes.get(node.attribute) in (Type.NUMBER, Type.MONEY), f"{node.attribute} has no sum")
            money = attributes[node.attribute] is Type.MONEY
            of_total = money and node.attribute.endswith(".total")
            _require(node.events.of is None or of_total, f"{node.attribute} is not known of articles")
            for comparison in node.holds:
                _require(comparison.attribute == node.attribute, "a sum is compared with something else")
                _require(isinstance(comparison, Compare | CompareMoney | OneOf | Known), "a sum is compared so")
                _verify_asked(attributes, comparison.attribute, comparison)
                _require(not money or isinstance(comparison, CompareMoney | Known), "a sum of money is no number")
        case NthOrder():
            events(EventOf(event=node.event))
            _require(1 <= node.nth <= NUMBER_MAX, "an order's number is out of bounds")
        case Refresh():
            _require(node.daily is None or 0 <= node.daily < 86_400, "a time of day is out of bounds")


def _is_length(length: Length) -> bool:
    return 0 <= length.count <= LENGTH_MAX


def _verify_asked(types: Mapping[str, Type], attribute: str, node: Condition | None) -> None:
    """Whether a condition can be asked of an attribute."""
    _require(attribute in types, f"the attribute {attribute} is not declared")
    kind = types[attribute]
    values: tuple[Scalar, ...] = ()
    match node:
        case Under() | StartsWith():
            _require(kind is Type.TEXT, f"{attribute} is no text")
        case Has():
            _require(kind is Type.TEXTS, f"{attribute} is no list of texts")
        case Age():
            _require(kind is Type.DATE and 0 <= node.count <= NUMBER_MAX, f"{attribute} is no date")
        case Anniversary():
            _require(kind is Type.DATE, f"{attribute} is no date")
            _require((node.span is None) != (node.within is None), "an anniversary has one nearness")
            near = node.within
            calendar = near is None or (near.unit not in ("minute", "hour") and _is_length(near))
            _require(calendar, "an anniversary's nearness is out of bounds")
        case CompareMoney():
            _require(kind is Type.MONEY, f"{attribute} is no amount")
            values = tuple(abs(amount.value) * 1_000_000 for amount in node.value)
        case Compare():
            _require(kind is not Type.TEXT or node.op in ("eq", "ne"), f"{attribute} is a text")
            values = (node.value,)
        case OneOf():
            values = node.values
        case _:
            return
    if isinstance(node, Compare | OneOf):
        _require(kind is not Type.TEXTS, f"{attribute} is a list of texts")
        _require(all(isinstance(v, str) == (kind is Type.TEXT) for v in values), f"{attribute} has another type")
    _require(all(isinstance(v, str) or abs(v) <= NUMBER_MAX for v in values), "a number is out of bounds")


def _verify_shapes(ruleset: Ruleset, owner: Ints) -> None:
    """Rewards fit their groups: what combine.py relies on."""
    r = ruleset.rules
    group = r.group[owner]
    per_item = np.isin(r.apply[group], [Apply.BEST_PER_ITEM, Apply.FIRST_PER_ITEM])
    together = np.isin(r.kind, [Kind.PERCENT_TOGETHER, Kind.AMOUNT_TOGETHER, Kind.PRICE_WHOLE])
    whole = r.kind == Kind.PRICE_WHOLE
    _require((r.target_kind[whole] == Target.BASKET).all() and not r.buy[whole].any(), "a price of all is of a set")
    _require(not r.each[whole].any(), "a price of all is of each unit")
    of_fees = np.isin(r.kind, [Kind.FREE_SERVICE, Kind.FEE_PERCENT, Kind.FEE_AMOUNT, Kind.FEE_PRICE])
    _require((of_fees == (r.target_kind == Target.SERVICE)).all(), "a target does not fit")
    _require((r.target[r.target_kind == Target.BASKET] == -1).all(), "the basket is no product set")
    rewarded = np.zeros(len(owner), np.bool_)
    for number in range(len(owner)):
        rewarded[number] = _verify_roles(r, number)
    of_one_set = (r.buy > 0) & (np.diff(r.role_begin) == 1)
    alike = np.zeros(len(owner), np.bool_)
    for number in np.flatnonzero(~of_one_set & (r.buy > 0)).tolist():
        alike[number] = (r.roles[r.role_begin[number] : r.role_begin[number + 1], 2] & Role.ONE_ARTICLE).any()
    together &= ~((rewarded & (r.kind == Kind.AMOUNT_TOGETHER)) | ((r.buy > 0) & ~rewarded & ~alike))
    _require(not (per_item & together).any(), "a reward off a set together stands in a per-item group")
    next_code = r.kind == Kind.NEXT_CODE
    _require((next_code == (r.target_kind == Target.CODES)).all(), "a target does not fit")
    benefit = of_fees | next_code | np.isin(r.kind, [Kind.TIMES_POINTS, Kind.FIXED_POINTS, Kind.GIFT])
    _require((benefit == (r.gives[group] == 1)).all(), "a reward does not fit its group")
    _require(not (benefit & (np.diff(r.role_begin) > 0)).any(), "a benefit is of bought units")
    cashier = r.kind == Kind.CASHIER
    _require((r.target_kind[cashier] == Target.BASKET).all(), "what the cashier enters is of a set")
    _require(((np.diff(r.reason_begin) > 0) == cashier).all(), "what the cashier enters has a reason")
    _verify_points(ruleset, owner)
    bought = (r.each > 0) & (np.diff(r.role_begin) > 0)
    _require(
        (of_one_set & (r.kind == Kind.AMOUNT_TOGETHER) & (r.each == Each.ARTICLE))[bought].all(), "a buy is read apart"
    )
    _require(not (rewarded | (r.per_article > 0))[bought].any(), "others are rewarded for each article")
    _require(not r.by_measure[r.role_begin[:-1][bought], 0].any(), "a buy by measure is read for each article")
    piecewise = [Kind.PERCENT, Kind.AMOUNT_EACH, Kind.PRICE_EACH, Kind.PRICE_MEASURE, Kind.PICK, Kind.LADDER]
    for number in np.flatnonzero((r.per_article > 0) & (np.diff(r.role_begin) > 0)).tolist():
        rows = slice(int(r.role_begin[number]), int(r.role_begin[number + 1]))
        plain = not r.by_measure[rows, 0].any() and (r.roles[rows, 2] < Role.CHEAPEST).all()
        _require(r.kind[number] in piecewise and plain, "so many of each article of a buy as a whole")
    listed = r.kind == Kind.PRICE_LIST
    _require(not ((np.diff(r.role_begin) > 0) | (r.each > 0))[listed].any(), "a price list is bought, or in tiers")
    priced = [Kind.PERCENT, Kind.PERCENT_TOGETHER, Kind.AMOUNT_EACH, Kind.AMOUNT_TOGETHER, Kind.AMOUNT_MEASURE]
    priced += [Kind.PRICE_EACH, Kind.PRICE_MEASURE, Kind.PRICE_LIST, Kind.PICK, Kind.LADDER]
    _require(np.isin(r.kind[r.per_article > 0], priced).all(), "a price of all is read for each article")
    tiers = np.isin(r.terms_by[owner], [Terms.WORTH, Terms.COUNT, Terms.MEASURE])
    _require((r.target[tiers] == r.target[owner[tiers]]).all(), "tiers of different sets")
    _require((benefit[tiers] == benefit[owner[tiers]]).all(), "tiers of discounts and benefits")
    benefits = r.apply[r.gives == 1]
    _within(benefits, 0, len(Apply), "apply")
    _require(not np.isin(benefits, [Apply.BEST, Apply.BEST_PER_ITEM, Apply.FIRST_PER_ITEM]).any(), "benefits")


def _verify_conflicts(r: Rules) -> None:
    """Only prices are exclusive; promotions that exclude each other are of one kind, and both know it."""
    _within(r.exclusive, 0, 2, "exclusive")
    _require((r.gives[r.group[r.exclusive == 1]] == 0).all(), "a benefit is exclusive")
    promotions = r.group.shape[0]
    _within(r.conflicts, 0, promotions, "conflicts")
    owners = np.repeat(np.arange(promotions), np.diff(r.conflict_begin))
    _require((r.gives[r.group[owners]] == r.gives[r.group[r.conflicts]]).all(), "a price excludes a benefit")
    pairs = owners * promotions + r.conflicts
    _require((np.diff(pairs) > 0).all(), "conflicts do not ascend")
    _require((owners != r.conflicts).all(), "a promotion excludes itself")
    _require(
        (np.sort(r.conflicts * promotions + owners) == pairs).all(), "of two promotions only one excludes the other"
    )


def _verify_points(ruleset: Ruleset, owner: Ints) -> None:
    """Points are within bounds, and multiplied only where there are some."""
    r, base = ruleset.rules, ruleset.settings.points
    fixed, times = r.kind == Kind.FIXED_POINTS, r.kind == Kind.TIMES_POINTS
    _within(r.number, 0, FIXED_POINTS_MAX + 1, "number")
    _within(r.number[fixed], 1, FIXED_POINTS_MAX + 1, "points")
    _within(r.number[r.kind == Kind.GIFT], 1, FIXED_POINTS_MAX + 1, "gifts")
    _within(r.choice, -1, len(ruleset.set_names), "gifts")
    _require(((r.choice >= 0) == (r.kind == Kind.GIFT)).all(), "gifts without a choice")
    _within(r.number[times], 101, FACTOR_MAX + 1, "times points")
    said = {} if base is None else {amount.currency: amount.value for amount in base.per}
    _require(all(0 < value <= AMOUNT_MAX for value in said.values()), "an amount of the base points")
    mask = sum(1 << i for i, currency in enumerate(ruleset.currencies) if currency in said)
    _require(not (r.currencies[owner[times]] & ~mask).any(), "points are multiplied, and there are none")


def _verify_roles(r: Rules, number: int) -> bool:
    """A promotion's roles: needs, then at most one that is rewarded. Whether there is that one."""
    roles = r.roles[r.role_begin[number] : r.role_begin[number + 1]]
    rewarded = bool(len(roles)) and bool(roles[-1, 3])
    _require(not roles[:-1, 3].any(), "a need of a buy is rewarded")
    _require(int(roles[roles[:, 3] == 0, 1].sum()) == r.buy[number], "buy is not what its needs sum up to")
    kind = r.kind[number]
    if rewarded:
        fits = (Kind.PERCENT, Kind.AMOUNT_EACH, Kind.AMOUNT_TOGETHER, Kind.PRICE_EACH)
        _require(kind in fits, "a reward of so many of a set is of another kind")
    elif len(roles) > 1:
        _require(kind != Kind.PRICE_SINGLES, "singles too have one need")
    picked = np.isin(roles[:, 2], (Role.CHEAPEST, Role.DEAREST))
    _require((picked | (roles[:, 2] < Role.CHEAPEST)).all(), "bits of a role")
    alone = len(roles) == 1 and rewarded and kind in (Kind.PERCENT, Kind.AMOUNT_EACH)
    _require(alone or not picked.any(), "the cheapest of a set are bought")
    needs = roles[roles[:, 3] == 0]
    _require(not (needs[:, 2] & Role.FEWER_TOO).any(), "fewer of a need would do")
    by_place = rewarded or kind in (Kind.PICK, Kind.LADDER)
    alike = (needs[:, 2] & Role.ONE_ARTICLE).any()
    _require(len(needs) < 2 or not (alike and by_place), "one article of one of several needs")
    _require(kind != Kind.PRICE_SINGLES or not roles[:, 2].any(), "singles too are of any article")
    measured = r.by_measure[r.role_begin[number] : r.role_begin[number + 1], 0] > 0
    if measured.any():
        _require(
            rewarded or kind in (Kind.PERCENT, Kind.PRICE_MEASURE),
            "a reward of what is bought by measure is of another kind",
        )
        _require((roles[measured, 1:4] == [1, 0, 0]).all(), "a need by measure is one of units")
        _require(not (roles[:, 2] & Role.ONE_ARTICLE).any(), "one article, of a buy by measure")
    return rewarded


def _verify_code(ruleset: Ruleset, places: int) -> None:
    """Simulate the stack of every line and check every operand."""
    r = ruleset.rules
    slots, pool, amounts = len(ruleset.slots), r.pool.shape[0], r.amounts.shape[0]
    sets, segments = len(ruleset.set_names), len(ruleset.segment_names)
    of_promotions = np.zeros(r.lines.shape[0] - 1, np.bool_)
    if len(ruleset.promotions):
        of_promotions[r.line_begin[0] : r.line_begin[-1]] = True
    for begin in (r.segment_begin, r.place_begin):
        of_promotions[begin[0] : begin[-1]] = False  # they are judged without a basket
    for line in range(r.lines.shape[0] - 1):
        depth = 0
        for op, a, b, c, d in r.code[r.lines[line] : r.lines[line + 1]].tolist():
            if op in (Op.ALL, Op.ANY, Op.NONE):
                _require(0 <= a <= depth, "a condition takes more truths than there are")
                depth -= a
            elif op in (Op.COMPARE, Op.MONEY, Op.ONE_OF, Op.KNOWN, Op.TRUTH):
                _require(0 <= a < slots, "a condition asks for a fact that is not there")
                _require(op not in (Op.COMPARE, Op.MONEY) or 0 <= b < len(Cmp), "a comparison is unknown")
                _require(op != Op.MONEY or 0 <= c < amounts, "a condition's amount is not there")
                _require(op != Op.ONE_OF or 0 <= b <= c <= pool, "a condition's list is not there")
            elif op in (Op.WORTH, Op.COUNT, Op.MEASURE):
                _require(of_promotions[line], "a segment or place asks for the basket")
                _require(-1 <= a < sets and (a >= 0 or op == Op.WORTH), "a condition's product set is not there")
                _require(op != Op.WORTH or (-1 <= b < amounts and -1 <= c < amounts), "an amount of a worth")
                _require(op != Op.WORTH or (0 <= d < 16 and d & 3 < 3), "a worth is counted in another way")
                _require(op != Op.COUNT or 0 <= d <= 2, "units are counted in another way")
                _require(op != Op.MEASURE or 0 <= d < len(UNITS), "a measure")
            else:
                _require(op in (Op.SEGMENT, Op.PLACE), "an instruction is unknown")
                _require(0 <= a < (segments if op == Op.SEGMENT else places), "a segment or place is not there")
            depth += 1
            _require(depth <= STACK_MAX, f"a condition needs more than {STACK_MAX} places")
        _require(depth == 1, "a line of conditions does not leave one truth")
