"""What is appended so that the Timeline says what somebody wants: publish, roll back, pause, resume, take back. Pure.

The Timeline names a whole ruleset for every instant. People say less: "this ruleset from Friday on", "not this
promotion until noon". What they said is read from the entries (`Wishes`); the first entry of a change says it, the
others follow from it and bear the same change id:

    base at T      the ruleset of the latest publish or rollback that somebody asked for
    paused at T    every promotion with a pause that has begun, has not ended, and was not resumed since
    wanted at T    the base without what is paused

`drafts` gives the entries that make the Timeline say what is wanted from a change on: at each instant from which
something else is wanted than is said, one more entry, or one that follows from an earlier change is taken back. So a
ruleset that is published during a pause is paused too, and the end of a pause brings back what is the base by then.

What can go wrong, and who is told:

* NotPossible     the caller: the Timeline as it is does not allow this change; the message says why and what does
* TooSoon         the caller: the entry to be taken back is about to take force
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from engine.timeline import Entry, Timeline

DRAFTS_MAX: Final = 200  # entries of one change

Derive = Callable[[str, frozenset[str]], str]  # a base's digest, promotions → the digest of it without them


class NotPossible(Exception):
    """The Timeline as it is does not allow this change."""


class TooSoon(Exception):
    """The entry takes force before `earliest_us`, the first instant that can still be changed."""

    def __init__(self, sequence: int, effective_from_us: int, earliest_us: int) -> None:
        super().__init__(f"entry {sequence} takes force too soon to be changed")
        self.effective_from_us, self.earliest_us = effective_from_us, earliest_us


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry that shall be appended (engine.timeline). `effective_from_us` None: as soon as the Timeline allows."""

    digest: str
    kind: str = "publish"
    effective_from_us: int | None = None
    sources: str = ""
    promotion: str = ""
    until_us: int = 0
    cancelled: int = 0


# ---------------------------------------------------------------------------------------------------- what is asked for


@dataclass(frozen=True, slots=True)
class Base:
    """This ruleset from an instant on. `kind`: "publish", or "rollback" for one that was in force before."""

    digest: str
    at_us: int
    kind: str = "publish"
    sources: str = ""


@dataclass(frozen=True, slots=True)
class Pause:
    """This promotion not from an instant on, until another."""

    promotion: str
    at_us: int
    until_us: int


@dataclass(frozen=True, slots=True)
class Resume:
    """The pauses of this promotion that have begun by an instant end there."""

    promotion: str
    at_us: int


@dataclass(frozen=True, slots=True)
class Cancel:
    """The change whose first entry this is never was, from its instant on."""

    sequence: int


Change = Base | Pause | Resume | Cancel


# ----------------------------------------------------------------------------------------------- what was asked for


@dataclass(frozen=True, slots=True)
class Wishes:
    """What people asked for and did not take back, each by (instant, sequence)."""

    bases: tuple[tuple[int, int, str], ...] = ()  # and the ruleset
    pauses: tuple[tuple[int, int, str, int], ...] = ()  # and the promotion, and until when
    resumes: tuple[tuple[int, int, str], ...] = ()  # and the promotion

    def base(self, at_us: int) -> str:
        """The ruleset to take promotions out of; "" before the first."""
        place = bisect_right(self.bases, at_us, key=lambda base: base[0])
        return self.bases[place - 1][2] if place else ""

    def paused(self, at_us: int) -> frozenset[str]:
        """The promotions that are out."""
        return frozenset(self.pauses_at(at_us))

    def pauses_at(self, at_us: int) -> dict[str, int]:
        """The promotions that are out, and until when if nobody resumes them."""
        found: dict[str, int] = {}
        for begin_us, sequence, promotion, until_us in self.pauses:
            if begin_us <= at_us < until_us and not any(
                name == promotion and end_us <= at_us and (end_us, number) > (begin_us, sequence)
                for end_us, number, name in self.resumes
            ):
                found[promotion] = max(until_us, found.get(promotion, 0))
        return found

    def instants(self) -> set[int]:
        """From which on something else may be wanted than before."""
        return {
            *(base[0] for base in self.bases),
            *(instant for begin_us, _, _, until_us in self.pauses for instant in (begin_us, until_us)),
            *(resume[0] for resume in self.resumes),
        }


def first_of_change(timeline: Timeline, entry: Entry) -> Entry:
    """The entry that says what the change was that this one belongs to."""
    entries = timeline.entries
    place = entry.sequence - 1
    while place > 0 and entry.change_id and entries[place - 1].change_id == entry.change_id:
        place -= 1
    return entries[place]


