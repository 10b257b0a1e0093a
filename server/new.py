"""`einklang new`: the files that a template makes, written where none are. Nothing that exists is ever changed."""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dsl.scaffold import PROJECT, Host, Unfit, Wanted, new_project, new_promotion, next_monday, path_of, read, templates
from server.clock import Clock, SystemClock
from server.publish import PublishFailed, read_project

__all__ = ["Unfit", "Wanted", "Written", "day", "project", "promotion", "shown", "table"]

FIRST_YEAR, LAST_YEAR = 1970, 2098  # tests of a promotion look at days after its last


@dataclass(frozen=True, slots=True)
class Written:
    """The new files, and what the author has to fill in before they mean something."""

    files: tuple[Path, ...]
    fill_in: tuple[str, ...] = ()
    meets: tuple[str, ...] = ()  # promotions that may beat the new one in its tests


def table() -> str:
    """The templates there are, one a line."""
    known = [
        *((one.name, one.about) for one in templates()),
        (PROJECT, "a whole project: settings, sets, groups, guards, a first promotion"),
    ]
    width = max(len(name) for name, _ in known)
    rows = [f"  {name:<{width}}  {about}" for name, about in known]
    return "\n".join(["einklang new TEMPLATE NAME writes promotions/NAME.promo with its tests:", "", *rows])


def day(text: str) -> datetime.date | None:
    """A date as the language writes it; None for ""."""
    if not text:
        return None
    try:
        found = datetime.date.fromisoformat(text)
    except ValueError:
        raise Unfit(f"--from {text}: dates are year-month-day, as 2026-09-07") from None
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise Unfit(f"--from {text}: years are {FIRST_YEAR} to {LAST_YEAR}")
    return found


def shown(directory: Path | str) -> str:
    """A directory, as a shell takes it."""
    return shlex.quote(Path(directory).as_posix())


def monday(clock: Clock | None = None) -> datetime.date:
    """When a new promotion begins if nothing else is said: next Monday."""
    now = datetime.datetime.fromtimestamp((clock or SystemClock()).now_us() // 1_000_000, datetime.UTC)
    return next_monday(now.date())


def promotion(directory: Path, template: str, wanted: Wanted, day: datetime.date | None = None) -> Written:
    """Write promotions/NAME.promo into a project. Raises Unfit; then nothing was written."""
    chosen = read(template)
    target = directory / path_of(wanted.name)
    try:
        files = read_project(directory)
    except PublishFailed:
        raise Unfit(f"{directory}: there is no project here; `einklang new project DIR` makes one") from None
    made = new_promotion(Host(files), chosen, wanted, day or monday())
    _write({target: made.text})
    return Written((target,), tuple(made.fill_in), tuple(made.meets))


def project(
    directory: Path,
    *,
    currencies: tuple[str, ...],
    timezone: str,
    languages: tuple[str, ...],
    day: datetime.date | None = None,
) -> Written:
    """Write a whole project into a directory that is empty or does not exist yet. Raises Unfit."""
    try:
        if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
            raise Unfit(f"{directory}: is not empty; a new project needs a directory of its own")
    except OSError as error:
        raise Unfit(f"{directory}: {error.strerror}") from None
    made = new_project(day or monday(), currencies=currencies, timezone=timezone, languages=languages)
    files = {directory / name: text for name, text in made.items()}
    _write(files)
    return Written(tuple(files))


def _write(files: Mapping[Path, str]) -> None:
    """All of them, or none: what exists is never written over."""
    written: list[Path] = []
    try:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8", newline="\n") as file:
                written.append(path)
                file.write(text)
    except FileExistsError as error:
        _undo(written)
        raise Unfit(f"{error.filename}: is there already; nothing was written") from None
    except OSError as error:
        _undo(written)
        raise Unfit(f"{error.filename}: cannot be written: {error.strerror}") from None


def _undo(written: list[Path]) -> None:
    for path in written:
        path.unlink(missing_ok=True)
