"""The image: a ruleset as a manifest of content-addressed parts, ready for decisions once it is verified.

What people read of promotions, and the product sets, stand in blocks: parts of some hundred declarations each, so that
of a changed ruleset most parts are those of the one before (engine/link.py says where a block ends).

Parts are mapped read-only (engine/parts.py), and what is in them is used where it stands: arrays are views, names are
found by tables in the image (engine/index.py), texts are read when they are asked for (engine/blocks.py). So processes
share an image, and opening it makes next to nothing.

Nothing that kernels follow is trusted: `load` checks each part against its digest, each array against its part, and
each index in an array against the array it points into, once. `reopen` is for an image that `load` took before.
"""

from __future__ import annotations

import hashlib
import json
import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from functools import cached_property, lru_cache
from itertools import accumulate, chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from engine.basket import BASIS_POINTS
from engine.blocks import (
    AllNames,
    Block,
    Columns,
    Names,
    PriceTable,
    PromotionBlock,
    PromotionInfo,
    Said,
    SetBlock,
    Stores,
    Table,
)
from engine.calendar import UNITS as LENGTHS
from engine.index import Index
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
from engine.layout import RULES, TOGETHER, unpack
from engine.money import EXPONENTS
from engine.parts import (
    NUMBER_MAX,
    UNREADABLE,
    ImageRejected,
    Ints,
    PartRef,
    ascends,
    decode_part,
    parts_of,
    ranges,
    require,
    within,
)
from engine.program import (
    FACTOR_MAX,
    FIXED_POINTS_MAX,
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
from engine.sets import PRICE, dynamic_sets, needs_of

SAID_KEPT = 2_048  # promotions whose texts are kept once read, of those asked for lately
STACK_MAX = 64  # truth values on the stack of one line of conditions
NAMES_MAX = 62  # channels, currencies: promotions hold them as bits
AMOUNT_MAX = 10**12  # of any amount; x micros of a minor unit fits int64
LENGTH_MAX = 1_000_000  # of a length of time, in any unit
STEPS_MAX = 16  # of «then»
BUY_MAX = 100_000  # engine.basket.PIECES_MAX
ROLES_MAX = 10  # sets that one promotion buys and rewards
COUNTER_MAX = 10**15  # uses of a limit or a code
OFFSET_MAX_S = 2 * 86_400  # of a zone's clock


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
        self.blocks: list[PromotionBlock] = _of_kind(parts, "promotions")
        self.set_blocks: list[SetBlock] = _of_kind(parts, "products")
        arrays, texts = parts["rules"]
        self.settings: Settings = _SETTINGS.validate_json(json.dumps(texts["settings"]))
        self.schema: Schema = _SCHEMA.validate_json(json.dumps(texts["schema"]))
        self.currencies = self.settings.currencies
        self.writings = {writing.language: writing for writing in self.settings.writings}
        self.buffer: Ints = arrays["rules"]
        require(self.buffer.dtype == np.int64, "the rules are no integers")
        self.rules = Rules(**unpack(RULES, self.buffer, len(self.currencies), TOGETHER))
        names: AllNames = parts["names"]
        self.promotion_index = names.promotions.index
        self.promotion_names = self.promotion_index.texts
        self.promotions = Promotions(Numbered(self.blocks), self.rules)
        self.by_name = ByName(self.promotion_index, self.promotions)
        self.choices: dict[tuple[str, ...], tuple[str, ...]] = {}  # gifts to choose from, once asked for
        self.fine = self._fine()
        of_points = np.isin(self.rules.kind, [Kind.TIMES_POINTS, Kind.FIXED_POINTS])
        self.gives_points = self.settings.points is not None or bool(of_points.any())
        self.set_index = names.sets.index
        self.set_names = self.set_index.texts
        self.sets = ProductSets(self.set_index, Numbered(self.set_blocks))
        self.product_titles = Titles(self.sets)
        self.guards: tuple[tuple[int, tuple[str, ...]], ...] = tuple((m, tuple(n)) for m, n in texts["guards"])
        self.floors: tuple[str, ...] = tuple(texts["floors"])  # the attribute of each
        self.symbols = names.symbols.index
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

        self.price_lists: list[PriceTable] = _of_kind(parts, "prices")
        listed, _ = parts["listed"]
        self.listed = Names(listed)
        self.listed_begin: Ints = listed["begin"]
        self.listed_on: Ints = listed["lists"]
        self.articles: Names = parts["articles"]
        self.columns: Columns = parts["catalogue"]
        self.catalogue = Table(self.articles.index, self.columns)
        self.all_stores: Stores = parts["stores"]
        self.stores = Table(self.all_stores.names.index, self.all_stores.columns)
        self.store_zones = self.all_stores.zones
        postings, _ = parts["postings"]
        self.posting_begin: Ints = postings["begin"]
        self.posting: Ints = postings["sets"]
        self.marks: Ints = postings["marks"]
        # The sets whose members only a request can tell, and their numbers.
        self.dynamic_sets = {self.set_names[number]: number for number in postings["dynamic"].tolist()}
        codes, _ = parts["codes"]
        self.code_high: npt.NDArray[np.uint64] = codes["high"]
        self.code_low: npt.NDArray[np.uint64] = codes["low"]
        self.code_set: Ints = codes["sets"]

    def _fine(self) -> int:
        """Parts of a minor unit in which savings are compared before they are rounded: the fewest in which every
        percentage off a whole amount is exact. 1: they are rounded piece by piece."""
        if self.settings.rounding_per == "piece":
            return 1
        percentages = np.unique(np.concatenate((self.rules.percent, self.rules.ladder[:, 1]))).tolist()
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

    def lists_of(self, article: str) -> Sequence[int]:
        """The price lists that name an article, ascending."""
        place = self.listed.index.place(article)
        found: list[int] = []
        if place >= 0:
            found = self.listed_on[self.listed_begin[place] : self.listed_begin[place + 1]].tolist()
        return found

    def limit_rows(self, promotion: str, limit: str) -> Sequence[int]:
        """The limits of a promotion that a counter stands in."""
        number = self.promotion_index.place(promotion)
        if number < 0:
            return ()
        first = int(self.rules.limit_begin[number])
        return [first + i for i, name in enumerate(self.promotions.said(number).limits) if name == limit]


class Numbered:
    """Declarations that stand in several blocks, by their numbers."""

    def __init__(self, blocks: Sequence[Any]) -> None:
        self._blocks = blocks
        self._begin = [0, *accumulate(map(len, blocks))]

    def __len__(self) -> int:
        return self._begin[-1]

    def read(self, number: int) -> Any:
        """What its block says of it."""
        if not 0 <= number < len(self):
            raise IndexError(number)
        block = bisect_right(self._begin, number) - 1
        return self._blocks[block].read(number - self._begin[block])


class Promotions:
    """What is said of each promotion; of those that were asked for lately it is kept."""

    def __init__(self, numbered: Numbered, rules: Rules) -> None:
        codes, uses = rules.codes, rules.code_uses

        @lru_cache(SAID_KEPT)
        def said(number: int) -> Said:
            found: Said = numbered.read(number)
            limited = codes[number] >= 0 and uses[codes[number]] >= 0  # by codes that may be used so often only
            return found._replace(info=found.info._replace(usage_as_given=True)) if limited else found

        self.said = said
        self._count = len(numbered)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> PromotionInfo:
        return self.said(number).info


class ByName(Mapping[str, PromotionInfo]):
    """What people read of promotions, by name."""

    def __init__(self, index: Index, promotions: Promotions) -> None:
        self._index = index
        self._promotions = promotions

    def __getitem__(self, name: str) -> PromotionInfo:
        return self._promotions[self._index[name]]

    def __contains__(self, name: object) -> bool:
        return name in self._index

    def __iter__(self) -> Iterator[str]:
        return iter(self._index)

    def __len__(self) -> int:
        return len(self._index)


class ProductSets(Mapping[str, ProductSet]):
    """The product sets, by name; those that were asked for are kept."""

    def __init__(self, index: Index, numbered: Numbered) -> None:
        self._index = index
        self._numbered = numbered
        self._read: dict[str, ProductSet] = {}

    def __getitem__(self, name: str) -> ProductSet:
        found = self._read.get(name)
        if found is None:
            found = self._read[name] = self._numbered.read(self._index[name])
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._index

    def __iter__(self) -> Iterator[str]:
        return iter(self._index)

    def __len__(self) -> int:
        return len(self._index)


class Titles(Mapping[str, str]):
    """What people call product sets, by name."""

    def __init__(self, sets: ProductSets) -> None:
        self._sets = sets

    def __getitem__(self, name: str) -> str:
        return self._sets[name].title or name

    def __iter__(self) -> Iterator[str]:
        return iter(self._sets)

    def __len__(self) -> int:
        return len(self._sets)


def _of_kind(parts: Mapping[str, Any], kind: str) -> list[Any]:
    """The blocks of one kind, in order."""
    return [part for name, part in parts.items() if name.startswith(f"{kind}.")]


_SETTINGS = TypeAdapter(Settings)
_SCHEMA = TypeAdapter(Schema)
_CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)


