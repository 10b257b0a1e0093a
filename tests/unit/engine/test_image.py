"""What is not an image is rejected, whatever was done to its bytes: never another error, never a kernel astray."""

from __future__ import annotations

import contextlib
import hashlib
import json
from random import Random
from typing import Any

import numpy as np
import pytest

from engine import parts as module
from engine.basket import BadRequest
from engine.decide import decide, warm
from engine.image import Rules, Ruleset, load, reopen
from engine.index import Index, Texts, flat, indexed
from engine.layout import RULES, TOGETHER, pack, unpack
from engine.link import link
from engine.parts import Image, ImageRejected, decode_part, encode_part, manifest, parts_of
from engine.program import Zone
from tests.unit.engine.shops import FULL, ask, piece, programs

IMAGE = link(programs(**FULL))
PARTS = {ref.name: IMAGE.parts[ref.digest] for ref in parts_of(IMAGE.manifest)}
BASKET = ask(piece("1", "tee", 3), piece("2", "cap", 4), piece("3", "mug"), codes=("a1",), store="berlin", basket="b")


def made(parts: dict[str, bytes]) -> Ruleset:
    """The ruleset of these parts, with digests that fit them."""
    return load(manifest(parts), {hashlib.sha256(part).hexdigest(): part for part in parts.values()})


def rejected(parts: dict[str, bytes]) -> str:
    with pytest.raises(ImageRejected) as caught:
        made(parts)
    return str(caught.value)


def changed(name: str, arrays: dict[str, Any] | None = None, data: Any = None) -> dict[str, bytes]:
    """The parts, one of them encoded anew with other arrays or data."""
    own, own_data = decode_part(PARTS[name])
    return PARTS | {name: encode_part(own | (arrays or {}), own_data if data is None else data)}


def rules() -> dict[str, Any]:
    """The fields of the rules, to be changed."""
    arrays, texts = decode_part(PARTS["rules"])
    fields = unpack(RULES, arrays["rules"], len(texts["settings"]["currencies"]), TOGETHER)
    return {name: array.copy() for name, array in fields.items()}


def with_rules(**fields: Any) -> dict[str, bytes]:
    return changed("rules", {"rules": pack(RULES, rules() | fields, TOGETHER)})


def test_it_is_taken_as_it_is():
    ruleset = load(IMAGE.manifest, IMAGE.parts)
    assert ruleset.digest == IMAGE.digest == hashlib.sha256(IMAGE.manifest).hexdigest()
    assert made(PARTS).digest == ruleset.digest
    assert len(ruleset.promotions) == len(FULL["promotions"])
    for part in PARTS.values():
        assert encode_part(*decode_part(part)) == part
    assert decide(ruleset, BASKET, everything=True).totals.saving > 0


def test_opened_again_it_is_the_same():
    again, first = reopen(IMAGE.manifest, IMAGE.parts), load(IMAGE.manifest, IMAGE.parts)
    assert told(again) == told(first)
    assert decide(again, BASKET, everything=True) == decide(first, BASKET, everything=True)
    with pytest.raises(ImageRejected, match="missing"):
        reopen(IMAGE.manifest, {})


# ---------------------------------------------------------------------------------------------------- bytes


@pytest.mark.parametrize("name", PARTS)
def test_other_bytes_under_the_same_digest(name):
    random = Random(name)
    part = PARTS[name]
    digest = hashlib.sha256(part).hexdigest()
    for at in {0, len(part) - 1, *(random.randrange(len(part)) for _ in range(50))}:
        flipped = bytearray(part)
        flipped[at] ^= 1 << random.randrange(8)
        with pytest.raises(ImageRejected):
            load(IMAGE.manifest, {**IMAGE.parts, digest: bytes(flipped)})
    for other in (b"", part[:-1], part + b"\0", part[64:]):
        with pytest.raises(ImageRejected):
            load(IMAGE.manifest, {**IMAGE.parts, digest: other})
    with pytest.raises(ImageRejected):
        load(IMAGE.manifest, {d: p for d, p in IMAGE.parts.items() if d != digest})


