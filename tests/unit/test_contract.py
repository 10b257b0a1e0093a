"""The published contract: documented to the last value, in one style, canonical where it must be, and up to date."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import generate
import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import Message

from einklang.v1 import common_pb2, customer_pb2, decision_pb2, decision_pb2_grpc, redemption_pb2, ruleset_pb2

MODULES = (common_pb2, customer_pb2, decision_pb2, redemption_pb2, ruleset_pb2)
GUIDE = Path(__file__).resolve().parents[2] / "docs" / "api.md"

REASONS = """applied schedule channel place audience consent code-missing code-used quantity condition limit budget
    beaten exclusive guard control-group paused unknown-fact currency unavailable no-saving""".split()

# Methods that a server must serve. Every other one says in its comment that it may answer UNIMPLEMENTED.
SERVED = {
    *("Decide", "DecideBatch", "Explain", "ProductPrices"),
    *("Publish", "GetPublication", "WatchPublication", "Schedule", "CancelScheduled", "Rollback", "Pause", "Resume"),
    *("GetTimeline", "WatchTimeline", "GetRuleset", "GetPrograms", "ListNodes"),
}

# Fields that nearly every request or answer holds: their numbers take one byte on the wire.
HOT = {
    "DecideRequest": "lines channel store currency at_us customer codes usage fees payments delivery_service",
    "Line": "id article quantity measure_thousandths measure_unit unit_price_minor unit_price_micros attributes",
    "Customer": "id household facts_known attributes consents",
    "Attribute": "name value",
    "Value": "kind text number_millionths yes_no date money percent_basis_points texts",
    "LimitUsage": "promotion limit code used",
    "DecideResponse": "decision envelope",
    "Envelope": "as_of_us sequence certainty decision_digest",
    "Decision": "ruleset_digest currency proof lines promotions fees codes totals taxes",
    "LineResult": "line_id list_minor net_minor discounts units refund_minor tax_rate_basis_points",
    "LineDiscount": "promotion amount_minor",
    "UnitShare": "count net_minor refund_minor",
    "PromotionResult": "promotion reason applications saving_minor labels",
}

PLURAL_AS_THEY_ARE = {"usage", "missing", "funding", "beaten_by", "scheduled"}


class Item(NamedTuple):
    """One thing of the contract that must be documented."""

    kind: str  # file, message, field, enum, value, service, method
    name: str  # full
    comment: str  # leading and trailing, stripped; "" = none


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[FileDescriptorProto]:
    """The contract's files with all their comments."""
    target = tmp_path_factory.mktemp("contract") / "contract.bin"
    generate.descriptor_set(target)
    everything = FileDescriptorSet.FromString(target.read_bytes())
    return [file for file in everything.file if file.package == "einklang.v1"]


@pytest.fixture(scope="module")
def items(files: list[FileDescriptorProto]) -> list[Item]:
    return [item for file in files for item in documented(file)]


def documented(file: FileDescriptorProto) -> Iterator[Item]:
    """Everything in a file that can bear a comment, with the comment that it bears."""
    comments = {
        tuple(place.path): (place.leading_comments + place.trailing_comments).strip()
        for place in file.source_code_info.location
    }

    def item(kind: str, name: str, *path: int) -> Item:
        return Item(kind, name, comments.get(path, ""))

    yield Item("file", file.name, "".join(detached_before_syntax(file)).strip())
    for m, message in enumerate(file.message_type):
        assert not message.nested_type, f"{message.name} nests messages: give them names of their own"
        assert not message.enum_type, f"{message.name} nests enums: give them names of their own"
        yield item("message", message.name, 4, m)
        for f, field in enumerate(message.field):
            yield item("field", f"{message.name}.{field.name}", 4, m, 2, f)
    for e, enum in enumerate(file.enum_type):
        yield item("enum", enum.name, 5, e)
        for v, value in enumerate(enum.value):
            yield item("value", f"{enum.name}.{value.name}", 5, e, 2, v)
    for s, service in enumerate(file.service):
        yield item("service", service.name, 6, s)
        for r, method in enumerate(service.method):
            yield item("method", f"{service.name}.{method.name}", 6, s, 2, r)


def detached_before_syntax(file: FileDescriptorProto) -> Iterator[str]:
    """The comment that opens a file."""
    for place in file.source_code_info.location:
        if list(place.path) == [12]:
            yield from (*place.leading_detached_comments, place.leading_comments)


def messages(files: list[FileDescriptorProto]) -> Iterator[DescriptorProto]:
    for file in files:
        yield from file.message_type


