"""`python -m benchmarks kernel`: a decision in process, from the request's bytes to the answer's; how it grows.

    python -m benchmarks kernel [--lines 5,20,100,160] [--baskets 200] [--tries 30] [--check] [--json FILE]
    python -m benchmarks kernel --peers zen,json-logic,json-rules,oscar
    python -m benchmarks kernel --searched 0 --growth none --peers none        the first part alone

The ruleset is that of `python -m benchmarks service`, 10,000 promotions over 100,000 articles, all in force. Every
basket is another one; they are answered in turn, many times, and of each the quickest counts. Then the heaviest
component that the optimiser meets, of the grocer's baskets (`python -m benchmarks best`), and the same baskets under
1,000 to 100,000 promotions of which equally many touch them (benchmarks/assortments.py). Last other rule engines, as
far as they are installed (benchmarks/peers/): they are asked which promotions are about a basket, and nothing else.

Exit codes: 0 done; 1 a bound of the issue is missed, with `--check`; 64 a wrong command line; 130 Ctrl-C.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks import workload
from benchmarks.compile import ARTICLES, PROMOTIONS, directory, whole
from benchmarks.machine import machine
from benchmarks.peers.beside import PEERS, Beside, compare
from benchmarks.serving import HOME
from benchmarks.steps import COMBINE, STEPS, Sized, Spread, Steps, measured, undisturbed
from einklang.v1 import decision_pb2 as pb
from server.publish_process import compiler_key, digest_of_files

if TYPE_CHECKING:
    from engine.image import Ruleset

LINES: Final = (5, 20, 100, 160)
BASKETS: Final = 200
TRIES: Final = 30
TILL_LINES: Final = 20
GROWTH: Final = (1_000, 10_000, 100_000)
SEARCHED: Final = 2_000  # baskets of the grocer, for the heaviest component
HEAVY: Final = 5  # of them are asked again
TILL_US_MAX: Final = 15
GROWTH_MAX: Final = 1.5  # times, from the fewest promotions to the most
LARGE_LINES, LARGE_US_MAX = 160, 1_000
HEAVIEST_US_MAX: Final = 5_000
PEER_BASKETS: Final = 20
PEERS_TIMES_LEAST: Final = 100  # what the best of them takes, of what we take
SMALL: Final = {  # for tests
    "promotions": 100,
    "articles": 600,
    "lines": (5, 20),
    "baskets": 4,
    "tries": 2,
    "growth": (50, 150),
    "searched": 20,
}
WIDTH: Final = 130  # of the tables
_NAMES: Final = f"none, or of {', '.join(PEERS)}"
MARK: Final = "benchmark.txt"  # in a directory that may be emptied


class Heaviest(NamedTuple):
    """The grocer's basket that took longest to combine."""

    promotions: int
    searched: int
    lines: int
    touch: int
    combine_us: float
    whole_us: float


class Bound(NamedTuple):
    """What is asked, and what it is."""

    met: bool
    told: str


class NotOurs(Exception):
    """A directory that holds something else."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; the exit code."""
    options = _options(arguments)
    console = Console(highlight=False, emoji=False, markup=False, soft_wrap=True)
    console.width = max(console.width, WIDTH)
    if "engine.decide" not in sys.modules:
        from server import kernels
        from server.settings import load

        kernels.prepare(load().cache_dir).ensure(kernels.compile_here, lambda line: print(line, file=sys.stderr))
    try:
        return _benchmark(console, options)
    except NotOurs as error:
        Console(stderr=True, markup=False, soft_wrap=True).print(f"kernel: {error}")
        return 64
    except KeyboardInterrupt:
        console.print("\nStopped.")
        return 130


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks kernel", description="A decision in process.")
    parser.add_argument("--promotions", type=whole(1, 1_000_000), default=PROMOTIONS, metavar="N", help="10000")
    parser.add_argument("--articles", type=whole(2, 2_000_000), default=ARTICLES, metavar="N", help="100000")
    parser.add_argument("--lines", type=_numbers(1, 1_000), default=LINES, metavar="N,N", help="5,20,100,160")
    parser.add_argument("--baskets", type=whole(1, 100_000), default=BASKETS, metavar="N", help="200 of each size")
    parser.add_argument("--tries", type=whole(1, 100_000), default=TRIES, metavar="N", help="30")
    parser.add_argument("--growth", type=_growth_of, default=GROWTH, metavar="N,N", help="promotions, or none")
    parser.add_argument("--searched", type=whole(0, 1_000_000), default=SEARCHED, metavar="N", help="2000; 0: not done")
    parser.add_argument("--peers", type=_peers, default=tuple(PEERS), metavar="NAME,NAME", help=_NAMES)
    parser.add_argument("--small", action="store_true", help="all of it very small: to see that it runs")
    parser.add_argument("--check", action="store_true", help="exit code 1 where a bound is missed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures, for programs")
    parser.add_argument("--data-dir", type=directory, default=HOME / "kernel", metavar="DIR", help=".einklang/kernel")
    try:
        options = parser.parse_args(arguments)
        if options.small:
            vars(options).update(SMALL)
        if max(TILL_LINES, *options.lines) > options.articles // 2:
            parser.error("a basket has at most half of the articles")
        return options
    except SystemExit as ended:
        raise SystemExit(64 if ended.code else 0) from None


