"""Runs h2load (Debian package nghttp2-client) against one method of a gRPC server, and reads what it found.

What can go wrong: `LoadFailed`, with what h2load said.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from statistics import fmean
from typing import Final, NamedTuple

MISSING: Final = "h2load is missing: apt-get install nghttp2-client"
_HEADERS: Final = ("content-type: application/grpc", "te: trailers")
_SECONDS_MAX: Final = 600
FEW_CALLS: Final = 8  # for each that is in flight: fewer say nothing
_FRAME: Final = 5  # bytes before a message: not compressed, its length


class LoadFailed(Exception):
    """A run in which not every call was answered as it should be."""


class Target(NamedTuple):
    """One method of one server, and one request to it."""

    pids: tuple[int, ...]  # whose CPU time counts
    url: str
    body: Path  # the request as it goes over the wire
    answer_bytes: int  # of the message that comes back


@dataclass(frozen=True, slots=True)
class Turn:
    """What came of one run."""

    seconds: float  # from the first call to the last answer
    cpu_seconds: tuple[float, ...]  # of the server, each process
    micros: array[int]  # how long each call took
    began: array[int]  # when, in microseconds since 1970

    @property
    def rate(self) -> float:
        """Calls a second."""
        return len(self.micros) / self.seconds


@dataclass
class Load:
    """What came of several turns with each of several baskets, equally many calls in every turn.

    What else the machine does takes from the cores, and never adds: so calls a second and CPU time are those of the
    best turn with each basket. Latencies are those of all calls."""

    turns: list[list[Turn]] = field(default_factory=list)  # of each basket

    @property
    def micros(self) -> list[int]:
        """How long the calls took, in ascending order."""
        return sorted(chain.from_iterable(turn.micros for turns in self.turns for turn in turns))

    @property
    def calls(self) -> int:
        """How many were answered."""
        return len(self.micros)

    @property
    def rate(self) -> float:
        """Calls a second."""
        return len(self.turns) / sum(1 / max(turn.rate for turn in turns) for turns in self.turns)

    @property
    def cpu_micros(self) -> float:
        """Of the server, a call."""
        return 1e6 * fmean(min(sum(turn.cpu_seconds) / len(turn.micros) for turn in turns) for turns in self.turns)

    def at(self, percent: int) -> int:
        """So many of a hundred calls took no longer, in microseconds."""
        micros = self.micros
        return micros[min(len(micros) - 1, len(micros) * percent // 100)]


def h2load() -> str | None:
    """Where the program is, if it is installed."""
    return shutil.which("h2load")


def framed(message: bytes) -> bytes:
    """A message as it goes over the wire."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def run(
    target: Target, calls: int, in_flight: int, scratch: Path, *, connections: int = 1, rate: int | None = None
) -> Turn:
    """So many calls over so many connections, so many at a time on each. Raises LoadFailed.

    `rate`: new calls a second on each connection; None: a new one as soon as an answer comes."""
    log = scratch / "h2load.log"
    command = ["h2load", target.url, "-d", str(target.body), f"--log-file={log}"]
    command += ["-t1", f"-c{connections}", f"-m{in_flight}", f"-n{calls}"]
    if rate is not None:
        command.append(f"--rps={rate}")
    for header in _HEADERS:
        command += ["-H", header]
    log.write_text("")
    before = [cpu_seconds(pid) for pid in target.pids]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        raise LoadFailed(f"{target.url}: not all of {calls:,} calls were answered in {_SECONDS_MAX} s") from None
    used = tuple(cpu_seconds(pid) - was for pid, was in zip(target.pids, before, strict=True))
    if f" {calls} succeeded, 0 failed" not in done.stdout:
        raise LoadFailed(f"{target.url}: not every call was answered\n{done.stdout}{done.stderr}")
    data = re.search(r"\((\d+)\) data", done.stdout)
    expected = calls * (_FRAME + target.answer_bytes)
    if data is None or int(data[1]) != expected:  # gRPC's errors are successes to HTTP
        raise LoadFailed(f"{target.url}: other answers than the first one, not {expected:,} bytes\n{done.stdout}")
    rows = [tuple(map(int, line.split("\t"))) for line in log.read_text().splitlines()]
    if len(rows) != calls:
        raise LoadFailed(f"{target.url}: {calls:,} calls, but {len(rows):,} in h2load's log")
    first, last = min(row[0] for row in rows), max(row[0] + row[2] for row in rows)
    micros, began = (array("q", (row[column] for row in rows)) for column in (2, 0))
    return Turn((last - first) / 1e6, used, micros, began)


def in_turns(
    servers: Sequence[Sequence[Target]],
    in_flight: int,
    seconds: float,
    rounds: int,
    scratch: Path,
    *,
    connections: int = 1,
) -> list[Load]:
    """Calls to each server: warmed up, then basket by basket in turns, each basket as often as the others, each turn of
    so many seconds. Each has one target for each basket."""
    calls = [_warmed_up(targets, in_flight, seconds, scratch, connections) for targets in servers]
    loads = [Load([[] for _ in targets]) for targets in servers]
    for number in range(rounds):
        for place in range(len(servers[0])):
            order = range(len(servers)) if (number + place) % 2 else reversed(range(len(servers)))
            for server in order:
                turn = run(servers[server][place], calls[server], in_flight, scratch, connections=connections)
                loads[server].turns[place].append(turn)
    return loads


def _warmed_up(targets: Sequence[Target], in_flight: int, seconds: float, scratch: Path, connections: int) -> int:
    """How many calls take so many seconds, on average over the baskets, once the server is warm."""
    least = FEW_CALLS * in_flight * connections
    each = 0.0
    for target in targets:
        run(target, least, in_flight, scratch, connections=connections)
        guess = run(target, least, in_flight, scratch, connections=connections)
        some = max(least, round(guess.rate * seconds / 2))
        each += 1 / run(target, some, in_flight, scratch, connections=connections).rate / len(targets)
    return max(least, round(seconds / each))


def cpu_seconds(pid: int) -> float:
    """What a process used of the cores so far, all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
