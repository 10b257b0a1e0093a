"""Tables beside the rules: CSV and Parquet, read into columns of texts, then into the scales of their attributes."""

from __future__ import annotations

import csv
import datetime
import io
import re
from array import array
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import NamedTuple

from dsl import limits
from dsl.diagnostics import Diagnostic, Span, found
from dsl.memory import Memory
from dsl.phrases import Phrase, say
from dsl.values import EPOCH, MACHINE_TYPES, AttributeInfo
from engine.basket import PIECE_MICROS_MAX
from engine.money import EXPONENTS
from engine.program import Type

Cells = list[str | None]


@dataclass(frozen=True, slots=True)
class Table:
    """Columns by name, as texts; None where a cell is empty. `lines` are those of the rows in the file."""

    file: str
    columns: Mapping[str, Cells]
    rows: int
    lines: Sequence[int]


class Unreadable(Exception):
    """Why a file is no table, in people's words."""

    def __init__(self, why: Phrase) -> None:
        super().__init__(str(why))
        self.why = why


def read_table(file: str, data: bytes) -> Table:
    """A CSV or Parquet file with a line of column names. Raises Unreadable."""
    if len(data) > limits.DATA_BYTES_MAX:
        raise Unreadable(
            say("it has {size} bytes, at most {most} are read", size=len(data), most=limits.DATA_BYTES_MAX)
        )
    table = _parquet(file, data) if file.endswith(".parquet") else _csv(file, data)
    if table.rows > limits.TABLE_ROWS_MAX:
        raise Unreadable(
            say("it has {size} rows, at most {most} are read", size=table.rows, most=limits.TABLE_ROWS_MAX)
        )
    return table


def read_list(file: str, data: bytes, headings: Sequence[str]) -> tuple[str, ...]:
    """The first column of a CSV file, without blanks around; a first line that is one of these headings is none of it.

    Raises Unreadable."""
    if file.endswith(".parquet"):
        table = _parquet(file, data)
        cells: Sequence[str | None] = next(iter(table.columns.values()), [])
    else:
        rows = _rows(data)
        cells = [row[0] if row else None for _, row in rows]
        if cells and (cells[0] or "").strip().lower() in headings:
            cells = cells[1:]
        elif any(len(row) > 1 and any(row[1:]) for _, row in rows):
            names = tuple(headings)
            raise Unreadable(say("a list of several columns begins with the name of its first: {names}", names=names))
    entries = tuple(dict.fromkeys(cell.strip() for cell in cells if cell and cell.strip()))
    if len(entries) > limits.LISTED_ENTRIES_MAX:
        most = limits.LISTED_ENTRIES_MAX
        raise Unreadable(say("it has {size} entries, at most {most} are read", size=len(entries), most=most))
    long = next((entry for entry in entries if len(entry) > limits.TEXT_CHARACTERS_MAX), None)
    if long is not None:
        most = limits.TEXT_CHARACTERS_MAX
        raise Unreadable(say("«{entry}…» is longer than {most} characters", entry=long[:20], most=most))
    return entries


