"""The self-test: requests that follow from the ruleset, decided alike everywhere, otherwise where a reward differs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from dsl.compiler import compile_project
from einklang.v1 import decision_pb2 as pb
from engine.image import Ruleset, load
from engine.link import link
from engine.program import Program
from engine.resolve import check
from engine.self_test import PROMOTIONS, REQUESTS_MAX, evenly, requests
from server.activate import Unusable
from server.convert import to_request
from server.requests import message_of
from tests.conformance.cases import Shop
from tests.generators import ruleset as generated
from tests.running import PROJECT, ROOT
from tests.unit.engine.shops import FULL

SEEDS = range(12)


def opened(programs: Sequence[Program]) -> Ruleset:
    image = link(programs)
    return load(image.manifest, image.parts)


@cache
def shop() -> Ruleset:
    return opened(Shop(FULL).programs())


def small(percent: int) -> Ruleset:
    """Nothing but a product set by brand, and a promotion on it."""
    files = {name: text.replace("20% off", f"{percent}% off").encode() for name, text in PROJECT.items()}
    return opened(compile_project(files, tests=False).programs)


def of(rules: Ruleset) -> str:
    from engine.direct import Direct
    from server.self_test import self_test

    return self_test(rules, Direct(rules))


def decisions(rules: Ruleset) -> list[pb.Decision]:
    from server.self_test import at_length

    return [pb.Decision.FromString(at_length(rules, asked)) for asked in requests(rules)]


def test_a_few_are_picked_evenly():
    assert evenly(0, 3) == []
    assert evenly(3, 3) == [0, 1, 2]
    assert evenly(10, 3) == [0, 3, 6]
    assert len(set(evenly(10**6, PROMOTIONS))) == PROMOTIONS


@pytest.mark.parametrize("seed", SEEDS)
def test_every_request_is_one_that_a_caller_could_send_and_none_is_refused(seed):
    rules = opened(generated(seed))
    asked = requests(rules)
    assert 0 < len(asked) <= REQUESTS_MAX
    assert asked == requests(rules)
    for one in asked:
        check(one)
        assert to_request(message_of(one), at_us=0) == one
    assert all(decision.ruleset_digest == rules.digest for decision in decisions(rules))
    assert len(of(rules)) == 64


def test_promotions_apply_in_it_with_a_catalogue_and_without():
    for rules, least in ((shop(), 6), (small(20), 1)):
        applied = {result.promotion for one in decisions(rules) for result in one.promotions if result.applications}
        assert len(applied) >= least, applied


def test_it_differs_where_a_reward_differs():
    one, other = small(20), small(21)
    assert of(one) != of(other)
    payable = [[decision.totals.payable_minor for decision in decisions(rules)] for rules in (one, other)]
    assert payable[0] != payable[1], "not for the ruleset's name alone"


def test_it_is_the_same_in_every_process_whatever_its_surroundings():
    code = """
from server import kernels
from server.settings import load
kernels.prepare(load().cache_dir)
from tests.unit.engine.test_self_test import of, shop
print(of(shop()))
"""
    surroundings = {"PYTHONHASHSEED": "4711", "TZ": "Asia/Kolkata", "LANG": "de_DE.UTF-8", "LC_ALL": "de_DE.UTF-8"}
    path = f"{ROOT}{os.pathsep}{ROOT / 'proto'}"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(ROOT),
        env={**os.environ, **surroundings, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [of(shop())]


def test_where_compiled_code_decides_otherwise_the_ruleset_is_not_used():
    from engine.direct import Direct
    from server.self_test import self_test

    class Wrong(Direct):
        def decide(self, data: bytes, at_us: int) -> Any:
            found = super().decide(data, at_us)
            return None if found is None else found._replace(decision=found.decision + b"\x00")

    rules = opened(generated(4))
    with pytest.raises(Unusable, match="request 1 is decided otherwise in compiled code than at length"):
        self_test(rules, Wrong(rules))
