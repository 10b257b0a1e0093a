"""Publishing, in a process of its own: files → Programs → image → store → nodes ready → Timeline, whole or not at all.

    python -m server.publish_process PARENT_PID      (started by server/publish.py, which describes the streams)
    python -m server.publish_process PARENT_PID shared      (started by server/workers.py)

Shared, each order comes by a socket of its own, which its standard input brings; what files are held is said first.

Each step is announced on standard output before it begins. Parts are stored before the manifest that names them, that
before its signature, and that before the Timeline entry; whatever ends this process in between leaves nothing in force,
and what it stored is found and reused by the next publish. Sources that were compiled before by this very compiler are
not compiled again (the store's build record), unless what they became is not signed by our key: nothing is signed that
was not made here.

Every other change of the Timeline is an order too, since it may need rulesets that nobody published: a base without the
promotions that are paused. They are linked from the base's Programs, which count only if they link to the base itself,
and only if somebody who is trusted has signed that. What is asked for becomes entries in server/rollout.py.

The process stays for the next publication and remembers what it worked out (`dsl.memory`, `engine.reuse`): then only
what changed is compiled and linked. Memory is all that it holds, so losing it loses time and nothing else: it ends when
it is asked nothing for `publish_idle_s`, when it holds more than `publish_memory_mb`, and with its parent.
"""

from __future__ import annotations

import asyncio
import ctypes
import datetime
import gc
import hashlib
import importlib.metadata
import json
import logging
import os
import secrets
import select
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Final, TextIO

from engine.schedule import NotPossible
from engine.timeline import Entry, Timeline, TimelineError, is_digest
from server import publications, rollout
from server import store as stores
from server.clock import Clock, SystemClock
from server.publications import Record, Unreadable
from server.publish import KEPT, Finding, IdConflict, PublishFailed, PublishResult, Unknown, check_files
from server.rollout import NodesNotReady, RollOut, Wish
from server.settings import BadSettings, Settings, load
from server.signing import NoKey, Seal, seal_of, trust_of
from server.telemetry import ROOT, configure

LOOK_AGAIN_NS: Final = 3_600 * 10**9  # what is known to be stored is looked for again: `einklang prune` may delete it
HEAD_MAX: Final = 16 << 20  # bytes of the first line
ROOMS: Final = Path(__file__).resolve().parent.parent
KINDS: Final = ("publish", "schedule", "rollback", "pause", "resume", "cancel")
COMPILER: Final = ("lark", "pyarrow", "pydantic", "tzdata")  # packages whose version may change what is compiled

