"""The contract's messages about rulesets, the Timeline and nodes, from what the server knows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from einklang.v1 import common_pb2 as common
from einklang.v1 import ruleset_pb2 as pb
from engine.timeline import HASH_PREFIX, Entry
from engine.timeline import decode as decode_entry
from server import publications
from server.description import Described
from server.publications import Record
from server.publish import Finding, PublishResult

_SEVERITIES = {
    "error": common.SEVERITY_ERROR,
    "warning": common.SEVERITY_WARNING,
    "note": common.SEVERITY_NOTE,
}
_KINDS = {
    "publish": pb.ENTRY_KIND_PUBLISH,
    "rollback": pb.ENTRY_KIND_ROLLBACK,
    "pause": pb.ENTRY_KIND_PAUSE,
    "resume": pb.ENTRY_KIND_RESUME,
    "cancel": pb.ENTRY_KIND_CANCEL,
}
_STATES = {
    publications.COMPILING: pb.PUBLICATION_STATE_COMPILING,
    publications.STAGED: pb.PUBLICATION_STATE_STAGED,
    publications.IN_DOUBT: pb.PUBLICATION_STATE_IN_DOUBT,
    publications.COMMITTED: pb.PUBLICATION_STATE_COMMITTED,
    publications.REFUSED: pb.PUBLICATION_STATE_REFUSED,
}
_READINESS = {
    "pending": pb.READINESS_STATE_PENDING,
    "ready": pb.READINESS_STATE_READY,
    "failed": pb.READINESS_STATE_FAILED,
}
_CERTAINTIES = {"certain": common.CERTAINTY_CERTAIN, "scheduled": common.CERTAINTY_SCHEDULED}
_MESSAGE_MAX: Final = 1_024  # characters of what a node says


def to_entry(entry: Entry, with_record: bool = False) -> pb.TimelineEntry:
    """The contract's entry; `with_record`: and the bytes that were hashed."""
    return pb.TimelineEntry(
        sequence=entry.sequence,
        effective_from_us=entry.effective_from_us,
        ruleset_digest=entry.digest,
        kind=_KINDS[entry.kind],
        author=entry.author,
        reason=entry.reason,
        previous_hash=entry.previous_hash,
        entry_hash=entry.entry_hash,
        appended_at_us=entry.appended_at_us,
        sources_digest=entry.sources,
        record=record_of(entry) if with_record else b"",
        promotion=entry.promotion,
        until_us=entry.until_us,
        cancelled_sequence=entry.cancelled,
        change_id=entry.change_id,
    )


def record_of(entry: Entry) -> bytes:
    """The bytes whose SHA-256 is the entry's hash: a prefix, and the entry without that hash as canonical JSON."""
    fields = json.loads(entry.encode())
    del fields["entry_hash"]
    return HASH_PREFIX + json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def diagnostics(findings: Iterable[Finding]) -> list[common.Diagnostic]:
    """The contract's diagnostics, gravest first, then by place."""
    messages = [
        common.Diagnostic(
            code=finding.code,
            severity=_SEVERITIES[finding.severity],
            file=finding.file,
            line=finding.line,
            column=finding.column,
            end_line=finding.end_line,
            end_column=finding.end_column,
            message=finding.message,
            help=finding.help,
            edits=[
                common.Edit(file=file, line=line, column=column, end_line=end_line, end_column=end_column, text=text)
                for file, line, column, end_line, end_column, text in finding.edits
            ],
        )
        for finding in findings
    ]
    return sorted(messages, key=lambda d: (d.severity, d.file.encode(), d.line, d.column, d.code))


