"""Holidays in `only on`: what slots become, what is claimed, what a test says of the day, what plan says. And costs."""

from __future__ import annotations

from functools import partial

import pytest

from dsl.assist import Assist
from dsl.change_rules import Effect
from dsl.changes import Side, changes
from dsl.compiler import Compilation
from dsl.report import report
from dsl.testing import run
from engine import program as p
from tests.oracle.decide import decide as oracle
from tests.unit.dsl.frame import check_framed, compile_framed
from tests.unit.dsl.test_analysis import promotion

TABLE = 'holidays from "data/days.csv"\n'
DAYS = "date,region,name\n2026-10-03,,Unity Day\n2026-11-18,North,Repentance Day\n2026-12-25,,Christmas\n"


def checked(*lines: str, days: str = DAYS, more: str = "") -> Compilation:
    return check_framed(TABLE + promotion(*lines) + more, {"data/days.csv": days.encode()})


def compiled(*lines: str, days: str = DAYS, more: str = "") -> Compilation:
    return compile_framed(TABLE + promotion(*lines) + more, {"data/days.csv": days.encode()})


def codes(*lines: str, days: str = DAYS, more: str = "") -> list[str]:
    return [finding.code for finding in checked(*lines, days=days, more=more).diagnostics]


def slots(line: str) -> list[tuple[int, int | None]]:
    made_of = compiled("runs from 2026-09-01 until 2026-12-31", line)
    (made,) = [one for one in made_of.programs if isinstance(one, p.Promotion) and one.name == "offer"]
    assert made.only_on is not None
    return [(slot.days, slot.holidays) for slot in made.only_on.slots]


# ---------------------------------------------------------------------------------------------------- what it means


@pytest.mark.parametrize(
    ("days", "usual", "off"),
    [
        ("Mon to Fri but not holidays", 0b0011111, 0),
        ("holidays", 0, 0b1111111),
        ("Sat, holidays", 0b0100000, 0b1111111),
        ("holidays but not Sun", 0, 0b0111111),
        ("Sat, holidays but not Sun", 0b0100000, 0b0111111),
        ("Mon, holidays but not Mon", 0, 0b1111110),
        ("Mon, Tue but not Tue, holidays", 0b0000001, 0),
        ("Mon to Sun but not holidays", 0b1111111, 0),
    ],
)
def test_days_on_holidays_and_on_others(days, usual, off):
    assert slots(f"only on {days}") == [(usual, off)]


@pytest.mark.parametrize("days", ["Mon to Fri", "Mon to Sun but not Sun"])
def test_who_does_not_ask_for_holidays_does_not_know_them(days):
    assert slots(f"only on {days}")[0][1] is None


@pytest.mark.parametrize(
    "days", ["holidays but not holidays", "holidays but not Mon to Sun", "Sat but not Sat, holidays"]
)
def test_every_day_taken_out_is_told(days):
    assert "P3021" in codes(f"only on {days}")


def test_the_table_becomes_a_program_in_any_order_of_its_rows():
    head, *rows = DAYS.strip().split("\n")
    programs = [
        compiled("only on Sat, holidays", days="\n".join([head, *lines, ""])).programs for lines in (rows, rows[::-1])
    ]
    (made,) = [one for one in programs[0] if isinstance(one, p.Holidays)]
    assert made.regions == ("", "North", "") and list(made.days) == sorted(made.days)
    assert programs[0] == programs[1]


def test_regions_are_those_of_the_stores_choices():
    schema = "schema {\n  attributes store {\n    region: one of north, south\n  }\n  channels stores\n}\n"
    for days, found in (("date,region\n2026-10-31,north\n", []), ("date,region\n2026-10-31,nord\n", ["P1019"])):
        compilation = compile_framed(schema + TABLE, {"data/days.csv": days.encode()})
        assert [finding.code for finding in compilation.diagnostics] == found
    numbers = schema.replace("one of north, south", "number")
    compilation = compile_framed(numbers + TABLE, {"data/days.csv": b"date,region\n2026-10-31,4\n"})
    assert [finding.code for finding in compilation.diagnostics] == ["P1018"]


# ---------------------------------------------------------------------------------------------------- what is claimed


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (("runs from 2026-09-01 until 2026-09-30", "only on holidays"), ["P3105"]),
        (("runs from 2026-10-02 until 2026-10-04", "only on holidays"), []),
        (("runs from 2026-10-03 until 2026-10-03", "only on Sat but not holidays"), ["P3105"]),
        (("runs from 2026-11-18 until 2026-11-18", "only on Wed but not holidays"), []),  # one of some regions alone
        (("runs from 2026-11-18 until 2026-11-18", "only on holidays but not Wed"), ["P3105"]),
        (("runs from 2026-09-01 until 2026-12-20", "only on holidays"), []),
        (("runs from 2026-10-04 until 2026-11-10", "only on holidays"), ["P3105"]),
        (("runs from 2026-10-04 12:00", "only on holidays"), []),
        (("runs from 2026-12-26 12:00", "only on holidays"), ["P3105"]),  # as the table stands
        (("runs from 2026-10-02 22:00 until 2026-10-04 01:00", "only on holidays between 22:00 and 02:00"), []),
        (("runs from 2026-10-02 until 2027-01-05", "only on Mon to Fri but not holidays"), ["P3110"]),
        (("runs from 2026-10-02 until 2027-01-01 00:00", "only on Mon to Fri but not holidays"), []),
        (("runs from 2025-12-31 until 2026-03-01", "only on Mon to Fri but not holidays"), ["P3110"]),
        (("runs from 2026-10-02", "only on Mon to Fri but not holidays"), []),
        (("runs from 2027-01-02", "only on Mon to Fri but not holidays"), ["P3110"]),
        (("runs from 2027-01-02 until 2027-03-05", "only on Mon to Fri"), ["P3112"]),
        (("runs from 2026-10-02 until 2026-10-04", "only on Fri, Mon but not holidays"), ["P3107"]),
    ],
)
def test_schedules(lines, found):
    assert codes(*lines) == found


