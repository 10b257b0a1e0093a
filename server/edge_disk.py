"""What an edge (server/edge.py) keeps on its disk, so that it starts and decides without the store.

    DIR/edge/lock           held while an edge runs here
    DIR/edge/timeline       the Timeline, an entry a line, appended
    DIR/edge/state.json     whose Timeline it is, its terms, when the store was last heard, what this host's clocks said
    DIR/edge/journal/       decisions that were made without the store (server/journal.py)

Rulesets lie beside (server/parts.py): manifests, signatures, parts. None of it is trusted because it lies here: entries
form a chain of hashes, rulesets have their digests and signatures. Who may write to this directory may change what an
edge remembers of the Timeline, as who may write to the store may change the Timeline.

What time it is without the store: as long as the host was not booted anew, by the clock that counts since then, as
server/lease.py does it. After that only by the wall clock: T goes on from what both said when they were last noted,
some seconds before the end. A wall clock that stands before that is not believed; one that runs ahead cannot be told
from a long night. T never goes back by it: what was noted once is where it goes on from, until the store is heard.
What is answered by this is called SCHEDULED, never CERTAIN.

What can go wrong, and who is told:

* EdgeInUse        the operator: another edge runs over this directory
* OtherTenant      the operator: it is kept for another tenant, and stays as it is
* a damaged state  the operator, by the log; it is set aside, and the store is needed to begin anew
* OSError          the operator, by the log: what is not noted is lost with this process
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.timeline import INSTANT_MAX_US, SEQUENCE_MAX, Entry, Timeline, TimelineError, decode
from server.clock import Clock
from server.lease import Bounds, Heard, Reading, Terms
from server.parts import delete_drafts, open_file, write_whole
from server.telemetry import Event, say

TIMELINE_BYTES_MAX: Final = 1 << 30
STATE_BYTES_MAX: Final = 64 << 10
ANY_US: Final = 1 << 62  # what a host's clock may say, however wrong it is
FORMAT: Final = 1  # of the state; raised whenever its meaning changes


class EdgeInUse(Exception):
    """Another edge runs over this data directory."""


class OtherTenant(Exception):
    """What is kept here is of another tenant than the settings name."""


class _State(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    format: Literal[1]
    tenant: str = Field(max_length=63)
    store_id: str = Field(max_length=64)
    lease_us: int = Field(gt=0, le=10**9)
    guard_us: int = Field(gt=0, le=10**9)
    horizon_us: int = Field(ge=0, le=10**12)
    entries: int = Field(ge=0, le=SEQUENCE_MAX)  # that were known when the store was last heard
    heard_us: int = Field(ge=0, le=INSTANT_MAX_US)
    boot: str = Field(max_length=64)  # the boot that the bounds are of; "": they rest on the wall clock
    low: int
    high: int
    wall_us: int = Field(ge=0, le=ANY_US)  # when this was written
    t_us: int = Field(ge=0, le=ANY_US)  # T at that moment


@dataclass(frozen=True, slots=True)
class Remembered:
    """What an edge knew when it last noted it."""

    store_id: str
    terms: Terms
    timeline: Timeline
    state: _State

    def heard(self, clock: Clock) -> Heard | None:
        """When the store was heard, and T ever since by this host's clocks; None: the wall clock was set back."""
        state = self.state
        if not self.by_wall(clock):
            return Heard(state.heard_us, Bounds(state.low, state.high))
        passed_us = clock.now_us() - state.wall_us
        if passed_us < 0:
            return None
        now_ns = clock.monotonic_ns()
        return Heard(state.heard_us, Bounds.of((Reading(state.t_us + passed_us, now_ns, now_ns),)))

    def by_wall(self, clock: Clock) -> bool:
        """Whether T is known by the wall clock alone."""
        return not self.state.boot or self.state.boot != clock.boot()

    def behind_us(self, clock: Clock) -> int:
        """How far the wall clock stands before what was noted; 0: it does not."""
        return max(0, self.state.wall_us - clock.now_us())


