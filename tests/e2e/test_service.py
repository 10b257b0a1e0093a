"""What a client meets at the real server: answers, refusals, health and reflection."""

from __future__ import annotations

import hashlib

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from einklang.v1 import common_pb2 as common
from einklang.v1 import customer_pb2, decision_pb2, decision_pb2_grpc, redemption_pb2, ruleset_pb2, ruleset_pb2_grpc
from tests.e2e.requests import AT, SECONDS, basket, gold, line, refused, text

CHANNELS = ("pos", "webshop", "marketplace", "field")


@pytest.fixture(scope="module")
def decisions(channel):
    return decision_pb2_grpc.DecisionServiceStub(channel)


def by_name(results):
    return {result.promotion: result for result in results}


# ---------------------------------------------------------------------------------------------------- deciding


def test_a_basket_is_priced(decisions):
    response = decisions.Decide(basket(), timeout=SECONDS)
    decided = response.decision
    assert (decided.totals.list_minor, decided.totals.saving_minor, decided.totals.payable_minor) == (657, 199, 458)
    pasta = by_name(decided.promotions)["pasta-3-for-2"]
    assert (pasta.reason, pasta.applications, pasta.saving_minor) == (common.REASON_APPLIED, 1, 199)
    assert [(label.language, label.text) for label in pasta.labels] == [("en", "Pasta: 3 for 2")]
    assert [line.line_id for line in decided.lines] == ["1", "2"]
    for result in decided.lines:
        assert result.list_minor == result.net_minor + sum(d.amount_minor for d in result.discounts)
        assert sum(unit.count * unit.net_minor for unit in result.units) == result.net_minor
    assert sum(line.refund_minor for line in decided.lines) == decided.totals.net_minor
    assert decided.proof == decision_pb2.PROOF_OPTIMAL
    assert decided.totals.prices_include_tax
    assert [(t.tax_rate_basis_points, t.with_tax_minor) for t in decided.taxes] == [(700, 458)]


def past(**fields):
    """Two orders of roses, for EUR 20.00 in all, and a visit to the web shop yesterday."""
    day = 86_400_000_000
    roses = common.EventItem(article="roses", quantity=1, amount_minor=1_000)
    total = common.Money(currency="EUR", amount_minor=2_500)
    orders = [common.Event(type="order", at_us=AT - n * day, items=[roses], total=total) for n in (30, 300)]
    visit = common.Event(type="visit", at_us=AT - day, attributes=[text("channel", "webshop")])
    events = common.EventHistory(events=[*orders, visit, *fields.pop("more", ())], **fields)
    return {"lines": [line(1, "roses", 3)], "customer": decision_pb2.Customer(id="c", facts_known=True, events=events)}


def test_what_happened_before_decides(decisions):
    def said(message):
        result = by_name(decisions.Decide(message, timeout=SECONDS).decision.promotions)["roses-20"]
        return result.reason, result.saving_minor

    friend = past()
    assert said(basket(**friend)) == (common.REASON_APPLIED, 600)
    assert said(basket(**friend, at_us=AT + 1_000_000)) == (common.REASON_APPLIED, 600)
    cut = past(complete_since_us=AT - 100 * 86_400_000_000)
    assert said(basket(**cut)) == (common.REASON_UNKNOWN_FACT, 0)
    unheard = past(more=[common.Event(type="order", at_us=AT - 1)])  # of which articles?
    assert said(basket(**unheard)) == (common.REASON_UNKNOWN_FACT, 0)
    friend["customer"].facts_as_of_us = AT - 2 * 86_400_000_000
    assert said(basket(**friend)) == (common.REASON_UNKNOWN_FACT, 0)
    friend["customer"].events.Clear()
    friend["customer"].facts_as_of_us = 0
    assert said(basket(**friend)) == (common.REASON_AUDIENCE, 0)
    friend["customer"].ClearField("events")
    assert said(basket(**friend)) == (common.REASON_UNKNOWN_FACT, 0)
    wrong = past(more=[common.Event(type="visit", at_us=1, attributes=[text("channel", "pos"), text("x", "y")])])
    wrong["customer"].events.events[3].attributes[0].value.CopyFrom(common.Value(kind=common.VALUE_KIND_YES_NO))
    name, detail = refused(decisions.Decide, basket(**wrong))
    assert (name, detail.field) == ("INVALID_ARGUMENT", "customer.events.events[3].attributes[0].value")


