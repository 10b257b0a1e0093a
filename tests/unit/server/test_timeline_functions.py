"""The store's functions: a real store and the one of the simulations (tests/fault/lua_host.py) answer alike.

Random histories of calls run against both; the stand-in's clock and run id are what the real one said. Instants differ
by what a call takes: they are compared with a tolerance, everything else exactly, and so is what is stored.
"""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import redis

from engine.timeline import Entry, decode, make_entry
from server.embedded import find_binary
from tests.fault.lua_host import LIBRARY, SOURCE, Data, host
from tests.running import short_directory

TOLERANCE_US = 50_000  # between the clock that was read for the stand-in and the one that the function read
LEASE_US = 2_000_000
STEPS = 150  # of one history
NUMBER = re.compile(rb"\d{5,}")  # microseconds; epochs and grants are fewer
DIGEST = "d" * 64
PREFIX = LIBRARY.decode()
NAMES = ("meta", "timeline", "holders", "nodes", "changes", "stage", "acks", "there", "missing")
KEYS = {
    "setup": ("meta",),
    "begin": ("meta", "holders"),
    "fault": ("meta",),
    "open": ("meta", "timeline", "holders"),
    "renew": ("meta", "timeline", "holders", "nodes"),
    "release": ("meta", "holders", "nodes"),
    "stage": ("stage",),
    "ack": ("acks",),
}


@contextmanager
def serving(home: Path) -> Iterator[Any]:
    """A real store that has the functions."""
    socket = home / "s"
    options = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no", "--dir", str(home)]
    process = subprocess.Popen([find_binary(None), *options], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        said = next((line for line in process.stdout if b"Ready to accept connections" in line), None)
        assert said is not None, "the store ended"
        client = redis.Redis(unix_socket_path=str(socket))
        client.function_load(SOURCE.read_text("utf-8"))
        yield client
        client.close()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="module")
def store() -> Iterator[Any]:
    with short_directory() as home, serving(home) as client:
        yield client


class Twins:
    """The same calls to both."""

    def __init__(self, client: Any, name: str) -> None:
        self.client = client
        self.keys = {key: f"{{{name}}}:{key}".encode() for key in NAMES}
        self.data: Data = {}
        self.host = host()
        self.host.run = client.info("server")["run_id"].encode()
        self.run = self.host.run.decode()
        self.clock_us = 0
        self.said: set[str] = set()
        client.set(self.keys["there"], b"1")
        self.data[self.keys["there"]] = b"1"

    def ask(self, function: str, arguments: Sequence[object], keys: Sequence[str] = ()) -> list[Any]:
        """Call both; they must answer alike."""
        at = [self.keys[key] for key in keys or KEYS[function]]
        words = [str(argument).encode() for argument in arguments]
        pipe = self.client.pipeline(transaction=True)
        pipe.time()
        pipe.fcall(f"{PREFIX}{function}", len(at), *at, *words)
        (seconds, micros), real = pipe.execute()
        self.clock_us = seconds * 1_000_000 + micros
        self.host.data, self.host.clock_us = self.data, lambda: self.clock_us
        answer = self.host.ask(function, at, words)
        assert alike(answer, real), f"{function} {arguments}: {real} in the store, {answer} here"
        self.said.add(f"{function} {real[0].decode() if real[0] else None}")
        return cast(list[Any], real)

    def put(self, key: str, field: str, value: str) -> None:
        """A field of a hash of both."""
        self.client.hset(self.keys[key], field, value)
        self.data.setdefault(self.keys[key], {})[field.encode()] = value.encode()

    def meta(self, field: str) -> int:
        return int(self.data.get(self.keys["meta"], {}).get(field.encode(), b"0"))

    @property
    def t_us(self) -> int:
        return max(self.clock_us + self.meta("off_us"), self.meta("hwm_us"))

    @property
    def entries(self) -> list[Entry]:
        return [decode(row) for row in self.data.get(self.keys["timeline"], [])]

    def look(self) -> None:
        """What is stored must be alike, too."""
        for name, key in self.keys.items():
            kind, here = self.client.type(key), self.data.get(key)
            if kind == b"none":
                assert here is None, f"{name}: nothing in the store, {here} here"
            elif kind == b"hash":
                there = self.client.hgetall(key)
                assert here is not None
                assert sorted(there) == sorted(here), name
                assert alike([here[field] for field in there], list(there.values())), f"{name}: {there}, {here}"
            elif kind == b"list":
                assert self.client.lrange(key, 0, -1) == here
            else:
                assert self.client.get(key) == here

    def append(self, entries: Sequence[Entry], *, urgent: int = 0, change: str = "", late_us: int = 0) -> list[Any]:
        words: list[object] = ["", urgent, change, "f" * 64, entries[0].appended_at_us + late_us]
        for entry in entries:
            words += [entry.sequence, entry.previous_hash, entry.entry_hash, entry.effective_from_us, entry.kind]
            words.append(entry.encode().decode())
        keys = ["there" if entry.digest == DIGEST else "missing" for entry in entries]
        return self.ask("append", words, ["meta", "timeline", "changes", "stage", *keys])

    def following(self, count: int, at_us: int, digest: str = DIGEST) -> list[Entry]:
        made: list[Entry] = []
        for _ in range(count):
            made.append(
                make_entry(
                    made[-1] if made else next(iter(self.entries[-1:]), None),
                    effective_from_us=at_us,
                    digest=digest,
                    author="a",
                    reason="",
                    appended_at_us=self.t_us,
                )
            )
        return made


