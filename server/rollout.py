"""From a stored ruleset to entries in the Timeline: plan, derive, stage, wait until every node is ready, append.

    what is asked ─▶ the entries that say it (engine/schedule.py) ─▶ rulesets without what is paused, linked and stored
                  ─▶ staged: every node fetches, verifies, maps, warms, tries ─▶ all ready ─▶ appended, all or none

Between planning and appending something else may be appended, or time passes: then it is planned again, and what was
worked out so far is kept.

What can go wrong, and who is told: the publisher, always; nothing was appended

* NodesNotReady     nodes cannot decide by it, or do not say that they can; the message names them
* NotPossible       engine.schedule's, TooSoon with it
* stores.TooEarly   the instant is nearer than every node can know of it
* TooLate           it took longer than a publication may
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from engine import schedule
from engine.schedule import Draft
from engine.timeline import Entry, Timeline
from server import store as stores

TRIES: Final = 50  # plans of one change
POLL_S: Final = 0.05
LEASES: Final = 3  # a node that was not heard of for so many leases is waited for by nobody
GRACE_S: Final = 2.0  # for a node to say anew what it said of this ruleset when it was staged before
NAMED_MAX: Final = 5  # nodes in a message

Derive = Callable[[str, frozenset[str]], Awaitable[str]]
States = tuple[tuple[str, str, str], ...]  # of each node: its name; "pending", "ready" or "failed"; why


class NodesNotReady(Exception):
    """Nodes cannot decide by a ruleset, or do not say so in time. Nothing was appended."""


class TooLate(Exception):
    """It took longer than it may. Nothing was appended."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asks of the Timeline. `at_us` None: as soon as it allows."""

    kind: str  # "publish", "rollback", "pause", "resume" or "cancel"
    at_us: int | None = None
    digest: str = ""  # publish
    sources: str = ""
    promotion: str = ""  # pause, resume
    until_us: int = 0  # pause
    sequence: int = 0  # of the entry that is taken back, or gone back to; 0: the one before


@dataclass(frozen=True, slots=True)
class Told:
    """What came of it. `unchanged`: what was asked for is so already, by this entry."""

    entries: tuple[Entry, ...]
    unchanged: bool = False


class NotTakenBack(stores.TooEarly):
    """The entry is in force, or about to be. Nothing was appended."""

    def __init__(self, sequence: int, soon: schedule.TooSoon, now_us: int) -> None:
        super().__init__(soon.effective_from_us, soon.earliest_us)
        when = "took force already" if soon.effective_from_us <= now_us else "takes force too soon to be taken back"
        self.message = f"entry {sequence} {when}: publish, resume or roll back"

    def __str__(self) -> str:
        """What to do."""
        return self.message


class _Lacks(Exception):
    """A ruleset is needed that was not derived yet."""

    def __init__(self, base: str, names: frozenset[str]) -> None:
        self.base, self.names = base, names


class _NotStaged(Exception):
    """Rulesets are needed that were not ready yet."""

    def __init__(self, digests: frozenset[str]) -> None:
        self.digests = digests


class _Already(Exception):
    def __init__(self, entry: Entry) -> None:
        self.entry = entry


