"""Sets of promotions and places against the catalogue and the table of stores: those that hold nothing there."""

from __future__ import annotations

from collections.abc import Iterator

from dsl.analysis.claims import Claim, claim
from dsl.analysis.never_applies import set_of
from dsl.analysis.ruleset import Rules
from dsl.phrases import many
from engine.instructions import FALSE


def claims(rules: Rules, dead: frozenset[tuple[str, str]]) -> Iterator[Claim]:
    """`dead`: (kind, name) of what contradicts itself."""
    if rules.articles is not None and rules.catalogue is not None:
        count = len(rules.catalogue.articles)
        used = {set_of(promotion) for promotion in rules.promotions.values()}
        for name in rules.products:
            if name not in used:
                continue
            perhaps = rules.perhaps_in(name)
            assert perhaps is not None
            if ("products", name) not in dead and not perhaps.any():
                yield claim("P3103", "products", name, name=name, count=many(count))
    if rules.shops is not None and rules.stores is not None:
        yield from _stores(rules, len(rules.stores.ids), dead)


def _stores(rules: Rules, count: int, dead: frozenset[tuple[str, str]]) -> Iterator[Claim]:
    shops = rules.shops
    assert shops is not None
    empty = {name for name in rules.places if bool((shops.member(name) == FALSE).all())}
    for name in empty:
        if ("places", name) not in dead:
            yield claim("P3104", "places", name, name=name, count=many(count))
    for promotion in rules.promotions.values():
        places = promotion.places
        if places is None or empty & set(places.any_of) or ("promotion", promotion.name) in dead:
            continue
        among = shops.negate(shops.every([shops.negate(shops.member(name)) for name in places.any_of]))
        truths = [among] if places.any_of else []
        truths += [shops.negate(shops.member(name)) for name in places.but_not]
        if bool((shops.every(truths) == FALSE).all()):
            yield claim("P3106", "promotion", promotion.name, "only at", count=many(count))
