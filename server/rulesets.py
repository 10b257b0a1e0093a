"""The RulesetService: take files and have them published by a process of its own; tell the Timeline.

What is uploaded is bounded as it arrives, and one publication at a time is under way in a process: a second one is
asked to come again. Nothing here reads what the files say.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, Final, Protocol

import grpc

from einklang.v1 import common_pb2 as common
from einklang.v1 import ruleset_pb2 as pb
from engine.timeline import AUTHOR_MAX, HASH_PREFIX, INSTANT_MAX_US, REASON_MAX, Entry, is_digest
from server import publish
from server.activate import RulesetHolder
from server.clock import Clock, SystemClock
from server.contract import Failure, Refused, parse, refuse_foreign_tenant
from server.publish import Finding, PublishResult
from server.settings import Settings
from server.store import NotStored, Store

CHUNK_BYTES_MAX: Final = 131_072  # a message holds one chunk; messages have at most 262,144 bytes
UPLOAD_SECONDS_MAX: Final = 120.0
PAGE_MAX: Final = 1_000
PAGE_DEFAULT: Final = 100
SCHEDULED_MAX: Final = 100
PROGRAM_BYTES_MAX: Final = 16 << 20  # a larger one is a table; its address tells whether it changed
PROGRAMS_BYTES_MAX: Final = 56 << 20  # of one answer
RETRY_AFTER_MS: Final = 1_000

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


class Publish(Protocol):
    """server.publish.publish_files, or what stands for it in a test."""

    def __call__(
        self,
        files: dict[str, bytes],
        *,
        author: str,
        reason: str,
        effective_from_us: int | None,
        dry_run: bool,
        settings: Settings,
    ) -> Awaitable[PublishResult]:
        """Raises PublishRefused and PublishFailed."""


class RulesetServicer:
    """Publish and GetTimeline: methods take requests' bytes and give a response's."""

    def __init__(
        self,
        holder: RulesetHolder,
        settings: Settings,
        *,
        publish_files: Publish = publish.publish_files,
        published: Callable[[PublishResult], Awaitable[None]] | None = None,
        store: Store | None = None,
        clock: Clock | None = None,
    ) -> None:
        """`published` is called after a publication, before its answer: to wake whoever follows the Timeline.

        `store`: what GetPrograms reads from; without one it is not served."""
        self._holder = holder
        self._settings = settings
        self._publish = publish_files
        self._published = published
        self._store = store
        self._clock = clock or SystemClock()
        self._busy = asyncio.Lock()
        self._stopping = False
        self._under_way: asyncio.Task[Any] | None = None  # the publication
        self._ended = False  # it was ended here, not by its caller

    def stop_taking(self) -> None:
        """Refuse publications from now on; one that is under way goes on."""
        self._stopping = True

    async def finish(self, seconds: float) -> None:
        """Wait for the publication under way; end it after so many seconds, and tell its caller."""
        self.stop_taking()
        try:
            async with asyncio.timeout(seconds), self._busy:
                return
        except TimeoutError:
            if self._under_way is not None:
                self._ended = True
                self._under_way.cancel()

    async def Publish(self, requests: AsyncIterator[bytes]) -> bytes:  # noqa: N802 - the contract's name
        """A stream of PublishRequest → PublishResponse. Raises Failure, with the diagnostics of refused text."""
        if self._stopping:
            raise _stops("this server stops; publish again, or at another node", common.ERROR_REASON_NOT_READY)
        if self._busy.locked():
            raise _failed(publish.Busy())
        async with self._busy:
            self._under_way = asyncio.current_task()
            try:
                return await self._take(requests)
            except asyncio.CancelledError:
                if not self._ended or self._under_way is None:
                    raise
                self._under_way.uncancel()
                text = "this server stopped before the publication was done: look it up in the Timeline"
                raise _stops(text, common.ERROR_REASON_OUTCOME_UNKNOWN) from None
            finally:
                self._under_way = None

    async def _take(self, requests: AsyncIterator[bytes]) -> bytes:
        try:
            async with asyncio.timeout(UPLOAD_SECONDS_MAX):
                files, finish = await self._receive(requests)
        except TimeoutError:
            text = f"the files did not arrive within {UPLOAD_SECONDS_MAX:g} s"
            raise Failure(grpc.StatusCode.DEADLINE_EXCEEDED, common.ERROR_REASON_UNSPECIFIED, text) from None
        began = self._clock.monotonic_ns()
        response = await self._compile(files, finish)
        response.stats.took_us = (self._clock.monotonic_ns() - began) // 1_000
        return response.SerializeToString(deterministic=True)

    async def _receive(self, requests: AsyncIterator[bytes]) -> tuple[dict[str, bytes], pb.PublishFinish]:
        files: dict[str, bytearray] = {}
        current = ""
        total = 0
        finish: pb.PublishFinish | None = None
        async for data in requests:
            message = parse(pb.PublishRequest, data)
            if finish is not None:
                raise Refused("finish", "must be the last message of the stream", common.ERROR_REASON_CONTRADICTION)
            match message.WhichOneof("part"):
                case "chunk":
                    path = message.chunk.path
                    if path != current or path not in files:
                        self._refuse_path(path, files)
                        files[path] = bytearray()
                        current = path
                    size = len(message.chunk.data)
                    if size > CHUNK_BYTES_MAX:
                        raise Refused("chunk.data", f"at most {CHUNK_BYTES_MAX:,} bytes; these are {size:,}")
                    total += size
                    if total > self._settings.source_bytes_max:
                        text = f"more than {self._settings.source_bytes_max:,} bytes of files"
                        raise Failure(
                            grpc.StatusCode.RESOURCE_EXHAUSTED,
                            common.ERROR_REASON_TOO_LARGE,
                            text,
                            field="chunk.data",
                        )
                    files[path] += message.chunk.data
                case "finish":
                    finish = message.finish
                    self._check(finish)
                case _:
                    raise Refused("part", "needed: a chunk, or the finish", common.ERROR_REASON_MISSING)
        if finish is None:
            raise Refused("finish", "needed: the last message of the stream", common.ERROR_REASON_MISSING)
        if not files:
            raise Refused("chunk", "needed: at least one file", common.ERROR_REASON_MISSING)
        return {path: bytes(files[path]) for path in sorted(files)}, finish

    def _refuse_path(self, path: str, files: dict[str, bytearray]) -> None:
        if path in files:
            text = f"the chunks of {path[:80]!r} must follow one another"
            raise Refused("chunk.path", text, common.ERROR_REASON_DUPLICATE)
        if len(files) >= publish.FILES_MAX:
            raise Refused("chunk", f"at most {publish.FILES_MAX:,} files")
        try:
            publish.check_files({path: b""}, self._settings.source_bytes_max)
        except publish.PublishFailed as error:
            raise Refused("chunk.path", str(error), common.ERROR_REASON_WRONG_FORM) from None

    def _check(self, finish: pb.PublishFinish) -> None:
        refuse_foreign_tenant(finish.tenant, self._settings.tenant)
        if not finish.author:
            raise Refused("finish.author", "needed: who publishes", common.ERROR_REASON_MISSING)
        if len(finish.author) > AUTHOR_MAX:
            raise Refused("finish.author", f"at most {AUTHOR_MAX} characters")
        if len(finish.reason) > REASON_MAX:
            raise Refused("finish.reason", f"at most {REASON_MAX:,} characters")
        if not 0 <= finish.effective_from_us <= INSTANT_MAX_US:
            raise Refused("finish.effective_from_us", f"microseconds since the epoch, from 0 to {INSTANT_MAX_US:,}")
        if finish.publication_id:
            text = "this server does not serve it yet; leave it out"
            raise Refused("finish.publication_id", text, common.ERROR_REASON_NOT_AVAILABLE)

    async def _compile(self, files: dict[str, bytes], finish: pb.PublishFinish) -> pb.PublishResponse:
        try:
            result = await self._publish(
                files,
                author=finish.author,
                reason=finish.reason,
                effective_from_us=finish.effective_from_us or None,
                dry_run=finish.dry_run,
                settings=self._settings,
            )
        except publish.PublishRefused as refused:
            if finish.dry_run:
                return pb.PublishResponse(
                    stats=pb.RulesetStats(files=len(files)), diagnostics=diagnostics(refused.diagnostics)
                )
            raise _refused(refused) from None
        except publish.PublishFailed as failed:
            raise _failed(failed) from None
        if self._published is not None and not finish.dry_run:
            await self._published(result)
        return pb.PublishResponse(
            ruleset_digest=result.digest,
            sequence=result.sequence,
            effective_from_us=0 if finish.dry_run else result.effective_from_us,
            stats=pb.RulesetStats(files=len(files), compiled=result.programs_compiled, reused=result.programs_reused),
            diagnostics=diagnostics(result.diagnostics),
        )

    async def GetTimeline(self, data: bytes) -> bytes:  # noqa: N802 - the contract's name
        """GetTimelineRequest → GetTimelineResponse. Raises Failure."""
        message = parse(pb.GetTimelineRequest, data)
        refuse_foreign_tenant(message.tenant, self._settings.tenant)
        if not 0 <= message.page_size <= PAGE_MAX:
            raise Refused("page_size", f"from 0 to {PAGE_MAX:,}; this is {message.page_size:,}")
        if message.from_sequence < 0:
            raise Refused("from_sequence", f"from 0 on; this is {message.from_sequence:,}")
        now_us = self._holder.now_us()
        timeline = self._holder.timeline
        size = message.page_size or PAGE_DEFAULT
        first = message.from_sequence - 1 if message.from_sequence else max(0, len(timeline.entries) - size)
        entries = timeline.entries[first : first + size]
        records = message.with_records
        response = pb.GetTimelineResponse(
            entries=[to_entry(entry, records) for entry in entries],
            scheduled=[to_entry(entry, records) for entry in timeline.after(now_us)[:SCHEDULED_MAX]],
            next_sequence=entries[-1].sequence + 1 if entries and entries[-1] is not timeline.head else 0,
            store_time_us=now_us,
        )
        in_force = timeline.in_force(now_us)
        if in_force is not None:
            response.in_force.CopyFrom(to_entry(in_force, records))
        return response.SerializeToString(deterministic=True)

    async def GetPrograms(self, data: bytes) -> bytes:  # noqa: N802 - the contract's name
        """GetProgramsRequest → GetProgramsResponse. Raises Failure."""
        message = parse(pb.GetProgramsRequest, data)
        refuse_foreign_tenant(message.tenant, self._settings.tenant)
        in_force = self._holder.timeline.in_force(self._holder.now_us())
        digest = message.ruleset_digest or (in_force.digest if in_force is not None else "")
        if message.ruleset_digest and not is_digest(digest):
            raise Refused("ruleset_digest", "64 lowercase hexadecimal characters", common.ERROR_REASON_WRONG_FORM)
        if not digest or self._store is None:
            text = "no ruleset is in force"
            raise Failure(grpc.StatusCode.NOT_FOUND, common.ERROR_REASON_NO_RULESET, text)
        response = pb.GetProgramsResponse(ruleset_digest=digest)
        if in_force is not None and in_force.digest == digest:
            response.sequence = in_force.sequence
        try:
            left = PROGRAMS_BYTES_MAX
            async for address, program in self._store.get_programs(
                await self._store.get_listing(digest), PROGRAM_BYTES_MAX
            ):
                response.programs.append(pb.Program(address=address, data=program if len(program) <= left else b""))
                left -= len(response.programs[-1].data)
        except NotStored:
            text = f"the declarations of ruleset {digest} are not stored; publish its text again"
            raise Failure(grpc.StatusCode.NOT_FOUND, common.ERROR_REASON_RULESET_UNKNOWN, text) from None
        return response.SerializeToString(deterministic=True)


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
        promotion=entry.promotion,
        until_us=entry.until_us,
        cancelled_sequence=entry.cancelled,
        record=_record(entry) if with_record else b"",
    )


def _record(entry: Entry) -> bytes:
    """The bytes whose SHA-256 is the entry's hash: a prefix, and the entry without that hash as canonical JSON."""
    fields = json.loads(entry.encode())
    del fields["entry_hash"]
    body = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    record = HASH_PREFIX + body.encode("ascii")
    assert hashlib.sha256(record).hexdigest() == entry.entry_hash
    return record


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


