"""The services over real gRPC: the right answers, and errors as the contract tells them."""

import asyncio
import dataclasses
import gzip
import hashlib
import threading
from collections.abc import AsyncIterator
from typing import NoReturn

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool

from einklang.v1 import common_pb2 as common
from einklang.v1 import (
    customer_pb2,
    decision_pb2,
    decision_pb2_grpc,
    redemption_pb2,
    ruleset_pb2,
    ruleset_pb2_grpc,
)
from server.activate import Unusable
from server.client import detail_of
from server.contract import Failure
from server.publish import Finding, InDoubt, PublishFailed, PublishRefused, StoreGone, TooEarly
from server.rulesets import RulesetServicer
from server.settings import load
from server.store import BadStoreData, StoreUnavailable
from tests.unit.server.stub_server import BEGIN, NOW, Holder, Publisher, Served, serving

TIMEOUT = 10


@pytest.fixture(scope="module")
def served():
    holder = Holder()
    holder.add("a", BEGIN)
    holder.add("b", NOW - 1_000)
    holder.add("c", NOW + 60_000_000)
    with serving(holder) as server:
        yield server


@pytest.fixture
def decisions(served):
    return decision_pb2_grpc.DecisionServiceStub(served.channel)


@pytest.fixture
def rulesets(served):
    served.publisher.calls.clear()
    served.publisher.raises = None
    return ruleset_pb2_grpc.RulesetServiceStub(served.channel)


def basket(**fields) -> decision_pb2.DecideRequest:
    line = decision_pb2.Line(id="1", article="A", quantity=3, unit_price_minor=129)
    return decision_pb2.DecideRequest(**{"channel": "pos", "currency": "EUR", "lines": [line], **fields})


def refused(call, *args, **kwargs) -> tuple[grpc.StatusCode, common.ErrorDetail]:
    with pytest.raises(grpc.RpcError) as caught:
        call(*args, timeout=TIMEOUT, **kwargs)
    detail = detail_of(caught.value)
    assert detail is not None, caught.value
    status = common.Status.FromString(dict(caught.value.trailing_metadata())["grpc-status-details-bin"])
    packed = common.ErrorDetail()
    assert status.details[0].Unpack(packed)
    assert packed == detail
    assert status.code == caught.value.code().value[0]
    assert status.message == caught.value.details()
    return caught.value.code(), detail


# ---------------------------------------------------------------------------------------------------- Decide


def test_a_decision_and_who_answered(decisions):
    response = decisions.Decide(basket(), timeout=TIMEOUT)
    decided, envelope = response.decision, response.envelope
    assert (decided.ruleset_digest, decided.totals.payable_minor, decided.proof) == (
        "b" * 64,
        258,
        decision_pb2.PROOF_OPTIMAL,
    )
    assert [label.text for label in decided.promotions[0].labels] == ["Pasta: 3 for 2"]
    assert (envelope.as_of_us, envelope.at_us, envelope.sequence) == (NOW, NOW, 2)
    assert envelope.certainty == common.CERTAINTY_CERTAIN
    assert (envelope.node, envelope.build, envelope.limits_from) == ("node-1", "test", decision_pb2.LIMITS_FROM_NONE)


def test_the_digest_is_that_of_the_bytes_in_the_response(served):
    call = served.channel.unary_unary("/einklang.v1.DecisionService/Decide")
    raw = call(basket().SerializeToString(), timeout=TIMEOUT)
    assert raw[0] == 1 << 3 | 2
    response = decision_pb2.DecideResponse.FromString(raw)
    bytes_ = response.decision.SerializeToString(deterministic=True)
    assert bytes_ in raw
    assert response.envelope.decision_digest == hashlib.sha256(bytes_).hexdigest()


def test_the_channel_the_instant_and_who_asks_leave_the_bytes_alone(decisions):
    first = decisions.Decide(basket(), timeout=TIMEOUT)
    other = decisions.Decide(
        basket(channel="webshop", at_us=NOW - 5, request_id="x", tenant="default"), timeout=TIMEOUT
    )
    assert first.decision.SerializeToString(deterministic=True) == other.decision.SerializeToString(deterministic=True)
    assert first.envelope.decision_digest == other.envelope.decision_digest
    assert other.envelope.at_us == NOW - 5


