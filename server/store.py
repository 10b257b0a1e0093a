"""The store: Programs, image parts, manifests and the Timeline, in any Valkey >= 7.2 or Redis >= 7.0.

One code path, whether the server is the embedded one (server/embedded.py) or an address. What is immutable is stored
under its own digest; what is written first can be relied on by what is written next: parts, then the manifest that
names them, then the Timeline entry that names the manifest. The Timeline's only writer is a function of the store
(functions/timeline.lua; why: docs/decisions/embedded-store.md).

Nothing is trusted because it lies here: every size is bounded before it is read, every digest computed again.

What can go wrong, and who is told:

* StoreError
  x StoreUnavailable    the caller: try again; nothing was decided
  x StoreUnsuitable     the operator: another version or other settings are needed; the message says which
  x NotStored           the caller: no such ruleset, or one that an operator removed
  x BadStoreData        the operator: bytes do not have the digest, size or format that their name promises
  x Regressed           the operator: the store knows less of the Timeline than this node: restored, or failed over
  x AppendRefused       the publisher
    - TooEarly          effective_from is not a lead ahead of the store's time
    - ChangeIdUsed      the same change id was used for something else, or already
  x OutcomeUnknown      the publisher: the entries may or may not be written: look them up
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import secrets
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar, cast

from engine.program import address
from engine.schedule import Draft
from engine.timeline import Entry, Timeline, TimelineError, decode, is_digest, make_entry
from server.lease import Terms
from server.links import Link, Wire
from server.settings import Settings
from server.start_checks import LIBRARY
from server.store_errors import StoreError, StoreUnavailable, StoreUnsuitable
from server.telemetry import Event, say

__all__ = [
    "LIBRARY",
    "Draft",
    "StoreError",
    "StoreUnavailable",
    "StoreUnsuitable",
]  # of other modules: all that uses a store has them here

FORMAT: Final = 1  # of stored blobs; raised whenever their bytes change their meaning
CHUNK: Final = 1 << 20  # bytes of content, before compression
PACKED_ASIDE: Final = 64 << 10  # bytes of content; less is packed before a thread would begin
LEVEL: Final = 1  # of zlib: a third of the time of the usual 6, for a quarter more bytes
PROGRAM_MAX: Final = 512 << 20  # bytes; the catalogue is one Program
PART_MAX: Final = 1 << 31
MANIFEST_MAX: Final = 16 << 20
BUILD_MAX: Final = 32 << 20
SIGNATURES_MAX: Final = 32 << 10  # bytes; one has some 250
ENTRIES_PER_READ: Final = 1_000
BATCH: Final = 256  # commands in one round trip
BATCH_BYTES: Final = 8 << 20
APPEND_TRIES: Final = 8
APPEND_AGAIN_S: Final = 5.0  # on top of two leases: until an epoch is open, or until it is known what became of it
ASAP_MARGIN_US: Final = 20_000  # for the way from reading the store's time to appending; doubled when it was too short
STAGED_MAX_US: Final = 3_600_000_000  # a mark that is older was left by somebody who has gone
PUBLICATION_MAX: Final = 1 << 20  # bytes of a publication's record
PUBLICATION_KEPT_S: Final = 35 * 86_400

_T = TypeVar("_T")
# The Timeline, T, the first instant that an entry may have → what to append, or whatever it raises
Plan = Callable[[Timeline, int, int], Sequence[Draft]]


class NotStored(StoreError):
    """Nothing is stored under this name."""


class BadStoreData(StoreError):
    """What is stored is not what its name promises."""


class Regressed(StoreError):
    """The store knows less of the Timeline than it did."""


class AppendRefused(StoreError):
    """The Timeline does not take this entry."""


class TooEarly(AppendRefused):
    """The instant is not a lead ahead of the store's time. `earliest_us`: the first that was allowed."""

    def __init__(self, effective_from_us: int, earliest_us: int) -> None:
        super().__init__(f"effective_from {effective_from_us} is earlier than the first allowed instant {earliest_us}")
        self.earliest_us = earliest_us


class ChangeIdUsed(AppendRefused):
    """A change of this id stands in the Timeline. `first`, `count`: its entries; `fingerprint`: of what was asked."""

    def __init__(self, change_id: str, fingerprint: str, first: int, count: int) -> None:
        super().__init__(f"the change id {change_id!r} was used already, for entry {first}")
        self.fingerprint, self.first, self.count = fingerprint, first, count


class OutcomeUnknown(StoreError):
    """Whether the entries were written is not known; `entry_hash` finds them in the Timeline if they were."""

    def __init__(self, entry: Entry) -> None:
        super().__init__(f"whether entry {entry.sequence} ({entry.entry_hash}) was written is not known: look it up")
        self.entry = entry


