"""The protocol with one thing left out each: the simulator must see every one of them.

A mutant is a World whose nodes are of another class or whose functions have another text. Pinned to it is a
seed that shows the fault. `python -m tests.fault.mutants NAME 0 200 3` looks for the first 3 of 200 seeds that do.

What chance does not meet is tried by hand in test_regressions.py: no guard band, no margin, vague readings, a store
that lost entries.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from server.lease import FOREVER, Bounds, Lease, Node, Reading, Wait, Window
from tests.fault.simulator import Run, World


class NoLease(Node):
    """Decides for ever by what it knows."""

    def ended(self, lease: Lease, now_ns: int) -> bool:
        return False

    def window(self, now_ns: int) -> Window | Wait | None:
        found = super().window(now_ns)
        return found._replace(lease_end_ns=FOREVER) if isinstance(found, Window) else found


class NoFreeze(Node):
    """Opens an epoch at once."""

    def wait_us(self) -> int:
        return 0


class NoClockGuard(Node):
    """Believes every reading."""

    def agree(self, bounds: Bounds, now_ns: int) -> bool:
        return True


class KeepsLittle(Node):
    """Compares a reading with what it still has, if anything."""

    def kept(self, epoch: int, reading: Reading) -> tuple[Reading, ...] | None:
        lease = self.lease
        if lease is None or lease.epoch != epoch:
            return super().kept(epoch, reading) or ()
        oldest_ns = reading.received_ns - self.terms.lease_us * 1_000
        return tuple(known for known in lease.readings if known.received_ns > oldest_ns)


class NoBoundaryWait(Node):
    """Takes the middle of T's bounds for T."""

    def window(self, now_ns: int) -> Window | Wait | None:
        lease = self.lease
        if lease is None or self.ended(lease, now_ns):
            return None
        middle_us = (lease.bounds.earliest_us(now_ns) + lease.bounds.latest_us(now_ns)) // 2
        return Window(now_ns, now_ns + 1, lease.end_ns, self.timeline.in_force(middle_us), lease.bounds, lease.epoch)


class NoGuardBand(Node):
    """Decides by the new entry once surely T >= A."""

    def guard_us(self) -> int:
        return 0


class FromReply(Node):
    """Counts its lease, and the clock's reading, from the reply on."""

    def answered(self, reply: Sequence[bytes], sent_ns: int, received_ns: int, now_ns: int) -> None:
        super().answered(reply, received_ns, received_ns, now_ns)


class Vague(Node):
    """Counts readings of any length."""

    def vague(self, reading: Reading) -> bool:
        return False


class Mutant(NamedTuple):
    """One thing left out, and a seed that shows it."""

    seed: int
    world: World


W = World(remembers=False, hurries=0)  # the seeds were found with this
SLOWLY = replace(W, takes_s=10, leases_s=(1,))
REPLICA = replace(W, replicas=(1,))
HEARSAY = replace(REPLICA, faults=("fail-over", "cut"), pause_s=3, delays=0.1, leases_s=(1, 3))
ALONE = replace(W, replicas=(0,), houses=0, nodes=(1, 2), leases_s=(1, 3))
LEAVE = replace(ALONE, nodes=(1,), leases_s=(3,), faults=("leave", "step"), pause_s=1, steps_s=(5,))
KEPT = replace(ALONE, nodes=(2, 3), leases_s=(3,), faults=("leave", "step", "cut"), pause_s=2, steps_s=(1, 5))
HOUSES = replace(W, replicas=(0,), houses=1, leases_s=(1, 3), faults=("restart", "step"), pause_s=1.5, steps_s=(5,))
BACK = replace(W, replicas=(0,), houses=0, leases_s=(3,), faults=("step",), pause_s=2, steps_s=(2, 5))
HORIZON = replace(W, horizons=(2,), leases_s=(1, 2), faults=("cut", "pause"), pause_s=2)
JOINS = replace(
    W, nodes=(1, 2), replicas=(0,), houses=0, leases_s=(1,), faults=("step", "kill"), pause_s=1, steps_s=(1, 5)
)
ENDED = replace(
    W, nodes=(1, 2), replicas=(0,), houses=0, leases_s=(1,), faults=("step", "cut"), pause_s=0.7, steps_s=(1, 5)
)
CUTS = replace(W, nodes=(2, 3), replicas=(0,), houses=0, leases_s=(3,), faults=("cut", "kill"), pause_s=1.5)
CONFIRM = "local function confirm(meta, state) redis.call('HSET', meta, 'hwm_us', whole(state.hwm_us)) end"


