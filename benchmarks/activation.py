"""`python -m benchmarks activation`: what callers of several nodes see of activations; no faults.

    python -m benchmarks activation [--servers 8] [--activations 40] [--check] [--json FILE]
    python -m benchmarks activation --servers 2 --activations 10 --every-ms 10      shorter, closer looked at

Real servers at a real store of their own, with the lease and the guard that servers have if nobody says otherwise
(EINKLANG_LEASE_MS and EINKLANG_GUARD_MS say otherwise). First some publications while nobody asks. Then every node is
asked at a steady pace, whether or not it has answered what it was asked before, and each second two rulesets take turns
(`Rollback`). Told is when which node answered by which, what requests waited that met an activation, and, of the same
run, how long others took. Everything runs on this machine: processes that wait for a core are waited for.

Exit codes: 0 done; 1 a bound is missed, with `--check`; 2 no server, no store, or a publication that failed; 64 a wrong
command line; 130 Ctrl-C, 143 SIGTERM.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any, Final

import grpc
import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks import flips, swap, workload
from benchmarks.drive import METHOD, cut
from benchmarks.flips import Activation, Asked, Flip, Reading
from benchmarks.load import LoadFailed
from benchmarks.machine import machine
from benchmarks.serving import ServerEnded, orderly_end, serving, started
from einklang.v1 import common_pb2 as common
from einklang.v1 import decision_pb2 as pb
from einklang.v1 import ruleset_pb2, ruleset_pb2_grpc
from server.clock import SystemClock
from server.embedded import EmbeddedStore, EmbeddedStoreError, store_settings
from server.lease import Terms
from server.settings import Settings, load
from server.store import StoreError, opened

PROMOTIONS: Final = 1_000
ARTICLES: Final = 10_000
LINES: Final = 20
BASKETS: Final = 16
PUBLICATIONS: Final = 5
APART_S: Final = 1.0  # between activations
DEADLINE_S: Final = 10.0
READINGS: Final = 20  # of the store's clock, the closest counts
PUBLISH_S: Final = 120.0
RATIO_MOST: Final = 1.0  # of the limit
WIDTH: Final = 130  # of the table
_CLOCK: Final = SystemClock()


@dataclass
class Measured:
    """What came of a run."""

    terms: Terms
    publications_s: list[float]  # from the first byte to the answer
    calls: list[Asked] = field(default_factory=list)
    failures: dict[str, int] = field(default_factory=dict)  # why, how often
    activations: list[Activation] = field(default_factory=list)
    after_s: list[float] = field(default_factory=list)  # from the append to effective_from
    appended_s: list[float] = field(default_factory=list)  # from asking for a change to its answer
    flips: list[Flip] = field(default_factory=list)

    @property
    def guard_ms(self) -> int:
        """What nobody answers for."""
        return self.terms.guard_us // 1_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; the exit code."""
    options = _options(arguments)
    console = Console(highlight=False, emoji=False, markup=False, soft_wrap=True)
    console.width = max(console.width, WIDTH)
    complain = Console(stderr=True, highlight=False, emoji=False, markup=False, soft_wrap=True).print
    with orderly_end() as code, tempfile.TemporaryDirectory(prefix="einklang-activation-") as scratch:
        try:
            measured = _benchmark(console, options, Path(scratch))
        except (ServerEnded, EmbeddedStoreError, StoreError, LoadFailed, grpc.RpcError) as error:
            complain(f"activation: {error.details() if isinstance(error, grpc.Call) else error}")
            return 2
        except KeyboardInterrupt:
            console.print("\nStopped.")
            return code()
        console.print(table(measured), soft_wrap=False)
        console.print()
        for line in lines(measured):
            console.print(line)
        if options.json is not None:
            options.json.write_text(json.dumps(figures(measured, options), indent=2) + "\n", "utf-8")
        asked = bounds(measured)
        for met, told in asked:
            console.print(f"{'MET   ' if met else 'MISSED'}  {told}")
        return 1 if options.check and not all(met for met, _ in asked) else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks activation",
        description="What callers of several nodes see of activations.",
        epilog="examples:  activation   |   activation --servers 2 --activations 10 --every-ms 10   |   "
        "activation --check --json activation.json",
    )
    parser.add_argument("--servers", type=_whole(1, 64), default=8, metavar="N", help="8")
    parser.add_argument("--activations", type=_whole(2, 1_000), default=40, metavar="N", help="one a second: 40")
    parser.add_argument("--every-ms", type=_whole(1, 1_000), default=20, metavar="MS", help="each node is asked so: 20")
    parser.add_argument("--promotions", type=_whole(50, 100_000), default=PROMOTIONS, metavar="N", help="1000")
    parser.add_argument("--articles", type=_whole(100, 1_000_000), default=ARTICLES, metavar="N", help="10000")
    parser.add_argument("--check", action="store_true", help="exit code 1 where a bound is missed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures, for programs")
    try:
        return parser.parse_args(arguments)
    except SystemExit as ended:
        raise SystemExit(64 if ended.code else 0) from None