def _numbers(least: int, most: int) -> Any:
    """Reads whole numbers with commas between them."""
    one = whole(least, most)
    return lambda text: tuple(one(part) for part in text.split(","))


def _growth_of(text: str) -> tuple[int, ...]:
    """Reads numbers of promotions, or «none»."""
    found: tuple[int, ...] = () if text == "none" else _numbers(1, 1_000_000)(text)
    return found


def _peers(text: str) -> tuple[str, ...]:
    """Reads names of peers, or «none»."""
    names = () if text == "none" else tuple(text.split(","))
    if not set(names) <= PEERS.keys():
        raise argparse.ArgumentTypeError(_NAMES)
    return names


def _benchmark(console: Console, options: argparse.Namespace) -> int:
    console.print(f"{options.promotions:,} promotions over {options.articles:,} articles, all in force; {machine()}")
    at_us = int(workload.AT.timestamp() * 1e6)
    ruleset = _ruleset(console, options)
    steps = Steps(ruleset, at_us)
    sizes = measured([(steps, lines, _bytes(_baskets(lines, options))) for lines in options.lines], options.tries)
    console.print(_sizes_table(sizes), soft_wrap=False)
    console.print(_steps_table(sizes), soft_wrap=False)
    heaviest = _heaviest(options) if options.searched else None
    if heaviest is not None:
        console.print(
            f"\nThe heaviest of {heaviest.searched:,} of the grocer's baskets under {heaviest.promotions:,} "
            f"overlapping promotions: {heaviest.lines} lines, {heaviest.touch} promotions touch it; "
            f"{heaviest.combine_us:,.0f} µs to combine, {heaviest.whole_us:,.0f} µs in all"
        )
    growth = _growth(options, at_us) if options.growth else []
    if growth:
        console.print(_growth_table(growth), soft_wrap=False)
    beside = None
    if options.peers:
        beside = compare(options.peers, ruleset, _baskets(TILL_LINES, options)[:PEER_BASKETS], options.tries)
        console.print(_peers_table(options, beside), soft_wrap=False)
        for name, why in beside.missing.items():
            console.print(f" {name} is not run: {why}")
    bounds = [*_bounds(options, sizes, heaviest, growth, beside)]
    console.print()
    for bound in bounds:
        console.print(f"{'ok    ' if bound.met else 'MISSED'}  {bound.told}")
    if options.json is not None:
        figures = _figures(options, sizes, heaviest, growth, beside, bounds)
        options.json.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    return 1 if options.check and not all(bound.met for bound in bounds) else 0


# ---------- what is asked


def _ruleset(console: Console, options: argparse.Namespace) -> Ruleset:
    """The workload's ruleset; its image is kept for the next run by this compiler."""
    from dsl.compiler import compile_project
    from engine.image import load
    from engine.link import link

    files = workload.project(options.promotions, options.articles)
    made_by = hashlib.sha256(f"{digest_of_files(files)} {compiler_key()}".encode()).hexdigest()[:16]
    kept = _room(options.data_dir, made_by)
    if not (kept / "manifest").exists():
        seconds = 2 + options.promotions // 250
        console.print(f"  The ruleset is compiled: some {seconds} s; kept for the next run", style="dim")
        gc.disable()  # like the publishing process
        image = link(compile_project(files).programs)
        gc.enable()
        kept.mkdir(exist_ok=True)
        for digest, data in image.parts.items():
            (kept / digest).write_bytes(data)
        (kept / "manifest").write_bytes(image.manifest)
    parts = {file.name: file.read_bytes() for file in kept.iterdir() if file.name != "manifest"}
    return load((kept / "manifest").read_bytes(), parts)


