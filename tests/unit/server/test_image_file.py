"""An image as one file: it decides as a server does, and what was altered is not taken."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from einklang.v1 import decision_pb2 as pb
from engine.image import load
from engine.link import link
from server import image_file
from server.contract import Failure
from server.deciding import Decider
from server.image_file import BadImageFile
from server.keys import make
from tests.running import ROOT
from tests.unit.engine.shops import FULL, programs
from tests.unit.engine.test_direct import PROMOTIONS, ruled
from tests.unit.engine.test_quick import ORDINARY, asked
from tests.unit.server.test_ordinary import NOW, servicer
from tests.unit.server.test_signing import sealed, trusting

RULES = ruled(*PROMOTIONS)


@pytest.fixture(scope="module")
def decider():
    return Decider(RULES, tenant="ours", node="till-7/1")


@pytest.mark.parametrize("name", ORDINARY)
def test_an_ordinary_request_gets_the_decision_of_a_server(decider, name):
    data = ORDINARY[name].SerializeToString()
    at_once = servicer()[0].ordinary("Decide")
    assert at_once is not None
    response = at_once(data)
    assert response is not None
    theirs = pb.DecideResponse.FromString(response)
    ours = pb.DecideResponse.FromString(decider.decide(data, NOW))
    assert ours.decision.SerializeToString(deterministic=True) == theirs.decision.SerializeToString(deterministic=True)
    assert ours.envelope.decision_digest == theirs.envelope.decision_digest
    assert ours.envelope.at_us == theirs.envelope.at_us
    assert (ours.envelope.sequence, ours.envelope.certainty) == (0, 0)


def test_what_is_out_of_the_ordinary_is_decided_at_length(decider):
    ours = pb.DecideResponse.FromString(decider.decide(asked(codes=["A"]).SerializeToString(), NOW))
    assert [verdict.code for verdict in ours.decision.codes] == ["A"]
    named = pb.DecideResponse.FromString(decider.decide(asked(ruleset_digest=RULES.digest).SerializeToString(), NOW))
    assert named.decision.ruleset_digest == RULES.digest


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"ruleset_digest": "0" * 64}, "ruleset_digest"),
        ({"as_of_us": NOW - 5}, "as_of_us"),
        ({"tenant": "theirs"}, "tenant"),
        ({"channel": "fax"}, "channel"),
    ],
)
def test_what_it_cannot_answer_names_the_field(decider, fields, field):
    with pytest.raises(Failure) as refused:
        decider.decide(asked(**fields).SerializeToString(), NOW)
    assert refused.value.detail.field == field


MADE = link(programs(**FULL))


@pytest.fixture
def keys(tmp_path):
    for name in ("one", "two"):
        make(tmp_path / f"{name}.key")
    return tmp_path


@pytest.fixture
def image(keys):
    """A file, signed by the key "one"."""
    path = keys / "shop.image"
    image_file.write(path, MADE.manifest, MADE.parts, sealed(keys, "one").sign(MADE.digest, "anna"))
    return path


def test_it_comes_back_as_it_was_and_is_the_same_file_each_time(image, keys):
    found = image_file.read(image, trusting(keys, "one"))
    assert (found.digest, found.manifest) == (MADE.digest, MADE.manifest)
    assert load(found.manifest, found.parts).digest == MADE.digest
    before = image.read_bytes()
    image_file.write(image, MADE.manifest, dict(reversed(list(MADE.parts.items()))), found.signatures)
    assert image.read_bytes() == before


def test_only_what_a_trusted_key_has_signed_is_taken(image, keys):
    assert image_file.read(image).digest == MADE.digest
    with pytest.raises(BadImageFile, match="does not trust"):
        image_file.read(image, trusting(keys, "two"))
    with pytest.raises(BadImageFile, match="does not fit"):
        image_file.read(image, trusting(keys, "one", tenant="other"))
    image_file.write(image, MADE.manifest, MADE.parts)
    with pytest.raises(BadImageFile, match="not signed"):
        image_file.read(image, trusting(keys, "one"))


def again(image, entries, **how):
    with zipfile.ZipFile(image, "w", **how) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)


@pytest.mark.parametrize(
    "what", ["cut off", "no archive", "gone", "altered", "renamed", "packed", "no manifest", "more"]
)
def test_what_is_no_image_file_is_told(image, what):
    with zipfile.ZipFile(image) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    part = next(name for name in entries if name.startswith("parts/"))
    if what == "cut off":
        image.write_bytes(image.read_bytes()[:-30])
    elif what == "no archive":
        image.write_bytes(b"{}")
    elif what == "gone":
        image.unlink()
    elif what == "altered":
        again(image, entries | {part: entries[part][:-1] + b"?"})
    elif what == "renamed":
        again(image, {("parts/../../x" if name == part else name): data for name, data in entries.items()})
    elif what == "packed":
        again(image, entries, compression=zipfile.ZIP_DEFLATED)
    elif what == "no manifest":
        again(image, {part: entries[part]})
    else:
        again(image, entries | {"more": b""})
    with pytest.raises(BadImageFile, match=r"shop\.image"):
        image_file.read(image)


def test_the_example_decides_as_a_till_would(tmp_path):
    def run(*words):
        told = subprocess.run(
            [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, timeout=400, check=False
        )
        assert told.returncode == 0, told.stderr
        return told.stdout

    image = tmp_path / "shop.image"
    said = run("-m", "server.cli", "image", "examples/shop", "--out", str(image))
    basket = str(Path("examples", "clients", "basket.json"))
    printed = run("examples/embedded/till.py", str(image), basket)
    digest = said.split()[2].rstrip(",")
    assert f"ruleset  {digest[:16]}" in printed
    assert "to pay" in printed
