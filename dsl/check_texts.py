"""Texts for people: labels, hints, terms; their languages, their placeholders, how wide they print."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Unpack

from dsl import ast, limits
from dsl.check_rewards import NO_SAVING, POINTS, rewards_of
from dsl.check_terms import missing_possible
from dsl.clauses import clauses
from dsl.diagnostics import Gaps, Span, found
from dsl.phrases import guessed, listed, say
from dsl.project import where
from dsl.vocabulary import PLACEHOLDERS
from dsl.wrong_forms import did_you_mean

if TYPE_CHECKING:
    from dsl.check_promotions import Promotions

SAID_IN: dict[str, tuple[str, ...]] = {"label": ("saved", "points"), "hint": ("missing",), "terms": ()}
_MEANT = {
    "amount": "saved",
    "discount": "saved",
    "saving": "saved",
    "savings": "saved",
    "value": "saved",
    "rest": "missing",
    "remaining": "missing",
    "lacking": "missing",
    "point": "points",
}
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


class Texts:
    """Checks the texts of promotions for `Promotions`, and adds what it finds."""

    def __init__(self, promotions: Promotions) -> None:
        self.findings = promotions.findings
        self.project = promotions.project

    def report(self, code: str, span: Span, **values: Unpack[Gaps]) -> None:
        """Add a finding."""
        self.findings.add(found(code, span, **values))

    def promotion(self, node: ast.Promotion) -> None:
        """A label for each language of the settings, none too wide for the receipt."""
        settings = self.project.settings
        seen: set[tuple[str, str]] = set()
        for clause in clauses(node, ast.Label):
            key = (clause.kind, clause.language.text)
            if key in seen:
                language = clause.language
                self.report("P5003", language.span, name=node.name.text, word=clause.kind, language=language.text)
            seen.add(key)
            self.text(clause, node)
        missing = [language for language in settings.languages if ("label", language) not in seen]
        if missing and not node.broken:
            write = f'label {missing[0]} "..."'
            known = listed(settings.languages)
            name = node.name.text
            lines = self.project.settings_lines
            asked = next((line for line in lines if isinstance(line, ast.Setting) and line.kind == "languages"), None)
            place = say(" ({where})", where=where(asked.span, node.name.span)) if asked else None
            languages = tuple(missing)
            self.report("P5002", node.name.span, name=name, languages=languages, write=write, known=known, where=place)

    def text(self, clause: ast.Label, node: ast.Promotion) -> None:
        """One of them."""
        text = clause.text.text
        if not text.strip():
            self.report("P2007", clause.text.span, what=say("The text's length"), least=1)
            return
        if not self.placeholders(clause, node):
            return
        if clause.kind == "hint" and not node.broken and not missing_possible(node):
            self.report("P5006", clause.span)
        if clause.kind == "label":
            self.width(clause)

    def placeholders(self, clause: ast.Label, node: ast.Promotion) -> bool:
        """All known, in their place, with something to say."""
        text = clause.text.text
        covered = _PLACEHOLDER.sub(lambda match: " " * len(match[0]), text)
        stray = next((index for index, letter in enumerate(covered) if letter in "{}"), None)
        if stray is not None:
            advice = say("its   }}   is missing") if covered[stray] == "{" else say("a   {{   is missing before it")
            self.report("P0113", self.within(clause, stray, stray + 1), advice=advice)
            return False
        good = True
        for match in _PLACEHOLDER.finditer(text):
            span = self.within(clause, *match.span())
            good = self.placeholder(match[1], clause, node, span) and good
        return good

    def placeholder(self, name: str, clause: ast.Label, node: ast.Promotion, span: Span) -> bool:
        """One, at its span."""
        shown = f"{{{name}}}"
        if name not in PLACEHOLDERS:
            guess = _MEANT.get(name) or did_you_mean(name, PLACEHOLDERS)
            guess = name.strip().lower() if name.strip().lower() in PLACEHOLDERS else guess
            fix = f"{{{guess}}}" if guess else None
            finding = found("P1026", span, name=shown, guess=guessed(fix), fix=fix)
            self.findings.add(finding)
            return False
        if name not in SAID_IN[clause.kind]:
            self.report("P5004", span, name=shown, word=clause.kind)
            return False
        rewards = tuple(rewards_of(node))
        if node.broken or not rewards:
            return True
        if name == "saved" and all(isinstance(reward, NO_SAVING) for reward in rewards):
            self.report("P5005", span, name=shown, why=say("it takes nothing off"))
            return False
        if name == "points" and not any(isinstance(reward, POINTS) for reward in rewards):
            self.report("P5005", span, name=shown, why=say("it gives no points"))
            return False
        return True

    def within(self, clause: ast.Label, start: int, end: int) -> Span:
        """Some letters of the text."""
        span = clause.text.span
        return Span(span.file, span.line, span.column + 1 + start, span.end_line, span.column + 1 + end)

    def width(self, clause: ast.Label) -> None:
        """At its widest no wider than a till prints."""
        most = self.project.settings.width
        text = clause.text.text
        if most is None:
            return
        size, cut = 0, None
        hint = None
        index = 0
        while index < len(text):
            match = _PLACEHOLDER.match(text, index)
            if match:
                shown = self.widest(match[1])
                size += len(shown)
                hint = say("«{name}» is counted as «{shown}».", name=match[0], shown=shown)
            else:
                size += 1
            if size > most and cut is None:
                cut = index
            index = match.end() if match else index + 1
        if cut is not None:
            self.report("P5001", self.within(clause, cut, len(text)), size=size, most=most, hint=hint)

    def widest(self, name: str) -> str:
        """The widest that a placeholder prints on a receipt."""
        if name == "points":
            return limits.POINTS_WIDEST
        currencies = self.project.settings.currencies
        return f"{currencies[0] if currencies else 'EUR'} {limits.SAVED_WIDEST}"
