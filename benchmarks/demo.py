"""`make demo`: a year of real till receipts through four sales channels of a real server.

    python -m benchmarks.demo [--receipts 20000] [--in-flight 4] [--address HOST:PORT]

Starts `einklang serve examples/journey` with the embedded store and data of its own below `.einklang/` (git-ignored),
asks it about each receipt in each channel over gRPC, and compares: the bytes of the decision between the channels, what
each promotion saves with what the tills took off, to the cent.

Exit codes: 0 all as it should be; 1 a channel differs, or a promotion meets the record less often than its plain
arithmetic does; 2 no server, or a request without an answer; 64 a wrong command line; 130 Ctrl-C, 143 SIGTERM.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from benchmarks.drive import AskFailed, Outcome, Question, drive, questions, request_of, savings
from benchmarks.journey import CHANNELS, CURRENCY, EXAMPLE, PROMOTIONS, Receipt, read_receipts, write_catalogue
from benchmarks.serving import HOME, ServerEnded, here, orderly_end, serving
from einklang.v1 import decision_pb2 as pb
from einklang.v1 import decision_pb2_grpc
from server import client, receipt
from server.explain import money

RECEIPTS: Final = 20_000
IN_FLIGHT: Final = 4  # where a server on one of two cores answers most
IN_FLIGHT_MAX: Final = 100  # streams that the server allows on a connection
ALONE: Final = 500  # receipts for the run with one call at a time
CATALOGUE: Final = EXAMPLE / "data" / "catalogue.csv"
SHOWN_LINES_MIN: Final = 4
SHOWN_LINES_MAX: Final = 8  # of the one receipt that is printed
REFRESH_S: Final = 0.1
PLAIN_STEPS: Final = 10  # lines of progress where nobody looks on


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; the exit code."""
    options = _options(arguments)
    console = Console(highlight=False, emoji=False, markup=False, soft_wrap=True)
    with orderly_end() as code:
        try:
            return _demo(console, options)
        except (AskFailed, ServerEnded, client.CallFailed) as error:
            Console(stderr=True, highlight=False, emoji=False, markup=False, soft_wrap=True).print(f"demo: {error}")
            return 2
        except KeyboardInterrupt:
            console.print("\nStopped.")
            return code()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.demo",
        description="Real till receipts through four sales channels: the same bytes, and the tills' discounts.",
    )
    parser.add_argument("--receipts", type=_from_1(1_000_000), default=RECEIPTS, metavar="N", help="20000 unless given")
    parser.add_argument(
        "--in-flight", type=_from_1(IN_FLIGHT_MAX), default=IN_FLIGHT, metavar="N", help="calls that wait at a time"
    )
    parser.add_argument(
        "--address", default="", metavar="HOST:PORT", help="a server that serves examples/journey; else one is started"
    )
    parser.add_argument(
        "--data-dir", type=_directory, default=HOME / "demo", metavar="DIR", help=".einklang/demo unless given"
    )
    try:
        return parser.parse_args(arguments)
    except SystemExit as ended:
        raise SystemExit(64 if ended.code else 0) from None


def _from_1(most: int) -> Callable[[str], int]:
    """Reads a whole number from 1 to `most`."""

    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"a whole number from 1 to {most}, not {text!r}")
        return int(text)

    return read


def _directory(text: str) -> Path:
    return Path(text).absolute()


def _demo(console: Console, options: argparse.Namespace) -> int:
    began = time.perf_counter()
    if options.address:
        outcome = _ask(console, options.address, _read(console, options.receipts), options.in_flight)
    else:
        console.print(f"Writing {here(CATALOGUE)}: {store_catalogue():,} articles")
        console.print(f"Starting the server: einklang serve {here(EXAMPLE)}")
        with serving(
            EXAMPLE, options.data_dir, "127.0.0.1:0", lambda line: console.print(f"  {line}", style="dim")
        ) as server:
            asked = _read(console, options.receipts)  # while the server starts
            address = server.ready().address
            outcome = _ask(console, address, asked, options.in_flight)
    good = _verdict(console, outcome)
    console.print(f"{'All good' if good else 'NOT AS IT SHOULD BE'}, after {time.perf_counter() - began:.0f} s in all.")
    return 0 if good else 1


