"""What is said about a place of a text: a word's row, a name's declaration, a date's instant, a finding's page."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dsl import ast
from dsl.days_off import Holiday
from dsl.diagnostics import Diagnostic, Span, explanation
from dsl.following import context
from dsl.names import Index, Occurrence, Symbol
from dsl.vocabulary import CLAUSES, OPERATORS, REASONS, TYPES, row_of
from dsl.zones import known_zones, local_seconds, utc_seconds, zone

_DAY = 86_400
_EPOCH = datetime.date(1970, 1, 1)
_SHOWN_MAX = 12  # promotions of a group, lines of a set: more make a page
_ENTITIES = {
    "customer": "customers",
    "item": "articles",
    "basket": "baskets",
    "store": "stores",
    "delivery": "deliveries",
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
) -> Hover | None:
    """Of a place. `lines`: masked, and as written. `off`: the holidays."""
    masked = lines[0]
    parts: list[str] = []
    span = findings[0].span if findings else None
    for code in dict.fromkeys(finding.code for finding in findings):
        parts.append(explanation(code) or "")
    if name is not None:
        told = "\n".join(about(index, name, articles, meaning))
        if told:
            parts.insert(0, told)
            span = name.span
    instants = _instants(declaration, line, column, timezone) or _days_off(declaration, line, column, off)
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
    index: Index, occurrence: Occurrence, articles: Mapping[str, int], meaning: Callable[[Symbol], str]
) -> Iterator[str]:
    """What a name stands for, as lines of Markdown. Nothing where it is declared nowhere."""
    symbol = index.symbol(occurrence)
    declared = index.declared.get(symbol)
    if not declared:
        if symbol.kind == "attribute" and symbol.name in ("customer.id", "item.sku", "store.id"):
            yield f"**{symbol.name}** text, the id itself"
        elif isinstance(occurrence.owner, ast.Expect) and symbol.name in REASONS:
            yield f"**{symbol.name}** why a promotion did not apply"
        return
    node = declared[0].owner
    match node:
        case ast.Attribute() if symbol.kind == "attribute":
            yield from _attribute(symbol, node)
        case ast.SetDecl():
            yield _titled(symbol, node.title)
            if node.name.text in articles and node.kind == "products":
                number = articles[node.name.text]
                yield f"\n{number:,} article{'' if number == 1 else 's'} of the catalogue"
            yield f"\n{meaning(symbol)}"
            yield from _code([line.text for line in node.lines])
        case ast.Group():
            yield _titled(symbol, node.title)
            yield from _code([_group_line(line) for line in node.lines if line.kind != "order"])
            members = _members(index, node)
            if members:
                yield f"\n{len(members)} in order: " + ", ".join(members[:_SHOWN_MAX]) + _more(members)
        case ast.Promotion():
            yield _titled(symbol, node.title)
            yield f"\n{meaning(symbol)}"
        case ast.Test():
            yield f"**{node.name.text}** the test"
        case _:
            yield _titled(symbol, getattr(node, "title", ""))
    uses = len(index.used.get(symbol, ()))
    yield f"\nUsed {uses:,} {'time' if uses == 1 else 'times'} · {declared[0].span.file}:{declared[0].span.line}"


def _titled(symbol: Symbol, title: str) -> str:
    return f"**{symbol.short}** {symbol.kind}" + (f" «{title}»" if title else "")


def _code(lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield "\n".join(["\n```promo", *lines[:_SHOWN_MAX], *(["…"] if len(lines) > _SHOWN_MAX else []), "```"])


def _more(names: Sequence[str]) -> str:
    return f" and {len(names) - _SHOWN_MAX} more" if len(names) > _SHOWN_MAX else ""


def _attribute(symbol: Symbol, node: ast.Attribute) -> Iterator[str]:
    kind = f"list of {node.type.of}" if node.type.kind == "list" else node.type.kind
    choices = " " + ", ".join(name.text for name in node.type.choices) if node.type.choices else ""
    entity = symbol.name.partition(".")[0]
    yield f"**{symbol.name}** {kind}{choices}" + (f" · of {_ENTITIES[entity]}" if entity in _ENTITIES else "")
    if node.doc:
        yield f"\n{node.doc}"
    if node.personal or node.predicted:
        why = " and ".join(word for word in ("personal", "predicted") if getattr(node, word))
        yield f"\n{why.capitalize()}: a segment that asks for it needs `consent to profiling`."
    yield "\nNot given: unknown." if node.default is None else f"\nNot given: {_written(node.default)}."
    if kind in TYPES:
        yield f"\nIts values are {TYPES[kind].literal}."


def _written(value: ast.Value) -> str:
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
    return "a default"


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


def _instants(declaration: ast.Decl | None, line: int, column: int, timezone: str) -> Hover | None:
    """The moments of a `runs` line or of a test's `at`, in local time and UTC."""
    if isinstance(declaration, ast.Promotion):
        for runs in declaration.clauses:
            if isinstance(runs, ast.Runs) and runs.span.line == line and column >= runs.span.column:
                return Hover(_runs(runs, timezone), runs.span)
    if isinstance(declaration, ast.Test):
        for at in declaration.lines:
            if isinstance(at, ast.TestAt) and at.span.line == line and column >= at.span.column:
                return Hover(_moment(at.moment, timezone, 0), at.span) if timezone in known_zones() else None
    return None


