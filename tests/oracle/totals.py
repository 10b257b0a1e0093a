"""What is left to say once all promotions applied (law 9): refund values, lines, taxes, totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from engine.decision import FeeResult, LineDiscount, LineResult, TaxTotal, Totals, UnitShare
from tests.oracle.arithmetic import round_to
from tests.oracle.resolve import Basket
from tests.oracle.rewards import Offer, Taking, share


def refunds(basket: Basket, applied: Iterable[tuple[Offer, Taking, Sequence[int]]]) -> list[int]:
    """The refund value of each unit. `applied`: in order, with what units cost before."""
    units, values = basket.units, [unit.list for unit in basket.units]
    for offer, taking, before in applied:
        for application in taking.applications:
            shares, own = application.savings, application.units
            if offer.buys:
                shares = share(application.saving, own, {unit.index: before[unit.index] for unit in own})
            owed = 0
            for number, amount in shares.items():
                given = min(amount, values[number])
                values[number] -= given
                owed += amount - given
            for among in (own, units):
                weights = {unit.index: values[unit.index] for unit in among}
                given = min(owed, sum(weights.values()))
                for number, amount in share(given, among, weights).items():
                    values[number] -= amount
                owed -= given
            assert owed == 0, "the refund values are worth what is paid"
    return values


def line_results(
    basket: Basket, applied: Iterable[tuple[Offer, Taking, Sequence[int]]], left: Sequence[int]
) -> tuple[LineResult, ...]:
    """The lines by id."""
    values = refunds(basket, applied)
    discounts: dict[str, Counter[str]] = {line.request.id: Counter() for line in basket.lines}  # insertion order
    for offer, taking, _ in applied:
        for application in taking.applications:
            for unit, amount in application.savings.items():
                if amount:
                    discounts[basket.units[unit].line.request.id][offer.name] += amount
    results = []
    for line in basket.lines:
        mine = [unit for unit in basket.units if unit.line is line]
        alike = Counter((left[unit.index], values[unit.index]) for unit in mine)
        results.append(
            LineResult(
                id=line.request.id,
                list=sum(unit.list for unit in mine),
                net=sum(left[unit.index] for unit in mine),
                refund=sum(values[unit.index] for unit in mine),
                tax_rate=line.tax_rate,
                discounts=tuple(LineDiscount(name, amount) for name, amount in discounts[line.request.id].items()),
                shares=tuple(UnitShare(alike[pair], *pair) for pair in sorted(alike, reverse=True)),
            )
        )
    return tuple(results)


def taxes(basket: Basket, lines: Iterable[LineResult], fees: Iterable[FeeResult]) -> tuple[TaxTotal, ...]:
    """By rate, over the sum of its lines and fees; a fee without a rate is in none."""
    amounts: Counter[int] = Counter()
    for line in lines:
        amounts[line.tax_rate] += line.net
    for fee in fees:
        if fee.tax_rate is not None:
            amounts[fee.tax_rate] += fee.net
    found = []
    for rate, amount in sorted(amounts.items()):
        if basket.ruleset.settings.prices_include_tax:
            net = round_to(amount * 10_000, 10_000 + rate, basket.rounding)
            found.append(TaxTotal(rate, gross=amount, net=net, tax=amount - net))
        else:
            tax = round_to(amount * rate, 10_000, basket.rounding)
            found.append(TaxTotal(rate, gross=amount + tax, net=amount, tax=tax))
    return tuple(found)


def fees(basket: Basket, granted: Mapping[str, Mapping[str, int]]) -> tuple[FeeResult, ...]:
    """By service; `granted`: by service, what each promotion takes off its fee, in order."""
    results = []
    for fee in sorted(basket.request.fees, key=lambda fee: fee.service):
        taken = granted.get(fee.service, {})
        discounts = tuple(LineDiscount(name, amount) for name, amount in taken.items() if amount)
        results.append(FeeResult(fee.service, fee.amount, fee.amount - sum(taken.values()), discounts, fee.tax_rate))
    return tuple(results)


def totals(basket: Basket, lines: Iterable[LineResult], paid: Iterable[FeeResult], taxed: Iterable[TaxTotal]) -> Totals:
    """Of the basket."""
    listed, net = sum(line.list for line in lines), sum(line.net for line in lines)
    for_services, tax = sum(fee.net for fee in paid), sum(total.tax for total in taxed)
    payable = net + for_services + (0 if basket.ruleset.settings.prices_include_tax else tax)
    in_cash = payable
    for step in basket.ruleset.settings.cash_rounding:
        if step.currency == basket.request.currency:
            in_cash = round_to(payable, step.value, "half-up") * step.value
    return Totals(
        list=listed,
        saving=listed - net,
        net=net,
        fees=for_services,
        tax=tax,
        payable=payable,
        cash_rounding=in_cash - payable,
    )
