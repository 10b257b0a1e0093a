"""Sets and places against the catalogue and the table of stores: those that hold nothing there; tables in vain."""

from __future__ import annotations

from collections.abc import Iterator

from dsl import ast
from dsl.analysis.claims import Claim, claim
from dsl.analysis.money_tables import STANDARD
from dsl.analysis.never_applies import set_of
from dsl.analysis.ruleset import Rules
from dsl.check_rewards import rewards_of
from dsl.clauses import clauses, first
from dsl.diagnostics import Diagnostic, found
from dsl.names import leaves
from dsl.phrases import many, say
from dsl.project import Project
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


# ---------------------------------------------------------------------------------------------------- in vain


def unused(project: Project) -> Iterator[Diagnostic]:
    """Tables of holidays, stores and prices that no promotion asks for. All articles have costs, so theirs are; so are
    the prices that advertised reductions are held against."""
    promotions = tuple(project.promotions.values())
    lists = {
        reward.name.text for node in promotions for reward in rewards_of(node) if isinstance(reward, ast.PriceList)
    }
    lists.add(STANDARD)
    off = any(_asks_for_holidays(node) for node in promotions)
    for source in project.sources:
        if source.kind == "holidays" and not off:
            yield found("P3112", source.path.span, why=say("none says «holidays»"))
        if source.name is not None and source.name.text not in lists:
            yield found("P3112", source.path.span, why=say("none says «get prices from list»"))
        if source.kind == "stores" and not (off or project.places or any(map(_asks_for_stores, promotions))):
            why = say("there are no places, no «store-time», no «per store», and no condition on the store")
            yield found("P3112", source.path.span, why=why)


def _asks_for_holidays(node: ast.Promotion) -> bool:
    only_on = first(node, ast.OnlyOn)
    return only_on is not None and any(ast.HOLIDAY in slot.days | slot.but_not for slot in only_on.slots)


def _asks_for_stores(node: ast.Promotion) -> bool:
    """By the store's own clock, counted by store, or in a condition."""
    runs = first(node, ast.Runs)
    if runs is not None and runs.zone is not None and runs.zone.text == "store-time":
        return True
    if any(limit.scope == "store" for limit in clauses(node, ast.Limit)):
        return True
    asked = (leaf.node for when in clauses(node, ast.When) for leaf in leaves(when))
    return any(isinstance(subject, ast.Subject) and subject.entity == "store" for subject in asked)