def _refused(refused: publish.PublishRefused) -> Failure:
    found = diagnostics(refused.diagnostics)
    first = found[0] if found else common.Diagnostic(message="the text does not compile")
    place = f"{first.file}:{first.line}: " if first.file else ""
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return Refused("", f"{place}{first.message}{more}", common.ERROR_REASON_RULESET_INVALID).with_diagnostics(found)


def _stops(text: str, reason: common.ErrorReason.ValueType) -> Failure:
    again = reason == common.ERROR_REASON_NOT_READY
    return Failure(grpc.StatusCode.UNAVAILABLE, reason, text, retryable=again)


def _failed(failed: publish.PublishFailed) -> Failure:
    text = str(failed)
    match failed:
        case publish.TooEarly():
            return Failure(
                grpc.StatusCode.FAILED_PRECONDITION,
                common.ERROR_REASON_TOO_EARLY,
                text,
                field="finish.effective_from_us",
            )
        case publish.NoKey():
            return Failure(grpc.StatusCode.FAILED_PRECONDITION, common.ERROR_REASON_NOT_AVAILABLE, text)
        case publish.Busy():
            return Failure(
                grpc.StatusCode.ABORTED,
                common.ERROR_REASON_PUBLISH_BUSY,
                text,
                retryable=True,
                retry_after_ms=RETRY_AFTER_MS,
            )
        case publish.StoreGone():
            return Failure(
                grpc.StatusCode.UNAVAILABLE,
                common.ERROR_REASON_STORE_UNAVAILABLE,
                text,
                retryable=True,
                retry_after_ms=RETRY_AFTER_MS,
            )
        case publish.InDoubt():
            return Failure(grpc.StatusCode.UNAVAILABLE, common.ERROR_REASON_OUTCOME_UNKNOWN, text)
        case _:
            return Failure(grpc.StatusCode.INTERNAL, common.ERROR_REASON_INTERNAL, text)
