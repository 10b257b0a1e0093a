"""Declarations → pieces: what promotions, segments and places add to the rules (engine/pieces.py).

A piece rests on its Program, the settings, the schema and the zones. Names of other declarations stay names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import chain

from engine.basket import UNITS
from engine.calendar import UNITS as LENGTHS
from engine.calendar import instant
from engine.instructions import (
    DIMENSIONS,
    Cmp,
    Counted,
    Each,
    Kind,
    Op,
    Role,
    Scope,
    Subject,
    Target,
    Terms,
)
from engine.layout import R_SLOT_BEGIN, RULES
from engine.pieces import Piece, Ref, piece
from engine.program import (
    Age,
    All,
    AmountOffArticle,
    AmountOffEach,
    AmountOffFee,
    AmountOffMeasure,
    AmountOffTogether,
    Anniversary,
    Any_,
    Articles,
    BasketPrice,
    Buy,
    Cashier,
    Compare,
    CompareMoney,
    Condition,
    Consent,
    Count,
    EventOf,
    FeePrice,
    FeeReward,
    FixedPoints,
    FixedPriceEach,
    FixedPriceMeasure,
    FreeService,
    Gift,
    Happened,
    Has,
    Holidays,
    Known,
    Ladder,
    Measured,
    Member,
    Money,
    NextCode,
    None_,
    NthOrder,
    OneOf,
    PercentOff,
    PercentOffFee,
    PercentOffTogether,
    Pick,
    Place,
    Plain,
    PricesFrom,
    PriceTogether,
    Promotion,
    Refresh,
    Schema,
    Segment,
    Settings,
    Slot,
    StartsWith,
    SumOf,
    Tiers,
    TimesPoints,
    Under,
    Variants,
    Worth,
    WorthOtherwise,
    Zone,
)
from engine.program import (
    Target as TargetNode,
)

FAR_PAST_US, FAR_FUTURE_US = -(2**62), 2**62  # «runs» without a bound
CMPS = {"eq": Cmp.EQ, "ne": Cmp.NE, "lt": Cmp.LT, "le": Cmp.LE, "gt": Cmp.GT, "ge": Cmp.GE}
COUNTED = {"uses": Counted.USES, "baskets": Counted.BASKETS, "saving": Counted.SAVING}
PICKS = {"": 0, "cheapest": Role.CHEAPEST, "dearest": Role.DEAREST}
SCOPES = {
    "basket": Scope.BASKET,
    "customer": Scope.CUSTOMER,
    "household": Scope.HOUSEHOLD,
    "store": Scope.STORE,
    "code": Scope.CODE,
    "total": Scope.TOTAL,
}
REGION = "store.region"  # holidays of a region are those of its stores
BUILT_IN = {"item.sku", "item.price", "customer.id", "store.id", "basket.lines", "payment", "delivery"}
SCALARS = tuple(name for name, _, _ in RULES[:R_SLOT_BEGIN])
OF_REWARDS = ("roles", "by_measure", "ladder", "excepted", "reasons")
LISTS = ("slots", "place_any", "place_not", "audience_any", "audience_not", "limits", "terms", *OF_REWARDS)
BASES = ("group", "list", "current")
FIELDS = (
    "scalars",
    *LISTS,
    "windows",
    "holidays",
    "lines",
    "code",
)  # of a piece; lines: how many rows of code each has
COLUMNS = {"scalars": len(SCALARS)} | {name: columns for name, columns, _ in RULES if name in FIELDS}

Code = list[tuple[int | Ref, int | Ref, int | Ref, int | Ref, int | Ref]]
Rows = Iterable[Iterable[int | Ref]]


class LinkError(Exception):
    """Programs that do not fit together; the checker should have said so. Names what is missing."""


class Writer:
    """Writes the pieces of a ruleset."""

    def __init__(
        self, settings: Settings, schema: Schema, zones: Mapping[str, Zone], listed: Mapping[str, Collection[str]]
    ) -> None:
        self.settings = settings
        self.schema = schema
        self.zones = zones
        self.listed = listed  # the currencies of each price list
        self.attributes = {f"{a.entity}.{a.name}" for a in schema.attributes} | BUILT_IN
        self.event_attributes = {e.name: {f"{e.name}.{a.name}" for a in e.attributes} for e in schema.events}
        self.instants: dict[tuple[str, int, bool], int] = {}  # most promotions begin and end with others
        self.asked: list[Ref] = []  # what must be there, though no row has its number

    def declared(self, attribute: str) -> None:
        if attribute not in self.attributes:
            raise LinkError(f"there is no attribute «{attribute}»")

    def channel(self, name: str) -> int:
        if name not in self.schema.channels:
            raise LinkError(f"there is no channel «{name}»")
        return self.schema.channels.index(name)

    def amount(self, money: Money) -> int | Ref:
        """The row of an amount said in some currencies; -1 for none."""
        said = {a.currency: a.value for a in money}
        return Ref("amount", tuple(said.get(c, -1) for c in self.settings.currencies)) if money else -1

    def slot(self, attribute: str, condition: Condition | None = None) -> Ref:
        """The slot of an attribute's value, or of the truth of a condition (on an attribute, or on none: "")."""
        if attribute:
            self.declared(attribute)
        return Ref("slot", (attribute, "null" if condition is None else condition.model_dump_json()))

    # ------------------------------------------------------------------------------------------------ declarations

    def promotion(self, promotion: Promotion) -> Piece:
        """A promotion: all fields, with its first reward."""
        if not promotion.rewards:
            raise LinkError(f"«{promotion.name}» gives nothing")
        windows: list[tuple[int, int]] = []
        row = self.row(promotion, windows)
        places, audience = promotion.places, promotion.audience
        rows: dict[str, Rows] = {
            "scalars": [[row[name] for name in SCALARS]],
            **self.reward_lists(promotion, promotion.rewards[0]),
            "slots": map(slot_row, promotion.only_on.slots if promotion.only_on else ()),
            "place_any": [[Ref("place", name)] for name in (places.any_of if places else ())],
            "place_not": [[Ref("place", name)] for name in (places.but_not if places else ())],
            "audience_any": [[Ref("segment", name)] for name in audience.any_of],
            "audience_not": [[Ref("segment", name)] for name in audience.but_not],
            "limits": [
                (COUNTED[limit.measure], limit.count, self.amount(limit.saving), SCOPES[limit.scope])
                for limit in promotion.limits
            ],
            "terms": self.term_rows(promotion),
            "windows": windows,
        }
        return self.piece(rows, [self.emit(line.condition) for line in promotion.when])

    def more_rewards(self, promotion: Promotion) -> list[Piece]:
        """The rewards of its tiers or variants but for the first: the fields of rewards."""
        pieces = []
        for reward in promotion.rewards[1:]:
            row = dict.fromkeys(SCALARS, 0) | self.reward_row(promotion, reward)
            rows: dict[str, Rows] = {"scalars": [[row[name] for name in SCALARS]]}
            pieces.append(self.piece(rows | self.reward_lists(promotion, reward), []))
        return pieces

    def reward_lists(self, promotion: Promotion, reward: Plain) -> dict[str, Rows]:
        """What a reward has several of."""
        steps = reward.steps if isinstance(reward, Ladder) else ()
        return {
            "roles": role_rows(promotion, reward),
            "by_measure": measure_rows(promotion, reward),
            "ladder": [(step.nth - 1, step.percent, self.amount(step.amount)) for step in steps],
            "excepted": [[Ref("product set", name)] for name in sorted(promotion.except_, key=str.encode)],
            "reasons": [[Ref("symbol", name)] for name in (reward.reasons if isinstance(reward, Cashier) else ())],
        }

    def term_rows(self, promotion: Promotion) -> list[tuple[int | Ref, ...]]:
        """Tiers, variants."""
        match promotion.reward:
            case Tiers() as given:
                factor = UNITS[given.unit][1] if given.unit else 1
                return [
                    (Ref("reward", (promotion.name, number)), tier.quantity * factor, self.amount(tier.spend))
                    for number, tier in enumerate(given.tiers)
                ]
            case Variants() as given:
                rows: list[tuple[int | Ref, ...]] = []
                number = 0
                for arm in given.arms:
                    rows.append((-1 if arm.reward is None else Ref("reward", (promotion.name, number)), arm.share, -1))
                    number += arm.reward is not None
                return rows
            case _:
                return []

    def place(self, place: Place) -> Piece:
        """A place: code alone."""
        return self.piece({}, [self.emit(line.condition) for line in place.lines])

    def segment(self, segment: Segment) -> Piece:
        """A segment: code alone.

        Where facts that are too old make it unknown, that is any(all(lines, fresh), not fresh): `fresh` is true or
        unknown, never false, so the whole is its lines or unknown."""
        if segment.refresh is None:
            return self.piece({}, [self.emit(line.condition) for line in segment.lines])
        fresh = self.emit(segment.refresh)
        code = list(fresh)
        for line in segment.lines:
            code += [*self.emit(line.condition), (Op.ALL, 2, 0, 0, 0)]
        return self.piece({}, [[*code, *fresh, (Op.NONE, 1, 0, 0, 0), (Op.ANY, 2, 0, 0, 0)]])

    def all_holidays(self, holidays: Holidays) -> Piece:
        """Days with the symbols of their regions."""
        if any(holidays.regions):
            self.declared(REGION)
        rows = sorted(zip(holidays.days, holidays.regions, strict=True))
        return self.piece({"holidays": [(day, Ref("symbol", region) if region else -1) for day, region in rows]}, [])

    def piece(self, rows: Mapping[str, Rows], lines: list[Code]) -> Piece:
        """Of these rows by field, and of the code of lines, all of which must hold."""
        all_rows = {**rows, "lines": [[len(code)] for code in lines], "code": chain.from_iterable(lines)}
        asked, self.asked = self.asked, []
        return piece((chain.from_iterable(all_rows.get(name, ())) for name in FIELDS), asked)

    # ------------------------------------------------------------------------------------------------ conditions

    def emit(self, node: Condition) -> Code:
        """Postfix code of a condition."""
        match node:
            case All() | Any_() | None_():
                op = {"all": Op.ALL, "any": Op.ANY, "none": Op.NONE}[node.kind]
                return [row for part in node.of for row in self.emit(part)] + [(op, len(node.of), 0, 0, 0)]
            case Compare():
                value = Ref("symbol", node.value) if isinstance(node.value, str) else node.value
                return [(Op.COMPARE, self.slot(node.attribute), CMPS[node.op], value, 0)]
            case CompareMoney():
                return [(Op.MONEY, self.slot(node.attribute), CMPS[node.op], self.amount(node.value), 0)]
            case OneOf():
                begin, end = Ref("pool", node.values), Ref("pool end", node.values)
                return [(Op.ONE_OF, self.slot(node.attribute), begin, end, int(node.negated))]
            case Known():
                return [(Op.KNOWN, self.slot(node.attribute), int(node.known), 0, 0)]
            case Under() | StartsWith() | Has() | Age() | Anniversary():
                return [(Op.TRUTH, self.slot(node.attribute, node), 0, 0, 0)]
            case Happened() | SumOf() | NthOrder() | Refresh():
                self.check_events(node)
                return [(Op.TRUTH, self.slot("", node), 0, 0, 0)]
            case Consent():
                return [(Op.TRUTH, self.slot("", node), 1, 0, 0)]
            case Member(of="segment"):
                return [(Op.SEGMENT, Ref("segment", node.name), int(node.negated), 0, 0)]
            case Member(of="place"):
                return [(Op.PLACE, Ref("place", node.name), int(node.negated), 0, 0)]
            case Worth() | WorthOtherwise():
                of = -1 if node.of is None else Ref("product set", node.of)
                basis = BASES.index(node.basis)
                if isinstance(node, WorthOtherwise):
                    basis += 4 * node.fees + 8 * node.without_tax
                return [(Op.WORTH, of, self.amount(node.low), self.amount(node.high), basis)]
            case Count():
                low, high = (-1 if bound is None else bound for bound in (node.low, node.high))
                return [(Op.COUNT, Ref("product set", node.of), low, high, int(node.one_article))]
            case Articles():
                low, high = (-1 if bound is None else bound for bound in (node.low, node.high))
                return [(Op.COUNT, Ref("product set", node.of), low, high, 2)]
            case Measured():
                factor = UNITS[node.unit][1]
                low, high = (-1 if bound is None else bound * factor for bound in (node.low, node.high))
                of = Ref("product set", node.of)
                return [(Op.MEASURE, of, low, high, list(UNITS).index(node.unit))]
            case _:
                raise LinkError(f"a condition of the basket or customer cannot ask for {node.kind}")

    def check_events(self, node: Happened | SumOf | NthOrder | Refresh) -> None:
        """The events, attributes and product sets that a condition asks for are declared."""
        asked: list[EventOf] = []
        match node:
            case Happened():
                asked = [node.events, *(step.events for step in node.then)]
            case SumOf():
                asked = [node.events]
                if node.attribute not in self.event_attributes.get(node.events.event, ()):
                    raise LinkError(f"there is no attribute «{node.attribute}»")
            case NthOrder():
                asked = [EventOf(event=node.event)]
            case Refresh():
                pass
        for events in asked:
            if events.event not in self.event_attributes:
                raise LinkError(f"there is no event «{events.event}»")
            if events.of is not None:
                self.asked.append(Ref("product set", events.of))
            for comparison in events.where:
                if comparison.attribute not in self.event_attributes[events.event]:
                    raise LinkError(f"there is no attribute «{comparison.attribute}»")

    # ------------------------------------------------------------------------------------------------ promotions

    def row(self, promotion: Promotion, windows: list[tuple[int, int]]) -> dict[str, int | Ref]:
        """The scalar columns of one promotion; its windows are appended. Its rank and the row of its windows are
        known once there are others."""
        runs = promotion.runs
        by_zone = runs.zone == "store-time"
        zones = list(self.zones) if by_zone else [runs.zone]
        for name in zones:
            zone = self.zones[self.zones_name(name)]
            start = FAR_PAST_US if runs.start is None else self.instant(zone, runs.start, last=False) * 1_000_000
            until = FAR_FUTURE_US if runs.until is None else self.instant(zone, runs.until, last=True) * 1_000_000
            windows.append((start, until))
        row: dict[str, int | Ref] = {
            "group": Ref("group", promotion.group),
            "rank": 0,
            "window": 0,
            "window_by_zone": int(by_zone),
            "zone": -1 if by_zone else Ref("zone", runs.zone),
            "channels": sum(1 << self.channel(name) for name in promotion.channels.names),
            "codes": Ref("code set", promotion.code.codes) if promotion.code else -1,
            "currencies": self.currencies(promotion),
            "arm": -1,
            "exclusive": int(promotion.exclusive),
        }
        return row | terms_row(promotion) | self.reward_row(promotion, promotion.rewards[0])

    def instant(self, zone: Zone, local: int, *, last: bool) -> int:
        key = (zone.name, local, last)
        if key not in self.instants:
            self.instants[key] = instant(zone.instants, zone.offsets, local, last=last)
        return self.instants[key]

    def zones_name(self, name: str) -> str:
        if name not in self.zones:
            raise LinkError(f"the zone {name} is missing")
        return name

    def reward_row(self, promotion: Promotion, reward: Plain) -> dict[str, int | Ref]:
        """The scalar columns of one of its rewards."""
        buy = promotion.buy
        row: dict[str, int | Ref] = {"percent": 0, "pick_count": 0, "pick_dearest": 0, "dimension": 0}
        row |= {"amount": -1, "per": 1, "buy": buy.count if buy else 0, "each": 0, "number": 0, "choice": -1}
        row |= {"per_article": promotion.per_article, "valid": 0, "valid_in": 0}
        if isinstance(promotion.reward, Tiers):
            one_article, stepwise = promotion.reward.one_article, promotion.reward.stepwise
            row |= {"each": Each.ARTICLE * one_article | Each.STEP * stepwise}
        target: TargetNode | None = None
        match reward:
            case PercentOff() | PercentOffTogether():
                row |= {"kind": Kind.PERCENT if reward.kind == "percent-off" else Kind.PERCENT_TOGETHER}
                row |= {"percent": reward.percent}
                target = reward.target
            case AmountOffArticle():
                row |= {"kind": Kind.AMOUNT_TOGETHER, "each": Each.ARTICLE, "amount": self.amount(reward.amount)}
                target = reward.target
            case AmountOffEach() | AmountOffTogether():
                row |= {"kind": Kind.AMOUNT_EACH if reward.kind == "amount-off-each" else Kind.AMOUNT_TOGETHER}
                row |= {"amount": self.amount(reward.amount)}
                target = reward.target
            case FixedPriceEach():
                row |= {"kind": Kind.PRICE_EACH, "amount": self.amount(reward.price)}
                target = reward.target
            case AmountOffMeasure() | FixedPriceMeasure():
                dimension, factor = UNITS[reward.per]
                measure_off = isinstance(reward, AmountOffMeasure)
                row |= {"kind": Kind.AMOUNT_MEASURE if measure_off else Kind.PRICE_MEASURE}
                row |= {"amount": self.amount(reward.amount if isinstance(reward, AmountOffMeasure) else reward.price)}
                row |= {"dimension": DIMENSIONS.index(dimension)}
                row |= {"per": 1_000 * factor * (100 if reward.hundreds else 1)}
                target = reward.target
            case PricesFrom():
                row |= {"kind": Kind.PRICE_LIST, "target_kind": Target.SET}
                return row | {"target": Ref("price list", reward.prices)}
            case Pick():
                row |= {"kind": Kind.PICK, "percent": reward.percent, "pick_count": reward.count}
                row |= {"pick_dearest": int(reward.which == "dearest")}
            case Ladder():
                row |= {"kind": Kind.LADDER}
            case PriceTogether():
                row |= {"kind": Kind.PRICE_SINGLES if reward.singles else Kind.PRICE_TOGETHER}
                row |= {"amount": self.amount(reward.price)}
            case BasketPrice():
                row |= {"kind": Kind.PRICE_WHOLE, "amount": self.amount(reward.price)}
                target = TargetNode(kind="basket")
            case Cashier():
                row |= {"kind": Kind.CASHIER, "percent": reward.percent, "amount": self.amount(reward.amount)}
                target = TargetNode(kind="basket")
            case NextCode():
                row |= {"kind": Kind.NEXT_CODE, "target_kind": Target.CODES, "target": Ref("code set", reward.codes)}
                return row | {"valid": reward.valid.count, "valid_in": LENGTHS.index(reward.valid.unit)}
            case FreeService() | PercentOffFee() | AmountOffFee() | FeePrice():
                return row | self.fee_row(reward)
            case TimesPoints():
                if self.settings.points is None:
                    raise LinkError(f"«{promotion.name}» multiplies base points, which the settings do not give")
                row |= {"kind": Kind.TIMES_POINTS, "number": reward.factor}
                target = reward.target
            case FixedPoints():
                row |= {"kind": Kind.FIXED_POINTS, "number": reward.points}
                target = promotion.reward.target if isinstance(promotion.reward, Tiers) else TargetNode(kind="basket")
            case Gift():
                row |= {"kind": Kind.GIFT, "number": reward.count, "amount": self.amount(reward.price)}
                row |= {"choice": Ref("product set", reward.of)}
                target = promotion.reward.target if isinstance(promotion.reward, Tiers) else TargetNode(kind="basket")
        return row | self.target_row(promotion.name, buy, target)

    def fee_row(self, reward: FeeReward) -> dict[str, int | Ref]:
        if reward.service not in self.schema.services:
            raise LinkError(f"there is no service «{reward.service}»")
        row: dict[str, int | Ref] = {"target_kind": Target.SERVICE}
        row |= {"target": self.schema.services.index(reward.service)}
        match reward:
            case FreeService():
                return row | {"kind": Kind.FREE_SERVICE}
            case PercentOffFee():
                return row | {"kind": Kind.FEE_PERCENT, "percent": reward.percent}
            case AmountOffFee():
                return row | {"kind": Kind.FEE_AMOUNT, "amount": self.amount(reward.amount)}
            case FeePrice():
                return row | {"kind": Kind.FEE_PRICE, "amount": self.amount(reward.price)}

    def target_row(self, name: str, buy: Buy | None, target: TargetNode | None) -> dict[str, int | Ref]:
        if buy is not None:
            if target is not None and target.kind not in ("them", "count"):
                raise LinkError(f"«{name}» buys one set and rewards another")
            return {"target_kind": Target.SET, "target": Ref("product set", buy.of)}
        if target is None or target.kind == "them":
            raise LinkError(f"«{name}» rewards what is bought, but buys nothing")
        if target.kind == "basket":
            return {"target_kind": Target.BASKET, "target": -1}
        return {"target_kind": Target.SET, "target": Ref("product set", target.name)}

    def currencies(self, promotion: Promotion) -> int:
        """The currencies in which every amount of the promotion is said, as a bit mask."""
        moneys: list[Money] = [limit.saving for limit in promotion.limits if limit.saving]

        def walk(node: Condition) -> None:
            match node:
                case All() | Any_() | None_():
                    for part in node.of:
                        walk(part)
                case Worth() | WorthOtherwise():
                    moneys.extend(m for m in (node.low, node.high) if m)
                case CompareMoney():
                    moneys.append(node.value)
                case SumOf():
                    for part in (*node.holds, *node.events.where):
                        walk(part)
                case Happened():
                    for part in (*node.events.where, *(c for step in node.then for c in step.events.where)):
                        walk(part)
                case _:
                    pass

        for line in promotion.when:
            walk(line.condition)
        if isinstance(promotion.reward, Tiers):
            moneys.extend(tier.spend for tier in promotion.reward.tiers if tier.spend)
        for reward in promotion.rewards:
            if isinstance(reward, Ladder):
                moneys.extend(step.amount for step in reward.steps if step.amount)
            elif isinstance(
                reward, AmountOffEach | AmountOffTogether | AmountOffArticle | AmountOffMeasure | AmountOffFee
            ):
                moneys.append(reward.amount)
            elif isinstance(reward, FixedPriceEach | FixedPriceMeasure | PriceTogether | BasketPrice | FeePrice) or (
                isinstance(reward, Gift) and reward.price
            ):
                moneys.append(reward.price)
            elif isinstance(reward, Gift):
                moneys += [reward.price] if reward.price else []
            elif isinstance(reward, Cashier):
                moneys += [reward.amount] if reward.amount else []
            elif isinstance(reward, TimesPoints) and self.settings.points is not None:
                moneys.append(self.settings.points.per)
        listed = [reward.prices for reward in promotion.rewards if isinstance(reward, PricesFrom)]
        mask = (1 << len(self.settings.currencies)) - 1
        for said in [{a.currency for a in money} for money in moneys] + [set(self.listed[name]) for name in listed]:
            mask &= sum(1 << i for i, c in enumerate(self.settings.currencies) if c in said)
        return mask


