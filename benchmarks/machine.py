"""What a figure was measured on, in a line."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path


def machine() -> str:
    """Cores, processor, Python, and how busy others are."""
    model = platform.machine()
    if (info := Path("/proc/cpuinfo")).exists() and (found := re.search(r"model name\s*:\s*(.+)", info.read_text())):
        model = found[1]
    load = os.getloadavg()[0]
    busy = f"; a load of {load:.1f} by others" if load > 0.5 else ""
    return f"{os.cpu_count()} cores, {model}, Python {platform.python_version()}{busy}"
