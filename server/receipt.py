"""A Decision as people read it: the receipt, the promotions with their reasons. Pure: messages in, lines out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from einklang.v1 import common_pb2 as common
from einklang.v1 import decision_pb2 as pb
from einklang.v1 import ruleset_pb2
from server.client import reason_word
from server.explain import measure, money

WIDTH = 64


def receipt(request: pb.DecideRequest, decision: pb.Decision, language: str = "") -> str:
    """The goods in the order of the request, what each promotion takes off them, fees, tax and sums.

    `language`: of the promotions' texts; "" or one that a promotion lacks: the first it has, else its name."""
    return "\n".join(_receipt(request, decision, language))


def _receipt(request: pb.DecideRequest, decision: pb.Decision, language: str) -> Iterator[str]:
    names = {result.promotion: _label(result, language) for result in decision.promotions}
    results = {line.line_id: line for line in decision.lines}
    for line in request.lines:
        result = results[line.id]
        yield _row(_goods(line), _plain(result.list_minor, decision.currency))
        for discount in result.discounts:
            yield _row(f"    {names[discount.promotion]}", _plain(-discount.amount_minor, decision.currency))
    for fee in decision.fees:
        yield _row(fee.service, _plain(fee.list_minor, decision.currency))
        for taken in fee.discounts:
            yield _row(f"    {names[taken.promotion]}", _plain(-taken.amount_minor, decision.currency))
    yield "-" * WIDTH
    totals = decision.totals
    if not totals.prices_include_tax:
        yield _row("Tax", _plain(totals.tax_minor, decision.currency))
    yield _row("To pay", money(totals.payable_minor, decision.currency))
    if totals.cash_rounding_minor:
        yield _row("In cash", money(totals.payable_minor + totals.cash_rounding_minor, decision.currency))
    saving = totals.saving_minor + totals.fee_list_minor - totals.fee_net_minor
    if saving:
        yield _row("You save", money(saving, decision.currency))
    if decision.points.earned:
        yield _row("Points", str(decision.points.earned))
    for tax in decision.taxes:
        if tax.tax_rate_basis_points:
            word = "includes" if totals.prices_include_tax else "plus"
            paid = _plain(tax.with_tax_minor, decision.currency)
            left = f"{word} tax of {_percent(tax.tax_rate_basis_points)} on {paid}"
            yield _row(left, _plain(tax.tax_minor, decision.currency))


def reasons(decision: pb.Decision) -> str:
    """The promotions that touch the basket and what became of each code, one a line."""
    points = {part.promotion: f"gives {part.points} points" for part in decision.points.promotions}
    rows = [
        (
            result.promotion,
            reason_word(result.reason),
            points.get(result.promotion) or _what(result, decision.currency),
        )
        for result in decision.promotions
    ]
    rows += [(f"code {code.code}", _verdict(code), code.promotion) for code in decision.codes]
    return _table(rows)


def next_steps(decision: pb.Decision) -> str:
    """What could be added to get more, one a line."""
    return _table(
        [
            (
                "next step",
                "add " + " and ".join(_added(added) for added in step.additions),
                f"save {money(step.saving_minor, decision.currency)}",
                f"{money(step.payable_minor, decision.currency)} more to pay"
                if step.payable_minor >= 0
                else f"{money(-step.payable_minor, decision.currency)} less to pay",
                step.promotion,
            )
            for step in decision.next_steps
        ]
    )


def _added(added: pb.Addition) -> str:
    if added.measure_thousandths:
        unit = common.MeasureUnit.Name(added.measure_unit).removeprefix("MEASURE_UNIT_").lower()
        return f"{measure(added.measure_thousandths, unit)} {added.article}"
    return f"{added.pieces} x {added.article}"


def explanations(response: pb.ExplainResponse) -> str:
    """Each promotion's reason and sentence, one a line."""
    currency = response.decision.currency
    return _table(
        [
            (
                explanation.promotion,
                reason_word(explanation.reason),
                money(-_saving(explanation.result), currency) if _saving(explanation.result) else "",
                explanation.sentence,
            )
            for explanation in response.explanations
        ]
    )


def envelope(response: pb.DecideResponse | pb.ExplainResponse) -> str:
    """By which ruleset it was decided, as of when, how good it is, and its digest."""
    decision, node = response.decision, response.envelope
    proof = "optimal"
    if decision.proof == pb.PROOF_BOUNDED:
        proof = f"at most {money(decision.proof_bound_minor, decision.currency)} from the optimum"
    source = f"entry {node.sequence} in force at {instant(node.as_of_us)}" if node.sequence else "named by the request"
    limits = "; limits by the usage of the request" if node.limits_from == pb.LIMITS_FROM_REQUEST else ""
    return (
        f"ruleset   {decision.ruleset_digest[:16]}… ({source})\n"
        f"judged at {instant(node.at_us)}{limits}\n"
        f"decision  {node.decision_digest[:16]}… ({proof})"
    )


