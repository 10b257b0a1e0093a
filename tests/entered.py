"""What cashiers enter, and floors of prices, for generated rulesets and baskets: by dice of their own, so that the
other choices of tests/generators.py stay what they were."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Literal

from engine.basket import BasketLine, ManualDiscount
from engine.program import Amount, Cashier, Floor, Group, Guard, PriceTogether, Program, Promotion

REASONS = ("damaged", "goodwill", "weiß")


def by_hand(promotions: Sequence[Promotion], groups: Sequence[Group], currencies: Sequence[str]) -> list[Promotion]:
    """Now and then promotions of what is entered, beside others: like one of them."""
    random = Random(" ".join(("by hand", *(promotion.name for promotion in promotions))))
    discounts = [group.name for group in groups if group.gives == "discounts"]
    models = [one for one in promotions if one.group in discounts]
    if not models or random.random() < 0.6:
        return []
    found = []
    for number in range(random.choice((1, 1, 2))):
        like = random.choice(models)
        reasons = tuple(sorted(random.sample(REASONS, random.choice((1, 2)))))
        percent = random.choice((0, 1_000, 3_000, 5_000, 10_000))
        amount = tuple(Amount(currency=currency, value=77) for currency in sorted(currencies))
        reward = Cashier(reasons=reasons, percent=percent, amount=() if percent else amount, text="with reason")
        limits = tuple(limit for limit in like.limits if limit.scope != "code")
        own = {"name": f"k{number}", "reward": reward, "group": random.choice(discounts), "limits": limits}
        plain = {"buy": None, "per_article": 0, "when": (), "code": None, "labels": ()}
        exclusive = like.exclusive and random.random() < 0.5
        found.append(like.model_copy(update={**own, **plain, "exclusive": exclusive}))
    return found


def floors(sets: Sequence[str], promotions: Sequence[Promotion]) -> list[Guard]:
    """Now and then prices have floors; not where a price together may be below them, for then little is proven."""
    random = Random(" ".join(("floors", *(promotion.name for promotion in promotions))))
    if random.random() < 0.75 or any(isinstance(one, PriceTogether) for p in promotions for one in p.rewards):
        return []
    names = tuple(sorted(random.sample(sets, random.choice((1, 1, 2)))))
    found = [Floor(of=names, attribute=random.choice(("item.cost", "item.cost", "item.price")))]
    if random.random() < 0.3:
        found.append(Floor(of=(random.choice(sets),), attribute="item.cost"))
    return [Guard(name="v", title="", floors=tuple(found))]


def reasons_of(programs: Sequence[Program]) -> dict[str, bool]:
    """The reasons that a cashier may give, and whether something is off the basket for them."""
    per_item = {
        program.name for program in programs if isinstance(program, Group) and program.apply.endswith("per-item")
    }
    reasons: dict[str, bool] = {}
    for program in programs:
        if isinstance(program, Promotion):
            for reward in program.rewards:
                for reason in reward.reasons if isinstance(reward, Cashier) else ():
                    reasons[reason] = reasons.get(reason, True) and program.group not in per_item
    return reasons


def entered_by_hand(programs: Sequence[Program], lines: Sequence[BasketLine], seed: int) -> tuple[ManualDiscount, ...]:
    """What a cashier enters, where there are reasons for it, by dice of its own."""
    random = Random(f"by hand {seed}")
    reasons = reasons_of(programs)
    if not reasons or random.random() < 0.1:
        return ()

    def entry(of: Sequence[str], line: str, quantity: int) -> ManualDiscount:
        kind: Literal["percent", "amount", "price"] = random.choice(("percent", "percent", "amount", "price"))
        percent = random.choice((1, 500, 1_000, 1_000, 3_333, 5_000, 10_000))
        value = percent if kind == "percent" else random.choice((0, 1, 10, 50, 99, 100, 150, 1_000))
        return ManualDiscount(kind, value, random.choice(of), line, quantity)

    found = []
    for line in lines:
        pieces = line.quantity
        while random.random() < 0.6:
            quantity = random.randint(0 if pieces == line.quantity else 1, min(pieces, 3))
            found.append(entry(sorted(reasons), line.id, quantity))
            pieces -= quantity or pieces
            if not pieces:
                break
    together = sorted(reason for reason, whole in reasons.items() if whole)
    if together and random.random() < 0.4:
        found.append(entry(together, "", 0))
    return tuple(random.sample(found, len(found)))
