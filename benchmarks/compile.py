"""`python -m benchmarks compile`: how long a large project takes from text to image, and to publish a change.

    python -m benchmarks compile [--promotions 10000] [--articles 100000] [--cold]

A made-up retailer (benchmarks/retailer.py) is compiled, checked and linked from nothing in a process of its own, kept
to one core; then a real `einklang serve` with the embedded store takes it, and one file after another is changed and
published over gRPC: from the first byte sent to the answer, when every node is ready and the entry appended; and how
much later it is in force, a lease (EINKLANG_LEASE_MS says another one). `--cold` leaves that out.

Exit codes: 0 done; 1 a bound of the issue is missed (60 s cold, 1 s a change, 1.5 GB; only for 10,000 promotions and
100,000 articles or more); 2 no server; 64 a wrong command line; 130 Ctrl-C, 143 SIGTERM.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import grpc
from rich.console import Console
from rich.table import Table

from benchmarks import retailer
from benchmarks.machine import machine
from benchmarks.serving import HOME, ROOT, ServerEnded, here, orderly_end, serving
from einklang.v1 import ruleset_pb2 as pb
from einklang.v1 import ruleset_pb2_grpc

PROMOTIONS: Final = 10_000
ARTICLES: Final = 100_000
COLD_S_MAX: Final = 60
CHANGE_S_MAX: Final = 1
MEMORY_MB_MAX: Final = 1_500
REPEATS: Final = 3  # of each change; the best and the worst are told
CHUNK: Final = 131_072
PUBLISH_S: Final = 900
JUST_HEAD: Final = pb.GetTimelineRequest(page_size=1)
SUFFIXES: Final = (".promo", ".csv")
MARK: Final = "benchmark.txt"  # in directories that may be emptied

_T = TypeVar("_T")


class Stage(NamedTuple):
    """One step from text to image."""

    name: str
    seconds: float
    cpu_seconds: float
    memory_mb: int  # the most that the process held until then
    what: str


class Change(NamedTuple):
    """One changed file, published: until it was answered, and until it was in force; what the store grew by."""

    name: str
    seconds: tuple[float, ...]
    in_force_seconds: tuple[float, ...]  # from the first byte sent
    stored_bytes: int
    compiled: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; the exit code."""
    options = _options(arguments)
    if options.stages is not None:
        _tell_stages(options.stages)
        return 0
    console = Console(highlight=False, emoji=False, markup=False, soft_wrap=True)
    with orderly_end() as code:
        try:
            return _benchmark(console, options)
        except (ServerEnded, grpc.RpcError, subprocess.CalledProcessError) as error:
            said = error.details() if isinstance(error, grpc.Call) else error
            Console(stderr=True, highlight=False, markup=False, soft_wrap=True).print(f"compile: {said}")
            return 2
        except KeyboardInterrupt:
            console.print("\nStopped.")
            return code()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks compile", description="From text to image, and again.")
    parser.add_argument("--promotions", type=whole(50, 1_000_000), default=PROMOTIONS, metavar="N", help="10000")
    parser.add_argument("--articles", type=whole(100, 2_000_000), default=ARTICLES, metavar="N", help="100000")
    parser.add_argument("--cold", action="store_true", help="without a server")
    parser.add_argument("--data-dir", type=directory, default=HOME / "compile", metavar="DIR", help=".einklang/compile")
    parser.add_argument("--stages", type=directory, help=argparse.SUPPRESS)  # the process of the cold run
    try:
        return parser.parse_args(arguments)
    except SystemExit as ended:
        raise SystemExit(64 if ended.code else 0) from None


def whole(least: int, most: int) -> Callable[[str], int]:
    """Reads a whole number from `least` to `most`."""

    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"a whole number from {least} to {most}, not {text!r}")
        return int(text)

    return read


def directory(text: str) -> Path:
    """Reads a path."""
    return Path(text).absolute()


