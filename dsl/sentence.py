"""What a declaration means, said in sentences: `einklang explain NAME`, the hover of editors, the documentation site.

sentence(project, "pasta-3-for-2", "de")    # "Von 7. bis 12. September 2026, in stores: …"
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dsl.project import Project
from dsl.sentence_de import German
from dsl.sentence_en import English
from dsl.speaker import Speaker

LANGUAGES = ("en", "de")


def sentence(project: Project, name: str, language: str = "en") -> str | None:
    """What the declaration of this name means; None: there is none. Of several kinds promotions come first."""
    speaker: Speaker = German(project) if language == "de" else English(project)
    say: tuple[Callable[[Any], str], ...] = (
        speaker.promotion,
        speaker.members,
        speaker.members,
        speaker.members,
        speaker.group,
        speaker.guard,
        speaker.codes,
    )
    tables = zip(project.named(), say, strict=True)
    return next((speak(table[name]) for table, speak in tables if name in table), None)
