"""Keys and signatures: what is taken, what is rejected and why, and that the last good ruleset stays in force."""

from __future__ import annotations

import asyncio
import hashlib
import json
import zlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from typer.testing import CliRunner

from engine.parts import ImageRejected
from engine.timeline import Timeline
from server import cli
from server.activate import Machine, RulesetHolder
from server.clock import SystemClock
from server.embedded import EmbeddedStore, EmbeddedStoreError, store_settings
from server.keys import BadKey, make, make_own, public_file, read_public, read_signing, read_trusted
from server.parts import PartFiles
from server.publish import NoKey, Publisher, read_project
from server.settings import BadSettings, load
from server.signing import Seal, Signature, Trust, decode, trust_of
from server.store import SIGNATURES_MAX, BadStoreData, StoreUnsuitable, opened
from server.telemetry import Counters
from tests.nodes import appended, following
from tests.running import short_directory

PROJECT = Path(__file__).parents[2] / "e2e" / "project"
DIGEST, OTHER = "1" * 64, "2" * 64

# ------------------------------------------------------------------------------------------------ key files


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Two keys, as files."""
    directory = tmp_path_factory.mktemp("keys")
    make(directory / "one.key")
    make(directory / "two.key")
    return directory


def test_a_new_key_is_closed_to_others_and_overwrites_nothing(tmp_path):
    file = tmp_path / "shop.key"
    made = make(file)
    assert (file.stat().st_mode & 0o777, public_file(file).stat().st_mode & 0o777) == (0o600, 0o644)
    assert read_signing(file).public == made
    assert read_public(file) == read_public(public_file(file)) == (made,)
    assert made.id == hashlib.sha256(made.raw).hexdigest()[:16]
    before = file.read_bytes()
    for taken in (file, public_file(file)):
        with pytest.raises(BadKey, match=f"{taken}: is there already"):
            make(file)
        file.unlink(missing_ok=True)
    file.write_bytes(before)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shop.key", "shop.key.pub"]


def test_a_private_key_that_cannot_be_used_is_told(keys, tmp_path):
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    def pem(key: Any, encryption: Any) -> bytes:
        return key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, encryption)

    whole = (keys / "one.key").read_bytes()
    secret = form.BestAvailableEncryption(b"secret")
    for data, says in (
        (pem(Ed25519PrivateKey.generate(), secret), "passphrase, which a server cannot ask for"),
        (pem(X25519PrivateKey.generate(), form.NoEncryption()), "another kind of key"),
        ((keys / "one.key.pub").read_bytes(), "holds a public key"),
        (whole[:60], "cannot be read as a key"),
        (b"", "no private key"),
        (b"x" * 100_000, "more than"),
    ):
        file = tmp_path / "key"
        file.write_bytes(data)
        file.chmod(0o600)
        with pytest.raises(BadKey, match=says):
            read_signing(file)
    file.write_bytes(whole)
    for mode in (0o640, 0o604, 0o620):
        file.chmod(mode)
        with pytest.raises(BadKey, match="chmod 600"):
            read_signing(file)
    with pytest.raises(BadKey, match="holds a public key"):  # which others may read: no advice to close it
        read_signing(keys / "one.key.pub")
    file.write_bytes(whole + (keys / "one.key.pub").read_bytes())
    with pytest.raises(BadKey, match="chmod 600"):
        read_signing(file)
    with pytest.raises(BadKey, match="No such file"):
        read_signing(tmp_path / "none")
    with pytest.raises(BadKey, match="is not a file"):
        read_signing(tmp_path)


def test_trusted_keys_are_a_file_of_some_or_a_directory(keys, tmp_path):
    one, two = (read_signing(keys / f"{name}.key").public for name in ("one", "two"))
    assert read_trusted(keys) == {one.id: one, two.id: two}
    assert read_trusted(keys / "two.key.pub") == {two.id: two}
    both = tmp_path / "both"
    both.write_bytes((keys / "one.key.pub").read_bytes() + (keys / "two.key.pub").read_bytes())
    assert read_trusted(both) == read_trusted(keys)
    for data, says in ((b"", "no public key"), ((keys / "one.key").read_bytes(), "is a private key; name its public")):
        (tmp_path / "bad").write_bytes(data)
        with pytest.raises(BadKey, match=says):
            read_trusted(tmp_path / "bad")
    both.chmod(0o666)
    with pytest.raises(BadKey, match="chmod 644"):
        read_trusted(both)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadKey, match=r"no file in it ends in \.pub"):
        read_trusted(tmp_path / "empty")


def test_a_servers_own_key_is_made_once_and_its_loss_is_told(tmp_path):
    own = tmp_path / "keys" / "signing.key"
    made = make_own(own)
    assert made is not None
    assert make_own(own) is None
    public_file(own).unlink()  # as if the first start had ended in between
    assert make_own(own) is None
    assert read_trusted(own.parent) == {made.id: made}
    own.unlink()
    with pytest.raises(BadKey, match="restore it from a backup"):
        make_own(own)
    public_file(own).rename(own.parent / "old.pub")
    again = make_own(own)
    assert again is not None
    assert set(read_trusted(own.parent)) == {made.id, again.id}


def test_the_command_makes_and_shows_keys_and_never_the_private_one(tmp_path):
    file = tmp_path / "shop.key"

    def run(*arguments):
        return CliRunner().invoke(cli.app, ["key", *arguments])

    assert run("new", str(file)).exit_code == 0
    assert run("new", str(file)).exit_code == 64
    public = read_signing(file).public
    for shown in (file, public_file(file)):
        got = run("show", str(shown))
        assert got.exit_code == 0
        assert got.output == f"key {public.id}\n{public.pem}"
    got = run("show", str(file), "--format", "json")
    assert json.loads(got.output) == {"keys": [{"id": public.id, "public_key": public.pem}]}
    assert run("show", str(tmp_path / "none")).exit_code == 64


# ------------------------------------------------------------------------------------------------ settings


def test_without_keys_a_store_elsewhere_is_refused_and_the_embedded_one_has_its_own(keys, tmp_path):
    away = {"store": "redis://127.0.0.1:1"}
    one = {"signing_key": keys / "one.key", "trusted_keys": keys / "one.key.pub"}
    for given, publishes, says in (
        (away, False, "--trusted-keys FILE.pub, and --signing-key"),
        (away | {"signing_key": one["signing_key"]}, False, "--trusted-keys"),
        (away | {"trusted_keys": one["trusted_keys"]}, True, "needs --signing-key"),
        (away | one | {"trusted_keys": keys / "two.key.pub"}, False, "would reject what it publishes"),
        (away | one | {"unsigned": True}, False, "--unsigned takes images"),
        (away | {"trusted_keys": keys / "none"}, False, "cannot be read"),
    ):
        with pytest.raises(BadSettings, match=says):
            trust_of(store_settings(load(given)), publishes=publishes)
    public = read_signing(keys / "one.key").public
    assert trust_of(load(away | one), publishes=True).keys == {public.id: public}
    assert trust_of(load(away | {"trusted_keys": keys})).keys == read_trusted(keys)
    assert trust_of(load(away | {"unsigned": True})).unsigned
    here = store_settings(load({"data_dir": tmp_path}))
    assert (here.signing_key, here.trusted_keys) == (tmp_path / "keys" / "signing.key", tmp_path / "keys")
    for given in (one, {"unsigned": True}):
        chosen = load({"data_dir": tmp_path} | given)
        assert store_settings(chosen) == chosen.model_copy(update={"store": store_settings(chosen).store})


# ------------------------------------------------------------------------------------------------ signatures


def sealed(keys, name="one", tenant="default"):
    return Seal(read_signing(keys / f"{name}.key"), tenant)


def trusting(keys, *names, tenant="default"):
    some = [read_signing(keys / f"{name}.key").public for name in names]
    return Trust(tenant, {key.id: key for key in some})


def test_a_signature_is_of_one_ruleset_one_tenant_one_signer_and_one_key(keys):
    line = sealed(keys).sign(DIGEST, "anna")
    assert line == sealed(keys).sign(DIGEST, "anna")
    assert trusting(keys, "one").doubt(DIGEST, line) == ""
    assert trusting(keys, "two", "one").doubt(DIGEST, line) == ""
    assert "does not fit" in trusting(keys, "one").doubt(OTHER, line)
    assert "does not fit" in trusting(keys, "one", tenant="other").doubt(DIGEST, line)
    assert "does not trust" in trusting(keys, "two").doubt(DIGEST, line)
    assert "not signed" in trusting(keys, "one").doubt(DIGEST, b"")
    (one,) = decode(line)
    assert "does not fit" in trusting(keys, "one").doubt(DIGEST, replace(one, signer="bert").encode())
    swapped = replace(one, key=read_signing(keys / "two.key").public.id).encode()
    assert "does not fit" in trusting(keys, "one", "two").doubt(DIGEST, swapped)
    assert "does not trust" in trusting(keys, "one").doubt(DIGEST, swapped)
    assert trusting(keys, "two").doubt(DIGEST, line + b"\n" + sealed(keys, "two").sign(DIGEST, "bert")) == ""


def test_a_signature_with_any_bit_flipped_is_none(keys):
    line = sealed(keys).sign(DIGEST, "anna")
    trust = trusting(keys, "one")
    for place in range(len(line) - 1):
        for bit in range(8):
            changed = bytearray(line)
            changed[place] ^= 1 << bit
            assert trust.doubt(DIGEST, bytes(changed)) or bytes(changed).split() == line.split(), (place, bit)


@pytest.mark.parametrize(
    "rubbish",
    [b"\n\n", b"[" * 30_000, b"null", b"{}", b'{"format": true}', bytes(range(256)), b'{"key": 1, "format": 1}'],
)
def test_rubbish_beside_a_signature_is_passed_over(keys, rubbish):
    line = sealed(keys).sign(DIGEST, "anna")
    assert trusting(keys, "one").doubt(DIGEST, rubbish)
    assert trusting(keys, "one").doubt(DIGEST, rubbish + b"\n" + line) == ""


def test_whoever_signs_is_named_and_names_are_bounded(keys):
    for name in ("anna", "Jürgen «König»", "a\nb\x00c", "x" * 1_000):
        line = sealed(keys).sign(DIGEST, name)
        (one,) = decode(line)
        assert one.signer == "".join(c for c in name if c.isprintable())[:256]
        assert trusting(keys, "one").doubt(DIGEST, line) == ""
    assert list(decode(Signature("0" * 16, "x" * 257, bytes(64)).encode())) == []


# ------------------------------------------------------------------------------------------------ nodes


@pytest.fixture(scope="module")
def running():
    """Settings of a store that runs; it made its key."""
    with short_directory() as home:
        given = load({"data_dir": home / "data", "runtime_dir": home / "run"})
        store = EmbeddedStore(given)
        store.start()
        yield store_settings(given)
        store.stop()


@pytest.fixture
def tenant(running, request):
    """The same with a tenant of this test's own."""
    name = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:16]
    return running.model_copy(update={"tenant": name, "lease_ms": 300, "guard_ms": 100})


