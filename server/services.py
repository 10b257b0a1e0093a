"""The gRPC services: convert, call, convert. Nothing is decided, compiled or remembered here.

Every method of the contract is registered with bytes in and bytes out, from the generated descriptors (`register`): so
a message that is none is refused by the contract's own rules, a Decision is written once and hashed as it was written,
and a method that has no servicer's function answers UNIMPLEMENTED with a text that says so.

Who sees what: the caller a status with an ErrorDetail (server/contract.py), the log what is the server's own fault.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from einklang.v1 import common_pb2 as common
from einklang.v1 import customer_pb2, decision_pb2, redemption_pb2, ruleset_pb2
from engine import basket, decision, texts
from engine.basket import BadRequest
from engine.timeline import Entry
from server import answers, batches, convert, explain, listing
from server.activate import FOR_EVER_NS, SCHEDULED, UNSURE, Active, RulesetHolder, Standing, Unusable
from server.batches import varint
from server.clock import SystemClock
from server.contract import Failure, Refused, as_failure, parse, refuse_foreign_tenant
from server.rulesets import RulesetServicer
from server.store import StoreError
from server.telemetry import ROOT, Counters, Metric

if TYPE_CHECKING:
    from engine.direct import Answer, Asks, Direct
    from engine.image import Ruleset

CALL_SECONDS_MAX: Final = 5.0  # a call that only reads; also without a deadline of the caller
CONCURRENT_RPCS_MAX: Final = 256  # more are refused at once: RESOURCE_EXHAUSTED
EXPLAINED_MAX: Final = 1_000
METADATA_BYTES_MAX: Final = 8_192
REGAIN_S: Final = 0.1  # a node that alone begins a new epoch has no lease for some milliseconds
NAMED: Final = Standing(None, None, 0, UNSURE, FOR_EVER_NS)  # for a ruleset that the request names

_ANSWERED: Final = 0  # direct.ANSWERED, ELSEWHERE, which must not be imported before the kernels' cache is set
_ELSEWHERE: Final = 2

_LOG = logging.getLogger(ROOT)


def server_options(request_bytes_max: int = 262_144) -> list[tuple[str, int]]:
    """Options of the gRPC server: keepalive, limits, one port for several processes.

    A message that is larger, also when it is unpacked, is refused with RESOURCE_EXHAUSTED. Use with
    `maximum_concurrent_rpcs=CONCURRENT_RPCS_MAX`."""
    return [
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 15_000),  # clients that ping every 30 s are welcome
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.max_connection_age_ms", 600_000),  # so that new nodes get their share
        ("grpc.max_connection_age_grace_ms", 30_000),
        ("grpc.max_concurrent_streams", 100),
        ("grpc.max_receive_message_length", request_bytes_max),
        ("grpc.max_metadata_size", METADATA_BYTES_MAX),
        ("grpc.so_reuseport", 1),
    ]


class Decide(Protocol):
    """engine.decide.decide, or what stands for it in a test."""

    def __call__(self, ruleset: Ruleset, request: basket.Request, *, everything: bool = False) -> decision.Decision:
        """Raises BadRequest."""


_Method = Callable[["DecisionServicer", bytes], Coroutine[Any, Any, bytes]]


class _Late(Exception):
    """The lease ended while the answer was made, and no other one vouches for it."""


def _once_more(method: _Method) -> _Method:
    """What comes too late is answered again, by what is in force then."""

    @functools.wraps(method)
    async def answered(servicer: DecisionServicer, data: bytes) -> bytes:
        with suppress(_Late):
            return await method(servicer, data)
        with suppress(_Late):
            return await method(servicer, data)
        raise servicer.uncertain()

    return answered


# Keeps an answer that was given while cut off: the request, by what it was decided, for which instant, the Decision.
Keep = Callable[[bytes, Standing, int, bytes], None]


class DecisionServicer:
    """Decides and explains: methods take a request's bytes and give a response's."""

    def __init__(
        self,
        holder: RulesetHolder,
        *,
        tenant: str = "default",
        node: str = "",
        build: str = "",
        counters: Counters,
        decide: Decide | None = None,
        threads: int = 1,
        keep: Keep | None = None,
    ) -> None:
        """`decide` None: the engine's, which is imported now; so its kernel cache must be set before. `threads`: in
        which many baskets are decided at once, beside the event loop. `keep`: is told, from any thread, what was
        answered while cut off."""
        self._directly = False  # ordinary requests are answered from bytes to bytes
        if decide is None:
            from engine import decide as door

            decide = door.decide
            self._directly = True
        self._decide: Decide = decide
        self._holder = holder
        self._tenant = tenant
        self._node = node
        self._build = build
        self._counters = counters
        self._threads = batches.Threads(threads)
        self._keep = keep

    @_once_more
    async def Decide(self, data: bytes) -> bytes:  # noqa: N802 - the contract's name
        """DecideRequest → DecideResponse, whatever it asks. Raises Failure."""
        message = parse(decision_pb2.DecideRequest, data)
        asked = await self._asked(message)
        answer = self._answer(asked)
        decided = asked.decision_bytes(answer)
        envelope = self._envelope(asked, decided, answer.promotions)
        self._count(asked.standing)
        self._note(data, asked.standing, asked.request.at_us, decided)
        return _field(1, decided) + _field(2, envelope)

    async def again(self, message: decision_pb2.DecideRequest) -> tuple[decision_pb2.Decision, Standing]:
        """What a request is answered by its ruleset or instant, without its being counted. Raises Failure."""
        asked = await self._asked(message)
        return asked.decision_message(self._answer(asked)), asked.standing

    @_once_more
    async def Explain(self, data: bytes) -> bytes:  # noqa: N802 - the contract's name
        """ExplainRequest → ExplainResponse, the Decision's bytes being those of Decide. Raises Failure."""
        message = parse(decision_pb2.ExplainRequest, data)
        if not message.HasField("request"):
            raise Refused("request", "needed: the basket, as for Decide", common.ERROR_REASON_MISSING)
        try:
            asked = await self._asked(message.request)
            answer = self._answer(asked)
            everything = self._answer(asked, everything=True)
        except Failure as failure:
            within = failure.detail.field or isinstance(failure, Refused)
            raise failure.inside("request") if within else failure from None
        wanted = _wanted(message.promotions, asked.ruleset)
        decided = asked.decision_bytes(answer)
        language = message.language or next(iter(asked.ruleset.settings.languages), "en")
        response = decision_pb2.ExplainResponse(explanations=_explanations(everything, asked, wanted, language))
        envelope = self._envelope(asked, decided, answer.promotions)
        return _field(1, decided) + _field(2, envelope) + response.SerializeToString(deterministic=True)

    def ordinary(self, method: str) -> Quick | None:
        """What is asked before a method: it answers ordinary requests at once, and None to others."""
        return self._ordinary if method == "Decide" and self._directly else None

    def DecideBatch(self, requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:  # noqa: N802 - the contract's name
        """DecideBatchRequests → DecideBatchResponses. Raises Failure."""
        return batches.decided(requests, self._threads, self._chunk, self._one_of_many, self._counters)

    def _chunk(self) -> batches.Quickly:
        """What decides a chunk of a stream in a thread, by what is in force now."""
        standing = self._holder.standing() if self._directly else None
        count = asyncio.get_running_loop().call_soon_threadsafe

        def quickly(requests: Sequence[bytes]) -> list[bytes | None]:
            if not isinstance(standing, Standing) or standing.active is None or standing.active.direct is None:
                return [None] * len(requests)
            direct = self._threads.direct(standing.active.direct)
            found: list[bytes | None] = []
            for data in requests:
                answered = direct.ask(data, standing.as_of_us) == _ANSWERED
                found.append(self._told(data, direct.answered(), standing) if answered else None)
            if self._holder.lapsed(standing):
                return [None] * len(requests)
            if standing.certainty == SCHEDULED and (kept := len(found) - found.count(None)):
                with suppress(RuntimeError):  # the loop is closed: nobody asks for figures any more
                    count(self._counters.add, Metric.DECISIONS_SCHEDULED, kept)
            return found

        return quickly

    async def _one_of_many(self, data: bytes) -> bytes:
        at_once = self._ordinary(data) if self._directly else None  # a named ruleset, or an instant
        return await self.Decide(data) if at_once is None else at_once

    @_once_more
    async def ProductPrices(self, data: bytes) -> bytes:  # noqa: N802 - the contract's name
        """ProductPricesRequest → ProductPricesResponse. Raises Failure."""
        message = parse(decision_pb2.ProductPricesRequest, data)
        if not message.HasField("request"):
            text = "needed: the circumstances of the sale, and a line for each article"
            raise Refused("request", text, common.ERROR_REASON_MISSING)
        try:
            asked = await self._asked(message.request)
        except Failure as failure:
            within = failure.detail.field or isinstance(failure, Refused)
            raise failure.inside("request") if within else failure from None
        direct = self._holder.direct_of(asked.ruleset.digest) if self._directly else None

        def at_length(request: basket.Request) -> decision_pb2.Decision:
            return asked.decision_message(self._decide(asked.ruleset, request))

        def priced() -> list[tuple[decision_pb2.ProductPrice, bool]]:
            own = None if direct is None else self._threads.direct(direct)
            return list(listing.prices(message.request, asked.request, own, at_length))

        found = await self._threads.run(priced)
        standing = self._in_time(asked)
        self._counters.add(Metric.DECISIONS, len(found))
        judged = any(judged for _, judged in found)
        envelope = decision_pb2.Envelope(
            as_of_us=standing.as_of_us,
            sequence=standing.entry.sequence if standing.entry is not None else 0,
            certainty=common.Certainty.ValueType(standing.certainty),
            limits_from=decision_pb2.LIMITS_FROM_REQUEST if judged else decision_pb2.LIMITS_FROM_NONE,
            at_us=asked.request.at_us,
            node=self._node,
            build=self._build,
        )
        response = decision_pb2.ProductPricesResponse(
            prices=[price for price, _ in found], ruleset_digest=asked.ruleset.digest, envelope=envelope
        )
        return response.SerializeToString(deterministic=True)

    def _ordinary(self, data: bytes) -> bytes | None:
        """The DecideResponse to an ordinary request (engine/direct.py). None: it is another one, and is answered at
        length, or refused there."""
        standing = self._holder.standing()
        if not isinstance(standing, Standing) or standing.active is None or standing.active.direct is None:
            return None
        direct, now_us = standing.active.direct, standing.as_of_us
        reason = direct.ask(data, now_us)
        if reason == _ELSEWHERE:
            found = self._elsewhere(direct.asks(data), standing)
            if found is None:
                return None
            direct, standing = found
            reason = direct.ask(data, standing.as_of_us or now_us, anyhow=True)
        if reason != _ANSWERED or self._holder.lapsed(standing):
            return None
        self._count(standing)
        return self._told(data, direct.answered(), standing)

    def _elsewhere(self, asks: Asks, now: Standing) -> tuple[Direct, Standing] | None:
        """What answers a request that names a tenant, a ruleset or an instant. None: all this is judged at length."""
        if asks.tenant not in (b"", self._tenant.encode()) or (asks.ruleset_digest and asks.as_of_us):
            return None
        if asks.ruleset_digest:
            direct = self._holder.direct_of(asks.ruleset_digest.decode())
            return None if direct is None else (direct, NAMED)
        standing = now if not asks.as_of_us else self._holder.standing_at(asks.as_of_us) if asks.as_of_us > 0 else None
        if standing is None or standing.active is None or standing.active.direct is None:
            return None
        return standing.active.direct, standing

    def _count(self, standing: Standing) -> None:
        self._counters.add(Metric.DECISIONS)
        if standing.certainty == SCHEDULED:
            self._counters.add(Metric.DECISIONS_SCHEDULED)

    def _told(self, data: bytes, answer: Answer, standing: Standing) -> bytes:
        """The response, which is kept if this node is cut off."""
        if standing.certainty == SCHEDULED:
            self._note(data, standing, answer.at_us, answer.decision)
        return self.response(answer, standing)

    def _note(self, data: bytes, standing: Standing, at_us: int, decided: bytes) -> None:
        if standing.certainty == SCHEDULED and self._keep is not None:
            self._keep(data, standing, at_us, decided)

    def response(self, answer: Answer, standing: Standing) -> bytes:
        """The DecideResponse that bears an answer."""
        decided = answer.decision
        envelope = decision_pb2.Envelope(
            as_of_us=standing.as_of_us,
            sequence=standing.entry.sequence if standing.entry is not None else 0,
            certainty=common.Certainty.ValueType(standing.certainty),
            decision_digest=hashlib.sha256(decided).hexdigest(),
            limits_from=decision_pb2.LIMITS_FROM_REQUEST if answer.usage_judged else decision_pb2.LIMITS_FROM_NONE,
            at_us=answer.at_us,
            node=self._node,
            build=self._build,
        )
        told = envelope.SerializeToString(deterministic=True)
        return b"".join((b"\x0a", varint(len(decided)), decided, b"\x12", varint(len(told)), told))

    def _answer(self, asked: _Asked, *, everything: bool = False) -> decision.Decision:
        try:
            return self._decide(asked.ruleset, asked.request, everything=everything)
        except BadRequest as error:
            raise as_failure(error, convert.contract_path(error.field, asked.message)) from None

    async def _asked(self, message: decision_pb2.DecideRequest) -> _Asked:
        refuse_foreign_tenant(message.tenant, self._tenant)
        digest = convert.ruleset_digest(message)
        as_of_us = convert.as_of(message)
        if digest:
            ruleset = await self._named(digest)
            at_us = message.at_us or self._holder.now_us()
            if at_us == 0:
                raise _not_ready("this node does not know the time yet; try again, or another node, or say `at_us`")
            return _Asked(message, ruleset, at_us=at_us)
        standing = self._holder.standing_at(as_of_us) if as_of_us else await self._present()
        if standing is None:
            raise _not_ready("this node has not read the Timeline yet; try again, or another node")
        if standing.entry is None:
            text = "no ruleset was in force at this instant; publish one first"
            raise Failure(grpc.StatusCode.FAILED_PRECONDITION, common.ERROR_REASON_NO_RULESET, text)
        if standing.active is None and as_of_us:
            standing = standing._replace(active=await self._load(standing.entry))
        if standing.active is None:
            raise _not_ready("the ruleset in force is not ready on this node yet; try again, or another node")
        at_us = message.at_us or standing.as_of_us
        return _Asked(message, standing.active.ruleset, at_us=at_us, standing=standing)

    async def _present(self) -> Standing:
        """By what is answered now. At an activation this waits for a moment, and for a lease that is just given up for
        a new one. Raises Failure."""
        waited = patient = False
        while not isinstance(standing := self._holder.standing(), Standing):
            if standing is not None:
                waited = True
                await asyncio.sleep(self._holder.seconds_until(standing))  # may end a little early
            elif not patient:
                patient = True
                await self._holder.change(REGAIN_S)
            elif self._holder.now_us() == 0:
                raise _not_ready("this node has not read the Timeline yet; try again, or another node")
            else:
                raise self.uncertain()
        if waited:
            self._counters.add(Metric.DECISIONS_WAITED)
        return standing

    async def _named(self, digest: str) -> Ruleset:
        try:
            ruleset = await self._holder.by_digest(digest)
        except StoreError as error:
            raise _store_unavailable() from error
        except Unusable as error:
            raise _unknown("this ruleset is stored, but cannot be used by this server") from error
        if ruleset is None:
            raise _unknown("no ruleset of this digest is known here, or it is no longer kept")
        return ruleset

    async def _load(self, entry: Entry) -> Active:
        try:
            active = await self._holder.load(entry)
        except StoreError as error:
            raise _store_unavailable() from error
        except Unusable as error:
            raise _unknown("the ruleset of this instant is stored, but cannot be used by this server") from error
        if active is None:
            raise _unknown("the ruleset of this instant is no longer kept")
        return active

    def uncertain(self) -> Failure:
        """What a caller is told where there is no lease; it is counted."""
        self._counters.add(Metric.DECISIONS_UNCERTAIN)
        text = "this node is cut off from the store and may not say what is in force; try again, or another node"
        return Failure(grpc.StatusCode.UNAVAILABLE, common.ERROR_REASON_NOT_CERTAIN, text, retryable=True)

    def _in_time(self, asked: _Asked) -> Standing:
        """How the ruleset was chosen, if that still holds. Raises _Late."""
        if self._holder.lapsed(asked.standing):
            raise _Late
        return asked.standing

    def _envelope(self, asked: _Asked, decided: bytes, results: Sequence[decision.PromotionResult]) -> bytes:
        """Raises _Late where the answer comes too late to be given."""
        standing = self._in_time(asked)
        envelope = decision_pb2.Envelope(
            as_of_us=standing.as_of_us,
            sequence=standing.entry.sequence if standing.entry is not None else 0,
            certainty=common.Certainty.ValueType(standing.certainty),
            decision_digest=hashlib.sha256(decided).hexdigest(),
            limits_from=answers.limits_from(results),
            at_us=asked.request.at_us,
            node=self._node,
            build=self._build,
        )
        return envelope.SerializeToString(deterministic=True)


def _not_ready(text: str) -> Failure:
    return Failure(grpc.StatusCode.UNAVAILABLE, common.ERROR_REASON_NOT_READY, text, retryable=True)


def _store_unavailable() -> Failure:
    text = "the store cannot be reached to fetch this ruleset; try again, or another node"
    return Failure(grpc.StatusCode.UNAVAILABLE, common.ERROR_REASON_STORE_UNAVAILABLE, text, retryable=True)


def _unknown(text: str) -> Failure:
    return Failure(grpc.StatusCode.NOT_FOUND, common.ERROR_REASON_RULESET_UNKNOWN, text, field="ruleset_digest")


class _Asked:
    """One basket with the ruleset that decides it, and how that was chosen."""

    def __init__(
        self,
        message: decision_pb2.DecideRequest,
        ruleset: Ruleset,
        *,
        at_us: int,
        standing: Standing = NAMED,
    ) -> None:
        self.message = message
        self.request = convert.to_request(message, at_us=at_us)
        self.ruleset = ruleset
        self.standing = standing
        self.promotions: Mapping[str, answers.PromotionNames] = ruleset.by_name

    def decision_message(self, answer: decision.Decision) -> decision_pb2.Decision:
        """The contract's Decision."""
        return answers.to_message(
            answer,
            codes=self.request.codes,
            promotions=self.promotions,
            product_titles=self.ruleset.product_titles,
            prices_include_tax=self.ruleset.settings.prices_include_tax,
            writings=self.ruleset.writings,
        )

    def decision_bytes(self, answer: decision.Decision) -> bytes:
        """The Decision's canonical bytes: they depend on ruleset and request alone."""
        return self.decision_message(answer).SerializeToString(deterministic=True)


def _wanted(promotions: Sequence[str], ruleset: Ruleset) -> set[str]:
    if len(promotions) > EXPLAINED_MAX:
        raise Refused("promotions", f"at most {EXPLAINED_MAX:,}; these are {len(promotions):,}")
    known = ruleset.by_name
    for place, name in enumerate(promotions):
        if name not in known:
            text = f"the ruleset has no promotion {name[:80]!r}"
            raise Refused(f"promotions[{place}]", text, common.ERROR_REASON_UNKNOWN_NAME)
    return set(promotions)


def _explanations(
    everything: decision.Decision, asked: _Asked, wanted: set[str], language: str
) -> Iterator[decision_pb2.Explanation]:
    """One for each promotion, by name. `wanted` empty: all. `language`: BCP 47, of which the first part counts."""
    spoken = language.partition("-")[0].lower()
    names = explain.Names(asked.ruleset.product_titles)
    for result, message in zip(everything.promotions, asked.decision_message(everything).promotions, strict=True):
        if wanted and result.name not in wanted:
            continue
        explanation = decision_pb2.Explanation(
            promotion=result.name,
            title=asked.promotions[result.name].title,
            reason=message.reason,
            sentence=texts.cut(explain.explain(result, everything, names, spoken)),
            missing=message.missing,
            result=message,
        )
        if message.failing_clause:
            explanation.clause.text = message.failing_clause
        yield explanation


def _field(number: int, data: bytes) -> bytes:
    """A message's bytes as a field of another one."""
    return bytes((number << 3 | 2,)) + varint(len(data)) + data


# ---------------------------------------------------------------------------------------------------- registering

Quick = Callable[[bytes], bytes | None]
Unary = Callable[[bytes], Awaitable[bytes]]
Streamed = Callable[[AsyncIterator[bytes]], Awaitable[bytes]]


def services(decisions: object, rulesets: object) -> dict[ServiceDescriptor, object]:
    """Every service of the contract and who serves it; those whose work comes later are served by nobody."""
    return {
        decision_pb2.DESCRIPTOR.services_by_name["DecisionService"]: decisions,
        ruleset_pb2.DESCRIPTOR.services_by_name["RulesetService"]: rulesets,
        redemption_pb2.DESCRIPTOR.services_by_name["RedemptionService"]: None,
        customer_pb2.DESCRIPTOR.services_by_name["CustomerService"]: None,
    }


class Gate:
    """Where every call comes by: counted, and once it is shut told to come again, or to another node."""

    def __init__(self) -> None:
        self.arrived = 0  # calls since the beginning
        self.shut = False
        self._ended = asyncio.Event()
        self._ended.set()  # nobody is kept waiting

    def enter(self) -> bool:
        """A call begins, if it may; else `turn_away` says why."""
        self.arrived += 1
        return not self.shut

    async def turn_away(self, left_s: float | None) -> NoReturn:
        """What is said to a call that came too late, and has so much time left. Raises Failure."""
        with suppress(TimeoutError):
            async with asyncio.timeout(None if left_s is None else left_s / 2):
                await self._ended.wait()
        raise _not_ready("this server stops; try again, or another node")

    async def quiet(self, interval_s: float, most_s: float) -> None:
        """Wait until no call came for an interval; not longer than `most_s`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(most_s):
                seen = -1
                while seen != self.arrived:
                    seen = self.arrived
                    await asyncio.sleep(interval_s)

    def hold(self) -> None:
        """From now on that is said to who comes too late only after `let_go`."""
        self._ended.clear()

    def let_go(self) -> None:
        """Say it now to all that wait, and to later ones at once."""
        self._ended.set()


def register(
    server: grpc.aio.Server,
    decisions: DecisionServicer,
    rulesets: RulesetServicer,
    counters: Counters,
    gate: Gate | None = None,
) -> tuple[str, ...]:
    """Add all services to the server. Gives their full names, for health and reflection."""
    gate = gate or Gate()
    table = services(decisions, rulesets)
    for service, servicer in table.items():
        handlers = {method.name: _handler(method, servicer, counters, gate) for method in service.methods}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.full_name, handlers),))
        server.add_registered_method_handlers(service.full_name, handlers)
    return tuple(service.full_name for service in table)


def _handler(method: MethodDescriptor, servicer: object, counters: Counters, gate: Gate) -> grpc.RpcMethodHandler:
    """bytes in, bytes out. A method that answers with a stream is one that is not served yet."""
    function: Any = getattr(servicer, method.name, None)
    if method.server_streaming:
        make = (
            grpc.stream_stream_rpc_method_handler if method.client_streaming else grpc.unary_stream_rpc_method_handler
        )
        return make(_not_served_stream(method) if function is None else _stream(method, function, counters, gate))
    if method.client_streaming:
        return grpc.stream_unary_rpc_method_handler(_call(method, function, counters, gate, seconds=None))
    asked_first = servicer.ordinary(method.name) if isinstance(servicer, DecisionServicer) else None
    patient = isinstance(servicer, RulesetServicer) and method.name in servicer.PATIENT
    seconds = None if patient else CALL_SECONDS_MAX
    call = _call(method, function, counters, gate, seconds=seconds, ordinary=asked_first)
    return grpc.unary_unary_rpc_method_handler(call)


def _not_served(method: MethodDescriptor) -> Failure:
    text = f"{method.name} is part of the contract, and not served by this server yet"
    return Failure(grpc.StatusCode.UNIMPLEMENTED, common.ERROR_REASON_NOT_AVAILABLE, text)


def _not_served_stream(method: MethodDescriptor) -> Callable[[Any, grpc.aio.ServicerContext], AsyncIterator[bytes]]:
    async def behaviour(_request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        await _abort(context, _not_served(method))
        yield b""  # never reached; it makes this a stream

    return behaviour


def _stream(
    method: MethodDescriptor,
    function: Callable[[Any], AsyncIterator[bytes]],
    counters: Counters,
    gate: Gate,
) -> Callable[[Any, grpc.aio.ServicerContext], AsyncIterator[bytes]]:
    """A method that answers with a stream, its errors told as the contract tells them. It is asked by a stream of
    messages, or by one."""
    decides = method.containing_service.name == "DecisionService"

    async def behaviour(requests: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        try:
            if not gate.enter():
                await gate.turn_away(context.time_remaining())
            async with aclosing(function(requests)) as responses:  # type: ignore[type-var]
                async for response in responses:
                    yield response
            return
        except (BadRequest, Failure) as error:
            failure = as_failure(error) if isinstance(error, BadRequest) else error
        except Exception:  # noqa: BLE001 - a fault of ours: logged in full, and told without its inside
            failure = _our_fault(method)
        if decides:
            counters.add(Metric.DECISIONS_REFUSED if isinstance(failure, Refused) else Metric.DECISIONS_FAILED)
        await _abort(context, failure)

    return behaviour


def _our_fault(method: MethodDescriptor) -> Failure:
    """What the caller is told of a fault of the server; the log has all of it."""
    _LOG.exception("call failed: %s", method.full_name)
    text = "a fault of the server; its log has more"
    return Failure(grpc.StatusCode.INTERNAL, common.ERROR_REASON_INTERNAL, text)


def _call(
    method: MethodDescriptor,
    function: Unary | Streamed | None,
    counters: Counters,
    gate: Gate,
    *,
    seconds: float | None,
    ordinary: Quick | None = None,
) -> Callable[[Any, grpc.aio.ServicerContext], Awaitable[bytes]]:
    """The method, its errors told as the contract tells them. `seconds`: how long it may take.

    `ordinary` is asked first. What it answers it answers at once, so no timer is set: that alone would cost as much as
    deciding a basket."""
    decides = method.containing_service.name == "DecisionService"
    timed = method.name == "Decide"
    at_once = ordinary or (lambda _: None)
    clock_ns = SystemClock().monotonic_ns

    async def behaviour(request: Any, context: grpc.aio.ServicerContext) -> bytes:
        began_ns = clock_ns()
        try:
            if not gate.enter():
                await gate.turn_away(context.time_remaining())
            if function is None:
                raise _not_served(method)
            if (response := at_once(request)) is None:
                async with asyncio.timeout(seconds):
                    response = await function(request)
            if timed:
                counters.took((clock_ns() - began_ns) // 1_000)
            return response
        except BadRequest as error:
            failure = as_failure(error)
            metric = Metric.DECISIONS_REFUSED
        except Failure as error:
            failure = error
            metric = Metric.DECISIONS_FAILED
        except TimeoutError:
            text = f"took longer than {seconds:g} s and was ended" if seconds else "took too long and was ended"
            failure = Failure(grpc.StatusCode.DEADLINE_EXCEEDED, common.ERROR_REASON_OVERLOADED, text, retryable=True)
            metric = Metric.DECISIONS_FAILED
        except Exception:  # noqa: BLE001 - a fault of ours: logged in full, and told without its inside
            failure = _our_fault(method)
            metric = Metric.DECISIONS_FAILED
        if decides:
            counters.add(metric)
        await _abort(context, failure)
        raise AssertionError("abort raises")

    return behaviour


async def _abort(context: grpc.aio.ServicerContext, failure: Failure) -> None:
    await context.abort(failure.code, str(failure), trailing_metadata=failure.metadata())
