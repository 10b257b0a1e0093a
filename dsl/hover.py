"""What is said about a place of a text: a word's row, a name's declaration, a date's instant, a finding's page."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dsl import ast
from dsl.days_off import Holiday, weekday
from dsl.diagnostics import Diagnostic, Span, explanation
from dsl.following import context
from dsl.names import Index, Occurrence, Symbol
from dsl.phrases import Language, Phrase, many, say
from dsl.vocabulary import CLAUSES, OPERATORS, REASONS, TYPES, row_of
from dsl.zones import known_zones, local_seconds, utc_seconds, zone

_DAY = 86_400
_EPOCH = datetime.date(1970, 1, 1)
_SHOWN_MAX = 12  # promotions of a group, lines of a set: more make a page
_ENTITIES = {
    "customer": say("of customers"),
    "item": say("of articles"),
    "basket": say("of baskets"),
    "store": say("of stores"),
    "delivery": say("of deliveries"),
}
NOUNS = {  # by the kinds of dsl/names.py
    "product set": say("product set"),
    "places": say("set of places"),
    "segment": say("segment"),
    "group": say("group"),
    "guard": say("guard"),
    "code set": say("code set"),
    "promotion": say("promotion"),
    "sample": say("sample"),
    "test": say("test"),
    "event": say("event"),
    "channel": say("channel"),
    "service": say("service"),
    "payment": say("means of payment"),
    "consent": say("consent"),
    "choice": say("choice"),
    "variant": say("variant"),
    "cashier's reason": say("cashier's reason"),
}


@dataclass(frozen=True, slots=True)
class Hover:
    """Markdown, and the piece of text that it is about."""

    text: str
    span: Span


def hover(
    index: Index,
    name: Occurrence | None,
    declaration: ast.Decl | None,
    lines: tuple[Sequence[str], Sequence[str]],
    file: str,
    line: int,
    column: int,
    findings: Sequence[Diagnostic],
    articles: Mapping[str, int],
    timezone: str,
    meaning: Callable[[Symbol], str],
    off: Callable[[], Sequence[Holiday]],
    language: Language,
) -> Hover | None:
    """Of a place. `lines`: masked, and as written. `off`: the holidays."""
    masked = lines[0]
    parts: list[str] = []
    span = findings[0].span if findings else None
    for code in dict.fromkeys(finding.code for finding in findings):
        parts.append(explanation(code, language) or "")
    if name is not None:
        told = "\n".join(about(index, name, articles, meaning, language))
        if told:
            parts.insert(0, told)
            span = name.span
    instants = _instants(declaration, line, column, timezone, language)
    instants = instants or _days_off(declaration, line, column, off, language)
    if instants is not None:
        parts.insert(0, instants.text)
        span = span or instants.span
    if not name and instants is None:
        word = _word(masked, file, line, column)
        if word is not None:
            parts.insert(0, word.text)
            span = span or word.span
    return Hover("\n\n---\n\n".join(part for part in parts if part), span) if span and any(parts) else None


# ---------------------------------------------------------------------------------------------------- names


def about(
    index: Index,
    occurrence: Occurrence,
    articles: Mapping[str, int],
    meaning: Callable[[Symbol], str],
    language: Language,
) -> Iterator[str]:
    """What a name stands for, as lines of Markdown. Nothing where it is declared nowhere."""
    symbol = index.symbol(occurrence)
    declared = index.declared.get(symbol)
    if not declared:
        if symbol.kind == "attribute" and symbol.name in ("customer.id", "item.sku", "store.id"):
            yield f"**{symbol.name}** {say('text, the id itself').text(language)}"
        elif isinstance(occurrence.owner, ast.Expect) and symbol.name in REASONS:
            yield f"**{symbol.name}** {say('why a promotion did not apply').text(language)}"
        return
    node = declared[0].owner
    match node:
        case ast.Attribute() if symbol.kind == "attribute":
            yield from _attribute(symbol, node, language)
        case ast.SetDecl():
            yield _titled(symbol, node.title, language)
            if node.name.text in articles and node.kind == "products":
                number = articles[node.name.text]
                yield f"\n{_articles(number).text(language)}"
            yield f"\n{meaning(symbol)}"
            yield from _code([line.text for line in node.lines])
        case ast.Group():
            yield _titled(symbol, node.title, language)
            yield from _code([_group_line(line) for line in node.lines if line.kind != "order"])
            members = _members(index, node)
            if members:
                shown: tuple[str | Phrase, ...] = (*members[:_SHOWN_MAX], *_more(members))
                yield "\n" + say("{count} in order: {names}", count=len(members), names=shown).text(language)
        case ast.Promotion():
            yield _titled(symbol, node.title, language)
            yield f"\n{meaning(symbol)}"
        case ast.Test():
            yield f"**{node.name.text}** {NOUNS['test'].text(language)}"
        case _:
            yield _titled(symbol, getattr(node, "title", ""), language)
    uses = len(index.used.get(symbol, ()))
    used = say("Used 1 time") if uses == 1 else say("Used {count} times", count=many(uses))
    yield f"\n{used.text(language)} · {declared[0].span.file}:{declared[0].span.line}"


def _titled(symbol: Symbol, title: str, language: Language) -> str:
    return f"**{symbol.short}** {NOUNS[symbol.kind].text(language)}" + (f" «{title}»" if title else "")


def _articles(number: int) -> Phrase:
    if number == 1:
        return say("1 article of the catalogue")
    return say("{count} articles of the catalogue", count=many(number))


def _code(lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield "\n".join(["\n```promo", *lines[:_SHOWN_MAX], *(["…"] if len(lines) > _SHOWN_MAX else []), "```"])


def _more(names: Sequence[str]) -> tuple[Phrase, ...]:
    return (say("and {more} more", more=len(names) - _SHOWN_MAX),) if len(names) > _SHOWN_MAX else ()


def _attribute(symbol: Symbol, node: ast.Attribute, language: Language) -> Iterator[str]:
    kind = f"list of {node.type.of}" if node.type.kind == "list" else node.type.kind
    choices = " " + ", ".join(name.text for name in node.type.choices) if node.type.choices else ""
    entity = symbol.name.partition(".")[0]
    whose = f" · {_ENTITIES[entity].text(language)}" if entity in _ENTITIES else ""
    yield f"**{symbol.name}** {kind}{choices}{whose}"
    if node.doc:
        yield f"\n{node.doc}"
    if node.personal or node.predicted:
        why = say("Personal and predicted") if node.predicted else say("Personal")
        why = why if node.personal else say("Predicted")
        needs = say("{why}: a segment that asks for it needs `consent to profiling`.", why=why)
        yield f"\n{needs.text(language)}"
    default = say("unknown") if node.default is None else _written(node.default)
    yield "\n" + say("Not given: {value}.", value=default).text(language)
    if kind in TYPES:
        yield "\n" + say("Its values are {literal}.", literal=TYPES[kind].literal).text(language)


def _written(value: ast.Value) -> str | Phrase:
    match value:
        case ast.Word():
            return value.text
        case ast.Quoted():
            return f'"{value.text}"'
        case ast.Percent():
            return f"{value.value}%"
        case ast.Date():
            return value.value.isoformat()
        case ast.Number():
            return str(value.value)
    return say("a default")


def _group_line(line: ast.GroupLine) -> str:
    if line.kind == "apply" and line.count:
        return f"apply at most {line.count} per basket"
    return f"{line.kind} {line.word.replace('-', ' ')}".strip()


def _members(index: Index, node: ast.Group) -> list[str]:
    """Its promotions in their declared order: the group's `order` line, then by name."""
    uses = index.used.get(Symbol("group", node.name.text), ())
    names = {o.within.name.text for o in uses if isinstance(o.within, ast.Promotion)}
    first = [name.text for line in node.lines if line.kind == "order" for name in line.names if name.text in names]
    return [*first, *sorted(names - set(first))]


