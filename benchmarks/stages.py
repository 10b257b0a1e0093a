"""Where the time of one call goes inside the server: the steps of `DecisionService.Decide`, one by one.

First those of a call that is answered at once, then those of the long way, on which the same basket gets the same
answer. The ruleset is the one that a running server has in force; its steps are run here, in this process, on its
store.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import secrets
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Final

from rich.table import Table

if TYPE_CHECKING:
    from engine.direct import Direct
    from server.activate import RulesetHolder
    from server.services import DecisionServicer

PASSES: Final = 100  # over one basket; the quickest of each stage counts: what else the machine does only adds
SECONDS: Final = 5.0
AT_ONCE: Final = (
    "the gate",
    "which ruleset is in force",
    "read, resolve, decide, write: one compiled call",
    "the answer's bytes",
    "its digest",
    "envelope, joined",
    "all of it, as the server runs it",
    "the compiled call after others used the caches",
)
RESOLVE, KERNELS = "engine: check, resolve", "engine: kernels, Decision"
AT_LENGTH: Final = (
    "asyncio.timeout",
    "parse, unknown fields",
    "which ruleset it names, or is in force",
    "convert: message to Request",
    RESOLVE,
    KERNELS,
    "answers: Decision to message",
    "serialise the Decision",
    "its digest, once more",
    "envelope, joined at length",
    "Decide at length, as the server runs it",
)

_SWEPT: Final = bytearray(8 << 20)
Micros = dict[str, float]  # by stage


def measure(data_dir: Path, requests: Mapping[int, Sequence[bytes]]) -> dict[int, Micros]:
    """Microseconds by stage, for each size of a basket. `data_dir`: of the server that runs."""
    import uvloop

    from server import kernels
    from server.settings import load

    kernels.prepare(load().cache_dir)  # before any module that holds kernels
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_measure(data_dir, requests))


def table(found: Mapping[int, Micros]) -> Table:
    """Stages by sizes."""
    made = Table(title="\nInside the server, µs a call", title_justify="left", box=None)
    made.add_column("", no_wrap=True)
    for lines in found:
        made.add_column(f"{lines} lines", justify="right", no_wrap=True)
    for heading, stages in (("Answered at once", AT_ONCE), ("The long way", AT_LENGTH)):
        made.add_row(heading)
        for stage in stages:
            made.add_row(f"  {stage}", *(f"{micros[stage]:,.1f}" for micros in found.values()))
        made.add_section()
    return made


async def _measure(data_dir: Path, requests: Mapping[int, Sequence[bytes]]) -> dict[int, Micros]:
    from engine.decide import warm
    from engine.direct import Direct
    from engine.image import load
    from engine.parts import ImageRejected, parts_of
    from server.activate import Machine, RulesetHolder
    from server.clock import SystemClock
    from server.embedded import store_settings
    from server.keeper import Keeper
    from server.lease import Node
    from server.parts import PartFiles
    from server.self_test import self_test
    from server.services import DecisionServicer
    from server.settings import load as load_settings
    from server.signing import trust_of
    from server.store import opened
    from server.telemetry import Counters

    settings = store_settings(load_settings({"data_dir": data_dir}))
    counters = Counters()
    async with opened(settings) as store:
        machine = Machine(parts_of, load, warm, ImageRejected, Direct, self_test)
        clock = SystemClock()
        keeper = Keeper(store, Node(store.terms, secrets.token_hex(8)), clock, counters)
        keeper.start(lambda: None)
        files, trust = PartFiles(data_dir / "parts", counters), trust_of(settings)
        holder = RulesetHolder(store, files, machine, clock, counters, trust=trust, known=keeper)
        while holder.in_force is None:
            await holder.step()
            await holder.change(0.05)
        servicer = DecisionServicer(holder, node="host/1", build="source", counters=counters)
        gc.collect()
        gc.freeze()
        try:
            return {lines: await _stages(servicer, holder, some) for lines, some in requests.items()}
        finally:
            await asyncio.to_thread(keeper.stop)


async def _stages(servicer: DecisionServicer, holder: RulesetHolder, requests: Sequence[bytes]) -> Micros:
    """The mean over these baskets."""
    found: Micros = {}
    for names, one in ((AT_ONCE, _at_once), (AT_LENGTH, _at_length)):
        rows = []
        for data in requests:
            passes = [await one(servicer, holder, data) for _ in range(PASSES)]
            rows.append([min(column) for column in zip(*passes, strict=True)])
        found |= {name: fmean(row[place] for row in rows) / 1e3 for place, name in enumerate(names)}
    found[KERNELS] -= found[RESOLVE]  # deciding checks and resolves too
    return found


async def _at_once(servicer: DecisionServicer, holder: RulesetHolder, data: bytes) -> list[int]:
    """One pass of a call that is answered at once: nanoseconds of each stage, then of all of it."""
    from einklang.v1 import decision_pb2 as pb
    from engine.direct import ANSWERED
    from server.activate import Standing
    from server.batches import varint
    from server.services import Gate

    gate, at_once = Gate(), servicer.ordinary("Decide")
    assert at_once is not None
    marks = [time.perf_counter_ns()]
    gate.enter()
    marks.append(time.perf_counter_ns())
    standing = holder.standing()
    assert isinstance(standing, Standing)
    now_us, active = standing.as_of_us, standing.active
    assert active is not None and active.direct is not None
    marks.append(time.perf_counter_ns())
    reason = active.direct.ask(data, now_us)
    marks.append(time.perf_counter_ns())
    answer = active.direct.answered()
    marks.append(time.perf_counter_ns())
    assert reason == ANSWERED
    digest = hashlib.sha256(answer.decision).hexdigest()
    marks.append(time.perf_counter_ns())
    envelope = pb.Envelope(
        as_of_us=now_us,
        sequence=active.sequence,
        decision_digest=digest,
        limits_from=pb.LIMITS_FROM_NONE,
        at_us=answer.at_us,
        node="host/1",
        build="source",
    ).SerializeToString(deterministic=True)
    b"".join((b"\x0a", varint(len(answer.decision)), answer.decision, b"\x12", varint(len(envelope)), envelope))
    marks.append(time.perf_counter_ns())
    at_once(data)
    marks.append(time.perf_counter_ns())
    return [*(after - before for before, after in pairwise(marks)), _cold(active.direct, data, now_us)]


def _cold(direct: Direct, data: bytes, now_us: int) -> int:
    """The compiled call again, after more was written than the caches that are a core's own hold."""
    _SWEPT[:] = bytes(len(_SWEPT))
    begin = time.perf_counter_ns()
    direct.ask(data, now_us)
    return time.perf_counter_ns() - begin


