"""Amounts, pieces and measures in texts, as each language writes them."""

import pytest

from dsl.writing import writings
from engine.decision import Missing
from engine.texts import PLAIN, amount, filled

CURRENCIES = ("EUR", "CHF", "JPY", "KWD")
BY_LANGUAGE = {w.language: w for w in writings(("de", "en", "fr", "hi", "nl", "pl", "tr", "xx"), CURRENCIES)}


@pytest.mark.parametrize(
    ("language", "currency", "minor", "said"),
    [
        ("de", "EUR", 123_450, "1.234,50 €"),
        ("de", "CHF", 5, "0,05 CHF"),
        ("en", "EUR", 123_450, "€1,234.50"),
        ("en", "CHF", 123_450, "CHF 1,234.50"),
        ("fr", "EUR", 123_456_789, "1 234 567,89 €"),
        ("hi", "EUR", 123_456_789, "€12,34,567.89"),
        ("nl", "EUR", 0, "€ 0,00"),
        ("pl", "EUR", 100, "1,00 €"),
        ("tr", "EUR", 100_000, "€1.000,00"),
        ("de", "JPY", 1_500, "1.500 ¥"),
        ("en", "KWD", 1_500, "KWD 1.500"),
        ("xx", "EUR", 100_000, "€1,000.00"),
    ],
)
def test_amounts(language, currency, minor, said):
    assert amount(minor, BY_LANGUAGE[language], currency) == said


def test_a_language_that_the_ruleset_does_not_know_prints_the_code():
    assert amount(123_450, PLAIN, "EUR") == "EUR 1234.50"


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (Missing("amount", 1_240, "", "a"), "12,40 €"),
        (Missing("pieces", 1_200, "", "a"), "1.200"),
        (Missing("measure", 2_500, "kg", "a"), "2,5 kg"),
        (Missing("measure", 12_000, "l", "a"), "12 l"),
    ],
)
def test_what_is_missing(missing, said):
    assert filled("Noch {missing}!", BY_LANGUAGE["de"], "EUR", {"missing": missing}) == f"Noch {said}!"


def test_only_the_known_gaps_are_filled_and_values_are_never_read_as_gaps():
    assert filled("{saved} {saved} {other} {", BY_LANGUAGE["de"], "EUR", {"saved": 1}) == "0,01 € 0,01 € {other} {"
    assert filled("{missing}", BY_LANGUAGE["en"], "EUR", {"missing": Missing("pieces", 0, "", "")}) == "0"