def test_as_of_picks_the_ruleset_and_at_follows_it(decisions):
    response = decisions.Decide(basket(as_of_us=BEGIN + 5), timeout=TIMEOUT)
    assert response.decision.ruleset_digest == "a" * 64
    assert (response.envelope.sequence, response.envelope.at_us) == (1, BEGIN + 5)


def test_a_ruleset_that_is_not_in_force_yet_can_be_named(decisions):
    response = decisions.Decide(basket(ruleset_digest="c" * 64), timeout=TIMEOUT)
    assert response.decision.ruleset_digest == "c" * 64
    assert (response.envelope.sequence, response.envelope.as_of_us, response.envelope.at_us) == (0, 0, NOW)


@pytest.mark.parametrize(
    ("message", "code", "reason", "field"),
    [
        (basket(currency=""), "INVALID_ARGUMENT", common.ERROR_REASON_MISSING, "currency"),
        (basket(channel="nowhere"), "INVALID_ARGUMENT", common.ERROR_REASON_UNKNOWN_NAME, "channel"),
        (
            basket(lines=[decision_pb2.Line(id="1", article="A", quantity=1)]),
            "INVALID_ARGUMENT",
            common.ERROR_REASON_NO_PRICE,
            "lines[0]",
        ),
        (basket(ruleset_digest="d" * 64), "NOT_FOUND", common.ERROR_REASON_RULESET_UNKNOWN, "ruleset_digest"),
        (basket(as_of_us=BEGIN - 1), "FAILED_PRECONDITION", common.ERROR_REASON_NO_RULESET, ""),
        (basket(tenant="other"), "PERMISSION_DENIED", common.ERROR_REASON_FORBIDDEN, "tenant"),
    ],
)
def test_errors_are_typed_and_name_the_field(decisions, message, code, reason, field):
    got, detail = refused(decisions.Decide, message)
    assert (got.name, detail.reason, detail.field, detail.retryable) == (code, reason, field, False)
    assert detail.message
    got, detail = refused(decisions.Explain, decision_pb2.ExplainRequest(request=message))
    assert (got.name, detail.reason) == (code, reason)
    assert detail.field == (f"request.{field}" if field or code == "INVALID_ARGUMENT" else "")


@pytest.mark.parametrize("data", [b"\xff\xff\xff", b"\xc0\x3e\x01"])
def test_bytes_that_are_no_request_are_the_callers_mistake(served, data):
    call = served.channel.unary_unary("/einklang.v1.DecisionService/Decide")
    code, _ = refused(call, data)
    assert code == grpc.StatusCode.INVALID_ARGUMENT


def test_a_fault_of_the_server_keeps_its_inside_to_itself(decisions):
    code, detail = refused(decisions.Decide, basket(channel="broken"))
    assert (code, detail.reason) == (grpc.StatusCode.INTERNAL, common.ERROR_REASON_INTERNAL)
    assert "secret" not in str(detail)
    assert "ZeroDivision" not in str(detail)


def test_a_message_that_is_too_large_is_refused(served):
    call = served.channel.unary_unary("/einklang.v1.DecisionService/Decide")
    with pytest.raises(grpc.RpcError) as caught:
        call(b"\x00" * 262_145, timeout=TIMEOUT)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_small_message_that_unpacks_to_a_large_one_is_refused(served):
    with grpc.insecure_channel(served.address, compression=grpc.Compression.Gzip) as channel:
        bomb = b"\x00" * (16 << 20)
        assert len(gzip.compress(bomb)) < 262_144
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/einklang.v1.DecisionService/Decide")(bomb, timeout=TIMEOUT)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def serve_alone(holder: Holder, message: decision_pb2.DecideRequest) -> tuple[grpc.StatusCode, common.ErrorDetail]:
    with serving(holder) as server:
        return refused(decision_pb2_grpc.DecisionServiceStub(server.channel).Decide, message)


def test_before_the_timeline_is_read_a_call_may_be_tried_again():
    code, detail = serve_alone(Holder(now_us_=0), basket())
    assert (code, detail.reason, detail.retryable) == (
        grpc.StatusCode.UNAVAILABLE,
        common.ERROR_REASON_NOT_READY,
        True,
    )