class RollOut:
    """One change of the Timeline."""

    def __init__(
        self,
        store: stores.Store,
        change: stores.Change,
        derive: Derive,
        *,
        force: bool,
        readiness_s: float,
        deadline_us: int,
        tell: Callable[[States], Awaitable[None]],
        about_to_append: Callable[[], Awaitable[None]],
    ) -> None:
        """`force`: nodes that are not ready are no reason to refuse. `deadline_us`: T after which nothing is appended.
        `tell` is told what the nodes say, whenever that changes."""
        self._store = store
        self._change = change
        self._derive = derive
        self._force = force
        self._readiness_s = readiness_s
        self._deadline_us = deadline_us
        self._tell = tell
        self._about_to_append = about_to_append
        self._derived: dict[tuple[str, frozenset[str]], str] = {}
        self._ready: set[str] = set()
        self._staged: set[str] = set()  # by us

    async def append(self, wish: Wish) -> Told:
        """Have the Timeline say what is asked for. Raises as above, and stores.StoreError."""
        try:
            return await self._append(wish)
        except BaseException:
            if self._staged:
                await asyncio.shield(self._unstage(self._staged))
            raise

    async def _append(self, wish: Wish) -> Told:
        def plan(timeline: Timeline, now_us: int, earliest_us: int) -> Sequence[Draft]:
            return self._planned(wish, timeline, now_us, earliest_us)

        for _ in range(TRIES):
            try:
                now_us, timeline = await self._store.read(Timeline())
                ahead_us = 0 if timeline.head is None else self._store.terms.lead_us
                if self._change.urgent and ahead_us:
                    ahead_us -= self._store.terms.horizon_us
                plan(timeline, now_us, now_us + ahead_us + stores.ASAP_MARGIN_US)
                await self._about_to_append()
                return Told(await self._store.append(plan, self._change))
            except _Lacks as lacks:
                self._derived[lacks.base, lacks.names] = await self._derive(lacks.base, lacks.names)
            except _NotStaged as lacks:
                await self._prepare(lacks.digests)
            except _Already as already:
                return Told((already.entry,), unchanged=True)
        raise stores.StoreUnavailable("the Timeline changes quicker than this can be planned; try again")

    def _planned(self, wish: Wish, timeline: Timeline, now_us: int, earliest_us: int) -> Sequence[Draft]:
        """What to append now. Raises _Lacks, _NotStaged, _Already, and what the publisher is told."""
        if now_us > self._deadline_us:
            raise TooLate("it took longer than a publication may; nothing was scheduled")
        if wish.at_us is not None and wish.at_us < earliest_us:
            raise stores.TooEarly(wish.at_us, earliest_us)
        at_us = earliest_us if wish.at_us is None else wish.at_us
        try:
            found = schedule.drafts(timeline, _change(wish, timeline, now_us, at_us), self._without, earliest_us)
        except schedule.TooSoon as soon:
            raise NotTakenBack(wish.sequence, soon, now_us) from None
        needed = frozenset(draft.digest for draft in found if draft.kind != "cancel") - self._ready
        if needed:
            raise _NotStaged(needed)
        return found

    def _without(self, base: str, names: frozenset[str]) -> str:
        try:
            return self._derived[base, names]
        except KeyError:
            raise _Lacks(base, names) from None

    # ------------------------------------------------------------------------------------------------ readiness

    async def _prepare(self, digests: frozenset[str]) -> None:
        """Have every node get these ready, and wait for it. Raises NodesNotReady."""
        loop = asyncio.get_running_loop()
        before = {digest: await self._store.acks(digest) for digest in digests}
        await self._clear(digests)
        for digest in sorted(digests):
            self._staged.add(digest)
            await self._store.stage_ruleset(digest, note=self._change.change_id)
        begin = loop.time()
        told: States | None = None
        timeline = Timeline()
        while True:
            now_us, timeline = await self._store.read(timeline)
            since_us = now_us - LEASES * self._store.terms.lease_us
            known = await self._store.nodes()
            live = [name for name, (seen_us, said) in known.items() if said and seen_us >= since_us]
            acks = {digest: await self._store.acks(digest) for digest in digests}
            if loop.time() < begin + GRACE_S:  # what a node said earlier may be otherwise by now: signed, stored again
                for digest, rows in before.items():
                    for name, said in rows.items():
                        if said != "READY" and acks[digest].get(name) == said:
                            del acks[digest][name]
            states = tuple(
                (name, *_state([acks[digest].get(name) for digest in sorted(digests)])) for name in sorted(live)
            )
            if states != told:
                told = states
                await self._tell(states)
            failed = [(name, why) for name, state, why in states if state == "failed"]
            pending = [name for name, state, _ in states if state == "pending"]
            if failed and not self._force:
                more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
                raise NodesNotReady(f"node {failed[0][0]} cannot decide by it: {failed[0][1]}{more}")
            if loop.time() > begin + self._readiness_s:
                # A node that decides by nothing yet (its engine may still be compiled) takes what is in force by then.
                pending = [name for name in pending if _decides(known[name][1]) and not self._force]
            if not pending:
                self._ready |= digests
                return
            if loop.time() > begin + self._readiness_s:
                names = ", ".join(pending[:NAMED_MAX]) + (" …" if len(pending) > NAMED_MAX else "")
                raise NodesNotReady(
                    f"{len(pending)} of {len(states)} nodes did not say within {self._readiness_s:g} s that they are "
                    f"ready: {names}; mend or stop them, or force it"
                )
            await asyncio.sleep(POLL_S)

    async def _clear(self, ours: frozenset[str]) -> None:
        """Take marks away that are of no use any more: of what is scheduled by now, and of who has gone."""
        timeline = await self._store.timeline()
        scheduled = {entry.digest for entry in timeline.entries}
        now_us = await self._store.now_us()
        for digest, since_us in (await self._store.staged_since()).items():
            gone = now_us - since_us > stores.STAGED_MAX_US
            if digest not in ours and digest not in self._staged and (gone or digest in scheduled):
                await self._store.stage_ruleset(digest, ready=False)

    async def _unstage(self, digests: set[str]) -> None:
        for digest in sorted(digests):
            try:
                await self._store.stage_ruleset(digest, ready=False)
            except stores.StoreError:  # the next roll-out takes it away
                return


def _change(wish: Wish, timeline: Timeline, now_us: int, at_us: int) -> schedule.Change:
    match wish.kind:
        case "publish":
            asked = schedule.wishes(timeline)
            if wish.at_us is None and asked.base(at_us) == wish.digest:
                raise _Already(schedule.base_entry(timeline, at_us))
            return schedule.Base(wish.digest, at_us, "publish", wish.sources)
        case "rollback":
            to = schedule.base_of(timeline, wish.sequence) if wish.sequence else schedule.base_before(timeline, now_us)
            return schedule.Base(to.digest, at_us, "rollback", to.sources)
        case "pause":
            return schedule.Pause(wish.promotion, at_us, wish.until_us)
        case "resume":
            return schedule.Resume(wish.promotion, at_us)
        case _:
            assert wish.kind == "cancel"
            return schedule.Cancel(wish.sequence)


def _decides(status: str) -> bool:
    """Whether a node says that it decides by a ruleset."""
    try:
        said = json.loads(status)
    except (ValueError, RecursionError):
        return True
    return not isinstance(said, dict) or said.get("digest") != ""


def _state(said: Sequence[str | None]) -> tuple[str, str]:
    """Of one node, of what it said of each ruleset."""
    failed = next((one for one in said if one is not None and one.startswith("FAILED")), None)
    if failed is not None:
        return "failed", failed.removeprefix("FAILED").strip()
    return ("ready" if all(one == "READY" for one in said) else "pending"), ""