Say = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be published, or otherwise changed: see server.publish."""

    files: Mapping[str, bytes]
    author: str
    reason: str
    effective_from_us: int | None = None
    dry_run: bool = False
    kind: str = "publish"
    change_id: str = ""
    force: bool = False
    urgent: bool = False
    digest: str = ""
    sequence: int = 0
    promotion: str = ""
    until_us: int = 0

    @property
    def fingerprint(self) -> str:
        """What makes two orders of one id the same. How patient somebody is makes no difference."""
        sources = digest_of_files(self.files) if self.files else ""
        return publications.fingerprint(
            *(self.kind, sources, self.author, self.reason, self.effective_from_us, self.urgent),
            *(self.digest, self.sequence, self.promotion, self.until_us),
        )


class _Refused(Exception):
    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__("refused")
        self.findings = findings


def main() -> int:
    """Publish until there is no more to do; 0, or 2 where the settings do not fit."""
    _end_with_parent(int(sys.argv[1]))
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1, encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever else is printed must not look like an answer
    gc.disable()  # what one publication leaves is looked at after its answer
    try:
        settings = load()
    except BadSettings as error:
        _say(answers, {"failed": str(error), "kind": ""})
        return 2
    configure(settings.log_format, settings.log_level)
    desk = Desk(settings)
    orders = os.dup(sys.stdin.fileno())
    taken = _shared(desk, socket.socket(fileno=orders)) if "shared" in sys.argv else _piped(desk, orders, answers)
    for _ in taken:
        gc.collect()
        gc.freeze()  # what is remembered stays: looking through it again would only take time
        if desk.lost or _resident_bytes() > settings.publish_memory_mb << 20:
            break
    return 0


def _piped(desk: Desk, descriptor: int, answers: TextIO) -> Iterator[None]:
    """Orders that come one after another on one stream, each answered."""
    orders = os.fdopen(descriptor, "rb")
    while select.select([orders], [], [], desk.settings.publish_idle_s)[0] and (line := orders.readline(HEAD_MAX)):
        desk.serve(line, orders, answers)
        yield


def _shared(desk: Desk, line: socket.socket) -> Iterator[None]:
    """Orders that come by a socket each, which this line brings; each answered there, unless who gave it has gone."""
    held: dict[str, str] = {}
    while select.select([line], [], [], desk.settings.publish_idle_s)[0]:
        message, descriptors, _, _ = socket.recv_fds(line, 16, 1)
        if not message:
            return
        with (
            socket.socket(fileno=descriptors[0]) as connection,
            suppress(OSError),
            connection.makefile("rb") as orders,
            connection.makefile("w", buffering=1, encoding="utf-8") as answers,
        ):
            _say(answers, {"held": held})
            if first := orders.readline(HEAD_MAX):
                desk.serve(first, orders, answers)
        held = {path: hashlib.sha256(data).hexdigest() for path, data in desk.files.items()}
        yield


def _say(answers: TextIO, message: Mapping[str, object]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


class Desk:
    """Takes one order after another, and remembers."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.files: Mapping[str, bytes] = {}
        self.lost = False  # an order could not be read: where the next one begins is not known
        self.compiler = compiler_key()  # of what this process has loaded
        self.workshop = Workshop()

    def serve(self, line: bytes, stream: BinaryIO, answers: TextIO) -> None:
        """Answer an order; each step is announced."""

        def say(step: str, **known: object) -> None:
            _say(answers, {"progress": step, **known})

        say("order")
        _say(answers, self.answer(line, stream, say))

    def answer(self, line: bytes, stream: BinaryIO, say: Say) -> dict[str, object]:
        """What became of an order, ready to be written."""
        try:
            self.lost = True
            order = read_order(line, stream, self.settings.source_bytes_max, self.files)
            self.lost = False
            if order.kind == "publish":
                self.files = order.files
            work = carry_out(order, self.settings, say, self.workshop, self.compiler)
            return {"result": asdict(asyncio.run(work))}
        except BrokenPipeError:  # who gave the order has gone
            raise
        except Exception as error:
            if (told := _told(error)) is not None:
                return told
            logging.getLogger(ROOT).exception("publish failed")  # a fault of ours: logged in full, told in a sentence
            self.workshop = Workshop()  # whatever it was, it is not remembered
            return _fault(error)


def _told(error: Exception) -> dict[str, object] | None:
    """An error, as it is told to who gave the order; None: it is a fault of ours."""
    match error:
        case _Refused():
            return {"refused": [asdict(finding) for finding in error.findings]}
        case rollout.NotTakenBack():
            return {"failed": str(error), "kind": "too-early"}
        case stores.TooEarly():
            text = f"the first instant that every node can know of in time is {_instant(error.earliest_us)}"
            return {"failed": f"too early: {text}", "kind": "too-early"}
        case stores.OutcomeUnknown():
            return {"failed": str(error), "kind": "in-doubt"}
        case stores.StoreUnavailable():
            return {"failed": f"{error}; this call scheduled nothing", "kind": "store-gone"}
        case stores.ChangeIdUsed() | IdConflict():
            return {"failed": str(error), "kind": "id-conflict"}
        case NoKey():
            return {"failed": str(error), "kind": "no-key"}
        case NodesNotReady():
            return {"failed": str(error), "kind": "not-ready"}
        case NotPossible():
            return {"failed": str(error), "kind": "not-possible"}
        case Unknown():
            return {"failed": str(error), "kind": "unknown"}
        case stores.StoreError() | TimelineError() | PublishFailed() | BadSettings() | rollout.TooLate():
            return {"failed": str(error), "kind": ""}
    return None


