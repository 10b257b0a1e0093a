"""`einklang check --fix`: what the fixes of findings make of the files. A file is written whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dsl.mending import Mended, mend
from dsl.phrases import Language, say
from server.formatting import Formatted, difference, write


@dataclass(frozen=True, slots=True)
class Outcome:
    """The project's files as they are now, and the results of those that fixes change."""

    files: dict[str, bytes]
    mended: Mended
    results: tuple[Formatted, ...]

    @property
    def differences(self) -> str:
        """What fixes change, as a unified diff."""
        return "".join(map(difference, self.results))

    def summary(self, language: Language) -> str:
        """3 findings mended in 2 files"""
        done = sum(result.state == "reformatted" for result in self.results)
        count = len(self.mended.applied)
        findings = say("1 finding") if count == 1 else say("{count} findings", count=count)
        files = say("1 file") if done == 1 else say("{count} files", count=done)
        return say("mended {findings} in {files}", findings=findings, files=files).text(language)


def mended(directory: Path, files: Mapping[str, bytes], *, writing: bool) -> Outcome:
    """Apply what fixes can do to a project; `writing`: to its files on disk, too."""
    done = mend(files)
    now = dict(files)
    results = []
    for name, data in sorted(done.files.items()):
        path = directory / name
        result = Formatted(str(path), "reformatted", files[name].decode(), data.decode())
        if writing:
            result = _written(path, files[name], result)
        if writing and result.state == "reformatted":
            now[name] = data
        results.append(result)
    return Outcome(now, done, tuple(results))


def _written(path: Path, expected: bytes, result: Formatted) -> Formatted:
    """Write it, unless somebody else wrote since it was read."""
    try:
        same = path.read_bytes() == expected
    except OSError as error:
        return Formatted(result.path, "left", result.before, result.before, f"it cannot be read: {error.strerror}")
    if not same:
        return Formatted(result.path, "left", result.before, result.before, "it has changed since it was read")
    return write(result)
