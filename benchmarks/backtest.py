"""`python -m benchmarks backtest`: real till receipts, decided in threads for the sums alone.

    python -m benchmarks backtest [--receipts 50000] [--threads 1,2] [--rounds 3] [--check] [--json FILE]

The receipts and promotions are those of `python -m benchmarks demo` (examples/journey); engine/backtest.py decides
them. Of each number of threads the quickest round counts. What a receipt in a hundred gets is held against the Decision
that the engine gives at length.

Exit codes: 0 done; 1 a sum is wrong, or with `--check` a bound is missed; 64 a wrong command line; 130 Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks.compile import whole
from benchmarks.machine import machine

if TYPE_CHECKING:
    from engine.image import Ruleset

RECEIPTS: Final = 50_000
A_SECOND_MIN: Final = 40_000  # receipts a second and core
ONE_IN: Final = 100  # is decided at length as well


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; the exit code."""
    options = _options(arguments)
    console = Console(highlight=False, emoji=False, markup=False, soft_wrap=True)
    if "engine.decide" not in sys.modules:
        from server import kernels
        from server.settings import load

        kernels.prepare(load().cache_dir).ensure(kernels.compile_here, lambda line: print(line, file=sys.stderr))
    try:
        return _benchmark(console, options)
    except KeyboardInterrupt:
        console.print("\nStopped.")
        return 130


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks backtest", description="Receipts, for the sums alone.")
    parser.add_argument("--receipts", type=whole(1, 1_000_000), default=RECEIPTS, metavar="N", help="50000")
    parser.add_argument("--threads", type=_numbers, default=(1, 2), metavar="N,N", help="1,2")
    parser.add_argument("--rounds", type=whole(1, 1_000), default=3, metavar="N", help="3")
    parser.add_argument("--check", action="store_true", help="exit code 1 where a bound is missed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures, for programs")
    try:
        return parser.parse_args(arguments)
    except SystemExit as ended:
        raise SystemExit(64 if ended.code else 0) from None


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(whole(1, 256)(part) for part in text.split(","))


def _benchmark(console: Console, options: argparse.Namespace) -> int:
    from benchmarks.drive import in_channel, request_of
    from benchmarks.journey import read_receipts
    from engine.backtest import BASKETS, BOUNDED, DECIDED, LIST, SAVED, SAVING, backtest

    console.print(machine())
    ruleset = journey()
    receipts = read_receipts(options.receipts)[: options.receipts]
    requests = [in_channel(request_of(receipt).SerializeToString(), "pos") for receipt in receipts]
    lines = sum(len(receipt.lines) for receipt in receipts)
    console.print(
        f"{len(requests):,} real receipts of 2017 with {lines:,} lines, {len(ruleset.promotions):,} promotions"
    )
    table = Table(box=None, title="\nReceipts a second", title_justify="left")
    for heading in ("threads", "receipts a second", "a thread", "µs of a thread each"):
        table.add_column(heading, justify="right", no_wrap=True)
    figures: list[dict[str, Any]] = []
    for threads in options.threads:
        seconds = []
        for _ in range(options.rounds):
            begin = time.perf_counter()
            outcome = backtest(ruleset, requests, 0, threads=threads)
            seconds.append(time.perf_counter() - begin)
        rate = len(requests) / min(seconds)
        table.add_row(
            f"{threads}",
            f"{rate:,.0f}",
            f"{rate / threads:,.0f}",
            f"{1e6 * min(seconds) * threads / len(requests):.1f}",
        )
        figures.append({"threads": threads, "a_second": rate, "a_second_and_thread": rate / threads})
    totals = outcome.totals[0]
    console.print(table)
    console.print(
        f"\nDecided {totals[DECIDED]:,}, {len(outcome.unusual):,} are out of the ordinary, {totals[BOUNDED]:,} BOUNDED."
        f" USD {totals[LIST] / 100:,.2f} of goods, USD {totals[SAVED] / 100:,.2f} saved."
    )
    top = sorted(range(len(outcome.promotions)), key=lambda p: -int(outcome.promotions[p, SAVING]))[:5]
    for promotion in top:
        baskets, saving = outcome.promotions[promotion, BASKETS], outcome.promotions[promotion, SAVING]
        console.print(f"  {ruleset.promotion_names[promotion]:<28} {baskets:>8,} receipts  USD {saving / 100:>12,.2f}")
    wrong = _checked(console, ruleset, requests)
    best = max(figure["a_second_and_thread"] for figure in figures)
    met = best >= A_SECOND_MIN
    console.print(f"{'MET   ' if met else 'MISSED'}  {best:,.0f} receipts a second and core, at least {A_SECOND_MIN:,}")
    if options.json:
        options.json.write_text(json.dumps({"receipts": len(requests), "lines": lines, "rates": figures}), "utf-8")
    return 1 if wrong or (options.check and not met) else 0


def journey() -> Ruleset:
    """The ruleset of examples/journey, with the catalogue of its tills."""
    from benchmarks.demo import CATALOGUE, store_catalogue
    from benchmarks.journey import EXAMPLE
    from dsl.compiler import compile_project
    from engine.image import load
    from engine.link import link

    if not CATALOGUE.exists():
        store_catalogue()
    files = {
        path.relative_to(EXAMPLE).as_posix(): path.read_bytes() for path in sorted(EXAMPLE.rglob("*")) if path.is_file()
    }
    image = link(compile_project(files).programs)
    return load(image.manifest, image.parts)


def _checked(console: Console, ruleset: Ruleset, requests: Sequence[bytes]) -> int:
    """Decide some at length and compare; how many sums are wrong."""
    from einklang.v1 import decision_pb2 as pb
    from engine.backtest import LIST, SAVED, backtest
    from engine.decide import decide
    from server.convert import to_request

    some = requests[::ONE_IN]
    outcome = backtest(ruleset, some, 0)
    list_minor = saved = 0
    for place, data in enumerate(some):
        if place not in outcome.unusual:
            totals = decide(ruleset, to_request(pb.DecideRequest.FromString(data), at_us=0)).totals
            list_minor, saved = list_minor + totals.list, saved + totals.saving
    wrong = (int(outcome.totals[0][LIST]), int(outcome.totals[0][SAVED])) != (list_minor, saved)
    told = "other sums" if wrong else "the same sums"
    console.print(f"One receipt in {ONE_IN}, {len(some):,} of them, decided at length: {told}.\n")
    return int(wrong)
