"""The serving process with its store and its publishing process: how it starts, and that nothing is left behind."""

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess

import grpc
import pytest
import redis
from grpc_health.v1 import health_pb2, health_pb2_grpc

from einklang.v1 import common_pb2 as common
from einklang.v1 import ruleset_pb2_grpc
from server.client import detail_of
from server.embedded import EmbeddedStore, find_binary
from server.settings import load
from tests.e2e.test_publish import PUBLISH_SECONDS, upload
from tests.running import SECONDS, alive, children, project, server, short_directory, until

PROMPT = 10.0  # seconds that a stop may take on a busy machine; the compilation would take a minute


@pytest.fixture
def home():
    with short_directory() as directory:
        yield directory


@pytest.fixture
def shop(tmp_path):
    return project(tmp_path / "shop")


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    """A server that no test ends or changes."""
    with short_directory() as directory, server(directory, project(tmp_path_factory.mktemp("shop"))) as running:
        yield running.ready()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A server that has published the shop as entry 1, and ended; its data are copied, never used."""
    with short_directory() as directory:
        with server(directory, project(tmp_path_factory.mktemp("shop"))) as ended:
            ended.ready()
            assert ended.stop() == 0
        yield ended


@pytest.fixture
def first(home, served):
    """That server, as if it had run here."""
    shutil.copytree(served.home / "data", home / "data")
    return served


def health(address, service="einklang.v1.DecisionService"):
    """The service's health, by its name: "SERVING", "NOT_SERVING"; "" when nobody answers."""
    with grpc.insecure_channel(address) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(service=service), timeout=SECONDS, wait_for_ready=True
            )
        except grpc.RpcError:
            return ""
        return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


def store_of(home):
    """The embedded store's client, from its socket."""
    (path,) = (home / "run").glob("*.sock")
    return redis.Redis(unix_socket_path=str(path))


# ------------------------------------------------------------------------------------------------ start and stop


def test_it_publishes_serves_and_ends_with_nothing_left(home, shop):
    with server(home, shop, EINKLANG_ADDRESS_FILE=str(home / "address")) as first:
        store = first.child("store.conf")
        first.ready()
        publisher = first.child("server.publish_process")
        assert health(first.address) == "SERVING"
        assert health(first.address, "") == "SERVING"
        assert health(first.address, "einklang.v1.RedemptionService") == "NOT_SERVING"
        assert (home / "address").read_text().strip() == first.address
        assert first.address.startswith("127.0.0.1:")
        assert sorted(children(first.process.pid)) == sorted((store, publisher))
        assert first.stop() == 0
        assert not alive(store) and not alive(publisher)
        assert list((home / "run").iterdir()) == []
        assert not (home / "address").exists()
    with server(home, shop) as second:
        second.ready()
        assert (second.digest, second.entry) == (first.digest, 1)
        assert "publish.unchanged" in second.said()
        assert second.stop(signal.SIGINT) == 0


def test_the_store_has_no_port_and_its_files_are_closed_to_others(serving):
    home = serving.home
    with store_of(home) as client:
        settings = client.config_get("*")
    assert settings["port"] == "0"
    assert (settings["appendonly"], settings["appendfsync"]) == ("yes", "always")
    assert settings["maxmemory-policy"] == "noeviction"
    for path in (home / "run", home / "data", home / "data" / "store"):
        assert path.stat().st_mode & 0o077 == 0, path
    (path,) = (home / "run").glob("*.sock")
    assert path.stat().st_mode & 0o077 == 0


def test_a_second_server_on_the_same_data_is_refused_and_the_first_goes_on(serving, home, shop):
    there = {"EINKLANG_DATA_DIR": str(serving.home / "data"), "EINKLANG_RUNTIME_DIR": str(serving.home / "run")}
    with server(home, shop, **there) as second:
        assert second.process.wait(SECONDS) == 2
        assert "is used by another server" in second.said()
        assert str(serving.process.pid) in second.said()
    assert health(serving.address) == "SERVING"


def test_an_address_in_use_is_told(home, shop):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with server(home, shop, EINKLANG_ADDRESS=address) as running:
            store = running.child("store.conf")
            assert running.process.wait(SECONDS) == 2
            assert f"{address} cannot be served on" in running.said()
            assert not alive(store)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_can_be_stopped_while_it_compiles_its_kernels(home, shop, number):
    with server(home, shop, EINKLANG_CACHE_DIR=str(home / "cache")) as running:
        until(lambda: "kernels.progress" in running.said(), what="the first compilation")
        compiler, store = running.child("server.kernels"), running.child("store.conf")
        assert running.stop(number, PROMPT) == 0
        assert not alive(compiler)
        assert not alive(store)


