"""What differs between two rulesets in what they do: compared as Programs, so that layout and order make no difference.

Every difference of two Programs becomes a Change: what has no rule of its own here is said to change what it gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from dsl import change_rules as rules
from dsl import change_words as wording
from dsl import inclusion
from dsl.articles import Articles
from dsl.change_rules import AUDIENCE, GIVES, HOLDS, VERBS, Effect, Found
from dsl.change_words import Words, arrow
from dsl.diagnostics import Span
from dsl.inclusion import Way, World
from dsl.phrases import many, say
from engine import program as p

Spans = Mapping[tuple[str, str], Span]
Named = tuple[str, str]  # kind and name


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `kind` "promotion", "segment", "group" …; `through`: the names on the way to what was changed."""

    kind: str
    name: str
    effect: Effect
    said: Words = ""
    span: Span | None = None
    through: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """What is said of it, in English."""
        return str(self.said)

    @property
    def sign(self) -> str:
        """As plan prints it: + new, ~ changed, > changed through something else, - ends."""
        return {Effect.NEW: "+", Effect.ENDS: "-", Effect.THROUGH: ">"}.get(self.effect, "~")

    @property
    def title(self) -> str:
        """Its name, with its kind where it is no promotion."""
        return self.name if self.kind == "promotion" else f"{self.kind} {self.name}".strip()


@dataclass
class Side:
    """One of the two rulesets. `spans` as Compilation has them; empty where only Programs are known."""

    programs: Sequence[p.Program]
    spans: Spans = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.by_name: dict[Named, p.Program] = {(one.program, getattr(one, "name", "")): one for one in self.programs}
        self.world = World.of(self.programs)
        self.articles = Articles(self.programs)

    def place(self, kind: str, name: str, clause: str = "") -> Span | None:
        """Where a clause stands, else its declaration."""
        return self.spans.get((name, clause)) or self.spans.get((f"{kind} {name}".strip(), ""))


def changes(old: Side, new: Side) -> tuple[Change, ...]:
    """All differences: what is new, what changed, what changed through something else, what ends; each by name."""
    return tuple(sorted(_Comparison(old, new).all(), key=_order))


def _order(change: Change) -> tuple[int, bool, str, str, str, str]:
    rank = {"+": 0, "~": 1, ">": 2, "-": 3}[change.sign]
    kind = change.kind if change.kind != "promotion" else ""
    return rank, bool(kind), kind, change.name, change.effect.value, change.words


# ---------------------------------------------------------------------------------------------------- declarations


