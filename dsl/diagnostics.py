"""What can be wrong with a text: where, which code, one plain sentence, and the words that mend it.

Every message stands in TABLE, once; every code has a page in `explain/`. A finding is made by `found`, shown by `render`.

    P01xx  forms: amounts, dates, signs       P1xxx  names                 P4xxx  law
    P02xx  lines, words and braces            P2xxx  types and amounts     P5xxx  texts for people
    P03xx  sizes                              P3xxx  meaning               P6xxx  the ruleset as a whole
    P7xxx  tests                              P9xxx  not built yet
"""

from __future__ import annotations

import importlib.resources
import textwrap
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Literal, TypedDict, Unpack, cast

from dsl.phrases import Language, Phrase, Value, filled, say

Severity = Literal["error", "warning", "note"]
SEVERITIES: dict[Severity, Phrase] = {"error": say("error"), "warning": say("warning"), "note": say("note")}


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A piece of a file. Lines and columns count from 1; the end column is the first that is out."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int


Edit = tuple[Span, str]


@dataclass(frozen=True, slots=True)
class Fix:
    """Replace the span by the text, and others that have the same cause by theirs: safe to apply by machine."""

    span: Span
    text: str
    more: tuple[Edit, ...] = ()

    @property
    def edits(self) -> tuple[Edit, ...]:
        """All that it replaces."""
        return (self.span, self.text), *self.more


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding: a row of TABLE, what fills its gaps, and where. `also`: other lines that it speaks of.

    `choices`: where it can be mended in several ways, of which only its author knows the right one."""

    code: str
    span: Span
    values: tuple[tuple[str, Value], ...] = ()
    fix: Fix | None = None
    also: tuple[Span, ...] = ()
    choices: tuple[Edit, ...] = ()

    def words(self, language: Language = "en") -> Text:
        """What it says: `mark` stands beside the carets, `help` on lines of its own."""
        row = TABLE[self.code]
        message, mark, help_ = (
            filled(part, self.values, language).strip() for part in (row.message, row.mark, row.help)
        )
        return Text(row.severity, message, mark, help_)

    @property
    def severity(self) -> Severity:
        """How grave it is."""
        return TABLE[self.code].severity

    @property
    def message(self) -> str:
        """The sentence, in English."""
        return self.words().message

    @property
    def mark(self) -> str:
        """The words beside the carets, in English."""
        return self.words().mark

    @property
    def help(self) -> str:
        """What stands below, in English."""
        return self.words().help

    def as_data(self, language: Language = "en") -> dict[str, object]:
        """The same for programs; docs/tools.md names the fields."""
        words = self.words(language)
        return {
            "code": self.code,
            "severity": words.severity,
            "span": asdict(self.span),
            "message": words.message,
            "mark": words.mark,
            "help": words.help,
            "fix": [{"span": asdict(span), "text": text} for span, text in self.fix.edits] if self.fix else [],
            "choices": [{"span": asdict(span), "text": text} for span, text in self.choices],
            "also": [asdict(span) for span in self.also],
        }


class Gaps(TypedDict, total=False):
    """What rows leave open. Texts stand as they are in every language: names, values, words of the language, lines to
    write. What is ours to say, and to translate, is a phrase."""

    advice: Phrase | None  # what to do, where it is more than a line to write
    begins: str | Phrase
    can: Phrase | None
    circle: str
    column: str
    count: int | str
    currency: str | Phrase
    did: Phrase | None  # « Did you mean …?», after a sentence
    digits: int | Phrase
    ends: str
    first: str
    gives: str
    group: str
    guess: Phrase | None  # «did you mean …?», on its own
    hint: Phrase | None
    known: Phrase | tuple[str | Phrase, ...] | None  # what would fit here
    language: str
    languages: tuple[str, ...]
    least: int | Decimal | Phrase
    line: int
    more: Phrase | None
    most: int | str
    name: str
    op: str
    other: str | Phrase
    others: Phrase | None  # how many other lines have the same cause
    row: int
    set: str
    size: int | Decimal
    type: Phrase
    value: str
    what: Phrase
    where: Phrase | None
    whose: Phrase
    why: Phrase
    word: str
    write: str | Phrase  # a line or a part of one, as it should be written


@dataclass(frozen=True, slots=True)
class Text:
    """A row of TABLE: the sentence, the words beside the carets, the help. Its gaps are those of `Gaps`."""

    severity: Severity
    message: str
    mark: str = ""
    help: str = ""


def _error(message: str, mark: str = "", help: str = "") -> Text:  # noqa: A002 - the word of the language's reports
    return Text("error", message, mark, help)


def _warning(message: str, mark: str = "", help: str = "") -> Text:  # noqa: A002 - as above
    return Text("warning", message, mark, help)


def _note(message: str, mark: str = "", help: str = "") -> Text:  # noqa: A002 - as above
    return Text("note", message, mark, help)


def _later(what: str, help: str = "") -> Text:  # noqa: A002 - as above
    return Text("error", f"{what} not built yet.", "this line cannot take force", help)


TABLE: dict[str, Text] = {
    # ---- forms
    "P0101": _error(
        "Amounts use a point.",
        "write {write}",
        "Receipts still print it in the reader's own way, with a comma in German.",
    ),
    "P0102": _error("An amount begins with the code of its currency.", "write {write}"),
    "P0103": _error("Dates are year-month-day.", "write {write}"),
    "P0104": _error(
        "One condition a line; «{word}» is {what}.",
        "{advice}",
        "{more}",
    ),
    "P0105": _error("Comparisons are written in words.", "write «{write}»"),
    "P0106": _error("There is no such {what}.", "{why}"),
    "P0107": _error("A reward is taken «off» something.", "write «off»"),
    "P0108": _error('Texts stand between straight quotes, "like this", on one line.', "{advice}"),
    "P0109": _error("«{word}» has no meaning here.", "{advice}"),
    "P0110": _error("A percentage is a number and the sign %.", "write {write}"),
    "P0111": _error("Several values are «{word}».", "write:   {write}"),
    "P0112": _error("Days are Mon, Tue, Wed, Thu, Fri, Sat, Sun; several in a row are «Mon to Fri».", "write {write}"),
    "P0113": _error("Placeholders stand between braces, like {{saved}}.", "{advice}"),
    "P0114": _error(
        "Events are counted: those who never had one belong to «no».",
        "write «{write}»",
        "«last … is more than 3 days ago» would leave out those who never did it.",
    ),
    "P0115": _error(
        "Say in which time events are counted.",
        "write:   {write}",
        "Or   this year,   since 2026-01-01,   so far.",
    ),
    # ---- lines, words and braces
    "P0201": _error("«{word}» is not {what} line.{did}", "{advice}", "{known}"),
    "P0202": _error("«{word}» does not fit here.{did}", "{advice}", "{known}"),
    "P0203": _error("This line breaks off.", "{advice}", "{known}"),
    "P0204": _error("«{word}» begins nothing that can stand in a file.{did}", "{advice}", "{known}"),
    "P0205": _error("This block is never closed.", "its   }}   is missing"),
    "P0206": _error("This   }}   closes nothing.", "take it out, or look for a missing   {{   above"),
    "P0207": _error("There is nothing in this block.", "write at least one line, or take the block out"),
    "P0208": _error("Two words are glued together.", "write «{write}»"),
    "P0209": _error(
        "Say whether the amount is for each piece or for all together.",
        "write {write}",
    ),
    "P0210": _error(
        "Several are always «any of».",
        "write «{write}»",
        "For those that are in both, write a segment or places with two lines.",
    ),
    "P0211": _error("«is not {word}» would compare with a value called «{word}».", "write «{write}»"),
    "P0213": _error("Names are small letters, digits and single hyphens, a letter first.", "write «{write}»"),
    "P0214": _error("A promotion has one «{word}» line, and this is the second.", "take one out", "{known}"),
    # ---- sizes
    "P0301": _error(
        "This file is too large: {size} bytes; a file may have {most}.",
        "",
        "Split it: all files of a project are read as one.",
    ),
    "P0302": _error(
        "This block is nested too deep; {most} levels are enough for every rule seen so far.",
        "",
        "Name the inner part as a set or segment of its own.",
    ),
    "P0303": _error("This name is too long: {size} characters; a name may have {most}.", "shorten it"),
    "P0304": _error(
        "This list is too long: {size} entries; a list may have {most}.",
        "",
        'Put the entries into a file: is listed in "lists/….csv".',
    ),
    "P0305": _error(
        "This line is too long: {size} characters; a line may have {most}.", "", "A line may go on after a comma."
    ),
    "P0306": _error("This file is not text in UTF-8.", "the first byte that does not fit is here", "Save it as UTF-8."),
    "P0307": _error("More findings follow in this declaration; mend these first."),
    "P0308": _error("This text is too long: {size} characters; a text may have {most}.", "shorten it"),
    "P0309": _error("This number is too large.", "{why}"),
    # ---- names
    "P1001": _error("There is no product set «{name}».", "{guess}{where}", "{others}"),
    "P1002": _error("There is no segment «{name}».", "{guess}{where}", "{others}"),
    "P1003": _error("There are no places «{name}».", "{guess}{where}", "{others}"),
    "P1004": _error("{whose} no «{name}».{did}", "known: {known}", "{others}"),
    "P1005": _error(
        "Nothing is known as «{name}».{did}", "rules ask about customer, item, basket, store and delivery", "{others}"
    ),
    "P1006": _error("There is no group «{name}».", "{guess}{where}", "{others}"),
    "P1007": _error("There is no code set «{name}».", "{guess}{where}", "{others}"),
    "P1008": _error("There is no channel «{name}».", "{guess}", "{others}"),
    "P1009": _error("There is no consent «{name}».", "{guess}", "{others}"),
    "P1010": _error("There is no service «{name}».", "{guess}", "{others}"),
    "P1011": _error("There is no means of payment «{name}».", "{guess}", "{others}"),
    "P1012": _error("There is no promotion «{name}».", "{guess}{where}", "{others}"),
    "P1013": _error("There is no sample «{name}».", "{guess}{where}", "{others}"),
    "P1014": _error("There is no file «{name}».", "{guess}", "Files are named from the project's directory."),
    "P1015": _error("«{name}» is declared twice.", "the first is {where}", "{hint}"),
    "P1016": _error(
        "«{name}» is a word of the language in this place.",
        "choose another name",
        "Words that no {what} can be called: {known}.",
    ),
    "P1018": _error("The file «{name}» cannot be read: {why}.", "", "{hint}"),
    "P1019": _error("«{value}» in column «{column}» does not fit: {why}.", "line {row} of {name}", "{hint}"),
    "P1020": _error("There is no time zone «{name}».", "{guess}", "{others}"),
    "P1021": _error("A project has one «{word}».", "the first is {where}", "{hint}"),
    "P1022": _error("There is no type «{name}».{did}", "known: {known}"),
    "P1023": _error("There is no event «{name}».", "{guess}", "{others}"),
    "P1024": _error("There is no price list «{name}».", "{guess}", "{others}"),
    "P1025": _error("There is no variant «{name}».", "{guess}", "{others}"),
    "P1026": _error(
        "«{name}» is no placeholder.", "{guess}", "Labels say {{saved}} and {{points}}, hints say {{missing}}."
    ),
    "P1027": _error("No promotion lets the cashier give the reason «{name}».", "{guess}", "{others}"),
    "P1028": _error("No promotion is paid by «{name}».", "{guess}", "{others}"),
    # ---- types and amounts
    "P2001": _error("«{name}» is a {type}, so it has no «{op}».", "{can}", "{hint}"),
    "P2002": _error("«{name}» is never «{value}».", "{guess}", "choose from: {known}"),
    "P2003": _error("«{name}» is a {type}; this is {other}.", "{advice}"),
    "P2004": _error(
        "A percentage cannot limit a promotion.", "a limit is a number of times (2) or an amount (EUR 60.00)"
    ),
    "P2005": _error("{currency} has {digits} decimals.", "{advice}"),
    "P2006": _error("A percentage is more than 0 and at most 100, with at most two decimals.", "{advice}"),
    "P2007": _error("{what} must be at least {least}.", "{advice}"),
    "P2008": _error("«{name}» is not a currency of this project.", "the settings have: {known}"),
    "P2009": _error("The first bound is above the second.", "write the smaller one first"),
    "P2010": _error("«{name}» stands here twice.", "take one out"),
    "P2011": _error("This ends before it begins.", "it begins {begins}"),
    "P2012": _error("«{value}» cannot be the default: {why}.", "{advice}"),
    "P2013": _error("A date has no hours and minutes to compare.", "write days, weeks, months or years"),
    "P2014": _error("Both bounds need amounts in the same currencies."),
    "P2015": _error("The longer time ago comes first.", "write «{write}»"),
    "P2016": _error("Each tier begins above the one before.", "that is in line {line}"),
    "P2017": _error("Tiers «{word}» do not begin so: {why}.", "begin with «{write}»"),
    "P2018": _error("The variants add up to {size}%, not to 100%.", "«control» takes the rest"),
    "P2019": _error(
        "The shares add up to {size}%, so nothing is left for the rest.", "let them add up to less than 100%"
    ),
    "P2020": _error("«{word}» and «{other}» measure different things.", "write both in one kind of unit"),
    # ---- meaning
    "P3001": _error("The promotion «{name}» has no «{word}» line.", "add:   {write}"),
    "P3002": _error("Nobody can ever be in «{name}».", "{why}", "{hint}"),
    "P3004": _error("«{group}» gives {gives}; this is {other}.", "{advice}", "The group is declared {where}."),
    "P3005": _error(
        "«{group}» gives each piece to one promotion, so it cannot share a reward over many.",
        "write:   {write}",
        "Or move the promotion to a group that applies best, all or first per basket.",
    ),
    "P3006": _error("«{word}» are the pieces of a «buy» line, and there is none.", "{advice}"),
    "P3007": _warning("«{name}» gives everything away.", "{why}"),
    "P3008": _error("{what} of {count} bought pieces: there are not so many.", "at most {most}"),
    "P3009": _error("The group «{name}» does not say what it {what}.", "add:   {write}"),
    "P3010": _error(
        "The group «{name}» stands in no sequence, so it has no turn.", "add it to the «sequence» line{where}"
    ),
    "P3011": _error(
        "A group that gives benefits cannot «apply {word}».",
        "apply all, first or at most 1 per basket",
        "Benefits are granted, their savings are never compared.",
    ),
    "P3012": _error("A {what} cannot ask about {other}.", "{advice}"),
    "P3013": _error(
        "«per code» counts uses of codes, and this promotion has no «with code from».", "add:   with code from ..."
    ),
    "P3014": _error(
        "A «buy» rewards what was bought.",
        "write «them»",
        "Without «buy», say what the basket must hold:   when basket has at least {count} of {set}",
    ),
    "P3015": _warning("The last minute is left out: times end just before the moment.", "{advice}"),
    "P3016": _error("The project has no {what}.", "add:   {write}"),
    "P3017": _error(
        "«{name}» is not in the group «{group}»; only its own promotions have an order in it.", "take it out"
    ),
    "P3018": _error("This promotion is sold nowhere.", "«but not» takes out every channel"),
    "P3020": _error("Two limits count the same: {what}.", "take one out", "The other stands in line {line}."),
    "P3021": _error("This limit counts nothing: {why}.", "{advice}"),
    "P3022": _warning("This code set holds no code.", "nobody can ever enter one"),
    "P3023": _error(
        "Every day has its anniversary in every year, so this always holds.", "write «this month» or «today»"
    ),
    "P3024": _error("«{word}» needs {what}, and the project has none.", "add:   {write}", "{others}"),
    "P3025": _error("«where» asks about {name}, and this is «{other}».", "write «{write}»"),
    "P3026": _warning(
        "This counts hours, and the facts may be a day old.", "write   refresh realtime   in line {line}"
    ),
    "P3027": _error("This is said of pieces, and {other} is a measure.", "give a percentage, or a price per unit"),
    "P3028": _error(
        "«singles too» splits the price among pieces of one set.",
        "take it out, or buy pieces of one set",
        "Of several sets or of a weight nobody could say what a part costs.",
    ),
    "P3029": _error(
        "«{count} of {set}» is given for what was bought, and there is no «buy».",
        "add a «buy» line",
        "Or choose among all of the set:   the cheapest {count} of {set}",
    ),
    "P3030": _error("A part of one piece cannot be given.", "take «, fewer too» out"),
    "P3031": _error(
        "The cashier gives a reason, and none is allowed here.", "add:   with reason one of damaged, goodwill"
    ),
    "P3032": _error(
        "A reason is given with what the cashier enters, and this reward is another.",
        "take it out, or write:   get what the cashier enters, at most 30%",
    ),
    "P3033": _error("Fees belong to the basket, not to a set of articles.", "take «with fees» out, or the set"),
    "P3034": _error(
        "All tiers give prices, or all give benefits.",
        "the tier in line {line} is of the other kind",
        "For both write two promotions.",
    ),
    "P3035": _warning("This tier of «{name}» gives no more than the one in line {line}.", "buying more would not pay"),
    "P3036": _error("A quantity is the same before and after discounts.", "take «{word}» out"),
    "P3037": _error(
        "«step by step» gives each piece the reward of its place, so it goes by quantity and per piece.",
        "take «, step by step» out, or give it per piece",
    ),
    "P3038": _error("One variant alone compares nothing.", "add a second, or   control 10%"),
    "P3039": _warning("This can never meet «{name}»: {why}.", "take it out"),
    "P3040": _error("A promotion cannot exclude itself.", "take it out"),
    "P3041": _error(
        "Benefits are compared with nothing, so none is «exclusive».",
        "take it out",
        "Between benefits write   not with ...   or a group that says   apply first.",
    ),
    "P3042": _error("Only a price that is known before can be advertised as reduced.", "take it out, or give a price"),
    "P3043": _warning("Baskets in {name} earn no points.", "write:   {write}"),
    "P3044": _error(
        "«{name}» is of each event, and there may be many.",
        "count them, or add them up",
        "Like:   sum of {name} in the last 12 months is at least ...   or   at least 1 ... where {name} is ...",
    ),
    "P3045": _error(
        "A «buy» is rewarded with prices, and this is a benefit.",
        "in place of «buy»:   when basket has at least {count} of {set}",
    ),
    "P3046": _error(
        "What «{name}» was of a set of articles is not known.",
        "write   {write}, or leave the set out",
        "An event says what was paid for each of its articles; that is what a total «of» a set adds up.",
    ),
    "P3047": _warning(
        "Without «buy» a promotion applies once in a basket, so this limit never counts.", "take it out", "{hint}"
    ),
    "P3101": _error("No article can ever be in «{name}».", "{why}"),
    "P3102": _error("No store can ever be in «{name}».", "{why}"),
    "P3103": _warning("None of the {count} articles of the catalogue is in «{name}».", "nothing is reached by it"),
    "P3104": _warning("None of the {count} stores is in «{name}».", "nothing is reached by it"),
    "P3105": _error("«{name}» can never apply.", "{why}"),
    "P3106": _warning("This promotion is in none of the {count} stores.", "no store is left"),
    "P3107": _warning(
        "{known} never comes while this runs, from {begins} to {ends}.", "take it out, or let it run longer"
    ),
    "P3108": _warning(
        "On the clock of {name} {value} is no moment of its own.",
        "it {what} {where}",
        "The clock is changed there: {why}.",
    ),
    "P3109": _note(
        "On {begins} {value} {what} on the clock of {name}.",
        "one of these times falls into that hour",
        "A time that is skipped never comes; one that comes twice counts twice.",
    ),
    "P3110": _warning(
        "The table of holidays has no day of {value}, and «{name}» runs then.",
        "each day of that year counts as none",
        "Add the holidays of {value} to the table.",
    ),
    "P3111": _warning(
        "No store is in a region of these holidays.",
        "the table's regions: {known}",
        "{hint}",
    ),
    "P3112": _note("No promotion asks for this table.", "{why}", "Nothing is decided by it so far."),
    "P3113": _warning(
        "No article of this price list is in the catalogue.",
        "the list's articles: {known}",
        "{hint}",
    ),
    # ---- law and texts
    "P4001": _note("{count} of {most} articles in {where} stay at full price.", "{why}", "{hint}"),
    "P4002": _warning("All {count} articles in {where} stay at full price.", "{why}"),
    "P4003": _error(
        "{what} may not be advertised for {name}{more}.",
        "to {ends} it is -{size}%",
        "Lowest price of the 30 days before: {value} (on {begins}).\nPAngV § 11: change the price or the label, or drop the line if nothing is advertised.",
    ),
    "P4005": _note("«except {name}» is not needed.", "{why}"),
    "P4006": _warning(
        "{count} of {most} articles with known costs are sold below cost by «{name}».",
        "worst: {other}, {value} a piece below cost",
        "Costs are without tax; prices that include tax are compared without it.",
    ),
    "P4007": _note(
        "The prices of the 30 days before «{name}» are not known.",
        "{why}",
        "Whoever advertises a reduction has to be able to show them (PAngV § 11).",
    ),
    "P4010": _warning(
        "«{name}» is {why}; a segment that asks for it needs consent.",
        "add:   consent to profiling",
        "GDPR Art. 6, 21 and 22: without it the customer may not be profiled.",
    ),
    "P5001": _error("This receipt text is {size} characters; tills print {most}.", "cut here", "{hint}"),
    "P5002": _error("«{name}» has no label in {languages}.", "add:   {write}", "The settings ask for {known}{where}."),
    "P5003": _error("«{name}» has two «{word}» lines in {language}.", "take one out"),
    "P5004": _error(
        "«{word}» cannot say «{name}».",
        "take it out",
        "Labels say {{saved}} and {{points}}, hints say {{missing}}.",
    ),
    "P5005": _error("«{name}» would say nothing: {why}.", "take it out"),
    "P5006": _error(
        "A hint says what is missing, and here nothing can be.",
        "take it out, or add:   when basket is worth at least ...",
    ),
    "P5101": _warning("«{name}» has «{word}» in one language, but not in {languages}.", "add:   {write}"),
    # ---- the ruleset as a whole
    "P6001": _warning(
        "«{name}» never wins.",
        "in group {group} «{word}», «{other}» {why}{where}",
        "Move it to another group, or end one of them.",
    ),
    "P6002": _note(
        "Discounts of «{other}» may take the basket below {value}.",
        "counted in what group {group} leaves",
        "Write   before discounts   to count list prices, or   after discounts   to say that it is meant.",
    ),
    "P6003": _error("{what} go in a circle: {circle}", "remove one of these lines"),
    "P6004": _warning("The code «{value}»{more} stands in «{name}» and in «{other}».", "{why}"),
    # ---- tests
    "P7001": _error("«{name}» is no reason.{did}", "known: {known}"),
    "P7002": _error("This test expects nothing.", "add a line:   expect ..."),
    "P7003": _error("A test says {what}.", "add:   {write}"),
    "P7004": _error("«{name}» has no price in {currency}.", "add to the sample:   price: {currency} 1.00"),
    "P7005": _error("A test is calculated in one currency.", "this is {currency}, the first is {first}"),
    "P7006": _error("This says the same fact twice.", "the first is in line {line}"),
    "P7007": _error(
        "The promotion «{name}» has no limit that counts this.", "add a limit past the basket, or take the line out"
    ),
    "P7008": _error("This test cannot be run: {why}.", "{advice}"),
    "P7009": _error("This changes nothing in the test: {why}.", "{advice}"),
    # ---- not built yet
    "P9003": _later("«similar to» is"),
    "P9015": _later("«of one article» for one of several sets, with this reward, is"),
    "P9016": _later("With «buy» by measure, this reward is", "Off each of them, and off others, it works."),
    "P9024": _later("«on return» is", "Without it the refund shares hold."),
    "P9026": _later("«advertised as price reduction» is"),
    "P9028": _later(
        "«off them together» of several sets, «of one article», in a group that applies per item is",
        "Of any articles it works, and in a group that applies best, all or first.",
    ),
    "P9035": _later("Off the basket «with fees» is"),
    "P9036": _later("«limit … per article» with this reward is"),
    "P9037": _later("Off them per article of several sets, or by measure, is", "Of one set of pieces it works."),
}

SHOWN_CHARACTERS_MAX = 300  # of a line that is shown with carets
WIDTH = 100  # columns of what is said: the mark and the help
FIX_COLUMN = 79
PLACE_COLUMNS = 17  # file and line; most fit, so that the lines of several findings stand below each other
_WRAP: Any = {"break_long_words": False, "break_on_hyphens": False, "drop_whitespace": True}


def found(
    code: str,
    span: Span,
    *,
    fix: str | None = None,
    fix_span: Span | None = None,
    also: tuple[Span, ...] = (),
    choices: tuple[Edit, ...] = (),
    **values: Unpack[Gaps],
) -> Diagnostic:
    """The finding of this code at this place. `fix` replaces `fix_span`, else the span itself; `also` is shown with it.

    A text among the values is shown as it is: a name, a value, a word of the language. Words of ours are phrases."""
    filling = cast("tuple[tuple[str, Value], ...]", tuple(values.items()))
    return Diagnostic(code, span, filling, None if fix is None else Fix(fix_span or span, fix), also, choices)


def in_order(findings: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Sorted by file and line, each once."""
    return tuple(sorted(dict.fromkeys(findings), key=lambda d: (d.span, d.code, d.message)))