def _fault(error: Exception) -> dict[str, object]:
    return {"failed": f"a fault of the publishing process: {type(error).__name__}: {error}", "kind": ""}


def _instant(us: int) -> str:
    moment = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(microseconds=us)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Workshop:
    """The compiler and the linker, and what they remember from one publication to the next."""

    def __init__(self) -> None:
        from dsl.memory import Memory
        from engine.reuse import Reuse

        self._memory = Memory()
        self._reuse = Reuse()
        self._reuse_derived = Reuse()
        self._stored: dict[int, tuple[Any, str]] = {}  # by the Program's id: it, and its address in the store
        self._store_id = ""
        self._clock: Clock = SystemClock()
        self._looked_ns = 0  # when all of them were looked for in the store
        self.known: dict[str, tuple[Any, ...]] = {}  # the Programs of the ruleset that was published last

    def compile(self, files: Mapping[str, bytes]) -> tuple[tuple[Any, ...], tuple[Finding, ...]]:
        """Programs, and warnings. Raises _Refused."""
        from dsl.compiler import compile_project

        compilation = compile_project(files, self._memory, tests=False)
        findings = tuple(
            Finding(
                code=str(found.code),
                severity=str(found.severity),
                message=found.message,
                help=found.help or "",
                file=found.span.file,
                line=found.span.line,
                column=found.span.column,
                end_line=found.span.end_line,
                end_column=found.span.end_column,
                edits=tuple((*astuple(span), text) for span, text in found.fix.edits) if found.fix else (),
            )
            for found in compilation.diagnostics
        )
        if any(finding.severity == "error" for finding in findings):
            raise _Refused(findings)
        return compilation.programs, findings

    def link(self, programs: tuple[Any, ...]) -> tuple[bytes, Mapping[str, bytes]]:
        """The image's manifest and parts."""
        from engine.link import link

        image = link(programs, self._reuse)
        return image.manifest, image.parts

    def link_without(
        self, base: str, programs: tuple[Any, ...], names: frozenset[str]
    ) -> tuple[tuple[Any, ...], bytes, Mapping[str, bytes]]:
        """A ruleset's Programs without these promotions, and their image. Raises PublishFailed where the Programs are
        not those of `base`."""
        from engine.link import link
        from engine.write import LinkError

        try:
            whole = link(programs, self._reuse_derived)
            if hashlib.sha256(whole.manifest).hexdigest() != base:
                text = f"ruleset {base} was linked by another version of this program: publish its text again, then"
                raise PublishFailed(f"{text} ask for this again")
            left = without(programs, names)
            image = link(left, self._reuse_derived)
        except LinkError as error:
            raise PublishFailed(f"ruleset {base} without {', '.join(sorted(names))}: {error}") from None
        return left, image.manifest, image.parts

    async def store(self, store: stores.Store, programs: tuple[Any, ...]) -> tuple[tuple[str, ...], int]:
        """Store the Programs that are not stored. Returns all addresses and how many were new."""
        from engine.program import encode

        now_ns = self._clock.monotonic_ns()
        if store.store_id != self._store_id or now_ns - self._looked_ns > LOOK_AGAIN_NS:
            self._store_id, self._stored, self._looked_ns = store.store_id, {}, now_ns
        fresh = [program for program in programs if id(program) not in self._stored]
        addresses, new = await store.put_programs([encode(program) for program in fresh])
        known = self._stored | {id(program): (program, name) for program, name in zip(fresh, addresses, strict=True)}
        self._stored = {id(program): known[id(program)] for program in programs}
        return tuple(name for _, name in self._stored.values()), new

    async def missing(self, store: stores.Store, programs: tuple[Any, ...]) -> int:
        """How many of the Programs are not stored."""
        from engine.program import encode

        known = self._stored if store.store_id == self._store_id else {}
        return await store.missing_programs(encode(program) for program in programs if id(program) not in known)


