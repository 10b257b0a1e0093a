"""The whole protocol of activation in one process, under virtual time: the real node (server/lease.py), the real
functions of the store (server/functions/timeline.lua), everything else made up and everything random from one seed.

    python -m tests.fault.simulator 0 20000        seeds 0 to 19,999; any disagreement is printed with its seed

True time `now` is known to the simulator alone. Nodes and servers have clocks of their own: an offset, a rate that is
wrong by up to 200 ppm, and a server's may be stepped. Messages take 0.2 to 4 ms, some up to 0.6 s; replicas lag; nodes
are paused, also in the middle of a decision, cut off, killed, leave and come; the primary is restarted, or killed or
cut off and the replica promoted. A seed also chooses how many nodes there are, whether there is a replica, the lease,
the guard, the horizon, and whether all nodes are the processes of one server (a house) with a store of its own.
Every other node is an edge: what it knew when it was killed it knows when it comes back.

WAIT is as Valkey 9 has it: it waits for the last *write* of its connection, so not at all where nothing was written.

What must hold (`Run.judge`):

* every decision is by the entry that the whole Timeline, as it stands at the end, has in force at the decision's T
* in the order of true time no decision is by an older entry than one before it
* no answer leaves a node when a lease has passed since its lease was granted, in true time
* an entry whose appending was confirmed stands in the Timeline at the end
* no node knows an entry that does not stand there: it would never get a lease again
* a lease is granted only by the very run of a server on which its epoch was begun
* T is within the bounds that a node gives, where the clock was not stepped since it was read
* what a node takes for settled (`final_us`, `horizon_us`) is changed by no later entry
* what a node answers that is cut off is what the Timeline says, unless something urgent was appended since
"""

from __future__ import annotations

import heapq
import itertools
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from engine.timeline import Entry, Timeline, decode, make_entry
from server.lease import Bounds, Call, Lease, Node, Terms, Wait, Window
from tests.fault.lua_host import Data, Host, host

PPM = 200
META, TIMELINE, HOLDERS, NODES, STAGE, CHANGES, MANIFEST = b"m", b"t", b"h", b"n", b"s", b"c", b"x"
KEYS = {
    "begin": (META, HOLDERS),
    "open": (META, TIMELINE, HOLDERS),
    "renew": (META, TIMELINE, HOLDERS, NODES),
    "fault": (META,),
    "release": (META, HOLDERS, NODES),
}
FAULTS = ("cut", "pause", "fail-over", "step", "leave", "kill", "restart")
DIGEST = "d" * 64


@dataclass(frozen=True)
class World:
    """What is simulated; a mutant is another World. Of several values a seed chooses one."""

    node: type[Node] = Node
    changed: tuple[tuple[str, str], ...] = ()  # pieces of the functions' text
    waits: bool = True  # for the replica, before an answer counts
    told: bool = False  # nodes learn of entries by hints alone
    rechecks: bool = True  # the lease, once a decision is made
    forgets: bool = False  # to look whether what is in force by then is what was decided by
    keeps: bool = False  # a window, although its lease was given up, once there is another one
    nodes: tuple[int, ...] = (1, 2, 3, 4, 5, 6)
    leases_s: tuple[float, ...] = (1, 2, 3, 3, 5, 10)
    guards_ms: tuple[int, ...] = (20, 20, 30, 50)
    horizons: tuple[float, ...] = (0, 0, 0.5, 2)  # in leases
    replicas: tuple[int, ...] = (0, 1, 1)
    houses: float = 0.4  # the share of runs without a replica in which all nodes are of one server
    # For a lease of 3 s or less; more of a longer one, in proportion.
    seconds: float = 60.0
    decisions_per_s: float = 100.0
    pause_s: float = 4.0  # between faults
    takes_s: float = 0.005  # at most, to decide
    entries_s: tuple[float, float] = (0.5, 3.0)  # between appending
    hurries: float = 0.4  # the share of nodes that ask at once when something was appended: who published is told
    faults: tuple[str, ...] = FAULTS
    delays: float = 0.03  # the share of messages that take up to 0.6 s
    steps_s: tuple[float, ...] = (0.015, 0.03, 0.2, 1, 5, 60)
    remembers: bool = True  # every other node, what it knew before it ended