def _whole(least: int, most: int) -> Callable[[str], int]:
    """Reads a whole number."""

    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"a whole number from {least} to {most}, not {text!r}")
        return int(text)

    return read


# ---------------------------------------------------------------------------------------------------- the run


def _benchmark(console: Console, options: argparse.Namespace, scratch: Path) -> Measured:
    console.print(f"{options.servers} servers at one store, {options.promotions:,} promotions; {machine()}")
    files = workload.project(options.promotions, options.articles)
    project = scratch / "project"
    for name, data in files.items():
        file = project / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    own = load({"data_dir": scratch / "store", "runtime_dir": scratch / "run"})
    with ExitStack() as stack:
        store = EmbeddedStore(own)
        store.start()
        stack.callback(store.stop)
        settings = store_settings(own)
        addresses = _served(stack, console, settings, project, scratch, options.servers)
        channel = stack.enter_context(grpc.insecure_channel(addresses[0]))
        rulesets = ruleset_pb2_grpc.RulesetServiceStub(channel)
        console.print(f"  {PUBLICATIONS} publications while nobody asks ...", style="dim")
        publications_s, sequences = _published(rulesets, files)
        console.print(
            f"  {options.activations} activations, each node asked every {options.every_ms} ms ...", style="dim"
        )
        run = _Run(options, settings, addresses, sequences[-2:], publications_s)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(run.run())


def _served(
    stack: ExitStack, console: Console, settings: Settings, project: Path, scratch: Path, servers: int
) -> list[str]:
    """The servers, started; their addresses."""
    console.print("  starting them ...", style="dim")
    assert settings.store is not None and settings.signing_key is not None
    store = ["--store", settings.store, "--trusted-keys", str(settings.signing_key.parent)]
    store += ["--signing-key", str(settings.signing_key)]
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)

    try:
        first = stack.enter_context(serving(project, scratch / "n0", "127.0.0.1:0", tell, store))
        addresses = [first.ready().address]
        others = []
        for number in range(1, servers):
            command = ["server.cli", "serve", "--listen", "127.0.0.1:0", "--data-dir", str(scratch / f"n{number}")]
            others.append(stack.enter_context(started([*command, *store], tell)))
        for process in others:
            assert process.stdout is not None
            words = process.stdout.readline().split()
            if words[:1] != ["ready"]:
                raise ServerEnded(process.wait())
            addresses.append(words[1])
    except ServerEnded:
        for line in told[-20:]:
            console.print(f"  {line}", style="dim")
        raise
    return addresses


def _published(rulesets: Any, files: dict[str, bytes]) -> tuple[list[float], list[int]]:
    """Some publications, one after the other has taken force: how long each took, and their entries. The first one
    compiles all that the process does not know, and is not counted."""
    took, sequences = [], []
    for version in islice(swap.changes(files, set()), PUBLICATIONS + 1):
        began_ns = _CLOCK.monotonic_ns()
        published = rulesets.Publish(swap.upload(version), timeout=PUBLISH_S)
        took.append((_CLOCK.monotonic_ns() - began_ns) / 1e9)
        sequences.append(published.sequence)
    timeline = ruleset_pb2.GetTimelineRequest(page_size=1)
    while rulesets.GetTimeline(timeline, timeout=DEADLINE_S).in_force.sequence != sequences[-1]:
        threading.Event().wait(0.1)
    return took[1:], sequences


