"""Attributes of articles: the catalogue's, completed by what the request says, then by the default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from engine.basket import BadRequest, Fact, Facts, Fault
from engine.program import Attribute, EventAttribute, ProductSet, Schema, Type
from engine.sets import PRICE, Values, int_values, of_facts, text_values


class Rows(Protocol):
    """The catalogue: engine.image.Table, or what stands in for it."""

    @property
    def index(self) -> Mapping[str, int]:
        """The row of each article."""

    def cell(self, row: int, name: str, currency: str = "") -> int | str | None:
        """What a row (-1: none) says of an attribute; None: nothing, or not in this currency."""


class Rules(Protocol):
    """What is known of articles and events: engine.image.Ruleset, or what stands in for it."""

    @property
    def schema(self) -> Schema:
        """Events, among others."""

    @property
    def attributes(self) -> Mapping[str, Attribute]:
        """Declared attributes by "entity.name"."""

    @property
    def sets(self) -> Mapping[str, ProductSet]:
        """Product sets by name."""

    @property
    def catalogue(self) -> Rows:
        """Articles."""


class Article(NamedTuple):
    """One article that a request names."""

    id: str
    row: int  # of the catalogue; -1: it does not know the article
    given: Facts  # what the request says of it
    field: str  # where it does, as the contract spells it


def plain(
    attribute: Attribute | EventAttribute, fact: Fact | None, currency: str, field: str
) -> int | str | tuple[str, ...] | None:
    """The value of a fact of a declared attribute; None: not given, or money of another currency."""
    if fact is None:
        return attribute.default
    if fact.type is not attribute.type:
        raise BadRequest(field, f"is a {fact.type}; «{attribute.name}» is a {attribute.type}", Fault.FORM)
    if attribute.type is Type.MONEY and fact.currency != currency:
        return None
    return fact.value


def article_column(rules: Rules, attribute: str, articles: Sequence[Article], currency: str) -> Values:
    """One attribute of some articles. Prices are not among them: those that are paid stand in the request."""
    if attribute == "item.sku":
        return text_values([article.id for article in articles])
    if attribute == PRICE:
        return int_values([None] * len(articles))
    name = attribute.removeprefix("item.")
    declared = rules.attributes[attribute]
    wanted = currency if declared.type is Type.MONEY else ""
    facts: list[Fact | None] = []
    for article in articles:
        known = rules.catalogue.cell(article.row, name, wanted)
        if known is not None:
            facts.append(Fact(declared.type, known, wanted))
            continue
        value = plain(declared, article.given.get(name), currency, f"{article.field}[{name}]")
        facts.append(None if value is None else Fact(declared.type, value, currency))
    return of_facts(declared, facts, currency)
