"""Delete what is no longer to be kept: rulesets that were in force for the last time more than `keep_days` ago, and all
that only they needed. `einklang prune`.

    Timeline → rulesets to keep → the manifests of others → what stands in no manifest, listing or list that is left

The Timeline itself stays whole: who, when and why are never deleted. Kept are the rulesets of every instant of the last
`keep_days`, of what is scheduled, of what is staged, and the bases that pauses were made from.

Somebody may publish meanwhile, and build on what is there already. Whoever publishes looks for each blob that it
builds on (TOUCH), and nothing is deleted that was looked for or written within IDLE_S (`discard` of
functions/timeline.lua judges and deletes in one step): longer than a publication may take. Manifests go first; what
those that are left at that moment name stays, also where they came meanwhile.

What can go wrong, and who is told: StoreError, and CannotTell for a manifest that this version cannot read: nothing
that it may name is deleted then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from engine.parts import ImageRejected, parts_of
from engine.schedule import NotPossible, base_of
from engine.timeline import Timeline
from server.description import Described, Unreadable
from server.store import NotStored, Store

IDLE_S: Final = 7_200  # a publication takes at most half of it (EINKLANG_PUBLISH_TIMEOUT_S)
OF_RULESETS: Final = ("signature", "about", "listing")  # blobs that bear a ruleset's digest, beside its manifest


class CannotTell(Exception):
    """What is still needed cannot be said."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was deleted, or would be."""

    rulesets: int
    kept: int
    blobs: Mapping[str, int]  # by kind
    size_bytes: int  # of the store's memory
    busy: Mapping[str, int]  # that nobody needs, but looked for or wrote a short while ago, by kind: another time


def kept(timeline: Timeline, since_us: int) -> frozenset[str]:
    """The rulesets that were in force at any time since then, or will be, and the bases of those."""
    order = timeline.after(-1)
    found = set()
    for place, entry in enumerate(order):
        if place + 1 == len(order) or order[place + 1].effective_from_us >= since_us:
            found.add(entry.digest)
            try:
                found.add(base_of(timeline, entry.sequence).digest)
            except NotPossible:  # it follows from another one, which says it
                continue
    return frozenset(found)


async def prune(
    store: Store, keep_days: int, *, dry_run: bool = False, tell: Callable[[str], None] = lambda _: None
) -> Pruned:
    """Delete; `dry_run`: only count. Raises StoreError, CannotTell."""
    work = _Work(store, dry_run)
    timeline = await store.timeline()
    since_us = await store.time_us() - keep_days * 86_400_000_000
    wanted = kept(timeline, since_us) | set(await store.staged())

    tell("rulesets")
    manifests = await store.scan("manifest")
    gone = {digest for digest in manifests if digest not in wanted and await work.away("manifest", manifests[digest])}
    left = manifests.keys() - gone if dry_run else (await store.scan("manifest")).keys()
    for kind in OF_RULESETS:
        await work.sweep(kind, left)

    tell("parts")
    parts: set[str] = set()
    for digest in left:
        try:
            parts |= {part.digest for part in parts_of(await store.get_manifest(digest))}
        except ImageRejected as error:
            raise CannotTell(f"ruleset {digest} cannot be read by this version: {error}") from None
        except NotStored:
            continue
    await work.sweep("part", parts)

    tell("declarations and sources")
    programs: set[str] = set()
    sources = {entry.sources for entry in timeline.entries if entry.digest in left}
    for digest in left:
        try:
            programs |= set(await store.get_listing(digest))
            sources.add(Described.decode(await store.get_about(digest)).sources)
        except (NotStored, Unreadable):
            continue
    await work.sweep("program", programs)
    await work.sweep("sources", sources)
    files: set[str] = set()
    for name in await store.scan("sources"):
        if name in sources or not dry_run:
            files |= set(await store.listed_sources(name))
    await work.sweep("source", files)
    for name, keys in (await store.scan("build")).items():
        if await store.build_digest(name) not in left:
            await work.away("build", keys, idle_s=0)  # a hint, which reading it has just looked for
    return Pruned(len(gone), len(left), work.blobs, work.size_bytes, work.busy)


class _Work:
    """What is counted while it is done."""

    def __init__(self, store: Store, dry_run: bool) -> None:
        self._store = store
        self._dry_run = dry_run
        self.blobs: dict[str, int] = {}
        self.size_bytes = 0
        self.busy: dict[str, int] = {}

    async def sweep(self, kind: str, left: Iterable[str]) -> None:
        """Delete the blobs of a kind that are not among these."""
        needed = set(left)
        for name, keys in (await self._store.scan(kind)).items():
            if name not in needed:
                await self.away(kind, keys)

    async def away(self, kind: str, keys: list[str], idle_s: int = IDLE_S) -> bool:
        """Delete one; whether it was."""
        size = await self._store.discard(keys, idle_s, dry_run=self._dry_run)
        if size is None:
            self.busy[kind] = self.busy.get(kind, 0) + 1
            return False
        self.blobs[kind] = self.blobs.get(kind, 0) + 1
        self.size_bytes += size
        return True
