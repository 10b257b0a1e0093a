"""What the disk of an edge says: `einklang edge --status`. Reads alone, also while the edge runs."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from engine.timeline import Entry
from server.clock import Clock
from server.edge_disk import Memory, Remembered
from server.explain import money
from server.instants import from_now, local
from server.parts import open_file
from server.settings import Settings

SHOWN: Final = 50  # differences
LINE_MAX: Final = 16 << 20


@dataclass(frozen=True, slots=True)
class Found:
    """What is there. Instants in microseconds since 1970, by the store's clock; 0: not known."""

    directory: Path
    known: Remembered | None
    problem: str  # why nothing is known; "": nothing is there
    now_us: int
    waiting_bytes: int  # of decisions that are still to be looked at
    differences: tuple[dict[str, Any], ...]

    @property
    def until_us(self) -> int:
        """Up to when this edge may decide without the store; 0: not at all."""
        known = self.known
        if known is None or not known.timeline.entries or known.terms.horizon_us == 0:
            return 0
        return known.state.heard_us + known.terms.horizon_us

    @property
    def in_force(self) -> Entry | None:
        """As far as is known."""
        return None if self.known is None or not self.now_us else self.known.timeline.in_force(self.now_us)

    def as_data(self) -> dict[str, Any]:
        """For programs."""
        known, in_force = self.known, self.in_force
        return {
            "directory": str(self.directory),
            "problem": self.problem,
            "store_id": "" if known is None else known.store_id,
            "entries": 0 if known is None else len(known.timeline.entries),
            "heard_us": 0 if known is None else known.state.heard_us,
            "store_time_us": self.now_us,
            "scheduled_until_us": self.until_us,
            "in_force": None if in_force is None else {"sequence": in_force.sequence, "ruleset": in_force.digest},
            "waiting_bytes": self.waiting_bytes,
            "differences": list(self.differences),
        }


def look(settings: Settings, clock: Clock) -> Found:
    """Read the disk of the edge of these settings."""
    memory = Memory(settings.data_dir, settings.tenant, clock)
    known, problem = memory.look()
    heard = None if known is None else known.heard(clock)
    now_us = 0 if heard is None else heard.bounds.likely_us(clock.monotonic_ns())
    if known is not None and heard is None:
        problem = f"this host's clock stands {known.behind_us(clock) / 1e6:.0f} s before the last note: set it"
    waiting = 0
    for path in (memory.directory / "journal").glob("*.jsonl"):
        with suppress(FileNotFoundError):  # it was looked at again just now
            waiting += path.lstat().st_size
    return Found(memory.directory, known, problem, now_us, waiting, tuple(_differences(memory.directory)))


def _differences(directory: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for path in sorted((directory / "differences").glob("[0-9]*.jsonl")):
        try:
            file = open(open_file(path), "rb")  # noqa: SIM115 - closed below
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                rows.append({"file": str(path), "problem": f"{path.name} cannot be read: {error.strerror}"})
            continue
        with file:
            while line := file.readline(LINE_MAX):
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError):
                    row = None
                rows.append({"file": str(path), **(row if isinstance(row, dict) else {"problem": "a damaged line"})})
    return rows


def text(found: Found) -> str:
    """For people."""
    lines = [f"edge        {found.directory}"]
    known = found.known
    if known is None:
        lines.append(f"nothing     {found.problem or 'no edge has run here yet'}")
    else:
        lines += _of_known(found, known)
    if found.waiting_bytes:
        lines.append(f"to look at  {found.waiting_bytes:,} bytes of decisions that were made without the store")
    if found.differences:
        lines += ["", f"decided otherwise than the Timeline says: {len(found.differences):,}"]
        lines += [_difference(row) for row in found.differences[-SHOWN:]]
        if len(found.differences) > SHOWN:
            lines.append(f"  … the last {SHOWN}; all with --format json")
        lines.append(f"  in full, baskets included: {found.directory / 'differences'}; delete what was dealt with")
    return "\n".join(lines)


def _of_known(found: Found, known: Remembered) -> list[str]:
    heard_us, until_us, now_us = known.state.heard_us, found.until_us, found.now_us
    lines = [f"store       {known.store_id}, last heard {local(heard_us)}"]
    if now_us:
        lines[-1] += f", {from_now(heard_us, now_us)}"
    if found.problem:
        lines.append(f"time        not known: {found.problem}")
    in_force = found.in_force
    entries = len(known.timeline.entries)
    lines.append(f"timeline    {entries} {'entry' if entries == 1 else 'entries'}")
    if in_force is not None:
        lines.append(f"in force    entry {in_force.sequence}, ruleset {in_force.digest[:16]}…")
    if not until_us:
        why = "nothing was published by then" if known.terms.horizon_us else "the tenant allows no horizon"
        lines.append(f"without it  decides nothing: {why}")
    elif now_us and now_us >= until_us:
        lines.append(f"without it  decides nothing any more since {local(until_us)}, {from_now(until_us, now_us)}")
    else:
        lines.append(
            f"without it  decides until {local(until_us)}{f', {from_now(until_us, now_us)}' if now_us else ''}"
        )
    return lines


def _difference(row: dict[str, Any]) -> str:
    try:
        when = local(int(row["as_of_us"]))
        if "problem" in row:
            return f"  {when}  entry {int(row['sequence'])}: {row['problem']}"
        paid, due = int(row["payable_minor"]), int(row["right_payable_minor"])
        currency = str(row["currency"])
        amount = "the same amount" if paid == due else f"{money(paid, currency)} for {money(due, currency)}"
        return f"  {when}  entry {row['sequence']} for {row['right_sequence']}: {amount}"
    except (KeyError, ValueError, TypeError, OverflowError):
        return f"  {row.get('problem', 'a line that cannot be read')}"