Role = Literal["severity", "code", "message", "fix", "place", "line", "also", "carets", "mark", "help"]
Piece = tuple[Role, str]


def render(finding: Diagnostic, sources: Mapping[str, str], *, language: Language = "en") -> str:
    """A finding as people read it: the sentence, the line as written with carets, what to write."""
    return "\n".join("".join(text for _, text in line).rstrip() for line in pieces(finding, sources, language))


def pieces(finding: Diagnostic, sources: Mapping[str, str], language: Language = "en") -> list[list[Piece]]:
    """The lines of `render`, each in pieces that say what they are, for whoever shows them in colour."""
    words = finding.words(language)
    head: list[Piece] = [
        ("severity", SEVERITIES[words.severity].text(language)),
        ("code", f" {finding.code}  "),
        ("message", words.message),
    ]
    if finding.fix:
        length = sum(len(text) for _, text in head)
        head.append(("fix", " " * max(FIX_COLUMN - length, 1) + "[fix]"))
    lines = [head, *_excerpt(finding, words.mark, sources)]
    for line in words.help.splitlines():
        lines.extend([("help", f"   {part}")] for part in textwrap.wrap(line, WIDTH, **_WRAP))
    return lines


def _excerpt(finding: Diagnostic, mark: str, sources: Mapping[str, str]) -> list[list[Piece]]:
    """The lines that a finding speaks of, in their order; carets under the one it stands at."""
    at = finding.span
    spans = {(span.file, span.line): span for span in (*finding.also, at)}
    column = max(len(f"{file}:{line}") for file, line in spans)
    shown: list[list[Piece]] = []
    for _, span in sorted(spans.items()):
        place = f"   {f'{span.file}:{span.line}':<{max(column, PLACE_COLUMNS)}}  "
        written = _written(span, sources)
        if written is None:
            shown.append([("place", place), ("mark", mark if span == at else "")])
            continue
        before, under, after = written
        shown.append([("place", place), ("line" if span == at else "also", before + under + after)])
        if span == at:
            carets = " " * (len(place) + _columns(before)) + "^" * max(_columns(under), 1)
            short = len(carets) + len(mark) < WIDTH + len(place)
            shown.append([("carets", carets), ("mark", f" {mark}" if mark and short else "")])
            if not short:
                shown.extend([("mark", f"   {part}")] for part in textwrap.wrap(mark, WIDTH, **_WRAP))
    return shown