Kept = MutableMapping[tuple[str, str], Any]  # parts that were read, by kind and digest


def load(manifest_bytes: bytes, parts: Mapping[str, Any], kept: Kept | None = None) -> Ruleset:
    """The ruleset of a manifest and its parts (by digest; bytes or mapped files), everything verified.

    `kept`: what was read of parts before, and is not checked again. Raises ImageRejected, saying what does not hold."""
    kept = {} if kept is None else kept
    refs = parts_of(manifest_bytes)
    for ref in refs:
        if (ref.kind, ref.digest) not in kept:
            _matches(ref, parts.get(ref.digest))
    read = {ref.name: _read(ref, parts, kept) for ref in refs}
    for ref in refs:
        block = read[ref.name]
        if isinstance(block, Block) and not block.checked:
            try:
                block.check()
            except UNREADABLE as error:
                raise ImageRejected(f"part {ref.name} does not hold together: {error!r}") from error
    return _made(manifest_bytes, read, parts, verify)


def reopen(manifest_bytes: bytes, parts: Mapping[str, Any], kept: Kept | None = None) -> Ruleset:
    """The same, of bytes that this engine's `load` took before; nothing is verified.

    Whoever calls it knows that they are the same bytes: each part has its digest, and so has the manifest."""
    kept = {} if kept is None else kept
    read = {ref.name: _read(ref, parts, kept) for ref in parts_of(manifest_bytes)}
    for block in read.values():
        if isinstance(block, Block):
            block.checked = True  # it was: so a ruleset that shares it is checked in its other parts alone
    return _made(manifest_bytes, read, parts, lambda _: None)


def _made(
    manifest_bytes: bytes, read: Mapping[str, Any], parts: Mapping[str, Any], judge: Callable[[Ruleset], None]
) -> Ruleset:
    try:
        ruleset = Ruleset(hashlib.sha256(manifest_bytes).hexdigest(), manifest_bytes, read, parts)
        judge(ruleset)
    except UNREADABLE as error:
        raise ImageRejected(f"the image does not hold together: {error!r}") from error
    return ruleset


def _matches(ref: PartRef, buffer: Any) -> None:
    """Whether these are the bytes of a part."""
    if buffer is None:
        raise ImageRejected(f"part {ref.name} ({ref.digest}) is missing")
    view = memoryview(buffer).cast("B")
    if len(view) != ref.size or hashlib.sha256(view).hexdigest() != ref.digest:
        raise ImageRejected(f"part {ref.name} does not match its digest {ref.digest}")


