"""The door: what does this basket get?

    resolve → match → price → combine → prorate

`decide(ruleset, request)` is a pure function of the two. A kernel does the work between columns and columns; this
module turns the request into columns and columns into a Decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from engine.basket import BASIS_POINTS, Request
from engine.calendar import UNITS as LENGTHS
from engine.combine import combine
from engine.decision import (
    CONTROL,
    CodeVerdict,
    Decision,
    FeeResult,
    Funding,
    LineDiscount,
    LineResult,
    Missing,
    NextCode,
    PromotionResult,
    Reason,
    TaxTotal,
    Totals,
    UnitShare,
    Verdict,
)
from engine.gifts import gift_results
from engine.image import Ruleset
from engine.instructions import UNITS, Counted, Kind, Scope, Terms
from engine.kernel import Table, compile_kernels
from engine.layout import (
    NOBODY,
    Q_ZONE,
    T_ALONE,
    T_APPLICATIONS,
    T_BEATEN_BY,
    T_CLAUSE,
    T_CODE,
    T_FURTHER,
    T_MISSING,
    T_MISSING_KIND,
    T_MISSING_SET,
    T_MISSING_UNIT,
    T_PROMOTION,
    T_REASON,
    T_SAVING,
    T_TERM,
    T_TIER,
)
from engine.match import (
    CLAUSE_AUDIENCE,
    CLAUSE_CODE,
    CLAUSE_GET,
    CLAUSE_LIMIT,
    CLAUSE_ONLY_ON,
    CLAUSE_PLACES,
    CLAUSE_REASONS,
    CLAUSE_RUNS,
    CLAUSE_SOLD,
    CLAUSE_WHEN,
    candidates,
    touch,
)
from engine.money import divide, to_step
from engine.next_codes import valid_until
from engine.next_steps import next_steps
from engine.points import earned
from engine.resolve import Resolved, check, resolve
from engine.state import CLAUSE_BUDGET, State, begun

CLAUSES = {
    CLAUSE_RUNS: "runs",
    CLAUSE_ONLY_ON: "only_on",
    CLAUSE_SOLD: "sold",
    CLAUSE_PLACES: "places",
    CLAUSE_AUDIENCE: "audience",
    CLAUSE_CODE: "code",
    CLAUSE_GET: "get",
    CLAUSE_REASONS: "reasons",
}
MISSING_KINDS = ("", "pieces", "amount", "measure", "articles")


def decide(ruleset: Ruleset, request: Request, *, everything: bool = False) -> Decision:
    """The Decision; with `everything` it reports all promotions, else those that touch the basket.

    Raises BadRequest, naming the field, for what is out of bounds or unknown to the ruleset."""
    resolved, table, state = _decided(ruleset, request, everything=everything)
    decision = _Answer(ruleset, request, resolved, table, state).decision()
    if not request.next_steps:
        return decision
    touches = set(touch(ruleset.buffer, resolved.question).tolist())  # others may have been asked for
    touching = {p: t for p, t in table[[T_PROMOTION, T_TERM]].T.tolist() if p in touches}
    steps = next_steps(ruleset, request, resolved, touching, decision, partial(decide, ruleset))
    return replace(decision, next_steps=steps)


def _decided(ruleset: Ruleset, request: Request, *, everything: bool) -> tuple[Resolved, Table, State]:
    compile_kernels()
    check(request)
    resolved = resolve(ruleset, request)
    question = resolved.question
    touching = touch(ruleset.buffer, question)
    table = candidates(np.arange(len(ruleset.promotions)) if everything else touching)
    state = begun(question, touching.shape[0])
    combine(ruleset.buffer, question, table, state)
    return resolved, table, state


def funding(shares: Sequence[tuple[str, str, int]], saving: int) -> tuple[Funding, ...]:
    """Who pays how much of a saving: each its share rounded down, the cents that remain to the largest remainders.

    Of equal remainders the one declared first."""
    parts = [divmod(saving * points, BASIS_POINTS) for _, _, points in shares]
    rest = saving - sum(whole for whole, _ in parts)
    first = sorted(range(len(parts)), key=lambda i: (-parts[i][1], i))[:rest]
    return tuple(Funding(party, name, parts[i][0] + (i in first)) for i, (party, name, _) in enumerate(shares))


def warm(ruleset: Ruleset) -> None:
    """Compile or load the kernels and decide an empty basket with this ruleset, so that the next answer is quick.

    All promotions are judged; what nobody will read of them is not written."""
    nothing = Request(0, ruleset.currencies[0], next(iter(ruleset.schema.channels), ""), ())
    _decided(ruleset, nothing, everything=True)
    decide(ruleset, nothing)


class _Answer:
    """Columns → Decision."""

    def __init__(self, ruleset: Ruleset, request: Request, resolved: Resolved, table: Table, state: State) -> None:
        self.ruleset = ruleset
        self.request = request
        self.resolved = resolved
        self.columns = resolved.columns
        self.services = resolved.services
        self.state = state
        self.table = table
        self.promotion: list[int] = table[T_PROMOTION].tolist()
        self.reason: list[int] = table[T_REASON].tolist()
        self.saving: list[int] = table[T_SAVING].tolist()
        self.currency = ruleset.currencies.index(request.currency)
        self.names = [ruleset.promotion_names[p] for p in self.promotion]

    def decision(self) -> Decision:
        lines = self.lines()
        fees = self.fees()
        promotions = tuple(self.promotion_result(row) for row in range(len(self.promotion)))
        taxes = self.taxes(lines, fees)
        total = sum(line.list for line in lines)
        net = sum(line.net for line in lines)
        fee = sum(fee.net for fee in fees)
        tax = sum(t.tax for t in taxes)
        assert net == int(self.state.left.sum()) == sum(line.refund for line in lines)
        settings = self.ruleset.settings
        payable = net + fee + (0 if settings.prices_include_tax else tax)
        step = next((a.value for a in settings.cash_rounding if a.currency == self.request.currency), 1)
        bound = int(self.state.tally[1])
        terms: list[int] = self.table[T_TERM].tolist()
        applied = [(row, p, terms[row]) for row, p in enumerate(self.promotion) if self.reason[row] == Reason.APPLIED]
        return Decision(
            ruleset=self.ruleset.digest,
            currency=self.request.currency,
            optimal=bound == 0,
            bound=bound,
            lines=lines,
            promotions=promotions,
            services=self.free_services(),
            fees=fees,
            codes=self.codes(),
            gifts=gift_results(
                self.ruleset,
                self.request.currency,
                self.columns,
                [line.id for line in lines],
                [(p, term, np.flatnonzero(self.state.given == row)) for row, p, term in applied],
            ),
            points=earned(
                self.ruleset,
                self.request.currency,
                self.columns,
                self.paid_without_gifts(),
                [(p, term) for _, p, term in applied],
            ),
            next_codes=self.next_codes(),
            taxes=taxes,
            totals=Totals(total, total - net, net, fee, tax, payable, to_step(payable, step) - payable),
        )

    def used(self, limit: int, code: int) -> int:
        """What the usage facts say of a counter (limit -1: of the code itself)."""
        return next((u for row, c, u in self.columns["usage"].tolist() if (row, c) == (limit, code)), 0)

    def paid_without_gifts(self) -> list[int]:
        """What the units of each line cost that are no gifts."""
        paid = np.zeros(len(self.resolved.lines), np.int64)
        bought = self.state.given < 0
        np.add.at(paid, self.columns["unit_line"][bought], self.state.left[bought])
        return [int(amount) for amount in paid.tolist()]

    def lines(self) -> tuple[LineResult, ...]:
        unit_line, unit_list = self.columns["unit_line"], self.columns["unit_list"]
        count = len(self.resolved.lines)
        discounts: list[list[LineDiscount]] = [[] for _ in range(count)]
        for line, row, amount in self.state.records[: self.state.tally[0]].tolist():
            discounts[line].append(LineDiscount(self.names[row], amount))
        order = np.lexsort((-self.state.refund, -self.state.left, unit_line))
        units = np.stack((unit_line, self.state.left, self.state.refund))[:, order]
        changes = np.flatnonzero((units[:, 1:] != units[:, :-1]).any(axis=0)) + 1
        ends = [*changes.tolist(), len(order)] if count else []
        shares: list[list[UnitShare]] = [[] for _ in range(count)]  # runs of equal units
        first = 0
        for last, (i, net, refund) in zip(ends, units[:, [end - 1 for end in ends]].T.tolist(), strict=True):
            shares[i].append(UnitShare(last - first, net, refund))
            first = last
        begin = np.searchsorted(units[0], np.arange(count + 1))
        sums = np.concatenate(([0], np.cumsum(unit_list[order])))[begin]
        lists = np.diff(sums).tolist()
        return tuple(
            LineResult(
                id=line.id,
                list=lists[i],
                net=sum(share.count * share.net for share in shares[i]),
                refund=sum(share.count * share.refund for share in shares[i]),
                tax_rate=self.resolved.tax_rates[i],
                discounts=tuple(discounts[i]),
                shares=tuple(shares[i]),
            )
            for i, line in enumerate(self.resolved.lines)
        )

    def fees(self) -> tuple[FeeResult, ...]:
        discounts: dict[str, list[LineDiscount]] = {fee.service: [] for fee in self.request.fees}
        for service, row, amount in self.granted():
            if amount:
                discounts[service].append(LineDiscount(self.names[row], amount))
        results = []
        for fee in sorted(self.request.fees, key=lambda f: f.service.encode()):
            taken = discounts[fee.service]
            net = fee.amount - sum(discount.amount for discount in taken)
            results.append(FeeResult(fee.service, fee.amount, net, tuple(taken), fee.tax_rate))
        return tuple(results)

    def granted(self) -> list[tuple[str, int, int]]:
        """What was taken off fees: service, candidate, amount, in the order of application."""
        services = self.services
        rows = self.state.granted[: self.state.tally[2]].tolist()
        return [(services[service], row, amount) for service, row, amount in rows]

    def free_services(self) -> tuple[str, ...]:
        """The services that promotions brought to nothing."""
        left = dict(zip(self.services, self.state.fees.tolist(), strict=True))
        return tuple(sorted({service for service, _, _ in self.granted() if left[service] == 0}))

    def taxes(self, lines: Sequence[LineResult], fees: Sequence[FeeResult]) -> tuple[TaxTotal, ...]:
        settings = self.ruleset.settings
        by_rate: dict[int, int] = {}
        amounts = [(line.tax_rate, line.net) for line in lines]
        amounts += [(fee.tax_rate, fee.net) for fee in fees if fee.tax_rate is not None]
        for rate, net in amounts:
            by_rate[rate] = by_rate.get(rate, 0) + net
        totals = []
        for rate, amount in sorted(by_rate.items()):
            if settings.prices_include_tax:
                net = divide(amount * BASIS_POINTS, BASIS_POINTS + rate, settings.rounding)
                totals.append(TaxTotal(rate, amount, net, amount - net))
            else:
                tax = divide(amount * rate, BASIS_POINTS, settings.rounding)
                totals.append(TaxTotal(rate, amount + tax, amount, tax))
        return tuple(totals)

    def next_codes(self) -> tuple[NextCode, ...]:
        rules, names = self.ruleset.rules, self.ruleset.code_set_names
        found = []
        for row, (p, term) in enumerate(zip(self.promotion, self.table[T_TERM].tolist(), strict=True)):
            if self.reason[row] == Reason.APPLIED and rules.kind[term] == Kind.NEXT_CODE:
                zone = int(rules.zone[p]) if rules.zone[p] >= 0 else int(self.columns["scalars"][Q_ZONE])
                count, unit = int(rules.valid[term]), LENGTHS[rules.valid_in[term]]
                until = valid_until(self.ruleset, zone, self.request.at_us, count, unit)
                found.append(NextCode(self.names[row], names[rules.target[term]], until))
        return tuple(found)

    def promotion_result(self, row: int) -> PromotionResult:
        table, p = self.table, self.promotion[row]
        reason = Reason(self.reason[row])
        applied, beaten = reason is Reason.APPLIED, reason in (Reason.BEATEN, Reason.EXCLUSIVE)
        by = int(table[T_BEATEN_BY, row])
        kind = int(table[T_MISSING_KIND, row])
        missing = None
        if kind:
            of = int(table[T_MISSING_SET, row])
            missing = Missing(
                MISSING_KINDS[kind],
                int(table[T_MISSING, row]),
                UNITS[int(table[T_MISSING_UNIT, row])][0] if MISSING_KINDS[kind] == "measure" else "",
                self.ruleset.set_names[of] if 0 <= of < len(self.ruleset.set_names) else "",
            )
        return PromotionResult(
            name=self.names[row],
            reason=reason,
            applications=int(table[T_APPLICATIONS, row]) if applied else 0,
            saving=self.saving[row],
            code=self.resolved.codes[table[T_CODE, row]] if applied and table[T_CODE, row] >= 0 else "",
            beaten_by=self.names[by] if by >= 0 else "",
            would_save=int(table[T_ALONE, row]) if beaten else 0,
            clause=self.clause(row),
            missing=missing,
            tier=int(table[T_TIER, row]),
            next_tier=self.further(row),
            usage_as_given=self.ruleset.promotions[p].usage_as_given,
            funding=funding(self.ruleset.promotions[p].funded, self.saving[row]) if applied else (),
            variant=self.variant(p) if self.ruleset.promotions[p].arms else "",
        )

    def further(self, row: int) -> Missing | None:
        """What is missing to the next tier; None: there is none above."""
        value, p, rules = int(self.table[T_FURTHER, row]), self.promotion[row], self.ruleset.rules
        if not value:
            return None
        kind = {Terms.WORTH: "amount", Terms.COUNT: "pieces", Terms.MEASURE: "measure"}[Terms(int(rules.terms_by[p]))]
        unit = UNITS[int(rules.terms_of[p])][0] if kind == "measure" else ""
        of = int(rules.target[p])
        return Missing(kind, value, unit, self.ruleset.set_names[of] if of >= 0 else "")

    def variant(self, p: int) -> str:
        """The variant that holds; "": there is no subject."""
        rules = self.ruleset.rules
        reward = int(self.columns["arms"][rules.arm[p]])
        if reward == NOBODY:
            return ""
        rows = rules.terms[rules.term_begin[p] : rules.term_begin[p + 1], 0].tolist()
        return self.ruleset.promotions[p].arms[rows.index(reward)] or CONTROL

    def clause(self, row: int) -> str:
        """The line that failed, as its author wrote it."""
        clause, texts = int(self.table[T_CLAUSE, row]), self.ruleset.promotions.said(self.promotion[row]).clauses
        if clause == CLAUSE_BUDGET:
            return str(texts["limits"][self.exceeded_budget(row)])
        if clause >= CLAUSE_LIMIT:
            return str(texts["limits"][clause - CLAUSE_LIMIT])
        if clause >= CLAUSE_WHEN:
            return str(texts["when"][clause - CLAUSE_WHEN])
        return str(texts[CLAUSES[clause]]) if clause else ""

    def exceeded_budget(self, row: int) -> int:
        """The first budget that what the promotion would save (a buy: in one application) exceeds."""
        rules, p = self.ruleset.rules, self.promotion[row]
        first = int(rules.limit_begin[p])
        for limit in range(first, int(rules.limit_begin[p + 1])):
            counted, _, amount, scope = rules.limits[limit].tolist()
            if counted == Counted.SAVING and scope in (Scope.TOTAL, Scope.STORE):
                rest = int(rules.amounts[amount, self.currency]) - self.used(limit, -1)
                if rest < int(self.table[T_ALONE, row]):
                    return limit - first
        raise AssertionError("a budget was exceeded, but none is")

    def codes(self) -> tuple[CodeVerdict, ...]:
        rules, code_begin, code_sets = self.ruleset.rules, self.columns["code_begin"], self.columns["code_sets"]
        if not self.resolved.codes:
            return ()
        row_of = {p: row for row, p in enumerate(self.promotion)}
        verdicts = []
        for number, code in enumerate(self.resolved.codes):
            sets = code_sets[code_begin[number] : code_begin[number + 1]]
            if not len(sets):
                verdicts.append(CodeVerdict(code, Verdict.UNKNOWN))
                continue
            asking = np.flatnonzero(np.isin(rules.codes, sets)).tolist()
            applied = [
                p
                for p in asking
                if self.reason[row_of[p]] == Reason.APPLIED and int(self.table[T_CODE, row_of[p]]) == number
            ]
            uses = [int(rules.code_uses[s]) for s in sets]
            if applied:
                verdicts.append(
                    CodeVerdict(code, Verdict.APPLIED, self.ruleset.promotion_names[applied[0]], Reason.APPLIED)
                )
            elif all(0 <= most <= self.used(-1, number) for most in uses):
                verdicts.append(CodeVerdict(code, Verdict.USED, "", Reason.CODE_USED))
            elif not asking:
                verdicts.append(CodeVerdict(code, Verdict.NOT_APPLIED))
            else:
                verdicts.append(self.not_applied(code, asking[0], row_of[asking[0]]))
        return tuple(verdicts)

    def not_applied(self, code: str, p: int, row: int) -> CodeVerdict:
        reason = Reason(self.reason[row])
        name = self.ruleset.promotion_names[p]
        return CodeVerdict(code, Verdict.NOT_APPLIED, name, Reason.BEATEN if reason is Reason.APPLIED else reason)
