"""Many baskets by one ruleset, for the sums alone: what would these promotions have cost last year?

    outcome = backtest(ruleset, requests, at_us, threads=2)

The same kernels as a Decision's, in a compiled loop that lets go of Python's lock; no Decision is written. Baskets out
of the ordinary (engine/quick.py), or to be refused, are named and counted nowhere: engine/decide.py judges them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import NamedTuple

import numpy as np

from engine.combine import combine
from engine.decision import Reason
from engine.direct import Scratch, scratch
from engine.image import Ruleset
from engine.kernel import Buffer, Bytes, Ints, Table, compile_kernels, gate
from engine.known import Known, known
from engine.layout import (
    Q_CURRENCY,
    Q_UNIT_LIST,
    T_APPLICATIONS,
    T_PROMOTION,
    T_REASON,
    T_SAVING,
    at,
    scalar,
    size,
)
from engine.match import candidates, touch
from engine.quick import columns
from engine.state import begun
from engine.wire import read

CHUNK = 1_000  # baskets that a thread takes at once
NOT_READ, NOT_RESOLVED = 100, 200  # and why not: of wire.REASONS, quick.REASONS

_APPLIED = int(Reason.APPLIED)
BASKETS, APPLICATIONS, SAVING = range(3)  # columns of Outcome.promotions
DECIDED, BOUNDED, LIST, SAVED, FEES_SAVED = range(5)  # columns of Outcome.totals


class Outcome(NamedTuple):
    """What came of all baskets, by currency; amounts in minor units."""

    totals: Table  # by currency: baskets decided, of these not proven the best, list amounts, what was saved, on fees
    promotions: Table  # by promotion and currency: baskets that it applied to, applications, what it saved
    unusual: dict[int, int]  # baskets that were not decided: their place → NOT_READ or NOT_RESOLVED, and why

    def of(self, promotion: int, currency: int) -> tuple[int, int, int]:
        """Baskets, applications and saving of a promotion."""
        currencies = self.totals.shape[0]
        baskets, applications, saving = self.promotions[promotion * currencies + currency].tolist()
        return baskets, applications, saving


@gate
def decide_all(
    k: Known,
    rules: Buffer,
    data: Bytes,
    begin: Buffer,
    first: int,
    end: int,
    at_us: int,
    room: Scratch,
    totals: Table,
    promotions: Table,
    unusual: Ints,
) -> None:
    """Decide the requests from `first` to `end`, which begin in `data` where `begin` says; add up what came of them.

    `unusual`: by request, 0 where it was decided."""
    currencies = totals.shape[0]
    for number in range(first, end):
        request = data[begin[number] : begin[number + 1]]
        reason = read(request, room.asked)
        if reason:
            unusual[number] = NOT_READ + reason
            continue
        reason = columns(k, room.asked, request, at_us, room.question, room.notes)
        if reason:
            unusual[number] = NOT_RESOLVED + reason
            continue
        q = room.question
        table = candidates(touch(rules, q))
        state = begun(q, table.shape[1])
        combine(rules, q, table, state)
        currency = scalar(q, Q_CURRENCY)
        totals[currency, DECIDED] += 1
        totals[currency, BOUNDED] += 1 if state.tally[1] else 0
        for unit in range(size(q, Q_UNIT_LIST)):
            totals[currency, LIST] += at(q, Q_UNIT_LIST, unit)
            totals[currency, SAVED] += at(q, Q_UNIT_LIST, unit) - state.left[unit]
        for row in range(state.tally[2]):
            totals[currency, FEES_SAVED] += state.granted[row, 2]
        for row in range(table.shape[1]):
            if table[T_REASON, row] == _APPLIED:
                of = table[T_PROMOTION, row] * currencies + currency
                promotions[of, BASKETS] += 1
                promotions[of, APPLICATIONS] += table[T_APPLICATIONS, row]
                promotions[of, SAVING] += table[T_SAVING, row]


def backtest(
    ruleset: Ruleset,
    requests: Sequence[bytes],
    at_us: int,
    *,
    threads: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Outcome:
    """Decide these DecideRequests by a ruleset and add up. `at_us`: the instant, where one names none.

    Tenants, rulesets and instants of rulesets that they name are not looked at. `progress` is told how many are done,
    from any thread."""
    compile_kernels()
    of = known(ruleset)
    data = np.frombuffer(b"".join(requests), np.uint8)
    begin = np.concatenate(([0], np.cumsum([len(request) for request in requests], dtype=np.int64))).astype(np.int64)
    begin.flags.writeable = False
    unusual = np.zeros(len(requests), np.int64)
    lock, done, waiting = Lock(), 0, iter(range(0, len(requests), CHUNK))

    def work() -> tuple[Table, Table]:
        nonlocal done
        room = scratch()
        totals, promotions = _nothing(ruleset)
        while True:
            with lock:
                first = next(waiting, None)
            if first is None:
                return totals, promotions
            end = min(first + CHUNK, len(requests))
            decide_all(of, ruleset.buffer, data, begin, first, end, at_us, room, totals, promotions, unusual)
            if progress is not None:
                with lock:
                    done += end - first
                progress(done)

    with ThreadPoolExecutor(threads) as pool:
        parts = [future.result() for future in [pool.submit(work) for _ in range(threads)]]
    totals, promotions = _nothing(ruleset)
    for some, each in parts:
        totals += some
        promotions += each
    return Outcome(totals, promotions, {place: int(unusual[place]) for place in np.flatnonzero(unusual).tolist()})


def _nothing(ruleset: Ruleset) -> tuple[Table, Table]:
    """Sums of no basket."""
    currencies = len(ruleset.currencies)
    return np.zeros((currencies, 5), np.int64), np.zeros((len(ruleset.promotions) * currencies, 3), np.int64)
