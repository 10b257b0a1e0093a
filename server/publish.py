"""Publishing, the caller's side: give files to a process of its own, read its progress, hand back what became of it.

A serving process never compiles (docs/decisions/publishing-process.md): a `Publisher` starts
`python -m server.publish_process` and keeps it; for each publication it writes the files that changed to its standard
input, and reads one JSON object a line from its standard output: `{"progress": …}` any number of times, then one of
`{"result": …}`, `{"refused": …}`, `{"failed": …}`.

What can go wrong, and who is told:

* PublishRefused    the author: the text has diagnostics; nothing was stored or scheduled
* PublishFailed     the caller: something else; the message says what
  x Busy            another publication is under way on this node
  x TooEarly        `effective_from_us` is not far enough ahead of the store's clock
  x StoreGone       the store cannot be reached; nothing was scheduled, publish again
  x NoKey           this node has no key to sign with
  x NodesNotReady   nodes cannot decide by it, or do not say that they can; nothing was scheduled
  x IdConflict      the change's id was used for something else
  x NotPossible     the Timeline as it is does not allow this change
  x Unknown         a ruleset or promotion that does not exist
  x InDoubt         the store went away while the Timeline was written: look the entry up, do not publish again
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import socket
import stat
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from server.embedded import store_settings
from server.settings import Settings, child_environment

SUFFIXES: Final = (".promo", ".csv", ".parquet", ".txt")  # what a project consists of
FILES_MAX: Final = 10_000
PATH_MAX: Final = 512  # characters of a file's path within its project
KEPT: Final = -1  # in place of a file's size: as it was sent before
LINE_MAX: Final = 64 << 20  # bytes of one line that the process writes


# file, line, column, end line, end column, the text to put there
Replacement = tuple[str, int, int, int, int, str]


@dataclass(frozen=True, slots=True)
class Finding:
    """A diagnostic of the compiler, as plain data. Lines and columns count from 1; 0 = no place."""

    code: str
    severity: str  # "error", "warning" or "note"
    message: str
    help: str
    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    edits: tuple[Replacement, ...] = ()  # all that mends it, safe to apply by machine

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Finding:
        """From JSON, which knows no tuples."""
        return cls(**{**fields, "edits": tuple(tuple(edit) for edit in fields["edits"])})


@dataclass(frozen=True, slots=True)
class PublishResult:
    """What was published. A dry run has sequence 0. `unchanged`: the Timeline's last entry names it already."""

    digest: str  # of the ruleset
    sequence: int
    effective_from_us: int  # by the store's clock
    programs_compiled: int  # new ones, stored now
    programs_reused: int  # those that the store had already
    parts_stored: int
    parts_reused: int
    unchanged: bool
    diagnostics: tuple[Finding, ...]  # warnings and notes
    entries: tuple[str, ...] = ()  # that were appended, as engine.timeline encodes them; the first is `sequence`
    files: int = 0
    promotions: int = 0
    segments: int = 0
    articles: int = 0
    image_bytes: int = 0

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> PublishResult:
        """From JSON, which knows no tuples."""
        found = tuple(Finding.of(finding) for finding in fields["diagnostics"])
        return cls(**{**fields, "diagnostics": found, "entries": tuple(fields["entries"])})


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the Timeline other than publishing files. `effective_from_us` None: as soon as it allows.

    `kind`: "schedule" (`digest`), "rollback" (`sequence`; 0: to the one before), "cancel" (`sequence`),
    "pause" (`promotion`, `until_us`) or "resume" (`promotion`)."""

    kind: str
    author: str
    reason: str
    change_id: str
    effective_from_us: int | None = None
    digest: str = ""
    sequence: int = 0
    promotion: str = ""
    until_us: int = 0
    force: bool = False
    urgent: bool = False


class PublishRefused(Exception):
    """The text does not compile; nothing was stored or scheduled, what was in force stays in force."""

    def __init__(self, diagnostics: tuple[Finding, ...]) -> None:
        errors = sum(finding.severity == "error" for finding in diagnostics)
        super().__init__(f"refused: {errors} error{'' if errors == 1 else 's'}")
        self.diagnostics = diagnostics


class PublishFailed(Exception):
    """It did not come to a ruleset in the Timeline, for another reason than the text; the message says which."""


class Busy(PublishFailed):
    """Another publication is under way on this node; nothing was done."""

    def __init__(self) -> None:
        super().__init__("another publication is under way on this node; try again")


class TooEarly(PublishFailed):
    """`effective_from_us` is not far enough ahead of the store's clock."""


