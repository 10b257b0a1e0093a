"""THE table of metric and log names, and the little that is needed to count and to log.

Units stand in the names: `_us`, `_bytes`, `_total` (counts since the process began). Neither logs nor metrics hold
anything about a person: no customer, no basket, no code; nor source text, nor secrets. The log goes to standard error,
one line an event, for people or as JSON.
"""

from __future__ import annotations

import enum
import json
import logging
import sys
from itertools import accumulate
from typing import Final, TextIO

ROOT: Final = "einklang"
FIELD_MAX: Final = 2_000  # characters of one field in a line

_DEBUG, _INFO, _WARNING, _ERROR = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR


class Event(enum.Enum):
    """Every line that is logged: its name, its level, its sentence."""

    #                    name                      level     sentence
    STORE_RUNS = ("store.runs", _INFO, "embedded store runs: {about}, process {pid}")
    STORE_RESTARTED = ("store.restarted", _ERROR, "embedded store ended (exit code {code}); starting it again")
    STORE_KILLED = ("store.killed", _WARNING, "embedded store did not end in {seconds:.0f} s; killed, its log is whole")
    STORE_JOINED = ("store.joined", _INFO, "store: {about}, id {store_id}")
    SETTING_UNKNOWN = ("setting.unknown", _WARNING, "{name} is no setting and changes nothing{hint}")
    STORE_AWAITED = ("store.awaited", _WARNING, "not usable yet, asked again for {seconds:.0f} s: {reason}")
    STORE_TERMS = (
        "store.terms",
        _WARNING,
        "{name} is {given} here and {tenant} for this tenant, as was said when it was set up: {tenant} holds",
    )
    STORE_FUNCTIONS = ("store.functions", _INFO, "store functions loaded: {library}")
    STORE_FOUND = ("store.found", _WARNING, "store: {place} ({about}) is the primary now")
    STORE_TORN = (
        "store.torn-log",
        _WARNING,
        "{about} may keep half a call of a function when power fails: run redis-check-aof --fix on its log before each "
        "start (docs/stores.md), or take valkey 9.1.2 or newer",
    )
    STORE_REPLICAS = (
        "store.replicas",
        _WARNING,
        "store has {count} replicas that no write waits for: if one is ever promoted, what was confirmed may be lost; "
        "set EINKLANG_STORE_REPLICAS to {count}",
    )
    STORE_LOST = ("store.lost", _WARNING, "store cannot be reached; this node answers until its lease ends: {reason}")
    STORE_BACK = ("store.back", _INFO, "store answers again")
    STORE_REGRESSED = ("store.regressed", _ERROR, "store knows less of the Timeline than this node: {reason}")
    STORE_BAD = ("store.bad", _ERROR, "store holds what cannot be used: {reason}")
    STORE_LATE = (
        "store.late",
        _WARNING,
        "the store took {took_ms} ms to answer: more than the {most_ms} ms after which it does not say what time it is",
    )
    DECIDES_NOT = ("server.not-deciding", _ERROR, "no lease, or no ruleset in force that is ready: baskets are refused")
    DECIDES_SCHEDULED = (
        "server.scheduled",
        _WARNING,
        "cut off from the store: baskets are decided by what was scheduled, until {until} ({left} from now)",
    )
    DECIDES_CERTAIN = ("server.certain", _INFO, "the store is heard again: answers are certain")
    EDGE_BEGINS = (
        "edge.begins",
        _INFO,
        "from disk: {entries} entries of the Timeline, the store was last heard {heard}; decides without it "
        "until {until} ({left})",
    )
    EDGE_BEGINS_NOT = (
        "edge.begins-not",
        _WARNING,
        "from disk: {entries} entries of the Timeline, the store was last heard {heard}; without it this edge decides "
        "nothing: {why}",
    )
    EDGE_EMPTY = ("edge.empty", _INFO, "nothing is on this disk yet: the store is needed to begin")
    EDGE_DAMAGED = (
        "edge.damaged",
        _ERROR,
        "what this edge kept cannot be used, and is set aside (*.damaged): {reason}",
    )
    EDGE_ALONE = ("edge.alone", _WARNING, "the store was not joined yet, and is asked again and again: {reason}")
    EDGE_CLOCK = (
        "edge.clock",
        _ERROR,
        "this host's clock stands {seconds:.0f} s before the last time that this edge noted: set it; "
        "nothing is decided until then, or until the store is back",
    )
    EDGE_CLOCK_SET = (
        "edge.clock-set",
        _WARNING,
        "this host's clock was set forward by {seconds:.0f} s: the Timeline's time is counted by it without the store",
    )
    EDGE_CLOCK_OFF = (
        "edge.clock-off",
        _WARNING,
        "without the store this edge took it to be {seconds:.1f} s {which} than it was: what it decided meanwhile was "
        "decided, and is looked at again, for instants that are as wrong",
    )
    EDGE_NO_HORIZON = (
        "edge.no-horizon",
        _WARNING,
        "this tenant allows no horizon: without the store this edge decides nothing (EINKLANG_HORIZON_MS of the node "
        "that sets the tenant up)",
    )
    EDGE_NOT_NOTED = ("edge.not-noted", _ERROR, "what this edge knows could not be kept on its disk: {reason}")
    JOURNAL_FULL = ("journal.full", _ERROR, "decisions without the store are not kept to be looked at again: {reason}")
    JOURNAL_SOUND = ("journal.sound", _INFO, "{checked} decisions made without the store: all are as the Timeline says")
    JOURNAL_DIFFERS = (
        "journal.differs",
        _WARNING,
        "of {checked} decisions made without the store {differing} are otherwise by the Timeline, {unchecked} more "
        "could not be looked at: {path}",
    )
    JOURNAL_FAILED = ("journal.failed", _ERROR, "decisions made without the store could not be looked at: {reason}")
    DECIDES_AGAIN = ("server.deciding", _INFO, "baskets are decided again")
    EPOCH_OPENED = ("lease.epoch", _INFO, "epoch {epoch} of the Timeline's time opened")
    CLOCK_STEPPED = ("lease.clock-stepped", _ERROR, "the store's clock was stepped: a new epoch begins")
    BUILD_UNREADABLE = ("store.build-unreadable", _WARNING, "the record of build {sources} is not readable; built anew")
    KERNELS_COMPILE = (
        "kernels.compile",
        _INFO,
        "compiling the engine for this machine: once per version, about a minute",
    )
    KERNELS_LACKING = ("kernels.lacking", _WARNING, "{reason}; it is compiled again")
    KERNELS_PROGRESS = ("kernels.progress", _INFO, "compiling the engine: {how_far}")
    KERNELS_READY = ("kernels.ready", _INFO, "engine is warm after {seconds:.1f} s")
    PUBLISH_STEP = ("publish.step", _INFO, "publish: {step}")
    PUBLISHED = ("publish.done", _INFO, "published {digest} as entry {sequence}")
    PUBLISH_UNCHANGED = ("publish.unchanged", _INFO, "unchanged: {digest} is entry {sequence} already")
    PUBLISH_REFUSED = ("publish.refused", _ERROR, "refused: {errors} errors; what is in force stays in force")
    PUBLISH_FAILED = ("publish.failed", _ERROR, "not published: {reason}")
    TIMELINE_CHANGED = ("timeline.changed", _INFO, "{kind}: entry {sequence}, ruleset {digest}")
    CHANGE_REFUSED = ("timeline.refused", _WARNING, "{kind} refused, the Timeline stays as it is: {reason}")
    KEY_MADE = ("signing.key-made", _INFO, "made the key {key} that rulesets are signed with; keep a copy of {path}")
    TRUSTED = ("signing.trusted", _INFO, "rulesets are taken that one of these keys has signed: {keys}")
    UNSIGNED = (
        "signing.unsigned",
        _WARNING,
        "DEVELOPMENT MODE (--unsigned): whoever can write to the store says what this node decides by",
    )
    IMAGE_CHECKED = ("image.checked", _INFO, "ruleset {digest} is new here: checking it, once for each engine")
    IMAGE_WARM = ("image.warm", _INFO, "ruleset {digest} is warm after {seconds:.2f} s ({size_bytes} bytes)")
    IMAGE_REJECTED = ("image.rejected", _ERROR, "ruleset {digest} rejected, it decides nothing here: {reason}")
    IMAGE_IN_FORCE = ("image.in-force", _INFO, "in force: entry {sequence}, ruleset {digest}")
    PART_LACKING = (
        "image.part-lacking",
        _ERROR,
        "{name} of a ruleset is not on this disk, or damaged, and the store cannot be asked for it now",
    )
    PART_NOT_KEPT = (
        "image.part-not-kept",
        _ERROR,
        "the disk does not take a ruleset's files, which are held in memory until this process ends: {reason}",
    )
    PART_REPAIRED = ("image.part-repaired", _WARNING, "part file {digest} was damaged; fetched again")
    WORKER_RUNS = ("worker.runs", _INFO, "worker {worker} runs, process {pid}")
    WORKER_ENDED = ("worker.ended", _ERROR, "worker {worker} ended ({how}); it is started again in {seconds:g} s")
    WORKER_LOST = ("worker.lost", _WARNING, "worker {worker} did not end in order ({how})")
    METRICS = ("server.metrics", _INFO, "figures for Prometheus: http://{address}/metrics")
    METRICS_ENDED = (
        "server.metrics-ended",
        _ERROR,
        "nobody tells Prometheus ({how}); the next attempt is in {seconds:g} s",
    )
    LISTENING = ("server.listening", _INFO, "listening on {address}; not serving before a ruleset is warm")
    UNPROTECTED = ("server.unprotected", _WARNING, "{address} can be reached from other machines, without encryption")
    SERVING = ("server.serving", _INFO, "serving on {address}")
    DRAINING = ("server.draining", _INFO, "{signal}: draining")
    STOPPED = ("server.stopped", _INFO, "stopped")

    def __init__(self, label: str, level: int, sentence: str) -> None:
        self.label = label
        self.level = level
        self.sentence = sentence


