"""What one attribute can be under several comparisons at once: a value that fulfils all, or proof that none does."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from engine.basket import AT_MAX_US, AT_MIN_US
from engine.calendar import shifted
from engine.program import Age, Compare, CompareMoney, Has, Known, OneOf, StartsWith, Under
from engine.sets import text_holds

Leaf = Compare | CompareMoney | OneOf | Known | Under | StartsWith | Has | Age
Value = int | str | tuple[str, ...] | None  # None: unknown

DAY_US: Final = 86_400_000_000
TODAY: Final = (AT_MIN_US // DAY_US - 1, AT_MAX_US // DAY_US + 1)  # every day that may be judged, in any zone
_EPOCH = datetime.date(1970, 1, 1)
_FAR: Final = 10**30


class Impossible(Exception):
    """No value fulfils all; a proof."""


class Undecided(Exception):
    """No value was found and no proof either: nothing may be claimed."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A comparison that must hold, or must not; `unknown_too`: an unknown value does as well."""

    leaf: Leaf
    holds: bool
    unknown_too: bool


def knowledge(wanted: Sequence[Wanted], always_known: bool) -> bool | None:
    """Must the value be known (True), unknown (False), or may it be either (None)? Raises Impossible."""
    known = always_known or any(not one.unknown_too for one in wanted if not isinstance(one.leaf, Known))
    unknown = False
    for one in wanted:
        if isinstance(one.leaf, Known):
            known, unknown = known or one.leaf.known == one.holds, unknown or one.leaf.known != one.holds
    if known and unknown:
        raise Impossible
    return True if known else False if unknown else None


# ---------------------------------------------------------------------------------------------------- numbers


def number(wanted: Sequence[Wanted], bounds: tuple[int, int] | None, today: tuple[int, int]) -> int:
    """A number that fulfils all, within bounds; `today`: the days that may be today. Raises Impossible or Undecided."""
    low, high = bounds or (-_FAR, _FAR)
    allowed: set[int] | None = None
    excluded: set[int] = set()
    ages: list[Wanted] = []
    for one in wanted:
        match one.leaf:
            case Compare(op=op, value=int() as value):
                lower, upper, banned = _half_line(op, value, one.holds)
                low, high = max(low, lower), min(high, upper)
                excluded |= banned
            case OneOf(values=values, negated=negated):
                some = {value for value in values if isinstance(value, int)}
                if one.holds != negated:
                    allowed = some if allowed is None else allowed & some
                else:
                    excluded |= some
            case Age():
                ages.append(one)
            case _:
                raise Undecided
    lower, upper = _of_ages(ages, today)
    low, high = max(low, lower), min(high, upper)
    if allowed is not None:
        return _first(value for value in sorted(allowed) if low <= value <= high and value not in excluded)
    start = min(max(low, 0), high)  # near nothing: the plainest of all
    if low > high:
        raise Impossible
    upwards = range(start, min(high, start + len(excluded)) + 1)
    downwards = range(start, max(low, start - len(excluded)) - 1, -1)
    return _first(value for value in (*upwards, *downwards) if value not in excluded)


def _half_line(op: str, value: int, holds: bool) -> tuple[int, int, set[int]]:
    """Lowest and highest number, and one that it is not."""
    if not holds:
        op = {"eq": "ne", "ne": "eq", "lt": "ge", "le": "gt", "gt": "le", "ge": "lt"}[op]
    match op:
        case "eq":
            return value, value, set()
        case "ne":
            return -_FAR, _FAR, {value}
        case "lt":
            return -_FAR, value - 1, set()
        case "le":
            return -_FAR, value, set()
        case "gt":
            return value + 1, _FAR, set()
        case _:
            return value, _FAR, set()


def _first(values: Iterable[int]) -> int:
    for value in values:
        return value
    raise Impossible


def _of_ages(ages: Sequence[Wanted], today: tuple[int, int]) -> tuple[int, int]:
    """Earliest and latest day, whatever day of this span is today. Raises Impossible.

    «more than a ago» is: at most one day before back(a); «not less than a ago» is: at most back(a); and so on."""
    low, high = -_FAR, _FAR
    earliest: list[tuple[Age, int]] = []  # the day is at least back(age) + so many days
    latest: list[tuple[Age, int]] = []  # the day is at most back(age) - so many days
    for one in ages:
        assert isinstance(one.leaf, Age)
        at_most = (one.leaf.op == "more") == one.holds
        strict = int(one.holds)
        (latest if at_most else earliest).append((one.leaf, strict))
        if at_most:
            high = min(high, _back(today[1], one.leaf)[1] - strict)
        else:
            low = max(low, _back(today[0], one.leaf)[0] + strict)
    for older, begins in earliest:
        for younger, ends in latest:
            if _never_later(younger, older, begins + ends):
                raise Impossible
    return low, high


def _back(day: int, age: Age) -> tuple[int, int]:
    """The day so long before a day; where the calendar ends, no day is so early or all are."""
    origin = max(day, -719_000)
    then = (shifted(_EPOCH + datetime.timedelta(days=origin), -age.count, age.unit) - _EPOCH).days
    first = (datetime.date.min - _EPOCH).days
    return (-_FAR, -_FAR) if then <= first else (then, then)


