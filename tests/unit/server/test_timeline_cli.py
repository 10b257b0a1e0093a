"""The commands about the Timeline: instants, and what is told where answers do not come or other people wrote."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pytest

from einklang.v1 import common_pb2 as common
from einklang.v1 import ruleset_pb2 as pb
from server import client, instants, terminal, timeline_cli
from server.client import CallFailed
from server.contract import Failure
from server.timeline_answers import to_entry
from tests.unit.server.stub_server import BEGIN, Holder


@contextmanager
def answering(**methods: Callable[..., object]):
    """Where a stand-in for the RulesetService answers, its methods given by name."""
    server = grpc.server(ThreadPoolExecutor(4))
    streams = {"WatchTimeline"}
    handlers = {
        name: (grpc.unary_stream_rpc_method_handler if name in streams else grpc.unary_unary_rpc_method_handler)(
            method, getattr(pb, f"{name}Request").FromString, lambda message: message.SerializeToString()
        )
        for name, method in methods.items()
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("einklang.v1.RulesetService", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(timeline_cli, "AGAIN_S", 0.0)


@pytest.mark.parametrize(
    "text", ["+999999w", "+999999w999999w", "1970-01-01T00:00Z", "1960-01-01T00:00Z", "2100-01-02T00:00Z"]
)
def test_an_instant_outside_of_what_the_timeline_takes_is_refused(text):
    with pytest.raises(instants.NoInstant, match="between 1970 and 2100"):  # 0 would mean: as soon as may be
        instants.parse(text, 0)


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="not run: the zone cannot be set here")
def test_a_local_time_that_is_no_instant_or_two_is_refused(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        for text, often in (("2026-10-25T02:30", "twice"), ("2027-03-28T02:30", "never")):
            with pytest.raises(instants.NoInstant, match=f"comes {often} "):
                instants.parse(text, 0)
        assert instants.parse("2026-10-25T02:30+02:00", 0) == instants.parse("2026-10-25T00:30Z", 0)
        assert instants.parse("2026-10-25T03:30", 0) == instants.parse("2026-10-25T02:30Z", 0)
    time.tzset()


@pytest.mark.parametrize("text", ["#", "#abc", "#²", "²", "#" + "9" * 5_000])
def test_what_is_not_the_number_of_an_entry_is_refused(text):
    holder = Holder()
    holder.add("a", BEGIN)
    with pytest.raises(timeline_cli.Unfit):
        timeline_cli.entry_of(text, [to_entry(entry) for entry in holder.timeline.entries])


def test_a_terminal_does_not_obey_what_others_wrote():
    assert terminal.visible("a\x1b[2Jb\rc\u202ed\x9be\nsüß\t€ 😀") == "a�[2Jb�c�d�e\nsüß\t€ 😀"


def test_the_timeline_is_followed_over_the_end_of_a_connection():
    asked = []

    def watch(request, context):
        asked.append(request.from_sequence)
        if len(asked) > 3:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "enough")
        yield pb.WatchTimelineResponse(entry=pb.TimelineEntry(sequence=request.from_sequence))
        context.abort(grpc.StatusCode.UNAVAILABLE, "this connection is old")

    with answering(WatchTimeline=watch) as address:
        followed = timeline_cli.followed(timeline_cli.Asked(address, 5.0), 4)
        assert [next(followed).sequence for _ in range(3)] == [4, 5, 6]
        with pytest.raises(CallFailed, match="enough"):
            next(followed)
    assert asked == [4, 5, 6, 7]


def test_a_change_waits_for_another_one_and_whose_answer_is_lost_can_be_looked_up():
    ids: list[str] = []
    lines: list[str] = []

    def resume(request, context):
        ids.append(request.change_id)
        if len(ids) <= timeline_cli.AGAIN + 1:  # more often than it is asked for anything else
            busy = Failure(grpc.StatusCode.ABORTED, common.ERROR_REASON_PUBLISH_BUSY, "busy", retryable=True)
            context.set_trailing_metadata(busy.metadata())
            context.abort(busy.code, str(busy))
        context.abort(grpc.StatusCode.UNAVAILABLE, "gone")

    with answering(Resume=resume) as address:
        asked, request = timeline_cli.Asked(address, 20.0), pb.ResumeRequest(change_id="cli-1")
        with pytest.raises(CallFailed, match=f"(?s)no server answers.*status --publication cli-1 --address {address}"):
            timeline_cli.changed(asked, "Resume", request, lines.append)
    assert (set(ids), len(ids), lines) == ({"cli-1"}, timeline_cli.AGAIN + 2, ["busy; trying again"])


def test_who_interrupts_a_change_is_told_how_to_look_it_up(monkeypatch):
    def interrupted(*_args, **_named):
        raise KeyboardInterrupt

    monkeypatch.setattr(client, "call", interrupted)
    asked, request = timeline_cli.Asked("127.0.0.1:1", 1.0), pb.ResumeRequest(change_id="cli-1")
    with pytest.raises(CallFailed, match=r"interrupted\nwhat came of it, if it began: .*--publication cli-1"):
        timeline_cli.changed(asked, "Resume", request)


def test_a_publication_that_nobody_can_tell_of_is_named():
    def publish(_requests, context):
        context.abort(grpc.StatusCode.UNAVAILABLE, "gone")

    server = grpc.server(ThreadPoolExecutor(2))
    handler = grpc.stream_unary_rpc_method_handler(publish, pb.PublishRequest.FromString)
    service = "einklang.v1.RulesetService"
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Publish": handler}),))
    asked = timeline_cli.Asked(f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}", 5.0)
    server.start()
    try:
        publication = timeline_cli.Publication(asked, {"a.promo": b"x"}, at_us=0, dry_run=False)
        with pytest.raises(CallFailed, match=f"status --publication {publication.id}"):
            publication.publish(lambda _: None)
    finally:
        server.stop(0).wait()


def test_what_nodes_said_that_have_gone_counts_no_more():
    from server.timeline_answers import staged

    answer = staged("a" * 64, {"gone": "FAILED not signed", "here": "READY"}, ["new", "here"])
    assert [node.node for node in answer.nodes] == ["here", "new"]


@pytest.mark.parametrize(("until_us", "shown"), [(BEGIN + 1, "certain"), (BEGIN, "none")])
def test_a_node_whose_lease_has_ended_is_not_certain_whatever_it_said(until_us, shown):
    node = pb.Node(node="n-1", certainty=common.CERTAINTY_CERTAIN, lease_until_us=until_us, seen_at_us=BEGIN - 9)
    table = timeline_cli.nodes(pb.ListNodesResponse(nodes=[node], store_time_us=BEGIN))
    assert table.splitlines()[1].split()[3] == shown, table
