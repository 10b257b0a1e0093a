"""Activation: have the ruleset of every instant loaded before that instant comes, and say which one answers.

    Timeline (server/keeper.py) → wanted and staged rulesets → manifest → signature → parts (files, mapped)
    → load (verifies all) → warm → self-test → kept, acknowledged

Which ruleset answers for an instant is a function of the Timeline and of nothing else; the flip needs no event. Who
asks is answered by the lease (server/lease.py): `standing` says by what, and how sure that is. A ruleset in force that
cannot be used here is answered by no other: this node refuses until it has it. What is staged is tried before it is
scheduled, so that it does not come to that: then the last good ruleset stays in force everywhere.
Text is never compiled here; the engine is handed in (`Machine`), so that its kernels are imported after their cache is
set.

What can go wrong, and who is told:

* StoreUnavailable      nobody at once: the lease still holds; the log says it once, the status shows it
* a rejected ruleset    the operator: log and status, and whoever staged it; unsound bytes for good, missing ones are
                        asked for again
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeVar, cast

from engine.timeline import Entry, Timeline, is_digest
from server.clock import Clock
from server.lease import Heard, Lease, Wait, Window
from server.parts import PartFiles
from server.signing import Trust
from server.store import NotStored, Store, StoreError, StoreUnavailable
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
SOON_US: Final = 500_000  # who published waits so long for what takes force at once, and not for a lease to end
UNSURE, CERTAIN, SCHEDULED = 0, 1, 2  # as the contract's Certainty numbers them
FOR_EVER_NS: Final = 1 << 62
DAY_NS: Final = 86_400 * 10**9
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
    certainty: int  # of an answer now
    lease_left_us: int  # 0: there is no lease
    entries: int  # of the Timeline, as far as it is known here
    in_force: Active | None
    pending: tuple[int, ...]  # entries whose rulesets are still to be loaded
    scheduled: tuple[int, ...]  # entries that take force later
    rejected: tuple[Rejection, ...]


class Unusable(Exception):
    """A ruleset that cannot be used on this node: its bytes are unsound, or its self-test failed."""


class NotSigned(Unusable):
    """Nobody who is trusted has signed it, until now."""


class Standing(NamedTuple):
    """By what a request is answered: at the instant `as_of_us`, by the reading of the clock that it was asked at."""

    entry: Entry | None  # in force; None: nothing is yet
    active: Active | None  # its ruleset; None: it is not loaded here
    as_of_us: int
    certainty: int  # CERTAIN, SCHEDULED or UNSURE
    lease_end_ns: int  # an answer that is made later needs another lease: `lapsed`


class Known(Protocol):
    """What is known of the Timeline here and how far it can be trusted: server/keeper.py."""

    @property
    def timeline(self) -> Timeline:
        """As far as it is known here."""

    @property
    def lease(self) -> Lease | None:
        """The present lease."""

    @property
    def heard(self) -> Heard | None:
        """When the store last said how long the Timeline is, or what was kept of that."""

    @property
    def reachable(self) -> bool:
        """Whether the store answered when it was last asked."""

    @property
    def problem(self) -> str:
        """Why there is no lease, or no longer one; "" = none."""

    def window(self, now_ns: int) -> Window | Wait | None:
        """Which entry is in force at this reading, and how long that holds."""

    def final_us(self) -> int:
        """Instants before this are settled."""

    def cut_off_us(self, now_ns: int) -> int | None:
        """T, roughly, while a node that is cut off may answer."""

    def horizon_us(self) -> int:
        """Instants before this were scheduled when this node heard of the Timeline for the last time."""

    def hurry(self) -> None:
        """Have the store asked again now."""

    def says(self, status: str) -> None:
        """What this node tells of itself at its next renewal."""


class RulesetHolder:
    """The loaded rulesets of this node, and which of them answers for an instant. For the event loop's thread."""

    def __init__(
        self,
        store: Store,
        files: PartFiles,
        machine: Machine,
        clock: Clock,
        counters: Counters,
        *,
        trust: Trust,
        known: Known,
        node: str = "",
        build: str = "",
    ) -> None:
        """`node`, `build`: the names under which it is listed."""
        self._store = store
        self._files = files
        self._machine = machine
        self._trust = trust
        self._clock = clock
        self._counters = counters
        self._known = known
        self._node = node
        self._build = build
        self._kept: dict[str, Ruleset] = {}  # by digest: in force, scheduled, staged, lately in force
        self._previews: OrderedDict[str, Ruleset] = OrderedDict()  # by digest, longest unused first
        self._direct: dict[str, Direct] = {}  # by digest, of the rulesets that are kept or were asked for
        self._self_tests: dict[str, str] = {}  # likewise: what came of the self-test
        self._wanted: frozenset[str] = frozenset()  # digests that should be in _kept
        self._staged: tuple[str, ...] = ()  # digests that are to be acknowledged
        self._acknowledged: dict[str, str] = {}  # digest → what was said of it
        self._rejected: dict[str, str] = {}  # digest → reason
        self._again_ns: dict[str, int] = {}  # digest → when a missing one is asked for again
        self._tidied_ns = clock.monotonic_ns()
        self._window: Window | None = None
        self._window_active: Active | None = None
        self._on_demand = asyncio.Lock()  # one preview at a time: loading takes memory
        self._said: set[str] = set()
        self._problem = ""  # of loading
        self._in_force_sequence = 0
        self._settling: list[tuple[int, asyncio.Future[None]]] = []
        self._changed = asyncio.Event()
        self.stepped = asyncio.Event()  # there was a lease once, or there cannot be one at the moment
        self.ready = asyncio.Event()  # a ruleset is in force and warm

    # ------------------------------------------------------------------------------------------------ for services

    @property
    def timeline(self) -> Timeline:
        """The Timeline as far as it is known here."""
        return self._known.timeline

    def standing(self) -> Standing | Wait | None:
        """By what a request that names no instant is answered now.

        Wait: an activation; which entry is in force is certain in a moment. None: this node may not answer."""
        now_ns = self._clock.monotonic_ns()
        window = self._window
        if window is not None and window.begin_ns <= now_ns < window.end_ns:
            # The clock is read before the lease is looked at: it is given up before it is said how far it was used.
            lease = self._known.lease
            if lease is not None and lease.epoch == window.epoch:
                as_of_us = window.bounds.earliest_us(now_ns)
                return Standing(window.entry, self._window_active, as_of_us, CERTAIN, window.lease_end_ns)
        found = self._known.window(now_ns)
        if isinstance(found, Window):
            active = self._loaded(found.entry)
            if found.entry is not None:  # the first entry of all may take force at any moment
                self._window, self._window_active = found, active
            as_of_us = found.bounds.earliest_us(now_ns)
            return Standing(found.entry, active, as_of_us, CERTAIN, found.lease_end_ns)
        if found is not None:
            return found
        cut_off_us = self._known.cut_off_us(now_ns)
        if cut_off_us is None:
            return None
        entry = self.timeline.in_force(cut_off_us)
        return Standing(entry, self._loaded(entry), cut_off_us, SCHEDULED, FOR_EVER_NS)

    def lapsed(self, standing: Standing) -> bool:
        """Whether an answer that was made by this comes too late to be given: the lease has ended, and no later one
        says that the same entry is still in force. Any thread may ask."""
        now_ns = self._clock.monotonic_ns()
        if now_ns < standing.lease_end_ns:
            return False
        found = self._known.window(now_ns)  # a lease is renewed long before it ends
        return not isinstance(found, Window) or found.entry != standing.entry

    def seconds_until(self, wait: Wait) -> float:
        """How long this is to be waited for."""
        return max(0.0, (wait.until_ns - self._clock.monotonic_ns()) / 1e9)

    def standing_at(self, as_of_us: int) -> Standing | None:
        """By what a request that names this instant is answered. CERTAIN where it is settled, SCHEDULED within the
        horizon, UNSURE for the future: more may be published until then. None: nothing is known here yet."""
        known = self._known
        if known.heard is None:
            return None
        # Before the Timeline, which may grow meanwhile in the lease's thread: then it knows more than was settled.
        final_us, horizon_us = known.final_us(), known.horizon_us()
        cut_off = known.cut_off_us(self._clock.monotonic_ns()) is not None
        entry = known.timeline.in_force(as_of_us)
        certainty = UNSURE
        if as_of_us < final_us:
            certainty = CERTAIN
        elif cut_off and as_of_us < horizon_us:
            certainty = SCHEDULED
        return Standing(entry, self._loaded(entry), as_of_us, certainty, FOR_EVER_NS)

    def now_us(self) -> int:
        """T, roughly: microseconds since 1970. 0: it was never known here."""
        heard = self._known.heard
        return 0 if heard is None else heard.bounds.earliest_us(self._clock.monotonic_ns())

    def scheduled_left_us(self) -> int:
        """How long this node may still decide, were it cut off now; 0: not at all."""
        cut_off_us = self._known.cut_off_us(self._clock.monotonic_ns())
        return 0 if cut_off_us is None else self._known.horizon_us() - cut_off_us

    @property
    def scheduled_until_us(self) -> int:
        """Up to which instant, by the store's clock; 0: not at all."""
        return self._known.horizon_us() if self.scheduled_left_us() else 0

    async def change(self, seconds: float) -> None:
        """Wait until the lease or the Timeline is another one; not longer than this."""
        changed = self._changed
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await changed.wait()

    async def load(self, entry: Entry) -> Active | None:
        """The entry's ruleset, fetched and loaded on demand. None: it is not stored. Raises StoreError, Unusable."""
        if (active := self._loaded(entry)) is not None:
            return active
        ruleset = await self.by_digest(entry.digest)
        return None if ruleset is None else self._active(entry, ruleset)

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

    async def settled(self, sequence: int, soon_us: int = SOON_US) -> None:
        """Wait until this entry is known here and its ruleset loaded or rejected; if it takes force soon, until then.
        Whoever published can then ask this node."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._settling.append((sequence, future))
        self._look_again(sequence)
        self._settle()
        if sequence > len(self.timeline.entries):
            self._known.hurry()
        await future
        entry = self.timeline.entries[sequence - 1]
        while entry.effective_from_us - self.now_us() <= soon_us:
            standing = self.standing()
            if isinstance(standing, Standing) and standing.as_of_us >= entry.effective_from_us:
                break
            ahead_us = entry.effective_from_us - self.now_us()
            await self.change(max(ahead_us, 1_000) / 1e6)  # an activation takes a moment longer
        self._note_in_force()

    def status(self) -> Status:
        """What an operator wants to know."""
        timeline, now_ns = self.timeline, self._clock.monotonic_ns()
        standing, lease = self.standing(), self._known.lease
        rejected = tuple(
            Rejection(entry.sequence, entry.digest, self._rejected[entry.digest])
            for entry in timeline.entries
            if entry.digest in self._rejected
        )
        pending = {digest for digest in self._wanted if digest not in self._kept and digest not in self._rejected}
        return Status(
            store_reachable=self._known.reachable,
            problem=self._known.problem or self._problem,
            certainty=standing.certainty if isinstance(standing, Standing) else UNSURE,
            lease_left_us=0 if lease is None else max(0, lease.end_ns - now_ns) // 1_000,
            entries=len(timeline.entries),
            in_force=standing.active if isinstance(standing, Standing) else None,
            pending=tuple(entry.sequence for entry in timeline.entries if entry.digest in pending),
            scheduled=tuple(entry.sequence for entry in timeline.after(self.now_us())),
            rejected=rejected[-10:],
        )

    @property
    def in_force(self) -> Active | None:
        """What answers now; None: nothing does."""
        standing = self.standing()
        return standing.active if isinstance(standing, Standing) else None

    @property
    def answers(self) -> bool:
        """Whether a request is answered now, or in a moment."""
        standing = self.standing()
        return isinstance(standing, Wait) or (standing is not None and standing.active is not None)

    # ------------------------------------------------------------------------------------------------ following

    def changed(self) -> None:
        """The lease or the Timeline is another one."""
        self._window = None  # of the lease before: who is answered by it would have less time
        self._changed.set()
        self._changed = asyncio.Event()
        self._settle()

    async def step(self) -> None:
        """Load what is wanted now, acknowledge what is staged. Whatever fails, what is loaded stays."""
        if self._known.heard is not None or not self._known.reachable:
            self.stepped.set()
        await self._load_wanted()
        await self._look_at_staged()
        self._note_in_force()
        self._settle()
        self._tell()
        await self._tidy()

    async def _tidy(self) -> None:
        """Once a day, while the store can be asked again."""
        now_ns = self._clock.monotonic_ns()
        if self._known.lease is not None and now_ns - self._tidied_ns > DAY_NS:
            self._tidied_ns = now_ns
            await asyncio.to_thread(self._files.tidy, self._clock.now_us())

    async def _load_wanted(self) -> None:
        """Load one after another, asking anew each time what is wanted."""
        while (digest := self._next_wanted()) is not None:
            try:
                known = self._previews.get(digest)
                self._kept[digest] = await self._load(digest) if known is None else known
                self._previews.pop(digest, None)
                self._window = None
                self._problem = ""
                self._note_in_force()
            except StoreUnavailable as error:
                self._problem = str(error)
                return
            except (StoreError, OSError, NotSigned) as error:  # may be there later: restored, signed, or room
                self._reject(digest, str(error), again=True)
            except Unusable as error:
                self._reject(digest, str(error), again=False)
        past = {entry.digest for entry in self.timeline.up_to(self.now_us())[-1 - BEHIND :]}
        for digest in self._kept.keys() - self._wanted - past:
            del self._kept[digest]
            self._forget(digest)

    def _next_wanted(self) -> str | None:
        """The first of the wanted rulesets that is not loaded: the one in force, those to come, those that are staged
        to come."""
        timeline, now_us = self.timeline, self.now_us()
        wanted = [entry.digest for entry in (*timeline.up_to(now_us)[-1:], *timeline.after(now_us)[:AHEAD])]
        wanted = [digest for digest in (*wanted, *self._staged[:AHEAD]) if self._usable(digest)]
        self._wanted = frozenset(wanted)
        return next((digest for digest in wanted if digest not in self._kept), None)

    def _usable(self, digest: str) -> bool:
        """Whether it is not rejected, or the time has come to ask again."""
        again_ns = self._again_ns.get(digest)
        if again_ns is not None and self._clock.monotonic_ns() >= again_ns:
            del self._again_ns[digest]
            self._rejected.pop(digest, None)
        return digest not in self._rejected

    async def _look_at_staged(self) -> None:
        """What shall be tried before it is scheduled: loaded, and said how it went."""
        try:
            self._staged = await self._store.staged()
            if self._staged:
                for digest in self._staged:
                    if digest not in self._acknowledged:
                        self._look_again(digest)
                await self._load_wanted()
            for digest in self._staged[:AHEAD]:
                await self._acknowledge(digest)
        except StoreError as error:
            self._problem = str(error)
        for digest in self._acknowledged.keys() - set(self._staged):
            del self._acknowledged[digest]

    async def _acknowledge(self, digest: str) -> None:
        failed = self._rejected.get(digest, "")
        if not (failed or digest in self._kept):
            return
        said = failed or "ready"
        if self._acknowledged.get(digest) != said:
            differs = await self._store.acknowledge(
                self._node, digest, self_test=self.self_test_of(digest), failed=failed
            )
            self._acknowledged[digest] = said
            if differs:
                self._kept.pop(digest, None)
                self._forget(digest)
                self._window = None
                self._reject(digest, differs, again=False)
                self._acknowledged[digest] = differs

    async def _load(self, digest: str) -> Ruleset:
        """Fetch, verify, map, load, warm. Raises StoreError, OSError, Unusable."""
        began_ns = self._clock.monotonic_ns()
        manifest, signatures = await self._files.manifest(self._store, digest)
        if doubt := self._trust.doubt(digest, signatures):
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

    # ------------------------------------------------------------------------------------------------ small things

    def _loaded(self, entry: Entry | None) -> Active | None:
        """The entry's ruleset, if it is loaded here."""
        ruleset = None if entry is None else self._kept.get(entry.digest) or self._previews.get(entry.digest)
        return None if entry is None or ruleset is None else self._active(entry, ruleset)

    def _active(self, entry: Entry, ruleset: Ruleset) -> Active:
        return Active(entry.sequence, entry.effective_from_us, entry.digest, ruleset, self._direct.get(entry.digest))

    def _forget(self, digest: str) -> None:
        """It is not loaded any more."""
        self._direct.pop(digest, None)
        self._self_tests.pop(digest, None)

    def _look_again(self, which: int | str) -> None:
        """What may be usable by now (signed, stored again) is asked for again in the next step: an entry's, or by its
        digest."""
        entries = self.timeline.entries
        digests = [entry.digest for entry in entries[which - 1 : which]] if isinstance(which, int) else [which]
        for digest in digests:
            if self._again_ns.pop(digest, None) is not None:
                self._rejected.pop(digest, None)

    def _settle(self) -> None:
        """Wake those whose entry is settled."""
        entries = self.timeline.entries
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
        standing = self.standing()
        active = standing.active if isinstance(standing, Standing) else None
        if active is None:
            return
        self.ready.set()
        if active.sequence != self._in_force_sequence:
            self._in_force_sequence = active.sequence
            self._counters.put(Metric.IN_FORCE_SEQUENCE, active.sequence)
            say(Event.IMAGE_IN_FORCE, sequence=active.sequence, digest=active.digest)

    def _tell(self) -> None:
        """What this node says of itself."""
        status = self.status()
        self._counters.put(Metric.LEASE_LEFT_US, status.lease_left_us)
        self._counters.put(Metric.SCHEDULED_LEFT_US, self.scheduled_left_us())
        heard = self._known.heard
        told = {
            "build": self._build,
            "sequence": status.entries,
            "digest": "" if status.in_force is None else status.in_force.digest,
            "certainty": ("none", "certain", "scheduled")[status.certainty],
            "lease_until_us": 0 if heard is None else heard.t_us + status.lease_left_us,
            "scheduled_until_us": self.scheduled_until_us,
            "error": (status.problem or (status.rejected[-1].reason if status.rejected else ""))[:256],
            "semantics": [1],
        }
        self._known.says(json.dumps(told, separators=(",", ":"), sort_keys=True))


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
