"""What every test may use: where the benchmark folders are, and threads set back after a test that changes them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kgwalk import _core


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
