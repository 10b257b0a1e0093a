"""Signed images: who may say what this node decides by.

    statement    "einklang ruleset 1", tenant, digest of the manifest, signer      what is signed, by Ed25519
    signature    a line of JSON: the key's id, the signer, the signature           beside the manifest in the store

The digest names every byte of an image, so a signature over it is one over all of it. It is verified before anything of
the manifest is read. Signatures by several keys stand side by side, so that keys can be changed one node after another.
docs/signing.md is the operator's page, docs/decisions/signed-images.md says why so.

What can go wrong, and who is told:

* a doubt         the operator: the ruleset is rejected with this reason (server/activate.py), the last good one stays
* NoKey           the publisher: this node has no key to sign with
* BadSettings     the operator, at the start: keys are missing, cannot be used, or contradict each other
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from server.keys import PublicKey, SigningKey, read_signing, read_trusted
from server.settings import BadSettings, Settings
from server.telemetry import Event, say

FORMAT: Final = 1  # of the statement and of the line; raised whenever their meaning changes
SIGNER_MAX: Final = 256  # characters
IDS_TOLD: Final = 3  # of keys that are not trusted

_PREFIX: Final = b"einklang ruleset 1\x00"
_KEY: Final = re.compile(r"[0-9a-f]{16}")
_SIGNATURE: Final = re.compile(r"[0-9a-f]{128}")


class NoKey(BadSettings):
    """This node has no key to sign with, so that it cannot publish."""


def statement(tenant: str, digest: str, signer: str) -> bytes:
    """What is signed: this tenant may decide by the image whose manifest has this digest, says `signer`."""
    assert "\x00" not in tenant + digest
    return _PREFIX + b"\x00".join((tenant.encode(), digest.encode(), signer.encode()))


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature of an image."""

    key: str  # its id
    signer: str  # who published what is signed
    signature: bytes

    def encode(self) -> bytes:
        """The line."""
        fields = {"format": FORMAT, "key": self.key, "signature": self.signature.hex(), "signer": self.signer}
        return json.dumps(fields, sort_keys=True).encode("ascii") + b"\n"


def decode(stored: bytes) -> Iterator[Signature]:
    """The signatures of these lines; a line that is none is passed over."""
    for line in stored.split(b"\n"):
        try:
            fields = json.loads(line)
            key, signature, signer = fields["key"], fields["signature"], fields["signer"]
            plain = isinstance(fields["format"], int) and fields["format"] == FORMAT and set(fields) == _FIELDS
            if (
                plain
                and _KEY.fullmatch(key)
                and _SIGNATURE.fullmatch(signature)
                and isinstance(signer, str)
                and len(signer) <= SIGNER_MAX
                and signer.isprintable()
            ):
                yield Signature(key, signer, bytes.fromhex(signature))
        except (ValueError, TypeError, KeyError, RecursionError):
            continue


_FIELDS: Final = {"format", "key", "signature", "signer"}


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose images a node takes."""

    tenant: str
    keys: Mapping[str, PublicKey] = field(default_factory=dict)  # by id
    unsigned: bool = False  # for development: every image, without looking

    def doubt(self, digest: str, stored: bytes) -> str:
        """Why an image cannot be trusted; "": a key that is trusted has signed it. `stored`: its signatures."""
        if self.unsigned:
            return ""
        signed = list(decode(stored))
        altered, strange = set(), set()
        for one in signed:
            key = self.keys.get(one.key)
            if key is None:
                strange.add(one.key)
            elif key.verifies(one.signature, statement(self.tenant, digest, one.signer)):
                return ""
            else:
                altered.add(one.key)
        again = "publish its text again at a node with a signing key"
        if altered:
            return f"the signature by key {_some(altered)} does not fit: altered, or another ruleset's; {again}"
        if strange:
            return f"signed by key {_some(strange)}, which this node does not trust: see --trusted-keys, or {again}"
        return f"{'its signatures cannot be read' if stored else 'not signed'}; {again}"


def _some(keys: set[str]) -> str:
    return ", ".join(sorted(keys)[:IDS_TOLD]) + (" …" if len(keys) > IDS_TOLD else "")


class Seal:
    """Signs the images of one tenant."""

    def __init__(self, key: SigningKey, tenant: str) -> None:
        self._key = key
        self._tenant = tenant

    @property
    def own(self) -> Trust:
        """Trust in this key alone."""
        return Trust(self._tenant, {self._key.public.id: self._key.public})

    def sign(self, digest: str, signer: str) -> bytes:
        """The line that is to be stored. `signer`: who publishes it."""
        printable = "".join(character for character in signer if character.isprintable())[:SIGNER_MAX]
        signature = self._key.sign(statement(self._tenant, digest, printable))
        return Signature(self._key.public.id, printable, signature).encode()


def trust_of(settings: Settings, *, publishes: bool = False) -> Trust:
    """Whose images a node of these settings takes (the embedded store's are `server.embedded.store_settings`).

    `publishes`: it is to publish a project. Raises BadSettings."""
    if settings.unsigned:
        if settings.trusted_keys is not None:
            raise BadSettings("--unsigned takes images without a signature, --trusted-keys does not: leave one out")
        return Trust(settings.tenant, unsigned=True)
    if settings.trusted_keys is None:
        raise BadSettings(
            "which keys may sign rulesets must be said: --trusted-keys FILE.pub, and --signing-key FILE where rulesets "
            "are published; `einklang key new FILE` makes both (docs/signing.md). For development only: --unsigned"
        )
    keys = read_trusted(settings.trusted_keys)
    if settings.signing_key is not None:
        own = read_signing(settings.signing_key).public
        if own.id not in keys:
            raise BadSettings(
                f"--signing-key {settings.signing_key}: this node would reject what it publishes, since its key "
                f"{own.id} is not among --trusted-keys {settings.trusted_keys}"
            )
    elif publishes:
        raise BadSettings("a project is to be published, which needs --signing-key FILE; or start without it")
    return Trust(settings.tenant, keys)


def tell(trust: Trust) -> None:
    """Say in the log whose rulesets are taken; loudly, where they are anybody's."""
    if trust.unsigned:
        say(Event.UNSIGNED)
    else:
        say(Event.TRUSTED, keys=", ".join(sorted(trust.keys)))


def seal_of(settings: Settings) -> Seal | None:
    """What signs what these settings publish; None: nothing does, for development. Raises NoKey, BadSettings."""
    if settings.signing_key is not None:
        return Seal(read_signing(settings.signing_key), settings.tenant)
    if settings.unsigned:
        return None
    raise NoKey("this node has no signing key; publish at a node that has one, or start it with --signing-key FILE")
