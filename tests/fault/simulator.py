"""The whole protocol of activation in one process, under virtual time: the real node (server/lease.py), the real
functions of the store (server/functions/timeline.lua), everything else made up and everything random from one seed.

    python -m tests.fault.simulator 0 20000        seeds 0 to 19,999; any disagreement is printed with its seed

True time `now` is known to the simulator alone. Nodes and servers have clocks of their own: an offset, a rate that is
wrong by up to 200 ppm, and a server's may be stepped. Messages take 0.2 to 4 ms, some up to 0.6 s; replicas lag; nodes
are paused, cut off, killed, leave and come; the primary is killed or cut off and the replica promoted.

What must hold (`Run.judge`):

* every decision is by the entry that the whole Timeline, as it stands at the end, has in force at the decision's T
* in the order of true time no decision is by an older entry than one before it
* an entry whose appending was confirmed stands in the Timeline at the end
"""

from __future__ import annotations

import heapq
import itertools
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from engine.timeline import Entry, Timeline, TimelineError, decode, make_entry
from server.lease import Call, Node, Terms, Wait, Window
from tests.fault.lua_host import Data, Host, host

PPM = 200
META, TIMELINE, HOLDERS, NODES, STAGE, CHANGES, MANIFEST = b"m", b"t", b"h", b"n", b"s", b"c", b"x"
KEYS = {
    "begin": (META, HOLDERS),
    "open": (META, TIMELINE, HOLDERS),
    "renew": (META, TIMELINE, HOLDERS, NODES),
    "fault": (META,),
    "release": (META, HOLDERS),
    "append": (META, TIMELINE, CHANGES, STAGE, MANIFEST),
}
FAULTS = ("cut", "pause", "fail-over", "step", "leave", "kill")
DIGEST = "d" * 64


@dataclass(frozen=True)
class World:
    """What is simulated; a mutant is another World."""

    node: type[Node] = Node
    changed: tuple[tuple[str, str], ...] = ()  # pieces of the functions' text
    waits: bool = True  # for the replica, before an answer counts
    nodes: int = 5
    seconds: float = 60.0
    terms: Terms = field(default_factory=lambda: Terms(lease_us=3_000_000))
    decisions_per_s: float = 260.0
    pause_s: float = 3.0  # between faults
    faults: tuple[str, ...] = FAULTS
    delays: float = 0.03  # the share of messages that take up to 0.6 s
    steps_s: tuple[float, ...] = (0.015, 0.03, 0.2, 1, 5, 60)
    lost: float = 0.0  # the share of hints that never arrive: for nodes that are only told
    told: bool = False  # nodes learn of entries by hints alone


@dataclass
class Tally:
    """What a run, or many, came to."""

    runs: int = 0
    decisions: int = 0
    unavailable: int = 0
    waits: int = 0
    activations: int = 0
    failovers: int = 0
    steps: int = 0
    epochs: int = 0
    bad: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def __str__(self) -> str:
        asked = self.decisions + self.unavailable
        return (
            f"{self.runs:,} runs, {self.decisions:,} decisions, {self.activations:,} activations, "
            f"{self.failovers:,} fail-overs, {self.steps:,} clock steps, {self.epochs:,} epochs, "
            f"{self.waits:,} waits at boundaries, {100 * self.unavailable / max(1, asked):.1f}% unavailable: "
            f"{len(self.bad):,} disagreements"
        )


class Server:
    """One server of the store."""

    def __init__(self, run: Run, number: int) -> None:
        self.number = number
        self.rate = 1 + run.chance.uniform(-PPM, PPM) / 1e6
        self.offset = run.chance.uniform(1e9, 1e9 + 1)
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
        self.window: Window | None = None
        self.start(run)

    def start(self, run: Run) -> None:
        self.lives += 1
        self.node = run.world.node(run.world.terms, f"n{self.number}.{self.lives}")
        self.window = None
        self.gone = False

    def ns(self, now: float) -> int:
        return int((now * self.rate + self.offset) * 1e9)


