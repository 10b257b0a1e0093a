"""json-rules-engine on Node: each promotion a rule, of which the product sets are judged first.

A process of its own (json_rules.mjs) holds the engine, gets promotions and baskets as lines of JSON, and times itself:
what it costs to speak with it does not count.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.peers.matching import Basket, Found, Missing, Promotion
from benchmarks.serving import ROOT

PACKAGES: Final = ROOT / "requirements" / "node"
HERE: Final = Path(__file__).resolve().parent
FIRST, SECOND = 3, 2  # priorities: conditions of a higher one are judged before the others, and may end it


class JsonRules:
    """The process that holds the engine."""

    def __init__(self, promotions: Sequence[Promotion]) -> None:
        node = shutil.which("node")
        if node is None or not (PACKAGES / "node_modules" / "json-rules-engine").is_dir():
            raise Missing("install Node, then npm ci --ignore-scripts --prefix requirements/node")
        self._process = subprocess.Popen(
            [node, str(HERE / "json_rules.mjs"), str(PACKAGES / "package.json")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        said = self._ask([rule(number, promotion) for number, promotion in enumerate(promotions)])
        self.title = f"json-rules-engine {said['engine']}, Node {said['node']}"

    def match(self, basket: Basket) -> Found:
        """Which promotions are about this basket."""
        said = self._ask(facts(basket))
        return Found(said["promotions"], said["nanoseconds"])

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def _ask(self, of: object) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(of) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise Missing(f"Node ended with {self._process.wait()}")
        return json.loads(line)


def facts(basket: Basket) -> dict[str, object]:
    """A basket."""
    return {
        "at": basket.at_s,
        "channel": basket.channel,
        "codes": list(basket.code_sets),
        "goods": list(basket.product_sets),
    }


def rule(number: int, promotion: Promotion) -> dict[str, Any]:
    """A promotion."""
    goods = [_condition("goods", "contains", goods, FIRST) for goods in promotion.product_sets]
    every: list[dict[str, Any]] = [{"any": goods, "priority": FIRST}] if len(goods) > 1 else [*goods]
    if promotion.code_set >= 0:
        every.append(_condition("codes", "contains", promotion.code_set, SECOND))
    every.append(_condition("at", "greaterThanInclusive", promotion.start_s))
    every.append(_condition("at", "lessThan", promotion.until_s))
    every.append(_condition("channel", "in", list(promotion.channels)))
    return {"conditions": {"all": every}, "event": {"type": "matches", "params": {"promotion": number}}}


def _condition(of: str, operator: str, value: object, priority: int = 1) -> dict[str, Any]:
    return {"fact": of, "operator": operator, "value": value, "priority": priority}
