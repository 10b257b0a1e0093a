"""What may follow at a place of a text: asked of the parser, so that nobody keeps a second grammar.

A place is looked at by the blocks around it and by its own statement up to there. What else the declaration holds does
not matter, for the language has no order of lines; so the lines above and below may well be broken.
"""

from __future__ import annotations

import functools
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import lark

from dsl.parse import literals, parser
from dsl.source import statement
from dsl.vocabulary import CLAUSES, DECLARATIONS, EXPECTED, OPERATORS

State = Any  # lark's InteractiveParser, published without types

_WORD = re.compile(r"[^\s,{}():\"#]*$")
_LIKE = re.compile(r" like (.*)$")
_HEAD = re.compile(r"\s*(settings|schema|products|places|segment|group|guard|codes|promotion|sample|test)\b")
_NAMELESS = ("settings", "schema")
_SAMPLES = {"NAME": "x", "INT": "1", "DECIMAL": "1.5", "_NL": "\n"}
_PHRASE_WORDS_MAX = 6  # «on return reprice what is kept»
_BRANCHES_MAX = 6  # of a phrase: more are offered word by word
_WAY_STEPS_MAX = 400  # states looked at to find the end of a statement


@dataclass(frozen=True, slots=True)
class Context:
    """The blocks around a place, outermost first, and its own statement up to there."""

    openers: tuple[str, ...]
    begun: str
    first: int  # the line of the declaration's head, from 0
    start: int  # the line its statement begins in, from 0

    @property
    def declaration(self) -> str:
        """The keyword of the declaration around; "" outside of all."""
        match = _HEAD.match(self.openers[0]) if self.openers else None
        return match[1] if match else ""

    def text(self, begun: str) -> str:
        """What the parser reads: heads alone, and the statement up to here."""
        return "\n".join([*self.openers, begun])


def context(masked: Sequence[str], line: int, column: int) -> Context:
    """The place in its blocks; line and column count from 0."""
    openers: list[tuple[int, str]] = []
    for number in range(line):
        covered = masked[number]
        if _HEAD.match(covered) and not covered[:1].isspace() and "{" in covered:
            openers = []  # a declaration begins in the first column, whatever is open above
        opened, closed = covered.count("{"), covered.count("}")
        for _ in range(min(closed, len(openers)) if not opened else 0):
            openers.pop()
        if opened > closed:
            begin = statement(masked, number)[0] if openers else number
            openers.append((number, " ".join(part.strip() for part in masked[begin : number + 1])))
    if _HEAD.match(masked[line]) and not masked[line][:1].isspace():
        openers = []
    start = line
    while start > 0 and masked[start - 1].rstrip().endswith(","):
        start -= 1
    above = [part.strip() for part in masked[start:line]]
    begun = " ".join([*above, masked[line][:column].lstrip()])
    heads = [text for _, text in openers]
    if heads:
        heads[0] = _sane(heads[0])
    return Context(tuple(heads), begun, openers[0][0] if openers else line, start)


def _sane(head: str) -> str:
    """A declaration's first line that can be read, whatever is wrong with it."""
    if _reads(head + "\n"):
        return head
    match = _HEAD.match(head)
    word = match[1] if match else "promotion"
    return f"{word} {{" if word in _NAMELESS else f'{word} "x" {{' if word == "test" else f"{word} x {{"


def _reads(text: str) -> bool:
    try:
        for _ in parser().parse_interactive(text).exhaust_lexer():
            pass
    except lark.UnexpectedInput:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Offer:
    """What fits: a keyword phrase, or an open terminal («NAME») that something must be chosen for."""

    text: str
    terminal: str
    begun: str  # the statement before it
    typed: str  # what stands there of it already


def offers(place: Context) -> Iterator[Offer]:
    """Everything that fits at a place: for the word that is being typed, and for phrases begun a word or two before."""
    word = _WORD.search(place.begun)
    assert word is not None
    starts = [word.start()]
    for _ in range(2):
        before = place.begun[: starts[-1]].rstrip(" \t")
        match = _WORD.search(before)
        if match is None or not match.group():
            break
        starts.append(match.start())
    seen: set[str] = set()
    for number, start in enumerate(starts):
        begun, typed = place.begun[:start], place.begun[start:]
        state = _state(place.text(begun))
        if state is None:
            continue
        for terminal in sorted(state.accepts()):
            for phrase in _phrases(state, terminal):
                whole = phrase or terminal
                if number and not (phrase and _goes_on(phrase, typed, seen)):
                    continue
                if whole not in seen:
                    seen.add(whole)
                    yield Offer(phrase, "" if phrase else terminal, begun, typed)
        if number:
            yield from (Offer("", terminal, begun, typed) for terminal in _NUMBERED & set(state.accepts()))


