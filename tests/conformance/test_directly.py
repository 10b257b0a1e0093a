"""Cases as bytes, answered in compiled code and at length: the same bytes, where they are ordinary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from engine.image import load as opened
from engine.link import link
from server.requests import message_of
from tests.conformance.cases import Case, load
from tests.direct import difference


def check(cases: Sequence[Case]) -> None:
    from engine.direct import Direct

    counts: Counter[str] = Counter()
    wrong = []
    for case in cases:
        image = link(case.programs)
        rules = opened(image.manifest, image.parts)
        kind, apart = difference(rules, Direct(rules), message_of(case.request).SerializeToString())
        counts[kind] += 1
        if apart:
            wrong.append(f"{case.name}: {apart}")
    assert not wrong, "\n".join(wrong)
    assert 4 * counts["answered"] >= len(cases), counts


def test_the_bytes_are_those_given_at_length() -> None:
    check(load()[::3])


@pytest.mark.long
def test_the_bytes_are_those_given_at_length_of_every_case() -> None:
    check(load())