def _rows(data: bytes) -> list[tuple[int, list[str]]]:
    """The rows, each with the line it begins on."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise Unreadable(say("it is a workbook; save the sheet as CSV in UTF-8"))
    if "\0" in text:
        raise Unreadable(say("it is not text in UTF-8"))
    first = text.partition("\n")[0]
    delimiter = ";" if first.count(";") > first.count(",") else "\t" if "\t" in first and "," not in first else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[tuple[int, list[str]]] = []
    begin = 1
    try:
        for row in reader:
            rows.append((begin, row))
            begin = reader.line_num + 1
    except csv.Error as error:
        why = say("a cell is too long") if "larger" in str(error) else say("quotes do not fit together")
        raise Unreadable(say("from line {line} on {why}", line=begin, why=why)) from None
    return rows


def _csv(file: str, data: bytes) -> Table:
    rows = _rows(data)
    heading = rows[0][1] if rows else []
    if not any(cell.strip() for cell in heading):
        raise Unreadable(say("its first line has no names of columns"))
    names = [column_name(cell) for cell in heading]
    _unique(names)
    width = len(names)
    kept: list[list[str]] = []
    lines = array("q")
    for number, row in rows[1:]:
        if not any(row):
            continue
        if len(row) != width:
            why = say(
                "line {line} has {count} cells, the first line has {first}", line=number, count=len(row), first=width
            )
            raise Unreadable(why)
        lines.append(number)
        kept.append(row)
    cells = zip(*kept, strict=True) if kept else ((),) * width
    columns: dict[str, Cells] = {
        name: [cell.strip() or None for cell in column] for name, column in zip(names, cells, strict=True)
    }
    return Table(file, columns, len(lines), lines)


def changed_table(before: Table, old: bytes, new: bytes) -> Table | None:
    """The table of a CSV file of which some lines changed, from what the file was; None where it must be read whole:
    where lines are counted in other ways, rows began elsewhere, or what is new does not fit.

    The bytes before and behind what changed are the same, and rows began there: so those rows are the same. Columns
    that did not change stay the same objects."""
    same = _alike(old, new)
    behind = _alike(old[same:], new[same:], from_end=True)
    begin = old.rfind(b"\n", 0, same) + 1
    end = old.find(b"\n", len(old) - behind) + 1 or len(old)
    first_line, last_line = (old.count(b"\n", 0, position) + 1 for position in (begin, end))
    first = bisect_left(before.lines, first_line)
    last = bisect_left(before.lines, last_line) if end < len(old) else before.rows
    boundaries = (begin, first, first_line), (end, last, last_line)
    if (
        begin == 0
        or len(new) > limits.DATA_BYTES_MAX
        or any(text.count(b"\r") != text.count(b"\r\n") for text in (old, new))
        or any(at < len(old) and list(before.lines[row : row + 1]) != [line] for at, row, line in boundaries)
    ):
        return None
    heading = old[: old.index(b"\n") + 1]
    try:
        rows = [
            (number, row) for number, row in _rows(heading + new[begin : end + len(new) - len(old)])[1:] if any(row)
        ]
    except Unreadable:
        return None
    if b'"' in heading or any(len(row) != len(before.columns) for _, row in rows):
        return None
    columns = dict(before.columns)
    for position, (name, cells) in enumerate(before.columns.items()):
        changed = [row[position].strip() or None for _, row in rows]
        if changed != cells[first:last]:
            columns[name] = [*cells[:first], *changed, *cells[last:]]
    shift = new.count(b"\n") - old.count(b"\n")
    lines = array("q", before.lines[:first])
    lines.extend(first_line + number - 2 for number, _ in rows)  # line 2 there, behind the heading
    lines.extend(before.lines[last:] if not shift else [line + shift for line in before.lines[last:]])
    return Table(before.file, columns, len(lines), lines) if len(lines) <= limits.TABLE_ROWS_MAX else None


def _alike(one: bytes, other: bytes, *, from_end: bool = False) -> int:
    """How many bytes are the same, from the begin or from the end on."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if from_end:
            same = one[len(one) - middle : len(one) - low] == other[len(other) - middle : len(other) - low]
        else:
            same = one[low:middle] == other[low:middle]
        low, high = (middle, high) if same else (low, middle - 1)
    return low


def _parquet(file: str, data: bytes) -> Table:
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.read_table(io.BytesIO(data))
        names = [column_name(name) for name in table.column_names]
        _unique(names)
        columns = {
            name: [_cell(value) for value in column.to_pylist()]
            for name, column in zip(names, table.columns, strict=True)
        }
    except (pyarrow.ArrowException, OSError, ValueError, TypeError):
        raise Unreadable(say("it is no Parquet file that can be read")) from None
    return Table(file, columns, table.num_rows, range(1, table.num_rows + 1))


def _cell(value: object) -> str | None:
    match value:
        case None:
            return None
        case bool():
            return "yes" if value else "no"
        case datetime.datetime():
            return value.date().isoformat()
        case datetime.date():
            return value.isoformat()
        case Decimal():
            return f"{value:f}"
        case float():
            return f"{Decimal(repr(value)):f}" if abs(value) < 1e15 else None  # not NaN either
        case _:
            return str(value).strip() or None


def _unique(names: Sequence[str]) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise Unreadable(say("the column «{name}» stands there twice", name=twice))


def column_name(text: str) -> str:
    """Price_Bound → price-bound; «price EUR» → price eur."""
    return " ".join(text.strip().lower().replace("_", "-").split())


# ---------------------------------------------------------------------------------------------------- cells

CellReader = Callable[[str], int | str]


_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,30})?")


class _Misfit(Exception):
    """Why a cell does not fit."""

    def __init__(self, why: Phrase) -> None:
        super().__init__(str(why))
        self.why = why


def _decimal(text: str) -> Decimal:
    if not _NUMBER.fullmatch(text) or abs(Decimal(text)) > 10**12:
        raise _Misfit(say("numbers are written with a point") if "," in text else say("it is no number"))
    return Decimal(text)


def _scaled(text: str, scale: int, least: int = 0) -> int:
    value = _decimal(text) * scale
    if value != value.to_integral_value():
        raise _Misfit(say("it has too many decimals"))
    if value < least:
        raise _Misfit(say("it is negative"))
    return int(value)


def _yes_no(text: str) -> int:
    known = {"yes": 1, "true": 1, "1": 1, "no": 0, "false": 0, "0": 0}
    if text.lower() not in known:
        raise _Misfit(say("it is neither yes nor no"))
    return known[text.lower()]


def _date(text: str) -> int:
    try:
        return (datetime.date.fromisoformat(text) - EPOCH).days
    except ValueError:
        raise _Misfit(say("it is no date like 2026-09-17")) from None


