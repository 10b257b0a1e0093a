"""Key files: the Ed25519 keys that images are signed with, and those that a node trusts. (What is signed: signing.py.)

    FILE        private key, PEM with PKCS#8 inside, closed to everybody but its owner
    FILE.pub    its public key, PEM with SubjectPublicKeyInfo inside

A key is named by the first 16 hexadecimal digits of the SHA-256 of its 32 public bytes. `openssl genpkey -algorithm
ed25519` writes the same files.

What can go wrong, all of it for the operator:

* BadKey    a key file cannot be used, or would be overwritten; the message names the file and says what to do
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from server.settings import BadSettings

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ID_DIGITS: Final = 16
FILE_MAX: Final = 64 << 10  # bytes of a key file; a key has some 120
TRUSTED_MAX: Final = 64  # keys that one node trusts
PUBLIC_SUFFIX: Final = ".pub"

_PUBLIC: Final = re.compile(rb"-----BEGIN PUBLIC KEY-----[^-]{1,1000}-----END PUBLIC KEY-----")


class BadKey(BadSettings):
    """A key file that cannot be used."""


@dataclass(frozen=True)
class PublicKey:
    """What signatures are verified with."""

    raw: bytes  # 32 of them

    @cached_property
    def id(self) -> str:
        """How it is named."""
        return hashlib.sha256(self.raw).hexdigest()[:ID_DIGITS]

    @property
    def pem(self) -> str:
        """As a file holds it."""
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        return (
            Ed25519PublicKey.from_public_bytes(self.raw)
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            .decode("ascii")
        )

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Whether the signature is this key's, over exactly these bytes."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, data)
        except InvalidSignature:
            return False
        return True


class SigningKey:
    """What signatures are made with."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = PublicKey(private.public_key().public_bytes_raw())

    def sign(self, data: bytes) -> bytes:
        """The 64 bytes of the signature; the same for the same bytes."""
        return self._private.sign(data)


def public_file(path: Path) -> Path:
    """Where the public key of a private key's file stands."""
    return path.with_name(path.name + PUBLIC_SUFFIX)


def make(path: Path) -> PublicKey:
    """Make a key: FILE and FILE.pub. Neither is ever overwritten. Raises BadKey."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    for file in (path, public_file(path)):
        if file.exists() or file.is_symlink():
            raise BadKey(f"{file}: is there already and is not overwritten; name another file")
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = SigningKey(key).public
    _write(path, pem, 0o600)
    _write(public_file(path), public.pem.encode("ascii"), 0o644)
    return public


def make_own(path: Path) -> PublicKey | None:
    """The key that a server makes for itself at its first start, if there is none yet; None: it was there.

    For one process at a time. Raises BadKey."""
    public = public_file(path)
    if not path.exists():
        if public.exists():
            raise BadKey(
                f"{path}: is gone, but its public key is still here; restore it from a backup, or rename {public.name} "
                f"to old{PUBLIC_SUFFIX} (what it signed stays trusted) and start again: a new key is made"
            )
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return make(path)
    if not public.exists():  # the first start ended in between
        _write(public, read_signing(path).public.pem.encode("ascii"), 0o644)
    return None


def read_signing(path: Path) -> SigningKey:
    """The private key of a file. Raises BadKey."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data, mode = _read(path)
    if _PUBLIC.search(data) and b"PRIVATE KEY" not in data:  # which others may read
        raise BadKey(f"{path}: holds a public key; name the private one, or make a key: `einklang key new FILE`")
    if mode & 0o077:
        raise BadKey(f"{path}: others of this machine can read or change it; chmod 600 {path}")
    if b"ENCRYPTED" in data:
        raise BadKey(f"{path}: is protected by a passphrase, which a server cannot ask for; name a key without one")
    if b"-----BEGIN PRIVATE KEY-----" not in data:
        raise BadKey(f"{path}: holds no private key in PEM with PKCS#8; `einklang key new FILE` makes a key")
    try:
        key = load_pem_private_key(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadKey(f"{path}: cannot be read as a key: {error}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise BadKey(f"{path}: is another kind of key; images are signed with Ed25519")
    return SigningKey(key)


def read_trusted(path: Path) -> Mapping[str, PublicKey]:
    """The public keys of a file, or of all files of a directory that end in .pub, by their ids. Raises BadKey."""
    files = [path]
    if path.is_dir():
        try:
            files = sorted(file for file in path.iterdir() if file.suffix == PUBLIC_SUFFIX)
        except OSError as error:
            raise BadKey(f"{path}: cannot be read: {error.strerror}") from None
        if not files:
            raise BadKey(f"{path}: no file in it ends in {PUBLIC_SUFFIX}; `einklang key new FILE` writes one")
    found: dict[str, PublicKey] = {}
    for file in files:
        for key in _public_keys(file):
            if found.setdefault(key.id, key) != key:
                raise BadKey(f"{file}: two keys have the id {key.id}; leave one of them out")
    if len(found) > TRUSTED_MAX:
        raise BadKey(f"{path}: {len(found)} keys; at most {TRUSTED_MAX} can be trusted")
    return found


def read_public(path: Path) -> tuple[PublicKey, ...]:
    """The public keys of a file, whether it holds public keys or a private one. Raises BadKey."""
    if b"PRIVATE KEY-----" in _read(path)[0]:
        return (read_signing(path).public,)
    return _public_keys(path)


def _public_keys(path: Path) -> tuple[PublicKey, ...]:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    data, mode = _read(path)
    if b"PRIVATE KEY-----" in data:
        raise BadKey(f"{path}: is a private key; name its public key, {public_file(path).name}")
    if mode & 0o022:
        raise BadKey(f"{path}: others of this machine can change it; chmod 644 {path}")
    found = []
    for block in _PUBLIC.findall(data):
        try:
            key = load_pem_public_key(block)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise BadKey(f"{path}: cannot be read as a public key: {error}") from None
        if not isinstance(key, Ed25519PublicKey):
            raise BadKey(f"{path}: is another kind of key; images are signed with Ed25519")
        found.append(PublicKey(key.public_bytes_raw()))
    if len(found) != data.count(b"-----BEGIN ") or not found:
        raise BadKey(f"{path}: holds no public key in PEM, or something else beside it")
    return tuple(found)


def _read(path: Path) -> tuple[bytes, int]:
    """A file's bytes and its mode."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe does not keep us waiting
        try:
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode):
                raise BadKey(f"{path}: is not a file")
            data = b""
            while len(data) <= FILE_MAX and (more := os.read(descriptor, FILE_MAX + 1)):
                data += more
        finally:
            os.close(descriptor)
    except OSError as error:
        raise BadKey(f"{path}: cannot be read: {error.strerror}") from None
    if len(data) > FILE_MAX:
        raise BadKey(f"{path}: more than {FILE_MAX:,} bytes; that is no key")
    return data, mode


def _write(path: Path, data: bytes, mode: int) -> None:
    """Whole or not at all, also when the power fails; never in the place of another file."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        os.link(draft, path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise BadKey(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
