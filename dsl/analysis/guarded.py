"""What guards keep out of promotions, counted over the catalogue; and «except» lines that keep out nothing more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from dsl.analysis.claims import Claim, claim
from dsl.analysis.never_applies import set_of
from dsl.analysis.never_wins import counts
from dsl.analysis.ruleset import Rows, Rules
from dsl.analysis.worlds import Pair, Want, Worlds, in_set
from dsl.phrases import Phrase, few, many, say
from engine import program as p


def claims(rules: Rules, worlds: Worlds, dead: frozenset[str]) -> Iterator[Claim]:
    """`dead`: promotions that never apply anyway."""
    reached: dict[tuple[str | None, tuple[str, ...]], tuple[Rows, Rows]] = {}
    for promotion in rules.promotions.values():
        if promotion.name in dead or isinstance(promotion.reward, p.Benefit):
            continue
        if rules.articles is not None and rules.guarded("discount"):
            key = (set_of(promotion), promotion.except_)
            if key not in reached:
                inside = reach(rules, *key)
                reached[key] = inside, inside & kept_out(rules)
            yield from _counted(rules, promotion, *reached[key])
        yield from _needless(rules, worlds, promotion)


def reach(rules: Rules, name: str | None, left_out: Sequence[str]) -> Rows:
    """The articles of the catalogue that are surely in the set and not left out."""
    assert rules.articles is not None
    rows = None if name is None else rules.surely_in(name)
    if rows is None:
        rows = np.ones(rules.articles.rows, np.bool_)
    for other in left_out:
        surely = rules.surely_in(other)
        assert surely is not None
        rows = rows & ~surely
    return rows


def kept_out(rules: Rules) -> Rows:
    """The articles that guards keep from discounts; an unknown one is kept, too."""
    assert rules.articles is not None
    rows = np.zeros(rules.articles.rows, np.bool_)
    for name in rules.guarded("discount"):
        perhaps = rules.perhaps_in(name)
        assert perhaps is not None
        rows = rows | perhaps
    return rows


def _counted(rules: Rules, promotion: p.Promotion, inside: Rows, kept: Rows) -> Iterator[Claim]:
    count, most = int(kept.sum()), int(inside.sum())
    if not count:
        return
    part = "buy" if promotion.buy else "get"
    name = set_of(promotion)
    where = say("the catalogue") if name is None else say("«{name}»", name=name)
    why = _by_guard(rules, kept)
    if count == most:
        yield claim("P4002", "promotion", promotion.name, part, count=many(count), where=where, why=why)
    else:
        hint = None if promotion.except_ else say("Nothing to do: «except» is not needed.")
        of = many(most)
        yield claim(
            "P4001", "promotion", promotion.name, part, count=many(count), most=of, where=where, why=why, hint=hint
        )


def _by_guard(rules: Rules, kept: Rows) -> Phrase:
    """Which guards, with how many articles of which sets; each article under the first set that it is surely in, else
    under the first that may have it."""
    left = kept.copy()
    counted: dict[str, dict[str, int]] = {}
    for look in (rules.surely_in, rules.perhaps_in):
        for guard in rules.guards:
            for name in guard.discount:
                rows = look(name)
                assert rows is not None
                number = int((left & rows).sum())
                if number:
                    sets = counted.setdefault(guard.name, {})
                    sets[name] = sets.get(name, 0) + number
                left &= ~rows
    said = []
    because = {guard.name: guard.because for guard in rules.guards}
    for guard_name, sets in sorted(counted.items(), key=lambda one: -sum(one[1].values())):
        most_first = sorted(sets.items(), key=lambda one: (-one[1], one[0]))
        law = f" ({because[guard_name]})" if because[guard_name] else ""
        said.append(
            f"{guard_name}{law}: " + ", ".join(few([f"{many(number)} {name}" for name, number in most_first], 3))
        )
    return say("guard {words}", words="; ".join(few(said, 3)))


def _needless(rules: Rules, worlds: Worlds, promotion: p.Promotion) -> Iterator[Claim]:
    """«except» of what is not in the set, or of what guards keep out anyway. Not where thresholds count."""
    if not promotion.except_ or any(counts(line.condition) for line in promotion.when):
        return
    name = set_of(promotion)
    inside: list[Pair] = [] if name is None else [(in_set(name), Want.TRUE)]
    free: list[Pair] = [(in_set(other), Want.FALSE) for other in rules.guarded("discount")]
    for other in promotion.except_:
        both = [*inside, (in_set(other), Want.TRUE)]
        if name is not None and worlds.no_article(both):
            why = say("nothing of it is in «{name}»", name=name)
        elif free and worlds.no_article([*both, *free]):
            why = say("guards keep it out already")
        else:
            continue
        yield claim("P4005", "promotion", promotion.name, "except", name=other, why=why)
