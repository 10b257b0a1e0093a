"""What flyers say and people write as it stands there: «buy 3 get 1 free», «budget EUR 500», «every Wednesday».

Each row looks at a line that nothing else could explain and answers with the lines of the language that say it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from dsl.diagnostics import Diagnostic, found
from dsl.phrases import TAKE_OUT, Phrase, in_quotes, say
from dsl.wrong_forms import Place, day_named

_NAME = r"[a-z][a-z0-9-]*"
_NAMES = rf"{_NAME}(?:, *{_NAME})*"
_MONEY = r"[A-Z]{3} ?\d+(?:\.\d+)?"
_AT_LEAST = r"(?:over|above|more than|from|min\.?|minimum|at least|of at least)"
_PIECE = r"(?: one| pair| piece| item)?"
_LIMIT = r"(?:limit )?(?:max\.?|maximum|at most|up to|only)? ?(?:(?P<n>\d+)|once|one)(?: uses?| times?| x)? per "
_HALF = r"(?:half price|for half price|at half price|half off|at 50 ?%|50 ?% off)"


@dataclass(frozen=True, slots=True)
class _Row:
    """A form; `shown` is what stands under the carets, by its group, else the whole line."""

    block: str
    form: str
    advice: Callable[[re.Match[str]], Phrase | None]
    fix: str | None = None  # with the groups of the form, where only one thing can be meant


def _one(write: str) -> Callable[[re.Match[str]], Phrase | None]:
    return lambda hit: in_quotes(hit.expand(write))


def _two(first: str, second: str) -> Callable[[re.Match[str]], Phrase | None]:
    return lambda hit: say(
        "write two lines:   {first}   and   {second}", first=hit.expand(first), second=hit.expand(second)
    )


def _either(one: str, other: str) -> Callable[[re.Match[str]], Phrase | None]:
    return lambda hit: say("write «{one}» or «{other}»", one=hit.expand(one), other=hit.expand(other))


def _free(hit: re.Match[str]) -> Phrase:
    """«Buy 3 get 1 free» is four pieces; the free ones belong to those that are bought."""
    pieces = int(hit["n"]) + int(hit["free"])
    first, second = f"buy {pieces} of {hit['set'] or '...'}", f"get the cheapest {hit['free']} free"
    return say("write two lines:   {first}   and   {second}", first=first, second=second)


def _from(hit: re.Match[str]) -> Phrase:
    number, name = hit["n"], hit["set"]
    return say(
        "write   {one}   for each full {number}, or   {all}   for all of them",
        one=f"buy {number} of {name}",
        number=number,
        all=f"when basket has at least {number} of {name}",
    )


def _code(hit: re.Match[str]) -> Phrase:
    return say(
        "write «with code from NAME»; NAME is a block   codes NAME   with a line   code {text}", text=hit["code"]
    )


def _on_day(hit: re.Match[str]) -> Phrase | None:
    day = day_named(hit["day"].removesuffix("s")) or day_named(hit["day"])
    return in_quotes(f"only on {day}") if day else None


def _row(block: str, form: str, write: str | Callable[[re.Match[str]], Phrase | None], *, fix: bool = True) -> _Row:
    if isinstance(write, str):
        return _Row(block, form, _one(write), write if fix else None)
    return _Row(block, form, write)


_ROWS: tuple[_Row, ...] = (
    # ---- when and where
    _row("promotion", r"(?P<shown>(?:valid )?from)(?= +\d{4}-)", "runs from"),
    _row("promotion", r"(?P<shown>valid|runs)(?= +\d{4}-)", "runs from"),
    _row("promotion", r"runs from .*\d (?P<shown>on|onwards?)$", lambda _: TAKE_OUT),
    _row("promotion", r"runs (?:always|forever|for ever|without end)$", "runs from 2026-01-01", fix=False),
    _row("promotion", r"(?P<shown>daily|every day)(?= +(?:between|from) )", "only on Mon to Sun", fix=False),
    _row("promotion", r"(?:every|each|on|only|only every) (?P<day>[A-Za-z]+)$", _on_day),
    _row("promotion", r"(?:sold )?(?:in|on|at|via) (?:all |the )*(?P<names>[a-z].*)$", r"sold in \g<names>", fix=False),
    # ---- for whom
    _row("promotion", rf"(?:only )?for (?:all )?(?P<name>{_NAME})(?: only)?$", r"for \g<name>"),
    _row("promotion", r'(?:with |for )?(?:coupon|voucher|code|with code) (?:code )?(?P<code>"[^"]*")$', _code),
    _row("promotion", rf"with (?:coupon|voucher|code) (?P<name>{_NAME})$", r"with code from \g<name>"),
    # ---- conditions
    _row(
        "promotion",
        rf"(?:spend|minimum order|min order|minimum spend|{_AT_LEAST}) (?P<money>{_MONEY})(?: or more)?$",
        r"when basket is worth at least \g<money>",
    ),
    _row(
        "promotion",
        rf"when (?:basket|total|the basket|the total|order)(?: value)? is (?:worth )?(?:{_AT_LEAST} )?"
        rf"(?P<money>{_MONEY})(?: or more)?$",
        r"when basket is worth at least \g<money>",
    ),
    # ---- buy
    _row(
        "promotion",
        rf"buy (?P<n>\d{{1,6}})(?: of)?(?: (?P<set>{_NAME}))?,? (?:and )?get (?P<free>\d{{1,6}})(?: for)? free$",
        _free,
    ),
    _row(
        "promotion",
        rf"(?:buy|get) (?:any )?(?P<n>\d+) (?:of )?(?P<set>{_NAME}) (?:together )?for (?P<money>{_MONEY})$",
        _two(r"buy \g<n> of \g<set>", r"get them together for \g<money>"),
    ),
    _row(
        "promotion",
        rf"(?:buy )?(?:at least|from|min|minimum) (?P<n>\d+) (?:of )?(?P<set>{_NAME})$",
        _from,
    ),
    _row("promotion", rf"buy (?P<n>\d+)(?: or more|\+) (?:of )?(?P<set>{_NAME})$", _from),
    _row(
        "promotion",
        rf"buy (?:any )?(?P<n>\d+)(?: ?x)?(?: any)? (?:of )?(?:any )?(?P<set>(?!of){_NAME})$",
        r"buy \g<n> of \g<set>",
    ),
    # ---- get
    _row(
        "promotion",
        rf"get (?:the )?(?:2nd|second){_PIECE} {_HALF}$|^get {_HALF} (?:on |for )?the (?:2nd|second|cheaper){_PIECE}$",
        _two("buy 2 of ...", "get 50% off the cheapest 1"),
    ),
    _row(
        "promotion",
        r"get (?P<percent>\d+(?:\.\d+)?%) off the cheap(?:est|er)(?: one)?$",
        r"get \g<percent> off the cheapest 1",
    ),
    _row("promotion", rf"get half price (?:on|off|for) (?P<set>{_NAME})$", r"get 50% off \g<set>"),
    _row("promotion", r"get (?:one|it) (?:for )?free$", "get the cheapest 1 free"),
    _row(
        "promotion",
        rf"get (?P<reward>.* off {_NAME}(?: each| together)?),? (?:except|but not|excluding|excl\.?|without) "
        rf"(?P<set>{_NAMES})$",
        _two(r"get \g<reward>", r"except \g<set>"),
    ),
    _row(
        "promotion",
        r"get (?P<percent>\d+(?:\.\d+)?%)(?: off)?$",
        _either(r"get \g<percent> off the basket", r"get \g<percent> off them"),
    ),
    _row(
        "promotion",
        rf"get (?P<money>{_MONEY})(?: off)?$",
        _either(r"get \g<money> off the basket", r"get \g<money> off them together"),
    ),
    _row("promotion", rf"get (?P<set>{_NAME}) at (?P<money>{_MONEY})$", r"get \g<set> for \g<money> each"),
    _row(
        "promotion",
        rf"get (?:the )?price (?:of )?(?P<money>{_MONEY}) (?:for|on) (?P<set>{_NAME})$",
        r"get \g<set> for \g<money> each",
    ),
    _row(
        "promotion",
        rf"get (?P<set>{_NAME}) for (?P<money>{_MONEY}) ?/ ?(?P<unit>(?:100 ?)?(?:kg|g|l|ml|m))$",
        r"get \g<set> for \g<money> per \g<unit>",
    ),
    _row("promotion", r"(?:get )?double points$", "get 2 times points on the basket", fix=False),
    _row("promotion", r"(?:get )?(?:triple points|3x points)$", "get 3 times points on the basket", fix=False),
    _row(
        "promotion",
        r"(?:free shipping|free delivery|no shipping costs|no delivery costs)$",
        "get free SERVICE",
        fix=False,
    ),
    _row("promotion", r"(?P<reward>\d+(?:\.\d+)?% off .*|free [a-z][a-z0-9-]*)$", r"get \g<reward>"),
    # ---- exceptions, limits, stacking, texts
    _row(
        "promotion",
        rf"(?:excluded|excluding|excludes|exclude|without|not on|not for|no|but not)(?: on)?:? (?P<sets>{_NAMES})$",
        r"except \g<sets>",
    ),
    _row("promotion", rf"except [a-z0-9, -]*?[a-z0-9](?P<shown>,? and)(?= {_NAME}$)", ","),
    _row("promotion", r'except (?P<shown>".*")$', lambda _: say("name a product set here")),
    _row(
        "promotion",
        _LIMIT + r"(?:customer|person|shopper|head)$",
        lambda hit: in_quotes(f"limit {hit['n'] or 1} per customer"),
    ),
    _row(
        "promotion",
        _LIMIT + r"(?:basket|order|receipt|purchase|visit)$",
        lambda hit: in_quotes(f"limit {hit['n'] or 1} per basket"),
    ),
    _row("promotion", rf"(?:limit )?(?:total )?budget:?(?: of)? (?P<money>{_MONEY})$", r"limit \g<money> in total"),
    _row("promotion", rf"limit (?P<money>{_MONEY})(?: total| overall| altogether)?$", r"limit \g<money> in total"),
    _row(
        "promotion",
        r"funded .*?by (?P<shown>(?:the )?(?:seller|marketplace partner|partner)(?: +\w+)?)$",
        'partner "..."',
        fix=False,
    ),
    _row(
        "promotion", r"not (?:combinable|combined|stackable|combine) ?with (?P<names>[a-z].*)$", r"not with \g<names>"
    ),
    _row("promotion", r"(?:not combinable|not stackable|no stacking)$", _either("not with NAME", "exclusive")),
    _row("promotion", r'(?P<kind>label|terms|hint) (?P<text>"[^"]*")$', r"\g<kind> en \g<text>", fix=False),
    # ---- sets and segments
    _row("products", r"item\.[a-z-]+ (?P<shown>under)(?= )", "is under"),
    _row("products", r"item\.[a-z-]+ (?P<shown>(?:is )?in)(?= )", "is one of"),
    _row("products", r".*\bis (?:not )?one of (?P<shown>[\[(].*[\])])$", lambda hit: in_quotes(hit["shown"][1:-1])),
    _row("products", r"(?:all|all items|everything|all articles|all products)$", "item.sku is known"),
    _row(
        "segment",
        r"(?:customer )?(?:has not ordered (?:for|in)(?: the last)?|no orders? (?:for|since)) "
        r"(?P<time>\d+ [a-z]+)(?: ago)?$",
        r"no orders in the last \g<time>",
    ),
    _row("segment", r"(?:customer )?(?:has )?(?:0|no) orders?(?: yet)?$", "no orders so far"),
    _row(
        "segment",
        r"customer\.(?P<name>[a-z-]+) is this (?P<span>week|month)$",
        r"anniversary of customer.\g<name> is this \g<span>",
    ),
    _row(
        "segment",
        r"customer\.(?P<name>[a-z-]+) is within (?P<time>\d+ days)$",
        r"anniversary of customer.\g<name> is within \g<time> of today",
    ),
    _row("segment", r"customer is (?P<value>[a-z-]+)$", r"customer.kind is \g<value>", fix=False),
    # ---- tests
    _row("test", r"(?:on|at) (?P<date>\d{4}-\d{2}-\d{2})$", r"at \g<date> 12:00"),
    _row("test", r"(?:sold )?(?:in|on|at) (?P<name>[a-z][a-z0-9-]*)$", r"sold in \g<name>"),
    _row("test", r"(?P<fact>(?:customer|store|basket|delivery)\.[a-z-]+ is .*)$", r"given \g<fact>"),
    _row(
        "test",
        rf"(?:buy|buys)? ?(?P<n>\d+) ?(?:x|of|×)? ?(?P<name>{_NAME})(?P<price> for .*)?$",
        r"buys \g<n> x \g<name>\g<price>",
    ),
    _row("test", rf"buys? (?P<size>\d+(?:\.\d+)? (?:kg|g|l|ml|m)) (?P<name>{_NAME})$", r"buys \g<size> of \g<name>"),
    _row("test", rf"buys? (?P<name>{_NAME})$", r"buys 1 x \g<name>"),
    _row(
        "test",
        rf"expect (?P<what>total|{_NAME} costs|{_NAME} saves) (?:is|are|of) (?P<money>{_MONEY})$",
        r"expect \g<what> \g<money>",
    ),
    _row("test", r"expect .* applies (?P<shown>one time)$", "once"),
    _row("test", r"expect .* applies (?P<shown>twice|two times)$", "2 times"),
    _row(
        "test",
        r"expect (?:nothing|no discount|no promotion|no deal|no discounts)(?: applied)?$",
        "expect nothing applies",
    ),
    _row("test", rf"expect (?:not |no )(?P<name>{_NAME})$", r"expect \g<name> does not apply"),
    _row(
        "test",
        rf"expect (?P<name>{_NAME}) (?:is not applied|not applied|does not|not|doesn't apply)$",
        r"expect \g<name> does not apply",
    ),
    _row("test", rf"expect (?P<name>{_NAME})(?: is)?(?: applied| apply)?$", r"expect \g<name> applies"),
    _row(
        "test",
        rf"expect (?:saves|discount|saving|discount of) (?P<money>{_MONEY})$",
        r"expect PROMOTION saves \g<money>",
        fix=False,
    ),
    _row("test", r'(?:with |given |enters )?(?:code|coupon|with code) (?P<code>"[^"]*")$', r"given code \g<code>"),
)


def promised(place: Place, block: str) -> list[Diagnostic]:
    """What a line of a flyer is in the language; of the block that it stands in."""
    start = len(place.line) - len(place.line.lstrip())
    line = place.line[: len(place.masked.rstrip())].strip()
    if not line or len(line) > 200:
        return []
    for row in _ROWS:
        if row.block != block and (row.block, block) != ("products", "places"):
            continue
        hit = re.match(row.form, line)
        advice = row.advice(hit) if hit else None
        if hit is None or advice is None:
            continue
        group: str | int = "shown" if "shown" in hit.re.groupindex else 0
        fix = hit.expand(row.fix) if row.fix is not None else None
        word = hit[group]
        if fix == word:
            continue
        span = place.span(start + hit.start(group), start + hit.end(group))
        return [found("P0202", span, word=word, advice=advice, fix=fix)]
    return []
