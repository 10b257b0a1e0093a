"""What people want to know of a ruleset: its size, its promotions, where it sells. Worked out when it is stored.

Nothing is decided by it, so it is stored beside the image and not signed. A reader takes what it knows from it and
leaves the rest (`Described.decode`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from functools import cache
from typing import Final

from engine.calendar import instant
from engine.decision import SEMANTICS
from engine.program import Catalogue, Program, Promotion, Schema, Segment, Settings, Zone


class Unreadable(Exception):
    """These bytes describe no ruleset."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A promotion. Instants are microseconds since 1970-01-01T00:00:00Z; 0: without a bound."""

    name: str
    title: str
    group: str
    runs_from_us: int
    runs_until_us: int
    channels: tuple[str, ...]
    owner: str
    paused: bool


@dataclass(frozen=True, slots=True)
class Described:
    """A ruleset, for people."""

    files: int
    promotions: tuple[Listed, ...]  # by name
    segments: int
    articles: int
    image_bytes: int
    currencies: tuple[str, ...]
    channels: tuple[str, ...]
    semantics: int
    sources: str  # SHA-256 of its files; "" = not known

    @property
    def running(self) -> int:
        """How many promotions it has that are not paused."""
        return sum(not promotion.paused for promotion in self.promotions)

    def encode(self) -> bytes:
        """As JSON; a promotion is a row, for there may be ten thousand."""
        fields = {name: getattr(self, name) for name in _PLAIN}
        fields["promotions"] = [[getattr(one, name) for name in _ROW] for one in self.promotions]
        return json.dumps(fields, separators=(",", ":"), sort_keys=True).encode()

    @classmethod
    def decode(cls, data: bytes) -> Described:
        """From JSON. Raises Unreadable."""
        try:
            stored = json.loads(data)
            rows = (dict(zip(_ROW, row, strict=True)) for row in stored.pop("promotions"))
            promotions = tuple(Listed(**{**row, "channels": tuple(row["channels"])}) for row in rows)
            currencies, channels = tuple(stored.pop("currencies")), tuple(stored.pop("channels"))
            return cls(promotions=promotions, currencies=currencies, channels=channels, **stored)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise Unreadable("not the description of a ruleset") from error


_ROW: Final = tuple(field.name for field in dataclass_fields(Listed))
_PLAIN: Final = tuple(field.name for field in dataclass_fields(Described) if field.name != "promotions")


def described(
    programs: Iterable[Program],
    *,
    image_bytes: int,
    files: int = 0,
    sources: str = "",
    paused: Collection[str] = (),
) -> Described:
    """The description of a ruleset of these Programs. `paused`: those promotions are not in its image."""
    listed = tuple(programs)
    settings = next(one for one in listed if isinstance(one, Settings))
    schema = next((one for one in listed if isinstance(one, Schema)), None)
    zones = {one.name: one for one in listed if isinstance(one, Zone)}

    @cache
    def at_us(zone: str, local: int | None, last: bool) -> int:
        known = zones.get(zone) or zones.get(settings.timezone)
        if local is None or known is None:
            return 0
        return instant(known.instants, known.offsets, local, last=last) * 1_000_000

    promotions = tuple(
        Listed(
            one.name,
            one.title,
            one.group,
            at_us(one.runs.zone, one.runs.start, False),
            at_us(one.runs.zone, one.runs.until, True),
            one.channels.names,
            one.owner,
            one.name in paused,
        )
        for one in sorted((one for one in listed if isinstance(one, Promotion)), key=lambda one: one.name.encode())
    )
    return Described(
        files=files,
        promotions=promotions,
        segments=sum(isinstance(one, Segment) for one in listed),
        articles=sum(len(one.articles) for one in listed if isinstance(one, Catalogue)),
        image_bytes=image_bytes,
        currencies=settings.currencies,
        channels=tuple(sorted(schema.channels, key=str.encode)) if schema is not None else (),
        semantics=SEMANTICS,
        sources=sources,
    )
