"""`python -m benchmarks service`: what a decision adds to a gRPC call, at a till's distance from the server.

    python -m benchmarks service [--lines 5,20,100] [--in-flight 1,16] [--seconds 0.5] [--rounds 4] [--check]
    python -m benchmarks service --stages        where the time of one call goes, inside the server
    python -m benchmarks service --workers 2     what it costs that several workers share the calls
    python -m benchmarks service --swap          what a change of rulesets does to those who ask meanwhile
    python -m benchmarks service --nulls         ways to write the null server, against each other

The real `einklang serve` with the embedded store has 10,000 promotions over 100,000 articles in force
(benchmarks/workload.py). h2load asks it on one connection, and in turns with it a server that does nothing
(benchmarks/null_server.py): it answers the same requests with as many bytes, so the difference is ours. Needs Linux
and h2load, the Debian package nghttp2-client.

Exit codes: 0 done; 1 a bound of the issue is missed, with `--check`; 2 no server, or calls not answered; 64 a wrong
command line; 69 no h2load; 130 Ctrl-C, 143 SIGTERM.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import grpc
from rich.console import Console
from rich.table import Table

from benchmarks import load, null_server, spread, swap, workload
from benchmarks.load import Load, LoadFailed, Target
from benchmarks.machine import machine
from benchmarks.serving import HOME, ServerEnded, here, orderly_end, serving, started
from einklang.v1 import common_pb2 as common
from einklang.v1 import decision_pb2 as pb
from server.publish_process import compiler_key, digest_of_files

PROMOTIONS: Final = 10_000
ARTICLES: Final = 100_000
LINES: Final = (5, 20, 100)
IN_FLIGHT: Final = (1, 16)
THROUGHPUT_LEAST: Final = {20: 0.85, 100: 0.75}  # of the null server's, by lines
P99_MOST: Final = 1.25  # times the null server's
KNOWN_LINES: Final = 20  # baskets that are measured with a known customer too
NULLS_ASK, NULLS_ANSWER = 340, 5_000  # bytes: a basket of 20 lines
KEPT: Final = 3  # data directories of earlier projects and engines
MARK: Final = "benchmark.txt"  # in directories that may be emptied
METHOD: Final = "/einklang.v1.DecisionService/Decide"
ANSWER_S: Final = 60
WIDTH: Final = 130  # of the tables


class Basket(NamedTuple):
    """A request, and what the real server said to it."""

    request: bytes
    answer: bytes
    touch: int  # promotions that touch it
    apply: int


class Row(NamedTuple):
    """What is measured: baskets of a size, so many calls in flight."""

    lines: int
    known: bool  # with a known customer
    in_flight: int

    def __str__(self) -> str:
        customer = ", known customer" if self.known else ""
        return f"{self.lines} lines{customer}, {self.in_flight} in flight"


class Measured(NamedTuple):
    """The calls to both servers."""

    row: Row
    ours: Load
    null: Load


class Bound(NamedTuple):
    """What is asked of a row, and what it is."""

    met: bool
    told: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; the exit code."""
    options = _options(arguments)
    console = Console(highlight=False, emoji=False, markup=False, soft_wrap=True)
    console.width = max(console.width, WIDTH)
    complain = Console(stderr=True, highlight=False, emoji=False, markup=False, soft_wrap=True).print
    if load.h2load() is None and not options.stages:
        complain(f"service: {load.MISSING}")
        return 69
    with orderly_end() as code, tempfile.TemporaryDirectory(prefix="einklang-service-") as scratch:
        try:
            if options.nulls:
                return _compare_nulls(console, options, Path(scratch))
            return _benchmark(console, options, Path(scratch))
        except _NotEmpty as error:
            complain(f"service: {error}")
            return 64
        except (ServerEnded, LoadFailed, grpc.RpcError) as error:
            complain(f"service: {error.details() if isinstance(error, grpc.Call) else error}")
            return 2
        except KeyboardInterrupt:
            console.print("\nStopped.")
            return code()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks service", description="What a decision adds to a call.")
    whole, numbers = _whole, _numbers
    parser.add_argument("--lines", type=numbers(1, 1_000), default=LINES, metavar="N,N", help="of a basket: 5,20,100")
    parser.add_argument("--in-flight", type=numbers(1, 100), default=IN_FLIGHT, metavar="N,N", help="calls: 1,16")
    parser.add_argument("--baskets", type=whole(1, 100), default=4, metavar="N", help="of each size: 4")
    parser.add_argument("--seconds", type=_seconds, default=0.5, metavar="S", help="of one turn of a server: 0.5")
    parser.add_argument("--rounds", type=whole(1, 1_000), default=4, metavar="N", help="turns with each basket: 4")
    parser.add_argument("--promotions", type=whole(1, 1_000_000), default=PROMOTIONS, metavar="N", help="10000")
    parser.add_argument("--articles", type=whole(100, 2_000_000), default=ARTICLES, metavar="N", help="100000")
    parser.add_argument("--null", choices=null_server.KINDS, default="aio", help="which null server: aio")
    parser.add_argument("--check", action="store_true", help="exit code 1 where a bound is missed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures, for programs")
    parser.add_argument("--data-dir", type=Path, default=HOME / "service", metavar="DIR", help=".einklang/service")
    parser.add_argument("--stages", action="store_true", help="where the time of one call goes, inside the server")
    parser.add_argument("--workers", type=whole(2, 64), metavar="N", help="so many that share the calls, against one")
    parser.add_argument("--connections", type=whole(2, 1_000), default=32, metavar="N", help="with --workers: 32")
    parser.add_argument("--swap", action="store_true", help="other rulesets take force under load")
    parser.add_argument("--swaps", type=whole(1, 90), default=5, metavar="N", help="with --swap, so often: 5")
    parser.add_argument("--second", type=_seconds, default=1.0, metavar="S", help="with --swap, of one row: 1.0")
    parser.add_argument("--nulls", action="store_true", help="ways to write the null server, against each other")
    try:
        options = parser.parse_args(arguments)
        if max(options.lines) > options.articles // 2:
            parser.error("a basket has at most half of the articles")
        return options
    except SystemExit as ended:
        raise SystemExit(64 if ended.code else 0) from None


