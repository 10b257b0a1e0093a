"""Requests resolved twice: quickly, and as every request can be. They are the same buffer, or the quick way is shy.

    python -m tests.quick 0 20000      # requests 0 to 19,999; exit code 1 and those that differ

`python -m tests.quick N N+1` repeats one of them.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache, lru_cache
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np

from einklang.v1 import decision_pb2 as pb
from engine.asked import scratch
from engine.basket import BadRequest, Customer, Request
from engine.image import load
from engine.kernel import Ints, compile_kernels
from engine.layout import QUESTION
from engine.link import link
from server.contract import Refused
from server.convert import to_request
from server.requests import message_of
from tests import bulk
from tests.generated_requests import request
from tests.generators import ruleset

REQUESTS = 20  # of one ruleset
BLOCK = 10  # rulesets a process takes at once
AT_US = 1_790_000_000_000_000  # the instant that is judged where a request names none


@cache
def engine() -> Any:
    """What holds kernels, imported when their cache is set; and the room to resolve in, never cleaned."""
    from engine import quick, wire
    from engine.known import known
    from engine.resolve import check, resolve

    compile_kernels()
    room, notes = quick.room()
    return SimpleNamespace(
        quick=quick, wire=wire, known=known, check=check, resolve=resolve, asked=scratch(), room=room, notes=notes
    )


def ordinary(asked: Request, random: Random) -> Request:
    """A request without what is rare, so that it is not read elsewhere."""
    customer = replace(asked.customer, events=None, facts_as_of_us=0)
    if random.random() < 0.5:
        customer = replace(customer, attributes={})
    return replace(
        asked,
        lines=tuple(replace(line, attributes={}, gift_of="") for line in asked.lines),
        codes=(),
        usage=(),
        variants=(),
        manual_discounts=(),
        next_steps=0,
        store_attributes={},
        delivery_attributes={},
        basket_attributes={},
        basket="" if random.random() < 0.5 else asked.basket,
        customer=customer if random.random() < 0.5 else Customer(),
    )


def numbered(number: int) -> bytes:
    """One of the requests, three of four of them ordinary; some with a few bytes changed."""
    seed, random = number // REQUESTS, Random(number)
    asked = request(ruleset(seed), number)
    if number % 4:
        asked = ordinary(asked, random)
    data = bytearray(message_of(asked).SerializeToString())
    if number % 10 == 9:
        for _ in range(random.randint(1, 3)):
            data[random.randrange(len(data))] = random.randrange(256)
    return bytes(data)


def resolved(known_of: Any, data: bytes) -> tuple[str, Ints | None]:
    """What the quick way makes of these bytes, by what is known of a ruleset: the buffer, or why there is none."""
    e = engine()
    read = e.wire.read(np.frombuffer(data, np.uint8), e.asked)
    if read:
        return f"not read: {e.wire.REASONS[read]}", None
    reason = e.quick.columns(known_of, e.asked, np.frombuffer(data, np.uint8), AT_US, e.room, e.notes)
    if reason:
        return f"shy: {e.quick.REASONS[reason]}", None
    last = 2 * (len(QUESTION) - 1)
    return "resolved", e.room[: e.room[last] + e.room[last + 1]]


def difference(rules: Any, known_of: Any, data: bytes) -> tuple[str, str]:
    """What the quick way made of a request, and what is wrong with that ("": nothing)."""
    e = engine()
    kind, found = resolved(known_of, data)
    if found is None:
        return kind, ""
    try:
        asked = to_request(pb.DecideRequest.FromString(data), at_us=AT_US)
        e.check(asked)
        expected = e.resolve(rules, asked)
    except (Refused, BadRequest) as refused:
        return kind, f"resolved quickly, and refused: {refused}"
    for field, (name, _, _) in enumerate(QUESTION):
        one, other = (some[some[2 * field] :][: some[2 * field + 1]] for some in (expected.question, found))
        if not np.array_equal(one, other):
            return kind, f"{name}: {one[:9].tolist()} and quickly {other[:9].tolist()}"
    order = [asked.lines[i].id for i in e.notes[: len(asked.lines)].tolist()]
    if order != [line.id for line in expected.lines] or len(found) != len(expected.question):
        return kind, "lines in another order, or a longer buffer"
    return kind, ""


@lru_cache(maxsize=2)
def opened(seed: int) -> tuple[Any, Any]:
    """A generated ruleset, and what is known of it."""
    image = link(ruleset(seed))
    rules = load(image.manifest, image.parts)
    return rules, engine().known(rules)


def judged(
    first: int,
    end: int,
    opened: Callable[[int], tuple[Any, Any]],
    difference: Callable[[Any, Any, bytes], tuple[str, str]],
) -> tuple[Counter[str], list[str]]:
    """Some requests: what was made of how many, and those that differ."""
    counts: Counter[str] = Counter()
    wrong = []
    for number in range(first, end):
        kind, apart = difference(*opened(number // REQUESTS), numbered(number))
        counts[kind] += 1
        if apart:
            wrong.append(f"request {number}: {apart}")
    return counts, wrong


def block(first: int, end: int) -> tuple[Counter[str], list[str]]:
    """Some requests, resolved twice."""
    return judged(first, end, opened, difference)


if __name__ == "__main__":
    sys.exit(bulk.command(__doc__, block, BLOCK * REQUESTS))