def _read(ref: PartRef, parts: Mapping[str, Any], kept: Kept) -> Any:
    """What a part says; its arrays and data where nothing more is made of it."""
    known = kept.get((ref.kind, ref.digest))
    if known is not None:
        return known
    if ref.digest not in parts:
        raise ImageRejected(f"part {ref.name} ({ref.digest}) is missing")
    decoded = decode_part(memoryview(parts[ref.digest]).cast("B"))
    if ref.kind not in _READERS:
        return decoded
    try:
        kept[ref.kind, ref.digest] = found = _READERS[ref.kind](*decoded)
    except UNREADABLE as error:
        raise ImageRejected(f"part {ref.name} does not hold together: {error!r}") from error
    return found


_READERS: Mapping[str, Callable[[dict[str, Any], Any], Block]] = {
    "articles": lambda arrays, _: Names(arrays),
    "catalogue": Columns,
    "names": AllNames,
    "prices": PriceTable,
    "products": SetBlock,
    "promotions": PromotionBlock,
    "stores": Stores,
}


# ---------------------------------------------------------------------------------------------------- verification


def verify(ruleset: Ruleset) -> None:
    """Check every index that a kernel follows, once. Raises ImageRejected."""
    r = ruleset.rules
    promotions = len(ruleset.promotions)
    groups, sets, segments = len(ruleset.group_names), len(ruleset.set_names), len(ruleset.segment_names)
    currencies, zones, amounts = len(ruleset.currencies), len(ruleset.zone_names), r.amounts.shape[0]
    places = r.place_begin.shape[0] - 1
    lines = r.lines.shape[0] - 1

    rewards = r.kind.shape[0]
    require(rewards >= promotions, "there are fewer rewards than promotions")
    for number, name in enumerate(Rules._fields[: Rules._fields.index("slot_begin")]):
        owners = promotions if number < Rules._fields.index("kind") else rewards
        require(getattr(r, name).shape == (owners,), f"{name} has the wrong length")
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
        require(array.ndim == 2 and array.shape[1] == columns, f"{name} has the wrong shape")

    within(r.group, 0, groups, "group")
    within(r.rank, 0, promotions, "rank")
    within(r.kind, 0, len(Kind), "kind")
    within(r.target_kind, 0, len(Target), "target kind")
    lists = len(ruleset.price_lists)
    within(r.target[r.target_kind == Target.SET], 0, sets + lists, "target")
    of_list = (r.target_kind == Target.SET) & (r.target >= sets)
    require((of_list == (r.kind == Kind.PRICE_LIST)).all(), "a price list is given otherwise")
    require((r.number[of_list] == np.arange(of_list.sum())).all(), "price lists are not numbered")
    require(all(table.prices.shape[1] == currencies for table in ruleset.price_lists), "a price list's currencies")
    within(r.target[r.target_kind == Target.SERVICE], 0, len(ruleset.schema.services), "service")
    within(r.target[r.target_kind == Target.CODES], 0, len(ruleset.code_set_names), "codes of a next code")
    within(r.valid, 0, LENGTH_MAX + 1, "how long a code is valid")
    within(r.valid_in, 0, len(LENGTHS), "how long a code is valid")
    within(r.buy, 0, BUY_MAX + 1, "buy")
    within(r.pick_count, 0, BUY_MAX + 1, "pick_count")
    within(r.percent, 0, 10_001, "percent")
    within(r.amount, -1, amounts, "amount")
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
    within(r.amount[needs_amount], 0, amounts, "amount of a reward")
    runs = np.isin(r.kind, [Kind.PICK, Kind.LADDER, Kind.PRICE_TOGETHER, Kind.PRICE_SINGLES])
    within(r.buy[runs], 1, BUY_MAX + 1, "buy of a reward by runs")
    within(r.dimension, 0, len(DIMENSIONS), "dimension")
    measured = np.isin(r.kind, [Kind.AMOUNT_MEASURE, Kind.PRICE_MEASURE])
    pers = [1_000 * factor * hundreds for _, _, factor in UNITS for hundreds in (1, 100)]
    require(np.isin(r.per[measured], pers).all(), "per is no unit's")
    within(r.zone, -1, zones, "zone")
    require(((r.window_by_zone == 0) | (r.window_by_zone == 1)).all(), "window_by_zone is out of bounds")
    within(r.window, 0, r.windows.shape[0], "window")
    within(r.window[r.window_by_zone == 1], 0, r.windows.shape[0] - zones + 1, "window by zone")
    within(r.codes, -1, len(ruleset.code_set_names), "codes")
    require(ruleset.promotion_names[:] == tuple(_chained(block.names for block in ruleset.blocks)), "other names")
    ranges(r.slot_begin, promotions, r.slots.shape[0], "slots")
    ranges(r.place_any_begin, promotions, r.place_any.shape[0], "places")
    ranges(r.place_not_begin, promotions, r.place_not.shape[0], "places")
    ranges(r.audience_any_begin, promotions, r.audience_any.shape[0], "audience")
    ranges(r.audience_not_begin, promotions, r.audience_not.shape[0], "audience")
    ranges(r.role_begin, rewards, r.roles.shape[0], "roles")
    within(np.diff(r.role_begin), 0, ROLES_MAX + 1, "roles of a promotion")
    within(r.roles[:, 0], 0, sets, "set of a role")
    within(r.roles[:, 1], 1, BUY_MAX + 1, "units of a role")
    within(r.roles[:, 2], 0, 9, "bits of a role")
    within(r.roles[:, 3], 0, 2, "rewarded")
    require(len(r.by_measure) == len(r.roles), "needs by measure are not those of the roles")
    within(r.by_measure[:, 0], 0, NUMBER_MAX, "measure of a role")
    within(r.by_measure[:, 1], 0, len(DIMENSIONS), "dimension of a role")
    within(r.by_measure[:, 2], 0, len(UNITS), "unit of a role")
    ranges(r.ladder_begin, rewards, r.ladder.shape[0], "ladder")
    ranges(r.except_begin, rewards, r.excepted.shape[0], "except")
    ranges(r.reason_begin, rewards, r.reasons.shape[0], "reasons")
    ranges(r.limit_begin, promotions, r.limits.shape[0], "limits")
    ranges(r.term_begin, promotions, r.terms.shape[0], "terms")
    ranges(r.conflict_begin, promotions, r.conflicts.shape[0], "conflicts")
    within(r.each, 0, 4, "each")
    within(r.per_article, 0, BUY_MAX + 1, "per_article")
    owner = _verify_terms(ruleset)
    for array in (r.place_any, r.place_not):
        within(array, 0, places, "place")
    for array in (r.audience_any, r.audience_not, r.needed):
        within(array, 0, segments, "segment")
    within(r.excepted, 0, sets, "except")
    within(r.reasons, 0, len(ruleset.symbols), "reason")
    within(r.ladder[:, 0], 0, BUY_MAX, "position of a step")
    within(r.ladder[:, 1], 0, 10_001, "percent of a step")
    within(r.ladder[:, 2], -1, amounts, "amount of a step")
    within(r.limits[:, 0], 0, len(Counted), "limit")
    within(r.limits[:, 1], 0, COUNTER_MAX + 1, "count of a limit")
    within(r.limits[:, 2], -1, amounts, "amount of a limit")
    within(r.limits[r.limits[:, 0] == Counted.SAVING, 2], 0, amounts, "amount of a limit")
    within(r.limits[:, 3], 0, len(Scope), "scope")
    require((r.slots[:, :2] >= 0).all() and (r.slots[:, :2] < 1 << 7).all(), "a slot has other days than a week")
    within(r.holidays[:, 0], -NUMBER_MAX, NUMBER_MAX, "day of a holiday")
    within(r.holidays[:, 1], -1, len(ruleset.symbols), "region of a holiday")
    order = np.lexsort((r.holidays[:, 1], r.holidays[:, 0]))
    require((order == np.arange(r.holidays.shape[0])).all(), "holidays do not ascend")
    ranges(r.zone_begin, zones, r.transitions.shape[0], "zones")
    require((np.diff(r.zone_begin) >= 1).all(), "a zone has no transitions")
    within(r.transitions[:, 0], -NUMBER_MAX, NUMBER_MAX, "transitions")
    within(r.transitions[:, 1], -OFFSET_MAX_S, OFFSET_MAX_S + 1, "offset of a zone")
    within(r.amounts, -1, AMOUNT_MAX + 1, "amounts")

    require(r.line_begin.shape == (promotions + 1,), "line_begin has the wrong length")
    require(ascends(r.line_begin) and 0 <= r.line_begin[0] and r.line_begin[-1] <= lines, "line_begin")
    for begin, owners in ((r.segment_begin, segments), (r.place_begin, places)):
        require(begin.shape == (owners + 1,) and ascends(begin), "lines of segments or places")
        require(0 <= begin[0] and begin[-1] <= lines, "lines of segments or places")
    ranges(r.lines, lines, r.code.shape[0], "lines")
    ranges(r.needed_begin, segments, r.needed.shape[0], "needed segments")
    require(sorted(r.place_order.tolist()) == list(range(places)), "place_order is no order of the places")
    _verify_code(ruleset, places)

    require(r.gives.shape == r.apply.shape == r.at_most.shape == r.original.shape == (groups,), "groups")
    within(r.apply, 0, len(Apply), "apply")
    within(r.gives, 0, 2, "gives")
    within(r.at_most, 0, NUMBER_MAX, "at_most")
    ranges(r.touch_begin, sets + lists, r.touch.shape[0], "touch")
    within(r.touch, 0, promotions, "touch")
    within(r.everywhere, 0, promotions, "everywhere")
    require(np.array_equal(r.by_entry, np.flatnonzero(r.kind == Kind.CASHIER)), "what the cashier enters")
    require(np.array_equal(r.entry_owner, owner[r.by_entry]), "whose it is what the cashier enters")
    require(r.code_uses.shape == (len(ruleset.code_set_names),), "code uses")
    within(r.code_uses, -1, COUNTER_MAX + 1, "code uses")
    require(r.code_exact.shape == r.code_uses.shape, "exact codes")
    within(r.code_exact, 0, 2, "exact codes")

    articles = len(ruleset.catalogue.index)
    require(ruleset.columns.fit(articles), "a column is not as long as its table")
    require(ruleset.all_stores.columns.fit(len(ruleset.stores.index)), "a column is not as long as its table")
    ranges(ruleset.posting_begin, articles, ruleset.posting.shape[0], "postings")
    within(ruleset.posting, 0, sets, "posting")
    require(ruleset.marks.shape == (articles,), "marks")
    within(ruleset.marks, 0, 1 << (FLOOR_SHIFT + len(ruleset.floors)), "marks")
    require(ruleset.store_zones.shape == (len(ruleset.stores.index),), "store zones")
    within(ruleset.store_zones, 0, zones, "store zone")
    require(ruleset.code_high.shape == ruleset.code_low.shape == ruleset.code_set.shape, "codes")
    within(ruleset.code_set, 0, len(ruleset.code_set_names), "code set")
    for array in (ruleset.posting_begin, ruleset.posting, ruleset.marks, ruleset.store_zones, ruleset.code_set):
        require(array.dtype == np.int64, "an array does not hold integers")
    require(ruleset.code_high.dtype == ruleset.code_low.dtype == np.uint64, "codes")
    _verify_shapes(ruleset, owner)
    _verify_conflicts(r)
    _verify_said(ruleset, owner)
    _verify_names(ruleset)
    _verify_attributes(ruleset)
    _verify_listed(ruleset)


