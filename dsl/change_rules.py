"""The rules by which clauses and declarations are compared: each says what the change does, and in which words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from dsl import change_words as wording
from dsl import inclusion
from dsl.change_words import Words, arrow
from dsl.inclusion import Way, turned
from dsl.phrases import Phrase, Value, many, say
from engine import program as p


class Effect(StrEnum):
    """What a change does, in the words that plan and diff print."""

    NEW = "new"
    ENDS = "ends"
    EARLIER = "ends earlier"
    TEXT = "text only"
    SCHEDULE = "schedule"
    MORE = "gives more"
    LESS = "gives less"
    BOTH = "gives more and less"
    OTHER = "changes what it gives"
    WIDER = "audience wider"
    NARROWER = "audience narrower"
    AUDIENCE = "audience wider and narrower"
    LARGER = "holds more"
    SMALLER = "holds less"
    HOLDS = "holds more and less"
    STACKING = "stacking"
    SCHEMA = "schema"
    THROUGH = "changed through"


GIVES = {Way.MORE: Effect.MORE, Way.LESS: Effect.LESS, Way.BOTH: Effect.BOTH, Way.UNKNOWN: Effect.OTHER}
AUDIENCE = {
    Way.MORE: Effect.WIDER,
    Way.LESS: Effect.NARROWER,
    Way.BOTH: Effect.AUDIENCE,
    Way.UNKNOWN: Effect.AUDIENCE,
}
HOLDS = {Way.MORE: Effect.LARGER, Way.LESS: Effect.SMALLER, Way.BOTH: Effect.HOLDS, Way.UNKNOWN: Effect.HOLDS}

EFFECTS = {
    Effect.NEW: say("new"),
    Effect.ENDS: say("ends"),
    Effect.EARLIER: say("ends earlier"),
    Effect.TEXT: say("text only"),
    Effect.SCHEDULE: say("schedule"),
    Effect.MORE: say("gives more"),
    Effect.LESS: say("gives less"),
    Effect.BOTH: say("gives more and less"),
    Effect.OTHER: say("changes what it gives"),
    Effect.WIDER: say("audience wider"),
    Effect.NARROWER: say("audience narrower"),
    Effect.AUDIENCE: say("audience wider and narrower"),
    Effect.LARGER: say("holds more"),
    Effect.SMALLER: say("holds less"),
    Effect.HOLDS: say("holds more and less"),
    Effect.STACKING: say("stacking"),
    Effect.SCHEMA: say("schema"),
    Effect.THROUGH: say("changed through"),
}
ARTICLES, STORES, CODES, ENTRIES = say("articles"), say("stores"), say("codes"), say("entries")
NONE = say("none")

Found = tuple[Effect, Words, str]  # the effect, its words, and the clause that has the place

VERBS = ("discount", "reward", "count", "ship_free")
PLAIN = {
    "owner": Effect.TEXT,
    "group": Effect.STACKING,
    "exclusive": Effect.STACKING,
    "not_with": Effect.STACKING,
    "advertised": Effect.TEXT,
}


# ---------------------------------------------------------------------------------------------------- single clauses


def two(old: Any, new: Any) -> Words:
    """A clause before and after; None: there was, or is, none."""
    if old is None or new is None:
        return say("no longer {line}", line=old.text) if new is None else say("now {line}", line=new.text)
    if old.text != new.text:
        return arrow(old.text, new.text)
    return str(new.text)


def line_words(old: p.Line | None, new: p.Line | None) -> Words:
    """A condition before and after; None: there was, or is, none."""
    if old is None or new is None or old.text != new.text:
        return two(old, new)
    size = wording.sizes(_entries(old.condition), _entries(new.condition), ENTRIES)
    return say("{line}: {size}", line=new.text, size=size or say("other entries"))


def _entries(condition: Any) -> int:
    """How many values a condition lists, those of its parts included."""
    if isinstance(condition, p.OneOf):
        return len(condition.values)
    return sum(_entries(part) for part in condition.of) if isinstance(condition, p.All | p.Any_ | p.None_) else 0


def title(old: Any, new: Any) -> Iterator[Found]:
    """The name that people read."""
    yield Effect.TEXT, say("title «{old}» -> «{new}»", old=old.title, new=new.title), ""


def meaning(clause: BaseModel | None) -> object:
    """A clause without its words."""
    return None if clause is None else clause.model_dump(exclude={"text"})


def runs(old: p.Promotion, new: p.Promotion) -> Iterator[Found]:
    """`runs`; an earlier end is an end."""
    a, b = old.runs, new.runs
    if meaning(a) == meaning(b):
        return
    earlier = b.until is not None and (a.until is None or b.until < a.until)
    only = (a.start, a.zone) == (b.start, b.zone)
    words = arrow(a.text, b.text) if a.text != b.text else f"{b.text}: {a.zone} -> {b.zone}"
    yield Effect.EARLIER if earlier and only else Effect.SCHEDULE, words, b.text


def only_on(old: p.Promotion, new: p.Promotion) -> Iterator[Found]:
    """`only on`."""
    if meaning(old.only_on) != meaning(new.only_on):
        yield Effect.SCHEDULE, two(old.only_on, new.only_on), new.only_on.text if new.only_on else ""


def channels(old: p.Promotion, new: p.Promotion) -> Iterator[Found]:
    """`sold`."""
    a, b = set(old.channels.names), set(new.channels.names)
    if a == b:
        return
    words = arrow(old.channels.text, new.channels.text)
    if old.channels.text == new.channels.text:
        yield GIVES[lists(a, b)], _lines(new.channels.text + ":", wording.names(a - b, b - a)), new.channels.text
        return
    yield GIVES[lists(a, b)], words, new.channels.text


def left_out(old: p.Promotion, new: p.Promotion) -> Iterator[Found]:
    """`except`: what is left out more, is given less."""
    a, b = set(old.except_), set(new.except_)
    yield GIVES[turned(lists(a, b))], _lines("except", wording.names(a - b, b - a)), "except"


def limits(old: p.Promotion, new: p.Promotion) -> Iterator[Found]:
    """`limit`, each by its counter."""
    for key in sorted({limit.key for limit in (*old.limits, *new.limits)}):
        before, after = ([one for one in limits if one.key == key] for limits in (old.limits, new.limits))
        for number in range(max(len(before), len(after))):
            a = before[number] if number < len(before) else None
            b = after[number] if number < len(after) else None
            if meaning(a) == meaning(b):
                continue
            way = Way.MORE if b is None else Way.LESS
            if a is not None and b is not None:
                ways = [bound(a.count, b.count), money(a.saving, b.saving)]
                way = inclusion.together(ways)
                way = Way.UNKNOWN if way is Way.SAME else way
            yield GIVES[way], two(a, b), b.text if b else ""


def texts(name: str, word: str) -> Callable[[p.Promotion, p.Promotion], Iterator[Found]]:
    """A comparison of texts by language."""

    def compare(old: p.Promotion, new: p.Promotion) -> Iterator[Found]:
        a, b = ({text.language: text.text for text in getattr(one, name)} for one in (old, new))
        for language in sorted(a.keys() | b.keys()):
            if a.get(language) != b.get(language):
                line = f"{word} {language}"
                yield Effect.TEXT, _became(line, _quoted(a.get(language)), _quoted(b.get(language))), line

    return compare


def _quoted(text: str | None) -> Words:
    return NONE if text is None else f"«{text}»"


def _lines(words: str, rest: Value) -> Phrase:
    return say("{words} {rest}", words=words, rest=rest)


def _became(name: str, old: Words, new: Words) -> Phrase:
    return say("{name} {old} -> {new}", name=name, old=old, new=new)


def choice(choice: p.Choice | None, of: Any) -> p.Condition:
    """Who a choice holds for, as a condition."""
    if choice is None:
        return p.All(of=())
    parts: list[p.Condition] = [p.Member(of=of, name=name, negated=True) for name in choice.but_not]
    if choice.any_of:
        parts.append(p.Any_(of=tuple(p.Member(of=of, name=name) for name in choice.any_of)))
    return p.All(of=tuple(parts))


def lists(old: Iterable[str], new: Iterable[str]) -> Way:
    """More names are more."""
    a, b = set(old), set(new)
    if a == b:
        return Way.SAME
    return Way.MORE if a < b else Way.LESS if b < a else Way.BOTH


def bound(old: int | None, new: int | None) -> Way:
    """Of a bound from above; None: there is none."""
    if old == new:
        return Way.SAME
    return Way.MORE if new is None or (old is not None and new > old) else Way.LESS


def money(old: p.Money, new: p.Money) -> Way:
    """Amounts that customers get: each currency for itself."""
    a, b = ({amount.currency: amount.value for amount in money} for money in (old, new))
    ways = [bound(a[currency], b[currency]) for currency in a.keys() & b.keys()]
    ways += [Way.MORE for _ in b.keys() - a.keys()] + [Way.LESS for _ in a.keys() - b.keys()]
    return inclusion.together(ways)


def price(old: p.Money, new: p.Money) -> Way:
    """Amounts that customers pay. A currency more is one more in which the promotion applies."""
    a, b = ({amount.currency: amount.value for amount in money} for money in (old, new))
    ways = [turned(bound(a[currency], b[currency])) for currency in a.keys() & b.keys()]
    ways += [Way.MORE for _ in b.keys() - a.keys()] + [Way.LESS for _ in a.keys() - b.keys()]
    return inclusion.together(ways)


def steps(old: Sequence[p.Step], new: Sequence[p.Step]) -> Way:
    """`20% off every 2nd`, step by step."""
    a, b = ({step.nth: step for step in steps} for steps in (old, new))
    ways = [Way.MORE for _ in b.keys() - a.keys()] + [Way.LESS for _ in a.keys() - b.keys()]
    for nth in a.keys() & b.keys():
        if bool(a[nth].amount) != bool(b[nth].amount):
            ways.append(Way.UNKNOWN)
        else:
            ways += [bound(a[nth].percent, b[nth].percent), money(a[nth].amount, b[nth].amount)]
    return inclusion.together(ways)


# ---------------------------------------------------------------------------------------------------- other kinds


def per_article(old: p.Promotion, new: p.Promotion) -> Iterator[Found]:
    """Rewarded pieces of each article; 0: any number."""
    before, after = old.per_article, new.per_article
    more = after == 0 or 0 < before < after
    was, now = (f"limit {count} per article" if count else "" for count in (before, after))
    said = arrow(was, now) if was and now else say("now {line}", line=now) if now else say("no longer {line}", line=was)
    yield Effect.MORE if more else Effect.LESS, said, now


def field(name: str, old: Any, new: Any) -> Phrase:
    """A field of a declaration before and after."""
    return _became(name.strip("_").replace("_", " "), plain(old), plain(new))


def plain(value: Any) -> Words:
    """A value of a field, for people."""
    match value:
        case None | "" | ():
            return NONE
        case bool():
            return say("yes") if value else say("no")
        case BaseModel():
            return str(getattr(value, "text", "") or value.model_dump_json())
        case tuple():
            return say("{all}", all=tuple(map(plain, value)))
        case _:
            return str(value)


def other(old: BaseModel, new: BaseModel) -> Iterator[Found]:
    """A kind of declaration without a rule of its own."""
    names = [name for name in type(new).model_fields if getattr(old, name) != getattr(new, name)]
    yield Effect.OTHER, ", ".join(name.strip("_").replace("_", " ") for name in names), ""


def _fields(old: BaseModel, new: BaseModel, effects: Mapping[str, Effect], usual: Effect) -> Iterator[Found]:
    for name in type(new).model_fields:
        a, b = getattr(old, name), getattr(new, name)
        if a != b:
            yield effects.get(name, usual), field(name, a, b), ""


def group(old: p.Group, new: p.Group) -> Iterator[Found]:
    """How its promotions are weighed."""
    same = new.model_copy(update={"position": old.position})  # the order of all groups is compared as a whole
    yield from _fields(old, same, {"title": Effect.TEXT}, Effect.STACKING)


def guard(old: p.Guard, new: p.Guard) -> Iterator[Found]:
    """What no promotion overrides: more of it gives less."""
    for verb in VERBS:
        a, b = set(getattr(old, verb)), set(getattr(new, verb))
        if a != b:
            never = f"never {verb.replace('_', ' ')}"
            yield GIVES[turned(lists(a, b))], _lines(never, wording.names(a - b, b - a)), ""
    below = [{f"{name} below {floor.attribute}" for floor in one.floors for name in floor.of} for one in (old, new)]
    if below[0] != below[1]:
        names = wording.names(below[0] - below[1], below[1] - below[0])
        yield GIVES[turned(lists(*below))], _lines("never price", names), ""
    rest = {verb: getattr(new, verb) for verb in (*VERBS, "floors")}
    yield from _fields(old.model_copy(update=rest), new, {"title": Effect.TEXT, "because": Effect.TEXT}, Effect.OTHER)


def codes(old: p.CodeSet, new: p.CodeSet) -> Iterator[Found]:
    """The codes, and how often each may be used."""
    if old.codes != new.codes:
        size = wording.sizes(len(old.codes), len(new.codes), CODES)
        others = say("{count} codes, others than before", count=many(len(new.codes)))
        yield GIVES[lists(old.codes, new.codes)], size or others, ""
    if old.uses != new.uses:
        a, b = (say("any number") if uses is None else many(uses) for uses in (old.uses, new.uses))
        yield GIVES[bound(old.uses, new.uses)], say("uses of each code {old} -> {new}", old=a, new=b), ""
    rest = {"codes": new.codes, "uses": new.uses}
    yield from _fields(old.model_copy(update=rest), new, {"title": Effect.TEXT}, Effect.OTHER)


def _rows(ids: Sequence[str], columns: Sequence[p.Column]) -> dict[str, tuple[object, ...]]:
    names = sorted(columns, key=lambda column: column.name)
    return {
        one: tuple((c.name, c.currency, c.values[row]) for c in names if c.values[row] is not None)
        for row, one in enumerate(ids)
    }


def _table(old: dict[str, tuple[object, ...]], new: dict[str, tuple[object, ...]], noun: Phrase) -> Iterator[Found]:
    come, gone = len(new.keys() - old.keys()), len(old.keys() - new.keys())
    other = sum(old[one] != new[one] for one in old.keys() & new.keys())
    counted = (
        (come, say("{count} new {noun}", count=many(come), noun=noun)),
        (gone, say("{count} {noun} gone", count=many(gone), noun=noun)),
        (other, say("{count} {noun} with other values", count=many(other), noun=noun)),
    )
    words = tuple(phrase for number, phrase in counted if number)
    yield Effect.OTHER, say("{all}", all=words) if words else say("columns of {noun}", noun=noun), ""


def catalogue(old: p.Catalogue, new: p.Catalogue) -> Iterator[Found]:
    """Articles that came, went, or have other values."""
    yield from _table(_rows(old.articles, old.columns), _rows(new.articles, new.columns), ARTICLES)


def price_list(old: p.PriceList, new: p.PriceList) -> Iterator[Found]:
    """Articles that came, went, or have other prices. Of the same rows a lower price gives more."""
    before, after = (_listed(one) for one in (old, new))
    ways = [Way.UNKNOWN] * (before.keys() != after.keys())  # a row more may be a dearer one
    ways += [
        Way.MORE if after[row] < before[row] else Way.LESS for row in after if before.get(row, after[row]) != after[row]
    ]
    a, b = (_by_article(rows) for rows in (before, after))
    words = next((words for _, words, _ in _table(a, b, ARTICLES)), "")
    yield GIVES.get(inclusion.together(ways), Effect.OTHER), words, ""


def _listed(one: p.PriceList) -> dict[tuple[object, ...], int]:
    """The prices of a list by article, quantity, days and currency."""
    rows = list(zip(one.articles, one.quantities, one.starts, one.untils, strict=True))
    return {
        (*row, column.currency): price
        for column in one.prices
        for row, price in zip(rows, column.values, strict=True)
        if isinstance(price, int)
    }


def _by_article(rows: Mapping[tuple[object, ...], int]) -> dict[str, tuple[object, ...]]:
    found: dict[str, list[object]] = {}
    for (article, *row), price in rows.items():
        found.setdefault(str(article), []).append((*row, price))
    return {article: tuple(some) for article, some in found.items()}


def stores(old: p.Stores, new: p.Stores) -> Iterator[Found]:
    """Stores that came, went, or have other values."""
    a, b = (
        {name: (zone, *rows[name]) for name, zone in zip(one.ids, one.zones, strict=True)}
        for one, rows in ((old, _rows(old.ids, old.columns)), (new, _rows(new.ids, new.columns)))
    )
    yield from _table(a, b, STORES)


def holidays(old: p.Holidays, new: p.Holidays) -> Iterator[Found]:
    """Days that came or went."""
    a, b = (set(zip(one.days, one.regions, strict=True)) for one in (old, new))
    come, gone = len(b - a), len(a - b)
    counted = (
        (come, say("1 holiday new") if come == 1 else say("{count} holidays new", count=come)),
        (gone, say("1 holiday gone") if gone == 1 else say("{count} holidays gone", count=gone)),
    )
    yield Effect.SCHEDULE, say("{all}", all=tuple(phrase for number, phrase in counted if number)), ""


def schema(old: p.Schema, new: p.Schema) -> Iterator[Found]:
    """What rules may ask for."""
    a, b = ({f"{one.entity}.{one.name}": one for one in schema.attributes} for schema in (old, new))
    if a.keys() != b.keys():
        yield Effect.SCHEMA, _lines("attributes", wording.names(a.keys() - b.keys(), b.keys() - a.keys())), ""
    for path in sorted(a.keys() & b.keys()):
        if a[path] != b[path]:
            for _, words, _ in _fields(a[path], b[path], {}, Effect.SCHEMA):
                yield Effect.SCHEMA, _lines(f"{path}:", words), ""
    for name in type(new).model_fields:
        if name not in ("attributes", "program") and getattr(old, name) != getattr(new, name):
            one, other = ({getattr(part, "name", part): part for part in getattr(side, name)} for side in (old, new))
            words = wording.names(one.keys() - other.keys(), other.keys() - one.keys())
            within = [key for key in sorted(one.keys() & other.keys()) if one[key] != other[key]]
            yield Effect.SCHEMA, _lines(name, words or tuple(within)), ""


def attribute_means_else(old: p.Attribute, new: p.Attribute) -> bool:
    """Does it mean something else for those who ask for it? One choice more does not."""
    return (old.type, old.default) != (new.type, new.default) or not set(old.choices) <= set(new.choices)


def settings(old: p.Settings, new: p.Settings) -> Iterator[Found]:
    """What holds for the whole project."""
    texts = {"languages": Effect.TEXT, "receipt_width": Effect.TEXT, "timezone": Effect.SCHEDULE}
    yield from _fields(old, new, texts, Effect.OTHER)


def summary(one: p.Program) -> Words:
    """What is new or ends, in a few words."""
    match one:
        case p.Promotion():
            channels = " ".join(one.channels.names)
            return f"{one.runs.text}, {channels}, {wording.reward(one.reward)}"
        case p.Guard():
            verbs = (f"never {verb.replace('_', ' ')} {', '.join(getattr(one, verb))}" for verb in VERBS)
            floors = (f"never price {', '.join(floor.of)} below {floor.attribute}" for floor in one.floors)
            return "; ".join((*(text for text in verbs if not text.endswith(" ")), *floors))
        case p.CodeSet():
            return say("{count} codes", count=many(len(one.codes)))
        case p.Catalogue():
            return say("{count} articles", count=many(len(one.articles)))
        case p.PriceList():
            return say("{count} articles", count=many(len(set(one.articles))))
        case p.Holidays():
            return say("{count} holidays", count=many(len(one.days)))
        case _:
            return ""
