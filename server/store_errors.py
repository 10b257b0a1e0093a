"""What can go wrong with a store, whoever speaks to it; and the client library's errors turned into these.

* StoreError
  x StoreUnavailable    the caller: try again; nothing was decided
  x StoreUnsuitable     the operator: another version or other settings are needed; the message says which
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Final

from redis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as LinkError
from redis.exceptions import TimeoutError as LinkTimeout

# Answers of a server that may take the same command later. AskError is also MOVED.
_LATER: Final = (AskError, TryAgainError, ClusterDownError, MasterDownError, ReadOnlyError, OutOfMemoryError)
_LATER_WORDS: Final = ("BUSY", "LOADING", "MISCONF", "NOREPLICAS", "UNKILLABLE")
# Answers of a server that is not, or not any more, the one that holds the keys.
_ELSEWHERE: Final = (AskError, ClusterDownError, MasterDownError, ReadOnlyError)
LOGIN: Final = "EINKLANG_STORE_USERNAME, EINKLANG_STORE_PASSWORD"
SENTINEL_LOGIN: Final = "EINKLANG_STORE_SENTINEL_USERNAME, EINKLANG_STORE_SENTINEL_PASSWORD"
_IN_PIPELINE: Final = " of pipeline caused error: "
_CODES: Final[dict[type[BaseException], str]] = {
    AskError: "ASK",
    MovedError: "MOVED",
    TryAgainError: "TRYAGAIN",
    ClusterDownError: "CLUSTERDOWN",
    MasterDownError: "MASTERDOWN",
    ReadOnlyError: "READONLY",
    OutOfMemoryError: "OOM",
}


class StoreError(Exception):
    """Something about the store."""


class StoreUnavailable(StoreError):
    """It cannot be reached or is busy; trying again may help."""


class StoreUnsuitable(StoreError):
    """It is not a store that the promises can be kept with; the message says what to change."""


def told(error: BaseException, where: str = "the store", login: str = LOGIN) -> StoreError:
    """The error of the client library, or of a socket, as one of ours; `where`: who was asked, by which settings."""
    if isinstance(error, StoreError):
        return error
    causes = list(_causes(error))
    if isinstance(error, NoPermissionError):
        return StoreUnsuitable(f"{where} refuses this user: {_words(error)}: docs/stores.md has the rules to grant")
    if any(isinstance(cause, AuthenticationError) for cause in causes):  # some are told when connecting
        return StoreUnsuitable(f"{where} refuses this user: {_words(error)} ({login})")
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return StoreUnsuitable(
                f"{where} shows a certificate that is not accepted ({cause.verify_message}): EINKLANG_STORE_TLS_CA "
                "names the file of who signed it; and it must hold the host name by which the store is addressed"
            )
        if isinstance(cause, ssl.SSLError) and not isinstance(
            cause, (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
        ):
            return StoreUnsuitable(f"{where} and this program do not agree on TLS: {cause.reason or cause}")
    if isinstance(error, BusyLoadingError):
        return StoreUnavailable(f"{where} is still reading its log")
    if isinstance(error, (LinkError, LinkTimeout, OSError, TimeoutError)):
        return StoreUnavailable(f"{where} cannot be reached: {error}")
    if isinstance(error, _LATER) or (isinstance(error, ResponseError) and _words(error).startswith(_LATER_WORDS)):
        return StoreUnavailable(f"{where} does not take this now: {_named(error)}")
    if isinstance(error, ResponseError):
        return StoreUnsuitable(f"{where} refuses a command: {_words(error)}")
    assert isinstance(error, RedisError), error
    return StoreUnavailable(f"{where}: {error}")


def points_elsewhere(error: BaseException) -> bool:
    """Whether the server that was asked may no longer be the one that holds the keys, or is gone."""
    return isinstance(error, (LinkError, LinkTimeout, OSError, TimeoutError, *_ELSEWHERE))


def refuses_writes_now(error: BaseException) -> bool:
    """Whether a server that may be read from takes no writes for a while: replicas, disk or memory are missing."""
    return isinstance(error, OutOfMemoryError) or _words(error).startswith(("MISCONF", "NOREPLICAS"))


def _named(error: BaseException) -> str:
    """The server's words, with the code that the client library takes off."""
    return f"{_CODES.get(type(error), '')} {_words(error)}".strip()


def _words(error: BaseException) -> str:
    """The server's words, without what the client library says of its place in a pipeline."""
    return str(error).rpartition(_IN_PIPELINE)[2].removeprefix("('").removesuffix("',)")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it came from, as far as it is told."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__
