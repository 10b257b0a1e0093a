"""What it costs that several workers share the calls: the real server with one worker and with several, in turns.

Both have the same store and as many connections, each with one call in flight; the system spreads them over workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from rich.table import Table

from benchmarks import load
from benchmarks.load import Load, Target
from benchmarks.serving import serving
from server.embedded import socket_path
from server.settings import load as settings

CPU_MOST: Final = 1.15  # times the CPU of one worker, a call
SHARE_LEAST: Final = 0.02  # of the CPU time: who has less was hardly asked


class Spread(NamedTuple):
    """Calls for baskets of a size, to one worker and to several."""

    lines: int
    connections: int
    one: Load
    several: Load

    @property
    def cost(self) -> float:
        """The CPU a call, of several to that of one."""
        return self.several.cpu_micros / self.one.cpu_micros

    @property
    def shares(self) -> list[float]:
        """What part of the CPU time each worker took."""
        turns = [turn.cpu_seconds for some in self.several.turns for turn in some]
        used = [sum(seconds) for seconds in zip(*turns, strict=True)]
        return [seconds / sum(used) for seconds in used]

    @property
    def told(self) -> tuple[bool, str]:
        """Whether what is asked holds, and what it is."""
        at_work = sum(share >= SHARE_LEAST for share in self.shares)
        text = f"{self.lines} lines: {len(self.shares)} workers, {at_work} at work, take {self.cost:.2f} times the CPU"
        return self.cost <= CPU_MOST and at_work == len(self.shares), f"{text} of one, at most {CPU_MOST}"


@contextmanager
def beside(
    project: Path, first: Path, data_dir: Path, workers: int, tell: Callable[[str], None]
) -> Iterator[tuple[list[int], str]]:
    """Another server, with so many workers, on the store of the first one's data directory: who serves, and where."""
    store = f"unix://{socket_path(settings({'data_dir': first}))}"
    keys = first / "keys"
    signs = ["--signing-key", str(keys / "signing.key"), "--trusted-keys", str(keys)]
    options = ["--workers", str(workers), "--store", store, *signs]
    with serving(project, data_dir, "127.0.0.1:0", tell, options) as running:
        address = running.ready().address
        yield running.workers(), address


def measure(
    lines: int,
    one: Sequence[Target],
    several: Sequence[Target],
    connections: int,
    seconds: float,
    rounds: int,
    scratch: Path,
) -> Spread:
    """Both servers in turns, basket by basket."""
    loads = load.in_turns((one, several), 1, seconds, rounds, scratch, connections=connections)
    return Spread(lines, connections, *loads)


def table(measured: Sequence[Spread]) -> Table:
    """What came of it."""
    workers = len(measured[0].shares)
    title = f"\n{measured[0].connections} connections, one call in flight on each; one worker, and {workers}"
    made = Table(title=title, title_justify="left", box=None)
    headings = ("lines", "calls/s", f"of {workers}", "p50 ms", f"of {workers}", "p99 ms", f"of {workers}")
    for heading in (*headings, "CPU µs a call", f"of {workers}", "ratio", "shares of the CPU"):
        made.add_column(heading, justify="right", no_wrap=True)
    for row in measured:
        cells = [str(row.lines), f"{row.one.rate:,.0f}", f"{row.several.rate:,.0f}"]
        cells += [f"{one.at(percent) / 1e3:.2f}" for percent in (50, 99) for one in (row.one, row.several)]
        cells += [f"{row.one.cpu_micros:,.0f}", f"{row.several.cpu_micros:,.0f}", f"{row.cost:.2f}"]
        made.add_row(*cells, " ".join(f"{share:.0%}" for share in row.shares))
    return made
