"""Ask a running server what a basket gets: a complete client in a page.

    python examples/clients/decide.py [HOST:PORT]        (start one with: einklang serve examples/shop)

It needs grpcio and the generated modules of proto/ (installed with the package einklang). What to copy: one channel for
the life of the process, a deadline on every call, retries only by the service config, and errors read from the typed
detail instead of their text.
"""

from __future__ import annotations

import json
import sys

import grpc

from einklang.v1 import common_pb2, decision_pb2, decision_pb2_grpc

DEADLINE_SECONDS = 0.5  # a till would rather charge the list price than wait longer

SERVICE_CONFIG = json.dumps(
    {
        "methodConfig": [
            {
                "name": [{"service": "einklang.v1.DecisionService"}],
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
)


def text(name: str, value: str) -> common_pb2.Attribute:
    """A fact of an article or a customer."""
    return common_pb2.Attribute(name=name, value=common_pb2.Value(kind=common_pb2.VALUE_KIND_TEXT, text=value))


def basket() -> decision_pb2.DecideRequest:
    """Three packs of pasta, with what the promotions of examples/shop ask about them."""
    request = decision_pb2.DecideRequest(channel="stores", currency="EUR", at_us=1_788_948_000_000_000)
    for number, (article, pieces, cents, category) in enumerate(
        [("spaghetti", 2, 199, "Spaghetti"), ("penne", 1, 229, "Penne")], start=1
    ):
        request.lines.add(
            id=str(number),
            article=article,
            quantity=pieces,
            unit_price_minor=cents,
            attributes=[
                text("brand", "Pastella"),
                text("category", f"Lebensmittel/Nudeln/{category}"),
                text("kind", "goods"),
            ],
        )
    return request


def main() -> int:
    """Print what each line costs; 1 where there is no answer."""
    address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:50051"
    with grpc.insecure_channel(address, options=[("grpc.service_config", SERVICE_CONFIG)]) as channel:
        service = decision_pb2_grpc.DecisionServiceStub(channel)
        try:
            answer = service.Decide(basket(), timeout=DEADLINE_SECONDS)
        except grpc.RpcError as error:
            detail = next((v for k, v in error.trailing_metadata() or () if k == "einklang-error-bin"), b"")
            typed = common_pb2.ErrorDetail.FromString(detail)
            print(f"{error.code().name} {typed.field or ''}: {typed.message or error.details()}", file=sys.stderr)
            return 1
    for line in answer.decision.lines:
        print(f"line {line.line_id}: {line.list_minor} - {line.list_minor - line.net_minor} = {line.net_minor} cents")
        for discount in line.discounts:
            print(f"    {discount.promotion} takes {discount.amount_minor} off")
    print(f"to pay: {answer.decision.totals.payable_minor} cents")
    print(f"by ruleset {answer.decision.ruleset_digest[:16]}, decision {answer.envelope.decision_digest[:16]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
