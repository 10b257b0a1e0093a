"""`python -m benchmarks best`: how often the best combination is proven, and what greedy choices would cost shoppers.

    python -m benchmarks best [--promotions 10000] [--baskets 10000] [--seed 0]

A made-up grocer (benchmarks/grocer.py): baskets as real ones are, three times as many promotions on a basket as real
tills of this size had, all in one group that gives each unit to one promotion. Each basket is decided three times: by
the engine's `best per item`; greedily by priority (`first per item`, the deepest offers first); and greedily by value
(`first per item`, for each basket in the order of what each promotion would save in it alone). Shoppers are
short-changed by what the greedy answer saves less.

Exit codes: 0 done; 1 fewer than 99.9% are OPTIMAL (only for 10,000 promotions and 1,000 baskets or more); 64 a wrong
command line; 130 Ctrl-C.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.grocer import CANDIDATES, Grocer
from engine.basket import Request
from engine.decision import Decision
from engine.program import Program

PROMOTIONS: Final = 10_000
BASKETS: Final = 10_000
BASKETS_JUDGED: Final = 1_000  # fewer say little of one in a thousand
OPTIMAL_PERMILLE: Final = 999
PARTS: Final = (50, 90, 99)  # of a hundred baskets

Decide = Callable[[Request], Decision]


@dataclass
class Short:
    """What shoppers lost by one way of choosing, in cents, where they lost anything."""

    name: str
    losses: list[int] = field(default_factory=list)
    more: int = 0  # baskets in which it saves more than what was not proven

    def note(self, best: int, found: int) -> None:
        """One basket."""
        if found < best:
            self.losses.append(best - found)
        self.more += found > best


@dataclass
class Measured:
    """What a run found."""

    promotions: list[int] = field(default_factory=list)  # that touch a basket
    units: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    unproven: list[tuple[int, int]] = field(default_factory=list)  # (bound, saving) in cents
    saving: int = 0
    worth: int = 0
    greedy: tuple[Short, Short] = field(default_factory=lambda: (Short("by priority"), Short("by value")))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; the exit code."""
    options = _options(arguments)
    if "engine.decide" not in sys.modules:
        from server import kernels
        from server.settings import load

        kernels.prepare(load().cache_dir).ensure(kernels.compile_here, lambda line: print(line, file=sys.stderr))
    console = Console(highlight=False, emoji=False, markup=False, soft_wrap=True)
    try:
        shop = Grocer(options.promotions, options.articles)
        found = measure(shop, options.baskets, options.seed)
    except KeyboardInterrupt:
        return 130
    tell(console, shop, found)
    return 1 if _missed(shop, found) else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    from benchmarks.grocer import ARTICLES

    parser = argparse.ArgumentParser(prog="python -m benchmarks best", description="The best against the greedy.")
    parser.add_argument("--promotions", type=int, default=PROMOTIONS, metavar="N", help="10000")
    parser.add_argument("--baskets", type=int, default=BASKETS, metavar="N", help="10000")
    parser.add_argument("--articles", type=int, default=ARTICLES, metavar="N", help=str(ARTICLES))
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="other baskets")
    try:
        options = parser.parse_args(arguments)
        if options.promotions < 1 or options.baskets < 1 or options.articles < 2:
            parser.error("at least one promotion, one basket and two articles")
    except SystemExit as ended:
        raise SystemExit(64 if ended.code else 0) from None
    return options


def decider(programs: Sequence[Program]) -> Decide:
    """What decides by these Programs."""
    from engine.decide import decide
    from engine.image import load
    from engine.link import link

    image = link(programs)
    rules = load(image.manifest, image.parts)
    return lambda request: decide(rules, request)


def measure(shop: Grocer, baskets: int, seed: int) -> Measured:
    """Decide every basket in each way."""
    best, first = decider(shop.programs("best-per-item")), decider(shop.programs("first-per-item"))
    alone = decider(shop.programs("best"))
    found = Measured()
    by_priority, by_value = found.greedy
    for request in shop.baskets(baskets, seed):
        began = time.perf_counter()
        decision = best(request)
        found.seconds.append(time.perf_counter() - began)
        found.promotions.append(len(decision.promotions))
        found.units.append(sum(line.quantity for line in request.lines))
        saving = decision.totals.saving
        found.saving += saving
        found.worth += decision.totals.list
        if not decision.optimal:
            found.unproven.append((decision.bound, saving))
        by_priority.note(saving, first(request).totals.saving)
        by_value.note(saving, greedy_by_value(shop, request, alone(request)))
    return found


