"""A module whose package is missing says what to install; kgwalk itself does not mind."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import importlib, sys
extra, package = sys.argv[1:]
sys.modules[package] = None
import kgwalk, kgwalk.cli, kgwalk.integrations
try:
    importlib.import_module(f"kgwalk.integrations.{extra}")
except ImportError as error:
    assert f"pip install 'kgwalk[{extra}]'" in str(error), error
    assert package in str(error), error
else:
    sys.exit("it was imported")
"""


@pytest.mark.parametrize(
    ("extra", "package"), [("pettingzoo",) * 2, ("minari",) * 2, ("minari", "h5py"), ("torchrl", "torch")]
)
def test_the_pip_line_is_named(extra: str, package: str) -> None:
    subprocess.run([sys.executable, "-c", PROGRAM, extra, package], check=True)