def test_sigkill_while_it_compiles_leaves_nothing(home, shop):
    with server(home, shop, EINKLANG_CACHE_DIR=str(home / "cache")) as running:
        compiler, store = running.child("server.kernels"), running.child("store.conf")
        running.stop(signal.SIGKILL)
        until(lambda: not alive(compiler) and not alive(store), what="the end of both")


def test_without_room_for_kernels_it_says_so(home, shop):
    (home / "cache").mkdir(mode=0o700)
    (home / "cache" / "kernels").write_text("not a directory")
    with server(home, shop, EINKLANG_CACHE_DIR=str(home / "cache")) as running:
        assert running.process.wait(SECONDS) == 2
        assert str(home / "cache" / "kernels") in running.said()
        assert "Traceback" not in running.said()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_can_be_stopped_before_it_is_ready(home, shop, number):
    with server(home, shop) as running:
        store = running.child("store.conf")
        until(lambda: "store.joined" in running.said(), what="the store joined")
        assert running.stop(number) == 0
        assert not alive(store)


# ------------------------------------------------------------------------------------------------ sudden deaths


def test_sigkill_of_the_server_ends_the_store_too(home, shop):
    with server(home, shop) as first:
        store = first.child("store.conf")
        first.ready()
        first.stop(signal.SIGKILL)
        until(lambda: not alive(store), what="the end of the store")
    with server(home, shop) as second:
        second.ready()
        assert (second.digest, second.entry) == (first.digest, first.entry)


def test_sigkill_while_it_starts_leaves_neither_store_nor_publisher(home, shop):
    with server(home, shop) as running:
        store = running.child("store.conf")
        publisher = running.child("server.publish_process")
        running.stop(signal.SIGKILL)
        until(lambda: not alive(store) and not alive(publisher), what="the end of both")


def test_sigkill_of_the_server_ends_a_store_that_hangs(home, shop):
    with server(home, shop) as running:
        store = running.child("store.conf")
        running.ready()
        os.kill(store, signal.SIGSTOP)
        running.process.kill()
        until(lambda: not alive(store), what="the end of the store")


def test_a_store_that_outlives_its_server_is_waited_for_then_refused(home, shop):
    (home / "data").mkdir(mode=0o700)
    with open(home / "data" / "store.lock", "w") as lock:  # what such a store holds
        lock.write("12345\n")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        with server(home, shop) as refused:
            assert refused.process.wait(SECONDS) == 2
            assert "still has the store of a server that is gone (process 12345)" in refused.said()
        with server(home, shop) as patient:
            until(lambda: (home / "data" / "serve.lock").read_text().strip() == str(patient.process.pid))
            fcntl.flock(lock, fcntl.LOCK_UN)
            patient.ready()


def test_a_killed_store_is_started_again_while_the_server_serves_on(home, shop):
    with server(home, shop) as running:
        store = running.child("store.conf")
        running.ready()
        os.kill(store, signal.SIGKILL)
        until(lambda: "store.restarted" in running.said(), what="the restart")
        assert health(running.address) == "SERVING"
        again = until(lambda: next((pid for pid in children(running.process.pid) if pid != store), 0))

        def answers():
            with contextlib.suppress(redis.RedisError, ValueError), store_of(home) as client:
                return client.llen("einklang:{default}:timeline") == 1
            return False

        until(answers, what="the Timeline in the store that was started again")
        assert running.stop() == 0
        assert not alive(again)


# ------------------------------------------------------------------------------------------------ what is published


def test_a_changed_project_is_a_new_entry_and_what_did_not_change_is_reused(home, shop, first):
    project(shop, percent=30)
    with server(home, shop) as second:
        second.ready()
        assert second.entry == 2
        assert second.digest != first.digest
    project(shop, percent=20)
    with server(home, shop) as third:
        third.ready()
        assert third.entry == 3
        assert third.digest == first.digest


def test_a_project_that_does_not_compile_is_refused_and_the_last_good_one_serves(home, shop, first):
    (shop / "summer.promo").write_text("promotion bad bad bad {\n")
    with server(home, shop) as second:
        second.ready()
        assert (second.digest, second.entry) == (first.digest, 1)
        assert "publish.refused" in second.said()
        assert "summer.promo:1:" in second.said()


def test_a_project_that_does_not_compile_and_nothing_else_ends_with_1(home, shop):
    (shop / "summer.promo").write_text("promotion bad bad bad {\n")
    with server(home, shop) as running:
        store = running.child("store.conf")
        assert running.process.wait(SECONDS) == 1
        assert "summer.promo:1:" in running.said()
        assert "Traceback" not in running.said()
        assert not alive(store)


