"""The prices of a listing page: each article decided as if it were alone in the basket."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from einklang.v1 import decision_pb2 as pb
from engine.basket import BadRequest, Request
from server.contract import as_failure
from server.convert import contract_path

if TYPE_CHECKING:
    from engine.direct import Direct

AtLength = Callable[[Request], pb.Decision]  # raises BadRequest


def prices(
    message: pb.DecideRequest, request: Request, direct: Direct | None, at_length: AtLength
) -> Iterator[tuple[pb.ProductPrice, bool]]:
    """The price of each line, by id, and whether limits were judged as given. `direct`: what answers ordinary requests
    by the ruleset, in this thread. Raises Failure for a line that cannot be priced."""
    around = pb.DecideRequest()
    around.CopyFrom(message)
    del around.lines[:], around.manual_discounts[:]
    around.ClearField("ruleset_digest")  # it is this one
    circumstances = around.SerializeToString()
    for line in sorted(request.lines, key=lambda line: line.id.encode()):
        place = request.lines.index(line)
        entries = [i for i, entry in enumerate(request.manual_discounts) if entry.line in ("", line.id)]
        answer = None
        if direct is not None and not entries:
            sent = pb.DecideRequest(lines=[message.lines[place]]).SerializeToString()
            answer = direct.decide(circumstances + sent, request.at_us)
        if answer is not None:
            decision = pb.Decision.FromString(answer.decision)
            judged = answer.usage_judged
        else:
            entered = tuple(request.manual_discounts[i] for i in entries)
            alone = replace(request, lines=(line,), manual_discounts=entered)
            decision = _at_length(message, alone, place, entries, at_length)
            judged = any(result.usage_judged for result in decision.promotions)
        (result,) = decision.lines
        price = pb.ProductPrice(
            line_id=result.line_id,
            list_minor=result.list_minor,
            net_minor=result.net_minor,
            discounts=result.discounts,
        )
        yield price, judged


def _at_length(
    message: pb.DecideRequest, request: Request, place: int, entries: Sequence[int], at_length: AtLength
) -> pb.Decision:
    """`place`, `entries`: where the line and what was entered for it stand in the message."""
    try:
        return at_length(request)
    except BadRequest as error:
        alone = pb.DecideRequest()
        alone.CopyFrom(message)
        del alone.lines[:]
        alone.lines.append(message.lines[place])
        path = contract_path(error.field, alone).replace("lines[0]", f"lines[{place}]", 1)
        for now, entered in reversed(list(enumerate(entries))):
            path = path.replace(f"manual_discounts[{now}]", f"manual_discounts[{entered}]", 1)
        raise as_failure(error, path).inside("request") from None
