"""Which articles are in which set: what the index of texts leaves possible is what judging every row finds."""

import random

import numpy as np
import pytest

from engine.instructions import TRUE
from engine.program import All, Any_, Compare, Known, Line, Member, None_, OneOf, ProductSet, StartsWith, Under
from engine.sets import Evaluator, int_values, text_holds, text_ranges, text_values

TEXTS = ("", "Mode", "Mode/Damen", "Mode/Damen/Shirts", "Modeschmuck", "Mode0", "Obst", "Öle", "obst", "\U0001f34e")
ROWS = 60


def conditions(chance: random.Random, depth: int = 0):
    """Any condition that a product set may hold."""
    kind = chance.randrange(6 if depth > 1 else 9)
    text, negated = chance.choice(TEXTS), chance.random() < 0.3
    match kind:
        case 0:
            return Compare(attribute="item.kind", op="ne" if negated else "eq", value=text)
        case 1:
            values = tuple(chance.sample(TEXTS, chance.randrange(1, len(TEXTS))))
            return OneOf(attribute="item.kind", values=values, negated=negated)
        case 2:
            return Under(attribute="item.path", path=text)
        case 3:
            return StartsWith(attribute="item.path", prefix=text)
        case 4:
            return Compare(attribute="item.size", op=chance.choice(("eq", "lt", "ge")), value=chance.randrange(4))
        case 5:
            return Known(attribute=chance.choice(("item.kind", "item.size")), known=negated)
        case 6:
            return Member(of="products", name="other", negated=negated)
        case _:
            block = chance.choice((All, Any_, None_))
            return block(of=tuple(conditions(chance, depth + 1) for _ in range(chance.randrange(3))))


def product_set(name: str, chance: random.Random, depth: int = 0) -> ProductSet:
    lines = tuple(Line(condition=conditions(chance, depth), text="") for _ in range(chance.randrange(4)))
    return ProductSet(name=name, title="", lines=lines)


@pytest.mark.parametrize("seed", range(300))
def test_the_index_finds_what_judging_every_row_finds(seed):
    chance = random.Random(seed)
    known = TEXTS[: chance.randrange(len(TEXTS) + 1)]
    columns = {
        "item.kind": text_values([chance.choice((None, *known)) for _ in range(ROWS)]),
        "item.path": text_values([chance.choice((None, *known)) for _ in range(ROWS)]),
        "item.size": int_values([chance.choice((None, 0, 1, 2, 3)) for _ in range(ROWS)]),
    }
    sets = {"other": product_set("other", chance, 2), "one": product_set("one", chance)}
    judge = Evaluator(ROWS, columns.__getitem__, sets)
    found = judge.members("one")
    assert found.tolist() == np.flatnonzero(Evaluator(ROWS, columns.__getitem__, sets).member("one") == TRUE).tolist()


@pytest.mark.parametrize("seed", range(100))
def test_ranges_of_texts_are_the_texts_that_hold(seed):
    chance = random.Random(seed)
    texts = sorted(chance.sample(TEXTS, chance.randrange(len(TEXTS) + 1)))
    text = chance.choice(TEXTS)
    for node in (
        Compare(attribute="item.kind", op="eq", value=text),
        OneOf(attribute="item.kind", values=tuple(chance.sample(TEXTS, 3))),
        Under(attribute="item.path", path=text),
        StartsWith(attribute="item.path", prefix=text),
    ):
        inside = {at for low, high in text_ranges(node, texts) for at in range(low, high)}
        assert inside == {at for at, one in enumerate(texts) if text_holds(node, one)}