def test_without_a_project_it_listens_and_waits(home, first):
    with server(home) as again:
        again.ready()
        assert again.digest == first.digest
    with short_directory() as other, server(other, EINKLANG_ADDRESS_FILE=str(other / "address")) as empty:
        address = until(lambda: (other / "address").exists() and (other / "address").read_text().strip())
        assert health(address) == "NOT_SERVING"
        assert health(address, "einklang.v1.RulesetService") == "SERVING"
        assert empty.stop() == 0


def test_a_ruleset_damaged_in_the_store_is_rejected_and_no_other_answers_for_it(home, shop, first):
    project(shop, percent=30)
    with server(home, shop) as second:
        second.ready()
        with store_of(home) as client:
            key = f"einklang:{{default}}:manifest:{second.digest}"
            client.set(key, client.get(f"einklang:{{default}}:manifest:{first.digest}"))
    address = home / "address"
    with server(home, EINKLANG_ADDRESS_FILE=str(address)) as third:
        until(lambda: "image.rejected" in third.said())
        assert health(address.read_text().strip()) == "NOT_SERVING"
    project(shop, percent=40)
    with server(home, shop) as fourth:
        fourth.ready()
        assert fourth.entry == 3


# ------------------------------------------------------------------------------------------------ data directories


def test_a_lost_log_is_not_taken_for_a_new_beginning(home, shop, first):
    shutil.rmtree(home / "data" / "store" / "appendonlydir")
    with server(home, shop) as second:
        assert second.process.wait(SECONDS) == 2
        assert "its log (appendonlydir) is gone" in second.said()


def test_a_log_that_was_cut_off_is_read_up_to_there(home, shop):
    with server(home, shop) as first:
        first.ready()
        first.stop(signal.SIGKILL)
    (log,) = (home / "data" / "store" / "appendonlydir").glob("*.incr.aof")
    os.truncate(log, log.stat().st_size - 7)  # within the entry of the Timeline
    with server(home, shop) as second:
        second.ready()
        assert (second.digest, second.entry) == (first.digest, 1)
        assert "publish.done" in second.said()


def test_a_data_directory_of_another_format_is_refused(home, shop, first):
    with stored(home), store_of(home) as client:
        (key,) = (k for k in client.keys("*") if client.type(k) == b"hash" and b"format" in client.hkeys(k))
        client.hset(key, "format", "999")
    with server(home, shop) as second:
        assert second.process.wait(SECONDS) == 2
        assert "another version of this program: start that version, or name another --data-dir" in second.said()
        assert "Traceback" not in second.said()


@pytest.mark.parametrize("where", ["/proc/nowhere", "/dev/null/data"])
def test_a_data_directory_that_cannot_be_written_is_told(home, shop, where):
    with server(home, shop, EINKLANG_DATA_DIR=where) as running:
        assert running.process.wait(SECONDS) == 2
        assert where in running.said()
        assert "Traceback" not in running.said()


@contextlib.contextmanager
def small_disk(place, kibibytes):
    """A file system of so many KiB."""
    place.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", f"size={kibibytes}k,mode=700", "tmpfs", str(place)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("not run: a small file system cannot be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_leaves_the_last_good_ruleset_in_force(home, shop):
    with small_disk(home / "data", 1024) as disk, server(home, shop) as running:
        running.ready()
        with contextlib.suppress(OSError), open(disk / "filler", "wb", buffering=0) as filler:
            while filler.write(bytes(4096)):
                pass
        project(shop, percent=30)
        with grpc.insecure_channel(running.address) as channel:
            with pytest.raises(grpc.RpcError) as caught:
                ruleset_pb2_grpc.RulesetServiceStub(channel).Publish(upload(shop), timeout=PUBLISH_SECONDS)
            assert reason_of(caught.value) in COME_AGAIN
            assert health(running.address) == "SERVING"
            (disk / "filler").unlink()
            until(lambda: published(running, channel, shop), what="room on the disk, and so a publication")
        assert running.stop() == 0


COME_AGAIN = {common.ERROR_REASON_STORE_UNAVAILABLE, common.ERROR_REASON_OUTCOME_UNKNOWN}


def reason_of(error):
    """The typed reason of a call that failed."""
    detail = detail_of(error)
    assert detail is not None, error
    return detail.reason


def published(running, channel, directory):
    """The sequence of its entry; 0 as long as the store is not back."""
    try:
        return ruleset_pb2_grpc.RulesetServiceStub(channel).Publish(upload(directory), timeout=PUBLISH_SECONDS).sequence
    except grpc.RpcError as error:
        reason = reason_of(error)
    assert reason in COME_AGAIN, running.said()
    return 0


def test_the_part_files_survive_and_are_not_fetched_again(home, shop, first):
    before = {path: path.stat().st_mtime_ns for path in (home / "data" / "parts").iterdir()}
    with server(home, shop) as second:
        second.ready()
    assert before == {path: path.stat().st_mtime_ns for path in (home / "data" / "parts").iterdir()}