def greedy_by_value(shop: Grocer, request: Request, alone: Decision) -> int:
    """What is saved if the promotion that would save most takes its units first, then the next on those left.

    `alone`: decided with all promotions in one group that applies the best: it says what each would save."""
    would = {result.name: result.would_save or result.saving for result in alone.promotions}
    order = tuple(sorted((name for name in would if would[name]), key=lambda name: (-would[name], name)))
    if not order:
        return 0
    decide = decider(shop.some(order, [line.article for line in request.lines]))
    return decide(request).totals.saving


# ---------------------------------------------------------------------------------------------------- telling


def tell(console: Console, shop: Grocer, found: Measured) -> None:
    """The figures, in words and tables."""
    count = len(found.units)
    console.print(f"{len(shop.offers):,} promotions over {len(shop.articles):,} articles, {count:,} baskets\n")
    table = Table(box=None, pad_edge=True)
    for heading in ("a basket has", *(f"{part}% at most" for part in PARTS), "the most"):
        table.add_column(heading, justify="left" if heading == "a basket has" else "right", no_wrap=True)
    table.add_row("units", *(f"{value:,}" for value in _parts(found.units)))
    table.add_row("promotions that touch it", *(f"{value:,}" for value in _parts(found.promotions)))
    table.add_row("  the real tills' baskets", *(f"{value:,}" for value in CANDIDATES))
    table.add_row("milliseconds to decide", *(f"{1_000 * value:.1f}" for value in _parts(found.seconds)))
    console.print(table)
    optimal = count - len(found.unproven)
    console.print(f"\nOPTIMAL: {optimal:,} of {count:,} baskets, {100 * optimal / count:.2f}%")
    if found.unproven:
        bounds = sorted(bound for bound, _ in found.unproven)
        shares = sorted(100 * bound / (bound + saving) for bound, saving in found.unproven)
        console.print(
            f"BOUNDED: at most EUR {_euros(bounds[len(bounds) // 2])} more could be saved in the middle one of them "
            f"({shares[len(shares) // 2]:.1f}%), EUR {_euros(bounds[-1])} in the worst ({shares[-1]:.1f}%)"
        )
    console.print(f"\nSaved: EUR {_euros(found.saving)} of EUR {_euros(found.worth)}. What shoppers lose by greed:\n")
    table = Table(box=None, pad_edge=True)
    for heading in ("greedy", "short-changed", "EUR in all", "of saving", "mean EUR", "worst EUR"):
        table.add_column(heading, justify="left" if heading == "greedy" else "right", no_wrap=True)
    for short in found.greedy:
        lost, losers = sum(short.losses), len(short.losses)
        table.add_row(
            short.name,
            f"{losers:,}, {100 * losers / count:.1f}%",
            _euros(lost),
            f"{100 * lost / max(1, found.saving):.2f}%",
            _euros(lost // max(1, losers)),
            _euros(max(short.losses, default=0)),
        )
    console.print(table)
    for short in found.greedy:
        if short.more:
            console.print(f"greedy {short.name} saves more in {short.more:,} of those not proven")
    if _missed(shop, found):
        console.print(f"\nMISSED  {OPTIMAL_PERMILLE / 10}% OPTIMAL")


def _parts(values: Sequence[float]) -> tuple[float, ...]:
    """What so many of a hundred do not exceed, and the largest."""
    ascending = sorted(values)
    return (*(ascending[-(-len(ascending) * part // 100) - 1] for part in PARTS), ascending[-1])


def _euros(cents: int) -> str:
    return f"{cents // 100:,}.{cents % 100:02}"


def _missed(shop: Grocer, found: Measured) -> bool:
    count = len(found.units)
    if len(shop.offers) < PROMOTIONS or count < BASKETS_JUDGED:
        return False
    return 1_000 * (count - len(found.unproven)) < OPTIMAL_PERMILLE * count


if __name__ == "__main__":
    sys.exit(main())
