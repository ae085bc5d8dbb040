"""`make test-oldest` tests the oldest releases that pyproject.toml allows."""

from __future__ import annotations

import re
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]


def name_of(package: str) -> str:
    return package.lower().replace("_", "-")


def floors() -> dict[str, Version]:
    """Lower bounds of what kgwalk itself and its extras agents and sb3 need."""
    text = (ROOT / "pyproject.toml").read_text()
    parts = [
        re.search(rf"^{key} = \[(.*?)\]$", text, re.MULTILINE | re.DOTALL) for key in ("dependencies", "agents", "sb3")
    ]
    found = {}
    for part in parts:
        assert part is not None
        for requirement in map(Requirement, re.findall(r'"([^"]+)"', part[1])):
            (least,) = (bound.version for bound in requirement.specifier if bound.operator == ">=")
            found[name_of(requirement.name)] = Version(least)
    return found


def test_the_oldest_releases_are_those_that_are_tested() -> None:
    lines = (ROOT / "constraints-oldest.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    pinned = {name_of(name): Version(version) for name, version in pins.items()}
    expected = floors()
    del expected["torch"]  # older ones than that of constraints.txt are offered for GPUs only, by the gigabyte
    assert {name: pinned.get(name) for name in expected} == expected
