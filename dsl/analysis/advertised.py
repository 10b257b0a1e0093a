"""`advertised as price reduction`: the lowest price of the 30 days before must be higher (PAngV § 11), and a percentage
on the label must be right against that price."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from dsl import ast
from dsl.analysis.claims import Claim, claim
from dsl.analysis.clock import DAY, plain_day
from dsl.analysis.costs import paid_for
from dsl.analysis.free import shown
from dsl.analysis.guarded import reach
from dsl.analysis.money_tables import PriceRow
from dsl.analysis.never_applies import set_of
from dsl.analysis.ruleset import Rules
from dsl.clauses import clauses, first
from dsl.phrases import say
from engine import program as p
from engine.money import micros_per_minor

BEFORE: Final = 30  # days
FULL: Final = 10_000  # basis points
_STATED = re.compile(r"([0-9]{1,2}(?:[.,][0-9]{1,2})?|100)[ \u00a0\u202f]?%")


def claims(
    rules: Rules,
    nodes: Mapping[str, ast.Promotion],
    history: Mapping[str, Sequence[PriceRow]] | None,
    dead: frozenset[str],
) -> Iterator[Claim]:
    """`history`: the standard prices of articles with their days; `dead`: promotions that never apply anyway."""
    for name, promotion in rules.promotions.items():
        node = nodes[name]
        if name in dead or first(node, ast.Advertised) is None or promotion.runs.start is None:
            continue
        if history is None or rules.articles is None or rules.catalogue is None:
            why = say("no price list «standard» with «from» and «until» is declared, or there is no catalogue")
            yield claim("P4007", "promotion", name, "advertised", name=name, why=why)
            continue
        rows = np.flatnonzero(reach(rules, set_of(promotion), promotion.except_))
        articles = [rules.catalogue.articles[row] for row in rows.tolist()]
        yield from _judged(rules, promotion, stated(node), articles, history)


def stated(node: ast.Promotion) -> int | None:
    """The largest percentage that a label states, in basis points; None: it states none."""
    found = [
        round_basis_points(match[1])
        for label in clauses(node, ast.Label)
        if label.kind == "label"
        for match in _STATED.finditer(label.text.text)
    ]
    return max(found, default=None)


def round_basis_points(text: str) -> int:
    """33 or 12,5 in basis points."""
    whole, _, part = text.replace(",", ".").partition(".")
    return int(whole) * 100 + int(part.ljust(2, "0") or 0)


def _judged(
    rules: Rules,
    promotion: p.Promotion,
    promised: int | None,
    articles: Sequence[str],
    history: Mapping[str, Sequence[PriceRow]],
) -> Iterator[Claim]:
    assert promotion.runs.start is not None
    day = promotion.runs.start // DAY
    micros = micros_per_minor(rules.currency)
    unknown = 0
    wrong: list[tuple[int, str, int, int, int]] = []  # what is too much, article, lowest, its day, new price
    for article in articles:
        before = _lowest(history.get(article, ()), day - BEFORE, day - 1)
        now = _lowest(history.get(article, ()), day, day)
        new = _new_price(rules, promotion, now[0] if now else None)
        if before is None or new is None:
            unknown += 1
            continue
        real = max(0, (before[0] - new) * FULL // before[0]) if before[0] else 0
        allowed = (real + 50) // 100 * 100 if promised is not None and promised % 100 == 0 else real
        if new >= before[0] or (promised is not None and promised > max(real, allowed)):
            wrong.append(((promised or 0) - real, article, before[0], before[1], new))
    if wrong:
        _, article, low, since, new = max(wrong, key=lambda one: (one[0], one[1]))
        real = max(0, (low - new) * FULL // low) if low else 0
        what = say("«-{count}%»", count=promised // 100) if promised is not None else say("this")
        more = None if len(wrong) == 1 else say(" and {count} more", count=len(wrong) - 1)
        yield claim(
            "P4003",
            "promotion",
            promotion.name,
            "advertised",
            what=what,
            name=article,
            more=more,
            value=shown(low // micros, rules.currency),
            begins=plain_day(since),
            ends=shown(new // micros, rules.currency),
            size=real // 100,
        )
    if unknown:
        why = say("for {count} of its {most} articles", count=unknown, most=len(articles))
        yield claim("P4007", "promotion", promotion.name, "advertised", name=promotion.name, why=why)


def _lowest(rows: Sequence[PriceRow], begin: int, end: int) -> tuple[int, int] | None:
    """The lowest price that held on any of these days, and the first such day. None: none is known."""
    held = [
        (row.price, max(begin, row.start if row.start is not None else begin))
        for row in rows
        if (row.start is None or row.start <= end) and (row.until is None or row.until >= begin)
    ]
    return min(held, default=None)


def _new_price(rules: Rules, promotion: p.Promotion, now: int | None) -> int | None:
    """What a piece costs then, in micros; None: it depends on the basket, or on a price that is not known."""
    reward = promotion.reward
    if promotion.buy is not None:
        return None
    micros = micros_per_minor(rules.currency)
    if isinstance(reward, p.FixedPriceMeasure):
        price = next((part.value for part in reward.price if part.currency == rules.currency), None)
        whole = not reward.hundreds and reward.per in ("kg", "l", "m")  # as the list has its prices
        if price is None or not whole:
            return None
        return price if now is None else min(now, price)
    if isinstance(reward, p.FixedPriceEach) and now is None:
        fixed = next((part.value for part in reward.price if part.currency == rules.currency), None)
        return None if fixed is None else fixed * micros
    if now is None:
        return None
    paid = paid_for(reward, 1, now // micros, rules.currency, rules.settings)
    return None if paid is None or now % micros else paid * micros
