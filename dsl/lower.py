"""Checked declarations → Programs: names are resolved, dates are numbers, files are read. Nothing can be wrong here.

The passes stand in PASSES, in the order of their Programs: the canonical order, whatever files and order the text has.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from functools import partial
from operator import itemgetter
from typing import Any, cast

from dsl import ast
from dsl.check_rewards import rewards_of
from dsl.clauses import choice, clauses, codes_of, days_of, first, head, headings, is_exact, limit_key
from dsl.data import Table, TypedColumn
from dsl.diagnostics import Diagnostic
from dsl.project import IDS, Project, price_columns, table_columns
from dsl.values import EPOCH, MACHINE_TYPES, MILLION, basis_points, money, scalar
from dsl.values import days as day_number
from dsl.writing import writings
from dsl.zones import zone
from engine import program as p

DAY = 86_400
ORDERS = "orders"  # the event of «this order is the 1st»


def lower(project: Project) -> tuple[p.Program, ...]:
    """All Programs of a project without errors, in canonical order."""
    same = project.memory.same
    return tuple(
        same((type(made), getattr(made, "name", "")), made) if isinstance(made, _SMALL) else made
        for _, make in PASSES
        for made in make(project)
    )


_SMALL = (p.Settings, p.Schema, p.Group, p.Guard)  # made anew each time: equal ones stay the same object


# ---------------------------------------------------------------------------------------------------- project


def _settings(project: Project) -> Iterator[p.Program]:
    info = project.settings
    yield p.Settings(
        currencies=info.currencies,
        timezone=info.timezone,
        languages=info.languages,
        receipt_width=info.width,
        rounding=cast(Any, info.rounding),
        rounding_per=cast(Any, info.rounding_per),
        prices_include_tax=info.include_tax,
        cash_rounding=tuple(_cash_rounding(project)),
        points=_base_points(project),
        writings=writings(_spoken(project), info.currencies),
    )


def _cash_rounding(project: Project) -> Iterator[p.Amount]:
    for line in project.settings_lines:
        if isinstance(line, ast.CashRounding):
            yield from _minor(project, line.to)


def _base_points(project: Project) -> p.BasePoints | None:
    """What everybody earns; None: nothing."""
    line = next((line for line in project.settings_lines if isinstance(line, ast.BasePoints)), None)
    return None if line is None else p.BasePoints(points=line.points, per=_minor(project, line.per))


def _spoken(project: Project) -> Iterator[str]:
    """The languages that amounts are printed in: of labels and hints with placeholders."""
    for languages in project.recall_each(_spoken_by, project.promotions.values()):
        yield from languages


def _spoken_by(_project: Project, promotion: ast.Promotion) -> tuple[str, ...]:
    labels = (clause for clause in clauses(promotion, ast.Label) if clause.kind != "terms")
    return tuple(label.language.text for label in labels if "{" in label.text.text)


def _schema(project: Project) -> Iterator[p.Program]:
    attributes = []
    for info in sorted(project.attributes.values(), key=lambda info: info.path):
        if info.path in IDS:
            continue
        default = None
        if info.default is not None:
            value = scalar(info, info.default, project.channels)
            assert not isinstance(value, Diagnostic)
            default = value
        attributes.append(
            p.Attribute(
                entity=cast(Any, info.entity),
                name=info.name,
                type=MACHINE_TYPES[info.kind],
                choices=project.channels if info.kind == "channel" else info.choices,
                default=default,
            )
        )
    yield p.Schema(
        attributes=tuple(attributes),
        events=tuple(_event_type(project, event) for event in _by_name(project.events)),
        consents=tuple(sorted(project.consents)),
        channels=tuple(sorted(project.channels)),
        services=tuple(sorted(project.services)),
        payments=tuple(sorted(project.payments)),
    )


def _event_type(project: Project, event: ast.Event) -> p.EventType:
    infos = [info for info in project.event_attributes.values() if info.entity == event.many.text]
    attributes = []
    for info in sorted(infos, key=lambda info: info.name):
        default = None if info.default is None else scalar(info, info.default, project.channels)
        assert not isinstance(default, Diagnostic)
        choices = project.channels if info.kind == "channel" else info.choices
        type_ = MACHINE_TYPES[info.kind]
        attributes.append(p.EventAttribute(name=info.name, type=type_, choices=choices, default=default))
    return p.EventType(name=event.many.text, one=event.one.text, attributes=tuple(attributes))


def _catalogue(project: Project) -> Iterator[p.Program]:
    if project.catalogue is not None:
        yield project.recall(_articles, project.catalogue)


def _articles(project: Project, source: ast.Source) -> p.Catalogue:
    table = project.table(source.path.text)
    assert isinstance(table, Table)
    key = "sku" if "sku" in table.columns else "article"
    ids, order = _sorted_ids(project, table, key)
    return p.Catalogue(articles=ids, columns=_columns(project, source, order))


def _stores(project: Project) -> Iterator[p.Program]:
    if project.stores is not None:
        yield project.recall(_all_stores, project.stores)


def _all_stores(project: Project, source: ast.Source) -> p.Stores:
    table = project.table(source.path.text)
    assert isinstance(table, Table)
    key = "id" if "id" in table.columns else "store"
    ids, order = _sorted_ids(project, table, key)
    zones = table.columns.get("time-zone", [None] * table.rows)
    columns = _columns(project, source, order)
    return p.Stores(ids=ids, zones=tuple(zones[row] or "" for row in order), columns=columns)


def _price_lists(project: Project) -> Iterator[p.Program]:
    """Those that promotions give."""
    given = set().union(*project.recall_each(_lists_of, project.promotions.values()))
    for name in sorted(given):
        yield project.recall(_price_list, project.price_lists[name])


def _lists_of(_project: Project, promotion: ast.Promotion) -> tuple[str, ...]:
    return tuple(reward.name.text for reward in rewards_of(promotion) if isinstance(reward, ast.PriceList))


def _price_list(project: Project, source: ast.Source) -> p.PriceList:
    table = project.table(source.path.text)
    assert isinstance(table, Table) and source.name is not None
    articles = cast(list[str], table.columns["article" if "article" in table.columns else "sku"])
    columns, _ = price_columns(project, table)
    plain = {column.name: cast(list[int | None], column.values) for column in columns if column.name != "price"}
    nothing: list[int | None] = [None] * table.rows
    quantities = [1 if value is None else value // MILLION for value in plain.get("from-quantity", nothing)]
    starts, untils = plain.get("from", nothing), plain.get("until", nothing)
    order = sorted(range(table.rows), key=lambda row: (articles[row], quantities[row], starts[row] or -MILLION))
    prices = [column for column in columns if column.name == "price"]
    return p.PriceList(
        name=source.name.text,
        articles=tuple(map(articles.__getitem__, order)),
        quantities=tuple(map(quantities.__getitem__, order)),
        starts=tuple(map(starts.__getitem__, order)),
        untils=tuple(map(untils.__getitem__, order)),
        prices=tuple(
            p.Column(name="price", type=p.Type.MONEY, currency=one.currency, values=tuple(one.values[i] for i in order))
            for one in prices
        ),
    )


def _sorted_ids(project: Project, table: Table, key: str) -> tuple[tuple[str, ...], list[int]]:
    cells = cast(list[str], table.columns[key])

    def in_order() -> tuple[tuple[str, ...], list[int]]:
        order = sorted(range(len(cells)), key=cells.__getitem__)
        return tuple(map(cells.__getitem__, order)), order

    return project.memory.derived(("ids", table.file, key), (cells,), in_order)


def _columns(project: Project, source: ast.Source, order: list[int]) -> tuple[p.Column, ...]:
    """A column that did not change stays the same object: the linker knows it again."""

    def made(column: TypedColumn) -> p.Column:
        values = tuple(map(column.values.__getitem__, order))
        return p.Column(name=column.name, type=column.type, currency=column.currency, values=values)

    return tuple(
        project.memory.derived(
            ("column", source.kind, column.name, column.currency), (column.values, order), partial(made, column)
        )
        for column in project.recall(table_columns, source)[0]
    )


def _holidays(project: Project) -> Iterator[p.Program]:
    for source in project.sources:
        if source.kind == "holidays":
            yield project.recall(_days_off, source)


def _days_off(project: Project, source: ast.Source) -> p.Holidays:
    table = project.table(source.path.text)
    assert isinstance(table, Table)
    days = (datetime.date.fromisoformat(cast(str, cell)) for cell in table.columns["date"])
    regions = table.columns.get("region", [None] * table.rows)
    rows = sorted(((day - EPOCH).days, region or "") for day, region in zip(days, regions, strict=True))
    return p.Holidays(days=tuple(day for day, _ in rows), regions=tuple(region for _, region in rows))


def _zones(project: Project) -> Iterator[p.Program]:
    names = {project.settings.timezone}
    names.update(*project.recall_each(_zones_of, project.promotions.values()))
    if project.stores is not None:
        table = project.table(project.stores.path.text)
        assert isinstance(table, Table)
        names.update(cell for cell in table.columns.get("time-zone", ()) if cell)
    yield from (zone(name) for name in sorted(names))


def _zones_of(_project: Project, promotion: ast.Promotion) -> tuple[str, ...]:
    runs = first(promotion, ast.Runs)
    return () if runs is None or runs.zone is None or runs.zone.text == "store-time" else (runs.zone.text,)


# ---------------------------------------------------------------------------------------------------- conditions


def _sets(project: Project) -> Iterator[p.Program]:
    yield from project.recall_each(_set, _by_name(project.products))


def _set(project: Project, node: ast.SetDecl) -> p.ProductSet:
    return p.ProductSet(name=node.name.text, title=node.title, lines=_lines(project, node.lines, "products"))


def _places(project: Project) -> Iterator[p.Program]:
    yield from project.recall_each(_place, _by_name(project.places))


def _place(project: Project, node: ast.SetDecl) -> p.Place:
    return p.Place(name=node.name.text, title=node.title, lines=_lines(project, node.lines, "place"))


def _segments(project: Project) -> Iterator[p.Program]:
    yield from project.recall_each(_segment, _by_name(project.segments))


def _segment(project: Project, node: ast.SetDecl) -> p.Segment:
    refresh = None
    if node.refresh:
        at = node.refresh[0].at
        refresh = p.Refresh(daily=None if at is None else at.seconds)
    lines = _lines(project, node.lines, "segment")
    return p.Segment(name=node.name.text, title=node.title, lines=lines, refresh=refresh)


def _by_name(table: dict[str, Any]) -> Iterable[Any]:
    return [node for _, node in sorted(table.items(), key=itemgetter(0))]


def _lines(project: Project, lines: Iterable[ast.Line], of: str) -> tuple[p.Line, ...]:
    return tuple(p.Line(condition=_condition(project, line.condition, of), text=line.text) for line in lines)


def _condition(project: Project, node: ast.Condition, of: str) -> p.Condition:
    match node:
        case ast.Block():
            parts = tuple(_condition(project, line.condition, of) for line in node.lines)
            kinds: dict[str, type[p.All] | type[p.Any_] | type[p.None_]] = {
                "all": p.All,
                "any": p.Any_,
                "none": p.None_,
            }
            return kinds[node.kind](of=parts)
        case ast.In():
            kind = of
            if of == "when":
                kind = "segment" if node.name.text in project.segments else "place"
            return p.Member(of=cast(Any, kind), name=node.name.text, negated=node.negated)
        case ast.Consent():
            return p.Consent(name=node.name.text)
        case ast.BasketWorth():
            basis = {"group": "group", "before": "list", "after": "current"}[node.basis]
            low = _minor(project, node.low) if node.low else ()
            high = _minor(project, node.high) if node.high else ()
            worth: dict[str, Any] = {"low": low, "high": high, "of": node.of.text if node.of else None, "basis": basis}
            if node.fees or node.without_tax:
                return p.WorthOtherwise(**worth, fees=node.fees, without_tax=node.without_tax)
            return p.Worth(**worth)
        case ast.BasketHas():
            return _basket_has(node)
        case ast.Compare():
            return _compare(project, node)
        case ast.Happened():
            then = tuple(
                p.Then(events=_events(project, step.event), within=_length(step.within), none=step.negated)
                for step in node.then
            )
            events, window = _events(project, node.event), _window(node.window)
            return p.Happened(events=events, low=node.low, high=node.high, window=window, then=then)
        case ast.SumOf():
            return _sum_of(project, node)
        case ast.NthOrder():
            return p.NthOrder(event=project.event_words[ORDERS], nth=node.nth, every=node.every)
        case ast.Anniversary():
            if node.within is not None:
                return p.Anniversary(attribute=node.subject.path, within=_length(node.within))
            span = "day" if node.near == "today" else node.unit
            return p.Anniversary(attribute=node.subject.path, span=cast(Any, span))
        case _:
            raise AssertionError(f"{type(node).__name__} is refused by dsl.machine")


def _events(project: Project, node: ast.EventOf) -> p.EventOf:
    of = node.of.text if node.of else None
    return p.EventOf(event=project.event_words[node.event.text], of=of, where=_comparisons(project, node.where))


def _comparisons(project: Project, node: ast.Compare | None) -> tuple[p.Comparison, ...]:
    """A comparison with an attribute of an event; «between» is two."""
    if node is None:
        return ()
    condition = _compare(project, node)
    return cast(tuple[p.Comparison, ...], condition.of if isinstance(condition, p.All) else (condition,))


def _sum_of(project: Project, node: ast.SumOf) -> p.Condition:
    events = p.EventOf(
        event=project.event_words[node.subject.entity],
        of=node.of.text if node.of else None,
        where=_comparisons(project, node.where),
    )
    holds = _comparisons(project, ast.Compare(node.subject, cast(Any, node.op), node.values, node.span))
    return p.SumOf(attribute=node.subject.path, events=events, window=_window(node.window), holds=holds)


def _window(node: ast.Window) -> p.Window:
    match node.kind:
        case "last":
            return p.InTheLast(length=_length(node.lengths[0]))
        case "ages":
            return p.InTheLast(length=_length(node.lengths[0]), but_not=_length(node.lengths[1]))
        case "since":
            assert node.since is not None
            return p.Since(day=day_number(node.since))
        case "calendar":
            return p.This(span=cast(Any, node.unit))
        case "ever":
            return p.Ever()


def _length(node: ast.Duration) -> p.Length:
    return p.Length(count=node.count, unit=node.unit)


def _basket_has(node: ast.BasketHas) -> p.Condition:
    scale = 1000 if node.unit else 1

    def bound(value: Decimal | None) -> int | None:
        return None if value is None else int(value * scale)

    if node.articles:
        return p.Articles(low=bound(node.low), high=bound(node.high), of=node.of.text)
    if node.unit:
        return p.Measured(low=bound(node.low), high=bound(node.high), unit=cast(Any, node.unit), of=node.of.text)
    return p.Count(low=bound(node.low), high=bound(node.high), of=node.of.text, one_article=node.one_article)


_COMPARE = {
    "is": "eq",
    "is not": "ne",
    "is at least": "ge",
    "is at most": "le",
    "is more than": "gt",
    "is less than": "lt",
    "is before": "lt",
    "is after": "gt",
}


def _compare(project: Project, node: ast.Compare) -> p.Condition:
    attribute = node.subject.path
    values = node.values
    match node.op:
        case "is known" | "is unknown":
            return p.Known(attribute=attribute, known=node.op == "is known")
        case "is under":
            return p.Under(attribute=attribute, path=_quoted(values[0]).rstrip("/"))
        case "starts with":
            return p.StartsWith(attribute=attribute, prefix=_quoted(values[0]))
        case "has" | "has one of":
            return p.Has(attribute=attribute, values=tuple(sorted({_quoted(value) for value in values})))
        case "is listed in":
            entries = project.listed(_quoted(values[0]), headings(node.subject.name))
            assert isinstance(entries, tuple)
            return p.OneOf(attribute=attribute, values=tuple(sorted(entries)))
        case "is more than … ago" | "is less than … ago":
            length = values[0]
            assert isinstance(length, ast.Duration)
            op = "more" if "more" in node.op else "less"
            return p.Age(attribute=attribute, op=cast(Any, op), count=length.count, unit=cast(Any, length.unit))
        case "is one of" | "is not one of":
            known = tuple(sorted({_scalar(project, node, value) for value in values}, key=_order))
            return p.OneOf(attribute=attribute, values=known, negated=node.op == "is not one of")
        case "is between":
            return p.All(of=(_single(project, node, "ge", values[0]), _single(project, node, "le", values[1])))
        case op:
            return _single(project, node, _COMPARE[op], values[0])


def _order(value: int | str) -> tuple[int, str]:
    return (value, "") if isinstance(value, int) else (0, value)


def _single(project: Project, node: ast.Compare, op: str, value: ast.Value) -> p.Condition:
    if isinstance(value, ast.Money):
        return p.CompareMoney(attribute=node.subject.path, op=cast(Any, op), value=_minor(project, value))
    return p.Compare(attribute=node.subject.path, op=cast(Any, op), value=_scalar(project, node, value))


def _scalar(project: Project, node: ast.Compare, value: ast.Value) -> int | str:
    if not node.subject.name:  # payment, delivery
        assert isinstance(value, ast.Word)
        return value.text
    info = project.attributes.get(node.subject.path) or project.event_attributes[node.subject.path]
    result = scalar(info, value, project.channels)
    assert not isinstance(result, Diagnostic), result
    return result


def _quoted(value: ast.Value) -> str:
    assert isinstance(value, ast.Quoted)
    return value.text


def _minor(project: Project, value: ast.Money) -> p.Money:
    result = money(value, project.settings.currencies, scale="minor")
    assert not isinstance(result, Diagnostic), result
    return result


def _micros(project: Project, value: ast.Money) -> p.Money:
    result = money(value, project.settings.currencies, scale="micros")
    assert not isinstance(result, Diagnostic), result
    return result


# ---------------------------------------------------------------------------------------------------- stacking


def _groups(project: Project) -> Iterator[p.Program]:
    assert project.sequence is not None or not project.groups
    sequence = [name.text for name in project.sequence.names] if project.sequence else []
    for position, name in enumerate(sequence):
        group = project.groups[name]
        lines = {line.kind: line for line in group.lines}
        yield p.Group(
            name=name,
            title=group.title,
            gives=cast(Any, lines["gives"].word),
            apply=cast(Any, lines["apply"].word),
            at_most=lines["apply"].count,
            prices=cast(Any, lines["prices"].word),
            order=tuple(n.text for n in lines["order"].names) if "order" in lines else (),
            position=position,
        )


def _guards(project: Project) -> Iterator[p.Program]:
    for guard in _by_name(project.guards):
        sets: dict[str, set[str]] = {}
        for never in guard.nevers:
            sets.setdefault(never.verb, set()).update(name.text for name in never.names)
        chosen = {verb: tuple(sorted(names)) for verb, names in sets.items()}
        yield p.Guard(
            name=guard.name.text,
            title=guard.title,
            discount=chosen.get("discount", ()),
            reward=chosen.get("reward", ()),
            count=chosen.get("count", ()),
            ship_free=chosen.get("ship free", ()),
            floors=tuple(_floor(floor) for floor in guard.floors),
            because=" ".join(text.text for text in guard.because),
        )


def _floor(node: ast.Floor) -> p.Floor:
    return p.Floor(of=tuple(sorted({name.text for name in node.names})), attribute=node.subject.path)


def _codes(project: Project) -> Iterator[p.Program]:
    yield from project.recall_each(_code_set, _by_name(project.codes))


def _code_set(project: Project, node: ast.Codes) -> p.CodeSet:
    uses = next((line.count for line in node.lines if line.kind == "uses"), None)
    codes = codes_of(project, node)
    return p.CodeSet(name=node.name.text, title=node.title, codes=codes, uses=uses, exact=is_exact(node))


# ---------------------------------------------------------------------------------------------------- promotions


def _promotions(project: Project) -> Iterator[p.Program]:
    yield from project.recall_each(_promotion, _by_name(project.promotions))


def _promotion(project: Project, node: ast.Promotion) -> p.Promotion:
    runs, sold, group = (first(node, kind) for kind in (ast.Runs, ast.Sold, ast.InGroup))
    audience = choice(node, "for")
    assert isinstance(runs, ast.Runs) and isinstance(sold, ast.Sold) and audience is not None
    assert isinstance(group, ast.InGroup)
    only_on = first(node, ast.OnlyOn)
    places = choice(node, "only at")
    code = first(node, ast.WithCode)
    buy = first(node, ast.Buy)
    left_out = first(node, ast.Except)
    owner = first(node, ast.Owner)
    funded = first(node, ast.Funded)
    limits = clauses(node, ast.Limit)
    rivals = first(node, ast.NotWith)
    names = () if left_out is None else tuple(sorted({name.text for name in left_out.names}))
    excluded: dict[str, Any] = {"except": names}  # a word of Python
    return p.Promotion(
        name=node.name.text,
        title=node.title,
        runs=_runs(project, runs),
        only_on=None if only_on is None else _only_on(only_on),
        channels=p.Channels(names=_channels(project, sold), text=sold.text),
        places=None if places is None else _choice(places),
        audience=_choice(audience),
        code=None if code is None else p.WithCode(codes=code.codes.text, text=code.text),
        when=_lines(project, (clause.line for clause in clauses(node, ast.When)), "when"),
        buy=None if buy is None else p.Buy(needs=tuple(_need(need) for need in buy.needs), text=buy.text),
        reward=_given(project, node),
        **excluded,
        per_article=next((limit.count for limit in limits if limit.scope == "article"), 0),
        limits=tuple(_limit(project, limit) for limit in limits if limit.scope != "article"),
        group=group.name.text,
        exclusive=first(node, ast.Exclusive) is not None,
        not_with=() if rivals is None else tuple(sorted({name.text for name in rivals.names})),
        labels=_texts(node, "label"),
        terms=_texts(node, "terms"),
        hints=_texts(node, "hint"),
        funded=() if funded is None else _shares(funded),
        owner="" if owner is None else owner.text.text,
    )


def _runs(project: Project, node: ast.Runs) -> p.Runs:
    def local(moment: ast.Moment, alone: int) -> int:
        return day_number(moment.date) * DAY + (alone if moment.time is None else moment.time.seconds)

    return p.Runs(
        start=local(node.start, 0),
        until=None if node.until is None else local(node.until, DAY),
        zone=node.zone.text if node.zone else project.settings.timezone,
        text=node.text,
    )


def _only_on(node: ast.OnlyOn) -> p.OnlyOn:
    slots = []
    for slot in node.slots:
        start = slot.start.seconds if slot.start else 0
        until = slot.until.seconds if slot.until else DAY
        days, off = days_of(slot)
        slots.append(p.Slot(days=days, holidays=None if off == days else off, start=start, until=until))
    return p.OnlyOn(slots=tuple(slots), text=node.text)


def _channels(project: Project, node: ast.Sold) -> tuple[str, ...]:
    names = set(project.channels) if node.names is None else {name.text for name in node.names}
    return tuple(sorted(names - {name.text for name in node.but_not}))


def _choice(node: ast.Choice) -> p.Choice:
    any_of = tuple(sorted({name.text for name in node.any_of}))
    return p.Choice(any_of=any_of, but_not=tuple(sorted({name.text for name in node.but_not})), text=node.text)


def _need(node: ast.Need) -> p.Need:
    if node.measure is not None:
        return p.Need(of=node.of.text, count=1, measure=int(node.measure.value * 1000), unit=node.measure.unit)
    return p.Need(of=node.of.text, count=node.count, one_article=node.one_article)


def _others(node: ast.OffCount | ast.PriceOfCount) -> p.Target:
    return p.Target(kind="count", name=node.of.text, count=node.count, one_article=node.one_article, fewer=node.fewer)


def _picked(node: ast.OffPickOf) -> p.Target:
    return p.Target(kind="count", name=node.of.text, count=node.count, pick=node.which)


def _target(node: ast.Target) -> p.Target:
    assert node.kind != "tier"
    return p.Target(kind=node.kind, name=node.name.text if node.name else "")


def _basis_points(percent: ast.Percent) -> int:
    result = basis_points(percent)
    assert not isinstance(result, Diagnostic), result
    return result


def _given(project: Project, node: ast.Promotion) -> p.Reward:
    """The reward, in tiers or variants."""
    get, variants = first(node, ast.Get), first(node, ast.Variants)
    if variants is not None:
        arms = tuple(_arm(project, node, arm) for arm in variants.arms)
        return p.Variants(by=variants.by, arms=arms, text=head(variants))
    assert get is not None
    return _tiers(project, get.reward) if isinstance(get.reward, ast.Tiers) else _plain(project, node, get.reward)


def _plain(project: Project, node: ast.Promotion, reward: ast.Reward) -> p.Plain:
    """A reward of a promotion, whose reasons the cashier's are."""
    if not isinstance(reward, ast.Cashier):
        return _reward(project, reward)
    reasons, most = first(node, ast.WithReason), reward.at_most
    assert reasons is not None
    return p.Cashier(
        reasons=tuple(sorted(reason.text for reason in reasons.reasons)),
        percent=_basis_points(most) if isinstance(most, ast.Percent) else 0,
        amount=_minor(project, most) if isinstance(most, ast.Money) else (),
        text=reasons.text,
    )