def _benchmark(console: Console, options: argparse.Namespace) -> int:
    if not make_room(options.data_dir):
        Console(stderr=True, markup=False, soft_wrap=True).print(
            f"compile: {options.data_dir} holds something else; name a new directory"
        )
        return 64
    project = options.data_dir / "project"
    files = retailer.project(options.promotions, options.articles)
    for path, data in files.items():
        file = project / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    size = f"{len(files):,} files, {sum(map(len, files.values())) / 1e6:.1f} MB"
    sizes = f"{options.promotions:,} promotions over {options.articles:,} articles"
    console.print(f"{sizes} in {here(project)}: {size}")
    console.print(machine() + "\n")
    stages = _cold(project)
    console.print(_stages_table(stages), soft_wrap=False)
    changes, memory = ([], {}) if options.cold else _warm(console, files, project, options.data_dir)
    if changes:
        console.print()
        console.print(_changes_table(changes), soft_wrap=False)
        console.print("\nMost memory held, MB: " + ", ".join(f"{name} {mb:,}" for name, mb in memory.items()))
    return _verdict(console, options, stages, changes, memory)


def make_room(directory: Path) -> bool:
    """Make room for a run: what an earlier one left is removed, and nothing else."""
    mark = directory / MARK
    if directory.exists() and any(directory.iterdir()) and not mark.exists():
        return False
    for name in ("project", "data"):
        shutil.rmtree(directory / name, ignore_errors=True)
    directory.mkdir(parents=True, exist_ok=True)
    mark.write_text("Written by python -m benchmarks compile, which empties this directory.\n", "utf-8")
    return True


# ---------- from nothing ----------


def _cold(project: Path) -> list[Stage]:
    """The stages, in a process of their own on one core."""
    command = [sys.executable, "-m", "benchmarks.compile", "--stages", str(project)]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=ROOT)
    return [Stage(*row) for row in json.loads(said.stdout)]


