"""The Programs of a ruleset, by kind and name."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from engine.program import (
    Attribute,
    Catalogue,
    CodeSet,
    Column,
    EventType,
    Group,
    Guard,
    Holidays,
    Place,
    PriceList,
    ProductSet,
    Program,
    Promotion,
    Schema,
    Segment,
    Settings,
    Stores,
    Zone,
)


class Ruleset:
    """Programs by kind and name. Without a schema, catalogue or stores: empty ones."""

    def __init__(self, programs: Iterable[Program]) -> None:
        self.schema = Schema(attributes=())
        self.catalogue = Catalogue(articles=(), columns=())
        self.stores = Stores(ids=(), zones=(), columns=())
        self.holidays: frozenset[tuple[int, str]] = frozenset()
        self.zones: dict[str, Zone] = {}
        self.price_lists: dict[str, PriceList] = {}
        self.products: dict[str, ProductSet] = {}
        self.places: dict[str, Place] = {}
        self.segments: dict[str, Segment] = {}
        self.groups: dict[str, Group] = {}
        self.guards: list[Guard] = []
        self.codes: dict[str, CodeSet] = {}
        self.promotions: dict[str, Promotion] = {}
        for program in programs:
            match program:
                case Settings():
                    self.settings = program
                case Schema():
                    self.schema = program
                case Catalogue():
                    self.catalogue = program
                case Stores():
                    self.stores = program
                case Holidays():
                    self.holidays = frozenset(zip(program.days, program.regions, strict=True))
                case Zone():
                    self.zones[program.name] = program
                case PriceList():
                    self.price_lists[program.name] = program
                case ProductSet():
                    self.products[program.name] = program
                case Place():
                    self.places[program.name] = program
                case Segment():
                    self.segments[program.name] = program
                case Group():
                    self.groups[program.name] = program
                case Guard():
                    self.guards.append(program)
                case CodeSet():
                    self.codes[program.name] = program
                case Promotion():
                    self.promotions[program.name] = program

    @cached_property
    def attributes(self) -> dict[str, Attribute]:
        """The schema's attributes by "entity.name"."""
        return {f"{attribute.entity}.{attribute.name}": attribute for attribute in self.schema.attributes}

    @cached_property
    def clock(self) -> Zone:
        """The zone of the settings."""
        return self.zones[self.settings.timezone]

    @cached_property
    def events(self) -> dict[str, EventType]:
        """The types of events by the name of one."""
        return {event.one: event for event in self.schema.events}

    @cached_property
    def article_rows(self) -> dict[str, int]:
        return {article: row for row, article in enumerate(self.catalogue.articles)}

    @cached_property
    def store_rows(self) -> dict[str, int]:
        return {store: row for row, store in enumerate(self.stores.ids)}

    @cached_property
    def in_sequence(self) -> list[Group]:
        return sorted(self.groups.values(), key=lambda group: group.position)

    def declared_order(self, group: Group) -> list[Promotion]:
        """Its `order` line, then the others by name."""
        members = {name: promotion for name, promotion in self.promotions.items() if promotion.group == group.name}
        first = [name for name in group.order if name in members]
        return [members[name] for name in first + sorted(set(members) - set(first))]


def cell(column: Column, row: int | None) -> int | str | None:
    return None if row is None else column.values[row]
