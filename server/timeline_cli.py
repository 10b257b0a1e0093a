"""What the commands about the Timeline do: publish, schedule, cancel, rollback, pause, resume, log, and the nodes.

A change is asked for with an id that is made up here, so that asking again is harmless: an answer that was lost, a
server that is busy, are asked again, and a publication that goes on without its caller can be looked up.

What can go wrong, and who is told: client.CallFailed and Unfit, the person at the terminal, in a sentence
"""

from __future__ import annotations

import hashlib
import json
import secrets
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import grpc

from einklang.v1 import common_pb2 as common
from einklang.v1 import ruleset_pb2 as pb
from einklang.v1 import ruleset_pb2_grpc
from engine.timeline import HASH_PREFIX
from server import client, instants
from server.client import CallFailed
from server.clock import SystemClock
from server.instants import from_now, local, span

CHUNK: Final = 128 * 1_024
PAGE: Final = 1_000
AGAIN: Final = 20  # times that something is asked for again; where something else is under way, to the end of patience
AGAIN_S: Final = 0.5
LOOK_UP_S: Final = 2.0

_pause = threading.Event().wait  # nobody sets it: it lets time pass


class Unfit(Exception):
    """What the command line says cannot be; the message says why."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom to ask, and who asks."""

    address: str
    timeout_s: float
    author: str = ""
    reason: str = ""
    force: bool = False
    urgent: bool = False

    def words(self) -> dict[str, Any]:
        """What every change says."""
        return {
            "author": self.author,
            "reason": self.reason,
            "force": self.force,
            "urgent": self.urgent,
            "change_id": new_id(),
        }


Tell = Callable[[str], None]


def new_id() -> str:
    """An id that nobody used."""
    return f"cli-{secrets.token_hex(8)}"


# ---------------------------------------------------------------------------------------------------- asking


def timeline(asked: Asked, **fields: Any) -> pb.GetTimelineResponse:
    """A part of the Timeline. Raises CallFailed."""
    with client.channel(asked.address) as connection:
        stub = ruleset_pb2_grpc.RulesetServiceStub(connection)
        request = pb.GetTimelineRequest(**fields)
        found: pb.GetTimelineResponse = client.call(
            stub.GetTimeline, request, address=asked.address, timeout_s=asked.timeout_s
        )
        return found


def all_entries(asked: Asked, *, with_records: bool = False) -> tuple[list[pb.TimelineEntry], pb.GetTimelineResponse]:
    """The whole Timeline, and the last answer. Raises CallFailed."""
    entries: list[pb.TimelineEntry] = []
    following = 1
    while True:
        response = timeline(asked, from_sequence=following, page_size=PAGE, with_records=with_records)
        entries += response.entries
        following = response.next_sequence
        if not following:
            return entries, response


class _Patience:
    """How often something is asked for again, and what the person at the terminal is told of that."""

    def __init__(self, asked: Asked, tell: Tell) -> None:
        self._clock = SystemClock()
        self._until_ns = self._clock.monotonic_ns() + int(asked.timeout_s * 1e9)
        self._left = AGAIN
        self._told = ""
        self._tell = tell

    def wait(self, failed: CallFailed) -> bool:
        """Let time pass before it is asked for again; False: it is not."""
        self._left -= 1
        pause_s = max(AGAIN_S, failed.detail.retry_after_ms / 1_000)
        if failed.detail.reason == common.ERROR_REASON_PUBLISH_BUSY:
            again = self._clock.monotonic_ns() + pause_s * 1e9 < self._until_ns
        else:
            again = self._left > 0
        if not again:
            return False
        if str(failed) != self._told:
            self._told = str(failed)
            self._tell(f"{failed}; trying again")
        _pause(pause_s)
        return True


def _on_stderr(line: str) -> None:
    sys.stderr.write(f"   {line}\n")
    sys.stderr.flush()