def _tell_stages(project: Path) -> None:
    """The stages as JSON, one core used."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    sys.stdout.write(json.dumps(list(_run_stages(project))))


def _run_stages(project: Path) -> Iterator[Stage]:
    """What compile_project and link do, step by step. Like the publishing process, without looking for garbage."""
    from dsl.analysis.report import errors
    from dsl.check import check
    from dsl.lower import lower
    from dsl.machine import refused
    from dsl.parse import parse, parser
    from dsl.project import assemble
    from engine.link import link
    from engine.program import encode

    gc.disable()
    paths = [path for path in sorted(project.rglob("*")) if path.suffix in SUFFIXES]
    stage, files = _timed("read", lambda: {path.relative_to(project).as_posix(): path.read_bytes() for path in paths})
    yield stage._replace(what=f"{len(files):,} files")
    stage, _ = _timed("grammar", parser)
    yield stage
    stage, parsed = _timed("parse", lambda: [parse(name, files[name]) for name in files if name.endswith(".promo")])
    declarations = [node for file in parsed for node in file.declarations]
    yield stage._replace(what=f"{len(declarations):,} declarations")
    stage, (found, findings) = _timed("assemble", lambda: assemble(declarations, files))
    yield stage
    stage, judged = _timed("check", lambda: [*check(found), *refused(found)])
    told = [finding for file in parsed for finding in file.findings] + findings + judged
    assert not told, told[:3]
    yield stage._replace(what="no findings")
    stage, programs = _timed("lower", lambda: lower(found))
    yield stage._replace(what=f"{len(programs):,} Programs")
    stage, told = _timed("analyse", lambda: list(errors(found, programs)))
    assert not told, told[:3]
    yield stage._replace(what="no errors")
    stage, image = _timed("link", lambda: link(programs))
    yield stage._replace(what=f"image of {sum(map(len, image.parts.values())) / 1e6:.1f} MB")
    stage, encoded = _timed("encode", lambda: [encode(program) for program in programs])
    yield stage._replace(what=f"{sum(map(len, encoded)) / 1e6:.1f} MB of Programs")


def _timed(name: str, work: Callable[[], _T]) -> tuple[Stage, _T]:
    began, cpu = time.perf_counter(), time.process_time()
    result = work()
    seconds, used = time.perf_counter() - began, time.process_time() - cpu
    return Stage(name, seconds, used, _memory_mb(), ""), result


def _memory_mb() -> int:
    """The most that this process held so far."""
    with suppress(OSError):  # what getrusage says holds the parent's, from before the program was started
        if found := re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text()):
            return int(found[1]) // 1_024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1_024


# ---------- one file changed ----------


@dataclass
class _Edits:
    """The project as it stands, and changes that a retailer makes."""

    files: dict[str, bytes]
    count: int = 0

    def reward(self) -> None:
        """Another percentage in one promotion."""
        path = next(path for path, data in self.files.items() if b"% off" in data and path.startswith("promotions/"))
        self.swap(path, rb"(?<=get )\d+(?=% off)", b"%d" % (11 + self.count))

    def promotion(self) -> None:
        """One more promotion, at the end of a file."""
        path = self.flyer()
        self.files[path] += PROMOTION.replace("NUMBER", str(self.count)).encode()

    def product_set(self) -> None:
        """Another department in a product set that promotions use."""
        self.swap("products.promo", rb'(?<=under ")[^"/]+(?="\n)', retailer.DEPARTMENTS[self.count].encode())

    def price(self) -> None:
        """Another price of one article."""
        self.swap("data/catalogue.csv", rb"(?<=,goods,)\d+\.\d\d", b"1.%02d" % self.count)

    def flyer(self) -> str:
        """The last file of promotions."""
        return max(path for path in self.files if path.startswith("promotions/"))

    def swap(self, path: str, pattern: bytes, by: bytes) -> None:
        """The first place that fits becomes this."""
        before = self.files[path]
        self.files[path] = re.sub(pattern, by, before, count=1)
        assert self.files[path] != before, path


PROMOTION: Final = """
promotion extra-NUMBER "Zusatzaktion NUMBER" {
  runs from 2026-01-05 until 2026-12-31
  sold in stores
  for everyone
  get 5% off department-3
  group range-deals
  label de "Extra -5 %"
  label en "Extra -5%"
}
"""


def _warm(
    console: Console, files: Mapping[str, bytes], project: Path, data_dir: Path
) -> tuple[list[Change], dict[str, int]]:
    """Serve the project, publish changes of it; what they took, and the memory of the processes."""
    console.print(f"\nStarting the server: einklang serve {here(project)}")
    began = time.perf_counter()
    store = data_dir / "data"
    with serving(project, store, "127.0.0.1:0", lambda line: console.print(f"  {line}", style="dim")) as server:
        address = server.ready().address
        console.print(f"Ready after {time.perf_counter() - began:.1f} s, of which the first publication is most")
        edits = _Edits(dict(files))
        with grpc.insecure_channel(address) as channel:
            rulesets = ruleset_pb2_grpc.RulesetServiceStub(channel)
            kinds: tuple[tuple[str, Callable[[], None]], ...] = (
                ("a reward's percentage", edits.reward),
                ("a new promotion", edits.promotion),
                ("a product set", edits.product_set),
                ("one price of the catalogue", edits.price),
            )
            changes = [_change(rulesets, edits, name, change, store) for name, change in kinds]
        memory = dict(_family(server.process.pid))
    return changes, memory


def _change(
    rulesets: ruleset_pb2_grpc.RulesetServiceStub, edits: _Edits, name: str, change: Callable[[], None], store: Path
) -> Change:
    """One kind of change, some times."""
    seconds, in_force_seconds = [], []
    before = _size(store)
    compiled = 0
    for _ in range(REPEATS):
        edits.count += 1
        change()
        began = time.perf_counter()
        published = rulesets.Publish(_upload(edits.files), timeout=PUBLISH_S)
        seconds.append(time.perf_counter() - began)
        while rulesets.GetTimeline(JUST_HEAD, timeout=PUBLISH_S).in_force.sequence != published.sequence:
            time.sleep(0.01)
        in_force_seconds.append(time.perf_counter() - began)
        compiled = published.stats.compiled
    grown = (_size(store) - before) // REPEATS
    return Change(name, tuple(seconds), tuple(in_force_seconds), grown, compiled)


def _upload(files: Mapping[str, bytes]) -> Iterator[pb.PublishRequest]:
    for path, data in files.items():
        for start in range(0, max(len(data), 1), CHUNK):
            yield pb.PublishRequest(chunk=pb.FileChunk(path=path, data=data[start : start + CHUNK]))
    yield pb.PublishRequest(finish=pb.PublishFinish(author="benchmark", reason="one file changed"))


def _size(directory: Path) -> int:
    """Bytes of the store's log; the parts that the server keeps as files are left out."""
    kept = directory / "parts"
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file() and kept not in path.parents)


