"""A claim: what was proven of a declaration, before it is placed in the text and put into words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Unpack

from dsl.diagnostics import Gaps

Kind = Literal["promotion", "segment", "products", "places", "codes"]


@dataclass(frozen=True, slots=True)
class Claim:
    """`part`: a line of the declaration ("name", "runs", "when 0", "line 2"); `also`: others of the cause."""

    code: str
    kind: Kind
    name: str
    part: str = "name"
    also: tuple[str, ...] = ()
    words: Gaps = field(default_factory=Gaps)


def claim(
    code: str,
    kind: Kind,
    declared: str,
    part: str = "name",
    /,
    *,
    also: tuple[str, ...] = (),
    **words: Unpack[Gaps],
) -> Claim:
    """A claim about a declaration, with the gaps of its code's row."""
    return Claim(code, kind, declared, part, also, words)