def _whole(least: int, most: int) -> Callable[[str], int]:
    """Reads a whole number from `least` to `most`."""

    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"a whole number from {least} to {most}, not {text!r}")
        return int(text)

    return read


def _numbers(least: int, most: int) -> Callable[[str], tuple[int, ...]]:
    """Reads whole numbers with commas between them."""
    one = _whole(least, most)
    return lambda text: tuple(one(part) for part in text.split(","))


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.01 <= seconds <= 600:
        raise argparse.ArgumentTypeError(f"seconds from 0.01 to 600, not {text!r}")
    return seconds


def _benchmark(console: Console, options: argparse.Namespace, scratch: Path) -> int:
    console.print(f"{options.promotions:,} promotions over {options.articles:,} articles, all in force; {machine()}")
    with _served(console, options) as (server, address):
        if options.stages:
            from benchmarks import stages

            data_dir, sizes = server.data_dir, options.lines
            asked = {n: [b.SerializeToString() for b in _requests(n, False, options)] for n in sizes}
            console.print(stages.table(stages.measure(data_dir, asked)), soft_wrap=False)
            return 0
        if options.swap:
            return _swap(console, options, scratch, server.pid, address)
        if options.workers:
            return _spread(console, options, scratch, server, address)
        kinds = {(row.lines, row.known) for row in _rows(options)}
        baskets = {kind: _asked(address, *kind, options) for kind in sorted(kinds)}
        console.print(_baskets_table(baskets), soft_wrap=False)
        measured = _measure(console, options, scratch, server.pid, address, baskets)
    console.print(_table(measured, options), soft_wrap=False)
    if options.json is not None:
        options.json.write_text(json.dumps(_figures(options, baskets, measured), indent=1) + "\n", "utf-8")
    return _verdict(console, measured, options.check)


# ---------- the real server, and what it is asked


class _NotEmpty(Exception):
    """A directory that holds something else."""


@dataclass(frozen=True, slots=True)
class _Server:
    """The real server's process, and where its data is."""

    pid: int
    data_dir: Path


