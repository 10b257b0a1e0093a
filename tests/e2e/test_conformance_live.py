"""The cases of tests/conformance at a real server: over the wire, from the store, the Decision that the law says.

Cases are made of Programs, not of text: their images are stored as a publisher stores them, and previewed by digest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import cache

import grpc
import pytest

from einklang.v1 import decision_pb2 as pb
from einklang.v1 import decision_pb2_grpc
from engine.basket import BadRequest
from engine.link import link
from engine.parts import Image
from engine.program import Promotion
from engine.program import Settings as RulesetSettings
from server import answers
from server.contract import Refused
from server.convert import to_request
from server.embedded import store_settings
from server.requests import message_of
from server.settings import load as load_settings
from server.signing import seal_of
from server.store import opened
from tests.conformance.cases import Case, load
from tests.e2e.conftest import Server
from tests.e2e.requests import SECONDS
from tests.oracle.decide import decide as oracle

CASES = load()
THIRDS = 3  # one of them in `make test`: tests/conformance has all of them in process


# ---------------------------------------------------------------------------------------------------- the law


def expected(case: Case, digest: str) -> pb.Decision:
    """What the oracle decides, as the contract says it."""
    decision = oracle(case.programs, case.request, digest=digest)
    settings = next(p for p in case.programs if isinstance(p, RulesetSettings))
    return answers.to_message(
        decision,
        codes=case.request.codes,
        promotions={p.name: Names(p) for p in case.programs if isinstance(p, Promotion)},
        product_titles={p.name: p.title or p.name for p in case.programs if p.program == "products"},
        prices_include_tax=settings.prices_include_tax,
        writings={writing.language: writing for writing in settings.writings},
    )


class Names:
    """What a server says beside a promotion's name."""

    def __init__(self, promotion: Promotion) -> None:
        self.title = promotion.title
        self.labels = tuple((text.language, text.text) for text in promotion.labels)
        self.hints = tuple((text.language, text.text) for text in promotion.hints)


# ---------------------------------------------------------------------------------------------------- the server


Digest = Callable[[int], str]


@pytest.fixture(scope="module")
def digest(server: Server) -> Digest:
    """A case's image in the server's store: those of its third are put there when the first of them is asked for."""

    async def put(images: Sequence[Image]) -> None:
        settings = store_settings(load_settings({"data_dir": server.data_dir}))
        seal = seal_of(settings)  # the server's own key
        assert seal is not None
        async with opened(settings, patient_s=SECONDS) as store:
            for image in images:
                await store.put_parts(image.parts)
                assert await store.put_manifest(image.manifest) == image.digest
                await store.add_signature(image.digest, seal.sign(image.digest, "conformance"))

    @cache
    def third(first: int) -> list[str]:
        images = [link(case.programs) for case in CASES[first::THIRDS]]
        asyncio.run(put(images))
        return [image.digest for image in images]

    return lambda number: third(number % THIRDS)[number // THIRDS]


@pytest.fixture(scope="module")
def decisions(channel: grpc.Channel) -> decision_pb2_grpc.DecisionServiceStub:
    return decision_pb2_grpc.DecisionServiceStub(channel)


def served(case: Case, message: pb.DecideRequest) -> bool:
    """Whether the contract can say the case: the server's reading of the message is the case's request."""
    try:
        return to_request(message, at_us=0) == case.request
    except Refused:
        return False


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(number, id=f"{case.file}: {case.name}", marks=[pytest.mark.long] if number % THIRDS else [])
        for number, case in enumerate(CASES)
    ],
)
def test_case(number, digest, decisions):
    case = CASES[number]
    message = message_of(case.request, digest(number))
    try:
        wanted = expected(case, digest(number))
    except BadRequest:
        with pytest.raises(grpc.RpcError) as caught:
            decisions.Decide(message, timeout=SECONDS)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        return
    assert decisions.Decide(message, timeout=SECONDS).decision == wanted


def test_every_case_can_be_said():
    assert [case.name for case in CASES if not served(case, message_of(case.request, "0" * 64))] == []