def terms_row(promotion: Promotion) -> dict[str, int | Ref]:
    """How one of several rewards is found."""
    match promotion.reward:
        case Tiers(by="spend") as given:
            return {"terms_by": Terms.WORTH, "terms_of": BASES.index(given.basis)}
        case Tiers(unit=None):
            return {"terms_by": Terms.COUNT, "terms_of": 0}
        case Tiers() as given:
            return {"terms_by": Terms.MEASURE, "terms_of": list(UNITS).index(str(given.unit))}
        case Variants() as given:
            return {"terms_by": Terms.DRAWN, "terms_of": Subject[given.by.upper()]}
        case _:
            return {"terms_by": Terms.ONE, "terms_of": 0}


def slot_row(slot: Slot) -> tuple[int, int, int, int]:
    """A row of the slots."""
    return slot.days, slot.days if slot.holidays is None else slot.holidays, slot.start, slot.until


def role_rows(promotion: Promotion, reward: Plain) -> list[tuple[int | Ref, ...]]:
    """What an application takes: the needs of its `buy`, then what it rewards if that is something else."""
    needs = promotion.buy.needs if promotion.buy else ()
    rows: list[tuple[int | Ref, ...]] = [
        (Ref("product set", need.of), need.count, Role.ONE_ARTICLE * need.one_article, 0) for need in needs
    ]
    target = getattr(reward, "target", None)
    if target is not None and target.kind == "count":
        bits = Role.ONE_ARTICLE * target.one_article | Role.FEWER_TOO * target.fewer | PICKS[target.pick]
        rows.append((Ref("product set", target.name), target.count, bits, 1))
    return rows


def measure_rows(promotion: Promotion, reward: Plain) -> list[tuple[int, int, int]]:
    """By role, how much it asks for by measure."""
    rows = []
    for need in promotion.buy.needs if promotion.buy else ():
        if need.measure:
            dimension, factor = UNITS[need.unit]
            rows.append((need.measure * factor, DIMENSIONS.index(dimension), list(UNITS).index(need.unit)))
        else:
            rows.append((0, 0, 0))
    return rows + [(0, 0, 0)] * (len(role_rows(promotion, reward)) - len(rows))