def _verify_terms(ruleset: Ruleset) -> Ints:
    """Tiers and variants choose among rewards of their own promotion. Whose each reward is."""
    r = ruleset.rules
    promotions, rewards, amounts = len(ruleset.promotions), r.kind.shape[0], r.amounts.shape[0]
    counts = np.diff(r.term_begin)
    within(r.terms_by, 0, len(Terms), "terms_by")
    require(((counts > 0) == (r.terms_by != Terms.ONE)).all(), "tiers or variants are not there")
    for kind, most in (
        (Terms.ONE, 1),
        (Terms.WORTH, 3),
        (Terms.COUNT, 1),
        (Terms.MEASURE, len(UNITS)),
        (Terms.DRAWN, len(Subject)),
    ):
        within(r.terms_of[r.terms_by == kind], 0, most, "terms_of")
    by = np.repeat(r.terms_by, counts)
    drawn = by == Terms.DRAWN
    within(r.terms[:, 0], -1, rewards, "a tier's reward")
    within(r.terms[~drawn, 0], 0, rewards, "a tier's reward")
    within(r.terms[:, 1], 0, NUMBER_MAX, "quantity of a tier")
    within(r.terms[:, 2], -1, amounts, "amount of a tier")
    within(r.terms[by == Terms.WORTH, 2], 0, amounts, "amount of a tier")
    whose = np.repeat(np.arange(promotions), counts)
    named = r.terms[:, 0] >= 0
    rows, of = r.terms[named, 0], whose[named]
    owner = np.arange(rewards)
    owner[promotions:] = -1
    further = rows >= promotions
    require((rows[~further] == of[~further]).all(), "a tier has the reward of another promotion")
    require(len(np.unique(rows)) == len(rows), "two tiers have one reward")
    owner[rows[further]] = of[further]
    require((owner >= 0).all(), "a reward is nobody's")
    variants = r.terms_by == Terms.DRAWN
    require((r.arm == np.where(variants, np.cumsum(variants) - 1, -1)).all(), "variants are not numbered")
    arms = _lengths(ruleset)[:, 2]
    require(np.array_equal(counts[variants], arms[arms > 0]), "variants have no names")
    tiers = (r.terms_by[owner] != Terms.ONE) & (r.terms_by[owner] != Terms.DRAWN)
    require((r.each[owner] == r.each)[tiers].all(), "tiers of one promotion are read in two ways")
    require((r.buy[owner] == r.buy).all(), "variants of one promotion buy different numbers")
    return owner