def alike(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Whether these answers differ by instants alone, and by little."""
    if len(one) != len(other):
        return False
    for here, there in zip(one, other, strict=True):
        if here in (None, False) and there is None:
            continue
        if not isinstance(here, bytes) or not isinstance(there, bytes):
            return False
        if NUMBER.sub(b"N", here) != NUMBER.sub(b"N", there):
            return False
        pairs = zip(NUMBER.findall(here), NUMBER.findall(there), strict=True)
        if here != there and any(abs(int(a) - int(b)) > TOLERANCE_US for a, b in pairs):
            return False
    return True


def known(chance: random.Random, twins: Twins) -> tuple[object, object]:
    """How many entries a caller knows, and the hash of the last: true ones mostly."""
    entries = twins.entries
    some: list[tuple[object, object]] = [(0, ""), (len(entries), "e" * 64), (len(entries) + 1, "e" * 64)]
    if entries:
        some += [(len(entries), entries[-1].entry_hash)] * 6
        some.append((1, entries[0].entry_hash))
        some.append((1, "e" * 64))
    return chance.choice(some)


def step(chance: random.Random, twins: Twins) -> None:
    """One call, mostly one that makes sense."""
    holder, house = chance.choice([("a", ""), ("b", ""), ("local/1/c", "local/1/"), ("local/2/d", "local/2/")])
    run = chance.choice([twins.run] * 9 + ["other"])
    epoch = chance.choice([twins.meta("epoch")] * 9 + [7])
    match chance.choice(CALLS):
        case "setup":
            twins.ask("setup", ["id", LEASE_US, 20_000, 0, 0])
        case "begin":
            twins.ask("begin", [run, holder, house])
        case "open":
            upto_us = chance.choice([0, twins.t_us, twins.t_us + 3_000_000])
            twins.ask("open", [run, epoch, holder, house, chance.randrange(2), upto_us, *known(chance, twins)])
        case "renew":
            gseq = chance.choice([0, twins.meta("gseq")])
            told = chance.choice(
                [(epoch, gseq, 0, 0, 0, 0)] * 2
                + [(0, 0, 0, 0, 0, 0), (0, 0, epoch, max(0, gseq - 2), twins.meta("granted"), chance.randrange(2))]
            )
            status = chance.choice([("", ""), ("node", "READY x"), ("node2", "")])
            twins.ask("renew", [holder, house, *told, *known(chance, twins), *status])
        case "release":
            twins.ask(
                "release", [run, epoch, holder, chance.choice([0, twins.t_us + 1_000_000]), chance.choice(["", "n"])]
            )
        case "fault":
            twins.ask("fault", [run, epoch])
        case "another run":
            twins.put("meta", "run_id", chance.choice(["", "other"]))
        case "append":
            ahead_us = chance.choice([1, 1_000_000, LEASE_US + 1_000_000, LEASE_US + 1_000_000])
            digest = chance.choice([DIGEST] * 4 + ["e" * 64])
            entries = twins.following(chance.choice([1, 1, 3]), twins.t_us + ahead_us, digest)
            late_us = chance.choice([0] * 6 + [20_000_000, -20_000_000])
            change = chance.choice(["", "", "", "one", "two"])
            twins.append(entries, urgent=chance.randrange(2), change=change, late_us=late_us)
        case "again":
            if twins.entries:
                twins.append(twins.entries[-2:])
                twins.append(twins.entries[:1])
        case "conflict":
            if twins.entries:
                (other,) = twins.following(1, twins.t_us + 9_000_000)
                twins.append([replace(other, previous_hash="e" * 64)])
        case "stage":
            twins.ask("stage", [chance.choice(["d1", "d2"]), chance.randrange(2), "note"])
        case "ack":
            verdict = chance.choice(["READY", "READY", "FAILED"])
            twins.ask("ack", [holder, verdict, chance.choice(["s1", "s1", "s2"]), "reason"])


CALLS = [
    *["renew"] * 8, *["append"] * 3, *["begin"] * 3, *["open"] * 4,
    "setup", "release", "fault", "another run", "again", "conflict", "stage", "ack",
]  # fmt: skip
ANSWERS = """
    setup 2
    begin BEGUN, begin OPEN, begin GONE
    open GRANTED, open ALREADY, open STALE, open WAIT, open REGRESSED
    renew GRANTED, renew JOIN, renew JOINWAIT, renew NEED_EPOCH, renew REGRESSED
    release OK, fault OK
    append OK, append DUP, append USED, append CONFLICT, append STALE, append EARLY, append MISSING, append CLOSED
    stage OK, ack OK, ack DIFFERS
"""


def test_random_histories_are_answered_alike(store: Any) -> None:
    said = set()
    for seed in range(12):
        chance = random.Random(seed)
        twins = Twins(store, f"history{seed}")
        try:
            if seed % 4:
                twins.ask("setup", ["id", LEASE_US, 20_000, chance.choice([0, 500_000]), 0])
            for place in range(STEPS):
                step(chance, twins)
                if place % 10 == 0:
                    twins.look()
            twins.look()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from None
        said |= twins.said
    assert {word.strip() for line in ANSWERS.split("\n") for word in line.split(",") if word.strip()} <= said


def test_many_entries_are_told_in_pieces(store: Any) -> None:
    twins = Twins(store, "many")
    twins.ask("setup", ["id", LEASE_US, 20_000, 0, 0])
    twins.ask("begin", [twins.run, "a", ""])
    assert twins.ask("open", [twins.run, 1, "a", "", 0, 0, 0, ""])[0] == b"GRANTED"
    for _ in range(3):
        assert twins.append(twins.following(150, twins.t_us + 9_000_000))[0] == b"OK"
    hashes = [entry.entry_hash for entry in twins.entries]
    for place, verdict, told in ((0, b"BEHIND", 200), (100, b"BEHIND", 200), (250, b"GRANTED", 200)):
        answer = twins.ask("renew", ["a", "", 1, 0, 0, 0, 0, 0, place, hashes[place - 1] if place else "", "", ""])
        assert (answer[0], len(answer) - (1 if verdict == b"BEHIND" else 4)) == (verdict, told)
    twins.ask("fault", [twins.run, 1])
    twins.ask("begin", [twins.run, "a", ""])
    assert twins.ask("open", [twins.run, 2, "a", "", 0, 0, 50, hashes[49]])[0] == b"BEHIND"
    assert twins.ask("open", [twins.run, 2, "a", "", 0, 0, 440, hashes[439]])[0] == b"GRANTED"
    twins.look()


def test_what_was_not_heard_of_for_a_day_is_forgotten(store: Any) -> None:
    twins = Twins(store, "day")
    twins.ask("setup", ["id", LEASE_US, 20_000, 0, 0])
    twins.put("nodes", "old", "1000000000000000 x")
    twins.put("stage", "old", "1000000000000000 x")
    twins.ask("begin", [twins.run, "a", ""])
    twins.ask("open", [twins.run, 1, "a", "", 0, 0, 0, ""])
    twins.ask("renew", ["a", "", 1, 0, 0, 0, 0, 0, 0, "", "node", "READY"])
    twins.ask("stage", ["new", 1, "note"])
    twins.ask("stage", ["new", 0, ""])
    twins.ask("release", [twins.run, 1, "a", 0, "n"])
    twins.look()
    assert list(twins.data[twins.keys["nodes"]]) == [b"node"]
    twins.ask("ack", ["a", "READY", "s", ""])
    assert 86_000 < store.ttl(twins.keys["acks"]) <= 86_400


def test_times_and_large_numbers_are_whole(store: Any) -> None:
    """Numbers are doubles in Lua: what is written must not be 1e+15."""
    twins = Twins(store, "whole")
    twins.ask("setup", ["id", 30_000_000, 20_000, 604_800_000_000, 0])
    twins.put("meta", "epoch", "900719925474099")
    twins.put("meta", "hwm_us", "4102444799000000")
    twins.ask("begin", [twins.run, "a", ""])
    assert twins.ask("open", [twins.run, 900719925474100, "a", "", 1, 0, 0, ""])[:2] == [b"GRANTED", b"900719925474100"]
    assert twins.meta("hwm_us") == 4_102_444_799_000_000 + 30_013_200 + 1
    twins.look()