class StoreGone(PublishFailed):
    """The store cannot be reached; nothing was scheduled, so publishing again is safe."""


class NoKey(PublishFailed):
    """This node has no key to sign with; nothing was done."""


class InDoubt(PublishFailed):
    """Whether the entry was written is not known: look it up in the Timeline; never publish again blindly."""


class NodesNotReady(PublishFailed):
    """Nodes cannot decide by it, or do not say that they can. Nothing was scheduled."""


class IdConflict(PublishFailed):
    """The change's id was used for something else."""


class NotPossible(PublishFailed):
    """The Timeline as it is does not allow this change. Nothing was scheduled."""


class Unknown(PublishFailed):
    """A ruleset or promotion that does not exist. Nothing was scheduled."""


Progress = Callable[[str, Mapping[str, object]], None]  # a step's name and what is known of it


def read_project(directory: Path, bytes_max: int = 256 << 20) -> dict[str, bytes]:
    """The files of a project by their path within it ("promotions/summer.promo"), in the order of their paths.

    Hidden files, links that lead out of the project and files of other kinds than SUFFIXES are left alone.
    Raises PublishFailed if any of the rest cannot be read, or is more than `check_files` allows."""
    found: dict[str, bytes] = {}
    total = 0
    try:
        root = directory.resolve()
        if not root.is_dir():
            raise PublishFailed(f"{directory}: not a directory")
        for folder, folders, names in os.walk(root, onerror=_raise):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                path = Path(folder, name)
                if name.startswith(".") or path.suffix not in SUFFIXES or not path.resolve().is_relative_to(root):
                    continue
                status = path.stat()
                if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device may never end
                    raise PublishFailed(f"{directory}: {path.relative_to(root).as_posix()!r}: not a regular file")
                total += status.st_size
                if total > bytes_max:
                    raise PublishFailed(f"{directory}: more than {bytes_max:,} bytes of files")
                found[path.relative_to(root).as_posix()] = path.read_bytes()
    except OSError as error:
        raise PublishFailed(f"{error.filename or directory}: {error.strerror}") from None
    except RuntimeError:
        raise PublishFailed(f"{directory}: a link that leads to itself") from None
    if not found:
        raise PublishFailed(f"{directory}: no promotion files ({', '.join(SUFFIXES)})")
    check_files(found, bytes_max)
    return dict(sorted(found.items()))


def _raise(error: OSError) -> None:
    """A folder that cannot be read is not left out: without its rules the project means something else."""
    raise error


async def publish_files(
    files: Mapping[str, bytes],
    *,
    author: str,
    reason: str,
    effective_from_us: int | None = None,
    dry_run: bool = False,
    settings: Settings,
    progress: Progress | None = None,
) -> PublishResult:
    """Compile, link, store and schedule these files in a process of its own, which ends with the answer.

    `effective_from_us` by the store's clock; None: as soon as the Timeline allows. `settings` say which store; with the
    embedded one its server must be running. Raises PublishRefused and PublishFailed."""
    publisher = Publisher()
    try:
        return await publisher(
            files,
            author=author,
            reason=reason,
            effective_from_us=effective_from_us,
            dry_run=dry_run,
            settings=settings,
            progress=progress,
        )
    finally:
        await publisher.close()


class Desk(Protocol):
    """Where several processes have their orders taken to one publishing process (server/workers.py)."""

    def hand_over(self, order: socket.socket) -> None:
        """Have the order that comes by this socket published."""

    def answered(self) -> None:
        """The order was answered."""

    def give_up(self) -> None:
        """The order is of no use any more."""


