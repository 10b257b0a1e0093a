"""Generates the Python of the contract from `einklang/v1/*.proto`, beside the files that it comes from.

    python proto/generate.py             write what protoc makes of the contract
    python proto/generate.py --check     write nothing; say which files are out of date and exit 1

Needs grpcio-tools and mypy-protobuf in the versions of the lock file: other versions write other bytes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from importlib import resources
from pathlib import Path

ROOT = Path(__file__).resolve().parent  # the source root that imports and protoc both start from
PACKAGE = Path("einklang/v1")
SUFFIXES = ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py", "_pb2_grpc.pyi")
REPAIR = "python proto/generate.py"


class GenerateFailed(Exception):
    """Protoc refused the contract, or a tool is missing; the message says what to do."""


def proto_files() -> list[str]:
    """The contract's files, relative to ROOT, ascending."""
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / PACKAGE).glob("*.proto"))


def generate(target: Path) -> None:
    """Writes the generated files of the whole contract below `target`."""
    _protoc(
        [
            *_plugins(),
            f"--python_out={target}",
            f"--grpc_python_out={target}",
            f"--mypy_out=quiet:{target}",
            f"--mypy_grpc_out=quiet:{target}",
        ]
    )
    for path in _generated(target):
        _tidy(path)


def descriptor_set(target: Path) -> None:
    """Writes the contract as a FileDescriptorSet with all its comments, imports included, to the file `target`."""
    _protoc([f"--descriptor_set_out={target}", "--include_imports", "--include_source_info"])


def stale() -> list[str]:
    """The committed files, relative to ROOT, that differ from what the contract generates, are missing or left over."""
    with tempfile.TemporaryDirectory(prefix="einklang-contract-") as directory:
        fresh_root = Path(directory)
        generate(fresh_root)
        fresh = {str(path.relative_to(fresh_root)): path.read_bytes() for path in _generated(fresh_root)}
    committed = {str(path.relative_to(ROOT)): path.read_bytes() for path in _generated(ROOT)}
    return sorted(name for name in fresh.keys() | committed.keys() if fresh.get(name) != committed.get(name))


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; gives the exit code."""
    parser = argparse.ArgumentParser(description="Generate the Python of the contract in proto/einklang/v1.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a committed file is stale")
    options = parser.parse_args(arguments)
    try:
        if options.check:
            names = stale()
            for name in names:
                print(f"out of date: proto/{name}", file=sys.stderr)
            if names:
                print(f"to repair, run: {REPAIR}", file=sys.stderr)
            return 1 if names else 0
        before = set(_generated(ROOT))
        generate(ROOT)
        kept = {ROOT / name.replace(".proto", suffix) for name in proto_files() for suffix in SUFFIXES}
        for path in before - kept:
            path.unlink()
    except GenerateFailed as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _generated(root: Path) -> list[Path]:
    return sorted(path for suffix in SUFFIXES for path in (root / PACKAGE).glob(f"*{suffix}"))


def _protoc(options: list[str]) -> None:
    try:
        from grpc_tools import protoc
    except ImportError as error:
        raise GenerateFailed("grpcio-tools is missing: install the locked requirements") from error
    well_known = resources.files("grpc_tools") / "_proto"
    code = protoc.main(["protoc", f"--proto_path={ROOT}", f"--proto_path={well_known}", *options, *proto_files()])
    if code != 0:
        raise GenerateFailed(f"protoc refused the contract (exit code {code}); what it says stands above")


def _plugins() -> list[str]:
    """Where protoc finds mypy-protobuf: beside the interpreter that runs this, whatever the PATH says."""
    options = []
    for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc"):
        path = Path(sys.executable).parent / name
        if not path.exists():
            raise GenerateFailed(f"{name} is missing beside {sys.executable}: install the locked requirements")
        options.append(f"--plugin={name}={path}")
    return options


def _tidy(path: Path) -> None:
    """Two corrections to what the plugins write for services, so that it says what holds.

    A file without services gets no `_grpc` files: they would hold nothing but a version check. And a servicer's methods
    are not abstract: the generated base answers UNIMPLEMENTED for what a server leaves out."""
    if "_pb2_grpc." not in path.name:
        return
    text = path.read_text(encoding="utf-8")
    if "Stub" not in text:
        path.unlink()
    elif path.suffix == ".pyi":
        path.write_text(text.replace("    @_abc_1.abstractmethod\n", ""), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
