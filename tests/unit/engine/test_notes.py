"""What is noted of a request says the same as its buffer, which is read line by line here."""

from random import Random

import numpy as np
import pytest

from engine.kernel import Ints
from engine.layout import QUESTION, RULES, pack
from engine.notes import HEAD, N_SEGMENT, N_WORTH, UNJUDGED, lines_of, mark_of, noted, notes_of, units_of, weigh

SEGMENTS, PLACES = 3, 2
RULESET = pack(
    RULES,
    {name: np.zeros(0, np.int64) for name, _, _ in RULES}
    | {"segment_begin": np.zeros(SEGMENTS + 1, np.int64), "place_begin": np.zeros(PLACES + 1, np.int64)},
)
UNKNOWN = 10**9


def question(sets: list[list[int]], lines: list[int], amounts: list[int]) -> Ints:
    """A request of these sets by line, and of units by line and list amount."""
    arrays = {name: np.zeros(0, np.int64) for name, _, _ in QUESTION}
    arrays["set_begin"] = np.cumsum([0, *map(len, sets)])
    arrays["sets"] = np.array([one for some in sets for one in some], np.int64)
    arrays["line_marks"] = np.zeros(len(sets), np.int64)
    arrays["unit_line"], arrays["unit_list"] = np.array(lines, np.int64), np.array(amounts, np.int64)
    return pack(QUESTION, arrays)


def found(notes: Ints, span: tuple[int, int]) -> list[int]:
    begin, end = span
    return [int(one) for one in notes[begin:end]]


@pytest.mark.parametrize("seed", range(30))
def test_sets_and_lines_are_turned_round(seed):
    random = Random(seed)
    most = random.choice([3, 60, 100_000])
    sets = [sorted(random.sample(range(most), random.randint(0, min(most, 9)))) for _ in range(random.randint(0, 40))]
    lines = [random.randrange(len(sets)) for _ in range(random.randint(0, 80))] if sets else []
    amounts = [random.randrange(1_000) for _ in lines]
    q = question(sets, lines, amounts)
    notes = notes_of(RULESET, q)
    for of in {one for some in sets for one in some} | {most, UNKNOWN}:
        assert found(notes, lines_of(notes, of)) == [line for line, some in enumerate(sets) if of in some]
    left = np.array([amount // 2 for amount in amounts], np.int64)
    weigh(q, notes, left)
    for line in range(len(sets)):
        mine = [unit for unit, own in enumerate(lines) if own == line]
        assert found(notes, units_of(notes, line)) == mine
        assert noted(notes, N_WORTH, line) == sum(amounts[unit] for unit in mine)
        assert noted(notes, N_WORTH, len(sets) + line) == sum(int(left[unit]) for unit in mine)
        assert notes[mark_of(notes, line)] == 0
    assert [noted(notes, N_SEGMENT, segment) for segment in range(SEGMENTS)] == [UNJUDGED] * SEGMENTS


def test_sets_that_meet_in_one_slot():
    first = HEAD  # any number will do: those that follow fill up the table
    sets = [list(range(first, first + 200)), list(range(first + 100, first + 300))]
    notes = notes_of(RULESET, question(sets, [0, 1], [5, 5]))
    assert [len(found(notes, lines_of(notes, of))) for of in (first - 1, first, first + 150, first + 299)] == [
        0,
        1,
        2,
        1,
    ]
    assert found(notes, lines_of(notes, first + 300)) == []
