"""An edge: a node that goes on without the store, also over restarts, for as long as the tenant's horizon allows.

    start   what is on the disk (server/edge_disk.py) → Timeline, T, rulesets → answers SCHEDULED; the store is joined
            as soon as it can be: from then on this is a node like any other
    runs    what it knows is noted: at once when the Timeline is longer, else every few seconds
    cut off each answer is kept (server/journal.py)
    again   what was kept is decided anew by the Timeline as it is by then; what comes out otherwise is listed

One process: its disk is nobody else's. Everything here is beside the answering of requests, on the event loop.

What can go wrong, and who is told: edge_disk.py and journal.py say it; a store that cannot be joined is logged once and
asked again for ever, also one that is unfit: a till goes on selling.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Final

from einklang.v1 import decision_pb2 as pb
from server.activate import CERTAIN, RulesetHolder, Standing
from server.clock import Clock
from server.edge_disk import Memory
from server.instants import from_now, local, span
from server.journal import Anew, Journal, Made
from server.keeper import Keeper
from server.lease import Heard, Node, Terms
from server.settings import Settings
from server.store import Store, StoreError
from server.telemetry import Counters, Event, Metric, say

JOIN_S: Final = 1.0  # between two tries to join the store
NOTE_S: Final = 10.0  # what is known is noted at least so often
LOOK_S: Final = 1.0  # between two looks whether there is something to note, to sync, to look at again
GENTLE_S: Final = 0.002  # between two decisions that are made anew: shoppers come first

Again = Callable[[pb.DecideRequest], Awaitable[tuple[pb.Decision, Standing]]]  # raises Failure, BadRequest


class Edge:
    """What an edge has beside a node. Use: open, restore, then the tasks; `note_now` and `close` at the end."""

    def __init__(self, settings: Settings, clock: Clock, counters: Counters) -> None:
        self.memory = Memory(settings.data_dir, settings.tenant, clock)
        self._settings = settings
        self._clock = clock
        self._counters = counters
        self._told = ""
        self._noted_ns = 0
        self._noted = 0  # entries
        self._problem = ""  # of noting
        self.journal: Journal

    def open(self) -> None:
        """Take the directory. Raises EdgeInUse, OSError."""
        self.memory.open()
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
        known = self.memory.known
        if known is None:
            return
        node.timeline, node.heard = known.timeline, known.heard(self._clock)
        self._noted = len(known.timeline.entries)
        if node.heard is None:
            say(Event.EDGE_CLOCK, seconds=known.behind_us(self._clock) / 1e6)
            return
        self._tell_beginning(node, node.heard)

    def _tell_beginning(self, node: Node, heard: Heard) -> None:
        now_us = heard.bounds.likely_us(self._clock.monotonic_ns())
        until_us = node.horizon_us()
        say(
            Event.EDGE_BEGINS,
            entries=len(node.timeline.entries),
            heard=f"{local(heard.t_us)} ({from_now(heard.t_us, now_us)})",
            until=local(until_us),
            left=from_now(until_us, now_us),
        )

    async def join(self, store: Store, keeper: Keeper, node: Node, start: Callable[[], None]) -> None:
        """Join the store as soon as it can be, and begin to keep a lease."""
        while not store.joined:
            try:
                await store.prepare()
            except StoreError as error:
                keeper.apart(str(error))
                if str(error) != self._told:
                    self._told = str(error)
                    say(Event.EDGE_ALONE, reason=self._told)
                self._believe_clock(node)
                await asyncio.sleep(JOIN_S)
        self.joined(store)
        start()

    def _believe_clock(self, node: Node) -> None:
        """It may have been set right by now."""
        known = self.memory.known
        if node.heard is None and known is not None:
            node.heard = known.heard(self._clock)
            if node.heard is not None:
                self._tell_beginning(node, node.heard)

    @staticmethod
    def joined(store: Store) -> None:
        """Say so, and what it means for an edge."""
        say(Event.STORE_JOINED, about=store.about, store_id=store.store_id)
        if store.terms.horizon_us == 0:
            say(Event.EDGE_NO_HORIZON)

    # ------------------------------------------------------------------------------------------------ keeping

    def keep(self, request: bytes, standing: Standing, at_us: int, decided: bytes) -> None:
        """An answer that was given while cut off; from any thread."""
        assert standing.entry is not None, "there was a ruleset"
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

        failed = ""
        while True:
            await asyncio.sleep(LOOK_S)
            self._counters.put(Metric.JOURNAL_BYTES, self.journal.held_bytes)
            due = self._clock.monotonic_ns() - self._noted_ns >= NOTE_S * 1e9
            if due or len(keeper.timeline.entries) > self._noted:
                await asyncio.to_thread(self.note_now, store, keeper)
            await asyncio.to_thread(self.journal.sync)
            if keeper.lease is None and not keeper.reachable:
                continue
            try:
                await self.journal.look_again(keeper.final_us(), anew, lambda: asyncio.sleep(GENTLE_S))
                failed = ""
            except OSError as error:
                if str(error) != failed:
                    failed = str(error)
                    say(Event.JOURNAL_FAILED, reason=failed)

    def note_now(self, store: Store, keeper: Keeper) -> None:
        """Keep what is known by now. Blocks."""
        heard, timeline = keeper.heard, keeper.timeline
        if heard is None or not store.store_id:
            return
        self._noted_ns = self._clock.monotonic_ns()
        try:
            self.memory.note(store.store_id, store.terms, timeline, heard)
        except OSError as error:
            if str(error) != self._problem:
                self._problem = str(error)
                say(Event.EDGE_NOT_NOTED, reason=self._problem)
            return
        self._noted, self._problem = len(timeline.entries), ""


def tell_scheduled(holder: RulesetHolder) -> None:
    """Say that this node is cut off, and for how long it still may."""
    say(Event.DECIDES_SCHEDULED, until=local(holder.scheduled_until_us), left=span(holder.scheduled_left_us()))
