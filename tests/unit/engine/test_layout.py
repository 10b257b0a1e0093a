"""Buffers and their directories: what is packed is read back, and a wrong directory is refused."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import layout
from engine.layout import QUESTION, RULES, SCALARS, TABLE, TOGETHER, at, cell, has, its, pack, size, unpack, view

FIELDS = (("one", 1, ""), ("pairs", 2, ""), ("none", 1, ""), ("by_currency", 0, ""))
ARRAYS = {
    "one": np.array([7, 8, 9]),
    "pairs": np.array([[1, 2], [3, 4]]),
    "none": np.array([], np.int64),
    "by_currency": np.array([[5, 6, 7]]),
}


def test_it_is_read_back():
    arrays = unpack(FIELDS, pack(FIELDS, ARRAYS), 3)
    assert list(arrays) == ["one", "pairs", "none", "by_currency"]
    for name, array in ARRAYS.items():
        assert (arrays[name] == array).all()
        assert arrays[name].shape == array.shape


def test_kernels_read_the_same():
    buffer = pack(FIELDS, ARRAYS)
    buffer.flags.writeable = False
    assert [at(buffer, 0, i) for i in range(3)] == [7, 8, 9]
    assert [cell(buffer, 1, 2, 1, column) for column in range(2)] == [3, 4]
    assert [size(buffer, field) for field in range(4)] == [3, 4, 0, 3]
    assert view(buffer, 3).tolist() == [5, 6, 7]


@pytest.mark.parametrize("entry", range(2 * len(FIELDS)))
@pytest.mark.parametrize("change", [-(2**62), -8, -1, 1, 8, 2**62])
def test_a_changed_directory_is_refused(entry, change):
    buffer = pack(FIELDS, ARRAYS)
    buffer[entry] += change
    with pytest.raises(ValueError):
        unpack(FIELDS, buffer, 3)


def test_another_length_is_refused():
    buffer = pack(FIELDS, ARRAYS)
    for length in range(buffer.shape[0]):
        with pytest.raises(ValueError):
            unpack(FIELDS, buffer[:length], 3)
    with pytest.raises(ValueError):
        unpack(FIELDS, np.append(buffer, 0), 3)
    with pytest.raises(ValueError):
        unpack(FIELDS, buffer.reshape(1, -1), 3)


def test_rows_that_do_not_come_out_even_are_refused():
    with pytest.raises(ValueError):
        unpack(FIELDS, pack(FIELDS, ARRAYS), 2)
    with pytest.raises(ValueError):
        unpack(FIELDS, pack(FIELDS, {**ARRAYS, "pairs": np.array([1, 2, 3])}), 3)


def rules_of(promotions: int, rewards: int) -> dict[str, Any]:
    """Every number another one; there are as many promotions and rewards as asked for."""
    arrays: dict[str, Any] = {name: np.zeros((0, columns or 1), np.int64) for name, columns, _ in RULES}
    for number in range(layout.R_SLOTS):
        name = RULES[number][0]
        of_rewards = layout.R_KIND <= number < layout.R_SLOT_BEGIN or number >= layout.R_ROLE_BEGIN
        count = (rewards if of_rewards else promotions) + (number >= layout.R_SLOT_BEGIN)
        arrays[name] = 1_000 * (number + 1) + np.arange(count) // (2 if number >= layout.R_SLOT_BEGIN else 1)
    return arrays


def test_what_stands_together_is_read_back():
    arrays = rules_of(3, 5)
    buffer = pack(RULES, arrays, TOGETHER)
    found = unpack(RULES, buffer, 1, TOGETHER)
    buffer.flags.writeable = False
    assert [name for name, _, _ in RULES] == list(found)
    for number, (name, _, _) in enumerate(RULES):
        assert found[name].tolist() == arrays[name].tolist(), name
        assert size(buffer, number) == arrays[name].size
        if number < layout.R_SLOTS:
            assert [its(buffer, number, i) for i in range(len(arrays[name]))] == arrays[name].tolist()
    assert [has(buffer, layout.R_SLOT_BEGIN, i) for i in range(3)] == [False, True, False]


@pytest.mark.parametrize("change", [-(2**62), -8, -1, 1, 8, 2**62])
def test_a_changed_directory_of_rows_is_refused(change):
    """All but a length for which rows have room: that is another ruleset, which the image's checks refuse."""
    for entry in range(2 * len(RULES)):
        buffer = pack(RULES, rules_of(3, 5), TOGETHER)
        buffer[entry] += change
        if entry % 2 and entry < 2 * layout.R_SLOTS and change == 1 and buffer[entry] in (4, 5):
            name = RULES[entry // 2][0]
            assert len(unpack(RULES, buffer, 1, TOGETHER)[name]) == len(rules_of(3, 5)[name]) + 1
            continue
        with pytest.raises(ValueError):
            unpack(RULES, buffer, 1, TOGETHER)


def test_something_behind_the_last_one_is_refused():
    buffer = pack(RULES, rules_of(3, 5), TOGETHER)
    buffer[buffer[0] + 3 * layout.R_SLOT_BEGIN] = 1  # a group of the fourth of three promotions
    with pytest.raises(ValueError, match="group"):
        unpack(RULES, buffer, 1, TOGETHER)


def test_nothing_else_reads_what_stands_together():
    """`at`, `cell` and `view` would read another field's numbers, and nothing would say so."""
    names = [f"R_{name.upper()}" for name, _, _ in RULES[: layout.R_SLOTS]]
    wrong = re.compile(rf"\b(at|cell|view)\(\s*\w+,\s*({'|'.join(names)})\b")
    right = re.compile(rf"\b(its|has)\(\s*rules,\s*({'|'.join(names)})\b")
    texts = [path.read_text("utf-8") for path in Path(layout.__file__).parent.glob("*.py")]
    assert not [found for text in texts for found in wrong.findall(text)]
    assert sum(len(right.findall(text)) for text in texts) > 100
    unknown = re.compile(r"\b(its|has)\(\s*\w+,\s*(\w+)")
    assert {name for text in texts for _, name in unknown.findall(text)} - {"field"} <= set(names)


def test_names_are_unique():
    for fields in (RULES, QUESTION, SCALARS, TABLE):
        assert len({field[0] for field in fields}) == len(fields)


def test_every_field_has_its_number_and_its_meaning():
    """Numbers stand beside the tables, where kernels can take them for constants: the two must keep step."""
    for prefix, fields in (("R_", RULES), ("Q_", QUESTION), ("Q_", SCALARS), ("T_", TABLE)):
        for number, row in enumerate(fields):
            assert getattr(layout, prefix + str(row[0]).upper()) == number
            assert row[-1], row[0]
