"""Every name of a project has a meaning: its node and field say which."""

import dataclasses
import typing

import pytest

from dsl import ast
from dsl.names import DECLARES, FIXED, KINDS, USES, Index, Symbol, occurrences
from dsl.parse import parse

ROWS = {**DECLARES, **USES}


def holds_names(annotation: object) -> bool:
    return annotation is ast.Name or any(holds_names(part) for part in typing.get_args(annotation))


def test_each_field_that_holds_a_name_says_what_the_name_means() -> None:
    nodes = [node for node in vars(ast).values() if isinstance(node, type) and dataclasses.is_dataclass(node)]
    held = {
        (node.__name__, field)
        for node in nodes
        for field, annotation in typing.get_type_hints(node).items()
        if holds_names(annotation)
    }
    assert held == ROWS.keys(), "add the new field to DECLARES or USES in dsl/names.py; take out what is gone"
    assert not DECLARES.keys() & USES.keys()


def test_each_meaning_is_a_kind() -> None:
    kinds = {kind for row in ROWS.values() for kind in ([row] if isinstance(row, str) else row.values())}
    assert kinds - {"segment or places"} <= KINDS.keys() | set(FIXED)
    assert KINDS.keys() <= kinds


@pytest.mark.parametrize(
    ("node", "field"), [key for key, row in ROWS.items() if not isinstance(row, str) and key[0] != "In"]
)
def test_a_row_that_depends_on_the_node_has_all_its_kinds(node: str, field: str) -> None:
    row = ROWS[node, field]
    assert not isinstance(row, str)
    kinds = typing.get_args(typing.get_type_hints(getattr(ast, node))["kind"])
    if kinds:
        assert set(kinds) <= row.keys(), f"{node}.{field}"


PROJECT = """schema {
  attributes customer {
    tier: one of silver, gold
    shops-in: channel
  }
  event orders, one order {
    total: money
  }
  channels stores, webshop
  payments card, sepa
  services shipping
  consents email
}
products pasta {
  item.sku is known
}
places city {
  store.id is known
}
segment golden {
  customer.tier is gold
  customer.shops-in is webshop
  consent to email
  at least 1 order where orders.total is at least EUR 1.00 in the last 3 days
}
promotion p {
  runs from 2026-09-01
  sold in webshop
  for golden
  when any of {
    payment is card
    delivery is shipping
    in golden
    in city
  }
  get 10% off pasta
}
test "t" {
  at 2026-09-02 12:00
  given consent to email
  expect p applies
}
"""


@pytest.mark.parametrize(
    ("kind", "name", "uses"),
    [
        ("product set", "pasta", 1),
        ("places", "city", 1),
        ("segment", "golden", 2),
        ("choice", "customer.tier=gold", 1),
        ("channel", "webshop", 2),
        ("payment", "card", 1),
        ("service", "shipping", 1),
        ("consent", "email", 2),
        ("attribute", "customer.tier", 1),
        ("attribute", "orders.total", 1),
        ("event", "orders", 1),
        ("event", "order", 1),
        ("promotion", "p", 1),
    ],
)
def test_uses_are_found(kind: str, name: str, uses: int) -> None:
    parsed = parse("a.promo", PROJECT.encode())
    assert not parsed.findings
    index = Index([tuple(o for node in parsed.declarations for o in occurrences(node))])
    symbol = Symbol(kind, name)
    assert len(index.declared[symbol]) == 1
    assert len(index.used[symbol]) == uses
    lines = PROJECT.split("\n")
    for o in index.all(symbol):  # each span covers exactly the name
        assert lines[o.span.line - 1][o.span.column - 1 : o.span.end_column - 1] == symbol.short
