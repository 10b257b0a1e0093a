"""The RulesetService: take files and have them published by a process of its own; change, tell and follow the Timeline.

What is uploaded is bounded as it arrives, and one change at a time is under way in a process: a second one is asked to
come again. Nothing here reads what the files say, and nothing here is linked: every change is the publishing process's.
What became of a publication is in the store, so that every node can tell it (server/publications.py).
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

import grpc
from google.protobuf.message import Message

from einklang.v1 import common_pb2 as common
from einklang.v1 import ruleset_pb2 as pb
from engine.timeline import (
    AUTHOR_MAX,
    CHANGE_ID_MAX,
    ENTRY_BYTES_MAX,
    INSTANT_MAX_US,
    PROMOTION_MAX,
    REASON_MAX,
    SEQUENCE_MAX,
    is_digest,
)
from server import publications, publish, timeline_answers
from server import store as stores
from server.activate import RulesetHolder, Standing
from server.clock import Clock, SystemClock
from server.contract import Failure, Refused, parse, refuse_foreign_tenant
from server.description import Described
from server.description import Unreadable as NotDescribed
from server.publications import Record, Unreadable
from server.publish import Finding, PublishResult
from server.settings import Settings
from server.store import NotStored, Store
from server.telemetry import Event, say
from server.timeline_answers import diagnostics, to_entry

CHUNK_BYTES_MAX: Final = 131_072  # a message holds one chunk; messages have at most 262,144 bytes
UPLOAD_SECONDS_MAX: Final = 120.0
PAGE_MAX: Final = 1_000
PAGE_DEFAULT: Final = 100
SCHEDULED_MAX: Final = 100
PROGRAM_BYTES_MAX: Final = 16 << 20  # a larger one is a table; its address tells whether it changed
PROGRAMS_BYTES_MAX: Final = 56 << 20  # of one answer
SOURCES_BYTES_MAX: Final = 1 << 20  # of one answer
WORDS_BYTES_MAX: Final = ENTRY_BYTES_MAX - 1_024  # of author and reason, as an entry has them beside all that is fixed
RETRY_AFTER_MS: Final = 1_000
WATCHERS_MAX: Final = 64  # of the Timeline or a publication, at once
WATCH_S: Final = 0.1  # between two looks
HEARTBEAT_S: Final = 5.0
NODE_KEPT_US: Final = 86_400_000_000
LIVE_LEASES: Final = 3  # a node that was heard of since so many leases is asked whether it is ready

_ID = re.compile(rf"[A-Za-z0-9._:-]{{1,{CHANGE_ID_MAX}}}")


class Publisher(Protocol):
    """server.publish.Publisher, or what stands for it in a test."""

    def __call__(
        self,
        files: dict[str, bytes],
        *,
        author: str,
        reason: str,
        effective_from_us: int | None,
        dry_run: bool,
        change_id: str,
        force: bool,
        urgent: bool,
        settings: Settings,
        progress: publish.Progress,
    ) -> Awaitable[PublishResult]:
        """Raises PublishRefused and PublishFailed."""

    def change(
        self, change: publish.Change, *, settings: Settings, progress: publish.Progress
    ) -> Awaitable[PublishResult]:
        """Raises PublishFailed."""


class RulesetServicer:
    """Methods take requests' bytes and give a response's."""

    PATIENT = frozenset({"Schedule", "CancelScheduled", "Rollback", "Pause", "Resume"})  # link, and wait for nodes

    def __init__(
        self,
        holder: RulesetHolder,
        settings: Settings,
        *,
        publish_files: Publisher | None = None,
        staged: Callable[[], None] = lambda: None,
        published: Callable[[PublishResult], Awaitable[None]] | None = None,
        store: Store | None = None,
        clock: Clock | None = None,
    ) -> None:
        """`staged` is called when nodes shall get something ready, `published` after a change of the Timeline, before
        its answer: to wake whoever follows them.

        `store`: what is read here of rulesets, publications and nodes; without one that is not served."""
        self._holder = holder
        self._settings = settings
        self._publish: Publisher = publish_files or publish.Publisher()
        self._staged = staged
        self._published = published
        self._store = store
        self._clock = clock or SystemClock()
        self._busy = asyncio.Lock()  # a change
        self._uploading = asyncio.Lock()  # a publication, from its first byte on: files of one at a time are held
        self._stopping = False
        self._under_way: set[asyncio.Task[bytes]] = set()
        self._watchers = 0

    def stop_taking(self) -> None:
        """Refuse publications from now on; one that is under way goes on."""
        self._stopping = True

    async def finish(self, seconds: float) -> None:
        """Wait for the publication under way; end it after so many seconds, and tell its caller."""
        self.stop_taking()
        try:
            async with asyncio.timeout(seconds), self._uploading, self._busy:
                return
        except TimeoutError:
            for task in self._under_way:
                task.cancel()

    async def _alone(
        self,
        work: Callable[[], Awaitable[bytes]],
        lock: asyncio.Lock,
        goes_on: Callable[[], bool] = lambda: False,
    ) -> bytes:
        """Do this while nothing else does under this lock, and refuse it where something is published here already.
        `goes_on`: also when its caller has gone by now."""
        self._refuse_when_stopping()
        if lock.locked() or self._busy.locked():
            raise _failed(publish.Busy())
        await lock.acquire()

        async def all_of_it() -> bytes:
            try:
                return await work()
            finally:
                lock.release()

        task = asyncio.create_task(all_of_it())
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():  # here, not by its caller
                text = "this server stopped before it was done: look it up, or repeat it with the same id"
                raise _stops(text, common.ERROR_REASON_OUTCOME_UNKNOWN) from None
            if not goes_on():
                task.cancel()
            raise

    def _refuse_when_stopping(self) -> None:
        if self._stopping:
            raise _stops("this server stops; try again, or at another node", common.ERROR_REASON_NOT_READY)

    # ------------------------------------------------------------------------------------------------ publishing

    async def Publish(self, requests: AsyncIterator[bytes]) -> bytes:  # noqa: N802 - the contract's name
        """A stream of PublishRequest → PublishResponse. Raises Failure, with the diagnostics of refused text."""
        named: list[str] = []  # by its id it can be looked up

        async def work() -> bytes:
            try:
                async with asyncio.timeout(UPLOAD_SECONDS_MAX):
                    files, finish = await self._receive(requests)
            except TimeoutError:
                text = f"the files did not arrive within {UPLOAD_SECONDS_MAX:g} s"
                raise Failure(grpc.StatusCode.DEADLINE_EXCEEDED, common.ERROR_REASON_UNSPECIFIED, text) from None
            if finish.publication_id:
                named.append(finish.publication_id)
            async with self._busy:  # not before: whoever sends slowly must not keep others from a pause or a roll-back
                began = self._clock.monotonic_ns()
                response = await self._compile(files, finish)
                response.stats.took_us = (self._clock.monotonic_ns() - began) // 1_000
            return response.SerializeToString(deterministic=True)

        return await self._alone(work, self._uploading, lambda: bool(named))

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
        _refuse_words(finish, "finish.")
        _refuse_instant("finish.effective_from_us", finish.effective_from_us)
        if finish.publication_id:
            if finish.dry_run:
                text = "a dry run changes nothing and needs none"
                raise Refused("finish.publication_id", text, common.ERROR_REASON_CONTRADICTION)
            _refuse_id("finish.publication_id", finish.publication_id)

    async def _compile(self, files: dict[str, bytes], finish: pb.PublishFinish) -> pb.PublishResponse:
        try:
            result = await self._publish(
                files,
                author=finish.author,
                reason=finish.reason,
                effective_from_us=finish.effective_from_us or None,
                dry_run=finish.dry_run,
                change_id=finish.publication_id,
                force=finish.force,
                urgent=finish.urgent,
                settings=self._settings,
                progress=self._progress,
            )
        except publish.PublishRefused as refused:
            say(Event.CHANGE_REFUSED, kind="publish", reason=str(refused))
            if finish.dry_run:
                return pb.PublishResponse(
                    stats=pb.RulesetStats(files=len(files)), diagnostics=diagnostics(refused.diagnostics)
                )
            raise _refused(refused) from None
        except publish.PublishFailed as failed:
            say(Event.CHANGE_REFUSED, kind="publish", reason=str(failed))
            raise _failed(failed, "finish.effective_from_us") from None
        if not finish.dry_run:
            say(Event.TIMELINE_CHANGED, kind="publish", sequence=result.sequence, digest=result.digest)
            if self._published is not None:
                await self._published(result)
        response = timeline_answers.publish_response(result, dry_run=finish.dry_run)
        response.stats.files = len(files)
        return response

    def _progress(self, step: str, _known: object) -> None:
        if step == "readiness":
            self._staged()

    async def GetPublication(self, data: bytes) -> bytes:  # noqa: N802 - the contract's name
        """GetPublicationRequest → GetPublicationResponse. Raises Failure."""
        message = parse(pb.GetPublicationRequest, data)
        refuse_foreign_tenant(message.tenant, self._settings.tenant)
        _refuse_id("publication_id", message.publication_id)
        response = pb.GetPublicationResponse(publication=await self._publication(message.publication_id))
        return response.SerializeToString(deterministic=True)

    async def WatchPublication(self, data: bytes) -> AsyncIterator[bytes]:  # noqa: N802 - the contract's name
        """WatchPublicationRequest → WatchPublicationResponses, until it has ended. Raises Failure."""
        message = parse(pb.WatchPublicationRequest, data)
        refuse_foreign_tenant(message.tenant, self._settings.tenant)
        _refuse_id("publication_id", message.publication_id)
        with self._watching():
            told: pb.Publication | None = None
            while True:
                now = await self._publication(message.publication_id)
                if now != told:
                    told = now
                    yield pb.WatchPublicationResponse(publication=now).SerializeToString(deterministic=True)
                if now.state in (pb.PUBLICATION_STATE_COMMITTED, pb.PUBLICATION_STATE_REFUSED):
                    return
                await self._look_again()

    async def _publication(self, name: str) -> pb.Publication:
        """How far it is: the Timeline is asked as well as the record."""
        with self._reading() as store:
            record = None
            try:
                if stored := await store.get_publication(name):  # before the Timeline: whoever writes does it after
                    record = Record.decode(stored)
            except Unreadable:
                record = None
            change = await store.change_of(name)
            now_us, timeline = await store.read(self._holder.timeline)
        if change is not None:
            first = timeline.entries[change[1] - 1]
            if record is not None and record.state == publications.COMMITTED:
                response = timeline_answers.publish_response(PublishResult.of(record.result))
            else:
                response = pb.PublishResponse(
                    ruleset_digest=first.digest, sequence=first.sequence, effective_from_us=first.effective_from_us
                )
            state = pb.PUBLICATION_STATE_COMMITTED
            return pb.Publication(publication_id=name, state=state, response=response, step="done")
        if record is None:
            text = "no publication of this id is known"
            code, reason = grpc.StatusCode.NOT_FOUND, common.ERROR_REASON_ID_UNKNOWN
            raise Failure(code, reason, text, field="publication_id")
        record = publications.outcome(record, now_us)
        found = timeline_answers.publication(record)
        if record.state == publications.REFUSED:
            found.error.CopyFrom(_error_of(record).detail)
        return found

    # ------------------------------------------------------------------------------------------------ other changes

    async def Schedule(self, data: bytes) -> bytes:  # noqa: N802 - the contract's name
        """ScheduleRequest → ScheduleResponse. Raises Failure."""
        message = parse(pb.ScheduleRequest, data)
        self._check_change(message)
        _refuse_digest(message.ruleset_digest)
        change = self._change_of("schedule", message, digest=message.ruleset_digest)
        return await self._changed(change, lambda result: pb.ScheduleResponse(entry=_first(result)))

    async def CancelScheduled(self, data: bytes) -> bytes:  # noqa: N802 - the contract's name
        """CancelScheduledRequest → CancelScheduledResponse. Raises Failure."""
        message = parse(pb.CancelScheduledRequest, data)
        self._check_change(message)
        _refuse_sequence("sequence", message.sequence, 1)
        change = self._change_of("cancel", message, sequence=message.sequence)
        return await self._changed(
            change, lambda result: pb.CancelScheduledResponse(entry=_first(result)), instant="sequence"
        )

    async def Rollback(self, data: bytes) -> bytes:  # noqa: N802 - the contract's name
        """RollbackRequest → RollbackResponse. Raises Failure."""
        message = parse(pb.RollbackRequest, data)
        self._check_change(message, why=True)
        _refuse_sequence("to_sequence", message.to_sequence, 0)
        change = self._change_of("rollback", message, sequence=message.to_sequence)
        return await self._changed(change, lambda result: pb.RollbackResponse(entry=_first(result)))

    async def Pause(self, data: bytes) -> bytes:  # noqa: N802 - the contract's name
        """PauseRequest → PauseResponse. Raises Failure."""
        message = parse(pb.PauseRequest, data)
        self._check_change(message, why=True)
        _refuse_promotion(message.promotion)
        _refuse_instant("until_us", message.until_us)
        if not message.until_us:
            raise Refused("until_us", "needed: when the pause ends", common.ERROR_REASON_MISSING)
        change = self._change_of("pause", message, promotion=message.promotion, until_us=message.until_us)

        def response(result: PublishResult) -> pb.PauseResponse:
            entries = timeline_answers.appended(result)
            ends = [entry for entry in entries if entry.kind != "cancel"]
            last = next((entry for entry in reversed(ends) if entry.effective_from_us == message.until_us), None)
            answer = pb.PauseResponse(entry=to_entry(entries[0]))
            known = last or self._holder.timeline.in_force(message.until_us)
            if known is not None:
                answer.resume_entry.CopyFrom(to_entry(known))
            return answer

        return await self._changed(change, response)

    async def Resume(self, data: bytes) -> bytes:  # noqa: N802 - the contract's name
        """ResumeRequest → ResumeResponse. Raises Failure."""
        message = parse(pb.ResumeRequest, data)
        self._check_change(message)
        _refuse_promotion(message.promotion)
        change = self._change_of("resume", message, promotion=message.promotion)
        return await self._changed(change, lambda result: pb.ResumeResponse(entry=_first(result)))

    def _check_change(self, message: Any, *, why: bool = False) -> None:
        refuse_foreign_tenant(message.tenant, self._settings.tenant)
        _refuse_words(message, "")
        if why and not message.reason:
            raise Refused("reason", "needed: why", common.ERROR_REASON_MISSING)
        _refuse_id("change_id", message.change_id)
        if "effective_from_us" in message.DESCRIPTOR.fields_by_name:
            _refuse_instant("effective_from_us", message.effective_from_us)

    def _change_of(self, kind: str, message: Any, **what: Any) -> publish.Change:
        timed = "effective_from_us" in message.DESCRIPTOR.fields_by_name
        return publish.Change(
            kind,
            message.author,
            message.reason,
            message.change_id,
            effective_from_us=(message.effective_from_us or None) if timed else None,
            force=message.force,
            urgent=message.urgent,
            **what,
        )

    async def _changed(
        self,
        change: publish.Change,
        response: Callable[[PublishResult], Message],
        *,
        instant: str = "effective_from_us",
    ) -> bytes:
        async def work() -> bytes:
            try:
                result = await self._publish.change(change, settings=self._settings, progress=self._progress)
            except publish.PublishFailed as failed:
                say(Event.CHANGE_REFUSED, kind=change.kind, reason=str(failed))
                raise _failed(failed, instant, named="promotion" if change.promotion else "ruleset_digest") from None
            say(Event.TIMELINE_CHANGED, kind=change.kind, sequence=result.sequence, digest=result.digest)
            if self._published is not None:
                await self._published(result)
            return response(result).SerializeToString(deterministic=True)

        return await self._alone(work, self._busy)

    # ------------------------------------------------------------------------------------------------ the Timeline

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
            scheduled_until_us=self._holder.scheduled_until_us,
        )
        standing = self._holder.standing()
        if isinstance(standing, Standing):
            response.certainty = common.Certainty.ValueType(standing.certainty)
        in_force = timeline.in_force(now_us)
        if in_force is not None:
            response.in_force.CopyFrom(to_entry(in_force, records))
        return response.SerializeToString(deterministic=True)

    async def WatchTimeline(self, data: bytes) -> AsyncIterator[bytes]:  # noqa: N802 - the contract's name
        """WatchTimelineRequest → WatchTimelineResponses, for ever. Raises Failure."""
        message = parse(pb.WatchTimelineRequest, data)
        refuse_foreign_tenant(message.tenant, self._settings.tenant)
        _refuse_sequence("from_sequence", message.from_sequence, 0)
        following = message.from_sequence or len(self._holder.timeline.entries) + 1
        with self._watching():
            told_ns = 0
            while True:
                for entry in self._holder.timeline.entries[following - 1 :]:
                    told_ns = self._clock.monotonic_ns()
                    following = entry.sequence + 1
                    sent = pb.WatchTimelineResponse(
                        entry=to_entry(entry, message.with_records), store_time_us=self._holder.now_us()
                    )
                    yield sent.SerializeToString(deterministic=True)
                if self._clock.monotonic_ns() - told_ns >= HEARTBEAT_S * 1e9:
                    told_ns = self._clock.monotonic_ns()
                    alive = pb.WatchTimelineResponse(store_time_us=self._holder.now_us())
                    yield alive.SerializeToString(deterministic=True)
                await self._look_again()

    async def _look_again(self) -> None:
        if self._stopping:
            raise _stops("this server stops; follow at another node", common.ERROR_REASON_NOT_READY)
        await asyncio.sleep(WATCH_S)

    @contextmanager
    def _watching(self) -> Iterator[None]:
        if self._watchers >= WATCHERS_MAX:
            text = f"{WATCHERS_MAX} callers follow here already; try another node"
            code, reason = grpc.StatusCode.RESOURCE_EXHAUSTED, common.ERROR_REASON_OVERLOADED
            raise Failure(code, reason, text, retryable=True, retry_after_ms=RETRY_AFTER_MS)
        self._watchers += 1
        try:
            yield
        finally:
            self._watchers -= 1

    @contextmanager
    def _reading(self) -> Iterator[Store]:
        """The store; its errors as the caller is told them."""
        if self._store is None:
            text = "this server has no store to read that from"
            raise Failure(grpc.StatusCode.UNIMPLEMENTED, common.ERROR_REASON_NOT_AVAILABLE, text)
        try:
            yield self._store
        except stores.StoreUnavailable as error:
            raise _failed(publish.StoreGone(f"{error}; try again, or another node")) from None
        except stores.StoreError as error:  # the operator's: what is stored, or who may read it, is not as it must be
            say(Event.STORE_BAD, reason=str(error))
            raise _failed(publish.PublishFailed(str(error))) from None

    async def ListNodes(self, data: bytes) -> bytes:  # noqa: N802 - the contract's name
        """ListNodesRequest → ListNodesResponse. Raises Failure."""
        message = parse(pb.ListNodesRequest, data)
        refuse_foreign_tenant(message.tenant, self._settings.tenant)
        with self._reading() as store:
            now_us = await store.time_us()
            known = await store.nodes()
            since_us = now_us - LIVE_LEASES * store.terms.lease_us
            live = [name for name, (seen_us, said) in known.items() if said and seen_us >= since_us]
            response = pb.ListNodesResponse(
                nodes=[
                    timeline_answers.node(name, *known[name])
                    for name in sorted(known, key=str.encode)
                    if known[name][0] > now_us - NODE_KEPT_US
                ],
                store_time_us=now_us,
                staged_rulesets=[
                    timeline_answers.staged(digest, await store.acks(digest), live)
                    for digest in sorted(await store.staged())
                ],
            )
        return response.SerializeToString(deterministic=True)

    # ------------------------------------------------------------------------------------------------ one ruleset

    async def GetRuleset(self, data: bytes) -> bytes:  # noqa: N802 - the contract's name
        """GetRulesetRequest → GetRulesetResponse. Raises Failure."""
        message = parse(pb.GetRulesetRequest, data)
        refuse_foreign_tenant(message.tenant, self._settings.tenant)
        timeline, now_us = self._holder.timeline, self._holder.now_us()
        in_force = timeline.in_force(now_us)
        if message.ruleset_digest:
            _refuse_digest(message.ruleset_digest)
        elif in_force is None:
            raise Failure(grpc.StatusCode.NOT_FOUND, common.ERROR_REASON_NO_RULESET, "no ruleset is in force")
        digest = message.ruleset_digest or (in_force.digest if in_force is not None else "")
        files: dict[str, bytes] = {}
        with self._reading() as store:
            try:
                described = Described.decode(await store.get_about(digest))
            except NotStored:
                code, reason = grpc.StatusCode.NOT_FOUND, common.ERROR_REASON_RULESET_UNKNOWN
                raise Failure(code, reason, "no ruleset of this digest is stored", field="ruleset_digest") from None
            except NotDescribed:
                code, reason = grpc.StatusCode.INTERNAL, common.ERROR_REASON_INTERNAL
                raise Failure(code, reason, "what is stored about this ruleset cannot be read") from None
            named = (entry.sources for entry in reversed(timeline.entries) if entry.digest == digest and entry.sources)
            sources = next(named, described.sources)
            if message.with_sources and sources:
                try:
                    files = await store.get_sources(sources, SOURCES_BYTES_MAX) or {}
                except NotStored:
                    files = {}
        kept_us = max(self._last_us(digest, now_us), now_us) + self._settings.keep_days * 86_400_000_000
        response = timeline_answers.ruleset(digest, described, sources=sources, files=files, kept_until_us=kept_us)
        return response.SerializeToString(deterministic=True)

    def _last_us(self, digest: str, now_us: int) -> int:
        """The last instant at which this ruleset is known to be in force; 0: none."""
        counting = [*self._holder.timeline.up_to(now_us), *self._holder.timeline.after(now_us)]
        ends = [*(entry.effective_from_us for entry in counting[1:]), now_us]
        return max((end for entry, end in zip(counting, ends, strict=False) if entry.digest == digest), default=0)

    async def GetPrograms(self, data: bytes) -> bytes:  # noqa: N802 - the contract's name
        """GetProgramsRequest → GetProgramsResponse. Raises Failure."""
        message = parse(pb.GetProgramsRequest, data)
        refuse_foreign_tenant(message.tenant, self._settings.tenant)
        in_force = self._holder.timeline.in_force(self._holder.now_us())
        digest = message.ruleset_digest or (in_force.digest if in_force is not None else "")
        if message.ruleset_digest and not is_digest(digest):
            raise Refused("ruleset_digest", "64 lowercase hexadecimal characters", common.ERROR_REASON_WRONG_FORM)
        if not digest:
            text = "no ruleset is in force"
            raise Failure(grpc.StatusCode.NOT_FOUND, common.ERROR_REASON_NO_RULESET, text)
        response = pb.GetProgramsResponse(ruleset_digest=digest)
        if in_force is not None and in_force.digest == digest:
            response.sequence = in_force.sequence
        with self._reading() as store:
            try:
                addresses, left = await store.get_listing(digest), PROGRAMS_BYTES_MAX
                async for address, program in store.get_programs(addresses, PROGRAM_BYTES_MAX):
                    response.programs.append(pb.Program(address=address, data=program if len(program) <= left else b""))
                    left -= len(response.programs[-1].data)
            except NotStored:
                text = f"the declarations of ruleset {digest} are not stored; publish its text again"
                raise Failure(grpc.StatusCode.NOT_FOUND, common.ERROR_REASON_RULESET_UNKNOWN, text) from None
        return response.SerializeToString(deterministic=True)


def _first(result: PublishResult) -> pb.TimelineEntry:
    return to_entry(timeline_answers.appended(result)[0])


def _refuse_words(message: Any, within: str) -> None:
    if not message.author:
        raise Refused(f"{within}author", "needed: who asks for it", common.ERROR_REASON_MISSING)
    if len(message.author) > AUTHOR_MAX:
        raise Refused(f"{within}author", f"at most {AUTHOR_MAX} characters")
    if len(message.reason) > REASON_MAX:
        raise Refused(f"{within}reason", f"at most {REASON_MAX:,} characters")
    # An entry is written as JSON in ASCII, where a letter outside it has 6 bytes, and one beyond the first plane 12.
    written = len(json.dumps(message.author)) + len(json.dumps(message.reason))
    if written > WORDS_BYTES_MAX:
        text = f"with the author at most {WORDS_BYTES_MAX:,} bytes as the Timeline writes them; these have {written:,}"
        raise Refused(f"{within}reason", text)


def _refuse_instant(field: str, instant_us: int) -> None:
    if not 0 <= instant_us <= INSTANT_MAX_US:
        raise Refused(field, f"microseconds since the epoch, from 0 to {INSTANT_MAX_US:,}")


def _refuse_id(field: str, text: str) -> None:
    if not text:
        raise Refused(
            field, "needed: an id of your own, which makes asking again harmless", common.ERROR_REASON_MISSING
        )
    if not _ID.fullmatch(text):
        form = f"1 to {CHANGE_ID_MAX} ASCII letters, digits and . _ : -"
        raise Refused(field, form, common.ERROR_REASON_WRONG_FORM)


def _refuse_sequence(field: str, sequence: int, least: int) -> None:
    if not least <= sequence <= SEQUENCE_MAX:
        raise Refused(field, f"the number of an entry, from {least} to {SEQUENCE_MAX:,}")


def _refuse_digest(digest: str) -> None:
    if not digest:
        raise Refused("ruleset_digest", "needed: which ruleset", common.ERROR_REASON_MISSING)
    if not is_digest(digest):
        raise Refused("ruleset_digest", "64 lowercase hexadecimal characters", common.ERROR_REASON_WRONG_FORM)


def _refuse_promotion(name: str) -> None:
    if not name:
        raise Refused("promotion", "needed: the name of a promotion", common.ERROR_REASON_MISSING)
    if len(name) > PROMOTION_MAX:
        raise Refused("promotion", f"at most {PROMOTION_MAX} characters")


def _error_of(record: Record) -> Failure:
    """Why a publication was refused."""
    if "refused" in record.error:
        return _refused(publish.PublishRefused(tuple(Finding.of(fields) for fields in record.error["refused"])))
    text, kind = str(record.error.get("failed", "")), str(record.error.get("kind", ""))
    if kind == "gone":
        return Failure(grpc.StatusCode.ABORTED, common.ERROR_REASON_UNSPECIFIED, text, retryable=True)
    return _failed(publish.failure(kind, text), "finish.effective_from_us")


def _refused(refused: publish.PublishRefused) -> Failure:
    found = diagnostics(refused.diagnostics)
    first = found[0] if found else common.Diagnostic(message="the text does not compile")
    place = f"{first.file}:{first.line}: " if first.file else ""
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return Refused("", f"{place}{first.message}{more}", common.ERROR_REASON_RULESET_INVALID).with_diagnostics(found)


def _stops(text: str, reason: common.ErrorReason.ValueType) -> Failure:
    again = reason == common.ERROR_REASON_NOT_READY
    return Failure(grpc.StatusCode.UNAVAILABLE, reason, text, retryable=again)


def _failed(failed: publish.PublishFailed, instant: str = "", named: str = "") -> Failure:
    """`instant`, `named`: the fields that say when, and what is unknown."""
    text = str(failed)
    match failed:
        case publish.TooEarly():
            return Failure(
                grpc.StatusCode.FAILED_PRECONDITION,
                common.ERROR_REASON_TOO_EARLY,
                text,
                field=instant,
            )
        case publish.NodesNotReady():
            return Failure(grpc.StatusCode.FAILED_PRECONDITION, common.ERROR_REASON_NODES_NOT_READY, text)
        case publish.NotPossible():
            return Failure(grpc.StatusCode.FAILED_PRECONDITION, common.ERROR_REASON_NOT_POSSIBLE, text)
        case publish.IdConflict():
            return Failure(grpc.StatusCode.ALREADY_EXISTS, common.ERROR_REASON_ID_CONFLICT, text)
        case publish.Unknown() if named == "promotion":
            return Refused(named, text, common.ERROR_REASON_UNKNOWN_NAME)
        case publish.Unknown():
            return Failure(grpc.StatusCode.NOT_FOUND, common.ERROR_REASON_RULESET_UNKNOWN, text, field=named)
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
