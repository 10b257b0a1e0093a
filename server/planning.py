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
from einklang.v1 import common_pb2 as common
from einklang.v1 import ruleset_pb2, ruleset_pb2_grpc
from engine.link import link
from engine.program import Catalogue, Program, address, decode, encode
from server import client, comparing
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
        programs = [one for one in programs if not isinstance(one, Catalogue)]
        found = (Change("catalogue", "", Effect.OTHER, "another one, too large to compare"),)
    found += changes(Side([one for one in theirs if one is not None]), Side(programs, compilation.spans))
    ruleset = hashlib.sha256(link(compilation.programs).manifest).hexdigest()
    return Plan(now, directory, digest_of_files(files), ruleset, found, compilation)


def text(made: Plan) -> tuple[str, str]:
    """What stands above the changes, and below them."""
    now = made.live
    said = f"#{now.sequence} {now.digest[:12]} in force on {now.address}" if now.digest else f"nothing on {now.address}"
    findings = made.compilation.diagnostics
    counted = [(sum(one.severity == kind for one in findings), kind) for kind in ("error", "warning", "note")]
    parts = [f"{number:,} {kind}{'' if number == 1 else 's'}" for number, kind in counted if number or kind == "error"]
    tests = len(made.compilation.tests)
    parts.append(f"{tests:,} test{'' if tests == 1 else 's'}, run by: einklang test {made.project}")
    total = f"Plan: {comparing.summary(made.changes)}." if made.changes else "Nothing changes."
    return f"Live: {said}   Compared with: {made.project}", f"  Checks   {', '.join(parts)}\n{total}"


def as_data(made: Plan) -> dict[str, Any]:
    """The plan for programs: both sides by their digests."""
    now = made.live
    return {
        "format": FORM,
        "live": {"address": now.address, "ruleset_digest": now.digest, "sequence": now.sequence},
        "project": {"sources_digest": made.sources, "ruleset_digest": made.ruleset},
        "changes": comparing.as_data(made.changes),
        "findings": [found.as_data() for found in made.compilation.diagnostics],
    }


def save(made: Plan, path: Path) -> None:
    """Write the plan to a file. Raises OSError."""
    path.write_text(json.dumps(as_data(made), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
