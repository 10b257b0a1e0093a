"""Stands for h2load where it is not installed: the few options that benchmarks/load.py uses, the few lines it reads."""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import grpc

FRAME = 5  # bytes before a message


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("-d", type=Path, required=True)
    parser.add_argument("--log-file", type=Path, required=True)
    parser.add_argument("-H", action="append")
    for name in "tcmn":
        parser.add_argument(f"-{name}", type=int, required=True)
    given = parser.parse_args()
    assert given.H == ["content-type: application/grpc", "te: trailers"] and given.t == 1
    url, body = urlsplit(given.url), given.d.read_bytes()
    assert body[:FRAME] == b"\0" + (len(body) - FRAME).to_bytes(4, "big")
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(given.c * given.m))
        own = [("grpc.use_local_subchannel_pool", 1)]
        channels = [stack.enter_context(grpc.insecure_channel(url.netloc, options=own)) for _ in range(given.c)]
        asks = [channel.unary_unary(url.path) for channel in channels]

        def call(number: int) -> tuple[str, int]:
            began = time.time_ns()
            answer = asks[number % given.c](body[FRAME:], timeout=60)
            return f"{began // 1_000}\t200\t{(time.time_ns() - began) // 1_000}\n", FRAME + len(answer)

        rows = list(pool.map(call, range(given.n)))
    given.log_file.write_text("".join(row for row, _ in rows))
    sys.stdout.write(f"requests: {given.n} total, {given.n} done, {given.n} succeeded, 0 failed\n")
    sys.stdout.write(f"traffic: 1KB (1) total, 1KB ({sum(size for _, size in rows)}) data\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
