"""An edge: a node that goes on without the store, also over restarts, for as long as the tenant's horizon allows.

    start   what is on the disk (server/edge_disk.py) → Timeline, T, rulesets → answers SCHEDULED; the store is joined
            as soon as it can be: from then on this is a node like any other
    runs    what it knows is noted: before it says that it is ready, within a second when the Timeline is longer, else
            every few seconds
    cut off each answer is kept (server/journal.py), but for instants to come: those sell nothing
    again   what was kept is decided anew by the Timeline as it is by then; what comes out otherwise is listed

One process: its disk is nobody else's. Everything here is beside the answering of requests, on the event loop.

What can go wrong, and who is told: edge_disk.py and journal.py say it; a store that cannot be joined is logged once for
each reason and asked again for ever, also one that is unfit: a till goes on selling. A fault of ours in all this is
logged in full, and tried again a while later.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Final

from einklang.v1 import decision_pb2 as pb
from server.activate import CERTAIN, Standing
from server.clock import Clock
from server.edge_disk import Memory
from server.instants import from_now, local
from server.journal import Anew, Decide, Journal, Made
from server.keeper import Keeper
from server.lease import Heard, Node, Terms
from server.parts import delete_drafts
from server.settings import Settings
from server.store import Store, StoreError
from server.telemetry import ROOT, Counters, Event, Metric, say

JOIN_S: Final = 1.0  # between two tries to join the store
NOTE_S: Final = 10.0  # what is known is noted at least so often
LOOK_S: Final = 1.0  # between two looks whether there is something to note, to sync, to look at again
GENTLE_S: Final = 0.002  # between two decisions that are made anew: shoppers come first
LATER_S: Final = 30.0  # after what could not be looked at again, and after a fault
SLOW_S: Final = 600.0  # between two looks while the store is heard, but too slowly for a lease: all of it is SCHEDULED
AHEAD_US: Final = 60_000_000  # an answer for an instant later than this from now was asked beforehand
STEP_US: Final = 1_000_000  # of a clock, that are worth a line
REASONS_MAX: Final = 20  # why the store was not joined, that are said

_LOG = logging.getLogger(ROOT)

Again = Callable[[pb.DecideRequest], Awaitable[tuple[pb.Decision, Standing]]]  # raises Failure, BadRequest


class Edge:
    """What an edge has beside a node. Use: open, restore, then the tasks; `note_now` and `close` at the end."""

    def __init__(self, settings: Settings, clock: Clock, counters: Counters) -> None:
        self.memory = Memory(settings.data_dir, settings.tenant, clock)
        self._settings = settings
        self._clock = clock
        self._counters = counters
        self._told: set[str] = set()
        self._node: Node | None = None
        self._guessed: Heard | None = None  # what rests on the wall clock alone
        self._restored: Heard | None = None  # by what was decided before the store was heard
        self._noting = threading.Lock()  # what was read later is written later
        self._noted_ns = 0
        self._noted = 0  # entries
        self._problem = ""  # of noting
        self._failed = ""  # why looking again did
        self._again_ns = self._slow_ns = 0  # not before
        self.journal: Journal

    def open(self) -> None:
        """Take the directory. Raises EdgeInUse, OtherTenant, OSError."""
        self.memory.open()
        delete_drafts(self._settings.data_dir / "parts")
        self.journal = Journal(self.memory.directory, self._settings.offline_mb << 20, self._counters)
        if self.memory.known is None:
            say(Event.EDGE_EMPTY)

    def close(self) -> None:
        """Let others have it."""
        self.journal.close()
        self.memory.close()

    @property
    def remembered(self) -> tuple[str, Terms] | None:
        """The store that this edge belongs to; None: it does not yet."""
        known = self.memory.known
        return None if known is None else (known.store_id, known.terms)

    # ------------------------------------------------------------------------------------------------ beginning

    def restore(self, node: Node) -> None:
        """A new node begins with what was noted."""
        self._node = node
        known = self.memory.known
        if known is None:
            return
        node.timeline = known.timeline
        self._noted = len(known.timeline.entries)
        found = known.heard(self._clock)
        if found is None:
            say(Event.EDGE_CLOCK, seconds=known.behind_us(self._clock) / 1e6)
            return
        self._begin(node, found, known.by_wall(self._clock))

    def _begin(self, node: Node, heard: Heard, by_wall: bool) -> None:
        node.heard = self._restored = heard
        self._guessed = heard if by_wall else None
        now_us = heard.bounds.likely_us(self._clock.monotonic_ns())
        until_us = node.horizon_us()
        about = {
            "entries": len(node.timeline.entries),
            "heard": f"{local(heard.t_us)} ({from_now(heard.t_us, now_us)})",
        }
        if not node.timeline.entries:
            say(Event.EDGE_BEGINS_NOT, why="nothing was published by then", **about)
        elif node.terms.horizon_us == 0:
            say(Event.EDGE_BEGINS_NOT, why="this tenant allows no horizon (EINKLANG_HORIZON_MS)", **about)
        elif now_us >= until_us:
            why = f"the horizon was over at {local(until_us)} ({from_now(until_us, now_us)})"
            say(Event.EDGE_BEGINS_NOT, why=why, **about)
        else:
            say(Event.EDGE_BEGINS, until=local(until_us), left=from_now(until_us, now_us), **about)

    async def join(self, store: Store, keeper: Keeper, node: Node, start: Callable[[], None]) -> None:
        """Join the store as soon as it can be, and begin to keep a lease."""
        while not store.joined:
            try:
                await store.prepare()
            except StoreError as error:
                reason = str(error)
            except Exception as error:  # noqa: BLE001 - a fault of ours: logged in full, and a till goes on
                _LOG.exception("joining the store")
                reason = f"a fault of this program: {type(error).__name__}: {error}"
                await asyncio.sleep(LATER_S)
            else:
                break
            keeper.apart(reason)
            if reason not in self._told and len(self._told) < REASONS_MAX:
                self._told.add(reason)
                say(Event.EDGE_ALONE, reason=reason)
            self._believe_clock(node)
            await asyncio.sleep(JOIN_S)
        self.joined(store)
        start()

    def _believe_clock(self, node: Node) -> None:
        """It may have been set right by now: after a boot, some time passes until a host has asked what time it is.
        It is followed forward; T does not go back."""
        known = self.memory.known
        if known is None or not known.by_wall(self._clock) or (found := known.heard(self._clock)) is None:
            return
        if node.heard is None:
            self._begin(node, found, by_wall=True)
        elif node.heard is self._guessed:
            now_ns = self._clock.monotonic_ns()
            ahead_us = found.bounds.likely_us(now_ns) - node.heard.bounds.likely_us(now_ns)
            if ahead_us > STEP_US:
                say(Event.EDGE_CLOCK_SET, seconds=ahead_us / 1e6)
                self._begin(node, found, by_wall=True)

    @staticmethod
    def joined(store: Store) -> None:
        """Say so, and what it means for an edge."""
        say(Event.STORE_JOINED, about=store.about, store_id=store.store_id)
        store.tell_terms()
        if store.terms.horizon_us == 0:
            say(Event.EDGE_NO_HORIZON)

    # ------------------------------------------------------------------------------------------------ keeping

    def keep(self, request: bytes, standing: Standing, at_us: int, decided: bytes) -> None:
        """An answer that was given while cut off; from any thread. One for an instant to come sells nothing, and would
        have to wait until then to be looked at."""
        assert standing.entry is not None, "there was a ruleset"
        heard = None if self._node is None else self._node.heard
        if heard is not None and standing.as_of_us > heard.bounds.latest_us(self._clock.monotonic_ns()) + AHEAD_US:
            return
        self.journal.add(
            Made.of(
                request,
                as_of_us=standing.as_of_us,
                at_us=at_us,
                sequence=standing.entry.sequence,
                ruleset=standing.entry.digest,
                decision=hashlib.sha256(decided).hexdigest(),
            )
        )

    async def tend(self, store: Store, keeper: Keeper, again: Again) -> None:
        """Note, sync and look again, for ever."""

        async def anew(message: pb.DecideRequest) -> Anew:
            decision, standing = await again(message)
            digest = hashlib.sha256(decision.SerializeToString(deterministic=True)).hexdigest()
            sequence = 0 if standing.entry is None else standing.entry.sequence
            return Anew(decision, digest, sequence, standing.certainty == CERTAIN)

        async def note() -> None:
            self._counters.put(Metric.JOURNAL_BYTES, self.journal.held_bytes)
            self._compare_clock(keeper)
            due = self._clock.monotonic_ns() - self._noted_ns >= NOTE_S * 1e9
            if due or len(keeper.timeline.entries) > self._noted:
                await asyncio.to_thread(self.note_now, store, keeper)
            await asyncio.to_thread(self.journal.sync)

        async def look() -> None:
            await self._look_again(keeper, anew)

        await asyncio.gather(_for_ever(note), _for_ever(look))

    async def _look_again(self, keeper: Keeper, anew: Decide) -> None:
        now_ns = self._clock.monotonic_ns()
        if now_ns < self._again_ns:
            return
        slowly = keeper.lease is None
        if slowly and (not keeper.reachable or now_ns < self._slow_ns):
            return
        try:
            found = await self.journal.look_again(keeper.final_us(), anew, lambda: asyncio.sleep(GENTLE_S))
            self._failed = ""
        except OSError as error:
            self._again_ns = now_ns + int(LATER_S * 1e9)
            if str(error) != self._failed:
                self._failed = str(error)
                say(Event.JOURNAL_FAILED, reason=self._failed)
            return
        if found and slowly:
            self._slow_ns = self._clock.monotonic_ns() + int(SLOW_S * 1e9)
        if self.journal.postponed:
            self._again_ns = self._clock.monotonic_ns() + int(LATER_S * 1e9)

    def _compare_clock(self, keeper: Keeper) -> None:
        """How wrong the time was that was gone by without the store, once that has said what time it is."""
        restored, heard = self._restored, keeper.heard
        if restored is None or heard is None or heard is restored:
            return
        self._restored = None
        now_ns = self._clock.monotonic_ns()
        ahead_us = restored.bounds.likely_us(now_ns) - heard.bounds.likely_us(now_ns)
        if abs(ahead_us) > max(STEP_US, restored.bounds.latest_us(now_ns) - restored.bounds.earliest_us(now_ns)):
            say(Event.EDGE_CLOCK_OFF, seconds=abs(ahead_us) / 1e6, which="later" if ahead_us > 0 else "earlier")

    def note_now(self, store: Store, keeper: Keeper) -> None:
        """Keep what is known by now. Blocks; from any thread."""
        with self._noting:
            self._note(store, keeper)

    def _note(self, store: Store, keeper: Keeper) -> None:
        heard, timeline = keeper.heard, keeper.timeline
        if heard is None or not store.store_id:
            return
        self._noted_ns = self._clock.monotonic_ns()
        try:
            self.memory.note(store.store_id, store.terms, timeline, heard, by_wall=heard is self._guessed)
        except OSError as error:
            if str(error) != self._problem:
                self._problem = str(error)
                say(Event.EDGE_NOT_NOTED, reason=self._problem)
            return
        self._noted, self._problem = len(timeline.entries), ""


async def _for_ever(step: Callable[[], Awaitable[None]]) -> None:
    """A step every second. A fault of ours does not end it: unseen, an edge would go on and keep nothing."""
    while True:
        await asyncio.sleep(LOOK_S)
        try:
            await step()
        except Exception:  # noqa: BLE001 - logged in full, and tried again
            _LOG.exception("what an edge does beside answering")
            await asyncio.sleep(LATER_S)
