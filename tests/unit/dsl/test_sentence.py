"""Declarations said in sentences: what `einklang explain NAME` and editors show."""

import re
from typing import get_args

import pytest

from dsl import ast
from dsl.parse import parse
from dsl.project import Project, assemble
from dsl.sentence import LANGUAGES, sentence

FRAME = """
products pasta "Pasta" {
  item.category is under "Pasta"
}
products ties {
  item.category is under "Ties"
}
segment gold "Gold" {
  customer.tier is one of gold, platinum
  consent to profiling
}
group deals {
  gives discounts
  apply best per item
  prices original
}
codes spring {
  code "SPRING"
  each code once
}
schema {
  channels stores, webshop, app
}
"""


def project(text: str) -> Project:
    file = parse("a.promo", (FRAME + text).encode())
    assert not file.findings
    return assemble(file.declarations, {})[0]


def said(*clauses: str, language: str = "en") -> str:
    lines = "".join(f"  {clause}\n" for clause in clauses)
    text = sentence(project(f"promotion p {{\n{lines}}}\n"), "p", language)
    assert text is not None
    return text


@pytest.mark.parametrize(
    ("clauses", "english", "german"),
    [
        (
            ("buy 3 of pasta", "get the cheapest 1 free", "limit 4 per basket"),
            "Everyone who buys 3 of «Pasta» gets the cheapest of them free. At most 4 times per basket.",
            "Wer 3 Stück aus «Pasta» kauft, bekommt das günstigste davon gratis. Höchstens 4-mal je Warenkorb.",
        ),
        (
            ("for gold but not gold", "get EUR 5 or CHF 6 off pasta each"),
            "Members of «Gold», but not «Gold», get EUR 5.00 or CHF 6.00 off «Pasta» each.",
            "Wer zu «Gold» gehört und nicht zu «Gold» gehört, bekommt "
            "5,00 € oder 6,00 CHF Rabatt je Stück auf «Pasta».",
        ),
        (
            (
                "runs from 2026-09-17 08:00 until 2026-09-30",
                "sold everywhere but not app",
                "for everyone",
                "get 10% off pasta",
            ),
            "From 17 September 2026, 08:00 to the end of 30 September 2026, in stores and webshop: "
            "everyone gets 10% off «Pasta».",
            "Vom 17. September 2026, 08:00 Uhr bis einschließlich 30. September 2026, in stores und webshop: "
            "alle bekommen 10 % Rabatt auf «Pasta».",
        ),
        (
            (
                "with code from spring",
                "when basket is worth at least EUR 50.00 of pasta before discounts",
                "get 10% off the basket",
            ),
            "Everyone with a code of «spring» gets 10% off the basket, "
            "if «Pasta» in the basket is worth at least EUR 50.00 before discounts.",
            "Wer einen Code aus «spring» eingibt, bekommt 10 % Rabatt auf den Warenkorb. "
            "Bedingung: «Pasta» im Warenkorb ist mindestens 50,00 € vor Rabatten wert.",
        ),
        (
            ("only on Mon to Fri but not holidays between 18:00 and 20:00 or Sat", "get 10% off pasta"),
            "Only Monday to Friday but not holidays from 18:00 to 20:00 or only Saturday: "
            "everyone gets 10% off «Pasta».",
            "Nur Montag bis Freitag außer Feiertage von 18:00 bis 20:00 Uhr oder nur Samstag: "
            "alle bekommen 10 % Rabatt auf «Pasta».",
        ),
        (
            ("buy 2 of pasta", "get 1 of ties free, fewer too", "except ties"),
            "Everyone who buys 2 of «Pasta» gets 1 of «ties» free, or fewer of them. «ties» count for nothing here.",
            "Wer 2 Stück aus «Pasta» kauft, bekommt 1 Stück aus «ties» gratis, oder weniger davon. "
            "Nichts davon gilt für «ties».",
        ),
        (
            ("get 10% off pasta", "limit EUR 60.00 per household each month", "limit 1 per customer in any 30 days"),
            "Everyone gets 10% off «Pasta». It saves at most EUR 60.00 per household a month. "
            "At most once per customer in any 30 days.",
            "Alle bekommen 10 % Rabatt auf «Pasta». Sie spart höchstens 60,00 € je Haushalt im Monat. "
            "Höchstens 1-mal je Kunde in jeweils 30 Tagen.",
        ),
        (
            ("get 20% off pasta", 'funded 60% by supplier "Pastella", rest by us', "group deals"),
            "Everyone gets 20% off «Pasta». In its group «deals» each piece goes to the promotion with which all "
            "together save most. What it saves is paid 60% by supplier “Pastella” and the rest by us.",
            "Alle bekommen 20 % Rabatt auf «Pasta». In ihrer Gruppe «deals» geht jedes Stück an die Aktion, mit der "
            "alle zusammen am meisten sparen. Was sie spart, zahlen: Lieferant „Pastella“ 60 %, wir den Rest.",
        ),
        (
            ("variants by customer {\n    variant ten 90% get 10% off pasta\n    control 10%\n  }",),
            "Everyone gets by a draw for each customer in 90% of cases 10% off «Pasta» or in 10% of cases nothing, "
            "as the control group.",
            "Alle bekommen durch ein Los je Kunde in 90 % der Fälle 10 % Rabatt auf «Pasta» oder in 10 % der Fälle "
            "nichts (Kontrollgruppe).",
        ),
    ],
)
def test_promotions(clauses, english, german):
    assert said(*clauses) == english
    assert said(*clauses, language="de") == german


