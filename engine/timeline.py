"""The Timeline: which ruleset is in force from which instant on. Pure; append-only; a chain of hashes.

An Entry names a ruleset by its digest and the instant from which it is in force. Entries are numbered 1, 2, 3, … in
the order in which they were appended, and each carries the hash of the one before it: nobody can alter, drop, insert or
reorder what was appended without the chain saying so.

In force at instant T is, of the entries with `effective_from_us` <= T, the one with the latest `effective_from_us`; of
several for the same instant the one appended last. So an entry that was scheduled for Friday takes force on Friday,
also when something else is published on Thursday. An entry of the kind `cancel` takes an earlier one back: both never
take force, so it names the same instant and ruleset as the other.

What can go wrong:

* BadEntry       the bytes of an entry are not what this version writes
* BrokenChain    the entries do not follow one another: altered, dropped, inserted or reordered
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

FORMAT: Final = 2  # of an entry's bytes; raised whenever their meaning changes
GENESIS: Final = "0" * 64  # the "hash before" of entry 1
KINDS: Final = ("publish", "rollback", "pause", "resume", "cancel")
ENTRY_BYTES_MAX: Final = 8_192
AUTHOR_MAX: Final = 256  # characters
REASON_MAX: Final = 1_024  # characters
SEQUENCE_MAX: Final = 10_000_000
INSTANT_MAX_US: Final = 4_102_444_800_000_000  # 2100-01-01T00:00:00Z

PROMOTION_MAX: Final = 256  # characters
CHANGE_ID_MAX: Final = 64  # characters
HASH_PREFIX: Final = b"einklang timeline entry 2\x00"


class TimelineError(Exception):
    """Something about a Timeline that cannot be relied on."""


class BadEntry(TimelineError):
    """These bytes are not an entry that this version understands."""


class BrokenChain(TimelineError):
    """The entries do not follow one another."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the Timeline. Instants are microseconds since 1970-01-01T00:00:00Z by the store's clock.

    `digest`, `sources`: SHA-256 in hex, of the ruleset's manifest and of the source files ("" = not known).
    `promotion`, `until_us`: what a pause takes out and until when, what a resume brings back; else "" and 0.
    `cancelled`: the sequence of the entry that a cancel takes back; else 0. `change_id`: what whoever asked calls it;
    may be "".
    `entry_hash`: SHA-256 in hex over every other field, so over `previous_hash` too."""

    sequence: int  # from 1, without gaps
    effective_from_us: int
    digest: str
    kind: str  # one of KINDS
    author: str
    reason: str
    sources: str
    appended_at_us: int  # when it was written
    promotion: str
    until_us: int
    cancelled: int
    change_id: str
    previous_hash: str
    entry_hash: str

    def encode(self) -> bytes:
        """The canonical bytes: JSON with sorted keys, without blanks, UTF-8."""
        return _canonical({**self._body(), "entry_hash": self.entry_hash})

    def _body(self) -> dict[str, int | str]:
        return {
            "appended_at_us": self.appended_at_us,
            "author": self.author,
            "cancelled": self.cancelled,
            "change_id": self.change_id,
            "digest": self.digest,
            "effective_from_us": self.effective_from_us,
            "format": FORMAT,
            "kind": self.kind,
            "previous_hash": self.previous_hash,
            "promotion": self.promotion,
            "reason": self.reason,
            "sequence": self.sequence,
            "sources": self.sources,
            "until_us": self.until_us,
        }


def make_entry(
    previous: Entry | None,
    *,
    effective_from_us: int,
    digest: str,
    kind: str = "publish",
    author: str,
    reason: str,
    sources: str = "",
    appended_at_us: int,
    promotion: str = "",
    until_us: int = 0,
    cancelled: int = 0,
    change_id: str = "",
) -> Entry:
    """The entry that follows `previous` (None: the first of all). Raises BadEntry where a field is out of bounds."""
    draft = Entry(
        sequence=1 if previous is None else previous.sequence + 1,
        effective_from_us=effective_from_us,
        digest=digest,
        kind=kind,
        author=author,
        reason=reason,
        sources=sources,
        appended_at_us=appended_at_us,
        promotion=promotion,
        until_us=until_us,
        cancelled=cancelled,
        change_id=change_id,
        previous_hash=GENESIS if previous is None else previous.entry_hash,
        entry_hash="",
    )
    body = draft._body()
    entry = Entry(**{k: v for k, v in body.items() if k != "format"}, entry_hash=_hash(body))  # type: ignore[arg-type]
    return decode(entry.encode())  # the bounds are checked in one place


def decode(data: bytes) -> Entry:
    """The entry of these bytes, its bounds and its own hash checked. Raises BadEntry for anything else."""
    if len(data) > ENTRY_BYTES_MAX:
        raise BadEntry(f"an entry of {len(data):,} bytes; at most {ENTRY_BYTES_MAX:,} are allowed")
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadEntry("an entry that is not JSON") from error
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise BadEntry(f"an entry of another format than {FORMAT}: written by another version of this program")
    if set(fields) != _FIELDS:
        raise BadEntry(f"an entry with other fields than format {FORMAT} has")
    for name, high in _INTEGERS.items():
        value = fields[name]
        if type(value) is not int or not 0 <= value <= high:
            raise BadEntry(f"an entry whose {name} is not a whole number from 0 to {high:,}")
    for name, most in _TEXTS.items():
        text = fields[name]
        if type(text) is not str or len(text) > most:
            raise BadEntry(f"an entry whose {name} is not a text of at most {most} characters")
    for name in ("digest", "previous_hash", "entry_hash"):
        if not is_digest(fields[name]):
            raise BadEntry(f"an entry whose {name} is not a SHA-256 in hex")
    if fields["sources"] and not is_digest(fields["sources"]):
        raise BadEntry("an entry whose sources is not a SHA-256 in hex")
    if fields["sequence"] < 1:
        raise BadEntry("an entry whose sequence is not at least 1")
    if fields["kind"] not in KINDS:
        raise BadEntry("an entry of a kind that this version does not know")
    if (fields["kind"] == "cancel") != (fields["cancelled"] > 0) or fields["cancelled"] >= fields["sequence"]:
        raise BadEntry("an entry that takes back what is not before it, or nothing")
    if (fields["kind"] in ("pause", "resume")) != (fields["promotion"] != ""):
        raise BadEntry("an entry that pauses or resumes no promotion, or names one without doing so")
    if (fields["kind"] == "pause") != (fields["until_us"] > 0):
        raise BadEntry("an entry that pauses without an end, or ends without a pause")
    if _canonical(fields) != data:
        raise BadEntry("an entry that is not written canonically")
    entry_hash = fields.pop("entry_hash")
    if _hash(fields) != entry_hash:
        raise BadEntry(f"entry {fields['sequence']}: its hash does not fit its content")
    del fields["format"]
    return Entry(**fields, entry_hash=entry_hash)


def is_digest(text: object) -> bool:
    """Whether this is a SHA-256 in lower-case hex."""
    return isinstance(text, str) and len(text) == 64 and all(c in "0123456789abcdef" for c in text)


@dataclass(frozen=True, slots=True)
class Timeline:
    """All entries from the first on, their chain verified. Immutable: `extended` gives the longer one."""

    entries: tuple[Entry, ...] = ()
    _order: tuple[Entry, ...] = field(
        default=(), repr=False, compare=False
    )  # that count, by (effective_from_us, sequence)

    @property
    def head(self) -> Entry | None:
        """The entry that was appended last."""
        return self.entries[-1] if self.entries else None

    def extended(self, more: Iterable[Entry]) -> Timeline:
        """With these entries behind. Raises BrokenChain where they do not follow."""
        added = tuple(more)
        if not added:
            return self
        verify_chain(added, after=self.head)
        entries = self.entries + added
        back = {entry.cancelled for entry in entries if entry.cancelled}
        for entry in added:
            if entry.cancelled:
                other = entries[entry.cancelled - 1]
                if other.cancelled or (other.effective_from_us, other.digest) != (
                    entry.effective_from_us,
                    entry.digest,
                ):
                    raise BrokenChain(f"entry {entry.sequence} takes back another entry than it says")
        counting = (entry for entry in entries if not entry.cancelled and entry.sequence not in back)
        return Timeline(entries, tuple(sorted(counting, key=_order_of)))

    def is_cancelled(self, entry: Entry) -> bool:
        """Whether a later entry takes this one back."""
        return any(other.cancelled == entry.sequence for other in self.entries[entry.sequence :])

    def in_force(self, at_us: int) -> Entry | None:
        """The entry in force at this instant; None before the first."""
        place = bisect_right(self._order, (at_us, SEQUENCE_MAX), key=_order_of)
        return self._order[place - 1] if place else None

    def up_to(self, at_us: int) -> tuple[Entry, ...]:
        """All entries that were or are in force at this instant, the present one last."""
        return self._order[: bisect_right(self._order, (at_us, SEQUENCE_MAX), key=_order_of)]

    def after(self, at_us: int) -> tuple[Entry, ...]:
        """The entries that take force later than this instant, the next one first."""
        return self._order[bisect_right(self._order, (at_us, SEQUENCE_MAX), key=_order_of) :]


def verify_chain(entries: Iterable[Entry], after: Entry | None = None) -> None:
    """That these entries follow one another, and `after` (None: from the first on). Raises BrokenChain.

    Each entry's own hash was checked when it was decoded."""
    sequence, previous_hash = (after.sequence, after.entry_hash) if after else (0, GENESIS)
    for entry in entries:
        if entry.sequence != sequence + 1:
            raise BrokenChain(f"entry {entry.sequence} stands where entry {sequence + 1} belongs")
        if entry.previous_hash != previous_hash:
            raise BrokenChain(f"entry {entry.sequence} does not follow entry {sequence}: the hash before it differs")
        sequence, previous_hash = entry.sequence, entry.entry_hash


def _order_of(entry: Entry) -> tuple[int, int]:
    return entry.effective_from_us, entry.sequence


def _canonical(fields: dict[str, int | str]) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def _hash(body: dict[str, int | str]) -> str:
    return hashlib.sha256(HASH_PREFIX + _canonical(body)).hexdigest()


_INTEGERS: Final = {
    "sequence": SEQUENCE_MAX,
    "effective_from_us": INSTANT_MAX_US,
    "appended_at_us": INSTANT_MAX_US,
    "until_us": INSTANT_MAX_US,
    "cancelled": SEQUENCE_MAX,
}
_TEXTS: Final = {
    "digest": 64,
    "kind": 16,
    "author": AUTHOR_MAX,
    "reason": REASON_MAX,
    "sources": 64,
    "promotion": PROMOTION_MAX,
    "change_id": CHANGE_ID_MAX,
    "previous_hash": 64,
    "entry_hash": 64,
}
_FIELDS: Final = {*_INTEGERS, *_TEXTS, "format"}