class _Run:
    """Callers and changes, in one event loop."""

    def __init__(
        self,
        options: argparse.Namespace,
        settings: Settings,
        addresses: Sequence[str],
        sequences: Sequence[int],
        publications_s: list[float],
    ) -> None:
        self._options = options
        self._settings = settings
        self._addresses = addresses
        self._sequences = sequences
        self._publications_s = publications_s
        self._ended = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        requests = workload.baskets(LINES, BASKETS, options.articles, known=False)
        self._requests = cycle([request.SerializeToString() for request in requests])

    async def run(self) -> Measured:
        """All of it."""
        async with opened(self._settings, patient_s=DEADLINE_S) as store:
            self._measured = measured = Measured(store.terms, self._publications_s)
            readings = [await self._reading(store) for _ in range(READINGS)]
            async with asyncio.TaskGroup() as group:
                for node, address in enumerate(self._addresses):
                    group.create_task(self._ask(node, address, node / len(self._addresses)))
                entries = await self._change()
                last_us = max(entry.effective_from_us for entry in entries)
                while await store.time_us() < last_us + 1_000_000:
                    await asyncio.sleep(0.1)
                self._ended.set()
            if self._tasks:
                await asyncio.wait(self._tasks)
            readings += [await self._reading(store) for _ in range(READINGS)]
        for entry in entries:
            at_ns = flips.at_ns(entry.effective_from_us, readings)
            measured.activations.append(Activation(entry.sequence, at_ns))
            measured.after_s.append((entry.effective_from_us - entry.appended_at_us) / 1e6)
        measured.flips = flips.flips(measured.calls, measured.activations, len(self._addresses))
        return measured

    @staticmethod
    async def _reading(store: Any) -> Reading:
        sent_ns = _CLOCK.monotonic_ns()
        t_us = await store.time_us()
        return Reading(t_us, sent_ns, _CLOCK.monotonic_ns())

    async def _change(self) -> list[ruleset_pb2.TimelineEntry]:
        """The two rulesets take turns; the entries."""
        loop = asyncio.get_running_loop()
        entries = []
        async with grpc.aio.insecure_channel(self._addresses[0]) as channel:
            rulesets = ruleset_pb2_grpc.RulesetServiceStub(channel)
            next_s = loop.time()
            for number, sequence in enumerate(islice(cycle(self._sequences), self._options.activations + 1)):
                asked = ruleset_pb2.RollbackRequest(
                    to_sequence=sequence, author="benchmark", reason="they take turns", change_id=f"turn-{number}"
                )
                began_s = loop.time()
                answer = await rulesets.Rollback(asked, timeout=PUBLISH_S)
                self._measured.appended_s.append(loop.time() - began_s)
                entries.append(answer.entry)
                next_s += APART_S
                await asyncio.sleep(max(0.0, next_s - loop.time()))
        return entries

    async def _ask(self, node: int, address: str, share: float) -> None:
        """A new request at each tick, whatever has become of those before."""
        loop = asyncio.get_running_loop()
        every_s = self._options.every_ms / 1_000
        async with grpc.aio.insecure_channel(address) as channel:
            decide = channel.unary_unary(METHOD)
            next_s = loop.time() + share * every_s
            while not self._ended.is_set():
                await asyncio.sleep(max(0.0, next_s - loop.time()))
                next_s += every_s
                task = loop.create_task(self._one(node, decide, next(self._requests)))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            while self._tasks:
                await asyncio.wait(self._tasks)

    async def _one(self, node: int, decide: Any, request: bytes) -> None:
        sent_ns = _CLOCK.monotonic_ns()
        sequence = 0
        try:
            response = await decide(request, timeout=DEADLINE_S)
            received_ns = _CLOCK.monotonic_ns()
            envelope = pb.DecideResponse.FromString(cut(response)[1]).envelope
            if envelope.certainty == common.CERTAINTY_CERTAIN:
                sequence = envelope.sequence
            why = "" if sequence else "not certain"
        except grpc.aio.AioRpcError as error:
            received_ns, why = _CLOCK.monotonic_ns(), error.code().name
        self._measured.calls.append(Asked(node, sent_ns, received_ns, sequence))
        if why:
            self._measured.failures[why] = self._measured.failures.get(why, 0) + 1


# ---------------------------------------------------------------------------------------------------- told