def test_an_empty_table_has_no_year():
    assert codes("only on Mon to Fri but not holidays", days="date\n") == ["P3110"]


def test_who_wins_whenever_the_other_may_apply():
    lines = {
        "Mon to Fri": [],
        "Mon to Fri but not holidays": ["P6001"],
        "Sat": [],
        "Mon to Fri, holidays": [],
    }
    for days, found in lines.items():
        winner = promotion("only on Mon to Fri but not holidays", name="best", get="get 20% off pasta")
        assert codes(f"only on {days}", more=winner) == found, days
    wider = promotion("only on Mon to Fri", name="best", get="get 20% off pasta")
    assert codes("only on Mon to Fri but not holidays", more=wider) == ["P6001"]


# ---------------------------------------------------------------------------------------------------- what tests say


def said(days: str, at: str, *lines: str) -> str:
    test = "".join(f"  {line}\n" for line in (f"at {at}", "sold in stores", *lines, "buys 1 x penne"))
    sample = 'sample penne {\n  category: "Food/Pasta"\n  price: EUR 2.00\n}\n'
    compilation = compiled(
        "runs from 2026-09-01 until 2026-12-31",
        f"only on {days}",
        more=f'{sample}test "it" {{\n{test}  expect offer applies\n}}\n',
    )
    assert compilation.ok, compilation.diagnostics
    return report(run(compilation, partial(oracle, compilation.programs)))


def test_what_the_day_is():
    assert "2026-10-03 is a holiday\n" in said("Sat but not holidays", "2026-10-03 12:00")
    assert "2026-10-10 is no holiday\n" in said("holidays", "2026-10-10 12:00")
    unknown = said("holidays", "2026-11-18 12:00")
    assert "does not apply because unknown-fact" in unknown or "unknown-fact" in unknown
    assert "2026-11-18 is a holiday in «North»" in unknown and "store.region is not known" in unknown
    south = said("holidays", "2026-11-18 12:00", 'given store.region is "South"')
    assert "2026-11-18 is a holiday in «North»" in south and "store.region is South" in south
    assert "1 passed" in said("holidays", "2026-11-18 12:00", 'given store.region is "North"')


def test_of_a_night_the_day_it_began_on():
    shown = said("Sat but not holidays between 22:00 and 02:00", "2026-10-04 01:00")
    assert "2026-10-03 is a holiday\n" in shown and "2026-10-04" not in shown.split("2026-10-03 is a holiday")[1]


# ---------------------------------------------------------------------------------------------------- what plan says


def test_other_holidays_change_what_asks_for_them():
    lines = ("only on Mon to Fri but not holidays",)
    before, after = (
        Side(compiled(*lines, days=days, more=promotion("only on Mon", name="other")).programs)
        for days in (DAYS, DAYS + "2026-12-26,,Boxing Day\n")
    )
    found = [(change.kind, change.name, change.effect, change.words) for change in changes(before, after)]
    assert found == [
        ("holidays", "", Effect.SCHEDULE, "1 holiday new"),
        ("promotion", "offer", Effect.THROUGH, "holidays"),
    ]


# ---------------------------------------------------------------------------------------------------- costs


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ("100,1.80,,\n", ["P4006"]),
        ("100,1.80,2026-09-01,2026-09-30\n", ["P4006"]),
        ("100,1.80,2026-01-01,2026-06-30\n", []),
        ("100,1.80,2026-01-01,2026-09-10\n100,1.00,2026-09-11,\n", []),  # the least while it runs
        ("100,1.80,2026-01-01,2026-06-30\n100,1.85,2026-07-01,\n", ["P4006"]),
        ("100,0.20,,2026-08-01\n100,1.85,2026-08-02,\n", ["P4006"]),
    ],
)
def test_costs_count_while_the_promotion_runs(rows, found):
    text = 'catalogue from "data/articles.csv"\ncosts from "data/x.csv"\n' + promotion(get="get 15% off pasta")
    compilation = check_framed(text, {"data/x.csv": f"article,cost,from,until\n{rows}".encode()})
    assert [finding.code for finding in compilation.diagnostics if "«offer»" in finding.message] == found


# ---------------------------------------------------------------------------------------------------- what hover says


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ("until 2026-10-31", ["Sat 2026-10-03 Unity Day"]),
        ("until 2026-12-31", ["Sat 2026-10-03 Unity Day", "Wed 2026-11-18 Repentance Day (North)", "Fri 2026-12-25"]),
        ("until 2026-09-30", ["The table has no holiday while it runs."]),
        ("", ["Fri 2026-12-25 Christmas"]),
    ],
)
def test_hover_names_the_holidays(runs, said):
    text = TABLE + promotion(f"runs from 2026-09-01 {runs}".rstrip(), "only on Mon to Fri but not holidays")
    files = {"a.promo": text.encode(), "data/days.csv": (DAYS + "gestern,,\n,,\n").encode()}
    line = next(number for number, line in enumerate(text.split("\n"), start=1) if "only on" in line)
    found = Assist(files).hover("a.promo", line, 14)
    assert found is not None
    assert [part for part in said if part not in found.text] == []


def test_hover_over_other_days_and_without_a_table():
    for days, said in (("Mon to Fri", "days of the week"), ("holidays", "The table has no holiday")):
        text = promotion(f"only on {days}")
        found = Assist({"a.promo": text.encode()}).hover("a.promo", 5, 4)
        assert found is not None
        assert said in found.text
