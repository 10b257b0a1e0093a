"""A till that decides in its own process: no server, no store, no network.

einklang image examples/shop --out shop.image
python examples/embedded/till.py shop.image examples/clients/basket.json
"""

import sys
import time
from pathlib import Path

from google.protobuf import json_format

from einklang.v1 import decision_pb2
from server import deciding

decider = deciding.opened(Path(sys.argv[1]), node="till-7", tell=lambda how_far: print(how_far, file=sys.stderr))
request = json_format.Parse(Path(sys.argv[2]).read_text("utf-8"), decision_pb2.DecideRequest())

began = time.perf_counter()
response = decider.decide(request.SerializeToString(), time.time_ns() // 1_000)
took = time.perf_counter() - began

answer = decision_pb2.DecideResponse.FromString(response)
for line in answer.decision.lines:
    print(f"{line.line_id:>8}  {line.list_minor / 100:9.2f}  {line.net_minor / 100:9.2f}")
print(f"to pay   {answer.decision.totals.payable_minor / 100:9.2f} {answer.decision.currency}, {1e6 * took:.0f} µs")
print(f"ruleset  {decider.digest[:16]}…, decision {answer.envelope.decision_digest[:16]}…")
