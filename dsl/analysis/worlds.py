"""Can these conditions all hold at once? A world in which they do, or the proof that there is none.

Conditions are three-valued (docs/semantics.md 3), so there are four things to want of one: that it is TRUE, FALSE, NOT
TRUE (false or unknown), NOT FALSE. Blocks and sets are opened up; alternatives are tried one after the other, within a
stated number of steps: past it the answer is a world that is not sure, and nobody may claim anything.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from dsl.analysis import values
from dsl.analysis.past import excluded
from dsl.analysis.ruleset import Rules
from dsl.analysis.values import TODAY, Impossible, Undecided, Value, Wanted
from engine import program as p
from engine.basket import UNITS
from engine.money import micros_per_minor

STEPS_MAX: Final = 2_000  # alternatives that one question tries: rules that people write have some ten
NODES_MAX: Final = 20_000  # conditions that one question opens up
DEPTH_MAX: Final = 40  # sets within sets that are opened up


class Want(enum.Enum):
    """What a condition shall be."""

    TRUE = "true"
    FALSE = "false"
    NOT_TRUE = "not true"
    NOT_FALSE = "not false"


_OPPOSITE = {
    Want.TRUE: Want.FALSE,
    Want.FALSE: Want.TRUE,
    Want.NOT_TRUE: Want.NOT_FALSE,
    Want.NOT_FALSE: Want.NOT_TRUE,
}

_UNDERSTOOD: Final = frozenset(
    "compare compare-money one-of known under starts-with has age member consent all any none "
    "worth count measured happened sum-of".split()
)

Pair = tuple[p.Condition, Want]
Agenda = list[tuple[p.Condition, Want, int]]  # what to open up, and how many sets deep it stands


@dataclass(frozen=True, slots=True)
class Scope:
    """What is fixed: the basket's currency, the days that may be today, what thresholds count."""

    currency: str
    today: tuple[int, int] = TODAY
    original: bool = True  # the group counts from list prices


@dataclass(frozen=True, slots=True)
class Amount:
    """A bound on what the basket holds of a set (None: of all), as a threshold counts it."""

    kind: str  # "list", "current": worth in minor units; "pieces", "one article"; a dimension: thousandths
    of: str | None
    low: int | None
    high: int | None


@dataclass(slots=True)
class World:
    """Facts under which everything holds that was asked; None: unknown. Not `sure`: not looked for to the end."""

    facts: dict[str, Value] = field(default_factory=dict)
    consents: frozenset[str] = frozenset()
    amounts: tuple[Amount, ...] = ()
    sure: bool = True


NOT_SURE: Final = World(sure=False)