def _never_later(one: Age, other: Age, days: int) -> bool:
    """Is back(one) < back(other) + days on every day?"""
    months = {"month": 1, "year": 12}
    if one.unit in months and other.unit in months:
        length, against = one.count * months[one.unit], other.count * months[other.unit]
        return length > against or (length == against and days > 0)  # a month apart is more than `days`
    return _longest(other) - _shortest(one) < days


def _shortest(age: Age) -> int:
    days = {"day": 1, "week": 7}
    if age.unit in days:
        return age.count * days[age.unit]
    years, months = divmod(age.count * (12 if age.unit == "year" else 1), 12)
    return years * 365 + months * 28


def _longest(age: Age) -> int:
    days = {"day": 1, "week": 7}
    if age.unit in days:
        return age.count * days[age.unit]
    years, months = divmod(age.count * (12 if age.unit == "year" else 1), 12)
    return years * 366 + months * 31


# ---------------------------------------------------------------------------------------------------- texts


def text(wanted: Sequence[Wanted], choices: Sequence[str]) -> str:
    """A text that fulfils all. `choices`: all that it can be; empty: anything. Raises Impossible or Undecided."""
    finite: list[Sequence[str]] = [choices] if choices else []
    for one in wanted:
        match one.leaf:
            case Compare(op=op, value=str() as value) if (op == "eq") == one.holds:
                finite.append((value,))
            case OneOf(values=values, negated=negated) if one.holds != negated:
                finite.append(tuple(value for value in values if isinstance(value, str)))
    tests = [_Test(one) for one in wanted]
    if finite:
        fewest = min(finite, key=len)
        chosen = frozenset(choices)
        for candidate in fewest:
            if (not choices or candidate in chosen) and all(test(candidate) for test in tests):
                return candidate
        raise Impossible
    _no_prefix_excludes_another(wanted)
    for candidate in _candidates(wanted):
        if all(test(candidate) for test in tests):
            return candidate
    raise Undecided


class _Test:
    """One comparison of texts, its list kept as a set."""

    def __init__(self, one: Wanted) -> None:
        self.leaf, self.holds = one.leaf, one.holds
        self.values = frozenset(one.leaf.values) if isinstance(one.leaf, OneOf) else frozenset()

    def __call__(self, candidate: str) -> bool:
        if isinstance(self.leaf, OneOf):
            return ((candidate in self.values) != self.leaf.negated) == self.holds
        assert isinstance(self.leaf, Compare | Under | StartsWith)
        return text_holds(self.leaf, candidate) == self.holds


def _no_prefix_excludes_another(wanted: Sequence[Wanted]) -> None:
    """Raises Impossible where beginnings contradict each other."""
    said = [one for one in wanted if isinstance(one.leaf, Under | StartsWith)]
    for one in said:
        if not one.holds:
            continue
        for other in said:
            assert isinstance(one.leaf, Under | StartsWith) and isinstance(other.leaf, Under | StartsWith)
            if other.holds:
                if not _compatible(one.leaf, other.leaf):
                    raise Impossible
            elif _implies(one.leaf, other.leaf):
                raise Impossible


def _compatible(one: Under | StartsWith, other: Under | StartsWith) -> bool:
    """Is there a text that begins both ways?"""
    candidates = (*_texts(one), *_texts(other))
    return any(text_holds(one, candidate) and text_holds(other, candidate) for candidate in candidates)


def _implies(one: Under | StartsWith, other: Under | StartsWith) -> bool:
    """Does every text that begins the one way begin the other way?"""
    match one, other:
        case Under(path=path), Under(path=above):
            return path == above or path.startswith(above + "/")
        case Under(path=path), StartsWith(prefix=prefix):
            return path.startswith(prefix)
        case StartsWith(prefix=prefix), Under(path=above):
            return prefix.startswith(above + "/")
        case StartsWith(prefix=prefix), StartsWith(prefix=shorter):
            return prefix.startswith(shorter)
    return False


def _texts(leaf: Under | StartsWith) -> tuple[str, ...]:
    begin = leaf.path if isinstance(leaf, Under) else leaf.prefix
    return (begin, begin + "/")


def _candidates(wanted: Sequence[Wanted]) -> Iterator[str]:
    begins = [
        text for one in wanted if one.holds and isinstance(one.leaf, Under | StartsWith) for text in _texts(one.leaf)
    ]
    for begin in sorted(begins, key=len, reverse=True) or ["x", ""]:
        yield begin
        for number_ in range(1, 4):
            yield f"{begin}{number_}" if not begins or begin.endswith("/") else f"{begin}/{number_}"
        yield f"{begin}-"


# ---------------------------------------------------------------------------------------------------- lists


def texts(wanted: Sequence[Wanted]) -> tuple[str, ...]:
    """A list of texts that fulfils all. Raises Impossible."""
    forbidden = {text for one in wanted if isinstance(one.leaf, Has) and not one.holds for text in one.leaf.values}
    chosen: set[str] = set()
    for one in wanted:
        if not isinstance(one.leaf, Has):
            raise Undecided
        if one.holds:
            left = [text for text in one.leaf.values if text not in forbidden]
            if not left:
                raise Impossible
            chosen.add(min(left))
    return tuple(sorted(chosen))