def test_other_declarations():
    shop = project("")
    assert sentence(shop, "gold") == (
        "Customers for which all of this holds: the customer’s tier is gold or platinum and the customer consents to "
        "profiling."
    )
    assert sentence(shop, "spring", "de") == "1 Code, jeder 1-mal."
    assert sentence(shop, "nowhere") is None


def test_a_promotion_comes_before_a_set_of_its_name():
    assert sentence(project("promotion pasta {\n  get 10% off ties\n}\n"), "pasta") == "Everyone gets 10% off «ties»."


def test_every_reward_and_condition_is_said():
    """No construct falls through to an assertion: a new node must be said in both languages."""
    rewards = [
        "10% off pasta together",
        "10% off 2 of ties, fewer too",
        "10% off 2 of one article of ties",
        "10% off the cheapest 2 of ties",
        "the dearest 1 of ties free",
        "10% off the basket with fees",
        "10% off the fee of shipping",
        "EUR 1.00 off pasta per article",
        "EUR 1.00 off the cheapest 1 of ties each",
        "EUR 1.00 off 2 of ties together",
        "EUR 1.00 off per 100 g of pasta",
        "EUR 1.00 off the basket",
        "EUR 1.00 off the fee of shipping",
        "20% off every 2nd, EUR 1.00 off every 11th",
        "the dearest 2 free",
        "50% off the cheapest 2",
        "pasta for EUR 1.00 per 100 g",
        "them for EUR 1.00 each",
        "2 of ties for EUR 1.00 each, fewer too",
        "them together for EUR 5.00, singles too",
        "the basket for EUR 20.00",
        "the fee of shipping for EUR 1.99",
        'prices from list "ACME"',
        "what the cashier enters, at most EUR 5.00",
        "free shipping",
        "2 gifts from ties for EUR 1.00",
        "1.5 times points on the basket",
        "5 times points on pasta",
        "500 points",
        "a code from spring valid for 1 day",
        "by quantity of one article of pasta, step by step {\n    from 20 kg get EUR 0.10 off per kg\n  }",
        "by spend of the basket after discounts {\n    from EUR 50.00 get EUR 5.00 off together\n"
        "    from EUR 60.00 get 5% off\n  }",
        "by quantity of pasta {\n    from 6 get them for EUR 3.99 each\n    from 9 get 1 gift from ties\n"
        "    from 12 get 9 points\n  }",
    ]
    conditions = [
        "at least 3 orders of pasta where orders.channel is app in the last 30 days, then no visits within 1 day",
        "exactly 1 order between 24 months and 6 months ago",
        "at most 1 order since 2026-01-01",
        "between 2 and 5 orders this day",
        "no orders so far",
        "sum of orders.total of pasta this year is between EUR 1.00 and EUR 2.00",
        "anniversary of customer.birthday is within 3 days of today",
        "anniversary of customer.birthday is this month",
        "anniversary of customer.birthday is today",
        "similar to gold at least 80%",
        "this order is the 1st",
        "this order is every 22nd",
        "basket has no ties",
        "basket has between 1 and 9 of one article of pasta",
        "basket has at most 2.5 kg of pasta",
        "basket has at least 2 articles of pasta",
        "basket is worth between EUR 1.00 and EUR 2.00 of pasta after discounts with fees",
        "basket is worth at most EUR 2.00 without tax",
        "payment is not one of card, sepa",
        "delivery is known",
        "delivery.country is unknown",
        "not in gold",
        "in gold",
        'customer.interests has one of "a", "b"',
        'customer.interests has "a"',
        'item.sku starts with "GC-"',
        'customer.id is listed in "a.csv"',
        "customer.since is more than 2 years ago",
        "customer.since is before 2024-01-01",
        "customer.loud is yes",
        "none of {\n    payment is card\n    all of {\n      payment is sepa\n    }\n  }",
        "consent to email",
    ]  # fmt: skip
    others = [f"when {condition}" for condition in conditions]
    others += ["exclusive", "not with p, q", "advertised as price reduction", "on return reprice what is kept"]
    others += ["with reason one of damaged, goodwill", "limit 2 per article", "limit 1 basket per customer each year"]
    others += ['funded by partner "Kiosk"']
    heard = set()
    for language in LANGUAGES:
        for clauses in ([f"get {reward}"] for reward in rewards):
            text = said(*clauses, language=language)
            assert not re.search(r"[{}]|None|Decimal|\b(Name|Span)\(", text)
            heard.add((language, text))
        for other in others:
            text = said("get 10% off pasta", other, language=language)
            assert not re.search(r"[{}]|None|Decimal|\b(Name|Span)\(", text)
            heard.add((language, text))
    assert len(heard) == len(LANGUAGES) * (len(rewards) + len(others))  # each says something of its own
    classes = {type(reward) for text in rewards for reward in _rewards(text)}
    assert classes == set(get_args(ast.Reward))
    asked = {type(node) for condition in conditions for node in _conditions(condition)}
    assert asked == set(get_args(ast.Condition))


def _rewards(text: str) -> list[ast.Reward]:
    clauses = project(f"promotion p {{\n  get {text}\n}}\n").promotions["p"].clauses
    return [clause.reward for clause in clauses if isinstance(clause, ast.Get)]


def _conditions(text: str) -> list[ast.Condition]:
    clauses = project(f"promotion p {{\n  when {text}\n}}\n").promotions["p"].clauses
    return [clause.line.condition for clause in clauses if isinstance(clause, ast.When)]
