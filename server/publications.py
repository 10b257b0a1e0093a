"""What became of a publication, as every node can tell it: a record in the store, by the id that its caller gave.

The record is written by who publishes, at each step; the Timeline says more than it: a publication whose id stands
there is COMMITTED whatever the record says. A record that says less may have been left by a node that is gone. Then it
is REFUSED as soon as nothing can come of it any more (`outcome`):

* who publishes appends nothing later than `deadline_us`, by T, and the store takes no entry that is older than ten
  seconds (functions/timeline.lua), so nothing comes after both
* what was IN_DOUBT was appended before the record was written, or never is after as much time
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

COMPILING: Final = "compiling"
STAGED: Final = "staged"
IN_DOUBT: Final = "in-doubt"
COMMITTED: Final = "committed"
REFUSED: Final = "refused"
STATES: Final = (COMPILING, STAGED, IN_DOUBT, COMMITTED, REFUSED)
LATE_US: Final = 15_000_000  # after which the store takes no entry that was made before, and some
DIAGNOSTICS_MAX: Final = 200  # that are kept of a refusal


class Unreadable(Exception):
    """These bytes are no record of a publication."""


@dataclass(frozen=True, slots=True)
class Record:
    """How far a publication is. Instants are T, microseconds since 1970-01-01T00:00:00Z."""

    publication_id: str
    fingerprint: str  # of what was asked
    state: str
    step: str  # what is being done
    updated_us: int
    deadline_us: int  # nothing is appended later
    nodes: tuple[tuple[str, str, str], ...] = ()  # name; "pending", "ready" or "failed"; why
    result: Mapping[str, Any] = field(default_factory=dict)  # COMMITTED: a PublishResult
    error: Mapping[str, Any] = field(default_factory=dict)  # REFUSED: what the publishing process answered

    def encode(self) -> bytes:
        """As JSON."""
        return json.dumps(asdict(self), separators=(",", ":"), sort_keys=True).encode()

    @classmethod
    def decode(cls, data: bytes) -> Record:
        """From JSON. Raises Unreadable."""
        try:
            fields = json.loads(data)
            nodes = tuple((str(name), str(state), str(why)) for name, state, why in fields.pop("nodes"))
            record = cls(nodes=nodes, **fields)
            numbers = (record.updated_us, record.deadline_us)
            if record.state not in STATES or not all(isinstance(number, int) for number in numbers):
                raise ValueError(record.state)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise Unreadable("not the record of a publication") from error
        return record

    @property
    def ended(self) -> bool:
        """Whether it stays as it is."""
        return self.state in (COMMITTED, REFUSED)


def outcome(record: Record, now_us: int) -> Record:
    """The record of a publication that does not stand in the Timeline at `now_us` (T), as it is to be told."""
    if record.state == COMMITTED:  # the Timeline that it stood in was lost: another store, or an older copy
        return replace(record, state=IN_DOUBT, step="its entry is not in the Timeline any more")
    since_us = record.updated_us if record.state == IN_DOUBT else record.deadline_us
    if record.ended or now_us <= since_us + LATE_US:
        return record
    what = "its entry was not written" if record.state == IN_DOUBT else "who published it has gone; nothing was written"
    return replace(record, state=REFUSED, error={"failed": f"{what}; publish again", "kind": "gone"})


def fingerprint(*asked: object) -> str:
    """SHA-256 in hex over what was asked."""
    return hashlib.sha256(b"einklang change 1\x00" + json.dumps(asked, separators=(",", ":")).encode()).hexdigest()
