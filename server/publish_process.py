"""Publishing, in a process of its own: files → Programs → image → store → Timeline, whole or not at all.

    python -m server.publish_process PARENT_PID      (started by server/publish.py, which describes the streams)
    python -m server.publish_process PARENT_PID shared      (started by server/workers.py)

Shared, each order comes by a socket of its own, which its standard input brings; what files are held is said first.

Each step is announced on standard output before it begins. Parts are stored before the manifest that names them, that
before its signature, and that before the Timeline entry; whatever ends this process in between leaves nothing in force,
and what it stored is found and reused by the next publish. Sources that were compiled before by this very compiler are
not compiled again (the store's build record), unless what they became is not signed by our key: nothing is signed that
was not made here.

The process stays for the next publication and remembers what it worked out (`dsl.memory`, `engine.reuse`): then only
what changed is compiled and linked. Memory is all that it holds, so losing it loses time and nothing else: it ends when
it is asked nothing for `publish_idle_s`, when it holds more than `publish_memory_mb`, and with its parent.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import hashlib
import importlib.metadata
import json
import logging
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, TextIO

from engine.timeline import Entry, Timeline, TimelineError
from server import store as stores
from server.publish import KEPT, Finding, PublishFailed, PublishResult, check_files
from server.settings import BadSettings, Settings, load
from server.signing import NoKey, Seal, seal_of
from server.telemetry import ROOT, configure

HEAD_MAX: Final = 16 << 20  # bytes of the first line
ROOMS: Final = Path(__file__).resolve().parent.parent
COMPILER: Final = ("lark", "pyarrow", "pydantic", "tzdata")  # packages whose version may change what is compiled

Say = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be published."""

    files: Mapping[str, bytes]
    author: str
    reason: str
    effective_from_us: int | None
    dry_run: bool


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
            self.files = order.files
            work = publish(order, self.settings, say, self.workshop, self.compiler)
            return {"result": asdict(asyncio.run(work))}
        except _Refused as refused:
            return {"refused": [asdict(finding) for finding in refused.findings]}
        except stores.TooEarly as error:
            return {"failed": str(error), "kind": "too-early"}
        except stores.OutcomeUnknown as error:
            return {"failed": str(error), "kind": "in-doubt"}
        except stores.StoreUnavailable as error:
            return {"failed": str(error), "kind": "store-gone"}
        except NoKey as error:
            return {"failed": str(error), "kind": "no-key"}
        except (stores.StoreError, TimelineError, PublishFailed, BadSettings) as error:
            return {"failed": str(error), "kind": ""}
        except BrokenPipeError:  # who gave the order has gone
            raise
        except Exception as error:  # a fault of ours: logged in full, and told in a sentence
            logging.getLogger(ROOT).exception("publish failed")
            self.workshop = Workshop()  # whatever it was, it is not remembered
            text = f"a fault of the publishing process: {type(error).__name__}: {error}"
            return {"failed": text, "kind": ""}


class Workshop:
    """The compiler and the linker, and what they remember from one publication to the next."""

    def __init__(self) -> None:
        from dsl.memory import Memory
        from engine.reuse import Reuse

        self._memory = Memory()
        self._reuse = Reuse()
        self._stored: dict[int, tuple[Any, str]] = {}  # by the Program's id: it, and its address in the store
        self._store_id = ""

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

    async def store(self, store: stores.Store, programs: tuple[Any, ...]) -> tuple[tuple[str, ...], int]:
        """Store the Programs that are not stored. Returns all addresses and how many were new."""
        from engine.program import encode

        if store.store_id != self._store_id:
            self._store_id, self._stored = store.store_id, {}
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


async def publish(order: Order, settings: Settings, say: Say, workshop: Workshop, compiler: str) -> PublishResult:
    """All steps. Raises what `Desk.answer` lists."""
    seal = None if order.dry_run else seal_of(settings)
    say("store")
    async with stores.opened(settings) as store:
        sources = digest_of_files(order.files)
        build_name = hashlib.sha256(f"{sources}\x00{compiler}".encode()).hexdigest()
        build = await store.get_build(build_name)
        if build is not None and seal is not None and not await _sealed(store, build.digest, seal):
            build = None  # the store's word for what these sources became: it is not signed on that
        counts = {"programs_compiled": 0, "programs_reused": 0, "parts_stored": 0, "parts_reused": 0}
        if build is not None:
            counts["programs_reused"] = len(build.programs)
            digest, findings = build.digest, tuple(Finding.of(note) for note in build.notes)
            if not order.dry_run:
                await store.put_listing(digest, build.programs)
            say("reuse", digest=digest)
        else:
            say("compile", files=len(order.files))
            programs, findings = workshop.compile(order.files)
            say("link", programs=len(programs))
            linking = asyncio.to_thread(workshop.link, programs)
            if order.dry_run:
                (manifest, parts), new = await asyncio.gather(linking, workshop.missing(store, programs))
            else:  # Programs are packed and stored meanwhile
                (manifest, parts), (addresses, new) = await asyncio.gather(linking, workshop.store(store, programs))
            digest = hashlib.sha256(manifest).hexdigest()
            say("store-image", parts=len(parts), size_bytes=sum(map(len, parts.values())))
            if order.dry_run:
                new_parts = await store.missing_parts(parts)
            else:
                notes = tuple(asdict(finding) for finding in findings)
                new_parts, *_ = await asyncio.gather(
                    store.put_parts(parts),
                    store.put_listing(digest, addresses),
                    store.put_build(build_name, stores.Build(digest, addresses, notes)),
                )
                await store.put_manifest(manifest)
                if seal is not None and not await _sealed(store, digest, seal):
                    say("sign", digest=digest)
                    await store.add_signature(digest, seal.sign(digest, order.author))
            counts["programs_compiled"], counts["programs_reused"] = new, len(programs) - new
            counts["parts_stored"], counts["parts_reused"] = new_parts, len(parts) - new_parts
        now_us, timeline = await store.read(Timeline())
        if order.dry_run:
            at_us = order.effective_from_us or now_us + store.terms.lead_us
            return PublishResult(digest, 0, at_us, **counts, unchanged=False, diagnostics=findings)
        entry = _already(timeline, now_us, digest) if order.effective_from_us is None else None
        if entry is not None:
            return PublishResult(
                digest, entry.sequence, entry.effective_from_us, **counts, unchanged=True, diagnostics=findings
            )
        say("schedule", digest=digest)
        draft = stores.Draft(digest, sources=sources, effective_from_us=order.effective_from_us)
        (entry,) = await store.append([draft], stores.Change(order.author, order.reason))
        return PublishResult(
            digest, entry.sequence, entry.effective_from_us, **counts, unchanged=False, diagnostics=findings
        )


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
        order = Order(files, head["author"], head["reason"], head["effective_from_us"], bool(head["dry_run"]))
    except (ValueError, KeyError, TypeError) as error:
        raise PublishFailed("not an order to publish") from error
    check_files(order.files, bytes_max)
    return order


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


def _already(timeline: Timeline, now_us: int, digest: str) -> Entry | None:
    """The entry by which this ruleset is in force, if it is and nothing else is scheduled."""
    entry = timeline.in_force(now_us)
    if timeline.after(now_us):
        entry = timeline.after(now_us)[-1]
    return entry if entry is not None and entry.digest == digest else None


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