class _Comparison:
    def __init__(self, old: Side, new: Side) -> None:
        self.old = old
        self.new = new

    def all(self) -> Iterator[Change]:
        """Every difference."""
        roots: dict[Named, Words] = {}  # what was changed itself, by (kind, name), with its size before, after
        keys = {**self.old.by_name, **self.new.by_name}
        for kind, name in keys:
            before, after = self.old.by_name.get((kind, name)), self.new.by_name.get((kind, name))
            if before is None or after is None:
                yield from self.one_sided(kind, name, before, after)
                continue
            if before == after:
                continue
            found = list(self.declaration(before, after))
            for effect, words, clause in found:
                span = self.new.place(kind, name, clause) or self.old.place(kind, name, clause)
                yield Change(kind, name, effect, words, span)
            if any(effect is not Effect.TEXT for effect, _, _ in found):
                roots[kind, name] = self.size(kind, name)
        yield from self.sequence()
        if ("catalogue", "") in roots:
            roots.update({("products", name): size for name, size in self.moved_sets(roots)})
        roots.update(self.attributes())
        yield from self.through(roots)

    def one_sided(self, kind: str, name: str, before: p.Program | None, after: p.Program | None) -> Iterator[Change]:
        """Only one of the two rulesets has it. Time zones come and go with those who name them."""
        side, one, effect = (self.new, after, Effect.NEW) if before is None else (self.old, before, Effect.ENDS)
        if one is not None and kind != "zone":
            yield Change(kind, name, effect, rules.summary(one), side.place(kind, name))

    def declaration(self, before: Any, after: Any) -> Iterator[Found]:
        """What differs between two of the same name."""
        compare: dict[type, Callable[[Any, Any], Iterator[Found]]] = {
            p.Promotion: self.promotion,
            p.ProductSet: self.set_of,
            p.Place: self.set_of,
            p.Segment: self.set_of,
            p.Group: rules.group,
            p.Guard: rules.guard,
            p.CodeSet: rules.codes,
            p.Catalogue: rules.catalogue,
            p.PriceList: rules.price_list,
            p.Stores: rules.stores,
            p.Holidays: rules.holidays,
            p.Schema: rules.schema,
            p.Settings: rules.settings,
        }
        yield from compare.get(type(before), rules.other)(before, after)

    def sequence(self) -> Iterator[Change]:
        """The order of the groups that both have."""
        old, new = (
            [one.name for one in sorted(_groups(side), key=lambda one: one.position)] for side in (self.old, self.new)
        )
        both = set(old) & set(new)
        before, after = ([name for name in names if name in both] for names in (old, new))
        if before != after:
            words = f"{', '.join(before)} -> {', '.join(after)}"
            yield Change("sequence", "", Effect.STACKING, words, self.new.place("sequence", ""))

    # ------------------------------------------------------------------------------------------------ promotions

    def promotion(self, old: p.Promotion, new: p.Promotion) -> Iterator[Found]:
        """Clause by clause. A clause without a rule of its own changes what the promotion gives."""
        own: dict[str, Callable[[p.Promotion, p.Promotion], Iterator[Found]]] = {
            "title": rules.title,
            "runs": rules.runs,
            "only_on": rules.only_on,
            "channels": rules.channels,
            "places": self.places,
            "audience": self.audience,
            "code": self.code,
            "when": self.when,
            "buy": self.buy,
            "reward": self.reward,
            "per_article": rules.per_article,
            "except_": rules.left_out,
            "limits": rules.limits,
            "labels": rules.texts("labels", "label"),
            "terms": rules.texts("terms", "terms"),
            "hints": rules.texts("hints", "hint"),
        }
        for name in type(new).model_fields:
            before, after = getattr(old, name), getattr(new, name)
            if before == after:
                continue
            if name in own:
                yield from own[name](old, new)
            else:
                yield rules.PLAIN.get(name, Effect.OTHER), rules.field(name, before, after), name

    def places(self, old: p.Promotion, new: p.Promotion) -> Iterator[Found]:
        """`only at`."""
        way = self.choice(old.places, new.places, "place")
        if way is not Way.SAME:
            yield GIVES[way], rules.two(old.places, new.places), new.places.text if new.places else ""

    def audience(self, old: p.Promotion, new: p.Promotion) -> Iterator[Found]:
        """`for`."""
        way = self.choice(old.audience, new.audience, "segment")
        if way is not Way.SAME:
            yield AUDIENCE[way], rules.two(old.audience, new.audience), new.audience.text

    def choice(self, old: p.Choice | None, new: p.Choice | None, of: Any) -> Way:
        """Any of these but none of those."""
        before, after = rules.choice(old, of), rules.choice(new, of)
        return inclusion.way(before, after, self.old.world, self.new.world)

    def code(self, old: p.Promotion, new: p.Promotion) -> Iterator[Found]:
        """`with code`: needing one gives less."""
        before, after = old.code, new.code
        if before is not None and after is not None:
            if before.codes != after.codes:
                yield GIVES[self.code_sets(before.codes, after.codes)], arrow(before.text, after.text), after.text
        else:
            yield Effect.MORE if after is None else Effect.LESS, rules.two(before, after), after.text if after else ""

    def code_sets(self, before: str, after: str) -> Way:
        """One set of codes in place of another."""
        old, new = self.old.by_name.get(("codes", before)), self.new.by_name.get(("codes", after))
        if not isinstance(old, p.CodeSet) or not isinstance(new, p.CodeSet):
            return Way.UNKNOWN
        ways = [rules.lists(old.codes, new.codes), rules.bound(old.uses, new.uses)]
        return inclusion.together(ways)

    def when(self, old: p.Promotion, new: p.Promotion) -> Iterator[Found]:
        """Conditions."""
        for way, before, after in inclusion.pairs(old.when, new.when, self.old.world, self.new.world):
            yield GIVES[way], rules.line_words(before, after), after.text if after else ""

    def buy(self, old: p.Promotion, new: p.Promotion) -> Iterator[Found]:
        """What must be bought."""
        before, after = old.buy, new.buy
        way = Way.MORE if after is None else Way.LESS
        if before is not None and after is not None:
            shared = isinstance(new.reward, p.Ladder | p.PriceTogether)  # a price for three is another for two
            ways = []
            if (
                len(before.needs) > 1
                or len(after.needs) > 1
                or before.needs[0].one_article != after.needs[0].one_article
                or before.needs[0].measure != after.needs[0].measure
            ):
                ways.append(Way.SAME if rules.meaning(before) == rules.meaning(after) else Way.UNKNOWN)
            elif before.count != after.count:
                ways.append(Way.UNKNOWN if shared else Way.MORE if after.count < before.count else Way.LESS)
            if before.of != after.of:
                chosen = shared or isinstance(new.reward, p.Pick)
                ways.append(Way.UNKNOWN if chosen else self.sets(before.of, after.of))
            if (before.count, before.of) == (after.count, after.of) and rules.meaning(before) != rules.meaning(after):
                ways.append(Way.UNKNOWN)
            way = inclusion.together(ways)
        if way is not Way.SAME:
            yield GIVES[way], rules.two(before, after), after.text if after else ""

    def sets(self, old: str, new: str) -> Way:
        """One product set in place of another."""
        before, after = (p.Member(of="products", name=name) for name in (old, new))
        return inclusion.way(before, after, self.old.world, self.new.world)

    def reward(self, old: p.Promotion, new: p.Promotion) -> Iterator[Found]:
        """What is given."""
        before, after = old.reward, new.reward
        way = self.reward_way(before, after) if type(before) is type(after) else Way.UNKNOWN
        yield GIVES[way], arrow(wording.reward(before), wording.reward(after)), "get"

    def reward_way(self, old: BaseModel, new: BaseModel) -> Way:
        """Two rewards of the same form, field by field."""
        ways = []
        for name in type(new).model_fields:
            a, b = getattr(old, name), getattr(new, name)
            if a == b:
                continue
            if isinstance(new, p.Cashier) and name in ("reasons", "text", "amount", "percent"):
                ways.append(self.entered_way(name, old, new))
            elif name in ("percent", "count", "singles", "points", "factor"):
                ways.append(Way.MORE if b > a else Way.LESS)
            elif name == "amount":
                ways.append(rules.money(a, b))
            elif name == "price":
                ways.append(rules.price(a, b))
            elif name == "which":
                ways.append(Way.MORE if b == "dearest" else Way.LESS)
            elif name == "target" and a.kind == b.kind == "set":
                ways.append(self.sets(a.name, b.name))
            elif name == "steps":
                ways.append(rules.steps(a, b))
            else:
                ways.append(Way.UNKNOWN)
        return inclusion.together(ways)

    def entered_way(self, name: str, old: BaseModel, new: p.Cashier) -> Way:
        """What the cashier may enter: for more reasons, or more."""
        assert isinstance(old, p.Cashier)
        if name in ("reasons", "text"):
            before, after = set(old.reasons), set(new.reasons)
            return Way.MORE if after > before else Way.LESS if after < before else Way.UNKNOWN
        if bool(old.percent) != bool(new.percent):
            return Way.UNKNOWN
        return (
            (Way.MORE if new.percent > old.percent else Way.LESS)
            if new.percent
            else rules.money(old.amount, new.amount)
        )

    # ------------------------------------------------------------------------------------------------ sets

    def set_of(self, old: Any, new: Any) -> Iterator[Found]:
        """A product set, places or a segment: all lines must hold."""
        effects = AUDIENCE if isinstance(new, p.Segment) else HOLDS
        if old.title != new.title:
            yield from rules.title(old, new)
        size = self.size(new.program, new.name)
        for way, before, after in inclusion.pairs(old.lines, new.lines, self.old.world, self.new.world):
            words = rules.line_words(before, after)
            sized = say("{words}  ({size})", words=words, size=size) if size else words
            yield effects[way], sized, after.text if after else ""
        for name in type(new).model_fields:
            if name not in ("title", "lines") and getattr(old, name) != getattr(new, name):
                yield effects[Way.UNKNOWN], rules.field(name, getattr(old, name), getattr(new, name)), ""

    def size(self, kind: str, name: str) -> Words:
        """How large it was and is, where that is known."""
        if kind == "products":
            old, new = (side.articles.members(name) for side in (self.old, self.new))
            return wording.sizes(None if old is None else len(old), None if new is None else len(new), rules.ARTICLES)
        if kind == "codes":
            before, after = self.old.by_name[kind, name], self.new.by_name[kind, name]
            if isinstance(before, p.CodeSet) and isinstance(after, p.CodeSet):
                return wording.sizes(len(before.codes), len(after.codes), rules.CODES)
        return ""

    def moved_sets(self, roots: Mapping[Named, Words]) -> Iterator[tuple[str, Words]]:
        """Product sets that hold other articles because the catalogue is another."""
        for kind, name in self.new.by_name:
            if kind == "products" and (kind, name) in self.old.by_name and (kind, name) not in roots:
                old, new = (side.articles.members(name) for side in (self.old, self.new))
                if old is not None and new is not None and old != new:
                    yield (
                        name,
                        self.size(kind, name) or say("{count} articles, others than before", count=many(len(new))),
                    )

    # ------------------------------------------------------------------------------------------------ through

    def attributes(self) -> dict[Named, Words]:
        """Attributes that both know and that mean something else now."""
        old, new = (
            {f"{a.entity}.{a.name}": a for one in side.programs if isinstance(one, p.Schema) for a in one.attributes}
            for side in (self.old, self.new)
        )
        return {
            ("attribute", path): ""
            for path in old.keys() & new.keys()
            if rules.attribute_means_else(old[path], new[path])
        }

    def through(self, roots: Mapping[Named, Words]) -> Iterator[Change]:
        """Promotions, and guards, that use what was changed: the shortest way to each."""
        if not roots:
            return
        uses = {key: sorted(references(one, self.new.by_name)) for key, one in self.new.by_name.items()}
        for kind, name in self.new.by_name:
            if kind not in ("promotion", "guard") or (kind, name) not in self.old.by_name:
                continue
            ways: dict[Named, tuple[str, ...]] = {(kind, name): ()}
            queue: list[Named] = [(kind, name)]
            for here in queue:
                for there in uses.get(here, ()):
                    if there not in ways:
                        ways[there] = (*ways[here], " ".join(there).strip())
                        queue.append(there)
            for root in ways.keys() & roots.keys() - {(kind, name)}:
                way = " -> ".join(ways[root])
                words = say("{way}: {size}", way=way, size=roots[root]) if roots[root] else way
                yield Change(kind, name, Effect.THROUGH, words, self.new.place(kind, name), ways[root])
        yield from self.through_guards(roots)

    def through_guards(self, roots: Mapping[Named, Words]) -> Iterator[Change]:
        """Promotions whose articles a changed guard touches, as far as the catalogue tells."""
        for kind, name in roots:
            if kind != "guard":
                continue
            before, after = self.old.by_name[kind, name], self.new.by_name[kind, name]
            assert isinstance(before, p.Guard) and isinstance(after, p.Guard)
            touched = {one for verb in VERBS for one in set(getattr(before, verb)) ^ set(getattr(after, verb))}
            touched |= {name for floor in set(before.floors) ^ set(after.floors) for name in floor.of}
            for promotion in _promotions(self.new):
                if ("promotion", promotion.name) in self.old.by_name and self.meet(promotion, touched):
                    span = self.new.place("promotion", promotion.name)
                    yield Change("promotion", promotion.name, Effect.THROUGH, f"guard {name}", span, (f"guard {name}",))

    def meet(self, promotion: p.Promotion, sets: Iterable[str]) -> bool:
        """Do articles of these sets stand in its sets, or does it reward the basket? Unknown members may."""
        mine = {name for kind, name in references(promotion, self.new.by_name) if kind == "products"}
        targets = [getattr(reward, "target", None) for reward in promotion.rewards]
        if any(target is not None and target.kind == "basket" for target in targets) or not mine:
            return True
        for one in mine:
            for other in sets:
                a, b = self.new.articles.members(one), self.new.articles.members(other)
                if a is None or b is None or not a.isdisjoint(b):
                    return True
        return False


