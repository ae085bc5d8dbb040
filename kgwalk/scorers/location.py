"""Where a scorer's file lies. Imports no torch: environments look before they load."""

from __future__ import annotations

from pathlib import Path

#: File of a scorer in the folder of its training run.
NAME = "agent.safetensors"


def scorer_file(path: Path | str) -> Path:
    """The file of a scorer that is given by itself, or by the folder of its training run."""
    path = Path(path)
    return path / NAME if path.is_dir() else path
