"""Decisions that an edge made while it was cut off, and how they are looked at again once it is not.

    SCHEDULED answer → a line of DIR/edge/journal/N.jsonl: the request, the instant, by what, the decision's digest
    the store is heard again, and every instant of N is settled → each request is decided anew, for its instant, by
      the whole Timeline → what comes out otherwise stands in DIR/edge/differences/N.jsonl; N is deleted

A difference is a Decision that says something else than the name of its ruleset: a shopper got another price, another
reason, another proof. What cannot be decided anew (its ruleset is gone, the engine answers otherwise than it did) is
listed too: nothing is passed over. A crash in between begins the file anew; its list is replaced, so nothing counts
twice. Files do not wait for each other: one with an instant that is not settled yet does not keep those behind it.

The journal holds baskets as they came, customers' references included: it belongs to its user alone, and is deleted
once it was looked at; a list of differences stays until somebody deletes it.

Lines are written at once and synced every second: a killed process loses none, a power cut the last second's.

What can go wrong, and who is told: a full disk, or journal, does not stop a till from selling: the log says so once,
until something was looked at again, and `journal_lost_total` how many decisions cannot be.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import stat
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from einklang.v1 import decision_pb2 as pb
from engine.basket import BadRequest
from engine.timeline import INSTANT_MAX_US, SEQUENCE_MAX
from server.contract import Failure, parse
from server.parts import open_file, sync_folder
from server.telemetry import ROOT, Counters, Event, Metric, say

_Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
LINE_MAX: Final = 8 << 20  # bytes: a request of the largest size, and some
GLANCE: Final = 100  # lines that are only skimmed before others have their turn
_LOG = logging.getLogger(ROOT)


class Made(BaseModel):
    """A decision that was made while cut off. `request`: base64 of the DecideRequest, as it came."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    as_of_us: int = Field(ge=0, le=INSTANT_MAX_US)
    at_us: int = Field(ge=0, le=INSTANT_MAX_US)
    sequence: int = Field(ge=1, le=SEQUENCE_MAX)
    ruleset: _Digest
    decision: _Digest
    request: str

    @classmethod
    def of(cls, request: bytes, **fields: int | str) -> Made:
        """With the request's bytes, and the other fields, which this node made itself."""
        return cls.model_construct(request=base64.b64encode(request).decode(), **fields)  # type: ignore[arg-type]


class Anew(NamedTuple):
    """What a request is answered by now."""

    decision: pb.Decision
    digest: str
    sequence: int
    certain: bool


# The request, which says at_us, and either for which instant or by which ruleset → Anew. Raises Failure, BadRequest.
Decide = Callable[[pb.DecideRequest], Awaitable[Anew]]


@dataclass(frozen=True, slots=True)
class Report:
    """What came of looking at a file again."""

    checked: int
    differing: int  # decisions that are otherwise by the Timeline as it is known now
    unchecked: int  # decisions that could not be made anew


