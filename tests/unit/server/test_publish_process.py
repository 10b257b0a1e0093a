"""What the publishing process takes and refuses."""

from __future__ import annotations

import re

import pytest

from dsl.compiler import LATER, check_project
from dsl.diagnostics import TABLE, explanation
from server.publish_process import Workshop, _Refused
from tests.unit.dsl.frame import framed

FENCE = re.compile(r"^```(\w+) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ERRORS = sorted(code for code, row in TABLE.items() if row.severity == "error")


def reported(code: str) -> dict[str, bytes]:
    """The project of the example on a code's page; empty where it has none."""
    blocks = FENCE.findall(explanation(code) or "")
    files = {name: text.encode() for kind, name, text in blocks if kind == "csv"}
    return next((framed(text, files) for kind, name, text in blocks if (kind, name) == ("promo", "reported")), {})


@pytest.mark.parametrize("number", range(8))
def test_what_check_refuses_is_not_published(number):
    """One process after another order: what it remembers of the one before makes no difference."""
    workshop = Workshop()
    for code in ERRORS[number::8]:
        files = reported(code)
        if not files:
            continue
        with pytest.raises(_Refused) as refused:
            workshop.compile(files)
        codes = {found.code for found in refused.value.findings if found.severity == "error"}
        assert code in codes, code
        assert codes == {found.code for found in check_project(files).diagnostics if found.severity == "error"}, code
    assert any(not code.startswith(LATER) for code in ERRORS[number::8])


def test_a_test_that_nobody_can_run_is_refused_and_one_that_fails_is_not():
    """Whether what a test expects is true is found by running it; whether it can be run, by whoever reads it."""
    wrong = framed(OFFER + TEST.format(given="", expect="expect offer saves EUR 9.99"))
    programs, _ = Workshop().compile(wrong)
    assert programs
    unknown = framed(OFFER + TEST.format(given="", expect="expect nothing-such saves EUR 9.99"))
    with pytest.raises(_Refused) as refused:
        Workshop().compile(unknown)
    assert [found.code for found in refused.value.findings if found.severity == "error"] == ["P1012"]


OFFER = """promotion offer {
  runs from 2026-09-01 until 2026-09-30
  sold everywhere
  for everyone
  get 10% off pasta
  label en "Pasta -10%"
  group item-deals
}

"""
TEST = """test "it" {{
  at 2026-09-08 12:00
  sold in stores
{given}  buys 1 x penne
  {expect}
}}
"""