def changed(asked: Asked, method: str, request: Any, tell: Tell = _on_stderr) -> Any:
    """Ask for a change until it is known what came of it. Raises CallFailed, also when it is interrupted: then it says
    how to look the change up."""
    patience = _Patience(asked, tell)
    with client.channel(asked.address) as connection:
        call = getattr(ruleset_pb2_grpc.RulesetServiceStub(connection), method)
        try:
            while True:
                try:
                    return client.call(call, request, address=asked.address, timeout_s=asked.timeout_s)
                except CallFailed as error:
                    unknown = error.detail.reason == common.ERROR_REASON_OUTCOME_UNKNOWN
                    if not error.detail.retryable and not unknown:
                        lost = error.detail.reason == common.ERROR_REASON_UNSPECIFIED  # no answer of the server's
                        raise _look_up_later(asked, request.change_id, error) if lost else error from None
                    if not patience.wait(error):
                        raise _look_up_later(asked, request.change_id, error) if unknown else error from None
        except KeyboardInterrupt:
            raise _look_up_later(asked, request.change_id, CallFailed("interrupted")) from None


def _look_up_later(asked: Asked, name: str, failed: CallFailed) -> CallFailed:
    """The same error, with how to find out what came of a change or publication."""
    look = f"einklang status --publication {name} --address {asked.address}"
    return CallFailed(f"{failed}\nwhat came of it, if it began: {look}", failed.detail)


def followed(asked: Asked, since: int) -> Iterator[pb.TimelineEntry]:
    """Entries from this number on, as they are appended, for ever. Servers end connections after some minutes and are
    restarted at times: they are asked again. Raises CallFailed where nobody answers as long as `asked` is patient."""
    clock = SystemClock()
    heard_ns = clock.monotonic_ns()
    while True:
        try:
            with client.channel(asked.address) as connection:
                stub = ruleset_pb2_grpc.RulesetServiceStub(connection)
                for response in stub.WatchTimeline(pb.WatchTimelineRequest(from_sequence=since)):
                    heard_ns = clock.monotonic_ns()
                    if response.HasField("entry"):
                        since = response.entry.sequence + 1
                        yield response.entry
        except grpc.RpcError as error:
            failed = client.failed(error, asked.address)
            again = error.code() == grpc.StatusCode.UNAVAILABLE or failed.detail.retryable
            if not again or clock.monotonic_ns() - heard_ns > asked.timeout_s * 1e9:
                raise failed from None
        _pause(AGAIN_S)


def when(text: str, now_us: int) -> int:
    """An instant that was typed; "" is 0, as soon as it may be. Raises Unfit."""
    if not text:
        return 0
    try:
        return instants.parse(text, now_us)
    except instants.NoInstant as error:
        raise Unfit(str(error)) from None


def entry_of(text: str, entries: Sequence[pb.TimelineEntry]) -> pb.TimelineEntry:
    """The entry that is meant by "#12", "12" or the beginning of a ruleset's digest. Raises Unfit."""
    number = text.removeprefix("#")
    if text.startswith("#") and not (number.isdecimal() and len(number) <= 8):
        raise Unfit(f"{number!r} is not the number of an entry; `einklang log` shows them")
    if number.isdecimal() and (text.startswith("#") or len(number) < 8):
        if not 1 <= int(number) <= len(entries):
            raise Unfit(f"the Timeline has no entry {number}; its last one is {len(entries)}")
        return entries[int(number) - 1]
    named = [entry for entry in entries if entry.ruleset_digest.startswith(text.lower())]
    if not named or len(text) < 4:
        raise Unfit(f"no ruleset of the Timeline begins with {text!r}; `einklang log` shows them")
    if len({entry.ruleset_digest for entry in named}) > 1:
        raise Unfit(f"several rulesets begin with {text!r}; write more of the digest, or #ENTRY")
    return named[-1]


# ---------------------------------------------------------------------------------------------------- publishing


