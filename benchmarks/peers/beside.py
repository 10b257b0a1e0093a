"""Our engine and its peers, asked the same in turn: who finds what, and how long each takes.

Ours decides: it matches, prices and combines, from bytes to bytes. The peers match alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from statistics import median
from typing import TYPE_CHECKING, Final, NamedTuple

from benchmarks.peers.json_logic import JsonLogic
from benchmarks.peers.json_rules import JsonRules
from benchmarks.peers.matching import Basket, Matching, Missing, Peer, elsewhere
from benchmarks.peers.oscar import Oscar
from benchmarks.peers.zen import Zen
from benchmarks.steps import Steps, undisturbed
from einklang.v1 import decision_pb2 as pb

if TYPE_CHECKING:
    from engine.image import Ruleset

PEERS: Final[dict[str, Callable[[Matching], Peer]]] = {
    "zen": lambda matching: Zen(matching.promotions),
    "json-logic": lambda matching: JsonLogic(matching.promotions),
    "json-rules": lambda matching: JsonRules(matching.promotions),
    "oscar": lambda matching: Oscar(matching.promotions, matching.members),
}
MATCHING: Final = 3  # steps of ours that a peer does too: read, resolve, touch
SLOW_NS: Final = 20_000_000
SLOW_TRIES: Final = 2  # of whoever takes that long
PASSES: Final = 2  # over the baskets in one try: after the first one the caches hold what others left no longer


class Timed(NamedTuple):
    """What one engine took, and whether it found what ours did."""

    title: str
    median_us: float
    alike: int  # baskets for which it found the same promotions
    asked: int


class Beside(NamedTuple):
    """Ours: the whole decision, and matching alone; its peers; those that are not installed, and what to do."""

    ours: Timed
    matching: Timed
    peers: list[Timed]
    missing: dict[str, str]


def compare(names: Sequence[str], ruleset: Ruleset, requests: Sequence[pb.DecideRequest], tries: int) -> Beside:
    """Ask all of them. Each basket is asked for twice, the second time when and where fewer promotions hold; times are
    of the first."""
    matching, steps = Matching(ruleset), Steps(ruleset, 0)
    messages = [*requests, *map(elsewhere, requests)]
    asked = [message.SerializeToString() for message in messages]
    expected = [matching.ours(steps.apart(data).table) for data in asked]
    baskets, count = [matching.basket(message) for message in messages], len(requests)
    missing: dict[str, str] = {}
    with ExitStack() as stack, undisturbed():
        peers = [stack.enter_context(closing(peer)) for peer in _made(names, matching, missing)]
        alike = [_alike(peer, baskets, expected) for peer in peers]
        left = [tries] * len(peers)
        best = [[math.inf] * count for _ in range(2 + len(peers))]
        for _ in range(tries):
            for _ in range(PASSES):
                _note(best[0], [steps.whole(data) for data in asked[:count]])
                _note(best[1], [sum(steps.apart(data).steps[:MATCHING]) for data in asked[:count]])
            for place, peer in enumerate(peers):
                for _ in range(PASSES if left[place] > 0 else 0):
                    _note(best[2 + place], [peer.match(basket).nanoseconds for basket in baskets[:count]])
                slow = median(best[2 + place]) > SLOW_NS
                left[place] = min(left[place], SLOW_TRIES if slow else tries) - 1
        us = [median(of) / 1e3 for of in best]
        return Beside(
            Timed("Einklang, the whole decision", us[0], len(asked), len(asked)),
            Timed("  of it read, resolve, touch", us[1], len(asked), len(asked)),
            [Timed(peer.title, us[2 + place], alike[place], len(asked)) for place, peer in enumerate(peers)],
            missing,
        )


def _made(names: Sequence[str], matching: Matching, missing: dict[str, str]) -> Iterator[Peer]:
    """Those that are installed."""
    for name in names:
        try:
            yield PEERS[name](matching)
        except Missing as error:
            missing[name] = str(error)


def _alike(peer: Peer, baskets: Sequence[Basket], expected: Sequence[set[int]]) -> int:
    """For how many baskets it finds the same."""
    return sum(set(peer.match(basket).promotions) == found for basket, found in zip(baskets, expected, strict=True))


def _note(best: list[float], took: Sequence[int]) -> None:
    best[:] = map(min, best, took)