def store_catalogue() -> int:
    """Whole or not at all, for others may be reading it; the number of articles."""
    new = CATALOGUE.with_suffix(f".{os.getpid()}.new")
    try:
        articles = write_catalogue(new)
        new.replace(CATALOGUE)
    finally:
        new.unlink(missing_ok=True)
    return articles


def _read(console: Console, count: int) -> list[Question]:
    asked = questions(few(read_receipts(count), count))
    lines = sum(len(question.receipt.lines) for question in asked)
    console.print(f"Read {len(asked):,} real receipts of 2017 with {lines:,} lines")
    return asked


def few(receipts: Sequence[Receipt], count: int) -> list[Receipt]:
    """At most so many receipts, of each promotion as evenly many as there are; in the order of sale."""
    seen: Counter[str] = Counter()
    ranked = []
    for each in receipts:
        kind = each.checks[0].promotion if each.checks else ""
        ranked.append((seen[kind], each))
        seen[kind] += 1
    ranked.sort(key=lambda pair: pair[0])
    return sorted((each for _, each in ranked[:count]), key=lambda each: (each.at, each.receipt_id))


# ---------- asking ----------


def _ask(console: Console, address: str, asked: Sequence[Question], in_flight: int) -> Outcome:
    """The receipt to look at, the run with many calls at a time, the figures with one at a time."""
    _show(console, address, [question.receipt for question in asked])
    console.print()
    text = f"{len(asked):,} receipts x {len(CHANNELS)} channels ({', '.join(CHANNELS)}), {in_flight} calls in flight"
    console.print(text)
    with _progress(console, len(asked) * len(CHANNELS)) as advance:
        outcome = _run(drive(address, asked, in_flight=in_flight, progress=advance))
    alone = _run(drive(address, asked[:: max(len(asked) // ALONE, 1)], in_flight=1))
    console.print()
    console.print(_table(outcome), soft_wrap=False)
    console.print(_note(outcome))
    console.print()
    for each, calls in ((outcome, in_flight), (alone, 1)):
        console.print(
            f"{each.a_second:>7,.0f} decisions a second; p50 {each.percentile_ms(50):.2f} ms, "
            f"p99 {each.percentile_ms(99):.2f} ms, as the caller sees it ({_in_flight(calls)})"
        )
    return outcome


def _in_flight(calls: int) -> str:
    return "one call at a time" if calls == 1 else f"{calls} calls in flight"


def _run(work: Coroutine[Any, Any, Outcome]) -> Outcome:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


class _Advance:
    """Called after each receipt; shows it now and then."""

    def __init__(self, console: Console, total: int, bar: Progress | None) -> None:
        self._console = console
        self._total = total
        self._bar = bar
        self._task = bar.add_task("", total=total, speed="") if bar else None
        self._began = self._next_s = time.perf_counter()
        self._next = total / PLAIN_STEPS

    def __call__(self, outcome: Outcome) -> None:
        done = len(outcome.nanoseconds)
        if self._bar is not None and self._task is not None:
            now = time.perf_counter()
            if now < self._next_s and done < self._total:
                return
            self._next_s = now + REFRESH_S
            said = f"{done / (now - self._began):,.0f} a second"
            self._bar.update(self._task, completed=done, speed=said, refresh=True)
        elif done >= self._next:
            self._next += self._total / PLAIN_STEPS
            speed = done / (time.perf_counter() - self._began)
            self._console.print(f"  {done:>{len(f'{self._total:,}')},} of {self._total:,}, {speed:,.0f} a second")


@contextmanager
def _progress(console: Console, total: int) -> Iterator[_Advance]:
    """A bar on a terminal, else a line now and then."""
    if not console.is_terminal:
        yield _Advance(console, total, None)
        return
    columns = (
        BarColumn(bar_width=None),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, auto_refresh=False) as bar:
        yield _Advance(console, total, bar)


# ---------- what is told ----------


def _show(console: Console, address: str, receipts: Sequence[Receipt]) -> None:
    """One receipt as people read it, why each promotion applied, and what the till gave then."""
    shown = max(receipts, key=_worth_showing)
    request = request_of(shown)
    request.channel = CHANNELS[0]
    with client.channel(address) as connection:
        stub = decision_pb2_grpc.DecisionServiceStub(connection)
        asked = client.request_of(request, [])
        response: pb.ExplainResponse = client.call(stub.Explain, asked, address=address, timeout_s=10)
    names = _names(line.article for line in shown.lines)
    for line in request.lines:
        line.article = names.get(line.article, line.article)
    console.print(f"\nReceipt {shown.receipt_id}, {shown.at_local:%A %d %B %Y %H:%M}, store {shown.store_id}\n")
    console.print(_indented(receipt.receipt(request, response.decision)))
    console.print("\nWhy, promotion by promotion\n")
    console.print(_indented(receipt.explanations(response)))
    given = savings(response.decision)
    console.print("\nWhat the till took off in 2017\n")
    for name in sorted({check.promotion for check in shown.checks}):
        recorded = sum(check.recorded_minor for check in shown.checks if check.promotion == name)
        saved = sum(given.get((line, name), 0) for c in shown.checks if c.promotion == name for line in c.line_ids)
        same = "the same" if saved == recorded else f"not our {money(saved, CURRENCY)}"
        console.print(f"  {name:<22}  {money(recorded, CURRENCY)}  {same}")


def _worth_showing(candidate: Receipt) -> tuple[bool, int, int, int]:
    """Short, with goods that count together and some that get nothing."""
    together = [check for check in candidate.checks if len(check.line_ids) > 1 and check.recorded_minor]
    articles = {line.article for line in candidate.lines}
    short = SHOWN_LINES_MIN <= len(candidate.lines) <= SHOWN_LINES_MAX and len(articles) == len(candidate.lines)
    checked = sum(len(check.line_ids) for check in together)
    return short, len(together), min(checked, 3), min(len(candidate.lines) - checked, 3)


def _names(articles: Iterator[str]) -> Mapping[str, str]:
    """What the catalogue calls these articles: the last step of the category, without what it puts in brackets."""
    wanted = set(articles)
    if not CATALOGUE.exists():
        store_catalogue()
    with CATALOGUE.open(encoding="utf-8", newline="") as file:
        return {
            row["sku"]: row["category"].rpartition("/")[2].partition(" (")[0].capitalize()
            for row in csv.DictReader(file)
            if row["sku"] in wanted
        }


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" if line else "" for line in text.split("\n"))


def _table(outcome: Outcome) -> Table:
    """Per promotion: how often what it saves is what the till took off."""
    table = Table(title="What each promotion saves, against the record of the tills", title_justify="left", box=None)
    table.add_column("promotion", no_wrap=True)
    for heading in ("checks", "to the cent", "rate", "recorded", ""):
        table.add_column(heading, justify="right", no_wrap=True)
    for promotion in PROMOTIONS:
        tally = outcome.tallies[promotion.name]
        table.add_row(
            promotion.name,
            f"{tally.checks:,}",
            f"{tally.met:,}",
            f"{tally.rate:.2%}" if tally.checks else "-",
            f"{promotion.rate:.2%}",
            "ok" if tally.ok else "BELOW",
        )
    checks = sum(tally.checks for tally in outcome.tallies.values())
    met = sum(tally.met for tally in outcome.tallies.values())
    year, exact = sum(p.checks for p in PROMOTIONS), sum(p.exact for p in PROMOTIONS)
    rate = f"{met / checks:.2%}" if checks else "-"
    table.add_section()
    table.add_row("all", f"{checks:,}", f"{met:,}", rate, f"{exact / year:.2%}", "")
    return table


def _note(outcome: Outcome) -> str:
    """How the table is to be read."""
    checks = sum(tally.checks for tally in outcome.tallies.values())
    year = sum(promotion.checks for promotion in PROMOTIONS)
    fails = "Below that rate the demo fails."
    if checks != year:
        fails = f"These are {checks:,} of the {year:,} checks of the year; none may miss more than the year does."
    return (
        "recorded: how often the promotion's plain arithmetic gives what the tills took off; the rest are staff\n"
        f"discounts and slips of the tills. {fails}"
    )


def _verdict(console: Console, outcome: Outcome) -> bool:
    """The line that says whether the channels agree; whether everything is as it should be."""
    console.print()
    console.print(f"identical in {len(CHANNELS)} channels: {outcome.identical} of {outcome.receipts}")
    if outcome.different:
        console.print(f"different: receipts {', '.join(outcome.different[:10])}")
    below = [tally.promotion.name for tally in outcome.tallies.values() if not tally.ok]
    if below:
        console.print(f"below the record: {', '.join(below)}")
    return not outcome.different and not below


if __name__ == "__main__":
    sys.exit(main())