def publish_response(result: PublishResult, *, dry_run: bool = False) -> pb.PublishResponse:
    """What was published."""
    return pb.PublishResponse(
        ruleset_digest=result.digest,
        sequence=result.sequence,
        effective_from_us=0 if dry_run else result.effective_from_us,
        stats=pb.RulesetStats(
            files=result.files,
            promotions=result.promotions,
            segments=result.segments,
            articles=result.articles,
            image_bytes=result.image_bytes,
            compiled=result.programs_compiled,
            reused=result.programs_reused,
        ),
        diagnostics=diagnostics(result.diagnostics),
    )


def appended(result: PublishResult) -> tuple[Entry, ...]:
    """The entries of a change."""
    return tuple(decode_entry(data.encode("ascii")) for data in result.entries)


def publication(record: Record) -> pb.Publication:
    """How far a publication is; without its response or error."""
    return pb.Publication(
        publication_id=record.publication_id,
        state=_STATES[record.state],
        step=record.step,
        nodes=[_readiness(*row) for row in record.nodes] if record.state == publications.STAGED else [],
    )


def ruleset(
    digest: str, described: Described, *, sources: str, files: Mapping[str, bytes], kept_until_us: int
) -> pb.GetRulesetResponse:
    """A ruleset."""
    return pb.GetRulesetResponse(
        ruleset_digest=digest,
        semantics_number=described.semantics,
        stats=pb.RulesetStats(
            files=described.files,
            promotions=described.running,
            segments=described.segments,
            articles=described.articles,
            image_bytes=described.image_bytes,
        ),
        sources_digest=sources,
        promotions=[
            pb.PromotionInfo(
                promotion=one.name,
                title=one.title,
                group=one.group,
                runs_from_us=one.runs_from_us,
                runs_until_us=one.runs_until_us,
                channels=sorted(one.channels, key=str.encode),
                owner=one.owner,
                paused=one.paused,
            )
            for one in described.promotions
        ],
        sources=[pb.SourceFile(path=path, data=data) for path, data in sorted(files.items(), key=_by_path)],
        currencies=described.currencies,
        channels=described.channels,
        kept_until_us=kept_until_us,
    )


def node(name: str, seen_us: int, status: str) -> pb.Node:
    """A node, as it says of itself; what cannot be read of it stays empty."""
    said = _object(status)

    def number(field: str) -> int:
        value = said.get(field)
        return value if type(value) is int and 0 <= value < 1 << 62 else 0

    numbers = said.get("semantics")
    return pb.Node(
        node=name,
        build=_text(said.get("build")),
        sequence=number("sequence"),
        ruleset_digest=_text(said.get("digest"))[:64],
        certainty=_CERTAINTIES.get(_text(said.get("certainty")), common.CERTAINTY_UNSPECIFIED),
        seen_at_us=seen_us,
        lease_until_us=number("lease_until_us"),
        scheduled_until_us=number("scheduled_until_us"),
        last_error=_text(said.get("error")),
        semantics_numbers=sorted(n for n in numbers if type(n) is int and 0 <= n < 1 << 31)
        if isinstance(numbers, list)
        else [],
    )


def staged(digest: str, acks: Mapping[str, str], live: Iterable[str]) -> pb.StagedRuleset:
    """How far the nodes are with a ruleset. `live`: who is to say so; what those said who have gone counts no more."""
    rows = []
    for name in sorted(live, key=str.encode):
        said = acks.get(name, "")
        state = "ready" if said == "READY" else "failed" if said.startswith("FAILED") else "pending"
        rows.append(_readiness(name, state, said.removeprefix("FAILED").strip() if state == "failed" else ""))
    return pb.StagedRuleset(ruleset_digest=digest, nodes=rows)


def _readiness(name: str, state: str, message: str) -> pb.NodeReadiness:
    return pb.NodeReadiness(node=name, state=_READINESS[state], message=message[:_MESSAGE_MAX])


def _by_path(row: tuple[str, bytes]) -> bytes:
    return row[0].encode()


def _object(text: str) -> dict[str, Any]:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _text(value: object) -> str:
    return value[:_MESSAGE_MAX] if isinstance(value, str) else ""
