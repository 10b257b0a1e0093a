"""Buffers and their directories: what is packed is read back, and a wrong directory is refused."""

import numpy as np
import pytest

from engine import layout
from engine.layout import QUESTION, RULES, SCALARS, TABLE, at, cell, pack, size, unpack, view

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


def test_names_are_unique():
    for fields in (RULES, QUESTION, SCALARS, TABLE):
        assert len({field[0] for field in fields}) == len(fields)


def test_every_field_has_its_number_and_its_meaning():
    """Numbers stand beside the tables, where kernels can take them for constants: the two must keep step."""
    for prefix, fields in (("R_", RULES), ("Q_", QUESTION), ("Q_", SCALARS), ("T_", TABLE)):
        for number, row in enumerate(fields):
            assert getattr(layout, prefix + str(row[0]).upper()) == number
            assert row[-1], row[0]
