"""`einklang check --examples DIR`: baskets that show findings, each decided here first, for `einklang decide`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from dsl.analysis.examples import Example
from dsl.compiler import Compilation
from dsl.phrases import Language, say
from dsl.testing import Decide
from engine.basket import BadRequest
from engine.decision import Decision, Reason
from server.client import to_json
from server.requests import message_of
from server.testing import machine


@dataclass(frozen=True)
class Shown:
    """An example as a file, and what it shows."""

    example: Example
    path: Path
    text: str  # a DecideRequest as protobuf JSON
    reason: str

    def sentence(self, language: Language) -> str:
        """What `einklang decide` will say."""
        one = self.example
        said = say("«{name}» applies, «{other}» does not: {why}", name=one.by, other=one.promotion, why=self.reason)
        return f"{one.code}  {said.text(language)}"

    def as_data(self) -> dict[str, object]:
        """The same for programs."""
        return {
            "code": self.example.code,
            "promotion": self.example.promotion,
            "applied": self.example.by,
            "reason": self.reason,
            "path": self.path.as_posix(),
            "basket": json.loads(self.text),
        }


def shown(compilation: Compilation, cache_dir: Path, tell: Callable[[str], None]) -> Iterator[Shown]:
    """The examples of a project's findings that the engine confirms. Raises kernels.CacheUnsafe."""
    if compilation.ok and compilation.examples:
        yield from decided(compilation, machine(compilation, cache_dir, tell))


def decided(compilation: Compilation, decide: Decide) -> Iterator[Shown]:
    """Those that show what they should, as `decide` decides."""
    for example in compilation.examples:
        try:
            decision = decide(example.request, everything=True)
        except BadRequest:
            continue
        reason = confirmed(example, decision)
        if reason:
            path = Path(f"{example.code}-{example.promotion}.json")
            yield Shown(example, path, to_json(message_of(example.request)) + "\n", reason)


def confirmed(example: Example, decision: Decision) -> str:
    """The reason that the promotion gets, if it is the one that was claimed; "" if not."""
    results = {result.name: result for result in decision.promotions}
    reason = results[example.promotion].reason.name.lower().replace("_", "-")
    applied = results[example.by].reason == Reason.APPLIED
    return reason if applied and reason in example.reasons else ""


def write(examples: Iterator[Shown], directory: Path) -> list[Shown]:
    """One file each. Raises OSError."""
    written = []
    for one in examples:
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / one.path
        path.write_text(one.text, encoding="utf-8")
        written.append(replace(one, path=path))
    return written
