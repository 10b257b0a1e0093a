"""`python -m benchmarks wire`: a request's bytes, read by the compiled reader and by the protobuf library.

    python -m benchmarks wire [--lines 5 20 100] [--tries 200]

Three ways, in turn, and the quickest try of each: engine/wire.py, which leaves flat tables; the library's FromString,
which leaves an object that nobody has looked into; and FromString with server/convert.py, which leaves what the engine
is asked. Each line of the baskets has an id, an article of eight digits, pieces and a price.

Exit codes: 0 done; 64 a wrong command line; 130 Ctrl-C.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from einklang.v1 import decision_pb2 as pb
from server import convert

LINES: Final = (5, 20, 100)
TRIES: Final = 200
AT_US: Final = 1_790_000_000_000_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; the exit code."""
    options = _options(arguments)
    if "engine.wire" not in sys.modules:
        from server import kernels
        from server.settings import load

        kernels.prepare(load().cache_dir).ensure(kernels.compile_here, lambda line: print(line, file=sys.stderr))
    console = Console(highlight=False, emoji=False, markup=False, soft_wrap=True)
    console.print(machine() + "\n")
    table = Table(box=None, pad_edge=False, header_style="")
    for heading in ("lines", "bytes", "reader µs", "FromString µs", "with to_request µs", "share"):
        table.add_column(heading, justify="right")
    try:
        for lines in options.lines:
            data = request(lines).SerializeToString()
            ways = measure(data, options.tries)
            share = f"1/{ways[2] / ways[0]:.0f}"
            table.add_row(f"{lines:,}", f"{len(data):,}", *(f"{nanoseconds / 1e3:.2f}" for nanoseconds in ways), share)
    except KeyboardInterrupt:
        return 130
    console.print(table)
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks wire", description="Reading a request's bytes.")
    parser.add_argument("--lines", type=int, nargs="+", default=LINES, metavar="N", help="5 20 100")
    parser.add_argument("--tries", type=int, default=TRIES, metavar="N", help="200")
    try:
        options = parser.parse_args(arguments)
        if options.tries < 1 or not all(1 <= lines <= 1_000 for lines in options.lines):
            parser.error("at least one try, and from 1 to 1,000 lines")
    except SystemExit as ended:
        raise SystemExit(64 if ended.code else 0) from None
    return options


def request(lines: int) -> pb.DecideRequest:
    """A basket of so many lines, the same always."""
    chance = random.Random(lines)
    message = pb.DecideRequest(channel="pos", store="4711", currency="EUR", at_us=AT_US)
    for number in range(lines):
        article = str(chance.randrange(10**7, 10**8))
        message.lines.add(
            id=str(number + 1),
            article=article,
            quantity=chance.choice((1, 1, 1, 2, 3)),
            unit_price_minor=chance.randrange(49, 2_000),
        )
    return message


def measure(data: bytes, tries: int) -> tuple[float, float, float]:
    """Nanoseconds of the quickest try: the reader, the library, the library with `to_request`."""
    from engine.asked import scratch
    from engine.kernel import compile_kernels
    from engine.wire import READ, read

    compile_kernels()
    asked = scratch()
    assert read(np.frombuffer(data, np.uint8), asked) == READ
    ways: tuple[tuple[Callable[[], object], int], ...] = (  # and how often in a try: about as long each
        (lambda: read(np.frombuffer(data, np.uint8), asked), 100),
        (lambda: pb.DecideRequest.FromString(data), 100),
        (lambda: convert.to_request(pb.DecideRequest.FromString(data), at_us=AT_US), 5),
    )
    best = [float("inf")] * len(ways)
    for _ in range(tries):
        for way, (run, times) in enumerate(ways):
            begin = time.perf_counter_ns()
            for _ in range(times):
                run()
            best[way] = min(best[way], (time.perf_counter_ns() - begin) / times)
    return best[0], best[1], best[2]


if __name__ == "__main__":
    sys.exit(main())