class Metric(enum.Enum):
    """Every number that is kept, by its name."""

    #                     name                            meaning
    DECISIONS = ("decisions_total", "decisions answered")
    DECISIONS_REFUSED = ("decisions_refused_total", "requests refused as the caller's mistake")
    DECISIONS_FAILED = ("decisions_failed_total", "requests that failed for another reason")
    DECISIONS_WAITED = ("decisions_waited_total", "decisions that waited at an activation")
    DECISIONS_UNCERTAIN = ("decisions_uncertain_total", "requests refused because this node has no lease")
    DECISIONS_SCHEDULED = (
        "decisions_scheduled_total",
        "decisions answered by what was scheduled: while cut off, or for an instant to come",
    )
    LEASE_CALLS = ("lease_calls_total", "answers of the store to this node's lease")
    LEASE_FAILURES = ("lease_failures_total", "times it did not answer, or not surely")
    LEASE_ROUND_TRIP_US = ("lease_round_trip_us", "the last answer's round trip")
    LEASE_VAGUE = ("lease_vague_total", "answers that came too late to say what time it is")
    LEASE_LEFT_US = ("lease_left_us", "until the lease ends; 0: there is none")
    SCHEDULED_LEFT_US = ("scheduled_left_us", "how long this node may decide without the store; 0: not any more")
    JOURNAL_BYTES = ("journal_bytes", "decisions made without the store that are still to be looked at")
    JOURNAL_CHECKED = ("journal_checked_total", "of them, looked at again")
    JOURNAL_DIFFERENCES = (
        "journal_differences_total",
        "of these, otherwise by the Timeline, or not to be decided anew",
    )
    JOURNAL_LOST = ("journal_lost_total", "decisions made without the store that were not kept")
    EPOCHS_OPENED = ("epochs_opened_total", "epochs that this node opened")
    CLOCK_STEPS = ("clock_steps_total", "steps of the store's clock that this node saw")
    IMAGES_LOADED = ("images_loaded_total", "rulesets fetched, verified, mapped and warmed")
    IMAGES_REJECTED = ("images_rejected_total", "rulesets that cannot be used here")
    IN_FORCE_SEQUENCE = ("in_force_sequence", "the Timeline entry in force")
    PART_FETCHES = ("part_fetches_total", "parts read from the store")
    PART_FETCHED_BYTES = ("part_fetched_bytes", "their bytes, all together")
    STORE_RESTARTS = ("store_restarts_total", "times the embedded store had to be started again")

    def __init__(self, label: str, meaning: str) -> None:
        self.label = label
        self.meaning = meaning