class Publication:
    """One publication: sent in one thread, followed in another."""

    def __init__(self, asked: Asked, files: Mapping[str, bytes], *, at_us: int, dry_run: bool) -> None:
        self.id = "" if dry_run else new_id()
        self.address = asked.address
        self.last = pb.Publication()  # as far as it is known
        self._asked = asked
        self._files = files
        self._finish = pb.PublishFinish(
            author=asked.author,
            reason=asked.reason,
            effective_from_us=at_us,
            dry_run=dry_run,
            publication_id=self.id,
            force=asked.force,
            urgent=asked.urgent,
        )

    def publish(self, tell: Tell) -> pb.PublishResponse:
        """Send everything and wait for the answer; `tell` hears of each step. Raises CallFailed."""
        done = threading.Event()
        watching = threading.Thread(target=self._watch, args=(tell, done), daemon=True)
        if self.id:
            watching.start()
        try:
            with client.channel(self._asked.address) as connection:
                stub = ruleset_pb2_grpc.RulesetServiceStub(connection)
                patience = _Patience(self._asked, tell)
                while True:
                    try:
                        sent: pb.PublishResponse = stub.Publish(self._messages(), timeout=self._asked.timeout_s)
                        return sent
                    except grpc.RpcError as error:
                        failed = client.failed(error, self._asked.address)
                        if not failed.detail.retryable or not patience.wait(failed):
                            return self._looked_up(failed)
        finally:
            done.set()

    def _messages(self) -> Iterator[pb.PublishRequest]:
        for path, data in self._files.items():
            for begin in range(0, max(1, len(data)), CHUNK):
                yield pb.PublishRequest(chunk=pb.FileChunk(path=path, data=data[begin : begin + CHUNK]))
        yield pb.PublishRequest(finish=self._finish)

    def _looked_up(self, failed: CallFailed) -> pb.PublishResponse:
        """The answer was lost, or there was none: what the server knows of it. Raises CallFailed."""
        lost = failed.detail.reason in (common.ERROR_REASON_UNSPECIFIED, common.ERROR_REASON_OUTCOME_UNKNOWN)
        if self.id and lost:
            try:
                found = look_up(self._asked, self.id)
            except CallFailed:
                raise _look_up_later(self._asked, self.id, failed) from None
            if found.state == pb.PUBLICATION_STATE_COMMITTED:
                return found.response
            raise CallFailed(f"{failed}\n{state_of(found)}", failed.detail)
        raise failed

    def _watch(self, tell: Tell, done: threading.Event) -> None:
        """Tell of each step, as the record of the publication says."""
        told = ""
        while not done.is_set():
            try:
                with client.channel(self._asked.address) as connection:
                    stub = ruleset_pb2_grpc.RulesetServiceStub(connection)
                    request = pb.WatchPublicationRequest(publication_id=self.id)
                    for response in stub.WatchPublication(request, timeout=self._asked.timeout_s):
                        self.last = response.publication
                        line = step_of(self.last)
                        if done.is_set():
                            return
                        if line and line != told:
                            tell(line)
                            told = line
                    return
            except grpc.RpcError:  # it has not begun yet, or the server stops
                done.wait(0.1)


def look_up(asked: Asked, publication_id: str) -> pb.Publication:
    """How far a publication is. Raises CallFailed."""
    with client.channel(asked.address) as connection:
        stub = ruleset_pb2_grpc.RulesetServiceStub(connection)
        request = pb.GetPublicationRequest(publication_id=publication_id)
        timeout_s = max(LOOK_UP_S, asked.timeout_s)
        found = client.call(stub.GetPublication, request, address=asked.address, timeout_s=timeout_s)
        publication: pb.Publication = found.publication
        return publication


_STEPS: Final = {
    "compile": "compiling",
    "link": "linking",
    "store-image": "storing the image",
    "stage": "handing it to the nodes",
    "schedule": "appending to the Timeline",
}