async def carry_out(order: Order, settings: Settings, say: Say, workshop: Workshop, compiler: str) -> PublishResult:
    """All steps. Raises what `_told` knows."""
    seal = None if order.dry_run else seal_of(settings)
    say("store")
    async with stores.opened(settings) as store:
        if order.dry_run:
            return await _dry_run(order, store, say, workshop, compiler)
        now_us, timeline = await store.read(Timeline())
        book = Book(store, order, now_us, settings.publish_timeout_s)
        if (told := await book.known(timeline)) is not None:
            return told
        work = Work(order, store, settings, say, workshop, seal, book)
        try:
            result = await (work.publish(compiler) if order.kind == "publish" else work.change())
        except stores.ChangeIdUsed as used:  # the same was asked for twice at once
            told = await book.known(await store.timeline())
            if told is None or used.fingerprint != book.fingerprint:
                raise
            return told
        except Exception as error:
            await book.failed(error)
            raise
        await book.committed(result)
        return result


async def _dry_run(order: Order, store: stores.Store, say: Say, workshop: Workshop, compiler: str) -> PublishResult:
    """Compile and link, and store nothing."""
    sources = digest_of_files(order.files)
    build = await store.get_build(_build_name(sources, compiler))
    facts: dict[str, Any] = {"files": len(order.files)}
    if build is not None:
        say("reuse", digest=build.digest)
        digest, findings = build.digest, tuple(Finding.of(note) for note in build.notes)
        counts = (0, len(build.programs), 0, 0)
    else:
        say("compile", files=len(order.files))
        programs, findings = workshop.compile(order.files)
        say("link", programs=len(programs))
        linking = asyncio.to_thread(workshop.link, programs)
        (manifest, parts), new = await asyncio.gather(linking, workshop.missing(store, programs))
        digest = hashlib.sha256(manifest).hexdigest()
        say("store-image", parts=len(parts), size_bytes=sum(map(len, parts.values())))
        new_parts = await store.missing_parts(parts)
        counts = (new, len(programs) - new, new_parts, len(parts) - new_parts)
        facts = await asyncio.to_thread(_facts, programs, parts, len(order.files), sources)
        del facts["about"]
    now_us, _ = await store.read(Timeline())
    at_us = order.effective_from_us or now_us + store.terms.lead_us
    return PublishResult(digest, 0, at_us, *counts, unchanged=False, diagnostics=findings, **facts)


