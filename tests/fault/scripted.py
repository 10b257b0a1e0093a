"""One server and some nodes, step by step: histories with exact numbers, for faults that chance rarely meets.

All clocks are right unless a test sets them wrong. Time is true time, microseconds since the story began.
"""

from __future__ import annotations

from engine.timeline import Entry, Timeline, decode, make_entry
from server.lease import Call, Node, Terms, Window
from tests.fault.lua_host import Data, host
from tests.fault.simulator import KEYS, MANIFEST, META, TIMELINE

SECOND = 1_000_000
BEGIN_US = 1_000_000_000_000_000  # the server's clock at first
TERMS = Terms(lease_us=3 * SECOND)


class Story:
    """What happens to a server and to nodes."""

    def __init__(self, terms: Terms = TERMS, changed: tuple[tuple[str, str], ...] = ()) -> None:
        self.terms = terms
        self.host = host(changed)
        self.data: Data = {}
        self.run = b"run1"
        self.now_us = 0.0
        self.stepped_us = 0  # of the server's clock
        self.rate_ppm: dict[str, float] = {}  # of the nodes' clocks
        words = (b"id", b"%d" % terms.lease_us, b"%d" % terms.guard_us, b"%d" % terms.horizon_us, b"0")
        self.on("setup", (META,), words)
        self.data[MANIFEST] = b"1"
        first = self.node("first")  # opens an epoch, so that entries can be appended, and leaves
        self.join(first)
        self.release(first)

    # ------------------------------------------------------------------------------------------------ the server

    def on(self, function: str, keys: tuple[bytes, ...], arguments: tuple[bytes, ...]) -> list[bytes]:
        """Run a function there."""
        self.host.data, self.host.run, self.host.wrote = self.data, self.run, False
        self.host.clock_us = self.clock_us
        return self.host.ask(function, keys, arguments)

    def clock_us(self) -> int:
        return BEGIN_US + int(self.now_us) + self.stepped_us

    def t_us(self) -> int:
        return self.clock_us() + int(self.data[META].get(b"off_us", b"0"))

    @property
    def epoch(self) -> int:
        return int(self.data[META].get(b"epoch", b"0"))

    @property
    def is_open(self) -> bool:
        return self.data[META].get(b"open") == b"1" and self.data[META].get(b"run_id") == self.run

    @property
    def timeline(self) -> Timeline:
        return Timeline().extended(decode(row) for row in self.data.get(TIMELINE, ()))

    def offer(self, at_us: int, *, urgent: bool = False) -> tuple[list[bytes], Entry]:
        """Append an entry for this instant, or be refused."""
        entry = make_entry(
            self.timeline.head,
            effective_from_us=at_us,
            digest="d" * 64,
            author="a",
            reason="",
            appended_at_us=max(self.t_us(), int(self.data[META].get(b"hwm_us", b"0"))),
        )
        fields = (entry.sequence, entry.previous_hash, entry.entry_hash, entry.effective_from_us, entry.kind)
        words = ["", str(int(urgent)), "", "", str(entry.appended_at_us), *map(str, fields), entry.encode().decode()]
        keys = (META, TIMELINE, b"c", b"s", MANIFEST)
        return self.on("append", keys, tuple(word.encode() for word in words)), entry

    def append(self, at_us: int = 0, *, urgent: bool = False) -> Entry:
        """An entry for the earliest instant that is allowed, not before this one."""
        answer, entry = self.offer(max(at_us, 1), urgent=urgent)
        if answer[0] == b"EARLY":
            answer, entry = self.offer(max(at_us, int(answer[1])), urgent=urgent)
        assert answer[0] == b"OK", answer
        return entry

    # ------------------------------------------------------------------------------------------------ nodes

    def node(self, name: str, house: str = "", kind: type[Node] = Node) -> Node:
        return kind(self.terms, name, house)

    def ns(self, node: Node) -> int:
        """Its clock."""
        return int((self.now_us + SECOND) * (1_000 + self.rate_ppm.get(node.holder, 0) / 1_000))

    def wait(self, us: float) -> None:
        self.now_us += us

    def until(self, node: Node, ns: int) -> None:
        """Until its clock says so."""
        self.now_us = max(self.now_us, ns / (1_000 + self.rate_ppm.get(node.holder, 0) / 1_000) - SECOND + 0.001)

    def ask(self, node: Node, forth_us: float = 300, back_us: float = 300) -> str:
        """Wait until something is due, ask it; the first word of the answer."""
        due = node.due(self.ns(node))
        while not isinstance(due, Call):
            self.until(node, due)
            due = node.due(self.ns(node))
        return self.answer(node, due, forth_us, back_us)

    def answer(self, node: Node, due: Call, forth_us: float = 300, back_us: float = 300) -> str:
        sent_ns = self.ns(node)
        self.wait(forth_us)
        answer = self.on(due.function, KEYS[due.function], tuple(word.encode() for word in due.arguments))
        self.wait(back_us)
        node.answered(answer, sent_ns, self.ns(node), self.ns(node))
        return answer[0].decode()

    def ask_until(self, node: Node, word: str) -> None:
        """Until the store answers so."""
        for _ in range(500):
            if self.ask(node) == word:
                return
        raise AssertionError(f"never {word}")

    def release(self, node: Node) -> None:
        call = node.release(self.ns(node))
        assert call is not None
        self.on(call.function, KEYS[call.function], tuple(word.encode() for word in call.arguments))

    def says(self, node: Node) -> int | None:
        """By which entry it decides now (0: none is in force); None: it does not."""
        found = node.window(self.ns(node))
        if not isinstance(found, Window):
            return None
        return found.entry.sequence if found.entry else 0

    def join(self, *nodes: Node) -> None:
        """Leases for all of them."""
        for _ in range(1_000):
            waiting = [node for node in nodes if node.lease is None]
            if not waiting:
                return
            # Those that have a lease vouch for the others.
            next_ = min(nodes, key=self._due_us)
            self.ask(next_)
        raise AssertionError("no lease")

    def _due_us(self, node: Node) -> float:
        now_ns = self.ns(node)
        due = node._due(now_ns)
        return 0.0 if isinstance(due, Call) else (due - now_ns) / 1_000