async def _at_length(servicer: DecisionServicer, holder: RulesetHolder, data: bytes) -> list[int]:
    """One pass of the long way: nanoseconds of each stage, then of all of it."""
    from einklang.v1 import decision_pb2 as pb
    from engine.decide import decide
    from engine.resolve import check, resolve
    from server import answers, convert
    from server.activate import Standing
    from server.contract import parse, refuse_foreign_tenant

    marks = [time.perf_counter_ns()]

    def mark() -> None:
        marks.append(time.perf_counter_ns())

    async with asyncio.timeout(SECONDS):
        pass
    mark()
    message = parse(pb.DecideRequest, data)
    mark()
    refuse_foreign_tenant(message.tenant, "default")
    convert.ruleset_digest(message)
    convert.as_of(message)
    standing = holder.standing()
    assert isinstance(standing, Standing)
    as_of_us, active = standing.as_of_us, standing.active
    assert active is not None
    ruleset = active.ruleset
    mark()
    request = convert.to_request(message, at_us=as_of_us)
    mark()
    check(request)
    resolve(ruleset, request)
    mark()
    answer = decide(ruleset, request)
    mark()
    said = answers.to_message(
        answer,
        codes=request.codes,
        promotions=ruleset.by_name,
        product_titles=ruleset.product_titles,
        prices_include_tax=ruleset.settings.prices_include_tax,
        writings=ruleset.writings,
    )
    mark()
    decided = said.SerializeToString(deterministic=True)
    mark()
    digest = hashlib.sha256(decided).hexdigest()
    mark()
    envelope = pb.Envelope(
        as_of_us=as_of_us,
        sequence=active.sequence,
        decision_digest=digest,
        limits_from=answers.limits_from(answer.promotions),
        at_us=request.at_us,
        node="host/1",
        build="source",
    )
    b"".join((decided, envelope.SerializeToString(deterministic=True)))
    mark()
    await servicer.Decide(data)
    mark()
    return [after - before for before, after in pairwise(marks)]