class Work:
    """One order that changes the Timeline."""

    def __init__(
        self,
        order: Order,
        store: stores.Store,
        settings: Settings,
        say: Say,
        workshop: Workshop,
        seal: Seal | None,
        book: Book,
    ) -> None:
        self._order = order
        self._store = store
        self._settings = settings
        self._say = say
        self._workshop = workshop
        self._seal = seal
        self._book = book
        self._derived = False
        self._describing: asyncio.Task[dict[str, Any]] | None = None  # while nodes get ready

    async def publish(self, compiler: str) -> PublishResult:
        """Files → Programs → image → store → Timeline."""
        order, store, workshop = self._order, self._store, self._workshop
        sources = digest_of_files(order.files)
        name = _build_name(sources, compiler)
        build = await store.get_build(name)
        if build is not None and self._seal is not None and not await _sealed(store, build.digest, self._seal):
            build = None  # the store's word for what these sources became: it is not signed on that
        facts = None if build is None else await self._facts_of(build.digest)
        if build is not None and facts is not None:
            counts = (0, len(build.programs), 0, 0)
            digest, findings = build.digest, tuple(Finding.of(note) for note in build.notes)
            await store.put_listing(digest, build.programs)
            await store.put_sources(sources, order.files)
            self._say("reuse", digest=digest)
        else:
            await self._step("compile", files=len(order.files))
            programs, findings = workshop.compile(order.files)
            await self._step("link", programs=len(programs))
            linking = asyncio.to_thread(workshop.link, programs)
            (manifest, parts), (addresses, new), _ = await asyncio.gather(  # Programs are packed and stored meanwhile
                linking, workshop.store(store, programs), store.put_sources(sources, order.files)
            )
            digest = hashlib.sha256(manifest).hexdigest()
            await self._step("store-image", parts=len(parts), size_bytes=sum(map(len, parts.values())))
            notes = tuple(asdict(finding) for finding in findings)
            new_parts, *_ = await asyncio.gather(
                self._store_image(manifest, parts, addresses),
                store.put_build(name, stores.Build(digest, addresses, notes)),
            )
            self._describing = asyncio.create_task(self._described(digest, programs, parts, sources))
            counts = (new, len(programs) - new, new_parts, len(parts) - new_parts)
            workshop.known = {digest: programs}
        wish = Wish("publish", order.effective_from_us, digest, sources)
        told = await self._roll_out(wish)
        if self._describing is not None:
            facts = await self._describing
        assert facts is not None
        entry = told.entries[0]
        return PublishResult(
            digest,
            entry.sequence,
            entry.effective_from_us,
            *counts,
            unchanged=told.unchanged,
            diagnostics=findings,
            entries=tuple(entry.encode().decode("ascii") for entry in told.entries),
            **facts,
        )

    async def _described(
        self, digest: str, programs: tuple[Any, ...], parts: Mapping[str, bytes], sources: str
    ) -> dict[str, Any]:
        """Note what people want to know of a ruleset."""
        facts = await asyncio.to_thread(_facts, programs, parts, len(self._order.files), sources)
        await self._store.put_about(digest, facts.pop("about"))
        return facts

    async def change(self) -> PublishResult:
        """What is asked for without files."""
        order = self._order
        timeline = await self._store.timeline()
        wish = Wish(
            "publish" if order.kind == "schedule" else order.kind,
            order.effective_from_us,
            order.digest,
            next((entry.sources for entry in reversed(timeline.entries) if entry.digest == order.digest), ""),
            order.promotion,
            order.until_us,
            order.sequence,
        )
        if order.kind == "schedule":
            await self._trusted(order.digest)
        told = await self._roll_out(wish)
        entry = told.entries[0]
        return _result_of(told.entries, unchanged=told.unchanged, digest=entry.digest)

    async def _roll_out(self, wish: Wish) -> rollout.Told:
        rolling = RollOut(
            self._store,
            stores.Change(
                self._order.author,
                self._order.reason,
                self._book.change_id,
                self._book.fingerprint,
                self._order.urgent,
            ),
            self._derive,
            force=self._order.force,
            readiness_s=self._settings.readiness_timeout_s,
            deadline_us=self._book.deadline_us,
            tell=self._readiness,
            about_to_append=self._about_to_append,
        )
        await self._step("stage")
        return await rolling.append(wish)

    async def _about_to_append(self) -> None:
        """What can go wrong beside appending has to go wrong before."""
        if self._describing is not None:
            await self._describing
        await self._step("schedule")

    async def _readiness(self, states: rollout.States) -> None:
        self._say(
            "readiness",
            ready=sum(state == "ready" for _, state, _ in states),
            nodes=len(states),
            pending=[name for name, state, _ in states if state == "pending"],
            failed=[f"{name}: {why}" for name, state, why in states if state == "failed"],
        )
        await self._book.note("readiness", state=publications.STAGED, nodes=states)

    async def _step(self, step: str, **known: object) -> None:
        self._say(step, **known)
        staged = step in ("stage", "readiness", "schedule")
        await self._book.note(step, state=publications.STAGED if staged else publications.COMPILING)

    async def _derive(self, base: str, names: frozenset[str]) -> str:
        """The digest of a ruleset without some promotions, linked and stored."""
        from pydantic import ValidationError

        from engine.program import Program, Promotion, decode

        self._say("derive", digest=base, without=sorted(names))
        await self._trusted(base)
        programs = self._workshop.known.get(base)
        if programs is None:
            try:
                addresses = await self._store.get_listing(base)
                stored = [data async for _, data in self._store.get_programs(addresses, stores.PROGRAM_MAX)]
                decoded: tuple[Program, ...] = await asyncio.to_thread(lambda: tuple(map(decode, stored)))
                programs = decoded
            except stores.NotStored:
                text = f"the declarations of ruleset {base} are not stored: publish its text again"
                raise PublishFailed(text) from None
            except ValidationError:
                text = f"the declarations of ruleset {base} are of another version of this program"
                raise PublishFailed(f"{text}: publish its text again") from None
            self._workshop.known = {base: programs}
        there = {one.name for one in programs if isinstance(one, Promotion)}
        if self._order.kind == "pause" and not self._derived and self._order.promotion not in there:
            from dsl.wrong_forms import did_you_mean

            guess = did_you_mean(self._order.promotion, there)
            hint = f"; did you mean {guess!r}?" if guess else ""
            raise Unknown(f"the ruleset has no promotion {self._order.promotion!r}{hint}")
        self._derived = True  # the first one is what is in force when the pause begins
        if not names & there:
            return base
        left, manifest, parts = await asyncio.to_thread(self._workshop.link_without, base, programs, names & there)
        facts = await asyncio.to_thread(_facts, programs, parts, 0, "", names & there)
        digest = hashlib.sha256(manifest).hexdigest()
        await self._store_programs(left, manifest, parts)
        await self._store.put_about(digest, facts["about"])
        return digest

    async def _store_programs(self, programs: tuple[Any, ...], manifest: bytes, parts: Mapping[str, bytes]) -> None:
        from engine.program import encode

        addresses, _ = await self._store.put_programs([encode(program) for program in programs])
        await self._store_image(manifest, parts, addresses)

    async def _store_image(self, manifest: bytes, parts: Mapping[str, bytes], addresses: tuple[str, ...]) -> int:
        """THE place where an image that was made here is stored and signed. Returns how many parts were new."""
        digest = hashlib.sha256(manifest).hexdigest()
        new, _ = await asyncio.gather(self._store.put_parts(parts), self._store.put_listing(digest, addresses))
        await self._store.put_manifest(manifest)
        if self._seal is not None and not await _sealed(self._store, digest, self._seal):
            self._say("sign", digest=digest)
            await self._store.add_signature(digest, self._seal.sign(digest, self._order.author))
        return new

    async def _trusted(self, digest: str) -> None:
        """That nodes will take this ruleset. Raises Unknown, PublishFailed."""
        try:
            await self._store.get_manifest(digest)
        except stores.NotStored:
            raise Unknown(f"no ruleset {digest} is stored") from None
        if doubt := trust_of(self._settings).doubt(digest, await self._store.get_signatures(digest)):
            raise PublishFailed(f"ruleset {digest}: {doubt}")

    async def _facts_of(self, digest: str) -> dict[str, Any] | None:
        from server.description import Described, Unreadable

        try:
            return _counted(Described.decode(await self._store.get_about(digest)))
        except (stores.NotStored, stores.BadStoreData, Unreadable):
            return None


