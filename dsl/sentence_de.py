"""Declarations in German sentences: what must hold stands in main clauses after a colon, with its verb in front."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import assert_never

from dsl import ast
from dsl.clauses import choice, first
from dsl.speaker import Speaker
from dsl.spelling import number

_MONTHS = (
    "Januar",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
)
_DAYS = ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag", "Feiertage")
_MODES = {
    "best-per-item": "geht jedes Stück an die Aktion, mit der alle zusammen am meisten sparen",
    "first-per-item": "geht jedes Stück an die erste Aktion, die es nimmt",
    "best": "gilt die Aktion, die am meisten spart",
    "first": "gilt die erste mögliche Aktion",
    "all": "gelten alle möglichen Aktionen nacheinander",
}
_COMPARISONS = {
    "is": "ist {0}",
    "is not": "ist bekannt und nicht {0}",
    "is at least": "ist mindestens {0}",
    "is at most": "ist höchstens {0}",
    "is more than": "ist mehr als {0}",
    "is less than": "ist weniger als {0}",
    "is between": "liegt von {0} bis {1}",
    "is before": "liegt vor dem {0}",
    "is after": "liegt nach dem {0}",
    "is known": "ist bekannt",
    "is unknown": "ist nicht bekannt",
    "is under": "ist „{0}“ oder darunter",
    "starts with": "beginnt mit „{0}“",
    "is listed in": "steht in {0}",
    "has": "enthält „{0}“",
}
_UNITS = {
    "minute": ("Minute", "Minuten", "Minuten"),
    "hour": ("Stunde", "Stunden", "Stunden"),
    "day": ("Tag", "Tage", "Tagen"),
    "week": ("Woche", "Wochen", "Wochen"),
    "month": ("Monat", "Monate", "Monaten"),
    "year": ("Jahr", "Jahre", "Jahren"),
}
_THIS = {"day": "heute", "week": "in dieser Woche", "month": "in diesem Monat", "year": "in diesem Jahr"}
_PERIODS = {"each-day": "am Tag", "each-week": "in der Woche", "each-month": "im Monat", "each-year": "im Jahr"}
_SCOPES = {
    "total": "insgesamt",
    "customer": "je Kunde",
    "household": "je Haushalt",
    "store": "je Filiale",
    "basket": "je Warenkorb",
    "code": "je Code",
    "article": "je Artikel",
}
_SUBJECTS = {"customer": "Kunde", "household": "Haushalt", "basket": "Warenkorb"}
_ENTITIES = {
    "customer": "Kundenmerkmal",
    "item": "Artikelmerkmal",
    "basket": "Warenkorbmerkmal",
    "store": "Filialmerkmal",
    "delivery": "Liefermerkmal",
}


class German(Speaker):
    """Sagt es auf Deutsch."""

    and_ = "und"
    or_ = "oder"

    # ------------------------------------------------------------------------------------------------ promotions

    def core(self, node: ast.Promotion) -> str:
        reward, arms = first(node, ast.Get), first(node, ast.Variants)
        what = self.reward(reward.reward) if reward else self.arms(arms) if arms else "nichts"
        lines = [clause.line for clause in node.clauses if isinstance(clause, ast.When)]
        when = f". Bedingung: {self.conditions(lines)}" if lines else ""
        return f"{self.who(node)} {what}{when}"

    def who(self, node: ast.Promotion) -> str:
        """Das Subjekt bis zum Verb: alle bekommen; wer 3 Stück aus «Pasta» kauft, bekommt."""
        does = []
        audience = choice(node, "for")
        if audience is not None and audience.any_of:
            does.append(f"zu {self.all_called(audience.any_of, 'segments', self.or_)} gehört")
        if audience is not None and audience.but_not:
            does.append(f"nicht zu {self.all_called(audience.but_not, 'segments', self.or_)} gehört")
        code = first(node, ast.WithCode)
        if code is not None:
            does.append(f"einen Code aus {self.called(code.codes, 'codes')} eingibt")
        buy = first(node, ast.Buy)
        if buy is not None:
            does.append(f"{self.joined([self.need(need) for need in buy.needs], self.and_)} kauft")
        reason = first(node, ast.WithReason)
        because = f" wegen {self.joined([n.text for n in reason.reasons], self.or_)}," if reason else ""
        if not does:
            return f"alle bekommen{because}"
        return f"wer {self.joined(does, self.and_)}, bekommt{because}"

    def need(self, need: ast.Need) -> str:
        """3 Stück aus «Pasta»."""
        much = self.measure(need.measure) if need.measure else f"{need.count} Stück"
        return f"{much} {self.of(need.of, need.one_article)}"

    def of(self, name: ast.Name, one_article: bool) -> str:
        """Aus einer Menge, oder von einem Artikel daraus."""
        return f"desselben Artikels aus {self.called(name)}" if one_article else f"aus {self.called(name)}"

    def target(self, target: ast.Target) -> str:
        """Worauf es die Belohnung gibt."""
        match target.kind:
            case "set":
                assert target.name is not None
                return f"auf {self.called(target.name)}"
            case "basket":
                return "auf den Warenkorb samt Gebühren" if target.fees else "auf den Warenkorb"
            case "tier":
                return "darauf"
            case "them":
                return "darauf"

    def arms(self, node: ast.Variants) -> str:
        """Anteile eines Versuchs."""
        parts = []
        for arm in node.arms:
            what = self.reward(arm.reward) if arm.reward else "nichts (Kontrollgruppe)"
            parts.append(f"in {self.off(arm.share)} der Fälle {what}")
        return f"durch ein Los je {_SUBJECTS[node.by]} {self.joined(parts, self.or_)}"

    def reward(self, node: ast.Reward) -> str:
        match node:
            case ast.PercentOff():
                together = " zusammen" if node.together and node.target.kind != "basket" else ""
                return f"{self.off(node.percent)} Rabatt {self.target(node.target)}{together}"
            case ast.AmountOff():
                each = " je Artikel" if node.per_article else "" if node.together else " je Stück"
                together = " zusammen" if node.together and node.target.kind != "basket" else ""
                return f"{self.amounts(node.amount)} Rabatt{each} {self.target(node.target)}{together}"
            case ast.AmountOffMeasure():
                return f"{self.amounts(node.amount)} Rabatt je {self.per(node)} {self.target(node.target)}"
            case ast.FixedPrice():
                unit = self.per(node) if node.per else "Stück"
                of = self.called(node.target.name) if node.target.name else "sie"
                return f"{of} für {self.amounts(node.price)} je {unit}"
            case ast.Pick() if node.percent.value == 100:
                return f"{self.picked(node.which, node.count)} davon gratis"
            case ast.Pick():
                return f"{self.off(node.percent)} Rabatt auf {self.picked(node.which, node.count)} davon"
            case ast.OffPickOf():
                of = f"{self.picked(node.which, node.count)} aus {self.called(node.of)} im Warenkorb"
                if isinstance(node.off, ast.Money):
                    return f"{self.amounts(node.off)} Rabatt je Stück auf {of}"
                return f"{of} gratis" if node.off.value == 100 else f"{self.off(node.off)} Rabatt auf {of}"
            case ast.Ladder():
                steps = [f"{self.off(step.off)} Rabatt auf jedes {step.nth}." for step in node.steps]
                return f"{self.joined(steps, self.and_)} davon, das teuerste zuerst"
            case ast.PriceTogether():
                singles = ", weniger davon anteilig" if node.singles else ""
                return f"sie zusammen für {self.amounts(node.price)}{singles}"
            case ast.OffCount():
                return self.off_count(node)
            case ast.PriceOfCount():
                of = f"{node.count} Stück {self.of(node.of, node.one_article)}"
                return f"{of} für {self.amounts(node.price)} je Stück{_fewer(node.fewer)}"
            case ast.BasketPrice():
                return f"den ganzen Warenkorb für {self.amounts(node.price)}"
            case ast.PriceList():
                return f"die Preise der Liste „{node.name.text}“"
            case ast.Cashier():
                return f"was die Kasse eingibt, höchstens {self.off(node.at_most)}"
            case ast.Tiers():
                return self.tiers(node)
            case _:
                return self.benefit(node)

    def off_count(self, node: ast.OffCount) -> str:
        """Auf so viele einer anderen Menge."""
        of = f"{node.count} Stück {self.of(node.of, node.one_article)}"
        if node.off is None:
            return f"{of} gratis{_fewer(node.fewer)}"
        how = "" if isinstance(node.off, ast.Percent) else " zusammen" if node.together else " je Stück"
        return f"{self.off(node.off)} Rabatt{how} auf {of}{_fewer(node.fewer)}"

    def benefit(self, node: ast.Reward) -> str:
        """Geschenke, Gebühren, Punkte, Codes."""
        match node:
            case ast.FreeService():
                return f"{node.service.text} kostenlos"
            case ast.OffFee():
                return f"{self.off(node.off)} Rabatt auf die Gebühr für {node.service.text}"
            case ast.FeePrice():
                return f"{node.service.text} für {self.amounts(node.price)}"
            case ast.Gift():
                price = f" für je {self.amounts(node.price)}" if node.price else ""
                return (
                    f"{node.count} {'Geschenk' if node.count == 1 else 'Geschenke'} aus {self.called(node.of)}{price}"
                )
            case ast.TimesPoints():
                return f"{self.plain(node.factor.value)}-fache Punkte {self.target(node.target)}"
            case ast.FixedPoints():
                return f"{node.points} Punkte"
            case ast.NextCode():
                return f"einen Code aus {self.called(node.codes, 'codes')} für die nächsten {self.duration(node.valid)}"
            case _:
                raise AssertionError(type(node).__name__)

    def tiers(self, node: ast.Tiers) -> str:
        """Mehr für mehr."""
        parts = []
        for tier in node.tiers:
            start = tier.start
            begin = f"{start} Stück" if isinstance(start, int) else self.value(start)
            parts.append(f"ab {begin} {self.reward(tier.reward).removesuffix(' darauf')}")
        by = {"quantity": "Menge", "spend": "Wert"}[node.by]
        base = "des Warenkorbs" if node.target.name is None else self.of(node.target.name, node.one_article)
        basis = {"group": "", "before": " vor Rabatten", "after": " nach Rabatten"}[node.basis]
        each = ", jedes Stück nach seiner Stelle" if node.stepwise else ""
        return f"nach {by} {base}{basis}{each}: {self.joined(parts, self.and_)}"

    def per(self, node: ast.AmountOffMeasure | ast.FixedPrice) -> str:
        """kg, 100 g."""
        return f"{'100 ' if node.hundreds else ''}{node.per}"

    def picked(self, which: str, count: int) -> str:
        """Das günstigste, die 2 günstigsten."""
        word = {"cheapest": "günstigste", "dearest": "teuerste"}[which]
        return f"das {word}" if count == 1 else f"die {count} {word}n"

    def left_out(self, clause: ast.Except) -> str:
        return f"Nichts davon gilt für {self.all_called(clause.names, 'products', self.and_)}"

    def limit(self, clause: ast.Limit) -> str:
        scope, period = _SCOPES[clause.scope], clause.period
        if period.startswith("any-"):
            _, count, unit = period.split("-")
            when = f" in jeweils {count} {_UNITS[unit.removesuffix('s')][2 if count != '1' else 0]}"
        else:
            when = "" if period == "ever" else f" {_PERIODS[period]}"
        match clause.measure:
            case "saving":
                assert clause.saving is not None
                return f"Sie spart höchstens {self.amounts(clause.saving)} {scope}{when}"
            case "baskets":
                return f"Höchstens {clause.count} {'Warenkorb' if clause.count == 1 else 'Warenkörbe'} {scope}{when}"
            case _ if clause.scope == "article":
                return f"Höchstens {clause.count} Stück von jedem Artikel"
            case _:
                return f"Höchstens {clause.count}-mal {scope}{when}"

    def weighed(self, group: ast.Group) -> str:
        lines = {line.kind: line for line in group.lines}
        apply, prices = lines.get("apply"), lines.get("prices")
        if apply is None:
            return ""
        several = f"gelten höchstens {apply.count} Aktionen je Warenkorb, die zusammen am meisten sparen"
        mode = _MODES.get(apply.word, _MODES["best"] if apply.count == 1 else several)
        from_ = ", gerechnet von dem, was frühere Gruppen übrig ließen" if prices and prices.word == "reduced" else ""
        return f"In ihrer Gruppe {self.called(group.name, 'groups')} {mode}{from_}"

    def exclusive(self, *, per_item: bool) -> str:
        if per_item:
            return "Sie geht vor, und was sie günstiger macht, nimmt an keiner anderen Preisaktion teil"
        return "Sie gilt allein: keine andere Preisaktion neben ihr im Warenkorb"

    def not_with(self, clause: ast.NotWith) -> str:
        return f"Nie in einem Warenkorb mit {self.all_called(clause.names, 'promotions', self.or_)}"

    def funded(self, clause: ast.Funded) -> str:
        parts = []
        for share in clause.shares:
            kinds = {"us": "wir", "supplier": "Lieferant", "partner": "Partner"}
            name = f" „{share.payer.name.text}“" if share.payer.name else ""
            much = self.off(share.percent) if share.percent else "den Rest" if len(clause.shares) > 1 else "alles"
            parts.append(f"{kinds[share.payer.kind]}{name} {much}")
        return f"Was sie spart, zahlen: {', '.join(parts)}"

    def advertised(self) -> str:
        return "Sie wird als Preisermäßigung beworben, gemessen am niedrigsten Preis der letzten 30 Tage"

    def on_return(self) -> str:
        return "Nach einer Rückgabe wird neu gerechnet, was behalten wird"

    # ------------------------------------------------------------------------------------------------ when, where

    def runs(self, clause: ast.Runs) -> str:
        zone = ""
        if clause.zone is not None:
            store = clause.zone.text == "store-time"
            zone = " nach der Uhr jeder Filiale" if store else f" nach der Uhr von {clause.zone.text}"
        begin = self.moment(clause.start)
        if clause.until is None:
            return f"ab dem {begin}{zone}"
        to = "bis" if clause.until.time else "bis einschließlich"
        return f"vom {begin} {to} {self.moment(clause.until)}{zone}"

    def moment(self, moment: ast.Moment) -> str:
        """Ein Tag, mit Uhrzeit."""
        time = f", {self.time(moment.time)} Uhr" if moment.time else ""
        return self.date(moment.date) + time

    def only_on(self, clause: ast.OnlyOn) -> str:
        return self.joined([self.slot(slot) for slot in clause.slots], self.or_)

    def slot(self, slot: ast.Slot) -> str:
        """Tage und Stunden."""
        but = f" außer {_days(slot.but_not)}" if slot.but_not else ""
        hours = f" von {self.time(slot.start)} bis {self.time(slot.until)} Uhr" if slot.start and slot.until else ""
        return f"nur {_days(slot.days)}{but}{hours}"

    def sold(self, clause: ast.Sold) -> str:
        names = self.channels(clause)
        return f"in {self.joined(names, self.and_)}" if names else ""

    def only_at(self, clause: ast.Choice) -> str:
        but = f", aber nicht in {self.all_called(clause.but_not, 'places', self.or_)}" if clause.but_not else ""
        return f"nur in {self.all_called(clause.any_of, 'places', self.or_)}{but}"

    # ------------------------------------------------------------------------------------------------ conditions

    def condition(self, node: ast.Condition) -> str:
        match node:
            case ast.Compare():
                return f"{self.attribute(node.subject)} {self.compared(node.op, node.values)}"
            case ast.In():
                return f"{'nicht ' if node.negated else ''}in {self.member(node.name)}"
            case ast.Consent():
                return f"es liegt eine Einwilligung in {node.name.text} vor"
            case ast.Block():
                words = {"all": self.and_, "any": self.or_, "none": self.or_}
                inner = self.joined([self.condition(line.condition) for line in node.lines], words[node.kind])
                return f"nichts davon: {inner}" if node.kind == "none" else f"({inner})"
            case ast.BasketHas():
                return self.basket_has(node)
            case ast.BasketWorth():
                return self.basket_worth(node)
            case ast.Happened():
                then = "".join(
                    f", dann {'keine ' if t.negated else ''}{self.event(t.event)} innerhalb von {self.dative(t.within)}"
                    for t in node.then
                )
                return f"{_bounds(node.low, node.high)} {self.event(node.event)} {self.window(node.window)}{then}"
            case ast.SumOf():
                event = ast.EventOf(ast.Name(node.subject.entity, node.span), node.of, node.where, node.span)
                what = f"die Summe von {node.subject.name} über {self.event(event)} {self.window(node.window)}"
                return f"{what} {self.compared(node.op, node.values)}"
            case ast.Anniversary():
                return f"der Jahrestag von {node.subject.name} ist {self.near(node)}"
            case ast.SimilarTo():
                return f"zu mindestens {self.off(node.percent)} wie {self.called(node.segment, 'segments')}"
            case ast.NthOrder():
                return f"dies ist {'jede' if node.every else 'die'} {node.nth}. Bestellung"
            case _:
                assert_never(node)

    def member(self, name: ast.Name) -> str:
        """Eine Menge, welcher Art auch immer."""
        for table in ("segments", "places", "products"):
            if name.text in getattr(self.project, table):
                return self.called(name, table)
        return f"«{name.text}»"

    def attribute(self, subject: ast.Subject) -> str:
        """Kundenmerkmal tier."""
        if not subject.name:
            return {"payment": "die Zahlungsart", "delivery": "die Lieferart"}[subject.entity]
        return f"{_ENTITIES.get(subject.entity, 'Merkmal')} {subject.name}"

    def compared(self, op: str, values: Sequence[ast.Value]) -> str:
        """Der Vergleich und seine Werte."""
        said = [{"yes": "ja", "no": "nein"}.get(text, text) for text in map(self.value, values)]
        match op:
            case "is one of":
                return f"ist {self.joined(said, self.or_)}"
            case "is not one of":
                return (
                    f"ist bekannt und weder {self.joined(said, 'noch')}"
                    if len(said) > 1
                    else f"ist bekannt und nicht {said[0]}"
                )
            case "has one of":
                return f"enthält {self.joined([f'„{text}“' for text in said], self.or_)}"
            case "is more than … ago" | "is less than … ago":
                length = values[0]
                assert isinstance(length, ast.Duration)
                return f"liegt {'mehr' if 'more' in op else 'weniger'} als {self.duration(length)} zurück"
            case _:
                return _COMPARISONS[op].format(*said)

    def basket_has(self, node: ast.BasketHas) -> str:
        """Wie viel von einer Menge."""
        if node.low is None and node.high == 0:
            return f"der Warenkorb enthält nichts aus {self.called(node.of)}"
        unit = f" {node.unit}" if node.unit else " verschiedene Artikel" if node.articles else " Stück"
        low, high = (None if bound is None else self.plain(bound) for bound in (node.low, node.high))
        return f"der Warenkorb enthält {_bounds(low, high)}{unit} {self.of(node.of, node.one_article)}"

    def basket_worth(self, node: ast.BasketWorth) -> str:
        """Was er wert ist."""
        low, high = (None if bound is None else self.amounts(bound) for bound in (node.low, node.high))
        of = f"{self.called(node.of)} im Warenkorb" if node.of else "der Warenkorb"
        basis = {"group": "", "before": " vor Rabatten", "after": " nach Rabatten"}[node.basis]
        more = (" mit Gebühren" if node.fees else "") + (" ohne Steuer" if node.without_tax else "")
        return f"{of} ist {_bounds(low, high)}{basis}{more} wert"

    def event(self, node: ast.EventOf) -> str:
        """orders aus «Wein», bei denen channel app ist."""
        of = f" aus {self.called(node.of)}" if node.of else ""
        where = (
            f" mit {node.where.subject.name} {self.compared(node.where.op, node.where.values)}" if node.where else ""
        )
        return f"{node.event.text}{of}{where}"

    def window(self, node: ast.Window) -> str:
        """Wann."""
        match node.kind:
            case "last":
                return f"in den letzten {self.dative(node.lengths[0])}"
            case "ages":
                first_, second = (self.dative(length) for length in node.lengths)
                return f"vor {first_} bis {second}"
            case "since":
                assert node.since is not None
                return f"seit {self.date(node.since)}"
            case "calendar":
                return _THIS[node.unit]
            case "ever":
                return "bisher"

    def near(self, node: ast.Anniversary) -> str:
        """Wie nah."""
        if node.within is not None:
            return f"höchstens {self.duration(node.within)} entfernt"
        return "heute" if node.near == "today" else _THIS[node.unit]

    # ------------------------------------------------------------------------------------------------ the others

    def members(self, node: ast.SetDecl) -> str:
        who = {"products": "Artikel", "places": "Filialen", "segment": "Kundinnen und Kunden"}[node.kind]
        text = f"{who}, für die all das gilt: {self.conditions(node.lines)}." if node.lines else f"{who}."
        for refresh in node.refresh:
            stand = (
                f"höchstens vom letzten Stand um {self.time(refresh.at)} Uhr" if refresh.at else "immer die neuesten"
            )
            text += f" Die Angaben sind {stand}."
        return text

    def group(self, node: ast.Group) -> str:
        members = sorted(
            promotion.name.text
            for promotion in self.project.promotions.values()
            if (group := first(promotion, ast.InGroup)) and group.name.text == node.name.text
        )
        said = self.weighed(node).partition("» ")[2] or "werden Aktionen gegeneinander abgewogen"
        listed = f" Zu ihr gehören {self.joined([f'«{name}»' for name in members], self.and_)}." if members else ""
        return f"Hier {said}.{listed}"

    def guard(self, node: ast.Guard) -> str:
        verbs = {
            "discount": "bekommen keinen Rabatt",
            "reward": "bringen weder Punkte noch Geschenke",
            "count": "zählen bei Schwellen nicht mit",
            "ship free": "bleiben beim kostenlosen Versand außen vor",
        }
        parts = [f"{self.all_called(n.names, 'products', self.and_)} {verbs[n.verb]}" for n in node.nevers]
        parts += [
            f"{self.all_called(f.names, 'products', self.and_)} fallen nie unter {self.attribute(f.subject)}"
            for f in node.floors
        ]
        because = "".join(f" ({text.text})" for text in node.because)
        return f"Keine Aktion setzt das außer Kraft: {self.joined(parts, self.and_)}{because}." if parts else ""

    def codes(self, node: ast.Codes) -> str:
        files = [line.value.text for line in node.lines if line.kind == "file" and line.value]
        count = sum(line.kind == "code" for line in node.lines)
        parts = [f"{count} {'Code' if count == 1 else 'Codes'}"] if count else []
        parts += [f"die Codes aus {file}" for file in files]
        uses = next((line.count for line in node.lines if line.kind == "uses"), None)
        often = "" if uses is None else f", jeder {uses}-mal"
        text = f"{self.joined(parts, self.and_)}{often}." if parts else "Kein Code."
        return text[:1].upper() + text[1:]

    # ------------------------------------------------------------------------------------------------ values

    def off(self, value: ast.Percent | ast.Money) -> str:
        return f"{self.plain(value.value)} %" if isinstance(value, ast.Percent) else self.amounts(value)

    def amount(self, currency: str, value: Decimal) -> str:
        return f"{self.digits(currency, value).replace('.', ',')} {self.sign(currency)}"

    def plain(self, value: Decimal) -> str:
        return number(value).replace(".", ",")

    def date(self, value: ast.Date) -> str:
        day = value.value
        return f"{day.day}. {_MONTHS[day.month - 1]} {day.year}"

    def duration(self, value: ast.Duration) -> str:
        one, many, _ = _UNITS[value.unit]
        return f"{value.count} {one if value.count == 1 else many}"

    def dative(self, value: ast.Duration) -> str:
        """In den letzten 30 Tagen."""
        one, _, many = _UNITS[value.unit]
        return f"{value.count} {one if value.count == 1 else many}"


def _fewer(fewer: bool) -> str:
    return ", oder weniger davon" if fewer else ""


def _days(days: frozenset[int]) -> str:
    ordered = sorted(days)
    *many, last = [_DAYS[day] for day in ordered] or ["an keinem Tag"]
    if len(ordered) > 2 and ordered == list(range(ordered[0], ordered[-1] + 1)) and ordered[-1] < ast.HOLIDAY:
        return f"{_DAYS[ordered[0]]} bis {last}"
    return f"{', '.join(many)} und {last}" if many else last


def _bounds(low: object, high: object) -> str:
    if low is not None and high is not None:
        return f"genau {low}" if low == high else f"{low} bis {high}"
    if low is None and high == 0:
        return "keine"
    return f"mindestens {low}" if high is None else f"höchstens {high}"