class Run:
    """One seed."""

    def __init__(self, seed: int, world: World) -> None:
        self.seed, self.world = seed, world
        self.chance = random.Random(seed)
        self.host: Host = host(world.changed)
        self.now = 0.0
        self.events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self.number = itertools.count()
        self.cut: dict[tuple[str, int], float] = {}
        self.decisions: list[tuple[float, int, int, str]] = []
        self.confirmed: list[Entry] = []
        self.tally = Tally(runs=1)
        self.lag = self.chance.choice([0, 0.05, 0.4])
        self.servers = [Server(self, 0), Server(self, 1)]
        self.master = 0
        first = self.servers[0]
        first.primary, first.follower = True, 1
        terms = world.terms
        setup = (b"id", b"%d" % terms.lease_us, b"%d" % terms.guard_us, b"0", b"1")
        self.on(first, "setup", (META,), setup)
        first.data[MANIFEST] = b"1"
        self.servers[1].data = first.copy()
        self.shops = [Shop(self, number) for number in range(world.nodes)]
        self.publisher = Shop(self, 99)
        self.known = Timeline()

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
                follower.data, follower.written = (
                    {k: v if isinstance(v, bytes) else v.copy() for k, v in data.items()},
                    written,
                )
            self.at(self.delay(), acked)

        def acked() -> None:
            if server.link == link and server.alive and self.reach(("s", server.number), ("s", follower.number)):
                server.acked = max(server.acked, written)
                self.look_at_waiting(server)

        self.at(server.arrives - self.now, apply)

    def look_at_waiting(self, server: Server) -> None:
        waiting, server.waiting = server.waiting, []
        for written, life, act in waiting:
            if life == server.life and server.acked >= written:
                act()
            elif life == server.life:
                server.waiting.append((written, life, act))

    def call(self, shop: Shop, call: Call, done: Callable[[list[bytes] | None, int, int], None]) -> None:
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
            arguments = tuple(word.encode() for word in call.arguments)
            answer = self.on(server, call.function, KEYS[call.function], arguments)

            def reply() -> None:
                if self.reach(*ends):
                    self.at(self.delay(), end, answer)

            if call.durable and self.world.waits:
                self.at(self.delay(), hear)
                server.waiting.append((server.written, server.life, reply))
                self.look_at_waiting(server)
            else:
                reply()

        self.at(self.delay(), arrive)
        self.at(0.4, end, None)

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
            self.at(max(1e-4, min(0.2, (due - shop.ns(self.now)) / 1e9)), self.drive, shop, life)
            return

        def done(answer: list[bytes] | None, sent_ns: int, heard_ns: int) -> None:
            if answer is None:
                shop.node.failed(shop.ns(self.now))
                if self.chance.random() < 0.3:
                    shop.target = self.master
            else:
                shop.node.answered(answer, sent_ns, heard_ns, shop.ns(self.now))
                self.tally.epochs += answer[0] == b"GRANTED" and due.function == "open"
            self.drive(shop, life)

        self.call(shop, due, done)

    def decide(self, shop: Shop, again: bool = False) -> None:
        if not again:
            self.at(
                self.chance.expovariate(self.world.decisions_per_s), lambda: self.decide(self.chance.choice(self.shops))
            )
        if self.now < shop.paused or shop.gone:
            return
        if self.world.told:
            self.decisions.append((self.now, 0, getattr(shop, "told", 0), f"n{shop.number}"))
            return
        now_ns = shop.ns(self.now)
        window = shop.window
        if window is None or not window.begin_ns <= now_ns < window.end_ns:
            found = shop.node.window(now_ns)
            if isinstance(found, Wait):
                self.tally.waits += not again
                self.at((found.until_ns - now_ns) / 1e9 / shop.rate + 1e-7, self.decide, shop, True)
                return
            if found is None:
                self.tally.unavailable += self.now > 12
                return
            shop.window = window = found
        if window.entry is not None:  # before the first one there is nothing to decide by
            t_us = window.bounds.earliest_us(now_ns)
            self.decisions.append((self.now, t_us, window.entry.sequence, f"n{shop.number}"))

    def leave(self, shop: Shop) -> None:
        """Stop in order, and come back as another holder."""
        call = shop.node.release(shop.ns(self.now))
        if call is not None:
            self.call(shop, call, lambda *_: None)
        self.kill(shop)

    def kill(self, shop: Shop) -> None:
        shop.gone = True

        def back() -> None:
            shop.start(self)
            shop.target = self.master
            self.drive(shop, shop.lives)

        self.at(self.chance.uniform(0.5, 6), back)

    # ------------------------------------------------------------------------------------------------ publishing

    def publish(self) -> None:
        """Append an entry for the earliest instant that is allowed, or a little later."""
        self.at(self.chance.uniform(1.0, 4.0), self.publish)
        self.publisher.target = self.master
        server = self.servers[self.master]
        rows = [decode(row) for row in server.data.get(TIMELINE, ())[len(self.known.entries) :]]
        try:
            self.known = self.known.extended(rows)
        except TimelineError:
            self.known = Timeline().extended(decode(row) for row in server.data.get(TIMELINE, ()))
        self.offer(0, self.chance.choice([0, 0, 200_000, 2_000_000]), 6)

    def offer(self, at_us: int, later_us: int, tries: int) -> None:
        if tries == 0:
            return
        server = self.servers[self.master]
        now_us = server.clock_us(self.now) + int(server.data.get(META, {}).get(b"off_us", b"0"))
        entry = make_entry(
            self.known.head,
            effective_from_us=max(at_us, 1),
            digest=DIGEST,
            author="sim",
            reason="",
            appended_at_us=now_us,
        )

        def done(answer: list[bytes] | None, *_: int) -> None:
            match answer:
                case [b"EARLY", earliest]:
                    self.offer(int(earliest) + later_us, later_us, tries - 1)
                case [b"OK" | b"DUP", _]:
                    self.confirmed.append(entry)
                    self.tally.activations += 1
                    if self.world.told:
                        for shop in self.shops:
                            if self.chance.random() > 0.01:
                                self.at(self.delay(), setattr, shop, "told", entry.sequence)
                case _:
                    pass

        fields = (entry.sequence, entry.previous_hash, entry.entry_hash, entry.effective_from_us, entry.kind)
        body = entry.encode().decode()
        self.call(self.publisher, Call("append", ("", "0", "", "", str(now_us), *map(str, fields), body)), done)

    # ------------------------------------------------------------------------------------------------ faults

    def fault(self) -> None:
        self.at(self.chance.expovariate(1 / self.world.pause_s), self.fault)
        chance, shop = self.chance, self.chance.choice(self.shops)
        match chance.choice(self.world.faults):
            case "cut":
                who = chance.choice([("n", chance.randrange(self.world.nodes)), ("s", chance.randrange(2))])
                self.cut[who] = self.now + chance.choice([0.1, 0.5, 1.5, 4, 8]) * chance.uniform(0.5, 1.2)
            case "pause":
                shop.paused = self.now + chance.choice([0.02, 0.3, 2, 6]) * chance.uniform(0.5, 1.2)
            case "step":
                by = chance.choice([-1, 1]) * chance.choice(self.world.steps_s) * chance.uniform(0.5, 1.5)
                self.servers[self.master].offset += by
                self.tally.steps += 1
            case "fail-over":
                self.fail_over(kill=chance.random() < 0.5)
            case "leave":
                if not shop.gone and self.now >= shop.paused:
                    self.leave(shop)
            case "kill":
                if not shop.gone:
                    self.kill(shop)

    def fail_over(self, *, kill: bool) -> None:
        old, new = self.servers[self.master], self.servers[1 - self.master]
        if old.follower is None or not new.alive or new.primary:
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
            self.at(self.chance.uniform(1.5, 6) if kill else self.chance.uniform(0.5, 7), back)

        def back() -> None:
            old.alive, old.primary, old.follower, old.waiting = True, False, None, []
            old.life += 1
            self.at(self.chance.uniform(0.2, 2), attach)

        def attach() -> None:
            old.data, old.written = new.copy(), new.written
            new.link += 1
            new.arrives, new.acked, new.follower = self.now, new.written, old.number
            self.look_at_waiting(new)

        self.at(self.chance.uniform(0.3, 1.5), promote)

    # ------------------------------------------------------------------------------------------------ running

    def run(self) -> Tally:
        for shop in self.shops:
            self.at(self.chance.uniform(0, 0.5), self.drive, shop, shop.lives)
        self.at(0.5, self.publish)
        self.at(0.1, lambda: self.decide(self.shops[0]))
        self.at(2, self.fault)
        while self.events:
            then, _, act, arguments = heapq.heappop(self.events)
            if then > self.world.seconds:
                break
            self.now = then
            act(*arguments)
        self.tally.decisions = len(self.decisions)
        self.tally.bad = list(itertools.islice(self.judge(), 5))
        return self.tally

    def judge(self) -> Iterator[str]:
        """What must not be."""
        whole = Timeline().extended(decode(row) for row in self.servers[self.master].data.get(TIMELINE, ()))
        rank = {0: (0, 0)} | {entry.sequence: (entry.effective_from_us, entry.sequence) for entry in whole.entries}
        highest = (0, 0)
        for now, t_us, sequence, who in sorted(self.decisions):
            here = f"seed {self.seed}, {now:.6f} s, {who}, entry {sequence} at T {t_us}"
            if sequence not in rank:
                yield f"{here}: an entry that is not in the Timeline"
                continue
            if rank[sequence] < highest:
                yield f"{here}: older than entry {highest[1]} before"
            highest = max(highest, rank[sequence])
            if not self.world.told:
                right = whole.in_force(t_us)
                if sequence != (right.sequence if right else 0):
                    yield f"{here}: the Timeline says {right.sequence if right else 0}"
        for entry in self.confirmed:
            if entry.sequence > len(whole.entries) or whole.entries[entry.sequence - 1] != entry:
                yield f"seed {self.seed}: entry {entry.sequence} was confirmed and is lost"


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