def _groups(side: Side) -> list[p.Group]:
    return [one for one in side.programs if isinstance(one, p.Group)]


def _promotions(side: Side) -> list[p.Promotion]:
    return [one for one in side.programs if isinstance(one, p.Promotion)]


# ---------------------------------------------------------------------------------------------------- what uses what

_NAMED = {  # fields that name another Program, and which kind
    ("Target", "name"): "products",
    ("Worth", "of"): "products",
    ("WorthOtherwise", "of"): "products",
    ("Count", "of"): "products",
    ("Articles", "of"): "products",
    ("Measured", "of"): "products",
    ("Buy", "of"): "products",
    ("EventOf", "of"): "products",
    ("WithCode", "codes"): "codes",
    ("NextCode", "codes"): "codes",
    ("PricesFrom", "prices"): "prices",
    ("Promotion", "except_"): "products",
    ("Guard", "discount"): "products",
    ("Guard", "reward"): "products",
    ("Guard", "count"): "products",
    ("Guard", "ship_free"): "products",
    ("Floor", "of"): "products",
}
_NO_NAMES = (
    "text",
    "title",
    "language",
    "kind",
    "program",
    "name",
    "owner",
    "zone",
    "group",
    "currency",
    "key",
    "period",
    "attribute",
)
_KINDS = ("products", "place", "segment", "codes")


def references(one: BaseModel, known: Mapping[Named, object], of: str = "") -> set[tuple[str, str]]:
    """(kind, name) of everything that a Program names. A field that is not known here may name any kind."""
    found: set[tuple[str, str]] = set()
    if isinstance(one, p.Member):
        return {(one.of, one.name)}
    if isinstance(one, p.Slot):
        return set() if one.holidays is None else {("holidays", "")}
    for name in type(one).model_fields:
        value = getattr(one, name)
        nodes = value if isinstance(value, tuple) else (value,)
        if name == "attribute":
            found.add(("attribute", value))
        elif any(isinstance(node, BaseModel) for node in nodes):
            inner = {"places": "place", "audience": "segment"}.get(name, "")
            for node in nodes:
                found |= references(node, known, inner)
        elif named := of or _NAMED.get((type(one).__name__, name)):
            found |= {(named, node) for node in nodes if isinstance(node, str) and (named, node) in known}
        elif name not in _NO_NAMES:
            found |= {(kind, n) for n in nodes if isinstance(n, str) for kind in _KINDS if (kind, n) in known}
    return found