def test_who_answered_stands_beside_the_decision(server, decisions):
    envelope = decisions.Decide(basket(), timeout=SECONDS).envelope
    assert envelope.sequence == 1
    assert envelope.certainty == common.CERTAINTY_CERTAIN
    assert envelope.at_us == AT
    assert envelope.as_of_us > AT
    assert envelope.limits_from == decision_pb2.LIMITS_FROM_REQUEST  # gold-10 touches every basket
    assert envelope.node.endswith(f"/{server.process.pid}")


def test_the_same_bytes_in_every_channel_over_every_connection(server):
    seen = set()
    for channel_name in CHANNELS:
        with grpc.insecure_channel(server.address, options=[("grpc.use_local_subchannel_pool", 1)]) as connection:
            call = connection.unary_unary("/einklang.v1.DecisionService/Decide")
            for order in (1, -1):
                message = basket(channel=channel_name, request_id=channel_name)
                lines = list(message.lines)[::order]
                del message.lines[:]
                message.lines.extend(lines)
                raw = call(message.SerializeToString(), timeout=SECONDS)
                response = decision_pb2.DecideResponse.FromString(raw)
                decided = response.decision.SerializeToString(deterministic=True)
                assert decided in raw
                assert hashlib.sha256(decided).hexdigest() == response.envelope.decision_digest
                seen.add(decided)
    assert len(seen) == 1


def test_a_ruleset_by_its_digest_gives_the_same_bytes(decisions):
    first = decisions.Decide(basket(), timeout=SECONDS)
    again = decisions.Decide(basket(ruleset_digest=first.decision.ruleset_digest), timeout=SECONDS)
    assert again.envelope.decision_digest == first.envelope.decision_digest
    assert (again.envelope.sequence, again.envelope.as_of_us) == (0, 0)


def test_facts_codes_fees_and_usage_arrive(decisions):
    shirts = [line(1, "shirt", 3)]
    plain = decisions.Decide(basket(lines=shirts, channel="webshop"), timeout=SECONDS).decision
    assert plain.totals.saving_minor == 1_000
    member = decisions.Decide(basket(lines=[line(1, "shirt", 6)], customer=gold(), channel="webshop"), timeout=SECONDS)
    results = by_name(member.decision.promotions)
    assert results["gold-10"].reason == common.REASON_APPLIED
    assert results["fashion-50-10"].reason == common.REASON_BEATEN
    assert list(results["fashion-50-10"].beaten_by) == ["gold-10"]
    assert member.envelope.limits_from == decision_pb2.LIMITS_FROM_REQUEST
    used = [decision_pb2.LimitUsage(promotion="gold-10", limit="customer:ever:uses", used=1)]
    again = decisions.Decide(basket(lines=[line(1, "shirt", 6)], customer=gold(), usage=used), timeout=SECONDS).decision
    assert by_name(again.promotions)["gold-10"].reason == common.REASON_LIMIT
    coded = decisions.Decide(basket(channel="webshop", codes=[" spring ", "nope"]), timeout=SECONDS).decision
    assert [(c.code, c.verdict, c.promotion) for c in coded.codes] == [
        (" spring ", decision_pb2.CODE_VERDICT_KIND_APPLIED, "spring-5"),
        ("nope", decision_pb2.CODE_VERDICT_KIND_UNKNOWN, ""),
    ]
    fees = [decision_pb2.Fee(service="home-delivery", amount_minor=495)]
    shipped = decisions.Decide(
        basket(lines=shirts, fees=fees, delivery_service="home-delivery"), timeout=SECONDS
    ).decision
    assert [(f.list_minor, f.net_minor, f.discounts[0].promotion) for f in shipped.fees] == [(495, 0, "free-shipping")]
    assert by_name(shipped.promotions)["free-shipping"].fee_saving_minor == 495


def test_explain_tells_of_every_promotion_and_brings_the_same_decision(decisions):
    decided = decisions.Decide(basket(), timeout=SECONDS)
    response = decisions.Explain(decision_pb2.ExplainRequest(request=basket()), timeout=SECONDS)
    assert response.decision.SerializeToString(deterministic=True) == decided.decision.SerializeToString(
        deterministic=True
    )
    assert response.envelope.decision_digest == decided.envelope.decision_digest
    explained = by_name(response.explanations)
    names = ["fashion-50-10", "free-shipping", "gold-10", "pasta-3-for-2", "roses-20", "spring-5"]
    assert list(explained) == names
    assert explained["pasta-3-for-2"].sentence == "applied, saves EUR 1.99"
    assert explained["fashion-50-10"].sentence == "EUR 50.00 more of «Fashion» and it applies"
    assert explained["spring-5"].sentence == "not in this channel: sold in webshop"
    assert all(e.sentence for e in response.explanations)


