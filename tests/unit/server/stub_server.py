"""A real gRPC server with the real services in front of a holder and an engine that say what they are told."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from types import SimpleNamespace
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from engine import decision
from engine.basket import BadRequest, Fault, Request
from engine.decision import Reason
from engine.program import address
from engine.timeline import Entry, Timeline, make_entry
from server import publish, services
from server.activate import CERTAIN, FOR_EVER_NS, UNSURE, Active, Standing
from server.lease import Wait
from server.publish import PublishResult
from server.rulesets import RulesetServicer
from server.settings import Settings, load
from server.store import NotStored
from server.telemetry import Counters

NOW = 1_789_000_000_000_000
BEGIN = NOW - 3_600_000_000


def ruleset(letter: str) -> Any:
    promotion = SimpleNamespace(name="pasta", title="Pasta 3 for 2", labels=(("en", "Pasta: 3 for 2"),), hints=())
    other = SimpleNamespace(name="fashion", title="", labels=(), hints=(("en", "{missing} more"),))
    return SimpleNamespace(
        digest=letter * 64,
        by_name={one.name: one for one in (other, promotion)},
        product_titles={"fashion": "Mode"},
        settings=SimpleNamespace(prices_include_tax=True, languages=("en", "de")),
        writings={},
    )


def decide(ruleset: Any, request: Request, *, everything: bool = False) -> decision.Decision:
    """Three pieces of an article: one free. Everything else at its list price."""
    if request.channel == "nowhere":
        raise BadRequest("channel", "«nowhere» is none of pos, webshop", Fault.UNKNOWN)
    if request.channel == "broken":
        raise ZeroDivisionError("secret of the engine")
    lines = []
    saved = 0
    for line in sorted(request.lines, key=lambda line: line.id):
        if line.price_micros is None:
            raise BadRequest(
                f"lines[{request.lines.index(line)}]", "no price, neither here nor in the catalogue", Fault.NO_PRICE
            )
        price = line.price_micros // 10_000
        free = line.quantity // 3
        saved += free * price
        shares = [decision.UnitShare(line.quantity - free, price, price)]
        if free:
            shares.append(decision.UnitShare(free, 0, 0))
        lines.append(
            decision.LineResult(
                line.id,
                list=line.quantity * price,
                net=(line.quantity - free) * price,
                refund=(line.quantity - free) * price,
                tax_rate=line.tax_rate or 0,
                discounts=(decision.LineDiscount("pasta", free * price),) if free else (),
                shares=tuple(shares),
            )
        )
    missing = decision.Missing("amount", 1_240, "", "fashion")
    clause = "when basket is worth at least EUR 50.00 of fashion"
    fashion = decision.PromotionResult("fashion", Reason.CONDITION, clause=clause, missing=missing)
    pasta = decision.PromotionResult(
        "pasta", Reason.APPLIED if saved else Reason.QUANTITY, applications=1 if saved else 0, saving=saved
    )
    total = sum(line.list for line in lines)
    return decision.Decision(
        ruleset=ruleset.digest,
        currency=request.currency,
        optimal=True,
        bound=0,
        lines=tuple(lines),
        promotions=((fashion, pasta) if everything else (pasta,)),
        services=(),
        fees=(),
        codes=(),
        taxes=(),
        totals=decision.Totals(total, saved, total - saved, 0, 0, total - saved),
    )


@dataclass
class Holder:
    """What services ask for rulesets. `now_us_` 0: the Timeline was not read yet."""

    now_us_: int = NOW
    has_lease: bool = True
    late: bool = False  # answers come after the lease has ended
    boundaries: int = 0  # times that an activation is waited for
    timeline: Timeline = field(default_factory=Timeline)
    rulesets: dict[str, Any] = field(default_factory=dict)
    raises: Exception | None = None
    scheduled_until_us: int = 0

    def add(self, letter: str, effective_from_us: int, *, loaded: bool = True) -> None:
        entry = make_entry(
            self.timeline.head,
            effective_from_us=effective_from_us,
            digest=letter * 64,
            author="anna",
            reason="autumn",
            appended_at_us=BEGIN,
        )
        self.timeline = self.timeline.extended([entry])
        if loaded:
            self.rulesets[entry.digest] = ruleset(letter)

    def _standing(self, as_of_us: int, certainty: int) -> Standing:
        entry = self.timeline.in_force(as_of_us)
        found = None if entry is None else self.rulesets.get(entry.digest)
        active = None
        if entry is not None and found is not None:
            active = Active(entry.sequence, entry.effective_from_us, entry.digest, found)
        return Standing(entry, active, as_of_us, certainty, FOR_EVER_NS)

    def standing(self) -> Standing | Wait | None:
        if self.boundaries:
            self.boundaries -= 1
            return Wait(0)
        return self._standing(self.now_us_, CERTAIN) if self.now_us_ and self.has_lease else None

    def standing_at(self, as_of_us: int) -> Standing | None:
        return self._standing(as_of_us, CERTAIN if as_of_us <= self.now_us_ else UNSURE) if self.now_us_ else None

    def lapsed(self, _standing: Standing) -> bool:
        return self.late

    def seconds_until(self, _wait: Wait) -> float:
        return 0.001

    def now_us(self) -> int:
        return self.now_us_

    async def change(self, seconds: float) -> None:
        await asyncio.sleep(0)

    async def load(self, entry: Entry) -> Active | None:
        if self.raises:
            raise self.raises
        return self._standing(entry.effective_from_us, CERTAIN).active

    async def by_digest(self, digest: str) -> Any:
        if self.raises:
            raise self.raises
        return self.rulesets.get(digest)


class Publisher:
    """Stands for the publishing process."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.raises: Exception | None = None
        self.hold: threading.Event | None = None
        self.entered = threading.Event()

    async def __call__(self, files: dict[str, bytes], **what: Any) -> PublishResult:
        self.calls.append({"files": files, **what})
        self.entered.set()
        if self.hold is not None:
            await asyncio.to_thread(self.hold.wait, 10)
        if self.raises:
            raise self.raises
        digest = hashlib.sha256(repr(files).encode()).hexdigest()
        sequence = 0 if what["dry_run"] else 7
        return PublishResult(digest, sequence, NOW + 1, 3, 4, 1, 2, False, ())

    async def change(self, change: publish.Change, **_: Any) -> PublishResult:
        self.calls.append(asdict(change))
        if self.raises:
            raise self.raises
        kind = "publish" if change.kind == "schedule" else change.kind
        entry = make_entry(
            None,
            effective_from_us=change.effective_from_us or NOW + 1,
            digest=change.digest or "a" * 64,
            kind="publish" if kind == "cancel" else kind,
            author=change.author,
            reason=change.reason,
            appended_at_us=NOW,
            promotion=change.promotion,
            until_us=change.until_us,
            change_id=change.change_id,
        )
        data = entry.encode().decode("ascii")
        return PublishResult(entry.digest, 1, entry.effective_from_us, 0, 0, 0, 0, False, (), (data,))