# ---------------------------------------------------------------------------------------------------- instants


def _instants(declaration: ast.Decl | None, line: int, column: int, timezone: str, language: Language) -> Hover | None:
    """The moments of a `runs` line or of a test's `at`, in local time and UTC."""
    if isinstance(declaration, ast.Promotion):
        for runs in declaration.clauses:
            if isinstance(runs, ast.Runs) and runs.span.line == line and column >= runs.span.column:
                return Hover(_runs(runs, timezone, language), runs.span)
    if isinstance(declaration, ast.Test):
        for at in declaration.lines:
            if isinstance(at, ast.TestAt) and at.span.line == line and column >= at.span.column:
                known = timezone in known_zones()
                return Hover(_moment(at.moment, timezone, 0).text(language), at.span) if known else None
    return None


def _days_off(
    declaration: ast.Decl | None, line: int, column: int, off: Callable[[], Sequence[Holiday]], language: Language
) -> Hover | None:
    """The holidays that an `only on` line asks for, while its promotion runs."""
    clauses = declaration.clauses if isinstance(declaration, ast.Promotion) else ()
    runs = next((clause for clause in clauses if isinstance(clause, ast.Runs)), None)
    for clause in clauses:
        if isinstance(clause, ast.OnlyOn) and clause.span.line == line and column >= clause.span.column:
            if all(ast.HOLIDAY not in slot.days | slot.but_not for slot in clause.slots):
                return None
            begins = runs.start.date.value if runs else datetime.date.min
            ends = runs.until.date.value if runs and runs.until else datetime.date.max
            days = [holiday.text(language) for holiday in off() if begins <= holiday.day <= ends]
            if not days:
                return Hover(say("The table has no holiday while it runs.").text(language), clause.span)
            head = say("**holidays** while it runs").text(language)
            more = (phrase.text(language) for phrase in _more(days))
            return Hover("  \n".join([head, *days[:_SHOWN_MAX], *more]), clause.span)
    return None


