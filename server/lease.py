"""A node's lease: until which instant it may trust the Timeline that it knows. Pure: no I/O, no clock, no chance.

    due → a call of a function of the store (functions/timeline.lua) → answered, or failed → window: who is in force now

Every instant here is a reading of this host's monotonic clock, in nanoseconds, or T: the Timeline's time, microseconds
since 1970, which only the store's primary keeps. A node knows T as an interval. It read T_s between sending at m0 and
receiving at m1; clocks go wrong by at most 200 ppm, so at a later m

    T_s + (m − m1)·(1 − ρ)  ≤  T  ≤  T_s + (m − m0)·(1 + ρ)        ρ = 440 ppm: two clocks, and some

and of several readings the intersection holds. It may decide while surely T ≤ T_s + lease, counted from sending: what
is appended later takes force later than that (`append` sees to it). At a boundary A it is the old entry while surely
T < A, the new one once surely T ≥ A + guard; in between a request waits. Then no two nodes can answer for the same
instant by different entries, nor in turn by a newer and an older one: docs/activation.md, tests/fault.

A reading that took longer than two fifths of the guard is too vague to count; one that does not meet the earlier ones
shows that the store's clock was stepped: the epoch ends. A new epoch begins once all leases of the old one have ended,
and not before; a node that comes to a running epoch needs a witness that the clock was not stepped meanwhile.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from engine.timeline import Entry, Timeline, TimelineError, decode

RATE_PPM: Final = 440  # as in functions/timeline.lua
MARGIN_US: Final = 20_000
AFTER_US: Final = 5_000
FOREVER: Final = 1 << 62
LATE_MAX: Final = 100  # answers that took too long, one after the other, after which no other is asked for in haste

_MILLION: Final = 1_000_000
_SLOW: Final = _MILLION - RATE_PPM
_FAST: Final = _MILLION + RATE_PPM
_SCALE: Final = 1_000_000_000  # of µs · (ns per µs) · ppm: bounds are kept in millionths of a nanosecond


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for all nodes of a tenant, in microseconds. Said once, when it is set up."""

    lease_us: int = 5_000_000
    guard_us: int = 20_000
    horizon_us: int = 0

    @property
    def vague_ns(self) -> int:
        """A reading that took longer does not count."""
        return self.guard_us * 400

    @property
    def outlasts_us(self) -> int:
        """Longer than any lease that exists, by any clock."""
        return self.lease_us + -(-self.lease_us * RATE_PPM // _MILLION)

    @property
    def lead_us(self) -> int:
        """A ruleset takes force at least so long after it was published, if it is not urgent."""
        return self.outlasts_us + MARGIN_US + self.horizon_us


@dataclass(frozen=True, slots=True)
class Call:
    """A function of the store, and what it is asked. Its answer counts once it is on every server that may be promoted
    (`durable`), the clock being read when the function itself has answered."""

    function: str
    arguments: tuple[str, ...]
    durable: bool = True


class Reading(NamedTuple):
    """T, as it was told between two readings of the monotonic clock."""

    t_us: int
    sent_ns: int
    received_ns: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """Readings, intersected: two straight lines."""

    low: int  # of T at m = 0, in millionths of a nanosecond
    high: int

    @staticmethod
    def of(readings: Sequence[Reading]) -> Bounds:
        """The intersection."""
        return Bounds(
            max(r.t_us * _SCALE - r.received_ns * _SLOW for r in readings),
            min(r.t_us * _SCALE - r.sent_ns * _FAST for r in readings),
        )

    def earliest_us(self, now_ns: int) -> int:
        """T is at least this."""
        return (self.low + now_ns * _SLOW) // _SCALE

    def latest_us(self, now_ns: int) -> int:
        """T is at most this."""
        return -(-(self.high + now_ns * _FAST) // _SCALE)

    def likely_us(self, now_ns: int) -> int:
        """T, if both clocks run right: where there is nothing better to go by."""
        return (self.earliest_us(now_ns) + self.latest_us(now_ns)) // 2

    def surely_from_ns(self, t_us: int) -> int:
        """From this reading on surely T >= t_us."""
        return -((self.low - t_us * _SCALE) // _SLOW)

    def surely_until_ns(self, t_us: int) -> int:
        """Before this reading surely T < t_us."""
        return (t_us * _SCALE - self.high) // _FAST

    def meet(self, now_ns: int) -> bool:
        """Whether there is such a T."""
        return self.low + now_ns * _SLOW <= self.high + now_ns * _FAST


@dataclass(frozen=True, slots=True)
class Lease:
    """The Timeline as it is known here may be trusted before `end_ns`."""

    epoch: int
    gseq: int  # the number of the grant
    readings: tuple[Reading, ...]
    bounds: Bounds
    end_ns: int


@dataclass(frozen=True, slots=True)
class Heard:
    """What is known here is all that had been appended by T = `t_us`, says the store: with a lease, with a first
    reading of its clock, or by an answer that took too long for either. `bounds`: of T ever since."""

    t_us: int
    bounds: Bounds


@dataclass(frozen=True, slots=True)
class _First:
    """A first reading of the clock, by a node that joins an epoch."""

    epoch: int
    gseq: int
    granted: int
    reading: Reading


@dataclass(frozen=True, slots=True)
class _Opening:
    """An epoch that this node begins and opens. `epoch` "": not begun yet."""

    run: str
    epoch: str = ""
    begun_ns: int = 0
    alone: bool = False  # nobody else has a lease: it need not be waited for
    ended: bool = False  # all leases have ended before


class Window(NamedTuple):
    """For every reading m of the monotonic clock with begin_ns <= m < end_ns `entry` is in force, for certain."""

    begin_ns: int
    end_ns: int
    lease_end_ns: int
    entry: Entry | None
    bounds: Bounds
    epoch: int  # once the node has a lease of another one, or none, this says nothing any more


class Wait(NamedTuple):
    """A boundary: which entry is in force will be certain from then on."""

    until_ns: int


@dataclass
class Node:
    """One holder of leases. `holder`: a name that no other process has, nor had; `house`: docs/activation.md."""

    terms: Terms
    holder: str
    house: str = ""
    node: str = ""  # its name for people; "": it is not listed
    status: str = ""  # what it says of itself, at each renewal
    timeline: Timeline = field(default_factory=Timeline)
    lease: Lease | None = None
    heard: Heard | None = None  # by this node, or by one before it that kept it (server/edge.py)
    problem: str = ""  # why there is no answer that could be used; "": none

    _first: _First | None = None
    _opening: _Opening | None = None
    _fault: tuple[str, int] | None = None  # run and epoch whose clock was stepped
    _run: str = ""
    _upto_us: int = 0  # the latest T by which this node may have decided
    _given_up: Lease | None = None  # how far it was used is said by a later reading of the clock
    _asked: Call | None = None
    _next_ns: int = 0  # when the lease is renewed
    _hold_ns: int = 0  # nothing is asked before
    _late: int = 0  # answers that took too long, one after the other
    regressed: bool = False  # the store knows less of the Timeline than this node
    steps: int = 0  # of the store's clock that were seen
    vagues: int = 0  # answers that took too long to say what time it is
    openings: int = 0  # of epochs, by this node

    def __post_init__(self) -> None:
        # Nodes that start together should not ask together for ever.
        spread = int.from_bytes(hashlib.sha256(self.holder.encode()).digest()[:2], "big") * 400 // 65_536
        self._pause_ns = self.terms.lease_us * (800 + spread) // 6

    # ------------------------------------------------------------------------------------------------ deciding

    def window(self, now_ns: int) -> Window | Wait | None:
        """What is in force at this reading, and how long that holds; None: there is no lease."""
        lease = self.lease
        if lease is None or self.ended(lease, now_ns):
            return None
        bounds, guard_us = lease.bounds, self.guard_us()
        latest_us = bounds.latest_us(now_ns)
        past = self.timeline.up_to(latest_us)
        begin_ns = 0
        if past:
            begin_ns = bounds.surely_from_ns(past[-1].effective_from_us + guard_us)
            if now_ns < begin_ns:
                return Wait(begin_ns)
        later = self.timeline.after(latest_us)
        end_ns = min(lease.end_ns, bounds.surely_until_ns(later[0].effective_from_us)) if later else lease.end_ns
        return Window(begin_ns, end_ns, lease.end_ns, past[-1] if past else None, bounds, lease.epoch)

    def guard_us(self) -> int:
        """From a boundary on for so long nobody decides."""
        return self.terms.guard_us

    def ended(self, lease: Lease, now_ns: int) -> bool:
        """Whether this lease allows nothing any more."""
        return now_ns >= lease.end_ns

    def final_us(self) -> int:
        """Instants before this are settled: nothing that is not known here can take force earlier."""
        if self.heard is None or not self.timeline.entries:
            return 0
        return self.heard.t_us + self.terms.lease_us

    def horizon_us(self) -> int:
        """Instants before this are settled but for urgent entries; the first of all takes force when it likes."""
        if self.heard is None or not self.timeline.entries:
            return 0
        return self.heard.t_us + self.terms.horizon_us

    def cut_off_us(self, now_ns: int) -> int | None:
        """T, roughly, as long as it is surely before the horizon; None: it is not."""
        heard = self.heard
        if heard is None or heard.bounds.latest_us(now_ns) >= self.horizon_us():
            return None
        return heard.bounds.likely_us(now_ns)

    # ------------------------------------------------------------------------------------------------ asking

    def due(self, now_ns: int) -> Call | int:
        """What to ask the store now, or when to come again. Whoever asks must say what came of it."""
        assert self._asked is None, "one call at a time"
        call = self._due(now_ns)
        if isinstance(call, Call):
            self._asked = call
        return call

    def _due(self, now_ns: int) -> Call | int:
        if self._given_up is not None:
            given, self._given_up = self._given_up, None
            self._upto_us = max(self._upto_us, given.bounds.latest_us(min(now_ns, given.end_ns)))
        if self.lease is not None and self.ended(self.lease, now_ns):
            self._give_up()  # a lease that has ended proves nothing any more
            return now_ns
        if now_ns < self._hold_ns:
            return self._hold_ns
        if self._fault is not None:
            return Call("fault", (self._fault[0], str(self._fault[1])), durable=False)
        opening = self._opening
        if opening is not None and not opening.epoch:
            return Call("begin", (opening.run, self.holder, self.house))
        if opening is not None and (opening.alone or opening.ended or now_ns >= self._open_ns(opening)):
            if self.lease is not None:
                self._give_up()
                return now_ns
            waited = opening.ended or not opening.alone  # if both, then it is the later T
            told = (opening.run, opening.epoch, self.holder, self.house, str(int(waited)), str(self._upto_us))
            return Call("open", (*told, *self._known()))
        if now_ns >= self._next_ns:
            return self._renew(now_ns)
        return self._next_ns if opening is None else min(self._next_ns, self._open_ns(opening))

    def _renew(self, now_ns: int) -> Call:
        first = self._first
        if first is not None and self._too_old(first, now_ns):
            self._first = first = None
        lease = self.lease
        epoch, gseq = (lease.epoch, lease.gseq) if lease is not None else (0, 0)
        join = (0, 0, 0, 0)
        if first is not None:
            join = (first.epoch, first.gseq, first.granted, int(self._waited(first, now_ns)))
        told = map(str, (epoch, gseq, *join))
        return Call("renew", (self.holder, self.house, *told, *self._known(), self.node, self.status))

    def hurry(self, now_ns: int) -> None:
        """The Timeline was changed through this node: hear of it now, not when the lease is renewed anyway."""
        if self.lease is not None:
            self._next_ns = min(self._next_ns, now_ns)

    def release(self, now_ns: int) -> Call | None:
        """What to tell the store once this node has stopped answering, for good; None: it has no lease."""
        lease = self.lease
        if lease is None:
            return None
        self.lease = None
        self._next_ns = FOREVER
        upto_us = max(self._upto_us, lease.bounds.latest_us(min(now_ns, lease.end_ns)))
        told = (self._run, str(lease.epoch), self.holder, str(upto_us), self.node)
        return Call("release", told, durable=False)

    def failed(self, now_ns: int) -> None:
        """No answer came, or it is not sure that it lasts."""
        self._asked = None
        self._hold_ns = now_ns + self.terms.lease_us * 1_000 // 20

    # ------------------------------------------------------------------------------------------------ answers

    def answered(self, reply: Sequence[bytes], sent_ns: int, received_ns: int, now_ns: int) -> None:
        """The store's answer to what was due. `received_ns`: when the function had answered, waiting for replicas not
        counted; `now_ns`: later."""
        call, self._asked = self._asked, None
        assert call is not None
        self._next_ns = sent_ns + self._pause_ns
        words = [word.decode("ascii", "replace") for word in reply[:6]]
        self.problem = ""
        try:
            match (call.function, words):
                case ("renew" | "open", ["GRANTED", epoch, t_us, gseq, *_]):
                    self._learn(reply[4:])
                    reading = Reading(int(t_us), sent_ns, received_ns)
                    self._granted(call, int(epoch), int(gseq), reading, now_ns)
                case ("renew", ["JOIN", epoch, t_us, gseq, granted, run]):
                    self._learn(reply[6:])
                    self._run = run
                    reading = Reading(int(t_us), sent_ns, received_ns)
                    self.heard = Heard(reading.t_us, Bounds.of((reading,)))
                    if self.vague(reading):
                        self._too_late(now_ns, 40)
                    else:
                        self._late = 0
                        self._first = _First(int(epoch), int(gseq), int(granted), reading)
                        self._soon(now_ns, 40)
                case ("renew", ["JOINWAIT", *_]):
                    self._soon(now_ns, 40)
                case ("renew", ["NEED_EPOCH", run, ended]):
                    self._need(run, ended == "1", now_ns)
                case ("begin", ["BEGUN", epoch, alone]):
                    assert self._opening is not None
                    self._opening = replace(self._opening, epoch=epoch, begun_ns=now_ns, alone=alone == "1")
                case ("open", ["WAIT"]):
                    assert self._opening is not None
                    self._opening = replace(self._opening, alone=False)
                case (_, ["BEHIND", *_]):
                    self._learn(reply[1:])
                    self._next_ns = now_ns
                case (_, ["REGRESSED", length]):
                    self.regressed = True
                    known = len(self.timeline.entries)
                    self.problem = (
                        f"the store knows other entries of the Timeline than this node: {length}, here {known}"
                    )
                    self._opening = None
                case ("fault", _):
                    self._fault = None
                    self._next_ns = now_ns
                case ("begin" | "open", _):  # somebody else was quicker, or it is another server by now
                    self._opening = None
                    self._next_ns = now_ns
                case _:
                    self.problem = f"the store answers {words[:1]} to {call.function}"
        except (TimelineError, ValueError) as error:
            self.problem = f"the store's answer cannot be used: {error}"
            self._soon(now_ns, 4)

    def _learn(self, entries: Sequence[bytes]) -> None:
        self.timeline = self.timeline.extended(decode(entry) for entry in entries)
        self.regressed = False

    def _granted(self, call: Call, epoch: int, gseq: int, reading: Reading, now_ns: int) -> None:
        opened = call.function == "open"
        if opened:
            self._run = call.arguments[0]
            self.openings += 1
            self._opening = self._first = None
        if self.vague(reading):
            self.heard = Heard(reading.t_us, Bounds.of((reading,)))
            self._too_late(now_ns, 100)
            return
        self._late = 0
        kept = () if opened else self.kept(epoch, reading)
        if kept is None:
            self.heard = Heard(reading.t_us, Bounds.of((reading,)))
            self._give_up()
            self._first = None
            self._soon(now_ns, 100)
            return
        readings = (*kept, reading)
        bounds = Bounds.of(readings)
        if not self.agree(bounds, reading.received_ns):
            self.steps += 1
            self._fault = (self._run, epoch)
            self._first = None
            return
        end_ns = min(
            self.counted_from_ns(reading) + self.terms.lease_us * 1_000 * _MILLION // _FAST,
            bounds.surely_until_ns(reading.t_us + self.terms.lease_us),
        )
        self.lease = Lease(epoch, gseq, readings, bounds, end_ns)
        self.heard = Heard(reading.t_us, bounds)
        self._first = self._opening = None

    def kept(self, epoch: int, reading: Reading) -> tuple[Reading, ...] | None:
        """The earlier readings that this one must agree with; None: they were too old when it was asked for. A process
        may be held up between looking what is due and asking."""
        lease, first = self.lease, self._first
        if lease is not None and lease.epoch == epoch and not self.ended(lease, reading.sent_ns):
            oldest_ns = reading.sent_ns - self.terms.lease_us * 1_000  # so the latest one is always among them
            return tuple(r for r in lease.readings if r.received_ns > oldest_ns)
        if lease is None and first is not None and first.epoch == epoch and not self._too_old(first, reading.sent_ns):
            return (first.reading,)
        return None

    def agree(self, bounds: Bounds, now_ns: int) -> bool:
        """Whether these readings can be of one clock that was not stepped."""
        return bounds.meet(now_ns)

    def vague(self, reading: Reading) -> bool:
        """Whether a reading took too long to be of use."""
        return reading.received_ns - reading.sent_ns > self.terms.vague_ns

    def counted_from_ns(self, reading: Reading) -> int:
        """When a lease begins: as early as the store may have granted it."""
        return reading.sent_ns

    # ------------------------------------------------------------------------------------------------ small things

    def _need(self, run: str, ended: bool, now_ns: int) -> None:
        opening = self._opening
        self._first = None
        if opening is not None and opening.run == run and not ended:
            return  # it is begun already, and not open yet
        self._run = run
        self._opening = _Opening(run, ended=ended)
        self._next_ns = now_ns + self._pause_ns

    def _give_up(self) -> None:
        """The lease is used no more. Whoever decides reads the clock and then looks whether there is a lease, perhaps
        in another thread: so whatever was decided by it was read before the next reading here."""
        self._given_up, self.lease = self.lease, None

    def _open_ns(self, opening: _Opening) -> int:
        return opening.begun_ns + self.wait_us() * 1_000

    def wait_us(self) -> int:
        """After an epoch was begun: until all leases of earlier ones have ended."""
        return self.terms.outlasts_us + AFTER_US

    def _too_old(self, first: _First, now_ns: int) -> bool:
        return now_ns - first.reading.received_ns > 4_000 * self.terms.lease_us

    def _waited(self, first: _First, now_ns: int) -> bool:
        return now_ns - first.reading.received_ns > (self.terms.outlasts_us + AFTER_US) * 1_000

    def _known(self) -> tuple[str, str]:
        head = self.timeline.head
        return ("0", "") if head is None else (str(head.sequence), head.entry_hash)

    def _too_late(self, now_ns: int, share: int) -> None:
        """This answer gives no lease; the next one may. Where they are always late, they are asked for no sooner than
        usual: the way to the store is long, and what is heard by it counts all the same."""
        self.vagues += 1
        self._late += 1
        if self._late <= LATE_MAX:
            self._soon(now_ns, share)

    def _soon(self, now_ns: int, share: int) -> None:
        """Ask again after a share of a lease."""
        self._next_ns = now_ns + self.terms.lease_us * 1_000 // share
