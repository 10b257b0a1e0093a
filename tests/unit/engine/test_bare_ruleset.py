"""A ruleset that lists no channels, services or means of payment takes whatever a request names."""

from engine.basket import BasketLine, Fee, Request
from engine.decide import decide, warm
from engine.image import load
from engine.link import link
from engine.program import Schema, Settings, Zone
from tests.oracle.decide import decide as oracle

PROGRAMS = (
    Settings(currencies=("EUR",), timezone="UTC"),
    Zone(name="UTC", instants=(0,), offsets=(0,), until=4_102_444_800),
    Schema(attributes=()),
)
ASKED = Request(
    at_us=10**15,
    currency="EUR",
    channel="pos",
    lines=(BasketLine("1", "tee", 2, price_micros=1_000_000),),
    delivery="courier",
    payment="card",
    fees=(Fee("courier", 499),),
)


def test_it_is_warmed_and_decides_what_the_oracle_says():
    image = link(PROGRAMS)
    rules = load(image.manifest, image.parts)
    warm(rules)
    decision = decide(rules, ASKED)
    assert decision == oracle(PROGRAMS, ASKED, digest=image.digest)
    assert decision.totals.payable == 699