def _arm(project: Project, promotion: ast.Promotion, node: ast.Arm) -> p.Arm:
    reward = None if node.reward is None else _plain(project, promotion, node.reward)
    return p.Arm(name=node.name.text if node.name else "", share=_basis_points(node.share), reward=reward)


def _tiers(project: Project, node: ast.Tiers) -> p.Tiers:
    start = node.tiers[0].start
    basis = {"group": "group", "before": "list", "after": "current"}[node.basis]
    return p.Tiers(
        by=node.by,
        target=_target(node.target),
        unit=cast(Any, start.unit) if isinstance(start, ast.Measure) else None,
        basis=cast(Any, basis),
        one_article=node.one_article,
        stepwise=node.stepwise,
        tiers=tuple(_tier(project, tier, node.target) for tier in node.tiers),
    )


def _tier(project: Project, node: ast.Tier, target: ast.Target) -> p.Tier:
    """What a tier gives is of what it counts."""
    given = node.reward
    if not isinstance(given, ast.FixedPoints | ast.Gift):
        given = dataclasses.replace(given, target=target)
    reward = _reward(project, given)
    match node.start:
        case ast.Money() as spend:
            return p.Tier(spend=_minor(project, spend), reward=reward, text=node.text)
        case ast.Measure() as measure:
            return p.Tier(quantity=int(measure.value * 1000), reward=reward, text=node.text)
        case count:
            return p.Tier(quantity=count, reward=reward, text=node.text)