def wishes(timeline: Timeline) -> Wishes:
    """What the Timeline says that people asked for."""
    return _wishes(_Line.of(timeline))


def base_entry(timeline: Timeline, at_us: int) -> Entry:
    """The entry by which the base at this instant was asked for. Raises NotPossible."""
    past = [base for base in wishes(timeline).bases if base[0] <= at_us]
    if not past:
        raise NotPossible("no ruleset is in force then")
    return timeline.entries[past[-1][1] - 1]


def base_before(timeline: Timeline, now_us: int) -> Entry:
    """The entry by which the base before the present one was asked for. Raises NotPossible."""
    past = [base for base in wishes(timeline).bases if base[0] <= now_us]
    if len(past) < 2:
        raise NotPossible("there is no ruleset before the one in force; name an entry, or publish")
    return timeline.entries[past[-2][1] - 1]


def base_of(timeline: Timeline, sequence: int) -> Entry:
    """The entry by which the base was asked for that an entry has: itself, or of a pause what was paused.

    Raises NotPossible."""
    if not 1 <= sequence <= len(timeline.entries):
        raise NotPossible(f"the Timeline has no entry {sequence}")
    entry = timeline.entries[sequence - 1]
    if entry.kind in ("publish", "rollback"):
        return entry
    if entry.kind == "cancel":
        raise NotPossible(f"entry {sequence} takes entry {entry.cancelled} back and names no ruleset of its own")
    then = Timeline().extended(timeline.entries[:sequence])
    return base_entry(then, entry.effective_from_us)


# ---------------------------------------------------------------------------------------------------- what to append


def drafts(timeline: Timeline, change: Change, derive: Derive, earliest_us: int) -> tuple[Draft, ...]:
    """The entries that are to be appended, the one that says the change first.

    `earliest_us`: no entry may take force before. Raises NotPossible, TooSoon, and whatever `derive` raises."""
    line = _Line.of(timeline)
    before = _wishes(line)
    match change:
        case Base(digest, at_us, kind, sources):
            line.add(Draft(digest, kind, at_us, sources), own=True)
        case Pause(promotion, at_us, until_us):
            if until_us <= at_us:
                raise NotPossible("the pause would end before it begins")
            if not before.base(at_us):
                raise NotPossible("no ruleset is in force then, so nothing can be paused")
            line.add(Draft(before.base(at_us), "pause", at_us, promotion=promotion, until_us=until_us), own=True)
        case Resume(promotion, at_us):
            if promotion not in before.paused(at_us):
                raise NotPossible(f"promotion {promotion!r} is not paused then")
            line.add(Draft(before.base(at_us), "resume", at_us, promotion=promotion), own=True)
        case Cancel(sequence):
            at_us = _take_back(timeline, line, sequence, earliest_us)
    now = _wishes(line)

    def wanted(instant: int) -> str:
        base, paused = now.base(instant), now.paused(instant)
        return derive(base, paused) if base and paused else base

    if isinstance(change, Pause | Resume):  # which says at once what is wanted, and is corrected where it does not
        line.rows[-1] = line.rows[-1].named(wanted(at_us))
    for instant in sorted(moment for moment in now.instants() | line.instants() if moment >= at_us):
        _correct(line, now, instant, wanted(instant))
    if len(line.drafts) > DRAFTS_MAX:
        raise NotPossible(
            f"this changes what is scheduled at {len(line.drafts):,} instants; at most {DRAFTS_MAX} are allowed: "
            "take scheduled entries back first"
        )
    return line.drafts


def _take_back(timeline: Timeline, line: _Line, sequence: int, earliest_us: int) -> int:
    """Cancel an entry, and what follows from it. Returns its instant."""
    if not 1 <= sequence <= len(timeline.entries):
        raise NotPossible(f"the Timeline has no entry {sequence}")
    entry = timeline.entries[sequence - 1]
    if entry.kind == "cancel":
        raise NotPossible(f"entry {sequence} takes another one back, for good; schedule that ruleset again")
    if timeline.is_cancelled(entry):
        raise NotPossible(f"entry {sequence} is taken back already")
    first = first_of_change(timeline, entry)
    if first is not entry:
        raise NotPossible(f"entry {sequence} follows from entry {first.sequence}; take that one back")
    if entry.effective_from_us < earliest_us:
        raise TooSoon(sequence, entry.effective_from_us, earliest_us)
    line.cancel(sequence, own=True)
    for row in [row for row in line.counting() if row.sequence > sequence and not row.own]:
        if row.at_us >= earliest_us and first_of_change(timeline, timeline.entries[row.sequence - 1]) is entry:
            line.cancel(row.sequence)
    return entry.effective_from_us