class Story:
    """A node at a real store, with an engine that notes what it reads: a manifest names its only part."""

    def __init__(self, settings, directory, **trusting):
        self.settings = settings
        self.trust = trust_of(settings.model_copy(update=trusting))
        self.directory = directory
        self.parsed: list[bytes] = []
        self.raw: Any = redis.Redis.from_url(settings.store)

    def parts_of(self, manifest):
        self.parsed.append(manifest)
        digest, size = manifest.split()[1:]
        return [SimpleNamespace(name="all", digest=digest.decode(), size=int(size))]

    def machine(self):
        def load(manifest: bytes, parts: Any) -> Any:
            return manifest.split()[0]

        return Machine(self.parts_of, load, lambda ruleset: None, ImageRejected)

    async def publish(self, store, name, seal):
        part = f"part of {name}".encode() * 100
        digest = hashlib.sha256(part).hexdigest()
        await store.put_parts({digest: part})
        ruleset = await store.put_manifest(f"{name} {digest} {len(part)}".encode())
        if seal is not None:
            await store.add_signature(ruleset, seal.sign(ruleset, "anna"))
        await appended(store, ruleset)
        return ruleset, digest

    def run(self, work):
        async def all_of_it():
            async with opened(self.settings) as store:
                counters, files = Counters(), PartFiles(self.directory, Counters())
                clock = SystemClock()
                async with following(store) as keeper:
                    machine, trust = self.machine(), self.trust
                    holder = RulesetHolder(store, files, machine, clock, counters, trust=trust, known=keeper)
                    return await work(store, holder)

        try:
            return asyncio.run(all_of_it())
        finally:
            self.raw.close()


