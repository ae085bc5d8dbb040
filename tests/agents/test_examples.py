"""The examples of libraries small enough for this suite run as a user would run them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "agents" / "examples"


def run(name: str, *arguments: str, **environment: str) -> str:
    command = [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py"), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **environment})
    return done.stdout


def test_pettingzoo_random() -> None:
    for dataset in ("Family", "Bookshop"):
        told = run("pettingzoo_random", "--dataset", dataset, "--walks", "30")
        *walk, one, other = told.splitlines()
        assert re.search(r", \?\)  (missed|hit) \w", walk[0])
        assert one.startswith("relation_agent earned")
        assert one.split("_agent ")[1] == other.split("_agent ")[1]
    assert run("pettingzoo_random", "--dataset", "Bookshop", "--walks", "30") == told


def test_minari_export(tmp_path: Path) -> None:
    told = run("minari_export", "--walks", "20", MINARI_DATASETS_PATH=str(tmp_path))
    assert told.startswith("20 walks, ")
    assert told.endswith("the first, walked again, is the same\n")
    assert (tmp_path / "kgwalk" / "family" / "asked-first-v0" / "data").is_dir()