class Memory:
    """The files of one edge. `known` is what was found; `note` what is to be found the next time."""

    def __init__(self, data_dir: Path, tenant: str, clock: Clock) -> None:
        self.directory = data_dir / "edge"
        self.known: Remembered | None = None
        self._tenant = tenant
        self._clock = clock
        self._lock: int | None = None
        self._written: tuple[str, Timeline] | None = None  # of which store, what stands in the file

    def open(self) -> None:
        """Take the directory and read what is there. Raises EdgeInUse, OtherTenant, OSError."""
        for path in (self.directory.parent, self.directory):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._lock = os.open(self.directory / "lock", flags, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise EdgeInUse(f"{self.directory}: another edge runs here; each needs a --data-dir of its own") from None
        delete_drafts(self.directory)
        try:
            found = self._read()
        except OtherTenant:
            self.close()
            raise
        except _Damaged as damaged:
            self._set_aside()
            say(Event.EDGE_DAMAGED, reason=str(damaged))
            return
        if found is not None:
            self.known, torn = found
            if not torn:  # else it is written anew by the next note
                self._written = (self.known.store_id, self.known.timeline)

    def look(self) -> tuple[Remembered | None, str]:
        """What is there, without taking it; or why it cannot be used."""
        try:
            found = self._read()
        except (_Damaged, OtherTenant) as error:
            return None, str(error)
        return (None if found is None else found[0]), ""

    def close(self) -> None:
        """Let others have it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def note(self, store_id: str, terms: Terms, timeline: Timeline, heard: Heard, *, by_wall: bool = False) -> None:
        """Keep this, whole or not at all; one at a time. `by_wall`: T by the wall clock alone. Raises OSError."""
        self._note_entries(store_id, timeline)
        state = _State(
            format=FORMAT,
            tenant=self._tenant,
            store_id=store_id,
            lease_us=terms.lease_us,
            guard_us=terms.guard_us,
            horizon_us=terms.horizon_us,
            entries=len(timeline.entries),
            heard_us=heard.t_us,
            boot="" if by_wall else self._clock.boot(),
            low=heard.bounds.low,
            high=heard.bounds.high,
            wall_us=min(max(0, self._clock.now_us()), ANY_US),
            t_us=min(max(0, heard.bounds.likely_us(self._clock.monotonic_ns())), ANY_US),
        )
        write_whole(self.directory / "state.json", state.model_dump_json().encode(), mode=0o600)

    def _note_entries(self, store_id: str, timeline: Timeline) -> None:
        path = self.directory / "timeline"
        before = self._written
        if before == (store_id, timeline):
            return
        self._written = None
        known = len(before[1].entries) if before is not None else 0
        if before is not None and before[0] == store_id and timeline.entries[:known] == before[1].entries:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            with open(descriptor, "wb") as file:
                file.write(_lines(timeline.entries[known:]))
                file.flush()
                os.fsync(file.fileno())
        else:
            write_whole(path, _lines(timeline.entries), mode=0o600)
        self._written = (store_id, timeline)

    def _read(self) -> tuple[Remembered, bool] | None:
        """What is kept, and whether the last line of the Timeline is torn. Raises _Damaged, OtherTenant."""
        try:
            data = _bytes(self.directory / "state.json", STATE_BYTES_MAX)
        except FileNotFoundError:
            return None
        try:
            state = _State.model_validate_json(data)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise _Damaged(f"state.json: {'.'.join(map(str, first['loc'])) or 'it'}: {first['msg']}") from None
        if state.tenant != self._tenant:
            raise OtherTenant(
                f"{self.directory} is kept for the tenant {state.tenant!r}, not for {self._tenant!r}: "
                "name that one (EINKLANG_TENANT), or another --data-dir"
            )
        rows = _bytes(self.directory / "timeline", TIMELINE_BYTES_MAX).split(b"\n")
        torn = rows.pop()  # empty, unless the last one was not written to its end
        try:
            timeline = Timeline().extended(decode(row) for row in rows)
        except TimelineError as error:
            raise _Damaged(f"timeline: {error}") from None
        if len(timeline.entries) < state.entries:
            raise _Damaged(f"timeline: {len(timeline.entries)} entries; {state.entries} were known")
        terms = Terms(state.lease_us, state.guard_us, state.horizon_us)
        return Remembered(state.store_id, terms, timeline, state), bool(torn)

    def _set_aside(self) -> None:
        for name in ("state.json", "timeline"):
            path = self.directory / name
            with suppress(FileNotFoundError):
                path.rename(path.with_name(f"{name}.damaged"))


class _Damaged(Exception):
    """What was noted cannot be used; the message says why."""


def _lines(entries: tuple[Entry, ...]) -> bytes:
    return b"".join(entry.encode() + b"\n" for entry in entries)


def _bytes(path: Path, most: int) -> bytes:
    """A file's content. Raises FileNotFoundError, and _Damaged for what is too long or cannot be read."""
    try:
        with open(open_file(path), "rb") as file:
            data = file.read(most + 1)
    except FileNotFoundError:
        if path.name == "state.json":
            raise
        raise _Damaged(f"{path.name} is gone") from None
    except OSError as error:
        raise _Damaged(f"{path.name}: {error.strerror}") from None
    if len(data) > most:
        raise _Damaged(f"{path.name}: more than {most:,} bytes")
    return data