def _reward(project: Project, node: ast.Reward) -> p.Plain:
    match node:
        case ast.PercentOff():
            percent = _basis_points(node.percent)
            kind = p.PercentOffTogether if node.together else p.PercentOff
            return kind(percent=percent, target=_target(node.target))
        case ast.AmountOff(together=True):
            return p.AmountOffTogether(amount=_minor(project, node.amount), target=_target(node.target))
        case ast.AmountOff(per_article=True):
            return p.AmountOffArticle(amount=_minor(project, node.amount), target=_target(node.target))
        case ast.AmountOff():
            return p.AmountOffEach(amount=_minor(project, node.amount), target=_target(node.target))
        case ast.AmountOffMeasure():
            return p.AmountOffMeasure(
                amount=_micros(project, node.amount),
                per=cast(Any, node.per),
                hundreds=node.hundreds,
                target=_target(node.target),
            )
        case ast.FixedPrice(per=""):
            return p.FixedPriceEach(price=_minor(project, node.price), target=_target(node.target))
        case ast.FixedPrice():
            return p.FixedPriceMeasure(
                price=_micros(project, node.price),
                per=cast(Any, node.per),
                hundreds=node.hundreds,
                target=_target(node.target),
            )
        case ast.PriceList():
            return p.PricesFrom(prices=node.name.text)
        case ast.Pick():
            return p.Pick(which=node.which, count=node.count, percent=_basis_points(node.percent))
        case ast.Ladder():
            steps = sorted(node.steps, key=lambda step: step.nth)
            return p.Ladder(steps=tuple(_step(project, step) for step in steps))
        case ast.PriceTogether():
            return p.PriceTogether(price=_minor(project, node.price), singles=node.singles)
        case ast.OffCount(off=None):
            return p.PercentOff(percent=10_000, target=_others(node))
        case ast.OffCount(off=ast.Percent() as percent_off):
            return p.PercentOff(percent=_basis_points(percent_off), target=_others(node))
        case ast.OffCount(off=ast.Money() as off, together=True):
            return p.AmountOffTogether(amount=_minor(project, off), target=_others(node))
        case ast.OffCount(off=ast.Money() as off):
            return p.AmountOffEach(amount=_minor(project, off), target=_others(node))
        case ast.PriceOfCount():
            return p.FixedPriceEach(price=_minor(project, node.price), target=_others(node))
        case ast.OffPickOf(off=ast.Percent() as picked_off):
            return p.PercentOff(percent=_basis_points(picked_off), target=_picked(node))
        case ast.OffPickOf(off=ast.Money() as off):
            return p.AmountOffEach(amount=_minor(project, off), target=_picked(node))
        case ast.BasketPrice():
            return p.BasketPrice(price=_minor(project, node.price))
        case ast.FreeService():
            return p.FreeService(service=node.service.text)
        case ast.OffFee(off=ast.Percent() as percent_off):
            return p.PercentOffFee(percent=_basis_points(percent_off), service=node.service.text)
        case ast.OffFee(off=ast.Money() as off):
            return p.AmountOffFee(amount=_minor(project, off), service=node.service.text)
        case ast.NextCode():
            return p.NextCode(codes=node.codes.text, valid=_length(node.valid))
        case ast.FeePrice():
            return p.FeePrice(price=_minor(project, node.price), service=node.service.text)
        case ast.TimesPoints():
            return p.TimesPoints(factor=int(node.factor.value * 100), target=_target(node.target))
        case ast.FixedPoints():
            return p.FixedPoints(points=node.points)
        case ast.Gift():
            price = () if node.price is None else _minor(project, node.price)
            return p.Gift(of=node.of.text, count=node.count, price=price)
        case _:
            raise AssertionError(f"{type(node).__name__} is refused by dsl.machine")


