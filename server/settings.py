"""Settings: every value that can be set from outside, its unit, its default. The only reader of the environment.

A value is taken from, in this order: the command line (`load(address=…)`), the environment (EINKLANG_ADDRESS), the
default. Secrets are never taken from the command line, where every user of the machine could read them: they come from
the environment or from a file that it names.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from server.addresses import StoreAddress, store_address

_TENANT = r"^[a-z0-9][a-z0-9-]{0,62}$"
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "VIRTUAL_ENV")


class BadSettings(Exception):
    """A value from outside does not fit; the message names it as it was given."""


def _home(variable: str, otherwise: str) -> Path:
    given = os.environ.get(variable, "")
    return Path(given) if given.startswith("/") else Path.home() / otherwise


def _default_data_dir() -> Path:
    return _home("XDG_DATA_HOME", ".local/share") / "einklang"


def _default_cache_dir() -> Path:
    return _home("XDG_CACHE_HOME", ".cache") / "einklang"


def _default_runtime_dir() -> Path:
    """A place for the socket: short, since a socket's path has at most 107 bytes."""
    given = os.environ.get("XDG_RUNTIME_DIR", "")
    if given.startswith("/") and len(given) <= 40 and os.path.isdir(given):
        return Path(given) / "einklang"
    temporary = tempfile.gettempdir()
    return Path(temporary if len(temporary) <= 40 else "/tmp") / f"einklang-{os.getuid()}"  # noqa: S108 - 0700, checked