def test_without_a_lease_what_is_settled_is_answered_and_the_present_is_not():
    holder = Holder(has_lease=False)
    holder.add("a", BEGIN)
    with serving(holder) as server:
        stub = decision_pb2_grpc.DecisionServiceStub(server.channel)
        code, detail = refused(stub.Decide, basket())
        assert (code, detail.reason, detail.retryable) == (
            grpc.StatusCode.UNAVAILABLE,
            common.ERROR_REASON_NOT_CERTAIN,
            True,
        )
        assert stub.Decide(basket(as_of_us=NOW), timeout=TIMEOUT).envelope.certainty == common.CERTAINTY_CERTAIN


def test_an_answer_that_comes_after_the_lease_has_ended_is_not_given():
    holder = Holder(late=True)
    holder.add("a", BEGIN)
    assert serve_alone(holder, basket())[1].reason == common.ERROR_REASON_NOT_CERTAIN


def test_at_an_activation_a_call_waits():
    holder = Holder(boundaries=3)
    holder.add("a", BEGIN)
    with serving(holder) as server:
        stub = decision_pb2_grpc.DecisionServiceStub(server.channel)
        assert stub.Decide(basket(), timeout=TIMEOUT).envelope.sequence == 1
        assert server.counters.all()["decisions_waited_total"] == 1


def test_the_future_is_a_preview_by_what_is_scheduled(decisions):
    response = decisions.Decide(basket(as_of_us=NOW + 60_000_000), timeout=TIMEOUT)
    assert response.decision.ruleset_digest == "c" * 64
    assert (response.envelope.sequence, response.envelope.certainty) == (3, common.CERTAINTY_UNSPECIFIED)


def test_a_ruleset_that_is_not_loaded_yet_may_be_asked_for_again():
    holder = Holder()
    holder.add("a", BEGIN, loaded=False)
    code, detail = serve_alone(holder, basket())
    assert (code, detail.reason, detail.retryable) == (
        grpc.StatusCode.UNAVAILABLE,
        common.ERROR_REASON_NOT_READY,
        True,
    )


def test_a_store_that_is_away_is_said_so():
    code, detail = serve_alone(Holder(raises=StoreUnavailable("gone")), basket(ruleset_digest="a" * 64))
    assert (code, detail.reason, detail.retryable) == (
        grpc.StatusCode.UNAVAILABLE,
        common.ERROR_REASON_STORE_UNAVAILABLE,
        True,
    )


def test_a_ruleset_that_cannot_be_used_is_not_found():
    code, detail = serve_alone(Holder(raises=Unusable("torn")), basket(ruleset_digest="a" * 64))
    assert (code, detail.reason) == (grpc.StatusCode.NOT_FOUND, common.ERROR_REASON_RULESET_UNKNOWN)


# ---------------------------------------------------------------------------------------------------- Explain


def test_explain_brings_the_decisions_bytes_and_a_sentence_for_every_promotion(decisions):
    decided = decisions.Decide(basket(), timeout=TIMEOUT)
    response = decisions.Explain(decision_pb2.ExplainRequest(request=basket()), timeout=TIMEOUT)
    assert response.decision == decided.decision
    assert response.envelope.decision_digest == decided.envelope.decision_digest
    fashion, pasta = response.explanations
    assert (fashion.promotion, fashion.title, fashion.reason) == ("fashion", "", common.REASON_CONDITION)
    assert fashion.sentence == "EUR 12.40 more of «Mode» and it applies"
    assert fashion.clause.text == "when basket is worth at least EUR 50.00 of fashion"
    assert fashion.missing[0].amount_minor == 1_240
    assert (pasta.title, pasta.sentence) == ("Pasta 3 for 2", "applied, saves EUR 1.29")
    assert pasta.result == response.decision.promotions[0]


def test_explain_of_some_promotions(decisions):
    asked = decision_pb2.ExplainRequest(request=basket(), promotions=["pasta"])
    assert [e.promotion for e in decisions.Explain(asked, timeout=TIMEOUT).explanations] == ["pasta"]
    asked.promotions.append("nope")
    code, detail = refused(decisions.Explain, asked)
    assert (code, detail.field, detail.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "promotions[1]",
        common.ERROR_REASON_UNKNOWN_NAME,
    )
    _, detail = refused(decisions.Explain, decision_pb2.ExplainRequest())
    assert detail.field == "request"


