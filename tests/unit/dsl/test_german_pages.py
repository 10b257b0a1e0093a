"""Every code has its page in German: the same examples, letter by letter, and prose that is not the English one."""

import re

import pytest

from dsl.diagnostics import TABLE, explanation

FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
ENGLISH = re.compile(r"\b(the|of|and|is|are|this|with|which|line)\b")


@pytest.mark.parametrize("code", TABLE)
def test_the_german_page_has_the_examples_of_the_english_one(code):
    english, german = explanation(code), explanation(code, "de")
    assert english is not None and german is not None and german != english
    assert german.startswith(f"# {code}: ")
    assert FENCE.findall(german) == FENCE.findall(english)
    prose = re.sub(r"`[^`]*`|«[^»]*»", "", FENCE.sub("", german))
    assert len(ENGLISH.findall(prose)) <= 2, ENGLISH.findall(prose)
    assert max(map(len, prose.split("\n"))) <= 120