def _goes_on(phrase: str, typed: str, offered: set[str]) -> bool:
    """A phrase of which some words stand there; not where its rest was offered as a word of its own."""
    words = " ".join(typed.split()) + (" " if typed[-1:].isspace() else "")
    return phrase.startswith(words) and phrase != words and not any(phrase.endswith(other) for other in offered)


_NUMBERED = frozenset(("DURATION", "MEASURE", "MONEY"))  # of two words: «30 days», «EUR 5.00»


def _state(text: str) -> State | None:
    """The parser after a text; None where it cannot be read."""
    reading = parser().parse_interactive(text)
    try:
        for _ in reading.exhaust_lexer():
            pass
    except lark.UnexpectedInput:
        return None
    return reading


def _fixed(terminal: str) -> str:
    """The words of a terminal that is always written alike; "" for names, numbers and signs."""
    text = literals().get(terminal, "")
    if text:
        return text if text[0].isalpha() else ""
    words = EXPECTED.get(terminal, ())
    return words[0] if len(words) == 1 and isinstance(words[0], str) else ""


def _phrases(state: State, terminal: str, words: int = 1) -> list[str]:
    """A keyword with the keywords that must follow it, each way; [""] for what is no keyword."""
    text = _fixed(terminal)
    if not text:
        return [""]
    if words >= _PHRASE_WORDS_MAX:
        return [text]
    after = state.copy()
    after.feed_token(_token(terminal))
    following = after.accepts()
    keywords = sorted(t for t in following if _fixed(t))
    longer = [f"{text} {rest}" for t in keywords for rest in _phrases(after, t, words + 1)]
    if len(keywords) == len(following) and len(longer) <= _BRANCHES_MAX:
        return longer
    return [text, *(phrase for phrase in longer if any(known.startswith(phrase) for known in _known()))]


@functools.cache
def _known() -> frozenset[str]:
    """Phrases that have a row of their own, though other things may follow their first word: «is at least»."""
    return frozenset((*CLAUSES, *OPERATORS, *DECLARATIONS))


def _token(terminal: str) -> lark.Token:
    return lark.Token(terminal, sample(terminal))


@functools.cache
def sample(terminal: str) -> str:
    """How a terminal may be written: the literal, or the example that people are told."""
    if terminal in _SAMPLES:
        return _SAMPLES[terminal]
    text = literals().get(terminal, "")
    if text:
        return text
    words = str(EXPECTED.get(terminal, ("x",))[0])
    like = _LIKE.search(words)
    return like[1] if like else words


def ways(place: Context, begun: str, written: str, terminal: str) -> Iterator[str]:
    """Whole declarations in which a terminal, written so, stands at this place: one for each way to go on."""
    state = _state(place.text(begun))
    if state is None or terminal not in state.accepts():
        return
    state.feed_token(lark.Token(terminal, written))
    for following in sorted(state.accepts()):
        after = state.copy()
        after.feed_token(_token(following))
        rest = _way(after)
        if rest is not None:
            words = [sample(t) for t in (following, *rest)]
            yield place.text(begun) + written + " " + " ".join(words) + "\n"


_ways: dict[tuple[int, ...], tuple[str, ...] | None] = {}


def _way(state: State) -> tuple[str, ...] | None:
    """The fewest terminals that complete the declaration; None where that would be far."""
    stack = tuple(state.parser_state.state_stack)
    if stack not in _ways:
        if len(_ways) > 50_000:
            _ways.clear()
        _ways[stack] = _shortest(state)
    return _ways[stack]


def _shortest(state: State) -> tuple[str, ...] | None:
    queue: deque[tuple[State, tuple[str, ...]]] = deque([(state, ())])
    seen: set[tuple[int, ...]] = set()
    looked = 0
    while queue and looked < _WAY_STEPS_MAX:
        current, way = queue.popleft()
        looked += 1
        accepted = current.accepts()
        if "$END" in accepted:
            return way
        closing = [t for t in ("_NL", "RBRACE") if t in accepted]
        for terminal in closing or sorted(accepted):
            after = current.copy()
            after.feed_token(_token(terminal))
            stack = tuple(after.parser_state.state_stack)
            if stack not in seen:
                seen.add(stack)
                queue.append((after, (*way, terminal)))
    return None
