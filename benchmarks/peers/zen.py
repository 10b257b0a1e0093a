"""zen-engine: all promotions in one decision table of the hit policy «collect», each a row.

The best of the forms that were tried: the table is compiled once, the basket comes as JSON bytes, and each product set
is a fact of its own that the row's first cell asks for, so that most rows end there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from importlib import metadata
from typing import Any, Final

from benchmarks.peers.matching import Basket, Found, Missing, Promotion, fact, facts

INPUTS: Final = (  # column, the fact that its cells are about
    ("goods", ""),
    ("code", "codes"),
    ("window", "at"),
    ("sold", "channel"),
)


class Zen:
    """The table, compiled."""

    def __init__(self, promotions: Sequence[Promotion]) -> None:
        try:
            import zen
        except ImportError as error:
            raise Missing("pip install zen-engine") from error
        self.title = f"zen-engine {metadata.version('zen-engine')}, decision table"
        content = zen.ZenDecisionContent(json.dumps(graph(promotions)))
        self._decision = zen.ZenEngine().create_decision(content)

    def match(self, basket: Basket) -> Found:
        """Which promotions are about this basket."""
        asked = json.dumps(facts(basket)).encode()
        begin = time.perf_counter_ns()
        said = self._decision.evaluate(asked)
        took = time.perf_counter_ns() - begin
        return Found([row["promotion"] for row in said["result"]], took)

    def close(self) -> None:
        """Nothing is left behind."""


def graph(promotions: Sequence[Promotion]) -> dict[str, Any]:
    """The decision: input, table, output."""
    inputs = [{"id": name, "name": name, **({"field": of} if of else {})} for name, of in INPUTS]
    table = {
        "hitPolicy": "collect",
        "inputs": inputs,
        "outputs": [{"id": "promotion", "name": "promotion", "field": "promotion"}],
        "rules": [row(number, promotion) for number, promotion in enumerate(promotions)],
    }
    nodes: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("in", "inputNode", {}),
        ("table", "decisionTableNode", {"content": table}),
        ("out", "outputNode", {}),
    )
    return {
        "nodes": [
            {"id": name, "name": name, "type": kind, "position": {"x": 0, "y": 0}, **of} for name, kind, of in nodes
        ],
        "edges": [
            {"id": f"{source}-{target}", "type": "edge", "sourceId": source, "targetId": target}
            for source, target in (("in", "table"), ("table", "out"))
        ],
    }


def row(number: int, promotion: Promotion) -> dict[str, str]:
    """A promotion as a row; an empty cell holds always."""
    return {
        "_id": str(number),
        "goods": " or ".join(f"{fact(goods)} == true" for goods in promotion.product_sets),
        "code": f"{promotion.code_set} in $" if promotion.code_set >= 0 else "",
        "window": f"[{promotion.start_s}..{promotion.until_s})",
        "sold": ",".join(map(json.dumps, promotion.channels)),
        "promotion": str(number),
    }
