"""Every case as bytes, answered in compiled code and at length: the same bytes, where it is ordinary."""

from __future__ import annotations

from collections import Counter

from engine.image import load as opened
from engine.link import link
from server.requests import message_of
from tests.conformance.cases import load
from tests.direct import difference
from tests.unit.engine.kernels import compiled

compiled()


def test_the_bytes_are_those_given_at_length() -> None:
    from engine.direct import Direct

    counts: Counter[str] = Counter()
    wrong = []
    for case in load():
        image = link(case.programs)
        rules = opened(image.manifest, image.parts)
        kind, apart = difference(rules, Direct(rules), message_of(case.request).SerializeToString())
        counts[kind] += 1
        if apart:
            wrong.append(f"{case.name}: {apart}")
    assert not wrong, "\n".join(wrong)
    assert counts["answered"] >= 300, counts
