"""Small shops for tests of single modules: the words of tests/conformance, linked and loaded."""

from __future__ import annotations

from typing import Any

from engine.basket import BasketLine, Request
from engine.image import Ruleset, load
from engine.link import link
from engine.program import Program
from tests.conformance.cases import Shop

AT = 1_782_900_000_000_000  # 2026-07-01
PERCENT = {"ten": {"reward": {"percent": "10%", "of": "all"}}}
# One of everything that an image holds.
FULL: dict[str, Any] = {
    "cash rounding": 5,
    "articles": {"tee": {"price": 1000, "brand": "A", "tax": "19%"}, "cap": 500, "mug": 700},
    "lists": {"acme": [["cap", 450], ["cap", 3, 400], {"article": "other", "price": {"EUR": 100, "CHF": 110}}]},
    "sets": {"dear": {"all": [{"in": "all"}, {"item.brand": "A"}]}, "hats": ["cap"]},
    "guard": {"discount": "mug"},
    "segments": {"gold": {"customer.tier": "gold"}, "old": {"all": [{"in segment": "gold"}, {"consent": "news"}]}},
    "places": {"north": {"store.region": "north"}, "south": {"store.region": "south"}},
    "codes": {"spring": {"codes": ["A1", "B2"], "uses": 3}, "free": ["C3"], "so": {"codes": ["c3"], "exact": True}},
    "groups": {
        "deals": {"apply": "best-per-item", "order": ["two"]},
        "extras": {"apply": 2, "prices": "reduced"},
        "post": {"gives": "benefits", "apply": "first"},
    },
    "promotions": {
        "each": {"reward": {"amount": 50, "of": "all"}, "only at": {"any of": ["north"], "but not": ["south"]}},
        "ladder": {"buy": [3, "all"], "reward": {"every": {2: "20%", 3: 100}}, "except": ["hats"]},
        "ten": {"reward": {"percent": "10%", "of": "dear"}, "for": {"any of": ["gold"], "but not": ["old"]}},
        "two": {"buy": [2, "all"], "reward": {"cheapest": 1}, "limits": [{"uses": 2}, {"saving": 900}]},
        "weigh": {"reward": {"price": 2, "per": "kg", "of": "all"}, "runs": {"zone": "store-time"}},
        "coded": {"reward": {"percent": "5%", "of": "basket"}, "with code": "spring", "group": "extras"},
        "worth": {
            "reward": {"amount": 300, "of": "basket"},
            "when": [{"worth": 2000}, {"count": 2, "of": "all"}, {"measured": 100, "unit": "g", "of": "all"}],
            "limits": [{"saving": 5000, "per": "total"}],
            "group": "extras",
        },
        "weekend": {
            "reward": {"percent": "1%", "of": "all"},
            "only on": [{"days": ["sa", "su"], "from": 22, "until": 2}],
            "group": "extras",
        },
        "tiers": {
            "reward": {
                "by": "spend",
                "of": "all",
                "tiers": [[500, {"percent": "5%"}], [4000, {"amount": 300, "together": True}]],
            },
            "except": ["hats"],
            "group": "extras",
        },
        "steps": {
            "reward": {
                "by": "quantity",
                "of": "all",
                "one article": True,
                "step by step": True,
                "tiers": [[1, {"percent": "5%"}], [3, {"price": 100}]],
            },
        },
        "tried": {
            "reward": {
                "by": "basket",
                "variants": {
                    "some": ["60%", {"percent": "5%", "of": "all"}],
                    "control": ["10%"],
                    "more": ["30%", {"amount": 60, "of": "hats"}],
                },
            },
        },
        "listed": {"reward": {"prices from": "acme"}},
        "ships": {"reward": {"free": "post"}, "when": [{"worth": 3000}], "group": "post"},
        "flat": {
            "reward": {"price": 199, "fee": "express"},
            "when": [{"worth": 1000, "with fees": True, "without tax": True}, {"articles": 1, "of": "all"}],
            "group": "post",
        },
    },
}


def programs(**data: Any) -> tuple[Program, ...]:
    """The Programs of a shop; one promotion of 10% off everything if none is said."""
    return Shop({"promotions": PERCENT, **data}).programs()


def ruleset(**data: Any) -> Ruleset:
    """The same, in force."""
    image = link(programs(**data))
    return load(image.manifest, image.parts)


def ask(*lines: BasketLine, **fields: Any) -> Request:
    """A request of these lines."""
    return Request(**{"at_us": AT, "currency": "EUR", "channel": "web", "lines": lines, **fields})


def piece(name: str = "1", article: str = "tee", quantity: int = 1, **fields: Any) -> BasketLine:
    """A line of pieces."""
    return BasketLine(name, article, quantity, **fields)