def _percent(text: str) -> int:
    return _scaled(text.removesuffix("%").strip(), 100)


def _text(text: str) -> str:
    if len(text) > limits.TEXT_CHARACTERS_MAX:
        raise _Misfit(say("it is longer than {most} characters", most=limits.TEXT_CHARACTERS_MAX))
    return text


def _choice(choices: Sequence[str]) -> CellReader:
    known = frozenset(choices)

    def read(text: str) -> str:
        if text not in known:
            raise _Misfit(say("choose from: {words}", words=tuple(choices)))
        return text

    return read


def _score(text: str) -> int:
    if text not in ("1", "2", "3", "4", "5"):
        raise _Misfit(say("a score is 1 to 5"))
    return int(text) * 1_000_000


def _price(currency: str) -> CellReader:
    def read(text: str) -> int:
        plain = text.removeprefix(currency).strip()
        micros = _scaled(plain, 1_000_000)
        if micros > PIECE_MICROS_MAX:
            raise _Misfit(say("no price is that high"))
        return micros

    return read


def _no_list(text: str) -> str:
    raise _Misfit(say("lists of texts cannot stand in a table"))


def _reader(info: AttributeInfo, channels: Sequence[str], currency: str) -> CellReader:
    readers: dict[str, CellReader] = {
        "number": lambda text: _scaled(text, 1_000_000, least=-(10**18)),
        "percent": _percent,
        "yes-no": _yes_no,
        "date": _date,
        "money": _price(currency),
        "one of": _choice(info.choices),
        "channel": _choice(channels),
        "score-1-to-5": _score,
        "list of text": _no_list,
    }
    return readers.get(info.kind, _text)


_NO_CODES = ("€", "$", "£", "euro", "euros", "dollar", "dollars", "cent", "franken", "gross", "net", "brutto", "netto")


class TypedColumn(NamedTuple):
    """A column in the scale of its attribute, its rows in the order of the table."""

    name: str
    type: Type
    currency: str  # of money, else ""
    values: list[int | str | None]


def typed_columns(
    table: Table,
    attributes: Mapping[str, AttributeInfo],
    channels: Sequence[str],
    currencies: Sequence[str],
    memory: Memory | None = None,
) -> tuple[tuple[TypedColumn, ...], list[Diagnostic]]:
    """The columns that carry attributes' names. Other columns are nobody's business."""
    memory = memory or Memory(lasting=False)
    columns: list[TypedColumn] = []
    findings: list[Diagnostic] = []
    seen: dict[tuple[str, str], str] = {}
    for written, cells in table.columns.items():
        name, _, code = written.partition(" ")
        info = attributes.get(name)
        currency = code.upper() if code else (currencies[0] if currencies else "")
        if info is not None and info.kind == "money" and (code in _NO_CODES or (name, currency) in seen):
            write = f"{name} {currencies[0] if currencies else 'EUR'}"
            why = say("its column «{column}»: it names no currency, write «{write}»", column=written, write=write)
            if (name, currency) in seen:
                other = seen[name, currency]
                why = say(
                    "its column «{column}»: «{other}» has the same, write «{write}»",
                    column=written,
                    other=other,
                    write=write,
                )
            findings.append(found("P1018", Span(table.file, 1, 1, 1, 2), name=table.file, why=why))
            continue
        if info is None or (code and (info.kind != "money" or currency not in EXPONENTS)):
            continue
        seen[name, currency] = written
        read = _reader(info, channels, currency)
        values, bad = memory.derived(
            ("cells", table.file, written, info.path, currency), (cells,), partial(_meant, cells, read)
        )
        if bad:
            row, wrong = next((row, cell) for row, cell in enumerate(cells) if cell in bad)
            findings.append(misfit(table, row, written, wrong or "", bad[wrong]))
        machine = MACHINE_TYPES[info.kind]
        columns.append(TypedColumn(name, machine, currency if machine is Type.MONEY else "", values))
    return tuple(sorted(columns, key=lambda column: (column.name, column.currency))), findings


def _meant(cells: Cells, read: CellReader) -> tuple[list[int | str | None], dict[str | None, Phrase]]:
    """What the cells say, and why some say nothing. Most texts stand in many rows and are read once."""
    meant: dict[str | None, int | str | None] = {}
    bad: dict[str | None, Phrase] = {}
    for cell in dict.fromkeys(cells):
        meant[cell] = None
        try:
            meant[cell] = None if cell is None else read(cell)
        except _Misfit as misfitting:
            bad[cell] = misfitting.why
    return list(map(meant.__getitem__, cells)), bad


def misfit(table: Table, row: int, column: str, value: str, why: Phrase) -> Diagnostic:
    """A cell that does not fit its column."""
    line = table.lines[row]
    span = Span(table.file, line, 1, line, 2)
    return found("P1019", span, value=value[:60], column=column, why=why, row=line, name=table.file)