def _verify_said(ruleset: Ruleset, owner: Ints) -> None:
    """Every amount of rewards and limits is said in the currencies in which a promotion runs."""
    r = ruleset.rules

    def said(promotions: Ints, rows: Ints, what: str) -> None:
        for currency in range(len(ruleset.currencies)):
            asked = (r.currencies[promotions] >> currency) & 1 == 1
            within(r.amounts[rows[asked], currency], 0, AMOUNT_MAX + 1, what)

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
        ruleset.segment_names,
        ruleset.code_set_names,
        ruleset.zone_names,
        ruleset.group_names,
        schema.channels,
        schema.services,
        schema.payments,
        ruleset.currencies,
    ):
        require(all(isinstance(name, str) for name in names), "a name is no text")
        require(len(set(names)) == len(names), "a name stands twice")
    require(ruleset.currencies and all(c in EXPONENTS for c in ruleset.currencies), "a currency is none")
    steps = [amount.value for amount in ruleset.settings.cash_rounding]
    require(all(0 < step <= AMOUNT_MAX for step in steps), "a step of cash rounding is out of bounds")
    require(max(len(ruleset.currencies), len(schema.channels)) <= NAMES_MAX, "too many channels or currencies")
    for mark, sets in ruleset.guards:
        floors = [1 << (FLOOR_SHIFT + number) for number in range(len(ruleset.floors))]
        require(isinstance(mark, int) and (0 < mark < 16 or mark in floors), "a guard's mark is unknown")
        require(all(name in ruleset.sets for name in sets), "a guard's product set is not there")
    written = np.diff(r.line_begin), np.diff(r.limit_begin)
    require(np.array_equal(_lengths(ruleset)[:, :2], np.stack(written, axis=1)), "a promotion's clauses differ")


def _lengths(ruleset: Ruleset) -> Ints:
    """Of each promotion how many conditions, limits and variants have a text."""
    return np.concatenate([np.zeros((0, 3), np.int64), *(block.lengths for block in ruleset.blocks)])


def _chained(parts: Iterable[Iterable[Any]]) -> Iterator[Any]:
    return chain.from_iterable(parts)


def _verify_listed(ruleset: Ruleset) -> None:
    """Which price lists name an article is what they say."""
    names, begin, on = ruleset.listed, ruleset.listed_begin, ruleset.listed_on
    names.check()
    require(begin.dtype == on.dtype == np.int64 and on.ndim == 1, "price lists by article")
    ranges(begin, len(names.index), on.shape[0], "price lists by article")
    found: dict[str, list[int]] = {}
    for number, table in enumerate(ruleset.price_lists):
        for article in table.index:
            found.setdefault(article, []).append(number)
    require(len(found) == len(names.index), "price lists by article")
    require(all(ruleset.lists_of(article) == numbers for article, numbers in found.items()), "price lists by article")