async def take(holder):
    """Follow until the last entry of the Timeline is in force, or rejected."""
    entries = len((await holder._store.timeline()).entries)
    settled = asyncio.ensure_future(holder.settled(entries))
    while not settled.done():
        await holder.step()
        await asyncio.wait([settled], timeout=0.02)
    await settled


def rejected(holder):
    """Why the last entry is not in force."""
    entries = holder.timeline.entries
    (reason,) = [one.reason for one in holder.status().rejected if one.sequence == len(entries)]
    return reason


TAMPERED = {
    "manifest": "its bytes have another digest",
    "part": "its bytes have another digest",
    "signature": "does not fit",
    "key id": "does not trust",
    "another tenant": "does not fit",
    "another ruleset": "does not fit",
    "no signature": "not signed",
    "rubbish": "cannot be read",
    "too much": "delete this key",
    "unknown key": "does not trust",
}


@pytest.mark.parametrize("what", TAMPERED)
def test_what_was_tampered_with_is_rejected_with_its_reason_and_answered_by_no_other(tenant, tmp_path, keys, what):
    story = Story(tenant, tmp_path)
    seal, stranger = Seal(read_signing(tenant.signing_key), tenant.tenant), sealed(keys, "two", tenant.tenant)

    async def work(store, holder):
        first, _ = await story.publish(store, "good", seal)
        await take(holder)
        assert holder.in_force.digest == first
        digest, part = await story.publish(store, "bad", stranger if what == "unknown key" else seal)
        key = store.keys.signature(digest)
        line = story.raw.get(key).strip()
        if what == "manifest":
            flip(story.raw, store.keys.manifest(digest))
        elif what == "part":
            flip(story.raw, store.keys.part(part))
        elif what == "signature":
            signed = json.loads(line)
            bad = ("0" if signed["signature"][0] != "0" else "1") + signed["signature"][1:]
            story.raw.set(key, json.dumps(signed | {"signature": bad}))
        elif what == "key id":
            story.raw.set(key, json.dumps(json.loads(line) | {"key": "0" * 16}))
        elif what == "another tenant":
            own = read_signing(tenant.signing_key)
            story.raw.set(key, Seal(own, "other").sign(digest, "anna"))
        elif what == "another ruleset":
            story.raw.set(key, story.raw.get(store.keys.signature(first)))
        elif what == "no signature":
            story.raw.delete(key)
        elif what == "rubbish":
            story.raw.set(key, b"\x00\xff{]")
        elif what == "too much":
            story.raw.append(key, b"x" * SIGNATURES_MAX)
        story.parsed.clear()
        await take(holder)
        assert TAMPERED[what] in rejected(holder)
        assert not holder.answers, "what is in force is answered by no other"
        if what != "part":
            assert story.parsed == [], "it was read before it was verified"
        if what == "too much":
            with pytest.raises(StoreUnsuitable, match="delete this key"):
                await store.add_signature(digest, seal.sign(digest, "anna"))
            with pytest.raises(BadStoreData):
                await store.get_signatures(digest)
        elif "signature" in what:  # signed again, it is taken
            await store.add_signature(digest, seal.sign(digest, "bert"))
            await take(holder)
            assert holder.in_force.digest == digest

    story.run(work)