class Settings(BaseSettings):
    """All settings. EINKLANG_<NAME> in the environment; `--name` on the command line, save for secrets."""

    model_config = SettingsConfigDict(env_prefix="EINKLANG_", extra="forbid", frozen=True)

    address: str = Field("127.0.0.1:50051", description="host:port to serve on; port 0: any free one")
    metrics_address: str | None = Field(None, description="host:port that tells Prometheus its figures; none: nowhere")
    address_file: Path | None = Field(None, description="write the bound host:port here once ready")
    data_dir: Path = Field(default_factory=_default_data_dir, description="the embedded store's log, mapped parts")
    cache_dir: Path = Field(default_factory=_default_cache_dir, description="compiled kernels; may be deleted")
    runtime_dir: Path = Field(default_factory=_default_runtime_dir, description="the embedded store's socket; short")
    tenant: str = Field("default", pattern=_TENANT, description="whose rulesets")

    store: str | None = Field(None, description="the store's address (server/addresses.py); none: the embedded store")
    store_username: str | None = Field(None, description="ACL user of the store")
    store_password: SecretStr | None = Field(None, description="environment only")
    store_password_file: Path | None = Field(None, description="file whose first line is the store's password")
    store_sentinel_username: str | None = Field(None, description="ACL user of the Sentinels")
    store_sentinel_password: SecretStr | None = Field(None, description="environment only; the Sentinels' own")
    store_sentinel_password_file: Path | None = Field(None, description="file whose first line is it")
    store_tls_ca: Path | None = Field(None, description="PEM: who may sign the store's certificate; none: the system's")
    store_tls_cert: Path | None = Field(None, description="PEM: the certificate that is shown to the store")
    store_tls_key: Path | None = Field(None, description="PEM: its key", validate_default=True)
    store_replicas: Annotated[int, Field(ge=0, le=16)] = Field(
        0, description="how many replicas must hold a write before it counts: all that the primary has"
    )
    store_binary: Path | None = Field(None, description="valkey-server or redis-server for the embedded store")
    store_timeout_ms: Annotated[int, Field(ge=10, le=60_000)] = 5_000

    signing_key: Path | None = Field(None, description="file with the private key that published images are signed by")
    trusted_keys: Path | None = Field(
        None, description="file, or directory of .pub files, with the public keys whose images are taken"
    )
    unsigned: bool = Field(False, description="development only: images are taken without a signature")

    workers: Annotated[int, Field(ge=1, le=256)] = Field(
        1, description="serving processes that share the address, one for each core; more than one: on Linux"
    )
    follow_interval_ms: Annotated[int, Field(ge=10, le=5_000)] = Field(
        250, description="how often a node looks what rulesets it should have ready"
    )
    lease_ms: Annotated[int, Field(ge=200, le=30_000)] = Field(
        5_000,
        description="for a new tenant: how long a node may decide without hearing from the store; "
        "a ruleset takes force that much later than it is published",
    )
    guard_ms: Annotated[int, Field(ge=5, le=1_000)] = Field(
        20, description="for a new tenant: a pause at each activation; the store must answer in two fifths of it"
    )
    horizon_ms: Annotated[int, Field(ge=0, le=604_800_000)] = Field(
        0, description="for a new tenant: how long cut-off nodes still answer; publishing takes force no earlier"
    )
    offline_mb: Annotated[int, Field(ge=1, le=1_048_576)] = Field(
        256, description="for an edge: so much is kept of decisions made without the store, to be looked at again"
    )
    drain_ms: Annotated[int, Field(ge=0, le=300_000)] = Field(
        10_000, description="on SIGTERM: how long calls in flight may take to finish"
    )
    drain_pause_ms: Annotated[int, Field(ge=0, le=300_000)] = Field(
        200,
        description="on SIGTERM: not serving for so long before calls are refused; twice a load balancer's interval",
    )
    publish_timeout_s: Annotated[int, Field(ge=1, le=3_600)] = Field(
        600, description="a publish that takes longer is ended and changes nothing"
    )
    readiness_timeout_s: Annotated[int, Field(ge=1, le=3_600)] = Field(
        30, description="how long a publication waits until every node has said that it can decide by the ruleset"
    )
    keep_days: Annotated[int, Field(ge=1, le=36_500)] = Field(
        730, description="how long a ruleset is kept at least after it was in force for the last time"
    )
    publish_idle_s: Annotated[int, Field(ge=1, le=86_400)] = Field(
        900, description="how long the publishing process waits for the next publication before it ends"
    )
    publish_memory_mb: Annotated[int, Field(ge=64, le=65_536)] = Field(
        1_400, description="a publishing process that holds more after a publication ends; the next one starts anew"
    )
    request_bytes_max: Annotated[int, Field(ge=1_024, le=4_194_304)] = 262_144
    source_bytes_max: Annotated[int, Field(ge=1_024, le=1 << 30)] = Field(
        256 << 20, description="all files of a project together"
    )
    reflection: bool = Field(True, description="tell clients such as grpcurl the contract")
    uvloop: bool = Field(True, description="the faster event loop")
    log_format: Literal["human", "json"] = "human"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("address", "metrics_address")
    @classmethod
    def _host_and_port(cls, value: str | None, info: ValidationInfo) -> str | None:
        if not value and info.field_name == "metrics_address":
            return None
        host, colon, port = (value or "").rpartition(":")
        if not colon or not host or not port.isdigit() or int(port) > 65_535:
            raise ValueError("must be host:port, like 127.0.0.1:50051")
        return value

    @field_validator("store")
    @classmethod
    def _store_address(cls, value: str | None) -> str | None:
        if value is None or value == "":
            return None
        store_address(value)
        return value

    @field_validator("store_username")
    @classmethod
    def _one_user(cls, value: str | None, info: ValidationInfo) -> str | None:
        address = _address(info)
        if value is not None and address is not None and address.username not in {None, value}:
            raise ValueError("must be the user that the store's address names, or the address must name none")
        return value

    @field_validator("store_sentinel_username", "store_sentinel_password", "store_sentinel_password_file")
    @classmethod
    def _for_sentinels(cls, value: object, info: ValidationInfo) -> object:
        address = _address(info)
        if value is not None and (address is None or address.kind != "sentinel"):
            raise ValueError("is for Sentinels: the store's address must begin with redis+sentinel://")
        return value

    @field_validator("store_tls_ca", "store_tls_cert", "store_tls_key")
    @classmethod
    def _for_tls(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        address = _address(info)
        if value is not None and (address is None or not address.tls):
            raise ValueError("is for TLS: the store's address must begin with rediss")
        if info.field_name == "store_tls_key" and (value is None) != (info.data.get("store_tls_cert") is None):
            raise ValueError("and EINKLANG_STORE_TLS_CERT belong together: set both or neither")
        return value

    @field_validator("store_replicas")
    @classmethod
    def _has_replicas(cls, value: int, info: ValidationInfo) -> int:
        if value and _address(info) is None:
            raise ValueError("must be 0 for the embedded store, which has no replicas")
        return value

    @field_validator("guard_ms")
    @classmethod
    def _covers(cls, value: int, info: ValidationInfo) -> int:
        lease_ms = int(info.data.get("lease_ms", 0))
        least = -(-lease_ms * 14 // 10_000)  # two clocks of 200 ppm drift apart during a lease; two fifths are the way
        if value < least:
            raise ValueError(f"must be at least {least} for a lease of {lease_ms:,} ms")
        return value

    @field_validator("workers")
    @classmethod
    def _can_share(cls, value: int) -> int:
        if value > 1 and sys.platform != "linux":
            raise ValueError("several processes share an address on Linux only; here it must be 1")
        return value

    @field_validator("data_dir", "cache_dir", "runtime_dir", "signing_key", "trusted_keys")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()

    def password(self) -> str | None:
        """The store's password, from the environment or the named file. Raises BadSettings if that cannot be read."""
        return _secret(self.store_password, self.store_password_file, "store_password_file")

    def sentinel_password(self) -> str | None:
        """The same of the Sentinels, which have one of their own or none."""
        return _secret(self.store_sentinel_password, self.store_sentinel_password_file, "store_sentinel_password_file")


def _address(info: ValidationInfo) -> StoreAddress | None:
    """The store's address, which is checked before; None: embedded, or wrong and told already."""
    given = info.data.get("store")
    return store_address(given) if given else None


def _secret(given: SecretStr | None, file: Path | None, name: str) -> str | None:
    if given is not None:
        return given.get_secret_value()
    if file is None:
        return None
    try:
        return file.read_text("utf-8").split("\n", 1)[0]
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings(f"EINKLANG_{name.upper()}: cannot be read: {error}") from None


def load(overrides: Mapping[str, object] | None = None) -> Settings:
    """The settings, `overrides` (the command line's; None = not given) first. Raises BadSettings, naming the value."""
    given = {name: value for name, value in (overrides or {}).items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]  # pydantic checks them
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"]) or "settings"
        message = first["msg"].removeprefix("Value error, ")
        source = f"--{name.replace('_', '-')}" if name in given else f"EINKLANG_{name.upper()}"
        raise BadSettings(f"{source}: {message}") from None


def unknown_variables() -> dict[str, str]:
    """Variables of the environment that look like settings and are none → the setting that may be meant, or ""."""
    known = [f"EINKLANG_{name.upper()}" for name in Settings.model_fields]
    given = (name for name in os.environ if name.upper().startswith("EINKLANG_") and name.upper() not in known)
    return {name: next(iter(get_close_matches(name.upper(), known, 1)), "") for name in sorted(given)}


def child_environment(settings: Settings) -> dict[str, str]:
    """The environment of a child process: these settings, the few variables that a process needs, nothing else."""
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if value is None:
            continue
        text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        environment[f"EINKLANG_{name.upper()}"] = text
    return environment