@pytest.mark.parametrize(
    ("language", "says"),
    [("", "applied"), ("de", "angewendet, spart 1,29 €"), ("de-AT", "angewendet"), ("fr", "applied")],
)
def test_explain_speaks_the_language_asked_for(decisions, language, says):
    asked = decision_pb2.ExplainRequest(request=basket(), promotions=["pasta"], language=language)
    assert decisions.Explain(asked, timeout=TIMEOUT).explanations[0].sentence.startswith(says)


# ---------------------------------------------------------------------------------------------------- not yet

SERVED = {
    *("Decide", "DecideBatch", "Explain", "ProductPrices"),
    *("Publish", "GetPublication", "WatchPublication", "Schedule", "CancelScheduled", "Rollback", "Pause", "Resume"),
    *("GetTimeline", "WatchTimeline", "GetRuleset", "GetPrograms", "ListNodes"),
}
LATER = [
    method
    for module in (decision_pb2, ruleset_pb2, redemption_pb2, customer_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
    if method.name not in SERVED
]


def call_with_nothing(channel, path, method) -> None:
    if method.client_streaming:
        list(channel.stream_stream(path)(iter([b""]), timeout=TIMEOUT))
    elif method.server_streaming:
        list(channel.unary_stream(path)(b"", timeout=TIMEOUT))
    else:
        channel.unary_unary(path)(b"", timeout=TIMEOUT)


@pytest.mark.parametrize("method", LATER, ids=[method.full_name.removeprefix("einklang.v1.") for method in LATER])
def test_what_is_not_served_yet_says_so(served, method):
    path = f"/{method.containing_service.full_name}/{method.name}"
    with pytest.raises(grpc.RpcError) as caught:
        call_with_nothing(served.channel, path, method)
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
    assert method.name in caught.value.details()
    detail = detail_of(caught.value)
    assert detail is not None
    assert detail.reason == common.ERROR_REASON_NOT_AVAILABLE


# ---------------------------------------------------------------------------------------------------- Timeline


def test_the_timeline_in_pages(rulesets):
    ask = ruleset_pb2.GetTimelineRequest
    everything = rulesets.GetTimeline(ask(), timeout=TIMEOUT)
    assert [entry.sequence for entry in everything.entries] == [1, 2, 3]
    assert everything.in_force.sequence == 2
    assert [entry.sequence for entry in everything.scheduled] == [3]
    assert (everything.next_sequence, everything.store_time_us) == (0, NOW)
    assert everything.entries[0].kind == ruleset_pb2.ENTRY_KIND_PUBLISH
    page = rulesets.GetTimeline(ask(from_sequence=1, page_size=2), timeout=TIMEOUT)
    assert ([entry.sequence for entry in page.entries], page.next_sequence) == ([1, 2], 3)
    latest = rulesets.GetTimeline(ask(page_size=1), timeout=TIMEOUT)
    assert ([entry.sequence for entry in latest.entries], latest.next_sequence) == ([3], 0)
    assert not rulesets.GetTimeline(ask(from_sequence=9), timeout=TIMEOUT).entries


def test_anybody_can_check_the_chain(rulesets):
    response = rulesets.GetTimeline(ruleset_pb2.GetTimelineRequest(with_records=True), timeout=TIMEOUT)
    before = "0" * 64
    for entry in response.entries:
        assert hashlib.sha256(entry.record).hexdigest() == entry.entry_hash
        assert entry.previous_hash == before
        before = entry.entry_hash


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("page_size", ruleset_pb2.GetTimelineRequest(page_size=-1)),
        ("page_size", ruleset_pb2.GetTimelineRequest(page_size=1_001)),
        ("from_sequence", ruleset_pb2.GetTimelineRequest(from_sequence=-1)),
    ],
)
def test_a_timeline_question_out_of_bounds(rulesets, field, message):
    code, detail = refused(rulesets.GetTimeline, message)
    assert (code, detail.field) == (grpc.StatusCode.INVALID_ARGUMENT, field)


# ---------------------------------------------------------------------------------------------------- Publish


def chunk(path: str, data: bytes = b"x") -> ruleset_pb2.PublishRequest:
    return ruleset_pb2.PublishRequest(chunk=ruleset_pb2.FileChunk(path=path, data=data))