def _step(project: Project, step: ast.LadderStep) -> p.Step:
    if isinstance(step.off, ast.Percent):
        return p.Step(nth=step.nth, percent=_basis_points(step.off))
    return p.Step(nth=step.nth, amount=_minor(project, step.off))


def _limit(project: Project, node: ast.Limit) -> p.Limit:
    return p.Limit(
        measure=node.measure,
        count=node.count,
        saving=() if node.saving is None else _minor(project, node.saving),
        scope=cast(Any, node.scope),
        period=node.period,
        key=limit_key(node),
        text=node.text,
    )


def _shares(node: ast.Funded) -> tuple[p.Share, ...]:
    """In the order declared; what nobody named is the rest."""
    named = sum(_basis_points(share.percent) for share in node.shares if share.percent)
    return tuple(
        p.Share(
            party=share.payer.kind,
            name=share.payer.name.text if share.payer.name else "",
            basis_points=_basis_points(share.percent) if share.percent else 10_000 - named,
        )
        for share in node.shares
    )


def _texts(node: ast.Promotion, kind: str) -> tuple[p.Text, ...]:
    texts = [clause for clause in clauses(node, ast.Label) if clause.kind == kind]
    made = (p.Text(language=text.language.text, text=text.text.text) for text in texts)
    return tuple(sorted(made, key=lambda text: text.language))


PASSES: tuple[tuple[str, Callable[[Project], Iterator[p.Program]]], ...] = (
    ("settings", _settings),
    ("schema", _schema),
    ("catalogue", _catalogue),
    ("price lists", _price_lists),
    ("stores", _stores),
    ("holidays", _holidays),
    ("zones", _zones),
    ("product sets", _sets),
    ("places", _places),
    ("segments", _segments),
    ("groups", _groups),
    ("guards", _guards),
    ("codes", _codes),
    ("promotions", _promotions),
)
