"""Codes that stand in several sets."""

from __future__ import annotations

from collections.abc import Iterator

from dsl.analysis.claims import Claim, claim
from dsl.analysis.ruleset import Rules
from dsl.phrases import Phrase, say
from engine import program as p


def claims(rules: Rules) -> Iterator[Claim]:
    """Each pair of sets with a code in common, once."""
    first: dict[str, str] = {}
    shared: dict[tuple[str, str], list[str]] = {}
    for name in sorted(rules.codes):
        for code in rules.codes[name].codes:
            other = first.setdefault(code, name)
            if other != name:
                shared.setdefault((other, name), []).append(code)
    for (one, other), codes in shared.items():
        more = None if len(codes) == 1 else say(" and {count} more", count=len(codes) - 1)
        why = _uses(rules.codes[one], rules.codes[other])
        yield claim("P6004", "codes", other, value=codes[0], more=more, name=one, other=other, why=why)


def _uses(one: p.CodeSet, other: p.CodeSet) -> Phrase:
    """A use counts for the code, whatever set it was used for; each set has a limit of its own."""
    if one.uses == other.uses:
        return say("a use counts in both")
    limited, free = (one, other) if one.uses is not None else (other, one)
    if free.uses is None:
        return say("a use counts in both, but only «{name}» limits it", name=limited.name)
    return say(
        "a use counts in both, but «{name}» allows {count} and «{other}» {most}",
        name=one.name,
        count=one.uses,
        other=other.name,
        most=other.uses,
    )
