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
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

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
    address_file: Path | None = Field(None, description="write the bound host:port here once ready")
    data_dir: Path = Field(default_factory=_default_data_dir, description="the embedded store's log, mapped parts")
    cache_dir: Path = Field(default_factory=_default_cache_dir, description="compiled kernels; may be deleted")
    runtime_dir: Path = Field(default_factory=_default_runtime_dir, description="the embedded store's socket; short")
    tenant: str = Field("default", pattern=_TENANT, description="whose rulesets")

    store: str | None = Field(None, description="redis://, rediss:// or unix:// address; none: the embedded store")
    store_username: str | None = Field(None, description="ACL user of the store")
    store_password: SecretStr | None = Field(None, description="environment only")
    store_password_file: Path | None = Field(None, description="file whose first line is the store's password")
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

    @field_validator("address")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        host, colon, port = value.rpartition(":")
        if not colon or not host or not port.isdigit() or int(port) > 65_535:
            raise ValueError("must be host:port, like 127.0.0.1:50051")
        return value

    @field_validator("store")
    @classmethod
    def _store_address(cls, value: str | None) -> str | None:
        if value is None or value == "":
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"redis", "rediss", "unix"}:
            raise ValueError("must begin with redis://, rediss:// or unix://")
        if parts.password:
            raise ValueError(
                "must not hold the password: set EINKLANG_STORE_PASSWORD or EINKLANG_STORE_PASSWORD_FILE instead"
            )
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
        if self.store_password is not None:
            return self.store_password.get_secret_value()
        if self.store_password_file is None:
            return None
        try:
            return self.store_password_file.read_text("utf-8").split("\n", 1)[0]
        except (OSError, UnicodeDecodeError) as error:
            raise BadSettings(f"store_password_file: cannot be read: {error}") from None


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