@dataclass
class Tally:
    """What a run, or many, came to."""

    runs: int = 0
    decisions: int = 0
    discarded: int = 0  # the lease had ended when they were made
    renewed: int = 0  # likewise, but another one said the same
    scheduled: int = 0  # answers of nodes that were cut off
    unavailable: int = 0
    waits: int = 0  # at boundaries
    activations: int = 0  # entries by which a node decided
    confirmed: int = 0  # entries
    cancelled: int = 0
    urgent: int = 0
    failovers: int = 0
    restarts: int = 0
    houses: int = 0  # of which all processes were started anew
    steps: int = 0  # of the primary's clock
    noticed: int = 0  # of those
    cuts: int = 0
    pauses: int = 0
    kills: int = 0
    hurried: int = 0  # nodes that asked at once when something was appended
    remembered: int = 0  # nodes that began with what they had known
    released: int = 0
    epochs: int = 0
    at_once: int = 0  # of these, opened without waiting
    joins: int = 0  # with a witness
    sound: int = 0  # bounds of T that were looked at
    bad: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def __str__(self) -> str:
        asked = self.decisions + self.unavailable + self.discarded
        counted = ", ".join(
            f"{value:,} {name.replace('_', ' ')}" for name, value in vars(self).items() if isinstance(value, int)
        )
        return f"{counted} ({100 * self.unavailable / max(1, asked):.1f}%): {len(self.bad):,} disagreements"


class Decision(NamedTuple):
    """What a node answered, for certain."""

    now: float  # when its clock was read
    t_us: int
    sequence: int
    who: str
    left: float
    lease_ends: float  # in true time
    renewed: bool = False  # the lease by which it was made had ended when it left; this is a later one


class Cutoff(NamedTuple):
    """What a node answered that had no lease."""

    t_us: int
    sequence: int
    who: str
    heard_us: int  # T when it last heard from the store


class Server:
    """One server of the store."""

    def __init__(self, run: Run, number: int) -> None:
        self.number = number
        self.rate = 1 + run.chance.uniform(-PPM, PPM) / 1e6
        self.offset = run.chance.uniform(1e9, 1e9 + 1)
        self.steps = 0  # of the clock
        self.life = 0  # counts restarts and promotions
        self.alive, self.primary = True, False
        self.data: Data = {}
        self.written = 0  # the replication offset
        self.follower: int | None = None
        self.link = 0  # another one: what is under way on the old one is lost
        self.acked = -1
        self.arrives = 0.0
        self.waiting: list[tuple[int, int, Callable[[], None]]] = []

    @property
    def id(self) -> bytes:
        return b"%dx%d" % (self.number, self.life)

    def clock_us(self, now: float) -> int:
        return int((now * self.rate + self.offset) * 1e6)

    def t_us(self, now: float) -> int:
        return self.clock_us(now) + int(self.data.get(META, {}).get(b"off_us", b"0"))

    def copy(self) -> Data:
        return {key: value if isinstance(value, bytes) else value.copy() for key, value in self.data.items()}


class Shop:
    """A node with its clock; who is killed comes back as another holder."""

    def __init__(self, run: Run, number: int) -> None:
        self.number = number
        self.rate = 1 + run.chance.uniform(-PPM, PPM) / 1e6
        self.offset = run.chance.uniform(0, 1000)
        self.lives = 0
        self.paused = 0.0
        self.target = 0
        self.told = 0  # by hints
        self.node = self.new(run)
        self.start(run)

    def new(self, run: Run) -> Node:
        house = f"local/{run.house}/" if run.house else ""
        return run.world.node(run.terms, f"{house}n{self.number}.{self.lives}", house)

    def start(self, run: Run) -> None:
        self.lives += 1
        before, self.node = self.node, self.new(run)
        if run.world.remembers and self.number % 2:  # an edge (server/edge.py)
            self.node.timeline, self.node.heard = before.timeline, before.heard
            run.tally.remembered += self.node.heard is not None
        self.window: Window | None = None
        self.lease = Lease(0, 0, (), Bounds(0, 0), 0)  # of the window
        self.waits = 0  # the number of its wait until something is due; 0: it does not wait
        self.wrote: dict[bytes, int] = {}  # the replication offset of this connection's last write, by server
        self.gone = False

    def ns(self, now: float) -> int:
        return int((now * self.rate + self.offset) * 1e9)