def step_of(publication: pb.Publication) -> str:
    """What is being done, for people; "" where it has ended."""
    if publication.step == "readiness":
        return readiness(publication.nodes)
    return _STEPS.get(publication.step, "") if publication.state != pb.PUBLICATION_STATE_REFUSED else ""


def readiness(nodes: Sequence[pb.NodeReadiness]) -> str:
    """Which nodes can decide by a ruleset."""
    if not nodes:
        return "no node is to get it ready first"
    ready = sum(node.state == pb.READINESS_STATE_READY for node in nodes)
    pending = [node.node for node in nodes if node.state == pb.READINESS_STATE_PENDING]
    failed = [f"{node.node} ({node.message})" for node in nodes if node.state == pb.READINESS_STATE_FAILED]
    line = f"{ready} of {len(nodes)} nodes ready"
    if pending:
        line += f"; waiting for {', '.join(pending[:5])}{' …' if len(pending) > 5 else ''}"
    if failed:
        line += f"; failed: {', '.join(failed[:3])}{' …' if len(failed) > 3 else ''}"
    return line


def state_of(publication: pb.Publication) -> str:
    """How far a publication is, for people."""
    name = publication.publication_id
    match publication.state:
        case pb.PUBLICATION_STATE_COMMITTED:
            response = publication.response
            return f"publication {name}: entry {response.sequence}, from {local(response.effective_from_us)}"
        case pb.PUBLICATION_STATE_REFUSED:
            return f"publication {name} was refused, nothing changed: {publication.error.message}"
        case pb.PUBLICATION_STATE_IN_DOUBT:
            return f"publication {name}: whether its entry was written is not known yet; wait, do not publish again"
        case pb.PUBLICATION_STATE_UNSPECIFIED:
            return f"publication {name}: not begun, as far as is known"
        case _:
            return f"publication {name} is under way: {step_of(publication)}"


def published(response: pb.PublishResponse, before: int, now_us: int) -> str:
    """What was published and when it takes force. `before`: the last entry before it was asked for."""
    stats = response.stats
    known = " (nothing new: it was the ruleset already)" if response.sequence <= before else ""
    lines = [
        f"entry {response.sequence}   ruleset {response.ruleset_digest[:16]}…{known}",
        in_force_line(response.effective_from_us, now_us),
    ]
    if stats.promotions:
        size = f"{stats.promotions:,} promotions, {stats.articles:,} articles, {_bytes(stats.image_bytes)}"
        lines.append(f"{size}; compiled {stats.compiled:,}, reused {stats.reused:,}, in {span(stats.took_us)}")
    return "\n".join(lines)


def _bytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count / 1e3:,.0f} kB"


def in_force_line(at_us: int, now_us: int) -> str:
    """When something takes force."""
    if at_us <= now_us:
        return f"in force since {local(at_us)}"
    return f"takes force at {local(at_us)}, {from_now(at_us, now_us)}"


# ---------------------------------------------------------------------------------------------------- showing

_KINDS: Final = {value: name.removeprefix("ENTRY_KIND_").lower() for name, value in pb.EntryKind.items()}


def what(entry: pb.TimelineEntry) -> str:
    """What an entry is about, in a word or two."""
    kind = _KINDS.get(entry.kind, "?")
    if entry.kind == pb.ENTRY_KIND_CANCEL:
        return f"{kind} #{entry.cancelled_sequence}"
    return f"{kind} {entry.promotion}".strip()


def log_lines(entries: Sequence[pb.TimelineEntry], width: int) -> list[str]:
    """Two lines an entry: what and by which ruleset from when; who, when and why."""
    lines = []
    for entry in entries:
        head = f"#{entry.sequence:<5} {local(entry.effective_from_us)}  {entry.ruleset_digest[:12]}  {what(entry)}"
        lines.append(head if len(head) <= width else head[: width - 1] + "…")
        until = f" until {local(entry.until_us)}" if entry.until_us else ""
        why = f"{entry.author}, {local(entry.appended_at_us)}{until}: {entry.reason or '(no reason)'}"
        line = f"       {' '.join(why.split())}"
        lines.append(line if len(line) <= width else line[: width - 1] + "…")
        lines.append(f"       {entry.entry_hash[:16]}… after {entry.previous_hash[:16]}…"[:width])
    return lines