def reachable(*roots: Descriptor) -> set[Descriptor]:
    """These messages and all that they hold, however deep."""
    found: set[Descriptor] = set()
    waiting = list(roots)
    while waiting:
        message = waiting.pop()
        if message not in found:
            found.add(message)
            waiting += [field.message_type for field in message.fields if field.message_type is not None]
    return found


# ---------------------------------------------------------------- generated code


def test_the_generated_code_is_up_to_date() -> None:
    names = generate.stale()
    assert not names, f"out of date: {', '.join(names)}; run: {generate.REPAIR}"


def test_a_stale_or_left_over_file_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / generate.PACKAGE
    package.mkdir(parents=True)
    for name in generate.proto_files():
        (tmp_path / name).write_bytes((generate.ROOT / name).read_bytes())
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    changed, missing, left_over = (package / n for n in ("common_pb2.py", "decision_pb2.pyi", "gone_pb2.py"))
    changed.write_text("# edited by hand\n")
    missing.unlink()
    left_over.write_text("")
    assert generate.main(["--check"]) == 1
    assert generate.stale() == [f"einklang/v1/{path.name}" for path in (changed, missing, left_over)]
    assert generate.main([]) == 0
    assert not left_over.exists()
    assert generate.main(["--check"]) == 0


def test_a_servicer_leaves_out_what_it_does_not_serve() -> None:
    class Nothing(decision_pb2_grpc.DecisionServiceServicer):
        pass

    class Context:
        code = details = None

        def set_code(self, code: object) -> None:
            self.code = code

        def set_details(self, details: object) -> None:
            self.details = details

    context = Context()
    with pytest.raises(NotImplementedError):
        Nothing().ProductPrices(decision_pb2.ProductPricesRequest(), context)  # type: ignore[arg-type]
    assert str(context.code) == "StatusCode.UNIMPLEMENTED"


# ----------------------------------------------------------------- documentation


def test_everything_has_a_comment(items: list[Item]) -> None:
    assert {item.kind for item in items} == {"file", "message", "field", "enum", "value", "service", "method"}
    bare = [f"{item.kind} {item.name}" for item in items if not item.comment]
    assert not bare, "say what it means, its unit, its bounds and what absent means: " + ", ".join(bare)


def test_comments_are_sentences(items: list[Item]) -> None:
    odd = [item.name for item in items if item.kind != "file" and not re.search(r"[.:]$", item.comment)]
    assert not odd, f"a comment ends like a sentence: {odd}"


def test_methods_say_whether_they_are_served(items: list[Item]) -> None:
    for item in items:
        if item.kind == "method":
            later = "UNIMPLEMENTED" in item.comment
            assert later == (item.name.rpartition(".")[2] not in SERVED), item.name


def test_the_guide_names_every_method(items: list[Item]) -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    for item in items:
        if item.kind in {"service", "method"}:
            assert f"`{item.name.rpartition('.')[2]}`" in guide, f"docs/api.md does not mention {item.name}"