class Journal:
    """The file that is written to, and those that wait. `add` from any thread, all else from one."""

    def __init__(self, directory: Path, bytes_max: int, counters: Counters) -> None:
        """Raises OSError."""
        self.directory = directory / "journal"
        self.differences = directory / "differences"
        for path in (self.directory, self.differences):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for draft in self.differences.glob(".*.jsonl"):  # of a process that was killed
            draft.unlink()
        self.postponed = False  # something could not be said the last time, though it is settled
        self._bytes_max = bytes_max
        self._counters = counters
        self._lock = threading.Lock()
        self._file: int | None = None
        self._path = self.directory
        self._held = sum(path.stat().st_size for path in self.waiting())  # bytes of all files
        numbers = [_number(path) for folder in (self.directory, self.differences) for path in folder.iterdir()]
        self._latest = max(numbers, default=0)  # number
        self._latest_us: dict[Path, int] = {}  # of files of this process, or that were skimmed: the latest instant
        self._dirty = self._new = False
        self._told = False

    # ------------------------------------------------------------------------------------------------ writing

    def add(self, made: Made) -> None:
        """Keep a decision."""
        line = made.model_dump_json().encode() + b"\n"
        with self._lock:
            problem = ""
            if self._held + len(line) > self._bytes_max:
                problem = f"it has {self._held:,} bytes; EINKLANG_OFFLINE_MB says how many it may have"
            else:
                try:
                    if self._file is None:
                        path = self.directory / f"{self._latest + 1:08}.jsonl"
                        self._file = os.open(path, _NEW, 0o600)
                        self._path, self._new = path, True
                        self._latest += 1
                    if (written := os.write(self._file, line)) != len(line):
                        os.ftruncate(self._file, os.fstat(self._file).st_size - written)
                        problem = "the disk is full"
                except OSError as error:
                    problem = str(error.strerror)
            if not problem:
                self._held += len(line)
                self._latest_us[self._path] = max(made.as_of_us, self._latest_us.get(self._path, 0))
                self._dirty = True
                return
            self._counters.add(Metric.JOURNAL_LOST)
            if not self._told:
                self._told = True
                say(Event.JOURNAL_FULL, reason=problem)

    def sync(self) -> None:
        """Have the disk keep what was written. Blocks."""
        with self._lock:
            file, self._dirty = (self._file if self._dirty else None), False
            new, self._new = self._new, False
        if file is not None:
            with suppress(OSError):  # closed meanwhile, which syncs it
                os.fsync(file)
        if new:
            with suppress(OSError):
                sync_folder(self.directory)

    def close(self) -> None:
        """What is written next stands in another file."""
        with self._lock:
            file, self._file, self._dirty = self._file, None, False
        if file is not None:
            with suppress(OSError):
                os.fsync(file)
            os.close(file)

    # ------------------------------------------------------------------------------------------------ reading

    @property
    def held_bytes(self) -> int:
        """Of decisions that are still to be looked at."""
        return self._held

    def waiting(self) -> list[Path]:
        """The files, the oldest first; whatever else somebody put there is not looked at."""
        found = [path for path in self.directory.glob("*.jsonl") if _number(path) and _is_file(path)]
        return sorted(found, key=_number)

    async def look_again(self, final_us: int, decide: Decide, pause: Callable[[], Awaitable[None]]) -> list[Report]:
        """Look again at every file of which all instants are settled. `pause` after each decision: others come first.

        Raises OSError, after all others were looked at."""
        self.postponed = False
        if self._file is not None and self._latest_us.get(self._path, 0) < final_us:
            await asyncio.to_thread(self.close)
        reports: list[Report] = []
        failed: OSError | None = None
        for path in self.waiting():
            if self._latest_us.get(path, 0) >= final_us or self._written(path):
                continue
            try:
                found = await self._looked_at(path, decide, pause)
                if found is not None:
                    self._delete(path)
                    reports.append(found)
            except OSError as error:
                failed = error
        if failed is not None:
            raise failed
        return reports

    def _written(self, path: Path) -> bool:
        """Whether it is the one that is written to: one that was begun meanwhile."""
        with self._lock:
            return self._file is not None and self._path == path

    def _delete(self, path: Path) -> None:
        with self._lock:
            self._held = max(0, self._held - path.stat().st_size)
            self._latest_us.pop(path, None)
            self._told = False
            path.unlink()

    async def _looked_at(self, path: Path, decide: Decide, pause: Callable[[], Awaitable[None]]) -> Report | None:
        """One file; None: it cannot be said yet."""
        tally: Counter[str] = Counter()
        draft = self.differences / f".{path.name}"
        try:
            with open(draft, "w", encoding="utf-8", opener=_private) as file:
                rows = _lines(path)
                for made in rows:
                    row = await _difference(made, decide) if made is not None else {"problem": "a damaged line"}
                    if row is _LATER:
                        self.postponed = True
                        return None
                    if row is _NOT_YET:
                        assert made is not None
                        self._latest_us[path] = await _latest_of(rows, made.as_of_us)
                        return None
                    tally["same" if row is None else "unchecked" if "problem" in row else "differing"] += 1
                    if row is not None:
                        file.write(json.dumps(row, separators=(",", ":")) + "\n")
                    await pause()
                file.flush()
                await asyncio.to_thread(os.fsync, file.fileno())
            report = Report(tally["same"] + tally["differing"], tally["differing"], tally["unchecked"])
            listed = bool(report.differing or report.unchecked)
            if listed:
                os.replace(draft, self.differences / path.name)
                await asyncio.to_thread(sync_folder, self.differences)
        finally:
            draft.unlink(missing_ok=True)
        self._counters.add(Metric.JOURNAL_CHECKED, report.checked)
        self._counters.add(Metric.JOURNAL_DIFFERENCES, report.differing + report.unchecked)
        if listed:
            where = self.differences / path.name
            counts = {"checked": report.checked, "differing": report.differing, "unchecked": report.unchecked}
            say(Event.JOURNAL_DIFFERS, path=where, **counts)
        else:
            say(Event.JOURNAL_SOUND, checked=report.checked)
        return report


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
_NOT_YET: Final[dict[str, object]] = {}  # its instant is not settled
_LATER: Final[dict[str, object]] = {}  # something is away that is needed for it