def finish(**fields) -> ruleset_pb2.PublishRequest:
    return ruleset_pb2.PublishRequest(finish=ruleset_pb2.PublishFinish(**{"author": "anna", **fields}))


def test_files_arrive_whole(served, rulesets):
    parts = [chunk("b.promo", b"1"), chunk("b.promo", b"2"), chunk("a.csv", b""), finish(reason="autumn")]
    response = rulesets.Publish(iter(parts), timeout=TIMEOUT)
    (call,) = served.publisher.calls
    assert call["files"] == {"a.csv": b"", "b.promo": b"12"}
    assert (call["author"], call["reason"], call["dry_run"], call["effective_from_us"]) == (
        "anna",
        "autumn",
        False,
        None,
    )
    assert (response.sequence, response.effective_from_us) == (7, NOW + 1)
    assert (response.stats.files, response.stats.compiled, response.stats.reused) == (2, 3, 4)


@pytest.mark.parametrize(
    ("field", "reason", "parts"),
    [
        ("part", common.ERROR_REASON_MISSING, [ruleset_pb2.PublishRequest()]),
        ("finish", common.ERROR_REASON_MISSING, [chunk("a.promo")]),
        ("finish", common.ERROR_REASON_CONTRADICTION, [chunk("a.promo"), finish(), chunk("b.promo")]),
        ("chunk", common.ERROR_REASON_MISSING, [finish()]),
        ("chunk.path", common.ERROR_REASON_DUPLICATE, [chunk("a.promo"), chunk("b.promo"), chunk("a.promo")]),
        ("chunk.path", common.ERROR_REASON_WRONG_FORM, [chunk("../a.promo")]),
        ("chunk.path", common.ERROR_REASON_WRONG_FORM, [chunk("")]),
        ("chunk.path", common.ERROR_REASON_WRONG_FORM, [chunk("/etc/passwd")]),
        ("chunk.data", common.ERROR_REASON_OUT_OF_BOUNDS, [chunk("a.promo", b"x" * 131_073)]),
        ("finish.author", common.ERROR_REASON_MISSING, [chunk("a.promo"), finish(author="")]),
        ("finish.author", common.ERROR_REASON_OUT_OF_BOUNDS, [chunk("a.promo"), finish(author="x" * 257)]),
        ("finish.reason", common.ERROR_REASON_OUT_OF_BOUNDS, [chunk("a.promo"), finish(reason="x" * 1_025)]),
        ("finish.reason", common.ERROR_REASON_OUT_OF_BOUNDS, [chunk("a.promo"), finish(reason="\U0001f600" * 1_024)]),
        (
            "finish.effective_from_us",
            common.ERROR_REASON_OUT_OF_BOUNDS,
            [chunk("a.promo"), finish(effective_from_us=-1)],
        ),
        ("finish.publication_id", common.ERROR_REASON_WRONG_FORM, [chunk("a.promo"), finish(publication_id="a b")]),
        (
            "finish.publication_id",
            common.ERROR_REASON_CONTRADICTION,
            [chunk("a.promo"), finish(publication_id="x", dry_run=True)],
        ),
    ],
)
def test_an_upload_that_does_not_fit(served, rulesets, field, reason, parts):
    code, detail = refused(rulesets.Publish, iter(parts))
    assert (code, detail.field, detail.reason) == (grpc.StatusCode.INVALID_ARGUMENT, field, reason)
    assert not served.publisher.calls


def test_too_many_bytes_are_refused_as_they_arrive():
    with serving(Holder(), settings=load({"source_bytes_max": 1_024})) as server:
        stub = ruleset_pb2_grpc.RulesetServiceStub(server.channel)
        code, detail = refused(stub.Publish, iter([chunk("a.promo", b"x" * 600), chunk("b.csv", b"x" * 600), finish()]))
    assert (code, detail.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, common.ERROR_REASON_TOO_LARGE)


def finding(number: int, severity: str = "error", text: str = "Amounts use a point.") -> Finding:
    return Finding("P0101", severity, text, "", "a.promo", number, 5, number, 14)


