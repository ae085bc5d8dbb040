"""What every test may use: where the benchmark folders are, and threads set back after a test that changes them.

Tests of Ctrl-C need Python's own handler: a shell starts its background jobs with SIGINT ignored, and Python leaves it
so.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from kgwalk import _core


def pytest_configure() -> None:
    """Let Ctrl-C interrupt, however the tests were started."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder ``KGWALK_DATA`` names; tests that need real data skip without it."""
    folder = os.environ.get("KGWALK_DATA")
    if not folder:
        pytest.skip("KGWALK_DATA is not set: no benchmark folders to read")
    if not Path(folder).is_dir():
        pytest.fail(f"KGWALK_DATA names no folder: {folder}")
    return Path(folder)


@pytest.fixture
def keep_num_threads() -> Iterator[None]:
    """The C++ core's number of threads, set back afterwards."""
    before = _core.num_threads()
    yield
    _core.set_num_threads(before)