def verify(entries: Sequence[pb.TimelineEntry]) -> None:
    """That the entries are a chain from the first on, and say what was hashed. Raises Unfit."""
    before = "0" * 64
    for number, entry in enumerate(entries, 1):
        if hashlib.sha256(entry.record).hexdigest() != entry.entry_hash:
            raise Unfit(f"entry {number}: its record has another hash than it says")
        try:
            fields = json.loads(entry.record.removeprefix(HASH_PREFIX))
        except ValueError:
            raise Unfit(f"entry {number}: its record cannot be read") from None
        said = {
            "sequence": entry.sequence,
            "effective_from_us": entry.effective_from_us,
            "digest": entry.ruleset_digest,
            "kind": _KINDS.get(entry.kind),
            "author": entry.author,
            "reason": entry.reason,
            "sources": entry.sources_digest,
            "appended_at_us": entry.appended_at_us,
            "promotion": entry.promotion,
            "until_us": entry.until_us,
            "cancelled": entry.cancelled_sequence,
            "change_id": entry.change_id,
            "previous_hash": entry.previous_hash,
        }
        differs = [name for name, value in said.items() if fields.get(name) != value]
        if differs:
            raise Unfit(f"entry {number}: its {differs[0]} is not what was hashed")
        if entry.sequence != number or entry.previous_hash != before:
            raise Unfit(f"entry {number} does not follow the one before it")
        before = entry.entry_hash


def nodes(response: pb.ListNodesResponse) -> str:
    """The nodes, and how far they are with what is staged."""
    now_us = response.store_time_us
    rows = [("node", "build", "entry", "ruleset", "certainty", "lease", "alone", "heard", "")]
    for node in response.nodes:
        left_us = node.lease_until_us - now_us
        rows.append(
            (
                node.node,
                node.build,
                f"#{node.sequence}" if node.sequence else "-",
                node.ruleset_digest[:12] or "-",
                _certainty(node, now_us),
                span(left_us) if node.lease_until_us and left_us > 0 else "ended" if node.lease_until_us else "-",
                _alone(node.scheduled_until_us, now_us),
                from_now(min(node.seen_at_us, now_us), now_us),
                node.last_error,
            )
        )
    lines = [_table(rows)] if response.nodes else ["no node was heard of in the last day"]
    for staged in response.staged_rulesets:
        lines.append(f"staged     {staged.ruleset_digest[:16]}…  {readiness(staged.nodes)}")
    return "\n".join(lines)


def _certainty(node: pb.Node, now_us: int) -> str:
    """As it said when it was last heard of, if that can still be so: without a lease nobody is certain."""
    lapsed = node.certainty == common.CERTAINTY_CERTAIN and node.lease_until_us <= now_us
    if lapsed or node.certainty == common.CERTAINTY_UNSPECIFIED:
        return "none"
    return common.Certainty.Name(node.certainty).removeprefix("CERTAINTY_").lower()


def _alone(until_us: int, now_us: int) -> str:
    """How long a node may still decide without the store."""
    return "-" if not until_us else span(until_us - now_us) if until_us > now_us else "ended"


def cut_off(response: pb.GetTimelineResponse) -> str:
    """What a node that is cut off may still do; "" for one that is not."""
    if response.certainty == common.CERTAINTY_SCHEDULED:
        until_us = response.scheduled_until_us
        return f"cut off    decides by what was scheduled until {local(until_us)}, " + from_now(
            until_us, response.store_time_us
        )
    return ""


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]) - 1)]
    lines = ("  ".join([*(f"{c:<{w}}" for c, w in zip(row, widths, strict=False)), row[-1]]) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
