"""Baskets for tests/e2e/project, and errors as a client reads them."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from einklang.v1 import common_pb2 as common
from einklang.v1 import decision_pb2 as pb
from server.client import detail_of

AT = 1_788_861_600_000_000  # 2026-09-08T10:00:00Z
SECONDS = 10


def line(number: int, article: str, pieces: int, **fields: Any) -> pb.Line:
    return pb.Line(id=str(number), article=article, quantity=pieces, **fields)


def basket(**fields: Any) -> pb.DecideRequest:
    """Two penne, one spaghetti: one of them free."""
    lines = [line(1, "penne", 2), line(2, "spaghetti", 1)]
    return pb.DecideRequest(**{"channel": "pos", "currency": "EUR", "at_us": AT, "lines": lines, **fields})


def text(name: str, value: str) -> common.Attribute:
    return common.Attribute(name=name, value=common.Value(kind=common.VALUE_KIND_TEXT, text=value))


def gold(**fields: Any) -> pb.Customer:
    return pb.Customer(id="c-1", facts_known=True, consents_known=True, attributes=[text("tier", "gold")], **fields)


def refused(call: Any, *arguments: Any, seconds: float = SECONDS) -> tuple[str, common.ErrorDetail]:
    """The name of the status and the typed detail of a call that must fail."""
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, timeout=seconds)
    detail = detail_of(caught.value)
    assert detail is not None, caught.value
    return caught.value.code().name, detail