@contextmanager
def _served(console: Console, options: argparse.Namespace) -> Iterator[tuple[_Server, str]]:
    """The project, served; its address."""
    home = _home(options)
    project, data_dir = home / "project", home / "data"
    console.print(f"Starting the server: einklang serve {here(project)}")
    if not data_dir.exists():
        console.print(f"  the first time it publishes: some {2 + options.promotions // 400} s; kept for the next run")
    with serving(project, data_dir, "127.0.0.1:0", _dim(console)) as running:
        yield _Server(running.process.pid, data_dir), running.ready().address


def _dim(console: Console) -> Callable[[str], None]:
    return lambda line: console.print(f"  {line}", style="dim")


def _home(options: argparse.Namespace) -> Path:
    """The directory of this project under this compiler, its files written; those of long ago are removed."""
    root: Path = options.data_dir.absolute()
    if root.exists() and any(root.iterdir()) and not (root / MARK).exists():
        raise _NotEmpty(f"{root} holds something else; name a new directory")
    root.mkdir(parents=True, exist_ok=True)
    (root / MARK).write_text("Written by python -m benchmarks service, which removes what is here.\n", "utf-8")
    files = workload.project(options.promotions, options.articles)
    made_by = hashlib.sha256(f"{digest_of_files(files)} {compiler_key()}".encode())
    home = root / made_by.hexdigest()[:16]
    others = sorted((path for path in root.iterdir() if path.is_dir() and path != home), key=_age)
    for path in others[: -KEPT + 1]:
        shutil.rmtree(path)
    for name, data in files.items():
        file = home / "project" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    home.touch()
    return home


def _age(path: Path) -> float:
    return path.stat().st_mtime


def _rows(options: argparse.Namespace) -> list[Row]:
    """What is measured, in the order in which it is told."""
    rows = [Row(lines, False, n) for lines in options.lines for n in options.in_flight]
    return rows + [Row(KNOWN_LINES, True, n) for n in options.in_flight if KNOWN_LINES in options.lines]


def _requests(lines: int, known: bool, options: argparse.Namespace) -> list[pb.DecideRequest]:
    return workload.baskets(lines, options.baskets, options.articles, known)


def _asked(address: str, lines: int, known: bool, options: argparse.Namespace) -> list[Basket]:
    """The baskets, each asked once."""
    found = []
    with grpc.insecure_channel(address) as channel:
        decide = channel.unary_unary(METHOD)
        for message in _requests(lines, known, options):
            request = message.SerializeToString()
            answer: bytes = decide(request, timeout=ANSWER_S)
            promotions = pb.DecideResponse.FromString(answer).decision.promotions
            applied = sum(result.reason == common.REASON_APPLIED for result in promotions)
            found.append(Basket(request, answer, len(promotions), applied))
    return found


# ---------- measuring


def _measure(
    console: Console,
    options: argparse.Namespace,
    scratch: Path,
    pid: int,
    address: str,
    baskets: dict[tuple[int, bool], list[Basket]],
) -> list[Measured]:
    """Every row, both servers in turns."""
    every = [basket for some in baskets.values() for basket in some]
    with _null(options.null, [len(basket.answer) for basket in every]) as (null_pid, null_address):
        ours: dict[bytes, Target] = {}
        nulls: dict[bytes, Target] = {}
        for number, basket in enumerate(every):
            body = scratch / f"body{number}"
            body.write_bytes(load.framed(basket.request))
            size = len(basket.answer)
            ours[basket.request] = Target((pid,), f"http://{address}{METHOD}", body, size)
            nulls[basket.request] = Target((null_pid,), f"http://{null_address}/null/Answer{number}", body, size)
        measured = []
        for row in _rows(options):
            console.print(f"  {row} ...", style="dim")
            asked = [basket.request for basket in baskets[row.lines, row.known]]
            targets = ([ours[request] for request in asked], [nulls[request] for request in asked])
            measured.append(Measured(row, *_turns(targets, row.in_flight, options, scratch)))
    return measured


def _turns(
    servers: Sequence[Sequence[Target]], in_flight: int, options: argparse.Namespace, scratch: Path
) -> list[Load]:
    return load.in_turns(servers, in_flight, options.seconds, options.rounds, scratch)


