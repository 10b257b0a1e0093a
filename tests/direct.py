"""Requests answered twice: in compiled code from bytes to bytes, and as every request can be. The bytes are the same.

    python -m tests.direct 0 20000      # requests 0 to 19,999 of tests/quick.py; exit code 1 and those that differ

`python -m tests.direct N N+1` repeats one of them. What compiled code leaves to others counts with its reason.
"""

from __future__ import annotations

import sys
from collections import Counter
from functools import lru_cache
from typing import Any

from einklang.v1 import decision_pb2 as pb
from engine.basket import BadRequest
from engine.image import Ruleset, load
from engine.link import link
from server.answers import to_message
from server.contract import Refused
from server.convert import to_request
from tests import bulk
from tests.generators import ruleset
from tests.quick import AT_US, BLOCK, REQUESTS, judged


def at_length(rules: Ruleset, data: bytes) -> tuple[bytes, bool] | str:
    """A request's Decision as the contract's library writes it, and whether limits were judged as given; or why it is
    refused."""
    from engine.decide import decide

    try:
        asked = to_request(pb.DecideRequest.FromString(data), at_us=AT_US)
        decision = decide(rules, asked)
    except (Refused, BadRequest) as refused:
        return str(refused)
    message = to_message(
        decision,
        codes=asked.codes,
        promotions=rules.by_name,
        product_titles=rules.product_titles,
        prices_include_tax=rules.settings.prices_include_tax,
        writings=rules.writings,
    )
    judged = any(result.usage_as_given for result in decision.promotions)
    return message.SerializeToString(deterministic=True), judged


def difference(rules: Ruleset, direct: Any, data: bytes) -> tuple[str, str]:
    """What became of a request, and what is wrong with that ("": nothing)."""
    from engine import direct as door
    from engine import quick, rows, wire

    reason = direct.ask(data, AT_US, anyhow=True)
    if reason >= door.NOT_WRITTEN:
        return "not written", ""
    if reason >= door.NOT_FILLED:
        return f"not filled: {rows.REASONS[reason - door.NOT_FILLED]}", ""
    if reason >= door.NOT_RESOLVED:
        return f"not resolved: {quick.REASONS[reason - door.NOT_RESOLVED]}", ""
    if reason >= door.NOT_READ:
        return f"not read: {wire.REASONS[reason - door.NOT_READ]}", ""
    if reason == door.TO_TELL:
        return "told", "it is told, and asks again"
    answer, expected = direct.answered(), at_length(rules, data)
    if isinstance(expected, str):
        return "answered", f"refused at length: {expected}"
    if (answer.decision, answer.usage_judged) == expected:
        return "answered", ""
    one, other = pb.Decision.FromString(expected[0]), pb.Decision.FromString(answer.decision)
    return "answered", f"at length: {_apart(one, other)}\nand directly: {_apart(other, one)}"


def _apart(one: pb.Decision, other: pb.Decision) -> str:
    """The fields in which a Decision is apart from another."""
    fields = [
        f"{f.name}: {str(getattr(one, f.name))[:1500]}"
        for f in one.DESCRIPTOR.fields
        if getattr(one, f.name) != getattr(other, f.name)
    ]
    return "\n".join(fields) or "the same fields in other bytes"


@lru_cache(maxsize=2)
def opened(seed: int) -> tuple[Ruleset, Any]:
    """A generated ruleset, and what answers by it."""
    from engine.direct import Direct

    image = link(ruleset(seed))
    rules = load(image.manifest, image.parts)
    return rules, Direct(rules)


def block(first: int, end: int) -> tuple[Counter[str], list[str]]:
    """Some requests, answered twice."""
    return judged(first, end, opened, difference)


if __name__ == "__main__":
    sys.exit(bulk.command(__doc__, block, BLOCK * REQUESTS))
