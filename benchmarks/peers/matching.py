"""Promotions reduced to matching: which of them are about a basket, now and in this channel?

    matching = Matching(ruleset)
    matching.promotions                 what a peer is told of each promotion, once
    matching.basket(request)            what it is told of a basket
    matching.ours(table)                which ones our own engine found

Of a promotion there is when it runs, in which channels it is sold, which codes it asks for, and the product sets of
which an article must be in the basket. Who may have it, how much must be bought, what it gives and what it may stand
beside is left out: no peer is asked for that. Promotions, product sets and code sets are told by numbers.

A peer is handed what it would have to find out first: the product sets that the articles of the basket are in.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Protocol

from einklang.v1 import decision_pb2 as pb

if TYPE_CHECKING:
    from engine.image import Ruleset
    from engine.kernel import Table

SECOND_US = 1_000_000


class Promotion(NamedTuple):
    """What a peer is told of a promotion."""

    product_sets: tuple[int, ...]  # an article must be in one of them; none: it is about the basket as a whole
    code_set: int  # of which a code must be entered; -1
    start_s: int
    until_s: int  # it is over then
    channels: tuple[str, ...]


class Basket(NamedTuple):
    """What a peer is told of a basket."""

    articles: tuple[str, ...]
    product_sets: tuple[int, ...]  # that these are in, of those that promotions are about
    code_sets: tuple[int, ...]  # whose codes were entered
    at_s: int
    channel: str


class Found(NamedTuple):
    """What a peer said of a basket."""

    promotions: Collection[int]
    nanoseconds: int  # from the facts, in the form that suits it best, to its answer


class Peer(Protocol):
    """Another engine that was given the promotions."""

    title: str

    def match(self, basket: Basket) -> Found:
        """Which promotions are about this basket."""

    def close(self) -> None:
        """It is not asked any more."""


class Missing(Exception):
    """A peer that is not installed; says how it is."""


@dataclass(frozen=True)
class Matching:
    """A ruleset, reduced."""

    ruleset: Ruleset

    @cached_property
    def promotions(self) -> list[Promotion]:
        """All of them, by number."""
        rules, schema = self.ruleset.rules, self.ruleset.schema
        product_sets: list[list[int]] = [[] for _ in range(len(self.ruleset.promotions))]
        for number in range(len(rules.touch_begin) - 1):
            for promotion in rules.touch[rules.touch_begin[number] : rules.touch_begin[number + 1]].tolist():
                product_sets[promotion].append(number)
        zones = rules.window_by_zone * self.ruleset.settings_zone
        found = []
        for number, some in enumerate(product_sets):
            start_us, until_us = rules.windows[rules.window[number] + zones[number]].tolist()
            mask = int(rules.channels[number])
            channels = tuple(channel for place, channel in enumerate(schema.channels) if mask >> place & 1)
            sets = () if number in self._everywhere else tuple(some)
            window = (start_us // SECOND_US, until_us // SECOND_US)
            found.append(Promotion(sets, int(rules.codes[number]), *window, channels))
        return found

    @cached_property
    def members(self) -> Mapping[int, frozenset[str]]:
        """The articles of each product set that promotions are about."""
        members: dict[int, list[str]] = {number: [] for number in self._asked_for}
        begin, posting = self.ruleset.posting_begin.tolist(), self.ruleset.posting.tolist()
        for place, article in enumerate(self.ruleset.articles.index):
            for number in posting[begin[place] : begin[place + 1]]:
                if number in members:
                    members[number].append(article)
        return {number: frozenset(articles) for number, articles in members.items()}

    def basket(self, request: pb.DecideRequest) -> Basket:
        """Of a request without codes."""
        begin, posting = self.ruleset.posting_begin, self.ruleset.posting
        articles = tuple(line.article for line in request.lines)
        places = (self.ruleset.articles.index[article] for article in articles)
        product_sets = {number for place in places for number in posting[begin[place] : begin[place + 1]].tolist()}
        sets = tuple(sorted(product_sets & self._asked_for))
        return Basket(articles, sets, (), request.at_us // SECOND_US, request.channel)

    def ours(self, table: Table) -> set[int]:
        """The candidates of a decision that run now and are sold in this channel."""
        from engine.decision import Reason
        from engine.layout import T_CLAUSE, T_PROMOTION, T_REASON
        from engine.match import CLAUSE_RUNS

        over = (table[T_REASON] == Reason.SCHEDULE) & (table[T_CLAUSE] == CLAUSE_RUNS)
        return set(table[T_PROMOTION][~over & (table[T_REASON] != Reason.CHANNEL)].tolist())

    @cached_property
    def _everywhere(self) -> frozenset[int]:
        return frozenset(self.ruleset.rules.everywhere.tolist())

    @cached_property
    def _asked_for(self) -> frozenset[int]:
        return frozenset(number for promotion in self.promotions for number in promotion.product_sets)


def facts(basket: Basket) -> dict[str, object]:
    """A basket for engines that read JSON: each product set is a fact of its own, so that none is searched for."""
    said: dict[str, object] = {"at": basket.at_s, "channel": basket.channel, "codes": list(basket.code_sets)}
    return said | {fact(number): True for number in basket.product_sets}


def fact(product_set: int) -> str:
    """The name of that fact."""
    return f"s{product_set}"


def elsewhere(request: pb.DecideRequest) -> pb.DecideRequest:
    """The same basket at another time and in another channel, where fewer promotions hold."""
    other = pb.DecideRequest()
    other.CopyFrom(request)
    other.channel = "field-sales"
    other.at_us += 6 * 86_400 * SECOND_US
    return other