def timeline(response: ruleset_pb2.GetTimelineResponse) -> str:
    """What is in force, what is scheduled, and the latest entries, the last one first."""
    lines = ["in force   nothing"]
    if response.HasField("in_force"):
        entry = response.in_force
        lines = [
            f"in force   entry {entry.sequence} since {instant(entry.effective_from_us)}",
            f"ruleset    {entry.ruleset_digest}",
        ]
    for entry in response.scheduled:
        lines.append(f"scheduled  entry {entry.sequence} from {instant(entry.effective_from_us)}")
    lines.append(f"store time {instant(response.store_time_us)}")
    if response.entries:
        rows = [
            (
                f"{entry.sequence:>4}",
                instant(entry.effective_from_us),
                ruleset_pb2.EntryKind.Name(entry.kind).removeprefix("ENTRY_KIND_").lower(),
                f"{entry.ruleset_digest[:16]}…",
                entry.author,
                entry.reason,
            )
            for entry in reversed(response.entries)
        ]
        lines += ["", _table(rows)]
    return "\n".join(lines)


def instant(us: int) -> str:
    """An instant in microseconds since the epoch: "2026-09-07 06:00:00 UTC"; with its fraction if it has one."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)
    return f"{moment:%Y-%m-%d %H:%M:%S}{f'.{us % 1_000_000:06d}'.rstrip('0') if us % 1_000_000 else ''} UTC"


def _goods(line: pb.Line) -> str:
    if line.measure_thousandths:
        unit = common.MeasureUnit.Name(line.measure_unit).removeprefix("MEASURE_UNIT_").lower()
        return f"{measure(line.measure_thousandths, unit)} {line.article}"
    return f"{line.quantity} x {line.article}"


def _label(result: pb.PromotionResult, language: str) -> str:
    texts = {label.language: label.text for label in result.labels}
    return texts.get(language) or next(iter(texts.values()), result.promotion)


def _what(result: pb.PromotionResult, currency: str) -> str:
    if result.reason == common.REASON_APPLIED:
        saving = _saving(result)
        times = f" ({result.applications} times)" if result.applications > 1 else ""
        return (f"saves {money(saving, currency)}" if saving else "") + times
    if result.missing:
        return ", ".join(f"{_missing(missing, currency)} more" for missing in result.missing)
    if result.beaten_by:
        return f"by {', '.join(result.beaten_by)}"
    return result.failing_clause


def _saving(result: pb.PromotionResult) -> int:
    """On lines and fees."""
    return result.saving_minor + result.fee_saving_minor


def _missing(missing: pb.Missing, currency: str) -> str:
    name = missing.product_set_title or missing.product_set
    of = f" of «{name}»" if name else ""
    match missing.kind:
        case pb.MISSING_KIND_AMOUNT:
            return money(missing.amount_minor, currency) + of
        case pb.MISSING_KIND_MEASURE:
            unit = common.MeasureUnit.Name(missing.measure_unit).removeprefix("MEASURE_UNIT_").lower()
            return measure(missing.measure_thousandths, unit) + of
        case _:
            return f"{missing.pieces}{of}"


def _verdict(code: pb.CodeVerdict) -> str:
    word = pb.CodeVerdictKind.Name(code.verdict).removeprefix("CODE_VERDICT_KIND_").lower().replace("_", "-")
    return f"{word}: {reason_word(code.reason)}" if code.verdict == pb.CODE_VERDICT_KIND_NOT_APPLIED else word


def _percent(basis_points: int) -> str:
    whole, part = divmod(basis_points, 100)
    return f"{whole}{f'.{part:02d}'.rstrip('0') if part else ''}%"


def _plain(minor: int, currency: str) -> str:
    """The amount without its currency, which stands in the total."""
    return money(minor, currency).replace(f"{currency} ", "")


def _row(left: str, right: str) -> str:
    room = max(WIDTH - len(right) - 1, 1)
    return f"{left if len(left) <= room else left[: room - 1] + '…':<{room}} {right}"


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    """Columns as wide as they need; the last one as it comes."""
    if not rows:
        return ""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]) - 1)]
    lines = ("  ".join([*(f"{c:<{w}}" for c, w in zip(row, widths, strict=False)), row[-1]]) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
