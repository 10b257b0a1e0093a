"""What the machine cannot run yet: each such construct is refused with its code, never accepted and ignored.

The parser and the checker know the whole language; this pass alone knows how much of it the engine runs. Whoever
teaches the engine a construct takes its line out here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from dsl import ast
from dsl.check_rewards import rewards_of
from dsl.clauses import clauses, first
from dsl.diagnostics import Diagnostic, Span, found
from dsl.project import Project

PER_ITEM = ("best-per-item", "first-per-item")

# Rewards that ask where in its application a piece stands, or which others came with it.
BY_PLACE = (ast.Pick, ast.Ladder, ast.OffCount, ast.PriceOfCount)
REWARDS: dict[type, str] = {}
CLAUSES: dict[type, str] = {
    ast.Advertised: "P9026",
    ast.OnReturn: "P9024",
}
CONDITIONS: dict[type, str] = {
    ast.SimilarTo: "P9003",
}
SETTINGS: dict[type, str] = {}
TEST_LINES: dict[type, str] = {}

Refused = tuple[str, Span]


def refused(project: Project, findings: Iterable[Diagnostic] = ()) -> list[Diagnostic]:
    """A finding for each construct that the machine cannot run yet: the last word only. Where one of these `findings`
    is an error of the same statement, that comes first."""
    wrong: dict[str, set[int]] = {}
    for finding in findings:
        if finding.severity == "error":
            wrong.setdefault(finding.span.file, set()).add(finding.span.line)
    places = sorted({*_declared(project), *_promotions(project), *_tests(project)}, key=lambda place: place[::-1])
    ends = _ends(project) if places and wrong else {}
    return [
        found(code, span)
        for code, span in places
        if wrong.get(span.file, _NONE).isdisjoint(range(span.line, ends.get((span.file, span.line), span.line) + 1))
    ]


_NONE: frozenset[int] = frozenset()


def _ends(project: Project) -> dict[tuple[str, int], int]:
    """The last line of statements that may have several: their own words carry on, or a block."""
    ends: dict[tuple[str, int], int] = {}

    def reach(first: Span, *spans: Span) -> None:
        key = (first.file, first.line)
        ends[key] = max([first.line, ends.get(key, 0), *(span.end_line for span in spans)])

    for promotion in project.promotions.values():
        for clause in promotion.clauses:
            match clause:
                case ast.Variants():
                    reach(clause.span, *(arm.span for arm in clause.arms))
                case ast.Get(reward=ast.Tiers(tiers=tiers)):
                    reach(clause.span, *(tier.span for tier in tiers))
                case ast.Funded():
                    reach(clause.span, *(share.payer.span for share in clause.shares))
                case ast.Buy():
                    reach(clause.span, *(need.span for need in clause.needs))
                case ast.NotWith():
                    reach(clause.span, *(name.span for name in clause.names))
                case ast.WithReason():
                    reach(clause.span, *(name.span for name in clause.reasons))
                case ast.When():
                    _reach_condition(clause.line, reach)
                case _:
                    pass
    for node in project.segments.values():
        for line in node.lines:
            _reach_condition(line, reach)
    for event in project.events.values():
        reach(event.span, event.one.span, *(attribute.type.span for attribute in event.attributes))
    return ends


def _reach_condition(line: ast.Line, reach: Callable[..., None]) -> None:
    condition = line.condition
    if isinstance(condition, ast.Block):
        for inner in condition.lines:
            _reach_condition(inner, reach)
    elif isinstance(condition, ast.Happened) and condition.then:
        reach(line.span, *(then.within.span for then in condition.then))


def _of(table: dict[type, str], node: object, span: Span) -> Iterator[Refused]:
    code = table.get(type(node))
    if code:
        yield code, span


# ---------------------------------------------------------------------------------------------------- declarations


def _declared(project: Project) -> Iterator[Refused]:
    for line in project.settings_lines:
        yield from _of(SETTINGS, line, line.span)
    for table in (project.products, project.places, project.segments):
        for some in project.recall_each(_set, table.values()):
            yield from some


def _set(_project: Project, node: ast.SetDecl) -> tuple[Refused, ...]:
    return tuple(_conditions(node.lines))


def _conditions(lines: Iterable[ast.Line]) -> Iterator[Refused]:
    for line in lines:
        condition = line.condition
        yield from _of(CONDITIONS, condition, line.span)
        match condition:
            case ast.Block():
                yield from _conditions(condition.lines)


# ---------------------------------------------------------------------------------------------------- promotions


def _promotions(project: Project) -> Iterator[Refused]:
    for some in project.recall_each(_promotion, project.promotions.values()):
        yield from some


def _promotion(project: Project, promotion: ast.Promotion) -> tuple[Refused, ...]:
    group = first(promotion, ast.InGroup)
    declared = project.groups.get(group.name.text) if group else None
    mode = next((line.word for line in declared.lines if line.kind == "apply"), "") if declared else ""
    buy = first(promotion, ast.Buy)
    several = buy is not None and len(buy.needs) > 1  # whose applications interlock
    alike = buy is not None and several and any(need.one_article for need in buy.needs)
    found = [one for clause in promotion.clauses for one in _clause(clause, per_item=mode in PER_ITEM and alike)]
    by_measure = buy is not None and any(need.measure is not None for need in buy.needs)
    rewards = tuple(rewards_of(promotion))
    by_article = buy is not None and any(isinstance(one, ast.AmountOff) and one.per_article for one in rewards)
    if buy is not None and by_article and (several or by_measure):
        found.append(("P9037", buy.span))
    if by_measure or by_article or any(isinstance(one, ast.OffPickOf) for one in rewards):
        found += [("P9036", limit.span) for limit in clauses(promotion, ast.Limit) if limit.scope == "article"]
    if buy is not None and alike and any(isinstance(reward, BY_PLACE) for reward in rewards_of(promotion)):
        found.append(("P9015", buy.span))
    if buy is not None and any(_beyond_measure(buy, reward) for reward in rewards_of(promotion)):
        found.append(("P9016", buy.span))
    return tuple(found)


def _beyond_measure(buy: ast.Buy, reward: ast.Reward) -> bool:
    """No unit that is bought by measure belongs to one application alone: so nothing is off them together. What is
    priced per unit is the only set."""
    alike = any(need.one_article for need in buy.needs)
    match reward:
        case ast.FixedPrice(target=ast.Target(kind="them")) if reward.per and len(buy.needs) > 1:
            return True
        case ast.PercentOff(together=True) | ast.AmountOff(together=True) | ast.PriceTogether():
            together = True
        case ast.OffCount() | ast.PriceOfCount():
            together, alike = False, alike or reward.one_article
        case _:
            together = False
    return (together or alike) and any(need.measure is not None for need in buy.needs)


def _clause(clause: ast.Clause, *, per_item: bool) -> Iterator[Refused]:
    yield from _of(CLAUSES, clause, clause.span)
    match clause:
        case ast.When():
            yield from _conditions((clause.line,))
        case ast.Get():
            yield from _reward(clause.reward, clause.span, per_item=per_item)
        case ast.Variants():
            for arm in clause.arms:
                if arm.reward is not None:
                    yield from _reward(arm.reward, arm.span, per_item=per_item)
        case _:
            pass


def _reward(reward: ast.Reward, span: Span, *, per_item: bool) -> Iterator[Refused]:
    yield from _of(REWARDS, reward, span)
    match reward:
        case ast.Tiers():
            for tier in reward.tiers:
                yield from _reward(tier.reward, tier.span, per_item=per_item)
        case ast.PercentOff() | ast.AmountOff() if reward.target.fees:
            yield "P9035", span
        case ast.PercentOff(together=True) | ast.AmountOff(together=True) if reward.target.kind == "them" and per_item:
            yield "P9028", span
        case _:
            pass


# ---------------------------------------------------------------------------------------------------- tests


def _tests(project: Project) -> Iterator[Refused]:
    for some in project.recall_each(_test, project.tests.values()):
        yield from some


def _test(_project: Project, test: ast.Test) -> tuple[Refused, ...]:
    found: list[Refused] = []
    for line in test.lines:
        found.extend(_of(TEST_LINES, line, line.span))
    return tuple(found)
