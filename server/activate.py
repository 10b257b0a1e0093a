"""Activation: follow the Timeline, and have the ruleset of every instant loaded before that instant comes.

    Timeline → wanted rulesets → manifest → signature → parts (files, mapped) → load (verifies all) → warm → self-test
             → kept

Which ruleset answers for an instant is a function of the Timeline and of nothing else; the flip needs no event. What
cannot be used is passed over: the last good ruleset stays in force, the log and the status say so. Text is never
compiled here; the engine is handed in (`Machine`), so that its kernels are imported after their cache is set.

What can go wrong, and who is told:

* StoreUnavailable      nobody at once: what is loaded stays in force; the log says it once, the status shows it
* a rejected ruleset    the operator: log and status; unsound bytes for good, missing ones are asked for again
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar, cast

from engine.timeline import Entry, Timeline, is_digest
from server.clock import Clock
from server.parts import PartFiles
from server.signing import Trust
from server.store import NotStored, Regressed, Store, StoreError, StoreUnavailable
from server.telemetry import ROOT, Counters, Event, Metric, say

if TYPE_CHECKING:
    from engine.direct import Direct
    from engine.image import Ruleset
    from engine.parts import PartRef

AHEAD: Final = 8  # scheduled rulesets that are kept loaded
BEHIND: Final = 2  # rulesets that were in force before
PREVIEWS: Final = 4  # rulesets that were asked for by digest or by an older instant
PARTS_MAX: Final = 100_000  # of one image
IMAGE_BYTES_MAX: Final = 4 << 30
SOON_US: Final = 1_000_000
RETRY_NS: Final = 10 * 10**9  # after a ruleset was not in the store, or not signed, or the disk was full

_ASIDE: Final = "engine"  # the name of threads that do engine work

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Machine:
    """What is needed of the engine (engine.image, engine.decide, engine.direct)."""

    parts_of: Callable[[bytes], Iterable[PartRef]]
    load: Callable[[bytes, Mapping[str, memoryview]], Ruleset]
    warm: Callable[[Ruleset], None]
    rejected: type[Exception]  # raised by the first two for unsound bytes
    direct: Callable[[Ruleset], Direct] | None = None  # what answers ordinary requests; None: nothing does
    self_test: Callable[[Ruleset, Direct], str] | None = None  # gives a digest of what it answers, or raises Unusable


@dataclass(frozen=True, slots=True)
class Active:
    """A ruleset in force: verified, mapped and warm."""

    sequence: int  # of its Timeline entry
    effective_from_us: int  # by the store's clock
    digest: str
    ruleset: Ruleset
    direct: Direct | None = None  # what answers ordinary requests; None: all are answered at length


@dataclass(frozen=True, slots=True)
class Rejection:
    """A ruleset that cannot be used here, and why."""

    sequence: int
    digest: str
    reason: str


@dataclass(frozen=True, slots=True)
class Status:
    """What an operator wants to know of this node."""

    store_reachable: bool
    problem: str  # of following the Timeline; "" = none
    entries: int  # of the Timeline, as far as it is known here
    in_force: Active | None
    pending: tuple[int, ...]  # entries whose rulesets are still to be loaded
    scheduled: tuple[int, ...]  # entries that take force later
    rejected: tuple[Rejection, ...]


class Unusable(Exception):
    """A ruleset that cannot be used on this node: its bytes are unsound, or its self-test failed."""


class NotSigned(Unusable):
    """Nobody who is trusted has signed it, until now."""


class StoreTime:
    """An estimate of the store's clock between two readings. It never goes back."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset_us = 0  # store's time = monotonic + offset
        self._latest_us = 0
        self.known = False

    def note(self, before_ns: int, after_ns: int, store_us: int) -> None:
        """A reading: what the store said between two readings of the monotonic clock."""
        self._offset_us = store_us - (before_ns + after_ns) // 2_000
        self.known = True

    def now_us(self) -> int:
        """Microseconds since 1970 by the store's clock; 0 as long as it was never read."""
        if self.known:
            self._latest_us = max(self._latest_us, self._clock.monotonic_ns() // 1_000 + self._offset_us)
        return self._latest_us


class RulesetHolder:
    """The loaded rulesets of this node, and which of them answers for an instant. For the event loop's thread."""

    def __init__(
        self, store: Store, files: PartFiles, machine: Machine, clock: Clock, counters: Counters, *, trust: Trust
    ) -> None:
        self._store = store
        self._trust = trust
        self._files = files
        self._machine = machine
        self._clock = clock
        self._counters = counters
        self._time = StoreTime(clock)
        self._timeline = Timeline()
        self._kept: dict[str, Ruleset] = {}  # by digest: in force, scheduled, lately in force
        self._previews: OrderedDict[str, Ruleset] = OrderedDict()  # by digest, longest unused first
        self._direct: dict[str, Direct] = {}  # by digest, of the rulesets that are kept or were asked for
        self._self_tests: dict[str, str] = {}  # likewise: what came of the self-test
        self._wanted: frozenset[str] = frozenset()  # digests that should be in _kept
        self._rejected: dict[str, str] = {}  # digest → reason
        self._again_ns: dict[str, int] = {}  # digest → when a missing one is asked for again
        self._span = (1, 0)  # the instants for which _span_active answers: [first, second)
        self._span_active: Active | None = None
        self._on_demand = asyncio.Lock()  # one preview at a time: loading takes memory
        self._said: set[str] = set()
        self._reachable = False
        self._problem = ""
        self._in_force_sequence = 0
        self._settling: list[tuple[int, asyncio.Future[None]]] = []
        self.stepped = asyncio.Event()  # the Timeline was read, or could not be, at least once
        self.ready = asyncio.Event()  # a ruleset is in force and warm

    # ------------------------------------------------------------------------------------------------ for services

    @property
    def timeline(self) -> Timeline:
        """The Timeline as far as it is known here."""
        return self._timeline

    @property
    def current(self) -> Active | None:
        """What is in force now, by the store's clock; None before the first ruleset is warm."""
        return self.at(self._time.now_us())

    def store_now_us(self) -> int:
        """Estimate of the store's clock, microseconds since 1970; never goes back. 0 before it was read once."""
        return self._time.now_us()

    def at(self, as_of_us: int) -> Active | None:
        """What is in force at this instant. Rejected rulesets and those still being loaded are passed over.

        None: nothing was in force then, or its ruleset is not kept loaded (`load_at` fetches it)."""
        first, until = self._span
        if first <= as_of_us < until:
            return self._span_active
        return self._look_up(as_of_us)

    async def load_at(self, as_of_us: int) -> Active | None:
        """Like `at`, but an older ruleset is fetched when it is not in memory. Raises StoreUnavailable, Unusable."""
        if (active := self.at(as_of_us)) is not None:
            return active
        for entry in reversed(self._timeline.up_to(as_of_us)):
            if entry.digest not in self._rejected:
                ruleset = await self.by_digest(entry.digest)
                return None if ruleset is None else self._active(entry, ruleset)
        return None

    async def by_digest(self, digest: str) -> Ruleset | None:
        """The ruleset of this digest, fetched and loaded on demand, a few kept; None if the store has none.

        Raises StoreUnavailable, and Unusable if it is there but unsound."""
        if not is_digest(digest):
            return None
        async with self._on_demand:
            found = self._kept.get(digest) or self._previews.get(digest)
            if found is None:
                try:
                    found = await self._load(digest)
                except NotStored:
                    return None
            if digest not in self._kept:
                self._previews[digest] = found
                self._previews.move_to_end(digest)
                while len(self._previews) > PREVIEWS:
                    self._forget(self._previews.popitem(last=False)[0])
            return found

    def direct_of(self, digest: str) -> Direct | None:
        """What answers ordinary requests by the ruleset of this digest; None: it is not loaded."""
        if digest in self._previews:
            self._previews.move_to_end(digest)
        return self._direct.get(digest)

    def self_test_of(self, digest: str) -> str:
        """SHA-256 in hex over what this node's self-test of this ruleset got: the same at every node. "": it is not
        loaded."""
        return self._self_tests.get(digest, "")

    async def settled(self, sequence: int) -> None:
        """Wait until this entry is known here and its ruleset loaded or rejected; if it takes force within a second,
        until then. Whoever published can then ask this node."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._settling.append((sequence, future))
        self._look_again(sequence)
        self._settle()
        await future
        effective_from_us = self._timeline.entries[sequence - 1].effective_from_us
        while 0 < (ahead_us := effective_from_us - self._time.now_us()) <= SOON_US:
            await asyncio.sleep(ahead_us / 1e6)  # may end a little early
        self._note_in_force()

    def status(self) -> Status:
        """What an operator wants to know."""
        now_us = self._time.now_us()
        in_force = self.at(now_us)
        rejected = tuple(
            Rejection(entry.sequence, entry.digest, self._rejected[entry.digest])
            for entry in self._timeline.entries
            if entry.digest in self._rejected
        )
        pending = {digest for digest in self._wanted if digest not in self._kept and digest not in self._rejected}
        return Status(
            store_reachable=self._reachable,
            problem=self._problem,
            entries=len(self._timeline.entries),
            in_force=in_force,
            pending=tuple(entry.sequence for entry in self._timeline.entries if entry.digest in pending),
            scheduled=tuple(entry.sequence for entry in self._timeline.after(now_us)),
            rejected=rejected[-10:],
        )

    # ------------------------------------------------------------------------------------------------ following

    async def step(self) -> None:
        """Read the Timeline once and load what is wanted now. Whatever fails, what is loaded stays in force."""
        try:
            before_ns = self._clock.monotonic_ns()
            now_us, timeline = await self._store.read(self._timeline)
            after_ns = self._clock.monotonic_ns()
        except StoreError as error:
            self._counters.add(Metric.FOLLOW_FAILURES)
            self._failed(error)
        else:
            self._counters.add(Metric.FOLLOW_READS)
            self._counters.put(Metric.FOLLOW_ROUND_TRIP_US, (after_ns - before_ns) // 1_000)
            self._time.note(before_ns, after_ns, now_us)
            self._succeeded()
            if timeline is not self._timeline:
                self._timeline = timeline
                self._forget_span()
        await self._load_wanted()
        self._note_in_force()
        self.stepped.set()
        self._settle()

    async def _load_wanted(self) -> None:
        """Load one after another, asking anew each time what is wanted: a rejection makes the one before wanted."""
        while (entry := self._next_wanted()) is not None:
            digest = entry.digest
            try:
                known = self._previews.get(digest)
                self._kept[digest] = await self._load(digest) if known is None else known
                self._previews.pop(digest, None)
                self._forget_span()
                self._note_in_force()
            except StoreUnavailable as error:
                self._failed(error)
                return
            except (
                StoreError,
                OSError,
                NotSigned,
            ) as error:  # may be there later: restored, signed, or room on the disk
                self._reject(digest, str(error), again=True)
            except Unusable as error:
                self._reject(digest, str(error), again=False)
        kept = self._wanted | {entry.digest for entry in self._timeline.up_to(self._time.now_us())[-1 - BEHIND :]}
        if not kept.issuperset(self._kept):
            for digest in self._kept.keys() - kept:
                del self._kept[digest]
                self._forget(digest)
            self._forget_span()

    def _next_wanted(self) -> Entry | None:
        """The first of the wanted rulesets that is not loaded: the one in force (or, for a rejected one, the one
        before), then those to come."""
        now_us = self._time.now_us()
        past: list[Entry] = []
        for entry in reversed(self._timeline.up_to(now_us)):
            if self._usable(entry):
                past = [entry]
                break
        wanted = past + [entry for entry in self._timeline.after(now_us)[:AHEAD] if self._usable(entry)]
        self._wanted = frozenset(entry.digest for entry in wanted)
        return next((entry for entry in wanted if entry.digest not in self._kept), None)

    def _usable(self, entry: Entry) -> bool:
        """Whether it is not rejected, or the time has come to ask again."""
        again_ns = self._again_ns.get(entry.digest)
        if again_ns is not None and self._clock.monotonic_ns() >= again_ns:
            del self._again_ns[entry.digest]
            self._rejected.pop(entry.digest, None)
        return entry.digest not in self._rejected

    async def _load(self, digest: str) -> Ruleset:
        """Fetch, verify, map, load, warm. Raises StoreError, OSError, Unusable."""
        began_ns = self._clock.monotonic_ns()
        manifest = await self._store.get_manifest(digest)
        if doubt := self._trust.doubt(digest, await self._store.get_signatures(digest)):
            raise NotSigned(doubt)  # before anything of it is read
        try:
            parts = tuple(self._machine.parts_of(manifest))
            size = sum(part.size for part in parts)
            if len(parts) > PARTS_MAX or size > IMAGE_BYTES_MAX:
                raise Unusable(f"{len(parts):,} parts of {size:,} bytes: more than this node takes")
            mapped = {part.digest: await self._files.get(self._store, part.digest, part.size) for part in parts}
            ruleset = await aside(self._machine.load, manifest, mapped)
            await aside(self._machine.warm, ruleset)
            if self._machine.direct is not None:
                direct = await aside(self._machine.direct, ruleset)
                if self._machine.self_test is not None:
                    self._self_tests[digest] = await aside(self._machine.self_test, ruleset, direct)
                self._direct[digest] = direct
        except (StoreError, OSError, Unusable):
            raise
        except self._machine.rejected as error:
            raise Unusable(str(error)) from None
        except Exception as error:  # a ruleset that trips the engine must not stop the node
            logging.getLogger(ROOT).exception("ruleset %s", digest)
            raise Unusable(f"the self-test failed: {type(error).__name__}: {error}") from None
        self._counters.add(Metric.IMAGES_LOADED)
        seconds = (self._clock.monotonic_ns() - began_ns) / 1e9
        say(Event.IMAGE_WARM, digest=digest, seconds=seconds, size_bytes=size)
        return ruleset

    def _reject(self, digest: str, reason: str, *, again: bool) -> None:
        if again:
            self._again_ns[digest] = self._clock.monotonic_ns() + RETRY_NS
        self._rejected[digest] = reason
        self._counters.add(Metric.IMAGES_REJECTED)
        if digest + reason not in self._said:
            self._said.add(digest + reason)
            say(Event.IMAGE_REJECTED, digest=digest, reason=reason)
        self._forget_span()

    # ------------------------------------------------------------------------------------------------ small things

    def _look_up(self, as_of_us: int) -> Active | None:
        past = self._timeline.up_to(as_of_us)
        active = None
        for entry in reversed(past):
            ruleset = self._kept.get(entry.digest)
            if ruleset is not None:
                active = self._active(entry, ruleset)
                break
            if entry.digest not in self._rejected and entry.digest not in self._wanted:
                break  # it was in force, but is not kept loaded
        later = self._timeline.after(as_of_us)
        if past and later:
            self._span, self._span_active = (past[-1].effective_from_us, later[0].effective_from_us), active
        elif past:
            self._span, self._span_active = (past[-1].effective_from_us, 1 << 62), active
        return active

    def _active(self, entry: Entry, ruleset: Ruleset) -> Active:
        return Active(entry.sequence, entry.effective_from_us, entry.digest, ruleset, self._direct.get(entry.digest))

    def _forget(self, digest: str) -> None:
        """It is not loaded any more."""
        self._direct.pop(digest, None)
        self._self_tests.pop(digest, None)

    def _look_again(self, sequence: int) -> None:
        """What may be usable by now (signed, stored again) is asked for again in the next step."""
        for entry in self._timeline.entries[sequence - 1 : sequence]:
            if self._again_ns.pop(entry.digest, None) is not None:
                self._rejected.pop(entry.digest, None)

    def _forget_span(self) -> None:
        self._span, self._span_active = (1, 0), None

    def _settle(self) -> None:
        """Wake those whose entry is settled."""
        entries = self._timeline.entries
        for waiter in list(self._settling):
            sequence, future = waiter
            if future.done() or (
                sequence <= len(entries)
                and (entries[sequence - 1].digest in self._kept or entries[sequence - 1].digest in self._rejected)
            ):
                self._settling.remove(waiter)
                if not future.done():
                    future.set_result(None)

    def _note_in_force(self) -> None:
        active = self.current
        if active is not None and active.sequence != self._in_force_sequence:
            self._in_force_sequence = active.sequence
            self._counters.put(Metric.IN_FORCE_SEQUENCE, active.sequence)
            say(Event.IMAGE_IN_FORCE, sequence=active.sequence, digest=active.digest)
            self.ready.set()

    def _succeeded(self) -> None:
        if self._problem:
            say(Event.STORE_BACK)
        self._reachable, self._problem = True, ""

    def _failed(self, error: StoreError) -> None:
        self._reachable = not isinstance(error, StoreUnavailable)
        kind = {StoreUnavailable: Event.STORE_LOST, Regressed: Event.STORE_REGRESSED}.get(type(error), Event.STORE_BAD)
        reason = str(error)
        if not self._problem or (kind is not Event.STORE_LOST and reason != self._problem):
            say(kind, reason=reason)
        self._problem = reason


async def follow(holder: RulesetHolder, interval_ms: int, wake: asyncio.Event, each: Callable[[], None]) -> None:
    """Follow the Timeline for ever: a step every `interval_ms`, and at once when woken. `each` is called before."""
    while True:
        each()
        await holder.step()
        with suppress(TimeoutError):
            async with asyncio.timeout(interval_ms / 1_000):
                await wake.wait()
        wake.clear()


async def aside(function: Callable[..., T], *arguments: object) -> T:
    """Run engine work in a thread that nobody waits for at the end: a first compilation takes up to minutes, and a
    server that is told to stop does not finish it (`busy`)."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def finish(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(cast(T, result))

    def work() -> None:
        result, error = None, None
        try:
            result = function(*arguments)
        except Exception as raised:  # noqa: BLE001 - handed to whoever waits
            error = raised
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(finish, result, error)

    threading.Thread(target=work, name=_ASIDE, daemon=True).start()
    return await future


def busy() -> bool:
    """Whether engine work still runs aside: then the process must end without the interpreter's own clean-up."""
    return any(thread.name == _ASIDE for thread in threading.enumerate())
