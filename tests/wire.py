"""Request bytes are read alike by the compiled reader and by the protobuf library, or the reader says why not: in bulk.

    python -m tests.wire 0 1000000     # messages 0 to 999,999 on all cores; exit code 1 and those that are read apart

A request of a generated ruleset, or one of chance with any of all fields, is sent as it is, in other ways that say the
same, and then broken. What is printed counts, way by way, what the reader said.
`python -m tests.wire N N+1` repeats one message.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from random import Random
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError, Message

from einklang.v1 import common_pb2 as common
from einklang.v1 import decision_pb2 as pb
from engine import asked as tables
from engine.asked import ASKED, BEGIN, SIZE
from engine.kernel import Ints, compile_kernels
from engine.program import Program
from server.requests import message_of
from tests import bulk, messages
from tests.generated_requests import request
from tests.generators import ruleset

BLOCK = 2_000  # messages
OF_ONE_BASE = 16  # messages that are made of one
OF_RULESETS = 4  # every so many bases come from a ruleset
SAID_TEXTS = ("channel", "store", "currency", "delivery_service", "ruleset_digest", "tenant", "request_id", "basket_id")
BEHIND = 64  # entries behind the scratch, which nobody may write


# ---------------------------------------------------------------------------------------------------- reading


@cache
def reader() -> Any:
    """engine.wire, imported when the cache of kernels is set."""
    from engine import wire

    compile_kernels()
    return wire


@cache
def room() -> Ints:
    """The scratch, never cleaned, and a strip behind it."""
    return np.full(SIZE + BEHIND, -77, np.int64)


def read(data: bytes) -> tuple[int, Ints]:
    """What the reader says, and its tables."""
    asked = room()
    reason: int = reader().read(np.frombuffer(data, np.uint8), asked)
    assert (asked[SIZE:] == -77).all(), "written behind the scratch"
    return reason, asked


def told(data: bytes, asked: Ints) -> pb.DecideRequest:
    """The message that the tables describe: all of it, or they would not be enough."""
    rows = {
        name: [
            dict(zip((column for column, _ in columns), map(int, row), strict=True))
            for row in asked[BEGIN[i] : BEGIN[i] + asked[2 * i + 1]].reshape(-1, len(columns))
        ]
        for i, (name, columns, _, _) in enumerate(ASKED)
    }
    assert all(asked[2 * i] == BEGIN[i] for i in range(len(ASKED)))

    def text(row: dict[str, int], name: str) -> str:
        return data[row[name] : row[name] + row[f"{name}_length"]].decode()

    (said,) = rows["scalars"]
    message = pb.DecideRequest(codes=[text(row, "text") for row in rows["codes"]])
    for name in SAID_TEXTS:
        setattr(message, name, text(said, name))
    for name in ("at_us", "as_of_us", "next_steps"):
        setattr(message, name, said[name])
    for row in rows["usage"]:
        use = message.usage.add(promotion=text(row, "promotion"), limit=text(row, "limit"))
        use.code, use.used = text(row, "code"), row["used"]
    for row in rows["fees"]:
        fee = message.fees.add(service=text(row, "service"), amount_minor=row["amount"])
        if row["rate"] != tables.NOT_SAID:
            fee.tax_rate_basis_points = row["rate"]
    for row in rows["payments"]:
        payment = message.payments.add(means=text(row, "means"))
        if row["amount"] != tables.NOT_SAID:
            payment.amount_minor = row["amount"]
    for row in rows["variants"]:
        choice = message.variants.add(promotion=text(row, "promotion"), variant=text(row, "variant"))
        choice.control = bool(row["control"])
    for row in rows["entries"]:
        entry = message.manual_discounts.add(line_id=text(row, "line"), reason=text(row, "reason"))
        entry.quantity, entry.percent_basis_points = row["quantity"], row["percent"]
        entry.kind, entry.amount_minor = pb.ManualDiscountKind.ValueType(row["kind"]), row["amount"]
    if said["customer"]:
        who = message.customer
        who.SetInParent()
        who.id, who.household = text(said, "customer_id"), text(said, "household")
        who.facts_as_of_us = said["facts_as_of_us"]
        who.facts_known, who.consents_known = bool(said["facts_known"]), bool(said["consents_known"])
        for row in rows["consents"]:
            who.consents.add(name=text(row, "name"), granted=bool(row["granted"]))
        if said["history"]:
            who.events.SetInParent()
            who.events.complete_since_us = said["complete_since_us"]
    for row in rows["lines"]:
        line = message.lines.add(id=text(row, "id"), article=text(row, "article"), gift_of=text(row, "gift_of"))
        line.quantity, line.measure_thousandths = row["quantity"], row["measure"]
        line.measure_unit = common.MeasureUnit.ValueType(row["unit"])
        if row["price_in"] == tables.PRICE_MINOR:
            line.unit_price_minor = row["price"]
        elif row["price_in"] == tables.PRICE_MICROS:
            line.unit_price_micros = row["price"]
        if row["rate"] != tables.NOT_SAID:
            line.tax_rate_basis_points = row["rate"]
    holders = {
        tables.OF_STORE: message.store_attributes,
        tables.OF_DELIVERY: message.delivery_attributes,
        tables.OF_BASKET: message.basket_attributes,
        tables.OF_CUSTOMER: message.customer.attributes if said["customer"] else None,
    }
    for place, row in enumerate(rows["attributes"]):
        owner = row["owner"]
        holder = message.lines[owner].attributes if owner >= 0 else holders[owner]
        assert holder is not None
        if owner >= 0:
            assert rows["lines"][owner]["attributes"] + len(holder) == place < rows["lines"][owner]["attributes_end"]
        value = holder.add(name=text(row, "name")).value
        _tell_value(value, row, text, rows["texts"])
    for row, line in zip(rows["lines"], message.lines, strict=True):
        assert row["attributes_end"] - row["attributes"] == len(line.attributes)
    return message


def _tell_value(
    value: common.Value,
    row: dict[str, int],
    text: Callable[[dict[str, int], str], str],
    texts: list[dict[str, int]],
) -> None:
    value.kind = common.ValueKind.ValueType(row["kind"])
    match value.kind:
        case common.VALUE_KIND_TEXT:
            value.text = text(row, "text")
        case common.VALUE_KIND_DATE:
            value.date = text(row, "text")
        case common.VALUE_KIND_NUMBER:
            value.number_millionths = row["number"]
        case common.VALUE_KIND_PERCENT:
            value.percent_basis_points = row["number"]
        case common.VALUE_KIND_YES_NO:
            value.yes_no = bool(row["number"])
        case common.VALUE_KIND_MONEY:
            value.money.currency, value.money.amount_minor = text(row, "text"), row["number"]
            value.money.SetInParent()
        case common.VALUE_KIND_TEXTS:
            first = row["text"]
            value.texts.extend(text(one, "text") for one in texts[first : first + row["text_length"]])


def compared(data: bytes) -> tuple[int, str]:
    """What the reader says of the bytes; and what is wrong with it, else ""."""
    reason, asked = read(data)
    if reason != reader().READ:
        return reason, ""
    try:
        expected = pb.DecideRequest.FromString(data)
    except DecodeError:
        return reason, "the library refuses it"
    found = told(data, asked)
    if same_bytes(found) != same_bytes(expected):
        return reason, f"the reader has\n{found}\nthe library\n{expected}"
    return reason, ""


def same_bytes(message: Message) -> bytes:
    """With what is unknown to it."""
    return message.SerializeToString(deterministic=True)


# ---------------------------------------------------------------------------------------------------- in bulk


@lru_cache(maxsize=4)
def base(seed: int) -> pb.DecideRequest:
    """A message that says ordinary things."""
    if seed % OF_RULESETS:
        return messages.by_chance(Random(f"message {seed}"))
    programs = programs_of(seed // (16 * OF_RULESETS))
    return message_of(request(programs, seed))


@lru_cache(maxsize=1)
def programs_of(seed: int) -> Sequence[Program]:
    """A ruleset, which is dear to make."""
    return ruleset(seed)


def elsewhere(message: pb.DecideRequest) -> bool:
    """Whether it has what is read elsewhere."""
    return bool(message.customer.events.events or message.returned_goods or message.deposit_refunds)


def message(number: int) -> tuple[str, bytes]:
    """One of the messages: how it was made, and its bytes."""
    seed, way = divmod(number, OF_ONE_BASE)
    said = base(seed)
    random = Random(number)
    if way == 0:
        return "as it is", same_bytes(said)
    tree = messages.tree(said)
    if way in (1, 2):
        messages.say_otherwise(tree, type(said).DESCRIPTOR, random)
        return "said otherwise", messages.encoded(tree)
    if way < 9:
        broken = random.choice(messages.BREAKS)
        for _ in range(random.choice((1, 1, 1, 2))):
            broken(random, tree)
        return broken.__name__.replace("_", " "), messages.encoded(tree)
    damage = random.choice(messages.DAMAGES)
    return damage.__name__.replace("_", " "), damage(random, same_bytes(said), lambda: same_bytes(base(seed + 1)))


def block(first: int, end: int) -> tuple[Counter[str], list[str]]:
    """Messages `first` to before `end`: what was said of which, and what is wrong."""
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    wire = reader()
    for number in range(first, end):
        how, data = message(number)
        reason, difference = compared(data)
        counts[f"{how}: {wire.REASONS[reason]}"] += 1
        if how in ("as it is", "said otherwise") and not difference:
            expected = wire.ELSEWHERE if elsewhere(base(number // OF_ONE_BASE)) else wire.READ
            if reason != expected:
                difference = f"an ordinary message: {wire.REASONS[reason]}"
        if difference:
            wrong.append(f"{number}, {how}: {difference}\n  {data[:400].hex()}")
    return counts, wrong


if __name__ == "__main__":
    sys.exit(bulk.command(__doc__, block, BLOCK, "messages"))
