"""`einklang test`: the test blocks of a project, decided by the kernels that serve, in this process."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dsl import testing
from dsl.compiler import Compilation, compile_project
from engine.basket import Request
from engine.decision import Decision
from server import kernels


@dataclass(frozen=True)
class Outcome:
    """What became of the tests; none ran where the project does not compile."""

    compilation: Compilation
    results: tuple[testing.Result, ...]

    @property
    def failed(self) -> int:
        """How many tests did not get what they expect."""
        return sum(not result.ok for result in self.results)

    def as_data(self) -> dict[str, object]:
        """The same for programs."""
        return {
            "diagnostics": [found.as_data() for found in self.compilation.diagnostics],
            "tests": [
                {
                    "name": result.case.name,
                    "file": result.case.span.file,
                    "line": result.case.span.line,
                    "ok": result.ok,
                    "failures": [
                        {
                            "line": failure.span.line,
                            "expected": failure.expected,
                            "but": failure.but,
                            "because": list(failure.because),
                        }
                        for failure in result.failures
                    ],
                }
                for result in self.results
            ],
            "passed": len(self.results) - self.failed,
            "failed": self.failed,
        }


def run(
    files: Mapping[str, bytes], keyword: str, *, cache_dir: Path, tell: Callable[[str], None] = lambda _: None
) -> Outcome:
    """Compile the project and run its tests, those with `keyword` in their name.

    `tell` is told when the engine must be compiled first, which takes a while. Raises kernels.CacheUnsafe."""
    compilation = compile_project(files)
    if not compilation.ok:
        return Outcome(compilation, ())
    wanted = tuple(case for case in compilation.tests if keyword.casefold() in case.name.casefold())
    if not wanted:
        return Outcome(compilation, ())
    decide = machine(compilation, cache_dir, tell)
    return Outcome(compilation, testing.run(dataclasses.replace(compilation, tests=wanted), decide))


def machine(compilation: Compilation, cache_dir: Path, tell: Callable[[str], None]) -> Callable[[Request], Decision]:
    """The engine with this project's ruleset, explaining every promotion."""
    prepared = kernels.prepare(cache_dir)
    if not prepared.compiled:
        tell(kernels.FIRST)
    prepared.ensure(kernels.compile_here, lambda how_far: tell(f"compiling: {how_far}"))
    from engine.decide import decide, warm
    from engine.image import load
    from engine.link import link

    image = link(compilation.programs)
    parts = {digest: memoryview(data) for digest, data in image.parts.items()}
    ruleset = load(image.manifest, parts)
    warm(ruleset)
    return lambda request: decide(ruleset, request, everything=True)
