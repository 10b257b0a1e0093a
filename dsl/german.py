"""The German of every sentence and part of one that people read: by the English template, with the same gaps.

Short and impersonal, as a German colleague would say it; words of the language stay English and stand in «».
"""

from __future__ import annotations

GERMAN: dict[str, str] = {
    "error": "Fehler",
    "warning": "Warnung",
    "note": "Hinweis",
    "did you mean «{name}»?": "gemeint: «{name}»?",
}