def changed(seed: int, world: World, *pieces: tuple[str, str]) -> Mutant:
    """With these pieces of the functions' text replaced."""
    return Mutant(seed, replace(world, changed=pieces))


MUTANTS: dict[str, Mutant] = {
    "no lease": Mutant(3, replace(W, node=NoLease)),
    "no look at the lease after deciding": Mutant(6, replace(W, rechecks=False)),
    "another lease will do, whatever is in force by it": Mutant(0, replace(SLOWLY, forgets=True)),
    "lease counted from the reply": Mutant(0, replace(W, node=FromReply, leases_s=(1,))),
    "windows kept after giving up": Mutant(2, replace(KEPT, keeps=True)),
    "short lead": changed(3, W, ("earliest = now + outlasts(state.lease_us) + MARGIN_US", "earliest = now + 60000")),
    "no lead for the second entry": changed(5, W, ("if length > 0 then earliest", "if length > 1 then earliest")),
    "no high-water mark": changed(9, BACK, ("local now = math.max(time, state.hwm_us)", "local now = time")),
    "horizon ignored": changed(0, HORIZON, ("earliest = earliest + state.horizon_us", "earliest = earliest + 0")),
    "push only": Mutant(3, replace(W, told=True)),
    "no boundary wait": Mutant(3, replace(W, node=NoBoundaryWait)),
    "no epoch freeze": Mutant(
        3,
        replace(W, node=NoFreeze, changed=(("if waited or left then base = base + outlasts(state.lease_us) end", ""),)),
    ),
    "second opener": changed(
        3,
        W,
        (
            "if state.open == 1 then return {'ALREADY'} end",
            "if state.open == 1 then return grant(keys, state, args[3], clock_us() + state.off_us, "
            "redis.call('LRANGE', keys[2], num(args[7]), -1)) end",
        ),
    ),
    "any run will do": changed(5, W, ("if state.run ~= run or state.open ~= 1 then", "if state.open ~= 1 then")),
    "always alone": changed(3, W, ("if not gone then return false, left end", "")),
    "a sole holder's T forgotten": changed(31, ALONE, ("math.max(state.hwm_us, num(args[6]))", "state.hwm_us")),
    "an earlier house decided nothing": changed(12, HOUSES, ("if waited or left then", "if waited then")),
    "release without T": changed(20, LEAVE, ("higher(keys[1], state, num(args[4]))", "")),
    "no clock guard": Mutant(3, replace(W, node=NoClockGuard)),
    "T is the clock": changed(40, W, ("return clock_us() + state.off_us", "return clock_us()")),
    "no join guard": changed(
        1,
        replace(JOINS, node=KeepsLittle),
        ("if num(args[5]) ~= state.epoch then", "if false then"),
        ("if state.vseq > num(args[6]) then", "if true then"),
    ),
    "no witness": changed(
        2,
        JOINS,
        (
            "if args[8] ~= '1' then return",
            "if args[8] == '1' then return grant(keys, state, args[1], time, entries) end if true then return",
        ),
    ),
    "a first reading leaves no mark": changed(
        2, JOINS, ("    higher(keys[1], state, time) -- what is", "    -- what is")
    ),
    "a lease that ended vouches": Mutant(19, replace(ENDED, node=KeepsLittle)),
    "all leases always ended": changed(129, CUTS, ("state.granted == num(args[7]) and '1' or '0'", "'1'")),
    "no WAIT": Mutant(41, replace(REPLICA, waits=False)),
    "unconfirmed hearsay": changed(6, HEARSAY, (CONFIRM, "local function confirm() end")),
}


def main(name: str, first: int, last: int, most: int) -> None:
    """Print the seeds that show these mutants, the quickest first."""
    for known, mutant in MUTANTS.items():
        if name not in known:
            continue
        found: list[tuple[float, int, str]] = []
        for seed in range(first, last):
            begin = time.perf_counter()
            bad = Run(seed, mutant.world).run().bad
            if bad:
                found.append((round(time.perf_counter() - begin, 3), seed, bad[0]))
                if len(found) == most:
                    break
        print(f"{known}: {len(found)} of {seed + 1 - first}: {sorted(found)[:3]}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
