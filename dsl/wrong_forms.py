"""What people write where the language has another form: `50,00`, `10 €`, `17.09.2026`, `>=`, «or» in a line.

Each row looks at a line that could not be read and answers with findings at the very characters. The rows know nothing of
the grammar; what none of them recognises is left to the parser's own words.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from dsl import limits
from dsl.diagnostics import Diagnostic, Span, found
from dsl.phrases import TAKE_OUT, Phrase, did, guessed, in_quotes, say, to_write
from dsl.spelling import amount
from dsl.zones import known_zones

_SIGNS = {"€": "EUR", "$": "USD", "£": "GBP", "¥": "JPY", "Fr.": "CHF", "zł": "PLN", "Kč": "CZK"}
_CURRENCY_WORDS = {"euro": "EUR", "euros": "EUR", "dollar": "USD", "dollars": "USD", "franken": "CHF", "pounds": "GBP"}
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
    longer = [name for name in candidates if len(word) > 2 and name.startswith(word + "-")]
    if len(longer) == 1:
        return longer[0]
    for candidate in candidates:
        if candidate.replace("-", "") == word.replace("-", "") or candidate == word + "s" or candidate + "s" == word:
            return candidate
    return None


@functools.lru_cache(maxsize=256)
def near_zone(name: str) -> str | None:
    """The time zone that may be meant."""
    return did_you_mean(name, known_zones())


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


def _currency_words(place: Place) -> Iterator[Diagnostic]:
    words = "|".join(_CURRENCY_WORDS)
    for hit in re.finditer(rf"(?<![\w.,])(\d{{1,9}}(?:[.,]\d{{1,2}})?) ?({words})\b", place.masked, re.IGNORECASE):
        write = amount(_CURRENCY_WORDS[hit[2].lower()], Decimal(hit[1].replace(",", ".")))
        yield found("P0102", place.span(*hit.span()), write=write, fix=write)
    for hit in re.finditer(
        r"(?<![\w.,-])(eur|usd|chf|gbp|Eur|Usd|Chf|Gbp) ?(\d{1,9}(?:[.,]\d{1,2})?)(?![\w,])", place.masked
    ):
        write = amount(hit[1].upper(), Decimal(hit[2].replace(",", ".")))
        yield found("P0102", place.span(*hit.span()), write=write, fix=write)
    for hit in re.finditer(r"^\s*get (\d{1,9}(?:\.\d{1,2})?) (?=off\b)", place.masked):
        if "." in hit[1]:
            yield found("P0102", place.span(*hit.span(1)), write=f"EUR {hit[1]}")
        else:
            both = say("{percent}, or an amount: {amount}", percent=f"{hit[1]}%", amount=f"EUR {hit[1]}.00")
            yield found("P0110", place.span(*hit.span(1)), write=both)
    for hit in re.finditer(r"([A-Z]{3}) ?(\d{1,3}(?:,\d{3})+(?:\.\d{1,2})?)(?![\d,])", place.masked):
        write = amount(hit[1], Decimal(hit[2].replace(",", "")))
        yield found("P0101", place.span(*hit.span()), write=write, fix=write)
    for hit in re.finditer(r"([A-Z]{3}) ?(\d{1,9}),[-–—]+", place.masked):
        write = amount(hit[1], Decimal(hit[2]))
        yield found("P0101", place.span(*hit.span()), write=write, fix=write)
    for hit in re.finditer(
        r"(?<=[A-Z]{3} )[-–](?=\d)|(?<=\s)[-–](?=\d+(?:\.\d+)? ?%|[A-Z]{3} ?\d|\d+\b)", place.masked
    ):
        yield found("P0109", place.span(*hit.span()), word=hit[0], advice=say("take it out: «off» takes away"), fix="")


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
        shown: Phrase | str = say("it like 2026-09-17")
        if hit.group(4):
            shown = f"{hit.group(4)}-{int(hit.group(5)):02d}-{int(hit.group(6)):02d}"
        yield found("P0103", place.span(hit.start(), hit.end()), write=shown)
    for hit in re.finditer(r"(?<![\w.:-])(\d{4})-(\d{1,2})-(\d{1,2})(?![\w-])", place.masked):
        year_, month_, day_ = hit.groups()
        write = f"{year_}-{int(month_):02d}-{int(day_):02d}"
        if write != hit.group():
            yield found("P0103", place.span(hit.start(), hit.end()), write=write, fix=write)


_MONTHS = "jan feb mar mär apr may mai jun jul aug sep oct okt nov dec dez".split()
_MONTH_NUMBERS = dict(zip(_MONTHS, (1, 2, 3, 3, 4, 5, 5, 6, 7, 8, 9, 10, 10, 11, 12, 12), strict=True))


def _written_dates(place: Place) -> Iterator[Diagnostic]:
    names = "|".join(_MONTHS)
    day_first = rf"(?P<day>\d{{1,2}})(?:\.|st|nd|rd|th)? (?P<month>{names})[a-zä]*\.?,? (?P<year>\d{{4}})\b"
    month_first = rf"\b(?P<month>{names})[a-zä]*\.? (?P<day>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<year>\d{{4}})\b"
    for form in (day_first, month_first):
        for hit in re.finditer(form, place.masked, re.IGNORECASE):
            write = f"{hit['year']}-{_MONTH_NUMBERS[hit['month'].lower()]:02d}-{int(hit['day']):02d}"
            yield found("P0103", place.span(*hit.span()), write=write, fix=write)
    for hit in re.finditer(r"(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2})(?::\d{2}(?:\.\d+)?)?Z?(?![\w:])", place.masked):
        write = f"{hit[1]} {hit[2]}"
        yield found("P0103", place.span(*hit.span()), write=write, fix=write)


def _zones(place: Place) -> Iterator[Diagnostic]:
    hit = re.match(r"\s*(?:timezone|runs\b.* in) +([A-Za-z][\w+/-]*)\s*$", place.masked)
    if hit and (hit[1] not in known_zones() or "/" not in hit[1]) and hit[1] != "store-time":
        city = hit[1].lower()
        guess = {"utc": "Etc/UTC", "gmt": "Etc/UTC", "cet": "Europe/Berlin", "mez": "Europe/Berlin"}.get(city)
        guess = guess or next((zone for zone in sorted(known_zones()) if zone.lower().endswith("/" + city)), None)
        guess = guess or next((zone for zone in sorted(known_zones()) if zone.lower() == city), None)
        if guess:
            yield found("P1020", place.span(*hit.span(1)), name=hit[1], guess=guessed(guess), fix=guess)


def _hours(place: Place) -> Iterator[Diagnostic]:
    if not re.match(r"\s*only\b", place.masked):
        return
    hit = re.search(r"\b(from|between) +([\d.:]+) +(to|and|until|till) +([\d.:]+)", place.masked)
    whole = hit and [re.fullmatch(r"(\d{1,2})(?:[.:](\d{2}))?", text) for text in (hit[2], hit[4])]
    if hit and whole and all(whole):
        times = [f"{int(time[1]):02d}:{time[2] or '00'}" for time in whole if time]
        write = f"between {times[0]} and {times[1]}"
        if write != " ".join(hit[0].split()):
            what = say("way to write hours")
            yield found("P0106", place.span(*hit.span()), what=what, why=to_write(write), fix=write)
    hit = re.match(r"\s*(only(?: on)?) +between\b", place.masked)
    if hit:
        write = "only on Mon to Sun"
        yield found(
            "P0203",
            place.span(*hit.span(1)),
            advice=say("the days are missing: write «{write}»", write=write),
            fix=write,
        )


def _times(place: Place) -> Iterator[Diagnostic]:
    for hit in re.finditer(r"(?<![\w.:])(\d):(\d{2})(?![\w:])", place.masked):
        write = f"0{hit.group()}"
        what = say("way to write a time")
        yield found("P0106", place.span(hit.start(), hit.end()), what=what, why=to_write(write), fix=write)
    for hit in re.finditer(r"(?<![\w.:])(\d{1,2})(?::(\d{2}))? ?(Uhr|am|pm|AM|PM)\b", place.masked):
        hour = int(hit.group(1)) % 24 + (12 if hit.group(3).lower() == "pm" and int(hit.group(1)) < 12 else 0)
        write = f"{hour:02d}:{hit.group(2) or '00'}"
        what = say("way to write a time")
        yield found("P0106", place.span(hit.start(), hit.end()), what=what, why=to_write(write), fix=write)


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
        advice = say("open   any of {{ ... }}") if block == "any" else say("write two lines; all lines must hold")
        what = say("a block") if block == "any" else say("the next line")
        value = r"([\w-]+|\"[^\"]*\")"
        same = re.search(rf"([a-z-]+\.[a-z-]+) is {value} +or +(?:(?:\1 )?is )?{value} *$", place.line)
        fix = fix_span = None
        if block == "any" and same:
            fix = f"{same[1]} is one of {same[2]}, {same[3]}"
            advice = say("write:   {words}", words=fix)
            fix_span = place.span(same.start(), same.end())
        more = None
        if block == "any":
            more = say("For different attributes open   any of {{ ... }}   with one condition a line.")
        yield found(
            "P0104",
            place.span(*hit.span()),
            word=hit.group(),
            what=what,
            advice=advice,
            more=more,
            fix=fix,
            fix_span=fix_span,
        )
        return


def _signs(place: Place) -> Iterator[Diagnostic]:
    for hit in re.finditer(r"\b(?:isn't|is in\b)|(?<=^  )not(?= [a-z-]+\.)", place.masked):
        yield found("P0105", place.span(*hit.span()), write="is one of" if hit[0] == "is in" else "is not")
    for hit in re.finditer(r">=|=>|≥|<=|=<|≤|!=|<>|≠|==|=|>|<", place.masked):
        write = _COMPARISONS[hit.group()]
        before = place.masked[: hit.start()].rstrip()
        if before.endswith("when basket") and write.startswith("is at"):
            write = write.replace("is ", "is worth ")
        short = write.removeprefix("is ") if before.endswith((" is", " worth", " has")) and write != "is" else write
        yield found("P0105", place.span(*hit.span()), write=short, fix=short)


def _off(place: Place) -> Iterator[Diagnostic]:
    behind = r"(?:discount|Discount|Rabatt|rabatt|reduction)(?: +(?:of|off|on|from|auf))?|of|on|from|auf"
    for hit in re.finditer(rf"(?:\d ?%|[A-Z]{{3}} ?[\d.]+) +({behind})\b", place.masked):
        if place.masked.lstrip().startswith(("get", "from", "variant")):
            yield found("P0107", place.span(*hit.span(1)), fix="off")


def _percent_words(place: Place) -> Iterator[Diagnostic]:
    for hit in re.finditer(r"(?<![\w.])(\d+(?:\.\d+)?) ?(percent|pct|Prozent|per cent)\b", place.masked):
        write = f"{hit.group(1)}%"
        yield found("P0110", place.span(*hit.span()), write=write, fix=write)


def _quotes(place: Place) -> Iterator[Diagnostic]:
    for hit in re.finditer(r"[“„”«»‘’'`][^“„”«»‘’'`]*[“„”«»‘’'`]", place.masked):
        write = f'"{hit.group()[1:-1]}"'
        yield found("P0108", place.span(*hit.span()), advice=to_write(write), fix=write)
        return
    if place.masked.count('"') % 2:
        start = place.masked.rindex('"')
        yield found("P0108", place.span(start, len(place.line.rstrip())), advice=say('the closing " is missing'))


def _percent_limit(place: Place) -> Iterator[Diagnostic]:
    hit = re.match(r"\s*limit\s+(\d+(?:\.\d+)? ?%)", place.masked)
    if hit:
        yield found("P2004", place.span(*hit.span(1)))
    hit = re.match(r"\s*limit +(max\.?|maximum|at most|up to|to)(?= +[\dA-Z])", place.masked)
    if hit:
        yield found(
            "P0109", place.span(*hit.span(1)), word=hit[1], advice=say("take it out: a limit is always the most")
        )
    hit = re.match(r"\s*limit +(once|one|twice|two)\b", place.masked)
    if hit:
        write = "1" if hit[1] in ("once", "one") else "2"
        yield found("P0202", place.span(*hit.span(1)), word=hit[1], advice=to_write(write), fix=write)
    hit = re.match(r"\s*limit\b.*?(per +(day|week|month|year))\s*$", place.masked)
    if hit:
        per = re.search(r"\b(per +(customer|household|store|code)|in +total)\b", place.masked)
        each = in_quotes(f"each {hit[2]}")
        either = say("write «per customer each {period}» or «in total each {period}»", period=hit[2])
        yield found("P0202", place.span(*hit.span(1)), word=hit[1], advice=each if per else either)


def _each_or_together(place: Place) -> Iterator[Diagnostic]:
    hit = re.match(
        r"\s*get\s+[A-Z]{3} ?\d+(?:\.\d+)?(?:\s+or\s+[A-Z]{3} ?\d+(?:\.\d+)?)*\s+off\s+([a-z][a-z0-9-]*)\s*$",
        place.masked,
    )
    if hit and hit[1] != "per":
        write = say("«off {name} each» or «off {name} together»", name=hit[1])
        span = place.span(*hit.span(1))
        yield found("P0209", span, write=write, choices=((span, f"{hit[1]} each"), (span, f"{hit[1]} together")))
    hit = re.match(r"\s*get\s+((them|[a-z][a-z0-9-]*)\s+for\s+([A-Z]{3} ?\d+(?:\.\d+)?))\s*$", place.masked)
    if hit:
        span = place.span(*hit.span(3))
        write = say("«{amount} each»", amount=hit[3])
        choices = [(span, f"{hit[3]} each")]
        if hit[2] == "them":
            write = say("«{amount} each» or «get them together for {amount}»", amount=hit[3])
            choices.append((place.span(*hit.span(1)), f"them together for {hit[3]}"))
        yield found("P0209", span, write=write, choices=tuple(choices))


def _any_of(place: Place) -> Iterator[Diagnostic]:
    hit = re.match(
        r"\s*(for|only at)\s+([a-z][a-z0-9-]*(?:(?:\s*,\s*|\s+(?:or|and)\s+)[a-z][a-z0-9-]*)+)", place.masked
    )
    if hit and hit[2] != "any":
        listed = ", ".join(re.split(r"\s*,\s*|\s+(?:or|and)\s+", hit[2]))
        write = f"{hit[1]} any of {listed}"
        yield found(
            "P0210", place.span(hit.start(1), hit.end(2)), write=write, fix=None if " and " in hit[2] else write
        )
    hit = re.match(r"\s*for +((?:customer|store|basket)\.[a-z-]+.*\S)", place.masked)
    if hit:
        advice = say("name a segment here; a segment asks   customer.tier is gold")
        yield found("P0202", place.span(*hit.span(1)), word=place.line[hit.start(1) : hit.end(1)], advice=advice)


_LENGTH = r"\d+ +(?:minutes?|hours?|days?|weeks?|months?|years?)"
_EVENTS = r"[a-z][a-z0-9-]*(?: +of +[a-z][a-z0-9-]*)?"
_COUNT = r"(?:at least|at most|exactly) +\d+|between +\d+ +and +\d+|no"


def _events(place: Place) -> Iterator[Diagnostic]:
    hit = re.match(rf"\s*(last +({_EVENTS}) +is +(more|less) +than +({_LENGTH}) +ago)\s*$", place.masked)
    if hit:
        count = "no" if hit[3] == "more" else "at least 1"
        write = f"{count} {hit[2]} in the last {hit[4]}"
        yield found("P0114", place.span(*hit.span(1)), write=write, fix=write)
    hit = re.match(rf"\s*((?:when +)?(?:{_COUNT}) +{_EVENTS})\s*$", place.masked)
    if hit:
        yield found("P0115", place.span(*hit.span(1)), write=f"{hit[1]} in the last 12 months")
    hit = re.match(
        rf"\s*(?:when +)?(?:(?:{_COUNT}) +{_EVENTS}|sum of +\S+(?: +of +\S+)?) +"
        rf"((?:(?:with)?in|during|over)?(?: +the)?(?: *\b(?:last|past))? *\b({_LENGTH}))",
        place.masked,
    )
    if hit and not re.match(rf"in +the +last +{_LENGTH}$", hit[1]):
        write = f"in the last {hit[2]}"
        yield found("P0202", place.span(*hit.span(1)), word=hit[1], advice=in_quotes(write), fix=write)


def _basket(place: Place) -> Iterator[Diagnostic]:
    hit = re.match(r"\s*when +basket +((?:contains|includes|has) +([a-z][a-z0-9-]*))\s*$", place.masked)
    if hit:
        fix = f"has at least 1 of {hit[2]}"
        yield found("P0202", place.span(*hit.span(1)), word=hit[1], advice=in_quotes(fix), fix=fix)


def _for_all(place: Place) -> Iterator[Diagnostic]:
    hit = re.match(r"\s*((für|fuer) +(?:alle|jeden|jede))\s*$", place.masked)
    if hit:
        all_, fix = place.span(*hit.span(1)), "for everyone"
        what = say("a promotion")
        yield found("P0201", place.span(*hit.span(2)), word=hit[2], what=what, did=did(fix), fix=fix, fix_span=all_)


def _targets(place: Place) -> Iterator[Diagnostic]:
    """What a reward takes something off."""
    hit = re.match(
        r"\s*get\b.*\boff +([a-z][a-z0-9-]*(?:(?:\s*,\s*|\s+and\s+)[a-z][a-z0-9-]*)+)\s*(?:each|together)?\s*$",
        place.masked,
    )
    if hit and not re.search(r",\s*fewer too|\bevery\b", place.masked):
        advice = say("name one set; a set may hold   any of {{ in ..., in ... }}   with one a line")
        yield found("P0202", place.span(*hit.span(1)), word=hit[1], advice=advice)
    hit = re.match(r"\s*get\b.*\boff +(all|the)(?= +(?!basket|cheap|dearest|fee)[a-z])", place.masked)
    if hit:
        yield found("P0109", place.span(*hit.span(1)), word=hit[1], advice=TAKE_OUT)
    hit = re.match(r"\s*get +((?:the )?(?:cheapest|dearest)(?: one)?)(?= +(?:free|\d))", place.masked)
    if hit and not re.match(r"the (?:cheapest|dearest)(?= +\d)", place.masked[hit.start(1) :]):
        word = (
            "the "
            + hit[1].removeprefix("the ").split()[0]
            + ("" if place.masked[hit.end(1) :].lstrip()[0].isdigit() else " 1")
        )
        yield found("P0202", place.span(*hit.span(1)), word=hit[1], advice=in_quotes(word), fix=word)
    hit = re.match(r"\s*get +((\d+) free)\s*$", place.masked)
    if hit:
        fix = f"the cheapest {hit[2]} free"
        yield found("P0202", place.span(*hit.span(1)), word=hit[1], advice=in_quotes(fix), fix=fix)
    hit = re.match(r"\s*get +([a-z][a-z0-9-]*) (free|half price)\s*$", place.masked)
    if hit and hit[1] != "free":
        percent = "100%" if hit[2] == "free" else "50%"
        fix = f"{percent} off {hit[1]}"
        yield found("P0202", place.span(hit.start(1), hit.end(2)), word=hit[2], advice=in_quotes(fix), fix=fix)
    hit = re.match(r"\s*get +((\d+) for (\d+)\b.*\S)", place.masked)
    if hit:
        free = int(hit[2][:6]) - int(hit[3][:6])
        first, second = f"buy {hit[2]} of ...", f"get the cheapest {max(free, 1)} free"
        advice = say("write two lines:   {first}   and   {second}", first=first, second=second)
        yield found("P0202", place.span(*hit.span(1)), word=hit[1], advice=advice)


_UNIT_WORDS = {
    "kg": "kilo kilos kilogram kilogramm kilograms",
    "g": "gram gramm grams",
    "l": "liter litre liters litres",
    "m": "meter metre meters metres",
    "lb": "pound pounds",
    "gal": "gallon gallons",
}
_UNITS = {word: unit for unit, words in _UNIT_WORDS.items() for word in words.split()}


def _per(place: Place) -> Iterator[Diagnostic]:
    """A price for a piece or a measure."""
    hit = re.search(r"(?:\bfor [A-Z]{3} ?[\d.]+|\boff) +(per +(?:(\d+) +)?([a-zA-Zü]+))", place.masked)
    if not hit or (hit[2] in (None, "100") and hit[3] in _UNIT_WORDS):
        return
    unit = _UNITS.get(hit[3].lower(), hit[3])
    write = "each" if unit not in _UNIT_WORDS and unit not in ("ml", "oz") else f"per {unit}"
    fix = None if hit[2] else write
    advice = in_quotes(write)
    if hit[2] and write != "each":
        advice = say("write «per {unit}» or «per 100 {unit}»", unit=unit)
    yield found("P0202", place.span(*hit.span(1)), word=hit[1], advice=advice, fix=fix)


def _comment_signs(place: Place) -> Iterator[Diagnostic]:
    hit = re.match(r"\s*(//|/\*|--|;|\*)", place.masked)
    if hit:
        yield found("P0109", place.span(*hit.span(1)), word=hit[1], advice=say("a comment begins with   #"))


def _bare_texts(place: Place) -> Iterator[Diagnostic]:
    """A text that was written without quotes; known by its capital or a letter that no name has."""
    compared = r"^\s*(?:when +|given +)?(?:item|customer|store|delivery|basket)\.[a-z0-9-]+ +(?:is(?: not| under)?|has|starts with) +"
    hit = re.match(
        compared + r"((?!not |one |at |more |less |between |before |after |under |listed )[^\s\",{}0-9][^\",{}]*)$",
        place.masked,
    )
    text = hit[1].rstrip() if hit else ""
    if hit and text and not re.search(r"[€$£<>=]|\b(or|and|is)\b", text) and re.search(r"[^a-z0-9 .-]", text):
        if re.fullmatch(r"[A-Z]{2}|[A-Z]{3} ?[\d.,-]+", text):
            return
        write = f'"{text}"'
        choice = re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", text)  # «Gold» may be meant as the choice «gold»
        advice = to_write(write)
        if choice:
            advice = say("write {words}; a choice of the schema is   {word}", words=write, word=text.lower())
        span = place.span(hit.start(1), hit.start(1) + len(text))
        yield found("P0108", span, advice=advice, fix=None if choice else write)


def _values(place: Place) -> Iterator[Diagnostic]:
    value = r"(?:[\w-]+|\"[^\"]*\")"
    hit = re.search(rf"\b(is|has)( not)? ({value}(?:\s*,\s*{value})+)\s*$", place.masked)
    if hit:
        word = "has" if hit[1] == "has" else f"is{hit[2] or ''}"
        listed = ", ".join(part.strip() for part in place.line[hit.start(3) : hit.end(3)].split(","))
        write = f"{word} one of {listed}"
        yield found("P0111", place.span(hit.start(1), hit.end(3)), word=f"{word} one of", write=write, fix=write)


_DAYS = {
    "Mon to Fri": "weekdays weekday workdays werktags",
    "Sat, Sun": "weekend weekends Wochenende",
    "Mon": "Monday Mo Montag",
    "Tue": "Tuesday Tues Di Dienstag",
    "Wed": "Wednesday Mi Mittwoch",
    "Thu": "Thursday Thur Thurs Do Donnerstag",
    "Fri": "Friday Fr Freitag",
    "Sat": "Saturday Sa Samstag",
    "Sun": "Sunday So Sonntag",
}
_SHORT = {word.lower(): day for day, words in _DAYS.items() for word in (day, *words.split())} | {"mon": "Mon"}


def day_named(word: str) -> str | None:
    """The day that a word names: «Mittwoch», «wednesday»."""
    return _SHORT.get(word.lower())


def _days(place: Place) -> Iterator[Diagnostic]:
    if not re.match(r"\s*only on\b", place.masked):
        return
    for hit in re.finditer(r"([A-Za-z]+)(?:\s*[-–]\s*([A-Za-z]+))?", place.masked):
        days = [day_named(word) for word in hit.groups() if word]
        write = " to ".join(day for day in days if day)
        if None not in days and write != hit.group():
            yield found("P0112", place.span(*hit.span()), write=write, fix=write)


def _bad_names(place: Place) -> Iterator[Diagnostic]:
    hit = re.match(
        r"\s*(?:promotion|segment|products|places|group|guard|codes|sample)\s+([^\s,]+)(?=\s|$)", place.masked
    )
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
    _comment_signs,
    _percent_limit,
    _currency_words,
    _currency_behind,
    _decimal_comma,
    _dates,
    _written_dates,
    _zones,
    _hours,  # both hours at once, before each of them
    _times,
    _signs,
    _joined_conditions,
    _events,
    _off,
    _percent_words,
    _each_or_together,
    _any_of,
    _for_all,
    _basket,
    _targets,
    _per,
    _values,
    _bare_texts,
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
