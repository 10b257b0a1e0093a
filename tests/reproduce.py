"""`python -m tests.reproduce RULESET BASKET`: what the oracle and the engine say to two seeds, and where they part."""

from __future__ import annotations

import argparse
import dataclasses
import pprint
import sys
from collections.abc import Callable, Sequence

from engine.basket import BadRequest, Request
from engine.decision import Decision
from engine.program import Program
from server import kernels
from server.settings import load as settings
from tests.generated_requests import request
from tests.generators import ruleset
from tests.oracle.decide import decide as oracle

Decide = Callable[..., Decision]  # (request, everything=False)
Answer = Decision | str  # a refusal is a text


def engine_of(programs: Sequence[Program]) -> tuple[str, Decide]:
    """The digest of the linked image, and what decides with it."""
    from engine.decide import decide
    from engine.image import load
    from engine.link import link

    image = link(programs)
    rules = load(image.manifest, image.parts)
    return image.digest, lambda request, everything=False: decide(rules, request, everything=everything)


def oracle_of(programs: Sequence[Program], digest: str = "") -> Decide:
    """The oracle, with the digest that the engine's image has."""
    return lambda request, everything=False: oracle(programs, request, digest=digest, everything=everything)


def answer(decide: Decide, asked: Request, everything: bool = False) -> Answer:
    """The Decision, or which field was refused."""
    try:
        return decide(asked, everything=everything)
    except BadRequest as refused:
        return f"refused: {refused.field}"


def difference(expected: object, found: object, path: str = "decision") -> str:
    """The first place where two values part, in the order of their fields; "" where they are equal."""
    if expected == found:
        return ""
    if dataclasses.is_dataclass(expected) and type(expected) is type(found):
        for field in dataclasses.fields(expected):
            inner = difference(getattr(expected, field.name), getattr(found, field.name), f"{path}.{field.name}")
            if inner:
                return inner
    if isinstance(expected, tuple) and isinstance(found, tuple) and len(expected) == len(found):
        for number, (one, other) in enumerate(zip(expected, found, strict=True)):
            name = getattr(one, "name", None) or getattr(one, "id", None) or number
            inner = difference(one, other, f"{path}[{name}]")
            if inner:
                return inner
    return f"{path}\n  oracle: {expected!r}\n  engine: {found!r}"


def command(ruleset_seed: int, basket_seed: int) -> str:
    """What to paste into a shell."""
    return f"python -m tests.reproduce {ruleset_seed} {basket_seed}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print both answers; 1 where they differ."""
    parser = argparse.ArgumentParser(prog="python -m tests.reproduce", description=__doc__)
    parser.add_argument("ruleset", type=int, help="seed of the ruleset")
    parser.add_argument("basket", type=int, help="seed of the basket")
    parser.add_argument("--programs", action="store_true", help="print the ruleset and the request too")
    options = parser.parse_args(arguments)
    kernels.prepare(settings().cache_dir)  # before the engine is imported
    programs = ruleset(options.ruleset)
    asked = request(programs, options.basket)
    if options.programs:
        for program in programs:
            if program.program not in {"zone", "schema"}:
                print(program.model_dump_json(by_alias=True, exclude_defaults=True))
        pprint.pp(asked, width=120)
    digest, engine = engine_of(programs)
    expected = answer(oracle_of(programs, digest), asked, everything=True)
    found = answer(engine, asked, everything=True)
    print("oracle", pprint.pformat(expected, width=140), "engine", pprint.pformat(found, width=140), sep="\n")
    apart = difference(expected, found)
    print(f"\nfirst difference: {apart}" if apart else "\nno difference")
    return 1 if apart else 0


if __name__ == "__main__":
    sys.exit(main())