def _room(home: Path, name: str) -> Path:
    """A directory of this name; those of earlier runs are removed."""
    if home.exists() and any(home.iterdir()) and not (home / MARK).exists():
        raise NotOurs(f"{home} holds something else; name a new directory")
    home.mkdir(parents=True, exist_ok=True)
    (home / MARK).write_text("Written by python -m benchmarks kernel, which removes what is here.\n", "utf-8")
    for other in home.iterdir():
        if other.is_dir() and other.name != name:
            shutil.rmtree(other)
    return home / name


def _baskets(lines: int, options: argparse.Namespace) -> list[pb.DecideRequest]:
    return workload.baskets(lines, options.baskets, options.articles, known=False)


def _bytes(baskets: Iterable[pb.DecideRequest]) -> list[bytes]:
    return [basket.SerializeToString() for basket in baskets]


# ---------- measuring


def _heaviest(options: argparse.Namespace) -> Heaviest:
    """The basket of the grocer's that takes longest to combine."""
    from benchmarks.grocer import Grocer
    from engine.image import load
    from engine.link import link
    from server.requests import message_of

    shop = Grocer(options.promotions)
    image = link(shop.programs("best-per-item"))
    steps = Steps(load(image.manifest, image.parts), 0)
    asked = list(shop.baskets(options.searched))
    requests = [message_of(request).SerializeToString() for request in asked]

    def combine(number: int) -> int:
        return steps.apart(requests[number]).steps[COMBINE]

    combine(0)  # the first of all is slower
    with undisturbed():
        once = [combine(number) for number in range(len(requests))]
        heavy = sorted(range(len(requests)), key=lambda number: -once[number])[:HEAVY]
    again = measured([(steps, len(asked[number].lines), [requests[number]]) for number in heavy], options.tries)
    worst = max(again, key=lambda one: one.by_step[COMBINE])
    return Heaviest(
        options.promotions, len(requests), worst.lines, worst.touch[0], worst.by_step[COMBINE], worst.spread.median
    )


def _growth(options: argparse.Namespace, at_us: int) -> list[tuple[int, Sized]]:
    """Baskets of one size under ever more promotions."""
    from benchmarks.assortments import PROMOTIONS as OF_ONE
    from benchmarks.assortments import Assortments
    from engine.image import load
    from engine.link import link

    shop = Assortments(max(options.growth), min(OF_ONE, *options.growth))
    asked = []
    for promotions in options.growth:
        image = link(shop.programs(promotions))
        baskets = shop.baskets(TILL_LINES, options.baskets, promotions)
        steps = Steps(load(image.manifest, image.parts), at_us)
        asked.append((steps, TILL_LINES, _bytes(baskets)))
    sizes = [len(steps.ruleset.promotions) for steps, _, _ in asked]
    return list(zip(sizes, measured(asked, options.tries), strict=True))


# ---------- what is told


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", box=None)
    for heading in headings:
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    return table


def _sizes_table(sizes: Iterable[Sized]) -> Table:
    table = _table("\nDecisions", "lines", "promotions touch", "apply", "median µs", "p99 of baskets", "p99 of all")
    for one in sizes:
        touch, apply = median(one.touch), median(one.apply)
        all_ = Spread.of(one.every).p99
        figures = (f"{one.spread.median:,.1f}", f"{one.spread.p99:,.1f}", f"{all_:,.1f}")
        table.add_row(f"{one.lines}", f"{touch:.0f}", f"{apply:.0f}", *figures)
    return table


def _steps_table(sizes: Sequence[Sized]) -> Table:
    table = _table("\nWhere the time goes, median µs", "", *(f"{one.lines} lines" for one in sizes))
    for number, name in enumerate(STEPS):
        table.add_row(name, *(f"{one.by_step[number]:,.1f}" for one in sizes))
    return table


