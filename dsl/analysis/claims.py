"""A claim: what was proven of a declaration, before it is placed in the text and put into words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Unpack

from dsl.diagnostics import Gaps
from engine.basket import Request

Kind = Literal["promotion", "segment", "products", "places", "codes"]


@dataclass(frozen=True, slots=True)
class Example:
    """A basket that shows what is claimed: what the promotion does there, and because of which."""

    request: Request
    promotion: str
    reason: str  # of dsl.vocabulary.REASONS
    by: str = ""  # the promotion that it is beaten by
    loses: str = ""  # its code may change what it says: the ruleset without this line


@dataclass(frozen=True, slots=True)
class Claim:
    """`part`: a line of the declaration ("name", "runs", "when 0", "line 2"); `also`: others of the cause."""

    code: str
    kind: Kind
    name: str
    part: str = "name"
    also: tuple[str, ...] = ()
    words: Gaps = field(default_factory=Gaps)
    example: Example | None = None


def claim(
    code: str,
    kind: Kind,
    declared: str,
    part: str = "name",
    /,
    *,
    also: tuple[str, ...] = (),
    example: Example | None = None,
    **words: Unpack[Gaps],
) -> Claim:
    """A claim about a declaration, with the gaps of its code's row."""
    return Claim(code, kind, declared, part, also, words, example)