@dataclass(frozen=True, slots=True)
class Change:
    """Who asks for entries, and why. `change_id`: makes asking again harmless, together with `fingerprint`, a digest of
    what was asked; "": none. `urgent`: before the horizon up to which cut-off nodes answer."""

    author: str
    reason: str
    change_id: str = ""
    fingerprint: str = ""
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Keys:
    """THE table of key names. The braces are the hash tag: all keys of one tenant are in one slot of a cluster."""

    tenant: str

    #                                                       type     content
    @property
    def meta(self) -> str:  #                               HASH     terms, epoch, head: functions/timeline.lua
        """Facts about the tenant's Timeline."""
        return f"einklang:{{{self.tenant}}}:meta"

    @property
    def holders(self) -> str:  #                            HASH     who may hold a lease → epoch
        """Who may hold a lease."""
        return f"einklang:{{{self.tenant}}}:holders"

    @property
    def nodes(self) -> str:  #                              HASH     node → T when last heard of, and what it said
        """The nodes and what they say of themselves."""
        return f"einklang:{{{self.tenant}}}:nodes"

    @property
    def stage(self) -> str:  #                              HASH     digest → time, and a note
        """Rulesets that every node shall have ready."""
        return f"einklang:{{{self.tenant}}}:stage"

    @property
    def changes(self) -> str:  #                            HASH     change id → fingerprint, first entry, count
        """Changes of the Timeline by their callers' ids."""
        return f"einklang:{{{self.tenant}}}:changes"

    def acks(self, digest: str) -> str:  #                  HASH     node → READY, or FAILED and why
        """How far the nodes are with a staged ruleset."""
        return f"einklang:{{{self.tenant}}}:acks:{digest}"

    def publication(self, name: str) -> str:  #             STRING   JSON; kept for some weeks
        """What became of a publication."""
        return f"einklang:{{{self.tenant}}}:publication:{name}"

    @property
    def timeline(self) -> str:  #                           LIST     entries as bytes; entry n at index n - 1
        """The Timeline."""
        return f"einklang:{{{self.tenant}}}:timeline"

    @property
    def barrier(self) -> str:  #                            STRING   nothing: written to wait for its confirmation
        """What is written between a call and the waiting for its confirmation (server/links.py)."""
        return f"einklang:{{{self.tenant}}}:barrier"

    def program(self, program_address: str) -> str:  #      BLOB     a Program's canonical bytes
        """One compiled declaration."""
        return f"einklang:{{{self.tenant}}}:program:{program_address}"

    def listing(self, digest: str) -> str:  #               BLOB     JSON: the addresses of a ruleset's Programs
        """What a ruleset was linked from."""
        return f"einklang:{{{self.tenant}}}:listing:{digest}"

    def part(self, digest: str) -> str:  #                  BLOB     one part of an image
        """One part of an image."""
        return f"einklang:{{{self.tenant}}}:part:{digest}"

    def manifest(self, digest: str) -> str:  #              BLOB     an image's manifest; its SHA-256 names the ruleset
        """The manifest of a ruleset."""
        return f"einklang:{{{self.tenant}}}:manifest:{digest}"

    def signature(self, digest: str) -> str:  #             STRING   lines: who signed this manifest (server/signing.py)
        """The signatures of a ruleset."""
        return f"einklang:{{{self.tenant}}}:signature:{digest}"

    def about(self, digest: str) -> str:  #                 BLOB     JSON: what people want to know of a ruleset
        """What a ruleset holds, for people."""
        return f"einklang:{{{self.tenant}}}:about:{digest}"

    def sources(self, sources: str) -> str:  #              BLOB     JSON: path → size and SHA-256 of a file
        """The files of a set of sources."""
        return f"einklang:{{{self.tenant}}}:sources:{sources}"

    def source(self, digest: str) -> str:  #                BLOB     one source file, by its SHA-256
        """One source file."""
        return f"einklang:{{{self.tenant}}}:source:{digest}"

    def build(self, sources: str) -> str:  #                BLOB     JSON: what these sources and this compiler became
        """What a set of source files was compiled to."""
        return f"einklang:{{{self.tenant}}}:build:{sources}"


# A BLOB is a string `einklang-blob <format> <size> <chunks>\n` + the first compressed chunk; chunk n > 0 stands under
# `<key>:<n>`, and is written before. Chunks are of CHUNK bytes, the last one shorter, each compressed with zlib.
_HEAD: Final = re.compile(rb"einklang-blob (\d{1,4}) (\d{1,12}) (\d{1,6})\n")
_HEAD_MAX: Final = 64
_CHUNK_STORED_MAX: Final = CHUNK + CHUNK // 100 + 1_024  # zlib's worst case


@dataclass(frozen=True, slots=True)
class Build:
    """What sources became: the ruleset's digest, the addresses of its Programs, the compiler's warnings and notes."""

    digest: str
    programs: tuple[str, ...]
    notes: tuple[dict[str, Any], ...] = ()