class Worlds:
    """Answers questions about a ruleset."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._subsets: dict[tuple[str | None, str | None], bool] = {}
        self._known = frozenset(
            path
            for path, attribute in rules.attributes.items()
            if attribute.entity in ("item", "delivery", "basket") and attribute.default is not None
        ) | {"item.sku", "item.price", "basket.lines"}

    def find(self, asked: Sequence[Pair], scope: Scope, amounts: Sequence[Amount] = ()) -> World | None:
        """A world in which all of this holds. None: there is none, proven."""
        search = _Search(self, scope, tuple(amounts))
        try:
            return search.run(list(asked))
        except Undecided:
            return NOT_SURE

    # ------------------------------------------------------------------------------------------------ articles

    def subset(self, inner: str | None, outer: str | None) -> bool:
        """Is every article of one set, whatever its attributes, in the other? None: the whole basket."""
        if outer is None or inner == outer:
            return True
        if inner is None:
            inner_pairs: list[Pair] = []
        else:
            inner_pairs = [(in_set(inner), Want.TRUE)]
        key = (inner, outer)
        if key not in self._subsets:
            asked = [*inner_pairs, (in_set(outer), Want.NOT_TRUE)]
            self._subsets[key] = self.no_article(asked)
        return self._subsets[key]

    def no_article(self, asked: Sequence[Pair]) -> bool:
        """Is there, in any currency, no article of which this holds?"""
        return all(self.find(asked, Scope(currency)) is None for currency in self.rules.settings.currencies)

    def always_known(self, attribute: str) -> bool:
        """An attribute with a default, where defaults always count."""
        return attribute in self._known


def in_set(name: str) -> p.Condition:
    """Membership in a product set."""
    return p.Member.model_construct(kind="member", of="products", name=name, negated=False)


def in_segment(name: str) -> p.Condition:
    """Membership in a segment."""
    return p.Member.model_construct(kind="member", of="segment", name=name, negated=False)


def in_place(name: str) -> p.Condition:
    """Membership in a place."""
    return p.Member.model_construct(kind="member", of="place", name=name, negated=False)


def any_of(parts: Sequence[p.Condition]) -> p.Condition:
    """At least one of these."""
    return p.Any_.model_construct(kind="any", of=tuple(parts))


def all_of(parts: Sequence[p.Condition]) -> p.Condition:
    """All of these."""
    return p.All.model_construct(kind="all", of=tuple(parts))


class _Search:
    """One question."""

    def __init__(self, worlds: Worlds, scope: Scope, amounts: tuple[Amount, ...]) -> None:
        self.worlds = worlds
        self.rules = worlds.rules
        self.scope = scope
        self.amounts = amounts
        self.steps = 0
        self.nodes = 0
        self.undecided = False

    def run(self, asked: list[Pair]) -> World | None:
        """A world, or None. Raises Undecided."""
        found = self._branch([(condition, want, 0) for condition, want in asked], [], _Literals(), 0)
        if found is None and self.undecided:
            raise Undecided
        return found

    def _branch(self, agenda: Agenda, choices: list[Agenda], literals: _Literals, depth: int) -> World | None:
        """Opens everything up, then tries alternatives."""
        while agenda:
            condition, want, inside = agenda.pop()
            self.nodes += 1
            if self.nodes > NODES_MAX:
                raise Undecided
            self._open(condition, want, inside, agenda, choices, literals)
        try:
            world = self._settle(literals)
        except Impossible:
            return None
        except Undecided:
            if not choices:
                self.undecided = True
                return None
            world = NOT_SURE
        if not choices:
            return world
        if depth > DEPTH_MAX:
            raise Undecided
        choices.sort(key=len)
        first, others = choices[0], choices[1:]
        for alternative in first:
            self.steps += 1
            if self.steps > STEPS_MAX:
                raise Undecided
            found = self._branch([alternative], list(others), literals.copy(), depth + 1)
            if found is not None:
                return found
        return None

    def _open(
        self,
        condition: p.Condition,
        want: Want,
        inside: int,
        agenda: Agenda,
        choices: list[Agenda],
        literals: _Literals,
    ) -> None:
        if condition.kind not in _UNDERSTOOD:  # a newer kind than this analysis
            literals.more = True
            return
        match condition:
            case p.All():
                parts = [(part, want, inside) for part in condition.of]
                _spread(parts, want in (Want.TRUE, Want.NOT_FALSE), agenda, choices)
            case p.Any_():
                parts = [(part, want, inside) for part in condition.of]
                _spread(parts, want in (Want.FALSE, Want.NOT_TRUE), agenda, choices)
            case p.None_():
                opposite = _OPPOSITE[want]
                parts = [(part, opposite, inside) for part in condition.of]
                _spread(parts, opposite in (Want.FALSE, Want.NOT_TRUE), agenda, choices)
            case p.Member():
                self._member(condition, want, inside, agenda, choices, literals)
            case p.Worth() | p.Count() | p.Measured():
                self._basket(condition, want, choices, literals)
            case p.Happened():
                self._happened(condition, want, literals)
            case p.SumOf():
                literals.more = True  # no events are made up
                if want is Want.TRUE:
                    key = f"{condition.attribute} of {condition.events!r} in {condition.window!r}"
                    wanted_sums = [Wanted(comparison, holds=True, unknown_too=False) for comparison in condition.holds]
                    literals.facts.setdefault(key, []).extend(wanted_sums)
            case p.Consent():
                literals.consents.append((condition.name, want))
            case (
                p.Compare() | p.CompareMoney() | p.OneOf() | p.Known() | p.Under() | p.StartsWith() | p.Has() | p.Age()
            ):
                holds = want in (Want.TRUE, Want.NOT_FALSE)
                wanted = Wanted(condition, holds, want in (Want.NOT_TRUE, Want.NOT_FALSE))
                literals.facts.setdefault(condition.attribute, []).append(wanted)

    def _member(
        self,
        condition: p.Member,
        want: Want,
        inside: int,
        agenda: Agenda,
        choices: list[Agenda],
        literals: _Literals,
    ) -> None:
        if condition.negated:
            want = _OPPOSITE[want]
        if condition.of == "segment":  # closed: never unknown
            want = Want.TRUE if want in (Want.TRUE, Want.NOT_FALSE) else Want.NOT_TRUE
        key = (condition.of, condition.name)
        literals.members.setdefault(key, set()).add(want)
        said = literals.members[key]
        if len(said) > 1 and (Want.TRUE in said or Want.FALSE in said):
            true = said & {Want.TRUE, Want.NOT_FALSE} == said
            false = said & {Want.FALSE, Want.NOT_TRUE} == said
            if not true and not false:
                literals.impossible = True
                return
        tables: dict[str, dict[str, p.ProductSet] | dict[str, p.Segment] | dict[str, p.Place]] = {
            "products": self.rules.products,
            "segment": self.rules.segments,
            "place": self.rules.places,
        }
        made = tables[condition.of].get(condition.name)
        if made is None or inside > DEPTH_MAX:
            literals.more = True
            return
        parts: Agenda = [(line.condition, want, inside + 1) for line in made.lines]
        if isinstance(made, p.Segment) and made.refresh is not None:
            parts.append((made.refresh, want, inside + 1))
        _spread(parts, want in (Want.TRUE, Want.NOT_FALSE), agenda, choices)

    def _happened(self, condition: p.Happened, want: Want, literals: _Literals) -> None:
        """So many events, or so few; no events are made up."""
        literals.more = True
        if want is Want.TRUE:
            literals.past.append(condition)
        elif want is Want.FALSE and (condition.low is None) != (condition.high is None):
            low = None if condition.high is None else condition.high + 1
            high = None if condition.low is None else condition.low - 1
            literals.past.append(condition.model_copy(update={"low": low, "high": high}))

    def _basket(
        self,
        condition: p.Worth | p.Count | p.Measured,
        want: Want,
        choices: list[Agenda],
        literals: _Literals,
    ) -> None:
        amount = self.amount(condition)
        if want in (Want.TRUE, Want.NOT_FALSE):
            literals.amounts.append(amount)
            return
        below = None if amount.low is None else Amount(amount.kind, amount.of, None, amount.low - 1)
        above = None if amount.high is None else Amount(amount.kind, amount.of, amount.high + 1, None)
        said = [one for one in (below, above) if one is not None]
        if not said:
            literals.impossible = True
        elif len(said) == 1:
            literals.amounts.append(said[0])
        else:  # below the one or above the other
            both = [_one_sided(condition, low=True), _one_sided(condition, low=False)]
            choices.append([(one, want, 0) for one in both])

    def amount(self, condition: p.Worth | p.Count | p.Measured) -> Amount:
        """A threshold as a bound."""
        match condition:
            case p.Worth():
                basis = condition.basis
                by_list = basis == "list" or (basis == "group" and self.scope.original)
                low, high = (
                    next((a.value for a in money if a.currency == self.scope.currency), None)
                    for money in (condition.low, condition.high)
                )
                return Amount("list" if by_list else "current", condition.of, low, high)
            case p.Count():
                kind = "one article" if condition.one_article else "pieces"
                return Amount(kind, condition.of, condition.low, condition.high)
            case p.Measured():
                dimension, factor = UNITS[condition.unit]
                low, high = (None if b is None else b * factor for b in (condition.low, condition.high))
                return Amount(dimension, condition.of, low, high)

    # ------------------------------------------------------------------------------------------------ settling

    def _settle(self, literals: _Literals) -> World:
        """Facts for what is said so far. Raises Impossible or Undecided."""
        if literals.impossible:
            raise Impossible
        self._amounts((*self.amounts, *literals.amounts))
        for few in literals.past:
            if few.high is not None and (
                few.high < 0 or any(excluded(m, few, self.worlds.subset) for m in literals.past)
            ):
                raise Impossible
        consents = self._consents(literals.consents)
        facts: dict[str, Value] = {}
        undecided = literals.more
        for attribute, wanted in literals.facts.items():
            try:
                facts[attribute] = self._value(attribute, wanted)
            except Undecided:
                undecided = True
        if undecided:
            raise Undecided
        return World(facts, consents, (*self.amounts, *literals.amounts))

    def _consents(self, said: Sequence[tuple[str, Want]]) -> frozenset[str]:
        given = {name for name, want in said if want is Want.TRUE}
        for name, want in said:
            if name in given and want in (Want.FALSE, Want.NOT_TRUE):
                raise Impossible
            if want is Want.NOT_FALSE and (name, Want.FALSE) in said:
                raise Impossible
        return frozenset(given | {name for name, want in said if want is Want.NOT_FALSE})

    def _value(self, attribute: str, wanted: Sequence[Wanted]) -> Value:
        kind = self.rules.attributes[attribute].type if attribute in self.rules.attributes else _type_of(attribute)
        if " of " in attribute:  # a sum over events
            kind = p.Type.MONEY if isinstance(wanted[0].leaf, p.CompareMoney) else p.Type.NUMBER
        known = values.knowledge(wanted, self.worlds.always_known(attribute))
        if known is not True:
            return None
        said = [one for one in wanted if not isinstance(one.leaf, p.Known)]
        match kind:
            case p.Type.TEXTS:
                return values.texts(said)
            case p.Type.TEXT:
                return values.text(said, self._choices(attribute))
            case p.Type.MONEY:
                in_currency = [self._in_currency(one) for one in said]
                low = 0 if attribute == "item.price" else -(10**18)
                return values.number([one for one in in_currency if one], (low, 10**18), self.scope.today)
            case p.Type.YES_NO:
                return values.number(said, (0, 1), self.scope.today)
            case _:
                bounds = (0, 10**18) if attribute == "basket.lines" else self.rules.bounds.get(attribute)
                return values.number(said, bounds, self.scope.today)

    def _choices(self, attribute: str) -> Sequence[str]:
        if attribute == "delivery":
            return self.rules.schema.services
        if attribute == "payment":
            return self.rules.schema.payments
        declared = self.rules.attributes.get(attribute)
        return declared.choices if declared else ()

    def _in_currency(self, one: Wanted) -> Wanted | None:
        """A comparison of money as one of micros; an amount that the currency lacks is unknown. Raises Impossible."""
        if not isinstance(one.leaf, p.CompareMoney):
            raise Undecided
        amount = next((a.value for a in one.leaf.value if a.currency == self.scope.currency), None)
        if amount is None:
            if one.unknown_too:
                return None
            raise Impossible
        micros = amount * micros_per_minor(self.scope.currency)
        leaf = p.Compare.model_construct(kind="compare", attribute=one.leaf.attribute, op=one.leaf.op, value=micros)
        return Wanted(leaf, one.holds, one.unknown_too)

    def _amounts(self, amounts: Sequence[Amount]) -> None:
        """Raises Impossible where a lower bound lies above the upper bound of the same or more."""
        for above in amounts:
            if above.high is None:
                continue
            if above.high < 0:
                raise Impossible
            for below in amounts:
                if below.low is None or below.low <= 0:
                    continue
                more = below.low > above.high and _counts_in(below.kind, above.kind)
                nothing = above.high == 0 and above.kind in ("pieces", "one article")
                if (more or nothing) and self.worlds.subset(below.of, above.of):
                    raise Impossible


@dataclass(slots=True)
class _Literals:
    """What is said of single attributes, consents and amounts on one branch."""

    facts: dict[str, list[Wanted]] = field(default_factory=dict)
    consents: list[tuple[str, Want]] = field(default_factory=list)
    amounts: list[Amount] = field(default_factory=list)
    members: dict[tuple[str, str], set[Want]] = field(default_factory=dict)
    past: list[p.Happened] = field(default_factory=list)
    impossible: bool = False
    more: bool = False  # something that is not understood here

    def copy(self) -> _Literals:
        """For the next alternative."""
        return _Literals(
            {attribute: list(wanted) for attribute, wanted in self.facts.items()},
            list(self.consents),
            list(self.amounts),
            {key: set(said) for key, said in self.members.items()},
            list(self.past),
            self.impossible,
            self.more,
        )


def _spread(
    parts: Agenda,
    all_needed: bool,
    agenda: Agenda,
    choices: list[Agenda],
) -> None:
    if all_needed or len(parts) == 1:
        agenda.extend(parts)
    else:
        choices.append(parts)


def _counts_in(part: str, whole: str) -> bool:
    """Is what the one counts, of one set, never more than what the other counts?"""
    return part == whole or (part, whole) in (("current", "list"), ("one article", "pieces"))


def _one_sided(condition: p.Worth | p.Count | p.Measured, low: bool) -> p.Condition:
    """The same threshold with one of its bounds."""
    gone: dict[str, object] = {"high" if low else "low": () if isinstance(condition, p.Worth) else None}
    return condition.model_copy(update=gone)


def _type_of(attribute: str) -> p.Type:
    """Of what needs no schema."""
    known = {"item.price": p.Type.MONEY, "basket.lines": p.Type.NUMBER, "item.tax-rate": p.Type.PERCENT}
    return known.get(attribute, p.Type.TEXT)
