"""The benchmarks, by name: `python -m benchmarks` lists them, `python -m benchmarks NAME` runs one.

Each is a module of this directory too: `python -m benchmarks.demo` is `python -m benchmarks demo`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Final

BENCHMARKS: Final = {
    "activation": "several servers at one store: how the flip goes across them, and what requests wait that meet one",
    "backtest": "real till receipts decided in threads, for the sums alone",
    "best": "how often the best combination is proven, and what greedy choices would cost shoppers",
    "compile": "compile, check and link a large made-up retailer from nothing; publish one changed file of it",
    "demo": "real till receipts through four sales channels of a real server (make demo)",
    "service": "what a decision adds to a gRPC call: h2load against the real server and one that does nothing",
    "image": "open an image of a large made-up retailer, in two processes; what one price changes of it",
    "kernel": "a decision in process, from bytes to bytes: how long it takes, and how that grows",
    "shop": "serve the example shop and say what to type (make shop)",
    "wire": "a request's bytes, read by the compiled reader and by the protobuf library",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one; its exit code. 64: there is none of this name."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] in BENCHMARKS:
        code: int = importlib.import_module(f"benchmarks.{given[0]}").main(given[1:])
        return code
    wanted = not given or given[0] in ("-h", "--help")
    lines = ["python -m benchmarks NAME [--help]", ""]
    lines += [f"  {name:<10} {about}" for name, about in BENCHMARKS.items()]
    if not wanted:
        lines.insert(0, f"there is no benchmark «{given[0]}»\n")
    (sys.stdout if wanted else sys.stderr).write("\n".join(lines) + "\n")
    return 0 if wanted else 64


if __name__ == "__main__":
    sys.exit(main())