def _days_off(
    declaration: ast.Decl | None, line: int, column: int, off: Callable[[], Sequence[Holiday]]
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
            days = [str(holiday) for holiday in off() if begins <= holiday.day <= ends]
            more = [f"and {len(days) - _SHOWN_MAX} more"] if len(days) > _SHOWN_MAX else []
            shown = ["**holidays** while it runs", *days[:_SHOWN_MAX], *more]
            return Hover("  \n".join(shown) if days else "The table has no holiday while it runs.", clause.span)
    return None


def _runs(runs: ast.Runs, timezone: str) -> str:
    name = runs.zone.text if runs.zone else timezone
    note = ""
    if name == "store-time":
        note = "\n\nEach store's own time; shown for the project's zone."
        name = timezone
    if name not in known_zones():
        return "From a moment on, until a moment. The zone is not known, so neither are the instants."
    lines = [f"**from** {_moment(runs.start, name, 0)}"]
    if runs.until is None:
        lines.append("**until** it is taken out")
    else:
        until = _moment(runs.until, name, _DAY)
        lines.append(
            f"**until** just before {until}" + ("" if runs.until.time else f" — {runs.until.date.value} is in it")
        )
        start, end = _utc(runs.start, name, 0), _utc(runs.until, name, _DAY)
        lines.extend(_changes(name, start, end))
    return "  \n".join(lines) + note


def _local(moment: ast.Moment, alone: int) -> int:
    seconds = alone if moment.time is None else moment.time.seconds
    return (moment.date.value - _EPOCH).days * _DAY + seconds


def _utc(moment: ast.Moment, name: str, alone: int) -> int:
    local = _local(moment, alone)
    return utc_seconds(name, _EPOCH + datetime.timedelta(days=local // _DAY), local % _DAY)


def _moment(moment: ast.Moment, name: str, alone: int) -> str:
    """`Thu 2026-09-17 08:00 Europe/Berlin (UTC+2) = 2026-09-17 06:00 UTC`."""
    local, instant = _local(moment, alone), _utc(moment, name, alone)
    shown = local_seconds(name, instant)
    text = f"{_clock(shown)} {name} ({_offset(shown - instant)}) = {_clock(instant, weekday=False)} UTC"
    if shown != local:
        text += f"; {_clock(local, weekday=False)} does not exist, clocks go forward then"
    elif local_seconds(name, instant + 3600) == local:
        text += "; it comes twice that day, this is the first"
    return text


def _clock(seconds: int, *, weekday: bool = True) -> str:
    day = _EPOCH + datetime.timedelta(days=seconds // _DAY)
    minutes = seconds % _DAY // 60
    head = f"{day:%a} " if weekday else ""
    return f"{head}{day.isoformat()} {minutes // 60:02}:{minutes % 60:02}"


def _offset(seconds: int) -> str:
    sign = "+" if seconds >= 0 else "-"
    hours, rest = divmod(abs(seconds) // 60, 60)
    return f"UTC{sign}{hours}" + (f":{rest:02}" if rest else "")


def _changes(name: str, start: int, end: int) -> Iterator[str]:
    """Where the clocks change in between, the first two."""
    table = zone(name)
    inside = [i for i, instant in enumerate(table.instants) if start < instant < end and i]
    for i in inside[:2]:
        instant, before, after = table.instants[i], table.offsets[i - 1], table.offsets[i]
        yield f"clocks change {_clock(instant + before)} → {_clock(instant + after)[-5:]} ({_offset(after)})"


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