def harmless(parts: dict[str, bytes]) -> bool:
    """Rejected, or an image that decides or refuses as one does: no error that is no answer."""
    try:
        ruleset = made(parts)
    except ImageRejected:
        return True
    with contextlib.suppress(BadRequest):
        decide(ruleset, BASKET, everything=True)
    return True


@pytest.mark.parametrize("name", PARTS)
def test_other_bytes_with_a_fitting_digest(name):
    random = Random(name)
    part = PARTS[name]
    header = int.from_bytes(part[12:16], "little") + 16
    for _ in range(150):
        flipped = bytearray(part)
        flipped[random.randrange(header)] = random.choice(b'0179-"[{]},:ae\xff\0')
        assert harmless(PARTS | {name: bytes(flipped)})
    for length in sorted({random.randrange(len(part)) for _ in range(40)} | set(range(20))):
        assert harmless(PARTS | {name: part[:length]})
    assert harmless(PARTS | {name: part + bytes(64)})


def test_flipped_manifests():
    random = Random(5)
    for _ in range(300):
        flipped = bytearray(IMAGE.manifest)
        flipped[random.randrange(len(flipped))] = random.choice(b'0179-"[{]},:ae\xff\0')
        if bytes(flipped) == IMAGE.manifest:
            continue
        with pytest.raises(ImageRejected):
            load(bytes(flipped), IMAGE.parts)
    for length in range(0, len(IMAGE.manifest), 7):
        with pytest.raises(ImageRejected):
            load(IMAGE.manifest[:length], IMAGE.parts)


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"1", b"null", b'{"format":1}', b"\xff", b"[" * 100_000, b'{"format":1,"semantics":1,"parts":7}']
    + [
        b'{"format":1,"semantics":1,"parts":[{"name":"a","digest":"b","size":%b}]}' % s
        for s in (b"1e999", b"[]", b"-1")
    ],
)
def test_what_is_no_manifest(data):
    with pytest.raises(ImageRejected):
        load(data, IMAGE.parts)


def test_another_format_or_meaning():
    value = json.loads(IMAGE.manifest)
    for other in (
        {"format": module.FORMAT + 1},
        {"semantics": value["semantics"] + 1},
        {"format": "1"},
        {"semantics": None},
    ):
        with pytest.raises(ImageRejected, match="format"):
            load(json.dumps(value | other).encode(), IMAGE.parts)
    for part in PARTS.values():
        with pytest.raises(ImageRejected, match="format 7"):
            decode_part(part[:8] + b"\7\0\0\0" + part[12:])
        with pytest.raises(ImageRejected, match="EINKPARX"):
            decode_part(b"EINKPARX" + part[8:])


def test_other_parts():
    value = json.loads(IMAGE.manifest)
    listed: list[Any] = value["parts"]
    for parts in (listed[1:], listed * 2, listed[::-1], listed[:0]):
        with pytest.raises(ImageRejected, match="must name"):
            load(json.dumps(value | {"parts": parts}).encode(), IMAGE.parts)
    swapped = PARTS | {"stores": PARTS["catalogue"], "catalogue": PARTS["stores"]}
    rejected(swapped)


def header(*rows: Any, body: int = 64) -> bytes:
    text = json.dumps({"arrays": rows, "data": None}).encode()
    head = module.HEADER.pack(module.MAGIC, module.FORMAT, len(text)) + text
    return head + bytes(-len(head) % 64 + body)


@pytest.mark.parametrize(
    "row",
    [
        ["a", "i8", [9], 0],
        ["a", "i8", [8], 64],
        ["a", "i8", [1], -64],
        ["a", "i8", [1], 8],
        ["a", "i8", [-1], 0],
        ["a", "i8", [-1, -8], 0],
        ["a", "i8", [2**40, 2**40], 0],
        ["a", "i8", [2**64], 0],
        ["a", "i8", [0, 2**62], 0],
        ["a", "i8", [1], 2**64],
        ["a", "f8", [1], 0],
        ["a", "i8", 1, 0],
        ["a", "i8", [1e999], 0],
        ["a", "i8", ["x"], 0],
        ["a"],
        7,
    ],
)
def test_arrays_outside_their_part(row):
    assert set(decode_part(header(["a", "i8", [8], 0]))[0]) == {"a"}
    with pytest.raises(ImageRejected):
        decode_part(header(row))


