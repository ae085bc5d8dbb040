"""Imports point one way, downwards; CONTRIBUTING names the layers."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Lowest first; a part may import its own layer and those before it.
LAYERS = (
    {"_core", "protocols", "files", "tensors"},
    {"data", "graph", "ragged", "ragged_reference"},
    {"scorers", "rules"},
    {"search", "evaluation", "envs", "explain", "predict", "recommend"},
    {"wrappers"},
    {"integrations"},
    {"agents"},
    {"cli"},
)
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}
FILES = sorted([*(ROOT / "kgwalk").rglob("*.py"), *(ROOT / "agents").rglob("*.py")])
WITHOUT_TORCH = [
    "kgwalk.cli",
    "kgwalk.data",
    "kgwalk.envs",
    "kgwalk.evaluation",
    "kgwalk.explain",
    "kgwalk.integrations.minari",
    "kgwalk.integrations.pettingzoo",
    "kgwalk.recommend",
    "kgwalk.rules",
    "kgwalk.scorers",
    "kgwalk.search",
    "kgwalk.wrappers",
]


def part_of(path: Path) -> str:
    inside = path.relative_to(ROOT).with_suffix("").parts
    return inside[0] if inside[0] == "agents" else inside[1]


def imported_parts(path: Path) -> Iterator[str]:
    """Parts of kgwalk that a file names in its absolute imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [f"{node.module}.{alias.name}" if node.module == "kgwalk" else node.module for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (name.split(".")[1] for name in names if name.startswith("kgwalk."))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_import_points_upwards(path: Path) -> None:
    own = part_of(path)
    if own == "__init__":  # the package itself gathers what users call
        return
    assert own in LEVEL, f"{own} has no layer: give it one here and in CONTRIBUTING"
    wrong = [part for part in imported_parts(path) if LEVEL.get(part, 0) > LEVEL[own]]
    assert not wrong, f"{own} must not import {wrong}"


def test_protocols_import_nothing_of_kgwalk() -> None:
    assert not list(imported_parts(ROOT / "kgwalk" / "protocols.py"))


def test_everything_but_agents_and_kernels_imports_without_torch() -> None:
    program = f"import sys, {', '.join(WITHOUT_TORCH)}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
