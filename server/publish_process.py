"""Publishing, in a process of its own: files → Programs → image → store → Timeline, whole or not at all.

    python -m server.publish_process PARENT_PID      (started by server/publish.py, which describes the streams)

Each step is announced on standard output before it begins. Parts are stored before the manifest that names them, and
that before the Timeline entry; whatever ends this process in between leaves nothing in force, and what it stored is
found and reused by the next publish. Sources that were compiled before by this very compiler are not compiled again
(the store's build record); a changed project is compiled as a whole, and its unchanged Programs and parts are reused.
"""

from __future__ import annotations

import asyncio
import ctypes
import hashlib
import importlib.metadata
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from engine.timeline import Entry, Timeline, TimelineError
from server import store as stores
from server.publish import Finding, PublishFailed, PublishResult, check_files
from server.settings import BadSettings, Settings, load
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
    """0: published; 1: refused; 2: failed. The answer is the last line of standard output."""
    _end_with_parent(int(sys.argv[1]))
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1, encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever else is printed must not look like an answer

    def say(step: str, **known: object) -> None:
        answers.write(json.dumps({"progress": step, **known}) + "\n")

    try:
        settings = load()
        configure(settings.log_format, settings.log_level)
        order = read_order(sys.stdin.buffer, settings.source_bytes_max)
        result = asyncio.run(publish(order, settings, say))
        answer: dict[str, object] = {"result": asdict(result)}
        code = 0
    except _Refused as refused:
        answer, code = {"refused": [asdict(finding) for finding in refused.findings]}, 1
    except stores.TooEarly as error:
        answer, code = {"failed": str(error), "kind": "too-early"}, 2
    except stores.OutcomeUnknown as error:
        answer, code = {"failed": str(error), "kind": "in-doubt"}, 2
    except stores.StoreUnavailable as error:
        answer, code = {"failed": str(error), "kind": "store-gone"}, 2
    except (stores.StoreError, TimelineError, PublishFailed, BadSettings) as error:
        answer, code = {"failed": str(error), "kind": ""}, 2
    except Exception as error:  # a fault of ours: logged in full, and told in a sentence
        logging.getLogger(ROOT).exception("publish failed")
        answer, code = {"failed": f"a fault of the publishing process: {type(error).__name__}: {error}", "kind": ""}, 2
    answers.write(json.dumps(answer) + "\n")
    answers.flush()
    return code


async def publish(order: Order, settings: Settings, say: Say) -> PublishResult:
    """All steps. Raises what `main` lists."""
    say("store")
    async with stores.opened(settings) as store:
        sources = digest_of_files(order.files)
        build_name = hashlib.sha256(f"{sources}\x00{compiler_key()}".encode()).hexdigest()
        build = await store.get_build(build_name)
        counts = {"programs_compiled": 0, "programs_reused": 0, "parts_stored": 0, "parts_reused": 0}
        if build is not None:
            counts["programs_reused"] = len(build.programs)
            digest, findings = build.digest, tuple(Finding(**note) for note in build.notes)
            if not order.dry_run:
                await store.put_listing(digest, build.programs)
            say("reuse", digest=digest)
        else:
            say("compile", files=len(order.files))
            programs, findings = _compile(order.files)
            say("link", programs=len(programs))
            manifest, parts, encoded = _link(programs)
            digest = hashlib.sha256(manifest).hexdigest()
            say("store-image", parts=len(parts), size_bytes=sum(map(len, parts.values())))
            if order.dry_run:
                new = await store.missing_programs(encoded)
                new_parts = await store.missing_parts(parts)
            else:
                addresses, new = await store.put_programs(encoded)
                new_parts = await store.put_parts(parts)
                await store.put_manifest(manifest)
                await store.put_listing(digest, addresses)
                notes = tuple(asdict(finding) for finding in findings)
                await store.put_build(build_name, stores.Build(digest, addresses, notes))
            counts["programs_compiled"], counts["programs_reused"] = new, len(encoded) - new
            counts["parts_stored"], counts["parts_reused"] = new_parts, len(parts) - new_parts
        now_us, timeline = await store.read(Timeline())
        if order.dry_run:
            at_us = order.effective_from_us or now_us + store.lead_us
            return PublishResult(digest, 0, at_us, **counts, unchanged=False, diagnostics=findings)
        entry = _already(timeline, now_us, digest) if order.effective_from_us is None else None
        if entry is not None:
            return PublishResult(
                digest, entry.sequence, entry.effective_from_us, **counts, unchanged=True, diagnostics=findings
            )
        say("schedule", digest=digest)
        entry = await store.append(
            digest=digest,
            author=order.author,
            reason=order.reason,
            sources=sources,
            effective_from_us=order.effective_from_us,
        )
        return PublishResult(
            digest, entry.sequence, entry.effective_from_us, **counts, unchanged=False, diagnostics=findings
        )


def read_order(stream: BinaryIO, bytes_max: int) -> Order:
    """What the parent wrote. Raises PublishFailed for anything else."""
    line = stream.readline(HEAD_MAX)
    try:
        head: dict[str, Any] = json.loads(line)
        sizes = [(str(path), int(size)) for path, size in head["files"]]
        if sum(size for _, size in sizes) > bytes_max or min((size for _, size in sizes), default=0) < 0:
            raise PublishFailed(f"more than {bytes_max:,} bytes of files")
        files = {path: stream.read(size) for path, size in sizes}
        if [len(data) for data in files.values()] != [size for _, size in sizes]:
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


def _compile(files: Mapping[str, bytes]) -> tuple[tuple[Any, ...], tuple[Finding, ...]]:
    from dsl.compiler import compile_project

    compilation = compile_project(files)
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
            fix=found.fix.text if found.fix is not None and found.fix.span == found.span else None,
        )
        for found in compilation.diagnostics
    )
    if any(finding.severity == "error" for finding in findings):
        raise _Refused(findings)
    return compilation.programs, findings


def _link(programs: tuple[Any, ...]) -> tuple[bytes, Mapping[str, bytes], tuple[bytes, ...]]:
    """The image's manifest and parts, and the Programs' canonical bytes."""
    from engine.link import link
    from engine.program import encode

    image = link(programs)
    return image.manifest, image.parts, tuple(encode(program) for program in programs)


def _already(timeline: Timeline, now_us: int, digest: str) -> Entry | None:
    """The entry by which this ruleset is in force, if it is and nothing else is scheduled."""
    entry = timeline.in_force(now_us)
    if timeline.after(now_us):
        entry = timeline.after(now_us)[-1]
    return entry if entry is not None and entry.digest == digest else None


def _end_with_parent(parent: int) -> None:
    """Ask the kernel to end this process when its parent ends, however that happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        raise SystemExit("the parent is gone")


if __name__ == "__main__":
    sys.exit(main())
