"""The oldest Python that pyproject.toml promises has all that the code takes from the standard library."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OLDEST = re.search(r'^requires-python = ">=(3\.\d+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
#: What mypy says of a name, or a whole module, that an older Python does not have.
NEWER = re.compile(r'Module (?:"[\w.]+" )?has no attribute|Name "\w+" is not defined|module named "(\w+)')
#: Modules of the standard library, also those that came after the Python that runs the tests.
STANDARD = sys.stdlib_module_names | {"tomllib"}


def newer_than(version: str, *where: str | Path) -> list[str]:
    """What mypy finds missing from that Python's standard library; packages are not looked at, which makes it quick."""
    command = [sys.executable, "-m", "mypy", "--config-file=", "--cache-dir=/dev/null", "--no-site-packages"]
    done = subprocess.run(
        [*command, "--python-version", version, *map(str, where)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    found = [(NEWER.search(line), line) for line in done.stdout.splitlines()]
    return [line for match, line in found if match and (match[1] is None or match[1] in STANDARD)]


def test_nothing_is_newer_than_the_oldest_python() -> None:
    assert OLDEST is not None
    pytest.importorskip("mypy")
    assert newer_than(OLDEST[1], "kgwalk", "agents", "benchmarks") == []


@pytest.mark.parametrize(
    "line", ["from typing import Self", "import hashlib; hashlib.file_digest", "import tomllib", "BaseExceptionGroup"]
)
def test_what_is_newer_is_found(tmp_path: Path, line: str) -> None:
    pytest.importorskip("mypy")
    (tmp_path / "newer.py").write_text(line + "\n")
    assert len(newer_than("3.10", tmp_path / "newer.py")) == 1