def test_text_that_does_not_compile_is_refused_with_its_diagnostics(served, rulesets):
    served.publisher.raises = PublishRefused((finding(9, "warning"), finding(8), finding(3)))
    code, detail = refused(rulesets.Publish, iter([chunk("a.promo"), finish()]))
    assert (code, detail.reason) == (grpc.StatusCode.INVALID_ARGUMENT, common.ERROR_REASON_RULESET_INVALID)
    assert [(d.line, d.severity) for d in detail.diagnostics] == [
        (3, common.SEVERITY_ERROR),
        (8, common.SEVERITY_ERROR),
        (9, common.SEVERITY_WARNING),
    ]
    assert "a.promo:3" in detail.message


def test_as_many_diagnostics_as_fit(served, rulesets):
    served.publisher.raises = PublishRefused(tuple(finding(n, text="x" * 200) for n in range(1, 101)))
    _, detail = refused(rulesets.Publish, iter([chunk("a.promo"), finish()]))
    assert detail.diagnostics_total == 100
    assert 5 < len(detail.diagnostics) < 20


def test_a_dry_run_brings_all_diagnostics_and_is_no_error(served, rulesets):
    served.publisher.raises = PublishRefused(tuple(finding(n, text="x" * 200) for n in range(1, 101)))
    response = rulesets.Publish(iter([chunk("a.promo"), finish(dry_run=True)]), timeout=TIMEOUT)
    assert (len(response.diagnostics), response.ruleset_digest, response.sequence) == (100, "", 0)
    served.publisher.raises = None
    response = rulesets.Publish(iter([chunk("a.promo"), finish(dry_run=True)]), timeout=TIMEOUT)
    assert (len(response.ruleset_digest), response.sequence, response.effective_from_us) == (64, 0, 0)


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (TooEarly("5 s ahead at least"), "FAILED_PRECONDITION", common.ERROR_REASON_TOO_EARLY),
        (InDoubt("look it up"), "UNAVAILABLE", common.ERROR_REASON_OUTCOME_UNKNOWN),
        (PublishFailed("disk full"), "INTERNAL", common.ERROR_REASON_INTERNAL),
        (StoreGone("gone"), "UNAVAILABLE", common.ERROR_REASON_STORE_UNAVAILABLE),
    ],
)
def test_what_else_can_go_wrong(served, rulesets, error, code, reason):
    served.publisher.raises = error
    got, detail = refused(rulesets.Publish, iter([chunk("a.promo"), finish()]))
    assert (got.name, detail.reason) == (code, reason)


def test_one_publication_at_a_time(served: Served, rulesets):
    publisher = served.publisher
    publisher.hold = threading.Event()
    publisher.entered.clear()
    try:
        first = rulesets.Publish.future(iter([chunk("a.promo"), finish()]), timeout=TIMEOUT)
        assert publisher.entered.wait(TIMEOUT)
        code, detail = refused(rulesets.Publish, iter([chunk("a.promo"), finish()]))
        assert (code, detail.reason, detail.retryable) == (
            grpc.StatusCode.ABORTED,
            common.ERROR_REASON_PUBLISH_BUSY,
            True,
        )
    finally:
        publisher.hold.set()
        publisher.hold = None
    assert first.result(TIMEOUT).sequence == 7


def test_every_message_of_the_contract_is_known_to_reflection():
    pool = descriptor_pool.Default()
    for name in ("decision", "ruleset", "redemption", "customer"):
        file = descriptor_pb2.FileDescriptorProto()
        pool.FindFileByName(f"einklang/v1/{name}.proto").CopyToProto(file)
        assert file.service


# ---------------------------------------------------------------------------------------------------- the end


async def _stream(*requests: ruleset_pb2.PublishRequest) -> AsyncIterator[bytes]:
    for request in requests:
        yield request.SerializeToString()


def servicer(publisher: Publisher) -> RulesetServicer:
    return RulesetServicer(Holder(), load(), publish_files=publisher)  # type: ignore[arg-type] # a stub


def test_a_server_that_stops_takes_no_publication():
    async def ask() -> None:
        rulesets = servicer(Publisher())
        rulesets.stop_taking()
        with pytest.raises(Failure) as caught:
            await rulesets.Publish(_stream(chunk("a.promo"), finish()))
        detail = caught.value.detail
        assert (caught.value.code, detail.reason, detail.retryable) == (
            grpc.StatusCode.UNAVAILABLE,
            common.ERROR_REASON_NOT_READY,
            True,
        )

    asyncio.run(ask())


