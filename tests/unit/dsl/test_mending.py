"""`check --fix`: what a fix mends is gone, nothing else is worse, and what no fix names stays byte for byte."""

from __future__ import annotations

import pytest

from dsl.diagnostics import Diagnostic, Span, found
from dsl.mending import better, edited, judged, mend
from tests.unit.dsl.frame import framed
from tests.unit.dsl.test_explain import FENCE, ROOM, TOO_LARGE
from tests.unit.dsl.test_messages import LINES, OFFER, replaced

TEXTS = {line: replaced(word, line) for word, line, *_ in LINES}
FILES: dict[str, dict[str, bytes]] = {}
for path in sorted((ROOM / "explain").glob("*.md")):
    if path.stem not in TOO_LARGE:
        blocks = FENCE.findall(path.read_text(encoding="utf-8"))
        FILES[path.stem] = {name: text.encode() for kind, name, text in blocks if kind == "csv"}
        TEXTS[path.stem] = next(text for _, name, text in blocks if name == "reported")


def offer(*changes: tuple[str, str]) -> bytes:
    text = OFFER
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    return text.encode()


def mended(text: bytes) -> str:
    return mend({**framed("", {}), "offer.promo": text}).files.get("offer.promo", text).decode()


def errors(findings) -> list[Diagnostic]:
    return [finding for finding in findings if finding.severity == "error"]


@pytest.mark.parametrize("name", TEXTS)
def test_every_fix_removes_its_finding_and_adds_no_error(name):
    files = framed(TEXTS[name], FILES.get(name))
    before = judged(files)
    for finding in before:
        if finding.fix:
            after = judged(edited(files, finding.fix.edits))
            assert better(before, after, [finding]), (finding, after)
            lost = {f.code for f in errors(after)} - {f.code for f in errors(before)}
            assert all(code.startswith("P9") for code in lost), "only what the machine cannot run yet may show"
    done = mend(files)
    assert not done.left
    assert len(done.applied) == sum(finding.fix is not None for finding in before)


def test_all_lines_are_mended_at_once_and_what_shows_then_too():
    before = offer(
        ("until 2026-09-30", "until 30.09.2026"), ("get 10% off pasta", "get 10 percent of pastta"), ("group", "gruop")
    )
    after = offer()
    done = mend({**framed("", {}), "offer.promo": before})
    assert done.files["offer.promo"] == after
    assert not done.left


def test_every_place_of_a_cause_is_mended():
    text = OFFER.replace("off pasta", "off pastta") + OFFER.replace("off pasta", "off pastta").replace("offer", "other")
    assert mended(text.encode()) == OFFER + OFFER.replace("offer", "other")


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("segment s { in gold-members }\n", "segment s {\n  in gold-members\n}\n"),
        ("segment s { in gold-members\n}\n", "segment s {\n  in gold-members\n}\n"),
        (
            'products s {\n  any of { item.brand is "a, } b" }\n}\n',
            'products s {\n  any of {\n    item.brand is "a, } b"\n  }\n}\n',
        ),
        ("segment s { in gold-members, in employees }\n", None),  # a comma may be of a list
        ("segment s { in gold-members } # x\n", None),
        ("segment s { in gold-members } segment t { in employees }\n", None),
        ("segment s { }\n", None),
    ],
)
def test_a_block_on_one_line(text, right):
    assert mended(text.encode()) == (right or text)


def test_a_fix_that_would_bring_another_error_is_left():
    text = offer(("from 2026-09-01 until 2026-09-30", "from 01.10.2026 until 2026-09-30"))
    done = mend({**framed("", {}), "offer.promo": text})
    assert (done.files, done.applied) == ({}, ())
    assert [finding.code for finding in done.left] == ["P0103"]


def test_one_that_is_left_keeps_no_other_from_its_mending():
    text = offer(
        ("from 2026-09-01 until 2026-09-30", "from 01.10.2026 until 2026-09-30"),
        ("group item-deals", "group item-deal"),
    )
    assert mended(text) == text.decode().replace("item-deal\n", "item-deals\n")


@pytest.mark.parametrize(
    "around",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: "\ufeff" + text,
        lambda text: text.rstrip(),
        lambda text: text.replace("  get", "\t get").replace("each", "each \t"),
        lambda text: "# größer 😀 \u00a0\n" + text,
        lambda text: text.replace('"Offer"', '"😀 günstig"  # «so»'),
    ],
)
def test_the_rest_stays_byte_for_byte(around):
    wrong = around(OFFER.replace("get 10% off pasta", "get EUR 1,50 off pasta each"))
    right = around(OFFER.replace("get 10% off pasta", "get EUR 1.50 off pasta each"))
    assert mended(wrong.encode()) == right


def test_nothing_to_mend():
    assert mend(framed(OFFER)).files == {}
    assert mend({}).files == {}
    assert mend({"a.promo": b"\xff"}).files == {}


def test_better_means_no_new_error():
    here, there = Span("a", 1, 1, 1, 2), Span("a", 2, 1, 2, 2)
    unread = found("P0107", here, fix="off")
    read = found("P1001", here, name="a", fix="b")
    other = found("P2004", there)
    assert better([unread], [], [unread]) and better([read], [], [read])
    assert better([unread], [other], [unread]), "it could not be seen before"
    assert not better([read], [other], [read])
    assert not better([unread], [found("P2004", here)], [unread])
    assert not better([unread, other], [unread], [unread])
