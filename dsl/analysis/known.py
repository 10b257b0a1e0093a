"""What was claimed of single Programs when their project was compiled before, for a process that compiles it again.

A Program is judged again when it, or another Program that was looked at meanwhile, is another object now; all are when
anything else of the ruleset changed that may bear on them (settings, schema, guards, zones)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dsl.analysis.claims import Claim
from dsl.analysis.ruleset import Rules
from dsl.analysis.worlds import Worlds
from dsl.memory import Memory
from engine.program import Program

_Work = Callable[[Worlds], Iterable[Claim]]


class Known:
    """Of one ruleset. What a work claims depends on the Program, on those that the rules name, and on their world."""

    def __init__(self, rules: Rules, worlds: Worlds, memory: Memory | None = None) -> None:
        self._rules = rules
        self._worlds = worlds
        self._memory = memory if memory is not None and memory.lasting else None
        if self._memory is not None:
            rules.watch(self._memory)

    def of(self, what: object, program: Program, work: _Work) -> tuple[Claim, ...]:
        """What the work named `what` claims of a Program."""
        memory = self._memory
        if memory is None:
            return tuple(work(self._worlds))
        known: tuple[Claim, ...] | None = memory.recall(what, program)
        if known is not None:
            return known
        # Of worlds that others have asked, some answers would come without the questions that they rest on.
        return memory.work(what, program, lambda: tuple(work(Worlds(self._rules))))

    def now(self, work: _Work) -> tuple[Claim, ...]:
        """What a work claims that depends on more than that; not kept."""
        return tuple(work(self._worlds))