class Store:
    """A tenant's data in one store. Made by `opened`; every method raises StoreUnavailable and BadStoreData."""

    def __init__(self, link: Link, settings: Settings) -> None:
        self._link = link
        self._client = link.client()
        self.keys = Keys(settings.tenant)
        self._settings = settings
        self.about = ""  # product and version, for people
        self.store_id = ""  # made up when the tenant was set up; another one means: another store
        self.terms = Terms()
        self.joined = False  # it was found, checked and set up, by this process

    # ------------------------------------------------------------------------------------------------ the start check

    def remember(self, store_id: str, terms: Terms) -> None:
        """Which store this is, where it is known from an earlier time; until it is joined, nothing is asked of it."""
        self.store_id, self.terms = store_id, terms

    async def prepare(self, *, new: bool = True) -> None:
        """Check version and settings, load the functions, set up the tenant. `new` False: it must have been.

        Raises StoreUnsuitable."""
        self.about = (await self._link.prepare()).about
        if not new or self.store_id:
            there = await self._link.ask(lambda: self._client.hexists(self.keys.meta, "format"))
            if not there:
                what = f": it is not the store {self.store_id}" if self.store_id else ""
                raise StoreUnsuitable(f"the store holds nothing of the tenant {self.keys.tenant!r}{what}")
        wanted = (self._settings.lease_ms * 1_000, self._settings.guard_ms * 1_000, self._settings.horizon_ms * 1_000)
        fixed = [secrets.token_hex(16), *map(str, wanted), str(self._settings.store_replicas)]
        answer = await self._call("setup", [self.keys.meta], fixed, durable=True)
        if len(answer) != 6 or answer[0] != b"2":
            raise StoreUnsuitable(
                f"{self.keys.meta} was set up by another version of this program: "
                "start that version, or name another --data-dir or --store"
            )
        store_id = answer[1].decode("ascii", "replace")
        if self.store_id not in ("", store_id):
            raise StoreUnsuitable(
                f"this is another store ({store_id}) than the one that is remembered here ({self.store_id}): "
                "name that one, or begin anew with another --data-dir"
            )
        self.store_id = store_id
        lease_us, guard_us, horizon_us = (_integer(word, "a term of the tenant") for word in answer[2:5])
        self.terms = Terms(lease_us, guard_us, horizon_us)
        self.joined = True

    def tell_terms(self) -> None:
        """Log which terms these settings say otherwise than the tenant has them: they are said once."""
        for name, has_us in (
            ("lease_ms", self.terms.lease_us),
            ("guard_ms", self.terms.guard_us),
            ("horizon_ms", self.terms.horizon_us),
        ):
            given_ms = getattr(self._settings, name)
            if name in self._settings.model_fields_set and given_ms * 1_000 != has_us:
                say(Event.STORE_TERMS, name=f"EINKLANG_{name.upper()}", given=given_ms, tenant=has_us // 1_000)

    # ------------------------------------------------------------------------------------------------ the Timeline

    async def now_us(self) -> int:
        """The store's clock, microseconds since 1970."""
        seconds, micros = cast(Sequence[Any], await self._ask(self._client.time))
        return int(seconds) * 1_000_000 + int(micros)

    async def read(self, known: Timeline) -> tuple[int, Timeline]:
        """T when it was asked, and the Timeline: `known` with what was appended since. No promise that T goes on.

        Raises Regressed if the store does not hold what is known already, BadStoreData if its entries do not fit."""
        first = True
        now_us = 0
        while True:
            begin = max(0, len(known.entries) - 1)  # once more the last known one, to see that it still stands there
            pipe = self._client.pipeline(transaction=True)
            pipe.time()
            pipe.hget(self.keys.meta, "off_us")
            pipe.lrange(self.keys.timeline, begin, begin + ENTRIES_PER_READ - 1)
            time, off_us, rows = await self._ask(pipe.execute)
            if first:
                now_us, first = int(time[0]) * 1_000_000 + int(time[1]) + int(off_us or 0), False
            if known.head is not None and (not rows or rows[0] != known.head.encode()):
                raise Regressed(f"entry {known.head.sequence} of the Timeline is known here, but not to the store")
            new = rows[1:] if known.head is not None else rows
            try:
                known = known.extended(decode(row) for row in new)
            except TimelineError as error:
                raise BadStoreData(f"the Timeline: {error}") from None
            if len(rows) < ENTRIES_PER_READ:
                return now_us, known

    async def time_us(self) -> int:
        """T, roughly: no promise that it goes on."""
        off_us = await self._ask(lambda: cast(Awaitable[Any], self._client.hget(self.keys.meta, "off_us")))
        return await self.now_us() + int(off_us or 0)

    async def timeline(self) -> Timeline:
        """The whole Timeline, its chain verified."""
        return (await self.read(Timeline()))[1]

    async def append(self, drafts: Sequence[Draft] | Plan, change: Change) -> tuple[Entry, ...]:
        """Append entries that name stored rulesets, all or none. A Plan is asked for them by the Timeline that they
        will stand behind: again, where something else was appended meanwhile.

        Returns once they are on the store's disk, and on the replicas that may be promoted. Raises TooEarly,
        ChangeIdUsed, NotStored (a manifest), OutcomeUnknown, and engine.timeline.BadEntry for what is out of bounds."""
        known = Timeline()
        margin_us = ASAP_MARGIN_US
        earliest_us = 0
        until = asyncio.get_running_loop().time() + 2 * self.terms.lease_us / 1e6 + APPEND_AGAIN_S
        conflicts = 0
        while conflicts < APPEND_TRIES:
            try:
                now_us, known = await self.read(known)
            except Regressed:  # what was read a moment ago was never confirmed, and went with the primary
                known, conflicts = Timeline(), conflicts + 1
                continue
            asap_us = max(earliest_us, now_us) + margin_us
            ahead_us = 0 if known.head is None else self.terms.lead_us - change.urgent * self.terms.horizon_us
            planned = drafts
            if callable(planned):
                planned = planned(known, now_us, max(earliest_us, now_us + ahead_us + margin_us))
            assert planned
            entries: list[Entry] = []
            for draft in planned:
                entries.append(
                    make_entry(
                        entries[-1] if entries else known.head,
                        effective_from_us=asap_us if draft.effective_from_us is None else draft.effective_from_us,
                        digest=draft.digest,
                        kind=draft.kind,
                        author=change.author,
                        reason=change.reason,
                        sources=draft.sources,
                        appended_at_us=now_us,
                        promotion=draft.promotion,
                        until_us=draft.until_us,
                        cancelled=draft.cancelled,
                        change_id=change.change_id,
                    )
                )
            match await self._append_surely(entries, change, until):
                case ["OK" | "DUP", _]:
                    return tuple(entries)
                case ["MISSING", place]:
                    raise NotStored(f"no manifest {entries[int(place)].digest} is stored")
                case ["EARLY", earliest]:
                    earliest_us = int(earliest)
                    margin_us *= 2  # the way there takes longer than was thought
                    fixed = [d.effective_from_us for d in planned if d.effective_from_us is not None]
                    if callable(drafts):
                        earliest_us += margin_us  # which the plan judges
                    elif fixed and min(fixed) < earliest_us:
                        raise TooEarly(min(fixed), earliest_us)
                case ["USED", used]:
                    fingerprint, first, count = used.rsplit(" ", 2)
                    raise ChangeIdUsed(change.change_id, fingerprint, int(first), int(count))
                case ["STALE" | "CLOSED", *_]:  # the clock was set back, or no node has a lease yet
                    if asyncio.get_running_loop().time() > until:
                        raise StoreUnavailable("no node keeps the Timeline's time; start one with: einklang serve")
                    await asyncio.sleep(0.05)
                case ["CONFLICT", _]:
                    conflicts += 1
                case other:
                    raise BadStoreData(f"the append function answers {other[:1]}")
        raise StoreUnavailable(f"the Timeline changed {APPEND_TRIES} times while an entry was appended; try again")

    async def _append_surely(self, entries: Sequence[Entry], change: Change, until: float) -> list[str]:
        """One call; where it has no answer the same again, until one says what became of it: the function takes the
        same entries only once, and what it once refused it does not take later."""
        keys = [self.keys.meta, self.keys.timeline, self.keys.changes, self.keys.stage]
        keys += [self.keys.manifest(entry.digest) for entry in entries]
        first = entries[0]
        arguments: list[str | bytes] = ["", str(int(change.urgent)), change.change_id, change.fingerprint]
        arguments.append(str(first.appended_at_us))
        for entry in entries:
            arguments += [str(entry.sequence), entry.previous_hash, entry.entry_hash]
            arguments += [str(entry.effective_from_us), entry.kind, entry.encode()]
        unknown = False
        while True:
            try:
                answer = await self._call("append", keys, arguments, durable=True)
            except StoreUnavailable:
                unknown = True
                if asyncio.get_running_loop().time() > until:
                    raise OutcomeUnknown(first) from None
                await asyncio.sleep(0.05)
                continue
            words = [word.decode("utf-8", "replace") for word in answer]
            if unknown and words[0] == "CLOSED":  # whether it was written before is not said
                if asyncio.get_running_loop().time() > until:
                    raise OutcomeUnknown(first)
                await asyncio.sleep(0.05)
                continue
            return words

    async def stage_ruleset(self, digest: str, ready: bool = True, note: str = "") -> None:
        """Have every node fetch, verify and warm this ruleset, and say so; `ready` False: no longer."""
        await self._call("stage", [self.keys.stage], [digest, str(int(ready)), note])

    async def staged(self) -> tuple[str, ...]:
        """The rulesets that every node shall have ready."""
        rows = await self._ask(lambda: cast(Awaitable[Any], self._client.hkeys(self.keys.stage)))
        return tuple(name for row in rows if is_digest(name := row.decode("ascii", "replace")))

    async def staged_since(self) -> dict[str, int]:
        """The same, and since when, by the store's clock."""
        rows = await self._ask(lambda: cast(Awaitable[Any], self._client.hgetall(self.keys.stage)))
        return {
            name.decode("ascii", "replace"): _integer(said.partition(b" ")[0], "when a ruleset was staged")
            for name, said in rows.items()
        }

    async def acknowledge(self, node: str, digest: str, *, self_test: str = "", failed: str = "") -> str:
        """Say that a ruleset is ready on this node, or why it is not. Returns "" or why it is not to be used: the first
        node that was ready decides the ruleset's self-test otherwise."""
        told = [node, "FAILED" if failed else "READY", self_test, failed[:1_024]]
        answer = await self._call("ack", [self.keys.acks(digest)], told)
        if answer[0] == b"DIFFERS":
            return "it decides its self-test otherwise here than on the first node: other software"
        return ""

    async def acks(self, digest: str) -> dict[str, str]:
        """Node → READY, or FAILED and why."""
        rows = await self._ask(lambda: cast(Awaitable[Any], self._client.hgetall(self.keys.acks(digest))))
        told = {name.decode("utf-8", "replace"): said.decode("utf-8", "replace") for name, said in rows.items()}
        return {name: said for name, said in told.items() if name != ":self-test"}

    async def change_of(self, change_id: str) -> tuple[str, int, int] | None:
        """The fingerprint, first entry and number of entries of the change of this id; None: no such change is."""
        said = await self._ask(lambda: cast(Awaitable[Any], self._client.hget(self.keys.changes, change_id)))
        if said is None:
            return None
        fingerprint, first, count = said.decode("utf-8", "replace").rsplit(" ", 2)
        return fingerprint, _integer(first.encode(), "a change's entry"), _integer(count.encode(), "a change's length")

    async def put_publication(self, name: str, record: bytes) -> None:
        """Note how far a publication is; kept for some weeks."""
        assert len(record) <= PUBLICATION_MAX
        await self._ask(lambda: self._client.set(self.keys.publication(name), record, ex=PUBLICATION_KEPT_S))

    async def get_publication(self, name: str) -> bytes:
        """What was noted of a publication; empty: nothing."""
        return await self._bytes(self.keys.publication(name), PUBLICATION_MAX)

    async def nodes(self) -> dict[str, tuple[int, str]]:
        """Node → T when it was last heard of, and what it said of itself (JSON)."""
        rows = await self._ask(lambda: cast(Awaitable[Any], self._client.hgetall(self.keys.nodes)))
        found = {}
        for name, said in rows.items():
            seen, _, status = said.partition(b" ")
            found[name.decode("utf-8", "replace")] = (
                _integer(seen, "a node's time"),
                status.decode("utf-8", "replace"),
            )
        return found

    # ------------------------------------------------------------------------------------------------ Programs, parts

    async def put_programs(self, programs: Iterable[bytes]) -> tuple[tuple[str, ...], int]:
        """Store the Programs of these canonical bytes that are not stored yet. Returns all addresses and how many were
        new."""
        by_address = {address(data): data for data in programs}
        new = await self._put_missing({self.keys.program(name): data for name, data in by_address.items()}, PROGRAM_MAX)
        return tuple(by_address), new

    async def missing_programs(self, programs: Iterable[bytes]) -> int:
        """How many of these Programs (canonical bytes) are not stored."""
        return len(await self._missing(self.keys.program(address(data)) for data in programs))

    async def missing_parts(self, digests: Iterable[str]) -> int:
        """How many of these parts are not stored."""
        return len(await self._missing(self.keys.part(digest) for digest in digests))

    async def get_program(self, program_address: str) -> bytes:
        """The canonical bytes of a Program. Raises NotStored."""
        data = await self._get(self.keys.program(program_address), PROGRAM_MAX)
        if address(data) != program_address:
            raise BadStoreData(f"program {program_address}: its bytes have another digest")
        return data

    async def get_programs(self, addresses: Sequence[str], most: int) -> AsyncIterator[tuple[str, bytes]]:
        """The canonical bytes of Programs by their address; empty for those of more than `most` bytes.

        Raises NotStored."""
        for begin in range(0, len(addresses), BATCH // 4):
            batch = addresses[begin : begin + BATCH // 4]
            pipe = self._client.pipeline(transaction=False)
            for name in batch:
                pipe.getrange(self.keys.program(name), 0, _HEAD_MAX + _CHUNK_STORED_MAX)
            for name, first in zip(batch, await self._ask(pipe.execute), strict=True):
                data = await self._content(self.keys.program(name), first, most)
                if data is not None and address(data) != name:
                    raise BadStoreData(f"program {name}: its bytes have another digest")
                yield name, data or b""

    async def put_listing(self, digest: str, addresses: Sequence[str]) -> None:
        """Note which Programs a ruleset was linked from; a later text of the same ruleset takes the place."""
        await self._write(await _packed(self.keys.listing(digest), json.dumps(addresses).encode()))

    async def get_listing(self, digest: str) -> tuple[str, ...]:
        """The addresses of a ruleset's Programs. Raises NotStored."""
        key = self.keys.listing(digest)
        try:
            addresses = json.loads(await self._get(key, BUILD_MAX))
            if not isinstance(addresses, list) or not all(map(is_digest, addresses)):
                raise ValueError(key)
        except (ValueError, TypeError, RecursionError):
            raise BadStoreData(f"{key}: not a list of addresses") from None
        return tuple(addresses)

    async def put_about(self, digest: str, about: bytes) -> None:
        """Note what people want to know of a ruleset, as JSON. Nothing is decided by it."""
        await self._put_missing({self.keys.about(digest): about}, BUILD_MAX)

    async def get_about(self, digest: str) -> bytes:
        """What was noted of a ruleset. Raises NotStored."""
        return await self._get(self.keys.about(digest), BUILD_MAX)

    async def put_sources(self, sources: str, files: Mapping[str, bytes]) -> None:
        """Store source files, each once by its digest, then the list of them under the digest of them all."""
        digests = {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}
        listed = [[path, len(data), digests[path]] for path, data in files.items()]
        await self._put_missing({self.keys.source(digests[path]): data for path, data in files.items()}, PROGRAM_MAX)
        await self._put_missing({self.keys.sources(sources): json.dumps(listed).encode()}, BUILD_MAX)

    async def get_sources(self, sources: str, most: int) -> dict[str, bytes] | None:
        """The files by their path; None: they have more than so many bytes in all. Raises NotStored."""
        key = self.keys.sources(sources)
        try:
            listed = [
                (str(path), int(size), str(name)) for path, size, name in json.loads(await self._get(key, BUILD_MAX))
            ]
        except (ValueError, TypeError, RecursionError):
            raise BadStoreData(f"{key}: not a list of files") from None
        if sum(size for _, size, _ in listed) > most:
            return None
        files = {}
        for path, size, name in sorted(listed):
            files[path] = await self._get(self.keys.source(name), min(max(size, 0), most))
            if hashlib.sha256(files[path]).hexdigest() != name:
                raise BadStoreData(f"source {name}: its bytes have another digest")
        return files

    async def listed_sources(self, sources: str) -> tuple[str, ...]:
        """The digests of the files of a set of sources. Raises NotStored."""
        key = self.keys.sources(sources)
        try:
            return tuple(str(name) for _, _, name in json.loads(await self._get(key, BUILD_MAX)))
        except (ValueError, TypeError, RecursionError):
            raise BadStoreData(f"{key}: not a list of files") from None

    async def put_parts(self, parts: Mapping[str, bytes]) -> int:
        """Store the parts (digest → bytes) that are not stored yet; how many were new."""
        for digest, data in parts.items():
            assert hashlib.sha256(data).hexdigest() == digest
        return await self._put_missing({self.keys.part(digest): data for digest, data in parts.items()}, PART_MAX)

    async def get_part(self, digest: str, size: int) -> bytes:
        """The bytes of a part of the size that its manifest says. Raises NotStored."""
        data = await self._get(self.keys.part(digest), min(size, PART_MAX))
        if len(data) != size or hashlib.sha256(data).hexdigest() != digest:
            raise BadStoreData(f"part {digest}: its bytes have another digest or size")
        return data

    async def put_manifest(self, manifest: bytes) -> str:
        """Store a manifest, after its parts. Returns its digest, the ruleset's name.

        They are confirmed before: a store that lost them, because it failed over or restarted meanwhile, would
        otherwise hold a ruleset that looks whole."""
        digest = hashlib.sha256(manifest).hexdigest()
        if await self._missing([self.keys.manifest(digest)]):
            await self._link.durably()
        await self._put_missing({self.keys.manifest(digest): manifest}, MANIFEST_MAX)
        return digest

    async def get_manifest(self, digest: str) -> bytes:
        """The manifest of a ruleset. Raises NotStored."""
        data = await self._get(self.keys.manifest(digest), MANIFEST_MAX)
        if hashlib.sha256(data).hexdigest() != digest:
            raise BadStoreData(f"manifest {digest}: its bytes have another digest")
        return data

    async def add_signature(self, digest: str, line: bytes) -> None:
        """Put a signature beside those that a manifest has. Raises StoreUnsuitable where it has too many."""
        key = self.keys.signature(digest)
        if len(await self._bytes(key, SIGNATURES_MAX)) + len(line) >= SIGNATURES_MAX:
            raise StoreUnsuitable(f"{key}: more than {SIGNATURES_MAX:,} bytes of signatures; delete this key")
        await self._ask(lambda: self._client.append(key, b"\n" + line))  # on a line of its own, whatever stands there

    async def get_signatures(self, digest: str) -> bytes:
        """The lines that were stored, empty where there are none. They are nobody's word but their keys'."""
        key = self.keys.signature(digest)
        lines = await self._bytes(key, SIGNATURES_MAX)
        if len(lines) > SIGNATURES_MAX:
            raise BadStoreData(f"{key}: more than {SIGNATURES_MAX:,} bytes of signatures; delete this key")
        return lines

    async def put_build(self, sources: str, build: Build) -> None:
        """Note what these sources (a digest over the files and the compiler) became. A hint: checked when used."""
        fields = {"digest": build.digest, "programs": build.programs, "notes": build.notes}
        data = json.dumps(fields, separators=(",", ":")).encode()
        await self._put_missing({self.keys.build(sources): data}, BUILD_MAX)

    async def get_build(self, sources: str) -> Build | None:
        """What these sources became earlier, if its manifest is stored still."""
        try:
            fields = json.loads(await self._get(self.keys.build(sources), BUILD_MAX))
            build = Build(fields["digest"], tuple(fields["programs"]), tuple(fields["notes"]))
            if not all(map(is_digest, (build.digest, *build.programs))) or not all(
                isinstance(note, dict) for note in build.notes
            ):
                raise ValueError(sources)
        except NotStored:
            return None
        except (BadStoreData, ValueError, KeyError, TypeError, RecursionError):
            say(Event.BUILD_UNREADABLE, sources=sources)
            return None
        stored = await self._ask(lambda: self._client.touch(self.keys.manifest(build.digest)))
        return build if stored else None

    # ------------------------------------------------------------------------------------------------ retention

    async def scan(self, kind: str) -> dict[str, list[str]]:
        """The blobs of a kind (a name of `Keys`): what stands behind the kind in their key → the keys of their chunks,
        the head first. What is written meanwhile may be missing."""
        prefix = f"einklang:{{{self.keys.tenant}}}:{kind}:"
        found: dict[str, list[str]] = {}
        cursor = -1
        while cursor != 0:
            ask = partial(self._client.scan, max(0, cursor), match=f"{prefix}*", count=1_000)
            cursor, rows = await self._ask(ask)
            for row in rows:
                key = row.decode("utf-8", "replace")
                found.setdefault(key.removeprefix(prefix).partition(":")[0], []).append(key)
        return {name: sorted(set(keys), key=_by_length) for name, keys in found.items() if f"{prefix}{name}" in keys}

    async def discard(self, keys: Sequence[str], idle_s: int, *, dry_run: bool = False) -> int | None:
        """Delete a blob that nobody looked for in so many seconds. Returns how many bytes it took; None: it stays."""
        answer = cast(Any, await self._call("discard", keys, [str(idle_s), str(int(not dry_run))]))
        return None if int(answer) < 0 else int(answer)

    async def build_digest(self, sources: str) -> str:
        """The ruleset that these sources became, stored or not; "": what was noted cannot be read."""
        try:
            return str(json.loads(await self._get(self.keys.build(sources), BUILD_MAX))["digest"])
        except (StoreError, ValueError, KeyError, TypeError, RecursionError):
            return ""

    # ------------------------------------------------------------------------------------------------ blobs

    async def _put_missing(self, blobs: Mapping[str, bytes], most: int) -> int:
        """Write those that are not there. The head, which makes a blob visible, is written last and never replaced."""
        missing = await self._missing(blobs)
        rows: list[tuple[str, bytes]] = []
        for name in missing:
            if len(blobs[name]) > most:
                raise StoreUnsuitable(f"{name}: {len(blobs[name]):,} bytes; at most {most:,} can be stored")
            for row in await _packed(name, blobs[name]):
                rows.append(row)
                if len(rows) >= BATCH or sum(len(data) for _, data in rows) >= BATCH_BYTES:
                    await self._write(rows)
                    rows = []
        await self._write(rows)
        return len(missing)

    async def _missing(self, keys: Iterable[str]) -> list[str]:
        """Those of the keys that are not stored. The others have been looked for: they are not discarded for hours."""
        names = list(keys)
        missing: list[str] = []
        for begin in range(0, len(names), BATCH):
            batch = names[begin : begin + BATCH]
            pipe = self._client.pipeline(transaction=False)
            for name in batch:
                pipe.touch(name)
            there = await self._ask(pipe.execute)
            missing += [name for name, known in zip(batch, there, strict=True) if not known]
        return missing

    async def _write(self, rows: Sequence[tuple[str, bytes]]) -> None:
        if rows:
            pipe = self._client.pipeline(transaction=False)
            for name, data in rows:
                pipe.set(name, data)
            await self._ask(pipe.execute)

    async def _get(self, key: str, most: int) -> bytes:
        """A blob's content, at most so many bytes. Raises NotStored, BadStoreData."""
        content = await self._content(key, await self._bytes(key, _HEAD_MAX + _CHUNK_STORED_MAX), most)
        if content is None:
            raise BadStoreData(f"{key}: more than the {most:,} bytes that are allowed here")
        return content

    async def _content(self, key: str, first: bytes, most: int) -> bytes | None:
        """A blob's content, its first chunk being read already; None: it has more than so many bytes."""
        if not first:
            raise NotStored(f"{key} is not stored")
        head = _HEAD.match(first)
        if head is None or int(head[1]) != FORMAT:
            raise BadStoreData(f"{key}: not a blob of format {FORMAT}")
        size, count = int(head[2]), int(head[3])
        if size > most:
            return None
        if count != max(1, -(-size // CHUNK)):
            raise BadStoreData(f"{key}: {count} chunks do not fit {size:,} bytes")
        content = bytearray()
        for number in range(count):
            packed = first[head.end() :] if number == 0 else await self._bytes(f"{key}:{number}", _CHUNK_STORED_MAX)
            content += _unpacked(packed, min(CHUNK, size - len(content)), f"{key} chunk {number}")
        assert len(content) == size
        return bytes(content)

    async def _bytes(self, key: str, most: int) -> bytes:
        """At most so many bytes of a string, whatever somebody stored there."""
        return cast(bytes, await self._ask(lambda: self._client.getrange(key, 0, most)))

    # ------------------------------------------------------------------------------------------------ asking

    @property
    def timeout_s(self) -> float:
        """How long an answer may take."""
        return self._settings.store_timeout_ms / 1_000

    def connect(self, seconds: float) -> Wire:
        """A connection of its own to the present primary, for a thread; blocks. `seconds`: for an answer. Raises
        StoreError."""
        return self._link.connect(min(seconds, self.timeout_s))

    def confirming(self, wait_ms: int) -> tuple[tuple[str | int, ...], ...]:
        """What to send behind a write: from the answers `is_confirmed` can say whether it is where it must be."""
        return self._link.confirmation(wait_ms)

    def is_confirmed(self, answers: Sequence[Any]) -> bool:
        """Whether a write is on the disk, and on the replicas that may be promoted."""
        return self._link.is_held(answers)

    async def _call(
        self, name: str, keys: Sequence[str], arguments: Sequence[str | bytes], *, durable: bool = False
    ) -> list[bytes]:
        """Call a function of the library. `durable`: return only once its effects are on the disk."""
        command = ("FCALL", f"{LIBRARY}_{name}", len(keys), *keys, *arguments)
        if name != "setup":
            self._must_be_joined()
        if durable:
            return cast(list[bytes], await self._link.durably(*command))
        ask = cast(Callable[..., Awaitable[Any]], self._client.execute_command)
        return cast(list[bytes], await self._ask(lambda: ask(*command)))

    def _must_be_joined(self) -> None:
        if not self.joined:
            raise StoreUnavailable("the store was not reached since this process began")

    async def _ask(self, command: Callable[[], Any]) -> Any:
        """Run a command of the client; its errors become ours."""
        self._must_be_joined()
        return await self._link.ask(command)


@asynccontextmanager
async def opened(
    settings: Settings, *, patient_s: float = 0.0, remembered: tuple[str, Terms] | None = None, new: bool = True
) -> AsyncIterator[Store]:
    """The store of these settings (`settings.store` is set), checked and set up; closed at the end.

    A store that cannot be reached is asked again for `patient_s` seconds. One that is remembered is not asked at all:
    `Store.prepare` joins it. `new` False: the tenant must be set up. Raises StoreUnavailable, StoreUnsuitable."""
    link = Link(settings)
    store = Store(link, settings)
    try:
        if remembered is not None:
            store.remember(*remembered)
            yield store
            return
        until = asyncio.get_running_loop().time() + patient_s
        told = ""
        while True:
            try:
                await store.prepare(new=new)
                break
            except StoreUnavailable as error:
                left_s = until - asyncio.get_running_loop().time()
                if left_s <= 0:
                    raise
                if str(error) != told:
                    told = str(error)
                    say(Event.STORE_AWAITED, reason=told, seconds=left_s)
                await asyncio.sleep(0.1)
        yield store
    finally:
        await link.aclose()


def _by_length(key: str) -> tuple[int, str]:
    return len(key), key


async def _packed(key: str, data: bytes) -> list[tuple[str, bytes]]:
    """The strings of a blob, in the order in which they must be written; large ones are packed beside the loop."""
    if len(data) < PACKED_ASIDE:
        return list(_chunks(key, data))
    return await asyncio.to_thread(lambda: list(_chunks(key, data)))


def _chunks(key: str, data: bytes) -> Iterable[tuple[str, bytes]]:
    """The strings of a blob, in the order in which they must be written: the head last."""
    count = max(1, -(-len(data) // CHUNK))
    for number in range(1, count):
        yield f"{key}:{number}", zlib.compress(data[number * CHUNK : (number + 1) * CHUNK], LEVEL)
    yield key, b"einklang-blob %d %d %d\n" % (FORMAT, len(data), count) + zlib.compress(data[:CHUNK], LEVEL)


def _unpacked(packed: bytes, size: int, name: str) -> bytes:
    """One chunk's content of exactly this size; never more memory than that, whatever was packed."""
    inflater = zlib.decompressobj()
    try:
        content = inflater.decompress(packed, size + 1)
    except zlib.error:
        raise BadStoreData(f"{name}: cannot be unpacked") from None
    if len(content) != size or not inflater.eof or inflater.unused_data:
        raise BadStoreData(f"{name}: not of the size that its head says")
    return content


def _integer(text: object, what: str) -> int:
    if not isinstance(text, bytes) or not re.fullmatch(rb"\d{1,16}", text):
        raise BadStoreData(f"{what} is not a whole number")
    return int(text)