class Book:
    """Where it is written down what became of an order, and what was written of it before."""

    def __init__(self, store: stores.Store, order: Order, now_us: int, seconds: int) -> None:
        self._store = store
        self._order = order
        self.fingerprint = order.fingerprint
        self.change_id = order.change_id or f"auto-{secrets.token_hex(16)}"
        self.deadline_us = now_us + seconds * 1_000_000
        self._kept = bool(order.change_id) and order.kind == "publish"
        self._record = Record(order.change_id, self.fingerprint, publications.COMPILING, "", now_us, self.deadline_us)

    async def known(self, timeline: Timeline) -> PublishResult | None:
        """What came of the same order before. Raises IdConflict where the id was another's."""
        if not self._order.change_id:
            return None
        record = None
        if self._kept:
            with suppress(Unreadable):
                record = Record.decode(await self._store.get_publication(self.change_id))
        change = await self._store.change_of(self.change_id)
        before = change[0] if change is not None else record.fingerprint if record is not None else self.fingerprint
        if before != self.fingerprint:
            raise IdConflict(f"the id {self.change_id!r} was used for something else; choose another one")
        if change is None:
            return None
        if record is not None and record.state == publications.COMMITTED:
            return PublishResult.of(record.result)
        _, first, count = change
        if len(timeline.entries) < first - 1 + count:
            timeline = await self._store.timeline()
        entries = timeline.entries[first - 1 : first - 1 + count]
        return _result_of(entries, unchanged=False, digest=entries[0].digest)

    async def note(self, step: str, *, state: str, nodes: rollout.States = ()) -> None:
        """How far it is."""
        if self._kept:
            now_us = await self._store.time_us()
            self._record = replace(self._record, state=state, step=step, nodes=nodes, updated_us=now_us)
            await self._store.put_publication(self.change_id, self._record.encode())

    async def committed(self, result: PublishResult) -> None:
        """It stands in the Timeline."""
        if self._kept:
            self._record = replace(self._record, state=publications.COMMITTED, step="done", result=asdict(result))
            with suppress(stores.StoreError):  # the Timeline says it too
                await self._store.put_publication(self.change_id, self._record.encode())

    async def failed(self, error: Exception) -> None:
        """It does not, or nobody knows."""
        if not self._kept:
            return
        told = _told(error) or _fault(error)
        if "refused" in told:
            findings = told["refused"]
            assert isinstance(findings, list)
            told = {"refused": findings[: publications.DIAGNOSTICS_MAX]}
        state = publications.IN_DOUBT if told.get("kind") == "in-doubt" else publications.REFUSED
        with suppress(stores.StoreError):  # then it is known once its time is over
            now_us = await self._store.time_us()
            self._record = replace(self._record, state=state, step="done", error=told, updated_us=now_us)
            await self._store.put_publication(self.change_id, self._record.encode())