def test_the_examples_of_the_guide_are_messages() -> None:
    known = {name: message for module in MODULES for name, message in module.DESCRIPTOR.message_types_by_name.items()}
    examples = re.findall(r"^```json (\w+)\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert {"DecideRequest", "DecideResponse", "ErrorDetail", "PublishRequest"} <= {name for name, _ in examples}
    for name, text in examples:
        message: Message = known[name]._concrete_class()
        json_format.ParseDict(json.loads(text), message)
        assert message.ByteSize()


def test_the_sums_of_the_guides_decision_hold() -> None:
    text = re.search(r"^```json DecideResponse\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert text is not None
    decision = json_format.ParseDict(json.loads(text[1]), decision_pb2.DecideResponse()).decision
    for line in decision.lines:
        assert line.list_minor == line.net_minor + sum(discount.amount_minor for discount in line.discounts)
        assert line.net_minor == sum(unit.count * unit.net_minor for unit in line.units)
        assert line.refund_minor == sum(unit.count * unit.refund_minor for unit in line.units)
        assert list(line.units) == sorted(line.units, key=lambda unit: (-unit.net_minor, -unit.refund_minor))
    totals = decision.totals
    assert totals.list_minor == sum(line.list_minor for line in decision.lines)
    assert totals.net_minor == sum(line.net_minor for line in decision.lines) == totals.list_minor - totals.saving_minor
    assert totals.payable_minor == totals.net_minor == sum(tax.with_tax_minor for tax in decision.taxes)
    assert totals.tax_minor == sum(tax.tax_minor for tax in decision.taxes)


# ------------------------------------------------------------------------- style


def test_enums_begin_with_unspecified_and_bear_their_prefix(files: list[FileDescriptorProto]) -> None:
    for file in files:
        for enum in file.enum_type:
            prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", enum.name).upper() + "_"
            first = enum.value[0]
            assert (first.number, first.name) == (0, f"{prefix}UNSPECIFIED"), enum.name
            for value in enum.value:
                assert re.fullmatch(rf"{prefix}[A-Z0-9_]+", value.name), value.name
            assert len({value.number for value in enum.value}) == len(enum.value), f"{enum.name} has aliases"


def test_names_are_in_one_style(files: list[FileDescriptorProto]) -> None:
    for message in messages(files):
        assert re.fullmatch(r"([A-Z][a-z0-9]+)+", message.name), message.name
        for field in message.field:
            assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", field.name), field.name
            if field.label == FieldDescriptorProto.LABEL_REPEATED:
                plural = field.name.endswith("s") or field.name in PLURAL_AS_THEY_ARE
                assert plural, f"{message.name}.{field.name} is repeated: name it in the plural"


def test_methods_own_their_messages(files: list[FileDescriptorProto]) -> None:
    seen: set[str] = set()
    for file in files:
        for service in file.service:
            assert service.name.endswith("Service")
            for method in service.method:
                for given, suffix in ((method.input_type, "Request"), (method.output_type, "Response")):
                    assert given == f".einklang.v1.{method.name}{suffix}"
                    assert given not in seen, f"{given} belongs to two methods"
                    seen.add(given)


def test_units_stand_in_names(files: list[FileDescriptorProto]) -> None:
    """No floating point anywhere; amounts are int64 and rates int32, whatever message they are in."""
    floats = {FieldDescriptorProto.TYPE_DOUBLE, FieldDescriptorProto.TYPE_FLOAT}
    of_suffix = {
        "_minor": FieldDescriptorProto.TYPE_INT64,
        "_micros": FieldDescriptorProto.TYPE_INT64,
        "_thousandths": FieldDescriptorProto.TYPE_INT64,
        "_us": FieldDescriptorProto.TYPE_INT64,
        "_basis_points": FieldDescriptorProto.TYPE_INT32,
        "_digest": FieldDescriptorProto.TYPE_STRING,
    }
    for message in messages(files):
        for field in message.field:
            assert field.type not in floats, f"{message.name}.{field.name}"
            for suffix, type_ in of_suffix.items():
                assert not field.name.endswith(suffix) or field.type == type_, f"{message.name}.{field.name}"


def test_numbers_are_unique_and_the_hot_ones_small(files: list[FileDescriptorProto]) -> None:
    by_name = {message.name: message for message in messages(files)}
    for message in by_name.values():
        numbers = [field.number for field in message.field]
        assert len(set(numbers)) == len(numbers), message.name
        reserved = {number for span in message.reserved_range for number in range(span.start, span.end)}
        assert not reserved & set(numbers), message.name
    for name, fields in HOT.items():
        numbers_of = {field.name: field.number for field in by_name[name].field}
        for field_name in fields.split():
            assert numbers_of[field_name] <= 15, f"{name}.{field_name} is hot"


# ----------------------------------------------------------------- what Decide is


def test_the_messages_of_decide_have_canonical_bytes() -> None:
    """Neither maps nor oneofs (those that `optional` makes are none), nor anything from outside the contract."""
    found = reachable(decision_pb2.DecideRequest.DESCRIPTOR, decision_pb2.DecideResponse.DESCRIPTOR)
    assert {"Line", "EventItem", "Money", "LineResult", "Missing", "Totals"} <= {message.name for message in found}
    for message in found:
        assert message.file.package == "einklang.v1", message.full_name
        assert not message.GetOptions().map_entry, f"{message.name} is the entry of a map"
        declared = DescriptorProto()
        message.CopyToProto(declared)
        assert not [f.name for f in declared.field if f.HasField("oneof_index") and not f.proto3_optional], message.name
        assert not message.is_extendable


def test_a_decision_does_not_hold_what_depends_on_the_node() -> None:
    names = {message.name for message in reachable(decision_pb2.Decision.DESCRIPTOR)}
    assert not names & {"Envelope", "DecideRequest", "Line", "Customer"}


def test_the_reasons_are_the_closed_list() -> None:
    spelt = [name.removeprefix("REASON_").lower().replace("_", "-") for name, _ in common_pb2.Reason.items()]
    assert spelt == ["unspecified", *REASONS]
    assert list(common_pb2.Reason.values()) == list(range(len(REASONS) + 1))


def test_each_reason_is_spelt_in_its_comment(items: list[Item]) -> None:
    comments = {item.name: item.comment for item in items}
    for reason in REASONS:
        assert comments[f"Reason.REASON_{reason.upper().replace('-', '_')}"].startswith(f"`{reason}`: ")
