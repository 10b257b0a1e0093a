"""The store's functions (server/functions/timeline.lua) run as they are, on data and a clock that a test owns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from lupa.lua51 import LuaRuntime

SOURCE = Path(__file__).resolve().parents[2] / "server" / "functions" / "timeline.lua"
LIBRARY = b"einklang_timeline_v2_"

Data = dict[bytes, Any]  # a key's value: bytes, a list of bytes, a dict of bytes


class Host:
    """One Lua that has the library loaded. `data`, `clock_us`, `run` are of the server whose function is called."""

    def __init__(self, source: str) -> None:
        self.data: Data = {}
        self.clock_us: Callable[[], int] = lambda: 0
        self.run = b""
        self.wrote = False
        lua = LuaRuntime(encoding=None, unpack_returned_tuples=True)
        functions: dict[bytes, Any] = {}
        self._table = lua.table_from
        redis = lua.table_from({b"call": self._call, b"register_function": functions.__setitem__})
        lua.globals()[b"redis"] = redis
        lua.execute(source.split("\n", 1)[1].encode())
        self._functions = {name.removeprefix(LIBRARY).decode(): body for name, body in functions.items()}

    def ask(self, function: str, keys: Sequence[bytes], arguments: Sequence[bytes]) -> list[bytes]:
        """Call a function of the library."""
        answer = self._functions[function](self._table(keys), self._table(arguments))
        return list(answer.values())

    def _call(self, command: bytes, *arguments: Any) -> Any:
        result = getattr(self, f"_{command.decode().lower()}")(*arguments)
        return self._table(result) if isinstance(result, list) else result

    def _set(self, key: bytes, kind: type) -> Any:
        self.wrote = True
        return self.data.setdefault(key, kind())

    def _time(self) -> list[bytes]:
        now = self.clock_us()
        return [b"%d" % (now // 1_000_000), b"%d" % (now % 1_000_000)]

    def _info(self, _section: bytes) -> bytes:
        return b"# Server\r\nrun_id:" + self.run + b"\r\n"

    def _hmget(self, key: bytes, *names: bytes) -> list[Any]:
        row = self.data.get(key, {})
        return [row.get(name, False) for name in names]

    def _hget(self, key: bytes, name: bytes) -> Any:
        return self.data.get(key, {}).get(name, False)

    def _hset(self, key: bytes, *pairs: bytes) -> int:
        row = self._set(key, dict)
        before = len(row)
        row.update(zip(pairs[::2], pairs[1::2], strict=True))
        return len(row) - before

    def _hsetnx(self, key: bytes, name: bytes, value: bytes) -> int:
        if self._hexists(key, name):
            return 0
        self._set(key, dict)[name] = value
        return 1

    def _hdel(self, key: bytes, name: bytes) -> int:
        row = self.data.get(key)
        if row is None or row.pop(name, None) is None:
            return 0
        self.wrote = True
        if not row:
            del self.data[key]
        return 1

    def _hexists(self, key: bytes, name: bytes) -> int:
        return int(name in self.data.get(key, {}))

    def _hkeys(self, key: bytes) -> list[bytes]:
        return list(self.data.get(key, {}))

    def _hgetall(self, key: bytes) -> list[bytes]:
        return [word for pair in self.data.get(key, {}).items() for word in pair]

    def _del(self, key: bytes) -> int:
        there = self.data.pop(key, None) is not None
        self.wrote |= there
        return int(there)

    def _llen(self, key: bytes) -> int:
        return len(self.data.get(key, ()))

    def _lindex(self, key: bytes, place: int) -> Any:
        row = self.data.get(key, [])
        return row[int(place)] if int(place) < len(row) else False

    def _lrange(self, key: bytes, first: int, last: int) -> list[bytes]:
        return list(self.data.get(key, [])[int(first) : int(last) + 1])

    def _rpush(self, key: bytes, value: bytes) -> int:
        row = self._set(key, list)
        row.append(value)
        return len(row)

    def _exists(self, key: bytes) -> int:
        return int(key in self.data)

    def _expire(self, key: bytes, _seconds: int) -> int:
        return self._exists(key)  # nothing expires within a test


@cache
def host(changed: tuple[tuple[str, str], ...] = ()) -> Host:
    """The library, with pieces of its text changed: for tests that must see what a fault of it does."""
    source = SOURCE.read_text("utf-8")
    for old, new in changed:
        assert source.count(old) == 1, f"{source.count(old)} times: {old}"
        source = source.replace(old, new)
    return Host(source)
