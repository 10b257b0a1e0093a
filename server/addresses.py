"""Addresses of stores: which topology, which servers. Read once, by server/settings.py and server/links.py.

    redis://HOST[:6379][/DATABASE]                          one Valkey or Redis
    unix:///PATH[?db=DATABASE]                              the same, on a socket of this machine
    redis+sentinel://HOST[:26379],HOST…/NAME[/DATABASE]     a primary with replicas; NAME as the Sentinels know it
    redis+cluster://HOST[:6379],HOST…                       a Cluster; any of its nodes, better several

`rediss` in the place of `redis` means TLS, to Sentinels as well. A user may stand before the first host (`USER@`), a
password never: everyone who lists processes could read it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import unquote

SCHEMES: Final = (
    "redis://, rediss://, unix://, redis+sentinel://, rediss+sentinel://, redis+cluster:// or rediss+cluster://"
)
STORE_PORT: Final = 6_379
SENTINEL_PORT: Final = 26_379

_HOST: Final = re.compile(r"(?:\[([0-9A-Fa-f:.%]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?")
_DATABASE: Final = re.compile(r"\d{1,5}")
_SERVICE: Final = re.compile(r"([A-Za-z0-9._-]+)(?:/(\d{1,5}))?")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server listens: host and port, or the path of a socket."""

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return self.path
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """An address, taken apart. `places`: the one server, or the Sentinels, or nodes of the Cluster."""

    kind: Literal["one", "sentinel", "cluster"]
    places: tuple[Place, ...]
    tls: bool = False
    service: str = ""  # what the Sentinels call the primary
    database: int = 0
    username: str | None = None


def store_address(text: str) -> StoreAddress:
    """Take an address apart. Raises ValueError; its text says what must be, and repeats nothing of a password."""
    scheme, colon, rest = text.partition("://")
    base, _, kind = scheme.partition("+")
    if not colon or (base, kind) not in {
        ("unix", ""), *((base, kind) for base in ("redis", "rediss") for kind in ("", "sentinel", "cluster")),
    }:  # fmt: skip
        raise ValueError(f"must begin with {SCHEMES}")
    hosts, _, tail = rest.partition("/")
    user, _, hosts = hosts.rpartition("@")
    if ":" in user:
        raise ValueError(
            "must not hold the password: set EINKLANG_STORE_PASSWORD or EINKLANG_STORE_PASSWORD_FILE instead"
        )
    username = unquote(user) or None
    if base == "unix":
        return _socket(hosts, tail, username)
    tls = base == "rediss"
    if kind == "sentinel":
        named = _SERVICE.fullmatch(tail)
        if named is None:
            raise ValueError("must end with the primary's name at the Sentinels: redis+sentinel://HOST,HOST,HOST/NAME")
        places = _places(hosts, SENTINEL_PORT)
        return StoreAddress("sentinel", places, tls, named[1], int(named[2] or 0), username)
    places = _places(hosts, STORE_PORT)
    if kind == "cluster":
        if tail not in {"", "0"}:
            raise ValueError("must end after the hosts: a Cluster has one database")
        return StoreAddress("cluster", places, tls, username=username)
    if len(places) != 1:
        raise ValueError("must name one host: several are for redis+sentinel:// or redis+cluster://")
    return StoreAddress("one", places, tls, database=_database(tail), username=username)


def _socket(hosts: str, tail: str, username: str | None) -> StoreAddress:
    path, _, query = tail.partition("?")
    if hosts or not path:
        raise ValueError("must be unix:///PATH, the path of a socket from the root")
    if query and not query.startswith("db="):
        raise ValueError("takes no option but ?db=NUMBER")
    place = Place(path="/" + unquote(path))
    return StoreAddress("one", (place,), database=_database(query.removeprefix("db=")), username=username)


def _database(text: str) -> int:
    if text and not _DATABASE.fullmatch(text):
        raise ValueError("must have nothing after the host but /DATABASE, a number; options have settings of their own")
    return int(text or 0)


def _places(text: str, port: int) -> tuple[Place, ...]:
    places = []
    for part in text.split(","):
        match = _HOST.fullmatch(part)
        if match is None or not 0 < int(match[3] or port) <= 65_535:
            raise ValueError("must name its hosts as HOST or HOST:PORT, with commas between several")
        places.append(Place(match[1] or match[2], int(match[3] or port)))
    return tuple(dict.fromkeys(places))
