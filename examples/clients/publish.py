"""Publish a project to a running server, as a pipeline would do it.

    python examples/clients/publish.py DIR [HOST:PORT] [--dry-run]

Text that does not compile is refused whole: its findings are printed, and the ruleset in force stays.
"""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import grpc

from einklang.v1 import common_pb2, ruleset_pb2, ruleset_pb2_grpc

CHUNK_BYTES = 65_536  # at most 131,072 are taken
SUFFIXES = {".promo", ".csv", ".parquet", ".txt"}


def requests(directory: Path, dry_run: bool) -> Iterator[ruleset_pb2.PublishRequest]:
    """Each file in chunks, then the finish."""
    for file in sorted(path for path in directory.rglob("*") if path.is_file() and path.suffix in SUFFIXES):
        path = file.relative_to(directory).as_posix()
        data = file.read_bytes()
        for start in range(0, max(len(data), 1), CHUNK_BYTES):
            chunk = ruleset_pb2.FileChunk(path=path, data=data[start : start + CHUNK_BYTES])
            yield ruleset_pb2.PublishRequest(chunk=chunk)
    finish = ruleset_pb2.PublishFinish(author=getpass.getuser(), reason="examples/clients/publish.py", dry_run=dry_run)
    yield ruleset_pb2.PublishRequest(finish=finish)


def show(findings: Iterable[common_pb2.Diagnostic]) -> None:
    """One line a finding."""
    for found in findings:
        print(f"{found.file}:{found.line}:{found.column}: {found.code} {found.message}", file=sys.stderr)


def main() -> int:
    """Print the ruleset's digest and from when it is in force; 1 where it was refused."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--dry-run"]
    if not arguments:
        print(__doc__, file=sys.stderr)
        return 64
    address = arguments[1] if len(arguments) > 1 else "127.0.0.1:50051"
    with grpc.insecure_channel(address) as channel:
        service = ruleset_pb2_grpc.RulesetServiceStub(channel)
        try:
            answer = service.Publish(requests(Path(arguments[0]), "--dry-run" in sys.argv), timeout=600)
        except grpc.RpcError as error:
            detail = next((v for k, v in error.trailing_metadata() or () if k == "einklang-error-bin"), b"")
            show(common_pb2.ErrorDetail.FromString(detail).diagnostics)
            print(f"{error.code().name}: {error.details()}", file=sys.stderr)
            return 1
    show(answer.diagnostics)
    print(f"ruleset {answer.ruleset_digest}, entry {answer.sequence}, in force from {answer.effective_from_us} us")
    return 0 if answer.ruleset_digest else 1


if __name__ == "__main__":
    sys.exit(main())