def _number(path: Path) -> int:
    """Of a file that this module named; 0: it did not."""
    return int(path.stem) if path.stem.isascii() and path.stem.isdecimal() and path.suffix == ".jsonl" else 0


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False


async def _latest_of(rows: Iterator[Made | None], latest_us: int) -> int:
    """The latest instant of this one and of the rows that follow."""
    for number, made in enumerate(rows):
        latest_us = max(latest_us, 0 if made is None else made.as_of_us)
        if number % GLANCE == 0:
            await asyncio.sleep(0)
    return latest_us


async def _difference(made: Made, decide: Decide) -> dict[str, object] | None:
    """What was answered and what is right; None: the same; _NOT_YET, _LATER: that cannot be said now.

    Raises OSError: the disk is full."""
    row: dict[str, object] = made.model_dump()
    try:
        request = parse(pb.DecideRequest, base64.b64decode(made.request, validate=True))
        request.at_us = made.at_us
        request.ruleset_digest = ""
        request.as_of_us = made.as_of_us
        right = await decide(request)
        if not right.certain:
            return _NOT_YET
        if right.digest == made.decision:
            return None
        request.as_of_us = 0
        request.ruleset_digest = made.ruleset
        answered = await decide(request)
    except Failure as failure:
        if failure.detail.retryable:
            return _LATER
        return row | {"problem": f"it cannot be decided anew: {failure}"}
    except (BadRequest, ValueError) as error:
        return row | {"problem": f"it cannot be decided anew: {error}"}
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - a fault of ours: logged in full, and the others are looked at
        _LOG.exception("a decision that was made without the store")
        return row | {"problem": f"it cannot be decided anew, a fault of the server: {type(error).__name__}: {error}"}
    if answered.digest != made.decision:
        return row | {
            "problem": "by the same ruleset it is decided otherwise now: other software, or a damaged journal"
        }
    if _without_ruleset(answered.decision) == _without_ruleset(right.decision):
        return None
    paid, due = answered.decision.totals.payable_minor, right.decision.totals.payable_minor
    return row | {
        "right_sequence": right.sequence,
        "right_ruleset": right.decision.ruleset_digest,
        "right_decision": right.digest,
        "currency": right.decision.currency,
        "payable_minor": paid,
        "right_payable_minor": due,
        "difference_minor": paid - due,
    }


def _without_ruleset(decision: pb.Decision) -> bytes:
    copy = pb.Decision()
    copy.CopyFrom(decision)
    copy.ruleset_digest = ""
    return copy.SerializeToString(deterministic=True)


def _lines(path: Path) -> Iterator[Made | None]:
    """The decisions of a file; None for a line that is not whole or was damaged."""
    with open(open_file(path), "rb") as file:
        while line := file.readline(LINE_MAX):
            try:
                yield Made.model_validate_json(line)
            except ValidationError:
                yield None