class Run:
    """One seed."""

    def __init__(self, seed: int, world: World) -> None:
        self.seed, self.world = seed, world
        self.chance = chance = random.Random(seed)
        self.hasty = random.Random(f"{seed}: who hurries")  # apart, so that a World without it runs as it did before
        self.host: Host = host(world.changed)
        self.now = 0.0
        self.events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self.number = itertools.count(1)
        self.cut: dict[tuple[str, int], float] = {}
        self.tally = Tally(runs=1)
        self.lag = chance.choice([0, 0.05, 0.4])
        self.replicas = chance.choice(world.replicas)
        self.house = int(self.replicas == 0 and chance.random() < world.houses)
        self.lease_s = chance.choice(world.leases_s)
        lease_us = round(self.lease_s * 1e6)
        horizon_us = round(lease_us * chance.choice(world.horizons))
        self.terms = Terms(lease_us, chance.choice(world.guards_ms) * 1_000, horizon_us)
        self.pace = max(1.0, self.lease_s / 3)

        self.decisions: list[Decision] = []
        self.cutoffs: list[Cutoff] = []
        self.confirmed: list[Entry] = []
        self.urgent: set[Entry] = set()
        self.granted: dict[tuple[int, int], float] = {}  # (epoch, gseq) → true time
        self.read: dict[int, tuple[bytes, int]] = {}  # T that was told → by which server, steps of its clock until then
        self.begun: dict[int, bytes] = {}  # epoch → on which server's run
        self.settled: dict[int, tuple[int, int]] = {}  # who knows so many entries takes them for final before …
        self.unsound: list[str] = []

        self.servers = [Server(self, number) for number in range(1 + self.replicas)]
        self.master = 0
        first = self.servers[0]
        first.primary, first.follower = True, 1 if self.replicas else None
        words = (b"id", b"%d" % lease_us, b"%d" % self.terms.guard_us, b"%d" % horizon_us, b"%d" % self.replicas)
        self.on(first, "setup", (META,), words)
        first.data[MANIFEST] = b"1"
        for server in self.servers[1:]:
            server.data = first.copy()
        self.shops = [Shop(self, number) for number in range(chance.choice(world.nodes))]
        self.publisher = Shop(self, 99)
        self.known = Timeline()
        self.rows: list[bytes] = []  # of what is known

    # ------------------------------------------------------------------------------------------------ time, messages

    def at(self, seconds: float, act: Callable[..., None], *arguments: Any) -> None:
        heapq.heappush(self.events, (self.now + seconds, next(self.number), act, arguments))

    def delay(self) -> float:
        seconds = self.chance.uniform(0.0002, 0.002)
        if self.chance.random() < self.world.delays:
            seconds += self.chance.uniform(0.01, 0.6)
        return seconds

    def reach(self, one: tuple[str, int], other: tuple[str, int]) -> bool:
        return self.now >= max(self.cut.get(one, 0), self.cut.get(other, 0))

    def on(self, server: Server, function: str, keys: tuple[bytes, ...], arguments: tuple[bytes, ...]) -> list[bytes]:
        """Run a function on a server."""
        self.host.data, self.host.run, self.host.wrote = server.data, server.id, False
        self.host.clock_us = lambda: server.clock_us(self.now)
        answer = self.host.ask(function, keys, arguments)
        if self.host.wrote:
            self.replicate(server)
        return answer

    def replicate(self, server: Server) -> None:
        server.written += 1
        if server.follower is None:
            return
        follower, link, written, data = self.servers[server.follower], server.link, server.written, server.copy()
        late = self.chance.uniform(0, 0.8) if self.chance.random() < self.lag else 0
        server.arrives = max(self.now + self.delay() + late, server.arrives)

        def apply() -> None:
            if server.link != link or follower.primary or not follower.alive:
                return
            if not self.reach(("s", server.number), ("s", follower.number)):
                self.at(0.05, apply)
                return
            if written > follower.written:
                follower.data = {k: v if isinstance(v, bytes) else v.copy() for k, v in data.items()}
                follower.written = written
            self.at(self.delay(), acked)

        def acked() -> None:
            if server.link == link and server.alive and self.reach(("s", server.number), ("s", follower.number)):
                server.acked = max(server.acked, written)
                self.look_at_waiting(server)

        self.at(server.arrives - self.now, apply)

    def look_at_waiting(self, server: Server) -> None:
        waiting, server.waiting = server.waiting, []
        for written, life, act in waiting:
            if life == server.life and (server.acked >= written or not self.replicas):
                act()
            elif life == server.life:
                server.waiting.append((written, life, act))

    def call(
        self,
        shop: Shop,
        call: Call,
        done: Callable[[list[bytes] | None, int, int], None],
        keys: tuple[bytes, ...] | None = None,
    ) -> None:
        """Ask the server that this node takes for the primary. `done` gets the answer (None: none in time, or it is not
        on the replica), and the clock when it was sent and when the function had answered."""
        sent_ns, life, server = shop.ns(self.now), shop.lives, self.servers[shop.target]
        heard: list[int] = []
        ended = False

        def end(answer: list[bytes] | None) -> None:
            nonlocal ended
            if self.now < shop.paused:
                self.at(shop.paused - self.now + 1e-6, end, answer)
            elif not ended and life == shop.lives:
                ended = True
                if answer is None:
                    shop.wrote.clear()  # another connection
                done(answer, sent_ns, heard[0] if heard else shop.ns(self.now))

        def hear() -> None:
            if self.now < shop.paused:
                self.at(shop.paused - self.now + 1e-6, hear)
            elif not heard:
                heard.append(shop.ns(self.now))

        def arrive() -> None:
            ends = ("n", shop.number), ("s", server.number)
            if not server.alive or not server.primary or not self.reach(*ends):
                return
            holders = len(server.data.get(HOLDERS, ()))
            arguments = tuple(word.encode() for word in call.arguments)
            answer = self.on(server, call.function, keys or KEYS[call.function], arguments)
            if self.host.wrote:
                shop.wrote[server.id] = server.written
            self.note(server, call, answer, holders)

            def reply() -> None:
                if self.reach(*ends):
                    self.at(self.delay(), end, answer)

            if call.durable and self.world.waits:
                self.at(self.delay(), hear)
                server.waiting.append((shop.wrote.get(server.id, 0), server.life, reply))
                self.look_at_waiting(server)
            else:
                reply()

        self.at(self.delay(), arrive)
        self.at(0.4, end, None)

    def note(self, server: Server, call: Call, answer: list[bytes], holders: int) -> None:
        """What a server said, for the judge."""
        if answer[0] in (b"GRANTED", b"JOIN"):
            self.read[int(answer[2])] = (server.id, server.steps)
        if answer[0] == b"BEGUN":
            self.begun[int(answer[1])] = server.id
        if answer[0] == b"GRANTED":
            if self.begun.get(int(answer[1])) != server.id:
                self.unsound.append(f"{self.now:.6f} s: a lease of epoch {int(answer[1])}, which was not begun there")
            self.granted[int(answer[1]), int(answer[3])] = self.now
            if call.function == "open":
                self.tally.epochs += 1
                self.tally.at_once += call.arguments[4] == "0"
            else:
                self.tally.joins += call.arguments[2] == "0" != call.arguments[4]
        self.tally.released += call.function == "release" and len(server.data.get(HOLDERS, ())) < holders

    # ------------------------------------------------------------------------------------------------ nodes

    def drive(self, shop: Shop, life: int) -> None:
        """Ask what is due, as server/keeper.py does."""
        if shop.lives != life or shop.gone:
            return
        if self.now < shop.paused:
            self.at(shop.paused - self.now + 1e-6, self.drive, shop, life)
            return
        due = shop.node.due(shop.ns(self.now))
        if not isinstance(due, Call):
            shop.waits = next(self.number)
            self.at(max(1e-4, min(0.5, (due - shop.ns(self.now)) / 1e9)), self.wake, shop, life, shop.waits)
            return

        def done(answer: list[bytes] | None, sent_ns: int, heard_ns: int) -> None:
            steps = shop.node.steps
            if answer is None:
                shop.node.failed(shop.ns(self.now))
                if self.chance.random() < 0.3:
                    shop.target = self.master
            else:
                shop.node.answered(answer, sent_ns, heard_ns, shop.ns(self.now))
            self.tally.noticed += shop.node.steps - steps
            self.drive(shop, life)

        if self.chance.random() < 0.005:  # held up between looking what is due and asking it
            self.at(self.chance.uniform(0, 2 * self.lease_s), self.send, shop, life, due, done)
        else:
            self.call(shop, due, done)

    def wake(self, shop: Shop, life: int, waits: int) -> None:
        """It has waited until something is due, if nothing else has woken it."""
        if shop.lives == life and shop.waits == waits:
            shop.waits = 0
            self.drive(shop, life)

    def hurry(self, shop: Shop, life: int) -> None:
        """What was appended is heard of now, unless an answer is waited for; see Keeper.hurry."""
        if shop.lives == life and shop.waits and not shop.gone and self.now >= shop.paused:
            self.tally.hurried += 1
            shop.waits = 0
            shop.node.hurry(shop.ns(self.now))
            self.drive(shop, life)

    def send(self, shop: Shop, life: int, call: Call, done: Callable[[list[bytes] | None, int, int], None]) -> None:
        if shop.lives == life and not shop.gone:
            self.call(shop, call, done)

    def ask(self) -> None:
        """Somebody asks somebody, again and again."""
        self.at(self.chance.expovariate(self.world.decisions_per_s / self.pace), self.ask)
        shop = self.chance.choice(self.shops)
        self.decide(shop, shop.lives, self.chance.uniform(0, self.world.takes_s) if self.chance.random() < 0.1 else 0)

    def decide(self, shop: Shop, life: int, takes_s: float = 0, again: bool = False) -> None:
        if self.now < shop.paused or shop.gone or shop.lives != life:
            return
        if self.world.told:
            who = f"n{shop.number}"
            self.decisions.append(Decision(self.now, 0, shop.told, who, self.now, self.now))
            return
        now_ns = shop.ns(self.now)
        window = shop.window
        lease = shop.node.lease
        if lease is None or (shop.lease.epoch != lease.epoch and not self.world.keeps):
            window = None  # its lease was given up; perhaps another epoch was opened at once
        if window is None or not window.begin_ns <= now_ns < window.end_ns:
            found = shop.node.window(now_ns)
            if isinstance(found, Wait):
                self.tally.waits += not again
                wait_s = (found.until_ns - now_ns) / 1e9 / shop.rate + 1e-7
                self.at(wait_s, self.decide, shop, life, takes_s, True)
                return
            if found is None:
                self.cut_off(shop, now_ns)
                return
            assert lease is not None
            shop.window, shop.lease, window = found, lease, found
            self.look_at(shop, lease, now_ns)
        if window.entry is None:  # before the first one there is nothing to decide by
            return
        if takes_s:
            self.at(takes_s, self.answer, shop, life, self.now, now_ns, window, shop.lease)
        else:
            self.answer(shop, life, self.now, now_ns, window, shop.lease)

    def answer(self, shop: Shop, life: int, read: float, read_ns: int, window: Window, lease: Lease) -> None:
        """The decision is made: whose clock was read at `read`."""
        if shop.gone or shop.lives != life:
            return
        if self.now < shop.paused:
            self.at(shop.paused - self.now + 1e-6, self.answer, shop, life, read, read_ns, window, lease)
            return
        now_ns, renewed = shop.ns(self.now), False
        if self.world.rechecks and now_ns >= window.lease_end_ns:
            found, later = shop.node.window(now_ns), shop.node.lease
            renewed = isinstance(found, Window) and (self.world.forgets or found.entry == window.entry)
            if later is None or not renewed:
                self.tally.discarded += 1
                return
            self.tally.renewed += 1
            lease = later
        assert window.entry is not None
        t_us, sequence, who = window.bounds.earliest_us(read_ns), window.entry.sequence, f"n{shop.number}.{shop.lives}"
        ends = self.granted[lease.epoch, lease.gseq] + self.lease_s
        self.decisions.append(Decision(read, t_us, sequence, who, self.now, ends, renewed))

    def cut_off(self, shop: Shop, now_ns: int) -> None:
        """Without a lease: what was scheduled for sure."""
        t_us, heard = shop.node.cut_off_us(now_ns), shop.node.heard
        if t_us is None:
            self.tally.unavailable += self.now > 4 * self.lease_s
            return
        assert heard is not None
        self.tally.scheduled += 1
        self.settle(shop)
        entry = shop.node.timeline.in_force(t_us)
        sequence = entry.sequence if entry else 0
        self.cutoffs.append(Cutoff(t_us, sequence, f"n{shop.number}.{shop.lives}", heard.t_us))

    def look_at(self, shop: Shop, lease: Lease, now_ns: int) -> None:
        """Whether T is where a node says, if the clock that it read was not stepped; what it takes for settled."""
        self.settle(shop)
        server = self.servers[self.master]
        here = (server.id, server.steps)
        if all(self.read[reading.t_us] == here for reading in lease.readings):
            self.tally.sound += 1
            t_us = server.t_us(self.now)
            low, high = lease.bounds.earliest_us(now_ns), lease.bounds.latest_us(now_ns)
            if int(server.data[META][b"epoch"]) == lease.epoch and not low - 1 <= t_us <= high + 1:
                self.unsound.append(f"{self.now:.6f} s, n{shop.number}: T {t_us} is not from {low} to {high}")

    def settle(self, shop: Shop) -> None:
        """What a node takes for settled."""
        node = shop.node
        known = len(node.timeline.entries)
        final_us, horizon_us = self.settled.get(known, (0, 0))
        self.settled[known] = max(final_us, node.final_us()), max(horizon_us, node.horizon_us())

    def leave(self, shop: Shop) -> None:
        """Stop in order, and come back as another holder."""
        call = shop.node.release(shop.ns(self.now))
        if call is not None:
            self.call(shop, call, lambda *_: None)
        self.kill(shop)

    def kill(self, shop: Shop) -> None:
        shop.gone = True
        shop.lives += 1
        self.at(self.chance.uniform(0.5, 6), self.back, shop)

    def back(self, shop: Shop) -> None:
        if shop.gone:
            shop.start(self)
            shop.target = self.master
            self.drive(shop, shop.lives)

    # ------------------------------------------------------------------------------------------------ publishing

    def publish(self) -> None:
        """Append an entry, or two, for the earliest instant that is allowed, or a little later; or take one back."""
        self.at(self.chance.uniform(*self.world.entries_s) * self.pace, self.publish)
        self.publisher.target = self.master
        server = self.servers[self.master]
        rows = server.data.get(TIMELINE, [])
        if rows[: len(self.rows)] != self.rows:
            self.known, self.rows = Timeline(), []  # what was never confirmed was lost
        self.known, self.rows = self.known.extended(decode(row) for row in rows[len(self.rows) :]), [*rows]
        self.urgently = self.chance.random() < 0.3
        later_us = self.chance.choice([0, 0, 0, 200_000, 2_000_000])
        if self.chance.random() < 0.15:
            ahead = self.known.after(server.t_us(self.now) + self.terms.lease_us)
            if ahead:
                self.append([self.next(ahead[-1].effective_from_us, cancelled=ahead[-1])], 0, 1)
                return
        self.offer(0, later_us, self.chance.choice([1, 1, 1, 2]), 6)

    def next(self, at_us: int, after: Entry | None = None, cancelled: Entry | None = None) -> Entry:
        server = self.servers[self.master]
        return make_entry(
            after or self.known.head,
            effective_from_us=max(at_us, 1),
            digest=DIGEST,
            author="sim",
            reason="",
            kind="cancel" if cancelled else "publish",
            cancelled=cancelled.sequence if cancelled else 0,
            appended_at_us=server.t_us(self.now),
        )

    def offer(self, at_us: int, later_us: int, count: int, tries: int) -> None:
        if tries == 0:
            return
        entries = [self.next(at_us)]
        if count == 2:
            entries.append(self.next(at_us + 1_000, after=entries[0]))
        self.append(entries, later_us, tries)

    def append(self, entries: list[Entry], later_us: int, tries: int, again: int = 1) -> None:
        urgently = self.urgently

        def done(answer: list[bytes] | None, *_: int) -> None:
            match answer:
                case [b"EARLY", earliest] if not entries[0].cancelled:
                    soon_us = self.chance.randrange(4_000)  # until it arrives
                    self.offer(int(earliest) + soon_us + later_us, later_us, len(entries), tries - 1)
                case [b"OK" | b"DUP", _]:
                    self.appended(entries)
                case None if again:  # it may have been appended: the very same once more
                    self.publisher.target = self.master
                    self.append(entries, later_us, tries, again - 1)
                case _:
                    pass

        if urgently:
            self.urgent.update(entries)
        words = ["", str(int(urgently)), "", "", str(entries[0].appended_at_us)]
        for entry in entries:
            fields = (entry.sequence, entry.previous_hash, entry.entry_hash, entry.effective_from_us, entry.kind)
            words += [*map(str, fields), entry.encode().decode()]
        keys = (META, TIMELINE, CHANGES, STAGE, *(MANIFEST for _ in entries))
        self.call(self.publisher, Call("append", tuple(words)), done, keys)

    def appended(self, entries: list[Entry]) -> None:
        self.confirmed += entries
        self.tally.confirmed += len(entries)
        self.tally.cancelled += entries[0].cancelled > 0
        self.tally.urgent += entries[0] in self.urgent
        for shop in self.shops:
            if self.world.hurries and self.hasty.random() < self.world.hurries:
                self.at(self.hasty.uniform(0, 0.01), self.hurry, shop, shop.lives)
        # Many ask at the boundary.
        away_s = (entries[0].effective_from_us - self.servers[self.master].t_us(self.now)) / 1e6
        for shop in self.shops:
            for _ in range(8):
                self.at(max(0, away_s + self.chance.uniform(-0.03, 0.06)), self.decide, shop, shop.lives)
            if self.world.told and self.chance.random() > 0.01:
                self.at(self.delay(), setattr, shop, "told", entries[-1].sequence)

    # ------------------------------------------------------------------------------------------------ faults

    def fault(self) -> None:
        self.at(self.chance.expovariate(1 / (self.world.pause_s * self.pace)), self.fault)
        chance, shop = self.chance, self.chance.choice(self.shops)
        match chance.choice(self.world.faults):
            case "cut":
                some = [("n", chance.randrange(len(self.shops))), ("s", chance.randrange(len(self.servers)))]
                seconds = chance.choice([0.1, 0.5, 1.5, 4, 8]) * chance.uniform(0.5, 1.2)
                self.cut[chance.choice(some)] = self.now + seconds
                self.tally.cuts += 1
            case "pause":
                self.decide(shop, shop.lives, 0.001)
                seconds = chance.choice([0.02, 0.3, 2, 6]) * max(1, self.lease_s / 3) * chance.uniform(0.5, 1.2)
                shop.paused = self.now + seconds
                self.tally.pauses += 1
            case "step":
                by = chance.choice([-1, 1]) * chance.choice(self.world.steps_s) * chance.uniform(0.5, 1.5)
                self.servers[self.master].offset += by
                self.servers[self.master].steps += 1
                self.tally.steps += 1
            case "fail-over" if self.replicas:
                self.fail_over(kill=chance.random() < 0.5)
            case "leave":
                if not shop.gone and self.now >= shop.paused:
                    self.leave(shop)
            case "kill":
                if not shop.gone:
                    self.tally.kills += 1
                    self.kill(shop)
            case "restart" | "fail-over":
                self.restart()

    def restart(self) -> None:
        """The primary ends and comes back with all that it had; where it is the store of one server, with that."""
        server = self.servers[self.master]
        if not server.alive:
            return
        self.tally.restarts += 1
        server.alive, server.waiting = False, []
        server.life += 1
        server.link += 1
        follower = server.follower
        if self.house:
            self.tally.houses += 1
            self.house += 1
            for shop in self.shops:
                self.kill(shop)

        def back() -> None:
            server.alive, server.follower = True, None
            if follower is not None:
                self.at(self.chance.uniform(0.1, 1), attach)

        def attach() -> None:
            if server.primary and server.follower is None and not self.servers[1 - server.number].primary:
                self.attach(self.servers[1 - server.number], server)

        self.at(self.chance.uniform(0.2, 1), back)

    def fail_over(self, *, kill: bool) -> None:
        old, new = self.servers[self.master], self.servers[1 - self.master]
        if old.follower is None or not old.alive or not new.alive or new.primary:
            return
        self.tally.failovers += 1
        if kill:
            old.alive, old.waiting = False, []
        else:
            self.cut["s", old.number] = self.now + self.chance.uniform(0.5, 6)

        def promote() -> None:
            new.primary, new.follower, new.acked = True, None, -1
            new.life += 1
            old.link += 1
            self.master = new.number
            self.at(self.chance.uniform(0.3, 3), back)

        def back() -> None:
            old.alive, old.primary, old.follower, old.waiting = True, False, None, []
            old.life += 1
            self.at(self.chance.uniform(0.2, 1), self.attach, old, new)

        self.at(self.chance.uniform(0.3, 1.5), promote)

    def attach(self, replica: Server, server: Server) -> None:
        """It copies all, and follows from there."""
        replica.data, replica.written = server.copy(), server.written
        server.link += 1
        server.arrives, server.acked, server.follower = self.now, server.written, replica.number
        self.look_at_waiting(server)

    # ------------------------------------------------------------------------------------------------ running

    def run(self) -> Tally:
        for shop in self.shops:
            self.at(self.chance.uniform(0, 0.5), self.drive, shop, shop.lives)
        self.at(0.5, self.publish)
        self.at(0.1, self.ask)
        self.at(2, self.fault)
        while self.events:
            then, _, act, arguments = heapq.heappop(self.events)
            if then > self.world.seconds * self.pace:
                break
            self.now = then
            act(*arguments)
        self.tally.decisions = len(self.decisions)
        self.tally.activations = len({decision.sequence for decision in self.decisions})
        self.tally.bad = [f"seed {self.seed}: {line}" for line in itertools.islice(self.judge(), 5)]
        return self.tally

    def judge(self) -> Iterator[str]:
        """What must not be."""
        yield from self.unsound
        whole = Timeline().extended(decode(row) for row in self.servers[self.master].data.get(TIMELINE, ()))
        rank = {0: (0, 0)} | {entry.sequence: (entry.effective_from_us, entry.sequence) for entry in whole.entries}
        highest = (0, 0)
        began: list[tuple[float, tuple[int, int]]] = []  # from when on an entry was decided by
        for decision in sorted(self.decisions):
            here = f"{decision.now:.6f} s, {decision.who}, entry {decision.sequence} at T {decision.t_us}"
            if decision.sequence not in rank:
                yield f"{here}: an entry that is not in the Timeline"
                continue
            if rank[decision.sequence] < highest:
                yield f"{here}: older than entry {highest[1]} before"
            if rank[decision.sequence] > highest:
                highest = rank[decision.sequence]
                began.append((decision.now, highest))
            if not self.world.told:
                right = whole.in_force(decision.t_us)
                if decision.sequence != (right.sequence if right else 0):
                    yield f"{here}: the Timeline says {right.sequence if right else 0}"
            if decision.left > decision.lease_ends:
                yield f"{here}: left at {decision.left:.6f} s, the lease had ended at {decision.lease_ends:.6f}"
        for decision in self.decisions:
            if decision.renewed and decision.sequence in rank:
                until = next((now for now, later in began if later > rank[decision.sequence]), decision.left)
                if decision.left > until:
                    yield f"{decision}: entry {decision.sequence} was in force until {until:.6f} s, not when it left"
        for entry in self.confirmed:
            if entry.sequence > len(whole.entries) or whole.entries[entry.sequence - 1] != entry:
                yield f"entry {entry.sequence} was confirmed and is lost"
        for count, (final_us, horizon_us) in self.settled.items():
            for entry in whole.entries[count:]:
                if entry.effective_from_us < (final_us if entry in self.urgent else max(final_us, horizon_us)):
                    yield f"entry {entry.sequence} takes force at {entry.effective_from_us}: that was settled"
        for shop in self.shops:
            known = shop.node.timeline.entries
            if known != whole.entries[: len(known)]:
                yield f"n{shop.number} knows {len(known)} entries, and not those of the Timeline"
        urgent = [entry.effective_from_us for entry in whole.entries if entry in self.urgent]
        for said in self.cutoffs:
            right = whole.in_force(said.t_us)
            excused = any(said.heard_us < at_us <= said.t_us for at_us in urgent)
            if said.sequence != (right.sequence if right else 0) and not excused:
                yield f"{said.who}, cut off, entry {said.sequence} at T {said.t_us}: the Timeline says otherwise"


def simulate(seeds: range, world: World) -> Tally:
    """All these seeds."""
    tally = Tally()
    for seed in seeds:
        tally.add(Run(seed, world).run())
    return tally


def main(first: int, last: int) -> int:
    tally = Tally()
    for begin in range(first, last, 100):
        tally.add(simulate(range(begin, min(begin + 100, last)), World()))
        print(f"seeds {first} to {min(begin + 100, last) - 1}: {tally}", flush=True)
        for line in tally.bad:
            print(f"  {line}", flush=True)
    return 1 if tally.bad else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
