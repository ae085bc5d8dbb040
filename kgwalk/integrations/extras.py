"""Optional packages: what is missing is named with the line that installs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Around the imports of a module that stands on an extra.

    Raises:
        ImportError: a package is not installed; the message names it and the ``pip install`` line.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise ImportError(
            f"kgwalk.integrations.{extra} needs {error.name}, which is not installed: pip install 'kgwalk[{extra}]'"
        ) from error
