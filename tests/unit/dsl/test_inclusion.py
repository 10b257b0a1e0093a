"""What is proved of two conditions is true of every customer: random conditions against the reading of segments."""

from __future__ import annotations

import datetime
import random
from typing import Any

import pytest

from dsl.inclusion import Way, World, way
from dsl.membership import Asked
from engine import program as p
from engine.basket import Fact

TODAY = datetime.date(2026, 9, 4)
DAY = (TODAY - datetime.date(1970, 1, 1)).days
TIERS = ("none", "silver", "gold")
PATHS = ("A", "A/B", "A/B/C", "AB", "D")
SEGMENTS = ("s0", "s1", "s2")


def condition(rng: random.Random, depth: int, known: tuple[str, ...]) -> p.Condition:
    kinds = ["tier", "tiers", "score", "path", "starts", "has", "age", "known", "consent", "money"]
    kinds += ["all", "any", "none"] * (2 if depth else 0) + ["member"] * (2 if known else 0)
    match rng.choice(kinds):
        case "tier":
            return p.Compare(attribute="customer.tier", op=rng.choice(["eq", "ne"]), value=rng.choice(TIERS))
        case "tiers":
            values = tuple(sorted(rng.sample(TIERS, 2)))
            return p.OneOf(attribute="customer.tier", values=values, negated=rng.random() < 0.5)
        case "score":
            op: Any = rng.choice(["eq", "ne", "lt", "le", "gt", "ge"])
            return p.Compare(attribute="customer.score", op=op, value=rng.randrange(5))
        case "path":
            return p.Under(attribute="customer.path", path=rng.choice(PATHS))
        case "starts":
            return p.StartsWith(attribute="customer.path", prefix=rng.choice(PATHS))
        case "has":
            return p.Has(
                attribute="customer.likes", values=tuple(sorted(rng.sample(("x", "y", "z"), rng.randint(1, 2))))
            )
        case "age":
            span: Any = {"op": rng.choice(["more", "less"]), "unit": rng.choice(["day", "month"])}
            return p.Age(attribute="customer.since", count=rng.randint(1, 3), **span)
        case "known":
            return p.Known(attribute=rng.choice(["customer.tier", "customer.score"]), known=rng.random() < 0.7)
        case "consent":
            return p.Consent(name=rng.choice(["email", "sms"]))
        case "money":
            value: p.Money = (p.Amount(currency="EUR", value=rng.randint(1, 3)),)
            if rng.random() < 0.4:
                value = (p.Amount(currency="CHF", value=rng.randint(1, 3)), *value)
            return p.CompareMoney(attribute="customer.spent", op=rng.choice(["le", "ge", "lt", "gt"]), value=value)
        case "member":
            return p.Member(of="segment", name=rng.choice(known), negated=rng.random() < 0.5)
        case kind:
            of = tuple(condition(rng, depth - 1, known) for _ in range(rng.randint(1, 3)))
            return {"all": p.All, "any": p.Any_, "none": p.None_}[kind](of=of)


def segment(name: str, conditions: tuple[p.Condition, ...]) -> p.Segment:
    return p.Segment(name=name, title="", lines=tuple(p.Line(condition=one, text="") for one in conditions))


def asked(rng: random.Random, sets: list[p.Segment]) -> Asked:
    """A customer of whom some is not known."""
    facts = {
        "tier": Fact(p.Type.TEXT, rng.choice(TIERS)),
        "score": Fact(p.Type.NUMBER, rng.randrange(5)),
        "path": Fact(p.Type.TEXT, rng.choice(PATHS)),
        "likes": Fact(p.Type.TEXTS, tuple(rng.sample(("x", "y", "z"), rng.randint(0, 2)))),
        "since": Fact(p.Type.DATE, DAY - rng.choice([0, 1, 2, 3, 5, 30, 31, 60, 70, 95])),
        "spent": Fact(p.Type.MONEY, rng.randint(1, 3) * 10_000, rng.choice(["EUR", "CHF"])),
    }
    known = {name: fact for name, fact in facts.items() if rng.random() < 0.8}
    consents = None if rng.random() < 0.2 else frozenset(rng.sample(("email", "sms"), rng.randint(0, 2)))
    return Asked({one.name: one for one in sets}, known, consents, TODAY)


def varied(rng: random.Random, old: p.Condition, known: tuple[str, ...]) -> p.Condition:
    """Another condition, mostly a near one."""
    fresh = condition(rng, 1, known)
    near = [fresh, p.All(of=(old, fresh)), p.Any_(of=(old, fresh)), p.Any_(of=(fresh, old))]
    if isinstance(old, p.All | p.Any_ | p.None_):
        of = list(old.of)
        of[rng.randrange(len(of))] = varied(rng, rng.choice(of), known)
        near += [type(old)(of=tuple(of)), type(old)(of=(*old.of, fresh)), type(old)(of=old.of[1:] or old.of)]
    else:
        alike = [one for one in (condition(rng, 0, known) for _ in range(60)) if type(one) is type(old)]
        near += alike[:6]
    return rng.choice(near)


@pytest.mark.parametrize("seed", range(40))
def test_what_is_proved_is_true(seed):
    rng = random.Random(seed)
    proved = 0
    for _ in range(100):
        sets: list[p.Segment] = []
        for name in SEGMENTS:
            sets.append(segment(name, (condition(rng, 1, tuple(one.name for one in sets)),)))
        old = condition(rng, rng.randrange(3), SEGMENTS)
        new = varied(rng, old, SEGMENTS)
        world = World.of(sets)
        found = way(old, new, world, world)
        if found not in (Way.MORE, Way.LESS, Way.SAME):
            continue
        proved += 1
        for _ in range(40):
            who = asked(rng, sets)
            was, now = who.truth(old) is True, who.truth(new) is True
            allowed = {Way.MORE: now >= was, Way.LESS: now <= was, Way.SAME: now == was}[found]
            assert allowed, (found, old, new, sets, who.facts, who.consents)
    assert proved > 10
