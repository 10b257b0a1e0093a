"""The `einklang` command, also `python -m server`: Ctrl-C while modules are still being imported ends it in silence."""

from __future__ import annotations

import signal


def main() -> None:
    """Import the command line, and run it."""
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    from server.cli import main as run

    signal.signal(signal.SIGINT, before)
    run()


if __name__ == "__main__":
    main()