def _written(span: Span, sources: Mapping[str, str]) -> tuple[str, str, str] | None:
    """The line of a span: what stands before, under and after its carets. Of a long line the part around them."""
    lines = sources.get(span.file, "").split("\n")
    if span.file not in sources or not 1 <= span.line <= len(lines):
        return None
    line = "".join(c if c.isprintable() else " " if c in "\t\r" else "�" for c in lines[span.line - 1]).rstrip()
    indent = len(line) - len(line.lstrip())
    start = min(max(span.column - 1, indent), len(line))
    end = min(span.end_column - 1, len(line)) if span.end_line == span.line else len(line)
    before, under, after = line[indent:start], line[start:end], line[max(start, end) :]
    if len(before) + len(under) + len(after) > SHOWN_CHARACTERS_MAX:
        under = under if len(under) <= SHOWN_CHARACTERS_MAX else under[:SHOWN_CHARACTERS_MAX] + "…"
        room = (SHOWN_CHARACTERS_MAX - min(len(under), SHOWN_CHARACTERS_MAX)) // 2
        before = before if len(before) <= room else "…" + before[len(before) - room :]
        after = after if len(after) <= room else after[:room] + "…"
    return before, under, after


def _columns(text: str) -> int:
    """How wide a terminal shows a text: characters of East Asia and pictures take two columns, accents none."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def explanation(code: str, language: Language = "en") -> str | None:
    """The page of a code: its meaning, a failing example, the repaired one. None: there is no such code."""
    if code not in TABLE:
        return None
    pages = importlib.resources.files("dsl").joinpath("explain")
    page = pages.joinpath(f"{code}.md") if language == "en" else pages.joinpath(language, f"{code}.md")
    return page.read_text(encoding="utf-8") if page.is_file() else explanation(code)
