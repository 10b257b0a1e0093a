"""What callers record of a stream: whose answer it is, its bytes as they came, and why there is none."""

from __future__ import annotations

import grpc
import pytest

from einklang.v1 import common_pb2 as common
from einklang.v1 import decision_pb2 as pb
from server.batches import varint
from tests.fault.callers import Asked, failed, numbered, recorded, word

DECISION = b"\x08\x01\x22\x03EUR\xfa\x3e\x01\x00"  # with a field that this contract does not have
ENVELOPE = pb.Envelope(as_of_us=7, sequence=3, certainty=common.CERTAINTY_CERTAIN).SerializeToString()
RESPONSE = b"".join((b"\x0a", varint(len(DECISION)), DECISION, b"\x12", varint(len(ENVELOPE)), ENVELOPE))


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300_000])
def test_an_answer_is_its_own_bytes_under_its_number(number):
    head = pb.DecideBatchResponse(number=number).SerializeToString()
    assert numbered(head + b"\x12" + varint(len(RESPONSE)) + RESPONSE) == (number, RESPONSE)


def test_a_refusal_is_told_by_its_reason():
    detail = common.ErrorDetail(reason=common.ERROR_REASON_NOT_CERTAIN)
    number, told = numbered(pb.DecideBatchResponse(number=5, error=detail).SerializeToString())
    assert isinstance(told, common.ErrorDetail)
    assert (number, word(told)) == (5, "NOT_CERTAIN")


def test_a_basket_of_a_stream_is_recorded_as_a_call():
    asked = Asked("n1", "stream", 17, 0, 1)
    call = recorded(asked, RESPONSE)
    assert (call.node, call.way, call.basket, call.as_of_us, call.sequence) == ("n1", "stream", 17, 7, 3)
    assert call.received_ns > call.sent_ns == 1
    lost = failed(asked, grpc.StatusCode.UNAVAILABLE.name)
    assert (lost.way, lost.reason, lost.sent_ns) == ("stream", "UNAVAILABLE", 1)