def test_a_publication_under_way_finishes_before_the_server_stops():
    async def ask() -> None:
        publisher = Publisher()
        publisher.hold = threading.Event()
        rulesets = servicer(publisher)
        call = asyncio.ensure_future(rulesets.Publish(_stream(chunk("a.promo"), finish())))
        while not publisher.entered.is_set():
            await asyncio.sleep(0)
        stopping = asyncio.ensure_future(rulesets.finish(TIMEOUT))
        await asyncio.sleep(0)
        assert not stopping.done()
        publisher.hold.set()
        await stopping
        assert ruleset_pb2.PublishResponse.FromString(await call).sequence == 7

    asyncio.run(ask())


def test_a_publication_that_cannot_finish_in_time_is_told_to_look_it_up():
    async def ask() -> None:
        publisher = Publisher()
        publisher.hold = threading.Event()
        rulesets = servicer(publisher)
        call = asyncio.ensure_future(rulesets.Publish(_stream(chunk("a.promo"), finish())))
        while not publisher.entered.is_set():
            await asyncio.sleep(0)
        await rulesets.finish(0)
        with pytest.raises(Failure) as caught:
            await call
        publisher.hold.set()
        assert caught.value.code == grpc.StatusCode.UNAVAILABLE
        assert caught.value.detail.reason == common.ERROR_REASON_OUTCOME_UNKNOWN
        assert not caught.value.detail.retryable

    asyncio.run(ask())


def test_a_repair_travels_with_its_diagnostic(served, rulesets):
    edits = (("a.promo", 1, 1, 1, 6, "50.00"), ("b.promo", 3, 7, 3, 9, ""))
    found = Finding("P0101", "error", "wrong", "", "a.promo", 1, 1, 1, 6, edits=edits)
    served.publisher.raises = PublishRefused((found, dataclasses.replace(found, line=2, edits=())))
    _, detail = refused(rulesets.Publish, iter([chunk("a.promo"), finish()]))
    first, second = detail.diagnostics
    told = [(e.file, e.line, e.column, e.end_line, e.end_column, e.text) for e in first.edits]
    assert (tuple(told), list(second.edits)) == (edits, [])


def test_who_sends_a_project_slowly_keeps_nobody_from_another_change():
    """A till's promotion can be paused while somebody's upload hangs; a second upload is asked to come again."""

    async def ask() -> None:
        publisher = Publisher()
        rulesets = servicer(publisher)
        more, sending = asyncio.Event(), asyncio.Event()

        async def slowly() -> AsyncIterator[bytes]:
            yield chunk("a.promo").SerializeToString()
            sending.set()
            await more.wait()
            yield finish().SerializeToString()

        first = asyncio.ensure_future(rulesets.Publish(slowly()))
        await sending.wait()
        with pytest.raises(Failure, match="another publication is under way"):
            await rulesets.Publish(_stream(chunk("a.promo"), finish()))
        resume = ruleset_pb2.ResumeRequest(promotion="x", author="a", change_id="1")
        answer = ruleset_pb2.ResumeResponse.FromString(await rulesets.Resume(resume.SerializeToString()))
        assert answer.entry.promotion == "x"
        assert not first.done()
        more.set()
        assert ruleset_pb2.PublishResponse.FromString(await first).sequence == 7

    asyncio.run(ask())


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (StoreUnavailable("gone"), grpc.StatusCode.UNAVAILABLE, common.ERROR_REASON_STORE_UNAVAILABLE),
        (
            BadStoreData("program x: its bytes have another digest"),
            grpc.StatusCode.INTERNAL,
            common.ERROR_REASON_INTERNAL,
        ),
    ],
)
@pytest.mark.parametrize("method", ["GetPrograms", "GetRuleset"])
def test_what_is_wrong_with_the_store_is_told_to_who_reads_rulesets(error, code, reason, method):
    class Broken:
        async def get_listing(self, _digest: str) -> NoReturn:
            raise error

        get_about = get_listing

    rulesets = RulesetServicer(Holder(), load(), publish_files=Publisher(), store=Broken())  # type: ignore[arg-type] # a stub
    request = getattr(ruleset_pb2, f"{method}Request")(ruleset_digest="a" * 64)
    with pytest.raises(Failure, match=str(error)) as caught:
        asyncio.run(getattr(rulesets, method)(request.SerializeToString()))
    assert (caught.value.code, caught.value.detail.reason) == (code, reason)
