"""Where the command line prints: results to stdout, everything about them to stderr."""

from __future__ import annotations

import logging

from rich.console import Console

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def start_logging() -> None:
    """Show what the library logs where no progress bar is shown: in files and pipes."""
    level = logging.WARNING if err.is_terminal else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