# ---------------------------------------------------------------------------------------------------- refusals

MISSING, UNKNOWN = common.ERROR_REASON_MISSING, common.ERROR_REASON_UNKNOWN_NAME
BAD = [
    ("channel", MISSING, basket(channel="")),
    ("channel", UNKNOWN, basket(channel="fax")),
    ("currency", MISSING, basket(currency="")),
    ("currency", common.ERROR_REASON_WRONG_FORM, basket(currency="€")),
    ("currency", UNKNOWN, basket(currency="USD")),
    ("at_us", common.ERROR_REASON_OUT_OF_BOUNDS, basket(at_us=-1)),
    ("lines[1].id", common.ERROR_REASON_DUPLICATE, basket(lines=[line(1, "penne", 1), line(1, "penne", 1)])),
    ("lines[0].quantity", MISSING, basket(lines=[line(1, "penne", 0)])),
    ("lines[0].quantity", common.ERROR_REASON_OUT_OF_BOUNDS, basket(lines=[line(1, "penne", -3)])),
    (
        "lines[0].measure_unit",
        common.ERROR_REASON_UNKNOWN_VALUE,
        basket(lines=[line(1, "penne", 0, measure_thousandths=1, measure_unit=77)]),
    ),
    ("lines[1].unit_price_minor", common.ERROR_REASON_NO_PRICE, basket(lines=[line(1, "penne", 1), line(2, "x", 1)])),
    ("delivery_service", UNKNOWN, basket(delivery_service="drone")),
    ("payments[0].means", UNKNOWN, basket(payments=[decision_pb2.Payment(means="gold bars")])),
    (
        "payments[1]",
        common.ERROR_REASON_NOT_AVAILABLE,
        basket(payments=[decision_pb2.Payment(means="card"), decision_pb2.Payment(means="cash")]),
    ),
    ("fees[0].service", UNKNOWN, basket(fees=[decision_pb2.Fee(service="drone", amount_minor=1)])),
    (
        "customer.attributes[0].value",
        common.ERROR_REASON_WRONG_FORM,
        basket(
            customer=decision_pb2.Customer(
                attributes=[
                    common.Attribute(name="tier", value=common.Value(kind=common.VALUE_KIND_YES_NO, yes_no=True))
                ]
            )
        ),
    ),
    ("codes", common.ERROR_REASON_OUT_OF_BOUNDS, basket(codes=["x"] * 51)),
    (
        "manual_discounts[0].reason",
        common.ERROR_REASON_MISSING,
        basket(manual_discounts=[decision_pb2.ManualDiscount(kind=decision_pb2.MANUAL_DISCOUNT_KIND_PERCENT)]),
    ),
    ("ruleset_digest", common.ERROR_REASON_WRONG_FORM, basket(ruleset_digest="latest")),
]


@pytest.mark.parametrize(("field", "reason", "message"), BAD, ids=[f"{i}-{row[0]}" for i, row in enumerate(BAD)])
def test_a_bad_request_is_told_which_field(decisions, field, reason, message):
    status, detail = refused(decisions.Decide, message)
    assert (status, detail.field, common.ErrorReason.Name(detail.reason), detail.retryable) == (
        "INVALID_ARGUMENT",
        field,
        common.ErrorReason.Name(reason),
        False,
    )
    assert detail.message


def test_other_refusals(decisions):
    status, detail = refused(decisions.Decide, basket(ruleset_digest="0" * 64))
    assert (status, detail.reason) == ("NOT_FOUND", common.ERROR_REASON_RULESET_UNKNOWN)
    status, detail = refused(decisions.Decide, basket(as_of_us=1))
    assert (status, detail.reason) == ("FAILED_PRECONDITION", common.ERROR_REASON_NO_RULESET)
    status, detail = refused(decisions.Decide, basket(tenant="else"))
    assert (status, detail.field) == ("PERMISSION_DENIED", "tenant")


