"""The site on disk: written beside the old one, then put in its place, so that nobody ever reads half a site."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from server.site.model import gather
from server.site.render import files

MARK = "einklang-site"  # a file that says: this directory is ours to replace


class NotOurs(Exception):
    """The directory holds something that this command did not write."""


def write(project: Mapping[str, bytes], into: Path, *, title: str, language: str) -> int:
    """Write the site of a project; how many pages. Raises NotOurs, OSError."""
    if into.exists() and (not into.is_dir() or (any(into.iterdir()) and not (into / MARK).exists())):
        raise NotOurs(f"{into} holds other files; name a new directory")
    site = gather(project, language)
    into.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{into.name}-", dir=into.parent))
    try:
        pages = 0
        for path, text in files(site, title=title, language=language):
            target = fresh / path
            target.parent.mkdir(exist_ok=True)
            target.write_text(text, encoding="utf-8")
            pages += path.endswith(".html")
        (fresh / MARK).write_text("written by einklang docs\n", encoding="utf-8")
        fresh.chmod(0o755)
        if into.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{into.name}-old-", dir=into.parent))
            os.replace(into, old / "site")
            os.replace(fresh, into)
            shutil.rmtree(old)
        else:
            os.replace(fresh, into)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return pages
