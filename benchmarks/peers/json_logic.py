"""datalogic-py: JSON-logic with a core in Rust. All promotions are one rule that lists the numbers of those that hold.

The best of the forms that were tried: compiled once, asked in a session with its own memory, the basket as JSON text;
one rule, not one for each promotion; each product set a fact of its own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from importlib import metadata
from typing import Any, Final

from benchmarks.peers.matching import Basket, Found, Missing, Promotion, fact, facts

NOT: Final = -1  # in place of a promotion that does not hold


class JsonLogic:
    """The rule, compiled."""

    def __init__(self, promotions: Sequence[Promotion]) -> None:
        try:
            import datalogic_py
        except ImportError as error:
            raise Missing("pip install datalogic-py") from error
        self.title = f"datalogic-py {metadata.version('datalogic-py')}, JSON-logic in Rust"
        engine = datalogic_py.Engine()
        self._rule, self._session = engine.compile(rule(promotions)), engine.session()

    def match(self, basket: Basket) -> Found:
        """Which promotions are about this basket."""
        asked = json.dumps(facts(basket))
        begin = time.perf_counter_ns()
        said = self._session.evaluate(self._rule, asked)
        took = time.perf_counter_ns() - begin
        return Found(said, took)

    def close(self) -> None:
        """Nothing is left behind."""


def rule(promotions: Sequence[Promotion]) -> dict[str, Any]:
    """All promotions: a list of numbers, of which those are kept that hold."""
    said = [{"if": [condition(promotion), number, NOT]} for number, promotion in enumerate(promotions)]
    return {"filter": [said, {">=": [{"var": ""}, 0]}]}


def condition(promotion: Promotion) -> dict[str, Any]:
    """When a promotion holds; what holds most rarely first."""
    goods = [{"var": fact(goods)} for goods in promotion.product_sets]
    every: list[dict[str, Any]] = [{"or": goods}] if len(goods) > 1 else [*goods]
    if promotion.code_set >= 0:
        every.append({"in": [promotion.code_set, {"var": "codes"}]})
    every.append({"<=": [promotion.start_s, {"var": "at"}]})
    every.append({"<": [{"var": "at"}, promotion.until_s]})
    every.append({"in": [{"var": "channel"}, list(promotion.channels)]})
    return {"and": every}
