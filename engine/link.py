"""Programs → image: names become numbers, conditions become code, articles know their product sets.

    link(programs) -> Image

Promotions are numbered by name, product sets by name, groups by sequence; so the same Programs give the same image in
whatever order they come. Programs are trusted to be checked (dsl/check.py); what does not resolve raises LinkError.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.basket import UNITS
from engine.image import NAMES_MAX, Image, Json, encode_part, json_of, manifest
from engine.instructions import (
    DIMENSIONS,
    FALSE,
    Apply,
    Cmp,
    Counted,
    Kind,
    Mark,
    Op,
    Scope,
    Target,
)
from engine.layout import R_SLOT_BEGIN, RULES, pack
from engine.money import micros_per_minor
from engine.program import (
    Age,
    All,
    AmountOffEach,
    AmountOffMeasure,
    AmountOffTogether,
    Anniversary,
    Any_,
    Buy,
    Catalogue,
    CodeSet,
    Column,
    Compare,
    CompareMoney,
    Condition,
    Consent,
    Count,
    EventOf,
    FixedPriceEach,
    FixedPriceMeasure,
    FreeService,
    Group,
    Guard,
    Happened,
    Has,
    Holidays,
    Known,
    Ladder,
    Line,
    Measured,
    Member,
    Money,
    None_,
    NthOrder,
    OneOf,
    PercentOff,
    PercentOffTogether,
    Pick,
    Place,
    PriceTogether,
    ProductSet,
    Program,
    Promotion,
    Refresh,
    Schema,
    Segment,
    Settings,
    Slot,
    StartsWith,
    Stores,
    SumOf,
    Type,
    Under,
    Worth,
    Zone,
)
from engine.program import (
    Target as TargetNode,
)
from engine.reuse import Reuse
from engine.sets import Evaluator, Values, dynamic_sets, int_values, text_values

FAR_PAST_US, FAR_FUTURE_US = -(2**62), 2**62  # «runs» without a bound
REGION = "store.region"  # holidays of a region are those of its stores
BUILT_IN = {"item.sku", "item.price", "customer.id", "store.id", "basket.lines", "payment", "delivery"}
CMPS = {"eq": Cmp.EQ, "ne": Cmp.NE, "lt": Cmp.LT, "le": Cmp.LE, "gt": Cmp.GT, "ge": Cmp.GE}
APPLIES = {
    "all": Apply.ALL,
    "best": Apply.BEST,
    "best-per-item": Apply.BEST_PER_ITEM,
    "first": Apply.FIRST,
    "first-per-item": Apply.FIRST_PER_ITEM,
    "at-most": Apply.AT_MOST,
}
COUNTED = {"uses": Counted.USES, "baskets": Counted.BASKETS, "saving": Counted.SAVING}
SCOPES = {
    "basket": Scope.BASKET,
    "customer": Scope.CUSTOMER,
    "household": Scope.HOUSEHOLD,
    "store": Scope.STORE,
    "code": Scope.CODE,
    "total": Scope.TOTAL,
}


class LinkError(Exception):
    """Programs that do not fit together; the checker should have said so. Names what is missing."""


def link(programs: Iterable[Program], reuse: Reuse | None = None) -> Image:
    """The image of a ruleset. Raises LinkError for Programs that do not fit together.

    What `reuse` holds of an earlier link makes it quicker; the image is the same."""
    reuse = reuse or Reuse()
    try:
        linker = _Linker(tuple(programs), reuse)
        parts = {
            "rules": linker.rules_part(),
            "catalogue": linker.catalogue_part(),
            "stores": linker.stores_part(),
            "postings": linker.postings_part(),
            "codes": linker.codes_part(),
        }
    except OverflowError as error:
        raise LinkError(f"a number is too large: {error}") from error
    finally:
        reuse.ended()
    return Image(manifest(parts), {hashlib.sha256(part).hexdigest(): part for part in parts.values()})


def ints(rows: Sequence[Any], columns: int = 0) -> npt.NDArray[np.int64]:
    """An int64 array; with `columns` of that many columns also when it is empty."""
    array = np.array(rows, np.int64)
    return array.reshape(-1, columns) if columns else array


class _Lists:
    """Lists of rows of many owners, one after the other, with where each begins."""

    def __init__(self, columns: int = 0) -> None:
        self.begin = [0]
        self.rows: list[Any] = []
        self.columns = columns

    def add(self, rows: Iterable[Any]) -> None:
        self.rows += rows
        self.begin.append(len(self.rows))


def code_key(code: str) -> tuple[int, int]:
    """What an image keeps of a normalised code: the first 16 bytes of its SHA-256, as two numbers."""
    digest = hashlib.sha256(code.encode()).digest()
    return int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:16], "big")


def normalise_code(code: str) -> str:
    """Codes compare without surrounding blanks and ASCII case."""
    return "".join(c.upper() if "a" <= c <= "z" else c for c in code.strip(" \t\r\n"))


class _Linker:
    def __init__(self, programs: tuple[Program, ...], reuse: Reuse) -> None:
        self.reuse = reuse

        def named(kind: type[Any]) -> dict[str, Any]:
            all_of_kind = [p for p in programs if isinstance(p, kind)]
            found = {p.name: p for p in all_of_kind}
            if len(found) < len(all_of_kind):
                raise LinkError(f"two of {kind.__name__} have one name")
            return {name: found[name] for name in sorted(found, key=str.encode)}

        def only(kind: type[Any], default: Any) -> Any:
            found = [p for p in programs if isinstance(p, kind)]
            if len(found) > 1 or (not found and default is None):
                raise LinkError(f"a ruleset has one {kind.__name__}, this one has {len(found)}")
            return found[0] if found else default

        self.settings: Settings = only(Settings, None)
        self.schema: Schema = only(Schema, Schema(attributes=()))
        self.catalogue: Catalogue = only(Catalogue, Catalogue(articles=(), columns=()))
        self.stores: Stores = only(Stores, Stores(ids=(), zones=(), columns=()))
        self.holidays: Holidays = only(Holidays, Holidays(days=(), regions=()))
        self.sets: dict[str, ProductSet] = named(ProductSet)
        self.places: dict[str, Place] = named(Place)
        self.segments: dict[str, Segment] = named(Segment)
        self.guards: dict[str, Guard] = named(Guard)
        self.code_sets: dict[str, CodeSet] = named(CodeSet)
        self.promotions: dict[str, Promotion] = named(Promotion)
        self.zones: dict[str, Zone] = named(Zone)
        self.groups: list[Group] = sorted(named(Group).values(), key=lambda g: g.position)
        for names in (self.schema.channels, self.settings.currencies):
            if len(names) > NAMES_MAX:
                raise LinkError(f"there are {len(names)} channels or currencies; at most {NAMES_MAX} are taken")
        if self.settings.timezone not in self.zones:
            raise LinkError(f"the zone {self.settings.timezone} is missing")

        self.set_id = {name: i for i, name in enumerate(self.sets)}
        self.place_id = {name: i for i, name in enumerate(self.places)}
        self.segment_id = {name: i for i, name in enumerate(self.segments)}
        self.code_set_id = {name: i for i, name in enumerate(self.code_sets)}
        self.zone_id = {name: i for i, name in enumerate(self.zones)}
        self.channel_id = {name: i for i, name in enumerate(self.schema.channels)}
        self.group_id = {g.name: i for i, g in enumerate(self.groups)}

        self.attributes = {f"{a.entity}.{a.name}" for a in self.schema.attributes} | BUILT_IN
        self.event_attributes = {e.name: {f"{e.name}.{a.name}" for a in e.attributes} for e in self.schema.events}
        for name in self.sets:
            self.check_set(name, (), set())

        self.rank: dict[str, int] = {}  # in the declared order of its group
        for group in self.groups:
            names = [n for n, p in self.promotions.items() if p.group == group.name]
            first = [n for n in group.order if n in names]
            declared = first + sorted(set(names) - set(first), key=str.encode)
            self.rank |= {name: i for i, name in enumerate(declared)}

        self.articles = reuse.equal("articles", self.catalogue.articles)
        self.instants: dict[tuple[str, int, bool], int] = {}  # most promotions begin and end with others
        self.amounts: dict[tuple[int, ...], int] = {}
        self.symbols: dict[str, int] = {}
        self.slots: dict[str, tuple[int, dict[str, Any]]] = {}
        self.pool: list[int] = []
        self.code = _Lists()

    def check_set(self, name: str, above: tuple[str, ...], checked: set[str]) -> None:
        """A product set and those that it asks for: they exist, as do their attributes, and none asks for itself."""
        if name in above:
            raise LinkError(f"«{name}» goes in a circle: {' -> '.join((*above, name))}")
        if name in checked:
            return

        def walk(node: Condition) -> None:
            match node:
                case All() | Any_() | None_():
                    for part in node.of:
                        walk(part)
                case Member(of="products"):
                    self.id(self.set_id, node.name, "product set")
                    self.check_set(node.name, (*above, name), checked)
                case Compare() | CompareMoney() | OneOf() | Known() | Under() | StartsWith() | Has():
                    self.declared(node.attribute)
                case _:
                    raise LinkError(f"a product set cannot ask for {node.kind}")

        for line in self.sets[name].lines:
            walk(line.condition)
        checked.add(name)

    def declared(self, attribute: str) -> None:
        if attribute not in self.attributes:
            raise LinkError(f"there is no attribute «{attribute}»")

    def id(self, table: Mapping[str, int], name: str, what: str) -> int:
        if name not in table:
            raise LinkError(f"there is no {what} «{name}»")
        return table[name]

    def amount(self, money: Money) -> int:
        """The row of an amount said in some currencies; -1 for none."""
        if not money:
            return -1
        said = {a.currency: a.value for a in money}
        row = tuple(said.get(c, -1) for c in self.settings.currencies)
        return self.amounts.setdefault(row, len(self.amounts))

    def symbol(self, text: str) -> int:
        return self.symbols.setdefault(text, len(self.symbols))

    def slot(self, attribute: str, condition: Condition | None = None) -> int:
        """The slot of an attribute's value, or of the truth of a condition (on an attribute, or on none: "")."""
        if attribute:
            self.declared(attribute)
        key = attribute if condition is None else condition.model_dump_json()
        data = {"attribute": attribute, "condition": condition and condition.model_dump(mode="json")}
        return self.slots.setdefault(key, (len(self.slots), data))[0]

    # ------------------------------------------------------------------------------------------------ conditions

    def lines(self, lines: Iterable[Line]) -> tuple[int, int]:
        """Code for lines, all of which must hold; their rows."""
        first = len(self.code.begin) - 1
        for line in lines:
            self.code.add(self.emit(line.condition))
        return first, len(self.code.begin) - 1

    def emit(self, node: Condition) -> list[tuple[int, int, int, int, int]]:
        """Postfix code of a condition."""
        match node:
            case All() | Any_() | None_():
                op = {"all": Op.ALL, "any": Op.ANY, "none": Op.NONE}[node.kind]
                return [row for part in node.of for row in self.emit(part)] + [(op, len(node.of), 0, 0, 0)]
            case Compare():
                value = self.symbol(node.value) if isinstance(node.value, str) else node.value
                return [(Op.COMPARE, self.slot(node.attribute), CMPS[node.op], value, 0)]
            case CompareMoney():
                return [(Op.MONEY, self.slot(node.attribute), CMPS[node.op], self.amount(node.value), 0)]
            case OneOf():
                begin = len(self.pool)
                self.pool += sorted(self.symbol(v) if isinstance(v, str) else v for v in node.values)
                return [(Op.ONE_OF, self.slot(node.attribute), begin, len(self.pool), int(node.negated))]
            case Known():
                return [(Op.KNOWN, self.slot(node.attribute), int(node.known), 0, 0)]
            case Under() | StartsWith() | Has() | Age() | Anniversary():
                return [(Op.TRUTH, self.slot(node.attribute, node), 0, 0, 0)]
            case Happened() | SumOf() | NthOrder() | Refresh():
                self.check_events(node)
                return [(Op.TRUTH, self.slot("", node), 0, 0, 0)]
            case Consent():
                return [(Op.TRUTH, self.slot("", node), 1, 0, 0)]
            case Member(of="segment"):
                return [(Op.SEGMENT, self.id(self.segment_id, node.name, "segment"), int(node.negated), 0, 0)]
            case Member(of="place"):
                return [(Op.PLACE, self.id(self.place_id, node.name, "place"), int(node.negated), 0, 0)]
            case Worth():
                of = -1 if node.of is None else self.id(self.set_id, node.of, "product set")
                basis = ("group", "list", "current").index(node.basis)
                return [(Op.WORTH, of, self.amount(node.low), self.amount(node.high), basis)]
            case Count():
                low, high = (-1 if bound is None else bound for bound in (node.low, node.high))
                return [(Op.COUNT, self.id(self.set_id, node.of, "product set"), low, high, int(node.one_article))]
            case Measured():
                factor = UNITS[node.unit][1]
                low, high = (-1 if bound is None else bound * factor for bound in (node.low, node.high))
                of = self.id(self.set_id, node.of, "product set")
                return [(Op.MEASURE, of, low, high, list(UNITS).index(node.unit))]
            case _:
                raise LinkError(f"a condition of the basket or customer cannot ask for {node.kind}")

    def check_events(self, node: Happened | SumOf | NthOrder | Refresh) -> None:
        """The events, attributes and product sets that a condition asks for are declared."""
        asked: list[EventOf] = []
        match node:
            case Happened():
                asked = [node.events, *(step.events for step in node.then)]
            case SumOf():
                asked = [node.events]
                if node.attribute not in self.event_attributes.get(node.events.event, ()):
                    raise LinkError(f"there is no attribute «{node.attribute}»")
            case NthOrder():
                asked = [EventOf(event=node.event)]
            case Refresh():
                pass
        for events in asked:
            if events.event not in self.event_attributes:
                raise LinkError(f"there is no event «{events.event}»")
            if events.of is not None:
                self.id(self.set_id, events.of, "product set")
            for comparison in events.where:
                if comparison.attribute not in self.event_attributes[events.event]:
                    raise LinkError(f"there is no attribute «{comparison.attribute}»")

    def segment(self, segment: Segment) -> int:
        """Code for the lines of a segment; the row behind them.

        Where facts that are too old make it unknown, that is any(all(lines, fresh), not fresh): `fresh` is true or
        unknown, never false, so the whole is its lines or unknown."""
        if segment.refresh is None:
            return self.lines(segment.lines)[1]
        fresh = self.emit(segment.refresh)
        code = list(fresh)
        for line in segment.lines:
            code += [*self.emit(line.condition), (Op.ALL, 2, 0, 0, 0)]
        self.code.add([*code, *fresh, (Op.NONE, 1, 0, 0, 0), (Op.ANY, 2, 0, 0, 0)])
        return len(self.code.begin) - 1

    # ------------------------------------------------------------------------------------------------ promotions

    def rules_part(self) -> bytes:
        columns: dict[str, list[int]] = {name: [] for name, _, _ in RULES[:R_SLOT_BEGIN]}
        lists = {
            "slot": _Lists(4),
            "place_any": _Lists(),
            "place_not": _Lists(),
            "audience_any": _Lists(),
            "audience_not": _Lists(),
            "ladder": _Lists(3),
            "except": _Lists(),
            "limit": _Lists(4),
        }
        windows: list[tuple[int, int]] = []
        line_begin = [0]
        info: list[str] = []
        limit_names: list[tuple[str, str]] = []
        for name, promotion in self.promotions.items():
            row = self.promotion_row(promotion, windows)
            for column, value in row.items():
                columns[column].append(value)
            lists["slot"].add(map(slot_row, promotion.only_on.slots) if promotion.only_on else ())
            places = promotion.places
            lists["place_any"].add([self.id(self.place_id, p, "place") for p in places.any_of] if places else [])
            lists["place_not"].add([self.id(self.place_id, p, "place") for p in places.but_not] if places else [])
            lists["audience_any"].add(self.id(self.segment_id, s, "segment") for s in promotion.audience.any_of)
            lists["audience_not"].add(self.id(self.segment_id, s, "segment") for s in promotion.audience.but_not)
            steps = promotion.reward.steps if isinstance(promotion.reward, Ladder) else ()
            lists["ladder"].add((s.nth - 1, s.percent, self.amount(s.amount)) for s in steps)
            lists["except"].add(sorted(self.id(self.set_id, s, "product set") for s in promotion.except_))
            lists["limit"].add(
                (COUNTED[limit.measure], limit.count, self.amount(limit.saving), SCOPES[limit.scope])
                for limit in promotion.limits
            )
            limit_names += [(name, limit.key) for limit in promotion.limits]
            line_begin.append(self.lines(promotion.when)[1])
            codes = self.code_sets[promotion.code.codes] if promotion.code else None
            info.append(self.reuse.of(("info", name), (promotion, codes), promotion_info))

        segment_begin = [line_begin[-1]] + [self.segment(segment) for segment in self.segments.values()]
        place_begin = [segment_begin[-1]] + [self.lines(place.lines)[1] for place in self.places.values()]
        needed = _Lists()
        for name in self.segments:
            needed.add(self.needed("segment", self.segments, self.segment_id, name, ()))
        touch = _Lists()
        kinds, targets = columns["target_kind"], columns["target"]
        by_set: dict[int, list[int]] = {}
        for number, (kind, target) in enumerate(zip(kinds, targets, strict=True)):
            if kind == Target.SET:
                by_set.setdefault(target, []).append(number)
        for set_id in range(len(self.sets)):
            touch.add(by_set.get(set_id, ()))
        zone_lists = _Lists(2)
        for zone in self.zones.values():
            zone_lists.add(zip(zone.instants, zone.offsets, strict=True))

        begins = {
            f"{name}_begin": ints(lists[name].begin)
            for name in ("slot", "place_any", "place_not", "audience_any", "audience_not", "ladder", "except", "limit")
        }
        arrays: dict[str, npt.NDArray[Any]] = {name: ints(values) for name, values in columns.items()}
        arrays |= begins
        arrays |= {
            "line_begin": ints(line_begin),
            "slots": ints(lists["slot"].rows, 4),
            "place_any": ints(lists["place_any"].rows),
            "place_not": ints(lists["place_not"].rows),
            "audience_any": ints(lists["audience_any"].rows),
            "audience_not": ints(lists["audience_not"].rows),
            "ladder": ints(lists["ladder"].rows, 3),
            "excepted": ints(lists["except"].rows),
            "limits": ints(lists["limit"].rows, 4),
            "windows": ints(windows, 2),
            "holidays": ints(self.holiday_rows(), 2),
            "zone_begin": ints(zone_lists.begin),
            "transitions": ints(zone_lists.rows, 2),
            "amounts": ints(list(self.amounts), len(self.settings.currencies)),
            "lines": ints(self.code.begin),
            "code": ints(self.code.rows, 5),
            "pool": ints(self.pool),
            "segment_begin": ints(segment_begin),
            "place_begin": ints(place_begin),
            "place_order": ints(self.place_order()),
            "needed_begin": ints(needed.begin),
            "needed": ints(needed.rows),
            "gives": ints([int(g.gives == "benefits") for g in self.groups]),
            "apply": ints([APPLIES[g.apply] for g in self.groups]),
            "at_most": ints([g.at_most for g in self.groups]),
            "original": ints([int(g.prices == "original") for g in self.groups]),
            "touch_begin": ints(touch.begin),
            "touch": ints(touch.rows),
            "everywhere": ints([p for p, kind in enumerate(kinds) if kind != Target.SET]),
            "code_uses": ints([-1 if s.uses is None else s.uses for s in self.code_sets.values()]),
        }
        return encode_part({"rules": pack(RULES, arrays)}, self.texts(info, limit_names))

    def promotion_row(self, promotion: Promotion, windows: list[tuple[int, int]]) -> dict[str, int]:
        """The scalar columns of one promotion; its windows are appended."""
        runs = promotion.runs
        by_zone = runs.zone == "store-time"
        zones = list(self.zones) if by_zone else [runs.zone]
        window = len(windows)
        for name in zones:
            zone = self.zones[self.zones_name(name)]
            start = FAR_PAST_US if runs.start is None else self.instant(zone, runs.start, last=False) * 1_000_000
            until = FAR_FUTURE_US if runs.until is None else self.instant(zone, runs.until, last=True) * 1_000_000
            windows.append((start, until))
        row = {
            "group": self.id(self.group_id, promotion.group, "group"),
            "rank": self.rank[promotion.name],
            "buy": promotion.buy.count if promotion.buy else 0,
            "window": window,
            "window_by_zone": int(by_zone),
            "zone": -1 if by_zone else self.zone_id[self.zones_name(runs.zone)],
            "channels": sum(1 << self.id(self.channel_id, c, "channel") for c in promotion.channels.names),
            "codes": self.id(self.code_set_id, promotion.code.codes, "code set") if promotion.code else -1,
            "currencies": self.currencies(promotion),
        }
        return row | self.reward_row(promotion)

    def holiday_rows(self) -> list[tuple[int, int]]:
        """Days with the symbols of their regions."""
        if any(self.holidays.regions):
            self.declared(REGION)
        rows = zip(self.holidays.days, self.holidays.regions, strict=True)
        return sorted((day, self.symbol(region) if region else -1) for day, region in rows)

    def instant(self, zone: Zone, local: int, *, last: bool) -> int:
        key = (zone.name, local, last)
        if key not in self.instants:
            self.instants[key] = instant(zone, local, last=last)
        return self.instants[key]

    def zones_name(self, name: str) -> str:
        if name not in self.zones:
            raise LinkError(f"the zone {name} is missing")
        return name

    def reward_row(self, promotion: Promotion) -> dict[str, int]:
        reward, buy = promotion.reward, promotion.buy
        row = dict.fromkeys(("percent", "pick_count", "pick_dearest", "dimension"), 0) | {"amount": -1, "per": 1}
        target: TargetNode | None = None
        match reward:
            case PercentOff() | PercentOffTogether():
                row |= {"kind": Kind.PERCENT if reward.kind == "percent-off" else Kind.PERCENT_TOGETHER}
                row |= {"percent": reward.percent}
                target = reward.target
            case AmountOffEach() | AmountOffTogether():
                row |= {"kind": Kind.AMOUNT_EACH if reward.kind == "amount-off-each" else Kind.AMOUNT_TOGETHER}
                row |= {"amount": self.amount(reward.amount)}
                target = reward.target
            case FixedPriceEach():
                row |= {"kind": Kind.PRICE_EACH, "amount": self.amount(reward.price)}
                target = reward.target
            case AmountOffMeasure() | FixedPriceMeasure():
                dimension, factor = UNITS[reward.per]
                measure_off = isinstance(reward, AmountOffMeasure)
                row |= {"kind": Kind.AMOUNT_MEASURE if measure_off else Kind.PRICE_MEASURE}
                row |= {"amount": self.amount(reward.amount if isinstance(reward, AmountOffMeasure) else reward.price)}
                row |= {"dimension": DIMENSIONS.index(dimension)}
                row |= {"per": 1_000 * factor * (100 if reward.hundreds else 1)}
                target = reward.target
            case Pick():
                row |= {"kind": Kind.PICK, "percent": reward.percent, "pick_count": reward.count}
                row |= {"pick_dearest": int(reward.which == "dearest")}
            case Ladder():
                row |= {"kind": Kind.LADDER}
            case PriceTogether():
                row |= {"kind": Kind.PRICE_SINGLES if reward.singles else Kind.PRICE_TOGETHER}
                row |= {"amount": self.amount(reward.price)}
            case FreeService():
                row |= {"kind": Kind.FREE_SERVICE, "target_kind": Target.SERVICE}
                if reward.service not in self.schema.services:
                    raise LinkError(f"there is no service «{reward.service}»")
                return row | {"target": self.schema.services.index(reward.service)}
        return row | self.target_row(promotion.name, buy, target)

    def target_row(self, name: str, buy: Buy | None, target: TargetNode | None) -> dict[str, int]:
        if buy is not None:
            if target is not None and target.kind != "them":
                raise LinkError(f"«{name}» buys one set and rewards another")
            return {"target_kind": Target.SET, "target": self.id(self.set_id, buy.of, "product set")}
        if target is None or target.kind == "them":
            raise LinkError(f"«{name}» rewards what is bought, but buys nothing")
        if target.kind == "basket":
            return {"target_kind": Target.BASKET, "target": -1}
        return {"target_kind": Target.SET, "target": self.id(self.set_id, target.name, "product set")}

    def currencies(self, promotion: Promotion) -> int:
        """The currencies in which every amount of the promotion is said, as a bit mask."""
        moneys: list[Money] = [limit.saving for limit in promotion.limits if limit.saving]

        def walk(node: Condition) -> None:
            match node:
                case All() | Any_() | None_():
                    for part in node.of:
                        walk(part)
                case Worth():
                    moneys.extend(m for m in (node.low, node.high) if m)
                case CompareMoney():
                    moneys.append(node.value)
                case SumOf():
                    for part in (*node.holds, *node.events.where):
                        walk(part)
                case Happened():
                    for part in (*node.events.where, *(c for step in node.then for c in step.events.where)):
                        walk(part)
                case _:
                    pass

        for line in promotion.when:
            walk(line.condition)
        reward = promotion.reward
        if isinstance(reward, Ladder):
            moneys.extend(step.amount for step in reward.steps if step.amount)
        elif isinstance(reward, AmountOffEach | AmountOffTogether | AmountOffMeasure):
            moneys.append(reward.amount)
        elif isinstance(reward, FixedPriceEach | FixedPriceMeasure | PriceTogether):
            moneys.append(reward.price)
        mask = (1 << len(self.settings.currencies)) - 1
        for money in moneys:
            said = {a.currency for a in money}
            mask &= sum(1 << i for i, c in enumerate(self.settings.currencies) if c in said)
        return mask

    def needed(
        self,
        of: str,
        declared: Mapping[str, Segment | Place],
        ids: Mapping[str, int],
        name: str,
        above: tuple[str, ...],
    ) -> list[int]:
        """The segments (places) that one asks for, those first that others need, itself last."""
        if name in above:
            raise LinkError(f"«{name}» goes in a circle: {' -> '.join((*above, name))}")
        found: list[int] = []

        def walk(node: Condition) -> None:
            match node:
                case All() | Any_() | None_():
                    for part in node.of:
                        walk(part)
                case Member() if node.of == of:
                    self.id(ids, node.name, of)
                    below = self.needed(of, declared, ids, node.name, (*above, name))
                    found.extend(i for i in below if i not in found)
                case _:
                    pass

        for line in declared[name].lines:
            walk(line.condition)
        return [*found, ids[name]]

    def place_order(self) -> list[int]:
        order: list[int] = []
        for name in self.places:
            below = self.needed("place", self.places, self.place_id, name, ())
            order += [i for i in below if i not in order]
        return order

    def texts(self, info: list[str], limit_names: list[tuple[str, str]]) -> Json:
        guards = [
            (mark, list(names))
            for guard in self.guards.values()
            for mark, names in (
                (Mark.DISCOUNT, guard.discount),
                (Mark.REWARD, guard.reward),
                (Mark.COUNT, guard.count),
                (Mark.SHIP_FREE, guard.ship_free),
            )
            if names
        ]
        programs = [self.reuse.of(("program", name), (one,), program_json) for name, one in self.sets.items()]
        data = {
            "settings": self.settings.model_dump(mode="json"),
            "schema": self.schema.model_dump(mode="json"),
            "promotions": Json(f"[{','.join(info)}]"),
            "limits": limit_names,
            "sets": list(self.sets),
            "set_programs": Json(f"[{','.join(programs)}]"),
            "guards": guards,
            "symbols": list(self.symbols),
            "slots": [data for _, data in self.slots.values()],
            "segments": list(self.segments),
            "code_sets": list(self.code_sets),
            "zones": list(self.zones),
            "groups": [g.name for g in self.groups],
        }
        return Json("{" + ",".join(f"{json_of(name)}:{json_of(value)}" for name, value in data.items()) + "}")

    # ------------------------------------------------------------------------------------------------ data

    def catalogue_part(self) -> bytes:
        columns = self.catalogue.columns
        values = [self.reuse.of(("column", c.name, c.currency), (c,), column_values) for c in columns]
        return self.reuse.of(
            "catalogue", (self.articles, *columns), lambda *_: table_part(self.articles, columns, values)
        )

    def stores_part(self) -> bytes:
        zones = [self.zone_id[self.zones_name(z or self.settings.timezone)] for z in self.stores.zones]
        columns = self.stores.columns
        return table_part(self.stores.ids, columns, [column_values(c) for c in columns], zones=ints(zones))

    def postings_part(self) -> bytes:
        """Article → the product sets it is in, and its guards' marks. Dynamic sets are left to requests."""
        articles = self.articles
        first = self.settings.currencies[0]
        columns = {f"item.{c.name}": c for c in self.catalogue.columns if c.currency in ("", first)}
        cache: dict[str, Values] = {}

        def column(attribute: str) -> Values:
            if attribute not in cache:
                made_of = (articles, self.schema, columns.get(attribute))
                cache[attribute] = self.reuse.of(
                    ("values", attribute), made_of, lambda *_: self.item_values(attribute, columns)
                )
            return cache[attribute]

        def members_of(name: str) -> npt.NDArray[np.int64]:
            attributes, sets = self.rests_on(name)
            made_of = (self.settings, *(self.sets[other] for other in sets), *map(column, attributes))
            return self.reuse.of(("members", name), made_of, lambda *_: judge.members(name))

        currencies = self.settings.currencies  # with several, sets that ask for money are dynamic
        judge = Evaluator(len(articles), column, self.sets, currencies[0], micros_per_minor(currencies[0]))
        dynamic = dynamic_sets(self.sets, self.schema.attributes, currencies)
        fixed = [name for name in self.sets if name not in dynamic]
        members = [members_of(name) for name in fixed]
        marks = np.zeros(len(articles), np.int64)
        for guard in self.guards.values():
            for mark, names in (
                (Mark.DISCOUNT, guard.discount),
                (Mark.REWARD, guard.reward),
                (Mark.COUNT, guard.count),
                (Mark.SHIP_FREE, guard.ship_free),
            ):
                for name in names:
                    self.id(self.set_id, name, "product set")
                    if name not in dynamic:
                        marks |= np.where(judge.member(name) != FALSE, int(mark), 0)
        sets = np.repeat(ints([self.set_id[name] for name in fixed]), ints([len(rows) for rows in members]))
        article = np.concatenate([ints([]), *members])
        order = np.argsort(article, kind="stable")  # of one article the sets stay ascending
        begin = np.searchsorted(article[order], np.arange(len(articles) + 1)).astype(np.int64)
        return encode_part({"begin": begin, "sets": sets[order], "marks": marks}, None)

    def rests_on(self, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The attributes that a product set asks for, directly or through others; and these sets, itself among them."""
        attributes: dict[str, None] = {}
        sets = {name: None}

        def walk(node: Condition) -> None:
            match node:
                case All() | Any_() | None_():
                    for part in node.of:
                        walk(part)
                case Member():
                    if node.name not in sets:
                        sets[node.name] = None
                        for line in self.sets[node.name].lines:
                            walk(line.condition)
                case _:
                    attributes[getattr(node, "attribute")] = None  # noqa: B009 - check_set lets no other in

        for line in self.sets[name].lines:
            walk(line.condition)
        return tuple(attributes), tuple(sets)

    def item_values(self, attribute: str, columns: Mapping[str, Column]) -> Values:
        """An attribute of all articles of the catalogue, defaults filled in."""
        articles = self.articles
        if attribute == "item.sku":
            return text_values(articles)
        declared = next(a for a in self.schema.attributes if f"{a.entity}.{a.name}" == attribute)
        column = columns.get(attribute)
        given: Sequence[int | str | None] = column.values if column else (None,) * len(articles)
        filled = [declared.default if v is None else v for v in given]
        if declared.type is Type.TEXT:
            return text_values([None if v is None else str(v) for v in filled])
        return int_values([v if isinstance(v, int) else None for v in filled])

    def codes_part(self) -> bytes:
        """The keys of all codes, ascending, with their set. An image does not hold the codes themselves."""
        sets = self.code_sets.values()
        keys = [self.reuse.of(("keys", codes.name), (codes,), code_keys) for codes in sets]
        return self.reuse.of("codes", tuple(sets), lambda *_: all_codes_part(keys))


def slot_row(slot: Slot) -> tuple[int, int, int, int]:
    """A row of the slots."""
    return slot.days, slot.days if slot.holidays is None else slot.holidays, slot.start, slot.until


def promotion_info(p: Promotion, codes: CodeSet | None) -> str:
    """What people read of a promotion, as JSON."""
    past_basket = any(limit.scope != "basket" for limit in p.limits)
    limited_codes = codes is not None and codes.uses is not None
    info = {
        "name": p.name,
        "title": p.title,
        "labels": [[t.language, t.text] for t in p.labels],
        "terms": [[t.language, t.text] for t in p.terms],
        "hints": [[t.language, t.text] for t in p.hints],
        "owner": p.owner,
        "funded": [[s.party, s.name, s.basis_points] for s in p.funded],
        "group": p.group,
        "usage": past_basket or limited_codes,
        "clauses": {
            "runs": p.runs.text,
            "only_on": p.only_on.text if p.only_on else "",
            "sold": p.channels.text,
            "places": p.places.text if p.places else "",
            "audience": p.audience.text,
            "code": p.code.text if p.code else "",
            "when": [line.text for line in p.when],
            "limits": [limit.text for limit in p.limits],
        },
    }
    return json_of(info)


def program_json(program: ProductSet) -> str:
    """A product set as requests need it, as JSON."""
    return json_of(program.model_dump(mode="json"))


def all_codes_part(keys: Sequence[npt.NDArray[np.uint64]]) -> bytes:
    """The keys of all sets together."""
    rows = np.concatenate([np.zeros((0, 2), np.uint64), *keys])
    sets = np.repeat(ints(range(len(keys))), ints([len(some) for some in keys]))
    high, low = rows[:, 0], rows[:, 1]
    order = np.lexsort((sets, low, high))
    return encode_part({"high": high[order], "low": low[order], "sets": sets[order]}, None)


def code_keys(codes: CodeSet) -> npt.NDArray[np.uint64]:
    """The keys of a set's codes, a row each."""
    return np.array([code_key(code) for code in codes.codes], np.uint64).reshape(-1, 2)


def table_part(
    ids: Sequence[str], columns: Sequence[Column], values: Sequence[Values], **arrays: npt.NDArray[Any]
) -> bytes:
    """A table of rows with an id, columns of known and unknown values."""
    data = []
    for i, (column, given) in enumerate(zip(columns, values, strict=True)):
        arrays[f"values{i}"] = given.numbers
        arrays[f"known{i}"] = given.known.astype(np.int8)
        data.append({"name": column.name, "currency": column.currency, "texts": given.texts})
    return encode_part(arrays, {"ids": ids, "columns": data})


def column_values(column: Column) -> Values:
    """The values of a table's column."""
    if column.type is Type.TEXT:
        return text_values([None if v is None else str(v) for v in column.values])
    return int_values([v if isinstance(v, int) else None for v in column.values])


def instant(zone: Zone, local: int, *, last: bool) -> int:
    """The UTC second at which the clock of a zone shows `local` (seconds): of two the first, with `last` the second;
    if it never does, the first instant after the gap."""
    found = []
    for i, (begin, offset) in enumerate(zip(zone.instants, zone.offsets, strict=True)):
        end = zone.instants[i + 1] if i + 1 < len(zone.instants) else zone.until
        second = local - offset
        if (begin <= second or i == 0) and (second < end or i + 1 == len(zone.instants)):
            found.append(second)
    if found:
        return found[-1] if last else found[0]
    gaps = (i for i in range(1, len(zone.instants)) if zone.instants[i] + zone.offsets[i - 1] <= local)
    return zone.instants[max(gaps)]
