"""The self-test of a ruleset: a node decides by it before anybody asks, in two ways, and says what came of it.

Requests that follow from the ruleset (engine/self_test.py) are decided: in one compiled call where they are ordinary,
else at length. Of the ordinary ones as many as there is time for, from all over the list, are decided at length as
well, and the bytes must be the same. One SHA-256 over all decisions stands for what this node answers by this ruleset:
nodes that have the same ruleset and say another one must not both serve. It does not depend on which way was gone.

What can go wrong, and who is told:

* Unusable    the operator: this node's two ways disagree, so that the ruleset is rejected here (server/activate.py)
"""

from __future__ import annotations

import hashlib
from typing import Final

from engine.basket import BadRequest, Request
from engine.decide import decide
from engine.direct import Direct
from engine.image import Ruleset
from engine.self_test import evenly, requests
from server.activate import Unusable
from server.answers import to_message
from server.requests import message_of

TWICE_BYTES: Final = 128 << 10  # of decisions that are made in both ways: some tens of milliseconds
TWICE_LEAST: Final = 6  # of them, whatever their size

_PREFIX: Final = b"einklang self-test 1\x00"


def self_test(ruleset: Ruleset, direct: Direct) -> str:
    """SHA-256 in hex over what the self-test's requests get. Raises Unusable where both ways disagree."""
    asked = requests(ruleset)
    decided: list[bytes | None] = []
    for one in asked:
        answer = direct.decide(message_of(one).SerializeToString(deterministic=True), one.at_us)
        decided.append(None if answer is None else answer.decision)
    ordinary = [place for place, decision in enumerate(decided) if decision is not None]
    size = sum(len(decision) for decision in decided if decision is not None)
    twice = max(TWICE_LEAST, len(ordinary) * TWICE_BYTES // max(1, size))
    looked_at = {ordinary[place] for place in evenly(len(ordinary), twice)}
    said = hashlib.sha256(_PREFIX)
    for place, (one, decision) in enumerate(zip(asked, decided, strict=True)):
        if decision is None or place in looked_at:
            expected = at_length(ruleset, one)
            if decision not in (None, expected):
                text = f"request {place + 1} is decided otherwise in compiled code than at length"
                raise Unusable(f"the self-test failed: {text}")
            decision = expected
        said.update(b"%d\x00" % len(decision) + decision)
    return said.hexdigest()


def at_length(ruleset: Ruleset, asked: Request) -> bytes:
    """The Decision's canonical bytes; or why it is refused, which is a result as well."""
    try:
        decision = decide(ruleset, asked)
    except BadRequest as refused:
        return b"refused " + str(refused).encode("utf-8", "replace")
    message = to_message(
        decision,
        codes=asked.codes,
        promotions=ruleset.by_name,
        product_titles=ruleset.product_titles,
        prices_include_tax=ruleset.settings.prices_include_tax,
        writings=ruleset.writings,
    )
    return message.SerializeToString(deterministic=True)