def _verify_attributes(ruleset: Ruleset) -> None:
    """Conditions ask for attributes that are declared, and what can be asked of their type."""
    types = {name: a.type for name, a in ruleset.attributes.items()}
    require(len(types) == len(ruleset.schema.attributes), "an attribute is declared twice")
    events = {e.name: {f"{e.name}.{a.name}": a.type for a in e.attributes} for e in ruleset.schema.events}
    require(len(events) == len({e.one for e in ruleset.schema.events}) == len(ruleset.schema.events), "two events")
    for event in ruleset.schema.events:
        require(len(events[event.name]) == len(event.attributes), "an attribute of an event is declared twice")
        for of_event in event.attributes:
            _verify_default(of_event)
    for attribute in ruleset.schema.attributes:
        _verify_default(attribute)
    of_money = {name for name, kind in types.items() if name.startswith("item.") and kind is Type.MONEY}
    require(all(name == PRICE or name in of_money for name in ruleset.floors), "a floor is no amount of an article")
    require(len(ruleset.floors) <= FLOORS_MAX, "there are too many floors")
    types |= dict.fromkeys(("item.sku", "customer.id", "store.id", "payment", "delivery"), Type.TEXT)
    types |= {"item.price": Type.MONEY, "basket.lines": Type.NUMBER}
    for slot in ruleset.slots:
        match slot.condition:
            case Consent():
                continue
            case Happened() | SumOf() | NthOrder() | Refresh():
                _verify_events(slot.condition, events, ruleset.sets)
            case None | Under() | StartsWith() | Has() | Age() | Anniversary():
                require(
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
                require(node.of == "products", "a product set is not there")
            case Compare() | CompareMoney() | OneOf() | Known() | Under() | StartsWith() | Has():
                require(node.attribute.startswith("item."), "a product set asks for what is no article's")
                _verify_asked(types, node.attribute, node)
            case _:
                raise ImageRejected(f"a product set cannot ask for {node.kind}")

    for block in ruleset.set_blocks:
        if block.types != types:
            sets = block.all()
            for found in sets:
                for line in found.lines:
                    walk(line.condition)
            block.needs = {one.name: needs_of(one) for one in sets}
            block.types = types
    needs = {name: one for block in ruleset.set_blocks for name, one in block.needs.items()}
    require(ruleset.set_names[:] == tuple(needs), "other names")
    require(all(name in needs for one in needs.values() for name in one.sets), "a product set is not there")
    dynamic = dynamic_sets(needs, ruleset.schema.attributes, ruleset.currencies)
    require(dynamic == ruleset.dynamic_sets.keys(), "other sets that only a request can tell")


def _verify_default(attribute: Attribute | EventAttribute) -> None:
    """A default has the type of its attribute."""
    textual = attribute.type in (Type.TEXT, Type.TEXTS)
    if attribute.default is not None:
        require(attribute.type is not Type.TEXTS, "a list of texts has a default")
        require(isinstance(attribute.default, str) == textual, "a default has another type")
        require(textual or abs(int(attribute.default)) <= NUMBER_MAX, "a default is out of bounds")


def _verify_events(
    node: Happened | SumOf | NthOrder | Refresh,
    declared: Mapping[str, Mapping[str, Type]],
    sets: Mapping[str, ProductSet],
) -> None:
    """A condition on events asks for what is declared, and its numbers are within bounds."""

    def window(asked: Window) -> None:
        if isinstance(asked, InTheLast):
            for length in (asked.length, asked.but_not):
                require(length is None or _is_length(length), "a length of time is out of bounds")

    def events(asked: EventOf) -> None:
        require(asked.event in declared, "an event is not declared")
        require(asked.of is None or asked.of in sets, "a product set is not there")
        for comparison in asked.where:
            _verify_asked(declared[asked.event], comparison.attribute, comparison)

    match node:
        case Happened():
            events(node.events)
            window(node.window)
            low, high = (node.low or 0, NUMBER_MAX if node.high is None else node.high)
            require(0 <= low <= high <= NUMBER_MAX, "a number of events is out of bounds")
            require(len(node.then) <= STEPS_MAX, "too many steps of «then»")
            for step in node.then:
                events(step.events)
                require(_is_length(step.within), "a length of time is out of bounds")
        case SumOf():
            events(node.events)
            window(node.window)
            attributes = declared[node.events.event]
            require(attributes.get(node.attribute) in (Type.NUMBER, Type.MONEY), f"{node.attribute} has no sum")
            money = attributes[node.attribute] is Type.MONEY
            of_total = money and node.attribute.endswith(".total")
            require(node.events.of is None or of_total, f"{node.attribute} is not known of articles")
            for comparison in node.holds:
                require(comparison.attribute == node.attribute, "a sum is compared with something else")
                require(isinstance(comparison, Compare | CompareMoney | OneOf | Known), "a sum is compared so")
                _verify_asked(attributes, comparison.attribute, comparison)
                require(not money or isinstance(comparison, CompareMoney | Known), "a sum of money is no number")
        case NthOrder():
            events(EventOf(event=node.event))
            require(1 <= node.nth <= NUMBER_MAX, "an order's number is out of bounds")
        case Refresh():
            require(node.daily is None or 0 <= node.daily < 86_400, "a time of day is out of bounds")


def _is_length(length: Length) -> bool:
    return 0 <= length.count <= LENGTH_MAX


def _verify_asked(types: Mapping[str, Type], attribute: str, node: Condition | None) -> None:
    """Whether a condition can be asked of an attribute."""
    require(attribute in types, f"the attribute {attribute} is not declared")
    kind = types[attribute]
    values: tuple[Scalar, ...] = ()
    match node:
        case Under() | StartsWith():
            require(kind is Type.TEXT, f"{attribute} is no text")
        case Has():
            require(kind is Type.TEXTS, f"{attribute} is no list of texts")
        case Age():
            require(kind is Type.DATE and 0 <= node.count <= NUMBER_MAX, f"{attribute} is no date")
        case Anniversary():
            require(kind is Type.DATE, f"{attribute} is no date")
            require((node.span is None) != (node.within is None), "an anniversary has one nearness")
            near = node.within
            calendar = near is None or (near.unit not in ("minute", "hour") and _is_length(near))
            require(calendar, "an anniversary's nearness is out of bounds")
        case CompareMoney():
            require(kind is Type.MONEY, f"{attribute} is no amount")
            values = tuple(abs(amount.value) * 1_000_000 for amount in node.value)
        case Compare():
            require(kind is not Type.TEXT or node.op in ("eq", "ne"), f"{attribute} is a text")
            values = (node.value,)
        case OneOf():
            values = node.values
        case _:
            return
    if isinstance(node, Compare | OneOf):
        require(kind is not Type.TEXTS, f"{attribute} is a list of texts")
        require(all(isinstance(v, str) == (kind is Type.TEXT) for v in values), f"{attribute} has another type")
    require(all(isinstance(v, str) or abs(v) <= NUMBER_MAX for v in values), "a number is out of bounds")


def _verify_shapes(ruleset: Ruleset, owner: Ints) -> None:
    """Rewards fit their groups: what combine.py relies on."""
    r = ruleset.rules
    group = r.group[owner]
    per_item = np.isin(r.apply[group], [Apply.BEST_PER_ITEM, Apply.FIRST_PER_ITEM])
    together = np.isin(r.kind, [Kind.PERCENT_TOGETHER, Kind.AMOUNT_TOGETHER, Kind.PRICE_WHOLE])
    whole = r.kind == Kind.PRICE_WHOLE
    require((r.target_kind[whole] == Target.BASKET).all() and not r.buy[whole].any(), "a price of all is of a set")
    require(not r.each[whole].any(), "a price of all is of each unit")
    of_fees = np.isin(r.kind, [Kind.FREE_SERVICE, Kind.FEE_PERCENT, Kind.FEE_AMOUNT, Kind.FEE_PRICE])
    require((of_fees == (r.target_kind == Target.SERVICE)).all(), "a target does not fit")
    require((r.target[r.target_kind == Target.BASKET] == -1).all(), "the basket is no product set")
    rewarded = _verify_roles(r)
    of_one_set = (r.buy > 0) & (np.diff(r.role_begin) == 1)
    one_article = (r.roles[:, 2] & Role.ONE_ARTICLE) > 0
    alike = ~of_one_set & (r.buy > 0) & (_sums(one_article, r.role_begin) > 0)
    together &= ~((rewarded & (r.kind == Kind.AMOUNT_TOGETHER)) | ((r.buy > 0) & ~rewarded & ~alike))
    require(not (per_item & together).any(), "a reward off a set together stands in a per-item group")
    next_code = r.kind == Kind.NEXT_CODE
    require((next_code == (r.target_kind == Target.CODES)).all(), "a target does not fit")
    benefit = of_fees | next_code | np.isin(r.kind, [Kind.TIMES_POINTS, Kind.FIXED_POINTS, Kind.GIFT])
    require((benefit == (r.gives[group] == 1)).all(), "a reward does not fit its group")
    require(not (benefit & (np.diff(r.role_begin) > 0)).any(), "a benefit is of bought units")
    cashier = r.kind == Kind.CASHIER
    require((r.target_kind[cashier] == Target.BASKET).all(), "what the cashier enters is of a set")
    require(((np.diff(r.reason_begin) > 0) == cashier).all(), "what the cashier enters has a reason")
    _verify_points(ruleset, owner)
    bought = (r.each > 0) & (np.diff(r.role_begin) > 0)
    require(
        (of_one_set & (r.kind == Kind.AMOUNT_TOGETHER) & (r.each == Each.ARTICLE))[bought].all(), "a buy is read apart"
    )
    require(not (rewarded | (r.per_article > 0))[bought].any(), "others are rewarded for each article")
    require(not r.by_measure[r.role_begin[:-1][bought], 0].any(), "a buy by measure is read for each article")
    piecewise = [Kind.PERCENT, Kind.AMOUNT_EACH, Kind.PRICE_EACH, Kind.PRICE_MEASURE, Kind.PICK, Kind.LADDER]
    for number in np.flatnonzero((r.per_article > 0) & (np.diff(r.role_begin) > 0)).tolist():
        rows = slice(int(r.role_begin[number]), int(r.role_begin[number + 1]))
        plain = not r.by_measure[rows, 0].any() and (r.roles[rows, 2] < Role.CHEAPEST).all()
        require(r.kind[number] in piecewise and plain, "so many of each article of a buy as a whole")
    listed = r.kind == Kind.PRICE_LIST
    require(not ((np.diff(r.role_begin) > 0) | (r.each > 0))[listed].any(), "a price list is bought, or in tiers")
    priced = [Kind.PERCENT, Kind.PERCENT_TOGETHER, Kind.AMOUNT_EACH, Kind.AMOUNT_TOGETHER, Kind.AMOUNT_MEASURE]
    priced += [Kind.PRICE_EACH, Kind.PRICE_MEASURE, Kind.PRICE_LIST, Kind.PICK, Kind.LADDER]
    require(np.isin(r.kind[r.per_article > 0], priced).all(), "a price of all is read for each article")
    tiers = np.isin(r.terms_by[owner], [Terms.WORTH, Terms.COUNT, Terms.MEASURE])
    require((r.target[tiers] == r.target[owner[tiers]]).all(), "tiers of different sets")
    require((benefit[tiers] == benefit[owner[tiers]]).all(), "tiers of discounts and benefits")
    benefits = r.apply[r.gives == 1]
    within(benefits, 0, len(Apply), "apply")
    require(not np.isin(benefits, [Apply.BEST, Apply.BEST_PER_ITEM, Apply.FIRST_PER_ITEM]).any(), "benefits")


def _verify_conflicts(r: Rules) -> None:
    """Only prices are exclusive; promotions that exclude each other are of one kind, and both know it."""
    within(r.exclusive, 0, 2, "exclusive")
    require((r.gives[r.group[r.exclusive == 1]] == 0).all(), "a benefit is exclusive")
    promotions = r.group.shape[0]
    within(r.conflicts, 0, promotions, "conflicts")
    owners = np.repeat(np.arange(promotions), np.diff(r.conflict_begin))
    require((r.gives[r.group[owners]] == r.gives[r.group[r.conflicts]]).all(), "a price excludes a benefit")
    pairs = owners * promotions + r.conflicts
    require((np.diff(pairs) > 0).all(), "conflicts do not ascend")
    require((owners != r.conflicts).all(), "a promotion excludes itself")
    require(
        (np.sort(r.conflicts * promotions + owners) == pairs).all(), "of two promotions only one excludes the other"
    )


def _verify_points(ruleset: Ruleset, owner: Ints) -> None:
    """Points are within bounds, and multiplied only where there are some."""
    r, base = ruleset.rules, ruleset.settings.points
    fixed, times = r.kind == Kind.FIXED_POINTS, r.kind == Kind.TIMES_POINTS
    within(r.number, 0, FIXED_POINTS_MAX + 1, "number")
    within(r.number[fixed], 1, FIXED_POINTS_MAX + 1, "points")
    within(r.number[r.kind == Kind.GIFT], 1, FIXED_POINTS_MAX + 1, "gifts")
    within(r.choice, -1, len(ruleset.set_names), "gifts")
    require(((r.choice >= 0) == (r.kind == Kind.GIFT)).all(), "gifts without a choice")
    within(r.number[times], 101, FACTOR_MAX + 1, "times points")
    said = {} if base is None else {amount.currency: amount.value for amount in base.per}
    require(all(0 < value <= AMOUNT_MAX for value in said.values()), "an amount of the base points")
    mask = sum(1 << i for i, currency in enumerate(ruleset.currencies) if currency in said)
    require(not (r.currencies[owner[times]] & ~mask).any(), "points are multiplied, and there are none")


def _sums(rows: npt.NDArray[Any], begin: Ints) -> Ints:
    """Of each owner the sum over its rows."""
    ends = np.concatenate((np.zeros(1, np.int64), np.cumsum(rows, dtype=np.int64)))
    sums: Ints = ends[begin[1:]] - ends[begin[:-1]]
    return sums


def _verify_roles(r: Rules) -> npt.NDArray[np.bool_]:
    """The roles of each reward: needs, then at most one that is rewarded. Whether there is that one."""
    roles, begin, kind = r.roles, r.role_begin, r.kind
    count = np.diff(begin)
    need = roles[:, 3] == 0
    last = np.zeros(len(roles), np.bool_)
    last[begin[1:][count > 0] - 1] = True
    require((need | last).all(), "a need of a buy is rewarded")
    rewarded: npt.NDArray[np.bool_] = _sums(~need, begin) > 0
    require((_sums(np.where(need, roles[:, 1], 0), begin) == r.buy).all(), "buy is not what its needs sum up to")
    fits = np.isin(kind, (Kind.PERCENT, Kind.AMOUNT_EACH, Kind.AMOUNT_TOGETHER, Kind.PRICE_EACH))
    require(fits[rewarded].all(), "a reward of so many of a set is of another kind")
    singles = kind == Kind.PRICE_SINGLES
    require(not (singles & ~rewarded & (count > 1)).any(), "singles too have one need")
    picked = np.isin(roles[:, 2], (Role.CHEAPEST, Role.DEAREST))
    require((picked | (roles[:, 2] < Role.CHEAPEST)).all(), "bits of a role")
    alone = (count == 1) & rewarded & np.isin(kind, (Kind.PERCENT, Kind.AMOUNT_EACH))
    require(not (~alone & (_sums(picked, begin) > 0)).any(), "the cheapest of a set are bought")
    require(not (roles[need, 2] & Role.FEWER_TOO).any(), "fewer of a need would do")
    by_place = rewarded | np.isin(kind, (Kind.PICK, Kind.LADDER))
    of_one_article = (roles[:, 2] & Role.ONE_ARTICLE) > 0
    alike = _sums(of_one_article & need, begin) > 0
    require(not ((_sums(need, begin) > 1) & alike & by_place).any(), "one article of one of several needs")
    require(not (singles & (_sums(roles[:, 2] != 0, begin) > 0)).any(), "singles too are of any article")
    rows = r.by_measure[:, 0] > 0
    measured = _sums(rows, begin) > 0
    taken = rewarded | np.isin(kind, (Kind.PERCENT, Kind.PRICE_MEASURE))
    require(taken[measured].all(), "a reward of what is bought by measure is of another kind")
    require((roles[rows, 1:4] == [1, 0, 0]).all(), "a need by measure is one of units")
    require(not (measured & (_sums(of_one_article, begin) > 0)).any(), "one article, of a buy by measure")
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
                require(0 <= a <= depth, "a condition takes more truths than there are")
                depth -= a
            elif op in (Op.COMPARE, Op.MONEY, Op.ONE_OF, Op.KNOWN, Op.TRUTH):
                require(0 <= a < slots, "a condition asks for a fact that is not there")
                require(op not in (Op.COMPARE, Op.MONEY) or 0 <= b < len(Cmp), "a comparison is unknown")
                require(op != Op.MONEY or 0 <= c < amounts, "a condition's amount is not there")
                require(op != Op.ONE_OF or 0 <= b <= c <= pool, "a condition's list is not there")
            elif op in (Op.WORTH, Op.COUNT, Op.MEASURE):
                require(of_promotions[line], "a segment or place asks for the basket")
                require(-1 <= a < sets and (a >= 0 or op == Op.WORTH), "a condition's product set is not there")
                require(op != Op.WORTH or (-1 <= b < amounts and -1 <= c < amounts), "an amount of a worth")
                require(op != Op.WORTH or (0 <= d < 16 and d & 3 < 3), "a worth is counted in another way")
                require(op != Op.COUNT or 0 <= d <= 2, "units are counted in another way")
                require(op != Op.MEASURE or 0 <= d < len(UNITS), "a measure")
            else:
                require(op in (Op.SEGMENT, Op.PLACE), "an instruction is unknown")
                require(0 <= a < (segments if op == Op.SEGMENT else places), "a segment or place is not there")
            depth += 1
            require(depth <= STACK_MAX, f"a condition needs more than {STACK_MAX} places")
        require(depth == 1, "a line of conditions does not leave one truth")