class Listed:
    """Stands for the store of GetPrograms: the canonical bytes of each ruleset's Programs."""

    def __init__(self, programs: dict[str, list[bytes]]) -> None:
        self.programs = programs

    async def get_listing(self, digest: str) -> tuple[str, ...]:
        if digest not in self.programs:
            raise NotStored(digest)
        return tuple(address(data) for data in self.programs[digest])

    async def get_programs(self, addresses: Sequence[str], most: int) -> AsyncIterator[tuple[str, bytes]]:
        known = {address(data): data for listed in self.programs.values() for data in listed}
        for name in addresses:
            yield name, known[name] if len(known[name]) <= most else b""


@dataclass
class Served:
    """A running server."""

    address: str
    holder: Holder
    publisher: Publisher
    counters: Counters
    channel: grpc.Channel


@contextmanager
def serving(
    holder: Holder, *, ready: bool = True, settings: Settings | None = None, store: Any = None
) -> Iterator[Served]:
    """A server in a thread of its own, on a free port."""
    publisher = Publisher()
    counters = Counters()
    loop = asyncio.new_event_loop()
    bound: list[str] = []
    up = threading.Event()
    stop = asyncio.Event()

    async def run() -> None:
        server = grpc.aio.server(options=services.server_options(), maximum_concurrent_rpcs=16)
        decisions = services.DecisionServicer(
            holder,  # type: ignore[arg-type] # a stub
            node="node-1",
            build="test",
            counters=counters,
            decide=decide,
        )
        rulesets = RulesetServicer(
            holder,  # type: ignore[arg-type] # a stub
            settings or load(),
            publish_files=publisher,
            store=store,
        )
        services.register(server, decisions, rulesets, counters)
        checks = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(checks, server)
        states = health_pb2.HealthCheckResponse
        for name in ("", "einklang.v1.DecisionService"):
            await checks.set(name, states.SERVING if ready else states.NOT_SERVING)
        bound.append(f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
        await server.start()
        up.set()
        await stop.wait()
        await server.stop(0)

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),), daemon=True)
    thread.start()
    assert up.wait(10)
    try:
        with grpc.insecure_channel(bound[0]) as channel:
            yield Served(bound[0], holder, publisher, counters, channel)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
