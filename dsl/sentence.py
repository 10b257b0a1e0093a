"""What a declaration means, said in sentences: `einklang explain NAME`, the hover of editors, the documentation site.

sentence(project, "pasta-3-for-2", "de")    # "Von 7. bis 12. September 2026, in stores: …"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dsl.project import Project
from dsl.sentence_de import German
from dsl.sentence_en import English
from dsl.speaker import Speaker

LANGUAGES = ("en", "de")


def sentence(project: Project, name: str, language: str = "en") -> str | None:
    """What the declaration of this name means; None: there is none. Of several kinds promotions come first."""
    speaker: Speaker = German(project) if language == "de" else English(project)
    tables: tuple[tuple[Mapping[str, Any], Callable[[Any], str]], ...] = (
        (project.promotions, speaker.promotion),
        (project.segments, speaker.members),
        (project.products, speaker.members),
        (project.places, speaker.members),
        (project.groups, speaker.group),
        (project.guards, speaker.guard),
        (project.codes, speaker.codes),
    )
    return next((say(table[name]) for table, say in tables if name in table), None)
