"""What people write where the language has another form: `50,00`, `10 €`, `17.09.2026`, `>=`, «or» in a line.

Each row looks at a line that could not be read and answers with findings at the very characters. The rows know nothing of
the grammar; what none of them recognises is left to the parser's own words.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from dsl import limits
from dsl.diagnostics import Diagnostic, Span, found
from dsl.format import amount

_SIGNS = {"€": "EUR", "$": "USD", "£": "GBP", "¥": "JPY", "Fr.": "CHF", "zł": "PLN", "Kč": "CZK"}
_SIGN = "|".join(re.escape(sign) for sign in _SIGNS)
_COMPARISONS = {
    ">=": "is at least",
    "=>": "is at least",
    "≥": "is at least",
    "<=": "is at most",
    "=<": "is at most",
    "≤": "is at most",
    "!=": "is not",
    "<>": "is not",
    "≠": "is not",
    "==": "is",
    "=": "is",
    ">": "is more than",
    "<": "is less than",
}


@dataclass(frozen=True, slots=True)
class Place:
    """A line that could not be read. `masked` has the insides of quotes and the comment covered."""

    file: str
    number: int
    line: str
    masked: str

    def span(self, start: int, end: int) -> Span:
        """Columns, from 0, of this line."""
        return Span(self.file, self.number, start + 1, self.number, max(end, start + 1) + 1)


Recogniser = Callable[[Place], Iterator[Diagnostic]]


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """The nearest known word, if one is near."""
    candidates = sorted(set(known))
    if word in candidates or not word:
        return None
    if len(candidates) > limits.GUESSED_NAMES_MAX:
        ends = (word[:2], word[-3:])
        candidates = [name for name in candidates if (name[:2], name[-3:]) == ends or name[:6] == word[:6]]
        candidates = candidates[: limits.GUESSED_NAMES_MAX]
    near = difflib.get_close_matches(word, candidates, n=1, cutoff=0.66)
    if near:
        return near[0]
    for candidate in candidates:
        if candidate.replace("-", "") == word.replace("-", "") or candidate == word + "s" or candidate + "s" == word:
            return candidate
    return None


def _decimal_comma(place: Place) -> Iterator[Diagnostic]:
    for hit in re.finditer(
        r"(?<![\w.,])(?:([A-Z]{3}) ?)?(\d{1,3}(?:\.\d{3})+|\d+),(\d{1,2})(?![\d,])( ?%)?", place.masked
    ):
        currency, whole, digits, percent = hit.groups()
        write = f"{whole.replace('.', '')}.{digits}"
        if re.match(rf" ?({_SIGN}|[A-Z]{{3}}\b)", place.masked[hit.end() :]):
            continue  # the next row speaks of both
        write = amount(currency, Decimal(write)) if currency else write + ("%" if percent else "")
        span = place.span(hit.start(), hit.end())
        yield found("P0101", span, write=write, fix=write)


def _currency_behind(place: Place) -> Iterator[Diagnostic]:
    number = r"(\d{1,9}(?:[.,]\d{1,3})?)"
    for hit in re.finditer(rf"(?<![\w.,]){number} ?({_SIGN}|[A-Z]{{3}}\b)|({_SIGN}) ?{number}", place.masked):
        value, behind, before, other = hit.groups()
        sign = behind or before
        currency = _SIGNS.get(sign, sign)
        write = amount(currency, Decimal((value or other).replace(",", ".")))
        yield found("P0102", place.span(hit.start(), hit.end()), write=write, fix=write)


def _dates(place: Place) -> Iterator[Diagnostic]:
    for hit in re.finditer(r"(?<![\w.])(\d{1,2})\.(\d{1,2})\.(\d{4}|\d{2})(?![\w.])", place.masked):
        day, month, year = (int(part) for part in hit.groups())
        year += 2000 if year < 100 else 0
        write = f"{year:04d}-{month:02d}-{day:02d}"
        yield found("P0103", place.span(hit.start(), hit.end()), write=write, fix=write)
    for hit in re.finditer(
        r"(?<![\w.])(?:(\d{1,2})/(\d{1,2})/(\d{4})|(\d{4})/(\d{1,2})/(\d{1,2}))(?![\w.])", place.masked
    ):
        write = "it like 2026-09-17"
        if hit.group(4):
            write = f"{hit.group(4)}-{int(hit.group(5)):02d}-{int(hit.group(6)):02d}"
        yield found("P0103", place.span(hit.start(), hit.end()), write=write)
    for hit in re.finditer(r"(?<![\w.:-])(\d{4})-(\d{1,2})-(\d{1,2})(?![\w-])", place.masked):
        year_, month_, day_ = hit.groups()
        write = f"{year_}-{int(month_):02d}-{int(day_):02d}"
        if write != hit.group():
            yield found("P0103", place.span(hit.start(), hit.end()), write=write, fix=write)


def _times(place: Place) -> Iterator[Diagnostic]:
    for hit in re.finditer(r"(?<![\w.:])(\d):(\d{2})(?![\w:])", place.masked):
        write = f"0{hit.group()}"
        yield found(
            "P0106", place.span(hit.start(), hit.end()), what="way to write a time", why=f"write {write}", fix=write
        )
    for hit in re.finditer(r"(?<![\w.:])(\d{1,2})(?::(\d{2}))? ?(Uhr|am|pm|AM|PM)\b", place.masked):
        hour = int(hit.group(1)) % 24 + (12 if hit.group(3).lower() == "pm" and int(hit.group(1)) < 12 else 0)
        write = f"{hour:02d}:{hit.group(2) or '00'}"
        yield found(
            "P0106", place.span(hit.start(), hit.end()), what="way to write a time", why=f"write {write}", fix=write
        )


def _joined_conditions(place: Place) -> Iterator[Diagnostic]:
    if not re.search(r"\b(is|has|in|consent|starts|worth)\b", place.masked) or place.masked.lstrip().startswith(
        "only on"
    ):
        return
    for hit in re.finditer(r"\b(or|and)\b", place.masked):
        before = place.masked[: hit.start()]
        if hit.group() == "and" and re.search(r"\bbetween\b[^{]*$", before):
            continue
        if hit.group() == "or" and re.search(r"[A-Z]{3} ?[0-9.]+ +$", before):
            continue
        block = "any" if hit.group() == "or" else "all"
        write = "open   any of { ... }" if block == "any" else "write two lines; all lines must hold"
        what = "a block" if block == "any" else "the next line"
        same = re.search(r"([a-z-]+\.[a-z-]+) is ([\w-]+|\"[^\"]*\") +or +\1 is ([\w-]+|\"[^\"]*\") *$", place.line)
        fix = fix_span = None
        if block == "any" and same:
            fix = f"{same[1]} is one of {same[2]}, {same[3]}"
            write = f"write:   {fix}"
            fix_span = place.span(same.start(), same.end())
        more = "For different attributes open   any of { ... }   with one condition a line." if block == "any" else ""
        yield found(
            "P0104",
            place.span(*hit.span()),
            word=hit.group(),
            what=what,
            write=write,
            more=more,
            fix=fix,
            fix_span=fix_span,
        )
        return


def _signs(place: Place) -> Iterator[Diagnostic]:
    for hit in re.finditer(r">=|=>|≥|<=|=<|≤|!=|<>|≠|==|=|>|<", place.masked):
        write = _COMPARISONS[hit.group()]
        before = place.masked[: hit.start()].rstrip()
        short = write.removeprefix("is ") if before.endswith((" is", " worth", " has")) and write != "is" else write
        yield found("P0105", place.span(*hit.span()), write=short, fix=short)


def _off(place: Place) -> Iterator[Diagnostic]:
    for hit in re.finditer(r"(?:\d ?%|[A-Z]{3} ?[\d.]+) +(of|on|from)\b", place.masked):
        if place.masked.lstrip().startswith(("get", "from", "variant")):
            yield found("P0107", place.span(*hit.span(1)), fix="off")


def _percent_words(place: Place) -> Iterator[Diagnostic]:
    for hit in re.finditer(r"(?<![\w.])(\d+(?:\.\d+)?) ?(percent|pct|Prozent|per cent)\b", place.masked):
        write = f"{hit.group(1)}%"
        yield found("P0110", place.span(*hit.span()), write=write, fix=write)


def _quotes(place: Place) -> Iterator[Diagnostic]:
    for hit in re.finditer(r"[“„”«»‘’'`][^“„”«»‘’'`]*[“„”«»‘’'`]", place.masked):
        write = f'"{hit.group()[1:-1]}"'
        yield found("P0108", place.span(*hit.span()), write=f"write {write}", fix=write)
        return
    if place.masked.count('"') % 2:
        start = place.masked.rindex('"')
        yield found("P0108", place.span(start, len(place.line.rstrip())), write='the closing " is missing')


def _percent_limit(place: Place) -> Iterator[Diagnostic]:
    hit = re.match(r"\s*limit\s+(\d+(?:\.\d+)? ?%)", place.masked)
    if hit:
        yield found("P2004", place.span(*hit.span(1)))


def _each_or_together(place: Place) -> Iterator[Diagnostic]:
    hit = re.match(
        r"\s*get\s+[A-Z]{3} ?\d+(?:\.\d+)?(?:\s+or\s+[A-Z]{3} ?\d+(?:\.\d+)?)*\s+off\s+([a-z][a-z0-9-]*)\s*$",
        place.masked,
    )
    if hit and hit[1] != "per":
        write = f"«off {hit[1]} each» or «off {hit[1]} together»"
        yield found("P0209", place.span(*hit.span(1)), write=write)
    hit = re.match(r"\s*get\s+(?:them|[a-z][a-z0-9-]*)\s+for\s+([A-Z]{3} ?\d+(?:\.\d+)?)\s*$", place.masked)
    if hit:
        bundle = f" or «get them together for {hit[1]}»" if " them " in hit[0] else ""
        yield found("P0209", place.span(*hit.span(1)), write=f"«{hit[1]} each»{bundle}")


def _any_of(place: Place) -> Iterator[Diagnostic]:
    hit = re.match(r"\s*(for|only at)\s+([a-z][a-z0-9-]*(?:\s*,\s*[a-z][a-z0-9-]*)+)", place.masked)
    if hit and hit[2] != "any":
        listed = ", ".join(part.strip() for part in hit[2].split(","))
        write = f"{hit[1]} any of {listed}"
        yield found("P0210", place.span(hit.start(1), hit.end(2)), write=write, fix=write)


def _values(place: Place) -> Iterator[Diagnostic]:
    value = r"(?:[\w-]+|\"[^\"]*\")"
    hit = re.search(rf"\b(is|has)( not)? ({value}(?:\s*,\s*{value})+)\s*$", place.masked)
    if hit:
        word = "has" if hit[1] == "has" else f"is{hit[2] or ''}"
        listed = ", ".join(part.strip() for part in place.line[hit.start(3) : hit.end(3)].split(","))
        write = f"{word} one of {listed}"
        yield found("P0111", place.span(hit.start(1), hit.end(3)), word=f"{word} one of", write=write, fix=write)


_DAYS = {
    "Mon": "Monday Mo Montag",
    "Tue": "Tuesday Tues Di Dienstag",
    "Wed": "Wednesday Mi Mittwoch",
    "Thu": "Thursday Thur Thurs Do Donnerstag",
    "Fri": "Friday Fr Freitag",
    "Sat": "Saturday Sa Samstag",
    "Sun": "Sunday So Sonntag",
}
_SHORT = {word.lower(): day for day, words in _DAYS.items() for word in (day, *words.split())}


def _days(place: Place) -> Iterator[Diagnostic]:
    if not re.match(r"\s*only on\b", place.masked):
        return
    for hit in re.finditer(r"([A-Za-z]+)(?:\s*[-–]\s*([A-Za-z]+))?", place.masked):
        days = [_SHORT.get(word.lower()) for word in hit.groups() if word]
        write = " to ".join(day for day in days if day)
        if None not in days and write != hit.group():
            yield found("P0112", place.span(*hit.span()), write=write, fix=write)


def _bad_names(place: Place) -> Iterator[Diagnostic]:
    hit = re.match(r"\s*(?:promotion|segment|products|places|group|guard|codes|sample)\s+(\S+)(?=\s|$)", place.masked)
    if hit and not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", hit[1]) and not hit[1].startswith(("{", '"', "from")):
        spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", place.line[hit.start(1) : hit.end(1)])
        for umlaut, plain in (
            ("ä", "ae"),
            ("ö", "oe"),
            ("ü", "ue"),
            ("ß", "ss"),
            ("Ä", "ae"),
            ("Ö", "oe"),
            ("Ü", "ue"),
        ):
            spaced = spaced.replace(umlaut, plain)
        write = re.sub(r"-+", "-", re.sub(r"[^a-z0-9]+", "-", spaced.lower())).strip("-")
        if not write or not write[0].isalpha():
            write = f"x-{write}".strip("-")
        yield found("P0213", place.span(*hit.span(1)), write=write)


RECOGNISERS: tuple[Recogniser, ...] = (
    _quotes,  # before all that looks at signs inside them
    _percent_limit,
    _currency_behind,
    _decimal_comma,
    _dates,
    _times,
    _signs,
    _joined_conditions,
    _off,
    _percent_words,
    _each_or_together,
    _any_of,
    _values,
    _days,
    _bad_names,
)


def recognise(place: Place) -> list[Diagnostic]:
    """All wrong forms of a line, those that overlap once."""
    findings: list[Diagnostic] = []
    for recogniser in RECOGNISERS:
        for finding in recogniser(place):
            if not any(_overlap(finding.span, other.span) for other in findings):
                findings.append(finding)
    return findings


def _overlap(a: Span, b: Span) -> bool:
    return a.line == b.line and a.column < b.end_column and b.column < a.end_column