def _growth_table(growth: Sequence[tuple[int, Sized]]) -> Table:
    table = _table(f"\n{TILL_LINES} lines, ever more promotions", "promotions", "touch", "median µs", "times", *STEPS)
    least = growth[0][1].spread.median
    for promotions, one in growth:
        steps = (f"{step:,.1f}" for step in one.by_step)
        took = one.spread.median
        table.add_row(f"{promotions:,}", f"{median(one.touch):.0f}", f"{took:,.1f}", f"{took / least:.2f}", *steps)
    return table


def _peers_table(options: argparse.Namespace, beside: Beside) -> Table:
    title = (
        f"\nBeside others: {TILL_LINES} lines, {options.promotions:,} promotions; ours decides, the others only match"
    )
    table = _table(title, "", "median µs", "times ours", "find the same promotions")
    for one in (beside.ours, beside.matching, *beside.peers):
        times = "" if one is beside.matching else f"{one.median_us / beside.ours.median_us:,.1f}"
        alike = f"{one.alike} of {one.asked} times" if one in beside.peers else ""
        table.add_row(one.title, f"{one.median_us:,.1f}", times, alike)
    return table


def _bounds(
    options: argparse.Namespace,
    sizes: Sequence[Sized],
    heaviest: Heaviest | None,
    growth: Sequence[tuple[int, Sized]],
    beside: Beside | None,
) -> Iterator[Bound]:
    """Which hold; they are those of the full size."""
    if options.promotions < PROMOTIONS or options.articles < ARTICLES:
        return
    for one in sizes:
        took = one.spread.median
        if one.lines == TILL_LINES:
            yield Bound(took < TILL_US_MAX, f"{TILL_LINES} lines in under {TILL_US_MAX} µs: {took:.1f} µs")
        if one.lines == LARGE_LINES:
            told = f"{LARGE_LINES} lines, {median(one.touch):.0f} promotions touch, in under 1 ms: {took:,.0f} µs"
            yield Bound(took < LARGE_US_MAX, told)
    if growth:
        (fewest, first), (most, last) = growth[0], growth[-1]
        times = last.spread.median / first.spread.median
        told = f"from {fewest:,} to {most:,} promotions at most {GROWTH_MAX} times the time: {times:.2f} times"
        yield Bound(times <= GROWTH_MAX, told)
    if heaviest is not None:
        took = heaviest.combine_us
        yield Bound(took < HEAVIEST_US_MAX, f"the heaviest component in under 5 ms: {took / 1e3:.1f} ms")
    if beside is not None and beside.peers:
        times = min(one.median_us for one in beside.peers) / beside.ours.median_us
        told = f"the best peer takes at least {PEERS_TIMES_LEAST} times as long: {times:.1f} times"
        yield Bound(times >= PEERS_TIMES_LEAST, told)


def _figures(
    options: argparse.Namespace,
    sizes: Sequence[Sized],
    heaviest: Heaviest | None,
    growth: Sequence[tuple[int, Sized]],
    beside: Beside | None,
    bounds: Sequence[Bound],
) -> dict[str, object]:
    """The same for programs."""
    return {
        "machine": machine(),
        "promotions": options.promotions,
        "articles": options.articles,
        "baskets": options.baskets,
        "tries": options.tries,
        "sizes": [_sized_figures(one) for one in sizes],
        "heaviest": heaviest._asdict() if heaviest else None,
        "growth": [{"promotions": promotions, **_sized_figures(one)} for promotions, one in growth],
        "beside": [one._asdict() for one in (beside.ours, beside.matching, *beside.peers)] if beside else [],
        "bounds": [bound._asdict() for bound in bounds],
    }


def _sized_figures(one: Sized) -> dict[str, object]:
    return {
        "lines": one.lines,
        "promotions_touch": median(one.touch),
        "promotions_apply": median(one.apply),
        "median_us": one.spread.median,
        "p99_of_baskets_us": one.spread.p99,
        "p99_of_all_us": Spread.of(one.every).p99,
        "steps_us": dict(zip(STEPS, one.by_step, strict=True)),
    }


if __name__ == "__main__":
    sys.exit(main())