def test_arrays_cannot_be_written():
    for part in PARTS.values():
        for array in decode_part(part)[0].values():
            with pytest.raises(ValueError):
                array[...] = 0


# ---------------------------------------------------------------------------------------------------- rules

# Fields whose numbers may be anything, or whose bounds depend on the row: wrong ones are harmless or rejected.
FREE = {"rank", "pick_dearest", "channels", "currencies", "windows", "pool", "original", "slots", "code", "target"}
FREE |= {"percent", "transitions", "per", "limits", "ladder", "at_most", "amounts", "code_uses", "terms"}
ENTRIES = 40  # of a long field that are tried


@pytest.mark.parametrize("field", [name for name, _, _ in RULES])
def test_a_number_out_of_bounds(field):
    """Entries of every field, far too low and far too high: rejected, or without consequence."""
    found = rules()[field]
    for at in sorted({i * max(1, found.size // ENTRIES) % max(1, found.size) for i in range(min(ENTRIES, found.size))}):
        for number in (-(2**63), -(2**31), -2, 2**31, 2**62):
            other = found.copy()
            other.flat[at] = number
            if field in FREE:
                assert harmless(with_rules(**{field: other}))
            else:
                rejected(with_rules(**{field: other}))


@pytest.mark.parametrize("field", [name for name, _, _ in RULES])
def test_another_length(field):
    found = rules()[field]
    longer = np.concatenate([found, found[-1:] if len(found) else np.zeros((1, *found.shape[1:]), np.int64)])
    assert harmless(with_rules(**{field: longer}))
    if len(found):
        assert harmless(with_rules(**{field: found[:-1]}))
        assert harmless(with_rules(**{field: found[:0]}))


def test_every_field_is_checked_by_a_name():
    assert Rules._fields == tuple(name for name, _, _ in RULES)


def number(name: str) -> int:
    return sorted(FULL["promotions"]).index(name)


def test_a_benefit_with_a_set_for_a_target():
    """Its target would be read as a service, of which there are fewer than sets."""
    fields = rules()
    fields["target_kind"][number("ships")] = 0
    fields["target"][number("ships")] = 3
    assert "target" in rejected(with_rules(**fields))


def test_a_segment_that_asks_for_the_basket():
    """It is judged without one: its units are not there to be read."""
    fields = rules()
    line = fields["segment_begin"][0]
    fields["code"][fields["lines"][line]] = (10, -1, 0, -1, 2)  # worth
    assert "asks for the basket" in rejected(with_rules(**fields))


def test_an_amount_that_is_not_said():
    fields = rules()
    fields["amounts"][fields["amount"][number("each")]] = -1
    assert "not said" in rejected(with_rules(**fields))


def test_a_step_of_more_than_all():
    fields = rules()
    fields["ladder"][0, 1] = 20_000
    assert "percent of a step" in rejected(with_rules(**fields))


def test_rules_of_other_numbers():
    arrays, _ = decode_part(PARTS["rules"])
    for dtype in (np.uint64, np.int8):
        rejected(changed("rules", {"rules": arrays["rules"].astype(dtype)}))
    rejected(changed("rules", {"rules": arrays["rules"].reshape(1, -1)}))


# ---------------------------------------------------------------------------------------------------- texts


def mutations(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in a tree of JSON."""
    found = [path] if path else []
    if isinstance(value, dict):
        found += [p for key in value for p in mutations(value[key], (*path, key))]
    elif isinstance(value, list):
        found += [p for key in range(min(3, len(value))) for p in mutations(value[key], (*path, key))]
    return found


def planted(value: Any, path: tuple[Any, ...], what: Any) -> Any:
    """The tree with something else at a place; DROP takes it away."""
    copy = json.loads(json.dumps(value))
    holder = copy
    for key in path[:-1]:
        holder = holder[key]
    if what is DROP:
        del holder[path[-1]]
    else:
        holder[path[-1]] = what
    return copy


DROP = object()


@pytest.mark.parametrize("name", ["catalogue", "prices.00000", "rules", "stores"])
def test_any_other_text(name):
    """Something else at every place of a part's texts: rejected, or an image that decides."""
    data = decode_part(PARTS[name])[1]
    for path in mutations(data):
        for what in (DROP, None, 7, -1, "x", [], {}, ["x"], 2**70):
            assert harmless(changed(name, data=planted(data, path, what)))


@pytest.mark.parametrize("name", ["products.00000", "promotions.00000"])
def test_any_other_declaration(name):
    """The same in the texts of each declaration."""
    texts = Texts(*decode_part(PARTS[name])[0].values())
    for number, text in enumerate(texts[:2]):
        data = json.loads(text)
        for path in mutations(data):
            for what in (DROP, None, 7, -1, "x", [], {}, ["x"], 2**70):
                others = [*texts]
                others[number] = json.dumps(planted(data, path, what))
                assert harmless(changed(name, dict(zip(("begin", "blob"), flat(others), strict=True))))


@pytest.mark.parametrize("name", sorted(PARTS))
def test_any_other_number_of_any_array(name):
    """Tables that find names, texts one after the other, postings: rejected, or an image that decides."""
    random = Random(name)
    for array, found in decode_part(PARTS[name])[0].items():
        for other in (found[:-1], found[:0], np.concatenate((found, found[-1:])), found.reshape(1, *found.shape)):
            assert harmless(changed(name, {array: other}))
        for dtype in (np.int64, np.int8, np.uint8):
            assert harmless(changed(name, {array: found.astype(dtype)}))
        if array == "rules":
            continue
        info = np.iinfo(found.dtype)
        for at in {random.randrange(found.size) for _ in range(15)} if found.size else ():
            for number in (info.min, info.max, int(found.flat[at]) ^ 1, 0, random.choice(found.flat)):
                other = found.copy()
                other.flat[at] = number
                assert harmless(changed(name, {array: other}))


def test_a_table_that_does_not_find_its_names_is_rejected():
    """Or finds one where there is none, or would be searched for ever."""
    for name, array in (("articles", "index"), ("names", "promotions index"), ("names", "symbols index")):
        index = decode_part(PARTS[name])[0][array]
        slots = np.arange(2 + int(index[0]) + 1, len(index))
        for at in slots.tolist():
            other = index.copy()
            other[at] = index[slots].max() if index[at] < 0 else -1
            rejected(changed(name, {array: other}))


def test_names_that_are_those_of_other_promotions_are_rejected():
    arrays, _ = decode_part(PARTS["names"])
    for of, start in (("promotions", 0), ("sets", 0)):
        blob = arrays[f"{of} blob"].copy()
        blob[start] ^= 1
        count = int(arrays[f"{of} index"][0])
        index = indexed(arrays[f"{of} index"][2 : 3 + count], blob)
        assert "other names" in rejected(changed("names", {f"{of} index": index, f"{of} blob": blob}))


# ---------------------------------------------------------------------------------------------------- what is kept


READ = {"buffers", "blocks", "set_blocks", "rules", "articles", "columns", "all_stores", "catalogue", "stores"}
READ |= {"price_lists", "promotions", "by_name", "listed", "sets", "product_titles"}  # told by what is read of them


def told(ruleset: Ruleset) -> list[object]:
    """What a ruleset holds, ready to be compared."""
    tables = [
        (
            list(table.index.items()),
            [(k, one.numbers.tolist(), one.known.tolist(), list(one.texts)) for k, one in table.columns.items()],
        )
        for table in (ruleset.catalogue, ruleset.stores)
    ]
    lists = [
        (one.name, list(one.index), *(a.tolist() for a in (one.begin, one.rows, one.prices)))
        for one in ruleset.price_lists
    ]
    said = [ruleset.promotions.said(number) for number in range(len(ruleset.promotions))]
    assert dict(ruleset.by_name) == {one.info.name: one.info for one in said}
    found = [dict(ruleset.sets), dict(ruleset.product_titles), list(ruleset.listed.index)]
    plain = {
        name: list(value) if isinstance(value, Index | Texts) else value
        for name, value in vars(ruleset).items()
        if name not in READ
    }
    return [*tables, lists, said, found, {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in plain.items()}]


def test_with_parts_that_were_read_before_a_ruleset_is_the_same():
    """One promotion, set, article after the other is taken out and put back."""
    kept: dict[tuple[str, str], Any] = {}
    for without in [*FULL["promotions"], *FULL["promotions"]]:
        rest = {name: one for name, one in FULL["promotions"].items() if name != without}
        image = link(programs(**(FULL | {"promotions": rest})))
        assert told(load(image.manifest, image.parts, kept)) == told(load(image.manifest, image.parts))
        assert told(load(IMAGE.manifest, IMAGE.parts, kept)) == told(load(IMAGE.manifest, IMAGE.parts))


def test_parts_that_were_read_before_are_judged_with_the_others_again():
    """Whatever is planted into the rules is rejected with blocks that fitted other rules, too."""
    kept: dict[tuple[str, str], Any] = {}
    load(IMAGE.manifest, IMAGE.parts, kept)
    data = decode_part(PARTS["rules"])[1]
    for path in mutations(data):
        for what in (DROP, "x", 7):
            parts = changed("rules", data=planted(data, path, what))
            by_digest = {hashlib.sha256(part).hexdigest(): part for part in parts.values()}
            outcomes: list[object] = []
            for known in ({}, kept):
                try:
                    outcomes.append(told(load(manifest(parts), by_digest, known)))
                except ImageRejected as why:
                    outcomes.append([str(why)])
            assert outcomes[0] == outcomes[1], path


def test_what_was_opened_again_is_not_checked_for_the_next_ruleset(monkeypatch):
    kept: dict[tuple[str, str], Any] = {}
    reopen(IMAGE.manifest, IMAGE.parts, kept)
    known = {id(block) for block in kept.values()}
    seen: list[int] = []

    def noting(check):
        def noted(block: Any) -> None:
            seen.append(id(block))
            check(block)

        return noted

    for kind in {type(block) for block in kept.values()}:
        monkeypatch.setattr(kind, "check", noting(kind.check))
    rest = dict(list(FULL["promotions"].items())[1:])
    image = link(programs(**(FULL | {"promotions": rest})))
    assert told(load(image.manifest, image.parts, kept)) == told(load(image.manifest, image.parts))
    assert known & {id(block) for block in kept.values()}
    assert seen and not known & set(seen)


def test_promotions_that_were_opened_again_are_held_against_other_parts():
    kept: dict[tuple[str, str], Any] = {}
    reopen(IMAGE.manifest, IMAGE.parts, kept)
    others = link((*programs(**FULL), Zone(name="Asia/Tokyo", instants=(-86_400,), offsets=(32_400,), until=2**32)))
    promotions = {ref.digest for ref in parts_of(IMAGE.manifest) if ref.kind == "promotions"}
    assert promotions <= {ref.digest for ref in parts_of(others.manifest)} and others.digest != IMAGE.digest
    assert told(load(others.manifest, others.parts, kept)) == told(load(others.manifest, others.parts))


def test_a_kept_part_is_none_of_another_kind():
    kept: dict[tuple[str, str], Any] = {}
    load(IMAGE.manifest, IMAGE.parts, kept)
    swapped = PARTS | {"products.00000": PARTS["promotions.00000"], "promotions.00000": PARTS["products.00000"]}
    with pytest.raises(ImageRejected):
        load(manifest(swapped), IMAGE.parts, kept)


def test_a_promotion_more_or_less_changes_one_block(monkeypatch):
    """Wherever it stands by its name."""
    monkeypatch.setattr("engine.link.BLOCK", 4)
    many = {f"p{number}": next(iter(FULL["promotions"].values())) for number in range(60)}
    blocks = [set(link(programs(**(FULL | {"promotions": some}))).parts) for some in (many, many)]
    assert blocks[0] == blocks[1]
    for name in many:
        rest = {other: one for other, one in many.items() if other != name}
        image = link(programs(**(FULL | {"promotions": rest})))
        new = [ref.name for ref in parts_of(image.manifest) if ref.digest not in blocks[0]]
        assert [name.partition(".")[0] for name in new] in (["names", "promotions", "rules"], ["names", "rules"])


# ---------------------------------------------------------------------------------------------------- bounds


def test_numbers_of_tables_are_bounded():
    arrays, data = decode_part(PARTS["catalogue"])
    rate = next(i for i, column in enumerate(data["columns"]) if column["name"] == "tax-rate")
    brand = next(i for i, column in enumerate(data["columns"]) if column["name"] == "brand")
    for column, bad in ((rate, -10_000), (rate, 10_001), (brand, 5), (brand, -1)):
        numbers = arrays[f"values{column}"].copy()
        numbers[arrays[f"known{column}"] == 1] = bad
        rejected(changed("catalogue", {f"values{column}": numbers}))


def test_postings_and_codes_are_bounded():
    for part, field in (("postings", "begin"), ("postings", "sets"), ("codes", "sets"), ("stores", "zones")):
        array = decode_part(PARTS[part])[0][field]
        for number in (-1, 2**40):
            other = array.copy()
            other.flat[0] = number
            rejected(changed(part, {field: other}))


@pytest.mark.parametrize(
    ("field", "at", "number"),
    [
        ("begin", 0, 1),
        ("begin", -1, 7),
        ("begin", 1, -1),
        ("rows", (0, 0), 0),
        ("rows", (0, 0), 4),
        ("rows", (1, 0), 100_001),
        ("rows", (0, 1), 2**62),
        ("prices", (0, 0), -2),
        ("prices", (0, 0), 2**62),
    ],
)
def test_price_lists_are_bounded(field, at, number):
    array = decode_part(PARTS["prices.00000"])[0][field].copy()
    array[at] = number
    rejected(changed("prices.00000", {field: array}))


def test_price_lists_have_the_form_of_one():
    arrays = decode_part(PARTS["prices.00000"])[0]
    for field, other in (
        ("rows", arrays["rows"][:, :2]),
        ("rows", arrays["rows"][:-1]),
        ("prices", arrays["prices"][:, :1]),
        ("prices", arrays["prices"][:, 0]),
        ("begin", arrays["begin"].astype(np.uint64)),
    ):
        rejected(changed("prices.00000", {field: other}))
    begin, blob = flat(["cap", "cap"])
    rejected(changed("prices.00000", {"index": indexed(begin, blob), "blob": blob}))
    for data in ({"name": 1}, {"name": None}, {}):
        rejected(changed("prices.00000", data=data))


@pytest.mark.parametrize(("name", "target"), [("listed", 0), ("each", -1), ("listed", 2**40)])
def test_only_a_price_list_is_given_as_one(name, target):
    """A set behind the others is a list; without one it would be read outside of the lists."""
    fields = rules()
    fields["target"][number(name)] = len(load(IMAGE.manifest, IMAGE.parts).set_names) if target == -1 else target
    assert "price list is given" in rejected(with_rules(**fields)) or target == 2**40


def test_a_ruleset_without_promotions_is_warm():
    image = link(programs(promotions={}))
    warm(load(image.manifest, image.parts))


def test_an_image_knows_its_name():
    assert Image(b"abc", {}).digest == hashlib.sha256(b"abc").hexdigest()
