"""Checks of many generated baskets, block after block, on all cores."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor

from server import kernels
from server.settings import load

Block = Callable[[int, int], tuple[Counter[str], list[str]]]  # baskets from, to: what was counted, what is wrong


def run(
    block: Block, size: int, first: int, end: int, processes: int | None = None
) -> Iterator[tuple[Counter[str], list[str]]]:
    """All baskets from `first` to before `end`, `size` at once."""
    edges = range(first, end, size)
    ends = [min(begin + size, end) for begin in edges]
    if processes == 1:
        yield from map(block, edges, ends)
        return
    with ProcessPoolExecutor(processes or os.cpu_count()) as pool:
        yield from pool.map(block, edges, ends)


def command(description: str | None, block: Block, size: int, what: str = "baskets") -> int:
    """Runs the baskets of the command line, prints what is wrong as it comes, and in the end what was counted.

    The exit code: 1 where something is wrong.
    """
    asked = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("first", type=int, help=f"number of the first of the {what}")
    asked.add_argument("end", type=int, help="number after the last one")
    asked.add_argument("--processes", type=int, help="how many at once (all cores)")
    given = asked.parse_args()
    kernels.prepare(load().cache_dir).ensure(kernels.compile_here, print)
    total: Counter[str] = Counter()
    wrong = 0
    for done, (counts, differences) in enumerate(run(block, size, given.first, given.end, given.processes), start=1):
        total += counts
        wrong += len(differences)
        for difference in differences:
            print(difference, file=sys.stderr)
        if done % 10 == 0:
            print(f"{min(given.first + done * size, given.end):,} of {given.end:,}, {wrong} wrong", flush=True)
    for kind, count in total.items():
        print(f"{count:>12,}  {kind}")
    print(f"{given.end - given.first:,} {what}, {wrong} wrong")
    return 1 if wrong else 0
