"""Where the time of one call goes inside the server: the steps of `DecisionService.Decide`, one by one.

The ruleset is the one that a running server has in force; its steps are run here, in this process, on its store.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Final

from rich.table import Table

if TYPE_CHECKING:
    from server.activate import RulesetHolder
    from server.services import DecisionServicer

PASSES: Final = 100  # over one basket; the quickest of each stage counts: what else the machine does only adds
SECONDS: Final = 5.0
GATE, TIMEOUT, PARSE, FORCE, CONVERT, RESOLVE, KERNELS, MESSAGE, SERIALISE, DIGEST, ENVELOPE = STAGES = (
    "the gate",
    "asyncio.timeout",
    "parse, unknown fields",
    "which ruleset is in force",
    "convert: message to Request",
    "engine: check, resolve",
    "engine: kernels, Decision",
    "answers: Decision to message",
    "serialise the Decision",
    "its digest",
    "envelope, joined",
)
WHOLE: Final = "Decide as the server runs it"

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
    for stage in STAGES:
        made.add_row(stage, *(f"{micros[stage]:,.1f}" for micros in found.values()))
    made.add_section()
    made.add_row("all of these", *(f"{sum(micros[stage] for stage in STAGES):,.1f}" for micros in found.values()))
    made.add_row(WHOLE, *(f"{micros[WHOLE]:,.1f}" for micros in found.values()))
    return made


async def _measure(data_dir: Path, requests: Mapping[int, Sequence[bytes]]) -> dict[int, Micros]:
    from engine.decide import warm
    from engine.image import load
    from engine.parts import ImageRejected, parts_of
    from server.activate import Machine, RulesetHolder
    from server.clock import SystemClock
    from server.embedded import store_settings
    from server.parts import PartFiles
    from server.services import DecisionServicer
    from server.settings import load as load_settings
    from server.store import opened
    from server.telemetry import Counters

    settings = store_settings(load_settings({"data_dir": data_dir}))
    counters = Counters()
    async with opened(settings) as store:
        machine = Machine(parts_of, load, warm, ImageRejected)
        holder = RulesetHolder(store, PartFiles(data_dir / "parts", counters), machine, SystemClock(), counters)
        while holder.current is None:
            await holder.step()
        servicer = DecisionServicer(holder, node="host/1", build="source", counters=counters)
        gc.collect()
        gc.freeze()
        return {lines: await _stages(servicer, holder, some) for lines, some in requests.items()}


async def _stages(servicer: DecisionServicer, holder: RulesetHolder, requests: Sequence[bytes]) -> Micros:
    """The mean over these baskets."""
    rows = []
    for data in requests:
        passes = [await _one(servicer, holder, data) for _ in range(PASSES)]
        quickest = [min(column) for column in zip(*passes, strict=True)]
        quickest[STAGES.index(KERNELS)] -= quickest[STAGES.index(RESOLVE)]  # deciding checks and resolves too
        rows.append(quickest)
    return {name: fmean(row[place] for row in rows) / 1e3 for place, name in enumerate((*STAGES, WHOLE))}


async def _one(servicer: DecisionServicer, holder: RulesetHolder, data: bytes) -> list[int]:
    """One pass: nanoseconds of each stage, then of all of it as the server runs it."""
    from einklang.v1 import decision_pb2 as pb
    from engine.decide import decide
    from engine.resolve import check, resolve
    from server import answers, convert
    from server.contract import parse, refuse_foreign_tenant
    from server.services import Gate

    gate = Gate()
    marks = [time.perf_counter_ns()]

    def mark() -> None:
        marks.append(time.perf_counter_ns())

    gate.enter()
    mark()
    async with asyncio.timeout(SECONDS):
        pass
    mark()
    message = parse(pb.DecideRequest, data)
    mark()
    refuse_foreign_tenant(message.tenant, "default")
    convert.ruleset_digest(message)
    as_of_us = convert.as_of(message) or holder.store_now_us()
    active = holder.at(as_of_us)
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
