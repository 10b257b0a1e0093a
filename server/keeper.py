"""Keeps a node's lease: asks the store what server/lease.py says is due, in a thread of its own.

A thread, because how long an answer took says how well the store's time is known: on the event loop it would wait for
whatever else is under way there. It owns one connection to the primary. What the node knows is replaced, never changed,
so the event loop reads it without a lock.

What can go wrong, and who is told: a store that cannot be reached, refuses this user or does not confirm is logged once
and asked again; the lease ends by itself, and who answers by it sees that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from redis.exceptions import RedisError

from engine.timeline import Timeline
from server.clock import Clock
from server.lease import Call, Heard, Lease, Node, Wait, Window
from server.links import Wire
from server.store import LIBRARY, BadStoreData, Keys, Store, StoreError, StoreUnavailable
from server.store_errors import told
from server.telemetry import Counters, Event, Metric, say

IDLE_S: Final = 1.0  # at most, without looking whether something is due
RELEASE_S: Final = 1.0  # for the last call of all


class Keeper:
    """A node with its thread. `start` and `stop` from any thread; what it knows may be read from any."""

    def __init__(self, store: Store, node: Node, clock: Clock, counters: Counters) -> None:
        self._store = store
        self._node = node
        self._clock = clock
        self._counters = counters
        self._keys = _keys(store.keys)
        self._link: Wire | None = None
        self._stopping = self._hurrying = False
        self._woken = threading.Event()  # for either of these
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)
        self._told = ""
        self._told_vague = False
        self._changed: Callable[[], None] = lambda: None
        self.reachable = False
        self.problem = ""

    # ------------------------------------------------------------------------------------------------ what is known

    @property
    def timeline(self) -> Timeline:
        """As far as it is known here."""
        return self._node.timeline

    @property
    def lease(self) -> Lease | None:
        """The present lease; None: there is none, or it was given up. It may have ended."""
        return self._node.lease

    @property
    def heard(self) -> Heard | None:
        """When the store last said how long the Timeline is, or what was kept of that."""
        return self._node.heard

    def window(self, now_ns: int) -> Window | Wait | None:
        """See `Node.window`."""
        return self._node.window(now_ns)

    def final_us(self) -> int:
        """See `Node.final_us`."""
        return self._node.final_us()

    def horizon_us(self) -> int:
        """See `Node.horizon_us`."""
        return self._node.horizon_us()

    def cut_off_us(self, now_ns: int) -> int | None:
        """See `Node.cut_off_us`."""
        return self._node.cut_off_us(now_ns)

    def says(self, status: str) -> None:
        """What this node tells of itself at its next renewal."""
        self._node.status = status

    def hurry(self) -> None:
        """See `Node.hurry`. Returns at once."""
        self._hurrying = True
        self._woken.set()

    # ------------------------------------------------------------------------------------------------ the thread

    def start(self, changed: Callable[[], None]) -> None:
        """Begin. `changed` is called in the thread when the Timeline or the lease is another one."""
        self._changed = changed
        self.problem = ""
        self._thread.start()

    def apart(self, problem: str) -> None:
        """Before `start`: why not."""
        self.problem = problem

    def stop(self) -> None:
        """Give the lease up and end; blocks. Call it once nothing is answered any more."""
        self._stopping = True
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(2 * RELEASE_S + self._store.timeout_s)

    def _run(self) -> None:
        while not self._stopping:
            now_ns = self._clock.monotonic_ns()
            if self._hurrying:
                self._hurrying = False
                self._node.hurry(now_ns)
            due = self._node.due(now_ns)
            if not isinstance(due, Call):
                if due > now_ns:
                    self._woken.wait(min(IDLE_S, (due - now_ns) / 1e9))
                    self._woken.clear()
                continue
            before = (self._node.timeline, self._node.lease)
            steps, vagues, openings = self._node.steps, self._node.vagues, self._node.openings
            try:
                answer, sent_ns, received_ns = self._ask(due)
            except StoreError as error:
                self._node.failed(self._clock.monotonic_ns())
                self._counters.add(Metric.LEASE_FAILURES)
                self._lost(error)
                continue
            self._node.answered(answer, sent_ns, received_ns, self._clock.monotonic_ns())
            self._counters.add(Metric.LEASE_CALLS)
            self._counters.put(Metric.LEASE_ROUND_TRIP_US, (received_ns - sent_ns) // 1_000)
            self._look_at_delay(vagues, received_ns - sent_ns)
            if self._node.steps > steps:
                say(Event.CLOCK_STEPPED)
                self._counters.add(Metric.CLOCK_STEPS)
            if self._node.openings > openings and self._node.lease is not None:
                say(Event.EPOCH_OPENED, epoch=self._node.lease.epoch)
                self._counters.add(Metric.EPOCHS_OPENED)
            self._heard()
            if (self._node.timeline, self._node.lease) != before:
                self._changed()
        last = self._node.release(self._clock.monotonic_ns())
        if last is not None:
            with suppress(StoreError):
                self._ask(last)
        self._let_go()

    def _ask(self, call: Call) -> tuple[list[bytes], int, int]:
        """One call: the answer, when it was sent and when the function had answered. Raises for anything else."""
        if self._link is None:
            self._link = self._store.connect(self._node.terms.lease_us / 2e6)
        link, keys = self._link, self._keys[call.function]
        command = ("FCALL", f"{LIBRARY}_{call.function}", len(keys), *keys, *call.arguments)
        confirming = self._store.confirming(self._node.terms.lease_us // 4_000) if call.durable else ()
        packed = [piece for words in (command, *confirming) for piece in link.pack_command(*words)]
        try:
            sent_ns = self._clock.monotonic_ns()
            link.send_packed_command(packed)
            answer = link.read_response()
            received_ns = self._clock.monotonic_ns()
            held = [link.read_response() for _ in confirming]
            if confirming and not self._store.is_confirmed(held):
                raise StoreUnavailable("the store did not confirm in time that a lease is on its disk and its replicas")
        except (RedisError, OSError, TimeoutError) as error:
            self._let_go()
            raise told(error) from None
        except BaseException:
            self._let_go()
            raise
        if not isinstance(answer, list) or not all(isinstance(word, bytes) for word in answer):
            raise BadStoreData(f"{call.function}: an answer of another form")
        return answer, sent_ns, received_ns

    def _let_go(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            with suppress(RedisError, OSError):
                link.disconnect()

    def _heard(self) -> None:
        """The store has answered; it may have said something that cannot be used."""
        problem = self._node.problem
        if problem and problem != self._told:
            say(Event.STORE_REGRESSED if self._node.regressed else Event.STORE_BAD, reason=problem)
        elif self._told and not problem:
            say(Event.STORE_BACK)
        self.reachable, self.problem, self._told = True, problem, problem

    def _look_at_delay(self, vagues: int, took_ns: int) -> None:
        """Where only late answers keep this node from a lease, that is said, once."""
        if self._node.lease is not None:
            self._told_vague = False
        elif self._node.vagues > vagues and not self._told_vague:
            self._told_vague = True
            most_ms = self._node.terms.vague_ns // 1_000_000
            say(Event.STORE_LATE, took_ms=-(-took_ns // 1_000_000), most_ms=most_ms)
        self._counters.add(Metric.LEASE_VAGUE, self._node.vagues - vagues)

    def _lost(self, error: StoreError) -> None:
        self.reachable = not isinstance(error, StoreUnavailable)
        self.problem = str(error)
        if not self._told:
            say(Event.STORE_LOST, reason=self.problem)
        self._told = self.problem


def _keys(keys: Keys) -> dict[str, Sequence[str]]:
    """Of each function, as functions/timeline.lua wants them."""
    return {
        "begin": (keys.meta, keys.holders),
        "open": (keys.meta, keys.timeline, keys.holders),
        "renew": (keys.meta, keys.timeline, keys.holders, keys.nodes),
        "fault": (keys.meta,),
        "release": (keys.meta, keys.holders, keys.nodes),
    }
