"""Decide in one's own process, without server, store or network: an image file, bytes in, bytes out.

    decider = opened(Path("shop.image"))                 # a minute for the first time on a machine: the engine compiles
    response = decider.decide(request_bytes, now_us)     # DecideRequest → DecideResponse, as DecisionService.Decide

The Decision's bytes are those that a server gives by the same ruleset. There is no Timeline here: the ruleset is the
file's, `certainty` says that nothing is promised about what is in force elsewhere, and the caller says what time it is.
A till that embeds this shows its ruleset's digest, and asks a server again later by that digest if it wants to compare.
One thread at a time.

What can go wrong, and who is told:

* image_file.BadImageFile   whoever opens it
* contract.Failure          the caller: as a server would answer; `detail` names the field
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from einklang.v1 import common_pb2 as common
from einklang.v1 import decision_pb2 as pb
from engine.basket import BadRequest
from server import answers, convert, image_file, kernels
from server.contract import Failure, Refused, as_failure, parse, refuse_foreign_tenant
from server.settings import load as load_settings
from server.signing import Trust

if TYPE_CHECKING:
    from engine.image import Ruleset


class Decider:
    """Decides by one ruleset."""

    def __init__(self, ruleset: Ruleset, *, tenant: str = "default", node: str = "") -> None:
        """The engine's kernels are loaded (`opened` does it). `node`: who answers, for the envelope."""
        from engine.decide import decide
        from engine.direct import ANSWERED, ELSEWHERE, Direct

        self._answered, self._elsewhere = ANSWERED, ELSEWHERE
        self._decide = decide
        self._direct = Direct(ruleset)
        self._ruleset = ruleset
        self._tenant = tenant
        self._node = node

    @property
    def digest(self) -> str:
        """The ruleset, 64 hexadecimal characters."""
        return self._ruleset.digest

    def decide(self, data: bytes, now_us: int) -> bytes:
        """A DecideResponse. `now_us`: what time it is, for requests that do not say `at_us`. Raises Failure."""
        reason = self._direct.ask(data, now_us)
        if reason == self._elsewhere and self._means_this(data):
            reason = self._direct.ask(data, now_us, anyhow=True)
        if reason != self._answered:
            return self._at_length(data, now_us)
        answer = self._direct.answered()
        return self._response(answer.decision, answer.at_us, answer.usage_judged)

    def _means_this(self, data: bytes) -> bool:
        asks = self._direct.asks(data)
        ours = asks.ruleset_digest in (b"", self.digest.encode())
        return ours and not asks.as_of_us and asks.tenant in (b"", self._tenant.encode())

    def _at_length(self, data: bytes, now_us: int) -> bytes:
        message = parse(pb.DecideRequest, data)
        refuse_foreign_tenant(message.tenant, self._tenant)
        if convert.ruleset_digest(message) not in ("", self.digest):
            text = f"this process decides by ruleset {self.digest} alone"
            raise Refused("ruleset_digest", text, common.ERROR_REASON_RULESET_UNKNOWN)
        if convert.as_of(message):
            text = "there is no Timeline here: leave it out, or ask a server"
            raise Refused("as_of_us", text, common.ERROR_REASON_NOT_AVAILABLE)
        try:
            request = convert.to_request(message, at_us=message.at_us or now_us)
            decision = self._decide(self._ruleset, request)
        except BadRequest as error:
            raise as_failure(error, convert.contract_path(error.field, message)) from None
        written = answers.to_message(
            decision,
            codes=request.codes,
            promotions=self._ruleset.by_name,
            product_titles=self._ruleset.product_titles,
            prices_include_tax=self._ruleset.settings.prices_include_tax,
            writings=self._ruleset.writings,
        ).SerializeToString(deterministic=True)
        judged = answers.limits_from(decision.promotions) == pb.LIMITS_FROM_REQUEST
        return self._response(written, request.at_us, judged)

    def _response(self, decided: bytes, at_us: int, judged: bool) -> bytes:
        response = pb.DecideResponse(
            envelope=pb.Envelope(
                decision_digest=hashlib.sha256(decided).hexdigest(),
                limits_from=pb.LIMITS_FROM_REQUEST if judged else pb.LIMITS_FROM_NONE,
                at_us=at_us,
                node=self._node,
            )
        )
        response.decision.ParseFromString(decided)
        return response.SerializeToString(deterministic=True)


def opened(
    path: Path, trust: Trust | None = None, *, node: str = "", tell: Callable[[str], None] = lambda _: None
) -> Decider:
    """What decides by this image file. `trust`: whose signature it must bear; None: the file is taken as it is, by
    whoever put it there. `tell` hears how far the engine is compiled, a minute once for each version of it.

    Raises BadImageFile, kernels.CacheUnsafe. To be called before anything else imports the engine's kernels."""
    file = image_file.read(path, trust)
    prepared = kernels.prepare(load_settings().cache_dir)
    prepared.ensure(kernels.compile_here, tell)
    from engine.decide import warm
    from engine.image import load
    from engine.parts import ImageRejected

    try:
        ruleset = load(file.manifest, file.parts)
    except ImageRejected as error:
        raise image_file.BadImageFile(f"{path}: {error}") from None
    warm(ruleset)
    return Decider(ruleset, tenant="default" if trust is None else trust.tenant, node=node)


__all__ = ["Decider", "Failure", "opened"]