@contextmanager
def _null(kind: str, sizes: Sequence[int]) -> Iterator[tuple[int, str]]:
    """A null server of this kind; its process and its address."""
    told: list[str] = []
    with started(["benchmarks.null_server", kind, *map(str, sizes)], told.append) as process:
        assert process.stdout is not None
        words = process.stdout.readline().split()
        if words[:1] != ["ready"]:
            raise LoadFailed("\n".join(["the null server ended before it was ready", *told]))
        yield process.pid, words[1]


# ---------- what is told


def _baskets_table(baskets: dict[tuple[int, bool], list[Basket]]) -> Table:
    table = _titled("\nThe baskets, and what the server says to them", "lines", "", "promotions that touch each")
    for heading in ("apply", "request bytes", "answer bytes"):
        table.add_column(heading, justify="right", no_wrap=True)
    for (lines, known), some in baskets.items():
        touch = " ".join(str(basket.touch) for basket in some)
        apply = " ".join(str(basket.apply) for basket in some)
        request, answer = (f"{sum(map(len, part)) // len(some):,}" for part in list(zip(*some, strict=True))[:2])
        table.add_row(str(lines), "known customer" if known else "", touch, apply, request, answer)
    return table


def _table(measured: Sequence[Measured], options: argparse.Namespace) -> Table:
    title = f"\nOne worker, one connection; the null server is {null_server.KINDS[options.null][0]}"
    table = _titled(title, "lines", "", "in flight")
    for heading in ("calls/s", "null", "ratio", "p50 ms", "null", "ratio", "p99 ms", "null", "ratio"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("CPU µs a call", "null", "added"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row, ours, null in measured:
        cells = [str(row.lines), "known customer" if row.known else "", str(row.in_flight)]
        cells += [f"{ours.rate:,.0f}", f"{null.rate:,.0f}", f"{ours.rate / null.rate:.2f}"]
        for percent in (50, 99):
            mine, base = ours.at(percent), null.at(percent)
            cells += [f"{mine / 1e3:.2f}", f"{base / 1e3:.2f}", f"{mine / base:.2f}"]
        added = ours.cpu_micros - null.cpu_micros
        table.add_row(*cells, f"{ours.cpu_micros:,.0f}", f"{null.cpu_micros:,.0f}", f"{added:,.0f}")
    return table


def _titled(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None)
    for column in columns:
        table.add_column(column, justify="right" if column in ("lines", "in flight") else "left", no_wrap=True)
    return table


def bounds(one: Measured) -> Iterator[Bound]:
    """What is asked of this row."""
    row, ours, null = one
    if row.known:
        return
    if (least := THROUGHPUT_LEAST.get(row.lines)) is not None:
        ratio = ours.rate / null.rate
        yield Bound(ratio >= least, f"{row}: {ratio:.2f} of the null server's calls a second, at least {least}")
    times = ours.at(99) / null.at(99)
    yield Bound(times <= P99_MOST, f"{row}: p99 {times:.2f} times the null server's, at most {P99_MOST}")


def _verdict(console: Console, measured: Sequence[Measured], check: bool) -> int:
    """Which bounds hold."""
    return _judge(console, [bound for one in measured for bound in bounds(one)], check)


def _judge(console: Console, asked: Sequence[Bound], check: bool) -> int:
    console.print()
    for bound in asked:
        console.print(f"{'MET   ' if bound.met else 'MISSED'}  {bound.told}")
    return 1 if check and not all(bound.met for bound in asked) else 0


def _figures(
    options: argparse.Namespace, baskets: dict[tuple[int, bool], list[Basket]], measured: Sequence[Measured]
) -> dict[str, object]:
    """The same for programs."""
    return {
        "machine": machine(),
        "promotions": options.promotions,
        "articles": options.articles,
        "null": options.null,
        "baskets": [
            {
                "lines": lines,
                "known_customer": known,
                "promotions_touch": basket.touch,
                "promotions_apply": basket.apply,
                "request_bytes": len(basket.request),
                "answer_bytes": len(basket.answer),
            }
            for (lines, known), some in baskets.items()
            for basket in some
        ],
        "rows": [
            {
                **row._asdict(),
                "einklang": _load_figures(ours),
                "null": _load_figures(null),
                "bounds": [bound._asdict() for bound in bounds(one)],
            }
            for one in measured
            for row, ours, null in [one]
        ],
    }


def _load_figures(one: Load) -> dict[str, float]:
    return {
        "calls": one.calls,
        "calls_per_second": round(one.rate, 1),
        "p50_us": one.at(50),
        "p99_us": one.at(99),
        "cpu_us_per_call": round(one.cpu_micros, 1),
    }


# ---------- several workers, and swaps


def _targets(pids: Sequence[int], address: str, lines: int, options: argparse.Namespace, scratch: Path) -> list[Target]:
    """The baskets of a size, asked once each."""
    targets = []
    for number, basket in enumerate(_asked(address, lines, False, options)):
        body = scratch / f"body{lines}-{number}"
        body.write_bytes(load.framed(basket.request))
        targets.append(Target(tuple(pids), f"http://{address}{METHOD}", body, len(basket.answer)))
    return targets


def _spread(console: Console, options: argparse.Namespace, scratch: Path, server: _Server, address: str) -> int:
    """Several workers against one."""
    home = server.data_dir.parent
    console.print(f"Beside it, on its store: einklang serve --workers {options.workers}")
    measured = []
    with spread.beside(home / "project", server.data_dir, home / "several", options.workers, _dim(console)) as (
        pids,
        other,
    ):
        for lines in options.lines:
            console.print(f"  {lines} lines ...", style="dim")
            one, several = (
                _targets(*where, lines, options, scratch) for where in (([server.pid], address), (pids, other))
            )
            measured.append(
                spread.measure(lines, one, several, options.connections, options.seconds, options.rounds, scratch)
            )
    console.print(spread.table(measured), soft_wrap=False)
    return _judge(console, [Bound(*row.told) for row in measured], options.check)


def _swap(console: Console, options: argparse.Namespace, scratch: Path, pid: int, address: str) -> int:
    """Rulesets that take force under load."""
    files = workload.project(options.promotions, options.articles)
    lines = KNOWN_LINES if KNOWN_LINES in options.lines else options.lines[0]
    met = swap.promotions([basket.answer for basket in _asked(address, lines, False, options)])
    target = _targets([pid], address, lines, options, scratch)[0]
    console.print(f"  {options.swaps} swaps under load, baskets of {lines} lines ...", style="dim")
    found = swap.measure(target, address, files, met, options.swaps, scratch, options.second)
    console.print(swap.table(found), soft_wrap=False)
    return _judge(console, [Bound(*found.told)], options.check)


# ---------- the null servers, against each other


def _compare_nulls(console: Console, options: argparse.Namespace, scratch: Path) -> int:
    """Every kind in turns; the first is what the others are compared with."""
    console.print(machine())
    body = scratch / "body"
    body.write_bytes(load.framed(bytes(NULLS_ASK)))
    table = _titled(f"\n{NULLS_ASK} bytes are answered with {NULLS_ANSWER:,}", "null server", "", "in flight")
    for heading in ("calls/s", "of the first", "p50 ms", "p99 ms", "CPU µs a call"):
        table.add_column(heading, justify="right", no_wrap=True)
    with ExitStack() as stack:
        running = [stack.enter_context(_null(kind, [NULLS_ANSWER])) for kind in null_server.KINDS]
        servers = [[Target((pid,), f"http://{address}/null/Answer0", body, NULLS_ANSWER)] for pid, address in running]
        for in_flight in options.in_flight:
            loads = _turns(servers, in_flight, options, scratch)
            for (kind, (about, _)), one in zip(null_server.KINDS.items(), loads, strict=True):
                cells = [kind, about, str(in_flight), f"{one.rate:,.0f}", f"{one.rate / loads[0].rate:.2f}"]
                cells += [f"{one.at(percent) / 1e3:.2f}" for percent in (50, 99)]
                table.add_row(*cells, f"{one.cpu_micros:,.0f}")
    console.print(table, soft_wrap=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
