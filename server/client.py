"""The command line as a caller: a channel, its retries, and errors as the contract tells them.

What can go wrong, and who is told:

* CallFailed   the person at the terminal: one line with the field at fault, or that nobody answers
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final, TypeVar

import grpc
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from einklang.v1 import common_pb2 as common
from einklang.v1 import decision_pb2

SERVICE: Final = "einklang.v1.DecisionService"
ADDRESS: Final = "127.0.0.1:50051"
REQUEST_BYTES_MAX: Final = 262_144

_RETRIES: Final = {
    "methodConfig": [
        {
            "name": [{"service": SERVICE}],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.05s",
                "maxBackoff": "0.5s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
    "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
}

A = TypeVar("A")
M = TypeVar("M", bound=Message)


class CallFailed(Exception):
    """A call that got no answer. The message is fit for people; `detail` is the server's, where it gave one."""

    def __init__(self, message: str, detail: common.ErrorDetail | None = None) -> None:
        super().__init__(message)
        self.detail = detail or common.ErrorDetail(message=message)


def channel(address: str) -> grpc.Channel:
    """A channel with the retries that every method of DecisionService allows: it only reads."""
    return grpc.insecure_channel(
        address,
        options=[
            ("grpc.service_config", json.dumps(_RETRIES)),
            ("grpc.max_receive_message_length", 64 << 20),  # explaining a large ruleset takes some megabytes
            ("grpc.keepalive_time_ms", 30_000),  # whoever follows the Timeline notices that the way there is gone
            ("grpc.keepalive_timeout_ms", 10_000),
        ],
    )


def call(method: Callable[..., A], request: Message, *, address: str, timeout_s: float) -> A:
    """The answer. Raises CallFailed."""
    try:
        return method(request, timeout=timeout_s)
    except grpc.RpcError as error:
        raise failed(error, address) from None


def failed(error: grpc.RpcError, address: str) -> CallFailed:
    """What an error says, as the contract tells it; else that nobody answered."""
    detail = detail_of(error)
    if detail is not None:
        return CallFailed(str(error.details()), detail)
    code = error.code()
    if code == grpc.StatusCode.DEADLINE_EXCEEDED:
        return CallFailed(f"{address} did not answer in time (--timeout)")
    if code == grpc.StatusCode.UNAVAILABLE:
        return CallFailed(f"no server answers at {address}; start one with: einklang serve DIR")
    return CallFailed(f"{code.name}: {error.details()}")


def detail_of(error: grpc.RpcError) -> common.ErrorDetail | None:
    """The typed detail of an error of this contract; None where the error has none."""
    for key, value in error.trailing_metadata() or ():
        if key == "einklang-error-bin":
            try:
                return common.ErrorDetail.FromString(value)
            except DecodeError:
                return None
    return None


def is_serving(connection: grpc.Channel, service: str, timeout_s: float) -> bool:
    """What the server's health service says of one service; "" of the process. Raises grpc.RpcError."""
    request = health_pb2.HealthCheckRequest(service=service)
    answer = health_pb2_grpc.HealthStub(connection).Check(request, timeout=timeout_s)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def read_basket(text: str, kind: type[M]) -> M:
    """A request written as protobuf's JSON. Raises CallFailed, naming what does not fit."""
    if not text.lstrip().startswith("{"):
        raise CallFailed(f"not a {kind.DESCRIPTOR.name}: no JSON object")
    try:
        return json_format.Parse(text, kind())
    except json_format.ParseError as error:
        first = str(error).split("\n", 1)[0].removeprefix("Failed to parse JSON: ")
        raise CallFailed(f"not a {kind.DESCRIPTOR.name}: {first}") from None


def to_json(message: Message) -> str:
    """A message as protobuf's JSON, with the contract's field names; fields in the contract's order."""
    return json_format.MessageToJson(message, preserving_proto_field_name=True, ensure_ascii=False)


def reason_word(reason: common.Reason.ValueType) -> str:
    """A reason as the language writes it: "code-missing"."""
    return common.Reason.Name(reason).removeprefix("REASON_").lower().replace("_", "-")


def request_of(
    basket: decision_pb2.DecideRequest, promotions: list[str], language: str | None = None
) -> decision_pb2.ExplainRequest:
    """The question why, for one basket. `promotions` empty: all; `language` None: the ruleset's."""
    return decision_pb2.ExplainRequest(request=basket, promotions=promotions, language=language or "")