# What is not counted but put: the present value.
GAUGES: Final = frozenset(
    {
        Metric.LEASE_ROUND_TRIP_US,
        Metric.LEASE_LEFT_US,
        Metric.SCHEDULED_LEFT_US,
        Metric.JOURNAL_BYTES,
        Metric.IN_FORCE_SEQUENCE,
    }
)

# How long decisions took is counted by these bounds; each is twice the one before.
BUCKETS_US: Final = tuple(1 << exponent for exponent in range(6, 21))
PREFIX: Final = "einklang_"
CELLS: Final = (
    len(Metric) + len(BUCKETS_US) + 2
)  # of a process's row: the metrics, the buckets and what is above, the sum

_PLACES: Final = {metric: place for place, metric in enumerate(Metric)}
_FIRST: Final = len(Metric)


class Counters:
    """The process's numbers. Each is touched from one thread only."""

    def __init__(self, row: memoryview | None = None) -> None:
        """`row`: where they are kept, CELLS numbers of 64 bits; else in memory of their own."""
        self._row = row if row is not None else memoryview(bytearray(8 * CELLS)).cast("q")
        assert len(self._row) == CELLS

    def add(self, metric: Metric, by: int = 1) -> None:
        """Count."""
        self._row[_PLACES[metric]] += by

    def put(self, metric: Metric, value: int) -> None:
        """Note the present value."""
        self._row[_PLACES[metric]] = value

    def took(self, us: int) -> None:
        """A decision took so long."""
        place = min(max((us - 1).bit_length() - 6, 0), len(BUCKETS_US)) if us > 0 else 0
        self._row[_FIRST + place] += 1
        self._row[CELLS - 1] += us

    def of(self, metric: Metric) -> int:
        """Its value."""
        return int(self._row[_PLACES[metric]])

    def durations(self) -> tuple[list[int], int]:
        """How many decisions took at most so long, for each of BUCKETS_US and in all; the sum, microseconds."""
        return list(accumulate(self._row[_FIRST : CELLS - 1])), int(self._row[CELLS - 1])

    def all(self) -> dict[str, int]:
        """Name to value, in the table's order."""
        return {metric.label: self.of(metric) for metric in Metric}


