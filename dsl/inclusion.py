"""Which of two conditions holds for more: of everybody, and everything, that the one holds for, does the other hold?

The answer «included» is proved by the bounds and lists that the conditions name; what is not proved is not claimed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from engine.program import (
    Age,
    All,
    Anniversary,
    Any_,
    Articles,
    Compare,
    CompareMoney,
    Condition,
    Count,
    Ever,
    Happened,
    Has,
    InTheLast,
    Known,
    Line,
    Measured,
    Member,
    Money,
    None_,
    OneOf,
    Place,
    ProductSet,
    Program,
    Segment,
    StartsWith,
    Under,
    Worth,
    WorthOtherwise,
)

STEPS_MAX = 20_000  # of one comparison: sets of sets of sets could take for ever

SETS: Mapping[type, str] = {ProductSet: "products", Place: "place", Segment: "segment"}


class Way(Enum):
    """What a change means for whom a condition holds, or for what is given."""

    SAME = "same"
    MORE = "more"
    LESS = "less"
    BOTH = "more and less"
    UNKNOWN = "unknown"


def together(ways: Iterable[Way]) -> Way:
    """What several changes mean as one."""
    found = {way for way in ways if way is not Way.SAME}
    if not found:
        return Way.SAME
    if Way.UNKNOWN in found:
        return Way.UNKNOWN
    return found.pop() if len(found) == 1 else Way.BOTH


def turned(way: Way) -> Way:
    """Of the opposite."""
    return {Way.MORE: Way.LESS, Way.LESS: Way.MORE}.get(way, way)


@dataclass(frozen=True, slots=True)
class World:
    """The sets of one ruleset, by (kind, name)."""

    lines: Mapping[tuple[str, str], tuple[Line, ...]]

    @classmethod
    def of(cls, programs: Iterable[Program]) -> World:
        """Of these Programs."""
        return cls(
            {
                (SETS[type(program)], program.name): program.lines
                for program in programs
                if isinstance(program, ProductSet | Place | Segment)
            }
        )


def key(condition: Condition) -> tuple[str, ...]:
    """What a condition says, whatever the order of its parts: equal keys, equal meaning."""
    match condition:
        case All(of=parts) | Any_(of=parts) | None_(of=parts):
            inside = sorted({key(part) for part in parts})
            return condition.kind, *(word for part in inside for word in ("(", *part, ")"))
        case _:
            return (condition.model_dump_json(),)


def way(old: Condition, new: Condition, before: World, after: World) -> Way:
    """MORE: the new condition holds for all that the old one held for, and perhaps for others."""
    if key(old) == key(new):
        return Way.SAME
    proof = _Proof()
    wider = proof.included(old, before, new, after)
    narrower = proof.included(new, after, old, before)
    if wider and narrower:
        return Way.SAME
    if wider or narrower:
        return Way.MORE if wider else Way.LESS
    a, b = _values(old), _values(new)
    mixed = isinstance(a, _Listed) and isinstance(b, _Listed) and a.out == b.out and _about(old) == _about(new)
    return Way.BOTH if mixed else Way.UNKNOWN


Pair = tuple[Way, Line | None, Line | None]


def pairs(old: Sequence[Line], new: Sequence[Line], before: World, after: World) -> list[Pair]:
    """What changed between two lists of lines that must all hold: a line against the one that took its place."""
    kept = {key(line.condition) for line in old} & {key(line.condition) for line in new}
    gone = [line for line in old if key(line.condition) not in kept]
    come = [line for line in new if key(line.condition) not in kept]
    found: list[Pair] = []
    for alike in (_about, lambda _: None):  # one that asks for the same thing; else the only one that is left
        for line in list(gone):
            others = [other for other in come if alike(other.condition) == alike(line.condition)]
            if others and (alike is _about or len(gone) == len(come) == 1):
                gone.remove(line)
                come.remove(others[0])
                found.append((way(line.condition, others[0].condition, before, after), line, others[0]))
    found += [(Way.MORE, line, None) for line in gone]
    found += [(Way.LESS, None, line) for line in come]
    return [pair for pair in found if pair[0] is not Way.SAME]


def _about(condition: Condition) -> tuple[str, ...]:
    """What a condition asks for."""
    match condition:
        case All(of=parts) if parts and len({_about(part) for part in parts}) == 1:
            return _about(parts[0])
        case Worth() | WorthOtherwise() | Count() | Articles() | Measured():
            return "basket", condition.kind, condition.of or ""
        case Member():
            return "member", condition.of, str(condition.negated)
        case Happened():
            return "happened", condition.events.event, condition.events.of or ""
        case _:
            attribute = getattr(condition, "attribute", "")
            return ("attribute", attribute) if attribute else (condition.kind,)


# ---------------------------------------------------------------------------------------------------- proofs


@dataclass(slots=True)
class _Proof:
    steps: int = 0
    open: set[tuple[str, ...]] = field(default_factory=set)

    def included(self, a: Condition, in_a: World, b: Condition, in_b: World) -> bool:
        """Whatever `a` holds for, `b` holds for, too. False: not proved."""
        self.steps += 1
        if self.steps > STEPS_MAX:
            return False
        if key(a) == key(b):
            return True
        match a, b:
            case _, All(of=parts):
                return all(self.included(a, in_a, part, in_b) for part in parts)
            case Any_(of=parts), _:
                return all(self.included(part, in_a, b, in_b) for part in parts)
            case All(of=parts), _ if any(self.included(part, in_a, b, in_b) for part in parts):
                return True
            case _, Any_(of=parts) if any(self.included(a, in_a, part, in_b) for part in parts):
                return True
            case None_(of=parts), None_(of=fewer):
                return {key(part) for part in fewer} <= {key(part) for part in parts}
            case Member(negated=True), Member(negated=True):
                # segments are closed: who is not known to be in one is outside; other sets may be unknown
                return a.of == b.of == "segment" and self.inside(b, in_b, a, in_a)
            case Member(negated=False), _ if lines := in_a.lines.get((a.of, a.name)):
                return any(self.included(line.condition, in_a, b, in_b) for line in lines)
            case _, Member(negated=False) if lines := in_b.lines.get((b.of, b.name)):
                return all(self.included(a, in_a, line.condition, in_b) for line in lines)
            case _:
                return _basic(a, b)

    def inside(self, a: Member, in_a: World, b: Member, in_b: World) -> bool:
        """Whoever is in the one set is in the other."""
        return self.included(
            a.model_copy(update={"negated": False}), in_a, b.model_copy(update={"negated": False}), in_b
        )


@dataclass(frozen=True, slots=True)
class _Listed:
    """These values, or all others."""

    values: frozenset[int | str]
    out: bool


@dataclass(frozen=True, slots=True)
class _Range:
    """Whole numbers from `low` to `high`; None: no bound."""

    low: int | None
    high: int | None


def _values(condition: Condition) -> _Listed | _Range | None:
    """The values of its attribute that a condition holds for."""
    match condition:
        case OneOf(values=values, negated=negated):
            return _Listed(frozenset(values), negated)
        case Compare(op="eq" | "ne" as op, value=value):
            return _Listed(frozenset({value}), op == "ne")
        case Compare(op=op, value=int(value)):
            bounds = {"ge": (value, None), "gt": (value + 1, None), "le": (None, value), "lt": (None, value - 1)}
            return _Range(*bounds[op])
        case _:
            return None


def _basic(a: Condition, b: Condition) -> bool:
    attribute = getattr(a, "attribute", None)
    if attribute is not None and attribute == getattr(b, "attribute", None):
        if isinstance(b, Known):
            return b.known and not isinstance(a, Known)
        return _attribute(a, b)
    match a, b:
        case Worth(), Worth():
            return (a.of, a.basis) == (b.of, b.basis) and _at_least(a, b) and _at_most(a, b) and _said(a) <= _said(b)
        case Count(), Count():
            return (a.of, a.one_article) == (b.of, b.one_article) and _bounds(a, b)
        case WorthOtherwise(), WorthOtherwise():
            same = (a.of, a.basis, a.fees, a.without_tax) == (b.of, b.basis, b.fees, b.without_tax)
            return same and _at_least(a, b) and _at_most(a, b) and _said(a) <= _said(b)
        case Articles(), Articles():
            return a.of == b.of and _bounds(a, b)
        case Measured(), Measured():
            return (a.of, a.unit) == (b.of, b.unit) and _bounds(a, b)
        case Happened(), Happened():
            return (a.events, a.then) == (b.events, b.then) and _bounds(a, b) and _windows(a, b)
        case _:
            return False


def _windows(a: Happened, b: Happened) -> bool:
    """At least so many stay so many in a longer window, at most so many in a shorter one."""
    if a.window == b.window:
        return True
    if a.high is None and b.high is None:
        shorter, longer = a.window, b.window
    elif a.low is None and b.low is None:
        shorter, longer = b.window, a.window
    else:
        return False
    if isinstance(longer, Ever):
        return True
    return (
        isinstance(shorter, InTheLast)
        and isinstance(longer, InTheLast)
        and shorter.but_not is None
        and longer.but_not is None
        and shorter.length.unit == longer.length.unit
        and shorter.length.count <= longer.length.count
    )


def _bounds(a: Count | Articles | Measured | Happened, b: Count | Articles | Measured | Happened) -> bool:
    low = b.low is None or (a.low is not None and a.low >= b.low)
    return low and (b.high is None or (a.high is not None and a.high <= b.high))


def _amounts(money: Money) -> dict[str, int]:
    return {amount.currency: amount.value for amount in money}


def _said(worth: Worth | WorthOtherwise) -> set[str]:
    return _amounts(worth.low or worth.high).keys() | set()


def _at_least(a: Worth | WorthOtherwise, b: Worth | WorthOtherwise) -> bool:
    mine = _amounts(a.low)
    return all(mine.get(currency, -1) >= value for currency, value in _amounts(b.low).items() if currency in _said(a))


def _at_most(a: Worth | WorthOtherwise, b: Worth | WorthOtherwise) -> bool:
    mine, theirs = _amounts(a.high), _amounts(b.high)
    if not theirs:
        return True
    return all(currency in mine and mine[currency] <= theirs.get(currency, -1) for currency in _said(a))


def _attribute(a: Condition, b: Condition) -> bool:
    one, other = _values(a), _values(b)
    match one, other:
        case _Listed(), _Listed():
            if one.out:
                return other.out and other.values <= one.values
            return one.values.isdisjoint(other.values) if other.out else one.values <= other.values
        case _Listed(out=False), _Range():
            return all(isinstance(value, int) and _within(value, other) for value in one.values)
        case _Range(), _Listed(out=True):
            return not any(isinstance(value, int) and _within(value, one) for value in other.values)
        case _Range(), _Range():
            low = other.low is None or (one.low is not None and one.low >= other.low)
            return low and (other.high is None or (one.high is not None and one.high <= other.high))
    if isinstance(one, _Listed) and not one.out:
        return all(isinstance(value, str) and _text_fits(value, b) for value in one.values)
    match a, b:
        case Under(), Under():
            return _text_fits(a.path, b)
        case Under() | StartsWith(), StartsWith():
            return (a.path if isinstance(a, Under) else a.prefix).startswith(b.prefix)
        case Has(), Has():
            return set(a.values) <= set(b.values)
        case Anniversary(within=one_side), Anniversary(within=other_side) if one_side and other_side:
            return one_side.unit == other_side.unit and one_side.count <= other_side.count
        case Age(), Age():
            longer = a.count >= b.count if a.op == "more" else a.count <= b.count
            return (a.op, a.unit) == (b.op, b.unit) and longer
        case CompareMoney(), CompareMoney():
            return a.op == b.op and _money_included(a, b)
        case _:
            return False


def _within(value: int, bounds: _Range) -> bool:
    return (bounds.low is None or value >= bounds.low) and (bounds.high is None or value <= bounds.high)


def _text_fits(text: str, condition: Condition) -> bool:
    match condition:
        case Under(path=path):
            return text == path or text.startswith(path + "/")
        case StartsWith(prefix=prefix):
            return text.startswith(prefix)
        case _:
            return False


def _money_included(a: CompareMoney, b: CompareMoney) -> bool:
    theirs = _amounts(b.value)
    for currency, value in _amounts(a.value).items():
        other = theirs.get(currency)
        if other is None:
            return False
        fits = {"ge": value >= other, "gt": value >= other, "le": value <= other, "lt": value <= other}
        if not fits.get(a.op, value == other):
            return False
    return True