class Publisher:
    """Publishes one project again and again through a process that stays and remembers: what did not change since the
    last time is neither sent nor compiled again.

    The process is started by the first publication, ends when it was asked nothing for a while, holds too much memory,
    or this process ends, and is started again by the next publication. One at a time."""

    def __init__(self, desk: Desk | None = None) -> None:
        """`desk`: the process is shared with others, and theirs to start."""
        self._desk = desk
        self._one = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._settings: Settings | None = None
        self._sent: dict[str, str] = {}  # what the process has: SHA-256 by path

    async def __call__(
        self,
        files: Mapping[str, bytes],
        *,
        author: str,
        reason: str,
        effective_from_us: int | None = None,
        dry_run: bool = False,
        change_id: str = "",
        force: bool = False,
        urgent: bool = False,
        settings: Settings,
        progress: Progress | None = None,
    ) -> PublishResult:
        """As `publish_files`. `change_id`: who gives it may publish again, and it is done once. `force`: nodes that are
        not ready are no reason to refuse. `urgent`: before the horizon up to which cut-off nodes answer."""
        check_files(files, settings.source_bytes_max)
        head = {
            "kind": "publish",
            "author": author,
            "reason": reason,
            "effective_from_us": effective_from_us,
            "dry_run": dry_run,
            "change_id": change_id,
            "force": force,
            "urgent": urgent,
        }
        return await self._order(files, head, settings, progress)

    async def change(self, change: Change, *, settings: Settings, progress: Progress | None = None) -> PublishResult:
        """Change the Timeline otherwise; rulesets needed for it are linked and stored. Raises PublishFailed."""
        return await self._order({}, asdict(change), settings, progress)

    async def _order(
        self, files: Mapping[str, bytes], head: Mapping[str, object], settings: Settings, progress: Progress | None
    ) -> PublishResult:
        async with self._one:
            try:
                async with asyncio.timeout(settings.publish_timeout_s):
                    digests = await asyncio.to_thread(_digests, files)
                    try:
                        return await self._ask(files, digests, head, settings, progress)
                    except _NotTaken:  # it was about to end: it took nothing of this
                        await self._end()
                        return await self._ask(files, digests, head, settings, progress)
            except _NotTaken as ended:
                await self._end()
                raise PublishFailed(str(ended)) from None
            except TimeoutError:
                await self._end()
                raise PublishFailed(f"took longer than {settings.publish_timeout_s} s and was ended") from None
            except (PublishRefused, *_ORDERLY):
                raise
            except BaseException:
                await self._end()
                raise

    async def close(self) -> None:
        """End the process, with whatever it is doing."""
        await self._end()

    async def _ask(
        self,
        files: Mapping[str, bytes],
        digests: Mapping[str, str],
        head: Mapping[str, object],
        settings: Settings,
        progress: Progress | None,
    ) -> PublishResult:
        if self._desk is not None:
            return await self._ask_desk(self._desk, files, digests, head, progress)
        if self._process is None or self._process.returncode is not None or self._settings != settings:
            await self._start(settings)
        process = self._process
        assert process is not None
        new = {path: data for path, data in files.items() if self._sent.get(path) != digests[path]}
        if not files:  # a change without files: it keeps those that it has
            digests = self._sent
        self._sent = {}  # until it has answered
        listed = [[path, len(data) if path in new else KEPT] for path, data in files.items()]
        assert process.stdin is not None
        assert process.stdout is not None
        feeding = asyncio.create_task(_feed(process.stdin, {"files": listed, **head}, new))
        try:
            return await _outcome(process.stdout, process.wait, progress)
        except _ORDERLY:
            raise
        except PublishFailed:
            digests = {}
            raise
        finally:
            await feeding
            if process.returncode is None:
                self._sent = dict(digests)

    async def _ask_desk(
        self,
        desk: Desk,
        files: Mapping[str, bytes],
        digests: Mapping[str, str],
        head: Mapping[str, object],
        progress: Progress | None,
    ) -> PublishResult:
        """By a connection of this order's own, on which the process first says which files it has."""
        ours, theirs = socket.socketpair()
        with theirs:
            desk.hand_over(theirs)
        reader, writer = await asyncio.open_connection(sock=ours, limit=LINE_MAX)
        try:
            greeting = json.loads(await reader.readline() or b"{}")
            if "busy" in greeting:
                raise Busy
            if "held" not in greeting:
                raise _NotTaken("the publishing process ended without taking the order")
            new = {path: data for path, data in files.items() if greeting["held"].get(path) != digests[path]}
            listed = [[path, len(data) if path in new else KEPT] for path, data in files.items()]
            feeding = asyncio.create_task(_feed(writer, {"files": listed, **head}, new))
            try:
                result = await _outcome(reader, None, progress)
            except (PublishRefused, *_ORDERLY):
                desk.answered()
                raise
            finally:
                await feeding
            desk.answered()
            return result
        finally:
            writer.close()

    async def _start(self, settings: Settings) -> None:
        await self._end()
        self._settings = settings
        self._process = await asyncio.create_subprocess_exec(
            *publishing_command(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=None,  # its log goes where ours goes
            limit=LINE_MAX,
            env=publishing_environment(settings),
            start_new_session=True,  # a Ctrl-C at the terminal is this process's to judge
        )

    async def _end(self) -> None:
        if self._desk is not None:
            self._desk.give_up()
        process, self._process, self._sent = self._process, None, {}
        if process is None:
            return
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
        await process.wait()


class _NotTaken(Exception):
    """The process ended before it took the order."""


def _digests(files: Mapping[str, bytes]) -> dict[str, str]:
    return {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}


def check_files(files: Mapping[str, bytes], bytes_max: int) -> None:
    """That these can be the files of a project. Raises PublishFailed naming the file."""
    if len(files) > FILES_MAX:
        raise PublishFailed(f"{len(files):,} files; at most {FILES_MAX:,} are allowed")
    total = 0
    for path, data in files.items():
        parts = path.split("/")
        if not path or len(path) > PATH_MAX or "\\" in path or any(part in {"", ".", ".."} for part in parts):
            raise PublishFailed(f"{path[:PATH_MAX]!r}: not the path of a file within a project")
        if not path.isprintable():
            raise PublishFailed(f"{path!r}: a path with unprintable characters")
        total += len(data)
    if total > bytes_max:
        raise PublishFailed(f"{total:,} bytes of files; at most {bytes_max:,} are allowed")


def publishing_command() -> list[str]:
    """What starts the publishing process. It ends with this one."""
    # -P: no module of the directory that it happens to run in
    return [sys.executable, "-P", "-m", "server.publish_process", str(os.getpid())]


def publishing_environment(settings: Settings) -> dict[str, str]:
    """Its environment: the settings, and where this process finds its modules."""
    paths = os.pathsep.join(path for path in sys.path if os.path.isabs(path))
    return {**child_environment(store_settings(settings)), "PYTHONPATH": paths}


async def _feed(writer: asyncio.StreamWriter, head: Mapping[str, object], files: Mapping[str, bytes]) -> None:
    # It refused before it had read everything: its answer says why. uvloop says RuntimeError of a pipe that is closed.
    with suppress(ConnectionError, RuntimeError):
        writer.write(json.dumps(head).encode() + b"\n")
        for data in files.values():
            writer.write(data)
            await writer.drain()


async def _outcome(
    reader: asyncio.StreamReader, ended: Callable[[], Awaitable[int]] | None, progress: Progress | None
) -> PublishResult:
    """What the process answers. `ended` gives its exit code."""
    taken = False
    while line := await reader.readline():
        taken = True
        message = json.loads(line)
        if "progress" in message:
            if progress is not None:
                progress(message.pop("progress"), message)
        elif "refused" in message:
            raise PublishRefused(tuple(Finding.of(fields) for fields in message["refused"]))
        elif "failed" in message:
            raise failure(message["kind"], message["failed"])
        elif "result" in message:
            return PublishResult.of(message["result"])
    code = f" (exit code {await ended()})" if ended is not None else ""
    text = f"the publishing process ended without an answer{code}"
    raise PublishFailed(text) if taken else _NotTaken(text)


_FAILURES: Final[Mapping[str, type[PublishFailed]]] = {
    "too-early": TooEarly,
    "in-doubt": InDoubt,
    "store-gone": StoreGone,
    "no-key": NoKey,
    "not-ready": NodesNotReady,
    "id-conflict": IdConflict,
    "not-possible": NotPossible,
    "unknown": Unknown,
}
_ORDERLY: Final = (TooEarly, NodesNotReady, IdConflict, NotPossible, Unknown)  # after which it takes the next order


def failure(kind: str, text: str) -> PublishFailed:
    """What the publishing process says, as it is raised."""
    return _FAILURES.get(kind, PublishFailed)(text)