def _result_of(entries: tuple[Entry, ...], *, unchanged: bool, digest: str) -> PublishResult:
    """A result of which only the Timeline is known."""
    first = entries[0]
    return PublishResult(
        digest,
        first.sequence,
        first.effective_from_us,
        *(0, 0, 0, 0),
        unchanged=unchanged,
        diagnostics=(),
        entries=tuple(entry.encode().decode("ascii") for entry in entries),
    )


def _facts(
    programs: tuple[Any, ...],
    parts: Mapping[str, bytes],
    files: int,
    sources: str,
    paused: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    """What is told of a ruleset, in numbers; and in full, as `about`."""
    from server.description import described

    size = sum(map(len, parts.values()))
    found = described(programs, image_bytes=size, files=files, sources=sources, paused=paused)
    return {**_counted(found), "about": found.encode()}


def _counted(found: Any) -> dict[str, Any]:
    return {
        "files": found.files,
        "promotions": found.running,
        "segments": found.segments,
        "articles": found.articles,
        "image_bytes": found.image_bytes,
    }


def without(programs: tuple[Any, ...], names: frozenset[str]) -> tuple[Any, ...]:
    """A ruleset's Programs without some promotions. What others say of them goes with them: «not with» a promotion
    that is not there says nothing, nor does its place in the order of its group."""
    from engine.program import Group, Promotion

    left: list[Any] = []
    for one in programs:
        if isinstance(one, Promotion):
            if one.name in names:
                continue
            if names & set(one.not_with):
                one = one.model_copy(update={"not_with": tuple(name for name in one.not_with if name not in names)})
        elif isinstance(one, Group) and names & set(one.order):
            one = one.model_copy(update={"order": tuple(name for name in one.order if name not in names)})
        left.append(one)
    return tuple(left)


def _build_name(sources: str, compiler: str) -> str:
    return hashlib.sha256(f"{sources}\x00{compiler}".encode()).hexdigest()


async def _sealed(store: stores.Store, digest: str, seal: Seal) -> bool:
    """Whether this ruleset has our signature already."""
    return not seal.own.doubt(digest, await store.get_signatures(digest))


def read_order(line: bytes, stream: BinaryIO, bytes_max: int, before: Mapping[str, bytes]) -> Order:
    """What the parent wrote; files that are KEPT are those of the order `before`. Raises PublishFailed for anything
    else."""
    try:
        head: dict[str, Any] = json.loads(line)
        sizes = [(str(path), int(size)) for path, size in head["files"]]
        if sum(size for _, size in sizes) > bytes_max or min((size for _, size in sizes), default=0) < KEPT:
            raise PublishFailed(f"more than {bytes_max:,} bytes of files")
        if any(size == KEPT and path not in before for path, size in sizes):
            raise PublishFailed("a file was never sent")
        files = {path: before[path] if size == KEPT else stream.read(size) for path, size in sizes}
        if any(size not in (KEPT, len(files[path])) for path, size in sizes):
            raise PublishFailed("the files ended early")
        given = {name: value for name, value in head.items() if name != "files"}
        for field, value in given.items():
            if type(value) is not _FIELDS[field] and not (field == "effective_from_us" and value is None):
                raise ValueError(field)
        order = Order(files, **given)
    except (ValueError, KeyError, TypeError) as error:
        raise PublishFailed("not an order to publish") from error
    if order.kind not in KINDS or (order.digest and not is_digest(order.digest)):
        raise PublishFailed("not an order to publish")
    check_files(order.files, bytes_max)
    return order


_FIELDS: Final[dict[str, type]] = {
    "author": str,
    "reason": str,
    "effective_from_us": int,
    "dry_run": bool,
    "kind": str,
    "change_id": str,
    "force": bool,
    "urgent": bool,
    "digest": str,
    "sequence": int,
    "promotion": str,
    "until_us": int,
}


def digest_of_files(files: Mapping[str, bytes]) -> str:
    """SHA-256 in hex over all paths and contents, whatever their order."""
    said = hashlib.sha256(b"einklang sources 1\x00")
    for path in sorted(files):
        name = path.encode()
        said.update(b"%d %d\x00" % (len(name), len(files[path])) + name)
        said.update(files[path])
    return said.hexdigest()


def compiler_key() -> str:
    """SHA-256 in hex over everything that turns sources into an image: the compiler, the linker, their packages."""
    said = hashlib.sha256()
    for name in COMPILER:
        said.update(f"{name} {importlib.metadata.version(name)}\x00".encode())
    for room in ("dsl", "engine"):
        for path in sorted((ROOMS / room).rglob("*")):
            if path.suffix in {".py", ".lark"}:
                content = path.read_bytes()
                said.update(f"{path.relative_to(ROOMS).as_posix()} {len(content)}\x00".encode() + content)
    return said.hexdigest()


def _resident_bytes() -> int:
    """Memory that this process holds; 0 where the system does not say."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _end_with_parent(parent: int) -> None:
    """Ask the kernel to end this process when its parent ends, however that happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        raise SystemExit("the parent is gone")


if __name__ == "__main__":
    sys.exit(main())