def rows(measured: Measured) -> Iterator[tuple[str, Sequence[float]]]:
    """What is told of, and its milliseconds."""
    some, others = flips.met(measured.calls, measured.activations, measured.guard_ms)
    yield "from effective_from to the first answer by the new entry", [flip.first for flip in measured.flips]
    yield "from the first node's to the last node's first", [flip.nodes for flip in measured.flips]
    yield "from the last answer by the old entry to the first by the new", [flip.turn for flip in measured.flips]
    yield "requests that met an activation", [call.ms for call in some]
    yield "requests that did not", [call.ms for call in others]


def table(measured: Measured) -> Table:
    """The same for people."""
    limit = flips.limit_ms(measured.guard_ms)
    title = f"\n{len(measured.flips)} activations, a guard of {measured.guard_ms} ms, a limit of {limit:g} ms"
    made = Table(title=title, title_justify="left", box=None)
    made.add_column("milliseconds", no_wrap=True)
    for heading in ("number", "least", "p50", "p99", "most", "most, of the limit"):
        made.add_column(heading, justify="right", no_wrap=True)
    for name, values in rows(measured):
        told = [flips.percentile(values, percent) for percent in (0, 50, 99, 100)]
        made.add_row(name, f"{len(values):,}", *(f"{value:.1f}" for value in told), f"{told[-1] / limit:.2f}")
    return made


def lines(measured: Measured) -> Iterator[str]:
    """What stands beside the table."""
    some, others = flips.met(measured.calls, measured.activations, measured.guard_ms)
    for percent in (50, 99):
        ratio = flips.percentile([call.ms for call in some], percent)
        ratio /= flips.percentile([call.ms for call in others], percent)
        yield f"p{percent} of requests that met an activation: {ratio:.1f} times that of those that did not"
    failed = sum(measured.failures.values())
    reasons = "".join(f", {count} {why}" for why, count in sorted(measured.failures.items()))
    yield f"Failed: {failed} of {len(measured.calls):,} calls{reasons}"
    after, appended, published = measured.after_s, measured.appended_s, measured.publications_s
    yield (
        f"Force: {median(after):.3f} s after it was appended, {max(after):.3f} at most; "
        f"the lead is {measured.terms.lead_us / 1e6:.3f} s"
    )
    yield f"A change of the Timeline, beside the calls: {median(appended):.3f} s, {max(appended):.3f} at most"
    yield (
        f"A publication of one changed file, nothing else going on: {median(published):.2f} s until every node had "
        f"tried it and it was scheduled, {max(published):.2f} at most"
    )


def bounds(measured: Measured) -> list[tuple[bool, str]]:
    """What is asked, whether it holds, and what it is."""
    limit = flips.limit_ms(measured.guard_ms)
    failed = sum(measured.failures.values())
    found = [(failed == 0, f"{failed} of {len(measured.calls):,} calls failed, none may")]
    found.append((len(measured.flips) > 0, f"{len(measured.flips)} activations were seen by every node"))
    some, _ = flips.met(measured.calls, measured.activations, measured.guard_ms)
    for name, values in (
        ("from the first node to the last", [flip.nodes for flip in measured.flips]),
        ("a request that met an activation, p99", [call.ms for call in some]),
    ):
        at_most = flips.percentile(values, 99)
        found.append(
            (at_most <= RATIO_MOST * limit, f"{name}: {at_most / limit:.2f} of {limit:g} ms, at most {RATIO_MOST:g}")
        )
    return found


def figures(measured: Measured, options: argparse.Namespace) -> dict[str, object]:
    """For programs."""
    return {
        "machine": machine(),
        "servers": options.servers,
        "every_ms": options.every_ms,
        "lease_ms": measured.terms.lease_us // 1_000,
        "guard_ms": measured.guard_ms,
        "limit_ms": flips.limit_ms(measured.guard_ms),
        "calls": len(measured.calls),
        "failures": measured.failures,
        "milliseconds": {
            name: {
                "number": len(values),
                **{f"p{percent}": round(flips.percentile(values, percent), 3) for percent in (0, 50, 99, 100)},
            }
            for name, values in rows(measured)
            if values
        },
        "force_after_s": [round(seconds, 6) for seconds in measured.after_s],
        "change_s": [round(seconds, 6) for seconds in measured.appended_s],
        "publication_s": [round(seconds, 6) for seconds in measured.publications_s],
        "bounds": [{"met": met, "told": told} for met, told in bounds(measured)],
    }


if __name__ == "__main__":
    sys.exit(main())
