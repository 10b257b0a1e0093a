"""Every reason has a sentence, and it says what the figures say."""

import dataclasses

import pytest

from engine.decision import CodeVerdict, Decision, Missing, PromotionResult, Reason, Totals, Verdict
from server import explain

NAMES = explain.Names({"fashion": "Mode", "bananas": ""})


def decided(*results: PromotionResult, currency: str = "EUR") -> Decision:
    totals = Totals(0, 0, 0, 0, 0, 0)
    return Decision("a" * 64, currency, True, 0, (), results, (), (), (), (), totals)


def result(reason: Reason, **fields) -> PromotionResult:
    return PromotionResult("p", reason, **fields)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (result(Reason.APPLIED, applications=1, saving=199), "applied, saves EUR 1.99"),
        (result(Reason.APPLIED, applications=3, saving=5), "applied 3 times, saves EUR 0.05"),
        (result(Reason.APPLIED, applications=1, code="SAVE"), "applied, with the code SAVE"),
        (
            result(Reason.SCHEDULE, clause="runs from 2026-09-07 until 2026-09-12"),
            "runs from 2026-09-07 until 2026-09-12",
        ),
        (result(Reason.SCHEDULE), "does not run at this instant"),
        (result(Reason.CHANNEL, clause="sold in stores"), "not in this channel: sold in stores"),
        (result(Reason.AUDIENCE, clause="for gold-members"), "not for this customer: for gold-members"),
        (result(Reason.CODE_MISSING, clause="with code from autumn"), "needs a code: with code from autumn"),
        (
            result(Reason.CONDITION, missing=Missing("amount", 1_240, "", "fashion")),
            "EUR 12.40 more of «Mode» and it applies",
        ),
        (result(Reason.CONDITION, missing=Missing("amount", 1_240, "", "")), "EUR 12.40 more and it applies"),
        (result(Reason.CONDITION, clause="when payment is card"), "does not hold: when payment is card"),
        (
            result(Reason.QUANTITY, missing=Missing("pieces", 1, "", "pasta")),
            "1 more piece of «pasta» and it applies",
        ),
        (result(Reason.QUANTITY, missing=Missing("pieces", 2, "", "")), "2 more pieces and it applies"),
        (
            result(Reason.CONDITION, missing=Missing("articles", 1, "", "pasta")),
            "1 more article of «pasta» and it applies",
        ),
        (
            result(Reason.CONDITION, missing=Missing("articles", 2, "", "pasta")),
            "2 more different articles of «pasta» and it applies",
        ),
        (
            result(Reason.QUANTITY, missing=Missing("measure", 250, "kg", "bananas")),
            "0.25 kg more of «bananas» and it applies",
        ),
        (
            result(Reason.LIMIT, clause="limit 1 per customer", usage_as_given=True),
            "the limit is reached: limit 1 per customer (limits judged from the usage that the request gave)",
        ),
        (result(Reason.CHANNEL, clause="sold in pos", usage_as_given=True), "not in this channel: sold in pos"),
        (
            result(Reason.UNKNOWN_FACT, clause="customer.tier is gold"),
            "a fact that it asks for is not known: customer.tier is gold",
        ),
        (result(Reason.CURRENCY, clause="get EUR 5.00 off basket"), "has no amount in EUR: get EUR 5.00 off basket"),
        (result(Reason.EXCLUSIVE, beaten_by="x"), "stands aside for x, with which it is never combined"),
        (result(Reason.NO_SAVING), "would save nothing"),
        (result(Reason.BEATEN), "other promotions save more"),
    ],
)
def test_a_sentence(given, sentence):
    assert explain.explain(given, decided(given), NAMES) == sentence


def test_beaten_says_by_how_much():
    winner = PromotionResult("x", Reason.APPLIED, applications=1, saving=150)
    loser = result(Reason.BEATEN, beaten_by="x", would_save=100)
    assert explain.explain(loser, decided(loser, winner)) == "beaten by x, which saves EUR 0.50 more"
    tied = dataclasses.replace(loser, would_save=150)
    assert explain.explain(tied, decided(tied, winner)) == "beaten by x"


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_sentence_with_and_without_its_line(reason):
    for clause in ("", "when payment is card"):
        given = result(reason, clause=clause)
        text = explain.explain(given, decided(given))
        assert text
        assert not text.endswith(".")


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_has_a_sentence(verdict):
    assert explain.explain_code(CodeVerdict("X", verdict, "p", Reason.SCHEDULE))
    assert explain.explain_code(CodeVerdict("X", verdict))


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (1_240, "EUR", "EUR 12.40"),
        (-5, "EUR", "-EUR 0.05"),
        (500, "JPY", "JPY 500"),
        (1, "KWD", "KWD 0.001"),
        (0, "EUR", "EUR 0.00"),
    ],
)
def test_money_has_its_currencys_digits(minor, currency, text):
    assert explain.money(minor, currency) == text


def test_german_sentences():
    winner = PromotionResult("x", Reason.APPLIED, applications=3, saving=199)
    loser = result(Reason.BEATEN, beaten_by="x", would_save=100)
    decision = decided(winner, loser)
    assert explain.explain(winner, decision, language="de") == "angewendet, 3-mal, spart 1,99 €"
    assert explain.explain(loser, decision, language="de") == "verdrängt durch x, das 0,99 € mehr spart"
    missing = result(Reason.CONDITION, missing=Missing("amount", 124_000, "", "fashion"))
    assert explain.explain(missing, decided(missing), NAMES, "de") == "es fehlen 1240,00 € aus «Mode»"
    weighed = result(Reason.QUANTITY, missing=Missing("measure", 250, "kg", "bananas"))
    assert explain.explain(weighed, decided(weighed), NAMES, "de") == "es fehlen 0,25 kg aus «bananas»"
    assert explain.explain(winner, decided(winner, currency="CHF"), language="de").endswith("spart 1,99 CHF")


def test_the_tier_and_what_is_missing_to_the_next():
    given = result(Reason.APPLIED, saving=150, applications=1, tier=1, next_tier=Missing("pieces", 3, "", "fashion"))
    told = explain.explain(given, decided(given), NAMES)
    assert told == "applied, saves EUR 1.50, tier 1 (to tier 2: 3 more pieces of «Mode»)"
    in_german = explain.explain(given, decided(given), NAMES, "de")
    assert in_german == "angewendet, spart 1,50 €, Stufe 1 (zu Stufe 2: es fehlen 3 Stück aus «Mode»)"
    last = dataclasses.replace(given, tier=2, next_tier=None)
    assert explain.explain(last, decided(last), NAMES) == "applied, saves EUR 1.50, tier 2"


def test_an_unknown_language_is_answered_in_english():
    late = result(Reason.SCHEDULE)
    assert explain.explain(late, decided(late), language="fr") == explain.explain(late, decided(late))


def test_every_language_has_a_sentence_for_every_reason_and_says_it_in_its_own_words():
    for speech in explain.SPEECH.values():
        assert set(speech.reasons) == set(Reason)
    english, german = (explain.SPEECH[language].reasons for language in ("en", "de"))
    assert not [reason for reason in Reason if english[reason][0] == german[reason][0]]