def flip(raw, key):
    """One bit of a blob's content is another."""
    head, packed = raw.get(key).split(b"\n", 1)
    content = bytearray(zlib.decompress(packed))
    content[len(content) // 2] ^= 1
    raw.set(key, head + b"\n" + zlib.compress(content))


def test_keys_are_changed_one_node_after_another(tenant, tmp_path, keys):
    """Both keys are trusted, then both sign, then the old one is removed: what only it signed is not taken."""
    one, two = sealed(keys, "one", tenant.tenant), sealed(keys, "two", tenant.tenant)

    async def publish(store, holder):
        story = Story(tenant, tmp_path)
        old, _ = await story.publish(store, "old", one)
        both, _ = await story.publish(store, "both", one)
        await store.add_signature(both, two.sign(both, "bert"))
        last, _ = await story.publish(store, "last", one)
        return old, both, last

    def at_work(trusted):
        async def work(store, holder):
            await take(holder)
            in_force = holder.in_force
            return in_force and in_force.digest, [one.reason for one in holder.status().rejected]

        return Story(tenant, tmp_path, signing_key=None, trusted_keys=trusted).run(work)

    _, _, last = Story(tenant, tmp_path).run(publish)
    assert at_work(keys) == (last, [])
    in_force, reasons = at_work(keys / "two.key.pub")
    assert in_force is None
    assert len(reasons) == 1
    assert "which this node does not trust" in reasons[0]
    assert at_work(keys / "one.key.pub") == (last, [])


# ------------------------------------------------------------------------------------------------ publishing


def test_what_is_published_is_signed_and_what_was_not_signed_is_made_again(tenant):
    raw = redis.Redis.from_url(tenant.store)
    files = read_project(PROJECT)

    async def work():
        publisher = Publisher()

        async def publish(**more):
            steps = []
            settings = tenant.model_copy(update=more)
            result = await publisher(
                files, author="anna", reason="", settings=settings, progress=lambda step, _: steps.append(step)
            )
            return result, steps

        async with opened(tenant) as store, following(store):
            no_key = tenant.model_copy(update={"signing_key": None})
            with pytest.raises(NoKey, match="no signing key"):
                await publisher(files, author="anna", reason="", settings=no_key)
            dry = await publisher(files, author="anna", reason="", settings=no_key, dry_run=True)
            first, steps = await publish()
            assert dry.digest == first.digest
            assert "sign" in steps
            lines = await store.get_signatures(first.digest)
            assert trust_of(tenant).doubt(first.digest, lines) == ""
            assert [one.signer for one in decode(lines)] == ["anna"]
            again, steps = await publish()
            assert again.unchanged
            assert "reuse" in steps
            assert "sign" not in steps
            assert await store.get_signatures(first.digest) == lines

            raw.delete(store.keys.signature(first.digest))  # as of a store from before there were signatures
            again, steps = await publish()
            assert (again.digest, again.unchanged) == (first.digest, True)
            assert "reuse" not in steps, "what was made elsewhere is not signed here"
            assert await store.get_signatures(first.digest) == lines

            (build,) = (key for key in raw.scan_iter(f"einklang:{{{tenant.tenant}}}:build:*"))
            planted = await store.put_manifest(b"planted")
            record = await store.get_build(build.decode().rpartition(":")[2])
            assert record is not None
            raw.delete(build)
            await store.put_build(build.decode().rpartition(":")[2], replace(record, digest=planted))
            again, _ = await publish()
            assert again.digest == first.digest
            assert await store.get_signatures(planted) == b""
            entries = (await store.read(Timeline()))[1].entries
            assert [entry.digest for entry in entries] == [first.digest]
        await publisher.close()

    try:
        asyncio.run(work())
    finally:
        raw.close()


def test_an_embedded_store_whose_key_is_gone_does_not_start(tmp_path):
    with short_directory() as home:
        settings = load({"data_dir": tmp_path / "data", "runtime_dir": home})
        own = tmp_path / "data" / "keys" / "signing.key"
        make_own(own)
        own.unlink()
        with pytest.raises(EmbeddedStoreError, match="restore it from a backup"):
            EmbeddedStore(settings).start()
