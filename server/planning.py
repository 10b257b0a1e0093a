"""`einklang plan`: what a project would change of the ruleset that is in force on a server."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from dsl.change_rules import Effect
from dsl.changes import Change, Side, changes
from dsl.compiler import Compilation
from dsl.phrases import Language, many, say
from einklang.v1 import common_pb2 as common
from einklang.v1 import ruleset_pb2, ruleset_pb2_grpc
from engine.link import link
from engine.program import Catalogue, PriceList, Program, address, decode, encode
from server import client, comparing, reports
from server.publish_process import digest_of_files

FORM: Final = 1  # of the file that --out writes


@dataclass(frozen=True, slots=True)
class Live:
    """The ruleset in force on a server; `digest` "": none is. `programs`: by address, None: too large to be sent."""

    address: str
    digest: str = ""
    sequence: int = 0
    programs: tuple[tuple[str, Program | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What a project would change."""

    live: Live
    project: Path
    sources: str  # SHA-256 of its files, as the Timeline has it
    ruleset: str  # the digest that it would be published under
    changes: tuple[Change, ...]
    compilation: Compilation


def live(where: str, timeout_s: float) -> Live:
    """Ask a server. Raises client.CallFailed."""
    try:
        with client.channel(where) as connection:
            stub = ruleset_pb2_grpc.RulesetServiceStub(connection)
            request = ruleset_pb2.GetProgramsRequest()
            response = client.call(stub.GetPrograms, request, address=where, timeout_s=timeout_s)
    except client.CallFailed as error:
        if error.detail.reason == common.ERROR_REASON_NO_RULESET:
            return Live(where)
        raise
    try:
        programs = tuple((one.address, decode(one.data) if one.data else None) for one in response.programs)
    except ValidationError:
        text = f"the declarations on {where} are of another version of this program: publish from this one first"
        raise client.CallFailed(text) from None
    return Live(where, response.ruleset_digest, response.sequence, programs)


def plan(now: Live, directory: Path, files: dict[str, bytes], compilation: Compilation) -> Plan:
    """Compare a project that compiles with what is live."""
    ours = {address(encode(one)): one for one in compilation.programs}
    theirs = [program or ours.get(name) for name, program in now.programs]
    programs: Sequence[Program] = compilation.programs
    found: tuple[Change, ...] = ()
    if None in theirs:  # only tables are that large
        known = {_named(one) for one in theirs if one is not None}
        others = [one for one in programs if isinstance(one, Catalogue | PriceList) and _named(one) not in known]
        programs = [one for one in programs if one not in others]
        words = say("another one, too large to compare")
        found = tuple(Change(*_named(one), Effect.OTHER, words) for one in others)
    found += changes(Side([one for one in theirs if one is not None]), Side(programs, compilation.spans))
    ruleset = hashlib.sha256(link(compilation.programs).manifest).hexdigest()
    return Plan(now, directory, digest_of_files(files), ruleset, found, compilation)


def _named(one: Program) -> tuple[str, str]:
    return one.program, getattr(one, "name", "")


def text(made: Plan, language: Language = "en") -> tuple[str, str]:
    """What stands above the changes, and below them."""
    now, tests = made.live, len(made.compilation.tests)
    live = say("nothing on {address}", address=now.address)
    if now.digest:
        ruleset = f"#{now.sequence} {now.digest[:12]}"
        live = say("{ruleset} in force on {address}", ruleset=ruleset, address=now.address)
    above = say("Live: {live}   Compared with: {project}", live=live, project=str(made.project))
    run = say("1 test") if tests == 1 else say("{count} tests", count=many(tests))
    checks = say(
        "  Checks   {found}, {tests}, run by: einklang test {project}",
        found=tuple(reports.counted(made.compilation.diagnostics)),
        tests=run,
        project=str(made.project),
    )
    total = say("Nothing changes.")
    if made.changes:
        total = say("Plan: {changes}.", changes=comparing.summary(made.changes, language))
    return above.text(language), f"{checks.text(language)}\n{total.text(language)}"


def as_data(made: Plan, language: Language = "en") -> dict[str, Any]:
    """The plan for programs: both sides by their digests."""
    now = made.live
    return {
        "format": FORM,
        "live": {"address": now.address, "ruleset_digest": now.digest, "sequence": now.sequence},
        "project": {"sources_digest": made.sources, "ruleset_digest": made.ruleset},
        "changes": comparing.as_data(made.changes, language),
        "findings": [found.as_data(language) for found in made.compilation.diagnostics],
    }


def save(made: Plan, path: Path, language: Language = "en") -> None:
    """Write the plan to a file. Raises OSError."""
    path.write_text(json.dumps(as_data(made, language), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
