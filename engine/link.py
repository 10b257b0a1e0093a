"""Programs → image: names become numbers, conditions become code, articles know their product sets.

    link(programs) -> Image

Promotions are numbered by name, product sets by name, groups by sequence; so the same Programs give the same image in
whatever order they come. Programs are trusted to be checked (dsl/check.py); what does not resolve raises LinkError.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain, pairwise
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from engine.image import NAMES_MAX
from engine.index import flat, indexed
from engine.instructions import (
    FALSE,
    FLOOR_SHIFT,
    FLOORS_MAX,
    Apply,
    Kind,
    Mark,
    Target,
    Terms,
)
from engine.layout import R_KIND, RULES, TOGETHER, pack
from engine.money import micros_per_minor
from engine.parts import NUMBER_MAX, Image, Json, digest_of, encode_part, json_of, manifest
from engine.pieces import Ref, all_refs, join
from engine.program import (
    All,
    Any_,
    Cashier,
    Catalogue,
    CodeSet,
    Column,
    Condition,
    Floor,
    Group,
    Guard,
    Holidays,
    Member,
    None_,
    Place,
    PriceList,
    PricesFrom,
    ProductSet,
    Program,
    Promotion,
    Schema,
    Segment,
    Settings,
    Stores,
    Tiers,
    Type,
    Variants,
    Zone,
)
from engine.reuse import Reuse
from engine.sets import PRICE, Evaluator, Values, dynamic_sets, int_values, needs_of, text_values
from engine.write import COLUMNS, FIELDS, LISTS, OF_REWARDS, SCALARS, LinkError, Writer

APPLIES = {
    "all": Apply.ALL,
    "best": Apply.BEST,
    "best-per-item": Apply.BEST_PER_ITEM,
    "first": Apply.FIRST,
    "first-per-item": Apply.FIRST_PER_ITEM,
    "at-most": Apply.AT_MOST,
}
BLOCK = 256  # Programs of a block, on average
BEGINS = {  # where the rows of a promotion, or of a reward, begin, by what they are
    "slots": "slot_begin",
    "place_any": "place_any_begin",
    "place_not": "place_not_begin",
    "audience_any": "audience_any_begin",
    "audience_not": "audience_not_begin",
    "limits": "limit_begin",
    "terms": "term_begin",
    "roles": "role_begin",
    "by_measure": "role_begin",
    "ladder": "ladder_begin",
    "excepted": "except_begin",
    "reasons": "reason_begin",
}


def link(programs: Iterable[Program], reuse: Reuse | None = None) -> Image:
    """The image of a ruleset. Raises LinkError for Programs that do not fit together.

    What `reuse` holds of an earlier link makes it quicker; the image is the same."""
    reuse = reuse or Reuse()
    try:
        linker = _Linker(tuple(programs), reuse)
        parts = {
            "rules": linker.rules_part(),
            "names": linker.names_part(),
            "articles": linker.articles_part(),
            "catalogue": linker.catalogue_part(),
            "stores": linker.stores_part(),
            "postings": linker.postings_part(),
            "codes": linker.codes_part(),
            **linker.price_list_parts(),
            "listed": linker.listed_part(),
            **linker.blocks("promotions", linker.promotions, promotion_info),
            **linker.blocks("products", linker.sets, program_json),
        }
        digests = reuse.each("digest", parts.values(), (), digest_of)
    except OverflowError as error:
        raise LinkError(f"a number is too large: {error}") from error
    finally:
        reuse.ended()
    return Image(manifest(parts, digests), dict(zip(digests, parts.values(), strict=True)))


def ints(rows: Sequence[Any], columns: int = 0) -> npt.NDArray[np.int64]:
    """An int64 array; with `columns` of that many columns also when it is empty."""
    array = np.array(rows, np.int64)
    return array.reshape(-1, columns) if columns else array


def begins_of(lists: Iterable[Sequence[Any]]) -> npt.NDArray[np.int64]:
    """Where each of these lists begins, one after the other, and where the last one ends."""
    return np.cumsum(ints([0, *map(len, lists)]))


class _Numbers:
    """The numbers of all names, amounts and texts of a ruleset, and the amounts and texts themselves."""

    def __init__(self, linker: _Linker, refs: Iterable[Ref], rewards: Mapping[tuple[str, int], int]) -> None:
        declared: dict[str, Iterable[str]] = {
            "product set": linker.sets,
            "segment": linker.segments,
            "place": linker.places,
            "code set": linker.code_sets,
            "zone": linker.zones,
            "group": [group.name for group in linker.groups],
            "price list": linker.price_lists,
        }
        brought: dict[str, list[Any]] = {}
        for kind, key in refs:
            brought.setdefault(kind, []).append(key)
        self.amounts: list[tuple[int, ...]] = brought.get("amount", [])
        lists = brought.get("pool", [])
        texts = {text for values in lists for text in values if isinstance(text, str)}
        self.symbols = sorted(texts.union(brought.get("symbol", ())))
        symbol = {text: i for i, text in enumerate(self.symbols)}
        slots = brought.get("slot", [])
        self.slots = [f'{{"attribute":{json_of(attribute)},"condition":{condition}}}' for attribute, condition in slots]
        self.pool: list[int] = []
        numbers: dict[Ref, int] = {}
        for values in lists:
            numbers[Ref("pool", values)] = len(self.pool)
            self.pool += sorted(symbol[value] if isinstance(value, str) else value for value in values)
            numbers[Ref("pool end", values)] = len(self.pool)
        for kind, keys in (*declared.items(), ("amount", self.amounts), ("symbol", self.symbols), ("slot", slots)):
            behind = len(linker.sets) if kind == "price list" else 0  # their articles are as if they were product sets
            numbers |= {Ref(kind, key): behind + i for i, key in enumerate(keys)}
        numbers |= {Ref("reward", key): rewards[key] for key in brought.get("reward", ())}
        self.numbers: Mapping[Ref, int] = numbers
        for kind, names in declared.items():
            missing = set(brought.get(kind, ())).difference(names)
            if missing:
                raise LinkError(f"there is no {kind} «{min(missing)}»")


def code_key(code: str) -> tuple[int, int]:
    """What an image keeps of a code, as its set compares it: the first 16 bytes of its SHA-256, as two numbers."""
    digest = hashlib.sha256(code.encode()).digest()
    return int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:16], "big")


def normalise_code(code: str) -> str:
    """Codes compare without surrounding blanks and ASCII case."""
    return "".join(c.upper() if "a" <= c <= "z" else c for c in code.strip(" \t\r\n"))


class _Linker:
    def __init__(self, programs: tuple[Program, ...], reuse: Reuse) -> None:
        self.reuse = reuse

        by_kind: dict[type[Any], list[Any]] = {}
        for program in programs:
            by_kind.setdefault(type(program), []).append(program)

        def named(kind: type[Any]) -> dict[str, Any]:
            found = {p.name: p for p in by_kind.get(kind, ())}
            if len(found) < len(by_kind.get(kind, ())):
                raise LinkError(f"two of {kind.__name__} have one name")
            return {name: found[name] for name in sorted(found, key=str.encode)}

        def only(kind: type[Any], default: Any) -> Any:
            found = by_kind.get(kind, [])
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
        asked = {r.prices for p in self.promotions.values() for r in p.rewards if isinstance(r, PricesFrom)}
        self.price_lists: dict[str, PriceList] = {n: one for n, one in named(PriceList).items() if n in asked}
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
        self.zone_id = {name: i for i, name in enumerate(self.zones)}
        self.articles = reuse.equal("articles", self.catalogue.articles)
        if asked - self.price_lists.keys():
            raise LinkError(f"there is no price list «{min(asked - self.price_lists.keys())}»")
        said = {name: [column.currency for column in one.prices] for name, one in self.price_lists.items()}
        self.listed = reuse.equal("currencies of price lists", said)
        self.writer = Writer(self.settings, self.schema, self.zones, self.listed)
        try:
            self.needs = dict(zip(self.sets, reuse.each("needs", self.sets.values(), (), needs_of), strict=True))
        except ValueError as error:
            raise LinkError(str(error)) from None
        self.check_sets()

    def check_sets(self) -> None:
        """What product sets ask for is there, and none asks for itself."""
        for attribute in {name: None for needs in self.needs.values() for name in needs.attributes}:
            self.writer.declared(attribute)
        checked: set[str] = set()

        def check(name: str, above: tuple[str, ...]) -> None:
            if name in above:
                raise LinkError(f"«{name}» goes in a circle: {' -> '.join((*above, name))}")
            if name not in checked:
                for other in self.needs[name].sets:
                    self.id(self.set_id, other, "product set")
                    check(other, (*above, name))
                checked.add(name)

        for name, needs in self.needs.items():
            if needs.sets:
                check(name, ())

    def id(self, table: Mapping[str, int], name: str, what: str) -> int:
        if name not in table:
            raise LinkError(f"there is no {what} «{name}»")
        return table[name]

    # ------------------------------------------------------------------------------------------------ rules

    def rules_part(self) -> bytes:
        writer, rests_on = self.writer, (self.settings, self.schema, *self.zones.values(), self.listed)
        promotions = self.reuse.each("promotion", self.promotions.values(), rests_on, writer.promotion)
        segments = self.reuse.each("segment", self.segments.values(), rests_on, writer.segment)
        places = self.reuse.each("place", self.places.values(), rests_on, writer.place)
        holidays = self.reuse.each("holidays", (self.holidays,), rests_on, writer.all_holidays)
        several = [p for p in self.promotions.values() if isinstance(p.reward, Tiers | Variants)]
        more = self.reuse.each("more rewards", several, rests_on, writer.more_rewards)
        further = list(chain.from_iterable(more))
        pieces = [*promotions, *further, *segments, *places, *holidays]
        names = _Numbers(self, all_refs(pieces), self.reward_rows(several))
        self.symbols = names.symbols
        values, begin = {}, {}
        for name, (entries, begins) in zip(FIELDS, join(pieces, len(FIELDS), names.numbers), strict=True):
            values[name] = entries.reshape(-1, COLUMNS[name]) if COLUMNS[name] > 1 else entries
            begin[name] = begins // COLUMNS[name]
        count, rewards = len(promotions), len(promotions) + len(further)
        behind = rewards + len(segments)
        arrays: dict[str, npt.NDArray[Any]] = {
            name: column if number >= R_KIND else column[:count]
            for number, (name, column) in enumerate(zip(SCALARS, values["scalars"].T, strict=True))
        }
        drawn = arrays["terms_by"] == Terms.DRAWN
        arrays["arm"] = np.where(drawn, np.cumsum(drawn) - 1, -1)
        by_list = arrays["kind"] == Kind.PRICE_LIST
        arrays["number"] = np.where(by_list, np.cumsum(by_list) - 1, arrays["number"])
        arrays["rank"] = self.ranks(arrays["group"])
        arrays["window"] = begin["windows"][:count]
        arrays |= {name: values[name] for name in (*LISTS, "windows", "holidays", "code")}
        arrays |= {BEGINS[name]: begin[name][: (rewards if name in OF_REWARDS else count) + 1] for name in LISTS}
        whose = np.concatenate((np.arange(count), np.repeat(self.numbers_of(several), ints([*map(len, more)]))))
        of_a_set = arrays["target_kind"] == Target.SET
        by_entry = arrays["kind"] == Kind.CASHIER  # it touches by what is entered
        owners = np.repeat(whose, np.diff(arrays["role_begin"]))
        sets = np.concatenate((arrays["target"][of_a_set], arrays["roles"][:, 0]))
        touch = np.unique(np.stack((sets, np.concatenate((whose[of_a_set], owners))), axis=1), axis=0)
        conflicts = self.conflicts()
        needed = [self.needed("segment", self.segments, self.segment_id, name, ()) for name in self.segments]
        zones = self.zones.values()
        arrays |= {
            "conflict_begin": begins_of(conflicts),
            "conflicts": ints([other for others in conflicts for other in others]),
            "lines": np.concatenate(([0], np.cumsum(values["lines"]))),
            "line_begin": begin["lines"][: count + 1],
            "segment_begin": begin["lines"][rewards : behind + 1],
            "place_begin": begin["lines"][behind : behind + len(places) + 1],
            "zone_begin": begins_of(zone.instants for zone in zones),
            "transitions": ints([row for zone in zones for row in zip(zone.instants, zone.offsets, strict=True)], 2),
            "amounts": ints(names.amounts, len(self.settings.currencies)),
            "pool": ints(names.pool),
            "place_order": ints(self.place_order()),
            "needed_begin": begins_of(needed),
            "needed": ints([number for some in needed for number in some]),
            "gives": ints([int(g.gives == "benefits") for g in self.groups]),
            "apply": ints([APPLIES[g.apply] for g in self.groups]),
            "at_most": ints([g.at_most for g in self.groups]),
            "original": ints([int(g.prices == "original") for g in self.groups]),
            "touch_begin": np.searchsorted(touch[:, 0], np.arange(len(self.sets) + len(self.price_lists) + 1)),
            "touch": touch[:, 1],
            "everywhere": np.unique(whose[~of_a_set & ~by_entry]),
            "by_entry": np.flatnonzero(by_entry),
            "entry_owner": whose[by_entry],
            "code_uses": ints([-1 if s.uses is None else s.uses for s in self.code_sets.values()]),
            "code_exact": ints([int(s.exact) for s in self.code_sets.values()]),
        }
        return encode_part({"rules": pack(RULES, arrays, TOGETHER)}, self.texts(names))

    def numbers_of(self, promotions: Sequence[Promotion]) -> npt.NDArray[np.int64]:
        """The numbers of some promotions."""
        number = {name: i for i, name in enumerate(self.promotions)}
        return ints([number[promotion.name] for promotion in promotions])

    def reward_rows(self, several: Sequence[Promotion]) -> dict[tuple[str, int], int]:
        """The rows of the rewards of promotions that have several: the first has the promotion's number."""
        rows: dict[tuple[str, int], int] = {}
        end = len(self.promotions)
        for promotion, first in zip(several, self.numbers_of(several).tolist(), strict=True):
            rows[promotion.name, 0] = first
            for place in range(1, len(promotion.rewards)):
                rows[promotion.name, place] = end
                end += 1
        return rows

    def ranks(self, group: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Of each promotion its place in the declared order of its group: those of `order` first, then by name."""
        names = list(self.promotions)
        ranks = np.zeros_like(group)
        for number, declared in enumerate(self.groups):
            members = np.flatnonzero(group == number)
            if declared.order:
                place = {name: i for i, name in reversed(list(enumerate(declared.order)))}
                members = ints(sorted(members.tolist(), key=lambda i: place.get(names[i], len(place))))
            ranks[members] = np.arange(len(members))
        return ranks

    def conflicts(self) -> list[list[int]]:
        """Of each promotion those that it never applies with: of a pair both know it. Between a price and a benefit
        there is nothing to choose."""
        place = {name: number for number, name in enumerate(self.promotions)}
        kinds = {group.name: group.gives for group in self.groups}
        found: list[set[int]] = [set() for _ in place]
        for name, promotion in self.promotions.items():
            for other in promotion.not_with:
                one, two = place[name], self.id(place, other, "promotion")
                if one != two and kinds.get(promotion.group) == kinds.get(self.promotions[other].group):
                    found[one].add(two)
                    found[two].add(one)
        return [sorted(others) for others in found]

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

    def blocks(self, kind: str, programs: Mapping[str, Any], text: Callable[[Any], str]) -> dict[str, bytes]:
        """The texts of these Programs, some hundred in a part. A block ends before a name whose checksum says so: a
        Program more or less moves no other border."""
        texts = self.reuse.each(kind, programs.values(), (), text)
        names = list(programs)
        borders = [i for i, name in enumerate(names) if i and not crc32(name.encode()) % BLOCK]
        ends: list[int] = [0, *borders, len(names)]
        found = {}
        for number, (begin, end) in enumerate(pairwise(ends)):
            some = texts[begin:end]
            part = partial(block_part, some)
            found[f"{kind}.{number:05}"] = self.reuse.of((kind, *names[begin : begin + 1]), some, part)
        return found

    def floors(self) -> list[Floor]:
        """All of them, by guard."""
        return [floor for guard in self.guards.values() for floor in guard.floors]

    def guarded(self) -> list[tuple[int, tuple[str, ...]]]:
        """What guards mark: bits of Mark, then one for each floor, with their product sets."""
        found: list[tuple[int, tuple[str, ...]]] = []
        for guard in self.guards.values():
            found.append((int(Mark.DISCOUNT), guard.discount))
            found.append((int(Mark.REWARD), guard.reward))
            found.append((int(Mark.COUNT), guard.count))
            found.append((int(Mark.SHIP_FREE), guard.ship_free))
        floors = self.floors()
        if len(floors) > FLOORS_MAX:
            raise LinkError(f"there are {len(floors)} price floors; at most {FLOORS_MAX} are taken")
        for number, floor in enumerate(floors):
            if floor.attribute != PRICE:
                self.writer.declared(floor.attribute)
            found.append((1 << (FLOOR_SHIFT + number), floor.of))
        return [(mark, names) for mark, names in found if names]

    def texts(self, names: _Numbers) -> Json:
        data = {
            "settings": self.settings.model_dump(mode="json"),
            "schema": self.schema.model_dump(mode="json"),
            "guards": [(mark, list(names)) for mark, names in self.guarded()],
            "floors": [floor.attribute for floor in self.floors()],
            "segments": list(self.segments),
            "code_sets": list(self.code_sets),
            "zones": list(self.zones),
            "groups": [g.name for g in self.groups],
        }
        data["slots"] = Json(f"[{','.join(names.slots)}]")
        return Json("{" + ",".join(f"{json_of(name)}:{json_of(value)}" for name, value in data.items()) + "}")

    # ------------------------------------------------------------------------------------------------ data

    def names_part(self) -> bytes:
        """The names of promotions and product sets, and the texts of conditions: all that may be asked for by name."""
        known = {"promotions": tuple(self.promotions), "sets": tuple(self.sets), "symbols": tuple(self.symbols)}
        made_of = [self.reuse.equal(f"names of {of}", names) for of, names in known.items()]

        def make() -> bytes:
            tables = zip(known, made_of, strict=True)
            return encode_part({k: v for of, names in tables for k, v in name_arrays(names, f"{of} ").items()}, None)

        return self.reuse.of("names", made_of, make)

    def articles_part(self) -> bytes:
        """The articles of the catalogue."""
        return self.reuse.of("article names", (self.articles,), lambda: encode_part(name_arrays(self.articles), None))

    def catalogue_part(self) -> bytes:
        columns = self.catalogue.columns
        values = [self.reuse.of(("column", c.name, c.currency), (c,), partial(column_values, c)) for c in columns]
        return self.reuse.of("catalogue", columns, lambda: encode_part(*table(columns, values)))

    def price_list_parts(self) -> dict[str, bytes]:
        """The price lists that promotions give, a part each."""
        made = partial(price_list_part, currencies=self.settings.currencies)
        parts = self.reuse.each("prices", self.price_lists.values(), (self.settings,), made)
        return {f"prices.{number:05}": part for number, part in enumerate(parts)}

    def listed_part(self) -> bytes:
        """Article → the price lists that name it."""
        lists = list(self.price_lists.values())

        def make() -> bytes:
            on: dict[str, list[int]] = {}
            for number, one in enumerate(lists):
                for article in dict.fromkeys(one.articles):
                    on.setdefault(article, []).append(number)
            names = sorted(on, key=str.encode)
            numbers = [on[name] for name in names]
            rows = ints([number for some in numbers for number in some])
            return encode_part({**name_arrays(names), "begin": begins_of(numbers), "lists": rows}, None)

        return self.reuse.of("listed", lists, make)

    def stores_part(self) -> bytes:
        zones = [self.id(self.zone_id, z or self.settings.timezone, "zone") for z in self.stores.zones]
        columns = self.stores.columns
        return self.reuse.of(
            "stores",
            (self.stores, self.settings, *self.zones.values()),
            lambda: stores_part(self.stores.ids, ints(zones), columns, [column_values(c) for c in columns]),
        )

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
                    ("values", attribute), made_of, lambda: self.item_values(attribute, columns)
                )
            return cache[attribute]

        currencies = self.settings.currencies  # with several, sets that ask for money are dynamic
        judge = Evaluator(len(articles), column, self.sets, currencies[0], micros_per_minor(currencies[0]))
        dynamic = dynamic_sets(self.needs, self.schema.attributes, currencies)
        fixed = [name for name in self.sets if name not in dynamic]
        alike: dict[tuple[str, ...], list[str]] = {}  # sets that rest on the same columns and on no other set
        found: dict[str, npt.NDArray[np.int64]] = {}
        for name in fixed:
            if self.needs[name].sets:
                attributes, sets = self.rests_on(name)
                made_of = (self.settings, *(self.sets[other] for other in sets), *map(column, attributes))
                found[name] = self.reuse.of(("members", name), made_of, partial(judge.members, name))
            else:
                alike.setdefault(self.needs[name].attributes, []).append(name)
        for attributes, some in alike.items():
            made_of = (self.settings, *map(column, attributes))
            of_these = (self.sets[name] for name in some)
            members = self.reuse.each(("members", attributes), of_these, made_of, lambda one: judge.members(one.name))
            found |= zip(some, members, strict=True)
        members = [found[name] for name in fixed]
        numbers = self.reuse.equal("fixed", tuple(self.set_id[name] for name in fixed))
        guards = self.reuse.equal("guards", tuple(self.guards.values()))
        made_of = (articles, numbers, guards, *members)
        return self.reuse.of("postings", made_of, lambda: self.all_postings(numbers, members, dynamic, judge))

    def all_postings(
        self,
        numbers: Sequence[int],
        members: Sequence[npt.NDArray[np.int64]],
        dynamic: frozenset[str],
        judge: Evaluator,
    ) -> bytes:
        articles = self.articles
        marks = np.zeros(len(articles), np.int64)
        for mark, names in self.guarded():
            for name in names:
                self.id(self.set_id, name, "product set")
                if name not in dynamic:
                    marks |= np.where(judge.member(name) != FALSE, mark, 0)
        sets = np.repeat(ints(numbers), ints([len(rows) for rows in members]))
        article = np.concatenate([ints([]), *members])
        order = np.argsort(article, kind="stable")  # of one article the sets stay ascending
        begin = np.searchsorted(article[order], np.arange(len(articles) + 1)).astype(np.int64)
        asked = ints([number for number, name in enumerate(self.sets) if name in dynamic])
        return encode_part({"begin": begin, "sets": sets[order], "marks": marks, "dynamic": asked}, None)

    def rests_on(self, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The attributes that a product set asks for, directly or through others; and these sets, itself among them."""
        attributes: dict[str, None] = {}
        sets: dict[str, None] = {}

        def walk(name: str) -> None:
            if name not in sets:
                sets[name] = None
                attributes.update(dict.fromkeys(self.needs[name].attributes))
                for other in self.needs[name].sets:
                    walk(other)

        walk(name)
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
        keys = [self.reuse.of(("keys", codes.name), (codes,), partial(code_keys, codes)) for codes in sets]
        return self.reuse.of("codes", tuple(sets), lambda: all_codes_part(keys))


def promotion_info(p: Promotion) -> str:
    """What people read of a promotion, as JSON."""
    info = {
        "name": p.name,
        "title": p.title,
        "labels": [[t.language, t.text] for t in p.labels],
        "terms": [[t.language, t.text] for t in p.terms],
        "hints": [[t.language, t.text] for t in p.hints],
        "owner": p.owner,
        "funded": [[s.party, s.name, s.basis_points] for s in p.funded],
        "group": p.group,
        "limits": [limit.key for limit in p.limits],
        "arms": [arm.name for arm in p.reward.arms] if isinstance(p.reward, Variants) else [],
        "usage": any(limit.scope != "basket" for limit in p.limits),
        "clauses": {
            "runs": p.runs.text,
            "only_on": p.only_on.text if p.only_on else "",
            "sold": p.channels.text,
            "places": p.places.text if p.places else "",
            "audience": p.audience.text,
            "code": p.code.text if p.code else "",
            "when": [line.text for line in p.when],
            "reasons": next((reward.text for reward in p.rewards if isinstance(reward, Cashier)), ""),
            "get": get_text(p),
            "limits": [limit.text for limit in p.limits],
        },
    }
    return json_of(info)


def get_text(p: Promotion) -> str:
    """The line that says which of several rewards there is: the first tier, the variants."""
    match p.reward:
        case Tiers() as given:
            return given.tiers[0].text
        case Variants() as given:
            return given.text
        case _:
            return ""


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


def name_arrays(names: Sequence[str], of: str = "") -> dict[str, npt.NDArray[Any]]:
    """Names that differ, and what finds each of them (engine/index.py). Raises LinkError where they do not."""
    begin, blob = flat(names)
    if len(set(names)) < len(names):
        raise LinkError("a name stands twice")
    return {f"{of}index": indexed(begin, blob), f"{of}blob": blob}


def block_part(texts: Sequence[str]) -> bytes:
    """Some texts, each read alone."""
    begin, blob = flat(texts)
    return encode_part({"begin": begin, "blob": blob}, None)


def table(columns: Sequence[Column], values: Sequence[Values]) -> tuple[dict[str, npt.NDArray[Any]], Any]:
    """The columns of a table, of known and unknown values, as arrays and data."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    for i, given in enumerate(values):
        arrays[f"values{i}"] = given.numbers
        arrays[f"known{i}"] = given.known.astype(np.int8)
        arrays[f"begin{i}"], arrays[f"blob{i}"] = flat(given.texts)
    return arrays, {"columns": [{"name": column.name, "currency": column.currency} for column in columns]}


def stores_part(
    ids: Sequence[str], zones: npt.NDArray[Any], columns: Sequence[Column], values: Sequence[Values]
) -> bytes:
    """The stores, their columns and zones."""
    arrays, data = table(columns, values)
    return encode_part({**name_arrays(ids), "zones": zones, **arrays}, data)


def price_list_part(prices: PriceList, currencies: Sequence[str]) -> bytes:
    """A price list: its articles, of each its rows (quantity, first day, last day), and their prices by currency."""
    ids = sorted(set(prices.articles), key=str.encode)
    number = {article: i for i, article in enumerate(ids)}
    article = ints([number[name] for name in prices.articles])
    starts = ints([-NUMBER_MAX if day is None else day for day in prices.starts])
    untils = ints([NUMBER_MAX if day is None else day for day in prices.untils])
    rows = np.stack((ints(prices.quantities), starts, untils), axis=1).reshape(-1, 3)
    said = np.full((len(article), len(currencies)), -1, np.int64)
    for column in prices.prices:
        if column.currency not in currencies:
            raise LinkError(f"the price list «{prices.name}» is in {column.currency}, which the settings do not list")
        of = currencies.index(column.currency)
        said[:, of] = [value if isinstance(value, int) else -1 for value in column.values]
    order = np.lexsort((rows[:, 1], rows[:, 0], article))
    begin = np.searchsorted(article[order], np.arange(len(ids) + 1)).astype(np.int64)
    arrays = {"begin": begin, "rows": rows[order], "prices": said[order]}
    return encode_part({**name_arrays(ids), **arrays}, {"name": prices.name})


def column_values(column: Column) -> Values:
    """The values of a table's column."""
    if column.type is Type.TEXT:
        return text_values([None if v is None else str(v) for v in column.values])
    return int_values([v if isinstance(v, int) else None for v in column.values])