@pytest.mark.parametrize("what", ["runtime", "binary"])
def test_what_prevents_the_store_is_told_in_a_sentence(home, shop, what):
    given = {
        "runtime": {"EINKLANG_RUNTIME_DIR": str(home / ("x" * 100))},
        "binary": {"EINKLANG_STORE_BINARY": "/bin/true"},
    }[what]
    with server(home, shop, **given) as running:
        assert running.process.wait(SECONDS) == 2
        assert {"runtime": "--runtime-dir", "binary": "neither a Valkey nor a Redis"}[what] in running.said()
        assert "Traceback" not in running.said()


# ------------------------------------------------------------------------------------------------ a store elsewhere


@contextlib.contextmanager
def stored(place, **settings):
    """A store without a server."""
    store = EmbeddedStore(load({"data_dir": place / "data", "runtime_dir": place / "run", **settings}))
    store.start()
    try:
        yield store
    finally:
        store.stop()


def test_a_store_elsewhere_changes_the_address_and_the_keys_and_nothing_else(home, shop):
    with short_directory() as place, stored(place) as elsewhere:
        at = {"EINKLANG_STORE": f"unix://{elsewhere.socket}"}
        serves: dict[str, str] = at | {"EINKLANG_TRUSTED_KEYS": str(place / "data" / "keys")}
        with server(home, shop, **at) as without:
            assert without.process.wait(SECONDS) == 2
            assert "--trusted-keys" in without.said()
        with server(home, shop, **serves) as without:
            assert without.process.wait(SECONDS) == 2
            assert "--signing-key" in without.said()
        with server(home, shop, **serves, EINKLANG_SIGNING_KEY=str(place / "data" / "keys" / "signing.key")) as first:
            first.ready()
            assert children(first.process.pid) == [first.child("server.publish_process")]  # and no store
            (home / "two").mkdir()
            with server(home / "two", None, **serves) as second:
                second.ready()
                assert second.digest == first.digest
                with grpc.insecure_channel(second.address) as channel, pytest.raises(grpc.RpcError) as refused:
                    ruleset_pb2_grpc.RulesetServiceStub(channel).Publish(upload(shop), timeout=PUBLISH_SECONDS)
                assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
                assert "no signing key" in refused.value.details()
                assert second.stop() == 0
            assert first.stop() == 0
        assert elsewhere.pid is not None


def test_a_ruleset_from_before_there_were_signatures_is_taken_once_its_text_is_published_again(home, shop, first):
    with stored(home) as elsewhere, redis.Redis(unix_socket_path=str(elsewhere.socket)) as client:
        (key,) = client.scan_iter("einklang:{default}:signature:*")
        client.delete(key)
    with server(home) as without:
        until(lambda: "not signed" in without.said(), what="it is refused")
    with server(home, shop) as running:
        running.ready()
        assert (running.digest, running.entry) == (first.digest, 1)
        assert "publish.unchanged" in running.said()


def test_a_store_with_a_password_takes_it_from_a_file(home, shop):
    with short_directory() as place:
        (place / "password").write_text('se"cret \\ with blanks\n')
        with stored(place, store_password_file=place / "password") as elsewhere:
            address = f"unix://{elsewhere.socket}"
            given = {"EINKLANG_STORE": address, "EINKLANG_UNSIGNED": "1"}
            with server(home, shop, **given) as without:
                assert without.process.wait(SECONDS) == 2
                assert "the store refuses this user" in without.said()
            with server(home, shop, **given, EINKLANG_STORE_PASSWORD_FILE=str(place / "password")) as running:
                running.ready()
                assert "signing.unsigned" in running.said()
                assert 'se"cret' not in running.said()


def test_a_store_that_keeps_no_log_is_refused(home, shop):
    with short_directory() as place:
        path = place / "s.sock"
        process = subprocess.Popen(
            [find_binary(None), "--port", "0", "--unixsocket", path, "--save", "", "--dir", place],
            stdout=subprocess.DEVNULL,
        )
        try:
            until(path.exists, what="the socket")
            with server(home, shop, EINKLANG_STORE=f"unix://{path}", EINKLANG_UNSIGNED="1") as running:
                assert running.process.wait(SECONDS) == 2
                assert "appendonly yes" in running.said()
        finally:
            process.kill()
            process.wait(SECONDS)


def test_nothing_in_the_data_directory_can_be_run_as_code(serving):
    names = {path.suffix for path in (serving.home / "data").rglob("*") if path.is_file()}
    assert not names & {".py", ".pyc", ".so", ".pkl", ".nbi", ".nbc"}
