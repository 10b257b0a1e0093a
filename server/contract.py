"""The rules of the contract that hold for every message: bytes in, nothing unknown, errors with a typed detail out.

What can go wrong, and who is told:

* Failure               the caller: a gRPC status with an ErrorDetail
  x Refused             INVALID_ARGUMENT naming the field: the caller's mistake

The engine's own BadRequest becomes a Refused on its way out (`as_failure`).
"""

from __future__ import annotations

from typing import Any, TypeVar

import grpc
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from einklang.v1 import common_pb2 as pb
from engine.basket import BadRequest, Fault

DETAIL_KEY = "einklang-error-bin"
STATUS_KEY = "grpc-status-details-bin"
DETAIL_BYTES_MAX = 2_400  # it travels twice and in base64; clients take 8 KiB of metadata
MESSAGE_CHARACTERS_MAX = 600

_FAULTS = {
    Fault.BOUNDS: pb.ERROR_REASON_OUT_OF_BOUNDS,
    Fault.MISSING: pb.ERROR_REASON_MISSING,
    Fault.FORM: pb.ERROR_REASON_WRONG_FORM,
    Fault.UNKNOWN: pb.ERROR_REASON_UNKNOWN_NAME,
    Fault.DUPLICATE: pb.ERROR_REASON_DUPLICATE,
    Fault.CONTRADICTION: pb.ERROR_REASON_CONTRADICTION,
    Fault.NO_PRICE: pb.ERROR_REASON_NO_PRICE,
}

M = TypeVar("M", bound=Message)


class Failure(Exception):
    """A call that ends with a status. `detail` is an ErrorDetail whose message is the status message."""

    def __init__(
        self, code: grpc.StatusCode, reason: pb.ErrorReason.ValueType, message: str, *, field: str = "", **detail: Any
    ) -> None:
        Exception.__init__(self, f"{field}: {message}" if field else message)
        message = message[:MESSAGE_CHARACTERS_MAX]
        self.code = code
        self.detail = pb.ErrorDetail(reason=reason, field=field, message=message, **detail)

    def __str__(self) -> str:
        """The status message: the field, then what is wrong with it."""
        return f"{self.detail.field}: {self.detail.message}" if self.detail.field else self.detail.message

    def inside(self, field: str) -> Failure:
        """The same, of a message that is the field of another one."""
        self.detail.field = f"{field}.{self.detail.field}" if self.detail.field else field
        return self

    def with_diagnostics(self, found: list[pb.Diagnostic]) -> Failure:
        """The same, with what was found in a ruleset."""
        self.detail.diagnostics.extend(found)
        self.detail.diagnostics_total = len(found)
        return self

    def metadata(self) -> tuple[tuple[str, bytes], ...]:
        """The trailing metadata: the detail by itself, and packed as a Status. Diagnostics that do not fit are left
        out, last first; `diagnostics_total` counts them all."""
        detail = pb.ErrorDetail()
        detail.CopyFrom(self.detail)
        detail.diagnostics_total = max(detail.diagnostics_total, len(detail.diagnostics))
        while detail.diagnostics and detail.ByteSize() > DETAIL_BYTES_MAX:
            del detail.diagnostics[-1]
        status = pb.Status(code=self.code.value[0], message=str(self))
        status.details.add().Pack(detail)
        return (
            (DETAIL_KEY, detail.SerializeToString(deterministic=True)),
            (STATUS_KEY, status.SerializeToString(deterministic=True)),
        )


class Refused(Failure, BadRequest):
    """The caller's mistake. Raised with the field's path as the contract spells it: "lines[3].quantity"."""

    def __init__(
        self, field: str, message: str, reason: pb.ErrorReason.ValueType = pb.ERROR_REASON_OUT_OF_BOUNDS
    ) -> None:
        Failure.__init__(self, grpc.StatusCode.INVALID_ARGUMENT, reason, message, field=field)
        self.field = field
        self.message = message
        self.fault = None  # the detail says it

    def inside(self, field: str) -> Refused:
        """The same, of a message that is the field of another one."""
        Failure.inside(self, field)
        self.field = self.detail.field
        return self


def as_failure(error: BadRequest, field: str | None = None) -> Failure:
    """What the engine refuses, as the caller is told it. `field`: where the contract has it, if not where it says."""
    if isinstance(error, Failure):
        return error
    reason = pb.ERROR_REASON_UNSPECIFIED if error.fault is None else _FAULTS[error.fault]
    return Refused(error.field if field is None else field, error.message, reason)


def parse(kind: type[M], data: bytes) -> M:
    """The message of these bytes. Raises Refused for bytes that are none, unknown fields and unknown enum values."""
    try:
        message = kind.FromString(data)
    except DecodeError as error:
        utf8 = "UTF-8" in str(error)
        text = "a text that is not UTF-8" if utf8 else f"these bytes are not a {kind.DESCRIPTOR.name}"
        raise Refused("", text, pb.ERROR_REASON_MALFORMED) from None
    size = message.ByteSize()
    message.DiscardUnknownFields()
    if message.ByteSize() != size:  # the quick question; only then look for which
        _refuse_unknown_fields(kind.FromString(data), "")
        raise Refused("", "a field that this server does not know", pb.ERROR_REASON_UNKNOWN_FIELD)
    return message


def _refuse_unknown_fields(message: Message, path: str) -> None:
    fields = UnknownFieldSet(message)
    unknown = sorted(fields[place].field_number for place in range(len(fields)))
    if unknown:
        name = message.DESCRIPTOR.name
        text = f"{name} has no field {unknown[0]} that this server knows; remove it, or use a newer server"
        raise Refused(path.removesuffix("."), text, pb.ERROR_REASON_UNKNOWN_FIELD)
    for field, value in message.ListFields():
        if field.type != FieldDescriptor.TYPE_MESSAGE:
            continue
        if field.is_repeated:
            for place, item in enumerate(value):
                _refuse_unknown_fields(item, f"{path}{field.name}[{place}].")
        else:
            _refuse_unknown_fields(value, f"{path}{field.name}.")


def refuse_unknown_values(message: Message, path: str = "") -> None:
    """Raises Refused where an enum anywhere in the message has a number that the contract does not name."""
    for field, value in message.ListFields():
        if field.type not in {FieldDescriptor.TYPE_MESSAGE, FieldDescriptor.TYPE_ENUM}:
            continue
        items = enumerate(value) if field.is_repeated else [(-1, value)]
        for place, item in items:
            here = f"{path}{field.name}" + (f"[{place}]" if place >= 0 else "")
            if field.type == FieldDescriptor.TYPE_MESSAGE:
                refuse_unknown_values(item, f"{here}.")
                continue
            kind = field.enum_type
            if kind is not None and item not in kind.values_by_number:
                text = f"{item} is no {kind.name} that this server knows"
                raise Refused(here, text, pb.ERROR_REASON_UNKNOWN_VALUE)


def refuse_foreign_tenant(tenant: str, served: str) -> None:
    """Raises Failure where a request names another tenant than the one that is served; "" names none."""
    if tenant and tenant != served:
        text = "this server does not serve that tenant; leave it out"
        raise Failure(grpc.StatusCode.PERMISSION_DENIED, pb.ERROR_REASON_FORBIDDEN, text, field="tenant")