@pytest.mark.parametrize(
    ("field", "data"),
    [
        ("", basket().SerializeToString() + b"\xc0\x3e\x01"),
        ("lines[0]", b"\x0a\x03\xc0\x3e\x01"),
        ("", b"\xff\xff\xff"),
        ("", b"\x12\x02\xff\xfe"),
    ],
)
def test_nothing_unknown_is_ignored(channel, field, data):
    call = channel.unary_unary("/einklang.v1.DecisionService/Decide")
    status, detail = refused(call, data)
    assert (status, detail.field) == ("INVALID_ARGUMENT", field)


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
@pytest.mark.parametrize("size", [262_145, 32 << 20])
def test_what_is_too_large_or_unpacks_to_it_is_refused(server, decisions, compression, size):
    with grpc.insecure_channel(server.address, compression=compression) as connection:
        call = connection.unary_unary("/einklang.v1.DecisionService/Decide")
        with pytest.raises(grpc.RpcError) as caught:
            call(b"\x00" * size, timeout=SECONDS)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert decisions.Decide(basket(), timeout=SECONDS).decision.totals.payable_minor == 458


SERVED = {
    *("Decide", "DecideBatch", "Explain", "ProductPrices"),
    *("Publish", "GetPublication", "WatchPublication", "Schedule", "CancelScheduled", "Rollback", "Pause", "Resume"),
    *("GetTimeline", "WatchTimeline", "GetRuleset", "GetPrograms", "ListNodes"),
}
LATER = [
    f"/{service.full_name}/{method.name}"
    for module in (decision_pb2, ruleset_pb2, redemption_pb2, customer_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
    if method.name not in SERVED and not method.client_streaming and not method.server_streaming
]


@pytest.mark.parametrize("path", LATER)
def test_what_is_not_served_yet_says_so(channel, path):
    status, detail = refused(channel.unary_unary(path), b"")
    assert (status, detail.reason) == ("UNIMPLEMENTED", common.ERROR_REASON_NOT_AVAILABLE)
    assert path.rpartition("/")[2] in detail.message


# ---------------------------------------------------------------------------------------------------- around it


def test_the_timeline_tells_what_is_in_force(channel, decisions):
    rulesets = ruleset_pb2_grpc.RulesetServiceStub(channel)
    timeline = rulesets.GetTimeline(ruleset_pb2.GetTimelineRequest(with_records=True), timeout=SECONDS)
    assert [entry.sequence for entry in timeline.entries] == [1]
    assert timeline.in_force.sequence == 1
    assert timeline.in_force.ruleset_digest == decisions.Decide(basket(), timeout=SECONDS).decision.ruleset_digest
    assert timeline.store_time_us > timeline.in_force.effective_from_us
    assert hashlib.sha256(timeline.entries[0].record).hexdigest() == timeline.entries[0].entry_hash


@pytest.mark.parametrize(
    ("service", "serving"),
    [
        ("", True),
        ("einklang.v1.DecisionService", True),
        ("einklang.v1.RulesetService", True),
        ("einklang.v1.RedemptionService", False),
        ("einklang.v1.CustomerService", False),
    ],
)
def test_health_says_what_is_served(channel, service, serving):
    request = health_pb2.HealthCheckRequest(service=service)
    status = health_pb2_grpc.HealthStub(channel).Check(request, timeout=SECONDS).status
    assert (status == health_pb2.HealthCheckResponse.SERVING) is serving


def test_the_server_describes_itself(channel):
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    (answer,) = stub.ServerReflectionInfo(iter([request]), timeout=SECONDS)
    names = {service.name for service in answer.list_services_response.service}
    assert {
        "einklang.v1.DecisionService",
        "einklang.v1.RulesetService",
        "einklang.v1.RedemptionService",
        "einklang.v1.CustomerService",
        "grpc.health.v1.Health",
    } <= names
    request = reflection_pb2.ServerReflectionRequest(file_containing_symbol="einklang.v1.DecisionService")
    (answer,) = stub.ServerReflectionInfo(iter([request]), timeout=SECONDS)
    assert answer.file_descriptor_response.file_descriptor_proto


def test_an_article_of_the_caller_brings_its_own_facts(decisions):
    mine = line(1, "farm-pasta", 3, unit_price_minor=300, attributes=[text("category", "Food/Pasta/Fresh")])
    decided = decisions.Decide(basket(lines=[mine]), timeout=SECONDS).decision
    assert decided.totals.saving_minor == 300
