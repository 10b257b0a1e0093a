"""`make shop`: serves examples/shop until Ctrl-C, and says what to type to ask it.

    python -m benchmarks.shop [--listen HOST:PORT]

The server is the real `einklang serve` with the embedded store and data of its own below `.einklang/` (git-ignored).

Exit codes: 0 stopped with Ctrl-C or SIGTERM; 2 the server cannot start (its log says why); 64 a wrong command line.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks.serving import HOME, ROOT, ServerEnded, here, orderly_end, python, serving
from einklang.v1 import decision_pb2 as pb
from einklang.v1 import decision_pb2_grpc
from server import client, receipt

SHOP: Final = ROOT / "examples" / "shop"
CLIENTS: Final = ROOT / "examples" / "clients"


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shop", description="Serve examples/shop until Ctrl-C.")
    parser.add_argument("--listen", default=client.ADDRESS, metavar="HOST:PORT", help="port 0: any free one")
    parser.add_argument("--data-dir", type=Path, default=HOME / "shop", metavar="DIR", help=".einklang/shop")
    try:
        options = parser.parse_args(arguments)
    except SystemExit as ended:
        raise SystemExit(64 if ended.code else 0) from None
    console = Console(highlight=False, emoji=False, markup=False, soft_wrap=True)
    try:
        with orderly_end():
            return _serve(console, options.listen, options.data_dir.absolute())
    except ServerEnded as ended:
        console.print(f"shop: {ended}. If its port is taken, try --listen 127.0.0.1:0")
        return 2
    except client.CallFailed as error:
        console.print(f"shop: {error}")
        return 2


def _serve(console: Console, listen: str, data_dir: Path) -> int:
    console.print(f"Starting the server: einklang serve {here(SHOP)} --listen {listen}")
    with serving(SHOP, data_dir, listen, lambda line: console.print(f"  {line}", style="dim")) as server:
        try:
            address = server.ready().address
            console.print(_first_answer(address))
            console.print(_calls(address))
            code = server.wait()
        except KeyboardInterrupt:
            console.print("\nStopping.")
            return 0
    raise ServerEnded(code)


def _first_answer(address: str) -> str:
    """What examples/clients/basket.json gets, as a receipt."""
    basket = CLIENTS / "basket.json"
    request = client.read_basket(basket.read_text("utf-8"), pb.DecideRequest)
    with client.channel(address) as connection:
        stub = decision_pb2_grpc.DecisionServiceStub(connection)
        answer: pb.DecideResponse = client.call(stub.Decide, request, address=address, timeout_s=10)
    text = f"{receipt.receipt(request, answer.decision)}\n\n{receipt.reasons(answer.decision)}"
    return f"\nWhat {here(basket)} gets:\n\n" + "\n".join(f"  {line}".rstrip() for line in text.splitlines())


def _calls(address: str) -> str:
    basket = here(CLIENTS / "basket.json")
    einklang = here(Path(sys.executable).with_name("einklang"))
    return f"""
Serving on {address}. From another terminal, in this directory:

  {python()} {here(CLIENTS / "decide.py")} {address}
  {einklang} decide {basket} --address {address}
  {einklang} explain {basket} --address {address}
  {einklang} status --address {address}
  grpcurl -plaintext -d @ {address} einklang.v1.DecisionService/Decide < {basket}
  grpcurl -plaintext {address} describe einklang.v1.DecisionService

Change a rule in {here(SHOP)}/promotions, and publish it while this serves:

  {python()} {here(CLIENTS / "publish.py")} {here(SHOP)} {address}

Ctrl-C stops the server; {here(SHOP)} and {here(CLIENTS)} are made to be read.
"""


if __name__ == "__main__":
    sys.exit(main())