def _runs(runs: ast.Runs, timezone: str, language: Language) -> str:
    name = runs.zone.text if runs.zone else timezone
    note = ""
    if name == "store-time":
        note = "\n\n" + say("Each store's own time; shown for the project's zone.").text(language)
        name = timezone
    if name not in known_zones():
        return say("From a moment on, until a moment. The zone is not known, so neither are the instants.").text(
            language
        )
    lines = [say("**from** {moment}", moment=_moment(runs.start, name, 0))]
    if runs.until is None:
        lines.append(say("**until** it is taken out"))
    else:
        until, day = _moment(runs.until, name, _DAY), runs.until.date.value.isoformat()
        if runs.until.time:
            lines.append(say("**until** just before {moment}", moment=until))
        else:
            lines.append(say("**until** just before {moment} — {day} is in it", moment=until, day=day))
        start, end = _utc(runs.start, name, 0), _utc(runs.until, name, _DAY)
        lines.extend(_changes(name, start, end))
    return "  \n".join(line.text(language) for line in lines) + note


def _local(moment: ast.Moment, alone: int) -> int:
    seconds = alone if moment.time is None else moment.time.seconds
    return (moment.date.value - _EPOCH).days * _DAY + seconds


def _utc(moment: ast.Moment, name: str, alone: int) -> int:
    local = _local(moment, alone)
    return utc_seconds(name, _EPOCH + datetime.timedelta(days=local // _DAY), local % _DAY)


def _moment(moment: ast.Moment, name: str, alone: int) -> Phrase:
    """`Thu 2026-09-17 08:00 Europe/Berlin (UTC+2) = 2026-09-17 06:00 UTC`."""
    local, instant = _local(moment, alone), _utc(moment, name, alone)
    shown = local_seconds(name, instant)
    text = say(
        "{day} {words}",
        day=weekday(_day(shown)),
        words=f"{_clock(shown)} {name} ({_offset(shown - instant)}) = {_clock(instant)} UTC",
    )
    if shown != local:
        text = say("{moment}; {other} does not exist, clocks go forward then", moment=text, other=_clock(local))
    elif local_seconds(name, instant + 3600) == local:
        text = say("{moment}; it comes twice that day, this is the first", moment=text)
    return text


def _day(seconds: int) -> datetime.date:
    return _EPOCH + datetime.timedelta(days=seconds // _DAY)


def _clock(seconds: int) -> str:
    minutes = seconds % _DAY // 60
    return f"{_day(seconds).isoformat()} {minutes // 60:02}:{minutes % 60:02}"


def _offset(seconds: int) -> str:
    sign = "+" if seconds >= 0 else "-"
    hours, rest = divmod(abs(seconds) // 60, 60)
    return f"UTC{sign}{hours}" + (f":{rest:02}" if rest else "")


def _changes(name: str, start: int, end: int) -> Iterator[Phrase]:
    """Where the clocks change in between, the first two."""
    table = zone(name)
    inside = [i for i, instant in enumerate(table.instants) if start < instant < end and i]
    for i in inside[:2]:
        instant, before, after = table.instants[i], table.offsets[i - 1], table.offsets[i]
        yield say(
            "clocks change {day} {words}",
            day=weekday(_day(instant + before)),
            words=f"{_clock(instant + before)} → {_clock(instant + after)[-5:]} ({_offset(after)})",
        )


# ---------------------------------------------------------------------------------------------------- words


def _word(masked: Sequence[str], file: str, line: int, column: int) -> Hover | None:
    """The row of the word at a place: of an operator or a type, else of its clause or declaration."""
    covered = masked[line - 1]
    place = column - 1
    if place >= len(covered.rstrip()) or covered[:place].count('"') % 2:
        return None
    best: tuple[int, int, str] | None = None
    for phrase, row in OPERATORS.items():
        words = r"\b.*?\b".join(re.escape(part.strip()) for part in phrase.split("…"))
        for found in re.finditer(rf"(?<![\w-]){words}(?![\w-])", covered):
            if found.start() <= place < found.end() and (
                best is None or found.end() - found.start() > best[1] - best[0]
            ):
                best = (found.start(), found.end(), f"**{phrase}** {row.doc}\n\n```promo\n{row.example}\n```")
    if best is None and re.match(r"\s*[a-z][a-z0-9-]*:", covered):
        for name, kind in TYPES.items():
            written = re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", covered)
            if written is not None and written.start() <= place < written.end():
                best = (written.start(), written.end(), f"**{name}** {kind.doc}\n\n```promo\n{kind.example}\n```")
    if best is None:
        place_in = context(masked, line - 1, place)
        head = " ".join(part.strip() for part in masked[place_in.start : line])
        found_row = row_of(place_in.declaration, head.removeprefix("when "))
        if head.startswith("when ") and place < covered.index("when") + len("when"):
            found_row = ("when", CLAUSES["when"])
        if found_row is None or not re.match(r"[a-z]", covered[place]):
            return None
        key, told = found_row
        start, end = _bounds(covered, place)
        best = (start, end, f"**{key}** {told.doc}\n\n```promo\n{told.example}\n```")
    return Hover(best[2], Span(file, line, best[0] + 1, line, best[1] + 1))


def _bounds(text: str, place: int) -> tuple[int, int]:
    start, end = place, place
    while start > 0 and re.match(r"[\w-]", text[start - 1]):
        start -= 1
    while end < len(text) and re.match(r"[\w-]", text[end]):
        end += 1
    return start, end
