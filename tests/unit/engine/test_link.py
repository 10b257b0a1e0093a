"""Linking: the same Programs give the same image in whatever order they come; what does not resolve is said."""

from random import Random

import pytest

from engine.link import code_key, link, normalise_code
from engine.program import (
    Attribute,
    Compare,
    Count,
    Group,
    Has,
    Line,
    Member,
    OneOf,
    Place,
    ProductSet,
    Promotion,
    Schema,
    Segment,
    Settings,
    Type,
    Worth,
    Zone,
)
from engine.write import LinkError
from tests.generators import ruleset
from tests.unit.engine.shops import FULL, programs

EVERYTHING = programs(**FULL)


@pytest.mark.parametrize("seed", range(8))
def test_any_order(seed):
    random = Random(seed)
    for made in (EVERYTHING, ruleset(seed)):
        expected = link(made).digest
        for _ in range(4):
            shuffled = list(made)
            random.shuffle(shuffled)
            assert link(shuffled).digest == expected


def test_groups_of_one_position_go_by_name():
    groups = [
        Group(name=name, title="", gives="discounts", apply="all", prices="original", position=7) for name in ("a", "b")
    ]
    assert link([*EVERYTHING, *groups]).digest == link([*EVERYTHING, *reversed(groups)]).digest


@pytest.mark.parametrize("index", range(len(EVERYTHING)))
def test_without_one_program(index):
    """Whatever else needed it says so; nothing else is raised."""
    rest = [program for i, program in enumerate(EVERYTHING) if i != index]
    try:
        link(rest)
    except LinkError as error:
        assert str(error)  # noqa: PT017 - several Programs are not needed by any other
    else:
        assert not isinstance(EVERYTHING[index], Settings | Schema | Segment)


@pytest.mark.parametrize("index", range(len(EVERYTHING)))
def test_no_two_of_one_name(index):
    with pytest.raises(LinkError):
        link([*EVERYTHING, EVERYTHING[index]])


def line(condition):
    return (Line(condition=condition, text=""),)


def sku(*articles):
    return OneOf(attribute="item.sku", values=articles)


MISSING = {
    "product set of a set": ProductSet(name="x", title="", lines=line(Member(of="products", name="nowhere"))),
    "attribute of a set": ProductSet(name="x", title="", lines=line(Compare(attribute="item.no", op="eq", value="a"))),
    "segment of a set": ProductSet(name="x", title="", lines=line(Member(of="segment", name="gold"))),
    "worth in a set": ProductSet(name="x", title="", lines=line(Worth())),
    "segment": Segment(name="x", title="", lines=line(Member(of="segment", name="nowhere"))),
    "attribute of a segment": Segment(
        name="x", title="", lines=line(Compare(attribute="customer.no", op="eq", value=1))
    ),
    "product set of a segment": Segment(name="x", title="", lines=line(Count(of="nowhere", low=1))),
    "place": Place(name="x", title="", lines=line(Member(of="place", name="nowhere"))),
    "circle of a segment": Segment(name="x", title="", lines=line(Member(of="segment", name="x"))),
    "circle of a place": Place(name="x", title="", lines=line(Member(of="place", name="x"))),
    "circle of a set": ProductSet(name="x", title="", lines=line(Member(of="products", name="x"))),
}


@pytest.mark.parametrize("program", MISSING.values(), ids=MISSING)
def test_what_is_not_there(program):
    with pytest.raises(LinkError):
        link([*EVERYTHING, program])


def test_a_long_circle():
    for kind, of in ((Segment, "segment"), (Place, "place"), (ProductSet, "products")):
        names = ["x", "y", "z"]
        made = [
            kind(name=name, title="", lines=line(Member(of=of, name=after)))  # type: ignore[arg-type]  # one of three
            for name, after in zip(names, [*names[1:], "x"], strict=True)
        ]
        with pytest.raises(LinkError, match="circle"):
            link([*EVERYTHING, *made])


def changed(**fields):
    """The ruleset with one promotion changed."""
    first = next(p for p in EVERYTHING if isinstance(p, Promotion) and p.name == "ten")
    return [*(p for p in EVERYTHING if p is not first), first.model_copy(update=fields)]


@pytest.mark.parametrize(
    "fields",
    [
        {"group": "nowhere"},
        {"except_": ("nowhere",)},
        {
            "channels": next(p for p in EVERYTHING if isinstance(p, Promotion)).channels.model_copy(
                update={"names": ("x",)}
            )
        },
        {"runs": next(p for p in EVERYTHING if isinstance(p, Promotion)).runs.model_copy(update={"zone": "Mars/Base"})},
        {"when": line(Member(of="segment", name="nowhere"))},
        {"when": line(Compare(attribute="basket.no", op="eq", value=1))},
        {"when": line(Count(of="all", low=2**70))},
        {"when": line(Has(attribute="customer.no", values=("a",)))},
    ],
    ids=str,
)
def test_a_promotion_that_does_not_fit(fields):
    with pytest.raises(LinkError):
        link(changed(**fields))


def test_more_channels_than_bits():
    schema = next(p for p in EVERYTHING if isinstance(p, Schema))
    rest = [p for p in EVERYTHING if p is not schema]
    most = schema.model_copy(update={"channels": (*schema.channels, *(f"c{i}" for i in range(60)))})
    assert link([*rest, most]).digest
    with pytest.raises(LinkError, match="62"):
        link([*rest, most.model_copy(update={"channels": (*most.channels, "one more")})])


def test_the_zone_of_the_settings():
    with pytest.raises(LinkError, match="zone"):
        link([p for p in EVERYTHING if not isinstance(p, Zone)])


def test_an_unused_attribute_changes_the_image():
    """The schema stands in it."""
    schema = next(p for p in EVERYTHING if isinstance(p, Schema))
    more = Attribute(entity="item", name="colour", type=Type.TEXT)
    other = schema.model_copy(update={"attributes": (*schema.attributes, more)})
    assert link([p for p in EVERYTHING if p is not schema] + [other]).digest != link(EVERYTHING).digest


def test_codes_are_not_in_the_image():
    assert not any(b"SPRING-2026" in part for part in link(programs(codes={"s": ["SPRING-2026"]})).parts.values())
    assert code_key("A") != code_key("B")
    assert [normalise_code(c) for c in (" a1\r\n", "ä", "ß", "\u00a0x")] == ["A1", "ä", "ß", "\u00a0X"]
