"""What a change of rulesets does to those who ask meanwhile: calls at an even rate while another ruleset takes force.

Each swap is a publication, to the server that is asked, of another percentage in a promotion which the asked baskets do
not meet: so every answer has the same length before and after, and a call that is not answered as it should be ends the
run. Seconds are counted from the instant at which the entry was written to the Timeline; fetching, checking, opening,
warming and taking force follow it. The calls of all swaps are put together, second by second.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence, Set
from itertools import count, islice
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

import grpc
from rich.table import Table

from benchmarks import load
from benchmarks.load import LoadFailed, Target, Turn
from einklang.v1 import ruleset_pb2 as pb
from einklang.v1 import ruleset_pb2_grpc

BEFORE: Final = 4  # seconds before publishing begins
AFTER: Final = 6  # and after the entry was written
P99_MOST: Final = 1.5  # times what it is otherwise
SECONDS_MOST: Final = 1  # that it may be so
PART: Final = 0.4  # of what the server could answer
CONNECTIONS: Final = 4
CHUNK: Final = 1 << 17
PUBLISH_S: Final = 300
MICROS: Final = 1_000_000
_PERCENT: Final = re.compile(rb'\npromotion ([a-z0-9-]+) "[^{]*\{[^}]*?\bget (\d+)% off')


class Moment(NamedTuple):
    """The calls that began in one second, or while publishing."""

    begins: int  # seconds since the entry was written; before publishing: below 0
    micros: list[int]  # how long each took, ascending

    def at(self, percent: int) -> int:
        """So many of a hundred took no longer."""
        return self.micros[min(len(self.micros) - 1, len(self.micros) * percent // 100)]


class Swaps(NamedTuple):
    """What came of all swaps."""

    swaps: int
    rate: int  # calls a second
    calls: int  # all of them
    publishing: Moment
    moments: list[Moment]  # in order

    @property
    def usual(self) -> float:
        """p99 in a second long before."""
        return median(moment.at(99) for moment in self.moments if moment.begins < 0)

    @property
    def told(self) -> tuple[bool, str]:
        """Whether what is asked holds, and what it is."""
        times = [moment.at(99) / self.usual for moment in self.moments if moment.begins >= 0]
        raised = sum(one > P99_MOST for one in times)
        text = (
            f"{self.swaps} swaps: all {self.calls:,} calls answered; p99 more than {P99_MOST} times the usual one for"
        )
        return raised <= SECONDS_MOST, f"{text} {raised} s, at most {SECONDS_MOST}; {max(times):.2f} times at worst"


def measure(
    target: Target,
    address: str,
    files: Mapping[str, bytes],
    met: Set[str],
    swaps: int,
    scratch: Path,
    second_s: float = 1.0,
) -> Swaps:
    """So many swaps on the server at this address. `met`: the promotions that the baskets meet. `second_s`: what is
    taken for a second."""
    least = load.FEW_CALLS * CONNECTIONS
    quick = load.run(target, least, 1, scratch, connections=CONNECTIONS)
    quick = load.run(target, max(least, round(quick.rate)), 1, scratch, connections=CONNECTIONS)
    each = max(1, round(PART * quick.rate / CONNECTIONS))
    with grpc.insecure_channel(address) as channel:
        rulesets = ruleset_pb2_grpc.RulesetServiceStub(channel)
        timeline = rulesets.GetTimeline(pb.GetTimelineRequest(page_size=1), timeout=PUBLISH_S)
        versions = changes(files, met, timeline.in_force.sequence)  # those of earlier runs are known to the server
        began_us, written_us = _publish(rulesets, next(versions))  # the first one compiles all: not measured
        began_us, written_us = _publish(rulesets, next(versions))
        seconds = (BEFORE + AFTER) * second_s + 1.5 * (written_us - began_us) / MICROS
        calls = max(least, round(each * CONNECTIONS * seconds))
        found: dict[int | None, list[int]] = {}
        for version in islice(versions, swaps):
            publication = _Publication(rulesets, version, BEFORE * second_s)
            publication.start()
            turn = load.run(target, calls, 1, scratch, connections=CONNECTIONS, rate=each)
            publication.join()
            _sort_in(found, turn, publication.told(), round(second_s * MICROS))
    publishing = Moment(0, sorted(found.pop(None, [0])))
    seconds_of = {begins: sorted(micros) for begins, micros in found.items() if begins is not None}
    moments = [Moment(begins, seconds_of[begins]) for begins in sorted(seconds_of)]
    if not any(moment.begins < 0 for moment in moments) or not any(moment.begins >= 0 for moment in moments):
        raise LoadFailed("too few calls to tell what a swap does to them")
    return Swaps(swaps, each * CONNECTIONS, calls * swaps, publishing, moments)


def changes(files: Mapping[str, bytes], met: Set[str], first: int = 0) -> Iterator[dict[str, bytes]]:
    """The project with other percentages, from the so-manieth on, of a promotion that is not one of these. Raises
    LoadFailed."""
    for path, data in files.items():
        for match in _PERCENT.finditer(data) if path.endswith(".promo") else ():
            if match[1].decode() not in met:
                begin, end = match.span(2)
                for number in count(first):
                    percent = b"%d.%02d" % (1 + number // 99 % 98, 1 + number % 99)
                    yield {**files, path: data[:begin] + percent + data[end:]}
    raise LoadFailed("the baskets meet every promotion")


class _Publication(threading.Thread):
    """Publishes, some seconds after it is started."""

    def __init__(
        self, rulesets: ruleset_pb2_grpc.RulesetServiceStub, files: Mapping[str, bytes], later_s: float
    ) -> None:
        super().__init__(name="publication")
        self._later_s = later_s
        self._rulesets = rulesets
        self._files = files
        self._told: tuple[int, int] | Exception = LoadFailed("nothing was published")

    def run(self) -> None:
        """In a thread of its own."""
        threading.Event().wait(self._later_s)
        try:
            self._told = _publish(self._rulesets, self._files)
        except grpc.RpcError as error:
            self._told = error

    def told(self) -> tuple[int, int]:
        """When it began, when the entry was written, in microseconds since 1970. Raises what went wrong."""
        if isinstance(self._told, Exception):
            raise self._told
        return self._told


def _publish(rulesets: ruleset_pb2_grpc.RulesetServiceStub, files: Mapping[str, bytes]) -> tuple[int, int]:
    """When it began, when the entry was written; both by the store's clock, which is this machine's."""
    began_us = rulesets.GetTimeline(pb.GetTimelineRequest(page_size=1), timeout=PUBLISH_S).store_time_us
    sequence = rulesets.Publish(upload(files), timeout=PUBLISH_S).sequence
    asked = pb.GetTimelineRequest(page_size=1, from_sequence=sequence)
    return began_us, rulesets.GetTimeline(asked, timeout=PUBLISH_S).entries[0].appended_at_us


def upload(files: Mapping[str, bytes]) -> Iterator[pb.PublishRequest]:
    """A publication of these files."""
    for path, data in files.items():
        for start in range(0, max(len(data), 1), CHUNK):
            yield pb.PublishRequest(chunk=pb.FileChunk(path=path, data=data[start : start + CHUNK]))
    yield pb.PublishRequest(finish=pb.PublishFinish(author="benchmark", reason="a swap under load"))


def _sort_in(found: dict[int | None, list[int]], turn: Turn, times: tuple[int, int], second_us: int) -> None:
    """Each call to its second. Between the beginning and the entry: None, while publishing."""
    began_us, written_us = times
    for micros, at_us in zip(turn.micros, turn.began, strict=True):
        if at_us >= written_us:
            second: int | None = (at_us - written_us) // second_us
        elif at_us < began_us:
            second = (at_us - began_us) // second_us
        else:
            second = None
        if second is None or -BEFORE < second < AFTER:
            found.setdefault(second, []).append(micros)


def table(swaps: Swaps) -> Table:
    """What came of it."""
    title = f"\n{swaps.swaps} swaps, {swaps.rate:,} calls a second on {CONNECTIONS} connections"
    made = Table(title=title, title_justify="left", box=None)
    made.add_column("began", no_wrap=True)
    for heading in ("calls", "p50 ms", "p99 ms", "times the usual p99"):
        made.add_column(heading, justify="right", no_wrap=True)

    def row(name: str, moment: Moment) -> None:
        p50, p99 = moment.at(50), moment.at(99)
        made.add_row(
            name, f"{len(moment.micros):,}", f"{p50 / 1e3:.2f}", f"{p99 / 1e3:.2f}", f"{p99 / swaps.usual:.2f}"
        )

    for moment in swaps.moments:
        if moment.begins == 0:
            row("while it is published", swaps.publishing)
        row(f"second {moment.begins}" if moment.begins >= 0 else f"{-moment.begins} s before", moment)
    return made


def promotions(answers: Sequence[bytes]) -> set[str]:
    """The promotions that these Decide responses name."""
    from einklang.v1 import decision_pb2

    return {
        promotion.promotion
        for answer in answers
        for promotion in decision_pb2.DecideResponse.FromString(answer).decision.promotions
    }