def _correct(line: _Line, now: Wishes, instant: int, wanted: str) -> None:
    """Make the Timeline say what is wanted at this instant; before it, it does."""
    while (row := line.in_force(instant)) is not None:
        follows = row.at_us == instant and not row.own and not row.new
        beneath = line.in_force(instant, but=row.sequence)
        if row.digest == wanted and not (follows and beneath is not None and beneath.digest == wanted):
            return
        if follows:
            line.cancel(row.sequence)  # what it followed from is otherwise now, or it changes nothing any more
            continue
        if not wanted:
            raise NotPossible(f"then nothing would be in force where entry {row.sequence} is; take that one back first")
        paused = now.pauses_at(instant)
        ended = sorted(now.paused(instant - 1) - now.paused(instant))
        if ended or not paused:
            name = ended[0] if ended else row.promotion
            line.add(Draft(wanted, "resume", instant, promotion=name))
        else:
            name = min(paused)
            line.add(Draft(wanted, "pause", instant, promotion=name, until_us=paused[name]))


# ---------------------------------------------------------------------------------------------------- small things


@dataclass(frozen=True, slots=True)
class _Row:
    """An entry, appended or to be."""

    sequence: int
    at_us: int
    digest: str
    kind: str
    promotion: str
    until_us: int
    cancelled: int
    own: bool  # it says what its change is; others follow from it
    new: bool  # to be appended
    sources: str = ""

    def named(self, digest: str) -> _Row:
        """The same for another ruleset."""
        return _Row(
            self.sequence,
            self.at_us,
            digest,
            self.kind,
            self.promotion,
            self.until_us,
            self.cancelled,
            self.own,
            self.new,
            self.sources,
        )


class _Line:
    """The Timeline, with what is to be appended."""

    def __init__(self, rows: list[_Row]) -> None:
        self.rows = rows

    @classmethod
    def of(cls, timeline: Timeline) -> _Line:
        """As it is."""
        rows = []
        before = ""
        for entry in timeline.entries:
            own = not entry.change_id or entry.change_id != before
            before = entry.change_id
            rows.append(
                _Row(
                    entry.sequence,
                    entry.effective_from_us,
                    entry.digest,
                    entry.kind,
                    entry.promotion,
                    entry.until_us,
                    entry.cancelled,
                    own,
                    False,
                )
            )
        return cls(rows)

    @property
    def drafts(self) -> tuple[Draft, ...]:
        """What is to be appended."""
        return tuple(
            Draft(row.digest, row.kind, row.at_us, row.sources, row.promotion, row.until_us, row.cancelled)
            for row in self.rows
            if row.new
        )

    def add(self, draft: Draft, *, own: bool = False) -> None:
        """One more entry."""
        assert draft.effective_from_us is not None
        self.rows.append(
            _Row(
                len(self.rows) + 1,
                draft.effective_from_us,
                draft.digest,
                draft.kind,
                draft.promotion,
                draft.until_us,
                draft.cancelled,
                own,
                True,
                draft.sources,
            )
        )

    def cancel(self, sequence: int, *, own: bool = False) -> None:
        """One more entry, which takes this one back."""
        row = self.rows[sequence - 1]
        self.add(Draft(row.digest, "cancel", row.at_us, cancelled=sequence), own=own)

    def counting(self) -> list[_Row]:
        """Those that take force, by the order in which they do."""
        back = {row.cancelled for row in self.rows if row.cancelled}
        counting = (row for row in self.rows if not row.cancelled and row.sequence not in back)
        return sorted(counting, key=lambda row: (row.at_us, row.sequence))

    def in_force(self, instant: int, but: int = 0) -> _Row | None:
        """As engine.timeline has it; `but`: as if this entry were not there."""
        return max(
            (row for row in self.counting() if row.at_us <= instant and row.sequence != but),
            key=lambda row: (row.at_us, row.sequence),
            default=None,
        )

    def instants(self) -> set[int]:
        """Those from which on an entry is in force."""
        return {row.at_us for row in self.counting()}


def _wishes(line: _Line) -> Wishes:
    own = [row for row in line.counting() if row.own]
    return Wishes(
        tuple((row.at_us, row.sequence, row.digest) for row in own if row.kind in ("publish", "rollback")),
        tuple((row.at_us, row.sequence, row.promotion, row.until_us) for row in own if row.kind == "pause"),
        tuple((row.at_us, row.sequence, row.promotion) for row in own if row.kind == "resume"),
    )