def _family(server: int) -> Iterator[tuple[str, int]]:
    """The most memory that the server and its children held, by what they are."""
    for entry in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        try:
            status = (entry / "status").read_text()
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        mine = int(entry.name) == server or f"\nPPid:\t{server}\n" in status
        peak = re.search(r"VmHWM:\s*(\d+)", status)
        if mine and peak:
            name = "server" if int(entry.name) == server else "publishing" if b"publish_process" in command else "store"
            yield name, int(peak[1]) // 1_024


# ---------- what is told ----------


def _stages_table(stages: Sequence[Stage]) -> Table:
    table = Table(title="From nothing, on one core", title_justify="left", box=None)
    table.add_column("stage", no_wrap=True)
    for heading in ("seconds", "of the core", "memory MB"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for stage in stages:
        numbers = (f"{stage.seconds:.2f}", f"{stage.cpu_seconds:.2f}", f"{stage.memory_mb:,}")
        table.add_row(stage.name, *numbers, stage.what)
    table.add_section()
    seconds, cpu = sum(stage.seconds for stage in stages), sum(stage.cpu_seconds for stage in stages)
    table.add_row("all", f"{seconds:.2f}", f"{cpu:.2f}", f"{max(stage.memory_mb for stage in stages):,}", "")
    return table


def _changes_table(changes: Sequence[Change]) -> Table:
    table = Table(
        title="One file changed, until every node is ready and it is appended", title_justify="left", box=None
    )
    table.add_column("change", no_wrap=True)
    for heading in ("best s", "worst s", "in force s", "Programs", "bytes"):
        table.add_column(heading, justify="right", no_wrap=True)
    for change in changes:
        numbers = [f"{each:.2f}" for each in (min(change.seconds), max(change.seconds), max(change.in_force_seconds))]
        table.add_row(change.name, *numbers, f"{change.compiled:,}", f"{change.stored_bytes:,}")
    return table


def _verdict(
    console: Console,
    options: argparse.Namespace,
    stages: Sequence[Stage],
    changes: Sequence[Change],
    memory: Mapping[str, int],
) -> int:
    """Which bounds hold; they are those of the full size."""
    if options.promotions < PROMOTIONS or options.articles < ARTICLES:
        return 0
    cold = sum(stage.cpu_seconds for stage in stages)
    most = max([stage.memory_mb for stage in stages] + list(memory.values()))
    bounds = [(f"cold under {COLD_S_MAX} s of one core", cold < COLD_S_MAX, f"{cold:.1f} s")]
    if changes:
        slowest = max(changes, key=lambda change: min(change.seconds))
        told = f"{min(slowest.seconds):.2f} s for {slowest.name}"
        bounds.append((f"a change under {CHANGE_S_MAX} s", min(slowest.seconds) < CHANGE_S_MAX, told))
    bounds.append((f"memory under {MEMORY_MB_MAX:,} MB", most < MEMORY_MB_MAX, f"{most:,} MB"))
    console.print()
    for name, holds, told in bounds:
        console.print(f"{'ok    ' if holds else 'MISSED'}  {name}: {told}")
    return 0 if all(holds for _, holds, _ in bounds) else 1


if __name__ == "__main__":
    sys.exit(main())
