"""A gRPC server that does nothing: what one call costs in Python, before any work.

    python -m benchmarks.null_server KIND BYTES [BYTES ...]

`/null/Answer0` answers with so many bytes as the first BYTES says, `/null/Answer1` with the second, whatever is asked.
It has the options of our own server. Prints `ready ADDRESS` and serves until SIGTERM.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from concurrent import futures
from functools import partial
from typing import Any, Final

import grpc

HOST: Final = "127.0.0.1"
SERVICE: Final = "null"


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve; the exit code. 64: a wrong command line."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if len(given) < 2 or given[0] not in KINDS or not all(size.isdigit() for size in given[1:]):
        sys.stderr.write(f"python -m benchmarks.null_server {'|'.join(KINDS)} BYTES [BYTES ...]\n")
        return 64
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"  # as our own server
    KINDS[given[0]][1]([bytes(int(size)) for size in given[1:]])
    return 0


def _aio(answers: Sequence[bytes], *, loop: str = "uvloop", registered: bool = True, spin_us: int = 0) -> None:
    """grpc.aio: coroutines on one thread, gRPC's own threads beside it. `spin_us`: so long each call is busy."""
    factory = None
    if loop == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop

    async def serve() -> None:
        server = grpc.aio.server(options=_options(), maximum_concurrent_rpcs=_concurrent())
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        _register(server, [_coroutine(answer, spin_us) for answer in answers], registered)
        port = server.add_insecure_port(f"{HOST}:0")
        await server.start()
        _ready(port)
        await stop.wait()
        await server.stop(0)

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(serve())


def _threads(answers: Sequence[bytes], *, count: int) -> None:
    """grpc's first server: each call in a thread of a pool."""
    server = grpc.server(futures.ThreadPoolExecutor(count), options=_options(), maximum_concurrent_rpcs=_concurrent())
    _register(server, [_function(answer) for answer in answers], True)
    port = server.add_insecure_port(f"{HOST}:0")
    server.start()
    signal.signal(signal.SIGTERM, lambda *_: server.stop(0))
    _ready(port)
    server.wait_for_termination()


KINDS: Final[dict[str, tuple[str, Callable[[Sequence[bytes]], None]]]] = {
    "aio": ("grpc.aio, uvloop", _aio),
    "aio-by-name": ("the same, methods looked up in Python", lambda answers: _aio(answers, registered=False)),
    "aio-asyncio": ("grpc.aio, asyncio's own loop", lambda answers: _aio(answers, loop="asyncio")),
    **{f"aio-{us}us": (f"grpc.aio, busy for {us} µs a call", partial(_aio, spin_us=us)) for us in (15, 25, 40)},
    "threads-1": ("grpc, one thread", lambda answers: _threads(answers, count=1)),
    "threads-4": ("grpc, four threads", lambda answers: _threads(answers, count=4)),
    "threads-16": ("grpc, sixteen threads", lambda answers: _threads(answers, count=16)),
}


def _coroutine(answer: bytes, spin_us: int) -> Callable[..., Any]:
    async def behaviour(_request: bytes, _context: object) -> bytes:
        return answer

    async def busy(_request: bytes, _context: object) -> bytes:
        until = time.perf_counter_ns() + 1_000 * spin_us
        while time.perf_counter_ns() < until:
            pass
        return answer

    return busy if spin_us else behaviour


def _function(answer: bytes) -> Callable[..., Any]:
    def behaviour(_request: bytes, _context: object) -> bytes:
        return answer

    return behaviour


def _register(server: Any, behaviours: Sequence[Callable[..., Any]], registered: bool) -> None:
    handlers = {f"Answer{n}": grpc.unary_unary_rpc_method_handler(does) for n, does in enumerate(behaviours)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    if registered:
        server.add_registered_method_handlers(SERVICE, handlers)


def _options() -> list[tuple[str, int]]:
    from server.services import server_options

    return list({**dict(server_options()), "grpc.so_reuseport": 0}.items())


def _concurrent() -> int:
    from server.services import CONCURRENT_RPCS_MAX

    return CONCURRENT_RPCS_MAX


def _ready(port: int) -> None:
    gc.collect()
    gc.freeze()  # as our own server
    sys.stdout.write(f"ready {HOST}:{port}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