def say(event: Event, **fields: object) -> None:
    """Log one event."""
    logging.getLogger(ROOT).log(event.level, event.label, extra={"event": event, "fields": fields})


def configure(style: str, level: str, stream: TextIO | None = None, worker: int = 0) -> None:
    """Send the log to standard error, `style` "human" or "json", from this level on ("debug" … "error").

    `worker`: of several, which one each line comes from."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Json(worker) if style == "json" else _Human(worker))
    logger = logging.getLogger(ROOT)
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False


def _fields(record: logging.LogRecord) -> dict[str, object]:
    given: dict[str, object] = getattr(record, "fields", {})
    return {name: value[:FIELD_MAX] if isinstance(value, str) else value for name, value in given.items()}


class _Human(logging.Formatter):
    def __init__(self, worker: int = 0) -> None:
        whose = f"worker {worker}: " if worker else ""
        super().__init__(f"%(asctime)s %(levelname)-7s {whose}%(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        event: Event | None = getattr(record, "event", None)
        if event is not None:
            sentence = event.sentence.format(**_fields(record))
            record.message = " ".join(sentence.split("\n"))  # a line is a line, whatever a message holds
        return super().formatMessage(record)


class _Json(logging.Formatter):
    def __init__(self, worker: int = 0) -> None:
        super().__init__()
        self._whose = {"worker": worker} if worker else {}

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": round(record.created, 6),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **self._whose,
            **_fields(record),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)[:FIELD_MAX]
        return json.dumps(line, default=str)
