"""What people want to know of a ruleset: its size, its promotions, where it sells. Worked out when it is stored.

Nothing is decided by it, so it is stored beside the image and not signed. A reader takes what it knows from it and
leaves the rest (`Described.decode`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from functools import cache

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
        """As JSON."""
        return json.dumps(asdict(self), separators=(",", ":"), sort_keys=True).encode()

    @classmethod
    def decode(cls, data: bytes) -> Described:
        """From JSON. Raises Unreadable."""
        try:
            fields = json.loads(data)
            rows = tuple(Listed(**{**row, "channels": tuple(row["channels"])}) for row in fields.pop("promotions"))
            currencies, channels = tuple(fields.pop("currencies")), tuple(fields.pop("channels"))
            return cls(promotions=rows, currencies=currencies, channels=channels, **fields)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise Unreadable("not the description of a ruleset") from error


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
